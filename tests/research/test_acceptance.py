"""What first light promises of its numbers, each against an independent computation from the same files."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pandas as pd
import pytest

import novation as nv

pytestmark = [pytest.mark.data]


class Hold(nv.Strategy):
    """Buy once, at the first open."""

    symbol = ""
    qty = 1.0

    def on_start(self) -> None:
        self.buy(self.symbol, self.qty)


@pytest.fixture(scope="module")
def btc(novation_data: Path) -> nv.Result:
    strategy = Hold(symbol="BTCUSDT")
    return nv.Backtest(strategy, symbols=["BTCUSDT"], cash=1_000_000, rules_as_of="2026-05-01").run()


def test_funding_of_one_btc_equals_pandas_to_the_last_unit(btc: nv.Result, novation_data: Path) -> None:
    folder = novation_data / "binance_um/1h/BTCUSDT"
    funding = pd.read_parquet(folder / "funding.parquet")
    mark = pd.read_parquet(folder / "mark_1h.parquet").set_index("ts")["open"]
    paid = funding[(funding["ts"] >= "2019-12-23 16:00") & (funding["ts"] <= mark.index[-1])]
    expected = [
        -(Decimal(repr(float(mark[ts]))) * Decimal(repr(float(rate)))).quantize(Decimal("1e-8"), rounding=ROUND_DOWN)
        for ts, rate in zip(paid["ts"], paid["funding_rate"], strict=True)
    ]
    ledger = btc.frame("ledger").filter(btc.frame("ledger")["booking"] == "funding")
    booked = [Decimal(int(amount)).scaleb(-8) for amount in ledger["amount"]]
    assert len(booked) == 7_010
    assert booked == expected
    assert sum(booked) == sum(expected)


def test_variation_margin_of_one_es_lot_equals_pandas(novation_data: Path) -> None:
    result = nv.Backtest(
        Hold(symbol="cme:ES"), symbols=["cme:ES"], start="2012-06-20", end="2012-09-08", cash=50_000
    ).run()
    prices = pd.read_parquet(novation_data / "cme/term_structure/SP500_micro.parquet")
    prices = prices[(prices["ts"] >= "2012-06-20") & (prices["ts"] < "2012-09-08")].dropna(subset="price")
    assert set(prices["price_contract"]) == {201209}
    daily = prices.groupby(prices["ts"].dt.date)["price"].last()
    entry = Decimal(repr(float(prices["price"].iloc[0])))
    closes = [Decimal(repr(float(price))) for price in daily]
    assert all(price % Decimal("0.25") == 0 for price in [entry, *closes])
    expected = [50 * (new - old) for old, new in zip([entry, *closes[:-1]], closes, strict=True)]
    rows = result.frame("ledger").filter(result.frame("ledger")["booking"] == "settlement")
    assert [Decimal(int(amount)).scaleb(-6) for amount in rows["amount"]] == expected
    assert len(expected) > 50


def test_causes_sum_to_the_change_of_equity(btc: nv.Result) -> None:
    (account,) = btc.summary()["accounts"]
    parts = account["price"] + account["funding"] + account["fees"] + account["liquidations"]
    assert parts == pytest.approx(account["net"], abs=1e-6)
    assert btc.frame("equity")["equity"][-1] == pytest.approx(1_000_000 + account["net"], abs=1e-6)


@pytest.fixture(scope="module")
def crash(novation_data: Path) -> nv.Result:
    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)
            self.buy("ENAUSDT", 10_000)

    return nv.Backtest(
        Long(),
        symbols=["BTCUSDT", "ENAUSDT"],
        start="2025-10-06",
        end="2025-10-13",
        cash=50_000,
        leverage=20,
        margin="isolated",
        rules_as_of="2026-05-01",
    ).run()


@pytest.mark.parametrize("table", ["fills", "funding", "liquidations"])
def test_every_explanation_recomputes_what_was_booked(crash: nv.Result, table: str) -> None:
    rows = crash.frame(table)
    assert rows.height
    for row in rows.iter_rows(named=True):
        _check(crash.explain(row))


def test_every_settlement_explanation_recomputes_what_was_booked(novation_data: Path) -> None:
    class Trade(nv.Strategy):
        def on_bar(self, bar) -> None:
            self.target("cme:ES", int(bar.close * 4) % 5 - 2)

    result = nv.Backtest(Trade(), symbols=["cme:ES"], start="2013-01", end="2013-07", cash=200_000).run()
    rows = result.frame("settlements")
    assert rows.height > 100
    for row in rows.iter_rows(named=True):
        _check(result.explain(row))


def test_every_margin_call_explanation_recomputes_what_was_booked(novation_data: Path) -> None:
    futures = nv.Backtest(
        Hold(symbol="cme:ES"), symbols=["cme:ES"], start="2020-01-15", end="2020-04-15", cash=9_000
    ).run()

    def carry(cash: float) -> nv.Result:
        period = {"start": "2021-05-10", "end": "2021-06-01", "rules_as_of": "2026-05-01"}
        return nv.Backtest(Hold(symbol="BTCUSDT"), symbols=["BTCUSDT"], cash=round(cash, 8), **period).run()

    # so little cash that the lowest mark leaves 110 % of the maintenance margin
    probe = carry(100_000)
    low = probe.frame("positions").sort("mark_low").row(0, named=True)
    spent = 100_000 - probe.frame("equity").filter(probe.frame("equity")["ts"] == low["ts"])["wallet"][0]
    perpetual = carry(1.1 * 0.004 * low["mark_low"] - (low["mark_low"] - low["entry"]) + spent)
    for result in (futures, perpetual):
        rows = result.frame("margin_calls")
        assert rows.height, result
        for row in rows.iter_rows(named=True):
            _check(result.explain(row))


def _check(text: str) -> None:
    """Each amount "computed" is the amount "booked", unless the text says why it was cut."""
    computed = re.findall(r"computed (-?[\d,.]+)", text)
    booked = re.findall(r"booked (-?[\d,.]+)", text)
    assert len(computed) == len(booked) >= 1, text
    for left, right in zip(computed, booked, strict=True):
        assert left == right or "cut to what was left" in text, text


def test_a_20x_long_of_october_2025_is_liquidated_inside_the_bar(crash: nv.Result) -> None:
    gone = crash.frame("liquidations")
    assert gone["symbol"].to_list() == ["binance_um:BTCUSDT", "binance_um:ENAUSDT"] or gone.height == 2
    for row in gone.iter_rows(named=True):
        assert row["equity"] <= row["maintenance"]
