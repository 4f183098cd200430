"""Coins bought in full: what an account has of cash and coins, to the unit, and what the exchange refuses it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.commands import (
    Command,
    adjust_margin,
    place_limit,
    place_market,
    set_hedge_mode,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentKind,
    MarginScope,
    MarketEventKind,
    MarkRule,
    RejectReason,
    Side,
)
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import REDUCE_ONLY
from novation.domain.instruments import IN_FULL, Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, HOUR_NS
from novation.venues import binance_spot
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import spot_scenarios
from tests.venues.lockstep import Lockstep
from tests.venues.scenarios import Setup, array, named_coin

#: One lot is 0.00001 of a coin, a tick 0.01.
COIN = msgspec.structs.replace(named_coin(0, 1_000_000, 1_000), kind=InstrumentKind.SPOT)
TERMS = Terms(effective_ns=0, min_notional=5 * E8, maker_fee_e8=100_000, taker_fee_e8=100_000, tiers=IN_FULL)
DEARER = msgspec.structs.replace(TERMS, effective_ns=1, maker_fee_e8=200_000)
WHOLE = 100_000  #: lots of one coin


def pair_of(cash: int, *, rows: list[Terms] | None = None) -> Lockstep:
    """Both exchanges with one coin at 50,000.00, and so much cash in account 0."""
    pair = Lockstep(Setup(binance_spot.RULES, [COIN], [rows or [TERMS]], 1, 0, [50_000 * E8]))
    pair.submit(transfer(0, cash * E8))
    pair.advance(0, [opens(0, 50_000)])
    return pair


def opens(hour: int, price: int) -> MarketEvent:
    """A bar opens."""
    ts_ns, at = hour * HOUR_NS, price * E8
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=at, mark_e8=at)


def closes(hour: int, low: int, high: int, price: int) -> MarketEvent:
    """The bar of the hour before closes."""
    return MarketEvent(
        ts_ns=hour * HOUR_NS,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        start_ns=(hour - 1) * HOUR_NS,
        last_e8=price * E8,
        last_low_e8=low * E8,
        last_high_e8=high * E8,
        mark_e8=price * E8,
        mark_low_e8=low * E8,
        mark_high_e8=high * E8,
    )


def only(events: list[Any], kind: EventKind) -> Any:
    """The one event of a kind."""
    (found,) = [e for e in events if e.kind == kind]
    return found


# -- anything at all ------------------------------------------------------------------------------------------------


class Watched(Lockstep):
    """After everything that happens: no cash below zero, no coins below zero, and equity is the two together.

    Parts of a minor unit of several coins may add up to one.
    """

    def _same(self, kernel: list[Any], twin: list[Any]) -> list[Any]:
        events = super()._same(kernel, twin)
        own = {EventKind.MARGIN_CALL, EventKind.LIQUIDATION, EventKind.DELEVERAGED, EventKind.FUNDING}
        assert not {e.kind for e in events} & own
        orders = self.twin.orders.values()
        for i in range(self.setup.accounts):
            a = self.venue.account(i)
            aside = sum(
                o.assumed_e8 * o.lots * self.setup.instruments[o.instrument // 2].lot_value // E8
                for o in orders
                if o.account == i and o.side > 0 and o.kind == 2 and o.trigger is None
            )
            assert self.twin.available(i) == a.available == a.max_withdrawal == a.wallet - aside >= 0
            worth = 0
            for p in a.positions:
                x = self.setup.instruments[p.instrument]
                assert p.lots > 0 or not p.cost
                assert p.lots >= 0
                assert p.isolated_margin == p.cost and p.liquidation_e8 == p.maintenance == 0
                market = self.venue.table("market")[p.instrument]
                # on a ladder own trades move the last price until the feed says another
                assert market["mark_e8"] == market["last_e8"] or x.id in self.setup.ladders
                worth += int(market["mark_e8"]) * p.lots * x.lot_value // E8
            assert a.equity - a.wallet - worth in range(len(a.positions) or 1)
        return events


@pytest.mark.heavy
@settings(max_examples=scaled(400, 20))
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_cash_and_coins_are_all_there_is_and_never_below_zero(r: Random, commands: int) -> None:
    pair = Watched(spot_scenarios.setup(r))
    spot_scenarios.run(r, pair, commands, every=1)
    assert pair.venue.event_hash() == pair.twin.event_hash()


@pytest.mark.heavy
@settings(max_examples=scaled(400, 15))
@given(st.integers(0, 1 << 40))
def test_a_long_run_is_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    pair = Watched(spot_scenarios.setup(r))
    spot_scenarios.run(r, pair, 60)
    assert pair.venue.state_hash() == pair.twin.state_hash()


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="says which cases are met, with the compiler; minutes without")
def test_the_runs_meet_everything_that_can_happen() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for seed in range(60):
        r = Random(seed)
        pair = Lockstep(spot_scenarios.setup(r))
        spot_scenarios.run(r, pair, 80)
        seen.update((EventKind(e.kind).name, e.reason) for e in pair.twin.events)
    cancelled = {CancelReason(reason).name for name, reason in seen if name == "ORDER_CANCELLED"}
    assert cancelled >= {"REQUESTED", "BALANCE_TOO_SMALL", "MIN_NOTIONAL", "OFF_TICK_BY_NEW_TERMS", "NO_LIQUIDITY"}
    refused = {RejectReason(reason).name for name, reason in seen if name in ("ORDER_REJECTED", "COMMAND_REJECTED")}
    assert refused >= {
        "HOLDING_TOO_SMALL",
        "BALANCE_TOO_SMALL",
        "WOULD_NOT_REDUCE",
        "MIN_NOTIONAL",
        "LEVERAGE_NOT_USED",
        "SCOPE_NOT_OFFERED",
        "HEDGE_MODE_NOT_OFFERED",
        "NO_ISOLATED_POSITION",
    }


# -- by hand (docs/rules/spot.md) -----------------------------------------------------------------------------------


def test_what_is_bought_is_paid_in_full_with_its_fee() -> None:
    pair = pair_of(50_050)
    events = pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    assert only(events, EventKind.FILL).fee == 50 * E8
    account = pair.venue.account(0)
    assert (account.wallet, account.available, account.equity) == (0, 0, 50_000 * E8)
    pair.compare()


def test_a_unit_too_little_is_too_little() -> None:
    pair = pair_of(50_050)
    pair.submit(transfer(0, -1))
    refused = only(pair.submit(place_market(0, 0, Side.BUY, WHOLE)), EventKind.ORDER_REJECTED)
    assert (refused.reason, refused.amount, refused.cost) == (
        RejectReason.BALANCE_TOO_SMALL,
        50_050 * E8,
        50_050 * E8 - 1,
    )


def test_profit_that_is_not_realised_buys_nothing() -> None:
    pair = pair_of(50_050)
    pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    pair.advance(HOUR_NS, [closes(1, 50_000, 90_000, 90_000), opens(1, 90_000)])
    assert pair.venue.account(0).equity == 90_000 * E8
    assert pair.venue.account(0).available == 0
    refused = only(pair.submit(place_market(0, 0, Side.BUY, 1_000)), EventKind.ORDER_REJECTED)
    assert (refused.reason, refused.cost) == (RejectReason.BALANCE_TOO_SMALL, 0)


def test_a_limit_buy_sets_aside_its_price_and_the_dearer_fee() -> None:
    pair = pair_of(100_000)
    pair.submit(place_limit(0, 0, Side.BUY, WHOLE, 4_000_000))
    assert pair.venue.account(0).available == (100_000 - 40_040) * E8
    pair.advance(HOUR_NS, [closes(1, 39_999, 50_000, 45_000)])
    assert pair.venue.account(0).available == (100_000 - 40_040) * E8
    assert pair.venue.account(0).equity == (100_000 - 40_040 + 45_000) * E8


def test_a_sale_beyond_the_holding_less_working_sales_is_refused() -> None:
    pair = pair_of(200_000)
    refused = only(pair.submit(place_market(0, 0, Side.SELL, 1)), EventKind.ORDER_REJECTED)
    assert (refused.reason, refused.amount, refused.cost) == (RejectReason.HOLDING_TOO_SMALL, 1, 0)
    pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    accepted = only(pair.submit(place_limit(0, 0, Side.SELL, 60_000, 6_000_000)), EventKind.ORDER_ACCEPTED)
    assert accepted.flags & REDUCE_ONLY
    refused = only(pair.submit(place_market(0, 0, Side.SELL, 40_001)), EventKind.ORDER_REJECTED)
    assert (refused.reason, refused.amount, refused.cost) == (RejectReason.HOLDING_TOO_SMALL, 40_001, 40_000)
    sold = only(pair.submit(place_market(0, 0, Side.SELL, 40_000)), EventKind.FILL)
    assert sold.position_lots == 60_000
    pair.compare()


def test_the_smallest_notional_is_asked_of_sales_too() -> None:
    pair = pair_of(200_000)
    pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    for order in (place_market(0, 0, Side.SELL, 9), place_limit(0, 0, Side.SELL, 9, 5_100_000)):
        assert only(pair.submit(order), EventKind.ORDER_REJECTED).reason == RejectReason.MIN_NOTIONAL


def test_a_working_purchase_that_a_dearer_fee_leaves_short_is_cancelled() -> None:
    pair = pair_of(40_040, rows=[TERMS, DEARER])
    pair.submit(place_limit(0, 0, Side.BUY, WHOLE, 4_000_000))
    terms = MarketEvent(ts_ns=HOUR_NS, kind=MarketEventKind.TERMS, instrument=0, terms=1)
    pair.advance(HOUR_NS, [terms, closes(1, 39_000, 50_000, 45_000)])
    gone = only(pair.twin.events, EventKind.ORDER_CANCELLED)
    assert gone.reason == CancelReason.BALANCE_TOO_SMALL
    assert pair.venue.account(0).available == 40_040 * E8


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (set_leverage(0, 0, 1), RejectReason.LEVERAGE_NOT_USED),
        (set_leverage(0, 0, 5), RejectReason.LEVERAGE_NOT_USED),
        (set_margin_scope(0, 0, MarginScope.CROSS), RejectReason.SCOPE_NOT_OFFERED),
        (set_margin_scope(0, 0, MarginScope.ISOLATED), RejectReason.SCOPE_NOT_OFFERED),
        (adjust_margin(0, 0, 5), RejectReason.NO_ISOLATED_POSITION),
        (set_hedge_mode(0, True), RejectReason.HEDGE_MODE_NOT_OFFERED),
        (place_market(0, 0, Side.BUY, 100, reduce_only=True), RejectReason.WOULD_NOT_REDUCE),
    ],
)
def test_commands_of_futures_are_refused(command: Command, reason: RejectReason) -> None:
    pair = pair_of(200_000)
    pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    assert pair.submit(command)[-1].reason == reason


def test_a_coin_that_falls_to_a_tick_is_neither_called_nor_liquidated() -> None:
    pair = pair_of(50_050)
    pair.submit(place_market(0, 0, Side.BUY, WHOLE))
    low = msgspec.structs.replace(closes(1, 1, 50_000, 1), last_low_e8=1, mark_low_e8=1)
    assert {e.kind for e in pair.advance(HOUR_NS, [low])} <= {EventKind.FILL}
    assert pair.venue.account(0).positions[0].lots == WHOLE


# -- what a venue of spot is not made of ------------------------------------------------------------------------------


def made(instrument: Instrument = COIN, terms: Terms = TERMS, **options: Any) -> Venue:
    """A venue of one coin."""
    return Venue(binance_spot.RULES, [instrument], [[terms]], **options)


def test_what_does_not_go_with_spot_is_refused() -> None:
    perpetual = msgspec.structs.replace(named_coin(1, 1_000_000, 1_000))
    future = msgspec.structs.replace(TERMS, tiers=(Tier(0, 1 << 62, 400_000, 20, 0),))
    with pytest.raises(InvalidInput, match="wallet is apart"):
        Venue(binance_spot.RULES, [COIN, perpetual], [[TERMS], [future]])
    with pytest.raises(InvalidInput, match="IN_FULL alone"):
        made(terms=future)
    with pytest.raises(InvalidInput, match="no other fee"):
        made(terms=msgspec.structs.replace(TERMS, fee_per_lot=1))
    with pytest.raises(InvalidInput, match="at the last price"):
        made(marked={COIN.id: MarkRule.LAST})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (msgspec.structs.replace(opens(1, 50_000), mark_e8=1), "mark of spot"),
        (msgspec.structs.replace(closes(1, 1, 2, 1), last_low_e8=0, mark_low_e8=0), "no price"),
        (MarketEvent(ts_ns=5, kind=MarketEventKind.FUNDING, instrument=0, rate_e8=5, mark_e8=E8), "of futures"),
    ],
)
def test_rows_that_are_of_futures_are_refused(row: MarketEvent, words: str) -> None:
    with pytest.raises(VenueError, match=words):
        made().attach(array([row]))
