"""A seeded market of our own making, good enough to run every example without a file.

Hourly perpetuals from 2019-12-23 (ENAUSDT from 2025-05-01) with last, mark and funding; daily chains of ES,
GC, 6E and ZN from 2012-03 to 2020-12 with the contract cycles and roll days of the real products. Levels and
crash days resemble history so that the examples make sense; no recorded price is used.

Model: price steps pull weakly towards a level curve and carry a variance that clusters; jumps come at a fixed
rate; crashes are written below as steps. The basis is a fast and a slow autoregression, the funding rate is
the mean premium of its interval bent towards interest as exchanges do. Everything is +, -, *, / and sqrt of
PCG64 uniforms in a fixed order, so a seed gives one market on every machine. Nothing here was fitted.

Not modelled: correlation between instruments (crashes come together), sessions, an order book, contract
expiry.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
import polars as pl

from novation.data.chain import ContractChain
from novation.data.history import History
from novation.data.series import Array
from novation.domain.errors import UnknownInstrument
from novation.domain.units import DAY_NS, E8, HOUR_NS, to_ns

_UTC = pl.Datetime("ns", "UTC")


@dataclass(frozen=True)
class _Perpetual:
    """What makes one perpetual: grid, span, level curve (date, price), hourly volatility, funding, crashes.

    crashes: (hour UTC, step of the close, further depth of the low), as fractions of the price before.
    """

    tick_e8: int
    start: str
    end: str
    levels: tuple[tuple[str, float], ...]
    volatility: float
    funding_hours: int
    funding_cap: float
    crashes: tuple[tuple[str, float, float], ...]


_MARCH_2020 = (
    ("2020-03-12T10", -0.16, 0.02),
    ("2020-03-12T23", -0.19, 0.03),
    ("2020-03-13T02", -0.06, 0.12),
    ("2020-03-13T03", 0.10, 0.0),
    ("2020-03-13T14", 0.06, 0.0),
)
_MAY_2021 = (
    ("2021-05-19T11", -0.07, 0.01),
    ("2021-05-19T12", -0.10, 0.02),
    ("2021-05-19T13", -0.09, 0.11),
    ("2021-05-19T14", 0.12, 0.0),
)
_OCTOBER_2025 = (
    ("2025-10-10T20", -0.02, 0.005),
    ("2025-10-10T21", -0.055, 0.08),
    ("2025-10-10T22", 0.02, 0.0),
)

_PERPETUALS = {
    "BTCUSDT": _Perpetual(
        10_000_000,
        "2019-12-23",
        "2026-05-01",
        (
            ("2019-12-23", 7_500.0),
            ("2020-10-01", 11_000.0),
            ("2021-05-01", 55_000.0),
            ("2022-11-01", 18_000.0),
            ("2024-03-01", 60_000.0),
            ("2025-10-01", 115_000.0),
            ("2026-05-01", 85_000.0),
        ),
        0.0055,
        8,
        0.003,
        _MARCH_2020 + _MAY_2021 + _OCTOBER_2025,
    ),
    "ETHUSDT": _Perpetual(
        1_000_000,
        "2019-12-23",
        "2026-05-01",
        (
            ("2019-12-23", 130.0),
            ("2020-10-01", 360.0),
            ("2021-05-01", 3_200.0),
            ("2022-11-01", 1_300.0),
            ("2024-03-01", 3_300.0),
            ("2025-10-01", 4_300.0),
            ("2026-05-01", 2_600.0),
        ),
        0.007,
        8,
        0.0036,
        _MARCH_2020 + _MAY_2021 + _OCTOBER_2025,
    ),
    "ENAUSDT": _Perpetual(
        10_000,
        "2025-05-01",
        "2026-05-01",
        (("2025-05-01", 0.32), ("2025-09-15", 0.62), ("2026-05-01", 0.18)),
        0.011,
        4,
        0.02,
        (("2025-10-10T20", -0.06, 0.02), ("2025-10-10T21", -0.33, 0.38), ("2025-10-10T22", 0.15, 0.0)),
    ),
}


#: Grid in 1e-8 of the spot market of a perpetual.
_SPOT = {"BTCUSDT": 1_000_000, "ETHUSDT": 1_000_000}


@dataclass(frozen=True)
class _Product:
    """What makes one chain: grid, level curve, daily volatility, carry per year, contract months, and the
    roll day.

    roll: "before_third_friday" (8 days), "before_third_wednesday" (2 days), or "month_before" with how many
    weekdays before the last one of the month ahead of the contract month.
    """

    tick_e8: int
    levels: tuple[tuple[str, float], ...]
    volatility: float
    carry: float
    months: tuple[int, ...]
    roll: tuple[str, int]
    crashes: tuple[tuple[str, float], ...] = ()


_CHAIN_START, _CHAIN_END = dt.date(2012, 3, 1), dt.date(2020, 12, 31)
_QUARTERS = (3, 6, 9, 12)
_PRODUCTS = {
    "ES": _Product(
        25_000_000,
        (
            ("2012-03-01", 1_370.0),
            ("2015-06-01", 2_100.0),
            ("2020-02-15", 3_350.0),
            ("2020-04-01", 2_650.0),
            ("2020-12-31", 3_700.0),
        ),
        0.0085,
        -0.006,
        _QUARTERS,
        ("before_third_friday", 8),
        (
            ("2015-08-24", -0.04),
            ("2018-02-05", -0.041),
            ("2020-03-09", -0.07),
            ("2020-03-12", -0.09),
            ("2020-03-13", 0.07),
            ("2020-03-16", -0.1),
        ),
    ),
    "GC": _Product(
        10_000_000,
        (
            ("2012-03-01", 1_700.0),
            ("2013-03-01", 1_600.0),
            ("2013-07-01", 1_280.0),
            ("2018-09-01", 1_200.0),
            ("2020-08-01", 1_950.0),
            ("2020-12-31", 1_890.0),
        ),
        0.009,
        0.012,
        (2, 4, 6, 8, 10, 12),
        ("month_before", 0),
        (("2013-04-12", -0.04), ("2013-04-15", -0.085)),
    ),
    "6E": _Product(
        10_000,
        (
            ("2012-03-01", 1.33),
            ("2014-05-01", 1.38),
            ("2015-03-01", 1.08),
            ("2018-02-01", 1.24),
            ("2020-12-31", 1.22),
        ),
        0.005,
        0.01,
        _QUARTERS,
        ("before_third_wednesday", 2),
    ),
    "ZN": _Product(
        1_562_500,
        (
            ("2012-03-01", 130.0),
            ("2013-12-01", 124.0),
            ("2018-10-01", 118.0),
            ("2020-08-01", 139.5),
            ("2020-12-31", 138.0),
        ),
        0.0032,
        -0.015,
        _QUARTERS,
        ("month_before", 2),
    ),
}

#: Public ids of the synthetic market.
SYNTHETIC_IDS = (
    *(f"binance_um:{name}" for name in _PERPETUALS),
    *(f"cme:{name}" for name in _PRODUCTS),
    *(f"binance_spot:{name}" for name in _SPOT),
)


def load_synthetic(
    id: str, *, seed: int = 0, start_ns: int | None = None, end_ns: int | None = None
) -> History | ContractChain:
    """The synthetic history of a public id, whole or cut to [start_ns, end_ns); the cut does not change it.

    Raises UnknownInstrument for an id that is not in `SYNTHETIC_IDS`.
    """
    venue, _, name = id.partition(":")
    if venue == "binance_um" and name in _PERPETUALS:
        return _perpetual(id, _PERPETUALS[name], seed, start_ns, end_ns)
    if venue == "binance_spot" and name in _SPOT:
        return _spot(name, seed, start_ns, end_ns)
    if venue == "cme" and name in _PRODUCTS:
        return _chain(id, _PRODUCTS[name], seed, start_ns, end_ns)
    raise UnknownInstrument(id, reason=f"is not in the synthetic market; it has {', '.join(SYNTHETIC_IDS)}.")


def _note(seed: int) -> str:
    return f"prices of the synthetic market (seed {seed}), not of an exchange"


# ---------------------------------------------------------------- chance


class _Chance:
    """Draws of one instrument: uniforms of PCG64, and bell-shaped numbers made of twelve of them."""

    def __init__(self, seed: int, id: str) -> None:
        self.generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(id.encode())]))

    def normal(self, count: int) -> Array:
        """Near-normal draws within -6..6: twelve uniforms less six, which needs no log or exp."""
        uniforms = self.generator.random((12, count))
        total = np.zeros(count)
        for row in uniforms:  # in order: a sum over an axis may be regrouped by another machine
            total = total + row
        return total - 6.0

    def rare(self, count: int, rate: float) -> Array:
        """1.0 where something rare happens, else 0.0."""
        return (self.generator.random(count) < rate).astype(np.float64)

    def reverting(self, count: int, memory: float) -> Array:
        """An autoregression of about unit spread."""
        shocks = (self.normal(count) * np.sqrt(1.0 - memory * memory)).tolist()
        return np.array(list(accumulate(shocks, lambda state, shock: memory * state + shock)))

    def clustered(self, count: int, memory: float) -> Array:
        """A volatility of about mean one that comes in clusters: the root of a smoothed sum of squares."""
        squares = self.normal(count) ** 2 * (1.0 - memory)
        return np.sqrt(
            np.array(list(accumulate(squares.tolist(), lambda state, square: memory * state + square, initial=1.0)))[1:]
        )


def _level(levels: tuple[tuple[str, float], ...], stamps: Array) -> Array:
    """The level curve at the stamps, straight between its points."""
    at = np.array([to_ns(day) for day, _ in levels])
    price = np.array([price for _, price in levels])
    left = np.clip(np.searchsorted(at, stamps, side="right") - 1, 0, len(at) - 2)
    share = (stamps - at[left]) / (at[left + 1] - at[left])
    return np.asarray(price[left] + (price[left + 1] - price[left]) * share)


def _path(level: Array, steps: Array, pull: float) -> Array:
    """Prices after each step: a share `pull` of the way to the level, then the step's fraction."""

    def move(price: float, now: tuple[float, float]) -> float:
        target, step = now
        return price * (1.0 + step + pull * (target / price - 1.0))

    moves: Iterator[tuple[float, float]] = zip(level.tolist(), steps.tolist(), strict=True)
    return np.array(list(accumulate(moves, move, initial=float(level[0]))))  # type: ignore[arg-type]


def _on_grid(prices: Array, tick_e8: int) -> Array:
    """The nearest whole ticks, at least one."""
    return np.maximum(np.rint(prices * E8 / tick_e8), 1.0).astype(np.int64)


def _floats(price_e8: Array) -> Array:
    """Integers of 1e-8 as floats whose shortest decimal is the integer's."""
    return np.asarray(price_e8 / E8)


def _bars_frame(stamps: Array, prices_e8: Array) -> pl.DataFrame:
    return pl.DataFrame(
        {"ts": pl.Series(stamps).cast(_UTC)}
        | {name: _floats(row) for name, row in zip(("open", "high", "low", "close"), prices_e8, strict=True)}
    )


def _within(frame: pl.DataFrame, start_ns: int | None, end_ns: int | None) -> pl.DataFrame:
    stamps = frame["ts"].to_physical()
    keep = np.ones(frame.height, dtype=bool)
    if start_ns is not None:
        keep &= (stamps >= start_ns).to_numpy()
    if end_ns is not None:
        keep &= (stamps < end_ns).to_numpy()
    return frame.filter(pl.Series(keep))


# ---------------------------------------------------------------- perpetuals


def _perpetual(id: str, made_of: _Perpetual, seed: int, start_ns: int | None, end_ns: int | None) -> History:
    stamps, last, basis, volume = _drawn(id, made_of, seed)
    mark = _marks(_floats(last * made_of.tick_e8), basis)
    last_frame = _bars_frame(stamps, last * made_of.tick_e8).with_columns(pl.Series("volume", volume))
    history = History(
        _within(last_frame, start_ns, end_ns),
        mark=_within(_bars_frame(stamps, mark), start_ns, end_ns),
        funding=_within(_funding(made_of, stamps, basis), start_ns, end_ns),
        bar="1h",
    )
    history.notes = (_note(seed),)
    return history


def _spot(name: str, seed: int, start_ns: int | None, end_ns: int | None) -> History:
    """The spot market beside a perpetual: what the perpetual would be without its basis, on the spot market's ticks."""
    made_of = _PERPETUALS[name]
    stamps, last, basis, volume = _drawn(f"binance_um:{name}", made_of, seed)
    ticks = np.array([_on_grid(row / E8, _SPOT[name]) for row in _marks(_floats(last * made_of.tick_e8), basis)])
    bars = _bars_frame(stamps, ticks * _SPOT[name]).with_columns(pl.Series("volume", volume))
    history = History(_within(bars, start_ns, end_ns), bar="1h")
    history.notes = (_note(seed),)
    return history


@lru_cache(maxsize=len(_PERPETUALS))
def _drawn(id: str, made_of: _Perpetual, seed: int) -> tuple[Array, Array, Array, Array]:
    """Stamps, ticks of the last price (open, high, low, close), basis at the closes and volume of a perpetual.

    Kept, since its spot market is made of them too.
    """
    chance = _Chance(seed, id)
    stamps = np.arange(to_ns(made_of.start), to_ns(made_of.end), HOUR_NS, dtype=np.int64)
    count = len(stamps)
    spread = made_of.volatility * np.repeat(chance.clustered(count // 24 + 1, 0.9), 24)[:count]
    jumps = chance.rare(count, 0.006) * chance.normal(count) * 4.0
    deeper = np.zeros(count)
    crash_rows = {
        int((to_ns(f"{hour}:00:00+00:00") - stamps[0]) // HOUR_NS): (step, depth)
        for hour, step, depth in made_of.crashes
    }
    for row in crash_rows:  # the week before a crash is calm, so that who is long then is not already gone
        spread[max(0, row - 168) : row + 1] = made_of.volatility * 0.3
        jumps[max(0, row - 168) : row + 1] = 0.0
    steps = np.clip(spread * (chance.normal(count) + jumps), -0.12, 0.12)
    for row, (step, depth) in crash_rows.items():
        steps[row], deeper[row] = step, depth
    path = _path(_level(made_of.levels, stamps), steps, 1.0 / (24 * 40))
    opened, closed = path[:-1], path[1:]
    high = np.maximum(opened, closed) * (1.0 + 0.5 * spread * np.abs(chance.normal(count)))
    low = np.minimum(opened, closed) * (1.0 - 0.5 * spread * np.abs(chance.normal(count)) - deeper)
    last = np.array([_on_grid(row, made_of.tick_e8) for row in (opened, high, low, closed)])
    last[1], last[2] = last.max(axis=0), last.min(axis=0)
    basis = 0.0002 * chance.reverting(count, 0.5) + 0.0005 * chance.reverting(count, 0.995) - 0.1 * deeper
    volume = np.rint(1e3 * (1.0 + chance.normal(count) ** 2) * (1.0 + 40.0 * np.abs(steps))) / 1e3
    return stamps, last, basis, volume


def _marks(last: Array, basis: Array) -> Array:
    """Mark bars in 1e-8, off the tick grid: last over one plus the basis, extremes drawn in by a tenth."""
    before = np.append(basis[:1], basis[:-1])
    opened, closed = last[0] / (1.0 + before), last[3] / (1.0 + basis)
    top, bottom = np.maximum(opened, closed), np.minimum(opened, closed)
    high = np.maximum(top, top + 0.9 * (last[1] - np.maximum(last[0], last[3])))
    low = np.minimum(bottom, bottom + 0.9 * (last[2] - np.minimum(last[0], last[3])))
    return np.rint(np.array([opened, high, low, closed]) * 1e8).astype(np.int64)


def _funding(made_of: _Perpetual, stamps: Array, basis: Array) -> pl.DataFrame:
    """A rate per interval: mean premium, bent towards interest by at most 5 bp, within the cap."""
    hours = made_of.funding_hours
    whole = len(basis) // hours
    premium = np.zeros(whole)
    for hour in range(hours):
        premium = premium + basis[: whole * hours].reshape(whole, hours)[:, hour]
    premium = premium / hours
    interest = 0.0001 * hours / 8
    rate = premium + np.clip(interest - premium, -0.0005, 0.0005)
    rate = np.rint(np.clip(rate, -made_of.funding_cap, made_of.funding_cap) * 1e8)
    paid = stamps[0] + (np.arange(whole) + 1) * (hours * HOUR_NS)
    frame = pl.DataFrame({"ts": pl.Series(paid).cast(_UTC), "funding_rate": rate / 1e8})
    return _within(frame, None, int(stamps[-1]) + HOUR_NS)


# ---------------------------------------------------------------- dated contracts


def _chain(id: str, made_of: _Product, seed: int, start_ns: int | None, end_ns: int | None) -> ContractChain:
    chance = _Chance(seed, id)
    days = _weekdays()
    stamps = np.array([to_ns(day) for day in days], dtype=np.int64)
    count = len(days)
    spread = made_of.volatility * chance.clustered(count, 0.94)
    steps = np.clip(spread * chance.normal(count), -0.05, 0.05)
    number_of = {day.isoformat(): number for number, day in enumerate(days)}
    for day, step in made_of.crashes:
        steps[number_of[day]] = step
    path = _path(_level(made_of.levels, stamps), steps, 1.0 / 60)
    opened = path[:-1] * (1.0 + 0.1 * spread * chance.normal(count))
    closed = path[1:]
    high = np.maximum(opened, closed) * (1.0 + 0.4 * spread * np.abs(chance.normal(count)))
    low = np.minimum(opened, closed) * (1.0 - 0.4 * spread * np.abs(chance.normal(count)))
    carry = made_of.carry * (1.0 + 0.3 * chance.reverting(count, 0.99))
    rolls = _rolls(made_of, days)
    months = [rolls[0][1], *(new for _, _, new in rolls)]
    edges = [int(stamps[0]), *(at for at, _, _ in rolls), int(stamps[-1])]
    bars, settlement = {}, {}
    for month, (entered, left) in zip(months, pairwise(edges), strict=True):
        held = (stamps >= entered) & (stamps <= left)
        years = (to_ns(dt.date(month // 100, month % 100, 15)) - stamps[held]) / (365 * DAY_NS)
        ahead = 1.0 + carry[held] * years
        ticks = np.array([_on_grid(row[held] * ahead, made_of.tick_e8) for row in (opened, high, low, closed)])
        ticks[1], ticks[2] = ticks.max(axis=0), ticks.min(axis=0)
        frame = _within(_bars_frame(stamps[held], ticks * made_of.tick_e8), start_ns, end_ns)
        if frame.height:
            bars[month] = frame
            settlement[month] = frame.select(pl.col("ts").dt.offset_by("1d"), pl.col("close").alias("settlement"))
    kept = [roll for roll in rolls if roll[1] in bars and roll[2] in bars]
    chain = ContractChain(bars, kept, settlement=settlement, bar="1d")
    chain.cautions = (_note(seed), *chain.cautions)
    return chain


def _weekdays() -> list[dt.date]:
    """Weekdays without Christmas and New Year."""
    span = (_CHAIN_END - _CHAIN_START).days + 1
    days = (_CHAIN_START + dt.timedelta(number) for number in range(span))
    return [day for day in days if day.weekday() < 5 and (day.month, day.day) not in ((12, 25), (1, 1))]


def _rolls(made_of: _Product, days: list[dt.date]) -> list[tuple[int, int, int]]:
    """(instant, old month, new month) of every roll, at the open of its roll day or the next weekday."""
    listed = [year * 100 + month for year in range(2012, 2022) for month in made_of.months]
    rolls = []
    for old, new in pairwise(listed):
        planned = _roll_day(made_of, old)
        day = next((day for day in days if day >= planned), None)
        if day is not None and days[0] < planned:
            rolls.append((to_ns(day), old, new))
    return rolls


def _roll_day(made_of: _Product, month: int) -> dt.date:
    rule, days = made_of.roll
    first = dt.date(month // 100, month % 100, 1)
    if rule == "month_before":
        back = [first - dt.timedelta(number) for number in range(1, 12)]
        return [day for day in back if day.weekday() < 5][days]
    weekday = 4 if rule == "before_third_friday" else 2
    third = first + dt.timedelta((weekday - first.weekday()) % 7 + 14)
    return third - dt.timedelta(days)
