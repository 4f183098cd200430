"""Price limits and breakers a second time: exact fractions and whole lists (docs/rules/price_limits.md)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from novation.domain.units import E8

NO_LOWER, NO_UPPER = -(2**62), 2**62


def band(middle_e8: int, width_of_e8: int, fraction_e8: int, tick_e8: int, inward: bool) -> tuple[int, int]:
    """Ticks of the band around a middle."""
    half = Fraction(width_of_e8 * fraction_e8, E8)
    low, high = (middle_e8 - half) / tick_e8, (middle_e8 + half) / tick_e8
    return (ceil(low), floor(high)) if inward else (floor(low), ceil(high))


class Window:
    """All trades, looked through each time."""

    def __init__(self, window_ns: int, reach: int) -> None:
        self.window_ns, self.reach = window_ns, reach
        self.trades: list[tuple[int, int]] = []

    def limits(self, now_ns: int) -> tuple[int, int]:
        """Lowest ask and highest bid."""
        inside = [price for at, price in self.trades if now_ns - at < self.window_ns]
        return (max(inside) - self.reach, min(inside) + self.reach) if inside else (NO_LOWER, NO_UPPER)

    def trade(self, now_ns: int, price: int) -> int:
        """-1, 0, 1; a trade that is beyond is not one."""
        low, high = self.limits(now_ns)
        if low <= price <= high:
            self.trades.append((now_ns, price))
            return 0
        return 1 if price > high else -1


def breaks(
    trades: list[tuple[int, int]],
    variant: int,
    window_ns: int,
    halt_ns: int,
    close_ns: int,
    late_ns: int,
    late_halt_ns: int,
) -> list[list[int]]:
    """Index, side, halt start, resume."""
    found: list[list[int]] = []
    window = Window(window_ns, variant)
    for i, (now_ns, price) in enumerate(trades):
        if found and now_ns < found[-1][3]:
            continue
        side = window.trade(now_ns, price)
        if side:
            length = halt_ns if close_ns - now_ns > late_ns else late_halt_ns
            found.append([i, side, now_ns, now_ns + length])
            window = Window(window_ns, variant)
    return found
