"""When to leave a contract for the next: by the exchange's lead month, by days before expiry, by first notice.

| rule | leaves on |
|---|---|
| `lead` | the trade date on which the month stops to lead (`reference.products.lead_until`) |
| `days:N` | so many calendar days before the last trading day; `days:8` is the old convention of index futures |
| `expiry:N` | so many business days before the last trading day |
| `notice:N` | so many business days before first notice |

A day that is no business day becomes the one before it. Rules by volume or open interest look at data
(`data.crossover`). Source: facts/cme.md §9.

>>> from novation.reference.lookup import Reference
>>> [(str(roll.day), roll.old, roll.new) for roll in rolls(Reference(), "ES", "2026-06-01", "2026-10-01")]
[('2026-06-15', 202606, 202609), ('2026-09-14', 202609, 202612)]
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from novation.domain.errors import InvalidInput
from novation.domain.units import to_ns, utc_date
from novation.reference.expiries import month_before
from novation.reference.holidays import business_day_on_or_before, business_days_before, business_days_of
from novation.reference.products import expiry, lead_until, notice, product_row
from novation.reference.symbols import MONTHS

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

_COUNT = re.compile("[0-9]{1,4}")
RULES = ("lead", "days:N", "expiry:N", "notice:N")


class Roll(NamedTuple):
    """On trade date `day` the held contract month changes."""

    day: dt.date
    old: int
    new: int


def is_rule(rule: str) -> bool:
    """Whether a text is one of `RULES`.

    >>> is_rule("days:8"), is_rule("volume")
    (True, False)
    """
    kind, _, digits = rule.partition(":")
    return rule == "lead" or (kind in ("days", "expiry", "notice") and _COUNT.fullmatch(digits) is not None)


def leave_day(row: Mapping[str, Any], month: int, rule: str = "lead") -> dt.date:
    """The trade date from which a month is no longer held. Raises `InvalidInput` for a rule that is none."""
    days = business_days_of(row["calendar"])
    if rule == "lead":
        return business_day_on_or_before(lead_until(row, month), days)
    if not is_rule(rule):
        raise InvalidInput("is no roll rule", source="rule", value=rule, hint=f"Rules: {', '.join(RULES)}.")
    kind, _, digits = rule.partition(":")
    count = int(digits)
    if kind == "days":
        return business_day_on_or_before(expiry(row, month) - dt.timedelta(count), days)
    ends = expiry(row, month) if kind == "expiry" else notice(row, month)
    if ends is None:
        raise InvalidInput("has no first notice", source=row["name"], where=rule, hint="Use lead, days:N or expiry:N.")
    return business_days_before(ends, count, days)


def held_month(row: Mapping[str, Any], day: dt.date, rule: str = "lead", cycle: str = "") -> int:
    """The contract month held on a trade date. cycle: letters of the months that are held; else the active ones."""
    letters = _letters(row, cycle)
    month = month_before(day.year * 100 + day.month, 2)
    while MONTHS[month % 100 - 1] not in letters or leave_day(row, month, rule) <= day:
        month = month_before(month, -1)
    return month


def next_month(row: Mapping[str, Any], month: int, cycle: str = "") -> int:
    """The month of the cycle after one."""
    letters = _letters(row, cycle)
    later = (month_before(month, -i) for i in itertools.count(1))
    return next(m for m in later if MONTHS[m % 100 - 1] in letters)


def rolls(
    reference: Reference, root: str, first: Any, last: Any, rule: str = "lead", cycle: str = ""
) -> tuple[Roll, ...]:
    """The rolls of a product on trade dates in [first, last), ascending.

    first, last: dates or ISO text. cycle: letters of the months held ("Z": Decembers only); else the active ones.
    Raises `InvalidInput` for a rule or a cycle that is none, `NoRuleInForce` for a product no table knows on a day.
    """
    begin, end = utc_date(to_ns(first, source="first")), utc_date(to_ns(last, source="last"))
    row = product_row(reference, root, begin)
    month = held_month(row, begin - dt.timedelta(1), rule, cycle)
    found: list[Roll] = []
    while (day := leave_day(row, month, rule)) < end:
        after = next_month(row, month, cycle)
        if day >= begin:
            found.append(Roll(day, month, after))
        month = after
        row = product_row(reference, root, max(begin, day))
    return tuple(found)


def _letters(row: Mapping[str, Any], cycle: str) -> str:
    """The letters of the months held: the product's active ones, or a cycle of months that it lists."""
    known = MONTHS if row["serials"] else row["cycle"]
    odd = [letter for letter in cycle if letter not in known]
    if odd:
        hint = f"Months: {known}."
        raise InvalidInput(f"has no month {odd[0]!r}", source=row["name"], where="cycle", value=cycle, hint=hint)
    return cycle or str(row["active"])
