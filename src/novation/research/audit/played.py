"""What becomes of one round trip in a replay: a running account of it in the venue's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from novation.data.trade_files import RoundTrip
from novation.domain.enums import MarginScope
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import E8
from novation.research.audit.findings import Finding
from novation.research.audit.market import Market


@dataclass
class Liquidation:
    """What the exchange closed of a trade. loss: what the trade had made by then, in minor units, fees included."""

    ts_ns: int
    mark_e8: int
    ticks: int
    lots: int
    clearance: int = 0
    deficit: int = 0


@dataclass
class Played:
    """One round trip while and after it is replayed; money in minor units, lots signed.

    terms: the rows in force in its life. entered: lots of its entries as they were carried out. flow: what its fills
    brought, so that with what is held at the mark it is the price's part of the profit.
    """

    trip: RoundTrip
    market: Market
    terms: tuple[Terms, ...]
    leverage: Decimal | None
    entered: int = 0
    too_late: Decimal = Decimal(0)  #: lots of entries after a liquidation had ended it
    held: int = 0
    flow: int = 0
    fee: int = 0
    funding: int = 0
    clearance: int = 0
    deficit: int = 0  #: what an insurance fund paid for it
    end_mark_e8: int = 0
    findings: list[Finding] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    delivered: bool = False

    @property
    def instrument(self) -> Instrument:
        return self.market.instrument

    @property
    def price_profit(self) -> int:
        """What the price made, of what is held at the end's mark."""
        return self.flow + value_of(self.held, self.end_mark_e8, self.instrument)

    @property
    def entered_share(self) -> Decimal:
        """Of what the source entered, the share that was not refused."""
        asked = self.trip.qty * E8 / self.instrument.lot_e8
        return min(Decimal(1), (abs(self.entered) + self.too_late) / asked)

    @property
    def gone(self) -> bool:
        """Whether the exchange has closed all of it, which ends the trade."""
        return bool(self.liquidations) and not self.held


@dataclass(frozen=True)
class Account:
    """Whose money is at stake: what is deposited, and how positions are margined."""

    deposit: int
    scope: MarginScope
    hedge: bool = False


def value_of(lots: int, price_e8: int, instrument: Instrument) -> int:
    """Lots at a price in minor units, towards zero."""
    whole = abs(lots * price_e8) * instrument.lot_value // E8
    return whole if (lots > 0) == (price_e8 > 0) else -whole


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """An amount in proportion to weights above zero, in whole units; what is left over goes to the last.

    >>> shares(-10, [1, 2])
    [-3, -7]
    """
    total = sum(weights)
    sign = -1 if amount < 0 else 1
    parts = [sign * (abs(amount) * weight // total) for weight in weights[:-1]]
    return [*parts, amount - sum(parts)]
