"""The calendar of Binance's USDⓈ-M quarterlies: which day each is delivered, and which are listed when.

A quarterly is `PAIR_YYMMDD`, delivered on the last Friday of March, June, September or December at 08:00 UTC; after one
is delivered the one after the next is listed (contract specification; facts/binance.md §13), so that two are: the
current and the next quarter. Not modelled: deliveries that were postponed, and listings hours before the delivery.

>>> listed("BTCUSDT", to_ns("2026-11-22"))
('BTCUSDT_261225', 'BTCUSDT_270326')
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterator

from novation.domain.units import HOUR_NS, NS, to_ns

_MONTHS = (3, 6, 9, 12)
_HOUR = 8


def last_friday(year: int, month: int) -> dt.date:
    """The last Friday of a month.

    >>> last_friday(2026, 12)
    datetime.date(2026, 12, 25)
    """
    day = calendar.monthrange(year, month)[1]
    return dt.date(year, month, day - (dt.date(year, month, day).weekday() - calendar.FRIDAY) % 7)


def delivery_day(digits: str) -> dt.date | None:
    """The day that YYMMDD names, if quarterlies are delivered on it, else None.

    >>> delivery_day("261225"), delivery_day("261224")
    (datetime.date(2026, 12, 25), None)
    """
    year, month, day = 2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if month not in _MONTHS or last_friday(year, month).day != day:
        return None
    return dt.date(year, month, day)


def delivery_ns(digits: str) -> int:
    """The instant at which the quarterly of YYMMDD is delivered; the day is known to be one."""
    day = delivery_day(digits)
    assert day is not None, digits
    return to_ns(day) + _HOUR * HOUR_NS


def deliveries(at_ns: int) -> Iterator[str]:
    """YYMMDD of the deliveries after an instant, one after another; one that falls on it is over."""
    year = dt.datetime.fromtimestamp(at_ns // NS, dt.UTC).year
    while True:
        for month in _MONTHS:
            digits = last_friday(year, month).strftime("%y%m%d")
            if delivery_ns(digits) > at_ns:
                yield digits
        year += 1


def is_quarterly(id: str) -> bool:
    """Whether a public id names a quarterly.

    >>> is_quarterly("binance_um:BTCUSDT_261225"), is_quarterly("binance_um:BTCUSDT")
    (True, False)
    """
    pair, _, digits = id.rpartition("_")
    return bool(pair) and len(digits) == 6 and digits.isdigit() and delivery_day(digits) is not None


def listed(pair: str, at_ns: int) -> tuple[str, str]:
    """The symbols of the current and of the next quarter at an instant."""
    ahead = deliveries(at_ns)
    return f"{pair}_{next(ahead)}", f"{pair}_{next(ahead)}"


def listing_ns(digits: str) -> int:
    """When the quarterly of YYMMDD is listed: when the one two quarters before it is delivered.

    >>> listing_ns("261225") == delivery_ns("260626")
    True
    """
    before = [d for year in (-1, 0) for d in _of_year(2000 + int(digits[:2]) + year) if d < digits]
    return delivery_ns(before[-2])


def _of_year(year: int) -> list[str]:
    return [last_friday(year, month).strftime("%y%m%d") for month in _MONTHS]
