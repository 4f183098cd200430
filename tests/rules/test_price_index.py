"""Index with its protections, the three inputs of the mark, settlement means."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from statistics import median

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novation.domain.units import E8, HOUR_NS, NS, to_e8
from novation.rules.price_index import (
    MEDIAN,
    NO_INDEX,
    OUTLIER_2020_E8,
    STALE_2020_NS,
    WEIGHTED_MEAN,
    mark_price,
    price_index,
    price_one,
    price_two,
    settlement_mean,
    twice_basis,
)

NOW = 1_000 * NS
#: One source: price 1e-8, weight, seconds since its last update.
Source = tuple[int, int, int]


def index_of(sources: Sequence[Source]) -> tuple[int, int]:
    """The index with the thresholds of the 2020 text."""
    prices, weights, ages = (np.array(column, np.int64) for column in zip(*sources, strict=True))
    found = price_index(prices, weights, NOW - ages * NS, len(sources), NOW, OUTLIER_2020_E8, STALE_2020_NS)
    return int(found[0]), int(found[1])


def index_in_fractions(sources: Sequence[Source]) -> tuple[int, int]:
    """The same by its words."""
    live = [(Fraction(p), w) for p, w, age in sources if p > 0 and age < 10]
    if not live:
        return 0, NO_INDEX
    middle = median(p for p, _ in live)
    near = [(p, w) for p, w in live if abs(p - middle) <= middle / 20]
    weight = sum(w for _, w in near)
    if len(live) - len(near) > 1 or weight == 0:
        return floor(middle), MEDIAN
    return floor(sum(p * w for p, w in near) / weight), WEIGHTED_MEAN


#: The weights of BTCUSDT in 2025-04 (facts/binance.md §1).
WEIGHTS = (51_282_051, 15_384_615, 7_692_308, 7_692_308, 7_692_308, 7_692_308, 2_564_103)


def test_the_weights_of_the_sample_are_the_index() -> None:
    assert sum(WEIGHTS) == E8 + 1  # rounded at the eighth decimal each
    prices = [to_e8(p) for p in ("94000", "94010", "93990", "94005", "94001", "93999.5", "94100")]
    exact = Fraction(sum(p * w for p, w in zip(prices, WEIGHTS, strict=True)), sum(WEIGHTS))
    assert index_of([(p, w, 0) for p, w in zip(prices, WEIGHTS, strict=True)]) == (floor(exact), WEIGHTED_MEAN)


@pytest.mark.parametrize(
    ("sources", "index", "how"),
    [
        ([("100", 1, 0), ("100", 1, 0), ("105", 2, 0)], "102.5", WEIGHTED_MEAN),  # 5 % off is not more than 5 %
        ([("100", 1, 0), ("100", 1, 0), ("105.00000001", 2, 0)], "100", WEIGHTED_MEAN),
        ([("100", 1, 0), ("100", 1, 0), ("94.99999999", 2, 0)], "100", WEIGHTED_MEAN),
        ([("100", 1, 0), ("102", 1, 0), ("110", 2, 0), ("90", 2, 0), ("101", 9, 0)], "101", MEDIAN),
        ([("100", 1, 0), ("120", 1, 0)], "110", MEDIAN),  # both are off the middle of two
        ([("100", 1, 0), ("102", 3, 9), ("200", 9, 10)], "101.5", WEIGHTED_MEAN),  # ten seconds of silence
        ([("100", 1, 11)], "0", NO_INDEX),
        ([("0", 1, 0)], "0", NO_INDEX),
        ([("100", 0, 0), ("101", 0, 0), ("150", 1, 0)], "101", MEDIAN),  # no weight is left
    ],
)
def test_protections_of_the_index(sources: list[tuple[str, int, int]], index: str, how: int) -> None:
    assert index_of([(to_e8(p), w, age) for p, w, age in sources]) == (to_e8(index), how)


source = st.tuples(
    st.integers(90 * E8, 110 * E8) | st.integers(0, 1 << 53) | st.sampled_from([95 * E8, 100 * E8, 105 * E8]),
    st.integers(0, E8),
    st.sampled_from([0, 0, 0, 9, 10, 60]),
)


@given(st.lists(source, min_size=1, max_size=10))
@example([(1 << 53, E8, 0)] * 10)
def test_the_index_is_exact_and_does_not_depend_on_the_order(sources: list[Source]) -> None:
    assert index_of(sources) == index_in_fractions(sources)
    assert index_of(sources[::-1]) == index_of(sources)


# -- mark price -----------------------------------------------------------------------------------------------------


def test_m1_price_one() -> None:
    """Index 10,000, last rate 0.03 %, four of eight hours to go: 10,001.5 (facts/binance.md §1)."""
    assert price_one(to_e8("10000"), to_e8("0.0003"), 4 * HOUR_NS, 8 * HOUR_NS) == to_e8("10001.5")


@given(st.integers(1, 1 << 53), st.integers(-3_000_000, 3_000_000), st.integers(0, E8), st.sampled_from([1, 2, 4, 8]))
@example(1 << 53, -3_000_000, E8, 8)
def test_price_one_is_exact(index: int, rate: int, share: int, hours: int) -> None:
    interval = hours * HOUR_NS
    left = interval * share // E8
    exact = index * (1 + Fraction(rate, E8) * Fraction(left, interval))
    assert price_one(index, rate, left, interval) == floor(exact)


@given(st.integers(1, 1 << 50), st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 10**6)), max_size=30))
def test_price_two_is_the_index_plus_the_mean_basis(index: int, samples: list[tuple[int, int]]) -> None:
    quotes = [(index + off, index + off + spread) for off, spread in samples]
    total = sum(twice_basis(bid, ask, index) for bid, ask in quotes)
    basis = sum(Fraction(bid + ask, 2) - index for bid, ask in quotes) / max(1, len(quotes))
    assert price_two(index, total, len(quotes)) == floor(index + basis)


@given(st.permutations([1, 5, 9]), st.sampled_from([1, 5, 9]))
def test_the_mark_is_the_median(prices: list[int], twin: int) -> None:
    assert mark_price(*prices) == 5
    assert mark_price(prices[0], twin, twin) == twin


def test_a_delivery_settles_at_the_mean_of_1800_samples() -> None:
    samples = [to_e8(27_000) + i for i in range(1_800)]
    assert settlement_mean(sum(samples), len(samples)) == to_e8(27_000) + 899  # exactly 899.5
    assert settlement_mean(1_800 * to_e8(50_000_000), 1_800) == to_e8(50_000_000)
