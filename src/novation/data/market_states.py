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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from novation.data.day_limits import Halt, Limits, Samples, cash_close_ns, fixed_day, index_day, last_price
from novation.data.feed import trade_dates
from novation.data.market_phases import phases, scheduled
from novation.data.series import Array, Bars, Prepared
from novation.domain.enums import HaltReason, MarketPhase
from novation.domain.errors import NoRuleInForce
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import DAY_NS, HOUR_NS, NS, day_number, iso, utc_date
from novation.domain.words import counted
from novation.reference.lookup import Reference
from novation.reference.market_limits import circuit_breaker, price_limits, velocity
from novation.reference.products import lead_month, product_row
from novation.reference.sessions import Session, sessions
from novation.rules.circuit_breaker import Scope, breaker_scope, breaks, variant

LONGEST_BAR_NS = HOUR_NS
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

    @cached_property
    def closes(self) -> Samples:
        """Closes of bars at their ends, those of the days before the first bar too."""
        own = self.prepared
        return Samples(
            np.concatenate([own.prior_ns, own.bars.end_ns]), np.concatenate([own.prior_e8, own.bars.close_e8])
        )

    @cached_property
    def settlements(self) -> Samples:
        """Settlements, those of the days before the first bar too."""
        own = self.prepared
        return Samples(
            np.concatenate([own.prior_settlement_ns, own.settlement_ns]),
            np.concatenate([own.prior_settlement_e8, own.settlement_e8]),
        )


@dataclass
class States:
    """What one contract's market does: (ts_ns, phase, halt, whether a bar that ends then brought it) and limits, each
    from its instant on, ascending."""

    phases: list[tuple[int, int, int, int]] = field(default_factory=list)
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
    reference: Reference,
    root: str,
    contracts: Mapping[int, TradedContract],
    *,
    until_ns: int | None = None,
) -> dict[int, States]:
    """The states of a product's contracts, each from its first bar on.

    until_ns: how far markets go on opening and closing, else to the contract's last bar. The cash index of one contract
    is that of all, and so is a halt of the lead month's circuit breaker or velocity logic, after which their windows
    begin empty. Raises `NoRuleInForce` where sessions or limits are not known at a date.
    """
    given = (Samples(one.prepared.index_ns, one.prepared.index_e8) for one in contracts.values())
    index = next((samples for samples in given if len(samples.ts_ns)), Samples(np.zeros(0), np.zeros(0)))
    found = {i: _own_states(reference, root, contract, index, ()) for i, contract in contracts.items()}
    of_all = [
        (i, halt)
        for i, contract in contracts.items()
        for halt in found[i].halts
        if halt.reason != HaltReason.CASH_MARKET and _leads(reference, root, contract.instrument, halt.trade_date)
    ]
    for i, contract in contracts.items():
        group = [halt for source, halt in of_all if source != i]
        if group:
            found[i] = _own_states(reference, root, contract, index, group)
            found[i].halts += group
        bars = contract.prepared.bars
        first, last = int(bars.start_ns[0]), int(bars.end_ns[-1])
        schedule = scheduled(sessions_of(reference, root, first, max(last, until_ns or 0)))
        found[i].phases = phases(schedule, found[i].halts, bars, max(last, until_ns or 0))
        found[i].limits = _in_range(found[i].limits, first, last)
        found[i].cautions += _outside(bars, found[i].limits)
        if found[i].limits and found[i].limits[-1][1:] != _NO_LIMITS and (until_ns or 0) > last:
            found[i].limits.append(Limits(last, *_NO_LIMITS))  # nobody trades it any more: no lock may outlast its data
    return found


def _leads(reference: Reference, root: str, instrument: Instrument, day: dt.date) -> bool:
    """Whether a halt of a contract halts all of its product."""
    lead = lead_month(product_row(reference, root, day), day)
    return int(breaker_scope(instrument.contract_month, lead)) == Scope.GROUP


def sessions_of(reference: Reference, root: str, first_ns: int, last_ns: int) -> tuple[Session, ...]:
    """Sessions of a span, and of the week before it, so that one with a settlement lies before its first bar."""
    first, last = utc_date(first_ns), utc_date(last_ns) + dt.timedelta(1)
    try:
        return sessions(reference, root, first - dt.timedelta(7), last)
    except NoRuleInForce:
        return sessions(reference, root, first, last)


def _own_states(
    reference: Reference, root: str, contract: TradedContract, index: Samples, group: Sequence[Halt]
) -> States:
    """Limits and halts of one contract, session by session. group: halts that another month brings it."""
    found, bars = States(), contract.prepared.bars
    first, last = int(bars.start_ns[0]), int(bars.end_ns[-1])
    zone = product_row(reference, root, utc_date(first))["zone"]
    dates = trade_dates(contract.settlements.ts_ns, zone).tolist()
    settled = {date: row for row, date in enumerate(dates)}
    before: Session | None = None
    without = 0
    for session in sessions_of(reference, root, first, last):
        if session.close_ns > first and session.open_ns < last:
            known_e8 = _settlement(contract, settled, before, session) if before else None
            without += not _limit(found, reference, root, contract, session, before, known_e8, index)
            _break(found, reference, root, contract, session, known_e8, group)
        if session.rth is not None:
            before = session
    if without:
        found.cautions.append(f"{counted(without, 'session')} without price limits: no earlier price is given")
    if len(index.ts_ns) and not any(limit.refuse for limit in found.limits):
        found.cautions.append("the cash index is not used: no price limit of the product rests on one")
    found.cautions = list(dict.fromkeys(found.cautions))
    return found


def _settlement(contract: TradedContract, settled: Mapping[int, int], before: Session, session: Session) -> int | None:
    """What limits of a session are measured from: the prior settlement, or the last price known then; None: neither."""
    row = settled.get(day_number(before.trade_date))
    if row is not None and contract.settlements.ts_ns[row] <= session.open_ns:
        return int(contract.settlements.price_e8[row])
    return last_price(contract.closes, before.settlement_ns or before.close_ns, before.open_ns)


def _limit(
    found: States,
    reference: Reference,
    root: str,
    contract: TradedContract,
    session: Session,
    before: Session | None,
    known_e8: int | None,
    index: Samples,
) -> bool:
    """Add the price limits and cash halts of a session; False where its rule has no price to begin from."""
    rule = price_limits(reference, root, session.open_ns)
    if rule is None or before is None or known_e8 is None or (rule.method == "index" and known_e8 <= 0):
        found.limits.append(Limits(session.orders_from_ns, *_NO_LIMITS))
        return rule is None
    tick_e8, bars = contract.tick_e8(session.open_ns), contract.prepared.bars
    if rule.method != "index":
        found.limits += fixed_day(rule, session, known_e8, tick_e8, bars)
        return True
    if not index.at_close(before):
        found.cautions.append(
            "no cash index given for some days: price limits overnight are then a share of the future's own "
            "settlement, and halts of the cash market are not known (index=...)"
        )
    limits, halts = index_day(rule, session, before, known_e8, tick_e8, contract.closes, index)
    found.limits += limits
    found.halts += halts
    return True


def _break(
    found: States,
    reference: Reference,
    root: str,
    contract: TradedContract,
    session: Session,
    known_e8: int | None,
    group: Sequence[Halt],
) -> None:
    """Add the halts that circuit breaker and velocity logic bring in a session."""
    bars, tick_e8 = contract.prepared.bars, contract.tick_e8(session.open_ns)
    breaker = circuit_breaker(reference, root, session.open_ns)
    if breaker is not None and known_e8 is not None:
        reach = int(variant(known_e8 // tick_e8, breaker.fraction_e8, breaker.rounding))
        times = (breaker.window_ns, breaker.halt_ns, session.close_ns, breaker.late_ns, breaker.late_halt_ns)
        spans = [(session.open_ns, session.close_ns)]
        if breaker.outside_regular and session.rth is not None:
            spans = [(session.open_ns, session.rth[0]), (cash_close_ns(session), session.close_ns)]
        for span in _cut(spans, group):  # a window begins empty in each
            found.halts += _halts(bars, span, tick_e8, reach, times, HaltReason.CIRCUIT_BREAKER, session.trade_date)
    fast = velocity(reference, root, session.open_ns)
    if fast is None:
        return
    rows = _rows(bars, (session.open_ns, session.close_ns))
    length = int((bars.end_ns[rows] - bars.start_ns[rows]).max(initial=0))
    if length > fast.window_ns:
        found.cautions.append(
            f"velocity logic looks at {fast.window_ns / NS:g} s, which bars of {length / NS:g} s do not show: left out"
        )
        return
    times = (fast.window_ns, fast.halt_ns, _FAR_NS, 0, 0)
    for span in _cut([(session.open_ns, session.close_ns)], group):
        found.halts += _halts(bars, span, tick_e8, fast.ticks - 1, times, HaltReason.VELOCITY, session.trade_date)


def _cut(spans: list[tuple[int, int]], halts: Sequence[Halt]) -> list[tuple[int, int]]:
    """Spans without halts, each before and after one."""
    for halt in halts:
        pieces = []
        for start, end in spans:
            if start < halt.until_ns and halt.ts_ns < end:
                pieces += [(start, halt.ts_ns), (halt.until_ns, end)]
            else:
                pieces.append((start, end))
        spans = [(start, end) for start, end in pieces if start < end]
    return spans


def _rows(bars: Bars, span: tuple[int, int]) -> slice:
    return slice(*np.searchsorted(bars.start_ns, span).tolist())


def _halts(
    bars: Bars,
    span: tuple[int, int],
    tick_e8: int,
    reach: int,
    times: tuple[int, ...],
    reason: HaltReason,
    trade_date: dt.date,
) -> list[Halt]:
    """Halts of a rolling window over the prices of a span's bars: the open at its start, the others at its end, of high
    and low the one against the bar's direction first."""
    rows = _rows(bars, span)
    low, high = bars.low_e8[rows], bars.high_e8[rows]
    if not len(low) or (int(high.max()) - int(low.min())) // tick_e8 <= reach:
        return []  # all of it is narrower than the reach
    opened, close = bars.open_e8[rows], bars.close_e8[rows]
    rises = close >= opened
    prices = np.stack([opened, np.where(rises, low, high), np.where(rises, high, low), close], axis=1).reshape(-1)
    stamps = np.stack([bars.start_ns[rows], *[bars.end_ns[rows]] * 3], axis=1).reshape(-1)
    # an end and the next start are one instant, in that order
    found = breaks(np.ascontiguousarray(stamps), np.ascontiguousarray(prices // tick_e8), reach, *times)
    return [
        Halt(int(begins), int(ends), MarketPhase.PRE_OPEN, reason, trade_date, in_bar=bool(at % 4))
        for at, _, begins, ends in found.tolist()
    ]


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
