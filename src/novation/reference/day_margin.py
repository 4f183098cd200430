"""A broker's day-trading margin: a share of the exchange's by day, all of it from a deadline before the close on.

The share and the deadline are a broker's own, so they are overrides (`intraday_ratio`, `margin_deadline_minutes`) and
no table has them. By day is from a session's opening to its deadline; holidays and early closes move both. What happens
at the deadline is in docs/rules/phases.md.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence

import msgspec

from novation.domain.instruments import Terms
from novation.domain.units import E8, NS, to_e8
from novation.reference.lookup import Reference
from novation.reference.sessions import Session

#: Minutes before the close at which overnight margins take effect, where nobody says otherwise: assumed.
DEADLINE_MINUTES = 15


def intraday_ratio_e8(reference: Reference, symbol: str) -> int:
    """A broker's day-trading margin as a share of the overnight initial and maintenance, in 1e-8.

    What the override `intraday_ratio` says of the product; 100_000_000, the whole margin, where none does.
    """
    said = reference.overridden(symbol, "margins", "intraday_ratio")
    return E8 if said is None else to_e8(said)


def deadline_ns(reference: Reference, symbol: str) -> int:
    """How long before the close overnight margins take effect."""
    said = reference.overridden(symbol, "margins", "margin_deadline_minutes")
    return 60 * NS * int(DEADLINE_MINUTES if said is None else said)


def day_and_night(
    terms: Sequence[Terms],
    sessions: Iterable[Session],
    ratio_e8: int,
    before_close_ns: int,
    start_ns: int,
    end_ns: int,
) -> tuple[tuple[Terms, ...], tuple[tuple[int, int], ...]]:
    """Rows of terms by day and by night, and (instant, row) of every change in (start_ns, end_ns], the row in force at
    the start first.

    terms: dated rows, ascending, the first in force from the start. Of each there are three: overnight as calls come
    due, by day, and overnight otherwise. Day margins are rounded up to the minor unit.
    """
    rows: list[Terms] = []
    for row in terms:
        share = {name: -(-getattr(row, name) * ratio_e8 // E8) for name in ("initial_per_lot", "maintenance_per_lot")}
        rows += [msgspec.structs.replace(row, calls_due=1), msgspec.structs.replace(row, **share), row]
    found = list(sessions)
    dated = [row.effective_ns for row in terms]
    opens = [session.open_ns for session in found]
    deadlines = [max(session.open_ns, session.close_ns - before_close_ns) for session in found]
    moments = sorted({start_ns, *opens, *deadlines, *dated[1:]})
    changes: list[tuple[int, int]] = []
    for moment in moments:
        if not start_ns <= moment <= end_ns:
            continue
        number = max(0, bisect.bisect_right(dated, moment) - 1)
        session = bisect.bisect_right(opens, moment) - 1
        by_day = session >= 0 and moment < deadlines[session]
        due = session >= 0 and moment == deadlines[session] and moment > start_ns
        at = 3 * number + (1 if by_day else 0 if due else 2)
        if not changes or changes[-1][1] != at:
            changes.append((moment, at))
    return tuple(rows), tuple(changes)
