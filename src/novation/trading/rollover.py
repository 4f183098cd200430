"""Rolling: a rolled symbol's position moves to the next contract at the roll calendar's dates.

Both legs are market orders, sent before the instant at which both contracts open with prices of one time, so that they
trade at those; a broker keeps them while a market is closed, halted or locked, the new leg until the old one is gone,
so that no position is ever doubled. Whatever the strategy still has working in the old contract is cancelled first.

Closing out: what is still held of a physically delivered contract at its broker's deadline is closed by a market order,
on the same schedule. With a calendar of rolls that leaves in time there is nothing left to close.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from novation.domain.enums import Side
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import DAY_NS
from novation.trading.broker import Broker

#: How long a roll's order may wait for its market to open: a long weekend.
ROLL_WAIT_NS = 5 * DAY_NS


class PlannedRoll(msgspec.Struct, frozen=True):
    """At `ts_ns` the symbol changes from contract `old` to `new` (indices at the venue)."""

    ts_ns: int
    symbol: str
    old: int
    new: int
    instrument: Instrument
    terms: Terms


class PlannedExit(msgspec.Struct, frozen=True):
    """At `ts_ns` the broker closes what is held on one side (`Side.BUY`: long) of a contract (index at the venue)."""

    ts_ns: int
    symbol: str
    contract: int
    side: Side


class Rollover:
    """Carries out planned rolls and exits in order of time; a roll before an exit of its instant."""

    def __init__(self, broker: Broker, rolls: Sequence[PlannedRoll], exits: Sequence[PlannedExit] = ()) -> None:
        self._broker = broker
        self._waiting = sorted(rolls, key=lambda roll: (roll.ts_ns, roll.symbol))
        self._exits = sorted(exits, key=lambda leave: (leave.ts_ns, leave.symbol, leave.contract, leave.side))
        self._next, self._next_exit = 0, 0
        self.done: list[tuple[PlannedRoll, int]] = []  #: roll and lots moved
        self.exited: list[tuple[PlannedExit, int]] = []  #: exit and lots to be closed, where there were any

    @property
    def next_ns(self) -> int | None:
        """When the next roll or exit is, None after the last."""
        ahead = [
            row[at].ts_ns for row, at in ((self._waiting, self._next), (self._exits, self._next_exit)) if at < len(row)
        ]
        return min(ahead, default=None)

    def carry_out(self, until_ns: int) -> None:
        """Send the orders of every roll and every exit up to an instant."""
        self._roll(until_ns)
        while self._next_exit < len(self._exits) and self._exits[self._next_exit].ts_ns <= until_ns:
            leave = self._exits[self._next_exit]
            self._next_exit += 1
            broker = self._broker
            line = broker.line(leave.symbol)
            held = broker.held(line.venue, leave.contract)
            if held * leave.side <= 0:
                continue
            broker.cancel_contract(line.venue, leave.contract)
            broker.trade(line.venue, leave.contract, -held)
            self.exited.append((leave, held))

    def _roll(self, until_ns: int) -> None:
        while self._next < len(self._waiting) and self._waiting[self._next].ts_ns <= until_ns:
            roll = self._waiting[self._next]
            self._next += 1
            broker = self._broker
            line = broker.line(roll.symbol)
            # what a waiting market order would have made of the position is what the new contract gets
            wanted = broker.held(line.venue, roll.old) + line.waiting
            broker.cancel_contract(line.venue, line.index)
            lots = broker.held(line.venue, roll.old)
            broker.point(line, roll.instrument, roll.new, roll.terms)
            first = broker.trade(line.venue, roll.old, -lots) if lots else 0
            if wanted:
                broker.trade(line.venue, roll.new, wanted, after=first)
            self.done.append((roll, lots if wanted else 0))
