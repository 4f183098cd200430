"""Feeds that cannot be: found, named, and on request mended by a stated rule.

Each name below is a key of `Flow.repairs`. Without `repair=True` the first case found raises DataError, naming the
record.

    time goes back      a row is earlier than the one before                it takes the time of the one before
    no size             ADD, CANCEL, FILL, TRADE of no lots, LEVEL < 0      the row is dropped, AMEND to none a CANCEL
    added twice         ADD of an order that rests                          the one that rests is cancelled before
    unknown order       CANCEL, FILL of an order that does not rest         the row is dropped
    unknown amended     AMEND of an order that does not rest                it is an ADD: the row says all of the order
    more than rests     CANCEL, FILL of more lots than rest                 it is of what rests
    other side          a row names the other side than its order           the order's side is right
    crossed             best bid >= best ask after an event, market open    the best that has stood longer goes
    traded through      a trade beyond a price that stood and stands        what stood there goes

An event ends at LAST. A trade has gone through the book if prices better for its aggressor rest after its event and
did so before it. In level data trades and levels are told apart, so a trade is judged at the end of the first event
that is later than it, by the levels that no row has told since the trade.

Not found here: a gap in a sequence, which only the reader of a numbered format sees; an order that is missing and never
told of again.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from novation.data.flow.recorded import Flow, OpenSpans, rows_of
from novation.data.flow.resting import Resting
from novation.domain.errors import InvalidInput
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.units import iso

#: A row as a list, in the order of FLOW_DTYPE, and where its parts stand.
Row = list[int]
_TS, _ORDER, _PRICE, _LOTS, _KIND, _SIDE, _FLAGS = 0, 2, 3, 4, 5, 6, 7

_CLEAR, _ADD, _CANCEL, _AMEND = (int(k) for k in (FlowKind.CLEAR, FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND))
_FILL, _TRADE, _LEVEL, _TOP = (int(k) for k in (FlowKind.FILL, FlowKind.TRADE, FlowKind.LEVEL, FlowKind.TOP))
_HINT = "Pass repair=True to mend it by the rules of `check`."


def check(flow: Flow, *, repair: bool = False, open_spans: OpenSpans | None = None) -> Flow:
    """The flow if it can have happened, else DataError; with `repair` a mended copy whose `repairs` count each rule.

    open_spans: half-open spans [start_ns, end_ns) in which the market matches orders; outside a crossed book is no
    error.
        Left out: it is always open.

    >>> from decimal import Decimal
    >>> rows = rows_of([(0, 0, 7, 10, 1, 3, 1, 1)])  # an order is cancelled that never came
    >>> flow = Flow(rows, Decimal(1), Decimal(1), "orders", "doc", np.array([1]))
    >>> check(flow)
    Traceback (most recent call last):
    novation.domain.errors.DataError: doc record 1 (row 1): takes lots off an order that does not rest (found 7). Pass \
repair=True to mend it by the rules of `check`.
    >>> check(flow, repair=True).repairs
    {'unknown order': 1}
    """
    return _Walk(flow, repair, open_spans).run()


class _Walk:
    """One pass over the rows beside a book of what rests.

    A level is kept as an order whose id is made of its side and price, so that both kinds of flow share the book.
    """

    def __init__(self, flow: Flow, repair: bool, open_spans: OpenSpans | None) -> None:
        self.flow, self.repair = flow, repair
        self.levels = flow.kind == "levels"
        self.spans = None if open_spans is None else sorted(open_spans)
        self.starts = [start for start, _ in self.spans or ()]
        for start, end in self.spans or ():
            if start >= end:
                raise InvalidInput("a span ends before it begins", source="open_spans", value=(start, end))
        self.repairs: dict[str, int] = {}
        self.clock = -(1 << 63)
        self.event_start = 0  # first row of the event under way
        self.book = Resting()
        self.levels_told = False  # whether the event under way tells levels: only such events judge levels
        self.trades: list[tuple[int, int, int, int]] = []  # time, side, price, row of those not yet judged
        self.told: set[int] = set()  # levels told since the first of them
        self.out: list[tuple[int, ...]] = []
        self.out_rows: list[int] = []
        self.kept_from = 0  # where the event under way begins in `out`
        self.steps = {
            _ADD: self.add,
            _CANCEL: self.reduce,
            _FILL: self.reduce,
            _AMEND: self.amend,
            _TRADE: self.trade,
            _LEVEL: self.level,
        }

    def run(self) -> Flow:
        """Walk all rows."""
        steps, repair = self.steps, self.repair
        for i, row in enumerate(self.flow.rows.tolist()):
            row = list(row)
            if row[_TS] < self.clock:
                row[_TS] = self.backwards(i, row)
            self.clock = row[_TS]
            kind = row[_KIND]
            if kind in steps and kind != _TRADE and row[_SIDE] not in (1, -1):
                self.flow.fail("names neither a bid (1) nor an ask (-1)", i, value=row[_SIDE])
            kept: list[Row] = [row]
            if kind in steps:
                kept = steps[kind](i, row)
            elif kind == _CLEAR:
                self.book.clear()
                self.trades.clear()
                self.told.clear()
            elif kind != _TOP:
                self.flow.fail("is of no kind of `FlowKind`", i, value=kind)
            more = self.end_event(i, row) if row[_FLAGS] & LAST else []
            if repair:
                self.keep(i, kept, more, row[_FLAGS])
        if not self.repairs:
            return self.flow
        records = self.flow.records[np.array(self.out_rows, dtype=np.int64)]
        return self.flow.with_rows(rows_of(self.out), records, self.repairs)

    def keep(self, i: int, kept: list[Row], more: list[Row], flags: int) -> None:
        """Put down the rows that come of one, LAST on the last of its event alone."""
        last = flags & LAST
        put = kept + more
        if last and put:
            for row in put[:-1]:
                row[_FLAGS] &= ~LAST
            put[-1][_FLAGS] |= LAST
        self.out += map(tuple, put)
        self.out_rows += [i] * len(put)
        if last:
            if not put and len(self.out) > self.kept_from:  # the row that ended the event was dropped
                end = list(self.out[-1])
                end[_FLAGS] |= LAST
                self.out[-1] = tuple(end)
            self.kept_from = len(self.out)

    def wrong(self, rule: str, problem: str, i: int, value: Any, hint: str = _HINT) -> None:
        """Raise, or count the repair that the caller makes."""
        if not self.repair:
            self.flow.fail(problem, i, value=value, hint=hint)
        self.repairs[rule] = self.repairs.get(rule, 0) + 1

    # ------------------------------------------------------------ rows

    def backwards(self, i: int, row: Row) -> int:
        problem = f"is at {iso(row[_TS])}, before the row ahead of it"
        self.wrong("time goes back", problem, i, row[_ORDER] or None)
        return self.clock

    def sized(self, i: int, row: Row) -> bool:
        if row[_LOTS] > 0:
            return True
        self.wrong("no size", f"{FlowKind(row[_KIND]).name} of no size", i, row[_LOTS])
        return False

    def add(self, i: int, row: Row) -> list[Row]:
        if not self.sized(i, row):
            return []
        kept = [row]
        if row[_ORDER] in self.book.orders:
            self.wrong("added twice", "adds an order that rests", i, row[_ORDER])
            kept = [self.taken_off(row[_ORDER], row), row]
        self.book.put(row[_ORDER], row[_SIDE], row[_PRICE], row[_LOTS], i)
        return kept

    def reduce(self, i: int, row: Row) -> list[Row]:
        order = self.book.orders.get(row[_ORDER])
        if order is None:
            self.wrong("unknown order", "takes lots off an order that does not rest", i, row[_ORDER])
            return []
        if not self.sized(i, row):
            return []
        self.same_side(i, row, order)
        if row[_LOTS] > order[2]:
            problem = f"takes {row[_LOTS]:,} lots off an order of {order[2]:,}"
            self.wrong("more than rests", problem, i, row[_ORDER])
            row[_LOTS] = order[2]
        if row[_LOTS] == order[2]:
            self.book.drop(row[_ORDER])
        else:
            order[2] -= row[_LOTS]
        return [row]

    def amend(self, i: int, row: Row) -> list[Row]:
        order = self.book.orders.get(row[_ORDER])
        if row[_LOTS] <= 0:
            self.wrong("no size", "AMEND to no size", i, row[_LOTS])
            return [] if order is None else [self.taken_off(row[_ORDER], row)]
        if order is None:
            self.wrong("unknown amended", "amends an order that does not rest", i, row[_ORDER])
            row[_KIND] = _ADD
        else:
            self.same_side(i, row, order)
            if row[_PRICE] == order[1] and row[_LOTS] <= order[2]:
                order[2] = row[_LOTS]
                return [row]
            self.book.drop(row[_ORDER])
        self.book.put(row[_ORDER], row[_SIDE], row[_PRICE], row[_LOTS], i)
        return [row]

    def same_side(self, i: int, row: Row, order: Row) -> None:
        if row[_SIDE] != order[0]:
            self.wrong("other side", "names the other side than its order", i, row[_ORDER])
            row[_SIDE] = order[0]

    def trade(self, i: int, row: Row) -> list[Row]:
        if not self.sized(i, row):
            return []
        if row[_SIDE]:
            self.trades.append((row[_TS], row[_SIDE], row[_PRICE], i))
        return [row]

    def level(self, i: int, row: Row) -> list[Row]:
        if row[_LOTS] < 0:
            self.wrong("no size", "LEVEL of a size below zero", i, row[_LOTS])
            return []
        id = _level_id(row[_SIDE], row[_PRICE])
        self.levels_told = True
        if self.trades:
            self.told.add(id)
        if row[_LOTS]:
            self.book.put(id, row[_SIDE], row[_PRICE], row[_LOTS], i)
        elif id in self.book.orders:
            self.book.drop(id)
        return [row]

    def taken_off(self, id: int, cause: Row) -> Row:
        """Take an order or level out of the book: the row that says so, at the time of the row that caused it."""
        side, price, lots, _ = self.book.orders[id]
        self.book.drop(id)
        row = list(cause)
        row[_PRICE], row[_SIDE], row[_FLAGS] = price, side, cause[_FLAGS] & ~(LAST | SNAPSHOT)
        if self.levels:
            row[_ORDER], row[_LOTS], row[_KIND] = 0, 0, _LEVEL
        else:
            row[_ORDER], row[_LOTS], row[_KIND] = id, lots, _CANCEL
        return row

    # ------------------------------------------------------------ the end of an event

    def end_event(self, i: int, row: Row) -> list[Row]:
        more: list[Row] = []
        if self.levels and not self.levels_told:
            return more
        self.levels_told = False
        if self.trades:
            self.judge_trades(i, row, more)
        while (prices := self.book.crossed()) and self.is_open(row[_TS]):
            problem = f"leaves the book crossed: bid {prices[0]:,} ticks, ask {prices[1]:,} ticks"
            hint = f"{_HINT} If the market was not open then, say when it was: open_spans=[(start_ns, end_ns)]."
            self.wrong("crossed", problem, i, row[_ORDER] or None, hint)
            more += [self.taken_off(id, row) for id in self.book.longer_there(*prices)]
        self.event_start = i + 1
        return more

    def is_open(self, ts_ns: int) -> bool:
        if self.spans is None:
            return True
        at = bisect_right(self.starts, ts_ns) - 1
        return at >= 0 and ts_ns < self.spans[at][1]

    def judge_trades(self, i: int, row: Row, more: list[Row]) -> None:
        """Look for what still stands and should have traded before the trades of this event."""
        if self.levels:
            judged = [trade for trade in self.trades if trade[0] < row[_TS]]
        else:
            judged = self.trades
        if not judged:
            return
        for side in (1, -1):
            prices = [price for _, trade_side, price, _ in judged if trade_side == side]
            best = self.book.best(-side)
            if not prices or best is None:
                continue
            worst = max(prices) if side > 0 else min(prices)
            if (worst - best) * side <= 0:
                continue
            stood = [
                id
                for price, ids in self.book.at[-side].items()
                if (worst - price) * side > 0
                for id in ids
                if (id not in self.told if self.levels else self.book.orders[id][3] < self.event_start)
            ]
            if stood:
                price = self.book.orders[min(stood)][1]
                what = f"price {price:,} ticks" if self.levels else f"order {min(stood)} at {price:,} ticks"
                problem = f"trades at {worst:,} ticks through {what}, which stands before and after"
                traded = next(at for _, of, price, at in judged if of == side and price == worst)
                self.wrong("traded through", problem, traded, None)
                more += [self.taken_off(id, row) for id in sorted(stood)]
        self.trades = [trade for trade in self.trades if trade[0] >= row[_TS]] if self.levels else []
        if not self.trades:
            self.told.clear()


def _level_id(side: int, price: int) -> int:
    return price * 2 + (side > 0)
