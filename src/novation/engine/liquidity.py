"""Whom a taker meets: the bars' one price (`parametric`) or the levels of a ladder (`ladder`).

`reach` says how much of an order can be had now and how far its price goes; `offer` and `take` trade it level by level,
one unit of work each; `average_price` is what a notional would cost. All that fills anything goes through these.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.ladder import best_level, depth, ladder_average, take_lots
from novation.engine.parametric import ANY_PRICE, NO_PRICE, opening_ticks, taker_ticks
from novation.engine.phases import is_open, within_limits
from novation.engine.state import contract_, market_


@kernel
def has_ladder(venue, instrument):
    """Whether an instrument trades on a ladder."""
    return contract_(venue, instrument).level_count > 0


@kernel
def within(side, ticks, worst_ticks):
    """Whether a price is there and no worse than the worst one named."""
    return ticks != NO_PRICE and (worst_ticks == ANY_PRICE or side * (ticks - worst_ticks) <= 0)


@kernel
def offer(venue, instrument, side, lots, worst_ticks):
    """Ticks at which a taker trades now, and how many of its lots; (NO_PRICE, 0) when none do."""
    if not is_open(venue, instrument):
        return NO_PRICE, 0
    ticks, there = NO_PRICE, 0
    if has_ladder(venue, instrument):
        ticks, there = best_level(venue, instrument, side)
    else:
        ticks, there = opening_ticks(venue, instrument, side), lots
    if not within(side, ticks, worst_ticks):
        return NO_PRICE, 0
    return ticks, min(lots, there)


@kernel
def reach(venue, instrument, side, lots, worst_ticks):
    """The worst price in ticks that a taker of so many lots would trade at now, NO_PRICE when none of them do."""
    if has_ladder(venue, instrument) and is_open(venue, instrument):
        _, _, ticks = depth(venue, instrument, side, lots, worst_ticks, 0)
        return ticks
    ticks, _ = offer(venue, instrument, side, lots, worst_ticks)
    return ticks


@kernel
def take(venue, instrument, side, lots, ticks):
    """Lots just offered are traded at a price."""
    if has_ladder(venue, instrument):
        take_lots(venue, instrument, side, lots, ticks)


@kernel
def closing_offer(venue, p):
    """Ticks at which a liquidation closes a position, and how many of its lots: what the ladder has, else all of them
    at the trigger mark. (NO_PRICE, 0) when the ladder has nothing left."""
    side = -1 if p.lots > 0 else 1
    if has_ladder(venue, p.instrument):
        return offer(venue, p.instrument, side, abs(p.lots), ANY_PRICE)
    ticks = taker_ticks(venue, p.instrument, side, p.trigger_e8)
    return within_limits(venue, p.instrument, side, ticks), abs(p.lots)


@kernel
def average_price(venue, instrument, side, value):
    """Average price in 1e-8, rounded down, at which a taker would trade `value` minor units now; 0: there is none.

    Without a ladder the last price and half the spread, whatever the size.
    """
    if has_ladder(venue, instrument):
        return ladder_average(venue, instrument, side, value)
    m = market_(venue, instrument)
    if m.last_e8 == 0:
        return 0
    return taker_ticks(venue, instrument, side, m.last_e8) * contract_(venue, instrument).tick_e8
