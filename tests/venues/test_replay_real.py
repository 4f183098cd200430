"""Real order flow through the compiled exchange: the evening of ES at CME, and a morning of BTCUSD at Bitstamp.

Held against `RecordedBook`, a naive book of the rows alone; and the fate of one order, which follows from the rows.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from novation._jit import JIT
from novation.data.flow import Flow, dense_orders, read_databento, read_order_events
from novation.domain.book import BookRules
from novation.domain.commands import place_limit, transfer
from novation.domain.enums import EventKind, MarketEventKind, Side
from novation.domain.events import MAKER, Event
from novation.domain.flow import LAST, FlowKind
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, to_ns
from novation.reference.lookup import Reference
from novation.venues import binance_usdm, cme_globex
from novation.venues.venue import Venue
from tests.reference.recorded_book import RecordedBook
from tests.venues import scenarios
from tests.venues.book_pair import ALONE
from tests.venues.lockstep import venue_of
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(ALONE, reason="NOVATION_TWIN_ALONE is set: there is no compiled exchange to look at"),
    pytest.mark.skipif(not JIT, reason="whole files, with the compiler; a quarter of an hour without"),
]

OPENING = to_ns("2023-12-25T23:00:00Z")
OPEN = [(OPENING, to_ns("2023-12-26T22:00:00Z"))]
DEPTH, EVERY = 10, 50


class Real(NamedTuple):
    """A flow, and an exchange on which it can happen."""

    flow: Flow
    rows: np.ndarray
    slots: int
    setup: Setup
    opening: int  #: from when on the market matches

    def venue(self) -> Venue:
        """A new exchange with the flow and a rich account."""
        venue = venue_of(self.setup, buffer=4_096)
        venue.attach_flow(0, self.rows, self.slots)
        price = int(np.median(self.rows["price_ticks"])) * self.setup.instruments[0].tick_e8
        mark = MarketEvent(ts_ns=0, kind=MarketEventKind.MARK, instrument=0, mark_e8=price)
        venue.advance(0, scenarios.array([mark]))
        venue.submit(transfer(0, 10**14))
        return venue

    def stops(self) -> list[int]:
        """Rows that end an event and, of all rows of their time, stand last: where a book can be looked at."""
        ends = np.append(self.rows["ts_ns"][1:] != self.rows["ts_ns"][:-1], True)
        return list(np.flatnonzero(ends & ((self.rows["flags"] & LAST) != 0)))


@pytest.fixture(scope="module")
def evening(novation_data: Path) -> Real:
    """ES of March 2024 from before its opening on Christmas Day 2023."""
    pytest.importorskip("databento_dbn", reason="databento-dbn is not installed: DBN files cannot be read")
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    terms = Terms(effective_ns=0, initial_per_lot=12_000_000_000, maintenance_per_lot=11_000_000_000)
    march = Reference().instrument("cme:ESH2024")
    return real(read_databento(path, tick="0.25", open_spans=OPEN), cme_globex.RULES, march, terms, OPENING)


@pytest.fixture(scope="module")
def morning(novation_data: Path) -> Real:
    """BTCUSD on 2015-05-01. A lot is a hundred of the file's, so that a tick of one is a whole unit of money."""
    path = novation_data / "crypto_l3/bitstamp_btcusd_2015-05-01_orders.csv.xz"
    terms = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),))
    bitcoin = coin(tick_e8=E8 // 100, lot_e8=100)
    return real(read_order_events(path, tick="0.01", repair=True), binance_usdm.RULES, bitcoin, terms, 0)


def real(flow: Flow, rules: Any, instrument: Instrument, terms: Terms, opening: int) -> Real:
    """A flow on a book by time."""
    assert flow.tick == Decimal(instrument.tick_e8) / E8
    setup = Setup(rules, [instrument], [[terms]], 1, 0, [0], books={instrument.id: BookRules()})
    return Real(flow, *dense_orders(flow.rows), setup, opening)


@pytest.fixture(params=["evening", "morning"])
def told(request: pytest.FixtureRequest) -> Real:
    """One of the two."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def shown(book: RecordedBook) -> tuple[list[tuple[int, int]], ...]:
    """(ticks, lots) of the best prices of both sides of a naive book."""
    return tuple(sorted(book.shown[side].items(), key=lambda level: -side * level[0])[:DEPTH] for side in (1, -1))


def of_venue(venue: Venue, depth: int = DEPTH) -> tuple[list[tuple[int, int]], ...]:
    """... of the exchange."""
    view = venue.book(0, depth=depth)
    return tuple([(level.price_ticks, level.lots) for level in side] for side in (view.bids, view.asks))


def test_the_book_is_that_of_the_record(told: Real) -> None:
    venue, book, done, looked = told.venue(), RecordedBook(), 0, 0
    rows = told.flow.rows.tolist()
    for count, stop in enumerate(told.stops()):
        for row in rows[done : stop + 1]:
            book.apply(row)
        done = stop + 1
        venue.advance(rows[stop][0])
        bids, asks = of_venue(venue, 1)
        if rows[stop][0] >= told.opening and bids and asks:
            assert bids[0][0] < asks[0][0], rows[stop]
        assert ([p for p, _ in bids], [p for p, _ in asks]) == tuple(
            [] if (best := book.best(side)) is None else [best] for side in (1, -1)
        )
        if count % EVERY == 0:
            looked += 1
            assert of_venue(venue) == shown(book), rows[stop]
    for row in rows[done:]:
        book.apply(row)
    events = venue.advance(rows[-1][0])
    assert of_venue(venue) == shown(book)
    assert (events, looked > 500) == ([], True)


def test_all_at_once_or_row_by_row_is_the_same(told: Real) -> None:
    at_once, in_steps = told.venue(), told.venue()
    end = int(told.rows["ts_ns"][-1])
    at_once.advance(end)
    for stop in told.stops()[::97]:
        in_steps.advance(int(told.rows["ts_ns"][stop]))
    in_steps.advance(end)
    assert at_once.state_hash() == in_steps.state_hash()
    assert at_once.event_hash() == in_steps.event_hash()


# -- one order of an account ------------------------------------------------------------------------------------------


def fate(rows: list[tuple[int, ...]], placed: int, price: int) -> tuple[int, int] | None:
    """(row, ns) at which a bid of 1 lot that came behind row `placed` trades; None if it does not.

    It trades with the first sale that comes or moves to its price or below, or with whoever sells to a bid of the
    record that stands at a lower price, or behind it at its own.
    """
    standing: dict[int, tuple[int, int]] = {}  # price and lots of the record's orders
    ahead: set[int] = set()  # those that stand where they stood as the bid came
    for at, (ts_ns, _, order, ticks, lots, kind, side, _) in enumerate(rows):
        before, left = standing.get(order, (0, 0))
        if kind == FlowKind.CLEAR:
            standing, ahead = {}, set()
        elif kind in (FlowKind.ADD, FlowKind.AMEND):
            stays = kind == FlowKind.AMEND and ticks == before and lots <= left
            if at > placed and side < 0 and ticks <= price and not stays:
                return at, ts_ns
            standing[order] = ticks, lots
            if at <= placed:
                ahead.add(order)
            elif not stays:
                ahead.discard(order)
        elif kind in (FlowKind.CANCEL, FlowKind.FILL):
            behind = before < price or (before == price and order not in ahead)
            if at > placed and side > 0 and kind == FlowKind.FILL and behind:
                return at, ts_ns
            standing[order] = before, left - lots
            if left == lots:
                del standing[order]
                ahead.discard(order)
    return None


def test_the_fate_of_an_order_at_the_best_bid_follows_from_the_rows(told: Real) -> None:
    rows, stops = told.flow.rows.tolist(), [stop for stop in told.stops() if told.rows["ts_ns"][stop] >= told.opening]
    traded = 0
    for stop in stops[100 :: len(stops) // 12]:
        venue = told.venue()
        venue.advance(rows[stop][0])
        bids, asks = of_venue(venue, 1)
        assert bids and asks
        price = bids[0][0]
        accepted = venue.submit(place_limit(0, 0, Side.BUY, 1, price))
        assert [e.kind for e in accepted] == [EventKind.ORDER_ACCEPTED], accepted
        assert venue.queue_position(accepted[0].order) == (queued(venue), bids[0][1])
        expected = fate(rows, stop, price)
        if expected is not None:
            assert venue.advance(expected[1] - 1) == []
        events = venue.advance(rows[-1][0])
        assert [about(e) for e in events] == ([] if expected is None else [(accepted[0].order, expected[1], 1, price)])
        assert [e.flags for e in events] == [MAKER] * len(events)
        traded += len(events)
    assert traded > 3


def queued(venue: Venue) -> int:
    """Orders of the record ahead of an order that has just come to the best bid."""
    return venue.book(0, depth=1).bids[0].orders - 1


def about(e: Event) -> tuple[int, int, int, int]:
    """Order, time, lots and price of a fill."""
    assert e.kind == EventKind.FILL
    return e.order, e.ts_ns, e.lots, e.price_ticks
