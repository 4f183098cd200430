"""Dense numbers for resting orders, so that a table of as many rows as orders ever rest at once holds them all."""

from __future__ import annotations

import numpy as np

from novation.data.flow.recorded import Array
from novation.domain.errors import DataError
from novation.domain.flow import FlowKind

_OF_AN_ORDER = (FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL)


def dense_orders(rows: Array) -> tuple[Array, int]:
    """Replace order ids by slots: (a copy of the rows, how many slots there are). Rows of no order get slot -1.

    A slot is handed out on ADD and again after its order is gone, the one that has been free longest first. There are
    as many slots as orders ever rest at once, which makes the rule short: with N slots, ADD number k >= N takes the
    slot of removal number k - N, whose own order was added before; following that back ends at one of the first N.

    The rows must pass `check`; a row of an order that does not rest raises DataError. Id 7 comes back after it was
    cancelled and gets the one slot again:

    >>> from novation.data.flow.recorded import rows_of
    >>> rows = rows_of([(0, 0, 7, 10, 1, 2, 1, 1), (1, 1, 7, 10, 1, 3, 1, 1), (2, 2, 8, 10, 1, 2, 1, 1)])
    >>> dense, slots = dense_orders(rows)
    >>> dense["order"].tolist(), slots
    ([0, 0, 0], 1)
    """
    dense = rows.copy()
    dense["order"] = -1
    of_order = np.isin(rows["kind"], _OF_AN_ORDER)
    at = np.flatnonzero(of_order)
    if not len(at):
        return dense, 0
    # One order's rows next to each other, each in its time: `line` numbers the rows of the whole flow.
    by_id = np.argsort(rows["order"][at], kind="stable")
    line = at[by_id]
    ids, kinds, lots = rows["order"][line], rows["kind"][line], rows["lots"][line]
    added = kinds == FlowKind.ADD
    life = np.cumsum(added) - 1  # which ADD a row belongs to
    first = np.flatnonzero(added)
    _refuse_strays(rows, line, ids, life, first)
    left = _lots_left(kinds, lots)
    gone = left <= 0
    # The row that removes each order: its first with nothing left, else the next CLEAR, else none.
    length = len(rows)
    removed = np.full(len(first), length, dtype=np.int64)
    np.minimum.at(removed, life[gone], line[gone])
    clears = np.append(np.flatnonzero(rows["kind"] == FlowKind.CLEAR), length)
    np.minimum(removed, clears[np.searchsorted(clears, line[first])], out=removed)
    late = line > removed[life]
    late[first[1:]] |= (ids[first[1:]] == ids[first[:-1]]) & (removed[:-1] >= line[first[1:]])  # added while there
    if late.any():
        raise _stray(rows, int(line[late].min()))
    slot, slots = _slots(line[first], removed, length)
    dense["order"][line] = slot[life]
    return dense, slots


def _lots_left(kinds: Array, lots: Array) -> Array:
    """Lots of the order after each row: what its last ADD or AMEND stated, less what was taken off since."""
    states = (kinds == FlowKind.ADD) | (kinds == FlowKind.AMEND)
    taken = np.cumsum(np.where(states, 0, lots))
    stated_at = np.maximum.accumulate(np.where(states, np.arange(len(kinds)), 0))
    return np.asarray(lots[stated_at] - (taken - taken[stated_at]))


def _refuse_strays(rows: Array, line: Array, ids: Array, life: Array, first: Array) -> None:
    """A row before the first ADD of its id has the life of another id, or none."""
    strays = life < 0
    strays |= ids[first[np.maximum(life, 0)]] != ids if len(first) else True
    if strays.any():
        raise _stray(rows, int(line[strays].min()))


def _stray(rows: Array, row: int) -> DataError:
    return DataError(
        "is of an order that does not rest, or adds one that does",
        where=f"row {row + 1:,}",
        value=int(rows["order"][row]),
        hint="Pass the flow through check(flow, repair=True) first.",
    )


def _slots(added: Array, removed: Array, length: int) -> tuple[Array, int]:
    """Slot of each life, given the rows that add and remove it (`length`: never removed), and how many there are."""
    count = len(added)
    in_time = np.argsort(added, kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[in_time] = np.arange(count)
    # Removals in their order; those of one CLEAR in the order in which the orders came.
    ended = np.lexsort((added, removed))
    ended = ended[removed[ended] < length]
    resting = np.arange(1, count + 1) - np.searchsorted(removed[ended], added[in_time], side="right")
    slots = int(resting.max())
    origin = np.arange(count)
    reused = count - slots
    origin[slots:] = rank[ended[:reused]]
    while (origin >= slots).any():  # each pass doubles how far back one looks
        origin = origin[origin]
    return origin[rank], slots
