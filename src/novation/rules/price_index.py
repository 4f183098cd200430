"""Price index, mark price, and the mean a delivery settles at.

Sources: facts/binance.md §1 and §13. Index: weighted mean of spot prices; a source that is silent for too long, or the
only one too far from the median, counts for nothing; when several are too far, the median is the index (2020 text; the
thresholds of today are not published, so they are arguments). Mark of a perpetual: median of price 1 (index carried by
the funding still to come), price 2 (index plus the mean distance of the mid) and the last trade. Mark of a delivery
contract: price 2 alone. Not modelled: its move to the running settlement mean in the last half hour (unverified).

Prices int64 1e-8, below 2**53. Every price is the exact one rounded down, which cuts a positive price towards zero;
how Binance rounds the ninth decimal is not published.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, mul_div, mul_div_rem

#: Thresholds of the 2020 text: 5 % off the median, 10 s of silence. Arguments, not rules: pass what is in force.
OUTLIER_2020_E8 = 5_000_000
STALE_2020_NS = 10_000_000_000

#: How an index came about: no live source; the weighted mean; the median, because several sources disagreed.
NO_INDEX = 0
WEIGHTED_MEAN = 1
MEDIAN = 2


@kernel
def is_live(price_e8, updated_ns, now_ns, stale_ns):
    """Whether a source has a price that was updated less than `stale_ns` ago."""
    return price_e8 > 0 and now_ns - updated_ns < stale_ns


@kernel
def _kth_live(prices_e8, updated_ns, count, now_ns, stale_ns, k):
    """The k-th smallest live price, from 0. Constituents are about ten: counting beats sorting."""
    for i in range(count):
        if not is_live(prices_e8[i], updated_ns[i], now_ns, stale_ns):
            continue
        below = 0
        for j in range(count):
            if is_live(prices_e8[j], updated_ns[j], now_ns, stale_ns):
                if prices_e8[j] < prices_e8[i] or (prices_e8[j] == prices_e8[i] and j < i):
                    below += 1
        if below == k:
            return prices_e8[i]
    return 0


@kernel
def twice_median(prices_e8, updated_ns, count, now_ns, stale_ns):
    """Twice the median of the live prices (twice, so that the middle of two is whole); 0 when none is live."""
    live = 0
    for i in range(count):
        if is_live(prices_e8[i], updated_ns[i], now_ns, stale_ns):
            live += 1
    if live == 0:
        return 0
    lower = _kth_live(prices_e8, updated_ns, count, now_ns, stale_ns, (live - 1) // 2)
    return lower + _kth_live(prices_e8, updated_ns, count, now_ns, stale_ns, live // 2)


@kernel
def is_outlier(price_e8, twice_median_e8, outlier_e8):
    """Whether a price is more than a fraction of the median away from it."""
    return abs(2 * price_e8 - twice_median_e8) > mul_div(twice_median_e8, outlier_e8, E8)


@kernel
def price_index(prices_e8, weights, updated_ns, count, now_ns, outlier_e8, stale_ns):
    """The index of `count` sources and how it came about: (index_e8, NO_INDEX | WEIGHTED_MEAN | MEDIAN).

    Weights are whole numbers >= 0 of any scale, their sum below 2**50; what is left of them is scaled up to one. One
    outlier loses its weight; two or more, or no weight left, make the median the index. (0, NO_INDEX) with no live
    source: the caller keeps the last index.
    """
    middle = twice_median(prices_e8, updated_ns, count, now_ns, stale_ns)
    if middle == 0:
        return 0, NO_INDEX
    outliers, total = 0, 0
    for i in range(count):
        if is_live(prices_e8[i], updated_ns[i], now_ns, stale_ns):
            if is_outlier(prices_e8[i], middle, outlier_e8):
                outliers += 1
            else:
                total += weights[i]
    if outliers > 1 or total == 0:
        return middle // 2, MEDIAN
    whole, rests = 0, 0
    for i in range(count):
        if is_live(prices_e8[i], updated_ns[i], now_ns, stale_ns) and not is_outlier(prices_e8[i], middle, outlier_e8):
            share, rest = mul_div_rem(prices_e8[i], weights[i], total)
            whole += share
            rests += rest
    return whole + rests // total, WEIGHTED_MEAN


@kernel
def price_indexes(prices_e8, weights, updated_ns, now_ns, outlier_e8, stale_ns, index_e8, how):
    """`price_index` of every row: prices and their updates (rows, sources), instants (rows); writes `index_e8` and
    `how` (rows). A row without a live source keeps the index before it, 0 before the first.
    """
    before = 0
    for row in range(len(now_ns)):
        found, made = price_index(
            prices_e8[row], weights, updated_ns[row], len(weights), now_ns[row], outlier_e8, stale_ns
        )
        if made != NO_INDEX:
            before = found
        index_e8[row] = before
        how[row] = made


@kernel
def price_one(index_e8, rate_e8, to_funding_ns, interval_ns):
    """Index carried by the last funding rate over the time left: index * (1 + rate * left / interval).

    0 <= left <= interval < 2**50 ns (13 days). Published for eight hours; that an N-hour contract divides by its own
    interval is our reading.
    """
    whole, rest = mul_div_rem(index_e8, rate_e8, E8)
    carried, left = mul_div_rem(whole, to_funding_ns, interval_ns)
    return index_e8 + carried + (left + mul_div(rest, to_funding_ns, E8)) // interval_ns


@kernel
def twice_basis(bid_e8, ask_e8, index_e8):
    """One sample of the basis, doubled to stay whole: 2 * ((bid + ask) / 2 - index)."""
    return bid_e8 + ask_e8 - 2 * index_e8


@kernel
def price_two(index_e8, twice_basis_sum, samples):
    """Index plus the mean of the basis samples (30, one a second, since 2025-09-18); the index before the first one.

    Also the mark price of a delivery contract.
    """
    if samples == 0:
        return index_e8
    return index_e8 + twice_basis_sum // (2 * samples)


@kernel
def mark_price(price_one_e8, price_two_e8, contract_e8):
    """Mark price of a perpetual: the median of the three."""
    return max(min(price_one_e8, price_two_e8), min(max(price_one_e8, price_two_e8), contract_e8))


@kernel
def settlement_mean(index_sum, samples):
    """Delivery price: mean of the one-second index samples (1,800; 3,600 before 2024-11-11), and of those so far.

    The sum stays in int64 for 1,800 samples below 51 million of price.
    """
    return index_sum // samples
