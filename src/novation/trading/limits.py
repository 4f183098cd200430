"""A trader's own limits, watched from the trader's side.

max_drawdown_pct: when equity falls this far below its peak, everything is closed and no new risk is taken.
"""

from __future__ import annotations

import msgspec


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one account; None is no limit."""

    max_drawdown_pct: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to watch."""
        return self.max_drawdown_pct is not None


class DrawdownGuard:
    """Watches the equity of one account; `breached` once and for all."""

    def __init__(self, max_drawdown_pct: float) -> None:
        self._share = 1.0 - max_drawdown_pct / 100.0
        self._peak = 0.0
        self.breached_ns: int | None = None

    def breach(self, now_ns: int, equity: float) -> bool:
        """Take in an equity; True at the instant the limit is broken."""
        if self.breached_ns is not None:
            return False
        self._peak = max(self._peak, equity)
        if equity <= self._peak * self._share and self._peak > 0:
            self.breached_ns = now_ns
            return True
        return False
