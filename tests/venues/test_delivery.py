"""A quarterly from its last half hour to nothing: price, profit, fee, refusals, deficits; on both exchanges."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.account import InsurancePool
from novation.domain.assets import Asset, AssetTerms
from novation.domain.commands import (
    Command,
    adjust_margin,
    place_limit,
    place_market,
    set_hedge_mode,
    set_leverage,
    set_margin_scope,
    set_multi_assets,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentKind,
    InstrumentStatus,
    MarginScope,
    MarketEventKind,
    MarkRule,
    PositionSide,
    RejectReason,
    Side,
)
from novation.domain.errors import VenueError
from novation.domain.events import ISOLATED, LONG_SIDE, SHORT_SIDE, Event
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, HOUR_NS, NO_CAP, NS, to_ns
from novation.venues import binance_usdm
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep
from tests.venues.makers import FEED, FEED_ALONE, exchange, paid_by_fund
from tests.venues.scenarios import Setup
from tests.venues.test_edges import TERMS, coin

pytestmark = pytest.mark.usefixtures("makers")

END = to_ns("2026-12-25T08:00:00Z")
START = END - 2 * HOUR_NS
QUARTERLY = msgspec.structs.replace(
    TERMS, taker_fee_e8=0, delivery_seconds=1_800, delivery_fee_e8=50_000, basis_seconds=30
)


def quarterly() -> Instrument:
    """One dated contract of a thousandth of a coin a lot."""
    return msgspec.structs.replace(coin(), id="x:C_261225", kind=InstrumentKind.FUTURE, deliver_ns=END)


def pair(
    terms: Terms = QUARTERLY,
    *,
    accounts: int = 2,
    others: tuple[Instrument, ...] = (),
    pools: tuple[InsurancePool, ...] = (),
    marked: bool = True,
) -> Lockstep:
    """Both exchanges with the contract (and others, marked by the data) at 50,000, two hours before the end."""
    instruments = [quarterly(), *others]
    own = {instruments[0].id: MarkRule.MEDIAN} if marked else {}
    all_terms = [[terms], *([TERMS] for _ in others)]
    both = exchange(Setup(binance_usdm.RULES, instruments, all_terms, accounts, 0, [0], pools, marked=own))
    both.advance(START, [bar(START, 50_000, i) for i in range(len(instruments))] + [index(START, 50_000)] * marked)
    return both


def bar(ts_ns: int, price: int, instrument: int = 0) -> MarketEvent:
    """A bar opens."""
    mark = 0 if instrument == 0 else price * E8
    return MarketEvent(
        ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=instrument, last_e8=price * E8, mark_e8=mark
    )


def index(ts_ns: int, price: float) -> MarketEvent:
    """A sample of the index, the book around it."""
    e8 = round(price * E8)
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.INDEX, instrument=0, index_e8=e8, bid_e8=e8, ask_e8=e8)


def status(ts_ns: int, to: InstrumentStatus, price_e8: int = 0) -> MarketEvent:
    """The contract comes into a status."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.STATUS, instrument=0, status=to, index_e8=price_e8)


def deliver(both: Lockstep, price: float) -> list[Event]:
    """The end, at a price given."""
    return both.advance(END, [status(END, InstrumentStatus.DELIVERING, round(price * E8))])


def of(events: list[Event], kind: EventKind) -> list[Event]:
    """Events of a kind."""
    return [e for e in events if e.kind == kind]


def nothing_left(both: Lockstep) -> None:
    """No position, no order, and both exchanges agree."""
    both.compare()
    for account in range(both.setup.accounts):
        assert not any(p.instrument == 0 for p in both.venue.account(account).positions)
    assert both.venue.number("working") == 0
    assert both.venue.status(0) == InstrumentStatus.DELIVERED


# -- the price ------------------------------------------------------------------------------------------------------


def test_the_delivery_price_is_the_mean_of_1800_one_second_samples_from_half_past_seven() -> None:
    # facts/binance.md §13: 07:30 to 08:00; the sample of 07:29:59 and that of 08:00:00 do not count
    both = pair(accounts=1)
    begin = END - 1_800 * NS
    rows = [index(begin - NS, 90_000), *(index(begin + k * NS, 40_000 + k) for k in range(1_800)), index(END, 90_000)]
    events = both.advance(END, [*rows, status(END, InstrumentStatus.DELIVERING)])
    first, final = of(events, EventKind.STATUS_CHANGED)
    assert [e.amount for e in (first, final)] == [InstrumentStatus.DELIVERING, InstrumentStatus.DELIVERED]
    assert (final.price_e8, final.lots) == (round(40_899.5 * E8), 1_800)
    nothing_left(both)


def test_before_2024_11_11_it_was_the_last_hour() -> None:
    both = pair(msgspec.structs.replace(QUARTERLY, delivery_seconds=3_600), accounts=1)
    rows = [index(END - (3_600 - k) * NS, 40_000 + k) for k in range(3_600)]
    events = both.advance(END, [*rows, status(END, InstrumentStatus.DELIVERING)])
    assert of(events, EventKind.STATUS_CHANGED)[-1].price_e8 == round(41_799.5 * E8)


def test_of_a_second_with_several_rows_the_first_counts_and_seconds_without_one_do_not() -> None:
    both = pair(accounts=1)
    rows = [index(END - 10 * NS, 100), index(END - 10 * NS + 1, 900), index(END - 4 * NS, 300)]
    events = both.advance(END, [*rows, status(END, InstrumentStatus.DELIVERING)])
    final = of(events, EventKind.STATUS_CHANGED)[-1]
    assert (final.price_e8, final.lots) == (200 * E8, 2)


def test_without_samples_the_given_price_or_the_mark_is_taken() -> None:
    both = pair(accounts=1, marked=False)
    final = of(deliver(both, 27_103), EventKind.STATUS_CHANGED)[-1]
    assert (final.price_e8, final.lots) == (27_103 * E8, 0)
    both = pair(accounts=1)
    final = of(both.advance(END, [status(END, InstrumentStatus.DELIVERING)]), EventKind.STATUS_CHANGED)[-1]
    assert (final.price_e8, final.lots) == (50_000 * E8, 0)


def test_the_mark_is_the_index_plus_the_basis_without_a_median() -> None:
    both = pair(accounts=1)
    row = msgspec.structs.replace(index(START + NS, 50_000), bid_e8=50_400 * E8, ask_e8=50_440 * E8)
    both.advance(START + NS, [row])
    assert both.twin.markets[0].mark_e8 == 50_210 * E8  # last 50,000, and one sample of 0 before


# -- what becomes of positions --------------------------------------------------------------------------------------


def test_long_and_short_are_closed_at_the_price_and_pay_the_fee() -> None:
    both = pair()
    for account, side in ((0, Side.BUY), (1, Side.SELL)):
        both.submit(transfer(account, 10_000 * E8))
        both.submit(place_market(account, 0, side, 1_000))
    both.submit(place_limit(0, 0, Side.BUY, 10, 400_000))
    events = deliver(both, 51_000)
    (cancelled,) = of(events, EventKind.ORDER_CANCELLED)
    assert cancelled.reason == CancelReason.DELIVERY
    long, short = of(events, EventKind.DELIVERY)
    # 1 coin from 50,000 to 51,000; the fee is 0.05 % of 51,000
    assert (long.lots, long.cost, long.amount, long.fee) == (1_000, 50_000 * E8, 1_000 * E8, 2_550_000_000)
    assert (short.lots, short.amount, short.fee) == (-1_000, -1_000 * E8, 2_550_000_000)
    assert both.venue.account(0).wallet == 11_000 * E8 - 2_550_000_000
    assert both.venue.totals().outside == 0  # the two were each other's counterparty
    nothing_left(both)


def test_what_the_cut_of_a_price_between_minor_units_leaves_goes_to_rounding() -> None:
    both = pair(accounts=3)
    for account, side, lots in ((0, Side.BUY, 1), (1, Side.BUY, 1), (2, Side.SELL, 2)):
        both.submit(transfer(account, 10_000 * E8))
        both.submit(place_market(account, 0, side, lots))
    # a lot gains 0.999 of a minor unit: nothing for who holds one, one lost by who is short of two
    events = both.advance(END, [status(END, InstrumentStatus.DELIVERING, 5_000_000_000_999)])
    assert [e.amount for e in of(events, EventKind.DELIVERY)] == [0, 0, -1]
    totals = both.venue.totals()
    assert (totals.gap, totals.outside, totals.rounding) == (0, 0, 1)
    nothing_left(both)


def test_isolated_margin_comes_back_with_the_profit() -> None:
    both = pair(accounts=1)
    both.submit(transfer(0, 10_000 * E8))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 1_000))  # margin 2,500
    both.submit(adjust_margin(0, 0, 500 * E8))
    (event,) = of(deliver(both, 50_200), EventKind.DELIVERY)
    assert event.flags & ISOLATED
    assert both.venue.account(0).wallet == 10_200 * E8 - 2_510_000_000
    nothing_left(both)


@pytest.mark.parametrize("scope", [MarginScope.CROSS, MarginScope.ISOLATED])
def test_a_loss_beyond_what_is_there_is_lifted_by_the_fund_and_pays_no_fee(scope: MarginScope) -> None:
    fund = InsurancePool(name="all", instruments=("x:C_261225",), balance=10_000 * E8)
    both = pair(accounts=1, pools=(fund,))
    both.submit(transfer(0, 2_500 * E8))
    both.submit(set_margin_scope(0, 0, scope))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    events = deliver(both, 47_000)
    (event,), (lifted,) = of(events, EventKind.DELIVERY), of(events, EventKind.INSURANCE)
    assert (event.amount, event.fee, lifted.amount) == (-3_000 * E8, 0, 500 * E8)
    assert both.venue.account(0).wallet == 0
    assert both.venue.fund(0) == 9_500 * E8
    nothing_left(both)


def test_a_loss_that_leaves_less_than_the_fee_pays_what_is_left() -> None:
    both = pair(accounts=1)
    both.submit(transfer(0, 2_500 * E8))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    (event,) = of(deliver(both, 47_501), EventKind.DELIVERY)
    assert event.fee == 1 * E8
    assert both.venue.account(0).wallet == 0


def test_an_isolated_deficit_does_not_touch_the_wallet() -> None:
    both = pair(accounts=1)
    both.submit(transfer(0, 10_000 * E8))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    (lifted,) = of(deliver(both, 40_000), EventKind.INSURANCE)
    assert lifted.amount == 7_500 * E8
    assert both.venue.account(0).wallet == 7_500 * E8
    nothing_left(both)


def test_a_cross_account_with_other_positions_is_tested_at_the_check_of_the_same_instant(makers: str) -> None:
    other = msgspec.structs.replace(coin(), id="x:P")
    both = pair(accounts=1, others=(other,))
    both.submit(transfer(0, 5_200 * E8))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    both.submit(place_market(0, 1, Side.BUY, 1_000))
    events = deliver(both, 44_000)
    # the wallet is below zero, the other position stands behind it with nothing: it is liquidated, then the fund pays
    kinds = [e.kind for e in events]
    pays = EventKind.INSURANCE if makers == FEED else EventKind.TAKEN_OVER
    assert kinds.index(EventKind.DELIVERY) < kinds.index(EventKind.LIQUIDATION) < kinds.index(pays)
    assert paid_by_fund(events) == [847 * E8]  # 5,200 less 6,000, and fees of 25 and 22
    assert both.venue.account(0).wallet == 0
    nothing_left(both)


def test_profits_elsewhere_keep_an_account_with_a_negative_wallet_alive() -> None:
    other = msgspec.structs.replace(coin(), id="x:P")
    both = pair(accounts=1, others=(other,))
    both.submit(transfer(0, 5_200 * E8))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    both.submit(place_market(0, 1, Side.SELL, 1_000))
    both.advance(END - NS, [bar(END - NS, 40_000, 1)])
    events = deliver(both, 44_000)
    assert not of(events, EventKind.LIQUIDATION) and not of(events, EventKind.INSURANCE)
    assert both.venue.account(0).wallet < 0 < both.venue.account(0).equity
    nothing_left(both)


def test_both_positions_of_hedge_mode_are_delivered_and_back_each_other() -> None:
    both = pair(accounts=1)
    both.submit(set_hedge_mode(0, True))
    both.submit(set_leverage(0, 0, 50))
    both.submit(transfer(0, 3_000 * E8))
    both.submit(place_market(0, 0, Side.BUY, 1_000, position_side=PositionSide.LONG))
    both.submit(place_market(0, 0, Side.SELL, 1_000, position_side=PositionSide.SHORT))
    long, short = of(events := deliver(both, 40_000), EventKind.DELIVERY)
    assert (long.flags, short.flags) == (LONG_SIDE, SHORT_SIDE)
    assert (long.amount, short.amount) == (-10_000 * E8, 10_000 * E8)
    assert (long.fee, short.fee) == (20 * E8, 20 * E8)
    assert not of(events, EventKind.INSURANCE)
    assert both.venue.account(0).wallet == 2_960 * E8
    nothing_left(both)


def pledged(coins: int) -> Lockstep:
    """One account in Multi-Assets mode: 2,500 USDT, some BNB at 100 USD that count for 90 (sold at 95); long a coin."""
    bnb = AssetTerms(bid_buffer_e8=10_000_000, auto_bid_buffer_e8=5_000_000)
    assets = (Asset(name="USDT"), Asset(name="BNB", terms=(bnb,)))
    setup = Setup(
        binance_usdm.RULES,
        [quarterly()],
        [[QUARTERLY]],
        1,
        0,
        [0],
        marked={quarterly().id: MarkRule.MEDIAN},
        assets=assets,
    )
    both = exchange(setup)
    indices = [
        MarketEvent(ts_ns=START, kind=MarketEventKind.ASSET_INDEX, instrument=0, asset=k, index_e8=price * E8)
        for k, price in ((0, 1), (1, 100))
    ]
    both.advance(START, [*indices, bar(START, 50_000), index(START, 50_000)])
    both.submit(transfer(0, 2_500 * E8))
    both.submit(transfer(0, coins * E8, asset=1))
    both.submit(set_multi_assets(0, True))
    both.submit(place_market(0, 0, Side.BUY, 1_000))
    return both


def test_in_multi_assets_mode_a_debt_that_other_assets_stand_for_stays() -> None:
    both = pledged(20)  # they count for 1,800
    events = deliver(both, 47_000)
    (event,) = of(events, EventKind.DELIVERY)
    assert (event.amount, event.fee) == (-3_000 * E8, 2_350_000_000)
    assert not of(events, EventKind.INSURANCE) and not of(events, EventKind.AUTO_EXCHANGE)
    assert both.venue.account(0).wallet == -52_350_000_000
    nothing_left(both)


def test_in_multi_assets_mode_the_fund_pays_what_is_missing_when_all_is_sold() -> None:
    both = pledged(20)
    events = deliver(both, 45_000)  # 2,500 are owed: 20 BNB bring 1,900 at 95
    kinds = [e.kind for e in events]
    assert kinds.index(EventKind.DELIVERY) < kinds.index(EventKind.AUTO_EXCHANGE) < kinds.index(EventKind.INSURANCE)
    (event,), (lifted,) = of(events, EventKind.DELIVERY), of(events, EventKind.INSURANCE)
    assert (event.fee, lifted.amount) == (0, 600 * E8)
    assert both.venue.account(0).wallet == 0
    nothing_left(both)


# -- the way there --------------------------------------------------------------------------------------------------


def test_before_delivery_only_what_reduces_is_taken_and_afterwards_nothing() -> None:
    both = pair(accounts=1)
    both.submit(transfer(0, 10_000 * E8))
    both.submit(place_market(0, 0, Side.BUY, 100))
    soon = END - 600 * NS
    both.advance(soon, [status(soon, InstrumentStatus.PRE_DELIVERING), bar(soon, 50_000)])

    def answer(command: Command) -> tuple[int, int]:
        event = both.submit(command)[0]
        return event.kind, event.reason

    refused = EventKind.ORDER_REJECTED
    assert answer(place_market(0, 0, Side.BUY, 1)) == (refused, RejectReason.OPENING_NOT_ALLOWED)
    assert answer(place_market(0, 0, Side.SELL, 101)) == (refused, RejectReason.OPENING_NOT_ALLOWED)
    assert answer(place_market(0, 0, Side.SELL, 40)) == (EventKind.ORDER_ACCEPTED, 0)
    deliver(both, 50_000)
    for command in (place_market(0, 0, Side.SELL, 1), place_limit(0, 0, Side.BUY, 1, 10)):
        assert answer(command) == (refused, RejectReason.NOT_TRADING)
    nothing_left(both)
    # nothing brings it back
    both.advance(END + NS, [status(END + NS, InstrumentStatus.TRADING), index(END + NS, 1)])
    assert both.venue.status(0) == InstrumentStatus.DELIVERED
    assert both.twin.markets[0].mark_e8 == 50_000 * E8


def test_a_contract_not_listed_yet_takes_no_order() -> None:
    both = pair(accounts=1)
    both.advance(START + NS, [status(START + NS, InstrumentStatus.PENDING_TRADING)])
    (event,) = both.submit(place_market(0, 0, Side.BUY, 1))
    assert (event.reason, event.amount) == (RejectReason.NOT_TRADING, InstrumentStatus.PENDING_TRADING)
    both.advance(START + 2 * NS, [status(START + 2 * NS, InstrumentStatus.TRADING)])
    assert both.submit(place_limit(0, 0, Side.BUY, 1, 10))[0].reason != RejectReason.NOT_TRADING


@settings(max_examples=scaled(300, 25))
@given(
    st.integers(1, (1 << 50) - 1),
    st.lists(
        st.tuples(st.integers(-5_000, 5_000), st.sampled_from(MarginScope), st.integers(1, 10**12)),
        min_size=1,
        max_size=5,
    ),
)
def test_delivery_conserves_money_whatever_the_price(
    price_e8: int, accounts: list[tuple[int, MarginScope, int]]
) -> None:
    both = pair(msgspec.structs.replace(QUARTERLY, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),)), accounts=len(accounts))
    for account, (lots, scope, cash) in enumerate(accounts):
        both.submit(transfer(account, cash))
        both.submit(set_margin_scope(account, 0, scope))
        if lots:
            both.submit(place_market(account, 0, Side.BUY if lots > 0 else Side.SELL, abs(lots)))
    both.advance(END, [status(END, InstrumentStatus.DELIVERING, price_e8)])
    nothing_left(both)
    totals = both.venue.totals()
    assert (totals.costs, totals.isolated, totals.gap) == (0, 0, 0)
    assert all(both.venue.account(account).wallet >= 0 for account in range(len(accounts)))
    assert abs(totals.rounding) <= len(accounts)


def test_nothing_trades_after_the_delivery_time_whether_or_not_a_row_has_said_so() -> None:
    both = pair(accounts=1)
    both.advance(END, [bar(END, 50_000)])
    refused = both.submit(place_market(0, 0, Side.BUY, 1))[-1]
    assert refused.reason == RejectReason.NOT_TRADING


@FEED_ALONE  # without a market
def test_a_delivery_before_its_time_is_refused() -> None:
    both = pair(accounts=1)
    with pytest.raises(VenueError, match="before its delivery time"):
        both.venue.advance(END - 1, scenarios.array([status(END - 1, InstrumentStatus.DELIVERING)]))
