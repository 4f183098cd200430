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

What is asked is told in groups, each a tuple of integers:

    position  (lots, lot_value, mark_e8, price_e8): signed lots, marked until now, filled at a price
    account   (equity, equity_part, others, others_part): exact equity of the account (isolated: of the position) at
              the marks before, and exact maintenance of its other positions
    fees      (taker_e8, per_lot, clearance_e8): of the closed value, minor units a lot, of the closed value
    bracket   (rate_e8, cum, per_lot): maintenance of what is left = value * rate - cum + lots * per_lot; a tiered
              instrument has no amount per lot, one margined per contract nothing else
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import LiquidationPriority
from novation.rules.fees import trade_fee
from novation.rules.integers import E8, exact_add, exact_negate, mul_div
from novation.rules.margin import reached, tiered_maintenance
from novation.rules.value import rate_of, signed_value, value_rem
from novation.rules.wide import MOST_RATIO_E8, ratio_e8

_LOWEST_RATIO = int(LiquidationPriority.LOWEST_MARGIN_RATIO)
_OLDEST = int(LiquidationPriority.OLDEST_POSITION)
_LARGEST = int(LiquidationPriority.LARGEST_POSITION)
_LEVERAGE = int(LiquidationPriority.HIGHEST_LEVERAGE)


@kernel
def priority_key(priority, position):
    """What a position is ordered by, the smallest key first; `ordering.sort_rows` orders a table by (key, id).

    position: (profit, initial, maintenance, |value|, leverage, opened_ns), money in whole minor units, so profits that
    differ by less are a tie.
    """
    profit, initial, maintenance, value, leverage, opened_ns = position
    if priority == _LOWEST_RATIO:
        if maintenance <= 0:
            return MOST_RATIO_E8 + 1
        return ratio_e8(initial + profit, maintenance)
    if priority == _OLDEST:
        return opened_ns
    if priority == _LARGEST:
        return -value
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
def equity_after(closed, position, account):
    """Exact equity once `closed` lots are filled at the price, before any fee."""
    lots, lot_value, mark_e8, price_e8 = position
    equity, equity_part, _, _ = account
    slip, slip_part = signed_value(abs(mark_e8 - price_e8), closed, lot_value)
    if (lots > 0) == (mark_e8 > price_e8):
        slip, slip_part = exact_negate(slip, slip_part)
    return exact_add(equity, equity_part, slip, slip_part)


@kernel
def closing_fees(closed, position, fees):
    """The taker's fee and the clearance fee of closing lots at the price, in minor units."""
    _, lot_value, _, price_e8 = position
    taker_e8, per_lot, clearance_e8 = fees
    traded, _ = value_rem(price_e8, closed, lot_value)
    return trade_fee(traded, taker_e8, closed, per_lot), trade_fee(traded, clearance_e8, 0, 0)


@kernel
def complies_after(closed, position, account, fees, bracket, target_e8):
    """Whether the account complies after closing lots; `bracket` is that of what is left."""
    lots, lot_value, mark_e8, _ = position
    rate_e8, cum, per_lot = bracket
    _, _, needed, needed_part = account
    equity, equity_part = equity_after(closed, position, account)
    fee, clearance = closing_fees(closed, position, fees)
    left = abs(lots) - closed
    if left > 0:
        value, value_part = signed_value(mark_e8, left, lot_value)
        own, own_part = tiered_maintenance(value, value_part, rate_e8, cum)
        needed, needed_part = exact_add(needed, needed_part, own + left * per_lot, own_part)
    return complies(equity - fee - clearance, equity_part, needed, needed_part, target_e8)


@kernel
def lots_in_bracket(low, high, position, account, fees, bracket, target_e8):
    """The fewest lots in (low, high] whose closing makes the account comply, all leaving it in one bracket; 0: none.

    For callers that walk brackets of their own; `partial_lots` does it over arrays.
    """
    if high <= low:
        return 0
    if complies_after(low + 1, position, account, fees, bracket, target_e8):
        return low + 1
    if not complies_after(high, position, account, fees, bracket, target_e8):
        return 0
    low += 1
    while high - low > 1:
        middle = low + (high - low) // 2
        if complies_after(middle, position, account, fees, bracket, target_e8):
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
def last_above(cap, position):
    """The most lots that can be closed while what is left stays above the cap of the bracket below."""
    lots, lot_value, mark_e8, _ = position
    return abs(lots) - lots_within(cap, abs(lots), lot_value, mark_e8) - 1


@kernel
def partial_lots(position, account, fees, brackets, target_e8):
    """The fewest lots to close, through the brackets, for the account to comply; all of them if no number does.

    0 when it complies already. brackets: (caps, rates_e8, cums), arrays of the same length, ascending.
    """
    caps, rates_e8, cums = brackets
    lots, lot_value, mark_e8, _ = position
    tier, low = 0, 0
    value, _ = value_rem(mark_e8, abs(lots), lot_value)
    while tier < len(caps) - 1 and value > caps[tier]:
        tier += 1
    if complies_after(0, position, account, fees, (rates_e8[tier], cums[tier], 0), target_e8):
        return 0
    while tier >= 0:
        high = last_above(caps[tier - 1], position) if tier > 0 else abs(lots)
        found = lots_in_bracket(low, high, position, account, fees, (rates_e8[tier], cums[tier], 0), target_e8)
        if found > 0:
            return found
        low = max(low, high)
        tier -= 1
    return abs(lots)


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
