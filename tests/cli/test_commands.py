"""The command line: help, exit codes, one-line errors, JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novation.data import sources
from novation.domain.errors import RemoteError

HEAVY = ("numba", "polars", "plotly", "pandas", "pydantic", "numpy", "httpx")


def test_help_shows_the_verbs_in_their_groups(novation: Callable[..., Any]) -> None:
    answer = novation("--help")
    assert answer.code == 0
    order = [
        "Start",
        "demo",
        "init",
        "warm",
        "doctor",
        "Ask",
        "margin",
        "funding",
        "Run",
        "backtest",
        "Data",
        "data",
        "reference",
        "Results",
        "report",
        "compare",
        "tca",
        "rerun",
    ]
    found = [re.search(rf"^[│╭─ ]*{word}\b", answer.out, re.MULTILINE) for word in order]
    places = [match.start() if match else -1 for match in found]
    assert -1 not in places
    assert places == sorted(places)
    assert novation().out == answer.out


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "init",
        "warm",
        "doctor",
        "margin",
        "funding",
        "backtest",
        "data",
        "data download",
        "reference",
        "reference refresh",
        "reference import",
        "report",
        "compare",
        "tca",
        "rerun",
    ],
)
def test_every_verb_explains_itself(novation: Callable[..., Any], verb: str) -> None:
    answer = novation(*verb.split(), "--help")
    assert answer.code == 0
    assert f"novation {verb}" in answer.out


def test_a_group_without_a_verb_shows_its_help(novation: Callable[..., Any]) -> None:
    answer = novation("data")
    assert answer == novation("data", "--help")
    assert answer.code == 0 and "download" in answer.out


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from novation.cli import main; main(['--help']); print('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.partition("LOADED")[2].split()
    assert loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "novation", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\S*\n", done.stdout)
    wrong = subprocess.run([sys.executable, "-m", "novation", "nowhere"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "error: No such command 'nowhere'.\n")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["margin.leverge=5"], "--set margin.leverge: unknown key. Did you mean 'margin.leverage'?"),
        (["margin.leverage=five"], "--set margin.leverage: expected a whole number (found 'five')."),
        (["period.from=2024"], "--set period.from: expected a date such as 2020-01-31"),
        (
            [
                "liquidation.adl_simulation=true",
                "model.algo=ppo",
                "execution.lob.impact_model=kyle",
                "execution.level=L3",
            ],
            "config.yaml: not built yet: execution.lob.impact_model (impact models), liquidation.adl_simulation "
            "(auto-deleveraging in a backtest, which has one trader; `novation cascade` has it), model.algo (models).",
        ),
        (["instruments=[BTCUSDTT]"], "unknown instrument 'BTCUSDTT'; the nearest known name is binance_um:BTCUSDT."),
        (["instruments=[BTC/USDT]"], "is spot (binance_spot:BTCUSDT) or a perpetual (binance_um:BTCUSDT,"),
        (["period.to=2031-01-01"], "end 2031-01-01 00:00 is outside the data"),
        (["rules_as_of=null"], "no row of table 'binance_um/brackets' in force at 2024-01-01 00:00"),
        (["margin.leverage=1000"], "--set margin.leverage: is outside 1 .. 150 of the first bracket of"),
        (["period.from=2020-13-01"], "--set period.from: expected a date or an ISO 8601 instant"),
        (["instruments=[BTCUSD]"], "--set instruments: unknown instrument 'BTCUSD'; the nearest known name is"),
        (["account.cash={USD: 5}"], "no USDT given, but an instrument settles in it"),
        (["strategy=long.py:Short"], "--set strategy: long.py has no 'Short'."),
        (["seed=x"], "--set seed: expected a whole number (found 'x')."),
        (["margin"], "--set: expected KEY=VALUE such as margin.leverage=5 (found 'margin')."),
        (["strategy.x=1"], "--set: strategy holds no keys (found 'strategy.x=1')."),
        (["margin.leverage=[1"], "--set margin.leverage line 1: is no YAML"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    novation: Callable[..., Any], config: Path, settings: list[str], message: str
) -> None:
    before = sorted(config.parent.iterdir())
    arguments = [part for setting in settings for part in ("--set", setting)]
    answer = novation("backtest", config, *arguments, "--out", config.parent / "run")
    assert (answer.code, answer.out) == (2, "")
    assert re.fullmatch(r"error: .*\n", answer.err)
    assert message in answer.err
    assert sorted(config.parent.iterdir()) == before


def test_bad_input_with_json_is_an_object_on_stdout(novation: Callable[..., Any], config: Path) -> None:
    answer = novation("backtest", config, "--set", "margin.leverage=five", "--json")
    assert (answer.code, answer.err) == (2, "")
    found = json.loads(answer.out)
    assert (found["error"], found["where"], found["value"]) == ("ConfigError", "margin.leverage", "five")
    usage = novation("backtest", "--json")
    assert usage.code == 2
    assert json.loads(usage.out) == {"error": "UsageError", "message": "Missing argument 'CONFIG'."}


@pytest.mark.parametrize("arguments", [["backtest", "none.yaml"], ["report", "none"], ["compare", "a", "b"]])
def test_a_missing_file_is_named(novation: Callable[..., Any], arguments: list[str]) -> None:
    answer = novation(*arguments)
    assert answer.code == 2
    assert re.fullmatch(rf"error: {arguments[1]}: no .*\n", answer.err)


def test_what_is_not_foreseen_keeps_its_traceback(novation: Callable[..., Any], config: Path) -> None:
    (config.parent / "long.py").write_text(
        "import novation as nv\n\n\nclass Long(nv.Strategy):\n    def on_bar(self, bar):\n        1 / 0\n"
    )
    with pytest.raises(ZeroDivisionError):
        novation("backtest", config, "--out", config.parent / "run")
    assert not (config.parent / "run").exists()


def test_doctor_says_where_everything_is(
    novation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOVATION_DATA", str(tmp_path / "gone"))
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path / "store"))
    found = json.loads(novation("doctor", "--json").out)
    assert found["store"] == str(tmp_path / "store")
    assert {"novation", "python", "numba", "polars"} <= set(found["versions"])
    assert any("NOVATION_DATA names no folder" in problem for problem in found["problems"])
    last = tmp_path / "store" / "binance_um" / "1h" / "BTCUSDT" / "last_1h.parquet"
    last.parent.mkdir(parents=True)
    last.touch()
    monkeypatch.delenv("NOVATION_DATA")
    assert f"data      {tmp_path / 'store'}: binance_um:BTCUSDT\n" in novation("doctor").out


def test_warm_names_every_kernel_it_makes_ready(novation: Callable[..., Any]) -> None:
    found = json.loads(novation("warm", "--json").out)
    assert found["jit"] is (len(found["seconds"]) == 5)
    assert novation("warm").code == 0


def test_download_hands_on_what_was_asked(
    novation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def download(venue: str, symbols: list[str], start: str, end: str, **rest: Any) -> list[sources.Downloaded]:
        asked.update(rest, venue=venue, symbols=symbols, start=start, end=end)
        return [sources.Downloaded("BTCUSDT", "last_1h.parquet", 24, "2024-01-01 00:00", "2024-01-01 23:00", ())]

    monkeypatch.setattr(sources, "download", download)
    command = ["data", "download", "binance_um", "BTCUSDT", "ENAUSDT", "--from", "2024-01-01", "--to", "2024-01-02"]
    answer = novation(*command, "--store", tmp_path)
    assert answer.code == 0
    assert "BTCUSDT" in answer.out and "24 rows" in answer.out
    assert asked["symbols"] == ["BTCUSDT", "ENAUSDT"]
    assert (asked["start"], asked["end"], asked["store"]) == ("2024-01-01", "2024-01-02", tmp_path)
    assert json.loads(novation(*command, "--json").out)[0]["rows"] == 24


def test_a_download_that_fails_is_a_failed_run_and_a_wrong_venue_is_bad_input(
    novation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    period = ["--from", "2024-01-01", "--to", "2024-01-02", "--store", str(tmp_path)]
    wrong = novation("data", "download", "elsewhere", "BTCUSDT", *period)
    assert (wrong.code, wrong.err) == (
        2,
        "error: VENUE: no source for this venue (found 'elsewhere'). Known: binance_um.\n",
    )

    def download(*_: Any, **__: Any) -> None:
        raise RemoteError("BTCUSDT: no answer")

    monkeypatch.setattr(sources, "download", download)
    assert novation("data", "download", "binance_um", "BTCUSDT", *period).code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["binance_um", "BTCUSDT", "--from", "2024-13", "--to", "2024-12"], "--from: expected a date or an ISO 8601"),
        (["binance_um", "BTCUSDT", "--from", "2024-01", "--to", "soon"], "--to: expected a date or an ISO 8601"),
        (["binance_um", "BTCUSDT", "--from", "2024-02", "--to", "2024-01"], "--from, --to: the period"),
        (["binance_um", "btc/usdt", "--from", "2024-01", "--to", "2024-02"], "SYMBOL: is no symbol of binance_um"),
        (["nope", "BTCUSDT", "--from", "2024-01", "--to", "2024-02"], "VENUE: no source for this venue (found 'nope')"),
    ],
)
def test_a_wrong_download_names_the_option(
    novation: Callable[..., Any], tmp_path: Path, arguments: list[str], message: str
) -> None:
    answer = novation("data", "download", *arguments, "--store", tmp_path)
    assert answer.code == 2
    assert answer.err.startswith(f"error: {message}")
