"""The Markov order book of Cont, Stoikov and Talreja (2010), its orders matched by the exchange's own book.

Orders of one lot. Of each side, at i ticks from the best of the other: limit orders arrive at rate lambda(i), each
order is cancelled at rate theta(i); market orders arrive at rate mu. Source and figures: facts/validation_tables.md V4,
V5. Chance comes in as uniform numbers, one an event; a kernel that has used them up, or needs larger tables, says so
and goes on where it stood.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.engine.book import GROW, best_of, drop, first_at, order_at, price_after, queue_at, side_place
from novation.engine.layout import NO_PRICE
from novation.engine.simulated import add_simulated, clear_simulated, take_simulated
from novation.engine.state import price_, resting_, side_

#: What is asked: the mid moves up first; my bid fills before it moves; my bid and my ask both do.
UP, FILL, BOTH = 1, 2, 3
#: Why a kernel came back: all is done, the uniform numbers are used up, or the tables have to grow.
DONE, MORE_CHANCE, LARGER = 0, 1, 2
#: What `run_odds` remembers: runs done, those that came true, uniform numbers used, whether a run is on, rows of my bid
#: and my ask (-1: filled, or none), orders placed of the run that begins.
RUNS, TRUE, USED, ON, MY_BID, MY_ASK, PLACED = range(7)
#: What `run_book` remembers: uniform numbers used, events, skipped ones, changes of the mid, samples, whether it is on.
B_USED, B_EVENTS, B_SKIPPED, B_CHANGES, B_SAMPLES, B_PLACED = range(6)
#: ... and in floating point: time, when the next sample of the mid is taken; then time spent at each spread.
TIME, NEXT_SAMPLE, SPREADS = range(3)
#: Spreads from this on are counted as it.
WIDEST = 64
#: Where the bids stand of a run; the price level is no part of the model.
_BID = 1 << 20


@model_kernel
def nth_but(venue, place, n, mine):
    """Row of the n-th order, from 0, at the best price of a list, an own one not counted."""
    row = first_at(venue, place, best_of(venue, place))
    while n > 0 or row == mine:
        if row != mine:
            n -= 1
        row = resting_(venue, row).next
    return row


@model_kernel
def begin_run(venue, state, bids, asks, spread, question):
    """Place the orders of a run, as many as there is room for; whether all stand."""
    while state[PLACED] < bids + asks:
        bid = state[PLACED] < bids
        row = add_simulated(venue, 0, 1 if bid else -1, _BID if bid else _BID + spread, 1)
        if row == GROW:
            return False
        state[PLACED] += 1
        if bid:
            state[MY_BID] = row if question != UP else -1
        else:
            state[MY_ASK] = row if question == BOTH else -1
    state[ON] = 1
    return True


@model_kernel
def run_odds(heads, rates, bids, asks, spread, question, runs, chance, state):
    """Run the model from `bids` orders at the best bid and `asks` at the best ask until the mid moves, so many times.

    rates: float64, limit orders at the best prices, cancellations an order, market orders, limit orders inside the
    spread; each a side. chance: float64 in [0, 1). state: int64 of 7. My orders are the last of their queues and never
    cancelled.
    """
    venue = heads[0]
    limit, cancel, market, inside = rates[0], rates[1], rates[2], rates[3]
    bid_list, ask_list = side_place(venue, 0, 1), side_place(venue, 0, -1)
    while state[RUNS] < runs:
        if state[ON] == 0:
            if state[PLACED] == 0:
                state[MY_BID], state[MY_ASK] = -1, -1
            if not begin_run(venue, state, bids, asks, spread, question):
                return LARGER
        if state[USED] >= len(chance):
            return MORE_CHANCE
        b, s = side_(venue, bid_list), side_(venue, ask_list)
        free_bids = b.orders - (1 if state[MY_BID] >= 0 else 0)
        free_asks = s.orders - (1 if state[MY_ASK] >= 0 else 0)
        total = 2.0 * (limit + market + inside) + cancel * (free_bids + free_asks)
        x = chance[state[USED]] * total
        moved = 0
        if x < 2.0 * limit:
            buys = x < limit
            if add_simulated(venue, 0, 1 if buys else -1, b.best if buys else s.best, 1) == GROW:
                return LARGER
        elif x < 2.0 * (limit + market):
            sells = x < 2.0 * limit + market
            first = first_at(venue, bid_list if sells else ask_list, b.best if sells else s.best)
            take_simulated(venue, 0, -1 if sells else 1, 1)
            if sells and first == state[MY_BID]:
                state[MY_BID] = -1
            elif not sells and first == state[MY_ASK]:
                state[MY_ASK] = -1
        elif x < 2.0 * (limit + market + inside):
            moved = 1 if x < 2.0 * (limit + market) + inside else -1
        else:
            n = min(int((x - 2.0 * (limit + market + inside)) / cancel), free_bids + free_asks - 1)
            if n < free_bids:
                drop(venue, nth_but(venue, bid_list, n, state[MY_BID]))
            else:
                drop(venue, nth_but(venue, ask_list, n - free_bids, state[MY_ASK]))
        state[USED] += 1
        if b.orders == 0:
            moved = -1
        elif s.orders == 0:
            moved = 1
        filled = state[MY_BID] < 0 and state[MY_ASK] < 0 and question != UP
        if moved != 0 or filled:
            state[RUNS] += 1
            if filled or (question == UP and moved > 0):
                state[TRUE] += 1
            clear_simulated(venue, 0)
            state[ON], state[PLACED] = 0, 0
    return DONE


@model_kernel
def cancel_rate(venue, place, opposite, theta):
    """Rate at which any order of a list is cancelled."""
    reach, last = len(theta), len(theta) - 1
    total, near = 0.0, 0
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        away = abs(opposite - ticks) - 1
        if away >= reach:
            break
        orders = price_(venue, queue_at(venue, place, ticks)).orders
        total += theta[away] * orders
        near += orders
        ticks = price_after(venue, place, ticks)
    return total + theta[last] * (side_(venue, place).orders - near)


@model_kernel
def cancelled(venue, place, opposite, theta, x):
    """Row of the order of a list that is cancelled, x being what is left of the rate that chance gave it."""
    reach, last = len(theta), len(theta) - 1
    before = 0
    ticks = best_of(venue, place)
    while ticks != NO_PRICE:
        away = abs(opposite - ticks) - 1
        if away >= reach:
            break
        orders = price_(venue, queue_at(venue, place, ticks)).orders
        rate = theta[away] * orders
        if x < rate:
            return order_at(venue, place, before + min(int(x / theta[away]), orders - 1))
        x -= rate
        before += orders
        ticks = price_after(venue, place, ticks)
    orders = side_(venue, place).orders
    return order_at(venue, place, min(before + int(x / theta[last]), orders - 1))


@model_kernel
def run_book(heads, arrivals, theta, market, until, chance, waits, mids, state, times):
    """Run the whole book for a time. arrivals, theta: float64 by ticks from the other side's best, from 1 on: limit
    orders there, and cancellations an order (farther ones as the last). chance: float64 in [0, 1); waits: float64,
    exponential with mean 1. An event that would empty a side is skipped.

    mids: int64, twice the mid every time unit, from 0 on. state: int64 of 6; times: float64 of SPREADS + WIDEST.
    """
    venue = heads[0]
    bid_list, ask_list = side_place(venue, 0, 1), side_place(venue, 0, -1)
    b, s = side_(venue, bid_list), side_(venue, ask_list)
    reach = len(arrivals)
    while state[B_PLACED] < 10 * reach:  # five orders at each of so many prices of both sides to begin with
        side = 1 if state[B_PLACED] % 2 == 0 else -1
        away = state[B_PLACED] // 2 % reach
        if add_simulated(venue, 0, side, _BID - away if side > 0 else _BID + 1 + away, 1) == GROW:
            return LARGER
        state[B_PLACED] += 1
    incoming = 0.0
    for away in range(reach):
        incoming += arrivals[away]
    while times[TIME] < until:
        if state[B_USED] >= len(chance):
            return MORE_CHANCE
        bid, ask = b.best, s.best
        bid_cancels = cancel_rate(venue, bid_list, ask, theta)
        ask_cancels = cancel_rate(venue, ask_list, bid, theta)
        total = 2.0 * (incoming + market) + bid_cancels + ask_cancels
        # what happens is found first, as it may have to wait for larger tables
        x = chance[state[B_USED]] * total
        before = bid + ask
        skipped = 0
        later = times[TIME] + waits[state[B_USED]] / total
        if x < 2.0 * incoming:
            buys = x < incoming
            x = x if buys else x - incoming
            away = 0
            while away < reach - 1 and x >= arrivals[away]:
                x -= arrivals[away]
                away += 1
            ticks = ask - 1 - away if buys else bid + 1 + away
            if add_simulated(venue, 0, 1 if buys else -1, ticks, 1) == GROW:
                return LARGER
        elif x < 2.0 * (incoming + market):
            sells = x < 2.0 * incoming + market
            if (b.orders if sells else s.orders) > 1:
                take_simulated(venue, 0, -1 if sells else 1, 1)
            else:
                skipped = 1
        else:
            x -= 2.0 * (incoming + market)
            of_bids = x < bid_cancels
            if (b.orders if of_bids else s.orders) > 1:
                if of_bids:
                    drop(venue, cancelled(venue, bid_list, ask, theta, x))
                else:
                    drop(venue, cancelled(venue, ask_list, bid, theta, x - bid_cancels))
            else:
                skipped = 1
        spread = min(ask - bid, WIDEST - 1)
        end = min(later, until)
        times[SPREADS + spread] += end - times[TIME]
        while times[NEXT_SAMPLE] <= end and state[B_SAMPLES] < len(mids):
            mids[state[B_SAMPLES]] = before
            state[B_SAMPLES] += 1
            times[NEXT_SAMPLE] += 1.0
        times[TIME] = later
        state[B_USED] += 1
        state[B_EVENTS] += 1
        state[B_SKIPPED] += skipped
        if later < until and b.best + s.best != before:
            state[B_CHANGES] += 1
    return DONE
