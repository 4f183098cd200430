"""Slippage without a book: the formula by hand, and what has to hold of any numbers (issue: execution costs)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.rules.slippage import ramp, slippage, slippages
from tests.conftest import scaled

POSITIVE = st.floats(1e-9, 1e3)
SMALL = st.floats(0.0, 0.1)
SIGMA = st.floats(1e-4, 1.0)
SHARE = st.floats(1e-9, 10.0)
EXPONENT = st.floats(0.1, 2.0)
FACTOR = st.floats(0.1, 10.0)


def test_half_a_spread_and_the_square_root_of_the_share() -> None:
    """ES, 50 of 100,000 contracts a day at 15 % a year: 0.25 bp and 0.15 / sqrt(252) * sqrt(0.0005) = 2.11 bp."""
    daily = 0.15 / math.sqrt(252)
    cost = slippages(0.25e-4, 1.0, daily, 50 / 100_000, 0.5)
    assert cost == pytest.approx(0.25e-4 + daily * math.sqrt(0.0005), rel=1e-15)
    assert round(float(cost) * 1e4, 4) == 2.3629


def test_factors_act_on_the_spread_on_the_impact_or_on_both() -> None:
    base = {"y": 1.0, "sigma": 0.02, "participation": 0.01, "exponent": 0.5}  # an impact of 0.002
    assert slippages(0.001, **base) == pytest.approx(0.003)
    assert slippages(0.001, **base, wider=2.0) == pytest.approx(0.004)
    assert slippages(0.001, **base, deeper=1.5) == pytest.approx(0.004)
    assert slippages(0.001, **base, both=2.0) == pytest.approx(0.006)


def test_limits_hold_it() -> None:
    given = {"half_spread": 0.001, "y": 1.0, "sigma": 0.02, "participation": 0.01, "exponent": 0.5}
    assert slippages(**given, least=0.004) == 0.004
    assert slippages(**given, most=0.0015) == 0.0015


def test_arrays_broadcast_and_keep_their_shape() -> None:
    costs = slippages(np.full((2, 1), 1e-4), 1.0, 0.02, np.array([0.0, 0.01, 0.04]), 0.5)
    assert costs.shape == (2, 3)
    assert costs[0].tolist() == costs[1].tolist() == pytest.approx([1e-4, 2.1e-3, 4.1e-3])


@pytest.mark.parametrize(
    ("x", "factor"), [(-1.0, 1.0), (0.0, 1.0), (0.5, 1.25), (1.0, 1.5), (7.0, 1.5), (math.nan, 1.0), (math.inf, 1.5)]
)
def test_a_ramp_is_bounded_whatever_its_driver(x: float, factor: float) -> None:
    assert ramp(x, 0.0, 1.0, 0.5) == factor


def test_a_ramp_may_rise_as_its_driver_falls() -> None:
    """Minutes to settlement: from 30 on, whole at 0."""
    assert ramp([45.0, 30.0, 15.0, 0.0, -5.0], 30.0, 0.0, 0.3).tolist() == pytest.approx([1.0, 1.0, 1.15, 1.3, 1.3])


@settings(max_examples=scaled(20_000, floor=200))
@given(SMALL, st.floats(0.0, 10.0), SIGMA, SHARE, EXPONENT, FACTOR, FACTOR, FACTOR, st.floats(1.0, 100.0))
def test_it_grows_with_size_volatility_and_spread_and_is_never_below_zero(
    half: float, y: float, sigma: float, share: float, exponent: float, w: float, d: float, b: float, more: float
) -> None:
    def cost(half: float = half, sigma: float = sigma, share: float = share) -> float:
        return float(slippage(half, y, sigma, share, exponent, w, d, b, 0.0, math.inf))

    here = cost()
    assert here >= 0.0 and math.isfinite(here)
    # the powers are right to an ulp, not monotone to the last bit
    assert cost(share=share * more) >= here * (1 - 1e-14)
    assert cost(sigma=sigma * more) >= here * (1 - 1e-14)
    assert cost(half=half * more) >= here * (1 - 1e-14)


@settings(max_examples=scaled(5_000, floor=100))
@given(st.floats(allow_infinity=True, allow_nan=True), st.floats(-10, 10), st.floats(-10, 10), st.floats(0, 10))
def test_a_ramp_lies_from_one_to_its_weight(x: float, begins: float, full: float, weight: float) -> None:
    if abs(begins - full) > 1e-6:
        assert 1.0 <= float(ramp(x, begins, full, weight)) <= 1.0 + weight
