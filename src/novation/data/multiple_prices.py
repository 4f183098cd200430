"""pysystemtrade's files of one product as they lie in its folders: what a continuous series is made of.

Its `multiple_prices` name at each instant the held and the next contract with their prices, its `roll_calendars` when
the held one changes, its `adjusted_prices` are the series it makes of them by difference. Read as CSV (contracts
YYYYMM00, stamps `DATETIME` and `DATE_TIME`) or as the Parquet form of `data.term_structure`.

A month's prices here are all that the file gives it: `price` while it is held, `forward` before. A missing price is no
price; nothing is filled. The column `carry` is not read.

Stamps have no zone and are read as UTC. Not modelled: that a calendar's instant is the last of the old contract in
some files and the first of the new one in others; a roll of the calendar is therefore placed at the latest row up to
its instant that holds the old contract and prices both, which is the same row in either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from novation.data.continuous import MonthPrices
from novation.data.frames import read_frame, read_stamps
from novation.data.series import Array, ContractRoll
from novation.data.term_structure import TermRows, read_calendar_rows, read_given_e8, read_term_rows
from novation.domain.errors import DataError

#: Subfolders of pysystemtrade's data folder and of the Parquet form, by what is in them.
_FOLDERS = {
    "multiple_prices": ("multiple_prices_csv", "multiple_prices", "term_structure"),
    "roll_calendar": ("roll_calendars_csv", "roll_calendars", "roll_calendar"),
    "adjusted": ("adjusted_prices_csv", "adjusted_prices", "adjusted"),
}
#: Stamps are read as they stand.
_OWN_CLOCK = "UTC"


@dataclass(frozen=True)
class MultiplePrices:
    """A multiple prices file.

    prices: by month YYYYMM its prices. rolls: where the file itself changes the contract it holds, each at the last
        row of the old one. rows: the file as arrays.
    """

    source: str
    prices: dict[int, MonthPrices]
    rolls: tuple[ContractRoll, ...]
    rows: TermRows

    def calendar_rolls(self, calendar: Any) -> tuple[ContractRoll, ...]:
        """The rolls of a calendar (path or frame), each at the latest row up to it that can price it.

        Such a row holds the old contract, has the new one as the next, and gives both a price. What the calendar says
        is kept as `calendar_ns`. A roll without such a row cannot be made: the rolls begin after the last of these.
        Raises DataError: a broken calendar, or one with no roll that can be made.
        """
        frame = read_frame(calendar, "roll calendar")
        rows, rolls = self.rows, list[ContractRoll]()
        both = rows.held_given & rows.next_given
        for at_ns, old, new in read_calendar_rows(frame):
            found = rows.ts_ns[both & (rows.held == old) & (rows.next == new) & (rows.ts_ns <= at_ns)]
            rolls = [*rolls, ContractRoll(int(found[-1]), old, new, at_ns)] if len(found) else []
        if not rolls:
            raise DataError(
                "no roll of the calendar can be made with these prices",
                source=frame.source,
                hint=f"Is it the calendar of {self.source}?",
            )
        return tuple(rolls)


def read_multiple_prices(given: Any) -> MultiplePrices:
    """A multiple prices file (path or frame) as the prices and rolls that `continuous` takes.

    Raises DataError: a broken file, with its row and column.
    """
    frame = read_frame(given, "multiple prices")
    rows = read_term_rows(frame)
    same = np.flatnonzero(rows.held == rows.next)
    if len(same):
        frame.fail(
            "price_contract and forward_contract are the same month",
            row=int(same[0]),
            value=int(rows.held[same[0]]),
            hint="Name the next contract.",
        )
    last = np.flatnonzero(rows.held[1:] != rows.held[:-1])
    rolls = tuple(
        ContractRoll(int(rows.ts_ns[i]), int(rows.held[i]), int(rows.held[i + 1]), int(rows.ts_ns[i])) for i in last
    )
    prices = {}
    for month in np.union1d(rows.held[rows.held_given], rows.next[rows.next_given]).tolist():
        as_held = rows.held_given & (rows.held == month)
        use = as_held | (rows.next_given & (rows.next == month))
        price_e8 = np.where(as_held, rows.held_e8, rows.next_e8)[use]
        prices[month] = MonthPrices(rows.ts_ns[use], price_e8, closes=True)
    return MultiplePrices(frame.source, prices, rolls, rows)


def read_adjusted(given: Any) -> tuple[Array, Array]:
    """An adjusted prices file (path or frame): the instants that have a price, and it in 1e-8."""
    frame = read_frame(given, "adjusted prices")
    ts_ns, _, _ = read_stamps(frame, _OWN_CLOCK)
    price_e8, is_given = read_given_e8(frame, frame.column("price", "adjusted"))
    return ts_ns[is_given], price_e8[is_given]


def product_files(folder: Any, code: str) -> dict[str, Path]:
    """The files of one product, named by its code, in a folder as pysystemtrade lays it out.

    Keys: "multiple_prices", and where they exist "roll_calendar" and "adjusted". Raises DataError: no multiple prices
    of that code.
    """
    root = Path(folder)
    found = {}
    for what, names in _FOLDERS.items():
        files = (root / name / f"{code}{suffix}" for name in names for suffix in (".csv", ".parquet"))
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            found[what] = file
    if "multiple_prices" not in found:
        known = ", ".join(_FOLDERS["multiple_prices"])
        raise DataError(
            f"no file {code}.csv or {code}.parquet in a subfolder {known}",
            source=str(root),
            hint="Name the folder that has these subfolders.",
        )
    return found
