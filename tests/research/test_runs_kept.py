"""What a run leaves: frames, folders, and a second run that is the first again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import novation as nv
from tests.research.runs import RULES, START, Script, frame, history, run


def test_saved_and_loaded_results_agree_and_compare_as_the_same_run(tmp_path: Path) -> None:
    result = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0, 50_100.0, 50_200.0]))
    result.record.save(tmp_path / "run")
    loaded = nv.Result.load(tmp_path / "run")
    assert loaded.compare(result).same
    assert str(loaded) == str(result)
    other = run(Script(n0=lambda s: s.sell("BTCUSDT", 1)), history([50_000.0, 50_100.0, 50_200.0]))
    difference = loaded.compare(other)
    assert not difference.same
    assert "ORDER_ACCEPTED" in str(difference.first_difference)


def test_a_folder_that_is_not_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    result = run(Script(), history([50_000.0] * 3))
    with pytest.raises(nv.DataError, match="not the folder of a run"):
        result.record.save(tmp_path)
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_changed_table_is_not_loaded(tmp_path: Path) -> None:
    folder = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 3)).record.save(tmp_path / "run")
    events = pl.read_parquet(folder / "binance_um.events.parquet")
    events.with_columns(pl.col("amount") * 10).write_parquet(folder / "binance_um.events.parquet")
    with pytest.raises(nv.DataError, match="not the table that the manifest describes"):
        nv.Result.load(folder)


def test_a_folder_with_somebody_elses_manifest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "thesis"}')
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(nv.DataError, match="not the folder of a run"):
        run(Script(), history([50_000.0] * 3)).record.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_targets_can_run_twice() -> None:
    targets = nv.Targets(pl.DataFrame({"ts": [START], "symbol": ["BTCUSDT"], "target": [1.0]}))
    data = history([50_000.0] * 4)
    assert run(targets, data).state_hash == run(targets, data).state_hash


def test_a_second_run_of_one_backtest_is_the_first_again() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1), n2=lambda s: s.sell("BTCUSDT", 1))
    backtest = nv.Backtest(script, {"BTCUSDT": history([50_000.0] * 6)}, **RULES)
    first = backtest.run()
    assert len(script.seen) == 6  # one's own object can be looked at after a run
    second = backtest.run()
    assert len(script.seen) == 6
    assert first.frame("fills").height == 2
    assert second.state_hash == first.state_hash
    assert second.manifest["digest"] == first.manifest["digest"]


def test_a_strategy_that_refers_to_itself_can_run_again() -> None:
    script = Script(n0=lambda s: s.me.buy("BTCUSDT", 1))
    script.me = script  # type: ignore[attr-defined]
    backtest = nv.Backtest(script, {"BTCUSDT": history([50_000.0] * 6)}, **RULES)
    assert backtest.run().state_hash == backtest.run().state_hash


def test_a_strategy_that_cannot_be_copied_runs_once_and_says_so() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    script.stream = (n for n in range(3))  # type: ignore[attr-defined]
    backtest = nv.Backtest(script, {"BTCUSDT": history([50_000.0] * 6)}, **RULES)
    assert backtest.run().frame("fills").height == 1
    with pytest.raises(nv.ConfigError, match=r"Backtest strategy: has run already, and no copy .*generator"):
        backtest.run()


@pytest.mark.parametrize(("given", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_frames_return_in_the_kind_handed_in(given: str, kind: type) -> None:
    table = frame([50_000.0, 50_100.0, 50_200.0])
    last = table if given == "pandas" else pl.from_pandas(table.reset_index())
    result = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), nv.History(last, funding=0))
    assert isinstance(result.fills, kind)
    if given == "pandas":
        assert str(result.equity.index.tz) == "UTC"
        assert isinstance(result.returns, pd.Series)


def test_the_same_history_in_pandas_polars_arrow_and_parquet_gives_one_state(tmp_path: Path) -> None:
    table = frame([50_000.0, 50_100.0, 50_200.0], width=5.0)
    polars = pl.from_pandas(table.reset_index())
    polars.write_parquet(tmp_path / "last.parquet")
    hashes = {
        run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), nv.History(last, funding=0)).state_hash
        for last in (table, polars, polars.to_arrow(), tmp_path / "last.parquet", str(tmp_path / "last.parquet"))
    }
    assert len(hashes) == 1


def test_drawdown_and_returns_begin_at_the_deposit() -> None:
    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

    result = run(Long(), history([50_000.0, 40_000.0, 40_000.0]))
    loss = 10_000 + 25
    assert result.frame("equity")["drawdown"].max() == pytest.approx(loss / 100_000)
    assert (1 + result.frame("returns")["returns"]).product() == pytest.approx(1 - loss / 100_000)


def test_prices_in_tables_are_the_decimals_they_are() -> None:
    result = run(Script(n0=lambda s: s.buy("BTCUSDT", 0.3)), history([7_999.9] * 3))
    row = result.frame("fills").row(0, named=True)
    assert (row["price"], row["qty"]) == (7_999.9, 0.3)


def test_returns_of_a_midnight_sample_belong_to_the_day_that_ended() -> None:
    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

    returns = run(Long(), history([50_000.0] * 24 + [40_000.0] * 2)).frame("returns")
    assert returns["ts"].dt.date().to_list() == [START.date(), START.date() + dt.timedelta(days=1)]


def test_a_run_without_a_fill_says_why() -> None:
    idle = run(Script(), history([50_000.0] * 3))
    assert "never called buy, sell, target or place" in str(idle)
    poor = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 3), cash=10)
    assert "all 1 orders were refused: INSUFFICIENT_MARGIN 1" in str(poor)
    small = run(Script(n0=lambda s: s.buy("BTCUSDT", 0.0001)), history([50_000.0] * 3))
    assert "smaller than one lot" in str(small)
