"""Orders on bars that wait for a price, and the path of a bar (docs/rules/fills.md, "Stops" and "Path")."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from novation.domain.commands import Command
from novation.domain.enums import BarPath, CancelReason, EventKind, OrderKind, RejectReason, TriggerKind, TriggerPrice
from novation.domain.events import REDUCE_ONLY
from novation.domain.market import MarketEvent
from tests.reference import bar_liquidity, book_commands, checks, conditional, elections, phases, trading
from tests.reference.book import Reach
from tests.reference.checks import HIGHEST_PRICE_E8, Refusal
from tests.reference.state import Order, Trigger

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: Fields of an order that waits for a price, which there are on bars as well as on books.
ON_BARS = ("trigger", "trigger_e8", "trigger_by", "close_position")


def waits_for_price(ex: Exchange, i: int, c: Command) -> bool:
    """Whether it is an order that waits for a price and can do so on bars."""
    others = any(getattr(c, name) for name in book_commands.OWN_FIELDS if name not in ON_BARS)
    return c.trigger in (TriggerKind.STOP, TriggerKind.TAKE_PROFIT) and not others and not ex.has_depth(i)


def refused(ex: Exchange, i: int, c: Command) -> Refusal | None:
    """What is wrong with its trigger, or with its closing a position."""
    if not 0 < c.trigger_e8 <= HIGHEST_PRICE_E8 or c.trigger_by not in list(TriggerPrice):
        return Refusal(RejectReason.BAD_TRIGGER, c.trigger, c.trigger_e8)
    x = conditional.price_now(ex, i, c.trigger_by)
    if conditional.holds(Trigger(c.trigger, c.trigger_e8, c.trigger_by, 0), 1 if c.side > 0 else -1, x):
        return Refusal(RejectReason.WOULD_TRIGGER, c.trigger_e8, x)
    return book_commands.cannot_close(ex, i, c) if c.close_position else None


def place(ex: Exchange, i: int, c: Command) -> None:
    """It is accepted, and waits."""
    order = Order(
        ex.order_sequence,
        c.account,
        i,
        c.side,
        c.order_kind,
        c.lots,
        c.price_ticks,
        ex.clock_ns,
        int(bool(c.reduce_only or c.close_position or checks.closes(ex, c) or (checks.is_spot(ex, i) and c.side < 0))),
        held=int(c.order_kind == OrderKind.MARKET and bool(ex.rules.hold_orders or c.hold)),
        trigger=Trigger(c.trigger, c.trigger_e8, c.trigger_by, 0),
        close_position=c.close_position,
    )
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


# -- as bars open -----------------------------------------------------------------------------------------------------


def openings(ex: Exchange) -> None:
    """Orders that the bars opening now trigger, by arrival."""
    for order in list(ex.orders.values()):
        i, trigger = order.instrument, order.trigger
        if order.id not in ex.orders or trigger is None or ex.has_depth(i) or not phases.is_listed(ex, i):
            continue
        x = conditional.price_now(ex, i, trigger.by)
        if ex.markets[i].open_ns == ex.clock_ns and conditional.holds(trigger, order.side, x):
            _arrive(ex, order, x, ex.markets[i].last_e8, opens=True)


def _arrive(ex: Exchange, order: Order, x: int, price_e8: int, *, opens: bool) -> bool:
    """An order is triggered, its market standing at a price; whether it traded."""
    i, limit = order.instrument, order.price_ticks if order.kind == OrderKind.LIMIT else None
    if order.close_position:
        order.lots = abs(ex.accounts[order.account].positions[i].lots)
    order.arrival_ns = ex.clock_ns
    lots = order.side * order.lots
    ex.emit(EventKind.ORDER_TRIGGERED, order.account, i, order=order.id, lots=lots, price_ticks=limit or 0, price_e8=x)
    there = bar_liquidity.left(ex, i, order.lots)
    can_be_had = ex.opens_now(i) if opens else phases.may_trade(ex, i, price_e8)
    ticks = None
    if can_be_had and not phases.is_locked(ex, i, order.side):
        ticks = ex.met_ticks(i, order.side, there, price_e8)
        if opens and limit is not None and there:
            there, at = ex.most_within(i, order.side, there, limit)
            ticks = at if there else None
    if ticks is not None and limit is not None and order.side * (ticks - limit) > 0:
        ticks = None
    refusal = None
    if order.reduce_only and not order.close_position:
        refusal = checks.would_not_reduce(ex, order.account, i, order.side, order.lots)
    if checks.wrong_status(ex, order.account, i, order.side, order.lots):
        refusal = Refusal(RejectReason.WOULD_NOT_REDUCE, order.lots)
    refusal = refusal or checks.too_large(ex, order.account, i, order.side, order.lots, limit or 0)
    found = Reach() if ticks is None else Reach(there, ticks, ticks)
    refusal = refusal or trading.refused(ex, order, order.lots, order.kind, limit or 0, found)
    trading.assume(ex, order)
    order.trigger = None
    ex.move_to_end(order)
    if refusal:
        ex.drop(order, CancelReason[refusal.reason.name])
        return False
    if ticks is not None:
        ex.trade(order, there, ticks, price_e8, maker=False)
    elections.end_with_positions(ex)
    return ticks is not None


# -- as bars close ----------------------------------------------------------------------------------------------------


class Touch(NamedTuple):
    """An order and when its bar touches it; they sort in that order."""

    instrument: int
    leg: int  #: 0: at the open
    away_e8: int  #: from the open
    arrived: int
    order: Order
    at_e8: int


def touches(ex: Exchange, rows: list[MarketEvent]) -> list[Touch]:
    """Whom the bars that close now touch, along their paths."""
    bars = {row.instrument: row for row in rows}
    found = []
    for arrived, order in enumerate(ex.orders.values()):
        bar = bars.get(order.instrument - order.instrument % 2)
        if bar is None or order.arrival_ns > bar.start_ns:
            continue
        at_e8 = _touched(ex, order, bar)
        if at_e8 is None:
            continue
        away = at_e8 - ex.markets[order.instrument].last_e8
        leg = 0 if away == 0 else 1 if (away > 0) == _rises_first(ex, order, bar) else 2
        found.append(Touch(bar.instrument, leg, abs(away), arrived, order, at_e8))
    return sorted(found, key=lambda touch: touch[:4])


def _touched(ex: Exchange, order: Order, bar: MarketEvent) -> int | None:
    """The price at which a bar touches an order."""
    if order.trigger:
        wanted, by_mark = order.trigger.price_e8, order.trigger.by == TriggerPrice.MARK
        low, high = (bar.mark_low_e8, bar.mark_high_e8) if by_mark else (bar.last_low_e8, bar.last_high_e8)
        known = bar.mark_e8 != 0 or not by_mark
        if not known or not low <= wanted <= high or not phases.is_listed(ex, order.instrument):
            return None
        return sorted((bar.last_low_e8, wanted, bar.last_high_e8))[1]
    if order.kind != OrderKind.LIMIT:
        return None
    price = order.price_ticks * ex.instruments[order.instrument].tick_e8
    through = bar.last_low_e8 < price if order.side > 0 else bar.last_high_e8 > price
    if bar_liquidity.slips(ex, order.instrument) and order.side * (price - ex.markets[order.instrument].last_e8) > 0:
        through = False  # the bar opened there, and what the limit lets it have was had
    if not phases.may_trade(ex, order.instrument, price):
        return None
    traded = (bar.last_low_e8, bar.last_high_e8)
    if through or bar_liquidity.reached(ex, order.instrument, order.side, price, traded):
        return price
    return None


def _rises_first(ex: Exchange, order: Order, bar: MarketEvent) -> bool:
    held = ex.accounts[order.account].positions[order.instrument].lots
    if ex.bar_path == BarPath.WORST and held:
        return held < 0
    if ex.bar_path in (BarPath.HIGH_FIRST, BarPath.LOW_FIRST):
        return ex.bar_path == BarPath.HIGH_FIRST
    opened = ex.markets[order.instrument].last_e8
    up, down = abs(bar.last_high_e8 - opened), abs(bar.last_low_e8 - opened)
    return up < down if up != down else bar.last_e8 < opened


def close_bars(ex: Exchange, rows: list[MarketEvent]) -> bool:
    """Fill orders along the paths of the bars that close now; whether any was."""
    filled = False
    for touch in touches(ex, rows):
        order = touch.order
        if order.id not in ex.orders:
            continue
        if order.trigger:
            filled |= _arrive(ex, order, order.trigger.price_e8, touch.at_e8, opens=False)
        elif lots := bar_liquidity.left(ex, order.instrument, order.lots):
            ex.execute(order, order.price_ticks, touch.at_e8, maker=True, lots=lots)
            filled = True
        elections.end_with_positions(ex)
    return filled
