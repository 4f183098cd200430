"""The rates of a queue-reactive book: events over time in each state of a queue (Huang, Lehalle and Rosenbaum, JASA
110 (2015) 107, 2.3 and appendix).

By distance from the reference price, and by what stands there in units: the mean size of the events of that distance
(limit orders and cancellations; market orders count in lots of their own). Both sides are counted together. A market
order's rate is over the time in which that queue was the best of its side. The last state stands for itself and all
beyond: the first that leaves a hundredth of the time beyond it, 50 units at most. A state that was never there has the
rates of the next smaller one that was.

The queues' stationary distribution is the share of time in each state. The reference price is taken to follow every
change (`follows` 1, `redraws` 0): the paper sets these two by hand, to the volatility and mean reversion of the mid.
"""

from __future__ import annotations

from collections import Counter

from novation.domain.order_flow import QueueReactive
from novation.research.calibrate.estimates import Estimate, Held, held_rate, likelihood, of_counts
from novation.research.calibrate.walk import Book

FAR = "orders and cancellations beyond the reach from the reference price"
PAST = "limit orders and cancellations past the reference price"
#: Share of the time that may be beyond the last state.
_BEYOND = 0.01
MOST_UNITS = 50
_KINDS = ("limit", "cancel", "market")


class Tally:
    """Counts of one part of the record, by (distance, lots that stand there)."""

    def __init__(self) -> None:
        self.ns = 0
        self.stood_ns: Counter[tuple[int, int]] = Counter()  # of queues with orders, both sides
        self.best_ns: Counter[tuple[int, int]] = Counter()  # ... that were the best of their side
        self.events: dict[str, Counter[tuple[int, int]]] = {kind: Counter() for kind in _KINDS}
        self.lots: Counter[int] = Counter()  # of limit orders and cancellations, by distance
        self.sized: Counter[int] = Counter()  # how many these were
        self.left: Counter[str] = Counter()

    def __add__(self, other: Tally) -> Tally:
        both = Tally()
        both.ns = self.ns + other.ns
        for name in ("stood_ns", "best_ns", "lots", "sized", "left"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        both.events = {kind: self.events[kind] + other.events[kind] for kind in _KINDS}
        return both


class Rates:
    """Watches a walk."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.first, self.rest = Tally(), Tally()
        self.now = self.first
        self.reference: int | None = None  # twice the reference price in ticks, an odd number

    def begin_rest(self, ns: int) -> None:
        """Count apart from now on."""
        self.now = self.rest

    def settled(self, book: Book) -> None:
        """Let the reference price follow the mid."""
        if book.usable():
            self._follow(book)

    def _follow(self, book: Book) -> int:
        twice_mid = book.prices[-1][0] - book.prices[1][0]
        if twice_mid % 2:
            self.reference = twice_mid
        elif self.reference is None or abs(self.reference - twice_mid) != 1:
            self.reference = twice_mid + (1 if self.reference is None or self.reference > twice_mid else -1)
        return self.reference

    def _distance(self, book: Book, side: int, price: int) -> int:
        """From the reference price, 1 just beside it, 0 and below on its other side."""
        if self.reference is None and not book.usable():  # an order is amended that stood alone
            return 0
        reference = self._follow(book) if self.reference is None else self.reference
        return (side * (reference - 2 * price) + 1) // 2

    def wait(self, book: Book, ns: int) -> None:
        """Add to the time that queues have stood."""
        tally, reach = self.now, self.reach
        self._follow(book)
        tally.ns += ns
        for side in (1, -1):
            at, best = book.at[side], True
            for key in book.prices[side]:
                price = -side * key
                distance = self._distance(book, side, price)
                if distance > reach:
                    break
                if distance >= 1:
                    state = distance, at[price][1]
                    tally.stood_ns[state] += ns
                    if best:
                        tally.best_ns[state] += ns
                best = False

    def limit(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """Count a limit order."""
        level = book.at[side].get(price)
        self._count("limit", self._distance(book, side, price), level[1] if level else 0, lots)

    def cancel(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """Count a cancellation."""
        self._count("cancel", self._distance(book, side, price), book.at[side][price][1], lots)

    def market(self, book: Book, ns: int, side: int) -> None:
        """Count a market order where it falls."""
        price = side * book.prices[-side][0]
        self._count("market", self._distance(book, -side, price), book.at[-side][price][1], 0)

    def took(self, lots: int) -> None:
        """Sizes of market orders make no unit."""

    def _count(self, kind: str, distance: int, stands: int, lots: int) -> None:
        if distance < 1:
            self.now.left[PAST] += 1
        elif distance > self.reach:
            self.now.left[FAR] += 1
        else:
            self.now.events[kind][distance, stands] += 1
            if kind != "market":
                self.now.lots[distance] += lots
                self.now.sized[distance] += 1


class States:
    """The counts of one distance by units: time, time as the best, events by kind; index 0 is an empty queue."""

    def __init__(self, tally: Tally, distance: int, unit: int, most: int) -> None:
        self.unit, self.most = unit, most
        self.ns, self.best_ns = [0] * (most + 1), [0] * (most + 1)
        self.events = {kind: [0] * (most + 1) for kind in _KINDS}
        for row, counts in ((self.ns, tally.stood_ns), (self.best_ns, tally.best_ns)):
            for (at, lots), ns in counts.items():
                if at == distance:
                    row[self.of(lots)] += ns
        for kind in _KINDS:
            for (at, lots), events in tally.events[kind].items():
                if at == distance:
                    self.events[kind][self.of(lots)] += events
        self.ns[0] = 2 * tally.ns - sum(self.ns[1:])

    def of(self, lots: int) -> int:
        """Units, rounded up."""
        return min(-(-lots // self.unit), self.most)

    def exposure(self, kind: str) -> list[int]:
        """The time over which events of a kind are counted."""
        if kind == "market":
            return self.best_ns
        return self.ns if kind == "limit" else [0, *self.ns[1:]]

    def rates(self, kind: str) -> tuple[float, ...]:
        """Events a second in each state."""
        found: list[float | None] = [
            1e9 * n / ns if ns else None for n, ns in zip(self.events[kind], self.exposure(kind), strict=True)
        ]
        if kind != "limit":
            found[0] = 0.0
        known = next((rate for rate in found[0 if kind == "limit" else 1 :] if rate is not None), 0.0)
        filled = []
        for units, rate in enumerate(found):
            known = known if rate is None or (units == 0 and kind != "limit") else rate
            filled.append(0.0 if units == 0 and kind != "limit" else known)
        return tuple(filled)


def states_of(tally: Tally, reach: int) -> list[States]:
    """Unit and last state of each distance, as these counts have them."""
    overall = max(1, round(sum(tally.lots.values()) / max(1, sum(tally.sized.values()))))
    found = []
    for distance in range(1, reach + 1):
        sized = tally.sized[distance]
        unit = max(1, round(tally.lots[distance] / sized)) if sized else overall
        time: Counter[int] = Counter()
        for (at, lots), ns in tally.stood_ns.items():
            if at == distance:
                time[min(-(-lots // unit), MOST_UNITS)] += ns
        most, beyond = MOST_UNITS, 0
        while most > 1 and beyond + time[most] <= _BEYOND * 2 * tally.ns:
            beyond += time[most]
            most -= 1
        found.append(States(tally, distance, unit, most))
    return found


def model(tally: Tally, reach: int) -> QueueReactive:
    """The model of these counts."""
    states = states_of(tally, reach)
    return QueueReactive(
        limit=tuple(one.rates("limit") for one in states),
        cancel=tuple(one.rates("cancel") for one in states),
        market=tuple(one.rates("market") for one in states),
        unit=tuple(one.unit for one in states),
        queues=tuple(tuple(ns / (2 * tally.ns) for ns in one.ns) for one in states),
    )


def estimates(tally: Tally, reach: int) -> tuple[Estimate, ...]:
    """The rates with their errors, of states that were there."""
    return tuple(
        of_counts(kind, events, ns, distance=distance, units=units)
        for distance, one in enumerate(states_of(tally, reach), 1)
        for kind in _KINDS
        for units, (events, ns) in enumerate(zip(one.events[kind], one.exposure(kind), strict=True))
        if ns
    )


def held(seen: Tally, judged: Tally, reach: int) -> Held:
    """How likely `judged` is by the rates of `seen`, beside one rate for each kind and distance."""
    count, by_state, constant = 0, 0.0, 0.0
    states = states_of(seen, reach)
    for kind in _KINDS:
        anywhere = held_rate(
            sum(sum(one.events[kind]) for one in states), max(1, sum(sum(one.exposure(kind)) for one in states))
        )
        for distance, one in enumerate(states, 1):
            other = States(judged, distance, one.unit, one.most)
            before, ns = one.events[kind], one.exposure(kind)
            after, after_ns = other.events[kind], other.exposure(kind)
            rate = held_rate(sum(before), sum(ns), anywhere)
            constant += likelihood(sum(after), sum(after_ns), rate)
            count += sum(after)
            for n, n_ns, m, m_ns in zip(before, ns, after, after_ns, strict=True):
                by_state += likelihood(m, m_ns, held_rate(n, n_ns, rate))
    return Held(
        events=count, seconds=judged.ns / 1e9, model=by_state / max(1, count), constant_rates=constant / max(1, count)
    )
