"""Bankruptcy price: where nothing is left behind a position.

Convention: of the 1e-8 prices that leave equity >= 0, for a long the lowest, for a short the highest. Exact, no fee
in it (facts/binance.md §4: the liquidation formula with every maintenance term zero; Binance publishes the definition
only). Equity at a price p is `behind + value(p, lots) - cost`; behind an isolated position stands its margin, behind
a cross position the wallet plus the profits of all other cross positions at their marks (`value.unrealised`, added with
`integers.exact_add`), without their maintenance.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, exact_negate
from novation.rules.price_of_value import highest_price_worth, lowest_price_worth

#: Above eleven billion a coin a price is this one: no trade was ever near it, and the next cannot be held.
MOST_PRICE_E8 = 1 << 60


@kernel
def bankruptcy_price(lots, lot_value, cost, behind, behind_part):
    """Bankruptcy price of signed lots with their exact entry cost, (behind, behind_part) standing behind them.

    0 for a long that no price can bankrupt, and for a short that every price has bankrupted; MOST_PRICE_E8 for prices
    from there on.
    """
    if lots == 0:
        return 0
    whole, part = behind - cost, behind_part
    if lots > 0:
        whole, part = exact_negate(whole, part)
    if whole // (abs(lots) * lot_value) >= MOST_PRICE_E8 // E8:
        return MOST_PRICE_E8
    if lots > 0:
        return lowest_price_worth(whole, part, lots, lot_value)
    return highest_price_worth(whole, part, -lots, lot_value)


@kernel
def worst_ticks(bankruptcy_e8, lots, tick_e8, step):
    """Limit, in ticks, of the order that reduces signed lots at no worse than a bankruptcy price.

    On the grid of `step` ticks: up for a long's sell (at least one step, the least an order can name), down for a
    short's buy (0 when there is no such price).
    """
    grid = tick_e8 * step
    ticks = bankruptcy_e8 // grid * step
    if lots > 0:
        if ticks * tick_e8 < bankruptcy_e8:
            ticks += step
        return max(step, ticks)
    return ticks
