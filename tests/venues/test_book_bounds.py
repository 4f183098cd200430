"""Prices too far from the market, and the days on which a contract ends, on both exchanges (docs/rules/book.md)."""

from __future__ import annotations

import msgspec

from novation.domain.commands import amend, place, place_limit, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    MarketEventKind,
    OrderKind,
    RejectReason,
    Side,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import binance_usdm, cme_globex
from tests.venues.book_cases import (
    BUY,
    BY_TIME,
    DOLLARS,
    SELL,
    TERMS,
    TRAIL,
    Pair,
    at,
    fills,
    gone,
    market,
    marks,
    order,
    rest,
)
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_edges import coin
from tests.venues.test_phases import answer, es, kinds

MOST_AWAY = 1 << 26


def test_a_stop_ten_trillion_ticks_away_is_refused_and_the_venue_goes_on() -> None:
    fine = coin(tick_e8=100, lot_e8=E8)
    both = pair(Setup(binance_usdm.RULES, [fine], [[COIN_TERMS]], 2, 0, [0], books={fine.id: BY_TIME}))
    both.advance(0, [marks(0, 100)])
    for account in range(2):
        both.submit(transfer(account, 1_000_000 * E8))
    ticks, here = 10**13, 10**8
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": ticks * 100 + 99}
    (refused,) = both.submit(place(0, 0, BUY, OrderKind.MARKET, 1, **stop))
    assert (answer([refused]), refused.amount, refused.cost) == (
        RejectReason.NUMBER_TOO_LARGE,
        ticks,
        here + MOST_AWAY,
    )
    both.submit(place_limit(0, 0, BUY, 1, here))
    assert [e.price_ticks for e in both.submit(place_limit(1, 0, SELL, 1, here)) if e.kind == EventKind.FILL]
    both.compare()


def test_a_price_is_near_enough_to_the_last_one_to_keep_a_list_of_all_between() -> None:
    fine = coin(tick_e8=100, lot_e8=E8)
    both = pair(Setup(binance_usdm.RULES, [fine], [[COIN_TERMS]], 3, 0, [0], books={fine.id: BY_TIME}))
    for account in range(3):
        both.submit(transfer(account, 1_000_000 * E8))

    def told(kind: OrderKind, side: Side = BUY, **fields: int) -> tuple[RejectReason, int, int]:
        events = both.submit(place(0, 0, side, kind, 1, **fields))
        return answer(events), events[0].amount, events[0].cost

    far = RejectReason.NUMBER_TOO_LARGE
    assert told(OrderKind.LIMIT, price_ticks=MOST_AWAY + 1) == (far, MOST_AWAY + 1, MOST_AWAY)  # no price as yet
    both.advance(0, [marks(0, 200)])
    here = 2 * 10**8
    low, high = here - MOST_AWAY, here + MOST_AWAY
    assert told(OrderKind.LIMIT, price_ticks=low - 1) == (far, low - 1, low)
    assert told(OrderKind.LIMIT, SELL, price_ticks=high + 1) == (far, high + 1, high)
    assert told(OrderKind.LIMIT, price_ticks=low)[0] == told(OrderKind.LIMIT, SELL, price_ticks=high)[0] == 0
    assert told(OrderKind.LIMIT, price_ticks=-(1 << 60)) == (far, -(1 << 60), low)  # ahead of PRICE_NOT_POSITIVE
    both.submit(place_limit(1, 0, BUY, 1, here + 50))
    both.submit(place_limit(2, 0, SELL, 1, here + 50))  # the last price counts, not the mark
    assert told(OrderKind.LIMIT, SELL, price_ticks=high + 50)[0] == RejectReason.NONE
    stop = {"trigger": TriggerKind.STOP}
    just = (high + 50) * 100
    assert told(OrderKind.MARKET, **stop, trigger_e8=just + 99)[0] == RejectReason.NONE  # rounded down
    assert told(OrderKind.MARKET, **stop, trigger_e8=just + 100) == (far, high + 51, high + 50)
    wrong = {"price_ticks": low - 7, "trigger": TriggerKind.TAKE_PROFIT, "trigger_e8": 1}
    assert told(OrderKind.LIMIT, **wrong) == (far, low - 7, low + 50)
    assert told(OrderKind.LIMIT, price_ticks=low - 7, self_trade=9)[0] == far
    assert told(OrderKind.LIMIT, price_ticks=low - 7, **stop)[0] == RejectReason.BAD_TRIGGER
    assert told(OrderKind.MARKET, **TRAIL)[0] == RejectReason.NONE  # it has no price that would be near or far
    assert told(OrderKind.MARKET, **TRAIL, trigger_e8=1)[0] == far


def test_an_order_is_not_amended_to_a_price_too_far_away() -> None:
    both = market(terms=msgspec.structs.replace(TERMS, tick_step=2))
    rest(both, BUY, (5, 899))
    (refused,) = both.submit(amend(0, 1, 5, 3_600 + MOST_AWAY + 2))
    told = (answer([refused]), refused.amount, refused.cost)
    assert told == (RejectReason.NUMBER_TOO_LARGE, 3_600 + MOST_AWAY + 2, 3_600 + MOST_AWAY)
    assert answer(both.submit(amend(0, 1, 5, 3_600 + MOST_AWAY + 1))) == RejectReason.PRICE_OFF_TICK


def ending(deliver_ns: int = 100) -> Pair:
    """ES on a book, to be delivered; the first account is long five."""
    ends = msgspec.structs.replace(es(), deliver_ns=deliver_ns)
    both = pair(Setup(cme_globex.RULES, [ends], [[TERMS]], 6, 0, [0], books={ends.id: BY_TIME}))
    both.advance(0, [marks(0, 900)])
    for account in range(6):
        both.submit(transfer(account, 1_000_000 * DOLLARS))
    rest(both, SELL, (5, 900), account=1)
    both.submit(order(0, BUY, 5, 900))
    return both


def status(ts_ns: int, now: InstrumentStatus) -> MarketEvent:
    """A status."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.STATUS, instrument=0, status=now)


def test_an_amendment_asks_for_the_status_of_the_instrument() -> None:
    both = ending()
    rest(both, SELL, (5, 905), (2, 906))
    rest(both, BUY, (5, 890))
    (waits,) = rest(both, BUY, (5, 890), trigger=TriggerKind.STOP, trigger_e8=950 * E8)
    at(both, 1, status(1, InstrumentStatus.PRE_DELIVERING))

    def told(number: int, lots: int, ticks: int) -> tuple[RejectReason, int, int]:
        events = both.submit(amend(0, number, lots, ticks))
        return answer(events), events[0].amount, events[0].cost

    closes_only = (RejectReason.OPENING_NOT_ALLOWED, InstrumentStatus.PRE_DELIVERING, InstrumentStatus.TRADING)
    assert told(3, 6, 4 * 905) == closes_only
    assert told(3, 5, 4 * 904)[0] == told(3, 4, 4 * 904)[0] == RejectReason.NONE
    assert told(5, 5, 4 * 889) == told(waits, 5, 4 * 889) == closes_only
    assert gone(both.submit(amend(0, 5, 0, 4 * 890))) == [(5, CancelReason.NOTHING_LEFT)]
    at(both, 100)
    over = (RejectReason.NOT_TRADING, InstrumentStatus.PRE_DELIVERING, InstrumentStatus.TRADING)
    assert told(3, 3, 4 * 904) == told(3, 0, 4 * 904) == told(waits, 5, 1) == over
    assert told(99, 3, 4 * 904)[0] == RejectReason.UNKNOWN_ORDER


def test_before_delivery_only_what_closes_a_position_is_triggered_and_after_it_nothing() -> None:
    both = ending()
    by_mark = {"trigger": TriggerKind.STOP, "trigger_by": TriggerPrice.MARK}
    sales = [both.submit(order(0, SELL, lots, OrderKind.MARKET, **by_mark, trigger_e8=890 * E8))[0] for lots in (6, 5)]
    flat = both.submit(order(2, SELL, 1, OrderKind.MARKET, **by_mark, trigger_e8=890 * E8))[0]
    later = both.submit(order(0, BUY, 1, OrderKind.MARKET, **by_mark, trigger_e8=910 * E8))[0]
    rest(both, BUY, (9, 889), account=3)
    at(both, 1, status(1, InstrumentStatus.PRE_DELIVERING))
    events = at(both, 2, marks(2, 889))
    triggered = [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED]
    assert triggered == [sales[0].order, sales[1].order, flat.order]
    not_these = [(sales[0].order, CancelReason.WOULD_NOT_REDUCE), (flat.order, CancelReason.WOULD_NOT_REDUCE)]
    assert (gone(events), fills(events)) == (not_these, [(5, 889)])
    assert EventKind.ORDER_TRIGGERED not in kinds(at(both, 100, marks(100, 920)))
    assert later.order in both.twin.orders


def test_what_is_not_traded_any_more_triggers_nothing() -> None:
    both = ending(deliver_ns=0)
    waits = {"trigger": TriggerKind.STOP, "trigger_by": TriggerPrice.MARK, "trigger_e8": 910 * E8}
    both.submit(order(0, BUY, 1, OrderKind.MARKET, **waits))
    at(both, 1, status(1, InstrumentStatus.PENDING_TRADING))
    assert EventKind.ORDER_TRIGGERED not in kinds(at(both, 2, marks(2, 920)))
    assert EventKind.ORDER_TRIGGERED in kinds(at(both, 3, status(3, InstrumentStatus.TRADING)))
