"""`novation.margin`: the exchange's examples, the venue itself, brackets of the user's own, wrong input."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import MarginScope, MarketEventKind, Side
from novation.domain.errors import DataError, InvalidInput, NoRuleInForce, OffGrid, UnknownInstrument
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, from_e8, money, to_ns
from novation.reference import Reference, read_brackets
from novation.trading.margin import margin
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled

BTC: dict[str, Any] = {"side": "long", "qty": "0.1", "entry": 60_000, "leverage": 10}
#: Adverse tiers of one symbol, in the layout of ccxt and freqtrade.
CCXT = {
    "X/USDT:USDT": [
        {"tier": 1.0, "currency": "USDT", "minNotional": 0.0, "maxNotional": 5000.0,
         "maintenanceMarginRate": 0.01, "maxLeverage": 50.0, "info": {"cum": "0.0"}},
        {"tier": 2.0, "currency": "USDT", "minNotional": 5000.0, "maxNotional": 50000.0,
         "maintenanceMarginRate": 0.025, "maxLeverage": 20.0, "info": {"cum": "75.0"}},
    ]
}  # fmt: skip
EXCHANGE = [
    {"symbol": "XUSDT", "brackets": [
        {"bracket": 2, "initialLeverage": 20, "notionalCap": 50000, "notionalFloor": 5000,
         "maintMarginRatio": 0.025, "cum": 75.0},
        {"bracket": 1, "initialLeverage": 50, "notionalCap": 5000, "notionalFloor": 0,
         "maintMarginRatio": 0.01, "cum": 0.0},
    ]}
]  # fmt: skip
CSV = """\
effective_from,symbol,tier,floor_usdt,cap_usdt,maintenance_fraction,max_leverage,cum_usdt,source
2024-01-01,XUSDT,1,0,5000,0.02,50,0,mine
2025-01-01,XUSDT,1,0,5000,0.01,50,0,mine
2025-01-01,XUSDT,2,5000,50000,0.025,20,75,mine
"""


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# ---------------------------------------------------------------- numbers of the exchange


def test_a_long_at_ten_times_is_liquidated_where_maintenance_is_taken_at_that_price() -> None:
    """facts §0 row 6: entry 60,000, 0.1 BTC, 10x, 0.4 %: 54,216.87, not 54,240."""
    answer = margin("BTCUSDT", **BTC)
    assert answer.initial_margin == answer.wallet == answer.order_cost == 600
    assert answer.maintenance_margin == 24
    assert (answer.bracket, answer.cum) == (1, 0)
    assert answer.liquidation_price == Decimal("54216.86746987")
    assert f"{answer.liquidation_price:.2f}" == "54216.87"
    assert answer.bankruptcy_price == 54_000


def test_the_price_is_the_highest_at_which_equity_is_no_more_than_maintenance() -> None:
    answer = margin("BTCUSDT", **BTC)
    for price, gone in ((answer.liquidation_price, True), (answer.liquidation_price + Decimal("1e-8"), False)):
        value = Decimal("0.1") * price
        assert (600 + value - 6000 <= value * Decimal("0.004")) is gone


def test_the_bankruptcy_price_is_the_last_at_which_nothing_is_owed() -> None:
    """Isolated long: entry - wallet / qty (facts §4); 7,000 / 0.3 has no end, so it is cut against the long."""
    answer = margin("BTCUSDT", side="long", qty="0.3", entry=60_000, leverage=10, wallet=11_000)
    assert answer.bankruptcy_price == Decimal("23333.33333334")
    short = margin("BTCUSDT", side="short", qty="0.3", entry=60_000, leverage=10, wallet=1_000)
    assert short.bankruptcy_price == Decimal("63333.33333333")
    tiny = margin("BTCUSDT", side="short", qty="0.001", entry=60_000, leverage=10, scope="cross", wallet=10**9)
    assert tiny.bankruptcy_price == tiny.liquidation_price == 0  # beyond every price that is searched


def test_order_cost_of_the_exchanges_example() -> None:
    """Example C1: 1 BTC at 9,253.30, mark 9,259.84, 20x: a long costs 462.66, a short 469.20 (older rule)."""
    given = {"qty": 1, "entry": "9253.30", "mark": "9259.84", "leverage": 20}
    assert margin("BTCUSDT", side="long", **given).order_cost == Decimal("462.665")
    short = margin("BTCUSDT", side="short", **given)
    assert short.order_cost == Decimal("469.205")
    assert any("before 2026" in text for text in short.cautions)


def test_a_sell_assumes_the_highest_of_three_prices_once_the_last_is_known() -> None:
    """Text of 2026: max(last * 1.0015, mark, order price)."""
    answer = margin("BTCUSDT", side="short", qty=1, entry=9000, mark=9010, last=10_000, leverage=10)
    assert answer.order_cost == Decimal("1001.5")
    assert answer.cautions == ()


def test_example_positions_of_the_exchange(tmp_path: Path) -> None:
    """P1: 30 ADA at 0.385, mark 0.41047590, 20x: IM 0.61571385, MM 0.08004280 at 0.65 %; here with that rate."""
    rate = [{"minNotional": 0, "maxNotional": 5000, "maintenanceMarginRate": "0.0065", "maxLeverage": 50}]
    path = written(tmp_path, "tiers.json", {"ADA/USDT:USDT": rate})
    answer = margin(
        "ADAUSDT", side="long", qty=30, entry="0.385", mark="0.41047590", leverage=20, wallet=5, brackets=path
    )
    assert answer.initial_margin == Decimal("0.61571385")
    assert answer.maintenance_margin == Decimal("0.08004280")
    assert answer.unrealised == Decimal("0.76427700")


@settings(max_examples=scaled(3_000, 20))
@given(
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    st.sampled_from([Side.BUY, Side.SELL]),
    st.sampled_from(list(MarginScope)),
    st.integers(1, 50),
    st.integers(1, 40_000),
    st.integers(100_000, 9_000_000),
    st.integers(0, 10**12),
)
def test_every_number_is_the_venues(
    symbol: str, side: Side, scope: MarginScope, leverage: int, lots: int, ticks: int, extra: int
) -> None:
    """The same position in a `Venue` of one instrument."""
    at = to_ns("2026-05-01")
    reference = Reference(rules_as_of=at)
    instrument, terms = reference.instrument(symbol), reference.terms(symbol, at, at + 1)
    price_e8 = ticks * terms[0].tick_step * instrument.tick_e8
    notional = price_e8 * lots * instrument.lot_value // E8
    tiers = terms[0].tiers
    assume(money(100, "USDT") <= notional <= max(t.cap for t in tiers if t.max_leverage >= leverage) * 9 // 10)
    venue = Venue(binance_usdm.RULES, [instrument], [terms])
    feed = np.zeros(1, MARKET_DTYPE)
    feed["ts_ns"], feed["kind"] = at, MarketEventKind.BAR_OPEN
    feed["last_e8"] = feed["mark_e8"] = price_e8
    venue.advance(at, feed)
    wallet = notional // leverage + notional // 1000 + 1 + extra
    venue.submit(transfer(0, wallet))
    venue.submit(set_margin_scope(0, 0, scope))
    venue.submit(set_leverage(0, 0, leverage))
    venue.submit(place_market(0, 0, side, lots))
    account = venue.account(0)
    (position,) = account.positions
    assert position.lots == side * lots
    behind = position.isolated_margin if scope == MarginScope.ISOLATED else account.wallet
    answer = margin(
        symbol,
        side="long" if side > 0 else "short",
        qty=from_e8(lots * instrument.lot_e8),
        entry=from_e8(price_e8),
        leverage=leverage,
        scope=scope.name.lower(),
        wallet=None if scope == MarginScope.ISOLATED else from_e8(behind),
    )
    assert answer.wallet == from_e8(behind)
    assert answer.initial_margin == from_e8(notional // leverage)
    assert answer.maintenance_margin == from_e8(position.maintenance)
    assert answer.liquidation_price == from_e8(position.liquidation_e8)


def test_a_long_at_its_whole_value_is_never_liquidated() -> None:
    answer = margin("BTCUSDT", **BTC | {"leverage": 1})
    assert answer.liquidation_price == answer.bankruptcy_price == 0
    assert answer.to_dict()["liquidation_price"] == "0.00000000"
    assert "no price ends it" in str(answer)


def test_a_position_beyond_its_liquidation_price_says_so() -> None:
    answer = margin("BTCUSDT", **BTC, mark=54_000)
    assert answer.liquidated
    assert answer.maintenance_ratio is None
    assert "liquidated at this mark" in str(answer)
    short = margin("BTCUSDT", **BTC | {"side": "short", "scope": "cross", "wallet": -6001})
    assert short.liquidation_price == Decimal("1e-8")


def test_hedge_mode_names_the_side_and_requires_the_same() -> None:
    one, other = margin("BTCUSDT", **BTC), margin("BTCUSDT", **BTC, mode="hedge")
    assert one.liquidation_price == other.liquidation_price
    assert "hedge (LONG)" in str(other)


# ---------------------------------------------------------------- which brackets


def test_the_newest_known_brackets_are_used_and_said() -> None:
    answer = margin("ETHUSDT", side="long", qty=1, entry=3000, leverage=5)
    stated = answer.to_dict()["brackets"]
    assert stated["date"] == "2026-05-01"
    assert "freqtrade in 2026-05" in stated["source"]
    assert "brackets of 2026-05-01 (known through" in str(answer)


def test_another_day_is_looked_up_or_refused() -> None:
    assert margin("BTCUSDT", **BTC, rules_as_of="2026-06-01").brackets.to_dict()["date"] == "2026-05-01"
    with pytest.raises(NoRuleInForce, match="2020-01-01"):
        margin("BTCUSDT", **BTC, rules_as_of="2020-01-01")


@pytest.mark.parametrize(("name", "content"), [("a.json", CCXT), ("b.json", EXCHANGE), ("c.csv", CSV)])
def test_brackets_of_the_users_own(tmp_path: Path, name: str, content: Any) -> None:
    path = written(tmp_path, name, content)
    for symbol in ("XUSDT", "X/USDT:USDT", "binance_um:XUSDT"):
        answer = margin(symbol, side="long", qty=100, entry=100, leverage=10, brackets=path)
        assert (answer.instrument, answer.bracket, answer.cum) == ("binance_um:XUSDT", 2, 75)
        assert answer.maintenance_margin == 175
        assert answer.brackets.source.startswith(name)


def test_a_csv_of_several_dates_is_read_as_of_one(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.csv", CSV)
    given = {"side": "long", "qty": 1, "entry": 100, "leverage": 10, "brackets": path}
    assert margin("XUSDT", **given, rules_as_of="2024-06-01").maintenance_margin == 2
    assert margin("XUSDT", **given).maintenance_margin == 1
    with pytest.raises(DataError, match=r"mine\.csv 2023-01-01.*no brackets in force"):
        margin("XUSDT", **given, rules_as_of="2023-01-01")


@pytest.mark.data
def test_brackets_in_parquet(novation_data: Path) -> None:
    path = novation_data / "binance_um" / "params" / "leverage_brackets_2026-05.parquet"
    assert margin("BTCUSDT", **BTC, brackets=path).liquidation_price == Decimal("54216.86746987")
    assert read_brackets(path)["BTCUSDC"].asset == "USDC"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", "{", r"t\.json line 1: is no JSON"),
        ("t.json", {"X/USDT:USDT": []}, r"t\.json X/USDT:USDT: expected a list of tiers"),
        ("t.json", {"X/USDT:USDT": [{"minNotional": 0}]}, r"X/USDT:USDT, tier 1: 'maxNotional' is missing"),
        ("t.json", "[1]", r"t\.json: is no table of brackets"),
        ("t.json", [{"brackets": []}], r"t\.json \[0\]: 'symbol' is missing"),
        ("t.json", {"X/BTC:BTC": CCXT["X/USDT:USDT"]}, "holds no brackets settled in USDT or USDC"),
        ("t.txt", "", "is no brackets file"),
        ("t.csv", CSV.replace("0.025", "x"), "row 4, maintenance_fraction"),
        ("t.csv", CSV.replace(",75,", ",76,"), "cum is not 75"),
    ],
)
def test_a_wrong_brackets_file_is_named_with_its_place(tmp_path: Path, name: str, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        margin("XUSDT", side="long", qty=1, entry=100, leverage=5, brackets=written(tmp_path, name, content))


def test_a_symbol_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "tiers.json", CCXT)
    with pytest.raises(UnknownInstrument, match=r"'YUSDT' has no brackets in .*tiers\.json, which knows 1 symbols"):
        margin("YUSDT", side="long", qty=1, entry=100, leverage=5, brackets=path)
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        margin("YUSDT", side="long", qty=1, entry=100, leverage=5, brackets=tmp_path / "none.json")


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": "buy"}, "side: expected long or short"),
        ({"scope": "both"}, "scope: expected isolated or cross"),
        ({"mode": "net"}, "mode: expected one-way or hedge"),
        ({"qty": 0}, "qty: expected a number above zero"),
        ({"qty": "one"}, "qty: expected a number"),
        ({"entry": "1e-9"}, "entry: has more than 8 decimals"),
        ({"mark": -1}, "mark: expected a number above zero"),
        ({"leverage": 151}, "BTCUSDT leverage: the first bracket allows at most 150x"),
        ({"leverage": 0}, "leverage: expected a whole number"),
        ({"leverage": 150, "qty": 10}, "at 150x the brackets allow a position of at most 300,000.00 USDT.*Up to 100x"),
        ({"scope": "cross"}, "wallet: a cross position needs the wallet balance"),
        ({"wallet": "1e12"}, "wallet: is larger than any balance"),
        ({"qty": 1000, "entry": 60_000_000_000}, "entry: a price lies between 0 and"),
    ],
)
def test_wrong_input_names_the_argument(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        margin("BTCUSDT", **BTC | change)


def test_a_quantity_between_two_lots_and_a_dated_future_are_refused() -> None:
    with pytest.raises(OffGrid, match=r"qty 0\.1005 is not a multiple of the lot 0\.001"):
        margin("BTCUSDT", **BTC | {"qty": "0.1005"})
    with pytest.raises(InvalidInput, match="margin per contract and no brackets"):
        margin("ESZ2026", **BTC)
    with pytest.raises(UnknownInstrument, match="spot"):
        margin("BTC/USDT", **BTC)
