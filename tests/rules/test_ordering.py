"""Sorting by digits is sorting; a tournament always knows the row of the highest key, the smallest id on a tie."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novation.rules.ordering import how_many_up_to, play_all, replay, sort_ascending, winner_before

HEIGHTS = st.integers(0, 5)
KEYS = st.one_of(st.integers(-4, 4), st.integers(-(1 << 60), 1 << 60))


def best(keys: np.ndarray, ids: np.ndarray, end: int) -> int:
    return min(range(end), key=lambda row: (-int(keys[row]), int(ids[row])), default=-1)


@given(HEIGHTS, st.data())
def test_the_winner_is_the_highest_key_whatever_changes(height: int, data: st.DataObject) -> None:
    size = 1 << height
    keys = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=size, max_size=size)), np.int64)
    ids = np.array(data.draw(st.permutations(range(size))), np.int64)
    winners = np.zeros(size, np.int64)
    play_all(keys, ids, winners)
    for row, key in [(0, keys[0]), *data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(-1, 4))))]:
        replay(keys, ids, winners, row, key)
        assert keys[row] == key
        for end in range(size + 1):
            assert winner_before(keys, ids, winners, end) == best(keys, ids, end)


@given(st.lists(KEYS, min_size=1, max_size=40), st.integers(0, 12), KEYS)
def test_rows_are_sorted_by_ascending_key_and_equals_stay_as_they_are(keys: list[int], bits: int, key: int) -> None:
    order, swapped, starts = (np.zeros(size, np.int64) for size in (len(keys), len(keys), max(2, 1 << bits)))
    sort_ascending(np.array(keys, np.int64), order, swapped, starts, len(keys))
    assert order.tolist() == sorted(range(len(keys)), key=lambda row: keys[row])
    ascending = sorted(keys)
    assert how_many_up_to(np.array(ascending, np.int64), len(keys), key) == bisect_right(ascending, key)


def test_nothing_is_sorted() -> None:
    empty = np.zeros(0, np.int64)
    sort_ascending(np.zeros(1, np.int64), empty, empty, np.zeros(1, np.int64), 0)
    assert how_many_up_to(empty, 0, 5) == 0
