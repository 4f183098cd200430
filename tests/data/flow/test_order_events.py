"""Order events of a spot book: what its volumes mean, and five hours of them."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from novation.data.flow import Flow, check, read_order_events
from novation.domain.errors import DataError, InvalidInput, OffGrid
from novation.domain.flow import LAST, FlowKind
from tests.reference.recorded_book import RecordedBook

Told = Callable[[Flow], list[str]]
HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction"
FILE = "crypto_l3/bitstamp_btcusd_2015-05-01_orders.csv.xz"


def file_of(folder: Path, *lines: str, name: str = "orders.csv.gz") -> Path:
    path = folder / name
    with gzip.open(path, "wt") as file:
        file.write("\n".join([HEADER, *lines]) + "\n")
    return path


def test_a_trade_is_told_once_between_the_order_that_stood_and_the_one_that_came(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        "1,1000,1000,236.47,300,created,ask",
        "2,2000,2000,236.50,500,created,bid",  # arrives across the best ask
        "3,2040,2000,236.00,100,created,bid",
        "1,2100,1000,236.47,0,deleted,ask",
        "2,2101,2000,236.50,200,changed,bid",
        "2,3000,2000,236.50,200,deleted,bid",
    )
    flow = read_order_events(path, tick="0.01")
    ms = 1_000_000
    assert told(flow) == [
        f"ADD - #1 300@23647 t{1000 * ms} |",
        f"ADD + #2 500@23650 t{2000 * ms}",
        f"ADD + #3 100@23600 t{2040 * ms}",
        f"TRADE + #2 300@23647 t{2100 * ms}",
        f"FILL - #1 300@23647 t{2100 * ms}",
        f"CANCEL + #2 300@23650 t{2101 * ms} |",
        f"CANCEL + #2 200@23650 t{3000 * ms} |",
    ]
    assert flow.records.tolist() == [2, 3, 4, 5, 5, 6, 7]
    assert (flow.lot, flow.left_out, flow.repairs) == (Decimal("0.00000001"), {}, {})
    assert (flow.rows["local_ns"] == flow.rows["ts_ns"]).all()


def test_losses_that_differ_by_the_exchange_s_rounding_are_one_trade(tmp_path: Path, told: Told) -> None:
    lines = ["1,1,1,10.00,300,created,ask", "2,2,2,10.00,500,created,bid"]
    near = file_of(tmp_path, *lines, "2,3,2,10.00,198,changed,bid", "1,3,1,10.00,0,deleted,ask")
    assert "TRADE + #2 300@1000 t3000000" in told(read_order_events(near, tick="0.01"))
    far = file_of(tmp_path, *lines, "2,3,2,10.00,197,changed,bid", "1,3,1,10.00,0,deleted,ask")
    flow = read_order_events(far, tick="0.01")
    assert not any(line.startswith("TRADE") for line in told(flow))
    assert flow.left_out == {"trades of fills that stand next to no opposite one": 2}


def test_a_changed_price_moves_the_order_and_fills_nothing(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, "1,1,1,10.00,300,created,bid", "1,2,1,10.50,280,changed,bid")
    assert told(read_order_events(path, tick="0.01")) == [
        "ADD + #1 300@1000 t1000000 |",
        "AMEND + #1 280@1050 t2000000 |",
    ]


def test_events_after_a_deletion_are_refused_or_left_out(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, "1,1,1,10.00,300,deleted,bid", "1,2,1,10.00,300,created,bid", "2,3,1,9.00,5,created,bid")
    with pytest.raises(DataError, match=r"record 3: created told after the order was gone \(found 1\)"):
        read_order_events(path, tick="0.01")
    flow = read_order_events(path, tick="0.01", repair=True)
    assert told(flow) == ["ADD + #2 5@900 t3000000 |"]
    assert flow.repairs == {"told after the order was gone": 1, "unknown order": 1}


def test_a_book_crossed_for_over_a_second_is_not_waiting_for_fills(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        "1,1000,1,10.00,300,created,ask",
        "2,2000,1,11.00,300,created,bid",
        "3,3000,1,9.00,300,created,bid",
        "4,3001,1,8.00,300,created,bid",
    )
    with pytest.raises(DataError, match=r"record 5 \(row 4\): leaves the book crossed"):
        read_order_events(path, tick="0.01")
    assert told(read_order_events(path, tick="0.01", repair=True))[3:] == [
        "ADD + #4 300@800 t3001000000",
        "CANCEL - #1 300@1000 t3001000000 |",
    ]


def test_wrong_words_numbers_and_columns_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"record 2: unknown action or direction \(found 'made, bid'\)"):
        read_order_events(file_of(tmp_path, "1,1,1,10.00,300,made,bid"), tick="0.01")
    with pytest.raises(DataError, match=r"record 3: volume is no whole number \(found '1\.5'\)"):
        lines = "1,1,1,10.00,300,created,bid", "2,1,1,10.00,1.5,created,bid"
        read_order_events(file_of(tmp_path, *lines), tick="0.01")
    with pytest.raises(OffGrid, match=r"record 2: price is no multiple of the tick 0\.1 \(found '10\.05'\)"):
        read_order_events(file_of(tmp_path, "1,1,1,10.05,300,created,bid"), tick="0.1")
    with pytest.raises(OffGrid, match=r"record 2: size is no multiple of the lot 0\.001"):
        read_order_events(file_of(tmp_path, "1,1,1,10.00,300,created,bid"), tick="0.01", lot="0.001")
    path = tmp_path / "other.csv"
    path.write_text("id,price\n1,2\n")
    with pytest.raises(DataError, match="no column 'timestamp'"):
        read_order_events(path, tick="0.01")


# ---------------------------------------------------------------- the real file


@pytest.fixture(scope="module")
def events(novation_data: Path) -> list[dict[str, str]]:
    with lzma.open(novation_data / FILE, "rt") as file:
        return list(csv.DictReader(file))


@pytest.mark.data
def test_a_smaller_volume_is_a_fill(events: list[dict[str, str]]) -> None:
    """What the reader says of volumes, counted from the file with nothing of the reader's."""
    standing: dict[str, tuple[str, int]] = {}
    losses: list[tuple[int, str, int]] = []  # line, side, lots
    seen = Counter[str]()
    for line, event in enumerate(events):
        id, price, volume = event["id"], event["price"], int(event["volume"])
        before = standing.get(id)
        if event["action"] == "created":
            seen["created"] += 1
        elif before is None:
            seen[f"{event['action']} unknown"] += 1
        elif price != before[0]:
            seen[f"{event['action']} price"] += 1
        elif volume < before[1]:
            seen[f"{event['action']} {'to nothing' if volume == 0 else 'less'}"] += 1
            losses.append((line, event["direction"], before[1] - volume))
        else:
            seen[f"{event['action']} {'same' if volume == before[1] else 'more'}"] += 1
        standing[id] = price, volume
        if event["action"] == "deleted":
            del standing[id]
    assert seen == {
        "created": 24_894,
        "changed less": 562,
        "changed price": 36,
        "changed unknown": 4,
        "deleted to nothing": 558,
        "deleted same": 24_155,
        "deleted unknown": 205,
    }
    paired: set[int] = set()
    for (line, side, lots), (next_line, next_side, next_lots) in pairwise(losses):
        near = next_line == line + 1 and side != next_side and abs(lots - next_lots) <= 2
        if near and line not in paired:
            paired |= {line, next_line}
    assert (len(losses), len(paired)) == (1_120, 1_088)


@pytest.mark.data
@pytest.mark.slow
def test_five_hours_of_order_events_read_with_their_repairs(novation_data: Path) -> None:
    with pytest.raises(DataError, match=r"record 1,805: deleted told after the order was gone \(found 65596120\)"):
        read_order_events(novation_data / FILE, tick="0.01")
    flow = read_order_events(novation_data / FILE, tick="0.01", repair=True)
    kinds = Counter(FlowKind(kind).name for kind in flow.rows["kind"].tolist())
    assert kinds == {"ADD": 24_892, "CANCEL": 24_724, "TRADE": 569, "FILL": 551, "AMEND": 36}
    # Orders from before the recording, mostly; 21 deletions told twice, 5 told before their order, and one change.
    assert flow.repairs == {"told after the order was gone": 27, "unknown order": 184, "unknown amended": 3}
    assert flow.left_out == {"trades of fills that stand next to no opposite one": 7}
    assert check(flow) is flow
    book = RecordedBook()
    open_events = 0
    for row in flow.rows.tolist():
        book.apply(row)
        if row[7] & LAST:
            assert not book.crossed()
        else:
            open_events += 1
    assert open_events == 1_781


def test_without_a_tick_it_is_the_largest_step_that_holds_all_prices(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    header = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    path.write_text(header + "1,1000,1000,236.40,300,created,bid\n2,2000,2000,236.65,200,created,ask\n")
    flow = read_order_events(path)
    assert (str(flow.tick), flow.rows["price_ticks"].tolist()) == ("0.05", [4728, 4733])
    path.write_text(header + "1,1000,1000,x,300,created,bid\n")
    with pytest.raises(InvalidInput, match=r"record 2: expected a number \(found 'x'\)"):
        read_order_events(path)
