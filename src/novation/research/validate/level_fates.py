"""What level data would have said became of the ghosts: totals of each price, and trades.

The totals are those of the record without the orders taken out, told after each row. A ghost joins the end of its
level: all that it shows is ahead. A trade at its price takes what is ahead first, then the ghost, then what is behind;
a decrease within the same event is the trade's as far as its lots go, and any other is a cancel, of which a model of
`rules.queue_position` says how much was ahead. A trade beyond the price fills whole, and what the other side shows at
the price or beyond it when an event is over fills as far as its lots go. Two judges ask for trades alone: *touch* is
filled whole by the first trade at the price or beyond it, *through* by the first one beyond it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from novation.data.flow import Flow
from novation.domain.enums import QueueModel
from novation.domain.flow import LAST, FlowKind
from novation.research.validate.lives import Life, without
from novation.rules.queue_position import MICRO, lost_ahead

_CLEAR, _ADD, _AMEND, _TRADE = (int(FlowKind[name]) for name in ("CLEAR", "ADD", "AMEND", "TRADE"))

TOUCH, THROUGH = "touch", "through"
#: The judges by level data, in the order of the report.
JUDGES = (*(model.name.lower() for model in QueueModel), TOUCH, THROUGH)

#: Row, lots, price_ticks of a fill.
Fill = tuple[int, int, int]


@dataclass
class _Judge:
    """Where one judge believes a ghost to be."""

    model: int  #: `QueueModel`; 0: it asks for trades alone
    left: int  #: lots
    ahead: int = 0  #: micro-lots
    unexplained: int = 0  #: micro-lots of this event's trades with others that no decrease has told yet
    fills: list[Fill] = field(default_factory=list)

    def fill(self, row: int, lots: int, price: int) -> None:
        if lots > 0:
            self.left -= lots
            self.fills.append((row, lots, price))


@dataclass
class _Ghost:
    life: Life
    judges: dict[str, _Judge]


class LevelData:
    """One pass over a flow with the ghosts of a batch, no two of which rest at one price at one time."""

    def __init__(self, flow: Flow, batch: Sequence[Life], ends: dict[int, int], *, power: float, unit: int) -> None:
        self.flow, self.power, self.unit = flow, power, unit
        self.batch, self.ends = batch, ends
        self.orders: dict[int, tuple[int, int, int]] = {}  # id -> side, price, lots
        self.totals: dict[tuple[int, int], int] = {}
        self.ghosts: dict[tuple[int, int], _Ghost] = {}
        self.crossing: set[tuple[int, int]] = set()  # levels of this event that came to where a ghost is
        self.reach = {1: -(1 << 62), -1: 1 << 62}  # the best price of the ghosts of a side

    def run(self) -> list[dict[str, list[Fill]]]:
        """For each ghost of the batch the fills by each judge."""
        due: dict[int, list[tuple[int, Life, int]]] = {}
        for life in self.batch:
            due.setdefault(life.added, []).append((2, life, 0))
            due.setdefault(self.ends[life.added], []).append((0, life, 0))
            for row, lots in life.cuts:
                if row < self.ends[life.added]:
                    due.setdefault(row, []).append((1, life, lots))
        judged = {life.added: self._new(life) for life in self.batch}
        rest, numbers = without(self.flow.rows, self.batch)
        names = ("order", "price_ticks", "lots", "kind", "side")
        columns = zip(*(rest[name].tolist() for name in names), strict=True)
        kept = dict(zip(numbers.tolist(), columns, strict=True))
        ends_event = (self.flow.rows["flags"] & LAST != 0).tolist()
        for row in range(len(self.flow.rows)):
            for what, life, lots in sorted(due.get(row, ()), key=lambda one: one[0]):
                self._command(what, judged[life.added], lots)
            if row in kept:
                self._row(row, *kept[row])
            if ends_event[row]:
                self._end_event(row)
        return [{name: judge.fills for name, judge in judged[life.added].judges.items()} for life in self.batch]

    def _new(self, life: Life) -> _Ghost:
        models = {name: int(QueueModel[name.upper()]) if name not in (TOUCH, THROUGH) else 0 for name in JUDGES}
        return _Ghost(life, {name: _Judge(model, life.lots) for name, model in models.items()})

    def _command(self, what: int, ghost: _Ghost, lots: int) -> None:
        """A ghost comes (2), is made smaller (1), or is called back (0)."""
        side, key = ghost.life.side, (ghost.life.side, ghost.life.price_ticks)
        if what == 1:
            for judge in ghost.judges.values():
                judge.left = max(0, judge.left - lots)
            return
        if what == 2:
            self.ghosts[key] = ghost
            for judge in ghost.judges.values():
                judge.ahead = self.totals.get(key, 0) * MICRO
        else:
            del self.ghosts[key]
        prices = [price for one, price in self.ghosts if one == side]
        self.reach[side] = side * max((side * price for price in prices), default=-(1 << 62))

    def _row(self, row: int, order: int, price: int, lots: int, kind: int, side: int) -> None:
        if kind == _TRADE:
            for one in (1, -1):
                if side != one:
                    self._trade(row, one, price, lots)
        elif kind == _CLEAR:
            self.orders.clear()
            self.totals.clear()
            for ghost in self.ghosts.values():
                for judge in ghost.judges.values():
                    judge.ahead = 0
        elif kind == _ADD:
            self.orders[order] = (side, price, lots)
            self._more(row, side, price, lots)
        else:
            side, stood, left = self.orders[order]
            if kind != _AMEND:
                self.orders[order] = (side, stood, left - lots)
                self._less(side, stood, min(lots, left))
                if lots >= left:
                    del self.orders[order]
                return
            self.orders[order] = (side, price, lots)
            if price != stood:
                self._less(side, stood, left)
                self._more(row, side, price, lots)
            elif lots > left:
                self._more(row, side, price, lots - left)
            elif lots < left:
                self._less(side, price, left - lots)

    def _trade(self, row: int, side: int, price: int, lots: int) -> None:
        """An aggressor met orders of a side at a price."""
        if side * (self.reach[side] - price) < 0:
            return
        for ghost in self._reached(side, price):
            own = ghost.life.price_ticks
            for name, judge in ghost.judges.items():
                if own != price or name == TOUCH:
                    judge.fill(row, judge.left, own)
                elif name != THROUGH:
                    ahead = min(judge.ahead, lots * MICRO)
                    judge.ahead -= ahead
                    fill = min(judge.left, lots - -(-ahead // MICRO))
                    judge.fill(row, fill, own)
                    judge.unexplained += (lots - fill) * MICRO

    def _more(self, row: int, side: int, price: int, lots: int) -> None:
        key = side, price
        self.totals[key] = self.totals.get(key, 0) + lots
        if side * (price - self.reach[-side]) < 0:
            return
        self.crossing.add(key)

    def _less(self, side: int, price: int, lots: int) -> None:
        key = side, price
        total = self.totals[key] * MICRO
        self.totals[key] -= lots
        ghost = self.ghosts.get(key)
        if ghost is None:
            return
        for judge in ghost.judges.values():
            traded = min(lots * MICRO, judge.unexplained)
            judge.unexplained -= traded
            left = total - traded
            judge.ahead = min(judge.ahead, left)
            cancelled = lots * MICRO - traded
            if judge.model and cancelled and judge.left:
                back = left - judge.ahead
                judge.ahead -= int(lost_ahead(judge.model, self.power, self.unit, judge.ahead, back, cancelled))

    def _reached(self, side: int, price: int) -> Iterable[_Ghost]:
        """The ghosts of a side that stand at a price or better, the best first."""
        found = [key for key in self.ghosts if key[0] == side and side * (key[1] - price) >= 0]
        return [self.ghosts[key] for key in sorted(found, key=lambda key: -side * key[1])]

    def _end_event(self, row: int) -> None:
        """The book is consistent again: what crosses a ghost now has met it."""
        for side, price in self.crossing:
            lots = self.totals.get((side, price), 0)
            for ghost in self._reached(-side, price):
                for judge in ghost.judges.values():
                    judge.fill(row, min(judge.left, lots) if judge.model else 0, ghost.life.price_ticks)
        self.crossing.clear()
        for ghost in self.ghosts.values():
            for judge in ghost.judges.values():
                judge.unexplained = 0
