"""Exact quotients whose divisor is itself an amount, and rows put in order: what rankings and shares are made of.

`integers.mul_div` stops at divisors of 2**50, 11 million USDT in minor units; a wallet or the profits of a whole
market go beyond. `wide_mul_div_rem` serves divisors up to 2**60: above 2**50 by long multiplication, bit by bit
(about 0.1 us), below it by `mul_div_rem`. Whole numbers in int64 with the compiler and without.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, mul_div_rem

_FAST_BELOW = 1 << 50
#: Ratios are capped here, so that a ratio in 1e-8 stays below 2**62.
MOST_RATIO_E8 = 40_000_000_000 * E8


@kernel
def wide_mul_div_rem(a, b, c):
    """floor(a * b / c) and the remainder, for 0 <= a, b < 2**62, 0 < c <= 2**60 and a quotient below 2**62."""
    if c < _FAST_BELOW:
        return mul_div_rem(a, b, c)
    small, large = min(a, b), max(a, b)
    whole = large // c
    part = large - whole * c
    quotient, rest = 0, 0
    for bit in range(61, -1, -1):
        quotient *= 2
        rest *= 2
        if (small >> bit) % 2 == 1:
            quotient += whole
            rest += part
        # rest < 3c < 2**62 here
        while rest >= c:
            rest -= c
            quotient += 1
    return quotient, rest


@kernel
def ratio_e8(a, b):
    """a / b in 1e-8, rounded down (towards minus infinity), within +-MOST_RATIO_E8; |a| < 2**62, 0 < b <= 2**60."""
    if abs(a) // b >= MOST_RATIO_E8 // E8:
        return MOST_RATIO_E8 if a > 0 else -MOST_RATIO_E8
    quotient, rest = wide_mul_div_rem(abs(a), E8, b)
    if a >= 0:
        return quotient
    return -quotient - (1 if rest > 0 else 0)


@kernel
def goes_before(keys, ids, first, second):
    """Whether a row has the smaller key; of equal keys, whether it has the smaller id."""
    if keys[first] != keys[second]:
        return keys[first] < keys[second]
    return ids[first] < ids[second]


@kernel
def _sift(keys, ids, order, root, end):
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and goes_before(keys, ids, order[child], order[child + 1]):
            child += 1
        if not goes_before(keys, ids, order[root], order[child]):
            return
        order[root], order[child] = order[child], order[root]
        root = child


@kernel
def sort_rows(keys, ids, order, count):
    """Write into `order` the rows 0..count-1 by ascending key, a tie by ascending id.

    A heap sort in place: n log n, no memory of its own. Ids are distinct, so the result does not depend on where an
    account stands in the table. For a descending order give negative keys.
    """
    for row in range(count):
        order[row] = row
    for root in range(count // 2 - 1, -1, -1):
        _sift(keys, ids, order, root, count)
    for end in range(count - 1, 0, -1):
        order[0], order[end] = order[end], order[0]
        _sift(keys, ids, order, 0, end)
