"""ES on a book, the orders of a test, and what is read of them, on both exchanges."""

from __future__ import annotations

from novation.domain.book import BookRules
from novation.domain.commands import Command, place, transfer
from novation.domain.enums import CancelReason, EventKind, MarketEventKind, OrderKind, Side, TriggerKind
from novation.domain.events import MAKER, Event
from novation.domain.instruments import Terms
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import cme_globex
from tests.venues.book_pair import BothExchanges, TwinAlone, pair
from tests.venues.scenarios import Setup
from tests.venues.test_phases import es

Pair = TwinAlone | BothExchanges
BUY, SELL = Side.BUY, Side.SELL
#: Margins of 100 USD a contract, so that nothing here is about margin.
TERMS = Terms(effective_ns=0, initial_per_lot=100_000_000, maintenance_per_lot=80_000_000)
DOLLARS = 1_000_000
#: 20 % by time, the rest pro rata, shares below two are none.
K_20_80 = BookRules(fifo_percent=20, pro_rata_min=2)
PROTECTED = BookRules(protection_ticks=24)
BY_TIME = BookRules()
#: A trailing stop, a per cent behind.
TRAIL = {"trigger": TriggerKind.TRAILING, "callback_e8": 1_000_000}


def market(rules: BookRules = BY_TIME, *, accounts: int = 6, terms: Terms = TERMS, mark: float = 900) -> Pair:
    """ES on a book, everybody with money."""
    both = pair(Setup(cme_globex.RULES, [es()], [[terms]], accounts, 0, [0], books={es().id: rules}))
    both.advance(0, [marks(0, mark)])
    for account in range(accounts):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    return both


def marks(ts_ns: int, price: float) -> MarketEvent:
    """A mark."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.MARK, instrument=0, mark_e8=round(price * E8))


def order(account: int, side: Side, lots: int, price: float | OrderKind, **fields: int) -> Command:
    """A limit order at a price, or an order of another kind."""
    if isinstance(price, OrderKind):
        return place(account, 0, side, price, lots, **fields)
    return place(account, 0, side, OrderKind.LIMIT, lots, price_ticks=round(price * 4), **fields)


def rest(both: Pair, side: Side, *offers: tuple[int, float], account: int = 0, **fields: int) -> list[int]:
    """Orders that are to stand, (lots, price) each; their ids."""
    return [both.submit(order(account, side, lots, price, **fields))[0].order for lots, price in offers]


def fills(events: list[Event], *, makers: bool = False) -> list[tuple[int, float]]:
    """Lots without sign and price of the takers' fills, or of the makers'."""
    told = [e for e in events if e.kind == EventKind.FILL and bool(e.flags & MAKER) == makers]
    return [(abs(e.lots), e.price_ticks / 4) for e in told]


def made(events: list[Event]) -> list[tuple[int, int]]:
    """(order, lots) of the makers' fills."""
    return [(e.order, abs(e.lots)) for e in events if e.kind == EventKind.FILL and e.flags & MAKER]


def gone(events: list[Event]) -> list[tuple[int, CancelReason]]:
    """(order, reason) of what was cancelled."""
    return [(e.order, CancelReason(e.reason)) for e in events if e.kind == EventKind.ORDER_CANCELLED]


def queue(both: Pair, side: Side) -> list[tuple[int, float, int, int]]:
    """(order, price, shown, hidden) of a side, the first to trade first."""
    both.compare()
    lines = [line[1] for line in both.twin.state_lines() if line[0] == "book" and line[1][1] == side]
    return [(number, ticks / 4, shown, hidden) for _, _, ticks, number, shown, hidden, _ in lines]


def at(both: Pair, ts_ns: int, *rows: MarketEvent) -> list[Event]:
    """Rows at an instant."""
    return both.advance(ts_ns, list(rows))


def trade_at(both: Pair, price: float, lots: int = 1) -> list[Event]:
    """Two accounts make a price."""
    return [e for side in (BUY, SELL) for e in both.submit(order(4 if side == BUY else 5, side, lots, price))]
