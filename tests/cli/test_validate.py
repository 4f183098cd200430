"""`novation validate` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

LINES = """\
id,timestamp,exchange.timestamp,price,volume,action,direction
1,1000,1000,236.47,300,created,ask
2,2000,2000,236.47,200,created,ask
3,3000,3000,236.47,400,created,bid
1,3100,3000,236.47,0,deleted,ask
3,3101,3000,236.47,100,changed,bid
2,3200,2000,236.47,100,changed,ask
3,3201,3000,236.47,0,deleted,bid
2,4000,2000,236.47,100,deleted,ask
"""


def test_a_record_is_sent_again(novation: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(LINES)
    shown = novation("validate", "ghost", path, "--tick", "0.01", "--hold")
    assert shown.code == 0, shown.err
    assert "2 ghosts of 2 candidates" in shown.out
    found = json.loads(novation("validate", "ghost", path, "--tick", "0.01", "--hold", "--orders", "0", "--json").out)
    exact = found["scores"][0]
    assert (exact["model"], exact["both"], exact["same_lots"], found["ghosts"]) == ("exact", 2, 1.0, [])


def test_wrong_input_is_one_line(novation: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(LINES)
    for arguments, said in (
        ((tmp_path / "trades.parquet",), "is no order-by-order record"),
        ((tmp_path / "none.csv", "--tick", "0.01"), "no such file"),
        ((path, "--tick", "zero"), "--tick"),
        ((path, "--tick", "0.01", "--orders", "-3"), "--orders: is a whole number of 0 or more"),
        ((path, "--tick", "0.01", "--open-from", "soon"), "--open-from"),
        ((path, "--seed", "-1"), "--seed"),
    ):
        refused = novation("validate", "ghost", *arguments)
        assert (refused.code, refused.err.count("\n")) == (2, 1), refused
        assert said in refused.err


def test_odds_of_the_book_are_a_probability_with_its_error(novation: Callable[..., Any]) -> None:
    asked = ("validate", "book-odds", "--bid", "3", "--ask", "2", "--question", "up", "--runs", "2000", "--seed", "1")
    shown = json.loads(novation(*asked, "--json").out)
    assert list(shown) == ["probability", "standard_error", "runs"]
    assert abs(shown["probability"] - 0.5931) < 4 * shown["standard_error"]
    assert "2,000 runs" in novation(*asked).out


def test_the_long_run_of_the_book(novation: Callable[..., Any]) -> None:
    shown = json.loads(novation("validate", "book-stationary", "--time", "200", "--json").out)
    assert {"mean_spread", "spread_probabilities", "mid_changes_per_time", "mid_variance_60"} <= set(shown)
    assert shown["spread_probabilities"]["1"] > 0.5


def test_a_wrong_question_is_one_line(novation: Callable[..., Any]) -> None:
    answer = novation("validate", "book-odds", "--bid", "1", "--ask", "1", "--question", "sideways")
    assert answer.code == 2
    assert answer.err.strip() == 'error: --question: is one of up, fill, both (found "sideways").' or (
        "--question" in answer.err and "up, fill, both" in answer.err and answer.err.count("\n") == 1
    )
