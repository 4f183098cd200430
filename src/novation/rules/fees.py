"""Trading fees: a fraction of the traded value (Binance) or money per lot (CME). Rounded down."""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, mul_div, mul_div_ceil


@kernel
def trade_fee(value, rate_e8, lots, fee_per_lot):
    """Fee of a fill in minor units; `value` is its exact |value|."""
    return mul_div(abs(value), rate_e8, E8) + abs(lots) * fee_per_lot


@kernel
def price_with_fee(price_e8, rate_e8):
    """What a unit bought at a price costs with its fee, rounded up; a rebate makes it no cheaper.

    So lots at this price are worth no less than the lots and their fee: floor(v + v * rate) = v + floor(v * rate).
    """
    return mul_div_ceil(price_e8, E8 + max(0, rate_e8), E8)
