"""Takers that move the price on bars (docs/rules/impact.md, "On a venue"), on both exchanges."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.book import BookRules
from novation.domain.commands import place_limit, place_market, transfer
from novation.domain.enums import EventKind, Side
from novation.domain.errors import InvalidInput
from novation.domain.events import Event
from novation.domain.instruments import Terms, Tier
from novation.domain.liquidity import Ladder
from novation.domain.units import DAY_NS, E8, HOUR_NS, NO_CAP, NS
from novation.rules.impact import Decay
from novation.rules.manipulation import (
    ImpactModel,
    almgren_chriss,
    kyle,
    measured,
    obizhaeva_wang,
    propagator,
    square_root_law,
)
from novation.venues import binance_usdm, cme_globex
from novation.venues.impacts import Impact
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin
from tests.venues.test_phases import DOLLARS, es, limits, opens
from tests.venues.test_phases import TERMS as CME_TERMS

#: A coin, a cent a tick, lots of one: 100.00 stays 100.00 and only takers move it. No fees, a hundred times leverage.
COIN = coin(tick_e8=E8 // 100, lot_e8=E8)
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 100_000, 125, 0),))
BUY, SELL = Side.BUY, Side.SELL


def market(model: ImpactModel, **times: int) -> Lockstep:
    """At 100.00 at 0, and one account with plenty."""
    impacts = {COIN.id: Impact(model, **times)}
    both = Lockstep(Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0], impacts=impacts))
    both.submit(transfer(0, 10**9 * E8))
    both.advance(0, [opens(0, 100)])
    return both


def trade(both: Lockstep, side: Side, lots: int) -> float:
    """A market order's price."""
    (fill,) = [e for e in both.submit(place_market(0, 0, side, lots)) if e.kind == EventKind.FILL]
    return fill.price_ticks / 100


def at(both: Lockstep, ts_ns: int, price: float = 100) -> list[Event]:
    """A bar opens."""
    return both.advance(ts_ns, [opens(ts_ns, price)])


def test_permanent_impact_is_paid_in_half_by_its_order_and_found_by_later_ones() -> None:
    """A cent a lot for good: ten lots move the price to 100.10 and pay 100.05 each; so does who buys ten more there."""
    both = market(kyle(0.01, 1.0))
    assert trade(both, BUY, 10) == 100.05
    assert trade(both, BUY, 10) == 100.15
    at(both, DAY_NS, 90)
    assert trade(both, SELL, 20) == 90.1  # 90.20, and half of 0.20 down
    assert trade(both, BUY, 2) == 90.01
    both.compare()


def test_temporary_impact_is_of_the_rate_and_forgotten() -> None:
    """eta 0.02 * a quarter day per lot, an order takes six hours: twelve lots at 48 a day pay 0.24 more."""
    both = market(almgren_chriss(gamma=0.0, eta=0.005, half_spread=0.01), takes_ns=6 * HOUR_NS)
    assert trade(both, BUY, 12) == 100.25  # 0.01 + 0.005 * 48
    assert trade(both, SELL, 12) == 99.75
    both.compare()


def test_the_square_root_of_an_orders_share_of_the_volume() -> None:
    """1 % of the volume at sigma 2 moves the price by 0.20."""
    both = market(square_root_law(volume=10_000, sigma=2.0, y=1.0))
    assert trade(both, BUY, 100) == 100.2
    assert trade(both, SELL, 100) == 99.8
    both.compare()


def test_transient_impact_fades_between_orders() -> None:
    """0.01 a lot that halves in a day: what is left of 0.40 is 0.20 a day later, and 0.10 after two."""
    both = market(obizhaeva_wang(0.01, 0.6931471805599453))
    assert trade(both, BUY, 40) == 100.2
    at(both, DAY_NS)
    assert trade(both, BUY, 2) == 100.21  # 0.20 and half of 0.02
    at(both, 2 * DAY_NS)
    assert trade(both, SELL, 2) == 100.1  # 0.22 has halved to 0.11, less half of 0.02
    both.compare()


def test_a_limit_order_that_its_own_impact_carries_beyond_its_price_rests() -> None:
    both = market(kyle(0.01, 1.0))
    assert [e.kind for e in both.submit(place_limit(0, 0, BUY, 10, 10_004))] == [EventKind.ORDER_ACCEPTED]
    events = both.submit(place_limit(0, 0, BUY, 10, 10_005))
    assert [e.kind for e in events] == [EventKind.ORDER_ACCEPTED, EventKind.FILL]
    both.compare()


def test_a_maker_moves_nothing() -> None:
    """The limit order of above is filled by a bar that opens below it; who comes next finds 99.00."""
    both = market(kyle(0.01, 1.0))
    both.submit(place_limit(0, 0, BUY, 10, 10_004))
    (fill,) = [e for e in at(both, NS, 99) if e.kind == EventKind.FILL]
    assert fill.price_ticks == 9_900
    assert trade(both, BUY, 2) == 99.01
    both.compare()


def test_nobody_takes_the_other_side_where_impact_passes_the_lowest_tick() -> None:
    """At 0.01 the second sale would get more than the 0 and less that it moves the market to: it waits."""
    both = market(kyle(0.01, 1.0))
    assert trade(both, SELL, 9_000) == 55
    assert [e.kind for e in both.submit(place_market(0, 0, SELL, 20_000))] == [EventKind.ORDER_ACCEPTED]
    assert trade(both, SELL, 998) == 5.01
    both.compare()


@pytest.mark.parametrize(("side", "back", "way"), [(SELL, BUY, -1), (BUY, SELL, 1)])
def test_nobody_takes_the_other_side_where_impact_passes_a_price_limit(side: Side, back: Side, way: int) -> None:
    """A tick a lot and limits ten points away: what would trade beyond one waits, what trades just at it does not."""
    impacts = {es().id: Impact(kyle(0.25, 1.0))}
    both = Lockstep(Setup(cme_globex.RULES, [es()], [[CME_TERMS]], 1, 0, [0], impacts=impacts))
    both.submit(transfer(0, 10**9 * DOLLARS))
    both.advance(0, [limits(0, 3_490, 3_510), opens(0, 3_500)])
    assert trade(both, side, 40) == (3_500 + 5 * way) * 4 / 100  # a quarter a tick
    assert [e.kind for e in both.submit(place_market(0, 0, side, 2))] == [EventKind.ORDER_ACCEPTED]
    assert trade(both, back, 160) == (3_500 - 10 * way) * 4 / 100
    assert [e.kind for e in both.submit(place_market(0, 0, back, 540))] == [EventKind.ORDER_ACCEPTED]
    both.compare()


def test_what_takers_have_moved_is_state_and_comes_back_with_a_snapshot() -> None:
    both = market(obizhaeva_wang(0.01, 1.0))
    before = both.venue.state_hash()
    trade(both, BUY, 40)
    kept, moved = both.venue.snapshot(), both.venue.state_hash()
    assert moved != before
    trade(both, SELL, 7)
    both.venue.restore(kept)
    assert both.venue.state_hash() == moved


MODELS = {
    "almgren_chriss": almgren_chriss(0.002, 0.01, 0.01),
    "square_root": square_root_law(5_000.0, 3.0, 1.0),
    "kyle": kyle(1.0, 100.0),
    "obizhaeva_wang": obizhaeva_wang(0.01, 2.0),
    "measured": measured(1e5, 1e7, 2.0, 0.314, 0.142, 0.6),
    "exponential propagator": propagator(0.01, 1.0, Decay.EXPONENTIAL, 0.5),
}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=scaled(300, 15), deadline=None)
@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 5 * 24)), min_size=1, max_size=8))
def test_no_round_trip_through_the_venue_earns_money(name: str, legs: list[tuple[int, int]]) -> None:
    """The market stands still and charges nothing: whoever comes back to where he began has lost what he moved."""
    venue = Venue(binance_usdm.RULES, [COIN], [[TERMS]], impacts={COIN.id: Impact(MODELS[name])})
    venue.submit(transfer(0, 10**9 * E8))
    now, held = 0, 0
    for lots, hours in [*legs, (0, 1)]:
        now += hours * HOUR_NS
        venue.attach(scenarios.array([opens(now, 100)]))
        venue.advance(now)
        size = lots if (lots, hours) != (0, 1) else -held
        if size:
            venue.submit(place_market(0, 0, BUY if size > 0 else SELL, abs(size)))
            held += size
    if held:
        venue.submit(place_market(0, 0, BUY if held < 0 else SELL, abs(held)))
    assert venue.table("position")["lots"].tolist() == [0, 0]
    assert venue.account(0).wallet <= 10**9 * E8


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=scaled(300, 15), deadline=None)
@given(
    st.lists(st.tuples(st.integers(-30_000, 30_000), st.integers(1, 5 * 24)), min_size=1, max_size=8),
    st.sampled_from([0, 10, 100, 1_000]),
)
def test_nor_does_pushing_the_price_to_a_bound(name: str, legs: list[tuple[int, int]], points: int) -> None:
    """Lots valued at the record's price: large orders that pass the lowest tick or a limit so far away (0: a coin
    without limits) wait, or pay for it."""
    rules, instrument, terms, price = (
        (cme_globex.RULES, es(), CME_TERMS, 3_500) if points else (binance_usdm.RULES, COIN, TERMS, 100)
    )
    venue = Venue(rules, [instrument], [[terms]], impacts={instrument.id: Impact(MODELS[name])})
    venue.submit(transfer(0, 10**9 * E8))
    now = 0
    for lots, hours in legs:
        now += hours * HOUR_NS
        bounds = [limits(now, price - points, price + points)] if points else []
        venue.attach(scenarios.array([*bounds, opens(now, price)]))
        venue.advance(now)
        if lots:
            venue.submit(place_market(0, 0, BUY if lots > 0 else SELL, abs(lots)))
    assert venue.account(0).equity <= 10**9 * E8


@pytest.mark.heavy
@settings(max_examples=scaled(400, 15), deadline=None)
@given(st.integers(0, 1 << 40))
def test_random_runs_with_impact_are_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    setup = scenarios.setup(r)
    setup = setup._replace(ladders={}, impacts=some(Random(seed + 1), setup))
    random_run(r, Lockstep(setup), 60)


def some(r: Random, setup: Setup) -> dict[str, Impact]:
    """A model for most instruments, its lots worth a few ticks at most."""
    found = {}
    for instrument in setup.instruments:
        if r.randint(0, 3):
            tick = instrument.tick_e8 / E8
            model = ImpactModel(
                "any",
                half_spread=r.choice([0.0, tick / 3]),
                temporary=r.choice([0.0, tick * r.random()]),
                temporary_exponent=r.choice([1.0, 0.6]),
                order=r.choice([0.0, tick * r.random()]),
                permanent=r.choice([0.0, tick * r.random() / 10]),
                transient=r.choice([0.0, tick * r.random() / 5]),
                decay=r.choice([Decay.CONSTANT, Decay.EXPONENTIAL]),
                decay_rate=r.choice([0.0, 0.7, 20.0]),
            )
            found[instrument.id] = Impact(model, unit_ns=r.choice([HOUR_NS, DAY_NS]), takes_ns=r.choice([NS, DAY_NS]))
    return found


# -- what is refused ------------------------------------------------------------------------------------------------


def test_a_model_that_pays_for_a_round_trip_is_refused_with_its_reason() -> None:
    """V7: f = sqrt(v) with exponential decay."""
    with pytest.raises(InvalidInput, match="exponential decay is free of manipulation only with linear impact"):
        Impact(propagator(1.0, 0.5, Decay.EXPONENTIAL, 0.1))


def test_what_a_venue_cannot_remember_or_place_is_refused() -> None:
    with pytest.raises(InvalidInput, match="remembers no single trades"):
        Impact(propagator(1.0, 1.0, Decay.POWER, 0.5))
    with pytest.raises(InvalidInput, match=r"model.*is an ImpactModel"):
        Impact(0.1)  # type: ignore[arg-type]
    for times in ({"unit_ns": 0}, {"takes_ns": 1.5}, {"takes_ns": True}):
        with pytest.raises(InvalidInput, match="whole ns"):
            Impact(kyle(1.0, 1.0), **times)  # type: ignore[arg-type]
    fine = Impact(kyle(1.0, 1.0))
    for name, impact, more, message in (
        ("x:D", fine, {}, "no such instrument"),
        (COIN.id, kyle(1.0, 1.0), {}, "is an Impact"),
        (COIN.id, fine, {"books": {COIN.id: BookRules()}}, "has a ladder or a book"),
        (COIN.id, fine, {"ladders": {COIN.id: Ladder(offsets=(1,), lots=(5,), heals=0)}}, "has a ladder or a book"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Venue(binance_usdm.RULES, [COIN], [[TERMS]], impacts={name: impact}, **more)  # type: ignore[dict-item]
