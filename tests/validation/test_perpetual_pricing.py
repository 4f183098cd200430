"""What a perpetual is worth when rates are constant: V8 of facts/validation_tables.md, through the venue.

`r_a` is the rate of the quote currency, `r_b` the yield of the coin; the long pays `kappa * (f - x) + iota * x` a year
of funding, with `f` the perpetual and `x` the coin. Then f = m * x with m = (kappa - iota) / (kappa + r_b - r_a).

An interval here begins with its price and ends with funding on that price, then the next price appears: the venue sees
a FUNDING row on the mark of before, and an instant later the opening of the next bar.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import sqrt

import msgspec
import numpy as np
import pytest

from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, InstrumentKind, MarginMethod, MarginScope, MarketEventKind, Side
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MARKET_DTYPE, MarketEvent
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios

STAMPS = 1_095  #: a year, three a day
COIN = Instrument(
    id="x:C0",
    venue="x",
    symbol="C0",
    root="C0",
    kind=InstrumentKind.PERPETUAL,
    method=MarginMethod.TIERED,
    asset="USDT",
    tick_e8=1,
    lot_e8=E8,
)
#: No fees and no maintenance: nothing but price and funding moves money.
FREE = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 0, 1, 0),))
#: r_a, r_b, kappa, iota and the ratio f / x that V8 states.
TABLE = [
    ("0.05", "0", "1095", "0", "1.00004566"),
    ("0.05", "0.01", "10", "0", "1.00401606"),
    ("0.05", "0.01", "10", "0.04", "1.00000000"),
]


def ratio(r_a: Fraction, r_b: Fraction, kappa: Fraction, iota: Fraction) -> Fraction:
    """Price of the perpetual over that of the coin."""
    return (kappa - iota) / (kappa + r_b - r_a)


def market(instruments: int, entries_e8: np.ndarray, side: Side, cash: int, scope: MarginScope) -> Venue:
    """One account with one lot of each instrument, entered at the first price."""
    coins = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(instruments)]
    venue = Venue(binance_usdm.RULES, coins, [[FREE]] * instruments)
    rows = [
        MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=int(p), mark_e8=int(p))
        for i, p in enumerate(entries_e8)
    ]
    venue.advance(0, scenarios.array(rows))
    venue.submit(transfer(0, cash))
    for i in range(instruments):
        venue.submit(set_leverage(0, i, 1))
        venue.submit(set_margin_scope(0, i, scope))
        events = venue.submit(place_market(0, i, side, 1))
        assert events[-1].kind == EventKind.FILL
    return venue


def feed_of(prices_e8: np.ndarray, rates_e8: np.ndarray) -> np.ndarray:
    """Funding of interval k on prices[k] at instant 2k + 1, then prices[k + 1] at 2k + 2; shapes (n + 1, i), (n,)."""
    steps, count = len(prices_e8) - 1, prices_e8.shape[1]
    rows = np.zeros((steps, 2, count), MARKET_DTYPE)
    rows["ts_ns"] = np.arange(1, 2 * steps + 1).reshape(steps, 2, 1)
    rows["instrument"] = np.arange(count)
    rows["kind"][:, 0], rows["kind"][:, 1] = int(MarketEventKind.FUNDING), int(MarketEventKind.BAR_OPEN)
    rows["mark_e8"][:, 0], rows["rate_e8"][:, 0] = prices_e8[:-1], rates_e8[:, None]
    rows["mark_e8"][:, 1] = rows["last_e8"][:, 1] = prices_e8[1:]
    return rows.reshape(-1)


# -- closed form ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE)
def test_the_ratio_of_perpetual_and_coin_is_the_table_s(row: tuple[str, ...]) -> None:
    r_a, r_b, kappa, iota, stated = row
    exact = ratio(Fraction(r_a), Fraction(r_b), Fraction(kappa), Fraction(iota))
    assert f"{float(exact):.8f}" == stated
    assert (exact == 1) == (Fraction(iota) == Fraction(r_a) - Fraction(r_b))


# -- every path -----------------------------------------------------------------------------------------------------


def worth_of_the_hedge(prices_e8: np.ndarray, rates_e8: np.ndarray) -> Decimal:
    """Borrow the price of a coin, hold it, short one perpetual: what is left at the end, in minor units.

    Debt and the cash that variation and funding bring bear the interval's rate, exactly; the perpetual and its
    payments are the venue's.
    """
    cash = 10**17  # so much that the venue never closes the short
    venue = market(1, prices_e8[:1], Side.SELL, cash, MarginScope.CROSS)
    venue.attach(feed_of(prices_e8[:, None], rates_e8))
    debt, equity = -Decimal(int(prices_e8[0])), cash
    for k, rate_e8 in enumerate(rates_e8.tolist()):
        while venue.step(2 * k + 2):
            pass
        now = venue.money(0)[1]
        debt += debt * rate_e8 / E8 + (now - equity)
        equity = now
    assert len(venue.account(0).positions) == 1
    assert venue.totals().gap == 0
    return debt + int(prices_e8[-1])


def rounding_bound(rates_e8: np.ndarray) -> Decimal:
    """Each payment is cut by less than one minor unit, which bears interest until the end."""
    bound = Decimal(0)
    for rate_e8 in rates_e8.tolist():
        bound += bound * rate_e8 / E8 + 1
    return bound


@pytest.mark.heavy
def test_a_borrowed_coin_against_a_short_perpetual_is_worth_nothing_on_every_path() -> None:
    """No statistics: r_b = 0 and iota = r_a make f = x, and the hedge replicates the debt step by step."""
    rng, steps, largest = np.random.default_rng(8), 3_000, Decimal(0)
    with localcontext() as context:
        context.prec = 60
        for path in range(scaled(200, 3)):
            moves = rng.normal(0, rng.choice([0.002, 0.01, 0.04]), steps)
            prices_e8 = np.rint(30_000 * E8 * np.exp(np.cumsum(np.concatenate([[0.0], moves])))).astype(np.int64)
            rates_e8 = np.full(steps, 4_566)  # 5 % a year, three times a day
            if path % 2:
                rates_e8 = rng.integers(-4_000, 12_000, steps)  # another rate each interval, now and then negative
            left, bound = worth_of_the_hedge(prices_e8, rates_e8), rounding_bound(np.abs(rates_e8))
            assert abs(left) < bound, (path, left, bound)
            if not path % 2:
                assert left <= 0  # what is cut is never the short's
            largest = max(largest, abs(left))
    print(f"largest worth {largest:.0f} of 1e-8 USDT")


# -- on average -----------------------------------------------------------------------------------------------------


def gains(prices_e8: np.ndarray, rate_e8: int) -> tuple[np.ndarray, np.ndarray]:
    """Profit of one long lot on each path with funding and without, as a share of its entry price."""
    count, entry = prices_e8.shape[1], int(prices_e8[0, 0])
    venue = market(count, prices_e8[0], Side.BUY, count * entry, MarginScope.ISOLATED)
    venue.attach(feed_of(prices_e8, np.full(len(prices_e8) - 1, rate_e8)))
    while venue.step(venue.end_ns):
        venue.drain()
    positions = sorted(venue.account(0).positions, key=lambda p: p.instrument)
    assert len(positions) == count and venue.totals().gap == 0
    price = np.array([p.unrealised for p in positions])
    funding = np.array([p.isolated_margin for p in positions]) - entry
    return (price + funding) / entry, price / entry


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("row", TABLE)
def test_a_long_perpetual_at_its_fair_ratio_gains_nothing_on_average(row: tuple[str, ...]) -> None:
    """A year of a coin with drift r_a - r_b: within four standard errors of zero, and far from it without funding.

    By chance one draw in 16,000 would lie outside, one of the three in 5,000; the seed is fixed.
    """
    r_a, r_b, kappa, iota = map(Fraction, row[:4])
    m, dt = ratio(r_a, r_b, kappa, iota), Fraction(1, STAMPS)
    rate_e8 = round((kappa * (m - 1) + iota) * dt / m * E8)  # the payment is on the perpetual's price
    rng, sigma, abreast = np.random.default_rng(TABLE.index(row)), 0.1, 250
    with_funding, without = [], []
    for _ in range(-(-scaled(10_000) // abreast)):
        step = sigma * sqrt(dt)
        moves = rng.normal(-step * step / 2, step, (STAMPS, abreast)) + np.log1p(float((r_a - r_b) * dt))
        spot = np.exp(np.vstack([np.zeros(abreast), np.cumsum(moves, axis=0)]))
        both = gains(np.rint(float(m) * 30_000 * E8 * spot).astype(np.int64), rate_e8)
        with_funding.append(both[0])
        without.append(both[1])
    total = np.concatenate(with_funding)
    mean, error = total.mean(), total.std() / sqrt(len(total))
    bare = np.concatenate(without).mean()
    print(f"{row}: rate {rate_e8}e-8, mean {mean:+.6f} +- {error:.6f}, without funding {bare:+.6f}, {len(total)} paths")
    assert abs(mean) < 4 * error
    assert bare > 4 * error
