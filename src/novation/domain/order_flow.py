"""Order flow without data: models of what everybody else does in one instrument's book, by their rates.

Rates are events a second. Distances count in ticks from 1 on: of `ZeroIntelligence` and `Hawkes` from the best of the
other side (1: just inside it), of `QueueReactive` from the reference price. Both sides are alike unless a model says
otherwise. `novation.venues.population` lets them trade; `novation calibrate` finds their numbers in recorded flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from novation.domain.errors import InvalidInput

#: Rates above this are no market's.
MOST_RATE = 1e9
#: What happens in `Hawkes`, in the order of its numbers: limit orders, cancellations, market orders, each of buyers
#: (bids) and of sellers (asks).
HAWKES_KINDS = ("limit_buy", "limit_sell", "cancel_bid", "cancel_ask", "market_buy", "market_sell")


def _refuse(problem: str, where: str, value: object) -> None:
    raise InvalidInput(problem, source="order flow", where=where, value=value)


def _rates(numbers: Sequence[float], where: str, least: int = 1) -> None:
    if len(numbers) < least:
        _refuse(f"has {least} numbers at least", where, len(numbers))
    for number in numbers:
        if not isinstance(number, (int, float)) or not 0.0 <= number <= MOST_RATE:
            _refuse(f"is a rate, 0 to {MOST_RATE:g}", where, number)


class Sizes(msgspec.Struct, frozen=True):
    """How many lots an order has: one of `lots`, as often as its weight says."""

    lots: tuple[int, ...] = (1,)
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if len(self.lots) != len(self.weights) or not self.lots:
            _refuse("has a weight for each size, one at least", "sizes", len(self.weights))
        if any(lots < 1 for lots in self.lots):
            _refuse("is 1 lot at least", "sizes", min(self.lots))
        if any(not 0.0 <= weight < math.inf for weight in self.weights) or not sum(self.weights) > 0.0:
            _refuse("are weights of 0 or more, not all 0", "sizes", self.weights)


class Factor(msgspec.Struct, frozen=True):
    """What all rates are multiplied by: `factors[k]` up to and including `until[k]`, the last beyond all of them.

    until: ascending; seconds to the next funding, or ticks from the nearer price limit.
    """

    until: tuple[float, ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.factors) != len(self.until) + 1:
            _refuse("has one factor more than bounds", "factor", len(self.factors))
        if any(b <= a for a, b in zip(self.until, self.until[1:], strict=False)):
            _refuse("ascends", "factor.until", self.until)
        if any(not 0.0 <= factor <= 1e6 for factor in self.factors):
            _refuse("is 0 to 1e6", "factor", self.factors)


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
        reach = len(self.limit)
        for name in ("limit", "cancel", "market"):
            rows = getattr(self, name)
            if len(rows) != reach or not rows:
                _refuse("has a row for each distance, as `limit` has", name, len(rows))
            for distance, row in enumerate(rows, 1):
                _rates(row, f"{name}[{distance}]")
        if len(self.unit) != reach or any(unit < 1 for unit in self.unit):
            _refuse("has 1 lot at least for each distance", "unit", self.unit)
        for name in ("follows", "redraws"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                _refuse("is a probability", name, getattr(self, name))
        if self.redraws and len(self.queues) != reach:
            _refuse("has a row for each distance where queues are drawn anew", "queues", len(self.queues))
        if any(any(not 0.0 <= w < math.inf for w in row) or not sum(row) > 0.0 for row in self.queues):
            _refuse("are weights of 0 or more, not all 0", "queues", self.queues)


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
        _rates(self.base, "base", kinds)
        if len(self.base) != kinds or len(self.jump) != kinds or any(len(row) != kinds for row in self.jump):
            _refuse(f"has {kinds} numbers, and jumps {kinds} rows of {kinds}", "base, jump", len(self.base))
        for kind, row in zip(HAWKES_KINDS, self.jump, strict=True):
            _rates(row, f"jump[{kind}]")
        if not 0.0 < self.decay <= MOST_RATE:
            _refuse("is above 0", "decay", self.decay)
        if any(not 0.0 <= w < math.inf for w in self.limit_at) or not sum(self.limit_at) > 0.0:
            _refuse("are weights of 0 or more, not all 0", "limit_at", self.limit_at)
        highest = math.prod(max(f.factors) for f in (self.to_funding, self.to_limit) if f is not None)
        if self.branching() * highest >= 1.0:
            problem = "lets every event bring one more or more on average, under the highest factor: rates have no end"
            _refuse(problem, "jump", self.branching() * highest)

    def branching(self) -> float:
        """Events that one event brings on average: the spectral radius of jump / decay."""
        import numpy as np

        return float(max(abs(np.linalg.eigvals(np.array(self.jump) / self.decay))))


OrderFlow = ZeroIntelligence | QueueReactive | Hawkes
