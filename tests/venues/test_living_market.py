"""Markets that live by themselves: simulated traders with accounts, money and purposes, and participants among them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

import novation as nv
from novation._jit import JIT, record_table
from novation.domain.book import BookRules
from novation.domain.commands import cancel, place_limit, place_market
from novation.domain.enums import EventKind, MarketEventKind, MarketPhase, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import MAKER
from novation.domain.flow import FLOW_DTYPE
from novation.domain.latency import Latency
from novation.domain.market import MarketEvent
from novation.domain.order_flow import Factor, OrderFlow, Sizes
from novation.domain.units import E8, NS
from novation.engine.strategy import NO_PRICE, best_ask, best_bid, is_working, limit, position
from novation.engine.strategy import cancel as cancel_order
from novation.rules.chance import uniform
from novation.venues.canonical import state_lines
from novation.venues.connection import Connection
from novation.venues.markets import Markets
from novation.venues.population import Leveraged, MarketMaker, Momentum, Population
from novation.venues.population.memory import CHANCE
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.living import (
    BEGIN,
    COIN,
    EXCITED,
    FLOWS,
    FOLLOWERS,
    GAMBLERS,
    MAKERS,
    QUEUES,
    TERMS,
    V4,
    busy,
    events_of,
    hashes,
    index,
    kinds,
    living,
    market,
    marks,
    run,
)
from tests.venues.test_jit_off import without_jit

pytestmark = pytest.mark.skipif(not JIT, reason="many thousand orders, with the compiler; a quarter of an hour without")


def lots_of(venue: Venue) -> np.ndarray:
    """Signed lots of each account."""
    return venue.table("position")["lots"].reshape(venue.number("accounts"), -1).sum(axis=1)


def rest(venue: Venue, side: Side, lots: int, ticks: int, account: int = 0) -> int:
    """An order of a participant that stands; its id."""
    (accepted,) = venue.submit(place_limit(account, 0, side, lots, ticks))
    assert accepted.kind == EventKind.ORDER_ACCEPTED
    return accepted.order


# -- a closed market ------------------------------------------------------------------------------------------------


def test_the_generator_is_that_of_its_paper() -> None:
    """L'Ecuyer's own example: six times 12345."""
    table = record_table(CHANCE, 1)
    table[0] = (12_345,) * 6
    found = [uniform(table[0]) for _ in range(3)]
    assert found == pytest.approx([0.12701112204657714, 0.3185275653967945, 0.3091860155832701], abs=1e-15)


def test_money_is_conserved_to_the_last_unit_and_nothing_comes_from_outside() -> None:
    venue = busy(60)
    totals = venue.totals()
    assert (totals.gap, totals.outside, totals.rounding) == (0, 0, 0)
    assert lots_of(venue).sum() == 0
    assert totals.fees > 0
    assert venue.population.refused == {}
    counts = venue.population.counts
    assert min(counts[name] for name in ("quoted", "withdrawn", "trended", "entered", "market_buy", "cancel_ask")) > 0


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_seed_is_a_market_and_another_seed_another(flow: OrderFlow) -> None:
    found = []
    for seed in (3, 3, 4):
        venue = living(flow, seed=seed)
        run(venue, 30)
        found.append((venue.state_hash(), venue.event_hash()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0] and found[0][1] != found[2][1]


@pytest.mark.slow
def test_the_compiled_market_is_the_interpreted_one() -> None:
    assert json.loads(without_jit("-m", "tests.venues.living", "6")) == hashes(6)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_snapshot_in_the_middle_goes_on_to_the_same_hash(flow: OrderFlow) -> None:
    def made() -> Venue:
        return living(flow, seed=5, makers=MAKERS, momentum=FOLLOWERS, leveraged=GAMBLERS)

    venue, other = made(), made()
    run(venue, 21.3)
    snapshot = venue.snapshot()
    assert venue.state_hash() != other.state_hash()
    run(other, 3)
    other.restore(snapshot)
    assert venue.state_hash() == other.state_hash() and venue.population.counts == other.population.counts
    for market_ in (venue, other):
        run(market_, 40)
    assert venue.state_hash() == other.state_hash() and venue.event_hash() == other.event_hash()
    assert venue.population.counts == other.population.counts
    venue.restore(snapshot)
    run(venue, 40)
    assert venue.state_hash() == other.state_hash() and venue.event_hash() == other.event_hash()


def test_a_snapshot_is_taken_back_by_its_own_population_alone() -> None:
    snapshot = living(V4).snapshot()
    with pytest.raises(VenueError, match="population"):
        market().restore(snapshot)
    with pytest.raises(InvalidInput, match="another population"):
        living(QUEUES).restore(snapshot)
    with pytest.raises(InvalidInput, match="another population"):
        living(V4, seed=2).restore(snapshot)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize("seed", range(scaled(30, 3)))
def test_however_time_is_cut_into_calls_the_market_is_the_same(flow: OrderFlow, seed: int) -> None:
    """Marks, price limits and a participant's orders in between, several at one instant; small buffers in one run."""
    r = Random(seed)
    rows = [(s, 100 + r.random()) for s in sorted(r.sample(range(1, 30), 8))]
    orders = []
    for at in sorted(r.choices(range(0, 30 * NS, NS // 4), k=12)):
        side = r.choice([Side.BUY, Side.SELL])
        kind = r.random()
        if kind < 0.3:
            orders.append((at, place_market(0, 0, side, r.randint(1, 4))))
        elif kind < 0.9:
            orders.append((at, place_limit(0, 0, side, r.randint(1, 4), BEGIN + r.randint(-8, 8))))
        else:
            orders.append((at, cancel(0, r.randint(1, 40))))
    found = []
    for cut, buffer in ((False, 4096), (True, 4096), (True, 64)):
        venue = market(buffer=buffer)
        venue.attach(marks(*rows))
        factor = Factor(until=(20_000.0, 28_790.0), factors=(1.0, 0.5, 0.8))
        flow = msgspec.structs.replace(flow, to_funding=factor)
        living(flow, seed=seed, venue=venue, makers=MAKERS, momentum=FOLLOWERS, leveraged=GAMBLERS)
        for at, command in [*orders, (30 * NS, None)]:
            while cut and venue.clock_ns < at:
                venue.advance(min(at, venue.clock_ns + r.choice([1, 1_000, NS // 10, NS])))
            venue.advance(at)
            if command is not None:
                venue.submit(command)
        found.append((venue.state_hash(), venue.event_hash(), venue.population.counts))
    assert found[0] == found[1] == found[2]


def test_orders_of_one_instant_may_come_one_by_one_or_at_once() -> None:
    """A participant who places and cancels at an instant leaves the flow as it was."""
    quiet, noisy = living(V4), living(V4)
    for venue in (quiet, noisy):
        run(venue, 5.5)
    noisy.submit(cancel(0, rest(noisy, Side.BUY, 3, BEGIN - 500)))
    before = quiet.number("sequence")
    told = [[e.ts_ns for e in run(venue, 20)] for venue in (quiet, noisy)]
    assert told[0] == told[1] and quiet.number("sequence") > before


# -- a participant among them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_participant_s_order_is_filled_by_the_market_and_never_cancelled_by_it(flow: OrderFlow) -> None:
    """Orders near the mid, placed anew when they are gone: all end in fills."""
    venue, mine, filled, ends = living(flow, seed=7), {1: 0, -1: 0}, 0, []
    for _ in range(scaled(3_000, 300)):
        book = venue.book(0, depth=1)
        for side, levels in ((1, book.bids), (-1, book.asks)):
            if mine[side] == 0 and levels:
                mine[side] = rest(venue, Side(side), 2, levels[0].price_ticks)
        for e in run(venue, 1):
            if e.account == 0:
                ends.append(EventKind(e.kind).name)
                if e.kind == EventKind.FILL:
                    assert e.flags & MAKER
                    filled += abs(e.lots)
        gone = [side for side, order in mine.items() if venue.queue_position(order) is None]
        mine |= dict.fromkeys(gone, 0)
    assert set(ends) == {"FILL"} and filled > 50
    assert venue.population.refused == {}


def test_a_step_stops_where_something_happens_to_a_participant() -> None:
    venue = living(V4, seed=7)
    run(venue, 10)
    rest(venue, Side.BUY, 1, venue.book(0, depth=1).bids[0].price_ticks)
    assert venue.step(venue.clock_ns + 1_000 * NS)
    (fill,) = [e for e in events_of(venue.drain()) if e.account == 0 and e.kind == EventKind.FILL]
    assert fill.ts_ns == venue.clock_ns


@nv.compiled("look", bid="i8", ask="i8", most="i8", fills="i8")
def quotes_both_sides(venue, now_ns, my):
    bid, ask = best_bid(venue, 0), best_ask(venue, 0)
    if bid == NO_PRICE or ask == NO_PRICE:
        return
    held = position(venue, 0)
    my.most = max(my.most, abs(held))
    if my.bid != 0 and is_working(venue, my.bid):
        cancel_order(venue, my.bid)
    if my.ask != 0 and is_working(venue, my.ask):
        cancel_order(venue, my.ask)
    my.bid = limit(venue, 0, 1, 1, bid) if held < 3 else 0
    my.ask = limit(venue, 0, -1, 1, ask) if held > -3 else 0


@pytest.mark.parametrize("latency", [None, Latency.of(2_000_000, 3_000_000, 4_000_000)], ids=["none", "some"])
def test_a_compiled_strategy_trades_among_them(latency: Latency | None) -> None:
    venue = living(V4, seed=9, makers=MAKERS)
    function, record, address = quotes_both_sides.bind()
    venue.run_looking(function, address, every_ns=NS // 2, until_ns=300 * NS, latency=latency)
    assert venue.clock_ns == 300 * NS
    assert record[0]["most"] >= 1
    assert venue.totals().gap == 0 and lots_of(venue).sum() == 0


@nv.compiled("look", sent="i8")
def bids_at_the_best(venue, now_ns, my):
    bid = best_bid(venue, 0)
    if bid != NO_PRICE and my.sent < 40:
        limit(venue, 0, 1, 1, bid)
        my.sent += 1


@pytest.mark.parametrize("latency", [None, Latency.of(2_000_000, 3_000_000, 4_000_000)], ids=["none", "some"])
def test_a_class_and_a_compiled_strategy_meet_the_same_market(latency: Latency | None) -> None:
    """Both see it, send and hear at the same instants: one hash of all that happened; also with small buffers."""
    line, sent = Connection(living(V4, seed=9, makers=MAKERS), latency), 0
    for look in range(1, 4 * 30 + 1):
        line.wait(look * NS // 4)
        bids = line.venue.book(0, depth=1).bids
        if bids and sent < 40:
            line.submit(place_limit(0, 0, Side.BUY, 1, bids[0].price_ticks))
            sent += 1
    line.wait(30 * NS + 10_000_000)
    for buffer in (4096, 64):
        compiled = living(V4, seed=9, makers=MAKERS, venue=market(buffer=buffer))
        function, record, address = bids_at_the_best.bind()
        compiled.run_looking(function, address, every_ns=NS // 4, until_ns=30 * NS, latency=latency)
        assert record[0]["sent"] == sent == 40
        compiled.advance(line.venue.clock_ns)
        assert compiled.event_hash() == line.venue.event_hash()


def test_a_line_with_a_latency_hears_of_fills_in_a_living_market() -> None:
    line = Connection(living(V4, seed=9), Latency.of(1_000_000, 2_000_000, 3_000_000))
    line.wait(5 * NS)
    mine = line.submit(place_limit(0, 0, Side.BUY, 1, line.venue.book(0).bids[0].price_ticks))
    heard = line.wait(60 * NS)
    fill = next(h for h in heard if h.event.kind == EventKind.FILL)
    assert fill.event.order == mine and fill.heard_ns - fill.event.ts_ns == 3_000_000


def test_markets_of_several_venues_go_on_to_the_same_end() -> None:
    alone = living(V4, seed=9)
    run(alone, 20)
    beside = living(V4, seed=9)
    quiet = Venue(msgspec.structs.replace(beside.rules, name="quiet"), [COIN], [[TERMS]])
    both = Markets([beside, quiet])
    while both.step(20 * NS):
        pass
    assert beside.clock_ns == quiet.clock_ns == 20 * NS
    assert beside.state_hash() == alone.state_hash()


# -- traders with a purpose -----------------------------------------------------------------------------------------


def quotes(venue: Venue) -> tuple[tuple[int, int], tuple[int, int]]:
    """Best bid and ask, (ticks, lots) each."""
    book = venue.book(0, depth=1)
    return (book.bids[0].price_ticks, book.bids[0].lots), (book.asks[0].price_ticks, book.asks[0].lots)


def test_a_market_maker_quotes_around_the_mid_and_leans_against_what_it_holds() -> None:
    """A half spread of 1.5 ticks around 100.005, 0.25 ticks lower for each lot held."""
    maker = MarketMaker(half_spread=1.5, lots=4, most_lots=6, every_ns=NS, skew=0.25)
    venue = living(None, makers=(maker,))
    events = run(venue, 1)
    assert kinds(events)["ORDER_ACCEPTED"] == 2 and quotes(venue) == ((9_999, 4), (10_002, 4))
    assert run(venue, 5) == []  # nothing has changed
    venue.submit(place_market(0, 0, Side.SELL, 4))
    told = run(venue, 1)  # it holds 4, of 6: bids for 2, one tick lower
    assert kinds(told) == {"ORDER_CANCELLED": 1, "ORDER_ACCEPTED": 2}
    assert quotes(venue) == ((9_998, 2), (10_001, 4))
    venue.submit(place_market(0, 0, Side.SELL, 2))
    run(venue, 1)
    assert venue.book(0).bids == () and lots_of(venue)[1] == 6
    venue.submit(place_market(0, 0, Side.BUY, 1))
    run(venue, 1)
    assert [level.lots for level in venue.book(0).bids] == [1]
    assert venue.population.refused == {}


def test_a_market_maker_never_takes() -> None:
    venue = living(None, makers=(MarketMaker(half_spread=0, lots=1, most_lots=50, every_ns=NS, skew=3.0),))
    rest(venue, Side.BUY, 1, 9_990)
    rest(venue, Side.SELL, 1, 10_010)
    told = run(venue, 5)
    for _ in range(10):
        venue.submit(place_market(0, 0, Side.BUY, 2))
        told += run(venue, 1)
    assert all(e.flags & MAKER for e in told if e.kind == EventKind.FILL and e.account == 1)


def test_who_follows_the_trend_buys_what_rises_up_to_its_bound() -> None:
    """Its mean of 10 s is 10 * (1 - exp(-0.1)) ticks behind a second after a jump of ten: above a threshold of nine."""
    follower = Momentum(lots=2, most_lots=5, threshold=9.0, horizon_ns=10 * NS, every_ns=NS)
    venue = living(None, momentum=(follower,))
    bid, ask = rest(venue, Side.BUY, 9, 9_990), rest(venue, Side.SELL, 9, 10_010)
    assert run(venue, 3) == []
    for order, side in ((bid, Side.BUY), (ask, Side.SELL)):
        venue.submit(cancel(0, order))
        rest(venue, side, 9, 10_000 if side > 0 else 10_020)
    told = run(venue, 5)
    assert [(e.account, e.lots, e.ts_ns // NS) for e in told if e.kind == EventKind.FILL and e.account == 1] == [
        (1, 2, 4)
    ]
    follower = msgspec.structs.replace(follower, threshold=0.0)
    venue = living(None, momentum=(follower,))
    rest(venue, Side.BUY, 90, 9_990)
    offer = rest(venue, Side.SELL, 90, 10_010)
    run(venue, 2)
    venue.submit(cancel(0, offer))
    rest(venue, Side.SELL, 90, 10_030)
    run(venue, 30)
    assert lots_of(venue)[1] == 4 and venue.population.counts["trended"] == 2


def test_leveraged_traders_are_liquidated_through_the_book_in_a_falling_market_and_others_come() -> None:
    """Somebody sells all the time, the mark is the last price: longs of 1 to 1.3 % are closed out by market orders
    that others take, and each is followed by another."""
    venue = market(marked=True, accounts=120)
    seconds = 600
    venue.attach(index(seconds))
    flow = msgspec.structs.replace(V4, market_lots=Sizes(lots=(1, 2), weights=(1.0, 1.0)))
    longs = Leveraged(lots=(2, 6), margin_e8=(1_000_000, 1_300_000), wait_ns=5 * NS, side=Side.BUY, count=20)
    living(flow, seed=21, venue=venue, leveraged=(longs,), accounts=60)
    told = []
    for second in range(seconds):
        told += run(venue, 1)
        if second > 30:
            told += venue.submit(place_market(0, 0, Side.SELL, 9))
    gone = [e for e in told if e.kind == EventKind.LIQUIDATION]
    counts = venue.population.counts
    assert len(gone) == counts["liquidated"] > 20
    assert all(61 <= e.account < 81 and e.lots < 0 for e in gone)
    trades = {e.trade for e in gone}
    bought = [e for e in told if e.kind == EventKind.FILL and e.trade in trades and e.lots > 0]
    assert {e.trade for e in bought} <= trades and bought
    assert counts["entered"] > 40
    totals = venue.totals()
    assert (totals.gap, totals.outside) == (0, 0) and lots_of(venue).sum() == 0


def test_leveraged_traders_wait_for_a_mark() -> None:
    venue = Venue(market().rules, [COIN], [[TERMS]], accounts=64, books=market().books)
    living(V4, venue=venue, leveraged=GAMBLERS)
    run(venue, 60)
    assert venue.population.counts["entered"] == 0 < venue.population.counts["put_off"]
    venue.attach(marks((61, 100)))
    run(venue, 60)
    assert venue.population.counts["entered"] >= 6


# -- phases, and what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_nobody_does_anything_while_the_market_is_closed(flow: OrderFlow) -> None:
    venue = market()
    rows = [(10, MarketPhase.CLOSED), (20, MarketPhase.OPEN)]
    kind = MarketEventKind.PHASE
    venue.attach(
        scenarios.array([MarketEvent(ts_ns=s * NS, kind=kind, instrument=0, status=phase) for s, phase in rows])
    )
    living(flow, seed=3, venue=venue, makers=MAKERS, momentum=FOLLOWERS, leveraged=GAMBLERS)
    told = run(venue, 40)
    assert [e for e in told if 10 * NS < e.ts_ns < 20 * NS] == []
    assert [e for e in told if e.ts_ns < 10 * NS] and [e for e in told if e.ts_ns > 20 * NS]
    assert venue.population.refused == {}


def test_whoever_is_refused_is_counted_by_the_reason() -> None:
    """Without money nothing stands; market orders that find nobody need none."""
    venue = living(V4, money=0)
    told = kinds(run(venue, 20))
    assert told["ORDER_CANCELLED"] == told["ORDER_ACCEPTED"]
    assert told["ORDER_REJECTED"] > 100 and told["FILL"] == 0
    assert venue.population.refused == {"INSUFFICIENT_MARGIN": told["ORDER_REJECTED"]}


def test_lines_are_never_too_long_for_a_redraw() -> None:
    """Queues of up to forty orders at ten prices of both sides, drawn anew through a line of sixty-four commands."""
    deep = (1.0,) * 41
    flow = msgspec.structs.replace(
        QUEUES,
        limit=((0.5,),) * 10,
        cancel=((0.0, 9.0),) * 10,
        market=((1.0,),) * 10,
        unit=(1,) * 10,
        queues=(deep,) * 10,
        redraws=1.0,
        follows=1.0,
    )
    venue = living(flow, venue=market(orders=16))
    assert len(venue.table("command")) == 64
    told = run(venue, 200)
    assert venue.population.counts["redrawn"] > 5 and kinds(told)["ORDER_ACCEPTED"] > 500
    assert venue.population.refused == {}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"flow": None}, "nobody is in it"),
        ({"flow": "zero"}, "one of novation.domain.order_flow"),
        ({"flow": V4, "accounts": 0}, "accounts"),
        ({"flow": V4, "first": -1}, "first"),
        ({"flow": V4, "seed": 0.5}, "seed"),
        ({"flow": V4, "makers": (FOLLOWERS[0],)}, "makers"),
        ({"flow": V4, "money": 1 << 61}, "money"),
        ({"flow": V4, "price_ticks": 10**30}, "price_ticks"),
        ({"flow": V4, "price_ticks": True}, "price_ticks"),
    ],
)
def test_a_population_that_cannot_be_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Population(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"instrument": 1}, "no such instrument"),
        ({"first": 40}, "Make the venue with 80 accounts"),
        ({"first": 0}, "in use already"),
        ({"price_ticks": -5}, "trades above 0 only"),
        ({"leveraged": (Leveraged(lots=(1, 2), margin_e8=(900_000, 900_001), wait_ns=1),)}, "too small for 125x"),
        ({"leveraged": (Leveraged(lots=(1, 1 << 40), margin_e8=(E8, E8), wait_ns=1),)}, "worth too much"),
    ],
)
def test_a_population_that_does_not_fit_is_refused_and_nothing_has_happened(fields: dict[str, Any], said: str) -> None:
    venue = market()
    before = venue.state_hash()
    with pytest.raises(InvalidInput, match=said):
        living(V4, venue=venue, **fields)
    assert venue.state_hash() == before and venue.population is None


def test_orders_that_the_exchange_would_not_take_are_refused_before_anybody_comes() -> None:
    """A lot is worth 0.10, and 0.25 are asked for: three lots."""
    venue = market(terms=msgspec.structs.replace(TERMS, min_notional=25_000_000))
    with pytest.raises(InvalidInput, match=r"flow.limit_lots: orders of 1 lots .* Use 3 lots or more"):
        living(V4, venue=venue)
    three = Sizes(lots=(3,))
    living(msgspec.structs.replace(V4, limit_lots=three, market_lots=three), venue=venue)


@pytest.mark.parametrize(
    "made",
    [
        lambda: MarketMaker(half_spread=-1, lots=1, most_lots=1, every_ns=1),
        lambda: MarketMaker(half_spread=1, lots=0, most_lots=1, every_ns=1),
        lambda: Momentum(lots=1, most_lots=1, threshold=1, horizon_ns=0, every_ns=1),
        lambda: Momentum(lots=1, most_lots=1, threshold=1, horizon_ns=1, every_ns=1.5),  # type: ignore[arg-type]
        lambda: Momentum(lots=5, most_lots=4, threshold=1, horizon_ns=1, every_ns=1),
        lambda: Leveraged(lots=5, margin_e8=(1, 2), wait_ns=1),  # type: ignore[arg-type]
        lambda: Leveraged(lots=(1, 2, 3), margin_e8=(1, 2), wait_ns=1),  # type: ignore[arg-type]
        lambda: Leveraged(lots=(1, 2), margin_e8=(1, 2), wait_ns=1, side=True),  # type: ignore[arg-type]
        lambda: Leveraged(lots=(3, 2), margin_e8=(1, 2), wait_ns=1),
        lambda: Leveraged(lots=(1, 2), margin_e8=(0, 2), wait_ns=1),
        lambda: Leveraged(lots=(1, 2), margin_e8=(1, 2), wait_ns=0),
        lambda: Leveraged(lots=(1, 2), margin_e8=(1, 2), wait_ns=1, side=0),  # type: ignore[arg-type]
        lambda: msgspec.structs.replace(EXCITED, to_limit=Factor(until=(), factors=(2.0,))),
    ],
)
def test_traders_that_are_none_are_refused(made: Any) -> None:
    with pytest.raises(InvalidInput):
        made()


@pytest.mark.parametrize("none", [None, V4])
def test_what_is_no_population_is_not_let_in(none: Any) -> None:
    with pytest.raises(VenueError, match="is no Population"):
        market().attach_population(none)


@pytest.mark.parametrize("protection", [12, 0], ids=["protected", "market-limit"])
def test_where_the_exchange_takes_no_market_orders_they_send_what_comes_closest(protection: int) -> None:
    """CME's books: orders with protection, of which nothing rests; refused where nobody stands on the other side."""
    rules = BookRules(market_orders=False, protection_ticks=protection)
    venue = living(V4, venue=market(book=rules, marked=True), momentum=FOLLOWERS, leveraged=GAMBLERS)
    venue.attach(index(60))
    told = run(venue, 60)
    counts = venue.population.counts
    assert set(venue.population.refused) <= {"NO_OPPOSITE"} and kinds(told)["FILL"] > 100
    assert counts["market_buy"] > 20 and counts["trended"] > 0 and counts["entered"] > 0


def test_a_venue_has_one_population_and_no_record_beside_it() -> None:
    venue = living(V4)
    with pytest.raises(VenueError, match="population already"):
        living(V4, venue=venue, first=41)
    with pytest.raises(VenueError, match="simulated traders trade"):
        venue.attach_flow(0, np.zeros(0, FLOW_DTYPE))


def test_a_venue_without_a_population_is_what_it_was() -> None:
    assert "others" not in {line for line, _ in lines_of(market())}
    assert "others" in {line for line, _ in lines_of(living(V4))}


def lines_of(venue: Venue) -> list[tuple[str, Any]]:
    others = [] if venue.population is None else list(venue.population.lines())
    return [*state_lines(venue), *others]
