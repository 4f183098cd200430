"""Index samples for a venue that marks an instrument itself: out of its constituents' prices, as rows of a feed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from novation.data.series import Array
from novation.domain.enums import MarketEventKind
from novation.domain.errors import InvalidInput
from novation.domain.market import MARKET_DTYPE
from novation.rules.price_index import OUTLIER_2020_E8, STALE_2020_NS, price_indexes

_TOP_E8 = 1 << 50


class IndexSamples(NamedTuple):
    """One row an instant: `index_e8`, and how it came about (0 kept from before, 1 weighted mean, 2 median)."""

    ts_ns: Array
    index_e8: Array
    how: Array


def index_prices(
    ts_ns: Array,
    prices_e8: Array,
    weights: Array,
    *,
    outlier_e8: int = OUTLIER_2020_E8,
    stale_ns: int = STALE_2020_NS,
) -> IndexSamples:
    """The price index at each instant, with the protections of `rules.price_index` (docs/rules/clearing_house.md).

    ts_ns: (rows,) ascending. prices_e8: (rows, sources), 0 where a source said nothing then: its price before stands,
    for `stale_ns`. weights: (sources,) whole numbers of any scale. outlier_e8, stale_ns: the thresholds of 2020 unless
    given; those of today are not published. Rows before the first live price have index 0: leave them out of a feed.

    >>> at = np.arange(3) * 10**9
    >>> spot = np.array([[10_000, 10_010], [0, 10_020], [10_030, 10_030]]) * 10**8
    >>> (index_prices(at, spot, np.array([3, 1])).index_e8 / 10**8).tolist()
    [10002.5, 10005.0, 10030.0]
    """
    ts_ns, prices_e8, weights = (np.ascontiguousarray(a, dtype=np.int64) for a in (ts_ns, prices_e8, weights))
    if prices_e8.shape != (len(ts_ns), len(weights)) or not len(weights):
        raise InvalidInput("is not one price an instant and source", source="prices_e8", value=str(prices_e8.shape))
    if (np.diff(ts_ns) <= 0).any():
        raise InvalidInput("is not ascending", source="ts_ns")
    if (prices_e8 < 0).any() or (prices_e8 >= _TOP_E8).any():
        raise InvalidInput("a price is negative or not below 2**50 of 1e-8", source="prices_e8")
    if (weights < 0).any() or not 0 < int(weights.sum()) < _TOP_E8:
        raise InvalidInput("weights are whole, not negative, and not all zero", source="weights")
    rows = np.arange(len(ts_ns))[:, None]
    said = np.maximum.accumulate(np.where(prices_e8 > 0, rows, -1), axis=0)
    held = np.take_along_axis(prices_e8, np.maximum(said, 0), axis=0) * (said >= 0)
    updated = ts_ns[np.maximum(said, 0)]
    index_e8, how = np.zeros(len(ts_ns), np.int64), np.zeros(len(ts_ns), np.int64)
    price_indexes(held, weights, updated, ts_ns, int(outlier_e8), int(stale_ns), index_e8, how)
    return IndexSamples(ts_ns, index_e8, how)


def index_rows(instrument: int, ts_ns: Array, index_e8: Array, **prices_e8: Array) -> Array:
    """INDEX rows of a feed. prices_e8: `bid_e8`, `ask_e8`, `impact_bid_e8`, `impact_ask_e8` where they are known."""
    feed = np.zeros(len(ts_ns), dtype=MARKET_DTYPE)
    feed["kind"], feed["instrument"], feed["ts_ns"] = int(MarketEventKind.INDEX), instrument, ts_ns
    for name, values in {"index_e8": index_e8, **prices_e8}.items():
        feed[name] = values
    return feed
