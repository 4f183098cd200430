"""`novation validate` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


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
