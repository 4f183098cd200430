"""Orders on bars that wait for a price, worked by hand, on both exchanges (docs/rules/fills.md, "Stops" and "Path")."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import Command, cancel, place, place_limit, place_market, set_hedge_mode, transfer
from novation.domain.enums import (
    BarPath,
    CancelReason,
    EventKind,
    HaltReason,
    MarketEventKind,
    MarketPhase,
    OrderKind,
    PositionSide,
    RejectReason,
    Side,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.errors import InvalidInput
from novation.domain.events import MAKER, REDUCE_ONLY, Event
from novation.domain.instruments import Terms, Tier
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, NS
from novation.venues import binance_usdm, cme_globex
from novation.venues.impacts import Impact
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.scenarios import Setup
from tests.venues.test_bar_liquidity import COIN, TERMS, liquidity, some
from tests.venues.test_edges import coin
from tests.venues.test_impacts import kyle
from tests.venues.test_phases import answer, kinds, phase

BUY, SELL, STOP, PROFIT = Side.BUY, Side.SELL, TriggerKind.STOP, TriggerKind.TAKE_PROFIT
MARKET, LIMIT = OrderKind.MARKET, OrderKind.LIMIT
LAST, MARK = TriggerPrice.LAST, TriggerPrice.MARK


def e8(price: float) -> int:
    return round(price * E8)


def opens(ts_ns: int, price: float, mark: float | None = None, *, lots: int = 0, instrument: int = 0) -> MarketEvent:
    """A bar opens; its mark is the price if none is named, 0: it has none."""
    mark = price if mark is None else mark
    row = MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=instrument, last_e8=e8(price))
    return msgspec.structs.replace(row, mark_e8=e8(mark), traded_lots=lots)


def closes(
    ts_ns: int,
    low: float,
    high: float,
    close: float,
    mark: tuple[float, float, float] | None = None,
    *,
    start_ns: int = -1,
    instrument: int = 0,
) -> MarketEvent:
    """A bar of a second is complete; mark: low, high and close of it."""
    marks = mark or (0, 0, 0)
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=instrument,
        start_ns=ts_ns - NS if start_ns < 0 else start_ns,
        last_low_e8=e8(low),
        last_high_e8=e8(high),
        last_e8=e8(close),
        mark_low_e8=e8(marks[0]),
        mark_high_e8=e8(marks[1]),
        mark_e8=e8(marks[2]),
    )


def conditional(
    side: Side, lots: int, trigger: float, kind: TriggerKind = STOP, limit: float | None = None, **more: int
) -> Command:
    """A stop or take-profit order of account 0."""
    ticks = {} if limit is None else {"price_ticks": round(limit * 100)}
    fields = {"trigger": kind, "trigger_e8": e8(trigger)} | ticks | more
    return place(fields.pop("account", 0), 0, side, MARKET if limit is None else LIMIT, lots, **fields)


def closing(side: Side, trigger: float, kind: TriggerKind = STOP, **more: int) -> Command:
    """One that closes the position."""
    return conditional(side, 0, trigger, kind, close_position=1, **more)


def market(
    *rows: MarketEvent,
    held: int = 0,
    spread_e8: int = 0,
    path: BarPath = BarPath.WORST,
    accounts: int = 1,
    **of: object,
) -> Lockstep:
    """At 100.00 at 0; every account with plenty, the first one with a position if asked."""
    setup = Setup(binance_usdm.RULES, [COIN], [[TERMS]], accounts, spread_e8, [0], bar_path=path)
    both = Lockstep(setup._replace(**of))
    for account in range(accounts):
        both.submit(transfer(account, 10**7 * E8))
    both.advance(0, list(rows) or [opens(0, 100)])
    if held:
        both.submit(place_market(0, 0, BUY if held > 0 else SELL, abs(held)))
    return both


def fills(events: list[Event]) -> list[tuple[int, float]]:
    """Signed lots and price of each fill."""
    return [(e.lots, e.price_ticks / 100) for e in events if e.kind == EventKind.FILL]


def triggered(events: list[Event]) -> list[tuple[int, float]]:
    """Order and price of each that was triggered."""
    return [(e.order, e.price_e8 / E8) for e in events if e.kind == EventKind.ORDER_TRIGGERED]


def gone(events: list[Event]) -> list[tuple[int, CancelReason]]:
    """Orders that were cancelled, and why."""
    return [(e.order, CancelReason(e.reason)) for e in events if e.kind == EventKind.ORDER_CANCELLED]


# -- placed -----------------------------------------------------------------------------------------------------------


def test_a_stop_waits_reserves_nothing_and_can_be_taken_back() -> None:
    both = market(held=10)
    before = both.venue.account(0)
    (told,) = both.submit(conditional(SELL, 10, 95, reduce_only=1))
    assert (told.kind, told.lots, told.price_e8, told.price_ticks) == (EventKind.ORDER_ACCEPTED, -10, 95 * E8, 0)
    assert told.flags & REDUCE_ONLY
    both.submit(conditional(BUY, 400_000, 200, limit=201))  # far more than could be paid for
    assert both.venue.account(0) == before
    both.compare()
    assert gone(both.submit(cancel(0, told.order))) == [(told.order, CancelReason.REQUESTED)]
    assert fills(both.advance(NS, [closes(NS, 80, 101, 90), opens(NS, 80)])) == []


@pytest.mark.parametrize(
    ("order", "reason", "value", "limit"),
    [
        (conditional(SELL, 1, 100), RejectReason.WOULD_TRIGGER, 100 * E8, 100 * E8),
        (conditional(BUY, 1, 99), RejectReason.WOULD_TRIGGER, 99 * E8, 100 * E8),
        (conditional(SELL, 1, 100, PROFIT), RejectReason.WOULD_TRIGGER, 100 * E8, 100 * E8),
        (conditional(BUY, 1, 101, PROFIT), RejectReason.WOULD_TRIGGER, 101 * E8, 100 * E8),
        (conditional(SELL, 1, 0), RejectReason.BAD_TRIGGER, STOP, 0),
        (conditional(BUY, 1, 101, trigger_by=2), RejectReason.BAD_TRIGGER, STOP, 101 * E8),
        (conditional(BUY, 1, 101, trigger_e8=2**53 + 1), RejectReason.BAD_TRIGGER, STOP, 2**53 + 1),
        (conditional(BUY, 1, 101, TriggerKind.TRAILING, callback_e8=1), RejectReason.NO_BOOK, 0, 0),
        (conditional(BUY, 1, 101, price_protect=1), RejectReason.NO_BOOK, 0, 0),
        (conditional(BUY, 1, 101, time_in_force=3), RejectReason.NO_BOOK, 0, 0),
        (conditional(BUY, 1, 101, expire_ns=NS), RejectReason.NO_BOOK, 0, 0),
        (conditional(BUY, 1, 101, display_lots=1), RejectReason.NO_BOOK, 0, 0),
        (place_market(0, 0, BUY, 1), None, 0, 0),
        (place(0, 0, BUY, MARKET, 0, close_position=1), RejectReason.NO_BOOK, 0, 0),
        (place(0, 0, BUY, MARKET, 1, trigger_e8=1), RejectReason.NO_BOOK, 0, 0),
        (
            place(0, 0, BUY, OrderKind.MARKET_LIMIT, 1, trigger=1, trigger_e8=101 * E8),
            RejectReason.BAD_ORDER_KIND,
            3,
            0,
        ),
        (conditional(BUY, 0, 101), RejectReason.QTY_NOT_POSITIVE, 0, 0),
        (closing(SELL, 99), RejectReason.NO_POSITION, -1, 0),
        (conditional(SELL, 3, 99, close_position=1), RejectReason.BAD_CLOSE_POSITION, 3, STOP),
        (conditional(SELL, 1, 99, limit=98, price_ticks=0), RejectReason.PRICE_NOT_POSITIVE, 0, 0),
    ],
)
def test_what_is_refused(order: Command, reason: RejectReason | None, value: int, limit: int) -> None:
    events = market().submit(order)
    if reason is None:
        assert kinds(events) == [EventKind.ORDER_ACCEPTED, EventKind.FILL]
    else:
        assert (answer(events), events[0].amount, events[0].cost) == (reason, value, limit)


def test_the_mark_is_asked_for_a_trigger_by_the_mark_and_nothing_before_there_is_one() -> None:
    both = market(opens(0, 100, 0))
    (told,) = both.submit(conditional(SELL, 1, 101, trigger_by=MARK))
    assert told.kind == EventKind.ORDER_ACCEPTED
    both = market(opens(0, 100, 105))
    assert kinds(both.submit(conditional(SELL, 1, 104, trigger_by=MARK))) == [EventKind.ORDER_ACCEPTED]
    assert answer(both.submit(conditional(SELL, 1, 106, trigger_by=MARK))) == RejectReason.WOULD_TRIGGER


def test_a_ladder_has_none_of_them() -> None:
    both = market(ladders={COIN.id: Ladder.linear(lots=1, levels=3)})
    assert answer(both.submit(conditional(BUY, 1, 101))) == RejectReason.NO_BOOK


def test_one_of_a_kind_closes_a_position() -> None:
    both = market(held=10)
    (first,) = both.submit(closing(SELL, 95))
    assert kinds(both.submit(closing(SELL, 105, PROFIT))) == [EventKind.ORDER_ACCEPTED]
    (refused,) = both.submit(closing(SELL, 94))
    assert (answer([refused]), refused.amount) == (RejectReason.ALREADY_CLOSING, first.order)
    assert gone(both.submit(place_market(0, 0, SELL, 10))) == [
        (first.order, CancelReason.POSITION_GONE),
        (first.order + 1, CancelReason.POSITION_GONE),
    ]


# -- as a bar opens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "trigger", "kind", "opened"),
    [
        (SELL, 95, STOP, 93),
        (SELL, 95, STOP, 95),
        (BUY, 105, STOP, 108),
        (SELL, 105, PROFIT, 107),
        (BUY, 95, PROFIT, 90),
    ],
)
def test_a_gap_is_filled_at_the_open(side: Side, trigger: float, kind: TriggerKind, opened: float) -> None:
    both = market()
    (told,) = both.submit(conditional(side, 3, trigger, kind))
    assert kinds(both.advance(NS, [closes(NS, 99, 101, 100)])) == []
    events = both.advance(2 * NS, [opens(2 * NS, opened)])
    assert kinds(events) == [EventKind.ORDER_TRIGGERED, EventKind.FILL]
    assert (triggered(events), fills(events)) == ([(told.order, opened)], [(3 * side, opened)])
    assert not events[-1].flags & MAKER
    both.compare()


def test_at_the_open_it_pays_what_takers_pay_after_those_who_waited() -> None:
    """1 % of spread: half of it below 90.00 is 89.55. The market order that waited for the bar comes first."""
    both = market(held=10, spread_e8=E8 // 100)
    (stop,) = both.submit(closing(SELL, 95))
    both.advance(NS, [closes(NS, 99, 101, 100)])
    (waiting,) = both.submit(place_market(0, 0, SELL, 4))
    events = both.advance(2 * NS, [opens(2 * NS, 90)])
    assert [(e.order, e.lots, e.price_ticks) for e in events if e.kind == EventKind.FILL] == [
        (waiting.order, -4, 8_955),
        (stop.order, -6, 8_955),
    ]
    both.compare()


def test_a_stop_limit_order_takes_at_the_open_or_rests_there() -> None:
    both = market()
    both.submit(conditional(SELL, 1, 95, limit=94))
    both.submit(conditional(SELL, 2, 95, limit=92))
    both.advance(NS, [closes(NS, 99, 101, 100)])
    events = both.advance(2 * NS, [opens(2 * NS, 93)])
    assert (triggered(events), fills(events)) == ([(1, 93), (2, 93)], [(-2, 93)])
    assert fills(both.advance(3 * NS, [closes(3 * NS, 92, 94, 94), opens(3 * NS, 94)])) == []  # touched, not through
    events = both.advance(4 * NS, [closes(4 * NS, 93, 94.01, 94), opens(4 * NS, 94)])
    assert fills(events) == [(-1, 94)] and events[0].flags & MAKER
    both.compare()


def test_a_triggered_limit_order_that_rests_is_no_resting_order_of_that_open() -> None:
    """Open 100.50, half a spread of 0.50 above it is beyond the limit of 100.70: no maker's fill at a better open."""
    both = market(spread_e8=E8 // 100)
    both.submit(conditional(BUY, 1, 100.4, limit=100.7))
    events = both.advance(NS, [closes(NS, 100, 100, 100), opens(NS, 100.5)])
    assert kinds(events) == [EventKind.ORDER_TRIGGERED]
    assert fills(both.advance(2 * NS, [closes(2 * NS, 100.6, 101, 101), opens(2 * NS, 101)])) == [(1, 100.7)]


def test_by_the_mark_the_marks_open_counts() -> None:
    both = market(held=1)
    both.submit(closing(SELL, 95, trigger_by=MARK))
    assert kinds(both.advance(NS, [closes(NS, 99, 101, 100, (99, 101, 100)), opens(NS, 90, 96)])) == []
    events = both.advance(2 * NS, [closes(2 * NS, 90, 99, 99, (96, 99, 99)), opens(2 * NS, 98, 94)])
    assert (triggered(events), fills(events)) == ([(2, 94)], [(-1, 98)])


def test_a_market_that_is_halted_triggers_and_does_not_trade() -> None:
    """The stop becomes a market order: one that a broker holds waits for the next open, another one is cancelled."""
    setup = scenarios.setup(Random(3), kind="futures", accounts=1)
    instrument, terms = setup.instruments[0], Terms(effective_ns=0, initial_per_lot=1, maintenance_per_lot=1)
    tick = instrument.tick_e8 / E8
    for hold in (True, False):
        rules = msgspec.structs.replace(cme_globex.RULES, hold_orders=hold)
        both = Lockstep(Setup(rules, [instrument], [[terms]], 1, 0, [0]))
        both.submit(transfer(0, 10**7 * E8))
        both.advance(0, [opens(0, 1_000 * tick)])
        both.submit(place_market(0, 0, BUY, 1))
        number = both.submit(closing(SELL, 990 * tick))[0].order
        halt = phase(NS, MarketPhase.PAUSED, HaltReason.CIRCUIT_BREAKER)
        halt = msgspec.structs.replace(halt, kind=MarketEventKind.HALT)
        events = both.advance(NS, [halt, closes(NS, 980 * tick, 1_001 * tick, 980 * tick), opens(NS, 980 * tick)])
        assert triggered(events) == [(number, 990 * tick)] and fills(events) == []
        assert gone(events) == ([] if hold else [(number, CancelReason.MARKET_HALTED)])
        again = [phase(2 * NS, MarketPhase.OPEN), opens(2 * NS, 970 * tick)]
        ticks = [e.price_ticks for e in both.advance(2 * NS, again) if e.kind == EventKind.FILL]
        assert ticks == ([970] if hold else [])
        both.compare()


# -- inside a bar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "trigger", "kind"), [(SELL, 95, STOP), (BUY, 105, STOP), (SELL, 105, PROFIT), (BUY, 95, PROFIT)]
)
def test_a_bar_that_reaches_a_trigger_fills_there(side: Side, trigger: float, kind: TriggerKind) -> None:
    """To touch it is enough."""
    both = market()
    (told,) = both.submit(conditional(side, 3, trigger, kind))
    events = both.advance(NS, [closes(NS, 95, 105, 100), opens(NS, 100)])
    assert (triggered(events), fills(events)) == ([(told.order, trigger)], [(3 * side, trigger)])
    assert events[1].price_e8 == e8(trigger) and not events[1].flags & MAKER
    both.compare()


def test_half_a_spread_inside_a_bar_goes_to_the_tick_against_the_taker() -> None:
    """95.00 less 0.475 is 94.525, 94.52; 105.00 and 0.525 are 105.525, 105.53."""
    both = market(spread_e8=E8 // 100)
    both.submit(conditional(SELL, 1, 95))
    both.submit(conditional(BUY, 1, 105))
    assert fills(both.advance(NS, [closes(NS, 94, 106, 100)])) == [(-1, 94.52), (1, 105.53)]


def test_an_order_sent_inside_a_bar_or_not_reached_waits() -> None:
    both = market()
    both.submit(conditional(SELL, 1, 94.99))
    both.advance(NS // 2, [])
    both.submit(conditional(SELL, 1, 99))
    assert kinds(both.advance(NS, [closes(NS, 95, 105, 100), opens(NS, 100)])) == []
    assert fills(both.advance(2 * NS, [closes(2 * NS, 95, 105, 100)])) == [(-1, 99)]


def test_a_stop_limit_order_inside_a_bar_takes_within_its_limit_or_rests_for_later_bars() -> None:
    """Half a spread of 0.475 below 95.00: within 94.00, not within 94.60."""
    both = market(spread_e8=E8 // 100)
    both.submit(conditional(SELL, 1, 95, limit=94))
    both.submit(conditional(SELL, 2, 95, limit=94.6))
    events = both.advance(NS, [closes(NS, 90, 101, 96), opens(NS, 94)])
    assert (triggered(events), fills(events)) == ([(1, 95), (2, 95)], [(-1, 94.52)])
    both.compare()  # the second one reserves margin, and arrived with the close
    assert fills(both.advance(2 * NS, [closes(2 * NS, 93, 94.61, 94)])) == [(-2, 94.6)]


def test_by_the_mark_the_price_is_the_trigger_moved_into_the_bar() -> None:
    both = market(held=1)
    both.submit(closing(SELL, 95, trigger_by=MARK))
    rows = [closes(NS, 90, 101, 100), opens(NS, 100, 0)]  # no mark is given: it has not moved
    assert kinds(both.advance(NS, rows)) == []
    events = both.advance(2 * NS, [closes(2 * NS, 97, 101, 100, (94, 101, 100)), opens(2 * NS, 100)])
    assert (triggered(events), fills(events)) == ([(2, 95)], [(-1, 97)])
    assert events[1].price_e8 == 97 * E8
    both = market(held=1)
    both.submit(closing(SELL, 95, trigger_by=MARK))
    assert fills(both.advance(NS, [closes(NS, 90, 101, 100, (95, 101, 100))])) == [(-1, 95)]


def test_the_participation_of_the_bar_bounds_it_and_the_rest_meets_the_next_open() -> None:
    """A tenth of 40: four at 95.00; a tenth of 100 at the next open."""
    of = {COIN.id: BarLiquidity(slips=False, participation_e8=E8 // 10)}
    both = market(opens(0, 100, lots=1_000), held=10, bar_liquidity=of)
    (stop,) = both.submit(closing(SELL, 95))
    both.advance(NS, [closes(NS, 99, 101, 100), opens(NS, 100, lots=40)])
    events = both.advance(2 * NS, [closes(2 * NS, 94, 101, 94.5), opens(2 * NS, 94.4, lots=100)])
    assert [(e.order, e.lots, e.price_ticks) for e in events if e.kind == EventKind.FILL] == [
        (stop.order, -4, 9_500),
        (stop.order, -6, 9_440),
    ]
    both.compare()


def test_slippage_inside_a_bar_comes_after_what_others_took_of_it() -> None:
    """0.05 + 20 * sqrt(n / 10,000), by half 100 lots pay 2.05 each, 300 more 4.71667 each: 95 less that is 90.28."""
    both = market(liquidity(), opens(0, 100), bar_liquidity={COIN.id: BarLiquidity()}, accounts=2)
    both.submit(conditional(SELL, 300, 95, account=1))
    assert fills(both.submit(place_market(0, 0, SELL, 100))) == [(-100, 97.95)]
    events = both.advance(NS, [closes(NS, 94, 101, 94.5), opens(NS, 94.4)])
    assert fills(events) == [(-300, 90.28)]
    both.compare()


def test_where_nothing_is_known_of_the_cost_a_stop_waits_as_a_market_order() -> None:
    both = market(liquidity(lots=0), opens(0, 100), bar_liquidity={COIN.id: BarLiquidity()})
    both.submit(conditional(SELL, 100, 95))
    events = both.advance(NS, [closes(NS, 94, 101, 94.5), liquidity(NS), opens(NS, 94)])
    assert (triggered(events), fills(events)) == ([(1, 95)], [(-100, 91.95)])
    both.compare()


def test_takers_before_it_have_moved_the_price_that_a_stop_finds() -> None:
    """Kyle's price, 0.01 a lot, half of it for oneself: a purchase of 100 leaves it at 101, the stop to buy 100 at 105
    pays 105 + 1 + 0.5."""
    both = market(impacts={COIN.id: Impact(kyle(0.01, 1.0))}, accounts=2)
    both.submit(conditional(BUY, 100, 105, account=1))
    assert fills(both.submit(place_market(0, 0, BUY, 100))) == [(100, 100.5)]
    assert fills(both.advance(NS, [closes(NS, 99, 106, 105)])) == [(100, 106.5)]
    both.compare()


def test_no_fill_beyond_a_price_limit_or_against_a_lock() -> None:
    def limits(ts_ns: int, low: float, high: float) -> MarketEvent:
        row = MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.LIMITS, instrument=0, status=0)
        return msgspec.structs.replace(row, last_low_e8=e8(low), last_high_e8=e8(high))

    futures = msgspec.structs.replace(cme_globex.RULES, hold_orders=True)
    instrument = scenarios.named_contract(0, E8 // 100, 1)
    terms = Terms(effective_ns=0, initial_per_lot=1, maintenance_per_lot=1)

    def there() -> Lockstep:
        both = Lockstep(Setup(futures, [instrument], [[terms]], 1, 0, [0]))
        both.submit(transfer(0, 10**7 * E8))
        both.advance(0, [limits(0, 94, 106), opens(0, 100)])
        return both

    both = there()  # it closes at the limit: nobody was there to buy
    both.submit(conditional(SELL, 1, 95))
    events = both.advance(NS, [closes(NS, 94, 101, 94), opens(NS, 94)])
    assert (triggered(events), fills(events)) == ([(1, 95)], [])
    assert fills(both.advance(2 * NS, [opens(2 * NS, 94.5)])) == [(-1, 94.5)]
    both.compare()
    both = there()  # the trigger is outside the limits, though the bar shows it
    both.submit(conditional(SELL, 1, 93))
    events = both.advance(NS, [closes(NS, 92, 101, 96), opens(NS, 96)])
    assert (triggered(events), fills(events)) == ([(1, 93)], [(-1, 96)])
    both.compare()


# -- what it is asked as it is triggered ------------------------------------------------------------------------------


def test_a_stop_that_its_margin_does_not_carry_is_cancelled() -> None:
    setup = Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0])
    for rows in ([closes(NS, 99, 106, 100)], [closes(NS, 99, 101, 100), opens(NS, 106)]):
        for limit in (None, 107, 105):
            both = Lockstep(setup)
            both.submit(transfer(0, 100 * E8))
            both.advance(0, [opens(0, 100)])
            both.submit(conditional(BUY, 1_000, 105, limit=limit))
            events = both.advance(NS, rows)
            assert kinds(events) == [EventKind.ORDER_TRIGGERED, EventKind.ORDER_CANCELLED]
            assert gone(events) == [(1, CancelReason.INSUFFICIENT_MARGIN)]
            both.compare()


def test_a_stop_that_would_not_reduce_any_more_is_cancelled() -> None:
    both = market(held=10)
    both.submit(conditional(SELL, 10, 95, reduce_only=1))
    both.submit(place_market(0, 0, SELL, 4))
    assert gone(both.advance(NS, [closes(NS, 94, 101, 100)])) == [(2, CancelReason.WOULD_NOT_REDUCE)]
    both = market(held=10)  # a limit order reduces all of it already; one that closes the position does not ask
    both.submit(place_limit(0, 0, SELL, 10, 11_000, reduce_only=True))
    both.submit(conditional(SELL, 10, 95, reduce_only=1))
    both.submit(closing(SELL, 94.5))
    events = both.advance(NS, [closes(NS, 94, 101, 100)])
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    assert fills(events) == [(-10, 94.5)]
    both.compare()


def test_a_stop_below_the_smallest_notional_is_cancelled_unless_it_reduces() -> None:
    terms = Terms(effective_ns=0, tiers=TERMS.tiers, min_notional=500 * E8)
    both = market(held=10, terms=[[terms]])
    both.submit(conditional(BUY, 1, 105))
    both.submit(conditional(SELL, 1, 95))
    events = both.advance(NS, [closes(NS, 94, 106, 100)])
    assert gone(events) == [(2, CancelReason.MIN_NOTIONAL)] and fills(events) == [(-1, 95)]


def test_a_triggered_stop_can_open_and_another_close_the_same_position() -> None:
    """The bar goes 100, 98, 107: bought at 102 on the way up, sold at 106."""
    both = market()
    both.submit(conditional(BUY, 5, 102))
    both.submit(conditional(SELL, 5, 106, PROFIT, reduce_only=1))
    assert fills(both.advance(NS, [closes(NS, 98, 107, 103)])) == [(5, 102), (-5, 106)]


def test_in_hedge_mode_each_position_has_its_own() -> None:
    both = market()
    both.submit(set_hedge_mode(0, True))
    long, short = {"position_side": PositionSide.LONG}, {"position_side": PositionSide.SHORT}
    both.submit(place_market(0, 0, BUY, 3, **long))
    both.submit(place_market(0, 0, SELL, 2, **short))
    both.submit(closing(SELL, 95, **long))
    both.submit(closing(SELL, 106, PROFIT, **long))
    both.submit(closing(BUY, 105, **short))
    both.submit(closing(BUY, 94, PROFIT, **short))
    events = both.advance(
        NS, [closes(NS, 93, 107, 101)]
    )  # each at its worst: the long at the low, the short at the high
    assert sorted(fills(events)) == [(-3, 95), (2, 105)]
    assert [reason for _, reason in gone(events)] == [CancelReason.POSITION_GONE] * 2
    both.compare()


def test_a_liquidation_comes_first_and_takes_the_stop_along() -> None:
    """The extreme of the mark is asked before the stops of the bar are."""
    both = Lockstep(Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 1_100 * E8))
    both.advance(0, [opens(0, 100)])
    both.submit(place_market(0, 0, BUY, 200))
    both.submit(closing(SELL, 98))
    events = both.advance(NS, [closes(NS, 90, 101, 100, (90, 101, 100))])
    assert gone(events)[0] == (2, CancelReason.LIQUIDATION) and EventKind.LIQUIDATION in kinds(events)
    assert triggered(events) == []


def test_a_position_that_a_stop_has_opened_is_tested_at_the_extreme_of_that_bar() -> None:
    both = Lockstep(Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 1_100 * E8))
    both.advance(0, [opens(0, 100)])
    both.submit(conditional(BUY, 150, 101))
    events = both.advance(NS, [closes(NS, 90, 101, 100, (90, 101, 100))])
    assert kinds(events)[:2] == [EventKind.ORDER_TRIGGERED, EventKind.FILL]
    assert EventKind.LIQUIDATION in kinds(events)
    both.compare()


# -- the path ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "held", "sold"),
    [
        (BarPath.WORST, 10, 95),
        (BarPath.LOW_FIRST, 10, 95),
        (BarPath.HIGH_FIRST, 10, 106),
        (BarPath.NEARER_FIRST, 10, 95),
        (BarPath.WORST, -10, 106),
        (BarPath.HIGH_FIRST, -10, 106),
        (BarPath.LOW_FIRST, -10, 95),
    ],
)
def test_which_of_stop_and_take_profit_a_bar_fills(path: BarPath, held: int, sold: float) -> None:
    """100, with 107 seven above and 94 six below. For the short 106 is the stop."""
    both = market(held=held, path=path)
    side = SELL if held > 0 else BUY
    down, up = (STOP, PROFIT) if held > 0 else (PROFIT, STOP)
    both.submit(closing(side, 95, down))
    both.submit(closing(side, 106, up))
    events = both.advance(NS, [closes(NS, 94, 107, 101)])
    assert fills(events) == [(-held, sold)]
    assert [reason for _, reason in gone(events)] == [CancelReason.POSITION_GONE]
    both.compare()


@pytest.mark.parametrize(("close", "first"), [(99, 105), (101, 95), (100, 95)])
def test_of_two_extremes_as_near_the_one_away_from_the_close_comes_first(close: float, first: float) -> None:
    both = market()  # without a position the worst path is this one
    both.submit(conditional(SELL, 1, 95))
    both.submit(conditional(BUY, 1, 105))
    assert fills(both.advance(NS, [closes(NS, 94, 106, close)]))[0][1] == first


def test_a_leg_is_walked_from_the_open_on_whoever_came_first() -> None:
    """A buy limit at 97, stops at 98 and 96, one at the open; the other side on the way back."""
    both = market(path=BarPath.LOW_FIRST)
    for order in (
        conditional(SELL, 1, 96),
        conditional(BUY, 2, 103),
        conditional(SELL, 3, 98),
        place_limit(0, 0, BUY, 4, 9_700),
        place_limit(0, 0, SELL, 5, 10_200),
        conditional(SELL, 6, 98),
    ):
        both.submit(order)
    events = both.advance(NS, [closes(NS, 95, 104, 100)])
    assert fills(events) == [(-3, 98), (-6, 98), (4, 97), (-1, 96), (-5, 102), (2, 103)]
    both.compare()


def test_at_the_open_itself_comes_first() -> None:
    """A buy limit at 101 that its slippage kept from taking at 100 rests; the bar opens at 101 later and goes below."""
    both = market(spread_e8=E8 // 10, path=BarPath.HIGH_FIRST)
    both.submit(place_limit(0, 0, BUY, 1, 10_100))
    both.submit(place_limit(0, 0, SELL, 2, 10_300))
    both.advance(NS, [closes(NS, 101, 101, 101), opens(NS, 101)])
    assert fills(both.advance(2 * NS, [closes(2 * NS, 100, 104, 102)])) == [(1, 101), (-2, 103)]


def test_instruments_are_filled_one_after_another() -> None:
    other = coin(tick_e8=E8 // 100, lot_e8=E8)
    other = msgspec.structs.replace(other, id="x:OTHER", symbol="OTHER", root="OTHER")
    both = Lockstep(Setup(binance_usdm.RULES, [COIN, other], [[TERMS], [TERMS]], 1, 0, [0, 0]))
    both.submit(transfer(0, 10**7 * E8))
    both.advance(0, [opens(0, 100), opens(0, 100, instrument=1)])
    both.submit(msgspec.structs.replace(conditional(SELL, 1, 99), instrument=1))
    both.submit(conditional(SELL, 2, 96))
    both.submit(msgspec.structs.replace(conditional(SELL, 3, 98), instrument=1))
    events = both.advance(NS, [closes(NS, 95, 101, 100), closes(NS, 95, 101, 100, instrument=1)])
    assert fills(events) == [(-2, 96), (-1, 99), (-3, 98)]
    both.compare()


def test_what_a_bar_leaves_goes_to_whom_it_meets_first() -> None:
    """A tenth of 50: the stop at 98 has three of the five lots, the limit order at 97 the other two."""
    of = {COIN.id: BarLiquidity(slips=False, participation_e8=E8 // 10)}
    both = market(opens(0, 100, lots=50), bar_liquidity=of, accounts=2)
    both.submit(place_limit(1, 0, BUY, 4, 9_700))
    both.submit(conditional(SELL, 3, 98))
    assert fills(both.advance(NS, [closes(NS, 95, 101, 100)])) == [(-3, 98), (2, 97)]
    both.compare()


# -- properties -------------------------------------------------------------------------------------------------------

ticks = st.integers(-400, 400)


@settings(max_examples=scaled(600, 60), deadline=None)
@given(
    st.sampled_from([-7, 7]),
    st.lists(st.tuples(ticks, ticks, ticks, ticks), min_size=1, max_size=6),
    st.integers(1, 500),
    st.integers(1, 500),
    st.booleans(),
)
def test_the_worst_path_is_never_better_than_either_other(
    held: int, bars: list[tuple[int, int, int, int]], below: int, above: int, by_mark: bool
) -> None:
    """One position, one stop, one take-profit order that both close it, any bars: what is left at the end."""
    left = {}
    for path in (BarPath.WORST, BarPath.HIGH_FIRST, BarPath.LOW_FIRST):
        both = market(opens(0, 100), held=held, path=path)
        side = SELL if held > 0 else BUY
        down, up = (STOP, PROFIT) if held > 0 else (PROFIT, STOP)
        by = {"trigger_by": int(by_mark)}
        both.submit(closing(side, 100 - below / 100, down, **by))
        both.submit(closing(side, 100 + above / 100, up, **by))
        for k, four in enumerate(bars):
            opened, other, last, extreme = (100 + x / 100 for x in four)
            low, high = min(opened, other, last, extreme), max(opened, other, last, extreme)
            if k == 0:
                opened, low, high = 100, min(low, 100), max(high, 100)
            rows = [opens(k * NS, opened)] if k else []
            both.advance((k + 1) * NS, [*rows, closes((k + 1) * NS, low, high, last, (low, high, last))])
        left[path] = both.venue.account(0).equity
    assert left[BarPath.WORST] <= min(left.values())


@pytest.mark.heavy
@settings(max_examples=scaled(300, 15), deadline=None)
@given(st.integers(0, 1 << 40))
def test_random_runs_with_slippage_and_impact_are_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    setup = scenarios.setup(r)
    slipping = some(Random(seed + 1), setup)
    impacts = {} if seed % 2 else {i.id: Impact(kyle(1e-6, 1.0)) for i in setup.instruments if i.id not in slipping}
    random_run(r, Lockstep(setup._replace(ladders={}, bar_liquidity=slipping, impacts=impacts)), 80)


def test_random_runs_trigger_orders_in_all_ways() -> None:
    """What the other random runs are made of: stops at opens and inside bars, filled, resting, waiting, cancelled."""
    seen: Counter[str] = Counter()
    for seed in range(scaled(60, 12)):
        r = Random(seed)
        setup = scenarios.setup(r)._replace(ladders={})
        pair = Lockstep(setup._replace(bar_liquidity=some(Random(seed), setup)))
        random_run(r, pair, 150)
        for before, after in zip(pair.twin.events, pair.twin.events[1:], strict=False):
            if before.kind == EventKind.ORDER_TRIGGERED:
                then = "waits"
                if after.order == before.order and after.kind != EventKind.ORDER_TRIGGERED:
                    then = EventKind(after.kind).name
                    if after.kind == EventKind.ORDER_CANCELLED:
                        then = CancelReason(after.reason).name
                    elif after.kind == EventKind.FILL and abs(after.lots) < abs(before.lots):
                        then = "part"
                seen[then] += 1
            if before.kind == EventKind.ORDER_CANCELLED and before.reason == CancelReason.POSITION_GONE:
                seen["gone"] += 1
    assert {"waits", "FILL", "part", "WOULD_NOT_REDUCE", "INSUFFICIENT_MARGIN", "gone"} <= set(seen), seen


def test_a_large_position_that_turns_round_takes_its_orders_along() -> None:
    """3.3 billion lots, from long to short: their product is beyond 2**63."""
    small = coin(tick_e8=1, lot_e8=E8)
    terms = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 100_000, 125, 0),))
    both = Lockstep(Setup(binance_usdm.RULES, [small], [[terms]], 1, 0, [0]))
    both.submit(transfer(0, 10**9 * E8))
    both.advance(0, [opens(0, 0.00012345)])
    both.submit(place_market(0, 0, BUY, 3_300_000_000))
    both.submit(closing(SELL, 0.00012))
    assert gone(both.submit(place_market(0, 0, SELL, 6_600_000_000))) == [(2, CancelReason.POSITION_GONE)]


def test_a_path_has_a_name() -> None:
    for path in BarPath:
        assert Venue(binance_usdm.RULES, [COIN], [[TERMS]], bar_path=path.name.lower()).bar_path == path
    for wrong in ("best", 4, -1):
        with pytest.raises(InvalidInput, match="is one of worst, high_first, low_first, nearer_first"):
            Venue(binance_usdm.RULES, [COIN], [[TERMS]], bar_path=wrong)  # type: ignore[arg-type]
