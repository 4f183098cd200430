"""What a user's own frames do in a backtest: when orders trade, at what price, and what is said about it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import novation as nv
from novation.engine.strategy import position, target

START = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)
RULES = {"rules_as_of": "2026-05-01"}


def frame(opens: list[float], width: float = 0.0, extra: dict[str, list[Any]] | None = None) -> pd.DataFrame:
    """Hourly bars: each closes where the next opens, and reaches `width` beyond both."""
    closes = [*opens[1:], opens[-1]]
    index = pd.DatetimeIndex([START + dt.timedelta(hours=i) for i in range(len(opens))], name="ts")
    high = [max(a, b) + width for a, b in zip(opens, closes, strict=True)]
    low = [min(a, b) - width for a, b in zip(opens, closes, strict=True)]
    return pd.DataFrame({"open": opens, "high": high, "low": low, "close": closes, **(extra or {})}, index=index)


def history(opens: list[float], width: float = 0.0, funding: Any = 0, **extra: list[Any]) -> nv.History:
    return nv.History(frame(opens, width, extra), funding=funding)


def run(strategy: Any, data: nv.History, **options: Any) -> nv.Result:
    given = {"cash": 100_000, **RULES, **options}
    return nv.Backtest(strategy, data={"BTCUSDT": data}, **given).run()


class Script(nv.Strategy):
    """Does what a dict says at the close of bar n."""

    def __init__(self, **actions: Any) -> None:
        super().__init__()
        self.actions = {int(name[1:]): action for name, action in actions.items()}
        self.seen: list[Any] = []

    def on_bar(self, bar: Any) -> None:
        action = self.actions.get(len(self.seen))
        self.seen.append(bar)
        if action:
            action(self)


def test_a_market_order_sent_at_a_close_trades_at_the_next_open_plus_half_the_spread() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    result = run(script, history([50_000.0, 50_100.0, 50_200.0]), spread_bps=2)
    row = result.frame("fills").row(0, named=True)
    assert row["ts"] == START + dt.timedelta(hours=1)
    assert row["price"] == 50_105.1  # 50,100 + 1 bp = 50,105.01, up to the tick of 0.1


def test_on_bar_sees_the_bar_that_closed_and_nothing_later() -> None:
    script = Script()
    run(script, history([50_000.0, 50_100.0, 50_200.0], signal=[1, 2, 3]))
    assert [bar.close for bar in script.seen] == [50_100.0, 50_200.0, 50_200.0]
    assert [bar.extra["signal"] for bar in script.seen] == [1, 2, 3]
    assert script.seen[0].ts == START + dt.timedelta(hours=1)


def test_a_limit_order_needs_a_bar_that_trades_through_it() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1, 49_900))
    touched = run(script, history([50_000.0, 50_000.0, 49_900.0, 50_000.0, 50_000.0]))
    assert touched.frame("fills").is_empty()
    assert "still waiting" in touched.summary()["no_fill"]
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1, 49_900))
    through = run(script, history([50_000.0, 50_000.0, 49_900.0, 50_000.0, 50_000.0], width=0.1))
    row = through.frame("fills").row(0, named=True)
    assert (row["price"], row["maker"]) == (49_900.0, True)


def test_a_resting_limit_order_gets_the_open_when_that_is_better() -> None:
    index = pd.DatetimeIndex([START + dt.timedelta(hours=i) for i in range(3)], name="ts")
    gap = (
        pd.DataFrame(
            {
                "open": [100.0, 100.0, 90.0],
                "high": [101.0, 101.0, 91.0],
                "low": [99.0, 99.0, 89.0],
                "close": [100.0, 100.0, 90.0],
            },
            index=index,
        )
        * 500
    )
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1, 49_000))
    result = run(script, nv.History(gap, funding=0))
    assert result.frame("fills").row(0, named=True)["price"] == 45_000.0


def test_a_target_stamped_at_a_bars_open_trades_at_the_next_open() -> None:
    targets = pd.DataFrame({"BTCUSDT": [1.0]}, index=pd.DatetimeIndex([START + dt.timedelta(hours=1)], name="ts"))
    result = run(nv.Targets(targets), history([50_000.0, 50_100.0, 50_200.0, 50_300.0]))
    row = result.frame("fills").row(0, named=True)
    assert (row["ts"], row["price"]) == (START + dt.timedelta(hours=2), 50_200.0)


def test_a_target_stamped_before_the_data_trades_at_the_first_open() -> None:
    targets = pl.DataFrame({"ts": [START - dt.timedelta(hours=1)], "symbol": ["BTCUSDT"], "target": [1.0]})
    result = run(nv.Targets(targets), history([50_000.0, 50_100.0]))
    row = result.frame("fills").row(0, named=True)
    assert (row["ts"], row["price"]) == (START, 50_000.0)


def test_weights_and_notionals_are_sized_by_the_last_close_and_rounded_down() -> None:
    by_notional = run(Script(n0=lambda s: s.target("BTCUSDT", notional=-10_000)), history([30_000.0] * 3))
    assert by_notional.frame("fills")["qty"].to_list() == [-0.333]
    assert by_notional.manifest["rounded"] == {"qty": 1}
    by_weight = run(Script(n0=lambda s: s.target("BTCUSDT", weight=0.3)), history([30_000.0] * 3))
    assert by_weight.frame("fills")["qty"].to_list() == [1.0]


def test_helpers_round_passively_and_place_refuses() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1.0005, 49_000.17))
    result = run(script, history([50_000.0] * 3))
    order = result.frame("orders").row(0, named=True)
    assert (order["qty"], order["price"]) == (1.0, 49_000.1)
    assert result.manifest["rounded"] == {"price": 1, "qty": 1}
    with pytest.raises(nv.OffGrid, match=r"price 49000\.17 is not a multiple of the tick 0\.1 .*round_price"):
        run(Script(n0=lambda s: s.place("BTCUSDT", "buy", 1, 49_000.17)), history([50_000.0] * 3))
    with pytest.raises(nv.OffGrid, match="not a multiple of the lot"):
        run(Script(n0=lambda s: s.place("BTCUSDT", "buy", 1.0005)), history([50_000.0] * 3))


def test_on_funding_comes_at_every_stamp_held_or_not() -> None:
    class Carry(nv.Strategy):
        heard: list[Any] = []

        def on_funding(self, payment: Any) -> None:
            self.heard.append(payment)
            self.target(payment.symbol, notional=-50_000 if payment.rate > 0 else 0)

    rates = pd.DataFrame(
        {"funding_rate": [0.0001, 0.0002]},
        index=pd.DatetimeIndex([START + dt.timedelta(hours=8 * i) for i in (1, 2)], name="ts"),
    )
    result = run(Carry(), history([50_000.0] * 20, funding=rates))
    assert [payment.amount for payment in Carry.heard] == [0.0, 10.0]
    assert result.frame("funding")["amount"].to_list() == [10.0]
    assert result.frame("fills")["ts"].to_list() == [START + dt.timedelta(hours=8)]


def test_a_stamp_at_the_very_first_open_can_be_traded_by_notional() -> None:
    class Carry(nv.Strategy):
        def on_funding(self, payment: Any) -> None:
            self.target(payment.symbol, notional=-50_000)

    result = run(Carry(), history([50_000.0] * 3, funding=0.0001))
    assert result.frame("fills")["qty"].to_list() == [-1.0]


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


def test_a_run_without_a_fill_says_why() -> None:
    idle = run(Script(), history([50_000.0] * 3))
    assert "never called buy, sell, target or place" in str(idle)
    poor = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 3), cash=10)
    assert "all 1 orders were refused: INSUFFICIENT_MARGIN 1" in str(poor)
    small = run(Script(n0=lambda s: s.buy("BTCUSDT", 0.0001)), history([50_000.0] * 3))
    assert "smaller than one lot" in str(small)


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


def test_drawdown_limit_closes_everything_and_takes_no_new_risk() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1), n4=lambda s: s.buy("BTCUSDT", 1))
    prices = [50_000.0, 50_000.0, 40_000.0, 40_000.0, 40_000.0, 40_000.0, 40_000.0]
    result = run(script, history(prices), risk={"max_drawdown_pct": 5})
    assert result.frame("fills")["qty"].to_list() == [1.0, -1.0]
    assert result.manifest["rounded"]["held back by own limits"] == 1


def test_two_venues_on_one_clock_sum_in_the_report_currency() -> None:
    es = nv.History(frame([5_000.0, 5_010.0, 5_020.0]))

    class Both(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)
            self.buy("cme:ESZ2026", 1)

    result = nv.Backtest(
        Both(),
        data={"BTCUSDT": history([50_000.0, 50_100.0, 50_200.0]), "cme:ESZ2026": es},
        cash={"USDT": 100_000, "USD": 50_000},
        report_currency="USD",
        rules_as_of={"binance_um": "2026-05-01", "cme": "2022-02-01"},
    ).run()
    equity = result.frame("equity")
    assert set(equity["currency"]) == {"USD"}
    nets = {a["currency"]: a["net"] for a in result.summary()["accounts"]}
    assert result.summary()["total"]["net"] == pytest.approx(nets["USDT"] + nets["USD"])
    assert any("counted as 1" in caution for caution in result.cautions)


class Cross(nv.Strategy):
    """Long above the last close, short below it."""

    last = 0.0

    def on_bar(self, bar: Any) -> None:
        self.target("BTCUSDT", 0.01 if bar.close > self.last else -0.01)
        self.last = bar.close


@nv.compiled(last="i8")
def compiled_cross(venue: Any, bar: Any, my: Any) -> None:
    if bar.last_e8 > my.last:
        target(venue, bar.instrument, 10)
    else:
        target(venue, bar.instrument, -10)
    my.last = bar.last_e8


def test_a_compiled_strategy_reaches_the_state_of_its_python_twin() -> None:
    prices = [50_000.0 + 37 * ((i * i) % 11) for i in range(300)]
    python = run(Cross(), history(prices, width=3.0, funding=0.0001))
    compiled = run(compiled_cross, history(prices, width=3.0, funding=0.0001))
    assert python.frame("fills").height > 50
    assert compiled.state_hash == python.state_hash
    assert (
        compiled.manifest["venues"]["binance_um"]["event_hash"] == python.manifest["venues"]["binance_um"]["event_hash"]
    )


@nv.compiled()
def compiled_failure(venue: Any, bar: Any, my: Any) -> None:
    if position(venue, bar.instrument) == 0:
        raise ValueError("from the strategy")


def test_an_exception_in_a_compiled_strategy_propagates() -> None:
    with pytest.raises(ValueError, match="from the strategy"):
        run(compiled_failure, history([50_000.0] * 3))


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


def test_unknown_parameters_of_a_strategy_are_refused() -> None:
    with pytest.raises(nv.ConfigError, match="Known: last"):
        Cross(lst=3)


# -- what fresh eyes found --------------------------------------------------------------------------------------------


def test_one_stamp_out_of_place_does_not_shorten_every_bar() -> None:
    odd = frame([50_000.0 + i for i in range(20)])
    stamps = odd.index.to_list()
    stamps[7] += dt.timedelta(minutes=59)
    odd.index = pd.DatetimeIndex(stamps, name="ts")
    with pytest.raises(nv.DataError, match=r"row 9: is 1m after the row before, where bars are mostly 1h apart"):
        run(Script(), nv.History(odd, funding=0))


def test_drawdown_and_returns_begin_at_the_deposit() -> None:
    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

    result = run(Long(), history([50_000.0, 40_000.0, 40_000.0]))
    loss = 10_000 + 25
    assert result.frame("equity")["drawdown"].max() == pytest.approx(loss / 100_000)
    assert (1 + result.frame("returns")["returns"]).product() == pytest.approx(1 - loss / 100_000)


def test_the_price_in_every_callback_is_of_the_bar_that_just_closed() -> None:
    class Look(nv.Strategy):
        prices: list[float] = []

        def on_funding(self, payment: Any) -> None:
            self.prices.append(self.price("BTCUSDT"))

    run(Look(), history([50_000.0 + i for i in range(10)], funding=0.0001))
    assert Look.prices == [50_008.0 - 8, 50_008.0]


def test_prices_in_tables_are_the_decimals_they_are() -> None:
    result = run(Script(n0=lambda s: s.buy("BTCUSDT", 0.3)), history([7_999.9] * 3))
    row = result.frame("fills").row(0, named=True)
    assert (row["price"], row["qty"]) == (7_999.9, 0.3)


@nv.compiled(n="i8", a=("f8", 3))
def beyond_its_array(venue: Any, bar: Any, my: Any) -> None:
    my.n += 1
    my.a[my.n] = 1.0


@nv.compiled(n="i8")
def divides_by_zero(venue: Any, bar: Any, my: Any) -> None:
    my.n = 1 // my.n


@nv.compiled()
def half_a_lot(venue: Any, bar: Any, my: Any) -> None:
    target(venue, bar.instrument, 1.5)


@nv.compiled
def no_such_name(venue: Any, bar: Any, my: Any) -> None:
    undefined_name(bar)  # noqa: F821


@nv.compiled()
def target_twice(venue: Any, bar: Any, my: Any) -> None:
    target(venue, bar.instrument, 10)
    target(venue, bar.instrument, 10)


@pytest.mark.parametrize(
    ("strategy", "error", "words"),
    [
        (beyond_its_array, IndexError, "out of bounds"),
        (divides_by_zero, ZeroDivisionError, "zero"),
        (half_a_lot, nv.InvalidInput, "whole numbers"),
        (no_such_name, nv.InvalidInput, "undefined_name"),
    ],
)
def test_a_mistake_in_a_compiled_strategy_is_an_exception(strategy: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(strategy, history([50_000.0] * 6))


def test_a_compiled_target_counts_what_waits() -> None:
    assert run(target_twice, history([50_000.0] * 4)).frame("fills")["qty"].to_list() == [0.01]


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


def test_targets_after_the_data_are_counted() -> None:
    late = pd.DataFrame({"BTCUSDT": [1.0]}, index=pd.DatetimeIndex([START + dt.timedelta(days=9)], name="ts"))
    assert "never traded" in str(run(nv.Targets(late), history([50_000.0] * 3)))


def test_a_changed_table_is_not_loaded(tmp_path: Path) -> None:
    folder = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 3)).record.save(tmp_path / "run")
    events = pl.read_parquet(folder / "binance_um.events.parquet")
    events.with_columns(pl.col("amount") * 10).write_parquet(folder / "binance_um.events.parquet")
    with pytest.raises(nv.DataError, match="not the table that the manifest describes"):
        nv.Result.load(folder)


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


# -- what a second reading found --------------------------------------------------------------------------------------


def test_a_limit_sent_inside_a_longer_bar_cannot_fill_at_its_earlier_low() -> None:
    days = pd.DatetimeIndex([START + dt.timedelta(days=i) for i in range(2)], name="ts")
    daily = pd.DataFrame(
        {"open": [3_000.0] * 2, "high": [3_010.0] * 2, "low": [2_900.0] * 2, "close": [3_000.0] * 2}, days
    )

    class Noon(nv.Strategy):
        sent = False

        def on_bar(self, bar: Any) -> None:
            if bar.symbol.endswith("BTCUSDT") and not self.sent:
                self.sent = True
                self.buy("ETHUSDT", 1, 2_950)

    data = {"BTCUSDT": history([50_000.0] * 48), "ETHUSDT": nv.History(daily, funding=0)}
    result = nv.Backtest(Noon(), data, cash=100_000, **RULES).run()
    assert result.frame("fills")["ts"].to_list() == [START + dt.timedelta(days=2)]


def test_funding_is_told_whatever_another_venue_does_first() -> None:
    class Both(nv.Strategy):
        amounts: list[float] = []

        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

        def on_bar(self, bar: Any) -> None:
            if bar.symbol == "cme:ESZ2026":
                self.buy("BTCUSDT", 0.01)

        def on_funding(self, payment: Any) -> None:
            self.amounts.append(payment.amount)

    data = {"cme:ESZ2026": nv.History(frame([5_000.0] * 12)), "BTCUSDT": history([50_000.0] * 12, funding=0.0001)}
    rules = {"binance_um": "2026-05-01", "cme": "2022-02-01"}
    result = nv.Backtest(Both(), data, cash={"USDT": 100_000, "USD": 50_000}, rules_as_of=rules).run()
    paid = result.frame("funding")["amount"].to_list()
    assert Both.amounts[-1] == pytest.approx(paid[-1]) and paid[-1] < 0


def test_orders_from_on_fill_leave_the_position_as_the_exchange_has_it() -> None:
    class Chain(nv.Strategy):
        seen: list[tuple[int, float]] = []

        def on_bar(self, bar: Any) -> None:
            if not self.seen:
                self.refused = self.buy("BTCUSDT", 100)
                self.first = self.buy("BTCUSDT", 0.1)

        def on_fill(self, fill: Any) -> None:
            self.seen.append((fill.order, self.position("BTCUSDT")))
            if len(self.seen) < 3:
                self.buy("BTCUSDT", 0.1)

    strategy = Chain()
    run(strategy, history([50_000.0] * 4))
    assert strategy.refused is None
    assert Chain.seen[0] == (strategy.first, 0.1)
    assert Chain.seen[-1][1] == pytest.approx(0.3)


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


def test_returns_of_a_midnight_sample_belong_to_the_day_that_ended() -> None:
    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

    returns = run(Long(), history([50_000.0] * 24 + [40_000.0] * 2)).frame("returns")
    assert returns["ts"].dt.date().to_list() == [START.date(), START.date() + dt.timedelta(days=1)]


def test_what_waits_for_a_price_moves_to_the_next_contract_at_a_roll() -> None:
    def days(first: int, count: int, price: float) -> pd.DataFrame:
        index = pd.DatetimeIndex([START + dt.timedelta(days=first + i) for i in range(count)], name="ts")
        return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), [price] * count), index)

    chain = nv.ContractChain(
        {202606: days(0, 4, 5_000.0), 202609: days(3, 4, 5_050.0)}, [(START + dt.timedelta(days=3), 202606, 202609)]
    )
    script = Script(n2=lambda s: s.target("cme:ES", 2))
    result = nv.Backtest(script, {"cme:ES": chain}, cash=200_000, rules_as_of="2022-02-01").run()
    assert result.frame("fills")["contract"].to_list() == ["cme:ESU2026"]
    assert result.frame("fills")["qty"].to_list() == [2.0]


def test_a_large_position_is_liquidated_in_part_and_explained() -> None:
    """300 BTC at 50,000: 15 million in the fifth bracket, where a reduction frees more than its fees cost."""
    script = Script(n0=lambda s: s.buy("BTCUSDT", 300))
    prices = [50_000.0, 50_000.0, 49_000.0, 47_100.0, 47_100.0]
    result = run(
        script, history(prices), cash=1_000_000, leverage=25, overrides={"BTCUSDT": {"liquidation_fee": "0.001"}}
    )
    rows = result.frame("liquidations")
    assert len(rows) >= 1
    first = rows.row(0, named=True)
    explained = result.explain(first)
    assert "position 300, entry cost" in explained
    assert "the fewest lots after which maintenance is at most 80 % of equity" in explained
    assert 0 < abs(first["qty"]) < 300


def test_an_order_that_may_only_reduce_never_opens() -> None:
    def twice(s: Any) -> None:
        assert s.sell("BTCUSDT", 1, reduce_only=True) is not None
        assert s.sell("BTCUSDT", 1, reduce_only=True) is None  # the first works on all of it already

    script = Script(
        n0=lambda s: s.sell("BTCUSDT", 1, reduce_only=True),
        n1=lambda s: s.buy("BTCUSDT", 1),
        n3=twice,
    )
    result = run(script, history([50_000.0] * 8))
    assert result.frame("fills")["qty"].to_list() == [1.0, -1.0]
    assert result.summary()["refused"] == {"WOULD_NOT_REDUCE": 2}


def test_margin_is_added_to_an_isolated_position_and_its_liquidation_price_falls() -> None:
    answers: list[Any] = []
    script = Script(
        n0=lambda s: (s.buy("BTCUSDT", 1), answers.append(s.adjust_margin("BTCUSDT", 10))),
        n2=lambda s: answers.append(s.adjust_margin("BTCUSDT", "1000.5")),
        n4=lambda s: answers.append(s.adjust_margin("BTCUSDT", -2_000_000)),
    )
    result = run(script, history([50_000.0] * 8), margin="isolated", leverage=10)
    assert answers[1:] == [True, False]
    prices = result.frame("positions")["liquidation"].to_list()
    assert prices[-1] < prices[0]


@pytest.mark.parametrize("options", [{"leverage": 7}, {"margin": "isolated"}])
def test_leverage_and_scope_are_refused_where_margins_are_amounts_per_contract(options: dict[str, Any]) -> None:
    es = nv.History(frame([5_000.0, 5_010.0, 5_020.0]))
    with pytest.raises(nv.ConfigError, match=f"{next(iter(options))}.*has no use here"):
        nv.Backtest(Script(), data={"cme:ESZ2026": es}, cash=50_000, rules_as_of="2022-02-01", **options).run()


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
