"""When a CME contract stops trading, when its notices begin, when it is settled: each rule of the rule book by its
name.

`products.csv` names a rule per product; the arithmetic is here. A contract month is YYYYMM. Sources: facts/cme.md §1
(last-day rules of the specification pages and of QuantConnect Lean's FuturesExpiryFunctions; first notice days checked
against a broker's list of 2026). Business days are those of `reference.holidays`.

Not modelled: a last day that the exchange moved by notice; first position days of metals are unverified.

>>> last_trading_day("oil", 202701)
datetime.date(2026, 12, 21)
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable

from novation.reference.holidays import (
    UNITED_STATES,
    BusinessDays,
    business_day_on_or_before,
    business_days_after,
    business_days_before,
    last_business_day,
    nth_weekday,
)

#: From a contract month (YYYYMM) and the exchange's business days to a day.
Rule = Callable[[int, BusinessDays], dt.date]


def month_before(month: int, count: int = 1) -> int:
    """The contract month (YYYYMM) so many calendar months earlier; negative counts go forward.

    >>> month_before(202701), month_before(202612, -1)
    (202612, 202701)
    """
    year, index = divmod(month // 100 * 12 + month % 100 - 1 - count, 12)
    return year * 100 + index + 1


def _split(month: int) -> tuple[int, int]:
    return month // 100, month % 100


def _third_friday(month: int, days: BusinessDays) -> dt.date:
    """The third Friday; on a holiday the business day before (June 2026: Thursday 18)."""
    return business_day_on_or_before(nth_weekday(*_split(month), calendar.FRIDAY, 3), days)


def _before_third_wednesday(count: int) -> Rule:
    def rule(month: int, days: BusinessDays) -> dt.date:
        return business_days_before(nth_weekday(*_split(month), calendar.WEDNESDAY, 3), count, days)

    return rule


def _third_last_business_day(month: int, days: BusinessDays) -> dt.date:
    return last_business_day(*_split(month), 3, days)


def _oil(month: int, days: BusinessDays) -> dt.date:
    """Three business days before the 25th of the month before, or before the last business day ahead of it."""
    year, before = _split(month_before(month))
    limit = dt.date(year, before, 25)
    if not days.is_open(limit):
        limit = business_days_before(limit, 1, days)
    return business_days_before(limit, 3, days)


def _micro_oil(month: int, days: BusinessDays) -> dt.date:
    return business_days_before(_oil(month, days), 1, days)


def _gas(month: int, days: BusinessDays) -> dt.date:
    return last_business_day(*_split(month_before(month)), 3, days)


def _seven_before_month_end(month: int, days: BusinessDays) -> dt.date:
    """The seventh business day before the last business day of the month."""
    return business_days_before(last_business_day(*_split(month), 1, days), 7, days)


def _month_end(month: int, days: BusinessDays) -> dt.date:
    return last_business_day(*_split(month), 1, days)


#: Last trading day by rule name, as `products.csv` names it.
LAST_DAYS: dict[str, Rule] = {
    "third_friday": _third_friday,
    "two_before_third_wednesday": _before_third_wednesday(2),
    "one_before_third_wednesday": _before_third_wednesday(1),
    "third_last_business_day": _third_last_business_day,
    "oil": _oil,
    "micro_oil": _micro_oil,
    "gas": _gas,
    "seven_before_month_end": _seven_before_month_end,
    "month_end": _month_end,
}


def last_trading_day(rule: str, month: int, days: BusinessDays = UNITED_STATES) -> dt.date:
    """The last day on which a contract trades. KeyError: no such rule."""
    return LAST_DAYS[rule](month, days)


def first_notice_day(rule: str, notice: str, month: int, days: BusinessDays = UNITED_STATES) -> dt.date | None:
    """The first day on which a holder can be assigned delivery; None where there are no notices.

    notice: "month_before" (the last business day of the month before the contract month), "after:N" (N business days
    after the last trading day), or "none".

    >>> first_notice_day("oil", "after:2", 202612), first_notice_day("month_end", "month_before", 202612)
    (datetime.date(2026, 11, 24), datetime.date(2026, 11, 30))
    """
    if notice == "none":
        return None
    if notice == "month_before":
        return last_business_day(*_split(month_before(month)), 1, days)
    return business_days_after(last_trading_day(rule, month, days), int(notice.removeprefix("after:")), days)


def first_position_day(notice: str, month: int, days: BusinessDays = UNITED_STATES) -> dt.date | None:
    """Two business days before the contract month begins (Treasuries; metals: unverified); None where there is none."""
    if notice != "month_before":
        return None
    return business_days_before(dt.date(month // 100, month % 100, 1), 2, days)
