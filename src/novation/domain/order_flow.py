"""Order flow without data: models of what everybody else does in one instrument's book, by their rates.

Rates are events a second. Distances count in ticks from 1 on: of `ZeroIntelligence` and `Hawkes` from the best of the
other side (1: just inside it), of `QueueReactive` from the reference price. Both sides are alike unless a model says
otherwise. `novation.venues.population` lets them trade; `novation calibrate` finds their numbers in recorded flow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec

from novation.domain.book import MOST_LOTS
from novation.domain.errors import InvalidInput

#: Rates above this are no market's, and what fades more slowly than its inverse does not fade.
MOST_RATE = 1e9
#: Bounds of a `Factor` (seconds or ticks), its factors and weights, at most.
_MOST_UNTIL, _MOST_FACTOR, _MOST_WEIGHT = 1e9, 1e6, 1e15
#: What happens in `Hawkes`, in the order of its numbers: limit orders, cancellations, market orders, each of buyers
#: (bids) and of sellers (asks).
HAWKES_KINDS = ("limit_buy", "limit_sell", "cancel_bid", "cancel_ask", "market_buy", "market_sell")


def _refuse(problem: str, where: str, value: object) -> None:
    raise InvalidInput(problem, source="order flow", where=where, value=value)


def _numbers(values: object, where: str, what: str, least: float, most: float, *, whole: bool = False) -> None:
    """Refuse what is no tuple of numbers within bounds, one at least."""
    if not isinstance(values, tuple) or not values:
        _refuse("is a tuple of numbers, one at least", where, values)
        return
    kinds = int if whole else (int, float)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            _refuse(what, where, value)


def _rates(values: object, where: str) -> None:
    _numbers(values, where, f"is a rate, 0 to {MOST_RATE:g}", 0.0, MOST_RATE)


def _lots(values: object, where: str) -> None:
    _numbers(values, where, f"is whole lots, 1 to {MOST_LOTS:,}", 1, MOST_LOTS, whole=True)


def _weights(values: tuple[float, ...], where: str) -> None:
    what = f"are weights of 0 to {_MOST_WEIGHT:g}, not all 0"
    _numbers(values, where, what, 0.0, _MOST_WEIGHT)
    if not any(values):
        _refuse(what, where, values)


def _rows(values: object, where: str, of_each: Callable[[Any, str], None]) -> None:
    """Refuse what is no tuple of rows that are each as `of_each` asks."""
    if not isinstance(values, tuple) or not values:
        _refuse("is a tuple of rows, one at least", where, values)
        return
    for number, row in enumerate(values, 1):
        of_each(row, f"{where}[{number}]")


def _parts(model: msgspec.Struct) -> None:
    """Refuse sizes that are no `Sizes` and factors that are no `Factor`."""
    for name in model.__struct_fields__:
        kind = {"limit_lots": Sizes, "market_lots": Sizes, "to_funding": Factor, "to_limit": Factor}.get(name)
        value = getattr(model, name)
        if kind is not None and not isinstance(value, kind) and not (kind is Factor and value is None):
            _refuse(f"is a {kind.__name__}", name, value)


class Sizes(msgspec.Struct, frozen=True):
    """How many lots an order has: one of `lots`, as often as its weight says."""

    lots: tuple[int, ...] = (1,)
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _lots(self.lots, "sizes.lots")
        _weights(self.weights, "sizes.weights")
        if len(self.lots) != len(self.weights):
            _refuse("has a weight for each size", "sizes.weights", self.weights)


class Factor(msgspec.Struct, frozen=True):
    """What all rates are multiplied by: `factors[k]` up to and including `until[k]`, the last beyond all of them.

    until: ascending; seconds to the next funding, or ticks from the nearer price limit.
    """

    until: tuple[float, ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        _numbers(self.factors, "factor", f"is 0 to {_MOST_FACTOR:g}", 0.0, _MOST_FACTOR)
        if self.until != ():
            _numbers(self.until, "factor.until", f"is 0 to {_MOST_UNTIL:g}", 0.0, _MOST_UNTIL)
        if len(self.factors) != len(self.until) + 1:
            _refuse("has one factor more than bounds", "factor", len(self.factors))
        if any(b <= a for a, b in pairwise(self.until)):
            _refuse("ascends", "factor.until", self.until)


class ZeroIntelligence(msgspec.Struct, frozen=True, kw_only=True, tag="zero-intelligence"):
    """Orders come and go whatever has happened (Cont, Stoikov and Talreja, Operations Research 58 (2010) 549).

    limit: limit orders of each side by distance. cancel: cancellations of each order that stands there; those farther
    away as the last. market: market orders of each side.
    """

    limit: tuple[float, ...]
    cancel: tuple[float, ...]
    market: float
    limit_lots: Sizes = Sizes()
    market_lots: Sizes = Sizes()
    to_funding: Factor | None = None
    to_limit: Factor | None = None

    def __post_init__(self) -> None:
        _rates(self.limit, "limit")
        _rates(self.cancel, "cancel")
        _rates((self.market,), "market")
        _parts(self)


class QueueReactive(msgspec.Struct, frozen=True, kw_only=True, tag="queue-reactive"):
    """Rates depend on what stands where they fall (Huang, Lehalle and Rosenbaum, JASA 110 (2015) 107).

    limit, cancel, market: by distance from the reference price, then by what stands there in `unit` lots, rounded up,
    from 0 on, more than the last as the last; a rate of the whole queue, not of each order. Market orders of a side
    have the rate at the other side's best price. unit: lots that count as one, by distance; each order has as many.

    The reference price is a half tick: the mid where that is one, else the half tick beside it that is nearer to the
    former reference price. When it changes it follows with probability `follows`, and then with probability `redraws`
    all queues are drawn anew: `queues`, by distance weights of 0, 1, .. units.
    """

    limit: tuple[tuple[float, ...], ...]
    cancel: tuple[tuple[float, ...], ...]
    market: tuple[tuple[float, ...], ...]
    unit: tuple[int, ...]
    follows: float = 1.0
    redraws: float = 0.0
    queues: tuple[tuple[float, ...], ...] = ()
    to_funding: Factor | None = None
    to_limit: Factor | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "cancel", "market"):
            _rows(getattr(self, name), name, _rates)
        reach = len(self.limit)
        for name in ("cancel", "market"):
            if len(getattr(self, name)) != reach:
                _refuse("has a row for each distance, as `limit` has", name, len(getattr(self, name)))
        _lots(self.unit, "unit")
        if len(self.unit) != reach:
            _refuse("has lots for each distance, as `limit` has", "unit", self.unit)
        for name in ("follows", "redraws"):
            _numbers((getattr(self, name),), name, "is a probability", 0.0, 1.0)
        if self.queues != ():
            _rows(self.queues, "queues", _weights)
        if (self.redraws or self.queues) and len(self.queues) != reach:
            _refuse("has a row for each distance where queues are drawn", "queues", len(self.queues))
        _parts(self)


class Hawkes(msgspec.Struct, frozen=True, kw_only=True, tag="hawkes"):
    """What happens makes more happen (Hawkes, Biometrika 58 (1971) 83; of books: Bacry and Muzy, 2014).

    The rate of kind k (`HAWKES_KINDS`) is `base[k]` plus, for each event of kind j that was u seconds ago,
    `jump[k][j] * exp(-decay * u)`. limit_at: weights of the distance at which a limit order comes, by distance.
    A cancellation takes any order of its side, each as likely.
    """

    base: tuple[float, ...]
    jump: tuple[tuple[float, ...], ...]
    decay: float
    limit_at: tuple[float, ...]
    limit_lots: Sizes = Sizes()
    market_lots: Sizes = Sizes()
    to_funding: Factor | None = None
    to_limit: Factor | None = None

    def __post_init__(self) -> None:
        kinds = len(HAWKES_KINDS)
        _rates(self.base, "base")
        _rows(self.jump, "jump", _rates)
        if {len(self.base), len(self.jump), *map(len, self.jump)} != {kinds}:
            _refuse(f"has {kinds} numbers, and jumps {kinds} rows of {kinds}", "base, jump", len(self.base))
        _numbers((self.decay,), "decay", f"is {1 / MOST_RATE:g} to {MOST_RATE:g}", 1 / MOST_RATE, MOST_RATE)
        _weights(self.limit_at, "limit_at")
        _parts(self)
        highest = math.prod(max(f.factors) for f in (self.to_funding, self.to_limit) if f is not None)
        if self.branching() * highest >= 1.0:
            problem = "lets every event bring one more or more on average, under the highest factor: rates have no end"
            _refuse(problem, "jump", self.branching() * highest)

    def branching(self) -> float:
        """Events that one event brings on average: the spectral radius of jump / decay."""
        import numpy as np

        return float(max(abs(np.linalg.eigvals(np.array(self.jump) / self.decay))))


OrderFlow = ZeroIntelligence | QueueReactive | Hawkes
