"""A participant's end of a venue: what it sends arrives later, and what happened it hears later.

    line = Connection(venue, Latency.profile("retail"))
    order = line.submit(place_limit(0, 0, Side.BUY, 1, 5_000_000))
    for heard in line.wait(now_ns + 10_000_000): ...

`run_looking` of a venue is the same for compiled strategies (docs/rules/latency.md).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from novation.domain.commands import COMMAND_FORMAT, Command, pack_command
from novation.domain.enums import CommandKind
from novation.domain.errors import VenueError
from novation.domain.events import Event
from novation.domain.latency import NO_LATENCY, Delay, Latency
from novation.domain.units import iso
from novation.venues.looks import Line, whole_ns
from novation.venues.venue import Venue


class Heard(NamedTuple):
    """An event of the exchange, and when the participant heard of it."""

    heard_ns: int
    event: Event


class Connection:
    """One account's line to a venue.

    `now_ns` is the participant's clock. The venue's stands where the participant sees it: what is asked of the venue
    itself (a book, a mark) is what has come by now. So nobody else moves it on; other accounts may send commands to the
    venue itself, whose events are handed to `respond`. latency: None is none, and a caution. seed: of the delays that
    are drawn, another one for each line.
    """

    def __init__(self, venue: Venue, latency: Latency | None = None, *, account: int = 0, seed: int = 0) -> None:
        if isinstance(account, bool) or not isinstance(account, int) or not 0 <= account < venue.number("accounts"):
            raise VenueError(f"{venue.rules.name}: no account {account}")
        self.venue, self.latency, self.account = venue, latency, account
        self.cautions = () if latency is not None else (NO_LATENCY,)
        self.now_ns = self._stands_ns = venue.clock_ns
        self._line = Line(latency, seed, venue.clock_ns)
        self._response = latency.response if latency is not None else Delay.fixed(0)
        self._arrive_ns: int | None = None  # of what is sent now
        self._last_sent_ns = self._last_heard_ns = -(1 << 62)
        self._sent: deque[tuple[int, Command, int]] = deque()  # arrival, command, id of its order
        self._news: deque[Heard] = deque()

    def submit(self, command: Command) -> int:
        """Send a command; the id of its order, if it places one."""
        if command.account != self.account:
            raise VenueError(f"this is the line of account {self.account}, and the command is of {command.account}")
        pack_command(command, bytearray(COMMAND_FORMAT.size), 0, self.venue.rules.name)  # before it has left
        order = self.venue.new_order_id() if command.kind == CommandKind.PLACE else 0
        if self._arrive_ns is None:
            self._look(self.now_ns)
        self._last_sent_ns = max(self._last_sent_ns, self._arrive_ns or 0)
        self._sent.append((self._last_sent_ns, command, order))
        return order

    def wait(self, until_ns: int) -> list[Heard]:
        """Let time pass to an instant of the participant's clock; what the account has heard by then, in order."""
        self.check(until_ns)
        self._go_to(self._look(until_ns))
        self.now_ns = until_ns
        heard = []
        while self._news and self._news[0].heard_ns <= until_ns:
            heard.append(self._news.popleft())
        return heard

    def _go_to(self, seen_ns: int) -> None:
        """Let the exchange's time pass, and carry out what arrives by then."""
        if self.venue.clock_ns > self._stands_ns:
            there, here = iso(self.venue.clock_ns), iso(self._stands_ns)
            raise VenueError(
                f"{self.venue.rules.name} was moved on to {there} by somebody else: this line left it at {here}, and "
                "one line moves a venue"
            )
        try:
            while self._sent and self._sent[0][0] <= seen_ns:
                arrive_ns, command, order = self._sent.popleft()
                self.respond(self.venue.advance(arrive_ns))
                self.respond(self.venue.submit(command, order=order))
            if seen_ns > self.venue.clock_ns:
                self.respond(self.venue.advance(seen_ns))
        finally:
            self._stands_ns = self.venue.clock_ns

    def _look(self, now_ns: int) -> int:
        """What a look at an instant sees; what is sent then arrives at `_arrive_ns`."""
        seen, arrive = self._line.looks(np.array([now_ns], np.int64))
        self._arrive_ns = int(arrive[0])
        return int(seen[0])

    def check(self, until_ns: int) -> None:
        """Refuse to wait until what is no instant, or past."""
        whole_ns("until_ns", until_ns)
        if until_ns < self.now_ns:
            raise VenueError(
                f"the participant's clock stands at {iso(self.now_ns)}: it cannot go back to {iso(until_ns)}"
            )

    def respond(self, events: Sequence[Event]) -> None:
        """Send what happened to the account on its way; events: what another account's `Venue.submit` gave."""
        for event in events:
            if event.account == self.account:
                delay = self._response.at(np.array([event.ts_ns], np.int64), self._line.responses)
                self._last_heard_ns = max(self._last_heard_ns, event.ts_ns + int(delay[0]))
                self._news.append(Heard(self._last_heard_ns, event))


def wait_all(connections: Sequence[Connection], until_ns: int) -> list[tuple[Connection, Heard]]:
    """Let time pass on several lines, each with its own delays, to an instant of the one clock of a participant; what
    is heard on any of them, the earliest first, of one instant in the order of the lines."""
    for line in connections:
        line.check(until_ns)  # ahead of the first, so that nothing heard is lost
    told = [[(heard.heard_ns, at, heard) for heard in line.wait(until_ns)] for at, line in enumerate(connections)]
    return [(connections[at], heard) for _, at, heard in heapq.merge(*told, key=lambda each: each[:2])]
