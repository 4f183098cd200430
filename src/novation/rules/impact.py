"""What trading does to the price: the models of the literature, one function to a formula.

Float64 in and out (`elementary` gives exp, log and powers); `whole_e8` is the one place where an impact becomes a price
that state may hold. Signed throughout: lots and rates above 0 buy, an impact above 0 is a higher price, and a cost is
what the trader pays beyond the price at which he began. Units are the caller's, as long as they are the same
everywhere: lots, price per lot, and a unit of time (days in the papers). Which parameters let a round trip earn money,
and so are refused, is `manipulation`'s business.

Sources, by the name that a function cites: Almgren and Chriss, *Optimal execution of portfolio transactions* (2001);
Kyle, *Continuous auctions and insider trading* (1985); Almgren, Thum, Hauptmann and Li, *Direct estimation of equity
market impact* (2005); Gatheral, *No-dynamic-arbitrage and market impact* (2010); Obizhaeva and Wang, *Optimal trading
strategy and supply/demand dynamics* (2013). Their numbers: facts/validation_tables.md V1, V2, V3, V7.

Not modelled: drift, intraday volume, cross impact between instruments, impact that depends on who trades, estimation of
any parameter. The published coefficients are of US equities and no calibration for futures.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from novation._jit import model_kernel
from novation.domain.errors import InvalidInput
from novation.rules.elementary import exp, exp_less_one, log_one_plus, power

#: Almgren et al. 2005: permanent and temporary coefficient, exponent of the rate (s.e. 0.041, 0.0062, 0.038).
MEASURED_GAMMA, MEASURED_ETA, MEASURED_BETA = 0.314, 0.142, 0.600

#: A price impact in 1e-8 that no price bears: no price is above it.
BEYOND = 1 << 53

# -- into state -----------------------------------------------------------------------------------------------------


@model_kernel
def whole_e8(impact):
    """A price impact in whole 1e-8, rounded away from zero: against whoever causes it, in favour of whom he meets.

    0.25 is 25,000,000. Takes |impact| < 2**62 / 1e8 (46 thousand million) and raises OverflowError beyond, and for nan.
    """
    units = abs(impact) * 1e8
    if not units < 4611686018427387904.0:
        raise OverflowError("an impact is beyond 2**62 of 1e-8, or not a number")
    whole = int(units)
    if whole < units:
        whole += 1
    return -whole if impact < 0.0 else whole


@model_kernel
def order_impact_e8(lots, rate, half_spread, temporary, temporary_by, order, order_by, moves):
    """What each lot of an order pays on average beyond the price that it finds, in whole 1e-8, `BEYOND` at most.

    Half a spread, temporary impact of its rate, the order's own, and half of what it moves the price by. lots, rate:
    above 0.
    """
    each = half_spread + 0.5 * moves * lots
    if temporary > 0.0:
        each += temporary * power(rate, temporary_by)
    if order > 0.0:
        each += order * power(lots * 1.0, order_by)
    return whole_e8(each) if each < BEYOND / 1e8 else BEYOND


@model_kernel
def faded_e8(moved_e8, rate, elapsed):
    """What is left of an impact in whole 1e-8 that fades exponentially, cut towards zero; elapsed: in units of time."""
    if moved_e8 == 0 or rate == 0.0:
        return moved_e8
    return int(moved_e8 * exp(-rate * elapsed))


# -- Almgren and Chriss: linear -------------------------------------------------------------------------------------


@model_kernel
def linear_permanent(lots, gamma):
    """gamma * lots: how far the price stays moved. gamma: price per lot."""
    return gamma * lots


@model_kernel
def linear_temporary(lots, duration, half_spread, eta):
    """half_spread * sign + eta * lots / duration: what each lot of an even execution costs. eta: price * time / lot."""
    if lots == 0.0:
        return 0.0
    return (half_spread if lots > 0.0 else -half_spread) + eta * lots / duration


def _eta_less_permanent(period: float, eta: float, gamma: float) -> float:
    """eta - gamma * period / 2, which discrete periods leave of eta."""
    less = eta - 0.5 * gamma * period
    if not (period > 0 and less > 0):
        raise InvalidInput(
            "the temporary impact must be above half of the permanent one of a period",
            where="eta",
            value=eta,
            hint=f"eta > gamma * period / 2 = {0.5 * gamma * period!r}, or a shorter period.",
        )
    return less


def urgency(period: float, sigma: float, eta: float, gamma: float, risk_aversion: float) -> float:
    """kappa, 1 / time: 2 (cosh(kappa * period) - 1) = c = risk_aversion * sigma**2 * period**2 / eta~.

    eta~ = eta - gamma * period / 2; sigma: price per square root of time; risk_aversion: 1 / money. The paper's
    example: 0.607076 a day.
    """
    c = risk_aversion * sigma * sigma * period * period / _eta_less_permanent(period, eta, gamma)
    return float(log_one_plus(0.5 * c + power(c + 0.25 * c * c, 0.5)) / period)


def optimal_holdings(
    lots: float, periods: int, period: float, sigma: float, eta: float, gamma: float, risk_aversion: float
) -> np.ndarray:
    """x_0 ... x_N that minimise E + risk_aversion * Var: x_j = lots * sinh(kappa (T - t_j)) / sinh(kappa T).

    float64 (periods + 1), the first `lots`, the last 0. By the ratios of neighbours, rho_1 = 0 and rho_(m+1) =
    1 / (2 + c - rho_m) with c of `urgency`, which is the same without hyperbolic functions: no cancellation at
    risk_aversion 0 (a straight line), no overflow for the most urgent.
    """
    c = risk_aversion * sigma * sigma * period * period / _eta_less_permanent(period, eta, gamma)
    if not (periods >= 1 and c >= 0):
        raise InvalidInput("needs a period at least and a risk aversion of 0 or more", where="periods", value=periods)
    ratios = [0.0]
    for _ in range(periods - 1):
        ratios.append(1.0 / (1.0 + c + (1.0 - ratios[-1])))
    holdings = [float(lots)]
    for ratio in reversed(ratios):
        holdings.append(holdings[-1] * ratio)
    return np.array(holdings)


def expected_cost(holdings: np.ndarray, period: float, half_spread: float, eta: float, gamma: float) -> float:
    """E = gamma X**2 / 2 + half_spread * sum |n_k| + (eta - gamma * period / 2) / period * sum n_k**2, in money.

    holdings: float64 (N + 1) from X to 0; n_k is what is sold in period k. One million in five days evenly: 662,500.
    """
    less = _eta_less_permanent(period, eta, gamma)
    traded = squared = 0.0
    for before, after in zip(holdings[:-1].tolist(), holdings[1:].tolist(), strict=True):
        traded += abs(before - after)
        squared += (before - after) * (before - after)
    start = float(holdings[0])
    return 0.5 * gamma * start * start + half_spread * traded + less / period * squared


def cost_variance(holdings: np.ndarray, period: float, sigma: float) -> float:
    """Var = sigma**2 * period * sum of x_k**2, k = 1 ... N, in money squared."""
    squared = 0.0
    for held in holdings[1:].tolist():
        squared += held * held
    return sigma * sigma * period * squared


# -- square root ----------------------------------------------------------------------------------------------------


@model_kernel
def power_impact(lots, coefficient, exponent):
    """coefficient * sign(lots) * |lots|**exponent, 0 for nothing; of a rate too."""
    if lots == 0.0:
        return 0.0
    size = coefficient * power(abs(lots), exponent)
    return size if lots > 0.0 else -size


@model_kernel
def square_root(lots, volume, sigma, y):
    """y * sigma * sqrt(|lots| / volume) with the sign of the lots: what an order moves the price by.

    sigma: of one period, price (or a fraction of it); volume: lots a period; y: near 1. 1 % of the volume
    at sigma 2 and y 1: 0.2. Source: the square-root law, as in Tóth et al., *Anomalous price impact* (2011).
    """
    return power_impact(lots / volume, y * sigma, 0.5)


# -- Almgren, Thum, Hauptmann and Li: measured ----------------------------------------------------------------------


@model_kernel
def measured_permanent(lots, volume, outstanding, sigma, gamma):
    """I = sigma * gamma * (X / V) * (Theta / V)**(1/4), in units of sigma (a day's, bp). V: lots a day, Theta: lots."""
    return sigma * gamma * (lots / volume) * power(outstanding / volume, 0.25)


@model_kernel
def measured_temporary(lots, volume, days, sigma, eta, beta):
    """K = sigma * eta * |X / (V T)|**beta with the sign of X, in units of sigma. T: days of trading."""
    return power_impact(lots / (volume * days), sigma * eta, beta)


@model_kernel
def measured_cost(lots, volume, outstanding, days, sigma, gamma, eta, beta):
    """J = I / 2 + K: what a lot costs on average, in units of sigma, signed like the lots."""
    return 0.5 * measured_permanent(lots, volume, outstanding, sigma, gamma) + measured_temporary(
        lots, volume, days, sigma, eta, beta
    )


# -- Kyle -----------------------------------------------------------------------------------------------------------


class Kyle(NamedTuple):
    """An equilibrium: per auction the price's slope (price per lot), the insider's intensity (he asks for
    intensity * dt * (value - price) lots), the variance of the value that is left; his profit before he knows it."""

    slope: np.ndarray
    intensity: np.ndarray
    variance: np.ndarray
    profit: float


def kyle_one(sigma_v: float, sigma_u: float) -> Kyle:
    """One auction: slope sigma_v / (2 sigma_u), intensity sigma_u / sigma_v, half of the variance, sigma_v sigma_u / 2.

    sigma_v: prior deviation of the value, price; sigma_u: deviation of the noise traders' lots over the session.
    """
    slope, intensity = sigma_v / (2.0 * sigma_u), sigma_u / sigma_v
    left = 0.5 * sigma_v * sigma_v
    return Kyle(np.array([slope]), np.array([intensity]), np.array([left]), 0.5 * sigma_v * sigma_u)


def kyle_continuous(sigma_v: float, sigma_u: float, elapsed: float) -> tuple[float, float, float]:
    """(slope, variance left, profit) at a share of the session: sigma_v / sigma_u, falling evenly, sigma_v sigma_u."""
    return sigma_v / sigma_u, sigma_v * sigma_v * (1.0 - elapsed), sigma_v * sigma_u


def kyle_auctions(auctions: int, sigma_v: float, sigma_u: float) -> Kyle:
    """N auctions, 1 / N of a session apart: Kyle 1985, theorem 2, by backward recursion.

    With a_N = d_N = 0 and q_n = a_n slope_n, from the last auction to the first:
        slope_n solves 2 (noise / variance_n) slope**2 (1 - a_n slope) = 1 - 2 a_n slope, the root with q below 1/2,
        intensity_n dt = (1 - 2 q_n) / (2 slope_n (1 - q_n)), variance_(n-1) = 2 (1 - q_n) variance_n,
        a_(n-1) = 1 / (4 slope_n (1 - q_n)), d_(n-1) = d_n + a_n slope_n**2 noise, noise = sigma_u**2 / N;
    profit = a_0 sigma_v**2 + d_0. Slopes scale with sigma_v / sigma_u, so the variance at the end, with which the
    recursion begins, is taken as 1 and scaled at last: nothing is shot at. Four auctions: profit 0.73074.
    """
    if not (auctions >= 1 and sigma_v > 0 and sigma_u > 0):
        raise InvalidInput("needs an auction and two deviations above 0", where="auctions", value=auctions)
    noise, variance, a, d = 1.0 / auctions, 1.0, 0.0, 0.0
    slopes, intensities, variances = [], [], []
    for _ in range(auctions):
        slope = _kyle_slope(noise / variance, a)
        q = a * slope
        slopes.append(slope)
        intensities.append((1.0 - 2.0 * q) / (2.0 * slope * (1.0 - q)) * auctions)
        variances.append(variance)
        variance *= 2.0 * (1.0 - q)
        a, d = 1.0 / (4.0 * slope * (1.0 - q)), d + a * slope * slope * noise
    prior = float(power(variance, 0.5))
    unit = sigma_v / sigma_u / prior
    return Kyle(
        np.array(slopes[::-1]) * unit,
        np.array(intensities[::-1]) / unit,
        np.array(variances[::-1]) * (sigma_v * sigma_v / variance),
        (a * variance + d) / prior * sigma_v * sigma_u,
    )


def _kyle_slope(ratio: float, a: float) -> float:
    """The root of 2 ratio x**2 (1 - a x) = 1 - 2 a x in (0, 1 / 2a), halved to the last bit: there is one."""
    low, high = 0.0, float(power(0.5 / ratio, 0.5))  # the root for a = 0, and above the root for any other
    if a == 0.0:
        return high
    high = min(high, 0.5 / a)
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return middle
        if 2.0 * ratio * middle * middle * (1.0 - a * middle) < 1.0 - 2.0 * a * middle:
            low = middle
        else:
            high = middle


# -- Gatheral: a propagator -----------------------------------------------------------------------------------------


class Decay(IntEnum):
    """How an impact fades: G(t) = 1, exp(-rate * t), t**-rate."""

    CONSTANT = 0
    EXPONENTIAL = 1
    POWER = 2


_EXPONENTIAL = int(Decay.EXPONENTIAL)
_POWER = int(Decay.POWER)


@model_kernel
def _bend(x):
    """x - 1 + exp(-x) for x >= 0, without what cancels for a small x."""
    if x > 1.0:
        return x + exp_less_one(-x)
    tail = 1.0
    for n in range(20, 2, -1):
        tail = 1.0 - x * tail / n
    return 0.5 * x * x * tail


@model_kernel
def decay(kind, rate, t):
    """G(t), t > 0: what is left of an impact after t."""
    if kind == _EXPONENTIAL:
        return exp(-rate * t)
    if kind == _POWER:
        return power(t, -rate)
    return 1.0


@model_kernel
def decay_once(kind, rate, t):
    """The integral of G from 0 to t. POWER needs a rate below 1."""
    if kind == _EXPONENTIAL and rate > 0.0:
        return -exp_less_one(-rate * t) / rate
    if kind == _POWER:
        return power(t, 1.0 - rate) / (1.0 - rate)
    return t * 1.0


@model_kernel
def decay_twice(kind, rate, t):
    """The integral of `decay_once` from 0 to t: what a leg of rate 1, impact 1 and duration t costs by itself."""
    if kind == _EXPONENTIAL and rate > 0.0:
        return _bend(rate * t) / (rate * rate)
    if kind == _POWER:
        return power(t, 2.0 - rate) / ((1.0 - rate) * (2.0 - rate))
    return 0.5 * t * t


@model_kernel
def _power_step(t, step, exponent):
    """(t + step)**exponent - t**exponent, exact to the last bits for a small step too."""
    if t == 0.0:
        return power(step, exponent)
    return power(t, exponent) * exp_less_one(exponent * log_one_plus(step / t))


@model_kernel
def decay_between(kind, rate, earlier, gap, later):
    """The integral of G over pairs of instants of two legs, of these durations and a gap between them.

    EXPONENTIAL and CONSTANT to a few ulp, POWER to 4e-15 * (1 + gap / the longer leg) / (1 - rate) of itself for
    times from 1e-5 to 1e5: a second difference, over the shorter leg by the elementary functions, over the longer one
    by subtraction.
    """
    if kind == _EXPONENTIAL and rate > 0.0:
        return exp(-rate * gap) * decay_once(kind, rate, earlier) * decay_once(kind, rate, later)
    if kind == _POWER:
        short, long = min(earlier, later), max(earlier, later)
        step = _power_step(gap + long, short, 2.0 - rate) - _power_step(gap, short, 2.0 - rate)
        return step / ((1.0 - rate) * (2.0 - rate))
    return earlier * later


@model_kernel
def propagator_parts(rates, durations, coefficient, exponent, kind, rate):
    """(cost, sum of its terms without their signs): `propagator_cost` and what its rounding is to be measured by."""
    cost, size = 0.0, 0.0
    for i in range(len(rates)):
        if rates[i] == 0.0:
            continue
        term = rates[i] * power_impact(rates[i], coefficient, exponent) * decay_twice(kind, rate, durations[i])
        cost += term
        size += abs(term)
        gap = 0.0
        for j in range(i - 1, -1, -1):
            if rates[j] != 0.0:
                pairs = decay_between(kind, rate, durations[j], gap, durations[i])
                term = rates[i] * power_impact(rates[j], coefficient, exponent) * pairs
                cost += term
                size += abs(term)
            gap += durations[j]
    return cost, size


@model_kernel
def propagator_cost(rates, durations, coefficient, exponent, kind, rate):
    """The integral of v_t * (integral of f(v_s) G(t - s) over s < t), f(v) = coefficient * sign(v) |v|**exponent.

    Legs of constant rate, one after the other: float64 (legs), rates in lots per time (0 waits); `kind` and `rate` are
    those of `Decay`. Exact integrals, no grid; in money. Gatheral 2010. Buying 1 for 6, selling 6 for 1, f = v,
    G = exp(-0.1 t): 6.5341.
    """
    cost, _ = propagator_parts(rates, durations, coefficient, exponent, kind, rate)
    return cost


@model_kernel
def propagator_impact(rates, durations, coefficient, exponent, kind, rate):
    """Where the legs leave the price as the last one ends: the integral of f(v_s) G(T - s)."""
    impact, until_end = 0.0, 0.0
    for i in range(len(rates) - 1, -1, -1):
        begun = until_end + durations[i]
        fresh = decay_once(kind, rate, begun) - decay_once(kind, rate, until_end)
        if kind == _EXPONENTIAL and rate > 0.0:
            fresh = exp(-rate * until_end) * decay_once(kind, rate, durations[i])
        impact += power_impact(rates[i], coefficient, exponent) * fresh
        until_end = begun
    return impact


# -- Obizhaeva and Wang ---------------------------------------------------------------------------------------------


def obizhaeva_wang_plan(lots: float, duration: float, resilience: float) -> tuple[float, float]:
    """(block, rate): the cheapest way under f(v) = v, G = exp(-resilience * t): a block at both ends, a rate between.

    block = X / (rho T + 2), rate = rho * block. 1 lot in 10 at resilience 0.2: 0.25 and 0.05.
    """
    block = lots / (resilience * duration + 2.0)
    return block, resilience * block


def obizhaeva_wang_cost(lots: float, duration: float, resilience: float, coefficient: float) -> float:
    """What that costs: coefficient * X**2 / (rho T + 2), in money; a block of q alone costs coefficient * q**2 / 2."""
    return coefficient * lots * lots / (resilience * duration + 2.0)
