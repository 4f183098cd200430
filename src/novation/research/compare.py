"""Two runs side by side: what was set differently, what came out differently, and where they part."""

from __future__ import annotations

from typing import Any

import numpy as np

from novation.domain.enums import EventKind
from novation.domain.units import iso
from novation.research.frames import RunFrames
from novation.research.summary import causes

_SETTINGS = (
    "version",
    "strategy",
    "params",
    "symbols",
    "period",
    "seed",
    "account",
    "execution",
    "rules_as_of",
    "overrides",
    "risk",
    "data",
)


class Comparison:
    """Differences of two runs; prints as a short report."""

    def __init__(
        self,
        same: bool,
        settings: dict[str, tuple[Any, Any]],
        money: list[dict[str, Any]],
        first_difference: str | None,
    ) -> None:
        self.same, self.settings, self.money, self.first_difference = same, settings, money, first_difference

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "same": self.same,
            "settings": {name: list(pair) for name, pair in self.settings.items()},
            "money": self.money,
            "first_difference": self.first_difference,
        }

    def __str__(self) -> str:
        lines = ["the same run: state and event hashes agree" if self.same else "different runs"]
        lines += [f"  {name}: {left!r} | {right!r}" for name, (left, right) in self.settings.items()]
        for row in self.money:
            lines.append(
                f"  {row['currency']} {row['cause']}: {row['left']:+,.2f} | {row['right']:+,.2f}   "
                f"({row['right'] - row['left']:+,.2f})"
            )
        if self.first_difference:
            lines.append(f"  first difference: {self.first_difference}")
        return "\n".join(lines)

    __repr__ = __str__


def compare(left: RunFrames, right: RunFrames) -> Comparison:
    """Compare two results."""
    a, b = left.manifest, right.manifest
    settings = {name: (a.get(name), b.get(name)) for name in _SETTINGS if a.get(name) != b.get(name)}
    hashes = [(v["state_hash"], v["event_hash"]) for v in a["venues"].values()]
    same = hashes == [(v["state_hash"], v["event_hash"]) for v in b["venues"].values()]
    money, first = [], None
    for name in a["venues"]:
        if name not in b["venues"]:
            continue
        scale = 10 ** a["venues"][name]["decimals"]
        mine, theirs = causes(left, name), causes(right, name)
        money += [
            {
                "currency": a["venues"][name]["asset"],
                "cause": cause,
                "left": mine[cause] / scale,
                "right": theirs[cause] / scale,
            }
            for cause in mine
        ]
        if first is None:
            first = _first_difference(name, left.record.venues[name].events, right.record.venues[name].events)
    return Comparison(same, settings, money, first)


def _first_difference(name: str, mine: np.ndarray, theirs: np.ndarray) -> str | None:
    shared = min(len(mine), len(theirs))
    differing = np.flatnonzero(mine[:shared] != theirs[:shared])
    if not len(differing) and len(mine) == len(theirs):
        return None
    at = int(differing[0]) if len(differing) else shared
    longer = mine if len(mine) > at else theirs
    event = longer[at]
    what = f"{EventKind(int(event['kind'])).name} at {iso(int(event['ts_ns']))}"
    return f"{name} event {at + 1:,} of {len(mine):,} | {len(theirs):,}, {what}"
