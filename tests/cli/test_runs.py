"""Runs from the command line: settings, folders, reruns, comparisons, new projects, examples."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novation.cli import main
from novation.domain.errors import DataError
from novation.research.config import load_config
from novation.research.result import Result
from novation.research.tca import tca
from novation.trading.record import manifest_digest
from tests.cli.conftest import write_config

ROOT = Path(__file__).resolve().parent.parent.parent
SRC = ROOT / "src"
CASCADE = ROOT / "configs" / "cascade.yaml"  #: runs as something else, see test_cascade.py
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, its strategy and its finished run; to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    config = write_config(folder)
    assert main(["backtest", str(config), "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The folder of a finished run, a copy; its configuration stays where it was."""
    return Path(shutil.copytree(finished / "run", tmp_path / "run"))


def change(folder: Path, **keys: Any) -> None:
    """Tamper with a manifest: a dotted key, a new value."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for key, value in keys.items():
        *parents, name = key.split("__")
        place = manifest
        for parent in parents:
            place = place[parent]
        place[name] = value
    path.write_text(json.dumps(manifest))


def change_history(folder: Path) -> None:
    """Let a run have been made of files that are gone, as an honest manifest says it."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["values"]["data"] = {"root": "gone"}
    path.write_text(json.dumps({**manifest, "digest": manifest_digest(manifest)}))


def test_a_run_prints_its_summary_and_keeps_a_folder(novation: Callable[..., Any], config: Path) -> None:
    answer = novation("backtest", config, "--out", config.parent / "run")
    assert answer.out.startswith("binance_um:BTCUSDT  isolated 5x   2024-01-01 .. 2024-01-08   168 bars")
    files = {file.name for file in (config.parent / "run").iterdir()}
    assert {"manifest.json", "report.html", "fills.parquet", "equity.parquet"} <= files
    manifest = json.loads((config.parent / "run" / "manifest.json").read_text())
    assert manifest["config"]["values"]["margin"] == {"scope": "isolated", "leverage": 5}
    assert manifest["config"]["folder"] == str(config.parent)


def test_without_out_nothing_is_written(novation: Callable[..., Any], config: Path) -> None:
    before = sorted(config.parent.iterdir())
    answer = novation("backtest", config, "--json")
    assert json.loads(answer.out)["bars"] == 168
    assert sorted(config.parent.iterdir()) == before


def test_keys_without_effect_are_mentioned(novation: Callable[..., Any], config: Path) -> None:
    answer = novation("backtest", config, "--set", "logging.level=DEBUG")
    assert answer.err == "note: without effect in this run: logging.level\n"


def test_settings_are_put_over_the_file_with_their_types(novation: Callable[..., Any], config: Path) -> None:
    settings = ["margin.leverage=7", "params.qty=0.5", "period.to=2024-01-03", "account.cash={USDT: 1e4}", "seed=3"]
    arguments = [part for setting in settings for part in ("--set", setting)]
    assert novation("backtest", config, *arguments, "--out", config.parent / "run").code == 0
    manifest = Result.load(config.parent / "run").manifest
    assert manifest["account"]["leverage"] == 7
    assert manifest["account"]["cash"] == {"USDT": "10000.0"}
    assert manifest["params"] == {"qty": 0.5}
    assert manifest["bars"] == 48
    assert manifest["seed"] == 3
    assert load_config(config).keys.margin.leverage == 5


def test_a_folder_of_something_else_is_refused_before_the_run(
    novation: Callable[..., Any], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novation.research.backtest.Backtest.run", lambda *_: pytest.fail("it ran"))
    answer = novation("backtest", config, "--out", config.parent)
    assert answer.code == 2
    assert "is not the folder of a run and is not empty" in answer.err
    assert "is a file" in novation("backtest", config, "--out", config).err


def test_a_folder_that_cannot_be_written_is_named_before_the_run(
    novation: Callable[..., Any], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novation.research.backtest.Backtest.run", lambda *_: pytest.fail("it ran"))
    plain = config.with_name("plain")
    plain.write_text("")
    for out in ("/proc/x", "/proc/x/y", plain / "run"):
        answer = novation("backtest", config, "--out", out)
        assert answer.code == 2
        assert answer.err.startswith(f"error: {out}: cannot be written: ")
        assert "novation-" not in answer.err


def test_a_failure_while_writing_keeps_the_run_before(
    novation: Callable[..., Any], config: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in run.iterdir()}

    def broken(*_: Any) -> None:
        raise DataError("disk full")

    monkeypatch.setattr(Result, "report", broken)
    assert novation("backtest", config, "--set", "margin.leverage=7", "--out", run).code == 2
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before
    assert [path.name for path in config.parent.iterdir() if path.name.startswith(".run")] == []


# ---------------------------------------------------------------- again


def test_a_rerun_is_the_same_run(novation: Callable[..., Any], run: Path) -> None:
    answer = novation("rerun", run)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("the same run: state ")
    found = json.loads(novation("rerun", run, "--json").out)
    assert found["same"] is True
    assert found["stored_hash"] == found["state_hash"] == Result.load(run).state_hash


def test_settings_of_the_command_line_are_kept_for_the_rerun(novation: Callable[..., Any], config: Path) -> None:
    out = config.parent / "other"
    assert novation("backtest", config, "--set", "params.qty=2", "--out", out).code == 0
    assert novation("rerun", out).code == 0


@pytest.mark.parametrize(
    ("keys", "difference"),
    [
        ({"config__values__margin": {"leverage": 3, "scope": "isolated"}}, "account: stored"),
        ({"config__values__params": {"qty": 2}}, "params: stored"),
        ({"venues__binance_um__state_hash": "0" * 32}, "binance_um state_hash: stored 0000"),
        ({"state_hash": "0" * 32}, "state_hash: stored 0000"),
        ({"data__binance_um:BTCUSDT": "0" * 32}, "data of binance_um:BTCUSDT has changed"),
    ],
)
def test_a_tampered_manifest_is_not_the_same_run(
    novation: Callable[..., Any], run: Path, keys: dict[str, Any], difference: str
) -> None:
    change(run, **keys)
    answer = novation("rerun", run)
    assert answer.code == 1
    assert answer.out.startswith(f"not the same run: {difference}")
    answer = novation("rerun", run, "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["same"] is False


def test_a_manifest_that_lost_a_caution_is_not_read(novation: Callable[..., Any], run: Path) -> None:
    change(run, cautions=[])
    for command in (["report", run], ["compare", run, run]):
        answer = novation(*command)
        assert answer.code == 2
        assert "manifest.json: is not as the run wrote it" in answer.err
    answer = novation("rerun", run)
    assert (answer.code, "manifest.json is not as the run wrote it" in answer.out) == (1, True)


def test_a_tampered_table_is_not_the_same_run(novation: Callable[..., Any], run: Path) -> None:
    path = run / "binance_um.events.parquet"
    pl.read_parquet(path).with_columns(pl.col("amount") + 1).write_parquet(path)
    answer = novation("rerun", run)
    assert answer.code == 1
    assert "binance_um.events.parquet is not the table that the manifest describes" in answer.out
    assert "first difference: binance_um event 1 of" in answer.out


def test_a_changed_strategy_is_given_as_a_reason(novation: Callable[..., Any], config: Path) -> None:
    run = config.parent / "run"
    assert novation("backtest", config, "--out", run).code == 0
    strategy = config.parent / "long.py"
    strategy.write_text(strategy.read_text().replace("self.qty)", "self.qty / 2)"))
    answer = novation("rerun", run)
    assert answer.code == 1
    assert "note: long.py has changed since" in answer.out


def test_a_run_made_in_python_cannot_be_rerun(novation: Callable[..., Any], run: Path) -> None:
    change(run, config=None)
    answer = novation("rerun", run)
    assert answer.code == 2
    assert "keeps no configuration: it was run from Python" in answer.err


def test_compare_shows_settings_money_and_the_first_difference(
    novation: Callable[..., Any], config: Path, run: Path
) -> None:
    other = config.parent / "other"
    novation("backtest", config, "--set", "params.qty=2", "--out", other)
    found = json.loads(novation("compare", run, other, "--json").out)
    assert found["same"] is False
    assert found["settings"]["params"] == [{"qty": 1.0}, {"qty": 2}]
    assert "first difference: binance_um event" in novation("compare", run, other).out
    assert novation("compare", run, run).out.startswith("the same run")


def test_tca_says_what_the_orders_of_a_run_cost(novation: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    answer = novation("tca", run, "--mark-outs", "1s,1h", "--out", table)
    assert (answer.code, answer.err) == (0, "")
    assert re.search(r"^binance_um:BTCUSDT, USDT +1 +1 ", answer.out, re.MULTILINE)
    assert "mark-out 1h " in answer.out and "shorter than the bars (1h)" in answer.out
    assert answer.out.endswith(f"orders: {table}\n")
    (row,) = pl.read_csv(table).to_dicts()
    found = json.loads(novation("tca", run, "--mark-outs", "1s,1h", "--json").out)
    assert found == tca(run, mark_outs=["1s", "1h"]).to_dict()
    total = found["totals"]["USDT"]
    assert total["shortfall"] == row["shortfall"] and total["mark_out_1s"] is None
    parts = ("spread", "impact", "rounding", "timing", "fees", "opportunity")
    assert sum(total[name] for name in parts) == pytest.approx(total["shortfall"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mark-outs", "1s,soon"], "error: --mark-outs: is no horizon of at most ten years (found 'soon'). Write"),
        (["--data", "nowhere"], "error: --data: is no folder (found 'nowhere'). Name a folder of histories.\n"),
        (["--data", "."], "error: binance_um:BTCUSDT: no file binance_um/1h/BTCUSDT/last_1h.parquet in ."),
        (["--out", "orders.xlsx"], "error: --out: is neither .parquet nor .csv (found 'orders.xlsx').\n"),
    ],
)
def test_tca_names_the_option_that_is_wrong(
    novation: Callable[..., Any],
    run: Path,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = novation("tca", run, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(message)


def test_tca_without_the_history_still_splits_the_costs(novation: Callable[..., Any], run: Path) -> None:
    change_history(run)
    answer = novation("tca", run)
    assert answer.code == 0
    assert "note: the history of the run is not found: binance_um:BTCUSDT: no file" in answer.out
    assert "no VWAP and no mark-out of 1 order of binance_um:BTCUSDT: no bars at hand" in answer.out


def test_report_writes_the_page_again(novation: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert json.loads(novation("report", run, "--out", page, "--json").out) == {"report": str(page)}
    assert page.read_text().lstrip().lower().startswith("<!doctype html")


# ---------------------------------------------------------------- beginnings


@pytest.mark.slow
def test_a_new_project_runs_and_passes_its_test(novation: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    answer = novation("init", folder)
    assert answer.code == 0
    assert sorted(file.name for file in folder.iterdir()) == ["config.yaml", "strategy.py", "test_strategy.py"]
    assert novation("backtest", folder / "config.yaml").code == 0
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_init_refuses_a_folder_that_holds_something(novation: Callable[..., Any], config: Path) -> None:
    answer = novation("init", config.parent)
    assert answer.code == 2
    assert "is not an empty folder" in answer.err


@pytest.mark.slow
def test_the_demo_without_data_runs_on_the_synthetic_market(
    novation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOVATION_DATA", raising=False)
    answer = novation("demo", "--out", tmp_path / "demo")
    assert answer.code == 0
    assert "synthetic market" in answer.out
    assert str(tmp_path / "demo" / "report.html") in answer.out.replace("\n", "")
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000
    assert "BTCUSDT cross 3x, 2020-03-12" in answer.out


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_short_and_runs(example: Path) -> None:
    assert len(example.read_text().splitlines()) < 40
    environment = {name: value for name, value in os.environ.items() if name != "NOVATION_DATA"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        env=environment | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "net " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted({*(ROOT / "configs").glob("*.yaml")} - {CASCADE}), ids=lambda path: path.stem)
def test_an_example_configuration_runs(novation: Callable[..., Any], path: Path) -> None:
    answer = novation("backtest", path, "--json")
    assert answer.code == 0
    assert "no_fill" not in json.loads(answer.out)
