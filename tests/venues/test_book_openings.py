"""A book before it opens and as it opens, on both exchanges (docs/rules/book.md)."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import (
    cancel,
    cancel_all,
    place_market,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    TimeInForce,
    TriggerKind,
)
from novation.domain.events import AUCTION, Event
from novation.domain.units import E8
from tests.venues.book_cases import BUY, SELL, TERMS, Pair, at, gone, market, order, queue, rest, trade_at
from tests.venues.test_phases import answer, kinds, phase, settles


@pytest.mark.parametrize(
    ("to", "limit", "at_market", "immediate"),
    [
        (MarketPhase.CLOSED, "MARKET_CLOSED", "MARKET_CLOSED", "MARKET_CLOSED"),
        (MarketPhase.PAUSED, "MARKET_CLOSED", "MARKET_CLOSED", "MARKET_CLOSED"),
        (MarketPhase.PRE_OPEN, "NONE", "MARKET_ORDER_BEFORE_OPEN", "IMMEDIATE_BEFORE_OPEN"),
        (MarketPhase.NO_CANCEL, "NONE", "MARKET_ORDER_BEFORE_OPEN", "IMMEDIATE_BEFORE_OPEN"),
        (MarketPhase.OPEN, "NONE", "NONE", "NONE"),
    ],
)
def test_each_phase_takes_what_the_exchange_takes(to: MarketPhase, limit: str, at_market: str, immediate: str) -> None:
    both = market()
    rest(both, SELL, (9, 900))
    at(both, 5, phase(5, to))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 950 * E8}
    assert answer(both.submit(order(1, BUY, 1, 900))).name == limit
    assert answer(both.submit(order(1, BUY, 1, OrderKind.MARKET, **stop))).name == limit
    for kind in (OrderKind.MARKET, OrderKind.MARKET_LIMIT):
        assert answer(both.submit(order(1, BUY, 1, kind))).name == at_market
    held = both.submit(place_market(1, 0, BUY, 1, hold=True))
    assert answer(held).name == at_market  # a broker cannot hold it on a book
    assert answer(both.submit(order(1, BUY, 1, 900, time_in_force=TimeInForce.IOC))).name == immediate
    minimum = answer(both.submit(order(1, BUY, 1, 900, min_lots=1))).name
    assert minimum == ("NONE" if to == MarketPhase.OPEN else "BAD_MINIMUM" if limit == "NONE" else limit)


def opened(
    bids: dict[float, int], asks: dict[float, int], settlement: float = 0, step: int = 1
) -> tuple[Pair, list[Event]]:
    """An auction of orders that came before the market opened."""
    both = market(terms=msgspec.structs.replace(TERMS, tick_step=step))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN), *([settles(1, settlement, 1)] if settlement else []))
    for account, (side, offers) in enumerate(((BUY, bids), (SELL, asks))):
        for price, lots in offers.items():
            both.submit(order(account, side, lots, price))
    return both, at(both, 2, phase(2, MarketPhase.OPEN))


def auction(events: list[Event]) -> tuple[set[float], int]:
    """Prices and lots of an auction; each trade is told of the bid, then of the ask."""
    told = [e for e in events if e.kind == EventKind.FILL]
    assert [(e.account, e.flags) for e in told] == [(0, AUCTION), (1, AUCTION)] * (len(told) // 2)
    assert [e.trade for e in told[::2]] == [e.trade for e in told[1::2]]
    return {e.price_ticks / 4 for e in told}, sum(e.lots for e in told[::2])


def test_an_opening_auction_is_at_the_price_at_which_most_trades() -> None:
    """facts/cme.md §8, A14."""
    bids: dict[float, int] = {51: 10, 50: 20, 49: 30, 48: 40, 47: 50, 46: 70, 45: 100, 44: 1}
    asks: dict[float, int] = {51: 30, 50: 100, 49: 1, 48: 25, 47: 1, 46: 100, 45: 90, 44: 4, 43: 6}
    both, events = opened(bids, asks, step=4)
    assert auction(events) == ({46}, 200)
    assert both.twin.markets[0].last_e8 == 46 * E8
    more = {price: lots for price, lots in asks.items() if price != 47} | {46: 50}
    assert auction(opened(bids | {47: 50, 46: 30}, more, step=4)[1]) == ({47}, 150)


def test_what_is_left_on_the_ask_side_takes_the_lowest_price() -> None:
    """A15: 10 match anywhere from 4998 to 5000, five asks are left."""
    both, events = opened({5_000: 10, 4_995: 20}, {4_998: 15, 5_002: 25})
    assert auction(events) == ({4_998}, 10)
    assert queue(both, SELL)[0][1:] == (4_998, 5, 0)


@pytest.mark.parametrize(("settlement", "price"), [(0, 900), (904, 904), (890, 900), (990, 910)])
def test_with_nothing_left_it_is_the_price_nearest_the_settlement(settlement: float, price: float) -> None:
    assert auction(opened({910: 5}, {900: 5}, settlement)[1]) == ({price}, 5)


def test_an_auction_counts_hidden_lots_at_the_place_of_their_order() -> None:
    both = market()
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (9, 900), display_lots=2)
    rest(both, BUY, (9, 900), account=2)
    rest(both, SELL, (6, 900), account=1)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert [(e.order, e.lots) for e in events if e.kind == EventKind.FILL] == [(1, 6), (3, -6)]
    assert queue(both, BUY) == [(1, 900, 2, 1), (2, 900, 9, 0)]


def test_stops_that_the_opening_price_sets_off_take_part_in_the_auction() -> None:
    both = market(BookRules(protection_ticks=8))
    trade_at(both, 900)
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 904 * E8}
    both.submit(order(2, BUY, 5, OrderKind.MARKET_PROTECTED, **stop))
    both.submit(order(2, BUY, 1, OrderKind.MARKET, **stop))
    both.submit(order(2, BUY, 9, 906, time_in_force=TimeInForce.IOC, **stop))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (5, 910))
    rest(both, SELL, (5, 905), (5, 906), account=1)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    # without the stop 5 trade from 905 on, and 905 leaves least and is nearest 0; with it ten trade at 906
    assert kinds(events)[:2] == [EventKind.PHASE_CHANGED, EventKind.ORDER_TRIGGERED]
    assert (events[1].price_ticks, events[1].price_e8) == (4 * 906, 905 * E8)
    assert [(e.order, e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL and e.lots > 0] == [
        (6, 5, 906),
        (3, 5, 906),
    ]
    # those that cannot rest come after it, by the price it made
    after = [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED and e.price_e8 == 906 * E8]
    assert (after, gone(events)) == ([4, 5], [(4, CancelReason.NO_LIQUIDITY), (5, CancelReason.UNFILLED)])


def with_a_sale_too_large(lots: int, price: float) -> Pair:
    """Before an opening. Order 3 may only reduce, and would sell two more than its account still holds."""
    both = market()
    rest(both, SELL, (lots, 900))
    both.submit(order(1, BUY, lots, 900))
    rest(both, SELL, (lots, price), account=1, reduce_only=1)
    both.submit(order(2, BUY, 2, 899))
    both.submit(order(1, SELL, 2, 899))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    return both


def test_an_order_of_an_auction_that_would_not_reduce_is_cancelled_at_its_turn() -> None:
    both = with_a_sale_too_large(5, 910)
    rest(both, BUY, (4, 910), account=2)
    rest(both, SELL, (1, 910), account=0)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    assert [(e.order, e.lots) for e in events if e.kind == EventKind.FILL] == [(6, 1), (7, -1)]


def test_where_those_who_made_the_price_are_gone_the_sides_meet_again() -> None:
    """Ours: the market does not open crossed."""
    both = with_a_sale_too_large(9, 901)
    rest(both, BUY, (5, 905), account=2)
    rest(both, SELL, (5, 904), account=0)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    # at 901 nobody is left to sell: the two at 905 and 904 meet at a price of their own
    assert [(e.order, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL] == [(6, 904), (7, 904)]


def test_bands_are_measured_from_the_market_and_before_it_opens_from_where_it_would() -> None:
    both = market(terms=msgspec.structs.replace(TERMS, band_ticks=48))
    assert answer(both.submit(order(0, BUY, 1, 5_000))) == RejectReason.NONE  # there is no price yet
    both.submit(cancel(0, 1))
    trade_at(both, 900)
    rest(both, SELL, (1, 895))
    (refused,) = both.submit(order(0, BUY, 1, 907.25))
    assert (answer([refused]), refused.cost) == (RejectReason.PRICE_OUTSIDE_BAND, 4 * 907)
    both.submit(cancel_all(0))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN), settles(1, 910, 1))
    assert both.submit(order(1, SELL, 1, 897))[0].cost == 4 * 898  # from the settlement
    rest(both, BUY, (5, 920))
    rest(both, SELL, (5, 918), account=1)
    assert both.submit(order(1, SELL, 1, 905))[0].cost == 4 * (918 - 12)  # from the price at which it would open
