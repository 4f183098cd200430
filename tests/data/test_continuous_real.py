"""Continuous series of the real files, against the adjusted series that lie beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novation.data.continuous import ContinuousSeries, continuous
from novation.data.crossover import Figure, crossover_rolls, read_daily_chain
from novation.data.multiple_prices import MultiplePrices, product_files, read_adjusted, read_multiple_prices
from novation.data.series import Array, ContractRoll
from novation.domain.units import E8, iso

pytestmark = [pytest.mark.data, pytest.mark.slow]

CENT_E8 = E8 // 100


def read(folder: Path, code: str) -> tuple[MultiplePrices, Path, Array, Array]:
    files = product_files(folder / "cme", code)
    return read_multiple_prices(files["multiple_prices"]), files["roll_calendar"], *read_adjusted(files["adjusted"])


def apart(series: ContinuousSeries, ts_ns: Array, adjusted_e8: Array) -> tuple[Array, Array]:
    """On the instants of both, by how much ours differs (1e-8), and by how much its moves do."""
    _, ours, theirs = np.intersect1d(series.ts_ns, ts_ns, return_indices=True)
    off = series.adjusted[ours] - adjusted_e8[theirs]
    return np.abs(off), np.abs(np.diff(off))


@pytest.mark.parametrize(
    ("code", "rolls", "rows", "newer"),
    [
        ("CRUDE_W_mini", 148, 28_111, []),
        ("EUR", 96, 41_107, ["2023-06-16 23:00", "2023-07-26 21:00", "2023-08-21 23:00"]),
        ("GOLD_micro", 290, 48_373, ["2023-08-25 23:00", "2023-08-28 23:00"]),
        (
            "SP500_micro",
            163,
            33_059,
            ["2023-06-08 21:00", "2023-07-13 21:00", "2023-08-25 23:00", "2023-08-28 23:00"],
        ),
        ("US10", 164, 46_704, []),
    ],
)
def test_rolled_where_the_price_file_rolls_the_difference_series_is_the_adjusted_file_to_the_last_digit(
    code: str, rolls: int, rows: int, newer: list[str], novation_data: Path
) -> None:
    prices, _, ts_ns, adjusted_e8 = read(novation_data, code)
    series = continuous(prices.prices, prices.rolls)
    off, _ = apart(series, ts_ns, adjusted_e8)
    print(f"{code}: {len(series.rolls)} rolls, {len(off):,} rows, largest difference {int(off.max()) / E8}")
    assert (len(series.rolls), len(off)) == (rolls, rows)
    assert all(roll.price_ns == roll.ts_ns for roll in series.rolls)
    assert off.max() == 0
    # no priced row of theirs is missing in ours; a few late rows have a price in the one file and are not in the other
    assert len(ts_ns) == rows
    assert [iso(ns) for ns in series.ts_ns[~np.isin(series.ts_ns, ts_ns)].tolist()] == newer


def given_calendar(prices: MultiplePrices, calendar: Path) -> list[ContractRoll]:
    """The calendar's rolls but the last, which is where its data ended, then those of the price file."""
    rolls = prices.calendar_rolls(calendar)[:-1]
    return [*rolls, *(roll for roll in prices.rolls if roll.old >= rolls[-1].new)]


@pytest.mark.parametrize(("code", "calendar_rolls"), [("EUR", 85), ("GOLD_micro", 273), ("US10", 152)])
def test_rolled_by_the_given_calendar_three_series_are_theirs_to_the_last_digit(
    code: str, calendar_rolls: int, novation_data: Path
) -> None:
    prices, calendar, ts_ns, adjusted_e8 = read(novation_data, code)
    rolls = given_calendar(prices, calendar)
    assert len(prices.calendar_rolls(calendar)) - 1 == calendar_rolls
    assert [(roll.ts_ns, roll.old, roll.new) for roll in rolls] == [(r.ts_ns, r.old, r.new) for r in prices.rolls]
    off, _ = apart(continuous(prices.prices, rolls), ts_ns, adjusted_e8)
    assert off.max() == 0


@pytest.mark.parametrize(
    ("code", "same", "of", "largest", "moves"),
    [("CRUDE_W_mini", 113, 133, 3.075, 105), ("SP500_micro", 149, 159, 5.0, 6)],
)
def test_two_given_calendars_are_not_those_of_their_own_adjusted_file(
    code: str, same: int, of: int, largest: float, moves: int, novation_data: Path
) -> None:
    prices, calendar, ts_ns, adjusted_e8 = read(novation_data, code)
    file = {(roll.old, roll.new): roll.ts_ns for roll in prices.rolls}
    rolls = prices.calendar_rolls(calendar)
    assert (sum(file[roll.old, roll.new] == roll.ts_ns for roll in rolls), len(rolls)) == (same, of)
    off, moved = apart(continuous(prices.prices, given_calendar(prices, calendar)), ts_ns, adjusted_e8)
    print(f"{code}: {len(off):,} rows, {(off > CENT_E8 // 2).sum():,} apart, largest {int(off.max()) / E8}")
    assert int(off.max()) == round(largest * E8)
    assert int((moved > CENT_E8 // 2).sum()) == moves


def test_the_crude_series_as_of_2020_moves_as_the_whole_one_does(novation_data: Path) -> None:
    prices, *_ = read(novation_data, "CRUDE_W_mini")
    whole = continuous(prices.prices, prices.rolls)
    stood = whole.as_of("2020-04-20T23:00:00Z")
    assert stood.adjusted[-1] == stood.price_e8[-1]
    assert np.array_equal(np.diff(stood.adjusted), np.diff(whole.adjusted[: len(stood)]))
    shift = int(whole.adjusted[0] - stood.adjusted[0])
    assert shift == sum(int(roll.adjustment) for roll in whole.rolls[len(stood.rolls) :])


@pytest.mark.parametrize(
    ("root", "cycle", "by", "wanted"),
    [
        ("ES", "HMUZ", "volume", [("2013-12-19", 201312, 201403), ("2014-03-20", 201403, 201406)]),
        ("ES", "HMUZ", "open_interest", [("2013-12-19", 201312, 201403), ("2014-03-20", 201403, 201406)]),
        ("GC", "GJMQZ", "volume", [("2014-02-25", 201312, 201402)]),
        ("GC", "GJMQZ", "open_interest", [("2013-12-17", 201312, 201402)]),
    ],
)
def test_a_daily_chain_rolls_on_the_given_day_after_the_crossover(
    root: str, cycle: str, by: Figure, wanted: list[tuple[str, int, int]], novation_data: Path
) -> None:
    months = read_daily_chain(novation_data / "cme" / "daily_chain" / f"{root}_chain.parquet")
    rolls = crossover_rolls(months, by=by, cycle=cycle)
    for roll in rolls:
        day, decided = iso(roll.ts_ns)[:10], iso(roll.decided_ns)[:10]
        print(f"{root} {by}: {day} {roll.old} to {roll.new}, {decided}: {roll.following:,} against {roll.held:,}")
    # the sample leaps from 2014 to 2020: what is rolled there is out of months that are listed no more
    assert [(iso(r.ts_ns)[:10], r.old, r.new) for r in rolls if iso(r.ts_ns) < "2015"] == wanted
    assert all(roll.held == 0 for roll in rolls if iso(roll.ts_ns) > "2015")
