"""Slots of resting orders: as few as ever rest at once, and never two orders in one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.data.flow import Flow, check, dense_orders
from novation.domain.errors import DataError
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind

ADD, CANCEL, AMEND, FILL = FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL
TRADE, CLEAR = FlowKind.TRADE, FlowKind.CLEAR
Written = Callable[..., Flow]


def test_a_slot_is_handed_out_again_after_its_order_is_gone(written: Written) -> None:
    flow = written(
        (1, 701, 10, 2, ADD, 1, LAST),
        (2, 702, 11, 1, ADD, 1, LAST),
        (3, 701, 10, 1, FILL, 1, LAST),  # one lot is left
        (4, 701, 10, 1, CANCEL, 1, LAST),
        (5, 703, 12, 4, ADD, 1, LAST),
        (6, 702, 11, 9, AMEND, 1, LAST),
        (7, 900, 11, 9, TRADE, -1, LAST),
        (8, 702, 11, 9, FILL, 1, LAST),
        (9, 701, 10, 1, ADD, 1, LAST),  # the id comes back
    )
    before = flow.rows.copy()
    dense, slots = dense_orders(flow.rows)
    assert slots == 2
    assert dense["order"].tolist() == [0, 1, 0, 0, 0, 1, -1, 1, 1]
    assert (flow.rows == before).all()
    others = [name for name in FLOW_DTYPE.names or () if name != "order"]
    assert all((dense[name] == flow.rows[name]).all() for name in others)


def test_a_cleared_book_frees_its_slots(written: Written) -> None:
    flow = written(
        (1, 7, 10, 2, ADD, 1, LAST),
        (1, 8, 10, 2, ADD, 1, LAST),
        (2, 0, 0, 0, CLEAR, 0, LAST),
        (3, 7, 10, 2, ADD, 1, LAST),
        (3, 8, 10, 2, ADD, 1, LAST),
    )
    dense, slots = dense_orders(flow.rows)
    assert (dense["order"].tolist(), slots) == ([0, 1, -1, 0, 1], 2)


def test_rows_of_no_order_need_no_slot(written: Written) -> None:
    flow = written((1, 0, 10, 2, FlowKind.LEVEL, 1, LAST), kind="levels")
    dense, slots = dense_orders(flow.rows)
    assert (dense["order"].tolist(), slots) == ([-1], 0)


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 7, 10, 1, CANCEL, 1, LAST)],
        [(1, 7, 10, 1, ADD, 1, LAST), (2, 8, 10, 1, CANCEL, 1, LAST)],
        [(1, 8, 10, 1, ADD, 1, LAST), (2, 7, 10, 1, CANCEL, 1, LAST)],
        [(1, 7, 10, 1, ADD, 1, LAST), (2, 7, 10, 1, FILL, 1, LAST), (3, 7, 10, 1, FILL, 1, LAST)],
        [(1, 7, 10, 1, ADD, 1, LAST), (2, 7, 10, 1, ADD, 1, LAST)],
        [(1, 7, 10, 1, ADD, 1, LAST), (2, 0, 0, 0, CLEAR, 0, LAST), (3, 7, 10, 1, AMEND, 1, LAST)],
    ],
    ids=["cancel", "other id after", "other id before", "filled twice", "added twice", "after a clear"],
)
def test_a_row_of_an_order_that_does_not_rest_is_refused(rows: list[tuple[int, ...]], written: Written) -> None:
    with pytest.raises(DataError, match=rf"row {len(rows)}: is of an order that does not rest, or adds one that does"):
        dense_orders(written(*rows).rows)


@st.composite
def flows(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Rows that can have happened, with ids that come back."""
    rows: list[tuple[int, ...]] = []
    resting: dict[int, int] = {}
    for _ in range(draw(st.integers(0, 60))):
        ts = len(rows)
        kind = draw(st.sampled_from([ADD, ADD, ADD, CANCEL, FILL, AMEND, TRADE, CLEAR]))
        if kind == ADD:
            id = draw(st.integers(1, 12).filter(lambda id: id not in resting)) if len(resting) < 12 else 0
            if not id:
                continue
            resting[id] = draw(st.integers(1, 5))
            rows.append((ts, ts, id, 10, resting[id], ADD, 1, LAST))
        elif kind == TRADE:
            rows.append((ts, ts, 99, 10, 1, TRADE, -1, LAST))
        elif kind == CLEAR:
            if draw(st.integers(0, 3)) == 0:
                resting.clear()
                rows.append((ts, ts, 0, 0, 0, CLEAR, 0, LAST))
        elif resting:
            id = draw(st.sampled_from(sorted(resting)))
            lots = draw(st.integers(1, 5 if kind == AMEND else resting[id]))
            resting[id] = lots if kind == AMEND else resting[id] - lots
            if not resting[id]:
                del resting[id]
            rows.append((ts, ts, id, 10, lots, kind, 1, LAST))
    return rows


@settings(max_examples=50)
@given(flows())
def test_slots_are_as_few_as_orders_ever_rest_and_never_shared(told: list[tuple[int, ...]]) -> None:
    rows = np.array(told, dtype=FLOW_DTYPE)
    dense, slots = dense_orders(rows)
    table: dict[int, list[int]] = {}  # slot -> id and lots
    most = 0
    for (_, _, id, _, lots, kind, *_), slot in zip(rows.tolist(), dense["order"].tolist(), strict=True):
        if kind == ADD:
            assert slot not in table
            table[slot] = [id, lots]
        elif kind == CLEAR:
            table.clear()
        elif kind != TRADE:
            assert table[slot][0] == id
            table[slot][1] = lots if kind == AMEND else table[slot][1] - lots
            if not table[slot][1]:
                del table[slot]
        else:
            assert slot == -1
        most = max(most, len(table))
        assert all(0 <= slot < slots for slot in table)
    assert most == slots


def test_a_flow_that_passes_the_check_can_be_made_dense(written: Written) -> None:
    flow = check(written((1, 7, 10, 1, CANCEL, 1, LAST), (2, 8, 10, 1, ADD, 1, LAST)), repair=True)
    assert dense_orders(flow.rows)[1] == 1
