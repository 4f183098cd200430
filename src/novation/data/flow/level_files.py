"""Level data by the names of its files: depth and trades of one market, from one file or two."""

from __future__ import annotations

from pathlib import Path

from novation.data.flow.binance_stream import read_binance_stream
from novation.data.flow.hftbacktest import read_hftbacktest
from novation.data.flow.recorded import Flow
from novation.data.flow.tardis import read_tardis
from novation.domain.errors import InvalidInput
from novation.domain.units import Number

_CSV = (".csv", ".csv.gz", ".csv.xz")


def read_levels(
    depth: str | Path, trades: str | Path, *, tick: Number, lot: Number, symbol: str | None = None, repair: bool = False
) -> Flow:
    """The flow of levels and trades of a market.

    depth, trades: two CSV files of Tardis (`incremental_book_L2` or `book_snapshot`, and `trades`); or twice the same
    file, which has both: an `.npz` or `.npy` of hftbacktest, else a capture of Binance's streams. symbol: where a
    capture holds several.
    """
    book, tape = Path(depth), Path(trades)
    if book.name.endswith(_CSV) and tape.name.endswith(_CSV) and book != tape:
        return _levels(read_tardis([book, tape], tick=tick, lot=lot, repair=repair))
    if book != tape:
        hint = "Two CSV files of Tardis; or the same capture or array twice."
        raise InvalidInput("does not go with the depth", source=str(trades), hint=hint)
    if book.name.endswith((".npz", ".npy")):
        return _levels(read_hftbacktest(book, tick=tick, lot=lot, repair=repair))
    return _levels(read_binance_stream(book, tick=tick, lot=lot, symbol=symbol, repair=repair))


def _levels(flow: Flow) -> Flow:
    if flow.kind != "levels":
        raise InvalidInput("tells of single orders, not of levels", source=flow.source)
    return flow
