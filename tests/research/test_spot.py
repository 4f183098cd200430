"""Runs with coins bought in full: accounts apart, totals together, and what has no use there (docs/rules/spot.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.data.synthetic import load_synthetic
from novation.domain.enums import EventKind
from novation.domain.errors import ConfigError, DataError, InvalidInput, UnknownInstrument
from novation.domain.units import to_ns
from novation.engine.strategy import target
from novation.reference import Reference
from novation.reference.book_rules import book_rules
from novation.research.config import load_config
from novation.research.result import Result
from tests.research.runs import Script, frame

SPOT, PERPETUAL = "binance_spot:BTCUSDT", "binance_um:BTCUSDT"
CASH = {"binance_spot": 60_000, "binance_um": 40_000}
PINS = {"binance_um/brackets": "2026-05-01"}


class Carry(nv.Strategy):
    """Long the coin, short the perpetual, from the first bar of either on."""

    qty = 0.5

    def on_bar(self, bar: Any) -> None:
        if bar.symbol == SPOT and not self.position(SPOT):
            self.target(SPOT, qty=self.qty)
            self.target(PERPETUAL, qty=-self.qty)


def carried(cash: Any = CASH, strategy: nv.Strategy | None = None, **more: Any) -> Result:
    """Two weeks of the synthetic market."""
    given = {"start": "2024-01-01", "end": "2024-01-15", "rules_as_of": PINS, **more}
    data = {symbol: load_synthetic(symbol) for symbol in (SPOT, PERPETUAL)}
    return nv.Backtest(strategy or Carry(), data, cash=cash, **given).run()


def coins(strategy: Any, prices: list[float], **more: Any) -> Result:
    """A run on a spot market of these opens."""
    return nv.Backtest(strategy, {SPOT: nv.History(frame(prices))}, **{"cash": 100_000, **more}).run()


# -- two accounts of one currency -----------------------------------------------------------------------------------


def test_a_book_of_two_accounts_is_added_up() -> None:
    result = carried(leverage=3)
    summary = result.summary()
    spot, perpetual = summary["accounts"]
    assert (spot["venue"], perpetual["venue"]) == ("binance_spot", "binance_um")
    assert summary["total"]["net"] == pytest.approx(spot["net"] + perpetual["net"])
    assert spot["funding"] == spot["peak_margin_used"] == spot["liquidated"] == 0
    assert perpetual["funding"] != 0
    equity = result.frame("equity")
    assert equity["ts"].is_sorted() and equity["ts"].n_unique() == equity.height
    assert equity["equity"][-1] == pytest.approx(100_000 + summary["total"]["net"])
    assert summary["max_drawdown"] if "max_drawdown" in summary else summary["total"]["max_drawdown"] < 0.01
    assert "total net" in str(result) and "binance_spot: price" in str(result)
    assert result.frame("returns").height == 14


def test_price_moves_of_the_two_legs_cancel_but_for_the_basis() -> None:
    spot, perpetual = carried().summary()["accounts"]
    assert abs(spot["price"]) > 500
    assert abs(spot["price"] + perpetual["price"]) < 100


def test_a_book_is_saved_and_drawn(tmp_path: Path) -> None:
    result = carried()
    result.save(tmp_path / "run")
    assert Result.load(tmp_path / "run").summary() == result.summary()
    result.report(tmp_path / "book.html")
    assert "binance_spot account" in (tmp_path / "book.html").read_text()


@pytest.mark.parametrize(
    ("cash", "words"),
    [
        (50_000, r"accounts at binance_spot and binance_um are traded: say how much of each"),
        ({"USDT": 50_000}, r"binance_spot and binance_um have an account in USDT each: .*'binance_spot': 50_000"),
        ({"binance_spot": 50_000}, r"no USDT given at binance_um"),
        (CASH | {"USDT": 5}, r"every account in USDT is named already"),
        (CASH | {"cme": 5}, r"nothing is traded at cme"),
        (CASH | {"EUR": 5}, r"nothing traded settles in EUR"),
        (CASH | {"binance_spot": 0}, r"cash binance_spot: must be positive"),
    ],
)
def test_cash_that_does_not_say_which_account_is_refused(cash: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        carried(cash)


def test_a_currency_is_for_the_account_that_is_not_named() -> None:
    accounts = carried({"binance_spot": 60_000, "USDT": 40_000}).summary()["accounts"]
    assert [account["deposits"] for account in accounts] == [60_000, 40_000]
    one = coins(Script(), [50_000.0] * 3, cash={"binance_spot": 7})
    assert one.summary()["accounts"][0]["deposits"] == 7


# -- what is of futures alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("leverage", 3), ("margin", "isolated")])
def test_leverage_and_margin_are_of_futures_alone(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}: has no use here: spot is bought in full"):
        coins(Script(), [50_000.0] * 3, **{name: value})
    assert carried(**{name: value}).summary()["accounts"][0]["fills"] == 1


def test_hedge_mode_is_not_offered() -> None:
    with pytest.raises(ConfigError, match="binance_spot holds one position an instrument"):
        coins(Script(), [50_000.0] * 3, hedge=True)


def test_slippage_has_no_rows_and_a_spread_and_a_share_of_the_bar_have_a_use() -> None:
    with pytest.raises(ConfigError, match=r"slippage: is spot, of which no table .* \(found 'binance_spot:BTCUSDT'\)"):
        carried(slippage=True)
    result = carried(
        strategy=Carry(qty=50.0), cash=CASH | {"binance_spot": 5_000_000}, participation=0.001, spread_bps=2
    )
    fills = result.frame("fills").filter(pl.col("symbol") == SPOT)
    assert fills.height > 1


@pytest.mark.parametrize(("name", "words"), [("mark", "is worth its last price"), ("funding", "pays none")])
def test_a_mark_and_funding_are_refused(name: str, words: str) -> None:
    given = nv.History(frame([50_000.0] * 3), **{name: frame([50_000.0] * 3)})
    with pytest.raises(DataError, match=rf"{name} given for spot, which {words}"):
        nv.Backtest(Script(), {SPOT: given}, cash=5).run()


def test_a_run_says_whose_fee_is_charged_in_what_and_nothing_of_liquidations() -> None:
    cautions = coins(Script(), [50_000.0] * 3).cautions
    assert any("buyers' fees charged in USDT" in text for text in cautions)
    assert not any("liquidation" in text or "stands in for the mark" in text for text in cautions)


# -- trading --------------------------------------------------------------------------------------------------------


def test_fees_are_of_the_level_and_a_quarter_less_in_bnb() -> None:
    def buy(s: Any) -> None:
        s.buy(SPOT, qty=1)

    fees = [
        coins(Script(b0=buy), [50_000.0] * 4, **how).frame("fees")["fee"][0] for how in ({}, {"vip": 3}, {"bnb": True})
    ]
    assert fees == [50.0, 30.0, 37.5]


def test_more_than_is_held_and_more_than_can_be_paid_are_refused() -> None:
    script = Script(
        b0=lambda s: s.buy(SPOT, qty=1),
        b1=lambda s: s.sell(SPOT, qty=2),
        b2=lambda s: s.buy(SPOT, qty=1),
    )
    result = coins(script, [50_000.0] * 5)
    rows = result.frame("refusals").rows(named=True)
    assert [(row["reason"], row["value"], row["limit"]) for row in rows] == [
        ("HOLDING_TOO_SMALL", 2.0, 1.0),
        ("BALANCE_TOO_SMALL", 50_050.0, 49_950.0),
    ]
    assert {row["kind"] for row in result.frame("events").rows(named=True)} & {EventKind.LIQUIDATION} == set()


def test_a_compiled_strategy_trades_coins() -> None:
    @nv.compiled(done="i8")
    def once(venue, bar, my):  # type: ignore[no-untyped-def]
        if my.done == 0:
            my.done = 1
            target(venue, bar.instrument, 1_000)

    assert coins(once, [50_000.0] * 4).frame("fills")["qty"].to_list() == [0.01]


def test_a_configuration_names_venues_of_cash(tmp_path: Path) -> None:
    (tmp_path / "carry.py").write_text(
        "import novation as nv\n\n\nclass Carry(nv.Strategy):\n    def on_bar(self, bar):\n"
        f"        self.target({SPOT!r}, qty=0.5)\n        self.target({PERPETUAL!r}, qty=-0.5)\n"
    )
    values: dict[str, Any] = {
        "strategy": "carry.py:Carry",
        "instruments": [SPOT, PERPETUAL],
        "period": {"from": "2024-01-01", "to": "2024-01-08"},
        "rules_as_of": PINS,
        "account": {"cash": dict(CASH)},
        "margin": {"leverage": 3},
        "data": {"synthetic": True},
    }
    result = load_config(values, folder=tmp_path).backtest().run()
    assert [account["deposits"] for account in result.summary()["accounts"]] == [60_000, 40_000]
    assert result.manifest["account"]["cash"] == {"binance_spot": "60000", "binance_um": "40000"}
    alone = values | {"instruments": [SPOT], "account": {"cash": 5}}
    assert "margin.leverage" in load_config(alone, folder=tmp_path).without_effect()


def test_a_book_of_orders_has_no_rules_of_spot() -> None:
    with pytest.raises(InvalidInput, match="no rules of its book are known"):
        book_rules(Reference(), SPOT, to_ns("2026-01-05"))


# -- rows -----------------------------------------------------------------------------------------------------------


def test_terms_have_one_bracket_and_no_funding() -> None:
    reference = Reference()
    (terms,) = reference.terms(SPOT, to_ns("2022-01-01"), to_ns("2022-02-01"))
    assert (terms.min_notional, terms.taker_fee_e8, terms.liquidation_fee_e8) == (10 * 10**8, 100_000, 0)
    with pytest.raises(InvalidInput, match="is spot and has no funding"):
        reference.funding_interval_hours(SPOT, 0)
    with pytest.raises(InvalidInput, match="bought in full, with no brackets"):
        reference.brackets(SPOT)
    with pytest.raises(UnknownInstrument, match="a perpetual is asked for"):
        reference.perpetual(SPOT)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "XRPUSDT"])
def test_prices_of_the_exchange_lie_on_the_ticks_of_the_rows(symbol: str, novation_data: Path) -> None:
    """The whole history, over each change of the tick."""

    class All(nv.Strategy):
        def on_start(self) -> None:
            self.bought = 0

        def on_bar(self, bar: Any) -> None:
            if bar.ts.day == 1 and bar.ts.hour == 0:
                self.target(bar.symbol, qty=0 if self.position(bar.symbol) else 1_000 if "XRP" in bar.symbol else 0.5)

    result = nv.Backtest(All(), symbols=[f"binance_spot:{symbol}"], cash=1_000_000, data_root=novation_data).run()
    assert not any("moved to the tick" in text for text in result.cautions)
    assert result.frame("refusals").is_empty()
