"""`novation cascade` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "configs" / "cascade.yaml"
FEW = ("--set", "seconds=12", "--set", "ladder.levels=1_000")
#: A hundredth of the accounts, each with a hundred times as much.
CROWD = (
    "{accounts: 400, side: long, qty: [0.1, 60], margin: [0.0085, 0.25]}",
    "{accounts: 150, side: short, qty: [0.1, 120], margin: [0.01, 0.3]}",
)
FEW_PEOPLE = ("--set", f"traders=[{', '.join(CROWD)}]")


@pytest.mark.slow
def test_the_example_prints_its_waves_and_draws_them(novation: Callable[..., Any], tmp_path: Path) -> None:
    answer = novation("cascade", EXAMPLE, *FEW, "--out", tmp_path / "out")
    assert answer.code == 0
    assert "60,000 accounts" in answer.out
    assert "insurance fund" in answer.out
    assert (tmp_path / "out" / "cascade.html").stat().st_size > 1_000_000
    assert "--out DIR" not in answer.out


def test_json_has_the_documented_keys(novation: Callable[..., Any]) -> None:
    answer = json.loads(novation("cascade", EXAMPLE, *FEW, *FEW_PEOPLE, "--json").out)
    assert isinstance(answer["fund_start"], float)
    assert {"liquidated_notional", "fund_end", "deleveraged_qty", "multiple", "waves_by_second"} <= set(answer)


def test_what_is_not_drawn_says_how_to_draw_it(novation: Callable[..., Any]) -> None:
    answer = novation("cascade", EXAMPLE, "--set", "seconds=1", *FEW_PEOPLE)
    assert answer.out.endswith("\n--out DIR draws it\n")


def test_a_number_that_cannot_be_names_file_and_key(novation: Callable[..., Any]) -> None:
    for setting, message in (
        ("seed=-1", "error: cascade.yaml seed: "),
        ("price=1e30", "error: cascade.yaml price: a price lies below"),
        ("shock.sell=1e12", "error: cascade.yaml shock.sell: an order is worth at most"),
        ("ladder.qty=0.0001", "error: cascade.yaml ladder.qty: "),
        ("fund=-1", "error: cascade.yaml fund: a fund begins with 0 to 11,529,215,046 USDT"),
    ):
        answer = novation("cascade", EXAMPLE, "--set", setting)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(message)
        assert answer.err.count("\n") == 1


def test_a_wrong_key_is_named_and_nothing_is_written(novation: Callable[..., Any], tmp_path: Path) -> None:
    answer = novation("cascade", EXAMPLE, "--set", "ladder.depth=3", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "ladder.depth" in answer.err
    assert not (tmp_path / "out").exists()
