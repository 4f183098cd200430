"""The linear cascade in closed form: what a simulated one is held against.

Source: facts/validation_tables.md V10. Let a price fall of 1 force d of volume to be sold, and a volume of 1 push the
price down by eta. Each fall causes the next, n = d * eta times as large, so an initial fall ends at initial / (1 - n)
for n < 1. For n >= 1 it does not end by itself: it exhausts the room that the book has, and then stops.

Prices int64 1e-8, n in 1e-8. Not modelled: books that are not linear, liquidity that comes back.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, mul_div


@kernel
def feedback(forced_lots, impact_e8):
    """n in 1e-8: lots forced by a fall of 1.00, times the fall in 1e-8 that one lot causes."""
    return forced_lots * impact_e8


@kernel
def next_wave(fall_e8, feedback_e8):
    """The fall that a fall causes, rounded down."""
    return mul_div(fall_e8, feedback_e8, E8)


@kernel
def total_fall(initial_e8, feedback_e8, room_e8):
    """Where the waves end: initial / (1 - n), rounded down, at most the room of the book; all of it for n >= 1."""
    if initial_e8 <= 0:
        return 0
    if feedback_e8 >= E8:
        return room_e8
    return min(room_e8, mul_div(initial_e8, E8, E8 - feedback_e8))
