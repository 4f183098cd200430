"""Liquidation as a process: no more is closed than restores compliance, position after position; on both exchanges."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, Side
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from tests.venues.lockstep import Lockstep
from tests.venues.makers import FEED_ALONE, exchange, paid_by_fund
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin

pytestmark = pytest.mark.usefixtures("makers")

#: Brackets of 10 %, 20 % and 40 % from 1,000 and 10,000 USDT on; the fee for clearance is 1 %.
TIERS = (
    Tier(0, 1_000 * E8, 10_000_000, 5, 0),
    Tier(1_000 * E8, 10_000 * E8, 20_000_000, 4, 100 * E8),
    Tier(10_000 * E8, NO_CAP, 40_000_000, 2, 2_100 * E8),
)
TERMS = Terms(effective_ns=0, liquidation_fee_e8=1_000_000, tiers=TIERS)
COIN = coin(tick_e8=1_000_000, lot_e8=E8)  # one coin a lot, a cent a tick
KINDS = (EventKind.FILL, EventKind.LIQUIDATION, EventKind.INSURANCE, EventKind.TAKEN_OVER)


def opening(ts_ns: int, *prices: int) -> list[MarketEvent]:
    """Bars that open, last and mark alike."""
    return [
        MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=price * E8, mark_e8=price * E8)
        for i, price in enumerate(prices)
    ]


def pair(cash: int, instruments: int = 1, terms: Terms = TERMS) -> Lockstep:
    """Both exchanges, one account with whole USDT, everything at 100."""
    names = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(instruments)]
    both = exchange(Setup(binance_usdm.RULES, names, [[terms]] * instruments, 1, 0, [0] * instruments))
    both.submit(transfer(0, cash * E8))
    both.advance(0, opening(0, *[100] * instruments))
    return both


def told(both: Lockstep, ts_ns: int, *prices: int) -> list:
    """What a move of the marks brings: fills, liquidations, the fund's payments."""
    events = [e for e in both.advance(ts_ns, opening(ts_ns, *prices)) if e.kind in KINDS]
    both.compare()
    return events


def test_an_isolated_position_is_reduced_until_it_complies() -> None:
    """200 long at 100 with 10,000 behind them: liquidated where 200 p - 10,000 <= 0.4 * 200 p - 2,100: 65.83."""
    both = pair(12_000)
    both.submit(set_leverage(0, 0, 2))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 200))
    fill, liquidation = told(both, 1, 65)
    assert liquidation.price_e8 == 65 * E8  # the mark stood beyond it already
    assert liquidation.equity == 3_000 * E8 and liquidation.maintenance == 3_100 * E8
    closed = -liquidation.lots
    assert fill.lots == liquidation.lots and 0 < closed < 200
    p = both.venue.account(0).positions[0]
    assert p.lots == 200 - closed == liquidation.position_lots
    equity = p.isolated_margin + p.unrealised
    assert p.maintenance <= equity * 80 // 100
    # one lot less would not have done: 65 a lot, 0.65 clearance, 26 of maintenance in the top bracket
    assert p.maintenance + 26 * E8 > (equity + E8 * 65 // 100) * 80 // 100
    assert both.venue.account(0).wallet == 2_000 * E8  # nothing came out of the wallet, nothing went in
    assert both.venue.totals().insurance == liquidation.fee == closed * 65 * E8 // 100


def test_where_the_fee_is_more_than_the_bracket_saves_everything_is_closed() -> None:
    """Small accounts go whole: the clearance fee is above the first bracket's rate (facts/binance.md §5)."""
    small = Terms(effective_ns=0, liquidation_fee_e8=1_250_000, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),))
    both = pair(100, terms=small)
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 10))
    _, liquidation = told(both, 1, 95)[:2]
    assert (liquidation.lots, liquidation.position_lots) == (-10, 0)


def test_a_falling_mark_reduces_again_and_again() -> None:
    both = pair(12_000)
    both.submit(set_leverage(0, 0, 2))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 200))
    held = [200]
    for ts, price in enumerate((65, 62, 59, 56, 54, 50), start=1):
        told(both, ts, price)
        positions = both.venue.account(0).positions
        held.append(positions[0].lots if positions else 0)
    assert held == sorted(held, reverse=True) and len(set(held)) >= 4
    assert both.venue.totals().gap == 0


@FEED_ALONE  # a bar's extremes
def test_within_one_bar_each_reduction_is_at_its_own_trigger() -> None:
    both = pair(12_000)
    both.submit(set_leverage(0, 0, 2))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.BUY, 200))
    row = MarketEvent(
        ts_ns=9,
        kind=MarketEventKind.BAR_CLOSE,
        instrument=0,
        last_e8=60 * E8,
        last_high_e8=100 * E8,
        last_low_e8=58 * E8,
        mark_e8=60 * E8,
        mark_high_e8=100 * E8,
        mark_low_e8=58 * E8,
    )
    prices = [e.price_e8 for e in both.advance(9, [row]) if e.kind == EventKind.LIQUIDATION]
    both.compare()
    assert len(prices) > 1
    assert prices == sorted(prices, reverse=True) and prices[-1] >= 58 * E8


def test_of_a_cross_account_the_largest_loss_goes_first_and_the_rest_stays() -> None:
    """Two longs; the one that fell is closed as far as it must be, the other is not touched."""
    both = pair(6_000, instruments=2)
    both.submit(set_leverage(0, 0, 2))
    both.submit(set_leverage(0, 1, 2))
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.submit(place_market(0, 1, Side.BUY, 5))
    events = told(both, 1, 49, 100)
    assert {e.instrument for e in events if e.kind == EventKind.LIQUIDATION} == {0}
    account = both.venue.account(0)
    held = {p.instrument: p.lots for p in account.positions}
    assert held[1] == 5 and 0 < held[0] < 100
    assert account.maintenance <= account.equity * 80 // 100


def test_a_bankrupt_account_loses_every_position_and_the_fund_pays() -> None:
    both = pair(6_000, instruments=2)
    both.submit(set_leverage(0, 0, 2))
    both.submit(set_leverage(0, 1, 2))
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.submit(place_market(0, 1, Side.BUY, 5))
    events = told(both, 1, 30, 90)
    assert [e.instrument for e in events if e.kind == EventKind.LIQUIDATION] == [0, 1]
    assert paid_by_fund(events) == [(7_000 + 50 - 6_000) * E8]
    account = both.venue.account(0)
    assert (account.wallet, account.positions) == (0, ())


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_reduction_never_leaves_more_than_it_had_to(side: Side) -> None:
    """Whatever the size: either everything went, or the rest complies and one lot more would not have."""
    for lots in (30, 101, 140, 199):
        both = pair(40_000)
        both.submit(set_leverage(0, 0, 2))
        both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
        both.submit(place_market(0, 0, side, lots))
        at = 61 if side > 0 else 118
        for ts, price in enumerate(range(100, at, -1) if side > 0 else range(100, at), start=1):
            told(both, ts, price)
            for p in both.venue.account(0).positions:
                assert p.maintenance < p.isolated_margin + p.unrealised
