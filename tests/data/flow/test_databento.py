"""Databento's market by order: files made record by record, and one evening of ES."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from novation.data.flow import Flow, check, dense_orders, read_databento
from novation.domain.errors import DataError, InvalidInput, OffGrid
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.units import to_ns
from tests.reference.recorded_book import RecordedBook

dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed: its files cannot be read")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: packed files cannot be read")

OPENING = to_ns("2023-12-25T23:00:00Z")
#: The holiday evening trades from the opening auction on.
OPEN = [(OPENING, to_ns("2023-12-26T22:00:00Z"))]
END, SNAP = 128, 32
Told = Callable[[Flow], list[str]]
ACTIONS = {
    "A": "ADD",
    "C": "CANCEL",
    "M": "MODIFY",
    "R": "CLEAR",
    "T": "TRADE",
    "F": "FILL",
    "N": "NONE",
}
SIDES = {"B": "BID", "A": "ASK", "N": "NONE"}


def message(
    action: str, side: str, order: int, price: str | None, size: int, ts: int, flags: int = END, **more: Any
) -> Any:
    """One record; prices as text, None: not defined."""
    return dbn.MBOMsg(
        publisher_id=1,
        instrument_id=more.get("instrument", 42),
        ts_event=ts,
        order_id=order,
        price=dbn.UNDEF_PRICE if price is None else int(Decimal(price).scaleb(9)),
        size=size,
        action=getattr(dbn.Action, ACTIONS[action]),
        side=getattr(dbn.Side, SIDES[side]),
        ts_recv=more.get("received", ts + 5),
        flags=flags,
        channel_id=0,
        sequence=more.get("sequence", ts),
    )


def file_of(folder: Path, *messages: Any, name: str = "book.mbo.dbn") -> Path:
    """A DBN file, not packed."""
    head = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=0,
        stype_in=dbn.SType.INSTRUMENT_ID,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.MBO,
        version=3,
    )
    path = folder / name
    path.write_bytes(bytes(head) + b"".join(map(bytes, messages)))
    return path


def test_each_action_becomes_its_row(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        message("R", "N", 0, None, 0, 90, flags=SNAP, received=100),
        message("A", "B", 11, "100.25", 3, 50, flags=SNAP, received=100),
        message("A", "A", 12, "100.75", 2, 40, flags=SNAP, received=100),
        message("A", "A", 13, "100.5", 4, 110),
        message("M", "A", 13, "100.75", 1, 120),
        message("N", "N", 0, None, 0, 125),
        message("C", "B", 11, "100.25", 1, 130),
    )
    flow = read_databento(path, tick="0.25")
    assert told(flow) == [
        "CLEAR 0 0@0 t90 snapshot",
        "ADD + #11 3@401 t90 snapshot",
        "ADD - #12 2@403 t90 snapshot |",
        "ADD - #13 4@402 t110 |",
        "AMEND - #13 1@403 t120 |",
        "CANCEL + #11 1@401 t130 |",
    ]
    assert flow.rows["local_ns"].tolist() == [100, 100, 100, 115, 125, 135]
    assert flow.records.tolist() == [1, 2, 3, 4, 5, 7]
    assert flow.left_out == {"records of no action (N)": 1}
    assert (flow.kind, flow.tick, flow.lot, flow.repairs) == ("orders", Decimal("0.25"), Decimal(1), {})


def test_a_fill_and_the_change_it_brought_are_told_once(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        message("A", "A", 11, "10", 2, 1),
        message("A", "A", 12, "10", 5, 2),
        message("A", "A", 13, "10", 5, 3),
        message("T", "B", 77, "10", 6, 9, flags=0),
        message("F", "A", 11, "10", 2, 9, flags=0),
        message("F", "A", 12, "10", 4, 9, flags=0),
        message("A", "B", 77, "9", 1, 9, flags=0),
        message("C", "A", 11, "10", 2, 9, flags=0),
        message("M", "A", 12, "10", 1, 9),
    )
    flow = read_databento(path, tick=1)
    assert told(flow)[3:] == [
        "TRADE + #77 6@10 t9",
        "FILL - #11 2@10 t9",
        "FILL - #12 4@10 t9",
        "ADD + #77 1@9 t9 |",
    ]
    assert flow.records.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert flow.left_out == {}


def test_what_an_iceberg_shows_next_goes_behind_the_queue(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        message("A", "A", 11, "10", 3, 1),
        message("T", "B", 77, "10", 13, 9, flags=0),
        message("F", "A", 11, "10", 13, 9, flags=0),
        message("M", "A", 11, "10", 2, 9),
    )
    flow = read_databento(path, tick=1)
    assert told(flow)[1:] == ["TRADE + #77 13@10 t9", "FILL - #11 3@10 t9", "ADD - #11 2@10 t9 |"]
    assert flow.left_out == {"lots filled beyond what their order showed": 10}


def test_a_filled_order_that_leaves_with_more_is_filled_and_cancelled(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        message("A", "A", 11, "10", 5, 1),
        message("T", "B", 77, "10", 2, 9, flags=0),
        message("F", "A", 11, "10", 2, 9, flags=0),
        message("C", "A", 11, "10", 5, 9),
    )
    assert told(read_databento(path, tick=1))[1:] == [
        "TRADE + #77 2@10 t9",
        "FILL - #11 2@10 t9",
        "CANCEL - #11 3@10 t9 |",
    ]


def test_an_auction_fills_at_its_price_and_takes_sides_from_the_book(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        message("A", "B", 11, "12", 3, 1),
        message("A", "A", 12, "9", 3, 2),
        message("T", "N", 0, "10", 4, 9, flags=0),
        message("F", "N", 11, "10", 3, 9, flags=0),
        message("F", "N", 99, "10", 1, 9, flags=0),  # a market order, which no book shows
        message("F", "N", 12, "10", 3, 9, flags=0),
        message("C", "B", 11, "12", 3, 9, flags=0),
        message("C", "A", 12, "9", 3, 9),
    )
    flow = read_databento(path, tick=1, open_spans=[(9, 100)])
    assert told(flow)[2:] == ["TRADE 0 4@10 t9", "FILL + #11 3@10 t9", "FILL - #12 3@10 t9 |"]
    assert flow.left_out == {"fills of orders that the book does not show": 1}


def test_negative_prices_are_prices(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, message("A", "B", 11, "-37.63", 3, 1))
    assert told(read_databento(path, tick="0.01")) == ["ADD + #11 3@-3763 t1 |"]


def test_one_of_several_instruments_has_to_be_named(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, message("A", "B", 11, "10", 3, 1), message("A", "B", 11, "20", 3, 1, instrument=43))
    with pytest.raises(DataError, match=r"holds 2 instruments\. Pass instrument=, one of 42, 43\."):
        read_databento(path, tick=1)
    with pytest.raises(DataError, match=r"no such instrument \(found 44\)\. It holds 42, 43\."):
        read_databento(path, tick=1, instrument=44)
    flow = read_databento(path, tick=1, instrument=43)
    assert told(flow) == ["ADD + #11 3@20 t1 |"]
    assert flow.records.tolist() == [2]


def test_off_grid_and_undefined_prices_name_their_record(tmp_path: Path) -> None:
    path = file_of(tmp_path, message("A", "B", 11, "10", 3, 1), message("A", "B", 12, "10.125", 3, 2))
    with pytest.raises(OffGrid, match=r"record 2: price is no multiple of the tick 0\.25 \(found '10\.125000000'\)"):
        read_databento(path, tick="0.25")
    with pytest.raises(OffGrid, match=r"record 1: size is no multiple of the lot 2 \(found '3'\)"):
        read_databento(path, tick="0.125", lot=2)
    path = file_of(tmp_path, message("A", "B", 11, None, 3, 1))
    with pytest.raises(DataError, match=r"record 1: the price of action A is not defined \(found 11\)"):
        read_databento(path, tick="0.25")


def test_an_unknown_order_is_refused_or_left_out(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, message("A", "B", 11, "10", 3, 1), message("C", "B", 12, "10", 3, 2))
    with pytest.raises(DataError, match=r"book\.mbo\.dbn record 2 \(row 2\): takes lots off an order .* \(found 12\)"):
        read_databento(path, tick=1)
    flow = read_databento(path, tick=1, repair=True)
    assert (told(flow), flow.repairs) == (["ADD + #11 3@10 t1 |"], {"unknown order": 1})


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_databento(tmp_path / "none.dbn", tick=1)
    path = tmp_path / "broken.dbn"
    path.write_bytes(b"not a file of theirs")
    with pytest.raises(DataError, match=r"broken\.dbn: cannot be read as DBN"):
        read_databento(path, tick=1)
    whole = file_of(tmp_path, message("A", "B", 11, "10", 3, 1), message("A", "B", 12, "10", 3, 2)).read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(DataError, match=r"broken\.dbn: ends 48 bytes into a record"):
        read_databento(path, tick=1)
    packed = tmp_path / "broken.dbn.zst"
    with pa.CompressedOutputStream(str(packed), "zstd") as file:
        file.write(whole)
    assert len(read_databento(packed, tick=1).rows) == 2
    packed.write_bytes(packed.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"broken\.dbn\.zst: cannot be read as DBN: Truncated"):
        read_databento(packed, tick=1)
    with pytest.raises(DataError, match=r"does not say what a tick is \(found 42\)\. Pass tick=, or definition="):
        read_databento(file_of(tmp_path, message("A", "B", 11, "10", 3, 1)))
    with pytest.raises(InvalidInput, match=r"tick: must be above zero \(found '0'\)"):
        read_databento(file_of(tmp_path, message("A", "B", 11, "10", 3, 1)), tick=0)


# ---------------------------------------------------------------- real files


@pytest.fixture(scope="module")
def evening(novation_data: Path) -> Flow:
    return read_databento(
        novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst", tick="0.25", open_spans=OPEN
    )


@pytest.mark.data
def test_the_evening_of_es_reads_with_no_unknown_order_and_no_repair(evening: Flow) -> None:
    kinds = evening.rows["kind"]
    assert evening.repairs == {}
    assert {FlowKind(kind).name: int((kinds == kind).sum()) for kind in set(kinds.tolist())} == {
        "ADD": 29_299,
        "CANCEL": 12_765,
        "AMEND": 11_266,
        "FILL": 6_257,
        "TRADE": 2_973,
    }
    # 7 orders traded in the opening auction and were never shown, 107 had rested and were amended to trade, icebergs
    # traded 194 lots beyond what they showed.
    assert evening.left_out == {
        "fills of orders that the book does not show": 7,
        "fills of the aggressor's own order": 107,
        "lots filled beyond what their order showed": 194,
    }
    assert int(((evening.rows["flags"] & SNAPSHOT) != 0).sum()) == 8_725


@pytest.mark.data
@pytest.mark.slow
def test_the_evening_of_es_is_crossed_before_its_opening_and_never_after(evening: Flow) -> None:
    book = RecordedBook()
    crossed = {False: 0, True: 0}  # of the events before the opening
    for row in evening.rows.tolist():
        book.apply(row)
        if row[7] & LAST and row[0] < OPENING:
            crossed[book.crossed()] += 1
        elif row[7] & LAST:
            assert not book.crossed()
    assert crossed == {False: 35, True: 891}
    assert (book.best(1), book.best(-1)) == (4_810 * 4, 4_810 * 4 + 1)
    with pytest.raises(DataError, match=r"record 8,760 \(row 8,760\): leaves the book crossed"):
        check(evening)


@pytest.mark.data
def test_the_orders_of_the_evening_fit_in_as_many_slots_as_ever_rest(evening: Flow) -> None:
    dense, slots = dense_orders(evening.rows)
    assert slots == 11_237
    assert int(dense["order"].max()) == slots - 1


@pytest.mark.data
def test_fills_of_the_evening_add_up_to_its_trades(evening: Flow) -> None:
    """After the auction, which fills both sides, each trade's lots are those of its fills and what icebergs hid."""
    rows = evening.rows
    sided = rows["side"] != 0
    traded = int(rows["lots"][(rows["kind"] == FlowKind.TRADE) & sided].sum())
    after = rows["ts_ns"] > rows["ts_ns"][(rows["kind"] == FlowKind.TRADE) & ~sided].max()
    filled = int(rows["lots"][(rows["kind"] == FlowKind.FILL) & after].sum())
    assert traded == filled + evening.left_out["lots filled beyond what their order showed"]


@pytest.mark.data
def test_a_definition_states_the_tick(novation_data: Path) -> None:
    folder = novation_data / "cme/dbn/schema_samples"
    flow = read_databento(
        folder / "test_data.mbo.dbn.zst", definition=folder / "test_data.definition.dbn.zst", instrument=5482
    )
    assert (flow.tick, len(flow)) == (Decimal("0.25"), 4)
    assert flow.rows["price_ticks"].tolist() == [14_703, 14_702, 14_701, 14_700]
    with pytest.raises(DataError, match="holds no record of schema mbo"):
        read_databento(folder / "test_data.trades.dbn.zst", tick="0.25")


@pytest.mark.data
def test_our_own_tables_know_the_tick_and_the_hours_of_a_contract_of_globex(novation_data: Path) -> None:
    """ESH4 on Christmas 2023: the pre-open from 22:00 UTC on is crossed, the market opens at 23:00."""
    flow = read_databento(novation_data / "cme" / "l3_mbo" / "esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    assert (str(flow.tick), flow.opens_ns) == ("0.25", to_ns("2023-12-25T23:00Z"))
