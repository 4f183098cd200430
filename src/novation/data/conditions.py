"""The market as a taker found it at an instant, out of recorded bars: price, volume and volatility of the days before.

Nothing later than the instant is looked at: bars that have closed, rates that have been settled. Volume is that of the
last day, volatility that of the last thirty (root mean square of log returns, annual), its ratio to that of a year
where there is one. Of CME files, which tell closes alone, price and volatility.

Not known from bars: quotes, open interest by side, liquidations.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt
import polars as pl

from novation.data.bars import Candles, read_candles
from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.frames import read_e8, read_frame, read_stamps
from novation.data.history import History
from novation.data.trailing import Trailing
from novation.domain.errors import DataError
from novation.domain.slippage import MarketConditions
from novation.domain.units import DAY_NS, HOUR_NS, from_e8, iso, to_decimal

Array = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Days of returns that a volatility is of, and of the long run beside it.
RECENT_DAYS, LONG_DAYS = 30, 365
#: So many bars, and an hour, may lie between the last that closed and the instant; of files of closes by day, days.
_STALE_BARS, _STALE_DAYS = 2, 4
#: Part of the last day that its bars have to cover.
_COVERED = 0.9


def conditions_at(id: str, at_ns: int, *, data: History | ContractChain | None = None) -> MarketConditions:
    """What the history of an instrument says of an instant. data: else the history found by `catalog.load`.

    Raises `DataError` where the history does not reach the instant, or has too little before it.
    """
    data = load(id) if data is None else data
    if isinstance(data, ContractChain):
        return _of_chain(id, data, at_ns)
    candles = read_candles(
        read_frame(data.last, f"{id} last"), stamp=data.stamp, tz=data.tz, bar=data.bar, positive=True
    )
    until = _closed(id, candles, at_ns)
    end = candles.end_ns[:until]
    volume = None
    if "volume" in candles.rest.columns:
        volume = _day_volume(id, candles, until)
    trailing = Trailing.of([(candles.start_ns, candles.end_ns, candles.prices_e8[3], None)])
    recent, ratio = _volatility(id, trailing, at_ns)
    return MarketConditions(
        mid=from_e8(int(candles.prices_e8[3][until - 1])),
        volume=volume,
        volatility=recent,
        volatility_ratio=ratio,
        mark=_mark(id, data, at_ns),
        funding_rate=_rate(id, data, at_ns),
        price_ns=int(end[-1]),
        at=at_ns,
    )


def _day_volume(id: str, candles: Candles, until: int) -> float:
    """What traded in the day before the last bar that closed ended."""
    day = candles.end_ns[:until] > candles.end_ns[until - 1] - DAY_NS
    covered = float((candles.end_ns[:until] - candles.start_ns[:until])[day].sum()) / DAY_NS
    if covered < _COVERED:
        hint = "Give the volume."
        raise DataError(f"its bars cover {covered:.0%} of the day before the instant", source=id, hint=hint)
    traded = candles.rest["volume"].cast(pl.Float64, strict=False).to_numpy()[:until][day]
    if not (np.isfinite(traded) & (traded >= 0)).all():
        raise DataError("a volume of the day before the instant is below zero or no number", source=candles.source)
    return float(traded.sum()) / covered


def _closed(id: str, candles: Candles, at_ns: int) -> int:
    """How many bars had closed."""
    end_ns = candles.end_ns
    until = int(np.searchsorted(end_ns, at_ns, side="right"))
    if until < 2 or at_ns - int(end_ns[until - 1]) > _stale(candles):
        first, last = iso(int(end_ns[0])), iso(int(end_ns[-1]))
        raise DataError(
            f"has no bar that closed shortly before {iso(at_ns)}", source=id, hint=f"It has {first} to {last}."
        )
    return until


def _stale(candles: Candles) -> int:
    """How far a bar's end may lie back."""
    return _STALE_BARS * candles.step_ns + HOUR_NS


def _volatility(id: str, trailing: Trailing, at_ns: int) -> tuple[float, float | None]:
    """Annual volatility of the recent days, and over that of the long run where there is so much."""
    at, shown = np.array([at_ns]), iso(at_ns)
    if not trailing.reaches(at, RECENT_DAYS)[0]:
        raise DataError(f"has less than {RECENT_DAYS} days before the instant", source=id, value=shown)
    recent = float(trailing.volatility(at, RECENT_DAYS)[0])
    if recent == 0:
        raise DataError("does not move in the days before the instant", source=id, value=shown)
    far = trailing.reaches(at, LONG_DAYS)[0]
    return recent, recent / float(trailing.volatility(at, LONG_DAYS)[0]) if far else None


def _of_chain(id: str, chain: ContractChain, at_ns: int) -> MarketConditions:
    """Price and volatility of the contract held; returns within one contract only."""
    trailing, price, priced = chain.trailing(), 0, 0
    for month in sorted(chain.contracts):
        bars = chain.contracts[month].bars
        until = int(np.searchsorted(bars.end_ns, at_ns, side="right"))
        if until:
            price, priced = int(bars.close_e8[until - 1]), int(bars.end_ns[until - 1])
    if not priced or at_ns - priced > _STALE_DAYS * DAY_NS or price <= 0:
        raise DataError(f"has no bar that closed shortly before {iso(at_ns)}", source=id)
    recent, ratio = _volatility(id, trailing, at_ns)
    return MarketConditions(mid=from_e8(price), volatility=recent, volatility_ratio=ratio, price_ns=priced, at=at_ns)


def _mark(id: str, data: History, at_ns: int) -> Decimal | None:
    if data.mark is None:
        return None
    marks = read_candles(read_frame(data.mark, f"{id} mark"), stamp=data.stamp, tz=data.tz, bar=data.bar, positive=True)
    until = int(np.searchsorted(marks.end_ns, at_ns, side="right"))
    if not until or at_ns - int(marks.end_ns[until - 1]) > _stale(marks):
        return None
    return from_e8(int(marks.prices_e8[3][until - 1]))


def _rate(id: str, data: History, at_ns: int) -> Decimal | None:
    """The rate settled last, None of one that is older than a day."""
    if data.funding is None:
        return None
    if isinstance(data.funding, int | float | Decimal):
        return to_decimal(data.funding, source="funding")
    frame = read_frame(data.funding, f"{id} funding")
    stamps, _, _ = read_stamps(frame, data.tz)
    known = int(np.searchsorted(stamps, at_ns, side="right"))
    if known and at_ns - int(stamps[known - 1]) > DAY_NS:
        return None
    return from_e8(int(read_e8(frame, frame.column("funding_rate", "rate"))[known - 1])) if known else None
