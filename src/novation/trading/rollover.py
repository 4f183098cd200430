"""Rolling: a rolled symbol's position moves to the next contract at the roll calendar's dates.

Both legs are market orders, sent before the instant at which both contracts open with prices of one time, so that they
trade at those. Whatever the strategy still has working in the old contract is cancelled first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from novation.domain import commands
from novation.domain.enums import Side
from novation.domain.instruments import Instrument, Terms
from novation.trading.broker import Broker


class PlannedRoll(msgspec.Struct, frozen=True):
    """At `ts_ns` the symbol changes from contract `old` to `new` (indices at the venue)."""

    ts_ns: int
    symbol: str
    old: int
    new: int
    instrument: Instrument
    terms: Terms


class Rollover:
    """Carries out planned rolls in order of time."""

    def __init__(self, broker: Broker, rolls: Sequence[PlannedRoll]) -> None:
        self._broker = broker
        self._waiting = sorted(rolls, key=lambda roll: (roll.ts_ns, roll.symbol))
        self._next = 0
        self.done: list[tuple[PlannedRoll, int]] = []  #: roll and lots moved

    @property
    def next_ns(self) -> int | None:
        """When the next roll is, None after the last."""
        return self._waiting[self._next].ts_ns if self._next < len(self._waiting) else None

    def carry_out(self, until_ns: int) -> None:
        """Send the orders of every roll up to an instant."""
        while self._next < len(self._waiting) and self._waiting[self._next].ts_ns <= until_ns:
            roll = self._waiting[self._next]
            self._next += 1
            broker = self._broker
            line = broker.line(roll.symbol)
            # what a waiting market order would have made of the position is what the new contract gets
            wanted = broker.held(line.venue, roll.old) + line.waiting
            broker.cancel_line(line)
            lots = broker.held(line.venue, roll.old)
            broker.point(line, roll.instrument, roll.new, roll.terms)
            self._trade(line.venue, roll.old, -lots)
            self._trade(line.venue, roll.new, wanted)
            self.done.append((roll, lots if wanted else 0))

    def _trade(self, venue: str, instrument: int, lots: int) -> None:
        if lots:
            side = Side.BUY if lots > 0 else Side.SELL
            command = commands.place_market(self._broker.account, instrument, side, abs(lots))
            self._broker.send(venue, command)
