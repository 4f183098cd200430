"""Hedge mode for strategies: a long and a short position of one symbol, told apart in orders, results and reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import novation as nv
from novation.domain.account import InsurancePool
from novation.domain.commands import place_market, set_hedge_mode, set_leverage, transfer
from novation.domain.enums import EventKind, PositionSide, Side
from novation.domain.units import E8
from novation.research.config import load_config
from novation.research.explain import explain_row
from novation.research.manifest import _venue
from novation.trading.record import RunRecord, VenueRecord, events_of
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.research.runs import Script, frame, history, run
from tests.venues import scenarios
from tests.venues.test_deleveraging import COIN, TERMS
from tests.venues.test_liquidation_steps import opening

BTC = "BTCUSDT"
FLAT = [50_000.0] * 6


def rows(result: nv.Result, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return result.frame(table).select(columns).rows()


def both(strategy: nv.Strategy) -> None:
    """Two long, one short."""
    strategy.buy(BTC, 2, position_side="long")
    strategy.sell(BTC, 1, position_side="short")


def test_a_long_and_a_short_position_are_held_at_once() -> None:
    seen: list[tuple[float, float, float]] = []

    def look(s: nv.Strategy) -> None:
        seen.append((s.position(BTC), s.position(BTC, position_side="long"), s.position(BTC, position_side="short")))

    script = Script(n0=both, n2=look, n3=lambda s: s.sell(BTC, 0.5, position_side="long"), n5=look)
    result = run(script, history(FLAT), hedge=True)
    assert seen == [(1.0, 2.0, -1.0), (0.5, 1.5, -1.0)]
    assert rows(result, "fills", "qty", "position", "position_side") == [
        (2.0, 2.0, "long"),
        (-1.0, -1.0, "short"),
        (-0.5, 1.5, "long"),
    ]
    assert set(rows(result, "positions", "qty", "position_side")) == {(2.0, "long"), (1.5, "long"), (-1.0, "short")}
    assert rows(result, "orders", "side", "position_side") == [("buy", "long"), ("sell", "short"), ("sell", "long")]
    assert result.summary()["hedge"] and "cross hedge" in str(result)


def test_without_hedge_mode_no_position_is_named_anywhere() -> None:
    result = run(Script(n0=lambda s: s.buy(BTC, 1)), history(FLAT, funding=0.0001))
    for table in ("fills", "positions", "orders", "funding"):
        assert set(result.frame(table)["position_side"]) <= {None}
    assert "hedge" not in str(result).splitlines()[0]


def test_each_position_has_its_own_round_trips() -> None:
    def close(s: nv.Strategy) -> None:
        s.sell(BTC, 2, position_side="long")
        s.buy(BTC, 1, position_side="short")

    opens = [50_000.0, 50_000.0, 51_000.0, 51_000.0, 52_000.0, 52_000.0]
    result = run(Script(n0=both, n3=close), history(opens), hedge=True)
    assert rows(result, "trades", "side", "qty", "profit") == [("long", 2.0, 4_000.0), ("short", 1.0, -2_000.0)]


def test_a_target_is_of_the_position_named_and_counts_what_waits() -> None:
    def aim(s: nv.Strategy) -> None:
        for _ in range(2):
            s.target(BTC, 2, position_side="long")
            s.target(BTC, notional=-50_000, position_side="short")

    result = run(Script(n0=aim, n2=lambda s: s.target(BTC, 0, position_side="short")), history(FLAT), hedge=True)
    assert rows(result, "fills", "qty", "position_side") == [(2.0, "long"), (-1.0, "short"), (1.0, "short")]


@pytest.mark.parametrize(
    ("hedge", "act", "words"),
    [
        (True, lambda s: s.buy(BTC, 1), 'name the position, "long" or "short"'),
        (True, lambda s: s.target(BTC, 1), 'name the position, "long" or "short"'),
        (True, lambda s: s.place(BTC, "buy", 1, position_side="both"), 'name the position, "long" or "short"'),
        (True, lambda s: s.target(BTC, -1, position_side="long"), "a long position is at least 0"),
        (True, lambda s: s.target(BTC, 1, position_side="short"), "a short one at most 0"),
        (False, lambda s: s.buy(BTC, 1, position_side="long"), "holds one position a symbol"),
        (False, lambda s: s.position(BTC, position_side="long"), "holds one position a symbol"),
    ],
)
def test_orders_name_a_position_in_hedge_mode_and_only_there(hedge: bool, act: Any, words: str) -> None:
    with pytest.raises(nv.InvalidInput, match=words):
        run(Script(n0=act), history(FLAT), hedge=hedge)


def test_an_order_against_its_position_never_opens_the_other() -> None:
    result = run(Script(n0=lambda s: s.sell(BTC, 1, position_side="long")), history(FLAT), hedge=True)
    assert rows(result, "refusals", "reason", "value", "limit") == [("WOULD_NOT_REDUCE", 1.0, 0.0)]


def test_a_stamp_is_told_once_for_both_positions_and_shown_for_each() -> None:
    payments = []

    class Listens(Script):
        def on_funding(self, payment: Any) -> None:
            payments.append((payment.position, payment.amount))

    result = run(Listens(n0=both), history([50_000.0] * 20, funding=0.0001), hedge=True)
    paid = {(2.0, -10.0, "long"), (-1.0, 5.0, "short")}
    assert set(rows(result, "funding", "position", "amount", "position_side")) == paid
    assert payments[-1] == (1.0, -5.0)
    row = result.frame("funding").row(0, named=True)
    assert "funding of binance_um:BTCUSDT, long position at" in result.explain(row)


def test_callbacks_say_which_position() -> None:
    told = []

    class Listens(Script):
        def on_fill(self, fill: Any) -> None:
            told.append((fill.side, fill.position_side, self.position(BTC, position_side=fill.position_side)))

    run(Listens(n0=both), history(FLAT), hedge=True)
    assert told == [("buy", "long", 2.0), ("sell", "short", -1.0)]


def test_one_isolated_side_is_liquidated_and_explained_by_its_name(tmp_path: Path) -> None:
    opens = [50_000.0, 50_000.0, 46_000.0, 46_000.0]
    script = Script(n0=lambda s: (s.buy(BTC, 1, position_side="long"), s.sell(BTC, 1, position_side="short")))
    result = run(script, history(opens), hedge=True, margin="isolated", leverage=20)
    assert rows(result, "liquidations", "qty", "position_side") == [(-1.0, "long")]
    assert rows(result, "positions", "qty", "position_side")[-1] == (-1.0, "short")
    text = result.explain(result.frame("liquidations").row(0, named=True))
    assert "BTCUSDT, long position at" in text and "  long position 1, entry cost" in text
    booked = [line.rpartition(" ")[0].split()[-1] for line in text.splitlines() if line.startswith("  maintenance ")]
    assert len(set(booked)) == 1
    assert "binance_um:BTCUSDT long" in result.report(tmp_path / "run.html").read_text()


def test_margin_is_moved_into_the_position_named() -> None:
    def move(s: nv.Strategy) -> None:
        assert s.adjust_margin(BTC, 1_000, position_side="short")
        with pytest.raises(nv.InvalidInput, match="name the position"):
            s.adjust_margin(BTC, 1_000)

    result = run(Script(n0=both, n2=move), history(FLAT), hedge=True, margin="isolated", leverage=10)
    assert rows(result, "positions", "isolated_margin", "position_side")[-2:] == [
        (10_000.0, "long"),
        (6_000.0, "short"),
    ]


def test_own_limits_close_both_positions() -> None:
    opens = [50_000.0, 50_000.0, 40_000.0, 40_000.0, 40_000.0]
    result = run(Script(n0=both), history(opens), hedge=True, risk={"max_drawdown_pct": 5})
    assert rows(result, "fills", "qty", "position_side")[2:] == [(-2.0, "long"), (1.0, "short")]


@nv.compiled()
def compiled_idle(venue: Any, bar: Any, my: Any) -> None:
    """Does nothing."""


def test_what_cannot_name_a_position_is_refused_before_anything_runs() -> None:
    with pytest.raises(nv.ConfigError, match="a compiled strategy cannot name a position"):
        nv.Backtest(compiled_idle, data={BTC: history(FLAT)}, hedge=True)
    targets = nv.Targets(pd.DataFrame({"ts": ["2026-05-02T00:00Z"], BTC: [1.0]}), unit="qty")
    with pytest.raises(nv.ConfigError, match="a frame of targets names no position"):
        nv.Backtest(targets, data={BTC: history(FLAT)}, hedge=True)
    with pytest.raises(nv.ConfigError, match="is True or False"):
        nv.Backtest(Script(), data={BTC: history(FLAT)}, hedge="yes")  # type: ignore[arg-type]


def test_a_venue_without_hedge_mode_refuses_it() -> None:
    es = nv.History(frame([4_500.0] * 3), funding=None)
    with pytest.raises(nv.ConfigError, match="cme holds one position an instrument: it has no hedge mode"):
        nv.Backtest(Script(), data={"cme:ESZ2026": es}, cash=50_000, rules_as_of="2022-02-01", hedge=True).run()


def test_a_configuration_says_it_under_margin(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import novation as nv\n\nclass Idle(nv.Strategy):\n    pass\n")
    settings = {
        "strategy": "mine.py:Idle",
        "instruments": ["binance_um:BTCUSDT"],
        "period": {"from": "2024-01-01", "to": "2024-01-03"},
        "rules_as_of": "2026-05-01",
        "data": {"synthetic": True},
        "margin": {"hedge": True},
    }
    assert load_config(settings, folder=tmp_path).backtest().hedge
    assert not load_config(settings | {"margin": {}}, folder=tmp_path).backtest().hedge
    with pytest.raises(nv.ConfigError, match=r"margin\.hedge: expected true or false"):
        load_config(settings | {"margin": {"hedge": "yes"}}, folder=tmp_path)


def test_the_price_of_a_deleveraged_liquidation_is_the_bankruptcy_price() -> None:
    pools = [InsurancePool(name="fund", instruments=("x:C",))]
    venue = Venue(binance_usdm.RULES, [COIN], [[TERMS]], accounts=2, pools=pools)
    venue.log = []
    venue.submit(set_hedge_mode(0, True))
    for account, cash in ((0, 100), (1, 1_000)):
        venue.submit(transfer(account, cash * E8))
        venue.submit(set_leverage(account, 0, 10))
    venue.advance(0, scenarios.array(opening(0, 100)))
    venue.submit(place_market(0, 0, Side.BUY, 10, position_side=PositionSide.LONG))
    venue.submit(place_market(1, 0, Side.SELL, 10))
    venue.advance(1, scenarios.array(opening(1, 80)))
    venue.drain()
    record = VenueRecord(events_of(venue.log), venue.sampled("sample"), venue.sampled("holding"))
    run_record = RunRecord({"venues": {"x": _venue(venue, ["x:C"], record)}}, {"x": record})
    (event,) = record.events[record.events["kind"] == EventKind.LIQUIDATION]
    text = explain_row(run_record, ("x", int(event["sequence"])))
    assert "liquidation of x:C, long position at" in text
    assert "closed 10: all that was left of it" in text
    assert "closed at 90 (the bankruptcy price" in text
    assert "deleveraged: the insurance fund could not pay" in text and "no fee" in text
    assert "trigger mark" not in text
