"""A folder of one file a contract: its months by the names, its prices and activity by the columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from novation.data.continuous import CLOSES_CAUTION, continuous
from novation.data.crossover import crossover_rolls
from novation.data.expiries import month_of_name, read_expiries
from novation.domain.errors import DataError
from novation.domain.units import E8, iso

BARS = """\
DATETIME,OPEN,HIGH,LOW,CLOSE,VOLUME
2024-03-04,10,12,9,11,{0}
2024-03-05,11,13,10,12,{1}
2024-03-06,12,14,11,13,{2}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "root", "month"),
    [
        ("20240300", "", 202403),
        ("202403", "", 202403),
        ("ES_20240300", "ES", 202403),
        ("6E-202412", "6E", 202412),
        ("ESH2024", "ES", 202403),
        ("ESH24", "ES", 202403),
        ("ES_Z99", "ES", 199912),
        ("6EM24", "6E", 202406),
        ("SP500_micro_20231200", "SP500_micro", 202312),
        ("H2024", "", 202403),
    ],
)
def test_a_name_says_its_root_and_month(name: str, root: str, month: int) -> None:
    assert month_of_name(name) == (root, month)


@pytest.mark.parametrize("name", ["readme", "ES", "ESH4", "20241300", "ESA2024", "ES_2024"])
def test_a_name_without_a_clear_month_says_none(name: str) -> None:
    assert month_of_name(name) is None


def test_a_folder_goes_from_volumes_to_rolls_to_one_series(tmp_path: Path) -> None:
    june = BARS.format(50, 90, 200).replace("13,10,12,", "17,10,16,").replace("14,11,13,", "18,11,17,")
    folder = write(tmp_path, ESH2024=BARS.format(100, 80, 20), ES_20240600=june)
    (folder / "notes.txt").write_text("not a contract")
    (folder / ".ESU2024.csv").write_text("hidden")
    read = read_expiries(folder, tz="UTC")
    assert (read.root, sorted(read.prices)) == ("ES", [202403, 202406])
    rolls = crossover_rolls(read.activity)
    assert [(iso(roll.ts_ns), roll.old, roll.new) for roll in rolls] == [("2024-03-06 00:00", 202403, 202406)]
    series = continuous(read.prices, rolls)
    assert (series.adjusted / E8).tolist() == [15.0, 16.0, 17.0]


def test_a_close_used_as_settlement_is_a_caution(tmp_path: Path) -> None:
    write(tmp_path, ESH24=BARS.format(1, 2, 3))
    assert read_expiries(tmp_path, tz="UTC").cautions == (CLOSES_CAUTION,)
    write(tmp_path, ESH24="date,close,settlement\n2024-03-04,11,11.5\n")
    read = read_expiries(tmp_path, tz="UTC")
    assert (read.cautions, read.activity) == ((), {})
    assert read.prices[202403].price_e8.tolist() == [1_150_000_000]


def test_files_of_several_products_need_the_root(tmp_path: Path) -> None:
    write(tmp_path, ESH24=BARS.format(1, 2, 3), NQH24=BARS.format(1, 2, 3))
    with pytest.raises(DataError, match=r"has files of several products: ES, NQ\. Pass root='NQ'"):
        read_expiries(tmp_path, tz="UTC")
    read = read_expiries(tmp_path, root="ES", tz="UTC")
    assert [file.name for file in read.files.values()] == ["ESH24.csv"]
    with pytest.raises(DataError, match=r"no file of root 'YM'\. It has: ES, NQ"):
        read_expiries(tmp_path, root="YM", tz="UTC")


def test_a_folder_that_is_no_folder_of_contracts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_expiries(tmp_path / "gone")
    with pytest.raises(DataError, match=r"no \.csv or \.parquet file"):
        read_expiries(tmp_path)
    write(tmp_path, ESH24=BARS.format(1, 2, 3), ES_202403=BARS.format(1, 2, 3))
    with pytest.raises(DataError, match=r"ES_202403\.csv|ESH24\.csv"):
        read_expiries(tmp_path, tz="UTC")
    (tmp_path / "ES_202403.csv").rename(tmp_path / "summary.csv")
    with pytest.raises(DataError, match=r"summary\.csv: the name says no contract month\. Name it like"):
        read_expiries(tmp_path, tz="UTC")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BARS.format(1, 2, 3).replace("11,13,10,12", "11,13,10,"), "row 2: CLOSE is missing. Drop the row"),
        (BARS.format(1, 2, 3).replace("2024-03-05", "2024-03-09"), "row 3: DATETIME 2024-03-06 00:00 comes after"),
        (BARS.format(1, -2, 3), "row 2: VOLUME is no number of contracts (found -2)"),
        (BARS.format(1, 2.5, 3), "row 2: VOLUME is no number of contracts (found 2.5)"),
        ("DATETIME,px\n2024-03-04,1\n", "no column with a price. Its columns are: DATETIME, px"),
        ("DATETIME,CLOSE\n", "no rows"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_row_and_column(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, ESH24=text)
    with pytest.raises(DataError) as caught:
        read_expiries(tmp_path, tz="UTC")
    assert str(caught.value).startswith(str(tmp_path / "ESH24.csv"))
    assert message in str(caught.value)


def test_a_stamp_without_a_zone_asks_for_it(tmp_path: Path) -> None:
    write(tmp_path, ESH24=BARS.format(1, 2, 3))
    with pytest.raises(DataError, match=r"DATETIME 2024-03-04 00:00 has no zone\. Pass tz="):
        read_expiries(tmp_path)
