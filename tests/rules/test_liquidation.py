"""Order, size and number of what is liquidated, against a search through every size."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novation.domain.enums import LiquidationPriority
from novation.domain.units import E8
from novation.rules.liquidation import (
    closing_fees,
    complies_after,
    equity_after,
    lots_in_bracket,
    lots_within,
    partial_lots,
    positions_to_close,
    priority_key,
)
from novation.rules.ordering import sort_rows

LOT_VALUE = 100_000  # 0.001 coin
#: (cap, rate), of a table steep enough for positions of a hundred lots to cross it.
STEEP = ((1_000 * E8, 400_000), (3_000 * E8, 1_000_000), (6_000 * E8, 5_000_000), (1 << 62, 12_500_000))
Brackets = Sequence[tuple[int, int]]


def cums_of(brackets: Brackets) -> list[int]:
    """The recurrence of facts/binance.md §3."""
    cums = [0]
    for (cap, rate), (_, above) in pairwise(brackets):
        cums.append(cums[-1] + cap * (above - rate) // E8)
    return cums


def arrays(brackets: Brackets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brackets as the kernel takes them."""
    caps, rates = zip(*brackets, strict=True)
    return np.array(caps, np.int64), np.array(rates, np.int64), np.array(cums_of(brackets), np.int64)


def maintenance_of(value: Fraction, brackets: Brackets) -> Fraction:
    """Exact maintenance of a value, by marginal rates: no cum in it."""
    total, floor_of = Fraction(0), 0
    for cap, rate in brackets:
        total += max(Fraction(0), min(value, cap) - floor_of) * Fraction(rate, E8)
        floor_of = cap
    return total


def complies_by_words(
    closed: int,
    lots: int,
    equity: int,
    others: Fraction,
    mark: int,
    price: int,
    fees: tuple[int, int],
    target: int,
    brackets: Brackets,
) -> bool:
    """maintenance <= target * equity after a close, in fractions."""
    side = 1 if lots > 0 else -1
    traded = price * closed * LOT_VALUE // E8
    left = equity + side * Fraction((price - mark) * closed * LOT_VALUE, E8)
    left -= sum(floor(Fraction(traded * fee, E8)) for fee in fees)
    value = Fraction(mark * (abs(lots) - closed) * LOT_VALUE, E8)
    return others + maintenance_of(value, brackets) <= Fraction(target, E8) * left and left >= 0


def fewest(lots: int, *rest: object) -> int:
    """The smallest size that complies, every one tried; all lots if none does."""
    return next((n for n in range(abs(lots) + 1) if complies_by_words(n, lots, *rest)), abs(lots))  # type: ignore[arg-type]


# -- how much -------------------------------------------------------------------------------------------------------


@given(
    lots=st.integers(1, 160).flatmap(lambda n: st.sampled_from([n, -n])),
    equity=st.integers(0, 900 * E8),
    others=st.integers(0, 100 * E8),
    mark=st.integers(40_000 * E8, 60_000 * E8),
    slip=st.integers(-E8 // 100, E8 // 20),
    fees=st.sampled_from([(0, 0), (50_000, 0), (50_000, 1_250_000), (40_000, 500_000)]),
    target=st.sampled_from([E8, 80_000_000, 66_666_666]),
)
@example(lots=100, equity=300 * E8, others=0, mark=50_000 * E8, slip=0, fees=(50_000, 0), target=E8)
def test_partial_size_is_the_smallest_that_complies(
    lots: int, equity: int, others: int, mark: int, slip: int, fees: tuple[int, int], target: int
) -> None:
    side = 1 if lots > 0 else -1
    price = mark - side * (mark * slip // E8)
    position, account = (lots, LOT_VALUE, mark, price), (equity, 0, others, 0)
    found = partial_lots(position, account, (fees[0], 0, fees[1]), arrays(STEEP), target)
    assert found == fewest(lots, equity, Fraction(others), mark, price, fees, target, STEEP)


@given(
    closed=st.integers(0, 100),
    side=st.sampled_from([1, -1]),
    per_lot=st.sampled_from([0, 3, 1_000_000]),
    equity=st.integers(0, 500 * E8),
    part=st.integers(0, E8 - 1),
    others_part=st.integers(0, E8 * E8 - 1),
    mark=st.integers(1, 1 << 43),
    price=st.integers(1, 1 << 43),
)
def test_the_decision_is_exact_to_the_last_part(
    closed: int, side: int, per_lot: int, equity: int, part: int, others_part: int, mark: int, price: int
) -> None:
    fees, target = (50_000, per_lot, 1_250_000), 90_000_000
    rate, lots = 400_000, 100 * side
    position, account = (lots, LOT_VALUE, mark, price), (equity, part * E8, 7 * E8, others_part)
    whole, whole_part = equity_after(closed, position, account)
    traded = price * closed * LOT_VALUE // E8
    left = equity + Fraction(part, E8) + side * Fraction((price - mark) * closed * LOT_VALUE, E8)
    assert whole + Fraction(whole_part, E8 * E8) == left
    charged = (traded * 50_000 // E8 + closed * per_lot, traded * 1_250_000 // E8)
    assert closing_fees(closed, position, fees) == charged
    left -= sum(charged)
    others = 7 * E8 + Fraction(others_part, E8 * E8)
    needed = others + Fraction(mark * (100 - closed) * LOT_VALUE * rate, E8 * E8)
    answer = complies_after(closed, position, account, fees, (rate, 0, 0), target)
    assert bool(answer) == (left >= 0 and needed <= left * Fraction(target, E8))


def at_50_000(lots: int) -> tuple[int, int, int, int]:
    """A position marked and filled at 50,000."""
    return lots, LOT_VALUE, 50_000 * E8, 50_000 * E8


def test_an_account_that_complies_loses_nothing() -> None:
    assert partial_lots(at_50_000(10), (500 * E8, 0, 0, 0), (0, 0, 0), arrays(STEEP), E8) == 0


def test_a_fee_above_the_maintenance_rate_closes_everything() -> None:
    """Fee rate > MMR in the first brackets: always fully liquidated (facts/binance.md §5, small accounts)."""
    needed = 20 * 50_000 * LOT_VALUE * 400_000 // E8
    account, one = (needed - 1, 0, 0, 0), arrays(((1 << 62, 400_000),))
    assert partial_lots(at_50_000(20), account, (50_000, 0, 1_250_000), one, E8) == 20
    assert partial_lots(at_50_000(20), account, (50_000, 0, 0), one, E8) == 1


def test_reducing_stops_inside_the_bracket_that_is_enough() -> None:
    """100 lots at 50,000 are worth 5,000 and need 124; 60 are there.

    By hand: 1,000 * 0.4 % + 2,000 * 1 % + (v - 3,000) * 5 % = 60 gives v = 3,720; at 50 a lot 74 may stay, 26 go.
    """
    assert partial_lots(at_50_000(100), (60 * E8, 0, 0, 0), (0, 0, 0), arrays(STEEP), E8) == 26


def test_a_margin_per_contract_is_an_amount_for_each_lot_left() -> None:
    """10 lots that need 7 each, with 50 and a fee of 1 a lot: 7 (10 - k) <= 50 - k from k = 4 on."""
    account, fees = (50, 0, 0, 0), (0, 1, 0)
    assert lots_in_bracket(0, 10, at_50_000(10), account, fees, (0, 0, 7), E8) == 4


def test_sizes_within_a_cap() -> None:
    assert lots_within(1_000 * E8, 100, LOT_VALUE, 50_000 * E8) == 20
    assert lots_within(1_000 * E8 - 1, 100, LOT_VALUE, 50_000 * E8) == 19
    assert lots_within(1 << 62, 100, LOT_VALUE, 50_000 * E8) == 100
    assert lots_within(0, 100, LOT_VALUE, 50_000 * E8) == 0


def test_a_bracket_without_sizes_or_answers_gives_none() -> None:
    rest = (at_50_000(100), (0, 0, 0, 0), (0, 0, 0), (400_000, 0, 0), E8)
    assert lots_in_bracket(5, 5, *rest) == 0
    assert lots_in_bracket(5, 99, *rest) == 0
    assert lots_in_bracket(5, 100, *rest) == 100  # nothing is left that needs margin


def test_a_large_position_of_a_cheap_coin_stays_inside_int64() -> None:
    mark, lots = 1_000, 1 << 50  # 0.00001 a coin, sold by the piece
    account, one = (lots * mark // 200, 0, 0, 0), arrays(((1 << 62, 1_000_000),))
    assert partial_lots((lots, E8, mark, mark), account, (0, 0, 0), one, E8) == lots // 2


# -- which ----------------------------------------------------------------------------------------------------------

#: (profit, initial, maintenance, |value|, leverage, opened_ns)
POSITIONS = (
    (-50, 100, 20, 4_000, 20, 3),
    (10, 90, 10, 9_000, 5, 1),
    (-5, 6, 1, 600, 100, 2),
    (-50, 200, 20, 4_000, 20, 3),
    (0, 0, 0, 0, 1, 9),
)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (LiquidationPriority.HIGHEST_LOSS_FIRST, [0, 3, 2, 4, 1]),
        (LiquidationPriority.LOWEST_MARGIN_RATIO, [2, 0, 3, 1, 4]),
        (LiquidationPriority.OLDEST_POSITION, [1, 2, 0, 3, 4]),
        (LiquidationPriority.LARGEST_POSITION, [1, 0, 3, 2, 4]),
        (LiquidationPriority.HIGHEST_LEVERAGE, [2, 0, 3, 1, 4]),
    ],
)
def test_priorities_and_their_ties(priority: LiquidationPriority, expected: list[int]) -> None:
    keys = np.array([priority_key(int(priority), row) for row in POSITIONS], np.int64)
    ids, order = np.arange(5, dtype=np.int64), np.zeros(5, np.int64)
    sort_rows(keys, ids, order, 5)
    assert order.tolist() == expected
    sort_rows(keys[::-1].copy(), ids[::-1].copy(), order, 5)
    assert ids[::-1][order].tolist() == expected


# -- how many -------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 50)), max_size=8),
    st.integers(-100, 3_000),
    st.sampled_from([E8, 50_000_000, 66_666_667]),
    st.randoms(),
)
def test_the_shortest_front_of_the_order_restores_the_target(
    rows: list[tuple[int, int]], equity: int, target: int, random: object
) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = positions_to_close(
        np.array(order, np.int64),
        len(rows),
        np.array([m for m, _ in rows], np.int64),
        np.array([c for _, c in rows], np.int64),
        equity,
        target,
    )

    def restored(n: int) -> bool:
        needed = sum(rows[i][0] for i in order[n:])
        left = equity - sum(rows[i][1] for i in order[:n])
        return left >= 0 and needed <= left * Fraction(target, E8)

    assert found == next((n for n in range(len(rows)) if restored(n)), len(rows))
