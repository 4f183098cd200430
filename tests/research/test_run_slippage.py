"""Slippage, participation and fee levels of a run (docs/rules/slippage.md, docs/rules/fills.md)."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.data.conditions import conditions_at
from novation.data.synthetic import load_synthetic
from novation.domain.errors import ConfigError, InvalidInput, NovationError
from novation.domain.units import to_ns
from novation.research.config import load_config
from novation.research.result import Result
from novation.trading.cost import estimate_execution_cost
from tests.research.runs import START, Script, history, run

BTC = "binance_um:BTCUSDT"
DAY = "2024-03-01"
RULES = "2026-05-01"


class Flip(nv.Strategy):
    """Turns from long to short and back, once a day."""

    qty = 0.4

    def on_bar(self, bar: Any) -> None:
        if bar.ts.hour == 13:
            self.target(bar.symbol, qty=self.qty if bar.ts.day % 2 else -self.qty)


def flips(**more: Any) -> Result:
    """Two weeks of the synthetic market, two months behind them."""
    settings: dict[str, Any] = {"start": DAY, "end": "2024-03-15", "cash": 10_000_000, "rules_as_of": RULES, **more}
    return nv.Backtest(Flip(), {BTC: load_synthetic(BTC)}, **settings).run()


def bars(result: Result) -> pl.DataFrame:
    return result.frame("fills")


def money(result: Result) -> float:
    """The price part of the P&L."""
    (account,) = result.summary()["accounts"]
    return float(account["price"])


# -- slippage -------------------------------------------------------------------------------------------------------


def test_a_fill_costs_what_the_question_before_it_says() -> None:
    """Of each fill: `novation cost` at its instant, from the history up to it, on the open of its bar."""
    dated = {f"binance_um/{table}": RULES for table in ("brackets", "order_cost")}
    fills = bars(flips(slippage=True, spread_bps=2, rules_as_of=dated))
    opens = {row["ts"]: row["open"] for row in load_synthetic(BTC).last.iter_rows(named=True)}
    assert fills.height > 10
    for fill in fills.iter_rows(named=True):
        side = "buy" if fill["qty"] > 0 else "sell"
        at_ns = to_ns(fill["ts"])
        market = conditions_at(BTC, at_ns, data=load_synthetic(BTC))
        market = nv.MarketConditions(
            mid=opens[fill["ts"]], spread_bps=2, volume=market.volume, volatility=market.volatility, at=at_ns
        )
        order = nv.TakerOrder(symbol=BTC, side=side, qty=Decimal(repr(abs(fill["qty"]))))
        told = estimate_execution_cost(order, market)
        against = ROUND_CEILING if side == "buy" else ROUND_FLOOR
        price = told.estimated_fill_price.quantize(Decimal("0.1"), against)
        assert abs(price - Decimal(repr(fill["price"]))) <= Decimal("0.1"), (fill, told)


def test_the_report_lists_the_terms_that_were_on_and_those_that_were_not() -> None:
    result = flips(slippage={"terms": "funding_rate", "max_bps": 50})
    (used,) = result.manifest["slippage"]
    assert used["symbol"] == BTC
    assert {"half_spread", "impact", "exponent", "hour", "funding_rate"} == set(used["on"])
    assert used["on"]["hour"].startswith("x 0.900 to 1.130 on impact: measured")
    assert "assumed" in used["on"]["funding_rate"]
    assert "volatility_ratio" in used["off"]
    said = "\n".join(result.cautions)
    assert f"{BTC}: takers slip by half_spread " in said
    assert f"{BTC}: assumed terms of slippage count: * funding_rate" in said
    assert "fills at the next open plus a slippage of the order's size, any size: no book" in said
    assert result.manifest["execution"]["slippage"] == {
        "terms": "funding_rate",
        "impact": None,
        "volume": None,
        "min_bps": None,
        "max_bps": "50",
    }


def test_costs_grow_with_size_and_bounds_hold() -> None:
    def paid(qty: float, **settings: Any) -> float:
        """The price part of the P&L per coin."""
        result = nv.Backtest(
            type("Of", (Flip,), {"qty": qty})(),
            {BTC: load_synthetic(BTC)},
            start=DAY,
            end="2024-03-15",
            cash=100_000_000,
            rules_as_of=RULES,
            slippage=settings,
        ).run()
        return money(result) / qty

    assert paid(0.1) > paid(1) > paid(10)
    assert paid(10, max_bps=1) > paid(10)
    assert paid(0.1, min_bps=300) < paid(0.1)
    assert paid(1, impact=2) < paid(1) < paid(1, impact=0)
    assert paid(1, volume=1_000_000) > paid(1) > paid(1, volume=10)


def test_a_stated_spread_takes_the_place_of_the_rows() -> None:
    wide = flips(slippage=True, spread_bps=20)
    assert "half_spread 10 to 10 bp: given" in "\n".join(wide.cautions)
    assert money(wide) < money(flips(slippage=True))


def test_nothing_later_is_known() -> None:
    """Bars after an instant may be anything: what was paid before stays."""
    whole = load_synthetic(BTC)
    cut = dt.datetime(2024, 3, 8, tzinfo=dt.UTC)
    wild = whole.last.with_columns(
        pl.when(pl.col("ts") < cut).then(pl.col("volume")).otherwise(pl.col("volume") * 50 + 1_000).alias("volume")
    )
    other = nv.History(wild, mark=whole.mark, funding=whole.funding)
    settings = {"start": DAY, "end": "2024-03-15", "cash": 10_000_000, "rules_as_of": RULES, "slippage": True}
    first, second = (nv.Backtest(Flip(), {BTC: data}, **settings).run() for data in (whole, other))
    before = [bars(result).filter(pl.col("ts") <= cut) for result in (first, second)]
    assert before[0].height == 7
    assert before[0].equals(before[1])
    assert not bars(first).equals(bars(second))


def test_nobody_takes_until_ten_returns_are_known() -> None:
    """The order of the first close waits for the bar that opens as the eleventh has closed."""
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    result = run(script, history([50_000.0, 50_100.0] * 8, volume=[1_000.0] * 16), slippage=True)
    (fill,) = bars(result).iter_rows(named=True)
    assert fill["ts"] == START + dt.timedelta(hours=11)
    assert any("nobody takes before" in text and "less than 11 bars" in text for text in result.cautions)


def test_a_day_without_volume_has_no_takers_and_says_so() -> None:
    script = Script(n12=lambda s: s.buy("BTCUSDT", 1))
    volume = [0.0] * 30 + [1_000.0] * 10
    result = run(script, history([50_000.0, 50_100.0] * 20, volume=volume), slippage=True)
    (fill,) = bars(result).iter_rows(named=True)
    assert fill["ts"] == START + dt.timedelta(hours=31)
    assert any("nobody takes before" in text for text in result.cautions)


def test_a_market_that_does_not_move_costs_its_spread() -> None:
    script = Script(n12=lambda s: s.buy("BTCUSDT", 1))
    result = run(script, history([50_000.0] * 20, volume=[1_000.0] * 20), slippage=True, spread_bps=2)
    assert bars(result)["price"].to_list() == [50_005.0]  # 1 bp


def test_drivers_come_from_columns_of_the_bars() -> None:
    """A column by a driver's name is known from the close of its bar on: 0.3 more at an imbalance of 1."""

    def price(imbalance: list[float]) -> float:
        script = Script(n12=lambda s: s.buy("BTCUSDT", 1))
        data = history([50_000.0] * 20, volume=[1_000.0] * 20, open_interest_imbalance=imbalance)
        result = run(script, data, slippage={"terms": "open_interest_imbalance"}, spread_bps=200)
        return bars(result)["price"].to_list()[0]

    assert price([0.0] * 20) == 50_500.0
    assert price([1.0] * 20) == 50_650.0
    assert price([0.0] * 13 + [1.0] * 7) == 50_500.0  # of the bar that opens there


def test_volume_is_needed_and_names_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"binance_um:BTCUSDT slippage: the bars have no volume.*slippage=\{'volume'"):
        run(Script(), history([50_000.0] * 3), slippage=True)
    given = run(
        Script(n12=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 20), slippage={"volume": {"BTCUSDT": 5}}
    )
    assert bars(given).height == 1
    with pytest.raises(ConfigError, match="volume is below zero or no number"):
        run(Script(), history([50_000.0] * 3, volume=[1.0, -1.0, 1.0]), slippage=True)


def test_a_rolled_symbol_slips_in_each_of_its_months() -> None:
    class Hold(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            self.target("cme:ES", qty=40)

    settings: dict[str, Any] = {"cash": 50_000_000, "rules_as_of": "2020-06-01"}
    data = {"cme:ES": load_synthetic("cme:ES")}
    plain = nv.Backtest(Hold(), data, **settings).run()
    slipped = nv.Backtest(Hold(), data, **settings, slippage={"volume": 100_000}, spread_bps=1).run()
    assert len(slipped.manifest["rolls"]) > 0
    both = bars(slipped).join(bars(plain), on=["ts", "contract"], suffix="_plain")
    assert both.height > 60
    worse = both.select((pl.col("price") - pl.col("price_plain")) * pl.col("qty").sign())
    assert float(worse.to_series().min()) >= 0.25  # a tick
    (used,) = slipped.manifest["slippage"]
    assert used["symbol"] == "cme:ES"


# -- participation --------------------------------------------------------------------------------------------------


def test_a_share_of_each_bar_fills_an_order_in_parts() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    volume = [10.0, 4.0, 0.0, 3.0, 100.0, 100.0]
    result = run(script, history([50_000.0] * 6, volume=volume), participation=0.1)
    assert bars(result)["qty"].to_list() == [0.4, 0.3, 0.3]
    assert [ts.hour - START.hour for ts in bars(result)["ts"]] == [1, 3, 4]
    assert "at most 10 % of what a bar traded" in "\n".join(result.cautions)


def test_a_target_counts_what_still_works_of_an_order_in_parts() -> None:
    """The same target at every close: one order, of which a part a bar trades; taken out, the rest is sent anew."""

    class Hold(nv.Strategy):
        seen = 0
        first: Any = None

        def on_bar(self, bar: Any) -> None:
            self.seen += 1
            sent = self.target("BTCUSDT", qty=1)
            self.first = sent or self.first
            if self.seen == 3:
                assert self.cancel(self.first)

    volume = [10.0, 4.0, 1.0, 3.0, 100.0, 100.0, 100.0]
    result = run(Hold(), history([50_000.0] * 7, volume=volume), participation=0.1)
    rows = result.frame("orders").select("qty", "filled", "status").rows()
    assert rows == [(1.0, 0.8, "partly filled"), (0.2, 0.2, "filled")]
    assert bars(result)["qty"].to_list() == [0.4, 0.1, 0.3, 0.2]  # the bar that opens has given its share by then


def test_participation_needs_volume_and_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"binance_um:BTCUSDT participation: the bars have no volume"):
        run(Script(), history([50_000.0] * 3), participation=0.1)
    for wrong in (0, -1, 1.5):
        with pytest.raises(ConfigError, match="participation: is a share of what a bar traded"):
            run(Script(), history([50_000.0] * 3), participation=wrong)


# -- fees -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vip", "bnb", "rate"), [(0, False, "0.0005"), (0, True, "0.00045"), (3, False, "0.00032"), (9, True, "0.000153")]
)
def test_levels_and_bnb(vip: int, bnb: bool, rate: str) -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    result = run(script, history([50_000.0] * 3), vip=vip, bnb=bnb)
    assert bars(result)["fee"].to_list() == [float(Decimal(rate) * 50_000)]
    assert any("fees paid in BNB" in text for text in result.cautions) is bnb


def test_a_maker_pays_the_makers_rate_of_his_level() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1, 49_000))
    result = run(script, history([50_000.0, 50_000.0, 48_000.0, 48_000.0], width=1.0), vip=5)
    (fill,) = bars(result).iter_rows(named=True)
    assert (fill["maker"], fill["fee"]) == (True, pytest.approx(0.00008 * fill["price"]))


def test_levels_are_of_binance_alone() -> None:
    data = {"cme:ES": load_synthetic("cme:ES")}
    for name, given in (("vip", 1), ("bnb", True)):
        with pytest.raises(ConfigError, match=f"{name}: is of Binance, which this run does not trade on"):
            nv.Backtest(nv.Strategy(), data, rules_as_of="2020-06-01", **{name: given}).run()
    with pytest.raises(ConfigError, match="vip: expected a level from 0 to 9"):
        nv.Backtest(nv.Strategy(), data, vip=10)


# -- what is refused, and what is kept ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "slippage: is True, False or"),
        ({"impct": 1}, "slippage impct: is no setting of slippage"),
        ({"impact": -1}, "slippage impact: cannot be negative"),
        ({"volume": 0}, "slippage volume: is a number above zero"),
        ({"volume": {"BTCUSDT": -1}}, "slippage volume BTCUSDT: is a number above zero"),
        ({"min_bps": 3, "max_bps": 2}, "slippage max_bps: lies below min_bps"),
        ({"terms": "fnding"}, "is no term of slippage"),
    ],
)
def test_wrong_settings_are_named(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run(Script(), history([50_000.0] * 20, volume=[1_000.0] * 20), slippage=given)


def test_a_configuration_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import novation as nv\n\n\nclass Flip(nv.Strategy):\n    def on_bar(self, bar):\n"
        "        if bar.ts.hour == 13:\n            self.target(bar.symbol, qty=0.4 if bar.ts.day % 2 else -0.4)\n"
    )
    values: dict[str, Any] = {
        "strategy": "mine.py:Flip",
        "instruments": [BTC],
        "period": {"from": DAY, "to": "2024-03-15"},
        "rules_as_of": RULES,
        "account": {"cash": 10_000_000},
        "data": {"synthetic": True},
        "fees": {"crypto": {"vip_level": 2, "use_bnb_discount": True}},
        "execution": {
            "participation": 0.5,
            "slippage": {
                "profile": "crypto_futures",
                "terms": ["funding_rate"],
                "min_slippage_bps": 0.5,
                "max_slippage_bps": 500,
            },
        },
    }
    slippage = {"terms": ["funding_rate"], "min_bps": 0.5, "max_bps": 500}
    by_hand = flips(slippage=slippage, participation=0.5, vip=2, bnb=True)
    result = load_config(values, folder=tmp_path).backtest().run()
    assert result.state_hash == by_hand.state_hash
    for section, words in (
        ({"enabled": True, "min_slippage_bps": -1}, "execution.slippage.min_slippage_bps: cannot be negative"),
        ({"enabled": True, "terms": "nonsense"}, "execution.slippage.terms: is no term of slippage"),
        ({"volume": {"BTCUSDT": 0}}, "execution.slippage.volume.BTCUSDT: is a number above zero"),
        ({"impact_coef_base": 0.09}, "impact_coef_base"),
    ):
        with pytest.raises(NovationError, match=words):
            load_config(values | {"execution": {"slippage": section}}, folder=tmp_path).backtest().run()
    off = load_config(values | {"execution": {"slippage": {"enabled": False, "terms": "all"}}}, folder=tmp_path)
    assert off.backtest().slippage is None


def test_a_kept_run_is_read_with_its_terms(tmp_path: Path) -> None:
    result = flips(slippage=True, participation=0.2)
    kept = Result.load(result.save(tmp_path / "run"))
    assert kept.manifest["slippage"] == result.manifest["slippage"]
    assert kept.manifest["execution"]["participation"] == "0.2"
    assert f"{BTC} slippage" in kept.manifest["data"]


def test_what_orders_cost_is_split_into_spread_and_impact() -> None:
    """Of a saved run too: half of 2 bp of the open, then what grew with the size; all parts make the shortfall."""
    result = flips(slippage=True, spread_bps=2, participation=0.9)
    costs = result.transaction_costs(mark_outs=())
    assert costs.orders.height > 10
    opened = {row["ts"]: row["open"] for row in load_synthetic(BTC).last.iter_rows(named=True)}
    by_order = bars(result).partition_by("order", as_dict=True)
    for row in costs.orders.iter_rows(named=True):
        fills = by_order[(row["order"],)]
        spread = sum(abs(f["qty"]) * opened[f["ts"]] * 1e-4 for f in fills.iter_rows(named=True))
        assert row["spread"] == pytest.approx(spread, rel=1e-9)
        assert row["impact"] > 0
        parts = ("spread", "impact", "rounding", "timing", "fees", "opportunity")
        assert sum(row[part] for part in parts) == pytest.approx(row["shortfall"], abs=1e-6)


def test_orders_that_are_filled_in_parts_have_one_row() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1), n3=lambda s: s.sell("BTCUSDT", 0.5, 60_000))
    volume = [10.0, 4.0, 0.0, 3.0, 100.0, 100.0]
    result = run(script, history([50_000.0] * 6, volume=volume), participation=0.1)
    rows = result.frame("orders").select("qty", "filled", "status").rows()
    assert rows == [(1.0, 1.0, "filled"), (0.5, 0.0, "open")]
    short = run(Script(n0=lambda s: s.buy("BTCUSDT", 1)), history([50_000.0] * 4, volume=volume[:4]), participation=0.1)
    assert short.frame("orders").select("filled", "status", "done").rows() == [(0.7, "open", None)]
