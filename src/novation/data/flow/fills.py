"""Fills that do not move the book, joined with the changes of the book that they brought.

Databento tells a trade of a resting order twice: as a fill, which changes nothing, and then as the cancel or the
amendment that the fill amounts to. Flows of hftbacktest made from its files do the same. In a flow a FILL moves the
book, so both become one:

    F f, C c    FILL of min(f, c, what was shown); a CANCEL of the rest of c, if any
    F f, M s    less than shown: FILL of f, and an AMEND only where M says other than what f left.
                all that was shown, or more: FILL of that, and an ADD of s: an iceberg shows its next part, behind the
                queue
    F f alone   nothing: the order was not shown, as a market order in an auction
    F f of the order that the trade names as its aggressor (it rested and was amended to trade)
                nothing: it has no FILL, and C or M says what is left of it
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from novation.data.flow.recorded import Array
from novation.domain.flow import LAST, FlowKind

#: Keys of `Flow.left_out`.
UNSEEN = "fills of orders that the book does not show"
HIDDEN = "lots filled beyond what their order showed"
AGGRESSOR = "fills of the aggressor's own order"

_ADD, _CANCEL, _AMEND = int(FlowKind.ADD), int(FlowKind.CANCEL), int(FlowKind.AMEND)
_FILL, _TRADE, _CLEAR = int(FlowKind.FILL), int(FlowKind.TRADE), int(FlowKind.CLEAR)


def join_fills(
    rows: Array, records: Array, left_out: dict[str, int], *, whole_cancels: bool = False
) -> tuple[Array, Array]:
    """Rows and their records with each fill told once; adds to `left_out` what could not be.

    whole_cancels: a CANCEL takes off all of its order, whatever lots it names.

    >>> from novation.data.flow.recorded import rows_of
    >>> rows = rows_of([(0, 0, 7, 10, 5, 2, 1, 1), (1, 1, 7, 10, 2, 5, 1, 0), (1, 1, 7, 10, 3, 4, 1, 1)])
    >>> joined, records = join_fills(rows, np.arange(3), {})
    >>> joined["kind"].tolist(), joined["lots"].tolist(), joined["flags"].tolist()
    ([2, 5], [5, 2], [1, 1])
    """
    if not whole_cancels and not (rows["kind"] == _FILL).any():
        return rows, records
    rows = rows.copy()
    dropped = np.zeros(len(rows), dtype=bool)
    shown: dict[int, list[int]] = {}  # order -> [price, lots]
    kinds, orders, prices, lots = (rows[name].tolist() for name in ("kind", "order", "price_ticks", "lots"))
    start = 0
    ends = np.flatnonzero((rows["flags"] & LAST) != 0).tolist()
    filled = np.flatnonzero(rows["kind"] == _FILL)
    at_fill = 0
    for end in [*ends, len(rows) - 1]:
        event = range(start, end + 1)
        start = end + 1
        if at_fill < len(filled) and filled[at_fill] <= end:
            at_fill = int(np.searchsorted(filled, end, side="right"))
            _join(rows, event, shown, dropped, left_out, whole_cancels)
            continue
        for i in event:
            kind = kinds[i]
            if kind in (_ADD, _AMEND):
                shown[orders[i]] = [prices[i], lots[i]]
            elif kind == _CANCEL:
                if whole_cancels and orders[i] in shown:
                    lots[i] = rows["lots"][i] = shown[orders[i]][1]
                _take(shown, orders[i], lots[i])
            elif kind == _CLEAR:
                shown.clear()
    _hand_on_ends(rows, dropped)
    return rows[~dropped], records[~dropped]


def _take(shown: dict[int, list[int]], order: int, lots: int) -> None:
    left = shown.get(order)
    if left is not None:
        left[1] -= lots
        if left[1] <= 0:
            del shown[order]


def _join(
    rows: Array,
    event: Iterable[int],
    shown: dict[int, list[int]],
    dropped: Array,
    left_out: dict[str, int],
    whole_cancels: bool,
) -> None:
    """One event with fills."""
    told = [(i, *(int(rows[name][i]) for name in ("kind", "order", "price_ticks", "lots", "side"))) for i in event]
    changes: dict[int, list[tuple[int, int, int]]] = {}  # of each order, its cancels and amendments, last first
    for i, kind, order, _, _, side in reversed(told):
        if kind in (_CANCEL, _AMEND):
            changes.setdefault(order, []).append((i, kind, side))
    aggressors = {order for _, kind, order, _, _, _ in told if kind == _TRADE and order}
    filled: set[int] = set()  # orders with a fill whose change is still to come
    for i, kind, order, price, lots, _ in told:
        if kind == _CLEAR:
            shown.clear()
        elif kind == _ADD:
            shown[order] = [price, lots]
        elif kind == _FILL:
            if order in aggressors or not changes.get(order):
                dropped[i] = True
                why = AGGRESSOR if order in aggressors else UNSEEN
                left_out[why] = left_out.get(why, 0) + 1
                continue
            row, change_kind, side = changes[order][-1]
            rows["side"][i] = side
            before = shown.get(order)
            if before is None:
                if order in filled:  # all that was shown is gone: this part was hidden
                    dropped[i] = True
                    left_out[HIDDEN] = left_out.get(HIDDEN, 0) + lots
                continue  # else `check` names it
            fits = min(lots, before[1])
            if change_kind == _CANCEL:
                if whole_cancels and order not in filled:
                    rows["lots"][row] = before[1]
                fits = min(fits, int(rows["lots"][row]))
                rows["lots"][row] -= fits
                dropped[row] = rows["lots"][row] == 0
            if lots > fits:
                left_out[HIDDEN] = left_out.get(HIDDEN, 0) + lots - fits
            rows["lots"][i] = fits
            dropped[i] = fits == 0
            filled.add(order)
            _take(shown, order, fits)
        elif kind == _CANCEL:
            if whole_cancels and order in shown:
                rows["lots"][i] = shown[order][1]
            _take(shown, order, int(rows["lots"][i]))
            changes[order].pop()
            filled.discard(order)
        elif kind == _AMEND:
            before = shown.get(order)
            changes[order].pop()
            if order in filled and before is None:
                rows["kind"][i] = _ADD
            elif order in filled:
                dropped[i] = before == [price, lots]
            shown[order] = [price, lots]
            filled.discard(order)


def _hand_on_ends(rows: Array, dropped: Array) -> None:
    """A dropped row that ended its event hands that on to the last kept row of the same event, if there is one."""
    ends = (rows["flags"] & LAST) != 0
    event = np.cumsum(np.append(0, ends[:-1]))
    kept = np.flatnonzero(~dropped)
    if not len(kept):
        return
    lost = np.flatnonzero(dropped & ends)
    before = np.maximum(np.searchsorted(kept, lost) - 1, 0)
    there = event[kept[before]] == event[lost]
    rows["flags"][kept[before[there]]] |= LAST
