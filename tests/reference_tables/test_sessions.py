"""Sessions, breaks, early closes and trade dates of the exchange's product groups."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation import calendar
from novation.domain.errors import InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.units import HOUR_NS, NS
from novation.reference.holidays import is_business_day
from novation.reference.lookup import Reference
from novation.reference.sessions import Session, sessions

ZONE = ZoneInfo("America/Chicago")

REFERENCE = Reference()
ROOTS = REFERENCE.symbols("cme")
GROUPS = {"ES": "equity index", "GC": "metals", "CL": "energy", "6E": "currencies", "ZN": "rates"}


def on(root: str, day: str) -> Session:
    (session,) = sessions(REFERENCE, root, dt.date.fromisoformat(day), dt.date.fromisoformat(day))
    return session


def clock(ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ns // NS, ZONE):%m-%d %H:%M}"


@pytest.mark.parametrize("root", GROUPS)
def test_a_week_opens_on_sunday_evening_and_closes_for_an_hour_each_day(root: str) -> None:
    """facts/cme.md §3: Sunday 17:00 to Friday 16:00, with the break from 16:00 to 17:00."""
    week = sessions(REFERENCE, root, dt.date(2026, 10, 5), dt.date(2026, 10, 9))
    assert [clock(s.open_ns) for s in week] == [f"10-{4 + i:02d} 17:00" for i in range(5)]
    assert [clock(s.close_ns) for s in week] == [f"10-{5 + i:02d} 16:00" for i in range(5)]
    assert all(s.trade_date == s.day and not s.pauses for s in week)


def test_the_afternoon_pause_ended_with_trade_date_2021_06_28() -> None:
    assert [tuple(map(clock, pause)) for pause in on("ES", "2021-06-25").pauses] == [("06-25 15:15", "06-25 15:30")]
    assert on("ES", "2021-06-28").pauses == ()
    assert on("ZN", "2021-06-25").pauses == ()


def test_the_day_of_index_futures_ended_at_1515_then_1615_then_1600() -> None:
    assert clock(on("ES", "2012-11-16").close_ns) == "11-16 15:15"
    assert clock(on("ES", "2012-11-19").close_ns) == "11-19 16:15"
    assert clock(on("ES", "2015-09-18").close_ns) == "09-18 16:15"
    assert clock(on("ES", "2015-09-21").close_ns) == "09-21 16:00"


def test_until_2012_the_afternoon_session_belonged_to_the_next_trade_date() -> None:
    tuesday, monday = on("ES", "2012-06-12"), on("ES", "2012-06-11")
    assert clock(tuesday.open_ns) == "06-11 15:30"
    assert [tuple(map(clock, pause)) for pause in tuesday.pauses] == [("06-11 16:30", "06-11 17:00")]
    assert (clock(monday.open_ns), monday.pauses) == ("06-10 17:00", ())


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        # equity index, rates, metals, energy, currencies: facts/cme.md §3
        ("2026-01-19", "12:00 12:00 13:30 13:30 16:00"),
        ("2026-04-03", "08:15 10:15 closed closed 10:15"),  # with an employment report
        ("2025-04-18", "closed closed closed closed closed"),  # without
        ("2025-07-03", "12:15 16:00 16:00 16:00 16:00"),
        ("2025-07-04", "12:00 12:00 12:00 12:00 12:00"),
        ("2026-11-26", "12:00 12:00 13:30 13:30 16:00"),
        ("2026-11-27", "12:15 12:15 13:45 13:45 13:45"),
        ("2026-12-24", "12:15 12:15 12:45 12:45 12:45"),
        ("2026-12-25", "closed closed closed closed closed"),
        ("2026-01-01", "closed closed closed closed closed"),
        ("2025-01-09", "08:30 12:15 16:00 16:00 16:00"),  # day of mourning (CME release of 2024-12-30)
        ("2018-12-05", "08:30 closed 16:00 16:00 16:00"),
        ("2012-10-29", "08:15 11:00 16:15 16:15 16:00"),
    ],
)
def test_closes_of_special_days(day: str, closes: str) -> None:
    at = dt.date.fromisoformat(day)
    found = []
    for root in ("ES", "ZN", "GC", "CL", "6E"):
        of = sessions(REFERENCE, root, at, at)
        found.append(clock(of[0].close_ns)[6:] if of else "closed")
    assert found == closes.split()


def test_a_holiday_session_is_of_the_next_trade_date_and_one_settlement_takes_both() -> None:
    """facts/cme.md §3: after the noon close the market reopens at 17:00 for the same trade date."""
    monday, tuesday = on("ES", "2026-01-19"), on("ES", "2026-01-20")
    assert monday.trade_date == tuesday.trade_date == dt.date(2026, 1, 20)
    assert (monday.settlement_ns, monday.rth, monday.holiday) == (None, None, "martin_luther_king_day")
    assert clock(tuesday.settlement_ns or 0) == "01-20 15:00"
    assert on("6E", "2026-06-19").trade_date == dt.date(2026, 6, 22)  # a Friday: Monday's


def test_two_days_cut_short_in_a_row_are_both_of_the_next_day_that_settles() -> None:
    """Hurricane Sandy: 29 and 30 October 2012 ended at 08:15, so both are of trade date Wednesday 31."""
    dates = {str(s.trade_date) for s in sessions(REFERENCE, "ES", dt.date(2012, 10, 29), dt.date(2012, 10, 31))}
    assert dates == {"2012-10-31"}


def test_a_calendar_of_a_year_shows_contracts_that_are_listed_later_in_it() -> None:
    shown = str(calendar("ZN", "2025-01-01", "2026-01-05", reference=REFERENCE))
    assert "ZNZ2025 first notice day" in shown and "ZNZ2025 last trading day" in shown


def test_after_a_closed_day_the_market_opens_in_its_evening() -> None:
    assert clock(on("ES", "2025-12-26").open_ns) == "12-25 17:00"


@pytest.mark.parametrize(
    ("root", "day", "at"),
    [
        ("ES", "2020-10-23", "15:15"), ("ES", "2020-10-26", "15:00"), ("GC", "2026-10-07", "12:30"),
        ("SI", "2026-10-07", "12:25"), ("HG", "2026-10-07", "12:00"), ("CL", "2026-10-07", "13:30"),
        ("6E", "2026-10-07", "14:00"), ("ZN", "2026-10-07", "14:00"), ("ES", "2026-11-27", "12:00"),
    ],
)  # fmt: skip
def test_settlement_windows_end_as_published(root: str, day: str, at: str) -> None:
    """facts/cme.md §4, Chicago time; index futures at 15:00 since 2020-10-26, at noon on shortened days (CME FAQ)."""
    assert clock(on(root, day).settlement_ns or 0)[6:] == at


def test_daylight_saving_moves_the_opening_in_utc_and_not_in_chicago() -> None:
    winter, summer = on("ES", "2026-03-06"), on("ES", "2026-03-09")
    assert winter.to_dict()["open"] == "2026-03-05T23:00:00Z"
    assert summer.to_dict()["open"] == "2026-03-08T22:00:00Z"
    assert (summer.close_ns - summer.open_ns, winter.close_ns - winter.open_ns) == (23 * HOUR_NS, 23 * HOUR_NS)


@given(st.sampled_from(ROOTS), st.dates(dt.date(2021, 7, 12), dt.date(2028, 11, 30)))
def test_no_instant_is_open_and_closed_and_trade_dates_never_step_back(root: str, first: dt.date) -> None:
    found = sessions(REFERENCE, root, first, first + dt.timedelta(30))
    for session in found:
        inside = [session.open_ns, *(edge for pause in session.pauses for edge in pause), session.close_ns]
        assert inside == sorted(set(inside))
        assert is_business_day(session.trade_date) and session.trade_date >= session.day
        if session.rth:
            assert session.open_ns < session.rth[0] < session.rth[1] <= session.close_ns
        assert session.settlement_ns is None or session.open_ns < session.settlement_ns <= session.close_ns
    for before, after in pairwise(found):
        assert before.close_ns < after.open_ns
        assert before.trade_date <= after.trade_date


@pytest.mark.parametrize("root", GROUPS)
def test_every_trade_date_since_2010_is_settled_once(root: str) -> None:
    """But for days that ended before regular hours began: Hurricane Sandy and the days of mourning."""
    first, last = dt.date(2010, 1, 1), dt.date(2028, 12, 31)
    settled = [s.trade_date for s in sessions(REFERENCE, root, first, last) if s.settlement_ns is not None]
    business = [d for d in (first + dt.timedelta(i) for i in range((last - first).days + 1)) if is_business_day(d)]
    missing = {"ES": ["2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09"], "ZN": ["2018-12-05"]}
    assert len(settled) == len(set(settled))
    assert sorted(map(str, set(business) - set(settled))) == missing.get(root, [])


@given(st.dates(dt.date(2010, 1, 1), dt.date(2028, 12, 1)))
def test_the_mini_and_its_micro_share_their_hours(day: dt.date) -> None:
    if day < dt.date(2021, 7, 12):
        return
    for mini, micro in (("ES", "MES"), ("GC", "MGC"), ("CL", "MCL")):
        assert sessions(REFERENCE, mini, day, day) == sessions(REFERENCE, micro, day, day)


@pytest.mark.parametrize(("start", "end"), [("2009-12-31", "2010-01-02"), ("2028-12-31", "2029-01-02")])
def test_a_day_outside_the_table_is_an_error_that_names_it(start: str, end: str) -> None:
    with pytest.raises(NoRuleInForce, match=r"cme/sessions.*2010-01-01 to 2028-12-31"):
        calendar("ES", start, end, reference=REFERENCE)


def test_ranges_and_names_that_make_no_calendar() -> None:
    with pytest.raises(InvalidInput, match="the range is empty"):
        calendar("ES", "2026-01-05", "2026-01-05", reference=REFERENCE)
    with pytest.raises(UnknownInstrument):
        calendar("XX", "2026-01-05", "2026-01-06", reference=REFERENCE)
    with pytest.raises(InvalidInput, match="trades at all hours"):
        calendar("BTCUSDT", "2026-01-05", "2026-01-06", reference=REFERENCE)
