"""A tournament always knows the row of the highest key, the lowest row on a tie."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novation.rules.ordering import play_all, replay

HEIGHTS = st.integers(1, 5)


@given(HEIGHTS, st.data())
def test_the_root_is_the_highest_key_whatever_changes(height: int, data: st.DataObject) -> None:
    size = 1 << height
    keys = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=size, max_size=size)), np.int64)
    winners = np.zeros(size, np.int64)
    play_all(keys, winners)
    assert winners[1] == np.argmax(keys)
    for row, key in data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(-1, 4)), max_size=20)):
        replay(keys, winners, row, key)
        assert keys[row] == key
        assert winners[1] == np.argmax(keys)


def test_a_tournament_of_one_row_changes_its_key_alone() -> None:
    keys, winners = np.array([3], np.int64), np.zeros(1, np.int64)
    play_all(keys, winners)
    replay(keys, winners, 0, 7)
    assert keys[0] == 7
