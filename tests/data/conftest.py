"""Small histories that tests read at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from novation.data import History, Prepared
from novation.domain.units import HOUR_NS, to_ns

START_NS = to_ns("2024-03-01")


def hourly(count: int, *, first: str = "2024-03-01", price: float = 100.0, **columns: Any) -> pl.DataFrame:
    """`count` hourly bars: bar i opens at price + i, closes 0.5 above, and reaches one beyond both."""
    stamps = [to_ns(first) + i * HOUR_NS for i in range(count)]
    opened = [price + i for i in range(count)]
    return pl.DataFrame(
        {
            "ts": pl.Series(stamps).cast(pl.Datetime("ns", "UTC")),
            "open": opened,
            "high": [value + 1.5 for value in opened],
            "low": [value - 1.0 for value in opened],
            "close": [value + 0.5 for value in opened],
        }
        | columns
    )


def perpetual(last: Any, mark: Any = None, funding: Any = 0, **options: Any) -> Prepared:
    """A perpetual's history, prepared."""
    period = {name: to_ns(options.pop(name)) for name in ("start_ns", "end_ns") if name in options}
    history = History(last, mark=mark, funding=funding, **options)
    return history.prepare("BTCUSDT", perpetual=True, daily_settled=False, **period)


def dated(last: Any, **options: Any) -> Prepared:
    """A daily settled future's history, prepared."""
    return History(last, **options).prepare("ESZ2024", perpetual=False, daily_settled=True)


@pytest.fixture(name="hourly")
def _hourly() -> Callable[..., pl.DataFrame]:
    return hourly


@pytest.fixture(name="perpetual")
def _perpetual() -> Callable[..., Prepared]:
    return perpetual


@pytest.fixture(name="dated")
def _dated() -> Callable[..., Prepared]:
    return dated
