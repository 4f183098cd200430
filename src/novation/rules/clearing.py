"""What a fill does to a position: entry cost, realised profit, margin released.

A position holds signed lots and the exact entry cost they carry (signed like the lots). Closing takes out
floor(cost * closed / lots), so the remainder of a division stays with the position, to its disfavour.
A daily-settled future realises nothing at a fill: the cost runs until the settlement pays value - cost, which is
VM = multiplier * [Q * (S_t - S_t-1) + sum(q * (S_t - p))] in one pass (facts/cme.md §4).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import mul_div, sign


@kernel
def closed_lots(position_lots, fill_lots):
    """How many lots of a position a fill closes, unsigned."""
    if position_lots == 0 or sign(position_lots) == sign(fill_lots):
        return 0
    return min(abs(position_lots), abs(fill_lots))


@kernel
def cost_share(cost, closed, position_lots):
    """Entry cost that leaves with `closed` of the lots."""
    return mul_div(cost, closed, abs(position_lots))


@kernel
def realised(position_lots, closed, price_ticks, tick_value, share):
    """Profit of closing `closed` lots at a price, given the entry cost they carried."""
    return sign(position_lots) * closed * price_ticks * tick_value - share


@kernel
def margin_share(margin, closed, position_lots):
    """Isolated margin released by a close; the remainder of a division stays with the position."""
    return mul_div(margin, closed, abs(position_lots))
