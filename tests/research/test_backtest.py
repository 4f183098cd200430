"""What a user's own frames do in a backtest: when orders trade, at what price, and what is said about it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pytest

import novation as nv
from tests.research.runs import RULES, START, Script, frame, history, run


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


def test_one_stamp_out_of_place_does_not_shorten_every_bar() -> None:
    odd = frame([50_000.0 + i for i in range(20)])
    stamps = odd.index.to_list()
    stamps[7] += dt.timedelta(minutes=59)
    odd.index = pd.DatetimeIndex(stamps, name="ts")
    with pytest.raises(nv.DataError, match=r"row 9: is 1m after the row before, where bars are mostly 1h apart"):
        run(Script(), nv.History(odd, funding=0))


def test_the_price_in_every_callback_is_of_the_bar_that_just_closed() -> None:
    class Look(nv.Strategy):
        prices: list[float] = []

        def on_funding(self, payment: Any) -> None:
            self.prices.append(self.price("BTCUSDT"))

    run(Look(), history([50_000.0 + i for i in range(10)], funding=0.0001))
    assert Look.prices == [50_008.0 - 8, 50_008.0]


def test_targets_after_the_data_are_counted() -> None:
    late = pd.DataFrame({"BTCUSDT": [1.0]}, index=pd.DatetimeIndex([START + dt.timedelta(days=9)], name="ts"))
    assert "never traded" in str(run(nv.Targets(late), history([50_000.0] * 3)))


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
