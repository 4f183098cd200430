"""`novation calibrate` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novation.cli.recorded import ASKED, asked
from novation.domain.errors import DataError
from novation.domain.order_flow import ZeroIntelligence
from novation.research.calibrate import read_model

#: Two orders rest; a third comes and is cancelled; a fourth takes 100 of the ask; then others come and go.
LINES = """\
id,timestamp,exchange.timestamp,price,volume,action,direction
1,1000,1000,236.40,300,created,bid
2,2000,2000,236.50,200,created,ask
3,3000,3000,236.45,400,created,bid
3,4000,3000,236.45,400,deleted,bid
4,5000,5000,236.50,100,created,bid
2,5100,2000,236.50,100,changed,ask
4,5101,5000,236.50,0,deleted,bid
5,7000,7000,236.48,100,created,ask
5,8000,7000,236.48,100,deleted,ask
6,9000,9000,236.42,100,created,bid
"""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(LINES)
    return path


def test_a_model_is_found_and_written(novation: Callable[..., Any], record: Path) -> None:
    asked = ("calibrate", "flow", record, "--model", "zero-intelligence", "--tick", "0.01", "--reach", "12")
    shown = novation(*asked)
    assert shown.code == 0, shown.err
    assert "3 limit, 2 cancel, 1 market" in shown.out
    out = record.parent / "model.yaml"
    told = json.loads(novation(*asked, "--out", out, "--json").out)
    assert told["model"]["type"] == told["name"] == "zero-intelligence"
    assert (told["from"], told["seconds"]) == ("1970-01-01 00:00:01", 7.0)
    model = read_model(out)
    assert isinstance(model, ZeroIntelligence)
    assert model.market == pytest.approx(1 / 14)
    refused = novation(*asked, "--out", out)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--out: is there already" in refused.err


def test_queues_are_summed_by_distance(novation: Callable[..., Any], record: Path) -> None:
    shown = novation("calibrate", "flow", record, "--model", "queue-reactive", "--tick", "0.01")
    assert shown.code == 0, shown.err
    assert "states" in shown.out


def test_wrong_input_is_one_line(novation: Callable[..., Any], record: Path) -> None:
    flow = ("--model", "zero-intelligence", "--tick", "0.01")
    for arguments, said in (
        (
            (record, "--model", "poisson", "--tick", "0.01"),
            "--model: is one of zero-intelligence, queue-reactive, hawkes",
        ),
        ((record, *flow, "--reach", "0"), "--reach: is 1 to 10,000 ticks"),
        # what is asked is looked at before the file is
        ((record.parent / "none.csv", "--model", "poisson", "--tick", "0.01"), "--model: is one of"),
        ((record.parent / "none.csv", *flow, "--reach", "0"), "--reach: is 1 to"),
        ((record, *flow, "--out", record.parent / "none" / "model.json"), "--out: is in no folder that is there"),
        ((record, *flow, "--open-from", "soon"), "--open-from"),
        ((record, *flow, "--open-from", "1970-01-02T00:00Z"), "never shows a bid and an ask"),
        ((record, *flow, "--out", record.parent / "model.txt"), "--out: ends in .json, .yaml or .yml"),
        ((record.parent / "levels.parquet", *flow), "is no order-by-order record"),
        ((record.parent / "orders.npz", *flow), "needs the tick and the lot"),
    ):
        refused = novation("calibrate", "flow", *arguments)
        assert (refused.code, refused.err.count("\n")) == (2, 1), refused
        assert said in refused.err
    assert novation("calibrate").code == 0


@pytest.mark.parametrize("verb", [("calibrate", "flow", "--model", "hawkes"), ("validate", "ghost")])
def test_what_to_do_is_said_in_options(novation: Callable[..., Any], record: Path, verb: tuple[str, ...]) -> None:
    record.write_text(LINES + "9,9500,9500,236.42,100,deleted,bid\n")
    refused = novation(*verb, record, "--tick", "0.01")
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused
    assert "orders.csv record 12" in refused.err and "Pass --repair to " in refused.err


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Say when it was: open_spans=[(start_ns, end_ns)].", "Say when it was: --open-from."),
        ("Pass tick=, or definition= a DBN file of schema definition that holds the instrument.", "Pass --tick."),
    ],
)
def test_hints_for_python_become_hints_for_the_command(hint: str, said: str) -> None:
    with pytest.raises(DataError) as caught, asked(ASKED):
        raise DataError("is wrong", source="a.csv", where="record 3", value=7, hint=hint)
    assert str(caught.value) == f"a.csv record 3: is wrong (found 7). {said}"
