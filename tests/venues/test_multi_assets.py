"""Multi-Assets mode: what several assets count for, what is refused, how debts are exchanged (facts/binance.md §3)."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.account import Account, Balance
from novation.domain.assets import Asset, AssetTerms
from novation.domain.commands import (
    place_limit,
    place_market,
    set_leverage,
    set_margin_scope,
    set_multi_assets,
    transfer,
)
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, RejectReason, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import Event
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, to_e8
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run
from tests.venues.makers import BOOK_ALONE, FEED, FEED_ALONE, exchange, paid_by_fund
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin, opening
from tests.venues.test_refusals import refused

pytestmark = pytest.mark.usefixtures("makers")

USDT, BNB, ADA, BTC = range(4)
HAIRCUTS = {"USDT": "0.0001", "BNB": "0.05", "ADA": "0.1", "BTC": "0.05"}
INDEX = {"USDT": "1", "BNB": "500", "ADA": "0.5", "BTC": "60000"}
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),))
FREE = msgspec.structs.replace(TERMS, taker_fee_e8=0)
PRICE = 50_000 * E8


def asset(name: str, *, below: str = "10000") -> Asset:
    """One with its published haircut on both sides, half of it in an automatic exchange."""
    buffer = to_e8(HAIRCUTS[name])
    terms = AssetTerms(
        bid_buffer_e8=buffer,
        ask_buffer_e8=buffer,
        auto_bid_buffer_e8=buffer // 2,
        auto_ask_buffer_e8=0,
        exchange_below=to_e8(below),
    )
    return Asset(name=name, terms=(terms,))


ASSETS = tuple(asset(name) for name in HAIRCUTS)


def index(ts_ns: int, which: int, usd: str, terms: int = 0) -> MarketEvent:
    """What an asset is worth now."""
    kind = MarketEventKind.ASSET_INDEX
    return MarketEvent(ts_ns=ts_ns, kind=kind, instrument=0, asset=which, index_e8=to_e8(usd), terms=terms)


def market(cash: str = "0", *, multi: bool = True, assets: tuple[Asset, ...] = ASSETS, terms: Terms = FREE) -> Lockstep:
    """Both exchanges with one account and all indices known; a bar opens now."""
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[terms]], 1, 0, [0], assets=assets))
    rows = [index(0, k, INDEX[a.name]) for k, a in enumerate(assets)]
    both.advance(0, [*opening(0, PRICE), *rows])
    if to_e8(cash):
        both.submit(transfer(0, to_e8(cash)))
    if multi:
        (event,) = both.submit(set_multi_assets(0, True))
        assert (event.kind, event.amount) == (EventKind.MULTI_ASSETS_SET, 1)
    return both


def bring(both: Lockstep, which: int, amount: str) -> None:
    """A deposit of an asset."""
    (event,) = both.submit(transfer(0, to_e8(amount), asset=which))
    assert (event.kind, event.order, event.amount) == (EventKind.TRANSFER, which, to_e8(amount))


def account(both: Lockstep) -> Account:
    """The account, the same on both."""
    both.compare()
    return both.venue.account(0)


def held(both: Lockstep) -> dict[str, Balance]:
    """Its balances by name."""
    return {one.asset: one for one in account(both).balances}


def of(events: list[Event], kind: EventKind) -> list[Event]:
    """The events of a kind."""
    return [event for event in events if event.kind == kind]


# -- what assets count for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "amount", "usd"), [(BNB, "2", "950"), (ADA, "2000", "900"), (USDT, "1000", "999.9")])
def test_a_thousand_dollars_of_bnb_ada_and_usdt_count_with_their_haircut(which: int, amount: str, usd: str) -> None:
    """1,000 USD of BNB count 950, of ADA 900; USDT 0.9999 (facts/binance.md §3, FAQ:MAM-INFO)."""
    both = market()
    bring(both, which, amount)
    assert list(held(both).values())[which].equity_usd == to_e8(usd)
    # available in the settlement asset: USD over its ask
    assert account(both).available == int(to_e8(usd) / Decimal("1.0001"))


def test_rates_are_those_of_the_published_sample() -> None:
    """ADAUSD: index 1.92957370, buffers 0.1, in an exchange 0.05 (documentation of /fapi/v1/assetIndex)."""
    both = market()
    both.advance(1, [index(1, ADA, "1.92957370")])
    ada = held(both)["ADA"]
    assert (ada.index_e8, ada.bid_e8, ada.ask_e8) == (to_e8("1.92957370"), to_e8("1.73661633"), to_e8("2.12253107"))
    bring(both, ADA, "10000")
    (row,) = owe(both, "12000")
    assert row.price_e8 == to_e8("1.83309501")  # autoExchangeBidRate


def owe(both: Lockstep, amount: str) -> list[Event]:
    """Lose an amount of the settlement asset in a trade; the automatic exchanges of the next check."""
    now, lots = both.twin.clock_ns, 1_000
    both.submit(set_leverage(0, 0, 125))
    both.advance(now + 1, opening(now + 1, PRICE))
    both.submit(place_market(0, 0, Side.BUY, lots))
    both.advance(now + 2, opening(now + 2, PRICE - to_e8(amount)))  # 1,000 lots are a coin
    before = both.venue.account(0).wallet
    both.submit(place_market(0, 0, Side.SELL, lots))
    assert before - both.venue.account(0).wallet == to_e8(amount)
    return of(both.advance(now + 3, [index(now + 3, USDT, "1")]), EventKind.AUTO_EXCHANGE)


def test_other_assets_stand_behind_nothing_outside_the_mode() -> None:
    both = market(multi=False)
    bring(both, BNB, "2")
    assert (account(both).equity, account(both).available) == (0, 0)
    assert held(both)["BNB"].max_withdrawal == to_e8("2")
    assert refused(both, place_market(0, 0, Side.BUY, 1))[0] == RejectReason.INSUFFICIENT_MARGIN
    both.submit(set_multi_assets(0, True))
    assert account(both).multi_assets
    assert both.submit(place_market(0, 0, Side.BUY, 1))[-1].kind == EventKind.FILL


def test_equity_available_and_ratio_by_hand() -> None:
    """1,000 USDT and 2 BNB; 0.1 BTC bought at 50,000 with 20x, now worth 100 less."""
    both = market("1000")
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, 49_000 * E8))
    found = account(both)
    # equity = 950 + 900 * 0.9999 USD, less 245 of initial margin at the ask
    assert sum(one.equity_usd for one in found.balances) == to_e8("1849.91")
    assert found.equity == int(Decimal("1849.91") / Decimal("1.0001") * E8)
    assert found.available == int((Decimal("1849.91") / Decimal("1.0001") - 245) * E8)
    assert found.maintenance == to_e8("19.6")


def test_a_profit_counts_at_the_bid_and_a_loss_at_the_ask() -> None:
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.SELL, 100))
    both.advance(1, opening(1, 49_000 * E8))
    assert held(both)["USDT"].equity_usd == to_e8("99.99")
    both.advance(2, opening(2, 51_000 * E8))
    assert held(both)["USDT"].equity_usd == -to_e8("100.01")


def test_the_liquidation_price_is_exact_and_moves_with_the_index() -> None:
    """950 / 1.0001 + 0.1 p - 5,000 <= 0.004 * 0.1 p: p <= 40,663.6..."""
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    price = (5_000 - Decimal(950) / Decimal("1.0001")) / Decimal("0.0996")
    (position,) = account(both).positions
    assert position.liquidation_e8 == int(price * E8)
    both.advance(1, [index(1, BNB, "400")])
    price = (5_000 - Decimal(760) / Decimal("1.0001")) / Decimal("0.0996")
    assert account(both).positions[0].liquidation_e8 == int(price * E8)


# -- liquidation ----------------------------------------------------------------------------------------------------


def test_a_falling_asset_liquidates_and_is_exchanged_for_what_is_owed() -> None:
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, 49_800 * E8))  # 20 lost
    events = both.advance(2, [index(2, BNB, "21")])  # 39.9 USD are left: 19.9 of equity, 19.92 of maintenance
    (gone,) = of(events, EventKind.LIQUIDATION)
    assert (gone.lots, gone.amount) == (-21, -to_e8("4.2"))  # as much as complies again
    assert gone.equity < gone.maintenance == to_e8("19.92")
    (swap,) = of(events, EventKind.AUTO_EXCHANGE)
    assert (swap.order, swap.amount, swap.price_e8) == (BNB, to_e8("4.2"), to_e8("20.475"))
    assert swap.cost == to_e8("0.20512821")  # 4.2 / 20.475, up
    assert account(both).wallet == 0
    assert held(both)["BNB"].amount == to_e8("1.79487179")


def test_the_fund_pays_when_nothing_is_left_to_sell(makers: str) -> None:
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, 45_000 * E8))  # 500 lost of 950
    events = both.advance(2, [index(2, BNB, "100")])
    kinds = [e.kind for e in events if e.kind in (EventKind.AUTO_EXCHANGE, EventKind.INSURANCE, EventKind.TAKEN_OVER)]
    if makers == FEED:
        assert kinds == [EventKind.AUTO_EXCHANGE, EventKind.INSURANCE]
        paid, left = "305", "0"  # 500 - 2 * 97.5
    else:
        # Taken over ahead of the sale, at the price at which what all assets count for is gone: 2 * 95 / 1.0001 are
        # 189.981, a coin is bankrupt at 48,100.2, 189.98 are owed and passed on with a loss of 310.02. Sold at 97.5,
        # what is owed takes 1.94851283 BNB.
        assert kinds == [EventKind.TAKEN_OVER, EventKind.AUTO_EXCHANGE]
        paid, left = "310.02", "0.05148717"
    assert paid_by_fund(events) == [to_e8(paid)]
    assert (account(both).wallet, held(both)["BNB"].amount) == (0, to_e8(left))


@FEED_ALONE
def test_the_extremes_of_a_bar_liquidate_at_the_pooled_price() -> None:
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    price = account(both).positions[0].liquidation_e8
    low = price - 5 * E8
    bar = MarketEvent(
        ts_ns=5,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        last_e8=PRICE,
        last_high_e8=PRICE,
        last_low_e8=low,
        mark_e8=PRICE,
        mark_high_e8=PRICE,
        mark_low_e8=low,
    )
    (first, *_) = of(both.advance(5, [bar]), EventKind.LIQUIDATION)
    assert first.price_e8 == price


# -- automatic exchange ---------------------------------------------------------------------------------------------


def test_twenty_thousand_owed_sell_20_513_dollars_of_bitcoin() -> None:
    """The exchange's example: -20,000 at 97.5 % (binance.com/en/futures/trading-rules/perpetual/multi-asset-info)."""
    both = market()
    bring(both, BTC, "1")
    (swap,) = owe(both, "20000")
    assert swap.amount == to_e8("20000")
    assert round(swap.cost * 60_000 / E8) == 20_513
    assert (account(both).wallet, held(both)["BTC"].amount) == (0, E8 - swap.cost)


def test_a_debt_up_to_the_limit_stays() -> None:
    both = market()
    bring(both, BTC, "1")
    assert owe(both, "9999") == []  # 9,999.9999 USD at the ask
    assert account(both).wallet == -to_e8("9999")


def test_assets_are_sold_in_proportion_to_their_worth() -> None:
    both = market()
    bring(both, BNB, "40")  # 19,500 at 97.5 %
    bring(both, ADA, "20530")  # 9,751.75 at 95 %
    first, second = owe(both, "15000")
    worth = Decimal(19_500) / (19_500 + Decimal("9751.75"))
    assert abs(first.amount - int(15_000 * worth * E8)) <= 1
    assert first.amount + second.amount == to_e8("15000")
    assert account(both).wallet == 0


def test_without_positions_a_debt_as_large_as_the_rest_is_exchanged() -> None:
    both = market()
    bring(both, BNB, "10")
    assert owe(both, "1000") == []
    assert both.advance(10, [index(10, BNB, "106")]) == []  # 1,007 USD count, 1,000.1 are owed
    (swap,) = of(both.advance(11, [index(11, BNB, "105")]), EventKind.AUTO_EXCHANGE)
    assert (swap.order, swap.amount) == (BNB, to_e8("1000"))


def test_not_while_an_order_works() -> None:
    both = market()
    bring(both, BNB, "10")
    owe(both, "1000")
    both.submit(place_limit(0, 0, Side.BUY, 1, 100_000))
    assert of(both.advance(11, [index(11, BNB, "105")]), EventKind.AUTO_EXCHANGE) == []


# -- what is refused ------------------------------------------------------------------------------------------------


def test_the_mode_it_is_in_already_4171() -> None:
    both = market()
    assert refused(both, set_multi_assets(0, True)) == (RejectReason.NO_CHANGE, 1, 0)
    both.submit(set_multi_assets(0, False))
    assert refused(both, set_multi_assets(0, False)) == (RejectReason.NO_CHANGE, 0, 0)


def test_the_mode_with_open_orders_4170() -> None:
    both = market("1000", multi=False)
    (placed,) = both.submit(place_limit(0, 0, Side.BUY, 1, 490_000))
    assert refused(both, set_multi_assets(0, True)) == (RejectReason.OPEN_ORDERS, placed.order, 0)


def test_the_mode_with_isolated_symbols_4167_and_isolated_in_the_mode_4168() -> None:
    both = market(multi=False)
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    assert refused(both, set_multi_assets(0, True)) == (RejectReason.ISOLATED_SCOPE, 0, 0)
    both.submit(set_margin_scope(0, 0, MarginScope.CROSS))
    both.submit(set_multi_assets(0, True))
    answer = refused(both, set_margin_scope(0, 0, MarginScope.ISOLATED))
    assert answer == (RejectReason.MULTI_ASSETS, MarginScope.ISOLATED, 0)


def test_the_mode_where_there_is_one_asset_only() -> None:
    both = market(multi=False, assets=())
    assert refused(both, set_multi_assets(0, True)) == (RejectReason.MULTI_ASSETS_NOT_OFFERED, 1, 1)


def test_the_mode_and_deposits_before_an_index_is_known() -> None:
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[FREE]], 1, 0, [0], assets=ASSETS))
    both.advance(0, [*opening(0, PRICE), index(0, USDT, "1")])
    assert refused(both, set_multi_assets(0, True)) == (RejectReason.NO_ASSET_INDEX, BNB, 0)
    assert refused(both, transfer(0, E8, asset=BNB)) == (RejectReason.NO_ASSET_INDEX, BNB, 0)


def test_the_mode_is_not_left_where_the_margin_would_be_missing() -> None:
    both = market("100")
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    answer = refused(both, set_multi_assets(0, False))
    assert answer == (RejectReason.INSUFFICIENT_MARGIN, to_e8("250"), to_e8("100"))
    both.submit(transfer(0, to_e8("150")))
    assert both.submit(set_multi_assets(0, False))[0].kind == EventKind.MULTI_ASSETS_SET


def test_assets_that_are_not_there() -> None:
    both = market()
    assert refused(both, transfer(0, 1, asset=4)) == (RejectReason.UNKNOWN_ASSET, 4, 4)
    assert refused(both, transfer(0, 1, asset=-1)) == (RejectReason.UNKNOWN_ASSET, -1, 4)
    assert refused(both, transfer(0, -1, asset=BNB)) == (RejectReason.BALANCE_TOO_SMALL, 1, 0)


def test_a_deposit_that_leaves_the_integers() -> None:
    both = market()
    most = 175_000_000 // 500 * E8
    answer = refused(both, transfer(0, most + 1, asset=BNB))
    assert answer == (RejectReason.NUMBER_TOO_LARGE, most + 1, 175_000_000 * E8)
    bring(both, BNB, "350000")


# -- what may be taken out ------------------------------------------------------------------------------------------


def test_everything_may_go_that_nothing_rests_on() -> None:
    both = market("1000")
    bring(both, BNB, "2")
    balances = held(both)
    assert balances["BNB"].max_withdrawal == to_e8("2")
    assert account(both).max_withdrawal == balances["USDT"].max_withdrawal == to_e8("1000")
    both.submit(transfer(0, -to_e8("1000")))
    both.submit(transfer(0, -to_e8("2"), asset=BNB))
    assert account(both).equity == 0


def test_what_is_required_stays() -> None:
    """2 BNB count 950; 250 are required at the ask: 699.975 USD may go, 1.47363157 BNB at 475."""
    both = market()
    bring(both, BNB, "2")
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, PRICE))
    free = held(both)["BNB"].max_withdrawal
    assert free == to_e8("1.47363157")
    answer = refused(both, transfer(0, -free - 1, asset=BNB))
    assert answer == (RejectReason.BALANCE_TOO_SMALL, free + 1, free)
    both.submit(transfer(0, -free, asset=BNB))
    assert account(both).available < to_e8("0.000005")  # one unit of BNB


# -- the venue ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [index(1, 4, "1"), index(1, -1, "1"), index(1, BNB, "0"), index(1, BNB, "500", 1), index(1, USDT, "3")],
)
def test_a_feed_that_says_something_impossible_of_an_asset_is_refused(row: MarketEvent) -> None:
    both = market()
    with pytest.raises(VenueError, match="asset"):
        both.venue.attach(scenarios.array([row]))


@pytest.mark.parametrize("names", [("BNB", "USDT"), ("USDT", "BNB", "BNB"), ("BNB",)])
def test_assets_begin_with_the_settlement_asset_each_once(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="settlement asset"):
        Venue(binance_usdm.RULES, [coin()], [[TERMS]], assets=[asset(name) for name in names])


def test_a_venue_of_one_asset_has_the_hash_it_always_had() -> None:
    hashes = set()
    for given_assets in ((), (Asset(name="USDT"),)):
        venue = Venue(binance_usdm.RULES, [coin()], [[TERMS]], assets=given_assets)
        venue.submit(transfer(0, E8))
        hashes.add((venue.state_hash(), venue.event_hash()))
        assert venue.account(0).balances == ()
    assert len(hashes) == 1


def test_an_index_changes_the_version_of_accounts_in_the_mode_alone() -> None:
    setup = Setup(binance_usdm.RULES, [coin()], [[FREE]], 2, 0, [0], assets=ASSETS)
    both = exchange(setup)
    both.advance(0, [*opening(0, PRICE), *(index(0, k, INDEX[a.name]) for k, a in enumerate(ASSETS))])
    both.submit(set_multi_assets(1, True))
    before = np.array(both.venue.table("account")["version"])
    both.advance(1, [index(1, BNB, "501")])
    assert (both.venue.table("account")["version"] - before).tolist()[:2] == [0, 1]


def each_asset_is_conserved_after_every_event(seed: int) -> None:
    r = Random(seed)
    setup = scenarios.setup(r, kind="coins")
    both = exchange(setup._replace(assets=setup.assets or scenarios.assets(r)), lenient=1)
    random_run(r, both, 60)  # the ledger of each asset is looked at after every step
    brought = [sum(e.amount for e in both.twin.events if e.kind == EventKind.TRANSFER and e.order == k) for k in (1,)]
    assert both.venue.totals(1).deposits == brought[0]


@FEED_ALONE
@pytest.mark.heavy
@settings(max_examples=scaled(400, 8))
@given(st.integers(0, 1 << 40))
def test_each_asset_is_conserved_after_every_event(seed: int) -> None:
    each_asset_is_conserved_after_every_event(seed)


@BOOK_ALONE
@pytest.mark.heavy
@settings(max_examples=scaled(80, 1))
@given(st.integers(0, 1 << 40))
def test_each_asset_is_conserved_after_every_event_on_a_book(seed: int) -> None:
    each_asset_is_conserved_after_every_event(seed)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_position_that_no_mark_is_known_of_has_a_liquidation_price_in_finite_time(side: Side) -> None:
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[FREE]], 1, 0, [0], assets=ASSETS))
    both.advance(0, [MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=PRICE)])
    both.advance(0, [index(0, k, INDEX[a.name]) for k, a in enumerate(ASSETS)])
    both.submit(transfer(0, 10_000 * E8))
    both.submit(set_multi_assets(0, True))
    both.submit(place_market(0, 0, side, 5))
    (position,) = account(both).positions
    assert (position.mark_e8, position.liquidation_e8 > 0) == (0, side == Side.SELL)
