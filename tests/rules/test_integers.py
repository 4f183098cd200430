"""mul_div and the exact pairs against Python's own numbers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil, floor, trunc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.units import DIVISOR_BOUND, NOTIONAL_BOUND
from novation.rules.integers import (
    E8,
    PART,
    exact_add,
    exact_negate,
    exact_towards_zero,
    mul_div,
    mul_div_ceil,
    mul_div_rem,
    mul_div_towards_zero,
    sign,
)
from novation.rules.value import price_to_ticks, rate_of_value, signed_value, unrealised
from tests.conftest import scaled

LARGEST = (1 << 63) - 1


def spread_out(r: Random, bits: int) -> int:
    """A number of any length up to so many bits, either sign, often at a power of two or of ten."""
    size = r.choice([1 << r.randint(0, bits), 10 ** r.randint(0, bits * 3 // 10), r.getrandbits(r.randint(1, bits))])
    return r.choice([-1, 1]) * min((1 << bits) - 1, max(0, size + r.randint(-2, 2)))


def agrees(a: int, b: int, c: int) -> bool:
    """The whole family at one triple; False when the quotient is out of bounds."""
    exact = Fraction(a * b, c)
    if abs(exact) >= NOTIONAL_BOUND - 1:
        return False
    assert tuple(mul_div_rem(a, b, c)) == (floor(exact), a * b - floor(exact) * c), (a, b, c)
    assert mul_div(a, b, c) == floor(exact), (a, b, c)
    assert mul_div_ceil(a, b, c) == ceil(exact), (a, b, c)
    assert mul_div_towards_zero(a, b, c) == trunc(exact), (a, b, c)
    return True


@pytest.mark.heavy
def test_the_family_equals_python_on_random_triples() -> None:
    r = Random("mul_div")
    wanted, done = scaled(100_000, 5_000), 0
    while done < wanted:
        done += agrees(spread_out(r, 63), spread_out(r, 63), max(1, min(abs(spread_out(r, 50)), DIVISOR_BOUND - 1)))
    assert done == wanted


def test_the_family_equals_python_at_every_edge() -> None:
    whole = [0, 1, 2, E8 - 1, E8, E8 + 1, 2**31, 2**53 - 1, 2**53 + 1, 2**61, NOTIONAL_BOUND - 2, LARGEST]
    signed = sorted({*whole, *(-n for n in whole)})
    divisors = [1, 2, 3, E8 - 1, E8, 2 * E8, 2**30, DIVISOR_BOUND - 1]
    done = sum(agrees(a, b, c) for a, b, c in product(signed, signed, divisors))
    assert done > 1_500


@pytest.mark.heavy
def test_a_remainder_is_never_off_by_one_near_a_whole_quotient() -> None:
    r = Random("near")
    done = 0
    for _ in range(scaled(100_000, 5_000)):
        c = r.randint(1, DIVISOR_BOUND - 1)
        b = r.randint(1, LARGEST)
        quotient = r.randint(-(NOTIONAL_BOUND - 2), NOTIONAL_BOUND - 2)
        a = quotient * c // b
        done += abs(a) <= LARGEST and agrees(a, b, c)
    assert done > 1_000


# -- exact pairs ----------------------------------------------------------------------------------------------------

pairs = st.tuples(
    st.integers(-(1 << 61), 1 << 61), st.one_of(st.integers(0, PART - 1), st.sampled_from([0, 1, PART - 1, PART // 2]))
)


def number(pair: tuple[int, int]) -> Fraction:
    """What a pair stands for."""
    return pair[0] + Fraction(pair[1], PART)


def is_pair(pair: tuple[int, int]) -> bool:
    """Whether the part lies in its range."""
    return 0 <= pair[1] < PART


@given(pairs, pairs)
def test_pairs_add_exactly(a: tuple[int, int], b: tuple[int, int]) -> None:
    total = exact_add(*a, *b)
    assert is_pair(total)
    assert number(total) == number(a) + number(b)


@given(pairs)
def test_a_pair_and_its_negative_cancel(a: tuple[int, int]) -> None:
    negative = exact_negate(*a)
    assert is_pair(negative)
    assert number(negative) == -number(a)
    assert tuple(exact_add(*a, *negative)) == (0, 0)


@given(pairs)
def test_a_pair_is_cut_towards_zero(a: tuple[int, int]) -> None:
    assert exact_towards_zero(*a) == trunc(number(a))


@given(st.integers(-LARGEST, LARGEST))
def test_sign_of_a_number(x: int) -> None:
    assert sign(x) == (x > 0) - (x < 0)


sizes = st.one_of(st.integers(-(1 << 40), 1 << 40), st.integers(-2_000, 2_000))
prices = st.one_of(st.integers(0, 1 << 50), st.integers(0, 10**6))
lot_values = st.sampled_from([1, 100_000, 10**6, 50_000_000, E8])
rates = st.one_of(st.integers(0, E8), st.sampled_from([0, 1, 400_000, 50_000, E8]))


def fits(price: int, lots: int, lot_value: int) -> bool:
    """Within the bounds of the integers."""
    return abs(lots) * lot_value < LARGEST and price * abs(lots) * lot_value // E8 < 1 << 61


@given(prices, sizes, lot_values, st.integers(-(1 << 61), 1 << 61), rates)
def test_values_profits_and_requirements_are_exact(price: int, lots: int, lot_value: int, cost: int, rate: int) -> None:
    if not fits(price, lots, lot_value):
        price %= 10**5
        lots %= 10**5
    worth = Fraction(price * lots * lot_value, E8)
    value, profit = signed_value(price, lots, lot_value), unrealised(price, lots, lot_value, cost)
    share = rate_of_value(price, lots, lot_value, rate)
    assert all(map(is_pair, (value, profit, share)))
    assert number(value) == worth
    assert number(profit) == worth - cost
    assert number(share) == abs(worth) * Fraction(rate, E8)


@given(st.integers(-(1 << 50), 1 << 50), st.integers(1, 10**9), st.integers(1, 20), st.sampled_from([-1, 1]))
def test_a_taker_is_moved_to_the_next_tick_against_him(price: int, tick: int, step: int, side: int) -> None:
    ticks = price_to_ticks(price, tick, step, side)
    assert ticks % step == 0
    distance = side * (ticks * tick - price)
    assert 0 <= distance < tick * step
