"""What an account looked like when bars closed: the rows behind the equity curve and the pictures."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginScope
from novation.engine.margining import (
    NOW,
    cross_equity,
    cross_maintenance,
    initial_total,
    liquidation_price,
    maintenance_at,
    unrealised_at,
)
from novation.engine.state import account_, holding_, market_, position_row_, sample_
from novation.rules.integers import exact_towards_zero

_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def sample_account(venue, account):
    """One SAMPLE row, and one HOLDING row per open position."""
    a = account_(venue, account)
    isolated, profit_isolated, maintenance = 0, 0, 0
    row = a.first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots != 0:
            m = market_(venue, p.instrument)
            profit_whole, profit_part = unrealised_at(venue, p, m.mark_e8)
            profit = exact_towards_zero(profit_whole, profit_part)
            whole, part = maintenance_at(venue, p.instrument, p.lots, m.mark_e8)
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
            # a contract rolled into has no closed bar yet
            h.mark_low_e8 = m.bar_low_e8 if m.bar_low_e8 != 0 else m.mark_e8
            h.mark_high_e8 = m.bar_high_e8 if m.bar_high_e8 != 0 else m.mark_e8
            h.liquidation_e8 = liquidation_price(venue, row)
            h.unrealised = profit
            h.maintenance = exact_towards_zero(whole, part)
            if p.scope == _ISOLATED:
                isolated += p.margin
                profit_isolated += profit
                maintenance += h.maintenance
        row = p.next
    s = sample_(venue, venue.sample_count)
    venue.sample_count += 1
    s.ts_ns = venue.clock_ns
    s.account = account
    s.wallet = a.wallet
    s.isolated = isolated
    whole, part = cross_equity(venue, account, NOW, -1)
    s.unrealised = exact_towards_zero(whole - a.wallet, part) + profit_isolated
    s.initial = initial_total(venue, account) + isolated
    s.maintenance = cross_maintenance(venue, account, NOW) + maintenance
