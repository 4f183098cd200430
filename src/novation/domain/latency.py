"""How long messages take between a participant and a venue.

Three ways: *feed*, what the exchange did until the participant sees it; *entry*, a command until the exchange has it;
*response*, what the exchange did about the participant's own orders until the participant hears of it. On each way no
message overtakes an earlier one. There is no default: who names none has none, and is told so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np

from novation.domain.errors import InvalidInput

#: What who names none is told.
NO_LATENCY = "no latency is given: what the exchange does is known at once, and orders are there at once"
#: What a message takes at most: a day.
MOST_NS = 86_400_000_000_000
#: Park and Miller's generator (Communications of the ACM 31 (10), 1988; the multiplier is theirs of 1993).
MULTIPLIER, MODULUS = 48_271, 2_147_483_647
_BLOCK = 4_096


class DelayKind(IntEnum):
    """Where a delay comes from."""

    FIXED = 1
    DRAWN = 2
    RECORDED = 3
    RECEIVED = 4


class Delay:
    """What messages of one way take: `Delay.fixed`, `Delay.drawn`, `Delay.recorded` or `Delay.received`.

    kind: which of them. ns: the one delay, those that are drawn from, or those that were recorded. from_ns: of recorded
    ones the instants from which each holds. Of received ones: what was received, the exchange's times, and when.
    """

    __slots__ = ("from_ns", "kind", "ns")

    def __init__(self, kind: DelayKind, ns: np.ndarray, from_ns: np.ndarray) -> None:
        self.kind, self.ns, self.from_ns = kind, ns, from_ns

    @classmethod
    def fixed(cls, ns: int) -> Delay:
        """Always the same."""
        return cls(DelayKind.FIXED, _delays([ns]), np.zeros(1, np.int64))

    @classmethod
    def drawn(cls, samples_ns: Sequence[int] | np.ndarray) -> Delay:
        """One of these delays each time, each as likely: measured ones, as they were measured."""
        ns = _delays(samples_ns)
        return cls(DelayKind.DRAWN, ns, np.zeros(len(ns), np.int64))

    @classmethod
    def recorded(cls, from_ns: Sequence[int] | np.ndarray, delays_ns: Sequence[int] | np.ndarray) -> Delay:
        """At each instant what the latest message by then took, the first one before it; from_ns: ascending."""
        ns, begins = _delays(delays_ns), _integers(from_ns)
        if len(begins) != len(ns) or (np.diff(begins) < 0).any():
            raise InvalidInput("times of recorded delays ascend, one of each", source="Delay", where="from_ns")
        return cls(DelayKind.RECORDED, ns, begins)

    @classmethod
    def received(cls, exchange_ns: Sequence[int] | np.ndarray, local_ns: Sequence[int] | np.ndarray) -> Delay:
        """Of a feed: at each instant what a recorder had received by then is seen, and nothing newer; after the last
        message as long after as that one took.

        exchange_ns, local_ns: by message, ascending exchange's times and the recorder's, `ts_ns` and `local_ns` of a
        flow's rows.
        """
        told, got = _integers(exchange_ns), np.maximum.accumulate(_integers(local_ns))
        if len(told) != len(got) or (np.diff(told) < 0).any():
            raise InvalidInput("times of received messages ascend, two of each", source="Delay", where="exchange_ns")
        if (got < told).any():
            row = int(np.argmax(got < told))
            raise InvalidInput("is received before it happened", source="Delay", where=f"message {row + 1:,}")
        return cls(DelayKind.RECEIVED, told, got)

    def at(self, instants_ns: np.ndarray, draws: Draws) -> np.ndarray:
        """The delays of one message at each instant, int64 ns."""
        if self.kind == DelayKind.FIXED:
            return np.full(len(instants_ns), self.ns[0])
        if self.kind == DelayKind.DRAWN:
            return self.ns[draws.many(len(instants_ns)) % len(self.ns)]
        latest = np.searchsorted(self.from_ns, instants_ns, side="right") - 1
        if self.kind == DelayKind.RECEIVED:
            seen = np.where(latest < 0, np.minimum(instants_ns, self.ns[0] - 1), self.ns[latest])
            return np.where(latest == len(self.ns) - 1, self.from_ns[-1] - self.ns[-1], instants_ns - seen)
        return self.ns[np.maximum(0, latest)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Delay):
            return NotImplemented
        same = np.array_equal(self.ns, other.ns) and np.array_equal(self.from_ns, other.from_ns)
        return self.kind == other.kind and same

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind == DelayKind.FIXED:
            return f"Delay.fixed({self.ns[0]})"
        return f"Delay.{self.kind.name.lower()}({len(self.ns):,} of {self.ns.min()} .. {self.ns.max()} ns)"


class Latency(msgspec.Struct, frozen=True):
    """The delays of the three ways; `Latency.of` takes whole numbers of ns for fixed ones."""

    feed: Delay
    entry: Delay
    response: Delay

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not isinstance(getattr(self, name), Delay):
                raise InvalidInput(
                    "is a Delay", source="Latency", where=name, value=getattr(self, name), hint="Latency.of takes ns."
                )

    @classmethod
    def of(cls, feed: Delay | int, entry: Delay | int, response: Delay | int) -> Latency:
        """From delays, or ns."""
        ways = [way if isinstance(way, Delay) else Delay.fixed(way) for way in (feed, entry, response)]
        if any(way.kind == DelayKind.RECEIVED for way in ways[1:]):
            raise InvalidInput("messages received are those of a feed", source="Latency", where="entry, response")
        return cls(*ways)

    @classmethod
    def profile(cls, name: str) -> Latency:
        """One of `PROFILES` by its name."""
        if name not in PROFILES:
            known = ", ".join(PROFILES)
            raise InvalidInput("no such profile", source="Latency", value=name, hint=f"There are {known}.")
        return PROFILES[name]


class Draws:
    """Numbers from 1 to MODULUS - 1, the same on every machine; `state` is the last one drawn."""

    def __init__(self, seed: int, way: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise InvalidInput("is a whole number", source="latency", where="seed", value=seed)
        # a digest: of seeds and ways that are near each other the numbers of this generator stay near
        digest = hashlib.blake2b(f"{seed} {way}".encode(), digest_size=8).digest()
        self.state = 1 + int.from_bytes(digest, "big") % (MODULUS - 1)

    def many(self, count: int) -> np.ndarray:
        """The next so many, int64."""
        found = [self._some(min(_BLOCK, count - first)) for first in range(0, count, _BLOCK)]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _some(self, count: int) -> np.ndarray:
        numbers = _POWERS[:count] * self.state % MODULUS
        self.state = int(numbers[-1])
        return numbers


def _powers() -> np.ndarray:
    found = [MULTIPLIER]
    for _ in range(_BLOCK - 1):
        found.append(found[-1] * MULTIPLIER % MODULUS)
    return np.array(found, np.int64)


#: What k numbers on is a multiple by: products with a state stay below 2**62.
_POWERS = _powers()


def _integers(values: Any) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 1 or not len(found) or not np.issubdtype(found.dtype, np.integer):
        raise InvalidInput("is whole ns, one at least", source="Delay", value=repr(values)[:60])
    if int(found.max()) > np.iinfo(np.int64).max:
        raise InvalidInput("is beyond int64", source="Delay", value=int(found.max()))
    return found.astype(np.int64)


def _delays(values: Any) -> np.ndarray:
    found = _integers(values)
    if found.min() < 0 or found.max() > MOST_NS:
        wrong = found[(found < 0) | (found > MOST_NS)]
        raise InvalidInput("is between 0 and a day of ns", source="Delay", value=int(wrong[0]))
    return found


#: Assumed: orders of magnitude of a machine beside the exchange, one with a line of its own in another city, and one
#: behind a home's or a cloud's internet. No exchange publishes what a participant's way takes: measure yours.
PROFILES = {
    "colocated": Latency.of(50_000, 50_000, 50_000),
    "institutional": Latency.of(2_000_000, 2_000_000, 2_000_000),
    "retail": Latency.of(50_000_000, 75_000_000, 75_000_000),
}
