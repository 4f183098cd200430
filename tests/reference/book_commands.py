"""Placing and amending an order on a book, and cancelling many (docs/rules/book.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from novation.domain.commands import Command
from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    SelfTrade,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import REDUCE_ONLY
from novation.domain.units import E8
from tests.reference import book, checks, conditional, elections, halting, phases, trading
from tests.reference.checks import HIGHEST_PRICE_E8, Refusal
from tests.reference.state import Order, Trigger

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

OWN_FIELDS = (
    "time_in_force",
    "expire_ns",
    "display_lots",
    "min_lots",
    "trigger",
    "trigger_e8",
    "trigger_by",
    "callback_e8",
    "self_trade",
    "close_position",
    "price_protect",
)
#: Kinds that become limit orders as they arrive, or as they are triggered.
BECOMES_LIMIT = tuple(kind for kind in OrderKind if kind not in (OrderKind.MARKET, OrderKind.LIMIT))


def asks_for_a_book(c: Command) -> bool:
    """Whether an order has anything that there is on books alone."""
    return any(getattr(c, name) for name in OWN_FIELDS)


# -- PLACE ----------------------------------------------------------------------------------------------------------


def place(ex: Exchange, c: Command) -> Refusal | None:
    """An order arrives at a book whose phase takes it."""
    i = checks.slot_of(ex, c)
    refusal = _bad_kind(ex, i, c) or _bad_field(ex, i, c) or _bad_trigger(ex, i, c)
    if refusal:
        return refusal
    becomes = c.order_kind in BECOMES_LIMIT and not c.trigger
    gives_way = bool(becomes or c.min_lots)
    limit = conditional.limit_now(ex, i, c.order_kind, 1 if c.side > 0 else -1) if becomes else c.price_ticks
    if limit is None:
        return Refusal(RejectReason.NO_OPPOSITE, c.order_kind)
    refusal = cannot_close(ex, i, c) if c.close_position else None
    if refusal:
        return refusal
    if becomes:
        c = msgspec.structs.replace(c, order_kind=int(OrderKind.LIMIT), price_ticks=limit)
    refusal = checks.well_formed(ex, c)
    order = _order(ex, i, c)
    order.gives_way = gives_way or halting.is_at_once(order)
    found = book.Reach()
    if not refusal and not order.trigger:
        found = trading.reach(ex, order, c.lots, c.price_ticks)
        refusal = _unwanted(ex, order, found) or trading.refused(ex, order, c.lots, c.order_kind, c.price_ticks, found)
    if refusal:
        return refusal._replace(price_ticks=c.price_ticks)
    trading.assume(ex, order)
    if order.trigger:
        order.assumed_e8 = 0
    ex.add(order)
    ex.emit(
        EventKind.ORDER_ACCEPTED,
        c.account,
        i,
        order=order.id,
        lots=c.side * c.lots,
        price_ticks=order.price_ticks,
        price_e8=c.trigger_e8,
        flags=REDUCE_ONLY if order.reduce_only else 0,
    )
    if order.trigger:
        return None
    if found.lots < (c.lots if c.time_in_force == TimeInForce.FOK else c.min_lots):
        ex.drop(order, CancelReason.MINIMUM_NOT_MET)
        return None
    trading.arrive(ex, order)
    elections.elect(ex)
    return None


def _order(ex: Exchange, i: int, c: Command) -> Order:
    order = Order(
        ex.order_sequence,
        c.account,
        i,
        c.side,
        c.order_kind,
        c.lots,
        c.price_ticks,
        ex.clock_ns,
        int(bool(c.reduce_only or c.close_position or checks.closes(ex, c))),
        time_in_force=c.time_in_force,
        expire_ns=c.expire_ns or _longest(ex, i, c),
        close_position=c.close_position,
        price_protect=c.price_protect,
        display_lots=c.display_lots,
        self_trade=c.self_trade,
    )
    if c.trigger:
        order.trigger = Trigger(c.trigger, c.trigger_e8, c.trigger_by, c.callback_e8)
        if c.trigger == TriggerKind.TRAILING:
            conditional.see(order.trigger, c.side, conditional.price_now(ex, i, c.trigger_by))
    return order


def _longest(ex: Exchange, i: int, c: Command) -> int:
    """When an order ends that nobody takes back."""
    gtc_ns = ex.book(i).rules.filters.gtc_ns
    return ex.clock_ns + gtc_ns if gtc_ns and c.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY) else 0


def cannot_close(ex: Exchange, i: int, c: Command) -> Refusal | None:
    """Why an order does not close a position."""
    if checks.wrong_side(ex, c):
        return None  # which is asked later
    side, lots = 1 if c.side > 0 else -1, ex.accounts[c.account].positions[i].lots
    plain = c.order_kind == OrderKind.MARKET and c.trigger in (TriggerKind.STOP, TriggerKind.TAKE_PROFIT)
    if c.close_position != 1 or not plain or c.lots or c.reduce_only or c.time_in_force != TimeInForce.GTC:
        return Refusal(RejectReason.BAD_CLOSE_POSITION, c.lots, c.trigger)
    if lots * side >= 0:
        return Refusal(RejectReason.NO_POSITION, side, lots)
    for order in ex.accounts[c.account].orders.values():
        waits = order.instrument == i and order.close_position and order.trigger and order.trigger.kind == c.trigger
        if waits and order.side == side:
            return Refusal(RejectReason.ALREADY_CLOSING, order.id)
    return None


def _bad_kind(ex: Exchange, i: int, c: Command) -> Refusal | None:
    rules = ex.book(i).rules
    known = {OrderKind.LIMIT, OrderKind.MARKET_LIMIT}
    if rules.market_orders:
        known.add(OrderKind.MARKET)
    if rules.protection_ticks:
        known.add(OrderKind.MARKET_PROTECTED)
    if rules.price_match:
        known.update(k for k, (own, nth) in conditional.MATCHED.items() if own or nth <= rules.opponent_most)
    return None if c.order_kind in known else Refusal(RejectReason.BAD_ORDER_KIND, c.order_kind)


def _bad_field(ex: Exchange, i: int, c: Command) -> Refusal | None:
    """Time in force, display and minimum."""
    tif, market, closed = c.time_in_force, ex.markets[i], not phases.is_open(ex, i)
    immediate = tif in (TimeInForce.IOC, TimeInForce.FOK)
    least = ex.clock_ns + ex.books[ex.instruments[i].id].rules.filters.least_gtd_ns
    expires_wrong = c.expire_ns <= least if tif == TimeInForce.GTD else c.expire_ns != 0
    passive = tif == TimeInForce.POST_ONLY
    never_rests = c.order_kind not in (OrderKind.LIMIT, *conditional.MATCHED)
    if tif not in list(TimeInForce) or expires_wrong or (passive and (never_rests or c.trigger)):
        return Refusal(RejectReason.BAD_TIME_IN_FORCE, tif, c.expire_ns)
    if immediate and not c.trigger and closed:
        return Refusal(RejectReason.IMMEDIATE_BEFORE_OPEN, market.phase, market.halt)
    too_many = c.display_lots > c.lots or c.order_kind == OrderKind.MARKET or immediate
    if c.display_lots < 0 or (c.display_lots and too_many):
        return Refusal(RejectReason.BAD_DISPLAY, c.display_lots, c.lots)
    no_minimum = tif == TimeInForce.FOK or passive or c.trigger or closed
    if c.min_lots < 0 or (c.min_lots and (c.min_lots > c.lots or no_minimum)):
        return Refusal(RejectReason.BAD_MINIMUM, c.min_lots, c.lots)
    return None


def _bad_trigger(ex: Exchange, i: int, c: Command) -> Refusal | None:
    """Trigger, distance and self-trade."""
    trailing = c.trigger == TriggerKind.TRAILING
    if c.trigger not in list(TriggerKind) or c.trigger_by not in list(TriggerPrice):
        wrong = True
    elif not c.trigger:
        wrong = bool(c.trigger_e8 or c.trigger_by or c.callback_e8)
    elif trailing:
        filters = ex.books[ex.instruments[i].id].rules.filters
        least, most = max(1, filters.least_callback_e8), min(E8, filters.most_callback_e8 or E8)
        wrong = not least <= c.callback_e8 <= most or not 0 <= c.trigger_e8 <= HIGHEST_PRICE_E8
    else:
        wrong = not 0 < c.trigger_e8 <= HIGHEST_PRICE_E8 or c.callback_e8 != 0
    protects = ex.book(i).rules.filters.trigger_protect_e8 and c.trigger in (TriggerKind.STOP, TriggerKind.TAKE_PROFIT)
    if wrong or (c.price_protect and not (c.price_protect == 1 and protects)):
        return Refusal(RejectReason.BAD_TRIGGER, c.trigger, c.trigger_e8)
    far = checks.too_far(ex, i, c.price_ticks) if c.order_kind == OrderKind.LIMIT else None
    if not far and c.trigger_e8:
        far = checks.too_far(ex, i, c.trigger_e8 // ex.instruments[i].tick_e8)
    if far:
        return far
    if c.self_trade not in list(SelfTrade):
        return Refusal(RejectReason.BAD_SELF_TRADE, c.self_trade)
    x, side = conditional.price_now(ex, i, c.trigger_by), 1 if c.side > 0 else -1
    if c.trigger and x:
        if trailing:
            already = c.trigger_e8 != 0 and side * (x - c.trigger_e8) <= 0
        else:
            already = conditional.holds(Trigger(c.trigger, c.trigger_e8, c.trigger_by, 0), side, x)
        if already:
            return Refusal(RejectReason.WOULD_TRIGGER, c.trigger_e8, x)
    return None


def _unwanted(ex: Exchange, order: Order, found: book.Reach) -> Refusal | None:
    if order.time_in_force == TimeInForce.POST_ONLY and (best := trading.meets(ex, order, order.price_ticks)):
        return Refusal(RejectReason.WOULD_TAKE, order.price_ticks, best)
    refuses = ex.book(order.instrument).rules.refuse_unfillable
    if order.time_in_force == TimeInForce.FOK and refuses and found.lots < order.lots:
        return Refusal(RejectReason.NOT_FILLABLE, order.lots, found.lots)
    return None


# -- AMEND, CANCEL_ALL ----------------------------------------------------------------------------------------------


def amend(ex: Exchange, c: Command) -> Refusal | None:
    """Another size or price for a limit order."""
    order = ex.accounts[c.account].orders.get(c.order)
    if order is None:
        return Refusal(RejectReason.UNKNOWN_ORDER, c.order)
    i, market = order.instrument, ex.markets[order.instrument]
    if phases.keeps_orders(ex, i, c):
        return Refusal(RejectReason.CANCEL_NOT_ALLOWED, c.order, market.phase)
    if not ex.has_book(i):
        return Refusal(RejectReason.NO_BOOK, i // 2)
    left = c.lots - order.filled
    refusal = checks.wrong_status(ex, order.account, i, order.side, max(0, left))
    if refusal:
        return refusal
    if order.trigger or order.kind != OrderKind.LIMIT:
        return Refusal(RejectReason.NOT_AMENDABLE, c.order)
    if market.phase in (MarketPhase.CLOSED, MarketPhase.PAUSED):
        return Refusal(RejectReason.MARKET_CLOSED, market.phase, market.halt)
    if (c.lots, c.price_ticks) == (order.lots + order.filled, order.price_ticks):
        return Refusal(RejectReason.NO_CHANGE, c.lots)
    rules = ex.book(i).rules
    most = rules.filters.max_amends
    if most and order.amended >= most - 1:
        return Refusal(RejectReason.AMENDED_TOO_OFTEN, order.amended, most)
    if left <= 0:
        ex.drop(order, CancelReason.NOTHING_LEFT)
        return None
    before = order.self_trade
    if rules.amend_drops_self_trade:
        order.self_trade = SelfTrade.TRADE
    found = trading.reach(ex, order, left, c.price_ticks)
    refusal = _cannot_be(ex, order, c, left, found)
    if refusal:
        order.self_trade = before
        return refusal
    if order.time_in_force == TimeInForce.POST_ONLY and trading.meets(ex, order, c.price_ticks):
        ex.drop(order, CancelReason.WOULD_TAKE)
        return None
    order.amended += 1 if most else 0
    stays = rules.amend_keeps_place and c.price_ticks == order.price_ticks and left <= order.lots
    if stays:
        order.lots, order.shown = left, min(order.shown, left)
    else:
        ex.book(i).leave(order)
        order.lots, order.price_ticks, order.arrival_ns = left, c.price_ticks, ex.clock_ns
        trading.assume(ex, order)
        ex.move_to_end(order)
    told = {"order": order.id, "lots": order.side * left, "price_ticks": order.price_ticks}
    ex.emit(EventKind.ORDER_AMENDED, order.account, i, **told)
    if not stays:
        trading.arrive(ex, order)
        elections.elect(ex)
    return None


def _cannot_be(ex: Exchange, order: Order, c: Command, left: int, found: book.Reach) -> Refusal | None:
    """The checks of an order as it would be, without what it is now."""
    i, account, price = order.instrument, order.account, c.price_ticks
    refusal = checks.lots_refused(ex, i, c.lots, order.side) or checks.price_refused(ex, i, price)
    refusal = refusal or checks.too_far(ex, i, price)
    if refusal:
        return refusal
    mine = ex.accounts[account].orders
    working = dict(mine)
    del mine[order.id]
    try:
        if order.reduce_only:
            refusal = checks.would_not_reduce(ex, account, i, order.side, left)
        if not refusal:
            beyond = phases.refused_price(ex, i, msgspec.structs.replace(c, side=order.side))
            refusal = Refusal(*beyond) if beyond else None
        refusal = refusal or checks.filtered_price(ex, i, order.side, price, ex.markets[i].mark_e8)
        refusal = refusal or checks.too_large(ex, account, i, order.side, left, price)
        return refusal or trading.refused(ex, order, left, OrderKind.LIMIT, price, found)
    finally:
        mine.clear()
        mine.update(working)


def cancel_all(ex: Exchange, c: Command) -> Refusal | None:
    """Take out the orders of an account, of an instrument or of a side."""
    if c.side not in (1, -1, 0):
        return Refusal(RejectReason.BAD_SIDE, c.side)
    if c.instrument >= 0 and phases.keeps_orders(ex, 2 * c.instrument, c):
        return Refusal(RejectReason.CANCEL_NOT_ALLOWED, 0, ex.markets[2 * c.instrument].phase)
    gone = 0
    for order in list(ex.accounts[c.account].orders.values()):
        named = c.instrument in (-1, order.instrument // 2) and c.side in (0, order.side)
        if named and not phases.keeps_orders(ex, order.instrument, c):
            ex.drop(order, CancelReason.REQUESTED)
            gone += 1
    ex.write(EventKind.ALL_CANCELLED, c.account, c.instrument, lots=gone, order=c.side)
    return None
