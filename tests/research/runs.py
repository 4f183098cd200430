"""Small histories and scripted strategies for tests of whole runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd

import novation as nv

START = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)
RULES = {"rules_as_of": "2026-05-01"}


def frame(opens: list[float], width: float = 0.0, extra: dict[str, list[Any]] | None = None) -> pd.DataFrame:
    """Hourly bars: each closes where the next opens, and reaches `width` beyond both."""
    closes = [*opens[1:], opens[-1]]
    index = pd.DatetimeIndex([START + dt.timedelta(hours=i) for i in range(len(opens))], name="ts")
    high = [max(a, b) + width for a, b in zip(opens, closes, strict=True)]
    low = [min(a, b) - width for a, b in zip(opens, closes, strict=True)]
    return pd.DataFrame({"open": opens, "high": high, "low": low, "close": closes, **(extra or {})}, index=index)


def history(opens: list[float], width: float = 0.0, funding: Any = 0, **extra: list[Any]) -> nv.History:
    return nv.History(frame(opens, width, extra), funding=funding)


def run(strategy: Any, data: nv.History, **options: Any) -> nv.Result:
    given = {"cash": 100_000, **RULES, **options}
    return nv.Backtest(strategy, data={"BTCUSDT": data}, **given).run()


class Script(nv.Strategy):
    """Does what a dict says at the close of bar n."""

    def __init__(self, **actions: Any) -> None:
        super().__init__()
        self.actions = {int(name[1:]): action for name, action in actions.items()}
        self.seen: list[Any] = []

    def on_bar(self, bar: Any) -> None:
        action = self.actions.get(len(self.seen))
        self.seen.append(bar)
        if action:
            action(self)


class Cross(nv.Strategy):
    """Long above the last close, short below it."""

    last = 0.0

    def on_bar(self, bar: Any) -> None:
        self.target("BTCUSDT", 0.01 if bar.close > self.last else -0.01)
        self.last = bar.close
