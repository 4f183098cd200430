"""By when a broker closes what is held of a deliverable future."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from novation.domain.enums import Side
from novation.domain.units import NS, to_ns
from novation.reference.close_out import close_out_days, close_outs
from novation.reference.lookup import Reference
from novation.reference.products import expiry, listed, notice, product_row

ZONE = ZoneInfo("America/Chicago")

REFERENCE = Reference()
ON = dt.date(2026, 7, 1)
LATE = to_ns("2027-06-01")


@pytest.mark.parametrize(
    ("root", "month", "long", "short"),
    [
        ("GC", 202612, "2026-11-25", "2026-12-24"),  # notice on Monday 30; Thanksgiving is no business day
        ("ZN", 202612, "2026-11-27", "2026-12-17"),
        ("CL", 202612, "2026-11-18", "2026-11-18"),
        ("6E", 202612, "2026-12-10", "2026-12-10"),
    ],
)
def test_longs_leave_before_notice_and_shorts_before_the_last_day(root: str, month: int, long: str, short: str) -> None:
    days = close_out_days(product_row(REFERENCE, root, ON), month)
    assert (str(days[Side.BUY]), str(days[Side.SELL])) == (long, short)


def test_what_is_settled_in_cash_is_left_alone() -> None:
    assert close_out_days(product_row(REFERENCE, "ES", ON), 202612) == {}
    assert close_outs(REFERENCE, REFERENCE.instrument("MCLZ2026"), LATE) == ()


def test_no_long_is_left_when_notices_begin_nor_anything_on_the_last_day() -> None:
    for root in REFERENCE.symbols("cme"):
        row = product_row(REFERENCE, root, ON)
        for month in listed(row, ON)[:8]:
            days = close_out_days(row, month)
            if days:
                assert days[Side.BUY] < (notice(row, month) or expiry(row, month))
                assert max(days.values()) < expiry(row, month)


def test_each_day_from_the_deadline_is_tried_when_regular_hours_begin() -> None:
    outs = close_outs(REFERENCE, REFERENCE.instrument("CLZ2026"), LATE)
    at = [f"{dt.datetime.fromtimestamp(out.ts_ns // NS, ZONE):%m-%d %H:%M}" for out in outs if out.side == Side.BUY]
    assert at == ["11-18 08:00", "11-19 08:00", "11-20 08:00"]
