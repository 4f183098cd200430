"""Tables of a run, made of its exact events.

Every table of happenings has `ts` (UTC), `symbol` (as traded), `contract`, and `venue` with `sequence`, which name the
event behind the row. Sizes are signed, prices and money are floats with a `currency` column; the exact integers are in
`ledger` and `events`.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from novation.research.tables.happenings import (
    deliveries,
    events,
    fees,
    fills,
    funding,
    ledger,
    liquidations,
    margin_calls,
    market_states,
    orders,
    refusals,
    settlements,
)
from novation.research.tables.states import equity, equity_of, is_spot, positions
from novation.research.tables.trips import rolls, trades
from novation.trading.record import RunRecord

#: The tables that a record alone decides, by name, in the order in which a result lists them.
TABLES: dict[str, Callable[[RunRecord], pl.DataFrame]] = {
    "orders": orders,
    "refusals": refusals,
    "fills": fills,
    "trades": trades,
    "positions": positions,
    "funding": funding,
    "settlements": settlements,
    "deliveries": deliveries,
    "fees": fees,
    "margin_calls": margin_calls,
    "liquidations": liquidations,
    "rolls": rolls,
    "market_states": market_states,
    "ledger": ledger,
    "events": events,
}

__all__ = ["TABLES", "equity", "equity_of", "is_spot"]
