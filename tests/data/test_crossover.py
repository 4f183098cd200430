"""Rolling where the next month trades more than the held one, on what was known the day before."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.data.crossover import NOT_GIVEN, Activity, Crossover, crossover_rolls, read_daily_chain
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS

MAR, JUN, SEP = 202403, 202406, 202409


def activity(*volumes: int, first: int = 1, interest: tuple[int, ...] = ()) -> Activity:
    days = range(first, first + len(volumes))
    figures = list(interest) or [NOT_GIVEN] * len(volumes)
    return Activity(np.array(days), np.array(volumes), np.array(figures))


def shown(rolls: tuple[Crossover, ...]) -> list[tuple[int, int, int, int]]:
    return [(roll.decided_ns // DAY_NS, roll.ts_ns // DAY_NS, roll.old, roll.new) for roll in rolls]


MONTHS = {MAR: activity(90, 80, 40, 70, 30, 20), JUN: activity(10, 20, 60, 50, 90, 95)}


def test_the_roll_is_on_the_day_after_the_first_on_which_the_next_month_trades_more() -> None:
    rolls = crossover_rolls(MONTHS)
    assert shown(rolls) == [(3, 4, MAR, JUN)]
    assert (rolls[0].held, rolls[0].following) == (40, 60)


def test_two_days_of_confirmation_are_two_in_a_row() -> None:
    assert shown(crossover_rolls({month: activity(*one.volume, 1) for month, one in MONTHS.items()}, confirm=2)) == [
        (6, 7, MAR, JUN)
    ]


def test_what_the_last_day_decides_is_no_roll_yet() -> None:
    assert crossover_rolls(MONTHS, confirm=2) == ()


def test_open_interest_rolls_by_itself() -> None:
    months = {
        MAR: activity(1, 1, 1, 1, interest=(9, 9, 5, 1)),
        JUN: activity(9, 9, 9, 9, interest=(1, 5, 6, 9)),
    }
    assert shown(crossover_rolls(months, by="open_interest")) == [(3, 4, MAR, JUN)]
    assert shown(crossover_rolls(months)) == [(1, 2, MAR, JUN)]


def test_an_equal_figure_does_not_roll() -> None:
    assert crossover_rolls({MAR: activity(5, 5, 5), JUN: activity(5, 5, 5)}) == ()


def test_it_never_rolls_back_when_the_old_month_trades_more_again() -> None:
    months = {MAR: activity(9, 1, 9, 9, 9), JUN: activity(1, 5, 1, 1, 1)}
    assert shown(crossover_rolls(months)) == [(2, 3, MAR, JUN)]


def test_a_held_month_that_is_listed_no_more_counts_as_zero() -> None:
    assert shown(crossover_rolls({MAR: activity(9, 9), JUN: activity(1, 1, 1, 1)})) == [(3, 4, MAR, JUN)]


def test_a_figure_that_is_not_given_decides_nothing() -> None:
    months = {MAR: activity(9, NOT_GIVEN, 9, 1, 1), JUN: activity(1, 5, NOT_GIVEN, 5, 5)}
    assert shown(crossover_rolls(months)) == [(4, 5, MAR, JUN)]


def test_a_cycle_passes_over_the_months_that_hardly_trade() -> None:
    months = {202312: activity(90, 10, 10), 202401: activity(1, 11, 11), 202402: activity(50, 80, 90)}
    assert shown(crossover_rolls(months)) == [(2, 3, 202312, 202401)]
    assert shown(crossover_rolls(months, cycle="GJMQZ")) == [(2, 3, 202312, 202402)]


def test_the_month_held_first_is_the_nearest_listed_or_the_one_named() -> None:
    months = MONTHS | {SEP: activity(1, 1, 1, 1, 99, 99)}
    assert shown(crossover_rolls(months, first=JUN)) == [(5, 6, JUN, SEP)]
    with pytest.raises(DataError, match="no activity of the month held first"):
        crossover_rolls(months, first=202412)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "price"}, "by: unknown figure (found 'price')"),
        ({"confirm": 0}, "confirm: must be a whole number of days, at least 1 (found 0)"),
        ({"cycle": "ABC"}, "cycle: is no list of month letters (found 'ABC')"),
        ({"cycle": "G"}, "months: no day of a month of the cycle (found [202403, 202406])"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        crossover_rolls(MONTHS, **options)
    assert str(caught.value).startswith(message)


# ---------------------------------------------------------------- properties


@st.composite
def activities(draw: st.DrawFn) -> dict[int, Activity]:
    months = {}
    for month in (MAR, JUN, SEP, 202412):
        days = sorted(draw(st.sets(st.integers(1, 25), min_size=1)))
        volume = draw(st.lists(st.integers(-1, 20), min_size=len(days), max_size=len(days)))
        months[month] = Activity(np.array(days), np.array(volume), np.array(volume))
    return months


@given(activities(), st.integers(1, 3), st.integers(1, 25))
def test_what_came_later_changes_no_roll(months: dict[int, Activity], confirm: int, day: int) -> None:
    cut = {
        month: Activity(one.day[upto], one.volume[upto], one.open_interest[upto])
        for month, one in months.items()
        if (upto := one.day <= day).any()
    }
    whole = crossover_rolls(months, confirm=confirm)
    known = crossover_rolls(cut, confirm=confirm) if cut else ()
    assert known == tuple(roll for roll in whole if roll.ts_ns <= day * DAY_NS)


@given(activities(), st.integers(1, 3))
def test_rolls_only_go_forward_and_are_decided_on_days_before(months: dict[int, Activity], confirm: int) -> None:
    rolls = crossover_rolls(months, confirm=confirm)
    for roll in rolls:
        assert roll.old < roll.new
        assert roll.decided_ns < roll.ts_ns
        assert roll.following > roll.held
    for before, after in itertools.pairwise(rolls):
        assert (after.old, after.ts_ns > before.ts_ns) == (before.new, True)


# ---------------------------------------------------------------- reading


def chain(rows: list[tuple[str, int, int | None, float | None]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["file_date", "expiry", "volume", "open_interest"], orient="row")
    return frame.with_columns(pl.col("file_date").str.to_date())


ROWS = [
    ("2024-03-04", MAR, 9, 90.0),
    ("2024-03-04", JUN, 1, None),
    ("2024-03-05", MAR, 2, 50.0),
    ("2024-03-05", JUN, None, 60.0),
]


def test_a_daily_chain_is_split_by_its_expiries() -> None:
    months = read_daily_chain(chain(ROWS))
    assert sorted(months) == [MAR, JUN]
    assert months[MAR].volume.tolist() == [9, 2]
    assert months[JUN].volume.tolist() == [1, NOT_GIVEN]
    assert months[JUN].open_interest.tolist() == [NOT_GIVEN, 60]
    assert np.diff(months[MAR].day).tolist() == [1]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (chain(ROWS).with_columns(expiry=pl.lit(202413)), "daily chain row 1: expiry is no month YYYYMM"),
        (chain([*ROWS, ROWS[0]]), "daily chain row 5: file_date 2024-03-04 of 202403 does not come after"),
        (chain(ROWS).drop("volume", "open_interest"), "daily chain: no column 'volume' or 'open_interest'"),
        (chain(ROWS).drop("expiry"), "daily chain: no column 'expiry'"),
    ],
)
def test_a_broken_chain_is_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_daily_chain(frame)
    assert str(caught.value).startswith(message)


def test_bars_of_one_day_are_added_and_the_last_open_interest_stands() -> None:
    stamps = ["2024-03-04T10:00:00Z", "2024-03-04T11:00:00Z", "2024-03-05T10:00:00Z"]
    frame = pl.DataFrame({"ts": stamps, "expiry": [MAR] * 3, "volume": [3, 4, 5], "open_interest": [7, None, None]})
    one = read_daily_chain(frame)[MAR]
    assert (one.volume.tolist(), one.open_interest.tolist()) == ([7, 5], [7, NOT_GIVEN])
