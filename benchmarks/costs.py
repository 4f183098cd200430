"""What an estimate of an order's cost costs: in a compiled loop, a million at once, and one by one from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from calendar_lookups import nanoseconds

from novation._jit import kernel
from novation.domain.slippage import MarketConditions, TakerOrder
from novation.reference import Reference
from novation.rules.slippage import slippage
from novation.trading.cost import estimate_execution_cost
from novation.trading.slippage import Slippage


@kernel
def sum_of_costs(half_spread, y, sigma, participation, exponent, most):
    """A sum that needs the slippage of each order; the loop of the first line."""
    total = 0.0
    for i in range(len(participation)):
        total += slippage(half_spread, y, sigma, participation[i], exponent, 1.0, 1.0, 1.0, 0.0, most)
    return total


def measure(rounds: int = 7, count: int = 1_000_000, few: int = 300) -> dict[str, list[float]]:
    """Nanoseconds an estimate by name, a figure a round."""
    reference = Reference()
    costs = Slippage.of("BTCUSDT", terms="all", reference=reference)
    generator = np.random.default_rng(1)
    qty, hour = generator.uniform(0.001, 100.0, count), generator.integers(0, 24, count)
    market = {"mid": 60_000.0, "volume": 300_000.0, "volatility": 0.5, "spread_bps": 0.1}
    rates = generator.normal(0.0, 0.0003, count)
    share = qty / market["volume"]
    order, conditions = TakerOrder(symbol="BTCUSDT", side="buy", qty=2), MarketConditions(**market)

    def one_by_one() -> None:
        for _ in range(few):
            estimate_execution_cost(order, conditions, reference=reference)

    return {
        "the formula, in a kernel": nanoseconds(
            rounds, count, lambda: sum_of_costs(1e-6, 1.0, 0.026, share, 0.5, np.inf)
        ),
        "a million at once, no factors": nanoseconds(rounds, count, lambda: costs.fractions(qty, **market)),
        "a million at once, hour and funding": nanoseconds(
            rounds, count, lambda: costs.fractions(qty, hour=hour, funding_rate=rates, **market)
        ),
        "`estimate_execution_cost`, one": nanoseconds(min(rounds, 3), few, one_by_one),
    }


def report(say: Callable[..., None], spread: Callable[..., str], quick: bool) -> dict[str, Any]:
    """Measure and print; returns the figures."""
    found = measure(3 if quick else 7)
    say(
        "\nNanoseconds an estimate of BTCUSDT (aim: a million in less than a second, so below 1,000), "
        "median (least .. most).\n\n| estimate | ns |\n|---|---|"
    )
    for name, values in found.items():
        say(f"| {name} | {spread(values, '{:,.0f}')} |")
    return found
