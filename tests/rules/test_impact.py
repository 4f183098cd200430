"""The impact models against the tables of the papers (V1, V2, V3, V7), and what each formula has to satisfy.

V1: Almgren and Chriss 2001; V2: Kyle 1985; V3: Almgren, Thum, Hauptmann and Li 2005; V7: Gatheral 2010, Obizhaeva and
Wang. The numbers are those of docs/rules/impact.md.
"""

from __future__ import annotations

import hashlib
import math
import struct
from decimal import Decimal, localcontext
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.errors import InvalidInput
from novation.rules.impact import (
    MEASURED_BETA,
    MEASURED_ETA,
    MEASURED_GAMMA,
    Decay,
    cost_variance,
    decay,
    decay_between,
    decay_once,
    decay_twice,
    expected_cost,
    kyle_auctions,
    kyle_continuous,
    kyle_one,
    linear_permanent,
    linear_temporary,
    measured_cost,
    measured_permanent,
    measured_temporary,
    obizhaeva_wang_cost,
    obizhaeva_wang_plan,
    optimal_holdings,
    power_impact,
    propagator_cost,
    propagator_impact,
    square_root,
    urgency,
    whole_e8,
)
from tests.conftest import scaled
from tests.venues.test_jit_off import without_jit

CLOSED = 1e-6  # of closed forms, relative

# -- V1 -------------------------------------------------------------------------------------------------------------

X, TAU, SIGMA, EPSILON, ETA, GAMMA = 1e6, 1.0, 0.95, 0.0625, 2.5e-6, 2.5e-7
EVENLY = [1e6, 800_000.0, 600_000.0, 400_000.0, 200_000.0, 0.0]
AT_ONCE = [1e6, 0.0, 0.0, 0.0, 0.0, 0.0]


def holdings(risk_aversion: float, periods: int = 5, period: float = TAU, lots: float = X) -> np.ndarray:
    """The optimal path of the paper's example."""
    return optimal_holdings(lots, periods, period, SIGMA, ETA, GAMMA, risk_aversion)


def cost(path: np.ndarray | list[float], period: float = TAU) -> float:
    """E of the paper's example."""
    return expected_cost(np.array(path), period, EPSILON, ETA, GAMMA)


def test_v1_optimal_schedule() -> None:
    assert urgency(TAU, SIGMA, ETA, GAMMA, 1e-6) == pytest.approx(0.607076, rel=CLOSED)
    assert 1 / urgency(TAU, SIGMA, ETA, GAMMA, 1e-6) == pytest.approx(1.64724, rel=3e-6)  # as printed, five digits
    path = holdings(1e-6)
    assert path[1:5].round(1).tolist() == [541_955.6, 289_854.2, 147_897.5, 62_141.8]
    assert path[1:5] == pytest.approx([541_955.5, 289_854.2, 147_897.5, 62_141.8], rel=CLOSED)
    assert (path[0], path[5]) == (1e6, 0)
    assert cost(path) == pytest.approx(911_227.0, rel=CLOSED)
    assert cost_variance(path, TAU, SIGMA) == pytest.approx(3.641286e11, rel=CLOSED)


def test_v1_straight_line_and_everything_at_once() -> None:
    assert urgency(TAU, SIGMA, ETA, GAMMA, 0.0) == 0
    assert holdings(0.0) == pytest.approx(EVENLY, rel=1e-15)
    assert cost(EVENLY) == pytest.approx(662_500, rel=1e-14)
    assert cost_variance(np.array(EVENLY), TAU, SIGMA) == pytest.approx(1.083e12, rel=1e-14)
    assert cost(AT_ONCE) == pytest.approx(2_562_500, rel=1e-14)
    assert cost_variance(np.array(AT_ONCE), TAU, SIGMA) == 0


def test_v1_urgency_in_continuous_time() -> None:
    assert urgency(1e-4, SIGMA, ETA, GAMMA, 1e-6) == pytest.approx(0.600833, rel=1e-5)
    assert math.sqrt(1e-6 * SIGMA**2 / ETA) == pytest.approx(0.600833, rel=CLOSED)


@given(st.floats(-9, 3), st.integers(1, 40), st.floats(0.01, 2))
def test_holdings_are_those_of_the_hyperbolic_sines(exponent: float, periods: int, period: float) -> None:
    kappa = urgency(period, SIGMA, ETA, GAMMA, 10**exponent)
    path = holdings(10**exponent, periods, period)
    if kappa * periods * period < 700:
        end = math.sinh(kappa * periods * period)
        sines = [X * math.sinh(kappa * (periods - j) * period) / end for j in range(periods + 1)]
        assert path == pytest.approx(sines, rel=1e-9, abs=1e-300)
    assert len(path) == periods + 1 and path[-1] == 0 and (np.diff(path) <= 0).all()


@given(st.floats(-8, -4), st.lists(st.floats(-1e5, 1e5), min_size=4, max_size=4))
def test_no_other_path_is_better(exponent: float, moved: list[float]) -> None:
    def weighed(path: np.ndarray) -> float:
        return cost(path) + 10**exponent * cost_variance(path, TAU, SIGMA)

    best = holdings(10**exponent)
    other = best + np.array([0, *moved, 0])
    assert weighed(other) >= weighed(best) * (1 - 1e-14)


paths = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6).map(lambda inner: np.array([1e6, *inner, 0.0]))


@given(paths, paths, st.floats(0, 1))
def test_expected_cost_is_convex(a: np.ndarray, b: np.ndarray, share: float) -> None:
    between = share * a + (1 - share) * b
    assert cost(between) <= share * cost(a) + (1 - share) * cost(b) + 1e-6


def test_nothing_costs_nothing() -> None:
    assert cost(np.zeros(6)) == cost_variance(np.zeros(6), TAU, SIGMA) == 0
    assert holdings(1e-6, lots=0.0).tolist() == [0.0] * 6
    assert (
        linear_permanent(0.0, GAMMA) == linear_temporary(0.0, 1.0, EPSILON, ETA) == square_root(0.0, 1e6, 2.0, 1.0) == 0
    )
    assert measured_cost(0.0, 6.561, 1728.0, 0.1, 157.0, 0.314, 0.142, 0.6) == 0
    assert obizhaeva_wang_plan(0.0, 10.0, 0.2) == (0, 0) and obizhaeva_wang_cost(0.0, 10.0, 0.2, 1.0) == 0
    for kind in Decay:
        assert propagator_cost(np.zeros(3), np.ones(3), 1.0, 0.5, int(kind), 0.5) == 0
        assert propagator_impact(np.zeros(3), np.ones(3), 1.0, 0.5, int(kind), 0.5) == 0


def test_linear_impact_of_one_order() -> None:
    assert linear_permanent(-2_000.0, GAMMA) == -0.0005
    assert linear_temporary(200_000.0, 1.0, EPSILON, ETA) == 0.5625
    assert linear_temporary(-200_000.0, 1.0, EPSILON, ETA) == -0.5625


def test_a_permanent_impact_that_outweighs_the_temporary_one_of_a_period_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="eta: the temporary impact must be above half of the permanent one"):
        optimal_holdings(X, 5, 21.0, SIGMA, ETA, GAMMA, 0.0)
    with pytest.raises(InvalidInput, match="needs a period at least"):
        holdings(-1e-6)


def test_the_most_urgent_path_sells_at_once() -> None:
    assert holdings(1e300)[1:].max() < 1e-200


# -- square root ----------------------------------------------------------------------------------------------------


def test_square_root_of_one_per_cent() -> None:
    assert square_root(10_000.0, 1e6, 2.0, 1.0) == pytest.approx(0.2, rel=1e-15)
    assert square_root(-40_000.0, 1e6, 2.0, 1.0) == pytest.approx(-0.4, rel=1e-15)


@given(st.floats(1e-6, 1e12), st.floats(0.05, 3))
def test_impact_of_a_power_is_odd_and_grows(lots: float, exponent: float) -> None:
    assert power_impact(-lots, 0.3, exponent) == -power_impact(lots, 0.3, exponent)
    assert power_impact(lots * 1.01, 0.3, exponent) > power_impact(lots, 0.3, exponent) > 0


# -- V3 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "temporary", "all_in"), [(0.1, 22.29, 32.22), (0.2, 14.71, 24.64), (0.5, 8.49, 18.42)]
)
def test_v3_ibm(days: float, temporary: float, all_in: float) -> None:
    lots, volume, outstanding, sigma = 0.6561, 6.561, 1_728.0, 157.0
    fitted = (MEASURED_GAMMA, MEASURED_ETA, MEASURED_BETA)
    assert round(measured_permanent(lots, volume, outstanding, sigma, MEASURED_GAMMA), 2) == 19.86
    assert round(measured_temporary(lots, volume, days, sigma, MEASURED_ETA, MEASURED_BETA), 2) == temporary
    assert round(measured_cost(lots, volume, outstanding, days, sigma, *fitted), 2) == all_in
    assert round(measured_cost(-lots, volume, outstanding, days, sigma, *fitted), 2) == -all_in


# -- V2 -------------------------------------------------------------------------------------------------------------


def test_v2_four_auctions() -> None:
    found = kyle_auctions(4, 1.0, 1.0)
    assert found.slope.round(5).tolist() == [0.76480, 0.75676, 0.73721, 0.66420]
    assert found.intensity.round(5).tolist() == [0.93026, 1.18707, 1.67105, 3.01114]
    assert found.variance.round(5).tolist() == [0.82214, 0.63750, 0.44116, 0.22058]
    assert round(found.profit, 5) == 0.73074


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e6))
def test_v2_one_auction_is_the_recursion_of_one(sigma_v: float, sigma_u: float) -> None:
    alone, first = kyle_one(sigma_v, sigma_u), kyle_auctions(1, sigma_v, sigma_u)
    assert alone.slope[0] == pytest.approx(sigma_v / (2 * sigma_u), rel=1e-14)
    assert alone.profit == pytest.approx(sigma_v * sigma_u / 2, rel=1e-14)
    for one, other in zip(alone, first, strict=True):
        assert np.ravel(one) == pytest.approx(np.ravel(other), rel=1e-14)


def test_v2_many_auctions_approach_the_continuous_market() -> None:
    slope, left, profit = kyle_continuous(2.0, 3.0, 0.25)
    assert (slope, left, profit) == (pytest.approx(2 / 3), 3, 6)
    found = kyle_auctions(1_000, 2.0, 3.0)
    assert found.slope[249] == pytest.approx(slope, rel=5e-3)
    assert found.variance[249] == pytest.approx(left, rel=5e-3)
    assert found.profit == pytest.approx(profit, rel=5e-3)


@given(st.integers(1, 60), st.floats(1e-2, 1e2), st.floats(1e-2, 1e4))
def test_v2_auctions_satisfy_the_theorem(auctions: int, sigma_v: float, sigma_u: float) -> None:
    """Each of the five equations of Kyle's theorem 2, forwards, and the condition of the second order."""
    found = kyle_auctions(auctions, sigma_v, sigma_u)
    dt = 1 / auctions
    noise = sigma_u**2 * dt
    a, d, before = 0.0, 0.0, [sigma_v**2, *found.variance[:-1]]
    for n in range(auctions - 1, -1, -1):
        slope, intensity, variance = found.slope[n], found.intensity[n], found.variance[n]
        assert slope == pytest.approx(intensity * dt * variance / noise, rel=1e-11)
        assert intensity * dt == pytest.approx((1 - 2 * a * slope) / (2 * slope * (1 - a * slope)), rel=1e-10)
        assert variance == pytest.approx((1 - intensity * slope * dt) * before[n], rel=1e-11)
        assert slope * (1 - a * slope) > 0
        a, d = 1 / (4 * slope * (1 - a * slope)), d + a * slope**2 * noise
    assert found.profit == pytest.approx(a * sigma_v**2 + d, rel=1e-11)


def test_v2_needs_an_auction() -> None:
    with pytest.raises(InvalidInput, match="needs an auction"):
        kyle_auctions(0, 1.0, 1.0)


# -- V7 -------------------------------------------------------------------------------------------------------------

BUY_SLOWLY, FOR = np.array([1.0, -6.0]), np.array([6.0, 1.0])
EXPONENTIAL, POWER, CONSTANT = int(Decay.EXPONENTIAL), int(Decay.POWER), int(Decay.CONSTANT)


def test_v7_square_root_with_exponential_decay_pays_and_linear_costs() -> None:
    assert propagator_cost(BUY_SLOWLY, FOR, 1.0, 0.5, EXPONENTIAL, 0.1) == pytest.approx(-3.7711, abs=5e-5)
    assert propagator_cost(BUY_SLOWLY, FOR, 1.0, 1.0, EXPONENTIAL, 0.1) == pytest.approx(6.5341, abs=5e-5)


def test_v7_costs_to_forty_digits() -> None:
    """The same integrals worked out by hand: H(6) + 6 f(6) H(1) - 6 f(1) (1 - e**-0.6) (1 - e**-0.1) / 0.01."""
    with localcontext(prec=40):
        rho = Decimal("0.1")

        def alone(t: int) -> Decimal:
            return (rho * t - 1 + (-rho * t).exp()) / rho**2

        between = (1 - (-rho * 6).exp()) * (1 - (-rho).exp()) / rho**2
        for exponent, six in ((0.5, Decimal(6).sqrt()), (1.0, Decimal(6))):
            exact = float(alone(6) + 6 * six * alone(1) - 6 * between)
            assert propagator_cost(BUY_SLOWLY, FOR, 1.0, exponent, EXPONENTIAL, 0.1) == pytest.approx(exact, rel=1e-14)


def test_v7_obizhaeva_wang() -> None:
    block, rate = obizhaeva_wang_plan(1.0, 10.0, 0.2)
    assert (block, rate) == (0.25, 0.05)
    assert obizhaeva_wang_cost(1.0, 10.0, 0.2, 1.0) == 0.25


def as_legs(block: float, rate: float, duration: float, instant: float) -> tuple[np.ndarray, np.ndarray]:
    """A plan with blocks as legs that last an instant."""
    return np.array([block / instant, rate, block / instant]), np.array([instant, duration, instant])


@given(st.floats(0.01, 3), st.floats(0.1, 20), st.floats(-0.4, 0.4))
def test_obizhaeva_wang_is_what_the_propagator_charges_and_least(rho: float, duration: float, moved: float) -> None:
    block, rate = obizhaeva_wang_plan(1.0, duration, rho)
    assert 2 * block + rate * duration == pytest.approx(1, rel=1e-14)
    wanted = obizhaeva_wang_cost(1.0, duration, rho, 1.0)
    best = propagator_cost(*as_legs(block, rate, duration, 1e-9), 1.0, 1.0, EXPONENTIAL, rho)
    assert best == pytest.approx(wanted, rel=1e-7)
    other = block + moved
    charged = propagator_cost(*as_legs(other, (1 - 2 * other) / duration, duration, 1e-9), 1.0, 1.0, EXPONENTIAL, rho)
    assert charged >= best * (1 - 1e-12)


# -- the propagator -------------------------------------------------------------------------------------------------

kinds = st.sampled_from([(CONSTANT, 0.0), (EXPONENTIAL, 1e-9), (EXPONENTIAL, 0.3), (EXPONENTIAL, 40.0), (POWER, 0.4)])
legs = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.05, 20)), min_size=1, max_size=6)


@given(legs, kinds, st.sampled_from([0.5, 1.0, 1.5]), st.integers(0, 5), st.floats(0.1, 0.9))
def test_a_leg_cut_in_two_costs_the_same(
    path: list[tuple[float, float]], kind: tuple[int, float], exponent: float, at: int, share: float
) -> None:
    at %= len(path)
    rate, duration = path[at]
    cut = [*path[:at], (rate, share * duration), (rate, (1 - share) * duration), *path[at + 1 :]]
    results = []
    for one in (path, cut):
        rates, durations = np.array(one).T.copy()
        results.append(
            (
                propagator_cost(rates, durations, 1.0, exponent, *kind),
                propagator_impact(rates, durations, 1.0, exponent, *kind),
            )
        )
    traded = sum(abs(v) for v, _ in path) + 1
    size = traded ** (1 + exponent) * (sum(d for _, d in path) + 1) ** 2
    assert results[0] == pytest.approx(results[1], rel=1e-12, abs=1e-14 * size)


@pytest.mark.parametrize("kind", [(CONSTANT, 0.0), (EXPONENTIAL, 0.7), (POWER, 0.4)])
def test_the_integrals_of_the_decay_are_its_integrals(kind: tuple[int, float]) -> None:
    """Against sums over a fine grid, of the integrand and of its integral."""
    for once, twice, t in ((decay, decay_once, 2.0), (decay_once, decay_twice, 2.0)):
        start, steps = 0.5, 20_000
        h = (t - start) / steps
        summed = sum(once(*kind, start + (i + 0.5) * h) for i in range(steps)) * h
        assert summed == pytest.approx(twice(*kind, t) - twice(*kind, start), rel=1e-8)
    grid = [(i + 0.5) / 60 for i in range(60)]
    summed = sum(decay(*kind, 2.0 * u + 0.5 + (1 - s)) for u in grid for s in grid) / 3_600 * 2.0
    assert summed == pytest.approx(decay_between(*kind, 1.0, 0.5, 2.0), rel=1e-4)


@given(st.floats(1e-12, 50))
def test_exponential_decay_has_no_seam(x: float) -> None:
    with localcontext(prec=60):
        exact = Decimal(x) - 1 + (-Decimal(x)).exp()
    assert decay_twice(EXPONENTIAL, 1.0, x) == pytest.approx(float(exact), rel=2e-15)


@given(legs)
def test_no_decay_is_a_rate_of_zero(path: list[tuple[float, float]]) -> None:
    rates, durations = np.array(path).T.copy()
    wanted = propagator_cost(rates, durations, 1.0, 1.0, CONSTANT, 0.0)
    for kind in (EXPONENTIAL, POWER):
        assert propagator_cost(rates, durations, 1.0, 1.0, kind, 0.0) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    lots = float((rates * durations).sum())
    assert wanted == pytest.approx(lots * lots / 2, rel=1e-9, abs=1e-9)
    assert propagator_impact(rates, durations, 1.0, 1.0, CONSTANT, 0.0) == pytest.approx(lots, rel=1e-12, abs=1e-12)


@given(legs, legs, st.floats(0, 1), kinds)
def test_a_linear_propagator_is_convex(
    a: list[tuple[float, float]], b: list[tuple[float, float]], share: float, kind: tuple[int, float]
) -> None:
    count = min(len(a), len(b))
    durations = np.array([duration for _, duration in a[:count]])
    first, second = (np.array([rate for rate, _ in path[:count]]) for path in (a, b))

    def charged(rates: np.ndarray) -> float:
        return float(propagator_cost(rates, durations, 1.0, 1.0, *kind))

    between = charged(share * first + (1 - share) * second)
    size = charged(np.abs(first) + np.abs(second)) + 1
    assert between <= share * charged(first) + (1 - share) * charged(second) + 1e-12 * size


# -- into state -----------------------------------------------------------------------------------------------------


def test_an_impact_in_whole_units_is_against_whoever_causes_it() -> None:
    assert [whole_e8(x) for x in (0.25, -0.25, 0.0, 1e-9, -1e-9, 1.000000001)] == [
        25_000_000,
        -25_000_000,
        0,
        1,
        -1,
        100_000_001,
    ]
    for bad in (math.nan, math.inf, -math.inf, 4.7e10, -4.7e10):
        with pytest.raises(OverflowError, match="beyond"):
            whole_e8(bad)


@given(st.floats(-4e10, 4e10))
def test_an_impact_is_at_most_a_unit_more_than_it_was(impact: float) -> None:
    whole = whole_e8(impact)
    assert isinstance(whole, int)
    assert 0 <= (whole - impact * 1e8) * math.copysign(1, impact) <= 1
    assert whole_e8(-impact) == -whole


# -- the same bits everywhere ---------------------------------------------------------------------------------------

RECORDED = "0ce2f734833f07cff7062fe5e797ccdf"


def digest(count: int = 300) -> str:
    """BLAKE2b of what the kernels say to random arguments."""
    r, found = Random("impact"), hashlib.blake2b(digest_size=16)
    for _ in range(count):
        rates = np.array([r.uniform(-9, 9) for _ in range(5)])
        durations = np.array([10 ** r.uniform(-3, 3) for _ in range(5)])
        exponent, g, lots = r.uniform(0.2, 1.5), r.uniform(0.05, 0.95), r.uniform(-1e6, 1e6)
        results = [measured_cost(lots, 1e6, 1e9, 0.3, 157.0, 0.314, 0.142, 0.6), square_root(lots, 1e6, 2.0, 0.9)]
        for kind in (CONSTANT, EXPONENTIAL, POWER):
            results.append(propagator_cost(rates, durations, 0.7, exponent, kind, g))
            results.append(propagator_impact(rates, durations, 0.7, exponent, kind, g))
        found.update(struct.pack("<8d", *results))
    for schedule in (kyle_auctions(30, 2.0, 5.0).slope, optimal_holdings(1e6, 30, 0.3, 0.95, 2.5e-6, 2.5e-7, 1e-6)):
        found.update(schedule.astype("<f8").tobytes())
    return found.hexdigest()


def test_the_bits_are_the_recorded_ones() -> None:
    assert digest() == RECORDED


@pytest.mark.slow
def test_the_bits_are_the_recorded_ones_without_the_compiler() -> None:
    assert without_jit("-c", "from tests.rules.test_impact import digest; print(digest())").strip() == RECORDED


@pytest.mark.heavy
def test_power_decay_of_two_legs_is_as_exact_as_its_docstring_says() -> None:
    r, worst = Random("far"), 0.0
    for _ in range(scaled(2_000, 200)):
        earlier, later = (10 ** r.uniform(-5, 5) for _ in range(2))
        gap = r.choice((0.0, 10 ** r.uniform(-5, 5)))
        g = r.uniform(0.05, 0.95)
        with localcontext(prec=60):
            power = 2 - Decimal(g)
            ends = Decimal(gap) + Decimal(earlier), Decimal(gap) + Decimal(later)
            exact = (ends[0] + Decimal(later)) ** power - ends[0] ** power - ends[1] ** power + Decimal(gap) ** power
            exact /= (1 - Decimal(g)) * power
            off = float(abs(Decimal(decay_between(POWER, g, earlier, gap, later)) / exact - 1))
        worst = max(worst, off * (1 - g) / (1 + gap / max(earlier, later)))
    print(f"relative error beside (1 + gap / longer leg) / (1 - g): {worst:.2e}")
    assert worst < 4e-15
