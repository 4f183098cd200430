"""Every shipped table: sources, dates, brackets, and the real files they were taken from."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.errors import DataError
from novation.domain.instruments import Tier
from novation.domain.units import E8, NO_CAP, money, to_e8, to_ns
from novation.reference import Reference, brackets_from_file, margins_from_file
from novation.reference.layouts import VENUES
from novation.reference.rulebook import SHIPPED, load_folder
from tests.reference_tables.real_files import BRACKETS, MARGINS, real

FILES = sorted(SHIPPED.glob("*/*.csv"))
TABLES = [file for file in FILES if file.stem != "known"]
#: CME's numbers are in spreadsheets that are not at hand; a file of products may state them.
EMPTY = {"cme/banding", "cme/velocity"}
LIMITS = [SHIPPED / "cme" / f"{name}.csv" for name in ("price_limits", "circuit_breakers")]


def rows(file: Path) -> list[dict[str, str]]:
    """A table as it stands in the file."""
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_table_is_shipped() -> None:
    assert {f"{file.parent.name}/{file.stem}" for file in TABLES} == {
        f"{venue}/{name}" for venue, tables in VENUES.items() for name in tables.layouts
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_row_has_a_source(file: Path) -> None:
    assert bool(rows(file)) == (f"{file.parent.name}/{file.stem}" not in EMPTY)
    assert all(row["source"].strip() for row in rows(file))


@pytest.mark.parametrize("file", TABLES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_dates_ascend_per_key_and_lie_in_what_is_known(file: Path) -> None:
    folder, table = load_folder(SHIPPED), f"{file.parent.name}/{file.stem}"
    key = VENUES[file.parent.name].layouts[file.stem].key
    for name in {row[key] for row in rows(file)}:
        dates = [to_ns(row["effective_from"]) for row in rows(file) if row[key] == name]
        assert dates == sorted(dates)
        assert dates[-1] < folder.until(table, name)


@pytest.mark.parametrize("file", LIMITS, ids=lambda file: file.stem)
def test_an_unverified_limit_says_what_it_assumes(file: Path) -> None:
    """So that the caution of a run does, and no verified row makes one."""
    for row in rows(file):
        assert row["source"].startswith("assumed:") == (row["verified"] == "no"), row


def test_each_group_is_settled_by_its_own_tiers(tmp_path: Path) -> None:
    """facts/cme.md §4."""
    methods: dict[str, set[str]] = {}
    for row in rows(SHIPPED / "cme" / "settlements.csv"):
        methods.setdefault(row["method"], set()).add(row["root"])
    assert methods == {
        "index": {"ES", "NQ", "YM", "RTY", "MES", "MNQ", "MYM", "M2K"},
        "treasury": {"ZB", "ZN", "ZF", "ZT"},
        "metal": {"GC", "MGC", "SI", "SIL", "HG"},
        "vwap": {"CL", "NG", "MCL", "6E", "6J", "6B", "6A", "6C"},
    }
    (tmp_path / "cme").mkdir()
    header = "effective_from,root,start,end,early_end,method,source\n"
    (tmp_path / "cme" / "settlements.csv").write_text(f"{header}2024-01-01,ES,14:59:30,15:00,,median,me\n")
    with pytest.raises(DataError, match="row 2, ES: method is none of vwap, index, treasury, metal"):
        Reference(tables=[tmp_path])


def test_every_instrument_has_a_whole_grid_of_ticks() -> None:
    reference = Reference()
    for file in (SHIPPED / "binance_um" / "contracts.csv", SHIPPED / "cme" / "contracts.csv"):
        for row in rows(file):
            instrument = reference.instrument(row.get("symbol") or f"{row['root']}Z2020")
            assert to_e8(row.get("tick_usdt") or row["tick_points"]) % instrument.tick_e8 == 0


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "ENAUSDT"])
def test_cum_makes_maintenance_continuous(symbol: str) -> None:
    """cum_n = cum_(n-1) + floor_n * (mmr_n - mmr_(n-1)), in integers."""
    at = to_ns("2026-05-01")
    tiers = Reference().terms(symbol, at, at + 1)[0].tiers
    assert tiers[0].floor == tiers[0].cum == 0
    for below, tier in pairwise(tiers):
        assert tier.floor == below.cap
        assert (tier.cum - below.cum) * E8 == tier.floor * (tier.rate_e8 - below.rate_e8)


# ------------------------------------------------------------ the real files


@real
@pytest.mark.data
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "ENAUSDT"])
def test_shipped_brackets_are_those_of_the_file(symbol: str) -> None:
    at = to_ns("2026-05-01")
    assert Reference().terms(symbol, at, at + 1)[0].tiers == brackets_from_file(BRACKETS)[symbol]


@real
@pytest.mark.data
@pytest.mark.parametrize("root", ["ES", "GC", "6E", "ZN"])
def test_shipped_margins_are_those_of_the_file(root: str) -> None:
    shipped = load_folder(SHIPPED).rules["cme/margins", root]
    assert [
        (rule.effective_ns, money(rule.row["initial_usd"], "USD"), money(rule.row["maintenance_usd"], "USD"))
        for rule in shipped
    ] == [(row.effective_ns, row.initial, row.maintenance) for row in margins_from_file(MARGINS, root)]


@pytest.fixture(scope="module")
def fifty() -> dict[str, tuple[Tier, ...]]:
    """Fifty symbols spread over the brackets file."""
    every = brackets_from_file(BRACKETS)
    names = sorted(every)
    return {name: every[name] for name in names[:: len(names) // 50][:50]}


@real
@pytest.mark.data
def test_maintenance_of_fifty_symbols_is_continuous_and_rises(fifty: dict[str, tuple[Tier, ...]]) -> None:
    """At each floor both tiers ask the same; a larger notional never asks less."""

    @settings(max_examples=500, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        tiers = fifty[data.draw(st.sampled_from(sorted(fifty)))]
        number = data.draw(st.integers(0, len(tiers) - 1))
        tier = tiers[number]
        if number:
            below = tiers[number - 1]
            assert below.cap == tier.floor
            assert below.rate_e8 * tier.floor - below.cum * E8 == tier.rate_e8 * tier.floor - tier.cum * E8
        notional = data.draw(st.integers(tier.floor, min(tier.cap, NO_CAP)))
        larger = data.draw(st.integers(notional, min(tier.cap, NO_CAP)))
        assert 0 <= tier.rate_e8 * notional - tier.cum * E8 <= tier.rate_e8 * larger - tier.cum * E8

    assert len(fifty) == 50
    check()


@real
@pytest.mark.data
def test_cap_that_no_account_can_reach_is_no_cap() -> None:
    """BTCSTUSDT ends at 9.22e18 USDT, the largest int64 by another name."""
    assert brackets_from_file(BRACKETS)["BTCSTUSDT"][-1].cap == NO_CAP


# ------------------------------------------------------------ files that are wrong


def brackets_file(path: Path, **columns: list[object]) -> Path:
    """Two tiers of one symbol, with columns replaced."""
    import polars as pl

    frame = {
        "symbol": ["X/USDT:USDT"] * 2, "tier": [1, 2], "currency": ["USDT"] * 2,
        "notional_floor": [0.0, 5000.0], "notional_cap": [5000.0, 1e30], "maint_margin_rate": [0.01, 0.02],
        "max_leverage": [50, 25], "cum": [0.0, 50.0],
    }  # fmt: skip
    pl.DataFrame({**frame, **columns}).write_parquet(path / "brackets.parquet")
    return path / "brackets.parquet"


def test_good_brackets_file_is_read(tmp_path: Path) -> None:
    (tiers,) = brackets_from_file(brackets_file(tmp_path)).values()
    assert tiers[1] == Tier(money(5000, "USDT"), NO_CAP, to_e8("0.02"), 25, money(50, "USDT"))
    dated = brackets_from_file(brackets_file(tmp_path, symbol=["X/USDT:USDT-260626"] * 2))
    assert list(dated) == ["XUSDT_260626"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"cum": [0.0, 51.0]}, r"X/USDT:USDT, tier 2: cum is not 50, .*\(found '51.0'\)"),
        ({"notional_floor": [0.0, 6000.0]}, "X/USDT:USDT, tier 2: floor is not the cap before it, 5000"),
        ({"notional_cap": [5000.0, 5000.0]}, "tier 2: cap is not above the floor"),
        ({"tier": [1, 3]}, "tier 2: tiers are not numbered"),
        (
            {"maint_margin_rate": [0.01, 0.01], "cum": [0.0, 0.0]},
            "tier 2: maintenance fraction does not rise",
        ),
        ({"maint_margin_rate": [0.01, float("nan")]}, "tier 2: expected a finite number"),
        ({"max_leverage": [25, 50]}, "tier 2: leverage rises"),
        ({"currency": ["BTC", "BTC"]}, "holds no brackets settled in USDT"),
    ],
)
def test_bad_brackets_file_names_symbol_and_tier(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        brackets_from_file(brackets_file(tmp_path, **columns))
    assert "brackets.parquet" in str(caught.value)


def test_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "brackets.parquet").write_text("not a table")
    with pytest.raises(DataError, match=r"brackets\.parquet: cannot be read as Parquet"):
        brackets_from_file(tmp_path / "brackets.parquet")
    with pytest.raises(DataError, match=r"margins\.parquet: cannot be read as Parquet"):
        margins_from_file(tmp_path / "margins.parquet", "ES")
    with pytest.raises(DataError, match="column 'date' is missing"):
        margins_from_file(brackets_file(tmp_path), "ES")
