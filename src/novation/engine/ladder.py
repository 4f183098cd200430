"""A static ladder of levels on both sides of a centre, which heals: liquidity with depth but without other traders.

What has been taken of a side is one number of lots, missing from the best level on. It comes back at a stated rate, a
whole number of lots between two instants: floor(rate * t) counted from time zero, so that looking at the book more
often changes nothing. A side whose lots are all taken offers nothing until it heals. The last price is a trade's.
Not modelled: levels that differ between the sides, other people's orders in the levels (docs/rules/liquidity.md).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.layout import ANY_PRICE, NO_PRICE
from novation.engine.state import contract_, level_, market_, terms_of
from novation.rules.integers import mul_div
from novation.rules.value import price_to_ticks

_SECOND = 1_000_000_000
#: Values are kept below 2**62.
_MOST_VALUE = 1 << 61


@kernel
def heal(venue, instrument):
    """Give back what has healed since the ladder was last looked at."""
    m, c = market_(venue, instrument), contract_(venue, instrument)
    healed = mul_div(venue.clock_ns, c.heals, _SECOND) - mul_div(m.healed_ns, c.heals, _SECOND)
    m.bid_taken = max(0, m.bid_taken - healed)
    m.ask_taken = max(0, m.ask_taken - healed)
    m.healed_ns = venue.clock_ns


@kernel
def level_after(venue, instrument, taken):
    """Row of the level at which the first lot stands after `taken` of a side; -1 when all are taken."""
    c = contract_(venue, instrument)
    low, high = c.level_first - 1, c.level_first + c.level_count - 1
    if taken >= level_(venue, high).upto:
        return -1
    while high - low > 1:
        middle = (low + high) // 2
        if level_(venue, middle).upto > taken:
            high = middle
        else:
            low = middle
    return high


@kernel
def level_ticks(venue, instrument, side, row):
    """Price of a level for a taker of a side, on the tick in force, against the taker; NO_PRICE at zero and below."""
    c = contract_(venue, instrument)
    centre = market_(venue, instrument).centre_e8
    price_e8 = centre + side * level_(venue, row).offset * c.tick_e8
    ticks = price_to_ticks(price_e8, c.tick_e8, terms_of(venue, instrument).tick_step, side)
    return ticks if ticks > 0 and centre > 0 else NO_PRICE


@kernel
def taken_of(venue, instrument, side):
    """Lots missing from the side that a taker of `side` meets."""
    heal(venue, instrument)
    m = market_(venue, instrument)
    return m.ask_taken if side > 0 else m.bid_taken


@kernel
def best_level(venue, instrument, side):
    """Ticks and lots of the best level that a taker of a side meets; (NO_PRICE, 0) when nothing is left."""
    taken = taken_of(venue, instrument, side)
    row = level_after(venue, instrument, taken)
    if row < 0:
        return NO_PRICE, 0
    ticks = level_ticks(venue, instrument, side, row)
    if ticks == NO_PRICE:
        return NO_PRICE, 0
    return ticks, level_(venue, row).upto - taken


@kernel
def take_lots(venue, instrument, side, lots, ticks):
    """Lots of the best level are gone, traded at a price, which is the last one now."""
    m = market_(venue, instrument)
    if side > 0:
        m.ask_taken += lots
    else:
        m.bid_taken += lots
    m.last_e8 = ticks * contract_(venue, instrument).tick_e8


@kernel
def depth(venue, instrument, side, lots, worst_ticks, least_value):
    """Lots that can be had, their value in minor units, and the price in ticks of the last of them.

    Level by level up to `lots` or, where it is not 0, up to the fewest lots worth `least_value`; none beyond
    `worst_ticks`. (0, 0, NO_PRICE) when there are none.
    """
    c = contract_(venue, instrument)
    taken = taken_of(venue, instrument, side)
    row = level_after(venue, instrument, taken)
    found, value, last = 0, 0, NO_PRICE
    end = c.level_first + c.level_count
    while 0 <= row < end and found < lots:
        ticks = level_ticks(venue, instrument, side, row)
        if ticks == NO_PRICE or (worst_ticks != ANY_PRICE and side * (ticks - worst_ticks) > 0):
            break
        unit = ticks * c.tick_value
        there = min(lots - found, level_(venue, row).upto - taken - found, (_MOST_VALUE - value) // unit)
        if least_value > 0:
            there = min(there, -((value - least_value) // unit))
        found += there
        value += there * unit
        last = ticks
        if there == 0 or 0 < least_value <= value:
            break
        row += 1
    return found, value, last
