"""A product's calendar for people: the sessions of a range of days, and a month at a glance.

Sessions come from `reference.sessions`, expiries and lead months from `reference.products`; this module only lays them
out.
"""

from __future__ import annotations

import calendar as _days
import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from novation.domain.errors import InvalidInput
from novation.domain.units import NS, to_ns, utc_date
from novation.reference.lookup import Reference
from novation.reference.products import expiry as last_day
from novation.reference.products import lead_month, listed, month_symbol, notice, product_row
from novation.reference.sessions import Session, closed_days, sessions, special_day

_ONE = dt.timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """The sessions of a product whose day lies in [start, end), and what falls on days without one."""

    id: str
    zone: str  #: IANA name, in which it is shown
    names: bool  #: whether special days have the names of the United States' holidays
    start: dt.date
    end: dt.date
    sessions: tuple[Session, ...]
    closed: dict[dt.date, str]  #: weekdays without a session, and why
    events: dict[dt.date, tuple[str, ...]]  #: last trading days, first notice days, changes of the lead month

    def to_dict(self) -> list[dict[str, Any]]:
        """One mapping a session, instants in UTC."""
        return [session.to_dict() for session in self.sessions]

    def __str__(self) -> str:
        """A month after another: weekdays, `*` an early close, `-` closed, then the special days in words."""
        months = sorted({(day.year, day.month) for day in (self.start, self.end - _ONE)})
        first, last = months[0], months[-1]
        count = (last[0] - first[0]) * 12 + last[1] - first[1] + 1
        every = [divmod(first[0] * 12 + first[1] - 1 + i, 12) for i in range(count)]
        return "\n\n".join(self._month(year, month + 1) for year, month in every)

    def _month(self, year: int, month: int) -> str:
        by_day = {session.day: session for session in self.sessions}
        lines = [f"{self.id}  {_days.month_name[month]} {year}, {self.zone}", "   Mo   Tu   We   Th   Fr"]
        for week in _days.Calendar().monthdatescalendar(year, month):
            cells = []
            for day in week[:5]:
                known = day.month == month and self.start <= day < self.end
                session = by_day.get(day)
                mark = " " if session and not session.early_close else "*" if session else "-"
                cells.append(f"{day.day:>4}{mark}" if known else " " * 5)
            if any(cell.strip() for cell in cells):
                lines.append(" " + "".join(cells).rstrip())
        inside = [session for session in self.sessions if (session.day.year, session.day.month) == (year, month)]
        usual: dict[tuple[str, str], int] = {}
        for session in inside:
            if not session.early_close:
                usual.setdefault(self._hours(session), len(usual))
        for hours in usual:
            lines.append(f"  {hours[0]} to {hours[1]}")
        for day in (dt.date(year, month, n) for n in range(1, _days.monthrange(year, month)[1] + 1)):
            lines += [f"  {day.day:>2} {day:%a}  {text}" for text in self._notes(day, by_day.get(day))]
        return "\n".join(lines)

    def _clock(self, ns: int) -> str:
        return f"{dt.datetime.fromtimestamp(ns // NS, ZoneInfo(self.zone)):%H:%M}"

    def _hours(self, session: Session) -> tuple[str, str]:
        opens = dt.datetime.fromtimestamp(session.open_ns // NS, ZoneInfo(self.zone))
        evening = " the evening before" if opens.date() < session.day else ""
        pauses = "".join(f", pause {self._clock(start)}-{self._clock(end)}" for start, end in session.pauses)
        return f"{opens:%H:%M}{evening}", self._clock(session.close_ns) + pauses

    def _notes(self, day: dt.date, session: Session | None) -> list[str]:
        notes = []
        if session and (session.early_close or session.holiday):
            reason = special_day(day) if self.names else ""
            name = f"{_words(reason)}, " if reason else ""
            to = f", of trade date {session.trade_date}" if session.trade_date != day else ""
            notes.append(f"{name}closes {self._clock(session.close_ns)}{to}")
        if day in self.closed:
            notes.append(f"closed: {_words(self.closed[day])}")
        return notes + list(self.events.get(day, ()))


def calendar(symbol: str, start: Any, end: Any, *, reference: Reference | None = None) -> Calendar:
    """When a product trades on the days of [start, end): a list of sessions by `to_dict()`, a month view as text.

    start, end: dates or ISO text. Raises `UnknownInstrument`, `NoRuleInForce` for a day that no table reaches.

    >>> [str(s.trade_date) for s in calendar("ES", "2026-11-25", "2026-11-28").sessions]
    ['2026-11-25', '2026-11-27', '2026-11-27']
    """
    known = reference or Reference.default()
    first, after = (utc_date(to_ns(given, source=name)) for given, name in ((start, "start"), (end, "end")))
    if after <= first:
        raise InvalidInput(
            "the range is empty", source=symbol, where=f"{first} to {after}", hint="The end is not in it."
        )
    id = known.resolve(symbol, on_ns=to_ns(first))
    venue, _, code = id.partition(":")
    if venue != "cme":
        raise InvalidInput("trades at all hours: only dated futures have a calendar", source=id)
    root = code if known.is_rolled(id) else code[:-5]
    last = after - _ONE
    row = product_row(known, root, first)
    found = sessions(known, root, first, last)
    closed, events = closed_days(known, root, first, last), _events(known, root, first, last)
    return Calendar(f"cme:{root}", row["zone"], row["calendar"] == "us", first, after, found, closed, events)


def _events(reference: Reference, root: str, first: dt.date, last: dt.date) -> dict[dt.date, tuple[str, ...]]:
    row = product_row(reference, root, first)
    events: dict[dt.date, tuple[str, ...]] = {}

    def add(day: dt.date | None, text: str) -> None:
        if day is not None and first <= day <= last:
            events[day] = (*events.get(day, ()), text)

    days = [*(first + dt.timedelta(i) for i in range(0, (last - first).days + 1, 28)), last]
    months = sorted({month for day in days for month in listed(product_row(reference, root, day), day)})
    for month in months:
        name = month_symbol(root, month)
        add(last_day(row, month), f"{name} last trading day, {row['last_time']}")
        add(notice(row, month), f"{name} first notice day")
    leads = (lead_month(row, first + _ONE * i) for i in range(-1, (last - first).days + 1))
    for i, (before, now) in enumerate(itertools.pairwise(leads)):
        if now != before:
            add(first + _ONE * i, f"{month_symbol(root, now)} leads")
    return events


def _words(name: str) -> str:
    return name.replace("_", " ").replace("years", "year's").replace("presidents", "presidents'").capitalize()
