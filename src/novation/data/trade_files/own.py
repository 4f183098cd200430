"""A table of trades of our own layout, as CSV, Parquet or a frame: one row a round trip.

| column | |
|---|---|
| symbol | any accepted form: BTCUSDT, BTC/USDT:USDT, ESZ2026 |
| side | long or short (buy, sell) |
| qty | coins or contracts, above zero |
| entry_time, entry_price | |
| exit_time, exit_price | both empty: still open |
| leverage | optional |
| fee, funding, pnl, liquidated | optional, what the source claims: fee > 0 paid, funding > 0 received, pnl after both |
| maker | optional: true where both orders rested |
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from novation.data.trade_files.records import Execution, RoundTrip
from novation.data.trade_files.tables import Row

NEEDED = ("symbol", "side", "qty", "entry_time", "entry_price", "exit_time", "exit_price")


def read_own(rows: Sequence[Row]) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips in the order of the file; no cautions. Raises `DataError`."""
    return tuple(_trip(row) for row in rows), ()


def _trip(row: Row) -> RoundTrip:
    qty, maker = row.above_zero("qty"), row.flag("maker")
    entry = Execution(ts_ns=row.instant("entry_time"), qty=qty, price=row.price("entry_price"), maker=maker)
    exits: tuple[Execution, ...] = ()
    if row.cell("exit_time") is not None or row.cell("exit_price") is not None:
        at, price = row.instant("exit_time"), row.price("exit_price")
        if at < entry.ts_ns:
            row.fail("lies before the entry", column="exit_time", value=str(row.cell("exit_time")))
        exits = (Execution(ts_ns=at, qty=qty, price=price, maker=maker),)
    leverage = row.number("leverage")
    if leverage is not None and not Decimal(1) <= leverage <= 1000:
        row.fail(
            "is no leverage", column="leverage", value=str(leverage), hint="Write a number of at least 1, like 20."
        )
    return RoundTrip(
        where=row.place,
        symbol=str(row.needed("symbol")),
        side=row.side("side"),
        entries=(entry,),
        exits=exits,
        leverage=leverage,
        fee=row.number("fee"),
        funding=row.number("funding"),
        pnl=row.number("pnl"),
        liquidated=row.flag("liquidated"),
    )
