"""Orders that are changed, and those that are cancelled together, on both exchanges.

docs/rules/book.md, "Amending, cancelling, expiry".
"""

from __future__ import annotations

import msgspec

from novation.domain.commands import amend, cancel_all, transfer
from novation.domain.enums import CancelReason, EventKind, MarketPhase, RejectReason, TriggerKind
from novation.domain.units import E8
from tests.venues.book_cases import BUY, DOLLARS, SELL, TERMS, at, gone, market, order, queue, rest, trade_at
from tests.venues.test_phases import answer, kinds, limits, phase


def test_every_refusal_of_an_amendment() -> None:
    terms = msgspec.structs.replace(TERMS, min_lots=2, max_lots=50, tick_step=2, band_ticks=40)
    both = market(terms=terms)
    rest(both, BUY, (5, 899), (5, 899))
    trade_at(both, 900, 2)

    def refused(lots: int, ticks: int, number: int = 1, account: int = 0) -> tuple[RejectReason, int, int]:
        (event,) = both.submit(amend(account, number, lots, ticks))
        assert event.kind == EventKind.COMMAND_REJECTED and event.order == number
        return RejectReason(event.reason), event.amount, event.cost

    same = 4 * 899
    assert refused(5, same, account=1) == (RejectReason.UNKNOWN_ORDER, 1, 0)
    assert refused(5, same) == (RejectReason.NO_CHANGE, 5, 0)
    assert refused(1, same) == (RejectReason.QTY_BELOW_MIN, 1, 2)
    assert refused(51, same) == (RejectReason.QTY_ABOVE_MAX, 51, 50)
    assert refused(5, 0) == (RejectReason.PRICE_NOT_POSITIVE, 0, 0)
    assert refused(5, same + 1) == (RejectReason.PRICE_OFF_TICK, same + 1, 2)
    high = (1 << 53) // 25_000_000
    assert refused(5, 2 * high) == (RejectReason.NUMBER_TOO_LARGE, 2 * high, high)
    assert refused(5, 4 * 910 + 2) == (RejectReason.PRICE_OUTSIDE_BAND, 4 * 910 + 2, 4 * 910)
    at(both, 5, limits(5, 890, 905))
    assert refused(5, 4 * 905 + 2) == (RejectReason.PRICE_BEYOND_LIMIT, 4 * 905 + 2, 4 * 905)
    both.submit(transfer(0, -9_999_000 * DOLLARS))
    assert refused(11, same)[0] == RejectReason.INSUFFICIENT_MARGIN
    assert kinds(both.submit(amend(0, 1, 5, same + 2))) == [EventKind.ORDER_AMENDED]
    for now in (MarketPhase.CLOSED, MarketPhase.PAUSED):
        at(both, 10 + now, phase(10 + now, now))
        assert refused(5, same) == (RejectReason.MARKET_CLOSED, now, 0)
    at(both, 20, phase(20, MarketPhase.NO_CANCEL))
    assert refused(5, same) == (RejectReason.CANCEL_NOT_ALLOWED, 1, MarketPhase.NO_CANCEL)


def test_an_amendment_counts_what_has_been_filled_and_cancels_what_has_nothing_left() -> None:
    both = market()
    rest(both, BUY, (5, 899))
    both.submit(order(1, SELL, 2, 899))
    assert both.submit(amend(0, 1, 4, 4 * 899))[0].lots == 2
    assert [line[1] for line in both.twin.state_lines() if line[0] == "details"] == [(1, 0, 0, 0, 2, 0)]
    events = both.submit(amend(0, 1, 2, 4 * 899))
    assert gone(events) == [(1, CancelReason.NOTHING_LEFT)]


def test_an_amended_order_takes_what_it_now_reaches() -> None:
    both = market()
    rest(both, SELL, (3, 900))
    rest(both, BUY, (5, 899), account=1)
    events = both.submit(amend(1, 2, 5, 4 * 900))
    assert kinds(events) == [EventKind.ORDER_AMENDED, EventKind.FILL, EventKind.FILL]
    assert queue(both, BUY) == [(2, 900, 2, 0)]


def test_an_iceberg_made_smaller_gives_hidden_lots_first() -> None:
    both = market()
    rest(both, BUY, (10, 899), display_lots=4)
    for lots, shown, hidden in ((6, 4, 2), (4, 4, 0), (3, 3, 0)):
        both.submit(amend(0, 1, lots, 4 * 899))
        assert queue(both, BUY) == [(1, 899, shown, hidden)]
    both.submit(amend(0, 1, 9, 4 * 899))
    assert queue(both, BUY) == [(1, 899, 4, 5)]


def test_an_order_that_may_only_reduce_is_asked_again_without_itself() -> None:
    both = market()
    rest(both, SELL, (5, 900))
    both.submit(order(1, BUY, 5, 900))
    rest(both, SELL, (5, 905), account=1, reduce_only=1)
    (refused,) = both.submit(amend(1, 3, 6, 4 * 905))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.WOULD_NOT_REDUCE, 6, 5)
    assert kinds(both.submit(amend(1, 3, 4, 4 * 906))) == [EventKind.ORDER_AMENDED]


def test_many_orders_are_cancelled_at_once() -> None:
    both = market()
    rest(both, BUY, (1, 899), (1, 898))
    rest(both, SELL, (1, 910))
    rest(both, SELL, (1, 911), trigger=TriggerKind.STOP, trigger_e8=E8)
    rest(both, BUY, (1, 899), account=1)
    events = both.submit(cancel_all(0, side=SELL))
    assert gone(events) == [(3, CancelReason.REQUESTED), (4, CancelReason.REQUESTED)]
    told = events[-1]
    assert (told.kind, told.instrument, told.lots, told.order) == (EventKind.ALL_CANCELLED, -1, 2, SELL)
    assert answer(both.submit(cancel_all(0, instrument=7))) == RejectReason.UNKNOWN_INSTRUMENT
    at(both, 5, phase(5, MarketPhase.NO_CANCEL))
    (refused,) = both.submit(cancel_all(0, instrument=0))
    assert (answer([refused]), refused.amount, refused.cost) == (
        RejectReason.CANCEL_NOT_ALLOWED,
        0,
        MarketPhase.NO_CANCEL,
    )
    (told,) = both.submit(cancel_all(0))
    assert (told.lots, len(queue(both, BUY))) == (0, 3)
    at(both, 6, phase(6, MarketPhase.PAUSED))
    assert both.submit(cancel_all(0, instrument=0))[-1].lots == 2


def test_many_orders_are_cancelled_for_a_side_there_is_or_for_both() -> None:
    both = market()
    rest(both, BUY, (1, 899))
    for side in (2, -2, 1 << 40):
        (refused,) = both.submit(msgspec.structs.replace(cancel_all(0), side=side))
        assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.BAD_SIDE, side, 0)
    unknown = msgspec.structs.replace(cancel_all(0, instrument=7), side=2)
    assert answer(both.submit(unknown)) == RejectReason.UNKNOWN_INSTRUMENT
    at(both, 5, phase(5, MarketPhase.NO_CANCEL))
    wrong = msgspec.structs.replace(cancel_all(0, instrument=0), side=2)
    assert answer(both.submit(wrong)) == RejectReason.BAD_SIDE


def test_what_a_broker_holds_can_be_cancelled_when_the_market_lets_nothing_go() -> None:
    for instrument in (0, -1):
        both = market()
        rest(both, BUY, (1, 899), (1, 898))
        at(both, 5, phase(5, MarketPhase.NO_CANCEL))
        held = msgspec.structs.replace(cancel_all(0, instrument=instrument), hold=1)
        assert gone(both.submit(held)) == [(1, CancelReason.REQUESTED), (2, CancelReason.REQUESTED)]
