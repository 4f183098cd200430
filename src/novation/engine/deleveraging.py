"""Auto-deleveraging: the insurance fund cannot pay, so accounts of the other side give up profit.

The bankrupt position is closed at its bankruptcy price against the opposite positions, the highest leverage P&L first
(facts/binance.md §6), without fees. Nobody is closed at a loss, and the two sides pay each other: outside sees nothing.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, EventKind, MarginScope
from novation.domain.events import DELEVERAGED, ISOLATED, LIQUIDATED
from novation.engine.clearing import fill, side_flag
from novation.engine.ledger import next_event, pool_of
from novation.engine.margining import NOW, cross_balance, worth
from novation.engine.orders import cancel_order
from novation.engine.reduction import backing, remaining_equity, remaining_maintenance
from novation.engine.state import LEGS, account_, contract_, market_, order_, position_row_, row_of, terms_of
from novation.rules.adl import leverage_pnl, margin_ratio, pnl_ratio, pnl_times_margin
from novation.rules.clearing import cost_share
from novation.rules.integers import exact_towards_zero

_ISOLATED = int(MarginScope.ISOLATED)
_LIQUIDATION = int(EventKind.LIQUIDATION)
_DELEVERAGED = int(EventKind.DELEVERAGED)
_CANCEL_DELEVERAGED = int(CancelReason.DELEVERAGED)


@kernel
def bankruptcy_ticks(venue, row):
    """The price, on the tick in force and in favour of the account, at which closing a position leaves nothing; 0 where
    no price above zero does."""
    p = position_row_(venue, row)
    grid = contract_(venue, p.instrument).tick_value * terms_of(venue, p.instrument).tick_step
    missing = p.cost - backing(venue, row)
    if p.lots > 0:
        steps = -(-missing // (p.lots * grid))
    else:
        steps = missing // (p.lots * grid)
    return max(0, steps) * terms_of(venue, p.instrument).tick_step


@kernel
def fund_can_pay(venue, instrument, amount):
    """Whether the pool of an instrument is unlimited or holds an amount."""
    pool = pool_of(venue, instrument)
    return pool.unlimited != 0 or pool.high * (1 << 60) + pool.low >= amount


@kernel
def begin_deleveraging(venue, row, ticks):
    """Close a position at its bankruptcy price against the other side, from the next unit of work on."""
    venue.liquidating_instrument = position_row_(venue, row).instrument
    venue.deleveraging = row
    venue.deleveraging_ticks = ticks


@kernel
def liquidated(venue, p, lots, ticks, profit, cost, equity, maintenance, flags):
    """The LIQUIDATION of the trade just booked; cost, equity and maintenance as they stood before it."""
    e = next_event(venue, _LIQUIDATION, p.account, p.instrument)
    e.trade = venue.trade_sequence
    e.lots = lots
    e.price_ticks = ticks
    e.price_e8 = p.trigger_e8
    e.amount = profit
    e.cost = cost
    e.position_lots = p.lots
    e.equity = equity
    e.maintenance = maintenance
    e.flags = flags | (ISOLATED if p.scope == _ISOLATED else 0) | side_flag(venue, p)
    return e


@kernel
def score(venue, row):
    """Leverage P&L of a position at the current marks, in 1e-16 (`rules.adl`).

    Its own profit over the wallet behind it, times the margin ratio of all that stands on that wallet.
    """
    p = position_row_(venue, row)
    profit, profit_part, needed, needed_part = worth(venue, p, market_(venue, p.instrument).mark_e8)
    profit = exact_towards_zero(profit, profit_part)
    if p.scope == _ISOLATED:
        return leverage_pnl(profit, p.margin, exact_towards_zero(needed, needed_part), venue.asset_unit)
    wallet = account_(venue, p.account).wallet
    equity, _, _, _, maintenance = cross_balance(venue, p.account, NOW, -1)
    ratio = margin_ratio(maintenance, wallet, equity - wallet)
    return pnl_times_margin(pnl_ratio(profit, wallet, venue.asset_unit), ratio)


@kernel
def profit_at(venue, p, closed, ticks):
    """Realised profit of closing lots of a position at a price."""
    side = 1 if p.lots > 0 else -1
    value = side * closed * ticks * contract_(venue, p.instrument).tick_value
    return value - cost_share(p.cost, closed, p.lots)


@kernel
def next_counterparty(venue, row, ticks):
    """Row of the opposite position that is closed next, -1 when none would keep a profit.

    Highest leverage P&L first, the lower account on a tie.
    """
    p = position_row_(venue, row)
    best, best_score = -1, 0
    for account in range(venue.accounts):
        for leg in range(LEGS):
            other = row_of(venue, account, p.instrument, leg)
            q = position_row_(venue, other)
            if account != p.account and q.lots * (1 if p.lots > 0 else -1) < 0:
                closed = min(abs(p.lots), abs(q.lots))
                if profit_at(venue, q, closed, ticks) >= 0:
                    points = score(venue, other)
                    if best < 0 or points > best_score:
                        best, best_score = other, points
    return best


@kernel
def working_order_of(venue, p):
    """Row of the first working order of an account in the instrument of a position, -1 if none."""
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        if o.account == p.account and o.instrument == p.instrument:
            return row
        row = o.next
    return -1


@kernel
def deleverage_unit(venue):
    """One step: an order of the next counterparty cancelled, or lots exchanged with it. False when nobody is left.

    Emits two FILLs, LIQUIDATION and DELEVERAGED.
    """
    row, ticks = venue.deleveraging, venue.deleveraging_ticks
    other = next_counterparty(venue, row, ticks)
    if other < 0:
        return False
    p, q = position_row_(venue, row), position_row_(venue, other)
    order = working_order_of(venue, q)
    if order >= 0:
        cancel_order(venue, order, _CANCEL_DELEVERAGED)
        return True
    side = 1 if p.lots > 0 else -1
    closed = min(abs(p.lots), abs(q.lots))
    equity, maintenance = remaining_equity(venue, row), remaining_maintenance(venue, row)
    isolated = ISOLATED if p.scope == _ISOLATED else 0
    cost = p.cost
    profit = fill(venue, row, 0, -side * closed, ticks, p.trigger_e8, 0, LIQUIDATED | DELEVERAGED | isolated)
    liquidated(venue, p, -side * closed, ticks, profit, cost, equity, maintenance, DELEVERAGED)
    mark_e8 = market_(venue, q.instrument).mark_e8
    cost, flags = q.cost, DELEVERAGED | (ISOLATED if q.scope == _ISOLATED else 0)
    profit = fill(venue, other, 0, side * closed, ticks, mark_e8, 0, flags)
    e = next_event(venue, _DELEVERAGED, q.account, q.instrument)
    e.order = p.account
    e.trade = venue.trade_sequence
    e.lots = side * closed
    e.price_ticks = ticks
    e.price_e8 = mark_e8
    e.amount = profit
    e.cost = cost
    e.position_lots = q.lots
    e.flags = flags | side_flag(venue, q)
    return True
