"""Velocity logic and stop logic: books that halt by themselves, and open again (docs/rules/book.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from novation.domain.enums import EventKind, HaltReason, MarketPhase, OrderKind, TimeInForce
from tests.reference import book, elections, phases
from tests.reference.state import Order

if TYPE_CHECKING:
    from novation.domain.digest import Line
    from tests.reference.exchange import Exchange


def window(ex: Exchange, i: int) -> list[tuple[int, int]]:
    """Trades that are young enough to count: instant and price."""
    velocity = ex.book(i).rules.velocity
    return [t for t in ex.markets[i].trades if velocity and ex.clock_ns - t[0] < velocity.within_ns]


def free_range(ex: Exchange, i: int) -> tuple[int | None, int | None]:
    """Lowest and highest price at which a trade halts no market; None: there is none."""
    rules, market = ex.book(i).rules, ex.markets[i]
    lows, highs = [], []
    prices = [price for _, price in window(ex, i)]
    if rules.velocity and prices:
        lows.append(max(prices) - rules.velocity.move_ticks + 1)
        highs.append(min(prices) + rules.velocity.move_ticks - 1)
    if rules.stop_logic and market.cascade:
        lows.append(market.cascade - rules.stop_logic.move_ticks)
        highs.append(market.cascade + rules.stop_logic.move_ticks)
    return max(lows, default=None), min(highs, default=None)


def too_far(ex: Exchange, i: int, ticks: int) -> HaltReason | None:
    """Why a trade at a price would halt its market."""
    rules, cascade = ex.book(i).rules, ex.markets[i].cascade
    if rules.stop_logic and cascade and abs(ticks - cascade) > rules.stop_logic.move_ticks:
        return HaltReason.STOP_LOGIC
    far = any(abs(ticks - price) >= rules.velocity.move_ticks for _, price in window(ex, i) if rules.velocity)
    return HaltReason.VELOCITY if far else None


def short_of_a_halt(ex: Exchange, i: int, side: int, worst: int | None) -> int | None:
    """A taker's worst price, or the last one short of a halt."""
    bounds = [bound for bound in (worst, free_range(ex, i)[side > 0]) if bound is not None]
    return (min if side > 0 else max)(bounds, default=None)


def short_of_the_first(ex: Exchange, i: int, side: int, worst: int | None, first: int) -> int | None:
    """The same of a taker that has traded at a first price."""
    velocity = ex.book(i).rules.velocity
    if not velocity:
        return worst
    bound = first + side * (velocity.move_ticks - 1)
    return bound if worst is None else (min if side > 0 else max)(worst, bound)


def is_at_once(order: Order) -> bool:
    """Whether nothing of an order can stay in a book."""
    return order.kind == OrderKind.MARKET or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)


def traded(ex: Exchange, i: int, ticks: int) -> None:
    """A trade joins the window; one beyond it begins it anew."""
    if ex.book(i).rules.velocity:
        kept = [] if too_far(ex, i, ticks) == HaltReason.VELOCITY else window(ex, i)
        ex.markets[i].trades = [*kept, (ex.clock_ns, ticks)]


def halt(ex: Exchange, i: int, reason: HaltReason) -> None:
    """A market halts, and by velocity its group."""
    rules = ex.book(i).rules
    for j in range(0, len(ex.instruments), 2):
        if not ex.has_book(j) or not phases.is_open(ex, j) or j // 2 in ex.flows:
            continue
        together = reason == HaltReason.VELOCITY and rules.group and ex.book(j).rules.group == rules.group
        if j // 2 == i // 2 or together:
            market, timer = ex.markets[j], rules.stop_logic if reason == HaltReason.STOP_LOGIC else rules.velocity
            assert timer
            market.phase, market.halt = MarketPhase.PRE_OPEN, int(reason)
            market.halted_ns, market.resume_ns = ex.clock_ns, ex.clock_ns + timer.pause_ns
            market.halted_ticks = market.cascade if reason == HaltReason.STOP_LOGIC else 0
            ex.emit(EventKind.PHASE_CHANGED, -1, j, amount=MarketPhase.PRE_OPEN, reason=reason)


def resume(ex: Exchange) -> None:
    """Halts end that end now, unless stops would still go too far."""
    for i in range(0, len(ex.instruments), 2):
        market = ex.markets[i]
        if 0 < market.resume_ns <= ex.clock_ns and not phases.is_listed(ex, i):
            market.resume_ns = 0
        elif 0 < market.resume_ns <= ex.clock_ns and not _prolonged(ex, i):
            market.phase, market.halt, market.resume_ns = MarketPhase.OPEN, 0, 0
            ex.emit(EventKind.PHASE_CHANGED, -1, i, amount=MarketPhase.OPEN)
            elections.open_with_auction(ex, i)


def _prolonged(ex: Exchange, i: int) -> bool:
    market, rules = ex.markets[i], ex.book(i).rules.stop_logic
    price = book.indicative_price(ex, i)
    if not market.halted_ticks or price is None:
        return False
    assert rules
    last_ns = market.halted_ns + rules.most_ns
    if abs(price - market.halted_ticks) <= rules.thresholds * rules.move_ticks or market.resume_ns >= last_ns:
        return False
    market.resume_ns = min(market.resume_ns + rules.pause_ns, last_ns)
    return True


def lines(ex: Exchange, i: int) -> Iterator[Line]:
    """A halt, and who is lowest and highest of the window, in the canonical form."""
    market = ex.markets[2 * i]
    if market.resume_ns:
        yield "halt", (i, market.resume_ns, market.halted_ns, market.halted_ticks)
    trades = window(ex, 2 * i)
    for which in (1, -1):
        for n, (ts_ns, price) in enumerate(trades):
            if all(which * (later - price) > 0 for _, later in trades[n + 1 :]):
                yield "window", (i, which, ts_ns, price)
