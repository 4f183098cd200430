"""History as the exchange reads it: integer arrays, checked, cut to one period.

Prices are int64 1e-8 of the quote currency, rates int64 1e-8 of one, instants int64 ns UTC. Arrays are
read-only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from novation.domain.units import DAY_NS

Array = np.ndarray

PRICE_FIELDS = ("open", "high", "low", "close")


def frozen(values: Any) -> Array:
    """An int64 array that nobody can write to."""
    array = np.ascontiguousarray(values, dtype=np.int64)
    if array.flags.writeable:
        array = array.copy() if array is values else array
        array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars of one instrument, oldest first: bar i covers [`start_ns[i]`, `end_ns[i]`).

    All arrays have one length. The four `mark_*` are 0 in a bar for which no mark was given, so a mark of
    exactly 0 counts as none. `extra` holds the further columns of the inputs, each a list with one value a
    bar: what was known at the bar's close.
    """

    start_ns: Array
    end_ns: Array
    open_e8: Array
    high_e8: Array
    low_e8: Array
    close_e8: Array
    mark_open_e8: Array
    mark_high_e8: Array
    mark_low_e8: Array
    mark_close_e8: Array
    extra: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ARRAYS:
            object.__setattr__(self, name, frozen(getattr(self, name)))
        lengths = {len(getattr(self, name)) for name in ARRAYS}
        lengths |= {len(column) for column in self.extra.values()}
        if len(lengths) != 1:
            raise ValueError(f"bars: columns of different lengths {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.start_ns)

    @classmethod
    def of(
        cls,
        start_ns: Array,
        end_ns: Array,
        prices_e8: Array,
        mark_e8: Array,
        extra: dict[str, list[Any]] | None = None,
    ) -> Bars:
        """Bars from two blocks of shape (4, n), each open, high, low, close."""
        prices = dict(zip(ARRAYS[2:], (*prices_e8, *mark_e8), strict=True))
        return cls(start_ns, end_ns, **prices, extra=extra or {})

    def cut(self, keep: slice) -> Bars:
        """The bars of a slice of rows."""
        arrays = {name: getattr(self, name)[keep] for name in ARRAYS}
        return Bars(**arrays, extra={name: column[keep] for name, column in self.extra.items()})


ARRAYS = tuple(f.name for f in fields(Bars) if f.name != "extra")


def _none() -> Array:
    return np.zeros(0, np.int64)


def known_before(ts_ns: Array, values: Array, first_ns: int) -> tuple[Array, Array]:
    """What was known at an instant of the days before it."""
    rows = (ts_ns > first_ns - PRIOR_NS) & (ts_ns <= first_ns)
    return ts_ns[rows], values[rows]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One instrument's history, ready for a feed.

    funding_ns, funding_rate_e8, funding_mark_e8: each stamp that is paid, its rate, and the open of the mark
        bar that opens at the stamp.
    settlement_ns, settlement_e8: each day's end and settlement price.
    cautions: every assumption made and everything left out, one sentence each.
    gaps: frame of `after`, `before` (UTC: end of the bar before the gap, start of the bar after it) and
        `missing` (bars that would fit).
    digest: BLAKE2b of all arrays and further columns.
    """

    bars: Bars
    funding_ns: Array
    funding_rate_e8: Array
    funding_mark_e8: Array
    settlement_ns: Array
    settlement_e8: Array
    cautions: tuple[str, ...]
    gaps: pl.DataFrame
    digest: str = ""
    delivery_e8: int = 0  #: what the contract was delivered at, 0 where that is not given
    #: Samples of the cash index, for price limits and halts of its future.
    index_ns: Array = field(default_factory=_none)
    index_e8: Array = field(default_factory=_none)
    #: Of the days before the first bar, ends and closes of bars, and settlements: what the first limits rest on.
    prior_ns: Array = field(default_factory=_none)
    prior_e8: Array = field(default_factory=_none)
    prior_settlement_ns: Array = field(default_factory=_none)
    prior_settlement_e8: Array = field(default_factory=_none)
    earlier: Earlier | None = None  #: all bars before the first one, which are no part of the digest

    def __post_init__(self) -> None:
        for name in (*EVENT_ARRAYS, *_FURTHER_ARRAYS):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self))


EVENT_ARRAYS = ("funding_ns", "funding_rate_e8", "funding_mark_e8", "settlement_ns", "settlement_e8")
#: Of the digest only where they hold something: without them it is what it always was.
_FURTHER_ARRAYS = ("index_ns", "index_e8", "prior_ns", "prior_e8", "prior_settlement_ns", "prior_settlement_e8")
#: How far back prices before the first bar matter: a long weekend and the session before it.
PRIOR_NS = 10 * DAY_NS


@dataclass(frozen=True)
class ContractRoll:
    """The held contract changes at `ts_ns`, where both contracts have a price of the same time.

    old, new: contract months YYYYMM.
    calendar_ns: where the roll calendar puts the change; it differs from `ts_ns` where that instant has no
        price of both.
    file_ns: where the price file changes the contract it holds, if that contradicts the calendar, else 0.
    left_out: prices of the old contract earlier on the day of the roll, which are in no bar because its last
        bar opens at the roll.
    """

    ts_ns: int
    old: int
    new: int
    calendar_ns: int
    file_ns: int = 0
    left_out: int = 0


class Earlier(NamedTuple):
    """Bars before a period, which say what their market was like (`data.trailing`). volume: float64, or not told."""

    start_ns: Array
    end_ns: Array
    close_e8: Array
    volume: Array | None


class PreparedChain(NamedTuple):
    """A product's contracts ready for a feed, the rolls between them, and cautions of the whole chain."""

    contracts: dict[int, Prepared]
    rolls: tuple[ContractRoll, ...]
    cautions: tuple[str, ...]


def _digest(prepared: Prepared) -> str:
    """BLAKE2b-128 over every array as little-endian int64 and every further column, each under its name."""
    state = hashlib.blake2b(digest_size=16)
    if prepared.delivery_e8:
        state.update(f"delivery:{prepared.delivery_e8}\n".encode())
    for name, data in _parts(prepared):
        state.update(f"{name}:{len(data)}\n".encode())
        state.update(data)
    return state.hexdigest()


def _parts(prepared: Prepared) -> Iterator[tuple[str, bytes]]:
    given = tuple(name for name in _FURTHER_ARRAYS if len(getattr(prepared, name)))
    for owner, names in ((prepared.bars, ARRAYS), (prepared, EVENT_ARRAYS), (prepared, given)):
        for name in names:
            yield name, getattr(owner, name).astype("<i8", copy=False).tobytes()
    for name in sorted(prepared.bars.extra):
        yield name, _column_bytes(prepared.bars.extra[name])


def _column_bytes(values: list[Any]) -> bytes:
    """Numbers as float64, anything else as text, so that the kind of frame handed in does not show."""
    if all(isinstance(value, int | float) for value in values):
        return np.array(values, dtype="<f8").tobytes()
    return "\x1f".join(str(value) for value in values).encode()
