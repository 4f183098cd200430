"""What an account looked like when bars closed: the rows behind the equity curve and the pictures."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginScope
from novation.engine.margining import initial_taken, worth
from novation.engine.state import account_, holding_, market_, position_row_, sample_
from novation.engine.triggers import liquidation_price
from novation.rules.integers import exact_add, exact_towards_zero

_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def sample_account(venue, account):
    """One SAMPLE row, and one HOLDING row per open position."""
    a = account_(venue, account)
    unrealised, part, maintenance, isolated, profit_isolated, initial = 0, 0, 0, 0, 0, 0
    row = a.first_position
    while row >= 0:
        p = position_row_(venue, row)
        m = market_(venue, p.instrument)
        profit, profit_part, needed, needed_part = worth(venue, p, m.mark_e8)
        initial += initial_taken(venue, p, profit + p.cost)
        needed = exact_towards_zero(needed, needed_part)
        if p.scope == _CROSS:
            unrealised, part = exact_add(unrealised, part, profit, profit_part)
        profit = exact_towards_zero(profit, profit_part)
        maintenance += needed
        if p.lots != 0:
            if p.scope == _ISOLATED:
                isolated += p.margin
                profit_isolated += profit
            h = holding_(venue, venue.holding_count)
            venue.holding_count += 1
            h.ts_ns = venue.clock_ns
            h.account = account
            h.instrument = p.instrument
            h.bar = m.bar
            h.lots = p.lots
            h.cost = p.cost
            h.margin = p.margin
            h.mark_e8 = m.mark_e8
            # of a bar that closed now; another instrument's close says nothing about this one's extremes
            closed = m.closed_ns == venue.clock_ns and m.bar_low_e8 != 0
            h.mark_low_e8 = m.bar_low_e8 if closed else m.mark_e8
            h.mark_high_e8 = m.bar_high_e8 if closed else m.mark_e8
            h.liquidation_e8 = liquidation_price(venue, row)
            h.unrealised = profit
            h.maintenance = needed
        row = p.next
    s = sample_(venue, venue.sample_count)
    venue.sample_count += 1
    s.ts_ns = venue.clock_ns
    s.account = account
    s.wallet = a.wallet
    s.isolated = isolated
    s.unrealised = exact_towards_zero(unrealised, part) + profit_isolated
    s.initial = initial + isolated
    s.maintenance = maintenance
