"""By when a broker wants a physically delivered future closed, and closes it where it is not.

A retail account can neither take nor make delivery: Interactive Brokers wants longs out before the second business day
ahead of first notice (Treasuries: the day ahead of it) and shorts before the second business day ahead of the last
trading day, and may liquidate from then on (its close-out pages; facts/cme.md §9). Assumed: it does so when regular
hours begin, again on each later day; that energy and currencies, whose notices come later or never, are closed by the
rule for shorts.

Not modelled: that after the deadline for longs a new long is refused at once (it is closed the next day).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from novation.domain.enums import Side
from novation.domain.instruments import Instrument
from novation.domain.units import utc_date
from novation.reference.expiries import first_notice_day, last_trading_day
from novation.reference.holidays import business_days_before, business_days_of
from novation.reference.sessions import sessions

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

_ONE = dt.timedelta(days=1)


class CloseOut(NamedTuple):
    """From `ts_ns` the broker closes positions of one side: `Side.BUY` means longs."""

    ts_ns: int
    side: Side


def close_out_days(row: Mapping[str, Any], month: int) -> dict[Side, dt.date]:
    """The first day on which longs and shorts of a contract are closed; none where it is settled in cash.

    >>> gold = {"settlement": "physical", "group": "metals", "notice": "month_before", "calendar": "us"}
    >>> found = close_out_days(gold | {"last_day": "third_last_business_day"}, 202612)
    >>> [str(day) for day in found.values()]
    ['2026-11-25', '2026-12-24']
    """
    if row["settlement"] == "cash":
        return {}
    days = business_days_of(row["calendar"])
    short = business_days_before(last_trading_day(row["last_day"], month, days), 2, days)
    notice = first_notice_day(row["last_day"], row["notice"], month, days)
    if notice is None:
        return {Side.BUY: short, Side.SELL: short}
    long = business_days_before(notice, 1 if row["group"] == "rates" else 2, days)
    return {Side.BUY: min(long, short), Side.SELL: short}


def close_outs(reference: Reference, instrument: Instrument, before_ns: int) -> tuple[CloseOut, ...]:
    """When a broker closes what is left of a contract, before an instant: at the regular opening of each day from the
    deadline to the last."""
    if not instrument.contract_month or not reference.known("cme/products", instrument.root):
        return ()
    rule = reference.rule("cme/products", instrument.root, instrument.deliver_ns, in_part=True)
    latest = reference.latest_row("cme/products", instrument.root)
    assert latest is not None, instrument.root
    row = rule.row if rule is not None else latest[0]
    month = instrument.contract_month
    days = business_days_of(row["calendar"])
    last = last_trading_day(row["last_day"], month, days)
    ahead = utc_date(before_ns)
    found = []
    for side, first in close_out_days(row, month).items():
        for day in (first + _ONE * i for i in range((min(last, ahead) - first).days + 1)):
            if days.is_open(day):
                found += [
                    CloseOut(session.rth[0], side)
                    for session in sessions(reference, instrument.root, day, day)
                    if session.rth and session.rth[0] < before_ns
                ]
    return tuple(sorted(found))
