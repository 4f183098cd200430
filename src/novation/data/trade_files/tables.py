"""Rows of a foreign table read cell by cell: every number exactly, every error with its place and what to do.

A cell is text out of a CSV file, or a value of a frame or of JSON; a float counts as its shortest decimal. Instants are
epoch numbers (s, ms, us or ns, told by their size), aware ones, or naive ones in a zone that is named.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from novation.domain.enums import Side
from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import NS, to_decimal, to_ns

_MISSING = ("", "none", "null", "nan", "nat", "--", "-")
#: Epoch numbers are accepted between 1990 and 2100; in that range no two units overlap.
_EPOCH_SECONDS = (631_152_000, 4_102_444_800)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})[;, T]*(\d{2}):?(\d{2}):?(\d{2})")
_SIDES = {"long": Side.BUY, "buy": Side.BUY, "b": Side.BUY, "short": Side.SELL, "sell": Side.SELL, "s": Side.SELL}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
#: Sizes and prices of anything traded lie between these.
LEAST, MOST = Decimal("1e-12"), Decimal(10**13)


@dataclass(frozen=True)
class Row:
    """One row: its place, by which errors call it, and its cells by column."""

    source: str
    place: str
    cells: Mapping[str, Any]
    tz: str | None = None

    def fail(self, problem: str, *, column: str = "", value: Any = None, hint: str = "") -> NoReturn:
        """Raise the one error about this row."""
        where = f"{self.place} column {column!r}" if column else self.place
        raise DataError(problem, source=self.source, where=where, value=value, hint=hint)

    def find(self, *names: str) -> str | None:
        """The first of these columns that the table has, whatever its case."""
        lowered = {str(name).strip().lower(): name for name in self.cells}
        return next((lowered[name.lower()] for name in names if name.lower() in lowered), None)

    def cell(self, *names: str) -> Any:
        """What stands in the first of these columns; None where there is none of them, or nothing in it."""
        name = self.find(*names)
        value = None if name is None else self.cells[name]
        if value is None or str(value).strip().lower() in _MISSING:
            return None
        return value.strip() if isinstance(value, str) else value

    def needed(self, *names: str) -> Any:
        """As `cell`; refuses a row without it."""
        value = self.cell(*names)
        if value is None:
            name = self.find(*names)
            if name is None:
                self.fail(f"no column {names[0]!r}", hint=f"Its columns are: {', '.join(map(str, self.cells))}.")
            self.fail("is missing", column=name, hint="Fill it in, or drop the row.")
        return value

    def text(self, *names: str) -> str:
        """A text, empty where there is none."""
        value = self.cell(*names)
        return "" if value is None else str(value)

    def number(self, *names: str, commas: bool = False) -> Decimal | None:
        """A number, or None. commas: thousands are set apart by commas."""
        value = self.cell(*names)
        if value is None:
            return None
        if commas and isinstance(value, str):
            value = value.replace(",", "")
        try:
            return to_decimal(value)
        except InvalidInput:
            self.fail("is no number", column=str(self.find(*names)), value=value, hint="Write it like 1234.5.")

    def above_zero(self, *names: str, commas: bool = False) -> Decimal:
        """A size or a price."""
        value = self.needed(*names)
        number = self.number(*names, commas=commas)
        if number is None or not LEAST <= number <= MOST:
            column = str(self.find(*names))
            self.fail("is no size or price above zero", column=column, value=str(value), hint="Mend or drop the row.")
        return number

    def price(self, *names: str, commas: bool = False) -> Decimal:
        """A price; of a future it can be zero or below."""
        value = self.needed(*names)
        number = self.number(*names, commas=commas)
        if number is None or abs(number) > MOST:
            self.fail("is no price", column=str(self.find(*names)), value=str(value), hint="Mend or drop the row.")
        return number

    def side(self, *names: str) -> Side:
        """long or buy, short or sell."""
        value = str(self.needed(*names))
        if value.lower() not in _SIDES:
            self.fail("is no side", column=str(self.find(*names)), value=value, hint="Write long, short, buy or sell.")
        return _SIDES[value.lower()]

    def flag(self, *names: str) -> bool:
        """Yes or no; no where nothing is said."""
        value = self.cell(*names)
        if value is None:
            return False
        told = _FLAGS.get(str(value).lower().removesuffix(".0"))
        if told is None:
            self.fail("is neither true nor false", column=str(self.find(*names)), value=value)
        return told

    def instant(self, *names: str) -> int:
        """An instant in ns UTC."""
        value, column = self.needed(*names), str(self.find(*names))
        try:
            return self._instant(value, column)
        except (ValueError, OverflowError):
            hint = "Write 2020-03-12T10:00:00Z, or epoch milliseconds."
            self.fail("is no instant", column=column, value=str(value), hint=hint)

    def _instant(self, value: Any, column: str) -> int:
        if isinstance(value, bool):
            raise ValueError(value)
        if isinstance(value, int | float | Decimal) or (isinstance(value, str) and value.isdigit() and len(value) > 8):
            return _of_epoch(Decimal(str(value)))
        if isinstance(value, str):
            compact = _COMPACT.fullmatch(value)
            parts = [int(part) for part in compact.groups()] if compact else []
            text = value.replace(", ", " ").replace(" UTC", "+00:00")
            value = dt.datetime(*parts) if compact else dt.datetime.fromisoformat(text)  # type: ignore[arg-type]
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return to_ns(value)
        if not isinstance(value, dt.datetime):
            raise ValueError(value)
        if value.tzinfo is not None:
            return to_ns(value)
        if self.tz is None:
            self.fail("has no zone", column=column, value=str(value), hint='Name it: tz="UTC" (--tz UTC).')
        return to_ns(self._localised(value, column))

    def _localised(self, value: dt.datetime, column: str) -> dt.datetime:
        try:
            zone = ZoneInfo(str(self.tz))
        except (ZoneInfoNotFoundError, ValueError):
            hint = 'Give an IANA name such as "UTC" or "America/Chicago".'
            raise DataError("unknown time zone", source="tz", value=self.tz, hint=hint) from None
        once, again = value.replace(tzinfo=zone, fold=0), value.replace(tzinfo=zone, fold=1)
        if once.utcoffset() != again.utcoffset():
            what = f"happens twice, or never, in {self.tz}: the clocks change"
            self.fail(what, column=column, value=str(value), hint="Write it in UTC.")
        return once


def _of_epoch(count: Decimal) -> int:
    for per_second in (1, 10**3, 10**6, 10**9):
        low, high = (edge * per_second for edge in _EPOCH_SECONDS)
        if low <= count < high:
            return int(count * (NS // per_second))
    raise ValueError(count)


def rows_under(
    header: Sequence[str], lines: Sequence[tuple[int, Sequence[str]]], source: str, tz: str | None
) -> list[Row]:
    """The lines below a header of a CSV file; one that is too long or too short is refused."""
    found = []
    for number, cells in lines:
        place = f"line {number:,}"
        if len(cells) != len(header):
            problem = f"has {len(cells)} cells, its header {len(header)}"
            raise DataError(problem, source=source, where=place, hint="Quote cells that contain the separator.")
        found.append(Row(source, place, dict(zip(header, cells, strict=True)), tz))
    return found
