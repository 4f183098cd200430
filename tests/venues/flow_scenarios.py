"""Random recorded flow: small, narrow and possible, crossed now and then as a record is between events."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from novation.data.flow import dense_orders
from novation.domain.commands import Command
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.domain.market import MarketEvent
from novation.domain.units import NS
from tests.reference.exchange import Exchange
from tests.venues import book_scenarios
from tests.venues.book_pair import BothExchanges, TwinAlone
from tests.venues.scenarios import Setup

SIZES = (1, 1, 2, 3, 5, 8, 13)


class Recorder:
    """Writes the rows of one instrument, beside a plain book of what rests."""

    def __init__(self, r: Random, middle: int, step: int) -> None:
        self.r, self.middle, self.step = r, middle, step
        self.rows: list[tuple[int, ...]] = []
        self.resting: dict[int, list[int]] = {}  #: id -> [side, price, lots], in the order of their places
        self.now = self.ids = 0
        self.wild = r.choice([4, 10, 25])  #: one event in so many leaves the book crossed

    def event(self, ts_ns: int) -> None:
        """One event of the exchange: a row or several."""
        self.now, dice = ts_ns, self.r.randint(0, 99)
        before = len(self.rows)
        if dice < 40 or not self.resting:
            self.add()
        elif dice < 52:
            self.cancel()
        elif dice < 70:
            self.amend()
        elif dice < 97:
            self.trade()
        elif dice < 99:
            self.row(FlowKind.TRADE, 0, self.price(self.r.choice([1, -1])), self.r.choice(SIZES), 0)
        elif self.r.randint(0, 2) == 0:
            self.row(FlowKind.CLEAR, 0, 0, 0, 0)
            self.resting.clear()
        if len(self.rows) > before:
            self.rows[-1] = (*self.rows[-1][:7], LAST)

    def row(self, kind: FlowKind, order: int, price: int, lots: int, side: int) -> None:
        """Put a row down."""
        self.rows.append((self.now, self.now, order, price, lots, int(kind), side, 0))

    def best(self, side: int) -> int | None:
        """The best price of a side."""
        prices = [price for one, price, _ in self.resting.values() if one == side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def price(self, side: int) -> int:
        """A price near the middle at which an order of a side crosses nothing, most of the time."""
        drift = self.r.choice([-1, 0, 1])
        price = max(1, self.middle // self.step + drift - side * self.r.randint(-1, 4)) * self.step
        other = self.best(-side)
        if other is not None and side * (price - other) >= 0 and self.r.randint(1, self.wild) > 1:
            price = other - side * self.step * self.r.randint(1, 3)
        return max(self.step, price)

    def add(self) -> None:
        """An order comes; of one that crosses the rest of the event is told, most of the time."""
        side, lots = self.r.choice([1, -1]), self.r.choice(SIZES)
        price = self.price(side)
        self.ids += 1
        self.row(FlowKind.ADD, self.ids, price, lots, side)
        self.resting[self.ids] = [side, price, lots]
        other = self.best(-side)
        if other is not None and side * (price - other) >= 0 and self.r.randint(0, 2):
            met = next(order for order, (one, at, _) in self.resting.items() if (one, at) == (-side, other))
            traded = min(lots, self.resting[met][2])
            self.row(FlowKind.TRADE, 0, other, traded, side)
            self.less(FlowKind.FILL, met, traded)
            self.less(FlowKind.CANCEL, self.ids, traded)

    def less(self, kind: FlowKind, order: int, lots: int, price: int | None = None) -> None:
        """Lots leave an order, and it the book with its last ones."""
        side, stands, left = self.resting[order]
        self.row(kind, order, stands if price is None else price, lots, side)
        self.resting[order][2] = left - lots
        if left == lots:
            del self.resting[order]

    def cancel(self) -> None:
        """All of an order, or a part of it."""
        order = self.r.choice(list(self.resting))
        lots = self.resting[order][2]
        self.less(FlowKind.CANCEL, order, self.r.choice([lots, lots, self.r.randint(1, lots)]))

    def amend(self) -> None:
        """Fewer, more or as many lots, at the same price or another."""
        order = self.r.choice(list(self.resting))
        side, price, lots = self.resting[order]
        wanted = max(1, lots + self.r.choice([0, 0, -1, -3, 1, 2, 6]))
        at = self.r.choice([price, price, self.price(side)])
        self.row(FlowKind.AMEND, order, at, wanted, side)
        if at != price or wanted > lots:
            del self.resting[order]
        self.resting[order] = [side, at, wanted]

    def trade(self) -> None:
        """An aggressor, and who it traded with: by time, or a little of several orders."""
        side = self.r.choice([1, -1])
        there = [order for order, (one, _, _) in self.resting.items() if one == -side]
        if not there:
            return
        there.sort(key=lambda order: side * self.resting[order][1])
        if self.r.randint(0, 4) == 0:
            self.r.shuffle(there)
        filled = {}
        for order in there[: self.r.randint(1, 3)]:
            lots = self.resting[order][2]
            filled[order] = self.r.choice([lots, lots, self.r.randint(1, lots)])
        auction = self.r.randint(0, 9) == 0
        at = self.resting[next(iter(filled))][1]
        self.row(FlowKind.TRADE, 0, at, sum(filled.values()), 0 if auction else side)
        for order, lots in filled.items():
            self.less(FlowKind.FILL, order, lots, at if auction else None)


def flow(r: Random, setup: Setup, i: int, times: list[int]) -> tuple[np.ndarray, int]:
    """Rows and slots of an instrument, events at these times; prices are ticks of all its terms."""
    step = max(terms.tick_step for terms in setup.terms[i])
    recorder = Recorder(r, setup.prices[i] // setup.instruments[i].tick_e8, step)
    for _ in range(r.choice([0, 4, 12])):  # what stands as the record begins
        recorder.add()
    for ts_ns in times:
        recorder.event(ts_ns)
    return dense_orders(np.array(recorder.rows, dtype=FLOW_DTYPE))


def moments(r: Random, instants: list[list[MarketEvent]], events: int) -> list[int]:
    """Times of so many events: at the instants of a feed, just behind them, and between them; often several at one."""
    stamps = sorted({rows[0].ts_ns for rows in instants if rows})
    times: list[int] = []
    while len(times) < events:
        at = r.choice(stamps) + r.choice([0, 0, 1, NS // 2, 7 * NS, 500 * NS])
        times += [at] * r.choice([1, 1, 1, 2, 4])
    return sorted(times)


def random_run(r: Random, both: TwinAlone | BothExchanges, commands: int, *, every: int = 100) -> None:
    """A run of about so many commands between rows of a feed and those of a flow, or several."""

    def record(i: int, times: list[int]) -> None:
        both.attach_flow(i, *flow(r, both.setup, i, times), by_fills=r.randint(0, 3) == 0)

    run_beside(record, book_scenarios.command, r, both, commands, every)


def run_beside(
    record: Callable[[int, list[int]], None],
    command: Callable[[Random, Setup, Exchange], Command],
    r: Random,
    both: TwinAlone | BothExchanges,
    commands: int,
    every: int,
) -> None:
    """... with what attaches a record to an instrument, its events at these times, and what draws a command."""
    setup = both.setup
    world = book_scenarios.Rows(r, setup)
    instants = [world.instant() for _ in range(max(2, commands // 6))]
    times: set[int] = set()
    for i, instrument in enumerate(setup.instruments):
        if instrument.id in setup.books and (i == 0 or r.randint(0, 1)):
            at = moments(r, instants, commands * r.choice([1, 3]))
            times |= set(at)
            record(i, at)
    for account in range(setup.accounts):
        both.submit(book_scenarios.deposit(r, setup, account))
    stamps = {rows[0].ts_ns: rows for rows in instants if rows}
    stops = sorted(set(stamps) | set(r.sample(sorted(times), min(len(times), commands))))
    sent = 0
    for k, stop in enumerate(stops):
        both.advance(stop, stamps.get(stop, []))
        due = commands * (k + 1) // len(stops)
        while sent < due:
            both.submit(command(r, setup, both.twin))
            sent += 1
            if sent % every == 0:
                both.compare()
    both.compare()
