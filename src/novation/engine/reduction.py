"""How much of a position a liquidation closes, and which of an account's positions it takes first.

Binance closes no more than brings the account back to compliance (facts/binance.md §5, step 2); its sizing formula and
its order of positions are not published. Both are `rules.liquidation`'s, which this reads the tables for: the fewest
lots after which maintenance is at most the venue's target share of equity, found through the brackets; the position
that the venue's priority names first (docs/rules/liquidation.md).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginCallPolicy, MarginMethod, MarginScope
from novation.engine.collateral import pooled_equity
from novation.engine.margining import TRIGGER, cross_balance, initial_for, notional, tier_of, worth
from novation.engine.state import account_, contract_, position_row_, terms_of, tier_
from novation.rules.integers import exact_add, exact_towards_zero
from novation.rules.liquidation import closing_fees, equity_after, last_above, lots_in_bracket, priority_key

_AT_ONCE = int(MarginCallPolicy.AT_ONCE)
_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def backing(venue, row):
    """What stands behind a position beside its own profit, at the trigger marks, and the maintenance of the positions
    that share it: two exact amounts."""
    p = position_row_(venue, row)
    if p.scope == _ISOLATED:
        return p.margin, 0, 0, 0
    behind, behind_part, others, others_part, _ = cross_balance(venue, p.account, TRIGGER, row)
    return behind, behind_part, others, others_part


@kernel
def standing(venue, row):
    """The account as `rules.liquidation` asks for it: exact equity at the trigger marks before a position is closed,
    and exact maintenance of the positions that share it."""
    p = position_row_(venue, row)
    behind, behind_part, others, others_part = backing(venue, row)
    profit, profit_part, _, _ = worth(venue, p, p.trigger_e8)
    equity, equity_part = exact_add(behind, behind_part, profit, profit_part)
    if account_(venue, p.account).multi:
        equity, equity_part = pooled_equity(venue, p.account, equity, equity_part)
    return equity, equity_part, others, others_part


@kernel
def remaining_equity(venue, row):
    """What stands behind a position at the trigger marks before it is closed, cut down to minor units."""
    equity, _, _, _ = standing(venue, row)
    return equity


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
def closing(venue, p, ticks):
    """A position as `rules.liquidation` asks for it: its lots, marked at the trigger, filled at a price."""
    c = contract_(venue, p.instrument)
    return p.lots, c.lot_value, p.trigger_e8, ticks * c.tick_e8


@kernel
def rates(venue, p):
    """The fees of a forced fill as `rules.liquidation` asks for them."""
    t = terms_of(venue, p.instrument)
    return t.taker_fee_e8, t.fee_per_lot, t.liquidation_fee_e8


@kernel
def forced_fees(venue, row, closed, ticks):
    """The taker's fee and the insurance fund's of lots closed in a liquidation."""
    p = position_row_(venue, row)
    return closing_fees(closed, closing(venue, p, ticks), rates(venue, p))


@kernel
def left_after(venue, row, closed, ticks):
    """Equity before fees when lots have been closed at a price and the rest stands at the trigger, cut down."""
    left, _ = equity_after(closed, closing(venue, position_row_(venue, row), ticks), standing(venue, row))
    return left


@kernel
def reduced_lots(venue, row, ticks):
    """Lots to close at a price: the fewest that comply, through the brackets; all of them when none does."""
    p = position_row_(venue, row)
    everything = abs(p.lots)
    if venue.call_policy != _AT_ONCE:
        return everything
    t = terms_of(venue, p.instrument)
    tiered = contract_(venue, p.instrument).method == _TIERED
    position, account, fees = closing(venue, p, ticks), standing(venue, row), rates(venue, p)
    tier = tier_of(venue, p.instrument, notional(venue, p, p.trigger_e8)) if tiered else t.tier_first
    low, found = 0, 0
    while tier >= t.tier_first and found == 0:
        high = last_above(tier_(venue, tier - 1).cap, position) if tier > t.tier_first else everything
        bracket = (0, 0, t.maintenance_per_lot)
        if tiered:
            bracket = (tier_(venue, tier).rate_e8, tier_(venue, tier).cum, 0)
        found = lots_in_bracket(low, high, position, account, fees, bracket, venue.liquidation_target_e8)
        low = max(low, high)
        tier -= 1
    return found if found > 0 else everything


@kernel
def urgency(venue, row):
    """What a position is ordered by at the trigger marks, the smallest first."""
    p = position_row_(venue, row)
    profit, profit_part, needed, needed_part = worth(venue, p, p.trigger_e8)
    position = (
        exact_towards_zero(profit, profit_part),
        initial_for(venue, p, p.lots, 0, 0, 0, 0, p.trigger_e8),
        exact_towards_zero(needed, needed_part),
        notional(venue, p, p.trigger_e8),
        p.leverage,
        p.opened_ns,
    )
    return priority_key(venue.liquidation_priority, position)


@kernel
def next_to_close(venue, account):
    """Row of the cross position that the venue's priority takes first, the first of equals; -1 without one."""
    first, least = -1, 0
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS and p.lots != 0:
            key = urgency(venue, row)
            if first < 0 or key < least:
                first, least = row, key
        row = p.next
    return first
