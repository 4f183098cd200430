"""Statements of Binance and Interactive Brokers: fills joined to round trips."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import novation as nv
from novation.data.trade_files import TradeFile, read_trades
from novation.domain.enums import Side
from novation.domain.units import to_ns

BINANCE = "Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit"
ACTIVITY = (
    "Statement,Header,Field Name,Field Value",
    "Statement,Data,BrokerName,Somebody",
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,Proceeds,"
    "Comm/Fee,Basis,Realized P/L,MTM P/L,Code",
    'Trades,Data,Order,Stocks,USD,XYZ,"2026-08-03, 09:30:00",10,5,5,-50,-1,51,0,0,O',
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,Notional Value"
    ",Comm/Fee,Basis,Realized P/L,MTM P/L,Code",
    'Trades,Data,Order,Futures,USD,ESU6,"2026-08-04, 07:00:00",2,"7,640.25",7650,764025,-4.1,764029.1,0,0,O',
    'Trades,Data,Trade,Futures,USD,ESU6,"2026-08-04, 07:00:00",2,"7,640.25",7650,764025,-4.1,764029.1,0,0,O',
    'Trades,Data,Order,Futures,USD,ESU6,"2026-08-04, 08:00:00",-2,7642.25,7650,-764225,-4.1,-764029.1,191.8,0,C',
    "Trades,SubTotal,,Futures,USD,ESU6,,0,,,0,-8.2,0,191.8,0,",
)
FLEX = '"ClientAccountID","AssetClass","Symbol","DateTime","Quantity","TradePrice","IBCommission","FifoPnlRealized"'


def write(folder: Path, *lines: str, name: str = "statement.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def binance(folder: Path, *rows: str, header: str = BINANCE) -> TradeFile:
    return read_trades(write(folder, header, *rows))


def test_fills_become_a_round_trip_from_flat_to_flat(tmp_path: Path) -> None:
    file = binance(
        tmp_path,
        "2026-05-02 01:00:00,BTCUSDT,BUY,60000,0.1,6000,3,0",
        "2026-05-02 02:00:00,BTCUSDT,BUY,59000,0.1,5900,2.95,0",
        "2026-05-02 03:00:00,BTCUSDT,SELL,61000,0.2,12200,6.1,300",
    )
    (trip,) = file.trips
    assert (file.format, trip.side, trip.qty, len(trip.entries), len(trip.exits)) == (
        "binance",
        1,
        Decimal("0.2"),
        2,
        1,
    )
    assert (trip.fee, trip.pnl, trip.funding) == (Decimal("12.05"), Decimal("287.95"), None)
    assert trip.entry_ns == to_ns("2026-05-02T01:00Z")


def test_a_fill_that_turns_the_position_round_is_cut_in_two(tmp_path: Path) -> None:
    first, second = binance(
        tmp_path,
        "2026-05-02 01:00:00,BTCUSDT,BUY,60000,0.1,6000,3,0",
        "2026-05-02 02:00:00,BTCUSDT,SELL,61000,0.3,18300,9.15,100",
    ).trips
    assert (first.exits[0].qty, first.fee, first.pnl) == (Decimal("0.1"), Decimal("6.05"), Decimal("93.95"))
    assert (second.side, second.qty, second.fee, second.exit_ns) == (Side.SELL, Decimal("0.2"), Decimal("6.1"), None)


def test_fills_of_one_instant_are_one_order_at_their_mean(tmp_path: Path) -> None:
    (trip,) = binance(
        tmp_path,
        "2026-05-02 01:00:00,BTCUSDT,BUY,60000,0.001,60,0.03,0",
        "2026-05-02 01:00:00,BTCUSDT,BUY,60003,0.002,120.006,0.06,0",
    ).trips
    (entry,) = trip.entries
    assert (entry.qty, entry.price, entry.averaged) == (Decimal("0.003"), Decimal(60002), True)


def test_the_newest_may_come_first_and_positions_from_before_are_left_out(tmp_path: Path) -> None:
    file = binance(
        tmp_path,
        "2026-05-02 04:00:00,BTCUSDT,SELL,61000,0.1,6100,3,100",
        "2026-05-02 04:00:00,BTCUSDT,BUY,60000,0.1,6000,3,0",
        "2026-05-02 01:00:00,ETHUSDT,SELL,2000,1,2000,1,55",
    )
    (trip,) = file.trips
    assert trip.pnl == 94
    assert "1 order closed positions from before the file: left out" in file.cautions


def test_a_fee_in_another_coin_is_not_claimed(tmp_path: Path) -> None:
    file = binance(
        tmp_path,
        "2026-05-02 01:00:00,BTCUSDT,BUY,60000,0.1,6000,0.004,BNB,0",
        "2026-05-02 02:00:00,BTCUSDT,SELL,61000,0.1,6100,3.05,USDT,100",
        header="Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Fee Coin,Realized Profit",
    )
    assert (file.trips[0].fee, file.trips[0].pnl) == (None, 100)
    assert any("1 fill paid their fee in another coin" in text for text in file.cautions)


def user_trade(**fields: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": 1,
        "orderId": 7,
        "side": "BUY",
        "price": "60000.0",
        "qty": "0.100",
        "realizedPnl": "0",
        "commission": "1.2",
        "commissionAsset": "USDT",
        "time": to_ns("2026-05-02T01:00Z") // 1_000_000,
        "positionSide": "LONG",
        "maker": True,
    } | fields


def test_the_account_trade_list_knows_makers_and_both_positions(tmp_path: Path) -> None:
    later = to_ns("2026-05-02T02:00Z") // 1_000_000
    trades = [
        user_trade(),
        user_trade(side="SELL", positionSide="SHORT", orderId=8),
        user_trade(side="SELL", time=later, realizedPnl="50", price="60500", maker=False, orderId=9),
        user_trade(positionSide="SHORT", time=later, realizedPnl="-50", price="60500", orderId=10),
    ]
    path = tmp_path / "trades.json"
    path.write_text(json.dumps(trades))
    long, short = read_trades(path).trips
    assert (long.side, short.side, long.entries[0].maker, long.exits[0].maker) == (1, -1, True, False)
    assert (long.pnl, short.pnl) == (Decimal("47.6"), Decimal("-52.4"))


def test_an_activity_statement(tmp_path: Path) -> None:
    file = read_trades(write(tmp_path, *ACTIVITY))
    (trip,) = file.trips
    assert (file.format, trip.symbol, trip.qty, trip.fee, trip.pnl) == (
        "ib",
        "ESU6",
        2,
        Decimal("8.2"),
        Decimal("191.8"),
    )
    assert trip.entry_ns == to_ns("2026-08-04T11:00Z")  # New York
    assert trip.entries[0].price == Decimal("7640.25")
    assert file.cautions == ("1 row of other assets than futures: left out",)


def test_a_flex_query(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '"BOF","U1","trades"',
        FLEX,
        '"U1","FUT","ZN   DEC 26","20261005;093000","-1","110.5","-1.5","0"',
        '"U1","STK","XYZ","20261005;093100","1","10","-1","0"',
        '"U1","FUT","ZN   DEC 26","20261005;100000","1","110","-1.5","497"',
        '"EOF"',
    )
    file = read_trades(path)
    (trip,) = file.trips
    assert (trip.symbol, trip.side, trip.fee, trip.pnl) == ("ZNZ26", Side.SELL, 3, 497)
    assert trip.entry_ns == to_ns("2026-10-05T13:30Z")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((BINANCE, "2026-05-02 01:00:00,BTCUSDT,HOLD,60000,0.1,6000,3,0"), r"line 2 column 'Side': is no side"),
        ((BINANCE, "2026-05-02 01:00:00,BTCUSDT,BUY,,0.1,6000,3,0"), r"line 2 column 'Price': is missing"),
        ((*ACTIVITY[:5], ACTIVITY[5].replace(",2,", ",0,")), r"line 6 column 'Quantity': is no size"),
        ((FLEX, '"U1","FUT","ESU6","2026","1","10","0","0"'), r"line 2 column 'DateTime': is no instant"),
    ],
)
def test_a_bad_row_is_named(lines: tuple[str, ...], text: str, tmp_path: Path) -> None:
    with pytest.raises(nv.DataError, match=text):
        read_trades(write(tmp_path, *lines))
