"""What simulated traders remember: tables of their own beside the venue's, reached as those are (`engine.layout`).

    CROWD    one record: whose they are, where the other tables lie, how the flow of orders stands
    NUMBER   float64: the numbers of the flow's model, each list at `<name>_at` with `<name>_count` of them; what is
             left of past events in `Hawkes`
    COUNT    how often they did what (`COUNTS`)
    TRADER   one with a purpose: a market maker, one who follows the trend, one with leverage
    CHANCE   a generator's state: of the flow, then one of each trader

All of it is the venue's state as far as what happens next depends on it.
"""

from __future__ import annotations

import numpy as np

from novation._jit import kernel, record_pointer
from novation.domain.enums import InstrumentStatus, MarketPhase
from novation.domain.order_flow import HAWKES_KINDS
from novation.engine.state import check_row, market_, terms_of

_TRADING, _OPEN = int(InstrumentStatus.TRADING), int(MarketPhase.OPEN)


def _record(integers: str, floats: str = "") -> np.dtype:
    named = [(name, np.int64) for name in integers.split()]
    return np.dtype([*named, *((name, np.float64) for name in floats.split())])


#: Lists of NUMBER.
LISTS = (
    *("limit", "cancel", "market", "unit", "queues", "base", "jump", "distance", "excited"),
    *("limit_lots", "market_lots", "to_funding", "to_limit"),
)
#: What is counted: what happens in a flow, by kind; of these those that found nothing of the flow's to cancel or were
#: somebody else's; the reference price that follows, queues that are drawn anew; quotes placed and taken back; orders
#: that follow the trend; leveraged traders who came, and those who could not as there was no mark or no market.
COUNTS = (*HAWKES_KINDS, "skipped", "followed", "redrawn", "quoted", "withdrawn", "trended", "entered", "put_off")
SKIPPED, FOLLOWED, REDRAWN, QUOTED, WITHDRAWN, TRENDED, ENTERED, PUT_OFF = range(6, 14)

CROWD = _record(
    # whose: the instrument, accounts first .. first + accounts of the flow; its model, the grid as it is
    "instrument first accounts model step "
    # the flow: whether it has begun; since when its rate is so, when something happens next, when that rate next
    # changes by itself; what was before this instant
    "begun then_ns next_ns change_ns base_ns "
    # the best prices, the last ones where there are none; what they were before the instant of their last change
    "bid_ticks ask_ticks bid_before ask_before seen_ns "
    # of `QueueReactive`, in half steps: reference price and the mid it was last held against; when that is looked at
    # again; how far the drawing of new queues is (-1: it is not on), orders left to place there
    "reference mid review_ns redraw redraw_left "
    # how many events there were when the rate of the book was last added up: it is the same until there are more
    "sequence "
    # when the first of the traders acts
    "traders_ns "
    "number_address number_rows count_address count_rows trader_address trader_rows chance_address chance_rows "
    + " ".join(f"{name}_at {name}_count" for name in LISTS),
    # what is left of the exponential time, in expected events, and the rate it runs down at; parts of a ns
    "budget rate rest rest_next base_budget base_rate "
    # parts of that rate, and of Hawkes numbers that never change
    "book_rate limits markets bid_cancels ask_cancels follows redraws decay most_factor",
)
NUMBER = _record("", "number")
COUNT = _record("number")
#: `begun`: whether it has looked before; `inside`: whether a leveraged trader is there; `average`: of the mid, steps.
TRADER = _record(
    "kind account next_ns every_ns lots most_lots bid_order ask_order begun inside side least_lots least_e8 most_e8 "
    "wait_ns mean_ns horizon_ns",
    "half_spread skew threshold average",
)
CHANCE = _record("a0 a1 a2 b0 b1 b2")

_number_at = record_pointer(NUMBER)
_count_at = record_pointer(COUNT)
_trader_at = record_pointer(TRADER)
_chance_at = record_pointer(CHANCE)
crowd_at = record_pointer(CROWD)


@kernel
def number_(crowd, row):
    """A number of the model."""
    check_row(row, crowd.number_rows)
    return _number_at(crowd.number_address, row)


@kernel
def count_(crowd, row):
    """How often something was done."""
    check_row(row, crowd.count_rows)
    return _count_at(crowd.count_address, row)


@kernel
def trader_(crowd, row):
    """A trader with a purpose."""
    check_row(row, crowd.trader_rows)
    return _trader_at(crowd.trader_address, row)


@kernel
def chance_(crowd, row):
    """A generator: 0 the flow's, then the traders'."""
    check_row(row, crowd.chance_rows)
    return _chance_at(crowd.chance_address, row)


@kernel
def is_open(venue, crowd):
    """Whether orders trade now; nobody simulated does anything else."""
    m = market_(venue, crowd.instrument)
    return m.status == _TRADING and m.phase == _OPEN


@kernel
def step_of(venue, crowd):
    """Ticks between two prices that orders may have now."""
    return terms_of(venue, crowd.instrument).tick_step
