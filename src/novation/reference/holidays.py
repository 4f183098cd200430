"""United States holidays as CME keeps them, and the business days that are left.

Expiries, first notice days and trade dates count business days: weekdays that are none of the ten holidays below. On
most of those the exchange still trades for some hours (`reference.sessions`), but nothing settles and nothing expires.

Sources: CME holiday calendars as facts/cme.md §3 reads them; days of observance agree with the trade-date calendar of
pandas_market_calendars 5.5.0 from 2010 to 2028 (tests/reference_tables). A holiday on a Sunday is kept on the Monday,
on a Saturday on the Friday, except New Year's Day, whose Friday is still in the old year. Juneteenth since 2022.

Not modelled: closures that nobody could foresee (2001-09-11, a national day of mourning); those are rows of
`holidays.csv`.

>>> business_days_before(dt.date(2026, 12, 24), 3)
datetime.date(2026, 12, 21)
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from dataclasses import dataclass

_ONE = dt.timedelta(days=1)
_JUNETEENTH_SINCE = 2022

#: Years in which the employment report comes out on Good Friday: the first Friday of April, and no holiday week's
# shift.
#: Source: facts/cme.md §3; the list of pandas_market_calendars 5.5.0 agrees.
JOBS_REPORT_ON_GOOD_FRIDAY = frozenset({2010, 2012, 2015, 2021, 2023, 2026})


def nth_weekday(year: int, month: int, weekday: int, n: int) -> dt.date:
    """The nth (1, 2, ...) such weekday of a month; the last for n = -1.

    >>> nth_weekday(2026, 9, calendar.FRIDAY, 3)
    datetime.date(2026, 9, 18)
    """
    if n < 0:
        last = dt.date(year, month, calendar.monthrange(year, month)[1])
        return last - _ONE * ((last.weekday() - weekday) % 7)
    first = dt.date(year, month, 1)
    return first + _ONE * ((weekday - first.weekday()) % 7 + 7 * (n - 1))


def easter(year: int) -> dt.date:
    """Easter Sunday of the Gregorian calendar, 1583 on (the algorithm of Meeus, Jones and Butcher).

    >>> easter(2026)
    datetime.date(2026, 4, 5)
    """
    golden, century, rest = year % 19, year // 100, year % 100
    leap_centuries, shift = divmod(century, 4)
    moon = (19 * golden + century - leap_centuries - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * shift + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return dt.date(year, month, day + 1)


def _observed(day: dt.date) -> dt.date:
    return day - _ONE if day.weekday() == calendar.SATURDAY else day + _ONE if day.weekday() == calendar.SUNDAY else day


@functools.cache
def holidays(year: int) -> dict[dt.date, str]:
    """The holidays observed in a year, by date: no business day among them.

    >>> [name for day, name in holidays(2026).items() if day == dt.date(2026, 7, 3)]
    ['independence_day']
    """
    days = {
        "martin_luther_king_day": nth_weekday(year, 1, calendar.MONDAY, 3),
        "presidents_day": nth_weekday(year, 2, calendar.MONDAY, 3),
        "good_friday": easter(year) - 2 * _ONE,
        "memorial_day": nth_weekday(year, 5, calendar.MONDAY, -1),
        "independence_day": _observed(dt.date(year, 7, 4)),
        "labor_day": nth_weekday(year, 9, calendar.MONDAY, 1),
        "thanksgiving_day": nth_weekday(year, 11, calendar.THURSDAY, 4),
        "christmas_day": _observed(dt.date(year, 12, 25)),
    }
    if dt.date(year, 1, 1).weekday() != calendar.SATURDAY:
        days["new_years_day"] = _observed(dt.date(year, 1, 1))
    if year >= _JUNETEENTH_SINCE:
        days["juneteenth"] = _observed(dt.date(year, 6, 19))
    return {day: name for name, day in sorted(days.items(), key=lambda item: item[1])}


@dataclass(frozen=True)
class BusinessDays:
    """The weekdays on which an exchange clears: all but its holidays.

    closed: days without business, for an exchange whose holidays are given as dates; None: the United States' rules.
    """

    closed: frozenset[dt.date] | None = None

    def is_open(self, day: dt.date) -> bool:
        """Whether a day is a business day."""
        closed = holidays(day.year) if self.closed is None else self.closed
        return day.weekday() < calendar.SATURDAY and day not in closed


UNITED_STATES = BusinessDays()


@functools.lru_cache(maxsize=64)
def business_days_of(text: str) -> BusinessDays:
    """The calendar that a row of `products.csv` names: `us`, or the closed days as ISO dates with spaces between.

    >>> business_days_of("2026-12-24 2026-12-25").is_open(dt.date(2026, 12, 24))
    False
    """
    return UNITED_STATES if text == "us" else BusinessDays(frozenset(map(dt.date.fromisoformat, text.split())))


def is_business_day(day: dt.date, days: BusinessDays = UNITED_STATES) -> bool:
    """Whether a day is a weekday and no holiday."""
    return days.is_open(day)


def business_day_on_or_before(day: dt.date, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The day itself where it is a business day, else the nearest before it."""
    while not days.is_open(day):
        day -= _ONE
    return day


def business_day_on_or_after(day: dt.date, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The day itself where it is a business day, else the nearest after it."""
    while not days.is_open(day):
        day += _ONE
    return day


def business_days_before(day: dt.date, count: int, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The business day so many before a day, which need not be one itself; the day for 0."""
    for _ in range(count):
        day = business_day_on_or_before(day - _ONE, days)
    return day


def business_days_after(day: dt.date, count: int, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The business day so many after a day, which need not be one itself; the day for 0."""
    for _ in range(count):
        day = business_day_on_or_after(day + _ONE, days)
    return day


def last_business_day(year: int, month: int, n: int = 1, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The nth last business day of a month: 1 is the last.

    >>> last_business_day(2026, 12, 3)
    datetime.date(2026, 12, 29)
    """
    return business_days_before(dt.date(year + month // 12, month % 12 + 1, 1), n, days)
