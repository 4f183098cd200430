"""What is to be expected of the next stamp: last rate, averages, an estimate out of the premium, a forecast.

*Averages* are means of the settled rates of the last day, week and month up to the last stamp, as far as the period
goes. The *estimate* is the rate that would be settled if the interval that runs ended with the last premium sample
handed in; without premium there is none. The *forecast* of the next rate is, with premium, the rate if every sample
still to come is like the last one; without, the last settled rate once more. It assumes that and nothing else.

The exchange samples its premium every five seconds; rows of a premium file (its klines, say) stand for that, each with
the weight of its place, and a caution says so. Interest, clamp, cap and floor are the dated tables' of the last stamp.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from novation.data.frames import read_e8, read_frame, read_stamps
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, E8, HOUR_NS, from_e8, iso
from novation.domain.words import counted
from novation.reference import Reference
from novation.rules.premium import average_premium, funding_rate

_SPANS = (("day", 1), ("week", 7), ("month", 30))


class Average(msgspec.Struct, frozen=True):
    """Mean of the rates settled in the last days."""

    name: str
    stamps: int
    mean: Decimal

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"name": self.name, "stamps": self.stamps, "mean": f"{self.mean:f}"}


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be expected of the next stamp, rates per interval; see the module."""

    last_rate: Decimal
    averages: tuple[Average, ...]
    estimate: Decimal | None
    samples: int  #: of the premium, behind the estimate
    average_premium: Decimal | None
    forecast: Decimal
    method: str  #: of the forecast, in words
    daily: Decimal  #: the forecast, as often as the interval fits into a day
    daily_cost: Decimal | None  #: of the position asked about, money, negative: paid
    mark: Decimal | None  #: the mark it is on

    def to_dict(self) -> dict[str, Any]:
        """Plain values, numbers as decimal text."""

        def text(value: Decimal | None) -> str | None:
            return None if value is None else f"{value:f}"

        return {
            "last_rate": text(self.last_rate),
            "averages": [one.to_dict() for one in self.averages],
            "estimate": text(self.estimate),
            "samples": self.samples,
            "average_premium": text(self.average_premium),
            "forecast": text(self.forecast),
            "forecast_method": self.method,
            "daily_at_forecast": text(self.daily),
            "daily_cost": text(self.daily_cost),
            "mark": text(self.mark),
        }


def outlook(
    id: str,
    stamps: Any,
    rates: Any,
    hours: int,
    *,
    premium: Any = None,
    position: tuple[int, int] | None = None,
    reference: Reference,
    cautions: list[str],
) -> Outlook:
    """The outlook at the last of the stamps.

    stamps, rates: int64 arrays, ns and 1e-8. premium: a frame or file of `ts` and `premium`, `close` or `rate`,
    fractions. position: coins in 1e-8, signed, and the mark in 1e-8 its daily cost is on.
    """
    last_ns, last_e8 = int(stamps[-1]), int(rates[-1])
    averages = []
    for name, days in _SPANS:
        known = rates[stamps > last_ns - days * DAY_NS]
        averages.append(Average(name, len(known), (from_e8(int(known.sum())) / len(known)).quantize(Decimal("1e-12"))))
    estimate_e8, forecast_e8, average_e8, samples = None, last_e8, None, 0
    method = "the last settled rate once more"
    if premium is not None:
        at, values = _premium(id, premium, last_ns, hours)
        average_e8, estimate_e8, forecast_e8 = _rates(id, at, values, last_ns, hours, reference)
        samples = len(at)
        method = "the premium stays what it was last"
        cautions.append(
            f"estimate and forecast rest on {counted(samples, 'row')} of premium, not on a sample every 5 s"
        )
        cautions += [text for text in reference.cautions() if "funding" in text]
    daily_cost = None
    if position is not None:
        qty_e8, mark_e8 = position
        paid = abs(qty_e8) * mark_e8 * abs(forecast_e8) // (E8 * E8)
        paid = (-paid if (qty_e8 > 0) == (forecast_e8 > 0) else paid) * 24 // hours
        daily_cost = from_e8(paid)
    return Outlook(
        last_rate=from_e8(last_e8),
        averages=tuple(averages),
        estimate=None if estimate_e8 is None else from_e8(estimate_e8),
        samples=samples,
        average_premium=None if average_e8 is None else from_e8(average_e8),
        forecast=from_e8(forecast_e8),
        method=method,
        daily=from_e8(forecast_e8) * 24 / hours,
        daily_cost=daily_cost,
        mark=None if position is None else from_e8(position[1]),
    )


def _premium(id: str, given: Any, last_ns: int, hours: int) -> tuple[Any, Any]:
    """Instants and values of the premium in the interval that runs."""
    frame = read_frame(given, f"{id} premium")
    at, _, _ = read_stamps(frame, None)
    values = read_e8(frame, frame.column("premium", "close", "rate"))
    inside = (at > last_ns) & (at <= last_ns + hours * HOUR_NS)
    if not inside.any():
        raise DataError(
            f"no premium in the interval that runs, after {iso(last_ns)} and within {hours} h",
            source=frame.source,
            hint=f"It is there for {iso(int(at[0]))} .. {iso(int(at[-1]))}.",
        )
    values = values[inside]
    if int(np.abs(values).max()) > E8:
        raise DataError("a premium is a fraction of the index, within 1", source=frame.source)
    return at[inside], values


def _rates(id: str, at: Any, values: Any, last_ns: int, hours: int, reference: Reference) -> tuple[int, int, int]:
    """Average premium, estimate and forecast in 1e-8."""
    (terms, *_) = reference.terms(id, last_ns, last_ns + 1, marked=True)
    step = int(np.diff(at).min()) if len(at) > 1 else HOUR_NS
    ahead = max(0, int(last_ns + hours * HOUR_NS - at[-1]) // step)

    def rate(samples: list[int]) -> tuple[int, int]:
        weighted = sum(i * sample for i, sample in enumerate(samples, 1))
        average = int(average_premium(weighted, sum(samples), len(samples), hours))
        clamp, floor, cap = terms.funding_clamp_e8, terms.funding_floor_e8, terms.funding_cap_e8
        return average, int(funding_rate(average, terms.interest_e8, clamp, hours, floor, cap))

    samples = values.tolist()
    average, estimate = rate(samples)
    return average, estimate, rate(samples + samples[-1:] * ahead)[1]
