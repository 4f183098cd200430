"""What a position is worth at a price.

value = price * quantity * multiplier. In integers: price_e8 * lots * lot_value / 1e8, where `lot_value` is the money
(minor units) of one lot per 1.00 of price: 1e5 for BTCUSDT (0.001 BTC, 1e-8 USDT), 5e7 for ES (50 USD, 1e-6 USD).
A price in ticks is exact: lots * ticks * tick_value.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, PART, exact_negate, mul_div_rem

#: 2**62 minor units, with room for the roundings of the estimate.
_MOST = 4.6e18 * 1e8


@kernel
def value_rem(price_e8, lots, lot_value):
    """|value| of lots at a price: whole minor units and the rest in 1e-8 of one.

    A lot worth whole units per 1e-8 of price (coins sold by the piece) is multiplied without the division, so that many
    lots of a cheap coin stay inside int64.
    """
    if float(abs(price_e8)) * float(abs(lots)) * float(lot_value) > _MOST:
        raise OverflowError("a position's value is beyond 2**62 minor units")
    if lot_value % E8 == 0:
        return price_e8 * (lot_value // E8) * abs(lots), 0
    return mul_div_rem(price_e8, abs(lots) * lot_value, E8)


@kernel
def signed_value(price_e8, lots, lot_value):
    """Exact value of signed lots at a price off the grid: (whole, part)."""
    whole, rest = value_rem(price_e8, lots, lot_value)
    if lots < 0:
        return exact_negate(whole, rest * E8)
    return whole, rest * E8


@kernel
def unrealised(price_e8, lots, lot_value, cost):
    """Exact profit of a position against its entry cost: (whole, part)."""
    whole, part = signed_value(price_e8, lots, lot_value)
    return whole - cost, part


@kernel
def rate_of(whole, part, rate_e8):
    """Exact amount * rate for both >= 0: (whole, part). The amount is that of a size at a price: part is in 1e-8."""
    amount, left = mul_div_rem(whole, rate_e8, E8)
    part = left * E8 + part // E8 * rate_e8
    if part >= PART:
        return amount + 1, part - PART
    return amount, part


@kernel
def rate_of_value(price_e8, lots, lot_value, rate_e8):
    """Exact |value| * rate for rate >= 0: (whole, part). Used by funding."""
    whole, part = signed_value(price_e8, abs(lots), lot_value)
    return rate_of(whole, part, rate_e8)


@kernel
def price_to_ticks(price_e8, tick_e8, step, side):
    """A market price on the grid of `step` ticks, moved against the taker: up for a buy, down for a sell."""
    grid = tick_e8 * step
    ticks = price_e8 // grid
    if side > 0 and ticks * grid < price_e8:
        ticks += 1
    return ticks * step
