"""An exchange's time of day to instants: the one place where its clock meets UTC."""

from __future__ import annotations

import datetime as dt
import functools
from zoneinfo import ZoneInfo

from novation.domain.units import NS

CHICAGO = "America/Chicago"


@functools.lru_cache(maxsize=1 << 15)
def instant_ns(day: dt.date, time: str, zone: str = CHICAGO) -> int:
    """A day's time of day, HH:MM or HH:MM:SS, in ns UTC; no time of an exchange is one that daylight saving skips.

    >>> instant_ns(dt.date(2026, 1, 2), "17:00") // NS == 1767394800  # 23:00 UTC
    True
    """
    moment = dt.datetime.combine(day, dt.time.fromisoformat(time), ZoneInfo(zone))
    return round(moment.timestamp()) * NS
