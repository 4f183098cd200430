"""Which contract to hold by what is traded: the volume or open interest rule asked of a file, as of a day.

`data.crossover` decides on days before the roll alone, so the answer for a day uses the rows before it and nothing of
the day itself or later. The calendar's rules are `trading.roll_schedule`'s; both answer `novation roll`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from novation.data.crossover import NOT_GIVEN, Activity, Crossover, crossover_rolls, read_daily_chain
from novation.data.expiries import read_expiries
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS, day_number, to_ns, utc_date
from novation.reference.lookup import Reference
from novation.reference.products import month_symbol, product_row
from novation.reference.symbols import MONTHS


@dataclass(frozen=True)
class ActivityRoll:
    """Where a product's roll by activity stands on a day; `to_dict()` is the `--json` of `novation roll --data`."""

    root: str
    rule: str
    on: dt.date
    held: str
    rolled_today: bool  #: whether `on` is the day on which the held contract changes
    last_day: dt.date  #: the newest day of the file that was looked at
    figures: tuple[tuple[str, int | None], ...]  #: that day, of the held contract and the later ones of the cycle
    past: tuple[tuple[dt.date, str, str, int, int], ...]  #: day, old, new, and both figures of the deciding day
    confirm: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, days as ISO text."""
        return {
            "root": self.root,
            "rule": self.rule,
            "confirm": self.confirm,
            "on": str(self.on),
            "held": self.held,
            "rolled_today": self.rolled_today,
            "last_day": str(self.last_day),
            "figures": dict(self.figures),
            "past": [
                {"day": str(day), "old": old, "new": new, "old_figure": ours, "new_figure": theirs}
                for day, old, new, ours, theirs in self.past
            ],
        }

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {'not given' if v is None else format(v, ',')}" for name, v in self.figures)
        lines = [
            f"cme:{self.root} by {self.rule}, on {self.on:%a %Y-%m-%d}",
            f"  hold     {self.held}{', rolled into today' if self.rolled_today else ''}",
            f"  {self.last_day}  {shown}",
        ]
        for day, old, new, ours, theirs in self.past[-4:]:
            lines.append(f"  {day}  {old} to {new}: {ours:,} against {theirs:,} on the last day before")
        return "\n".join(lines)


def roll_by_activity(
    symbol: str,
    data: str | Path,
    *,
    on: Any,
    by: Literal["volume", "open_interest"] = "volume",
    confirm: int = 1,
    cycle: str = "",
    reference: Reference | None = None,
) -> ActivityRoll:
    """The contract to hold on a day by volume or open interest.

    data: a table of a row per day and month (`data.crossover.read_daily_chain`), or a folder of one CSV a contract
    (`data.expiries.read_expiries`). confirm: days in a row on which the next month must lead. cycle: letters of the
    months held, else the product's active ones. Raises `DataError`: no row before the day, no figures.
    """
    known = reference or Reference.default()
    day = utc_date(to_ns(on, source="on"))
    root = known.resolve(symbol, on_ns=to_ns(day)).partition(":")[2]
    cycle = cycle or product_row(known, root, day)["active"]
    months = read_expiries(data, root=root).activity if Path(data).is_dir() else read_daily_chain(data)
    today = day_number(day)
    before = {month: _before(one, today) for month, one in months.items() if (one.day < today).any()}
    if not before:
        raise DataError(f"has no row before {day}", source=str(data), hint="Give older days, or a later --on.")
    known_until = {month: _with(one, today) for month, one in before.items()}
    found = crossover_rolls(known_until, by=by, confirm=confirm, cycle=cycle)
    last = max(int(one.day[-1]) for one in before.values())
    held = found[-1].new if found else _first(before, cycle)
    later = [month for month in sorted(before) if month >= held and before[month].day[-1] == last]
    return ActivityRoll(
        root=root,
        rule=by,
        on=day,
        held=month_symbol(root, held),
        rolled_today=bool(found) and found[-1].ts_ns == today * DAY_NS,
        last_day=utc_date(last * DAY_NS),
        figures=tuple((month_symbol(root, month), _figure(before[month], by)) for month in later[:3]),
        past=tuple(_past(root, roll) for roll in found),
        confirm=confirm,
    )


def _before(one: Activity, day: int) -> Activity:
    keep = one.day < day
    return Activity(one.day[keep], one.volume[keep], one.open_interest[keep])


def _with(one: Activity, day: int) -> Activity:
    """With the day itself, of which nothing is known: a roll decided before it takes place on it."""
    return Activity(
        *(
            np.append(column, value)
            for column, value in zip((one.day, one.volume, one.open_interest), (day, NOT_GIVEN, NOT_GIVEN), strict=True)
        )
    )


def _first(months: dict[int, Activity], cycle: str) -> int:
    used = {month: one for month, one in months.items() if MONTHS[month % 100 - 1] in cycle}
    begin = min(int(one.day[0]) for one in used.values())
    return min(month for month, one in used.items() if one.day[0] == begin)


def _figure(one: Activity, by: str) -> int | None:
    value = int(getattr(one, by)[-1])
    return None if value == NOT_GIVEN else value


def _past(root: str, roll: Crossover) -> tuple[dt.date, str, str, int, int]:
    day = utc_date(roll.ts_ns)
    return day, month_symbol(root, roll.old), month_symbol(root, roll.new), roll.held, roll.following
