"""Slippage of a taker's size and a bar's share that can be had (docs/rules/fills.md), on both exchanges."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.book import BookRules
from novation.domain.commands import place_limit, place_market, transfer
from novation.domain.enums import EventKind, MarketEventKind, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import MAKER, Event
from novation.domain.instruments import Terms, Tier
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, NS
from novation.rules.slippage import piece_e8
from novation.venues import binance_usdm
from novation.venues.impacts import Impact
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin
from tests.venues.test_impacts import kyle
from tests.venues.test_phases import opens

#: A coin, a cent a tick, lots of one. No fees, a hundred times leverage.
COIN = coin(tick_e8=E8 // 100, lot_e8=E8)
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 100_000, 125, 0),))
BUY, SELL = Side.BUY, Side.SELL
TENTH = E8 // 10


def liquidity(
    ts_ns: int = 0, *, half: float = 0.05, whole: float = 20.0, lots: int = 10_000, **more: int
) -> MarketEvent:
    """0.05 beyond the price whatever the size, and 20 for all that trades in a day: 1 % of it is 2.00 by the root."""
    half_e8, whole_e8 = round(half * E8), round(whole * E8)
    paid = {"bid_e8": half_e8, "ask_e8": half_e8, "impact_bid_e8": whole_e8, "impact_ask_e8": whole_e8} | more
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.LIQUIDITY, instrument=0, traded_lots=lots, **paid)


def bar(ts_ns: int, price: float, lots: int) -> MarketEvent:
    """A bar opens in which so many lots will trade."""
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.BAR_OPEN,
        instrument=0,
        last_e8=round(price * E8),
        mark_e8=round(price * E8),
        traded_lots=lots,
    )


def closes(ts_ns: int, start_ns: int, low: float, high: float, close: float) -> MarketEvent:
    """A bar is complete."""
    low_e8, high_e8, last_e8 = (round(price * E8) for price in (low, high, close))
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        start_ns=start_ns,
        last_e8=last_e8,
        last_high_e8=high_e8,
        last_low_e8=low_e8,
    )


def market(of: BarLiquidity, *rows: MarketEvent, spread_e8: int = 0) -> Lockstep:
    """At 100.00 at 0, and one account with plenty."""
    setup = Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, spread_e8, [0], bar_liquidity={COIN.id: of})
    both = Lockstep(setup)
    both.submit(transfer(0, 10**9 * E8))
    both.advance(0, rows or [liquidity(), opens(0, 100)])
    return both


def fills(events: list[Event]) -> list[tuple[int, float]]:
    """Signed lots and price of each fill."""
    return [(e.lots, e.price_ticks / 100) for e in events if e.kind == EventKind.FILL]


# -- slippage -------------------------------------------------------------------------------------------------------


def test_a_taker_pays_half_a_spread_and_the_square_root_of_his_share_of_a_day() -> None:
    """A hundred of ten thousand: 0.05 + 20 * sqrt(0.01) = 2.05; four hundred: 0.05 + 4."""
    assert fills(market(BarLiquidity()).submit(place_market(0, 0, BUY, 100))) == [(100, 102.05)]
    assert fills(market(BarLiquidity()).submit(place_market(0, 0, SELL, 400))) == [(-400, 95.95)]


def test_the_venues_spread_is_replaced_and_every_price_goes_to_the_tick_against_the_taker() -> None:
    both = market(BarLiquidity(), liquidity(half=0.001, whole=0), opens(0, 100), spread_e8=E8 // 100)
    assert fills(both.submit(place_market(0, 0, BUY, 1))) == [(1, 100.01)]
    assert fills(both.submit(place_market(0, 0, SELL, 1))) == [(-1, 99.99)]


def test_an_order_in_two_pieces_pays_what_it_pays_whole() -> None:
    """100 then 300 of one bar: 100 * 2.05, then 400 * 4.05 - 100 * 2.05 = 1415, 4.7166.. each, 4.72 on the tick."""
    both = market(BarLiquidity())
    assert fills(both.submit(place_market(0, 0, BUY, 100))) == [(100, 102.05)]
    assert fills(both.submit(place_market(0, 0, BUY, 300))) == [(300, 104.72)]
    assert fills(both.submit(place_market(0, 0, SELL, 100))) == [(-100, 97.95)]  # the other side is another market
    both.advance(NS, [opens(NS, 100)])
    assert fills(both.submit(place_market(0, 0, BUY, 100))) == [(100, 102.05)]  # and so is the next bar
    both.compare()


def test_sides_may_pay_differently_and_later_rows_count() -> None:
    both = market(BarLiquidity(), liquidity(whole=0, bid_e8=0, ask_e8=E8), opens(0, 100))
    assert fills(both.submit(place_market(0, 0, BUY, 1))) == [(1, 101)]
    assert fills(both.submit(place_market(0, 0, SELL, 1))) == [(-1, 100)]
    both.advance(NS, [liquidity(NS, half=2, whole=0), opens(NS, 100)])
    assert fills(both.submit(place_market(0, 0, SELL, 1))) == [(-1, 98)]
    both.compare()


def test_bounds_are_fractions_of_the_price() -> None:
    both = market(BarLiquidity(least=0.001, most=0.01))
    assert fills(both.submit(place_market(0, 0, BUY, 1))) == [(1, 100.25)]  # 0.05 + 20 * 0.01
    both = market(BarLiquidity(least=0.005, most=0.01))
    assert fills(both.submit(place_market(0, 0, BUY, 1))) == [(1, 100.5)]
    assert fills(both.submit(place_market(0, 0, SELL, 900))) == [(-900, 99)]


def test_where_nothing_is_known_to_trade_nobody_takes_and_nothing_is_free() -> None:
    """The order waits until a row says what trades in a day."""
    for rows in ([opens(0, 100)], [liquidity(lots=0), opens(0, 100)]):
        both = market(BarLiquidity(), *rows)
        assert fills(both.submit(place_market(0, 0, BUY, 100))) == []
        assert fills(both.advance(NS, [opens(NS, 100)])) == []
        assert fills(both.advance(2 * NS, [liquidity(2 * NS), opens(2 * NS, 100)])) == [(100, 102.05)]
        both.compare()


def test_a_limit_order_takes_what_its_price_lets_it_and_the_rest_waits_for_the_next_bar() -> None:
    """Up to 102.04: 0.05 + 20 * sqrt(0.0099) = 2.04 for 99, 2.05 for a hundred. The market stands at 100 all the time,
    so nothing is a maker's: the last lot, after 99, pays 100 * 2.05 - 99 * 2.04 = 3.04 and waits for a lower open."""
    both = market(BarLiquidity())
    assert fills(both.submit(place_limit(0, 0, BUY, 100, 10_204))) == [(99, 102.04)]
    assert fills(both.advance(NS, [closes(NS, 0, 99, 103, 100), opens(NS, 100)])) == []
    events = both.advance(2 * NS, [closes(2 * NS, NS, 98, 101, 99), opens(2 * NS, 98.9)])
    assert fills(events) == [(1, 101.95)]
    assert not any(e.flags & MAKER for e in events if e.kind == EventKind.FILL)
    both.compare()


def test_a_limit_order_above_the_market_costs_no_less_than_a_market_order_of_as_many_lots() -> None:
    """400 at the market pay 4.05; up to 103.00 only 217 are to be had now, 0.05 + 20 * sqrt(0.0217) = 2.997."""
    both = market(BarLiquidity())
    assert fills(both.submit(place_limit(0, 0, BUY, 400, 10_300))) == [(217, 103.0)]
    assert fills(both.advance(NS, [closes(NS, 0, 99, 103.5, 100), opens(NS, 100)])) == []  # 3.02 for the next one
    assert fills(both.advance(2 * NS, [closes(2 * NS, NS, 100, 104, 104), opens(2 * NS, 104)])) == []
    assert fills(both.advance(3 * NS, [closes(3 * NS, 2 * NS, 102, 104, 103.5), opens(3 * NS, 103.5)])) == [
        (183, 103.0)
    ]
    both.compare()


def test_nobody_takes_beyond_all_prices() -> None:
    """A sale that would move the price below the lowest tick waits, it does not find a bottom."""
    both = market(BarLiquidity(), liquidity(whole=1_000), opens(0, 100))
    assert fills(both.submit(place_market(0, 0, SELL, 101))) == []  # 0.05 + 1000 * sqrt(0.0101) = 100.55
    assert fills(both.submit(place_market(0, 0, SELL, 90))) == [(-90, 5.08)]
    both.compare()


def test_a_liquidation_pays_the_slippage_of_all_its_lots() -> None:
    """1,000 lots at 100.00; at 95.00 they are closed, 1 % of the day: 0.05 + 20 * sqrt(0.01) below it."""
    setup = Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0], bar_liquidity={COIN.id: BarLiquidity()})
    both = Lockstep(setup)
    both.submit(transfer(0, 5_050 * E8))
    both.advance(0, [liquidity(half=0, whole=0), opens(0, 100)])
    both.submit(place_market(0, 0, BUY, 1_000))
    assert fills(both.advance(NS, [liquidity(NS, lots=100_000), opens(NS, 95)])) == [(-1_000, 92.95)]
    both.compare()


# -- participation --------------------------------------------------------------------------------------------------


def test_a_market_order_has_its_share_of_each_bar_and_waits_for_the_next() -> None:
    """A tenth of 100, then of 30, then of nothing, then of 1000."""
    both = market(BarLiquidity(slips=False, participation_e8=TENTH), bar(0, 100, 100))
    assert fills(both.submit(place_market(0, 0, BUY, 20))) == [(10, 100)]
    assert fills(both.submit(place_market(0, 0, SELL, 5))) == []  # nothing is left of this bar, for either side
    both.compare()
    assert fills(both.advance(NS, [bar(NS, 101, 30)])) == [(3, 101)]
    assert fills(both.advance(2 * NS, [bar(2 * NS, 102, 0)])) == []
    assert fills(both.advance(3 * NS, [bar(3 * NS, 103, 1_000)])) == [(7, 103), (-5, 103)]
    both.compare()


def test_a_limit_order_that_is_traded_through_has_what_its_bar_has_left() -> None:
    """A tenth of 100: a taker had six of it at the open, so four of the eight are filled; the rest goes on working."""
    both = market(BarLiquidity(slips=False, participation_e8=TENTH), bar(0, 100, 100))
    both.submit(place_limit(0, 0, BUY, 8, 9_900))
    both.submit(place_market(0, 0, SELL, 6))
    both.advance(NS, [bar(NS, 100, 100)])
    assert fills(both.submit(place_market(0, 0, SELL, 6))) == [(-6, 100)]
    rows = [closes(2 * NS, NS, 98, 101, 99.5), bar(2 * NS, 99.5, 20)]
    events = both.advance(2 * NS, rows)
    assert fills(events) == [(4, 99)]
    assert all(e.flags & MAKER for e in events if e.kind == EventKind.FILL)
    assert fills(both.advance(3 * NS, [closes(3 * NS, 2 * NS, 98, 101, 98.5), bar(3 * NS, 98.5, 1_000)])) == [
        (2, 99),  # a tenth of 20
        (2, 98.5),  # the bar opens below it
    ]
    both.compare()


def test_what_is_left_of_an_order_needs_no_notional_of_its_own() -> None:
    terms = Terms(effective_ns=0, tiers=TERMS.tiers, min_notional=1_000 * E8)
    of = BarLiquidity(slips=False, participation_e8=TENTH)
    both = Lockstep(Setup(binance_usdm.RULES, [COIN], [[terms]], 1, 0, [0], bar_liquidity={COIN.id: of}))
    both.submit(transfer(0, 10**9 * E8))
    both.advance(0, [bar(0, 100, 100)])
    assert fills(both.submit(place_market(0, 0, BUY, 11))) == [(10, 100)]
    assert fills(both.advance(NS, [bar(NS, 100, 100)])) == [(1, 100)]  # worth 100 alone
    both.compare()


def test_an_order_through_several_bars_pays_for_all_its_lots() -> None:
    """A hundred of a day of ten thousand, fifty a bar: 0.05 + 20 * sqrt(0.005) = 1.4643, then (100 * 2.05 - 50 *
    1.4643) / 50 = 2.6358: what a hundred at once would pay, with two roundings to the tick."""
    both = market(BarLiquidity(participation_e8=TENTH), liquidity(), bar(0, 100, 500))
    assert fills(both.submit(place_market(0, 0, BUY, 100))) == [(50, 101.47)]
    assert fills(both.advance(NS, [bar(NS, 100, 500)])) == [(50, 102.64)]
    both.compare()


# -- touches --------------------------------------------------------------------------------------------------------


def touched(of: BarLiquidity, orders: int) -> tuple[Lockstep, list[tuple[int, float]]]:
    """So many bids at 99.00 and a bar whose low is 99.00."""
    both = market(of, opens(0, 100))
    for _ in range(orders):
        both.submit(place_limit(0, 0, BUY, 1, 9_900))
    both.advance(NS, [opens(NS, 100)])
    return both, fills(both.advance(2 * NS, [closes(2 * NS, NS, 99, 101, 100), opens(2 * NS, 100)]))


def test_a_bar_that_touches_a_limit_fills_it_as_often_as_is_said() -> None:
    """200 orders at 0.3: between 32 and 88, 4.3 standard deviations off, by chance once in 60,000 seeds."""
    for chance, least, most in ((0, 0, 0), (E8, 200, 200), (3 * TENTH, 32, 88)):
        both, found = touched(BarLiquidity(slips=False, touch_e8=chance, seed=1), 200)
        assert least <= len(found) <= most
        assert set(found) <= {(1, 99.0)}
        both.compare()


def test_touches_are_drawn_by_the_seed_and_no_bar_that_goes_through_draws() -> None:
    first, second = (touched(BarLiquidity(slips=False, touch_e8=E8 // 2, seed=seed), 40)[1] for seed in (1, 1))
    assert first == second
    counts = {len(touched(BarLiquidity(slips=False, touch_e8=E8 // 2, seed=seed), 40)[1]) for seed in range(6)}
    assert len(counts) > 1
    both = market(BarLiquidity(slips=False, touch_e8=E8 // 2), opens(0, 100))
    before = both.twin.bar_liquidity[COIN.id].chance.a
    both.submit(place_limit(0, 0, BUY, 1, 9_900))
    assert fills(both.advance(NS, [closes(NS, 0, 98.9, 101, 100)])) == [(1, 99.0)]
    assert both.twin.bar_liquidity[COIN.id].chance.a == before
    both.compare()


# -- properties -----------------------------------------------------------------------------------------------------

amounts = st.integers(1, 1 << 40)


@settings(max_examples=scaled(3_000, 100), deadline=None)
@given(amounts, amounts, st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.floats(0.05, 1.0))
def test_split_orders_pay_at_least_what_the_whole_pays(
    first: int, second: int, half: int, whole: int, by: float
) -> None:
    day = float(1 << 41)
    together = piece_e8(0, first + second, day, half, whole, by, 0.0, float("inf")) * (first + second)
    one = piece_e8(0, first, day, half, whole, by, 0.0, float("inf"))
    two = piece_e8(first, second, day, half, whole, by, 0.0, float("inf"))
    apart = one * first + two * second
    assert abs(apart - together) <= (first + second) * (
        1 + 1e-9 * (half + whole)
    )  # each is rounded up by less than one
    assert half <= one <= two + 1  # so later lots are never cheaper, up to that rounding


@settings(max_examples=scaled(300, 30), deadline=None)
@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 4)), min_size=1, max_size=12), st.integers(0, 50))
def test_no_sequence_of_trades_at_one_price_earns_anything(trades: list[tuple[int, int]], half: int) -> None:
    """The price of the bars stays 100: whoever ends without a position has no more than he began with."""
    venue = Venue(
        binance_usdm.RULES, [COIN], [[TERMS]], bar_liquidity={COIN.id: BarLiquidity(participation_e8=E8 // 2)}
    )
    venue.submit(transfer(0, 10**9 * E8))
    now, held = 0, 0
    rows = [liquidity(half=half / 1_000, lots=1_000), bar(0, 100, 2_000)]
    venue.attach(scenarios.array(rows))
    venue.advance(0)
    for lots, later in [*trades, (0, 1)]:
        if later:
            now += NS
            venue.attach(scenarios.array([bar(now, 100, 2_000)]))
            venue.advance(now)
        if lots:
            venue.submit(place_market(0, 0, BUY if lots > 0 else SELL, abs(lots)))
    for _ in range(30):
        held = sum(p.lots for p in venue.account(0).positions)
        now += NS
        venue.attach(scenarios.array([bar(now, 100, 1 << 40)]))
        venue.advance(now)
        held = sum(p.lots for p in venue.account(0).positions)
        if held == 0:
            break
        venue.submit(place_market(0, 0, SELL if held > 0 else BUY, abs(held)))
    assert held == 0
    assert venue.account(0).equity <= 10**9 * E8


@pytest.mark.heavy
@settings(max_examples=scaled(400, 15), deadline=None)
@given(st.integers(0, 1 << 40))
def test_random_runs_are_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    setup = scenarios.setup(r)
    setup = setup._replace(ladders={}, bar_liquidity=some(Random(seed + 1), setup))
    random_run(r, Lockstep(setup), 60)


def some(r: Random, setup: Setup) -> dict[str, BarLiquidity]:
    """Of most instruments."""
    return {
        instrument.id: BarLiquidity(
            slips=r.random() < 0.7,
            exponent=r.choice([0.5, 0.6, 1.0]),
            least=r.choice([0.0, 0.0, 0.0003]),
            most=r.choice([float("inf"), 0.01]),
            participation_e8=r.choice([0, TENTH, E8]),
            touch_e8=r.choice([0, E8 // 2, E8]),
            seed=r.randint(0, 9),
        )
        for instrument in setup.instruments
        if r.randint(0, 3)
    }


# -- what is refused ------------------------------------------------------------------------------------------------


def test_what_is_no_liquidity_of_bars_is_refused() -> None:
    for wrong, message in (
        ({"exponent": 0.0}, "exponent lies above 0"),
        ({"least": 0.2, "most": 0.1}, "0 <= least <= most"),
        ({"participation_e8": E8 + 1}, "participation_e8 lies between"),
        ({"touch_e8": -1}, "touch_e8 lies between"),
    ):
        with pytest.raises(InvalidInput, match=message):
            BarLiquidity(**wrong)  # type: ignore[arg-type]
    of = {COIN.id: BarLiquidity()}
    for more, message in (
        ({"ladders": {COIN.id: Ladder.linear(lots=1, levels=3)}}, "this one has a ladder, a book or a model of impact"),
        ({"books": {COIN.id: BookRules()}}, "this one has a ladder, a book or a model of impact"),
        ({"impacts": {COIN.id: Impact(kyle(1.0, 1.0))}}, "this one has a ladder, a book or a model of impact"),
        ({"bar_liquidity": {"x:Y": BarLiquidity()}}, "no such instrument"),
        ({"bar_liquidity": {COIN.id: 5}}, "is no BarLiquidity"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Venue(binance_usdm.RULES, [COIN], [[TERMS]], **({"bar_liquidity": of} | more))  # type: ignore[arg-type]


def test_rows_that_cannot_be_are_refused() -> None:
    for of, row, message in (
        (BarLiquidity(slips=False), liquidity(), "of an instrument that does not slip"),
        (BarLiquidity(), liquidity(bid_e8=-1), "a slippage below zero"),
        (BarLiquidity(), liquidity(lots=-1), "has lots below zero"),
    ):
        venue = Venue(binance_usdm.RULES, [COIN], [[TERMS]], bar_liquidity={COIN.id: of})
        with pytest.raises(VenueError, match=message):
            venue.attach(scenarios.array([row]))
