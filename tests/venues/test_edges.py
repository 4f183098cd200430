"""Sizes and prices at the edge of the integers, and orders that only get out."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.commands import (
    Command,
    place_limit,
    place_market,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.enums import (
    CommandKind,
    EventKind,
    InstrumentKind,
    MarginMethod,
    MarginScope,
    MarketEventKind,
    OrderKind,
    RejectReason,
    Side,
)
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import BALANCE_BOUND, E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep
from tests.venues.makers import FEED, FEED_ALONE, exchange
from tests.venues.scenarios import Setup

pytestmark = pytest.mark.usefixtures("makers")

TERMS = Terms(effective_ns=0, taker_fee_e8=50_000, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),))
BTC = 50_000 * E8


def coin(tick_e8: int = 10_000_000, lot_e8: int = 100_000) -> Instrument:
    """One perpetual."""
    return Instrument(
        id="x:C",
        venue="x",
        symbol="C",
        root="C",
        kind=InstrumentKind.PERPETUAL,
        method=MarginMethod.TIERED,
        asset="USDT",
        tick_e8=tick_e8,
        lot_e8=lot_e8,
    )


def pair(
    instrument: Instrument | None = None, terms: Terms = TERMS, *, cash: int = 10**13, spread_e8: int = 0
) -> Lockstep:
    """Both exchanges with one account."""
    both = exchange(Setup(binance_usdm.RULES, [instrument or coin()], [[terms]], 1, spread_e8, [0]))
    if cash:
        both.submit(transfer(0, cash))
    return both


def opening(ts_ns: int, price_e8: int) -> list[MarketEvent]:
    """A bar that opens, last and mark alike."""
    return [MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=price_e8, mark_e8=price_e8)]


# -- getting out ----------------------------------------------------------------------------------------------------


def close_isolated(side: Side) -> list[int]:
    """Put the whole wallet behind an isolated position and close it again; the kinds of event of the close."""
    both = pair(cash=2_525_000_000)  # 500 USDT at 20x is 25, and 0.25 is the fee
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.advance(0, opening(0, BTC))
    both.submit(place_market(0, 0, side, 10))
    assert both.venue.account(0).available == 0
    events = both.submit(place_market(0, 0, Side(-side), 10))
    both.compare()
    return [event.kind for event in events]


def test_a_long_can_be_closed_with_nothing_available() -> None:
    assert close_isolated(Side.BUY) == [EventKind.ORDER_ACCEPTED, EventKind.FILL]


def test_a_short_can_be_closed_with_nothing_available() -> None:
    assert close_isolated(Side.SELL) == [EventKind.ORDER_ACCEPTED, EventKind.FILL]


# -- the edge of the integers ---------------------------------------------------------------------------------------


def test_many_lots_of_a_cheap_coin_are_worth_what_they_are_worth() -> None:
    both = pair(coin(1, E8), cash=10**18)
    both.advance(0, opening(0, 12_345))
    both.submit(place_market(0, 0, Side.BUY, 10**11))
    both.compare()
    assert both.venue.account(0).equity == 10**18 - 617_250_000_000  # the fee alone is lost


def test_a_price_beyond_int64_is_refused() -> None:
    both = pair(coin(E8, 1))
    both.advance(0, opening(0, BTC))
    both.submit(place_market(0, 0, Side.BUY, 50_000_000))
    both.advance(1, [])
    (event,) = both.submit(place_limit(0, 0, Side.SELL, 1, 10**11))
    assert event.reason == RejectReason.NUMBER_TOO_LARGE


@FEED_ALONE  # who is on the other side would lose more than an account can hold
def test_a_position_at_the_bound_survives_a_mark_twenty_times_higher() -> None:
    both = pair(cash=BALANCE_BOUND)
    both.advance(0, opening(0, BTC))
    both.submit(place_market(0, 0, Side.BUY, 40_000_000))
    both.advance(1, opening(1, 20 * BTC))
    both.compare()
    assert both.venue.account(0).maintenance > 0


@FEED_ALONE  # without a market
def test_a_withdrawal_of_the_smallest_integer_is_refused() -> None:
    both = pair(cash=0)
    (event,) = both.submit(transfer(0, -(1 << 63)))
    assert event.reason == RejectReason.NUMBER_TOO_LARGE


@FEED_ALONE  # without a market
@pytest.mark.parametrize("amount", [BALANCE_BOUND, 1, -1, BALANCE_BOUND + 1, (1 << 63) - 1, -(1 << 63) + 1])
def test_transfers_at_the_bound_are_the_same_on_both(amount: int) -> None:
    for cash in (0, 10**13, BALANCE_BOUND):
        both = pair(cash=cash)
        both.submit(transfer(0, amount))
        both.compare()
        assert abs(both.venue.account(0).wallet) <= BALANCE_BOUND


@pytest.mark.parametrize(("lot_e8", "lots", "price_e8"), [(10_000_000, 10**12, 10_000), (50_000_000, 1 << 38, 100_000)])
def test_so_many_parts_of_a_coin_that_the_product_would_wrap_are_refused(lot_e8: int, lots: int, price_e8: int) -> None:
    both = pair(coin(10, lot_e8), cash=10**18)
    both.advance(0, opening(0, price_e8))
    (event,) = both.submit(place_market(0, 0, Side.BUY, lots))
    both.compare()
    assert event.reason == RejectReason.NUMBER_TOO_LARGE


@FEED_ALONE  # on a book a market order does not wait
@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_sent_before_the_first_price_is_measured_when_it_meets_one(side: Side) -> None:
    both = pair()  # 100,000 USDT
    both.submit(place_market(0, 0, side, 3_689_348_521))  # 184 billion USDT, 2**64 minor units and a little
    both.venue.advance(0, scenarios.array(opening(0, BTC)))
    assert both.venue.account(0).positions == ()


def test_an_order_worth_just_two_e17_is_let_through_and_more_is_not() -> None:
    kinds = []
    for lots in (4 * 10**7, 4 * 10**7 + 1):  # 0.001 BTC at 50,000 is 50 USDT or 5e9 minor units
        both = pair(cash=BALANCE_BOUND)
        both.advance(0, opening(0, BTC))
        events = both.submit(place_market(0, 0, Side.BUY, lots))
        kinds.append((events[0].kind, events[0].reason))
    assert kinds[0][0] == EventKind.ORDER_ACCEPTED
    assert kinds[1] == (EventKind.ORDER_REJECTED, RejectReason.NUMBER_TOO_LARGE)


def test_orders_that_close_are_worth_ten_times_two_e17_together_at_most() -> None:
    """They reserve no margin that would bound them: without a bound their values would leave the integers."""
    both = pair(cash=BALANCE_BOUND)
    both.advance(0, opening(0, BTC))
    both.submit(place_market(0, 0, Side.BUY, 4 * 10**7))
    both.advance(1, [])
    told = []
    for times in (11, 6, 5, 4):
        events = both.submit(place_limit(0, 0, Side.SELL, 4 * 10**7, times * 500_000))  # of 0.10 USDT
        told.append(events[0].reason)
    both.compare()
    assert told == [RejectReason.NUMBER_TOO_LARGE, 0, RejectReason.NUMBER_TOO_LARGE, 0]


# -- what a command may hold ----------------------------------------------------------------------------------------


def test_a_market_order_has_no_price() -> None:
    both = pair()
    event, *_ = both.submit(Command(kind=CommandKind.PLACE, side=1, order_kind=OrderKind.MARKET, lots=1, price_ticks=7))
    assert event.price_ticks == 0


def test_a_sale_below_one_tick_is_at_one_tick() -> None:
    both = pair(coin(1_000_000, E8))
    both.advance(0, opening(0, 500_000))
    events = both.submit(place_market(0, 0, Side.SELL, 5))
    both.compare()
    assert [(event.kind, event.price_ticks) for event in events][1:] == [(EventKind.FILL, 1)]


@pytest.mark.parametrize("step", [1, 5])
def test_a_liquidation_at_a_mark_of_one_tick_is_at_one_tick(makers: str, step: int) -> None:
    """Half the spread of any price is a little, and rounding against the taker made it the whole tick."""
    both = pair(coin(1_000_000, E8), msgspec.structs.replace(TERMS, tick_step=step), cash=1_000 * E8, spread_e8=10_000)
    both.advance(0, opening(0, E8))
    both.submit(place_market(0, 0, Side.BUY, 1_500))
    events = both.advance(1, opening(1, 1_000_000 * step))
    both.compare()
    (liquidation,) = [event for event in events if event.kind == EventKind.LIQUIDATION]
    assert liquidation.lots == -1_500
    if makers == FEED:
        assert liquidation.price_ticks == step
    else:  # the fund takes over at the bankruptcy price and passes on at a tick. Bought at 1.01 (1.05), fee 0.05 %:
        # (1,515 - 999.2425) / 1,500 = 0.3438..., (1,575 - 999.2125) / 1,500 = 0.3838..., up to the tick
        (passed,) = [event for event in events if event.kind == EventKind.TAKEN_OVER]
        assert (liquidation.price_ticks, passed.price_ticks, passed.lots) == ({1: 35, 5: 40}[step], step, -1_500)


@FEED_ALONE  # a book has no price at zero or below
@pytest.mark.parametrize("price_e8", [0, -1, -5_000_000])
def test_contracts_margined_by_the_piece_trade_at_zero_and_below(price_e8: int) -> None:
    """Oil did in April 2020: a price of theirs has a sign."""
    barrel = msgspec.structs.replace(coin(1_000_000, E8), method=MarginMethod.PER_CONTRACT)
    both = pair(barrel, Terms(effective_ns=0, initial_per_lot=E8, maintenance_per_lot=E8), spread_e8=E8)
    both.advance(0, opening(0, E8))
    both.submit(place_market(0, 0, Side.BUY, 5))
    both.advance(1, opening(1, price_e8 or 1))
    both.compare()
    assert both.venue.account(0).positions[0].notional >= 0  # a value, whatever sign the price has
    (_, fill) = both.submit(place_market(0, 0, Side.SELL, 5))
    both.compare()
    assert fill.price_ticks <= 0


@FEED_ALONE  # a book has no price at zero
def test_a_market_order_meets_an_open_at_exactly_zero() -> None:
    barrel = msgspec.structs.replace(coin(1_000_000, E8), method=MarginMethod.PER_CONTRACT)
    both = pair(barrel, Terms(effective_ns=0, initial_per_lot=E8, maintenance_per_lot=E8))
    both.advance(0, opening(0, E8))
    both.submit(place_market(0, 0, Side.BUY, 5))
    both.advance(1, opening(1, 0))
    (_, fill) = both.submit(place_market(0, 0, Side.SELL, 5))
    both.compare()
    assert (fill.kind, fill.price_ticks) == (EventKind.FILL, 0)


@FEED_ALONE  # without a market
def test_a_command_of_no_kind_is_answered() -> None:
    assert pair(cash=0).venue.submit(Command(kind=99)) != []


def test_a_maintenance_rate_of_one_hundred_per_cent_is_the_same_on_both() -> None:
    all_of_it = msgspec.structs.replace(TERMS, tiers=(Tier(0, NO_CAP, E8, 1, 0),))
    both = pair(terms=all_of_it)
    both.submit(set_leverage(0, 0, 1))
    both.advance(0, opening(0, BTC))
    both.submit(place_market(0, 0, Side.BUY, 5))
    both.compare()
    assert both.venue.account(0).positions[0].liquidation_e8 == 0  # a coin more is a coin more of maintenance
    both.submit(place_market(0, 0, Side.SELL, 8))
    both.compare()
    assert both.venue.account(0).positions[0].lots == -3


def test_rows_at_the_clock_are_another_instant() -> None:
    both = pair()
    both.advance(5, opening(5, BTC))
    both.submit(place_market(0, 0, Side.BUY, 5))
    funding = MarketEvent(ts_ns=5, kind=MarketEventKind.FUNDING, instrument=0, rate_e8=10_000)
    events = both.advance(5, [funding])
    both.compare()
    assert [event.kind for event in events] == [EventKind.FUNDING]


@FEED_ALONE  # the venue alone
def test_twelve_margin_calls_of_one_account_fit_in_the_smallest_buffer() -> None:
    coins = [msgspec.structs.replace(coin(E8, 1), id=f"x:C{i}", symbol=f"C{i}") for i in range(12)]
    venue = Venue(binance_usdm.RULES, coins, [[TERMS]] * 12, buffer=8)
    venue.submit(transfer(0, 10**13))
    rows = [
        MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=BTC, mark_e8=BTC) for i in range(12)
    ]
    venue.advance(0, scenarios.array(rows))
    for i in range(12):
        venue.submit(set_margin_scope(0, i, MarginScope.ISOLATED))
        venue.submit(place_market(0, i, Side.BUY, 1))
    price = venue.account(0).positions[0].liquidation_e8
    near = price + price // 2_000
    later = [msgspec.structs.replace(row, ts_ns=1, last_e8=near, mark_e8=near) for row in rows]
    events = venue.advance(1, scenarios.array(later))
    assert [event.kind for event in events] == [EventKind.MARGIN_CALL] * 12


@FEED_ALONE  # the venue alone
def test_asking_for_the_event_hash_takes_no_event_away() -> None:
    venue = pair().venue
    venue.attach(scenarios.array(opening(5, BTC)))
    venue.submit(place_market(0, 0, Side.BUY, 5))
    assert venue.step(5)
    venue.event_hash()
    venue.snapshot()
    assert b"".join(venue.drain())
