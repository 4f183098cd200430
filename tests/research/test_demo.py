"""The demonstration, small on the synthetic market, whole on it and on real history."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from novation.research.demo import DEMO, NAMES, DemoPart, run_demo
from novation.research.report import overview
from novation.research.result import Result


def small() -> tuple[DemoPart, ...]:
    bitcoin, _, book, both = DEMO
    return (
        replace(bitcoin, runs=bitcoin.runs[:2]),
        replace(book, runs=(replace(book.runs[0], start="2012-04-02", end="2012-07-02"),)),
        replace(both, runs=(replace(both.runs[0], start="2020-03-02", end="2020-03-21"),)),
    )


def test_without_data_it_says_so_and_runs_on_the_synthetic_market(tmp_path: Path) -> None:
    said: list[str] = []
    steps: list[tuple[str, int, int]] = []
    parts = small()
    results = run_demo(
        tmp_path / "out",
        data_root=None,
        parts=parts,
        echo=said.append,
        progress=lambda name, done, total: steps.append((name, done, total)),
    )
    assert "synthetic market" in said[0] and "no data folder is named" in said[0]
    names = [run.name for part in parts for run in part.runs]
    assert [step[0] for step in steps] == [*names, "report", "done"]
    assert [step[1] for step in steps] == list(range(6)) and {step[2] for step in steps} == {5}
    page = (tmp_path / "out" / "report.html").read_text()
    for words in (
        *names,
        *(part.title for part in parts),
        "not of an exchange",
        "brackets of 2026-05 used for all dates",
    ):
        assert words in page
    folders = [run.folder for part in parts for run in part.runs]
    assert sorted(child.name for child in (tmp_path / "out").iterdir()) == sorted([*folders, "report.html"])
    for folder, result in zip(folders, results, strict=True):
        assert Result.load(tmp_path / "out" / folder).state_hash == result.state_hash
    assert results[0].frame("liquidations").height and results[1].frame("liquidations").height
    assert set(results[3].manifest["venues"]) == {"binance_um", "cme"}


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    parts = (replace(DEMO[0], runs=DEMO[0].runs[:1]),)
    run_demo(tmp_path / "out", data_root=tmp_path / "nowhere", parts=parts, echo=said.append)
    assert f"{tmp_path / 'nowhere'} is no folder" in said[0]


def test_names_and_folders_are_distinct() -> None:
    folders = [run.folder for part in DEMO for run in part.runs]
    assert len(set(NAMES)) == len(NAMES) == len(set(folders)) == len(folders)


@pytest.mark.slow
def test_the_whole_demo_shows_its_things_on_the_synthetic_market(tmp_path: Path) -> None:
    results = run_demo(tmp_path, data_root=None, echo=lambda _: None)
    check_what_is_shown(results)


def check_what_is_shown(results: list[Result]) -> None:
    by_name = dict(zip(NAMES, results, strict=True))
    for day in ("2020-03-12", "2021-05-19", "2025-10-10"):
        assert by_name[f"BTCUSDT isolated 20x, {day}"].frame("liquidations").height
    assert by_name["BTCUSDT cross 3x, 2020-03-12"].frame("liquidations").height == 1
    year = by_name["ENAUSDT isolated 1x, a year"].frame("funding")
    assert year.height > 2_000 and year["ts"].diff().drop_nulls().unique().to_list()[0].total_seconds() == 4 * 3_600
    (gone,) = by_name["ENAUSDT isolated 3x, 2025-10-10"].frame("liquidations")["ts"].to_list()
    assert f"{gone:%Y-%m-%d}" == "2025-10-10"
    book = by_name["ES + GC + 6E, rolled"]
    assert book.frame("margin_calls").height and book.frame("rolls").filter(pl.col("qty") != 0).height == 119
    for row in overview(results, NAMES):
        assert row["net"] == pytest.approx(row["price"] + row["funding"] + row["fees"] + row["liquidations"], abs=1e-5)


@pytest.fixture(scope="module")
def real_folder() -> Path:
    named = os.environ.get("NOVATION_DATA", "")
    if not named or not Path(named).is_dir():
        pytest.skip("NOVATION_DATA names no folder of real files")
    return Path(named)


@pytest.mark.data
@pytest.mark.slow
def test_on_real_history_it_shows_the_days_it_names(real_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    results = run_demo(tmp_path, data_root=real_folder, echo=said.append)
    assert said[0] == f"Running on real history from {real_folder}."
    check_what_is_shown(results)
    by_name = dict(zip(NAMES, results, strict=True))
    for name, day in (
        ("BTCUSDT cross 3x, 2020-03-12", "2020-03-12"),
        ("BTCUSDT cross 3x, 2021-05-19", "2021-05-19"),
        ("BTCUSDT isolated 20x, 2025-10-10", "2025-10-10"),
        ("ENAUSDT isolated 2x, a year", "2025-10-10"),
    ):
        gone = by_name[name].frame("liquidations")["ts"]
        assert day in [f"{ts:%Y-%m-%d}" for ts in gone]
    assert (tmp_path / "report.html").stat().st_size < 12_000_000

    # funding of the year-long position, from the files alone
    result = by_name["ENAUSDT isolated 1x, a year"]
    fill = result.frame("fills").row(0, named=True)
    folder = real_folder / "binance_um" / "1h" / "ENAUSDT"
    mark = pl.read_parquet(folder / "mark_1h.parquet").select("ts", mark="open")
    stamps = (
        pl.read_parquet(folder / "funding.parquet")
        .select("ts", "funding_rate")
        .join(mark, on="ts")
        .filter((pl.col("ts") > fill["ts"]) & (pl.col("ts") < pl.datetime(2026, 5, 1, time_zone="UTC")))
    )
    paid = -(stamps["funding_rate"] * stamps["mark"]).sum() * fill["qty"]
    assert result.frame("funding").height == stamps.height
    assert result.summary()["accounts"][0]["funding"] == pytest.approx(paid, abs=stamps.height * 1e-8)
