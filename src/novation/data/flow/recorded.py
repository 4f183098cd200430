"""A flow as a reader hands it over: rows, grid, where each row is from, and what was left out or mended.

Prices and sizes are counted in ticks and lots from text, fixed point or a float's shortest decimal; one between two
steps is an error that names its record. Nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from novation.domain.errors import DataError, InvalidInput, OffGrid
from novation.domain.flow import FLOW_DTYPE, LAST
from novation.domain.units import Number, to_decimal

Array = npt.NDArray[Any]

#: A row before it is put into an array, in the order of FLOW_DTYPE.
Row = tuple[int, ...]
#: Half-open spans of ns UTC in which the market is open.
OpenSpans = Sequence[tuple[int, int]]

#: See `Flow.records`.
OF_FILE = 1 << 40
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True)
class Flow:
    """One instrument's recorded order flow (`domain.flow`).

    rows: FLOW_DTYPE. records: for each row the record of the source that it is from, counted from 1; of a text file
    the line; of the k-th of several `files`, counted from 0, with k * OF_FILE added. repairs: how often each rule of
    `check` mended something. left_out: how many records of each sort are no part of the book's history.
    """

    rows: Array
    tick: Decimal
    lot: Decimal
    kind: Literal["orders", "levels"]
    source: str
    records: Array
    repairs: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()  #: where there are several
    opens_ns: int = 0  #: when its market first opens, 0: not said

    def __post_init__(self) -> None:
        if self.rows.dtype != FLOW_DTYPE:
            raise InvalidInput("rows are not of FLOW_DTYPE", source=self.source)
        if len(self.rows) != len(self.records):
            raise InvalidInput("a record number is needed for each row", source=self.source)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, row: int) -> str:
        """The place of a row, for errors: the record of the source and the row of the flow, both counted from 1."""
        file, record = divmod(int(self.records[row]), OF_FILE)
        name = f"{Path(self.files[file]).name} " if self.files else ""
        return f"{name}record {record:,} (row {row + 1:,})"

    def fail(self, problem: str, row: int, *, value: Any = None, hint: str = "") -> NoReturn:
        """Raise the error about one row."""
        raise DataError(problem, source=self.source, where=self.where(row), value=value, hint=hint)

    def with_rows(self, rows: Array, records: Array, repairs: dict[str, int]) -> Flow:
        """The same flow with other rows, and repairs added to those counted before."""
        total = dict(self.repairs)
        for name, count in repairs.items():
            total[name] = total.get(name, 0) + count
        return replace(self, rows=rows, records=records, repairs=total)


class Steps(dict[str, int]):
    """How many steps of a grid each text is; every text is worked out once.

    >>> Steps("0.10", "price")["58710.20"]
    587102
    """

    def __init__(self, step: Number, name: str) -> None:
        super().__init__()
        self.step, self.name = grid(step, name), name

    def __missing__(self, text: str) -> int:
        steps = whole_steps(to_decimal(text), self.step)
        if steps is None:
            raise off_grid(self.name, text, self.step)
        self[text] = steps
        return steps

    def of(self, texts: Sequence[str], source: str, records: Array) -> Array:
        """The steps of a column of texts; records names each in an error."""
        result = np.empty(len(texts), dtype=np.int64)
        for i, text in enumerate(texts):
            try:
                result[i] = self[text]
            except InvalidInput as error:
                raise at(error, source, f"record {int(records[i]):,}") from None
        return result


def grid(step: Number, name: str) -> Decimal:
    """A tick or lot: a positive decimal."""
    result = to_decimal(step, source=name)
    if result <= 0:
        raise InvalidInput("must be above zero", source=name, value=str(step))
    return result


def whole_steps(value: Decimal, step: Decimal) -> int | None:
    """How many steps a number is; None: it lies between two, or is beyond int64.

    >>> whole_steps(Decimal("0.3"), Decimal("0.1")), whole_steps(Decimal("0.35"), Decimal("0.1"))
    (3, None)
    """
    steps = int((value / step).to_integral_value())
    return steps if steps * step == value and abs(steps) <= _INT64_MAX else None


def off_grid(name: str, text: str, step: Decimal) -> OffGrid:
    """The error about a number between two steps."""
    grid_name = "tick" if name == "price" else "lot"
    return OffGrid(
        f"{name} is no multiple of the {grid_name} {step:f}", value=text, hint=f"Give the {grid_name} of the file."
    )


def at(error: InvalidInput, source: str, where: str) -> InvalidInput:
    """The same error about a record."""
    return type(error)(error.problem, source=source, where=where, value=error.value, hint=error.hint)


def steps_of_floats(values: Array, step: Decimal, name: str, source: str, records: Array) -> Array:
    """Steps of float64 numbers, each read by its shortest decimal. The same number is worked out once."""
    distinct, inverse = np.unique(values, return_inverse=True)
    counts = np.empty(len(distinct), dtype=np.int64)
    for i, value in enumerate(distinct.tolist()):
        steps = whole_steps(Decimal(repr(value)), step) if np.isfinite(value) else None
        if steps is None:
            row = int(np.flatnonzero(inverse == i)[0])
            raise at(off_grid(name, repr(value), step), source, f"record {int(records[row]):,}")
        counts[i] = steps
    return np.asarray(counts[inverse])


def steps_of_fixed(values: Array, decimals: int, step: Decimal, name: str, source: str, records: Array) -> Array:
    """Steps of integers that count 10**-decimals."""
    scaled = step.scaleb(decimals)
    unit = int(scaled)
    if unit != scaled:
        raise InvalidInput(f"has more than {decimals} decimals", source=name, value=str(step))
    steps, rest = np.divmod(values.astype(np.int64), np.int64(unit))
    wrong = np.flatnonzero(rest)
    if len(wrong):
        row = int(wrong[0])
        text = f"{Decimal(int(values[row])).scaleb(-decimals):f}"
        raise at(off_grid(name, text, step), source, f"record {int(records[row]):,}")
    return np.asarray(steps)


def flow_rows(count: int) -> Array:
    """So many rows of zeros."""
    return np.zeros(count, dtype=FLOW_DTYPE)


def rows_of(tuples: Sequence[tuple[int, ...]]) -> Array:
    """Rows of tuples in the order of FLOW_DTYPE."""
    return np.array(tuples, dtype=FLOW_DTYPE)


def end_events(rows: Array, ends: Array) -> None:
    """Set LAST on the rows where `ends` is true, in place."""
    rows["flags"] = np.where(ends, rows["flags"] | LAST, rows["flags"])


def existing(path: str | Path) -> Path:
    """A path as a Path; refuse one at which there is no file."""
    result = Path(path)
    if not result.is_file():
        raise DataError("no such file", source=str(path))
    return result
