"""Daily settlement prices of a CME contract: out of its trades, out of its bars, or given and checked.

Each trade date settles in the window that `cme/settlements.csv` has for it, `[start, end)`; where a day is cut short
the window ends as `reference.sessions` says and keeps its length. The price is the VWAP of the window on the nearest
tick in force (`rules.settlement_price`). It is what the file's own trades make, not the exchange's published price.

Where nothing traded in the window, the product's further tiers (`reference.settlement_rows`) settle out of `quotes` and
`index`, if they are given: no file of trades alone shows a bid, an ask or the cash index (`data.settlement_quotes`).

Bars hold no single trades. One that lies in the window wholly counts its volume at a third of high + low + close; where
none does and no further tier gives a price, the close of the last bar that ends by the window's end stands in. Nothing
else is filled: a trade date without any is named in the cautions and left out. Nor is one settled at whose window the
trades or bars have ended: whether it traded is then not known, whatever its quotes are.

Not modelled: months that do not lead and the spreads they settle by, a micro's copy of its mini's price, final
settlement prices: a contract's last trading day is left out.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from novation.data.bars import bar_name, read_candles
from novation.data.frames import read_e8, read_frame, read_stamps
from novation.data.settlement_columns import check_grid, one_contract, read_dates, read_lots
from novation.data.settlement_days import GIVEN, Beyond, Rows, Run, Settlements, listed
from novation.data.settlement_quotes import read_levels, read_quotes
from novation.data.settlement_windows import Product
from novation.domain.units import DAY_NS, Number, day_number, to_e8, to_ns
from novation.reference.lookup import Reference

__all__ = ["Settlements", "check_settlements", "settle_by_bars", "settle_by_trades"]

_DATE_NAMES = ("trade_date", "date")
_PRICE_NAMES = ("settlement", "settle", "price")
_SIZE_NAMES = ("qty", "quantity", "size", "volume", "lots")


def settle_by_trades(
    trades: Any,
    symbol: str,
    *,
    prior: Number | None = None,
    tz: str | None = None,
    quotes: Any = None,
    index: Any = None,
    rate: Number | None = None,
    reference: Reference | None = None,
) -> Settlements:
    """Settlement prices out of one contract's trades: the VWAP of each window, else what quotes and an index say.

    trades: a frame or path with `ts` (or `timestamp` ...), `price` and `qty` (or `size`, `volume`), ascending; several
        may share a stamp. A trade of 0 lots counts for nothing.
    symbol: the contract, "cme:ESZ2013", or the product, "ES", whose last trading days are then not known.
    prior: the settlement before the first, which decides a tie; without it the first price given stands for it.
    tz: IANA zone of naive stamps.
    quotes: a frame or path of the same contract's best `bid` and `ask` by `ts`, or bars of quotes, stamped at their
        open, with `bid_close`, `ask_close`, `bid_low`, `ask_high`; `bid_size`, `ask_size` if there are. A side that is
        missing or of size 0 is no quote. For index futures, Treasuries and metals.
    index, rate: of an index future, a frame of `ts` and `index` (or `price`, `close`), each level known at its stamp,
        and a fraction a year, less dividends if those are to count: the carry to the contract's last trading day.

    Raises DataError; NoRuleInForce where no table reaches a trade date.

    >>> import polars as pl
    >>> trades = pl.DataFrame({"ts": ["2024-03-05T20:59:40Z", "2024-03-05T20:59:41Z", "2024-03-05T20:59:59Z"],
    ...                        "price": [5000.25, 5000.50, 5000.75], "qty": [10, 30, 20]})
    >>> found = settle_by_trades(trades, "ES")
    >>> found.settlement_e8.tolist(), found.settled_by
    ([500050000000], ('vwap',))

    Two days later nothing trades in the window; 5000.125 goes to the tick nearer the settlement before:

    >>> later = pl.DataFrame({"ts": ["2024-03-07T20:00:00Z", "2024-03-07T21:00:00Z"], "price": [4999.0, 5001.0],
    ...                       "qty": [1, 1]})
    >>> quotes = pl.DataFrame({"ts": ["2024-03-07T20:59:40Z"], "bid": [5000.00], "ask": [5000.25]})
    >>> found = settle_by_trades(later, "ES", prior=5000.50, quotes=quotes)
    >>> found.settlement_e8.tolist(), found.settled_by
    ([500025000000], ('midpoint',))
    """
    frame = read_frame(trades, f"{symbol} trades")
    month = one_contract(frame)
    stamps, _, _ = read_stamps(frame, tz, repeats=True)
    prices = read_e8(frame, frame.column("price"))
    lots = read_lots(frame, frame.column(*_SIZE_NAMES))
    beyond = Beyond(
        None if quotes is None else read_quotes(quotes, f"{symbol} quotes", tz=tz, contract=month),
        read_levels(index, rate, f"{symbol} index", tz),
    )
    rows = Rows(frame, stamps, stamps, {"price": prices}, lots)
    product = Product(symbol, int(stamps[0]), reference)
    return Run(rows, product, _e8_of(prior, prices[0]), prior is None, beyond).settle(stand_in=False)


def settle_by_bars(
    bars: Any,
    symbol: str,
    *,
    prior: Number | None = None,
    stamp: Literal["open", "close"] = "open",
    tz: str | None = None,
    bar: str | None = None,
    quotes: Any = None,
    index: Any = None,
    rate: Number | None = None,
    reference: Reference | None = None,
) -> Settlements:
    """Settlement prices out of one contract's bars: the VWAP of those inside each window, else what quotes and an index
    say, else a close that stands in.

    bars: a frame or path with `ts`, `open`, `high`, `low`, `close`, `volume`, shorter than a day. The bar that stands
        in traded, and lies in the trade date's own sessions.
    symbol, prior, tz, quotes, index, rate: as in `settle_by_trades`. Bars longer than the window show no trade in it,
        so that quotes settle it although it may have traded.
    stamp, bar: as in `History`; `stamp` is also that of bars of quotes, whose length is their own.

    >>> import polars as pl
    >>> bars = pl.DataFrame({"ts": ["2024-03-05T20:58:00Z", "2024-03-05T20:59:00Z"], "open": [5000.0, 5000.5],
    ...                      "high": [5001.0, 5000.75], "low": [5000.0, 5000.25], "close": [5000.5, 5000.75],
    ...                      "volume": [10, 20]})
    >>> found = settle_by_bars(bars, "ES")
    >>> found.settlement_e8.tolist(), found.settled_by
    ([500075000000], ('close',))
    """
    frame = read_frame(bars, f"{symbol} bars")
    month = one_contract(frame)
    candles = read_candles(frame, stamp=stamp, tz=tz, bar=bar, positive=False)
    if candles.step_ns >= DAY_NS:
        frame.fail(
            f"bars of {bar_name(candles.step_ns)} do not show the settlement window",
            hint="Give shorter bars, or the settlement prices themselves.",
        )
    opened, high, low, close = candles.prices_e8
    lots = read_lots(frame, frame.column("volume", "vol"))
    beyond = Beyond(
        None if quotes is None else read_quotes(quotes, f"{symbol} quotes", tz=tz, stamp=stamp, contract=month),
        read_levels(index, rate, f"{symbol} index", tz),
    )
    rows = Rows(frame, candles.start_ns, candles.end_ns, {"high": high, "low": low, "close": close}, lots)
    product = Product(symbol, int(candles.start_ns[0]), reference)
    return Run(rows, product, _e8_of(prior, opened[0]), prior is None, beyond).settle(stand_in=True)


def check_settlements(given: Any, symbol: str, *, reference: Reference | None = None) -> Settlements:
    """Settlement prices handed in: one a trade date, ascending, whole ticks, and no date that is no trade date.

    given: a frame or path with `trade_date` (dates, ISO text or integers such as 20240305) and `settlement` (or
        `settle`, `price`). Nothing is filled; trade dates missing in between are counted in the cautions.

    >>> import polars as pl
    >>> check_settlements(pl.DataFrame({"trade_date": [20200420], "settlement": [-37.63]}), "CLK2020").settlement_e8
    array([-3763000000])
    """
    frame = read_frame(given, f"{symbol} settlement")
    one_contract(frame)
    days = read_dates(frame, frame.column(*_DATE_NAMES))
    name = frame.column(*_PRICE_NAMES)
    prices = read_e8(frame, name)
    product = Product(symbol, to_ns(days[0]), reference)
    ends = product.settled(days[0], days[-1])
    ticks = []
    for row, (day, price) in enumerate(zip(days, prices.tolist(), strict=True)):
        if product.last_day is not None and day > product.last_day:
            frame.fail(f"{day} comes after the last trading day of {symbol}, {product.last_day}", row=row)
        if day not in ends:
            hint = "Correct the date or drop the row."
            frame.fail(f"{day} ({day:%A}) is no trade date of {product.root}", row=row, hint=hint)
        ticks.append(product.tick_e8(ends[day]))
        check_grid(frame, name, row, price, ticks[-1], final=day == product.last_day)
    absent = [day for day in ends if days[0] <= day <= days[-1] and day not in set(days)]
    cautions = (f"no settlement price given for {listed(absent)}",) if absent else ()
    return Settlements(
        trade_date=np.array([day_number(day) for day in days]),
        settlement_ns=np.array([ends[day] for day in days]),
        settlement_e8=prices,
        tick_e8=np.array(ticks),
        settled_by=(GIVEN,) * len(days),
        cautions=cautions,
    )


def _e8_of(prior: Number | None, first_e8: int) -> int:
    return int(first_e8) if prior is None else to_e8(prior)
