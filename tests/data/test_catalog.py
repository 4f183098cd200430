"""Histories by public id: where they are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from novation.data import History, load
from novation.data.catalog import data_folders
from novation.data.store import store_path
from novation.domain.errors import DataError, UnknownInstrument


def fill(root: Path, hourly, *, leave_out: str = "") -> None:
    folder = root / "binance_um" / "1h" / "BTCUSDT"
    folder.mkdir(parents=True)
    funding = hourly(24).gather_every(8).select("ts").with_columns(funding_rate=0.0001)
    for name, frame in (("last_1h", hourly(24)), ("mark_1h", hourly(24)), ("funding", funding)):
        if name != leave_out:
            frame.write_parquet(folder / f"{name}.parquet")


def test_a_perpetual_is_loaded_by_its_id_from_a_folder_or_the_store(tmp_path: Path, hourly, monkeypatch) -> None:
    fill(tmp_path, hourly)
    history = load("binance_um:BTCUSDT", root=tmp_path)
    assert isinstance(history, History)
    prepared = history.prepare("BTCUSDT", perpetual=True, daily_settled=False)
    assert (len(prepared.bars), len(prepared.funding_ns)) == (24, 3)
    monkeypatch.delenv("NOVATION_DATA", raising=False)
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path))
    assert load("binance_um:BTCUSDT").prepare("BTCUSDT", perpetual=True, daily_settled=False).digest == prepared.digest


def test_spot_is_its_last_prices_alone(tmp_path: Path, hourly) -> None:
    folder = tmp_path / "binance_spot" / "1h"
    folder.mkdir(parents=True)
    hourly(24).write_parquet(folder / "BTCUSDT_1h.parquet")
    history = load("binance_spot:BTCUSDT", root=tmp_path)
    assert isinstance(history, History)
    prepared = history.prepare("BTCUSDT", perpetual=False, spot=True, daily_settled=False)
    assert (len(prepared.bars), len(prepared.funding_ns), prepared.cautions) == (24, 0, ())
    with pytest.raises(DataError, match=r"no file binance_spot/1h/ETHUSDT_1h\.parquet"):
        load("binance_spot:ETHUSDT", root=tmp_path)


def test_the_named_folder_comes_before_the_store(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NOVATION_DATA", str(tmp_path))
    assert data_folders() == (tmp_path, tmp_path / "store")
    monkeypatch.setenv("NOVATION_DATA", str(tmp_path / "none"))
    assert data_folders() == (tmp_path / "store",)


def test_a_missing_symbol_says_where_was_looked_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("binance_um:BTCUSDT", root=tmp_path)
    assert str(caught.value) == (
        f"binance_um:BTCUSDT: no file binance_um/1h/BTCUSDT/last_1h.parquet in {tmp_path}. "
        "Run `novation data download binance_um BTCUSDT --from .. --to ..`, set NOVATION_DATA "
        "to a folder that has it, or hand in a History."
    )


def test_a_missing_file_among_the_three_is_named(tmp_path: Path, hourly) -> None:
    fill(tmp_path, hourly, leave_out="mark_1h")
    with pytest.raises(DataError, match=r"no file binance_um/1h/BTCUSDT/mark_1h.parquet"):
        load("binance_um:BTCUSDT", root=tmp_path)


@pytest.mark.parametrize("id", ["BTCUSDT", "binance_um:", "nyse:IBM"])
def test_an_id_of_another_form_is_refused(id: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownInstrument, match="is no instrument id"):
        load(id, root=tmp_path)


def test_a_product_without_a_file_names_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownInstrument, match="known: cme:ES, cme:GC, cme:6E, cme:ZN"):
        load("cme:CL", root=tmp_path)
    with pytest.raises(DataError, match=r"cme:ES: no file cme/term_structure/SP500_micro.parquet"):
        load("cme:ES", root=tmp_path)


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"NOVATION_STORE": "/data/n"}, "linux", "/data/n"),
        ({"HOME": "/home/a"}, "linux", "/home/a/.local/share/novation/data"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "/x"}, "linux", "/x/novation/data"),
        ({"HOME": "/Users/a"}, "darwin", "/Users/a/Library/Application Support/novation/data"),
        ({"HOME": "/c", "LOCALAPPDATA": "/local"}, "win32", "/local/novation/data"),
    ],
)
def test_the_store_lies_where_the_platform_keeps_user_data(environ, platform, expected) -> None:
    assert store_path(environ, platform).as_posix() == expected
