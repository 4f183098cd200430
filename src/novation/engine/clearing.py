"""Fills, funding and settlement: the only places where positions and money change.

Double entry with an unnamed counterparty: an account's (wallet + isolated margin - entry cost) changes by minus the
traded value, `outside` by the same amount with the other sign. Funding and settlement never create money either: a
settlement moves it between wallet and entry cost, a funding payment's other side is `outside`, and what truncation
leaves is `rounding`.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind, MarginMethod, MarginScope
from novation.domain.events import ISOLATED as ISOLATED_FLAG
from novation.domain.events import LIQUIDATED, LONG_SIDE, SHORT_SIDE
from novation.engine.layout import LEGS
from novation.engine.ledger import next_event, post_fees, post_outside
from novation.engine.state import account_, contract_, position_, position_row_, row_of, terms_of
from novation.engine.watch import changed, forget_band
from novation.rules.clearing import closed_lots, cost_share, margin_share, realised
from novation.rules.fees import trade_fee
from novation.rules.funding import funding_payment
from novation.rules.premium import pro_rata_payment

_ISOLATED = int(MarginScope.ISOLATED)
_TIERED = int(MarginMethod.TIERED)
_FILL = int(EventKind.FILL)
_FUNDING = int(EventKind.FUNDING)
_SETTLEMENT = int(EventKind.SETTLEMENT)


@kernel
def link(venue, row):
    """Put a position in its account's list, which runs in the order of instruments, unless it is there."""
    p = position_row_(venue, row)
    if p.linked:
        return
    a = account_(venue, p.account)
    before = a.last_position
    while before > row:
        before = position_row_(venue, before).previous
    after = a.first_position if before < 0 else position_row_(venue, before).next
    p.linked = 1
    p.previous = before
    p.next = after
    if before >= 0:
        position_row_(venue, before).next = row
    else:
        a.first_position = row
    if after >= 0:
        position_row_(venue, after).previous = row
    else:
        a.last_position = row
    a.positions += 1


@kernel
def unlink_if_flat(venue, row):
    """Take a position out of its account's list when nothing of it is left: no lots, no cost, no orders."""
    p = position_row_(venue, row)
    if not p.linked or p.lots != 0 or p.cost != 0 or p.margin != 0 or p.bid_lots != 0 or p.ask_lots != 0:
        return
    a = account_(venue, p.account)
    if p.previous >= 0:
        position_row_(venue, p.previous).next = p.next
    else:
        a.first_position = p.next
    if p.next >= 0:
        position_row_(venue, p.next).previous = p.previous
    else:
        a.last_position = p.previous
    p.linked = 0
    p.next = -1
    p.previous = -1
    p.called = 0
    a.positions -= 1
    if a.positions == 0:
        a.called = 0
    if not position_row_(venue, row ^ 1).linked:
        forget_band(venue, p.instrument, p.account)


@kernel
def opening_margin(venue, p, lots, price_ticks):
    """Isolated margin that opening lots at a price moves out of the wallet."""
    c = contract_(venue, p.instrument)
    if c.method != _TIERED:
        return abs(lots) * terms_of(venue, p.instrument).initial_per_lot
    return abs(lots) * price_ticks * c.tick_value // p.leverage


@kernel
def fee_of(venue, instrument, lots, price_ticks, maker):
    """Fee of a fill."""
    t = terms_of(venue, instrument)
    rate = t.maker_fee_e8 if maker else t.taker_fee_e8
    return trade_fee(lots * price_ticks * contract_(venue, instrument).tick_value, rate, lots, t.fee_per_lot)


@kernel
def side_flag(venue, p):
    """Which of an account's two positions this is, as an event says it; nothing in one-way mode."""
    if not account_(venue, p.account).hedge:
        return 0
    return SHORT_SIDE if p.leg else LONG_SIDE


@kernel
def fill(venue, row, order, lots, price_ticks, price_e8, fee, flags):
    """Trade signed lots at a price: position, money, ledger and one FILL event. Returns the realised profit."""
    p = position_row_(venue, row)
    a = account_(venue, p.account)
    c = contract_(venue, p.instrument)
    link(venue, row)
    closed = closed_lots(p.lots, lots)
    profit = 0
    if closed and not c.daily_settled:
        share = cost_share(p.cost, closed, p.lots)
        profit = realised(p.lots, closed, price_ticks, c.tick_value, share)
        p.cost -= share
        if flags & LIQUIDATED and p.scope == _ISOLATED and closed != abs(p.lots):
            # closed to save the rest: the margin that stands behind it bears the loss and the fee
            p.margin += profit - fee
            a.wallet += fee
        else:
            released = margin_share(p.margin, closed, p.lots)
            p.margin -= released
            a.wallet += profit + released
    side = 1 if lots > 0 else -1
    opened = abs(lots) - closed
    if c.daily_settled:
        p.cost += lots * price_ticks * c.tick_value
    else:
        p.cost += side * opened * price_ticks * c.tick_value
        if p.scope == _ISOLATED and opened:
            margin = opening_margin(venue, p, opened, price_ticks)
            a.wallet -= margin
            p.margin += margin
    turned = p.lots == 0 or (p.lots > 0) != (p.lots + lots > 0)
    if p.closers > 0 and (turned or p.lots + lots == 0):
        venue.closers_due = 1
    if p.lots + lots == 0:
        p.opened_ns = 0
    elif turned:
        p.opened_ns = venue.clock_ns
    p.lots += lots
    a.wallet -= fee
    changed(venue, p.account)
    if venue.paired:  # the other side of the last trade
        venue.paired = 0
    else:
        venue.trade_sequence += 1
    post_fees(venue, fee)
    post_outside(venue, lots * price_ticks * c.tick_value)
    e = next_event(venue, _FILL, p.account, p.instrument)
    e.order = order
    e.trade = venue.trade_sequence
    e.lots = lots
    e.price_ticks = price_ticks
    e.price_e8 = price_e8
    e.fee = fee
    e.amount = profit
    e.cost = p.cost
    e.position_lots = p.lots
    e.flags = flags | side_flag(venue, p)
    unlink_if_flat(venue, row)
    return profit


@kernel
def due_funding(venue, p, mark_e8, rate_e8):
    """What a position receives at the stamp in hand: the whole payment, or, where the venue is told to and computed the
    rate itself, the share of the interval for which the lots have been held."""
    lot_value = contract_(venue, p.instrument).lot_value
    if venue.pro_rata and venue.own_stamp:
        held_ns = min(venue.clock_ns - p.opened_ns, venue.funding_span_ns)
        return pro_rata_payment(mark_e8, p.lots, lot_value, rate_e8, held_ns, venue.funding_span_ns)
    return funding_payment(mark_e8, p.lots, lot_value, rate_e8)


@kernel
def fund(venue, account, instrument, leg, mark_e8, rate_e8):
    """Pay one position's funding; an isolated one pays out of its own margin. Returns what it received."""
    p = position_(venue, account, instrument, leg)
    if p.lots == 0:
        return 0
    amount = due_funding(venue, p, mark_e8, rate_e8)
    a = account_(venue, account)
    if p.scope == _ISOLATED:
        p.margin += amount
    else:
        a.wallet += amount
    changed(venue, account)
    e = next_event(venue, _FUNDING, account, instrument)
    e.lots = p.lots
    e.price_e8 = mark_e8
    e.rate_e8 = rate_e8
    e.amount = amount
    e.flags = (ISOLATED_FLAG if p.scope == _ISOLATED else 0) | side_flag(venue, p)
    return amount


@kernel
def fund_outside(venue, instrument, mark_e8, rate_e8):
    """The other side of a stamp: the unnamed counterparty holds minus the sum of all positions, and pays or gets
    what that is worth, cut as everybody's is; what the cuts leave goes to `rounding`. Shares of payments do not sum to
    zero: then it pays what they come to."""
    lots = 0
    paid = 0
    for account in range(venue.accounts):
        for leg in range(LEGS):
            p = position_(venue, account, instrument, leg)
            if p.lots != 0:
                lots += p.lots
                paid += due_funding(venue, p, mark_e8, rate_e8)
    amount = 0
    if venue.pro_rata and venue.own_stamp:
        amount = -paid
    elif lots != 0:
        amount = funding_payment(mark_e8, -lots, contract_(venue, instrument).lot_value, rate_e8)
    post_outside(venue, amount)
    venue.rounding -= paid + amount


@kernel
def settle(venue, account, instrument, leg, price_ticks):
    """Pay one position's variation margin: value at the settlement price less the entry cost, which it becomes."""
    row = row_of(venue, account, instrument, leg)
    p = position_row_(venue, row)
    if not p.linked or (p.lots == 0 and p.cost == 0):
        return
    value = p.lots * price_ticks * contract_(venue, instrument).tick_value
    amount = value - p.cost
    a = account_(venue, account)
    a.wallet += amount
    changed(venue, account)
    e = next_event(venue, _SETTLEMENT, account, instrument)
    e.lots = p.lots
    e.price_ticks = price_ticks
    e.cost = p.cost
    e.amount = amount
    e.flags = side_flag(venue, p)
    p.cost = value
    unlink_if_flat(venue, row)
