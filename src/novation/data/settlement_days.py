"""Settlement prices by trade date, and how the windows of one file come to theirs.

A window in which something traded is settled by that. Where nothing did, the tiers that its row of
`cme/settlements.csv` names are asked for what quotes and index show (`settlement_quotes`), then, of bars, the close of
the last one that traded; what is left is named and stays without. Each way that is not the VWAP is a caution.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from novation.data.frames import Frame
from novation.data.series import Array, frozen
from novation.data.settlement_columns import check_grid, price_text
from novation.data.settlement_quotes import IndexLevels, Quotes
from novation.data.settlement_windows import Product, Window
from novation.domain.errors import DataError, InvalidInput
from novation.domain.units import NS, day_number, from_e8
from novation.domain.words import counted
from novation.rules.settlement_price import (
    Carry,
    Market,
    Settled,
    SettledBy,
    Trade,
    settle_by_trades_alone,
    settle_index,
    settle_metal,
    settle_treasury,
)

CLOSE, GIVEN = "close", "given"

_NAMED = 5

#: By the method of `reference.settlement_rows`.
_TIERS: dict[str, Callable[[Market, int, Carry | None], Settled | None]] = {
    "vwap": lambda market, prior, _: settle_by_trades_alone(market, prior),
    "index": settle_index,
    "treasury": lambda market, prior, _: settle_treasury(market, prior),
    "metal": lambda market, prior, _: settle_metal(market, prior),
}
_USES = {"vwap": (), "index": ("quotes", "an index"), "treasury": ("quotes",), "metal": ("quotes",)}
_HOW = {
    ("index", SettledBy.MIDPOINT): "the midpoint of bid and ask at its end",
    ("index", SettledBy.CARRY): "the index, carried to the last trading day",
    ("treasury", SettledBy.LAST_CLAMPED): "the last trade, moved inside the lowest bid and highest ask of the window",
    ("metal", SettledBy.MIDPOINT): "the midpoint of bid and ask at its end",
    ("metal", SettledBy.LAST_CLAMPED): "the last trade, moved to the one side of the market that there is at its end",
}


@dataclass(frozen=True, eq=False)
class Settlements:
    """Settlement prices by trade date, ascending; all arrays of one length and read-only.

    trade_date: days since 1970-01-01, as in the market's SETTLEMENT event.
    settlement_ns: the end of the window, ns UTC.
    settlement_e8: prices in 1e-8, whole ticks of `tick_e8`, the tick in force.
    settled_by: the tier, "vwap", "midpoint", "last_clamped" or "carry"; "close" (of the bar that stands in) or "given".
    cautions: every assumption, and every trade date that has no price.
    """

    trade_date: Array
    settlement_ns: Array
    settlement_e8: Array
    tick_e8: Array
    settled_by: tuple[str, ...]
    cautions: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("trade_date", "settlement_ns", "settlement_e8", "tick_e8"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.trade_date)

    def frame(self) -> pl.DataFrame:
        """Columns `ts` (end of the window, UTC), `trade_date`, `settlement`, `settled_by`: what `History` takes."""
        return pl.DataFrame(
            {
                "ts": pl.Series(self.settlement_ns).cast(pl.Datetime("ns", "UTC")),
                "trade_date": pl.Series(self.trade_date).cast(pl.Int32).cast(pl.Date),
                "settlement": pl.Series([float(from_e8(int(price))) for price in self.settlement_e8], dtype=pl.Float64),
                "settled_by": pl.Series(self.settled_by, dtype=pl.String),
            }
        )


def listed(days: list[dt.date]) -> str:
    """Trade dates counted, the first of them named."""
    named = ", ".join(map(str, days[:_NAMED]))
    return f"{counted(len(days), 'trade date')} ({named}{', ...' if len(days) > _NAMED else ''})"


# ---------------------------------------------------------------- one file, settled


class Beyond(NamedTuple):
    """What is known besides trades."""

    quotes: Quotes | None = None
    levels: IndexLevels | None = None


class Rows(NamedTuple):
    """What is settled by: trades (each starts and ends at its stamp) or bars, of prices in 1e-8 by column, and lots."""

    frame: Frame
    start_ns: Array
    end_ns: Array
    prices_e8: dict[str, Array]  #: weighed alike; the last column is the last price
    lots: Array

    @property
    def until_ns(self) -> int:
        """The end of what the file covers."""
        return int(self.end_ns[-1]) + bool(self.start_ns[-1] == self.end_ns[-1])

    def inside(self, window: Window) -> slice:
        """Rows that lie in a window wholly."""
        first, before_end = np.searchsorted(self.start_ns, (window.start_ns, window.end_ns)).tolist()
        return slice(first, min(before_end, int(np.searchsorted(self.end_ns, window.end_ns, side="right"))))


class Run:
    """The settlement prices of one file as they are found, and what must be said of them."""

    def __init__(self, rows: Rows, product: Product, prior_e8: int, prior_assumed: bool, beyond: Beyond) -> None:
        self.rows, self.frame, self.product, self.beyond = rows, rows.frame, product, beyond
        self.prior_e8, self.prior_assumed = prior_e8, prior_assumed
        self.traded = np.flatnonzero(rows.lots)
        self.found: list[tuple[Window, int, str]] = []
        self.empty: list[dt.date] = []
        self.partly: list[dt.date] = []
        self.final: list[dt.date] = []
        self.stood_in: list[tuple[int, dt.date]] = []
        self.by_tier: dict[tuple[str, SettledBy], list[dt.date]] = {}
        self.quote_ages: list[tuple[int, dt.date]] = []
        self.unquoted: list[dt.date] = []
        self.whole_bars = 0
        self.notes: dict[str, None] = {}  #: ordered, each once

    def settle(self, *, stand_in: bool) -> Settlements:
        """Every window that the file reaches; stand_in: by the close before its end where no tier gives a price."""
        first_ns = int(self.rows.start_ns[0])
        for window in self.product.windows(first_ns, int(self.rows.end_ns[-1])):
            if not self._reached(window, first_ns, self.rows.until_ns):
                continue
            inside = self.rows.inside(window)
            earlier = int(np.searchsorted(self.traded, inside.stop))
            before = int(self.traded[earlier - 1]) if earlier else -1
            if before >= 0 and self.rows.start_ns[before] < window.open_ns:
                before = -1
            if self._settle_by_tiers(window, inside, before):
                continue
            if stand_in and before >= 0:
                self._settle_by_close(window, before)
            else:
                self.empty.append(window.day)
        return self._result()

    def _reached(self, window: Window, first_ns: int, until_ns: int) -> bool:
        """Whether the file, which covers [first_ns, until_ns), has something of a window that is to be settled."""
        if self.product.last_day is not None and window.day >= self.product.last_day:
            self.final.append(window.day)
            return False
        if until_ns <= window.start_ns:
            self.notes[f"{self.frame.source}: ends before the settlement window of {window.day}, not settled"] = None
            return False
        if window.start_ns < first_ns or until_ns < window.end_ns:
            self.partly.append(window.day)
        return True

    def _settle_by_tiers(self, window: Window, inside: slice, before: int) -> bool:
        """Settle a window by the first tier of its product that there is; trades leave quotes and index unread.

        before: the last row of the trade date that traded by the window's end, -1 without one.
        """
        traded = inside.start + np.flatnonzero(self.rows.lots[inside])
        if len(traded):
            market, carry, age = Market(self._weighed(window, traded)), None, None
        else:
            market, carry, age = self._shown(window, before)
        tiers, prior = _TIERS[window.method], self.prior_e8 // window.tick_e8
        found = tiers(market, prior, carry)
        if found is None:
            return False
        if self.prior_assumed and not self.found:
            # What another prior would change is a tie.
            if tiers(market, found.ticks - 2, carry) != tiers(market, found.ticks + 2, carry):
                self.notes[
                    f"the settlement before {window.day} is not given: "
                    f"the first price, {price_text(self.prior_e8)}, decides a tie"
                ] = None
        if found.by is SettledBy.VWAP:
            self.whole_bars += len(self.rows.prices_e8) > 1
        else:
            self.by_tier.setdefault((window.method, found.by), []).append(window.day)
            if age is not None and found.by is not SettledBy.CARRY:
                self.quote_ages.append((age, window.day))
        self._add(window, found.ticks, found.by.name.lower())
        return True

    def _weighed(self, window: Window, traded: Array) -> list[Trade]:
        """Rows that traded in a window: each of its columns' prices with its lots, which makes the mean of those."""
        weighed: list[Trade] = []
        for name, column in self.rows.prices_e8.items():
            off = traded[column[traded] % window.tick_e8 != 0]
            if len(off):
                check_grid(self.frame, name, int(off[0]), int(column[off[0]]), window.tick_e8)
            ticks = column[traded] // window.tick_e8
            weighed += map(Trade, ticks.tolist(), self.rows.lots[traded].tolist())
        return weighed

    def _shown(self, window: Window, before: int) -> tuple[Market, Carry | None, int | None]:
        """The market around a window without trades, the carry, and how old the quote at its end is."""
        quotes, levels = self.beyond
        uses = _USES[window.method]
        given = {"quotes": quotes is not None, "an index": levels is not None}
        unused = [name for name, is_given in given.items() if is_given and name not in uses]
        if unused:
            self.notes[f"{self.product.root} has no tier of {' and '.join(unused)}: not used"] = None
        carry, age, market = None, None, Market()
        if levels is not None and "an index" in uses:
            if self.product.last_day is None:
                hint = 'Name the contract, "cme:ESH2024".'
                raise InvalidInput(
                    "has no last trading day to carry an index to", source=self.product.symbol, hint=hint
                )
            carry = levels.carry(window, (self.product.last_day - window.day).days)
        if quotes is not None and "quotes" in uses:
            row = quotes.last(window)
            if row < 0:
                self.unquoted.append(window.day)
            else:
                treasury = window.method == "treasury"
                market = quotes.extremes(window, row) if treasury else quotes.market(window, row)
                age = window.end_ns - int(quotes.end_ns[row])
        if before >= 0 and market != Market():
            market = market._replace(last=self._last(window, before))
        return market, carry, age

    def _last(self, window: Window, row: int) -> int:
        """The last price of a row in ticks."""
        name, column = list(self.rows.prices_e8.items())[-1]
        check_grid(self.frame, name, row, int(column[row]), window.tick_e8)
        return int(column[row]) // window.tick_e8

    def _settle_by_close(self, window: Window, row: int) -> None:
        """Settle a window by the close of an earlier bar."""
        self.stood_in.append((window.end_ns - int(self.rows.end_ns[row]), window.day))
        self._add(window, self._last(window, row), CLOSE)

    def _add(self, window: Window, ticks: int, by: str) -> None:
        self.prior_e8 = ticks * window.tick_e8
        self.found.append((window, self.prior_e8, by))

    def _result(self) -> Settlements:
        """All that was found; refuse a file that settles nothing."""
        cautions = ["settlement prices are formed from the prices given, not published by the exchange", *self.notes]
        if self.whole_bars:
            cautions.append(
                f"{counted(self.whole_bars, 'trade date')} settled by bars inside the window: "
                "each bar's volume counts at a third of high + low + close"
            )
        for tier, days in self.by_tier.items():
            cautions.append(f"no trade is known in the settlement window of {listed(days)}: settled at {_HOW[tier]}")
        if self.quote_ages and max(self.quote_ages)[0] >= NS:
            age, day = max(self.quote_ages)
            cautions.append(f"the oldest quote that settles is {age // NS:,} s before the window's end ({day})")
        if self.unquoted and self.beyond.quotes is not None:
            source = self.beyond.quotes.frame.source
            cautions.append(f"{source}: no quote by the end of the settlement window of {listed(self.unquoted)}")
        if self.stood_in:
            gap, day = max(self.stood_in)
            longest = f", the earliest {gap // NS:,} s before it ({day})" if gap else ""
            cautions.append(
                "the close of the bar before the settlement window's end stands in for the window's VWAP "
                f"({counted(len(self.stood_in), 'trade date')}{longest})"
            )
        if self.partly:
            cautions.append(
                f"{self.frame.source}: begins or ends inside the settlement window of {listed(self.partly)}"
            )
        if self.final:
            cautions.append(
                f"{listed(self.final)} not settled: the last trading day of {self.product.symbol} is "
                f"{self.product.last_day}, and its final settlement price is formed otherwise"
            )
        if self.empty:
            cautions.append(
                f"no price in the settlement window of {listed(self.empty)}: not settled, nothing is filled"
            )
        cautions += self.product.assumed
        if not self.found:
            raise DataError(
                f"no trade date of {self.product.symbol} can be settled",
                source=self.frame.source,
                hint="; ".join(cautions[1:]) or "Its stamps lie outside every settlement window: check their zone.",
            )
        windows = [window for window, _, _ in self.found]
        return Settlements(
            trade_date=np.array([day_number(window.day) for window in windows]),
            settlement_ns=np.array([window.end_ns for window in windows]),
            settlement_e8=np.array([price for _, price, _ in self.found]),
            tick_e8=np.array([window.tick_e8 for window in windows]),
            settled_by=tuple(by for _, _, by in self.found),
            cautions=tuple(cautions),
        )
