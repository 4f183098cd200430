"""The rates of zero intelligence: events over time (Cont, Stoikov and Talreja, Operations Research 58 (2010) 549, 2.3).

By ticks from the other side's best: limit orders over time; cancellations over the integral of the orders that stand
there. Both sides are counted together, as the model has them alike. Orders farther than `reach` have one cancellation
rate of their own, the last; limit orders that come there are left out.
"""

from __future__ import annotations

import math
from collections import Counter

from novation.domain.order_flow import ZeroIntelligence
from novation.research.calibrate.estimates import Estimate, Held, held_rate, likelihood, of_counts, sizes
from novation.research.calibrate.walk import Book

FAR = "limit orders beyond the reach"


class Tally:
    """Counts of one part of the record. By distance from 1 on, at index distance - 1; cancellations have one more."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.ns = 0
        self.limit = [0] * reach
        self.cancel = [0] * (reach + 1)
        self.standing_ns = [0] * (reach + 1)
        self.cancel_logs = 0.0  # sum of the logarithm of the orders of which one left
        self.market = 0
        self.far = 0
        self.limit_lots: Counter[int] = Counter()
        self.market_lots: Counter[int] = Counter()

    def __add__(self, other: Tally) -> Tally:
        both = Tally(self.reach)
        for name, value in vars(self).items():
            if name != "reach":
                more = vars(other)[name]
                summed = [a + b for a, b in zip(value, more, strict=True)] if isinstance(value, list) else value + more
                setattr(both, name, summed)
        return both


class Rates:
    """Watches a walk."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.first, self.rest = Tally(reach), Tally(reach)
        self.now = self.first

    def begin_rest(self, ns: int) -> None:
        """Count apart from now on."""
        self.now = self.rest

    def wait(self, book: Book, ns: int) -> None:
        """Add to the time that orders have stood."""
        tally, reach = self.now, self.reach
        tally.ns += ns
        for side in (1, -1):
            opposite = book.prices[-side][0]
            near, at = 0, book.at[side]
            for key in book.prices[side]:
                distance = opposite + key  # one of the two is the negative of its price
                if distance > reach:
                    break
                orders = at[-side * key][0]
                tally.standing_ns[distance - 1] += orders * ns
                near += orders
            tally.standing_ns[reach] += (book.count[side] - near) * ns

    def limit(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """Count a limit order."""
        distance = book.prices[-side][0] - side * price
        if distance > self.reach:
            self.now.far += 1
            return
        self.now.limit[distance - 1] += 1
        self.now.limit_lots[lots] += 1

    def cancel(self, book: Book, ns: int, side: int, price: int, lots: int) -> None:
        """Count a cancellation, and how many orders it could have been."""
        distance = book.prices[-side][0] - side * price
        if distance <= self.reach:
            self.now.cancel[distance - 1] += 1
            self.now.cancel_logs += math.log(book.at[side][price][0])
            return
        self.now.cancel[self.reach] += 1
        near = 0
        for key in book.prices[side]:
            if book.prices[-side][0] + key > self.reach:
                break
            near += book.at[side][-side * key][0]
        self.now.cancel_logs += math.log(book.count[side] - near)

    def market(self, book: Book, ns: int, side: int) -> None:
        """Count a market order."""
        self.now.market += 1

    def took(self, lots: int) -> None:
        """Its size."""
        self.now.market_lots[lots] += 1

    def settled(self, book: Book) -> None:
        """Nothing to do."""


def model(tally: Tally) -> ZeroIntelligence:
    """The model of these counts."""
    seconds = 2 * tally.ns / 1e9
    cancel = [1e9 * n / ns if ns else 0.0 for n, ns in zip(tally.cancel, tally.standing_ns, strict=True)]
    if not tally.standing_ns[-1]:
        cancel.pop()
    return ZeroIntelligence(
        limit=tuple(n / seconds for n in tally.limit),
        cancel=tuple(cancel),
        market=tally.market / seconds,
        limit_lots=sizes(tally.limit_lots),
        market_lots=sizes(tally.market_lots),
    )


def estimates(tally: Tally) -> tuple[Estimate, ...]:
    """The rates with their errors. The distance after the last of the limit orders stands for all beyond."""
    both = 2 * tally.ns
    found = [of_counts("limit", n, both, distance=i) for i, n in enumerate(tally.limit, 1)]
    found += [
        of_counts("cancel", n, ns, distance=i)
        for i, (n, ns) in enumerate(zip(tally.cancel, tally.standing_ns, strict=True), 1)
    ]
    return (*found, of_counts("market", tally.market, both))


def held(seen: Tally, judged: Tally) -> Held:
    """How likely `judged` is by the rates of `seen`, beside cancellations at a rate that does not ask what stands."""
    ns, judged_ns = 2 * seen.ns, 2 * judged.ns
    limit, cancel = held_rate(sum(seen.limit), ns * seen.reach), held_rate(sum(seen.cancel), sum(seen.standing_ns))
    same = likelihood(judged.market, judged_ns, held_rate(seen.market, ns))
    for n, m in zip(seen.limit, judged.limit, strict=True):
        same += likelihood(m, judged_ns, held_rate(n, ns, limit))
    by_order, by_time = judged.cancel_logs, 0.0
    for n, n_ns, m, m_ns in zip(seen.cancel, seen.standing_ns, judged.cancel, judged.standing_ns, strict=True):
        by_order += likelihood(m, m_ns, held_rate(n, n_ns, cancel))
        by_time += likelihood(m, judged_ns, held_rate(n, ns))
    events = sum(judged.limit) + sum(judged.cancel) + judged.market
    return Held(
        events=events,
        seconds=judged.ns / 1e9,
        model=(same + by_order) / max(1, events),
        constant_rates=(same + by_time) / max(1, events),
    )
