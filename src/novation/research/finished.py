"""A run that has ended, before it becomes a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from novation.reference.lookup import Reference
from novation.research.assembly import Assembly
from novation.research.limit_fills import LimitFill
from novation.research.liquidity import SlippageUsed
from novation.trading.broker import Broker
from novation.trading.rollover import Rollover
from novation.venues.venue import Venue


@dataclass(frozen=True)
class FinishedRun:
    """Everything that took part. rates: value of one of each settlement currency in `report_currency`."""

    plan: Assembly
    venues: Mapping[str, Venue]
    reference: Reference
    broker: Broker
    rollover: Rollover
    bars: int
    first_ns: int
    spread_e8: int
    report_currency: str | None
    rates: Mapping[str, Decimal]
    slippage: Sequence[SlippageUsed] = ()
    participation_e8: int = 0
    level: str = "L2"
    limit_fill: LimitFill | None = None
