"""Price limits of a day: equity index futures by period, cash halts, and the older fixed limits of commodities.

Source: facts/cme.md §5 (two CME FAQs, example A5), §0 rows 2-5. Trading goes on at a limit; orders through it are
refused. Numbers are arguments: percentages of the rule in force in 1e-8 (7 % is 7_000_000), minutes in ns.

The fixing (a VWAP) and the cash index are off the tick grid, so they come in 1e-8, below 2**53; limits are ticks. How
CME rounds them is unverified: INWARD, towards the middle, is what the facts assume, and never lets a trade past the
exact limit; OUTWARD is the other way. Both are exact: the limit is the first tick inside (outside) the rational one.

Not modelled: which period it is (a calendar's word), orders that wait outside the limits, resuming after a halt.
"""

from __future__ import annotations

from enum import IntEnum

from novation._jit import kernel
from novation.rules.integers import E8, mul_div, mul_div_ceil
from novation.rules.rolling_extremes import NO_LOWER, NO_UPPER


class Period(IntEnum):
    """Which limits of an equity index future are in force (Chicago time)."""

    #: 17:00-08:30: a band around the fixing.
    OVERNIGHT = 1
    #: 08:30-14:25: the next level down, nothing up.
    DAY = 2
    #: 14:25-15:00: the last level down, nothing up.
    LATE = 3
    #: 15:00-16:00: a band around the price of 15:00, not below the day's last level.
    AFTER = 4


class Rounding(IntEnum):
    """Which way a limit or an amount goes to a tick: INWARD makes the band narrower (down, for an amount)."""

    INWARD = 1
    OUTWARD = 2


_OVERNIGHT = int(Period.OVERNIGHT)
_DAY = int(Period.DAY)
_LATE = int(Period.LATE)
_AFTER = int(Period.AFTER)
_OUTWARD = int(Rounding.OUTWARD)

#: The length of a halt that ends the day.
REST_OF_DAY = 1 << 62


@kernel
def low_limit(middle_e8, width_of_e8, fraction_e8, tick_e8, rounding):
    """middle - fraction * width_of, in ticks."""
    if rounding == _OUTWARD:
        return (middle_e8 - mul_div_ceil(width_of_e8, fraction_e8, E8)) // tick_e8
    return -((mul_div(width_of_e8, fraction_e8, E8) - middle_e8) // tick_e8)


@kernel
def high_limit(middle_e8, width_of_e8, fraction_e8, tick_e8, rounding):
    """middle + fraction * width_of, in ticks."""
    if rounding == _OUTWARD:
        return -((-middle_e8 - mul_div_ceil(width_of_e8, fraction_e8, E8)) // tick_e8)
    return (middle_e8 + mul_div(width_of_e8, fraction_e8, E8)) // tick_e8


@kernel
def index_limits(
    period,
    halts_today,
    fixing_e8,
    cash_index_e8,
    three_pm_e8,
    tick_e8,
    band_e8,
    first_e8,
    second_e8,
    third_e8,
    rounding,
):
    """(low_ticks, high_ticks) of an equity index future, both tradable; NO_LOWER and NO_UPPER where there is none.

    halts_today: the highest level of the cash market that has halted it today, 0 to 3. fixing_e8: of 15:00 the day
    before, cash_index_e8: at that instant; three_pm_e8: of today, read in AFTER alone. band_e8: 7 %; first to third: 7,
    13, 20 %. The overnight width is of the cash index, the levels are of the fixing, the last band is of the price of
    15:00 (its width by that price too, as the FAQ's table has it). A band without a tick in it, or an unknown period,
    comes out with low above high: nothing is tradable.
    """
    if period == _OVERNIGHT:
        return (
            low_limit(fixing_e8, cash_index_e8, band_e8, tick_e8, rounding),
            high_limit(fixing_e8, cash_index_e8, band_e8, tick_e8, rounding),
        )
    last_level = low_limit(fixing_e8, fixing_e8, third_e8, tick_e8, rounding)
    if period == _DAY and halts_today == 0:
        return low_limit(fixing_e8, fixing_e8, first_e8, tick_e8, rounding), NO_UPPER
    if period == _DAY and halts_today == 1:
        return low_limit(fixing_e8, fixing_e8, second_e8, tick_e8, rounding), NO_UPPER
    if period == _DAY or period == _LATE:
        return last_level, NO_UPPER
    if period == _AFTER:
        return (
            max(last_level, low_limit(three_pm_e8, three_pm_e8, band_e8, tick_e8, rounding)),
            high_limit(three_pm_e8, three_pm_e8, band_e8, tick_e8, rounding),
        )
    return NO_UPPER, NO_LOWER


@kernel
def cash_fall(index_e8, close_e8):
    """How far the cash index is below its last close, in 1e-8 of it, rounded down: exact against whole thresholds."""
    return mul_div(close_e8 - index_e8, E8, close_e8)


@kernel
def cash_halt(fall_e8, halts_today, at_or_after_1425, first_e8, second_e8, third_e8, pause_ns):
    """(level, ns) of the halt that a fall of the cash index brings; (0, 0) for none, REST_OF_DAY for the third level.

    halts_today: the highest level so far. The first two halt once a day and before 14:25 only. The highest level
    reached is the one that halts; a level jumped over does not halt afterwards (our reading).
    """
    if halts_today < 3 and fall_e8 >= third_e8:
        return 3, REST_OF_DAY
    if not at_or_after_1425 and halts_today < 2 and fall_e8 >= second_e8:
        return 2, pause_ns
    if not at_or_after_1425 and halts_today < 1 and fall_e8 >= first_e8:
        return 1, pause_ns
    return 0, 0


@kernel
def share_ticks(price_ticks, fraction_e8, rounding):
    """A fraction of the size of a price, in whole ticks: down for INWARD, up for OUTWARD."""
    if rounding == _OUTWARD:
        return mul_div_ceil(abs(price_ticks), fraction_e8, E8)
    return mul_div(abs(price_ticks), fraction_e8, E8)


def fixed_limits(
    settlement_ticks: int, first_e8: int, step_e8: int, expansions: int, most_e8: int, rounding: int
) -> tuple[int, int]:
    """(low, high) of a daily limit that is a fraction of the prior settlement, after so many expansions.

    Half width: first + step * expansions, at most `most`, of the settlement's size, then to a tick. Once a day and at
    an expansion, so plain Python.

    >>> fixed_limits(20_000, 5_000_000, 2_500_000, 1, 10_000_000, Rounding.INWARD)
    (18500, 21500)
    """
    half = int(share_ticks(settlement_ticks, min(first_e8 + step_e8 * expansions, most_e8), rounding))
    return settlement_ticks - half, settlement_ticks + half


def fixed_limits_by_amount(
    settlement_ticks: int, first_ticks: int, step_ticks: int, expansions: int, most_ticks: int
) -> tuple[int, int]:
    """(low, high) of a daily limit that is an amount: first + step * expansions ticks, at most `most`.

    >>> fixed_limits_by_amount(3_000, 1_000, 1_000, 1, 4_000)
    (1000, 5000)
    """
    half = min(first_ticks + step_ticks * expansions, most_ticks)
    return settlement_ticks - half, settlement_ticks + half


@kernel
def is_tradable(price_ticks, low_ticks, high_ticks):
    """Whether a price is within limits; a limit itself is."""
    return low_ticks <= price_ticks <= high_ticks


@kernel
def limit_lock(bid_ticks, ask_ticks, low_ticks, high_ticks):
    """1 locked limit up, -1 locked limit down, 0 neither.

    The best price is at the limit (or rests beyond it) and nobody tradable is on the other side. An empty side has the
    bid NO_LOWER or the ask NO_UPPER.
    """
    if high_ticks != NO_UPPER and bid_ticks >= high_ticks and ask_ticks > high_ticks:
        return 1
    if low_ticks != NO_LOWER and ask_ticks <= low_ticks and bid_ticks < low_ticks:
        return -1
    return 0
