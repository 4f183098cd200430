"""Random recorded levels: small, narrow and possible; a trade, then what it left, crossed now and then."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import numpy as np

from novation.domain.commands import Command
from novation.domain.enums import CommandKind, QueueModel, SelfTrade
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from tests.venues import book_scenarios
from tests.venues.book_pair import BothExchanges, TwinAlone
from tests.venues.flow_scenarios import run_beside
from tests.venues.scenarios import Setup

SIZES = (1, 2, 3, 5, 8, 13, 30, 100)
MODELS = (QueueModel.FRONT, QueueModel.BACK, QueueModel.PROPORTIONAL)


class Recorder:
    """Writes the rows of one instrument, beside a plain book of levels."""

    def __init__(self, r: Random, middle: int, step: int) -> None:
        self.r, self.middle, self.step = r, middle // step, step
        self.rows: list[tuple[int, ...]] = []
        self.shown: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.now = 0
        self.wild = r.choice([4, 10, 25])  #: one level in so many may cross the other side

    def event(self, ts_ns: int) -> None:
        """One event of the exchange: a row or several."""
        self.now, dice = ts_ns, self.r.randint(0, 99)
        if dice < 65:
            for _ in range(self.r.choice([1, 1, 2, 3])):
                self.level()
        elif dice < 92:
            self.trade()
        elif dice < 98:
            self.row(FlowKind.TOP, self.price(1), self.r.choice(SIZES), 1)
        elif self.r.randint(0, 2) == 0:
            self.row(FlowKind.CLEAR, 0, 0, 0)
            self.shown = {1: {}, -1: {}}

    def row(self, kind: FlowKind, price: int, lots: int, side: int) -> None:
        """Put a row down."""
        self.rows.append((self.now, self.now, 0, price, lots, int(kind), side, LAST))

    def price(self, side: int) -> int:
        """A price near the middle, on its own side of it most of the time."""
        away = self.r.randint(-1, 4) if self.r.randint(1, self.wild) == 1 else self.r.randint(1, 4)
        return max(1, self.middle - side * away + self.r.choice([0, 0, 1])) * self.step

    def level(self) -> None:
        """A price shows more, less, nothing or what it showed."""
        side = self.r.choice([1, -1])
        known = list(self.shown[side])
        price = self.r.choice(known) if known and self.r.randint(0, 2) else self.price(side)
        before = self.shown[side].get(price, 0)
        change = self.r.choice([*SIZES, *(-size for size in SIZES), 0, -before])
        self.show(side, price, max(0, before + change))

    def show(self, side: int, price: int, lots: int) -> None:
        """A level."""
        self.row(FlowKind.LEVEL, price, lots, side)
        self.shown[side].pop(price, None)
        if lots:
            self.shown[side][price] = lots

    def trade(self) -> None:
        """An aggressor; then, most of the time, the level that it took from, less still now and then."""
        side = self.r.choice([1, -1])
        there = sorted(self.shown[-side].items(), key=lambda level: side * level[0])
        if not there or self.r.randint(0, 9) == 0:
            self.row(FlowKind.TRADE, self.price(-side), self.r.choice(SIZES), self.r.choice([side, 0]))
            return
        price, lots = there[min(len(there) - 1, self.r.choice([0, 0, 0, 1]))]
        traded = self.r.choice([lots, max(1, lots // 2), 1, self.r.choice(SIZES)])
        self.row(FlowKind.TRADE, price, traded, 0 if self.r.randint(0, 19) == 0 else side)
        if self.r.randint(0, 3):
            self.show(-side, price, max(0, lots - traded - self.r.choice([0, 0, 1, 4])))


def flow(r: Random, setup: Setup, i: int, times: list[int]) -> np.ndarray:
    """Rows of an instrument, events at these times; prices are ticks of all its terms."""
    step = max(terms.tick_step for terms in setup.terms[i])
    recorder = Recorder(r, setup.prices[i] // setup.instruments[i].tick_e8, step)
    for _ in range(r.choice([0, 4, 12])):  # what stands as the record begins
        recorder.level()
    for ts_ns in times:
        recorder.event(ts_ns)
    return np.array(recorder.rows, dtype=FLOW_DTYPE)


def setup(r: Random, kind: str) -> Setup:
    """Books on which self-trades are trades: levels know no word on them."""
    made = book_scenarios.setup(r, kind)
    books = {name: msgspec.structs.replace(rules, self_trade=SelfTrade.TRADE) for name, rules in made.books.items()}
    return made._replace(books=books)


def command(r: Random, made: Setup, twin: Any) -> Command:
    """A command without reduce-only orders (so without hedge mode, too) and words on self-trades: no levels in them."""
    while (one := book_scenarios.command(r, made, twin)).kind == CommandKind.SET_HEDGE_MODE:
        pass
    return msgspec.structs.replace(one, reduce_only=0, self_trade=0)


def random_run(
    r: Random, both: TwinAlone | BothExchanges, commands: int, model: QueueModel, *, every: int = 20
) -> None:
    """A run of about so many commands between rows of a feed and those of a record of levels, or several."""

    def record(i: int, times: list[int]) -> None:
        both.attach_flow(i, flow(r, both.setup, i, times), queue=model)

    run_beside(record, command, r, both, commands, every)
