"""Orders that close a position and end with it (facts/binance.md 7.1: closePosition), on both exchanges."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from novation.domain.commands import Command, place, transfer
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    OrderKind,
    RejectReason,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import Event
from novation.domain.units import E8, NS
from tests.venues.book_cases import BUY, SELL, Pair, gone, marks
from tests.venues.test_filters import market
from tests.venues.test_phases import answer


def limit(both: Pair, account: int, side: Side, lots: int, price: int, **fields: int) -> list[Event]:
    """A limit order."""
    return both.submit(place(account, 0, side, OrderKind.LIMIT, lots, price_ticks=price * 10, **fields))


def holds(lots: int) -> Pair:
    """Account 0 has bought so many lots at 60,000 of account 1."""
    both = market()
    limit(both, 1, SELL, lots, 60_000)
    limit(both, 0, BUY, lots, 60_000)
    return both


def closer(side: Side, kind: TriggerKind, price: int, **fields: int) -> Command:
    """A stop or a take-profit that closes the position."""
    asked = {"trigger": kind, "trigger_e8": price * E8, "close_position": 1, **fields}
    return Command(kind=CommandKind.PLACE, side=side, order_kind=OrderKind.MARKET, **asked)


STOP = closer(SELL, TriggerKind.STOP, 59_000)
PROFIT = closer(SELL, TriggerKind.TAKE_PROFIT, 61_000)


def test_it_closes_what_the_position_has_by_then() -> None:
    """Three lots as it is placed, seven as it is triggered."""
    both = holds(3)
    (accepted,) = both.submit(STOP)
    assert (accepted.kind, accepted.lots) == (EventKind.ORDER_ACCEPTED, 0)
    limit(both, 1, SELL, 4, 60_000)
    limit(both, 0, BUY, 4, 60_000)
    limit(both, 1, BUY, 9, 58_990)
    events = limit(both, 1, SELL, 1, 58_990, self_trade=1)
    (triggered,) = [e for e in events if e.kind == EventKind.ORDER_TRIGGERED]
    assert (triggered.order, triggered.lots) == (accepted.order, -7)
    assert [(e.lots, e.position_lots) for e in events if e.kind == EventKind.FILL and e.account == 0] == [(-7, 0)]
    both.compare()


def test_a_stop_and_a_profit_stand_beside_each_other_and_end_together() -> None:
    both = holds(3)
    stop, profit = both.submit(STOP)[0], both.submit(PROFIT)[0]
    limit(both, 1, BUY, 3, 61_000)
    events = limit(both, 1, SELL, 1, 61_000, self_trade=1)  # two lots of three are taken then
    assert [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [profit.order]
    assert gone(events) == [(profit.order, CancelReason.NO_LIQUIDITY)]
    limit(both, 1, BUY, 1, 60_000)
    events = limit(both, 0, SELL, 1, 60_000)
    assert gone(events) == [(stop.order, CancelReason.POSITION_GONE)]
    both.compare()


@pytest.mark.parametrize("lots", [3, 5])
def test_it_ends_as_its_position_goes_or_turns_round(lots: int) -> None:
    both = holds(3)
    stop, profit = both.submit(STOP)[0].order, both.submit(PROFIT)[0].order
    limit(both, 1, BUY, 9, 60_000)
    assert not gone(limit(both, 0, SELL, 2, 60_000))
    limit(both, 0, BUY, 2, 60_001)
    limit(both, 1, SELL, 2, 60_001)
    ended = [(stop, CancelReason.POSITION_GONE), (profit, CancelReason.POSITION_GONE)]
    assert gone(limit(both, 0, SELL, lots, 60_000)) == ended
    both.compare()


def test_a_makers_position_goes_as_well() -> None:
    """Account 0 rests a sale of all its lots; who takes it ends its stop."""
    both = holds(3)
    stop = both.submit(STOP)[0].order
    limit(both, 0, SELL, 3, 60_100)
    assert gone(limit(both, 1, BUY, 3, 60_100)) == [(stop, CancelReason.POSITION_GONE)]
    both.compare()


def test_a_liquidation_takes_it_along() -> None:
    both = market()
    limit(both, 1, SELL, 3, 60_000)
    limit(both, 0, BUY, 3, 60_000)
    both.submit(transfer(0, -both.twin.withdrawable(0)))
    stop = both.submit(closer(SELL, TriggerKind.STOP, 20_000))[0].order
    limit(both, 1, BUY, 9, 40_000)
    events = both.advance(NS, [marks(NS, 40_000)])
    assert (stop, CancelReason.LIQUIDATION) in gone(events)
    assert [e.kind for e in events].count(EventKind.LIQUIDATION) == 1
    both.compare()


def test_a_short_is_closed_by_a_purchase_and_by_the_mark() -> None:
    both = market()
    limit(both, 1, BUY, 2, 60_000)
    limit(both, 0, SELL, 2, 60_000)
    asked = closer(BUY, TriggerKind.STOP, 61_000, trigger_by=TriggerPrice.MARK)
    stop = both.submit(asked)[0].order
    limit(both, 1, SELL, 5, 60_200)
    events = both.advance(NS, [marks(NS, 61_000)])
    assert (events[0].kind, events[0].order, events[0].lots) == (EventKind.ORDER_TRIGGERED, stop, 2)
    assert events[1].position_lots == 0
    both.compare()


def test_other_orders_that_may_only_reduce_do_not_stand_in_its_way() -> None:
    both = holds(3)
    both.submit(STOP)
    resting = limit(both, 0, SELL, 3, 62_000, reduce_only=1)[0].order
    limit(both, 1, BUY, 5, 59_000)
    events = limit(both, 1, SELL, 1, 59_000, self_trade=1)
    assert [(e.lots, e.position_lots) for e in events if e.kind == EventKind.FILL and e.account == 0] == [(-3, 0)]
    assert both.submit(place(1, 0, BUY, OrderKind.LIMIT, 1, price_ticks=620_000))[1].order == resting
    both.compare()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"lots": 3}, RejectReason.BAD_CLOSE_POSITION),
        ({"reduce_only": 1}, RejectReason.BAD_CLOSE_POSITION),
        ({"order_kind": OrderKind.LIMIT, "price_ticks": 590_000}, RejectReason.BAD_CLOSE_POSITION),
        ({"trigger": 0, "trigger_e8": 0}, RejectReason.BAD_CLOSE_POSITION),
        ({"trigger": TriggerKind.TRAILING, "callback_e8": E8 // 50, "trigger_e8": 0}, RejectReason.BAD_CLOSE_POSITION),
        ({"time_in_force": TimeInForce.DAY}, RejectReason.BAD_CLOSE_POSITION),
        ({"close_position": 2}, RejectReason.BAD_CLOSE_POSITION),
        ({"side": BUY, "trigger_e8": 61_000 * E8}, RejectReason.NO_POSITION),
        ({"account": 1}, RejectReason.NO_POSITION),
    ],
)
def test_what_it_may_not_be(wrong: dict[str, int], reason: RejectReason) -> None:
    both = holds(3)
    assert answer(both.submit(replace(STOP, **wrong))) == reason
    both.compare()


def test_there_is_one_of_a_kind() -> None:
    """Binance's -4130 names the one that is there."""
    both = holds(3)
    first = both.submit(STOP)[0].order
    (refused,) = both.submit(closer(SELL, TriggerKind.STOP, 58_000))
    assert (answer([refused]), refused.amount) == (RejectReason.ALREADY_CLOSING, first)
    assert answer(both.submit(PROFIT)) == 0
    both.compare()
