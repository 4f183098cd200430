"""A result after the run: rows that explain themselves in any form, the kind of its frames, its own integrity."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import novation as nv
from novation.data.synthetic import load_synthetic

START = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)


class BuyTwice(nv.Strategy):
    """Two market orders."""

    def on_start(self) -> None:
        for _ in range(2):
            self.buy("BTCUSDT", 0.1)


def bars(hours: int = 6) -> pd.DataFrame:
    index = pd.DatetimeIndex([START + dt.timedelta(hours=i) for i in range(hours)], name="ts")
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), [50_000.0] * hours), index=index)


def of(kind: str) -> nv.Result:
    """A run whose bars came in a frame of a kind."""
    table = pl.from_pandas(bars().reset_index())
    last = {"pandas": bars(), "polars": table, "arrow": table.to_arrow()}[kind]
    data = {"BTCUSDT": nv.History(last, funding=0)}
    return nv.Backtest(BuyTwice(), data, cash=100_000, rules_as_of="2026-05-01").run()


@pytest.mark.parametrize(
    ("kind", "second"),
    [
        ("pandas", lambda table: table.iloc[1]),
        ("pandas", lambda table: table.iloc[[1]]),
        ("pandas", lambda table: list(table.itertuples())[1]),
        ("polars", lambda table: table[1]),
        ("polars", lambda table: table.row(1, named=True)),
        ("arrow", lambda table: table.slice(1, 1)),
        ("arrow", lambda table: table.slice(1, 1).to_batches()[0]),
        ("arrow", lambda table: table.to_pylist()[1]),
    ],
)
def test_a_row_is_explained_in_whatever_form_it_is_held(kind: str, second: Callable[[Any], Any]) -> None:
    result = of(kind)
    row = result.frame("fills").row(1, named=True)
    assert result.explain(second(result.fills)) == result.explain((row["venue"], row["sequence"]))


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_several_rows_at_once_are_refused_with_an_example(kind: str) -> None:
    result = of(kind)
    with pytest.raises(nv.InvalidInput, match=r"one row \(found '2 rows'\)\. For example result\.liquidations"):
        result.explain(result.fills)


@pytest.mark.parametrize(("kind", "type_"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)])
def test_a_loaded_result_has_frames_of_the_kind_the_run_had(kind: str, type_: type, tmp_path: Path) -> None:
    result = of(kind)
    loaded = nv.Result.load(result.record.save(tmp_path / "run"))
    assert type(loaded.fills) is type(result.fills) is type_
    assert loaded.fills.equals(result.fills)


def changed(folder: Path, **values: Any) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def test_every_value_of_the_manifest_is_covered_by_its_digest(tmp_path: Path) -> None:
    folder = of("polars").record.save(tmp_path / "run")
    kept = (folder / "manifest.json").read_text()
    for name, value in json.loads(kept).items():
        if name in ("schema", "venues", "layouts"):
            continue
        (folder / "manifest.json").write_text(kept)
        with pytest.raises(nv.DataError, match=r"manifest\.json: is not as the run wrote it"):
            nv.Result.load(changed(folder, **{name: value[:-1] if isinstance(value, str | list) and value else "x"}))
    (folder / "manifest.json").write_text(kept)
    assert nv.Result.load(folder).cautions


@pytest.mark.parametrize("values", [{"schema": 1}, {"layouts": {"events": 99}}])
def test_a_run_in_another_layout_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    folder = changed(of("polars").record.save(tmp_path / "run"), **values)
    with pytest.raises(nv.DataError, match="in a layout that this one does not read"):
        nv.Result.load(folder)


class OneES(nv.Strategy):
    """Holds one ES from its first bar on, then nothing."""

    bars = 0

    def on_bar(self, bar: Any) -> None:
        self.bars += 1
        if self.bars == 1:
            self.target("ES", qty=1)
        if self.bars == 200:
            self.target("ES", qty=0)


def test_rolls_and_trades_name_the_event_behind_the_row() -> None:
    data = {"ES": load_synthetic("cme:ES", seed=4)}
    result = nv.Backtest(OneES(), data, start="2012-04-02", end="2013-12-31", cash=60_000).run()
    rolls, fills = result.frame("rolls"), result.frame("fills")
    assert rolls["venue"].unique().to_list() == ["cme"]
    held, idle = rolls.filter(pl.col("qty") != 0), rolls.filter(pl.col("qty") == 0)
    assert held.height and idle.height
    behind = held.join(fills, on=["venue", "sequence"], how="left")
    assert behind["contract"].to_list() == held["new"].to_list()
    assert behind["price"].to_list() == held["price_new"].to_list()
    assert "bought 1 at" in result.explain(held.row(0, named=True))
    assert idle["sequence"].null_count() == idle.height
    with pytest.raises(nv.InvalidInput, match="nothing was traded"):
        result.explain(idle.row(0, named=True))
    trades = result.frame("trades").join(fills, on=["venue", "sequence"], how="left")
    assert trades["ts"].to_list() == trades["closed"].to_list()


def test_an_unknown_column_of_targets_is_told_the_nearest_traded_name() -> None:
    targets = nv.Targets(pl.DataFrame({"ts": [START], "ETHUSD": [1.0]}))
    data = {name: nv.History(bars(), funding=0) for name in ("BTCUSDT", "ETHUSDT")}
    with pytest.raises(
        nv.UnknownInstrument,
        match=r"^Targets: 'ETHUSD' is not traded here; the nearest of 2 traded names is binance_um:ETHUSDT\.$",
    ):
        nv.Backtest(targets, data, rules_as_of="2026-05-01").run()


class TwoLongs(nv.Strategy):
    """Bitcoin and ether on one cross balance, bought at the first open."""

    def on_start(self) -> None:
        self.buy("BTCUSDT", 2)
        self.buy("ETHUSDT", 10)


def around_a_gap(before: float, after: float) -> pd.DataFrame:
    """Hourly bars that stand still, without those of six to eight o'clock."""
    hours = [*range(6), *range(9, 15)]
    index = pd.DatetimeIndex([START + dt.timedelta(hours=i) for i in hours], name="ts")
    prices = [before if hour < 6 else after for hour in hours]
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), prices), index=index)


def stamp(rate: float) -> pd.DataFrame:
    """Funding at nine, when bars open and none closes."""
    return pd.DataFrame({"rate": [rate]}, index=pd.DatetimeIndex([START + dt.timedelta(hours=9)], name="ts"))


@pytest.mark.parametrize(
    "funding",
    [
        {"BTCUSDT": stamp(0.0924), "ETHUSDT": 0},
        {"BTCUSDT": 0, "ETHUSDT": stamp(0.309)},
        {"BTCUSDT": stamp(0.0924), "ETHUSDT": stamp(0.0001)},
    ],
)
def test_a_cross_call_between_two_bar_closes_is_explained_at_the_marks_in_force(
    funding: dict[str, Any], tmp_path: Path
) -> None:
    prices = {"BTCUSDT": (50_000.0, 50_010.0), "ETHUSDT": (3_000.0, 2_990.0)}
    data = {name: nv.History(around_a_gap(*two), funding=funding[name]) for name, two in prices.items()}
    result = nv.Backtest(TwoLongs(), data, cash=10_000, leverage=20, rules_as_of="2026-05-01").run()
    call = result.frame("margin_calls").row(0, named=True)
    assert (call["symbol"], call["ts"]) == (None, START + dt.timedelta(hours=9))
    told = result.explain(call)
    computed, booked = re.search(r"computed (\S+) USDT\n\s+maintenance booked (\S+) USDT", told).groups()
    assert computed == booked == "519.68000000"
    assert "binance_um:BTCUSDT at mark 50010" in told and "binance_um:ETHUSDT at mark 2990" in told
    assert nv.Result.load(result.record.save(tmp_path / "run")).explain(call) == told


def test_an_unknown_name_in_a_strategys_call_is_told_the_nearest_traded_one() -> None:
    class Typo(nv.Strategy):
        def on_start(self) -> None:
            self.buy("ETHUSD", 1)

    data = {name: nv.History(bars(), funding=0) for name in ("BTCUSDT", "ETHUSDT")}
    with pytest.raises(nv.UnknownInstrument, match=r"the nearest of 2 traded names is binance_um:ETHUSDT\.$"):
        nv.Backtest(Typo(), data, rules_as_of="2026-05-01").run()
