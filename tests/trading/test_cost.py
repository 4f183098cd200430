"""What an order would cost before it is sent: by hand, whatever the market, and markets that are none."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.errors import InvalidInput, NoRuleInForce, OffGrid, UnknownInstrument
from novation.domain.slippage import RAMPS, MarketConditions, TakerOrder
from novation.reference import Reference
from novation.trading.cost import ExecutionCost, estimate_execution_cost
from novation.trading.slippage import Slippage
from tests.conftest import scaled

REFERENCE = Reference()
ES: dict[str, Any] = {"mid": 5000, "spread_bps": "0.5", "volume": 100_000, "volatility": "0.15"}
BTC: dict[str, Any] = {"mid": 60_000, "spread_bps": "0.1", "volume": 300_000, "volatility": "0.5"}


def asked(symbol: str = "ES", side: str = "buy", qty: Any = 50, *, options: Any = None, **market: Any) -> ExecutionCost:
    given = (BTC if symbol.startswith("BTC") else ES) | market
    return estimate_execution_cost(
        TakerOrder(symbol=symbol, side=side, qty=qty), MarketConditions(**given), reference=REFERENCE, **options or {}
    )


# ------------------------------------------------------------ by hand


def test_es_fifty_contracts() -> None:
    """The issue's example: half of 0.5 bp; 0.15 / sqrt(252) * sqrt(50 / 100,000); 2.05 USD a contract of 250,000."""
    found = asked()
    assert found.spread_bps == Decimal("0.25")
    assert found.impact_bps == Decimal("2.112886")  # 0.00944911 * 0.02236068 = 2.11288...e-4
    assert found.slippage_bps == Decimal("2.362886")
    assert (found.fee, found.fee_bps) == (Decimal("102.50"), Decimal("0.082"))
    assert found.total_cost_bps == Decimal("2.444886")
    assert found.notional == 12_500_000
    assert found.impact_cost == Decimal("2953.6075")
    assert found.estimated_fill_price == Decimal("5001.181443")
    assert found.participation == Decimal("0.0005")
    # y from 0.5 to 1.5
    assert (found.slippage_bps_low, found.slippage_bps_high) == (Decimal("1.306443"), Decimal("3.419328"))


def test_btc_by_fee_level_and_in_bnb() -> None:
    """facts/binance.md §8: VIP 0 takers pay 5 bp, VIP 3 3.2 bp, a tenth less in BNB."""
    assert asked("BTCUSDT", qty=1).fee_bps.quantize(Decimal("0.01")) == 5
    level = asked("BTCUSDT", qty=1, options={"vip": 3, "bnb": True})
    assert level.fee == (level.estimated_fill_price * Decimal("0.000288")).quantize(Decimal("1e-8"), "ROUND_FLOOR")
    assert level.currency == "USDT"


def test_quotes_say_mid_and_spread() -> None:
    found = asked("BTCUSDT", mid=None, spread_bps=None, bid="59999", ask="60001")
    assert found.mid == 60_000
    assert found.spread_bps == Decimal("0.166667")
    assert "half_spread" not in {term.name for term in found.terms}


def test_without_quotes_the_products_own_spread_counts_and_is_named() -> None:
    found = asked(spread_bps=None)
    assert found.spread_bps == Decimal("0.26")  # 0.13 of 5000
    assert "pysystemtrade" in next(term.source for term in found.terms if term.name == "half_spread")


def test_no_quote_is_narrower_than_a_tick() -> None:
    """Zero spread: a tick of 0.25 in 5000 is 0.5 bp, half of it is paid, and the answer says so."""
    found = asked(spread_bps=0)
    assert found.spread_bps == Decimal("0.25")
    assert any("narrower than a tick" in text for text in found.cautions)


def test_from_the_mark_the_basis_is_a_part() -> None:
    """A seller whose mid is 10 below the mark of 60,010 loses the basis too; the price is the same."""
    bare = asked("BTCUSDT", "sell", 1)
    found = asked("BTCUSDT", "sell", 1, mark=60_010, options={"benchmark": "mark"})
    assert found.basis_bps == Decimal("1.666389")
    assert found.estimated_fill_price == bare.estimated_fill_price
    by_price = (Decimal(60_010) - found.estimated_fill_price) / 60_010 * 10_000
    assert abs(found.slippage_bps - by_price) < Decimal("0.00001")


def test_the_hour_is_known_by_the_instant() -> None:
    found = asked("BTCUSDT", qty=1, at="2026-07-22T12:30Z")
    hour = next(term for term in found.terms if term.name == "hour")
    assert hour.factor == 0.85  # UTC 12: the row of 2026-05-17
    assert found.impact_bps < asked("BTCUSDT", qty=1).impact_bps


# ------------------------------------------------------------ terms


def test_assumed_terms_are_off_until_they_are_named() -> None:
    rates = {"funding_rate": "0.001", "open_interest_imbalance": 1, "liquidated": "0.5", "volatility_ratio": 3}
    bare, whole = asked("BTCUSDT", **rates), asked("BTCUSDT", options={"terms": "all"}, **rates)
    assert set(bare.off) == {"half_spread_bps", *rates}
    assert whole.off == ()
    # funding 1.5, interest 1.3, liquidations 1.5, on both parts; volatility 1.5 on the spread
    assert whole.impact_bps == pytest.approx(bare.impact_bps * Decimal("2.925"), abs=Decimal("1e-5"))
    assert whole.spread_bps == pytest.approx(bare.spread_bps * Decimal("4.3875"), abs=Decimal("1e-5"))
    one = asked("BTCUSDT", options={"terms": "funding_rate"}, **rates)
    assert one.impact_bps == pytest.approx(bare.impact_bps * Decimal("1.5"), abs=Decimal("1e-5"))
    assert any("assumed terms count: * funding_rate" in text for text in one.cautions)


def test_the_crowded_side_alone_pays_more_and_never_fifty_times() -> None:
    """The plan's own term, 1 + rate * 5 * 10000, is 51 at 0.1 %, and has no bound."""
    named = {"options": {"terms": "funding_rate"}}
    even = asked("BTCUSDT", "buy", funding_rate=0, **named).slippage_bps
    assert asked("BTCUSDT", "buy", funding_rate="0.001", **named).slippage_bps == pytest.approx(even * Decimal("1.5"))
    assert asked("BTCUSDT", "buy", funding_rate="0.75", **named).slippage_bps == pytest.approx(even * Decimal("1.5"))
    assert asked("BTCUSDT", "sell", funding_rate="0.001", **named).slippage_bps == even
    assert asked("BTCUSDT", "sell", funding_rate="-0.001", **named).slippage_bps == pytest.approx(even * Decimal("1.5"))


def test_base_is_the_formula_alone() -> None:
    night = {"at": "2026-07-22T03:00Z"}
    assert asked(**night).impact_bps == pytest.approx(asked().impact_bps * Decimal("1.76"), abs=Decimal("1e-5"))
    bare = asked(**night, options={"terms": "base"})
    assert bare.impact_bps == asked().impact_bps
    assert {term.name for term in bare.terms} == {"impact", "exponent"}


def test_words_for_terms_go_with_names() -> None:
    assert asked("BTCUSDT", options={"terms": ("all",)}).off == ()
    found = asked("SOLUSDT", qty=50, spread_bps=None, options={"terms": ["base", "half_spread_bps"]})
    assert {term.name for term in found.terms} == {"half_spread_bps", "impact", "exponent"}


def test_a_closed_market_is_as_outside_regular_hours_and_said_to_be_closed() -> None:
    """A Saturday, and the daily break of a Tuesday."""
    for at in ("2024-01-13T15:00Z", "2024-01-16T22:30Z"):
        found = asked(at=at)
        assert found.impact_bps == asked(at="2024-01-16T03:00Z").impact_bps
        assert any("the market is closed then" in text for text in found.cautions)
    assert not any("closed" in text for text in asked(at="2024-01-16T03:00Z").cautions)


def test_a_quarterly_has_its_own_tick_and_nothing_that_was_measured_on_the_perpetual() -> None:
    found = asked("BTCUSDT_261225", qty=1, mid=50_000, spread_bps=0, at="2026-07-01T12:00Z")
    assert found.spread_bps == Decimal("0.01")  # half of 0.1 in 50,000
    assert {term.name for term in found.terms} == {"impact", "exponent"}
    assert "funding_rate" not in found.off
    with pytest.raises(InvalidInput, match="has ended"):
        asked("BTCUSDT_210625", qty=1, at="2024-01-05T00:00Z")


def test_rows_of_ones_own_win_with_and_without_an_instant(tmp_path: Path) -> None:
    """Whatever they are said to be known through."""
    folder = tmp_path / "binance_um"
    folder.mkdir()
    header = "effective_from,term,coefficient,low,high,begins,full,on,values,source\n"
    (folder / "slippage.csv").write_text(header + "2020-01-01,* impact,2,,,,,,,mine\n")
    (folder / "known.csv").write_text("table,key,known_through,source\nslippage,*,2026-12-31,mine\n")
    order, market = TakerOrder(symbol="BTCUSDT", side="buy", qty=1), MarketConditions(**BTC)
    for at in (None, "2026-06-01"):
        given = MarketConditions(**BTC | {"at": at})
        own = estimate_execution_cost(order, given, reference=Reference([tmp_path]), terms="base")
        shipped = estimate_execution_cost(order, market, reference=REFERENCE, terms="base")
        assert own.impact_bps == pytest.approx(2 * shipped.impact_bps, abs=Decimal("1e-5"))


def test_a_range_is_that_of_the_row_and_no_narrower_than_a_tick(tmp_path: Path) -> None:
    folder = tmp_path / "binance_um"
    folder.mkdir()
    header = "effective_from,term,coefficient,low,high,begins,full,on,values,source\n"
    rows = "2020-01-01,ETHUSDT half_spread,0.001,0.0005,0.3,,,,,mine\n2020-01-01,* impact,0,,,,,,,mine\n"
    (folder / "slippage.csv").write_text(header + rows)
    (folder / "known.csv").write_text("table,key,known_through,source\nslippage,*,2026-12-31,mine\n")
    order = TakerOrder(symbol="ETHUSDT", side="buy", qty=1)
    market = MarketConditions(mid=3_000, volume=10**6, volatility=1)
    found = estimate_execution_cost(order, market, reference=Reference([tmp_path]))
    half_tick = Decimal("0.005") / 3_000 * 10_000
    assert found.slippage_bps_low == found.slippage_bps == half_tick.quantize(Decimal("1e-6"))
    assert found.slippage_bps_high == 1  # 0.3 in 3,000


def test_a_term_whose_driver_is_not_known_counts_for_nothing_and_is_named() -> None:
    found = asked()
    assert found.unknown == ("outside_regular_hours",)
    assert asked(outside_regular_hours=1).unknown == ()


# ------------------------------------------------------------ markets that are none


@pytest.mark.parametrize(
    ("market", "error", "text"),
    [
        ({"mid": None}, InvalidInput, "mid: is needed"),
        ({"mid": 0}, InvalidInput, "mid: expected a number above zero"),
        ({"mid": float("nan")}, InvalidInput, "mid: expected a finite number"),
        ({"volume": None}, InvalidInput, "volume: is needed"),
        ({"volume": 0}, InvalidInput, "volume: expected a number above zero"),
        ({"volatility": None}, InvalidInput, "volatility: is needed"),
        ({"volatility": 0}, InvalidInput, "volatility: expected a number above zero"),
        ({"spread_bps": -1}, InvalidInput, "crossed quotes"),
        ({"mid": None, "bid": 2, "ask": 1}, InvalidInput, "crossed quotes"),
        ({"mid": None, "bid": 2}, InvalidInput, "bid, ask: come together"),
        ({"bid": 4999, "ask": 5000}, InvalidInput, "is not the middle of bid and ask"),
        ({"options": {"vip": 1}}, InvalidInput, "there is none on this venue"),
        ({"symbol": "BTCUSDT", "options": {"vip": 10}}, InvalidInput, "a level from 0 to 9"),
        ({"options": {"benchmark": "mark"}}, InvalidInput, "mark: is needed"),
        ({"options": {"benchmark": "vwap"}}, InvalidInput, "expected mid or mark"),
        ({"options": {"terms": "hour"}}, InvalidInput, "no such term in force"),
        ({"options": {"terms": ["fnding"]}}, InvalidInput, "is no term of slippage"),
        ({"options": {"min_slippage_bps": -1}}, InvalidInput, "nobody is paid for taking"),
        ({"options": {"min_slippage_bps": 5, "max_slippage_bps": 4}}, InvalidInput, "lies below min_slippage_bps"),
        ({"qty": 0}, InvalidInput, "qty: expected a number above zero"),
        ({"qty": 10**10, "volume": 1}, InvalidInput, "qty: is 1e[+]10 of a day's volume"),
        ({"qty": "0.5"}, OffGrid, "is not a multiple of the lot 1"),
        ({"symbol": "BTCUSDT", "qty": "0.0005"}, OffGrid, "is not a multiple of the lot 0.001"),
        ({"qty": "1e999999"}, InvalidInput, "qty: is beyond"),
        ({"volatility": "1e400"}, InvalidInput, "volatility: is beyond"),
        ({"mid": "1e-30"}, InvalidInput, "mid: expected a number from"),
        ({"symbol": "ESZ2013", "at": "2020-03-16T14:00Z"}, InvalidInput, "ESZ2013 at: has ended"),
        ({"options": {"terms": 5}}, InvalidInput, "terms: expected names of terms"),
        ({"side": "long"}, InvalidInput, "side: expected buy or sell"),
        ({"symbol": "QQQ"}, UnknownInstrument, "unknown instrument"),
        ({"spread_bps": None, "at": "2011-05-02"}, InvalidInput, "how wide its quotes are"),
        ({"symbol": "BTCUSDT", "at": "2030-01-01"}, NoRuleInForce, "contracts"),
    ],
)
def test_what_is_missing_or_no_market_is_an_error_that_says_what_to_give(
    market: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        asked(**market)


def test_a_product_without_a_spread_of_its_own_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"Give spread_bps, or bid and ask; or count the term half_spread_bps"):
        asked("SOLUSDT", spread_bps=None)
    assert asked("SOLUSDT", spread_bps=None, options={"terms": "half_spread_bps"}).spread_bps == 2


# ------------------------------------------------------------ whatever the market

NUMBERS = {
    "mid": st.decimals("0.5", 500_000, places=2),
    "spread_bps": st.decimals(0, 500, places=3),
    "volume": st.decimals("0.001", 10**9, places=3),
    "volatility": st.decimals("0.0001", 5, places=4),
}
DRIVERS = {name: st.none() | st.floats(-100, 100) for name in RAMPS}


@settings(max_examples=scaled(5_000, floor=100))
@given(
    st.fixed_dictionaries(NUMBERS),
    st.fixed_dictionaries(DRIVERS),
    st.decimals("0.001", 10**6, places=3),
    st.sampled_from(["", "all", "base"]),
    st.sampled_from(["ES", "CL", "6E", "ZN", "BTCUSDT"]),
)
def test_buying_and_selling_back_never_earns_and_costs_alike(
    market: dict[str, Any], drivers: dict[str, Any], qty: Decimal, terms: str, symbol: str
) -> None:
    qty = qty if symbol == "BTCUSDT" else qty.to_integral_value(ROUND_CEILING)
    options = {"terms": terms, "max_slippage_bps": 9_000}  # a day's volume many times over moves the price by more
    buy, sell = (asked(symbol, side, qty, options=options, **market | drivers) for side in ("buy", "sell"))
    assert buy.estimated_fill_price >= buy.mid >= sell.estimated_fill_price
    for found in (buy, sell):
        assert 0 < found.slippage_bps_low <= found.slippage_bps <= found.slippage_bps_high
        assert found.fee >= 0 and found.total_cost_bps >= found.slippage_bps
        assert found.estimated_fill_price.is_finite()
    signed = {"funding_rate", "open_interest_imbalance"} & {term.name for term in buy.terms}
    if not signed:
        assert buy.slippage_bps == sell.slippage_bps


@settings(max_examples=scaled(2_000, floor=60))
@given(st.fixed_dictionaries(NUMBERS), st.decimals("0.001", 10**6, places=3), st.sampled_from(["ES", "BTCUSDT"]))
def test_more_costs_more(market: dict[str, Any], qty: Decimal, symbol: str) -> None:
    qty = qty if symbol == "BTCUSDT" else qty.to_integral_value(ROUND_CEILING)

    def cost(qty: Decimal = qty, **other: Decimal) -> Decimal:
        return asked(symbol, qty=qty, options={"max_slippage_bps": 9_000}, **market | other).slippage_bps

    here = cost()
    assert cost(qty * 2) >= here
    assert cost(volatility=market["volatility"] * 2) >= here
    assert cost(volume=market["volume"] * 2) <= here


# ------------------------------------------------------------ many at once


def test_many_orders_cost_what_each_does_alone() -> None:
    costs = Slippage.of("BTCUSDT", terms="all", reference=REFERENCE)
    qty = np.array([0.1, 1.0, 25.0])
    rates = np.array([-0.001, 0.0004, 0.01])
    many = costs.fractions(qty, mid=60_000.0, volume=300_000.0, volatility=0.5, spread_bps=0.1, funding_rate=rates)
    for i, one in enumerate(many):
        alone = asked("BTCUSDT", qty=float(qty[i]), funding_rate=float(rates[i]), options={"terms": "all"})
        assert float(alone.slippage_bps) == pytest.approx(one * 1e4, abs=1e-6)


def test_what_is_wrong_among_many_is_named_by_its_place() -> None:
    costs = Slippage.of("BTCUSDT", reference=REFERENCE)
    good: dict[str, Any] = {"mid": 60_000.0, "volume": 300_000.0, "volatility": 0.5, "spread_bps": 0.1}
    with pytest.raises(InvalidInput, match=r"volume\[1\]: expected a number above zero \(found 0.0\)"):
        costs.fractions(1.0, **good | {"volume": np.array([1.0, 0.0])})
    with pytest.raises(InvalidInput, match=r"qty\[2\]"):
        costs.fractions([1, 2, np.nan], **good)
    with pytest.raises(InvalidInput, match="spread_bps: expected a number of zero or more"):
        costs.fractions(1.0, **good | {"spread_bps": -0.1})
    with pytest.raises(InvalidInput, match="fundng_rate: is no driver"):
        costs.fractions(1.0, **good, fundng_rate=0.1)
    for name, value, text in (
        ("hour", 24, "from 0 to 23"),
        ("hour", -1, "from 0 to 23"),
        ("month", 0, "from 1 to 12"),
        ("month", 6.5, "from 1 to 12"),
        ("side", 0, "is 1"),
        ("side", "sell", "is 1"),
        ("most", -0.01, "least and most"),
        ("least", float("nan"), "least and most"),
    ):
        with pytest.raises(InvalidInput, match=text):
            costs.fractions(1.0, **good | {name: value})


def test_a_million_estimates_are_one_call() -> None:
    """How long it takes is printed by benchmarks/costs.py. Here: that it is done, and each alike to the first."""
    costs = Slippage.of("BTCUSDT", reference=REFERENCE)
    found = costs.fractions(np.full(1_000_000, 2.0), mid=60_000.0, volume=300_000.0, volatility=0.5)
    assert found.shape == (1_000_000,)
    assert (found == found[0]).all() and found[0] > 0
