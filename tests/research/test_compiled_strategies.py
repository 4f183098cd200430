"""Strategies that run inside the engine's loop: the same states as in Python, and mistakes as exceptions."""

from __future__ import annotations

from typing import Any

import pytest

import novation as nv
from novation.engine.strategy import position, target
from tests.research.runs import Cross, history, run


@nv.compiled(last="i8")
def compiled_cross(venue: Any, bar: Any, my: Any) -> None:
    if bar.last_e8 > my.last:
        target(venue, bar.instrument, 10)
    else:
        target(venue, bar.instrument, -10)
    my.last = bar.last_e8


def test_a_compiled_strategy_reaches_the_state_of_its_python_twin() -> None:
    prices = [50_000.0 + 37 * ((i * i) % 11) for i in range(300)]
    python = run(Cross(), history(prices, width=3.0, funding=0.0001))
    compiled = run(compiled_cross, history(prices, width=3.0, funding=0.0001))
    assert python.frame("fills").height > 50
    assert compiled.state_hash == python.state_hash
    assert (
        compiled.manifest["venues"]["binance_um"]["event_hash"] == python.manifest["venues"]["binance_um"]["event_hash"]
    )


@nv.compiled()
def compiled_failure(venue: Any, bar: Any, my: Any) -> None:
    if position(venue, bar.instrument) == 0:
        raise ValueError("from the strategy")


def test_an_exception_in_a_compiled_strategy_propagates() -> None:
    with pytest.raises(ValueError, match="from the strategy"):
        run(compiled_failure, history([50_000.0] * 3))


@nv.compiled(n="i8", a=("f8", 3))
def beyond_its_array(venue: Any, bar: Any, my: Any) -> None:
    my.n += 1
    my.a[my.n] = 1.0


@nv.compiled(n="i8")
def divides_by_zero(venue: Any, bar: Any, my: Any) -> None:
    my.n = 1 // my.n


@nv.compiled()
def half_a_lot(venue: Any, bar: Any, my: Any) -> None:
    target(venue, bar.instrument, 1.5)


@nv.compiled
def no_such_name(venue: Any, bar: Any, my: Any) -> None:
    undefined_name(bar)  # noqa: F821


@nv.compiled()
def target_twice(venue: Any, bar: Any, my: Any) -> None:
    target(venue, bar.instrument, 10)
    target(venue, bar.instrument, 10)


@pytest.mark.parametrize(
    ("strategy", "error", "words"),
    [
        (beyond_its_array, IndexError, "out of bounds"),
        (divides_by_zero, ZeroDivisionError, "zero"),
        (half_a_lot, nv.InvalidInput, "whole numbers"),
        (no_such_name, nv.InvalidInput, "undefined_name"),
    ],
)
def test_a_mistake_in_a_compiled_strategy_is_an_exception(strategy: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(strategy, history([50_000.0] * 6))


def test_a_compiled_target_counts_what_waits() -> None:
    assert run(target_twice, history([50_000.0] * 4)).frame("fills")["qty"].to_list() == [0.01]
