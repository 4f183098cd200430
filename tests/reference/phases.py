"""Phases, halts and price limits (docs/rules/phases.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novation.domain.commands import Command
from novation.domain.enums import EventKind, InstrumentStatus, MarginScope, MarketPhase, OrderKind, RejectReason
from novation.domain.market import MarketEvent
from tests.reference import book

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def change_phase(ex: Exchange, row: MarketEvent) -> None:
    """A market goes into a phase."""
    market = ex.markets[row.instrument]
    if (market.phase, market.halt) != (row.status, row.terms):
        market.phase, market.halt = row.status, row.terms
        ex.emit(EventKind.PHASE_CHANGED, -1, row.instrument, amount=row.status, reason=row.terms)


def change_limits(ex: Exchange, row: MarketEvent) -> None:
    """Price limits take effect."""
    market, limits = ex.markets[row.instrument], (row.last_low_e8, row.last_high_e8)
    market.refuse_beyond = row.status
    if market.limits_e8 != limits:
        market.limits_e8 = limits
        ex.emit(EventKind.LIMITS_CHANGED, -1, row.instrument, price_e8=limits[0], amount=limits[1])


def is_open(ex: Exchange, i: int) -> bool:
    """Whether a market matches."""
    return ex.markets[i].phase == MarketPhase.OPEN


def is_listed(ex: Exchange, i: int) -> bool:
    """Whether an instrument's status and its delivery time let orders of it trade."""
    over = 0 < ex.instruments[i].deliver_ns <= ex.clock_ns
    return not over and ex.markets[i].status in (InstrumentStatus.TRADING, InstrumentStatus.PRE_DELIVERING)


def may_trade(ex: Exchange, i: int, price_e8: int) -> bool:
    """Whether an order at a price may trade."""
    low, high = ex.markets[i].limits_e8
    return is_open(ex, i) and low <= price_e8 <= high


def is_locked(ex: Exchange, i: int, side: int) -> bool:
    """Whether a taker of a side finds nobody."""
    market = ex.markets[i]
    grid = ex.instruments[i].tick_e8 * ex.terms_of(i).tick_step
    if market.limits_e8[1] // grid < ceil_div(market.limits_e8[0], grid):
        return True
    last = market.last_e8 if market.closing_e8 is None else market.closing_e8
    return last >= market.limits_e8[1] if side > 0 else last <= market.limits_e8[0]


def at_deadline(ex: Exchange, account: int) -> bool:
    """Whether overnight margins of a cross position take effect now."""
    held = [(i, p) for i, p in enumerate(ex.accounts[account].positions) if p.lots and p.scope == MarginScope.CROSS]
    return any(ex.markets[i].deadline_ns == ex.clock_ns for i, _ in held)


def within_limits(ex: Exchange, i: int, ticks: int) -> int:
    """A price, at the nearest tick inside the limits where it is outside."""
    size = ex.instruments[i].tick_e8 * ex.terms_of(i).tick_step
    (low, high), step = ex.markets[i].limits_e8, ex.terms_of(i).tick_step
    return max(ceil_div(low, size) * step, min(high // size * step, ticks))


def ceil_div(a: int, b: int) -> int:
    """Rounded up."""
    return -(-a // b)


def can_close_all(ex: Exchange, account: int) -> bool:
    """Whether every cross position could be traded away."""
    positions = ex.accounts[account].positions
    held = [(i, p.lots) for i, p in enumerate(positions) if p.lots and p.scope == MarginScope.CROSS]
    return all(is_open(ex, i) and not is_locked(ex, i, -lots) and is_awaited(ex, i, lots) for i, lots in held)


def is_awaited(ex: Exchange, i: int, lots: int) -> bool:
    """Whether an order on a book could take a position over, or a fund does while the book is open."""
    if not ex.has_book(i):
        return True
    return is_open(ex, i) and (ex.rules.deficit_to_fund or bool(book.prices(ex, i, 1 if lots > 0 else -1)))


def waits(ex: Exchange, account: int, after: int) -> bool:
    """Whether an order waits for another one of its account."""
    return after in ex.accounts[account].orders


def keeps_orders(ex: Exchange, i: int, c: Command) -> bool:
    """Whether a market lets no order go, and no broker has it."""
    return ex.markets[i].phase == MarketPhase.NO_CANCEL and not ex.rules.hold_orders and not c.hold


def refused_now(ex: Exchange, i: int, c: Command) -> tuple[RejectReason, int, int] | None:
    """Why no such order is taken in this phase."""
    market = ex.markets[i]
    limit = c.order_kind == OrderKind.LIMIT or c.trigger != 0
    can_wait = limit or not ex.has_depth(i)
    if is_open(ex, i) or ((ex.rules.hold_orders or c.hold) and can_wait):
        return None
    if market.phase in (MarketPhase.CLOSED, MarketPhase.PAUSED):
        return RejectReason.MARKET_CLOSED, market.phase, market.halt
    if not limit:
        return RejectReason.MARKET_ORDER_BEFORE_OPEN, market.phase, market.halt
    return None


def _reference_ticks(ex: Exchange, i: int) -> int | None:
    """What bands are measured from."""
    market, now_open = ex.markets[i], is_open(ex, i)
    last = market.last_e8 // ex.instruments[i].tick_e8 if market.last_e8 else None
    settled = market.settlement_ticks or None
    middle = last if settled is None or (now_open and last is not None) else settled
    if not ex.has_book(i):
        return middle
    if not now_open:
        indicative = book.indicative_price(ex, i)
        return middle if indicative is None else indicative
    bids, asks = (ex.book(i).prices(side) for side in (1, -1))
    if middle is not None and asks:
        middle = min(middle, asks[0])
    return max(middle, bids[0]) if middle is not None and bids else middle


def refused_price(ex: Exchange, i: int, c: Command) -> tuple[RejectReason, int, int] | None:
    """Why a limit price is refused."""
    market, tick = ex.markets[i], ex.instruments[i].tick_e8
    low, high = ex.markets[i].limits_e8
    price = c.price_ticks * tick
    if market.refuse_beyond and not low <= price <= high:
        return RejectReason.PRICE_BEYOND_LIMIT, c.price_ticks, high // tick if price > high else ceil_div(low, tick)
    band = ex.terms_of(i).band_ticks
    middle = _reference_ticks(ex, i)
    if band and middle is not None and c.side * (c.price_ticks - middle) > band:
        return RejectReason.PRICE_OUTSIDE_BAND, c.price_ticks, middle + c.side * band
    return None
