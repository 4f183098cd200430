"""From impact prices to the rate of a stamp, and from rates to the interval of stamps."""

from __future__ import annotations

from fractions import Fraction
from math import trunc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.units import E8, HOUR_NS, to_e8, to_ns
from novation.rules.funding import funding_payment
from novation.rules.premium import (
    average_premium,
    funding_rate,
    historic_cap,
    impact_notional,
    next_interval,
    next_stamp,
    plain_mean,
    premium_index,
    pro_rata_payment,
    weighted_mean,
)

INTEREST, CLAMP = to_e8("0.0001"), to_e8("0.0005")
CAP = to_e8("0.003")  # BTCUSDT
QUIET, QUIET_NEEDED, BACK = to_e8("0.00025"), 16, 4


def rate(average: int, hours: int = 8, cap: int = CAP, interest: int = INTEREST) -> int:
    """The rate with the usual clamp, the cap on both sides."""
    return funding_rate(average, interest, CLAMP, hours, -cap, cap)


def percent(text: str) -> int:
    """A rate written in per cent."""
    return to_e8(text) // 100


# -- premium --------------------------------------------------------------------------------------------------------


def test_impact_notional_of_twenty_times_leverage() -> None:
    """200 USDT over 5 % is 4,000 USDT (facts/binance.md §1)."""
    assert impact_notional(200 * E8, 20) == 4_000 * E8


@given(st.integers(1, 1 << 49), st.integers(-(10**6), 10**6), st.integers(0, 10**6))
def test_premium_index_is_exact_and_cut_towards_zero(index: int, off: int, spread: int) -> None:
    bid, ask = max(1, index + off), max(1, index + off + spread)
    exact = Fraction(max(0, bid - index) - max(0, index - ask), index)
    assert premium_index(bid, ask, index) == trunc(exact * E8)


def test_premium_is_zero_while_the_index_lies_between_the_impact_prices() -> None:
    assert premium_index(to_e8("99"), to_e8("101"), to_e8("100")) == 0
    assert premium_index(to_e8("101"), to_e8("102"), to_e8("100")) == to_e8("0.01")
    assert premium_index(to_e8("98"), to_e8("99"), to_e8("100")) == to_e8("-0.01")


@given(st.lists(st.integers(-(10**8), 10**8), max_size=50))
def test_averages_are_exact_and_cut_towards_zero(samples: list[int]) -> None:
    n = len(samples)
    weighted, total = sum(i * p for i, p in enumerate(samples, 1)), sum(samples)
    if n == 0:
        assert weighted_mean(0, 0) == plain_mean(0, 0) == 0
        return
    assert weighted_mean(weighted, n) == trunc(Fraction(weighted, sum(range(1, n + 1))))
    assert plain_mean(total, n) == trunc(Fraction(total, n))
    assert (
        average_premium(weighted, total, n, 8) == average_premium(weighted, total, n, 4) == weighted_mean(weighted, n)
    )
    assert average_premium(weighted, total, n, 1) == plain_mean(total, n)


def test_eight_hours_of_the_largest_premium_stay_inside_int64() -> None:
    n, largest = 5_760, 100 * E8
    assert weighted_mean(largest * n * (n + 1) // 2, n) == largest


# -- rate -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("average", "expected"), [("0.03", "0.01"), ("0.10", "0.05"), ("-0.10", "-0.05")])
def test_v8_rate_rule(average: str, expected: str) -> None:
    """facts/validation_tables.md V8, "rate rule sanity"."""
    assert rate(percent(average)) == percent(expected)


def test_dead_zone_of_eight_hours() -> None:
    """P in [-0.04 %, +0.06 %] gives 0.01 %, and nothing outside does (facts/binance.md §2, V8)."""
    low, high = percent("-0.04"), percent("0.06")
    for average in [*range(low, high + 1, 500), low, high]:
        assert rate(average) == percent("0.01")
    assert rate(low - 1) == percent("0.01") - 1
    assert rate(high + 1) == percent("0.01") + 1


def test_a_four_hour_contract_divides_by_two() -> None:
    """PUMPUSDT, four hours: divided by 8 / 4 = 2 (announcement effective 2025-09-18; facts/binance.md §2)."""
    assert rate(percent("0.25"), 4, to_e8("0.02")) == percent("0.2") // 2
    assert rate(percent("0.01"), 4) == percent("0.01") // 2  # interest / 8 * N
    assert rate(percent("0.01"), 1) == percent("0.01") // 8


def test_interest_is_zero_for_some() -> None:
    assert rate(0, interest=0) == rate(percent("0.05"), interest=0) == rate(percent("-0.05"), interest=0) == 0


@given(st.integers(-(10**7), 10**7), st.sampled_from([1, 2, 4, 8]), st.sampled_from([300_000, 2_000_000, 1]))
def test_rate_is_exact_and_capped(average: int, hours: int, cap: int) -> None:
    clamped = max(-CLAMP, min(CLAMP, INTEREST - average))
    exact = trunc(Fraction(average + clamped) / Fraction(8, hours))
    assert rate(average, hours, cap) == max(-cap, min(cap, exact))


def test_default_cap_of_btcusdt() -> None:
    """0.75 * 0.4 % = 0.3 %, which is the live cap (facts/binance.md §2)."""
    assert historic_cap(to_e8("0.004")) == CAP


# -- interval -------------------------------------------------------------------------------------------------------


def after(hours: int, settled: int, quiet: int = 0) -> tuple[int, int]:
    """The interval that follows a settled rate."""
    hours, quiet = next_interval(hours, settled, -CAP, CAP, quiet, QUIET, QUIET_NEEDED, BACK)
    return int(hours), int(quiet)


def test_f1_a_rate_at_its_floor_makes_payments_hourly() -> None:
    """BTCUSDT, cap 0.3 %: -0.3 % at 08:00 and the next payment is at 09:00 (facts/binance.md §2)."""
    stamp = to_ns("2025-05-10T08:00:00Z")
    assert next_stamp(stamp, 8) == to_ns("2025-05-10T16:00:00Z")
    hours, _ = after(8, to_e8("-0.003"))
    assert next_stamp(stamp, hours) == to_ns("2025-05-10T09:00:00Z")
    assert after(8, to_e8("0.003")) == (1, 0)
    assert after(8, to_e8("-0.003") + 1) == (8, 0)


def test_sixteen_quiet_hours_bring_back_four() -> None:
    """05:00 to 20:00 all within 0.025 %, the next payment at 00:00 (facts/binance.md §2, 2026-01-02)."""
    hours, quiet = 1, 0
    for hour in range(5, 21):
        assert hours == 1
        stamp = to_ns(f"2026-01-10T{hour:02d}:00:00Z")
        hours, quiet = after(hours, QUIET if hour % 2 else -QUIET, quiet)
    assert (hours, quiet) == (4, 0)
    assert next_stamp(stamp, hours) == to_ns("2026-01-11T00:00:00Z")


def test_one_loud_hour_starts_the_count_again() -> None:
    assert after(1, QUIET, 14) == (1, 15)
    assert after(1, QUIET + 1, 15) == (1, 0)
    assert after(1, CAP, 15) == (1, 0)
    assert after(4, 0, 15) == (4, 0)
    assert tuple(next_interval(1, 0, -CAP, CAP, 500, QUIET, 0, BACK)) == (1, 501)  # before the rule was in force


# -- pro rata -------------------------------------------------------------------------------------------------------


def test_half_an_interval_pays_half_where_that_option_is_chosen() -> None:
    whole = funding_payment(50_000 * E8, 1_000, 100_000, 10_000)
    assert whole == -5 * E8
    assert pro_rata_payment(50_000 * E8, 1_000, 100_000, 10_000, 4 * HOUR_NS, 8 * HOUR_NS) == whole // 2


@given(
    st.integers(1, 1 << 44), st.integers(-(10**6), 10**6), st.integers(-300_000, 300_000), st.integers(0, 8 * HOUR_NS)
)
def test_pro_rata_is_the_share_of_the_whole_payment(mark: int, lots: int, rate_e8: int, held: int) -> None:
    whole = funding_payment(mark, lots, 100_000, rate_e8)
    share = pro_rata_payment(mark, lots, 100_000, rate_e8, held, 8 * HOUR_NS)
    assert share == trunc(Fraction(whole * held, 8 * HOUR_NS))
    assert pro_rata_payment(mark, lots, 100_000, rate_e8, 8 * HOUR_NS, 8 * HOUR_NS) == whole
