"""Liquidations that meet orders, and what else takes orders off a book; on both exchanges (docs/rules/book.md)."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.account import InsurancePool
from novation.domain.book import BookRules
from novation.domain.commands import (
    amend,
    place,
    place_limit,
    set_hedge_mode,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    LiquidationPriority,
    MarginScope,
    MarketEventKind,
    OrderKind,
    PositionSide,
    RejectReason,
    TriggerKind,
)
from novation.domain.events import SHORT_SIDE, Event
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import binance_usdm, cme_globex
from tests.venues.book_cases import (
    BUY,
    BY_TIME,
    DOLLARS,
    K_20_80,
    SELL,
    TERMS,
    Pair,
    at,
    gone,
    market,
    marks,
    order,
    rest,
)
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import COIN, fund
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_phases import answer, es, kinds


def coins(*pools: InsurancePool, rules: BookRules = BY_TIME, fund: bool = True) -> Pair:
    """A coin at 100 on a book, six accounts; the first is short of money and holds ten with 25x, bought at 100."""
    venue = msgspec.structs.replace(binance_usdm.RULES, deficit_to_fund=fund)
    both = pair(Setup(venue, [COIN], [[COIN_TERMS]], 6, 0, [0], pools, books={COIN.id: rules}))
    both.advance(0, [marks(0, 100)])
    for account in range(6):
        both.submit(transfer(account, (50 if account == 0 else 1_000_000) * E8))
    both.submit(set_leverage(0, 0, 25))
    both.submit(place_limit(5, 0, SELL, 10, 10_000))
    both.submit(place_limit(0, 0, BUY, 10, 10_000))
    return both


def closed(events: list[Event]) -> list[tuple[int, int, int, int, int]]:
    """(account, order, lots, ticks, trade) of every fill."""
    return [(e.account, e.order, e.lots, e.price_ticks, e.trade) for e in events if e.kind == EventKind.FILL]


def test_a_liquidation_meets_the_first_order_at_the_best_price_step_by_step() -> None:
    both = coins(rules=K_20_80)
    rest_at = [(1, 4, 9_700, 2), (2, 3, 9_700, 0), (3, 9, 9_690, 0)]
    for account, lots, ticks, display in rest_at:
        both.submit(place(account, 0, BUY, OrderKind.LIMIT, lots, price_ticks=ticks, display_lots=display))
    events = at(both, 1, marks(1, 95.2))  # 2 of 50 are left, 9.52 needed; four sold at 97 make it 9.2 and 5.7
    step = [EventKind.FILL, EventKind.FILL, EventKind.LIQUIDATION]
    assert kinds(events) == step * 2
    assert closed(events) == [(1, 3, 2, 9_700, 2), (0, 0, -2, 9_700, 2), (2, 4, 2, 9_700, 3), (0, 0, -2, 9_700, 3)]
    assert both.twin.markets[0].last_e8 == 97 * E8


def test_what_a_liquidation_sets_off_comes_before_its_next_step() -> None:
    both = coins()
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 97 * E8}
    for account, lots, ticks in ((1, 1, 9_700), (2, 1, 9_690), (3, 9, 9_680)):
        both.submit(place_limit(account, 0, BUY, lots, ticks))
    both.submit(place(4, 0, SELL, OrderKind.MARKET, 1, **stop))
    events = at(both, 1, marks(1, 95.2))
    assert [e.account for e in events if e.kind == EventKind.FILL] == [1, 0, 4, 2, 3, 0]
    assert EventKind.ORDER_TRIGGERED in kinds(events)


DELEVERAGED = [EventKind.FILL, EventKind.LIQUIDATION, EventKind.FILL, EventKind.DELEVERAGED]
STEP = [EventKind.FILL, EventKind.FILL, EventKind.LIQUIDATION]


def test_the_fund_takes_over_where_the_best_order_is_beyond_the_bankruptcy_price() -> None:
    both = coins(fund(1_000, COIN.id))
    both.submit(place_limit(1, 0, BUY, 4, 9_100))
    events = at(both, 1, marks(1, 95.5))
    assert kinds(events) == [*STEP, EventKind.TAKEN_OVER, *DELEVERAGED]
    assert closed(events) == [(1, 3, 4, 9_100, 2), (0, 0, -4, 9_500, 2), (0, 0, -6, 9_500, 3), (5, 0, 6, 9_500, 4)]
    passed = [(e.lots, e.price_ticks, e.amount, e.trade) for e in events if e.kind == EventKind.TAKEN_OVER]
    assert passed == [(-4, 9_100, -16 * E8, 2)]
    both.compare()


def test_a_bid_of_one_lot_at_one_tick_does_not_drain_the_fund() -> None:
    both = coins(fund(2_000, COIN.id))
    both.submit(place_limit(1, 0, BUY, 1, 1))
    events = at(both, 1, marks(1, 95.5))
    assert kinds(events) == DELEVERAGED
    assert closed(events) == [(0, 0, -10, 9_500, 2), (5, 0, 10, 9_500, 3)]
    assert both.twin.funds == [2_000 * E8]
    assert both.twin.markets[0].last_e8 == 100 * E8
    both.compare()


@pytest.mark.parametrize(("ticks", "passed_on"), [(9_073, True), (9_072, False)])  # 95 % of 95.50 are 90.725
def test_the_fund_sells_within_a_twentieth_of_the_mark(ticks: int, passed_on: bool) -> None:
    both = coins(fund(1_000, COIN.id))
    both.submit(place_limit(1, 0, BUY, 10, ticks))
    events = at(both, 1, marks(1, 95.5))
    assert kinds(events) == ([*STEP, EventKind.TAKEN_OVER] if passed_on else DELEVERAGED)


@pytest.mark.parametrize(("ticks", "passed_on"), [(10_962, True), (10_963, False)])  # 105 % of 104.40 are 109.62
def test_the_fund_buys_within_a_twentieth_of_the_mark(ticks: int, passed_on: bool) -> None:
    both = coins(fund(1_000, COIN.id))
    both.submit(transfer(4, -999_950 * E8))
    both.submit(set_leverage(4, 0, 25))
    both.submit(place_limit(4, 0, SELL, 10, 10_000))
    both.submit(place_limit(3, 0, BUY, 10, 10_000))
    both.submit(place_limit(1, 0, SELL, 10, ticks))
    events = at(both, 1, marks(1, 104.4))
    assert kinds(events) == ([*STEP, EventKind.TAKEN_OVER] if passed_on else DELEVERAGED)
    assert {e.account for e in events if e.kind == EventKind.DELEVERAGED} == (set() if passed_on else {0})


def test_what_deleveraging_leaves_is_taken_over_at_any_price() -> None:
    both = coins(fund(0, COIN.id))
    both.submit(place_limit(1, 0, SELL, 10, 9_400))  # who is short has sold below 95, where it would lose
    both.submit(place_limit(5, 0, BUY, 10, 9_400))
    both.submit(place_limit(2, 0, BUY, 4, 8_000))
    events = at(both, 1, marks(1, 95.5))
    assert kinds(events) == [*STEP, EventKind.TAKEN_OVER, EventKind.FILL, EventKind.LIQUIDATION, EventKind.TAKEN_OVER]
    passed = [(e.lots, e.price_ticks, e.amount) for e in events if e.kind == EventKind.TAKEN_OVER]
    assert passed == [(-4, 8_000, -60 * E8), (-6, 8_000, -90 * E8)]  # nobody is left: at the last price
    assert both.twin.funds == [-150 * E8]


def test_without_a_bankruptcy_price_it_is_deleveraged_at_the_last_one() -> None:
    """The short position, which is the older one, bears the losses of the other: no price above zero leaves nothing."""
    names = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(2)]
    venue = msgspec.structs.replace(binance_usdm.RULES, liquidation_priority=LiquidationPriority.OLDEST_POSITION)
    books = {name.id: BY_TIME for name in names}
    both = pair(Setup(venue, names, [[COIN_TERMS]] * 2, 3, 0, [0, 0], (), books=books))
    both.advance(0, [marks(0, 100), msgspec.structs.replace(marks(0, 100), instrument=1)])
    for account in range(3):
        both.submit(transfer(account, (250 if account == 0 else 1_000_000) * E8))
    both.submit(set_leverage(0, 1, 50))
    both.submit(place_limit(1, 0, BUY, 1, 10_000))
    both.submit(place_limit(0, 0, SELL, 1, 10_000))
    both.submit(place_limit(2, 1, SELL, 100, 10_000))
    both.submit(place_limit(0, 1, BUY, 100, 10_000))
    events = at(both, 1, msgspec.structs.replace(marks(1, 96), instrument=1))
    first = [(e.account, e.instrument, e.lots, e.price_ticks) for e in events if e.kind == EventKind.FILL][:2]
    assert kinds(events)[:4] == DELEVERAGED
    assert first == [(0, 0, 1, 10_000), (1, 0, -1, 10_000)]
    both.compare()


def test_without_a_fund_nobody_is_closed_out_against_nobody() -> None:
    both = coins(fund=False)
    assert EventKind.LIQUIDATION not in kinds(at(both, 1, marks(1, 95.5)))
    assert EventKind.LIQUIDATION not in kinds(at(both, 2, marks(2, 94)))
    both.submit(place_limit(1, 0, BUY, 10, 9_300))
    events = at(both, 3, marks(3, 94))
    assert kinds(events) == STEP
    assert closed(events) == [(1, 3, 10, 9_300, 2), (0, 0, -10, 9_300, 2)]
    assert (both.twin.accounts[0].wallet, both.twin.accounts[0].called) == (-20 * E8, 0)  # a debt
    both.compare()


def test_without_a_fund_an_isolated_position_waits_likewise() -> None:
    both = coins(fund=False)
    both.submit(transfer(2, -999_900 * E8))
    both.submit(set_margin_scope(2, 0, MarginScope.ISOLATED))
    both.submit(place_limit(5, 0, SELL, 10, 10_000))
    both.submit(place_limit(2, 0, BUY, 10, 10_000))
    assert EventKind.LIQUIDATION not in kinds(at(both, 1, marks(1, 94.5)))
    both.submit(place_limit(1, 0, BUY, 20, 9_400))
    events = at(both, 2, marks(2, 94.5))
    assert {e.account for e in events if e.kind == EventKind.LIQUIDATION} == {0, 2}
    assert all(not both.twin.accounts[k].positions[0].lots for k in (0, 2))


def test_where_nobody_is_left_the_call_is_overdue_and_it_goes_on_at_the_next_instant() -> None:
    both = market()
    both.submit(transfer(0, -9_999_500 * DOLLARS))
    rest(both, SELL, (3, 900), account=1)
    both.submit(order(0, BUY, 3, 900))
    own = rest(both, BUY, (1, 880), account=0)
    called = at(both, 1, marks(1, 896))  # 600 of 500 are gone; its own bid is on the other side, then nobody
    assert gone(called) == [(own[0], CancelReason.LIQUIDATION)]
    assert EventKind.LIQUIDATION not in kinds(called)
    assert both.twin.accounts[0].called == -1
    rest(both, BUY, (1, 896), (1, 895.75), account=2)
    events = at(both, 2, marks(2, 896))
    assert kinds(events) == STEP * 2
    assert both.twin.accounts[0].called == -1
    assert both.twin.accounts[0].positions[0].lots == 1
    assert kinds(at(both, 3, marks(3, 896))) == []
    rest(both, BUY, (5, 895), account=2)
    assert kinds(at(both, 4, marks(4, 896))) == STEP
    assert (both.twin.accounts[0].positions[0].lots, both.twin.accounts[0].called) == (0, 0)
    both.compare()


def test_a_liquidation_passes_over_who_would_not_reduce_and_takes_the_accounts_own_orders_out() -> None:
    both = coins()
    both.submit(place(5, 0, BUY, OrderKind.LIMIT, 8, price_ticks=9_700, reduce_only=1))
    both.submit(place_limit(1, 0, SELL, 3, 9_900))
    both.submit(place_limit(5, 0, BUY, 3, 9_900))  # seven are left of what the eight were to close
    both.submit(place_limit(2, 0, BUY, 9, 9_690))
    both.submit(place(0, 0, SELL, OrderKind.LIMIT, 1, price_ticks=11_000))
    both.submit(place(0, 0, SELL, OrderKind.MARKET, 1, trigger=TriggerKind.TAKE_PROFIT, trigger_e8=120 * E8))
    events = at(both, 1, marks(1, 95.9))
    own = [(7, CancelReason.LIQUIDATION), (8, CancelReason.LIQUIDATION)]
    assert gone(events) == [*own, (3, CancelReason.WOULD_NOT_REDUCE)]
    assert {e.account for e in events if e.kind == EventKind.FILL} == {0, 2}


def test_delivery_and_new_terms_cancel_conditional_orders_too() -> None:
    coarse = msgspec.structs.replace(TERMS, tick_step=4)
    ends = msgspec.structs.replace(es(), deliver_ns=2)
    both = pair(Setup(cme_globex.RULES, [ends], [[TERMS, coarse]], 1, 0, [0], books={ends.id: BY_TIME}))
    both.advance(0, [marks(0, 900)])
    both.submit(transfer(0, 10_000 * DOLLARS))
    for price in (905.25, 906):
        rest(both, BUY, (1, price), trigger=TriggerKind.STOP, trigger_e8=905 * E8)
    both.submit(order(0, BUY, 1, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=905 * E8))
    new = MarketEvent(ts_ns=1, kind=MarketEventKind.TERMS, instrument=0, terms=1)
    assert gone(at(both, 1, new)) == [(1, CancelReason.OFF_TICK_BY_NEW_TERMS)]
    over = MarketEvent(ts_ns=2, kind=MarketEventKind.STATUS, instrument=0, status=InstrumentStatus.DELIVERING)
    over = msgspec.structs.replace(over, index_e8=900 * E8)
    assert gone(at(both, 2, over)) == [(2, CancelReason.DELIVERY), (3, CancelReason.DELIVERY)]


def test_an_account_in_hedge_mode_says_which_position_an_order_is_of() -> None:
    both = coins()
    both.submit(set_hedge_mode(1, True))
    sold = both.submit(place(1, 0, SELL, OrderKind.LIMIT, 3, price_ticks=10_100, position_side=PositionSide.SHORT))
    assert sold[0].flags == SHORT_SIDE
    told = both.submit(amend(1, sold[0].order, 2, 10_200))
    assert told[0].flags == SHORT_SIDE
    refused = both.submit(place(1, 0, BUY, OrderKind.MARKET, 2, position_side=PositionSide.SHORT))
    assert answer(refused) == RejectReason.WOULD_NOT_REDUCE
    both.submit(place_limit(2, 0, BUY, 2, 10_200))
    waits = {"trigger": TriggerKind.STOP, "trigger_e8": 103 * E8, "position_side": PositionSide.SHORT}
    both.submit(place(1, 0, BUY, OrderKind.MARKET, 2, **waits))
    both.submit(place_limit(3, 0, SELL, 9, 10_300))
    events = both.submit(place_limit(2, 0, BUY, 1, 10_300))
    assert [(e.lots, e.flags) for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [(2, SHORT_SIDE)]
    assert both.twin.accounts[1].positions[1].lots == 0


def test_a_position_closed_and_opened_again_in_one_trade_with_oneself_keeps_its_margin_call() -> None:
    """Its order works on, so that nothing was ever without lots, cost, margin and orders."""
    both = coins()
    both.submit(transfer(0, 1_000 * E8))  # it is not about this one
    both.submit(set_leverage(3, 0, 25))
    both.submit(place_limit(5, 0, SELL, 4, 10_000))
    both.submit(place_limit(3, 0, BUY, 4, 10_000))
    both.submit(place_limit(3, 0, BUY, 6, 9_900))
    both.submit(transfer(3, -999_959 * E8))  # 41 are left, a 25th of 400 and of 594
    at(both, 1, marks(1, 90.8))  # 36.80 lost: 4.20 against 3.632
    assert both.twin.accounts[3].called
    events = both.submit(place(3, 0, SELL, OrderKind.MARKET, 4, reduce_only=1))
    assert [(lots, ticks) for _, _, lots, ticks, _ in closed(events)] == [(-4, 9_900), (4, 9_900)]
    assert both.twin.accounts[3].called
    both.compare()
