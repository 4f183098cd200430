"""The market maker of Avellaneda and Stoikov (2008) on the exchange's book: facts/validation_tables.md V6."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from novation.domain.errors import InvalidInput
from novation.research.validate.book_model import book_of_nobody, go_on
from novation.venues import markov_book, quoting

_TICK = 1e-6
_START, _SIGMA, _HITS, _DECAY, _STEP, _STEPS = 100.0, 2.0, 140.0, 1.5, 0.005, 200
_CHUNK = 3 << 17


class MarketMaking(msgspec.Struct, frozen=True):
    """Means over all runs, in the model's units of price."""

    mean_spread: float
    mean_profit: float
    sd_profit: float
    mean_inventory: float
    sd_inventory: float
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return msgspec.structs.asdict(self)


def market_making(*, gamma: float = 0.1, runs: int = 1_000, seed: int = 0) -> MarketMaking:
    """Run the inventory strategy of the paper: s = 100, T = 1, sigma = 2, dt = 0.005, k = 1.5, A = 140, no inventory at
    the start. gamma: risk aversion."""
    if not 0 < gamma <= 10:
        raise InvalidInput("is above 0, at most 10", source="gamma", value=gamma)
    if not 1 <= runs <= 10**8:
        raise InvalidInput("is 1 to 1e8", source="runs", value=runs)
    venue, random = book_of_nobody(), np.random.default_rng(seed)
    model = np.array([_TICK, _SIGMA, gamma, _HITS, _DECAY, _STEP])
    move = round(_SIGMA * _STEP**0.5 / _TICK)
    out, state, chance = np.zeros((runs, 3), np.int64), np.zeros(9, np.int64), random.random(_CHUNK)
    while True:
        why = quoting.run_quotes(venue.heads, model, round(_START / _TICK), move, _STEPS, runs, chance, out, state)
        if why == markov_book.DONE:
            break
        go_on(venue, why, random, chance, state, quoting.USED)
    profit, spread, held = out[:, 0] * _TICK, out[:, 1] * _TICK / _STEPS, out[:, 2]
    return MarketMaking(
        mean_spread=float(spread.mean()),
        mean_profit=float(profit.mean()),
        sd_profit=float(profit.std()),
        mean_inventory=float(held.mean()),
        sd_inventory=float(held.std()),
        runs=runs,
    )
