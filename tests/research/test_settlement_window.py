"""Variation margin at prices made in the exchange's settlement window, out of a run's own bars."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import novation as nv
from novation.domain.errors import ConfigError, DataError


class Once(nv.Strategy):
    done = False

    def on_bar(self, bar: Any) -> None:
        if not self.done:
            self.done = True
            self.buy("cme:ESZ2013", 1)


def minutes() -> pl.DataFrame:
    """ES on 2013-10-08 from 15:10 to 15:15 Chicago (20:10 to 20:15 UTC), and the next morning."""
    first = [dt.datetime(2013, 10, 8, 20, 10 + i, tzinfo=dt.UTC) for i in range(5)]
    morning = [dt.datetime(2013, 10, 9, 14, i, tzinfo=dt.UTC) for i in range(3)]
    prices = [1650.0, 1650.5, 1651.0, 1651.5, 1652.25, 1660.0, 1661.0, 1662.0]
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    return pl.DataFrame({"ts": [*first, *morning], **columns, "volume": [10] * 8})


def test_a_day_settles_at_the_end_of_its_window_by_the_bar_that_stands_in() -> None:
    data = {"cme:ESZ2013": nv.History(minutes(), bar="1m", settle="window")}
    result = nv.Backtest(Once(), data, cash=50_000).run()
    settled = result.frame("settlements")
    assert settled["ts"].to_list() == [dt.datetime(2013, 10, 8, 20, 15, tzinfo=dt.UTC)]
    assert settled["price"].to_list() == [1652.25]
    assert settled["amount"].to_list() == [(1652.25 - 1650.5) * 50]
    assert any("settlement window" in text for text in result.cautions)


def test_a_window_needs_bars_shorter_than_a_day_and_a_dated_future() -> None:
    each = [dt.datetime(2013, 10, day, tzinfo=dt.UTC) for day in range(1, 9)]
    days = minutes().with_columns(ts=pl.Series(each))
    with pytest.raises(DataError, match="do not show the settlement window"):
        nv.Backtest(Once(), {"cme:ESZ2013": nv.History(days, bar="1d", settle="window")}, cash=50_000).run()
    with pytest.raises(ConfigError, match="has no settlement window"):
        history = nv.History(minutes(), funding=0, bar="1m", settle="window")
        nv.Backtest(Once(), {"BTCUSDT": history}, cash=50_000, rules_as_of="2026-05-01").run()
    with pytest.raises(DataError, match="settlement is given"):
        nv.History(minutes(), settlement=minutes(), settle="window")


def test_real_minutes_settle_at_the_close_before_the_window_ends(novation_data: Path) -> None:
    """ESZ3, 2013-10-07 to 10: the closes of the minutes that end at 15:15 Chicago."""
    bars = pl.read_parquet(novation_data / "cme/bars_1m/ES_2013-10_trade.parquet")
    bars = bars.filter(pl.col("expiry").cast(pl.String) == "201312").drop("expiry")
    data = {"cme:ESZ2013": nv.History(bars, bar="1m", tz="UTC", settle="window")}
    settled = nv.Backtest(Once(), data, cash=50_000).run().frame("settlements")
    assert settled["price"].to_list()[:3] == [1668.0, 1649.5, 1648.75]
    assert {f"{ts:%H:%M}" for ts in settled["ts"]} == {"20:15"}


def test_bars_at_hours_when_the_exchange_is_closed_are_a_caution() -> None:
    """16:15 Chicago is the close of 2013; 16:20 is not traded."""
    late = minutes().with_columns(ts=pl.col("ts") + pl.duration(minutes=70))
    result = nv.Backtest(Once(), {"cme:ESZ2013": nv.History(late, bar="1m")}, cash=50_000).run()
    assert any("5 bars of 8 open outside the exchange's sessions" in text for text in result.cautions)
    good = nv.Backtest(Once(), {"cme:ESZ2013": nv.History(minutes(), bar="1m")}, cash=50_000).run()
    assert not any("outside the exchange's sessions" in text for text in good.cautions)


def test_quotes_settle_a_window_in_which_nothing_traded() -> None:
    """Bid 1651.75 and ask 1652.25 at its end: half way is 1652.00."""
    at = [dt.datetime(2013, 10, 8, 20, 14, 40, tzinfo=dt.UTC)]
    quotes = pl.DataFrame({"ts": at, "bid": [1651.75], "ask": [1652.25]})
    data = {"cme:ESZ2013": nv.History(minutes(), bar="1m", settle="window", quotes=quotes)}
    result = nv.Backtest(Once(), data, cash=50_000).run()
    assert result.frame("settlements")["price"].to_list() == [1652.0]
    assert any("midpoint" in text for text in result.cautions)
    with pytest.raises(DataError, match='is used with settle="window" alone'):
        nv.History(minutes(), quotes=quotes)
