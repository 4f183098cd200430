"""A night at the price limit: minute bars of ES fall until they lock, and what orders and positions meet there.

The market is made up; the rules are those of CME on that date. Run: python examples/05_crash_at_night.py
"""

from __future__ import annotations

import datetime as dt

import polars as pl

import novation as nv


def bars() -> pl.DataFrame:
    """Monday afternoon at 5,000, then a fall from 20:00 Chicago time on to 7 % below the fixing, where it stays."""
    start = dt.datetime(2024, 3, 4, 20, 0, tzinfo=dt.UTC)
    rows, price = [], 5_000.0
    for minute in range(60 * 9):
        ts = start + dt.timedelta(minutes=minute)
        if ts.hour == 22:
            continue  # the exchange is closed for an hour
        if ts >= start + dt.timedelta(hours=6):
            price = max(4_650.0, price - 2.0)
        rows.append((ts, price, price + 0.5, max(price - 0.5, 4_650.0), price))
    return pl.DataFrame(rows, schema=["ts", "open", "high", "low", "close"], orient="row")


class Long(nv.Strategy):
    """Buys two contracts in the afternoon and tries to sell them when it is too late."""

    sold = False

    def on_bar(self, bar: nv.Bar) -> None:
        if self.position(bar.symbol) == 0 and bar.close == 5_000:
            self.buy(bar.symbol, 2)
        elif bar.close == 4_650 and not self.sold:
            self.sell(bar.symbol, 2)
            self.sold = True


if __name__ == "__main__":
    history = nv.History(bars(), bar="1m")
    result = nv.Backtest(Long(), {"cme:ESM2024": history}, cash=40_000, rules_as_of="2022-01-03").run()
    print(result)
    for row in result.market_states.to_dicts():
        what = row["halt"] or row["phase"] or f"{row['low']} to {row['high']}"
        print(f"{row['ts']:%Y-%m-%d %H:%M}  {what}")
    for row in result.fills.to_dicts():
        print(f"{row['ts']:%Y-%m-%d %H:%M}  filled {row['qty']:+} at {row['price']}")
    print("the sale waits: at the limit nobody is known to buy")
