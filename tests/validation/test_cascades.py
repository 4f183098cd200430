"""V10 (facts/validation_tables.md): a linear cascade ends at initial / (1 - n), and at n >= 1 with an empty book.

The market is the venue's: cross longs whose liquidation prices lie evenly below the price, on the linear ladder, with
the last price as mark. A fall of F below the first liquidation price forces d * F coins to be sold, d being coins per
unit of price, and one coin moves the price by eta. On a book the bids of one rich account rest where the ladder has its
levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import place_limit, place_market, set_leverage, transfer, transfer_position
from novation.domain.enums import EventKind, MarketEventKind, MarkRule, Side
from novation.domain.events import EVENT_DTYPE
from novation.domain.instruments import Terms, Tier
from novation.domain.liquidity import Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, NO_CAP, NS, to_ns
from novation.reference.lookup import Reference
from novation.research.cascade.run import cascade
from novation.rules.cascade import feedback, total_fall
from novation.venues import binance_usdm
from novation.venues.population import Traders, enter
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


class Bids:
    """A ladder's bids as orders of one account; what heals comes as orders of what is back at a price."""

    def __init__(self, venue: Venue, account: int, ladder: Ladder, centre: int) -> None:
        self.venue, self.account, self.ladder, self.centre = venue, account, ladder, centre
        self.missing, self.there = 0, [0] * len(ladder.lots)
        #: Lots from the best price on to each, itself not counted.
        self.ahead = np.cumsum([0, *ladder.lots[:-1]]).tolist()
        venue.submit(transfer(account, 1 << 58))
        venue.submit(set_leverage(account, 0, 1))
        for side in (Side.SELL, Side.BUY):  # the last price
            venue.submit(place_limit(account, 0, side, 10, centre))
        self.stand()

    def stand(self) -> None:
        """Orders for what is not at its price yet."""
        for k, lots in enumerate(self.ladder.lots):
            now = lots - min(lots, max(0, self.missing - self.ahead[k]))
            if now > self.there[k]:
                price = self.centre - self.ladder.offsets[k]
                (answer,) = self.venue.submit(place_limit(self.account, 0, Side.BUY, now - self.there[k], price))
                assert answer.kind == EventKind.ORDER_ACCEPTED
                self.there[k] = now

    def traded(self, fills: Iterable[tuple[int, int, int]]) -> None:
        """Take off what was met: (account, lots, ticks) of fills."""
        for account, lots, ticks in fills:
            if account == self.account:
                self.missing += lots
                self.there[self.ladder.offsets.index(self.centre - ticks)] -= lots

    def heal(self, lots: int) -> None:
        """Time has passed."""
        self.missing = max(0, self.missing - lots)
        self.stand()


class Fell(NamedTuple):
    """What became of a market: last price after each second, the first after the order that starts it."""

    prices: list[float]
    liquidated: int
    missing: int
    deleveraged: int
    venue: Venue


def drained(venue: Venue) -> np.ndarray:
    return np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)


def of(events: np.ndarray, kind: EventKind) -> np.ndarray:
    return events[events["kind"] == kind]


def evenly(on: str, longs: int, ladder: Ladder, sold: int, seconds: int) -> Fell:
    """One long of 1 coin every 0.01 of liquidation price from 990 down: d = 100 coins per 1.00 of price."""
    instrument = coin(tick_e8=1_000_000, lot_e8=E8)
    venue = Venue(
        binance_usdm.RULES,
        [instrument],
        [[TERMS]],
        accounts=longs + 2,
        ladders={instrument.id: ladder} if on == "ladder" else {},
        books={instrument.id: BookRules()} if on == "book" else {},
        marked={instrument.id: MarkRule.LAST},
    )
    bids = Bids(venue, longs + 1, ladder, PRICE * 100) if on == "book" else None
    rows = np.zeros(seconds + 2, MARKET_DTYPE)
    rows["kind"] = [MarketEventKind.BAR_OPEN, *[MarketEventKind.INDEX] * (seconds + 1)]
    rows["ts_ns"][1:] = NS * np.arange(seconds + 1)
    rows["last_e8"][0], rows["index_e8"][1:] = PRICE * E8, PRICE * E8
    venue.attach(rows[1:] if bids else rows)
    venue.advance(0)
    drained(venue)
    for k in range(longs):
        # liquidated at p = 990 - (k + 1/2) * 0.01: wallet = entry - p * (1 - rate), exactly
        at_e8 = 990 * E8 - 500_000 - k * 1_000_000
        venue.submit(transfer(k + 1, PRICE * E8 - at_e8 * 995 // 1_000))
        venue.submit(set_leverage(k + 1, 0, 100))
        assert venue.submit(transfer_position(k + 1, 0, Side.BUY, 1, PRICE * 100))[0].kind == EventKind.FILL
    venue.submit(transfer(0, 1 << 55))
    venue.submit(set_leverage(0, 0, 1))
    starts = venue.submit(place_market(0, 0, Side.SELL, sold))
    if bids:
        bids.traded((e.account, e.lots, e.price_ticks) for e in starts if e.kind == EventKind.FILL)
    prices, liquidated, deleveraged = [venue.table("market")["last_e8"][0] / E8], 0, 0
    for second in range(1, seconds + 1):
        if bids:
            bids.heal(ladder.heals)
        while venue.step(second * NS):
            pass
        events = drained(venue)
        if bids:
            bids.traded(of(events, EventKind.FILL)[["account", "lots", "price_ticks"]].tolist())
        liquidated += len(np.unique(of(events, EventKind.LIQUIDATION)["account"]))
        deleveraged += int(of(events, EventKind.DELEVERAGED)["lots"].sum())
        prices.append(venue.table("market")["last_e8"][0] / E8)
        assert venue.totals().gap == 0
    missing = bids.missing if bids else int(venue.table("market")["bid_taken"][0])
    return Fell(prices, liquidated, missing, deleveraged, venue)


BOTH = pytest.mark.parametrize("on", ["ladder", "book"])


@BOTH
@pytest.mark.parametrize(("lots", "n", "multiple"), [(200, 0.5, 2), (125, 0.8, 5)])
def test_an_even_market_falls_twice_and_five_times_as_far(on: str, lots: int, n: float, multiple: int) -> None:
    # `lots` coins a level of 1.00, 100 coins of longs per 1.00: n = 100 / lots
    ladder = Ladder.linear(lots=lots, levels=900, step=100)
    prices, liquidated, *_ = evenly(on, 4_000, ladder, 14 * lots, 60)  # 14 levels: 1000 .. 987, 3 below the first long
    assert prices[0] == 987
    assert feedback(100, E8 // lots) == round(n * E8)
    assert total_fall(3 * E8, round(n * E8), 900 * E8) == 3 * multiple * E8
    assert 990 - prices[-1] == 3 * multiple
    assert prices[-1] == prices[-2], "it ends by itself"
    assert liquidated == 100 * (990 - prices[-1])


@BOTH
@pytest.mark.parametrize("lots", [100, 80])
def test_a_market_of_full_feedback_exhausts_the_book_and_ends(on: str, lots: int) -> None:
    ladder = Ladder.linear(lots=lots, levels=40, step=100)
    prices, liquidated, missing, deleveraged, _ = evenly(on, 4_000, ladder, 14 * lots, 80)
    assert prices[-1] == PRICE - 39, "the last level"
    assert prices[-1] == prices[-2]
    assert missing == 40 * lots
    # everybody above the last price is gone, and nobody below it
    assert liquidated == 100 * (990 - prices[-1])
    # With nobody left on a ladder the fund passes on to nobody, at the last price; on a book, where it does not, who
    # began it is deleveraged for the 2,900 that were liquidated less the 26 levels that were left to them.
    assert deleveraged == (2_900 - 26 * lots if on == "book" else 0)


@BOTH
def test_a_book_that_heals_ends_a_cascade_earlier(on: str) -> None:
    falls = []
    for heals in (0, 40):
        ladder = Ladder.linear(lots=125, levels=900, step=100, heals=heals)
        prices = evenly(on, 4_000, ladder, 14 * 125, 60).prices
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


def drawn_on_a_book(qty: float, sold: float) -> tuple[float, float, bool]:
    """The same on a book: where the order that starts it leaves the price, where it ends, whether anybody was left."""
    reference, start = Reference.default(rules_as_of=DRAWN["rules_as_of"]), to_ns(DRAWN["rules_as_of"])
    instrument = reference.instrument(DRAWN["instrument"])
    (terms,) = reference.terms(instrument.id, start, start + 1, marked=True)
    (traders,) = DRAWN["traders"]
    venue = Venue(
        binance_usdm.RULES,
        [instrument],
        [[terms]],
        accounts=traders["accounts"] + 2,
        books={instrument.id: BookRules()},
        marked={instrument.id: MarkRule.LAST},
        buffer=1 << 16,
    )
    centre, seconds = instrument.ticks(DRAWN["price"], terms), DRAWN["seconds"]
    ladder = Ladder.linear(lots=instrument.lots(qty), levels=3_000, step=instrument.ticks(1, terms))
    bids = Bids(venue, traders["accounts"] + 1, ladder, centre)
    rows = np.zeros(seconds + 1, MARKET_DTYPE)
    rows["ts_ns"], rows["kind"] = start + NS * np.arange(seconds + 1), MarketEventKind.INDEX
    rows["index_e8"] = DRAWN["price"] * E8
    venue.attach(rows)
    venue.advance(start)
    lots, (low, high) = instrument.lots(traders["qty"][0]), traders["margin"]
    group = Traders(
        accounts=traders["accounts"], side=Side.BUY, lots=(lots, lots), margin_e8=(round(low * E8), round(high * E8))
    )
    assert not enter(venue, 0, [group], seed=DRAWN["seed"], first=1).refused
    venue.submit(transfer(0, 1 << 58))
    venue.submit(set_leverage(0, 0, 1))
    left = instrument.lots(sold)
    while left:
        venue.submit(place_market(0, 0, Side.SELL, min(left, terms.max_lots)))
        left -= min(left, terms.max_lots)
    shocked_to = float(venue.table("market")["last_e8"][0] / E8)
    while venue.step(start + seconds * NS):
        pass
    assert venue.totals().gap == 0
    alone = venue.table("account")["first_order"][bids.account] < 0
    return shocked_to, float(venue.table("market")["last_e8"][0] / E8), bool(alone)


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize(("n", "multiple"), [(0.5, 2.0), (0.8, 5.0)])
def test_a_drawn_market_falls_twice_and_five_times_as_far(on: str, n: float, multiple: float) -> None:
    width = 60_000 * 0.04 / 0.996
    top = 60_000 * 0.992 / 0.996
    density = 40_000 * 0.01 / width
    qty = round(density / n, 3)  # a level of 1.00
    beyond = 60.0
    sold = round((60_000 - top + beyond) * qty, 3)
    if on == "ladder":
        ran = cascade(DRAWN | {"ladder": {"qty": qty, "step": 1, "levels": 3_000}, "shock": {"sell": sold}})
        assert ran.shocked_to is not None
        shocked_to, last_price, exhausted = ran.shocked_to, ran.last_price, ran.exhausted
    else:
        shocked_to, last_price, exhausted = drawn_on_a_book(qty, sold)
    assert shocked_to == pytest.approx(top - beyond, abs=1.5)
    fall, expected = top - last_price, beyond / (1 - density / qty)
    # The count in the fall is binomial; its error feeds back as the fall does. Four standard errors, one test in 16,000
    # fails by chance; and two levels for the width of a level.
    error = sqrt(density * expected / 0.01) * 0.01 / qty / (1 - n)
    assert fall == pytest.approx(expected, abs=4 * error + 2 * multiple)
    assert not exhausted
    assert expected == pytest.approx(beyond * multiple, rel=0.02)
