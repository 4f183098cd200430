"""What a trader asks about the funding of a perpetual whose rate the venue computes."""

from __future__ import annotations

import msgspec

from novation.domain.units import E8, HOUR_NS


class FundingState(msgspec.Struct, frozen=True, kw_only=True):
    """The funding of one perpetual at one instant; prices and rates in 1e-8, rates per interval.

    estimate_e8: the rate that would be settled if the interval ended now. forecast_e8: the rate that will be settled if
    every sample still to come is like the last one: the only thing it assumes. Both are held between floor and cap.
    """

    instrument: int
    now_ns: int
    index_e8: int
    mark_e8: int
    interval_hours: int
    next_ns: int  #: the stamp that ends the interval; 0 before the first sample of the index
    samples: int  #: of the premium, in this interval
    premium_e8: int  #: the last sample
    average_e8: int  #: what enters the rate: weighted, or of one-hour intervals plain; cut towards zero
    estimate_e8: int
    forecast_e8: int
    last_rate_e8: int  #: the rate settled last, 0 before the first
    last_ns: int  #: when that was
    floor_e8: int
    cap_e8: int
    quiet: int  #: quiet hourly rates in a row, where a rate at its limit made the interval an hour
    lot_value: int

    def payment(self, lots: int, rate_e8: int | None = None) -> int:
        """Minor units that signed lots would receive (negative: pay) at a rate on the present mark, cut towards zero.

        rate_e8: per interval; the estimate unless given.

        >>> given = dict.fromkeys(FundingState.__struct_fields__, 0)
        >>> given |= {"mark_e8": 60_000 * E8, "interval_hours": 8, "estimate_e8": 10_000, "lot_value": 100_000}
        >>> state = FundingState(**given)
        >>> state.payment(100), state.per_day(100)  # 0.1 BTC at 0.01 %: 0.6 USDT, three times a day
        (-60000000, -180000000)
        """
        rate_e8 = self.estimate_e8 if rate_e8 is None else rate_e8
        amount = abs(lots) * self.mark_e8 * self.lot_value * abs(rate_e8) // (E8 * E8)
        return -amount if (lots > 0) == (rate_e8 > 0) else amount

    def per_day(self, lots: int, rate_e8: int | None = None) -> int:
        """As `payment`, as often as the interval fits into a day."""
        return self.payment(lots, rate_e8) * 24 // self.interval_hours

    @property
    def left_ns(self) -> int:
        """Time to the next stamp."""
        return max(0, self.next_ns - self.now_ns)

    @property
    def interval_ns(self) -> int:
        """Length of the interval."""
        return self.interval_hours * HOUR_NS
