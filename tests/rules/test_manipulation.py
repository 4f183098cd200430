"""Round trips: what V7 prints, which models are refused and why, and that none we offer pays for one."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.errors import InvalidInput
from novation.rules.impact import Decay, kyle_auctions
from novation.rules.manipulation import (
    SLOWEST_DECAY,
    ImpactModel,
    almgren_chriss,
    cheapest_round_trip,
    check_model,
    kyle,
    measured,
    obizhaeva_wang,
    propagator,
    square_root_law,
    trip_cost,
)
from tests.conftest import scaled

#: Rounding beside the sum of a cost's parts.
ROUNDING = 1e-12

OFFERED = [
    almgren_chriss(2.5e-7, 2.5e-6, 0.0625),
    almgren_chriss(2.5e-7, 0.0),
    square_root_law(1e6, 2.0, 1.0),
    kyle(1.0, 2.0),
    obizhaeva_wang(1.0, 0.2),
    obizhaeva_wang(1.0, 20.0),
    propagator(1.0, 1.0, Decay.CONSTANT, 0.0),
    propagator(1.0, 1.0, Decay.POWER, 0.1),
    propagator(1.0, 1.0, Decay.POWER, 0.5),
    propagator(1.0, 1.0, Decay.POWER, 0.95),
    measured(6.561, 1_728.0, 157.0, 0.314, 0.142, 0.6),
    ImpactModel("all", 0.01, 0.2, 0.6, 0.1, 0.5, 0.3, 1.0, 0.4, 1.0, Decay.EXPONENTIAL, 0.5),
]

#: Impact, decay, and the words of the rule that refuses them.
REFUSED = [
    (0.5, Decay.EXPONENTIAL, 0.1, "exponential decay is free of manipulation only with linear impact"),
    (0.9, Decay.EXPONENTIAL, 0.1, "exponential decay is free of manipulation only with linear impact"),
    (1.1, Decay.EXPONENTIAL, 0.1, "exponential decay is free of manipulation only with linear impact"),
    (0.5, Decay.EXPONENTIAL, 0.0, "permanent impact must be linear"),
    (0.5, Decay.CONSTANT, 0.0, "permanent impact must be linear"),
    (0.5, Decay.POWER, 0.4, r"needs g \+ d >= 1, and 0.4 \+ 0.5 is less"),
    (0.6, Decay.POWER, 0.3, r"needs g \+ d >= 1, and 0.3 \+ 0.6 is less"),
    (0.65, Decay.POWER, 0.41, r"needs g >= 2 - log2\(3\) = 0.4150"),
    (0.5, Decay.POWER, 0.5, "nonlinear impact that fades pays for round trips"),
    (1.5, Decay.POWER, 0.5, "nonlinear impact that fades pays for round trips"),
    (1.0, Decay.POWER, 1.0, "has no integral at 0"),
]


def searched(model: ImpactModel, trips: int, legs: int = 8) -> float:
    """The cheapest of so many round trips, beside its parts."""
    found = cheapest_round_trip(model, np.random.default_rng(7), trips, legs)
    assert found.trips == trips
    assert abs((found.rates * found.durations).sum()) <= 1e-12 * np.abs(found.rates * found.durations).sum()
    assert trip_cost(model, found.rates, found.durations) == pytest.approx(found.cost, abs=ROUNDING * found.size)
    return found.relative


# -- V7 -------------------------------------------------------------------------------------------------------------

RATES, DURATIONS = np.array([1.0, -6.0]), np.array([6.0, 1.0])


def test_v7_the_pair_that_pays_is_found_and_refused_and_the_linear_one_is_neither() -> None:
    failing, linear = propagator(1.0, 0.5, Decay.EXPONENTIAL, 0.1), propagator(1.0, 1.0, Decay.EXPONENTIAL, 0.1)
    assert trip_cost(failing, RATES, DURATIONS) == pytest.approx(-3.7711, abs=5e-5)
    assert trip_cost(linear, RATES, DURATIONS) == pytest.approx(6.5341, abs=5e-5)
    assert searched(failing, 4_000 if JIT else 100) < -0.5
    with pytest.raises(
        InvalidInput, match="exponential decay is free of manipulation only with linear impact"
    ) as refused:
        check_model(failing)
    assert (refused.value.source, refused.value.where, refused.value.value) == (
        "impact model propagator",
        "transient_exponent",
        0.5,
    )
    check_model(linear)


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exponent", "decay", "rate", "words"), REFUSED)
def test_a_model_that_can_be_manipulated_is_refused_by_the_rules_name(
    exponent: float, decay: Decay, rate: float, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        check_model(propagator(1.0, exponent, decay, rate))


@pytest.mark.parametrize("decay", [3, 0.5, "x"])
def test_a_decay_that_is_none_is_refused(decay: Any) -> None:
    with pytest.raises(InvalidInput, match="decay: must be"):
        check_model(ImpactModel("none", transient=1.0, decay=decay))


@pytest.mark.parametrize("exponent", [0.5, 0.9, 1.1, 2.0])
def test_permanent_impact_that_is_not_linear_pays_and_is_refused(exponent: float) -> None:
    model = ImpactModel("bent", permanent=1.0, permanent_exponent=exponent)
    assert searched(model, 1_000 if JIT else 100) < -0.01
    with pytest.raises(InvalidInput, match="Huberman and Stanzl 2004"):
        check_model(model)


@pytest.mark.parametrize("field", ["half_spread", "temporary", "order", "permanent", "transient", "decay_rate"])
@pytest.mark.parametrize("number", [-1e-9, float("nan"), float("inf"), True, "a", None])
def test_impact_in_the_traders_favour_or_no_number_is_refused(field: str, number: float) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: must be a finite number, 0 or more"):
        check_model(ImpactModel("wrong", **{field: number}))


def test_slowest_decay_is_what_gatheral_says() -> None:
    with localcontext(prec=30):
        assert pytest.approx(float(2 - Decimal(3).ln() / Decimal(2).ln()), rel=1e-15) == SLOWEST_DECAY
    with pytest.raises(InvalidInput, match="nonlinear impact that fades"):
        check_model(propagator(1.0, 0.7, Decay.POWER, SLOWEST_DECAY))


def test_the_two_conditions_on_power_decay_are_not_enough() -> None:
    """g = d = 1/2 meets both, and selling ever faster and buying all in an instant costs -10.9992: so does V7's rule
    of a random search flag it. By hand: sums of t**1.5 to forty digits."""
    model = propagator(1.0, 0.5, Decay.POWER, 0.5)
    lots, durations = [-5.0, -1.5, -1.2, -1.0, 8.7], [8_000.0, 60.0, 1.0, 0.01, 0.0001]
    rates = [q / t for q, t in zip(lots, durations, strict=True)]
    assert sum(lots) == pytest.approx(0, abs=1e-15)
    with localcontext(prec=40):
        exact = Decimal(0)
        v = [Decimal(q) / Decimal(t) for q, t in zip(lots, durations, strict=True)]
        ends = [sum(map(Decimal, durations[: i + 1]), Decimal(0)) for i in range(5)]
        starts = [Decimal(0), *ends[:-1]]
        for i in range(5):
            for j in range(i + 1):
                moved = v[j].copy_sign(1).sqrt().copy_sign(v[j])
                reach = [ends[i] - starts[j], ends[i] - ends[j], starts[i] - starts[j], starts[i] - ends[j]]
                h = [max(t, Decimal(0)) ** Decimal("1.5") / Decimal("0.75") for t in reach]
                exact += v[i] * moved * (h[0] - h[1] - h[2] + h[3] if j < i else h[0])
    assert trip_cost(model, rates, durations) == pytest.approx(float(exact), rel=1e-13)
    assert round(trip_cost(model, rates, durations), 4) == -10.9992


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="40,000 trips take a second compiled and minutes without")
def test_a_long_search_finds_that_too() -> None:
    assert searched(propagator(1.0, 0.5, Decay.POWER, 0.5), 40_000) < -0.01


def in_bursts(periods: int, burst: float, push: float) -> tuple[np.ndarray, np.ndarray]:
    """Sell 1 in twenty bursts, push the price down with empty hands (buy in bursts, sell evenly), buy 1 in bursts."""
    quiet = [(1 / 20, 1 / 20 / burst), (0.0, 1 / 20 - 1 / 20 / burst)] * 20
    period = 1 / periods
    pushing = [(push * period, period / burst), (-push * period, period - period / burst)] * periods
    legs = [*((-q, t) for q, t in quiet), *pushing, *quiet]
    return np.array([q / t for q, t in legs]), np.array([t for _, t in legs])


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="a million pairs of legs take a second compiled and minutes without")
def test_trading_in_bursts_pays_in_the_limit_where_both_conditions_hold() -> None:
    """g = 0.5, d = 0.7: what the bursts themselves cost falls as periods**(g - 1); what remains is below 0."""
    model = propagator(1.0, 0.7, Decay.POWER, 0.5)
    costs = [trip_cost(model, *in_bursts(periods, 30.0, 30.0)) for periods in (200, 400, 800)]
    assert costs[0] > costs[1] > costs[2]
    falls = 2**-0.5
    limits = [(later - falls * earlier) / (1 - falls) for earlier, later in pairwise(costs)]
    assert limits == pytest.approx([-6.834, -6.446], abs=0.001)


# -- what is offered ------------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("model", OFFERED, ids=lambda m: f"{m.name}-{m.decay.name}-{m.decay_rate}")
def test_no_model_we_offer_pays_for_a_round_trip(model: ImpactModel) -> None:
    check_model(model)
    assert searched(model, scaled(100_000, 2_000) if JIT else 60) >= -ROUNDING


trips = st.lists(st.tuples(st.floats(-100, 100), st.floats(1e-3, 1e3)), min_size=2, max_size=7)


@given(trips, st.sampled_from(OFFERED))
def test_no_round_trip_costs_less_than_nothing(legs: list[tuple[float, float]], model: ImpactModel) -> None:
    lots, durations = np.array(legs).T.copy()
    lots[-1] = -lots[:-1].sum()
    size = trip_cost(model, np.abs(lots) / durations, durations)
    assert trip_cost(model, lots / durations, durations) >= -ROUNDING * size


@given(trips, st.sampled_from(OFFERED))
def test_buying_costs_what_selling_does(legs: list[tuple[float, float]], model: ImpactModel) -> None:
    rates, durations = np.array(legs).T.copy()
    assert trip_cost(model, -rates, durations) == trip_cost(model, rates, durations)


@pytest.mark.parametrize("model", OFFERED, ids=lambda m: m.name)
def test_nothing_costs_nothing(model: ImpactModel) -> None:
    assert trip_cost(model, np.zeros(4), np.ones(4)) == 0


def test_a_model_without_impact_costs_nothing_and_is_let_through() -> None:
    check_model(ImpactModel("free"))
    assert cheapest_round_trip(ImpactModel("free"), np.random.default_rng(1), 100).relative == 0


@pytest.mark.parametrize("auctions", [2, 4, 10, 50])
def test_kyles_slopes_by_auction_pay_for_no_round_trip(auctions: int) -> None:
    """They fall from auction to auction; the cost of trading x_n in each is a form that stays positive."""
    slopes = kyle_auctions(auctions, 1.0, 1.0).slope
    form = np.tril(np.broadcast_to(slopes, (auctions, auctions)))
    trips = np.eye(auctions)[:, 1:] - np.eye(auctions)[:, :1]  # spans what sums to nothing
    assert np.linalg.eigvalsh(trips.T @ (form + form.T) @ trips).min() > 0


# -- the search -----------------------------------------------------------------------------------------------------


def test_the_same_seed_finds_the_same_trip() -> None:
    model = propagator(1.0, 0.5, Decay.EXPONENTIAL, 0.1)
    one, other = (cheapest_round_trip(model, np.random.default_rng(3), 200) for _ in range(2))
    assert one.cost == other.cost and one.rates.tolist() == other.rates.tolist()


def test_a_search_of_nothing_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="needs 20 trips"):
        cheapest_round_trip(OFFERED[0], np.random.default_rng(1), 10)


def test_terms_are_the_fields_in_order() -> None:
    model = OFFERED[-1]
    assert model.terms == (0.01, 0.2, 0.6, 0.1, 0.5, 0.3, 1.0, 0.4, 1.0, 1, 0.5)


@pytest.mark.parametrize("make", [lambda: kyle(1.0, 0.0), lambda: square_root_law(0.0, 0.02, 1.0)])
def test_a_model_of_nobody_else_is_refused(make: Any) -> None:
    with pytest.raises(InvalidInput, match="is a number above zero"):
        make()
