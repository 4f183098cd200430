"""Rows of recorded flow, and what is read of an exchange that has them."""

from __future__ import annotations

import numpy as np

from novation.domain.enums import EventKind
from novation.domain.events import MAKER, Event
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.domain.units import E8
from tests.venues.book_cases import Pair

Row = tuple[int, ...]


def row(kind: FlowKind, ts_ns: int, slot: int = -1, side: int = 0, lots: int = 0, price: float = 0) -> Row:
    """One row of the record, a price in points."""
    return (ts_ns, ts_ns, slot, round(price * 4), lots, int(kind), int(side), LAST)


def add(ts_ns: int, slot: int, side: int, lots: int, price: float) -> Row:
    """An order comes."""
    return row(FlowKind.ADD, ts_ns, slot, side, lots, price)


def cancelled(ts_ns: int, slot: int, side: int, lots: int, price: float) -> Row:
    """Lots leave an order."""
    return row(FlowKind.CANCEL, ts_ns, slot, side, lots, price)


def amended(ts_ns: int, slot: int, side: int, lots: int, price: float) -> Row:
    """An order is of these lots at this price now."""
    return row(FlowKind.AMEND, ts_ns, slot, side, lots, price)


def filled(ts_ns: int, slot: int, side: int, lots: int, price: float) -> Row:
    """An order traded."""
    return row(FlowKind.FILL, ts_ns, slot, side, lots, price)


def traded(ts_ns: int, price: float, side: int = 0, lots: int = 1) -> Row:
    """Somebody traded."""
    return row(FlowKind.TRADE, ts_ns, -1, side, lots, price)


def record(both: Pair, *rows: Row, instrument: int = 0, slots: int = 8, by_fills: bool = False) -> Pair:
    """Give an exchange a record."""
    both.attach_flow(instrument, np.array(list(rows), dtype=FLOW_DTYPE), slots, by_fills=by_fills)
    return both


def recorded(both: Pair) -> list[tuple[int, float, int, int]]:
    """(slot, price, recorded, taken) of what the record has."""
    both.compare()
    lines = [line[1] for line in both.twin.state_lines() if line[0] == "recorded"]
    return [(slot, ticks / 4, lots, taken) for _, slot, _, ticks, lots, taken in lines]


def done(both: Pair) -> list[tuple[int, ...]]:
    """(instrument, rows done) of every flow."""
    return [tuple(line[1]) for line in both.twin.state_lines() if line[0] == "flow"]


def makers(events: list[Event]) -> list[tuple[int, int, float]]:
    """(order, lots, price) of the makers' fills."""
    told = [e for e in events if e.kind == EventKind.FILL and e.flags & MAKER]
    return [(e.order, abs(e.lots), e.price_ticks / 4) for e in told]


def last(both: Pair) -> float:
    """The last price."""
    return both.twin.markets[0].last_e8 / E8
