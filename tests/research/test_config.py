"""Configurations: the short form, the plan's template, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.data.synthetic import load_synthetic
from novation.domain.errors import ConfigError, UnknownInstrument
from novation.research.config import BacktestConfig, json_schema, load_config
from novation.research.config.keys import Keys
from novation.research.config.yaml import key_paths, parse_yaml

TEMPLATE = Path(__file__).with_name("template.yaml")
STRATEGY = """
import novation as nv

class Long(nv.Strategy):
    qty = 1.0
    name = "x"
    loud = False

    def on_bar(self, bar):
        if self.position(bar.symbol) == 0:
            self.buy(bar.symbol, self.qty)

def targets():
    import polars as pl
    return nv.Targets(pl.DataFrame({"ts": ["2024-01-02"], "BTCUSDT": [1.0]}))

number = 3
"""
SHORT: dict[str, Any] = {
    "strategy": "mine.py:Long",
    "instruments": ["binance_um:BTCUSDT"],
    "period": {"from": "2024-01-01", "to": "2024-01-08"},
    "rules_as_of": "2026-05-01",
    "account": {"cash": 25_000},
    "margin": {"scope": "isolated", "leverage": 5},
    "data": {"synthetic": True},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(STRATEGY)
    return tmp_path


def config(folder: Path, **changes: Any) -> BacktestConfig:
    values = {name: value for name, value in (SHORT | changes).items() if value is not ...}
    return load_config(values, folder=folder)


def refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as error:
        config(folder, **changes).backtest()
    return str(error.value)


# ---------------------------------------------------------------- the short form


def test_ten_lines_equal_the_python_call(folder: Path) -> None:
    class Long(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            if self.position(bar.symbol) == 0:
                self.buy(bar.symbol, 1.0)

    by_hand = nv.Backtest(
        Long(),
        {"binance_um:BTCUSDT": load_synthetic("binance_um:BTCUSDT")},
        start="2024-01-01",
        end="2024-01-08",
        cash=25_000,
        leverage=5,
        margin="isolated",
        rules_as_of="2026-05-01",
    ).run()
    assert config(folder).backtest().run().state_hash == by_hand.state_hash


def test_dates_of_yaml_read_like_dates_in_text(folder: Path) -> None:
    as_dates = {"from": dt.date(2024, 1, 1), "to": dt.date(2024, 1, 8)}
    assert config(folder, period=as_dates).backtest().start_ns == config(folder).backtest().start_ns


def test_what_is_left_out_is_left_to_backtest(folder: Path) -> None:
    bare = config(folder, account=..., margin=..., period=...).backtest()
    python = nv.Backtest(nv.Strategy(), symbols=["binance_um:BTCUSDT"])
    for name in ("cash", "leverage", "margin", "spread_e8", "seed", "start_ns", "end_ns", "risk"):
        assert getattr(bare, name) == getattr(python, name)


def test_the_two_names_of_scope_leverage_and_spread_mean_the_same(folder: Path) -> None:
    plan = config(
        folder,
        margin={"mode": "isolated", "initial_leverage": 5},
        execution={"slippage": {"default_spread_bps": 2}},
    ).backtest()
    assert (plan.margin, plan.leverage, plan.spread_e8) == ("isolated", 5, 20_000)
    assert "margin.scope: says cross, and margin.mode says isolated: keep one" in refusal(
        folder, margin={"scope": "cross", "mode": "isolated"}
    )


def test_the_path_inside_a_bar_is_a_key(folder: Path) -> None:
    assert config(folder, execution={"bar_path": "high_first"}).backtest().bar_path == "high_first"
    assert config(folder).backtest().bar_path == "worst"
    assert "execution.bar_path" in refusal(folder, execution={"bar_path": "best"})


def test_a_strategy_may_be_a_class_a_function_or_in_a_package(folder: Path) -> None:
    assert config(folder, params={"qty": 2}).backtest().strategy.qty == 2
    assert isinstance(config(folder, strategy="mine.py:targets").backtest().strategy, nv.Targets)
    assert type(config(folder, strategy="novation.research.demo:Book").backtest().strategy).__name__ == "Book"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "mine.py:Lnog"}, "strategy: mine.py has no 'Lnog'. Did you mean 'Long'?"),
        ({"strategy": "mine.py"}, 'strategy: expected "file.py:Class"'),
        ({"strategy": "other.py:Long"}, "strategy: no such file"),
        ({"strategy": "nowhere.at.all:Long"}, "strategy: no module 'nowhere'"),
        ({"strategy": "mine.py:number"}, "strategy: is no Strategy"),
        ({"strategy": ...}, "strategy: is missing"),
        ({"params": {"qtty": 1}}, "params.qtty: is no parameter of Long. Did you mean 'qty'?"),
        ({"params": {"qty": "one"}}, "params.qty: expected a number, as its default 1.0 (found 'one')"),
        ({"params": {"loud": 1}}, "params.loud: expected true or false"),
        ({"strategy": "mine.py:targets", "params": {"a": 1}}, "params: targets: got an unexpected keyword"),
        ({"instruments": ...}, "instruments: nothing to trade"),
    ],
)
def test_a_strategy_that_cannot_be_made_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refusal(folder, **changes)


# ---------------------------------------------------------------- wrong keys and values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leverage": 5}, "leverage: unknown key. Did you mean 'margin.leverage'?"),
        ({"margn": {}}, "margn: unknown key. Did you mean 'margin'?"),
        ({"margin": {"leverge": 5}}, "margin.leverge: unknown key. Did you mean 'margin.leverage'?"),
        ({"data": {"rot": "x"}}, "data.rot: unknown key. Did you mean 'data.root'?"),
        ({"data": {"BTCUSDT": {"lats": "x"}}}, "data.BTCUSDT.lats: unknown key. Did you mean 'data.BTCUSDT.last'?"),
        ({"margin": {"leverage": "5"}}, "margin.leverage: expected a whole number (found '5')"),
        ({"margin": {"leverage": 2.5}}, "margin.leverage: expected a whole number (found 2.5)"),
        ({"margin": {"leverage": True}}, "margin.leverage: expected a whole number (found True)"),
        ({"margin": {"leverage": 0}}, "margin.leverage: expected a whole number above 0 (found 0)"),
        ({"margin": "cross"}, "margin: expected a mapping of keys (found 'cross')"),
        ({"margin": {"scope": "crossed"}}, "margin.scope: expected 'cross' or 'isolated' (found 'crossed')"),
        ({"period": {"from": 2024}}, "period.from: expected a date such as 2020-01-31"),
        ({"period": {"from": "2024-13-01"}}, "period.from: expected a date or an ISO 8601 instant"),
        ({"period": {"from": dt.datetime(2024, 1, 1)}}, "period.from: the instant has no zone"),
        ({"account": {"cash": "much"}}, "account.cash: expected an amount, or amounts by currency"),
        ({"instruments": "BTCUSDT"}, "instruments: expected a list (found 'BTCUSDT')"),
        ({"risk": {"max_drawdown_pct": -1}}, "risk.max_drawdown_pct: expected a number above 0"),
        ({"margin": {"brackets": [{"max_leverage": 5}]}}, "margin.brackets[1].maint_margin_rate: is missing"),
        ({"data": {"synthetic": "yes"}}, "data.synthetic: expected true or false (found 'yes')"),
        ({"data": {"synthetic": True, "root": "x"}}, "data: names root and synthetic: choose one"),
        ({"overrides": {"BTCUSDT": {"tikc": 1}}}, "binance_um:BTCUSDT.tikc: unknown override. Did you mean 'tick'?"),
        ({"futures_type": "index"}, "futures_type: binance_um:BTCUSDT is a perpetual (found 'index')"),
        ({"contract": {"symbol": "ETHUSDT"}}, "contract.symbol: is not among the instruments"),
        ({"contract": {"exchange": "cme"}}, "contract.exchange: binance_um:BTCUSDT is traded at binance_um"),
        ({"contract": {"quote_currency": "USD"}}, "contract.quote_currency: binance_um:BTCUSDT is quoted in USDT"),
        ({"fees": {"structure": "flat"}}, "fees.structure: the fees of binance_um:BTCUSDT are of another structure"),
        ({"margin": {"leverage": 20, "max_leverage": 10}}, "margin.max_leverage: leverage 20 of binance_um:BTCUSDT"),
        ({"margin": {"max_leverage": 10}}, "margin.max_leverage: leverage 20 of binance_um:BTCUSDT is above it"),
    ],
)
def test_a_wrong_key_or_value_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refusal(folder, **changes)


def test_an_instrument_is_unknown_or_ambiguous_by_name(folder: Path) -> None:
    with pytest.raises(UnknownInstrument, match="nearest known name is binance_um:BTCUSDT"):
        config(folder, instruments=["BTCUSDTT"]).backtest()
    with pytest.raises(UnknownInstrument, match=r"is spot .* or a perpetual"):
        config(folder, instruments=["BTC/USDT"]).backtest()


def test_yaml_is_read_without_its_traps() -> None:
    text = "a: 1e-4\nb: 25_000\nc: 15:30\nd: yes\ne: 2024-01-01\nf: [no, true]\n"
    read = {"a": 0.0001, "b": 25_000, "c": "15:30", "d": "yes", "e": dt.date(2024, 1, 1), "f": ["no", True]}
    assert parse_yaml(text, "x") == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "c.yaml line 3: key 'a' is given twice, first in line 1."),
        ("a: {b: 1, b: 2}\n", "c.yaml line 1: key 'b' is given twice, first in line 1."),
        ("a: [1\n", "c.yaml line 2: is no YAML:"),
        ("1: 2\n", "c.yaml line 1: expected a text as key (found 1)."),
        ("- a\n", "c.yaml: expected a mapping of keys."),
    ],
)
def test_broken_yaml_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert message in str(error.value)


# ---------------------------------------------------------------- facts of the exchange


def test_facts_become_overrides_that_the_result_lists(folder: Path) -> None:
    made = config(
        folder,
        fees={"crypto": {"taker_bps": 4.0}},
        margin={
            "leverage": 5,
            "maintenance_margin_rate": 0.004,
            "brackets": [
                {"notional_cap": 50_000, "max_leverage": 125, "maint_margin_rate": 0.004},
                {"notional_cap": None, "max_leverage": 50, "maint_margin_rate": 0.01},
            ],
        },
        overrides={"BTCUSDT": {"liquidation_fee": 0.02}},
    )
    result = made.backtest().run()
    listed = [caution for caution in result.cautions if caution.endswith("is an override, not the exchange's")]
    assert len(listed) == 3
    terms = result.manifest["venues"]["binance_um"]["instruments"][0]["terms"][0]
    assert terms["taker_fee_e8"] == 40_000
    assert terms["liquidation_fee_e8"] == 2_000_000
    assert [tier["cum"] for tier in terms["tiers"]] == [0, 300 * 10**8]  # 50,000 * (1 % - 0.4 %)


def test_a_rate_alone_is_one_bracket_and_must_agree_with_brackets(folder: Path) -> None:
    alone = config(folder, margin={"leverage": 5, "maintenance_margin_rate": 0.02})
    assert alone.overrides() == {
        "binance_um:BTCUSDT": {"brackets": [{"floor": 0, "cap": None, "rate": 0.02, "max_leverage": 125}]}
    }
    brackets = [{"notional_cap": None, "max_leverage": 50, "maint_margin_rate": 0.01}]
    assert "is not the rate of the first bracket, 0.01" in refusal(
        folder, margin={"maintenance_margin_rate": 0.02, "brackets": brackets}
    )


def test_facts_of_cme_are_overrides_of_the_product(folder: Path) -> None:
    fees = {
        "commission_per_contract": 0.85,
        "exchange_fee_per_contract": 1.38,
        "nfa_fee_per_contract": 0.02,
        "clearing_fee_per_contract": 0,
    }
    made = config(
        folder,
        instruments=["cme:ES", "cme:GC"],
        contract={"symbol": "cme:ES", "tick_size": 0.5, "multiplier": 20},
        fees={"structure": "flat", "cme": fees, "crypto": {"maker_bps": 1}},
        margin={"scope": "cross"},
    )
    assert made.overrides() == {
        "cme:ES": {"tick": 0.5, "multiplier": 20, "fee_per_contract": "2.25"},
        "cme:GC": {"fee_per_contract": "2.25"},
    }
    assert made.without_effect() == ["margin.scope", "fees.crypto.maker_bps"]
    lacking = {"cme": {"commission_per_contract": 1}}
    assert "clearing_fee_per_contract missing: the sum replaces the whole fee" in refusal(
        folder, instruments=["cme:ES"], fees=lacking
    )
    assert "contract.symbol: several instruments: say which" in refusal(
        folder, instruments=["cme:ES", "cme:GC"], contract={"tick_size": 1}
    )


def test_funding_can_be_switched_off_and_the_result_says_so(folder: Path) -> None:
    result = config(folder, funding={"enabled": False}).backtest().run()
    assert result.funding.is_empty()
    assert any("funding switched off by the configuration, not the exchange's" in c for c in result.cautions)


# ---------------------------------------------------------------- what is not built


def test_the_plans_template_is_known_and_names_what_is_not_built(folder: Path) -> None:
    values = parse_yaml(TEMPLATE.read_text(), "template")
    template = load_config(values | {"strategy": "mine.py:Long", "period": SHORT["period"]}, folder=folder)
    facts = template.overrides()["binance_um:BTCUSDT"]
    assert sorted(facts) == ["brackets", "maker_fee", "max_qty", "min_qty", "taker_fee", "tick"]
    with pytest.raises(ConfigError) as error:
        template.backtest()
    message = str(error.value)
    asked = template.not_built()
    for key in (
        "liquidation.adl_simulation",
        "liquidation.simulate_cascade",
        "funding.pro_rata_settlement",
        "session.circuit_breakers.levels",
        "risk.kill_switch.enabled",
        "execution.slippage.impact_coef_base",
        "features.include_oi_features",
        "model.algo",
        "logging.tensorboard",
    ):
        assert key in asked
        assert key.rpartition(".")[2] in message
    for off in ("margin.span", "settlement", "session.cme.", "execution.lob", "risk.trailing_stop_pct", "contract"):
        assert not any(key.startswith(off) for key in asked)


def test_every_key_of_the_template_is_in_the_schema() -> None:
    def keys_in(value: Any, prefix: str = "") -> list[str]:
        if not isinstance(value, dict) or prefix == "model.params.":
            return []
        inner = [name for key, found in value.items() for name in keys_in(found, f"{prefix}{key}.")]
        return [f"{prefix}{key}" for key in value] + inner

    template = keys_in(parse_yaml(TEMPLATE.read_text(), "template"))
    assert len(template) > 140
    assert set(template) <= set(key_paths(Keys))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"mode": "train"}, "mode (modes other than backtest)"),
        (
            {"futures_type": "crypto_quarterly"},
            "futures_type (this key; name quarterlies in `instruments`, as binance_um:BTCUSDT_261225)",
        ),
        ({"margin": {"span": {"enabled": True}}}, "margin.span.enabled (SPAN margin)"),
        ({"margin": {"span": {"scanning_range": 0.1}}}, "margin.span.scanning_range (SPAN margin)"),
        (
            {"session": {"circuit_breakers": {"enabled": True, "overnight_limit_pct": 5}}},
            "session.circuit_breakers.overnight_limit_pct (halts other than the exchange's own",
        ),
        ({"session": {"calendar": "forex_24x5"}}, "session.calendar (trading sessions other than the exchange's)"),
        (
            {"liquidation": {"adl_simulation": True}},
            "liquidation.adl_simulation (auto-deleveraging in a backtest, which has one trader; "
            "`novation cascade` has it)",
        ),
        (
            {"funding": {"pro_rata_settlement": True}},
            "funding.pro_rata_settlement (pro-rated funding in a backtest; `Venue(pro_rata=...)` has it)",
        ),
        ({"funding": {"interval_hours": 4}}, "funding.interval_hours (funding hours of one's own"),
        ({"funding": {"times_utc": ["01:00"]}}, "funding.times_utc (funding hours of one's own"),
        ({"risk": {"kill_switch": {"enabled": True}}}, "risk.kill_switch.enabled (a kill switch)"),
        ({"risk": {"max_position_usd": 5}}, "risk.max_position_usd (own limits"),
        ({"features": {"include_oi_features": True}}, "features.include_oi_features (features)"),
        ({"model": {"algo": "ppo"}}, "model.algo (models)"),
        ({"training": {"steps": 5}}, "training (training)"),
        ({"vendor": {"primary": "tradovate"}}, "vendor.primary (data of tradovate)"),
        ({"contract": {"multiplier": 10}}, "contract.multiplier (multipliers of perpetuals)"),
        ({"settlement": {"enabled": True}}, "settlement.enabled (daily settlement of perpetuals)"),
        ({"data": {"synthetic": True, "timeframe": "4h"}}, "data.timeframe (bars of another length"),
    ],
)
def test_a_key_of_what_is_not_built_is_refused(folder: Path, changes: dict[str, Any], key: str) -> None:
    message = refusal(folder, **changes)
    assert f"config: not built yet: {key}" in message


def test_all_keys_of_what_is_not_built_are_named_at_once(folder: Path) -> None:
    message = refusal(folder, liquidation={"adl_simulation": True}, model={"algo": "ppo", "path": "x"})
    assert (
        "liquidation.adl_simulation (auto-deleveraging in a backtest, which has one trader; "
        "`novation cascade` has it), model.{algo, path} (models)" in message
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the short form asks for; to be read only."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "mine.py").write_text(STRATEGY)
    return vars(config(folder).backtest())


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "backtest"},
        {"margin": {"scope": "isolated", "leverage": 5, "span": {"enabled": False, "scanning_range": 0.1}}},
        {"session": {"circuit_breakers": None}},
        {"session": {"circuit_breakers": {"enabled": True}, "calendar": "cme_futures"}},
        {"session": {"calendar": "crypto_24x7", "cme": {"holidays": "us_federal"}}},
        {"execution": {"level": "L2", "lob": {"impact_model": "kyle"}}},
        {"funding": {"interval_hours": 8, "times_utc": ["00:00", "08:00", "16:00"]}},
        {"features": {"include_oi_features": False, "oi_lookback": 20}},
        {"risk": {"max_position_usd": None, "trailing_stop_pct": None}},
        {"model": None, "training": {}},
        {"contract": {"symbol": "BTC/USDT:USDT", "settlement": "cash", "expiry": None}},
    ],
)
def test_a_key_that_asks_for_nothing_changes_nothing(
    folder: Path, plain: dict[str, Any], changes: dict[str, Any]
) -> None:
    asked = vars(config(folder, **changes).backtest())
    apart = ("strategy", "data", "config", "placed")  # made anew each time; looked at below
    assert {name: asked[name] for name in asked if name not in apart} == {
        name: plain[name] for name in plain if name not in apart
    }
    assert type(asked["strategy"]).__qualname__ == type(plain["strategy"]).__qualname__
    assert asked["strategy"].parameters() == plain["strategy"].parameters()
    assert list(asked["data"]) == list(plain["data"])
    for symbol, history in asked["data"].items():
        other = plain["data"][symbol]
        for name in ("last", "mark", "funding"):
            assert getattr(history, name).equals(getattr(other, name))
        assert history.notes == other.notes


def test_circuit_breakers_are_the_same_switch_as_market_states(folder: Path) -> None:
    off = {"enabled": False, "levels": [{"threshold_pct": -7}]}
    for session in (
        {"circuit_breakers": off},
        {"market_states": False},
        {"circuit_breakers": off, "market_states": False},
    ):
        assert config(folder, session=session).backtest().market_states is False
    for session in ({"circuit_breakers": {"enabled": True}}, {"market_states": True}, {"circuit_breakers": {}}):
        assert config(folder, session=session).backtest().market_states is True
    for one in (True, False):
        assert (
            f"session.circuit_breakers.enabled: says {one}, and session.market_states says {not one}: keep one"
        ) in refusal(folder, session={"circuit_breakers": {"enabled": one}, "market_states": not one})


# ---------------------------------------------------------------- data and schema


def _write_market(folder: Path) -> None:
    history = load_synthetic("binance_um:BTCUSDT")
    for name in ("last", "mark", "funding"):
        getattr(history, name).filter(
            pl.col("ts").is_between(dt.datetime(2023, 12, 31, tzinfo=dt.UTC), dt.datetime(2024, 1, 9, tzinfo=dt.UTC))
        ).write_parquet(folder / f"btcusdt_{name}.parquet")


def test_files_of_an_instrument_and_patterns_of_the_plan_give_one_run(folder: Path) -> None:
    _write_market(folder)
    files = {f: f"btcusdt_{f}.parquet" for f in ("last", "mark", "funding")}
    by_files = config(folder, instruments=..., data={"BTC/USDT:USDT": files}).backtest().run()
    patterns = {
        "paths": ["*.parquet"],
        "mark_price_paths": ["*_mark.parquet"],
        "funding_paths": ["*_funding.parquet"],
        "timeframe": "1h",
    }
    by_patterns = config(folder, data=patterns).backtest().run()
    assert by_files.state_hash == by_patterns.state_hash == config(folder).backtest().run().state_hash
    assert "data.paths: expected one file whose name begins with BTCUSDT" in refusal(
        folder, data={"paths": ["*.parquet"]}
    )
    assert "data.ETHUSDT: is not among the instruments" in refusal(folder, data={"ETHUSDT": files})
    assert "data.BTCUSDT.last: is missing" in refusal(folder, data={"BTCUSDT": {"funding": 0}})


def test_own_tables_are_relative_to_the_configuration(folder: Path) -> None:
    with pytest.raises(nv.InvalidInput, match="no such folder of reference tables"):
        config(folder, tables=["mine"]).backtest()


def test_the_schema_says_what_a_key_does() -> None:
    schema = json_schema()
    json.dumps(schema)
    assert schema["properties"]["margin"]
    liquidation = schema["$defs"]["Liquidation"]["properties"]
    assert "Not built yet" in liquidation["adl_simulation"]["description"]
    assert "override" in schema["$defs"]["Contract"]["properties"]["tick_size"]["description"]
    assert "lead, days:N, expiry:N, notice:N" in schema["$defs"]["Files"]["properties"]["roll"]["description"]
    assert set(schema["$defs"]["Period"]["properties"]) == {"from", "to"}


# ---------------------------------------------------------------- every error names file and key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"margin": {"leverage": 5.5}}, "margin.leverage: expected a whole number (found 5.5)"),
        ({"margin": {"leverage": 200}}, "margin.leverage: is outside 1 .. 150 of the first bracket"),
        ({"margin": {"initial_leverage": 200}}, "margin.initial_leverage: is outside 1 .. 150"),
        ({"margin": {"leverage": 10**9}}, "margin.leverage: is beyond any exchange's"),
        ({"period": {"from": "2024-01-08", "to": "2024-01-01"}}, "period: the period is empty"),
        ({"account": {"cash": -5}}, "account.cash USDT: must be positive"),
        ({"account": {"cash": {"USDT": 1e-12}}}, "account.cash USDT: has more than 8 decimals"),
        ({"account": {"cash": 5, "report_currency": "EUR"}}, "account.rates: no rate for USDT"),
        ({"execution": {"spread_bps": 1e-5}}, "execution.spread_bps: has more than 4 decimals"),
        ({"execution": {"slippage": {"default_spread_bps": -1}}}, "execution.slippage.default_spread_bps: cannot be"),
        ({"risk": {"max_drawdown_pct": 500}}, "risk.max_drawdown_pct: is a percentage"),
        ({"rules_as_of": {"binance": "2026-05-01"}}, "rules_as_of.binance: unknown venue or table"),
        ({"fees": {"crypto": {"taker_bps": 1e-5}}}, "fees.crypto.taker_bps: has more than 4 decimals (found 1e-05)"),
        ({"overrides": {"cme:ES": {"intraday_ratio": 1e-9}}}, "overrides.cme:ES.intraday_ratio: has more than 8 dec"),
        ({"overrides": {"cme:ES": {"margin_deadline_minutes": 5}}}, "overrides.cme:ES.margin_deadline_minutes: has no"),
        ({"overrides": {"BTCUSDT": {"tick": -1}}}, "overrides.binance_um:BTCUSDT.tick: expected a number above zero"),
        (
            {
                "margin": {
                    "brackets": [
                        {"notional_cap": 5, "max_leverage": 10, "maint_margin_rate": 0.5},
                        {"notional_cap": 4, "max_leverage": 100, "maint_margin_rate": 0.1},
                    ]
                }
            },
            "margin.brackets, tier 2: cap is not above the floor",
        ),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(SHORT | changes, folder=folder, source="my.yaml").backtest().run()
    assert str(error.value).startswith(f"my.yaml {words}")


def test_the_same_mistake_in_python_names_the_argument() -> None:
    with pytest.raises(nv.InvalidInput, match=r"^Backtest spread_bps: has more than 4 decimals"):
        nv.Backtest(nv.Strategy(), {}, spread_bps=1e-5)
    with pytest.raises(nv.InvalidInput, match=r"^Backtest rates USDT: expected a number"):
        nv.Backtest(nv.Strategy(), {}, rates={"USDT": "x"})


@pytest.mark.parametrize("key", ["from", "to"])
def test_a_date_that_no_calendar_has_is_told_with_file_and_key(folder: Path, key: str) -> None:
    (folder / "my.yaml").write_text(f"period: {{{key}: 2020-13-01}}\ninstruments: [BTCUSDT]\n")
    with pytest.raises(ConfigError, match=rf"^my\.yaml period\.{key}: expected a date .*found '2020-13-01'"):
        load_config(folder / "my.yaml")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"instruments": ["BTCUSD"]}, "instruments"),
        ({"contract": {"symbol": "BTCUSD"}}, "contract.symbol"),
        ({"instruments": ..., "data": {"BTCUSD": {"last": "a.csv"}}}, "data"),
        ({"data": {"BTCUSD": {"last": "a.csv"}}}, "data"),
        ({"overrides": {"BTCUSD": {"tick": 1}}}, "overrides"),
    ],
)
def test_an_unknown_name_is_told_with_file_key_and_the_nearest(
    folder: Path, changes: dict[str, Any], where: str
) -> None:
    values = {name: value for name, value in (SHORT | changes).items() if value is not ...}
    with pytest.raises(UnknownInstrument) as error:
        load_config(values, folder=folder, source="my.yaml").backtest()
    assert str(error.value) == (
        f"my.yaml {where}: unknown instrument 'BTCUSD'; the nearest known name is binance_um:BTCUSDT."
    )


def test_a_folder_of_contracts_is_rolled_by_a_rule(folder: Path) -> None:
    days = pl.datetime_range(dt.datetime(2021, 2, 1), dt.datetime(2021, 4, 30), "1d", time_zone="UTC", eager=True)
    (folder / "es").mkdir()
    for month, price in (("ESH2021", 3_800.0), ("ESM2021", 3_790.0)):
        bars = pl.DataFrame({"ts": days}).with_columns(
            **{name: pl.lit(price) for name in ("open", "high", "low", "close")}
        )
        bars.write_parquet(folder / "es" / f"{month}.parquet")
    given: dict[str, Any] = {"instruments": ["cme:ES"], "rules_as_of": "2021-03-01", "account": {"cash": 100_000}}
    given |= {"margin": None, "period": {"from": "2021-02-01", "to": "2021-04-30"}}
    lead = config(folder, **given, data={"cme:ES": {"contracts": "es", "roll": "lead", "bar": "1d"}})
    result = lead.backtest().run()
    assert [str(ts.date()) for ts in result.rolls["ts"]] == ["2021-03-11"]  # the Thursday eight days ahead, until 2022
    ten = {"auto_roll": {"days_before_expiry": 10}}
    early = config(folder, **given, settlement=ten, data={"cme:ES": {"contracts": "es", "bar": "1d"}})
    assert [str(ts.date()) for ts in early.backtest().run().rolls["ts"]] == ["2021-03-09"]
    assert "contracts needs a rule" in refusal(folder, **given, data={"cme:ES": {"contracts": "es"}})
    for roll in ("foo", "volume", "days:"):
        assert refusal(folder, **given, data={"cme:ES": {"contracts": "es", "roll": roll, "bar": "1d"}}) == (
            f"config data.cme:ES.roll: is no roll rule (found '{roll}'). Rules: lead, days:N, expiry:N, notice:N."
        )
    assert "config data.cme:ES.roll: has no first notice (found 'notice:2')" in refusal(
        folder, **given, data={"cme:ES": {"contracts": "es", "roll": "notice:2", "bar": "1d"}}
    )
    for key, value in {"contracts": "es", "roll": "lead"}.items():
        dated = {**given, "instruments": ["cme:ESM2021"]}
        assert f"config data.cme:ESM2021.{key}: is for rolled symbols such as cme:ES alone" in refusal(
            folder, **dated, data={"cme:ESM2021": {key: value}}
        )
    assert "a roll rule where a roll calendar is given" in refusal(folder, **given, settlement=ten)
