"""Conditional orders that close a position, whatever its size by then, and end with it (docs/rules/book.md)."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, OrderKind, PositionSide, RejectReason, TimeInForce, TriggerKind
from novation.engine.orders import cancel_order
from novation.engine.state import account_, order_, position_row_, row_of

_MARKET = int(OrderKind.MARKET)
_GTC = int(TimeInForce.GTC)
_LONG, _SHORT = int(PositionSide.LONG), int(PositionSide.SHORT)
_STOP, _TAKE_PROFIT = int(TriggerKind.STOP), int(TriggerKind.TAKE_PROFIT)
_BAD_CLOSE_POSITION = int(RejectReason.BAD_CLOSE_POSITION)
_ALREADY_CLOSING = int(RejectReason.ALREADY_CLOSING)
_NO_POSITION = int(RejectReason.NO_POSITION)
_POSITION_GONE = int(CancelReason.POSITION_GONE)


@kernel
def close_reason(venue, c, row):
    """Why an order is refused that closes a position; row: of that position."""
    hedge = account_(venue, c.account).hedge
    if (c.position_side != _LONG and c.position_side != _SHORT) if hedge else c.position_side != 0:
        return 0, 0, 0  # WRONG_POSITION_SIDE, which comes later
    side, p = 1 if c.side > 0 else -1, position_row_(venue, row)
    waits = c.trigger == _STOP or c.trigger == _TAKE_PROFIT
    if (
        c.close_position != 1
        or not waits
        or c.order_kind != _MARKET
        or c.lots != 0
        or c.reduce_only
        or c.time_in_force != _GTC
    ):
        return _BAD_CLOSE_POSITION, c.lots, c.trigger
    if p.lots * side >= 0:
        return _NO_POSITION, side, p.lots
    at = account_(venue, c.account).first_order
    while at >= 0:
        o = order_(venue, at)
        of_it = o.instrument == c.instrument and o.leg == p.leg and o.close_position
        if of_it and o.trigger == c.trigger and o.side == side:
            return _ALREADY_CLOSING, o.id, 0
        at = o.own_next
    return 0, 0, 0


@kernel
def position_of(venue, o):
    """The position that an order is about."""
    return position_row_(venue, row_of(venue, o.account, o.instrument, o.leg))


@kernel
def gone_unit(venue):
    """Cancel the next order whose position is gone, or find that none is."""
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        if o.close_position and o.trigger != 0 and position_of(venue, o).lots * o.side >= 0:
            cancel_order(venue, row, _POSITION_GONE)
            return
        row = o.next
    venue.closers_due = 0
