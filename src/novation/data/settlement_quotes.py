"""What a market shows around a settlement window where nothing traded in it: best bid and ask, and the cash index.

Quotes are one contract's, each row a quote at its stamp (`bid`, `ask`) or a bar of quotes (`bid_close`, `ask_close`,
`bid_low`, `ask_high`), which is known at its end. A side that is missing or of size 0 is no quote.

The market at a window's end is the last quote known by then, of the same trade date's sessions; that of the window also
takes in the quote that stands as it begins. A bar that begins before the window and ends in it counts there with its
close alone. Nothing that is known later than the window's end is looked at.

A market with the bid above the ask is refused where it settles something, and nowhere else: before an opening, and in
bars whose sides do not end on one instant, real files hold some.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from novation.data.bars import bar_spans
from novation.data.frames import Frame, read_e8, read_frame, read_index, read_stamps
from novation.data.series import Array
from novation.data.settlement_columns import check_grid, one_contract, price_text, read_lots
from novation.data.settlement_windows import Window
from novation.domain.errors import InvalidInput
from novation.domain.units import E8, Number, to_scaled
from novation.rules.settlement_price import Carry, Market


class Prices(NamedTuple):
    """One column of prices in 1e-8, and where it has one."""

    name: str
    e8: Array
    there: Array


@dataclass(frozen=True, eq=False)
class Quotes:
    """One contract's best bids and asks, ascending: known from `end_ns` on, of what was since `start_ns`.

    low_bid, high_ask: of each row the lowest bid and the highest ask; of single quotes they are bid and ask.
    """

    frame: Frame
    start_ns: Array
    end_ns: Array
    bid: Prices
    ask: Prices
    low_bid: Prices
    high_ask: Prices

    def last(self, window: Window) -> int:
        """The row that is the market at a window's end, -1 where there is none, or where the file ends before it."""
        row = int(np.searchsorted(self.end_ns, window.end_ns, side="right")) - 1
        ended = int(self.end_ns[-1]) < window.start_ns or (self._bars and int(self.end_ns[-1]) == window.start_ns)
        return row if row >= 0 and self.start_ns[row] >= window.open_ns and not ended else -1

    def market(self, window: Window, row: int) -> Market:
        """Bid and ask of the row that is last, in ticks."""
        self._check_crossed(row)
        return Market(bid=self._ticks(self.bid, row, window), ask=self._ticks(self.ask, row, window))

    def extremes(self, window: Window, row: int) -> Market:
        """The lowest bid and the highest ask of a window whose last row is given, in ticks."""
        stop = min(row + 1, int(np.searchsorted(self.start_ns, window.end_ns)))
        first = int(np.searchsorted(self.end_ns, window.start_ns, side="right"))  # known after the window's beginning
        bids, asks = [], []
        straddles = first < stop and self.start_ns[first] < window.start_ns
        if straddles or (first and self.start_ns[first - 1] >= window.open_ns):
            standing = first if straddles else first - 1
            self._check_crossed(standing)
            bids.append(self._ticks(self.bid, standing, window))
            asks.append(self._ticks(self.ask, standing, window))
        for inside in range(first + straddles, stop):
            self._check_crossed(inside)
            bids.append(self._ticks(self.low_bid, inside, window))
            asks.append(self._ticks(self.high_ask, inside, window))
        low = min((bid for bid in bids if bid is not None), default=None)
        high = max((ask for ask in asks if ask is not None), default=None)
        if low is not None and high is not None and low > high:
            self.frame.fail(
                f"the lowest bid of the window, {price_text(low * window.tick_e8)}, is above its highest ask, "
                f"{price_text(high * window.tick_e8)}",
                row=row,
                hint="Correct the quotes.",
            )
        return Market(low_bid=low, high_ask=high)

    @property
    def _bars(self) -> bool:
        return bool(self.start_ns[0] < self.end_ns[0])

    def _ticks(self, prices: Prices, row: int, window: Window) -> int | None:
        if not prices.there[row]:
            return None
        price = int(prices.e8[row])
        check_grid(self.frame, prices.name, row, price, window.tick_e8)
        return price // window.tick_e8

    def _check_crossed(self, row: int) -> None:
        bid, ask = self.bid, self.ask
        if bid.there[row] and ask.there[row] and bid.e8[row] > ask.e8[row]:
            self.frame.fail(
                f"{bid.name} {price_text(bid.e8[row])} is above {ask.name} {price_text(ask.e8[row])}",
                row=row,
                hint="Correct or drop the row.",
            )


def read_quotes(given: Any, source: str, *, tz: str | None, stamp: str = "open", contract: Any = None) -> Quotes:
    """The quotes of a frame or path; refuse those of several contracts, or of another than `contract`, if both say.

    >>> quotes = pl.DataFrame({"ts": ["2024-03-05T20:59:00Z", "2024-03-05T20:59:50Z"], "bid": [5000.0, None],
    ...                        "ask": [5000.5, 5000.75]})
    >>> read_quotes(quotes, "quotes", tz=None).bid.there.tolist()
    [True, False]
    """
    frame = read_frame(given, source)
    month = one_contract(frame)
    if month is not None and contract is not None and str(month) != str(contract):
        frame.fail(f"holds quotes of another contract than the prices, which are of {contract}", row=0, value=month)
    bars = frame.find("bid") is None and frame.find("bid_close") is not None
    stamps, _, _ = read_stamps(frame, tz, repeats=not bars)
    if not bars:
        bid, ask = _side(frame, "bid", "bid"), _side(frame, "ask", "ask")
        return Quotes(frame, stamps, stamps, bid, ask, bid, ask)
    if len(stamps) == 1:
        frame.fail("one row does not show how long a bar is", hint="Give more rows, or quotes as `bid` and `ask`.")
    start, end, _ = bar_spans(frame, stamps, stamp=stamp, bar=None)
    quotes = Quotes(
        frame,
        start,
        end,
        bid=_side(frame, "bid", "bid_close"),
        ask=_side(frame, "ask", "ask_close"),
        low_bid=_side(frame, "bid", "bid_low"),
        high_ask=_side(frame, "ask", "ask_high"),
    )
    _check_order(frame, quotes.low_bid, quotes.bid)
    _check_order(frame, quotes.ask, quotes.high_ask)
    return quotes


def _side(frame: Frame, side: str, name: str) -> Prices:
    """A column of prices, some of which may be missing or have no size."""
    name = frame.column(name)
    size = frame.find(f"{side}_size", f"{side}_qty")
    there = _given(frame.data[name])
    filled = replace(frame, data=frame.data.with_columns(_filled(frame.data[name])))
    if size is not None:
        there &= _given(frame.data[size])
        there &= read_lots(replace(frame, data=frame.data.with_columns(_filled(frame.data[size]))), size) > 0
    return Prices(name, read_e8(filled, name), there)


def _given(column: pl.Series) -> Array:
    there = column.is_not_null()
    return np.array(there & column.is_not_nan().fill_null(False) if column.dtype.is_float() else there)


def _filled(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Null:
        return pl.Series(column.name, np.zeros(len(column)))
    column = column.fill_nan(None) if column.dtype.is_float() else column
    return column.fill_null(0) if column.dtype.is_numeric() else column


def _check_order(frame: Frame, low: Prices, high: Prices) -> None:
    wrong = low.there & high.there & (low.e8 > high.e8)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problem = f"{low.name} {price_text(low.e8[row])} is above {high.name} {price_text(high.e8[row])}"
        frame.fail(problem, row=row, hint="Check how the columns are named.")


# ---------------------------------------------------------------- the cash index


@dataclass(frozen=True, eq=False)
class IndexLevels:
    """A cash index, each level known at its stamp, and the rate a year that carries it."""

    at_ns: Array
    level_e8: Array
    rate_e8: int

    def carry(self, window: Window, days: int) -> Carry | None:
        """What carries the last level of the trade date known by a window's end; None without one."""
        row = int(np.searchsorted(self.at_ns, window.end_ns, side="right")) - 1
        if row < 0 or self.at_ns[row] < window.open_ns:
            return None
        return Carry(int(self.level_e8[row]), self.rate_e8, days, window.tick_e8)


def read_levels(index: Any, rate: Number | None, source: str, tz: str | None) -> IndexLevels | None:
    """An index and its rate, which are given both or neither; None for neither."""
    if index is None and rate is None:
        return None
    if index is None or rate is None:
        missing, beside = ("index", "rate") if index is None else ("rate", "index")
        raise InvalidInput(f"is missing beside {beside}", source=missing, hint="A carry needs both.")
    rate_e8 = to_scaled(rate, 8, source="rate")
    if abs(rate_e8) >= E8:
        raise InvalidInput("is no fraction a year", source="rate", value=str(rate), hint="5 % is 0.05.")
    return IndexLevels(*read_index(read_frame(index, source), tz), rate_e8)
