"""One feed out of several instruments' histories: rows of `MARKET_DTYPE` in the order of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from novation.data.series import Array, Prepared
from novation.domain.enums import MarketEventKind
from novation.domain.errors import InvalidInput
from novation.domain.market import MARKET_DTYPE

#: Rows of one kind and one instrument, ascending in time: kind, instrument, stamps, columns.
_Block = tuple[MarketEventKind, int, Array, dict[str, Array]]


def build_feed(
    prepared: Mapping[int, Prepared],
    *,
    settlement_tick_e8: Mapping[int, int],
    terms: Mapping[int, Sequence[tuple[int, int]]],
) -> Array:
    """The market events of several instruments, sorted by (ts_ns, kind, instrument).

    prepared: history by instrument index.
    settlement_tick_e8: by instrument, the tick in which `price_ticks` of a settlement counts; needed where
        there are settlements.
    terms: by instrument, (effective_ns, index of the terms) ascending; the first is in force from the start,
        each later one becomes a TERMS row unless the feed ends before it.
    """
    blocks: list[_Block] = []
    for instrument in sorted(prepared):
        blocks += _blocks(instrument, prepared[instrument], settlement_tick_e8)
    end = max((int(stamps[-1]) for _, _, stamps, _ in blocks if len(stamps)), default=0)
    for instrument in sorted(prepared):
        later = [row for row in terms.get(instrument, ())[1:] if row[0] <= end]
        if later:
            stamps, indices = (np.array(column, dtype=np.int64) for column in zip(*later, strict=True))
            blocks.append((MarketEventKind.TERMS, instrument, stamps, {"terms": indices}))
    return _merged(blocks)


def _blocks(instrument: int, history: Prepared, settlement_tick_e8: Mapping[int, int]) -> Iterator[_Block]:
    """The blocks of one instrument's history."""
    bars = history.bars
    rows = np.arange(len(bars), dtype=np.int64)
    opens = {"bar": rows, "last_e8": bars.open_e8, "mark_e8": bars.mark_open_e8}
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
        ticks = settlement_ticks(history.settlement_e8, tick_e8, before_e8=before_e8)
        yield MarketEventKind.SETTLEMENT, instrument, history.settlement_ns, {"price_ticks": ticks}


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


def settlement_ticks(prices_e8: Array, tick_e8: int, *, before_e8: int) -> Array:
    """Settlement prices in the nearest whole tick; a tie goes to the tick nearer the previous settlement.

    before_e8: the price that stands for the settlement before the first.

    >>> settlement_ticks(np.array([1025, 1075]), 50, before_e8=0).tolist()
    [20, 21]
    """
    below, over = np.divmod(prices_e8, np.int64(tick_e8))
    ticks = below + (2 * over > tick_e8)
    for i in np.flatnonzero(2 * over == tick_e8):
        above_before = ticks[i - 1] > below[i] if i else before_e8 > prices_e8[i]
        ticks[i] = below[i] + int(above_before)
    return np.asarray(ticks, dtype=np.int64)
