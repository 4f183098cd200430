"""Recorded order flow: a book that is replayed row by row, with orders of accounts queued in it (docs/rules/replay.md).

The rows of a flow and the rows that its orders stand in belong to the book (`state.BOOK`): an order of the record is a
row of RESTING at its slot, found without a search, and owned by nobody. A row is done in one go where no account has
an order in the market; else trade by trade, each a unit of work.
"""

from __future__ import annotations

from novation._jit import kernel, record_pointer
from novation.domain.enums import CancelReason
from novation.domain.flow import FLOW_DTYPE, FlowKind
from novation.engine.book import (
    GROW,
    best_of,
    first_at,
    is_better,
    leave,
    page_ready,
    price_after,
    show,
    shrink,
    side_place,
    stand,
)
from novation.engine.executable import is_within_limits
from novation.engine.layout import BIDS, LISTS, NEVER_NS, NO_PRICE
from novation.engine.level_replay import clear_levels, set_level, take_from_level
from novation.engine.matching import happened, lose_to_taker, meet, opens
from novation.engine.orders import cancel_order
from novation.engine.phases import is_open
from novation.engine.state import book_of, check_row, contract_, has_book, market_, order_, resting_

_CLEAR, _ADD, _CANCEL = int(FlowKind.CLEAR), int(FlowKind.ADD), int(FlowKind.CANCEL)
_AMEND, _FILL, _TRADE = int(FlowKind.AMEND), int(FlowKind.FILL), int(FlowKind.TRADE)
_LEVEL, _TOP = int(FlowKind.LEVEL), int(FlowKind.TOP)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)

_flow_at = record_pointer(FLOW_DTYPE)


@kernel
def flow_(b, row):
    """A row of the flow of a book."""
    check_row(row, b.flow_rows)
    return _flow_at(b.flow_address, row)


@kernel
def recorded_(venue, b, slot):
    """Row, in RESTING, of the order of the record in a slot."""
    check_row(slot, b.slots)
    return b.slots_first + slot


@kernel
def first_in_line(venue, instrument, place, ticks):
    """Row, in its queue, of the account's order that is first in line among those of a list at a price or better; -1
    without one."""
    found = -1
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == instrument and o.resting >= 0:
            r = resting_(venue, o.resting)
            ahead = is_better(place, r.ticks, ticks) or r.ticks == ticks
            if r.place == place and ahead and is_within_limits(venue, instrument, r.ticks):
                if found < 0:
                    found = o.resting
                else:
                    first = resting_(venue, found)
                    same = r.ticks == first.ticks and r.sequence < first.sequence
                    if same or is_better(place, r.ticks, first.ticks):
                        found = o.resting
        row = o.next
    return found


@kernel
def other_place(place):
    """The list of the other side."""
    return place + 1 if place % LISTS == BIDS else place - 1


@kernel
def meets(venue, instrument, row):
    """An order of the record that came to stand trades with the first account's order that it crosses; whether it did,
    or cancelled one that may only reduce."""
    r = resting_(venue, row)
    place = other_place(r.place)
    best = best_of(venue, place)
    if best == NO_PRICE or is_better(place, r.ticks, best):  # nobody at all stands there: as a rule
        return False
    if venue.working == 0 or r.shown == 0 or not is_open(venue, instrument):
        return False
    own = first_in_line(venue, instrument, place, r.ticks)
    if own < 0:
        return False
    if opens(venue, own):
        cancel_order(venue, resting_(venue, own).owner, _CANCEL_NOT_REDUCING)
        return True
    x = resting_(venue, own)
    by_fills = book_of(venue, instrument).by_fills
    lots = x.shown if by_fills else min(r.shown, x.shown)
    happened(venue, instrument, x.ticks)
    if not by_fills:
        lose_to_taker(venue, row, lots)
    meet(venue, own, lots, market_(venue, instrument).last_e8)
    return True


@kernel
def next_hit(venue, instrument, place, worst_ticks, lots, passed):
    """Row of the first account's order that an aggressor reaches before it has passed so many lots, and how many it has
    passed until then; -1 without one."""
    ticks = best_of(venue, place)
    while ticks != NO_PRICE and (ticks == worst_ticks or is_better(place, ticks, worst_ticks)) and passed < lots:
        row = first_at(venue, place, ticks)
        while row >= 0 and passed < lots:
            r = resting_(venue, row)
            if r.owner < 0:
                passed += r.shown
            elif is_within_limits(venue, instrument, ticks):
                return row, passed
            row = r.next
        ticks = price_after(venue, place, ticks)
    return -1, passed


@kernel
def hits(venue, instrument, b, side, f):
    """The aggressor of a trade of the record trades with the next account's order that it would have met; whether it
    did, or one that may only reduce was cancelled. side: of the orders it met."""
    place = side_place(venue, instrument, side)
    if first_in_line(venue, instrument, place, f.price_ticks) < 0:
        return False
    own, passed = next_hit(venue, instrument, place, f.price_ticks, f.lots, b.flow_used)
    if own < 0:
        return False
    if opens(venue, own):
        cancel_order(venue, resting_(venue, own).owner, _CANCEL_NOT_REDUCING)
        return True
    x = resting_(venue, own)
    traded = min(f.lots - passed, x.shown)
    b.flow_used += traded
    meet(venue, own, traded, x.ticks * contract_(venue, instrument).tick_e8)
    return True


@kernel
def filled_ahead(venue, instrument, row):
    """The first account's order ahead of one of the record that is filled trades all that it shows; whether it did, or
    one that may only reduce was cancelled."""
    r = resting_(venue, row)
    if r.shown == 0 or not is_open(venue, instrument) or not is_within_limits(venue, instrument, r.ticks):
        return False
    own = first_at(venue, r.place, r.ticks)
    while own != row and resting_(venue, own).owner < 0:
        own = resting_(venue, own).next
    if own == row:
        return False
    if opens(venue, own):
        cancel_order(venue, resting_(venue, own).owner, _CANCEL_NOT_REDUCING)
    else:
        meet(venue, own, resting_(venue, own).shown, r.ticks * contract_(venue, instrument).tick_e8)
    return True


@kernel
def trade_row(venue, instrument, b, f):
    """A trade of the record; whether all of it is done."""
    if b.flow_begun == 0:
        happened(venue, instrument, f.price_ticks)
        b.flow_begun, b.flow_used = 1, 0
    if venue.working > 0 and not b.by_fills and is_open(venue, instrument):
        while b.flow_begun < 3:  # 1: among the bids, 2: among the asks
            side = 1 if b.flow_begun == 1 else -1
            if f.side != side and hits(venue, instrument, b, side, f):
                return False
            b.flow_begun += 1
            b.flow_used = 0
    b.flow_begun = 0
    if b.of_levels:  # the levels that a trade took come later, as new totals
        for side in (1, -1):
            if f.side == -side:
                take_from_level(venue, side_place(venue, instrument, side), f.price_ticks, f.lots)
    return True


@kernel
def level_row(venue, instrument, b, f):
    """A new total at a price; whether all of it is done."""
    if b.flow_begun == 0:
        b.flow_level = set_level(venue, b, side_place(venue, instrument, f.side), f.price_ticks, f.lots)
        if b.flow_level == GROW:
            return False
        b.flow_begun = 1
    if venue.working > 0 and b.flow_level >= 0 and meets(venue, instrument, b.flow_level):
        if resting_(venue, b.flow_level).shown == 0:  # its row is free again
            b.flow_level = -1
        return False
    b.flow_begun = 0
    return True


@kernel
def set_shown(venue, row, shown):
    """An order of the record shows so many lots at its place, or leaves its queue."""
    r = resting_(venue, row)
    if r.shown == 0:
        return
    if shown == 0:
        leave(venue, row)
        r.shown = 0
    elif shown != r.shown:
        show(venue, row, shown, 0)


@kernel
def lose(venue, row, lots):
    """The record takes lots off one of its orders."""
    r = resting_(venue, row)
    r.recorded -= lots
    if r.recorded <= 0:
        if r.shown > 0:
            leave(venue, row)
        r.shown = r.recorded = r.taken = 0
    elif r.taken == 0:
        shrink(venue, row, lots)
    else:
        set_shown(venue, row, max(0, r.recorded - r.taken))


@kernel
def flow_row(venue, instrument, b, f):
    """What a row of a flow does; whether all of it is done. Else it is called again: for the next trade with an
    account, or once the tables have grown."""
    kind = f.kind
    if kind == _LEVEL:
        return level_row(venue, instrument, b, f)
    if kind == _TRADE:
        return trade_row(venue, instrument, b, f)
    if kind == _TOP:
        return True
    if kind == _CLEAR:
        clear(venue, instrument, b)
        return True
    row = recorded_(venue, b, f.order)
    if kind == _FILL and b.by_fills and venue.working > 0 and filled_ahead(venue, instrument, row):
        return False
    if kind == _CANCEL or kind == _FILL:
        lose(venue, row, f.lots)
        return True
    r = resting_(venue, row)
    if b.flow_begun == 0:
        place = side_place(venue, instrument, f.side)
        if kind == _AMEND and r.ticks == f.price_ticks and f.lots <= r.recorded:
            r.recorded = f.lots
            set_shown(venue, row, max(0, f.lots - r.taken))
            return True
        if kind == _AMEND and r.shown > 0:  # ahead of asking for room: its page may go with it
            leave(venue, row)
            r.shown = 0
        if not page_ready(venue, place, f.price_ticks):
            return False
        if kind == _ADD:
            r.owner = -1
            r.taken = 0
            r.hidden = r.key = r.given = 0
        r.place = place
        r.ticks = f.price_ticks
        r.recorded = f.lots
        r.shown = max(0, f.lots - r.taken)
        if r.shown > 0:
            stand(venue, row)
        b.flow_begun = 1
    if venue.working > 0 and meets(venue, instrument, row):
        return False
    b.flow_begun = 0
    return True


@kernel
def clear(venue, instrument, b):
    """All orders of the record are gone."""
    if b.of_levels:
        clear_levels(venue, side_place(venue, instrument, 1))
        clear_levels(venue, side_place(venue, instrument, -1))
        return
    for row in range(b.slots_first, b.slots_first + b.slots):
        r = resting_(venue, row)
        if r.shown > 0:
            leave(venue, row)
        r.shown = r.recorded = r.taken = 0


@kernel
def next_flow(venue):
    """The instrument whose flow has the next row, the first of those at the same time; -1 without one."""
    found, first_ns = -1, NEVER_NS
    for instrument in range(venue.instruments):
        if has_book(venue, instrument):
            b = book_of(venue, instrument)
            if b.flow_next < b.flow_rows and flow_(b, b.flow_next).ts_ns < first_ns:
                found, first_ns = instrument, flow_(b, b.flow_next).ts_ns
    return found


@kernel
def row_is_due(venue, until_ns):
    """Whether any flow has a row up to an instant."""
    instrument = next_flow(venue)
    if instrument < 0:
        return False
    b = book_of(venue, instrument)
    return flow_(b, b.flow_next).ts_ns <= until_ns


@kernel
def replay_rows(venue, until_ns):
    """Do rows of the flow that has the next one, until something else has to be done first."""
    instrument = next_flow(venue)
    flow_run(venue, instrument, flow_until(venue, instrument, until_ns))


@kernel
def flow_until(venue, instrument, bound_ns):
    """Up to when rows of a flow may be done in one go: an instant, or the next row of another flow."""
    for other in range(venue.instruments):
        if other != instrument and has_book(venue, other):
            b = book_of(venue, other)
            if b.flow_next < b.flow_rows:
                first_ns = flow_(b, b.flow_next).ts_ns
                bound_ns = min(bound_ns, first_ns if other > instrument else first_ns - 1)
    return bound_ns


@kernel
def flow_run(venue, instrument, bound_ns):
    """Do rows of a flow up to an instant, until one of them brings an event, conditional orders that have to be looked
    at, or needs larger tables."""
    b = book_of(venue, instrument)
    events = venue.event_count
    while b.flow_next < b.flow_rows:
        f = flow_(b, b.flow_next)
        if f.ts_ns > bound_ns:
            return
        venue.clock_ns = max(venue.clock_ns, f.ts_ns)
        done = flow_row(venue, instrument, b, f)
        if done:
            b.flow_next += 1
        venue.in_row = 0 if done else 1
        if venue.event_count != events or venue.elections > 0 or venue.grow_side >= 0:
            if venue.event_count != events:
                venue.told = 1
            return
