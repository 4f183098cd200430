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
from novation.engine.closing import close_reason
from novation.engine.filters import filter_reason, take_bound
from novation.engine.halting import gives_way
from novation.engine.layout import NO_PRICE
from novation.engine.ledger import next_event
from novation.engine.liquidity import has_depth, has_ladder
from novation.engine.order_checks import closes, money_reason, reducible, status_reason, too_large
from novation.engine.order_margin import risk_reason
from novation.engine.orders import cancel_order, reject, rest, waits
from novation.engine.phases import phase_reason
from novation.engine.reach import reach, reach_short_of_a_halt, word_on_self_trades
from novation.engine.state import account_, contract_, has_book, market_, order_, position_row_, row_of, terms_of

_MARKET = int(OrderKind.MARKET)
_LIMIT = int(OrderKind.LIMIT)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_COMMAND_REJECTED = int(EventKind.COMMAND_REJECTED)
_PLACE, _TRANSFER_POSITION = int(CommandKind.PLACE), int(CommandKind.TRANSFER_POSITION)
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
_HOLDING_TOO_SMALL = int(RejectReason.HOLDING_TOO_SMALL)
_ENTRY_OFF_MARKET = int(RejectReason.ENTRY_OFF_MARKET)
_OPEN_POSITION = int(RejectReason.OPEN_POSITION)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
_CANCEL_MINIMUM = int(CancelReason.MINIMUM_NOT_MET)
#: Highest limit price in 1e-8: beyond it products with sizes leave int64.
TOP_E8 = 1 << 53


@kernel
def numbers_reason(venue, instrument, side, kind, lots, price_ticks):
    """Why the size or the price of an order is refused: value and limit."""
    t, top = terms_of(venue, instrument), TOP_E8 // contract_(venue, instrument).tick_e8
    if lots <= 0 or (side != 1 and side != -1):
        return _QTY_NOT_POSITIVE, lots, 0
    if lots < t.min_lots:
        return _QTY_BELOW_MIN, lots, t.min_lots
    if lots > t.max_lots:
        return _QTY_ABOVE_MAX, lots, t.max_lots
    if kind == _LIMIT and price_ticks <= 0:
        return _PRICE_NOT_POSITIVE, price_ticks, 0
    if kind == _LIMIT and price_ticks % t.tick_step != 0:
        return _PRICE_OFF_TICK, price_ticks, t.tick_step
    if price_ticks > top:
        return _NUMBER_TOO_LARGE, price_ticks, top
    return 0, 0, 0


@kernel
def position_reason(venue, row, c):
    """Why an order is refused for the position it names, or as it would not reduce it, or sells more than is held:
    value and limit."""
    hedge, conditional = account_(venue, c.account).hedge, c.trigger != 0 and c.kind == _PLACE
    if (c.position_side != _LONG and c.position_side != _SHORT) if hedge else c.position_side != _BOTH:
        return _WRONG_POSITION_SIDE, c.position_side, hedge
    if hedge and c.reduce_only:
        return _REDUCE_ONLY_NOT_OFFERED, c.position_side, 0
    if contract_(venue, c.instrument).spot and c.side < 0 and not conditional:
        most = reducible(venue, row, c.side, -1)
        if c.lots > most:
            return _HOLDING_TOO_SMALL, c.lots, most
    elif (c.reduce_only or closes(hedge, c.side, c.position_side)) and not conditional:
        most = reducible(venue, row, c.side, -1)
        if c.lots > most:
            return _WOULD_NOT_REDUCE, c.lots, most
    return 0, 0, 0


@kernel
def asked_reason(venue, row, c, kind, price_ticks):
    """Why an order is refused for what it asks for, its kind and price found: value and limit."""
    if c.close_position and c.kind == _PLACE:
        reason, value, limit = (0 if abs(c.side) == 1 else _QTY_NOT_POSITIVE), c.lots, 0
    else:
        reason, value, limit = numbers_reason(venue, c.instrument, c.side, kind, c.lots, price_ticks)
    if reason == 0:
        reason, value, limit = position_reason(venue, row, c)
    if reason == 0 and kind == _LIMIT and c.kind == _PLACE:
        reason, value, limit = price_reason(venue, c.instrument, c.side, price_ticks)
    if reason == 0 and c.kind == _PLACE and has_book(venue, c.instrument):
        reason, value, limit = filter_reason(venue, c, kind, price_ticks)
    if reason == 0 and too_large(venue, row, c.side, c.lots, price_ticks):
        return _NUMBER_TOO_LARGE, c.lots, 0
    return reason, value, limit


@kernel
def bring_in(venue, row, c):
    """Book a position that is transferred in, at its entry price; why it is refused, value and limit.

    It is checked as a limit order that trades whole at that price, opens or adds, and stands between the last price and
    the mark, so that it brings no profit with it.
    """
    m, x, t = market_(venue, c.instrument), contract_(venue, c.instrument), terms_of(venue, c.instrument)
    price_e8, grid = c.price_ticks * x.tick_e8, t.tick_step * x.tick_e8
    low, high = min(m.last_e8, m.mark_e8), max(m.last_e8, m.mark_e8)
    if low <= 0 or price_e8 <= low - grid or price_e8 >= high + grid:
        return _ENTRY_OFF_MARKET, c.price_ticks, 0
    if position_row_(venue, row).lots * c.side < 0:
        return _OPEN_POSITION, position_row_(venue, row).lots, 0
    signed = c.side * c.lots
    reason, value, limit = risk_reason(venue, row, signed, price_e8, c.price_ticks, c.price_ticks, 1)
    if reason == 0:
        fill(venue, row, 0, signed, c.price_ticks, price_e8, 0, TRANSFERRED)
    return reason, value, limit


@kernel
def accept(venue, row, c, kind, price_ticks):
    """Accept an order and let it take what it can; why it is refused for its money, value and limit."""
    instrument, conditional = c.instrument, c.trigger != 0
    booked = has_book(venue, instrument)
    reduce_only = c.reduce_only or c.close_position or closes(account_(venue, c.account).hedge, c.side, c.position_side)
    if contract_(venue, instrument).spot and c.side < 0:
        reduce_only = 1
    after = c.after if kind == _MARKET and c.hold and not conditional and not has_depth(venue, instrument) else 0
    found, best, worst, missed = 0, NO_PRICE, NO_PRICE, 0
    reason, value, limit = 0, 0, 0
    if not conditional and not waits(venue, c.account, after):
        word = word_on_self_trades(venue, instrument, c.self_trade, c.time_in_force) if booked else 0
        limit_ticks = price_ticks if kind == _LIMIT else take_bound(venue, instrument, c.side)
        if booked and gives_way(c, kind):
            found, best, worst = reach_short_of_a_halt(venue, instrument, c.side, c.lots, limit_ticks, c.account, word)
        else:
            found, best, worst = reach(venue, instrument, c.side, c.lots, limit_ticks, c.account, word)
    if booked and not conditional:
        reason, value, limit, missed = whole_reason(venue, c, price_ticks, found)
    if reason == 0 and not conditional:
        reason, value, limit = money_reason(venue, row, c.side, kind, c.lots, price_ticks, reduce_only, best, worst)
    if reason != 0:
        return reason, value, limit
    e = next_event(venue, _ACCEPTED, c.account, instrument)
    e.order = c.order
    e.lots = c.side * c.lots
    e.price_ticks = price_ticks
    e.price_e8 = c.trigger_e8
    e.flags = (REDUCE_ONLY if reduce_only else 0) | side_flag(venue, position_row_(venue, row))
    rest(venue, c, row, kind, price_ticks, reduce_only, after)
    order_(venue, venue.last_order).gives_way = 1 if booked and gives_way(c, kind) else 0
    if missed:
        cancel_order(venue, venue.last_order, _CANCEL_MINIMUM)
    elif booked or worst != NO_PRICE or (kind == _MARKET and has_ladder(venue, instrument)):
        venue.taking = venue.last_order
    return 0, 0, 0


@kernel
def place(venue, c):
    """Check the order a command places, accept it, and trade it at once if the market can be had now; or book the
    position that it transfers in."""
    moved, conditional = c.kind == _TRANSFER_POSITION, c.trigger != 0 and c.kind == _PLACE
    instrument, kind, price_ticks = c.instrument, c.order_kind, c.price_ticks
    signed = c.side * c.lots
    if kind != _LIMIT and not moved and has_book(venue, instrument):
        price_ticks = 0
    if market_(venue, instrument).terms < 0:
        reject(venue, c.account, instrument, c.order, signed, price_ticks, _NO_TERMS, 0, 0)
        return
    short = account_(venue, c.account).hedge and c.position_side == _SHORT
    row = row_of(venue, c.account, instrument, 1 if short else 0)
    reason, value, limit = status_reason(venue, row, signed, c.lots)
    if reason == 0 and not moved:
        reason, value, limit = phase_reason(venue, instrument, _LIMIT if conditional else kind, c.hold)
    if reason == 0:
        if not moved:
            reason, value, limit = kind_reason(venue, c)
            if reason == 0 and c.close_position:
                reason, value, limit = close_reason(venue, c, row)
        elif kind != _LIMIT:
            reason, value = _BAD_ORDER_KIND, kind
    if reason == 0:
        if kind > _LIMIT and not conditional:
            kind, price_ticks = _LIMIT, price_found(venue, instrument, c.side, kind, NO_PRICE)
        reason, value, limit = asked_reason(venue, row, c, kind, price_ticks)
    if reason == 0:
        if moved:
            reason, value, limit = bring_in(venue, row, c)
        else:
            reason, value, limit = accept(venue, row, c, kind, price_ticks)
    if reason != 0:
        e = reject(venue, c.account, instrument, c.order, signed, price_ticks, reason, value, limit)
        if moved:
            e.kind = _COMMAND_REJECTED
