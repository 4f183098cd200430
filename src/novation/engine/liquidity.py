"""Whom a taker meets: the bars' one price (`parametric`), the levels of a ladder (`ladder`), or the orders of a book.

`offer` is the best that can be had now; how far an order gets is said by `reach`. On a ladder
`take` trades it level by level, one unit of work each; on a book `matching` does, order by order. `average_price` is
what a notional would cost. All that fills anything goes through these.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.book import price_after, queue_at, side_place
from novation.engine.executable import best_executable, first_executable, is_within_limits
from novation.engine.ladder import best_level, depth, take_lots
from novation.engine.layout import ANY_PRICE, NO_PRICE
from novation.engine.parametric import forced_ticks, left_in_bar, most_within
from novation.engine.phases import is_open, within_limits
from novation.engine.state import contract_, has_book, market_, price_, resting_
from novation.rules.integers import E8, mul_div

#: Values are kept below 2**62.
MOST_VALUE = 1 << 61


@kernel
def has_ladder(venue, instrument):
    """Whether an instrument trades on a ladder."""
    return contract_(venue, instrument).level_count > 0


@kernel
def has_depth(venue, instrument):
    """Whether an instrument trades on a ladder or a book."""
    return has_ladder(venue, instrument) or has_book(venue, instrument)


@kernel
def within(side, ticks, worst_ticks):
    """Whether a price is there and no worse than the worst one named."""
    return ticks != NO_PRICE and (worst_ticks == ANY_PRICE or side * (ticks - worst_ticks) <= 0)


@kernel
def book_depth(venue, instrument, side, lots, worst_ticks, least_value):
    """What `ladder.depth` says of a ladder, of a book: hidden lots are counted."""
    unit_value = contract_(venue, instrument).tick_value
    place = side_place(venue, instrument, -side)
    found, value, last = 0, 0, NO_PRICE
    ticks = best_executable(venue, instrument, side)
    while ticks != NO_PRICE and found < lots and within(side, ticks, worst_ticks):
        if not is_within_limits(venue, instrument, ticks):
            break
        queue = price_(venue, queue_at(venue, place, ticks))
        unit = ticks * unit_value
        there = min(lots - found, queue.lots + queue.hidden, (MOST_VALUE - value) // unit)
        if least_value > 0:
            there = min(there, -((value - least_value) // unit))
        found += there
        value += there * unit
        last = ticks
        if there == 0 or 0 < least_value <= value:
            break
        ticks = price_after(venue, place, ticks)
    return found, value, last


@kernel
def depth_of(venue, instrument, side, lots, worst_ticks, least_value):
    """`ladder.depth` or `book_depth`."""
    if has_book(venue, instrument):
        return book_depth(venue, instrument, side, lots, worst_ticks, least_value)
    return depth(venue, instrument, side, lots, worst_ticks, least_value)


@kernel
def offer(venue, instrument, side, lots, worst_ticks):
    """Ticks at which a taker trades now, and how many of its lots, of a book what its first order shows; (NO_PRICE, 0)
    when none do."""
    if not is_open(venue, instrument):
        return NO_PRICE, 0
    ticks, there = NO_PRICE, 0
    if has_book(venue, instrument):
        row = first_executable(venue, instrument, side)
        if row >= 0:
            ticks, there = resting_(venue, row).ticks, resting_(venue, row).shown
    elif has_ladder(venue, instrument):
        ticks, there = best_level(venue, instrument, side)
    else:
        there = left_in_bar(venue, instrument, lots)
        return most_within(venue, instrument, side, there, worst_ticks, 0)
    if not within(side, ticks, worst_ticks):
        return NO_PRICE, 0
    return ticks, min(lots, there)


@kernel
def take(venue, instrument, side, lots, ticks):
    """Lots just offered by a ladder are traded at a price."""
    if has_ladder(venue, instrument):
        take_lots(venue, instrument, side, lots, ticks)


@kernel
def closing_offer(venue, p):
    """Ticks at which a liquidation closes a position, and how many of its lots: what ladder or book have, else all of
    them at the trigger mark. (NO_PRICE, 0) when these have nothing left."""
    side = -1 if p.lots > 0 else 1
    if has_depth(venue, p.instrument):
        return offer(venue, p.instrument, side, abs(p.lots), ANY_PRICE)
    ticks = forced_ticks(venue, p.instrument, side, abs(p.lots), p.trigger_e8)
    return within_limits(venue, p.instrument, side, ticks), abs(p.lots)


@kernel
def average_price(venue, instrument, side, value):
    """Average price in 1e-8, rounded down, at which a taker would trade `value` minor units now, of all there is where
    that is less; 0: there is none.

    Without ladder or book the last price and half the spread, whatever the size, or the slippage of it.
    """
    if has_book(venue, instrument) and not is_open(venue, instrument):
        return 0
    if has_depth(venue, instrument):
        c = contract_(venue, instrument)
        lots, paid, _ = depth_of(venue, instrument, side, 1 << 50, ANY_PRICE, value)
        return mul_div(paid, c.tick_e8, lots * c.tick_value) if lots > 0 else 0
    m = market_(venue, instrument)
    if m.last_e8 == 0:
        return 0
    c = contract_(venue, instrument)
    lots = max(1, value // max(1, mul_div(abs(m.last_e8), c.lot_value, E8)))
    return forced_ticks(venue, instrument, side, lots, m.last_e8) * c.tick_e8
