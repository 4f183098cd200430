"""A finished run: its tables, its summary, its pictures, and why each row is what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from novation.research import tables
from novation.research.compare import Comparison, compare
from novation.research.executions.analysis import TransactionCosts, transaction_costs
from novation.research.executions.market_bars import Market, horizons_of, market_of
from novation.research.explain import explain_row
from novation.research.frames import TABLE_NAMES, RunFrames
from novation.research.report import figure, notebook_html, write_report
from novation.research.summary import summarise, text_of
from novation.trading.record import RunRecord


class Result(RunFrames):
    """What a backtest gives back.

    Tables are frames of the kind handed in (pandas with a UTC index, Arrow, else polars): see `TABLE_NAMES`.
    Money is in the `currency` of its row. `cautions` lists every assumption the run rests on.
    """

    def __init__(
        self, record: RunRecord, *, kind: str | None = None, histories: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(record)
        self.kind = kind or record.manifest["frames"]
        #: What the run traded on, by symbol, where it is at hand: not of a result that was loaded.
        self.histories = histories

    # -- tables ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name in TABLE_NAMES:
            return self._as_given(self.frame(name), name)
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *TABLE_NAMES]

    @cached_property
    def equity_by_currency(self) -> Any:
        """Money at every bar's close, per account, also where a report currency joins them."""
        return self._as_given(tables.equity(self.record), "equity")

    def _as_given(self, frame: pl.DataFrame, name: str) -> Any:
        if self.kind == "arrow":
            return frame.to_arrow()
        if self.kind != "pandas":
            return frame
        given = frame.to_pandas()
        stamp = "opened" if name == "trades" else "ts"
        if stamp in given.columns:
            given = given.set_index(stamp)
        return given["returns"] if name == "returns" else given

    # -- views ----------------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """The numbers of `print(result)`: P&L by cause per currency, closest call, refusals, cautions."""
        return summarise(self)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return self.summary()

    def __str__(self) -> str:
        return text_of(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook_html(self)

    def plot(self, kind: str = "equity", symbol: str | None = None) -> Any:
        """A plotly figure: "equity", "price", "margin", "funding", "settlements" or "all"."""
        return figure(self, kind, symbol)

    def report(self, path: str | Path = "report.html") -> Path:
        """One self-contained HTML page with every picture and table worth looking at."""
        return write_report([self], Path(path))

    def explain(self, row: Any) -> str:
        """The arithmetic of one row of `fills`, `fees`, `funding`, `settlements`, `margin_calls` or `liquidations`, or
        of a `margin_adjusted` of `ledger`.

        row: a row of a table (a dict, a pandas Series, a named tuple, a frame of one row: pandas, polars or Arrow), or
        (venue, sequence). A row of `rolls` or `trades` stands for the fill that completed it.
        """
        return explain_row(self.record, row)

    def compare(self, other: RunFrames) -> Comparison:
        """What differs from another run: configuration, hashes, P&L by cause, first event that differs."""
        return compare(self, other)

    def transaction_costs(
        self,
        data: Mapping[str, Any] | str | Path | Market | None = None,
        mark_outs: str | Iterable[str] = ("1s", "10s", "60s"),
    ) -> TransactionCosts:
        """What each order cost against the price it was decided on, split into spread, impact, rounding, timing, fees
        and opportunity (docs/transaction-costs.md).

        data: bars for VWAP and mark-outs: {symbol or contract: History | ContractChain | frame | path}, finer ones than
        the run's if there are, or a folder laid out as NOVATION_DATA is; else what the run traded on, which a loaded
        result does not have (`novation.tca` looks for it). mark_outs: how long after each fill to look, "1s" to "1d".
        """
        horizons = horizons_of(mark_outs)
        if not isinstance(data, Market):
            data = market_of(self.record, self.histories if data is None else data)
        return transaction_costs(self.record, data, horizons, lambda frame: self._as_given(frame, "orders"))

    # -- keeping --------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write tables (Parquet), report.html and manifest.json into a folder."""

        def tables_and_report(place: Path) -> None:
            for name in TABLE_NAMES:
                if name != "events" and not (name == "returns" and self.frame("equity")["currency"].n_unique() > 1):
                    self.frame(name).write_parquet(place / f"{name}.parquet")
            self.report(place / "report.html")

        return self.record.save(Path(folder), tables_and_report)

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """Read a folder that `save` wrote; its tables are frames of the kind that the run had."""
        return cls(RunRecord.load(Path(folder)))
