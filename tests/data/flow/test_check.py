"""Feeds that cannot be: each is refused by its place, and mended by its rule."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.data.flow import Flow, check, dense_orders
from novation.domain.errors import DataError, InvalidInput
from novation.domain.flow import FLOW_DTYPE, LAST, SNAPSHOT, FlowKind
from tests.reference.recorded_book import RecordedBook

ADD, CANCEL, AMEND, FILL = FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL
TRADE, LEVEL, TOP, CLEAR = FlowKind.TRADE, FlowKind.LEVEL, FlowKind.TOP, FlowKind.CLEAR
Told = Callable[[Flow], list[str]]
Written = Callable[..., Flow]

#: name: rows (ts, order, price, lots, kind, side, flags), the error, the repair that is counted, the mended rows.
ORDERS = {
    "cancel of an unknown order": (
        [(1, 7, 10, 1, CANCEL, 1, LAST)],
        r"file record 101 \(row 1\): takes lots off an order that does not rest \(found 7\)",
        {"unknown order": 1},
        [],
    ),
    "fill of an order that is gone": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 7, 10, 2, FILL, 1, LAST), (3, 7, 10, 1, FILL, 1, LAST)],
        r"record 103 \(row 3\): takes lots off an order that does not rest \(found 7\)",
        {"unknown order": 1},
        ["ADD + #7 2@10 t1 |", "FILL + #7 2@10 t2 |"],
    ),
    "amendment of an unknown order": (
        [(1, 7, 10, 2, AMEND, 1, LAST)],
        r"record 101 \(row 1\): amends an order that does not rest \(found 7\)",
        {"unknown amended": 1},
        ["ADD + #7 2@10 t1 |"],
    ),
    "an order added twice": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 7, 11, 3, ADD, 1, LAST)],
        r"record 102 \(row 2\): adds an order that rests \(found 7\)",
        {"added twice": 1},
        ["ADD + #7 2@10 t1 |", "CANCEL + #7 2@10 t2", "ADD + #7 3@11 t2 |"],
    ),
    "no size": (
        [(1, 7, 10, 0, ADD, 1, LAST), (2, 8, 10, -1, TRADE, 1, LAST)],
        r"record 101 \(row 1\): ADD of no size \(found 0\)",
        {"no size": 2},
        [],
    ),
    "a dropped row hands on the end of its event": (
        [(1, 7, 10, 2, ADD, 1, 0), (1, 8, 10, -2, ADD, 1, LAST)],
        r"record 102 \(row 2\): ADD of no size \(found -2\)",
        {"no size": 1},
        ["ADD + #7 2@10 t1 |"],
    ),
    "amended to no size": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 7, 10, 0, AMEND, 1, LAST)],
        r"record 102 \(row 2\): AMEND to no size \(found 0\)",
        {"no size": 1},
        ["ADD + #7 2@10 t1 |", "CANCEL + #7 2@10 t2 |"],
    ),
    "more than rests": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 7, 10, 3, CANCEL, 1, LAST)],
        r"record 102 \(row 2\): takes 3 lots off an order of 2 \(found 7\)",
        {"more than rests": 1},
        ["ADD + #7 2@10 t1 |", "CANCEL + #7 2@10 t2 |"],
    ),
    "the other side": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 7, 10, 1, CANCEL, -1, LAST)],
        r"record 102 \(row 2\): names the other side than its order \(found 7\)",
        {"other side": 1},
        ["ADD + #7 2@10 t1 |", "CANCEL + #7 1@10 t2 |"],
    ),
    "time going back": (
        [(5, 7, 10, 2, ADD, 1, LAST), (4, 8, 10, 1, ADD, 1, LAST)],
        r"record 102 \(row 2\): is at 1970-01-01 00:00:00.000000004, before the row ahead of it \(found 8\)",
        {"time goes back": 1},
        ["ADD + #7 2@10 t5 |", "ADD + #8 1@10 t5 |"],
    ),
    "a book that stays crossed": (
        [(1, 7, 10, 2, ADD, -1, LAST), (2, 8, 11, 1, ADD, 1, LAST)],
        r"record 102 \(row 2\): leaves the book crossed: bid 11 ticks, ask 10 ticks \(found 8\)",
        {"crossed": 1},
        ["ADD - #7 2@10 t1 |", "ADD + #8 1@11 t2", "CANCEL - #7 2@10 t2 |"],
    ),
    "a book that stays locked": (
        [(1, 7, 10, 2, ADD, 1, LAST), (2, 8, 10, 1, ADD, -1, LAST)],
        r"bid 10 ticks, ask 10 ticks",
        {"crossed": 1},
        ["ADD + #7 2@10 t1 |", "ADD - #8 1@10 t2", "CANCEL + #7 2@10 t2 |"],
    ),
    "a trade through an order": (
        [
            (1, 7, 10, 2, ADD, -1, LAST),
            (1, 8, 11, 1, ADD, -1, LAST),
            (2, 0, 11, 1, TRADE, 1, 0),
            (2, 8, 11, 1, FILL, -1, LAST),
        ],
        r"record 103 \(row 3\): trades at 11 ticks through order 7 at 10 ticks, which stands before and after",
        {"traded through": 1},
        [
            "ADD - #7 2@10 t1 |",
            "ADD - #8 1@11 t1 |",
            "TRADE + 1@11 t2",
            "FILL - #8 1@11 t2",
            "CANCEL - #7 2@10 t2 |",
        ],
    ),
}

LEVELS = {
    "a level below zero": (
        [(1, 0, 10, -1, LEVEL, 1, LAST)],
        r"record 101 \(row 1\): LEVEL of a size below zero \(found -1\)",
        {"no size": 1},
        [],
    ),
    "levels that stay crossed": (
        [(1, 0, 10, 3, LEVEL, -1, LAST), (2, 0, 11, 2, LEVEL, 1, LAST)],
        r"record 102 \(row 2\): leaves the book crossed: bid 11 ticks, ask 10 ticks\. Pass repair=True",
        {"crossed": 1},
        ["LEVEL - 3@10 t1 |", "LEVEL + 2@11 t2", "LEVEL - 0@10 t2 |"],
    ),
    "a trade through a level": (
        [
            (1, 0, 10, 3, LEVEL, 1, 0),
            (1, 0, 9, 3, LEVEL, 1, LAST),
            (2, 0, 9, 1, TRADE, -1, LAST),
            (3, 0, 9, 2, LEVEL, 1, LAST),
        ],
        r"record 103 \(row 3\): trades at 9 ticks through price 10 ticks, which stands before and after",
        {"traded through": 1},
        ["LEVEL + 3@10 t1", "LEVEL + 3@9 t1 |", "TRADE - 1@9 t2 |", "LEVEL + 2@9 t3", "LEVEL + 0@10 t3 |"],
    ),
}

CASES = [(*case, "orders") for case in ORDERS.values()] + [(*case, "levels") for case in LEVELS.values()]


@pytest.mark.parametrize(("rows", "message", "counted", "mended", "kind"), CASES, ids=[*ORDERS, *LEVELS])
def test_an_impossible_feed_is_refused_and_mended(
    rows: list[tuple[int, ...]],
    message: str,
    counted: dict[str, int],
    mended: list[str],
    kind: str,
    told: Told,
    written: Written,
) -> None:
    flow = written(*rows, kind=kind)
    with pytest.raises(DataError, match=message):
        check(flow)
    repaired = check(flow, repair=True)
    assert repaired.repairs == counted
    assert told(repaired) == mended
    assert check(repaired) is repaired


def test_a_mended_row_keeps_the_number_of_its_record(written: Written) -> None:
    flow = written((1, 7, 10, 2, ADD, 1, LAST), (2, 9, 10, 2, FILL, 1, LAST), (3, 7, 11, 3, ADD, 1, LAST))
    assert check(flow, repair=True).records.tolist() == [101, 103, 103]


def test_a_possible_feed_comes_back_as_it_is(written: Written) -> None:
    flow = written((1, 7, 10, 2, ADD, 1, LAST), (1, 7, 10, 1, CANCEL, 1, LAST), (2, 7, 10, 1, FILL, 1, LAST))
    assert check(flow) is flow and check(flow, repair=True) is flow


def test_an_arriving_order_may_cross_inside_its_event(written: Written) -> None:
    rows = [(1, 7, 10, 2, ADD, -1, LAST), (2, 8, 11, 1, ADD, 1, 0), (2, 7, 10, 2, CANCEL, -1, LAST)]
    flow = written(*rows)
    assert check(flow) is flow


def test_a_book_may_be_crossed_while_the_market_is_not_open(written: Written) -> None:
    flow = written((1, 7, 10, 2, ADD, -1, LAST), (2, 8, 11, 1, ADD, 1, LAST), (5, 8, 11, 1, CANCEL, 1, LAST))
    assert check(flow, open_spans=[(5, 9), (20, 30)]) is flow
    with pytest.raises(DataError, match=r"open_spans=\[\(start_ns, end_ns\)\]"):
        check(flow, open_spans=[(2, 5)])
    with pytest.raises(InvalidInput, match="a span ends before it begins"):
        check(flow, open_spans=[(5, 5)])


def test_an_auction_trades_through_nothing(written: Written) -> None:
    rows = [(1, 7, 10, 2, ADD, -1, LAST), (2, 0, 11, 1, TRADE, 0, LAST)]
    flow = written(*rows)
    assert check(flow) is flow


def test_a_price_that_improves_after_a_trade_is_not_traded_through(written: Written) -> None:
    orders = written((1, 8, 11, 1, ADD, -1, LAST), (2, 0, 11, 1, TRADE, 1, 0), (2, 9, 10, 1, ADD, -1, LAST))
    assert check(orders) is orders
    levels = written(
        (1, 0, 9, 3, LEVEL, 1, LAST),
        (2, 0, 9, 1, TRADE, -1, LAST),
        (3, 0, 10, 2, LEVEL, 1, LAST),
        kind="levels",
    )
    assert check(levels) is levels


def test_levels_of_the_trade_s_own_instant_do_not_judge_it(written: Written) -> None:
    """A clock of milliseconds does not say which of the two came first."""
    flow = written(
        (1, 0, 10, 3, LEVEL, 1, 0),
        (1, 0, 9, 3, LEVEL, 1, LAST),
        (2, 0, 9, 1, TRADE, -1, LAST),
        (2, 0, 8, 1, LEVEL, 1, LAST),
        (3, 0, 10, 0, LEVEL, 1, LAST),
        kind="levels",
    )
    assert check(flow) is flow


def test_a_cleared_book_holds_nothing(written: Written) -> None:
    rows = [(1, 7, 10, 2, ADD, -1, LAST), (2, 0, 0, 0, CLEAR, 0, SNAPSHOT), (2, 7, 11, 1, ADD, 1, SNAPSHOT | LAST)]
    flow = written(*rows)
    assert check(flow) is flow


def test_a_statement_about_the_best_is_not_a_change(written: Written) -> None:
    flow = written((1, 0, 10, 3, LEVEL, -1, LAST), (2, 0, 12, 3, TOP, 1, LAST), kind="levels")
    assert check(flow) is flow


def test_a_kind_that_is_none_is_refused(written: Written) -> None:
    with pytest.raises(DataError, match="is of no kind of `FlowKind`"):
        check(written((1, 7, 10, 2, 99, 1, LAST)))


def flow_of(*rows: tuple[int, ...], kind: Any = "orders") -> Flow:
    array = np.array([(ts, ts, *rest) for ts, *rest in rows], dtype=FLOW_DTYPE)
    return Flow(array, Decimal(1), Decimal(1), kind, "file", np.arange(len(array)))


ORDER_ROWS = st.tuples(
    st.integers(0, 9),  # time
    st.integers(1, 5),  # order
    st.integers(-3, 3),  # price
    st.integers(-1, 4),  # lots
    st.sampled_from([ADD, ADD, CANCEL, AMEND, FILL, TRADE, CLEAR]),
    st.sampled_from([1, -1]),
    st.sampled_from([0, LAST, LAST]),
)
LEVEL_ROWS = st.tuples(
    st.integers(0, 9),
    st.just(0),
    st.integers(-3, 3),
    st.integers(-1, 4),
    st.sampled_from([LEVEL, LEVEL, TOP, TRADE, CLEAR]),
    st.sampled_from([1, -1]),
    st.sampled_from([0, LAST, LAST]),
)


@given(rows=st.lists(ORDER_ROWS, max_size=30), spans=st.sampled_from([None, [(3, 6)]]))
def test_whatever_was_told_of_orders_is_possible_once_mended(rows: list[tuple[int, ...]], spans: Any) -> None:
    mended = check(flow_of(*rows), repair=True, open_spans=spans)
    assert check(mended, open_spans=spans) is mended
    dense, slots = dense_orders(mended.rows)
    assert (dense["order"] < slots).all()
    book = RecordedBook()
    for row in mended.rows.tolist():
        book.apply(row)
        assert not (row[7] & LAST and spans is None and book.crossed())


@given(rows=st.lists(LEVEL_ROWS, max_size=30))
def test_whatever_was_told_of_levels_is_possible_once_mended(rows: list[tuple[int, ...]]) -> None:
    mended = check(flow_of(*rows, kind="levels"), repair=True)
    assert check(mended) is mended
    book = RecordedBook()
    for row in mended.rows.tolist():
        book.apply(row)
        assert not (row[7] & LAST and row[5] == LEVEL and book.crossed())
