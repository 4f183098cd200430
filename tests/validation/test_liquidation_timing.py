"""When a leveraged long is liquidated, on marks whose law is known: V9 of facts/validation_tables.md.

The mark is a geometric Brownian motion without drift (a martingale), 80 % a year of 365 days, watched for one day by
the venue. Every path is an instrument of its own, on which two accounts hold one indivisible lot each, isolated, at
20x and 50x, under one bracket of 0.4 % and without fees. So the level is L / entry = (1 - 1 / leverage) / (1 - 0.004),
a liquidation is of the whole position, and an account's positions do not touch each other.

The seed is fixed: a run passes or fails alike everywhere. Drawn anew, each bound of four standard errors would be
crossed by chance once in 16,000 draws, one of the eight once in 2,000.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import erf, exp, log, sqrt
from typing import NamedTuple

import numpy as np
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import (
    COMMAND_DTYPE,
    place_limit,
    place_market,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.enums import (
    CommandKind,
    EventKind,
    InstrumentKind,
    MarginMethod,
    MarginScope,
    MarketEventKind,
    OrderKind,
    Side,
)
from novation.domain.events import EVENT_DTYPE, Event
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MARKET_DTYPE, MarketEvent
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.snapshots import Snapshot
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios

SIGMA = 0.8  #: a year
DAY = 1 / 365  #: in years
MAINTENANCE = 0.004
ENTRY = 50_000
LEVERAGES = (20, 50)  #: of account 0 and account 1
ABREAST = 250  #: paths in one venue
SHIFT = 0.5826  #: -zeta(1/2) / sqrt(2 pi), Broadie, Glasserman and Kou (1997)
HOURS, FIVE_MINUTES = 24, 288

#: leverage -> probability, standard error of the table: V9's columns.
CONTINUOUS = {20: (0.26496, 0.0), 50: (0.70458, 0.0)}
HOURLY = {20: (0.2208, 0.0007), 50: (0.6223, 0.0008)}
EVERY_FIVE_MINUTES = {20: (0.2484, 0.0014), 50: (0.6788, 0.0015)}
#: What V9 measured of the mean overshoot, in sigma * sqrt(dt).
OVERSHOOT = (0.578, 0.608)


def level(leverage: int) -> float:
    """Liquidation price over entry."""
    return (1 - 1 / leverage) / (1 - MAINTENANCE)


def touched(barrier: float, sigma: float = SIGMA, years: float = DAY) -> float:
    """Probability that a driftless geometric Brownian motion from 1 touches a lower barrier."""
    b, s, drift = log(barrier), sigma * sqrt(years), -sigma * sigma * years / 2

    def normal(x: float) -> float:
        return (1 + erf(x / sqrt(2))) / 2

    return normal((b - drift) / s) + exp(2 * drift * b / s**2) * normal((b + drift) / s)


# -- paths and feeds ------------------------------------------------------------------------------------------------


def paths(rng: np.random.Generator, steps: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices at the end of each step and the true lowest inside it, shape (steps, count), both over the entry.

    Between two known ends the minimum of a Brownian motion is (x - sqrt(x**2 - 2 s**2 log U)) / 2 above the first,
    exactly, whatever the drift.
    """
    variance = SIGMA**2 * DAY / steps
    moves = rng.normal(-variance / 2, sqrt(variance), (steps, count))
    dips = (moves - np.sqrt(moves**2 - 2 * variance * np.log1p(-rng.random((steps, count))))) / 2
    ends = np.cumsum(moves, axis=0)
    return np.exp(ends), np.exp(ends - moves + dips)


def prices_e8(relative: np.ndarray) -> np.ndarray:
    """Relative prices as 1e-8 of USDT."""
    return np.rint(relative * ENTRY * E8).astype(np.int64)


def feed_of(kind: MarketEventKind, ends: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """One row a step and path; step k lasts from instant k to k + 1."""
    steps, count = ends.shape
    rows = np.zeros(steps * count, MARKET_DTYPE)
    rows["ts_ns"] = np.repeat(np.arange(1, steps + 1), count)
    rows["start_ns"] = rows["ts_ns"] - 1
    rows["kind"], rows["instrument"] = int(kind), np.tile(np.arange(count), steps)
    for names, values in (
        (("last_e8", "mark_e8"), ends),
        (("last_low_e8", "mark_low_e8"), lows),
        (("last_high_e8", "mark_high_e8"), highs),
    ):
        for name in names:
            rows[name] = values.ravel()
    return rows


def with_extremes(ends: np.ndarray, dips: np.ndarray) -> np.ndarray:
    """Bars that know the lowest mark inside them."""
    opens = np.vstack([np.full_like(ends[:1], ENTRY * E8), ends[:-1]])
    return feed_of(MarketEventKind.BAR_CLOSE, ends, np.minimum(dips, ends), np.maximum(opens, ends))


def closes_alone(ends: np.ndarray) -> np.ndarray:
    """Bars that know nothing but their close: high and low equal it."""
    return feed_of(MarketEventKind.BAR_CLOSE, ends, ends, ends)


def jumps(ends: np.ndarray) -> np.ndarray:
    """The same prices as marks that jump from one to the next, with nothing in between."""
    none = np.zeros_like(ends)
    return feed_of(MarketEventKind.BAR_OPEN, ends, none, none)


# -- the venue ------------------------------------------------------------------------------------------------------


class Opened(NamedTuple):
    """A venue with every position open, and the state to begin each batch of paths from."""

    venue: Venue
    start: Snapshot
    tick_e8, fewer = 1, 1

    def meet(self, feed: np.ndarray) -> list[Event]:
        """What happens on a feed from the start."""
        self.venue.restore(self.start)
        events = self.venue.advance(int(feed["ts_ns"][-1]), feed)
        assert self.venue.totals().gap == 0
        return events


class OnABook(NamedTuple):
    """The same, each path with a book. Ahead of a mark that may liquidate, an account bids what the mark will be."""

    venue: Venue
    start: Snapshot
    tick_e8 = E8  #: a book takes room for all prices between its orders, and there are 250
    fewer = 10  #: a tenth of the paths: orders take their time

    def meet(self, feed: np.ndarray) -> list[Event]:
        """What happens when marks jump from one to the next as the closes of a feed do."""
        self.venue.restore(self.start)
        events: list[Event] = []
        for rows in np.split(feed, np.flatnonzero(np.diff(feed["ts_ns"])) + 1):
            low = rows[rows["mark_e8"] < round(0.99 * ENTRY * E8)]
            bids = np.zeros(len(low) + 1, COMMAND_DTYPE)
            bids["account"], bids["instrument"][0], bids["kind"][0] = MAKER, -1, CommandKind.CANCEL_ALL
            bids["kind"][1:], bids["order_kind"], bids["side"][1:] = CommandKind.PLACE, OrderKind.LIMIT, Side.BUY
            bids["instrument"][1:], bids["lots"][1:] = low["instrument"], len(LEVERAGES)
            bids["price_ticks"][1:] = low["mark_e8"] // self.tick_e8
            self.venue.submit_all(bids)
            told = np.frombuffer(b"".join(self.venue.drain()), EVENT_DTYPE)
            assert (told["kind"] == EventKind.ORDER_ACCEPTED).sum() == len(low)
            marks = np.zeros(len(rows), MARKET_DTYPE)
            marks["kind"] = MarketEventKind.MARK
            for name in ("ts_ns", "instrument", "mark_e8"):
                marks[name] = rows[name]
            events += [e for e in self.venue.advance(int(rows["ts_ns"][0]), marks) if e.account != MAKER]
            assert self.venue.totals().gap == self.venue.totals().outside == 0
        return events


Market = Opened | OnABook
#: The account behind those that are tested.
MAKER = len(LEVERAGES)
BARS_ALONE = pytest.mark.parametrize("opened", ["bars"], indirect=True)


@pytest.fixture(scope="module", params=["bars", "book"])
def opened(request: pytest.FixtureRequest) -> Market:
    made = OnABook if request.param == "book" else Opened
    bracket = Tier(0, NO_CAP, round(MAINTENANCE * E8), max(LEVERAGES), 0)
    coins = [
        Instrument(
            id=f"x:P{i}",
            venue="x",
            symbol=f"P{i}",
            root=f"P{i}",
            kind=InstrumentKind.PERPETUAL,
            method=MarginMethod.TIERED,
            asset="USDT",
            tick_e8=made.tick_e8,
            lot_e8=E8,
        )
        for i in range(ABREAST)
    ]
    venue = Venue(
        binance_usdm.RULES,
        coins,
        [[Terms(effective_ns=0, tiers=(bracket,))]] * ABREAST,
        accounts=len(LEVERAGES) + 1,
        books={one.id: BookRules() for one in coins} if made is OnABook else {},
    )
    price = ENTRY * E8
    kind, last_e8 = (MarketEventKind.MARK, 0) if made is OnABook else (MarketEventKind.BAR_OPEN, price)
    rows = [MarketEvent(ts_ns=0, kind=kind, instrument=i, last_e8=last_e8, mark_e8=price) for i in range(ABREAST)]
    venue.advance(0, scenarios.array(rows))
    if made is OnABook:
        venue.submit(transfer(MAKER, 1 << 58))
        for i in range(ABREAST):
            venue.submit(place_limit(MAKER, i, Side.SELL, len(LEVERAGES), price // made.tick_e8))
    for account, leverage in enumerate(LEVERAGES):
        venue.submit(transfer(account, ABREAST * price))
        for i in range(ABREAST):
            venue.submit(set_leverage(account, i, leverage))
            venue.submit(set_margin_scope(account, i, MarginScope.ISOLATED))
            venue.submit(place_market(account, i, Side.BUY, 1))
    for account, leverage in enumerate(LEVERAGES):
        positions = venue.account(account).positions
        assert len(positions) == ABREAST
        assert {p.liquidation_e8 for p in positions} == {int(level(leverage) * price)}
    return made(venue, venue.snapshot())


def gone(events: list[Event]) -> dict[tuple[int, int], Event]:
    """The liquidation of each (account, path) that had one; each is of everything."""
    first = {(e.account, e.instrument): e for e in events if e.kind == EventKind.LIQUIDATION and e.account != MAKER}
    assert all(e.position_lots == 0 for e in first.values())
    return first


def share_gone(opened: Market, feeds: Iterable[np.ndarray]) -> dict[int, float]:
    """The share of the paths on which each account was liquidated, by its leverage."""
    count, watched = dict.fromkeys(LEVERAGES, 0), 0
    for feed in feeds:
        watched += ABREAST
        for account, _ in gone(opened.meet(feed)):
            count[LEVERAGES[account]] += 1
    return {leverage: hits / watched for leverage, hits in count.items()}


def agree(measured: dict[int, float], table: dict[int, tuple[float, float]], count: int) -> None:
    """Within four standard errors, those of both."""
    for leverage, (p, error) in table.items():
        bound = 4 * sqrt(p * (1 - p) / count + error**2)
        print(f"{leverage}x: {measured[leverage]:.5f}, table {p} +- {error}, 4 s.e. {bound:.5f}, {count} paths")
        assert abs(measured[leverage] - p) < bound, (leverage, measured[leverage], p, bound)


def batches(stated: int) -> int:
    """How many batches make the stated number of paths, at this scale."""
    return -(-scaled(stated) // ABREAST)


# -- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leverage", "over_entry", "hourly", "five_minutes"),
    [(20, 0.953815, 0.21756, 0.25060), (50, 0.983936, 0.61957, 0.67962)],
)
def test_the_columns_of_the_table_follow_from_the_reflection_principle(
    leverage: int, over_entry: float, hourly: float, five_minutes: float
) -> None:
    barrier = level(leverage)
    assert round(barrier, 6) == over_entry
    assert round(touched(barrier), 5) == CONTINUOUS[leverage][0]
    for steps, approximate in ((HOURS, hourly), (FIVE_MINUTES, five_minutes)):
        assert round(touched(barrier * exp(-SHIFT * SIGMA * sqrt(DAY / steps))), 5) == approximate


@BARS_ALONE
@pytest.mark.heavy
def test_bars_with_the_mark_s_extremes_liquidate_as_continuous_watching_does(opened: Market) -> None:
    rng, n = np.random.default_rng(20_251_010), batches(400_000 // opened.fewer)
    feeds = (with_extremes(*map(prices_e8, paths(rng, HOURS, ABREAST))) for _ in range(n))
    agree(share_gone(opened, feeds), CONTINUOUS, n * ABREAST)


@pytest.mark.heavy
def test_bars_of_closes_alone_miss_what_hourly_watching_misses(opened: Market) -> None:
    rng, n = np.random.default_rng(20_200_312), batches(400_000 // opened.fewer)
    feeds = (closes_alone(prices_e8(paths(rng, HOURS, ABREAST)[0])) for _ in range(n))
    agree(share_gone(opened, feeds), HOURLY, n * ABREAST)


@pytest.mark.heavy
def test_bars_of_five_minutes_miss_less(opened: Market) -> None:
    rng, n = np.random.default_rng(20_210_519), batches(100_000 // opened.fewer)
    feeds = (closes_alone(prices_e8(paths(rng, FIVE_MINUTES, ABREAST)[0])) for _ in range(n))
    agree(share_gone(opened, feeds), EVERY_FIVE_MINUTES, n * ABREAST)


@pytest.mark.heavy
def test_a_mark_that_jumps_overshoots_the_level_by_the_known_mean_and_the_fund_pays_the_rest(
    opened: Market,
) -> None:
    """The same liquidations in the same hours as on closes alone, but at the price that was there."""
    rng, n = np.random.default_rng(20_221_109), batches(200_000 // opened.fewer)
    unit = SIGMA * sqrt(DAY / HOURS)
    beyond: dict[int, list[float]] = {leverage: [] for leverage in LEVERAGES}
    paid: dict[int, list[int]] = {leverage: [] for leverage in LEVERAGES}
    for _ in range(n):
        ends = prices_e8(paths(rng, HOURS, ABREAST)[0])
        events = opened.meet(jumps(ends))
        closed_out = gone(events)
        watched = gone(opened.meet(closes_alone(ends)))
        assert {k: e.ts_ns for k, e in closed_out.items()} == {k: e.ts_ns for k, e in watched.items()}
        insured = {(e.account, e.instrument): e.amount for e in events if e.kind == EventKind.INSURANCE}
        insured |= {(e.account, e.instrument): -e.amount for e in events if e.kind == EventKind.TAKEN_OVER}
        for (account, path), e in closed_out.items():
            leverage = LEVERAGES[account]
            assert e.price_e8 == ends[e.ts_ns - 1, path]
            if isinstance(opened, Opened):
                assert watched[account, path].price_e8 == int(level(leverage) * ENTRY * E8)
            bankrupt = ENTRY * E8 - ENTRY * E8 // leverage
            sold_at = e.price_e8 // opened.tick_e8 * opened.tick_e8
            assert insured.get((account, path), 0) == max(0, bankrupt - sold_at)
            beyond[leverage].append(log(level(leverage) * ENTRY * E8 / e.price_e8) / unit)
            paid[leverage].append(insured.get((account, path), 0))
    for leverage in LEVERAGES:
        mean, error = np.mean(beyond[leverage]), np.std(beyond[leverage]) / sqrt(len(beyond[leverage]))
        gap = np.mean(paid[leverage]) / (ENTRY * E8)
        print(f"{leverage}x: overshoot {mean:.4f} +- {error:.4f} of {len(beyond[leverage])}; the fund pays {gap:.5%}")
        assert OVERSHOOT[0] - 4 * error < mean < OVERSHOOT[1] + 4 * error
