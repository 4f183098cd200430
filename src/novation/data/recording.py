"""Recorded order flow as a history: the bars of its own trades, and the flow itself for a run on the order book.

One source for both fidelities of a run: on bars (L2) its trades are what `History` reads, on a book (L3) the flow is
replayed and the bars are a strategy's clock. A bar in which nothing traded is no bar, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from novation.data.bars import bar_length
from novation.data.flow.level_files import read_levels
from novation.data.flow.order_files import read_orders
from novation.data.flow.recorded import Flow
from novation.data.history import History
from novation.domain.errors import DataError, InvalidInput
from novation.domain.flow import SNAPSHOT, FlowKind
from novation.domain.instruments import Instrument
from novation.domain.units import E8, to_e8

Array = npt.NDArray[np.int64]

_ORDERS = (".dbn", ".dbn.zst")


class Recording:
    """What happened in one instrument's book, as a source of a run in place of a `History`.

    flow: a `Flow`, or the path of a file of orders (Databento `.dbn`, order events `.csv`, hftbacktest `.npz`) or of
    levels with its trades (a capture of Binance's streams, hftbacktest). trades: the second file of Tardis' CSVs. bar:
    length of the bars made of its trades. symbol: of a capture that holds several. funding: of a perpetual, as in
    `History`. mark: a frame of marks with `bar`; else the last price stands in. queue: who is taken to have left when a
    level shrinks (docs/rules/replay.md). repair: mend what `data.flow.check` can.
    """

    def __init__(
        self,
        flow: Flow | str | Path,
        *,
        trades: str | Path | None = None,
        bar: str = "1s",
        symbol: str | None = None,
        funding: Any = None,
        mark: Any = None,
        queue: str = "back",
        repair: bool = False,
    ) -> None:
        if not isinstance(flow, Flow | str | Path):
            raise InvalidInput("is a Flow or the path of a file", source="Recording", where="flow", value=flow)
        self._flow, self._trades, self._symbol, self._repair = flow, trades, symbol, repair
        self._bar_ns, self.bar = bar_length(bar), bar
        self.funding, self.mark, self.queue = funding, mark, queue
        self._read: Flow | None = None
        self.kind = "polars"

    def __repr__(self) -> str:
        return f"Recording({str(self._flow)!r}, bar={self.bar!r})"

    def flow(self, instrument: Instrument) -> Flow:
        """The flow, read once. Raises `DataError`, `InvalidInput`."""
        if self._read is None:
            tick, lot = Decimal(instrument.tick_e8) / E8, Decimal(instrument.lot_e8) / E8
            self._read = self._flow if isinstance(self._flow, Flow) else self._read_file(self._flow, tick, lot)
        if to_e8(self._read.tick) % instrument.tick_e8 or to_e8(self._read.lot) % instrument.lot_e8:
            raise DataError(
                f"counts in ticks of {self._read.tick} and lots of {self._read.lot}, which {instrument.id} does not",
                source=self._read.source,
            )
        return self._read

    def _read_file(self, path: str | Path, tick: Decimal, lot: Decimal) -> Flow:
        name = Path(path).name
        if self._trades is None and name.endswith((*_ORDERS, ".csv", ".csv.gz", ".csv.xz")):
            return read_orders(path, tick=None if name.endswith(_ORDERS) else tick, lot=lot, repair=self._repair)
        trades = path if self._trades is None else self._trades
        return read_levels(path, trades, tick=tick, lot=lot, symbol=self._symbol, repair=self._repair)

    def history(self, instrument: Instrument) -> History:
        """The bars of its trades, as a `History`. Raises `DataError` where nothing traded."""
        frame = bars_of(self.flow(instrument), self._bar_ns)
        return History(frame, mark=self.mark, funding=self.funding, bar=self.bar)

    def rows(self, instrument: Instrument) -> npt.NDArray[Any]:
        """Rows of the flow on the instrument's own grid."""
        flow = self.flow(instrument)
        rows = flow.rows.copy()
        rows["price_ticks"] *= to_e8(flow.tick) // instrument.tick_e8
        rows["lots"] *= to_e8(flow.lot) // instrument.lot_e8
        return rows


def bars_of(flow: Flow, bar_ns: int) -> pl.DataFrame:
    """Bars of a flow's trades, from multiples of `bar_ns`: ts (of the open), open, high, low, close, volume, exact to
    the shortest decimal."""
    rows = flow.rows[(flow.rows["kind"] == int(FlowKind.TRADE)) & (flow.rows["flags"] & SNAPSHOT == 0)]
    if not len(rows):
        raise DataError("nothing traded in it, so it has no bars", source=flow.source)
    tick, lot = float(flow.tick), float(flow.lot)
    columns: Mapping[str, Array] = {"at": rows["ts_ns"] // bar_ns, "ticks": rows["price_ticks"], "lots": rows["lots"]}
    made = (
        pl.DataFrame({name: np.ascontiguousarray(values) for name, values in columns.items()})
        .group_by("at", maintain_order=True)
        .agg(
            pl.col("ticks").first().alias("open"),
            pl.col("ticks").max().alias("high"),
            pl.col("ticks").min().alias("low"),
            pl.col("ticks").last().alias("close"),
            pl.col("lots").sum().alias("volume"),
        )
    )
    stamps = (made["at"] * bar_ns).cast(pl.Datetime("ns", "UTC")).alias("ts")
    prices = [_decimal(made[name], tick, flow.tick) for name in ("open", "high", "low", "close")]
    return pl.DataFrame([stamps, *prices, _decimal(made["volume"], lot, flow.lot)])


def _decimal(steps: pl.Series, size: float, exact: Decimal) -> pl.Series:
    """Steps of a grid as the floats that are written like them."""
    places = max(0, -int(exact.normalize().as_tuple().exponent))
    return (steps.cast(pl.Float64) * size).round(places).alias(steps.name)
