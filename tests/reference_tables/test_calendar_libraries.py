"""Our session table against Lean's market hours and pandas_market_calendars, every product and weekday of 2012-2026."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from novation.reference.holidays import is_business_day
from tests.reference_tables.libraries import FIRST, Compared, Difference, compare, listed

pytestmark = pytest.mark.slow

#: Day ends that a library holds constant over years in which they were others; each with its evidence in the list.
LONG = 60


@pytest.fixture(scope="module")
def compared(novation_data: Path) -> Compared:
    pytest.importorskip("pandas_market_calendars")
    return compare(novation_data / "cme/config/market_hours_futures.json.gz")


def test_every_difference_is_listed_with_the_evidence_for_our_side(compared: Compared) -> None:
    found, known = set(compared.differences), listed()
    assert found - set(known) == set(), "not in calendar_differences.csv"
    assert set(known) - found == set(), "listed, but no longer found"
    assert all(len(evidence) > 20 for evidence in known.values())


def test_at_most_one_product_day_in_a_hundred_is_listed_beside_the_long_changes_of_the_day_end(
    compared: Compared, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is counted twice: with the day ends of 2012 to 2015 that both libraries have wrong, and without."""
    every = set().union(*compared.wrong.values())
    single = {pair for row in compared.differences if row.count <= LONG for pair in _pairs(row)}
    share = len(single) / compared.product_days
    with capsys.disabled():
        print(
            f"\nsession table, {compared.product_days:,} product-days: {share:.2%} are unlike a library on listed days;"
        )
        print(f"{len(every) / compared.product_days:.1%} with the day ends before 2012-11-19 and 2015-09-21")
    # Lean and each calendar of pandas_market_calendars are coarse on days on which the other is not.
    assert share < 0.02


def test_days_on_which_our_table_differs_from_both_are_fewer_than_one_in_a_hundred(
    compared: Compared, capsys: pytest.CaptureFixture[str]
) -> None:
    lean = {pair for row in compared.differences if row.source == "lean" and row.count <= LONG for pair in _pairs(row)}
    others: dict[str, set[tuple[str, dt.date]]] = {}
    for row in compared.differences:
        if row.source != "lean" and row.count <= LONG:
            others.setdefault(row.source, set()).update(_pairs(row))
    both = lean & set().union(*others.values())
    with capsys.disabled():
        print(f"\n{len(both) / compared.product_days:.2%} are listed as unlike both, Lean and pandas_market_calendars")
    assert len(both) < 0.01 * compared.product_days


def test_trade_dates_are_those_of_the_library_but_for_days_of_mourning() -> None:
    """CME_TradeDate of pandas_market_calendars marks its two days of mourning as unverified."""
    calendars = pytest.importorskip("pandas_market_calendars")
    theirs = {day.date() for day in calendars.get_calendar("CME_TradeDate").schedule(str(FIRST), "2028-12-31").index}
    days = (FIRST + dt.timedelta(i) for i in range((dt.date(2028, 12, 31) - FIRST).days + 1))
    assert [day for day in days if is_business_day(day) != (day in theirs)] == [
        dt.date(2018, 12, 5),
        dt.date(2025, 1, 9),
    ]


def _pairs(row: Difference) -> set[tuple[str, dt.date]]:
    return {(root, dt.date.fromisoformat(day)) for root in row.products.split() for day in row.days.split()}
