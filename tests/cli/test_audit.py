"""`novation audit` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

HEADER = "symbol,side,qty,entry_time,entry_price,exit_time,exit_price,leverage"
ROW = "BTCUSDT,long,0.1,2026-05-02T00:00Z,60000,2026-05-02T04:00Z,60600,5"
RULES = ("--rules-as-of", "2026-05-01")


@pytest.fixture
def trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One trade, and nowhere any history."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("NOVATION_DATA", str(empty))
    monkeypatch.setenv("NOVATION_HOME", str(empty))
    path = tmp_path / "trades.csv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    return path


def test_it_prints_trades_totals_and_cautions(trades: Path, novation: Callable[..., Any]) -> None:
    shown = novation("audit", trades, "--data", trades.parent, *RULES)
    assert shown.code == 0, shown.err
    assert "source +60.00   audited +53.97   difference -6.03 USDT" in shown.out
    assert "of it  price +0.00   fee -6.03   funding +0.00   liquidation +0.00   refused +0.00" in shown.out
    assert "no file binance_um/1h/BTCUSDT/last_1h.parquet" in shown.out
    assert "caution: " in shown.out


def test_findings_are_no_failure_and_its_json_is_the_functions(trades: Path, novation: Callable[..., Any]) -> None:
    trades.write_text(f"{HEADER}\n{ROW.replace('0.1,', '0.0005,', 1)}\n")
    shown = novation("audit", trades, "--data", trades.parent, *RULES, "--json")
    told = json.loads(shown.out)
    assert (shown.code, told["format"], told["found"]["refused"]) == (0, "trades", 1)
    (one,) = told["trades"]
    assert (one["pnl"], one["difference"]) == ("0.00000000", "-0.30000000")
    assert one["findings"][0]["reason"] == "QTY_OFF_STEP"
    assert told["totals"][0]["refused"] == "-0.30000000"


def test_every_trade_is_saved(trades: Path, novation: Callable[..., Any]) -> None:
    place = trades.parent / "audit.parquet"
    shown = novation("audit", trades, "--data", trades.parent, *RULES, "--out", place)
    assert shown.code == 0 and f"saved to {place}" in shown.out
    assert pl.read_parquet(place)["fee"].to_list() == [6.03]


def test_a_result_of_freqtrade_is_told_from_its_keys(trades: Path, novation: Callable[..., Any]) -> None:
    trade = {"pair": "BTC/USDT:USDT", "amount": 0.1, "open_rate": 60000.0, "close_rate": 60600.0, "is_short": False}
    trade |= {"open_date": "2026-05-02 00:00:00+00:00", "close_date": "2026-05-02 04:00:00+00:00", "leverage": 5.0}
    trade |= {"fee_open": 0.0004, "fee_close": 0.0004, "funding_fees": 0.0, "profit_abs": 55.176, "orders": []}
    path = trades.parent / "result.json"
    path.write_text(json.dumps({"strategy": {"Trend": {"trades": [trade]}}}))
    shown = novation("audit", path, "--data", trades.parent, *RULES)
    assert shown.code == 0, shown.err
    assert "freqtrade" in shown.out and "source +55.18   audited +53.97   difference -1.21 USDT" in shown.out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--margin", "cross"), "--cash: is needed"),
        (("--margin", "half"), '--margin: is "isolated" or "cross"'),
        (("--format", "bybit"), "--format: is one of trades, freqtrade, binance, ib"),
        (("--leverage", "much"), "--leverage: expected a number"),
        (("--cash", "0"), "--cash: must be above zero"),
        (("--data", "/nowhere/at/all"), "--data: is no folder"),
        (("--out", "audit.txt"), "--out: is no .csv or .parquet file"),
        (("--out", "/nowhere/at/all/a.csv"), "--out: lies in no folder that is there"),
        (("--rules-as-of", "soon"), "--rules-as-of: expected a date"),
    ],
)
def test_wrong_options_are_one_line(
    options: tuple[str, ...], text: str, trades: Path, novation: Callable[..., Any]
) -> None:
    refused = novation("audit", trades, *(() if "--rules-as-of" in options else RULES), *options)
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert text in refused.err


def test_a_wrong_file_is_one_line_and_nothing_is_written(trades: Path, novation: Callable[..., Any]) -> None:
    trades.write_text(f"{HEADER}\n{ROW}\n{ROW.replace('60600', 'x')}\n")
    place = trades.parent / "audit.csv"
    refused = novation("audit", trades, *RULES, "--out", place)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "trades.csv line 3 column 'exit_price': is no number (found 'x')" in refused.err
    assert not place.exists()
    missing = novation("audit", trades.parent / "none.csv")
    assert missing.code == 2 and "no such file" in missing.err


def test_without_rules_of_the_time_the_remedy_is_said(trades: Path, novation: Callable[..., Any]) -> None:
    trades.write_text(f"{HEADER}\n{ROW.replace('2026', '2021')}\n")
    refused = novation("audit", trades)
    assert refused.code == 2
    assert "no row of table" in refused.err and "--rules-as-of DATE" in refused.err
