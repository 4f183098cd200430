"""How much of a position a liquidation closes, and which of an account's positions it takes first.

Binance closes no more than brings the account back to compliance (facts/binance.md §5, step 2); its sizing formula and
its order of positions are not published. Here: the fewest lots after which maintenance is at most the venue's target
share of equity, found through the brackets; the position with the largest loss first (docs/rules/liquidation.md).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginCallPolicy, MarginMethod, MarginScope
from novation.engine.clearing import fee_of
from novation.engine.margining import TRIGGER, cross_balance, cross_equity, maintenance_at, tier_of, worth
from novation.engine.state import account_, contract_, position_row_, terms_of, tier_
from novation.rules.integers import E8, exact_towards_zero, mul_div
from novation.rules.margin import reached
from novation.rules.value import signed_value

_AT_ONCE = int(MarginCallPolicy.AT_ONCE)
_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def backing(venue, row):
    """What stands behind a position beside its own profit, cut down to minor units."""
    p = position_row_(venue, row)
    if p.scope == _ISOLATED:
        return p.margin
    return cross_equity(venue, p.account, TRIGGER, row)


@kernel
def other_maintenance(venue, row):
    """Maintenance, as shown, of the positions that share what stands behind this one."""
    p = position_row_(venue, row)
    if p.scope == _ISOLATED:
        return 0
    _, _, _, _, shown = cross_balance(venue, p.account, TRIGGER, row)
    return shown


@kernel
def remaining_equity(venue, row):
    """What stands behind a position at the trigger marks before it is closed, cut down to minor units."""
    p = position_row_(venue, row)
    if p.scope == _ISOLATED:
        whole, _, _, _ = worth(venue, p, p.trigger_e8)
        return p.margin + whole
    return cross_equity(venue, p.account, TRIGGER, -1)


@kernel
def remaining_maintenance(venue, row):
    """The maintenance margin that was not met, at the trigger marks."""
    p = position_row_(venue, row)
    if p.scope == _ISOLATED:
        _, _, whole, part = worth(venue, p, p.trigger_e8)
        return exact_towards_zero(whole, part)
    _, _, _, _, maintenance = cross_balance(venue, p.account, TRIGGER, -1)
    return maintenance


@kernel
def clearance_fee(venue, p, closed, ticks):
    """The insurance fund's fee on lots closed in a liquidation."""
    value = closed * ticks * contract_(venue, p.instrument).tick_value
    return mul_div(abs(value), terms_of(venue, p.instrument).liquidation_fee_e8, E8)


@kernel
def left_after(venue, p, closed, ticks, behind):
    """Equity before fees when lots have been closed at a price and the rest stands at the trigger, cut down."""
    c = contract_(venue, p.instrument)
    side = 1 if p.lots > 0 else -1
    rest, _ = signed_value(p.trigger_e8, p.lots - side * closed, c.lot_value)
    return behind + side * closed * ticks * c.tick_value + rest - p.cost


@kernel
def complies(venue, p, closed, ticks, behind, others):
    """Whether maintenance is at most the target share of equity when lots have been closed at a price."""
    equity = left_after(venue, p, closed, ticks, behind)
    equity -= fee_of(venue, p.instrument, closed, ticks, 0) + clearance_fee(venue, p, closed, ticks)
    whole, part = maintenance_at(venue, p.instrument, abs(p.lots) - closed, p.trigger_e8)
    return others + exact_towards_zero(whole, part) <= mul_div(equity, venue.liquidation_target_e8, E8)


@kernel
def lots_within(venue, p, cap):
    """The most lots, none to all, whose value at the trigger, cut down, is at most `cap`."""
    lot_value = contract_(venue, p.instrument).lot_value
    low, high = 0, abs(p.lots) + 1
    while high - low > 1:
        middle = (low + high) // 2
        value, _ = signed_value(p.trigger_e8, middle, lot_value)
        if value <= cap:
            low = middle
        else:
            high = middle
    return low


@kernel
def reduced_lots(venue, row, ticks):
    """Lots to close at a price: the fewest that comply, all of them when none does.

    Equity and maintenance are linear in the lots closed between the points where a bracket is left, and the surplus
    over the target is concave over them all; so the first of these points that complies bounds the answer.
    """
    p = position_row_(venue, row)
    everything = abs(p.lots)
    if venue.call_policy != _AT_ONCE:
        return everything
    behind, others = backing(venue, row), other_maintenance(venue, row)
    low, high = 0, 0
    if contract_(venue, p.instrument).method == _TIERED:
        value, _ = signed_value(p.trigger_e8, everything, contract_(venue, p.instrument).lot_value)
        tier = tier_of(venue, p.instrument, value) - 1
        while tier >= terms_of(venue, p.instrument).tier_first and high == 0:
            point = everything - lots_within(venue, p, tier_(venue, tier).cap)
            if complies(venue, p, point, ticks, behind, others):
                high = point
            else:
                low = point
            tier -= 1
    if high == 0:
        if not complies(venue, p, everything, ticks, behind, others):
            return everything
        high = everything
    while high - low > 1:
        middle = (low + high) // 2
        if complies(venue, p, middle, ticks, behind, others):
            high = middle
        else:
            low = middle
    return high


@kernel
def largest_loss(venue, account):
    """Row of the cross position with the largest loss at the trigger marks, the first of equals; -1 without one."""
    worst, worst_whole, worst_part = -1, 0, 0
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS and p.lots != 0:
            whole, part, _, _ = worth(venue, p, p.trigger_e8)
            if worst < 0 or not reached(worst_whole, worst_part, whole, part):
                worst, worst_whole, worst_part = row, whole, part
        row = p.next
    return worst
