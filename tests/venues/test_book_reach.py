"""How far an order gets: whom it would trade with, and what that costs; on both exchanges (docs/rules/book.md)."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import amend, place, place_limit, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    SelfTrade,
    TimeInForce,
    TriggerKind,
)
from novation.domain.units import E8
from novation.venues import binance_usdm
from tests.venues.book_cases import (
    BUY,
    BY_TIME,
    DOLLARS,
    K_20_80,
    SELL,
    Pair,
    at,
    fills,
    gone,
    market,
    marks,
    order,
    queue,
    rest,
    trade_at,
)
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import COIN
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_phases import answer, kinds, phase

FOK = {"time_in_force": TimeInForce.FOK}
POST_ONLY = {"time_in_force": TimeInForce.POST_ONLY}
#: Ten times what the coin is worth, in ticks.
FAR = 100_000


def poor(rules: BookRules = BY_TIME) -> Pair:
    """A coin at 100 on a book; the first account has 40, four others have plenty, and one of these offers at 1,000."""
    both = pair(Setup(binance_usdm.RULES, [COIN], [[COIN_TERMS]], 5, 0, [0], books={COIN.id: rules}))
    both.advance(0, [marks(0, 100)])
    for account in range(5):
        both.submit(transfer(account, (40 if account == 0 else 1_000_000) * E8))
    both.submit(place_limit(4, 0, SELL, 9, FAR))
    return both


def stale(both: Pair, lots: int, ticks: int) -> int:
    """Somebody's order that may only reduce, of so many lots, and whose position is one lot less; its number."""
    both.submit(place_limit(2, 0, SELL, lots, ticks - 40))
    both.submit(place_limit(1, 0, BUY, lots, ticks - 40))
    number = both.submit(place(1, 0, SELL, OrderKind.LIMIT, lots, price_ticks=ticks, reduce_only=1))[0].order
    both.submit(place_limit(2, 0, BUY, 1, ticks - 40))
    both.submit(place_limit(1, 0, SELL, 1, ticks - 40))
    return number


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_behind_an_own_order_that_would_be_cancelled_it_is_asked_for_what_it_pays() -> None:
    both = poor()
    own = both.submit(place_limit(0, 0, SELL, 1, 10_000))[0].order
    buy = place(0, 0, BUY, OrderKind.MARKET, 1, self_trade=SelfTrade.CANCEL_MAKER)
    (refused,) = both.submit(buy)
    assert answer([refused]) == RejectReason.INSUFFICIENT_MARGIN
    assert refused.amount > 900 * E8
    assert own in both.twin.orders
    traded = both.submit(msgspec.structs.replace(buy, self_trade=SelfTrade.TRADE))  # at 100, with itself
    assert [e.price_ticks for e in traded if e.kind == EventKind.FILL] == [10_000, 10_000]


def test_behind_somebodys_order_that_would_not_reduce_any_more_likewise() -> None:
    both = poor()
    number = stale(both, 2, 10_040)
    buy = place(0, 0, BUY, OrderKind.MARKET, 1)
    assert answer(both.submit(buy)) == RejectReason.INSUFFICIENT_MARGIN
    both.submit(amend(1, number, 1, 10_040))  # now it would reduce
    assert [e.price_ticks for e in both.submit(buy) if e.kind == EventKind.FILL] == [10_040, 10_040]


def test_an_order_that_has_a_limit_is_triggered_or_amended_is_asked_likewise() -> None:
    """A contract takes 100 USD; who buys at 1,000 what is marked at 900 loses 5,000."""
    both = market(BookRules(self_trade=SelfTrade.CANCEL_MAKER))
    (far,) = rest(both, SELL, (1, 1_000), account=3)
    both.submit(transfer(0, -9_999_000 * DOLLARS))
    rest(both, SELL, (1, 901))
    (stop,) = rest(both, BUY, (1, 1_000), trigger=TriggerKind.STOP, trigger_e8=900 * E8)
    (bid,) = rest(both, BUY, (1, 890))
    assert answer(both.submit(order(0, BUY, 1, 1_000))) == RejectReason.INSUFFICIENT_MARGIN
    assert answer(both.submit(amend(0, bid, 1, 4_000))) == RejectReason.INSUFFICIENT_MARGIN
    events = trade_at(both, 900)
    assert EventKind.ORDER_TRIGGERED in kinds(events)
    assert gone(events) == [(stop, CancelReason.INSUFFICIENT_MARGIN)]
    assert far in both.twin.orders
    assert kinds(both.submit(amend(0, bid, 1, 4 * 999))) == [EventKind.ORDER_AMENDED, EventKind.ORDER_CANCELLED]


def test_where_the_taker_would_be_cancelled_it_is_not_asked_for_what_is_behind() -> None:
    for mode in (SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH):
        both = poor()
        both.submit(place_limit(0, 0, SELL, 1, 10_000))
        events = both.submit(place(0, 0, BUY, OrderKind.LIMIT, 1, price_ticks=10_100, self_trade=mode))
        assert gone(events)[-1] == (3, CancelReason.SELF_TRADE)
        assert EventKind.FILL not in kinds(events)


def test_the_best_price_is_that_of_the_first_order_counted() -> None:
    """A market order is assumed to pay the best price and half of it more: 150 of an order at 100, 15 of one at 10."""
    dear = msgspec.structs.replace(COIN_TERMS, market_buy_above_ask_e8=50_000_000)
    both = pair(Setup(binance_usdm.RULES, [COIN], [[dear]], 3, 0, [0], books={COIN.id: BY_TIME}))
    both.advance(0, [marks(0, 100)])
    for account, cash in ((0, 26), (1, 1_000), (2, 1_000)):  # 7.50 and the 50 between 100 and 150
        both.submit(transfer(account, cash * E8))
    both.submit(place_limit(0, 0, SELL, 1, 1_000))
    both.submit(place_limit(1, 0, SELL, 1, 10_000))
    buy = place(0, 0, BUY, OrderKind.MARKET, 1, self_trade=SelfTrade.CANCEL_MAKER)
    assert answer(both.submit(buy)) == RejectReason.INSUFFICIENT_MARGIN
    both.submit(transfer(0, 100 * E8))
    assert [e.price_ticks for e in both.submit(buy) if e.kind == EventKind.FILL] == [10_000, 10_000]


# -- how many lots it finds -------------------------------------------------------------------------------------------


def test_fill_or_kill_does_not_count_an_order_that_would_not_reduce() -> None:
    for refuses in (True, False):
        both = market(BookRules(refuse_unfillable=refuses))
        number = stale(both, 4, 4 * 900)
        rest(both, SELL, (3, 901))
        events = both.submit(order(3, BUY, 5, 901, **FOK))
        if refuses:
            assert (answer(events), events[0].amount, events[0].cost) == (RejectReason.NOT_FILLABLE, 5, 3)
        else:
            assert kinds(events) == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_CANCELLED]
            assert gone(events)[0][1] == CancelReason.MINIMUM_NOT_MET
        assert number in both.twin.orders
        events = both.submit(order(3, BUY, 3, 901, **FOK))
        assert (fills(events), gone(events)) == ([(3, 901)], [(number, CancelReason.WOULD_NOT_REDUCE)])


@pytest.mark.parametrize("mode", list(SelfTrade))
def test_fill_or_kill_counts_own_orders_as_it_trades_with_them(mode: SelfTrade) -> None:
    both = market()
    rest(both, SELL, (2, 900))
    rest(both, SELL, (2, 900.25), account=1)
    assert fills(both.submit(order(0, BUY, 4, 901, self_trade=mode, **FOK))) == [(2, 900), (2, 900.25)]


def test_a_minimum_does_not_count_own_orders_that_would_be_cancelled() -> None:
    both = market(BookRules(self_trade=SelfTrade.CANCEL_MAKER))
    rest(both, SELL, (3, 900))
    rest(both, SELL, (2, 901), account=1)
    events = both.submit(order(0, BUY, 5, 901, min_lots=3))
    assert (fills(events), gone(events)) == ([], [(3, CancelReason.MINIMUM_NOT_MET)])
    events = both.submit(order(0, BUY, 5, 901, min_lots=2))
    assert (fills(events), gone(events)) == ([(2, 901)], [(1, CancelReason.SELF_TRADE)])


@pytest.mark.parametrize("mode", [SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH])
def test_ahead_of_an_own_order_only_what_is_shown_counts(mode: SelfTrade) -> None:
    def asked(rules: BookRules, lots: int, min_lots: int) -> list[tuple[int, float]]:
        both = market(rules)
        rest(both, SELL, (1, 899), account=1)
        rest(both, SELL, (5, 900), account=1, display_lots=2)
        rest(both, SELL, (3, 900))
        rest(both, SELL, (9, 901), account=1)
        return fills(both.submit(order(0, BUY, lots, 901, min_lots=min_lots, self_trade=mode)))

    assert asked(BY_TIME, 9, 4) == []
    assert asked(BY_TIME, 9, 3) == [(1, 899), (2, 900)]
    assert asked(BY_TIME, 2, 2) == [(1, 899), (1, 900)]
    # eight stand at 900: seven of them would be given out, eight are taken by time
    assert asked(K_20_80, 8, 2) == []
    assert asked(K_20_80, 8, 1) == [(1, 899)]
    assert asked(K_20_80, 9, 3) == [(1, 899), (2, 900)]
    assert asked(K_20_80, 9, 4) == []


def test_orders_of_one_position_count_as_far_as_they_reduce_it_one_after_another() -> None:
    both = market(BookRules(refuse_unfillable=True))
    rest(both, SELL, (5, 899))
    both.submit(order(1, BUY, 5, 899))
    rest(both, SELL, (3, 900), (2, 901), account=1, reduce_only=1)

    def found() -> int:
        (refused,) = both.submit(order(2, BUY, 99, 910, **FOK))
        assert answer([refused]) == RejectReason.NOT_FILLABLE
        return refused.cost

    assert found() == 5
    (first,) = rest(both, SELL, (1, 899.5), account=1)  # one of five: three of four, not two of one
    assert found() == 4
    both.submit(amend(1, first, 3, round(899.5 * 4)))  # two are left: not the three, but the two behind them
    assert found() == 5
    rest(both, SELL, (7, 901), account=3)
    assert found() == 12
    both.submit(order(2, BUY, 12, 910, **FOK))
    assert both.twin.accounts[2].positions[0].lots == 12


# -- post only --------------------------------------------------------------------------------------------------------


def test_post_only_asks_the_best_price_whatever_stands_there() -> None:
    both = market(BookRules(self_trade=SelfTrade.CANCEL_MAKER))
    stale(both, 4, 4 * 900)
    refused = both.submit(order(0, BUY, 1, 900.5, **POST_ONLY))
    assert (answer(refused), refused[0].amount, refused[0].cost) == (RejectReason.WOULD_TAKE, 3_602, 3_600)
    (bid,) = rest(both, BUY, (1, 899.75), account=0, **POST_ONLY)
    assert gone(both.submit(amend(0, bid, 1, 3_600))) == [(bid, CancelReason.WOULD_TAKE)]
    (ask,) = rest(both, SELL, (1, 899.5))
    refused = both.submit(order(0, BUY, 1, 899.5, **POST_ONLY))
    assert (answer(refused), refused[0].cost) == (RejectReason.WOULD_TAKE, 3_598)
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    assert answer(both.submit(order(3, BUY, 1, 899.5, **POST_ONLY))) == RejectReason.NONE  # nothing is taken now
    assert next(number for number, *_ in queue(both, SELL)) == ask
