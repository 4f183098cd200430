"""Can a round trip be paid for? A model of impact that pays for one hands a strategy money that no market has.

`ImpactModel` is what the formulae of `impact` come to for a path of constant rates; `trip_cost` is its cost, exact;
`cheapest_round_trip` looks for a cheap one at random; `check_model` refuses the parameters for which one is known to
cost less than nothing, whatever a search finds. A round trip ends with as many lots as it began; expected prices, no
interest, zero drift.

Sources: Huberman and Stanzl, *Price manipulation and quasi-arbitrage* (2004): permanent impact must be linear.
Gatheral, *No-dynamic-arbitrage and market impact* (2010): exponential decay allows only linear impact; t**-g with
v**d needs g + d >= 1 and g >= 2 - log2(3). Those are necessary, and they are not enough: Curato, Gatheral and Lillo,
*Optimal execution with nonlinear transient market impact* (2014) find negative costs by numbers, and so does the search
at g = d = 1/2. The reason (ours): trading quickly back and forth, in bursts one way and evenly the other, moves the
price of a nonlinear model and holds nothing; as the periods shrink its own cost goes to 0 with the integral of G over
one. So one can open a position, push the price with empty hands and close. Hence transient impact must be linear,
whatever its decay; then the cost is a positive definite form for every G that is convex and falls, t**-g of any g in
(0, 1) too (Gatheral, Schied and Slynko, *Transient linear price impact and Fredholm integral equations*, 2012).

Not judged: a nonlinear transient impact that another term might outweigh (it is refused), impact that depends on the
time or the side, several instruments, trades at times that the trader may not choose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NoReturn

import numpy as np

from novation._jit import model_kernel
from novation.domain.errors import InvalidInput
from novation.rules.elementary import power
from novation.rules.impact import Decay, measured_permanent, propagator_parts

#: 2 - log2(3): the slowest power decay that Gatheral's condition leaves to a nonlinear impact.
SLOWEST_DECAY = 0.4150374992788438

_CONSTANT = int(Decay.CONSTANT)


@dataclass(frozen=True, slots=True)
class ImpactModel:
    """What a path costs in expectation, beyond the price at which it began: five terms, absent at coefficient 0.

    A path is a row of legs, each one order: a rate v (lots per time, above 0 buys) for a duration, q = v * duration.
    """

    name: str
    half_spread: float = 0.0  #: price per lot, paid by each
    temporary: float = 0.0  #: each lot pays temporary * |v|**temporary_exponent
    temporary_exponent: float = 1.0
    order: float = 0.0  #: each lot pays order * |q|**order_exponent of its order; later orders do not remember
    order_exponent: float = 0.5
    permanent: float = 0.0  #: the price moves by permanent * |v|**permanent_exponent per time, and stays
    permanent_exponent: float = 1.0
    transient: float = 0.0  #: it moves by transient * |v|**transient_exponent per time, which fades by G
    transient_exponent: float = 1.0
    decay: Decay = Decay.CONSTANT  #: G
    decay_rate: float = 0.0

    @property
    def terms(self) -> tuple[float, ...]:
        """All but the name, in order, as the kernels take them."""
        numbers = (float(getattr(self, field.name)) for field in fields(self)[1:-2])
        return (*numbers, int(self.decay), float(self.decay_rate))


def almgren_chriss(gamma: float, eta: float, half_spread: float = 0.0) -> ImpactModel:
    """Linear permanent and temporary impact: units of `linear_permanent`, `linear_temporary`."""
    return ImpactModel("almgren_chriss", half_spread=half_spread, temporary=eta, permanent=gamma)


def _above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise InvalidInput("is a number above zero", source=name, value=value)


def square_root_law(volume: float, sigma: float, y: float) -> ImpactModel:
    """`square_root` paid by each lot of an order and forgotten by the next order."""
    _above_zero("volume", volume)
    return ImpactModel("square_root", order=y * sigma / float(power(volume, 0.5)), order_exponent=0.5)


def kyle(sigma_v: float, sigma_u: float) -> ImpactModel:
    """Kyle's continuous market: every lot moves the price by sigma_v / sigma_u for good."""
    _above_zero("sigma_u", sigma_u)
    return ImpactModel("kyle", permanent=sigma_v / sigma_u)


def obizhaeva_wang(coefficient: float, resilience: float) -> ImpactModel:
    """Linear impact that fades exponentially."""
    return ImpactModel("obizhaeva_wang", transient=coefficient, decay=Decay.EXPONENTIAL, decay_rate=resilience)


def propagator(coefficient: float, exponent: float, decay: Decay, decay_rate: float) -> ImpactModel:
    """`propagator_cost`; of exponents other than 1 a model to search, not one that `check_model` lets through."""
    return ImpactModel(
        "propagator", transient=coefficient, transient_exponent=exponent, decay=decay, decay_rate=decay_rate
    )


def measured(
    volume: float, outstanding: float, sigma: float, gamma: float, eta: float, beta: float, half_spread: float = 0.0
) -> ImpactModel:
    """Almgren et al. 2005: linear permanent impact, temporary impact of the rate's power beta; time in days."""
    return ImpactModel(
        "measured",
        half_spread=half_spread,
        temporary=sigma * eta / float(power(volume, beta)),
        temporary_exponent=beta,
        permanent=float(measured_permanent(1.0, volume, outstanding, sigma, gamma)),
    )


# -- what a path costs ----------------------------------------------------------------------------------------------


@model_kernel
def path_parts(rates, durations, terms):
    """(cost, sum of its parts without their signs) of a path under `ImpactModel.terms`; float64 (legs) each."""
    half_spread, temporary, temporary_by, order, order_by, permanent, permanent_by = terms[:7]
    transient, transient_by, decay, decay_rate = terms[7:]
    cost = 0.0
    for i in range(len(rates)):
        rate = abs(rates[i])
        if rate > 0.0:
            each = half_spread
            if temporary > 0.0:
                each += temporary * power(rate, temporary_by)
            if order > 0.0:
                each += order * power(rate * durations[i], order_by)
            cost += each * rate * durations[i]
    size = cost
    if permanent > 0.0:
        more, parts = propagator_parts(rates, durations, permanent, permanent_by, _CONSTANT, 0.0)
        cost += more
        size += parts
    if transient > 0.0:
        more, parts = propagator_parts(rates, durations, transient, transient_by, decay, decay_rate)
        cost += more
        size += parts
    return cost, size


@model_kernel
def _cheapest(rates, durations, terms):
    """The trip, of rows of them, whose cost is least beside its parts: (row, cost, size)."""
    row, least, least_size = -1, 0.0, 1.0
    for i in range(len(rates)):
        cost, size = path_parts(rates[i], durations[i], terms)
        if size > 0.0 and (row < 0 or cost * least_size < least * size):
            row, least, least_size = i, cost, size
    return row, least, least_size


@model_kernel
def _tens(exponents, out):
    """10**x of a table, the same on every machine."""
    for i in range(len(exponents)):
        for j in range(len(exponents[i])):
            out[i, j] = power(10.0, exponents[i, j])


def trip_cost(model: ImpactModel, rates: np.ndarray, durations: np.ndarray) -> float:
    """The expected cost of a path, in money. float64 (legs) each; durations above 0, a rate of 0 waits."""
    cost, _ = path_parts(np.asarray(rates, np.float64), np.asarray(durations, np.float64), model.terms)
    return float(cost)


# -- the search -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """The cheapest trip that a search found: its cost (money), what its parts add up to without their signs, its legs,
    and how many were tried."""

    cost: float
    size: float
    rates: np.ndarray
    durations: np.ndarray
    trips: int

    @property
    def relative(self) -> float:
        """cost / size, in [-1, 1]; between -1e-12 and 1e-12 it is rounding."""
        return self.cost / self.size if self.size > 0 else 0.0


_ROUNDS = 10


def cheapest_round_trip(
    model: ImpactModel, generator: np.random.Generator, trips: int = 4_000, legs: int = 8
) -> RoundTrip:
    """Try round trips and return the one that is cheapest beside its parts: half of them at random, then in ten rounds
    half of them near the cheapest so far. Exactly `trips` are tried.

    At random: 2 to `legs` legs, a quarter of them waits, sizes over three decades with random signs, durations over
    four; the last leg closes. Finding nothing proves nothing; `check_model` knows more.
    """
    if trips < 2 * _ROUNDS or legs < 2:
        raise InvalidInput("needs 20 trips and 2 legs at least", where="trips, legs", value=(trips, legs))
    near = trips // 2 // _ROUNDS
    first = trips - near * _ROUNDS
    lots = _spread(generator, first, legs, 3.0) * np.where(generator.random((first, legs)) < 0.5, -1.0, 1.0)
    lots[generator.random((first, legs)) < 0.25] = 0.0
    unused = legs - generator.integers(2, legs, first, endpoint=True)
    lots[np.arange(legs) < unused[:, np.newaxis]] = 0.0  # in front, where waiting makes no difference
    durations = _spread(generator, first, legs, 4.0)
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for left in range(_ROUNDS, -1, -1):
        rates = _closed(lots) / durations
        row, cost, size = _cheapest(rates, durations, model.terms)
        if row >= 0 and (best is None or cost * best[1] < best[0] * size):
            best = float(cost), float(size), lots[row].copy(), durations[row].copy()
        if left == 0 or best is None:
            break
        decades = 0.2 * left
        changed = generator.random((2, near, legs)) < 0.5
        lots = best[2] * np.where(changed[0], _spread(generator, near, legs, decades), 1.0)
        durations = best[3] * np.where(changed[1], _spread(generator, near, legs, decades), 1.0)
    if best is None:  # no trip costs anything under this model
        return RoundTrip(0.0, 0.0, np.zeros(legs), np.ones(legs), trips)
    return RoundTrip(best[0], best[1], _closed(best[2][np.newaxis])[0] / best[3], best[3], trips)


def _spread(generator: np.random.Generator, rows: int, columns: int, decades: float) -> np.ndarray:
    """Numbers around 1, even in their logarithm over so many decades."""
    out = np.empty((rows, columns))
    _tens((generator.random((rows, columns)) - 0.5) * decades, out)
    return out


def _closed(lots: np.ndarray) -> np.ndarray:
    """The trips with their last leg such that nothing is left."""
    closed = lots.copy()
    closed[:, -1] = 0.0
    for leg in range(lots.shape[1] - 1):
        closed[:, -1] -= lots[:, leg]
    return closed


# -- what is known without one --------------------------------------------------------------------------------------


def _refuse(model: ImpactModel, where: str, problem: str, hint: str) -> NoReturn:
    raise InvalidInput(
        problem, source=f"impact model {model.name}", where=where, value=getattr(model, where), hint=hint
    )


def check_model(model: ImpactModel) -> None:
    """Raise InvalidInput, naming the rule, for a model that admits manipulation, or is none.

    What it lets through costs no round trip less than 0: every term by itself does not.
    """
    for field in fields(model)[1:]:
        number = getattr(model, field.name)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0.0 <= number < math.inf:
            _refuse(model, field.name, "must be a finite number, 0 or more", "Impact works against the trader.")
    if model.decay not in set(Decay):
        _refuse(model, "decay", "must be a Decay", "Use Decay.CONSTANT, Decay.EXPONENTIAL or Decay.POWER.")
    if model.permanent > 0.0 and model.permanent_exponent != 1.0:
        _refuse(model, "permanent_exponent", _PERMANENT_IS_LINEAR, "Use 1.")
    if model.transient > 0.0:
        _check_transient(model)


_PERMANENT_IS_LINEAR = (
    "permanent impact must be linear, else buying in other pieces than selling earns money (Huberman and Stanzl 2004)"
)


def _check_transient(model: ImpactModel) -> None:
    """The rules of an impact that fades, the more special ones first."""
    d, g = model.transient_exponent, model.decay_rate
    if model.decay == Decay.CONSTANT or g == 0.0:
        if d != 1.0:
            _refuse(model, "transient_exponent", _PERMANENT_IS_LINEAR, "Use 1, or a decay.")
    elif model.decay == Decay.EXPONENTIAL:
        if d != 1.0:
            _refuse(
                model,
                "transient_exponent",
                "exponential decay is free of manipulation only with linear impact (Gatheral 2010)",
                "Use 1.",
            )
    elif g >= 1.0:
        _refuse(model, "decay_rate", "t**-rate has no integral at 0 for a rate of 1 or more", "Use a rate below 1.")
    elif g + d < 1.0:
        _refuse(
            model,
            "decay_rate",
            f"power decay t**-g with impact v**d needs g + d >= 1, and {g!r} + {d!r} is less (Gatheral 2010)",
            "Use linear impact, d = 1.",
        )
    elif d != 1.0 and g < SLOWEST_DECAY:
        _refuse(
            model,
            "decay_rate",
            f"power decay t**-g with nonlinear impact needs g >= 2 - log2(3) = {SLOWEST_DECAY:.4f} (Gatheral 2010)",
            "Use linear impact, d = 1.",
        )
    elif d != 1.0:
        _refuse(
            model,
            "transient_exponent",
            "nonlinear impact that fades pays for round trips: bursts move the price otherwise than even trading does"
            " (Curato, Gatheral and Lillo 2014)",
            "Use 1, or an impact that is temporary only.",
        )
