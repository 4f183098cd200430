"""What orders cost: worked by hand, split without a rest, the same from both sides and after saving."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novation as nv
from novation.data.synthetic import load_synthetic
from novation.domain.enums import EventKind, MarketEventKind
from novation.domain.events import DELEVERAGED, EVENT_DTYPE, LIQUIDATED
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8
from novation.research.executions.known_prices import known_prices
from novation.research.executions.market_bars import MarketBars, horizons_of
from novation.research.executions.shortfall import (
    PARTS,
    Filled,
    Instrument,
    OrderCost,
    half_spread_of,
    on_grid,
    order_costs,
)
from novation.research.report import write_report
from novation.trading.record import PRICE_DTYPE, Known, RunRecord, VenueRecord
from tests.research.runs import RULES, START, Script, history, run

#: Open, high, low, close, volume: the second bar opens off the first one's close, and off the tick.
GAPPED = [
    (50_000.0, 50_000.0, 50_000.0, 50_000.0, 3.0),
    (50_010.03, 50_110.0, 49_950.0, 50_100.0, 1.0),
    (50_100.0, 50_300.0, 50_000.0, 50_200.0, 3.0),
    (50_200.0, 50_200.0, 49_800.0, 49_900.0, 4.0),
    (49_900.0, 50_000.0, 49_900.0, 50_000.0, 2.0),
    (50_000.0, 50_000.0, 50_000.0, 50_000.0, 2.0),
]


def bars(rows: list[tuple[float, ...]], step: dt.timedelta = dt.timedelta(hours=1)) -> pd.DataFrame:
    index = pd.DatetimeIndex([START + i * step for i in range(len(rows))], name="ts")
    return pd.DataFrame(rows, columns=["open", "high", "low", "close", "volume"][: len(rows[0])], index=index)


def gapped(**options: Any) -> nv.History:
    return nv.History(bars(GAPPED), funding=0, **options)


def of(script: Script, **options: Any) -> nv.Result:
    return run(script, gapped(), **{"spread_bps": 1, **options})


def only(result: nv.Result, **options: Any) -> dict[str, Any]:
    """The one order of a run."""
    (row,) = result.transaction_costs(**options).orders.reset_index().to_dict("records")
    return row


# ---------------------------------------------------------------- worked by hand


def test_an_order_sent_at_a_close_and_filled_at_the_next_open() -> None:
    row = only(of(Script(n0=lambda s: s.buy("BTCUSDT", 2))), mark_outs="1h,2h")
    # half of 1 bp of 50,010.03 is 2.5005015: a quote of 50,012.5305015, on the tick of 0.1 a fill at 50,012.6
    assert (row["arrival"], row["price"]) == (50_000.0, 50_012.6)
    assert row["timing"] == pytest.approx(2 * 10.03)
    assert row["spread"] == pytest.approx(2 * 2.5005015)
    assert row["rounding"] == pytest.approx(2 * 0.0694985)
    assert row["impact"] == row["opportunity"] == 0
    assert row["fees"] == pytest.approx(2 * 50_012.6 * 0.0005)
    assert row["shortfall"] == pytest.approx(25.2 + 50.0126)
    assert row["shortfall_bps"] == pytest.approx(75.2126 / 100_000 * 1e4)
    # filled at once: against the bar that opened then, at its typical price
    assert row["vwap"] == pytest.approx((50_110 + 49_950 + 50_100) / 3)
    assert row["vs_vwap"] == pytest.approx(2 * (50_012.6 - row["vwap"]))
    assert row["mark_out_1h"] == pytest.approx(2 * (50_100 - 50_012.6))
    assert row["mark_out_2h"] == pytest.approx(2 * (50_200 - 50_012.6))
    assert (row["status"], row["arrival_from"]) == ("filled", "last")


def test_a_limit_order_that_is_filled_later_gains_what_the_market_came_down() -> None:
    row = only(of(Script(n1=lambda s: s.buy("BTCUSDT", 1, price=49_850))), mark_outs="1h")
    assert (row["arrival"], row["price"], row["limit"]) == (50_100.0, 49_850.0, 49_850.0)
    assert (row["timing"], row["spread"], row["rounding"], row["impact"]) == (-250.0, 0, 0, 0)
    assert row["fees"] == pytest.approx(49_850 * 0.0002)
    assert row["shortfall"] == pytest.approx(-250 + 9.97)
    # from two o'clock to the end of the bar that traded through it: two bars by their volumes
    typical = [(50_300 + 50_000 + 50_200) / 3, (50_200 + 49_800 + 49_900) / 3]
    assert row["vwap"] == pytest.approx((3 * typical[0] + 4 * typical[1]) / 7)
    assert row["mark_out_1h"] == pytest.approx(50_000 - 49_850)


def test_what_is_taken_out_unfilled_costs_what_the_market_ran_away() -> None:
    kept: list[Any] = []
    script = Script(n0=lambda s: kept.append(s.buy("BTCUSDT", 2, price=49_000)), n2=lambda s: s.cancel(kept[-1]))
    row = only(of(script))
    assert (row["status"], row["filled"], row["qty"]) == ("cancelled", 0, 2)
    assert (row["arrival"], row["end"]) == (50_000.0, 50_200.0)
    assert row["opportunity"] == row["shortfall"] == 2 * 200.0
    assert row["shortfall_bps"] == pytest.approx(40.0)
    assert np.isnan(row["price"]) and np.isnan(row["executed_bps"])


def test_what_still_works_at_the_end_is_held_against_the_last_price() -> None:
    row = only(of(Script(n3=lambda s: s.sell("BTCUSDT", 1, price=51_000))))
    assert (row["status"], row["end"], row["opportunity"]) == ("open", 50_000.0, -100.0)
    assert pd.isna(row["done"])


def test_a_market_order_that_cannot_be_paid_has_missed_the_open_that_it_met() -> None:
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1), n5=lambda s: s.buy("BTCUSDT", 1))
    before, after = bars([(50_000.0,) * 4] * 6), bars([(49_000.0,) * 4] * 3)
    after.index = after.index + dt.timedelta(hours=9)  # nothing trades from six to nine: the second order waits
    data = nv.History(pd.concat([before, after]), funding=0, bar="1h")
    result = run(script, data, cash=5_200, leverage=20)
    assert result.frame("refusals")["reason"].to_list() == ["INSUFFICIENT_MARGIN"]
    row = result.transaction_costs().orders.reset_index().iloc[1]
    assert (row["arrival"], row["end"], row["opportunity"], row["status"]) == (50_000, 49_000, -1_000, "cancelled")


def test_a_buy_and_a_sell_of_one_market_mirror_each_other() -> None:
    up = [(100.0 + i, 100.0 + i, 100.0 + i, 100.5 + i) for i in range(6)]
    down = [tuple(10_000 - 10 * price for price in row) for row in up]
    up = [tuple(10_000 + 10 * price for price in row) for row in up]
    down = [(*row[:1], max(row), min(row), row[3]) for row in down]
    up = [(*row[:1], max(row), min(row), row[3]) for row in up]
    found = []
    for rows, side in ((up, "buy"), (down, "sell")):
        script = Script(n0=lambda s, side=side: getattr(s, side)("BTCUSDT", 1))
        found.append(only(run(script, nv.History(bars(rows), funding=0)), mark_outs="1h,2h"))
    bought, sold = found
    assert bought["timing"] == sold["timing"] == pytest.approx(5.0)
    assert bought["mark_out_1h"] == sold["mark_out_1h"] == pytest.approx(5.0)
    assert bought["spread"] == sold["spread"] == 0


def test_an_order_before_the_first_price_is_measured_from_it_and_says_so() -> None:
    class Early(nv.Strategy):
        def on_start(self) -> None:
            self.buy("BTCUSDT", 1)

    costs = run(Early(), gapped()).transaction_costs()
    assert costs.orders["arrival_from"].tolist() == ["first"]
    assert costs.orders["timing"].tolist() == [0.0]
    assert "1 order sent before the market had a price: measured from its first" in costs.notes


def test_a_liquidation_is_the_exchanges_own_row() -> None:
    falling = history([50_000.0, 50_000.0, 45_000.0, 40_000.0, 35_000.0, 30_000.0])
    result = run(Script(n0=lambda s: s.buy("BTCUSDT", 5)), falling, cash=30_000, leverage=20, spread_bps=2)
    costs = result.transaction_costs()
    forced = costs.orders[costs.orders["forced"] == "liquidation"]
    assert len(forced) and forced["order"].isna().all() and (forced["arrival_from"] == "mark").all()
    assert (forced["timing"] == 0).all() and (forced["spread"] > 0).all() and (forced["impact"] == 0).all()
    fees = result.frame("fees")["fee"].sum()
    assert costs.totals["USDT"]["fees"] == pytest.approx(fees)  # with the clearance fees
    assert costs.by_symbol["forced"].fillna("").tolist() == ["", "liquidation"]
    assert "binance_um:BTCUSDT liquidation, USDT" in str(costs)


# ---------------------------------------------------------------- exact


COIN = Instrument("x:C", "x:C", tick_e8=10_000_000, lot_e8=100_000, lot_value=100_000, tiered=False, steps=(1,))
prices = st.integers(-(10**9), 10**13)


@st.composite
def orders(draw: Any) -> OrderCost:
    side, count = draw(st.sampled_from((1, -1))), draw(st.integers(0, 4))
    lot_value = draw(st.integers(1, 10**9)) * 10  # a tick of a lot is a whole number of units
    coin = Instrument("x:C", "x:C", 10_000_000, 100_000, lot_value, draw(st.booleans()), (1,))
    fills = [
        Filled(
            ts_ns=i,
            lots=draw(st.integers(1, 10**7)),
            ticks=draw(st.integers(-100, 10**6)),
            market_e8=draw(prices),
            half_e8=draw(st.integers(0, 10**9)),
            step=draw(st.sampled_from((1, 5))),
            fee=draw(st.integers(-(10**9), 10**12)),
            maker=draw(st.booleans()),
        )
        for i in range(count)
    ]
    left = draw(st.integers(0, 10**7))
    return OrderCost(
        venue="x",
        sequence=0,
        ts_ns=0,
        instrument=coin,
        order=1,
        side=side,
        limit_ticks=0,
        position_side=None,
        arrival_e8=draw(prices),
        known=Known.BEFORE,
        fills=fills,
        unfilled=left,
        end_e8=draw(prices) if left else None,
        clearance=draw(st.integers(0, 10**9)),
    )


@given(orders())
def test_the_parts_add_up_to_the_shortfall_to_the_unit(cost: OrderCost) -> None:
    parts = cost.parts()
    assert tuple(parts) == PARTS
    assert sum(parts.values()) == cost.shortfall
    exact = Fraction(sum(fill.fee for fill in cost.fills) + cost.clearance)
    unit = Fraction(cost.side * cost.instrument.lot_value, 10**8)
    for fill in cost.fills:
        exact += unit * fill.lots * (fill.ticks * cost.instrument.tick_e8 - cost.arrival_e8)
    missed = unit * cost.unfilled * ((cost.end_e8 or 0) - cost.arrival_e8) if cost.unfilled else Fraction(0)
    assert abs(cost.shortfall - exact - missed) < 2  # two arrival values, each cut down once
    assert abs(parts["opportunity"] - missed) < 1
    timing = sum(unit * fill.lots * (fill.market_e8 - cost.arrival_e8) for fill in cost.fills)
    assert abs(parts["timing"] - timing) < 1
    spread = sum(unit * cost.side * fill.lots * fill.half_e8 for fill in cost.fills)
    assert abs(parts["spread"] - spread) < 1


@given(orders())
def test_the_other_side_of_an_order_has_its_costs_the_other_way_round(cost: OrderCost) -> None:
    cost.fills = [Filled(f.ts_ns, f.lots, f.ticks, f.market_e8, 0, f.step, 0, True) for f in cost.fills]
    cost.clearance = 0
    mine = cost.parts()
    cost.side = -cost.side
    assert cost.parts() == {name: -amount for name, amount in mine.items()}


@settings(max_examples=15)
@given(st.lists(st.integers(40_000_00, 60_000_00), min_size=6, max_size=12), st.data())
def test_whole_runs_add_up_and_agree_with_the_ledger(closes: list[int], data: Any) -> None:
    rows, before = [], closes[0]
    for close in closes:
        opened = before + data.draw(st.integers(-5_000, 5_000))
        pair = (opened / 100, close / 100)
        rows.append((pair[0], max(pair) + 50, min(pair) - 50, pair[1]))
        before = close

    class Mixed(nv.Strategy):
        count = 0

        def on_bar(self, bar: Any) -> None:
            self.count += 1
            send = self.buy if self.count % 3 else self.sell
            send("BTCUSDT", 0.1 * self.count, price=None if self.count % 2 else round(bar.close - 100, 1))

    result = run(Mixed(), nv.History(bars(rows), funding=0), spread_bps=data.draw(st.sampled_from((0, 1, 7))))
    costs = order_costs(result.record)
    assert all(sum(cost.parts().values()) == cost.shortfall for cost in costs)
    assert all(cost.parts()["impact"] == 0 for cost in costs)
    events = result.record.venues["binance_um"].events
    assert sum(cost.filled for cost in costs) == abs(events["lots"][events["kind"] == EventKind.FILL]).sum()
    assert sum(cost.parts()["fees"] for cost in costs) == events["fee"].sum()


def test_a_fill_in_parts_and_an_impact_are_told_apart() -> None:
    fills = [
        Filled(1, 2, 1_001, 10_000_000_000, 5_000_000, 1, 3, False),  # quote 100.05, on the tick 100.1: no impact
        Filled(2, 1, 1_004, 10_000_000_000, 5_000_000, 1, 3, False),  # three ticks beyond it
    ]
    cost = OrderCost("x", 0, 0, COIN, 1, 1, 0, None, 9_990_000_000, Known.BEFORE, fills=fills)
    unit = 100_000  # of one lot at 1.00
    assert cost.parts() == {
        "spread": round(3 * 0.05 * unit),
        "impact": round(0.3 * unit),
        "rounding": round(3 * 0.05 * unit),
        "timing": round(3 * 0.1 * unit),
        "fees": 6,
        "opportunity": 0,
    }


def told(*rows: dict[str, int]) -> list[OrderCost]:
    """The costs of a venue of one contract, a lot of which is worth 1.00 at 1.00, whose second terms have ticks of 5.

    Each row is an event; `known` of it is the price known then.
    """
    events = np.zeros(len(rows), EVENT_DTYPE)
    kept = np.zeros(len(rows) + 1, PRICE_DTYPE)
    for at, row in enumerate(rows):
        events[at]["sequence"] = kept[at]["sequence"] = at
        kept[at]["price_e8"] = row.get("known", 0) * E8
        for name in set(row) - {"known"}:
            events[at][name] = row[name]
    kept[-1]["sequence"], kept[-1]["price_e8"] = -1, 130 * E8
    instrument = {
        "symbol": "x:C",
        "id": "x:C",
        "tick_e8": E8,
        "lot_e8": E8,
        "lot_value": 100,
        "method": "per_lot",
        "terms": [{"tick_step": 1}, {"tick_step": 5}],
    }
    manifest = {
        "execution": {"spread_bps": "100"},
        "venues": {"x": {"asset": "USD", "decimals": 2, "instruments": [instrument]}},
    }
    return order_costs(RunRecord(manifest, {"x": VenueRecord(events, events[:0], events[:0], kept)}))


def test_the_events_of_an_order_in_parts_make_one_row() -> None:
    accepted = {"kind": EventKind.ORDER_ACCEPTED, "order": 7, "lots": 5, "known": 100}
    fill = {"kind": EventKind.FILL, "order": 7, "price_e8": 110 * E8, "fee": 3}
    (cost,) = told(
        accepted,
        fill | {"lots": 2, "price_ticks": 111},  # half of 1 % of 110 is 0.55, on the tick 111
        {"kind": EventKind.TERMS_CHANGED, "amount": 1},
        fill | {"lots": 1, "price_ticks": 120},  # on the tick 115, and 5 beyond it
        {"kind": EventKind.ORDER_AMENDED, "order": 7, "lots": 4, "price_ticks": 0},
        {"kind": EventKind.ORDER_CANCELLED, "order": 7, "lots": 4, "known": 120},
    )
    assert (cost.filled, cost.unfilled, cost.status) == (3, 4, "partly filled")
    assert cost.parts() == {
        "spread": 3 * 55,
        "impact": 500,
        "rounding": 2 * 45 + 445,
        "timing": 3 * 10 * 100,
        "fees": 6,
        "opportunity": 4 * 20 * 100,
    }
    (working,) = told(accepted, fill | {"lots": 2, "price_ticks": 111})
    assert (working.status, working.end_e8, working.parts()["opportunity"]) == ("open", 130 * E8, 3 * 30 * 100)


def test_trades_that_the_exchange_forced_say_which_and_pay_no_spread_at_a_bankruptcy_price() -> None:
    fill = {"kind": EventKind.FILL, "lots": -1, "price_e8": 100 * E8, "flags": LIQUIDATED}
    sold, taken_over, deleveraged, against = told(
        fill | {"trade": 1, "price_ticks": 99},
        {"kind": EventKind.LIQUIDATION, "trade": 1, "fee": 8},
        fill | {"trade": 2, "price_ticks": 90},
        {"kind": EventKind.LIQUIDATION, "trade": 2},
        {"kind": EventKind.TAKEN_OVER, "trade": 2},
        fill | {"trade": 3, "price_ticks": 90, "flags": LIQUIDATED | DELEVERAGED},
        fill | {"trade": 4, "price_ticks": 90, "flags": DELEVERAGED},
    )
    assert [cost.forced for cost in (sold, taken_over, deleveraged, against)] == [*["liquidation"] * 3, "deleveraging"]
    assert sold.parts() | {"fees": 8, "spread": 50, "rounding": 50, "impact": 0, "timing": 0} == sold.parts()
    for cost in (taken_over, deleveraged, against):
        assert cost.parts() | {"spread": 0, "rounding": 0, "impact": 1_000} == cost.parts()
        assert cost.shortfall == 1_000


def test_half_a_spread_and_the_tick_are_those_of_the_fill_rule() -> None:
    execution = {"spread_bps": "0.3"}
    assert half_spread_of(execution, 3) == 1  # rounded up, as the exchange does
    assert half_spread_of(execution, -10_000_000_000) == 150_000
    assert [on_grid(COIN, side, 10_000_000_001, 1) for side in (1, -1)] == [1_001, 1_000]
    assert on_grid(COIN, 1, 10_000_000_001, 5) == 1_005


# ---------------------------------------------------------------- the prices a run keeps


def test_a_close_is_known_at_its_instant_and_an_open_only_after_it() -> None:
    feed = np.zeros(4, MARKET_DTYPE)
    feed["ts_ns"] = [10, 20, 20, 30]
    feed["kind"] = [MarketEventKind.BAR_OPEN, MarketEventKind.BAR_CLOSE, MarketEventKind.BAR_OPEN, 20]
    feed["last_e8"] = [1, 2, 3, 4]
    events = np.zeros(6, EVENT_DTYPE)
    events["kind"] = EventKind.ORDER_ACCEPTED
    events["ts_ns"] = [5, 10, 11, 20, 21, 99]
    events["sequence"] = range(6)
    table = known_prices(feed, events, 25)
    assert table["sequence"].tolist() == [0, 1, 2, 3, 4, 5, -1]
    assert table["price_e8"].tolist() == [1, 1, 1, 2, 3, 4, 3]
    assert table["price_ns"].tolist() == [10, 10, 10, 20, 20, 30, 20]
    assert table["known"].tolist() == [Known.LATER, Known.OPENING, 0, 0, 0, 0, 0]


def test_a_saved_and_loaded_result_says_the_same(tmp_path: Path) -> None:
    result = of(Script(n0=lambda s: s.buy("BTCUSDT", 2), n2=lambda s: s.sell("BTCUSDT", 1, price=60_000)))
    fresh = result.transaction_costs(mark_outs="1h")
    loaded = nv.Result.load(result.save(tmp_path / "run"))
    again = loaded.transaction_costs({"BTCUSDT": bars(GAPPED)}, mark_outs="1h")
    pd.testing.assert_frame_equal(again.orders, fresh.orders)
    assert (str(again), again.to_dict()) == (str(fresh), fresh.to_dict())
    without = loaded.transaction_costs(mark_outs="1h")
    assert without.totals["USDT"]["shortfall"] == fresh.totals["USDT"]["shortfall"]
    assert without.totals["USDT"]["mark_out_1h"] is None
    assert any("no bars at hand (pass data=)" in note for note in without.notes)


@pytest.mark.parametrize(("kind", "type_"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)])
def test_frames_are_of_the_kind_that_was_handed_in(kind: str, type_: type) -> None:
    table = pl.from_pandas(bars(GAPPED).reset_index())
    given = {"pandas": bars(GAPPED), "polars": table, "arrow": table.to_arrow()}[kind]
    script = Script(n0=lambda s: s.buy("BTCUSDT", 1))
    costs = nv.Backtest(script, {"BTCUSDT": nv.History(given, funding=0)}, **RULES).run().transaction_costs()
    assert type(costs.orders) is type(costs.by_symbol) is type_


def test_a_run_without_orders_has_nothing_to_measure(tmp_path: Path) -> None:
    result = run(Script(), gapped())
    costs = result.transaction_costs()
    assert str(costs) == "no orders were accepted: there is nothing to measure"
    assert (len(costs.orders), costs.totals, costs.notes) == (0, {}, ())
    assert "Execution costs" not in write_report([result], tmp_path / "r.html").read_text()


def test_the_report_has_the_split_by_symbol(tmp_path: Path) -> None:
    page = write_report([of(Script(n0=lambda s: s.buy("BTCUSDT", 2)))], tmp_path / "r.html").read_text()
    assert "<summary>Execution costs</summary>" in page and "+75.21 <small>+7.52 bp</small>" in page


def test_orders_of_a_rolled_symbol_are_of_contracts() -> None:
    class Hold(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            self.target("ES", qty=1)

    data = {"ES": load_synthetic("cme:ES", seed=4)}
    result = nv.Backtest(Hold(), data, start="2012-04-02", end="2013-03-28", cash=60_000, spread_bps=1).run()
    costs = result.transaction_costs(mark_outs="1h,1d")
    rolled = result.frame("rolls").filter(pl.col("qty") != 0)
    orders = pl.DataFrame(costs.orders)
    assert set(rolled["new"]) <= set(orders["contract"]) and set(orders["symbol"]) == {"cme:ES"}
    assert orders["shortfall"].sum() == pytest.approx(costs.totals["USD"]["shortfall"])
    assert orders["mark_out_1d"].is_not_null().any() and orders["mark_out_1h"].is_null().all()
    assert any("no mark-out at 1h" in note and "shorter than the bars (1d)" in note for note in costs.notes)


# ---------------------------------------------------------------- bars beside it


def test_finer_bars_tell_mark_outs_that_the_runs_own_cannot() -> None:
    result = of(Script(n0=lambda s: s.buy("BTCUSDT", 2)))
    coarse = result.transaction_costs()
    assert all(coarse.totals["USDT"][f"mark_out_{name}"] is None for name in ("1s", "10s", "60s"))
    (note,) = coarse.notes
    assert note == "no mark-out at 1s, 10s, 60s of 1 order of binance_um:BTCUSDT: shorter than the bars (1h)"
    seconds = [(50_000.0 + i,) * 4 for i in range(7_200)]
    fine = nv.History(bars(seconds, dt.timedelta(seconds=1)))
    costs = result.transaction_costs({"BTCUSDT": fine})
    row = costs.orders.reset_index().iloc[0]
    assert row["mark_out_1s"] == pytest.approx(2 * (50_000 + 3_600 - 50_012.6))
    assert row["mark_out_60s"] == pytest.approx(2 * (50_000 + 3_659 - 50_012.6))
    assert any(
        "the prices given are not those of the run: 1 of 1 that orders met differ" in note for note in costs.notes
    )
    assert any("the bars tell no volume" in note for note in costs.notes)


def test_bars_of_another_time_are_said_to_be_that() -> None:
    later = bars(GAPPED).set_index(bars(GAPPED).index + dt.timedelta(days=9))
    costs = of(Script(n0=lambda s: s.buy("BTCUSDT", 2))).transaction_costs({"BTCUSDT": later}, mark_outs="1h")
    assert costs.notes == (
        "binance_um:BTCUSDT: the prices given are not those of the run: none of its orders was sent in their time",
        "no VWAP of 1 order of binance_um:BTCUSDT: no bars then, or none that traded",
        "no mark-out at 1h of 1 order of binance_um:BTCUSDT: no price so long after",
    )


def test_a_mark_out_beyond_the_data_or_in_a_gap_is_not_known() -> None:
    made = MarketBars(
        *(np.array(column, np.int64) for column in ([0, 10, 100], [10, 20, 110], *([[1, 2, 3]] * 4))),
        volume=np.array([1.0, 0.0, np.nan]),
        step_ns=10,
    )
    assert [made.price_at(ns) for ns in (0, 5, 10, 20, 29, 30, 100, 105, 110, 119, 120)] == [
        None,
        1,
        1,
        2,
        2,
        None,
        None,
        3,
        3,
        3,
        None,
    ]
    assert made.vwap_e8(0, 10) == 1 and made.vwap_e8(0, 20) == 1
    assert made.vwap_e8(10, 10) is None  # the bar that opens then traded nothing
    assert made.vwap_e8(50, 60) is None and made.vwap_e8(100, 105) is None


def test_what_the_search_finds_is_left_out_unless_it_is_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = of(Script(n0=lambda s: s.buy("BTCUSDT", 2))).save(tmp_path / "run")
    store = tmp_path / "data" / "binance_um" / "1h" / "BTCUSDT"
    store.mkdir(parents=True)
    monkeypatch.setenv("NOVATION_DATA", str(tmp_path / "data"))
    other = pl.from_pandas((bars(GAPPED) * 1.01).reset_index())
    funding = pl.DataFrame({"ts": [START], "rate": [0.0]})
    for name, table in (("last_1h", other), ("mark_1h", other), ("funding", funding)):
        table.write_parquet(store / f"{name}.parquet")
    costs = nv.tca(folder, mark_outs="1h")
    assert costs.totals["USDT"]["mark_out_1h"] is None
    assert "binance_um:BTCUSDT: the history found is not the one of the run" in costs.notes[0]
    assert "differ, by up to 100.00 bp" in costs.notes[0]
    pl.from_pandas(bars(GAPPED).reset_index()).write_parquet(store / "last_1h.parquet")
    found = nv.tca(folder, mark_outs="1h")
    assert found.notes == ()
    assert str(found) == str(nv.tca(folder, data=tmp_path / "data", mark_outs="1h"))
    assert str(found) == str(nv.tca(nv.Result.load(folder), mark_outs=["1h"]))
    (store / "last_1h.parquet").unlink()
    (note,) = [note for note in nv.tca(folder).notes if "not found" in note]
    assert note.startswith("the history of the run is not found: binance_um:BTCUSDT")


# ---------------------------------------------------------------- what is wrong with it


@pytest.mark.parametrize("wrong", ["", "1", "s", "0s", "1.5s", "1s,,2s", "-1s", "60 s", "99999999999d"])
def test_a_wrong_horizon_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(nv.InvalidInput, match=r"mark_outs: is no horizon .* Write a whole number and a unit: 1s, 10s"):
        horizons_of(wrong)


def test_a_horizon_that_is_no_text_is_refused() -> None:
    with pytest.raises(nv.InvalidInput, match="mark_outs: is no horizon"):
        of(Script()).transaction_costs(mark_outs=[60])  # type: ignore[list-item]


def test_data_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    result = of(Script(n0=lambda s: s.buy("BTCUSDT", 2)))
    with pytest.raises(nv.InvalidInput, match=r"data ETHUSDT: is not traded in this run\. Traded: binance_um:BTCUSDT"):
        result.transaction_costs({"ETHUSDT": bars(GAPPED)})
    with pytest.raises(nv.InvalidInput, match="data: is no folder"):
        result.transaction_costs(tmp_path / "nowhere")
    with pytest.raises(nv.DataError, match=r"no file binance_um/1h/BTCUSDT/last_1h\.parquet"):
        result.transaction_costs(tmp_path)
    with pytest.raises(nv.DataError, match="no column 'open'"):
        result.transaction_costs({"BTCUSDT": bars(GAPPED).drop(columns="open")})


def test_orders_are_written_to_the_two_kinds_of_file_and_no_other(tmp_path: Path) -> None:
    costs = of(Script(n0=lambda s: s.buy("BTCUSDT", 2))).transaction_costs()
    for name, read in (("a.parquet", pl.read_parquet), ("deep/b.csv", pl.read_csv)):
        assert read(costs.save(tmp_path / name))["shortfall"].to_list() == [pytest.approx(75.2126)]
    with pytest.raises(nv.InvalidInput, match=r"out: is neither \.parquet nor \.csv"):
        costs.save(tmp_path / "a.xlsx")
