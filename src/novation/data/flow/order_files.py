"""Order-by-order records by the names of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from novation.data.flow.arrivals import hold_arrivals
from novation.data.flow.databento import read_databento
from novation.data.flow.hftbacktest import read_hftbacktest
from novation.data.flow.order_events import read_order_events
from novation.data.flow.recorded import Flow
from novation.domain.errors import InvalidInput
from novation.domain.units import Number, to_ns

_NEVER_NS = 1 << 62


def read_orders(
    path: str | Path,
    *,
    tick: Number | None = None,
    lot: Number | None = None,
    open_from: Any = None,
    repair: bool = False,
    hold: bool = False,
) -> Flow:
    """The flow of a file that tells of orders one by one: Databento's `.dbn`, `.dbn.zst`, order events as CSV (`.csv`,
    .gz, .xz), hftbacktest's `.npz`, `.npy`.

    tick, lot: of the instrument; an array needs both; of a CSV the tick is else the largest step that holds all its
    prices. open_from: when the market opens (`data.flow.check`). Of a file of Globex our own tables know both. hold:
    with orders that come across the best held back until their trades are told (`data.flow.hold_arrivals`).
    """
    flow = _read(path, tick, lot, open_from, repair)
    return hold_arrivals(flow) if hold else flow


def _read(path: str | Path, tick: Number | None, lot: Number | None, open_from: Any, repair: bool) -> Flow:
    name = Path(path).name
    spans = None if open_from is None else [(to_ns(open_from, source="open_from"), _NEVER_NS)]
    if name.endswith((".dbn", ".dbn.zst")):
        return read_databento(path, tick=tick, lot=1 if lot is None else lot, repair=repair, open_spans=spans)
    if name.endswith((".csv", ".csv.gz", ".csv.xz")):
        smallest: Number = "0.00000001"
        return read_order_events(path, tick=tick, lot=smallest if lot is None else lot, repair=repair, open_spans=spans)
    if name.endswith((".npz", ".npy")):
        if tick is None or lot is None:
            raise InvalidInput("needs the tick and the lot of its numbers", source=str(path), hint="--tick and --lot.")
        return read_hftbacktest(path, tick=tick, lot=lot, repair=repair, open_spans=spans)
    raise InvalidInput(
        "is no order-by-order record",
        source=str(path),
        hint="One ends in .dbn, .dbn.zst, .csv, .csv.gz, .csv.xz, .npz or .npy.",
    )
