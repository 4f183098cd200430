"""Exact integer arithmetic inside int64.

`mul_div` is the one door through which two large numbers are multiplied: floor(a * b / c), exact, while
|a * b / c| < 2**62 and 0 < c < 2**50. Method: estimate the quotient in float64; five roundings leave an error below
2**12 units, so the remainder of the estimate, below 2**62, comes out right in wrapping int64. Correct by what it holds.
With JIT off the same names use Python's own integers.

An *exact amount* is a pair (whole, part): whole minor units and part * 1e-16 of one, 0 <= part < 1e16. Prices carry
1e-8 and rates carry 1e-8, so every product of a size, a price and a rate is exact in it.
"""

from __future__ import annotations

from novation._jit import JIT, kernel

E8 = 100_000_000
PART = 10_000_000_000_000_000

if JIT:

    @kernel
    def mul_div_rem(a, b, c):
        """floor(a * b / c) and the remainder, 0 <= remainder < c."""
        inverse = 1.0 / float(c)
        quotient = int(float(a) * float(b) * inverse)
        remainder = a * b - quotient * c
        correction = int(float(remainder) * inverse)
        quotient += correction
        remainder -= correction * c
        while remainder < 0:
            quotient -= 1
            remainder += c
        while remainder >= c:
            quotient += 1
            remainder -= c
        return quotient, remainder

else:

    def mul_div_rem(a, b, c):
        """floor(a * b / c) and the remainder, 0 <= remainder < c."""
        assert 0 < c < 1 << 50, f"divisor {c} out of bounds"
        quotient, remainder = divmod(int(a) * int(b), int(c))
        assert abs(quotient) < 1 << 62, f"{a} * {b} / {c} out of bounds"
        return quotient, remainder


@kernel
def mul_div(a, b, c):
    """floor(a * b / c)."""
    quotient, _ = mul_div_rem(a, b, c)
    return quotient


@kernel
def mul_div_towards_zero(a, b, c):
    """a * b / c cut towards zero, which is how Binance shows amounts."""
    quotient, remainder = mul_div_rem(a, b, c)
    if quotient < 0 and remainder > 0:
        quotient += 1
    return quotient


@kernel
def mul_div_ceil(a, b, c):
    """ceil(a * b / c)."""
    quotient, remainder = mul_div_rem(a, b, c)
    if remainder > 0:
        quotient += 1
    return quotient


@kernel
def exact_add(whole_a, part_a, whole_b, part_b):
    """Sum of two exact amounts."""
    whole = whole_a + whole_b
    part = part_a + part_b
    if part >= PART:
        part -= PART
        whole += 1
    return whole, part


@kernel
def exact_negate(whole, part):
    """An exact amount with the other sign."""
    if part == 0:
        return -whole, 0
    return -whole - 1, PART - part


@kernel
def exact_towards_zero(whole, part):
    """An exact amount cut to whole minor units."""
    if whole < 0 and part > 0:
        return whole + 1
    return whole


@kernel
def sign(x):
    """-1, 0 or 1."""
    if x > 0:
        return 1
    if x < 0:
        return -1
    return 0
