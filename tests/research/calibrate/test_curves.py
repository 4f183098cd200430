"""Hour and month curves of bars whose sigma and volume are known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from novation.domain.errors import DataError
from novation.reference import Reference
from novation.research.calibrate.curves import hour_curve, month_curve

UTC = dt.UTC


def bars(sigma: np.ndarray, volume: np.ndarray, days: int = 30, hours: int = 24) -> pl.DataFrame:
    """Each day alike: hour h moves by sigma[h], up and down in turn, on volume[h]."""
    start = dt.datetime(2024, 3, 1, tzinfo=UTC)
    rows = [(start + dt.timedelta(days=d, hours=h), d, h) for d in range(days) for h in range(hours)]
    return pl.DataFrame(
        {
            "ts": [ts for ts, _, _ in rows],
            "open": [100.0] * len(rows),
            "close": [100.0 * float(np.exp(sigma[h] * (-1) ** d)) for _, d, h in rows],
            "volume": [float(volume[h]) for _, _, h in rows],
        }
    )


def test_an_hour_twice_as_volatile_on_four_times_the_volume_costs_the_same() -> None:
    sigma, volume = np.full(24, 0.01), np.full(24, 100.0)
    sigma[14], volume[14] = 0.02, 400.0
    volume[3] = 25.0
    curve, days = hour_curve(bars(sigma, volume))
    assert days == 30
    relative = curve / curve[0]
    assert relative[14] == pytest.approx(1.0)
    assert relative[3] == pytest.approx(2.0)  # a quarter of the volume, as volatile: twice
    # hours of a day at its mean variance and volume would cost 1
    assert curve[0] == pytest.approx(np.sqrt(0.01**2 / np.mean(sigma**2) / (100 / np.mean(volume))))


def test_an_hour_that_never_trades_keeps_one_and_a_day_cut_short_is_left_out() -> None:
    frame = bars(np.full(24, 0.01), np.full(24, 100.0))
    frame = frame.filter(pl.col("ts").dt.hour() != 22)
    short = frame.filter(~((pl.col("ts").dt.day() == 5) & (pl.col("ts").dt.hour() > 12)))
    curve, days = hour_curve(short)
    assert days == 29
    assert curve.tolist() == pytest.approx([1.0] * 24)


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="has 14 whole days of trades; a curve needs 15"):
        hour_curve(bars(np.full(24, 0.01), np.full(24, 1.0), days=14))
    prices = pl.DataFrame({"ts": [dt.datetime(2024, 1, 1, tzinfo=UTC)], "price": [1.0], "price_contract": [202403]})
    with pytest.raises(DataError, match="has 0 returns in whole years"):
        month_curve(prices)


def test_a_month_twice_as_volatile_says_so_and_a_change_of_contract_does_not_count() -> None:
    days = [dt.datetime(2023, 1, 1, tzinfo=UTC) + dt.timedelta(days=i) for i in range(365)]
    price, prices, contracts = 100.0, [], []
    for day in days:
        step = 0.02 if day.month == 9 else 0.01
        price *= float(np.exp(step * (-1) ** day.toordinal()))
        contract = 202400 + day.month // 4
        prices.append(price * (1.1 if contract > 202401 else 1.0))
        contracts.append(contract)
    curve, _ = month_curve(pl.DataFrame({"ts": days, "price": prices, "price_contract": contracts}))
    assert curve[8] / curve[0] == pytest.approx(2.0)
    assert curve[3] / curve[0] == pytest.approx(1.0)


@pytest.mark.data
def test_the_shipped_curves_are_those_of_the_files(novation_data: Path) -> None:
    bitcoin = pl.read_parquet(novation_data / "binance_um" / "1h" / "BTCUSDT" / "last_1h.parquet")
    since, until = dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2026, 5, 17, tzinfo=UTC)
    curve, days = hour_curve(bitcoin.filter((pl.col("ts") >= since) & (pl.col("ts") < until)))
    row = Reference().latest_row("binance_um/slippage", "BTCUSDT hour")
    assert row is not None and f"{days} days" in row[2]
    assert row[0]["values"] == " ".join(f"{value:.2f}" for value in curve)
    gas = pl.read_parquet(novation_data / "cme" / "term_structure" / "GAS_US.parquet")
    year = pl.col("ts").dt.year()
    months, _ = month_curve(gas.filter((year >= 2000) & (year < 2023)))
    row = Reference().latest_row("cme/slippage", "NG month")
    assert row is not None and row[0]["values"] == " ".join(f"{value:.2f}" for value in months)
