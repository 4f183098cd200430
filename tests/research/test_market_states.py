"""A run obeys the exchange's hours, halts and limits, and a broker's margins by day."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import novation as nv
from novation.domain.errors import ConfigError, NoRuleInForce

CHICAGO = ZoneInfo("America/Chicago")


def bars(*given: tuple[str, float], minutes: int = 1) -> pl.DataFrame:
    """Bars of one price each, at times of Chicago's clock."""
    ts = [dt.datetime.fromisoformat(when).replace(tzinfo=CHICAGO).astimezone(dt.UTC) for when, _ in given]
    prices = [price for _, price in given]
    return pl.DataFrame({"ts": ts, **dict.fromkeys(("open", "high", "low", "close"), prices)})


class At(nv.Strategy):
    """Sends one order at the close of a numbered bar."""

    def __init__(self, number: int, qty: int = 1, price: float | None = None) -> None:
        self.number, self.qty, self.price, self.seen = number, qty, price, 0

    def on_bar(self, bar: Any) -> None:
        self.seen += 1
        if self.seen == self.number:
            self.buy(bar.symbol, self.qty, price=self.price)


#: Friday's last minute, then the Sunday evening's first two.
WEEKEND = bars(
    ("2021-03-05T15:58", 3_830.0),
    ("2021-03-05T15:59", 3_832.0),
    ("2021-03-07T17:00", 3_850.0),
    ("2021-03-07T17:01", 3_851.0),
)


def run(strategy: nv.Strategy, frame: pl.DataFrame = WEEKEND, **options: object) -> nv.Result:
    """A run on ES of June 2021."""
    made = {"cash": 100_000, **options}
    return nv.Backtest(strategy, {"cme:ESM2021": nv.History(frame, bar="1m")}, **made).run()  # type: ignore[arg-type]


def test_an_order_sent_as_the_market_closes_is_held_until_it_opens() -> None:
    result = run(At(2))
    assert result.fills.select("ts", "price").rows() == [
        (dt.datetime(2021, 3, 7, 23, 0, tzinfo=dt.UTC), 3_850.0),
    ]
    assert result.market_states["phase"].drop_nulls().to_list() == ["closed", "pre_open", "no_cancel", "open"]


def test_the_exchange_itself_refuses_it() -> None:
    result = run(At(2), hold_orders=False)
    assert result.fills.is_empty()
    assert result.refusals["reason"].to_list() == ["MARKET_CLOSED"]


def test_a_run_may_do_without() -> None:
    result = run(At(2), market_states=False)
    assert result.market_states.is_empty()
    assert len(result.fills) == 1


def test_a_price_beyond_the_overnight_limit_is_refused_with_the_limit() -> None:
    """Five minutes after the evening's opening: 7 % around the Friday's price of 15:00, 3,830.00."""
    frame = bars(("2021-03-05T14:59", 3_830.0), ("2021-03-07T17:00", 3_850.0), ("2021-03-07T17:01", 3_851.0))
    refused = run(At(2, price=4_100.0), frame).refusals.row(0, named=True)
    assert (refused["reason"], refused["value"], refused["limit"]) == ("PRICE_BEYOND_LIMIT", 4_100.0, 4_098.0)


def test_bars_longer_than_an_hour_carry_a_caution() -> None:
    frame = bars(("2021-03-04T00:00", 3_830.0), ("2021-03-05T00:00", 3_850.0))
    result = nv.Backtest(At(9), {"cme:ESM2021": nv.History(frame, bar="1d")}, cash=100_000).run()
    assert any("hours, halts and price limits are not obeyed" in caution for caution in result.cautions)


def test_margins_by_day_let_more_be_held_and_the_deadline_closes_what_is_too_much() -> None:
    """ES of March 2021: maintenance 11,000 and initial 12,100; a quarter by day."""
    day = bars(
        ("2021-03-08T10:00", 3_830.0),
        ("2021-03-08T10:01", 3_830.0),
        ("2021-03-08T15:44", 3_830.0),
        ("2021-03-08T15:45", 3_830.0),
    )
    overrides = {"cme:ES": {"intraday_ratio": "0.25"}}
    whole = run(At(1, 5), day, cash=20_000)
    assert whole.refusals["reason"].to_list() == ["INSUFFICIENT_MARGIN"]
    result = run(At(1, 5), day, cash=20_000, overrides=overrides)
    assert [(row["qty"], row["liquidation"]) for row in result.fills.to_dicts()] == [(5.0, False), (-5.0, True)]
    closed = result.liquidations.row(0, named=True)
    assert closed["ts"] == dt.datetime(2021, 3, 8, 21, 45, tzinfo=dt.UTC)
    assert "at the margin deadline" in result.explain(closed)
    assert any("margins by day are 25 % of the overnight ones" in caution for caution in result.cautions)
    earlier = run(
        At(1, 5), day, cash=20_000, overrides={"cme:ES": {"intraday_ratio": 0.25, "margin_deadline_minutes": 60}}
    )
    assert earlier.liquidations["ts"].to_list() == [dt.datetime(2021, 3, 8, 21, 0, tzinfo=dt.UTC)]


def test_margins_by_day_need_bars_that_show_the_deadline() -> None:
    frame = bars(("2021-03-04T00:00", 3_830.0), ("2021-03-05T00:00", 3_850.0))
    history = {"cme:ESM2021": nv.History(frame, bar="1d")}
    with pytest.raises(ConfigError, match="bars of at most an hour"):
        nv.Backtest(At(9), history, cash=100_000, overrides={"cme:ES": {"intraday_ratio": "0.5"}}).run()


def test_a_date_that_the_hours_do_not_reach_names_the_table_and_the_way_out() -> None:
    frame = bars(("2009-03-04T10:00", 700.0), ("2009-03-04T10:01", 700.0))
    with pytest.raises(NoRuleInForce, match=r"cme/sessions.*market_states=False"):
        history = {"cme:ESM2009": nv.History(frame, bar="1m")}
        nv.Backtest(At(9), history, cash=100_000, rules_as_of="2021-03-08").run()


def test_a_treasury_order_may_name_its_price_in_32nds() -> None:
    frame = bars(("2021-03-08T10:00", 132.5), ("2021-03-08T10:01", 132.25), ("2021-03-08T10:02", 132.0))
    history = {"cme:ZNM2021": nv.History(frame, bar="1m")}
    strategy = At(1, price="132-105")  # type: ignore[arg-type]
    result = nv.Backtest(strategy, history, cash=100_000).run()
    assert result.orders["price"].to_list() == [132.328125]
