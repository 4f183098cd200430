"""Conditional orders that are triggered, and auctions, which trigger some of them (docs/rules/book.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import AUCTION
from tests.reference import book, checks, conditional, phases, trading
from tests.reference.checks import Refusal
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def elect(ex: Exchange, by: TriggerPrice = TriggerPrice.LAST) -> None:
    """Trigger one order after another, until the condition of none holds; those whose position is gone end first."""
    end_with_positions(ex)
    for i in range(0, len(ex.instruments), 2):
        while ex.has_book(i) and phases.is_open(ex, i):
            x = conditional.price_now(ex, i, by)
            found = conditional.due(ex, i, by, x)
            if not found:
                break
            if by == TriggerPrice.LAST:
                ex.markets[i].cascade = ex.markets[i].cascade or x // ex.instruments[i].tick_e8
            _trigger(ex, found[0], x)
            if by == TriggerPrice.MARK:
                elect(ex)
            end_with_positions(ex)
        ex.markets[i].cascade = 0
        if by == TriggerPrice.LAST:
            ex.looked_at.discard(i // 2)
        elif ex.has_book(i) and ex.book(i).rules.filters.trigger_protect_e8:
            ex.looked_at.add(i // 2)
            elect(ex)


def end_with_positions(ex: Exchange) -> None:
    """Orders that close a position end with it."""
    for order in list(ex.orders.values()):
        held = ex.accounts[order.account].positions[order.instrument].lots
        if order.close_position and order.trigger and held * order.side >= 0:
            ex.drop(order, CancelReason.POSITION_GONE)


def _trigger(ex: Exchange, order: Order, x: int, *, in_auction: bool = False) -> None:
    i, trigger, limit = order.instrument, order.trigger, order.price_ticks
    assert trigger is not None
    if order.close_position:
        order.lots = abs(ex.accounts[order.account].positions[i].lots)
    if order.kind not in (OrderKind.MARKET, OrderKind.LIMIT):
        at = x if trigger.kind == TriggerKind.TRAILING else trigger.price_e8
        found = conditional.limit_now(ex, i, order.kind, order.side, at)
        if found is None:
            ex.drop(order, CancelReason.NO_OPPOSITE)
            return
        order.kind, limit = int(OrderKind.LIMIT), found
    order.price_ticks, order.arrival_ns = limit, ex.clock_ns
    ex.emit(
        EventKind.ORDER_TRIGGERED,
        order.account,
        i,
        order=order.id,
        lots=order.side * order.lots,
        price_ticks=limit,
        price_e8=x,
    )
    reached = book.Reach() if in_auction else trading.reach(ex, order, order.lots, limit)
    refusal = None
    if order.reduce_only and not order.close_position:
        refusal = checks.would_not_reduce(ex, order.account, i, order.side, order.lots)
    if checks.wrong_status(ex, order.account, i, order.side, order.lots):
        refusal = Refusal(RejectReason.WOULD_NOT_REDUCE, order.lots)
    refusal = refusal or checks.too_large(ex, order.account, i, order.side, order.lots, limit)
    refusal = refusal or trading.refused(ex, order, order.lots, order.kind, limit, reached)
    trading.assume(ex, order)
    order.trigger = None
    ex.move_to_end(order)
    if refusal:
        ex.drop(order, CancelReason[refusal.reason.name])
    elif in_auction:
        ex.book(i).stand(order)
    elif order.time_in_force == TimeInForce.FOK and reached.lots < order.lots:
        ex.drop(order, CancelReason.MINIMUM_NOT_MET)
    else:
        trading.arrive(ex, order)


# -- phases and auctions --------------------------------------------------------------------------------------------


def phase_changed(ex: Exchange, i: int, before: int) -> None:
    """What a new phase does to a book: orders of the day end, the market opens with an auction."""
    now = ex.markets[i].phase
    if now == MarketPhase.CLOSED and before != MarketPhase.CLOSED:
        for order in list(ex.orders.values()):
            if order.instrument // 2 == i // 2 and order.time_in_force == TimeInForce.DAY:
                ex.drop(order, CancelReason.DAY_OVER)
    if now == MarketPhase.OPEN and before != MarketPhase.OPEN:
        open_with_auction(ex, i)


def open_with_auction(ex: Exchange, i: int) -> None:
    """Auctions until the two sides do not meet any more; beside a record accounts that cross arrive anew instead."""
    ex.looked_at.add(i // 2)
    ex.markets[i].trades = []
    while i // 2 in ex.flows and (order := _crossing(ex, i)):
        ex.book(i).leave(order)
        trading.arrive(ex, order)
        elect(ex)
    while i // 2 not in ex.flows and (price := book.indicative_price(ex, i)) is not None:
        x = price * ex.instruments[i].tick_e8
        found = [order for order in conditional.due(ex, i, TriggerPrice.LAST, x) if _may_rest(order)]
        for order in found:
            _trigger(ex, order, x, in_auction=True)
        if not found:
            _cross(ex, i, price)
    elect(ex)


def _crossing(ex: Exchange, i: int) -> Order | None:
    for order in ex.orders.values():
        if order.instrument // 2 == i // 2 and not order.trigger and book.executable(ex, i, order.price_ticks):
            best = book.prices(ex, i, -order.side)[:1]
            if best and order.side * (best[0] - order.price_ticks) <= 0:
                return order
    return None


def _may_rest(order: Order) -> bool:
    immediate = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    return order.kind in (OrderKind.LIMIT, OrderKind.MARKET_PROTECTED) and not immediate


def _cross(ex: Exchange, i: int, price: int) -> None:
    def turn(side: int) -> Order | None:
        best = book.prices(ex, i, side)[:1]
        return ex.book(i).sides[side][best[0]][0] if best and side * (best[0] - price) >= 0 else None

    while (bid := turn(1)) and (ask := turn(-1)):
        stale = next((order for order in (bid, ask) if trading.reduces_no_more(ex, order)), None)
        if stale:
            ex.drop(stale, CancelReason.WOULD_NOT_REDUCE)
            continue
        lots = min(bid.lots, ask.lots)
        trading.new_price(ex, i, price)
        for order in (bid, ask):
            last_e8 = ex.markets[i].last_e8
            ex.trade(order, lots, price, last_e8, maker=False, flags=AUCTION, joins=order is ask)
            if order.id in ex.orders:
                book.show(order)
