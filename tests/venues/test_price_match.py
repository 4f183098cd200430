"""Orders at the n-th price of a side (Binance's price match; facts/binance.md 7.1), on both exchanges."""

from __future__ import annotations

import pytest

from novation.domain.book import BookRules
from novation.domain.enums import (
    CancelReason,
    EventKind,
    OrderKind,
    RejectReason,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from tests.venues.book_cases import BUY, SELL, Pair, at, fills, gone, market, marks, order, rest
from tests.venues.test_phases import answer

MATCHING = BookRules(price_match=True)


def deep(prices: int = 6) -> Pair:
    """So many bids from 900 down and offers from 901 up, a point apart, one lot each."""
    both = market(MATCHING)
    rest(both, BUY, *((1, 900 - n) for n in range(prices)))
    rest(both, SELL, *((1, 901 + n) for n in range(prices)), account=1)
    return both


@pytest.mark.parametrize(
    ("side", "kind", "price"),
    [
        (BUY, OrderKind.MARKET_LIMIT, 901),
        (BUY, OrderKind.OPPONENT_5, 905),
        (BUY, OrderKind.QUEUE, 900),
        (BUY, OrderKind.QUEUE_5, 896),
        (SELL, OrderKind.MARKET_LIMIT, 900),
        (SELL, OrderKind.OPPONENT_5, 896),
        (SELL, OrderKind.QUEUE, 901),
        (SELL, OrderKind.QUEUE_5, 905),
    ],
)
def test_an_order_is_priced_by_the_book_as_it_arrives(side: int, kind: OrderKind, price: float) -> None:
    both = deep()
    events = both.submit(order(2, side, 9, kind))  # type: ignore[arg-type]
    assert (events[0].kind, events[0].price_ticks) == (EventKind.ORDER_ACCEPTED, round(price * 4))
    taken = fills(events)
    assert len(taken) == {OrderKind.MARKET_LIMIT: 1, OrderKind.OPPONENT_5: 5}.get(kind, 0)
    (view,) = {q.price_ticks: q for q in (both.twin.orders.values()) if q.account == 2}.values()
    assert (view.price_ticks, view.lots, view.kind) == (round(price * 4), 9 - len(taken), OrderKind.LIMIT)
    both.compare()


@pytest.mark.parametrize("kind", [OrderKind.OPPONENT_5, OrderKind.QUEUE_5, OrderKind.OPPONENT_10, OrderKind.QUEUE_20])
def test_where_there_are_fewer_prices_it_is_refused(kind: OrderKind) -> None:
    both = deep(4)
    assert answer(both.submit(order(2, BUY, 1, kind))) == RejectReason.NO_OPPOSITE
    both.compare()


def test_an_order_for_the_queue_may_be_post_only_and_one_that_takes_is_refused() -> None:
    both = deep()
    post = {"time_in_force": TimeInForce.POST_ONLY}
    assert answer(both.submit(order(2, BUY, 1, OrderKind.QUEUE, **post))) == 0
    assert answer(both.submit(order(2, BUY, 1, OrderKind.OPPONENT_5, **post))) == RejectReason.WOULD_TAKE
    assert answer(both.submit(order(2, BUY, 1, OrderKind.MARKET_LIMIT, **post))) == RejectReason.BAD_TIME_IN_FORCE
    both.compare()


def test_a_stop_is_priced_as_it_is_triggered() -> None:
    both = deep()
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 910 * 10**8, "trigger_by": TriggerPrice.MARK}
    both.submit(order(2, BUY, 3, OrderKind.QUEUE_5, **stop))
    both.submit(order(3, BUY, 3, OrderKind.QUEUE_10, **stop))
    events = at(both, 5, marks(5, 910))
    triggered = [e.price_ticks / 4 for e in events if e.kind == EventKind.ORDER_TRIGGERED]
    assert triggered == [896] and gone(events) == [(14, CancelReason.NO_OPPOSITE)]
    both.compare()


def test_a_book_without_price_match_knows_no_such_orders() -> None:
    both = market()
    rest(both, BUY, (1, 900))
    assert answer(both.submit(order(2, BUY, 1, OrderKind.QUEUE))) == RejectReason.BAD_ORDER_KIND
