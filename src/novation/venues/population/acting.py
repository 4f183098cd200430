"""What everybody simulated does when the venue comes to rest: the function that `engine.doors.work_among` calls.

One of them acts in a call: the flow ahead of the traders, those in their order.
"""

from __future__ import annotations

from novation._jit import model_kernel, record_pointer
from novation.engine.layout import NEVER_NS
from novation.engine.state import head_at
from novation.venues.population.asking import look
from novation.venues.population.hawkes import hawkes_candidate, next_candidate
from novation.venues.population.memory import CROWD, chance_, is_open, trader_
from novation.venues.population.queue_reactive import (
    queue_reactive_event,
    queue_reactive_rate,
    redraw,
    review,
    watch_mid,
)
from novation.venues.population.timing import begin_wait, factor_now, run_down
from novation.venues.population.traders import take_turn
from novation.venues.population.zero_intelligence import zero_intelligence_event, zero_intelligence_rate

NOBODY, ZERO_INTELLIGENCE, QUEUE_REACTIVE, HAWKES = range(4)

_crowd_at = record_pointer(CROWD)


@model_kernel
def adjust_rate(venue, crowd, now_ns):
    """Let what is to happen come nearer at the rate that the book asks for as it is."""
    if crowd.sequence != venue.sequence:
        crowd.sequence = venue.sequence
        if crowd.model == ZERO_INTELLIGENCE:
            crowd.book_rate = zero_intelligence_rate(venue, crowd)
        else:
            crowd.book_rate = queue_reactive_rate(venue, crowd)
    run_down(crowd, crowd.book_rate * factor_now(venue, crowd, now_ns), now_ns)


@model_kernel
def flow_turn(venue, crowd, now_ns):
    """What the flow does now, if it is its time."""
    due = crowd.next_ns <= now_ns
    if crowd.model == HAWKES:
        if due:
            hawkes_candidate(venue, crowd, now_ns)
        elif not crowd.begun:
            next_candidate(crowd, now_ns)
        crowd.begun = 1
        return
    if not crowd.begun:
        crowd.begun = 1
        begin_wait(crowd, now_ns)
    if crowd.model == QUEUE_REACTIVE:
        if crowd.redraw >= 0 and is_open(venue, crowd):
            redraw(venue, crowd)
            return
        if crowd.review_ns <= now_ns:
            review(venue, crowd)
        watch_mid(venue, crowd, now_ns)
    adjust_rate(venue, crowd, now_ns)
    if due and crowd.next_ns <= now_ns:
        crowd.rest = crowd.rest_next
        begin_wait(crowd, now_ns)
        if crowd.model == ZERO_INTELLIGENCE:
            zero_intelligence_event(venue, crowd)
        else:
            queue_reactive_event(venue, crowd)
        if venue.command_count == venue.command_next:
            adjust_rate(venue, crowd, now_ns)


@model_kernel
def traders_turn(venue, crowd, now_ns):
    """The first trader whose time it is takes its turn; then when the next one's is."""
    taken = 0
    first_ns = NEVER_NS
    for k in range(crowd.trader_rows):
        t = trader_(crowd, k)
        if t.next_ns <= now_ns and not taken:
            taken = 1
            take_turn(venue, crowd, t, chance_(crowd, 1 + k), now_ns)
        first_ns = min(first_ns, t.next_ns)
    crowd.traders_ns = first_ns


@model_kernel
def act_now(venue, crowd, now_ns):
    """See what has changed, act if it is time, and say when that is next."""
    traders_due = crowd.traders_ns <= now_ns
    look(venue, crowd, now_ns)
    if crowd.model != NOBODY:
        flow_turn(venue, crowd, now_ns)
    if traders_due and venue.command_count == venue.command_next:
        traders_turn(venue, crowd, now_ns)
    next_ns = min(crowd.next_ns, crowd.traders_ns)
    if crowd.model == QUEUE_REACTIVE:
        redrawing = crowd.redraw >= 0 and is_open(venue, crowd)
        next_ns = now_ns if redrawing else min(next_ns, crowd.review_ns)
    if crowd.model != HAWKES:
        next_ns = min(next_ns, crowd.change_ns)
    venue.others_ns = now_ns if venue.command_count > venue.command_next else next_ns
    return 0


def act(address, now_ns, others):  # type: ignore[no-untyped-def]
    """As a first-class function: addresses of the head, and of the record of CROWD."""
    return act_now(head_at(address, 0), _crowd_at(others, 0), now_ns)
