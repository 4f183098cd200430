"""Print the curves of the slippage tables as measured on recorded bars, each with its window.

    NOVATION_DATA=<folder> python scripts/slippage_rows.py

They are adopted by hand, with the end of the window as `effective_from`, so that no run knows its own future.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import polars as pl

from novation.research.calibrate.curves import hour_curve, month_curve

#: Name of the row, file of bars, first and last day of the window (half open).
HOURS = (
    ("BTCUSDT", "binance_um/1h/BTCUSDT/last_1h.parquet", "2019-10-01", "2024-01-01"),
    ("BTCUSDT", "binance_um/1h/BTCUSDT/last_1h.parquet", "2024-01-01", "2026-05-17"),
    ("ETHUSDT", "binance_um/1h/ETHUSDT/last_1h.parquet", "2019-12-01", "2024-01-01"),
    ("ETHUSDT", "binance_um/1h/ETHUSDT/last_1h.parquet", "2024-01-01", "2026-05-17"),
    ("XRPUSDT", "binance_um/1h/XRPUSDT/last_1h.parquet", "2020-02-01", "2024-01-01"),
    ("XRPUSDT", "binance_um/1h/XRPUSDT/last_1h.parquet", "2024-01-01", "2026-05-18"),
    ("DOGEUSDT", "binance_um/1h/DOGEUSDT/last_1h.parquet", "2025-05-01", "2026-05-19"),
    ("ENAUSDT", "binance_um/1h/ENAUSDT/last_1h.parquet", "2025-05-01", "2026-05-19"),
    ("SUIUSDT", "binance_um/1h/SUIUSDT/last_1h.parquet", "2025-05-01", "2026-05-19"),
    ("6E", "cme/bars_1m/6EH4_2024-01_1m.parquet", "2024-01-01", "2024-02-01"),
)
MONTHS = (("GC", "GOLD_micro"), ("CL", "CRUDE_W_mini"), ("NG", "GAS_US"))


def shown(values: object) -> str:
    """A curve as its cell holds it."""
    return " ".join(f"{value:.2f}" for value in values)  # type: ignore[attr-defined]


def main() -> None:
    """Print all of them."""
    data = Path(os.environ["NOVATION_DATA"])
    for root, file, first, last in HOURS:
        bars = pl.read_parquet(data / file)
        since, until = (dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC) for day in (first, last))
        curve, days = hour_curve(bars.filter((pl.col("ts") >= since) & (pl.col("ts") < until)), source=file)
        print(f"{root} hour, {days} days of {first} .. {last}: {shown(curve)}")
    for root, name in MONTHS:
        prices = pl.read_parquet(data / f"cme/term_structure/{name}.parquet")
        window = (pl.col("ts").dt.year() >= 2000) & (pl.col("ts").dt.year() < 2023)
        curve, count = month_curve(prices.filter(window), source=name)
        print(f"{root} month, {count} days of 2000 .. 2022: {shown(curve)}")


if __name__ == "__main__":
    main()
