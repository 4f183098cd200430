"""The result of a backtest by freqtrade: backtest-result-*.json, or the .zip that holds it.

Keys as its `Trade.to_json` writes them (freqtrade/freqtrade, `freqtrade/persistence/trade_model.py`, and
`freqtrade/data/btanalysis/bt_fileutils.py`, which lists the columns of an export): `fee_open` and `fee_close` are
shares of the value, `funding_fees` are above zero where the trade gained from them, `profit_abs` is after both,
`amount` counts coins, and `orders` have the entries and exits where there are several (`ft_is_entry`, `safe_price`,
`order_filled_timestamp`). Timestamps are milliseconds.

Of an order that is no fill (cancelled, or still open) nothing is taken. Trades of spot markets are read, and refused by
whoever looks their symbol up. Nothing tells whether an order rested, so all of them count as takers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from novation.data.trade_files.records import Execution, RoundTrip
from novation.data.trade_files.tables import Row
from novation.domain.enums import Side
from novation.domain.errors import DataError

_ZERO = Decimal(0)


def is_freqtrade(tree: Any) -> bool:
    """Whether a tree of JSON is a result of freqtrade, of the trades of one."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("strategy"), Mapping):
            return True
        tree = tree.get("trades")
    return isinstance(tree, list) and bool(tree) and isinstance(tree[0], Mapping) and "open_rate" in tree[0]


def read_freqtrade(tree: Any, source: str) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips of every strategy, in order of their entries; no cautions. Raises `DataError`."""
    trips = []
    for name, trades in _strategies(tree, source).items():
        for number, trade in enumerate(trades, 1):
            place = f"{name} trade {number}".strip()
            if not isinstance(trade, Mapping):
                raise DataError("is no trade", source=source, where=place, value=trade)
            trips.append(_trip(Row(source, place, trade), name))
    return tuple(sorted(trips, key=lambda trip: trip.entry_ns)), ()


def _strategies(tree: Any, source: str) -> dict[str, Sequence[Any]]:
    hint = "Give the .json or .zip that `freqtrade backtesting --export trades` wrote."
    if not is_freqtrade(tree):
        raise DataError("is no result of freqtrade", source=source, hint=hint)
    if isinstance(tree, Mapping) and isinstance(tree.get("strategy"), Mapping):
        found: dict[str, Sequence[Any]] = {}
        for name, result in tree["strategy"].items():
            trades = result.get("trades") if isinstance(result, Mapping) else None
            if not isinstance(trades, list):
                raise DataError("has no list of trades", source=source, where=f"strategy {name}", hint=hint)
            found[str(name)] = trades
        return found
    return {"": tree["trades"] if isinstance(tree, Mapping) else tree}


def _instant(row: Row, name: str) -> int:
    return row.instant(f"{name}_timestamp", f"{name}_date")


def _trip(row: Row, group: str) -> RoundTrip:
    is_open = row.flag("is_open")
    entries, exits = _orders(row)
    if not entries:
        entries = [
            Execution(ts_ns=_instant(row, "open"), qty=row.above_zero("amount"), price=row.above_zero("open_rate"))
        ]
        exits = []
    if not exits and not is_open:
        qty = sum((entry.qty for entry in entries), _ZERO)
        exits = [Execution(ts_ns=_instant(row, "close"), qty=qty, price=row.above_zero("close_rate"))]
    entered, left = (sum((order.qty for order in orders), _ZERO) for orders in (entries, exits))
    if left > entered:
        row.fail("its exits are larger than its entries", column="orders", value=f"{left} of {entered}")
    if exits and exits[0].ts_ns < entries[0].ts_ns:
        row.fail("closes before it opens", column="close_timestamp")
    leverage = row.number("leverage")
    if leverage is not None and not 1 <= leverage <= 1000:
        row.fail("is no leverage", column="leverage", value=str(leverage))
    shares = row.number("fee_open"), row.number("fee_close")
    paid = [
        order.qty * order.price * (share or _ZERO)
        for orders, share in zip((entries, exits), shares, strict=True)
        for order in orders
    ]
    return RoundTrip(
        where=row.place,
        symbol=str(row.needed("pair")),
        side=Side.SELL if row.flag("is_short") else Side.BUY,
        entries=tuple(entries),
        exits=tuple(exits),
        leverage=leverage,
        fee=None if None in shares else sum(paid, _ZERO),
        funding=row.number("funding_fees"),
        pnl=None if is_open else row.number("profit_abs"),
        liquidated=row.text("exit_reason", "sell_reason") == "liquidation",
        group=group,
    )


def _orders(row: Row) -> tuple[list[Execution], list[Execution]]:
    """Entries and exits out of the orders of a trade; none where the export has no orders, or not when they filled."""
    orders = row.cells.get("orders") or []
    if not isinstance(orders, list):
        row.fail("is no list", column="orders", value=orders)
    entries: list[Execution] = []
    exits: list[Execution] = []
    for number, order in enumerate(orders, 1):
        if not isinstance(order, Mapping):
            row.fail("is no order", column="orders", value=order)
        one = Row(row.source, f"{row.place} order {number}", order)
        qty = one.number("filled") if one.cell("filled") is not None else one.number("amount")
        if one.cell("order_filled_timestamp") is None or not qty:
            continue
        executed = Execution(
            ts_ns=one.instant("order_filled_timestamp"),
            qty=one.above_zero("filled", "amount"),
            price=one.above_zero("safe_price", "average", "price"),
            averaged=False,
        )
        (entries if one.flag("ft_is_entry") else exits).append(executed)
    if entries and not exits and not row.flag("is_open") and len(orders) > len(entries):
        return [], []
    return sorted(entries, key=lambda e: e.ts_ns), sorted(exits, key=lambda e: e.ts_ns)
