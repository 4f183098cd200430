"""Giving a taker's lots out over the orders at a price: top order, lead makers, time, pro rata, levelling, time.

Source: facts/cme.md §7 (CSW "Matching Algorithm Steps"; A12, A13). docs/rules/book.md has the steps by number. Which
algorithm a product has is which of the steps its rules ask for.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.state import book_of, maker_, order_, resting_, side_
from novation.rules.integers import mul_div


@kernel
def give(r, lots):
    """Give an order lots, no more than it shows; how many it got."""
    got = min(lots, r.shown - r.given)
    r.given += got
    return got


@kernel
def give_by_time(venue, first, account, lots):
    """Give lots from the first order on (account -1), or over the orders of one account; how many are left."""
    row = first
    while row >= 0 and lots > 0:
        r = resting_(venue, row)
        if account < 0 or (r.owner >= 0 and order_(venue, r.owner).account == account):
            lots -= give(r, lots)
        row = r.next
    return lots


@kernel
def give_to_top(venue, b, queue, lots):
    """Give to the top order of the side, if it stands here; how many lots are left."""
    top = side_(venue, resting_(venue, queue.first).place).top
    if not b.top or top < 0:
        return lots
    r = resting_(venue, top)
    if r.ticks != resting_(venue, queue.first).ticks or r.shown < b.top_min:
        return lots
    return lots - give(r, min(lots, b.top_max) if b.top_max > 0 else lots)


@kernel
def pro_rata_share(b, own, shown, lots):
    """An order's share of lots, rounded down; one below the rules' smallest is none.

    Rounded in nobody's favour: what is left of the lots is given by time.
    """
    share = mul_div(own, lots, shown)
    return share if share >= b.pro_rata_min else 0


@kernel
def give_pro_rata(venue, b, queue, lots):
    """Give lots in proportion to what orders show beyond what they were given; how many are left. Then, where the rules
    say so, one lot to each who got none."""
    shown = 0
    row = queue.first
    while row >= 0:
        r = resting_(venue, row)
        shown += r.shown - r.given
        row = r.next
    if shown == 0 or lots == 0:
        return lots
    spare = lots
    row = queue.first
    while row >= 0:
        r = resting_(venue, row)
        spare -= pro_rata_share(b, r.shown - r.given, shown, lots)
        row = r.next
    left = lots
    row = queue.first
    while row >= 0:
        r = resting_(venue, row)
        share = pro_rata_share(b, r.shown - r.given, shown, lots)
        if share == 0 and b.levelling and spare > 0:
            share = min(1, r.shown - r.given)
            spare -= share
        left -= give(r, share)
        row = r.next
    return left


@kernel
def give_out(venue, instrument, queue, lots):
    """Give a taker's lots out over the orders of a queue; the row of the first who got any."""
    b = book_of(venue, instrument)
    left = give_to_top(venue, b, queue, lots)
    base = left
    for row in range(b.maker_first, b.maker_first + b.maker_count):
        share = mul_div(base, maker_(venue, row).percent, 100)
        left -= share - give_by_time(venue, queue.first, maker_(venue, row).account, share)
    by_time = mul_div(left, b.fifo_percent, 100)
    left -= by_time - give_by_time(venue, queue.first, -1, by_time)
    if b.fifo_percent < 100:
        left = give_pro_rata(venue, b, queue, left)
    give_by_time(venue, queue.first, -1, left)
    row = queue.first
    while resting_(venue, row).given == 0:
        row = resting_(venue, row).next
    return row
