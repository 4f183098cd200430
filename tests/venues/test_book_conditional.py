"""Orders that wait for a price, and what they set off, on both exchanges (docs/rules/book.md)."""

from __future__ import annotations

import pytest

from novation.domain.book import BookRules
from novation.domain.commands import (
    amend,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import REDUCE_ONLY, Event
from novation.domain.units import E8
from tests.venues.book_cases import (
    BUY,
    DOLLARS,
    SELL,
    TRAIL,
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
from tests.venues.test_phases import answer, kinds, phase


def test_a_protected_stop_is_limited_from_its_trigger() -> None:
    """facts/cme.md §7: a buy stop at 1330.00 with 3.00 points has the limit 1333.00."""
    both = market(BookRules(protection_ticks=12), mark=1_320)
    trade_at(both, 1_320)
    (told,) = both.submit(order(0, BUY, 9, OrderKind.MARKET_PROTECTED, trigger=TriggerKind.STOP, trigger_e8=1_330 * E8))
    assert (told.price_ticks, told.price_e8) == (0, 1_330 * E8)
    rest(both, SELL, (1, 1_330.5), (2, 1_332.75), (5, 1_333.25), account=1)
    events = both.submit(order(2, BUY, 1, 1_330.5))
    triggered = next(e for e in events if e.kind == EventKind.ORDER_TRIGGERED)
    assert (triggered.lots, triggered.price_ticks, triggered.price_e8) == (9, 4 * 1_333, round(1_330.5 * E8))
    assert fills(events) == [(1, 1_330.5), (2, 1_332.75)]
    assert queue(both, BUY) == [(3, 1_333, 7, 0)]


@pytest.mark.parametrize("by", list(TriggerPrice))
@pytest.mark.parametrize(
    ("kind", "side", "trigger", "not_yet", "then"),
    [
        (TriggerKind.STOP, BUY, 905, 904.75, 905),
        (TriggerKind.STOP, SELL, 895, 895.25, 894),
        (TriggerKind.TAKE_PROFIT, BUY, 895, 895.25, 895),
        (TriggerKind.TAKE_PROFIT, SELL, 905, 904.75, 906),
    ],
)
def test_each_condition_waits_for_its_price(
    by: TriggerPrice, kind: TriggerKind, side: Side, trigger: float, not_yet: float, then: float
) -> None:
    both = market()
    trade_at(both, 900)
    waits = {"trigger": kind, "trigger_e8": round(trigger * E8), "trigger_by": by}
    already = {**waits, "trigger_e8": 900 * E8}
    (refused,) = both.submit(order(0, side, 1, OrderKind.MARKET, **already))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.WOULD_TRIGGER, 900 * E8, 900 * E8)
    number = both.submit(order(0, side, 3, 900, **waits))[0].order

    def moves(price: float, ts_ns: int) -> list[Event]:
        return at(both, ts_ns, marks(ts_ns, price)) if by == TriggerPrice.MARK else trade_at(both, price)

    assert EventKind.ORDER_TRIGGERED not in kinds(moves(not_yet, 5))
    assert queue(both, side) == [] and number in both.twin.orders
    events = [e for e in moves(then, 6) if e.kind == EventKind.ORDER_TRIGGERED]
    assert [(e.order, e.price_ticks, e.price_e8) for e in events] == [(number, 4 * 900, round(then * E8))]
    assert queue(both, side) == [(number, 900, 3, 0)]
    assert both.twin.orders[number].arrival_ns == both.twin.clock_ns
    assert EventKind.ORDER_TRIGGERED not in kinds(moves(then, 7))


def test_a_trailing_stop_follows_the_best_price_and_turns_with_it() -> None:
    """Binance: a sale is triggered where the highest is at or above its activation and the last price at or below
    highest * (1 - callback)."""
    both = market()
    trade_at(both, 900)
    wrong = order(0, SELL, 1, OrderKind.MARKET, **TRAIL, trigger_e8=900 * E8)
    assert answer(both.submit(wrong)) == RejectReason.WOULD_TRIGGER
    both.submit(order(0, SELL, 1, OrderKind.MARKET, **TRAIL, trigger_e8=910 * E8))
    rest(both, BUY, (5, 800), account=3)
    for price in (905, 895, 909.75):  # not begun: the highest is below 910
        assert EventKind.ORDER_TRIGGERED not in kinds(trade_at(both, price))
    for price in (1_000, 990.25):  # a hundredth below 1,000 is 990
        assert EventKind.ORDER_TRIGGERED not in kinds(trade_at(both, price))
    events = trade_at(both, 990)
    assert EventKind.ORDER_TRIGGERED in kinds(events) and (1, 800) in fills(events)


def test_a_trailing_buy_rounds_its_price_up_and_follows_the_mark_if_asked() -> None:
    both = market(mark=900)
    both.submit(order(0, BUY, 2, 899, **TRAIL, trigger_by=TriggerPrice.MARK))
    at(both, 1, marks(1, 800.01))  # 808.0101
    assert kinds(at(both, 2, marks(2, 808.01))) == []
    assert kinds(at(both, 3, marks(3, 808.010101))) == [EventKind.ORDER_TRIGGERED]


def test_stops_set_each_other_off_one_after_another() -> None:
    both = market()
    trade_at(both, 900)
    rest(both, BUY, (1, 898), (1, 896), (1, 894), (5, 890), account=3)
    for trigger in (896, 898, 900):
        stop = {"trigger": TriggerKind.STOP, "trigger_e8": (trigger - 1) * E8}
        both.submit(order(0, SELL, 1, OrderKind.MARKET, **stop))
    events = both.submit(order(1, SELL, 1, OrderKind.MARKET))
    assert fills(events) == [(1, 898), (1, 896), (1, 894), (1, 890)]
    assert [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [9, 8, 7]
    assert [e.price_e8 for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [898 * E8, 896 * E8, 894 * E8]


def test_falling_conditions_go_first_then_rising_ones_then_trailing_ones() -> None:
    both = market()
    trade_at(both, 900)
    profit = {"trigger": TriggerKind.TAKE_PROFIT}
    rising = [rest(both, SELL, (1, 990), trigger_e8=x * E8, **profit)[0] for x in (906, 905, 905)]
    falling = [rest(both, BUY, (1, 800), trigger_e8=x * E8, **profit)[0] for x in (880, 890)]
    (trailing,) = rest(both, BUY, (1, 800), **TRAIL)
    low = trade_at(both, 870)
    assert [e.order for e in low if e.kind == EventKind.ORDER_TRIGGERED] == [falling[1], falling[0]]
    high = trade_at(both, 950)
    order_of = [e.order for e in high if e.kind == EventKind.ORDER_TRIGGERED]
    assert order_of == [rising[1], rising[2], rising[0], trailing]


def test_a_triggered_order_is_asked_as_if_it_came_now() -> None:
    both = market()
    trade_at(both, 900)
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 905 * E8}
    poor = both.submit(order(0, BUY, 3, 906, **stop))[0]
    assert both.twin.available(0) == 10_000_000 * DOLLARS  # it reserves nothing as it waits
    both.submit(transfer(0, -9_999_900 * DOLLARS))
    reduces = both.submit(order(1, BUY, 3, 906, reduce_only=1, **stop))[0]
    assert reduces.flags == REDUCE_ONLY
    killed = both.submit(order(2, BUY, 3, 906, time_in_force=TimeInForce.FOK, **stop))[0]
    limited = both.submit(order(2, BUY, 3, OrderKind.MARKET_LIMIT, **stop))[0]
    events = trade_at(both, 905)
    assert gone(events) == [
        (poor.order, CancelReason.INSUFFICIENT_MARGIN),
        (reduces.order, CancelReason.WOULD_NOT_REDUCE),
        (killed.order, CancelReason.MINIMUM_NOT_MET),
        (limited.order, CancelReason.NO_OPPOSITE),
    ]
    assert [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [
        poor.order,
        reduces.order,
        killed.order,
    ]


def test_a_conditional_order_is_taken_and_waits_while_the_market_is_not_open() -> None:
    both = market()
    trade_at(both, 900)
    at(both, 5, phase(5, MarketPhase.PRE_OPEN))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 905 * E8, "trigger_by": TriggerPrice.MARK}
    number = both.submit(order(0, BUY, 3, OrderKind.MARKET, **stop))[0].order
    assert kinds(at(both, 6, marks(6, 910))) == []
    assert answer(both.submit(amend(0, number, 2, 0))) == RejectReason.NOT_AMENDABLE
    events = at(both, 7, phase(7, MarketPhase.OPEN))
    assert kinds(events) == [EventKind.PHASE_CHANGED, EventKind.ORDER_TRIGGERED, EventKind.ORDER_CANCELLED]
    assert gone(events) == [(number, CancelReason.NO_LIQUIDITY)]
