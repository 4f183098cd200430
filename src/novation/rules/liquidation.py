"""Which positions of a cross account are reduced, and by how much: pure choices, no orders and no money moved.

Binance documents that a liquidation reduces with one order sized to bring the account back to compliance (facts/
binance.md §5), neither the size nor the order of positions: both are ours here, and HIGHEST_LOSS_FIRST is the plan's
choice for it, not a fact. The size is the smallest number of lots after whose closing

    maintenance <= target * equity        (target a rate in 1e-8, 0 < target <= 1; at 1 the account just complies)

with everything exact: the rest of the position valued at the mark, the closed lots at the price of their fill, the
taker's fee and the clearance fee charged on the closed value (each cut down to minor units, as charged).
Equity less its share needed is concave in the lots closed, as brackets only rise, so each bracket is crossed at most
once on the way up: per bracket two exact tests and a bisection. Cutting the fees moves the sum by less than two minor
units; the answer is the smallest wherever a lot frees at least that much margin, which any lot of a real symbol does.
"""

from __future__ import annotations

from enum import IntEnum

from novation._jit import kernel
from novation.rules.fees import trade_fee
from novation.rules.integers import E8, exact_add, exact_negate, mul_div
from novation.rules.margin import reached, tiered_maintenance
from novation.rules.value import rate_of, signed_value, value_rem
from novation.rules.wide import MOST_RATIO_E8, ratio_e8


class LiquidationPriority(IntEnum):
    """In which order the positions of a cross account are closed; ties by ascending id."""

    #: The smallest profit first.
    HIGHEST_LOSS_FIRST = 1
    #: The smallest (initial margin + profit) / maintenance first; without maintenance last.
    LOWEST_MARGIN_RATIO = 2
    #: The earliest opened first.
    OLDEST_POSITION = 3
    #: The largest value at the mark first.
    LARGEST_POSITION = 4
    #: The highest leverage setting first.
    HIGHEST_LEVERAGE = 5


_LOWEST_RATIO = int(LiquidationPriority.LOWEST_MARGIN_RATIO)
_OLDEST = int(LiquidationPriority.OLDEST_POSITION)
_LARGEST = int(LiquidationPriority.LARGEST_POSITION)
_LEVERAGE = int(LiquidationPriority.HIGHEST_LEVERAGE)


@kernel
def priority_key(priority, profit, initial, maintenance, value, leverage, opened_ns):
    """What a position is ordered by, the smallest key first; `ordering.sort_rows` orders a table by (key, id).

    Money in whole minor units, so profits that differ by less are a tie.
    """
    if priority == _LOWEST_RATIO:
        if maintenance <= 0:
            return MOST_RATIO_E8 + 1
        return ratio_e8(initial + profit, maintenance)
    if priority == _OLDEST:
        return opened_ns
    if priority == _LARGEST:
        return -abs(value)
    if priority == _LEVERAGE:
        return -leverage
    return profit


@kernel
def complies(equity, equity_part, maintenance, maintenance_part, target_e8):
    """Whether exact maintenance is at most target * equity; the equity's part is a whole number of 1e-8."""
    if equity < 0:
        return False
    allowed, allowed_part = rate_of(equity, equity_part, target_e8)
    return reached(maintenance, maintenance_part, allowed, allowed_part)


@kernel
def equity_after(closed, lots, lot_value, equity, equity_part, mark_e8, price_e8, fee_e8, clearance_e8):
    """Exact equity once `closed` of the signed lots, marked until then, are filled at a price and charged."""
    slip, slip_part = signed_value(abs(mark_e8 - price_e8), closed, lot_value)
    if (lots > 0) == (mark_e8 > price_e8):
        slip, slip_part = exact_negate(slip, slip_part)
    traded, _ = value_rem(price_e8, closed, lot_value)
    whole, part = exact_add(equity, equity_part, slip, slip_part)
    return whole - trade_fee(traded, fee_e8, 0, 0) - trade_fee(traded, clearance_e8, 0, 0), part


@kernel
def complies_after(
    closed,
    lots,
    lot_value,
    equity,
    equity_part,
    others,
    others_part,
    mark_e8,
    price_e8,
    fee_e8,
    clearance_e8,
    rate_e8,
    cum,
    target_e8,
):
    """Whether the account complies after closing lots; `rate_e8` and `cum` are the bracket's of what is left.

    equity: of the account (isolated: of the position) at the mark, before; others: maintenance of its other positions.
    """
    whole, part = equity_after(closed, lots, lot_value, equity, equity_part, mark_e8, price_e8, fee_e8, clearance_e8)
    needed, needed_part = others, others_part
    left = abs(lots) - closed
    if left > 0:
        value, value_part = signed_value(mark_e8, left, lot_value)
        own, own_part = tiered_maintenance(value, value_part, rate_e8, cum)
        needed, needed_part = exact_add(needed, needed_part, own, own_part)
    return complies(whole, part, needed, needed_part, target_e8)


@kernel
def lots_in_bracket(
    low,
    high,
    lots,
    lot_value,
    equity,
    equity_part,
    others,
    others_part,
    mark_e8,
    price_e8,
    fee_e8,
    clearance_e8,
    rate_e8,
    cum,
    target_e8,
):
    """The fewest lots in (low, high] whose closing makes the account comply, all leaving it in one bracket; 0: none.

    For callers that walk brackets of their own; `partial_lots` does it over arrays.
    """
    if high <= low:
        return 0
    rest = (lots, lot_value, equity, equity_part, others, others_part, mark_e8, price_e8, fee_e8, clearance_e8)
    if complies_after(low + 1, *rest, rate_e8, cum, target_e8):
        return low + 1
    if not complies_after(high, *rest, rate_e8, cum, target_e8):
        return 0
    low += 1
    while high - low > 1:
        middle = low + (high - low) // 2
        if complies_after(middle, *rest, rate_e8, cum, target_e8):
            high = middle
        else:
            low = middle
    return high


@kernel
def lots_within(cap, most, lot_value, mark_e8):
    """The most lots, up to `most`, whose value at the mark, cut to minor units, is within a bracket's cap."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = low + (high - low) // 2
        value, _ = value_rem(mark_e8, middle, lot_value)
        if value <= cap:
            low = middle
        else:
            high = middle
    return low


@kernel
def partial_lots(
    lots,
    lot_value,
    equity,
    equity_part,
    others,
    others_part,
    mark_e8,
    price_e8,
    fee_e8,
    clearance_e8,
    target_e8,
    caps,
    rates_e8,
    cums,
    count,
):
    """The fewest lots to close, through the brackets, for the account to comply; all of them if no number does.

    0 when it complies already. caps, rates_e8, cums: arrays of `count` brackets, ascending.
    """
    size = abs(lots)
    tier = 0
    value, _ = value_rem(mark_e8, size, lot_value)
    while tier < count - 1 and value > caps[tier]:
        tier += 1
    rest = (lots, lot_value, equity, equity_part, others, others_part, mark_e8, price_e8, fee_e8, clearance_e8)
    if complies_after(0, *rest, rates_e8[tier], cums[tier], target_e8):
        return 0
    low = 0
    while tier >= 0:
        high = size
        if tier > 0:
            high = size - lots_within(caps[tier - 1], size, lot_value, mark_e8) - 1
        found = lots_in_bracket(low, high, *rest, rates_e8[tier], cums[tier], target_e8)
        if found > 0:
            return found
        low = max(low, high)
        tier -= 1
    return size


@kernel
def positions_to_close(order, count, maintenances, costs, equity, target_e8):
    """How many positions to close whole, from the front of `order`, for the account to comply; `count` if none does.

    maintenances: what each position requires; costs: what closing it takes out of the equity (fees, and the distance
    of its fill from the mark); whole minor units. Closing at the mark realises a profit and leaves equity as it was.
    """
    needed = 0
    for row in range(count):
        needed += maintenances[row]
    for closed in range(count):
        if equity >= 0 and needed <= mul_div(equity, target_e8, E8):
            return closed
        needed -= maintenances[order[closed]]
        equity -= costs[order[closed]]
    return count
