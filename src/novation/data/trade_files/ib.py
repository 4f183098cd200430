"""Trades at Interactive Brokers: the activity statement as CSV, and a Flex query of trades as CSV.

The statement is a CSV of sections. Its `Trades` section has a header row of its own for each kind of asset,
`Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,..,Comm/Fee,Basis,
Realized P/L,..,Code`, and its rows are `Trades,Data,Order,Futures,..` (layout of public importers of this file, read in
2026). A Flex query has the columns that its owner chose, under the names of the reporting guide's section Trades
(ibkrguides.com, Report Reference): `AssetClass, Symbol, DateTime, Quantity, TradePrice, IBCommission, FifoPnlRealized`.

Quantities are signed, commissions below zero where they are paid, realised profit is after commissions of both sides.
Times are those of New York unless a zone is named. Only futures are read; options on futures, stocks and the rest are
left out and counted. Neither has margins or leverage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from novation.data.trade_files.fills import Fill, join
from novation.data.trade_files.records import RoundTrip
from novation.data.trade_files.tables import Row, rows_under
from novation.domain.enums import Side
from novation.domain.errors import DataError
from novation.domain.words import counted
from novation.reference.symbols import MONTHS

NEW_YORK = "America/New_York"
#: Months by the name that contracts of the former CBOT carry: "ZN   DEC 26".
_SPELLED = re.compile(r"([A-Z0-9]+) +(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC) +(\d\d)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LETTERS = dict(zip(_MONTHS, MONTHS, strict=True))

_Lines = Sequence[tuple[int, Sequence[str]]]


def is_activity(lines: _Lines) -> bool:
    """Whether lines of cells are an activity statement."""
    return any(cells[0] == "Trades" and cells[1:2] == ["Header"] for _, cells in lines)


def is_flex(lines: _Lines) -> bool:
    """Whether lines of cells are a Flex query of trades."""
    return any(_is_flex_header(cells) for _, cells in lines[:10])


def _is_flex_header(cells: Sequence[str]) -> bool:
    names = {cell.lower() for cell in cells}
    priced = bool({"tradeprice", "price"} & names)
    return (
        {"symbol", "quantity"} <= names and priced and bool({"assetclass", "ibcommission", "clientaccountid"} & names)
    )


def read_activity(lines: _Lines, source: str, tz: str | None) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips of the futures of an activity statement. Raises `DataError`."""
    header: Sequence[str] = ()
    rows: list[Row] = []
    others = 0
    for number, cells in lines:
        if cells[0] != "Trades":
            continue
        if cells[1] == "Header":
            header = cells
        elif cells[1] == "Data":
            if not header:
                raise DataError("comes before the header of its section", source=source, where=f"line {number:,}")
            row = rows_under(header, [(number, [*cells, *[""] * (len(header) - len(cells))])], source, tz or NEW_YORK)[
                0
            ]
            if row.text("DataDiscriminator") not in ("Order", "Trade"):
                continue
            if row.text("Asset Category") != "Futures":
                others += 1
                continue
            rows.append(row)
    orders = [row for row in rows if row.text("DataDiscriminator") == "Order"]
    return _joined([_activity_fill(row) for row in orders or rows], others)


def _activity_fill(row: Row) -> Fill:
    qty, fee = _signed(row, "Quantity"), row.number("Comm/Fee", "Comm in USD", "Comm", commas=True)
    return Fill(
        where=row.place,
        symbol=_symbol(str(row.needed("Symbol"))),
        side=Side.BUY if qty > 0 else Side.SELL,
        qty=abs(qty),
        price=row.price("T. Price", commas=True),
        ts_ns=row.instant("Date/Time"),
        fee=None if fee is None else -fee,
        realised=row.number("Realized P/L", commas=True),
        closes=_closes(row.text("Code").split(";")),
    )


def read_flex(lines: _Lines, source: str, tz: str | None) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    """Round trips of the futures of a Flex query. Raises `DataError`."""
    header: Sequence[str] = ()
    rows: list[Row] = []
    others = 0
    for number, cells in lines:
        if _is_flex_header(cells):
            header = cells
            continue
        if not header or cells[0] in ("BOF", "BOA", "BOS", "EOS", "EOA", "EOF", "MSG"):
            continue
        if len(cells) < len(header) and not any(cells[1:]):
            continue
        row = rows_under(header, [(number, cells)], source, tz or NEW_YORK)[0]
        if row.text("AssetClass", "Asset Category") not in ("FUT", ""):
            others += 1
            continue
        rows.append(row)
    # executions and the orders they belong to may both be there, and closed lots beside them
    levels = {level: [r for r in rows if r.text("LevelOfDetail").upper() == level] for level in ("EXECUTION", "ORDER")}
    chosen = levels["EXECUTION"] or levels["ORDER"] or rows
    return _joined([_flex_fill(row) for row in chosen], others)


def _flex_fill(row: Row) -> Fill:
    qty, fee = _signed(row, "Quantity"), row.number("IBCommission", "Commission", commas=True)
    word = row.text("Buy/Sell").upper()
    if "(CA" in word:
        row.fail("is a cancelled trade", column="Buy/Sell", value=word, hint="Leave cancelled trades out of the query.")
    side = (Side.SELL if qty < 0 else Side.BUY) if not word else (Side.BUY if word.startswith("BUY") else Side.SELL)
    return Fill(
        where=row.place,
        symbol=_symbol(str(row.needed("Symbol"))),
        side=side,
        qty=abs(qty),
        price=row.price("TradePrice", "Price", commas=True),
        ts_ns=_flex_instant(row),
        fee=None if fee is None else -fee,
        realised=row.number("FifoPnlRealized", "Realized P/L", commas=True),
        order=row.text("IBOrderID", "OrderID"),
        closes=_closes(row.text("Open/CloseIndicator", "Notes/Codes", "Code").split(";")),
    )


def _flex_instant(row: Row) -> int:
    if row.find("DateTime", "Date/Time") is not None:
        return row.instant("DateTime", "Date/Time")
    both = {"TradeDate and TradeTime": f"{row.needed('TradeDate')};{row.needed('TradeTime')}"}
    return Row(row.source, row.place, both, row.tz).instant("TradeDate and TradeTime")


def _signed(row: Row, name: str) -> Decimal:
    number = row.number(name, commas=True)
    if not number:
        row.fail("is no size", column=name, value=row.cell(name), hint="Mend or drop the row.")
    return number


def _closes(codes: Sequence[str]) -> bool | None:
    """Whether a row closes and does nothing else; None where its codes say neither."""
    marks = {code.strip() for code in codes} & {"O", "C"}
    return None if not marks else marks == {"C"}


def _symbol(text: str) -> str:
    """IB's local symbol as the exchange's: 'ZN   DEC 26' is ZNZ26."""
    spelled = _SPELLED.fullmatch(text.upper())
    if spelled is None:
        return text
    root, month, year = spelled.groups()
    return f"{root}{_LETTERS[month]}{year}"


def _joined(fills: list[Fill], others: int) -> tuple[tuple[RoundTrip, ...], tuple[str, ...]]:
    trips, cautions = join(fills, net_of_fees=True)
    if others:
        cautions = (*cautions, f"{counted(others, 'row')} of other assets than futures: left out")
    return trips, cautions
