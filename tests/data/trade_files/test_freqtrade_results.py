"""Backtest results of freqtrade."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import novation as nv
from novation.data.trade_files import TradeFile, read_trades
from novation.domain.enums import Side
from novation.domain.units import to_ns

OPEN, ADD, CLOSE = (to_ns(f"2026-05-02T{hour:02}:00Z") // 1_000_000 for hour in (0, 3, 9))


def trade(**fields: Any) -> dict[str, Any]:
    """One trade as an export has it: 0.2 ETH long from 2,000 to 2,100 at 3x."""
    return {
        "pair": "ETH/USDT:USDT",
        "stake_amount": 133.33333333,
        "amount": 0.2,
        "open_date": "2026-05-02 00:00:00+00:00",
        "close_date": "2026-05-02 09:00:00+00:00",
        "open_timestamp": OPEN,
        "close_timestamp": CLOSE,
        "open_rate": 2000.0,
        "close_rate": 2100.0,
        "fee_open": 0.0005,
        "fee_close": 0.0005,
        "funding_fees": -0.04,
        "profit_abs": 19.55,
        "exit_reason": "roi",
        "is_open": False,
        "is_short": False,
        "leverage": 3.0,
        "orders": [],
    } | fields


def order(entry: bool, at: int | None, amount: float, price: float) -> dict[str, Any]:
    return {"ft_is_entry": entry, "order_filled_timestamp": at, "amount": amount, "safe_price": price}


def result(*trades: dict[str, Any], name: str = "Trend") -> dict[str, Any]:
    return {"strategy": {name: {"trades": list(trades)}}, "strategy_comparison": []}


def read(folder: Path, tree: Any, **options: Any) -> TradeFile:
    path = folder / "backtest-result-2026-05-03_10-00-00.json"
    path.write_text(json.dumps(tree))
    return read_trades(path, **options)


def test_a_trade_with_what_it_claims(tmp_path: Path) -> None:
    file = read(tmp_path, result(trade()))
    (trip,) = file.trips
    assert (file.format, trip.group, trip.where) == ("freqtrade", "Trend", "Trend trade 1")
    assert (trip.symbol, trip.side, trip.qty, trip.leverage) == ("ETH/USDT:USDT", Side.BUY, Decimal("0.2"), 3)
    assert trip.entry_ns == OPEN * 1_000_000
    assert trip.fee == Decimal("0.41")  # 0.0005 of 400 and of 420
    assert (trip.funding, trip.pnl, trip.liquidated) == (Decimal("-0.04"), Decimal("19.55"), False)


def test_orders_are_the_entries_and_exits(tmp_path: Path) -> None:
    orders = [
        order(True, OPEN, 0.1, 2000.0),
        order(True, ADD, 0.1, 1900.0),
        order(True, None, 0.5, 1800.0),  # never filled
        order(False, CLOSE, 0.2, 2100.0),
    ]
    (trip,) = read(tmp_path, result(trade(orders=orders, open_rate=1950.0))).trips
    assert [(entry.qty, entry.price) for entry in trip.entries] == [(Decimal("0.1"), 2000), (Decimal("0.1"), 1900)]
    assert [exit.ts_ns for exit in trip.exits] == [CLOSE * 1_000_000]


def test_shorts_open_trades_and_liquidations_are_told(tmp_path: Path) -> None:
    gone = trade(is_short=True, exit_reason="liquidation")
    still = trade(is_open=True, close_timestamp=None, close_date=None, close_rate=None)
    first, second = read(tmp_path, result(gone, still)).trips
    assert (first.side, first.liquidated, first.exit_ns is None) == (Side.SELL, True, False)
    assert (second.liquidated, second.exit_ns, second.pnl) == (False, None, None)


def test_a_zip_holds_the_result_beside_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "backtest-result-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("backtest-result-1_config.json", "{}")
        archive.writestr("backtest-result-1.json", json.dumps(result(trade())))
        archive.writestr("backtest-result-1_Trend.py", "")
    assert read_trades(path).trips[0].pnl == Decimal("19.55")


def test_two_strategies_keep_their_names(tmp_path: Path) -> None:
    tree = result(trade())
    tree["strategy"]["Other"] = {"trades": [trade(open_timestamp=ADD)]}
    assert [trip.group for trip in read(tmp_path, tree).trips] == ["Trend", "Other"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": 0}, r"Trend trade 1 column 'amount': is no size or price above zero \(found '0'\)"),
        ({"open_rate": None}, "Trend trade 1 column 'open_rate': is missing"),
        ({"close_timestamp": OPEN - 1}, "closes before it opens"),
        ({"orders": [1]}, r"column 'orders': is no order \(found 1\)"),
        ({"leverage": 0.5}, "column 'leverage': is no leverage"),
    ],
)
def test_a_wrong_trade_is_named(fields: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(nv.DataError, match=text):
        read(tmp_path, result(trade(**fields)))


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nv.DataError, match="has no list of trades"):
        read(tmp_path, {"strategy": {"Trend": {}}})
    with pytest.raises(nv.DataError, match="is no result of freqtrade"):
        read(tmp_path, {"trades": 1}, format="freqtrade")
    with pytest.raises(nv.DataError, match="holds no trades"):
        read(tmp_path, result())
