"""What a backtest refuses or says before it runs, in words that name the remedy."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import novation as nv
from tests.research.runs import RULES, START, Cross, Script, frame, history, run


def test_a_perpetual_without_funding_is_an_error_naming_three_ways() -> None:
    with pytest.raises(nv.InvalidInput, match=r"no funding given .*funding=<frame>, funding=0\.0001 .*funding=0"):
        run(Script(), nv.History(frame([50_000.0] * 3)))


def test_without_a_mark_the_last_price_stands_in_and_that_is_said() -> None:
    assert any("stands in for the mark" in caution for caution in run(Script(), history([50_000.0] * 3)).cautions)


def test_leverage_above_the_bracket_is_refused_before_anything_runs() -> None:
    with pytest.raises(nv.InvalidInput, match=r"leverage: is outside 1 \.\. 150 .* binance_um:BTCUSDT \(found 200\)"):
        run(Script(), history([50_000.0] * 3), leverage=200)


def test_dates_without_a_rule_are_an_error_naming_the_remedy() -> None:
    old = frame([9_000.0] * 3)
    old.index = old.index - pd.Timedelta(days=2_200)
    with pytest.raises(nv.NoRuleInForce, match="rules_as_of="):
        nv.Backtest(Script(), data={"BTCUSDT": nv.History(old, funding=0)}).run()


@pytest.mark.parametrize(
    ("symbol", "words"),
    [("BTC/USDT", "Say which"), ("BTCUSD", "BTCUSDT"), ("cme:ES", "ContractChain")],
)
def test_unknown_and_ambiguous_symbols_say_what_they_could_be(symbol: str, words: str) -> None:
    with pytest.raises(nv.NovationError, match=words):
        nv.Backtest(Script(), data={symbol: history([50_000.0] * 3)}, **RULES).run()


def test_unknown_parameters_of_a_strategy_are_refused() -> None:
    with pytest.raises(nv.ConfigError, match="Known: last"):
        Cross(lst=3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pd.DataFrame({"BTCUSDT": [1.0, 1.0]}), "no instant after 1970"),
        (pd.DataFrame({"ts": [START], "symbol": ["BTCUSDT"], "goal": ["x"]}), "expected a number"),
        (pd.DataFrame({"ts": [START], "BTCUSDT": [float("inf")]}), "expected a number"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(given: Any, words: str) -> None:
    with pytest.raises(nv.DataError, match=words):
        nv.Targets(given)


@pytest.mark.parametrize(
    "options",
    [{"cash": 1e12}, {"leverage": 10**30}, {"seed": 1.5}, {"rates": {"USDT": -1}}, {"risk": {"max_drawdown_pct": "a"}}],
)
def test_settings_beyond_reason_are_refused_in_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(nv.InvalidInput):
        run(Script(), history([50_000.0] * 3), **options)


def test_sizes_beyond_the_integers_are_refused() -> None:
    with pytest.raises(nv.InvalidInput, match="larger than any exchange counts"):
        run(Script(n0=lambda s: s.buy("BTCUSDT", 1e30)), history([50_000.0] * 3))
    with pytest.raises(nv.InvalidInput, match="binance_um:BTCUSDT: qty: expected a finite number"):
        run(Script(n0=lambda s: s.buy("BTCUSDT", float("nan"))), history([50_000.0] * 3))


@pytest.mark.parametrize("options", [{"leverage": 7}, {"margin": "isolated"}])
def test_leverage_and_scope_are_refused_where_margins_are_amounts_per_contract(options: dict[str, Any]) -> None:
    es = nv.History(frame([5_000.0, 5_010.0, 5_020.0]))
    with pytest.raises(nv.ConfigError, match=f"{next(iter(options))}.*has no use here"):
        nv.Backtest(Script(), data={"cme:ESZ2026": es}, cash=50_000, rules_as_of="2022-02-01", **options).run()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"x": 1}, r"^overrides: unknown instrument 'x'"),
        ({"BTCUSDT": 1}, r"^overrides binance_um:BTCUSDT: expected facts by name \(found 1\)"),
    ],
)
def test_a_wrong_override_names_the_argument(overrides: Any, message: str) -> None:
    with pytest.raises(nv.NovationError, match=message):
        run(Script(), history([50_000.0] * 6), overrides=overrides)
