"""exp, log and power of float64 that give the same bits on every machine.

A model's float becomes a price, and a price is state; the C library's exp differs from machine to machine in the last
bit, and so would `state_hash`. Here there is nothing but + - * / of float64, which IEEE 754 rounds in one way, and the
bits of a number as an integer. No product and sum are fused into one rounding (FMA): LLVM may do that only if it is
told to, and Numba tells it so under `fastmath` alone, which `_jit` never asks for.

Method: the logarithm as an unevaluated sum of two floats, good to about 2**-70 of itself, and the exponential of such
a sum; a power is the one after the other. log m = 2 artanh((m - 1) / (m + 1)) for m in [sqrt 1/2, sqrt 2], the powers
below the seventh in double-double; exp r = 1 + r + r**2/2 (in double-double) + Taylor, for |r| <= log(2) / 2.
Sums and products of two floats: Dekker 1971 (*A floating-point technique for extending the available precision*),
Knuth (*The Art of Computer Programming* 2, 4.2.2).

Bounds, held by tests/rules/test_elementary.py against 80 digits of `decimal`: each is within 0.6 ulp of the true value
(0.5 is what rounding costs), and 1 ulp where the result is below 2.2250738585072014e-308, the least normal float.
A result that is a float, such as power(4, 0.5), comes out exactly.

| | nan | -inf | 0 | inf | else |
|---|---|---|---|---|---|
| exp | nan | 0 | 1 | inf | inf above 709.78, 0 below -745.14 |
| exp_less_one | nan | -1 | itself | inf | inf above 709.78 |
| log | nan | nan | -inf | inf | nan below 0 |
| log_one_plus | nan | nan | itself | inf | -inf at -1, nan below |

power(x, y): 1 for y = 0 and for x = 1, whatever the other; then nan if either is; nan for x < 0, of whole y too; for
x = 0 or inf, and for infinite y, the limit: 0 or inf. Beyond the range inf, below it 0. Nothing raises or warns.

Not here: sine and its like, bases below zero, other roundings, decimal exactness (money is integer).
"""

from __future__ import annotations

import numpy as np

from novation._jit import model_kernel

INF = float("inf")
NAN = float("nan")

_LEAST_NORMAL = 2.2250738585072014e-308
_SQRT_HALF_BITS = 4604544271217802189
#: log 2 in two: the first has 41 bits, so that a product with an exponent of two is exact.
_LOG2_HIGH = 0.693147180559663
_LOG2_LOW = 2.8235290563031577e-13
_ONE_BY_LOG2 = 1.4426950408889634
#: What 1/3 and 1/5 have beyond float64.
_THIRD_REST = 1.850371707708594e-17
_FIFTH_REST = -1.1102230246251566e-17


@model_kernel
def _bits(x):
    """The 64 bits of a float, as an integer."""
    return int(np.float64(x).view(np.int64))


@model_kernel
def _of_bits(bits):
    """The float of 64 bits."""
    return float(np.int64(bits).view(np.float64))


@model_kernel
def _two_to(k):
    """2**k, -1022 <= k <= 1023."""
    return _of_bits((k + 1023) << 52)


@model_kernel
def _sum(a, b):
    """a + b as (rounded, what rounding took), exactly."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@model_kernel
def _product(a, b):
    """a * b as (rounded, what rounding took), exactly for factors between 2**-480 and 2**480."""
    total = a * b
    wide = 134217729.0 * a
    a_high = wide - (wide - a)
    a_low = a - a_high
    wide = 134217729.0 * b
    b_high = wide - (wide - b)
    b_low = b - b_high
    return total, ((a_high * b_high - total) + a_high * b_low + a_low * b_high) + a_low * b_low


@model_kernel
def _log_in_two(x, rest):
    """log(x + rest) as (value, rest), for a finite x > 0 and a rest below its last bit."""
    k = 0
    if x < _LEAST_NORMAL:
        x *= 18014398509481984.0
        k = -54
    bits = _bits(x)
    shift = (bits - _SQRT_HALF_BITS) >> 52
    m = _of_bits(bits - (shift << 52))
    # of a large x the rest is nothing, and its power of two might not exist
    rest = rest * _two_to(-shift) if abs(shift) < 1000 else 0.0
    k += shift
    over, over_rest = _sum(m - 1.0, rest)
    under, under_rest = _sum(m, 1.0)
    s = over / under
    p, e = _product(s, under)
    s_rest = (((over - p) - e) + (over_rest - s * (under_rest + rest))) / under
    z, z_rest = _product(s, s)
    z_rest += 2.0 * s * s_rest
    # artanh(s) / s = 1 + z/3 + z**2/5 + z**3 (1/7 + ...), z <= 0.0295
    tail = 1.0 / 27.0
    for odd in range(25, 5, -2):
        tail = 1.0 / odd + z * tail
    p, e = _product(z, tail)
    u, u_rest = _sum(1.0 / 5.0, p)
    u_rest += e + z_rest * tail + _FIFTH_REST
    p, e = _product(z, u)
    e += z * u_rest + z_rest * u
    u, u_rest = _sum(1.0 / 3.0, p)
    u_rest += e + _THIRD_REST
    p, e = _product(z, u)
    e += z * u_rest + z_rest * u
    u, u_rest = _product(s, p)
    u_rest += s * e + s_rest * p
    total, total_rest = _sum(s, u)
    total_rest += u_rest + s_rest
    power, power_rest = _product(float(k), _LOG2_LOW)
    value, value_rest = _sum(k * _LOG2_HIGH, 2.0 * total)
    value, e = _sum(value, power)
    return _sum(value, e + value_rest + 2.0 * total_rest + power_rest)


@model_kernel
def _exp_in_two(x, rest):
    """exp(x + rest) = 2**k * (1 + value + rest): (k, value, rest); |x| < 800, the value at most sqrt(2) - 1."""
    k = int(x * _ONE_BY_LOG2 + (0.5 if x >= 0.0 else -0.5))
    power, power_rest = _product(float(k), _LOG2_LOW)
    r, r_rest = _sum(x - k * _LOG2_HIGH, -power)
    r, r_rest = _sum(r, r_rest + (rest - power_rest))
    square, square_rest = _product(r, r)
    square_rest = 0.5 * (square_rest + 2.0 * r * r_rest)
    # the sum of r**n / n! from the third on, by Horner
    tail = 1.0
    for n in range(15, 3, -1):
        tail = 1.0 + r * tail / n
    cube = square * r * tail / 6.0
    value, e = _sum(r, 0.5 * square)
    value, value_rest = _sum(value, cube)
    return k, value, value_rest + (e + r_rest + square_rest)


@model_kernel
def _scaled(x, k):
    """x * 2**k, rounded once, for 1/2 < x < 2 and |k| < 1200."""
    half = k >> 1
    return x * _two_to(half) * _two_to(k - half)


@model_kernel
def _exp_of_two(x, rest):
    """exp(x + rest), rounded."""
    if x > 710.0:
        return INF
    if x < -746.0:
        return 0.0
    k, value, value_rest = _exp_in_two(x, rest)
    one, e = _sum(1.0, value)
    return _scaled(one + (e + value_rest), k)


@model_kernel
def exp(x):
    """e**x. exp(1.0) is 2.718281828459045."""
    x = float(x)
    if x != x:
        return x
    return _exp_of_two(x, 0.0)


@model_kernel
def exp_less_one(x):
    """e**x - 1, exact to the last bit for small x too, where exp(x) - 1 is not."""
    x = float(x)
    if x != x or abs(x) < 5e-17:
        return x
    if x > 100.0:
        return _exp_of_two(x, 0.0)
    if x < -100.0:
        return -1.0
    k, value, rest = _exp_in_two(x, 0.0)
    if k == 0:
        return value + rest
    power = _two_to(k)
    whole, whole_rest = _sum(power, -1.0)
    total, e = _sum(whole, power * value)
    return total + (e + (whole_rest + power * rest))


@model_kernel
def log(x):
    """The natural logarithm. log(10.0) is 2.302585092994046."""
    x = float(x)
    if x != x or x == INF:
        return x
    if x < 0.0:
        return NAN
    if x == 0.0:
        return -INF
    value, rest = _log_in_two(x, 0.0)
    return value + rest


@model_kernel
def log_one_plus(x):
    """log(1 + x), exact to the last bit for small x too, where log(1 + x) is not."""
    x = float(x)
    if x != x or x == INF or abs(x) < 5e-17:
        return x
    if x < -1.0:
        return NAN
    if x == -1.0:
        return -INF
    whole, whole_rest = _sum(1.0, x)
    value, rest = _log_in_two(whole, whole_rest)
    return value + rest


@model_kernel
def power(x, y):
    """x**y for x >= 0. power(2.0, 0.5) is 1.4142135623730951."""
    x, y = float(x), float(y)
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y or x < 0.0:
        return NAN
    if x == 0.0:
        return 0.0 if y > 0.0 else INF
    if x == INF:
        return INF if y > 0.0 else 0.0
    value, rest = _log_in_two(x, 0.0)
    exponent = value * y
    if abs(exponent) > 800.0:
        return INF if exponent > 0.0 else 0.0
    exponent, e = _product(value, y)
    return _exp_of_two(exponent, e + rest * y)
