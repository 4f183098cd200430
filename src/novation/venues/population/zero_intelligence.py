"""Orders that come and go whatever has happened: `domain.order_flow.ZeroIntelligence`, carried out by accounts."""

from __future__ import annotations

from novation._jit import model_kernel
from novation.engine.book import best_of, order_at, price_after, queue_at, side_place
from novation.engine.layout import NO_PRICE
from novation.engine.state import price_, side_
from novation.rules.chance import uniform
from novation.venues.population.asking import (
    cancel_own,
    from_other_side,
    place_limit,
    place_market,
    some_account,
)
from novation.venues.population.chance import below, pick_size
from novation.venues.population.memory import chance_, count_, number_, step_of


@model_kernel
def distance_of(crowd, side, ticks, step):
    """Steps, from 1 on, between a price of a side and the best of the other; what lies beyond that counts as 1."""
    apart = crowd.ask_ticks - ticks if side > 0 else ticks - crowd.bid_ticks
    return max(1, apart // step)


@model_kernel
def cancel_rate(venue, crowd, side):
    """Rate at which any order of a side is cancelled."""
    place, step, reach = side_place(venue, crowd.instrument, side), step_of(venue, crowd), crowd.cancel_count
    total, near = 0.0, 0
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        distance = distance_of(crowd, side, ticks, step)
        if distance >= reach:
            break
        orders = price_(venue, queue_at(venue, place, ticks)).orders
        total += number_(crowd, crowd.cancel_at + distance - 1).number * float(orders)
        near += orders
        ticks = price_after(venue, place, ticks)
    last = number_(crowd, crowd.cancel_at + reach - 1).number
    return total + last * float(side_(venue, place).orders - near)


@model_kernel
def zero_intelligence_rate(venue, crowd):
    """Rate of all that can happen."""
    crowd.bid_cancels = cancel_rate(venue, crowd, 1)
    crowd.ask_cancels = cancel_rate(venue, crowd, -1)
    return 2.0 * (crowd.limits + crowd.markets) + crowd.bid_cancels + crowd.ask_cancels


@model_kernel
def cancel_one(venue, crowd, side, x):
    """Cancel an order of a side, x being what is left of the rate that chance gave it."""
    place, step, reach = side_place(venue, crowd.instrument, side), step_of(venue, crowd), crowd.cancel_count
    c = chance_(crowd, 0)
    before = 0
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        distance = distance_of(crowd, side, ticks, step)
        if distance >= reach:
            break
        orders = price_(venue, queue_at(venue, place, ticks)).orders
        rate = number_(crowd, crowd.cancel_at + distance - 1).number * float(orders)
        if x < rate:
            cancel_own(venue, crowd, order_at(venue, place, before + below(c, orders)))
            return
        x -= rate
        before += orders
        ticks = price_after(venue, place, ticks)
    # what rounding leaves falls on the last order
    left = max(1, side_(venue, place).orders - before)
    n = side_(venue, place).orders - left + below(c, left)
    cancel_own(venue, crowd, order_at(venue, place, n))


@model_kernel
def zero_intelligence_event(venue, crowd):
    """Something happens; what, chance says by the rates as they are."""
    c = chance_(crowd, 0)
    limits, markets = crowd.limits, crowd.markets
    x = uniform(c) * (2.0 * (limits + markets) + crowd.bid_cancels + crowd.ask_cancels)
    if x < 2.0 * limits:
        side = 1 if x < limits else -1
        x = x if side > 0 else x - limits
        distance = 1
        while distance < crowd.limit_count and x >= number_(crowd, crowd.limit_at + distance - 1).number:
            x -= number_(crowd, crowd.limit_at + distance - 1).number
            distance += 1
        count_(crowd, 0 if side > 0 else 1).number += 1
        lots = pick_size(crowd, c, crowd.limit_lots_at, crowd.limit_lots_count)
        ticks = from_other_side(venue, crowd, side, distance)
        place_limit(venue, some_account(crowd), crowd.instrument, side, lots, ticks)
        return
    x -= 2.0 * limits
    if x < 2.0 * markets or crowd.bid_cancels + crowd.ask_cancels <= 0.0:
        side = 1 if x < markets else -1
        count_(crowd, 4 if side > 0 else 5).number += 1
        lots = pick_size(crowd, c, crowd.market_lots_at, crowd.market_lots_count)
        place_market(venue, some_account(crowd), crowd.instrument, side, lots)
        return
    x -= 2.0 * markets
    side = 1 if x < crowd.bid_cancels or crowd.ask_cancels <= 0.0 else -1
    count_(crowd, 2 if side > 0 else 3).number += 1
    cancel_one(venue, crowd, side, x if side > 0 else x - crowd.bid_cancels)
