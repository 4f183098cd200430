"""Who trades with whom on a book: takers, self-trades, liquidations (docs/rules/book.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, OrderKind, SelfTrade, TimeInForce, TriggerPrice
from tests.reference import book, checks, conditional, halting, phases
from tests.reference.checks import Asked, Refusal
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def reach(ex: Exchange, order: Order, lots: int, price_ticks: int) -> book.Reach:
    """How far an order gets now with so many lots, at a price if it has a limit."""
    i = order.instrument
    if not phases.is_open(ex, i):
        return book.Reach()
    limit = price_ticks if order.kind == OrderKind.LIMIT else checks.take_bound(ex, i, order.side)
    word = on_self_trades(ex, order)
    if not order.gives_way:
        return book.reach(ex, i, book.Taker(order.account, order.side, lots, limit, word))
    limit = halting.short_of_a_halt(ex, i, order.side, limit)
    found = book.reach(ex, i, book.Taker(order.account, order.side, lots, limit, word))
    if found.lots:
        limit = halting.short_of_the_first(ex, i, order.side, limit, found.best)
        found = book.reach(ex, i, book.Taker(order.account, order.side, lots, limit, word))
    return found


def on_self_trades(ex: Exchange, order: Order) -> int:
    """An order's word on trades with its own account."""
    if order.time_in_force in (TimeInForce.FOK, TimeInForce.POST_ONLY):
        return SelfTrade.TRADE
    return order.self_trade or ex.book(order.instrument).rules.self_trade


def meets(ex: Exchange, order: Order, price_ticks: int) -> int:
    """The best executable price of the other side if an order at a price meets it now, whatever stands there; or 0."""
    i = order.instrument
    opposite = book.prices(ex, i, -order.side) if phases.is_open(ex, i) else []
    return opposite[0] if opposite and order.side * (price_ticks - opposite[0]) >= 0 else 0


def refused(ex: Exchange, order: Order, lots: int, kind: int, price_ticks: int, found: book.Reach) -> Refusal | None:
    """Notional, margin and size of an order that reaches so far, or will rest."""
    i, q = order.instrument, order.side * lots
    if found.lots:
        asked = Asked(i, q, kind, price_ticks, found.best, found.worst)
        return checks.notional_and_risk(ex, order.account, asked, taking=True)
    if kind == OrderKind.LIMIT and (checks.is_spot(ex, order.instrument) or not order.reduce_only):
        asked = Asked(i, q, kind, price_ticks, price_ticks, price_ticks)
        return checks.notional_and_risk(ex, order.account, asked, taking=False)
    return None


def assume(ex: Exchange, order: Order) -> None:
    """A limit order that arrives reserves at its assumed price."""
    if order.kind == OrderKind.LIMIT:
        price = order.price_ticks
        asked = Asked(order.instrument, order.side * order.lots, order.kind, price, price, price)
        order.assumed_e8 = checks.assumed_price(ex, asked)


def arrive(ex: Exchange, order: Order) -> None:
    """An order takes what it can; what is left of it stands, or is cancelled."""
    _take(ex, order)
    if order.id not in ex.orders:
        return
    if order.kind == OrderKind.MARKET:
        i = order.instrument
        beyond = phases.is_open(ex, i) and book.prices(ex, i, -order.side)
        ex.drop(order, CancelReason.BEYOND_TAKE_BOUND if beyond else CancelReason.NO_LIQUIDITY)
    elif order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        ex.drop(order, CancelReason.UNFILLED)
    else:
        order.gives_way = False
        ex.book(order.instrument).stand(order)


def _take(ex: Exchange, taker: Order) -> None:
    i = taker.instrument
    while taker.id in ex.orders and phases.is_open(ex, i):
        opposite = book.prices(ex, i, -taker.side)
        worst = taker.price_ticks if taker.kind == OrderKind.LIMIT else checks.take_bound(ex, i, taker.side)
        if not opposite or (worst is not None and taker.side * (opposite[0] - worst) > 0):
            return
        reason = halting.too_far(ex, i, opposite[0])
        if reason and taker.gives_way:
            ex.drop(taker, CancelReason.WOULD_HALT)
            return
        if reason:
            halting.halt(ex, i, reason)
            return
        queue, rules = ex.book(i).sides[-taker.side][opposite[0]], ex.book(i).rules
        if rules.by_time or taker.lots >= sum(maker.lots for maker in queue):
            if not _prevented(ex, taker, queue[0]):
                _meet(ex, taker, queue[0], min(taker.lots, queue[0].shown))
            continue
        prevented = [_prevented(ex, taker, maker) for maker in list(queue) if taker.id in ex.orders]
        if any(prevented):
            continue
        given = book.give_out(rules, queue, taker.lots)
        for maker in list(queue):
            if given[maker.id]:
                _meet(ex, taker, maker, given[maker.id])


def _prevented(ex: Exchange, taker: Order, maker: Order) -> bool:
    if maker.account != taker.account:
        return False
    what = on_self_trades(ex, taker)
    if what in (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH):
        ex.drop(maker, CancelReason.SELF_TRADE)
    if what in (SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH):
        ex.drop(taker, CancelReason.SELF_TRADE)
    return what != SelfTrade.TRADE


def reduces_no_more(ex: Exchange, order: Order) -> bool:
    """Whether an order may only reduce and with all its lots would not."""
    if not order.reduce_only:
        return False
    held = ex.accounts[order.account].positions[order.instrument].lots
    return not (held * order.side < 0 and order.lots <= abs(held))


def _meet(ex: Exchange, taker: Order, maker: Order, lots: int) -> None:
    if reduces_no_more(ex, maker):
        ex.drop(maker, CancelReason.WOULD_NOT_REDUCE)
        return
    ticks = maker.price_ticks
    new_price(ex, taker.instrument, ticks)
    ex.trade(taker, lots, ticks, ex.markets[taker.instrument].last_e8, maker=False)
    made(ex, maker, lots, joins=True)


def new_price(ex: Exchange, i: int, ticks: int) -> None:
    """A trade makes the last price, which trailing orders follow."""
    ex.markets[i].last_e8 = ticks * ex.instruments[i].tick_e8
    conditional.follow(ex, i, TriggerPrice.LAST)
    halting.traded(ex, i, ticks)
    ex.looked_at.add(i // 2)


def made(ex: Exchange, maker: Order, lots: int, *, joins: bool) -> None:
    """A maker's side of a trade; joins: the taker's side of it has been told already."""
    if book.is_recorded(maker):
        ex.book(maker.instrument).take(maker, lots)
        return
    ticks = maker.price_ticks
    maker.shown -= lots
    ex.trade(maker, lots, ticks, ticks * ex.instruments[maker.instrument].tick_e8, maker=True, joins=joins)
    if maker.id in ex.orders:
        ex.book(maker.instrument).refresh(maker)


# -- liquidations ---------------------------------------------------------------------------------------------------


def first(ex: Exchange, i: int, side: int) -> Order | None:
    """The order that a liquidation which buys or sells would meet now; those that would not reduce are cancelled."""
    while phases.is_open(ex, i) and (opposite := book.prices(ex, i, -side)):
        maker = ex.book(i).sides[-side][opposite[0]][0]
        if not reduces_no_more(ex, maker):
            return maker
        ex.drop(maker, CancelReason.WOULD_NOT_REDUCE)
    return None


def close_against(ex: Exchange, i: int, side: int, lots: int) -> bool:
    """The maker's side of a step of a liquidation; whether it is told, so that the other side has the same number."""
    maker = first(ex, i, side)
    assert maker is not None
    new_price(ex, i, maker.price_ticks)
    made(ex, maker, lots, joins=False)
    return not book.is_recorded(maker)
