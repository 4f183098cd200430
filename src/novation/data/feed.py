"""One feed out of several instruments' histories: rows of `MARKET_DTYPE` in the order of events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from novation.data.series import Array, Prepared
from novation.domain.enums import InstrumentStatus, MarketEventKind
from novation.domain.errors import InvalidInput
from novation.domain.market import MARKET_DTYPE

if TYPE_CHECKING:
    from novation.data.day_limits import Limits

#: Rows of one kind and one instrument, ascending in time: kind, instrument, stamps, columns.
_Block = tuple[MarketEventKind, int, Array, dict[str, Array]]


def build_feed(
    prepared: Mapping[int, Prepared],
    *,
    settlement_tick_e8: Mapping[int, int],
    terms: Mapping[int, Sequence[tuple[int, int]]],
    tick_steps: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    zone: str = "UTC",
    deliveries: Mapping[int, int] | None = None,
    phases: Mapping[int, Sequence[tuple[int, int, int, int]]] | None = None,
    limits: Mapping[int, Sequence[Limits]] | None = None,
    liquidity: Mapping[int, tuple[Array, dict[str, Array]]] | None = None,
    traded_lots: Mapping[int, Array] | None = None,
    on_books: Collection[int] = (),
) -> Array:
    """The market events of several instruments, sorted by (ts_ns, kind, instrument).

    prepared: history by instrument index.
    settlement_tick_e8: by instrument, the tick in which `price_ticks` of a settlement counts; needed where
        there are settlements.
    terms: by instrument, (effective_ns, index of the terms) ascending; the first is in force from the start,
        each later one becomes a TERMS row unless the feed ends before it.
    tick_steps: by instrument, (effective_ns, multiples of its tick that settlement prices have from then on)
        ascending, the first in force from the start; 1 where none is given.
    zone: the exchange's, in which its trade dates are: a settlement belongs to the date of the instant before it.
    deliveries: by instrument, when it is delivered: a STATUS row unless the feed ends before it, at the price of its
        history, else at what the venue finds.
    phases, limits: by instrument, as of `data.market_states`; without them a market is open and has no limits.
    liquidity: by instrument, instants and columns of LIQUIDITY rows. traded_lots: by instrument, those of each bar.
    on_books: instruments that trade on a book: their bars open nothing and bring marks by themselves.
    """
    blocks: list[_Block] = []
    for instrument in sorted(prepared):
        steps = (tick_steps or {}).get(instrument, ((0, 1),))
        lots = (traded_lots or {}).get(instrument)
        own = list(_blocks(instrument, prepared[instrument], settlement_tick_e8, steps, zone, lots))
        blocks += _of_book(own, prepared[instrument]) if instrument in on_books else own
        if liquidity and instrument in liquidity:
            blocks.append((MarketEventKind.LIQUIDITY, instrument, *liquidity[instrument]))
    end = max((int(stamps[-1]) for _, _, stamps, _ in blocks if len(stamps)), default=0)
    for instrument in sorted(prepared):
        later = [row for row in terms.get(instrument, ())[1:] if row[0] <= end]
        if later:
            stamps, indices = (np.array(column, dtype=np.int64) for column in zip(*later, strict=True))
            blocks.append((MarketEventKind.TERMS, instrument, stamps, {"terms": indices}))
    for instrument, deliver_ns in sorted((deliveries or {}).items()):
        if 0 < deliver_ns <= end:
            price = prepared[instrument].delivery_e8
            columns = {"status": np.array([InstrumentStatus.DELIVERING]), "index_e8": np.array([price])}
            blocks.append((MarketEventKind.STATUS, instrument, np.array([deliver_ns]), columns))
    for instrument, changes in sorted((phases or {}).items()):
        rows = np.array(changes, dtype=np.int64).reshape(-1, 4)
        brought = rows[:, 3] != 0
        for kind, chosen in ((MarketEventKind.HALT, brought), (MarketEventKind.PHASE, ~brought)):
            stamps, phase, halt, _ = rows[chosen].T
            blocks.append((kind, instrument, stamps, {"status": phase, "terms": halt}))
    for instrument, bounds in sorted((limits or {}).items()):
        stamps, low, high, refuse = np.array(bounds, dtype=np.int64).reshape(-1, 4).T
        columns = {"last_low_e8": low, "last_high_e8": high, "status": refuse}
        blocks.append((MarketEventKind.LIMITS, instrument, stamps, columns))
    return _merged(blocks)


def _blocks(
    instrument: int,
    history: Prepared,
    settlement_tick_e8: Mapping[int, int],
    tick_steps: Sequence[tuple[int, int]],
    zone: str,
    traded_lots: Array | None,
) -> Iterator[_Block]:
    """The blocks of one instrument's history."""
    bars = history.bars
    rows = np.arange(len(bars), dtype=np.int64)
    opens = {"bar": rows, "last_e8": bars.open_e8, "mark_e8": bars.mark_open_e8}
    if traded_lots is not None:
        opens["traded_lots"] = traded_lots
    closes = {
        "bar": rows,
        "start_ns": bars.start_ns,
        "last_e8": bars.close_e8,
        "last_high_e8": bars.high_e8,
        "last_low_e8": bars.low_e8,
        "mark_e8": bars.mark_close_e8,
        "mark_high_e8": bars.mark_high_e8,
        "mark_low_e8": bars.mark_low_e8,
    }
    yield MarketEventKind.BAR_OPEN, instrument, bars.start_ns, opens
    yield MarketEventKind.BAR_CLOSE, instrument, bars.end_ns, closes
    if len(history.funding_ns):
        paid = {"rate_e8": history.funding_rate_e8, "mark_e8": history.funding_mark_e8}
        yield MarketEventKind.FUNDING, instrument, history.funding_ns, paid
    if len(history.settlement_ns):
        tick_e8 = settlement_tick_e8.get(instrument)
        if tick_e8 is None:
            raise InvalidInput("no settlement tick", source="settlement_tick_e8", where=f"instrument {instrument}")
        before_e8 = int(bars.open_e8[0]) if len(bars) else 0
        since, steps = (np.array(column, dtype=np.int64) for column in zip(*tick_steps, strict=True))
        step = steps[np.maximum(0, np.searchsorted(since, history.settlement_ns, side="right") - 1)]
        ticks = step * settlement_ticks(history.settlement_e8, tick_e8 * step, before_e8=before_e8)
        settled = {"price_ticks": ticks, "trade_date": trade_dates(history.settlement_ns, zone)}
        yield MarketEventKind.SETTLEMENT, instrument, history.settlement_ns, settled


def _of_book(blocks: list[_Block], history: Prepared) -> Iterator[_Block]:
    """The same of an instrument on a book: no bar opens, and the mark of each that closes comes by itself."""
    for block in blocks:
        if block[0] != MarketEventKind.BAR_OPEN:
            yield block
    bars = history.bars
    given = bars.mark_close_e8 != 0
    marks = {"mark_e8": bars.mark_close_e8[given]}
    yield MarketEventKind.MARK, blocks[0][1], bars.end_ns[given], marks


def _merged(blocks: list[_Block]) -> Array:
    """Blocks, each ascending in time, as one feed; a stable sort by time keeps (kind, instrument)."""
    blocks.sort(key=lambda block: (block[0], block[1]))
    stamps = np.concatenate([block[2] for block in blocks]) if blocks else np.zeros(0, dtype=np.int64)
    order = np.argsort(stamps, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    feed = np.zeros(len(order), dtype=MARKET_DTYPE)
    feed["ts_ns"] = stamps[order]
    done = 0
    for kind, instrument, when, columns in blocks:
        rows = place[done : done + len(when)]
        done += len(when)
        for name, values in ({"kind": int(kind), "instrument": instrument} | columns).items():
            feed[name][rows] = values
    return feed


def trade_dates(instants_ns: Array, zone: str) -> Array:
    """The dates of the instants just before these in a zone, in days since 1970-01-01: midnight ends a date.

    >>> trade_dates(np.array([1583020800000000000]), "America/Chicago").tolist()  # 2020-03-01 00:00 UTC
    [18321]
    """
    before = pl.Series(instants_ns - 1).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    return before.dt.date().cast(pl.Int32).to_numpy().astype(np.int64)


def settlement_ticks(prices_e8: Array, tick_e8: int | Array, *, before_e8: int) -> Array:
    """Settlement prices in the nearest whole tick; a tie goes to the tick nearer the previous settlement.

    tick_e8: one for all, or one for each.
    before_e8: the price that stands for the settlement before the first.

    >>> settlement_ticks(np.array([1025, 1075]), 50, before_e8=0).tolist()
    [20, 21]
    """
    tick = np.broadcast_to(np.asarray(tick_e8, dtype=np.int64), prices_e8.shape)
    below, over = np.divmod(prices_e8, tick)
    ticks = below + (2 * over > tick)
    for i in np.flatnonzero(2 * over == tick):
        previous_e8 = ticks[i - 1] * tick[i - 1] if i else before_e8
        ticks[i] = below[i] + int(previous_e8 > prices_e8[i])
    return np.asarray(ticks, dtype=np.int64)
