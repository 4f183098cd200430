"""Whether an order's margin is there, and what it reserves while it works (docs/rules/checks.md).

Tiered margin follows the exchange's order cost (facts/binance.md §3.1): initial margin at the price the order is
assumed to fill at, plus the loss it opens with; fees are no part of it. Margin per contract is an amount a lot. What
is bought for cash has to be paid in full, with its fee (docs/rules/spot.md).
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginMethod, MarginScope, OrderKind, RejectReason
from novation.engine.clearing import fee_of, opening_margin
from novation.engine.liquidity import has_depth
from novation.engine.margining import available, initial_for, initial_now, initial_of, largest_value
from novation.engine.state import contract_, market_, order_, position_row_, terms_of
from novation.rules.clearing import closed_lots
from novation.rules.fees import price_with_fee
from novation.rules.integers import sign
from novation.rules.order_cost import assumed_price, open_loss, order_initial
from novation.rules.value import signed_value, value_rem

_ISOLATED = int(MarginScope.ISOLATED)
_TIERED = int(MarginMethod.TIERED)
_LIMIT = int(OrderKind.LIMIT)
_INSUFFICIENT_MARGIN = int(RejectReason.INSUFFICIENT_MARGIN)
_POSITION_LIMIT = int(RejectReason.POSITION_LIMIT)
_BALANCE_TOO_SMALL = int(RejectReason.BALANCE_TOO_SMALL)


@kernel
def assumed_for(venue, instrument, kind, side, ticks):
    """Assumed price in 1e-8 of an order: `ticks` is a limit order's price, for a market order the best one it meets.

    Of a limit buy for cash it is what a unit costs with the dearer of the two fees.
    """
    t = terms_of(venue, instrument)
    m = market_(venue, instrument)
    c = contract_(venue, instrument)
    price_e8 = ticks * c.tick_e8
    if c.spot:
        return (
            price_with_fee(price_e8, max(t.maker_fee_e8, t.taker_fee_e8)) if kind == _LIMIT and side > 0 else price_e8
        )
    rates = (t.limit_sell_above_last_e8, t.market_buy_above_ask_e8)
    return assumed_price(*rates, kind, side, price_e8, m.last_e8, m.mark_e8, price_e8, price_e8)


@kernel
def risk_reason(venue, row, lots, assumed_e8, best_ticks, worst_ticks, taking):
    """Why an order of signed lots is refused for margin or size, with the value and its limit.

    A trade that lowers the requirement is never refused. `taking`: executed now, from the best to the worst price;
    otherwise it will rest at the worst one, and what counts is the margin it reserves.
    """
    p = position_row_(venue, row)
    c = contract_(venue, p.instrument)
    if c.spot:
        return cash_reason(venue, p, lots, assumed_e8, worst_ticks, taking)
    mark = market_(venue, p.instrument).mark_e8
    if taking:
        after_lots = p.lots + lots
    elif lots > 0:
        after_lots = max(p.lots, p.lots + p.bid_lots + lots)
    else:
        after_lots = min(p.lots, p.lots - p.ask_lots + lots)
    if abs(after_lots) <= abs(p.lots) and (after_lots == 0 or sign(after_lots) == sign(p.lots)):
        return 0, 0, 0
    if c.method == _TIERED:
        highest = largest_value(venue, p)
        with_orders = p.lots + lots + (p.bid_lots if lots > 0 else -p.ask_lots)
        reached, _ = signed_value(mark, abs(with_orders), c.lot_value)
        if reached > highest:
            return _POSITION_LIMIT, reached, highest
        needed = tiered_needed(venue, p, lots, assumed_e8, best_ticks, worst_ticks, taking)
    else:
        needed = contract_needed(venue, p, lots, worst_ticks, taking)
    free = available(venue, p.account)
    if needed > free and needed > 0:
        return _INSUFFICIENT_MARGIN, needed, free
    return 0, 0, 0


@kernel
def cash_reason(venue, p, lots, assumed_e8, worst_ticks, taking):
    """Why a purchase for cash is refused: what it has to set aside or pays now, its fee included, and what is there."""
    c = contract_(venue, p.instrument)
    if lots < 0:  # what is sold is held and set aside
        return 0, 0, 0
    needed, _ = signed_value(assumed_e8, lots, c.lot_value)
    if taking:
        paid = lots * worst_ticks * c.tick_value + fee_of(venue, p.instrument, lots, worst_ticks, 0)
        needed = max(needed, paid)
    free = available(venue, p.account)
    if needed > free:
        return _BALANCE_TOO_SMALL, needed, free
    return 0, 0, 0


@kernel
def cash_is_short(venue, order_row, lots, ticks, maker):
    """Whether lots of a working purchase cost more than it has set aside and the account has beside it: the fee of
    later terms may be higher than the one it was accepted with."""
    o = order_(venue, order_row)
    c = contract_(venue, o.instrument)
    before, _ = value_rem(o.assumed_e8, o.lots, c.lot_value)
    after, _ = value_rem(o.assumed_e8, o.lots - lots, c.lot_value)
    paid = lots * ticks * c.tick_value + fee_of(venue, o.instrument, lots, ticks, maker)
    return paid > available(venue, o.account) + before - after


@kernel
def tiered_needed(venue, p, lots, assumed_e8, best_ticks, worst_ticks, taking):
    """What an order asks of the available balance: margin with it less margin without it, and its open loss."""
    c = contract_(venue, p.instrument)
    mark = market_(venue, p.instrument).mark_e8
    side, closed = sign(lots), closed_lots(p.lots, lots)
    opened = abs(lots) - closed
    loss = open_loss(opened, c.lot_value, side, mark, assumed_e8)
    before = initial_now(venue, p)
    if not taking:
        value, _ = signed_value(assumed_e8, abs(lots), c.lot_value)
        bids, asks = (abs(lots), 0) if side > 0 else (0, abs(lots))
        bid_value, ask_value = (value, 0) if side > 0 else (0, value)
        bids, bid_value = p.bid_lots + bids, p.bid_value + bid_value
        asks, ask_value = p.ask_lots + asks, p.ask_value + ask_value
        after = initial_for(venue, p, p.lots, bids, bid_value, asks, ask_value, mark)
        if p.scope == _ISOLATED:
            after -= initial_for(venue, p, p.lots, 0, 0, 0, 0, mark)
        return after - before + loss
    # ours: on a ladder all of the way from the mark to the worst level, and of a trade that turns a position round what
    # its closing part loses on that way
    away = max(0, side * (worst_ticks * c.tick_e8 - mark))
    if has_depth(venue, p.instrument):
        loss = max(loss, open_loss(opened, c.lot_value, side, mark, mark + side * away))
    loss += open_loss(closed, c.lot_value, side, mark, mark + side * away)
    after_lots = p.lots + lots
    value, _ = signed_value(mark, p.lots + side * closed, c.lot_value)
    new, _ = signed_value(assumed_e8, opened, c.lot_value)
    value += side * new
    after = initial_of(venue, p, after_lots, p.bid_lots, p.bid_value, p.ask_lots, p.ask_value, value)
    if p.scope != _ISOLATED:
        return after - before + loss
    # its own margin leaves the wallet, at the price it trades at and with the fee: both have to be in it
    own = order_initial(opened, c.lot_value, assumed_e8, p.leverage) + loss
    moved = opening_margin(venue, p, opened, worst_ticks) + fee_of(venue, p.instrument, lots, worst_ticks, 0)
    return after - initial_of(venue, p, after_lots, 0, 0, 0, 0, value) + max(own, moved) - before


@kernel
def contract_needed(venue, p, lots, price_ticks, taking):
    """As `tiered_needed` with margin per contract: taken now, the fee and the distance from the mark count as well."""
    c = contract_(venue, p.instrument)
    mark = market_(venue, p.instrument).mark_e8
    bids = p.bid_lots + (0 if taking else max(0, lots))
    asks = p.ask_lots - (0 if taking else min(0, lots))
    after = initial_of(venue, p, p.lots + (lots if taking else 0), bids, 0, asks, 0, 0)
    cost = 0
    if taking:
        whole, _ = signed_value(mark, lots, c.lot_value)
        cost = fee_of(venue, p.instrument, lots, price_ticks, 0) - (whole - lots * price_ticks * c.tick_value)
    return after - initial_now(venue, p) + cost
