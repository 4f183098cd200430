"""Where the settlement windows of a CME product lie, and what the tables say of it on each trade date.

A window is a row of `cme/settlements.csv`; where a day is cut short it ends as `reference.sessions` says and keeps its
length.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from novation.domain.errors import InvalidInput, NoRuleInForce
from novation.domain.units import NS, iso, to_e8, to_ns, utc_date
from novation.reference.lookup import Reference
from novation.reference.products import expiry, product_row
from novation.reference.sessions import sessions

_ONE = dt.timedelta(days=1)


class Window(NamedTuple):
    """One trade date: where its first session opens, its settlement window [start_ns, end_ns), and its tiers.

    method: those of the row in force (`reference.settlement_rows`).
    """

    day: dt.date
    open_ns: int
    start_ns: int
    end_ns: int
    tick_e8: int
    method: str


class Product:
    """What the tables say of the contract or product that is settled."""

    def __init__(self, symbol: str, on_ns: int, reference: Reference | None) -> None:
        self.reference = Reference.default() if reference is None else reference
        self.symbol = self.reference.resolve(symbol, on_ns)
        venue, _, self.root = self.symbol.partition(":")
        if venue != "cme":
            raise InvalidInput(
                "is not settled daily by CME", source=self.symbol, hint='Name a contract: "cme:ESZ2026".'
            )
        self.last_day: dt.date | None = None
        self.assumed: dict[str, None] = {}  #: ordered, each once
        if not self.reference.is_rolled(self.symbol):
            instrument = self.reference.instrument(self.symbol)
            self.root = instrument.root
            row = product_row(self.reference, self.root, utc_date(on_ns))
            self.last_day = expiry(row, instrument.contract_month)

    def windows(self, first_ns: int, last_ns: int) -> Iterator[Window]:
        """Trade dates that have begun by `last_ns` and whose windows end after `first_ns`."""
        opened: dict[dt.date, int] = {}
        # a session closes on the UTC day of each of its instants or on the next one
        for session in sessions(self.reference, self.root, utc_date(first_ns), utc_date(last_ns) + _ONE):
            open_ns = opened.setdefault(session.trade_date, session.open_ns)
            end_ns = session.settlement_ns
            if end_ns is not None and first_ns < end_ns and open_ns <= last_ns:
                row = self._rule("cme/settlements", to_ns(session.day))
                start_ns = end_ns - _length_ns(row)
                yield Window(session.trade_date, open_ns, start_ns, end_ns, self.tick_e8(end_ns), row["method"])

    def settled(self, first: dt.date, last: dt.date) -> dict[dt.date, int]:
        """Trade dates of a range of days, each with the end of its window."""
        found = sessions(self.reference, self.root, first, last)
        return {one.trade_date: one.settlement_ns for one in found if one.settlement_ns is not None}

    def tick_e8(self, at_ns: int) -> int:
        """The tick in force."""
        return to_e8(self._rule("cme/contracts", at_ns)["tick_points"])

    def _rule(self, table: str, at_ns: int) -> Any:
        rule = self.reference.rule(table, self.root, at_ns)
        if rule is None:
            known = self.reference.known(table, self.root) or f"it has no row of {self.root}"
            raise NoRuleInForce(table, self.root, iso(at_ns), known=known, hint="Add rows in a folder of your own.")
        if rule.assumption:
            self.assumed[f"assumed in {table} {self.root}: {rule.assumption}"] = None
        return rule.row


def _length_ns(row: Any) -> int:
    start, end = (dt.datetime.combine(dt.date.min, dt.time.fromisoformat(row[name])) for name in ("start", "end"))
    return round((end - start).total_seconds()) * NS
