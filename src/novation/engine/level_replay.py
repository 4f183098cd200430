"""Recorded levels: totals by price, in which accounts' orders have a place that is estimated (docs/rules/replay.md).

What the record shows at a price stands there as orders of nobody, between the orders of accounts: one ahead of each and
one behind the last, where there is anything. So all that trades finds a queue as of orders; only a decrease that no
trade explains has to be given to one or the other, by the book's queue model (`rules.queue_position`).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.book import (
    GROW,
    best_of,
    drop,
    enter,
    first_at,
    is_better,
    price_after,
    queue_at,
    show,
    shrink,
    slot_of,
)
from novation.engine.layout import NO_PRICE
from novation.engine.state import order_, price_, resting_, side_, slot_
from novation.rules.queue_position import MICRO, lost_ahead


@kernel
def has_queue(venue, place, ticks):
    """Whether orders stand at a price of a list."""
    slot = slot_of(side_(venue, place), ticks)
    return slot >= 0 and slot_(venue, slot).page > 0 and price_(venue, queue_at(venue, place, ticks)).orders > 0


@kernel
def lower(venue, row, lots):
    """So many lots of what the record shows there are gone."""
    if lots == resting_(venue, row).shown:
        drop(venue, row)
    elif lots > 0:
        shrink(venue, row, lots)


@kernel
def shown_by_record(venue, place, ticks):
    """Lots that the record shows at a price, and the last of its rows there (-1 without one)."""
    lots, last = 0, -1
    row = first_at(venue, place, ticks)
    while row >= 0:
        r = resting_(venue, row)
        if r.owner < 0:
            lots += r.shown
            last = row
        row = r.next
    return lots, last


@kernel
def lower_from_last(venue, place, ticks, lots):
    """Take lots off what the record shows at a price, from the last of it on."""
    row = price_(venue, queue_at(venue, place, ticks)).last
    while row >= 0 and lots > 0:
        before = resting_(venue, row).previous
        if resting_(venue, row).owner < 0:
            gone = min(lots, resting_(venue, row).shown)
            lots -= gone
            lower(venue, row, gone)
        row = before


@kernel
def lower_level(venue, b, place, ticks, total, lots):
    """A price shows fewer lots of the record, and no trade says whose: some by the queue model ahead of the first order
    of an account, the others from the last on.

    What is ahead is counted in micro-lots; the fraction that a whole lot does not tell stays with the account's order,
    rounded against it.
    """
    first = first_at(venue, place, ticks)
    ahead = 0
    own = first
    while own >= 0 and resting_(venue, own).owner < 0:
        ahead += resting_(venue, own).shown
        own = resting_(venue, own).next
    if own < 0 or ahead == 0:
        lower_from_last(venue, place, ticks, lots)
        return
    o = order_(venue, resting_(venue, own).owner)
    front = ahead * MICRO - o.ahead_rest
    exponent = float(b.queue_exponent_e8) / 1e8
    front -= lost_ahead(b.queue_model, exponent, MICRO, front, total * MICRO - front, lots * MICRO)
    left = -(-front // MICRO)
    o.ahead_rest = left * MICRO - front
    lower_from_last(venue, place, ticks, lots - (ahead - left))
    lower(venue, first, ahead - left)


@kernel
def take_from_level(venue, place, ticks, lots):
    """A trade of the record takes lots off what it shows, the best price first, down to one and from its first on."""
    at = best_of(venue, place)
    while at != NO_PRICE and (at == ticks or is_better(place, at, ticks)) and lots > 0:
        following = price_after(venue, place, at)
        row = first_at(venue, place, at)
        while row >= 0 and lots > 0:
            after = resting_(venue, row).next
            if resting_(venue, row).owner < 0:
                gone = min(lots, resting_(venue, row).shown)
                lots -= gone
                lower(venue, row, gone)
            row = after
        if at == ticks:
            return
        at = following


@kernel
def set_level(venue, b, place, ticks, lots):
    """A price shows so many lots of the record; its last row there, -1 without one, or GROW."""
    if not has_queue(venue, place, ticks):
        if lots == 0:
            return -1
        return enter(venue, -1, place, ticks, lots, 0, 0)
    queue = price_(venue, queue_at(venue, place, ticks))
    if queue.orders == 1 and resting_(venue, queue.first).owner < 0:
        row = queue.first
        if lots == 0:
            drop(venue, row)
            return -1
        show(venue, row, lots, 0)
        return row
    total, last = shown_by_record(venue, place, ticks)
    if lots < total:
        lower_level(venue, b, place, ticks, total, total - lots)
    elif lots > total:
        if last >= 0 and resting_(venue, last).next < 0:
            show(venue, last, resting_(venue, last).shown + lots - total, 0)
        elif enter(venue, -1, place, ticks, lots - total, 0, 0) == GROW:
            return GROW
    if lots == 0:
        return -1
    _, last = shown_by_record(venue, place, ticks)
    return last


@kernel
def clear_levels(venue, place):
    """All that the record shows of a list is gone."""
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        following = price_after(venue, place, ticks)
        row = first_at(venue, place, ticks)
        while row >= 0:
            after = resting_(venue, row).next
            if resting_(venue, row).owner < 0:
                drop(venue, row)
            row = after
        ticks = following
