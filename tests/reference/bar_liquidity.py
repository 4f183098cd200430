"""What takers meet on bars beside the price (docs/rules/fills.md, "Slippage and participation")."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from novation.domain.market import MarketEvent

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: A slippage in 1e-8 that no price bears.
BEYOND = 2**53


@dataclass
class BarState:
    """What the feed said last, and what was had of the bar that opened last; by side, -1 sells, 1 buys."""

    of: Any
    volume: int = 0
    paid_e8: dict[int, int] = None  # type: ignore[assignment]
    whole_e8: dict[int, int] = None  # type: ignore[assignment]
    bar_lots: int = 0
    used: int = 0
    taken: dict[int, int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.paid_e8, self.whole_e8, self.taken = {-1: 0, 1: 0}, {-1: 0, 1: 0}, {-1: 0, 1: 0}

    def states(self, row: MarketEvent) -> None:
        """A LIQUIDITY row."""
        self.volume = row.traded_lots
        self.paid_e8 = {-1: row.bid_e8, 1: row.ask_e8}
        self.whole_e8 = {-1: row.impact_bid_e8, 1: row.impact_ask_e8}

    def opens(self, row: MarketEvent) -> None:
        """A bar opens."""
        self.bar_lots, self.used = row.traded_lots * self.of.participation_e8 // 10**8, 0
        self.taken = {-1: 0, 1: 0}

    def each(self, side: int, lots: int, price_e8: int) -> float:
        """What each of the first lots of a bar pays beyond the price."""
        if lots == 0:
            return 0.0
        paid = self.paid_e8[side] + self.whole_e8[side] * (lots / self.volume) ** self.of.exponent
        return min(max(paid, self.of.least * abs(price_e8)), self.of.most * abs(price_e8))

    def line(self, i: int) -> tuple[str, tuple[int, ...]]:
        """Its line of the canonical form."""
        paid = (self.paid_e8[-1], self.paid_e8[1], self.whole_e8[-1], self.whole_e8[1])
        return "slippage", (i, self.volume, *paid, self.bar_lots, self.used, self.taken[-1], self.taken[1])


def state(ex: Exchange, i: int) -> BarState | None:
    """That of an instrument, None where any size pays the same."""
    return ex.bar_liquidity.get(ex.instruments[i].id)


def slips(ex: Exchange, i: int) -> bool:
    """Whether takers pay a slippage in place of the spread."""
    x = state(ex, i)
    return x is not None and x.of.slips


def left(ex: Exchange, i: int, lots: int) -> int:
    """How many of so many lots can be had."""
    x = state(ex, i)
    return min(lots, x.bar_lots - x.used) if x and x.of.participation_e8 else lots


def slippage(ex: Exchange, i: int, side: int, lots: int, price_e8: int, *, forced: bool = False) -> int:
    """Whole 1e-8 that each of so many lots pays; forced: by the exchange, as the first of all."""
    x = state(ex, i)
    assert x is not None
    if x.volume == 0:
        return 0
    before = 0 if forced else x.taken[side]
    each = x.each(side, before + lots, price_e8)
    each += (each - x.each(side, before, price_e8)) * (before / lots) if before else 0.0
    return ceil(each) if each < BEYOND else BEYOND


def traded(ex: Exchange, i: int, side: int, lots: int, maker: bool) -> None:
    """Lots were had of the bar."""
    x = state(ex, i)
    if x is not None:
        x.used += lots
        x.taken[side] += 0 if maker else lots
