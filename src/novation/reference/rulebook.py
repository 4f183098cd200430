"""Reading a folder of tables, and finding the row in force.

A folder holds `<venue>/<table>.csv` and `<venue>/known.csv` as `layouts` describes. A file is checked whole
when it is read: every column there and none unknown, every cell of its kind, dates ascending per key, a
source in every row. An error names file, row and column.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import DAY_NS, iso, to_decimal, to_ns
from novation.reference.brackets import check_tiers
from novation.reference.layouts import VENUES, Kind, Layout

SHIPPED = Path(__file__).parent / "tables"
ASSUMED = "assumed:"
ANY_KEY = "*"


def assumption(source: str) -> str:
    """What a source takes for granted, empty where it is known."""
    return source.removeprefix(ASSUMED).partition(";")[0].strip() if source.startswith(ASSUMED) else ""


@dataclass(frozen=True)
class Rule:
    """What one table says of one key from `effective_ns` on: one row, or the tiers of one bracket table."""

    table: str  #: "binance_um/brackets"
    key: str
    effective_ns: int
    rows: tuple[Mapping[str, Any], ...]  #: texts and Decimals by column
    source: str
    shown: str  #: the table's name where it is shipped, else the user's file

    @property
    def row(self) -> Mapping[str, Any]:
        """The only row of a table that has one a rule."""
        return self.rows[0]

    @property
    def assumption(self) -> str:
        """What the row takes for granted, empty where its source is known."""
        return assumption(self.source)

    @property
    def citation(self) -> str:
        """Table, date and source, as `Terms.sources` and a report show it."""
        return f"{self.shown}, {iso(self.effective_ns).removesuffix(' 00:00')}, {self.source}"


@dataclass(frozen=True)
class Folder:
    """The tables of one source: rules ascending by date, and for how long each is known."""

    rules: Mapping[tuple[str, str], tuple[Rule, ...]]
    known: Mapping[tuple[str, str], int]  #: first instant that is no longer known

    def until(self, table: str, key: str) -> int:
        """The first instant after what the table knows of a key."""
        return self.known[table, key] if (table, key) in self.known else self.known[table, ANY_KEY]


def load_folder(path: Path) -> Folder:
    """Read a folder of tables; the answer is kept until a file in it changes."""
    if not path.is_dir():
        raise InvalidInput("no such folder of reference tables", source=str(path))
    files = [file for venue in VENUES for file in sorted((path / venue).glob("*.csv"))]
    if not files:
        raise InvalidInput(
            "holds no reference tables",
            source=str(path),
            hint=f"Expected <venue>/<table>.csv with venue one of {', '.join(VENUES)}.",
        )
    stamps = [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return _load(path, tuple(zip(files, stamps, strict=True)))


@functools.lru_cache(maxsize=16)
def _load(path: Path, files: tuple[tuple[Path, tuple[int, int]], ...]) -> Folder:
    rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
    known: dict[tuple[str, str], int] = {}
    for file, _ in files:
        venue, name = file.parent.name, file.stem
        if name == "known":
            known |= _read_known(file, venue)
        elif name in VENUES[venue].layouts:
            rules |= read_table(file, f"{venue}/{name}", VENUES[venue].layouts[name], shipped=path == SHIPPED)
        else:
            raise DataError(
                "unknown table",
                source=str(file),
                hint=f"Known: {', '.join(VENUES[venue].layouts)} and known.",
            )
    for table, key in rules:
        if (table, key) not in known and (table, ANY_KEY) not in known:
            venue, _, name = table.partition("/")
            raise DataError(
                f"table {name!r} does not say through which day it is known",
                source=str(path / venue / "known.csv"),
                where=f"key {key}",
                hint=f"Add a row, e.g. `{name},*,2026-12-31,<source>`.",
            )
    return Folder(rules, known)


def _cells(file: Path, columns: Sequence[str]) -> Iterable[tuple[int, dict[str, str]]]:
    """Line number and stripped cells of each row, the header checked."""
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        found = list(reader.fieldnames or ())
        for name in columns:
            if name not in found:
                raise DataError(f"column {name!r} is missing", source=str(file), hint=f"Columns: {', '.join(columns)}.")
        for name in found:
            if name not in columns:
                near = difflib.get_close_matches(name, columns, 1)
                raise DataError(
                    f"unknown column {name!r}",
                    source=str(file),
                    hint=f"Did you mean {near[0]!r}?" if near else f"Columns: {', '.join(columns)}.",
                )
        for cells in reader:
            if None in cells or None in cells.values():
                raise DataError(f"expected {len(columns)} cells", source=str(file), where=f"row {reader.line_num}")
            yield reader.line_num, {name: cell.strip() for name, cell in cells.items()}


def _instant(text: str, file: Path, line: int, column: str) -> int:
    try:
        return to_ns(text)
    except InvalidInput as error:
        raise DataError(error.problem, source=str(file), where=f"row {line}, {column}", value=text) from None


def _value(text: str, kind: Kind, file: Path, line: int, column: str) -> str | Decimal:
    value: str | Decimal = text
    if kind in (Kind.TEXT, Kind.MAYBE):
        good = bool(text) or kind is Kind.MAYBE
    elif kind is Kind.TIME:
        good = _is_time(text)
    else:
        try:
            value = number = to_decimal(text)
            good = (kind is Kind.NUMBER or number > 0 or (kind in (Kind.AMOUNT, Kind.COUNT) and number == 0)) and (
                kind not in (Kind.WHOLE, Kind.COUNT) or number == number.to_integral_value()
            )
            good = good and (kind is not Kind.SHARE or number <= 1)
        except InvalidInput:
            good = False
    if not good:
        raise DataError(f"expected {kind.value}", source=str(file), where=f"row {line}, {column}", value=text)
    return value


def _is_time(text: str) -> bool:
    try:
        return len(text) in (5, 8) and bool(dt.time.fromisoformat(text).isoformat())
    except ValueError:
        return False


def read_table(file: Path, table: str, layout: Layout, *, shipped: bool) -> dict[tuple[str, str], tuple[Rule, ...]]:
    """The rules of one CSV file by (table, key), each key's ascending by date, everything checked."""
    columns = ["effective_from", layout.key, *layout.columns, "source"]
    found: dict[str, dict[int, list[Mapping[str, Any]]]] = {}
    sources: dict[tuple[str, int], str] = {}
    for line, cells in _cells(file, columns):
        key, at = cells[layout.key], _instant(cells["effective_from"], file, line, "effective_from")
        dates = found.setdefault(key, {})
        if not key or not cells["source"]:
            raise DataError("is empty", source=str(file), where=f"row {line}, {'source' if key else layout.key}")
        if dates and at < max(dates):
            raise DataError(
                f"dates of {key} do not ascend",
                source=str(file),
                where=f"row {line}, effective_from",
                value=cells["effective_from"],
            )
        if at in dates and not layout.many:
            raise DataError(
                f"a second row of {key} for one instant",
                source=str(file),
                where=f"row {line}, effective_from",
                value=cells["effective_from"],
            )
        row = {name: _value(cells[name], kind, file, line, name) for name, kind in layout.columns.items()}
        if layout.problem and (problem := layout.problem({layout.key: key, **row})):
            raise DataError(problem, source=str(file), where=f"row {line}, {key}")
        dates.setdefault(at, []).append(row)
        # Tiers are usually cited alike; where they are not, an assumed one must not hide behind a sound one.
        if cells["source"].startswith(ASSUMED) or (key, at) not in sources:
            sources[key, at] = cells["source"]
    shown = table if shipped else str(file)
    rules = {
        (table, key): tuple(Rule(table, key, at, tuple(rows), sources[key, at], shown) for at, rows in dates.items())
        for key, dates in found.items()
    }
    if layout.many:
        for (_, key), versions in rules.items():
            for rule in versions:
                check_tiers(rule.rows, source=str(file), where=f"{key} {iso(rule.effective_ns)}")
    return rules


def _read_known(file: Path, venue: str) -> dict[tuple[str, str], int]:
    known: dict[tuple[str, str], int] = {}
    for line, cells in _cells(file, ["table", "key", "known_through", "source"]):
        if cells["table"] not in VENUES[venue].layouts:
            raise DataError(
                "unknown table",
                source=str(file),
                where=f"row {line}, table",
                value=cells["table"],
                hint=f"Known: {', '.join(VENUES[venue].layouts)}.",
            )
        if not cells["key"] or not cells["source"]:
            raise DataError("is empty", source=str(file), where=f"row {line}, {'source' if cells['key'] else 'key'}")
        day = _instant(cells["known_through"], file, line, "known_through")
        # The day itself is still known: nothing is in force from the next midnight on.
        known[f"{venue}/{cells['table']}", cells["key"]] = day - day % DAY_NS + DAY_NS
    return known


class Rulebook:
    """Several folders as one: the first that has a rule in force at an instant answers, alone."""

    def __init__(self, folders: Sequence[Folder]) -> None:
        self.folders = tuple(folders)

    def keys(self, table: str) -> list[str]:
        """Every key of a table, those of the first folder first."""
        return list(dict.fromkeys(key for folder in self.folders for name, key in folder.rules if name == table))

    def rules(self, table: str, key: str) -> list[Rule]:
        """Every rule of a key, whatever its date."""
        return [rule for folder in self.folders for rule in folder.rules.get((table, key), ())]

    def in_force(self, table: str, key: str, at_ns: int) -> Rule | None:
        """The rule that holds at an instant, if one does."""
        for folder in self.folders:
            rules = folder.rules.get((table, key), ())
            if rules and rules[0].effective_ns <= at_ns < folder.until(table, key):
                return next(rule for rule in reversed(rules) if rule.effective_ns <= at_ns)
        return None

    def latest(self, table: str, key: str) -> tuple[Rule, int] | None:
        """The newest rule that is known of a key, and the last instant of which it is known."""
        last = max((until for _, until in self.spans(table, key)), default=0) - 1
        rule = self.in_force(table, key, last) if last >= 0 else None
        return (rule, last) if rule else None

    def newest(self, table: str, key: str) -> Rule | None:
        """The last rule of a key in the first folder that has any, however long it is known."""
        found = next((folder.rules[table, key] for folder in self.folders if (table, key) in folder.rules), ())
        return found[-1] if found else None

    def changes(self, table: str, key: str, start_ns: int, end_ns: int) -> set[int]:
        """Instants strictly inside the range at which another rule, or none, may come into force."""
        edges: set[int] = set()
        for folder in self.folders:
            if rules := folder.rules.get((table, key), ()):
                edges |= {rule.effective_ns for rule in rules} | {folder.until(table, key)}
        return {edge for edge in edges if start_ns < edge < end_ns}

    def spans(self, table: str, key: str) -> list[tuple[int, int]]:
        """First known instant and first unknown one, per folder that knows the key."""
        return [
            (rules[0].effective_ns, folder.until(table, key))
            for folder in self.folders
            if (rules := folder.rules.get((table, key), ()))
        ]

    def known(self, table: str, key: str) -> str:
        """`spans` in words."""
        return ", ".join(f"known {iso(first)[:10]} to {iso(last - 1)[:10]}" for first, last in self.spans(table, key))
