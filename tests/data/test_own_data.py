"""A user's own frames: every kind that is accepted says the same, and what is assumed is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from novation.data import History, Prepared
from novation.domain.errors import DataError
from novation.domain.units import E8, HOUR_NS, to_ns

START_NS = to_ns("2024-03-01")


def funding_frame() -> pl.DataFrame:
    stamps = [START_NS + i * 8 * HOUR_NS for i in range(3)]
    return pl.DataFrame(
        {
            "ts": pl.Series(stamps).cast(pl.Datetime("ns", "UTC")).cast(pl.Datetime("ms", "UTC")),
            "funding_rate": [0.0001, -0.00025, 0.0],
            "open_interest": [10.0, None, 12.0],
        }
    )


def trio(hourly) -> list[pl.DataFrame]:
    last = hourly(24, volume=[float(i) for i in range(24)], note=[f"bar {i}" for i in range(24)])
    mark = hourly(24, price=100.0625).with_columns(index=pl.Series([1.5 * i for i in range(24)]))
    return [last, mark, funding_frame()]


def as_pandas_with_index(frame: pl.DataFrame) -> pd.DataFrame:
    return as_pandas(frame).set_index("ts")


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    columns = {name: frame[name].to_list() for name in frame.columns if name != "ts"}
    stamps = pd.to_datetime(frame["ts"].cast(pl.Datetime("ns", "UTC")).to_physical().to_numpy())
    return pd.DataFrame({"ts": stamps.tz_localize("UTC")} | columns)


def as_arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow()


@pytest.mark.parametrize(
    ("convert", "kind"),
    [
        (as_pandas, "pandas"),
        (as_pandas_with_index, "pandas"),
        (as_arrow, "arrow"),
        (lambda frame: frame, "polars"),
        (lambda frame: frame.lazy(), "polars"),
    ],
)
def test_pandas_polars_and_arrow_give_the_same_history(convert, kind, hourly, perpetual) -> None:
    expected = perpetual(*trio(hourly))
    given = [convert(frame) for frame in trio(hourly)]
    assert perpetual(*given).digest == expected.digest
    assert History(given[0]).kind == kind


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_paths_give_the_same_history_and_return_polars(suffix: str, tmp_path: Path, hourly, perpetual) -> None:
    expected = perpetual(*trio(hourly))
    paths = [tmp_path / f"{name}.{suffix}" for name in ("last", "mark", "funding")]
    for frame, path in zip(trio(hourly), paths, strict=True):
        getattr(frame, f"write_{suffix}")(path)
    assert perpetual(*paths).digest == expected.digest
    assert perpetual(*map(str, paths)).digest == expected.digest
    assert History(paths[0]).kind == "polars"


@pytest.mark.parametrize("divisor", [1, 10**3, 10**6, 10**9])
def test_epoch_integers_of_any_unit_are_understood(divisor: int, hourly, perpetual) -> None:
    frame = hourly(5)
    epochs = frame.with_columns(pl.col("ts").to_physical() // divisor)
    assert perpetual(epochs).digest == perpetual(frame).digest
    assert perpetual(epochs.with_columns(pl.col("ts").cast(pl.Float64))).digest == perpetual(frame).digest


@pytest.mark.parametrize("name", ["timestamp", "open_time", "date", "Date", "TS"])
def test_the_stamp_is_found_under_its_usual_names(name: str, hourly, perpetual) -> None:
    frame = hourly(5)
    assert perpetual(frame.rename({"ts": name, "open": "Open"})).digest == perpetual(frame).digest


def test_stamps_that_close_their_bars_say_so(hourly, perpetual) -> None:
    opens = hourly(5)
    closes = opens.with_columns(pl.col("ts").dt.offset_by("1h"))
    assert perpetual(closes, stamp="close").digest == perpetual(opens).digest


def test_a_perpetual_without_a_mark_is_marked_at_last_and_says_so(hourly, perpetual) -> None:
    prepared = perpetual(hourly(5))
    assert (prepared.bars.mark_close_e8 == prepared.bars.close_e8).all()
    assert "no mark prices given: the last price stands in for the mark" in prepared.cautions


def test_bars_before_the_first_mark_and_after_the_last_are_left_out_and_counted(hourly, perpetual) -> None:
    prepared = perpetual(hourly(10), hourly(6, first="2024-03-01T02:00:00Z"))
    assert prepared.bars.start_ns[0] == START_NS + 2 * HOUR_NS
    assert len(prepared.bars) == 6
    assert prepared.cautions == (
        "cut to where mark prices exist, 2024-03-01 02:00 .. 2024-03-01 08:00: 4 bars of last prices left out",
        "funding stated to be free",
    )


def test_a_bar_without_a_mark_inside_the_history_keeps_zero_and_is_counted(hourly, perpetual) -> None:
    prepared = perpetual(hourly(6), hourly(6).filter(pl.int_range(6) != 3))
    assert np.flatnonzero(prepared.bars.mark_close_e8 == 0).tolist() == [3]
    assert "1 bar without a mark price: margin is tested at the mark before" in prepared.cautions


def test_missing_bars_are_counted_and_listed_but_never_filled(hourly, perpetual) -> None:
    prepared = perpetual(hourly(20).filter(~pl.int_range(20).is_in([3, 10, 11, 12])))
    assert len(prepared.bars) == 16
    assert prepared.gaps["missing"].to_list() == [1, 3]
    assert prepared.gaps["after"].dt.hour().to_list() == [3, 10]
    assert prepared.gaps["before"].dt.hour().to_list() == [4, 13]
    assert "4 missing 1h bars (2 gaps, longest 3 from 2024-03-01 10:00), not filled" in prepared.cautions


def test_weekends_are_no_gaps_of_a_dated_future(dated) -> None:
    days = pl.datetime_range(pl.datetime(2024, 3, 1), pl.datetime(2024, 3, 15), "1d", time_zone="UTC", eager=True)
    frame = pl.DataFrame({"ts": days}).filter((pl.col("ts").dt.weekday() < 6) & (pl.col("ts").dt.day() != 12))
    for name in ("open", "high", "low", "close"):
        frame = frame.with_columns(pl.lit(5.0).alias(name))
    prepared = dated(frame)
    assert prepared.gaps["missing"].to_list() == [1]


def test_a_period_is_half_open_and_holds_whole_bars(hourly, perpetual) -> None:
    prepared = perpetual(hourly(10), start_ns="2024-03-01T02:00:00Z", end_ns="2024-03-01T05:30:00Z")
    assert ((prepared.bars.start_ns - START_NS) // HOUR_NS).tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("period", "what"),
    [
        ({"start_ns": "2024-02-29"}, "start 2024-02-29 00:00"),
        ({"end_ns": "2024-03-02"}, "end 2024-03-02 00:00"),
    ],
)
def test_a_date_outside_the_data_is_an_error_that_says_what_there_is(period, what, hourly, perpetual) -> None:
    with pytest.raises(DataError) as caught:
        perpetual(hourly(10), **period)
    assert str(caught.value) == (
        f"BTCUSDT last: {what} is outside the data, 2024-03-01 00:00 .. 2024-03-01 10:00. "
        "Choose a period inside it, or give more data."
    )


# ---------------------------------------------------------------- further columns


def test_further_columns_reach_the_bar_as_of_their_stamp(hourly, perpetual) -> None:
    extra = perpetual(*trio(hourly)).bars.extra
    assert set(extra) == {"volume", "note", "index", "open_interest"}
    assert extra["volume"][5] == 5.0
    assert extra["note"][5] == "bar 5"
    assert extra["index"][5] == 7.5
    # the bar that closes at 08:00 sees the funding row stamped 08:00, the one before sees midnight's
    assert extra["open_interest"][6] == 10.0
    assert np.isnan(extra["open_interest"][7])


def test_a_column_that_last_and_mark_both_have_is_told_apart(hourly, perpetual) -> None:
    extra = perpetual(hourly(3, volume=[1, 2, 3]), hourly(3, volume=[4, 5, 6])).bars.extra
    assert extra == {"volume": [1, 2, 3], "mark_volume": [4, 5, 6]}


def test_a_further_column_is_part_of_the_digest(hourly, perpetual) -> None:
    digests = {perpetual(hourly(3, signal=signal)).digest for signal in ([1, 2, 3], [1, 2, 4], [True, False, True])}
    assert len(digests) == 3


# ---------------------------------------------------------------- funding


def test_funding_is_paid_at_its_stamps_on_the_mark_that_opens_there(hourly, perpetual) -> None:
    prepared = perpetual(hourly(24), hourly(24, price=200.0), funding_frame())
    assert ((prepared.funding_ns - START_NS) // HOUR_NS).tolist() == [0, 8, 16]
    assert prepared.funding_rate_e8.tolist() == [10_000, -25_000, 0]
    assert prepared.funding_mark_e8.tolist() == [200 * E8, 208 * E8, 216 * E8]


def test_funding_stays_paid_where_last_has_a_gap_but_the_mark_does_not(hourly, perpetual) -> None:
    prepared = perpetual(hourly(24).filter(pl.int_range(24) != 8), hourly(24, price=200.0), funding_frame())
    assert prepared.funding_mark_e8.tolist() == [200 * E8, 208 * E8, 216 * E8]


def test_a_constant_rate_falls_on_multiples_of_its_interval_from_midnight(hourly, perpetual) -> None:
    prepared = perpetual(hourly(12, first="2024-03-01T01:00:00Z"), funding=0.0001, funding_interval_hours=4)
    assert ((prepared.funding_ns - START_NS) // HOUR_NS).tolist() == [4, 8, 12]
    assert set(prepared.funding_rate_e8.tolist()) == {10_000}
    assert "funding stated to be a constant 0.0001 per 4 h" in prepared.cautions


def test_funding_of_zero_states_that_it_is_free(hourly, perpetual) -> None:
    prepared = perpetual(hourly(12), funding=0)
    assert len(prepared.funding_ns) == 0
    assert "funding stated to be free" in prepared.cautions


def test_a_perpetual_without_funding_is_an_error_naming_three_ways_to_state_it(hourly, perpetual) -> None:
    with pytest.raises(DataError) as caught:
        perpetual(hourly(12), funding=None)
    assert str(caught.value) == (
        "BTCUSDT: no funding given for a perpetual. Pass funding=<frame>, funding=0.0001 "
        "(constant per interval) or funding=0 to state that it is free."
    )


def test_a_funding_stamp_without_a_mark_bar_is_an_error_or_counted_on_request(hourly, perpetual) -> None:
    mark = hourly(24).filter(pl.int_range(24) != 8)
    with pytest.raises(DataError) as caught:
        perpetual(hourly(24), mark, funding_frame())
    assert str(caught.value) == (
        "BTCUSDT funding row 2: no mark bar opens at the funding stamp 2024-03-01 08:00. "
        'Give mark bars that open at every stamp, or pass missing_mark="count" to leave such stamps unpaid.'
    )
    prepared = perpetual(hourly(24), mark, funding_frame(), missing_mark="count")
    assert ((prepared.funding_ns - START_NS) // HOUR_NS).tolist() == [0, 16]
    assert "1 funding stamp of 3 not paid: no mark bar opens there (first 2024-03-01 08:00)" in prepared.cautions


def test_funding_that_ends_early_or_skips_a_stamp_is_said(hourly, perpetual) -> None:
    stamps = [START_NS + hour * HOUR_NS for hour in (0, 4, 8, 16, 20, 24, 28)]
    funding = pl.DataFrame({"ts": stamps, "rate": [0.0001] * 7})
    prepared = perpetual(hourly(96), funding=funding)
    assert any(
        caution.startswith("funding is given for 2024-03-01 00:00 .. 2024-03-02 04:00 only")
        for caution in prepared.cautions
    )
    assert any(
        "1 funding stamp probably missing" in caution and "2024-03-01 08:00" in caution for caution in prepared.cautions
    )


def test_a_dated_future_has_no_funding(hourly) -> None:
    with pytest.raises(DataError, match="ESZ2024: funding given for a dated future, which has none"):
        History(hourly(5), funding=0.0001).prepare("ESZ2024", perpetual=False, daily_settled=True)


# ---------------------------------------------------------------- settlement


def test_the_last_close_of_the_day_in_the_data_s_own_clock_settles_it(hourly, dated) -> None:
    prepared = dated(hourly(60))
    assert ((prepared.settlement_ns - START_NS) // HOUR_NS).tolist() == [24, 48, 60]
    assert prepared.settlement_e8.tolist() == [prepared.bars.close_e8[i] for i in (23, 47, 59)]
    assert any("last given close of each day" in caution and "(UTC)" in caution for caution in prepared.cautions)


def test_the_own_clock_is_the_zone_of_the_stamps(hourly, dated) -> None:
    chicago = hourly(60).with_columns(pl.col("ts").dt.convert_time_zone("America/Chicago"))
    assert ((dated(chicago).settlement_ns - START_NS) // HOUR_NS).tolist() == [6, 30, 54, 60]
    naive = chicago.with_columns(pl.col("ts").dt.replace_time_zone(None))
    assert dated(naive, tz="America/Chicago").digest == dated(chicago).digest


def test_a_period_that_ends_inside_a_day_does_not_settle_it(hourly) -> None:
    prepared = History(hourly(60)).prepare(
        "ESZ2024", perpetual=False, daily_settled=True, end_ns=START_NS + 30 * HOUR_NS
    )
    assert ((prepared.settlement_ns - START_NS) // HOUR_NS).tolist() == [24]


def test_given_settlements_are_taken_as_they_are(hourly, dated) -> None:
    settled = pl.DataFrame({"ts": [START_NS + 22 * HOUR_NS], "settlement": [123.25]})
    prepared = dated(hourly(24), settlement=settled)
    assert prepared.settlement_e8.tolist() == [12_325_000_000]
    assert not any("settlement" in caution for caution in prepared.cautions)


def test_a_dated_future_may_trade_below_zero_and_a_perpetual_may_not(hourly, perpetual, dated) -> None:
    assert isinstance(dated(hourly(5, price=-3.0)), Prepared)
    with pytest.raises(DataError, match=r"BTCUSDT last row 1: low -4 is not positive"):
        perpetual(hourly(5, price=-3.0))


def test_arrays_are_read_only_and_copies_of_what_was_given(hourly, perpetual) -> None:
    prepared = perpetual(hourly(5))
    with pytest.raises(ValueError, match="read-only"):
        prepared.bars.close_e8[0] = 1


def test_a_csv_whose_first_fraction_comes_late_is_read(tmp_path: Path, perpetual) -> None:
    rows = [f"{(START_NS + i * HOUR_NS) // 10**9},{p},{p},{p},{p}" for i, p in enumerate([100] * 300 + [100.5])]
    (tmp_path / "last.csv").write_text("ts,open,high,low,close\n" + "\n".join(rows))
    assert perpetual(tmp_path / "last.csv").bars.close_e8[-1] == 10_050_000_000


def test_dates_without_time_are_midnights_of_the_named_zone(dated) -> None:
    days = pl.date_range(pl.date(2024, 1, 2), pl.date(2024, 1, 5), "1d", eager=True)
    frame = pl.DataFrame({"date": days} | {name: [5.0] * 4 for name in ("open", "high", "low", "close")})
    with pytest.raises(DataError, match=r"ESZ2024 last row 1: date 2024-01-02 00:00 has no zone"):
        dated(frame)
    assert dated(frame, tz="America/Chicago").bars.start_ns[0] == to_ns("2024-01-02T06:00:00Z")


def test_nothing_but_polars_is_imported_for_polars(hourly, tmp_path: Path) -> None:
    hourly(5).write_parquet(tmp_path / "last.parquet")
    script = (
        "import sys; from novation.data import History; "
        f"History({str(tmp_path / 'last.parquet')!r}, funding=0)"
        ".prepare('BTCUSDT', perpetual=True, daily_settled=False); "
        "print([name for name in ('pandas', 'pyarrow', 'httpx', 'numba') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
