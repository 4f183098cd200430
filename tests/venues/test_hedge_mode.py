"""Hedge mode: a long and a short position of one instrument, on both exchanges (facts/binance.md §3, §4, §7.1)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import (
    adjust_margin,
    place_limit,
    place_market,
    set_hedge_mode,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.enums import (
    EventKind,
    MarginScope,
    MarketEventKind,
    PositionSide,
    RejectReason,
    Side,
)
from novation.domain.events import LONG_SIDE, REDUCE_ONLY, SHORT_SIDE
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, money
from novation.venues import binance_usdm, cme_globex
from tests.conftest import scaled
from tests.venues.lockstep import Lockstep
from tests.venues.makers import BOOK, BOOK_ALONE, FEED, FEED_ALONE, exchange
from tests.venues.scenarios import Setup
from tests.venues.test_edges import BTC, coin, opening
from tests.venues.test_margin_calls import ES
from tests.venues.test_margin_calls import TERMS as ES_TERMS

pytestmark = pytest.mark.usefixtures("makers")

LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH
#: The first three brackets of BTCUSDT, 2026-09 (facts/binance.md §3.2).
TIERS = (
    Tier(0, 300_000 * E8, 400_000, 150, 0),
    Tier(300_000 * E8, 800_000 * E8, 500_000, 100, 300 * E8),
    Tier(800_000 * E8, NO_CAP, 650_000, 75, 1_500 * E8),
)
TERMS = Terms(effective_ns=0, tiers=TIERS)


def hedged(cash: int = 100_000, *, isolated: bool = False, leverage: int = 20) -> Lockstep:
    """Both exchanges, one account in hedge mode with whole USDT, BTC at 50,000."""
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, cash * E8))
    both.submit(set_hedge_mode(0, True))
    both.submit(set_leverage(0, 0, leverage))
    if isolated:
        both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.advance(0, opening(0, BTC))
    return both


def held(both: Lockstep) -> dict[PositionSide, int]:
    return {p.side: p.lots for p in both.venue.account(0).positions}


def reasons(events: list) -> list[RejectReason]:
    return [RejectReason(e.reason) for e in events if e.kind in (EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED)]


def test_a_long_and_a_short_position_stand_side_by_side() -> None:
    both = hedged()
    for side, named, lots in ((Side.BUY, LONG, 300), (Side.SELL, SHORT, 500), (Side.SELL, LONG, 100)):
        events = both.submit(place_market(0, 0, side, lots, position_side=named))
        assert events[-1].flags == (LONG_SIDE if named == LONG else SHORT_SIDE)
    both.compare()
    assert held(both) == {LONG: 200, SHORT: -500}


def test_a_close_beyond_the_position_is_refused_and_says_how_much_there_is() -> None:
    both = hedged()
    both.submit(place_market(0, 0, Side.BUY, 300, position_side=LONG))
    both.submit(place_limit(0, 0, Side.SELL, 250, 600_000, position_side=LONG))
    (event,) = both.submit(place_market(0, 0, Side.SELL, 100, position_side=LONG))
    assert (event.reason, event.amount, event.cost) == (RejectReason.WOULD_NOT_REDUCE, 100, 50)
    assert held(both) == {LONG: 300}


def test_a_resting_close_takes_no_margin_and_ends_when_its_position_does(makers: str) -> None:
    both = hedged()
    both.submit(place_market(0, 0, Side.BUY, 300, position_side=LONG))
    before = both.venue.account(0).available
    accepted = both.submit(place_limit(0, 0, Side.SELL, 300, 600_000, position_side=LONG))[0]
    assert accepted.flags == REDUCE_ONLY | LONG_SIDE
    assert both.venue.account(0).available == before
    both.submit(place_market(0, 0, Side.SELL, 1, position_side=LONG))  # refused: all of it is being worked on
    row = MarketEvent(
        ts_ns=1,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        start_ns=1,
        last_e8=BTC,
        last_high_e8=61_000 * E8,
        last_low_e8=BTC,
        mark_e8=BTC,
        mark_high_e8=BTC,
        mark_low_e8=BTC,
    )
    if makers == BOOK:  # who buys comes to it
        row = msgspec.structs.replace(opening(1, 61_000 * E8)[0], mark_e8=BTC)
    events = both.advance(1, [row])
    assert [e.kind for e in events] == [EventKind.FILL]
    both.compare()
    assert held(both) == {}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (place_market(0, 0, Side.BUY, 1), RejectReason.WRONG_POSITION_SIDE),
        (place_market(0, 0, Side.BUY, 1, position_side=3), RejectReason.WRONG_POSITION_SIDE),
        (place_market(0, 0, Side.SELL, 1, position_side=LONG, reduce_only=True), RejectReason.REDUCE_ONLY_NOT_OFFERED),
        (place_market(0, 0, Side.BUY, 1, position_side=SHORT), RejectReason.WOULD_NOT_REDUCE),
        (adjust_margin(0, 0, 1), RejectReason.WRONG_POSITION_SIDE),
        (adjust_margin(0, 0, 1, position_side=SHORT), RejectReason.NO_ISOLATED_POSITION),
        (set_hedge_mode(0, True), RejectReason.NO_CHANGE),
    ],
)
def test_what_hedge_mode_refuses_changes_nothing(command, reason: RejectReason) -> None:
    both = hedged()
    both.submit(place_market(0, 0, Side.BUY, 5, position_side=LONG))
    before = both.venue.account(0)
    assert reasons(both.submit(command)) == [reason]
    both.compare()
    assert both.venue.account(0) == before


def test_one_way_accounts_name_no_side_and_change_mode_only_with_nothing_open() -> None:
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 100_000 * E8))
    both.advance(0, opening(0, BTC))
    assert reasons(both.submit(place_market(0, 0, Side.BUY, 1, position_side=LONG))) == [
        RejectReason.WRONG_POSITION_SIDE
    ]
    order = both.submit(place_limit(0, 0, Side.BUY, 1, 400_000))[0].order
    (event,) = both.submit(set_hedge_mode(0, True))
    assert (event.reason, event.amount) == (RejectReason.OPEN_ORDERS, order)
    both.submit(place_market(0, 0, Side.BUY, 1))
    assert held(both) == {BOTH: 1}


@FEED_ALONE  # without a market
def test_a_venue_without_hedge_mode_refuses_it() -> None:
    both = exchange(Setup(cme_globex.RULES, [ES], [[ES_TERMS]], 1, 0, [0]))
    both.submit(transfer(0, money(50_000, "USD")))
    assert reasons(both.submit(set_hedge_mode(0, True))) == [RejectReason.HEDGE_MODE_NOT_OFFERED]


def test_isolated_sides_have_their_own_margin_and_liquidation_price() -> None:
    both = hedged(isolated=True)
    both.submit(place_market(0, 0, Side.BUY, 1_000, position_side=LONG))
    both.submit(place_market(0, 0, Side.SELL, 1_000, position_side=SHORT))
    both.submit(adjust_margin(0, 0, 1_000 * E8, position_side=SHORT))
    long, short = both.venue.account(0).positions
    assert (long.isolated_margin, short.isolated_margin) == (2_500 * E8, 3_500 * E8)
    assert long.liquidation_e8 < BTC < short.liquidation_e8
    events = both.advance(1, opening(1, 47_000 * E8))
    assert [(e.lots, e.flags & (LONG_SIDE | SHORT_SIDE)) for e in events if e.kind == EventKind.LIQUIDATION] == [
        (-1_000, LONG_SIDE)
    ]
    both.compare()
    assert held(both) == {SHORT: -1_000}


def test_funding_is_paid_for_each_side_and_cancels_out() -> None:
    both = hedged()
    both.submit(place_market(0, 0, Side.BUY, 1_000, position_side=LONG))
    both.submit(place_market(0, 0, Side.SELL, 1_000, position_side=SHORT))
    row = MarketEvent(ts_ns=1, kind=MarketEventKind.FUNDING, instrument=0, rate_e8=10_000, mark_e8=BTC)
    paid = [(e.amount, e.flags) for e in both.advance(1, [row]) if e.kind == EventKind.FUNDING]
    assert paid == [(-5 * E8, LONG_SIDE), (5 * E8, SHORT_SIDE)]


def test_leverage_and_scope_are_of_both_sides() -> None:
    both = hedged(isolated=True)
    both.submit(place_market(0, 0, Side.SELL, 10, position_side=SHORT))
    (event,) = both.submit(set_leverage(0, 0, 10))
    assert (event.reason, event.amount) == (RejectReason.OPEN_POSITION, -10)
    assert [e.kind for e in both.submit(set_leverage(0, 0, 25))] == [EventKind.LEVERAGE_SET]
    both.submit(place_market(0, 0, Side.BUY, 10, position_side=LONG))
    assert {p.leverage for p in both.venue.account(0).positions} == {25}


def of_facts(wallet: int, long: int, short: int, entry: int, at: Fraction) -> Fraction:
    """facts/binance.md §4, hedge and cross, one symbol: (WB + cumL + cumS - qL epL + qS epS) /
    (qL mmrL + qS mmrS - qL + qS), brackets at the liquidation price."""
    ql, qs = Fraction(long, 1_000), Fraction(short, 1_000)

    def tier(q: Fraction) -> Tier:
        return next(t for t in TIERS if floor(q * at * E8) <= t.cap)

    tl, ts = tier(ql), tier(qs)
    top = wallet + Fraction(tl.cum + ts.cum, E8) - ql * entry + qs * entry
    return top / (ql * Fraction(tl.rate_e8, E8) + qs * Fraction(ts.rate_e8, E8) - ql + qs)


def a_cross_pair_shares_the_liquidation_price_of_the_published_formula(long: int, short: int, wallet: int) -> None:
    both = hedged(wallet, leverage=75)
    both.submit(place_market(0, 0, Side.BUY, long, position_side=LONG))
    both.submit(place_market(0, 0, Side.SELL, short, position_side=SHORT))
    both.compare()
    if held(both) != {LONG: long, SHORT: -short}:
        return  # there was not the margin for it
    prices = {p.liquidation_e8 for p in both.venue.account(0).positions}
    assert len(prices) == 1
    (price,) = prices
    if price in (0, BTC) or price > 10**15:
        return
    exact = of_facts(wallet, long, short, 50_000, Fraction(price, E8)) * E8
    assert price == (floor(exact) if price < BTC else ceil(exact))


@FEED_ALONE
@given(st.integers(1, 40_000), st.integers(1, 40_000), st.integers(40_000, 300_000))
def test_a_cross_pair_shares_the_liquidation_price_of_the_published_formula(long: int, short: int, wallet: int) -> None:
    a_cross_pair_shares_the_liquidation_price_of_the_published_formula(long, short, wallet)


@BOOK_ALONE
@settings(max_examples=scaled(100, 15))
@given(st.integers(1, 40_000), st.integers(1, 40_000), st.integers(40_000, 300_000))
def test_a_cross_pair_shares_the_liquidation_price_of_the_published_formula_on_a_book(
    long: int, short: int, wallet: int
) -> None:
    a_cross_pair_shares_the_liquidation_price_of_the_published_formula(long, short, wallet)


def test_a_resting_close_takes_a_better_open(makers: str) -> None:
    both = hedged()
    both.submit(place_market(0, 0, Side.SELL, 10, position_side=SHORT))
    both.submit(place_limit(0, 0, Side.BUY, 10, 400_000, position_side=SHORT))
    (fill,) = both.advance(1, opening(1, 39_000 * E8))
    price = 390_000 if makers == FEED else 400_000  # who comes to a resting order trades at its price
    assert (fill.kind, fill.price_ticks, fill.position_lots) == (EventKind.FILL, price, 0)
    assert held(both) == {}


@pytest.mark.parametrize(("long", "short"), [(10**12, 4 * 10**11), (4 * 10**11, 10**12), (10**12, 10**12)])
def test_a_pair_of_so_many_lots_that_a_product_would_wrap_ends_where_it_ends(long: int, short: int) -> None:
    cheap = coin(tick_e8=1, lot_e8=E8)
    terms = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
    both = exchange(Setup(binance_usdm.RULES, [cheap], [[terms]], 1, 0, [0]))
    both.submit(transfer(0, 100_000_000 * E8))
    both.submit(set_hedge_mode(0, True))
    both.advance(0, opening(0, 12_345))
    both.submit(place_market(0, 0, Side.BUY, long, position_side=PositionSide.LONG))
    both.submit(place_market(0, 0, Side.SELL, short, position_side=PositionSide.SHORT))
    both.submit(transfer(0, -both.venue.account(0).max_withdrawal * 9 // 10))
    both.compare()
    prices = {p.liquidation_e8 for p in both.venue.account(0).positions}
    assert len(prices) == 1
    assert prices.pop() < 12_345 if long > short else prices.pop() > 12_345


@pytest.mark.parametrize(("longs", "shorts"), [(2, 1), (1, 2)])
def test_a_pair_that_no_mark_is_known_of_has_a_liquidation_price_in_finite_time(longs: int, shorts: int) -> None:
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 1_000_000 * E8))
    both.submit(set_hedge_mode(0, True))
    both.advance(0, [MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=BTC)])
    both.submit(place_market(0, 0, Side.BUY, longs, position_side=LONG))
    both.submit(place_market(0, 0, Side.SELL, shorts, position_side=SHORT))
    both.compare()
    assert [(p.lots, p.mark_e8) for p in both.venue.account(0).positions] == [(longs, 0), (-shorts, 0)]
