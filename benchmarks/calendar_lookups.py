"""What looking an instant up among sessions costs: in a compiled loop, from Python, and in pandas_market_calendars.

Seventeen years of ES sessions; random instants, so that the binary search meets a cold path; the same instants for all.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from novation._jit import kernel
from novation.reference.lookup import Reference
from novation.reference.session_table import SessionTable
from novation.rules.session_edges import is_open, session_of


@kernel
def count_open(edges, instants):
    """How many of the instants the market trades at; the loop of the first line."""
    count = 0
    for i in range(len(instants)):
        if is_open(edges, instants[i]):
            count += 1
    return count


@kernel
def sum_of_trade_dates(closes, trade_dates, instants):
    """A sum that needs the trade date of each instant; the loop of the second line."""
    total = 0
    for i in range(len(instants)):
        total += trade_dates[session_of(closes, instants[i])]
    return total


def nanoseconds(rounds: int, count: int, call: Callable[[], object]) -> list[float]:
    """Nanoseconds of each of `count` that a call does, one figure a round, after one that does not count."""
    call()
    found = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        call()
        found.append((time.perf_counter_ns() - start) / count)
    return found


def measure(rounds: int = 7, count: int = 1_000_000, few: int = 2_000) -> dict[str, list[float]]:
    """Nanoseconds a look-up by name, a figure a round; the library's only where it is installed."""
    table = SessionTable.of(Reference(), "ES", dt.date(2010, 1, 4), dt.date(2026, 12, 31))
    generator = np.random.default_rng(1)
    instants = generator.integers(table.opens[0], table.closes[-1], count)
    some = [int(ns) for ns in instants[:few]]
    found = {
        "open or not, in a kernel": nanoseconds(rounds, count, lambda: count_open(table.edges, instants)),
        "trade date, in a kernel": nanoseconds(
            rounds, count, lambda: sum_of_trade_dates(table.closes, table.trade_dates, instants)
        ),
        "open or not, from Python": nanoseconds(rounds, few, lambda: [table.is_open(ns) for ns in some]),
        "trade date, from Python": nanoseconds(rounds, few, lambda: [table.trade_date(ns) for ns in some]),
    }
    try:
        import pandas as pd
        import pandas_market_calendars as calendars
    except ImportError:
        return found
    theirs = calendars.get_calendar("CME Globex Equity")
    schedule = theirs.schedule("2010-01-04", "2026-12-31")
    stamps = [pd.Timestamp(ns, tz="UTC") for ns in some[:200]]
    name = "open or not, pandas_market_calendars open_at_time"
    found[name] = nanoseconds(min(rounds, 3), len(stamps), lambda: [theirs.open_at_time(schedule, at) for at in stamps])
    return found


def report(say: Callable[..., None], spread: Callable[..., str], quick: bool) -> dict[str, Any]:
    """Measure and print; returns the figures."""
    found = measure(3 if quick else 7)
    say(
        "\nNanoseconds a look-up of a random instant in 17 years of ES sessions (aim inside the engine: below 200), "
        "median (least .. most).\n\n| look-up | ns |\n|---|---|"
    )
    for name, values in found.items():
        say(f"| {name} | {spread(values, '{:,.0f}')} |")
    return found
