"""Files of trades that other programs wrote, read to one record: `read_trades`.

One module a format (`own`, `freqtrade`, `binance`, `ib`), each with the sources of its layout; `documents` opens what
is handed in, `tables` reads its cells, `fills` joins fills to round trips.
"""

from __future__ import annotations

from typing import Any

from novation.data.trade_files.binance import (
    is_binance_header,
    is_binance_tree,
    read_binance_rows,
    read_binance_tree,
)
from novation.data.trade_files.documents import Document, read_document
from novation.data.trade_files.freqtrade import is_freqtrade, read_freqtrade
from novation.data.trade_files.ib import is_activity, is_flex, read_activity, read_flex
from novation.data.trade_files.own import NEEDED, read_own
from novation.data.trade_files.records import FORMATS, Execution, RoundTrip, TradeFile, mean_price
from novation.data.trade_files.tables import Row, rows_under
from novation.domain.errors import DataError, InvalidInput

__all__ = ["FORMATS", "Execution", "RoundTrip", "TradeFile", "mean_price", "read_trades"]

_LAYOUTS = (
    f"Known: a table with {', '.join(NEEDED)}; a backtest result of freqtrade (.json, .zip); Binance's trade history "
    "(CSV, or JSON of userTrades); an activity statement or a Flex query of Interactive Brokers (CSV)."
)


def read_trades(given: Any, *, format: str | None = None, tz: str | None = None) -> TradeFile:
    """Every round trip of a file or frame.

    format: one of `FORMATS`; None: told from the file. tz: the zone of stamps without one; of Binance's export UTC and
    of IB's New York unless named. Raises `InvalidInput`, `DataError`.
    """
    if format is not None and format not in FORMATS:
        raise InvalidInput(f"is one of {', '.join(FORMATS)}", source="format", value=format)
    document = read_document(given)
    found = format or _guess(document)
    if found is None:
        columns = ", ".join(map(str, _header(document)[:20]))
        shown = f"Its columns are: {columns}. " if columns else ""
        raise DataError("is no layout of trades that is known", source=document.source, hint=f"{shown}{_LAYOUTS}")
    trips, cautions = _read(document, found, tz)
    if not trips:
        raise DataError("holds no trades", source=document.source, hint="; ".join(cautions))
    ordered = tuple(sorted(trips, key=lambda trip: trip.entry_ns))
    return TradeFile(source=document.source, format=found, trips=ordered, cautions=cautions)


def _header(document: Document) -> list[str]:
    if document.frame:
        return [str(name) for name in document.frame[0]]
    return list(document.lines[0][1]) if document.lines else []


def _guess(document: Document) -> str | None:
    if document.tree is not None:
        if is_freqtrade(document.tree):
            return "freqtrade"
        return "binance" if is_binance_tree(document.tree) else None
    header = _header(document)
    names = {name.strip().lower() for name in header}
    if set(NEEDED) - {"exit_time", "exit_price"} <= names:
        return "trades"
    if is_binance_header(header):
        return "binance"
    if document.lines and (is_activity(document.lines) or is_flex(document.lines)):
        return "ib"
    return None


def _read(document: Document, format: str, tz: str | None) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    if document.tree is not None:
        if format == "freqtrade":
            return read_freqtrade(document.tree, document.source)
        if format == "binance" and is_binance_tree(document.tree):
            return read_binance_tree(document.tree, document.source)
        raise DataError(f"is JSON, but none of format {format!r}", source=document.source, hint=_LAYOUTS)
    if format == "freqtrade":
        raise DataError("is no JSON, and no zip of it", source=document.source, hint=_LAYOUTS)
    if format == "ib":
        if document.frame is not None or not document.lines:
            raise DataError("is to be read from the CSV file itself", source=document.source, hint=_LAYOUTS)
        if is_activity(document.lines):
            return read_activity(document.lines, document.source, tz)
        if is_flex(document.lines):
            return read_flex(document.lines, document.source, tz)
        raise DataError("is neither an activity statement nor a Flex query", source=document.source, hint=_LAYOUTS)
    zone = tz or "UTC" if format == "binance" else tz
    rows = _rows(document, zone)
    return read_own(rows) if format == "trades" else read_binance_rows(rows)


def _rows(document: Document, tz: str | None) -> list[Row]:
    if document.frame is not None:
        return [Row(document.source, f"row {i:,}", cells, tz) for i, cells in enumerate(document.frame, 1)]
    header, lines = document.lines[0][1], document.lines[1:]
    twice = next((name for i, name in enumerate(header) if name and name in header[:i]), None)
    if twice is not None:
        raise DataError(f"column {twice!r} is there twice", source=document.source, where="line 1")
    return rows_under(header, lines, document.source, tz)
