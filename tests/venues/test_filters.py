"""Binance's filters on a book, by the values of BTCUSDT (facts/binance.md 7.3), on both exchanges."""

from __future__ import annotations

import pytest
from msgspec import structs

from novation.domain.book import BookRules, Filters
from novation.domain.commands import amend, cancel, place, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    OrderKind,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.errors import InvalidInput
from novation.domain.events import Event
from novation.domain.units import E8, NS
from novation.venues import binance_usdm
from tests.venues.book_cases import BUY, SELL, Pair, marks
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import TERMS
from tests.venues.test_edges import coin
from tests.venues.test_phases import answer

#: As BTCUSDT had them on 2026-09-15: tick 0.10, lot 0.001; a trailing order's bounds and GTD's are of all symbols.
BTCUSDT = Filters(
    max_market_lots=120_000,
    min_ticks=5_568,
    max_ticks=45_297_640,
    up_e8=105_000_000,
    down_e8=95_000_000,
    max_orders=200,
    max_conditional=200,
    least_callback_e8=E8 // 1_000,
    most_callback_e8=E8 // 10,
    least_gtd_ns=600 * NS,
)
#: A mark of 60,000.05.
MARK_TICKS = 600_000


def market(filters: Filters = BTCUSDT, *, min_notional: int = 0, **rules: bool) -> Pair:
    """One book, two accounts with a thousand million."""
    btc = coin(tick_e8=E8 // 10, lot_e8=E8 // 1_000)
    terms = structs.replace(TERMS, min_notional=min_notional * E8)
    books = {btc.id: BookRules(filters=filters, **rules)}
    both = pair(Setup(binance_usdm.RULES, [btc], [[terms]], 2, 0, [0], books=books))
    both.advance(0, [marks(0, 60_000.05)])
    for account in range(2):
        both.submit(transfer(account, 1_000_000_000 * E8))
    return both


def told(both: Pair, side: Side, kind: OrderKind, lots: int = 1, **fields: int) -> tuple[RejectReason, int, int]:
    """Why an order is refused, the value and the limit."""
    events = both.submit(place(0, 0, side, kind, lots, **fields))
    return answer(events), events[0].amount, events[0].cost


def test_a_buyer_bids_up_to_a_share_above_the_mark_and_a_seller_asks_down_to_one_below() -> None:
    """1.05 and 0.95 times 60,000.05 are 63,000.0525 and 57,000.0475; far below and far above is free."""
    both = market()
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=630_000)[0] == 0
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=630_001) == (RejectReason.PRICE_ABOVE_CAP, 630_001, 630_000)
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=5_568)[0] == 0
    both = market()
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=570_001)[0] == 0
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=570_000) == (RejectReason.PRICE_BELOW_FLOOR, 570_000, 570_001)
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=45_297_640)[0] == 0
    both.compare()


def test_prices_have_a_lowest_and_a_highest() -> None:
    both = market()
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=5_567) == (RejectReason.PRICE_BELOW_MIN, 5_567, 5_568)
    above = (RejectReason.PRICE_ABOVE_MAX, 45_297_641, 45_297_640)
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=45_297_641) == above
    both.compare()


def test_the_limit_of_a_stop_is_measured_by_its_trigger() -> None:
    """A stop at 80,000: 84,000 is its buyer's highest price, though 63,000.0 is that of an order now."""
    both = market()
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 80_000 * E8}
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=840_000, **stop)[0] == 0
    told_above = told(both, BUY, OrderKind.LIMIT, price_ticks=840_001, **stop)
    assert told_above == (RejectReason.PRICE_ABOVE_CAP, 840_001, 840_000)
    below = {"trigger": TriggerKind.STOP, "trigger_e8": 40_000 * E8}
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=380_000, **below)[0] == 0
    assert told(both, SELL, OrderKind.LIMIT, price_ticks=379_999, **below)[0] == RejectReason.PRICE_BELOW_FLOOR
    both.compare()


def test_a_market_order_has_a_size_of_its_own() -> None:
    both = market()
    over = (RejectReason.QTY_ABOVE_MAX, 120_001, 120_000)
    assert told(both, BUY, OrderKind.MARKET, 120_001) == over
    assert told(both, BUY, OrderKind.MARKET, 120_001, trigger=TriggerKind.STOP, trigger_e8=70_000 * E8) == over
    assert told(both, BUY, OrderKind.LIMIT, 120_001, price_ticks=10_000)[0] == 0
    both.compare()


def test_an_account_has_so_many_orders_and_no_more() -> None:
    both = market(Filters(max_orders=3, max_conditional=2))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 70_000 * E8}
    answers = [told(both, BUY, OrderKind.LIMIT, price_ticks=599_000 - n) for n in range(4)]
    assert [a[0] for a in answers] == [0, 0, 0, RejectReason.TOO_MANY_ORDERS] and answers[-1][1:] == (4, 3)
    answers = [told(both, BUY, OrderKind.MARKET, **stop) for _ in range(3)]
    assert [a[0] for a in answers] == [0, 0, RejectReason.TOO_MANY_CONDITIONAL] and answers[-1][1:] == (3, 2)
    assert told(both, BUY, OrderKind.MARKET)[0] == 0  # it does not stay
    assert answer(both.submit(place(1, 0, BUY, OrderKind.LIMIT, 1, price_ticks=599_000))) == 0  # of each account
    both.submit(cancel(0, 1))
    assert told(both, BUY, OrderKind.LIMIT, price_ticks=599_000)[0] == 0
    both.compare()


def test_a_trailing_order_lets_the_price_come_back_by_a_tenth_of_a_per_cent_to_ten() -> None:
    both = market()
    for callback, reason in ((99_999, RejectReason.BAD_TRIGGER), (100_000, 0), (10_000_000, 0), (10_000_001, 315)):
        found = told(both, SELL, OrderKind.MARKET, trigger=TriggerKind.TRAILING, callback_e8=callback)[0]
        assert found == reason, callback
    both.compare()


def test_the_end_of_a_gtd_order_lies_more_than_ten_minutes_ahead() -> None:
    both = market()
    gtd = {"time_in_force": TimeInForce.GTD, "price_ticks": 599_000}
    assert told(both, BUY, OrderKind.LIMIT, expire_ns=600 * NS, **gtd)[0] == RejectReason.BAD_TIME_IN_FORCE
    assert told(both, BUY, OrderKind.LIMIT, expire_ns=600 * NS + 1, **gtd)[0] == 0
    both.compare()


def test_an_amended_price_is_measured_by_the_mark() -> None:
    both = market()
    told(both, BUY, OrderKind.LIMIT, price_ticks=599_000)
    (refused,) = both.submit(amend(0, 1, 1, 630_001))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.PRICE_ABOVE_CAP, 630_001, 630_000)
    assert both.submit(amend(0, 1, 1, 630_000))[0].kind == EventKind.ORDER_AMENDED
    both.compare()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_orders": -1}, "max_orders.*whole number"),
        ({"up_e8": 100 * E8 + 1}, "up_e8.*0 to 10,000,000,000"),
        ({"min_ticks": 5, "max_ticks": 4}, "min_ticks is above max_ticks"),
        ({"least_gtd_ns": 1.5}, "least_gtd_ns.*whole number"),
    ],
)
def test_filters_that_cannot_be_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){message}"):
        Filters(**wrong)


# -- a market order's bound, and the end of GTC ---------------------------------------------------------------------


def test_a_market_order_trades_within_its_bound_of_the_mark_and_its_rest_ends() -> None:
    """5 % above 60,000.05 are 63,000.0525: who asks 63,000.0 is met, who asks a dime more is not."""
    both = market(Filters(take_bound_e8=5_000_000))
    for ticks in (600_000, 630_000, 630_001):
        both.submit(place(1, 0, SELL, OrderKind.LIMIT, 2, price_ticks=ticks))
    events = both.submit(place(0, 0, BUY, OrderKind.MARKET, 5))
    assert [(e.lots, e.price_ticks) for e in events if e.kind == EventKind.FILL and e.account == 0] == [
        (2, 600_000),
        (2, 630_000),
    ]
    assert (events[-1].kind, events[-1].lots) == (EventKind.ORDER_CANCELLED, 1)
    assert events[-1].reason == CancelReason.BEYOND_TAKE_BOUND
    both.submit(place(1, 0, BUY, OrderKind.LIMIT, 1, price_ticks=570_000))  # 57,000.0475 is the seller's
    (ended,) = both.submit(place(0, 0, SELL, OrderKind.MARKET, 1))[1:]
    assert ended.reason == CancelReason.BEYOND_TAKE_BOUND
    both.compare()


def test_nobody_there_at_all_is_told_apart_from_the_bound() -> None:
    both = market(Filters(take_bound_e8=5_000_000))
    assert both.submit(place(0, 0, BUY, OrderKind.MARKET, 1))[1].reason == CancelReason.NO_LIQUIDITY
    both.compare()


def test_a_market_order_is_refused_where_the_best_price_is_beyond_what_a_limit_order_may_ask() -> None:
    """Binance's -4131, and only of who would meet it."""
    both = market()
    told(both, SELL, OrderKind.LIMIT, price_ticks=630_001)
    found = both.submit(place(1, 0, BUY, OrderKind.MARKET, 1))[0]
    assert answer([found]) == RejectReason.OPPOSITE_OUT_OF_RANGE
    assert (found.amount, found.cost) == (630_001, 630_000)
    told(both, SELL, OrderKind.LIMIT, price_ticks=630_000)
    assert answer(both.submit(place(1, 0, BUY, OrderKind.MARKET, 1))) == 0
    both.compare()


def test_a_gtc_order_ends_after_a_year() -> None:
    year = 365 * 86_400 * NS
    both = market(Filters(gtc_ns=year))
    told(both, BUY, OrderKind.LIMIT, price_ticks=599_000)
    told(both, BUY, OrderKind.LIMIT, price_ticks=598_000, time_in_force=TimeInForce.POST_ONLY)
    told(both, BUY, OrderKind.LIMIT, price_ticks=597_000, time_in_force=TimeInForce.DAY)
    assert not both.advance(year - 1, [])
    assert [(e.order, e.reason) for e in both.advance(year, [])] == [
        (1, CancelReason.EXPIRED),
        (2, CancelReason.EXPIRED),
    ]
    assert not both.advance(2 * year, [])
    both.compare()


# -- notional -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "price", "rests", "refused"),
    [
        (OrderKind.MARKET, 0, 590_000, 0),  # 120.0001 by the mark, 118 by what it would pay
        (OrderKind.LIMIT, 600_000, 590_000, 0),  # 120 at its own price
        (OrderKind.LIMIT, 599_999, 590_000, RejectReason.MIN_NOTIONAL),
    ],
)
def test_an_orders_notional_is_at_its_own_price_and_a_market_orders_at_the_mark(
    kind: OrderKind, price: int, rests: int, refused: int
) -> None:
    """facts/binance.md 7.3. Two lots of 0.001, the least notional 120; sellers at 59,000."""
    both = market(Filters(), min_notional=120)
    both.submit(place(1, 0, SELL, OrderKind.LIMIT, 9, price_ticks=rests))
    assert told(both, BUY, kind, 2, price_ticks=price)[0] == refused
    both.compare()


def test_before_the_first_mark_no_market_order_is_too_small() -> None:
    btc = coin(tick_e8=E8 // 10, lot_e8=E8 // 1_000)
    terms = structs.replace(TERMS, min_notional=100 * E8)
    both = pair(Setup(binance_usdm.RULES, [btc], [[terms]], 2, 0, [0], books={btc.id: BookRules()}))
    for account in range(2):
        both.submit(transfer(account, 1_000_000_000 * E8))
    both.submit(place(1, 0, SELL, OrderKind.LIMIT, 9, price_ticks=600_000))
    assert told(both, BUY, OrderKind.MARKET, 1)[0] == 0
    both.compare()


def test_a_market_order_that_would_pay_more_than_its_mark_is_small_by_the_mark() -> None:
    both = market(Filters(), min_notional=121)
    both.submit(place(1, 0, SELL, OrderKind.LIMIT, 9, price_ticks=610_000))
    by_mark = 2 * 6_000_005 * E8 // 100_000
    assert told(both, BUY, OrderKind.MARKET, 2) == (RejectReason.MIN_NOTIONAL, by_mark, 121 * E8)
    both.compare()


# -- amendments -----------------------------------------------------------------------------------------------------


def test_an_order_is_amended_less_often_than_the_limit() -> None:
    """maxMoveOrderLimit (facts/binance.md 7.1: 10,000): with 3, twice."""
    both = market(Filters(max_amends=3))
    order = both.submit(place(0, 0, BUY, OrderKind.LIMIT, 5, price_ticks=590_000))[0].order
    for ticks in (590_001, 590_002):
        assert both.submit(amend(0, order, 5, ticks))[0].kind == EventKind.ORDER_AMENDED
    refused = both.submit(amend(0, order, 5, 590_003))[0]
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.AMENDED_TOO_OFTEN, 2, 3)
    another = both.submit(place(0, 0, BUY, OrderKind.LIMIT, 5, price_ticks=590_000))[0].order
    assert both.submit(amend(0, another, 5, 590_001))[0].kind == EventKind.ORDER_AMENDED
    both.compare()


@pytest.mark.parametrize(("drops", "after"), [(True, EventKind.FILL), (False, EventKind.ORDER_CANCELLED)])
def test_an_amended_order_trades_with_ones_own_where_the_venue_forgets_its_word(drops: bool, after: EventKind) -> None:
    """facts/binance.md 7.1: modify resets the self-trade mode to NONE."""
    both = market(Filters(), amend_drops_self_trade=drops)
    both.submit(place(0, 0, SELL, OrderKind.LIMIT, 5, price_ticks=601_000))
    word = {"self_trade": SelfTrade.CANCEL_TAKER}
    order = both.submit(place(0, 0, BUY, OrderKind.LIMIT, 5, price_ticks=599_000, **word))[0].order
    assert after in [event.kind for event in both.submit(amend(0, order, 5, 601_000))]
    both.compare()


def test_a_refused_amendment_leaves_the_word_on_self_trades() -> None:
    both = market(Filters(), amend_drops_self_trade=True)
    word = {"self_trade": SelfTrade.CANCEL_TAKER}
    order = both.submit(place(0, 0, BUY, OrderKind.LIMIT, 5, price_ticks=599_000, **word))[0].order
    assert answer(both.submit(amend(0, order, 1 << 45, 599_000))) != 0
    both.compare()


# -- price protection -----------------------------------------------------------------------------------------------


def protected(both: Pair, side: Side, trigger: int, by: TriggerPrice = TriggerPrice.LAST) -> int:
    """A stop that waits on while last price and mark lie too far apart; its id."""
    fields = {"trigger": TriggerKind.STOP, "trigger_e8": trigger * E8, "trigger_by": by, "price_protect": 1}
    return both.submit(place(0, 0, side, OrderKind.MARKET, 1, **fields))[0].order


def trade(both: Pair, price: int) -> list[Event]:
    """One lot trades at a price."""
    both.submit(place(1, 0, BUY, OrderKind.LIMIT, 1, price_ticks=price * 10))
    return both.submit(place(1, 0, SELL, OrderKind.LIMIT, 1, price_ticks=price * 10))


def test_a_protected_stop_waits_on_while_last_price_and_mark_lie_too_far_apart() -> None:
    """5 % of a last price of 57,000 are 2,850: the mark, 60,000.05, is further. At 59,849 it is near enough."""
    both = market(Filters(trigger_protect_e8=5_000_000))
    trade(both, 60_000)
    stop = protected(both, SELL, 58_000)
    assert not [e for e in trade(both, 57_000) if e.kind == EventKind.ORDER_TRIGGERED]
    assert not both.advance(NS, [marks(NS, 59_851)])
    (triggered, _) = both.advance(2 * NS, [marks(2 * NS, 59_850)])
    assert (triggered.kind, triggered.order, triggered.price_e8) == (EventKind.ORDER_TRIGGERED, stop, 57_000 * E8)
    both.compare()


def test_a_trade_that_brings_the_last_price_back_to_the_mark_lets_it_go() -> None:
    both = market(Filters(trigger_protect_e8=5_000_000))
    trade(both, 60_000)
    protected(both, SELL, 58_000)
    trade(both, 57_000)
    assert [e.kind for e in trade(both, 57_900)].count(EventKind.ORDER_TRIGGERED) == 1
    both.compare()


def test_a_protected_stop_by_the_mark_is_looked_at_as_the_mark_moves() -> None:
    both = market(Filters(trigger_protect_e8=5_000_000))
    trade(both, 60_000)
    stop = protected(both, SELL, 58_000, TriggerPrice.MARK)
    assert not both.advance(NS, [marks(NS, 56_999)])  # 3,001 from a last price whose share is 3,000
    assert both.advance(2 * NS, [marks(2 * NS, 57_000)])[0].order == stop
    both.compare()


def test_protection_is_of_stops_and_take_profits_where_the_book_has_it() -> None:
    fields = {"price_protect": 1, "trigger": TriggerKind.STOP, "trigger_e8": 70_000 * E8}
    assert told(market(), BUY, OrderKind.MARKET, **fields)[0] == RejectReason.BAD_TRIGGER
    both = market(Filters(trigger_protect_e8=5_000_000))
    assert told(both, BUY, OrderKind.MARKET, **fields)[0] == 0
    assert told(both, BUY, OrderKind.MARKET, price_protect=1)[0] == RejectReason.BAD_TRIGGER
    trailing = {"price_protect": 1, "trigger": TriggerKind.TRAILING, "callback_e8": 1_000_000}
    assert told(both, BUY, OrderKind.MARKET, **trailing)[0] == RejectReason.BAD_TRIGGER
    both.compare()
