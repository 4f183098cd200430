"""exp, log and power against 80 digits of `decimal`, and their bits against the recorded ones, compiled or not."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterator
from decimal import Context, Decimal, localcontext
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation._jit import JIT, kernel, model_kernel
from novation.rules import elementary
from novation.rules.elementary import exp, exp_less_one, log, log_one_plus, power
from tests.conftest import scaled
from tests.venues.test_jit_off import without_jit

DIGITS = Context(prec=80, Emax=10**9, Emin=-(10**9))
LEAST_NORMAL = 2.2250738585072014e-308
INF, NAN = math.inf, math.nan

#: BLAKE2b of the results for the first inputs of `inputs`.
RECORDED = {1_000: "273903628e2790f91463a32401db1629", 100_000: "a85b2465c0d3a07df2d83b88d8fd4811"}


def any_float(r: Random) -> float:
    """A float of any 64 bits."""
    return float(struct.unpack("<d", r.getrandbits(64).to_bytes(8, "little"))[0])


def positive(r: Random) -> float:
    """A positive float of any size, subnormal ones too."""
    while not 0 < (x := abs(any_float(r))) < INF:
        pass
    return x


def near_one(r: Random) -> float:
    """1 and a little, down to the last bit."""
    return 1 + r.uniform(-0.5, 1) * 10 ** r.uniform(-16, 0)


def small(r: Random) -> float:
    """Of either sign and any smallness."""
    return r.uniform(-0.9999, 1) * 10 ** r.uniform(-18, 0)


def in_range(r: Random, x: float) -> tuple[float, float]:
    """x and a power of it that is a float."""
    return x, r.uniform(-745, 709.7) / (math.log(x) or 1)


CASES: list[tuple[str, Callable[..., float], Callable[..., Decimal], Callable[[Random], tuple[float, ...]]]] = [
    ("exp", exp, lambda x: x.exp(), lambda r: (r.uniform(-745, 709.7),)),
    ("exp of little", exp, lambda x: x.exp(), lambda r: (small(r),)),
    ("exp - 1", exp_less_one, lambda x: x.exp() - 1, lambda r: (r.uniform(-120, 709.7),)),
    ("exp - 1 of little", exp_less_one, lambda x: x.exp() - 1, lambda r: (small(r),)),
    ("log", log, lambda x: x.ln(), lambda r: (positive(r),)),
    ("log near one", log, lambda x: x.ln(), lambda r: (near_one(r),)),
    ("log of 1 + x", log_one_plus, lambda x: (1 + x).ln(), lambda r: (10 ** r.uniform(-3, 300),)),
    ("log of 1 + little", log_one_plus, lambda x: (1 + x).ln(), lambda r: (small(r),)),
    ("power", power, lambda x, y: (y * x.ln()).exp(), lambda r: (10 ** r.uniform(-9, 9), r.uniform(-3, 3))),
    ("power of anything", power, lambda x, y: (y * x.ln()).exp(), lambda r: in_range(r, positive(r))),
    ("power near one", power, lambda x, y: (y * x.ln()).exp(), lambda r: in_range(r, near_one(r))),
    ("square root", power, lambda x, _: x.sqrt(), lambda r: (positive(r), 0.5)),
]


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "function", "truth", "draw"), CASES, ids=[case[0] for case in CASES])
def test_each_is_within_six_tenths_of_the_last_bit(
    name: str,
    function: Callable[..., float],
    truth: Callable[..., Decimal],
    draw: Callable[[Random], tuple[float, ...]],
) -> None:
    r, worst, worst_subnormal = Random(name), 0.0, 0.0
    with localcontext(DIGITS):
        for _ in range(scaled(10_000, 500)):
            arguments = draw(r)
            exact = truth(*map(Decimal, arguments))
            off = float(abs(Decimal(function(*arguments)) - exact) / Decimal(math.ulp(float(exact))))
            if abs(exact) < LEAST_NORMAL:
                worst_subnormal = max(worst_subnormal, off)
            else:
                worst = max(worst, off)
    print(f"{name}: {worst:.4f} ulp, below the least normal float {worst_subnormal:.4f}")
    assert worst < 0.6 and worst_subnormal < 1


def test_a_result_that_is_a_float_comes_out_exactly() -> None:
    for n in range(1, scaled(100_000, 2_000)):
        x = float(n)
        assert power(x * x, 0.5) == x and power(x, 2.0) == x * x
    assert [power(2.0, float(k)) for k in range(-1074, 1024)] == [2.0**k for k in range(-1074, 1024)]


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (exp, [(NAN, NAN), (-INF, 0), (0, 1), (-0.0, 1), (INF, INF), (709.78, 1.7928227943945155e308), (709.79, INF)]),
        (exp, [(-745.13, 5e-324), (-745.14, 0), (1e300, INF), (-1e300, 0), (1, 2.718281828459045)]),
        (exp_less_one, [(NAN, NAN), (-INF, -1), (0, 0), (5e-324, 5e-324), (1e-17, 1e-17), (INF, INF), (-200, -1)]),
        (exp_less_one, [(709.79, INF), (-1e300, -1), (1, 1.7182818284590453)]),
        (log, [(NAN, NAN), (-INF, NAN), (-5e-324, NAN), (0, -INF), (-0.0, -INF), (INF, INF), (1, 0)]),
        (log, [(5e-324, -744.4400719213812), (1.7976931348623157e308, 709.782712893384), (10, 2.302585092994046)]),
        (log_one_plus, [(NAN, NAN), (-1, -INF), (-1.0000000000000002, NAN), (0, 0), (INF, INF), (5e-324, 5e-324)]),
        (log_one_plus, [(-INF, NAN), (1.7976931348623157e308, 709.782712893384), (1, 0.6931471805599453)]),
    ],
)
def test_what_happens_at_the_edges(function: Callable[[float], float], values: list[tuple[float, float]]) -> None:
    for x, wanted in values:
        got = function(x)
        assert got == wanted or (got != got and wanted != wanted), (x, got)


def test_what_a_power_is_at_the_edges() -> None:
    for y in (-INF, -2, -0.0, 0, 3, INF, NAN):
        assert power(1, y) == 1
    for x in (-INF, -1, -0.0, 0, 5e-324, INF, NAN):
        assert power(x, 0) == power(x, -0.0) == 1
    assert all(math.isnan(power(x, y)) for x, y in [(NAN, 1), (2, NAN), (0, NAN), (-1, 2), (-INF, 3), (-5e-324, 0.5)])
    assert [power(x, y) for x in (0, -0.0) for y in (2, -2, 5e-324, INF, -INF)] == [0, INF, 0, 0, INF] * 2
    assert [power(INF, y) for y in (2, -2, 5e-324, INF, -INF)] == [INF, 0, INF, INF, 0]
    assert [power(x, y) for x in (0.5, 2) for y in (INF, -INF)] == [0, INF, INF, 0]
    assert [power(10, y) for y in (308.3, -323.7, 1e300, -1e300)] == [INF, 0, INF, 0]
    assert power(1.0000000000000002, 1e18) == pytest.approx(math.exp(1e18 * math.log1p(2**-52)), rel=1e-12)
    assert power(2, 0.5) == 1.4142135623730951


@given(st.floats(-700, 700), st.floats(-700, 700))
def test_exp_does_not_fall(a: float, b: float) -> None:
    assert exp(min(a, b)) <= exp(max(a, b))


@given(st.floats(1e-300, 1e300))
def test_log_undoes_exp_and_a_power_undoes_itself(x: float) -> None:
    assert exp(log(x)) == pytest.approx(x, rel=2e-13)
    assert power(power(x, 0.5), 2.0) == pytest.approx(x, rel=1e-15)


def inputs(count: int) -> Iterator[tuple[float, ...]]:
    """Random arguments of any size, and of those that models have."""
    r = Random("elementary")
    for _ in range(count):
        sign = r.choice
        yield (
            any_float(r),
            r.uniform(-750, 720),
            10 ** r.uniform(-20, 3) * sign((-1, 1)),
            10 ** r.uniform(-12, 12),
            r.uniform(-3, 3),
        )


def digest(count: int) -> str:
    """BLAKE2b of every bit of the results, all nan being alike."""
    found = hashlib.blake2b(digest_size=16)
    for a, b, c, d, e in inputs(count):
        results = (exp(b), exp(c), exp_less_one(c), log(a), log(d), log_one_plus(c), power(d, e), power(abs(a), e))
        found.update(struct.pack("<8d", *(x if x == x else 0.5 for x in results)))
    return found.hexdigest()


def test_the_bits_are_the_recorded_ones() -> None:
    """Of 100,000 inputs compiled, where it takes half a second; of the first 1,000 without the compiler."""
    count = 100_000 if JIT else 1_000
    assert digest(count) == RECORDED[count]


@pytest.mark.slow
@pytest.mark.heavy
def test_the_bits_are_the_recorded_ones_without_the_compiler() -> None:
    count = 100_000 if scaled(100) > 9 else 1_000
    code = f"from tests.rules.test_elementary import digest; print(digest({count}))"
    assert without_jit("-c", code).strip() == RECORDED[count]


def test_bits_are_the_same_inside_a_loop_that_the_compiler_may_unroll() -> None:
    """Where it sees products and sums side by side, it would fuse them if it were allowed to."""
    r = Random("loop")
    x = np.array([10 ** r.uniform(-5, 5) for _ in range(300)])
    y = np.array([r.uniform(-3, 3) for _ in range(300)])
    out = np.empty(300)
    powers(x, y, out)
    assert out.tolist() == [power(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]


@kernel
def powers(x, y, out):
    """A loop of another file's kernel over two arrays."""
    for i in range(len(x)):
        out[i] = power(x[i], y[i])


@pytest.mark.skipif(not JIT, reason="what is refused is refused when it is compiled")
def test_only_a_model_kernel_may_be_handed_a_float() -> None:
    from numba.core.errors import TypingError

    from novation.rules.integers import mul_div

    @kernel
    def whole(x):
        return mul_div(x, 2, 3)

    @kernel
    def model(x):
        return exp(x)

    assert whole(3) == 2
    assert model(1.0) == exp(1.0)
    with pytest.raises(TypingError, match=r"mul_div takes whole numbers \(lots, ticks, ids\), not a float"):
        whole(3.0)


def test_a_model_kernel_is_one_by_its_marker() -> None:
    assert elementary.model_kernel is model_kernel
    if JIT:
        assert exp.floats and not kernel(elementary.exp.py_func).floats
