"""Trading on a ladder that heals: on both exchanges (docs/rules/liquidity.md)."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.account import InsurancePool
from novation.domain.commands import (
    place_limit,
    place_market,
    set_leverage,
    set_margin_scope,
    transfer,
    transfer_position,
)
from novation.domain.enums import CancelReason, EventKind, MarginScope, MarketEventKind, RejectReason, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import MAKER, Event
from novation.domain.liquidity import Ladder
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NS
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.makers import BOOK, BOOK_ALONE, FEED, FEED_ALONE, OnABook, exchange
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import TERMS, fund, of
from tests.venues.test_edges import coin
from tests.venues.test_liquidation_steps import opening

pytestmark = pytest.mark.usefixtures("makers")

COIN = msgspec.structs.replace(coin(tick_e8=1_000_000, lot_e8=E8), id="x:C0")
#: 100 lots a unit of price from 99 down and from 101 up; 25 lots heal in a second. The tick is 0.01.
LADDER = Ladder.linear(lots=100, levels=40, step=100, spread=200, heals=25)


def market(accounts: int = 1, ladder: Ladder = LADDER, *pools: InsurancePool) -> Lockstep:
    """Both exchanges with one coin on a ladder around 100, everybody with a million."""
    both = exchange(Setup(binance_usdm.RULES, [COIN], [[TERMS]], accounts, 0, [0], pools, {"x:C0": ladder}))
    both.advance(0, opening(0, 100))
    for account in range(accounts):
        both.submit(transfer(account, 1_000_000 * E8))
    return both


def fills(events: list[Event]) -> list[tuple[float, int]]:
    return [(e.price_ticks / 100, e.lots) for e in of(events, EventKind.FILL)]


def missing(both: Lockstep) -> tuple[int, int]:
    """Lots missing from the bids and the asks."""
    both.compare()
    if isinstance(both, OnABook):
        return both.missing[0][Side.BUY], both.missing[0][Side.SELL]
    found = both.twin.markets[0].missing
    return found[-1], found[1]


def test_a_market_order_takes_level_after_level() -> None:
    both = market()
    assert fills(both.submit(place_market(0, 0, Side.SELL, 250))) == [(99, -100), (98, -100), (97, -50)]
    assert fills(both.submit(place_market(0, 0, Side.SELL, 60))) == [(97, -50), (96, -10)]
    assert fills(both.submit(place_market(0, 0, Side.BUY, 30))) == [(101, 30)]
    assert missing(both) == (310, 30)
    assert both.venue.table("market")["last_e8"][0] == 101 * E8


def test_what_was_taken_comes_back_from_the_far_end() -> None:
    both = market()
    both.submit(place_market(0, 0, Side.SELL, 250))
    both.advance(2 * NS - 1, [])
    assert missing(both) == (250 - 49, 0)
    both.advance(2 * NS, [])
    assert missing(both) == (200, 0)
    assert fills(both.submit(place_market(0, 0, Side.SELL, 1))) == [(97, -1)]
    both.advance(100 * NS, [])
    assert missing(both) == (0, 0)


def test_how_often_one_looks_at_the_book_heals_nothing() -> None:
    often, once = market(), market()
    for both in (often, once):
        both.submit(place_market(0, 0, Side.SELL, 3_000))
    for ns in range(0, 7 * NS, NS // 9):
        often.advance(ns, [])
        often.submit(place_limit(0, 0, Side.BUY, 1, 10))
    often.advance(7 * NS, [])
    once.advance(7 * NS, [])
    assert missing(often) == missing(once) == (3_000 - 175, 0)


def test_a_limit_order_takes_to_its_price_and_its_rest_works() -> None:
    both = market()
    events = both.submit(place_limit(0, 0, Side.SELL, 250, 9_800))
    assert fills(events) == [(99, -100), (98, -100)]
    assert both.twin.orders[events[0].order].lots == 50
    # the ladder rises: its bids at 101 and 100 and 99 are at or better than 98, but what is missing is missing
    events = both.advance(NS, opening(NS, 102))
    assert fills(events) == [(98, -25), (98, -25)]
    assert of(events, EventKind.FILL)[0].flags & MAKER
    assert not both.twin.orders
    assert missing(both) == (200 - 25 + 50, 0)


def test_a_market_order_beyond_the_last_level_is_cancelled() -> None:
    both = market(1, Ladder(offsets=(100, 300), lots=(5, 7)))
    events = both.submit(place_market(0, 0, Side.BUY, 20))
    assert fills(events) == [(101, 5), (103, 7)]
    cancelled = of(events, EventKind.ORDER_CANCELLED)
    assert [(e.lots, e.reason) for e in cancelled] == [(8, CancelReason.NO_LIQUIDITY)]
    events = both.submit(place_market(0, 0, Side.BUY, 20))
    assert [EventKind(e.kind).name for e in events] == ["ORDER_ACCEPTED", "ORDER_CANCELLED"]


def test_the_margin_is_asked_for_at_the_worst_price_reached() -> None:
    both = market()
    both.submit(transfer(0, -990_000 * E8))
    both.submit(set_leverage(0, 0, 1))
    # 99 lots cost 9,999 at the first level and open with a loss of 99: one too many, and nothing is traded
    before = both.venue.state_hash()
    assert of(both.submit(place_market(0, 0, Side.BUY, 99)), EventKind.ORDER_REJECTED)
    assert both.venue.table("market")["last_e8"][0] == 100 * E8
    assert before != both.venue.state_hash(), "the refusal is an event"
    assert missing(both) == (0, 0)
    assert fills(both.submit(place_market(0, 0, Side.BUY, 98))) == [(101, 98)]


def trader(both: Lockstep, account: int, cash: int, lots: int, leverage: int, *, isolated: bool = False) -> None:
    """An account left with so much money that buys (or sells) at the first level."""
    both.submit(transfer(account, (cash - 1_000_000) * E8))
    both.submit(set_leverage(account, 0, leverage))
    if isolated:
        both.submit(set_margin_scope(account, 0, MarginScope.ISOLATED))
    both.submit(place_market(account, 0, Side.BUY if lots > 0 else Side.SELL, abs(lots)))


def test_a_liquidation_takes_the_ladder_down() -> None:
    both = market(2)
    trader(both, 0, 600, 100, 25)  # bought at 101
    both.submit(place_market(1, 0, Side.SELL, 395))  # 5 are left at 96
    events = both.advance(1, opening_mark(1, 95.1))
    # equity 10 against 95.1; after 5 at 96: 14.5 against 90.345; after n more at 95: 95.1 * (95 - n) / 100 is at most
    # 80 % of 14.5 - n / 10 from n = 91 on
    assert fills(events) == [(96, -5), (95, -91)]
    assert [e.equity / E8 for e in of(events, EventKind.LIQUIDATION)] == [10, 14.5]
    assert both.twin.accounts[0].positions[0].lots == 4
    assert missing(both)[0] == 491


def opening_mark(ts_ns: int, mark: float) -> list[MarketEvent]:
    """A mark that is not the centre of the ladder."""
    return [
        MarketEvent(
            ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=100 * E8, mark_e8=round(mark * E8)
        )
    ]


def test_the_fund_takes_over_at_the_bankruptcy_price_and_passes_on(makers: str) -> None:
    both = market(2, Ladder(offsets=(100, 2_000, 4_000), lots=(10, 4, 100)), fund(1_000))
    trader(both, 0, 60, 10, 25)  # 10 at 101: bankrupt at 95
    both.submit(place_market(1, 0, Side.SELL, 10))  # 99 is gone, 80 is next
    events = both.advance(1, opening_mark(1, 95.5))
    closed = [(e.lots, e.price_ticks) for e in of(events, EventKind.LIQUIDATION)]
    passed = [(e.lots, e.price_ticks, e.amount) for e in of(events, EventKind.TAKEN_OVER)]
    if makers == FEED:
        assert closed == [(-4, 9_500), (-6, 9_500)]
        assert passed == [(-4, 8_000, -60 * E8), (-6, 6_000, -210 * E8)]
        assert both.venue.fund(0) == (1_000 - 270) * E8
    else:  # 80 is below 95 % of the mark: on a book the fund passes nothing on there, who is short from 99 gives up 4
        assert (closed, passed, both.venue.fund(0)) == ([(-10, 9_500)], [], 1_000 * E8)
        assert [(e.account, e.lots, e.amount) for e in of(events, EventKind.DELEVERAGED)] == [(1, 10, 40 * E8)]
    assert both.twin.accounts[0].wallet == 0
    both.compare()


def test_an_empty_ladder_passes_on_at_the_last_price(makers: str) -> None:
    both = market(2, Ladder(offsets=(100,), lots=(10,)), fund(1_000))
    trader(both, 0, 60, 10, 25)
    both.submit(place_market(1, 0, Side.SELL, 10))  # the last price is 99, better than 95: the fund gains
    events = both.advance(1, [opening_mark(1, 95.5)[0]])
    passed = [(e.lots, e.price_ticks, e.amount) for e in of(events, EventKind.TAKEN_OVER)]
    if makers == FEED:
        assert (passed, both.venue.fund(0)) == ([(-10, 10_000, 50 * E8)], 1_050 * E8)
    else:  # on a book there is nobody to pass on to, and who is short is deleveraged at 95
        assert (passed, both.venue.fund(0)) == ([], 1_000 * E8)
        assert [(e.account, e.lots, e.amount) for e in of(events, EventKind.DELEVERAGED)] == [(1, 10, 40 * E8)]
        assert both.twin.accounts[0].wallet == 0
    both.compare()


def test_a_poor_fund_deleverages_the_other_side_first() -> None:
    both = market(2, Ladder(offsets=(100, 2_000), lots=(10, 100)), fund(10))
    trader(both, 0, 60, 10, 25)
    both.submit(place_market(1, 0, Side.SELL, 10))  # short at 99, in profit at 95
    events = both.advance(1, opening_mark(1, 95.5))
    assert [(e.account, e.lots, e.price_ticks) for e in of(events, EventKind.DELEVERAGED)] == [(1, 10, 9_500)]
    assert not of(events, EventKind.TAKEN_OVER)
    assert both.venue.fund(0) == 10 * E8
    both.compare()


def test_without_a_fund_an_empty_ladder_closes_at_the_last_price(makers: str) -> None:
    rules = msgspec.structs.replace(binance_usdm.RULES, deficit_to_fund=False)
    ladder = Ladder(offsets=(100,), lots=(10,))
    both = exchange(Setup(rules, [COIN], [[TERMS]], 2, 0, [0], (), {"x:C0": ladder}))
    both.advance(0, opening(0, 100))
    for account in range(2):
        both.submit(transfer(account, 1_000_000 * E8))
    trader(both, 0, 60, 10, 25)
    both.submit(place_market(1, 0, Side.SELL, 10))
    events = both.advance(1, opening_mark(1, 92))
    if makers == BOOK:  # nothing is closed against nobody; it is as soon as somebody bids the last price
        assert not of(events, EventKind.LIQUIDATION)
        assert both.twin.accounts[0].called  # it waits
        both.submit(place_limit(1, 0, Side.BUY, 10, 10_000))
        events = both.advance(2, opening_mark(2, 92))
    assert [(e.account, e.lots, e.price_ticks) for e in of(events, EventKind.LIQUIDATION)] == [(0, -5, 10_000)]
    assert both.twin.accounts[0].wallet == 55 * E8
    both.compare()


@FEED_ALONE  # what a ladder is
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"offsets": (), "lots": ()}, "at least one"),
        ({"offsets": (1, 2), "lots": (1,)}, "as many lots as offsets"),
        ({"offsets": (2, 2), "lots": (1, 1)}, "ascend"),
        ({"offsets": (-1,), "lots": (1,)}, "ascend"),
        ({"offsets": (1,), "lots": (0,)}, "positive"),
        ({"offsets": (1,), "lots": (1 << 51,)}, "at most"),
        ({"offsets": (1,), "lots": (1,), "heals": -1}, "heals"),
    ],
)
def test_a_ladder_that_is_none_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Ladder(**fields)  # type: ignore[arg-type]


@FEED_ALONE  # what a ladder is
def test_a_ladder_has_no_bars_and_stands_at_an_instrument_of_the_venue() -> None:
    both = market()
    row = MarketEvent(ts_ns=5, kind=MarketEventKind.BAR_CLOSE, instrument=0, last_e8=E8, mark_e8=E8)
    with pytest.raises(VenueError, match="closes a bar of an instrument on a ladder"):
        both.venue.advance(5, scenarios.array([row]))
    with pytest.raises(InvalidInput, match="no such instrument"):
        Venue(binance_usdm.RULES, [COIN], [[TERMS]], ladders={"x:C9": LADDER})


@FEED_ALONE  # what a ladder is
def test_a_snapshot_carries_what_is_missing() -> None:
    both = market()
    both.submit(place_market(0, 0, Side.SELL, 250))
    kept, state = both.venue.snapshot(), both.venue.state_hash()
    both.venue.submit(place_market(0, 0, Side.SELL, 250))
    both.venue.restore(kept)
    assert both.venue.state_hash() == state
    assert [
        e.price_ticks for e in both.venue.submit(place_market(0, 0, Side.SELL, 60)) if e.kind == EventKind.FILL
    ] == [
        9_700,
        9_600,
    ]


def a_run_on_ladders_is_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    setup = scenarios.setup(r, kind="coins", accounts=4)
    made = {i.id: scenarios.ladder(r, i, price) for i, price in zip(setup.instruments, setup.prices, strict=True)}
    pair = exchange(setup._replace(ladders=made), lenient=1)
    random_run(r, pair, 60)
    assert np.all(pair.venue.table("market")["bid_taken"] >= 0)


@FEED_ALONE
@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 10))
@given(st.integers(0, 1 << 40))
def test_a_run_on_ladders_is_the_same_on_both(seed: int) -> None:
    a_run_on_ladders_is_the_same_on_both(seed)


@BOOK_ALONE
@pytest.mark.heavy
@settings(max_examples=scaled(100, 2))
@given(st.integers(0, 1 << 40))
def test_a_run_on_ladders_is_the_same_on_both_on_a_book(seed: int) -> None:
    a_run_on_ladders_is_the_same_on_both(seed)


@settings(max_examples=scaled(400, 60))
@given(st.integers(1, 60), st.integers(1, 900), st.integers(1, 50), st.sampled_from([Side.BUY, Side.SELL]))
def test_whoever_sweeps_the_ladder_has_the_initial_margin_afterwards(
    cash: int, far: int, lots: int, side: Side
) -> None:
    both = market(1, Ladder(offsets=(far, 2 * far, 1_000 + 2 * far), lots=(1, 9, 100)))
    both.submit(transfer(0, (cash - 1_000_000) * E8))
    both.submit(set_leverage(0, 0, 50))
    accepted = of(both.submit(place_market(0, 0, side, lots)), EventKind.ORDER_ACCEPTED)
    account = both.venue.account(0)
    assert not accepted or account.equity >= account.initial - 1
    both.compare()


def test_a_sweep_is_asked_for_the_whole_way_from_the_mark() -> None:
    # ten at 105 and 110 against a mark of 100 lose 95: neither the way to 105 nor that from there is enough alone
    both = market(1, Ladder(offsets=(500, 1_000), lots=(1, 100)))
    both.submit(transfer(0, (60 - 1_000_000) * E8))
    both.submit(set_leverage(0, 0, 50))
    (refused,) = both.submit(place_market(0, 0, Side.BUY, 10))
    assert (refused.kind, refused.reason) == (EventKind.ORDER_REJECTED, RejectReason.INSUFFICIENT_MARGIN)


def test_a_position_is_not_turned_round_into_a_debt() -> None:
    both = exchange(Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0]))
    both.advance(0, opening(0, 100))
    both.submit(transfer(0, 40 * E8))
    both.submit(set_leverage(0, 0, 50))
    both.submit(place_market(0, 0, Side.BUY, 10))
    opens = MarketEvent(ts_ns=1, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=9_650 * E8 // 100)
    both.advance(1, [opens])  # the mark stays at 100: closing and selling ten more loses 70 against it
    refused = both.submit(place_market(0, 0, Side.SELL, 20))[-1]
    assert (refused.kind, refused.reason) == (EventKind.ORDER_REJECTED, RejectReason.INSUFFICIENT_MARGIN)
    assert both.submit(place_market(0, 0, Side.SELL, 10))[-1].kind == EventKind.FILL


@pytest.mark.parametrize(
    ("side", "price"), [(Side.BUY, 1), (Side.SELL, 1_000_000), (Side.BUY, 9_999), (Side.BUY, 10_001)]
)
def test_a_position_brings_no_profit_with_it(side: Side, price: int) -> None:
    both = market()
    (event,) = both.submit(transfer_position(0, 0, side, 5, price))
    assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, RejectReason.ENTRY_OFF_MARKET)
    assert both.submit(transfer_position(0, 0, side, 5, 10_000))[-1].kind == EventKind.FILL
    back = Side.SELL if side == Side.BUY else Side.BUY
    assert both.submit(transfer_position(0, 0, back, 5, 10_000))[-1].reason == RejectReason.OPEN_POSITION


def test_a_position_is_not_brought_in_before_there_is_a_price() -> None:
    both = exchange(Setup(binance_usdm.RULES, [COIN], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 40 * E8))
    assert both.submit(transfer_position(0, 0, Side.BUY, 1, 10_000))[-1].reason == RejectReason.ENTRY_OFF_MARKET


@FEED_ALONE  # what a ladder is
def test_a_snapshot_goes_into_no_other_market() -> None:
    one, other = market().venue, market(1, Ladder(offsets=(1,), lots=(1,))).venue
    with pytest.raises(VenueError, match="other instruments"):
        other.restore(one.snapshot())
