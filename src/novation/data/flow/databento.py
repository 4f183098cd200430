"""Databento's market by order (schema `mbo`, DBN files), through their library `databento-dbn`.

Sources: https://databento.com/docs/schemas-and-data-formats/mbo and
.../standards-and-conventions/common-fields-enums-types (actions, sides, flags, fixed prices of 1e-9, undefined price
2^63-1).

A record of action F (fill) moves nothing there: what the fill did to the book follows in the same event as C or M of
the same order. `fills` tells both as one FILL, and counts in `left_out` the fills of orders that were never shown and
the lots that traded beyond what was shown. A trade is of the aggressor's side and keeps its order id; in an auction
(side N) it has none. Records of a snapshot have a time not before that of the record ahead; the last of them ends an
event.

Not read: other schemas; symbols of a spread's legs. A gap cannot be seen: `sequence` numbers the packets of a channel
with many instruments, so a file of one of them has holes.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np

from novation.data.flow.check import check
from novation.data.flow.fills import join_fills
from novation.data.flow.products import cme_product
from novation.data.flow.recorded import Array, Flow, OpenSpans, existing, flow_rows, grid, steps_of_fixed
from novation.domain.errors import DataError, InvalidInput
from novation.domain.flow import LAST, SNAPSHOT, FlowKind
from novation.domain.units import Number

_RTYPE_MBO = 160
_GLOBEX = "GLBX.MDP3"
_F_LAST, _F_SNAPSHOT = 128, 32
_UNDEFINED = (1 << 63) - 1
_CHUNK = 1 << 24
#: One record on disk: little endian, 56 bytes.
_MBO = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
_A, _C, _M, _R, _T, _F, _N = b"ACMRTFN"
_KINDS = {
    _A: FlowKind.ADD,
    _C: FlowKind.CANCEL,
    _M: FlowKind.AMEND,
    _R: FlowKind.CLEAR,
    _T: FlowKind.TRADE,
    _F: FlowKind.FILL,
}


def read_databento(
    path: str | Path,
    *,
    tick: Number | None = None,
    lot: Number = 1,
    definition: str | Path | None = None,
    instrument: int | None = None,
    repair: bool = False,
    open_spans: OpenSpans | None = None,
) -> Flow:
    """The order-by-order flow of one instrument in a `.dbn` or `.dbn.zst` file of schema mbo.

    tick: price of one tick; left out, it is the `min_price_increment` of the instrument in the file itself, or in
        `definition`, a DBN file of schema definition, or that of our own tables for the one symbol of CME that the file
        is of.
    lot: size of one lot, in what the file counts sizes in (contracts).
    instrument: Databento's `instrument_id`, needed where the file holds several.
    repair, open_spans: as of `check`. Before an opening the books of CME are crossed; left out, the spans are the
        sessions that our own tables have for that symbol.
    """
    source = str(path)
    lot_step = grid(lot, "lot")
    messages, records, increments, symbol = _read(existing(path))
    messages, records = _one_instrument(messages, records, instrument, source)
    stamps = messages["ts_event"].astype(np.int64)
    product = cme_product(symbol, int(stamps[0]), int(stamps[-1])) if symbol and len(stamps) else None
    if open_spans is None and product is not None:
        open_spans = product.open_spans
    if tick is None and product is not None and int(messages["instrument_id"][0]) not in increments:
        tick = product.tick if definition is None else None
    if tick is None:
        further = {} if definition is None else _read(existing(definition), mbo=False)[2]
        tick = _stated(increments | further, int(messages["instrument_id"][0]), source)
    tick_step = grid(tick, "tick")
    left_out: dict[str, int] = {}
    messages, records = _of_the_book(messages, records, source, left_out)
    rows = flow_rows(len(messages))
    kinds = np.zeros(256, dtype=np.int16)
    for action, kind in _KINDS.items():
        kinds[action] = kind
    rows["kind"] = kinds[messages["action"]]
    sides = np.zeros(256, dtype=np.int16)
    sides[ord("B")], sides[ord("A")] = 1, -1
    rows["side"] = sides[messages["side"]]
    rows["order"] = messages["order_id"].astype(np.int64)
    priced = messages["action"] != _R
    _refuse_undefined(messages, records, priced, source)
    for name, column, decimals, step in (("price", "price", 9, tick_step), ("size", "size", 0, lot_step)):
        steps = steps_of_fixed(messages[column][priced], decimals, step, name, source, records[priced])
        rows["price_ticks" if name == "price" else "lots"][priced] = steps
    rows["order"][~priced] = 0
    rows["local_ns"] = messages["ts_recv"].astype(np.int64)
    snapshot = (messages["flags"] & _F_SNAPSHOT) != 0
    stamps = messages["ts_event"].astype(np.int64)  # of what is left
    rows["ts_ns"] = np.where(snapshot, np.maximum.accumulate(stamps), stamps)
    rows["flags"] = np.where((messages["flags"] & _F_LAST) != 0, LAST, 0) | np.where(snapshot, SNAPSHOT, 0)
    ends = snapshot & np.append(~snapshot[1:], True)
    rows["flags"][ends] |= LAST
    rows, records = join_fills(rows, records, left_out)
    opens_ns = open_spans[0][0] if open_spans else 0
    flow = Flow(rows, tick_step, lot_step, "orders", source, records, left_out=left_out, opens_ns=opens_ns)
    return check(flow, repair=repair, open_spans=open_spans)


def _stated(increments: dict[int, int], instrument: int, source: str) -> Decimal:
    """The tick that a definition states."""
    increment = increments.get(instrument, _UNDEFINED)
    if increment == _UNDEFINED:
        hint = "Pass tick=, or definition= a DBN file of schema definition that holds the instrument."
        raise DataError("does not say what a tick is", source=source, value=instrument, hint=hint)
    return Decimal(increment).scaleb(-9).normalize()


def _read(path: Path, *, mbo: bool = True) -> tuple[Array, Array, dict[int, int], str]:
    """The mbo records of a file, the number of each among all its records, the price increments (1e-9) it defines, and
    the symbol of Globex that it is of, where it is of one.

    mbo: refuse a file that has no such record.
    """
    try:
        import databento_dbn as dbn
        import pyarrow as pa
    except ImportError:
        raise InvalidInput(
            "reading Databento files needs databento-dbn",
            source=str(path),
            hint="Install it: pip install novation[data].",
        ) from None
    decoder = dbn.DBNDecoder(compression=dbn.Compression.NONE)
    parts: list[Array] = []
    numbers: list[Array] = []
    increments: dict[int, int] = {}
    count, symbol = 0, ""
    try:
        # pyarrow unpacks: the decoder by itself would take the beginning of a file for all of it
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as file:
            while chunk := file.read(_CHUNK):
                decoder.write(chunk)
                messages = decoder.decode()
                for record in messages:
                    if isinstance(record, dbn.Metadata) and record.dataset == _GLOBEX and len(record.symbols) == 1:
                        symbol = record.symbols[0]
                messages = [record for record in messages if not isinstance(record, dbn.Metadata)]
                found = [i for i, record in enumerate(messages) if isinstance(record, dbn.MBOMsg)]
                packed_rows = b"".join([bytes(messages[i])[: _MBO.itemsize] for i in found])
                parts.append(np.frombuffer(packed_rows, dtype=_MBO))
                numbers.append(np.array(found, dtype=np.int64) + count + 1)
                if len(found) < len(messages):
                    defined = [record for record in messages if isinstance(record, dbn.InstrumentDefMsg)]
                    increments |= {record.instrument_id: record.min_price_increment for record in defined}
                count += len(messages)
    except (dbn.DBNError, pa.ArrowException, OSError) as problem:
        raise DataError(f"cannot be read as DBN: {problem}", source=str(path)) from problem
    if rest := len(decoder.buffer()):
        raise DataError(f"ends {rest} bytes into a record", source=str(path), hint="Fetch it again.")
    if mbo and not sum(len(part) for part in parts):
        raise DataError("holds no record of schema mbo", source=str(path), value=f"{count:,} records of other schemas")
    if not parts:
        raise DataError("is empty", source=str(path))
    return np.concatenate(parts), np.concatenate(numbers), increments, symbol


def _one_instrument(messages: Array, records: Array, instrument: int | None, source: str) -> tuple[Array, Array]:
    ids = np.unique(messages["instrument_id"]).tolist()
    if instrument is None:
        if len(ids) > 1:
            raise DataError(
                f"holds {len(ids)} instruments",
                source=source,
                hint=f"Pass instrument=, one of {', '.join(map(str, ids[:20]))}{' ...' if len(ids) > 20 else ''}.",
            )
        return messages, records
    if instrument not in ids:
        raise DataError(
            "no such instrument", source=source, value=instrument, hint=f"It holds {', '.join(map(str, ids[:20]))}."
        )
    chosen = messages["instrument_id"] == instrument
    return messages[chosen], records[chosen]


def _of_the_book(messages: Array, records: Array, source: str, left_out: dict[str, int]) -> tuple[Array, Array]:
    """Leave out records of action N; refuse actions that are not documented."""
    known = np.isin(messages["action"], [*_KINDS, _N])
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        value = chr(messages["action"][row])
        raise DataError("unknown action", source=source, where=f"record {int(records[row]):,}", value=value)
    nothing = messages["action"] == _N
    if not nothing.any():
        return messages, records
    left_out["records of no action (N)"] = int(nothing.sum())
    kept = messages[~nothing].copy()
    # One that ended its event hands that on to the record before it.
    before = np.cumsum(~nothing) - 1
    ended = np.flatnonzero(nothing & ((messages["flags"] & _F_LAST) != 0) & (before >= 0))
    kept["flags"][before[ended]] |= _F_LAST
    return kept, records[~nothing]


def _refuse_undefined(messages: Array, records: Array, priced: Array, source: str) -> None:
    undefined = np.flatnonzero(priced & (messages["price"] == _UNDEFINED))
    if len(undefined):
        row = int(undefined[0])
        raise DataError(
            f"the price of action {chr(messages['action'][row])} is not defined",
            source=source,
            where=f"record {int(records[row]):,}",
            value=int(messages["order_id"][row]),
        )
