"""The schedule of rolls: what to hold, when to move, and when it costs too much."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.data.continuous import continuous
from novation.data.expiries import read_expiries
from novation.data.roll_rules import rolls_by_rule
from novation.domain.enums import Side
from novation.domain.errors import ConfigError, DataError, InvalidInput
from novation.domain.units import iso
from novation.reference.lookup import Reference
from novation.trading.roll_schedule import Quote, RollOrder, RolloverScheduler, roll

REFERENCE = Reference()
FDAX = Path(__file__).parents[2] / "examples" / "fdax.yaml"
TIGHT, WIDE = Quote("5050.00", "5050.25"), Quote("5000", "5060")


def es(**options: Any) -> RolloverScheduler:
    return RolloverScheduler("ES", reference=REFERENCE, **options)


def test_before_its_day_nothing_is_sent_and_on_it_both_legs() -> None:
    assert es().orders("2026-12-11", "ESZ2026", 3, old=TIGHT, new=TIGHT) == ()
    assert es().orders("2026-12-14", "ESZ2026", 3, old=TIGHT, new=TIGHT) == (
        RollOrder("ESZ2026", Side.SELL, 3),
        RollOrder("ESH2027", Side.BUY, 3),
    )


def test_a_short_position_buys_back_the_old_and_sells_the_new() -> None:
    old, new = es().orders("2026-12-14", "ESZ2026", -2, old=TIGHT, new=TIGHT)
    assert (old.side, new.side, old.lots, new.lots) == (Side.BUY, Side.SELL, 2, 2)


def test_as_a_spread_it_is_one_order_in_the_direction_of_the_new_month() -> None:
    (order,) = es(as_spread=True).orders("2026-12-14", "ESZ2026", 3, new=TIGHT, spread=Quote("49.95", "50.00"))
    assert order == RollOrder("ESH2027-ESZ2026", Side.BUY, 3)


def test_cost_is_half_of_both_spreads_over_the_new_price() -> None:
    """(0.25 + 0.25) / 2 / 5050.125 is 0.495 bp; the calendar spread's 0.05 / 2 / 5050.125 is 0.0495 bp."""
    assert es().cost_bps(TIGHT, TIGHT).quantize(Decimal("0.0001")) == Decimal("0.4950")
    cheap = es(as_spread=True).cost_bps(None, TIGHT, Quote("49.95", "50.00"))
    assert cheap.quantize(Decimal("0.0001")) == Decimal("0.0495")


def test_a_dear_roll_waits_but_not_beyond_the_last_chance() -> None:
    schedule = es(max_roll_cost_bps=50)
    assert schedule.orders("2026-12-14", "ESZ2026", 1, old=WIDE, new=WIDE) == ()
    assert schedule.orders("2026-12-14", "ESZ2026", 1, old=TIGHT, new=TIGHT) != ()
    assert schedule.orders("2026-12-17", "ESZ2026", 1, old=WIDE, new=WIDE) != ()  # the day before the last
    gold = RolloverScheduler("GC", max_roll_cost_bps=1, reference=REFERENCE)
    dear = Quote(4000, 4010)
    assert gold.orders("2026-11-24", "GCZ2026", 1, old=dear, new=dear) == ()  # not yet its day
    assert gold.orders("2026-11-25", "GCZ2026", 1, old=dear, new=dear) != ()  # the broker's deadline for longs
    assert gold.orders("2026-11-25", "GCZ2026", -1, old=dear, new=dear) == ()  # that for shorts is in December


@pytest.mark.parametrize(
    ("quotes", "words"),
    [
        ({"old": Quote(2, 1), "new": TIGHT}, "old: bid above ask"),
        ({"new": TIGHT}, "old: no quote"),
        ({"old": TIGHT, "new": Quote(-38, -37)}, "a price above zero"),
    ],
)
def test_quotes_that_give_no_cost(quotes: dict[str, Quote], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        es().orders("2026-12-14", "ESZ2026", 1, **quotes)


def test_a_contract_of_another_product_and_a_negative_guard_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no contract of ES"):
        es().orders("2026-12-14", "NQZ2026", 1, old=TIGHT, new=TIGHT)
    with pytest.raises(InvalidInput, match="must not be negative"):
        es(max_roll_cost_bps=-1)


def test_the_plan_says_what_to_hold_and_by_when_a_broker_closes() -> None:
    plan = roll("CL", on="2026-11-10", reference=REFERENCE).to_dict()
    assert (plan["held"], plan["next"], plan["roll_day"], plan["business_days_left"]) == (
        "CLZ2026", "CLF2027", "2026-11-18", 6,
    )  # fmt: skip
    assert plan["close_out"] == {"longs": "2026-11-18", "shorts": "2026-11-18"}
    assert plan["upcoming"][1] == {"day": "2026-12-17", "old": "CLF2027", "new": "CLG2027"}


def test_a_rule_later_than_the_brokers_deadline_is_a_caution() -> None:
    late = roll("GC", on="2026-11-10", rule="days:1", reference=REFERENCE)
    assert any("later than the day from which a broker closes longs" in text for text in late.cautions)


def test_months_that_a_product_has_not_and_contracts_that_have_ended_are_refused() -> None:
    for months in ("A", "F", "z"):
        with pytest.raises(InvalidInput, match="has no month"):
            roll("ES", on="2026-07-01", cycle=months, reference=REFERENCE)
    with pytest.raises(InvalidInput, match="stopped trading on 2026-12-18"):
        es().orders("2027-01-10", "ESZ2026", 1, old=TIGHT, new=TIGHT)
    with pytest.raises(InvalidInput, match="at least 1"):
        es().plan("2026-07-01", count=0)


def test_the_days_left_are_counted_in_the_products_own_business_days() -> None:
    own = Reference([FDAX])
    plan = roll("FDAX", on="2026-06-30", reference=own)
    assert (plan.roll_day, plan.business_days_left) == (dt.date(2026, 9, 17), 57)  # 3 July and Labor Day among them
    assert roll("ES", on="2026-06-30", rule="expiry:1", reference=REFERENCE).business_days_left == 55


def test_only_products_are_rolled() -> None:
    for symbol in ("ESZ2026", "BTCUSDT"):
        with pytest.raises(InvalidInput, match="Name the product"):
            roll(symbol, on="2026-07-01", reference=REFERENCE)


# -- in a backtest ---------------------------------------------------------------------------------------------------


def daily(first: str, last: str, price: float) -> pl.DataFrame:
    days = pl.datetime_range(pl.lit(first).str.to_date(), pl.lit(last).str.to_date(), "1d", time_zone="UTC", eager=True)
    frame = pl.DataFrame({"ts": days}).filter(pl.col("ts").dt.weekday() <= 5)
    return frame.with_columns(**{name: pl.lit(price) for name in ("open", "high", "low", "close")})


class Hold(nv.Strategy):
    def on_bar(self, bar: Any) -> None:
        if not self.position("ES"):
            self.buy("ES", 1)


def test_a_chain_rolled_by_a_rule_holds_each_contract_until_its_day() -> None:
    bars = {
        202003: daily("2019-12-02", "2020-03-19", 3000.0),
        202006: daily("2020-02-03", "2020-06-17", 2990.0),
        202009: daily("2020-05-01", "2020-09-01", 2980.0),
    }
    rolls = rolls_by_rule("ES", bars, "days:8", reference=REFERENCE)
    assert [(iso(at)[:10], old, new) for at, old, new in rolls] == [
        ("2020-03-12", 202003, 202006),
        ("2020-06-11", 202006, 202009),
    ]
    result = nv.Backtest(Hold(), {"ES": nv.ContractChain(bars, rolls, bar="1d")}, cash=50_000).run()
    assert result.frame("rolls").filter(pl.col("qty") != 0).height == 2


def test_a_calendar_that_rolls_after_the_last_trade_is_carried_out_as_given() -> None:
    """ESH0 ends on 2020-03-20 at 13:30 UTC; its daily price stands at 23:00, where the calendar rolls."""
    late = pl.duration(hours=23)
    bars = {
        202003: daily("2020-03-02", "2020-03-20", 3000.0).with_columns(pl.col("ts") + late),
        202006: daily("2020-03-02", "2020-06-01", 2990.0).with_columns(pl.col("ts") + late),
    }
    at = "2020-03-20T23:00:00Z"
    result = nv.Backtest(Hold(), {"ES": nv.ContractChain(bars, [(at, 202003, 202006)], bar="1d")}, cash=50_000).run()
    rolled = result.frame("fills").filter(pl.col("ts") == pl.lit(at).str.to_datetime(time_zone="UTC"))
    assert rolled.select("contract", "qty").rows() and rolled.height == 2
    assert result.frame("refusals").height == 0
    assert result.frame("deliveries").height == 0


def test_a_folder_of_files_becomes_a_chain_and_a_continuous_series(tmp_path: Path) -> None:
    """The lines of docs/own-data.md."""
    daily("2019-12-02", "2020-03-19", 3000.0).write_csv(tmp_path / "ESH2020.csv")
    daily("2020-02-03", "2020-06-17", 2990.0).write_csv(tmp_path / "ESM2020.csv")
    contracts = read_expiries(tmp_path, root="ES")
    rolls = rolls_by_rule("ES", contracts.files, "lead", reference=REFERENCE)
    assert [(iso(at)[:10], old, new) for at, old, new in rolls] == [("2020-03-12", 202003, 202006)]
    chain = nv.ContractChain(contracts.files, rolls, bar="1d")
    result = nv.Backtest(Hold(), {"ES": chain}, cash=50_000).run()
    assert result.frame("rolls").filter(pl.col("qty") != 0).height == 1
    series = continuous(contracts.prices, rolls, method="difference")
    assert series.adjusted.tolist()[0] == 299_000_000_000
    assert any("settlement" in text for text in contracts.cautions)


def test_a_roll_days_after_the_last_trade_is_refused_and_one_by_rule_is_never_placed_there() -> None:
    """ESH0 stopped trading on Friday 2020-03-20."""
    stale = daily("2020-03-02", "2020-03-31", 3000.0)
    bars = {202003: stale, 202006: daily("2020-03-02", "2020-06-01", 2990.0)}
    chain = nv.ContractChain(bars, [("2020-03-27", 202003, 202006)], bar="1d")
    with pytest.raises(ConfigError, match=r"rolled out of at 2020-03-27.*stopped trading at 2020-03-20 13:30"):
        nv.Backtest(Hold(), {"ES": chain}, cash=50_000).run()
    late = {202003: stale, 202006: daily("2020-03-24", "2020-06-01", 2990.0)}
    with pytest.raises(DataError, match="to the last trade at 2020-03-20 13:30"):
        rolls_by_rule("ES", late, reference=REFERENCE)


def test_a_roll_on_the_last_day_of_the_data_is_made() -> None:
    """Trade date 2020-03-12 begins on the evening before, in hourly data that end on it."""
    hours = [dt.datetime(2020, 3, 11, 20, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(24)]
    frame = pl.DataFrame({"ts": hours, **{name: [3000.0] * 24 for name in ("open", "high", "low", "close")}})
    found = rolls_by_rule("ES", {202003: frame, 202006: frame}, "days:8", reference=REFERENCE)
    assert [(iso(at), old, new) for at, old, new in found] == [("2020-03-11 22:00", 202003, 202006)]


def test_the_last_contract_of_a_chain_is_closed_out_like_a_single_one() -> None:
    bars = {
        201212: daily("2012-10-01", "2012-11-20", 1700.0),
        201302: daily("2012-10-01", "2013-02-26", 1700.0),
    }
    chain = nv.ContractChain(bars, [("2012-11-20", 201212, 201302)], bar="1d")

    class Gold(nv.Strategy):
        done = False

        def on_bar(self, bar: Any) -> None:
            if not self.done:
                self.done = True
                self.buy("GC", 1)

    result = nv.Backtest(Gold(), {"GC": chain}, cash=50_000).run()
    assert any(
        "closed by the broker at the deadline before delivery (cme:GCG2013 2013-01-29)" in c for c in result.cautions
    )


def test_a_roll_without_common_bars_is_refused() -> None:
    bars = {202003: daily("2019-12-02", "2020-03-10", 3000.0), 202006: daily("2020-02-03", "2020-06-17", 2990.0)}
    with pytest.raises(DataError, match=r"no bar of 202003 and 202006 opens at one time from 2020-03-1"):
        rolls_by_rule("ES", bars, reference=REFERENCE)
