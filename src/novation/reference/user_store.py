"""The user's own reference tables: where they lie, and how captured rows come into them.

A capture is what an exchange said at one instant. A key whose rows differ from the newest in the store gets new ones in
force from that instant; a key whose rows are the same is only known for longer (its line in `known.csv` moves on to the
day of the capture). That nothing changed and changed back between two captures is assumed.

A whole venue is written beside the old folder, read back and checked, and then put in its place: other readers see the
old tables or the new ones. A contract whose lot changed loses its earlier rows in the store, because no instrument can
follow such a change.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from novation.domain.errors import InvalidInput
from novation.domain.units import iso, to_decimal
from novation.reference.layouts import VENUES, Kind
from novation.reference.rulebook import SHIPPED, Folder, Rulebook, load_folder

#: Columns that an instrument keeps for good (`Reference.instrument`).
_FOR_GOOD = {"contracts": ("lot_base", "base", "quote", "asset")}


def store_path(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The user's store: NOVATION_STORE, else `novation/data` in the platform's folder for user data.

    >>> store_path({"NOVATION_STORE": "/data/novation"}).as_posix()
    '/data/novation'
    """
    env = os.environ if environ is None else environ
    if env.get("NOVATION_STORE"):
        return Path(env["NOVATION_STORE"]).expanduser()
    home = Path(env.get("HOME") or Path.home())
    if platform == "darwin":
        base = home / "Library" / "Application Support"
    elif platform == "win32":
        base = Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "novation" / "data"


def reference_path(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The user's reference tables: NOVATION_REFERENCE, else the folder `reference` of the store.

    >>> reference_path({"NOVATION_STORE": "/data/novation"}).as_posix()
    '/data/novation/reference'
    """
    env = os.environ if environ is None else environ
    if env.get("NOVATION_REFERENCE"):
        return Path(env["NOVATION_REFERENCE"]).expanduser()
    return store_path(env, platform) / "reference"


@dataclass(frozen=True)
class Captured:
    """What was said of one venue at one instant.

    rows: (table, key) -> its rows, texts by column without date, key and source. sources: (table, key) -> on whose
    word. notes: what could not be had or was left out, one sentence each.
    """

    venue: str
    at_ns: int
    rows: dict[tuple[str, str], tuple[dict[str, str], ...]]
    sources: dict[tuple[str, str], str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One value that is not as before; old is empty for what is new, new for what is gone."""

    table: str
    key: str
    where: str
    old: str
    new: str

    def to_dict(self) -> dict[str, str]:
        """Plain values."""
        return {"table": self.table, "key": self.key, "where": self.where, "old": self.old, "new": self.new}

    def __str__(self) -> str:
        place = f"{self.table} {self.key} {self.where}"
        if not self.old:
            return f"+ {place}: {self.new}"
        return f"- {place}: {self.old}" if not self.new else f"  {place}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Update:
    """What a capture would change, and whether it was written. changes: row by row, against the newest known rows."""

    venue: str
    folder: str
    captured: str
    changes: tuple[Change, ...]
    same: int
    keys: int
    written: bool
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "venue": self.venue,
            "folder": self.folder,
            "captured": self.captured,
            "keys": self.keys,
            "same": self.same,
            "changes": [one.to_dict() for one in self.changes],
            "written": self.written,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.venue} as captured on {self.captured} UTC: {self.keys} rules, {self.same} as they were known"]
        lines += [str(one) for one in self.changes]
        lines += [f"note: {text}" for text in self.notes]
        done = "written to" if self.written else "not written; --write puts it into"
        return "\n".join([*lines, f"{done} {self.folder}"])


def put(captured: Captured, folder: Path, *, write: bool, beside: Sequence[Path] = (SHIPPED,)) -> Update:
    """Compare a capture with what is known, and with `write` take it into a folder of tables.

    beside: the folders that are asked after it, for the comparison. Raises `DataError` where the rows are no rules:
    then nothing is written.
    """
    present = (folder / captured.venue).is_dir()
    own = load_folder(folder) if present else Folder({}, {})
    book = Rulebook([own, *(load_folder(path) for path in beside if path.is_dir() and path != folder)])
    changes: list[Change] = []
    same = 0
    for (table, key), rows in sorted(captured.rows.items()):
        latest = book.latest(f"{captured.venue}/{table}", key)
        found = _differences(captured.venue, table, key, latest[0].rows if latest else (), rows)
        changes += found
        same += not found
    if write:
        _write(captured, own, folder)
    return Update(
        venue=captured.venue,
        folder=str(folder),
        captured=iso(captured.at_ns),
        changes=tuple(changes),
        same=same,
        keys=len(captured.rows),
        written=write,
        notes=captured.notes,
    )


def _differences(
    venue: str, table: str, key: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, str]]
) -> list[Change]:
    """Each value that differs; a row without a counterpart is shown whole."""
    columns = VENUES[venue].layouts[table].columns
    many = VENUES[venue].layouts[table].many
    found = []
    for i in range(max(len(old), len(new))):
        before = {} if i >= len(old) else {name: _text(old[i][name]) for name in columns}
        after = {} if i >= len(new) else {name: _plain(new[i][name], kind) for name, kind in columns.items()}
        row = f"tier {i + 1}" if many else ""
        if before and after:
            found += [
                Change(table, key, f"{row} {name}".strip(), before[name], after[name])
                for name in columns
                if before[name] != after[name]
            ]
        else:
            values = [", ".join(f"{name} {value}" for name, value in one.items()) for one in (before, after)]
            found.append(Change(table, key, row or "row", *values))
    return found


def _text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _plain(value: str, kind: Kind) -> str:
    """A text as `_text` would show what is read of it; what is no number is left to the check of the tables."""
    if kind is Kind.TEXT:
        return value
    try:
        return _text(to_decimal(value))
    except InvalidInput:
        return value


def _write(captured: Captured, own: Folder, folder: Path) -> None:
    """Put the new tables of the venue in the place of the old ones, once they have been read back."""
    day = iso(captured.at_ns)[:10]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / captured.venue
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as place:
        fresh = Path(place) / captured.venue
        if target.is_dir():
            shutil.copytree(target, fresh)
        else:
            fresh.mkdir()
        known = {(row["table"], row["key"]): row for row in _read(fresh / "known.csv")}
        for table in sorted({table for table, _ in captured.rows}):
            layout = VENUES[captured.venue].layouts[table]
            rows = _read(fresh / f"{table}.csv")
            for key in sorted(key for name, key in captured.rows if name == table):
                rows = _with(rows, captured, table, key, own)
                before = known[table, key]["source"].partition(" and last")[0] if (table, key) in known else ""
                source = f"{before} and last on {day}" if before else f"captured on {day}"
                known[table, key] = {"table": table, "key": key, "known_through": day, "source": source}
            _rewrite(fresh / f"{table}.csv", ["effective_from", layout.key, *layout.columns, "source"], rows)
        _rewrite(fresh / "known.csv", ["table", "key", "known_through", "source"], list(known.values()))
        load_folder(Path(place))  # whole and right, or nothing happens
        if target.is_dir():
            os.replace(target, Path(place) / "before")
        os.replace(fresh, target)


def _with(rows: list[dict[str, str]], captured: Captured, table: str, key: str, own: Folder) -> list[dict[str, str]]:
    """A table's rows with those captured of one key, where they differ from its newest."""
    layout = VENUES[captured.venue].layouts[table]
    given = captured.rows[table, key]
    rules = own.rules.get((f"{captured.venue}/{table}", key), ())
    if rules:
        latest = rules[-1]
        if latest.effective_ns > captured.at_ns:
            raise InvalidInput(
                f"the store has rows from {iso(latest.effective_ns)}, after this capture", source=table, where=key
            )
        if not _differences(captured.venue, table, key, latest.rows, given):
            return rows
        held = any(
            _text(latest.row[name]) != _plain(given[0][name], layout.columns[name]) for name in _FOR_GOOD.get(table, ())
        )
        if held or latest.effective_ns == captured.at_ns:
            rows = [row for row in rows if row[layout.key] != key]
    stamp = f"{iso(captured.at_ns).replace(' ', 'T')}Z"
    source = captured.sources[table, key]
    return rows + [{"effective_from": stamp, layout.key: key, **row, "source": source} for row in given]


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def _rewrite(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """A table with the rows of each key together, in the order in which keys first came."""
    key = columns[1]
    order = {name: number for number, name in enumerate(dict.fromkeys(row[key] for row in rows))}
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: order[row[key]]))
