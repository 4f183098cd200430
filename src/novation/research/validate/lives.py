"""What became of the orders of a recorded flow, and which of them can be taken out of it and sent again.

A *life* begins at an ADD and ends where the order is gone, or at an AMEND that takes its place away (another price, or
more lots): what goes on from there is a new order, which is not followed. Fewer lots at the same price keep the life. A
further part of an iceberg is an ADD, so a life of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from novation.data.flow import Flow
from novation.data.flow.recorded import Array
from novation.data.flow.resting import Resting
from novation.domain.flow import SNAPSHOT, FlowKind

_CLEAR, _ADD, _CANCEL, _AMEND, _FILL, _TRADE = (
    int(FlowKind[name]) for name in ("CLEAR", "ADD", "CANCEL", "AMEND", "FILL", "TRADE")
)

#: Why an order is no candidate, in the order in which it is asked.
EARLY = "stood before the market was open, or came in a snapshot"
CROSSED = "came across the other side's best"
AGGRESSOR = "traded as an aggressor while it stood"
UNKNOWN = "still stood at the end, or when the book was emptied"
LARGE = "too large to be held"
BELOW = "at a price of zero or below, where the exchange takes no order"

_MOST_VALUE = 1 << 56


@dataclass
class Life:
    """One order of the record. Rows count from 0 in the flow; -1: none."""

    order: int  #: the source's id
    side: int
    price_ticks: int
    lots: int
    added: int  #: the row of its ADD
    left: int = 0  #: lots that the record still has of it
    gone: int = -1  #: the row after which it has no lots, or of the AMEND that moved it
    moved: bool = False  #: whether that is an AMEND, after which the order goes on elsewhere
    fills: list[tuple[int, int, int]] = field(default_factory=list)  #: row, lots, price_ticks
    cuts: list[tuple[int, int]] = field(default_factory=list)  #: row, lots taken off it at its place by its owner
    rows: list[int] = field(default_factory=list)  #: all rows of it, the AMEND that moved it left out
    refused: str = ""  #: why it is no candidate

    @property
    def filled(self) -> int:
        """Lots of it that traded."""
        return sum(lots for _, lots, _ in self.fills)

    @property
    def filled_whole(self) -> bool:
        """Whether its last lot left by a trade."""
        return bool(self.fills) and self.fills[-1][0] == self.gone and not self.moved


def lives_of(flow: Flow, *, open_from_ns: int = 0) -> list[Life]:
    """Every life of a flow of orders, by its first row; `refused` says which cannot be sent again, and why."""
    names = ("order", "price_ticks", "lots", "kind", "side", "flags", "ts_ns")
    columns = zip(*(flow.rows[name].tolist() for name in names), strict=True)
    lives: list[Life] = []
    standing: dict[int, Life] = {}
    book = Resting()
    for row, (order, price, lots, kind, side, flags, ts_ns) in enumerate(columns):
        life = standing.get(order)
        if kind == _TRADE:
            if life is not None and not life.refused:
                life.refused = AGGRESSOR
        elif kind == _CLEAR:
            standing.clear()
            book.clear()
        elif kind == _AMEND and life is not None and price == life.price_ticks and lots <= life.left:
            life.rows.append(row)
            life.cuts += [(row, life.left - lots)] if lots < life.left else []
            life.left = lots
        elif kind in (_ADD, _AMEND):
            if life is not None:  # it stands elsewhere from now on
                life.gone, life.moved = row, True
                book.drop(order)
            best = book.best(-side)
            life = standing[order] = Life(order, side, price, lots, row, lots, rows=[row])
            if kind == _ADD:
                lives.append(life)
            if ts_ns < open_from_ns or flags & SNAPSHOT:
                life.refused = EARLY
            elif best is not None and side * (price - best) >= 0:
                life.refused = CROSSED
            elif abs(price) * lots >= _MOST_VALUE:
                life.refused = LARGE
            elif price <= 0:
                life.refused = BELOW
            book.put(order, side, price, lots, row)
        elif life is not None:
            life.rows.append(row)
            life.left -= lots
            if kind == _FILL:
                life.fills.append((row, lots, price))
            else:
                life.cuts.append((row, lots))
            if life.left <= 0:
                life.gone = row
                del standing[order]
                book.drop(order)
    for life in lives:
        if life.gone < 0 and not life.refused:
            life.refused = UNKNOWN
    return lives


def drawn(candidates: Sequence[Life], orders: int | None, seed: int) -> list[Life]:
    """So many of the candidates, all of them with None, each as likely as another; by their first row."""
    if orders is None or orders >= len(candidates):
        return list(candidates)
    chosen = np.random.default_rng(seed).choice(len(candidates), orders, replace=False)
    return [candidates[i] for i in sorted(chosen.tolist())]


def last_rows(flow: Flow, lives: Iterable[Life], patience_ns: int) -> dict[int, int]:
    """For each life, by its first row, the row ahead of which its ghost is called back if it still stands.

    Where the owner took it back: that row. Where it was filled whole: the first row later than `patience_ns` after it.
    """
    ts_ns = flow.rows["ts_ns"]
    ends = {}
    for life in lives:
        until = life.gone
        if life.filled_whole:
            until = int(np.searchsorted(ts_ns, int(ts_ns[life.gone]) + patience_ns, side="right"))
        ends[life.added] = until
    return ends


def batches_of(lives: Sequence[Life], ends: dict[int, int], together: int) -> list[list[Life]]:
    """The lives in groups, each life in the first where it has room: no two of one group rest at the same price at the
    same time, and no more than so many of it rest together, so that a group is little of the book."""
    batches: list[list[Life]] = []
    standing: list[list[tuple[int, int]]] = []  # of each group a heap: the last row of who rests, and the price
    for life in lives:
        for k in range(len(batches) + 1):
            if k == len(batches):
                batches.append([])
                standing.append([])
            there = standing[k]
            while there and there[0][0] < life.added:
                heappop(there)
            if len(there) < together and all(price != life.price_ticks for _, price in there):
                heappush(there, (ends[life.added], life.price_ticks))
                batches[k].append(life)
                break
    return batches


def without(rows: Array, lives: Iterable[Life]) -> tuple[Array, Array]:
    """The rows of a flow without those lives, and the number that each row had.

    An AMEND that moved one of them is the ADD of what goes on.
    """
    kept = np.ones(len(rows), dtype=bool)
    rest = rows.copy()
    for life in lives:
        kept[life.rows] = False
        if life.moved:
            rest["kind"][life.gone] = _ADD
    return rest[kept], np.flatnonzero(kept)
