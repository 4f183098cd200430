"""Rates by what stands where they fall: `domain.order_flow.QueueReactive`, carried out by accounts.

Prices are in steps of the grid, the reference price in half ones: odd, between two prices.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.domain.enums import CommandKind
from novation.engine.book import behind, best_of, first_at, lots_shown, queue_at, side_place
from novation.engine.commands import enter, next_command
from novation.engine.layout import NEVER_NS, NO_PRICE
from novation.engine.state import own_order, price_
from novation.rules.chance import uniform
from novation.venues.population.asking import (
    cancel_own,
    place_limit,
    place_market,
    room,
    some_account,
)
from novation.venues.population.chance import below, pick
from novation.venues.population.memory import FOLLOWED, REDRAWN, chance_, count_, number_, step_of

_CANCEL_ALL = int(CommandKind.CANCEL_ALL)


@model_kernel
def price_at(crowd, side, distance, step):
    """Ticks of the price so many steps, from 1 on, from the reference price."""
    nearest = (crowd.reference - 1) // 2 if side > 0 else (crowd.reference + 1) // 2
    return (nearest - side * (distance - 1)) * step


@model_kernel
def rate_at(crowd, first, distance, units):
    """The rate at a distance where so many units stand: lists (where it begins, how long it is), then their numbers."""
    at, count = number_(crowd, first + 2 * distance - 2).number, number_(crowd, first + 2 * distance - 1).number
    return number_(crowd, first + int(at) + min(units, int(count) - 1)).number


@model_kernel
def units_at(venue, crowd, side, distance, step):
    """What stands at a distance, in its unit, rounded up."""
    unit = int(number_(crowd, crowd.unit_at + distance - 1).number)
    lots = lots_shown(venue, side_place(venue, crowd.instrument, side), price_at(crowd, side, distance, step))
    return -(-lots // unit)


@model_kernel
def market_rate(venue, crowd, side, step):
    """Rate of market orders of a side, and the distance at which they find the other side's best price."""
    best = best_of(venue, side_place(venue, crowd.instrument, -side))
    if best == NO_PRICE:
        return 0.0, 1
    apart = best // step - (crowd.reference + 1) // 2 if side > 0 else (crowd.reference - 1) // 2 - best // step
    distance = max(1, min(apart + 1, crowd.unit_count))
    lots = lots_shown(venue, side_place(venue, crowd.instrument, -side), best)
    units = -(-lots // int(number_(crowd, crowd.unit_at + distance - 1).number))
    return rate_at(crowd, crowd.market_at, distance, units), distance


@model_kernel
def queue_reactive_rate(venue, crowd):
    """Rate of all that can happen."""
    step = step_of(venue, crowd)
    total = 0.0
    for side in (1, -1):
        for distance in range(1, crowd.unit_count + 1):
            units = units_at(venue, crowd, side, distance, step)
            total += rate_at(crowd, crowd.limit_at, distance, units)
            if units > 0:
                total += rate_at(crowd, crowd.cancel_at, distance, units)
        rate, _ = market_rate(venue, crowd, side, step)
        total += rate
    return total


@model_kernel
def queue_reactive_event(venue, crowd):
    """Something happens; what, chance says by the rates as they are."""
    c, step = chance_(crowd, 0), step_of(venue, crowd)
    x = uniform(c) * queue_reactive_rate(venue, crowd)
    for side in (1, -1):
        for distance in range(1, crowd.unit_count + 1):
            units = units_at(venue, crowd, side, distance, step)
            rate = rate_at(crowd, crowd.limit_at, distance, units)
            if x < rate:
                count_(crowd, 0 if side > 0 else 1).number += 1
                join_queue(venue, crowd, side, distance, step)
                return
            x -= rate
            rate = rate_at(crowd, crowd.cancel_at, distance, units) if units > 0 else 0.0
            if x < rate:
                count_(crowd, 2 if side > 0 else 3).number += 1
                leave_queue(venue, crowd, side, price_at(crowd, side, distance, step))
                return
            x -= rate
        rate, distance = market_rate(venue, crowd, side, step)
        if x < rate:
            count_(crowd, 4 if side > 0 else 5).number += 1
            lots = int(number_(crowd, crowd.unit_at + distance - 1).number)
            place_market(venue, some_account(crowd), crowd.instrument, side, lots)
            return
        x -= rate


@model_kernel
def join_queue(venue, crowd, side, distance, step):
    """An order of one unit comes to stand at a distance."""
    lots = int(number_(crowd, crowd.unit_at + distance - 1).number)
    ticks = price_at(crowd, side, distance, step)
    place_limit(venue, some_account(crowd), crowd.instrument, side, lots, ticks)


@model_kernel
def leave_queue(venue, crowd, side, ticks):
    """An order at a price is cancelled, each as likely."""
    place = side_place(venue, crowd.instrument, side)
    orders = price_(venue, queue_at(venue, place, ticks)).orders
    cancel_own(venue, crowd, behind(venue, first_at(venue, place, ticks), below(chance_(crowd, 0), orders)))


@model_kernel
def watch_mid(venue, crowd, now_ns):
    """Where the mid is another one the reference price is looked at, a nanosecond later: by then all that the instant
    brings has happened, however it is cut into calls."""
    step = step_of(venue, crowd)
    if step != crowd.step:  # another grid: the same place on it
        crowd.reference = crowd.reference * crowd.step // step | 1
        crowd.step = step
        crowd.sequence = -1
    mid = (crowd.bid_ticks + crowd.ask_ticks) // step
    if mid != crowd.mid and crowd.review_ns == NEVER_NS:
        crowd.review_ns = now_ns + 1


@model_kernel
def review(venue, crowd):
    """Whether the reference price follows the mid, and queues are drawn anew."""
    c = chance_(crowd, 0)
    crowd.review_ns = NEVER_NS
    mid = (crowd.bid_ticks + crowd.ask_ticks) // step_of(venue, crowd)
    if mid == crowd.mid:
        return
    crowd.mid = mid
    nearest = mid
    if mid % 2 == 0:
        nearest = mid + 1 if crowd.reference > mid else mid - 1
    if nearest == crowd.reference or uniform(c) >= crowd.follows:
        return
    crowd.reference = nearest
    crowd.sequence = -1
    count_(crowd, FOLLOWED).number += 1
    if crowd.redraws > 0.0 and uniform(c) < crowd.redraws:
        crowd.redraw = 0
        crowd.redraw_left = 0


@model_kernel
def redraw(venue, crowd):
    """Draw queues anew, as many commands as the line has room for at a time: first all orders of the flow are
    cancelled, account by account, then those of each distance are placed. Nothing in line afterwards: it is done."""
    step, reach, c = step_of(venue, crowd), crowd.unit_count, chance_(crowd, 0)
    while room(venue) > 0:
        if crowd.redraw < crowd.accounts:
            account = crowd.first + crowd.redraw
            crowd.redraw += 1
            if own_order(venue, account, crowd.instrument) >= 0:
                next_command(venue, _CANCEL_ALL, account, crowd.instrument)
                enter(venue)
            continue
        at = crowd.redraw - crowd.accounts  # twice the distance less two, plus one for asks; behind the one in hand
        if crowd.redraw_left > 0:
            crowd.redraw_left -= 1
            join_queue(venue, crowd, 1 if at % 2 == 1 else -1, (at + 1) // 2, step)
        elif at == 2 * reach:
            crowd.redraw = -1
            count_(crowd, REDRAWN).number += 1
            return
        else:
            first = crowd.queues_at + 2 * (at // 2)
            begin, count = int(number_(crowd, first).number), int(number_(crowd, first + 1).number)
            crowd.redraw_left = pick(crowd, c, crowd.queues_at + begin, count)
            crowd.redraw += 1
