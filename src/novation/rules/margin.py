"""Margin requirements and the exact condition of liquidation.

Tiered (Binance USDT-M): maintenance = value(mark) * rate_n - cum_n with the bracket n of the value; initial =
value / leverage (facts/binance.md §3). Per contract (CME outright margins): an amount of money per lot.
Liquidated when equity <= maintenance, both exact, neither cut.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.value import rate_of


@kernel
def tiered_maintenance(value, value_part, rate_e8, cum):
    """Exact maintenance margin of an exact absolute value in its bracket: (whole, part)."""
    whole, part = rate_of(value, value_part, rate_e8)
    return whole - cum, part


@kernel
def reached(equity, equity_part, needed, needed_part):
    """Whether exact equity is at or below an exact requirement."""
    return equity < needed or (equity == needed and equity_part <= needed_part)
