"""What happens makes more happen: `domain.order_flow.Hawkes`, thinned after Ogata.

IEEE Transactions on Information Theory 27 (1981) 23. All kinds decay alike, so that six numbers say all that is left of
the past. Between events rates only fall: those just after the last candidate bound them, times the largest factor.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.engine.book import order_at, side_place
from novation.engine.layout import NEVER_NS
from novation.engine.state import side_
from novation.rules.chance import uniform
from novation.rules.elementary import exp
from novation.venues.population.asking import (
    cancel_own,
    from_other_side,
    place_limit,
    place_market,
    some_account,
)
from novation.venues.population.chance import below, exponential, pick, pick_size
from novation.venues.population.memory import SKIPPED, chance_, count_, number_
from novation.venues.population.timing import factor_now, put_next

_KINDS = 6
_NS = 1e9


@model_kernel
def next_candidate(crowd, now_ns):
    """Draw when something may happen next."""
    total = 0.0
    for k in range(_KINDS):
        total += number_(crowd, crowd.base_at + k).number + number_(crowd, crowd.excited_at + k).number
    crowd.then_ns = now_ns
    crowd.rate = total * crowd.most_factor
    crowd.next_ns = NEVER_NS
    if crowd.rate > 0.0:
        put_next(crowd, exponential(chance_(crowd, 0)))


@model_kernel
def hawkes_candidate(venue, crowd, now_ns):
    """Something happens, or does not, as the rates are now; then the next candidate."""
    c = chance_(crowd, 0)
    crowd.rest = crowd.rest_next
    fall = exp(-crowd.decay * float(now_ns - crowd.then_ns) / _NS)
    for k in range(_KINDS):
        number_(crowd, crowd.excited_at + k).number *= fall
    factor = factor_now(venue, crowd, now_ns)
    x = uniform(c) * crowd.rate
    found = -1
    for k in range(_KINDS):
        rate = factor * (number_(crowd, crowd.base_at + k).number + number_(crowd, crowd.excited_at + k).number)
        if found < 0:
            if x < rate:
                found = k
            x -= rate
    if found >= 0:
        count_(crowd, found).number += 1
        for k in range(_KINDS):
            number_(crowd, crowd.excited_at + k).number += number_(crowd, crowd.jump_at + _KINDS * k + found).number
        hawkes_event(venue, crowd, found)
    next_candidate(crowd, now_ns)


@model_kernel
def hawkes_event(venue, crowd, kind):
    """What a kind of event asks of the exchange."""
    c = chance_(crowd, 0)
    side = 1 if kind % 2 == 0 else -1
    if kind < 2:
        distance = 1 + pick(crowd, c, crowd.distance_at, crowd.distance_count)
        lots = pick_size(crowd, c, crowd.limit_lots_at, crowd.limit_lots_count)
        ticks = from_other_side(venue, crowd, side, distance)
        place_limit(venue, some_account(crowd), crowd.instrument, side, lots, ticks)
    elif kind < 4:
        place = side_place(venue, crowd.instrument, side)
        orders = side_(venue, place).orders
        if orders > 0:
            cancel_own(venue, crowd, order_at(venue, place, below(c, orders)))
        else:
            count_(crowd, SKIPPED).number += 1
    else:
        lots = pick_size(crowd, c, crowd.market_lots_at, crowd.market_lots_count)
        place_market(venue, some_account(crowd), crowd.instrument, side, lots)
