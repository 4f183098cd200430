"""Bars out of one frame, checked: what is wrong with them is said once, with its row.

Not modelled: sessions. A missing bar is one that the bar step leaves room for; whether the market was open
then is not known here, so gaps are counted and listed, never filled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from novation.data.frames import Frame, read_e8, read_list, read_stamps
from novation.data.series import PRICE_FIELDS, Array, Bars
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, HOUR_NS, NS, from_e8, iso
from novation.domain.words import counted

_UNITS = {"s": NS, "m": 60 * NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}


@dataclass(frozen=True)
class Candles:
    """One frame's bars, oldest first: [`start_ns`, `end_ns`), `prices_e8` of shape (4, n) as open, high, low,
    close.

    step_ns: the bar length. zone: the frame's own clock. rest: the further columns, aligned.
    """

    source: str
    start_ns: Array
    end_ns: Array
    prices_e8: Array
    step_ns: int
    zone: str
    rest: pl.DataFrame

    def extra(self) -> dict[str, list[object]]:
        """The further columns as lists."""
        return {name: read_list(self.rest[name]) for name in self.rest.columns}


def bar_length(text: str) -> int:
    """The length in ns of a bar called "1m", "15m", "1h", "1d".

    >>> bar_length("1h") // HOUR_NS
    1
    """
    match = re.fullmatch(r"([1-9]\d*)([smhdw])", text)
    if match is None:
        raise DataError("unknown bar length", source="bar", value=text, hint='Write e.g. "1m", "1h" or "1d".')
    return int(match[1]) * _UNITS[match[2]]


def bar_name(step_ns: int) -> str:
    """The name of a bar length.

    >>> bar_name(4 * HOUR_NS)
    '4h'
    """
    unit = next((unit for unit in "wdhms" if step_ns % _UNITS[unit] == 0), None)
    return f"{step_ns // _UNITS[unit]}{unit}" if unit else f"{step_ns}ns"


def read_candles(frame: Frame, *, stamp: str, tz: str | None, bar: str | None, positive: bool) -> Candles:
    """The bars of a frame; `positive` refuses prices of zero and below (a perpetual has none)."""
    stamps, zone, name = read_stamps(frame, tz)
    columns = [frame.column(field) for field in PRICE_FIELDS]
    prices = np.array([read_e8(frame, column) for column in columns])
    _check_prices(frame, prices, positive=positive)
    start, end, step = bar_spans(frame, stamps, stamp=stamp, bar=bar)
    rest = frame.data.drop(name, *columns)
    return Candles(frame.source, start, end, prices, step, zone, rest)


def bar_spans(frame: Frame, stamps: Array, *, stamp: str, bar: str | None) -> tuple[Array, Array, int]:
    """Where each bar starts and ends, and the bar length, of a frame's stamps in ns UTC."""
    step = _step(frame, stamps, bar)
    if stamp == "open":
        start, end = stamps, stamps + step
        end[:-1] = np.minimum(end[:-1], start[1:])  # a day of 23 hours
    else:
        start, end = stamps - step, stamps
        start[1:] = np.maximum(start[1:], end[:-1])
    return start, end, step


def _step(frame: Frame, stamps: Array, bar: str | None) -> int:
    """The bar length: given, or the smallest step, if the usual one is no longer. Local days of 23 hours do not make a
    23 hour bar. One stamp out of place would otherwise shorten every bar, and end it before its prices are known."""
    steps = np.diff(stamps)
    if bar is None:
        if not len(steps):
            frame.fail("one row does not show how long a bar is", hint='Pass bar="1h" (or your bar length).')
        step = int(steps.min())
        lengths, counts = np.unique(steps, return_counts=True)
        usual = int(lengths[counts.argmax()])
        if step == DAY_NS - HOUR_NS and usual >= DAY_NS:
            return DAY_NS
        if step < usual:
            row = int(steps.argmin()) + 1
            frame.fail(
                f"is {bar_name(step)} after the row before, where bars are mostly {bar_name(usual)} apart",
                row=row,
                hint=f'Mend the stamp, or say how long a bar is: bar="{bar_name(usual)}", bar="{bar_name(step)}".',
            )
        return step
    step = bar_length(bar)
    shorter = steps < (step - HOUR_NS if step % DAY_NS == 0 else step)
    if shorter.any():
        row = int(np.flatnonzero(shorter)[0]) + 1
        frame.fail(f"is {bar_name(int(steps[row - 1]))} after the row before, less than bar={bar!r}", row=row)
    return step


def _check_prices(frame: Frame, prices: Array, *, positive: bool) -> None:
    opened, high, low, closed = prices
    checks = [
        (high < low, "high {1} is below low {2}", "Check how the columns are named."),
        ((opened > high) | (opened < low), "open {0} is outside low {2} .. high {1}", ""),
        ((closed > high) | (closed < low), "close {3} is outside low {2} .. high {1}", ""),
    ]
    if positive:
        checks.append((low <= 0, "low {2} is not positive", "Drop the row; nothing is filled."))
    for wrong, problem, hint in checks:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = [f"{from_e8(int(price)).normalize():f}" for price in prices[:, row]]
            frame.fail(problem.format(*shown), row=row, hint=hint)


def gap_frame(start_ns: Array, end_ns: Array, step_ns: int) -> pl.DataFrame:
    """Where bars are missing: `after`, `before` (UTC) and how many of `step_ns` are `missing` between."""
    return _gaps(start_ns, end_ns, np.rint((start_ns[1:] - end_ns[:-1]) / step_ns).astype(np.int64))


def weekday_gaps(bars: Bars) -> pl.DataFrame:
    """The same for bars of trading days that begin at their first price: weekdays without a bar."""
    until, since = ((instants // DAY_NS).astype("datetime64[D]") for instants in (bars.start_ns[1:], bars.end_ns[:-1]))
    return _gaps(bars.start_ns, bars.end_ns, np.busday_count(since, until))


def _gaps(start_ns: Array, end_ns: Array, missing: Array) -> pl.DataFrame:
    at = np.flatnonzero(missing > 0)
    utc = pl.Datetime("ns", "UTC")
    return pl.DataFrame(
        {
            "after": pl.Series(end_ns[at], dtype=pl.Int64).cast(utc),
            "before": pl.Series(start_ns[at + 1], dtype=pl.Int64).cast(utc),
            "missing": pl.Series(missing[at], dtype=pl.Int64),
        }
    )


def gap_caution(gaps: pl.DataFrame, step_ns: int) -> str:
    """The gaps in one sentence, empty where there is none."""
    if not gaps.height:
        return ""
    longest = gaps.row(int(np.argmax(gaps["missing"].to_numpy())), named=True)
    since = longest["after"].strftime("%Y-%m-%d %H:%M")
    return (
        f"{counted(int(gaps['missing'].sum()), f'missing {bar_name(step_ns)} bar')} "
        f"({counted(gaps.height, 'gap')}, longest "
        f"{longest['missing']:,} from {since}), not filled"
    )


def daily_closes(candles: Candles) -> tuple[Array, Array]:
    """Each day's end and last given close, a day being one of the frame's own clock.

    The day's end is the end of its last bar, so a bar that ends at midnight belongs to the day it closes.
    """
    ends = pl.Series(candles.end_ns - 1).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(candles.zone)
    days = ends.dt.date().cast(pl.Int32).to_numpy()
    last = np.flatnonzero(np.append(np.diff(days) != 0, True))
    return candles.end_ns[last], candles.prices_e8[3][last]


def period_text(start_ns: int, end_ns: int) -> str:
    """A half-open range of instants as text."""
    return f"{iso(start_ns)} .. {iso(end_ns)}"
