"""What every estimator says of a number it found: how much it rests on, and how sure it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import msgspec

from novation.domain.order_flow import Sizes
from novation.domain.units import NS

#: Sizes that a distribution keeps apart, at most.
MOST_SIZES = 32


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """One number. rate: a second (of a cancellation by zero intelligence: a second and order)."""

    what: str
    distance: int | None = None
    units: int | None = None  #: that stood there, of a queue-reactive rate
    rate: float
    standard_error: float | None  #: None: nothing is known of it
    events: int
    exposure: float  #: seconds, or seconds of orders, both sides together


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Log likelihood an event of a part of the record; higher is better, in nats."""

    events: int
    seconds: float
    model: float
    constant_rates: float

    @property
    def gain(self) -> float:
        """By how much an event is likelier under the model."""
        return self.model - self.constant_rates


def of_counts(what: str, events: int, ns: int, *, distance: int | None = None, units: int | None = None) -> Estimate:
    """Events over time, with the error of a Poisson count: its square root."""
    seconds = ns / NS
    rate = events / seconds if seconds else 0.0
    error = math.sqrt(events) / seconds if seconds and events else None
    return Estimate(
        what=what,
        distance=distance,
        units=units,
        rate=rate,
        standard_error=error,
        events=events,
        exposure=seconds,
    )


def likelihood(events: float, ns: float, rate: float) -> float:
    """log of rate**events * exp(-rate * time), 0 for no events at no rate."""
    return (events * math.log(rate) if events else 0.0) - rate * ns / NS


def held_rate(events: float, ns: float, like: float = math.inf) -> float:
    """The rate with which a part is judged that has not been seen: half an event is added to those that were seen, so
    that what has not happened yet can, and the time that it takes at the rate of others like it."""
    return (events + 0.5) / (ns / NS + 0.5 / like)


def sizes(counts: Mapping[int, int]) -> Sizes:
    """The empirical distribution; of more than 32 sizes groups of about equal counts, each as its rounded mean.

    >>> sizes({1: 6, 2: 3, 5: 1})
    Sizes(lots=(1, 2, 5), weights=(6.0, 3.0, 1.0))
    """
    if not counts:
        return Sizes()
    ordered = sorted(counts.items())
    if len(ordered) <= MOST_SIZES:
        return Sizes(tuple(lots for lots, _ in ordered), tuple(float(count) for _, count in ordered))
    total = sum(counts.values())
    groups: dict[int, list[int]] = {}
    before = 0
    for lots, count in ordered:
        group = groups.setdefault((2 * before + count) * MOST_SIZES // (2 * total), [0, 0])
        group[0] += lots * count
        group[1] += count
        before += count
    merged: Counter[int] = Counter()
    for lots, count in groups.values():
        merged[max(1, round(lots / count))] += count
    ordered = sorted(merged.items())
    return Sizes(tuple(lots for lots, _ in ordered), tuple(float(count) for _, count in ordered))
