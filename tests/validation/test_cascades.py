"""V10 (facts/validation_tables.md): a linear cascade ends at initial / (1 - n), and at n >= 1 with an empty book.

The market is the venue's: cross longs whose liquidation prices lie evenly below the price, on the linear ladder, with
the last price as mark. A fall of F below the first liquidation price forces d * F coins to be sold, d being coins per
unit of price, and one coin moves the price by eta.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from novation.domain.commands import place_market, set_leverage, transfer, transfer_position
from novation.domain.enums import EventKind, MarketEventKind, MarkRule, Side
from novation.domain.events import EVENT_DTYPE
from novation.domain.instruments import Terms, Tier
from novation.domain.liquidity import Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, NO_CAP, NS
from novation.research.cascade.run import cascade
from novation.rules.cascade import feedback, total_fall
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues.test_edges import coin

PRICE = 1_000
TERMS = Terms(
    effective_ns=0,
    tiers=(Tier(0, NO_CAP, 500_000, 150, 0),),
    taker_fee_e8=0,
    liquidation_fee_e8=1_000_000,
    funding_interval_hours=8,
    funding_floor_e8=-300_000,
    funding_cap_e8=300_000,
    basis_seconds=30,
)


def evenly(longs: int, ladder: Ladder, sold: int, seconds: int) -> tuple[list[float], int, Venue]:
    """Last price after each second, the first after the order that starts it, and accounts liquidated.

    One long of 1 coin every 0.01 of liquidation price from 990 down: d = 100 coins per 1.00 of price.
    """
    instrument = coin(tick_e8=1_000_000, lot_e8=E8)
    venue = Venue(
        binance_usdm.RULES,
        [instrument],
        [[TERMS]],
        accounts=longs + 1,
        ladders={instrument.id: ladder},
        marked={instrument.id: MarkRule.LAST},
    )
    rows = np.zeros(seconds + 2, MARKET_DTYPE)
    rows["kind"] = [MarketEventKind.BAR_OPEN, *[MarketEventKind.INDEX] * (seconds + 1)]
    rows["ts_ns"][1:] = NS * np.arange(seconds + 1)
    rows["last_e8"][0], rows["index_e8"][1:] = PRICE * E8, PRICE * E8
    venue.attach(rows)
    venue.advance(0)
    for k in range(longs):
        # liquidated at p = 990 - (k + 1/2) * 0.01: wallet = entry - p * (1 - rate), exactly
        at_e8 = 990 * E8 - 500_000 - k * 1_000_000
        venue.submit(transfer(k + 1, PRICE * E8 - at_e8 * 995 // 1_000))
        venue.submit(set_leverage(k + 1, 0, 100))
        assert venue.submit(transfer_position(k + 1, 0, Side.BUY, 1, PRICE * 100))[0].kind == EventKind.FILL
    venue.submit(transfer(0, 1 << 55))
    venue.submit(set_leverage(0, 0, 1))
    venue.submit(place_market(0, 0, Side.SELL, sold))
    prices, liquidated = [venue.table("market")["last_e8"][0] / E8], 0
    for second in range(1, seconds + 1):
        while venue.step(second * NS):
            pass
        events = np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)
        liquidated += len(np.unique(events["account"][events["kind"] == EventKind.LIQUIDATION]))
        prices.append(venue.table("market")["last_e8"][0] / E8)
    assert venue.totals().gap == 0
    return prices, liquidated, venue


@pytest.mark.parametrize(("lots", "n", "multiple"), [(200, 0.5, 2), (125, 0.8, 5)])
def test_an_even_market_falls_twice_and_five_times_as_far(lots: int, n: float, multiple: int) -> None:
    # `lots` coins a level of 1.00, 100 coins of longs per 1.00: n = 100 / lots
    ladder = Ladder.linear(lots=lots, levels=900, step=100)
    prices, liquidated, _ = evenly(4_000, ladder, 14 * lots, 60)  # 14 levels: 1000 .. 987, 3 below the first long
    assert prices[0] == 987
    assert feedback(100, E8 // lots) == round(n * E8)
    assert total_fall(3 * E8, round(n * E8), 900 * E8) == 3 * multiple * E8
    assert 990 - prices[-1] == 3 * multiple
    assert prices[-1] == prices[-2], "it ends by itself"
    assert liquidated == 100 * (990 - prices[-1])


@pytest.mark.parametrize("lots", [100, 80])
def test_a_market_of_full_feedback_exhausts_the_book_and_ends(lots: int) -> None:
    ladder = Ladder.linear(lots=lots, levels=40, step=100)
    prices, liquidated, venue = evenly(4_000, ladder, 14 * lots, 80)
    assert prices[-1] == PRICE - 39, "the last level"
    assert prices[-1] == prices[-2]
    assert venue.table("market")["bid_taken"][0] == 40 * lots
    # everybody above the last price is gone, and nobody below it
    assert liquidated == 100 * (990 - prices[-1])


def test_a_book_that_heals_ends_a_cascade_earlier() -> None:
    falls = []
    for heals in (0, 40):
        ladder = Ladder.linear(lots=125, levels=900, step=100, heals=heals)
        prices, _, _ = evenly(4_000, ladder, 14 * 125, 60)
        falls.append(990 - min(prices))
    assert falls[1] < 0.9 * falls[0]


#: 40,000 drawn accounts; their liquidation prices are uniform from 59,759 down, 2,410 wide (166 coins per 1,000.00).
DRAWN: dict[str, Any] = {
    "instrument": "BTCUSDT",
    "rules_as_of": "2026-05-01",
    "price": 60_000,
    "seconds": 120,
    "seed": 11,
    "mark": "last",
    "traders": [{"accounts": 40_000, "side": "long", "qty": [0.01, 0.01], "margin": [0.008, 0.048]}],
}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "multiple"), [(0.5, 2.0), (0.8, 5.0)])
def test_a_drawn_market_falls_twice_and_five_times_as_far(n: float, multiple: float) -> None:
    width = 60_000 * 0.04 / 0.996
    top = 60_000 * 0.992 / 0.996
    density = 40_000 * 0.01 / width
    qty = round(density / n, 3)  # a level of 1.00
    beyond = 60.0
    sold = round((60_000 - top + beyond) * qty, 3)
    config = DRAWN | {"ladder": {"qty": qty, "step": 1, "levels": 3_000}, "shock": {"sell": sold}}
    ran = cascade(config)
    assert ran.shocked_to == pytest.approx(top - beyond, abs=1.5)
    fall, expected = top - ran.last_price, beyond / (1 - density / qty)
    # The count in the fall is binomial; its error feeds back as the fall does. Four standard errors, one test in 16,000
    # fails by chance; and two levels for the width of a level.
    error = sqrt(density * expected / 0.01) * 0.01 / qty / (1 - n)
    assert fall == pytest.approx(expected, abs=4 * error + 2 * multiple)
    assert not ran.exhausted
    assert expected == pytest.approx(beyond * multiple, rel=0.02)
