"""When to roll: the first day on which the next month trades, or stands open, more than the held one.

On each trade date the next month is the nearest later one of the cycle that is listed that day. When its figure has
exceeded the held month's on `confirm` listed days in a row, the roll takes place on the *next* day given: it is decided
on days before it alone. After a roll the count begins anew with the day of the roll. Months only go forward.

A held month without a row on a day on which the next one has one counts as zero there: it has expired or nobody
traded it. A figure that is missing in a row (null) exceeds nothing and is exceeded by nothing, and ends the count.

Source: facts/cme.md §9 (volume and open interest move before first notice or expiry). Not modelled: exchange calendars
of lead months, and holidays: a day that no month gives does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from novation.data.frames import Frame, read_frame, read_stamps
from novation.data.series import Array, frozen
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS
from novation.reference.symbols import MONTHS

Figure = Literal["volume", "open_interest"]

_VOLUME = ("volume", "vol")
_OPEN_INTEREST = ("open_interest", "openinterest", "open interest", "oi")
_DATES = ("trade_date", "file_date")
_EXPIRY = ("expiry", "contract", "month")
#: A figure that is not given.
NOT_GIVEN = -1


@dataclass(frozen=True, eq=False)
class Activity:
    """One month's days, oldest first: trade date as days since 1970, volume and open interest in contracts.

    A figure that is not given is -1.
    """

    day: Array
    volume: Array
    open_interest: Array

    def __post_init__(self) -> None:
        for name in ("day", "volume", "open_interest"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if len({len(self.day), len(self.volume), len(self.open_interest)}) != 1:
            raise ValueError("activity: columns of different lengths")
        if (np.diff(self.day) <= 0).any():
            raise ValueError("activity: days do not ascend")


@dataclass(frozen=True)
class Crossover:
    """A roll decided by activity.

    ts_ns: start of the day of the roll (UTC midnight of its trade date). decided_ns: start of the last day that it was
        decided on. held, following: that day's figures of the old and the new month.
    """

    ts_ns: int
    old: int
    new: int
    decided_ns: int
    held: int
    following: int


def crossover_rolls(
    months: Mapping[int, Activity],
    *,
    by: Figure = "volume",
    confirm: int = 1,
    first: int | None = None,
    cycle: str = MONTHS,
) -> tuple[Crossover, ...]:
    """The rolls of a product, ascending; what `continuous` takes as its `rolls`.

    months: by contract month YYYYMM its activity. by: what is compared. confirm: days in a row, at least 1.
    first: the month held at the start; the nearest one listed on the first day if not given.
    cycle: letters of the months that are rolled into (gold: "GJMQZ").

    Raises DataError: a wrong option, or no day of a month of the cycle.

    >>> days, unknown = np.arange(1, 5), np.full(4, NOT_GIVEN)
    >>> march = Activity(days, np.array([90, 80, 40, 10]), unknown)
    >>> june = Activity(days, np.array([10, 20, 60, 90]), unknown)
    >>> [(roll.old, roll.new, roll.ts_ns // DAY_NS) for roll in crossover_rolls({202403: march, 202406: june})]
    [(202403, 202406, 4)]
    """
    if by not in get_args(Figure):
        raise DataError("unknown figure", source="by", value=by, hint='Give "volume" or "open_interest".')
    if isinstance(confirm, bool) or not isinstance(confirm, int) or confirm < 1:
        raise DataError("must be a whole number of days, at least 1", source="confirm", value=confirm)
    odd = [letter for letter in cycle if letter not in MONTHS]
    if odd or not cycle:
        raise DataError("is no list of month letters", source="cycle", value=cycle, hint=f"Letters: {MONTHS}.")
    used = {month: one for month, one in sorted(months.items()) if MONTHS[month % 100 - 1] in cycle}
    if first is not None and first not in used:
        raise DataError("no activity of the month held first, or not in the cycle", source="first", value=first)
    if not any(len(one.day) for one in used.values()):
        raise DataError("no day of a month of the cycle", source="months", value=sorted(months) or None)
    figures = {
        month: dict(zip(one.day.tolist(), getattr(one, by).tolist(), strict=True)) for month, one in used.items()
    }
    days = sorted(set().union(*figures.values()))
    held = next(month for month in figures if days[0] in figures[month]) if first is None else first
    rolls: list[Crossover] = []
    due: Crossover | None = None
    candidate, count = 0, 0
    for day in days:
        if due is not None:
            roll = Crossover(day * DAY_NS, due.old, due.new, due.decided_ns, due.held, due.following)
            rolls.append(roll)
            held, due, candidate, count = roll.new, None, 0, 0
        following = next((month for month in figures if month > held and day in figures[month]), 0)
        if not following:
            candidate, count = 0, 0
            continue
        ours, theirs = figures[held].get(day, 0), figures[following][day]
        exceeds = ours != NOT_GIVEN and theirs != NOT_GIVEN and theirs > ours
        count = (count if following == candidate else 0) + 1 if exceeds else 0
        candidate = following
        if count >= confirm:
            due = Crossover(0, held, following, day * DAY_NS, ours, theirs)
    return tuple(rolls)


# ---------------------------------------------------------------- reading


def read_daily_chain(given: Any) -> dict[int, Activity]:
    """The activity of each month in one table of a row per day and listed month (path or frame).

    Columns: `trade_date` or `file_date` (or another stamp), `expiry` (YYYYMM), `volume` and `open_interest`, of which
    one may be missing. Raises DataError: a broken table, with its row and column.
    """
    frame = read_frame(given, "daily chain")
    name = frame.column(*_DATES, "ts", "date")
    expiry = frame.data[frame.column(*_EXPIRY)]
    whole = expiry.cast(pl.Int64, strict=False)
    wrong = whole.is_null() | ~(whole % 100).is_between(1, 12) | ~(whole // 100).is_between(1900, 2200)
    if wrong.any():
        row = int(wrong.arg_true()[0])
        frame.fail(f"{expiry.name} is no month YYYYMM", row=row, value=expiry[row], hint="Write e.g. 202403.")
    rows = frame.data.rename({name: "ts"}).with_columns(whole.alias("_month")).with_row_index("_row")
    result = {}
    for month in sorted(set(whole.to_list())):
        one = rows.filter(pl.col("_month") == month)
        stamps = one["ts"]
        back = (stamps.diff().cast(pl.Int64) <= 0).fill_null(False) if stamps.dtype.is_temporal() else None
        if back is not None and back.any():
            at = int(back.arg_true()[0])
            frame.fail(
                f"{name} {stamps[at]} of {month} does not come after the row of that month before",
                row=int(one["_row"][at]),
                hint=f"Sort the rows by {name}, one row per day and month.",
            )
        found = activity_of(Frame(one.drop("_month", "_row"), f"{frame.source} {month}"), tz="UTC")
        if found is None:
            frame.fail("no column 'volume' or 'open_interest'", hint="Name one of them so.")
        result[month] = found
    return result


def activity_of(frame: Frame, *, tz: str | None) -> Activity | None:
    """The daily activity in one month's rows, or None where it has neither volume nor open interest.

    A day is one of the stamps' own dates. Rows of one day are one: their volumes are added, the last open interest
    that is given stands.
    """
    volume_name, interest_name = frame.find(*_VOLUME), frame.find(*_OPEN_INTEREST)
    if volume_name is None and interest_name is None:
        return None
    ts_ns, zone, _ = read_stamps(frame, tz)
    own = pl.Series(ts_ns).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    day = own.dt.date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    starts = np.flatnonzero(np.append(True, np.diff(day) != 0))
    volume = _counts(frame, volume_name, len(ts_ns))
    interest = _counts(frame, interest_name, len(ts_ns))
    unknown = np.minimum.reduceat(volume, starts) == NOT_GIVEN
    added = np.where(unknown, NOT_GIVEN, np.add.reduceat(volume, starts))
    ends = [*starts[1:].tolist(), len(ts_ns)]
    last = [_last_given(interest[first:stop]) for first, stop in zip(starts.tolist(), ends, strict=True)]
    return Activity(day[starts], added, np.array(last, dtype=np.int64))


def _last_given(values: Array) -> int:
    given = values[values != NOT_GIVEN]
    return int(given[-1]) if len(given) else NOT_GIVEN


def _counts(frame: Frame, name: str | None, length: int) -> Array:
    """A column of contracts as integers, -1 where it is missing."""
    if name is None:
        return np.full(length, NOT_GIVEN, dtype=np.int64)
    column = frame.data[name]
    if column.null_count() == length:
        return np.full(length, NOT_GIVEN, dtype=np.int64)
    if not column.dtype.is_numeric():
        frame.fail(f"column {name!r} is of type {column.dtype}, not numbers", row=0, value=column[0])
    floats = column.cast(pl.Float64).fill_nan(None)
    wrong = (floats < 0) | (floats != floats.floor()) | (floats >= 2.0**53)
    if wrong.fill_null(False).any():
        row = int(wrong.fill_null(False).arg_true()[0])
        frame.fail(f"{name} is no number of contracts", row=row, value=column[row], hint="Give whole numbers from 0.")
    return floats.fill_null(NOT_GIVEN).cast(pl.Int64).to_numpy()
