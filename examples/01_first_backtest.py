"""Your own pandas frames through the exchange: short a perpetual while its funding pays."""

import numpy as np
import pandas as pd

import novation as nv


class Carry(nv.Strategy):
    """Short while the funding rate is above `threshold`, flat otherwise."""

    threshold = 0.0001  # per interval, a fraction
    size = 1.0

    def on_funding(self, payment):
        """After every funding stamp, whether or not we hold anything."""
        self.target(payment.symbol, qty=-self.size if payment.rate > self.threshold else 0)


def market(hours=24 * 60):
    """Sixty days of made-up hourly prices, and a funding rate every eight hours."""
    chance = np.random.default_rng(7)
    index = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC")
    close = (42_000 * np.exp(np.cumsum(chance.normal(0, 0.004, hours)))).round(1)
    opened = np.append(42_000.0, close[:-1])
    high, low = np.maximum(opened, close) + 40, np.minimum(opened, close) - 40
    last = pd.DataFrame({"open": opened, "high": high, "low": low, "close": close}, index=index)
    stamps = index[8::8]
    return last, pd.DataFrame({"ts": stamps, "funding_rate": chance.normal(0.0001, 0.0002, len(stamps)).round(8)})


if __name__ == "__main__":
    last, funding = market()
    data = {"BTCUSDT": nv.History(last, funding=funding)}
    result = nv.Backtest(Carry(), data, cash=25_000, leverage=5, margin="isolated", rules_as_of="2026-05-01").run()
    print(result)
    print(result.fills[["qty", "price", "fee", "position"]].tail(3))  # pandas in, pandas out
