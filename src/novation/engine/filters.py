"""The filters of a book (docs/rules/book.md): why an order is refused whose tick, size and money are right."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import OrderKind, RejectReason
from novation.domain.units import E8
from novation.engine.executable import best_executable
from novation.engine.layout import ANY_PRICE, NO_PRICE
from novation.engine.liquidity import within
from novation.engine.state import account_, book_of, contract_, has_book, market_, order_
from novation.rules.integers import mul_div, mul_div_ceil

_MARKET, _LIMIT = int(OrderKind.MARKET), int(OrderKind.LIMIT)
_QTY_ABOVE_MAX = int(RejectReason.QTY_ABOVE_MAX)
_PRICE_BELOW_MIN, _PRICE_ABOVE_MAX = int(RejectReason.PRICE_BELOW_MIN), int(RejectReason.PRICE_ABOVE_MAX)
_PRICE_ABOVE_CAP, _PRICE_BELOW_FLOOR = int(RejectReason.PRICE_ABOVE_CAP), int(RejectReason.PRICE_BELOW_FLOOR)
_TOO_MANY_ORDERS = int(RejectReason.TOO_MANY_ORDERS)
_OPPOSITE_OUT_OF_RANGE = int(RejectReason.OPPOSITE_OUT_OF_RANGE)
_TOO_MANY_CONDITIONAL = int(RejectReason.TOO_MANY_CONDITIONAL)


@kernel
def filter_reason(venue, c, kind, price_ticks):
    """Why the filters refuse an order, its kind and price found: reason, value and limit."""
    b = book_of(venue, c.instrument)
    if c.order_kind == _MARKET and b.max_market_lots > 0 and c.lots > b.max_market_lots:
        return _QTY_ABOVE_MAX, c.lots, b.max_market_lots
    if c.order_kind == _MARKET and c.trigger == 0:
        best = best_executable(venue, c.instrument, c.side)
        bound = share_bound(venue, c.instrument, c.side, market_(venue, c.instrument).mark_e8)
        if best != NO_PRICE and not within(c.side, best, bound):
            return _OPPOSITE_OUT_OF_RANGE, best, bound
    if kind == _LIMIT:
        # a trailing order may be without a price that its limit could be measured by
        from_e8 = c.trigger_e8 if c.trigger != 0 else market_(venue, c.instrument).mark_e8
        reason, value, limit = filter_price_reason(venue, c.instrument, c.side, price_ticks, from_e8)
        if reason != 0:
            return reason, value, limit
    return count_reason(venue, c)


@kernel
def filter_price_reason(venue, instrument, side, price_ticks, from_e8):
    """Why the filters refuse a limit price; from_e8: what its share is measured by, 0: it is not."""
    b = book_of(venue, instrument)
    if b.min_ticks > 0 and price_ticks < b.min_ticks:
        return _PRICE_BELOW_MIN, price_ticks, b.min_ticks
    if b.max_ticks > 0 and price_ticks > b.max_ticks:
        return _PRICE_ABOVE_MAX, price_ticks, b.max_ticks
    bound = share_bound(venue, instrument, side, from_e8)
    if within(side, price_ticks, bound):
        return 0, 0, 0
    return (_PRICE_ABOVE_CAP if side > 0 else _PRICE_BELOW_FLOOR), price_ticks, bound


@kernel
def share_bound(venue, instrument, side, from_e8):
    """The highest price that a buyer may bid, or the lowest that a seller may ask, by a price in 1e-8; ANY_PRICE where
    there is none."""
    b, tick_e8 = book_of(venue, instrument), contract_(venue, instrument).tick_e8
    if from_e8 <= 0 or (b.up_e8 if side > 0 else b.down_e8) == 0:
        return ANY_PRICE
    if side > 0:
        return mul_div(from_e8, b.up_e8, E8) // tick_e8
    return -(-mul_div_ceil(from_e8, b.down_e8, E8) // tick_e8)


@kernel
def take_bound(venue, instrument, side):
    """The worst price at which a market order of a side trades; ANY_PRICE where there is none."""
    if not has_book(venue, instrument):
        return ANY_PRICE
    b, mark_e8 = book_of(venue, instrument), market_(venue, instrument).mark_e8
    if b.take_bound_e8 == 0 or mark_e8 <= 0:
        return ANY_PRICE
    tick_e8 = contract_(venue, instrument).tick_e8
    if side > 0:
        return mul_div(mark_e8, E8 + b.take_bound_e8, E8) // tick_e8
    return -(-mul_div_ceil(mark_e8, E8 - b.take_bound_e8, E8) // tick_e8)


@kernel
def count_reason(venue, c):
    """Why an order is one too many of its account."""
    b = book_of(venue, c.instrument)
    most = b.max_conditional if c.trigger != 0 else b.max_orders
    if most == 0 or (c.trigger == 0 and c.order_kind == _MARKET):
        return 0, 0, 0
    count = 0
    row = account_(venue, c.account).first_order
    while row >= 0:
        o = order_(venue, row)
        if (o.trigger != 0) == (c.trigger != 0) and (c.trigger != 0 or o.instrument == c.instrument):
            count += 1
        row = o.own_next
    if count >= most:
        return (_TOO_MANY_CONDITIONAL if c.trigger != 0 else _TOO_MANY_ORDERS), count + 1, most
    return 0, 0, 0
