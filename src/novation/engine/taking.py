"""Orders that trade with bars or a ladder: those that take, and those that waited.

Bar fills, in one place (docs/rules/fills.md):
* `on_bar` sees a bar at its close; what it sends arrives after that, at the same instant;
* a market order trades at the open of the bar that opens at its instant, or else of the next one, plus half the
  spread, on the tick against it;
* a limit order that the open already crosses on arrival takes, as a market order does; otherwise it rests and trades
  when a later bar trades *through* it, at its price, or at the open if that is better.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, OrderKind
from novation.domain.events import MAKER
from novation.engine.layout import ANY_PRICE
from novation.engine.liquidity import has_ladder, offer, take
from novation.engine.order_checks import as_cancelled, notional_reason, too_large
from novation.engine.order_margin import assumed_for, cash_is_short, risk_reason
from novation.engine.orders import cancel_order, trade
from novation.engine.parametric import traded
from novation.engine.state import contract_, market_, order_, position_row_, row_of
from novation.rules.clearing import closed_lots
from novation.rules.integers import sign

_MARKET = int(OrderKind.MARKET)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)
_CANCEL_NO_LIQUIDITY = int(CancelReason.NO_LIQUIDITY)
_CANCEL_LARGE = int(CancelReason.NUMBER_TOO_LARGE)
_CANCEL_BALANCE = int(CancelReason.BALANCE_TOO_SMALL)


@kernel
def taking_unit(venue):
    """One level for the order that takes liquidity; at its end the rest of a limit order works, that of a market order
    is cancelled."""
    row = venue.taking
    o = order_(venue, row)
    instrument, side = o.instrument, o.side
    ticks, lots = offer(venue, instrument, side, o.lots, ANY_PRICE if o.kind == _MARKET else o.price_ticks)
    if lots == 0:
        venue.taking = -1
        if o.kind == _MARKET and has_ladder(venue, instrument):  # on bars it waits for the next
            cancel_order(venue, row, _CANCEL_NO_LIQUIDITY)
        return
    if lots == o.lots:
        venue.taking = -1
    take(venue, instrument, side, lots, ticks)
    traded(venue, instrument, side, lots, 0)
    trade(venue, row, lots, ticks, market_(venue, instrument).last_e8, 0)


@kernel
def meet_ladder(venue, row):
    """One level for a limit order that a ladder has moved onto: filled at its own price. Whether more may follow."""
    o = order_(venue, row)
    instrument, side, ticks = o.instrument, o.side, o.price_ticks
    _, lots = offer(venue, instrument, side, o.lots, ticks)
    if lots == 0:
        return False
    more = lots < o.lots
    take(venue, instrument, side, lots, ticks)
    fill_working(venue, row, lots, ticks, market_(venue, instrument).last_e8, 1)
    return more


@kernel
def fill_working(venue, order_row, filled, ticks, price_e8, maker):
    """Fill lots of a working order; a waiting market order is checked for margin and size now that it has a price, a
    purchase for cash for its fee."""
    o = order_(venue, order_row)
    row = row_of(venue, o.account, o.instrument, o.leg)
    lots, kind = o.side * o.lots, o.kind
    if o.reduce_only and closed_lots(position_row_(venue, row).lots, lots) != o.lots:
        cancel_order(venue, order_row, _CANCEL_NOT_REDUCING)
        return
    if kind == _MARKET:
        cause, reason = 0, 0
        if too_large(venue, row, sign(lots), abs(lots), 0):
            cause = _CANCEL_LARGE
        elif o.filled == 0:  # what is left of an order is asked for no notional of its own
            reason, _, _ = notional_reason(venue, row, lots, kind, 0)
        if cause == 0 and reason == 0:
            assumed = assumed_for(venue, o.instrument, kind, o.side, ticks)
            reason, _, _ = risk_reason(venue, row, lots, assumed, ticks, ticks, 1)
        if reason != 0:
            cause = as_cancelled(reason)
        if cause != 0:
            cancel_order(venue, order_row, cause)
            return
    elif contract_(venue, o.instrument).spot and lots > 0 and cash_is_short(venue, order_row, filled, ticks, maker):
        cancel_order(venue, order_row, _CANCEL_BALANCE)
        return
    traded(venue, o.instrument, o.side, filled, maker)
    trade(venue, order_row, filled, ticks, price_e8, MAKER if maker else 0)
