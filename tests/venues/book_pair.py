"""Both exchanges on order books, or the twin alone; what must hold of a book after every call."""

from __future__ import annotations

import itertools
import os
from random import Random
from typing import Any

import numpy as np

from novation.domain.commands import Command
from novation.domain.enums import MarketPhase, OrderKind
from novation.domain.events import Event
from novation.domain.market import MarketEvent
from tests.reference import book
from tests.reference.exchange import Exchange
from tests.venues import book_scenarios
from tests.venues.lockstep import Lockstep, brief
from tests.venues.scenarios import Setup

#: The twin by itself, while there is no compiled exchange to hold it against.
ALONE = bool(os.environ.get("NOVATION_TWIN_ALONE"))


def check_books(ex: Exchange) -> None:
    """The ledger is whole; what works stands, once; no order of an account crosses another one that it could trade
    with. Those of a record may cross each other: what they do is in the record."""
    assert ex.gap() == 0
    for i, instrument in enumerate(ex.instruments[::2]):
        if instrument.id not in ex.books:
            continue
        queues, market = ex.books[instrument.id], ex.markets[2 * i]
        standing = [order for side in (1, -1) for order in queues.standing(side)]
        working = [order for order in ex.orders.values() if order.instrument // 2 == i and not order.trigger]
        flow = ex.flows.get(i)
        recorded = [order for order in flow.orders.values() if order.recorded > order.taken] if flow else []
        if flow and flow.of_levels:
            recorded = [order for order in standing if book.is_recorded(order)]
            for side in (1, -1):
                for queue in queues.sides[side].values():
                    assert not any(a.stretch and b.stretch for a, b in itertools.pairwise(queue))
        assert sorted(order.id for order in standing) == sorted(order.id for order in working + recorded)
        for order in standing:
            assert order.kind == OrderKind.LIMIT
            assert 0 < order.shown <= min(order.lots, order.display_lots or order.lots)
        if market.phase == MarketPhase.OPEN:
            able = [order for order in standing if book.executable(ex, 2 * i, order.price_ticks)]
            for mine in able:
                better = [mine.side * (mine.price_ticks - o.price_ticks) for o in able if o.side != mine.side]
                assert book.is_recorded(mine) or max(better, default=-1) < 0, mine


class TwinAlone:
    """The doors of `Lockstep` on the twin alone."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.twin = setup, setup.twin()
        self.story: list[str] = []

    def attach_flow(self, instrument: int, rows: np.ndarray, slots: int = 0, **model: Any) -> None:
        """Recorded flow."""
        self.story.append(f"attach_flow {instrument}, {len(rows)} rows, {slots} slots {model or ''}")
        self.twin.attach_flow(instrument, rows, slots, **model)

    def submit(self, command: Command) -> list[Event]:
        """One command."""
        self.story.append(f"submit {brief(command)}")
        return self._whole(self.twin.submit(command))

    def advance(self, until_ns: int, rows: list[MarketEvent]) -> list[Event]:
        """Time."""
        self.story.append("\n  ".join([f"advance {until_ns}", *map(brief, rows)]))
        return self._whole(self.twin.advance(until_ns, rows))

    def compare(self) -> None:
        """There is nothing to compare."""
        assert list(self.twin.state_lines())

    def _whole(self, events: list[Event]) -> list[Event]:
        try:
            check_books(self.twin)
        except AssertionError as wrong:
            raise AssertionError("\n".join([str(self.setup), *self.story[-6:]])) from wrong
        return events


class BothExchanges(Lockstep):
    """`Lockstep` that looks at the books, too, and compares the digest of all events after every call."""

    def _same(self, kernel: list[Event], twin: list[Event]) -> list[Event]:
        events = super()._same(kernel, twin)
        check_books(self.twin)
        return events

    def submit(self, command: Command) -> list[Event]:
        """One command to both."""
        events = super().submit(command)
        assert self.venue.event_hash() == self.twin.event_hash(), self.story[-1]
        return events


def pair(setup: Setup, *, buffer: int = 16, orders: int = 4) -> TwinAlone | BothExchanges:
    """Both exchanges, or with NOVATION_TWIN_ALONE in the environment one."""
    return TwinAlone(setup) if ALONE else BothExchanges(setup, buffer=buffer, orders=orders)


def random_run(r: Random, both: TwinAlone | BothExchanges, commands: int, *, every: int = 100) -> None:
    """A run of so many commands between random rows, states compared now and then and at the end."""
    world = book_scenarios.Rows(r, both.setup)
    for account in range(both.setup.accounts):
        both.submit(book_scenarios.deposit(r, both.setup, account))
        for asked in book_scenarios.isolated(r, both.setup, account):
            both.submit(asked)
    for sent in range(commands):
        if sent == 0 or r.randint(0, 5) == 0:
            rows = world.instant()
            both.advance(rows[-1].ts_ns if rows else both.twin.clock_ns, rows)
        elif r.randint(0, 5) == 0:
            both.advance(max(both.twin.clock_ns, min(both.twin.clock_ns + 1, world.now - 1)), [])
        both.submit(book_scenarios.command(r, both.setup, both.twin))
        if (sent + 1) % every == 0:
            both.compare()
    both.compare()
