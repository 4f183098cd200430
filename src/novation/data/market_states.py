"""Phases, halts and price limits of a product's contracts over their bars: rows that a venue obeys.

The schedule is that of `reference.sessions`; dynamic circuit breakers and velocity logic are looked for in the bars by
the detectors of `rules`, price limits and cash halts are `data.day_limits`. Each row rests on prices known at its
instant and on no later one (docs/rules/market_states.md).

Only bars of at most an hour are looked at: the pause of a day is an hour long, and a longer bar cannot show it.

Not modelled: stop logic (there are no stop orders on bars), the auction that ends a halt.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from novation.data.day_limits import (
    Halt,
    Limits,
    Samples,
    cash_close_ns,
    fixed_day,
    index_day,
    last_price,
)
from novation.data.feed import trade_dates
from novation.data.series import Array, Bars, Prepared
from novation.domain.enums import HaltReason, MarketPhase
from novation.domain.errors import NoRuleInForce
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import DAY_NS, HOUR_NS, NS, iso, utc_date
from novation.domain.words import counted
from novation.reference.lookup import Reference
from novation.reference.market_limits import circuit_breaker, price_limits, velocity
from novation.reference.products import lead_month, product_row
from novation.reference.sessions import Session, sessions
from novation.rules.circuit_breaker import breaks, variant

LONGEST_BAR_NS = HOUR_NS
#: Orders cannot be taken back in the last seconds before an opening (facts/cme.md §8: about 30).
NO_CANCEL_NS = 30 * NS
_NO_LIMITS = (-NO_LIMIT_E8, NO_LIMIT_E8, 0)
_FAR_NS = 1 << 62
#: Bars come several a day where at least so many of them begin within half a day of the one before.
_SEVERAL = 0.2


@dataclass(frozen=True)
class TradedContract:
    """A contract of the product with its bars and terms."""

    instrument: Instrument
    prepared: Prepared
    terms: tuple[Terms, ...]

    def tick_e8(self, ts_ns: int) -> int:
        """The tick in force at an instant."""
        row = bisect.bisect_right([t.effective_ns for t in self.terms], ts_ns) - 1
        return self.instrument.tick_e8 * self.terms[max(0, row)].tick_step


@dataclass
class States:
    """What one contract's market does: (ts_ns, phase, halt) and limits, each from its instant on, ascending."""

    phases: list[tuple[int, int, int]] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    halts: list[Halt] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)


def can_show(bars: Bars) -> bool:
    """Whether bars are short enough for phases and limits: at most an hour, and several a day.

    One a day that begins an hour before midnight is a day's price under a stamp, and says nothing of its hour.
    """
    steps = np.diff(bars.start_ns)
    once_a_day = len(steps) > 0 and float((steps < DAY_NS // 2).mean()) < _SEVERAL
    return int((bars.end_ns - bars.start_ns).max()) <= LONGEST_BAR_NS and not once_a_day


def market_states(
    reference: Reference, root: str, contracts: Mapping[int, TradedContract], *, zone: str
) -> dict[int, States]:
    """The states of a product's contracts, each over its own bars.

    zone: of the exchange's trade dates. A halt of the lead month's circuit breaker or velocity logic halts all of
    them. Raises `NoRuleInForce` where sessions or limits are not known at a date.
    """
    found = {i: _own_states(reference, root, contract, zone) for i, contract in contracts.items()}
    for i, contract in contracts.items():
        for halt in found[i].halts:
            day = utc_date(halt.ts_ns)
            led = lead_month(product_row(reference, root, day), day) == contract.instrument.contract_month
            if led and halt.reason != HaltReason.CASH_MARKET:
                for other, states in found.items():
                    if other != i:
                        states.halts.append(halt)
    for i, contract in contracts.items():
        bars = contract.prepared.bars
        first, last = int(bars.start_ns[0]), int(bars.end_ns[-1])
        schedule = _schedule(sessions_of(reference, root, bars))
        found[i].phases = _phases(schedule, found[i].halts, first, last)
        found[i].limits = _in_range(found[i].limits, first, last)
        found[i].cautions += _outside(bars, found[i].limits)
    return found


def sessions_of(reference: Reference, root: str, bars: Bars) -> tuple[Session, ...]:
    """Sessions from a week before the first bar, so that one with a settlement lies before it, to the last bar."""
    first, last = utc_date(int(bars.start_ns[0])), utc_date(int(bars.end_ns[-1]))
    week = dt.timedelta(7)
    try:
        return sessions(reference, root, first - week, last + dt.timedelta(1))
    except NoRuleInForce:
        return sessions(reference, root, first, last + dt.timedelta(1))


def _own_states(reference: Reference, root: str, contract: TradedContract, zone: str) -> States:
    """Limits and halts of one contract, session by session."""
    found = States()
    prepared, bars = contract.prepared, contract.prepared.bars
    settled = {date: row for row, date in enumerate(trade_dates(prepared.settlement_ns, zone).tolist())}
    index = Samples(prepared.index_ns, prepared.index_e8)
    before: Session | None = None
    for session in sessions_of(reference, root, bars):
        if session.close_ns > bars.start_ns[0] and session.open_ns < bars.end_ns[-1]:
            reference_e8 = _settlement(contract, settled, before, session) if before else 0
            _limit(found, reference, root, contract, session, before, reference_e8, index)
            _break(found, reference, root, contract, session, reference_e8)
        if session.rth is not None:
            before = session
    found.cautions = list(dict.fromkeys(found.cautions))
    return found


def _settlement(contract: TradedContract, settled: Mapping[int, int], before: Session, session: Session) -> int:
    """What limits of a session are measured from: the prior settlement, or the last price known then; 0 for neither."""
    prepared = contract.prepared
    row = settled.get((before.trade_date - dt.date(1970, 1, 1)).days)
    if row is not None and prepared.settlement_ns[row] <= session.open_ns:
        return int(prepared.settlement_e8[row])
    return last_price(prepared.bars, before.settlement_ns or before.close_ns, before.open_ns)


def _limit(
    found: States,
    reference: Reference,
    root: str,
    contract: TradedContract,
    session: Session,
    before: Session | None,
    reference_e8: int,
    index: Samples,
) -> None:
    """Add the price limits and cash halts of a session."""
    rule = price_limits(reference, root, session.open_ns)
    begins = session.open_ns if session.pre_open_ns is None else session.pre_open_ns
    if rule is None or before is None or reference_e8 == 0:
        found.limits.append(Limits(begins, *_NO_LIMITS))
        return
    tick_e8, bars = contract.tick_e8(session.open_ns), contract.prepared.bars
    if rule.method != "index":
        found.limits += fixed_day(rule, session, reference_e8, tick_e8, bars)
        return
    if not index.at(cash_close_ns(before)):
        found.cautions.append(
            "no cash index given: price limits overnight are a share of the future's own settlement, and halts of the "
            "cash market are not known (History(index=...))"
        )
    limits, halts = index_day(rule, session, before, reference_e8, tick_e8, bars, index)
    found.limits += limits
    found.halts += halts


def _break(
    found: States, reference: Reference, root: str, contract: TradedContract, session: Session, reference_e8: int
) -> None:
    """Add the halts that circuit breaker and velocity logic bring in a session."""
    bars, tick_e8 = contract.prepared.bars, contract.tick_e8(session.open_ns)
    first, last = (int(row) for row in np.searchsorted(bars.start_ns, (session.open_ns, session.close_ns)))
    if first == last:
        return
    length = int((bars.end_ns[first:last] - bars.start_ns[first:last]).max())
    breaker = circuit_breaker(reference, root, session.open_ns)
    if breaker is not None and reference_e8 != 0:
        reach = int(variant(reference_e8 // tick_e8, breaker.fraction_e8, breaker.rounding))
        times = (breaker.window_ns, breaker.halt_ns, session.close_ns, breaker.late_ns, breaker.late_halt_ns)
        found.halts += _halts(bars, first, last, tick_e8, reach, times, HaltReason.CIRCUIT_BREAKER)
    fast = velocity(reference, root, session.open_ns)
    if fast is not None and length > fast.window_ns:
        found.cautions.append(
            f"velocity logic looks at {fast.window_ns / NS:g} s, which bars of {length / NS:g} s do not show: left out"
        )
    elif fast is not None:
        times = (fast.window_ns, fast.halt_ns, _FAR_NS, 0, 0)
        found.halts += _halts(bars, first, last, tick_e8, fast.ticks - 1, times, HaltReason.VELOCITY)


def _halts(
    bars: Bars, first: int, last: int, tick_e8: int, reach: int, times: tuple[int, ...], reason: HaltReason
) -> list[Halt]:
    """Halts of a rolling window over the prices of bars: the open at its start, the others at its end, of high and low
    the one against the bar's direction first."""
    rows = slice(first, last)
    low, high = bars.low_e8[rows], bars.high_e8[rows]
    if (int(high.max()) - int(low.min())) // tick_e8 <= reach:
        return []  # the whole session is narrower than the reach
    opened, close = bars.open_e8[rows], bars.close_e8[rows]
    rises = close >= opened
    prices = np.stack([opened, np.where(rises, low, high), np.where(rises, high, low), close], axis=1).reshape(-1)
    stamps = np.stack([bars.start_ns[rows], *[bars.end_ns[rows]] * 3], axis=1).reshape(-1)
    # an end and the next start are one instant, in that order
    found = breaks(np.ascontiguousarray(stamps), np.ascontiguousarray(prices // tick_e8), reach, *times)
    return [Halt(int(row[2]), int(row[3]), MarketPhase.PRE_OPEN, reason) for row in found]


def _schedule(found: Iterable[Session]) -> list[tuple[int, MarketPhase]]:
    """Phases without halts, ascending."""
    rows: list[tuple[int, MarketPhase]] = []
    for session in found:
        if session.pre_open_ns is not None:
            rows.append((session.pre_open_ns, MarketPhase.PRE_OPEN))
            rows.append((max(session.pre_open_ns, session.open_ns - NO_CANCEL_NS), MarketPhase.NO_CANCEL))
        rows.append((session.open_ns, MarketPhase.OPEN))
        for start, end in session.pauses:
            rows += [(start, MarketPhase.PAUSED), (end, MarketPhase.OPEN)]
        rows.append((session.close_ns, MarketPhase.CLOSED))
    return rows


def _phases(
    schedule: list[tuple[int, MarketPhase]], halts: list[Halt], first: int, last: int
) -> list[tuple[int, int, int]]:
    """Phases with halts laid over the open ones, from the first bar to the last, each change once."""
    stamps = [ts_ns for ts_ns, _ in schedule]
    moments = sorted({first, *stamps, *(t for halt in halts for t in (halt.ts_ns, halt.until_ns))})
    found: list[tuple[int, int, int]] = []
    state = (int(MarketPhase.OPEN), int(HaltReason.SCHEDULE))
    for moment in moments:
        if not first <= moment <= last:
            continue
        row = bisect.bisect_right(stamps, moment) - 1
        now = (int(schedule[row][1] if row >= 0 else MarketPhase.CLOSED), int(HaltReason.SCHEDULE))
        if now[0] == MarketPhase.OPEN:
            over = [halt for halt in halts if halt.ts_ns <= moment < halt.until_ns]
            if over:
                longest = max(over, key=lambda halt: halt.until_ns)
                now = (int(longest.phase), int(longest.reason))
        if now != state:
            found.append((moment, *now))
            state = now
    return found


def _in_range(limits: list[Limits], first: int, last: int) -> list[Limits]:
    """Those in force from the first bar to the last, each change once; the one in force at the start begins there."""
    stamps = [row.ts_ns for row in limits]
    begin = bisect.bisect_right(stamps, first) - 1
    found: list[Limits] = []
    state: tuple[int, int, int] = _NO_LIMITS
    for row in limits[max(0, begin) :]:
        if row.ts_ns <= last and row[1:] != state:
            found.append(row._replace(ts_ns=max(first, row.ts_ns)))
            state = row[1:]
    return found


def _outside(bars: Bars, limits: list[Limits]) -> list[str]:
    """How many bars trade beyond the limits in force as they open: real trades that say these limits are not exact."""
    if not limits:
        return []
    stamps = np.array([row.ts_ns for row in limits])
    rows = np.searchsorted(stamps, bars.start_ns, side="right") - 1
    low: Array = np.array([row.low_e8 for row in limits])[np.maximum(rows, 0)]
    high: Array = np.array([row.high_e8 for row in limits])[np.maximum(rows, 0)]
    beyond = np.flatnonzero((rows >= 0) & ((bars.open_e8 < low) | (bars.open_e8 > high)))
    if not len(beyond):
        return []
    first = iso(int(bars.start_ns[beyond[0]]))
    return [
        f"{counted(len(beyond), 'bar')} of {len(bars):,} open beyond the price limits found for them (first {first}): "
        "the limits are not exact, and orders are filled at them, not beyond"
    ]
