"""Orders that wait for a price: conditions, trailing extremes, which is first (docs/rules/book.md)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from novation.domain.enums import OrderKind, TriggerKind, TriggerPrice
from novation.domain.units import E8
from tests.reference import book, phases
from tests.reference.state import Order, Trigger

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def price_now(ex: Exchange, i: int, by: int) -> int:
    """The price a condition looks at, 0 before there is one."""
    return ex.markets[i].mark_e8 if by == TriggerPrice.MARK else ex.markets[i].last_e8


def is_falling(kind: int, side: int) -> bool:
    """Whether a condition waits for a price at its trigger or below."""
    return (kind == TriggerKind.STOP) == (side < 0)


def holds(trigger: Trigger, side: int, x: int) -> bool:
    """Whether a condition holds at a price."""
    if x == 0:
        return False
    if trigger.kind != TriggerKind.TRAILING:
        return x <= trigger.price_e8 if is_falling(trigger.kind, side) else x >= trigger.price_e8
    if trigger.extreme_e8 == 0:
        return False
    begun = trigger.price_e8 == 0 or side * (trigger.price_e8 - trigger.extreme_e8) >= 0
    turn = Fraction(trigger.extreme_e8 * (E8 + side * trigger.callback_e8), E8)
    return begun and (x >= ceil(turn) if side > 0 else x <= floor(turn))


def follow(ex: Exchange, i: int, by: int) -> None:
    """Trailing orders see the price that is now."""
    x = price_now(ex, i, by)
    for order in ex.orders.values():
        trigger = order.trigger
        if trigger and order.instrument // 2 == i // 2 and trigger.kind == TriggerKind.TRAILING and trigger.by == by:
            see(trigger, order.side, x)


def see(trigger: Trigger, side: int, x: int) -> None:
    """The lowest price of a buy, the highest of a sale."""
    if x:
        best = min if side > 0 else max
        trigger.extreme_e8 = best(trigger.extreme_e8 or x, x)


def due(ex: Exchange, i: int, by: int, x: int) -> list[Order]:
    """Orders of an instrument whose condition holds at a price, in the order in which they are triggered."""
    if not phases.is_listed(ex, i):
        return []
    waiting = [
        order
        for order in ex.orders.values()
        if order.trigger and order.instrument // 2 == i // 2 and order.trigger.by == by
    ]
    found = [order for order in waiting if order.trigger and holds(order.trigger, order.side, x)]
    found = [order for order in found if not is_protected(ex, order, by, x)]

    def turn(order: Order) -> tuple[int, int]:
        trigger = order.trigger
        assert trigger is not None
        if trigger.kind == TriggerKind.TRAILING:
            return 2, 0
        return (0, -trigger.price_e8) if is_falling(trigger.kind, order.side) else (1, trigger.price_e8)

    return sorted(found, key=turn)  # as it sorts, it leaves equal ones in order of arrival


def is_protected(ex: Exchange, order: Order, by: int, x: int) -> bool:
    """Whether an order waits on, as last price and mark lie too far apart, or as that was not looked at again."""
    if not order.price_protect:
        return False
    if by == TriggerPrice.LAST and order.instrument // 2 not in ex.looked_at:
        return True
    market, most = ex.markets[order.instrument], ex.book(order.instrument).rules.filters.trigger_protect_e8
    last, mark = (market.last_e8, x) if by == TriggerPrice.MARK else (x, market.mark_e8)
    return not last or not mark or abs(last - mark) * E8 > most * last


#: Kinds that take the n-th price of a side, whether their own.
MATCHED = {
    OrderKind.OPPONENT_5: (False, 5),
    OrderKind.OPPONENT_10: (False, 10),
    OrderKind.OPPONENT_20: (False, 20),
    OrderKind.QUEUE: (True, 1),
    OrderKind.QUEUE_5: (True, 5),
    OrderKind.QUEUE_10: (True, 10),
    OrderKind.QUEUE_20: (True, 20),
}


def protected_limit(ex: Exchange, i: int, side: int, from_e8: int) -> int:
    """So many ticks beyond a price, on the tick in force, inside the price limits, one tick step at least."""
    step, rules = ex.terms_of(i).tick_step, ex.book(i).rules
    ticks = ex.to_tick(i, from_e8, -side) + side * rules.protection_ticks
    ticks = ex.to_tick(i, ticks * ex.instruments[i].tick_e8, -side)
    return max(step, phases.within_limits(ex, i, ticks))


def limit_now(ex: Exchange, i: int, kind: int, side: int, trigger_e8: int = 0) -> int | None:
    """The limit that an order without one gets as it arrives, or as it is triggered; None if nobody is there."""
    if kind == OrderKind.MARKET_PROTECTED and trigger_e8:
        return protected_limit(ex, i, side, trigger_e8)
    if kind in MATCHED:
        own, nth = MATCHED[OrderKind(kind)]
        found = book.prices(ex, i, side if own else -side)
        return found[nth - 1] if len(found) >= nth else None
    opposite = book.prices(ex, i, -side)
    if not opposite:
        return None
    if kind == OrderKind.MARKET_LIMIT:
        return opposite[0]
    return protected_limit(ex, i, side, opposite[0] * ex.instruments[i].tick_e8)
