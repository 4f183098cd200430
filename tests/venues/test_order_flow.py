"""Models of order flow, carried out by accounts: their rates come back out of what happened.

Each number is held within four standard errors, which a right one leaves once in 16,000 draws; seeds are fixed.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import msgspec
import numpy as np
import pytest

from novation._jit import JIT
from novation.domain.enums import EventKind, MarketEventKind
from novation.domain.events import Event
from novation.domain.market import NO_LIMIT_E8, MarketEvent
from novation.domain.order_flow import HAWKES_KINDS, Factor, Hawkes, OrderFlow, Sizes, ZeroIntelligence
from novation.domain.units import NS
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.living import EXCITED, QUEUES, TERMS, V4, Watched, kinds, living, market, run

pytestmark = pytest.mark.skipif(not JIT, reason="many thousand orders, with the compiler; a quarter of an hour without")

#: The chain of V4: how likely the mid moves up first from one tick of spread, bids down, asks across.
UP = {
    (1, 1): 0.5,
    (1, 2): 0.3352,
    (1, 3): 0.2590,
    (2, 1): 0.6648,
    (2, 2): 0.5,
    (2, 3): 0.4069,
    (3, 1): 0.7410,
    (3, 2): 0.5931,
    (3, 3): 0.5,
}


def near(found: float, expected: float, error: float) -> bool:
    return abs(found - expected) <= 4 * error + 1e-12


def walk(events: list[Event], watched: Watched) -> list[tuple[float, str | None, Event]]:
    """Events with the seconds that the book stood as it was before each."""
    before_ns, found = 0, []
    for e in events:
        found.append(((e.ts_ns - before_ns) / NS, watched.see(e), e))
        before_ns = e.ts_ns
    return found


def test_every_rate_of_zero_intelligence_comes_back_out_of_what_happened() -> None:
    """Five distances each of limit orders and cancellations, and market orders; two sides."""
    seconds = scaled(20_000, 2_000)
    watched, done, stood = Watched(), Counter[tuple[str, int, int]](), defaultdict[tuple[int, int], float](float)
    events = [e for e in run(living(V4), seconds) if e.kind != EventKind.TRANSFER]
    for spent, what, e in walk(events, watched):
        for side in (1, -1):
            for ticks, (_, orders) in watched.book[side].items():
                stood[side, min(5, side * (watched.best[-side] - ticks))] += spent * orders
        side = 1 if e.lots > 0 else -1
        if what == "market":
            done[what, side, 0] += 1
        elif what is not None:
            done[what, side, min(5, side * (watched.best[-side] - e.price_ticks))] += 1
        watched.take(e)
    for side in (1, -1):
        assert near(done["market", side, 0], V4.market * seconds, math.sqrt(V4.market * seconds))
        for distance, (limit, cancel) in enumerate(zip(V4.limit, V4.cancel, strict=True), 1):
            assert near(done["limit", side, distance], limit * seconds, math.sqrt(limit * seconds))
            exposed = cancel * stood[side, distance]
            assert near(done["cancel", side, distance], exposed, math.sqrt(exposed))


def test_the_odds_of_cont_stoikov_and_talreja_come_out_of_a_market_of_accounts() -> None:
    """From any instant at which the spread is a tick the next move of the mid is a draw of the chain's odds for the
    orders that stand then, whatever was before. Nine of their cells, from once or 0.4 s after a move on, by turns."""
    watched = Watched()
    found, at = defaultdict[tuple[int, int], list[int]](list), None
    mid, since_ns = sum(watched.best.values()), 0
    events = [e for e in run(living(V4, seed=11), scaled(60_000, 12_000)) if e.kind != EventKind.TRANSFER]
    for now_ns, group in itertools.groupby(events, key=lambda e: e.ts_ns):
        for e in group:
            watched.take(e)
        bid, ask = watched.best[1], watched.best[-1]
        if bid + ask != mid:
            if at is not None:
                found[at].append(int(bid + ask > mid))
            mid, at, since_ns = bid + ask, None, now_ns + (0 if since_ns % 2 else 400_000_000)
        if at is None and now_ns >= since_ns and ask - bid == 1 and bid in watched.book[1] and ask in watched.book[-1]:
            at = watched.book[1][bid][1], watched.book[-1][ask][1]
    for cell, odds in UP.items():
        moves = found[cell]
        assert len(moves) > 50
        assert near(sum(moves) / len(moves), odds, math.sqrt(odds * (1 - odds) / len(moves)))


def test_the_book_of_zero_intelligence_stands_as_the_bare_one_does() -> None:
    """docs/validation/book_models.md: mean spread 1.353 ticks, 74.2 % of the time one; batches of 100 s give the
    errors, and the bare book's own over 20,000 s is as large."""
    seconds, watched = scaled(20_000, 4_000), Watched()
    spread = np.zeros((seconds // 100, 2))
    events = [e for e in run(living(V4, seed=2), seconds) if e.kind != EventKind.TRANSFER]
    for spent, _, e in walk(events, watched):
        apart = watched.best[-1] - watched.best[1]
        batch = min(len(spread) - 1, e.ts_ns // (100 * NS))
        spread[batch] += spent * apart, spent * (apart == 1)
        watched.take(e)
    spread = spread[1:] / 100  # the book fills in the first
    error = spread.std(axis=0, ddof=1) / math.sqrt(len(spread))
    bare = spread.std(axis=0, ddof=1) / math.sqrt(200)
    for found, expected, e, b in zip(spread.mean(axis=0), (1.353, 0.742), error, bare, strict=True):
        assert near(found, expected, math.hypot(e, b))


def test_sizes_are_drawn_as_often_as_they_weigh() -> None:
    sizes = Sizes(lots=(1, 4, 9), weights=(5.0, 3.0, 2.0))
    flow = msgspec.structs.replace(V4, limit_lots=sizes, market_lots=Sizes(lots=(2, 3), weights=(0.25, 0.75)))
    placed = [e for e in run(living(flow), 400) if e.kind == EventKind.ORDER_ACCEPTED]
    for unpriced, expected in ((False, {1: 0.5, 4: 0.3, 9: 0.2}), (True, {2: 0.25, 3: 0.75})):
        lots = [abs(e.lots) for e in placed if (e.price_ticks == 0) == unpriced]
        for size, share in expected.items():
            assert near(lots.count(size) / len(lots), share, math.sqrt(share * (1 - share) / len(lots)))
        assert set(lots) == set(expected)


def test_every_rate_of_queues_comes_back_out_of_what_happened() -> None:
    """The reference price stays where it is, so that distances are prices; each queue's rates by what stands in it."""
    flow = msgspec.structs.replace(QUEUES, follows=0.0, redraws=0.0, queues=())
    seconds, watched = scaled(20_000, 2_000), Watched()
    done, stood = Counter[tuple[str, int, int]](), defaultdict[tuple[str, int, int], float](float)
    events = [e for e in run(living(flow, seed=4), seconds) if e.kind != EventKind.TRANSFER]

    def units(side: int, distance: int) -> int:
        ticks = 10_000 - (distance - 1) if side > 0 else 10_001 + (distance - 1)
        return -(-watched.book[side].get(ticks, [0, 0])[0] // flow.unit[distance - 1])

    def at_best(side: int) -> tuple[int, int] | None:
        if not watched.book[-side]:
            return None
        distance = watched.best[-1] - 10_000 if side > 0 else 10_001 - watched.best[1]
        return distance, units(-side, distance)

    for spent, what, e in walk(events, watched):
        for side in (1, -1):
            for distance in range(1, 4):
                for name in ("limit", "cancel"):
                    last = len(getattr(flow, name)[distance - 1]) - 1
                    stood[name, distance, min(last, units(side, distance))] += spent
            if (best := at_best(side)) is not None:
                stood["market", best[0], min(len(flow.market[best[0] - 1]) - 1, best[1])] += spent
        side = 1 if e.lots > 0 else -1
        if what == "market":
            best = at_best(side)
            assert best is not None and abs(e.lots) == flow.unit[best[0] - 1]
            done[what, best[0], min(len(flow.market[best[0] - 1]) - 1, best[1])] += 1
        elif what is not None:
            distance = 10_001 - e.price_ticks if side > 0 else e.price_ticks - 10_000
            done[what, distance, min(len(getattr(flow, what)[distance - 1]) - 1, units(side, distance))] += 1
        watched.take(e)
    for (name, distance, level), spent in stood.items():
        expected = getattr(flow, name)[distance - 1][level] * spent
        assert near(done[name, distance, level], expected, math.sqrt(expected))
    assert set(done) <= set(stood)


@pytest.mark.slow
def test_the_reference_price_follows_the_mid_as_often_as_it_should() -> None:
    """`follows` 1: it is the mid, or half a tick beside it; 0.3: of the moves of the mid away from it so many are
    followed, each drawn once."""
    venue = living(msgspec.structs.replace(QUEUES, follows=1.0, redraws=0.0), seed=6)
    for _ in range(200):
        run(venue, 1)
        c = venue.population.tables["crowd"][0]
        assert abs(c["reference"] - c["mid"]) <= 1 and c["reference"] % 2 == 1
        assert c["mid"] == c["bid_ticks"] + c["ask_ticks"]
    assert venue.population.counts["followed"] > 10 and venue.population.counts["redrawn"] == 1
    venue, moves, followed = living(msgspec.structs.replace(QUEUES, follows=0.3, redraws=0.0), seed=7), 0, 0
    run(venue, 1)
    while moves < scaled(1_000, 200):
        c = venue.population.tables["crowd"][0]
        before, mid = int(c["reference"]), int(c["mid"])
        run(venue, (venue.next_instant() - venue.clock_ns) / NS)
        if c["mid"] != mid:
            nearest = c["mid"] + (0 if c["mid"] % 2 else 1 if before > c["mid"] else -1)
            moves += nearest != before
            followed += c["reference"] != before
            assert c["reference"] in (nearest, before)
    assert near(followed / moves, 0.3, math.sqrt(0.21 / moves))


def test_queues_that_are_drawn_anew_are_as_deep_as_they_weigh() -> None:
    """Each time the reference price follows, all are cancelled and placed again, an instant later."""
    flow = msgspec.structs.replace(QUEUES, follows=1.0, redraws=1.0)
    venue, seen = living(flow, seed=8), [Counter[int]() for _ in flow.queues]
    events = run(venue, scaled(30_000, 3_000))
    redrawn = venue.population.counts["redrawn"]
    groups = [list(g) for _, g in itertools.groupby(events, key=lambda e: e.ts_ns)]
    count = 0
    for group in groups:
        told = kinds(group)
        if told["ALL_CANCELLED"] == 0:
            continue
        placed = Counter((1 if e.lots > 0 else -1, e.price_ticks) for e in group if e.kind == EventKind.ORDER_ACCEPTED)
        bids, asks = [t for s, t in placed if s > 0], [t for s, t in placed if s < 0]
        if not bids or not asks:
            continue
        count += 1
        lots = Counter((e.lots > 0, abs(e.lots)) for e in group if e.kind == EventKind.ORDER_ACCEPTED)
        for distance, unit in enumerate(flow.unit):
            for buys in (True, False):
                seen[distance][lots[buys, unit]] += 1
    assert 0 <= redrawn - 1 - count <= 2 and count > 100
    for weights, depths in zip(flow.queues, seen, strict=True):
        total = sum(depths.values())
        for depth, weight in enumerate(weights):
            share = weight / sum(weights)
            assert near(depths[depth] / total, share, math.sqrt(share * (1 - share) / total))


def test_hawkes_happens_as_often_as_its_branching_says() -> None:
    """Mean rates are (1 - jump / decay)^-1 base; over a long time counts have the variance
    (1 - G)^-1 diag(rates) (1 - G)^-T a second."""
    seconds = scaled(20_000, 4_000)
    assert isinstance(EXCITED, Hawkes)
    spread = np.linalg.inv(np.eye(6) - np.array(EXCITED.jump) / EXCITED.decay)
    rates = spread @ np.array(EXCITED.base)
    errors = np.sqrt(np.diag(spread @ np.diag(rates) @ spread.T) * seconds)
    venue = living(EXCITED, seed=9)
    run(venue, seconds)
    counts = venue.population.counts
    for kind, rate, error in zip(HAWKES_KINDS, rates, errors, strict=True):
        assert near(counts[kind], rate * seconds, error)
    assert rates.sum() > 2 * sum(EXCITED.base)


def test_hawkes_of_no_jumps_is_a_poisson_flow_at_its_distances() -> None:
    flow = msgspec.structs.replace(EXCITED, jump=((0.0,) * 6,) * 6)
    seconds, watched, at = 1_000, Watched(), Counter[int]()
    for e in run(living(flow, seed=10), seconds):
        if watched.see(e) == "limit":
            side = 1 if e.lots > 0 else -1
            at[side * (watched.best[-side] - e.price_ticks)] += 1
        watched.take(e)
    total = sum(at.values())
    assert near(total, 4.0 * seconds, math.sqrt(4.0 * seconds))
    for distance, weight in enumerate(flow.limit_at, 1):
        share = weight / 10
        assert near(at[distance] / total, share, math.sqrt(share * (1 - share) / total))


@pytest.mark.parametrize("flow", [V4, QUEUES, EXCITED], ids=["zero", "queues", "hawkes"])
def test_nothing_happens_at_a_factor_of_zero_ahead_of_funding(flow: OrderFlow) -> None:
    """Nothing in the last ten minutes of an hour, more in the ten ahead of them."""
    more = 1.2 if flow is EXCITED else 2.0
    quiet = Factor(until=(600.0, 1_200.0), factors=(0.0, more, 1.0))
    hourly = msgspec.structs.replace(TERMS, funding_interval_hours=1)
    venue = living(msgspec.structs.replace(flow, to_funding=quiet), seed=12, venue=market(terms=hourly))
    times = [e.ts_ns // (600 * NS) for e in run(venue, 4_200) if e.kind != EventKind.TRANSFER]
    told = [times.count(k) for k in range(7)]
    assert told[5] == 0
    assert min(told[:5] + told[6:]) > 1_000


def test_nothing_happens_at_a_factor_of_zero_at_a_price_limit() -> None:
    """A limit ten ticks above where the market begins: within five ticks of it all stops, as nobody is left to move it;
    once the limit is gone it goes on."""
    venue = market()
    limits = {"ts_ns": 1, "kind": MarketEventKind.LIMITS, "instrument": 0, "last_low_e8": -NO_LIMIT_E8}
    gone = {**limits, "ts_ns": 100_000 * NS, "last_high_e8": NO_LIMIT_E8}
    rows = [MarketEvent(**limits, last_high_e8=10_010 * 10**6), MarketEvent(**gone)]
    venue.attach(scenarios.array(rows))
    flow = msgspec.structs.replace(V4, to_limit=Factor(until=(5.0,), factors=(0.0, 1.0)))
    living(flow, seed=14, venue=venue)
    events = run(venue, 99_999)
    book = venue.book(0, depth=1)
    assert 2 * 10_010 - book.bids[0].price_ticks - book.asks[0].price_ticks <= 10
    assert events[-1].ts_ns < 50_000 * NS
    assert run(venue, 10)


def test_rates_twice_as_large_are_twice_as_many_events() -> None:
    flow = ZeroIntelligence(
        limit=(1.0,), cancel=(0.0,), market=1.0, to_funding=Factor(until=(14_400.0,), factors=(2, 1))
    )
    venue = living(flow, seed=13)
    first, second = (len([e for e in run(venue, 4 * 3_600) if e.kind == EventKind.ORDER_ACCEPTED]) for _ in range(2))
    assert near(first, 4.0 * 14_400, math.sqrt(4.0 * 14_400))
    assert near(second, 8.0 * 14_400, math.sqrt(8.0 * 14_400))
