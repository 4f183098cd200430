"""The price limits of one session and the halts of the cash market in it, each out of what was known by its instant.

Rules come from `reference.market_limits`, arithmetic from `rules.price_limits`; here stands which period it is and
which prices count (docs/rules/market_states.md). Limits are in 1e-8 of price, instants int64 ns UTC.

Not modelled: levels that the exchange sets by hand, the minutes of a stop before a fixed limit expands.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from novation.data.series import Array, Bars
from novation.domain.enums import HaltReason, MarketPhase
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import NS
from novation.reference.market_limits import PriceLimits
from novation.reference.sessions import Session
from novation.rules.price_limits import (
    REST_OF_DAY,
    Period,
    cash_fall,
    cash_halt,
    fixed_limits,
    fixed_limits_by_amount,
    index_limits,
)
from novation.rules.rolling_extremes import NO_LOWER, NO_UPPER

#: The first two levels halt the cash market so long, and only until so long before its close (facts/cme.md §5).
CASH_HALT_NS = 15 * 60 * NS
CASH_HALT_UNTIL_NS = 35 * 60 * NS


class Limits(NamedTuple):
    """Between which prices a market trades from an instant on, and whether orders outside are refused."""

    ts_ns: int
    low_e8: int
    high_e8: int
    refuse: int


class Halt(NamedTuple):
    """A market is not open in [ts_ns, until_ns) though it would be.

    in_bar: a bar that ends then brought it, so that what traded in it beyond did not happen.
    """

    ts_ns: int
    until_ns: int
    phase: MarketPhase
    reason: HaltReason
    trade_date: dt.date
    in_bar: bool = False


class Samples(NamedTuple):
    """Prices, or values of the cash index, each known at its instant."""

    ts_ns: Array
    price_e8: Array

    def at_close(self, session: Session) -> int:
        """The last value of a session's regular hours until the cash market closes, 0 for none: an older one is of
        another day."""
        assert session.rth is not None
        row = int(np.searchsorted(self.ts_ns, cash_close_ns(session), side="right")) - 1
        return int(self.price_e8[row]) if row >= 0 and self.ts_ns[row] >= session.rth[0] else 0


def cash_close_ns(session: Session) -> int:
    """When the cash market closes: with the regular hours, on a day cut short with the settlement."""
    assert session.rth is not None
    return min(session.rth[1], session.settlement_ns or session.rth[1])


def index_day(
    rule: PriceLimits,
    session: Session,
    before: Session,
    fixing_e8: int,
    tick_e8: int,
    closes: Samples,
    index: Samples,
) -> tuple[list[Limits], list[Halt]]:
    """Limits and cash halts of an equity index future in one session.

    before: the last session with regular hours, whose end is the fixing's instant. closes: of bars, at their ends. The
    width overnight is a share of the cash index at the fixing; without one of the fixing itself. The first two levels
    halt once each; a level's limit gives way to the next as its halt ends.
    """

    def limits(ts_ns: int, period: Period, halts: int, three_pm_e8: int = 0) -> Limits:
        low, high = index_limits(
            int(period),
            halts,
            fixing_e8,
            cash_e8 or fixing_e8,
            three_pm_e8,
            tick_e8,
            rule.after_e8 if period == Period.AFTER else rule.band_e8,
            rule.first_e8,
            rule.second_e8,
            rule.third_e8,
            rule.rounding,
        )
        low_e8 = -NO_LIMIT_E8 if low == NO_LOWER else int(low) * tick_e8
        high_e8 = NO_LIMIT_E8 if high == NO_UPPER else int(high) * tick_e8
        return Limits(ts_ns, low_e8, max(low_e8, high_e8), int(rule.rejects))  # data below a level cross its band

    cash_e8 = index.at_close(before)
    found = [limits(session.orders_from_ns, Period.OVERNIGHT, 0)]
    if session.rth is None:
        return found, []
    ends = cash_close_ns(session)
    late = max(session.rth[0], ends - CASH_HALT_UNTIL_NS)
    halts = _cash_halts(rule, session, ends, late, cash_e8, index)
    found.append(limits(session.rth[0], Period.DAY, 0))
    for level, halt in halts:
        if halt.until_ns < late:
            found.append(limits(halt.until_ns, Period.DAY, level))
    found.append(limits(late, Period.LATE, max((level for level, _ in halts), default=0)))
    three_pm_e8 = last_price(closes, ends, session.open_ns)
    if ends < session.close_ns and three_pm_e8 is not None and three_pm_e8 > 0:
        found.append(limits(ends, Period.AFTER, 0, three_pm_e8))
    return found, [halt for _, halt in halts]


def _cash_halts(
    rule: PriceLimits, session: Session, closes: int, late: int, before_e8: int, index: Samples
) -> list[tuple[int, Halt]]:
    """Levels reached by the cash index in regular hours, with their halts."""
    assert session.rth is not None
    if not before_e8:
        return []
    found: list[tuple[int, Halt]] = []
    first, last = np.searchsorted(index.ts_ns, (session.rth[0], closes))
    level = 0
    for row in range(int(first), int(last)):
        ts_ns, value_e8 = int(index.ts_ns[row]), int(index.price_e8[row])
        if value_e8 >= before_e8 or (found and ts_ns < found[-1][1].until_ns):
            continue
        fall = cash_fall(value_e8, before_e8)
        now, length = cash_halt(fall, level, ts_ns >= late, rule.first_e8, rule.second_e8, rule.third_e8, CASH_HALT_NS)
        if now:
            level, over = int(now), length == REST_OF_DAY
            until = session.close_ns if over else ts_ns + int(length)
            phase = MarketPhase.CLOSED if over else MarketPhase.PRE_OPEN
            halt = Halt(ts_ns, min(until, session.close_ns), phase, HaltReason.CASH_MARKET, session.trade_date)
            found.append((level, halt))
    return found


def fixed_day(rule: PriceLimits, session: Session, settlement_e8: int, tick_e8: int, bars: Bars) -> list[Limits]:
    """Limits of a session around the prior settlement; each bar that reaches one widens them from its end on."""
    settled = settlement_e8 // tick_e8

    def limits(ts_ns: int, expansions: int) -> Limits:
        if rule.method == "amount":
            amounts = (rule.first_e8 // tick_e8, rule.step_e8 // tick_e8, expansions, rule.most_e8 // tick_e8)
            low, high = fixed_limits_by_amount(settled, *amounts)
        else:
            low, high = fixed_limits(settled, rule.first_e8, rule.step_e8, expansions, rule.most_e8, rule.rounding)
        return Limits(ts_ns, low * tick_e8, high * tick_e8, int(rule.rejects))

    found = [limits(session.orders_from_ns, 0)]
    row, end = (int(at) for at in np.searchsorted(bars.start_ns, (session.open_ns, session.close_ns)))
    while len(found) <= rule.expansions:
        high, low = bars.high_e8[row:end], bars.low_e8[row:end]
        reached = np.flatnonzero((high >= found[-1].high_e8) | (low <= found[-1].low_e8))
        if not len(reached):
            break
        row += int(reached[0])
        found.append(limits(int(bars.end_ns[row]), len(found)))
        row += 1
    return found


def last_price(closes: Samples, ts_ns: int, since_ns: int) -> int | None:
    """The last close known at an instant, of a bar that ended after another; None for none."""
    row = int(np.searchsorted(closes.ts_ns, ts_ns, side="right")) - 1
    return int(closes.price_e8[row]) if row >= 0 and closes.ts_ns[row] > since_ns else None
