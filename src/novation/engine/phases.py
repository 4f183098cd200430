"""Phases of the day, halts and price limits: when a market matches, and at which prices (docs/rules/phases.md).

PHASE and LIMITS rows of the feed set them; nothing here finds out that a market has to halt (`data.market_states` does,
for bars). Where no row comes a market is open and has no limits.

Locked: the last price stands at a limit, so nobody is known to be on the other side of who pushes against it. Bars show
one price and no book, so that is all that can be known of them.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind, MarginScope, MarketPhase, OrderKind, RejectReason
from novation.domain.market import NO_LIMIT_E8
from novation.engine.executable import best_executable
from novation.engine.layout import NO_PRICE
from novation.engine.ledger import next_event
from novation.engine.state import account_, contract_, has_book, market_, position_row_, terms_of
from novation.rules.value import price_to_ticks

_CLOSED = int(MarketPhase.CLOSED)
_NO_CANCEL = int(MarketPhase.NO_CANCEL)
_OPEN = int(MarketPhase.OPEN)
_PAUSED = int(MarketPhase.PAUSED)
_LIMIT = int(OrderKind.LIMIT)
_CROSS = int(MarginScope.CROSS)
_PHASE_CHANGED = int(EventKind.PHASE_CHANGED)
_LIMITS_CHANGED = int(EventKind.LIMITS_CHANGED)
_MARKET_CLOSED = int(RejectReason.MARKET_CLOSED)
_MARKET_ORDER = int(RejectReason.MARKET_ORDER_BEFORE_OPEN)


@kernel
def change_phase(venue, row):
    """Put a market into the phase of a row, and say so if it is another."""
    m = market_(venue, row.instrument)
    if m.phase == row.status and m.halt == row.terms:
        return
    m.phase = row.status
    m.halt = row.terms
    e = next_event(venue, _PHASE_CHANGED, -1, row.instrument)
    e.amount = row.status
    e.reason = row.terms


@kernel
def change_limits(venue, row):
    """Put the price limits of a row in force, and say so if they are others."""
    m = market_(venue, row.instrument)
    m.refuse_beyond = row.status
    if m.limit_low_e8 == row.last_low_e8 and m.limit_high_e8 == row.last_high_e8:
        return
    m.limit_low_e8 = row.last_low_e8
    m.limit_high_e8 = row.last_high_e8
    e = next_event(venue, _LIMITS_CHANGED, -1, row.instrument)
    e.price_e8 = row.last_low_e8
    e.amount = row.last_high_e8


@kernel
def is_open(venue, instrument):
    """Whether a market matches now."""
    return market_(venue, instrument).phase == _OPEN


@kernel
def limit_against(venue, instrument, side):
    """The furthest tick at which a taker of a side trades, rounded inwards: the high limit of a buyer."""
    m = market_(venue, instrument)
    limit_e8 = m.limit_high_e8 if side > 0 else m.limit_low_e8
    return price_to_ticks(limit_e8, contract_(venue, instrument).tick_e8, terms_of(venue, instrument).tick_step, -side)


@kernel
def has_limit(venue, instrument, side):
    """Whether there is a limit to how high (side 1) or how low (-1) a price may be."""
    m = market_(venue, instrument)
    return m.limit_high_e8 != NO_LIMIT_E8 if side > 0 else m.limit_low_e8 != -NO_LIMIT_E8


@kernel
def is_executable(venue, instrument, price_ticks):
    """Whether an order at a price may trade: the market is open and the price within its limits."""
    m = market_(venue, instrument)
    price_e8 = price_ticks * contract_(venue, instrument).tick_e8
    return m.phase == _OPEN and m.limit_low_e8 <= price_e8 <= m.limit_high_e8


@kernel
def is_locked(venue, instrument, side):
    """Whether nobody is known to be there for a taker of a side: the last price is at the limit against it.

    As a bar closes its close counts: where it ends at the limit, its way there found nobody either. Nor is anybody
    where no tick in force lies within the limits.
    """
    m = market_(venue, instrument)
    if m.limit_low_e8 != -NO_LIMIT_E8 and limit_against(venue, instrument, 1) < limit_against(venue, instrument, -1):
        return True
    last_e8 = m.last_close_e8 if m.closing else m.last_e8
    if side > 0:
        return last_e8 >= m.limit_high_e8
    return last_e8 <= m.limit_low_e8


@kernel
def within_limits(venue, instrument, side, ticks):
    """A taker's price, at the limit where it would be beyond one of them."""
    for which in (1, -1):
        if has_limit(venue, instrument, which):
            limit = limit_against(venue, instrument, which)
            ticks = min(ticks, limit) if which > 0 else max(ticks, limit)
    return ticks


@kernel
def is_alone(venue, p):
    """Whether nobody takes a position: on a book that is not open, or has nobody on the other side and no fund."""
    if not has_book(venue, p.instrument):
        return False
    if not is_open(venue, p.instrument):
        return True
    side = -1 if p.lots > 0 else 1
    return not venue.deficit_to_fund and best_executable(venue, p.instrument, side) == NO_PRICE


@kernel
def can_close(venue, p):
    """Whether a position can be traded away now."""
    if is_alone(venue, p):
        return False
    return is_open(venue, p.instrument) and not is_locked(venue, p.instrument, -1 if p.lots > 0 else 1)


@kernel
def can_close_all(venue, account):
    """Whether all cross positions of an account can be traded away now."""
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots != 0 and p.scope == _CROSS and not can_close(venue, p):
            return False
        row = p.next
    return True


@kernel
def at_deadline(venue, account):
    """Whether overnight margins of a cross position take effect at this instant."""
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots != 0 and p.scope == _CROSS and market_(venue, p.instrument).deadline_ns == venue.clock_ns:
            return True
        row = p.next
    return False


@kernel
def phase_reason(venue, instrument, kind, hold):
    """Why an order is not taken in this phase: reason, phase and halt; zeros where it is.

    A broker that holds orders takes them in every phase, and passes them on when the market opens. On a ladder or a
    book no market order can wait.
    """
    m = market_(venue, instrument)
    c = contract_(venue, instrument)
    can_wait = kind == _LIMIT or (c.level_count == 0 and c.book == 0)
    if m.phase == _OPEN or ((hold or venue.hold_orders) and can_wait):
        return 0, 0, 0
    if m.phase == _CLOSED or m.phase == _PAUSED:
        return _MARKET_CLOSED, m.phase, m.halt
    if kind != _LIMIT:
        return _MARKET_ORDER, m.phase, m.halt
    return 0, 0, 0


@kernel
def can_cancel(venue, instrument, hold):
    """Whether an order may be taken back in this phase; a broker that holds orders has it still."""
    return market_(venue, instrument).phase != _NO_CANCEL or hold or venue.hold_orders
