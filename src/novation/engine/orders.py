"""The life of a working order from acceptance to its last lot: what it reserves, where it stands, how it ends."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind, OrderKind, TimeInForce
from novation.domain.events import MAKER
from novation.engine.book import free, part
from novation.engine.clearing import fee_of, fill, link, side_flag, unlink_if_flat
from novation.engine.layout import NEVER_NS
from novation.engine.ledger import next_event
from novation.engine.order_margin import assumed_for
from novation.engine.state import account_, book_of, contract_, has_book, order_, position_, position_row_, row_of
from novation.rules.value import value_rem

_MARKET = int(OrderKind.MARKET)
_GTC, _POST_ONLY = int(TimeInForce.GTC), int(TimeInForce.POST_ONLY)
_REJECTED = int(EventKind.ORDER_REJECTED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)


@kernel
def reject(venue, account, instrument, order, lots, price_ticks, reason, value, limit):
    """Refuse an order."""
    e = next_event(venue, _REJECTED, account, instrument)
    e.order = order
    e.lots = lots
    e.price_ticks = price_ticks
    e.reason = reason
    e.amount = value
    e.cost = limit
    return e


@kernel
def end_of(o):
    """When an order ends by itself: as it was asked to, or with a countdown of its account; NEVER_NS if it does not."""
    end_ns = o.expire_ns if o.expire_ns > 0 else NEVER_NS
    return min(end_ns, o.countdown_ns) if o.countdown_ns > 0 else end_ns


@kernel
def rest(venue, asked, row_of_position, kind, price_ticks, reduce_only, after):
    """Put the order a command asks for at the end of the working lists; the price it is assumed to fill at is that of
    its arrival."""
    p = position_row_(venue, row_of_position)
    row = venue.free_order
    o = order_(venue, row)
    venue.free_order = o.next
    venue.working += 1
    o.id = asked.order
    o.account = p.account
    o.instrument = p.instrument
    o.leg = p.leg
    o.side = asked.side
    o.kind = kind
    o.lots = asked.lots
    o.price_ticks = price_ticks
    o.reduce_only = reduce_only
    waits_for_open = kind == _MARKET and not has_book(venue, p.instrument)
    o.held = 1 if waits_for_open and (asked.hold or venue.hold_orders) else 0
    o.after = after
    o.time_in_force = asked.time_in_force
    o.expire_ns = asked.expire_ns
    if has_book(venue, p.instrument) and (o.time_in_force == _GTC or o.time_in_force == _POST_ONLY):
        b = book_of(venue, p.instrument)
        o.expire_ns = venue.clock_ns + b.gtc_ns if b.gtc_ns > 0 else 0
    ends_ns = position_(venue, p.account, p.instrument, 0).countdown_ns
    o.countdown_ns = ends_ns if ends_ns > venue.clock_ns else 0
    o.display_lots = asked.display_lots
    o.filled = 0
    o.amended = 0
    o.self_trade = asked.self_trade
    o.trigger = asked.trigger
    o.trigger_e8 = asked.trigger_e8
    o.trigger_by = asked.trigger_by
    o.callback_e8 = asked.callback_e8
    o.extreme_e8 = 0
    o.close_position = asked.close_position
    o.price_protect = asked.price_protect
    p.closers += asked.close_position
    o.resting = -1
    o.ahead_rest = 0
    o.turn = 0
    venue.expire_ns = min(venue.expire_ns, end_of(o))
    to_the_end(venue, row)
    if o.trigger == 0:
        count_in(venue, row)
    else:
        o.assumed_e8 = 0


@kernel
def to_the_end(venue, row):
    """An order that stands in no list comes last in the venue's and in its account's; it arrives now."""
    o = order_(venue, row)
    o.arrival_ns = venue.clock_ns
    o.next = -1
    o.previous = venue.last_order
    if venue.last_order >= 0:
        order_(venue, venue.last_order).next = row
    else:
        venue.first_order = row
    venue.last_order = row
    a = account_(venue, o.account)
    o.own_next = -1
    o.own_previous = a.last_order
    if a.last_order >= 0:
        order_(venue, a.last_order).own_next = row
    else:
        a.first_order = row
    a.last_order = row


@kernel
def count_in(venue, row):
    """Find the price an order is assumed to fill at, now that it arrives, and reserve its margin."""
    o = order_(venue, row)
    o.assumed_e8 = 0 if o.kind == _MARKET else assumed_for(venue, o.instrument, o.kind, o.side, o.price_ticks)
    reserve(venue, row, 1)


@kernel
def count(venue, row, direction):
    """Add an order to what reserves margin for its position (direction 1), or take it out (-1).

    A waiting market order reserves nothing: it is checked when it meets its price. Nor does one that only reduces, or
    that waits for a trigger. Whether it was counted.
    """
    o = order_(venue, row)
    if o.kind == _MARKET or o.reduce_only or o.trigger != 0:
        return False
    p = position_row_(venue, row_of(venue, o.account, o.instrument, o.leg))
    value, _ = value_rem(o.assumed_e8, o.lots, contract_(venue, o.instrument).lot_value)
    if o.side > 0:
        p.bid_lots += direction * o.lots
        p.bid_value += direction * value
    else:
        p.ask_lots += direction * o.lots
        p.ask_value += direction * value
    return True


@kernel
def reserve(venue, row, direction):
    """Count an order in the margin of its position, or stop counting it; a position with neither is none."""
    if not count(venue, row, direction):
        return
    o = order_(venue, row)
    position_row = row_of(venue, o.account, o.instrument, o.leg)
    if direction > 0:
        link(venue, position_row)
    else:
        unlink_if_flat(venue, position_row)


@kernel
def unlist(venue, row):
    """Take an order off the venue's list and its account's."""
    o = order_(venue, row)
    if o.previous >= 0:
        order_(venue, o.previous).next = o.next
    else:
        venue.first_order = o.next
    if o.next >= 0:
        order_(venue, o.next).previous = o.previous
    else:
        venue.last_order = o.previous
    a = account_(venue, o.account)
    if o.own_previous >= 0:
        order_(venue, o.own_previous).own_next = o.own_next
    else:
        a.first_order = o.own_next
    if o.own_next >= 0:
        order_(venue, o.own_next).own_previous = o.own_previous
    else:
        a.last_order = o.own_previous
    if venue.next_order == row:
        venue.next_order = o.next


@kernel
def out_of_queue(venue, row):
    """An order stands in no queue of its book any more."""
    o = order_(venue, row)
    if o.resting >= 0:
        if o.reduce_only and o.trigger == 0:
            book_of(venue, o.instrument).reducing -= 1
        part(venue, o.resting)
        free(venue, o.resting)
        o.resting = -1
        o.ahead_rest = 0


@kernel
def arrive_anew(venue, row):
    """A working order leaves its queue and comes last in the lists."""
    out_of_queue(venue, row)
    unlist(venue, row)
    to_the_end(venue, row)


@kernel
def count_closer(venue, o):
    """An order that closes a position waits for its trigger no more."""
    if o.close_position and o.trigger != 0:
        position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)).closers -= 1


@kernel
def remove(venue, row):
    """Take an order off the working lists and out of its book, and give its row back."""
    reserve(venue, row, -1)
    out_of_queue(venue, row)
    unlist(venue, row)
    o = order_(venue, row)
    count_closer(venue, o)
    if end_of(o) < NEVER_NS:
        venue.expire_stale = 1
    o.expire_ns = o.countdown_ns = 0
    o.next = venue.free_order
    venue.free_order = row
    venue.working -= 1


@kernel
def cancel_order(venue, row, reason):
    """Cancel a working order."""
    o = order_(venue, row)
    e = next_event(venue, _CANCELLED, o.account, o.instrument)
    e.order = o.id
    e.lots = o.side * o.lots
    e.price_ticks = o.price_ticks
    e.reason = reason
    e.flags = side_flag(venue, position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)))
    remove(venue, row)


@kernel
def find_order(venue, account, identity):
    """Row of a working order of an account by its id, -1 if it has none of that id."""
    row = account_(venue, account).last_order
    while row >= 0 and order_(venue, row).id != identity:
        row = order_(venue, row).own_previous
    return row


@kernel
def waits(venue, account, after):
    """Whether an order has to wait for another one of its account, which still works."""
    return after != 0 and find_order(venue, account, after) >= 0


@kernel
def trade(venue, order_row, lots, ticks, price_e8, flags):
    """Fill lots of a working order and charge the maker's or the taker's fee; with its last lot it leaves the list."""
    o = order_(venue, order_row)
    row = row_of(venue, o.account, o.instrument, o.leg)
    identity, signed = o.id, o.side * lots
    if lots == o.lots:
        remove(venue, order_row)
    else:
        count(venue, order_row, -1)  # it goes on working, so a flat position is not forgotten in between
        o.lots -= lots
        o.filled += lots
        count(venue, order_row, 1)
    fee = fee_of(venue, position_row_(venue, row).instrument, signed, ticks, flags & MAKER)
    fill(venue, row, identity, signed, ticks, price_e8, fee, flags)
