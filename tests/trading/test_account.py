"""Positions of real accounts: the exchange's worked example, hedged pairs, every kind of dump, wrong files."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.errors import DataError, InvalidInput, UnknownInstrument
from novation.domain.units import E8
from novation.reference.brackets import tiers_of
from novation.rules.integers import PART
from novation.trading.account import margin_of_account
from novation.trading.margin import margin
from novation.trading.requirements import Held, ends, exact_value, gains_by_a_rise, surplus
from tests.conftest import scaled


def written(folder: Path, content: Any, name: str = "account.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def tiers(*rows: tuple[object, ...]) -> list[dict[str, Any]]:
    """Tiers in ccxt's form: (floor, cap, rate, leverage)."""
    names = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")
    return [dict(zip(names, row, strict=True)) for row in rows]


#: The tiers of the exchange's example, with a first one that gives its `cum`.
EXAMPLE = {
    "ETH/USDT:USDT": tiers((0, 2_707_300, "0.05", 10), (2_707_300, 10_000_000, "0.1", 5)),
    "BTC/USDT:USDT": tiers((0, 1_630_000, "0.015", 50), (1_630_000, 10_000_000, "0.025", 20)),
}


def risk(symbol: str, qty: object, entry: object, mark: object, **more: Any) -> dict[str, Any]:
    """An element of positionRisk v2, as the exchange writes it: texts throughout."""
    profit = (Decimal(str(mark)) - Decimal(str(entry))) * Decimal(str(qty))
    given = {
        "symbol": symbol, "positionAmt": str(qty), "entryPrice": str(entry), "breakEvenPrice": "0.0",
        "markPrice": str(mark), "unRealizedProfit": f"{profit:f}", "liquidationPrice": "0", "leverage": "20",
        "maxNotionalValue": "250000", "marginType": "cross", "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false", "positionSide": "BOTH", "isolatedWallet": "0", "updateTime": 0,
    }  # fmt: skip
    return given | more


# ---------------------------------------------------------------- the exchange's numbers


def test_two_cross_longs_of_the_exchanges_example(tmp_path: Path) -> None:
    """L1, L2: cross wallet 1,535,443.01: ETHUSDT ends at 1,153.26, BTCUSDT at 26,316.89."""
    dump = written(
        tmp_path,
        [
            risk("ETHUSDT", "3683.979", "1456.84", "1335.18", liquidationPrice="1153.26"),
            risk("BTCUSDT", "109.488", "32481.98", "31967.27", liquidationPrice="26316.89"),
            risk("XRPUSDT", "0", "0", "0.5"),
        ],
    )
    answer = margin_of_account(dump, wallet="1535443.01", brackets=written(tmp_path, EXAMPLE, "tiers.json"))
    eth, btc = answer.positions
    assert (f"{eth.liquidation_price:.2f}", f"{btc.liquidation_price:.2f}") == ("1153.26", "26316.89")
    assert (f"{eth.maintenance_margin:.3f}", f"{btc.maintenance_margin:.3f}") == ("356512.508", "71200.811")
    assert abs(eth.liquidation_price_difference or 1) < Decimal("0.005")
    assert answer.smallest_move is eth
    assert eth.move is not None and f"{eth.move:.4f}" == f"{1 - Decimal('1153.26') / Decimal('1335.18'):.4f}"
    assert "13.63 % of ETHUSDT alone" in str(answer)
    cross = answer.cross[0]
    assert cross.margin_balance == Decimal("1535443.01") + Decimal("-448192.88514") + Decimal("-56354.56848")


def test_a_liquidation_price_of_zero_is_the_exchanges_word_for_none(tmp_path: Path) -> None:
    dump = written(tmp_path, [risk("BTCUSDT", "0.5", "60000", "61000")])
    answer = margin_of_account(dump, wallet="5000", brackets=written(tmp_path, EXAMPLE, "tiers.json"))
    (position,) = answer.positions
    assert position.liquidation_price > 0
    assert position.exchange_liquidation_price is None
    assert position.liquidation_price_difference is None


def test_cross_positions_are_computed_as_one_position_alone_is(tmp_path: Path) -> None:
    dump = written(tmp_path, [risk("BTCUSDT", "-0.5", "60000", "61000", leverage="10")])
    one = margin_of_account(dump, wallet=4000).positions[0]
    other = margin(
        "BTCUSDT", side="short", qty="0.5", entry=60_000, mark=61_000, leverage=10, scope="cross", wallet=4000
    )
    for name in ("initial_margin", "maintenance_margin", "liquidation_price", "bankruptcy_price", "bracket"):
        assert getattr(one, name) == getattr(other, name)


def test_example_margins_of_the_exchange(tmp_path: Path) -> None:
    """P1 (positionRisk v3): 30 ADA, IM 0.61571385, MM 0.08004280; leverage and scope are not in v3."""
    row = risk("ADAUSDT", "30", "0.385", "0.41047590", marginAsset="USDT", positionInitialMargin="0.61571385",
               maintMargin="0.08004280", initialMargin="0.61571385")  # fmt: skip
    del row["leverage"], row["marginType"]
    table = written(tmp_path, {"ADAUSDT": tiers((0, 5000, "0.0065", 50))}, "tiers.json")
    answer = margin_of_account(written(tmp_path, [row]), wallet=5, brackets=table)
    (p,) = answer.positions
    assert (p.leverage, p.scope) == (20, "cross")
    assert p.initial_margin_difference == p.maintenance_margin_difference == 0
    assert any("leverage from notional" in text for text in answer.cautions)


# ---------------------------------------------------------------- hedged pairs


def test_a_hedged_cross_pair_has_one_liquidation_price_by_the_exchanges_formula(tmp_path: Path) -> None:
    """facts §4: LP = (WB + cumL + cumS - qL epL + qS epS) / (qL mmrL + qS mmrS - qL + qS)."""
    dump = written(
        tmp_path,
        [
            risk("BTCUSDT", "1.5", "60000", "60500", positionSide="LONG"),
            risk("BTCUSDT", "-0.5", "61000", "60500", positionSide="SHORT"),
        ],
    )
    long, short = margin_of_account(dump, wallet=5_000).positions
    price = (5_000 - Fraction(3, 2) * 60_000 + Fraction(1, 2) * 61_000) / (
        Fraction(3, 2) * Fraction(4, 1000) + Fraction(1, 2) * Fraction(4, 1000) - Fraction(3, 2) + Fraction(1, 2)
    )
    assert long.liquidation_price == short.liquidation_price
    assert Fraction(long.liquidation_price) <= price < Fraction(long.liquidation_price) + Fraction(1, E8)
    assert (long.mode, long.side, short.side) == ("hedge", "long", "short")
    broke = Fraction(3, 2) * 60_000 - Fraction(1, 2) * 61_000 - 5_000  # of a net long of 1
    assert Fraction(long.bankruptcy_price) == Fraction(short.bankruptcy_price) == broke


def test_a_hedged_isolated_pair_has_two(tmp_path: Path) -> None:
    isolated = {"marginType": "isolated", "isolatedWallet": "600"}
    dump = written(
        tmp_path,
        [
            risk("BTCUSDT", "0.1", "60000", "60000", positionSide="LONG", leverage="10", **isolated),
            risk("BTCUSDT", "-0.1", "60000", "60000", positionSide="SHORT", leverage="10", **isolated),
        ],
    )
    long, short = margin_of_account(dump).positions
    assert f"{long.liquidation_price:.2f}" == "54216.87"
    assert (
        short.liquidation_price
        == margin("BTCUSDT", side="short", qty="0.1", entry=60_000, leverage=10).liquidation_price
    )


TWO = tiers_of(
    [
        {"floor_usdt": 0, "cap_usdt": 50_000, "maintenance_fraction": "0.01", "max_leverage": 50, "cum_usdt": 0},
        {"floor_usdt": 50_000, "cap_usdt": 10**9, "maintenance_fraction": "0.05", "max_leverage": 10, "cum_usdt": 2000},
    ],
    "USDT",
)


@settings(max_examples=scaled(20_000, 60))
@given(
    st.integers(0, 2_000),
    st.integers(0, 2_000),
    st.integers(5_000, 20_000),
    st.integers(-20_000, 200_000),
)
def test_ends_are_where_the_sign_of_what_is_left_changes(long: int, short: int, entry: int, wallet: int) -> None:
    """Sizes in 0.1, prices in cents: just inside an end something is left, at it and beyond it nothing."""
    legs = [Held(qty, exact_value(entry * 10**6, qty), TWO) for qty in (long * 10**7, -short * 10**7) if qty]
    if not legs:
        return
    behind = wallet * E8 * PART
    found = ends(legs, behind)
    if found.always:
        assert all(surplus(legs, behind, price) <= 0 for price in (1, entry * 10**6, 10 * entry * 10**6, 1 << 52))
        return
    if found.below_e8:
        assert surplus(legs, behind, found.below_e8) <= 0 < surplus(legs, behind, found.below_e8 + 1)
    else:
        assert surplus(legs, behind, 1) > 0
    if found.above_e8:
        assert surplus(legs, behind, found.above_e8 - 1) > 0 >= surplus(legs, behind, found.above_e8)
    if len(legs) == 1:
        assert not (found.below_e8 and found.above_e8)
        assert gains_by_a_rise(legs, entry * 10**6) is (long > 0)


# ---------------------------------------------------------------- other dumps


def fapi(**more: Any) -> dict[str, Any]:
    """/fapi/v3/account with an isolated short and a cross long."""
    return {
        "totalWalletBalance": "2000.0", "assets": [
            {"asset": "USDT", "walletBalance": "2000.0", "crossWalletBalance": "1500.00000000", "crossUnPnl": "10"},
            {"asset": "BNB", "walletBalance": "0", "crossWalletBalance": "0", "crossUnPnl": "0"},
        ],
        "positions": [
            {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "0.100", "unrealizedProfit": "10.00000000",
             "isolatedMargin": "0", "notional": "6010.00000000", "isolatedWallet": "0", "initialMargin": "601",
             "maintMargin": "24.04", "updateTime": 0},
            {"symbol": "ETHUSDT", "positionSide": "BOTH", "positionAmt": "-1.000", "unrealizedProfit": "-20.00000000",
             "isolatedMargin": "480", "notional": "-3020.00000000", "isolatedWallet": "500", "initialMargin": "604",
             "maintMargin": "12.08", "updateTime": 0},
        ],
    } | more  # fmt: skip


def test_account_v3_gives_marks_entries_and_wallets(tmp_path: Path) -> None:
    answer = margin_of_account(written(tmp_path, fapi()))
    btc, eth = answer.positions
    assert answer.kind == "account v3"
    assert (btc.entry, btc.mark, btc.leverage, btc.scope) == (60_000, 60_100, 10, "cross")
    assert (eth.entry, eth.mark, eth.leverage, eth.scope) == (3_000, 3_020, 5, "isolated")
    assert btc.initial_margin_difference == btc.maintenance_margin_difference == 0
    assert eth.maintenance_margin_difference == 0
    assert btc.liquidation_price_difference is None
    assert answer.cross[0].wallet == 1500
    assert eth.liquidation_price == Decimal("3486.05577690")  # (3000 + 500) / 1.004, rounded up


def test_account_v2_has_entries_and_leverage(tmp_path: Path) -> None:
    data = fapi(multiAssetsMargin=False)
    data["positions"][0] |= {
        "entryPrice": "60000.0",
        "leverage": "10",
        "isolated": False,
        "positionInitialMargin": "601",
    }
    data["positions"][1] |= {"entryPrice": "3000.0", "leverage": "5", "isolated": True, "positionInitialMargin": "604"}
    two = margin_of_account(written(tmp_path, data))
    three = margin_of_account(written(tmp_path, fapi()))
    assert two.kind == "account v2"
    assert [p.liquidation_price for p in two.positions] == [p.liquidation_price for p in three.positions]
    assert not any("entry" in text for text in two.cautions)


def unified(**more: Any) -> dict[str, Any]:
    return {
        "info": {}, "symbol": "BTC/USDT:USDT", "contracts": 0.1, "contractSize": 1.0, "side": "long", "hedged": False,
        "entryPrice": 60000.0, "markPrice": 60100.0, "liquidationPrice": 54216.86, "marginMode": "isolated",
        "leverage": 10.0, "collateral": 610.0, "initialMargin": 601.0, "maintenanceMargin": 24.04,
    } | more  # fmt: skip


def test_ccxt_positions_of_any_exchange(tmp_path: Path) -> None:
    answer = margin_of_account(written(tmp_path, [unified(), unified(contracts=0.0)]))
    (p,) = answer.positions
    assert (p.symbol, p.scope, p.leverage) == ("BTCUSDT", "isolated", 10)
    assert p.liquidation_price == Decimal("54216.86746987")
    assert p.liquidation_price_difference == Decimal("0.00746987")
    assert p.maintenance_margin_difference == 0
    raw = unified(info={"isolatedWallet": "700"}, contracts=100, contractSize=0.001)
    assert margin_of_account(written(tmp_path, [raw])).positions[0].liquidation_price < p.liquidation_price


def test_ccxt_positions_of_binance_use_the_exchanges_own_figures(tmp_path: Path) -> None:
    info = risk(
        "BTCUSDT", "0.1", "60000", "60100", maintMargin="24.04", positionInitialMargin="601", crossWalletBalance="9"
    )
    for name in ("marginType", "leverage"):
        del info[name]
    row = unified(info=info, marginMode="cross", maintenanceMargin=99, leverage=10, collateral=None)
    (p,) = margin_of_account(written(tmp_path, [row])).positions
    assert (p.scope, p.leverage, p.derived) == ("cross", 10, ())
    assert p.maintenance_margin_difference == 0


def test_the_answer_is_plain_values(tmp_path: Path) -> None:
    found = json.loads(json.dumps(margin_of_account(written(tmp_path, fapi())).to_dict()))
    assert found["positions"][0]["liquidation_price"]
    assert found["smallest_adverse_move"]["symbol"] == "ETHUSDT"
    assert "alone" in found["smallest_adverse_move"]["of"]
    assert found["brackets"]["BTCUSDT"]["date"] == "2026-05-01"


def test_a_position_beyond_its_end_moves_by_nothing_and_one_without_end_not_at_all(tmp_path: Path) -> None:
    gone = risk("BTCUSDT", "0.1", "60000", "50000", marginType="isolated", isolatedWallet="600")
    assert margin_of_account(written(tmp_path, [gone])).positions[0].move == 0
    safe = risk("BTCUSDT", "0.1", "60000", "60000", marginType="isolated", isolatedWallet="6000")
    answer = margin_of_account(written(tmp_path, [safe]))
    assert answer.positions[0].move is None
    assert "none, no price ends any position" in str(answer)


# ---------------------------------------------------------------- wrong files


def without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


BTC = risk("BTCUSDT", "0.1", "60000", "60000")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r"account\.json line 1: is no JSON"),
        ("[]", r"account\.json: holds no position"),
        ("{}", r"account\.json: is no dump of an account.*fetch_positions"),
        ("[1]", r"account\.json \[0\]: expected an object"),
        ([{"symbol": "BTCUSDT"}], r"\[0\] BTCUSDT: has neither 'positionAmt'"),
        ([BTC, {"symbol": "XUSDT"}], r"\[1\] XUSDT: has neither"),
        ([without(BTC, "entryPrice")], r"account\.json \[0\] BTCUSDT, entryPrice: is missing"),
        ([without(BTC, "symbol")], r"account\.json \[0\], symbol: is missing"),
        ([BTC | {"markPrice": "abc"}], r"\[0\] BTCUSDT, markPrice: expected a number \(found 'abc'\)"),
        ([BTC | {"markPrice": "0"}], r"BTCUSDT, mark price: expected a price above zero"),
        ([BTC | {"marginType": "portfolio"}], r"marginType: expected cross or isolated"),
        ([BTC | {"positionSide": "UP"}], r"positionSide: expected BOTH, LONG or SHORT"),
        ([BTC | {"symbol": "BTCUSD_PERP"}], r"symbol: is not settled in USDT or USDC"),
        ([BTC | {"leverage": "2.5"}], r"leverage: expected a whole number"),
        ([BTC], r"account\.json: has cross positions in USDT but not their wallet, crossWalletBalance"),
        ([unified(side="both")], r"\[0\] BTC/USDT:USDT, side: expected long or short"),
        ([unified(marginMode=None)], r"\[0\] BTC/USDT:USDT, marginMode: is missing"),
        ([unified(collateral=None)], r"\[0\] BTC/USDT:USDT, collateral: is missing"),
        (fapi(multiAssetsMargin=True), r"account, multiAssetsMargin: is true: Multi-Assets mode"),
        (without(fapi(), "assets"), r"account, assets: is missing"),
        (fapi(positions={}), r"account, positions: expected a list"),
        (fapi(assets=[{"asset": "USDT"}]), r"assets\[0\] USDT, crossWalletBalance: is missing"),
        (fapi(positions=[without(fapi()["positions"][0], "notional")]), r"\[0\] BTCUSDT, notional: is missing"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_error_that_names_file_and_key(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        margin_of_account(written(tmp_path, content))


def test_what_cannot_be_looked_up_or_was_given_twice_is_said(tmp_path: Path) -> None:
    strange = written(tmp_path, [risk("QQQQUSDT", "1", "1", "1")])
    with pytest.raises(UnknownInstrument, match=r"'QQQQUSDT' in .*account\.json has no brackets.*--brackets FILE"):
        margin_of_account(strange, wallet=5)
    with pytest.raises(InvalidInput, match="wallet: the file gives the cross wallet itself"):
        margin_of_account(written(tmp_path, fapi()), wallet=5)
    with pytest.raises(InvalidInput, match="wallet: expected a number"):
        margin_of_account(written(tmp_path, [BTC]), wallet="much")
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        margin_of_account(tmp_path / "none.json")
