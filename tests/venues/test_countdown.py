"""A countdown at whose end an account's orders in an instrument are cancelled (facts/binance.md 7.1), on both."""

from __future__ import annotations

import msgspec

from novation.domain.commands import countdown_cancel, place, transfer
from novation.domain.enums import CancelReason, EventKind, OrderKind, RejectReason, TimeInForce, TriggerKind
from novation.domain.units import E8, NS
from novation.venues import binance_usdm
from tests.venues.book_cases import BUY, BY_TIME, SELL, Pair, gone, market
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import COIN, TERMS
from tests.venues.test_phases import answer

OTHER = msgspec.structs.replace(COIN, id="x:D", symbol="D")


def coins() -> Pair:
    """Two coins at 100 on books, two accounts."""
    books = {COIN.id: BY_TIME, OTHER.id: BY_TIME}
    both = pair(Setup(binance_usdm.RULES, [COIN, OTHER], [[TERMS], [TERMS]], 2, 0, [0, 0], books=books))
    for account in range(2):
        both.submit(transfer(account, 1_000_000 * E8))
    both.advance(NS, [])
    return both


def bid(both: Pair, account: int = 0, instrument: int = 0, **fields: int) -> int:
    """An order that stands; its id."""
    found = place(account, instrument, BUY, OrderKind.LIMIT, 1, price_ticks=9_000, **fields)
    return int(both.submit(found)[0].order)


def test_at_the_end_of_a_countdown_the_orders_of_that_account_in_that_instrument_go_in_their_order() -> None:
    both = coins()
    first, second = bid(both), bid(both)
    kept = [bid(both, account=1), bid(both, instrument=1)]
    (told,) = both.submit(countdown_cancel(0, 0, 120 * NS))
    assert (told.kind, told.account, told.instrument, told.amount) == (EventKind.COUNTDOWN_SET, 0, 0, 121 * NS)
    later = bid(both)
    assert both.advance(121 * NS - 1, []) == []
    events = both.advance(200 * NS, [])
    assert gone(events) == [(order, CancelReason.COUNTDOWN) for order in (first, second, later)]
    assert {e.ts_ns for e in events} == {121 * NS} and list(both.twin.orders) == kept
    both.compare()


def test_conditional_orders_go_too_and_an_order_that_comes_at_the_end_stays() -> None:
    both = coins()
    stop = place(0, 0, SELL, OrderKind.MARKET, 1, trigger=TriggerKind.STOP, trigger_e8=50 * E8)
    stop_id = both.submit(stop)[0].order
    both.submit(countdown_cancel(0, 0, NS))
    assert gone(both.advance(2 * NS, [])) == [(stop_id, CancelReason.COUNTDOWN)]
    stays = bid(both)
    assert both.advance(9 * NS, []) == [] and list(both.twin.orders) == [stays]
    both.compare()


def test_a_countdown_is_moved_and_stopped() -> None:
    both = coins()
    mine = bid(both)
    both.submit(countdown_cancel(0, 0, 10 * NS))
    both.advance(9 * NS, [])
    both.submit(countdown_cancel(0, 0, 10 * NS))
    assert both.advance(19 * NS - 1, []) == []
    (stopped,) = both.submit(countdown_cancel(0, 0, 0))
    assert stopped.amount == 0 and both.advance(99 * NS, []) == []
    both.submit(countdown_cancel(0, 0, NS))
    assert gone(both.advance(100 * NS, [])) == [(mine, CancelReason.COUNTDOWN)]
    both.compare()


def test_an_order_that_ends_first_ends_as_it_does_and_nobody_is_there_at_the_end() -> None:
    both = coins()
    mine = bid(both, time_in_force=TimeInForce.GTD, expire_ns=5 * NS)
    both.submit(countdown_cancel(0, 0, 9 * NS))
    assert gone(both.advance(20 * NS, [])) == [(mine, CancelReason.EXPIRED)]
    both.compare()


def test_what_is_no_time_is_refused_and_cme_offers_no_countdown() -> None:
    both = coins()
    assert answer(both.submit(countdown_cancel(0, 0, -1))) == RejectReason.NUMBER_TOO_LARGE
    assert answer(both.submit(countdown_cancel(0, 0, 1 << 60))) == RejectReason.NUMBER_TOO_LARGE
    assert answer(both.submit(countdown_cancel(0, 7, 1))) == RejectReason.UNKNOWN_INSTRUMENT
    assert answer(market().submit(countdown_cancel(0, 0, NS))) == RejectReason.COUNTDOWN_NOT_OFFERED
    both.compare()
