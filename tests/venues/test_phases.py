"""What an order meets while a market is closed, before it opens, halted, at a limit; on both exchanges."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import Command, cancel, place_limit, place_market, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    HaltReason,
    MarketEventKind,
    MarketPhase,
    RejectReason,
    Side,
)
from novation.domain.errors import VenueError
from novation.domain.events import LIQUIDATED, TRANSFERRED, Event
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import NO_LIMIT_E8, MarketEvent
from novation.domain.units import E8
from novation.reference.lookup import Reference
from novation.venues import cme_globex
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.scenarios import Setup

#: Margins of 10,000 and 8,000 USD a contract.
TERMS = Terms(effective_ns=0, initial_per_lot=10_000_000_000, maintenance_per_lot=8_000_000_000)
DOLLARS = 1_000_000


def es() -> Instrument:
    """The E-mini of December 2020."""
    return Reference().instrument("cme:ESZ2020")


def market(terms: Terms = TERMS, *more: Terms, hold: bool = False, cash: int = 20_000) -> Lockstep:
    """Both exchanges with ES at 3,500.00, one account with money."""
    rules = msgspec.structs.replace(cme_globex.RULES, hold_orders=hold)
    both = Lockstep(Setup(rules, [es()], [[terms, *more]], 1, 0, [0]))
    both.advance(0, [opens(0, 3_500)])
    both.submit(transfer(0, cash * DOLLARS))
    return both


def opens(ts_ns: int, price: float) -> MarketEvent:
    """A bar opens."""
    e8 = round(price * E8)
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=e8, mark_e8=e8)


def closes(ts_ns: int, start_ns: int, low: float, high: float, close: float) -> MarketEvent:
    """A bar closes."""
    low_e8, high_e8, e8 = (round(price * E8) for price in (low, high, close))
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        start_ns=start_ns,
        last_e8=e8,
        last_high_e8=high_e8,
        last_low_e8=low_e8,
        mark_e8=e8,
        mark_high_e8=high_e8,
        mark_low_e8=low_e8,
    )


def phase(ts_ns: int, to: MarketPhase, halt: HaltReason = HaltReason.SCHEDULE) -> MarketEvent:
    """The market goes into a phase."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.PHASE, instrument=0, status=to, terms=halt)


def limits(ts_ns: int, low: float | None, high: float | None, *, refuse: bool = True) -> MarketEvent:
    """Price limits take effect."""
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.LIMITS,
        instrument=0,
        last_low_e8=-NO_LIMIT_E8 if low is None else round(low * E8),
        last_high_e8=NO_LIMIT_E8 if high is None else round(high * E8),
        status=int(refuse),
    )


def settles(ts_ns: int, price: float, day: int) -> MarketEvent:
    """The day's settlement."""
    ticks = round(price * 4)
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.SETTLEMENT, instrument=0, price_ticks=ticks, trade_date=day)


def buy(price: float, lots: int = 1) -> Command:
    """A limit order."""
    return place_limit(0, 0, Side.BUY, lots, round(price * 4))


def answer(events: list[Event]) -> RejectReason:
    """Why a command was refused, NONE if it was not."""
    refused = (EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED)
    return RejectReason(next((e.reason for e in events if e.kind in refused), 0))


def kinds(events: list[Event]) -> list[EventKind]:
    """What happened."""
    return [EventKind(e.kind) for e in events]


@pytest.mark.parametrize(
    ("to", "limit", "at_market", "taken_back"),
    [
        (MarketPhase.CLOSED, RejectReason.MARKET_CLOSED, RejectReason.MARKET_CLOSED, RejectReason.NONE),
        (MarketPhase.PAUSED, RejectReason.MARKET_CLOSED, RejectReason.MARKET_CLOSED, RejectReason.NONE),
        (MarketPhase.PRE_OPEN, RejectReason.NONE, RejectReason.MARKET_ORDER_BEFORE_OPEN, RejectReason.NONE),
        (
            MarketPhase.NO_CANCEL,
            RejectReason.NONE,
            RejectReason.MARKET_ORDER_BEFORE_OPEN,
            RejectReason.CANCEL_NOT_ALLOWED,
        ),
        (MarketPhase.OPEN, RejectReason.NONE, RejectReason.NONE, RejectReason.NONE),
    ],
)
def test_each_phase_takes_what_the_exchange_takes(
    to: MarketPhase, limit: RejectReason, at_market: RejectReason, taken_back: RejectReason
) -> None:
    """Facts §8 and §0 row 18."""
    both = market()
    both.submit(buy(3_400))
    both.advance(10, [phase(10, to)])
    assert answer(both.submit(buy(3_450))) == limit
    assert answer(both.submit(place_market(0, 0, Side.BUY, 1))) == at_market
    assert answer(both.submit(cancel(0, 1))) == taken_back


def test_a_broker_that_holds_orders_passes_them_on_at_the_open() -> None:
    both = market(hold=True)
    both.advance(10, [phase(10, MarketPhase.CLOSED)])
    assert answer(both.submit(place_market(0, 0, Side.BUY, 1))) == RejectReason.NONE
    assert answer(both.submit(buy(3_505))) == RejectReason.NONE
    assert EventKind.FILL not in kinds(both.advance(20, [opens(20, 3_490)]))
    fills = both.advance(30, [phase(30, MarketPhase.OPEN), opens(30, 3_502)])
    assert [(e.price_ticks, e.lots) for e in fills if e.kind == EventKind.FILL] == [(4 * 3_502, 1), (4 * 3_502, 1)]


def test_a_halt_refuses_market_orders_and_cancels_those_that_wait() -> None:
    both = market()
    both.advance(5, [closes(5, 0, 3_400, 3_500, 3_400)])
    both.submit(place_market(0, 0, Side.SELL, 1))
    events = both.advance(10, [phase(10, MarketPhase.PRE_OPEN, HaltReason.CIRCUIT_BREAKER), opens(10, 3_380)])
    assert kinds(events) == [EventKind.PHASE_CHANGED, EventKind.ORDER_CANCELLED]
    assert (events[0].amount, events[0].reason) == (MarketPhase.PRE_OPEN, HaltReason.CIRCUIT_BREAKER)
    assert events[1].reason == CancelReason.MARKET_HALTED
    assert answer(both.submit(place_market(0, 0, Side.SELL, 1))) == RejectReason.MARKET_ORDER_BEFORE_OPEN
    assert answer(both.submit(buy(3_390))) == RejectReason.NONE
    assert EventKind.FILL in kinds(both.advance(20, [phase(20, MarketPhase.OPEN), opens(20, 3_385)]))


def test_a_broker_that_holds_orders_holds_them_through_a_halt() -> None:
    for by_venue in (True, False):
        both = market(hold=by_venue)
        both.advance(5, [closes(5, 0, 3_400, 3_500, 3_400)])
        both.submit(place_market(0, 0, Side.SELL, 1, hold=True))
        halt = [phase(10, MarketPhase.PRE_OPEN, HaltReason.CIRCUIT_BREAKER), opens(10, 3_380)]
        assert kinds(both.advance(10, halt)) == [EventKind.PHASE_CHANGED]
        assert answer(both.submit(place_market(0, 0, Side.SELL, 1, hold=True))) == RejectReason.NONE
        sold = both.advance(20, [phase(20, MarketPhase.OPEN), opens(20, 3_385)])
        assert [e.lots for e in sold if e.kind == EventKind.FILL] == [-1, -1]


def test_a_held_order_waits_until_the_one_it_follows_is_gone() -> None:
    """The new leg of a roll: not before the old one, whatever the margin, and then at the same open."""
    other = msgspec.structs.replace(es(), id="cme:ESH2021", symbol="ESH2021", contract_month=202103)
    both = Lockstep(Setup(cme_globex.RULES, [es(), other], [[TERMS], [TERMS]], 1, 0, [0, 0]))
    second = msgspec.structs.replace(opens(0, 3_500), instrument=1)
    both.advance(0, [opens(0, 3_500), second])
    both.submit(transfer(0, 10_100 * DOLLARS))
    both.submit(place_market(0, 0, Side.BUY, 1))
    both.advance(5, [phase(5, MarketPhase.PRE_OPEN, HaltReason.CIRCUIT_BREAKER)])
    old = both.submit(place_market(0, 0, Side.SELL, 1, hold=True))[0].order
    both.submit(place_market(0, 1, Side.BUY, 1, hold=True, after=old))
    assert kinds(both.advance(6, [msgspec.structs.replace(second, ts_ns=6)])) == []
    opened = [phase(7, MarketPhase.OPEN), opens(7, 3_500), msgspec.structs.replace(second, ts_ns=7)]
    assert [(e.instrument, e.lots) for e in both.advance(7, opened) if e.kind == EventKind.FILL] == [(0, -1), (1, 1)]


def test_what_a_broker_holds_can_be_cancelled_before_an_opening() -> None:
    both = market()
    both.advance(10, [phase(10, MarketPhase.NO_CANCEL)])
    both.submit(buy(3_400))
    assert answer(both.submit(cancel(0, 1))) == RejectReason.CANCEL_NOT_ALLOWED
    assert answer(both.submit(cancel(0, 1, hold=True))) == RejectReason.NONE


def test_a_bar_that_brings_a_halt_leaves_its_orders_as_they_were() -> None:
    for kind, filled in ((MarketEventKind.PHASE, True), (MarketEventKind.HALT, False)):
        both = market()
        both.submit(buy(3_450))
        halt = msgspec.structs.replace(phase(10, MarketPhase.PRE_OPEN, HaltReason.CIRCUIT_BREAKER), kind=kind)
        events = both.advance(10, [closes(10, 0, 3_400, 3_500, 3_420), halt])
        assert (EventKind.FILL in kinds(events)) == filled


def test_a_position_is_not_closed_at_the_limit_in_a_bar_that_ends_there() -> None:
    both = market(cash=10_050)
    both.submit(place_market(0, 0, Side.BUY, 1))
    both.advance(5, [limits(5, 3_295, 3_745), opens(5, 3_500)])
    events = both.advance(10, [closes(10, 5, 3_290, 3_500, 3_290), opens(10, 3_290)])
    assert EventKind.LIQUIDATION not in kinds(events)
    assert EventKind.LIQUIDATION in kinds(both.advance(20, [opens(20, 3_297)]))


def test_a_deadline_closes_out_only_who_holds_what_it_is_of() -> None:
    other = msgspec.structs.replace(es(), id="cme:ESH2021", symbol="ESH2021", contract_month=202103)
    night = msgspec.structs.replace(TERMS, calls_due=1)
    both = Lockstep(Setup(cme_globex.RULES, [es(), other], [[TERMS], [TERMS, night]], 1, 0, [0, 0]))
    both.advance(0, [opens(0, 3_500), msgspec.structs.replace(opens(0, 3_500), instrument=1)])
    both.submit(transfer(0, 10_050 * DOLLARS))
    both.submit(place_market(0, 0, Side.BUY, 1))
    both.advance(5, [opens(5, 3_450)])  # called: 7,550 against 8,000
    deadline = [MarketEvent(ts_ns=10, kind=MarketEventKind.TERMS, instrument=1, terms=2)]
    assert EventKind.LIQUIDATION not in kinds(both.advance(10, deadline))


def test_overnight_limits_of_the_facts_refuse_what_is_beyond() -> None:
    """A5: 4650.75 to 5349.25 are tradable, a tick beyond is not."""
    both = market()
    both.advance(10, [limits(10, 4_650.75, 5_349.25)])
    assert answer(both.submit(buy(5_349.25))) == RejectReason.NONE
    refused = both.submit(buy(5_349.50))
    assert (answer(refused), refused[0].cost) == (RejectReason.PRICE_BEYOND_LIMIT, 4 * 5_349.25)
    refused = both.submit(buy(4_650.50))
    assert (answer(refused), refused[0].cost) == (RejectReason.PRICE_BEYOND_LIMIT, 4 * 4_650.75)


def test_where_orders_beyond_may_rest_they_are_not_executable() -> None:
    both = market()
    both.advance(10, [limits(10, 3_400, 3_600, refuse=False)])
    both.submit(buy(3_390))
    assert EventKind.FILL not in kinds(both.advance(20, [closes(20, 10, 3_380, 3_500, 3_400)]))
    both.advance(30, [limits(30, 3_300, 3_500)])
    assert EventKind.FILL in kinds(both.advance(40, [closes(40, 30, 3_380, 3_400, 3_390)]))


def test_locked_limit_up_fills_no_buyer_and_every_seller() -> None:
    both = market()
    both.advance(10, [limits(10, 3_255, 3_745), opens(10, 3_745)])
    both.submit(place_market(0, 0, Side.BUY, 1))
    assert EventKind.FILL not in kinds(both.advance(20, [opens(20, 3_745)]))
    sold = both.submit(place_market(0, 0, Side.SELL, 1))
    assert [e.price_ticks for e in sold if e.kind == EventKind.FILL] == [4 * 3_745]
    bought = both.advance(30, [opens(30, 3_744)])
    assert [(e.lots, e.price_ticks) for e in bought if e.kind == EventKind.FILL] == [(1, 4 * 3_744)]


def test_an_order_at_the_limit_fills_when_a_bar_shows_that_somebody_was_there() -> None:
    both = market()
    both.advance(10, [limits(10, 3_255, 3_745), opens(10, 3_745)])
    both.submit(buy(3_745))
    assert EventKind.FILL not in kinds(both.advance(20, [closes(20, 10, 3_745, 3_745, 3_745), opens(20, 3_745)]))
    assert EventKind.FILL in kinds(both.advance(30, [closes(30, 20, 3_744.75, 3_745, 3_745)]))


def test_half_a_spread_does_not_carry_a_trade_past_a_limit() -> None:
    both = Lockstep(Setup(cme_globex.RULES, [es()], [[TERMS]], 1, E8 // 100, [0]))
    both.advance(0, [limits(0, 3_400, 3_505), opens(0, 3_500)])
    both.submit(transfer(0, 20_000 * DOLLARS))
    bought = both.submit(place_market(0, 0, Side.BUY, 1))
    assert [e.price_ticks for e in bought if e.kind == EventKind.FILL] == [4 * 3_505]


def test_banding_refuses_a_buy_far_above_and_a_sell_far_below() -> None:
    """The historical ES band of 12.00 points (facts §5, 2009-09-24)."""
    both = market(msgspec.structs.replace(TERMS, band_ticks=48))
    refused = both.submit(buy(3_512.25))
    assert (answer(refused), refused[0].cost) == (RejectReason.PRICE_OUTSIDE_BAND, 4 * 3_512)
    assert answer(both.submit(place_limit(0, 0, Side.SELL, 1, 4 * 3_487))) == RejectReason.PRICE_OUTSIDE_BAND
    assert answer(both.submit(buy(3_400))) == RejectReason.NONE
    both.advance(10, [settles(10, 3_600, 1), phase(10, MarketPhase.PRE_OPEN)])
    assert answer(both.submit(place_limit(0, 0, Side.SELL, 1, 4 * 3_587))) == RejectReason.PRICE_OUTSIDE_BAND


def test_a_close_out_waits_until_somebody_is_on_the_other_side() -> None:
    both = market(cash=10_050)
    both.submit(place_market(0, 0, Side.BUY, 1))
    events = both.advance(10, [limits(10, 3_255, 3_745), closes(20 - 10, 0, 3_255, 3_500, 3_255)])
    assert EventKind.LIQUIDATION in kinds(events)  # the limits came after the bar's own prices
    both = market(cash=10_050)
    both.submit(place_market(0, 0, Side.BUY, 1))
    events = both.advance(10, [limits(10, 3_255, 3_745), phase(10, MarketPhase.CLOSED), opens(10, 3_255)])
    assert EventKind.MARGIN_CALL in kinds(events) and EventKind.LIQUIDATION not in kinds(events)
    assert EventKind.LIQUIDATION not in kinds(both.advance(20, [phase(20, MarketPhase.OPEN), opens(20, 3_255)]))
    events = both.advance(30, [opens(30, 3_260)])
    closed = next(e for e in events if e.kind == EventKind.FILL)
    assert closed.flags & LIQUIDATED and closed.price_ticks == 4 * 3_260


def test_a_call_due_while_the_market_is_closed_is_met_or_closed_out_at_the_open() -> None:
    for deposit, kind in ((0, EventKind.LIQUIDATION), (5_000, None)):
        both = market(cash=10_050)
        both.submit(place_market(0, 0, Side.BUY, 1))
        both.advance(10, [opens(10, 3_450), settles(10, 3_450, 1)])
        late = [phase(20, MarketPhase.CLOSED), settles(20, 3_450, 2)]
        assert EventKind.LIQUIDATION not in kinds(both.advance(20, late))
        if deposit:
            both.submit(transfer(0, deposit * DOLLARS))
        events = kinds(both.advance(30, [phase(30, MarketPhase.OPEN), opens(30, 3_450)]))
        assert (kind in events) if kind else EventKind.LIQUIDATION not in events


def test_at_the_margin_deadline_who_cannot_carry_the_position_overnight_is_closed_out() -> None:
    """A quarter of the margin by day: 2,500 and 2,000; overnight 10,000 and 8,000."""
    day = msgspec.structs.replace(TERMS, initial_per_lot=2_500_000_000, maintenance_per_lot=2_000_000_000)
    night = msgspec.structs.replace(TERMS, calls_due=1)
    deadline = [MarketEvent(ts_ns=10, kind=MarketEventKind.TERMS, instrument=0, terms=1)]
    for cash, closed in ((7_999, True), (8_000, True), (8_001, False)):
        both = market(day, night, cash=cash)
        assert answer(both.submit(place_market(0, 0, Side.BUY, 1))) == RejectReason.NONE
        assert (EventKind.LIQUIDATION in kinds(both.advance(10, deadline))) == closed


def test_rows_that_cannot_be_meant_are_refused() -> None:
    both = market()
    for row, words in (
        (phase(10, MarketPhase.OPEN, HaltReason.VELOCITY), "opens a market that it halts"),
        (msgspec.structs.replace(phase(10, MarketPhase.OPEN), status=9), "names no phase"),
        (limits(10, 3_600, 3_400), "lowest price above its highest"),
        (msgspec.structs.replace(limits(10, 3_400, 3_600), status=7), "neither 0 nor 1"),
    ):
        with pytest.raises(VenueError, match=words):
            both.venue.advance(10, scenarios.array([row]))


@pytest.mark.slow
@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 60))
@given(st.integers(0, 1 << 40))
def test_a_market_that_is_not_open_never_matches_and_none_trades_beyond_its_limits(seed: int) -> None:
    r = Random(seed)
    pair = Lockstep(scenarios.setup(r, kind=r.choice(["futures", "mixed"])))
    random_run(r, pair, 60)
    state: dict[int, int] = {}
    bounds: dict[int, tuple[int, int]] = {}
    ticks = [i.tick_e8 for i in pair.setup.instruments]
    for e in pair.twin.events:
        if e.kind == EventKind.PHASE_CHANGED:
            state[e.instrument] = e.amount
        elif e.kind == EventKind.LIMITS_CHANGED:
            bounds[e.instrument] = (e.price_e8, e.amount)
        elif e.kind == EventKind.FILL and not e.flags & TRANSFERRED:
            low, high = bounds.get(e.instrument, (-NO_LIMIT_E8, NO_LIMIT_E8))
            assert state.get(e.instrument, MarketPhase.OPEN) == MarketPhase.OPEN
            assert low <= e.price_ticks * ticks[e.instrument] <= high
