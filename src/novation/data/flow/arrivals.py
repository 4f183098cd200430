"""Orders that some records show across the other side's best until their trades are told, held back until then.

At most exchanges an arriving order trades before anything of it rests. A stream that tells the arrival first, and its
trades and what they took off it later in the same event (Bitstamp's, `order_events`), shows a crossed book meanwhile,
and a replay beside it would let the arriving order trade with whom it had no lots left for. Held back, such an order is
an aggressor and nothing else until its event ends; what is left of it then joins the end of its queue.
"""

from __future__ import annotations

import numpy as np

from novation.data.flow.recorded import Flow, Row, rows_of
from novation.data.flow.resting import Resting
from novation.domain.flow import LAST, FlowKind

_CLEAR, _ADD, _CANCEL = int(FlowKind.CLEAR), int(FlowKind.ADD), int(FlowKind.CANCEL)
_AMEND, _FILL, _TRADE = int(FlowKind.AMEND), int(FlowKind.FILL), int(FlowKind.TRADE)


def hold_arrivals(flow: Flow) -> Flow:
    """The flow with each ADD or moving AMEND that crosses the other side's best put at the end of its event.

    What is taken off such an order before then is taken off what joins, and has no row; so is a FILL, unless nobody of
    the other side is left for it: then it rests already, and joins just ahead. Trades stay as they are.

    >>> from decimal import Decimal
    >>> rows = [(0, 0, 1, 10, 5, 2, -1, 1), (1, 1, 2, 11, 8, 2, 1, 0), (2, 2, 2, 10, 5, 6, 1, 0)]
    >>> rows += [(2, 2, 1, 10, 5, 5, -1, 0), (3, 3, 2, 11, 5, 3, 1, 1)]
    >>> flow = Flow(rows_of(rows), Decimal(1), Decimal(1), "orders", "doc", np.arange(5))
    >>> held = hold_arrivals(flow).rows
    >>> held["kind"].tolist(), held["lots"].tolist(), held["ts_ns"].tolist(), held["flags"].tolist()
    ([2, 6, 5, 2], [5, 5, 5, 3], [0, 2, 2, 3], [1, 0, 0, 1])
    """
    return _Pass(flow).run()


class _Pass:
    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.book = Resting()
        self.held: dict[int, tuple[list[int], int]] = {}  # id -> its ADD as it is by now, and the record of that
        self.rows: list[Row] = []
        self.records: list[int] = []

    def run(self) -> Flow:
        """One pass over all rows."""
        event = 0  # the first kept row of this event
        for row, record in zip(self.flow.rows.tolist(), self.flow.records.tolist(), strict=True):
            self._take(row, record)
            if row[7] & LAST:
                for order in list(self.held):
                    self._join(order, row[0], row[1])
                if len(self.rows) > event:
                    self.rows[-1] = (*self.rows[-1][:7], self.rows[-1][7] | LAST)
                event = len(self.rows)
        for order in list(self.held):  # a record that ends within an event
            self._join(order, row[0], row[1])
        return self.flow.with_rows(rows_of(self.rows), np.array(self.records, dtype=np.int64), {})

    def _take(self, row: Row, record: int) -> None:
        ts_ns, local_ns, order, price, lots, kind, side, flags = row
        if kind == _CLEAR:
            self.book.clear()
            self.held.clear()
        elif order in self.held and kind != _TRADE:
            told = self.held[order][0]
            if kind == _AMEND:
                told[3:5] = price, lots
            elif kind == _CANCEL or (kind == _FILL and self._crosses(side, told[3])):
                told[4] -= lots
                if told[4] <= 0:
                    del self.held[order]
                return
            if kind != _FILL:
                return
            self._join(order, ts_ns, local_ns)
        stood = self.book.orders.get(order)
        if kind in (_ADD, _AMEND):
            crosses = self._crosses(side, price) and (stood is None or stood[1] != price)
            if stood is not None and (kind == _ADD or crosses or stood[1] != price):
                self.book.drop(order)
            if crosses:
                if stood is not None:  # it leaves where it stood, and comes back when its event ends
                    self._keep((ts_ns, local_ns, order, stood[1], stood[2], _CANCEL, side, 0), record)
                self.held[order] = (list(row), record)
                return
            self.book.put(order, side, price, lots, 0)
        elif kind in (_CANCEL, _FILL) and stood is not None:
            stood[2] -= lots
            if stood[2] <= 0:
                self.book.drop(order)
        self._keep((*row[:7], flags & ~LAST), record)

    def _crosses(self, side: int, price: int) -> bool:
        best = self.book.best(-side)
        return best is not None and side * (price - best) >= 0

    def _join(self, order: int, ts_ns: int, local_ns: int) -> None:
        told, record = self.held.pop(order)
        _, _, _, price, lots, _, side, flags = told
        self.book.put(order, side, price, lots, 0)
        self._keep((ts_ns, local_ns, order, price, lots, _ADD, side, flags & ~LAST), record)

    def _keep(self, row: Row, record: int) -> None:
        self.rows.append(row)
        self.records.append(record)
