"""What two public sources say of CME's hours, laid beside our session table.

Lean's market-hours database (in NOVATION_DATA) and pandas_market_calendars (a development dependency) disagree with
each other and, on some days, with the exchange. `calendar_differences.csv` is every disagreement with ours from 2012 to
2026, with the evidence for our side.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from novation.reference.lookup import Reference
from novation.reference.products import product_row
from novation.reference.sessions import Session, sessions

ZONE = ZoneInfo("America/Chicago")

FIRST, LAST = dt.date(2012, 1, 1), dt.date(2026, 12, 31)
LISTED = Path(__file__).parent / "calendar_differences.csv"
#: pandas_market_calendars has several per group; each is compared.
CALENDARS = {
    "equity_index": ("CME Globex Equity", "CME_Equity"),
    "rates": ("CME Globex Fixed Income", "CBOT_Bond"),
    "metals": ("CMEGlobex_GC",),
    "energy": ("CMEGlobex_CL",),
    "fx": ("CMEGlobex_FX",),
}
_SHOWN_DATES = 60


class Difference(NamedTuple):
    """One kind of disagreement of one source: the products, the days, what we say and what it says."""

    source: str
    products: str
    days: str  #: dates, or first..last where there are many
    count: int
    ours: str
    theirs: str


class Compared(NamedTuple):
    """Product-days by source, and on which of them the source says otherwise."""

    product_days: int
    wrong: dict[str, set[tuple[str, dt.date]]]
    differences: list[Difference]


def compare(market_hours: Path) -> Compared:
    """Everything on which a source and our table differ."""
    reference = Reference()
    roots = reference.symbols("cme")
    groups = {root: product_row(reference, root, LAST)["group"] for root in roots}
    ours = {
        group: {s.day: s for s in sessions(reference, root, FIRST, LAST)}
        for root, group in ((next(r for r in roots if groups[r] == g), g) for g in CALENDARS)
    }
    found: dict[tuple[str, str, str], dict[str, list[dt.date]]] = defaultdict(lambda: defaultdict(list))
    lean = {root: _lean(market_hours, reference, root) for root in roots}
    published = {name: _published(name) for names in CALENDARS.values() for name in names}
    for root in roots:
        mine = ours[groups[root]]
        for day in _weekdays():
            said = lean[root].get(day, "16:00")
            if (own := _close(mine.get(day))) != said:
                found["lean", own, said][root].append(day)
            for name in CALENDARS[groups[root]]:
                for own, theirs in _unlike(mine.get(day), published[name].get(day)):
                    found[name, own, theirs][root].append(day)
    differences = []
    wrong: dict[str, set[tuple[str, dt.date]]] = defaultdict(set)
    for (source, own, theirs), by_root in found.items():
        alike: dict[tuple[dt.date, ...], list[str]] = defaultdict(list)
        for root, days in by_root.items():
            alike[tuple(days)].append(root)
            wrong[source] |= {(root, day) for day in days}
        differences += [
            Difference(source, " ".join(names), _text(days), len(days), own, theirs) for days, names in alike.items()
        ]
    return Compared(len(roots) * sum(1 for _ in _weekdays()), wrong, sorted(differences))


def listed() -> dict[Difference, str]:
    """The committed differences, each with its evidence."""
    with LISTED.open(newline="") as stream:
        return {
            Difference(r["source"], r["products"], r["days"], int(r["count"]), r["ours"], r["theirs"]): r["evidence"]
            for r in csv.DictReader(stream)
        }


def _text(days: tuple[dt.date, ...]) -> str:
    return " ".join(map(str, days)) if len(days) <= _SHOWN_DATES else f"{days[0]}..{days[-1]}"


def _weekdays() -> Iterator[dt.date]:
    days = (FIRST + dt.timedelta(i) for i in range((LAST - FIRST).days + 1))
    return (day for day in days if day.weekday() < 5)


def _clock(ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ns // 10**9, ZONE):%a %H:%M}"


def _close(session: Session | None) -> str:
    return "closed" if session is None else _clock(session.close_ns)[4:]


def _unlike(mine: Session | None, theirs: tuple[int, int, int, int] | None) -> Iterator[tuple[str, str]]:
    """What differs of one day: being open at all, the opening, the close, the break."""
    if mine is None or theirs is None:
        if (mine is None) != (theirs is None):
            yield ("closed", "open") if mine is None else ("open", "closed")
        return
    opens, closes, pause, resume = theirs
    if mine.open_ns != opens:
        yield f"opens {_clock(mine.open_ns)[4:]}", f"opens {_clock(opens)[4:]}"
    if mine.close_ns != closes:
        yield _clock(mine.close_ns)[4:], _clock(closes)[4:]
    if pause != resume and mine.pauses != ((pause, resume),):
        yield "another break", f"{_clock(pause)[4:]} to {_clock(resume)[4:]}"


def _lean(market_hours: Path, reference: Reference, root: str) -> dict[dt.date, str]:
    """Lean's close by day, Chicago time, where it is not the usual one; closures also from CME's wildcard entry."""
    entries = json.loads(gzip.decompress(market_hours.read_bytes()))["entries"]
    exchange = reference.row("cme/contracts", root, 1_780_000_000_000_000_000)["exchange"].lower()
    entry = entries[f"Future-{exchange}-{root}"]
    ahead = 1 if entry["exchangeTimeZone"] == "America/New_York" else 0

    def date(text: str) -> dt.date:
        month, day, year = map(int, text.split("/"))
        return dt.date(year, month, day)

    early = {date(day): f"{int(at[:2]) - ahead:02d}:{at[3:5]}" for day, at in entry["earlyCloses"].items()}
    shut = {date(day) for day in [*entry["holidays"], *entries["Future-cme-[*]"]["holidays"]]}
    shut |= {date(day) for day in entry["lateOpens"]}
    return {day: "closed" for day in shut if day not in early} | early


def _published(name: str) -> dict[dt.date, tuple[int, int, int, int]]:
    import pandas_market_calendars

    frame = pandas_market_calendars.get_calendar(name).schedule(str(FIRST), str(LAST))
    breaks = "break_start" in frame
    return {
        day.date(): (
            row.market_open.value,
            row.market_close.value,
            row.break_start.value if breaks else 0,
            row.break_end.value if breaks else 0,
        )
        for day, row in frame.iterrows()
    }
