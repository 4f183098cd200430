"""Whom a taker meets: the bars' one price (`parametric`), the levels of a ladder (`ladder`), or the orders of a book.

`reach` says how much of an order can be had now and how far its price goes; `offer` is the best of it. On a ladder
`take` trades it level by level, one unit of work each; on a book `matching` does, order by order. `average_price` is
what a notional would cost. All that fills anything goes through these.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.book import best_of, price_after, queue_at, side_place
from novation.engine.ladder import best_level, depth, take_lots
from novation.engine.parametric import ANY_PRICE, NO_PRICE, opening_ticks, taker_ticks
from novation.engine.phases import is_open, within_limits
from novation.engine.state import contract_, has_book, market_, price_, resting_
from novation.rules.integers import mul_div

#: Values are kept below 2**62.
_MOST_VALUE = 1 << 61


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
def is_within_limits(venue, instrument, ticks):
    """Whether an order at a price may trade, as far as price limits go."""
    m = market_(venue, instrument)
    return m.limit_low_e8 <= ticks * contract_(venue, instrument).tick_e8 <= m.limit_high_e8


@kernel
def best_executable(venue, instrument, side):
    """The best price at which orders of a book stand that a taker of a side may trade with, NO_PRICE if none do.

    Orders beyond a price limit are passed over.
    """
    m, tick_e8 = market_(venue, instrument), contract_(venue, instrument).tick_e8
    place = side_place(venue, instrument, -side)
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        price_e8 = ticks * tick_e8
        if m.limit_low_e8 <= price_e8 <= m.limit_high_e8:
            return ticks
        if price_e8 > m.limit_high_e8 if side > 0 else price_e8 < m.limit_low_e8:
            return NO_PRICE  # so are all that are worse
        ticks = price_after(venue, place, ticks)
    return NO_PRICE


@kernel
def first_executable(venue, instrument, side):
    """Row of the first order there, -1 if there is none."""
    ticks = best_executable(venue, instrument, side)
    if ticks == NO_PRICE:
        return -1
    return price_(venue, queue_at(venue, side_place(venue, instrument, -side), ticks)).first


@kernel
def book_depth(venue, instrument, side, lots, worst_ticks, least_value):
    """What `ladder.depth` says of a ladder, of a book: hidden lots are counted."""
    unit_value, limit = contract_(venue, instrument).tick_value, market_(venue, instrument)
    tick_e8 = contract_(venue, instrument).tick_e8
    place = side_place(venue, instrument, -side)
    found, value, last = 0, 0, NO_PRICE
    ticks = best_executable(venue, instrument, side)
    while ticks != NO_PRICE and found < lots and within(side, ticks, worst_ticks):
        if not limit.limit_low_e8 <= ticks * tick_e8 <= limit.limit_high_e8:
            break
        queue = price_(venue, queue_at(venue, place, ticks))
        unit = ticks * unit_value
        there = min(lots - found, queue.lots + queue.hidden, (_MOST_VALUE - value) // unit)
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
        ticks, there = opening_ticks(venue, instrument, side), lots
    if not within(side, ticks, worst_ticks):
        return NO_PRICE, 0
    return ticks, min(lots, there)


@kernel
def reach(venue, instrument, side, lots, worst_ticks):
    """The worst price in ticks that a taker of so many lots would trade at now, NO_PRICE when none of them do."""
    if has_depth(venue, instrument) and is_open(venue, instrument):
        _, _, ticks = depth_of(venue, instrument, side, lots, worst_ticks, 0)
        return ticks
    ticks, _ = offer(venue, instrument, side, lots, worst_ticks)
    return ticks


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
    ticks = taker_ticks(venue, p.instrument, side, p.trigger_e8)
    return within_limits(venue, p.instrument, side, ticks), abs(p.lots)


@kernel
def average_price(venue, instrument, side, value):
    """Average price in 1e-8, rounded down, at which a taker would trade `value` minor units now, of all there is where
    that is less; 0: there is none.

    Without ladder or book the last price and half the spread, whatever the size.
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
    return taker_ticks(venue, instrument, side, m.last_e8) * contract_(venue, instrument).tick_e8
