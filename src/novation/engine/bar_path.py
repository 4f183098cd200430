"""The path of a closing bar, and whom it touches on its way (docs/rules/fills.md, "Path").

A bar shows four prices and no order among them. Where it touches several orders it is taken to go from its open to one
extreme, to the other and to its close, which first is the venue's `BarPath`. One scan of the working orders finds those
that are touched, and when; as long as some are left, one more scan finds the next.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import BarPath, OrderKind, TriggerPrice
from novation.engine.conditional import is_alive
from novation.engine.layout import NO_PRICE
from novation.engine.parametric import touched_and_reached, traded_through
from novation.engine.state import contract_, market_, order_, position_row_, row_of

_MARKET = int(OrderKind.MARKET)
_MARK = int(TriggerPrice.MARK)
_WORST, _HIGH_FIRST = int(BarPath.WORST), int(BarPath.HIGH_FIRST)
_NEARER_FIRST = int(BarPath.NEARER_FIRST)
#: Legs of the path are so far apart; prices in 1e-8 lie within 2**53 of zero.
_LEG = 1 << 56


@kernel
def inside(venue, o):
    """The price at which a stop that the bar closing now triggers is filled: its trigger; one by the mark moved to
    where the last price was, as nothing says where that stood then."""
    m = market_(venue, o.instrument)
    return min(max(o.trigger_e8, m.last_low_e8), m.last_high_e8)


@kernel
def reaches(venue, o):
    """Whether the bar closing now has a conditional order's trigger between its low and its high."""
    m = market_(venue, o.instrument)
    if not is_alive(venue, o.instrument):
        return False
    if o.trigger_by != _MARK:
        return m.last_low_e8 <= o.trigger_e8 <= m.last_high_e8
    return m.mark_close_e8 != 0 and m.mark_low_e8 <= o.trigger_e8 <= m.mark_high_e8


@kernel
def touched_e8(venue, o):
    """The price at which the bar closing now touches an order, NO_PRICE where it does not.

    An order sent inside the bar cannot know which of its prices came after.
    """
    m = market_(venue, o.instrument)
    if not m.closing or o.arrival_ns > m.start_ns:
        return NO_PRICE
    if o.trigger != 0:
        return inside(venue, o) if reaches(venue, o) else NO_PRICE
    if o.kind == _MARKET:
        return NO_PRICE
    if traded_through(venue, o.instrument, o.side, o.price_ticks) or touched_and_reached(
        venue, o.instrument, o.side, o.price_ticks
    ):
        return o.price_ticks * contract_(venue, o.instrument).tick_e8
    return NO_PRICE


@kernel
def high_first(venue, o):
    """Whether the path goes to the high first, for an order."""
    if venue.bar_path == _WORST:
        held = position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)).lots
        if held != 0:
            return held < 0
    elif venue.bar_path != _NEARER_FIRST:
        return venue.bar_path == _HIGH_FIRST
    m = market_(venue, o.instrument)
    up, down = abs(m.last_high_e8 - m.last_e8), abs(m.last_e8 - m.last_low_e8)
    return up < down or (up == down and m.last_close_e8 < m.last_e8)


@kernel
def turn_at(venue, o, price_e8):
    """When on the path of its bar an order is touched at a price: the least comes first; above 0."""
    away = price_e8 - market_(venue, o.instrument).last_e8  # which is the open until the bar is history
    leg = 0
    if away != 0:
        leg = 1 if (away > 0) == high_first(venue, o) else 2
    return leg * _LEG + abs(away) + 1


@kernel
def find_touched(venue):
    """Find the orders that the bars closing now touch, before any of them is filled; how many there are."""
    count = 0
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        price_e8 = touched_e8(venue, o)
        if price_e8 != NO_PRICE:
            o.turn = turn_at(venue, o, price_e8)
            count += 1
        row = o.next
    return count


@kernel
def next_touched(venue):
    """Row of the order whose turn is next: instruments ascending, on each along its path, at one place by arrival; -1
    after the last."""
    found, instrument, turn = -1, 0, 0
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        if o.turn != 0 and (found < 0 or o.instrument < instrument or (o.instrument == instrument and o.turn < turn)):
            found, instrument, turn = row, o.instrument, o.turn
        row = o.next
    return found
