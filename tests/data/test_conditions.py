"""What recorded bars say of the market at an instant, and that nothing later is looked at."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from novation.data import History
from novation.data.conditions import conditions_at
from novation.domain.errors import DataError
from novation.domain.units import HOUR_NS, to_ns

START = to_ns("2024-01-01")


def hours(count: int, *, step: float = 0.01, later: float = 0.0, cut: int = 1 << 60) -> pl.DataFrame:
    """Hourly closes that go up and down by `step`, on 10 coins an hour; from bar `cut` on everything is otherwise."""
    close, rows = 100.0, []
    for i in range(count):
        close *= math.exp((step if i < cut else later) * (-1) ** i)
        rows.append((START + i * HOUR_NS, close, 10.0 if i < cut else 1e6))
    ts, closes, volume = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "ts": pl.Series(ts).cast(pl.Datetime("ns", "UTC")),
            "open": closes,
            "high": closes,
            "low": closes,
            "close": closes,
            "volume": volume,
        }
    )


def funding(*rows: tuple[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts": pl.Series([START + hour * HOUR_NS for hour, _ in rows]).cast(pl.Datetime("ns", "UTC")),
            "funding_rate": [rate for _, rate in rows],
        }
    )


def test_price_volume_and_volatility_of_the_days_before() -> None:
    data = History(
        hours(24 * 40), mark=hours(24 * 40, step=0.02), funding=funding((8, 0.0001), (792, 0.0003), (800, 0.5))
    )
    found = conditions_at("binance_um:BTCUSDT", START + 799 * HOUR_NS + 1, data=data)
    assert found.volume == 240.0
    # 1 % an hour, 24 * 365 hours a year
    assert found.volatility == pytest.approx(0.01 * math.sqrt(24 * 365))
    assert found.volatility_ratio is None  # not a year of it
    assert float(found.mid or 0) == pytest.approx(100.0 * math.exp(0.0), rel=0.02)
    assert float(found.funding_rate or 0) == 0.0003
    assert found.mark is not None


def test_what_is_old_is_not_known_and_what_is_missing_is_said() -> None:
    """A mark and a rate that end long before; a day with a hole; a volume below zero."""
    at = START + 799 * HOUR_NS
    data = History(hours(24 * 40), mark=hours(24 * 20), funding=funding((8, 0.0001), (16, 0.0003)))
    found = conditions_at("binance_um:BTCUSDT", at, data=data)
    assert (found.mark, found.funding_rate) == (None, None)
    assert found.price_ns == at
    bar = pl.int_range(pl.len())
    hole = hours(24 * 40).filter(~bar.is_between(780, 791))
    with pytest.raises(DataError, match="its bars cover 50% of the day"):
        conditions_at("binance_um:BTCUSDT", at, data=History(hole, funding=0))
    spoilt = hours(24 * 40).with_columns(volume=pl.when(bar == 790).then(-1.0).otherwise(pl.col("volume")))
    with pytest.raises(DataError, match="below zero or no number"):
        conditions_at("binance_um:BTCUSDT", at, data=History(spoilt, funding=0))


def test_nothing_later_is_looked_at() -> None:
    """The same instant in two histories that part an hour after it."""
    at = START + 900 * HOUR_NS
    told = [
        conditions_at("binance_um:BTCUSDT", at, data=History(hours(1_000, later=later, cut=900), funding=0))
        for later in (0.0, 0.3)
    ]
    assert told[0] == told[1]


def test_a_year_of_history_tells_how_unusual_the_volatility_is() -> None:
    quiet_then_wild = hours(24 * 400, later=0.03, cut=24 * 370)
    found = conditions_at("binance_um:BTCUSDT", START + 24 * 400 * HOUR_NS, data=History(quiet_then_wild, funding=0))
    long = math.sqrt((0.01**2 * 335 + 0.03**2 * 30) / 365)
    assert found.volatility_ratio == pytest.approx(0.03 / long, rel=1e-3)


@pytest.mark.parametrize(
    ("count", "at", "text"),
    [
        (24 * 40, "2023-12-31", "has no bar that closed shortly before"),
        (24 * 40, "2024-02-10T04:00Z", "has no bar that closed shortly before"),
        (24 * 20, "2024-01-20", "has less than 30 days"),
    ],
)
def test_an_instant_that_the_history_does_not_reach_is_refused(count: int, at: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        conditions_at("binance_um:BTCUSDT", to_ns(at), data=History(hours(count), funding=0))


def test_a_market_that_stands_still_has_no_volatility() -> None:
    with pytest.raises(DataError, match="does not move"):
        conditions_at("binance_um:BTCUSDT", START + 900 * HOUR_NS, data=History(hours(1_000, step=0.0), funding=0))


@pytest.mark.data
def test_the_real_files_at_two_known_instants(novation_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVATION_DATA", str(novation_data))
    crash = conditions_at("binance_um:BTCUSDT", to_ns("2024-08-05T14:00Z"))
    assert str(crash.mid) == "51927.70000000"
    assert crash.volume == pytest.approx(1_184_966.011)
    assert str(crash.funding_rate) == "0.00004429"
    assert crash.volatility == pytest.approx(0.5824, abs=1e-4)
    virus = conditions_at("cme:ES", to_ns("2020-03-12T14:00Z"))
    assert (str(virus.mid), virus.volume) == ("2772.75000000", None)
    assert virus.volatility_ratio is not None and virus.volatility_ratio > 2
