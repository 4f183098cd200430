"""Queues of orders by price and time, and who of them a taker meets (docs/rules/book.md): lists, looked through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, NamedTuple

from novation.domain.book import BookRules
from novation.domain.enums import SelfTrade
from novation.domain.units import E8
from tests.reference.state import NOBODY, Order

if TYPE_CHECKING:
    from novation.domain.digest import Line
    from tests.reference.exchange import Exchange

#: Values are kept below this.
MOST_VALUE = 2**61
#: Ticks that are all looked at; where there are more, those alone next to which anything changes.
MANY = 2_000


class Book:
    """Both sides of one instrument: side, price, queue."""

    def __init__(self, rules: BookRules) -> None:
        self.rules = rules
        self.sides: dict[int, dict[int, list[Order]]] = {1: {}, -1: {}}
        self.stood = 0  #: how often an order came to stand

    def prices(self, side: int) -> list[int]:
        """All prices of a side, the best first."""
        return sorted(self.sides[side], reverse=side > 0)

    def standing(self, side: int) -> list[Order]:
        """All orders of a side, the best price first, by time at a price."""
        return [order for price in self.prices(side) for order in self.sides[side][price]]

    def stand(self, order: Order) -> None:
        """An order comes to stand last at its price, and shows what it shows."""
        order.top = int(all(order.side * (order.price_ticks - price) > 0 for price in self.sides[order.side]))
        for other in self.standing(order.side) if order.top else []:
            other.top = 0
        show(order)
        self.stood += 1
        order.stood = self.stood
        self.sides[order.side].setdefault(order.price_ticks, []).append(order)

    def leave(self, order: Order) -> None:
        """An order, if it stands, stands no more."""
        queue = self.sides[order.side].get(order.price_ticks, [])
        queue[:] = [other for other in queue if other.id != order.id]
        join_stretches(queue)
        if not queue:
            self.sides[order.side].pop(order.price_ticks, None)
        order.shown = order.top = order.fraction = 0

    def take(self, order: Order, lots: int) -> None:
        """Lots of an order of a record are gone, as an account took them."""
        while order.into:
            order = order.into
        if order.stretch:
            order.recorded -= lots
        else:
            order.taken += lots
        self.show_recorded(order)

    def show_recorded(self, order: Order) -> None:
        """An order of a record shows at its place what is left of it; with nothing to show it stands nowhere."""
        order.lots = order.shown = max(0, order.recorded - order.taken)
        if not order.lots:
            self.leave(order)

    def refresh(self, order: Order) -> None:
        """An order that shows nothing more and hides lots shows the next of them, last at its price."""
        if not order.shown:
            self.leave(order)
            self.stand(order)


def is_recorded(order: Order) -> bool:
    """Whether it is of a record, and nobody's."""
    return order.account == NOBODY


def join_stretches(queue: list[Order]) -> None:
    """Lots of a level that no order of an account parts are one stretch, at the place of the first."""
    for ahead, behind in pairwise(queue):
        if ahead.stretch and behind.stretch:
            ahead.recorded += behind.recorded
            ahead.lots = ahead.shown = ahead.recorded
            behind.into = ahead
            queue[:] = [order for order in queue if order is not behind]
            return  # one order leaves at a time, and parts two stretches at most


def show(order: Order) -> None:
    """What an order shows of its lots."""
    order.shown = min(order.display_lots or order.lots, order.lots)


# -- what is there --------------------------------------------------------------------------------------------------


def executable(ex: Exchange, i: int, price_ticks: int) -> bool:
    """Whether the price limits let an order at a price trade."""
    low, high = ex.markets[i].limits_e8
    return low <= price_ticks * ex.instruments[i].tick_e8 <= high


def prices(ex: Exchange, i: int, side: int) -> list[int]:
    """Executable prices of a side of an instrument's book, the best first."""
    return [price for price in ex.book(i).prices(side) if executable(ex, i, price)]


def levels(ex: Exchange, i: int, side: int) -> list[tuple[int, int]]:
    """(ticks, lots) that a taker of a side can meet, hidden ones counted, the best first."""
    queues = ex.book(i).sides[-side]
    return [(price, sum(order.lots for order in queues[price])) for price in prices(ex, i, -side)]


class Reach(NamedTuple):
    """Lots found, and the prices of the first and of the last order counted."""

    lots: int = 0
    best: int = 0
    worst: int = 0


class Taker(NamedTuple):
    """Who looks how far it gets: at a limit or without one, with its word on orders of its own account."""

    account: int
    side: int
    lots: int
    limit: int | None
    self_trade: int  #: never AS_THE_BOOK


def reach(ex: Exchange, i: int, taker: Taker) -> Reach:
    """The orders that a taker would trade with, one after another, and how many of its lots they are."""
    found = value = best = worst = 0
    gone: dict[tuple[int, int], int] = {}  # lots of each position's orders that trade ahead
    for ticks in prices(ex, i, -taker.side):
        if taker.limit is not None and taker.side * (ticks - taker.limit) > 0:
            break
        met, ends = _met(ex, i, ticks, taker, taker.lots - found)
        unit = ticks * ex.instruments[i].tick_e8 * ex.instruments[i].lot_value // E8
        for order, there in met:
            whose = order.account, order.instrument
            if order.reduce_only:
                held = ex.accounts[order.account].positions[order.instrument].lots
                held += order.side * gone.get(whose, 0)
                if held * order.side >= 0 or order.lots > abs(held):
                    continue
            taken = min(there, taker.lots - found, (MOST_VALUE - value) // unit)
            if not taken:
                return Reach(found, best, worst)
            found, value = found + taken, value + taken * unit
            gone[whose] = gone.get(whose, 0) + taken
            best, worst = best or ticks, ticks
        if ends:
            break
    return Reach(found, best, worst)


def _met(ex: Exchange, i: int, ticks: int, taker: Taker, left: int) -> tuple[list[tuple[Order, int]], bool]:
    """The orders at a price that are asked to trade and what each has to give, by time; whether it ends there."""
    queue = ex.book(i).sides[-taker.side][ticks]
    others = [(order, order.lots) for order in queue if order.account != taker.account]
    if len(others) == len(queue) or taker.self_trade == SelfTrade.CANCEL_MAKER:
        return others, False
    if taker.self_trade == SelfTrade.TRADE:
        return [(order, order.lots) for order in queue], False
    if not ex.book(i).rules.by_time and left < sum(order.lots for order in queue):
        return [], True
    return [(order, order.shown) for order in takewhile(lambda o: o.account != taker.account, queue)], True


def lines(i: int, book: Book) -> Iterator[Line]:
    """A book in the canonical form."""
    for side in (1, -1):
        for order in book.standing(side):
            told = -1 if order.stretch else order.id
            about = (order.price_ticks, told, order.shown, order.lots - order.shown, order.top)
            yield "book", (i, side, *about)


# -- giving out -----------------------------------------------------------------------------------------------------


def give_out(rules: BookRules, queue: list[Order], lots: int) -> dict[int, int]:
    """Lots that each order at a price gets, by order id; `lots` do not take the price whole."""
    given = {order.id: 0 for order in queue}
    left = lots

    def give(order: Order, most: int) -> int:
        nonlocal left
        part = max(0, min(most, order.shown - given[order.id], left))
        given[order.id] += part
        left -= part
        return part

    def by_time(most: int, orders: list[Order]) -> None:
        for order in orders:
            most -= give(order, most)

    if rules.top:
        for order in queue:
            if order.top and order.shown >= rules.top_min:
                give(order, rules.top_max or left)
    after_top = left
    for account, percent in rules.lead_makers:
        by_time(after_top * percent // 100, [order for order in queue if order.account == account])
    by_time(left * rules.fifo_percent // 100, queue)
    if rules.fifo_percent != 100:
        still = {order.id: order.shown - given[order.id] for order in queue}
        everything, pot = sum(still.values()), left
        without = []
        for order in queue:
            part = still[order.id] * pot // everything if everything else 0
            if part < rules.pro_rata_min or give(order, part) == 0:
                without.append(order)
        if rules.levelling:
            for order in without:
                give(order, 1)
    by_time(left, queue)
    return given


# -- the one price of an auction ------------------------------------------------------------------------------------


def indicative_price(ex: Exchange, i: int) -> int | None:
    """The price at which an auction would open now, without conditional orders; None where the sides do not meet."""
    sides = {}
    for side in (1, -1):
        queues = ex.book(i).sides[side]
        sides[side] = {p: sum(o.lots for o in queues[p]) for p in queues if executable(ex, i, p)}
    return opening_price(sides[1], sides[-1], ex.markets[i].settlement_ticks, ex.terms_of(i).tick_step)


def opening_price(bids: dict[int, int], asks: dict[int, int], settlement: int, step: int) -> int | None:
    """Most lots; least left; bids left the highest, asks left the lowest; nearest the settlement, the lower of two."""
    if not bids or not asks or max(bids) < min(asks):
        return None
    low, high = min(asks), max(bids)
    looked_at = range(low, high + 1, step)
    if (high - low) // step > MANY:
        near = settlement // step * step
        around = {p + d for p in (*bids, *asks, near) for d in (-step, 0, step)}
        looked_at = sorted(p for p in around if low <= p <= high)  # type: ignore[assignment]
    rows = []
    for ticks in looked_at:
        demand = sum(lots for price, lots in bids.items() if price >= ticks)
        supply = sum(lots for price, lots in asks.items() if price <= ticks)
        rows.append((-min(demand, supply), abs(demand - supply), ticks, demand - supply))
    tied = [row for row in rows if row[:2] == min(rows)[:2]]
    if all(left > 0 for *_, left in tied):
        return max(ticks for _, _, ticks, _ in tied)
    if all(left < 0 for *_, left in tied):
        return min(ticks for _, _, ticks, _ in tied)
    return min((abs(ticks - settlement), ticks) for _, _, ticks, _ in tied)[1]
