"""A frame of targets is a strategy: half the equity in bitcoin, half short in ether, evened out weekly."""

import polars as pl

import novation as nv
from novation.data.synthetic import load_synthetic

if __name__ == "__main__":
    mondays = pl.datetime_range(
        pl.datetime(2024, 1, 1, time_zone="UTC"), pl.datetime(2024, 3, 25, time_zone="UTC"), "1w", eager=True
    )
    weights = pl.DataFrame({"ts": mondays, "BTCUSDT": 0.5, "ETHUSDT": -0.5})
    symbols = ("binance_um:BTCUSDT", "binance_um:ETHUSDT")
    result = nv.Backtest(
        nv.Targets(weights, unit="weight"),
        {symbol: load_synthetic(symbol) for symbol in symbols},
        start="2024-01-01",
        end="2024-04-01",
        cash=100_000,
        spread_bps=1,
        rules_as_of="2026-05-01",
    ).run()
    print(result)
    print(result.fills.select("ts", "symbol", "qty", "price", "fee").head(4))
