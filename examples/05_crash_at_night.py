"""A night at the price limit: a made-up ES falls until it locks, and a sale waits, as nobody is known to buy."""

import datetime as dt

import polars as pl

import novation as nv

START = dt.datetime(2024, 3, 4, 20, 0, tzinfo=dt.UTC)  # 14:00 in Chicago
MINUTES = [m for m in range(540) if not 120 <= m < 180]  # the exchange is closed for an hour
CLOSES = [max(4_650.0, 5_000.0 - 2 * max(0, m - 360)) for m in MINUTES]  # from 20:00 on to 7 % below the fixing
BARS = pl.DataFrame(
    {"ts": [START + dt.timedelta(minutes=m) for m in MINUTES]} | dict.fromkeys(("open", "high", "low", "close"), CLOSES)
)


class TooLate(nv.Strategy):
    """Buys in the afternoon, sells at the bottom."""

    bars = 0

    def on_bar(self, bar):
        self.bars += 1
        if self.bars == 1:
            self.buy(bar.symbol, 2)
        elif self.bars == 470:
            self.sell(bar.symbol, 2)


result = nv.Backtest(
    TooLate(), {"cme:ESM2024": nv.History(BARS, bar="1m")}, cash=40_000, rules_as_of="2022-01-03"
).run()
print(result)
for row in result.market_states.to_dicts():
    print(f"{row['ts']:%m-%d %H:%M}", row["halt"] or row["phase"] or f"between {row['low']} and {row['high']}")
print(result.fills.select("ts", "qty", "price").rows(), "the sale waits")
