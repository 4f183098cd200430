"""Wide quotients, ratios, orderings and prices of values against Python's own numbers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st

from novation.domain.units import E8, to_e8
from novation.rules.ordering import sort_rows
from novation.rules.price_of_value import (
    break_even_price,
    entry_price,
    highest_price_worth,
    lowest_price_worth,
)
from novation.rules.wide import MOST_RATIO_E8, ratio_e8, wide_mul_div_rem

amounts = st.one_of(st.integers(0, (1 << 62) - 1), st.integers(0, 10**6), st.integers(0, 61).map(lambda b: 1 << b))
divisors = st.one_of(st.integers(1, 1 << 60), st.integers(0, 60).map(lambda b: 1 << b), st.integers(1, 1000))


@given(amounts, amounts, divisors)
@example((1 << 62) - 1, 1 << 60, 1 << 60)
@example((1 << 62) - 1, (1 << 60) - 1, 1 << 60)
@example((1 << 61) - 1, (1 << 61) - 1, 1 << 60)
@example(E8, 1 << 50, (1 << 50) + 1)
def test_wide_quotients_equal_python(a: int, b: int, c: int) -> None:
    assume(a * b // c < 1 << 62)
    assert tuple(wide_mul_div_rem(a, b, c)) == divmod(a * b, c)


@given(st.integers(-(1 << 62) + 1, (1 << 62) - 1), divisors)
@example(MOST_RATIO_E8, E8)
@example(-MOST_RATIO_E8, E8)
@example(MOST_RATIO_E8 - 1, E8)
def test_ratios_are_rounded_down_and_capped(a: int, b: int) -> None:
    exact = floor(Fraction(a * E8, b))
    shown = ratio_e8(a, b)
    if abs(Fraction(a, b)) < MOST_RATIO_E8 // E8:
        assert shown == exact
    else:
        assert shown == (MOST_RATIO_E8 if a > 0 else -MOST_RATIO_E8)


@given(st.lists(st.integers(-5, 5) | st.integers(-(1 << 62), 1 << 62), max_size=60), st.randoms())
def test_rows_are_sorted_by_key_and_then_id(keys: list[int], random: object) -> None:
    ids = list(range(len(keys)))
    random.shuffle(ids)  # type: ignore[attr-defined]
    order = np.full(len(keys) + 1, -7, np.int64)
    sort_rows(np.array(keys, np.int64), np.array(ids, np.int64), order, len(keys))
    assert order[:-1].tolist() == sorted(range(len(keys)), key=lambda i: (keys[i], ids[i]))
    assert order[-1] == -7


# -- the price of a value -------------------------------------------------------------------------------------------

parts = st.sampled_from([0, 1, E8, 10**16 - 1, 5 * 10**15]) | st.integers(0, 10**16 - 1)
lot_values = st.sampled_from([1, 1_000, 100_000, 10_000_000, 50_000_000, E8, 100 * E8, 12_345])


@given(st.integers(-10, 1 << 50) | st.integers(0, 10**6), parts, st.integers(1, 1 << 34), lot_values)
@example(0, 0, 1, 1)
@example(10**9, 10**15, 3, E8)
def test_prices_of_a_value_are_the_nearest_on_their_side(whole: int, part: int, lots: int, lot_value: int) -> None:
    per_price = Fraction(lots * lot_value, E8)
    exact = (whole + Fraction(part, 10**16)) / per_price
    assume(exact < 1 << 61)
    assert highest_price_worth(whole, part, lots, lot_value) == max(0, floor(exact))
    assert lowest_price_worth(whole, part, lots, lot_value) == max(0, ceil(exact))


def test_prices_of_the_largest_positions_stay_inside_int64() -> None:
    lots, lot_value = 1 << 60, E8  # a coin sold by the piece, at a hundred-millionth
    assert highest_price_worth((1 << 60) + 1, 0, lots, lot_value) == 1
    assert lowest_price_worth((1 << 60) + 1, 0, lots, lot_value) == 2


def test_p1_break_even_price() -> None:
    """30 ADAUSDT at 0.385, 2 bps paid: 0.385077 (facts/binance.md §3, sample P1)."""
    cost, fee = to_e8("11.55"), to_e8("0.00231")
    assert entry_price(cost, 30, E8) == to_e8("0.385")
    assert break_even_price(cost, 30, E8, fee) == to_e8("0.385077")
    assert break_even_price(-cost, -30, E8, fee) == to_e8("0.384923")
