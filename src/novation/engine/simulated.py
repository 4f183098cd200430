"""Orders of simulated traders who have no account: they meet in the book like all others, and nothing is said of it.

They are rows of RESTING without an owner. What takes here takes from its like: a model with accounts in it places
orders as accounts do.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.book import best_of, drop, enter, first_at, shrink, side_place
from novation.engine.layout import NO_PRICE
from novation.engine.state import check_row, contract_, market_, resting_, side_


@kernel
def add_simulated(venue, instrument, side, ticks, lots):
    """An order stands last at a price, which it does not cross; its row, or GROW. `book.drop` cancels it."""
    return enter(venue, -1, side_place(venue, instrument, side), ticks, lots, 0, 0)


@kernel
def take_simulated(venue, instrument, side, lots):
    """A market order takes from the best orders of the other side; how many lots nobody was left for.

    Orders of accounts are not taken: the lots beyond them are left as well.
    """
    place = side_place(venue, instrument, -side)
    while lots > 0:
        ticks = best_of(venue, place)
        if ticks == NO_PRICE:
            return lots
        row = first_at(venue, place, ticks)
        r = resting_(venue, row)
        if r.owner >= 0:
            return lots
        market_(venue, instrument).last_e8 = ticks * contract_(venue, instrument).tick_e8
        traded = min(lots, r.shown)
        lots -= traded
        if shrink(venue, row, traded):
            drop(venue, row)
    return lots


@kernel
def clear_simulated(venue, instrument):
    """All orders of both sides leave the book, of which none is an account's."""
    for side in (1, -1):
        place = side_place(venue, instrument, side)
        while side_(venue, place).orders > 0:
            row = first_at(venue, place, side_(venue, place).best)
            check_row(-1 - resting_(venue, row).owner, 1)
            drop(venue, row)
