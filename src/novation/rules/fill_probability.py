"""Whether an order at the best price fills before the mid moves: first passage in the two best queues.

Each queue holds orders of one unit, and what happens to it comes at rates that depend on how many stand there
(`Queue`): an order joins its end, one of them leaves, a market order takes the first. Mine has `ahead` orders before
it and is never cancelled. The run ends when mine is taken (filled), when the other queue is empty, or when a limit
order comes between the best prices (the mid has moved). Until then the two queues know nothing of each other, and what
is ahead only shrinks, so the chain of (ahead, behind, opposite) is solved exactly but for where it is cut off: layer by
layer in `ahead`, each layer a linear system, to 1e-9. Within a time: the same chain, uniformized.

Sources: Cont, Stoikov and Talreja, *A stochastic model for order book dynamics* (Operations Research 58 (2010) 549),
3.3 and 3.4, who invert Laplace transforms for the same; Huang, Lehalle and Rosenbaum, *Simulating and analyzing order
book data: the queue-reactive model* (JASA 110 (2015) 107); Jensen, *Markoff chains as an aid in the study of Markoff
processes* (1953) for uniformization. Numbers: facts/validation_tables.md V4, V5.

Float64 in and out; + - * / and `elementary.exp` alone, so the same bits everywhere. Not modelled: sizes of single
orders, hidden lots, a market order larger than a unit, anything beyond the two queues. Queues that grow far faster than
they shrink are refused, or count as never ending.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from novation._jit import model_kernel
from novation.domain.errors import InvalidInput
from novation.domain.order_flow import QueueReactive, ZeroIntelligence
from novation.rules.elementary import exp

#: What all sweeps to come may still change of a probability when a layer counts as solved; this is looked at every so
#: many sweeps, and so many are made. Changes below the last one are rounding.
_SETTLED = 1e-9
_LOOK, _SWEEPS = 8, 50_000
_ROUNDING = 3e-16
#: Events of a step of uniformization, so that exp(-events) is a number.
_STEP = 400.0
#: Probability of more events in a step that is left out.
_TAIL = 1e-16
#: States of a chain, at most.
MOST_STATES = 20_000_000
#: Orders beyond which a queue of one rate is cut off: where orders leave by themselves, and where none does.
_BEYOND, _BEYOND_STILL = 64, 4096
#: ... and units of a queue of many rates, beyond the last of them.
_MORE_UNITS = 64


class Queue(NamedTuple):
    """Rates of one queue by how many orders stand there, float64 from 0 on. The last is where it is cut off: nobody
    joins there. joins, takes: of the queue; leaves: of each order."""

    joins: np.ndarray
    leaves: np.ndarray
    takes: np.ndarray


@model_kernel
def solve_layer(join, leave, go, gone, rise, fall, inside, moved, ended, share, part, values):
    """Fill values[b, a] with the expected end of a chain on two queues, b = 0 .. and a = 1 ..; values[:, 0] is `ended`.

    From b: join[b] to b + 1, leave[b] to b - 1, go[b] out of the layer to gone[b, a]. From a: rise[a], fall[a]. At
    rate `inside` it ends with `moved`. What never ends is worth 0. By lines in a, b up and down (Gauss and Seidel),
    until the changes still to come, which fall by a ratio from look to look and are no larger in between, are nothing;
    whether they are. The ratio is the worse of the last two: the first changes say little of the slowest. share, part:
    scratch by a.
    """
    deep, most = values.shape[0] - 1, values.shape[1] - 1
    for b in range(deep + 1):
        values[b, 0] = ended
    earlier, slower = -1.0, -1.0
    for sweep in range(_SWEEPS):
        change = 0.0
        for k in range(deep + 1):
            b = k if sweep % 2 == 0 else deep - k
            up = join[b] if b < deep else 0.0
            down = leave[b] if b > 0 else 0.0
            share[0], part[0] = 0.0, ended
            for a in range(1, most + 1):
                more = rise[a] if a < most else 0.0
                known = go[b] * gone[b, a] + inside * moved
                if up > 0.0:
                    known += up * values[b + 1, a]
                if down > 0.0:
                    known += down * values[b - 1, a]
                total = up + down + go[b] + inside + more + fall[a]
                rest = total - fall[a] * share[a - 1]
                if rest > 0.0:
                    share[a] = more / rest
                    part[a] = (known + fall[a] * part[a - 1]) / rest
                else:
                    share[a], part[a] = 0.0, 0.0
            after = 0.0
            for k_a in range(most):
                a = most - k_a
                after = part[a] + share[a] * after
                change = max(change, abs(after - values[b, a]))
                values[b, a] = after
        if deep == 0:
            return True
        if sweep % _LOOK == 0:
            if sweep == 0 and change == 0.0:  # it can never end
                return True
            change = max(change, _ROUNDING)
            ratio = change / earlier if earlier > _ROUNDING else slower
            worst = max(ratio, slower)
            if slower >= 0.0 and worst < 1.0 and _LOOK * change <= _SETTLED * (1.0 - worst):
                return True
            earlier, slower = change, ratio
    return False


@model_kernel
def fill_forever(joins, leaves, takes, rise, fall, inside, ahead, by_b, by_a, gone, values):
    """Fill values[behind, opposite] with the probabilities of a fill, whatever time it takes; whether they settled.

    by_b, by_a: three and two rows of scratch; gone: scratch as values, of ones.
    """
    deep, most = values.shape[0] - 1, values.shape[1] - 1
    join, leave, go = by_b
    settled = True
    for n in range(ahead + 1):
        for b in range(deep + 1):
            stand = n + 1 + b
            join[b] = joins[stand]
            leave[b] = b * leaves[stand]
            go[b] = takes[stand] + n * leaves[stand]
            for a in range(most + 1):
                values[b, a] = 0.0
        if not solve_layer(join, leave, go, gone, rise, fall, inside, 0.0, 0.0, by_a[0], by_a[1], values):
            settled = False
        for b in range(deep + 1):
            for a in range(most + 1):
                gone[b, a] = values[b, a]
    return settled


@model_kernel
def fill_within(joins, leaves, takes, rise, fall, inside, seconds, fresh, power, start, total):
    """Fill total[ahead + 1, behind, opposite] with the probabilities of a fill within a time.

    exp(Q t) on the indicator of a fill, by powers of 1 + Q / rate with Poisson weights. total: ones in layer 0, which
    is the fill itself, else zeros. fresh, power, start: scratch as a layer, and as all of them.
    """
    ahead, deep, most = total.shape[0] - 2, total.shape[1] - 1, total.shape[2] - 1
    rate = 0.0
    for n in range(ahead + 1):
        for b in range(deep + 1):
            stand = n + 1 + b
            own = takes[stand] + (n + b) * leaves[stand] + joins[stand]
            for a in range(1, most + 1):
                rate = max(rate, own + rise[a] + fall[a] + inside)
    steps = int(rate * seconds / _STEP) + 1
    events = rate * seconds / steps
    for _ in range(steps):
        weight = exp(-events)
        for layer in range(ahead + 2):
            for b in range(deep + 1):
                for a in range(most + 1):
                    power[layer, b, a] = total[layer, b, a]
                    start[layer, b, a] = total[layer, b, a]
                    if layer > 0:
                        total[layer, b, a] *= weight
        left, count = 1.0 - weight, 0
        while events > 0.0 and left > _TAIL and (weight > _TAIL or count < events):
            count += 1
            weight *= events / count
            left -= weight
            # the last layer first: a layer asks itself and the one before, as they were
            for layer in range(ahead + 1, 0, -1):
                for b in range(deep + 1):
                    stand = layer + b
                    up = joins[stand] if b < deep else 0.0
                    down, out = b * leaves[stand], takes[stand] + (layer - 1) * leaves[stand]
                    for a in range(1, most + 1):
                        here = power[layer, b, a]
                        change = out * (power[layer - 1, b, a] - here) - inside * here
                        if up > 0.0:
                            change += up * (power[layer, b + 1, a] - here)
                        if down > 0.0:
                            change += down * (power[layer, b - 1, a] - here)
                        if a < most:
                            change += rise[a] * (power[layer, b, a + 1] - here)
                        change += fall[a] * (power[layer, b, a - 1] - here)
                        fresh[b, a] = here + change / rate
                for b in range(deep + 1):
                    for a in range(1, most + 1):
                        power[layer, b, a] = fresh[b, a]
                        total[layer, b, a] += weight * fresh[b, a]
        change = 0.0
        for layer in range(ahead + 2):
            for b in range(deep + 1):
                for a in range(most + 1):
                    change = max(change, total[layer, b, a] - start[layer, b, a])
        if change <= _ROUNDING:  # none falls with time
            break


@model_kernel
def up_first(joins, leaves, takes, rise, fall, inside, by_b, by_a, gone, values):
    """Fill values[orders of this queue less 1, orders of the other] with the probabilities that the other one empties
    first; whether they settled. by_b, by_a: three and two rows of scratch; gone: zeros as values."""
    deep = values.shape[0] - 1
    join, leave, go = by_b
    for b in range(deep + 1):
        join[b] = joins[b + 1]
        out = takes[b + 1] + (b + 1) * leaves[b + 1]
        leave[b], go[b] = (out, 0.0) if b > 0 else (0.0, out)
    return solve_layer(join, leave, go, gone, rise, fall, inside, 0.5, 1.0, by_a[0], by_a[1], values)


# -- queues of the models -------------------------------------------------------------------------------------------


def even_queue(join: float, leave: float, take: float, top: int) -> Queue:
    """One rate of each whatever stands, up to `top` orders. leave: of each order."""
    return Queue(*(np.full(top + 1, float(rate)) for rate in (join, leave, take)))


def far_enough(orders: int, join: float, leave: float) -> int:
    """Where a queue of one rate is cut off: its mean in the long run is at most join / leave, and far less likely each
    order beyond. One that nobody leaves is cut off where its end has no say in the beginning. No longer than the most
    states of a chain, which then refuses it."""
    if leave > 0.0:
        return max(orders, int(min(2.0 * join / leave, float(MOST_STATES)))) + _BEYOND
    return orders + _BEYOND_STILL


def zero_intelligence_queue(model: ZeroIntelligence, spread: int, orders: int, *, own: bool = False) -> Queue:
    """The best queue at a spread. own: it is never looked at beyond its orders, as no rate depends on them."""
    join = model.limit[spread - 1] if spread <= len(model.limit) else 0.0
    leave = model.cancel[min(spread, len(model.cancel)) - 1]
    return even_queue(join, leave, model.market, orders if own else far_enough(orders, join, leave))


def queue_reactive_queue(model: QueueReactive, distance: int, units: int) -> Queue:
    """The best queue at a distance from the reference price; of its cancellations each order has an even share."""
    rows = [table[distance - 1] for table in (model.limit, model.cancel, model.market)]
    top = max(units, *map(len, rows)) + _MORE_UNITS
    joins, leaves, takes = (np.array([row[min(n, len(row) - 1)] for n in range(top + 1)]) for row in rows)
    for n in range(1, top + 1):
        leaves[n] /= n
    leaves[0] = takes[0] = 0.0
    return Queue(joins, leaves, takes)


# -- the questions --------------------------------------------------------------------------------------------------


def _ends(queue: Queue) -> np.ndarray:
    """Rate at which one order less stands, by how many do."""
    return np.array([float(queue.takes[n]) + n * float(queue.leaves[n]) for n in range(len(queue.takes))])


def _rows(deep: int, most: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Three rows of scratch by one queue, and two by the other."""
    return tuple(np.zeros(deep) for _ in range(3)), tuple(np.zeros(most) for _ in range(2))


def _count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInput(f"is a whole number of {least} or more", where=name, value=value)


def _settled(whether: bool) -> None:
    if not whether:
        raise InvalidInput(
            "its queues hardly ever empty: more orders join than leave, and the chain does not settle", where="rates"
        )


def fill_probability(
    own: Queue,
    other: Queue,
    ahead: int,
    behind: int,
    opposite: int,
    *,
    inside: float = 0.0,
    seconds: float | None = None,
) -> float:
    """Probability that my order fills before the mid moves, and within `seconds` unless None.

    own: rates of its queue, mine counted among the orders; other: of the best queue of the other side, where `opposite`
    orders stand. inside: limit orders a second between the best prices, of both sides together. Without cancellations
    and limit orders, one ahead, one opposite, market orders alike: two of mine against one of theirs.

    >>> queue = even_queue(0.0, 0.0, 1.0, 2)
    >>> fill_probability(queue, queue, 1, 0, 1)
    0.25
    """
    for name, value, least in (("ahead", ahead, 0), ("behind", behind, 0), ("opposite", opposite, 1)):
        _count(name, value, least)
    if len(own.joins) < ahead + behind + 2 or len(other.joins) < opposite + 1:
        raise InvalidInput("more orders stand than the queue has rates for", where="ahead", value=ahead + behind + 1)
    if seconds is not None and not 0.0 <= seconds < 1e9:
        raise InvalidInput("is 0 to 1e9 seconds", where="seconds", value=seconds)
    # where mine does not ask how many stand behind it, they are left out
    even = all((rates[1:] == rates[1]).all() for rates in (own.leaves, own.takes))
    deep, behind = (0, 0) if even else (len(own.joins) - 2 - ahead, behind)
    states = (ahead + 2) * (deep + 1) * len(other.joins)
    if states > MOST_STATES:
        raise InvalidInput(f"needs more than {MOST_STATES:,} states", where="ahead", value=states)
    rates = (own.joins, own.leaves, own.takes, other.joins, _ends(other), float(inside))
    shape = (deep + 1, len(other.joins))
    if seconds is None:
        values = np.zeros(shape)
        _settled(fill_forever(*rates, ahead, *_rows(*shape), np.ones(shape), values))
    else:
        layers = np.zeros((ahead + 2, *shape))
        layers[0] = 1.0
        fill_within(*rates, float(seconds), np.zeros(shape), np.zeros(layers.shape), np.zeros(layers.shape), layers)
        values = layers[ahead + 1]
    return min(1.0, max(0.0, float(values[behind, opposite])))


def up_probability(bid: Queue, ask: Queue, bids: int, asks: int, *, inside: float = 0.0) -> float:
    """Probability that the mid's next move is up: the ask empties before the bid, or a bid comes between (as likely as
    an ask; inside: of both together). Nobody's order is mine."""
    _count("bids", bids, 1)
    _count("asks", asks, 1)
    if len(bid.joins) <= bids or len(ask.joins) <= asks:
        raise InvalidInput("more orders stand than the queue has rates for", where="bids", value=max(bids, asks))
    shape = (len(bid.joins) - 1, len(ask.joins))
    values = np.zeros(shape)
    _settled(up_first(*bid, ask.joins, _ends(ask), float(inside), *_rows(*shape), np.zeros(shape), values))
    return float(values[bids - 1, asks])
