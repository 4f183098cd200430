"""Orders that are changed, cancelled together, or run out (docs/rules/book.md, "Amending, cancelling, expiry")."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, EventKind, MarketPhase, OrderKind, RejectReason, SelfTrade, TimeInForce
from novation.engine.banding import price_reason
from novation.engine.book import show
from novation.engine.book_orders import far_reason
from novation.engine.clearing import side_flag
from novation.engine.executable import best_executable
from novation.engine.filters import filter_price_reason
from novation.engine.layout import NEVER_NS
from novation.engine.ledger import next_event
from novation.engine.liquidity import within
from novation.engine.order_checks import money_reason, reducible, status_reason, too_large
from novation.engine.orders import arrive_anew, cancel_order, count, count_in, end_of, find_order
from novation.engine.phases import can_cancel, is_open
from novation.engine.placing import numbers_reason
from novation.engine.reach import reach, word_on_self_trades
from novation.engine.state import (
    account_,
    book_of,
    has_book,
    market_,
    order_,
    position_,
    position_row_,
    resting_,
    row_of,
)

_CLOSED, _PAUSED = int(MarketPhase.CLOSED), int(MarketPhase.PAUSED)
_LIMIT = int(OrderKind.LIMIT)
_DAY, _POST_ONLY = int(TimeInForce.DAY), int(TimeInForce.POST_ONLY)
_AMENDED = int(EventKind.ORDER_AMENDED)
_COUNTDOWN_SET = int(EventKind.COUNTDOWN_SET)
_AMENDED_TOO_OFTEN = int(RejectReason.AMENDED_TOO_OFTEN)
_TRADE = int(SelfTrade.TRADE)
_COUNTDOWN_NOT_OFFERED = int(RejectReason.COUNTDOWN_NOT_OFFERED)
#: Ten years.
_LONGEST_NS = 315_576_000_000_000_000
_ALL_CANCELLED = int(EventKind.ALL_CANCELLED)
_UNKNOWN_ORDER = int(RejectReason.UNKNOWN_ORDER)
_CANCEL_NOT_ALLOWED = int(RejectReason.CANCEL_NOT_ALLOWED)
_NO_BOOK = int(RejectReason.NO_BOOK)
_NOT_AMENDABLE = int(RejectReason.NOT_AMENDABLE)
_MARKET_CLOSED = int(RejectReason.MARKET_CLOSED)
_NO_CHANGE = int(RejectReason.NO_CHANGE)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
_WOULD_NOT_REDUCE = int(RejectReason.WOULD_NOT_REDUCE)
_BAD_SIDE = int(RejectReason.BAD_SIDE)
_REQUESTED = int(CancelReason.REQUESTED)
_DAY_OVER = int(CancelReason.DAY_OVER)
_EXPIRED, _COUNTDOWN = int(CancelReason.EXPIRED), int(CancelReason.COUNTDOWN)
_CANCEL_WOULD_TAKE = int(CancelReason.WOULD_TAKE)
_NOTHING_LEFT = int(CancelReason.NOTHING_LEFT)


@kernel
def amend_reason(venue, c, row):
    """Why an amendment is refused before its size is looked at: reason, value and limit."""
    o = order_(venue, row)
    m = market_(venue, o.instrument)
    if not can_cancel(venue, o.instrument, c.hold):
        return _CANCEL_NOT_ALLOWED, c.order, m.phase
    if not has_book(venue, o.instrument):
        return _NO_BOOK, o.instrument, 0
    at = row_of(venue, o.account, o.instrument, o.leg)
    left = max(0, c.lots - o.filled)
    reason, value, limit = status_reason(venue, at, o.side * left, left)
    if reason != 0:
        return reason, value, limit
    if o.trigger != 0 or o.kind != _LIMIT:
        return _NOT_AMENDABLE, c.order, 0
    if m.phase == _CLOSED or m.phase == _PAUSED:
        return _MARKET_CLOSED, m.phase, m.halt
    if c.lots == o.lots + o.filled and c.price_ticks == o.price_ticks:
        return _NO_CHANGE, c.lots, 0
    most = book_of(venue, o.instrument).max_amends
    if 0 < most <= o.amended + 1:
        return _AMENDED_TOO_OFTEN, o.amended, most
    return 0, 0, 0


@kernel
def new_size_reason(venue, c, row, left):
    """Why the size or the price of an amended order is refused, up to what is asked of its money."""
    o = order_(venue, row)
    reason, value, limit = numbers_reason(venue, o.instrument, o.side, _LIMIT, c.lots, c.price_ticks)
    if reason == 0:
        reason, value, limit = far_reason(venue, o.instrument, c.price_ticks)
    if reason != 0:
        return reason, value, limit
    if o.reduce_only:
        most = reducible(venue, row_of(venue, o.account, o.instrument, o.leg), o.side, row)
        if left > most:
            return _WOULD_NOT_REDUCE, left, most
    reason, value, limit = price_reason(venue, o.instrument, o.side, c.price_ticks)
    if reason == 0:
        mark_e8 = market_(venue, o.instrument).mark_e8
        reason, value, limit = filter_price_reason(venue, o.instrument, o.side, c.price_ticks, mark_e8)
    return reason, value, limit


@kernel
def amend(venue, c):
    """Change size and price of a working limit order; why it is refused, value and limit, zeros where it is not."""
    row = find_order(venue, c.account, c.order)
    if row < 0:
        return _UNKNOWN_ORDER, c.order, 0
    reason, value, limit = amend_reason(venue, c, row)
    if reason != 0:
        return reason, value, limit
    o = order_(venue, row)
    left = c.lots - o.filled
    if left <= 0:
        cancel_order(venue, row, _NOTHING_LEFT)
        return 0, 0, 0
    reason, value, limit = new_size_reason(venue, c, row, left)
    if reason != 0:
        return reason, value, limit
    at = row_of(venue, o.account, o.instrument, o.leg)
    own = _TRADE if book_of(venue, o.instrument).amend_drops_self_trade else o.self_trade
    word = word_on_self_trades(venue, o.instrument, own, o.time_in_force)
    _, best, ticks = reach(venue, o.instrument, o.side, left, c.price_ticks, o.account, word)
    count(venue, row, -1)
    if too_large(venue, at, o.side, left, c.price_ticks):
        reason, value, limit = _NUMBER_TOO_LARGE, left, 0
    else:
        reason, value, limit = money_reason(venue, at, o.side, _LIMIT, left, c.price_ticks, o.reduce_only, best, ticks)
    count(venue, row, 1)
    if reason != 0:
        return reason, value, limit
    crossing = within(o.side, best_executable(venue, o.instrument, o.side), c.price_ticks)
    if o.time_in_force == _POST_ONLY and crossing and is_open(venue, o.instrument):
        cancel_order(venue, row, _CANCEL_WOULD_TAKE)
        return 0, 0, 0
    e = next_event(venue, _AMENDED, o.account, o.instrument)
    e.order = o.id
    e.lots = o.side * left
    e.price_ticks = c.price_ticks
    e.flags = side_flag(venue, position_row_(venue, at))
    o.self_trade = own
    if book_of(venue, o.instrument).max_amends > 0:
        o.amended += 1
    count(venue, row, -1)
    if keeps_place(venue, c, row, left):
        r = resting_(venue, o.resting)
        shown = min(r.shown, left)
        show(venue, o.resting, shown, left - shown)
        o.lots = left
        count(venue, row, 1)
        return 0, 0, 0
    o.lots = left
    o.price_ticks = c.price_ticks
    arrive_anew(venue, row)
    count_in(venue, row)
    venue.taking = row
    return 0, 0, 0


@kernel
def keeps_place(venue, c, row, left):
    """Whether an amended order stays where it stands: the same price and not more lots, where the rules say so."""
    o = order_(venue, row)
    keeps = book_of(venue, o.instrument).amend_keeps_place
    return keeps and c.price_ticks == o.price_ticks and left <= o.lots


@kernel
def begin_cancel_all(venue, c):
    """Begin to cancel the orders of an account; why it is refused, value and limit."""
    if c.side < -1 or c.side > 1:
        return _BAD_SIDE, c.side, 0
    if c.instrument >= 0 and not can_cancel(venue, c.instrument, c.hold):
        return _CANCEL_NOT_ALLOWED, 0, market_(venue, c.instrument).phase
    venue.cancelling = c.account
    venue.cancelling_instrument = c.instrument
    venue.cancelling_side = c.side
    venue.cancelling_hold = c.hold
    venue.cancel_next = account_(venue, c.account).first_order
    venue.cancelled = 0
    return 0, 0, 0


@kernel
def cancel_all_unit(venue):
    """Cancel the next order that CANCEL_ALL names, or say how many were."""
    instrument, side = venue.cancelling_instrument, venue.cancelling_side
    while venue.cancel_next >= 0:
        row = venue.cancel_next
        o = order_(venue, row)
        venue.cancel_next = o.own_next
        named = (instrument < 0 or o.instrument == instrument) and (side == 0 or o.side == side)
        if named and can_cancel(venue, o.instrument, venue.cancelling_hold):
            venue.cancelled += 1
            cancel_order(venue, row, _REQUESTED)
            return
    e = next_event(venue, _ALL_CANCELLED, venue.cancelling, instrument)
    e.lots = venue.cancelled
    e.order = side
    venue.cancelling = -1


@kernel
def set_countdown(venue, c):
    """Begin, renew or stop a countdown; why it is refused, value and limit."""
    if not venue.countdown:
        return _COUNTDOWN_NOT_OFFERED, c.amount, 0
    if c.amount < 0 or c.amount > _LONGEST_NS:
        return _NUMBER_TOO_LARGE, c.amount, _LONGEST_NS
    ends_ns = venue.clock_ns + c.amount if c.amount > 0 else 0
    position_(venue, c.account, c.instrument, 0).countdown_ns = ends_ns
    row = account_(venue, c.account).first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == c.instrument:
            o.countdown_ns = ends_ns
        row = o.own_next
    venue.expire_stale = 1
    e = next_event(venue, _COUNTDOWN_SET, c.account, c.instrument)
    e.amount = ends_ns
    return 0, 0, 0


@kernel
def find_expiry(venue):
    """The first instant at which an order expires, NEVER_NS if none does."""
    if venue.expire_stale:
        venue.expire_stale = 0
        venue.expire_ns = NEVER_NS
        row = venue.first_order
        while row >= 0:
            o = order_(venue, row)
            venue.expire_ns = min(venue.expire_ns, end_of(o))
            row = o.next
    return venue.expire_ns


@kernel
def expiry_unit(venue):
    """Cancel the next order that expires by now; whether there was one."""
    while venue.next_order >= 0:
        row = venue.next_order
        o = order_(venue, row)
        venue.next_order = o.next
        if end_of(o) <= venue.clock_ns:
            cancel_order(venue, row, _EXPIRED if 0 < o.expire_ns <= venue.clock_ns else _COUNTDOWN)
            return True
    return False


@kernel
def day_order_unit(venue, instrument):
    """Cancel the next day order of a market that has closed; whether there was one."""
    while venue.next_order >= 0:
        row = venue.next_order
        o = order_(venue, row)
        venue.next_order = o.next
        if o.instrument == instrument and o.time_in_force == _DAY:
            cancel_order(venue, row, _DAY_OVER)
            return True
    return False
