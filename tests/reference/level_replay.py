"""Recorded levels in a book: totals by price, and which of their lots leave (docs/rules/replay.md, "Levels")."""

from __future__ import annotations

from math import log1p
from typing import TYPE_CHECKING, NamedTuple

from novation.domain.enums import OrderKind, QueueModel
from novation.domain.units import E8
from tests.reference import book
from tests.reference.state import NOBODY, Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange
    from tests.reference.replay import Flow, Row

#: Micro-lots of a lot.
LOT = 1_000_000


class Model(NamedTuple):
    """Who is taken to have left when a level shows less; the exponent of POWER in 1e-8."""

    queue: int
    exponent_e8: int


def lost_ahead(model: Model, front: int, back: int, decrease: int) -> int:
    """Micro-lots ahead that left with a decrease."""
    least, most = max(0, decrease - back), min(front, decrease)
    if least >= most or model.queue == QueueModel.FRONT:
        return most
    if model.queue == QueueModel.BACK:
        return least
    if model.queue == QueueModel.PROPORTIONAL:
        share = front * decrease // (front + back)
    else:
        if model.queue == QueueModel.POWER:
            chance = 1.0 / (1.0 + ((back / LOT) / (front / LOT)) ** (model.exponent_e8 / E8))
        else:
            ahead = log1p(front / LOT)
            chance = ahead / (ahead + log1p(back / LOT))
        share = int(chance * decrease)
    return min(most, max(least, share))


def show(ex: Exchange, flow: Flow, row: Row) -> Order | None:
    """A price shows so many lots of the record; the last stretch there, if there is one."""
    queue = ex.book(flow.i).sides[row.side].get(row.price_ticks, [])
    more = row.lots - sum(order.recorded for order in queue if order.stretch)
    if more > 0 and queue and queue[-1].stretch:
        _change(ex, queue[-1], more)
    elif more > 0:
        _stand(ex, flow, row, more)
    elif more < 0:
        _decrease(ex, flow, queue, -more)
    left = ex.book(flow.i).sides[row.side].get(row.price_ticks, [])
    return next((order for order in reversed(left) if order.stretch), None)


def fall(ex: Exchange, flow: Flow, row: Row) -> None:
    """What an aggressor took of the record, best price first, from the front."""
    left = row.lots
    for order in ex.book(flow.i).standing(-row.side):
        if order.stretch and row.side * (row.price_ticks - order.price_ticks) >= 0:
            gone = min(left, order.recorded)
            _change(ex, order, -gone)
            left -= gone


def clear(ex: Exchange, flow: Flow) -> None:
    """Nothing of the record is left."""
    for side in (1, -1):
        for order in ex.book(flow.i).standing(side):
            if book.is_recorded(order):
                ex.book(flow.i).leave(order)


def _stand(ex: Exchange, flow: Flow, row: Row, lots: int) -> None:
    flow.stretches += 1
    kind = int(OrderKind.LIMIT)
    order = Order(-flow.stretches, NOBODY, flow.i, row.side, kind, lots, row.price_ticks, ex.clock_ns)
    order.recorded, order.stretch = lots, True
    ex.book(flow.i).stand(order)


def _change(ex: Exchange, order: Order, more: int) -> None:
    order.recorded += more
    ex.book(order.instrument).show_recorded(order)


def _decrease(ex: Exchange, flow: Flow, queue: list[Order], lots: int) -> None:
    stretches = [order for order in queue if order.stretch]
    first = next((order for order in queue if not order.stretch), None)
    if first and queue[0].stretch:
        ahead, total = queue[0].recorded, sum(order.recorded for order in stretches)
        front = ahead * LOT - first.fraction
        front_left = front - lost_ahead(flow.model, front, total * LOT - front, lots * LOT)
        whole = -(-front_left // LOT)
        first.fraction = whole * LOT - front_left
        _change(ex, queue[0], whole - ahead)
        lots -= ahead - whole
    for order in reversed(stretches):
        gone = min(lots, order.recorded)
        _change(ex, order, -gone)
        lots -= gone
    assert lots == 0
