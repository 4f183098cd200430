"""The real files: what was found in them when the importers were written stays found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from novation.data import ContractChain, PreparedChain, build_feed, load
from novation.data.sources.archive import _KINDS, _read_zip
from novation.domain.units import DAY_NS, rounded_e8, to_ns

pytestmark = pytest.mark.data


def chain(folder: Path, root: str) -> PreparedChain:
    loaded = load(f"cme:{root}", root=folder)
    assert isinstance(loaded, ContractChain)
    return loaded.prepare(f"cme:{root}", to_ns("2012-03-01"), to_ns("2021-01-01"))


def test_bitcoin_is_cut_to_its_mark_and_pays_7010_stamps_from_16_00_of_the_first_day(novation_data: Path) -> None:
    prepared = load("binance_um:BTCUSDT", root=novation_data).prepare("BTCUSDT", perpetual=True, daily_settled=False)
    assert len(prepared.bars) == 56_084
    assert prepared.bars.start_ns[0] == to_ns("2019-12-23T11:00:00Z")
    assert int((prepared.funding_ns >= to_ns("2019-12-23T16:00:00Z")).sum()) == 7_010
    assert prepared.gaps.height == 0
    assert prepared.cautions == (
        "cut to where mark prices exist, 2019-12-23 11:00 .. 2026-05-17 07:00: 2,539 bars of last prices left out",
    )


@pytest.mark.parametrize(("symbol", "stamps"), [("BTCUSDT", 7_010), ("ETHUSDT", 7_010), ("ENAUSDT", 2_299)])
def test_funding_of_one_coin_equals_a_plain_sum_over_the_files(symbol: str, stamps: int, novation_data: Path) -> None:
    folder = novation_data / "binance_um" / "1h" / symbol
    rows = pl.read_parquet(folder / "funding.parquet").join(pl.read_parquet(folder / "mark_1h.parquet"), on="ts")
    paid = [rounded_e8(rate) * rounded_e8(mark) for rate, mark in rows.select("funding_rate", "open").iter_rows()]
    prepared = load(f"binance_um:{symbol}", root=novation_data).prepare(symbol, perpetual=True, daily_settled=False)
    funding = prepared.funding_rate_e8.tolist(), prepared.funding_mark_e8.tolist()
    assert len(paid) == stamps
    assert [rate * mark for rate, mark in zip(*funding, strict=True)] == paid


def test_the_crash_of_october_2025_reaches_the_ena_bars(novation_data: Path) -> None:
    prepared = load("binance_um:ENAUSDT", root=novation_data).prepare(
        "ENAUSDT",
        perpetual=True,
        daily_settled=False,
        start_ns=to_ns("2025-10-10"),
        end_ns=to_ns("2025-10-11"),
    )
    assert (int(prepared.bars.low_e8.min()), int(prepared.bars.high_e8.max())) == (12_800_000, 56_990_000)


@pytest.mark.parametrize(
    ("root", "contracts", "moved", "apart", "unpriced", "days"),
    [
        ("ES", 37, 0, 7, 34, 2_450),
        ("GC", 54, 42, 1, 28, 2_382),
        ("6E", 37, 31, 1, 92, 2_249),
        ("ZN", 36, 26, 1, 30, 2_368),
    ],
)
def test_the_chains_of_2012_to_2020_hold_what_was_found(
    root, contracts, moved, apart, unpriced, days, novation_data: Path
) -> None:
    prepared, rolls, cautions = chain(novation_data, root)
    assert len(prepared) == contracts
    assert len(rolls) == contracts - 1
    assert sum(roll.ts_ns // DAY_NS < roll.calendar_ns // DAY_NS for roll in rolls) == moved
    assert sum(roll.file_ns != 0 for roll in rolls) == apart
    assert f"{unpriced} days with rows but no price: no bar, not filled" in cautions
    assert sum(len(held.bars) for held in prepared.values()) == days


@pytest.mark.parametrize(
    ("root", "tick_e8"), [("ES", 25_000_000), ("GC", 10_000_000), ("6E", 5_000), ("ZN", 1_562_500)]
)
def test_every_roll_has_a_bar_of_both_contracts_and_every_day_a_settlement(
    root: str, tick_e8: int, novation_data: Path
) -> None:
    prepared, rolls, _ = chain(novation_data, root)
    for roll in rolls:
        assert prepared[roll.old].bars.start_ns[-1] == roll.ts_ns == prepared[roll.new].bars.start_ns[0]
        assert abs(prepared[roll.new].bars.open_e8[0] / prepared[roll.old].bars.open_e8[-1] - 1) < 0.03
    for held in prepared.values():
        assert held.settlement_ns.tolist() == held.bars.end_ns.tolist()
        assert held.settlement_e8.tolist() == held.bars.close_e8.tolist()
        assert (held.bars.end_ns % DAY_NS == 0).all()
    feed = build_feed(
        dict(enumerate(prepared.values())),
        settlement_tick_e8=dict.fromkeys(range(len(prepared)), tick_e8),
        terms={},
    )
    assert (np.diff(feed["ts_ns"]) >= 0).all()


def test_a_contract_s_closes_are_the_last_prices_of_its_days_in_the_file(novation_data: Path) -> None:
    rows = pl.read_parquet(novation_data / "cme" / "term_structure" / "SP500_micro.parquet")
    expected = (
        rows.filter((pl.col("price_contract") == 201909) & pl.col("price").is_not_null())
        .group_by(pl.col("ts").dt.date().alias("day"), maintain_order=True)
        .agg(pl.col("price").last())
    )
    held = chain(novation_data, "ES").contracts[201909].bars
    by_day = dict(zip((held.start_ns // DAY_NS).tolist(), held.close_e8.tolist(), strict=True))
    epoch = dt.date(1970, 1, 1)
    days = {(day - epoch).days: rounded_e8(price) for day, price in expected.iter_rows()}
    inside = {day: price for day, price in days.items() if day in by_day}
    assert len(inside) > 60
    # on its last day the contract's bar ends at the calendar's instant
    assert {day: by_day[day] for day in list(inside)[:-1]} == dict(list(inside.items())[:-1])


def test_the_exchange_s_own_daily_zip_is_read(novation_data: Path) -> None:
    rows = _read_zip(novation_data / "binance_um" / "raw_archive" / "BTCUSDT-1h-2024-10-28.zip", _KINDS[0])
    stored = pl.read_parquet(novation_data / "binance_um" / "1h" / "BTCUSDT" / "last_1h.parquet")
    beside = rows.join(stored, on="ts", suffix="_stored")
    apart = beside.filter(pl.any_horizontal(pl.col(n) != pl.col(f"{n}_stored") for n in rows.columns[1:]))
    assert beside.height == 24
    # the archive's bar of 20:00 has no volume and one price; the stored file has the hour as it was traded
    assert apart["ts"].dt.hour().to_list() == [20, 21]
    assert apart["volume"][0] == 0.0
