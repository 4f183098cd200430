"""Funding of a perpetual.

payment = position value at the mark of the stamp * rate; a long pays when the rate is positive. Whole payment if the
position exists at the stamp, nothing otherwise: no pro-rata (Binance funding FAQ; facts/binance.md §2).
Cut towards zero at the minor unit, on both sides: what truncation leaves is booked to `rounding`.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.value import rate_of_value


@kernel
def funding_payment(mark_e8, lots, lot_value, rate_e8):
    """Minor units received (negative: paid) by signed lots at a stamp."""
    whole, _ = rate_of_value(mark_e8, lots, lot_value, abs(rate_e8))
    if (lots > 0) == (rate_e8 > 0):
        return -whole
    return whole
