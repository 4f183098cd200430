"""CSV files of Tardis.dev: incremental_book_L2, trades, book_snapshot_5 and book_snapshot_25, plain or gzip.

Source: https://docs.tardis.dev/downloadable-csv-files. Times are microseconds: `timestamp` of the exchange (of the
message's arrival where the exchange gives none), `local_timestamp` of arrival. Rows of one message share the local
timestamp, so where that changes an event ends. A run of is_snapshot rows begins with the book empty; an amount of 0
removes a level. In trades `side` is the aggressor's, or unknown. `book_snapshot_N` shows the best N levels each time
one of them changes: it is told as what changed since the row before, so a level that falls out of the N is gone.

Files of one market are put together by exchange time, trades first where two are equal. For some exchanges the book's
time is that of sending, later than the trade's, which keeps this order.

Not known from these files: order ids; whether an update is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.data.flow.check import check
from novation.data.flow.recorded import (
    OF_FILE,
    Array,
    Flow,
    OpenSpans,
    Row,
    Steps,
    at,
    end_events,
    existing,
    flow_rows,
    rows_of,
)
from novation.domain.errors import DataError, InvalidInput
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.units import Number

_US = 1_000
_COMMON = ("exchange", "symbol", "timestamp", "local_timestamp")
_SHOWN = re.compile(r"(asks|bids)\[(\d+)\]\.(price|amount)")
_Part = tuple[Array, Array]  # rows, and their lines in the file


def read_tardis(
    files: str | Path | Sequence[str | Path],
    *,
    tick: Number,
    lot: Number,
    repair: bool = False,
    open_spans: OpenSpans | None = None,
) -> Flow:
    """The flow of one market out of one or several CSV files; what each file is, its header says.

    With several files at most one may tell the book. Record numbers are lines of the file that a row is from;
    `source` lists the files.
    """
    paths = [files] if isinstance(files, str | Path) else list(files)
    prices, sizes = Steps(tick, "price"), Steps(lot, "size")
    parts: list[_Part] = []
    markets: dict[tuple[str, str], str] = {}
    books: list[str] = []
    for path in paths:
        frame = _read(existing(path))
        markets.update(dict.fromkeys(_markets(frame), str(path)))
        if len(markets) > 1:
            names = ", ".join(":".join(market) for market in sorted(markets))
            raise DataError("more than one market", source=str(path), value=names, hint="Give files of one of them.")
        part, tells_book = _part(frame, str(path), prices, sizes)
        books += [str(path)] if tells_book else []
        parts.append(part)
    if len(books) > 1:
        raise DataError("tells the book a second time", source=books[1], hint=f"It is told by {books[0]}.")
    rows = np.concatenate([part[0] for part in parts]) if parts else flow_rows(0)
    numbered = [part[1] + k * OF_FILE for k, part in enumerate(parts)]
    records = np.concatenate(numbered) if parts else np.zeros(0, np.int64)
    source = " + ".join(map(str, paths))
    if not len(rows):
        raise DataError("no rows", source=source)
    if len(parts) > 1:
        # Each file keeps its own order even where its time goes back, for `check` to name it.
        stamps = np.concatenate([np.maximum.accumulate(part[0]["ts_ns"]) for part in parts])
        order = np.lexsort((rows["kind"] != FlowKind.TRADE, stamps))
        rows, records = rows[order], records[order]
    several = tuple(map(str, paths)) if len(paths) > 1 else ()
    flow = Flow(rows, prices.step, sizes.step, "levels", source, records, files=several)
    return check(flow, repair=repair, open_spans=open_spans)


def _read(path: Path) -> pl.DataFrame:
    """All columns as text: prices and sizes are exact only so."""
    try:
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"cannot be read as CSV: {reason}", source=str(path)) from problem


def _markets(frame: pl.DataFrame) -> set[tuple[str, str]]:
    if not {"exchange", "symbol"} <= set(frame.columns):
        return set()
    return set(frame.select("exchange", "symbol").unique().iter_rows())


def _part(frame: pl.DataFrame, source: str, prices: Steps, sizes: Steps) -> tuple[_Part, bool]:
    """The rows of one file, and whether it tells the book."""
    columns = set(frame.columns)
    if set(_COMMON) <= columns:
        if {"is_snapshot", "side", "price", "amount"} <= columns:
            return _incremental(frame, source, prices, sizes), True
        if {"id", "side", "price", "amount"} <= columns:
            return _trades(frame, source, prices, sizes), False
        if "asks[0].price" in columns:
            return _snapshots(frame, source, prices, sizes), True
    raise DataError(
        "is no file of a known kind",
        source=source,
        hint="Known: incremental_book_L2, trades, book_snapshot_5 and _25. "
        f"Its columns are: {', '.join(frame.columns)}.",
    )


def _lines(frame: pl.DataFrame) -> Array:
    return np.arange(2, frame.height + 2, dtype=np.int64)  # the header is line 1


def _integers(frame: pl.DataFrame, column: str, source: str) -> Array:
    values = frame[column].cast(pl.Int64, strict=False)
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        raise DataError(
            f"{column} is no whole number", source=source, where=f"record {row + 2:,}", value=frame[column][row]
        )
    return np.asarray(values.to_numpy())


def _steps(frame: pl.DataFrame, column: str, steps: Steps, source: str) -> Array:
    """Exact steps of a text column; each distinct text is worked out once."""
    distinct = frame[column].unique(maintain_order=True)
    counts: list[int] = []
    for text in distinct.to_list():
        try:
            counts.append(steps["" if text is None else text])
        except InvalidInput as error:
            row = int((frame[column].is_null() if text is None else frame[column] == text).arg_max() or 0)
            raise at(error, source, f"record {row + 2:,}") from None
    result = frame[column].replace_strict(distinct, pl.Series(counts, dtype=pl.Int64), return_dtype=pl.Int64)
    return np.asarray(result.to_numpy())


def _choices(frame: pl.DataFrame, column: str, choices: dict[str, int], source: str) -> Array:
    """A column of words as their numbers."""
    words = frame[column].fill_null("")
    strange = ~words.is_in(list(choices))
    if strange.any():
        row = int(strange.arg_max() or 0)
        expected = ", ".join(choices)
        raise DataError(f"{column} is none of {expected}", source=source, where=f"record {row + 2:,}", value=words[row])
    return np.asarray(words.replace_strict(choices, return_dtype=pl.Int64).to_numpy())


def _stamped(frame: pl.DataFrame, source: str) -> Array:
    rows = flow_rows(frame.height)
    rows["ts_ns"] = _integers(frame, "timestamp", source) * _US
    rows["local_ns"] = _integers(frame, "local_timestamp", source) * _US
    return rows


def _trades(frame: pl.DataFrame, source: str, prices: Steps, sizes: Steps) -> _Part:
    rows = _stamped(frame, source)
    rows["kind"], rows["flags"] = FlowKind.TRADE, LAST
    rows["side"] = _choices(frame, "side", {"buy": 1, "sell": -1, "unknown": 0}, source)
    rows["price_ticks"] = _steps(frame, "price", prices, source)
    rows["lots"] = _steps(frame, "amount", sizes, source)
    return rows, _lines(frame)


def _incremental(frame: pl.DataFrame, source: str, prices: Steps, sizes: Steps) -> _Part:
    rows, lines = _stamped(frame, source), _lines(frame)
    snapshot = _choices(frame, "is_snapshot", {"true": 1, "false": 0}, source) == 1
    rows["kind"] = FlowKind.LEVEL
    rows["flags"] = np.where(snapshot, SNAPSHOT, 0)
    rows["side"] = _choices(frame, "side", {"bid": 1, "ask": -1}, source)
    rows["price_ticks"] = _steps(frame, "price", prices, source)
    rows["lots"] = _steps(frame, "amount", sizes, source)
    begins = np.flatnonzero(snapshot & ~np.append(False, snapshot[:-1]))
    changed = (np.diff(rows["local_ns"]) != 0) | (snapshot[1:] != snapshot[:-1])
    end_events(rows, np.append(changed, True))
    cleared = rows[begins].copy()
    cleared["kind"], cleared["side"], cleared["price_ticks"], cleared["lots"] = FlowKind.CLEAR, 0, 0, 0
    cleared["flags"] = SNAPSHOT
    return np.insert(rows, begins, cleared), np.insert(lines, begins, lines[begins])


def _snapshots(frame: pl.DataFrame, source: str, prices: Steps, sizes: Steps) -> _Part:
    stamped = _stamped(frame, source)
    shown: list[tuple[int, Any, Any]] = []  # side, prices, amounts, the best first
    for name in sorted(frame.columns, key=lambda name: [int(part) for part in re.findall(r"\d+", name)]):
        match = _SHOWN.fullmatch(name)
        if match and match[3] == "price":
            side = 1 if match[1] == "bids" else -1
            shown.append((side, frame[name].to_list(), frame[f"{match[1]}[{match[2]}].amount"].to_list()))
    out: list[Row] = []
    lines: list[int] = []
    before: dict[tuple[int, int], int] = {}
    for i, (ts, local) in enumerate(zip(stamped["ts_ns"].tolist(), stamped["local_ns"].tolist(), strict=True)):
        now: dict[tuple[int, int], int] = {}
        try:
            for side, texts, amounts in shown:
                if texts[i]:
                    now[side, prices[texts[i]]] = sizes[amounts[i] or ""]
        except InvalidInput as error:
            raise at(error, source, f"record {i + 2:,}") from None
        flags = 0 if i else SNAPSHOT
        rows: list[Row] = [] if i else [(ts, local, 0, 0, 0, int(FlowKind.CLEAR), 0, flags)]
        gone = [(key, 0) for key in before if key not in now]
        told = [(key, lots) for key, lots in now.items() if before.get(key) != lots]
        for (side, price), lots in gone + told:
            rows.append((ts, local, 0, price, lots, int(FlowKind.LEVEL), side, flags))
        if rows:
            rows[-1] = (*rows[-1][:7], flags | LAST)
        out += rows
        lines += [i + 2] * len(rows)
        before = now
    return rows_of(out), np.array(lines, dtype=np.int64)
