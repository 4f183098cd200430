"""What takers of several sizes would have paid, by walking recorded levels at even times.

At each instant the book is walked from the best price on for a buyer and a seller of each size; the cost is the average
price beyond the mid, as a fraction of it. A size is a share of what traded in the minute before; that minute also tells
how much trades in a day at its pace, and how volatile a day at its pace is. Nothing later than the instant is used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from novation.data.flow import Flow
from novation.domain.errors import InvalidInput
from novation.domain.flow import FlowKind
from novation.domain.units import DAY_NS, NS

_CLEAR, _TRADE, _LEVEL = int(FlowKind.CLEAR), int(FlowKind.TRADE), int(FlowKind.LEVEL)
#: Sizes as shares of the volume of the minute before.
SHARES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
MINUTE_NS = 60 * NS
#: Why an instant is left out.
NO_BOOK = "a side was empty or the book crossed"
NO_MINUTE = "no whole minute before it"
NO_TRADE = "no trade in the minute before"
NO_MOVE = "no move in the minute before"
_A_DAY = DAY_NS // MINUTE_NS

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Walked:
    """Samples: float64 (n), cost (n, sizes) as a fraction of the mid, nan where the shown levels do not hold the size.

    The mean of a buyer and a seller. lots: (n, sizes). at_ns: int64. left_out: instants without a whole minute before
    them, without a trade in it, without a move, or without two sides.
    """

    at_ns: Array
    mid: Floats
    half_spread: Floats
    day_lots: Floats
    day_sigma: Floats
    lots: Floats
    cost: Floats
    left_out: dict[str, int]

    def part(self, keep: slice) -> Walked:
        """Some of the samples."""
        names = ("at_ns", "mid", "half_spread", "day_lots", "day_sigma", "lots", "cost")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})


def walk_levels(flow: Flow, *, every_ns: int = NS) -> Walked:
    """Walk the levels of a flow at even times, from a minute after its first row on."""
    rows = flow.rows
    trades = rows[rows["kind"] == _TRADE]
    if not len(trades):
        raise InvalidInput("tells of no trade", source=flow.source)
    traded = np.concatenate([[0], np.cumsum(trades["lots"])])
    first = int(rows["ts_ns"][0])
    book: dict[int, dict[int, int]] = {1: {}, -1: {}}
    mids: deque[tuple[int, float]] = deque()
    found: list[tuple[int, float, float, float, float, list[float], list[float]]] = []
    left = dict.fromkeys((NO_BOOK, NO_MINUTE, NO_TRADE, NO_MOVE), 0)
    due = first - first % every_ns + every_ns
    shares = np.array(SHARES)

    def sample(now: int) -> None:
        sides = _sides(book)
        if sides is None:
            left[NO_BOOK] += 1
            return
        bids, asks = sides
        mid = 0.5 * (bids[0][0] + asks[0][0])
        mids.append((now, mid))
        if now - first < MINUTE_NS:
            left[NO_MINUTE] += 1
            return
        begin, end = np.searchsorted(trades["ts_ns"], [now - MINUTE_NS, now], side="right")
        minute = float(traded[end] - traded[begin])
        if minute <= 0:
            left[NO_TRADE] += 1
            return
        sigma = _sigma(mids, now)
        if not sigma > 0:
            left[NO_MOVE] += 1
            return
        lots = shares * minute
        cost = 0.5 * (_walk(asks, lots, mid) + _walk(bids, lots, mid))
        half = 0.5 * (asks[0][0] - bids[0][0]) / mid
        found.append((now, mid, half, minute * _A_DAY, sigma, lots.tolist(), cost.tolist()))

    for ts, kind, side, price, lots in zip(
        *(rows[name].tolist() for name in ("ts_ns", "kind", "side", "price_ticks", "lots")), strict=True
    ):
        while ts > due:
            sample(due)
            due += every_ns
        if kind == _LEVEL:
            if lots:
                book[side][price] = lots
            else:
                book[side].pop(price, None)
        elif kind == _CLEAR:
            book[1].clear()
            book[-1].clear()
    if not found:
        raise InvalidInput("has no instant to walk its levels at", source=flow.source, value=str(left))
    at, middle, half, pace, sigmas, sizes, costs = (np.array(column) for column in zip(*found, strict=True))
    why = {reason: count for reason, count in left.items() if count}
    return Walked(at, middle, half, pace, sigmas, sizes, costs, why)


def _sides(book: dict[int, dict[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]] | None:
    """Bids and asks, the best first; None where one is empty or they cross."""
    if not (book[1] and book[-1]) or max(book[1]) >= min(book[-1]):
        return None
    return sorted(book[1].items(), reverse=True), sorted(book[-1].items())


def _walk(levels: list[tuple[int, int]], lots: Floats, mid: float) -> Floats:
    """Average price beyond the mid of each size, a fraction of the mid; nan beyond the last level."""
    price, shown = np.array(levels, dtype=np.float64).T
    most = np.cumsum(shown)
    money = np.concatenate([[0.0], np.cumsum(shown * price)])
    level = np.searchsorted(most, lots)
    inside = level < len(levels)
    level = np.minimum(level, len(levels) - 1)
    before = np.where(level > 0, most[level - 1], 0.0)
    paid = money[level] + (lots - before) * price[level]
    result: Floats = np.where(inside, np.abs(paid / lots - mid) / mid, np.nan)
    return result


def _sigma(mids: deque[tuple[int, float]], now: int) -> float:
    """Volatility of a day at the pace of the minute: root of the squares of the log returns of sampled mids."""
    while mids[0][0] <= now - MINUTE_NS:
        mids.popleft()
    span = mids[-1][0] - mids[0][0]
    changes = np.diff(np.log([mid for _, mid in mids]))
    return float(np.sqrt((changes**2).sum() * DAY_NS / span)) if span else 0.0
