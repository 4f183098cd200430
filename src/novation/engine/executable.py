"""Whom a taker may trade with on a book: the orders within the price limits; those beyond are passed over."""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.book import best_of, price_after, queue_at, side_place
from novation.engine.layout import NO_PRICE
from novation.engine.state import contract_, market_, price_


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
def nth_executable(venue, instrument, side, nth):
    """The n-th such price, the best one the first; NO_PRICE where there are fewer."""
    ticks = best_executable(venue, instrument, side)
    for _ in range(nth - 1):
        if ticks == NO_PRICE:
            break
        ticks = price_after(venue, side_place(venue, instrument, -side), ticks)
        if ticks != NO_PRICE and not is_within_limits(venue, instrument, ticks):
            ticks = NO_PRICE
    return ticks


@kernel
def first_executable(venue, instrument, side):
    """Row of the first order there, -1 if there is none."""
    ticks = best_executable(venue, instrument, side)
    if ticks == NO_PRICE:
        return -1
    return price_(venue, queue_at(venue, side_place(venue, instrument, -side), ticks)).first
