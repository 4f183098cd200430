"""Recorded order flow in a book: what its orders do, and which orders of accounts they meet (docs/rules/replay.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from novation.domain.enums import CancelReason, OrderKind
from novation.domain.errors import VenueError
from novation.domain.flow import FLOW_DTYPE, FlowKind
from tests.reference import book, elections, level_replay, phases, trading
from tests.reference.state import NOBODY, Order

if TYPE_CHECKING:
    from novation.domain.digest import Line
    from tests.reference.exchange import Exchange
    from tests.reference.level_replay import Model


OF_ORDERS = (FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL)
OF_LEVELS = (FlowKind.LEVEL, FlowKind.TOP)


class Row(NamedTuple):
    """One row, its fields in the order of FLOW_DTYPE; its order is a slot."""

    ts_ns: int
    local_ns: int
    order: int
    price_ticks: int
    lots: int
    kind: int
    side: int
    flags: int


class Flow:
    """The record of one instrument, how far it has happened, and the orders it has by slot."""

    def __init__(self, i: int, rows: np.ndarray, slots: int, clock_ns: int, model: Model) -> None:
        if rows.dtype != FLOW_DTYPE:
            raise VenueError("a flow is an array of domain.flow.FLOW_DTYPE")
        self.i, self.rows, self.done = i, [Row(*row) for row in rows.tolist()], 0
        self.orders: dict[int, Order] = {}
        self.model, self.stretches = model, 0
        self.by_fills = False
        self.of_levels = any(row.kind in OF_LEVELS for row in self.rows)
        before = clock_ns
        for row in self.rows:
            if row.kind not in (FlowKind.CLEAR, FlowKind.TRADE, *(OF_LEVELS if self.of_levels else OF_ORDERS)):
                raise VenueError(f"a flow of {'levels' if self.of_levels else 'orders'} has no {row.kind}")
            if row.kind in OF_ORDERS and not 0 <= row.order < slots:
                raise VenueError(f"{row.order} is no slot")
            if row.ts_ns < before:
                raise VenueError(f"a row of {row.ts_ns} comes after {before}")
            before = row.ts_ns

    @property
    def next_ns(self) -> int | None:
        """When its next row happens."""
        return self.rows[self.done].ts_ns if self.done < len(self.rows) else None


def lines(i: int, flow: Flow) -> Iterator[Line]:
    """How far a flow is and what the record has, in the canonical form."""
    yield "flow", (i, flow.done)
    for slot, order in sorted(flow.orders.items()):
        yield "recorded", (i, slot, order.side, order.price_ticks, order.recorded, order.taken)


def happen(ex: Exchange, flow: Flow) -> None:
    """All rows of this instant, one after the other."""
    while flow.next_ns == ex.clock_ns:
        row = flow.rows[flow.done]
        flow.done += 1
        _happen(ex, flow, row)


def _happen(ex: Exchange, flow: Flow, row: Row) -> None:
    if row.kind == FlowKind.CLEAR and flow.of_levels:
        level_replay.clear(ex, flow)
    elif row.kind == FlowKind.LEVEL:
        last = level_replay.show(ex, flow, row)
        if last:
            _meet(ex, last)
    elif row.kind == FlowKind.CLEAR:
        for order in flow.orders.values():
            ex.book(flow.i).leave(order)
        flow.orders.clear()
    elif row.kind == FlowKind.ADD:
        flow.orders[row.order] = order = _order(ex, flow, row)
        _stand(ex, order)
    elif row.kind in (FlowKind.CANCEL, FlowKind.FILL):
        _cancel(ex, flow, row)
    elif row.kind == FlowKind.AMEND:
        _amend(ex, flow.orders[row.order], row)
    elif row.kind == FlowKind.TRADE:
        trading.new_price(ex, flow.i, row.price_ticks)
        for side in (1, -1):
            if row.side != side and not flow.by_fills:
                _hit(ex, flow.i, side, row)
        if flow.of_levels and row.side:
            level_replay.fall(ex, flow, row)
        elections.elect(ex)


def _order(ex: Exchange, flow: Flow, row: Row) -> Order:
    slot, kind = row.order, int(OrderKind.LIMIT)
    order = Order(-1 - slot, NOBODY, flow.i, row.side, kind, row.lots, row.price_ticks, ex.clock_ns)
    order.recorded = row.lots
    return order


def _cancel(ex: Exchange, flow: Flow, row: Row) -> None:
    order = flow.orders[row.order]
    if row.kind == FlowKind.FILL and flow.by_fills:
        _fill_ahead(ex, order)
    order.recorded -= row.lots
    ex.book(flow.i).show_recorded(order)
    if order.recorded <= 0:
        del flow.orders[row.order]
    elections.end_with_positions(ex)


def _amend(ex: Exchange, order: Order, row: Row) -> None:
    stays = row.price_ticks == order.price_ticks and row.lots <= order.recorded
    order.recorded = row.lots
    if stays:
        ex.book(order.instrument).show_recorded(order)
        return
    ex.book(order.instrument).leave(order)
    order.price_ticks, order.lots = row.price_ticks, max(0, row.lots - order.taken)
    if order.lots:
        _stand(ex, order)


def _stand(ex: Exchange, order: Order) -> None:
    """It comes to stand, then meets orders of accounts."""
    ex.book(order.instrument).stand(order)
    _meet(ex, order)


def _meet(ex: Exchange, order: Order) -> None:
    met = False
    while order.shown and (maker := _first(ex, order)):
        if trading.reduces_no_more(ex, maker):
            ex.drop(maker, CancelReason.WOULD_NOT_REDUCE)
            continue
        by_fills = ex.flows[order.instrument // 2].by_fills
        lots, met = maker.shown if by_fills else min(order.shown, maker.shown), True
        trading.new_price(ex, order.instrument, maker.price_ticks)
        if not by_fills:
            ex.book(order.instrument).take(order, lots)
        trading.made(ex, maker, lots, joins=False)
    if met:
        elections.elect(ex)


def _fill_ahead(ex: Exchange, order: Order) -> None:
    """Orders of accounts ahead of one of the record that is filled trade all that they show."""
    while order.shown:
        same = [o for o in ex.book(order.instrument).standing(order.side) if o.price_ticks == order.price_ticks]
        ahead = [o for o in same[: same.index(order)] if o in _of_accounts(ex, order.instrument, order.side)]
        if not ahead:
            return
        if trading.reduces_no_more(ex, ahead[0]):
            ex.drop(ahead[0], CancelReason.WOULD_NOT_REDUCE)
        else:
            trading.made(ex, ahead[0], ahead[0].shown, joins=False)


def _first(ex: Exchange, order: Order) -> Order | None:
    """The order of an account that an order of the record meets now."""
    return next((o for o in _of_accounts(ex, order.instrument, -order.side) if not _worse(o, order)), None)


def _worse(maker: Order, order: Order) -> bool:
    return order.side * (maker.price_ticks - order.price_ticks) > 0


def _of_accounts(ex: Exchange, i: int, side: int) -> list[Order]:
    """Orders of accounts that can trade now, the best price first, by time at a price."""
    standing = ex.book(i).standing(side) if phases.is_open(ex, i) else []
    return [o for o in standing if not book.is_recorded(o) and book.executable(ex, i, o.price_ticks)]


def _hit(ex: Exchange, i: int, side: int, row: Row) -> None:
    """The aggressor of a trade goes through the orders of a side, and trades with those of accounts it reaches."""
    traded = 0
    while reached := _reached(ex, i, side, row, traded):
        order, passed = reached
        if trading.reduces_no_more(ex, order):
            ex.drop(order, CancelReason.WOULD_NOT_REDUCE)
            continue
        part = min(row.lots - passed, order.shown)
        traded += part
        trading.made(ex, order, part, joins=False)


def _reached(ex: Exchange, i: int, side: int, row: Row, passed: int) -> tuple[Order, int] | None:
    for order in ex.book(i).standing(side) if phases.is_open(ex, i) else []:
        if side * (row.price_ticks - order.price_ticks) > 0 or passed >= row.lots:
            return None
        if book.is_recorded(order):
            passed += order.shown
        elif book.executable(ex, i, order.price_ticks):
            return order, passed
    return None
