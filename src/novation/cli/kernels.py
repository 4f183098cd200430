"""Compiling every kernel a run needs, one after the other, with the seconds each took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novation._jit import JIT, cache_folder


@dataclass(frozen=True)
class Warmed:
    """Seconds by kernel, and where the compiled code lies."""

    folder: str
    jit: bool
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        rounded = {name: round(taken, 3) for name, taken in self.seconds.items()}
        return {"folder": self.folder, "jit": self.jit, "seconds": rounded, "total": round(self.total, 3)}

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(self.seconds.values())

    def __str__(self) -> str:
        if not self.jit:
            return "kernels run as plain Python: NUMBA_DISABLE_JIT is set, so there is nothing to compile"
        return f"kernels ready in {self.total:.1f} s: {self.folder}"


def compile_all(progress: Callable[[int, int, str], None] | None = None) -> Warmed:
    """Load from the cache, or compile into it, what backtests call. progress: (done, total, name) before each step."""
    started = time.perf_counter()
    if not JIT:
        return Warmed(str(cache_folder()), False, {})
    steps = _steps()
    seconds: dict[str, float] = {}
    for done, (name, step) in enumerate(steps):
        if progress is not None:
            progress(done, len(steps), name)
        step()
        seconds[name] = time.perf_counter() - started
        started = time.perf_counter()
    if progress is not None:
        progress(len(steps), len(steps), "done")
    return Warmed(str(cache_folder()), True, seconds)


def _steps() -> list[tuple[str, Callable[[], Any]]]:
    """The entry points, each called once on a venue without a market."""
    made: dict[str, Any] = {}

    def engine() -> None:
        made["venue"] = _empty_venue()
        made["venue"].advance(0)

    def submit() -> None:
        from novation.domain import commands
        from novation.domain.enums import MarginScope, Side

        for command in (
            commands.transfer(0, 10**10),
            commands.set_leverage(0, 0, 5),
            commands.set_margin_scope(0, 0, MarginScope.ISOLATED),
            commands.place_market(0, 0, Side.BUY, 1),
            commands.place_limit(0, 0, Side.BUY, 1, 1),
            commands.cancel(0, 1),
        ):
            made["venue"].submit(command)

    def accounts() -> None:
        import numpy as np

        from novation.engine import doors

        made["venue"].account(0)
        doors.position_numbers(made["venue"].heads, 0, np.zeros(5, np.int64))

    def loop() -> None:
        from novation._jit import strategy_loop
        from novation.engine import doors
        from novation.engine.layout import HEAD

        strategy_loop(doors.run_compiled, HEAD)

    def strategy() -> None:
        from novation.cli import trivial

        trivial.on_bar.bind()

    return [
        ("engine", engine),
        ("orders", submit),
        ("accounts and positions", accounts),
        ("loop of compiled strategies", loop),
        ("a compiled strategy", strategy),
    ]


def _empty_venue() -> Any:
    from novation.domain.units import to_ns
    from novation.reference.lookup import Reference
    from novation.venues.binance_usdm import RULES
    from novation.venues.venue import Venue

    day = to_ns("2026-05-01")
    reference = Reference()
    terms = reference.terms("binance_um:BTCUSDT", day, day + 1)
    return Venue(RULES, [reference.instrument("binance_um:BTCUSDT")], [terms], sampling=True)
