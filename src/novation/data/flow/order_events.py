"""Order events of a spot book as ob-analytics keeps them: created, changed and deleted, by order id.

Columns: id, timestamp (ms, of receipt), exchange.timestamp (ms), price, volume (1e-8 of the coin), action, direction;
plain, .gz or .xz. Source: github.com/phil8192/ob-analytics, inst/extdata/orders.csv.xz, recorded from Bitstamp's
order stream.

What a volume means was found in that file (BTCUSD, 2015-05-01, 50,414 events; tests/data/flow/test_order_events.py
counts it again):

    changed at the same price   a fill. All 562 such changes of known orders shrink them, and of the 1,120 events in
                                which an order shrinks or empties 1,088 stand on the line next to one in which an
                                opposite order loses the same (within 2e-8), and 26 more next to one of an order from
                                before the recording
    changed price               no fill: the order moves and its volume is stated anew (a market order of a fixed sum of
                                money walks up the book). Told as AMEND
    deleted with volume 0       the last fill of the order
    deleted with its volume     cancelled. No deletion was seen with a part of what stood; it would be a fill

What cannot be told: the exchange's time, for `exchange.timestamp` is the second at which the order came, on all its
events, so both times of a row are that of receipt; who was the aggressor, for which the order that came to its price
later is taken; orders from before the recording until they change; the other side of the six losses left over
(they have no TRADE).

An arriving order that trades is in this stream an order of its own, on the other side of the best, until its fills
are told a tenth of a second later. Rows meanwhile end no event: LAST stands where the book is not crossed, or has
been for over a second. A trade is one TRADE at the price of the order that stood, its FILL, and a CANCEL of what the
arriving order lost.

Events of an order after its deletion (a deletion told twice, or before its creation) are refused; `repair` leaves
them out ("told after the order was gone").
"""

from __future__ import annotations

import gzip
import lzma
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.data.flow.check import check
from novation.data.flow.recorded import Flow, OpenSpans, Row, Steps, existing, grid, rows_of, steps_of_fixed
from novation.data.flow.resting import Resting
from novation.domain.errors import DataError
from novation.domain.flow import LAST, FlowKind
from novation.domain.units import NS, Number

_NUMBER = re.compile(r"\d+(\.\d+)?")
LATE = "told after the order was gone"
_MS = 1_000_000
_COLUMNS = ("id", "timestamp", "exchange.timestamp", "price", "volume", "action", "direction")
_ADD, _CANCEL, _AMEND, _FILL, _TRADE = (
    int(k) for k in (FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL, FlowKind.TRADE)
)
_SIDES = {"bid": 1, "ask": -1}
#: The two losses of one trade may differ by so many coins: the exchange rounds each order's volume.
_ROUNDING = Decimal("0.00000002")
#: A book crossed for longer than this is not waiting for the fills of an arriving order.
_PATIENCE_NS = NS


def read_order_events(
    path: str | Path,
    *,
    tick: Number | None = None,
    lot: Number = "0.00000001",
    repair: bool = False,
    open_spans: OpenSpans | None = None,
) -> Flow:
    """The flow of orders of one book. tick: left out, the largest step that holds all prices of the file. lot: in
    coins; the file counts 1e-8."""
    source = str(path)
    lot_step = grid(lot, "lot")
    prices = None if tick is None else Steps(tick, "price")
    frame = _read(existing(path))
    if prices is None:
        prices = Steps(_common_step(frame["price"]), "price")
    lines = np.arange(2, frame.height + 2, dtype=np.int64)
    ticks = prices.of(frame["price"].to_list(), source, lines).tolist()
    volumes = steps_of_fixed(_integers(frame, "volume", source), 8, lot_step, "size", source, lines).tolist()
    ids = _integers(frame, "id", source).tolist()
    stamps = (_integers(frame, "timestamp", source) * _MS).tolist()
    events = _Reading(source, repair, int(_ROUNDING / lot_step))
    words = zip(frame["action"].to_list(), frame["direction"].to_list(), strict=True)
    for i, (action, direction) in enumerate(words):
        if action not in ("created", "changed", "deleted") or direction not in _SIDES:
            value = f"{action}, {direction}"
            raise DataError("unknown action or direction", source=source, where=f"record {i + 2:,}", value=value)
        events.take(i + 2, action, ids[i], stamps[i], ticks[i], volumes[i], _SIDES[direction])
    rows, records = events.finished()
    flow = Flow(
        rows_of(rows),
        prices.step,
        lot_step,
        "orders",
        source,
        np.array(records, dtype=np.int64),
        events.repairs,
        events.left_out,
    )
    return check(flow, repair=repair, open_spans=open_spans)


def _read(path: Path) -> pl.DataFrame:
    openers: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".xz": lzma.open}
    try:
        with openers.get(path.suffix, lambda plain: plain.open("rb"))(path) as file:
            frame = pl.read_csv(file.read(), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error, lzma.LZMAError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"cannot be read as CSV: {reason}", source=str(path)) from problem
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        hint = f"Its columns are: {', '.join(frame.columns)}."
        raise DataError(f"no column {missing[0]!r}", source=str(path), hint=hint)
    return frame


def _common_step(prices: pl.Series) -> Decimal:
    """The largest step that holds all prices; what is no number is told later, with its record."""
    told = [Decimal(text) for text in prices.unique().to_list() if text and _NUMBER.fullmatch(text)]
    places = max((-int(number.as_tuple().exponent) for number in told), default=0)
    return Decimal(math.gcd(*(int(number.scaleb(places)) for number in told)) or 1).scaleb(-places)


def _integers(frame: pl.DataFrame, column: str, source: str) -> Any:
    values = frame[column].cast(pl.Int64, strict=False)
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        where, value = f"record {row + 2:,}", frame[column][row]
        raise DataError(f"{column} is no whole number", source=source, where=where, value=value)
    return values.to_numpy()


@dataclass
class _Event:
    """One line, and what it amounts to."""

    line: int
    ts_ns: int
    id: int
    side: int
    price: int
    rows: list[Row]
    loss: int | None = 0  #: lots by which the order shrank; None: it shrank, and its size before is not known
    came: int = 0  #: the line at which the order came to its price; 0: before the recording


class _Reading:
    """The lines read so far, as events."""

    def __init__(self, source: str, repair: bool, rounding: int) -> None:
        self.source, self.repair, self.rounding = source, repair, rounding
        self.standing: dict[int, tuple[int, int, int]] = {}  # id -> price, lots, line at which it came there
        self.gone: set[int] = set()
        self.events: list[_Event] = []
        self.repairs: dict[str, int] = {}
        self.left_out: dict[str, int] = {}

    def take(self, line: int, action: str, id: int, ts: int, price: int, lots: int, side: int) -> None:
        """One line of the file."""
        if id in self.gone:
            if not self.repair:
                hint = "Pass repair=True to leave such lines out."
                problem = f"{action} {LATE}"
                raise DataError(problem, source=self.source, where=f"record {line:,}", value=id, hint=hint)
            self.repairs[LATE] = self.repairs.get(LATE, 0) + 1
            return

        def row(kind: int, size: int) -> Row:
            return (ts, ts, id, price, size, kind, side, 0)

        before = self.standing.get(id)
        event = _Event(line, ts, id, side, price, [], 0, before[2] if before else 0)
        if action == "created":
            event.rows = [row(_ADD, lots)]
            event.came = line
        elif before is None:
            event.loss = None if lots == 0 or action == "changed" else 0
            event.rows = [row(_AMEND if action == "changed" else _CANCEL, lots)]
        elif action == "changed" and (price != before[0] or lots > before[1]):
            event.rows = [row(_AMEND, lots)]
            event.came = line
        elif lots < before[1]:
            event.loss = before[1] - lots
            event.rows = [row(_FILL, event.loss)]
            if action == "deleted" and lots:
                event.rows.append(row(_CANCEL, lots))
        elif action == "deleted":
            event.rows = [row(_CANCEL, lots)]
        else:
            self.left_out["changes that change nothing"] = self.left_out.get("changes that change nothing", 0) + 1
            return
        if action == "deleted":
            self.gone.add(id)
            self.standing.pop(id, None)
        else:
            self.standing[id] = price, lots, event.came
        self.events.append(event)

    def finished(self) -> tuple[list[Row], list[int]]:
        """All rows, with the trades and the ends of events, and the line of each."""
        out: list[Row] = []
        lines: list[int] = []
        book = Resting()
        crossed_since: int | None = None
        paired = False  # the event before is this one's other half
        unpaired = 0
        for event, following in zip(self.events, [*self.events[1:], None], strict=True):
            rows = event.rows
            first = not paired and following is not None and self.one_trade(event, following)
            if first and following is not None:
                late = event if event.came > following.came else following
                late.rows = [_lost(row) for row in late.rows]
                rows = [_trade(event, following), *event.rows]
            elif event.loss != 0 and not paired:
                unpaired += 1
            for row in rows:
                _apply(book, row, event.line)
            crossed = book.crossed()
            if crossed is None:
                crossed_since = None
            elif crossed_since is None:
                crossed_since = event.ts_ns
            elif event.ts_ns - crossed_since > _PATIENCE_NS:
                while prices := book.crossed():  # as `check` mends it; unmended, it names this row
                    for id in book.longer_there(*prices):
                        book.drop(id)
                crossed = crossed_since = None
            if crossed is None and not first:
                rows[-1] = (*rows[-1][:7], LAST)
            paired = first
            out += rows
            lines += [event.line] * len(rows)
        if unpaired:
            self.left_out["trades of fills that stand next to no opposite one"] = unpaired
        return out, lines

    def one_trade(self, one: _Event, other: _Event) -> bool:
        """Whether two events next to each other are the two orders of one trade."""
        if one.side == other.side or one.loss == 0 or other.loss == 0:
            return False
        if one.loss is None or other.loss is None:
            return one.loss is not other.loss
        return abs(one.loss - other.loss) <= self.rounding


def _trade(one: _Event, other: _Event) -> Row:
    """The TRADE of two events: the order that came to its price later is the aggressor."""
    late, stood = (one, other) if one.came > other.came else (other, one)
    lots = stood.loss if stood.loss is not None else late.loss
    return (one.ts_ns, one.ts_ns, late.id, stood.price, lots or 0, _TRADE, late.side, 0)


def _lost(row: Row) -> Row:
    """A FILL of an arriving order as what it is: lots that leave the book."""
    return (*row[:5], _CANCEL, *row[6:]) if row[5] == _FILL else row


def _apply(book: Resting, row: Row, line: int) -> None:
    """What a row does to the book; rows of unknown orders are left to `check`."""
    _, _, id, price, lots, kind, side, _ = row
    if kind == _TRADE:
        return
    before = book.orders.get(id)
    if kind in (_ADD, _AMEND):
        if before:
            book.drop(id)
        book.put(id, side, price, lots, line)
    elif before and lots < before[2]:
        before[2] -= lots
    elif before:
        book.drop(id)
