"""What an order is asked that costs or moves money: its smallest notional, its size, and whether its margin is there.

docs/rules/checks.md has the order in which they are asked.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    InstrumentStatus,
    MarginMethod,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.engine.layout import NO_PRICE
from novation.engine.order_margin import assumed_for, risk_reason
from novation.engine.state import account_, contract_, market_, order_, position_row_, terms_of
from novation.rules.clearing import closed_lots
from novation.rules.integers import E8
from novation.rules.value import signed_value

_TIERED = int(MarginMethod.TIERED)
_LIMIT = int(OrderKind.LIMIT)
_SHORT = int(PositionSide.SHORT)
_MIN_NOTIONAL = int(RejectReason.MIN_NOTIONAL)
_BALANCE_TOO_SMALL = int(RejectReason.BALANCE_TOO_SMALL)
_NOT_TRADING = int(RejectReason.NOT_TRADING)
_OPENING_NOT_ALLOWED = int(RejectReason.OPENING_NOT_ALLOWED)
_TRADING = int(InstrumentStatus.TRADING)
_PRE_DELIVERING = int(InstrumentStatus.PRE_DELIVERING)
_POSITION_LIMIT = int(RejectReason.POSITION_LIMIT)
_CANCEL_MARGIN = int(CancelReason.INSUFFICIENT_MARGIN)
_CANCEL_LIMIT = int(CancelReason.POSITION_LIMIT)
_CANCEL_NOTIONAL = int(CancelReason.MIN_NOTIONAL)
_CANCEL_BALANCE = int(CancelReason.BALANCE_TOO_SMALL)
#: Lots times their value per 1.00 of price, where the two are multiplied.
_PRODUCT = (1 << 62) - 1
#: Values are kept below 2**62. Up to this value a position may be opened: a price twenty times higher then still fits.
_LARGE = 200_000_000_000_000_000
#: What the orders of a side may be worth together, each at its own price.
_LARGE_ORDERS = 10 * _LARGE


@kernel
def notional_reason(venue, row, lots, kind, price_ticks):
    """Below the smallest notional, unless the trade only reduces a position (not of spot): at its own price; of a
    market order at the mark (facts/binance.md 7.3), before the first of which nothing says what it is worth."""
    p = position_row_(venue, row)
    smallest = terms_of(venue, p.instrument).min_notional
    c = contract_(venue, p.instrument)
    if smallest == 0 or (closed_lots(p.lots, lots) == abs(lots) and not c.spot):
        return 0, 0, 0
    value = abs(lots) * price_ticks * c.tick_value
    if kind != _LIMIT:
        if market_(venue, p.instrument).mark_e8 == 0:
            return 0, 0, 0
        value, _ = signed_value(market_(venue, p.instrument).mark_e8, abs(lots), c.lot_value)
    if value < smallest:
        return _MIN_NOTIONAL, value, smallest
    return 0, 0, 0


@kernel
def worth_more(price_e8, lots, lot_value, bound):
    """Whether lots at a price are worth more than a bound, of 2**61 at most, or more than can be multiplied."""
    if lot_value % E8 != 0 and lots > _PRODUCT // lot_value:
        return True
    # the estimate keeps the exact product inside int64
    if float(price_e8) * float(lots) * float(lot_value) / float(E8) > 2.0 * float(bound):
        return True
    worth, _ = signed_value(price_e8, lots, lot_value)
    return worth > bound


@kernel
def too_large(venue, row, side, lots, price_ticks):
    """Whether an order, or all that could be held with `lots` more at the highest price known now, leaves the integers;
    price_ticks: 0 of one without a price of its own."""
    p = position_row_(venue, row)
    c = contract_(venue, p.instrument)
    m = market_(venue, p.instrument)
    own_e8 = abs(price_ticks) * c.tick_e8
    working = p.bid_value if side > 0 else p.ask_value
    if worth_more(own_e8, lots, c.lot_value, _LARGE_ORDERS - min(working, _LARGE_ORDERS)):
        return True
    if closed_lots(p.lots, side * lots) == lots:
        return False  # a reduction is not too large at any other price
    most = abs(p.lots) + p.bid_lots + p.ask_lots + lots
    a_lot = terms_of(venue, p.instrument).initial_per_lot
    if c.method != _TIERED and a_lot > 0 and most > _LARGE // a_lot:
        return True
    return worth_more(max(own_e8, m.mark_e8, m.last_e8), most, c.lot_value, _LARGE)


@kernel
def closes(hedge, side, position_side):
    """Whether an order of an account in hedge mode closes: a sale of the long position, a purchase of the short one."""
    return 1 if hedge and (side > 0) == (position_side == _SHORT) else 0


@kernel
def reducible(venue, row, side, but):
    """Lots of a position that an order of a side can close, less those that reduce-only orders work on already; `but`:
    the row of one that is not counted, -1 for none."""
    p = position_row_(venue, row)
    if p.lots * side >= 0:
        return 0
    lots = abs(p.lots)
    at = account_(venue, p.account).first_order
    while at >= 0:
        o = order_(venue, at)
        against = o.instrument == p.instrument and o.leg == p.leg and o.side == side
        if against and o.reduce_only and o.trigger == 0 and at != but:
            lots -= o.lots
        at = o.own_next
    return max(0, lots)


@kernel
def money_reason(venue, row, side, kind, lots, price_ticks, reduce_only, best, ticks):
    """Why an order is refused for its notional, its size or its margin, with the value and its limit.

    best, ticks: the best and the worst price at which any of it trades now, NO_PRICE where none does: then a limit
    order is asked for what it reserves, unless it only reduces a future's position, and a market order for nothing yet.
    """
    instrument, signed = position_row_(venue, row).instrument, side * lots
    if ticks != NO_PRICE:
        reason, value, limit = notional_reason(venue, row, signed, kind, price_ticks)
        if reason == 0:
            assumed = assumed_for(venue, instrument, kind, side, price_ticks if kind == _LIMIT else best)
            reason, value, limit = risk_reason(venue, row, signed, assumed, best, ticks, 1)
        return reason, value, limit
    if kind != _LIMIT or (reduce_only and not contract_(venue, instrument).spot):
        return 0, 0, 0
    reason, value, limit = notional_reason(venue, row, signed, kind, price_ticks)
    if reason == 0:
        assumed = assumed_for(venue, instrument, kind, side, price_ticks)
        reason, value, limit = risk_reason(venue, row, signed, assumed, price_ticks, price_ticks, 0)
    return reason, value, limit


@kernel
def as_cancelled(reason):
    """What a cancellation is called that such a refusal brings."""
    if reason == _MIN_NOTIONAL:
        return _CANCEL_NOTIONAL
    if reason == _POSITION_LIMIT:
        return _CANCEL_LIMIT
    if reason == _BALANCE_TOO_SMALL:
        return _CANCEL_BALANCE
    return _CANCEL_MARGIN


@kernel
def is_over(venue, instrument):
    """Whether an instrument's delivery time is reached, whether or not a row has said so yet."""
    return 0 < contract_(venue, instrument).deliver_ns <= venue.clock_ns


@kernel
def status_reason(venue, row, signed, lots):
    """Why an order of signed lots is refused for what its instrument is in its life: it takes none, or only those that
    reduce a position; status and the status it would have to have."""
    p = position_row_(venue, row)
    status = market_(venue, p.instrument).status
    if is_over(venue, p.instrument) or (status != _TRADING and status != _PRE_DELIVERING):
        return _NOT_TRADING, status, _TRADING
    if status != _TRADING and closed_lots(p.lots, signed) != lots:
        return _OPENING_NOT_ALLOWED, status, _TRADING
    return 0, 0, 0
