"""A market maker of Avellaneda and Stoikov (2008) whose quotes stand in the exchange's book and are hit there.

Each step of time the old quotes leave and new ones stand around the reservation price; then somebody sells at the
market with a probability that falls with the bid's distance from the mid, and likewise buys; then the mid moves. Source
and figures: facts/validation_tables.md V6.
"""

from __future__ import annotations

from novation._jit import model_kernel
from novation.engine.book import GROW, best_of, side_place
from novation.engine.layout import NO_PRICE
from novation.engine.simulated import add_simulated, clear_simulated, take_simulated
from novation.rules.elementary import exp, log
from novation.venues.markov_book import DONE, LARGER, MORE_CHANCE

#: What `run_quotes` remembers: runs done, steps of the run in hand, uniform numbers used, inventory, cash and mid in
#: ticks, quotes placed of the step.
RUNS, STEP, USED, HELD, CASH, MID, PLACED, BID, ASK = range(9)
#: Uniform numbers of a step.
_EACH = 3


@model_kernel
def quote(model, mid, held, left):
    """Bid and ask in ticks: the reservation price less and plus half the spread, to the nearest tick."""
    tick, sigma, gamma, decay = model[0], model[1], model[2], model[4]
    risk = gamma * sigma * sigma * left
    middle = mid * tick - held * risk
    half = 0.5 * (risk + (2.0 / gamma) * log(1.0 + gamma / decay))
    return int((middle - half) / tick + 0.5), int((middle + half) / tick + 0.5)


@model_kernel
def hit_chance(model, distance_ticks, step):
    """Probability that a quote so far from the mid is hit in a step."""
    return model[3] * exp(-model[4] * distance_ticks * model[0]) * step


@model_kernel
def run_quotes(heads, model, start_ticks, move_ticks, steps, runs, chance, out, state):
    """Run the market maker over `steps` steps, `runs` times.

    model: float64, size of a tick, sigma a root of time, gamma, hits a unit of time A, their decay k, a step of time.
    out: int64 (runs, 3): profit and the sum of all spreads, in ticks, and the last inventory. state: int64 of 9.
    """
    venue = heads[0]
    bids, asks = side_place(venue, 0, 1), side_place(venue, 0, -1)
    while state[RUNS] < runs:
        if state[STEP] == 0 and state[PLACED] == 0:
            state[MID], state[HELD], state[CASH] = start_ticks, 0, 0
        if state[USED] + _EACH > len(chance):
            return MORE_CHANCE
        step = model[5]
        if state[PLACED] == 0:
            clear_simulated(venue, 0)
            state[BID], state[ASK] = quote(model, state[MID], state[HELD], (steps - state[STEP]) * step)
            if add_simulated(venue, 0, 1, state[BID], 1) == GROW:
                return LARGER
            state[PLACED] = 1
        if add_simulated(venue, 0, -1, state[ASK], 1) == GROW:
            return LARGER
        state[PLACED] = 0
        out[state[RUNS], 1] += state[ASK] - state[BID]
        if chance[state[USED]] < hit_chance(model, state[MID] - state[BID], step):
            take_simulated(venue, 0, -1, 1)
        if chance[state[USED] + 1] < hit_chance(model, state[ASK] - state[MID], step):
            take_simulated(venue, 0, 1, 1)
        if best_of(venue, bids) == NO_PRICE:
            state[HELD] += 1
            state[CASH] -= state[BID]
        if best_of(venue, asks) == NO_PRICE:
            state[HELD] -= 1
            state[CASH] += state[ASK]
        state[MID] += move_ticks if chance[state[USED] + 2] < 0.5 else -move_ticks
        state[USED] += _EACH
        state[STEP] += 1
        if state[STEP] == steps:
            out[state[RUNS], 0] = state[CASH] + state[HELD] * state[MID]
            out[state[RUNS], 2] = state[HELD]
            state[STEP] = 0
            state[RUNS] += 1
    return DONE
