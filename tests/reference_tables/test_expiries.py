"""Last trading days, notices and lead months, as the rule books have them."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.reference.expiries import first_position_day, last_trading_day, month_before
from novation.reference.holidays import business_days_after, business_days_before, easter, holidays, is_business_day
from novation.reference.lookup import Reference
from novation.reference.products import (
    expiry,
    lead_month,
    lead_until,
    listed,
    month_symbol,
    notice,
    product_row,
)
from novation.reference.symbols import MONTHS

REFERENCE = Reference()
ROOTS = REFERENCE.symbols("cme")
ON = dt.date(2026, 7, 1)
days = st.dates(dt.date(2021, 7, 12), dt.date(2028, 12, 31))  # from where every product has been launched
roots = st.sampled_from(ROOTS)


def row(root: str, day: dt.date = ON):
    return product_row(REFERENCE, root, day)


def test_the_shipped_products_are_those_of_the_issue() -> None:
    wanted = "ES NQ YM RTY MES MNQ MYM M2K GC MGC SI SIL HG CL MCL NG 6E 6J 6B 6A 6C ZB ZN ZF ZT"
    assert sorted(ROOTS) == sorted(wanted.split())


@pytest.mark.parametrize(
    ("root", "month", "day"),
    [
        ("ES", 202609, "2026-09-18"),
        ("ES", 202606, "2026-06-18"),  # 19 June is a holiday (facts/cme.md §1)
        ("6E", 202612, "2026-12-14"),
        ("6C", 202612, "2026-12-15"),
        ("CL", 202701, "2026-12-21"),  # the 25th is Christmas
        ("CL", 202612, "2026-11-20"),
        ("NG", 202701, "2026-12-29"),
        ("GC", 202612, "2026-12-29"),
        ("ZN", 202612, "2026-12-21"),
        ("ZT", 202612, "2026-12-31"),
        ("MCL", 202602, "2026-01-16"),
    ],
)
def test_last_trading_days_of_example_a3(root: str, month: int, day: str) -> None:
    assert str(expiry(row(root), month)) == day


@pytest.mark.parametrize(
    ("root", "month", "day"),
    [
        ("CL", 202612, "2026-11-24"),
        ("GC", 202612, "2026-11-30"),
        ("NG", 202701, "2026-12-30"),
        ("ZN", 202612, "2026-11-30"),
    ],
)
def test_first_notice_days_of_example_a3(root: str, month: int, day: str) -> None:
    assert str(notice(row(root), month)) == day


def test_cash_settled_products_and_currencies_have_no_notices() -> None:
    cash = ["ES", "NQ", "YM", "RTY", "MES", "MNQ", "MYM", "M2K", "MCL", "6E", "6J", "6B", "6A", "6C"]
    assert [root for root in ROOTS if notice(row(root), 202612) is None] == [root for root in ROOTS if root in cash]


def test_first_position_day_of_treasuries_is_two_business_days_before_the_month() -> None:
    """Tuesday 2026-12-01: Monday 30, then Friday 27 November (facts/cme.md §1)."""
    assert first_position_day("month_before", 202612) == dt.date(2026, 11, 27)


@given(roots, days)
def test_every_listed_contract_ends_once_on_a_business_day_not_before_the_day_asked(root: str, day: dt.date) -> None:
    ends = [expiry(row(root, day), month) for month in listed(row(root, day), day)]
    assert all(is_business_day(end) and end >= day for end in ends)
    assert ends == sorted(set(ends))


@given(roots, days)
def test_first_notice_comes_before_delivery_can_be_refused(root: str, day: dt.date) -> None:
    """Of metals and Treasuries it lies before the last trading day, of energy after it; always on a business day."""
    for month in listed(row(root, day), day)[:3]:
        first = notice(row(root, day), month)
        assert first is None or is_business_day(first)
        if first is not None:
            assert (first > expiry(row(root, day), month)) == (row(root, day)["group"] == "energy")


@given(roots, days)
def test_the_lead_month_is_listed_and_never_steps_back(root: str, day: dt.date) -> None:
    today, tomorrow = lead_month(row(root, day), day), lead_month(row(root, day), day + dt.timedelta(1))
    assert today in listed(row(root, day), day)
    assert tomorrow >= today
    assert MONTHS[today % 100 - 1] in row(root, day)["active"]


def test_index_lead_changes_on_the_monday_of_expiry_week_since_june_2022_and_eight_days_ahead_before() -> None:
    assert lead_until(row("ES"), 202612) == dt.date(2026, 12, 14)
    assert lead_until(row("ES"), 202206) == dt.date(2022, 6, 13)
    assert lead_until(row("ES"), 202203) == dt.date(2022, 3, 10)  # Thursday before expiry week
    assert lead_month(row("ES"), dt.date(2026, 12, 11)) == 202612
    assert lead_month(row("ES"), dt.date(2026, 12, 14)) == 202703


def test_currency_lead_changes_on_the_friday_before_the_last_day() -> None:
    """Expiry on Monday 2026-12-14; trade date Friday 11, which begins on Thursday evening (facts/cme.md §9)."""
    assert lead_until(row("6E"), 202612) == dt.date(2026, 12, 11)
    assert lead_until(row("6C"), 202612) == dt.date(2026, 12, 11)


def test_oil_leads_until_two_business_days_before_its_last() -> None:
    assert lead_until(row("CL"), 202612) == dt.date(2026, 11, 18)


def test_listing_of_the_e_mini_is_nine_quarters_and_three_further_decembers() -> None:
    months = listed(row("ES"), ON)
    assert months[:3] == [202609, 202612, 202703]
    assert months[8:] == [202809, 202812, 202912, 203012]
    assert [month_symbol("ES", month) for month in months][-1] == "ESZ2030"


def test_listing_of_gold_has_the_next_three_months_and_june_and_december_for_years() -> None:
    months = listed(row("GC"), ON)
    assert months[:3] == [202607, 202608, 202609]
    assert {month % 100 for month in months if month > 202806} == {6, 12}


def test_easter_and_the_days_of_observance() -> None:
    assert [easter(year) for year in (2024, 2025, 2026)] == [
        dt.date(2024, 3, 31), dt.date(2025, 4, 20), dt.date(2026, 4, 5)
    ]  # fmt: skip
    assert holidays(2027)[dt.date(2027, 6, 18)] == "juneteenth"  # the 19th is a Saturday
    assert holidays(2021)[dt.date(2021, 12, 24)] == "christmas_day"
    assert "new_years_day" not in holidays(2022).values()  # a Saturday: not made up for
    assert "juneteenth" not in holidays(2021).values()


@given(st.dates(dt.date(2000, 1, 1), dt.date(2040, 12, 31)), st.integers(1, 30))
def test_business_days_there_and_back(day: dt.date, count: int) -> None:
    after = business_days_after(day, count)
    assert is_business_day(after)
    between = (day + dt.timedelta(i) for i in range(1, (after - day).days + 1))
    assert sum(map(is_business_day, between)) == count
    if is_business_day(day):
        assert business_days_before(after, count) == day


@given(st.integers(200001, 203012).filter(lambda month: 1 <= month % 100 <= 12), st.integers(-40, 40))
def test_months_are_counted_over_years(month: int, count: int) -> None:
    year, index = divmod(month // 100 * 12 + month % 100 - 1 - count, 12)
    assert month_before(month, count) == year * 100 + index + 1
    assert month_before(month_before(month, count), -count) == month


def test_the_third_friday_moves_off_good_friday() -> None:
    """2008-03-21 was Good Friday: the index expiry was Thursday 20."""
    assert last_trading_day("third_friday", 200803) == dt.date(2008, 3, 20)
    assert last_trading_day("third_friday", 200803).weekday() == calendar.THURSDAY
