"""Orders that a record shows across the best until their trades are told, held back until then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from novation.data.flow import Flow, check, dense_orders, hold_arrivals, read_order_events
from novation.domain.flow import LAST, FlowKind
from tests.reference.recorded_book import RecordedBook

Told = Callable[[Flow], list[str]]
Written = Callable[..., Flow]
ADD, CANCEL, AMEND, FILL, TRADE = 2, 3, 4, 5, 6


def test_an_arrival_joins_with_what_is_left_of_it_when_its_event_ends(told: Told, written: Written) -> None:
    flow = written(
        (1, 1, 10, 5, ADD, -1, LAST),
        (2, 2, 11, 8, ADD, 1, 0),  # arrives across the best
        (3, 3, 9, 1, ADD, 1, 0),
        (4, 2, 10, 5, TRADE, 1, 0),
        (4, 1, 10, 5, FILL, -1, 0),
        (5, 2, 11, 5, CANCEL, 1, LAST),
        (6, 2, 11, 3, CANCEL, 1, LAST),
    )
    held = check(hold_arrivals(flow))
    assert told(held) == [
        "ADD - #1 5@10 t1 |",
        "ADD + #3 1@9 t3",
        "TRADE + #2 5@10 t4",
        "FILL - #1 5@10 t4",
        "ADD + #2 3@11 t5 |",
        "CANCEL + #2 3@11 t6 |",
    ]
    assert held.records.tolist() == [101, 103, 104, 105, 102, 107]


def test_one_without_rest_never_joins_and_one_that_is_filled_rests_already(told: Told, written: Written) -> None:
    flow = written(
        (1, 1, 10, 5, ADD, -1, LAST),
        (2, 2, 11, 5, ADD, 1, 0),
        (3, 2, 10, 5, TRADE, 1, 0),
        (3, 2, 11, 5, CANCEL, 1, 0),
        (3, 1, 10, 5, FILL, -1, LAST),
        (4, 3, 10, 5, ADD, -1, LAST),
        (5, 4, 11, 9, ADD, 1, 0),
        (6, 3, 10, 5, FILL, -1, 0),
        (7, 9, 11, 2, TRADE, -1, 0),
        (7, 4, 11, 2, FILL, 1, LAST),
    )
    assert told(hold_arrivals(flow)) == [
        "ADD - #1 5@10 t1 |",
        "TRADE + #2 5@10 t3",
        "FILL - #1 5@10 t3 |",
        "ADD - #3 5@10 t4 |",
        "FILL - #3 5@10 t6",
        "TRADE - #9 2@11 t7",
        "ADD + #4 9@11 t7",
        "FILL + #4 2@11 t7 |",
    ]


def test_an_order_amended_across_the_best_leaves_its_place_first(told: Told, written: Written) -> None:
    flow = written(
        (1, 1, 10, 5, ADD, -1, LAST),
        (2, 2, 9, 8, ADD, 1, LAST),
        (3, 2, 10, 8, AMEND, 1, 0),
        (3, 2, 10, 5, TRADE, 1, 0),
        (3, 1, 10, 5, FILL, -1, 0),
        (3, 2, 10, 3, AMEND, 1, LAST),
    )
    assert told(check(hold_arrivals(flow)))[2:] == [
        "CANCEL + #2 8@9 t3",
        "TRADE + #2 5@10 t3",
        "FILL - #1 5@10 t3",
        "ADD + #2 3@10 t3 |",
    ]


@pytest.mark.data
def test_the_real_record_is_never_crossed_by_an_arrival_and_ends_in_the_same_book(novation_data: Path) -> None:
    path = novation_data / "crypto_l3/bitstamp_btcusd_2015-05-01_orders.csv.xz"
    flow = read_order_events(path, tick="0.01", repair=True)
    held = hold_arrivals(flow)
    before, after = RecordedBook(), RecordedBook()
    for row in flow.rows.tolist():
        before.apply(row)
    crossed = 0
    for row in held.rows.tolist():
        after.apply(row)
        crossed += row[5] == FlowKind.ADD and after.crossed()
    assert crossed == 0
    assert after.shown == before.shown
    assert len(held) < len(flow)
    dense_orders(held.rows)
