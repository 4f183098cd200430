"""One instrument's history as a user hands it in, and how it becomes what the exchange reads.

Three frames: last prices, mark prices, funding. Each is a pandas or polars DataFrame, a pyarrow Table, or a
path to a Parquet or CSV file. Nothing is read before `prepare`, which alone knows the instrument and the
period.

Not modelled: an index price of a perpetual, and funding intervals other than the given stamps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import polars as pl

from novation.data.bars import (
    Candles,
    bar_length,
    bar_name,
    daily_closes,
    gap_caution,
    gap_frame,
    period_text,
    read_candles,
    weekday_gaps,
)
from novation.data.frames import Frame, kind_of, read_e8, read_frame, read_index, read_list, read_stamps, volumes
from novation.data.series import Array, Bars, Earlier, Prepared, known_before
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, E8, HOUR_NS, Number, from_e8, iso, to_scaled
from novation.domain.words import counted

_NONE: Array = np.zeros(0, dtype=np.int64)
_INTERVAL_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_TOO_MUCH = "the rate is beyond 100 % of the position's value"
_FRACTION = "A rate is a fraction per interval, e.g. 0.0001."


class History:
    """Bars of last and mark prices and funding of one instrument.

    last, mark: columns `ts` (or `timestamp`, `date`, `open_time`, or a pandas DatetimeIndex), `open`, `high`,
        `low`, `close`; without a mark the last price stands in for it. Further columns reach the strategy at
        the bar's close.
    funding: a frame of `ts` and `funding_rate` (or `rate`), a fraction per interval; or a number, constant at
        the multiples of `funding_interval_hours` from midnight UTC; 0 states that it is free. Further columns
        reach the strategy from their stamp on.
    settlement: a frame of `ts` and `settlement` (or `price`, `close`) for a daily settled future; without it
        the last close of each day in the data's own clock stands in.
    settle: "window": settlement prices of a CME contract are made of the intraday bars themselves, in the product's
        settlement window of each trade date (`data.settlements`; needs `volume`); else "close".
    quotes, rate: with settle "window", best bids and asks of the contract and a yearly rate, for the exchange's further
        tiers where nothing traded in a window (`data.settlements`); with a rate the index is carried to the last day.
    delivery: the price a quarterly was delivered at, or a dated future finally settled at, as the exchange publishes
        it; without it the mark stands in.
    index: of an equity index future, a frame of `ts` and `index` (or `price`): the cash index, each value known at its
        stamp. Price limits are as wide as a share of it, and halts of the cash market follow it
        (docs/rules/market_states.md).
    stamp: whether a bar's `ts` is its open or its close.
    tz: IANA zone of naive stamps.
    bar: bar length such as "1h", else the smallest step.
    missing_mark: what becomes of a funding stamp at which no mark bar opens: "error", or "count": it is not
        paid, and reported.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"ts": [1577836800, 1577840400], "open": [1.0, 2.0], "high": [2.0, 3.0],
    ...                       "low": [1.0, 2.0], "close": [2.0, 2.5]})
    >>> prepared = History(frame, funding=0).prepare("BTCUSDT", perpetual=True, daily_settled=False)
    >>> prepared.bars.close_e8.tolist()
    [200000000, 250000000]
    """

    def __init__(
        self,
        last: Any,
        mark: Any = None,
        funding: Any = None,
        *,
        settlement: Any = None,
        settle: Literal["close", "window"] = "close",
        delivery: Number | None = None,
        index: Any = None,
        quotes: Any = None,
        rate: Number | None = None,
        stamp: Literal["open", "close"] = "open",
        tz: str | None = None,
        bar: str | None = None,
        funding_interval_hours: int = 8,
        missing_mark: Literal["error", "count"] = "error",
    ) -> None:
        _choice("stamp", stamp, ("open", "close"))
        _choice("settle", settle, ("close", "window"))
        if settle == "window" and settlement is not None:
            raise DataError("settlement is given", source="settle", value=settle, hint="Leave one of the two out.")
        for name, further in (("quotes", quotes), ("rate", rate)):
            if further is not None and settle != "window":
                raise DataError('is used with settle="window" alone', source=name, hint="Leave it out, or add settle.")
        _choice("missing_mark", missing_mark, ("error", "count"))
        if bar is not None:
            bar_length(bar)
        if isinstance(funding_interval_hours, bool) or funding_interval_hours not in _INTERVAL_HOURS:
            raise DataError(
                "must divide a day into whole hours",
                source="funding_interval_hours",
                value=funding_interval_hours,
            )
        #: Cautions about where the data is from, put before those of `prepare`.
        self.notes: tuple[str, ...] = ()
        self._kind = kind_of(last, "last")
        for name, given in (
            ("mark", mark),
            ("settlement", settlement),
            ("index", index),
            ("quotes", quotes),
        ):
            if given is not None:
                kind_of(given, name)
        if funding is not None and not _is_number(funding):
            kind_of(funding, "funding")
        self.last, self.mark, self.funding, self.settlement = last, mark, funding, settlement
        self.index, self.quotes, self.rate = index, quotes, rate
        self.delivery_e8 = 0 if delivery is None else to_scaled(delivery, 8, source="delivery")
        if delivery is not None and (self.delivery_e8 == 0 or abs(self.delivery_e8) >= 1 << 50):
            raise DataError("is no price that can be settled at", source="delivery", value=str(delivery))
        self.settle = settle
        self.stamp, self.tz, self.bar = stamp, tz, bar
        self.funding_interval_hours, self.missing_mark = funding_interval_hours, missing_mark

    def settled_at(self, settlement: Any, notes: Iterable[str]) -> History:
        """The same history with settlement prices, and what is to be said of them."""
        other = copy.copy(self)
        other.settlement, other.settle, other.notes = settlement, "close", (*self.notes, *notes)
        return other

    @property
    def kind(self) -> str:
        """The kind of frame that results return in: "pandas", "polars" or "arrow" (a path: polars)."""
        return "polars" if self._kind == "path" else self._kind

    def __repr__(self) -> str:
        def named(given: Any) -> str:
            plain = given is None or _is_number(given) or isinstance(given, str)
            return repr(given) if plain else f"<{self.kind}>"

        return f"History({named(self.last)}, mark={named(self.mark)}, funding={named(self.funding)})"

    def prepare(
        self,
        symbol: str,
        *,
        perpetual: bool,
        daily_settled: bool,
        spot: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Prepared:
        """Check everything, cut it to [start_ns, end_ns) and to where mark prices exist.

        Raises DataError: a frame that is wrong, no bar in the period, a period outside the data, a perpetual
        without funding, a funding stamp without a mark bar.
        """
        self._check_funding(symbol, perpetual, spot)
        last = self._candles(self.last, f"{symbol} last", perpetual or spot)
        mark = None if self.mark is None else self._candles(self.mark, f"{symbol} mark", perpetual)
        cautions = list(self.notes)
        keep = _period(last, start_ns, end_ns)
        if mark is None:
            marks, stood_in = last.prices_e8, last
            if not spot:
                cautions.append("no mark prices given: the last price stands in for the mark")
        else:
            marks, stood_in = _aligned(last, mark), mark
            keep = _cut_to_mark(last, mark, keep, cautions)
        extra = _extra(last, mark)
        funding = _NONE, _NONE, _NONE
        first, until = int(last.start_ns[keep.start]), int(last.end_ns[keep.stop - 1])
        if self.funding is not None and not _is_number(self.funding):
            funding_frame = read_frame(self.funding, f"{symbol} funding")
            stamps, _, name = read_stamps(funding_frame, self.tz)
            rate_name = funding_frame.column("funding_rate", "rate")
            rates = read_e8(funding_frame, rate_name)
            _check_rates(funding_frame, rates)
            _join_funding_columns(extra, funding_frame, stamps, last.end_ns, (name, rate_name))
            _check_coverage(stamps, first, until, cautions)
            funding = self._funding(funding_frame.source, stamps, rates, stood_in, first, until, cautions)
        elif perpetual:
            funding = self._constant_funding(symbol, stood_in, first, until, cautions)
        settled = self._settled(symbol, last, daily_settled, cautions)
        settled_inside = (settled[0] > first) & (settled[0] <= until)
        bars = Bars.of(last.start_ns, last.end_ns, last.prices_e8, marks, extra).cut(keep)
        unmarked = int((bars.mark_close_e8 == 0).sum()) if mark is not None else 0
        if unmarked:
            cautions.append(f"{counted(unmarked, 'bar')} without a mark price: margin is tested at the mark before")
        # Dated futures rest at weekends; a perpetual does not, nor does spot.
        daily = not (perpetual or spot) and last.step_ns == DAY_NS
        gaps = weekday_gaps(bars) if daily else gap_frame(bars.start_ns, bars.end_ns, last.step_ns)
        if gaps.height:
            cautions.append(gap_caution(gaps, last.step_ns))
        index = self._index(symbol, daily_settled, until)
        asked = daily_settled and last.step_ns <= HOUR_NS  # of longer bars nobody asks (`data.market_states`)
        prior = self._prior(last, settled, first) if asked else (_NONE,) * 4
        return Prepared(
            bars,
            *funding,
            settled[0][settled_inside],
            settled[1][settled_inside],
            tuple(cautions),
            gaps,
            delivery_e8=self.delivery_e8,
            index_ns=index[0],
            index_e8=index[1],
            prior_ns=prior[0],
            prior_e8=prior[1],
            prior_settlement_ns=prior[2],
            prior_settlement_e8=prior[3],
            earlier=_earlier(last, keep.start),
        )

    # ------------------------------------------------------------ parts of `prepare`

    def _candles(self, given: Any, source: str, perpetual: bool) -> Candles:
        return read_candles(read_frame(given, source), stamp=self.stamp, tz=self.tz, bar=self.bar, positive=perpetual)

    def _check_funding(self, symbol: str, perpetual: bool, spot: bool) -> None:
        if spot:
            free = _is_number(self.funding) and self.funding == 0
            for name, given in (("mark", self.mark), ("funding", None if free else self.funding)):
                if given is not None:
                    why = "is worth its last price" if name == "mark" else "pays none"
                    raise DataError(f"{name} given for spot, which {why}", source=symbol, hint=f"Leave {name} out.")
            if self.delivery_e8:
                raise DataError(
                    "delivery given for spot, which ends at none", source=symbol, hint="Leave delivery out."
                )
            return
        if perpetual and self.funding is None:
            raise DataError(
                "no funding given for a perpetual",
                source=symbol,
                hint="Pass funding=<frame>, funding=0.0001 (constant per interval) or funding=0 to state "
                "that it is free.",
            )
        free = _is_number(self.funding) and self.funding == 0
        if not perpetual and self.funding is not None and not free:
            raise DataError(
                "funding given for a dated future, which has none", source=symbol, hint="Leave funding out."
            )

    def _constant_funding(
        self, symbol: str, mark: Candles, first: int, until: int, cautions: list[str]
    ) -> tuple[Array, Array, Array]:
        rate = to_scaled(self.funding, 8, source=f"{symbol} funding")
        if abs(rate) > E8:
            raise DataError(_TOO_MUCH, source=f"{symbol} funding", value=self.funding, hint=_FRACTION)
        if rate == 0:
            cautions.append("funding stated to be free")
            return _NONE, _NONE, _NONE
        hours = self.funding_interval_hours
        cautions.append(f"funding stated to be a constant {from_e8(rate).normalize():f} per {hours} h")
        interval = hours * HOUR_NS
        stamps = np.arange(-(-first // interval) * interval, until, interval, dtype=np.int64)
        return self._funding(f"{symbol} funding", stamps, np.full(len(stamps), rate), mark, first, until, cautions)

    def _funding(
        self,
        source: str,
        stamps: Array,
        rates: Array,
        mark: Candles,
        first: int,
        until: int,
        cautions: list[str],
    ) -> tuple[Array, Array, Array]:
        """The stamps in [first, until) that are paid, with the open of the mark bar that opens at each."""
        rows = np.flatnonzero((stamps >= first) & (stamps < until))
        at = np.minimum(np.searchsorted(mark.start_ns, stamps[rows]), len(mark.start_ns) - 1)
        found = mark.start_ns[at] == stamps[rows]
        if not found.all():
            row = int(rows[np.flatnonzero(~found)[0]])
            if self.missing_mark == "error":
                raise DataError(
                    f"no mark bar opens at the funding stamp {iso(stamps[row])}",
                    source=source,
                    where=f"row {row + 1:,}",
                    hint='Give mark bars that open at every stamp, or pass missing_mark="count" '
                    "to leave such stamps unpaid.",
                )
            cautions.append(
                f"{counted(int((~found).sum()), 'funding stamp')} of {len(rows):,} not paid: no mark bar opens "
                f"there (first {iso(stamps[row])})"
            )
        return stamps[rows][found], rates[rows][found], mark.prices_e8[0][at][found]

    def _settled(self, symbol: str, last: Candles, daily_settled: bool, cautions: list[str]) -> tuple[Array, Array]:
        """Settlement instants and prices, also outside the period: those given, else the closes of days."""
        if not daily_settled:
            if self.settlement is not None:
                raise DataError(
                    "settlement given for an instrument that is not settled daily",
                    source=symbol,
                    hint="Leave settlement out.",
                )
            return _NONE, _NONE
        if self.settlement is None:
            cautions.append(
                f"daily settlement is the last given close of each day in the data's own clock "
                f"({last.zone}), not the exchange's settlement price"
            )
            return daily_closes(last)
        frame = read_frame(self.settlement, f"{symbol} settlement")
        stamps, _, _ = read_stamps(frame, self.tz)
        return stamps, read_e8(frame, frame.column("settlement", "settle", "price", "close"))

    def _prior(self, last: Candles, settled: tuple[Array, Array], first: int) -> tuple[Array, Array, Array, Array]:
        """Bars and given settlements of the days before the first bar."""
        bars = known_before(last.end_ns, last.prices_e8[3], first)
        if self.settlement is None:
            return (*bars, _NONE, _NONE)
        return (*bars, *known_before(*settled, first))

    def _index(self, symbol: str, daily_settled: bool, until: int) -> tuple[Array, Array]:
        """Instants of the cash index up to the end, those before the first bar too: yesterday's close is among them."""
        if self.index is None:
            return _NONE, _NONE
        if not daily_settled:
            raise DataError(
                "index given for an instrument without price limits", source=symbol, hint="Leave index out."
            )
        stamps, values = read_index(read_frame(self.index, f"{symbol} index"), self.tz)
        return stamps[stamps <= until], values[stamps <= until]


def _earlier(last: Candles, first: int) -> Earlier:
    """The bars before a row."""
    volume = volumes(last.rest["volume"]) if "volume" in last.rest.columns else None
    before = slice(0, first)
    kept = None if volume is None else volume[before]
    return Earlier(last.start_ns[before], last.end_ns[before], last.prices_e8[3][before], kept)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool | str)


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DataError(f"must be {' or '.join(map(repr, allowed))}", source=name, value=value)


def _period(last: Candles, start_ns: int | None, end_ns: int | None) -> slice:
    """The rows whose bars lie in the period; a period that reaches outside the data is refused."""
    first, until = int(last.start_ns[0]), int(last.end_ns[-1])
    for name, instant in (("start", start_ns), ("end", end_ns)):
        if instant is not None and not first <= instant <= until:
            raise DataError(
                f"{name} {iso(instant)} is outside the data, {period_text(first, until)}",
                source=last.source,
                hint="Choose a period inside it, or give more data.",
            )
    begin = 0 if start_ns is None else int(np.searchsorted(last.start_ns, start_ns))
    stop = len(last.start_ns) if end_ns is None else int(np.searchsorted(last.end_ns, end_ns, side="right"))
    if stop <= begin:
        asked = period_text(first if start_ns is None else start_ns, until if end_ns is None else end_ns)
        raise DataError(f"no bar in {asked}", source=last.source, hint=f"The data is {period_text(first, until)}.")
    return slice(begin, stop)


def _cut_to_mark(last: Candles, mark: Candles, keep: slice, cautions: list[str]) -> slice:
    begin = max(keep.start, int(np.searchsorted(last.start_ns, mark.start_ns[0])))
    stop = min(keep.stop, int(np.searchsorted(last.end_ns, mark.end_ns[-1], side="right")))
    # a position needs a mark from its first bar on: begin where there is one
    marked = np.flatnonzero(np.isin(last.start_ns[begin:stop], mark.start_ns))
    begin = begin + int(marked[0]) if len(marked) else stop
    if stop <= begin:
        raise DataError(
            f"no mark price in {period_text(last.start_ns[keep.start], last.end_ns[keep.stop - 1])}",
            source=mark.source,
            hint=f"It is {period_text(mark.start_ns[0], mark.end_ns[-1])}.",
        )
    left = (begin - keep.start) + (keep.stop - stop)
    if left:
        cautions.append(
            f"cut to where mark prices exist, {period_text(last.start_ns[begin], last.end_ns[stop - 1])}: "
            f"{counted(left, 'bar')} of last prices left out"
        )
    return slice(begin, stop)


def _aligned(last: Candles, mark: Candles) -> Array:
    """Mark prices on the rows of `last`, shape (4, n), 0 where no mark bar opens with the bar."""
    if mark.step_ns != last.step_ns:
        raise DataError(
            f"mark bars are {bar_name(mark.step_ns)} long, those of last {bar_name(last.step_ns)}",
            source=mark.source,
            hint="Give both in one bar length.",
        )
    at = np.minimum(np.searchsorted(mark.start_ns, last.start_ns), len(mark.start_ns) - 1)
    found = mark.start_ns[at] == last.start_ns
    if not found.any():
        raise DataError(
            "no mark bar opens together with a bar of last: mark "
            f"{period_text(mark.start_ns[0], mark.end_ns[-1])}, last "
            f"{period_text(last.start_ns[0], last.end_ns[-1])}",
            source=mark.source,
            hint="Check the stamps and zones of both.",
        )
    return np.asarray(np.where(found, mark.prices_e8[:, at], 0))


def _extra(last: Candles, mark: Candles | None) -> dict[str, list[Any]]:
    """Further columns of last and mark, on the rows of last; the second of one name gets a prefix."""
    extra: dict[str, list[Any]] = dict(last.extra())
    if mark is not None and mark.rest.width:
        row_of = {int(ns): row for row, ns in enumerate(mark.start_ns)}
        rows = pl.Series([row_of.get(int(ns)) for ns in last.start_ns], dtype=pl.Int64)
        for name in mark.rest.columns:
            extra[f"mark_{name}" if name in extra else name] = read_list(mark.rest[name].gather(rows))
    return extra


def _join_funding_columns(
    extra: dict[str, list[Any]], frame: Frame, stamps: Array, closes: Array, used: tuple[str, str]
) -> None:
    """Further columns of funding: at each bar's close the row of the latest stamp at or before it."""
    rest = frame.data.drop(*used)
    if rest.width:
        latest = np.searchsorted(stamps, closes, side="right") - 1
        rows = pl.Series([int(row) if row >= 0 else None for row in latest], dtype=pl.Int64)
        for name in rest.columns:
            extra[f"funding_{name}" if name in extra else name] = read_list(rest[name].gather(rows))


def _check_rates(frame: Frame, rates: Array) -> None:
    beyond = np.flatnonzero(np.abs(rates) > E8)
    if len(beyond):
        row = int(beyond[0])
        frame.fail(_TOO_MUCH, row=row, value=float(from_e8(int(rates[row]))), hint=_FRACTION)


def _check_coverage(stamps: Array, first: int, until: int, cautions: list[str]) -> None:
    """Say where funding is not given: at either end of the bars, and in a step longer than its neighbours."""
    inside = stamps[(stamps >= first) & (stamps < until)]
    if not len(inside):
        cautions.append(f"no funding stamp in {period_text(first, until)}: none is paid")
        return
    steps = np.diff(stamps)
    usual = int(np.median(steps)) if len(steps) else until - first
    if inside[0] - first > usual or until - inside[-1] > usual:
        cautions.append(
            f"funding is given for {period_text(int(inside[0]), int(inside[-1]))} only; the bars are "
            f"{period_text(first, until)}"
        )
    within = np.diff(inside)
    odd = within[1:-1] > np.maximum(within[:-2], within[2:])
    if odd.any():
        at = int(np.flatnonzero(odd)[0]) + 1
        cautions.append(
            f"{counted(int(odd.sum()), 'funding stamp')} probably missing (steps longer than both neighbours, "
            f"first after {iso(inside[at])}), not filled"
        )
