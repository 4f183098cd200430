"""The series of one run that its pictures share."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from novation.research import tables
from novation.research.frames import RunFrames
from novation.research.report.drawing import MS, ms_of
from novation.trading.record import frame


class Story:
    """The series of one run that its pictures share, each made once."""

    def __init__(self, result: RunFrames) -> None:
        self.result = result
        manifest = result.manifest
        self.symbols = [str(symbol) for symbol in manifest["symbols"]]
        self.venues = manifest["venues"]
        self.isolated = manifest["account"]["margin"] == "isolated"
        self.hedge = bool(manifest["account"].get("hedge"))
        self.positions = result.frame("positions")
        self.fills = result.frame("fills")
        self.liquidations = result.frame("liquidations")
        self.calls = result.frame("margin_calls")
        self.rolls = result.frame("rolls")
        self.by_venue = {name: tables.equity_of(result.record, name) for name in self.venues}
        self.span = (manifest["period"]["from_ns"] // MS, manifest["period"]["to_ns"] // MS)
        #: what a picture shows: a little more, so that markers at both ends are whole
        self.view = (
            self.span[0] - (self.span[1] - self.span[0]) // 100,
            self.span[1] + (self.span[1] - self.span[0]) // 100,
        )
        self._held: dict[str, tuple[np.ndarray, pl.DataFrame]] = {}

    def venue(self, symbol: str) -> str:
        """The venue that trades a symbol."""
        return next(
            name for name, about in self.venues.items() if any(i["symbol"] == symbol for i in about["instruments"])
        )

    def about(self, symbol: str) -> dict[str, Any]:
        """The manifest's words on the first instrument of a symbol."""
        venue = self.venues[self.venue(symbol)]
        return dict(next(i for i in venue["instruments"] if i["symbol"] == symbol))

    def currency(self, symbol: str) -> str:
        """What a symbol settles in."""
        return str(self.venues[self.venue(symbol)]["asset"])

    def tiered(self, venue: str) -> bool:
        """Whether a venue liquidates at once (notional brackets), or calls margin first (margin per contract)."""
        return any(i["method"] == "tiered" for i in self.venues[venue]["instruments"])

    def held(self, symbol: str) -> tuple[np.ndarray, pl.DataFrame]:
        """Instants in ms, and the position at each: nulls where nothing is held."""
        if symbol not in self._held:
            samples = frame(self.result.record.venues[self.venue(symbol)].samples)
            instants = samples.select(pl.col("ts_ns").cast(pl.Datetime("ns", "UTC")).alias("ts")).unique().sort("ts")
            rows = self.positions.filter(pl.col("symbol") == symbol)
            if self.hedge:  # of the two positions the one that is nearer to its liquidation
                rows = rows.sort("ts", "distance", descending=[False, True], nulls_last=False, maintain_order=True)
            rows = rows.unique("ts", keep="last", maintain_order=True)
            joined = instants.join(rows, on="ts", how="left", maintain_order="left").with_columns(
                # a contract rolled into at the close of another's bar has no bar of its own yet
                mark_low=pl.when(pl.col("mark_low") > 0).then("mark_low").otherwise("mark"),
                mark_high=pl.when(pl.col("mark_high") > 0).then("mark_high").otherwise("mark"),
            )
            self._held[symbol] = ms_of(joined["ts"]), joined
        return self._held[symbol]

    def of(self, table: pl.DataFrame, symbol: str) -> pl.DataFrame:
        """A table's rows of a symbol."""
        return table.filter(pl.col("symbol") == symbol)

    def own_fills(self, symbol: str) -> pl.DataFrame:
        """Fills of the strategy: neither liquidations nor legs of rolls."""
        fills = self.of(self.fills, symbol).filter(~pl.col("liquidation"))
        if self.rolls.is_empty():
            return fills
        moved = self.rolls.filter(pl.col("qty") != 0)
        legs = pl.concat([moved.select("ts", pl.col(side).alias("contract")) for side in ("old", "new")])
        return fills.join(legs, on=["ts", "contract"], how="anti")
