"""Several venues on one clock: the next instant first, ties in the order of the venues."""

from __future__ import annotations

from collections.abc import Sequence

from novation.domain.errors import VenueError
from novation.venues.venue import Venue


class Markets:
    """The venues a participant trades on, driven together.

    There is no margin across venues: an account belongs to one.
    """

    def __init__(self, venues: Sequence[Venue]) -> None:
        names = [venue.rules.name for venue in venues]
        if len(set(names)) != len(names):
            raise VenueError(f"two venues of one name: {', '.join(names)}")
        self.venues = tuple(venues)
        self.by_name = {venue.rules.name: venue for venue in venues}

    def next_instant(self) -> int | None:
        """The earliest instant any venue's feed holds; None when all are at their end."""
        instants = [at for at in (venue.next_instant() for venue in self.venues) if at is not None]
        return min(instants, default=None)

    @property
    def clock_ns(self) -> int:
        """The furthest instant reached."""
        return max(venue.clock_ns for venue in self.venues)

    def state_hash(self) -> str:
        """The venue's own for one venue; the hashes joined in order for several."""
        return "-".join(venue.state_hash() for venue in self.venues)

    def event_hash(self) -> str:
        """As `state_hash`, of the events."""
        return "-".join(venue.event_hash() for venue in self.venues)
