"""A capture of BTCUSDT's book through the compiled exchange, held against its own tickers and a naive book."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from novation._jit import JIT
from novation.data.flow import Flow, read_binance_stream
from novation.domain.book import BookRules
from novation.domain.flow import LAST, FlowKind
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues.book_pair import ALONE
from tests.venues.test_deleveraging import TERMS
from tests.venues.test_edges import coin

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(ALONE, reason="NOVATION_TWIN_ALONE is set: there is no compiled exchange to look at"),
    pytest.mark.skipif(not JIT, reason="whole files, with the compiler; a quarter of an hour without"),
]

FILE = "binance_um/l2_stream/btcusdt_20240808.gz"
#: Whole books are compared at one depth event in so many.
EVERY = 200
Levels = dict[int, int]


class Replayed(NamedTuple):
    """What was seen as the capture went by."""

    flow: Flow
    tops: dict[int, tuple[int, int, int, int]]  #: line of a depth event -> best bid, its lots, best ask, its lots
    crossed: int
    different: list[int]  #: lines of depth events after which the exchange's book was not the naive one
    looked: int


class Naive:
    """Levels in two dicts; a trade takes what is at its price and better, the best first."""

    def __init__(self) -> None:
        self.shown: dict[int, Levels] = {1: {}, -1: {}}

    def apply(self, row: tuple[int, ...]) -> None:
        """One row."""
        _, _, _, price, lots, kind, side, _ = row
        if kind == FlowKind.CLEAR:
            self.shown = {1: {}, -1: {}}
        elif kind == FlowKind.LEVEL:
            self.put(side, price, lots)
        elif kind == FlowKind.TRADE and side:
            there = self.shown[-side]
            while lots and there and side * (best := min(there, key=lambda p: side * p)) <= side * price:
                gone = min(lots, there[best])
                self.put(-side, best, there[best] - gone)
                lots -= gone

    def put(self, side: int, price: int, lots: int) -> None:
        """So many lots at a price."""
        self.shown[side].pop(price, None)
        if lots:
            self.shown[side][price] = lots


def exchange(rows: np.ndarray) -> Venue:
    """BTCUSDT on a book with these rows."""
    btc = coin(tick_e8=10_000_000, lot_e8=100_000)
    venue = Venue(binance_usdm.RULES, [btc], [[TERMS]], books={btc.id: BookRules()})
    venue.attach_flow(0, rows)
    return venue


@pytest.fixture(scope="module")
def replayed(novation_data: Path) -> Replayed:
    """The capture, a nanosecond a row, so that one can look between any two."""
    flow = read_binance_stream(novation_data / FILE, tick="0.1", lot="0.001")
    rows = flow.rows.copy()
    rows["ts_ns"] = np.arange(len(rows))
    venue = exchange(rows)
    naive, tops, crossed, different, events = Naive(), {}, 0, [], 0
    for at, row in enumerate(rows.tolist()):
        naive.apply(row)
        if row[5] != FlowKind.LEVEL or not row[7] & LAST:
            continue
        line = int(flow.records[at])
        assert venue.advance(at) == []
        view = venue.book(0, depth=1)
        bid, ask = view.bids[0], view.asks[0]
        crossed += bid.price_ticks >= ask.price_ticks
        tops[line] = bid.price_ticks, bid.lots, ask.price_ticks, ask.lots
        if events % EVERY == 0 and of_venue(venue) != naive.shown:
            different.append(line)
        events += 1
    venue.advance(len(rows))
    if of_venue(venue) != naive.shown:
        different.append(-1)
    return Replayed(flow, tops, crossed, different, events)


def of_venue(venue: Venue) -> dict[int, Levels]:
    """All levels of the exchange."""
    view = venue.book(0)
    return {
        side: {level.price_ticks: level.lots for level in levels} for side, levels in ((1, view.bids), (-1, view.asks))
    }


def test_no_depth_event_leaves_the_book_crossed_and_every_level_is_the_naive_one(replayed: Replayed) -> None:
    assert (replayed.looked, replayed.crossed, replayed.different) == (6_548, 0, [])


def test_by_its_own_times_it_replays_uncrossed_to_the_book_that_it_tells(replayed: Replayed) -> None:
    table = replayed.flow.rows
    venue, naive, rows, at, crossed = exchange(table), Naive(), table.tolist(), 0, 0
    for stop in table["ts_ns"][:: len(rows) // 60].tolist():
        while at < len(rows) and rows[at][0] <= stop:
            naive.apply(rows[at])
            at += 1
        venue.advance(stop)
        if naive.shown[1] and rows[at - 1][7] & LAST:
            view = venue.book(0)
            crossed += view.bids[0].price_ticks >= view.asks[0].price_ticks
            for side, levels in ((1, view.bids), (-1, view.asks)):
                assert levels[0].price_ticks == (max if side > 0 else min)(naive.shown[side])
                assert {x.price_ticks: x.lots for x in levels[10:]}.items() <= naive.shown[side].items()
    assert crossed == 0 and at > len(rows) // 2


def test_the_best_prices_are_the_tickers_own_wherever_both_tell_the_same_update(
    replayed: Replayed, novation_data: Path
) -> None:
    """As the reader's own test: nearly all tickers tell a state inside a depth event, which levels never show."""
    ends: dict[int, int] = {}
    begins: list[int] = []
    tickers: list[tuple[int, dict[str, Any]]] = []
    with gzip.open(novation_data / FILE, "rt") as file:
        for line, text in enumerate(file, 1):
            data = json.loads(text.partition(" ")[2]).get("data", {})
            if data.get("e") == "depthUpdate":
                ends[data["u"]] = line
                begins.append(data["U"])
            elif data.get("e") == "bookTicker":
                tickers.append((data["u"], data))
    first, us = min(u for u, line in ends.items() if line in replayed.tops), sorted(ends)
    found = Counter[str]()
    for u, data in tickers:
        if u < first:
            found["before the book is known"] += 1
        elif u in ends:
            told = tuple(
                round(float(data[name]) * unit) for name, unit in (("b", 10), ("B", 1000), ("a", 10), ("A", 1000))
            )
            found["equal" if replayed.tops[ends[u]] == told else "different"] += 1
        else:
            at = bisect_right(us, u)
            inside = at < len(us) and begins[at] <= u
            found["inside a depth event" if inside else "between two events"] += 1
    assert found == {"before the book is known": 33, "equal": 629, "inside a depth event": 65_427}
