"""What takers meet on bars beside the price (docs/rules/fills.md, "Slippage and participation")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from novation.domain.market import MarketEvent

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: Moduli and factors of MRG32k3a (L'Ecuyer 1999).
M1, M2 = 4_294_967_087, 4_294_944_443


class Chance:
    """Numbers above 0 and below 1, by two recursions of order three."""

    def __init__(self, seed: int, purpose: str) -> None:
        first = [
            int.from_bytes(hashlib.blake2b(f"{seed} {purpose} {k}".encode(), digest_size=8).digest(), "big")
            for k in range(6)
        ]
        self.a = [1 + number % (M1 - 1) for number in first[:3]]
        self.b = [1 + number % (M2 - 1) for number in first[3:]]

    def draw(self) -> float:
        """The next one."""
        self.a = [*self.a[1:], (1_403_580 * self.a[1] - 810_728 * self.a[0]) % M1]
        self.b = [*self.b[1:], (527_612 * self.b[2] - 1_370_589 * self.b[0]) % M2]
        z = self.a[2] - self.b[2]
        return (z if z > 0 else z + M1) * (1 / (M1 + 1))


#: A slippage in 1e-8 that no price bears.
BEYOND = 2**53


@dataclass
class BarState:
    """What the feed said last, and what was had of the bar that opened last; by side, -1 sells, 1 buys."""

    of: Any
    name: str
    volume: int = 0
    paid_e8: dict[int, int] = None  # type: ignore[assignment]
    whole_e8: dict[int, int] = None  # type: ignore[assignment]
    bar_lots: int = 0
    used: int = 0
    taken: dict[int, int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.paid_e8, self.whole_e8, self.taken = {-1: 0, 1: 0}, {-1: 0, 1: 0}, {-1: 0, 1: 0}
        self.chance = Chance(self.of.seed, f"touches of {self.name}")

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

    def lines(self, i: int) -> list[tuple[str, tuple[int, ...]]]:
        """Its lines of the canonical form."""
        paid = (self.paid_e8[-1], self.paid_e8[1], self.whole_e8[-1], self.whole_e8[1])
        found = [("slippage", (i, self.volume, *paid, self.bar_lots, self.used, self.taken[-1], self.taken[1]))]
        return [*found, ("chance", (i, *self.chance.a, *self.chance.b))] if self.of.touch_e8 else found


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


def reached(ex: Exchange, i: int, side: int, price_e8: int, traded: tuple[int, int]) -> bool:
    """Whether a bar that touched a price and did not trade through it reached the order there."""
    x = state(ex, i)
    if x is None or not x.of.touch_e8 or traded[0 if side > 0 else 1] != price_e8:
        return False
    return x.chance.draw() * 10**8 < x.of.touch_e8
