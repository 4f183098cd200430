"""One pass over recorded orders: what stood for how long, and what happened to it, told to those who count.

Time counts while both sides show orders that do not cross, from the opening on; a watcher hears of nothing else. What
happens is a limit order (ADD, or an AMEND to another price or to more lots, which is a cancellation too), a
cancellation (of an order whole) or a market order (the TRADE rows of one aggressor in one exchange event; its size is
known when the event ends). Everything else is left out, and counted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import Protocol

from novation.data.flow import Flow
from novation.domain.flow import LAST, SNAPSHOT, FlowKind

_CLEAR, _ADD, _CANCEL = int(FlowKind.CLEAR), int(FlowKind.ADD), int(FlowKind.CANCEL)
_AMEND, _FILL, _TRADE = int(FlowKind.AMEND), int(FlowKind.FILL), int(FlowKind.TRADE)

#: What is left out, by reason.
EARLY = "rows before the market opened, or of a snapshot"
UNUSABLE = "orders, cancellations and trades while a side was empty or the book crossed"
AUCTION = "trades of no aggressor, as in an auction"
CROSSED = "limit orders across the other side's best"
SMALLER = "orders made smaller in place"
AGGRESSOR = "what an aggressor lost of an order that stood"


class Book:
    """Orders by price of each side. prices: ascending for asks, descending for bids as -price, the best first."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}  # id -> side, price, lots
        self.prices: dict[int, list[int]] = {1: [], -1: []}  # -side * price
        self.at: dict[int, dict[int, list[int]]] = {1: {}, -1: {}}  # side -> price -> orders, lots
        self.count = {1: 0, -1: 0}

    def put(self, id: int, side: int, price: int, lots: int) -> None:
        """An order that does not rest."""
        self.orders[id] = [side, price, lots]
        level = self.at[side].get(price)
        if level is None:
            self.at[side][price] = [1, lots]
            insort(self.prices[side], -side * price)
        else:
            level[0] += 1
            level[1] += lots
        self.count[side] += 1

    def take(self, id: int, lots: int) -> None:
        """So many lots off an order; without lots left it is gone."""
        order = self.orders[id]
        side, price, _ = order
        level = self.at[side][price]
        level[1] -= lots
        order[2] -= lots
        if order[2] > 0:
            return
        level[1] -= order[2]
        level[0] -= 1
        self.count[side] -= 1
        del self.orders[id]
        if level[0] == 0:
            del self.at[side][price]
            prices = self.prices[side]
            del prices[bisect_left(prices, -side * price)]

    def best(self, side: int) -> int | None:
        """The best price of a side."""
        prices = self.prices[side]
        return -side * prices[0] if prices else None

    def usable(self) -> bool:
        """Whether both sides show orders, and do not cross."""
        bids, asks = self.prices[1], self.prices[-1]
        return bool(bids and asks) and -bids[0] < asks[0]


class Watcher(Protocol):
    """Who counts. Each call comes before the book changes; `ns` is the time that counted so far."""

    def begin_rest(self, ns: int) -> None:
        """What comes from now on is to be kept apart."""

    def wait(self, book: Book, ns: int) -> None:
        """The book stood so long."""

    def limit(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """An order joins its side."""

    def cancel(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """An order leaves its side."""

    def market(self, book: Book, ns: int, side: int) -> None:
        """An order takes from the other side."""

    def took(self, lots: int) -> None:
        """How many lots a market order traded."""

    def settled(self, book: Book) -> None:
        """An exchange event ends."""


class Walk:
    """The pass. share: of the rows after the opening, when the watcher is told of the rest.

    After `run`: ns (time that counted), rows (from the opening on), first_ns and last_ns of them, left_out,
    crossed_ns, empty_ns (time that did not count).
    """

    def __init__(self, flow: Flow, watcher: Watcher, open_from_ns: int | None, share: float) -> None:
        self.flow, self.watcher, self.open_from_ns, self.share = flow, watcher, open_from_ns, share
        self.book = Book()
        self.ns = self.crossed_ns = self.empty_ns = self.rows = 0
        self.first_ns = self.last_ns = 0
        self.left_out: Counter[str] = Counter()
        self.taking: tuple[int, int] | None = None  # side and order of the market order under way
        self.taken = 0
        self.aggressors: set[int] = set()  # of this exchange event

    def _first(self) -> int:
        """The row with which counting begins."""
        rows = self.flow.rows
        if self.open_from_ns is not None:
            return int((rows["ts_ns"] < self.open_from_ns).sum())
        live = ((rows["flags"] & SNAPSHOT) == 0) & (rows["kind"] != _CLEAR)
        return int(live.argmax()) if live.any() else len(rows)

    def run(self) -> None:
        """Walk all rows."""
        first = self._first()
        self.rows = len(self.flow) - first
        rest_from = first + int(self.rows * self.share)
        rows = self.flow.rows.tolist()
        if first < len(rows):
            self.last_ns = rows[-1][0]
            self.first_ns = rows[first][0] if self.open_from_ns is None else self.open_from_ns
        now = self.first_ns
        self.left_out[EARLY] += sum(1 for row in rows[:first] if row[5] != _CLEAR)
        for i, (ts_ns, _, order, price, lots, kind, side, flags) in enumerate(rows):
            if i >= first:
                if ts_ns > now:
                    self._wait(ts_ns - now)
                    now = ts_ns
                if i == rest_from:
                    self.watcher.begin_rest(self.ns)
            counts = i >= first and not flags & SNAPSHOT
            if kind == _CLEAR:
                self.book = Book()
            elif kind == _TRADE:
                self._trade(order, side, lots, counts)
            else:
                self._change(order, side, price, lots, kind, counts)
            if flags & LAST:
                self._end_event()
        self._end_event()
        self.left_out += Counter()  # without those of which there are none

    def _wait(self, ns: int) -> None:
        if self.book.usable():
            self.watcher.wait(self.book, ns)
            self.ns += ns
        elif self.book.prices[1] and self.book.prices[-1]:
            self.crossed_ns += ns
        else:
            self.empty_ns += ns

    def _end_event(self) -> None:
        if self.taken:
            self.watcher.took(self.taken)
        self.taking, self.taken = None, 0
        self.aggressors.clear()
        self.watcher.settled(self.book)

    def _left(self, why: str, counts: bool) -> None:
        if counts:
            self.left_out[why] += 1

    def _trade(self, order: int, side: int, lots: int, counts: bool) -> None:
        if side == 0:
            self._left(AUCTION, counts)
            return
        self.aggressors.add(order)
        if self.taking == (side, order):
            self.taken += lots if self.taken else 0
            return
        if self.taken:
            self.watcher.took(self.taken)
        self.taking, self.taken = (side, order), 0
        if not counts:
            return
        if self.book.usable():
            self.watcher.market(self.book, self.ns, side)
            self.taken = lots
        else:
            self._left(UNUSABLE, counts)

    def _change(self, order: int, side: int, price: int, lots: int, kind: int, counts: bool) -> None:
        """ADD, CANCEL, AMEND or FILL."""
        book, stood, usable = self.book, self.book.orders.get(order), self.book.usable()
        if kind == _AMEND and stood is not None and price == stood[1] and lots <= stood[2]:
            if lots < stood[2]:
                self._left(SMALLER, counts)
                book.take(order, stood[2] - lots)
            return
        if kind in (_CANCEL, _AMEND) and stood is not None:
            if kind == _CANCEL and lots < stood[2]:
                self._left(AGGRESSOR if order in self.aggressors else SMALLER, counts)
            elif order in self.aggressors:
                self._left(AGGRESSOR, counts)
            elif counts and usable:
                self.watcher.cancel(book, self.ns, stood[0], stood[1], stood[2])
            else:
                self._left(UNUSABLE, counts)
            book.take(order, stood[2] if kind == _AMEND else min(lots, stood[2]))
        elif kind == _FILL and stood is not None:
            book.take(order, min(lots, stood[2]))
        if kind in (_ADD, _AMEND):
            best = book.best(-side)
            if best is None or not (counts and usable):
                self._left(UNUSABLE, counts)
            elif side * (price - best) >= 0:
                self._left(CROSSED, counts)
            else:
                self.watcher.limit(book, self.ns, side, price, lots)
            book.put(order, side, price, lots)
