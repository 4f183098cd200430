"""Event arrays of hftbacktest 2.x (`.npz`, `.npy`), by level or by order, and its arrays of order latencies.

Source: hftbacktest 2.4.4, `types.py` (layout, flags), docs.rs/hftbacktest `types` (what an event means), and for what
the documentation leaves open its exchange models. One event is ev, exch_ts, local_ts, px, qty, order_id, ival, fval;
the low byte of `ev` is the kind, its high bits say side and who is to see it.

An event that only the local side sees (LOCAL_EVENT without EXCH_EVENT) is the second telling of one that the exchange
saw earlier; those are left out and counted, so the rows stand in the exchange's order with the local time of each.
Kinds of 100 and above are the user's own and left out too.

By level, DEPTH_CLEAR of a side empties it from the best to px (not a number: all of it); it is told as levels of 0.
Rows of one exchange and local time are an event, each trade is one of its own. By order, CANCEL takes off the whole
order and FILL moves nothing by itself: what it brought follows as CANCEL or MODIFY (`fills`); rows of one exchange
time are an event.

Prices and sizes are float64 in these files, read by their shortest decimal.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from novation.data.flow.check import check
from novation.data.flow.fills import join_fills
from novation.data.flow.recorded import (
    Array,
    Flow,
    OpenSpans,
    end_events,
    existing,
    flow_rows,
    grid,
    steps_of_floats,
)
from novation.domain.errors import DataError
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.latency import Delay
from novation.domain.units import Number

_EXCHANGE, _LOCAL, _BUY, _SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_KIND = 0xFF
_DEPTH, _TRADE, _CLEAR, _SNAPSHOT, _BEST = 1, 2, 3, 4, 5
_ADD, _CANCEL, _MODIFY, _FILL = 10, 11, 12, 13
_OF_ORDERS = {_ADD: FlowKind.ADD, _CANCEL: FlowKind.CANCEL, _MODIFY: FlowKind.AMEND, _FILL: FlowKind.FILL}
_OF_LEVELS = {_DEPTH: FlowKind.LEVEL, _SNAPSHOT: FlowKind.LEVEL, _BEST: FlowKind.TOP}
_OF_BOTH = {_TRADE: FlowKind.TRADE, _CLEAR: FlowKind.CLEAR}
_EVENT_FIELDS = ("ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval")
_LATENCY_FIELDS = ("req_ts", "exch_ts", "resp_ts")


@dataclass(frozen=True)
class OrderLatency:
    """What a trader's own orders took, one element an order, ns UTC: sent, at the exchange, answered.

    `exchange_ns` of 0 or below: the exchange did not take the order.
    """

    request_ns: Array
    exchange_ns: Array
    response_ns: Array
    source: str

    def __len__(self) -> int:
        return len(self.request_ns)

    @property
    def entry(self) -> Delay:
        """What orders took to the exchange, by when they were sent; of one that was not taken, half of its round."""
        half = (self.response_ns - self.request_ns) // 2
        return Delay.recorded(self.request_ns, np.where(self.exchange_ns > 0, self.exchange_ns - self.request_ns, half))

    @property
    def response(self) -> Delay:
        """What answers took, by when the exchange had the order; orders that it did not take are left out."""
        taken = self.exchange_ns > 0
        if not taken.any():
            raise DataError("the exchange took none of these orders", source=self.source)
        begins, delays = self.exchange_ns[taken], (self.response_ns - self.exchange_ns)[taken]
        by_time = np.argsort(begins, kind="stable")
        return Delay.recorded(begins[by_time], delays[by_time])


def read_hftbacktest(
    path: str | Path,
    *,
    tick: Number,
    lot: Number,
    repair: bool = False,
    open_spans: OpenSpans | None = None,
) -> Flow:
    """The flow of an event array: of orders if it holds ADD, CANCEL, MODIFY or FILL events, else of levels."""
    source = str(path)
    tick_step, lot_step = grid(tick, "tick"), grid(lot, "lot")
    events = _read(existing(path), _EVENT_FIELDS)
    left_out: dict[str, int] = {}
    events, records = _of_the_exchange(events, source, left_out)
    kinds = (events["ev"] & _KIND).astype(np.int64)
    by_order = bool(np.isin(kinds, list(_OF_ORDERS)).any())
    known = (_OF_ORDERS if by_order else _OF_LEVELS) | _OF_BOTH
    strange = np.flatnonzero(~np.isin(kinds, list(known)))
    if len(strange):
        row = int(strange[0])
        raise DataError(
            f"an event of kind {int(kinds[row])} among events by {'order' if by_order else 'level'}",
            source=source,
            where=f"record {int(records[row]):,}",
        )
    rows = flow_rows(len(events))
    to_flow = np.zeros(_KIND + 1, dtype=np.int16)
    for number, flow_kind in known.items():
        to_flow[number] = flow_kind
    rows["kind"] = to_flow[kinds]
    rows["ts_ns"], rows["local_ns"] = events["exch_ts"], events["local_ts"]
    rows["side"] = ((events["ev"] & _BUY) != 0).astype(np.int16) - ((events["ev"] & _SELL) != 0)
    if by_order:
        rows["order"] = events["order_id"].astype(np.int64)
        rows["order"][kinds == _CLEAR] = 0
    valued = kinds != _CLEAR
    for name, column, step, field in (
        ("price", "px", tick_step, "price_ticks"),
        ("size", "qty", lot_step, "lots"),
    ):
        used = valued if column == "px" else valued & (kinds != _CANCEL)  # its qty means nothing
        rows[field][used] = steps_of_floats(events[column][used], step, name, source, records[used])
    sided = np.flatnonzero((kinds == _CLEAR) & (rows["side"] != 0))
    if by_order and len(sided):
        where = f"record {int(records[sided[0]]):,}"
        raise DataError("clears one side among events by order, which no flow can tell", source=source, where=where)
    rows["flags"] = np.where(kinds == _SNAPSHOT, SNAPSHOT, 0)
    changes = np.diff(rows["ts_ns"]) != 0
    if by_order:
        end_events(rows, np.append(changes, True))
        rows, records = join_fills(rows, records, left_out, whole_cancels=True)
    else:
        trade = kinds == _TRADE
        changes |= (np.diff(rows["local_ns"]) != 0) | trade[:-1] | trade[1:]
        end_events(rows, np.append(changes, True))
        rows, records = _cleared(rows, records, events["px"], tick_step, source)
    flow = Flow(rows, tick_step, lot_step, "orders" if by_order else "levels", source, records, left_out=left_out)
    return check(flow, repair=repair, open_spans=open_spans)


def read_order_latency(path: str | Path) -> OrderLatency:
    """An array of req_ts, exch_ts, resp_ts, in the order in which the orders were sent."""
    array = _read(existing(path), _LATENCY_FIELDS)
    sent, taken, answered = (array[name].astype(np.int64) for name in _LATENCY_FIELDS)
    backwards = np.append(False, np.diff(sent) < 0)
    impossible = backwards | (answered < sent) | ((taken > 0) & ((taken < sent) | (answered < taken)))
    if impossible.any():
        row = int(np.flatnonzero(impossible)[0])
        raise DataError(
            "times that cannot be: an order is sent, then taken, then answered, and the next one is not sent before it",
            source=str(path),
            where=f"record {row + 1:,}",
            value=(int(sent[row]), int(taken[row]), int(answered[row])),
        )
    return OrderLatency(sent, taken, answered, str(path))


def _read(path: Path, fields: tuple[str, ...]) -> Array:
    """The array `data` (else the first) of a file, which has the fields."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            array = loaded
        else:
            with loaded:
                names = loaded.files
                array = loaded["data" if "data" in names else names[0]] if names else np.zeros(0)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
        raise DataError(f"cannot be read as a NumPy file: {problem}", source=str(path)) from problem
    missing = [name for name in fields if name not in (array.dtype.names or ())]
    if missing:
        have = ", ".join(array.dtype.names or ()) or "none"
        raise DataError(f"no field {missing[0]!r}", source=str(path), hint=f"Its fields are: {have}.")
    if not len(array):
        raise DataError("no rows", source=str(path))
    return np.asarray(array)


def _of_the_exchange(events: Array, source: str, left_out: dict[str, int]) -> tuple[Array, Array]:
    """Events that the exchange saw, in its order, and the number of each in the file."""
    seen = (events["ev"] & _EXCHANGE) != 0
    if not seen.any():
        raise DataError(
            "no event carries EXCH_EVENT",
            source=source,
            hint="Pass the array through hftbacktest's correct_event_order, which sets the flags.",
        )
    own = seen & ((events["ev"] & _KIND) >= 100)
    for what, count in (
        ("events that only the local side sees", (~seen & ((events["ev"] & _LOCAL) != 0)).sum()),
        ("events that nobody sees", (~seen & ((events["ev"] & _LOCAL) == 0)).sum()),
        ("events of the user's own kinds", own.sum()),
    ):
        if count:
            left_out[what] = int(count)
    kept = seen & ~own
    return events[kept], np.flatnonzero(kept) + 1


def _cleared(rows: Array, records: Array, prices: Array, tick: Decimal, source: str) -> tuple[Array, Array]:
    """Tell each CLEAR of one side as levels of 0; one of both sides stays."""
    sided = (rows["kind"] == FlowKind.CLEAR) & (rows["side"] != 0)
    if not sided.any():
        return rows, records
    upto = np.zeros(len(rows), dtype=np.int64)
    bounded = sided & np.isfinite(prices)
    upto[bounded] = steps_of_floats(prices[bounded], tick, "price", source, records[bounded])
    out: list[tuple[int, ...]] = []
    out_records: list[int] = []
    standing: dict[int, dict[int, None]] = {1: {}, -1: {}}
    for i, row in enumerate(rows.tolist()):
        ts, local, _, price, lots, kind, side, flags = row
        put = [row]
        if sided[i]:
            gone = [p for p in sorted(standing[side]) if not bounded[i] or (p - int(upto[i])) * side >= 0]
            for p in gone:
                del standing[side][p]
            put = [(ts, local, 0, p, 0, int(FlowKind.LEVEL), side, flags & SNAPSHOT) for p in gone]
            if put:
                put[-1] = (*put[-1][:7], flags)
            elif out and flags & LAST:  # nothing stood there: what came before ends the event
                out[-1] = (*out[-1][:7], out[-1][7] | LAST)
        elif kind == FlowKind.CLEAR:
            standing = {1: {}, -1: {}}
        elif kind == FlowKind.LEVEL and lots:
            standing[side][price] = None
        elif kind == FlowKind.LEVEL:
            standing[side].pop(price, None)
        out += put
        out_records += [int(records[i])] * len(put)
    return np.array(out, dtype=rows.dtype), np.array(out_records, dtype=np.int64)
