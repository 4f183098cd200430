"""When a product trades: its sessions, one after another, out of dated rules and dated exceptions.

A session is what trades between two long closes: it opens the evening before its day, and most close at 16:00 Chicago
time. `sessions.csv` has the regular hours of a product group by trade date, `holidays.csv` the earlier closes, each
with its source; nothing here knows an hour. Instants follow the product's zone, so a summer's opening is an hour
earlier in UTC.

The trade date of a session is the business day it is cleared on: that of a holiday, of a holiday session until noon, or
of a morning without regular hours is the next business day, whose settlement takes both (facts/cme.md §3). Libraries
label such a session by its own day; here that is `Session.day`.

Not modelled: sessions that an outage cut short (2025-11-28), products with hours of their own.

>>> from novation.domain.units import iso
>>> from novation.reference.lookup import Reference
>>> night = sessions(Reference(), "ES", dt.date(2026, 11, 26), dt.date(2026, 11, 26))[0]  # Thanksgiving
>>> iso(night.open_ns), iso(night.close_ns), str(night.trade_date), night.holiday
('2026-11-25 23:00', '2026-11-26 18:00', '2026-11-27', 'thanksgiving_day')
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novation.domain.errors import InvalidInput
from novation.domain.units import NS, to_ns
from novation.reference.holidays import (
    JOBS_REPORT_ON_GOOD_FRIDAY,
    business_day_on_or_after,
    business_days_of,
    holidays,
    nth_weekday,
)
from novation.reference.local_time import instant_ns

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

CLOSED = "closed"
REGULAR = "regular"  #: in the place of a close: from then on the day is like others
_ONE = dt.timedelta(days=1)
_LONG_CLOSURES = ("new_years_day", "good_friday", "christmas_day")
_MONDAYS = ("martin_luther_king_day", "presidents_day", "memorial_day", "labor_day")


@dataclass(frozen=True)
class Session:
    """One session; instants in ns UTC.

    day: the calendar day on which it closes. trade_date: the business day it is cleared on. pauses: the breaks inside
    it. rth: regular trading hours, None where the session has none. settlement_ns: the end of the window of the daily
    settlement, None where nothing settles. holiday: the holiday's name, empty on other days. pre_open_ns: from when on
    orders are taken ahead of the opening, None where that is not known.
    """

    day: dt.date
    trade_date: dt.date
    open_ns: int
    close_ns: int
    pauses: tuple[tuple[int, int], ...]
    rth: tuple[int, int] | None
    early_close: bool
    holiday: str
    settlement_ns: int | None
    pre_open_ns: int | None = None

    @property
    def orders_from_ns(self) -> int:
        """From when on orders are taken, as far as is known: the pre-open, else the opening."""
        return self.open_ns if self.pre_open_ns is None else self.pre_open_ns

    def to_dict(self) -> dict[str, Any]:
        """As `novation calendar --json` shows it."""
        return {
            "trade_date": str(self.trade_date),
            "day": str(self.day),
            "open": _utc(self.open_ns),
            "close": _utc(self.close_ns),
            "breaks": [{"start": _utc(start), "end": _utc(end)} for start, end in self.pauses],
            "rth_open": _utc(self.rth[0]) if self.rth else None,
            "rth_close": _utc(self.rth[1]) if self.rth else None,
            "early_close": self.early_close,
            "holiday": bool(self.holiday),
            "holiday_name": self.holiday or None,
            "settlement": _utc(self.settlement_ns) if self.settlement_ns is not None else None,
        }


def sessions(reference: Reference, root: str, first: dt.date, last: dt.date) -> tuple[Session, ...]:
    """The sessions whose day lies in [first, last], ascending.

    Raises `UnknownInstrument`, or `NoRuleInForce` where the tables do not reach a day of the range.
    """
    if last < first:
        raise InvalidInput("the range is empty", source=root, where=f"{first} to {last}")
    product = _row(reference, "cme/products", root, first)
    found = []
    day = first
    while day <= last:
        session = _session(reference, root, product, day)
        if session is not None:
            found.append(session)
        day += _ONE
    return tuple(found)


def closed_days(reference: Reference, root: str, first: dt.date, last: dt.date) -> dict[dt.date, str]:
    """Weekdays of a range on which a product does not trade at all, with the reason."""
    product = _row(reference, "cme/products", root, first)
    group = product["group"]
    days = (first + _ONE * i for i in range((last - first).days + 1))
    return {
        day: (special_day(day) if product["calendar"] == "us" else "") or "closed"
        for day in days
        if day.weekday() < calendar.SATURDAY
        and (row := _special(reference, group, day)) is not None
        and row["close"] == CLOSED
    }


def special_day(day: dt.date) -> str:
    """The name under which a day's hours may differ, as `holidays.csv` spells it; empty for an ordinary day.

    >>> special_day(dt.date(2026, 4, 3)), special_day(dt.date(2026, 7, 2)), special_day(dt.date(2026, 11, 27))
    ('good_friday', '', 'day_after_thanksgiving')
    """
    if name := holidays(day.year).get(day, ""):
        return name
    tomorrow = day + _ONE
    after = holidays(tomorrow.year).get(tomorrow, "")
    if after == "christmas_day" and tomorrow.day == 25:
        return "christmas_eve"
    if after == "independence_day" and tomorrow.day == 4:
        return "independence_eve"
    if holidays(day.year).get(day - _ONE) == "thanksgiving_day":
        return "day_after_thanksgiving"
    if day.weekday() == calendar.FRIDAY:
        monday = day + 3 * _ONE
        if holidays(monday.year).get(monday) in _MONDAYS:
            return "friday_before_holiday"
        if monday == nth_weekday(monday.year, 10, calendar.MONDAY, 2):
            return "friday_before_columbus_day"
    return ""


def _session(reference: Reference, root: str, product: Mapping[str, Any], day: dt.date) -> Session | None:
    group, at = product["group"], functools.partial(instant_ns, zone=product["zone"])
    hours = _row(reference, "cme/sessions", group, day)
    if day.weekday() >= calendar.SATURDAY:
        return None
    special = _special(reference, group, day)
    close_text = special["close"] if special else hours["close"]
    if close_text == CLOSED:
        return None
    close = at(day, close_text)
    start, pauses = _opening(reference, product, day, hours)
    if special and special["open"]:
        start, pauses = at(day - _ONE, special["open"]), []
    if hours["pause_start"]:
        pause = at(day, hours["pause_start"]), at(day, hours["pause_end"])
        if start < pause[0] and pause[1] < close:
            pauses.append(pause)
    name = special_day(day) if product["calendar"] == "us" else ""
    holiday = name if name in holidays(day.year).values() else ""
    rth_open, rth_close = at(day, hours["rth_open"]), min(close, at(day, hours["rth_close"]))
    regular = not holiday and rth_open < rth_close
    return Session(
        day=day,
        trade_date=day if regular else _next_trade_date(reference, product, day),
        open_ns=start,
        close_ns=close,
        pauses=tuple(pauses),
        rth=(rth_open, rth_close) if regular else None,
        early_close=close_text < hours["close"],
        holiday=holiday,
        settlement_ns=_settlement(reference, root, product, day, close) if regular else None,
        pre_open_ns=_pre_open(product, day, hours, start),
    )


def _opening(
    reference: Reference, product: Mapping[str, Any], day: dt.date, hours: Mapping[str, Any]
) -> tuple[int, list[tuple[int, int]]]:
    """Where a session opens (the evening before, if that is later in the day than its close), and the pause of that
    evening.

    Until 2012 equity index futures opened at 15:30 after a full day, and paused until the evening's usual opening.
    """
    at = functools.partial(instant_ns, zone=product["zone"])
    if hours["open"] < hours["close"]:
        return at(day, hours["open"]), []
    before = day - _ONE
    if hours["pause_start"] <= hours["close"]:
        return at(before, hours["open"]), []
    special = _special(reference, product["group"], before)
    full = before.weekday() < calendar.SATURDAY and (special is None or special["close"] >= hours["close"])
    pause = at(before, hours["pause_start"]), at(before, hours["pause_end"])
    if full and (special is None or special["close"] != CLOSED):
        return at(before, hours["open"]), [pause]
    return pause[1], []


def _pre_open(product: Mapping[str, Any], day: dt.date, hours: Mapping[str, Any], start: int) -> int | None:
    """From when on orders are taken, on the day on which a session opens or, by a time after the close, the evening
    before; None where that is not known.
    """
    zone = product["zone"]
    evening = start < instant_ns(day, "00:00", zone) or hours["open"] < hours["close"] < hours["pre_open"]
    taken = day - _ONE if evening else day
    text = hours["pre_open_sunday" if taken.weekday() == calendar.SUNDAY else "pre_open"]
    if not text:
        return None
    found = instant_ns(taken, text, zone)
    return found if found < start else None


def _next_trade_date(reference: Reference, product: Mapping[str, Any], day: dt.date) -> dt.date:
    """The first business day after a day whose session reaches regular hours."""
    days = business_days_of(product["calendar"])
    while True:
        day = business_day_on_or_after(day + _ONE, days)
        special = _special(reference, product["group"], day)
        hours = reference.rule("cme/sessions", product["group"], to_ns(day), in_part=True)
        if special is None or hours is None or hours.row["rth_open"] < special["close"] != CLOSED:
            return day


def _settlement(reference: Reference, root: str, product: Mapping[str, Any], day: dt.date, close_ns: int) -> int:
    """The end of the settlement window; on a day cut short where the row says, at the latest at the close."""
    row = _row(reference, "cme/settlements", root, day)
    end = instant_ns(day, row["end"], product["zone"])
    if close_ns < end and row["early_end"]:
        end = instant_ns(day, row["early_end"], product["zone"])
    return min(end, close_ns)


def _special(reference: Reference, group: str, day: dt.date) -> Mapping[str, Any] | None:
    """The row of `holidays.csv` for a day: of the date itself, else of the holiday's name; None on ordinary days."""
    own = reference.rule("cme/holidays", f"{group} {day}", to_ns(day), in_part=True)
    if own is not None and own.effective_ns == to_ns(day):
        return own.row
    name = special_day(day)
    names = [name] if name else []
    if name == "good_friday" and day.year in JOBS_REPORT_ON_GOOD_FRIDAY:
        names.insert(0, "good_friday_jobs_report")
    elif name in holidays(day.year).values() and name not in _LONG_CLOSURES and day.weekday() == calendar.FRIDAY:
        names.insert(0, "holiday_on_friday")
    rules = (reference.rule("cme/holidays", f"{group} {known}", to_ns(day), in_part=True) for known in names)
    row = next((rule.row for rule in rules if rule is not None), None)
    return None if row is None or row["close"] == REGULAR else row


def _row(reference: Reference, table: str, key: str, day: dt.date) -> Mapping[str, Any]:
    return reference.required(table, key, to_ns(day), in_part=True).row


def _utc(ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ns // NS, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
