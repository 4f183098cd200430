"""A compiled strategy that does next to nothing, for `novation warm`."""

from __future__ import annotations

from typing import Any

from novation.engine.strategy import compiled, position, target


@compiled(seen="i8")
def on_bar(venue: Any, bar: Any, my: Any) -> None:
    """Count bars and stay flat."""
    my.seen += 1
    if position(venue, bar.instrument) != 0:
        target(venue, bar.instrument, 0)
