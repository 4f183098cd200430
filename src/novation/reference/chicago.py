"""Chicago time of day to instants: the one place where CME's clock meets UTC."""

from __future__ import annotations

import datetime as dt
import functools
from zoneinfo import ZoneInfo

from novation.domain.units import NS

ZONE = ZoneInfo("America/Chicago")


@functools.lru_cache(maxsize=1 << 15)
def chicago_ns(day: dt.date, time: str) -> int:
    """A day's time of day, HH:MM or HH:MM:SS, in ns UTC; no time of the exchange is one that daylight saving skips.

    >>> chicago_ns(dt.date(2026, 1, 2), "17:00") // NS == 1767394800  # 23:00 UTC
    True
    """
    moment = dt.datetime.combine(day, dt.time.fromisoformat(time), ZONE)
    return round(moment.timestamp()) * NS
