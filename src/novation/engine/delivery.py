"""Delivery of a dated contract: every position is closed at one price, off the tick grid, and nothing of it is left.

Nobody trades: a position's profit goes to its wallet, what the exchange charges to the fees, and the unnamed
counterparty pays or gets what all positions together come to (docs/rules/delivery.md).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind, MarginScope
from novation.domain.events import ISOLATED as ISOLATED_FLAG
from novation.engine.clearing import side_flag, unlink_if_flat
from novation.engine.collateral import collateral_usd, counted, exchange, owed_usd
from novation.engine.layout import LEGS
from novation.engine.ledger import next_event, post_fees, post_outside
from novation.engine.liquidation import lift
from novation.engine.state import account_, contract_, position_row_, row_of, terms_of
from novation.engine.watch import changed
from novation.rules.integers import E8, exact_towards_zero
from novation.rules.value import rate_of_value, signed_value, unrealised

_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)
_DELIVERY = int(EventKind.DELIVERY)


@kernel
def delivered_profit(venue, p):
    """Profit of a position at the delivery price, cut towards zero."""
    profit, part = unrealised(venue.delivery_e8, p.lots, contract_(venue, p.instrument).lot_value, p.cost)
    return exact_towards_zero(profit, part)


@kernel
def other_cross(venue, row):
    """Profit of the other cross position of the contract, and whether cross positions elsewhere back the wallet."""
    mine = position_row_(venue, row)
    profit, backed = 0, False
    at = account_(venue, mine.account).first_position
    while at >= 0:
        p = position_row_(venue, at)
        if at != row and p.scope == _CROSS and (p.lots != 0 or p.cost != 0):
            if p.instrument == mine.instrument:
                profit = delivered_profit(venue, p)
            else:
                backed = True
        at = p.next
    return profit, backed


@kernel
def deliver(venue, row):
    """Close one position at the delivery price.

    Where a fund answers for deficits it never pays a fee: that is cut to what is left, isolated in the margin, cross in
    the wallet (in Multi-Assets mode: all its assets) unless positions of other contracts stand behind it.
    """
    p = position_row_(venue, row)
    if p.lots == 0 and p.cost == 0:
        return
    a = account_(venue, p.account)
    t = terms_of(venue, p.instrument)
    lot_value = contract_(venue, p.instrument).lot_value
    value, part = signed_value(venue.delivery_e8, p.lots, lot_value)
    profit = delivered_profit(venue, p)
    booked = profit + p.cost
    venue.delivered_lots += p.lots
    venue.delivered_rest += (value - booked) * E8 + part // E8
    fee, _ = rate_of_value(venue.delivery_e8, p.lots, lot_value, t.delivery_fee_e8)
    isolated = p.scope == _ISOLATED
    left = p.margin + profit
    if venue.deficit_to_fund and isolated:
        fee = min(fee, max(0, left))
    elif venue.deficit_to_fund:
        other, backed = other_cross(venue, row)
        if not backed:
            fee = min(fee, max(0, counted(venue, p.account, a.wallet + profit + other)))
    a.wallet += left - fee
    changed(venue, p.account)
    post_fees(venue, fee)
    post_outside(venue, -booked)
    flags = side_flag(venue, p)
    e = next_event(venue, _DELIVERY, p.account, p.instrument)
    e.lots = p.lots
    e.price_e8 = venue.delivery_e8
    e.cost = p.cost
    e.amount = profit
    e.fee = fee
    e.rate_e8 = t.delivery_fee_e8
    e.flags = flags | (ISOLATED_FLAG if isolated else 0)
    p.lots = 0
    p.opened_ns = 0
    p.cost = 0
    p.margin = 0
    if venue.deficit_to_fund and isolated and left < 0:
        lift(venue, p.account, p.instrument, p.instrument, -left, flags)
    unlink_if_flat(venue, row)


@kernel
def deliver_account(venue, account, instrument):
    """Close an account's positions in a contract; where no other cross position is left, the fund lifts a deficit.

    In Multi-Assets mode a debt that the other assets count for stays, and the check may have it exchanged; for one
    beyond them they are sold first.
    """
    first = row_of(venue, account, instrument, 0)
    held = False
    for leg in range(LEGS):
        p = position_row_(venue, first + leg)
        held = held or p.lots != 0 or p.cost != 0
    for leg in range(LEGS):
        deliver(venue, first + leg)
    a = account_(venue, account)
    if not held or a.wallet >= 0 or not venue.deficit_to_fund:
        return
    _, backed = other_cross(venue, first)
    if backed or (a.multi and owed_usd(venue, account) < collateral_usd(venue, account)):
        return
    if a.multi:
        exchange(venue, account)
    if a.wallet < 0:
        lift(venue, account, -1, instrument, -a.wallet, 0)
        changed(venue, account)


@kernel
def close_delivery(venue, instrument):
    """The other side: the outside held minus the sum of all positions and gets what that is worth, cut towards zero.

    So far it got the opposite of what was booked; the difference is made of the cuts, and goes to `rounding`.
    """
    lots = venue.delivered_lots
    lot_value = contract_(venue, instrument).lot_value
    rest = (venue.delivery_e8 % E8) * (abs(lots) % E8) % E8 * (lot_value % E8) % E8
    cuts = venue.delivered_rest + (rest if lots < 0 else -rest)
    post_outside(venue, -cuts // E8)
    venue.rounding += cuts // E8
