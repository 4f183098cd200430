"""Ranks and shares of auto-deleveraging, and the linear cascade."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.enums import DeleveragingRisk
from novation.domain.units import E8
from novation.rules.adl import (
    MOST_LEVERAGE_PNL,
    MOST_TOTAL,
    adl_quantile,
    adl_rank,
    allocate_by_queue,
    allocate_lots_pro_rata,
    allocate_pro_rata,
    deleveraging_queue,
    leverage_pnl,
    margin_ratio,
    pnl_ratio,
    risk_of,
)
from novation.rules.cascade import feedback, next_wave, total_fall


def array(values: list[int] | range) -> np.ndarray:
    """int64, as kernels take them."""
    return np.array(values, np.int64)


def queue_of(scores: list[int], accounts: list[int]) -> list[int]:
    """Accounts from the head of the queue."""
    n = len(scores)
    order = array(range(n))
    deleveraging_queue(array(scores), array(accounts), order, n, array([0] * n))
    return [accounts[i] for i in order]


def pro_rata(weights: list[int], deficit: int, accounts: list[int] | None = None) -> list[int]:
    """Shares of a deficit; checks the sum that is returned."""
    n = len(weights)
    taken, ids = array([-1] * n), array(range(n)) if accounts is None else array(accounts)
    total = allocate_pro_rata(array(weights), ids, n, deficit, taken, array([0] * n), array([0] * n))
    assert total == taken.sum()
    return [int(t) for t in taken]


# -- rank -----------------------------------------------------------------------------------------------------------


def test_leverage_pnl_by_hand() -> None:
    """50 of profit on 200, 10 of maintenance: 25 % times 4 % is 1 %."""
    assert pnl_ratio(50 * E8, 200 * E8, E8) == E8 // 4
    assert margin_ratio(10 * E8, 200 * E8, 50 * E8) == E8 // 25
    assert leverage_pnl(50 * E8, 200 * E8, 10 * E8, E8) == E8 * E8 // 100


def test_edges_of_the_published_formula() -> None:
    assert pnl_ratio(-5 * E8, 200 * E8, E8) == 0
    assert pnl_ratio(5 * E8, 0, E8) == pnl_ratio(5 * E8, -7 * E8, E8) == 5 * E8  # a wallet counts at least 1
    assert margin_ratio(E8, 5 * E8, -5 * E8) == margin_ratio(E8, 0, -E8) == 0
    assert leverage_pnl(1 << 60, 0, 1 << 60, E8) == MOST_LEVERAGE_PNL


@given(st.integers(-(1 << 59), 1 << 59), st.integers(-(1 << 59), 1 << 59), st.integers(0, 1 << 59))
def test_leverage_pnl_is_the_product_of_the_cut_ratios(profit: int, wallet: int, maintenance: int) -> None:
    pnl = floor(Fraction(max(0, profit) * E8, max(E8, wallet)))
    behind = wallet + profit
    ratio = floor(Fraction(maintenance * E8, behind)) if behind > 0 else 0
    assert leverage_pnl(profit, wallet, maintenance, E8) == min(MOST_LEVERAGE_PNL, pnl * min(ratio, 4 * 10**18))


@given(st.lists(st.integers(0, 4), max_size=20), st.randoms())
def test_the_queue_does_not_depend_on_the_order_of_the_table(scores: list[int], random: object) -> None:
    rows = list(enumerate(scores))
    expected = [a for a, _ in sorted(rows, key=lambda row: (-row[1], row[0]))]
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert queue_of([s for _, s in rows], [a for a, _ in rows]) == expected


def test_quintiles_of_the_queue_and_the_ranks_of_the_plan() -> None:
    assert [adl_quantile(place, 10, 1) for place in range(10)] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert [adl_quantile(place, 3, 1) for place in range(3)] == [4, 3, 1]
    assert adl_quantile(0, 1, 1) == 4
    assert adl_quantile(0, 1, 0) == 0  # nothing to gain from it
    assert [adl_rank(q) for q in range(5)] == [1, 2, 3, 4, 5]
    low, medium, high, critical = DeleveragingRisk
    assert [risk_of(rank) for rank in range(1, 6)] == [low, low, medium, high, critical]


# -- shares ---------------------------------------------------------------------------------------------------------


def test_v10_pro_rata_haircut() -> None:
    """A deficit of 100 over profits of 500/300/150/50: a tenth each (facts/validation_tables.md V10)."""
    assert pro_rata([500, 300, 150, 50], 100) == [50, 30, 15, 5]
    assert pro_rata([500, -70, 300, 0, 150, 50], 100) == [50, 0, 30, 0, 15, 5]


def test_what_the_floors_leave_goes_to_the_largest_remainders() -> None:
    assert pro_rata([1, 1, 1], 2) == [1, 1, 0]
    assert pro_rata([1, 1, 1], 2, [9, 4, 5]) == [0, 1, 1]
    assert pro_rata([5, 3, 2], 4) == [2, 1, 1]  # 2, 1.2, 0.8
    assert pro_rata([5, 3, 2], 11) == [5, 3, 2]
    assert pro_rata([5, 3, 2], 0) == pro_rata([5, 3, 2], -4) == [0, 0, 0]
    assert pro_rata([-5, 0], 7) == [0, 0]


@given(st.lists(st.integers(-10, 10) | st.integers(0, 1 << 55), max_size=30), st.integers(0, 1 << 60), st.randoms())
def test_shares_are_fair_whole_and_independent_of_the_order(weights: list[int], deficit: int, random: object) -> None:
    shares = pro_rata(weights, deficit)
    total = sum(w for w in weights if w > 0)
    asked = min(deficit, total)
    assert sum(shares) == asked
    for weight, share in zip(weights, shares, strict=True):
        if weight <= 0:
            assert share == 0
        else:
            assert 0 <= share <= weight
            assert abs(share - Fraction(asked * weight, total)) < 1
    rows = list(enumerate(weights))
    random.shuffle(rows)  # type: ignore[attr-defined]
    again = pro_rata([w for _, w in rows], deficit, [a for a, _ in rows])
    assert dict(zip((a for a, _ in rows), again, strict=True)) == dict(enumerate(shares))


def lots_of(profits: list[int], sizes: list[int], lots: int, accounts: list[int] | None = None) -> list[int]:
    """Lots closed pro rata; checks the sum that is returned."""
    n = len(profits)
    taken, ids = array([-1] * n), array(range(n)) if accounts is None else array(accounts)
    scratch = array([0] * n), array([0] * n)
    total = allocate_lots_pro_rata(array(profits), array(sizes), ids, n, lots, taken, *scratch)
    assert total == taken.sum()
    return [int(t) for t in taken]


def test_v10_lots_follow_the_profits() -> None:
    """Every lot gives up the same at one price: 100 lots over profits of 500/300/150/50 are 50/30/15/5."""
    assert lots_of([500, 300, 150, 50], [100] * 4, 100) == [50, 30, 15, 5]
    assert lots_of([500, -70, 300, 0, 150, 50], [100] * 6, 100) == [50, 0, 30, 0, 15, 5]


def test_who_would_give_more_than_there_is_gives_all_and_the_others_share_the_rest() -> None:
    # 50 is more than 20: 20, and 80 over 300/150/50 are 48/24/8
    assert lots_of([500, 300, 150, 50], [20, 100, 100, 100], 100) == [20, 48, 24, 8]
    assert lots_of([500, 300, 150, 50], [20, 30, 10, 5], 100) == [20, 30, 10, 5]
    assert lots_of([1, 1, 1], [9, 9, 9], 2, [9, 4, 5]) == [0, 1, 1]
    assert lots_of([], [], 5) == []


@given(
    st.lists(st.tuples(st.integers(-10, 1 << 50), st.integers(1, 60)), max_size=12), st.integers(0, 500), st.randoms()
)
def test_lots_closed_pro_rata_are_whole_within_sizes_and_independent_of_the_order(
    rows: list[tuple[int, int]], lots: int, random: object
) -> None:
    profits, sizes = [profit for profit, _ in rows], [size for _, size in rows]
    taken = lots_of(profits, sizes, lots)
    assert sum(taken) == min(lots, sum(size for profit, size in rows if profit > 0))
    for (profit, size), closed in zip(rows, taken, strict=True):
        assert 0 <= closed <= size
        assert profit > 0 or closed == 0
    open_ = [
        (profit, closed) for (profit, size), closed in zip(rows, taken, strict=True) if profit > 0 and closed < size
    ]
    for profit, closed in open_:  # of two who have lots left, their lots are as their profits, to within one
        for other, more in open_:
            assert (closed - 1) * other <= (more + 1) * profit
    shuffled = list(enumerate(rows))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = lots_of([row[0] for _, row in shuffled], [row[1] for _, row in shuffled], lots, [a for a, _ in shuffled])
    assert dict(zip((a for a, _ in shuffled), again, strict=True)) == dict(enumerate(taken))


def test_profits_of_a_whole_market_are_weighed_in_larger_units() -> None:
    profits = [MOST_TOTAL, MOST_TOTAL // 2, MOST_TOTAL // 2, 1]  # twice what can be added
    assert lots_of(profits, [10**6] * 4, 1_000) == [500, 250, 250, 0]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-5, 20)), max_size=12), st.integers(-5, 400))
def test_the_queue_is_taken_from_its_head(rows: list[tuple[int, int]], deficit: int) -> None:
    n = len(rows)
    lots, profits = array([size for size, _ in rows]), array([p for _, p in rows])
    order, taken = array(range(n)), array([-1] * n)
    deleveraging_queue(profits, array(range(n)), order, n, array([0] * n))
    total = allocate_by_queue(order, lots, profits, n, deficit, taken)
    there = sum(size for size, profit in rows if profit > 0)
    assert total == taken.sum() == min(max(0, deficit), there)
    open_before = True
    for row in order:
        size, profit = rows[row]
        assert 0 <= taken[row] <= size
        if profit <= 0:
            assert taken[row] == 0
            continue
        assert open_before or taken[row] == 0
        open_before = open_before and taken[row] == size


# -- cascade --------------------------------------------------------------------------------------------------------

DEEP = 1 << 60


@pytest.mark.parametrize(("n", "times"), [("0", 1), ("0.5", 2), ("0.8", 5)])
def test_v10_linear_cascade(n: str, times: int) -> None:
    """total = initial / (1 - n): n = 0.5 doubles, n = 0.8 is five times (facts/validation_tables.md V10)."""
    assert total_fall(100 * E8, int(Fraction(n) * E8), DEEP) == times * 100 * E8


def test_a_cascade_of_one_or_more_exhausts_the_book() -> None:
    for n in (E8, E8 + 1, 3 * E8):
        assert total_fall(E8, n, 70 * E8) == 70 * E8
    assert total_fall(100 * E8, 80_000_000, 70 * E8) == 70 * E8  # the book ends first
    assert total_fall(0, 3 * E8, 70 * E8) == 0


@given(st.integers(1, 1 << 40), st.integers(0, E8 - 1_000))
def test_waves_add_up_to_the_closed_form(initial: int, n: int) -> None:
    exact = initial / (1 - Fraction(n, E8))
    assert total_fall(initial, n, 1 << 62) == floor(exact)
    total, wave, waves = 0, initial, 0
    while wave > 0 and waves < 500:
        total, wave, waves = total + wave, next_wave(wave, n), waves + 1
    assert total <= exact  # each wave is rounded down


def test_feedback_is_what_is_forced_times_what_it_moves() -> None:
    assert feedback(40, 2_000_000) == 80_000_000
