"""Lowest and highest trade of the last so many nanoseconds, and whether a price is too far from them.

Dynamic circuit breakers and velocity logic both ask it (`circuit_breaker`, `velocity`; facts/cme.md §5). Two monotone
queues, O(1) amortised a trade: a trade that a later one undercuts can never be the lowest again, so it is forgotten.

The caller owns the state, an int64 array of `rolling_words(capacity)` words:

    0, 1                       head and length of the queue of lows
    2, 3                       head and length of the queue of highs, their prices negated: one code serves both
    4 + q * 2 * capacity ...   the instants of queue q, `capacity` of them, then its prices: a ring each

A queue holds distinct prices only. So a window whose trades lie at most `reach` ticks apart never needs a capacity of
more than reach + 1, however many trades it holds: nothing is merged or dropped. With less, a trade may find no room;
it is then not added and the answer is NO_ROOM. Instants never go back. A trade of age `window_ns` has left the window
(half open, our choice; unverified).
"""

from __future__ import annotations

from novation._jit import kernel

#: No limit on that side; also the bid and the ask of an empty side of a book. Prices are below 2**61 in size.
NO_LOWER = -(1 << 62)
NO_UPPER = 1 << 62

#: What became of a trade: it is within reach and was added; it is beyond and was not; the state is too small for it.
WITHIN = 0
BEYOND_HIGH = 1
BEYOND_LOW = -1
NO_ROOM = 2

_HEADER = 4


def rolling_words(capacity: int) -> int:
    """How many int64 a state of that capacity takes; the capacity that is always enough is the reach plus one.

    >>> rolling_words(701)
    2808
    """
    return _HEADER + 4 * capacity


@kernel
def rolling_reset(state):
    """Empty the window, as at the open and when trading resumes."""
    state[0], state[1], state[2], state[3] = 0, 0, 0, 0


@kernel
def _expire(state, queue, now_ns, window_ns):
    capacity = (len(state) - _HEADER) // 4
    times = _HEADER + queue * 2 * capacity
    while state[2 * queue + 1] > 0 and now_ns - state[times + state[2 * queue]] >= window_ns:
        state[2 * queue] = (state[2 * queue] + 1) % capacity
        state[2 * queue + 1] -= 1


@kernel
def _kept(state, queue, key):
    """How many entries of a queue stay when a key comes: those below it."""
    capacity = (len(state) - _HEADER) // 4
    prices = _HEADER + (2 * queue + 1) * capacity
    length = state[2 * queue + 1]
    while length > 0 and state[prices + (state[2 * queue] + length - 1) % capacity] >= key:
        length -= 1
    return length


@kernel
def _append(state, queue, length, now_ns, key):
    capacity = (len(state) - _HEADER) // 4
    times = _HEADER + queue * 2 * capacity
    place = (state[2 * queue] + length) % capacity
    state[times + place] = now_ns
    state[times + capacity + place] = key
    state[2 * queue + 1] = length + 1


@kernel
def rolling_limits(state, now_ns, window_ns, reach_ticks):
    """(highest - reach, lowest + reach) of the window, after dropping what has left it; no limits while it is empty."""
    _expire(state, 0, now_ns, window_ns)
    _expire(state, 1, now_ns, window_ns)
    if state[1] == 0:
        return NO_LOWER, NO_UPPER
    capacity = (len(state) - _HEADER) // 4
    lowest = state[_HEADER + capacity + state[0]]
    highest = -state[_HEADER + 3 * capacity + state[2]]
    return highest - reach_ticks, lowest + reach_ticks


@kernel
def rolling_trade(state, now_ns, window_ns, reach_ticks, price_ticks):
    """Add a trade if it is within reach of all in the window: WITHIN, BEYOND_HIGH, BEYOND_LOW or NO_ROOM."""
    low, high = rolling_limits(state, now_ns, window_ns, reach_ticks)
    if price_ticks > high:
        return BEYOND_HIGH
    if price_ticks < low:
        return BEYOND_LOW
    lows, highs = _kept(state, 0, price_ticks), _kept(state, 1, -price_ticks)
    if max(lows, highs) >= (len(state) - _HEADER) // 4:
        return NO_ROOM
    _append(state, 0, lows, now_ns, price_ticks)
    _append(state, 1, highs, now_ns, -price_ticks)
    return WITHIN
