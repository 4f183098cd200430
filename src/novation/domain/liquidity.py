"""What a taker meets where no recording says so: on bars what they trade and a slippage, else a ladder that heals."""

from __future__ import annotations

import math

import msgspec

from novation.domain.errors import InvalidInput
from novation.domain.units import E8

#: Lots of one side, and lots that come back in a second.
MOST_LOTS = 1 << 50
MOST_HEALED = 1_000_000_000


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """Levels on both sides of a centre, the same on each.

    The centre is the price of the last BAR_OPEN or INDEX row. What is taken is missing from the best level on, and
    comes back at `heals` lots a second and side, the deepest first: as the price went, so it returns.
    """

    offsets: tuple[int, ...]  #: distance of each level from the centre, in ticks of the instrument's grid, ascending
    lots: tuple[int, ...]  #: what is offered at each
    heals: int = 0  #: lots a second; 0: what is taken is gone

    @classmethod
    def linear(cls, *, lots: int, levels: int, step: int = 1, spread: int = 0, heals: int = 0) -> Ladder:
        """The linear book of facts/validation_tables.md V10: the same lots at each of `levels` prices, `step` apart.

        spread: ticks from best bid to best ask, even. One lot moves the price by step / lots ticks.
        """
        return cls(offsets=tuple(spread // 2 + k * step for k in range(levels)), lots=(lots,) * levels, heals=heals)

    def __post_init__(self) -> None:
        wrong = ""
        if not self.offsets or len(self.offsets) != len(self.lots):
            wrong = "needs as many lots as offsets, and at least one"
        elif self.offsets[0] < 0 or any(b <= a for a, b in zip(self.offsets, self.offsets[1:], strict=False)):
            wrong = "offsets ascend from 0 or more"
        elif min(self.lots) <= 0 or sum(self.lots) > MOST_LOTS:
            wrong = f"lots are positive, at most {MOST_LOTS} a side"
        elif not 0 <= self.heals <= MOST_HEALED:
            wrong = f"heals 0 to {MOST_HEALED} lots a second"
        if wrong:
            raise InvalidInput(wrong, source="ladder")


class BarLiquidity(msgspec.Struct, frozen=True, kw_only=True):
    """What a taker meets on bars, beside their price (docs/rules/fills.md, "Slippage and participation").

    slips: takers pay what the LIQUIDITY rows of the feed say, in place of the venue's spread; the part that grows with
    size by this exponent of the lots over those of a day. least, most: of that, as fractions of the price.
    participation_e8: the share of a bar's lots that can be had at most, 1e-8; 0: any size. touch_e8: how likely a limit
    order is to be reached by a bar that touches its price and does not trade through it, 1e-8; seed: of these draws.
    """

    slips: bool = True
    exponent: float = 0.5
    least: float = 0.0
    most: float = math.inf
    participation_e8: int = 0
    touch_e8: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = ""
        if not 0 < self.exponent <= 2:
            wrong = "exponent lies above 0, at 2 at most"
        elif not 0 <= self.least <= self.most:
            wrong = "least and most are fractions of the price, 0 <= least <= most"
        elif not 0 <= self.participation_e8 <= E8:
            wrong = "participation_e8 lies between 0 and 100000000"
        elif not 0 <= self.touch_e8 <= E8:
            wrong = "touch_e8 lies between 0 and 100000000"
        if wrong:
            raise InvalidInput(wrong, source="bar liquidity")
