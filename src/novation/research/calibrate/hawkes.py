"""Maximum likelihood of a Hawkes process of six kinds with one exponential decay (Ogata, Ann. Inst. Stat. Math. 30
(1978) 243; the likelihood's recursion: Ozaki, ibid. 31 (1979) 145).

    log L = sum over events of log rate(kind, just before)  -  integral of all rates
    rate_k = base_k + sum over j of jump_kj R_j,   R_j(t) = sum over events of kind j before t of exp(-decay (t - t'))

R follows from event to event by one multiplication; here all events at once, by doubling (R over 2 n steps is R over n,
twice), which NumPy does in log2(events) sweeps at most. For a fixed decay, log L is concave in base and jump and
falls into one problem for each kind, solved by Newton's method projected on numbers of 0 or more (Bertsekas 1982);
the decay is found on a grid of two to a power of ten, then by golden section. Events of one instant do not excite each
other: a clock that cannot tell them apart does not tell which brought which.

Errors of base and jump are from the observed information at the decay found; of the decay from the curvature of the
profile likelihood in its logarithm. A number that stands at 0 has none.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from novation.domain.errors import InvalidInput
from novation.domain.order_flow import HAWKES_KINDS, MOST_RATE, Hawkes
from novation.research.calibrate.estimates import Estimate, Held, sizes
from novation.research.calibrate.walk import Book

Array = npt.NDArray[np.float64]

FAR = "orders and cancellations beyond the reach"
KINDS = len(HAWKES_KINDS)
_GOLDEN = (math.sqrt(5) - 1) / 2
#: Below this a share of R is nothing beside the rest.
_NOTHING = 1e-18
#: Step in log(decay) with which the curvature of the profile likelihood is taken.
_BEND = 0.05


@dataclass
class Events:
    """What a walk saw: seconds of counted time and kind of each event, where the judged part begins."""

    reach: int
    at: list[float] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    rest_ns: int = 0
    ns: int = 0
    far: int = 0
    distances: list[int] = field(default_factory=list)
    limit_lots: Counter[int] = field(default_factory=Counter)
    market_lots: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.distances = [0] * self.reach

    def begin_rest(self, ns: int) -> None:
        """Count apart from now on."""
        self.rest_ns = ns

    def wait(self, book: Book, ns: int) -> None:
        """Time goes on."""
        self.ns += ns

    def limit(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """A limit order."""
        distance = book.prices[-side][0] - side * price
        if distance > self.reach:
            self.far += 1
            return
        self._add(ns, 0 if side > 0 else 1)
        self.distances[distance - 1] += 1
        self.limit_lots[lots] += 1

    def cancel(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """A cancellation."""
        if book.prices[-side][0] - side * price > self.reach:
            self.far += 1
            return
        self._add(ns, 2 if side > 0 else 3)

    def market(self, book: Book, ns: int, side: int) -> None:
        """A market order."""
        self._add(ns, 4 if side > 0 else 5)

    def took(self, lots: int) -> None:
        """Its size."""
        self.market_lots[lots] += 1

    def settled(self, book: Book) -> None:
        """Nothing to do."""

    def _add(self, ns: int, kind: int) -> None:
        self.at.append(ns / 1e9)
        self.kind.append(kind)


class Excited:
    """R and the integrals of a sequence at one decay."""

    def __init__(self, at: Array, kind: npt.NDArray[np.int64], decay: float) -> None:
        instants, self.instant = np.unique(at, return_inverse=True)
        self.at, self.kind, self.decay, self.kinds = at, kind, decay, KINDS
        counts = np.zeros((len(instants), KINDS))
        np.add.at(counts, (self.instant, kind), 1.0)
        left = np.append(0.0, np.exp(-decay * np.diff(instants)))
        excited = np.zeros_like(counts)
        excited[1:] = left[1:, None] * counts[:-1]
        step = 1
        while step < len(instants) and left.max() > _NOTHING:
            more = left[step:, None] * excited[:-step]
            excited[step:] += more
            further = left[step:] * left[:-step]
            left[step:], left[:step] = further, 0.0
            step *= 2
        self.rows = excited[self.instant]

    def integrals(self, start: float, end: float) -> Array:
        """By kind the integral of R from start to end."""
        fresh = np.exp(-self.decay * np.maximum(0.0, start - self.at)) - np.exp(-self.decay * (end - self.at))
        counted = np.where(self.at < end, fresh, 0.0) / self.decay
        return np.asarray(np.bincount(self.kind, weights=counted, minlength=KINDS), dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """Base and jumps at one decay, with their information matrices by kind, and the log likelihood."""

    decay: float
    theta: Array  # kinds by (base, jumps)
    information: list[Array]
    log_likelihood: float


def projected_newton(rows: Array, cost: Array) -> tuple[Array, Array, float]:
    """The theta of 0 or more that maximises sum of log(rows @ theta) - cost @ theta: it, the information, the value.

    rows: one for each event. Where nothing can be gained in a direction (no row, no cost) its theta is 0.
    """
    used = cost > 0
    if not len(rows):
        return np.zeros(len(cost)), np.zeros((len(cost), len(cost))), 0.0
    scale = np.where(used, cost, 1.0)
    scaled = np.where(used, rows / scale, 0.0)  # in these units every cost is 1 and theta adds up to the events
    theta = np.where(used, len(rows) / used.sum(), 0.0)

    def value(point: Array) -> float:
        rates = scaled @ point
        return float(np.log(rates).sum() - point[used].sum()) if (rates > 0).all() else -math.inf

    best = value(theta)
    for _ in range(200):
        inverse = 1.0 / (scaled @ theta)
        gradient = np.where(used, scaled.T @ inverse - 1.0, 0.0)
        free = used & ((theta > 1e-12 * len(rows)) | (gradient > 0))
        weighted = scaled[:, free] * inverse[:, None]
        hessian = weighted.T @ weighted
        hessian[np.diag_indices_from(hessian)] += 1e-12 * max(hessian.diagonal().max(initial=0.0), 1e-300)
        step = np.zeros_like(theta)
        step[free] = np.linalg.solve(hessian, gradient[free])
        size = 1.0
        while size > 1e-12:
            tried = np.where(free, np.maximum(0.0, theta + size * step), 0.0)
            found = value(tried)
            if found >= best + 1e-4 * float(gradient @ (tried - theta)):
                break
            size *= 0.5
        else:
            break
        gained, best, theta = found - best, found, tried
        if gained < 1e-10 * max(1.0, abs(best)):
            break
    inverse = 1.0 / (scaled @ theta)
    weighted = np.where(used, rows, 0.0) * inverse[:, None]
    return theta / scale, weighted.T @ weighted, float(np.log(1.0 / inverse).sum() - theta[used].sum())


def fit_at(at: Array, kind: npt.NDArray[np.int64], end: float, decay: float) -> Fit:
    """The best base and jumps of a decay, over the time from 0 to end."""
    excited = Excited(at, kind, decay)
    cost = np.append(end, excited.integrals(0.0, end))
    theta, information, total = np.zeros((KINDS, KINDS + 1)), [], 0.0
    for k in range(KINDS):
        rows = np.column_stack((np.ones((kind == k).sum()), excited.rows[kind == k]))
        theta[k], seen, value = projected_newton(rows, cost)
        information.append(seen)
        total += value
    return Fit(decay, theta, information, total)


def fit(at: Array, kind: npt.NDArray[np.int64], end: float) -> Fit:
    """The most likely process of the events at instants up to `end`."""
    gaps = np.diff(np.unique(at))
    low, high = 2.0 / end, min(MOST_RATE / 100, 4.0 / float(gaps.min())) if len(gaps) else 2.0 / end
    high = max(high, 4.0 * low)
    grid = np.linspace(math.log(low), math.log(high), max(4, math.ceil(2 * math.log10(high / low)) + 1))
    fits = [fit_at(at, kind, end, math.exp(point)) for point in grid]
    best = max(range(len(fits)), key=lambda i: fits[i].log_likelihood)
    a, b = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    inner = [b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)]
    two = [fit_at(at, kind, end, math.exp(point)) for point in inner]
    while b - a > 1e-3:
        if two[0].log_likelihood >= two[1].log_likelihood:
            b, inner[1], two[1] = inner[1], inner[0], two[0]
            inner[0] = b - _GOLDEN * (b - a)
            two[0] = fit_at(at, kind, end, math.exp(inner[0]))
        else:
            a, inner[0], two[0] = inner[0], inner[1], two[1]
            inner[1] = a + _GOLDEN * (b - a)
            two[1] = fit_at(at, kind, end, math.exp(inner[1]))
    return max([fits[best], *two], key=lambda one: one.log_likelihood)


def arrays(events: Events) -> tuple[Array, npt.NDArray[np.int64]]:
    """Instants and kinds of the events."""
    return np.array(events.at), np.array(events.kind, dtype=np.int64)


def model(events: Events, found: Fit, source: str) -> Hawkes:
    """The model of a fit; refused where rates would grow without end, as a fit to a handful of events can say."""
    branching = float(max(abs(np.linalg.eigvals(found.theta[:, 1:] / found.decay))))
    if branching >= 1.0:
        raise InvalidInput(
            "its likeliest process has each event bring one event or more on average",
            source=source,
            value=round(branching, 3),
            hint="Give a longer record.",
        )
    return Hawkes(
        base=tuple(found.theta[:, 0].tolist()),
        jump=tuple(tuple(row) for row in found.theta[:, 1:].tolist()),
        decay=found.decay,
        limit_at=tuple(float(n) for n in events.distances),
        limit_lots=sizes(events.limit_lots),
        market_lots=sizes(events.market_lots),
    )


def estimates(events: Events, found: Fit) -> tuple[Estimate, ...]:
    """Base, jumps and decay with their errors."""
    at, kind = arrays(events)
    end = events.ns / 1e9
    counts = np.bincount(kind, minlength=KINDS)
    out: list[Estimate] = []
    for k, name in enumerate(HAWKES_KINDS):
        free = np.flatnonzero(found.theta[k] > 1e-12 * max(1.0, float(found.theta[k].max())))
        variance = np.linalg.pinv(found.information[k][np.ix_(free, free)]).diagonal()
        errors = dict(zip(free.tolist(), np.sqrt(np.maximum(0.0, variance)).tolist(), strict=True))
        names = ["base", *(f"jump after {other}" for other in HAWKES_KINDS)]
        out += [
            Estimate(
                what=f"{name}: {what}",
                rate=float(found.theta[k][i]),
                standard_error=errors.get(i),
                events=int(counts[k]),
                exposure=end,
            )
            for i, what in enumerate(names)
        ]
    beside = [fit_at(at, kind, end, found.decay * math.exp(step)).log_likelihood for step in (-_BEND, _BEND)]
    bend = (2 * found.log_likelihood - sum(beside)) / _BEND**2
    error = found.decay / math.sqrt(bend) if bend > 0 else None
    return (*out, Estimate(what="decay", rate=found.decay, standard_error=error, events=len(at), exposure=end))


def poisson(counts: npt.NDArray[np.int64], end: float) -> float:
    """Log likelihood of events at constant rates, each its own."""
    return float(sum(n * math.log(n / end) - n for n in counts.tolist() if n))


def in_sample(events: Events, found: Fit) -> Held:
    """The whole record by its own fit, beside constant rates."""
    _, kind = arrays(events)
    end, count = events.ns / 1e9, max(1, len(kind))
    constant = poisson(np.bincount(kind, minlength=KINDS), end)
    return Held(events=len(kind), seconds=end, model=found.log_likelihood / count, constant_rates=constant / count)


def held(events: Events) -> Held:
    """How likely the rest is by what was found before it, beside constant rates."""
    at, kind = arrays(events)
    end, begin = events.ns / 1e9, events.rest_ns / 1e9
    seen = np.arange(len(at)) < np.searchsorted(at, begin, side="left")
    before = fit(at[seen], kind[seen], begin)
    excited = Excited(at, kind, before.decay)
    rows = np.column_stack((np.ones(len(at)), excited.rows))[~seen]
    counts = np.bincount(kind[seen], minlength=KINDS)
    # A rate of nothing would make what happens impossible: half an event more, as for the other models.
    theta = before.theta.copy()
    theta[:, 0] = np.maximum(theta[:, 0], 0.5 / begin)
    rates = (rows * theta[kind[~seen]]).sum(axis=1)
    cost = np.append(end - begin, excited.integrals(begin, end))
    constant = (counts + 0.5) / begin
    events_held = max(1, int((~seen).sum()))
    judged = np.log(rates).sum() - (theta @ cost).sum()
    plain = np.log(constant[kind[~seen]]).sum() - constant.sum() * (end - begin)
    return Held(
        events=int((~seen).sum()),
        seconds=end - begin,
        model=float(judged) / events_held,
        constant_rates=float(plain) / events_held,
    )
