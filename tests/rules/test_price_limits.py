"""Limits of a day: the worked band of facts/cme.md, levels and halts, fixed limits, locked markets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.units import to_e8
from novation.rules.price_limits import (
    NO_LOWER,
    NO_UPPER,
    REST_OF_DAY,
    Period,
    Rounding,
    cash_fall,
    cash_halt,
    fixed_limits,
    fixed_limits_by_amount,
    index_limits,
    is_tradable,
    limit_lock,
    share_ticks,
)
from tests.reference import price_limits as twin

TICK = to_e8("0.25")
LEVELS = (to_e8("0.07"), to_e8("0.13"), to_e8("0.20"))
PAUSE = 15 * 60 * 10**9
PRICES = st.integers(10**10, 1 << 52)


def limits(period: Period, halts: int = 0, three_pm: str = "0", rounding: Rounding = Rounding.INWARD) -> list[int]:
    """Fixing 5000.00, cash index 4990.00, in ticks of 0.25."""
    found = index_limits(
        period, halts, to_e8("5000"), to_e8("4990"), to_e8(three_pm), TICK, LEVELS[0], *LEVELS, rounding
    )
    return [int(one) for one in found]


def ticks(price: str) -> int:
    """A price on the grid of 0.25."""
    return to_e8(price) // TICK


def halt(fall: str, halts: int = 0, late: bool = False) -> tuple[int, int]:
    """Level and length of the cash halt."""
    level, length = cash_halt(to_e8(fall), halts, late, *LEVELS, PAUSE)
    return int(level), int(length)


def test_a5_the_overnight_band_is_around_the_fixing_and_as_wide_as_the_cash_index_says() -> None:
    """facts/cme.md A5: 5000 +- 349.30, truncated inward."""
    assert limits(Period.OVERNIGHT) == [ticks("4650.75"), ticks("5349.25")]
    assert limits(Period.OVERNIGHT, rounding=Rounding.OUTWARD) == [ticks("4650.50"), ticks("5349.50")]


@pytest.mark.parametrize(("halts", "level"), [(0, "4650"), (1, "4350"), (2, "4000"), (3, "4000")])
def test_a5_each_cash_halt_opens_the_next_level_down_and_nothing_limits_up(halts: int, level: str) -> None:
    """facts/cme.md A5: 7, 13, 20 % of the reference price itself."""
    assert limits(Period.DAY, halts) == [ticks(level), NO_UPPER]
    assert limits(Period.LATE, halts) == [ticks("4000"), NO_UPPER]


def test_after_three_the_band_is_around_the_new_price_but_not_below_the_last_level_of_the_day() -> None:
    assert limits(Period.AFTER, three_pm="4900") == [ticks("4557"), ticks("5243")]
    assert limits(Period.AFTER, three_pm="4100") == [ticks("4000"), ticks("4387")]  # -7 % would be 3813


def test_an_unknown_period_lets_nothing_trade() -> None:
    low, high = index_limits(9, 0, TICK, TICK, TICK, TICK, LEVELS[0], *LEVELS, Rounding.INWARD)
    assert low > high


@given(
    PRICES,
    PRICES,
    PRICES,
    st.sampled_from([TICK, 1, to_e8("0.1"), to_e8("5")]),
    st.integers(10**6, 5 * 10**7),
    st.sampled_from(Rounding),
)
def test_limits_are_the_exact_ones_to_the_tick_and_low_is_not_above_high(
    fixing: int, cash: int, three_pm: int, tick: int, band: int, rounding: Rounding
) -> None:
    inward = rounding == Rounding.INWARD
    for period in Period:
        low, high = index_limits(period, 0, fixing, cash, three_pm, tick, band, *LEVELS, rounding)
        if period == Period.OVERNIGHT:
            assert (low, high) == twin.band(fixing, cash, band, tick, inward)
            if 2 * cash * band >= tick * 10**8:
                assert low <= high
        elif period == Period.AFTER:
            floor, _ = twin.band(fixing, fixing, LEVELS[2], tick, inward)
            lower, upper = twin.band(three_pm, three_pm, band, tick, inward)
            assert (low, high) == (max(floor, lower), upper)
        else:
            level = LEVELS[0 if period == Period.DAY else 2]
            assert (low, high) == (twin.band(fixing, fixing, level, tick, inward)[0], NO_UPPER)
            assert low <= high


def test_a_fall_of_seven_and_of_thirteen_halts_once_and_before_1425_only() -> None:
    assert halt("0.0699") == (0, 0)
    assert halt("0.07") == halt("0.12") == (1, PAUSE)
    assert halt("0.12", 1) == (0, 0)
    assert halt("0.13", 1) == halt("0.13", 0) == (2, PAUSE)
    assert halt("0.07", 2) == halt("0.13", 2) == (0, 0)
    assert halt("0.19", late=True) == (0, 0)


def test_a_fall_of_twenty_ends_the_day_at_any_time() -> None:
    assert halt("0.20") == halt("0.20", 2) == halt("0.25", 1, late=True) == (3, REST_OF_DAY)
    assert halt("0.25", 3) == (0, 0)


def test_a_fall_just_short_of_a_level_has_not_reached_it() -> None:
    assert cash_fall(to_e8("4650"), to_e8("5000")) == LEVELS[0]
    assert cash_fall(to_e8("4650") + 1, to_e8("5000")) < LEVELS[0]
    assert cash_fall(to_e8("5050"), to_e8("5000")) == to_e8("-0.01")


@pytest.mark.parametrize(("expansions", "half"), [(0, 1_000), (1, 1_500), (2, 2_000), (3, 2_000)])
def test_the_plan_s_gold_limit_expands_from_five_to_ten_per_cent(expansions: int, half: int) -> None:
    """GC at 2000.0 in ticks of 0.1: 5, 7.5, 10 % and no more (the seed plan's older fixed limits)."""
    found = fixed_limits(20_000, to_e8("0.05"), to_e8("0.025"), expansions, to_e8("0.10"), Rounding.INWARD)
    assert found == (20_000 - half, 20_000 + half)


def test_a_limit_of_an_amount_may_reach_below_zero() -> None:
    assert fixed_limits_by_amount(500, 1_000, 1_000, 1, 1_500) == (-1_000, 2_000)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 9))
def test_fixed_limits_are_around_the_settlement_whatever_its_sign(
    settlement: int, first: int, step: int, expansions: int
) -> None:
    narrow = fixed_limits(settlement, first, step, expansions, 10**8, Rounding.INWARD)
    wide = fixed_limits(settlement, first, step, expansions, 10**8, Rounding.OUTWARD)
    assert wide[0] <= narrow[0] <= settlement <= narrow[1] <= wide[1]
    assert sum(narrow) == sum(wide) == 2 * settlement
    assert wide[1] - narrow[1] in (0, 1)
    assert share_ticks(settlement, 10**8, Rounding.INWARD) == abs(settlement)


def test_a_limit_itself_is_tradable() -> None:
    assert is_tradable(10, 10, 20) and is_tradable(20, 10, 20)
    assert not is_tradable(9, 10, 20) and not is_tradable(21, 10, 20)
    assert is_tradable(-37, NO_LOWER, NO_UPPER)


def test_a_market_is_locked_when_nobody_stands_on_the_other_side_of_the_limit() -> None:
    assert limit_lock(20, NO_UPPER, 10, 20) == 1
    assert limit_lock(20, 21, 10, 20) == 1  # an ask beyond the limit cannot be executed
    assert limit_lock(NO_LOWER, 10, 10, 20) == -1
    assert limit_lock(19, NO_UPPER, 10, 20) == limit_lock(12, 13, 10, 20) == 0
    assert limit_lock(NO_LOWER, NO_UPPER, 10, 20) == limit_lock(NO_LOWER, NO_UPPER, NO_LOWER, NO_UPPER) == 0
