"""Requirements and equity of accounts, from positions and marks.

Marks are chosen by *scene*: NOW is the current mark; LOW and HIGH are the extremes of the bar that just closed, taken
for every instrument at once. With one instrument that is the bar's low and high; with several it says that they moved
together, so a hedged book is not charged for two opposite extremes that cannot have been one moment.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginMethod, MarginScope
from novation.engine.collateral import pooled_equity, withdrawable_asset
from novation.engine.state import (
    account_,
    balance_,
    contract_,
    first_row,
    market_,
    next_row,
    position_row_,
    terms_of,
    tier_,
)
from novation.rules.integers import exact_add, exact_negate, exact_towards_zero
from novation.rules.margin import tiered_maintenance
from novation.rules.value import signed_value

NOW = 0
LOW = 1
HIGH = 2
TRIGGER = 3

_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def scene_mark(venue, p, scene):
    """The mark of a position's instrument in a scene."""
    if scene == TRIGGER:
        return p.trigger_e8
    m = market_(venue, p.instrument)
    if scene == LOW:
        return m.mark_low_e8
    if scene == HIGH:
        return m.mark_high_e8
    return m.mark_e8


@kernel
def notional(venue, p, price_e8):
    """Absolute value of a position, cut to minor units; prices may be below zero."""
    whole, _ = signed_value(abs(price_e8), abs(p.lots), contract_(venue, p.instrument).lot_value)
    return whole


@kernel
def tier_of(venue, instrument, value):
    """Row of the bracket that a value falls in; the last one above its cap."""
    t = terms_of(venue, instrument)
    row = t.tier_first
    last = t.tier_first + t.tier_count - 1
    while row < last and value > tier_(venue, row).cap:
        row += 1
    return row


@kernel
def maintenance_of(venue, instrument, lots, value, value_part):
    """Exact maintenance margin of unsigned lots, their exact value being known."""
    if contract_(venue, instrument).method != _TIERED:
        return lots * terms_of(venue, instrument).maintenance_per_lot, 0
    if lots == 0:
        return 0, 0
    tier = tier_(venue, tier_of(venue, instrument, value))
    return tiered_maintenance(value, value_part, tier.rate_e8, tier.cum)


@kernel
def maintenance_at(venue, instrument, lots, price_e8):
    """Exact maintenance margin of unsigned lots at a price."""
    value, value_part = signed_value(price_e8, lots, contract_(venue, instrument).lot_value)
    return maintenance_of(venue, instrument, lots, value, value_part)


@kernel
def worth(venue, p, price_e8):
    """Exact profit and exact maintenance margin of a position at a price."""
    value, value_part = signed_value(price_e8, abs(p.lots), contract_(venue, p.instrument).lot_value)
    needed, needed_part = maintenance_of(venue, p.instrument, abs(p.lots), value, value_part)
    if p.lots < 0:
        value, value_part = exact_negate(value, value_part)
    return value - p.cost, value_part, needed, needed_part


@kernel
def cross_balance(venue, account, scene, without):
    """As `cross_sums`, with the equity of an account in Multi-Assets mode counted over all assets, unless a row is left
    out: that equity is still without a profit."""
    equity, equity_part, maintenance, maintenance_part, shown = cross_sums(venue, account, scene, without)
    if without < 0 and account_(venue, account).multi:
        equity, equity_part = pooled_equity(venue, account, equity, equity_part)
    return equity, equity_part, maintenance, maintenance_part, shown


@kernel
def cross_sums(venue, account, scene, without):
    """Exact equity, exact maintenance, and maintenance as the exchange shows it (each position's cut) of the cross
    wallet and its positions, but for row `without` (-1: none left out): five numbers."""
    a = account_(venue, account)
    equity, equity_part, maintenance, maintenance_part, shown = a.wallet, 0, 0, 0, 0
    row = first_row(venue, account)
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS and row != without:
            mark = scene_mark(venue, p, scene)
            profit, profit_part, needed, needed_part = worth(venue, p, mark)
            equity, equity_part = exact_add(equity, equity_part, profit, profit_part)
            maintenance, maintenance_part = exact_add(maintenance, maintenance_part, needed, needed_part)
            shown += exact_towards_zero(needed, needed_part)
        row = next_row(venue, account, row)
    return equity, equity_part, maintenance, maintenance_part, shown


@kernel
def cross_equity(venue, account, scene, without):
    """Cross equity cut down to minor units, as `cross_balance`."""
    equity, _, _, _, _ = cross_balance(venue, account, scene, without)
    return equity


@kernel
def account_equity(venue, account):
    """Equity of the whole account, isolated margins and their profits included, cut down to minor units."""
    whole, part, _, _, _ = cross_balance(venue, account, NOW, -1)
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _ISOLATED and p.lots != 0:
            profit, profit_part, _, _ = worth(venue, p, market_(venue, p.instrument).mark_e8)
            whole, part = exact_add(whole, part, profit + p.margin, profit_part)
        row = p.next
    return whole


@kernel
def initial_for(venue, p, lots, bid_lots, bid_value, ask_lots, ask_value, price_e8):
    """Initial margin of a position with its working orders: the larger of the sides they could lead to.

    Tiered: max(|position|, |position + bids|, |position - asks|) in value, over the leverage. Per contract: the
    same in lots, times the initial margin of a lot.
    """
    value, _ = signed_value(price_e8, lots, contract_(venue, p.instrument).lot_value)
    return initial_of(venue, p, lots, bid_lots, bid_value, ask_lots, ask_value, value)


@kernel
def initial_of(venue, p, lots, bid_lots, bid_value, ask_lots, ask_value, value):
    """As `initial_for`, the value of the lots being known, cut down to minor units."""
    if contract_(venue, p.instrument).method != _TIERED:
        most = max(abs(lots), abs(lots + bid_lots), abs(lots - ask_lots))
        return most * terms_of(venue, p.instrument).initial_per_lot
    most = max(abs(value), abs(value + bid_value), abs(value - ask_value))
    return most // p.leverage


@kernel
def initial_now(venue, p):
    """Initial margin a position and its orders take from the cross wallet.

    Of an isolated position only the orders count: its own margin has left the wallet already.
    """
    mark = market_(venue, p.instrument).mark_e8
    value, _ = signed_value(mark, p.lots, contract_(venue, p.instrument).lot_value)
    return initial_taken(venue, p, value)


@kernel
def initial_taken(venue, p, value):
    """As `initial_now`, the value of the position being known, cut down to minor units."""
    total = initial_of(venue, p, p.lots, p.bid_lots, p.bid_value, p.ask_lots, p.ask_value, value)
    if p.scope == _ISOLATED:
        return total - initial_of(venue, p, p.lots, 0, 0, 0, 0, value)
    return total


@kernel
def initial_total(venue, account):
    """Initial margin taken from the cross wallet by all positions and orders."""
    total = 0
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        total += initial_now(venue, p)
        row = p.next
    return total


@kernel
def available(venue, account):
    """Cross equity less initial margins; negative when there is less than nothing."""
    return cross_equity(venue, account, NOW, -1) - initial_total(venue, account)


@kernel
def withdrawable(venue, account, asset):
    """The most of an asset that may be taken out: what is available, without unrealised profit where the venue keeps
    that back."""
    a = account_(venue, account)
    if asset > 0 and not a.multi:
        return balance_(venue, account, asset).amount
    equity, _, _, _, _ = cross_sums(venue, account, NOW, -1)
    if not venue.profit_withdrawable:
        equity = min(equity, a.wallet)
    taken = initial_total(venue, account)
    if a.multi:
        return withdrawable_asset(venue, account, asset, equity, taken)
    return max(0, min(a.wallet, equity - taken))


@kernel
def largest_value(venue, p):
    """The highest notional the brackets allow at a position's leverage; -1 when no bracket allows the leverage."""
    t = terms_of(venue, p.instrument)
    highest = -1
    for row in range(t.tier_first, t.tier_first + t.tier_count):
        tier = tier_(venue, row)
        if tier.max_leverage >= p.leverage:
            highest = tier.cap
    return highest
