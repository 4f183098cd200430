"""What our own tables know of the product of a file: its tick, and when it trades."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from novation.domain.errors import NoRuleInForce, UnknownInstrument
from novation.domain.units import utc_date
from novation.reference import Reference
from novation.reference.sessions import sessions

_DAY = dt.timedelta(days=1)


class Product(NamedTuple):
    """Price of a tick, and the spans in which the market is open, half open, in ns."""

    tick: Decimal
    open_spans: tuple[tuple[int, int], ...]


def cme_product(symbol: str, first_ns: int, last_ns: int) -> Product | None:
    """The product of a contract named as at CME ("ESH4") in a time; None where no table knows it then."""
    reference = Reference.default()
    try:
        name = reference.instrument(f"cme:{symbol}", first_ns)
        tick = reference.row("cme/contracts", name.root, first_ns)["tick_points"]
        held = sessions(reference, name.root, utc_date(first_ns) - _DAY, utc_date(last_ns) + _DAY)
    except (UnknownInstrument, NoRuleInForce):
        return None
    spans = [(session.open_ns, session.close_ns) for session in held]
    for session in held:  # what a pause cuts apart
        for begin, end in session.pauses:
            at = next(i for i, (start, stop) in enumerate(spans) if start <= begin < stop)
            spans[at : at + 1] = [(spans[at][0], begin), (end, spans[at][1])]
    return Product(tick, tuple(span for span in spans if span[1] > first_ns and span[0] <= last_ns))
