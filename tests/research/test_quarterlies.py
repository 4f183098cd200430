"""A quarterly in a backtest: held to its delivery, with the price given or the mark in its place."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

import novation as nv
from novation.domain.enums import EventKind, RejectReason

END = dt.datetime(2026, 6, 26, 8, tzinfo=dt.UTC)
AS_OF = "2026-05-15"


class Hold(nv.Strategy):
    """Buys a coin at the first bar and asks for another at the last."""

    def __init__(self) -> None:
        self.seen = 0

    def on_bar(self, bar: nv.Bar) -> None:
        self.seen += 1
        if self.seen in (1, 48):
            self.buy(bar.symbol, 1)


def frame() -> pl.DataFrame:
    """Two days of hours up to the delivery, rising from 50,000 by ten an hour."""
    prices = [50_000.0 + 10 * k for k in range(48)]
    return pl.DataFrame(
        {
            "ts": [END - dt.timedelta(hours=48 - k) for k in range(48)],
            "open": prices,
            "high": [price + 10 for price in prices],
            "low": prices,
            "close": [price + 10 for price in prices],
        }
    )


def run(**given: object) -> nv.Result:
    """The run, with a history of last prices."""
    data = {"BTCUSDT_260626": nv.History(frame(), **given)}
    return nv.Backtest(Hold(), data=data, cash=100_000, rules_as_of=AS_OF).run()


def test_a_position_is_delivered_at_the_price_given_and_the_trip_ends_there() -> None:
    result = run(delivery="50450.5")
    (row,) = result.frame("deliveries").to_dicts()
    # bought at 50,010; the fee is 0.05 % of the value
    assert (row["position"], row["price"]) == (1.0, 50_450.5)
    assert row["realised"] == pytest.approx(440.5)
    assert row["fee"] == pytest.approx(25.22525)
    (trip,) = result.frame("trades").to_dicts()
    assert (trip["exit"], trip["profit"]) == (50_450.5, pytest.approx(440.5))
    assert set(result.frame("fees")["kind"]) == {"taker", "delivery"}
    assert result.frame("positions").filter(pl.col("ts") == END).is_empty()
    told = result.explain(row)
    assert "booked 440.5" in told and "25.22525" in told
    assert result.frame("ledger")["change"].sum() / 1e8 == pytest.approx(100_000 + 440.5 - 25.22525 - 25.005)


def test_orders_after_the_delivery_are_refused() -> None:
    (refused,) = run(delivery=50_450).frame("refusals").to_dicts()
    assert refused["reason"] == RejectReason.NOT_TRADING.name


def test_without_a_price_the_mark_stands_in_and_the_result_says_so() -> None:
    result = run()
    assert result.frame("deliveries")["price"].to_list() == [50_480.0]
    assert any("no delivery price given" in text for text in result.cautions)
    events = next(iter(result.record.venues.values())).events
    assert (events["kind"] == EventKind.STATUS_CHANGED).sum() == 2
