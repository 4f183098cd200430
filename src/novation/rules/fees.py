"""Trading fees: a fraction of the traded value (Binance) or money per lot (CME). Rounded down."""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, mul_div


@kernel
def trade_fee(value, rate_e8, lots, fee_per_lot):
    """Fee of a fill in minor units; `value` is its exact |value|."""
    return mul_div(abs(value), rate_e8, E8) + abs(lots) * fee_per_lot
