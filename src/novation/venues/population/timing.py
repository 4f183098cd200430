"""When a flow acts next, where its rate is a matter of the book alone (`ZeroIntelligence`, `QueueReactive`).

An exponential number of mean 1 runs down at the rate that is in force; at zero something happens. So nothing is drawn
when the rate changes, by whoever it is, and how time is cut into calls changes nothing. Instants are whole ns, what is
cut off is carried on.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.engine.layout import NEVER_NS
from novation.engine.state import contract_, market_, pricing_, terms_of
from novation.rules.premium import next_stamp
from novation.venues.population.chance import exponential
from novation.venues.population.memory import chance_, is_open, number_, step_of

_NS = 1e9
#: No wait is longer, in ns.
_LONGEST = 2e18


@model_kernel
def begin_wait(crowd, now_ns):
    """Draw how long it takes until something happens; `run_down` says at which rate."""
    crowd.then_ns = now_ns
    crowd.base_ns = now_ns
    crowd.budget = exponential(chance_(crowd, 0))
    crowd.base_budget = crowd.budget
    crowd.rate = -1.0
    crowd.base_rate = -1.0
    crowd.next_ns = NEVER_NS


@model_kernel
def run_down(crowd, rate, now_ns):
    """From now on things happen at a rate, events a second."""
    if rate == crowd.rate:
        return
    if now_ns > crowd.then_ns:
        crowd.base_ns = crowd.then_ns
        crowd.base_budget = crowd.budget
        crowd.base_rate = crowd.rate
    if now_ns == crowd.then_ns and rate == crowd.base_rate:  # changed, and changed back, at this instant
        crowd.then_ns = crowd.base_ns
        crowd.budget = crowd.base_budget
    else:
        crowd.then_ns = now_ns
        crowd.budget = max(0.0, crowd.base_budget - crowd.base_rate * float(now_ns - crowd.base_ns) / _NS)
    crowd.rate = rate
    put_next(crowd, crowd.budget)


@model_kernel
def put_next(crowd, events):
    """Something happens when so many events were to be expected since `then_ns`."""
    wait = crowd.rest + events / crowd.rate * _NS if crowd.rate > 0.0 else _LONGEST
    if wait >= _LONGEST:
        crowd.next_ns = NEVER_NS
        return
    crowd.next_ns = crowd.then_ns + int(wait)
    crowd.rest_next = wait - float(int(wait))


@model_kernel
def next_funding(venue, crowd, now_ns):
    """The next funding after now: the venue's own stamp, or the multiple of the interval; NEVER_NS: there is none."""
    c = contract_(venue, crowd.instrument)
    if c.marked and not c.dated and pricing_(venue, crowd.instrument).next_ns > now_ns:
        return pricing_(venue, crowd.instrument).next_ns
    hours = terms_of(venue, crowd.instrument).funding_interval_hours
    return next_stamp(now_ns, hours) if hours > 0 else NEVER_NS


@model_kernel
def funding_factor(venue, crowd, now_ns):
    """The factor of the time to the next funding; `change_ns` is when it changes."""
    crowd.change_ns = NEVER_NS
    first, count = crowd.to_funding_at, crowd.to_funding_count
    if count < 0:
        return 1.0
    stamp_ns = next_funding(venue, crowd, now_ns)
    k = count
    while k > 0 and float(stamp_ns - now_ns) <= number_(crowd, first + k - 1).number:
        k -= 1
    if stamp_ns < NEVER_NS:
        crowd.change_ns = stamp_ns - int(number_(crowd, first + k - 1).number) if k > 0 else stamp_ns
    return number_(crowd, first + count + k).number


@model_kernel
def limit_factor(venue, crowd):
    """The factor of the distance, in steps, between the mid and the nearer price limit."""
    first, count = crowd.to_limit_at, crowd.to_limit_count
    if count < 0:
        return 1.0
    m = market_(venue, crowd.instrument)
    mid_e8 = 0.5 * float(crowd.bid_ticks + crowd.ask_ticks) * float(contract_(venue, crowd.instrument).tick_e8)
    apart_e8 = min(mid_e8 - float(m.limit_low_e8), float(m.limit_high_e8) - mid_e8)
    steps = apart_e8 / (float(step_of(venue, crowd)) * float(contract_(venue, crowd.instrument).tick_e8))
    k = 0
    while k < count and steps > number_(crowd, first + k).number:
        k += 1
    return number_(crowd, first + count + k).number


@model_kernel
def factor_now(venue, crowd, now_ns):
    """What all rates are multiplied by; nothing happens while the market is not open."""
    by_funding = funding_factor(venue, crowd, now_ns)
    if not is_open(venue, crowd):
        return 0.0
    return by_funding * limit_factor(venue, crowd)
