"""The market around a fill, out of bars: what it traded at on average meanwhile, and where it stood a while later.

*Interval VWAP*: the volume-weighted price of the bars, taken whole, that the time from arrival to the last fill
touches; of an order filled at once, of the bar that opened then. Bars do not list trades, so each counts at its typical
price, (high + low + close) / 3, by its own volume. Without volumes there is none.

*Mark-out*: where the last price stood so long after a fill. Bars know no price between their ends, so a horizon shorter
than a bar is not known, nor is one that ends where no price is younger than a bar: nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.data.bars import bar_length, bar_name, read_candles
from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.frames import read_frame
from novation.data.history import History
from novation.data.recording import Recording
from novation.data.series import Bars
from novation.domain.errors import InvalidInput
from novation.domain.units import DAY_NS
from novation.reference.lookup import Reference
from novation.reference.symbols import MONTHS
from novation.research.assembly import as_source
from novation.trading.record import Known, RunRecord

Array = np.ndarray
_LONGEST_NS = 3_660 * DAY_NS
Source = History | ContractChain


@dataclass(frozen=True, eq=False)
class MarketBars:
    """Bars of one contract, oldest first, prices 1e-8.

    volume: in whatever unit, nan in a bar that tells none, None where no bar does.
    """

    start_ns: Array
    end_ns: Array
    open_e8: Array
    high_e8: Array
    low_e8: Array
    close_e8: Array
    volume: Array | None
    step_ns: int

    @property
    def name(self) -> str:
        """How long a bar is."""
        return bar_name(self.step_ns)

    def last_known(self, at_ns: int) -> tuple[int, int] | None:
        """The last price known at an instant and when it was made, None before the first bar."""
        closed = int(np.searchsorted(self.end_ns, at_ns, side="right")) - 1
        opened = int(np.searchsorted(self.start_ns, at_ns, side="left")) - 1
        if opened > closed:
            return int(self.open_e8[opened]), int(self.start_ns[opened])
        return (int(self.close_e8[closed]), int(self.end_ns[closed])) if closed >= 0 else None

    def price_at(self, at_ns: int) -> int | None:
        """The last price known at an instant where it is younger than a bar, else None."""
        found = self.last_known(at_ns)
        return found[0] if found is not None and at_ns - found[1] < self.step_ns else None

    def vwap_e8(self, from_ns: int, to_ns: int) -> int | None:
        """Volume-weighted price of the bars that [from_ns, to_ns) touches, or that opens at an interval of no length;
        None without such a bar or any volume."""
        if self.volume is None:
            return None
        first = int(np.searchsorted(self.end_ns, from_ns, side="right"))
        until = int(np.searchsorted(self.start_ns, to_ns, side="right" if to_ns == from_ns else "left"))
        total = float(self.volume[first:until].sum())
        if not 0 < total < np.inf:  # nan where one of them is not known
            return None
        return round(float((self._turnover[first:until]).sum()) / total)

    @cached_property
    def _turnover(self) -> Array:
        """Typical price times volume, bar by bar."""
        assert self.volume is not None
        typical = (self.high_e8.astype(np.float64) + self.low_e8 + self.close_e8) / 3.0
        return np.asarray(typical * self.volume)


@dataclass(frozen=True)
class Market:
    """The bars at hand by contract, and what is to be said of them."""

    bars: Mapping[str, MarketBars]
    notes: tuple[str, ...] = ()


def market_of(record: RunRecord, given: Mapping[str, Any] | str | Path | None, *, same: bool = False) -> Market:
    """Bars for a run's contracts.

    given: {symbol or contract: History | ContractChain | frame | path}, or a folder laid out as NOVATION_DATA is, or
    None. same: leave out what is not the history that the run traded on; else a difference is said.
    """
    if given is None:
        return Market({})
    traded = _traded(record)
    sources = _named(given, traded) if isinstance(given, Mapping) else _in_folder(given, record)
    bars: dict[str, MarketBars] = {}
    notes = []
    for name, source in sources.items():
        own = _of_source(name, source, [contract for symbol, contract in traded if name in (symbol, contract)])
        problem = _difference(record, own)
        if problem and same:
            notes.append(f"{name}: the history found is not the one of the run ({problem}): left out; pass data=")
            continue
        if problem:
            notes.append(f"{name}: the prices given are not those of the run: {problem}")
        bars |= own
    return Market(bars, tuple(notes))


def horizons_of(given: Iterable[str] | str) -> dict[str, int]:
    """Mark-out horizons by name, in ns: "1s,10s" or a list of such.

    >>> horizons_of("1s, 5m")
    {'1s': 1000000000, '5m': 300000000000}
    """
    names = [str(part).strip() for part in (given.split(",") if isinstance(given, str) else given)]
    found: dict[str, int] = {}
    for name in names:
        try:
            length_ns = bar_length(name)
        except InvalidInput:
            length_ns = _LONGEST_NS + 1
        if length_ns > _LONGEST_NS:
            raise InvalidInput(
                "is no horizon of at most ten years",
                source="mark_outs",
                value=name,
                hint="Write a whole number and a unit: 1s, 10s, 5m, 1h, 1d.",
            )
        found[name] = length_ns
    return found


# ---------------------------------------------------------------- where bars come from


def _traded(record: RunRecord) -> list[tuple[str, str]]:
    """Symbol and contract of everything that a run traded."""
    return [
        (instrument["symbol"], instrument["id"])
        for about in record.manifest["venues"].values()
        for instrument in about["instruments"]
    ]


def _named(given: Mapping[str, Any], traded: list[tuple[str, str]]) -> dict[str, Source]:
    """Sources by public id of a symbol or a contract; a name may leave the venue out."""
    known = dict.fromkeys(name for pair in traded for name in pair)
    found: dict[str, Source] = {}
    for name, source in given.items():
        matches = [one for one in known if str(name) in (one, one.partition(":")[2])]
        if not matches:
            raise InvalidInput(
                "is not traded in this run", source="data", where=str(name), hint=f"Traded: {', '.join(known)}."
            )
        made = as_source(source)
        if isinstance(made, Recording):
            made = made.history(Reference.default().instrument(matches[0]))
        found[matches[0]] = made
    return found


def _in_folder(given: str | Path, record: RunRecord) -> dict[str, Source]:
    root = Path(given)
    if not root.is_dir():
        raise InvalidInput("is no folder", source="data", value=str(given), hint="Name a folder of histories.")
    return {symbol: load(symbol, root=root) for symbol in record.manifest["symbols"]}


def _of_source(name: str, source: Source, contracts: list[str]) -> dict[str, MarketBars]:
    if isinstance(source, ContractChain):
        symbol = name.rpartition(":")[2]
        months = {f"{symbol}{MONTHS[month % 100 - 1]}{month // 100}": month for month in source.contracts}
        return {
            contract: _of_bars(source.contracts[months[short]].bars, source.contracts[months[short]].step_ns)
            for contract in contracts
            if (short := contract.partition(":")[2]) in months
        }
    if len(contracts) > 1:
        raise InvalidInput(
            "is a rolled symbol: one history does not say of which month it is",
            source="data",
            where=name,
            hint=f"Pass a ContractChain, or name contracts: {', '.join(contracts[:3])}.",
        )
    candles = read_candles(
        read_frame(source.last, f"{name} last"), stamp=source.stamp, tz=source.tz, bar=source.bar, positive=False
    )
    volume = next((column for column in candles.rest.columns if column.lower() == "volume"), None)
    told = None if volume is None else _volumes(candles.rest[volume].cast(pl.Float64, strict=False))
    opened, high, low, closed = candles.prices_e8
    bars = MarketBars(candles.start_ns, candles.end_ns, opened, high, low, closed, told, candles.step_ns)
    return dict.fromkeys(contracts, bars)


def _of_bars(bars: Bars, step_ns: int) -> MarketBars:
    volume = next((column for name, column in bars.extra.items() if name.lower() == "volume"), None)
    return MarketBars(
        bars.start_ns,
        bars.end_ns,
        bars.open_e8,
        bars.high_e8,
        bars.low_e8,
        bars.close_e8,
        None if volume is None else _volumes(pl.Series(volume, strict=False).cast(pl.Float64, strict=False)),
        step_ns or DAY_NS,
    )


def _volumes(told: pl.Series) -> Array:
    """Volumes as they can be weighed by; one below zero is none."""
    volumes = told.fill_null(float("nan")).to_numpy()
    return np.where(volumes >= 0, volumes, np.nan)


def _difference(record: RunRecord, bars: Mapping[str, MarketBars]) -> str:
    """How bars by contract differ from the prices that a run's orders met; empty where they do not."""
    widest, off, told, count = 0.0, 0, 0, 0
    for name, about in record.manifest["venues"].items():
        prices = record.venues[name].prices
        met = prices[(prices["sequence"] >= 0) & (prices["known"] != Known.LATER)]
        contracts = [instrument["id"] for instrument in about["instruments"]]
        for index, price_e8, at_ns in zip(
            *(met[column].tolist() for column in ("instrument", "price_e8", "price_ns")), strict=True
        ):
            own = bars.get(contracts[index])
            if own is None:
                continue
            count += 1
            found = _said(own, at_ns, price_e8)
            told += found is not None
            if found is not None and found != price_e8:
                off += 1
                widest = max(widest, abs(found - price_e8) / max(abs(price_e8), 1))
    if count and not told:
        return "none of its orders was sent in their time"
    return f"{off:,} of {count:,} that orders met differ, by up to {widest * 1e4:,.2f} bp" if off else ""


def _said(bars: MarketBars, at_ns: int, price_e8: int) -> int | None:
    """The price that bars have at an instant: of a close and an open there the one that is looked for, if one is."""
    opened = int(np.searchsorted(bars.start_ns, at_ns))
    if opened < len(bars.start_ns) and bars.start_ns[opened] == at_ns and bars.open_e8[opened] == price_e8:
        return price_e8
    found = bars.price_at(at_ns)
    if found is None and opened < len(bars.start_ns) and bars.start_ns[opened] == at_ns:
        return int(bars.open_e8[opened])
    return found
