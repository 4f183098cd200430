"""Rolling extremes against a list, the dynamic circuit breaker, velocity and stop logic, against a plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.rules.circuit_breaker import (
    Scope,
    breaker_halt,
    breaker_limits,
    breaker_reset,
    breaker_scope,
    breaker_trade,
    breaks,
    find_breaks,
    variant,
)
from novation.rules.price_limits import Rounding
from novation.rules.rolling_extremes import (
    BEYOND_HIGH,
    BEYOND_LOW,
    NO_LOWER,
    NO_ROOM,
    NO_UPPER,
    WITHIN,
    rolling_words,
)
from novation.rules.velocity import reserve_until, stops_spike, velocity_limits, velocity_trade
from tests.reference import price_limits as twin

SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
TRADES = st.lists(st.tuples(st.integers(0, 8), st.integers(-12, 12)), max_size=60)


def window(reach: int) -> np.ndarray:
    """A state that always has room."""
    return np.zeros(rolling_words(reach + 1), np.int64)


def timed(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps as instants."""
    now, found = 0, []
    for gap, price in steps:
        now += gap
        found.append((now, price))
    return found


def test_a6_limits_of_crude_oil() -> None:
    """facts/cme.md A6: 80.00 at 10 %, window 79.20 to 80.50: bid 87.20, ask 72.50."""
    reach = variant(8_000, 10_000_000, Rounding.INWARD)
    assert reach == 800
    state = window(reach)
    for i, price in enumerate([8_000, 7_920, 8_050]):
        assert breaker_trade(state, i, HOUR, reach, price) == WITHIN
    assert tuple(breaker_limits(state, 3, HOUR, reach)) == (7_250, 8_720)
    assert breaker_trade(state, 3, HOUR, reach, 8_721) == BEYOND_HIGH
    assert breaker_trade(state, 3, HOUR, reach, 7_249) == BEYOND_LOW
    assert breaker_trade(state, 3, HOUR, reach, 8_720) == WITHIN


def test_the_faq_rounds_the_variant_down_and_the_table_of_2020_up() -> None:
    """facts/cme.md §5: 1157 at 15 % is 173.55; the table shows 174."""
    assert variant(1_157, 15_000_000, Rounding.INWARD) == 173
    assert variant(1_157, 15_000_000, Rounding.OUTWARD) == 174
    assert variant(-1_157, 15_000_000, Rounding.INWARD) == 173


def test_a_restart_empties_the_window_and_there_is_no_limit_until_the_first_trade() -> None:
    state = window(10)
    assert tuple(breaker_limits(state, 0, HOUR, 10)) == (NO_LOWER, NO_UPPER)
    assert breaker_trade(state, 0, HOUR, 10, 100) == WITHIN
    assert breaker_trade(state, 1, HOUR, 10, 111) == BEYOND_HIGH
    breaker_reset(state)
    assert tuple(breaker_limits(state, 2, HOUR, 10)) == (NO_LOWER, NO_UPPER)
    assert breaker_trade(state, 2, HOUR, 10, 111) == WITHIN


def test_a_trade_leaves_the_window_when_it_is_an_hour_old() -> None:
    state = window(10)
    assert breaker_trade(state, 0, HOUR, 10, 100) == WITHIN
    assert tuple(breaker_limits(state, HOUR - 1, HOUR, 10)) == (90, 110)
    assert tuple(breaker_limits(state, HOUR, HOUR, 10)) == (NO_LOWER, NO_UPPER)


@given(TRADES, st.integers(0, 24), st.integers(1, 30))
def test_rolling_extremes_are_those_of_the_list_and_never_cross(
    steps: list[tuple[int, int]], reach: int, span: int
) -> None:
    state, naive = window(reach), twin.Window(span, reach)
    for now, price in timed(steps):
        assert breaker_trade(state, now, span, reach, price) == naive.trade(now, price)
        low, high = breaker_limits(state, now, span, reach)
        assert (low, high) == naive.limits(now)
        assert low <= high


@given(TRADES, st.integers(1, 4), st.integers(1, 30))
def test_a_state_that_is_too_small_says_so_and_is_never_wrong(
    steps: list[tuple[int, int]], capacity: int, span: int
) -> None:
    state, naive = np.zeros(rolling_words(capacity), np.int64), twin.Window(span, 24)
    for now, price in timed(steps):
        answer = breaker_trade(state, now, span, 24, price)
        if answer == NO_ROOM:
            assert len({one for at, one in naive.trades if now - at < span}) >= capacity
        else:
            assert answer == naive.trade(now, price)
        assert tuple(breaker_limits(state, now, span, 24)) == naive.limits(now)


@given(TRADES, st.integers(0, 12), st.integers(1, 30), st.integers(0, 20), st.integers(0, 120))
def test_breaks_are_those_of_the_twin(
    steps: list[tuple[int, int]], reach: int, span: int, halt: int, close: int
) -> None:
    trades = timed(steps)
    times, prices = (np.array([one[k] for one in trades], np.int64) for k in (0, 1))
    found = breaks(times, prices, reach, span, halt, close, 15, 2)
    assert found.tolist() == twin.breaks(trades, reach, span, halt, close, 15, 2)


def test_breaks_say_when_the_state_is_too_small() -> None:
    found = np.zeros((3, 4), np.int64)
    small = np.zeros(rolling_words(1), np.int64)
    trades = np.array([1, 2, 3], np.int64)
    assert find_breaks(trades, trades, 10, HOUR, 1, HOUR, 1, 1, small, found) == -1


def test_a_halt_lasts_two_minutes_and_five_seconds_before_the_close() -> None:
    """facts/cme.md §5."""
    close = 10 * HOUR
    terms = (2 * MINUTE, 5 * MINUTE, 5 * SECOND)
    assert breaker_halt(close - 5 * MINUTE - 1, close, *terms) == 2 * MINUTE
    assert breaker_halt(close - 5 * MINUTE, close, *terms) == 5 * SECOND


def test_the_lead_month_halts_all_months_another_only_itself() -> None:
    """facts/cme.md §5."""
    assert breaker_scope(3, 3) == Scope.GROUP
    assert breaker_scope(4, 3) == Scope.MONTH


def test_a_move_of_n_ticks_in_the_window_is_too_fast_a_slower_one_is_not() -> None:
    state = window(11)
    assert velocity_trade(state, 0, SECOND, 12, 100) == WITHIN
    assert velocity_trade(state, 1, SECOND, 12, 111) == WITHIN
    assert tuple(velocity_limits(state, 2, SECOND, 12)) == (100, 111)
    assert velocity_trade(state, 2, SECOND, 12, 112) == BEYOND_HIGH
    assert velocity_trade(state, 2, SECOND, 12, 99) == BEYOND_LOW
    assert velocity_trade(state, SECOND, SECOND, 12, 112) == WITHIN  # the trade at 100 has left


def test_stops_that_would_run_too_far_are_held_back() -> None:
    assert not stops_spike(1_000, 1_024, 24)
    assert stops_spike(1_000, 1_025, 24) and stops_spike(1_000, 975, 24)


@pytest.mark.parametrize(
    ("indicative", "until", "expected"),
    [(1_048, 5, 5), (1_049, 5, 10), (951, 10, 15), (951, 18, 20), (951, 20, 20), (1_000, 5, 5)],
)
def test_a_reservation_goes_on_while_the_price_is_two_thresholds_away(
    indicative: int, until: int, expected: int
) -> None:
    """facts/cme.md §5: 5 s, extended, up to 20 s."""
    end = reserve_until(0, until * SECOND, 1_000, indicative, 24, 2, 5 * SECOND, 20 * SECOND)
    assert end == expected * SECOND
