"""Velocity logic and stop logic on a book (facts/cme.md 5, docs/rules/book.md "Halts"), on both exchanges."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from novation.domain.book import BookRules, StopLogic, Velocity
from novation.domain.commands import cancel, place, set_margin_scope, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    HaltReason,
    MarginScope,
    MarketPhase,
    OrderKind,
    RejectReason,
    TimeInForce,
    TriggerKind,
)
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import AUCTION, Event
from novation.domain.flow import FLOW_DTYPE, FlowKind
from novation.domain.units import E8, NS
from novation.venues import binance_usdm, cme_globex
from tests.venues.book_cases import BUY, DOLLARS, SELL, TERMS, Pair, fills, gone, market, marks, order, queue, rest
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup, named_contract
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_edges import coin
from tests.venues.test_phases import answer, phase

#: Four ticks, a point, within a second; five seconds of halt.
POINT = Velocity(move_ticks=4, within_ns=NS, pause_ns=5 * NS)
#: Stops that go more than a point and a half from the trade that triggers the first of them.
SPIKE = StopLogic(move_ticks=6)
HALTED = (int(MarketPhase.PRE_OPEN), int(HaltReason.VELOCITY))
SPIKED = (int(MarketPhase.PRE_OPEN), int(HaltReason.STOP_LOGIC))
OPENED = (int(MarketPhase.OPEN), 0)


def traded_at(price: float, rules: BookRules) -> Pair:
    """A book whose last trade was at a price, now."""
    both = market(rules)
    rest(both, SELL, (1, price))
    both.submit(order(1, BUY, 1, price))
    return both


def phases(events: list[Event]) -> list[tuple[int, int]]:
    """Phase and halt of what changed."""
    return [(e.amount, e.reason) for e in events if e.kind == EventKind.PHASE_CHANGED]


# -- velocity -------------------------------------------------------------------------------------------------------


def test_a_trade_too_far_from_a_young_one_halts_the_market_and_an_auction_ends_the_halt() -> None:
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, SELL, (2, 900.75), (5, 901))
    events = both.submit(order(1, BUY, 4, 902))
    assert fills(events) == [(2, 900.75)]  # three ticks are free, the fourth is not
    assert phases(events) == [HALTED]
    assert answer(both.submit(order(2, BUY, 1, OrderKind.MARKET))) == RejectReason.MARKET_ORDER_BEFORE_OPEN
    assert answer(both.submit(order(2, SELL, 1, 900.5))) == 0
    assert not both.advance(5 * NS - 1, [])
    events = both.advance(5 * NS, [])
    assert phases(events) == [OPENED]
    # one is sold at 900.50 or better and five at 901, two are bought at 902: most trade at 901, three asks are left
    assert [(e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL and e.lots > 0] == [
        (1, 901),
        (1, 901),
    ]
    assert all(e.flags & AUCTION for e in events if e.kind == EventKind.FILL)
    both.compare()


def test_the_move_is_from_any_trade_that_is_young_enough() -> None:
    """900 and then 899.50: 900.50 is four ticks from the lower one. A second after that one nothing is young."""
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, BUY, (1, 899.5))
    both.advance(NS // 2, [])
    both.submit(order(1, SELL, 1, 899.5))
    rest(both, SELL, (1, 900.5), (1, 903))
    assert phases(both.submit(order(1, BUY, 1, 900.5))) == [HALTED]
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, SELL, (1, 950))
    both.advance(NS, [])
    assert fills(both.submit(order(1, BUY, 1, 950))) == [(1, 950)]
    both.compare()


def test_orders_that_cannot_stay_are_cancelled_instead_and_the_market_stays_open() -> None:
    """facts/cme.md 5: fill and kill, a minimum, and market orders that would trigger it."""
    for fields, traded, reason in (
        ({"time_in_force": TimeInForce.IOC}, [(2, 900.75)], CancelReason.WOULD_HALT),
        ({"time_in_force": TimeInForce.FOK}, [], CancelReason.MINIMUM_NOT_MET),
        ({"min_lots": 3}, [], CancelReason.MINIMUM_NOT_MET),
    ):
        both = traded_at(900, BookRules(velocity=POINT))
        rest(both, SELL, (2, 900.75), (5, 901))
        events = both.submit(order(1, BUY, 4, 902, **fields))
        assert fills(events) == traded and not phases(events)
        assert gone(events) == [(events[0].order, reason)]
        both.compare()
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, SELL, (2, 901))
    events = both.submit(order(1, BUY, 1, OrderKind.MARKET))
    assert gone(events)[0][1] == CancelReason.WOULD_HALT and not fills(events)
    both.compare()


def test_an_orders_own_first_trade_is_in_the_window() -> None:
    """Nothing has traded yet. 900 and then 901 are four ticks: who must have four lots at once cannot, and has none."""
    for fields in ({"time_in_force": TimeInForce.FOK}, {"min_lots": 4}):
        both = market(BookRules(velocity=POINT))
        rest(both, SELL, (2, 900), (5, 901))
        events = both.submit(order(1, BUY, 4, 902, **fields))
        assert not fills(events) and gone(events)[0][1] == CancelReason.MINIMUM_NOT_MET
        both.compare()
    both = market(BookRules(velocity=POINT))
    rest(both, BUY, (2, 900), (2, 899.25), (5, 899))
    assert fills(both.submit(order(1, SELL, 4, 890, time_in_force=TimeInForce.FOK))) == [(2, 900), (2, 899.25)]
    both.compare()


@pytest.mark.parametrize("kind", [OrderKind.MARKET_PROTECTED, OrderKind.MARKET_LIMIT])
def test_orders_without_a_price_of_their_own_give_way_too(kind: OrderKind) -> None:
    """Globex's market orders (facts/cme.md 7): what is inside trades, the rest is cancelled."""
    both = traded_at(900, BookRules(velocity=POINT, protection_ticks=24))
    rest(both, SELL, (2, 900.75), (5, 901))
    events = both.submit(order(1, BUY, 4, kind))
    assert fills(events) == [(2, 900.75)] and not phases(events)
    if kind == OrderKind.MARKET_PROTECTED:
        assert gone(events)[0][1] == CancelReason.WOULD_HALT
    else:  # a limit order at 900.75, which has had all there is, stands there
        assert queue(both, BUY)[0][1:] == (900.75, 2, 0)
    both.compare()


def test_an_order_with_a_minimum_gives_way_with_what_is_left() -> None:
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, SELL, (2, 900.75), (5, 901))
    events = both.submit(order(1, BUY, 4, 902, min_lots=1))
    assert fills(events) == [(2, 900.75)] and gone(events)[0][1] == CancelReason.WOULD_HALT and not phases(events)
    both.compare()


def test_a_book_that_replays_a_record_does_not_halt_with_its_group() -> None:
    lead, back = (named_contract(i, 25_000_000, 50) for i in range(2))
    books = {lead.id: BookRules(velocity=POINT, group=7), back.id: BookRules(group=7)}
    both = pair(Setup(cme_globex.RULES, [lead, back], [[TERMS]] * 2, 2, 0, [0, 0], books=books))
    row = np.zeros(1, FLOW_DTYPE)
    row["kind"], row["ts_ns"], row["price_ticks"], row["lots"], row["side"] = FlowKind.ADD, 60 * NS, 3_600, 1, 1
    both.attach_flow(1, row, 1)
    both.advance(0, [marks(0, 900)])
    for account in (0, 1):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    for price in (900, 901):
        rest(both, SELL, (1, price))
        events = both.submit(order(1, BUY, 1, price))
    assert [e.instrument for e in events if e.kind == EventKind.PHASE_CHANGED] == [0]
    both.compare()


def test_a_halt_that_would_end_after_the_delivery_time_does_not() -> None:
    contract = msgspec.structs.replace(named_contract(0, 25_000_000, 50), deliver_ns=4 * NS)
    rules = BookRules(velocity=POINT)
    both = pair(Setup(cme_globex.RULES, [contract], [[TERMS]], 2, 0, [0], books={contract.id: rules}))
    both.advance(0, [marks(0, 900)])
    for account in (0, 1):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    for price in (900, 901):
        rest(both, SELL, (1, price))
        both.submit(order(1, BUY, 1, price))
    assert not both.advance(60 * NS, [])
    both.compare()


@pytest.mark.parametrize("isolated", [False, True])
def test_with_a_fund_too_a_close_out_waits_for_the_market_to_open(isolated: bool) -> None:
    """Six lots bought at 60,000 with a twentieth of it. At 56,000 that is gone; the book is halted, and a bid of ten at
    58,600 stands in it: nobody is deleveraged, and it is met after the auction.
    """
    btc = coin(tick_e8=E8 // 10, lot_e8=E8 // 1_000)
    rules = BookRules(velocity=Velocity(move_ticks=5_000, within_ns=NS, pause_ns=5 * NS))
    both = pair(Setup(binance_usdm.RULES, [btc], [[COIN_TERMS]], 3, 0, [0], books={btc.id: rules}))
    both.advance(0, [marks(0, 60_000)])
    for account in range(3):
        both.submit(transfer(account, 1_000_000_000 * E8))
    if isolated:
        both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place(1, 0, SELL, OrderKind.LIMIT, 6, price_ticks=600_000))
    both.submit(place(0, 0, BUY, OrderKind.LIMIT, 6, price_ticks=600_000))
    if not isolated:
        both.submit(transfer(0, -both.twin.withdrawable(0)))
    both.submit(place(2, 0, BUY, OrderKind.LIMIT, 10, price_ticks=586_000))
    assert phases(both.submit(place(1, 0, SELL, OrderKind.LIMIT, 1, price_ticks=586_000))) == [HALTED]
    events = both.advance(NS, [marks(NS, 56_000)])
    assert not [e for e in events if e.kind in (EventKind.LIQUIDATION, EventKind.DELEVERAGED, EventKind.FILL)]
    events = both.advance(5 * NS, [])
    closed = [(e.account, e.price_ticks) for e in events if e.kind == EventKind.LIQUIDATION]
    assert closed and all(at == (0, 586_000) for at in closed)
    assert not [e for e in events if e.kind == EventKind.DELEVERAGED]
    both.compare()


def test_what_waits_can_be_taken_back_in_a_halt_and_the_window_begins_empty_after_it() -> None:
    both = traded_at(900, BookRules(velocity=POINT))
    (asked,) = rest(both, SELL, (1, 901))
    bid = both.submit(order(1, BUY, 1, 901))[0].order
    assert gone(both.submit(cancel(1, bid))) == [(bid, CancelReason.REQUESTED)]
    both.advance(5 * NS, [])
    events = both.submit(order(1, BUY, 1, 901))
    assert fills(events) == [(1, 901)] and events[-1].order == asked
    both.compare()


def test_a_row_of_the_schedule_has_the_last_word() -> None:
    both = traded_at(900, BookRules(velocity=POINT))
    rest(both, SELL, (1, 901))
    both.submit(order(1, BUY, 1, 901))
    assert phases(both.advance(2 * NS, [phase(2 * NS, MarketPhase.PAUSED)])) == [(int(MarketPhase.PAUSED), 0)]
    assert not both.advance(60 * NS, [])
    assert phases(both.advance(61 * NS, [phase(61 * NS, MarketPhase.OPEN)])) == [OPENED]
    both.compare()


def test_the_group_halts_with_its_lead_month() -> None:
    """The back month has no velocity of its own; a third book, of no group, goes on."""
    lead, back, other = (named_contract(i, 25_000_000, 50) for i in range(3))
    books = {lead.id: BookRules(velocity=POINT, group=7), back.id: BookRules(group=7), other.id: BookRules()}
    both = pair(Setup(cme_globex.RULES, [lead, back, other], [[TERMS]] * 3, 2, 0, [0, 0, 0], books=books))
    both.advance(0, [marks(0, 900)])
    for account in (0, 1):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    for price in (900, 901):
        rest(both, SELL, (1, price))
        events = both.submit(order(1, BUY, 1, price))
    assert [(e.instrument, e.reason) for e in events if e.kind == EventKind.PHASE_CHANGED] == [(0, 3), (1, 3)]
    events = both.advance(5 * NS, [])
    assert [(e.instrument, e.amount) for e in events if e.kind == EventKind.PHASE_CHANGED] == [(0, 4), (1, 4)]
    both.compare()


def test_a_close_out_stops_short_of_a_halt_and_waits_for_the_auction() -> None:
    """Nothing is left of account 1's money. Its broker's order would trade a point down: the market halts first."""
    both = traded_at(900, BookRules(velocity=POINT))
    both.submit(transfer(1, -both.twin.withdrawable(1)))
    rest(both, BUY, (5, 899), account=2)
    both.advance(9 * NS, [])
    rest(both, SELL, (1, 900), account=3)
    both.submit(order(4, BUY, 1, 900))
    now = 9 * NS + 1
    events = both.advance(now, [marks(now, 880)])
    assert [e.kind for e in events] == [EventKind.PHASE_CHANGED] and phases(events) == [HALTED]
    events = both.advance(now + 5 * NS, [])
    assert phases(events) == [OPENED]
    (closed,) = [e for e in events if e.kind == EventKind.LIQUIDATION]
    assert (closed.account, closed.lots, closed.price_ticks / 4) == (1, -1, 899)
    both.compare()


# -- stop logic -----------------------------------------------------------------------------------------------------


def stops(both: Pair, *triggers: float, account: int = 2) -> None:
    """Sales of one lot with protection of 24 ticks, each triggered at a price."""
    for price in triggers:
        at = {"trigger": TriggerKind.STOP, "trigger_e8": round(price * 100_000_000)}
        both.submit(order(account, SELL, 1, OrderKind.MARKET_PROTECTED, **at))


def cascade(rules: BookRules) -> tuple[Pair, list[Event]]:
    """Stops at 899, 898.75 .. 896 over a bid of one lot at each half point: a sale at 899 sets them off."""
    both = traded_at(900, rules)
    stops(both, *(899 - n / 4 for n in range(13)))
    rest(both, BUY, *((1, 899 - n / 2) for n in range(12)))
    return both, both.submit(order(1, SELL, 1, 899))


def test_stops_run_down_the_book_where_nothing_stops_them() -> None:
    _, events = cascade(BookRules(protection_ticks=24))
    prices = [price for _, price in fills(events)]
    assert prices == [899 - n / 2 for n in range(12)]  # 5.5 points


def test_stop_logic_halts_a_cascade_a_point_and_a_half_down() -> None:
    """899 triggers the first stop: 897.50 is six ticks from it and trades, 897 is eight."""
    both, events = cascade(BookRules(protection_ticks=24, stop_logic=SPIKE))
    assert [price for _, price in fills(events)] == [899, 898.5, 898, 897.5]
    assert phases(events) == [SPIKED]
    rest(both, BUY, (20, 897.75), account=3)  # somebody finds it cheap
    events = both.advance(5 * NS, [])
    assert phases(events)[0] == OPENED
    sold = [(e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL and e.account == 2]
    assert sold and all(price == 897.75 for _, price in sold)
    both.compare()


def test_it_is_prolonged_while_the_indicative_price_is_more_than_two_moves_away() -> None:
    """Twelve ticks from 899 are 896. Stops that wait at 895.50 would open the market there: five seconds more, and
    more, until twenty are over."""
    both, events = cascade(BookRules(protection_ticks=24, stop_logic=SPIKE))
    assert phases(events) == [SPIKED]
    for price in (897, 896.5, 896):  # the bids above the price at which it would open
        (bid,) = [o for o, at, _, _ in queue(both, BUY) if at == price]
        both.submit(cancel(0, bid))
    for seconds in (5, 10, 15):
        assert not phases(both.advance(seconds * NS, []))
    assert phases(both.advance(20 * NS, []))[0] == OPENED
    both.compare()


def test_it_ends_at_once_where_the_price_has_come_back() -> None:
    both, _ = cascade(BookRules(protection_ticks=24, stop_logic=SPIKE))
    for price in (897, 896.5, 896):
        (bid,) = [o for o, at, _, _ in queue(both, BUY) if at == price]
        both.submit(cancel(0, bid))
    assert not phases(both.advance(5 * NS, []))
    rest(both, BUY, (2, 896), account=3)
    assert phases(both.advance(10 * NS, []))[0] == OPENED
    both.compare()


def test_other_takers_are_free_to_trade_as_far() -> None:
    """No stop is in hand: a sale through the whole book is velocity's to stop, not stop logic's."""
    both = traded_at(900, BookRules(protection_ticks=24, stop_logic=SPIKE))
    rest(both, BUY, (1, 899), (1, 890))
    events = both.submit(order(1, SELL, 2, 890))
    assert [price for _, price in fills(events)] == [899, 890] and not phases(events)
    both.compare()


# -- what does not go together --------------------------------------------------------------------------------------


def test_a_book_that_replays_a_record_halts_by_its_rows_alone() -> None:
    both = market(BookRules(velocity=POINT))
    with pytest.raises(VenueError, match="a record has its own halts"):
        both.venue.attach_flow(0, np.zeros(0, FLOW_DTYPE), 0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Velocity(move_ticks=0, within_ns=1, pause_ns=1), "velocity.*move_ticks.*1 to 1,048,576"),
        (lambda: Velocity(move_ticks=1, within_ns=-1, pause_ns=1), "within_ns"),
        (lambda: StopLogic(move_ticks=1 << 21), "stop logic.*move_ticks"),
        (lambda: StopLogic(move_ticks=1, thresholds=0), "thresholds"),
        (lambda: StopLogic(move_ticks=1, pause_ns=30 * NS), "most_ns.*is pause_ns to 1,000 times it"),
        (lambda: StopLogic(move_ticks=1, pause_ns=1), "most_ns"),
        (lambda: BookRules(market_orders="yes"), "market_orders is True or False"),  # type: ignore[arg-type]
        (lambda: BookRules(price_match=2), "price_match is True or False"),  # type: ignore[arg-type]
        (lambda: BookRules(self_trade=True), "self_trade is a SelfTrade"),  # type: ignore[arg-type]
        (lambda: BookRules(lead_makers=((1,),)), "lead_makers is a tuple"),  # type: ignore[arg-type]
        (lambda: BookRules(lead_makers=3), "lead_makers is a tuple"),  # type: ignore[arg-type]
        (lambda: BookRules(velocity=3), "velocity is a Velocity"),  # type: ignore[arg-type]
        (lambda: BookRules(group=-1), "group is a whole number"),
    ],
)
def test_rules_that_say_nothing_are_refused(make: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()  # type: ignore[operator]


# -- a closing auction ----------------------------------------------------------------------------------------------


def test_a_market_closes_with_an_auction_where_its_rows_open_it_for_an_instant() -> None:
    """Orders are collected for five minutes; what is left of the day's orders ends."""
    both = traded_at(900, BookRules())
    call, close = 60 * NS, 360 * NS
    both.advance(call, [phase(call, MarketPhase.PRE_OPEN)])
    (left,) = rest(both, SELL, (3, 899), time_in_force=TimeInForce.DAY)
    rest(both, BUY, (2, 900), account=1)
    events = both.advance(close, [phase(close, MarketPhase.OPEN), phase(close, MarketPhase.CLOSED)])
    assert phases(events) == [OPENED, (int(MarketPhase.CLOSED), 0)]
    assert [(e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL and e.lots > 0] == [(2, 899)]
    assert gone(events) == [(left, CancelReason.DAY_OVER)]
    both.compare()
