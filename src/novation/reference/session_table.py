"""Sessions as sorted arrays: what a compiled loop and a clock look an instant up in.

Built once for a product and a range of days; a look-up is a binary search: `rules.session_edges` in a compiled loop,
the methods from Python. An instant between two sessions belongs to the one that opens next: an order that waits then is
of its trade date.

>>> import datetime as dt
>>> from novation.domain.units import to_ns
>>> from novation.reference.lookup import Reference
>>> table = SessionTable.of(Reference(), "ES", dt.date(2026, 11, 23), dt.date(2026, 11, 27))
>>> thanksgiving_evening = to_ns("2026-11-26T20:00:00Z")
>>> table.is_open(thanksgiving_evening), str(table.trade_date(thanksgiving_evening))
(False, '2026-11-27')
"""

from __future__ import annotations

import bisect
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from novation.domain.errors import NoRuleInForce
from novation.domain.units import day_number, iso
from novation.reference.sessions import Session, sessions

if TYPE_CHECKING:
    from novation.reference.lookup import Reference


@dataclass(frozen=True, eq=False)
class SessionTable:
    """A product's sessions of a range of days, ascending; instants int64 ns UTC.

    edges: openings and closings in turn of every stretch without a break, shape (2 n,). opens, closes: of whole
    sessions. trade_date: days since 1970-01-01. settlement_ns: 0 where nothing settles. rth: opening and close of
    regular hours, shape (sessions, 2), 0 where there are none.
    """

    root: str
    edges: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    trade_dates: np.ndarray
    settlement_ns: np.ndarray
    rth: np.ndarray
    sessions: tuple[Session, ...]

    @classmethod
    def of(cls, reference: Reference, root: str, first: dt.date, last: dt.date) -> SessionTable:
        """The table of the sessions whose day lies in [first, last]. Raises as `reference.sessions.sessions` does."""
        found = sessions(reference, root, first, last)
        edges: list[int] = []
        for session in found:
            edges.append(session.open_ns)
            for pause in session.pauses:
                edges.extend(pause)
            edges.append(session.close_ns)
        return cls(
            root=root,
            edges=_frozen(edges),
            opens=_frozen([session.open_ns for session in found]),
            closes=_frozen([session.close_ns for session in found]),
            trade_dates=_frozen([day_number(session.trade_date) for session in found]),
            settlement_ns=_frozen([session.settlement_ns or 0 for session in found]),
            rth=_frozen([session.rth or (0, 0) for session in found]).reshape(-1, 2),
            sessions=found,
        )

    def is_open(self, at_ns: int) -> bool:
        """Whether the product trades at an instant. Raises `NoRuleInForce` outside the table."""
        self._number(at_ns)
        return bool(np.searchsorted(self.edges, at_ns, side="right") % 2)

    def session(self, at_ns: int) -> Session:
        """The session that runs at an instant, else the next. Raises `NoRuleInForce` outside the table."""
        return self.sessions[self._number(at_ns)]

    def trade_date(self, at_ns: int) -> dt.date:
        """The trade date of what happens at an instant. Raises `NoRuleInForce` outside the table."""
        return self.session(at_ns).trade_date

    def in_regular_hours(self, at_ns: int) -> bool:
        """Whether an instant lies in regular trading hours. Raises `NoRuleInForce` outside the table."""
        session = self.session(at_ns)
        return session.rth is not None and session.rth[0] <= at_ns < session.rth[1]

    def _number(self, at_ns: int) -> int:
        number = bisect.bisect_right(self.closes, at_ns)
        if not len(self.opens) or number == len(self.opens) or at_ns < self.opens[0]:
            known = f"sessions of {self.sessions[0].day} to {self.sessions[-1].day}" if self.sessions else "no session"
            hint = "Make the table of more days."
            raise NoRuleInForce("cme/sessions", self.root, iso(at_ns), known=known, hint=hint)
        return number


def _frozen(values: list[int] | list[tuple[int, int]]) -> np.ndarray:
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array
