"""What a result says of itself: every caution counts what it speaks of."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pytest

import novation as nv

#: Nineteen days around 11 January 2016, when the tick of the euro future was halved to 0.00005.
FIRST = dt.datetime(2016, 1, 4, tzinfo=dt.UTC)
HALVED = dt.datetime(2016, 1, 11, tzinfo=dt.UTC)


class InAndOut(nv.Strategy):
    """One contract at every other open."""

    def on_bar(self, bar: Any) -> None:
        self.target(bar.symbol, 1 - self.position(bar.symbol))


def euro(price: float) -> pd.DataFrame:
    """Daily bars at one price."""
    index = pd.DatetimeIndex([FIRST + dt.timedelta(days=i) for i in range(19)], name="ts")
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), [price] * 19), index=index)


@pytest.mark.parametrize(("price", "spread"), [(1.08505, 0), (1.08507, 0), (1.0851, 0), (1.08505, 2)])
def test_fills_off_the_tick_are_counted_by_the_tick_in_force(price: float, spread: int) -> None:
    """1.08505 was off the tick of 0.0001 until the tick was halved, and has been on it since."""
    options: dict[str, Any] = {"start": FIRST, "cash": 100_000, "spread_bps": spread}
    result = nv.Backtest(InAndOut(), {"cme:6EH2016": nv.History(euro(price), bar="1d")}, **options).run()
    fills = result.frame("fills")
    moved = [caution for caution in result.cautions if "moved to the tick" in caution]
    early = fills.filter(fills["ts"] < HALVED).height
    assert 0 < early < fills.height
    expected = {1.08505: early, 1.08507: fills.height, 1.0851: 0}[price]
    if not spread:
        assert fills.filter(fills["price"] != price).height == expected
    assert all(("1 fill " if expected == 1 else " fills ") in caution for caution in moved)
    assert [int(caution.split()[1]) for caution in moved] == ([expected] if expected else [])


def test_more_contracts_than_the_exchange_lets_anybody_hold_are_a_caution() -> None:
    """Gold's accountability level of 6,000 contracts over all months (until 2020-05-28)."""

    class Much(nv.Strategy):
        def on_start(self) -> None:
            self.done = False

        def on_bar(self, bar: Any) -> None:
            if not self.done:
                self.done = True
                self.buy(bar.symbol, 6_001)

    frame = pl.DataFrame({"ts": [1425312000, 1425398400, 1425484800]}).with_columns(
        **{name: pl.lit(1_200.0) for name in ("open", "high", "low", "close")}
    )
    history = {"cme:GCM2015": nv.History(frame, bar="1d")}
    found = nv.Backtest(Much(), history, cash=200_000_000, rules_as_of="2022-01-01").run().cautions
    assert any("6,001 contracts held" in text and "accountability level of 6,000" in text for text in found)
