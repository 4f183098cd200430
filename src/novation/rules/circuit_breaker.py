"""The dynamic circuit breaker: how far a price may be from the lowest and highest trade of the last hour.

Source: facts/cme.md §5 (CME DCB FAQ, example A6). variant = settlement x percentage, to a tick; highest tradable bid =
lowest trade of the window + variant, lowest tradable ask = highest trade - variant. A trade that would go beyond does
not happen: the group goes to pre-open for two minutes, five seconds in the last five minutes before the close; then
the window begins empty, and there is no limit until the first trade.

The window is a state of `rolling_extremes`, which the caller owns; with a capacity of variant + 1 there is always room.
The FAQ rounds the variant down, a table of 2020 shows one rounded up: the direction is an argument. Not modelled: the
auction that ends the halt, options.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from novation._jit import kernel
from novation.rules.price_limits import share_ticks
from novation.rules.rolling_extremes import (
    NO_ROOM,
    WITHIN,
    rolling_limits,
    rolling_reset,
    rolling_trade,
    rolling_words,
)


class Scope(IntEnum):
    """Whom a halt stops: the month that triggered it, or every month of its product."""

    MONTH = 1
    GROUP = 2


_MONTH = int(Scope.MONTH)
_GROUP = int(Scope.GROUP)


@kernel
def variant(settlement_ticks, fraction_e8, rounding):
    """How far a price may move, in ticks: the fraction of the prior settlement's size. CL 80.00 at 10 %: 800."""
    return share_ticks(settlement_ticks, fraction_e8, rounding)


@kernel
def breaker_reset(state):
    """Begin an empty window: at the open, and when trading resumes."""
    rolling_reset(state)


@kernel
def breaker_limits(state, now_ns, window_ns, variant_ticks):
    """(lowest tradable ask, highest tradable bid); NO_LOWER and NO_UPPER while the window is empty."""
    return rolling_limits(state, now_ns, window_ns, variant_ticks)


@kernel
def breaker_trade(state, now_ns, window_ns, variant_ticks, price_ticks):
    """WITHIN: the trade is in the window now. BEYOND_HIGH, BEYOND_LOW: it triggers, and is not. NO_ROOM: too small."""
    return rolling_trade(state, now_ns, window_ns, variant_ticks, price_ticks)


@kernel
def breaker_halt(now_ns, close_ns, halt_ns, late_ns, late_halt_ns):
    """How long a halt that begins now lasts: `late_halt_ns` (5 s) in the last `late_ns` (5 min) before the close."""
    return late_halt_ns if now_ns >= close_ns - late_ns else halt_ns


@kernel
def breaker_scope(triggered, lead):
    """GROUP if it is the lead month that triggered, else MONTH; both are ids."""
    return _GROUP if triggered == lead else _MONTH


@kernel
def find_breaks(
    times_ns, prices_ticks, variant_ticks, window_ns, halt_ns, close_ns, late_ns, late_halt_ns, state, found
):
    """`breaks` into `found` (rows, 4): how many, or -1 when the state had no room. The state is emptied first."""
    breaker_reset(state)
    count, resume_ns, halted = 0, 0, False
    for i in range(len(times_ns)):
        if halted and times_ns[i] < resume_ns:
            continue
        halted = False
        side = breaker_trade(state, times_ns[i], window_ns, variant_ticks, prices_ticks[i])
        if side == NO_ROOM:
            return -1
        if side != WITHIN:
            resume_ns = times_ns[i] + breaker_halt(times_ns[i], close_ns, halt_ns, late_ns, late_halt_ns)
            found[count, 0] = i
            found[count, 1] = side
            found[count, 2] = times_ns[i]
            found[count, 3] = resume_ns
            count += 1
            halted = True
            breaker_reset(state)
    return count


def breaks(
    times_ns: np.ndarray,
    prices_ticks: np.ndarray,
    variant_ticks: int,
    window_ns: int,
    halt_ns: int,
    close_ns: int,
    late_ns: int,
    late_halt_ns: int,
) -> np.ndarray:
    """Every halt in the trades of one session: int64 (halts, 4) of index, side (1 or -1), halt start, resume.

    times_ns ascending and prices_ticks: int64 (trades). The trade that triggers did not happen, nor did those of the
    data that fall into its halt; the first at or after the resumption begins the window.
    """
    state = np.zeros(rolling_words(variant_ticks + 1), np.int64)
    found = np.zeros((len(times_ns), 4), np.int64)
    count = find_breaks(
        times_ns, prices_ticks, variant_ticks, window_ns, halt_ns, close_ns, late_ns, late_halt_ns, state, found
    )
    return found[:count]
