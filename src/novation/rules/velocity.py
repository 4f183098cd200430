"""Velocity logic, a move too fast; and stop logic, stops that would run too far.

Source: facts/cme.md §5 (CSW velocity and stop logic; timers of stop logic from a notice of 2003, today's unverified).
A move of N ticks within T ns takes the group to pre-open: any price against the lowest and highest trade of the last
T ns. "Of N ticks" is read as N or more, "within T" as an age below T (both unverified). N and T by product are in a
spreadsheet that the facts do not have: arguments.

The window is a state of `rolling_extremes`; a capacity of N is always enough. Immediate orders that would
trigger it are cancelled and the market stays open: a book asks `velocity_limits` first. Not modelled: options.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.rolling_extremes import rolling_limits, rolling_trade


@kernel
def velocity_limits(state, now_ns, window_ns, move_ticks):
    """(lowest, highest) price that does not trigger; NO_LOWER, NO_UPPER while the window is empty. move_ticks >= 1."""
    return rolling_limits(state, now_ns, window_ns, move_ticks - 1)


@kernel
def velocity_trade(state, now_ns, window_ns, move_ticks, price_ticks):
    """WITHIN: added. BEYOND_HIGH, BEYOND_LOW: `move_ticks` or more from a trade of the window, not added. NO_ROOM."""
    return rolling_trade(state, now_ns, window_ns, move_ticks - 1, price_ticks)


@kernel
def stops_spike(reference_ticks, worst_ticks, threshold_ticks):
    """Whether triggered stops would trade further than the threshold from the reference, the trade that triggers."""
    return abs(worst_ticks - reference_ticks) > threshold_ticks


@kernel
def reserve_until(began_ns, until_ns, reference_ticks, indicative_ticks, threshold_ticks, thresholds, step_ns, most_ns):
    """Until when the instrument stays reserved, asked at `until_ns`, the end so far: the same instant if it is over.

    While the indicative price is more than `thresholds` (2) thresholds away it goes on by `step_ns` (5 s), in all at
    most `most_ns` (20 s). Without an indicative price give the reference: it is over.
    """
    if abs(indicative_ticks - reference_ticks) <= thresholds * threshold_ticks:
        return until_ns
    return max(until_ns, min(until_ns + step_ns, began_ns + most_ns))
