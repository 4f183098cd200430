"""hftbacktest arrays, written from the layout of its `types.py` (2.4.4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from novation.data.flow import Flow, read_binance_stream, read_databento, read_hftbacktest, read_order_latency
from novation.domain.errors import DataError, OffGrid
from novation.domain.flow import LAST, FlowKind
from novation.domain.latency import Draws
from novation.domain.units import to_ns

Told = Callable[[Flow], list[str]]
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL
DEPTH, TRADE, CLEAR, SNAPSHOT, BEST = 1, 2, 3, 4, 5
ADD, CANCEL, MODIFY, FILL = 10, 11, 12, 13
EVENT = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
LATENCY = np.dtype([("req_ts", "i8"), ("exch_ts", "i8"), ("resp_ts", "i8"), ("_padding", "i8")], align=True)


def file_of(folder: Path, *events: tuple[float, ...], name: str = "day.npz") -> Path:
    """Events as (ev, exch_ts, local_ts, px, qty[, order_id])."""
    array = np.zeros(len(events), dtype=EVENT)
    for i, event in enumerate(events):
        array[i] = (*event, *(0,) * (8 - len(event)))
    path = folder / name
    if name.endswith(".npz"):
        np.savez_compressed(path, data=array)
    else:
        np.save(path, array)
    return path


@pytest.mark.parametrize("name", ["day.npz", "day.npy"])
def test_events_by_level(name: str, tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        (BOTH | CLEAR, 9, 19, 0, 0),
        (BOTH | SNAPSHOT | BUY, 10, 20, 10.0, 1.5),
        (BOTH | SNAPSHOT | SELL, 10, 20, 10.1, 2.0),
        (BOTH | TRADE | SELL, 12, 22, 10.0, 0.5),
        (EXCH | DEPTH | BUY, 12, 25, 10.0, 1.0),  # told again to the local side below
        (BOTH | DEPTH | SELL, 13, 23, 10.1, 0.0),
        (BOTH | DEPTH | SELL, 13, 23, 10.2, 1.0),
        (LOCAL | DEPTH | BUY, 12, 25, 10.0, 1.0),
        (BOTH | BEST | BUY, 14, 24, 10.0, 1.0),
        (BOTH | 103, 15, 25, 10.0, 0),
        name=name,
    )
    flow = read_hftbacktest(path, tick="0.1", lot="0.5")
    assert told(flow) == [
        "CLEAR 0 0@0 t9 |",
        "LEVEL + 3@100 t10 snapshot",
        "LEVEL - 4@101 t10 snapshot |",
        "TRADE - 1@100 t12 |",
        "LEVEL + 2@100 t12 |",
        "LEVEL - 0@101 t13",
        "LEVEL - 2@102 t13 |",
        "TOP + 2@100 t14 |",
    ]
    assert flow.rows["local_ns"].tolist() == [19, 20, 20, 22, 25, 23, 23, 24]
    assert flow.records.tolist() == [1, 2, 3, 4, 5, 6, 7, 9]
    assert flow.left_out == {"events that only the local side sees": 1, "events of the user's own kinds": 1}
    assert (flow.kind, flow.repairs) == ("levels", {})


def test_a_side_is_cleared_up_to_its_price(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        (BOTH | DEPTH | BUY, 1, 1, 10.0, 1),
        (BOTH | DEPTH | BUY, 1, 1, 9.9, 1),
        (BOTH | DEPTH | BUY, 1, 1, 9.8, 1),
        (BOTH | DEPTH | SELL, 1, 1, 10.1, 1),
        (BOTH | CLEAR | BUY, 2, 2, 9.9, 0),
        (BOTH | SNAPSHOT | BUY, 2, 2, 9.9, 4),
        (BOTH | CLEAR | SELL, 3, 3, np.nan, 0),
    )
    assert told(read_hftbacktest(path, tick="0.1", lot=1))[4:] == [
        "LEVEL + 0@99 t2",
        "LEVEL + 0@100 t2",
        "LEVEL + 4@99 t2 snapshot |",
        "LEVEL - 0@101 t3 |",
    ]


def test_a_clear_of_what_does_not_stand_hands_on_the_end_of_its_event(tmp_path: Path, told: Told) -> None:
    path = file_of(tmp_path, (BOTH | DEPTH | BUY, 1, 1, 10.0, 1), (BOTH | CLEAR | SELL, 1, 1, np.nan, 0))
    assert told(read_hftbacktest(path, tick="0.1", lot=1)) == ["LEVEL + 1@100 t1 |"]


def test_events_by_order(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        (BOTH | CLEAR, 1, 2, 0, 0),
        (BOTH | ADD | SELL, 1, 2, 10.0, 2, 11),
        (BOTH | ADD | SELL, 2, 3, 10.0, 5, 12),
        (BOTH | ADD | SELL, 3, 4, 10.1, 5, 13),
        (BOTH | MODIFY | SELL, 4, 5, 10.2, 4, 13),
        (BOTH | TRADE | BUY, 9, 10, 10.0, 6, 77),
        (BOTH | FILL | SELL, 9, 10, 10.0, 2, 11),
        (BOTH | FILL | SELL, 9, 10, 10.0, 4, 12),
        (BOTH | CANCEL | SELL, 9, 11, 10.0, 2, 11),
        (BOTH | MODIFY | SELL, 9, 11, 10.0, 1, 12),
        (BOTH | CANCEL | SELL, 12, 13, 10.2, 0.25, 13),  # takes off all of the order, whatever it says
    )
    flow = read_hftbacktest(path, tick="0.1", lot="1")
    assert told(flow) == [
        "CLEAR 0 0@0 t1",
        "ADD - #11 2@100 t1 |",
        "ADD - #12 5@100 t2 |",
        "ADD - #13 5@101 t3 |",
        "AMEND - #13 4@102 t4 |",
        "TRADE + #77 6@100 t9",
        "FILL - #11 2@100 t9",
        "FILL - #12 4@100 t9 |",
        "CANCEL - #13 4@102 t12 |",
    ]
    assert flow.kind == "orders"


def test_several_changes_of_one_order_at_one_time_follow_each_its_fill(tmp_path: Path, told: Told) -> None:
    path = file_of(
        tmp_path,
        (BOTH | ADD | SELL, 1, 1, 10.0, 5, 11),
        (BOTH | FILL | SELL, 9, 9, 10.0, 2, 11),
        (BOTH | MODIFY | SELL, 9, 9, 10.0, 3, 11),
        (BOTH | FILL | SELL, 9, 9, 10.0, 3, 11),
        (BOTH | CANCEL | SELL, 9, 9, 10.0, 3, 11),
    )
    assert told(read_hftbacktest(path, tick="0.1", lot="1"))[1:] == ["FILL - #11 2@100 t9", "FILL - #11 3@100 t9 |"]


def test_floats_are_read_by_their_shortest_decimal(tmp_path: Path) -> None:
    ticks = [1, 3, 1_234_567, 999_999_999]
    path = file_of(tmp_path, *[(BOTH | DEPTH | BUY, i, i, n / 100, 1) for i, n in enumerate(ticks)])
    assert read_hftbacktest(path, tick="0.01", lot=1).rows["price_ticks"].tolist() == ticks
    path = file_of(tmp_path, (BOTH | DEPTH | BUY, 1, 1, 0.1, 1), (BOTH | DEPTH | BUY, 2, 2, 0.1 + 0.2, 1))
    with pytest.raises(
        OffGrid, match=r"record 2: price is no multiple of the tick 0\.1 \(found '0\.30000000000000004'\)"
    ):
        read_hftbacktest(path, tick="0.1", lot=1)
    path = file_of(tmp_path, (BOTH | DEPTH | BUY, 1, 1, 0.1, np.nan))
    with pytest.raises(OffGrid, match=r"record 1: size is no multiple of the lot 1 \(found 'nan'\)"):
        read_hftbacktest(path, tick="0.1", lot=1)


def test_files_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"day\.npz: no event carries EXCH_EVENT\. Pass the array through"):
        read_hftbacktest(file_of(tmp_path, (DEPTH | BUY, 1, 1, 0.1, 1)), tick="0.1", lot=1)
    with pytest.raises(DataError, match=r"record 2: an event of kind 1 among events by order"):
        events = (BOTH | ADD | BUY, 1, 1, 0.1, 1, 7), (BOTH | DEPTH | BUY, 2, 2, 0.1, 1)
        read_hftbacktest(file_of(tmp_path, *events), tick="0.1", lot=1)
    with pytest.raises(DataError, match=r"record 2: clears one side among events by order"):
        events = (BOTH | ADD | BUY, 1, 1, 0.1, 1, 7), (BOTH | CLEAR | BUY, 2, 2, 0.1, 1)
        read_hftbacktest(file_of(tmp_path, *events), tick="0.1", lot=1)
    with pytest.raises(DataError, match=r"record 1 \(row 1\): takes lots off an order that does not rest \(found 7\)"):
        read_hftbacktest(file_of(tmp_path, (BOTH | CANCEL | BUY, 1, 1, 0.1, 1, 7)), tick="0.1", lot=1)
    with pytest.raises(DataError, match=r"record 2 \(row 2\): is at 1970-01-01 00:00:00\.000000001, before"):
        events = (BOTH | DEPTH | BUY, 2, 2, 0.1, 1), (BOTH | DEPTH | BUY, 1, 2, 0.1, 1)
        read_hftbacktest(file_of(tmp_path, *events), tick="0.1", lot=1)
    np.savez(tmp_path / "old.npz", data=np.zeros((3, 6)))
    with pytest.raises(DataError, match=r"old\.npz: no field 'ev'\. Its fields are: none\."):
        read_hftbacktest(tmp_path / "old.npz", tick="0.1", lot=1)
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match=r"text\.npz: cannot be read as a NumPy file"):
        read_hftbacktest(tmp_path / "text.npz", tick="0.1", lot=1)
    with pytest.raises(DataError, match="no rows"):
        read_hftbacktest(file_of(tmp_path), tick="0.1", lot=1)


def test_order_latencies(tmp_path: Path) -> None:
    """The two rows of docs/latency_models.rst, and one that the exchange did not take."""
    rows = [
        (1670026844751525000, 1670026844759000000, 1670026844762122000, 0),
        (1670026845754020000, 1670026845762000000, 1670026845770003000, 0),
        (1670026846754020000, 0, 1670026846770003000, 0),
    ]
    np.savez_compressed(tmp_path / "latency.npz", data=np.array(rows, dtype=LATENCY))
    latency = read_order_latency(tmp_path / "latency.npz")
    assert len(latency) == 3
    assert (latency.exchange_ns - latency.request_ns).tolist()[:2] == [7_475_000, 7_980_000]
    assert (latency.response_ns - latency.exchange_ns).tolist()[:2] == [3_122_000, 8_003_000]
    assert latency.exchange_ns.tolist()[2] == 0
    sent, there = latency.request_ns, latency.exchange_ns
    draws = Draws(0, 0)
    third = (latency.response_ns[2] - sent[2]) // 2  # not taken: half of its round
    assert latency.entry.at(sent, draws).tolist() == [7_475_000, 7_980_000, third]
    assert latency.response.at(there[:2], draws).tolist() == [3_122_000, 8_003_000]
    assert latency.response.at(there[:1] + 1, draws).tolist() == [3_122_000]


@pytest.mark.parametrize("wrong", [(30, 25, 40, 0), (30, 35, 34, 0), (30, 0, 29, 0), (9, 35, 40, 0)])
def test_latencies_that_cannot_be_are_refused(wrong: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "latency.npy", np.array([(10, 15, 20, 0), wrong], dtype=LATENCY))
    with pytest.raises(DataError, match=r"latency\.npy record 2: times that cannot be"):
        read_order_latency(tmp_path / "latency.npy")


# ---------------------------------------------------------------- real flows, in this layout


@pytest.mark.data
@pytest.mark.slow
def test_the_evening_of_es_in_this_layout_is_the_flow_of_its_own_file(tmp_path: Path, novation_data: Path) -> None:
    """Records become events as hftbacktest's own converter makes them: fills beside the changes they brought."""
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed: its files cannot be read")
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    decoder = dbn.DBNDecoder(compression=dbn.Compression.ZSTD)
    decoder.write(path.read_bytes())
    kinds = {"A": ADD, "C": CANCEL, "M": MODIFY, "T": TRADE, "F": FILL}
    sides = {"B": BUY, "A": SELL, "N": 0}
    events = [
        (BOTH | kinds[one.action] | sides[one.side], one.ts_event, one.ts_recv, one.price / 1e9, one.size, one.order_id)
        for one in decoder.decode()[1:]
    ]
    open_spans = [(to_ns("2023-12-25T23:00:00Z"), to_ns("2023-12-26T22:00:00Z"))]
    flow = read_hftbacktest(file_of(tmp_path, *events), tick="0.25", lot=1, open_spans=open_spans)
    direct = read_databento(path, tick="0.25", open_spans=open_spans)
    columns = [name for name in flow.rows.dtype.names or () if name != "flags"]
    assert all((flow.rows[name] == direct.rows[name]).all() for name in columns)
    assert flow.left_out == direct.left_out
    assert (flow.rows["flags"] & LAST == direct.rows["flags"] & LAST).all()


@pytest.mark.data
@pytest.mark.slow
def test_the_btcusdt_capture_in_this_layout_is_the_flow_of_its_own_file(tmp_path: Path, novation_data: Path) -> None:
    direct = read_binance_stream(novation_data / "binance_um/l2_stream/btcusdt_20240808.gz", tick="0.1", lot="0.001")
    rows = direct.rows[direct.rows["kind"] != FlowKind.TOP]
    kinds = {FlowKind.CLEAR: CLEAR, FlowKind.TRADE: TRADE, FlowKind.LEVEL: DEPTH}
    sides = {1: BUY, -1: SELL, 0: 0}
    events = [
        (
            BOTH | (SNAPSHOT if flags & 2 and kind == FlowKind.LEVEL else kinds[kind]) | sides[side],
            ts,
            local,
            price / 10,
            lots / 1000,
        )
        for ts, local, _, price, lots, kind, side, flags in rows.tolist()
    ]
    flow = read_hftbacktest(file_of(tmp_path, *events), tick="0.1", lot="0.001")
    columns = [name for name in rows.dtype.names or () if name != "flags"]
    assert all((flow.rows[name] == rows[name]).all() for name in columns)
