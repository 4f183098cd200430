"""Daily settlement prices of a CME contract: out of its trades, out of its bars, or given and checked.

Each trade date settles in the window that `cme/settlements.csv` has for it, `[start, end)`; where a day is cut short
the window ends as `reference.sessions` says and keeps its length. The price is the VWAP of the window on the nearest
tick in force (`rules.settlement_price`). It is what the file's own trades make, not the exchange's published price.

Bars hold no single trades. One that lies in the window wholly counts its volume at a third of high + low + close; where
none does, the close of the last bar that ends by the window's end stands in. Nothing else is filled: a trade date
without either is named in the cautions and left out.

Not modelled: tiers that need quotes, spreads or an index (`rules.settlement_price` has them), months that do not lead,
final settlement prices: a contract's last trading day is left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from novation.data.bars import bar_name, read_candles
from novation.data.frames import Frame, read_e8, read_frame, read_stamps
from novation.data.series import Array, frozen
from novation.domain.errors import DataError, InvalidInput, NoRuleInForce
from novation.domain.units import DAY_NS, NS, Number, from_e8, iso, to_e8, to_ns, utc_date
from novation.domain.words import counted
from novation.reference.lookup import Reference
from novation.reference.products import expiry, product_row
from novation.reference.sessions import sessions
from novation.rules.settlement_price import Trade, nearest_tick, weigh

VWAP, CLOSE, GIVEN = "vwap", "close", "given"

_ONE = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)
_NAMED = 5
_DATE_NAMES = ("trade_date", "date")
_PRICE_NAMES = ("settlement", "settle", "price")
_SIZE_NAMES = ("qty", "quantity", "size", "volume", "lots")


@dataclass(frozen=True, eq=False)
class Settlements:
    """Settlement prices by trade date, ascending; all arrays of one length and read-only.

    trade_date: days since 1970-01-01, as in the market's SETTLEMENT event.
    settlement_ns: the end of the window, ns UTC.
    settlement_e8: prices in 1e-8, whole ticks of `tick_e8`, the tick in force.
    settled_by: "vwap", "close" (of the bar that stands in) or "given".
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


def settle_by_trades(
    trades: Any,
    symbol: str,
    *,
    prior: Number | None = None,
    tz: str | None = None,
    reference: Reference | None = None,
) -> Settlements:
    """Settlement prices out of one contract's trades: the VWAP of each window.

    trades: a frame or path with `ts` (or `timestamp` ...), `price` and `qty` (or `size`, `volume`), ascending; several
        may share a stamp. A trade of 0 lots counts for nothing.
    symbol: the contract, "cme:ESZ2013", or the product, "ES", whose last trading days are then not known.
    prior: the settlement before the first, which decides a tie; without it the first price given stands for it.
    tz: IANA zone of naive stamps.

    Raises DataError; NoRuleInForce where no table reaches a trade date.

    >>> trades = pl.DataFrame({"ts": ["2024-03-05T20:59:40Z", "2024-03-05T20:59:41Z", "2024-03-05T20:59:59Z"],
    ...                        "price": [5000.25, 5000.50, 5000.75], "qty": [10, 30, 20]})
    >>> found = settle_by_trades(trades, "ES")
    >>> found.settlement_e8.tolist(), found.settled_by
    ([500050000000], ('vwap',))
    """
    frame = read_frame(trades, f"{symbol} trades")
    _check_one_contract(frame)
    stamps, _, _ = read_stamps(frame, tz, repeats=True)
    prices = read_e8(frame, frame.column("price"))
    lots = _read_lots(frame, frame.column(*_SIZE_NAMES))
    product = _Product(symbol, int(stamps[0]), reference)
    run = _Run(frame, product, _e8_of(prior, prices[0]), prior is None)
    for window in product.windows(int(stamps[0]), int(stamps[-1])):
        if not run.reached(window, int(stamps[0]), int(stamps[-1]) + 1):
            continue
        rows = slice(*np.searchsorted(stamps, (window.start_ns, window.end_ns)).tolist())
        if not run.settle_by_vwap(window, rows, {"price": prices}, lots):
            run.without(window)
    return run.result()


def settle_by_bars(
    bars: Any,
    symbol: str,
    *,
    prior: Number | None = None,
    stamp: Literal["open", "close"] = "open",
    tz: str | None = None,
    bar: str | None = None,
    reference: Reference | None = None,
) -> Settlements:
    """Settlement prices out of one contract's bars: the VWAP of those inside each window, else a close that stands in.

    bars: a frame or path with `ts`, `open`, `high`, `low`, `close`, `volume`, shorter than a day. The bar that stands
        in traded, and lies in the trade date's own sessions.
    symbol, prior, tz: as in `settle_by_trades`. stamp, bar: as in `History`.

    >>> bars = pl.DataFrame({"ts": ["2024-03-05T20:58:00Z", "2024-03-05T20:59:00Z"], "open": [5000.0, 5000.5],
    ...                      "high": [5001.0, 5000.75], "low": [5000.0, 5000.25], "close": [5000.5, 5000.75],
    ...                      "volume": [10, 20]})
    >>> found = settle_by_bars(bars, "ES")
    >>> found.settlement_e8.tolist(), found.settled_by
    ([500075000000], ('close',))
    """
    frame = read_frame(bars, f"{symbol} bars")
    _check_one_contract(frame)
    candles = read_candles(frame, stamp=stamp, tz=tz, bar=bar, positive=False)
    if candles.step_ns >= DAY_NS:
        frame.fail(
            f"bars of {bar_name(candles.step_ns)} do not show the settlement window",
            hint="Give shorter bars, or the settlement prices themselves.",
        )
    opened, high, low, close = candles.prices_e8
    lots = _read_lots(frame, frame.column("volume", "vol"))
    starts, ends, traded = candles.start_ns, candles.end_ns, np.flatnonzero(lots)
    first, last = int(starts[0]), int(ends[-1])
    product = _Product(symbol, first, reference)
    run = _Run(frame, product, _e8_of(prior, opened[0]), prior is None)
    for window in product.windows(first, last):
        if not run.reached(window, first, last):
            continue
        rows = slice(
            int(np.searchsorted(starts, window.start_ns)), int(np.searchsorted(ends, window.end_ns, side="right"))
        )
        if run.settle_by_vwap(window, rows, {"high": high, "low": low, "close": close}, lots):
            continue
        earlier = int(np.searchsorted(traded, rows.stop))
        before = int(traded[earlier - 1]) if earlier else -1
        if earlier and starts[before] >= window.open_ns:
            run.settle_by_close(window, before, int(close[before]), int(ends[before]))
        else:
            run.without(window)
    return run.result()


def check_settlements(given: Any, symbol: str, *, reference: Reference | None = None) -> Settlements:
    """Settlement prices handed in: one a trade date, ascending, whole ticks, and no date that is no trade date.

    given: a frame or path with `trade_date` (dates, ISO text or integers such as 20240305) and `settlement` (or
        `settle`, `price`). Nothing is filled; trade dates missing in between are counted in the cautions.

    >>> check_settlements(pl.DataFrame({"trade_date": [20200420], "settlement": [-37.63]}), "CLK2020").settlement_e8
    array([-3763000000])
    """
    frame = read_frame(given, f"{symbol} settlement")
    _check_one_contract(frame)
    days = _read_dates(frame, frame.column(*_DATE_NAMES))
    name = frame.column(*_PRICE_NAMES)
    prices = read_e8(frame, name)
    product = _Product(symbol, to_ns(days[0]), reference)
    ends = product.settled(days[0], days[-1])
    ticks = []
    for row, (day, price) in enumerate(zip(days, prices.tolist(), strict=True)):
        if product.last_day is not None and day > product.last_day:
            frame.fail(f"{day} comes after the last trading day of {symbol}, {product.last_day}", row=row)
        if day not in ends:
            hint = "Correct the date or drop the row."
            frame.fail(f"{day} ({day:%A}) is no trade date of {product.root}", row=row, hint=hint)
        ticks.append(product.tick_e8(ends[day]))
        _check_grid(frame, name, row, price, ticks[-1], final=day == product.last_day)
    absent = [day for day in ends if days[0] <= day <= days[-1] and day not in set(days)]
    cautions = (f"no settlement price given for {_listed(absent)}",) if absent else ()
    return Settlements(
        trade_date=np.array([(day - _EPOCH).days for day in days]),
        settlement_ns=np.array([ends[day] for day in days]),
        settlement_e8=prices,
        tick_e8=np.array(ticks),
        settled_by=(GIVEN,) * len(days),
        cautions=cautions,
    )


# ---------------------------------------------------------------- where windows are


class _Window(NamedTuple):
    """One trade date: where its first session opens, and its settlement window [start_ns, end_ns)."""

    day: dt.date
    open_ns: int
    start_ns: int
    end_ns: int
    tick_e8: int


class _Product:
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

    def windows(self, first_ns: int, last_ns: int) -> Iterator[_Window]:
        """Trade dates that have begun by `last_ns` and whose windows end after `first_ns`."""
        opened: dict[dt.date, int] = {}
        # a session closes on the UTC day of each of its instants or on the next one
        for session in sessions(self.reference, self.root, utc_date(first_ns), utc_date(last_ns) + _ONE):
            open_ns = opened.setdefault(session.trade_date, session.open_ns)
            end_ns = session.settlement_ns
            if end_ns is not None and first_ns < end_ns and open_ns <= last_ns:
                start_ns = end_ns - self._length_ns(session.day)
                yield _Window(session.trade_date, open_ns, start_ns, end_ns, self.tick_e8(end_ns))

    def settled(self, first: dt.date, last: dt.date) -> dict[dt.date, int]:
        """Trade dates of a range of days, each with the end of its window."""
        found = sessions(self.reference, self.root, first, last)
        return {one.trade_date: one.settlement_ns for one in found if one.settlement_ns is not None}

    def tick_e8(self, at_ns: int) -> int:
        """The tick in force."""
        return to_e8(self._rule("cme/contracts", at_ns)["tick_points"])

    def _length_ns(self, day: dt.date) -> int:
        row = self._rule("cme/settlements", to_ns(day))
        start, end = (dt.datetime.combine(day, dt.time.fromisoformat(row[name])) for name in ("start", "end"))
        return round((end - start).total_seconds()) * NS

    def _rule(self, table: str, at_ns: int) -> Any:
        rule = self.reference.rule(table, self.root, at_ns)
        if rule is None:
            known = self.reference.known(table, self.root) or f"it has no row of {self.root}"
            raise NoRuleInForce(table, self.root, iso(at_ns), known=known, hint="Add rows in a folder of your own.")
        if rule.assumption:
            self.assumed[f"assumed in {table} {self.root}: {rule.assumption}"] = None
        return rule.row


# ---------------------------------------------------------------- one file, settled


class _Run:
    """The settlement prices of one file as they are found, and what must be said of them."""

    def __init__(self, frame: Frame, product: _Product, prior_e8: int, prior_assumed: bool) -> None:
        self.frame, self.product, self.prior_e8, self.prior_assumed = frame, product, prior_e8, prior_assumed
        self.found: list[tuple[_Window, int, str]] = []
        self.empty: list[dt.date] = []
        self.partly: list[dt.date] = []
        self.final: list[dt.date] = []
        self.stood_in: list[tuple[int, dt.date]] = []
        self.whole_bars = 0
        self.notes: list[str] = []

    def reached(self, window: _Window, first_ns: int, until_ns: int) -> bool:
        """Whether the file, which covers [first_ns, until_ns), has something of a window that is to be settled."""
        if self.product.last_day is not None and window.day >= self.product.last_day:
            self.final.append(window.day)
            return False
        if until_ns <= window.start_ns:
            self.notes.append(f"{self.frame.source}: ends before the settlement window of {window.day}, not settled")
            return False
        if window.start_ns < first_ns or until_ns < window.end_ns:
            self.partly.append(window.day)
        return True

    def settle_by_vwap(self, window: _Window, rows: slice, prices_e8: dict[str, Array], lots: Array) -> bool:
        """Settle a window by its rows, if a lot of it traded; a row's price is the mean of those of its columns."""
        traded = rows.start + np.flatnonzero(lots[rows])
        if not len(traded):
            return False
        for name, column in prices_e8.items():
            off = traded[column[traded] % window.tick_e8 != 0]
            if len(off):
                _check_grid(self.frame, name, int(off[0]), int(column[off[0]]), window.tick_e8)
        ticks = sum(column[traded] // window.tick_e8 for column in prices_e8.values())
        total, count = weigh(map(Trade, ticks.tolist(), lots[traded].tolist()))
        self.whole_bars += len(prices_e8) > 1
        self._add(window, total, count * len(prices_e8), VWAP)
        return True

    def settle_by_close(self, window: _Window, row: int, close_e8: int, end_ns: int) -> None:
        """Settle a window by the close of an earlier bar."""
        _check_grid(self.frame, "close", row, close_e8, window.tick_e8)
        self.stood_in.append((window.end_ns - end_ns, window.day))
        self._add(window, close_e8 // window.tick_e8, 1, CLOSE)

    def without(self, window: _Window) -> None:
        """No price of a window."""
        self.empty.append(window.day)

    def _add(self, window: _Window, total: int, count: int, by: str) -> None:
        # A prior of a finer grid than today's may lie between two ticks; floor makes such a tie go down.
        ticks = nearest_tick(total, count, self.prior_e8 // window.tick_e8)
        if self.prior_assumed and not self.found and 2 * (total % count) == count:
            self.notes.append(
                f"the settlement before {window.day} is not given: "
                f"the first price, {_price(self.prior_e8)}, decides a tie"
            )
        self.prior_e8 = ticks * window.tick_e8
        self.found.append((window, self.prior_e8, by))

    def result(self) -> Settlements:
        """All that was found; refuse a file that settles nothing."""
        cautions = ["settlement prices are formed from the prices given, not published by the exchange", *self.notes]
        if self.whole_bars:
            cautions.append(
                f"{counted(self.whole_bars, 'trade date')} settled by bars inside the window: "
                "each bar's volume counts at a third of high + low + close"
            )
        if self.stood_in:
            gap, day = max(self.stood_in)
            longest = f", the earliest {gap // NS:,} s before it ({day})" if gap else ""
            cautions.append(
                "the close of the bar before the settlement window's end stands in for the window's VWAP "
                f"({counted(len(self.stood_in), 'trade date')}{longest})"
            )
        if self.partly:
            cautions.append(
                f"{self.frame.source}: begins or ends inside the settlement window of {_listed(self.partly)}"
            )
        if self.final:
            cautions.append(
                f"{_listed(self.final)} not settled: the last trading day of {self.product.symbol} is "
                f"{self.product.last_day}, and its final settlement price is formed otherwise"
            )
        if self.empty:
            cautions.append(
                f"no price in the settlement window of {_listed(self.empty)}: not settled, nothing is filled"
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
            trade_date=np.array([(window.day - _EPOCH).days for window in windows]),
            settlement_ns=np.array([window.end_ns for window in windows]),
            settlement_e8=np.array([price for _, price, _ in self.found]),
            tick_e8=np.array([window.tick_e8 for window in windows]),
            settled_by=tuple(by for _, _, by in self.found),
            cautions=tuple(cautions),
        )


# ---------------------------------------------------------------- reading


def _check_one_contract(frame: Frame) -> None:
    name = frame.find("expiry", "contract")
    if name is None:
        return
    months = frame.data[name].unique(maintain_order=True)
    if len(months) > 1:
        row = int(np.flatnonzero((frame.data[name] != months[0]).fill_null(True).to_numpy())[0])
        frame.fail(
            f"holds several contracts in column {name!r}",
            row=row,
            value=months[1],
            hint=f"Keep one: filter {name} == {months[0]!r}.",
        )


def _read_lots(frame: Frame, name: str) -> Array:
    """A column of sizes: whole contracts, none negative."""
    column = frame.data[name]
    if not column.dtype.is_numeric():
        frame.fail(f"column {name!r} is of type {column.dtype}, not numbers", row=0, value=column[0])
    if column.null_count():
        frame.fail(f"{name} is missing", row=int(np.flatnonzero(column.is_null().to_numpy())[0]), hint="Drop the row.")
    values = column.cast(pl.Float64).to_numpy()
    wrong = ~((values >= 0) & (values == np.rint(values)) & (values < 1 << 53))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        frame.fail(f"{name} is no number of contracts", row=row, value=column[row], hint="Sizes are whole, from 0 up.")
    return values.astype(np.int64)


def _read_dates(frame: Frame, name: str) -> list[dt.date]:
    """A column of trade dates, ascending, each once."""
    days: list[dt.date] = []
    for row, item in enumerate(frame.data[name].to_list()):
        try:
            day = item.date() if isinstance(item, dt.datetime) else item
            day = day if isinstance(day, dt.date) else dt.date.fromisoformat(str(day))
        except ValueError:
            frame.fail(f"{name} is no date", row=row, value=item, hint="Write 2024-03-05 or 20240305.")
        if days and day == days[-1]:
            frame.fail(f"{name} {day} repeats the row before", row=row, hint="Keep one settlement a trade date.")
        if days and day < days[-1]:
            frame.fail(f"{name} {day} comes after {days[-1]}", row=row, hint=f"Sort the rows by {name}.")
        days.append(day)
    return days


def _check_grid(frame: Frame, name: str, row: int, price_e8: int, tick_e8: int, *, final: bool = False) -> None:
    if price_e8 % tick_e8 == 0:
        return
    hint = "Correct it or drop the row."
    if final:
        hint = "It is the last trading day: leave a final settlement price that lies off the grid out."
    frame.fail(
        f"{name} is no multiple of the tick in force, {_price(tick_e8)}", row=row, value=_price(price_e8), hint=hint
    )


def _e8_of(prior: Number | None, first_e8: int) -> int:
    return int(first_e8) if prior is None else to_e8(prior)


def _price(price_e8: int) -> str:
    return f"{from_e8(price_e8).normalize():f}"


def _listed(days: list[dt.date]) -> str:
    named = ", ".join(map(str, days[:_NAMED]))
    return f"{counted(len(days), 'trade date')} ({named}{', ...' if len(days) > _NAMED else ''})"
