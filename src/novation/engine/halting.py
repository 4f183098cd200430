"""Velocity logic and stop logic of a book: trades that would go too far, too fast, halt it (docs/rules/book.md).

A halted market is in its pre-opening and opens by itself, with an auction.
"""

from __future__ import annotations

from novation._jit import integers_at, kernel
from novation.domain.enums import EventKind, HaltReason, InstrumentStatus, MarketPhase, OrderKind, TimeInForce
from novation.engine.layout import ANY_PRICE, NEVER_NS, NO_PRICE
from novation.engine.ledger import next_event
from novation.engine.opening import indicative
from novation.engine.order_checks import is_over
from novation.engine.state import book_of, has_book, market_
from novation.rules.rolling_extremes import WITHIN, rolling_reset
from novation.rules.velocity import reserve_until, velocity_limits, velocity_trade

_MARKET, _LIMIT = int(OrderKind.MARKET), int(OrderKind.LIMIT)
_IOC, _FOK = int(TimeInForce.IOC), int(TimeInForce.FOK)
_OPEN, _PRE_OPEN = int(MarketPhase.OPEN), int(MarketPhase.PRE_OPEN)
_VELOCITY, _STOP_LOGIC = int(HaltReason.VELOCITY), int(HaltReason.STOP_LOGIC)
_TRADING, _PRE_DELIVERING = int(InstrumentStatus.TRADING), int(InstrumentStatus.PRE_DELIVERING)
_PHASE_CHANGED = int(EventKind.PHASE_CHANGED)


@kernel
def free_range(venue, instrument):
    """(lowest, highest) price at which a trade does not halt a book by its velocity."""
    b = book_of(venue, instrument)
    if b.velocity_ticks == 0:
        return -ANY_PRICE, ANY_PRICE
    window = integers_at(venue.window_address, b.window_first, b.window_words)
    return velocity_limits(window, venue.clock_ns, b.velocity_ns, b.velocity_ticks)


@kernel
def too_far(venue, instrument, ticks):
    """Why a trade at a price would halt a book: a `HaltReason`, 0 if it would not."""
    b = book_of(venue, instrument)
    if b.stop_ticks > 0 and b.cascade_ticks != 0 and abs(ticks - b.cascade_ticks) > b.stop_ticks:
        return _STOP_LOGIC
    if b.velocity_ticks > 0:
        low, high = free_range(venue, instrument)
        if ticks < low or ticks > high:
            return _VELOCITY
    return 0


@kernel
def short_of_a_halt(venue, instrument, side, worst_ticks):
    """A taker's worst price, or the last one short of a halt where that comes first."""
    b = book_of(venue, instrument)
    low, high = free_range(venue, instrument)
    if b.stop_ticks > 0 and b.cascade_ticks != 0:
        low, high = max(low, b.cascade_ticks - b.stop_ticks), min(high, b.cascade_ticks + b.stop_ticks)
    if side > 0:
        return min(worst_ticks, high)
    if low == -ANY_PRICE:
        return worst_ticks
    return low if worst_ticks == ANY_PRICE else max(worst_ticks, low)


@kernel
def short_of_the_first(venue, instrument, side, worst_ticks, first_ticks):
    """The same of a taker that has traded at a first price, which is in the window then."""
    b = book_of(venue, instrument)
    if b.velocity_ticks == 0:
        return worst_ticks
    bound = first_ticks + side * (b.velocity_ticks - 1)
    if worst_ticks == ANY_PRICE:
        return bound
    return min(worst_ticks, bound) if side > 0 else max(worst_ticks, bound)


@kernel
def is_at_once(kind, time_in_force):
    """Whether nothing of an order can stay in a book."""
    return kind == _MARKET or time_in_force == _IOC or time_in_force == _FOK


@kernel
def gives_way(c, kind):
    """Whether an order that is asked for is cancelled where it would halt its market: one of which nothing can stay,
    with a minimum, or that names no price of its own."""
    return is_at_once(kind, c.time_in_force) or c.min_lots > 0 or (c.order_kind != _LIMIT and c.trigger == 0)


@kernel
def traded(venue, instrument, ticks):
    """A trade joins the window. One beyond it, which a liquidation has made, begins it anew."""
    b = book_of(venue, instrument)
    if b.velocity_ticks == 0:
        return
    window = integers_at(venue.window_address, b.window_first, b.window_words)
    if velocity_trade(window, venue.clock_ns, b.velocity_ns, b.velocity_ticks, ticks) != WITHIN:
        rolling_reset(window)
        velocity_trade(window, venue.clock_ns, b.velocity_ns, b.velocity_ticks, ticks)


@kernel
def halt(venue, instrument, reason):
    """Halt a book; by velocity its group with it."""
    b = book_of(venue, instrument)
    for other in range(venue.instruments):
        if other == instrument or (
            reason == _VELOCITY and b.group != 0 and has_book(venue, other) and book_of(venue, other).group == b.group
        ):
            halt_one(venue, other, reason, b)


@kernel
def halt_one(venue, instrument, reason, by):
    """Halt one book, if it is open; by: the book whose rules say for how long."""
    m, b = market_(venue, instrument), book_of(venue, instrument)
    if m.phase != _OPEN or b.flow_rows > 0:  # a record has its own halts
        return
    m.phase = _PRE_OPEN
    m.halt = reason
    b.halted_ns = venue.clock_ns
    b.halted_ticks = b.cascade_ticks if reason == _STOP_LOGIC else 0
    b.resume_ns = venue.clock_ns + (by.stop_pause_ns if reason == _STOP_LOGIC else by.velocity_pause_ns)
    venue.resume_ns = min(venue.resume_ns, b.resume_ns)
    e = next_event(venue, _PHASE_CHANGED, -1, instrument)
    e.amount = _PRE_OPEN
    e.reason = reason


@kernel
def forget_halt(venue, instrument):
    """A book does not open by itself any more."""
    b = book_of(venue, instrument)
    b.resume_ns = 0
    find_resume(venue)


@kernel
def find_resume(venue):
    """Find when the first of the halted books opens."""
    venue.resume_ns = NEVER_NS
    for instrument in range(venue.instruments):
        if has_book(venue, instrument):
            b = book_of(venue, instrument)
            if b.resume_ns > 0:
                venue.resume_ns = min(venue.resume_ns, b.resume_ns)


@kernel
def begin_window(venue, instrument):
    """The window of trades is empty as a market opens."""
    b = book_of(venue, instrument)
    if b.velocity_ticks > 0:
        rolling_reset(integers_at(venue.window_address, b.window_first, b.window_words))


@kernel
def resuming(venue):
    """The next book whose halt ends now, which is open then; -1 where none does. One whose stops would still go too far
    stays halted, and so does one whose time is over."""
    for instrument in range(venue.instruments):
        if has_book(venue, instrument):
            b, m = book_of(venue, instrument), market_(venue, instrument)
            listed = m.status == _TRADING or m.status == _PRE_DELIVERING
            if 0 < b.resume_ns <= venue.clock_ns and (not listed or is_over(venue, instrument)):
                forget_halt(venue, instrument)
            elif 0 < b.resume_ns <= venue.clock_ns and ends_now(venue, instrument, b):
                m.phase = _OPEN
                m.halt = 0
                e = next_event(venue, _PHASE_CHANGED, -1, instrument)
                e.amount = _OPEN
                forget_halt(venue, instrument)
                return instrument
    find_resume(venue)
    return -1


@kernel
def ends_now(venue, instrument, b):
    """Whether a halt is not prolonged."""
    if b.halted_ticks == 0:
        return True
    ticks, _ = indicative(venue, instrument)
    if ticks == NO_PRICE:
        ticks = b.halted_ticks
    until_ns = reserve_until(
        b.halted_ns,
        b.resume_ns,
        b.halted_ticks,
        ticks,
        b.stop_ticks,
        b.stop_thresholds,
        b.stop_pause_ns,
        b.stop_most_ns,
    )
    ends = until_ns == b.resume_ns
    b.resume_ns = until_ns
    return ends
