"""PLACE: the checks in the venue's order, and the acceptance of an order (docs/rules/checks.md, docs/rules/book.md)."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    InstrumentStatus,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.domain.events import REDUCE_ONLY, TRANSFERRED
from novation.engine.banding import price_reason
from novation.engine.book_orders import kind_reason, price_found, whole_reason
from novation.engine.clearing import fill, side_flag
from novation.engine.ledger import next_event
from novation.engine.liquidity import has_depth, has_ladder, reach
from novation.engine.order_checks import closes, money_reason, reducible, too_large
from novation.engine.order_margin import risk_reason
from novation.engine.orders import cancel_order, reject, rest, waits
from novation.engine.parametric import ANY_PRICE, NO_PRICE
from novation.engine.phases import phase_reason
from novation.engine.state import account_, contract_, has_book, market_, position_row_, row_of, terms_of
from novation.rules.clearing import closed_lots

_MARKET = int(OrderKind.MARKET)
_LIMIT = int(OrderKind.LIMIT)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_COMMAND_REJECTED = int(EventKind.COMMAND_REJECTED)
_TRANSFER_POSITION = int(CommandKind.TRANSFER_POSITION)
_NO_TERMS = int(RejectReason.NO_TERMS)
_NOT_TRADING = int(RejectReason.NOT_TRADING)
_OPENING_NOT_ALLOWED = int(RejectReason.OPENING_NOT_ALLOWED)
_TRADING = int(InstrumentStatus.TRADING)
_PRE_DELIVERING = int(InstrumentStatus.PRE_DELIVERING)
_QTY_NOT_POSITIVE = int(RejectReason.QTY_NOT_POSITIVE)
_QTY_BELOW_MIN = int(RejectReason.QTY_BELOW_MIN)
_QTY_ABOVE_MAX = int(RejectReason.QTY_ABOVE_MAX)
_PRICE_NOT_POSITIVE = int(RejectReason.PRICE_NOT_POSITIVE)
_PRICE_OFF_TICK = int(RejectReason.PRICE_OFF_TICK)
_BAD_ORDER_KIND = int(RejectReason.BAD_ORDER_KIND)
_WRONG_POSITION_SIDE = int(RejectReason.WRONG_POSITION_SIDE)
_REDUCE_ONLY_NOT_OFFERED = int(RejectReason.REDUCE_ONLY_NOT_OFFERED)
_BOTH, _LONG, _SHORT = int(PositionSide.BOTH), int(PositionSide.LONG), int(PositionSide.SHORT)
_WOULD_NOT_REDUCE = int(RejectReason.WOULD_NOT_REDUCE)
_ENTRY_OFF_MARKET = int(RejectReason.ENTRY_OFF_MARKET)
_OPEN_POSITION = int(RejectReason.OPEN_POSITION)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
_CANCEL_MINIMUM = int(CancelReason.MINIMUM_NOT_MET)
#: Highest limit price in 1e-8: beyond it products with sizes leave int64.
TOP_E8 = 1 << 53


@kernel
def place(venue, c):
    """Check the order a command places, accept it, and trade it at once if the market can be had now.

    A position that is transferred in is checked as a limit order that trades whole at its entry price, and then booked;
    it opens or adds, between the last price and the mark, so that it brings no profit with it.
    """
    asked, moved = c, c.kind == _TRANSFER_POSITION
    identity, account, instrument, side, kind = c.order, c.account, c.instrument, c.side, c.order_kind
    lots, price_ticks, reduce_only, position_side = c.lots, c.price_ticks, c.reduce_only, c.position_side
    hold, after, conditional = c.hold, c.after, c.trigger != 0 and not moved
    m = market_(venue, instrument)
    signed = side * lots
    if m.terms < 0:
        reject(venue, account, instrument, identity, signed, price_ticks, _NO_TERMS, 0, 0)
        return
    if kind != _LIMIT and not moved and has_book(venue, instrument):
        price_ticks = 0
    t = terms_of(venue, instrument)
    c = contract_(venue, instrument)
    hedge = account_(venue, account).hedge
    row = row_of(venue, account, instrument, 1 if hedge and position_side == _SHORT else 0)
    reducing = reduce_only or closes(hedge, side, position_side)
    reason, value, limit = 0, 0, 0
    closed, phase, halt = phase_reason(venue, instrument, _LIMIT if conditional else kind, hold)
    strange, strange_value, strange_limit = 0, 0, 0
    if moved:
        strange, strange_value = _BAD_ORDER_KIND if kind != _LIMIT else 0, kind
    else:
        strange, strange_value, strange_limit = kind_reason(venue, asked)
    over = 0 < c.deliver_ns <= venue.clock_ns  # whether or not a row has said so yet
    if over or (m.status != _TRADING and m.status != _PRE_DELIVERING):
        reason, value, limit = _NOT_TRADING, m.status, _TRADING
    elif m.status != _TRADING and closed_lots(position_row_(venue, row).lots, signed) != lots:
        reason, value, limit = _OPENING_NOT_ALLOWED, m.status, _TRADING
    elif closed != 0 and not moved:
        reason, value, limit = closed, phase, halt
    elif strange != 0:
        reason, value, limit = strange, strange_value, strange_limit
    if reason == 0 and kind > _LIMIT and not conditional:
        kind, price_ticks = _LIMIT, price_found(venue, instrument, side, kind, NO_PRICE)
    if reason != 0:
        pass
    elif lots <= 0 or (side != 1 and side != -1):
        reason, value = _QTY_NOT_POSITIVE, lots
    elif lots < t.min_lots:
        reason, value, limit = _QTY_BELOW_MIN, lots, t.min_lots
    elif lots > t.max_lots:
        reason, value, limit = _QTY_ABOVE_MAX, lots, t.max_lots
    elif kind == _LIMIT and price_ticks <= 0:
        reason, value = _PRICE_NOT_POSITIVE, price_ticks
    elif kind == _LIMIT and price_ticks % t.tick_step != 0:
        reason, value, limit = _PRICE_OFF_TICK, price_ticks, t.tick_step
    elif price_ticks > TOP_E8 // c.tick_e8:
        reason, value, limit = _NUMBER_TOO_LARGE, price_ticks, TOP_E8 // c.tick_e8
    elif (position_side != _LONG and position_side != _SHORT) if hedge else position_side != _BOTH:
        reason, value, limit = _WRONG_POSITION_SIDE, position_side, hedge
    elif hedge and reduce_only:
        reason, value = _REDUCE_ONLY_NOT_OFFERED, position_side
    elif reducing and not conditional and lots > reducible(venue, row, side, -1):
        reason, value, limit = _WOULD_NOT_REDUCE, lots, reducible(venue, row, side, -1)
    else:
        if kind == _LIMIT and not moved:
            reason, value, limit = price_reason(venue, instrument, side, price_ticks)
        if reason == 0 and too_large(venue, row, side, lots, price_ticks):
            reason, value, limit = _NUMBER_TOO_LARGE, lots, 0
    if reason == 0 and moved:
        price_e8, grid = price_ticks * c.tick_e8, t.tick_step * c.tick_e8
        low, high = min(m.last_e8, m.mark_e8), max(m.last_e8, m.mark_e8)
        if low <= 0 or price_e8 <= low - grid or price_e8 >= high + grid:
            reason, value = _ENTRY_OFF_MARKET, price_ticks
        elif position_row_(venue, row).lots * side < 0:
            reason, value = _OPEN_POSITION, position_row_(venue, row).lots
        else:
            reason, value, limit = risk_reason(venue, row, signed, price_e8, price_ticks, price_ticks, 1)
        if reason == 0:
            fill(venue, row, 0, signed, price_ticks, price_ticks * c.tick_e8, 0, TRANSFERRED)
            return
    elif reason == 0:
        reduce_only, booked = reducing, has_book(venue, instrument)
        after = after if kind == _MARKET and hold and not has_depth(venue, instrument) else 0
        ticks = NO_PRICE
        if not conditional and not waits(venue, account, after):
            ticks = reach(venue, instrument, side, lots, price_ticks if kind == _LIMIT else ANY_PRICE)
        missed = 0
        if booked and not conditional:
            reason, value, limit, missed = whole_reason(venue, asked, kind, price_ticks, ticks)
        if reason == 0 and not conditional:
            reason, value, limit = money_reason(venue, row, side, kind, lots, price_ticks, reduce_only, ticks)
        if reason == 0:
            e = next_event(venue, _ACCEPTED, account, instrument)
            e.order = identity
            e.lots = signed
            e.price_ticks = price_ticks
            e.price_e8 = asked.trigger_e8
            e.flags = (REDUCE_ONLY if reduce_only else 0) | side_flag(venue, position_row_(venue, row))
            rest(venue, asked, row, kind, price_ticks, reduce_only, after)
            if missed:
                cancel_order(venue, venue.last_order, _CANCEL_MINIMUM)
            elif (
                has_book(venue, instrument) or ticks != NO_PRICE or (kind == _MARKET and has_ladder(venue, instrument))
            ):
                venue.taking = venue.last_order
            return
    e = reject(venue, account, instrument, identity, signed, price_ticks, reason, value, limit)
    if moved:
        e.kind = _COMMAND_REJECTED
