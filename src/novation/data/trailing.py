"""What the bars before an instant say of a market: how much trades in a day, how much the price moves in one.

Nothing later than the instant is looked at: bars that have closed by then. A market that trades around the clock is
measured by its last day, one with sessions by its last seven days, over the trade dates in them (252 a year).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from novation.domain.errors import DataError
from novation.domain.units import DAY_NS

Array = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_YEAR_DAYS = 365.0
_TRADE_DATES = 252.0
_WEEK_DAYS = 7
#: Returns that have to be known before anything is said.
LEAST_RETURNS = 10


@dataclass(frozen=True, eq=False)
class Trailing:
    """Bars of one product in order of time, of one contract after the other.

    start_ns, end_ns: of each. square: the squared return of its close, 0 of the first of a contract: of logarithms,
    else, where a price is not above zero, over the size of the one before. volume: coins or contracts, None where the
    bars do not tell.
    """

    start_ns: Array
    end_ns: Array
    square: Floats
    volume: Floats | None

    @classmethod
    def of(cls, parts: Iterable[tuple[Array, Array, Array, Floats | None]]) -> Trailing:
        """Of (start_ns, end_ns, close_e8, volume) of each contract; what a later one begins before an earlier one ends
        is the later one's."""
        starts, ends, squares, volumes = [], [], [], []
        given = list(parts)
        for number, (start_ns, end_ns, close_e8, volume) in enumerate(given):
            later = int(given[number + 1][0][0]) if number + 1 < len(given) else None
            keep = slice(0, None if later is None else int(np.searchsorted(start_ns, later)))
            starts.append(start_ns[keep])
            ends.append(end_ns[keep])
            squares.append(_squares(close_e8[keep]))
            volumes.append(None if volume is None else volume[keep])
        known = [volume for volume in volumes if volume is not None]
        whole = np.concatenate(known) if known and len(known) == len(volumes) else None
        return cls(np.concatenate(starts), np.concatenate(ends), np.concatenate(squares), whole)

    def closed(self, at_ns: Array) -> Array:
        """How many bars had closed by each instant."""
        return np.searchsorted(self.end_ns, at_ns, side="right")

    def known(self, at_ns: Array) -> npt.NDArray[np.bool_]:
        """Whether enough had closed to say anything."""
        return self.closed(at_ns) > LEAST_RETURNS

    def fresh(self, at_ns: Array, within_ns: int) -> npt.NDArray[np.bool_]:
        """Whether the last bar that had closed by each instant ended no longer ago."""
        until, last_ns = self._last(at_ns)
        return (until > 0) & (at_ns - last_ns <= within_ns)

    def reaches(self, at_ns: Array, days: int) -> npt.NDArray[np.bool_]:
        """Whether so many days lie before the last bar that had closed by each instant."""
        return self._days(at_ns) >= days

    def volatility(self, at_ns: Array, days: int) -> Floats:
        """Annual, of the last so many days by each instant, or of the days there are: float64, nan where none."""
        return np.sqrt(self._summed(self.square, at_ns, days) * _YEAR_DAYS / self._span(at_ns, days))

    def day_volume(self, at_ns: Array, *, sessions: bool) -> Floats:
        """Coins or contracts of a day by each instant: float64, nan where nothing had closed; sessions: of a market
        that closes."""
        if self.volume is None:
            raise DataError("the bars have no volume", source="volume")
        days = _WEEK_DAYS if sessions else 1
        share = _TRADE_DATES / _YEAR_DAYS if sessions else 1.0
        return self._summed(self.volume, at_ns, days) / (self._span(at_ns, days) * share)

    def _last(self, at_ns: Array) -> tuple[Array, Array]:
        """How many bars had closed, and where the last of them ended."""
        until = self.closed(at_ns)
        return until, self.end_ns[np.maximum(until - 1, 0)]

    def _days(self, at_ns: Array) -> Floats:
        until, last_ns = self._last(at_ns)
        return np.where(until > 0, (last_ns - self.start_ns[0]) / DAY_NS, 0.0)

    def _span(self, at_ns: Array, days: int) -> Floats:
        span = np.minimum(self._days(at_ns), days)
        return np.where(span > 0, span, np.nan)

    def _summed(self, values: Floats, at_ns: Array, days: int) -> Floats:
        until, last_ns = self._last(at_ns)
        since = np.searchsorted(self.end_ns, last_ns - days * DAY_NS, side="right")
        upto = np.concatenate([[0.0], np.cumsum(values)])
        return np.maximum(upto[until] - upto[np.minimum(since, until)], 0.0)


def _squares(close_e8: Array) -> Floats:
    """Squared returns of closes, 0 of the first."""
    close = close_e8.astype(np.float64)
    before, after = close[:-1], close[1:]
    size = np.where(before == 0, np.inf, np.abs(before))
    rising = (before > 0) & (after > 0)
    moved = np.where(rising, np.log(np.where(rising, after / size, 1.0)), (after - before) / size)
    return np.concatenate([[0.0], moved**2])[: len(close)]
