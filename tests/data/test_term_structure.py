"""Term-structure files: daily bars of each contract in its turn, rolled where both have a price."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from novation.data.term_structure import read_term_structure
from novation.domain.errors import DataError
from novation.domain.units import E8, iso, to_ns

Row = tuple[str, float | None, int, float | None, int]


def prices(rows: list[Row]) -> pl.DataFrame:
    columns = ["ts", "price", "price_contract", "forward", "forward_contract"]
    frame = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    return frame.with_columns(
        pl.Series("ts", [dt.datetime.fromisoformat(row[0]) for row in rows]),
        pl.col("price").cast(pl.Float64),
        pl.col("forward").cast(pl.Float64),
    )


def calendar(*rows: tuple[str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts": [dt.datetime.fromisoformat(row[0]) for row in rows],
            "current_contract": [row[1] for row in rows],
            "next_contract": [row[2] for row in rows],
        }
    )


A, B, C = 202003, 202006, 202009
HOURLY: list[Row] = [
    ("2020-03-09T10:00", 100.0, A, 99.0, B),
    ("2020-03-09T11:00", 104.0, A, None, B),
    ("2020-03-09T12:00", None, A, 90.0, B),
    ("2020-03-09T13:00", 98.0, A, None, B),
    ("2020-03-10T09:00", 101.0, A, None, B),
    ("2020-03-10T10:00", 102.0, A, 95.0, B),
    ("2020-03-10T11:00", 103.0, A, 94.0, B),
    ("2020-03-10T12:00", 93.0, B, 88.0, C),
    ("2020-03-10T13:00", 97.0, B, None, C),
    ("2020-03-11T10:00", None, B, 88.0, C),
    ("2020-03-12T10:00", 96.5, B, 89.0, C),
]


def test_a_day_is_a_bar_from_its_first_price_to_midnight_and_settles_at_its_last() -> None:
    contracts, _, _ = read_term_structure(prices(HOURLY), calendar(("2020-03-10T11:00", A, B))).prepare("cme:ES")
    bars = contracts[A].bars
    assert [iso(ns) for ns in bars.start_ns] == ["2020-03-09 10:00", "2020-03-10 10:00"]
    assert [iso(ns) for ns in bars.end_ns] == ["2020-03-10 00:00", "2020-03-11 00:00"]
    day = [int(getattr(bars, f"{name}_e8")[0]) // E8 for name in ("open", "high", "low", "close", "mark_low")]
    assert day == [100, 104, 98, 98, 98]
    assert contracts[A].settlement_ns.tolist() == bars.end_ns.tolist()
    assert (contracts[A].settlement_e8 // E8).tolist() == [98, 103]


def test_a_roll_is_made_at_the_first_row_of_its_day_that_prices_both() -> None:
    contracts, rolls, cautions = read_term_structure(prices(HOURLY), calendar(("2020-03-10T11:00", A, B))).prepare(
        "cme:ES"
    )
    (roll,) = rolls
    assert (iso(roll.ts_ns), roll.old, roll.new) == ("2020-03-10 10:00", A, B)
    old, new = contracts[A].bars, contracts[B].bars
    assert old.start_ns[-1] == roll.ts_ns == new.start_ns[0]
    assert (int(old.open_e8[-1]), int(new.open_e8[0])) == (102 * E8, 95 * E8)
    # the old one's last bar stops at the calendar's instant; the new one's first bar has forward, then price
    assert (int(old.close_e8[-1]), int(old.high_e8[-1])) == (103 * E8, 103 * E8)
    assert (int(new.low_e8[0]), int(new.high_e8[0]), int(new.close_e8[0])) == (93 * E8, 97 * E8, 97 * E8)
    assert "1 price of old contracts, earlier on the day of a roll than the roll, in no bar" in cautions


def test_a_null_is_no_price_and_a_day_of_nulls_has_no_bar() -> None:
    chain = read_term_structure(prices(HOURLY), calendar(("2020-03-10T11:00", A, B)))
    contracts, _, cautions = chain.prepare("cme:ES")
    assert [iso(ns) for ns in contracts[B].bars.start_ns] == ["2020-03-10 10:00", "2020-03-12 10:00"]
    assert "1 day with rows but no price: no bar, not filled" in cautions
    assert "1 weekday without a bar, holidays included: not filled" in cautions


def test_a_roll_day_without_common_prices_moves_the_roll_to_the_latest_earlier_day() -> None:
    rows: list[Row] = [
        ("2020-03-09T23:00", 100.0, A, 99.0, B),
        ("2020-03-10T23:00", 101.0, A, 100.0, B),
        ("2020-03-11T23:00", 102.0, A, None, B),
        ("2020-03-12T23:00", 103.0, B, 102.0, C),
    ]
    contracts, rolls, cautions = read_term_structure(prices(rows), calendar(("2020-03-12T23:00", A, B))).prepare(
        "cme:ES"
    )
    assert iso(rolls[0].ts_ns) == "2020-03-10 23:00"
    assert iso(rolls[0].calendar_ns) == "2020-03-12 23:00"
    assert [iso(ns) for ns in contracts[A].bars.start_ns] == ["2020-03-09 23:00", "2020-03-10 23:00"]
    assert [iso(ns) for ns in contracts[B].bars.start_ns] == ["2020-03-10 23:00", "2020-03-12 23:00"]
    assert (
        "1 of 1 roll made on an earlier day than the calendar's, the latest with prices of both "
        "contracts at one time: 202003 to 202006 2020-03-10 23:00, calendar 2020-03-12 23:00"
    ) in cautions


def test_a_file_that_holds_the_old_contract_longer_than_the_calendar_says_is_reported() -> None:
    rows: list[Row] = [
        ("2020-03-09T23:00", 100.0, A, 99.0, B),
        ("2020-03-10T23:00", 101.0, A, 100.0, B),
        ("2020-03-11T23:00", 103.0, B, 102.0, C),
    ]
    contracts, _, cautions = read_term_structure(prices(rows), calendar(("2020-03-09T23:00", A, B))).prepare("cme:ES")
    assert any("calendar 2020-03-09 23:00, file 2020-03-11 23:00" in caution for caution in cautions)
    assert (contracts[B].bars.close_e8 // E8).tolist() == [99, 100, 103]
    assert (contracts[A].bars.close_e8 // E8).tolist() == [100]


def test_the_chain_begins_after_the_last_roll_that_cannot_be_made() -> None:
    rows: list[Row] = [
        ("2020-03-09T23:00", 100.0, A, None, B),
        ("2020-03-10T23:00", 101.0, B, 100.0, C),
        ("2020-03-11T23:00", 103.0, C, 102.0, 202012),
    ]
    chain = read_term_structure(prices(rows), calendar(("2020-03-10T00:00", A, B), ("2020-03-10T23:00", B, C)))
    assert list(chain.prepare("cme:ES").contracts) == [B, C]
    with pytest.raises(DataError, match=r"cme:ES term structure: start 2020-03-09 00:00 is outside the data"):
        chain.prepare("cme:ES", to_ns("2020-03-09"))


def test_the_clock_is_read_as_it_stands_and_that_is_a_caution() -> None:
    cautions = read_term_structure(prices(HOURLY), calendar(("2020-03-10T11:00", A, B))).prepare("cme:ES").cautions
    assert "stamps carry no zone: the file's own clock is read as UTC" in cautions
    assert any("not the exchange's settlement price" in caution for caution in cautions)


@pytest.mark.parametrize(
    ("table", "plan", "message"),
    [
        (
            prices(HOURLY).drop("forward"),
            calendar(("2020-03-10T11:00", A, B)),
            "term structure: no column 'forward'",
        ),
        (
            prices(HOURLY).with_columns(price_contract=pl.lit(202013)),
            calendar(("2020-03-10T11:00", A, B)),
            "term structure row 1: price_contract is no month YYYYMM (found 202013)",
        ),
        (
            prices(HOURLY).with_columns(price=pl.lit(float("nan"))),
            calendar(("2020-03-10T11:00", A, B)),
            "term structure row 1: price is not a finite number",
        ),
        (
            prices(HOURLY),
            calendar(("2020-03-10T11:00", A, B), ("2020-06-10T11:00", C, 202012)),
            "roll calendar row 2: leaves 202009, but the row before rolls into 202006",
        ),
        (
            prices(HOURLY),
            calendar(("2020-03-10T11:00", 201903, 201906)),
            "roll calendar: no roll of the calendar can be made with these prices",
        ),
    ],
)
def test_broken_files_are_refused(table, plan, message) -> None:
    with pytest.raises(DataError) as caught:
        read_term_structure(table, plan)
    assert str(caught.value).startswith(message)
