"""`calibrate_slippage`: the coefficients of slippage out of recorded depth and trades, and how well they foretell.

The cost of walking the levels (`walked`) against the formula of `rules.slippage` without factors,

    cost = half_spread + y * sigma * (lots / volume)**exponent,

half_spread, sigma and volume being those of the instant and of the minute before it. On the first part of the record y
is fitted by least squares of the cost, every size alike, and the exponent is searched; the rest of the record tells how
far the prediction is off, by size. Beside it the square-root law with the exponent held at 1/2, and the spread alone.

What is fitted is what an order takes from the levels shown at one instant: not what it moves the price by afterwards,
and nothing hidden or sent in answer to it.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
import numpy as np

from novation.data.flow import Flow
from novation.domain.errors import InvalidInput
from novation.domain.units import NS, iso
from novation.research.calibrate.walked import SHARES, Floats, Walked, walk_levels

#: Part of the samples that is fitted to.
FIRST = 0.5
#: Exponents that are tried.
EXPONENTS = np.round(np.arange(0.1, 2.001, 0.01), 2)
LAW = 0.5
_LEAST = 10
_BPS = 1e4


class Off(msgspec.Struct, frozen=True, kw_only=True):
    """How far predictions of one size are off on the part that was not fitted to, in 1e-4 of the mid."""

    share: float  #: of the volume of the minute before
    samples: int
    cost: float  #: mean, as walked
    bias: float  #: mean of prediction less cost
    mean_error: float  #: of the size of the error
    error_95: float  #: 95 of 100 errors are no larger


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """One formula, fitted to the first part. rmse: root of the mean square of the error in 1e-4 of the mid."""

    name: str
    y: float
    exponent: float
    rmse_first: float
    rmse_rest: float
    off: tuple[Off, ...]


class SlippageCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Fits and what they rest on; `to_dict()` is the `--json` of `novation calibrate slippage`."""

    source: str
    tick: str
    lot: str
    from_: str = msgspec.field(name="from")  #: of the first sample, UTC
    split: str  #: of the first sample that is not fitted to
    until: str
    samples: int
    half_spread: float  #: mean over the first part, price
    fits: tuple[Fit, ...]
    best: str  #: the formula with the least error on the first part
    left_out: dict[str, int]
    repairs: dict[str, int]

    def fit(self, name: str) -> Fit:
        """One of the fits."""
        return next(fit for fit in self.fits if fit.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return cast(dict[str, Any], msgspec.to_builtins(self))

    def __str__(self) -> str:
        lines = [
            f"{self.source}: tick {self.tick}, lot {self.lot}",
            f"{self.from_} .. {self.until}, {self.samples:,} samples, fitted before {self.split}",
            f"half spread {self.half_spread:.6g} in price",
        ]
        for fit in self.fits:
            mark = "  <- least error where it was fitted" if fit.name == self.best else ""
            lines += [
                "",
                f"{fit.name}: y {fit.y:.4g}, exponent {fit.exponent:.2f}; rmse {fit.rmse_first:.4f} bp fitted, "
                f"{fit.rmse_rest:.4f} bp on the rest{mark}",
                f"  {'share of a minute':>18}{'samples':>9}{'cost bp':>10}{'bias':>10}{'error':>10}{'95 %':>10}",
            ]
            lines += [
                f"  {off.share:>18.2%}{off.samples:>9,}{off.cost:>10.4f}{off.bias:>10.4f}{off.mean_error:>10.4f}"
                f"{off.error_95:>10.4f}"
                for off in fit.off
            ]
        lines += [f"  left out: {count:>8,}  {why}" for why, count in self.left_out.items()]
        lines += [f"  mended:   {count:>8,}  {why}" for why, count in self.repairs.items()]
        return "\n".join(lines)


def calibrate_slippage(flow: Flow, *, every_ns: int = NS, first: float = FIRST) -> SlippageCalibration:
    """Fit the coefficients of slippage to the first part of a record of levels and trades, and test them on the rest.

    every_ns: time between samples; first: part of the samples that is fitted to. Raises `InvalidInput` for a record of
    orders, or one with too few samples in either part.
    """
    if flow.kind != "levels":
        raise InvalidInput("tells of single orders, not of levels", source=flow.source)
    if not 0.0 < first < 1.0:
        raise InvalidInput("is a part: above 0 and below 1", source="first", value=first)
    if isinstance(every_ns, bool) or not isinstance(every_ns, int) or every_ns <= 0:
        raise InvalidInput("is a whole number of ns above zero", source="every_ns", value=every_ns)
    walked = walk_levels(flow, every_ns=every_ns)
    split = int(len(walked.at_ns) * first)
    if min(split, len(walked.at_ns) - split) < _LEAST:
        raise InvalidInput(
            f"has {len(walked.at_ns)} samples; {_LEAST} are needed in either part",
            source=flow.source,
            hint="A longer record, or samples closer together.",
        )
    early, late = walked.part(slice(None, split)), walked.part(slice(split, None))
    y, exponent = _search(early)
    fits = (
        _fit("free exponent", y, exponent, early, late),
        _fit("square root", _least_squares(early, LAW), LAW, early, late),
        _fit("spread alone", 0.0, LAW, early, late),
    )
    tick = float(flow.tick)
    return SlippageCalibration(
        source=flow.source,
        tick=f"{flow.tick:f}",
        lot=f"{flow.lot:f}",
        from_=iso(int(walked.at_ns[0])),
        split=iso(int(walked.at_ns[split])),
        until=iso(int(walked.at_ns[-1])),
        samples=len(walked.at_ns),
        half_spread=float((early.half_spread * early.mid).mean()) * tick,
        fits=fits,
        best=min(fits, key=lambda fit: fit.rmse_first).name,
        left_out=walked.left_out,
        repairs=flow.repairs,
    )


def _impact(walked: Walked, exponent: float) -> Floats:
    """sigma * (lots / volume)**exponent of each sample and size."""
    share = walked.lots / walked.day_lots[:, None]
    impact: Floats = walked.day_sigma[:, None] * share**exponent
    return impact


def _least_squares(walked: Walked, exponent: float) -> float:
    """The y that leaves the least squares, none below zero: nobody is paid for taking."""
    x, beyond = _impact(walked, exponent), walked.cost - walked.half_spread[:, None]
    seen = ~np.isnan(beyond)
    return max(0.0, float((x[seen] * beyond[seen]).sum() / (x[seen] ** 2).sum()))


def _errors(walked: Walked, y: float, exponent: float) -> Floats:
    """Prediction less cost, 1e-4 of the mid."""
    errors: Floats = (walked.half_spread[:, None] + y * _impact(walked, exponent) - walked.cost) * _BPS
    return errors


def _rmse(walked: Walked, y: float, exponent: float) -> float:
    return float(np.sqrt(np.nanmean(_errors(walked, y, exponent) ** 2)))


def _search(walked: Walked) -> tuple[float, float]:
    """The exponent with the least error, and its y."""
    tried = [(_least_squares(walked, exponent), float(exponent)) for exponent in EXPONENTS]
    return min(tried, key=lambda one: _rmse(walked, *one))


def _fit(name: str, y: float, exponent: float, early: Walked, late: Walked) -> Fit:
    errors = _errors(late, y, exponent)
    off = []
    for column, share in enumerate(SHARES):
        error, cost = errors[:, column], late.cost[:, column] * _BPS
        seen = ~np.isnan(error)
        if seen.any():
            size = np.abs(error[seen])
            off.append(
                Off(
                    share=share,
                    samples=int(seen.sum()),
                    cost=float(cost[seen].mean()),
                    bias=float(error[seen].mean()),
                    mean_error=float(size.mean()),
                    error_95=float(np.quantile(size, 0.95)),
                )
            )
    return Fit(
        name=name,
        y=y,
        exponent=exponent,
        rmse_first=_rmse(early, y, exponent),
        rmse_rest=_rmse(late, y, exponent),
        off=tuple(off),
    )
