"""What a file of trades says, whatever its format: round trips, with their entries and exits as the source has them.

Amounts, prices and money are exact decimals. A fee is above zero where it is paid, funding where it is received; `pnl`
is after both. None: the source does not say.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from novation.domain.enums import Side

FORMATS = ("trades", "freqtrade", "binance", "ib")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a trade that was filled.

    averaged: `price` is a mean over several fills, which need not lie on the tick.
    """

    ts_ns: int
    qty: Decimal
    price: Decimal
    maker: bool = False
    averaged: bool = False


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One trade from flat to flat, or to the end of the file where it has fewer exits than entries.

    where: its place in the file. group: whose it is, where one file holds several runs (a strategy of freqtrade).
    """

    where: str
    symbol: str
    side: Side
    entries: tuple[Execution, ...]
    exits: tuple[Execution, ...]
    leverage: Decimal | None = None
    fee: Decimal | None = None
    funding: Decimal | None = None
    pnl: Decimal | None = None
    liquidated: bool = False
    group: str = ""

    @property
    def qty(self) -> Decimal:
        """All that was entered."""
        return sum((entry.qty for entry in self.entries), Decimal(0))

    @property
    def open_qty(self) -> Decimal:
        """What is still held where the file ends."""
        return self.qty - sum((exit.qty for exit in self.exits), Decimal(0))

    @property
    def entry_ns(self) -> int:
        """When it began."""
        return self.entries[0].ts_ns

    @property
    def exit_ns(self) -> int | None:
        """When it was flat again; None where it still is open."""
        return self.exits[-1].ts_ns if self.exits and self.open_qty == 0 else None


class TradeFile(msgspec.Struct, frozen=True, kw_only=True):
    """Every round trip of a file in order of time, and what had to be left out or taken for granted."""

    source: str
    format: str
    trips: tuple[RoundTrip, ...]
    cautions: tuple[str, ...] = ()


def mean_price(executions: tuple[Execution, ...]) -> Decimal:
    """The average price over several executions.

    >>> mean_price((Execution(ts_ns=0, qty=Decimal(1), price=Decimal(10)),))
    Decimal('10')
    """
    if len({execution.price for execution in executions}) == 1:
        return executions[0].price
    value = sum((execution.qty * execution.price for execution in executions), Decimal(0))
    return value / sum((execution.qty for execution in executions), Decimal(0))
