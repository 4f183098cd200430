"""When a contract is left for the next: rules of the calendar, against the roll calendars of pysystemtrade."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.errors import InvalidInput
from novation.reference.close_out import close_out_days
from novation.reference.holidays import business_days_after, is_business_day
from novation.reference.lookup import Reference
from novation.reference.products import expiry, product_row
from novation.reference.rolls import held_month, leave_day, next_month, rolls

REFERENCE = Reference()
ROOTS = REFERENCE.symbols("cme")
ON = dt.date(2026, 7, 1)


def row(root: str):
    return product_row(REFERENCE, root, ON)


@pytest.mark.parametrize(
    ("root", "month", "rule", "day"),
    [
        ("ES", 202612, "lead", "2026-12-14"),
        ("ES", 202612, "days:8", "2026-12-10"),  # the plan's eight days
        ("ES", 202606, "days:8", "2026-06-10"),  # expiry on Thursday 18
        ("ES", 202612, "expiry:1", "2026-12-17"),
        ("6E", 202612, "lead", "2026-12-11"),
        ("GC", 202612, "notice:1", "2026-11-27"),
        ("ZN", 202612, "lead", "2026-11-25"),
        ("CL", 202612, "lead", "2026-11-18"),
        ("NG", 202701, "lead", "2026-12-23"),
    ],
)
def test_the_day_on_which_a_month_is_left(root: str, month: int, rule: str, day: str) -> None:
    assert str(leave_day(row(root), month, rule)) == day


def test_the_months_held_are_the_active_ones_or_a_cycle_of_ones_own() -> None:
    assert next_month(row("GC"), 202608) == 202612  # October is thin
    assert next_month(row("GC"), 202608, "GJMQVZ") == 202610
    assert held_month(row("CL"), dt.date(2026, 11, 27), "days:40", "Z") == 202712


@given(
    st.sampled_from(ROOTS),
    st.dates(dt.date(2021, 7, 12), dt.date(2027, 6, 1)),
    st.sampled_from(["lead", "days:8", "days:40", "expiry:3"]),
)
def test_rolls_follow_one_another_on_business_days_and_before_the_contract_ends(
    root: str, first: dt.date, rule: str
) -> None:
    found = rolls(REFERENCE, root, str(first), str(first + dt.timedelta(500)), rule)
    assert found
    for roll in found:
        assert is_business_day(roll.day) and roll.day <= expiry(row(root), roll.old)
        assert held_month(row(root), roll.day, rule) == roll.new
        assert held_month(row(root), roll.day - dt.timedelta(1), rule) == roll.old
    assert [roll.new for roll in found[:-1]] == [roll.old for roll in found[1:]]
    assert sorted({roll.day for roll in found}) == [roll.day for roll in found]


def test_the_lead_rule_leaves_deliverable_contracts_before_a_broker_closes_them() -> None:
    """But for currencies, which roll on the Friday before the day on which the broker would (Thursday of that week)."""
    late = set()
    for root in ROOTS:
        for roll in rolls(REFERENCE, root, "2026-01-01", "2027-01-01"):
            outs = close_out_days(row(root), roll.old)
            if outs and roll.day > min(outs.values()):
                late.add(root)
    assert late == {"6E", "6J", "6B", "6A"}


@pytest.mark.parametrize(
    ("root", "rule", "cycle", "words"),
    [
        ("ES", "soon", "", "is no roll rule.*Rules: lead, days:N"),
        ("ES", "days:x", "", "is no roll rule"),
        ("ES", "notice:2", "", "has no first notice"),
        ("ES", "lead", "F", "has no month 'F'"),
        ("ES", "lead", "z", "has no month 'z'"),
        ("ES", "days:²", "", "is no roll rule"),
        ("ES", "days:99999", "", "is no roll rule"),
    ],
)
def test_rules_and_cycles_that_are_none(root: str, rule: str, cycle: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        rolls(REFERENCE, root, "2026-01-01", "2027-01-01", rule, cycle)


# -- against given calendars -----------------------------------------------------------------------------------------

#: Instrument of pysystemtrade, product, rule. Its rollconfig leaves crude oil 40 and gas 35 days ahead of expiry.
CALENDARS = [
    ("AUD", "6A", "lead"), ("EUR", "6E", "lead"), ("JPY", "6J", "lead"), ("COPPER", "HG", "lead"),
    ("GOLD_micro", "GC", "lead"), ("RUSSELL", "ES", "lead"), ("SP500_micro", "ES", "lead"), ("US2", "ZT", "lead"),
    ("US5", "ZF", "lead"), ("US10", "ZN", "lead"), ("US30", "ZB", "lead"), ("GAS_US", "NG", "days:35"),
    ("CRUDE_W_mini", "CL", "days:40"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("code", "root", "rule"), CALENDARS)
def test_nine_of_ten_given_rolls_lie_within_five_business_days_of_the_rules(
    novation_data: Path, capsys: pytest.CaptureFixture[str], code: str, root: str, rule: str
) -> None:
    """The same contract left, their last row left out (it marks the end of their data)."""
    calendar = pl.read_parquet(novation_data / f"cme/roll_calendar/{code}.parquet")[:-1]
    off = []
    for at, old in calendar.select("ts", "current_contract").iter_rows():
        ours, theirs = leave_day(row(root), old, rule), at.date()
        first, last = min(ours, theirs), max(ours, theirs)
        count = 0
        while business_days_after(first, count + 1) <= last:
            count += 1
        off.append((count if theirs >= ours else -count, old))
    near = sum(abs(days) <= 5 for days, _ in off) / len(off)
    with capsys.disabled():
        shown = " ".join(f"{days:+d}:{count}" for days, count in sorted(Counter(days for days, _ in off).items()))
        print(f"\n{code} by {root} {rule}: {near:.0%} of {len(off)} rolls within 5 business days; {shown}")
    assert near >= 0.9
