"""Reading what a user hands in: pandas, polars or Arrow frames, or a path, as one polars frame.

pandas and pyarrow are never imported here: an object of theirs is known by its type's module, so they are
needed only by those who use them. Instants become int64 ns UTC, prices int64 1e-8 by their shortest decimal;
nothing is guessed: a stamp without a zone, an epoch of unclear unit or a price that is no number is an error
that names the row.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl

from novation.domain.errors import DataError
from novation.domain.units import E8, NS, from_e8, iso, rounded_e8, to_ns

#: Names under which the stamp is looked for, first match wins.
STAMP_NAMES = ("ts", "timestamp", "open_time", "datetime", "date_time", "date", "time")

_KINDS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}
#: Of a CSV every row is looked at: a column may hold its first fraction late.
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": partial(pl.read_csv, infer_schema_length=None),
}
#: Epoch numbers are accepted between 1990 and 2100; in that range no two units overlap.
_EPOCH_SECONDS = (631_152_000, 4_102_444_800)
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True)
class Frame:
    """One input: its rows, and the name by which errors call it."""

    data: pl.DataFrame
    source: str

    def fail(self, problem: str, *, row: int | None = None, value: Any = None, hint: str = "") -> NoReturn:
        """Raise the one error of this frame; `row` counts from 0, the message from 1."""
        where = "" if row is None else f"row {row + 1:,}"
        raise DataError(problem, source=self.source, where=where, value=value, hint=hint)

    def column(self, *names: str) -> str:
        """The column that carries one of these names, whatever its case; refuse a frame without it."""
        found = self.find(*names)
        if found is None:
            have = ", ".join(self.data.columns) or "none"
            self.fail(f"no column {names[0]!r}", hint=f"Its columns are: {have}. Rename or add it.")
        return found

    def find(self, *names: str) -> str | None:
        """The column that carries one of these names, or None."""
        if any(name in self.data.columns for name in names):
            return next(name for name in names if name in self.data.columns)
        lowered = {column.lower(): column for column in reversed(self.data.columns)}
        return next((lowered[name] for name in names if name in lowered), None)


def kind_of(given: Any, source: str) -> str:
    """What was handed in: "pandas", "polars", "arrow" or "path"."""
    if isinstance(given, str | os.PathLike):
        return "path"
    kind = _KINDS.get(type(given).__module__.partition(".")[0])
    if kind is None or not hasattr(type(given), "columns"):
        raise DataError(
            "expected a pandas or polars DataFrame, a pyarrow Table or a path",
            source=source,
            value=type(given).__name__,
        )
    return kind


def read_frame(given: Any, source: str) -> Frame:
    """Any accepted input as a polars frame; a path is named by itself, a frame by `source`."""
    kind = kind_of(given, source)
    if kind == "path":
        source, data = str(given), _from_path(Path(given))
    elif kind == "pandas":
        data = _from_pandas(given, source)
    elif kind == "arrow":
        data = pl.DataFrame(pl.from_arrow(given))
    else:
        data = given.collect() if hasattr(given, "collect") else given
    frame = Frame(data, source)
    if data.height == 0:
        frame.fail("no rows")
    return frame


def _from_path(path: Path) -> pl.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError("unknown kind of file", source=str(path), hint="Give a .parquet or a .csv file, or a frame.")
    if not path.is_file():
        raise DataError("no such file", source=str(path))
    try:
        return reader(path)
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"cannot be read as {path.suffix[1:]}: {reason}", source=str(path)) from problem


def _from_pandas(given: Any, source: str) -> pl.DataFrame:
    """A pandas frame column by column; its index becomes `ts` where it holds instants and no column does."""
    names = [str(name) for name in given.columns]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise DataError(f"column {twice!r} is there twice", source=source)
    columns = {name: _pandas_column(given.iloc[:, i]) for i, name in enumerate(names)}
    by_name = str(given.index.name or "").lower() in STAMP_NAMES
    if by_name or type(given.index).__name__ == "DatetimeIndex":
        if "ts" not in columns:
            columns = {"ts": _pandas_column(given.index.to_series())} | columns
    return pl.DataFrame(columns)


def _pandas_column(values: Any) -> pl.Series:
    zone = getattr(values.dtype, "tz", None)
    if zone is not None:
        array = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        series = pl.Series(array.astype("datetime64[ns]")).dt.replace_time_zone("UTC")
        try:
            return series.dt.convert_time_zone(str(zone))
        except pl.exceptions.PolarsError:  # a fixed offset has no IANA name; the instants are the same
            return series
    if values.dtype.kind == "M":
        return pl.Series(values.to_numpy().astype("datetime64[ns]"))
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb":
        return pl.Series(values.to_numpy())
    objects = values.astype(object)
    return pl.Series(objects.where(values.notna(), None).tolist(), strict=False)


# ---------------------------------------------------------------- instants


def read_stamps(frame: Frame, tz: str | None, *, repeats: bool = False) -> tuple[np.ndarray, str, str]:
    """The stamps in ns UTC, the zone of the frame's own clock, and the name of the column they are in.

    Refuses null, unsorted and repeated stamps, and naive ones unless `tz` names their zone. repeats: several rows may
    have one stamp, as trades do.
    """
    name = frame.column(*STAMP_NAMES)
    column = frame.data[name]
    if column.null_count():
        frame.fail(f"{name} is missing", row=_first(column.is_null()))
    zone = "UTC"
    if column.dtype == pl.String or column.dtype == pl.Object:
        stamps, zone = _from_text(frame, column, tz)
    elif isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        stamps, zone = _physical_ns(frame, column), column.dtype.time_zone
    elif isinstance(column.dtype, pl.Datetime | pl.Date):
        stamps, zone = _localised(frame, column, tz)
    elif column.dtype.is_integer() or column.dtype.is_float():
        stamps = _from_epoch(frame, column)
    else:
        frame.fail(
            f"{name} is of type {column.dtype}, not an instant",
            hint="Give aware datetimes or epoch integers.",
        )
    back = np.flatnonzero(np.diff(stamps) < (0 if repeats else 1))
    if len(back):
        row = int(back[0]) + 1
        here, before = iso(stamps[row]), iso(stamps[row - 1])
        if here == before:
            frame.fail(f"{name} {here} repeats the row before", row=row, hint="Keep one row per stamp.")
        frame.fail(f"{name} {here} comes after {before}", row=row, hint=f"Sort the rows by {name}.")
    return stamps, zone, name


def _first(mask: pl.Series | np.ndarray) -> int:
    return int(np.flatnonzero(np.asarray(mask))[0])


def _physical_ns(frame: Frame, column: pl.Series) -> np.ndarray:
    scale = {"ms": 1_000_000, "us": 1_000, "ns": 1}[getattr(column.dtype, "time_unit", "us")]
    counts = column.to_physical().to_numpy()
    wide = np.abs(counts) > _INT64_MAX // scale
    if wide.any():
        frame.fail(f"{column.name} lies outside the years 1678 to 2262", row=_first(wide))
    return np.asarray(counts * np.int64(scale), dtype=np.int64)


def _localised(frame: Frame, column: pl.Series, tz: str | None) -> tuple[np.ndarray, str]:
    """Naive stamps in the zone the user names; a local time that is skipped or comes twice is no instant."""
    column = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
    if tz is None:
        frame.fail(
            f"{column.name} {_short(column[0])} has no zone",
            row=0,
            hint='Pass tz="UTC" (or the zone of your source).',
        )
    try:
        aware = column.dt.replace_time_zone(tz, ambiguous="null", non_existent="null")
    except pl.exceptions.PolarsError:
        raise DataError(
            "unknown time zone",
            source=frame.source,
            where="tz",
            value=tz,
            hint='Give an IANA name such as "UTC" or "America/Chicago".',
        ) from None
    if aware.null_count():
        row = _first(aware.is_null())
        once = column.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
        what = "does not exist" if once[row] is None else "happens twice"
        frame.fail(
            f"{column.name} {_short(column[row])} {what} in {tz} (the clocks change)",
            row=row,
            hint="Give stamps in UTC.",
        )
    return _physical_ns(frame, aware), tz


def _short(moment: Any) -> str:
    return str(moment).removesuffix(":00") if str(moment).count(":") == 2 else str(moment)


def _from_text(frame: Frame, column: pl.Series, tz: str | None) -> tuple[np.ndarray, str]:
    parsed: list[dt.datetime] = []
    for row, item in enumerate(column.to_list()):
        try:
            parsed.append(item if isinstance(item, dt.datetime) else dt.datetime.fromisoformat(str(item)))
        except ValueError:
            frame.fail(f"{column.name} is no date or instant", row=row, value=item, hint="Write ISO 8601.")
    naive = np.array([moment.tzinfo is None for moment in parsed])
    if not naive.any():
        return np.array([to_ns(moment) for moment in parsed], dtype=np.int64), "UTC"
    if not naive.all():
        row = _first(naive)
        frame.fail(f"{column.name} {_short(parsed[row])} has no zone while other rows have one", row=row)
    return _localised(frame, pl.Series(column.name, parsed, dtype=pl.Datetime("us")), tz)


def _from_epoch(frame: Frame, column: pl.Series) -> np.ndarray:
    values = column.to_numpy()
    if column.dtype.is_float():
        odd = ~(np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2.0**63))
        if odd.any():
            frame.fail(
                f"{column.name} is no whole number",
                row=_first(odd),
                value=float(values[odd][0]),
                hint="Give epoch integers or aware datetimes.",
            )
    counts = values.astype(np.int64)
    low, high = _EPOCH_SECONDS
    for per_second in (1, 10**3, 10**6, 10**9):
        fits = (counts >= low * per_second) & (counts < high * per_second)
        if fits.all():
            return np.asarray(counts * np.int64(NS // per_second))
        if fits[0]:  # the first row settles the unit, so another row is the odd one
            row = _first(~fits)
            frame.fail(
                f"{column.name} is an epoch of another unit than the rows before",
                row=row,
                value=int(counts[row]),
                hint="Use one unit throughout.",
            )
    frame.fail(
        f"{column.name} is no epoch between 1990 and 2100 in s, ms, us or ns",
        row=0,
        value=int(counts[0]),
        hint="Give aware datetimes.",
    )


# ---------------------------------------------------------------- numbers


def e8_of_floats(values: np.ndarray) -> np.ndarray:
    """Finite float64 in 1e-8, each by its shortest decimal rounded half even: `rounded_e8` on an array.

    The shortest decimal lies within half an ulp of x, and the product is rounded once, so x * 1e8 is off by
    at most 2**-52 of itself. Where that leaves no doubt about the nearest integer it is taken; elsewhere (a
    digit near 5 in the ninth place, or |x| above about 2e7) `Decimal` decides.

    >>> e8_of_floats(np.array([0.1, 7559.444182])).tolist()
    [10000000, 755944418200]
    """
    product = values * 1e8
    nearest = np.rint(product)
    doubt = np.abs(product - nearest) >= 0.5 - np.abs(product) * 2.3e-16
    result = np.where(doubt, 0.0, nearest).astype(np.int64)
    for i in np.flatnonzero(doubt):
        result[i] = rounded_e8(values[i])
    return np.asarray(result)


def read_e8(frame: Frame, name: str) -> np.ndarray:
    """A column of prices or rates in 1e-8; refuse what is missing, not finite, no number, or beyond int64."""
    column = frame.data[name]
    if not column.dtype.is_numeric():
        frame.fail(f"column {name!r} is of type {column.dtype}, not numbers", row=0, value=column[0])
    if column.null_count():
        frame.fail(f"{name} is missing", row=_first(column.is_null()), hint="Drop the row; nothing is filled.")
    if column.dtype.is_decimal():
        return np.array([int((Decimal(item) * E8).to_integral_value()) for item in column.to_list()], dtype=np.int64)
    if column.dtype.is_integer():
        counts = column.to_numpy().astype(np.float64)
        wide = np.abs(counts) > _INT64_MAX // E8
        result = np.where(wide, 0, column.to_numpy()).astype(np.int64) * np.int64(E8)
    else:
        if column.dtype == pl.Float32:  # its own shortest decimal, not that of the float64 it widens to
            column = column.cast(pl.String).cast(pl.Float64)
        floats = column.to_numpy()
        broken = ~np.isfinite(floats)
        if broken.any():
            frame.fail(
                f"{name} is not a finite number",
                row=_first(broken),
                value=float(floats[broken][0]),
                hint="Drop the row; nothing is filled.",
            )
        wide = np.abs(floats) > _INT64_MAX // E8
        result = e8_of_floats(np.where(wide, 0.0, floats))
    if wide.any():
        frame.fail(f"{name} is too large to count in 1e-8", row=_first(wide), value=float(column[_first(wide)]))
    return np.asarray(result)


def read_index(frame: Frame, tz: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Stamps in ns UTC and values in 1e-8, above zero, of a frame of `ts` and `index` (or `price`).

    Each value is known at its stamp. A bar's close is known at its end, so bars are refused: they do not say which
    their stamp is.
    """
    if frame.find("index", "price") is None and frame.find("close") is not None:
        frame.fail("holds bars", hint="Give ts and index, each value at the instant at which it was known.")
    stamps, _, _ = read_stamps(frame, tz)
    values = read_e8(frame, frame.column("index", "price"))
    wrong = (values <= 0) | (values >= 1 << 50)
    if wrong.any():
        row = _first(wrong)
        frame.fail("is no value of an index", row=row, value=float(from_e8(int(values[row]))))
    return stamps, values


def read_list(column: pl.Series) -> list[Any]:
    """A further column as Python values; a missing number is NaN, anything else missing is None."""
    if column.null_count() and column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(float("nan")).to_list()
    return column.to_list()


def volumes(column: pl.Series | list[Any]) -> np.ndarray:
    """A column of volumes as float64, nan where there is no number."""
    series = column if isinstance(column, pl.Series) else pl.Series(column, strict=False)
    return series.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
