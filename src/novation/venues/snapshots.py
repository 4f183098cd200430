"""What a snapshot of a venue holds, and whether a venue can be put back to it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Protocol

import msgspec
import numpy as np

from novation.domain.enums import BarPath
from novation.domain.errors import VenueError
from novation.engine.layout import DTYPES, HEAD
from novation.venues.checks import Made
from novation.venues.impacts import Impact
from novation.venues.others import Others

#: Tables of which a snapshot has to have as many rows.
_KEPT = (
    *("contract", "terms", "tier", "market", "account", "position", "pool", "level", "book", "maker", "side"),
    *("pricing", "basis", "asset", "buffer", "balance"),
)


class Snapshot(msgspec.Struct, frozen=True):
    """The bytes of every table, feed and flows in use, event hash, samples and log so far, and digests of layout and
    of what the venue is made of.

    Feed, flows, samples and log are shared with the venue: none of them is ever written to again.
    """

    layout: str
    made_of: str
    tables: dict[str, bytes]
    feed: Any
    flows: dict[int, np.ndarray]
    event_hasher: Any
    kept: dict[str, tuple[Any, ...]]
    log: tuple[bytes, ...] | None
    others: dict[str, bytes] | None


class Restored(Made, Protocol):
    """A venue that a snapshot is of, or is to be put back into."""

    impacts: dict[str, Impact]
    bar_path: BarPath
    population: Others | None

    def table(self, name: str) -> Any: ...


@functools.cache
def layout() -> str:
    """A digest of the fields of all tables."""
    fields = [(name, str(dtype.descr)) for name, dtype in [("head", HEAD), *DTYPES.items()]]
    return hashlib.blake2b(repr(fields).encode(), digest_size=8).hexdigest()


def made_of(venue: Restored) -> str:
    """A digest of what a venue is made of."""
    made = (venue.rules, venue.instruments, venue.terms, venue.pools, venue.marked, venue.assets)
    trades = (venue.ladders, venue.books, venue.impacts, venue.bar_liquidity, venue.bar_path)
    return hashlib.blake2b(repr(made + trades).encode(), digest_size=8).hexdigest()


def check_snapshot(snapshot: Snapshot, venue: Restored) -> None:
    """Refuse a snapshot of another venue."""
    if snapshot.layout != layout():
        raise VenueError("the snapshot was taken by another version of the engine's tables")
    if snapshot.made_of != made_of(venue):
        raise VenueError("the snapshot is of a venue with other instruments, terms, ladders, pools or rules")
    if (snapshot.others is None) != (venue.population is None):
        raise VenueError("the snapshot is of a venue with a population, or this one is")
    for name in _KEPT:
        if len(snapshot.tables[name]) != venue.table(name).nbytes:
            raise VenueError(f"the snapshot has another number of rows in table {name!r}")
