"""Recorded order flow: one row per thing that happened in one instrument's book at an exchange.

Rows stand in the order in which the exchange did them. `FlowKind` says what happened:

    CLEAR    the book is emptied
    ADD      `order` of `side` joins the end of the queue at `price_ticks` with `lots`
    CANCEL   `lots` are taken off `order`; without lots left it is gone
    AMEND    `order` stands at `price_ticks` with `lots` now; it goes to the end of the queue if its price changed or
             its lots grew, and keeps its place otherwise
    FILL     resting `order` of `side` traded `lots`; without lots left it is gone. `price_ticks` is what it traded at,
             which after an auction is not where it stood
    TRADE    an aggressor of `side` (0: none, as in an auction) traded `lots` at `price_ticks`. It stands before the
             fills or levels it brought and moves nothing by itself
    LEVEL    level data: `side` shows `lots` in total at `price_ticks`; 0: the level is gone
    TOP      level data: the best of `side` is `lots` at `price_ticks`; a statement to check against, not a change

An order that trades as it arrives or is amended is an aggressor and has no FILL: what it lost, where it is in the
book at all, is a CANCEL or an AMEND.

A flow is of orders (CLEAR, ADD, CANCEL, AMEND, FILL, TRADE) or of levels (CLEAR, LEVEL, TOP, TRADE), never of both.

`ts_ns` is the exchange's time and never goes back from row to row; `local_ns` is when the recorder received the row,
which is `ts_ns` where it is not known. `order` is the source's id until `data.flow.dense_orders` hands out slots; 0
on rows of no order. `side` is +1 for bid and buy, -1 for ask and sell. `price_ticks` may be negative. `flags` is a
sum of

    LAST      the exchange event ends here: the book is consistent after this row
    SNAPSHOT  the row tells what stood, not what happened then

In level data each message of a source is an event, so a trade or a best price ends one of its own; the levels that a
trade took come in a later one.

An array of this dtype is what is stored; fields are appended, never reused.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class FlowKind(IntEnum):
    """What happened; the module's docstring says what each means."""

    CLEAR = 1
    ADD = 2
    CANCEL = 3
    AMEND = 4
    FILL = 5
    TRADE = 6
    LEVEL = 7
    TOP = 8


#: Bits of `flags`.
LAST = 1
SNAPSHOT = 2

FLOW_SCHEMA = 1
#: 48 bytes a row. Kind, side and flags are narrow: a day of a busy contract has tens of millions of rows.
FLOW_DTYPE = np.dtype(
    [
        ("ts_ns", np.int64),
        ("local_ns", np.int64),
        ("order", np.int64),
        ("price_ticks", np.int64),
        ("lots", np.int64),
        ("kind", np.int16),
        ("side", np.int16),
        ("flags", np.int32),
    ]
)
