"""Tables of trades in novation's own layout, and what is said about wrong ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import novation as nv
from novation.data.trade_files import read_trades
from novation.domain.enums import Side
from novation.domain.units import to_ns

HEADER = "symbol,side,qty,entry_time,entry_price,exit_time,exit_price"
ROW = "BTCUSDT,long,0.1,2026-05-02T00:00Z,60000.1,2026-05-02T04:00Z,60600"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "trades.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_number_is_exact(tmp_path: Path) -> None:
    (trip,) = read_trades(write(tmp_path, HEADER, ROW)).trips
    assert (trip.symbol, trip.side, trip.qty) == ("BTCUSDT", Side.BUY, Decimal("0.1"))
    assert (trip.entries[0].price, trip.exits[0].price) == (Decimal("60000.1"), Decimal("60600"))
    assert (trip.entry_ns, trip.exit_ns) == (to_ns("2026-05-02"), to_ns("2026-05-02T04:00Z"))
    assert (trip.leverage, trip.fee, trip.funding, trip.pnl, trip.liquidated) == (None, None, None, None, False)


def test_what_the_source_claims_is_kept(tmp_path: Path) -> None:
    header = f"{HEADER},leverage,fee,funding,pnl,liquidated"
    (trip,) = read_trades(write(tmp_path, header, f"{ROW},12.5,1.5,-0.25,,true")).trips
    assert (trip.leverage, trip.fee, trip.funding) == (Decimal("12.5"), Decimal("1.5"), Decimal("-0.25"))
    assert (trip.pnl, trip.liquidated) == (None, True)


def test_a_trade_without_an_exit_is_open(tmp_path: Path) -> None:
    (trip,) = read_trades(write(tmp_path, HEADER, "BTCUSDT,short,0.1,2026-05-02T00:00Z,60000,,")).trips
    assert (trip.exit_ns, trip.open_qty, trip.side) == (None, Decimal("0.1"), Side.SELL)


def test_naive_times_are_read_in_the_zone_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "ESZ6,buy,1,2026-10-01 09:30,5000,2026-10-01 10:00,5001")
    (trip,) = read_trades(path, tz="America/Chicago").trips
    assert trip.entry_ns == to_ns("2026-10-01T14:30Z")
    with pytest.raises(nv.DataError, match=r"line 2 column 'entry_time': has no zone .*--tz UTC"):
        read_trades(path)


@pytest.mark.parametrize("kind", ["parquet", "polars", "pandas"])
def test_frames_and_parquet_read_as_the_csv_does(kind: str, tmp_path: Path) -> None:
    columns: dict[str, Any] = dict(zip(HEADER.split(","), ([cell] for cell in ROW.split(",")), strict=True))
    columns |= {"qty": [0.1], "entry_price": [60000.1], "exit_price": [60600]}
    frame: Any = pl.DataFrame(columns)
    if kind == "parquet":
        frame.write_parquet(tmp_path / "trades.parquet")
        frame = tmp_path / "trades.parquet"
    elif kind == "pandas":
        frame = pd.DataFrame(columns)
        frame["entry_time"] = pd.to_datetime(frame["entry_time"])
    assert read_trades(frame).trips[0].entries == read_trades(write(tmp_path, HEADER, ROW)).trips[0].entries


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (ROW.replace("long", "up"), r"line 3 column 'side': is no side \(found 'up'\)"),
        (ROW.replace("0.1,", "-0.1,", 1), r"line 3 column 'qty': is no size or price above zero \(found '-0.1'\)"),
        (ROW.replace("60600", "nan"), r"line 3 column 'exit_price': is missing"),
        (ROW.replace("60600", "6o600"), r"line 3 column 'exit_price': is no number \(found '6o600'\)"),
        (ROW.replace("2026-05-02T04", "2026-05-01T04"), r"line 3 column 'exit_time': lies before the entry"),
        (ROW.replace("2026-05-02T04:00Z", "soon"), r"line 3 column 'exit_time': is no instant \(found 'soon'\)"),
        (f"{ROW},9", r"line 3: has 8 cells, its header 7"),
    ],
)
def test_a_bad_row_is_named_with_its_column_and_value(cells: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(nv.DataError, match=text):
        read_trades(write(tmp_path, HEADER, ROW, cells))


def test_an_unknown_layout_is_refused_with_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "ticker,open,close", "X,1,2")
    with pytest.raises(nv.DataError, match=r"no layout of trades that is known. Its columns are: ticker, open, close"):
        read_trades(path)
    with pytest.raises(nv.DataError, match="line 2: no column 'qty'"):
        read_trades(path, format="trades")
    with pytest.raises(nv.InvalidInput, match="is one of trades, freqtrade, binance, ib"):
        read_trades(path, format="bybit")


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.json", b"{", "is no JSON"),
        ("a.zip", b"PK", "is no zip file"),
        ("a.csv", b"\xff\x00\x81", "is no text in UTF-8"),
        ("a.csv", b"\n\n", "no rows"),
        ("a.xlsx", b"PK", "unknown kind of file"),
        ("a.json", b"[1]", "no layout of trades that is known"),
    ],
)
def test_a_file_that_is_none_is_one_error(name: str, data: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(nv.DataError, match=text):
        read_trades(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(nv.DataError, match="no such file"):
        read_trades(tmp_path / "none.csv")
