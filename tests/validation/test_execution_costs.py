"""V1 and V3 (facts/validation_tables.md) through the venue: orders on bars whose takers move the price."""

from __future__ import annotations

import math

import numpy as np
import pytest

from novation.domain.commands import place_market, transfer
from novation.domain.enums import EventKind, MarketEventKind, Side
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import DAY_NS, E8, NO_CAP, NS
from novation.rules.impact import (
    MEASURED_BETA,
    MEASURED_ETA,
    MEASURED_GAMMA,
    cost_variance,
    expected_cost,
    optimal_holdings,
)
from novation.rules.manipulation import ImpactModel, almgren_chriss, measured
from novation.venues import binance_usdm
from novation.venues.impacts import Impact
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues.test_edges import coin

TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 100_000, 125, 0),))
#: A share: a tick of 1e-6, sizes of one.
SHARE: Instrument = coin(tick_e8=100, lot_e8=E8)
BUY, SELL = Side.BUY, Side.SELL
MONEY = 10**10 * E8
#: Paths whose bars are made ready at a time.
BLOCK = 1_000

# V1: a million shares at 50 in five days
X, S0, DAYS, SIGMA, EPSILON, ETA, GAMMA = 1_000_000, 50.0, 5, 0.95, 0.0625, 2.5e-6, 2.5e-7
#: What a period of a day leaves of eta, as an order pays half of what it moves the price by for good.
LESS = ETA - GAMMA / 2


def venue_of(model: ImpactModel, **times: int) -> Venue:
    venue = Venue(binance_usdm.RULES, [SHARE], [[TERMS]], impacts={SHARE.id: Impact(model, **times)})
    venue.submit(transfer(0, MONEY))
    return venue


def opens(venue: Venue, ts_ns: int, price: float, row: np.ndarray) -> None:
    """A bar opens."""
    row["ts_ns"], row["last_e8"], row["mark_e8"] = ts_ns, round(price * E8), round(price * E8)
    venue.advance(ts_ns, row)


def traded_e8(venue: Venue, side: Side, lots: int) -> int:
    """What a market order trades at, all of it."""
    (fill,) = [e for e in venue.submit(place_market(0, 0, side, lots)) if e.kind == EventKind.FILL]
    assert abs(fill.lots) == lots
    return fill.price_ticks * SHARE.tick_e8


def shortfalls(holdings: np.ndarray, paths: int, seed: int) -> np.ndarray:
    """Implementation shortfall of a schedule on `paths` Brownian mids, sold and bought in turn, so that what one leaves
    of permanent impact the next takes back. A day of the model is a second: so many days are beyond all clocks."""
    venue = venue_of(almgren_chriss(GAMMA, LESS, EPSILON), unit_ns=NS, takes_ns=NS)
    random = np.random.default_rng(seed)
    sold = -np.diff(np.rint(holdings)).astype(int)
    found, now = np.empty(paths), 0
    for path in range(paths):
        if path % BLOCK == 0:  # what the paths have cost is put back, and bars of the next ones are made ready
            if path:
                venue.submit(transfer(0, MONEY - venue.account(0).wallet))
            steps = SIGMA * random.standard_normal((BLOCK, DAYS))
            steps[:, 0] = 0.0
            mids = S0 + np.cumsum(steps, axis=1)
            bars = np.zeros(mids.size, MARKET_DTYPE)
            bars["kind"] = MarketEventKind.BAR_OPEN
            bars["ts_ns"] = now + NS * np.arange(1, mids.size + 1)
            bars["last_e8"] = bars["mark_e8"] = np.rint(mids.reshape(-1) * E8)
            venue.attach(bars)
        side, begins = (SELL, 0.0) if path % 2 == 0 else (BUY, -GAMMA * X)
        money = 0.0
        for lots in sold.tolist():
            now += NS
            venue.advance(now)
            if lots:
                money += lots * traded_e8(venue, side, lots) / E8
        # from what the price stood at as the schedule began, with what the path before has left
        found[path] = side * (money - X * (S0 + begins))
    return found


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("risk_aversion", "expected", "variance"), [(1e-6, 911_227.0, 3.641286e11), (0.0, 662_500.0, 1.083e12)]
)
def test_v1_a_schedule_costs_what_almgren_and_chriss_say(
    risk_aversion: float, expected: float, variance: float
) -> None:
    """Mean and variance within four standard errors (each crossed by chance once in 16,000 draws), 100,000 paths."""
    holdings = optimal_holdings(X, DAYS, 1.0, SIGMA, ETA, GAMMA, risk_aversion)
    assert expected_cost(holdings, 1.0, EPSILON, ETA, GAMMA) == pytest.approx(expected, rel=1e-6)
    assert cost_variance(holdings, 1.0, SIGMA) == pytest.approx(variance, rel=1e-6)
    paths = scaled(100_000, floor=1_000)
    found = shortfalls(holdings, paths, seed=1)
    # prices are moved to the tick against the order: a dollar at most
    assert abs(found.mean() - expected) <= 4 * found.std(ddof=1) / math.sqrt(paths) + 1.0
    assert abs(found.var(ddof=1) - variance) <= 4 * variance * math.sqrt(2 / (paths - 1))


def test_v1_all_at_once_costs_exactly_what_it_says() -> None:
    """2,562,500 without any variance: an order of a million in the first day."""
    venue = venue_of(almgren_chriss(GAMMA, LESS, EPSILON))
    row = np.zeros(1, MARKET_DTYPE)
    row["kind"] = MarketEventKind.BAR_OPEN
    opens(venue, DAY_NS, S0, row)
    cost = X * (S0 - traded_e8(venue, SELL, X) / E8)
    assert cost == pytest.approx(2_562_500.0, abs=1.0)


@pytest.mark.parametrize(("days", "k", "j"), [(0.1, 22.29, 32.22), (0.2, 14.71, 24.64), (0.5, 8.49, 18.42)])
def test_v3_the_measured_impact_of_a_tenth_of_a_days_volume(days: float, k: float, j: float) -> None:
    """IBM: V 6.561 million, Theta 1,728 million, sigma 157 bp. The order pays J = I / 2 + K and leaves I = 19.86 bp."""
    volume, price = 6_561_000, 100.0
    model = measured(volume, 1.728e9, 0.0157 * price, MEASURED_GAMMA, MEASURED_ETA, MEASURED_BETA)
    venue = venue_of(model, takes_ns=round(days * DAY_NS))
    row = np.zeros(1, MARKET_DTYPE)
    row["kind"] = MarketEventKind.BAR_OPEN
    opens(venue, DAY_NS, price, row)
    paid = (traded_e8(venue, BUY, volume // 10) / E8 / price - 1) * 1e4
    assert paid == pytest.approx(j, abs=0.006)
    opens(venue, 2 * DAY_NS, price, row)
    left = (traded_e8(venue, BUY, 1) / E8 / price - 1) * 1e4
    small = k / (volume // 10) ** MEASURED_BETA  # what a single share pays for itself
    assert left - small == pytest.approx(19.86, abs=0.006)
