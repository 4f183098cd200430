"""When a compiled strategy looks, what it then sees, and room for what is under way (docs/rules/latency.md)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from novation._jit import record_table
from novation.domain.enums import CommandKind
from novation.domain.errors import InvalidInput
from novation.domain.latency import Draws, Latency
from novation.engine.layout import DTYPES, LEGS
from novation.venues.tables import HasTables, lengthen

#: Looks that are made ready at once.
_LOOKS = 4096
_FEED, _ENTRY, _RESPONSE = range(3)


def whole_ns(name: str, value: object) -> None:
    """Refuse an instant or a span that is no whole number of ns, or beyond all times."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or abs(int(value)) >= 1 << 61:
        raise InvalidInput("is whole ns, below 2**61", source="latency", where=name, value=value)


class HasFlights(HasTables, Protocol):
    """What is read of a venue, and written."""

    def number(self, field: str) -> int: ...


class Line:
    """The three ways between a participant and a venue, each with numbers of its own to draw from; None: no delay.

    seen_ns: what the participant has seen of the exchange as it begins.
    """

    def __init__(self, latency: Latency | None, seed: int, seen_ns: int) -> None:
        if latency is not None and not isinstance(latency, Latency):
            hint = 'Latency.of(feed, entry, response), or Latency.profile("retail").'
            raise InvalidInput("is a Latency, or None", source="latency", value=latency, hint=hint)
        self.latency = latency
        self._feed, self._entry, self.responses = (Draws(seed, way) for way in (_FEED, _ENTRY, _RESPONSE))
        self._seen = seen_ns

    def looks(self, now_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of looks at ascending instants of the participant's clock: the exchange's time that each sees, which never
        goes back, and when what it sends arrives."""
        if self.latency is None:
            return now_ns, now_ns
        seen = now_ns - self.latency.feed.at(now_ns, self._feed)
        seen = np.maximum(np.maximum.accumulate(seen), self._seen)
        self._seen = int(seen[-1])
        return seen, now_ns + self.latency.entry.at(now_ns, self._entry)


class Looks:
    """The looks of one run, made ready by and by, and the rings of what is under way, made longer by and by."""

    def __init__(self, venue: HasFlights, line: Line, start_ns: int, every_ns: int) -> None:
        self._venue, self._line = venue, line
        self._start_ns, self._next_ns, self._every_ns = start_ns, start_ns, every_ns
        venue.head["delayed"] = int(line.latency is not None)
        venue.head["look_next"] = venue.head["look_count"] = 0
        if line.latency is not None:
            self._begin(line.latency)
        self.go_on()

    def _begin(self, latency: Latency) -> None:
        """The participant knows how things stand: its position, its working orders and those still under way."""
        venue, way = self._venue, latency.response
        venue.own("delay", record_table(DTYPES["delay"], len(way.ns)))
        venue.table("delay")["from_ns"], venue.table("delay")["ns"] = way.from_ns, way.ns
        venue.head["response_kind"], venue.head["response_next"] = int(way.kind), 0
        venue.head["response_state"] = self._line.responses.state
        venue.head["news_first"] = venue.head["news_count"] = 0
        venue.head["news_last_ns"], venue.head["event_told"] = -(1 << 62), venue.number("event_count")
        if venue.number("flight_count") == 0:
            venue.head["flight_last_ns"] = -(1 << 62)
        count = venue.number("instruments")
        venue.table("market")["heard_lots"] = venue.table("position")["lots"][: LEGS * count : LEGS]
        known = [*self._working(), *self._sent()]
        venue.head["sent_count"] = 0
        lengthen(venue, "sent", max(len(venue.table("sent")), len(known)))
        for row, order in enumerate(known):
            venue.table("sent")[row] = order
        venue.head["sent_count"] = len(known)

    def _working(self) -> list[tuple[int, ...]]:
        orders = self._venue.table("order")
        found: list[tuple[int, ...]] = []
        row = int(self._venue.table("account")[0]["first_order"])
        while row >= 0:
            o = orders[row]
            found.append((int(o["id"]), int(o["instrument"]), int(o["kind"]), int(o["side"] * o["lots"]), 1))
            row = int(o["own_next"])
        return found

    def _sent(self) -> list[tuple[int, ...]]:
        ring = self._venue.table("flight")
        first, count = self._venue.number("flight_first"), self._venue.number("flight_count")
        flights = [ring[(first + k) % len(ring)] for k in range(count)]
        names = ("order", "instrument", "order_kind")
        placed = [f for f in flights if f["kind"] == CommandKind.PLACE]
        return [(*(int(f[name]) for name in names), int(f["side"] * f["lots"]), 0) for f in placed]

    def looked_ns(self, before_ns: int) -> int:
        """When the strategy looked last, `before_ns` if it has not in this run."""
        last_ns = self._next_ns - self._every_ns * (_LOOKS - self._venue.number("look_next") + 1)
        return last_ns if last_ns >= self._start_ns else before_ns

    def go_on(self) -> None:
        """Make room for what is under way, and more looks ready, where need be."""
        venue = self._venue
        if venue.number("delayed"):
            for ring, more in (("flight", "command"), ("news", "event")):
                self._ring(ring, venue.number(f"{ring}_count") + len(venue.table(more)))
            if venue.number("sent_count") + len(venue.table("command")) > len(venue.table("sent")):
                lengthen(venue, "sent", 2 * (venue.number("sent_count") + len(venue.table("command"))))
        if venue.number("look_next") < venue.number("look_count"):
            return
        now_ns = self._next_ns + self._every_ns * np.arange(_LOOKS)
        self._next_ns += self._every_ns * _LOOKS
        if len(venue.table("look")) < _LOOKS:
            lengthen(venue, "look", _LOOKS)
        looks: Any = venue.table("look")
        looks["now_ns"] = now_ns
        looks["seen_ns"], looks["arrive_ns"] = self._line.looks(now_ns)
        venue.head["look_next"], venue.head["look_count"] = 0, _LOOKS

    def _ring(self, name: str, needed: int) -> None:
        venue, table = self._venue, self._venue.table(name)
        if needed <= len(table):
            return
        # its rows in order first, then room behind them
        first = venue.number(f"{name}_first")
        table[:] = np.roll(table, -first)
        venue.head[f"{name}_first"] = 0
        lengthen(venue, name, 2 * needed)
