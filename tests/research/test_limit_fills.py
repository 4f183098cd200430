"""Limit orders that bars touch: a stated chance, or one by a model of order flow (docs/rules/fills.md, "Touches")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import novation as nv
from novation.data.model_files import write_model
from novation.domain.errors import ConfigError
from novation.domain.order_flow import ZeroIntelligence
from novation.research.limit_fills import LimitFill, touched_chance
from tests.research.runs import Script, history, run

#: Market orders alone, as likely on both sides: two of mine against one of theirs is 1/4, three against one 1/8.
COIN = ZeroIntelligence(limit=(0.0,), cancel=(0.0,), market=1.0)


def bids(count: int) -> dict[str, Any]:
    """At the close of the first bar, so many bids at 49,900; the third bar's low is there."""
    return {"n0": lambda s: [s.buy("BTCUSDT", 0.003, 49_900) for _ in range(count)]}


def filled(count: int, **options: Any) -> tuple[int, nv.Result]:
    data = history([50_000.0, 50_000.0, 49_900.0, 50_000.0, 50_000.0])
    result = run(Script(**bids(count)), data, **options)
    return result.frame("fills").height, result


def test_a_chance_is_drawn_for_each_order_that_a_bar_touches() -> None:
    """Two bars touch it. 400 at 0.25: 1 - 0.75^2 = 0.4375 of 400 is 175; 4.4 deviations are 44 (once in 100,000)."""
    assert filled(400)[0] == 0
    assert filled(400, limit_fill=1)[0] == 400
    count, result = filled(400, limit_fill=0.25, seed=3)
    assert 131 <= count <= 219
    assert "a limit order that a bar touches is reached with a chance of 0.25: stated" in result.cautions
    again, _ = filled(400, limit_fill=0.25, seed=3)
    assert again == count
    assert {filled(400, limit_fill=0.25, seed=seed)[0] for seed in range(5)} != {count}


def test_a_model_says_how_likely_it_is_that_mine_goes_and_the_level_stays() -> None:
    """One ahead, none behind: mine 1/4, the last behind me 1/8, so (1/4 - 1/8) / (1 - 1/8) = 1/7."""
    found = LimitFill.of({"model": COIN, "ahead": 1, "opposite": 1})
    assert found is not None
    assert float(found.chance) == pytest.approx(1 / 7, abs=1e-8)
    assert found.rests_on == "zero-intelligence model, 1 ahead, 0 behind, 1 opposite"
    more = LimitFill.of({"model": COIN, "ahead": 1, "behind": 3, "opposite": 1})
    assert more is not None
    assert float(more.chance) == pytest.approx((1 / 4 - 1 / 64) / (1 - 1 / 64), abs=1e-8)  # six of theirs, not five
    assert touched_chance(0.2, 1.0) == 0.0


def test_a_file_of_a_model_will_do(tmp_path: Path) -> None:
    write_model(COIN, tmp_path / "flow.json")
    found = LimitFill.of({"model": "flow.json", "ahead": 1, "opposite": 1}, tmp_path)
    assert found is not None
    assert found.touch_e8 == 14_285_714


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, 'limit_fill: is "through", a chance above 0'),
        (1.5, "a chance above 0 and at most 1"),
        ("touch", "a chance above 0 and at most 1"),
        (True, "a chance above 0 and at most 1"),
        ({"modl": COIN}, "limit_fill modl: is not one of model, ahead"),
        ({"model": 5, "ahead": 1, "opposite": 1}, "limit_fill model: is a zero-intelligence or queue-reactive model"),
        ({"model": COIN, "opposite": 1}, "limit_fill ahead: is a whole number of orders, 0 or more"),
        ({"model": COIN, "ahead": 1, "opposite": 0}, "limit_fill opposite: is a whole number of orders, 1 or more"),
    ],
)
def test_what_is_no_chance_is_named(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        filled(1, limit_fill=given)
