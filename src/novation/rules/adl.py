"""Auto-deleveraging: who is closed against a bankrupt position that the insurance fund cannot take, and how much.

Source: facts/binance.md §6. PnL % = max(0, profit) / max(1, wallet); margin ratio = maintenance / (wallet + profit), 0
if that sum is <= 0; leverage PnL = their product; the quantile shown is the rank among the users of that side. That
quintiles of the rank make the 0-4 of the wire is our reading (unverified); the plan's rank is that plus one.

Two ways to allocate: the queue (highest leverage PnL first, Binance) and pro rata (facts/validation_tables.md V10).
Both give sum taken = min(asked, what there is), take nothing from losers, nobody below zero, and do not depend on the
order of the table: ties go to the lower account id. A winner at the mark can be a loser at the bankruptcy price, which
lies beyond it; so let `profits` be those at the price of execution.

Both ratios are cut down at 1e-8 and their product kept whole in 1e-16, so ranks are exact to that. Arrays are int64.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import DeleveragingRisk
from novation.rules.ordering import sort_rows
from novation.rules.wide import ratio_e8, wide_mul_div_rem

#: A leverage PnL above 400 is ranked as 400, in 1e-16: below 2**62.
MOST_LEVERAGE_PNL = 4_000_000_000_000_000_000
#: Profits that add up to more are weighed in halves, quarters, ... of a minor unit.
MOST_TOTAL = 1 << 60


@kernel
def pnl_ratio(profit, wallet, unit):
    """PnL % in 1e-8: max(0, profit) / max(1, wallet), `unit` being the minor units of 1 of the asset."""
    return ratio_e8(max(0, profit), max(unit, wallet))


@kernel
def margin_ratio(maintenance, wallet, profit):
    """Maintenance over (wallet + profit), in 1e-8; 0 if that sum is not positive."""
    if wallet + profit <= 0:
        return 0
    return ratio_e8(maintenance, wallet + profit)


@kernel
def leverage_pnl(profit, wallet, maintenance, unit):
    """What the queue is ranked by, PnL % times margin ratio, in 1e-16."""
    return pnl_times_margin(pnl_ratio(profit, wallet, unit), margin_ratio(maintenance, wallet, profit))


@kernel
def pnl_times_margin(pnl, margin):
    """The product of the two ratios, in 1e-16, up to MOST_LEVERAGE_PNL."""
    if margin > 0 and pnl >= MOST_LEVERAGE_PNL // margin:
        return MOST_LEVERAGE_PNL
    return pnl * margin


@kernel
def deleveraging_queue(scores, accounts, order, count, keys):
    """Write into `order` the rows 0..count-1 of one side by descending leverage PnL, a tie by ascending account.

    keys: scratch of `count`, overwritten.
    """
    for row in range(count):
        keys[row] = -scores[row]
    sort_rows(keys, accounts, order, count)


@kernel
def adl_quantile(place, count, score):
    """0 (last) to 4 (first) from the place in the queue, 0 being its head; 0 for a position without a leverage PnL."""
    if score <= 0:
        return 0
    return 4 - 5 * place // count


def adl_rank(quantile: int) -> int:
    """The plan's rank: 1 (last) to 5 (first)."""
    return quantile + 1


def risk_of(rank: int) -> DeleveragingRisk:
    """Risk level of a rank: 5 critical, 4 high, 3 medium, else low."""
    return DeleveragingRisk(max(1, rank - 1))


@kernel
def allocate_by_queue(order, lots, profits, count, deficit, taken):
    """Close whole positions from the head of the queue until `deficit` lots are covered; the last one in part.

    lots: sizes >= 0. Rows with profits <= 0 are passed over. Writes `taken`, returns its sum: min(deficit, there is).
    """
    left = max(0, deficit)
    for place in range(count):
        row = order[place]
        taken[row] = min(left, lots[row]) if profits[row] > 0 else 0
        left -= taken[row]
    return max(0, deficit) - left


@kernel
def add_shares(weights, accounts, count, asked, total, taken, keys, order):
    """Add to `taken` what each row gives of `asked` in proportion to its weight; total: the sum of those above zero.

    Each share is floor(asked * weight / total); what the floors leave goes one unit each to the largest remainders, a
    tie to the lower account id. keys, order: scratch of `count`, overwritten.
    """
    left = asked
    for row in range(count):
        keys[row] = 0
        if weights[row] > 0:
            share, rest = wide_mul_div_rem(asked, weights[row], total)
            taken[row] += share
            keys[row] = -rest
            left -= share
    if left > 0:
        sort_rows(keys, accounts, order, count)
        for place in range(left):
            taken[order[place]] += 1


@kernel
def allocate_pro_rata(weights, accounts, count, deficit, taken, keys, order):
    """Share `deficit` in proportion to the weights: what is shared is what the weights count (a loss over profits).

    Weights <= 0 give nothing, nobody gives more than its weight; the rest as `add_shares`. Bound: total < 2**60.
    Writes `taken`, returns its sum: min(deficit, total). keys, order: scratch of `count`, overwritten.
    """
    total = 0
    for row in range(count):
        total += max(0, weights[row])
        taken[row] = 0
    asked = min(max(0, deficit), total)
    if asked > 0:
        add_shares(weights, accounts, count, asked, total, taken, keys, order)
    return asked


@kernel
def scaled_total(weights, count):
    """The sum of the weights above zero, all of them halved, cut down, until it is at most 2**60."""
    row, total = 0, 0
    while row < count:
        total += max(0, weights[row])
        row += 1
        if total > MOST_TOTAL:
            for each in range(count):
                weights[each] = max(0, weights[each]) // 2
            row, total = 0, 0
    return total


@kernel
def allocate_lots_pro_rata(profits, sizes, accounts, count, lots, taken, keys, order):
    """Close `lots` over positions in proportion to their profits, none beyond its size.

    At one price every lot of an instrument gives up the same, so lots in proportion to profits take the same fraction
    of every profit (facts/validation_tables.md V10). Whoever would give more than there is gives all, and the others
    share what is left; the rest as `add_shares`. Rows with profits <= 0 give nothing.
    Writes `taken`, returns its sum: min(lots, the sizes of all who have a profit). profits: overwritten.
    """
    left, there = max(0, lots), 0
    for row in range(count):
        taken[row] = 0
        if profits[row] > 0:
            there += sizes[row]
    left = min(left, there)
    given = left
    total = scaled_total(profits, count)
    while left > 0 and total > 0:
        full, weight = 0, 0
        for row in range(count):
            if profits[row] > 0:
                share, _ = wide_mul_div_rem(left, profits[row], total)
                if share >= sizes[row]:
                    taken[row] = sizes[row]
                    full += sizes[row]
                    weight += profits[row]
                    profits[row] = 0
        if full == 0:
            add_shares(profits, accounts, count, left, total, taken, keys, order)
            return given
        left -= full
        total -= weight
    return given - left
