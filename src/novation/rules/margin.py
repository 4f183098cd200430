"""Margin requirements and the exact condition of liquidation.

Tiered (Binance USDT-M): maintenance = value(mark) * rate_n - cum_n with the bracket n of the value; initial =
value / leverage (facts/binance.md §3). Per contract (CME outright margins): an amount of money per lot.
Liquidated when equity <= maintenance, both exact, neither cut.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import exact_add, exact_negate
from novation.rules.value import rate_of_value, unrealised


@kernel
def tiered_maintenance(price_e8, lots, lot_value, rate_e8, cum):
    """Exact maintenance margin in a bracket: (whole, part)."""
    whole, part = rate_of_value(price_e8, lots, lot_value, rate_e8)
    return whole - cum, part


@kernel
def surplus(price_e8, lots, lot_value, cost, maintenance_whole, maintenance_part):
    """Exact profit less maintenance of one position: what it adds to (or takes from) the margin behind it."""
    profit_whole, profit_part = unrealised(price_e8, lots, lot_value, cost)
    negative_whole, negative_part = exact_negate(maintenance_whole, maintenance_part)
    return exact_add(profit_whole, profit_part, negative_whole, negative_part)


@kernel
def exhausted(whole, part):
    """Whether margin plus surpluses is at or below zero."""
    return whole < 0 or (whole == 0 and part == 0)
