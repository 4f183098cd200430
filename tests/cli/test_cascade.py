"""`novation cascade` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "configs" / "cascade.yaml"
FEW = ("--set", "seconds=12", "--set", "ladder.levels=1_000")


def test_the_example_prints_its_waves_and_draws_them(novation: Callable[..., Any], tmp_path: Path) -> None:
    answer = novation("cascade", EXAMPLE, *FEW, "--out", tmp_path / "out")
    assert answer.code == 0
    assert "60,000 accounts" in answer.out
    assert "insurance fund" in answer.out
    assert (tmp_path / "out" / "cascade.html").stat().st_size > 1_000_000


def test_json_has_the_documented_keys(novation: Callable[..., Any]) -> None:
    answer = json.loads(novation("cascade", EXAMPLE, *FEW, "--json").out)
    assert {"liquidated_notional", "fund_end", "deleveraged_qty", "multiple", "waves_by_second"} <= set(answer)


def test_a_wrong_key_is_named_and_nothing_is_written(novation: Callable[..., Any], tmp_path: Path) -> None:
    answer = novation("cascade", EXAMPLE, "--set", "ladder.depth=3", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "ladder.depth" in answer.err
    assert not (tmp_path / "out").exists()
