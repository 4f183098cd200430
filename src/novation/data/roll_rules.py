"""Rolls of a chain of contracts by a rule of the calendar, placed where both contracts have a bar.

`reference.rolls` says on which trade date a month is left; a chain needs the instant at which both months open a bar
(`data.chain`). That is the first common opening at or after the session of the roll day begins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from novation.data.frames import read_frame, read_stamps
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, HOUR_NS, iso
from novation.reference.lookup import Reference
from novation.reference.products import month_symbol
from novation.reference.rolls import rolls
from novation.reference.sessions import sessions


def rolls_by_rule(
    root: str,
    bars: Mapping[int, Any],
    rule: str = "lead",
    *,
    cycle: str = "",
    tz: str | None = None,
    reference: Reference | None = None,
) -> list[tuple[int, int, int]]:
    """The rolls (instant in ns, old month, new month) of a product's bars, as `ContractChain` takes them.

    bars: by month YYYYMM a frame with stamps, as `ContractChain` takes it. rule, cycle: as in `reference.rolls`. Rolls
    begin with the first of two months that both have bars. Raises `DataError` where a roll between months that are
    given finds no instant at which both open a bar before the old one ends.
    """
    known = reference or Reference.default()
    stamps = {month: read_stamps(read_frame(given, f"bars[{month}]"), tz)[0] for month, given in sorted(bars.items())}
    stamps = {month: ts_ns for month, ts_ns in stamps.items() if len(ts_ns)}
    if not stamps:
        raise DataError("no bars given", source="bars")
    first = min(int(ts_ns[0]) for ts_ns in stamps.values())
    last = max(int(ts_ns[-1]) for ts_ns in stamps.values())
    found: list[tuple[int, int, int]] = []
    # what opens in the evening is of the next trade date
    for day, old, new in rolls(known, root, iso(first)[:10], iso(last + DAY_NS + 2 * HOUR_NS)[:10], rule, cycle):
        if new > max(stamps):
            break  # the last contract that is given is held to its end
        if old not in stamps or new not in stamps:
            if found:
                raise DataError(
                    "no bars of a month that the rolls name",
                    source="bars",
                    value=new if old in stamps else old,
                    hint="Give its bars, or leave out those after it.",
                )
            continue
        begins = _opening(known, root, day)
        both = np.intersect1d(stamps[old], stamps[new])
        ends = known.instrument(f"cme:{month_symbol(root, old)}").deliver_ns
        later = both[(both >= begins) & (both < (ends // DAY_NS + 1) * DAY_NS)]
        if not len(later):
            raise DataError(
                f"no bar of {old} and {new} opens at one time from {iso(begins)} to the last trade at {iso(ends)}",
                source="bars",
                hint="Give bars of both months around the roll, or a rule that rolls earlier.",
            )
        found.append((int(later[0]), old, new))
    return found


def _opening(reference: Reference, root: str, day: dt.date) -> int:
    """The instant at which the session of a trade date begins."""
    return sessions(reference, root, day, day)[0].open_ns
