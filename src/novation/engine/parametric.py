"""Liquidity when only bars exist: one price, plus half the stated spread, on the tick, against the taker.

It offers any size at that price, moved by what the taker and those before it have done to it where the venue was given
a model of impact (docs/rules/impact.md, "On a venue"). With `BarLiquidity` takers pay a slippage in place of the
spread, and a bar has no more lots than a share of those that it traded (docs/rules/fills.md).
A bar's price can be had at the instant the bar opens, and by stops at their trigger as it closes: at no other time.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginMethod
from novation.engine.layout import NO_PRICE
from novation.engine.phases import is_executable, is_locked, is_open, within_limits
from novation.engine.state import bar_liquidity_, contract_, impact_, market_, terms_of
from novation.rules.chance import uniform
from novation.rules.impact import BEYOND, faded_e8, order_impact_e8, whole_e8
from novation.rules.integers import E8, mul_div, mul_div_ceil
from novation.rules.slippage import piece_e8
from novation.rules.value import price_to_ticks

_TIERED = int(MarginMethod.TIERED)
#: Times the price that an order is checked at: what it is worth there still fits (`order_checks.too_large`).
_FURTHEST = 16


@kernel
def offered_now(venue, instrument):
    """Whether a bar opens at this instant, and the market is open; at zero only what may trade there."""
    m = market_(venue, instrument)
    priced = m.last_e8 != 0 or contract_(venue, instrument).method != _TIERED
    return m.open_ns == venue.clock_ns and priced and is_open(venue, instrument)


@kernel
def traded_ticks(venue, instrument, side, price_e8):
    """A price on the tick in force, moved against the taker.

    Of an instrument with brackets no price is below zero, and none is below one tick: no order could name it, and what
    trades at zero is worth nothing. Prices of the others may be zero or below it.
    """
    c, tick_step = contract_(venue, instrument), terms_of(venue, instrument).tick_step
    ticks = price_to_ticks(price_e8, c.tick_e8, tick_step, side)
    return max(ticks, tick_step) if c.method == _TIERED else ticks


@kernel
def taker_ticks(venue, instrument, side, price_e8):
    """Price in ticks for a taker when the market stands at `price_e8`."""
    half_spread = mul_div_ceil(abs(price_e8), venue.spread_e8, 2 * E8)
    return traded_ticks(venue, instrument, side, price_e8 + side * half_spread)


@kernel
def has_impact(venue, instrument):
    """Whether takers move an instrument's price."""
    return venue.impact_rows > 0 and impact_(venue, instrument).on != 0


@kernel
def fading_now(venue, x):
    """What is left of the part of an impact that fades."""
    return faded_e8(x.fading_e8, x.fades, (venue.clock_ns - x.since_ns) / x.unit)


@kernel
def moved_e8(venue, instrument, side, lots):
    """How far from the market's price a taker of so many lots trades: by those before it, and by itself."""
    x = impact_(venue, instrument)
    own = order_impact_e8(
        lots,
        lots / x.takes,
        x.half_spread,
        x.temporary,
        x.temporary_by,
        x.order,
        x.order_by,
        x.permanent + x.transient,
    )
    return x.stays_e8 + fading_now(venue, x) + side * own


@kernel
def has_bar_liquidity(venue, instrument):
    """Whether what a taker meets on the bars of an instrument depends on his size."""
    return venue.bar_liquidity_rows > 0 and bar_liquidity_(venue, instrument).on != 0


@kernel
def slips(venue, instrument):
    """Whether takers of an instrument pay a slippage in place of the spread."""
    return has_bar_liquidity(venue, instrument) and bar_liquidity_(venue, instrument).slips != 0


@kernel
def state_liquidity(venue, row):
    """What takers pay from now on, by a row of the feed."""
    x = bar_liquidity_(venue, row.instrument)
    x.volume = row.traded_lots
    x.sold_e8, x.bought_e8 = row.bid_e8, row.ask_e8
    x.sold_whole_e8, x.bought_whole_e8 = row.impact_bid_e8, row.impact_ask_e8


@kernel
def open_liquidity(venue, row):
    """A bar opens, of which nobody has had anything yet."""
    if has_bar_liquidity(venue, row.instrument):
        x = bar_liquidity_(venue, row.instrument)
        x.bar_lots = mul_div(row.traded_lots, x.participation_e8, E8)
        x.used, x.sold, x.bought = 0, 0, 0


@kernel
def left_in_bar(venue, instrument, lots):
    """How many of so many lots can be had of the bar that opened last."""
    if not has_bar_liquidity(venue, instrument) or bar_liquidity_(venue, instrument).participation_e8 == 0:
        return lots
    x = bar_liquidity_(venue, instrument)
    return max(0, min(lots, x.bar_lots - x.used))


@kernel
def slippage_e8(venue, instrument, side, before, lots, price_e8):
    """What each of so many lots pays beyond a price, `before` others having been taken; 0 while nothing is known."""
    x = bar_liquidity_(venue, instrument)
    if x.volume == 0:
        return 0
    half_e8 = x.bought_e8 if side > 0 else x.sold_e8
    whole_e8 = x.bought_whole_e8 if side > 0 else x.sold_whole_e8
    price = float(abs(price_e8))
    return piece_e8(before, lots, float(x.volume), half_e8, whole_e8, x.exponent, x.least * price, x.most * price)


@kernel
def traded(venue, instrument, side, lots, maker):
    """Lots have traded on bars: later takers find the price where those before them have left it."""
    if has_bar_liquidity(venue, instrument):
        x = bar_liquidity_(venue, instrument)
        x.used += lots
        if not maker and side > 0:
            x.bought += lots
        elif not maker:
            x.sold += lots
    if maker or not has_impact(venue, instrument):
        return
    x = impact_(venue, instrument)
    fading = fading_now(venue, x)
    x.stays_e8 += side * whole_e8(x.permanent * lots)
    x.fading_e8 = fading + side * whole_e8(x.transient * lots)
    x.since_ns = venue.clock_ns


@kernel
def away_e8(venue, instrument, side, lots, price_e8):
    """How far from a price that the bar has so many lots trade, by what takers do to it."""
    if has_impact(venue, instrument):
        return moved_e8(venue, instrument, side, lots)
    if slips(venue, instrument):
        x = bar_liquidity_(venue, instrument)
        before = x.bought if side > 0 else x.sold
        return side * slippage_e8(venue, instrument, side, before, lots, price_e8)
    return 0


@kernel
def met_ticks(venue, instrument, side, lots, price_e8):
    """Ticks at which so many lots trade where a bar stands at a price, or NO_PRICE: the market is locked against the
    taker, so many would move it beyond all prices, or nothing is known of what it costs.

    Nor does anybody trade at a bound - a price limit, the lowest tick - that the taker's impact has passed: at a better
    price than it moves the market to, a round trip would earn.
    """
    if lots == 0 or is_locked(venue, instrument, side):
        return NO_PRICE
    slipping = slips(venue, instrument)
    if slipping and bar_liquidity_(venue, instrument).volume == 0:
        return NO_PRICE
    away = away_e8(venue, instrument, side, lots, price_e8)
    if abs(away) >= min(BEYOND, _FURTHEST * max(abs(price_e8), abs(market_(venue, instrument).mark_e8))):
        return NO_PRICE
    price_e8 = price_e8 + away
    if slipping:
        ticks = traded_ticks(venue, instrument, side, price_e8)
    else:
        ticks = taker_ticks(venue, instrument, side, price_e8)
    ticks = within_limits(venue, instrument, side, ticks)
    moves = slipping or has_impact(venue, instrument)
    if moves and side * (ticks * contract_(venue, instrument).tick_e8 - price_e8) < 0:
        return NO_PRICE
    return ticks


@kernel
def opening_ticks(venue, instrument, side, lots):
    """`met_ticks` at the price of the bar that opens now; NO_PRICE where none does."""
    if not offered_now(venue, instrument):
        return NO_PRICE
    return met_ticks(venue, instrument, side, lots, market_(venue, instrument).last_e8)


@kernel
def inside_ticks(venue, instrument, side, lots, price_e8):
    """`met_ticks` at a price of the bar that closes now; NO_PRICE where it may not trade there."""
    m = market_(venue, instrument)
    if not is_open(venue, instrument) or price_e8 < m.limit_low_e8 or price_e8 > m.limit_high_e8:
        return NO_PRICE
    return met_ticks(venue, instrument, side, lots, price_e8)


@kernel
def forced_ticks(venue, instrument, side, lots, price_e8):
    """Ticks at which the exchange closes so many lots by force, when the market stands at a price."""
    if not slips(venue, instrument):
        return taker_ticks(venue, instrument, side, price_e8)
    away = min(slippage_e8(venue, instrument, side, 0, lots, price_e8), abs(price_e8))
    return traded_ticks(venue, instrument, side, price_e8 + side * away)


@kernel
def traded_through(venue, instrument, side, limit_ticks):
    """Whether the bar that just closed traded beyond a resting limit price: touching it is not enough.

    Nor is it where the market is not open as the bar closes: a halt that a bar brings leaves all its orders as they
    were.
    """
    m = market_(venue, instrument)
    if not is_executable(venue, instrument, limit_ticks):
        return False
    limit_e8 = limit_ticks * contract_(venue, instrument).tick_e8
    if side > 0:
        return m.last_low_e8 < limit_e8
    return m.last_high_e8 > limit_e8


@kernel
def touched_and_reached(venue, instrument, side, limit_ticks):
    """Whether the bar that just closed touched a resting limit price and did not trade through it, and its queue was
    reached: a draw, for each order of each such bar."""
    if not has_bar_liquidity(venue, instrument):
        return False
    x, m = bar_liquidity_(venue, instrument), market_(venue, instrument)
    if x.touch_e8 == 0 or not is_executable(venue, instrument, limit_ticks):
        return False
    extreme_e8 = m.last_low_e8 if side > 0 else m.last_high_e8
    if extreme_e8 != limit_ticks * contract_(venue, instrument).tick_e8:
        return False
    return uniform(x) * float(E8) < float(x.touch_e8)


@kernel
def opened_beyond(venue, instrument, side, limit_ticks):
    """Ticks of the open when the bar opens at a better price than a resting limit, else NO_PRICE."""
    if not offered_now(venue, instrument) or not is_executable(venue, instrument, limit_ticks):
        return NO_PRICE
    m = market_(venue, instrument)
    c = contract_(venue, instrument)
    limit_e8 = limit_ticks * c.tick_e8
    if side * (limit_e8 - m.last_e8) <= 0:
        return NO_PRICE
    ticks = price_to_ticks(m.last_e8, c.tick_e8, terms_of(venue, instrument).tick_step, side)
    ticks = within_limits(venue, instrument, side, ticks)
    if side * (ticks - limit_ticks) > 0:
        return limit_ticks
    return ticks
