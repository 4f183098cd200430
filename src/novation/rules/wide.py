"""Exact quotients whose divisor is itself an amount: what ratios and shares are made of.

`integers.mul_div` stops at divisors of 2**50, 11 million USDT in minor units; a wallet or the profits of a whole
market go beyond. `wide_mul_div_rem` serves divisors up to 2**60: above 2**50 by long multiplication, bit by bit
(tens of nanoseconds), below it by `mul_div_rem`. Whole numbers in int64 with the compiler and without.
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
