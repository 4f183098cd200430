"""Margin calls, close-outs and moved margins in words: by the rules of the venue that made them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pandas as pd
import pytest

import novation as nv
from novation.domain.enums import RejectReason
from novation.research import assembly

START = dt.datetime(2022, 3, 1, tzinfo=dt.UTC)


class Hold(nv.Strategy):
    """Buys once at the first open, and now and then moves margin."""

    qty = 1.0
    moves: Any = None

    def on_start(self) -> None:
        for symbol in self.symbols:
            self.buy(symbol, self.qty)
        self.hour = 0

    def on_bar(self, bar: Any) -> None:
        self.hour += 1
        for hour, amount in self.moves or ():
            if self.hour == hour:
                self.adjust_margin(bar.symbol, amount)


def bars(prices: list[tuple[float, float]], step: dt.timedelta) -> pd.DataFrame:
    """Bars of (close, low), each opening where the one before closed."""
    index = pd.DatetimeIndex([START + i * step for i in range(len(prices))], name="ts")
    close = [price for price, _ in prices]
    opened = [close[0], *close[:-1]]
    high = [max(pair) for pair in zip(opened, close, strict=True)]
    low = [min(o, one) for o, (_, one) in zip(opened, prices, strict=True)]
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close}, index=index)


def at_cme(prices: list[tuple[float, float]], cash: int, *, symbols: tuple[str, ...] = ("cme:ESM2022",)) -> nv.Result:
    frame = bars(prices, dt.timedelta(days=1))
    data = {symbol: nv.History(frame, bar="1d") for symbol in symbols}
    return nv.Backtest(Hold(), data, cash=cash, rules_as_of="2022-02-01").run()


def at_binance(prices: list[float], strategy: Any, **options: Any) -> nv.Result:
    frame = bars([(price, price) for price in prices], dt.timedelta(hours=1))
    options = {"cash": 20_000, "margin": "isolated", "leverage": 10, "rules_as_of": "2026-05-01"} | options
    return nv.Backtest(strategy, {"BTCUSDT": nv.History(frame, funding=0)}, **options).run()


QUIET = [(4_300.0, 4_300.0)] * 3


def test_a_call_of_margins_per_contract_shows_no_mark() -> None:
    """The call is made at the bar's low; the close, and any other mark, had nothing to do with it."""
    result = at_cme([*QUIET, (4_300.0, 4_200.0), *QUIET], 15_000)
    told = result.explain(result.frame("margin_calls").row(0, named=True))
    assert "mark" not in told
    assert "cme:ESM2022, 1 lots" in told


def test_a_close_out_of_unmet_calls_is_explained_by_the_rule_of_its_venue() -> None:
    result = at_cme([*QUIET, *[(4_200.0, 4_200.0)] * 5], 15_000)
    call = result.frame("margin_calls").row(0, named=True)
    gone = result.frame("liquidations").row(0, named=True)
    assert gone["equity"] > 0
    told = result.explain(gone)
    named = call["ts"].strftime("%Y-%m-%d %H:%M")
    assert (
        f"closed out at the mark, the margin call of {named} being unmet at a settlement of a later trade date" in told
    )
    assert "no clearance fee, and no insurance fund: a deficit stays a debt of the account" in told
    assert "liquidated when" not in told and "into the insurance fund" not in told and "<= maintenance" not in told
    assert "closed 1: all of it\n" in told


def test_a_close_out_for_want_of_equity_says_so() -> None:
    result = at_cme([*QUIET, (3_900.0, 3_900.0), *QUIET], 15_000)
    gone = result.frame("liquidations").row(0, named=True)
    assert gone["equity"] <= 0
    assert "cross account: rule: closed out at once when equity is gone (equity <= 0) at the marks" in result.explain(
        gone
    )


def test_the_closest_call_of_a_venue_that_calls_is_one_to_a_margin_call() -> None:
    alone = at_cme([*QUIET, (4_290.0, 4_280.0), *QUIET], 25_000)
    text = str(alone)
    assert "from a margin call" in text and "from liquidation" not in text
    assert "mark of" not in text
    assert alone.summary()["closest_call"]["to"] == "margin call"
    two = at_cme([*QUIET, (4_290.0, 4_280.0), *QUIET], 50_000, symbols=("cme:ESM2022", "cme:ESU2022"))
    assert "mark of cme:ES" in str(two)
    other = at_binance([50_000.0] * 4, Hold())
    assert "from liquidation" in str(other) and "margin call" not in str(other)


@pytest.mark.parametrize(("target", "words"), [(80_000_000, "80 %"), (62_500_000, "62.5 %")])
def test_the_target_of_a_liquidation_is_that_of_the_venue(
    target: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = msgspec.structs.replace(assembly.RULES["binance_um"], liquidation_target_e8=target)
    monkeypatch.setitem(assembly.RULES, "binance_um", rules)
    result = at_binance([50_000.0, 50_000.0, 40_000.0, 40_000.0], Hold())
    told = result.explain(result.frame("liquidations").row(0, named=True))
    assert f"brings maintenance to {words} of equity" in told
    assert any(f"brings maintenance to {words} of equity, the largest loss first" in c for c in result.cautions)


def test_moved_margin_is_in_the_ledger_and_explained() -> None:
    result = at_binance([50_000.0] * 8, Hold(moves=((2, "1000.5"), (4, -500), (6, 2_000_000))))
    ledger = result.frame("ledger")
    moved = ledger.filter(ledger["booking"] == "margin_adjusted")
    assert moved["amount"].to_list() == [1_000_50000000, -500_00000000]
    assert moved["change"].to_list() == [0, 0] and moved["fee"].to_list() == [0, 0]
    account = result.manifest["venues"]["binance_um"]["totals"]
    assert ledger["change"].sum() == int(account["wallets"]) + int(account["isolated"])
    into, out = (result.explain(row) for row in moved.iter_rows(named=True))
    assert "moved 1,000.50000000 USDT out of the wallet into the position's own margin" in into
    assert "margin before 5,000.00000000 USDT\n  margin after 6,000.50000000 USDT" in into
    assert "moved 500.00000000 USDT out of the position's own margin into the wallet" in out


def test_what_was_refused_is_told_in_the_units_of_the_other_tables() -> None:
    class Refused(Hold):
        def on_stop(self) -> None:
            self.buy("BTCUSDT", 100_000)

    refused = at_binance([50_000.0] * 4, Refused(moves=((2, 2_000_000),))).frame("refusals")
    by_reason = {row["reason"]: row for row in refused.iter_rows(named=True)}
    assert by_reason[RejectReason.BALANCE_TOO_SMALL.name]["value"] == 2_000_000.0
    assert 0 < by_reason[RejectReason.BALANCE_TOO_SMALL.name]["limit"] < 20_000
    assert by_reason[RejectReason.QTY_ABOVE_MAX.name]["value"] == 100_000.0
