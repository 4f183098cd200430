"""Queues by price and time: where orders stand in a book, and where they leave it.

A list of a book (`state.SIDE`) holds a queue at each price. Prices lie in pages of 32 ticks that are there while
they have orders, found through a slot each; bits say which prices, and which pages, have orders, so that the next price
is found without a walk however far it is. An order stands, leaves and shrinks in a few steps whatever stands beside it.
The same lists hold conditional orders by their trigger (docs/rules/book.md).
"""

from __future__ import annotations

from novation._jit import highest_bit, kernel, lowest_bit
from novation.engine.layout import ASKS, BIDS, CHUNK_BITS, LISTS, NO_PRICE, PAGE, PAGE_BITS
from novation.engine.state import chunk_, page_, place_of, price_, resting_, side_, slot_

_LAST_IN_PAGE = PAGE - 1
#: Instead of a row: the tables have to grow first; then the same again.
GROW = -2
_ALL = (1 << PAGE) - 1


@kernel
def is_descending(place):
    """Whether the best of a list is its highest price: bids, and orders that wait for a price to fall."""
    return (place % LISTS) % 2 == 0


@kernel
def side_place(venue, instrument, side):
    """Row of the list in which orders of a side stand."""
    return place_of(venue, instrument, BIDS if side > 0 else ASKS)


@kernel
def slot_of(s, ticks):
    """Row of the slot of a price, -1 where the list does not reach it."""
    chunk = (ticks >> CHUNK_BITS) - s.chunk_base
    if chunk < 0 or chunk >= s.chunks:
        return -1
    return ((s.chunk_first + chunk) << PAGE_BITS) + ((ticks >> PAGE_BITS) & _LAST_IN_PAGE)


@kernel
def page_ready(venue, place, ticks):
    """Whether a queue can be at a price of a list; if not, the venue is asked for larger tables."""
    slot = slot_of(side_(venue, place), ticks)
    if slot >= 0:
        if slot_(venue, slot).page > 0:
            return True
        page = venue.free_page
        if page >= 0:
            venue.free_page = page_(venue, page).next_free
            slot_(venue, slot).page = page + 1
            return True
    venue.grow_side = place
    venue.grow_ticks = ticks
    return False


@kernel
def make_room(venue, place, ticks):
    """Whether an order can stand at a price of a list; if not, the venue is asked for larger tables."""
    if venue.free_resting >= 0:
        return page_ready(venue, place, ticks)
    venue.grow_side = place
    venue.grow_ticks = ticks
    return False


@kernel
def queue_at(venue, place, ticks):
    """Row of the queue at a price, there where `make_room` has been."""
    page = slot_(venue, slot_of(side_(venue, place), ticks)).page - 1
    return (page << PAGE_BITS) + (ticks & _LAST_IN_PAGE)


@kernel
def mark_used(venue, s, ticks):
    """A queue has orders now."""
    slot = slot_of(s, ticks)
    page_(venue, slot_(venue, slot).page - 1).used |= 1 << (ticks & _LAST_IN_PAGE)
    chunk_(venue, slot >> PAGE_BITS).used |= 1 << (slot & _LAST_IN_PAGE)


@kernel
def mark_unused(venue, s, ticks):
    """A queue has no orders any more; a page without any is free again."""
    slot = slot_of(s, ticks)
    row = slot_(venue, slot).page - 1
    page = page_(venue, row)
    page.used &= _ALL ^ (1 << (ticks & _LAST_IN_PAGE))
    if page.used == 0:
        chunk_(venue, slot >> PAGE_BITS).used &= _ALL ^ (1 << (slot & _LAST_IN_PAGE))
        slot_(venue, slot).page = 0
        page.next_free = venue.free_page
        venue.free_page = row


@kernel
def beyond(bits, at, descending):
    """The bits below a place, or above it."""
    below = (1 << at) - 1
    return bits & below if descending else bits & (_ALL ^ (below | (1 << at)))


@kernel
def first_of(bits, descending):
    """The place of the first bit, from the top or from the bottom."""
    return highest_bit(bits) if descending else lowest_bit(bits)


@kernel
def price_after(venue, place, ticks):
    """The next price with orders behind one that has, or had, orders; NO_PRICE after the last."""
    s, descending = side_(venue, place), is_descending(place)
    slot, bits = slot_of(s, ticks), 0
    if slot_(venue, slot).page > 0:
        bits = beyond(page_(venue, slot_(venue, slot).page - 1).used, ticks & _LAST_IN_PAGE, descending)
    if bits != 0:
        return (ticks & ~_LAST_IN_PAGE) + first_of(bits, descending)
    chunk = slot >> PAGE_BITS
    bits = beyond(chunk_(venue, chunk).used, slot & _LAST_IN_PAGE, descending)
    step = -1 if descending else 1
    while bits == 0:
        chunk += step
        if chunk < s.chunk_first or chunk >= s.chunk_first + s.chunks:
            return NO_PRICE
        bits = chunk_(venue, chunk).used
    slot = (chunk << PAGE_BITS) + first_of(bits, descending)
    used = page_(venue, slot_(venue, slot).page - 1).used
    page = (slot & _LAST_IN_PAGE) + ((chunk - s.chunk_first + s.chunk_base) << PAGE_BITS)
    return (page << PAGE_BITS) + first_of(used, descending)


@kernel
def is_better(place, ticks, than):
    """Whether a price of a list comes ahead of another."""
    return ticks > than if is_descending(place) else ticks < than


@kernel
def enter(venue, owner, place, ticks, shown, hidden, key):
    """An order comes to stand at a price (`stand`); its row, or GROW."""
    if not make_room(venue, place, ticks):
        return GROW
    row = venue.free_resting
    r = resting_(venue, row)
    venue.free_resting = r.next
    r.owner = owner
    r.place = place
    r.ticks = ticks
    r.shown = shown
    r.hidden = hidden
    r.key = key
    r.given = 0
    stand(venue, row)
    return row


@kernel
def free(venue, row):
    """Give the row of an order that has left its queue back."""
    resting_(venue, row).next = venue.free_resting
    venue.free_resting = row


@kernel
def drop(venue, row):
    """An order leaves its queue, and its row is free again."""
    leave(venue, row)
    free(venue, row)


@kernel
def stand(venue, row):
    """An order stands last at its price; among conditional orders behind those of its trigger and of nearer ones.

    It is the top order if that is the best price, and nobody else stands there.
    """
    r = resting_(venue, row)
    s, place = side_(venue, r.place), r.place
    venue.stand_sequence += 1
    r.sequence = venue.stand_sequence
    queue = price_(venue, queue_at(venue, place, r.ticks))
    before = queue.last
    while before >= 0 and r.key != 0 and is_better(place, r.key, resting_(venue, before).key):
        before = resting_(venue, before).previous
    after = queue.first if before < 0 else resting_(venue, before).next
    r.previous, r.next = before, after
    if before >= 0:
        resting_(venue, before).next = row
    else:
        queue.first = row
    if after >= 0:
        resting_(venue, after).previous = row
    else:
        queue.last = row
    if s.orders == 0 or is_better(place, r.ticks, s.best):
        s.best = r.ticks
        s.top = row
    if queue.orders == 0:
        mark_used(venue, s, r.ticks)
    queue.orders += 1
    queue.lots += r.shown
    queue.hidden += r.hidden
    s.orders += 1


@kernel
def leave(venue, row):
    """An order leaves its queue; its row stays with the caller."""
    r = resting_(venue, row)
    s, place = side_(venue, r.place), r.place
    queue = price_(venue, queue_at(venue, place, r.ticks))
    if r.previous >= 0:
        resting_(venue, r.previous).next = r.next
    else:
        queue.first = r.next
    if r.next >= 0:
        resting_(venue, r.next).previous = r.previous
    else:
        queue.last = r.previous
    if s.top == row:
        s.top = -1
    queue.orders -= 1
    queue.lots -= r.shown
    queue.hidden -= r.hidden
    s.orders -= 1
    if queue.orders == 0:
        mark_unused(venue, s, r.ticks)
        if s.best == r.ticks and s.orders > 0:
            s.best = price_after(venue, place, r.ticks)


@kernel
def part(venue, row):
    """An order of an account leaves its queue. Where a record shows levels, what stood ahead of it and behind it is one
    from now on."""
    before, after = resting_(venue, row).previous, resting_(venue, row).next
    leave(venue, row)
    if before < 0 or after < 0:
        return
    b, a = resting_(venue, before), resting_(venue, after)
    if b.owner < 0 and a.owner < 0 and b.recorded == 0 and a.recorded == 0:
        lots = a.shown
        b.given += a.given  # a share that the taker in hand has not taken yet
        a.given = 0
        if venue.giving == after:
            venue.giving = before
        drop(venue, after)
        show(venue, before, b.shown + lots, 0)


@kernel
def shrink(venue, row, lots):
    """Lots of what an order shows are gone; whether it shows nothing now, and has to leave or to show more."""
    r = resting_(venue, row)
    r.shown -= lots
    price_(venue, queue_at(venue, r.place, r.ticks)).lots -= lots
    return r.shown == 0


@kernel
def show(venue, row, shown, hidden):
    """An order shows and hides other numbers of lots, at its place."""
    r = resting_(venue, row)
    queue = price_(venue, queue_at(venue, r.place, r.ticks))
    queue.lots += shown - r.shown
    queue.hidden += hidden - r.hidden
    r.shown = shown
    r.hidden = hidden


@kernel
def best_of(venue, place):
    """The best price of a list, NO_PRICE without orders."""
    s = side_(venue, place)
    return s.best if s.orders > 0 else NO_PRICE


@kernel
def first_at(venue, place, ticks):
    """The first order at a price that has orders."""
    return price_(venue, queue_at(venue, place, ticks)).first


@kernel
def lots_shown(venue, place, ticks):
    """Lots that a list shows at a price."""
    slot = slot_of(side_(venue, place), ticks)
    if slot < 0 or slot_(venue, slot).page == 0:
        return 0
    return price_(venue, queue_at(venue, place, ticks)).lots


@kernel
def lots_ahead(venue, row):
    """Lots that stand ahead of an order at its price, hidden ones too."""
    lots = 0
    row = resting_(venue, row).previous
    while row >= 0:
        r = resting_(venue, row)
        lots += r.shown + r.hidden
        row = r.previous
    return lots


@kernel
def behind(venue, row, n):
    """Row of the n-th order behind one at its price."""
    while n > 0:
        n -= 1
        row = resting_(venue, row).next
    return row


@kernel
def order_at(venue, place, n):
    """Row of RESTING of the n-th order of a list, from 0, the best price first."""
    ticks = best_of(venue, place)
    queue = price_(venue, queue_at(venue, place, ticks))
    while n >= queue.orders:
        n -= queue.orders
        ticks = price_after(venue, place, ticks)
        queue = price_(venue, queue_at(venue, place, ticks))
    return behind(venue, queue.first, n)
