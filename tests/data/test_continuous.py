"""One series out of several expiries: adjusted at the rolls, and never by what came later."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from novation.data.continuous import CLOSES_CAUTION, ContinuousSeries, MonthPrices, continuous
from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import DAY_NS, E8, iso, to_ns

MAR, JUN, SEP, DEC = 202403, 202406, 202409, 202412


def daily(first: str, *prices: float) -> pl.DataFrame:
    stamps = [to_ns(first) + i * DAY_NS for i in range(len(prices))]
    return pl.DataFrame({"ts": pl.Series(stamps).cast(pl.Datetime("ns", "UTC")), "settlement": list(prices)})


# ---------------------------------------------------------------- by hand

#: The example of docs/rules/continuous.md.
PRICES = {
    MAR: daily("2024-03-04", 100.0, 102.0, 104.0),
    JUN: daily("2024-03-05", 107.1, 108.0, 110.0, 112.0),
    SEP: daily("2024-03-07", 99.0, 100.8, 102.0),
}
ROLLS = [("2024-03-05", MAR, JUN), ("2024-03-08", JUN, SEP)]


def test_difference_adds_new_less_old_of_every_later_roll() -> None:
    series = continuous(PRICES, ROLLS)
    assert series.contract.tolist() == [MAR, MAR, JUN, JUN, JUN, SEP]
    assert (series.price_e8 / E8).tolist() == [100.0, 102.0, 108.0, 110.0, 112.0, 102.0]
    # rolls: 107.1 - 102 = 5.1 and 100.8 - 112 = -11.2
    assert (series.adjusted / E8).tolist() == [93.9, 95.9, 96.8, 98.8, 100.8, 102.0]
    assert [roll.adjustment for roll in series.rolls] == [510_000_000, -1_120_000_000]
    assert [(roll.price_old_e8, roll.price_new_e8) for roll in series.rolls] == [
        (10_200_000_000, 10_710_000_000),
        (11_200_000_000, 10_080_000_000),
    ]


def test_ratio_multiplies_by_new_over_old_of_every_later_roll() -> None:
    series = continuous(PRICES, ROLLS, method="ratio")
    # 107.1 / 102 = 1.05 and 100.8 / 112 = 0.9
    assert series.adjusted.dtype == np.float64
    assert series.adjusted.tolist() == pytest.approx([94.5, 96.39, 97.2, 99.0, 100.8, 102.0], rel=1e-14)
    assert [roll.adjustment for roll in series.rolls] == [107.1 / 102, 100.8 / 112]


def test_unadjusted_leaves_every_price_and_still_tells_the_rolls() -> None:
    series = continuous(PRICES, ROLLS, method="unadjusted")
    assert series.adjusted.tolist() == series.price_e8.tolist()
    assert [(roll.old, roll.new, roll.adjustment) for roll in series.rolls] == [(MAR, JUN, 0), (JUN, SEP, 0)]


def test_the_old_contract_is_held_at_the_instant_of_the_roll_and_the_new_one_after_it() -> None:
    series = continuous(PRICES, ROLLS)
    held = dict(zip(map(iso, series.ts_ns.tolist()), series.contract.tolist(), strict=True))
    assert (held["2024-03-05 00:00"], held["2024-03-06 00:00"]) == (MAR, JUN)


def test_as_of_a_day_between_the_rolls_only_the_first_has_moved_the_past() -> None:
    stood = continuous(PRICES, ROLLS).as_of("2024-03-07")
    assert (stood.adjusted / E8).tolist() == [105.1, 107.1, 108.0, 110.0]
    assert [roll.new for roll in stood.rolls] == [JUN]
    at_the_roll = continuous(PRICES, ROLLS).as_of("2024-03-08")
    assert (at_the_roll.adjusted / E8).tolist() == [93.9, 95.9, 96.8, 98.8, 100.8]


def test_one_month_without_a_roll_is_its_own_series() -> None:
    series = continuous({MAR: PRICES[MAR]}, [])
    assert (series.adjusted / E8).tolist() == [100.0, 102.0, 104.0]
    assert series.rolls == ()


def test_a_roll_without_common_prices_takes_the_latest_earlier_ones_and_says_so() -> None:
    series = continuous({MAR: daily("2024-03-04", 100.0, 102.0), JUN: PRICES[JUN]}, [("2024-03-06", MAR, JUN)])
    (roll,) = series.rolls
    assert (iso(roll.ts_ns), iso(roll.price_ns)) == ("2024-03-06 00:00", "2024-03-05 00:00")
    assert (series.price_e8 / E8).tolist() == [100.0, 102.0, 110.0, 112.0]
    assert series.cautions == (
        "1 of 1 roll priced earlier than made, at the latest instant with prices of both contracts: "
        "202403 to 202406 2024-03-06 00:00, prices of 2024-03-05 00:00",
    )


def test_the_frames_carry_what_the_arrays_do() -> None:
    series = continuous(PRICES, ROLLS)
    frame, rolls = series.to_frame(), series.roll_frame()
    assert frame.columns == ["ts", "contract", "price", "adjusted"]
    assert frame["ts"].dtype == pl.Datetime("ns", "UTC")
    assert frame["adjusted"].to_list() == (series.adjusted / E8).tolist()
    assert rolls["adjustment"].to_list() == [5.1, -11.2]
    assert rolls["price_new"].to_list() == [107.1, 100.8]
    assert continuous(PRICES, ROLLS, method="ratio").roll_frame()["adjustment"].to_list() == [107.1 / 102, 100.8 / 112]


def test_the_series_is_read_only() -> None:
    for method in ("difference", "ratio", "unadjusted"):
        series = continuous(PRICES, ROLLS, method=method)  # type: ignore[arg-type]
        for array in (series.ts_ns, series.contract, series.price_e8, series.adjusted):
            assert not array.flags.writeable


def test_closes_are_a_caution_and_settlements_are_none() -> None:
    closes = {month: frame.rename({"settlement": "Close"}) for month, frame in PRICES.items()}
    assert CLOSES_CAUTION in continuous(closes, ROLLS).cautions
    assert CLOSES_CAUTION not in continuous(PRICES, ROLLS).cautions


def test_pandas_frames_and_pairs_of_arrays_make_the_same_series() -> None:
    pandas = pytest.importorskip("pandas")
    wanted = continuous(PRICES, ROLLS)
    pairs = {month: (frame["ts"].to_physical().to_numpy(), frame["settlement"]) for month, frame in PRICES.items()}
    frames = {
        month: pandas.DataFrame(
            {"settlement": frame["settlement"].to_list()}, index=pandas.DatetimeIndex(frame["ts"].to_list())
        )
        for month, frame in PRICES.items()
    }
    for given_prices in (pairs, frames):
        assert equal(continuous(given_prices, ROLLS), wanted)


# ---------------------------------------------------------------- zero and below


def crude(*prices: float) -> dict[int, pl.DataFrame]:
    return {
        202005: daily("2020-04-17", 18.27, -37.63, 10.01),
        202006: daily("2020-04-17", 25.03, 20.43, 11.57, 13.78),
    }


def test_a_ratio_at_a_price_below_zero_is_refused_with_both_prices_and_the_remedy() -> None:
    with pytest.raises(DataError) as caught:
        continuous(crude(), [("2020-04-18", 202005, 202006)], method="ratio")
    assert str(caught.value) == (
        "rolls: the roll 202005 to 202006 at 2020-04-18 00:00 is made at -37.63 and 20.43; a ratio needs both above "
        'zero. Use method="difference".'
    )


def test_difference_goes_through_zero_to_the_cent() -> None:
    series = continuous(crude(), [("2020-04-18", 202005, 202006)])
    assert (series.adjusted / E8).tolist() == [76.33, 20.43, 11.57, 13.78]


def test_a_ratio_over_a_series_that_crosses_zero_elsewhere_says_so() -> None:
    series = continuous(crude(), [("2020-04-19", 202005, 202006)], method="ratio")
    assert any(
        caution.startswith("the series crosses zero: 1 price of zero or below, first -37.63 at 2020-04-18 00:00")
        for caution in series.cautions
    )
    assert not continuous(crude(), [("2020-04-19", 202005, 202006)]).as_of("2020-04-17").cautions


def test_differences_that_push_the_past_below_zero_say_so() -> None:
    prices = {MAR: daily("2024-03-04", 5.0, 20.0), JUN: daily("2024-03-05", 10.0, 11.0)}
    series = continuous(prices, [("2024-03-05", MAR, JUN)])
    assert (series.adjusted / E8).tolist() == [-5.0, 10.0, 11.0]
    assert series.cautions[0].startswith("1 adjusted price of zero or below where the contract's own price is above")


def test_prices_beyond_int64_are_refused_and_not_wrapped() -> None:
    high = 9 * 10**18
    prices = {
        MAR: MonthPrices(np.array([1, 2]), np.array([high, -high])),
        JUN: MonthPrices(np.array([2, 3]), np.array([high, high])),
    }
    with pytest.raises(DataError, match="too large to count in 1e-8"):
        continuous(prices, [(2, MAR, JUN)])


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("prices", "rolls", "options", "message"),
    [
        (PRICES, ROLLS, {"method": "panama"}, "method: unknown method (found 'panama'). Known: 'difference'"),
        (PRICES, [], {}, "rolls: 3 months given and no roll. Give the rolls between them"),
        ({}, [], {}, "rolls: 0 months given and no roll"),
        (PRICES, [(MAR, JUN)], {}, "rolls: a roll is (instant, old month, new month) (found (202403, 202406))"),
        (PRICES, [("2024-03-05", MAR, DEC)], {}, "prices: no prices of a month that the rolls name (found 202412)"),
        (PRICES, [("2024-03-05", JUN, MAR)], {}, "rolls: the roll at 2024-03-05 00:00 goes back from 202406 to 202403"),
        (PRICES, [ROLLS[1], ROLLS[0]], {}, "continuous rolls: the roll at 2024-03-05 00:00 leaves 202403, but 202409"),
        (PRICES, [(dt.datetime(2024, 3, 5), MAR, JUN)], {}, "rolls: the instant has no zone"),
        (
            PRICES,
            [("2024-03-04", MAR, JUN)],
            {},
            "rolls: 202403 and 202406 have no price at one time, up to their roll at 2024-03-04 00:00",
        ),
        (
            PRICES | {JUN: ([1709596800], [107.1])},
            [("2024-03-05", MAR, JUN), ("2024-03-09", JUN, SEP)],
            {},
            "rolls: 202406 and 202409 have no price at one time since 202406 was rolled into at 2024-03-05 00:00",
        ),
        (
            PRICES | {MAR: PRICES[MAR].rename({"settlement": "px"})},
            ROLLS,
            {},
            "prices[202403]: no column with a price. Its columns are: ts, px",
        ),
        (PRICES | {JUN: ([1, 2], [1.0])}, ROLLS, {}, "prices[202406]: has instants and prices of different number"),
        (
            PRICES | {MAR: daily("2024-03-04", 1.0, float("nan"))},
            ROLLS,
            {},
            "prices[202403] row 2: settlement is not a finite number",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(prices: Any, rolls: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        continuous(prices, rolls, **options)
    assert str(caught.value).startswith(message)


def test_as_of_before_the_first_price_is_refused() -> None:
    with pytest.raises(DataError, match=r"as_of: no price up to 2024-03-03 00:00; the first is at 2024-03-04 00:00"):
        continuous(PRICES, ROLLS).as_of("2024-03-03")


# ---------------------------------------------------------------- properties


def equal(one: ContinuousSeries, other: ContinuousSeries) -> bool:
    arrays = ("ts_ns", "contract", "price_e8", "adjusted")
    same = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return same and one.rolls == other.rolls and one.method == other.method


Market = tuple[dict[int, MonthPrices], list[tuple[int, int, int]]]


@st.composite
def markets(draw: st.DrawFn, low: int = -200 * E8) -> Market:
    """Two to five months on days 1 to 40, with days missing, and rolls where both have had a price while held."""
    months = [MAR, JUN, SEP, DEC, 202503][: draw(st.integers(2, 5))]
    roll_days = sorted(draw(st.sets(st.integers(3, 38), min_size=len(months) - 1, max_size=len(months) - 1)))
    rolls = [(day * DAY_NS, old, new) for day, (old, new) in zip(roll_days, itertools.pairwise(months), strict=True)]
    since, until = [1, *roll_days], [*roll_days, 40]
    prices = {}
    for month, first, last in zip(months, since, until, strict=True):
        begin = draw(st.integers(1, first))
        days = draw(st.sets(st.integers(begin, 40), max_size=30)) | {first, last}
        stamps = sorted(days)
        values = draw(st.lists(st.integers(low, 500 * E8), min_size=len(stamps), max_size=len(stamps)))
        prices[month] = MonthPrices(np.array(stamps) * DAY_NS, np.array(values))
    return prices, rolls


@given(markets(), st.integers(0, 41), st.sampled_from(["difference", "unadjusted"]))
def test_the_series_as_of_an_instant_is_the_one_built_from_what_was_there(
    market: Market, day: int, method: Any
) -> None:
    _compare_as_of(market, day * DAY_NS, method)


@given(markets(low=1), st.integers(0, 41))
def test_so_it_is_with_ratios_to_the_last_bit(market: Market, day: int) -> None:
    _compare_as_of(market, day * DAY_NS, "ratio")


@given(markets(), st.data(), st.integers(0, 41))
def test_so_it_is_where_prices_are_missing_at_the_rolls(market: Market, data: st.DataObject, day: int) -> None:
    prices, rolls = market
    holes = {}
    for month, one in prices.items():
        gone = data.draw(st.sets(st.sampled_from(one.ts_ns.tolist()), max_size=min(2, len(one.ts_ns) - 1)))
        there = ~np.isin(one.ts_ns, list(gone))
        holes[month] = MonthPrices(one.ts_ns[there], one.price_e8[there])
    try:
        continuous(holes, rolls)
    except DataError:
        assume(False)
    _compare_as_of((holes, rolls), day * DAY_NS, "difference")


def _compare_as_of(market: Market, at_ns: int, method: Any) -> None:
    prices, rolls = market
    whole = continuous(prices, rolls, method=method)
    if whole.ts_ns[0] > at_ns:
        with pytest.raises(DataError):
            whole.as_of(at_ns)
        return
    known = [roll for roll in rolls if roll[0] <= at_ns]
    held = [known[0][1], *(new for _, _, new in known)] if known else [rolls[0][1]]
    cut = {month: prices[month].until(at_ns) for month in held}
    assert equal(whole.as_of(at_ns), continuous(cut, known, method=method))


@given(markets(), st.integers(0, 41), st.integers(-100 * E8, 100 * E8))
def test_prices_after_an_instant_change_nothing_of_the_series_as_it_stood_then(
    market: Market, day: int, move: int
) -> None:
    prices, rolls = market
    at_ns = day * DAY_NS
    other = {
        month: MonthPrices(one.ts_ns, np.where(one.ts_ns > at_ns, one.price_e8 + move, one.price_e8))
        for month, one in prices.items()
    }
    one, two = continuous(prices, rolls), continuous(other, rolls)
    if one.ts_ns[0] <= at_ns:
        assert equal(one.as_of(at_ns), two.as_of(at_ns))
    upto = one.ts_ns <= at_ns
    assert np.array_equal(one.price_e8[upto], two.price_e8[upto])


@given(markets())
def test_every_move_of_the_difference_series_is_the_held_contracts_own(market: Market) -> None:
    prices, rolls = market
    series = continuous(prices, rolls)
    rolled = {roll.ts_ns: roll for roll in series.rolls}
    own = {month: dict(zip(one.ts_ns.tolist(), one.price_e8.tolist(), strict=True)) for month, one in prices.items()}
    for i in range(1, len(series)):
        before, now, month = int(series.ts_ns[i - 1]), int(series.ts_ns[i]), int(series.contract[i])
        move = int(series.adjusted[i]) - int(series.adjusted[i - 1])
        if series.contract[i - 1] == month:
            assert move == own[month][now] - own[month][before]
        elif before in rolled:  # every month has a price at its roll, so the row before is the roll's
            assert move == own[month][now] - own[month][before]
            assert rolled[before].new == month


@given(markets())
def test_the_last_segment_is_the_contracts_own_prices(market: Market) -> None:
    prices, rolls = market
    for method in ("difference", "unadjusted"):
        series = continuous(prices, rolls, method=method)  # type: ignore[arg-type]
        last = series.contract == rolls[-1][2]
        assert np.array_equal(series.adjusted[last], series.price_e8[last])


@given(markets(low=1))
def test_ratios_keep_the_returns_of_the_held_contract(market: Market) -> None:
    prices, rolls = market
    series = continuous(prices, rolls, method="ratio")
    last = series.contract == rolls[-1][2]
    assert np.array_equal(series.adjusted[last], series.price_e8[last] / E8)
    own = {month: dict(zip(one.ts_ns.tolist(), one.price_e8.tolist(), strict=True)) for month, one in prices.items()}
    for i in range(1, len(series)):
        before, now, month = int(series.ts_ns[i - 1]), int(series.ts_ns[i]), int(series.contract[i])
        wanted = own[month][now] / own[month][before]
        assert series.adjusted[i] / series.adjusted[i - 1] == pytest.approx(wanted, rel=1e-12)
