"""Recorded order flow beside orders of accounts (docs/rules/replay.md): every rule of the page."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import amend, place, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    HaltReason,
    MarketPhase,
    OrderKind,
    RejectReason,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.errors import VenueError
from novation.domain.events import AUCTION, MAKER
from novation.domain.flow import FlowKind
from novation.domain.units import E8
from novation.venues import cme_globex
from tests.venues.book_cases import BUY, DOLLARS, SELL, TERMS, at, fills, gone, market, marks, order, queue, rest
from tests.venues.book_pair import pair
from tests.venues.flow_cases import add, amended, cancelled, done, filled, last, makers, record, recorded, row, traded
from tests.venues.scenarios import Setup
from tests.venues.test_book_liquidations import coins
from tests.venues.test_phases import answer, es, kinds, limits, phase

OPEN, PRE_OPEN = MarketPhase.OPEN, MarketPhase.PRE_OPEN


# -- the record's orders in the queues --------------------------------------------------------------------------------


def test_orders_of_the_record_stand_in_the_queue_by_their_time() -> None:
    both = record(market(), add(1, 0, BUY, 5, 900), add(3, 3, BUY, 2, 900), add(3, 1, BUY, 4, 900.25))
    assert at(both, 1) == []
    rest(both, BUY, (7, 900))
    assert done(both) == [(0, 1)]
    at(both, 9)
    assert queue(both, BUY) == [(-2, 900.25, 4, 0), (-1, 900, 5, 0), (1, 900, 7, 0), (-4, 900, 2, 0)]
    assert (recorded(both), done(both)) == ([(0, 900, 5, 0), (1, 900.25, 4, 0), (3, 900, 2, 0)], [(0, 3)])


def test_a_record_ahead_of_an_order_is_taken_first_and_one_behind_it_after() -> None:
    both = record(market(), add(1, 0, BUY, 5, 900), add(2, 1, BUY, 2, 900))
    at(both, 1)
    rest(both, BUY, (3, 900))
    at(both, 2)
    events = both.submit(order(1, SELL, 9, 900))
    assert fills(events) == [(5, 900), (3, 900), (1, 900)]
    assert makers(events) == [(1, 3, 900)]
    assert recorded(both) == [(0, 900, 5, 5), (1, 900, 2, 1)]
    assert queue(both, BUY) == [(-2, 900, 1, 0)]


def test_nobody_hears_of_the_record_s_side_of_a_trade() -> None:
    both = record(market(), add(1, 0, SELL, 5, 900), add(1, 1, SELL, 5, 901))
    at(both, 1)
    events = both.submit(order(1, BUY, 7, 901))
    assert kinds(events) == [EventKind.ORDER_ACCEPTED, EventKind.FILL, EventKind.FILL]
    assert [(e.account, e.lots, e.price_ticks / 4, e.trade, e.flags) for e in events[1:]] == [
        (1, 5, 900, 1, 0),
        (1, 2, 901, 2, 0),
    ]
    assert last(both) == 901
    assert both.twin.ledger.outside == (5 * 900 + 2 * 901) * 50 * DOLLARS


def test_rows_of_an_instant_come_after_its_other_rows_and_ahead_of_commands() -> None:
    both = record(market(), add(5, 0, SELL, 1, 900), traded(5, 900))
    both.submit(order(0, BUY, 1, 899))
    events = at(both, 5, phase(5, PRE_OPEN), marks(5, 950))
    assert (kinds(events), done(both), last(both)) == ([EventKind.PHASE_CHANGED], [(0, 2)], 900)
    at(both, 6, phase(6, OPEN))
    assert fills(both.submit(order(0, BUY, 1, OrderKind.MARKET))) == [(1, 900)]


def test_an_order_that_ends_at_the_time_of_a_row_is_gone_ahead_of_it() -> None:
    both = record(market(), add(5, 0, SELL, 1, 900))
    rest(both, BUY, (1, 900), time_in_force=TimeInForce.GTD, expire_ns=5)
    assert gone(at(both, 5)) == [(1, CancelReason.EXPIRED)]
    assert queue(both, SELL) == [(-1, 900, 1, 0)]


def test_the_clock_of_an_event_is_the_time_of_its_row() -> None:
    both = record(market(), add(5, 0, SELL, 1, 900), add(7, 1, SELL, 1, 900))
    rest(both, BUY, (2, 900))
    assert [e.ts_ns for e in at(both, 9)] == [5, 7]


def test_no_account_is_tested_after_a_row() -> None:
    """10 lots bought at 900 with 1,200 USD; a trade of the record at 850 brings no mark and no test."""
    both = record(market(), traded(3, 850))
    both.submit(transfer(0, -both.twin.accounts[0].wallet + 1_200 * DOLLARS))
    both.submit(order(1, SELL, 10, 900))
    both.submit(order(0, BUY, 10, 900))
    rest(both, BUY, (10, 840), account=2)
    assert at(both, 4) == []
    assert EventKind.LIQUIDATION in kinds(at(both, 5, marks(5, 895)))


# -- CANCEL, AMEND, CLEAR ---------------------------------------------------------------------------------------------


def test_a_cancel_leaves_the_rest_in_its_place() -> None:
    both = record(market(), add(1, 0, BUY, 5, 900), cancelled(2, 0, BUY, 2, 900), cancelled(3, 0, BUY, 3, 900))
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 2)
    assert queue(both, BUY) == [(-1, 900, 3, 0), (1, 900, 1, 0)]
    at(both, 3)
    assert (queue(both, BUY), recorded(both)) == ([(1, 900, 1, 0)], [])


@pytest.mark.parametrize(
    ("lots", "price", "stands"),
    [
        (5, 900, [(-1, 900, 5, 0), (1, 900, 1, 0)]),  # nothing new
        (3, 900, [(-1, 900, 3, 0), (1, 900, 1, 0)]),
        (6, 900, [(1, 900, 1, 0), (-1, 900, 6, 0)]),
        (3, 901, [(-1, 901, 3, 0), (1, 900, 1, 0)]),
        (3, 899, [(1, 900, 1, 0), (-1, 899, 3, 0)]),
    ],
)
def test_an_amendment_keeps_the_place_at_the_same_price_and_not_more_lots(
    lots: int, price: float, stands: list[tuple[int, float, int, int]]
) -> None:
    both = record(market(), add(1, 0, BUY, 5, 900), amended(2, 0, BUY, lots, price))
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 2)
    assert queue(both, BUY) == stands


def test_a_hole_of_a_taker_is_missing_as_long_as_the_record_has_the_order() -> None:
    """10 lots, of which 4 are taken: what the record does later is done to ten."""
    both = record(
        market(),
        add(1, 0, SELL, 10, 900),
        amended(2, 0, SELL, 8, 900),
        amended(3, 0, SELL, 12, 900),
        amended(4, 0, SELL, 12, 901),
        cancelled(5, 0, SELL, 7, 901),
        cancelled(6, 0, SELL, 2, 901),
        amended(7, 0, SELL, 4, 901),
        amended(8, 0, SELL, 4, 902),
        amended(9, 0, SELL, 5, 902),
        cancelled(10, 0, SELL, 5, 902),
        add(11, 0, SELL, 10, 900),
    )
    at(both, 1)
    both.submit(order(1, BUY, 4, 900))
    assert queue(both, SELL) == [(-1, 900, 6, 0)]
    shown = {2: (900, 4), 3: (900, 8), 4: (901, 8), 5: (901, 1), 9: (902, 1), 11: (900, 10)}
    for ts_ns in range(2, 12):
        at(both, ts_ns)
        stands = [(-1, *shown[ts_ns], 0)] if ts_ns in shown else []
        assert queue(both, SELL) == stands, ts_ns
        if ts_ns == 8:
            assert recorded(both) == [(0, 902, 4, 4)]
    assert recorded(both) == [(0, 900, 10, 0)]


def test_an_order_that_shows_nothing_is_in_the_record_and_in_no_queue() -> None:
    both = record(
        market(), add(1, 0, BUY, 4, 900), add(2, 1, BUY, 1, 900), filled(3, 0, BUY, 2, 900), filled(4, 0, BUY, 2, 900)
    )
    at(both, 1)
    both.submit(order(1, SELL, 5, 900))
    assert (queue(both, BUY), recorded(both)) == ([], [(0, 900, 4, 4)])
    at(both, 2)
    assert at(both, 3) == []
    assert recorded(both) == [(0, 900, 2, 4), (1, 900, 1, 1)]
    assert at(both, 4) == []
    assert recorded(both) == [(1, 900, 1, 1)]


def test_clear_takes_away_the_record_alone() -> None:
    both = record(
        market(), add(1, 0, BUY, 4, 900), add(1, 1, SELL, 4, 901), row(FlowKind.CLEAR, 2), add(3, 1, BUY, 2, 899)
    )
    at(both, 1)
    rest(both, BUY, (1, 900))
    both.submit(order(1, BUY, 1, 901))
    assert recorded(both) == [(0, 900, 4, 0), (1, 901, 4, 1)]
    at(both, 2)
    assert (queue(both, BUY), queue(both, SELL), recorded(both)) == ([(1, 900, 1, 0)], [], [])
    at(both, 3)
    assert recorded(both) == [(1, 899, 2, 0)]


# -- TRADE: whom the aggressor reaches ---------------------------------------------------------------------------------


def test_a_trade_fills_orders_of_accounts_beyond_all_that_stands_ahead_of_them() -> None:
    rows = (traded(4, 900, SELL, 9), filled(4, 0, BUY, 1, 900), filled(4, 1, BUY, 8, 900))
    both = record(market(), add(1, 0, BUY, 1, 900), add(3, 1, BUY, 9, 900), *rows)
    at(both, 1)
    rest(both, BUY, (2, 900), (3, 900.25))
    at(both, 3)
    rest(both, BUY, (5, 900), (5, 899.75), account=2)
    events = at(both, 4)
    assert makers(events) == [(2, 3, 900.25), (1, 2, 900)]
    assert [e.price_e8 for e in events] == [90_025_000_000, 90_000_000_000]
    assert [e.trade for e in events] == [1, 2]
    assert queue(both, BUY) == [(-2, 900, 1, 0), (3, 900, 5, 0), (4, 899.75, 5, 0)]
    assert last(both) == 900


def test_a_trade_reaches_no_further_than_its_lots() -> None:
    both = record(market(), add(1, 0, SELL, 3, 901), add(3, 1, SELL, 9, 901), traded(4, 901, BUY, 5))
    at(both, 1)
    rest(both, SELL, (4, 901))
    assert at(both, 3) == []
    assert makers(at(both, 4)) == [(1, 2, 901)]
    assert queue(both, SELL) == [(-1, 901, 3, 0), (1, 901, 2, 0), (-2, 901, 9, 0)]


def test_a_trade_that_those_ahead_took_whole_fills_nobody_behind() -> None:
    both = record(market(), add(1, 0, BUY, 5, 900), traded(4, 900, SELL, 5), filled(4, 0, BUY, 5, 900))
    at(both, 1)
    rest(both, BUY, (1, 900))
    assert at(both, 4) == []
    assert queue(both, BUY) == [(1, 900, 1, 0)]


def test_orders_share_the_lots_of_a_trade_by_price_and_time() -> None:
    both = record(market(), add(1, 0, SELL, 8, 901), traded(2, 901, BUY, 4), filled(2, 0, SELL, 4, 901))
    rest(both, SELL, (3, 900), (3, 900.5), (3, 901))
    at(both, 1)
    assert makers(at(both, 2)) == [(1, 3, 900), (2, 1, 900.5)]
    assert queue(both, SELL) == [(2, 900.5, 2, 0), (3, 901, 3, 0), (-1, 901, 4, 0)]
    assert last(both) == 901


def test_an_aggressor_meets_one_side_and_an_auction_both() -> None:
    both = record(market(), traded(2, 900, BUY, 9), traded(3, 900, 0, 9))
    rest(both, BUY, (1, 900))
    rest(both, SELL, (1, 900.25), account=1)
    assert makers(at(both, 2)) == []
    assert makers(at(both, 3)) == [(1, 1, 900)]
    rest(both, SELL, (1, 900), account=1)
    both = record(market(), traded(2, 900, 0, 9))
    rest(both, BUY, (1, 900.25))
    at(both, 2)


def test_an_iceberg_gives_what_it_shows_and_shows_again_behind() -> None:
    both = record(market(), add(1, 0, SELL, 8, 900), traded(2, 900, BUY, 5), filled(2, 0, SELL, 3, 900))
    rest(both, SELL, (6, 900), display_lots=2)
    at(both, 1)
    assert makers(at(both, 2)) == [(1, 2, 900)]
    assert queue(both, SELL) == [(-1, 900, 5, 0), (1, 900, 2, 2)]


def test_an_iceberg_alone_at_a_better_price_gives_all_that_the_trade_has() -> None:
    both = record(market(), add(1, 0, SELL, 8, 901), traded(2, 901, BUY, 5), traded(3, 901, BUY, 3))
    rest(both, SELL, (6, 900), display_lots=2)
    at(both, 1)
    assert [makers(at(both, ts_ns)) for ts_ns in (2, 3)] == [
        [(1, 2, 900), (1, 2, 900), (1, 1, 900)],
        [(1, 1, 900)],
    ]


def test_an_order_that_gave_up_its_place_is_behind() -> None:
    both = record(market(), add(1, 0, BUY, 8, 900), traded(3, 900, SELL, 1), traded(4, 900, SELL, 1))
    rest(both, BUY, (1, 900), (1, 900))
    at(both, 1)
    both.submit(amend(0, 1, 3, 3_600))
    assert makers(at(both, 3)) == [(2, 1, 900)]
    assert at(both, 4) == []


def test_the_record_loses_its_place_too() -> None:
    both = record(market(), add(1, 0, BUY, 8, 900), amended(3, 0, BUY, 9, 900), traded(4, 900, SELL, 5))
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 3)
    assert makers(at(both, 4)) == [(1, 1, 900)]


def test_an_order_that_may_only_reduce_and_would_not_is_cancelled_instead() -> None:
    """Account 0 is long one lot and offers it twice over time; between, the lot is sold."""
    both = record(
        market(), add(1, 0, SELL, 8, 901), traded(2, 901, BUY, 5), add(3, 1, BUY, 2, 900), add(3, 2, BUY, 9, 902)
    )
    rest(both, SELL, (1, 900), account=1)
    both.submit(order(0, BUY, 1, 900))
    at(both, 1)
    rest(both, SELL, (1, 901), reduce_only=1)
    (rejected,) = both.submit(order(0, SELL, 1, 900.5, reduce_only=1))
    assert answer([rejected]) == RejectReason.WOULD_NOT_REDUCE
    rest(both, BUY, (2, 899), account=1)
    both.submit(order(0, SELL, 1, 899))
    assert at(both, 2) == []  # the reduce-only order came behind the record's
    events = at(both, 3)
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    assert makers(events) == []


def test_one_reached_that_would_not_reduce_is_cancelled_and_costs_no_lots() -> None:
    both = record(market(), add(1, 0, SELL, 8, 901), traded(2, 901, BUY, 2))
    rest(both, SELL, (1, 900), account=1)
    both.submit(order(0, BUY, 1, 900))
    rest(both, SELL, (1, 900.5), reduce_only=1)
    rest(both, SELL, (2, 901), account=2)
    rest(both, BUY, (2, 899), account=1)
    both.submit(order(0, SELL, 1, 899))
    at(both, 1)
    events = at(both, 2)
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    assert makers(events) == [(4, 2, 901)]


# -- who comes and meets accounts -------------------------------------------------------------------------------------


def test_an_order_that_comes_across_meets_accounts_at_their_prices() -> None:
    both = record(market(), add(1, 0, SELL, 9, 900), add(2, 1, BUY, 12, 900.25))
    at(both, 1)
    rest(both, SELL, (2, 900), (3, 899.5), (4, 900.25), (1, 900.5))
    events = at(both, 2)
    assert makers(events) == [(2, 3, 899.5), (1, 2, 900), (3, 4, 900.25)]
    assert last(both) == 900.25
    assert recorded(both) == [(0, 900, 9, 0), (1, 900.25, 12, 9)]  # it does not touch the other of the record
    assert queue(both, BUY) == [(-2, 900.25, 3, 0)]
    assert queue(both, SELL) == [(-1, 900, 9, 0), (4, 900.5, 1, 0)]


def test_an_amendment_meets_accounts_too_with_what_it_shows() -> None:
    both = record(market(), add(1, 0, BUY, 5, 899), amended(2, 0, BUY, 5, 900), amended(3, 0, BUY, 6, 900))
    at(both, 1)
    both.submit(order(1, SELL, 2, 899))
    rest(both, SELL, (9, 900))
    assert makers(at(both, 2)) == [(2, 3, 900)]
    assert recorded(both) == [(0, 900, 5, 5)]
    assert makers(at(both, 3)) == [(2, 1, 900)]
    assert (queue(both, BUY), queue(both, SELL)) == ([], [(2, 900, 5, 0)])


def test_an_iceberg_is_met_again_and_again() -> None:
    both = record(market(), add(2, 1, BUY, 6, 900))
    rest(both, SELL, (5, 900), display_lots=2)
    rest(both, SELL, (2, 900), account=1)
    assert makers(at(both, 2)) == [(1, 2, 900), (2, 2, 900), (1, 2, 900)]
    assert queue(both, SELL) == [(1, 900, 1, 0)]


def test_an_order_that_is_only_made_smaller_meets_nobody() -> None:
    """While the market is not open two orders may cross; what keeps its place does not come again."""
    both = record(market(), add(2, 0, BUY, 6, 901), amended(5, 0, BUY, 5, 901), amended(6, 0, BUY, 6, 901))
    at(both, 1, phase(1, PRE_OPEN))
    rest(both, SELL, (2, 900))
    assert at(both, 6) == []
    assert queue(both, BUY) == [(-1, 901, 6, 0)]


@pytest.mark.parametrize("now", [PRE_OPEN, MarketPhase.PAUSED, MarketPhase.CLOSED, MarketPhase.NO_CANCEL])
def test_while_the_market_is_not_open_rows_happen_and_nobody_trades(now: MarketPhase) -> None:
    both = record(market(), add(2, 0, BUY, 6, 901), add(2, 1, SELL, 6, 903), filled(3, 1, SELL, 3, 903), traded(4, 902))
    rest(both, SELL, (2, 900))
    at(both, 1, phase(1, now))
    assert at(both, 4) == []
    assert (recorded(both), last(both)) == ([(0, 901, 6, 0), (1, 903, 3, 0)], 902)


def test_a_market_with_a_record_opens_without_an_auction_and_accounts_that_cross_take() -> None:
    both = record(market(), add(2, 0, BUY, 6, 901), add(2, 1, SELL, 3, 900))
    at(both, 1, phase(1, PRE_OPEN))
    rest(both, SELL, (2, 900))
    at(both, 2)
    events = at(both, 3, phase(3, OPEN))
    assert [(e.order, e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL] == [(1, -2, 901)]
    assert not events[-1].flags & (AUCTION | MAKER)
    assert recorded(both) == [(0, 901, 6, 2), (1, 900, 3, 0)]
    assert (queue(both, BUY), queue(both, SELL)) == ([(-1, 901, 4, 0)], [(-2, 900, 3, 0)])


def test_an_order_beyond_the_limits_is_passed_over() -> None:
    both = record(market(), add(2, 0, BUY, 6, 901), add(2, 1, SELL, 2, 902), filled(3, 1, SELL, 2, 902))
    rest(both, SELL, (2, 899), (2, 900.5))
    at(both, 1, limits(1, 900, 1_000))
    assert makers(at(both, 2)) == [(2, 2, 900.5)]
    assert at(both, 3) == []
    assert queue(both, SELL) == [(1, 899, 2, 0)]


def test_a_taker_passes_over_the_record_beyond_the_limits() -> None:
    both = record(market(), add(2, 0, SELL, 6, 901), add(2, 1, SELL, 2, 902))
    at(both, 2, limits(2, 901.5, 1_000))
    assert fills(both.submit(order(1, BUY, 9, 902))) == [(2, 902)]


# -- conditional orders -----------------------------------------------------------------------------------------------


def test_a_trade_of_the_record_triggers_orders() -> None:
    both = record(market(), add(1, 0, SELL, 2, 901), traded(2, 900), add(3, 1, SELL, 5, 902), traded(3, 901))
    both.submit(order(0, BUY, 3, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=901 * E8))
    assert at(both, 2) == []
    events = at(both, 3)
    assert kinds(events) == [EventKind.ORDER_TRIGGERED, EventKind.FILL, EventKind.FILL]
    assert (events[0].price_e8, fills(events), last(both)) == (901 * E8, [(2, 901), (1, 902)], 902)


def test_orders_are_looked_at_between_a_trade_and_the_fills_it_brought() -> None:
    both = record(market(), add(1, 0, SELL, 2, 901), traded(2, 901, BUY, 2), filled(2, 0, SELL, 2, 901))
    at(both, 1)
    both.submit(order(0, BUY, 2, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=901 * E8))
    assert fills(at(both, 2)) == [(2, 901)]
    assert recorded(both) == []


def test_trailing_orders_follow_the_record() -> None:
    """A sale 1 % below the highest: 1,010 makes it 999.90."""
    both = record(
        market(), add(1, 0, BUY, 9, 995), traded(1, 1_000), traded(2, 1_010), traded(3, 1_000), traded(4, 999.75)
    )
    at(both, 1)
    both.submit(order(0, SELL, 1, OrderKind.MARKET, trigger=TriggerKind.TRAILING, callback_e8=E8 // 100))
    assert at(both, 3) == []
    assert kinds(at(both, 4)) == [EventKind.ORDER_TRIGGERED, EventKind.FILL]


def test_an_order_of_the_record_that_meets_somebody_makes_a_price_that_triggers() -> None:
    both = record(market(), add(1, 0, SELL, 2, 901), add(2, 1, BUY, 2, 900))
    rest(both, SELL, (2, 900))
    both.submit(order(1, BUY, 2, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=900 * E8))
    events = at(both, 2)
    assert kinds(events) == [EventKind.FILL, EventKind.ORDER_TRIGGERED, EventKind.FILL]
    assert fills(events) == [(2, 901)]


def test_those_by_the_mark_and_those_of_a_closed_market_wait() -> None:
    both = record(market(), add(1, 0, SELL, 9, 901), traded(2, 901), traded(4, 902))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 901 * E8}
    both.submit(order(0, BUY, 1, OrderKind.MARKET, trigger_by=TriggerPrice.MARK, **stop))
    assert at(both, 2) == []
    both.submit(order(0, BUY, 1, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=902 * E8))
    at(both, 3, phase(3, MarketPhase.PAUSED, HaltReason.SCHEDULE))
    assert at(both, 4) == []
    assert kinds(at(both, 5, phase(5, OPEN))) == [EventKind.PHASE_CHANGED, EventKind.ORDER_TRIGGERED, EventKind.FILL]


# -- how a taker's lots are given out ---------------------------------------------------------------------------------


def test_the_record_s_order_can_be_the_top_order() -> None:
    both = record(market(BookRules(top=True, fifo_percent=0)), add(1, 0, SELL, 4, 900), cancelled(3, 0, SELL, 1, 900))
    at(both, 1)
    rest(both, SELL, (5, 900))
    at(both, 3)
    events = both.submit(order(1, BUY, 4, 900))
    assert fills(events) == [(3, 900), (1, 900)]
    assert makers(events) == [(1, 1, 900)]


def test_an_order_of_the_record_that_comes_to_a_better_price_becomes_the_top_order() -> None:
    both = record(market(BookRules(top=True)), add(1, 0, SELL, 4, 899), amended(2, 0, SELL, 4, 900))
    rest(both, SELL, (5, 900))
    at(both, 1)
    tops = [line[1][3] for line in both.twin.state_lines() if line[0] == "book" and line[1][6]]
    assert tops == [-1]
    at(both, 2)
    assert [line for line in both.twin.state_lines() if line[0] == "book" and line[1][6]] == []


def test_lots_are_shared_with_the_record_in_proportion() -> None:
    both = record(market(BookRules(fifo_percent=0)), add(1, 0, SELL, 30, 900))
    at(both, 1)
    rest(both, SELL, (10, 900))
    events = both.submit(order(1, BUY, 20, 900))
    assert fills(events) == [(15, 900), (5, 900)]
    assert recorded(both) == [(0, 900, 30, 15)]


# -- several records, the door ----------------------------------------------------------------------------------------


def test_two_records_happen_by_time_then_by_instrument() -> None:
    both_of = [es(), msgspec.structs.replace(es(), id="x:OTHER")]
    books = {instrument.id: BookRules() for instrument in both_of}
    both = pair(Setup(cme_globex.RULES, both_of, [[TERMS], [TERMS]], 3, 0, [0, 0], books=books))
    at(both, 0, marks(0, 900))
    for account in range(3):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    record(both, add(2, 0, SELL, 1, 500), add(3, 1, SELL, 1, 500), instrument=1)
    record(both, add(1, 0, SELL, 1, 900), add(3, 1, SELL, 1, 900), add(4, 2, SELL, 1, 900))
    both.submit(place(0, 0, BUY, OrderKind.LIMIT, 9, price_ticks=3_600))
    both.submit(place(0, 1, BUY, OrderKind.LIMIT, 9, price_ticks=2_000))
    events = at(both, 3)
    assert [(e.ts_ns, e.instrument) for e in events] == [(1, 0), (2, 1), (3, 0), (3, 1)]
    assert done(both) == [(0, 2), (1, 2)]
    names = [line[0] for line in both.twin.state_lines() if line[0] in ("book", "flow", "recorded")]
    assert names == ["book", "flow", "recorded", "recorded"] * 2
    assert [line[1][0] for line in both.twin.state_lines() if line[0] == "book"] == [0, 1]


@pytest.mark.parametrize("kind", [FlowKind.LEVEL, FlowKind.TOP])
def test_levels_among_orders_are_refused(kind: FlowKind) -> None:
    both = market()
    with pytest.raises(VenueError, match="among rows of orders"):
        record(both, add(1, 0, BUY, 1, 900), row(kind, 2, 0, BUY, 1, 900))


def test_a_liquidation_meets_the_record_and_tells_its_own_side_alone() -> None:
    """As `test_book_liquidations`, the first and the last who buys being of the record; a coin's tick is a cent."""
    both = record(coins(), add(0, 0, BUY, 1, 9_700 / 4), add(2, 1, BUY, 30, 9_690 / 4))
    at(both, 0)
    both.submit(place(1, 0, BUY, OrderKind.LIMIT, 1, price_ticks=9_700))
    at(both, 2)
    events = at(both, 3, marks(3, 95.2))
    alone, step = [EventKind.FILL, EventKind.LIQUIDATION], [EventKind.FILL, EventKind.FILL, EventKind.LIQUIDATION]
    assert kinds(events) == alone + step + alone
    told = [(e.account, e.lots, e.price_ticks, e.trade) for e in events if e.kind == EventKind.FILL]
    assert told == [(0, -1, 9_700, 2), (1, 1, 9_700, 3), (0, -1, 9_700, 3), (0, -2, 9_690, 4)]
    assert recorded(both) == [(0, 2_425, 1, 1), (1, 2_422.5, 30, 2)]
