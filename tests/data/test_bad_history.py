"""Bad input gives one clear error: the file or frame, the row, the value, the remedy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from novation.data import History
from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import HOUR_NS, to_ns


def set_cell(frame: pl.DataFrame, row: int, **values: float | None) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(pl.int_range(frame.height) == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: f.drop("close"),
            "BTCUSDT last: no column 'close'. Its columns are: ts, open, high, low. Rename or add it.",
        ),
        (
            lambda f: f.drop("ts"),
            "BTCUSDT last: no column 'ts'. Its columns are: open, high, low, close. Rename or add it.",
        ),
        (lambda f: f.clear(), "BTCUSDT last: no rows."),
        (
            lambda f: f.reverse(),
            "BTCUSDT last row 2: ts 2024-03-01 03:00 comes after 2024-03-01 04:00. Sort the rows by ts.",
        ),
        (
            lambda f: pl.concat([f, f.tail(1)]),
            "BTCUSDT last row 6: ts 2024-03-01 04:00 repeats the row before. Keep one row per stamp.",
        ),
        (
            lambda f: set_cell(f, 2, close=float("nan")),
            "BTCUSDT last row 3: close is not a finite number (found nan). Drop the row; nothing is filled.",
        ),
        (
            lambda f: set_cell(f, 2, close=None),
            "BTCUSDT last row 3: close is missing. Drop the row; nothing is filled.",
        ),
        (
            lambda f: set_cell(f, 2, high=90.0),
            "BTCUSDT last row 3: high 90 is below low 101. Check how the columns are named.",
        ),
        (
            lambda f: set_cell(f, 2, open=90.0),
            "BTCUSDT last row 3: open 90 is outside low 101 .. high 103.5.",
        ),
        (
            lambda f: set_cell(f, 2, close=190.5),
            "BTCUSDT last row 3: close 190.5 is outside low 101 .. high 103.5.",
        ),
        (
            lambda f: set_cell(f, 2, low=0.0),
            "BTCUSDT last row 3: low 0 is not positive. Drop the row; nothing is filled.",
        ),
        (lambda f: set_cell(f, 2, ts=None), "BTCUSDT last row 3: ts is missing."),
        (
            lambda f: f.with_columns(ts=pl.Series([[1]] * 5)),
            "BTCUSDT last: ts is of type List(Int64), not an instant. Give aware datetimes or epoch integers.",
        ),
    ],
)
def test_a_broken_frame_is_refused_in_one_sentence(spoil, message, hourly, perpetual) -> None:
    with pytest.raises(DataError) as caught:
        perpetual(spoil(hourly(5)))
    assert str(caught.value) == message


def test_a_naive_stamp_without_a_zone_is_not_guessed(tmp_path: Path, hourly, perpetual) -> None:
    naive = hourly(5).with_columns(pl.col("ts").dt.replace_time_zone(None))
    with pytest.raises(DataError) as caught:
        perpetual(naive)
    assert str(caught.value) == (
        'BTCUSDT last row 1: ts 2024-03-01 00:00 has no zone. Pass tz="UTC" (or the zone of your source).'
    )
    path = tmp_path / "last.csv"
    naive.with_columns(pl.col("ts").dt.to_string("%Y-%m-%d %H:%M:%S")).write_csv(path)
    with pytest.raises(DataError) as caught:
        perpetual(path)
    assert str(caught.value) == (
        f'{path} row 1: ts 2024-03-01 00:00 has no zone. Pass tz="UTC" (or the zone of your source).'
    )
    assert perpetual(path, tz="UTC").digest == perpetual(hourly(5)).digest


def test_one_naive_stamp_among_aware_ones_is_named(hourly, perpetual) -> None:
    texts = hourly(5)["ts"].dt.to_string("%Y-%m-%dT%H:%M:%SZ").to_list()
    texts[3] = texts[3].removesuffix("Z")
    with pytest.raises(DataError, match=r"row 4: ts 2024-03-01 03:00 has no zone while other rows have one"):
        perpetual(hourly(5).with_columns(ts=pl.Series(texts)))


@pytest.mark.parametrize(
    ("hour", "day", "what"), [(2, "2021-03-28", "does not exist"), (2, "2021-10-31", "happens twice")]
)
def test_a_local_time_that_is_skipped_or_comes_twice_is_named(hour, day, what, hourly, perpetual) -> None:
    began = dt.datetime.fromisoformat(day)
    stamps = [began + dt.timedelta(hours=h) for h in range(4)]
    frame = hourly(4).with_columns(ts=pl.Series(stamps))
    with pytest.raises(DataError) as caught:
        perpetual(frame, tz="Europe/Berlin")
    assert str(caught.value) == (
        f"BTCUSDT last row 3: ts {day} 02:00 {what} in Europe/Berlin (the clocks change). Give stamps in UTC."
    )


def test_an_unknown_zone_is_named(hourly, perpetual) -> None:
    with pytest.raises(DataError, match=r"BTCUSDT last tz: unknown time zone \(found 'Mars/Base'\)"):
        perpetual(hourly(3).with_columns(pl.col("ts").dt.replace_time_zone(None)), tz="Mars/Base")


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        ([1, 2], "row 1: ts is no epoch between 1990 and 2100 in s, ms, us or ns (found 1)"),
        ([1_709_251_200, 1_709_254_800_000], "row 2: ts is an epoch of another unit than the rows before"),
        ([1_709_251_200.5, 1_709_254_800.0], "row 1: ts is no whole number (found 1709251200.5)"),
        (["2024-03-01T00:00:00Z", "yesterday"], "row 2: ts is no date or instant (found 'yesterday')"),
    ],
)
def test_a_stamp_that_is_no_clear_instant_is_named(stamps, message, hourly, perpetual) -> None:
    with pytest.raises(DataError) as caught:
        perpetual(hourly(2).with_columns(ts=pl.Series(stamps)))
    assert str(caught.value).startswith(f"BTCUSDT last {message}")


def test_a_mark_of_another_bar_length_is_refused(hourly, perpetual) -> None:
    mark = hourly(24).gather_every(4)
    with pytest.raises(DataError) as caught:
        perpetual(hourly(24), mark)
    assert str(caught.value) == "BTCUSDT mark: mark bars are 4h long, those of last 1h. Give both in one bar length."


def test_a_mark_that_never_opens_with_last_is_refused(hourly, perpetual) -> None:
    with pytest.raises(DataError, match="BTCUSDT mark: no mark bar opens together with a bar of last"):
        perpetual(hourly(24), hourly(24, first="2024-03-01T00:30:00Z"))
    with pytest.raises(DataError, match=r"BTCUSDT mark: no mark price in 2024-03-01 00:00 .. 2024-03-01 05:00"):
        perpetual(hourly(24), hourly(24, first="2024-03-01T12:00:00Z"), end_ns="2024-03-01T05:00:00Z")


def test_a_stamp_beyond_what_nanoseconds_can_count_is_named(hourly, perpetual) -> None:
    far = hourly(2).with_columns(ts=pl.Series([0, 10**16]).cast(pl.Datetime("ms", "UTC")))
    with pytest.raises(DataError, match="BTCUSDT last row 2: ts lies outside the years 1678 to 2262"):
        perpetual(far)


def test_one_bar_does_not_show_its_length(hourly, perpetual) -> None:
    with pytest.raises(DataError, match=r'one row does not show how long a bar is. Pass bar="1h"'):
        perpetual(hourly(1))
    assert len(perpetual(hourly(1), bar="1h").bars) == 1


def test_bars_closer_than_the_stated_length_are_refused(hourly, perpetual) -> None:
    with pytest.raises(DataError, match="row 2: is 1h after the row before, less than bar='4h'"):
        perpetual(hourly(5), bar="4h")


def test_local_days_of_twenty_three_hours_are_days(dated) -> None:
    days = pl.datetime_range(
        pl.datetime(2024, 3, 7), pl.datetime(2024, 3, 13), "1d", time_zone="America/Chicago", eager=True
    )
    frame = pl.DataFrame({"ts": days} | {name: [5.0] * len(days) for name in ("open", "high", "low", "close")})
    bars = dated(frame).bars
    assert ((bars.end_ns - bars.start_ns) // HOUR_NS).tolist() == [24, 24, 24, 23, 24, 24, 24]


@pytest.mark.parametrize("given", [None, 7, {"ts": []}, [1, 2], pd.Series([1.0])])
def test_what_is_no_frame_is_refused(given) -> None:
    with pytest.raises(DataError, match="last: expected a pandas or polars DataFrame, a pyarrow Table or a path"):
        History(given)


def test_a_missing_or_unknown_file_is_named(tmp_path: Path, perpetual) -> None:
    with pytest.raises(DataError, match=r"gone.parquet: no such file"):
        perpetual(tmp_path / "gone.parquet")
    with pytest.raises(DataError, match=r"last.xlsx: unknown kind of file. Give a .parquet or a .csv file"):
        perpetual(tmp_path / "last.xlsx")
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"broken.parquet: cannot be read as parquet"):
        perpetual(tmp_path / "broken.parquet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stamp": "middle"}, "stamp: must be 'open' or 'close' (found 'middle')."),
        ({"missing_mark": "skip"}, "missing_mark: must be 'error' or 'count' (found 'skip')."),
        (
            {"bar": "one hour"},
            """bar: unknown bar length (found 'one hour'). Write e.g. "1m", "1h" or "1d".""",
        ),
        (
            {"funding_interval_hours": 7},
            "funding_interval_hours: must divide a day into whole hours (found 7).",
        ),
    ],
)
def test_options_are_checked_at_once(options, message, hourly) -> None:
    with pytest.raises(DataError) as caught:
        History(hourly(2), **options)
    assert str(caught.value) == message


def test_a_column_given_twice_is_refused(perpetual) -> None:
    stamps = pd.to_datetime([to_ns("2024-03-01"), to_ns("2024-03-01T01:00:00Z")]).tz_localize("UTC")
    frame = pd.DataFrame([[1.0] * 5] * 2, index=stamps, columns=["open", "high", "low", "close", "close"])
    with pytest.raises(DataError, match="BTCUSDT last: column 'close' is there twice"):
        perpetual(frame)


def test_a_rate_beyond_the_whole_position_is_named(hourly, perpetual) -> None:
    last = hourly(5)
    with pytest.raises(DataError, match=r"BTCUSDT funding: the rate is beyond 100 % .*\(found 5\)"):
        perpetual(last, funding=5)
    with pytest.raises(InvalidInput, match=r"^BTCUSDT funding: .*nan"):
        perpetual(last, funding=float("nan"))
    rates = pl.DataFrame({"ts": last["ts"][1:4], "rate": [1.0, -0.5, -1.5]})
    with pytest.raises(DataError, match=r"BTCUSDT funding row 3: the rate is beyond 100 % .*\(found -1\.5\)"):
        perpetual(last, funding=rates)
    perpetual(last, funding=rates.head(2))
