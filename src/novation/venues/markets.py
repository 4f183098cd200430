"""Several venues on one clock: the next instant first, ties in the order of the venues.

Backtest, environment and server all drive this, also where there is one venue only.
"""

from __future__ import annotations

from collections.abc import Sequence

from novation.domain.commands import Command
from novation.domain.errors import VenueError
from novation.domain.events import Event
from novation.venues.venue import Venue


class Markets:
    """The venues a participant trades on, driven together.

    There is no margin across venues: an account belongs to one.
    """

    def __init__(self, venues: Sequence[Venue]) -> None:
        names = [venue.rules.name for venue in venues]
        if not names or len(set(names)) != len(names):
            raise VenueError(f"markets need venues of different names, given: {', '.join(names) or 'none'}")
        self.venues = tuple(venues)
        self._only = venues[0] if len(venues) == 1 else None
        self.by_name = {venue.rules.name: venue for venue in venues}

    @property
    def clock_ns(self) -> int:
        """The furthest instant any venue has reached: the present."""
        return max(venue.clock_ns for venue in self.venues)

    @property
    def end_ns(self) -> int:
        """The last instant of all attached feeds; the present when there is nothing ahead."""
        return max(venue.end_ns for venue in self.venues)

    def next_instant(self) -> int | None:
        """The earliest instant any feed holds; None when all are at their end."""
        instants = [at for venue in self.venues if (at := venue.next_instant()) is not None]
        return min(instants, default=None)

    def submit(self, venue: str, command: Command) -> list[Event]:
        """Carry out a command at one venue, at the present instant."""
        target = self.by_name[venue]
        if len(self.venues) > 1 and target.clock_ns < self.clock_ns:
            target.step(self.clock_ns)
        return target.submit(command)

    def step(self, until_ns: int) -> tuple[Venue, ...]:
        """Move to the next instant worth looking at, not beyond `until_ns`.

        Returns the venues at which a bar closed or something happened, in their order; their events are in `drain`.
        Empty when nothing is left up to `until_ns`; all clocks then stand there.
        """
        if self._only is not None:
            return self.venues if self._only.step(until_ns) else ()
        while True:
            at = self.next_instant()
            if at is None or at > until_ns:
                for venue in self.venues:
                    if venue.clock_ns < until_ns:
                        venue.step(until_ns)
                return ()
            due = [venue for venue in self.venues if venue.next_instant() == at]
            moved = tuple(venue for venue in due if venue.step(at))
            if moved:
                return moved
