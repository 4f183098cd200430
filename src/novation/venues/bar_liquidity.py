"""What takers meet on bars beside the price, as an option of a venue: a slippage of size, a share of what a bar traded.

docs/rules/fills.md, "Slippage and participation". What it costs comes with the feed (LIQUIDITY rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from novation.domain.enums import MarketEventKind
from novation.domain.instruments import Instrument
from novation.domain.liquidity import MOST_LOTS, BarLiquidity
from novation.rules.chance import first_state

#: A price in 1e-8 that no slippage is above.
_TOP_E8 = 1 << 53
#: Fields of `rules.chance`.
STATE = ("a0", "a1", "a2", "b0", "b1", "b2")
_COSTS = ("bid_e8", "ask_e8", "impact_bid_e8", "impact_ask_e8")


def fill(table: Any, given: Mapping[str, BarLiquidity], instruments: Sequence[Instrument]) -> None:
    """Write it into the rows of its instruments."""
    for row, instrument in enumerate(instruments):
        if instrument.id in given:
            of, x = given[instrument.id], table[row]
            x["exponent"], x["least"], x["most"] = of.exponent, of.least, of.most
            x["on"], x["slips"], x["participation_e8"] = 1, int(of.slips), of.participation_e8
            x["touch_e8"] = of.touch_e8
            for name, number in zip(STATE, first_state(of.seed, f"touches of {instrument.id}"), strict=True):
                x[name] = number


def wrong_rows(
    feed: np.ndarray, given: Mapping[str, BarLiquidity], instruments: Sequence[Instrument]
) -> Iterator[tuple[np.ndarray, str]]:
    """What is wrong with rows of a feed that say it, and with lots of bars."""
    rows = feed["kind"] == MarketEventKind.LIQUIDITY
    if rows.any():
        slipping = np.array([i.id in given and given[i.id].slips for i in instruments])[feed["instrument"]]
        yield rows & ~slipping, "says what takers pay of an instrument that does not slip"
        costs = [(feed[name] < 0) | (feed[name] > _TOP_E8) for name in _COSTS]
        yield rows & np.any(costs, axis=0), "has a slippage below zero or beyond 2**53 in 1e-8"
    yield (feed["traded_lots"] < 0) | (feed["traded_lots"] > MOST_LOTS), "has lots below zero or above 2**50"
