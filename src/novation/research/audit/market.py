"""What is known of a symbol's market while trades of it ran: the contract, and its recorded bars if there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.history import History
from novation.data.series import ARRAYS, Bars, Prepared
from novation.domain.enums import InstrumentKind
from novation.domain.errors import DataError, UnknownInstrument
from novation.domain.instruments import Instrument
from novation.domain.units import iso
from novation.reference.lookup import Reference

_NONE = np.zeros(0, np.int64)


@dataclass
class Market:
    """One instrument and its history. missing: why there is none."""

    instrument: Instrument
    prepared: Prepared | None
    missing: str = ""

    def __post_init__(self) -> None:
        bars = None if self.prepared is None else self.prepared.bars
        #: one price a bar, as of closes alone, says nothing of what traded inside
        self.ranged = bars is not None and bool((bars.high_e8 > bars.low_e8).any())

    @property
    def bars(self) -> Bars | None:
        """The bars, if any."""
        return None if self.prepared is None else self.prepared.bars

    def bar_at(self, ts_ns: int) -> int | None:
        """The row of the bar that an instant lies in."""
        if self.bars is None:
            return None
        row = int(np.searchsorted(self.bars.start_ns, ts_ns, side="right")) - 1
        return row if row >= 0 and ts_ns < int(self.bars.end_ns[row]) else None

    def bar_closing(self, ts_ns: int) -> str | None:
        """When the bar began that closes at an instant; None where none does."""
        row = self.bar_at(ts_ns - 1)
        if row is None or self.bars is None or int(self.bars.end_ns[row]) != ts_ns:
            return None
        return iso(self.bars.start_ns[row])

    def range_at(self, ts_ns: int) -> tuple[int, int] | None:
        """Lowest and highest price that could be had at an instant: of the bar it lies in, and where that bar opens
        then also the close of the one before; None where no bar says."""
        row = self.bar_at(ts_ns)
        if row is None or self.bars is None or not self.ranged:
            return None
        low, high = int(self.bars.low_e8[row]), int(self.bars.high_e8[row])
        if row and int(self.bars.start_ns[row]) == ts_ns == int(self.bars.end_ns[row - 1]):
            before = int(self.bars.close_e8[row - 1])
            low, high = min(low, before), max(high, before)
        return low, high

    def without_data(self, first_ns: int, last_ns: int | None) -> str:
        """What of a span of time no bar covers, in words; empty where all is covered. last_ns: None to the end."""
        if self.bars is None:
            return self.missing
        starts, ends = self.bars.start_ns, self.bars.end_ns
        data = f"history is of {iso(starts[0])} to {iso(ends[-1])}"
        over = last_ns is not None and (last_ns < starts[0] or first_ns < last_ns <= starts[0])
        if over or first_ns >= ends[-1]:
            return f"no history then: {data}"
        if first_ns < starts[0]:
            return f"no history before {iso(starts[0])}"
        if last_ns is not None and last_ns > ends[-1]:
            return f"no history after {iso(ends[-1])}"
        if self.instrument.kind != InstrumentKind.PERPETUAL or last_ns is None:
            return ""
        inside = np.minimum(ends, last_ns) - np.maximum(starts, first_ns)
        if int(inside[inside > 0].sum()) < last_ns - first_ns:
            return "bars are missing in between"
        return ""

    def between(self, first_ns: int, last_ns: int) -> Prepared:
        """The history from the bar that an instant lies in up to another instant; empty where there is none."""
        whole = self.prepared
        if whole is None:
            return _empty()
        bars = whole.bars
        first = int(np.searchsorted(bars.end_ns, first_ns, side="right"))
        last = int(np.searchsorted(bars.start_ns, last_ns, side="left"))
        paid = (whole.funding_ns > first_ns) & (whole.funding_ns <= last_ns)
        settled = (whole.settlement_ns > first_ns) & (whole.settlement_ns <= last_ns)
        return Prepared(
            bars=_bare(bars, slice(first, last)),
            funding_ns=whole.funding_ns[paid],
            funding_rate_e8=whole.funding_rate_e8[paid],
            funding_mark_e8=whole.funding_mark_e8[paid],
            settlement_ns=whole.settlement_ns[settled],
            settlement_e8=whole.settlement_e8[settled],
            cautions=(),
            gaps=_GAPS,
            digest="a part",
            delivery_e8=whole.delivery_e8,
        )


_GAPS = pl.DataFrame()


def _bare(bars: Bars, keep: slice) -> Bars:
    """Bars of a slice of rows, without further columns."""
    return Bars(*(getattr(bars, name)[keep] for name in ARRAYS))


def _empty() -> Prepared:
    nothing: dict[str, Any] = dict.fromkeys(ARRAYS, _NONE)
    bars = Bars(**nothing)
    return Prepared(
        bars=bars,
        funding_ns=_NONE,
        funding_rate_e8=_NONE,
        funding_mark_e8=_NONE,
        settlement_ns=_NONE,
        settlement_e8=_NONE,
        cautions=(),
        gaps=_GAPS,
        digest="nothing",
    )


@dataclass
class Histories:
    """Markets by id, each read once. data: a folder, {symbol: history}, or None: where histories lie anyway."""

    reference: Reference
    data: Mapping[str, Any] | str | Path | None = None

    def __post_init__(self) -> None:
        self._markets: dict[str, Market] = {}
        self._chains: dict[str, dict[int, Prepared]] = {}
        self.cautions: dict[str, None] = {}
        self._given: dict[str, Any] = {}
        if isinstance(self.data, Mapping):
            for name, history in self.data.items():
                self._given[self.reference.resolve(name)] = history
        elif self.data is not None and not Path(self.data).is_dir():
            raise DataError("is no folder", source="data", value=str(self.data))

    def market(self, id: str) -> Market:
        """The market of an instrument, with a reason where it has no history."""
        if id not in self._markets:
            instrument = self.reference.instrument(id)
            try:
                prepared, missing = self._prepared(instrument)
            except UnknownInstrument as error:
                prepared, missing = None, str(error)
            self._markets[id] = Market(instrument, prepared, missing)
            if prepared is not None:
                for text in prepared.cautions:
                    self.cautions[f"{id}: {text}"] = None
        return self._markets[id]

    def _prepared(self, instrument: Instrument) -> tuple[Prepared | None, str]:
        """History, or why there is none."""
        dated = instrument.venue == "cme"
        source = self._source(instrument.id) or (self._source(f"cme:{instrument.root}") if dated else None)
        if source is None:
            return None, self._why
        if isinstance(source, ContractChain):
            month = self._chain(instrument.root, source).get(instrument.contract_month)
            return month, "" if month is not None else f"no history of {instrument.symbol} in the chain of its product"
        prepared = source.prepare(
            instrument.symbol,
            perpetual=instrument.kind == InstrumentKind.PERPETUAL,
            daily_settled=instrument.daily_settled,
        )
        return prepared, ""

    def _source(self, id: str) -> History | ContractChain | None:
        if isinstance(self.data, Mapping):
            given = self._given.get(id)
            self._why = "no history given"
            return given if given is None or isinstance(given, History | ContractChain) else History(given)
        try:
            found = load(id, root=self.data)
            if isinstance(found, History):
                found.missing_mark = "count"  # of a stored history that lacks a mark a stamp is not paid, and reported
            return found
        except (DataError, UnknownInstrument) as error:
            hint = "" if isinstance(error, UnknownInstrument) else error.hint
            self._why = str(error).removesuffix(hint).strip().removeprefix(f"{id}: ")
            return None

    def _chain(self, root: str, source: ContractChain) -> dict[int, Prepared]:
        if root not in self._chains:
            chain = source.prepare(f"cme:{root}", None, None)
            self._chains[root] = dict(chain.contracts)
            for text in chain.cautions:
                self.cautions[f"cme:{root}: {text}"] = None
        return self._chains[root]
