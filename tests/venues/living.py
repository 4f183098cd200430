"""Markets of simulated traders for tests, and what is read of them: `python -m tests.venues.living` prints hashes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from novation.domain.book import BookRules
from novation.domain.commands import cancel, place_limit, place_market, transfer
from novation.domain.enums import CancelReason, EventKind, MarketEventKind, MarkRule, Side
from novation.domain.events import EVENT_FORMAT, MAKER, Event
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.order_flow import Hawkes, OrderFlow, QueueReactive, Sizes, ZeroIntelligence
from novation.domain.units import E8, NO_CAP, NS
from novation.venues import binance_usdm
from novation.venues.population import Leveraged, MarketMaker, Momentum, Population
from novation.venues.venue import Venue
from tests.venues import scenarios
from tests.venues.test_edges import coin

#: A tick of 0.01 and a lot of 0.001; the market begins at 100.00.
COIN = msgspec.structs.replace(coin(tick_e8=1_000_000, lot_e8=E8 // 1_000), id="x:C0")
TERMS = Terms(
    effective_ns=0,
    maker_fee_e8=20_000,
    taker_fee_e8=50_000,
    funding_interval_hours=8,
    funding_cap_e8=2_000_000,
    funding_floor_e8=-2_000_000,
    basis_seconds=30,
    tiers=(Tier(0, NO_CAP, 400_000, 125, 0),),
)
BEGIN = 10_000
BOOK = BookRules()
#: Cont, Stoikov and Talreja's estimates (facts/validation_tables.md V4).
V4 = ZeroIntelligence(limit=(1.85, 1.51, 1.09, 0.88, 0.77), cancel=(0.71, 0.81, 0.68, 0.56, 0.47), market=0.94)
QUEUES = QueueReactive(
    limit=((1.5, 1.2, 0.9, 0.8), (1.0, 0.9, 0.7), (0.8, 0.5)),
    cancel=((0.0, 0.3, 0.6, 1.0), (0.0, 0.4, 0.8), (0.0, 0.3, 0.9)),
    market=((0.5, 0.7, 0.4), (0.2, 0.3), (0.1,)),
    unit=(2, 1, 3),
    follows=0.7,
    redraws=0.2,
    queues=((1.0, 2.0, 1.0), (0.0, 1.0, 1.0, 2.0), (1.0, 1.0)),
)
EXCITED = Hawkes(
    base=(2.0, 2.0, 1.8, 1.8, 0.3, 0.3),
    jump=(
        (0.8, 0.0, 0.4, 0.0, 0.0, 0.6),
        (0.0, 0.8, 0.0, 0.4, 0.6, 0.0),
        (0.5, 0.0, 0.7, 0.0, 0.0, 0.5),
        (0.0, 0.5, 0.0, 0.7, 0.5, 0.0),
        (0.1, 0.0, 0.0, 0.2, 0.9, 0.0),
        (0.0, 0.1, 0.2, 0.0, 0.0, 0.9),
    ),
    decay=2.5,
    limit_at=(4.0, 3.0, 2.0, 1.0),
    limit_lots=Sizes(lots=(1, 2, 5), weights=(0.6, 0.3, 0.1)),
)
FLOWS: dict[str, OrderFlow] = {"zero": V4, "queues": QUEUES, "hawkes": EXCITED}
MAKERS = (MarketMaker(half_spread=1.5, lots=5, most_lots=40, every_ns=250_000_000, skew=0.05, count=2),)
FOLLOWERS = (Momentum(lots=3, most_lots=30, threshold=2.0, horizon_ns=5 * NS, every_ns=NS),)
GAMBLERS = (Leveraged(lots=(1, 20), margin_e8=(1_200_000, 5_000_000), wait_ns=3 * NS, count=6),)


def marks(*at: tuple[float, float]) -> np.ndarray:
    """MARK rows, (second, price) each."""
    kind = MarketEventKind.MARK
    return scenarios.array(
        [MarketEvent(ts_ns=int(s * NS), kind=kind, instrument=0, mark_e8=round(price * E8)) for s, price in at]
    )


def index(seconds: int) -> np.ndarray:
    """An INDEX row of 100 a second: with `MarkRule.LAST` the mark is the last price from then on."""
    kind = MarketEventKind.INDEX
    return scenarios.array(
        [MarketEvent(ts_ns=s * NS, kind=kind, instrument=0, index_e8=100 * E8) for s in range(1, seconds + 1)]
    )


def market(
    *, accounts: int = 64, marked: bool = False, terms: Terms = TERMS, book: BookRules = BOOK, **more: Any
) -> Venue:
    """A perpetual on a book, the clock at 0, a mark of 100; account 0 has money."""
    rules = {COIN.id: MarkRule.LAST} if marked else {}
    books = {COIN.id: book}
    venue = Venue(binance_usdm.RULES, [COIN], [[terms]], accounts=accounts, books=books, marked=rules, **more)
    if not marked:
        venue.advance(0, marks((0, 100)))
    venue.submit(transfer(0, 10**15))
    return venue


def living(flow: OrderFlow | None, *, seed: int = 1, venue: Venue | None = None, **fields: Any) -> Venue:
    """... with a population of 40 accounts for its flow."""
    venue = market() if venue is None else venue
    fields = {"accounts": 40, "price_ticks": BEGIN, **fields}
    venue.attach_population(Population(flow=flow, seed=seed, **fields))
    venue.drain()
    return venue


def events_of(chunks: list[bytes]) -> Iterator[Event]:
    """Events out of what was drained."""
    for chunk in chunks:
        for row in EVENT_FORMAT.iter_unpack(chunk):
            yield Event(*row)


def run(venue: Venue, seconds: float) -> list[Event]:
    """Let so many seconds pass; what happened."""
    until_ns = venue.clock_ns + round(seconds * NS)
    chunks: list[bytes] = []
    while venue.step(until_ns):
        chunks += venue.drain()
    return list(events_of(chunks + venue.drain()))


class Before(NamedTuple):
    """Something the flow did, and the book as it stood before: lots and orders by price of bids (1) and asks (-1)."""

    ts_ns: int
    what: str
    side: int
    ticks: int
    lots: int
    book: dict[int, dict[int, list[int]]]


class Watched:
    """The book as it is told by events, written a second time: what a side has at a price, and who is last."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int]] = {}
        self.best: dict[int, int] = {1: BEGIN, -1: BEGIN + 1}
        self.book: dict[int, dict[int, list[int]]] = {1: {}, -1: {}}

    def _move(self, side: int, ticks: int, lots: int, orders: int) -> None:
        at = self.book[side].setdefault(ticks, [0, 0])
        at[0] += lots
        at[1] += orders
        if at == [0, 0]:
            del self.book[side][ticks]
        if self.book[side]:
            self.best[side] = max(self.book[side]) if side > 0 else min(self.book[side])

    def see(self, e: Event) -> str | None:
        """What an event was of a flow, asked before `take`."""
        if e.kind == EventKind.ORDER_ACCEPTED:
            return "limit" if e.price_ticks else "market"
        if e.kind == EventKind.ORDER_CANCELLED and e.reason == CancelReason.REQUESTED:
            return "cancel"
        return None

    def take(self, e: Event) -> None:
        """Let the book follow an event."""
        side = 1 if e.lots > 0 else -1
        if e.kind == EventKind.ORDER_ACCEPTED and e.price_ticks:
            self.orders[e.order] = side, e.price_ticks, abs(e.lots)
            self._move(side, e.price_ticks, abs(e.lots), 1)
        elif e.kind == EventKind.FILL and e.order in self.orders:
            side, ticks, lots = self.orders[e.order]
            left = lots - abs(e.lots)
            assert left >= 0 and (e.flags & MAKER or left >= 0)
            self._move(side, ticks, -abs(e.lots), 0 if left else -1)
            self.orders[e.order] = side, ticks, left
            if not left:
                del self.orders[e.order]
        elif e.kind == EventKind.ORDER_CANCELLED and e.order in self.orders:
            side, ticks, lots = self.orders.pop(e.order)
            self._move(side, ticks, -lots, -1)


def busy(seconds: float = 30.0) -> Venue:
    """All kinds of traders at once, and a participant among them."""
    venue = market(marked=True)
    venue.attach(index(int(seconds) + 1))
    living(V4, seed=5, venue=venue, makers=MAKERS, momentum=FOLLOWERS, leveraged=GAMBLERS)
    for k in range(int(seconds)):
        run(venue, 1)
        venue.submit(place_limit(0, 0, Side.BUY, 2, BEGIN - 3 + k % 5))
        if k % 7 == 3:
            venue.submit(place_market(0, 0, Side.SELL, 3))
            venue.submit(cancel(0, venue.number("order_sequence") - 1))
    return venue


def hashes(seconds: float) -> dict[str, list[str]]:
    """State and events of a short run of each model, and of everybody at once."""
    found = {}
    for name, flow in FLOWS.items():
        venue = living(flow, seed=3)
        run(venue, seconds)
        found[name] = [venue.state_hash(), venue.event_hash()]
    venue = busy(seconds)
    return found | {"busy": [venue.state_hash(), venue.event_hash()]}


def kinds(events: list[Event]) -> Counter[str]:
    """How many events there are of each kind."""
    return Counter(EventKind(e.kind).name for e in events)


if __name__ == "__main__":
    print(json.dumps(hashes(float(sys.argv[1]))))
