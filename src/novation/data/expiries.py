"""A folder of one file a contract month, the month in the file's name: prices and daily activity of each.

Names read: `20240300`, `202403`, `ES_20240300`, `ESH2024`, `ES_H24`, each `.csv` or `.parquet`. A year of two digits is
1970 to 2069. Other kinds of file and names that begin with a dot are passed over; a file whose name says no month is
refused, for it could be the one that is missed.

Columns: a stamp, and a price called settlement, settle, price, close, final or last. A price that is no settlement is
a caution of the series made of it. `volume` and `open_interest` where they are there (`oi`, `openinterest` too).
Nothing is filled: a missing price is refused with its row, a missing volume is no volume known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novation.data.continuous import CLOSES_CAUTION, MonthPrices, month_of
from novation.data.crossover import Activity, activity_of
from novation.data.frames import read_frame
from novation.domain.errors import DataError
from novation.reference.symbols import MONTHS

_DIGITS = re.compile(r"(?:(?P<root>.*[^0-9])[_\- .])?(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?:00)?")
_LETTER = re.compile(rf"(?P<root>[A-Za-z0-9]*?)[_\- .]?(?P<month>[{MONTHS}])(?P<year>(?:19|20)\d\d|\d\d)")
_SUFFIXES = (".csv", ".parquet")
#: A year of two digits at or above is of the last century.
_PIVOT = 70


@dataclass(frozen=True)
class Expiries:
    """A folder's contracts by month YYYYMM: prices, and activity of those whose file has volume or open interest.

    root: what the names call the product, empty where they have the month alone.
    """

    source: str
    root: str
    prices: dict[int, MonthPrices]
    activity: dict[int, Activity]
    files: dict[int, Path]
    cautions: tuple[str, ...]


def month_of_name(name: str) -> tuple[str, int] | None:
    """The root and contract month YYYYMM that a file name says, or None.

    >>> month_of_name("ES_20240300"), month_of_name("6EH24"), month_of_name("readme")
    (('ES', 202403), ('6E', 202403), None)
    """
    digits = _DIGITS.fullmatch(name)
    if digits is not None:
        return digits["root"] or "", int(digits["year"]) * 100 + int(digits["month"])
    letter = _LETTER.fullmatch(name)
    if letter is None:
        return None
    year = int(letter["year"])
    if year < 100:
        year += 1900 if year >= _PIVOT else 2000
    return letter["root"], year * 100 + MONTHS.index(letter["month"]) + 1


def read_expiries(folder: Any, *, root: str | None = None, tz: str | None = None) -> Expiries:
    """The contracts of a folder, ready for `continuous` and `crossover_rolls`.

    root: which product, where the folder has several. tz: the zone of stamps that have none. Raises DataError: no
    contract, a name without a month, two files of one month, several products, or a file that is wrong, with its row.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError("no such folder", source=str(path))
    named: list[tuple[str, int, Path]] = []
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in _SUFFIXES or file.name.startswith("."):
            continue
        found = month_of_name(file.stem)
        if found is None:
            raise DataError(
                "the name says no contract month",
                source=str(file),
                hint="Name it like ES_202403.csv or ESH2024.csv, or move it out of the folder.",
            )
        named.append((*found, file))
    roots = sorted({product for product, _, _ in named})
    if root is None and len(roots) > 1:
        shown = ", ".join(product or "(none)" for product in roots)
        raise DataError(f"has files of several products: {shown}", source=str(path), hint=f"Pass root={roots[-1]!r}.")
    chosen = [(month, file) for product, month, file in named if root is None or product == root]
    if not chosen:
        problem = "no .csv or .parquet file" if not named else f"no file of root {root!r}"
        hint = "Name the folder of the contract files." if not named else f"It has: {', '.join(roots)}."
        raise DataError(problem, source=str(path), hint=hint)
    files: dict[int, Path] = {}
    for month, file in chosen:
        if month in files:
            raise DataError(f"is of {month}, and so is {files[month].name}", source=str(file), hint="Keep one of them.")
        files[month] = file
    prices, activity = {}, {}
    for month in sorted(files):
        frame = read_frame(files[month], str(files[month]))
        prices[month] = month_of(frame, tz=tz)
        active = activity_of(frame, tz=tz)
        if active is not None:
            activity[month] = active
    cautions = (CLOSES_CAUTION,) if any(one.closes for one in prices.values()) else ()
    return Expiries(
        str(path), roots[0] if root is None else root, prices, activity, dict(sorted(files.items())), cautions
    )
