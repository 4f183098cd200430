"""Strategies whose orders wait for a price, through a whole backtest on bars."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest

import novation as nv
from novation.engine.strategy import buy, position, stop_loss, take_profit
from tests.research.runs import RULES, START, Script, run

#: open, high, low, close
Four = tuple[float, float, float, float]


def bars(*rows: Four, hours: int = 1) -> pd.DataFrame:
    """Bars of some hours."""
    index = pd.DatetimeIndex([START + dt.timedelta(hours=hours * i) for i in range(len(rows))], name="ts")
    return pd.DataFrame(list(rows), columns=["open", "high", "low", "close"], index=index)


def history(*rows: Four, mark: list[Four] | None = None) -> nv.History:
    return nv.History(bars(*rows), mark=None if mark is None else bars(*mark), funding=0)


QUIET: Four = (50_000, 50_100, 49_900, 50_000)
#: Both of 49,000 and 51,200 are in it; the low is nearer.
BOTH: Four = (50_000, 51_300, 48_900, 50_200)


def long_one(**more: Any) -> Script:
    """Long one at 50,000 from the second bar on, with a stop at 49,000 and a take-profit at 51,200."""

    class Long(Script):
        def on_fill(self, fill: Any) -> None:
            self.fills.append((fill.order, fill.side, fill.qty, fill.price, fill.maker))
            if self.position("BTCUSDT"):
                self.ids = self.close_at("BTCUSDT", stop=49_000, take_profit=51_200, **more)

    script = Long(n0=lambda s: s.buy("BTCUSDT", 1))
    script.fills: list[Any] = []  # type: ignore[attr-defined,misc]
    return script


@pytest.mark.parametrize(
    ("path", "sold", "which"),
    [("worst", 49_000, 0), ("low_first", 49_000, 0), ("nearer_first", 49_000, 0), ("high_first", 51_200, 1)],
)
def test_the_path_says_which_of_two_closes_the_position(path: str, sold: float, which: int) -> None:
    script = long_one()
    result = run(script, history(QUIET, BOTH, QUIET), bar_path=path)
    assert script.ids == (2, 3)
    assert script.fills == [(1, "buy", 1.0, 50_000.0, False), (2 + which, "sell", 1.0, sold, False)]
    assert result.manifest["execution"]["bar_path"] == path
    orders = result.frame("orders")
    assert orders["trigger"].to_list() == [None, 49_000.0, 51_200.0]
    assert orders["side"].to_list() == ["buy", *(("sell", None) if which == 0 else (None, "sell"))]
    assert orders["qty"].to_list() == [1.0, *((1.0, None) if which == 0 else (None, 1.0))]
    assert orders["status"].to_list() == [
        "filled",
        *(("filled", "cancelled") if which == 0 else ("cancelled", "filled")),
    ]
    assert orders["triggered"].is_null().to_list() == [True, which == 1, which == 0]
    assert result.frame("refusals").is_empty()  # an order that ends with its position was not refused
    first = {"worst": "the extreme that is against the position", "nearer_first": "the extreme nearer to its open"}
    first |= {"low_first": "its low", "high_first": "its high"}
    assert any(f"several orders goes to {first[path]} first" in caution for caution in result.cautions)
    assert result.explain(result.frame("fills").row(-1, named=True))


def test_a_gap_is_filled_at_the_open_and_by_the_mark_at_the_marks_trigger() -> None:
    script = long_one()
    run(script, history(QUIET, QUIET, (47_000, 47_500, 46_000, 47_000), QUIET))
    assert script.fills[-1][3] == 47_000
    last = [QUIET, (50_000, 50_100, 49_500, 50_000), QUIET]
    marks = [QUIET, (50_000, 50_100, 48_990, 50_000), QUIET]
    script = long_one(by="mark")
    run(script, history(*last, mark=marks))
    assert script.fills[-1][3] == 49_500  # the mark was there; the last price never fell further
    script = long_one()
    run(script, history(*last, mark=marks))
    assert len(script.fills) == 1


def test_the_costs_of_a_stop_are_measured_from_its_trigger() -> None:
    """2,000 below it by the gap; the take-profit order was never an order that could trade."""
    script = long_one()
    result = run(script, history(QUIET, QUIET, (47_000, 47_500, 46_000, 47_000), QUIET))
    bought, sold = result.transaction_costs().orders.reset_index().to_dict("records")
    assert (bought["arrival_from"], sold["arrival_from"]) == ("last", "trigger")
    assert (sold["side"], sold["arrival"], sold["price"], sold["timing"]) == ("sell", 49_000, 47_000, 2_000)
    assert sold["order"] == script.ids[0]


def test_stops_open_positions_too_and_round_to_where_they_are_reached_later() -> None:
    script = Script(
        n0=lambda s: [
            s.buy("BTCUSDT", 1, stop=50_500.04),
            s.sell("BTCUSDT", 2, if_touched=50_600, price=50_600),
            s.buy("BTCUSDT", 3, 49_000, stop=50_700),
        ]
    )
    result = run(script, history(QUIET, (50_000, 51_000, 49_950, 50_800), QUIET))
    assert result.frame("fills")["price"].to_list() == [50_500.1, 50_600.0]
    assert result.frame("fills")["qty"].to_list() == [1.0, -2.0]
    assert result.frame("orders")["status"].to_list() == ["filled", "filled", "open"]
    assert any("trigger rounded 1 time" in caution for caution in result.cautions)


def test_what_cannot_be_a_trigger_is_said() -> None:
    for wrong, message in (
        ({"stop": 50_500, "if_touched": 49_000}, "waits for one price"),
        ({"by": "mark"}, "goes with stop or if_touched"),
        ({"stop": 50_500, "by": "index"}, 'is "last" or "mark"'),
        ({"stop": "a lot"}, "stop:"),
        ({"stop": 1e300}, "larger than any exchange"),
    ):
        with pytest.raises(nv.InvalidInput, match=message):
            run(Script(n0=lambda s, wrong=wrong: s.buy("BTCUSDT", 1, **wrong)), history(QUIET, QUIET))
    with pytest.raises(nv.InvalidInput, match="give stop, take_profit or both"):
        run(Script(n0=lambda s: s.close_at("BTCUSDT")), history(QUIET, QUIET))
    with pytest.raises(nv.OffGrid, match="not a multiple of the tick"):
        run(Script(n0=lambda s: s.place("BTCUSDT", "buy", 1, stop=50_500.04)), history(QUIET, QUIET))


def test_the_exchange_refuses_a_stop_that_is_reached_and_one_behind_no_position() -> None:
    found = []
    script = Script(
        n0=lambda s: found.extend(
            [
                s.buy("BTCUSDT", 1, stop=49_000),
                s.close_at("BTCUSDT", stop=49_000),
                s.place("BTCUSDT", "buy", 1, stop=50_500),
            ]
        )
    )
    result = run(script, history(QUIET, QUIET))
    assert found == [None, (None, None), 1]
    refusals = result.frame("refusals")
    assert refusals["reason"].to_list() == ["WOULD_TRIGGER", "NO_POSITION"]
    assert (refusals["value"][0], refusals["limit"][0]) == (49_000.0, 50_000.0)


def test_a_waiting_stop_is_no_part_of_a_target_until_it_is_triggered() -> None:
    script = Script(n0=lambda s: s.sell("BTCUSDT", 5, stop=49_000), n1=lambda s: s.target("BTCUSDT", 2))
    result = run(script, history(QUIET, QUIET, (50_000, 50_100, 48_000, 48_500), QUIET))
    assert result.frame("fills")["qty"].to_list() == [2.0, -5.0]


def test_in_hedge_mode_a_position_is_named() -> None:
    def both(s: Any) -> None:
        s.buy("BTCUSDT", 1, position_side="long")
        s.sell("BTCUSDT", 2, position_side="short")
        s.close_at("BTCUSDT", stop=49_000, position_side="long")
        s.close_at("BTCUSDT", stop=51_200, position_side="short")

    result = run(Script(n0=both), history(QUIET, BOTH, QUIET), hedge=True)
    assert sorted(result.frame("fills")["price"].to_list()) == [49_000.0, 50_000.0, 50_000.0, 51_200.0]


def test_a_roll_takes_the_stops_of_the_old_contract_out() -> None:
    def days(first: int, count: int, price: float) -> pd.DataFrame:
        return bars(*[(price, price, price, price)] * (first + count), hours=24).iloc[first:]

    chain = nv.ContractChain(
        {202606: days(0, 4, 5_000.0), 202609: days(3, 4, 5_050.0)}, [(START + dt.timedelta(days=3), 202606, 202609)]
    )

    def protect(s: Any) -> None:
        s.close_at("cme:ES", stop=4_990)
        s.sell("cme:ES", 1, stop=4_980)

    script = Script(n0=lambda s: s.target("cme:ES", 2), n1=protect)
    result = nv.Backtest(script, {"cme:ES": chain}, cash=200_000, rules_as_of="2022-02-01").run()
    assert result.frame("orders").filter(contract="cme:ESM2026")["status"].to_list() == [
        "filled",
        "cancelled",
        "cancelled",
        "filled",
    ]
    assert result.frame("fills")["qty"].to_list() == [2.0, -2.0, 2.0]


@nv.compiled(n="i8")
def compiled_protector(venue: Any, bar: Any, my: Any) -> None:
    my.n += 1
    if my.n == 1:
        buy(venue, bar.instrument, 1_000)
    if my.n == 2 and position(venue, bar.instrument) > 0:
        stop_loss(venue, bar.instrument, 4_900_000_000_000)
        take_profit(venue, bar.instrument, 5_120_000_000_000)


def test_a_compiled_strategy_has_them_too() -> None:
    prices = history(QUIET, QUIET, QUIET, BOTH, QUIET)
    script = Script(
        n0=lambda s: s.buy("BTCUSDT", 1), n1=lambda s: s.close_at("BTCUSDT", stop=49_000, take_profit=51_200)
    )
    python, compiled = run(script, prices), run(compiled_protector, prices)
    assert compiled.frame("fills")["price"].to_list() == [50_000.0, 49_000.0]
    assert compiled.state_hash == python.state_hash


def test_a_path_that_there_is_not_is_refused() -> None:
    with pytest.raises(nv.ConfigError, match=r'bar_path: is one of "worst", "high_first", "low_first", "nearer_first"'):
        nv.Backtest(nv.Strategy(), {"BTCUSDT": history(QUIET)}, bar_path="best", **RULES)  # type: ignore[arg-type]
