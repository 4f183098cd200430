"""pysystemtrade's folders as they are: multiple prices, roll calendars and adjusted prices of one product."""

from __future__ import annotations

from pathlib import Path

import pytest

from novation.data.continuous import CLOSES_CAUTION, continuous
from novation.data.multiple_prices import product_files, read_adjusted, read_multiple_prices
from novation.domain.errors import DataError
from novation.domain.units import E8, iso

MULTIPLE = """\
DATETIME,CARRY,CARRY_CONTRACT,PRICE,PRICE_CONTRACT,FORWARD,FORWARD_CONTRACT
2024-03-04 23:00:00,,20240600,50.0,20240300,52.0,20240600
2024-03-05 23:00:00,53.5,20240600,51.0,20240300,53.5,20240600
2024-03-06 23:00:00,,20240900,54.0,20240600,,20240900
2024-03-07 23:00:00,,20240900,,20240600,55.0,20240900
2024-03-08 23:00:00,,20240900,55.25,20240600,56.0,20240900
2024-03-11 23:00:00,,20241200,57.0,20240900,58.0,20241200
"""
CALENDAR = """\
DATE_TIME,current_contract,next_contract,carry_contract
2024-03-06 23:00:00,20240300,20240600,20240600
2024-03-08 23:00:00,20240600,20240900,20240900
"""
# 53.5 - 51 = 2.5, and 56 - 55.25 = 0.75
ADJUSTED = """\
DATETIME,price
2024-03-04 23:00:00,53.25
2024-03-05 23:00:00,54.25
2024-03-06 23:00:00,54.75
2024-03-07 23:00:00,
2024-03-08 23:00:00,56.0
2024-03-11 23:00:00,57.0
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    parts = {"multiple_prices_csv": MULTIPLE, "roll_calendars_csv": CALENDAR, "adjusted_prices_csv": ADJUSTED}
    for name, text in parts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "MILK.csv").write_text(text)
    return tmp_path


def test_a_folder_makes_the_series_that_lies_beside_it(folder: Path) -> None:
    files = product_files(folder, "MILK")
    read = read_multiple_prices(files["multiple_prices"])
    series = continuous(read.prices, read.rolls)
    ts_ns, adjusted_e8 = read_adjusted(files["adjusted"])
    assert series.ts_ns.tolist() == ts_ns.tolist()
    assert series.adjusted.tolist() == adjusted_e8.tolist()
    assert [roll.adjustment for roll in series.rolls] == [250_000_000, 75_000_000]
    assert CLOSES_CAUTION in series.cautions


def test_a_month_has_the_prices_it_had_as_the_next_and_as_the_held_one(folder: Path) -> None:
    read = read_multiple_prices(product_files(folder, "MILK")["multiple_prices"])
    assert sorted(read.prices) == [202403, 202406, 202409, 202412]
    assert (read.prices[202406].price_e8 / E8).tolist() == [52.0, 53.5, 54.0, 55.25]
    assert [iso(ns) for ns in read.prices[202409].ts_ns.tolist()] == [
        "2024-03-07 23:00",
        "2024-03-08 23:00",
        "2024-03-11 23:00",
    ]


def test_the_file_rolls_at_the_last_row_of_the_contract_it_leaves(folder: Path) -> None:
    read = read_multiple_prices(product_files(folder, "MILK")["multiple_prices"])
    assert [(iso(roll.ts_ns), roll.old, roll.new) for roll in read.rolls] == [
        ("2024-03-05 23:00", 202403, 202406),
        ("2024-03-08 23:00", 202406, 202409),
    ]


def test_a_calendar_that_names_the_first_row_of_the_new_or_the_last_of_the_old_contract_rolls_at_the_same_row(
    folder: Path,
) -> None:
    files = product_files(folder, "MILK")
    read = read_multiple_prices(files["multiple_prices"])
    rolls = read.calendar_rolls(files["roll_calendar"])
    assert [(roll.ts_ns, roll.old, roll.new) for roll in rolls] == [(r.ts_ns, r.old, r.new) for r in read.rolls]
    assert [iso(roll.calendar_ns) for roll in rolls] == ["2024-03-06 23:00", "2024-03-08 23:00"]


def test_rolls_that_the_file_cannot_price_are_left_out_with_all_before_them(folder: Path, tmp_path: Path) -> None:
    read = read_multiple_prices(product_files(folder, "MILK")["multiple_prices"])
    early = tmp_path / "early.csv"
    early.write_text(CALENDAR.replace("2024-03-06 23:00:00,", "2024-03-01 23:00:00,"))
    assert [(roll.old, roll.new) for roll in read.calendar_rolls(early)] == [(202406, 202409)]
    early.write_text(CALENDAR.replace("2024-", "2023-"))
    with pytest.raises(DataError, match=r"early.csv: no roll of the calendar can be made .* Is it the calendar of "):
        read.calendar_rolls(early)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("50.0,20240300", "50.0,20241300", "row 1: PRICE_CONTRACT is no month YYYYMM (found 20241300). Write YYYYMM"),
        ("51.0,20240300", "51.0,20240315", "row 2: PRICE_CONTRACT is no month YYYYMM (found 20240315). Write YYYYMM"),
        ("54.0,20240600,", "abc,20240600,", "PRICE' is of type String, not numbers"),
        ("2024-03-05 23", "2024-03-04 23", "row 2: DATETIME 2024-03-04 23:00 repeats the row before. Keep one row"),
        ("2024-03-05 23:00:00", "yesterday", "row 2: DATETIME is no date or instant (found 'yesterday')"),
        (",FORWARD,", ",AHEAD,", "no column 'forward'. Its columns are: DATETIME, CARRY"),
        ("55.25,20240600", "55.25,20240900", "row 5: price_contract and forward_contract are the same month"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_row_and_column(folder: Path, old: str, new: str, message: str) -> None:
    file = folder / "multiple_prices_csv" / "MILK.csv"
    file.write_text(MULTIPLE.replace(old, new))
    with pytest.raises(DataError) as caught:
        read_multiple_prices(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_forward_column_without_a_value_has_no_price(folder: Path) -> None:
    file = folder / "one.csv"
    file.write_text("DATETIME,PRICE,PRICE_CONTRACT,FORWARD,FORWARD_CONTRACT\n2024-03-04,50,20240300,,20240600\n")
    assert sorted(read_multiple_prices(file).prices) == [202403]


def test_a_product_that_is_not_there_is_named_with_the_folders_looked_in(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        product_files(folder, "WOOL")
    assert "no file WOOL.csv or WOOL.parquet in a subfolder multiple_prices_csv" in str(caught.value)
