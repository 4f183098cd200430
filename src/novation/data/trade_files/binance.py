"""Trades on Binance USDⓈ-M: the website's export of the trade history, and the JSON of GET /fapi/v1/userTrades.

The export is a CSV with the header `Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit`, newer ones also
`Fee Coin`, `Quote Asset` or `Position Side`; one row a fill, without numbers of orders (layouts of several public
importers of this file, read in 2026; Binance documents none). Times are UTC. The JSON is the documented answer of the
account trade list (developers.binance.com, USDⓈ-M futures, Account Trade List): `symbol, orderId, side, price, qty,
realizedPnl, commission, commissionAsset, time, positionSide, maker`.

Realised profit is before fees. Neither has funding or leverage. Fees in another coin (BNB) are not converted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from novation.data.trade_files.fills import Fill, join
from novation.data.trade_files.records import RoundTrip
from novation.data.trade_files.tables import Row
from novation.domain.words import counted

_DATES = ("Date(UTC)", "Time(UTC)", "Date(UTC+0)", "Time", "Date")
_STABLE = ("", "USDT", "USDC", "BUSD", "FDUSD")


def is_binance_header(header: Sequence[str]) -> bool:
    """Whether a CSV is the website's export."""
    names = {name.strip().lower() for name in header}
    dated = {"date(utc)", "time(utc)", "date(utc+0)"} & names
    return bool(dated) and {"symbol", "side", "price"} <= names and bool({"quantity", "qty"} & names)


def is_binance_tree(tree: Any) -> bool:
    """Whether JSON is the account trade list."""
    first = tree[0] if isinstance(tree, list) and tree else None
    return isinstance(first, Mapping) and {"symbol", "side", "price", "qty", "realizedPnl", "time"} <= set(first)


def read_binance_rows(rows: Sequence[Row]) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips of an export. Raises `DataError`."""
    fills, others = [], 0
    newest_first = len(rows) > 1 and rows[0].instant(*_DATES) > rows[-1].instant(*_DATES)
    for row in reversed(rows) if newest_first else rows:
        fee, coin = _fee_of(row)
        others += coin not in _STABLE
        book = row.text("Position Side", "PositionSide").upper()
        role = row.text("Role", "Liquidity", "Maker/Taker").lower()
        fills.append(
            Fill(
                where=row.place,
                symbol=str(row.needed("Symbol")),
                side=row.side("Side"),
                qty=row.above_zero("Quantity", "Qty", commas=True),
                price=row.above_zero("Price", commas=True),
                ts_ns=row.instant(*_DATES),
                fee=fee if coin in _STABLE else None,
                realised=row.number("Realized Profit", "Realized PNL", "Realized P&L", commas=True),
                order=row.text("Order ID", "OrderId", "OrderNo", "Order No."),
                maker=role == "maker",
                book="" if book == "BOTH" else book,
            )
        )
    return _joined(fills, others)


def _fee_of(row: Row) -> tuple[Decimal | None, str]:
    """What was paid, above zero, and in which coin, which older exports write behind the number."""
    coin = row.text("Fee Coin", "Fee Asset", "Commission Asset").upper()
    text = row.text("Fee", "Commission")
    number = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
    if text and number and number != text:
        coin = coin or text[len(number) :].strip().upper()
        row = Row(row.source, row.place, {"Fee": number}, row.tz)
    fee = row.number("Fee", "Commission", commas=True)
    return None if fee is None else abs(fee), coin


def read_binance_tree(tree: Any, source: str) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips of the account trade list. Raises `DataError`."""
    fills, others = [], 0
    for number, trade in enumerate(tree, 1):
        row = Row(source, f"trade {number:,}", trade if isinstance(trade, Mapping) else {})
        fee, coin = row.number("commission"), row.text("commissionAsset").upper()
        others += coin not in _STABLE
        book = row.text("positionSide").upper()
        fills.append(
            Fill(
                where=row.place,
                symbol=str(row.needed("symbol")),
                side=row.side("side"),
                qty=row.above_zero("qty"),
                price=row.above_zero("price"),
                ts_ns=row.instant("time"),
                fee=fee if coin in _STABLE else None,
                realised=row.number("realizedPnl"),
                order=row.text("orderId"),
                maker=row.flag("maker"),
                book="" if book == "BOTH" else book,
            )
        )
    return _joined(fills, others)


def _joined(fills: list[Fill], others: int) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    trips, cautions = join(fills, net_of_fees=False)
    notes = ["the export has neither funding nor leverage: it claims no funding"]
    if others:
        notes.append(f"{counted(others, 'fill')} paid their fee in another coin, which is not converted: not claimed")
    return trips, (*cautions, *notes)
