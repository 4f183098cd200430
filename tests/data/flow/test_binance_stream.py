"""Captures of Binance's streams: sequencing by hand-written lines, and one real capture."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novation.data.flow import Flow, read_binance_stream
from novation.domain.errors import DataError, InvalidInput, OffGrid
from novation.domain.flow import LAST, FlowKind
from tests.reference.recorded_book import RecordedBook

Told = Callable[[Flow], list[str]]
FILE = "binance_um/l2_stream/btcusdt_20240808.gz"
MS = 1_000_000


def depth(T: int, U: int, u: int, pu: int, bids: str = "", asks: str = "", symbol: str = "BTCUSDT") -> dict[str, Any]:
    """A diff; levels as "price size, price size"."""
    data = {
        "e": "depthUpdate",
        "E": T,
        "T": T,
        "s": symbol,
        "U": U,
        "u": u,
        "pu": pu,
        "b": pairs(bids),
        "a": pairs(asks),
    }
    return {"stream": "btcusdt@depth@0ms", "data": data}


def snapshot(T: int, id: int, bids: str = "", asks: str = "") -> dict[str, Any]:
    return {"lastUpdateId": id, "E": T, "T": T, "bids": pairs(bids), "asks": pairs(asks)}


def trade(T: int, price: str, size: str, *, maker_is_buyer: bool, kind: str = "MARKET") -> dict[str, Any]:
    data = {"e": "trade", "E": T, "T": T, "s": "BTCUSDT", "t": 1, "p": price, "q": size, "X": kind, "m": maker_is_buyer}
    return {"stream": "btcusdt@trade", "data": data}


def ticker(T: int, u: int, bid: str, ask: str) -> dict[str, Any]:
    (b, B), (a, A) = bid.split(), ask.split()
    return {
        "stream": "btcusdt@bookTicker",
        "data": {"e": "bookTicker", "u": u, "s": "BTCUSDT", "b": b, "B": B, "a": a, "A": A, "T": T, "E": T},
    }


def pairs(text: str) -> list[list[str]]:
    return [level.split() for level in text.split(", ") if level]


def file_of(folder: Path, *messages: dict[str, Any]) -> Path:
    """A capture whose line n was received at 1000 + n ns."""
    path = folder / "capture.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f"{1000 + n} {json.dumps(one)}\n" for n, one in enumerate(messages, 1))
    return path


def read(path: Path, **options: Any) -> Flow:
    return read_binance_stream(path, tick="0.1", lot="0.001", **options)


SNAPSHOT = snapshot(50, 105, "10.0 1.000, 9.9 2.000", "10.1 3.000")


def test_the_first_event_kept_straddles_the_snapshot_and_the_chain_goes_on(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        depth(40, 90, 99, 89, bids="1.0 1.000"),  # older than the snapshot
        depth(51, 103, 108, 99, bids="10.0 0.500", asks="10.1 0.000, 10.2 4.000"),  # waits for it
        SNAPSHOT,
        depth(60, 112, 115, 108, bids="9.9 0.000"),
    )
    flow = read(path)
    assert told(flow) == [
        "CLEAR 0 0@0 t50000000 snapshot",
        "LEVEL + 1000@100 t50000000 snapshot",
        "LEVEL + 2000@99 t50000000 snapshot",
        "LEVEL - 3000@101 t50000000 snapshot |",
        "LEVEL + 500@100 t51000000",
        "LEVEL - 0@101 t51000000",
        "LEVEL - 4000@102 t51000000 |",
        "LEVEL + 0@99 t60000000 |",
    ]
    assert flow.records.tolist() == [3, 3, 3, 3, 2, 2, 2, 4]
    # What waited is known to the recorder with the snapshot, line 3.
    assert flow.rows["local_ns"].tolist() == [1003] * 7 + [1004]
    assert flow.left_out == {"depth events older than the snapshot": 1}


def test_streams_are_put_into_the_order_of_the_exchange(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        ticker(30, 100, "9.9 1.000", "10.1 3.000"),  # before the snapshot
        SNAPSHOT,
        ticker(61, 108, "10.0 0.500", "10.1 3.000"),  # the state after the event below, and sent before it
        ticker(60, 107, "10.0 0.700", "10.1 3.000"),  # inside that event
        depth(61, 103, 108, 99, bids="10.0 0.500"),
        trade(61, "10.0", "0.500", maker_is_buyer=True),
        trade(61, "10.1", "0.100", maker_is_buyer=False, kind="INSURANCE_FUND"),
    )
    flow = read(path)
    assert told(flow)[4:] == [
        "TOP + 700@100 t60000000",
        "TOP - 3000@101 t60000000 |",
        "TRADE - 500@100 t61000000 |",
        "LEVEL + 500@100 t61000000 |",
        "TOP + 500@100 t61000000",
        "TOP - 3000@101 t61000000 |",
    ]
    assert flow.left_out == {
        "trades that are not of the book": 1,
        "trades and tickers while the book was not known": 1,
    }


def test_a_gap_is_refused_or_empties_the_book_until_the_next_snapshot(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        SNAPSHOT,
        depth(51, 103, 108, 99, bids="10.0 0.500"),
        trade(55, "10.0", "0.100", maker_is_buyer=True),  # before the gap is seen: the book is known to t 51 only
        depth(60, 112, 115, 110, bids="9.9 0.000"),
        depth(71, 116, 118, 115, bids="9.8 1.000"),
        snapshot(71, 117, "9.8 1.000", "10.1 3.000"),
        depth(80, 119, 120, 118, bids="9.7 1.000"),
    )
    with pytest.raises(DataError, match=r"record 4: a gap in the depth stream: pu is 110, the u before it 108"):
        read(path)
    flow = read(path, repair=True)
    assert told(flow)[4:] == [
        "LEVEL + 500@100 t51000000 |",
        "CLEAR 0 0@0 t51000000 |",
        "CLEAR 0 0@0 t71000000 snapshot",
        "LEVEL + 1000@98 t71000000 snapshot",
        "LEVEL - 3000@101 t71000000 snapshot |",
        "LEVEL + 1000@98 t71000000 |",
        "LEVEL + 1000@97 t80000000 |",
    ]
    assert flow.repairs == {"gap in the sequence": 1}
    assert flow.left_out == {
        "depth events older than the snapshot": 1,
        "trades and tickers while the book was not known": 1,
    }


def test_a_time_that_runs_against_the_update_ids_is_named(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, SNAPSHOT, depth(60, 103, 108, 99, bids="9.8 1.000"), depth(59, 112, 115, 108, bids="9.9 0.000")
    )
    with pytest.raises(
        DataError, match=r"record 3 \(row 6\): is at 1970-01-01 00:00:00\.059, before the row ahead of it"
    ):
        read(path)
    assert read(path, repair=True).repairs == {"time goes back": 1}


def test_an_event_that_begins_after_the_snapshot_is_a_gap(tmp_path: Path) -> None:
    path = file_of(tmp_path, SNAPSHOT, depth(51, 106, 108, 105))
    with pytest.raises(
        DataError, match=r"record 2: the first depth event after the snapshot of line 1 begins at U = 106"
    ):
        read(path)


def test_a_snapshot_inside_a_whole_chain_is_not_needed(tmp_path: Path) -> None:
    flow = read(
        file_of(tmp_path, SNAPSHOT, depth(51, 103, 108, 99), SNAPSHOT, depth(60, 112, 115, 108, bids="9.9 0.000"))
    )
    assert flow.left_out == {"snapshots while the book was known": 1}


def test_a_capture_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no snapshot that an event of the depth stream follows"):
        read(file_of(tmp_path, depth(51, 103, 108, 99, bids="10.0 0.500")))


def test_another_symbol_is_left_out(tmp_path: Path) -> None:
    other = depth(51, 1, 2, 0, bids="10.0 0.500", symbol="ETHUSDT")
    flow = read(file_of(tmp_path, SNAPSHOT, other, depth(51, 103, 108, 99)), symbol="btcusdt")
    assert flow.left_out == {"events of another symbol": 1}


def test_wrong_lines_and_numbers_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(
        OffGrid, match=r"capture\.gz record 2: price is no multiple of the tick 0\.1 \(found '10\.05'\)"
    ):
        read(file_of(tmp_path, SNAPSHOT, depth(51, 103, 108, 99, bids="10.05 0.500")))
    with pytest.raises(OffGrid, match=r"record 2: size is no multiple of the lot 0\.001 \(found '0\.0005'\)"):
        read(file_of(tmp_path, SNAPSHOT, trade(51, "10.0", "0.0005", maker_is_buyer=True)))
    path = tmp_path / "broken"
    path.write_text("1001 {\n")
    with pytest.raises(DataError, match=r"broken record 1: is no line of a capture"):
        read(path)
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(b"x" * 10_000)[:40])
    with pytest.raises(DataError, match=r"broken\.gz record 1: "):
        read(path)


# ---------------------------------------------------------------- the real capture


@pytest.fixture(scope="module")
def capture(novation_data: Path) -> Flow:
    return read(novation_data / FILE)


@pytest.mark.data
@pytest.mark.slow
def test_the_btcusdt_capture_replays_with_no_gap_no_crossed_book_and_no_repair(capture: Flow) -> None:
    assert capture.repairs == {}
    assert capture.left_out == {
        "depth events older than the snapshot": 4,
        "trades and tickers while the book was not known": 37,
    }
    kinds = Counter(FlowKind(kind).name for kind in capture.rows["kind"].tolist())
    assert kinds == {"LEVEL": 445_262, "TOP": 132_112, "TRADE": 21_309, "CLEAR": 1}
    assert bool((capture.rows["ts_ns"][1:] >= capture.rows["ts_ns"][:-1]).all())
    book = RecordedBook()
    events = 0
    for row in capture.rows.tolist():
        book.apply(row)
        if row[5] == FlowKind.LEVEL and row[7] & LAST:
            events += 1
            assert not book.crossed()
    assert events == 6_548  # the snapshot and 6,547 depth events


@pytest.mark.data
@pytest.mark.slow
def test_the_top_of_the_book_is_the_capture_s_own_ticker_wherever_both_tell_the_same_update(
    capture: Flow, novation_data: Path
) -> None:
    """A ticker of update u tells the state after the depth event that ends at u.

    Almost all tickers have a u inside a depth event, which tells several updates as one: the state they tell is never
    seen in levels (class "inside"). None has a u between two events, which would be the state of the one before it.
    """
    ends: dict[int, int] = {}  # u of a depth event -> its line
    begins: list[int] = []
    tickers: list[tuple[int, int, dict[str, str]]] = []
    with gzip.open(novation_data / FILE, "rt") as file:
        for line, text in enumerate(file, 1):
            data = json.loads(text.partition(" ")[2]).get("data", {})
            if data.get("e") == "depthUpdate":
                ends[data["u"]] = line
                begins.append(data["U"])
            elif data.get("e") == "bookTicker":
                tickers.append((data["u"], line, data))
    book = RecordedBook()
    state: dict[int, tuple[int | None, ...]] = {}  # line of a depth event -> best bid, its lots, best ask, its lots
    for row, line in zip(capture.rows.tolist(), capture.records.tolist(), strict=True):
        book.apply(row)
        if row[5] == FlowKind.LEVEL and row[7] & LAST:
            bid, ask = book.best(1), book.best(-1)
            state[line] = bid, book.shown[1].get(bid or 0), ask, book.shown[-1].get(ask or 0)
    first = min(u for u, line in ends.items() if line in state)
    found = Counter[str]()
    us = sorted(ends)
    for u, _, data in tickers:
        told = (
            round(float(data["b"]) * 10),
            round(float(data["B"]) * 1000),
            round(float(data["a"]) * 10),
            round(float(data["A"]) * 1000),
        )
        if u < first:
            found["before the book is known"] += 1
        elif u in ends:
            found["equal" if state[ends[u]] == told else "different"] += 1
        else:
            at = bisect_right(us, u)
            inside = at < len(us) and begins[at] <= u
            found["inside a depth event" if inside else "between two events"] += 1
    assert found == {"before the book is known": 33, "equal": 629, "inside a depth event": 65_427}


# -- by its tickers alone -------------------------------------------------------------------------------------------


def test_of_a_capture_without_depth_the_best_prices_are_the_levels(tmp_path: Path, told: Told) -> None:
    """A best price that has moved takes the place of the one before."""
    path = file_of(
        tmp_path,
        depth(39, 1, 2, 0, bids="1.0 1.000"),
        SNAPSHOT,
        ticker(40, 90, "10.0 1.000", "10.1 3.000"),
        ticker(41, 91, "10.0 2.000", "10.1 3.000"),
        trade(42, "10.1", "3.000", maker_is_buyer=False),
        ticker(42, 95, "10.1 0.500", "10.2 7.000"),
    )
    flow = read(path, book="ticker")
    assert told(flow) == [
        "LEVEL + 1000@100 t40000000",
        "LEVEL - 3000@101 t40000000 |",
        "LEVEL + 2000@100 t41000000",
        "LEVEL - 3000@101 t41000000 |",
        "TRADE + 3000@101 t42000000 |",
        "LEVEL + 0@100 t42000000",
        "LEVEL + 500@101 t42000000",
        "LEVEL - 0@101 t42000000",
        "LEVEL - 7000@102 t42000000 |",
    ]
    assert flow.records.tolist() == [3, 3, 4, 4, 5, 6, 6, 6, 6]
    assert flow.left_out == {"depth events": 1, "snapshots": 1}


def test_of_tickers_the_update_id_outranks_a_time_that_runs_back(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        ticker(1000, 10, "10.0 1.000", "10.1 1.000"),
        ticker(1002, 11, "10.0 2.000", "10.1 2.000"),
        ticker(1001, 12, "10.0 3.000", "10.1 3.000"),
    )
    with pytest.raises(DataError, match="before the row ahead of it"):
        read(path, book="ticker")
    assert read(path, book="ticker", repair=True).rows["lots"].tolist() == [1000, 1000, 2000, 2000, 3000, 3000]


def test_a_book_is_of_depth_or_of_tickers(tmp_path: Path) -> None:
    path = file_of(tmp_path, depth(40, 90, 99, 89, bids="1.0 1.000"))
    with pytest.raises(DataError, match="holds no bookTicker or trade"):
        read(path, book="ticker")
    with pytest.raises(InvalidInput, match="depth"):
        read(path, book="bars")


@pytest.mark.data
@pytest.mark.slow
def test_the_capture_by_its_tickers_is_its_best_prices(capture: Flow, novation_data: Path) -> None:
    """As many levels as there are best prices, or more; and all trades, those before the snapshot too."""
    whole = capture
    tops = read_binance_stream(novation_data / FILE, tick="0.1", lot="0.001", book="ticker")
    kinds, of_tops = Counter(whole.rows["kind"].tolist()), Counter(tops.rows["kind"].tolist())
    assert of_tops[FlowKind.TRADE] >= kinds[FlowKind.TRADE] > 0
    assert of_tops[FlowKind.TOP] == 0 and of_tops[FlowKind.LEVEL] >= kinds[FlowKind.TOP] > 0
    shown: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for kind, side, price, lots, flags in tops.rows[["kind", "side", "price_ticks", "lots", "flags"]].tolist():
        if kind == FlowKind.LEVEL:
            shown[side].pop(price, None)
            if lots:
                shown[side][price] = lots
            if flags & LAST:
                assert len(shown[1]) == len(shown[-1]) == 1 and max(shown[1]) < min(shown[-1])


@pytest.mark.data
def test_a_symbol_that_the_capture_does_not_hold_is_refused(novation_data: Path) -> None:
    path = novation_data / "binance_um" / "l2_stream" / "btcusdt_20240808.gz"
    with pytest.raises(DataError, match=r"holds no event of the symbol \(found 'ETHUSDT'\)\. It is of BTCUSDT"):
        read_binance_stream(path, tick="0.1", lot="0.001", symbol="ETHUSDT")
