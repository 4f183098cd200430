"""Tardis CSV files, written from their documented columns."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from novation.data.flow import Flow, read_binance_stream, read_tardis
from novation.domain.errors import DataError, OffGrid
from novation.domain.flow import FlowKind

Told = Callable[[Flow], list[str]]
BOOK = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
MARKET = "binance-futures,BTCUSDT"


def file_of(folder: Path, name: str, header: str, *lines: str, market: str = MARKET) -> Path:
    path = folder / name
    text = "\n".join([header, *(f"{market},{line}" for line in lines)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def book_of(folder: Path, *lines: str, name: str = "book.csv.gz") -> Path:
    return file_of(folder, name, BOOK, *lines)


def test_an_incremental_book_begins_with_its_snapshot(tmp_path: Path, told: Told) -> None:
    path = book_of(
        tmp_path,
        "10,15,true,bid,10.0,1.5",
        "10,15,true,ask,10.1,2",
        "20,25,false,bid,10.0,0",
        "20,25,false,bid,9.9,3",
        "20,26,false,ask,10.1,1",
        "30,35,true,bid,9.8,1",
        "30,35,true,ask,10.2,1",
        "31,35,false,ask,10.1,1",  # of the snapshot's message, and no part of it
    )
    flow = read_tardis(path, tick="0.1", lot="0.5")
    assert told(flow) == [
        "CLEAR 0 0@0 t10000 snapshot",
        "LEVEL + 3@100 t10000 snapshot",
        "LEVEL - 4@101 t10000 snapshot |",
        "LEVEL + 0@100 t20000",
        "LEVEL + 6@99 t20000 |",
        "LEVEL - 2@101 t20000 |",
        "CLEAR 0 0@0 t30000 snapshot",
        "LEVEL + 2@98 t30000 snapshot",
        "LEVEL - 2@102 t30000 snapshot |",
        "LEVEL - 2@101 t31000 |",
    ]
    assert flow.records.tolist() == [2, 2, 3, 4, 5, 6, 7, 7, 8, 9]
    assert flow.rows["local_ns"].tolist()[:4] == [15_000, 15_000, 15_000, 25_000]
    assert (flow.kind, str(flow.tick), str(flow.lot)) == ("levels", "0.1", "0.5")


def test_trades_and_book_are_put_together_with_the_trade_first(tmp_path: Path, told: Told) -> None:
    trades = file_of(
        tmp_path, "trades.csv", TRADES, "20,24,7,buy,10.1,1", "25,29,8,sell,9.9,1", "25,29,9,unknown,9.9,1"
    )
    book = book_of(tmp_path, "10,15,true,bid,9.9,5", "10,15,true,ask,10.1,2", "20,25,false,ask,10.1,1")
    flow = read_tardis([book, trades], tick="0.1", lot="1")
    assert told(flow)[3:] == [
        "TRADE + 1@101 t20000 |",
        "LEVEL - 1@101 t20000 |",
        "TRADE - 1@99 t25000 |",
        "TRADE 0 1@99 t25000 |",
    ]
    assert flow.source == f"{book} + {trades}"
    assert told(read_tardis(trades, tick="0.1", lot="1")) == [
        "TRADE + 1@101 t20000 |",
        "TRADE - 1@99 t25000 |",
        "TRADE 0 1@99 t25000 |",
    ]


@pytest.mark.parametrize("levels", [5, 25])
def test_book_snapshots_are_told_as_what_changed(levels: int, tmp_path: Path, told: Told) -> None:
    names = [f"{side}[{i}].{what}" for i in range(levels) for side in ("asks", "bids") for what in ("price", "amount")]
    header = "exchange,symbol,timestamp,local_timestamp," + ",".join(names)
    empty = "," * (4 * (levels - 2))
    path = file_of(
        tmp_path,
        "snapshots.csv",
        header,
        f"10,15,10.1,2,10.0,1,10.2,4,9.9,3{empty}",
        f"20,25,10.2,4,10.0,2,10.3,1,9.9,3{empty}",  # an ask is gone, a bid grew, another ask comes into sight
        f"30,35,10.2,4,10.0,2,10.3,1,9.9,3{empty}",  # nothing changed
    )
    flow = read_tardis(path, tick="0.1", lot="1")
    assert told(flow) == [
        "CLEAR 0 0@0 t10000 snapshot",
        "LEVEL - 2@101 t10000 snapshot",
        "LEVEL + 1@100 t10000 snapshot",
        "LEVEL - 4@102 t10000 snapshot",
        "LEVEL + 3@99 t10000 snapshot |",
        "LEVEL - 0@101 t20000",
        "LEVEL + 2@100 t20000",
        "LEVEL - 1@103 t20000 |",
    ]


def test_a_trade_through_the_book_is_named_by_file_and_line(tmp_path: Path) -> None:
    trades = file_of(tmp_path, "trades.csv", TRADES, "20,24,7,sell,9.8,1")
    book = book_of(tmp_path, "10,15,true,bid,9.9,5", "10,15,true,bid,9.8,2", "30,35,false,bid,9.8,1")
    with pytest.raises(DataError, match=r" trades\.csv record 2 \(row 4\): trades at 98 ticks through price 99 ticks"):
        read_tardis([trades, book], tick="0.1", lot="1")
    assert read_tardis([trades, book], tick="0.1", lot="1", repair=True).repairs == {"traded through": 1}


def test_time_that_goes_back_is_named(tmp_path: Path) -> None:
    path = book_of(tmp_path, "10,15,true,bid,9.9,5", "9,16,false,bid,9.8,2")
    with pytest.raises(DataError, match=r"book\.csv\.gz record 3 \(row 3\): is at 1970-01-01 00:00:00\.000009, before"):
        read_tardis(path, tick="0.1", lot="1")
    trades = file_of(tmp_path, "trades.csv", TRADES, "30,31,7,sell,9.8,1")
    with pytest.raises(DataError, match=r"record 3 \(row 3\): is at"):
        read_tardis([path, trades], tick="0.1", lot="1")


def test_wrong_numbers_words_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(OffGrid, match=r"record 3: price is no multiple of the tick 0\.1 \(found '10\.05'\)"):
        read_tardis(book_of(tmp_path, "10,15,true,bid,9.9,5", "11,16,false,bid,10.05,2"), tick="0.1", lot="1")
    with pytest.raises(OffGrid, match=r"record 2: size is no multiple of the lot 1 \(found '5e-05'\)"):
        read_tardis(book_of(tmp_path, "10,15,true,bid,9.9,5e-05"), tick="0.1", lot="1")
    with pytest.raises(DataError, match=r"record 2: side is none of bid, ask \(found 'buy'\)"):
        read_tardis(book_of(tmp_path, "10,15,true,buy,9.9,5"), tick="0.1", lot="1")
    with pytest.raises(DataError, match=r"record 2: timestamp is no whole number \(found '2020-01-01'\)"):
        read_tardis(book_of(tmp_path, "2020-01-01,15,true,bid,9.9,5"), tick="0.1", lot="1")
    with pytest.raises(DataError, match=r"is no file of a known kind\. Known: incremental_book_L2, trades"):
        read_tardis(file_of(tmp_path, "x.csv", "exchange,symbol,price", "1"), tick="0.1", lot="1")
    other = file_of(tmp_path, "eth.csv", TRADES, "30,31,7,sell,9.8,1", market="binance-futures,ETHUSDT")
    with pytest.raises(DataError, match=r"eth\.csv: more than one market .*BTCUSDT, binance-futures:ETHUSDT"):
        read_tardis([book_of(tmp_path, "10,15,true,bid,9.9,5"), other], tick="0.1", lot="1")
    two = [book_of(tmp_path, "10,15,true,bid,9.9,5", name=name) for name in ("a.csv", "b.csv")]
    with pytest.raises(DataError, match=r"b\.csv: tells the book a second time\. It is told by .*a\.csv\."):
        read_tardis(two, tick="0.1", lot="1")
    with pytest.raises(DataError, match="no rows"):
        read_tardis(book_of(tmp_path), tick="0.1", lot="1")
    with pytest.raises(DataError, match="no such file"):
        read_tardis(tmp_path / "none.csv", tick="0.1", lot="1")


@pytest.mark.data
@pytest.mark.slow
def test_the_btcusdt_capture_in_this_layout_is_the_flow_of_its_own_file(tmp_path: Path, novation_data: Path) -> None:
    direct = read_binance_stream(novation_data / "binance_um/l2_stream/btcusdt_20240808.gz", tick="0.1", lot="0.001")
    rows = direct.rows[direct.rows["kind"] != FlowKind.TOP]
    book: list[str] = []
    trades: list[str] = []
    for ts, local, _, price, lots, kind, side, flags in rows.tolist():
        stamps, value = f"{ts // 1000},{local // 1000}", f"{price // 10}.{price % 10},{lots // 1000}.{lots % 1000:03d}"
        if kind == FlowKind.LEVEL:
            book.append(f"{stamps},{'true' if flags & 2 else 'false'},{'bid' if side > 0 else 'ask'},{value}")
        elif kind == FlowKind.TRADE:
            trades.append(f"{stamps},1,{'buy' if side > 0 else 'sell'},{value}")
    files = [book_of(tmp_path, *book), file_of(tmp_path, "trades.csv", TRADES, *trades)]
    flow = read_tardis(files, tick="0.1", lot="0.001")
    assert flow.repairs == {}
    for name in ("ts_ns", "order", "price_ticks", "lots", "kind", "side"):
        assert (flow.rows[name] == rows[name]).all()
    assert (flow.rows["local_ns"] == rows["local_ns"] // 1000 * 1000).all()
