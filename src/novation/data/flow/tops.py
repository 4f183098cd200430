"""Best prices as the only levels there are: what a recording without depth knows of a book."""

from __future__ import annotations

import numpy as np

from novation.data.flow.recorded import Array, Flow
from novation.domain.flow import LAST, FlowKind


def levels_of_tops(flow: Flow) -> Flow:
    """A flow of levels whose TOP rows have become LEVEL rows: the best of a side is all that it shows, and takes the
    place of the one before. Behind it nobody is known to stand, so a taker of more finds no one; an order of ours that
    stands beyond it has nobody ahead of it.
    """
    rows = flow.rows
    top = rows["kind"] == FlowKind.TOP
    goes = np.zeros(len(rows), bool)
    before = np.zeros(len(rows), np.int64)
    for side in (1, -1):
        at = np.flatnonzero(top & (rows["side"] == side))
        moved = np.flatnonzero(np.diff(rows["price_ticks"][at])) + 1
        goes[at[moved]] = True
        before[at[moved]] = rows["price_ticks"][at[moved - 1]]
    index = np.repeat(np.arange(len(rows)), 1 + goes)
    found: Array = rows[index]
    found["kind"][top[index]] = FlowKind.LEVEL
    first = np.flatnonzero(goes) + np.arange(int(goes.sum()))
    found["price_ticks"][first], found["lots"][first] = before[goes], 0
    found["flags"][first] &= ~LAST
    return flow.with_rows(found, flow.records[index], {})
