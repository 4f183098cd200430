"""A raw capture of Binance's combined streams: diff depth, bookTicker and trade of one symbol, one event a line.

A line is the local time of receipt in ns, a space, and either {"stream": ..., "data": {...}} or the body of a REST
depth snapshot (lastUpdateId, bids, asks). Sources, USDⓈ-M futures:
developers.binance.com/docs/derivatives/usds-margined-futures, "How to manage a local order book correctly" and the
pages of the streams. Its sequencing, as applied here:

    events with u < lastUpdateId are dropped; the first one kept has U <= lastUpdateId <= u; from then on the pu of each
    equals the u before it. A size is the size of the level, 0 removes it.

A snapshot is asked for while events stream in, so it arrives after events that it does not hold: those are kept back
until it is there, and known to the recorder with it (`local_ns`). With a hole in the chain of pu the book is not
known until the next snapshot; `repair` empties it there ("gap in the sequence").

Streams are not sent in the order of the exchange, so all lines are put into it: by transaction time T, then trades
before book events, these by update id u. A depth event holds all updates after pu up to u: a bookTicker with a u
inside is older than it and stands before it, one with the same u stands after it. Only the latter can be compared
with levels. A trade with X other than MARKET (insurance fund, deleveraging) is not of the book and left out.

Not read: streams of other kinds; the spot format without pu and T.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from novation.data.flow.check import check
from novation.data.flow.recorded import Flow, OpenSpans, Row, Steps, at, existing, rows_of
from novation.data.flow.tops import levels_of_tops
from novation.domain.errors import DataError, InvalidInput
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.units import Number

_MS = 1_000_000
_CLEAR, _TRADE, _LEVEL, _TOP = (int(k) for k in (FlowKind.CLEAR, FlowKind.TRADE, FlowKind.LEVEL, FlowKind.TOP))
GAP = "gap in the sequence"


class _Data(msgspec.Struct):
    """The fields of the three streams that are read; those that a stream lacks keep their default."""

    e: str
    T: int = 0
    s: str = ""
    U: int = 0
    u: int = 0
    pu: int = 0
    b: Any = None
    a: Any = None
    B: str = ""
    A: str = ""
    p: str = ""
    q: str = ""
    X: str = "MARKET"
    m: bool = False


class _Line(msgspec.Struct):
    """A stream's event, or a snapshot."""

    data: _Data | None = None
    lastUpdateId: int = 0
    T: int = 0
    bids: list[list[str]] = []
    asks: list[list[str]] = []


#: What a line becomes: sort key (time, trade or book, update id, ticker behind depth), line number, rows.
_Event = tuple[tuple[int, int, int, int], int, list[Row]]


def read_binance_stream(
    path: str | Path,
    *,
    tick: Number,
    lot: Number,
    symbol: str | None = None,
    book: Literal["depth", "ticker"] = "depth",
    repair: bool = False,
    open_spans: OpenSpans | None = None,
) -> Flow:
    """The flow of levels, trades and best prices in a capture (plain, .gz or .xz).

    symbol: needed where the capture holds several. book: "ticker" makes it of the bookTicker stream alone, one level a
    side, and leaves depth out. Otherwise lines before the first snapshot that it does not hold are left
    out, as are all lines of a file without one.
    """
    source = str(path)
    if book not in ("depth", "ticker"):
        raise InvalidInput('is "depth" or "ticker"', source="read_binance_stream", where="book", value=book)
    capture = _Capture(source, Steps(tick, "price"), Steps(lot, "size"), symbol, repair, by_ticker=book == "ticker")
    given = symbol
    number = 0
    try:
        with _opened(existing(path)) as file:
            for number, line in enumerate(file, 1):
                capture.read(number, line)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as problem:
        raise DataError(f"cannot be read: {problem}", source=source, where=f"record {number + 1:,}") from problem
    if given is not None and capture.symbols and given.upper() not in capture.symbols:
        known = ", ".join(sorted(capture.symbols))
        raise DataError("holds no event of the symbol", source=source, value=given, hint=f"It is of {known}.")
    events = capture.finished()
    if not events:
        lacks = "bookTicker or trade" if book == "ticker" else "snapshot that an event of the depth stream follows"
        raise DataError(f"holds no {lacks}", source=source)
    rows = rows_of([row for _, _, part in events for row in part])
    records = np.repeat([line for _, line, _ in events], [len(part) for _, _, part in events]).astype(np.int64)
    flow = Flow(
        rows,
        capture.prices.step,
        capture.sizes.step,
        "levels",
        source,
        records,
        capture.repairs,
        capture.left_out,
    )
    return check(levels_of_tops(flow) if book == "ticker" else flow, repair=repair, open_spans=open_spans)


def _opened(path: Path) -> Any:
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    return openers.get(path.suffix, open)(path, "rb")


class _Capture:
    """The lines read so far."""

    def __init__(
        self, source: str, prices: Steps, sizes: Steps, symbol: str | None, repair: bool, by_ticker: bool
    ) -> None:
        self.by_ticker = by_ticker
        self.source, self.prices, self.sizes, self.symbol, self.repair = source, prices, sizes, symbol, repair
        self.events: list[_Event] = []
        self.waiting: list[tuple[int, int, _Data]] = []  # depth events that no snapshot holds yet
        self.loose: list[_Event] = []  # trades and tickers, all of them
        self.last_id: int | None = None  # u of the last depth event, or lastUpdateId of the snapshot before the first
        self.book_time = 0  # latest T of a book event, by which they sort: update ids outrank a T that runs back
        self.fresh = False  # a snapshot has come, and no event after it
        self.snapshot_line = 0
        self.spans: list[list[int]] = []  # first and last T in which the book is known
        self.repairs: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self.symbols: set[str] = set()
        self.decode = msgspec.json.Decoder(_Line).decode

    def fail(self, problem: str, line: int, value: Any = None, hint: str = "") -> DataError:
        return DataError(problem, source=self.source, where=f"record {line:,}", value=value, hint=hint)

    def leave(self, what: str, count: int = 1) -> None:
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def read(self, number: int, line: bytes) -> None:
        stamp, _, body = line.partition(b" ")
        try:
            local = int(stamp)
            message = self.decode(body)
        except (ValueError, msgspec.DecodeError) as problem:
            raise self.fail(f"is no line of a capture: {problem}", number, line[:60].decode(errors="replace")) from None
        try:
            self.take(number, local, message)
        except InvalidInput as error:
            raise error if error.source else at(error, self.source, f"record {number:,}") from None

    def take(self, number: int, local: int, message: _Line) -> None:
        data = message.data
        if data is None:
            if message.lastUpdateId and self.by_ticker:
                self.leave("snapshots")
            elif message.lastUpdateId:
                self.snapshot(number, local, message)
            else:
                self.leave("lines of no stream")
            return
        self.symbols.add(data.s.upper())
        if self.symbol is None:
            self.symbol = data.s
        elif data.s.upper() != self.symbol.upper():
            self.leave("events of another symbol")
            return
        if data.e == "depthUpdate" and self.by_ticker:
            self.leave("depth events")
        elif data.e == "depthUpdate":
            self.depth(number, local, data)
        elif data.e == "trade" and data.X == "MARKET":
            ts, side = data.T * _MS, -1 if data.m else 1
            row = (ts, local, 0, self.prices[data.p], self.sizes[data.q], _TRADE, side, LAST)
            self.loose.append(((data.T, 0, 0, 0), number, [row]))
        elif data.e == "trade":
            self.leave("trades that are not of the book")
        elif data.e == "bookTicker":
            ts = data.T * _MS
            bid = (ts, local, 0, self.prices[data.b], self.sizes[data.B], _TOP, 1, 0)
            ask = (ts, local, 0, self.prices[data.a], self.sizes[data.A], _TOP, -1, LAST)
            stamp = data.T
            if self.by_ticker:  # nothing else tells in which order they came
                stamp = self.book_time = max(self.book_time, data.T)
            self.loose.append(((stamp, 1, data.u, 1), number, [bid, ask]))
        else:
            self.leave(f"events {data.e}")

    # ------------------------------------------------------------ the book

    def snapshot(self, number: int, local: int, message: _Line) -> None:
        """A REST snapshot: the book again from here, unless the chain already reaches beyond it."""
        if self.last_id is not None and not self.fresh:
            self.leave("snapshots while the book was known")
            return
        if not message.T:
            raise self.fail("a snapshot without its time T", number)
        ts = message.T * _MS
        rows: list[Row] = [(ts, local, 0, 0, 0, _CLEAR, 0, SNAPSHOT)]
        for side, levels in ((1, message.bids), (-1, message.asks)):
            rows += [(ts, local, 0, self.prices[p], self.sizes[q], _LEVEL, side, SNAPSHOT) for p, q in levels]
        rows[-1] = (*rows[-1][:7], SNAPSHOT | LAST)
        if self.fresh:  # the one before had no event
            self.events.pop()
            self.spans.pop()
        self.book_time = max(self.book_time, message.T)
        self.events.append(((self.book_time, 1, message.lastUpdateId, 0), number, rows))
        self.spans.append([message.T, message.lastUpdateId, message.T])
        self.last_id, self.fresh, self.snapshot_line = message.lastUpdateId, True, number
        waiting, self.waiting = self.waiting, []
        for line, _, data in waiting:
            if self.last_id is None:
                self.waiting.append((line, local, data))
            else:
                self.depth(line, local, data)

    def depth(self, number: int, local: int, data: _Data) -> None:
        if data.u < data.U:
            raise self.fail("a depth event ends before it begins", number, data.u)
        if self.last_id is None:
            self.waiting.append((number, local, data))
            return
        if self.fresh:
            if data.u < self.last_id:
                self.leave("depth events older than the snapshot")
                return
            if self.last_id < data.U:
                self.gap(
                    number,
                    f"the first depth event after the snapshot of line {self.snapshot_line:,} begins at U = "
                    f"{data.U}, after its lastUpdateId {self.last_id}",
                    local,
                    data,
                )
                return
        elif data.pu != self.last_id:
            self.gap(number, f"a gap in the depth stream: pu is {data.pu}, the u before it {self.last_id}", local, data)
            return
        self.last_id, self.fresh = data.u, False
        self.spans[-1][2] = data.T
        ts = data.T * _MS
        rows: list[Row] = []
        for side, levels in ((1, data.b), (-1, data.a)):
            rows += [(ts, local, 0, self.prices[p], self.sizes[q], _LEVEL, side, 0) for p, q in levels]
        if rows:
            rows[-1] = (*rows[-1][:7], LAST)
            self.book_time = max(self.book_time, data.T)
            self.events.append(((self.book_time, 1, data.u, 0), number, rows))

    def gap(self, number: int, problem: str, local: int, data: _Data) -> None:
        """The book is not known from here on; the event waits for the next snapshot."""
        if not self.repair:
            raise self.fail(
                problem, number, hint="Pass repair=True: the book is empty from there to the next snapshot."
            )
        self.repairs[GAP] = self.repairs.get(GAP, 0) + 1
        last, known = self.spans[-1][2], self.last_id or 0
        self.book_time = max(self.book_time, last)
        empty: Row = (last * _MS, local, 0, 0, 0, _CLEAR, 0, LAST)
        self.events.append(((self.book_time, 1, known, 2), number, [empty]))
        self.last_id, self.fresh = None, False
        self.waiting.append((number, local, data))

    def finished(self) -> list[_Event]:
        """All events in the exchange's order; loose ones only from where the book is known."""
        self.leave("depth events without a snapshot", len(self.waiting))
        known = self.loose if self.by_ticker else list(self._known())
        self.leave("trades and tickers while the book was not known", len(self.loose) - len(known))
        return sorted([*self.events, *known], key=lambda event: event[0])

    def _known(self) -> Iterator[_Event]:
        for event in self.loose:
            stamp, _, id, _ = event[0]
            for first, first_id, last in self.spans:
                if first <= stamp <= last and (not id or id >= first_id):
                    yield event
                    break
