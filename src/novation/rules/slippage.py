"""What a taker pays beyond the mid where no book is at hand, as a fraction of the mid.

    slippage = both * (half_spread * wider + y * sigma * (lots / volume)**exponent * deeper), from `least` to `most`

half_spread: a fraction of the mid. y: near 1; sigma: of one day, a fraction; volume: lots that trade in a day. wider,
deeper, both: products of factors by what acts on the spread, on the impact, on the two: ramps (`ramp`) and curves by
hour or month, each above 0 and bounded. So it grows with size, volatility and participation, is the same for a buyer
and a seller but for a ramp of a signed driver, and never below 0: a round trip earns nothing.

Sources: the square-root law, as in Tóth et al., *Anomalous price impact and the critical nature of liquidity in
financial markets* (2011), on futures; Maitrier, Loeper, Kanazawa and Bouchaud, *The "double" square-root law* (2025),
who find it of single market orders. Half a spread plus square-root participation is what practice calls Almgren-Chriss
costs. Which factors there are, and their numbers, are rows (`reference.slippage`).

Float64 in and out; not modelled: who trades, how long an order takes, impact that the next order finds (`impact`).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from novation._jit import model_kernel
from novation.rules.elementary import power
from novation.rules.impact import BEYOND

Floats = npt.NDArray[np.float64]


def ramp(x, begins: float, full: float, weight: float) -> Floats:
    """1 + weight * share, the share 0 where x is at `begins` or before it, 1 at `full` or beyond, even between.

    x: any shape. full may lie below begins: then the factor grows as x falls. An x that is nan, not known, counts for
    nothing.

    >>> ramp([0.5, 2.0, 9.0, np.nan], 1.0, 3.0, 0.5).tolist()
    [1.0, 1.25, 1.5, 1.0]
    """
    driver = np.asarray(x, dtype=np.float64)
    inside = np.clip(np.where(np.isnan(driver), begins, driver), min(begins, full), max(begins, full))
    factor: Floats = 1.0 + weight * ((inside - begins) / (full - begins))
    return factor


@model_kernel
def slippage(half_spread, y, sigma, participation, exponent, wider, deeper, both, least, most):
    """The formula of this module, of one order. participation: lots / volume."""
    impact = y * sigma * power(participation, exponent)
    return min(max(both * (half_spread * wider + impact * deeper), least), most)


@model_kernel
def _fill(costs, half_spread, y, sigma, participation, exponent, wider, deeper, both, least, most):
    for i in range(len(costs)):
        costs[i] = slippage(
            half_spread[i],
            y[i],
            sigma[i],
            participation[i],
            exponent[i],
            wider[i],
            deeper[i],
            both[i],
            least,
            most,
        )


def slippages(half_spread, y, sigma, participation, exponent, wider=1.0, deeper=1.0, both=1.0, least=0.0, most=np.inf):
    """`slippage` of many orders: float64 of the arrays' common shape; least and most are numbers.

    >>> slippages(0.0001, 1.0, 0.02, np.array([0.0, 0.0001, 0.01]), 0.5).tolist()
    [0.0001, 0.00030000000000000003, 0.0021]
    """
    given = (half_spread, y, sigma, participation, exponent, wider, deeper, both)
    shape = np.broadcast_shapes(*(np.shape(one) for one in given))
    columns = np.empty((len(given), math.prod(shape)))
    for column, one in zip(columns, given, strict=True):
        column.reshape(shape)[...] = one
    costs = np.empty(columns.shape[1])
    _fill(costs, *columns, float(least), float(most))
    return costs.reshape(shape)


# -- in a venue's state ---------------------------------------------------------------------------------------------


@model_kernel
def piece_e8(before, lots, volume, half_e8, whole_e8, exponent, least_e8, most_e8):
    """What each of so many lots pays beyond the price, after `before` others of the same side and bar, in whole 1e-8
    against the taker, `BEYOND` at most.

    (c(before + lots) - c(before)) / lots, where c(q) is q times the slippage of q lots: an order that is split pays in
    all what it pays whole. lots, volume: above 0.
    """
    half, whole_day = float(half_e8), float(whole_e8)
    share = (before + lots) / volume
    each = slippage(half, whole_day, 1.0, share, exponent, 1.0, 1.0, 1.0, least_e8, most_e8)
    if before > 0:
        earlier = slippage(half, whole_day, 1.0, before / volume, exponent, 1.0, 1.0, 1.0, least_e8, most_e8)
        each += (each - earlier) * (before / lots)
    if not each < BEYOND:
        return BEYOND
    whole = int(each)
    return whole + 1 if whole < each else whole
