"""What an order takes from the available balance: initial margin at the assumed price, plus the loss it opens with.

Source: facts/binance.md §3.1, two dated versions of the order-cost FAQ. They differ in limit sells only, by a number
that is 0 in the older one; of market orders the current text says nothing readable, so the older rule serves both
(unverified). Both numbers are arguments: the dated rows are `reference/tables/binance_um/order_cost.csv`.

Prices int64 1e-8, money in minor units, each amount rounded down, as Binance cuts what it shows.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import OrderKind, Side
from novation.rules.integers import E8, mul_div
from novation.rules.value import value_rem

_LIMIT = int(OrderKind.LIMIT)
_BUY = int(Side.BUY)


@kernel
def assumed_price(above_last_e8, above_ask_e8, kind, side, price_e8, last_e8, mark_e8, bid_e8, ask_e8):
    """The price at which an order is assumed to fill.

    Limit buy: its price. Limit sell: its price; where `above_last_e8` is not 0, max(last * (1 + that), mark, price).
    Market buy: ask * (1 + above_ask_e8). Market sell: max(bid, mark).
    """
    if kind == _LIMIT:
        if side == _BUY or above_last_e8 == 0:
            return price_e8
        return max(price_e8, mark_e8, mul_div(last_e8, E8 + above_last_e8, E8))
    if side == _BUY:
        return mul_div(ask_e8, E8 + above_ask_e8, E8)
    return max(bid_e8, mark_e8)


@kernel
def order_initial(lots, lot_value, assumed_e8, leverage):
    """Initial margin of an order at its assumed price."""
    value, _ = value_rem(assumed_e8, lots, lot_value)
    return value // leverage


@kernel
def open_loss(lots, lot_value, side, mark_e8, assumed_e8):
    """What an order loses the moment it fills: size * |min(0, side * (mark - assumed))|."""
    worse = side * (assumed_e8 - mark_e8)
    if worse <= 0:
        return 0
    loss, _ = value_rem(worse, lots, lot_value)
    return loss


@kernel
def order_cost(lots, lot_value, side, assumed_e8, mark_e8, leverage):
    """Initial margin plus open loss, each rounded down."""
    return order_initial(lots, lot_value, assumed_e8, leverage) + open_loss(lots, lot_value, side, mark_e8, assumed_e8)
