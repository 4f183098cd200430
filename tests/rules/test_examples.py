"""Numbers printed by the exchanges and worked on the rule pages, through a Venue and through the rules.

Sources: facts/binance.md (F: funding, P: position samples, L: liquidation price), facts/cme.md (A: settlement).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest

from novation.domain.account import Position
from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, InstrumentKind, MarginMethod, MarginScope, MarketEventKind, Side
from novation.domain.events import ISOLATED
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, money, to_e8
from novation.rules.clearing import closed_lots, cost_share, margin_share, realised
from novation.rules.fees import trade_fee
from novation.rules.funding import funding_payment
from novation.rules.margin import reached, tiered_maintenance
from novation.rules.value import signed_value
from novation.venues import binance_usdm, cme_globex
from novation.venues.venue import Venue
from tests.venues.scenarios import array

#: BTCUSDT in early 2020, the table of the worked tier (facts/binance.md §3.2): (cap, rate, leverage, cum) in USDT.
TIERS = (
    (50_000, "0.004", 125, 0),
    (250_000, "0.005", 100, 50),
    (1_000_000, "0.01", 50, 1_300),
    (5_000_000, "0.025", 20, 16_300),
    (20_000_000, "0.05", 10, 141_300),
)


def usdt(amount: str | int) -> int:
    """USDT in minor units."""
    return money(amount, "USDT")


def tiers(rows: tuple[tuple[int, str, int, int], ...]) -> tuple[Tier, ...]:
    """Rows in USDT as brackets."""
    floors = [0, *(row[0] for row in rows)]
    return tuple(
        Tier(usdt(low), usdt(cap), to_e8(rate), leverage, usdt(cum))
        for low, (cap, rate, leverage, cum) in zip(floors, rows, strict=False)
    )


def one_tier(rate: str, cum: int = 0) -> tuple[Tier, ...]:
    """The bracket a published example stands in, alone."""
    return (Tier(0, NO_CAP, to_e8(rate), 125, usdt(cum)),)


def coin(symbol: str, tick: str, lot: str) -> Instrument:
    """A USDT perpetual."""
    return Instrument(
        id=f"binance_um:{symbol}",
        venue="binance_um",
        symbol=symbol,
        root=symbol,
        asset="USDT",
        kind=InstrumentKind.PERPETUAL,
        method=MarginMethod.TIERED,
        tick_e8=to_e8(tick),
        lot_e8=to_e8(lot),
    )


def venue_of(*instruments: tuple[Instrument, Terms], cash: str, accounts: int = 1) -> Venue:
    """A Binance venue with the same cash in each account."""
    venue = Venue(binance_usdm.RULES, [i for i, _ in instruments], [[t] for _, t in instruments], accounts=accounts)
    for account in range(accounts):
        venue.submit(transfer(account, usdt(cash)))
    return venue


def opens(venue: Venue, ts_ns: int, *prices: str) -> None:
    """A bar of each instrument opens; last and mark alike."""
    venue.advance(
        ts_ns,
        array(
            [
                MarketEvent(
                    ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=to_e8(price), mark_e8=to_e8(price)
                )
                for i, price in enumerate(prices)
            ]
        ),
    )


def buy(venue: Venue, i: int, qty: str, account: int = 0) -> None:
    """A market order that must fill now; a negative quantity sells."""
    lots = venue.instruments[i].lots(qty)
    events = venue.submit(place_market(account, i, Side.BUY if lots > 0 else Side.SELL, abs(lots)))
    assert [e.kind for e in events] == [EventKind.ORDER_ACCEPTED, EventKind.FILL], events


def position(venue: Venue, i: int, account: int = 0) -> Position:
    """One position as the exchange reports it."""
    return next(p for p in venue.account(account).positions if p.instrument == i)


# -- Binance --------------------------------------------------------------------------------------------------------


def test_l1_l2_liquidation_prices_of_two_cross_positions() -> None:
    eth = (coin("ETHUSDT", "0.01", "0.001"), Terms(effective_ns=0, tiers=one_tier("0.10", 135_365)))
    btc = (coin("BTCUSDT", "0.01", "0.001"), Terms(effective_ns=0, tiers=one_tier("0.025", 16_300)))
    venue = venue_of(eth, btc, cash="1535443.01")
    opens(venue, 0, "1456.84", "32481.98")
    buy(venue, 0, "3683.979")
    buy(venue, 1, "109.488")
    opens(venue, 1, "1335.18", "31967.27")
    e, b = position(venue, 0), position(venue, 1)
    assert (Decimal(e.maintenance) / E8).quantize(Decimal("0.001")) == Decimal("356512.508")
    assert (Decimal(b.maintenance) / E8).quantize(Decimal("0.001")) == Decimal("71200.811")
    assert (Decimal(e.unrealised) / E8).quantize(Decimal("0.01")) == Decimal("-448192.89")
    assert (Decimal(b.unrealised) / E8).quantize(Decimal("0.01")) == Decimal("-56354.57")
    assert (Decimal(e.liquidation_e8) / E8).quantize(Decimal("0.01")) == Decimal("1153.26")
    assert (Decimal(b.liquidation_e8) / E8).quantize(Decimal("0.01")) == Decimal("26316.89")


def test_p1_position_sample() -> None:
    venue = venue_of((coin("ADAUSDT", "0.0001", "1"), Terms(effective_ns=0, tiers=one_tier("0.0065"))), cash="100")
    opens(venue, 0, "0.385")
    buy(venue, 0, "30")
    opens(venue, 1, "0.41047590")
    p = position(venue, 0)
    assert (p.notional, p.unrealised) == (usdt("12.31427700"), usdt("0.76427700"))
    assert (p.initial, p.maintenance) == (usdt("0.61571385"), usdt("0.08004280"))


def test_p2_maintenance_of_the_margin_call_sample() -> None:
    venue = venue_of((coin("ETHUSDT", "0.01", "0.001"), Terms(effective_ns=0, tiers=one_tier("0.0065"))), cash="30")
    opens(venue, 0, "187.17")
    buy(venue, 0, "1.327")
    opens(venue, 1, "187.17127")
    assert position(venue, 0).maintenance // 100 == 1_614_445  # shown with six decimals: 1.614445


def test_p2_margin_call_at_eighty_per_cent() -> None:
    """Wallet 3.16812045, profit -1.166074: the ratio is 80.64 %, above the 80 % that calls."""
    rate = to_e8("0.0065")
    whole, _ = tiered_maintenance(*signed_value(to_e8("187.17127"), 1_327, 100_000), rate, 0)
    equity = usdt("3.16812045") - usdt("1.166074")
    assert Fraction(whole, equity) > Fraction(80, 100)
    assert round(100 * whole / equity, 2) == 80.64


def test_worked_tier_of_the_2020_page() -> None:
    rows = tiers(TIERS)
    for before, after in pairwise(rows):
        assert after.cum == before.cum + before.cap * (after.rate_e8 - before.rate_e8) // E8
    assert rows[-1].cum == usdt(141_300)  # 5,000,000 * (5 % - 2.5 %) + 16,300


@pytest.mark.parametrize(
    ("qty", "maintenance"),
    [
        ("1", "200"),
        ("1.001", "200.25"),
        ("5", "1200"),
        ("20", "8700"),
        ("100", "108700"),
        ("100.001", "108702.5"),
        ("200", "358700"),
    ],
)
def test_maintenance_along_the_brackets(qty: str, maintenance: str) -> None:
    terms = Terms(effective_ns=0, tiers=tiers(TIERS))
    venue = venue_of((coin("BTCUSDT", "0.1", "0.001"), terms), cash="20000000")
    assert venue.submit(set_leverage(0, 0, 1))[0].kind == EventKind.LEVERAGE_SET
    opens(venue, 0, "50000")
    buy(venue, 0, qty)
    assert position(venue, 0).maintenance == usdt(maintenance)


def test_liquidation_price_worked_on_the_margin_page() -> None:
    venue = venue_of((coin("BTCUSDT", "0.1", "0.001"), Terms(effective_ns=0, tiers=tiers(TIERS))), cash="10000")
    venue.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    opens(venue, 0, "50000")
    buy(venue, 0, "1")
    p = position(venue, 0)
    assert p.isolated_margin == usdt(2_500)
    assert p.liquidation_e8 == to_e8("47690.76305220")


@pytest.mark.parametrize(("mark", "gone"), [(4_769_076_305_221, False), (4_769_076_305_220, True)])
def test_isolated_position_goes_at_its_price_and_not_before(mark: int, gone: bool) -> None:
    venue = venue_of((coin("BTCUSDT", "0.1", "0.001"), Terms(effective_ns=0, tiers=tiers(TIERS))), cash="10000")
    venue.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    opens(venue, 0, "50000")
    buy(venue, 0, "1")
    row = MarketEvent(ts_ns=1, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=mark, mark_e8=mark)
    kinds = [e.kind for e in venue.advance(1, array([row]))]
    assert (EventKind.LIQUIDATION in kinds) is gone
    assert EventKind.MARGIN_CALL in kinds or gone


def test_testnet_commission_is_cut_not_rounded() -> None:
    """0.0007 x 77,290.7 x 0.0004 = 0.021641396, pushed as 0.02164139 (facts/binance.md §8)."""
    instrument = coin("BTCUSDT", "0.1", "0.0001")
    venue = venue_of((instrument, Terms(effective_ns=0, taker_fee_e8=40_000, tiers=one_tier("0.004"))), cash="1000")
    opens(venue, 0, "77290.7")
    _, fill = venue.submit(place_market(0, 0, Side.BUY, instrument.lots("0.0007")))
    assert fill.fee == usdt("0.02164139")


@pytest.mark.parametrize(
    ("lots", "rate", "received"),
    [(1_000, 10_000, "-5"), (-1_000, 10_000, "5"), (1_000, -10_000, "5"), (-1_000, -10_000, "-5"), (1_000, 0, "0")],
)
def test_long_pays_when_the_rate_is_positive(lots: int, rate: int, received: str) -> None:
    """1 BTC at 50,000 and 0.01 %: 5 USDT (facts/binance.md §2, Payment)."""
    assert funding_payment(50_000 * E8, lots, 100_000, rate) == usdt(received)


def test_funding_is_cut_towards_zero_on_both_sides() -> None:
    worth = Fraction(12_345_678_901 * 7 * 100_000, E8)
    for lots, sign in ((7, -1), (-7, 1)):
        assert funding_payment(12_345_678_901, lots, 100_000, 33_337) == sign * int(worth * 33_337 / E8)


def test_funding_leaves_the_isolated_margin_and_moves_the_liquidation_price() -> None:
    venue = venue_of((coin("BTCUSDT", "0.1", "0.001"), Terms(effective_ns=0, tiers=tiers(TIERS))), cash="10000")
    venue.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    opens(venue, 0, "50000")
    buy(venue, 0, "1")
    before = position(venue, 0)
    row = MarketEvent(ts_ns=1, kind=MarketEventKind.FUNDING, instrument=0, mark_e8=50_000 * E8, rate_e8=10_000)
    (event,) = venue.advance(1, array([row]))
    after = position(venue, 0)
    assert (event.amount, event.flags) == (-usdt(5), ISOLATED)
    assert after.isolated_margin == before.isolated_margin - usdt(5)
    assert after.liquidation_e8 > before.liquidation_e8
    assert venue.account(0).wallet == usdt(7_500)


def test_a_position_opened_at_the_stamp_does_not_pay_it() -> None:
    venue = venue_of((coin("BTCUSDT", "0.1", "0.001"), Terms(effective_ns=0, tiers=tiers(TIERS))), cash="10000")
    price = 50_000 * E8
    rows = [
        MarketEvent(ts_ns=8, kind=kind, instrument=0, last_e8=price, mark_e8=price, rate_e8=10_000)
        for kind in (MarketEventKind.BAR_OPEN, MarketEventKind.FUNDING)
    ]
    assert venue.advance(8, array(rows)) == []
    buy(venue, 0, "0.1")
    assert venue.account(0).wallet == usdt(10_000)


def test_what_truncation_leaves_at_a_stamp_is_booked_to_rounding() -> None:
    instrument = coin("XUSDT", "0.00000001", "1")
    venue = venue_of((instrument, Terms(effective_ns=0, tiers=one_tier("0.01"))), cash="1000", accounts=3)
    opens(venue, 0, "0.00033333")
    for account, qty in ((0, "7"), (1, "7"), (2, "-11")):
        buy(venue, 0, qty, account)
    before = venue.totals()
    row = MarketEvent(ts_ns=1, kind=MarketEventKind.FUNDING, instrument=0, mark_e8=33_333, rate_e8=33_333)
    events = venue.advance(1, array([row]))
    worth = [Fraction(33_333 * lots * 33_333, E8) for lots in (7, 7, -11)]
    assert [e.amount for e in events] == [-int(w) for w in worth]
    after = venue.totals()
    outside = int(Fraction(33_333 * 3 * 33_333, E8))
    assert after.outside - before.outside == outside
    assert after.rounding - before.rounding == -(outside + sum(e.amount for e in events))
    assert after.gap == 0


# -- clearing -------------------------------------------------------------------------------------------------------


def test_closing_a_part_leaves_the_remainder_of_the_cost_with_the_position() -> None:
    assert closed_lots(3, -2) == 2
    assert closed_lots(3, 2) == closed_lots(0, -2) == 0
    assert closed_lots(-3, 5) == 3
    assert cost_share(100, 2, 3) == 66
    assert cost_share(-100, 2, -3) == -67
    assert margin_share(100, 1, 3) == 33
    assert realised(3, 2, 40, 1, 66) == 14
    assert realised(-3, 2, 40, 1, -67) == -13


def test_fee_is_rounded_down_and_counts_each_lot() -> None:
    assert trade_fee(101, 1_000_000, 3, 7) == 1 + 21
    assert trade_fee(101, -1_000_000, 3, 0) == -2


def test_reached_at_equality_and_not_at_the_least_above() -> None:
    assert reached(0, 0, 0, 0)
    assert reached(-1, 9_999_999_999_999_999, 0, 0)
    assert not reached(0, 1, 0, 0)
    assert reached(5, 7, 5, 7) and not reached(5, 8, 5, 7)


# -- CME ------------------------------------------------------------------------------------------------------------


def test_a2_variation_margin_of_one_day() -> None:
    """Carried +3 at 4990.00, buys 2 at 4998.00, sells 1 at 5004.00, settles 5000.50: 2,000.00 USD."""
    es = Instrument(
        id="cme:ESZ2026",
        venue="cme",
        symbol="ESZ2026",
        root="ES",
        kind=InstrumentKind.FUTURE,
        method=MarginMethod.PER_CONTRACT,
        asset="USD",
        tick_e8=25_000_000,
        lot_e8=E8,
        multiplier_e8=50 * E8,
        daily_settled=True,
        contract_month=202612,
    )
    terms = Terms(effective_ns=0, initial_per_lot=money(12_000, "USD"), maintenance_per_lot=money(11_000, "USD"))
    venue = Venue(cme_globex.RULES, [es], [[terms]])
    venue.submit(transfer(0, money(1_000_000, "USD")))

    def settles(ts_ns: int, price: str) -> int:
        row = MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.SETTLEMENT, instrument=0, price_ticks=es.ticks(price))
        (event,) = venue.advance(ts_ns, array([row]))
        return event.amount

    opens(venue, 0, "4985")
    buy(venue, 0, "3")
    assert settles(1, "4990") == money(3 * 5 * 50, "USD")
    opens(venue, 2, "4998")
    buy(venue, 0, "2")
    opens(venue, 3, "5004")
    buy(venue, 0, "-1")
    assert settles(4, "5000.50") == money(2_000, "USD")
    p = position(venue, 0)
    assert (p.lots, p.cost) == (4, 4 * money("5000.50", "USD") * 50)
    assert venue.totals().gap == 0
