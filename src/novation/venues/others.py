"""What a venue asks of the simulated traders who live in it, whoever they are (docs/rules/population.md)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from novation._jit import STRATEGY_SIGNATURE, kernel_with
from novation.domain.digest import Line

if TYPE_CHECKING:
    from novation.venues.venue import Venue


class Others(Protocol):
    """Simulated traders in a venue: what they do, and the memory in which they remember it."""

    instrument: int
    act: Any  #: first-class function (head address, now, `address`), see `engine.doors.work_among`
    address: int

    @property
    def counts(self) -> dict[str, int]:
        """How often they did what."""

    @property
    def refused(self) -> dict[str, int]:
        """How often they were refused something, by `RejectReason`."""

    def hear(self, events: bytes) -> None:
        """Take in what happened, rows of `EVENT_DTYPE`."""

    def kept(self) -> dict[str, bytes]:
        """A copy of all they remember."""

    def restore(self, kept: dict[str, bytes]) -> None:
        """Remember that instead."""

    def lines(self) -> Iterator[Line]:
        """Their lines of the canonical form of the venue's state."""


@runtime_checkable
class Joins(Protocol):
    """Who can come to live in a venue."""

    def join(self, venue: Venue) -> Others:
        """Come in, with accounts and money."""


def _idle(address, now_ns, others):  # type: ignore[no-untyped-def]
    return 0


@cache
def nobody() -> Any:
    """The first-class function of a venue without simulated traders."""
    return kernel_with(STRATEGY_SIGNATURE, _idle)
