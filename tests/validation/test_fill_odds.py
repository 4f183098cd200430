"""The fill probability of the models against a real hour: what they promise of orders that were never sent.

Every so often an order is thought to join each best queue of the record, and followed: it has filled when a trade
reaches it in its place, and has not when the other side's best changes, or its own betters it. Where its own queue
goes and the market stays, it stands alone. docs/validation/flow_models.md has the figures at a second between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from novation.data.flow import Flow, read_orders
from novation.domain.flow import LAST, FlowKind
from novation.domain.order_flow import QueueReactive, ZeroIntelligence
from novation.domain.units import NS, to_ns
from novation.research.calibrate import calibrate_flow
from novation.research.calibrate.walk import Book
from novation.rules.fill_probability import fill_probability, queue_reactive_queue, zero_intelligence_queue

OPENS = "2023-12-25T23:00Z"
HALF_NS = to_ns(OPENS) + 1800 * NS


@dataclass
class Thought:
    """An order that was never sent."""

    side: int
    price: int
    opposite: int  # the other side's best as it came
    ahead: set[int]
    orders: int  # ahead as it came, and their lots; at the other side's best
    lots: int
    other_orders: int
    other_lots: int
    filled: bool = False


def thought(flow: Flow, from_ns: int, every_ns: int) -> list[Thought]:
    """Orders at spreads of a tick, as they ended."""
    book, standing, ended, last_ns = Book(), [], [], from_ns - every_ns
    fills: list[tuple[int, int]] = []  # of this event: order, price
    trades: list[tuple[int, int]] = []  # side, price
    for ts_ns, _, order, price, lots, kind, side, flags in flow.rows.tolist():
        stood = book.orders.get(order)
        if kind == FlowKind.CLEAR:
            book = Book()
        elif kind == FlowKind.TRADE:
            trades.append((side, price))
        elif kind in (FlowKind.CANCEL, FlowKind.FILL) and stood:
            if kind == FlowKind.FILL:
                fills.append((order, stood[1]))
            book.take(order, min(lots, stood[2]))
        elif kind == FlowKind.AMEND and stood and price == stood[1] and lots <= stood[2]:
            book.take(order, stood[2] - lots)
        elif kind in (FlowKind.ADD, FlowKind.AMEND):
            if stood:
                book.take(order, stood[2])
                for one in standing:
                    one.ahead.discard(order)
            book.put(order, side, price, lots)
        if not flags & LAST:
            continue
        going = []
        for one in standing:
            hit = [at for taker, at in trades if taker == -one.side and one.side * (at - one.price) <= 0]
            behind = any(at == one.price and who not in one.ahead for who, at in fills)
            beyond = any(at != one.price for at in hit)
            one.filled = bool(hit) and (behind or beyond or not one.ahead)
            one.ahead = {who for who in one.ahead if who in book.orders and book.orders[who][1] == one.price}
            own = book.best(one.side)
            moved = book.best(-one.side) != one.opposite or (own is not None and one.side * (own - one.price) > 0)
            (ended if one.filled or moved else going).append(one)
        standing, fills, trades = going, [], []
        if ts_ns >= last_ns + every_ns and book.usable():
            last_ns = ts_ns
            bid, ask = book.best(1), book.best(-1)
            for own_side, own, other in ((1, bid, ask), (-1, ask, bid)):
                assert own is not None and other is not None
                if abs(own - other) == 1:
                    here = {who for who, at in book.orders.items() if at[0] == own_side and at[1] == own}
                    stands = (*book.at[own_side][own], *book.at[-own_side][other])
                    standing.append(Thought(own_side, own, other, here, *stands))
    return ended


@pytest.mark.data
@pytest.mark.slow
def test_the_models_promise_more_than_the_e_mini_kept(novation_data: Path) -> None:
    """Fitted to the first half of the hour, asked in the second. It is no test of the exchange: were they right, this
    would fail, and the page with it."""
    flow = read_orders(novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst", tick="0.25", open_from=OPENS)
    cut = int((flow.rows["ts_ns"] < HALF_NS).sum())
    half = replace(flow, rows=flow.rows[:cut], records=flow.records[:cut])
    orders = thought(flow, HALF_NS, 20 * NS)
    assert len(orders) > 100
    kept = np.mean([one.filled for one in orders])
    queues = calibrate_flow(half, "queue-reactive", open_from=OPENS).model
    zero = calibrate_flow(half, "zero-intelligence", open_from=OPENS).model
    assert isinstance(queues, QueueReactive) and isinstance(zero, ZeroIntelligence)
    by_queue, by_zero = [], []
    for one in orders:
        ahead, other = -(-one.lots // queues.unit[0]), -(-one.other_lots // queues.unit[0])
        two = queue_reactive_queue(queues, 1, ahead + 1), queue_reactive_queue(queues, 1, other)
        by_queue.append(fill_probability(*two, ahead, 0, other))
        even = (
            zero_intelligence_queue(zero, 1, one.orders + 1, own=True),
            zero_intelligence_queue(zero, 1, one.other_orders),
        )
        by_zero.append(fill_probability(*even, one.orders, 0, one.other_orders))
    assert 0.25 < kept < 0.5
    assert kept + 0.2 < np.mean(by_queue) < np.mean(by_zero)
    filled = np.array([one.filled for one in orders], float)
    assert np.corrcoef(by_queue, filled)[0, 1] > 0.05
