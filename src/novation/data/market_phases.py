"""Phases of a market's days over its bars: the schedule of its sessions, and halts laid over the open ones."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

import numpy as np

from novation.data.day_limits import Halt
from novation.data.series import Bars
from novation.domain.enums import HaltReason, MarketPhase
from novation.domain.units import NS
from novation.reference.sessions import Session

#: Orders cannot be taken back in the last seconds before an opening (facts/cme.md §8: about 30).
NO_CANCEL_NS = 30 * NS


def scheduled(found: Iterable[Session]) -> list[tuple[int, MarketPhase]]:
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


def phases(
    schedule: list[tuple[int, MarketPhase]], halts: list[Halt], bars: Bars, last: int
) -> list[tuple[int, int, int, int]]:
    """Phases with halts laid over the open ones, from the first bar to an instant, each change once.

    A change inside a bar that began while the market was open waits for the bar's end: its prices are of the time
    before, so that the last hour of a short day trades.
    """
    first = int(bars.start_ns[0])
    stamps = [ts_ns for ts_ns, _ in schedule]
    moments = sorted({first, *stamps, *(t for halt in halts for t in (halt.ts_ns, halt.until_ns))})
    found: list[tuple[int, int, int, int]] = []
    brought = {halt.ts_ns for halt in halts if halt.in_bar}
    now = (int(MarketPhase.OPEN), int(HaltReason.SCHEDULE))
    for moment in moments:
        if not first <= moment <= last:
            continue
        state = _state(schedule, stamps, halts, moment)
        if state == now:
            if moment in brought and found and found[-1][0] == moment:
                found[-1] = (*found[-1][:3], 1)
            continue
        at = moment
        if now[0] == MarketPhase.OPEN:
            row = int(np.searchsorted(bars.start_ns, moment)) - 1
            began = row >= 0 and (not found or found[-1][0] <= bars.start_ns[row])
            at = max(at, int(bars.end_ns[row])) if began else at
        if found and found[-1][0] >= at:
            at = found.pop()[0]
        before = found[-1][1:3] if found else (int(MarketPhase.OPEN), int(HaltReason.SCHEDULE))
        if state != before:
            found.append((at, *state, int(moment in brought)))
        now = state
    return found


def _state(
    schedule: list[tuple[int, MarketPhase]], stamps: list[int], halts: list[Halt], moment: int
) -> tuple[int, int]:
    """Phase and halt at an instant."""
    row = bisect.bisect_right(stamps, moment) - 1
    phase = schedule[row][1] if row >= 0 else MarketPhase.CLOSED
    over = [halt for halt in halts if halt.ts_ns <= moment < halt.until_ns] if phase == MarketPhase.OPEN else []
    if not over:
        return int(phase), int(HaltReason.SCHEDULE)
    longest = max(over, key=lambda halt: halt.until_ns)
    return int(longest.phase), int(longest.reason)
