"""Where an instant lies among a market's openings and closings.

`edges` are int64 ns, strictly ascending: opening, closing, opening, ... of every stretch without a break, so the market
is open in [edges[2k], edges[2k+1]). `opens` are the openings of whole sessions. Both come from
`reference.session_table`.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.ordering import how_many_up_to


@kernel
def edges_passed(edges, at_ns):
    """How many edges lie at or before an instant; the market is open where that is odd."""
    return how_many_up_to(edges, len(edges), at_ns)


@kernel
def is_open(edges, at_ns):
    """Whether a market trades at an instant: at an opening it does, at a closing it no longer does."""
    return edges_passed(edges, at_ns) % 2 == 1


@kernel
def session_of(closes, at_ns):
    """The number of the session that an instant belongs to: the running one, else the one that opens next.

    What is asked after the last session's close is one past the last number.
    """
    return edges_passed(closes, at_ns)
