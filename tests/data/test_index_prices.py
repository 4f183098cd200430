"""Index samples out of constituents: weights, outliers, silence; and as rows that a venue takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.data.index_prices import index_prices, index_rows
from novation.domain.enums import MarketEventKind
from novation.domain.errors import InvalidInput
from novation.domain.units import E8, NS
from novation.rules.price_index import MEDIAN, NO_INDEX, WEIGHTED_MEAN, price_index
from tests.conftest import scaled
from tests.venues.test_marks import DAY, pair

#: facts/binance.md §1: weights of BTCUSDT in 2025-04, in 1e-8.
WEIGHTS = np.array([51_282_051, 15_384_615, 7_692_308, 7_692_308, 7_692_308, 7_692_308, 2_564_103])


def test_one_source_too_far_counts_for_nothing_and_two_make_it_the_median() -> None:
    spot = np.full((3, 7), 50_000 * E8)
    spot[1, 0] = 60_000 * E8
    spot[2, :2] = [60_000 * E8, 40_000 * E8]
    samples = index_prices(np.arange(3) * NS, spot, WEIGHTS)
    assert samples.how.tolist() == [WEIGHTED_MEAN, WEIGHTED_MEAN, MEDIAN]
    assert samples.index_e8.tolist() == [50_000 * E8] * 3


def test_a_source_is_silent_for_ten_seconds_before_it_stops_counting() -> None:
    at = np.array([0, 9, 10, 30]) * NS
    spot = np.array([[100, 102], [0, 102], [0, 102], [0, 0]]) * E8
    samples = index_prices(at, spot, np.array([1, 1]))
    # at 30 s nobody has spoken for ten seconds: the index before is kept
    assert (samples.index_e8 // E8).tolist() == [101, 101, 102, 102]
    assert samples.how.tolist()[-1] == NO_INDEX


@settings(max_examples=scaled(300, 30))
@given(st.data())
def test_rows_are_the_rule_applied_one_by_one(data: st.DataObject) -> None:
    rows, sources = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    steps = data.draw(st.lists(st.integers(1, 15), min_size=rows, max_size=rows))
    prices = st.sampled_from([0, 9_000, 9_990, 10_000, 10_011, 12_000])
    spot = [[data.draw(prices) for _ in range(sources)] for _ in range(rows)]
    weights = data.draw(st.lists(st.integers(1, 100), min_size=sources, max_size=sources))
    at = np.cumsum(steps) * NS
    samples = index_prices(at, np.array(spot), np.array(weights))
    held, updated, kept = [0] * sources, [-(10**18)] * sources, 0
    for row in range(rows):
        for k in range(sources):
            if spot[row][k]:
                held[k], updated[k] = spot[row][k], int(at[row])
        found, how = price_index(
            np.array(held), np.array(weights), np.array(updated), sources, int(at[row]), 5_000_000, 10 * NS
        )
        kept = found if how else kept
        assert (samples.index_e8[row], samples.how[row]) == (kept, how)


def test_rows_are_what_a_venue_takes() -> None:
    both = pair(accounts=1)
    rows = index_rows(0, DAY + np.arange(3) * NS, np.array([10_000, 10_001, 10_002]) * E8)
    both.venue.advance(DAY + 2 * NS, rows)
    assert both.venue.funding(0).index_e8 == 10_002 * E8
    assert set(rows["kind"]) == {MarketEventKind.INDEX}


@pytest.mark.parametrize(
    ("at", "spot", "weights", "why"),
    [
        ([0, 0], [[1], [1]], [1], "ascending"),
        ([0], [[1, 2]], [1], "one price an instant and source"),
        ([0], [[-1]], [1], "negative"),
        ([0], [[1 << 50]], [1], "below"),
        ([0], [[1]], [0], "weights"),
    ],
)
def test_what_makes_no_index_is_refused(at: list[int], spot: list[list[int]], weights: list[int], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        index_prices(np.array(at), np.array(spot), np.array(weights))
