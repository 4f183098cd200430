"""A finished run: its tables, its summary, its pictures, and why each row is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from novation.domain.errors import InvalidInput
from novation.research import tables
from novation.research.explain import explain_event
from novation.research.summary import summarise, text_of
from novation.trading.record import RunRecord

TABLE_NAMES = (
    "equity",
    "returns",
    "orders",
    "refusals",
    "fills",
    "trades",
    "positions",
    "funding",
    "settlements",
    "fees",
    "margin_calls",
    "liquidations",
    "rolls",
    "ledger",
    "events",
)


class Result:
    """What a backtest gives back.

    Tables are frames of the kind handed in (pandas with a UTC index, Arrow, else polars): see `TABLE_NAMES`.
    Money is in the `currency` of its row. `cautions` lists every assumption the run rests on.
    """

    def __init__(self, record: RunRecord, *, kind: str = "polars", prepared: Mapping[str, Any] | None = None) -> None:
        self.record = record
        self.kind = kind
        self._bars = dict(prepared or {})  # by instrument id, for pictures; a loaded result has none
        self._frames: dict[str, pl.DataFrame] = {}

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        """Version, configuration, seed, hashes, instruments with their dated terms and sources."""
        return self.record.manifest

    @property
    def cautions(self) -> list[str]:
        """Every assumption this result rests on."""
        return list(self.record.manifest["cautions"])

    @property
    def state_hash(self) -> str:
        """Hash of the exchange's state at the end."""
        return str(self.record.manifest["state_hash"])

    def frame(self, name: str) -> pl.DataFrame:
        """A table as polars, whatever kind was handed in."""
        if name not in TABLE_NAMES:
            raise InvalidInput("no such table", source="result", where=name, hint=f"Known: {', '.join(TABLE_NAMES)}.")
        if name not in self._frames:
            if name == "returns":
                made = _daily_returns(self.frame("equity"), self._deposits())
            elif name == "equity":
                made = self._equity()
            else:
                made = getattr(tables, name)(self.record)
            self._frames[name] = made
        return self._frames[name]

    def _equity(self) -> pl.DataFrame:
        by_currency = tables.equity(self.record)
        account = self.manifest["account"]
        if account["report_currency"] is None or by_currency["currency"].n_unique() < 2:
            return by_currency
        return _in_one_currency(by_currency, account["report_currency"], account["rates"], self._deposits())

    def _deposits(self) -> float:
        """What the accounts began with, in the currency of `equity`."""
        account, total = self.manifest["account"], 0.0
        for about in self.manifest["venues"].values():
            amount = int(about["totals"]["deposits"]) / 10 ** about["decimals"]
            total += amount * float(account["rates"].get(about["asset"], 1.0))
        return total

    @cached_property
    def equity_by_currency(self) -> Any:
        """Money at every bar's close, per account, also where a report currency joins them."""
        return self._as_given(tables.equity(self.record), "equity")

    def __getattr__(self, name: str) -> Any:
        if name in TABLE_NAMES:
            return self._as_given(self.frame(name), name)
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *TABLE_NAMES]

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
        from novation.research.report import notebook_html

        return notebook_html(self)

    # -- views ----------------------------------------------------------------------------------------------------

    def plot(self, kind: str = "equity", symbol: str | None = None) -> Any:
        """A plotly figure: "equity", "price", "margin", "funding", "settlements" or "all"."""
        from novation.research.report import figure

        return figure(self, kind, symbol)

    def report(self, path: str | Path = "report.html") -> Path:
        """One self-contained HTML page with every picture and table worth looking at."""
        from novation.research.report import write_report

        return write_report([self], Path(path))

    def explain(self, row: Any) -> str:
        """The arithmetic of one row of `fills`, `fees`, `funding`, `settlements`, `margin_calls` or `liquidations`.

        row: a row of a table (a dict, a pandas Series, a one-row frame), or (venue, sequence).
        """
        venue, sequence = _key_of(row)
        return explain_event(self.record, venue, sequence)

    def compare(self, other: Result) -> Any:
        """What differs from another run: configuration, hashes, P&L by cause, first event that differs."""
        from novation.research.compare import compare

        return compare(self, other)

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
        """Read a folder that `save` wrote."""
        return cls(RunRecord.load(Path(folder)))


def _key_of(row: Any) -> tuple[str, int]:
    if isinstance(row, tuple) and len(row) == 2:
        return str(row[0]), int(row[1])
    if isinstance(row, pl.DataFrame):
        if row.height != 1:
            raise InvalidInput("explain takes one row", source="row", value=f"{row.height} rows")
        row = row.to_dicts()[0]
    elif hasattr(row, "to_dict"):
        if getattr(row, "ndim", 1) == 2:
            if len(row) != 1:
                raise InvalidInput(
                    "explain takes one row",
                    source="row",
                    value=f"{len(row)} rows",
                    hint="For example result.liquidations.iloc[0].",
                )
            row = row.iloc[0]
        row = row.to_dict()
    if not isinstance(row, Mapping) or "venue" not in row or "sequence" not in row:
        raise InvalidInput("a row of one of the result's tables has `venue` and `sequence`", source="row")
    return str(row["venue"]), int(row["sequence"])


def _daily_returns(equity: pl.DataFrame, deposits: float) -> pl.DataFrame:
    """Returns of the equity from day to day (UTC), the first day against the deposits."""
    if equity["currency"].n_unique() > 1:
        raise InvalidInput(
            "accounts in several currencies have no returns together", source="returns", hint="Pass report_currency=."
        )
    if equity.is_empty():
        return pl.DataFrame(schema={"ts": pl.Datetime("ns", "UTC"), "returns": pl.Float64})
    # a sample at midnight ends the day before
    day = (pl.col("ts") - pl.duration(nanoseconds=1)).dt.truncate("1d").alias("ts")
    daily = equity.group_by(day, maintain_order=True).agg(pl.col("equity").last())
    before = pl.col("equity").shift(1).fill_null(deposits)
    return daily.select("ts", (pl.col("equity") / before - 1.0).alias("returns"))


def _in_one_currency(table: pl.DataFrame, currency: str, rates: Mapping[str, str], deposits: float) -> pl.DataFrame:
    """Sum of the accounts at every instant any of them has a sample, each at its latest value times its rate."""
    columns = ("equity", "wallet", "unrealised", "margin_used", "maintenance")
    instants = table.select("ts").unique().sort("ts")
    total = instants
    for name in table["currency"].unique(maintain_order=True):
        part = table.filter(pl.col("currency") == name).select(
            "ts", *((pl.col(column) * float(rates[name])).alias(f"{column}_{name}") for column in columns)
        )
        total = total.join_asof(part, on="ts")
        first = part.row(0, named=True)
        total = total.with_columns(
            pl.col(f"{column}_{name}").fill_null(first[f"{column}_{name}"] if column in ("equity", "wallet") else 0.0)
            for column in columns
        )
    summed = total.select(
        "ts",
        *(pl.sum_horizontal(pl.col(f"^{column}_.*$")).alias(column) for column in columns),
        deposits=pl.lit(deposits),
        currency=pl.lit(currency),
    )
    return tables.with_ratios(summed)
