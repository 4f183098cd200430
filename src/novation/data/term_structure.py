"""Importer of term-structure files and their roll calendar: at each instant the held and the next contract.

Source: files in the form of pysystemtrade's `multiple_prices` and `roll_calendars`, as Parquet or as its own CSV.
Columns: `ts, price, price_contract, forward, forward_contract` (contract = YYYYMM or YYYYMM00; a null price is no
price) and `ts, current_contract, next_contract`; the stamp may be called `DATETIME` or `DATE_TIME`. Stamps have no
zone and are read as they stand.

A contract's prices are `price` while it is held and `forward` before. Each calendar day on which a contract
has a price gives one bar, from the stamp of its first price to the following midnight, and one settlement
there: its last price.

A roll happens at the first row of its calendar day that gives both contracts a price; the old contract's last
bar then holds the rows from there to the calendar's instant, the new one's first bar all rows from there.
Where the calendar's day has no such row, the latest earlier day that has one is taken.

Not modelled: the exchange's settlement prices and sessions, and trading of a contract outside its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from novation.data.chain import ContractChain, ContractHistory, checked_rolls
from novation.data.frames import Frame, read_e8, read_frame, read_stamps
from novation.data.series import Array, Bars, ContractRoll
from novation.domain.errors import DataError
from novation.domain.units import DAY_NS

#: Stamps are read as they stand; a caution says that their zone is not known.
_OWN_CLOCK = "UTC"


@dataclass(frozen=True)
class TermRows:
    """The file as arrays; of the held and the next contract: month, 1e-8 price, whether it is given."""

    source: str
    ts_ns: Array
    day: Array
    held: Array
    held_e8: Array
    held_given: Array
    next: Array
    next_e8: Array
    next_given: Array


def read_term_structure(prices: Any, calendar: Any) -> ContractChain:
    """The chain of a term-structure file and its roll calendar (paths or frames).

    A roll for which no day up to the calendar's has prices of both contracts cannot be made: the chain begins
    after the last such roll. Raises DataError: a broken file, a calendar that is no chain or shares no
    contract with the file.
    """
    rows = read_term_rows(read_frame(prices, "term structure"))
    calendar_frame = read_frame(calendar, "roll calendar")
    rolls: list[ContractRoll] = []
    for at_ns, old, new in read_calendar_rows(calendar_frame):
        roll = _place(rows, at_ns, old, new)
        rolls = [*rolls, roll] if roll else []
    if not rolls:
        raise DataError(
            "no roll of the calendar can be made with these prices",
            source=calendar_frame.source,
            hint=f"Is it the calendar of {rows.source}?",
        )
    checked_rolls(rolls, rows.source)
    contracts = {rolls[0].old: _days(rows, rolls[0].old, None, rolls[0])}
    for roll, following in zip(rolls, [*rolls[1:], None], strict=True):
        contracts[roll.new] = _days(rows, roll.new, roll, following)
    return ContractChain.of_contracts(
        contracts,
        rolls,
        source=rows.source,
        unpriced_days=_unpriced_days(rows),
        cautions=(
            "stamps carry no zone: the file's own clock is read as UTC",
            "the mark is the same price as the last: the file has one price",
            "daily settlement is the last given price of the day in the file's own clock, "
            "not the exchange's settlement price",
        ),
    )


# ---------------------------------------------------------------- reading


def read_term_rows(frame: Frame) -> TermRows:
    """A file of held and next prices as arrays."""
    ts_ns, _, _ = read_stamps(frame, _OWN_CLOCK)
    held_e8, held_given = read_given_e8(frame, "price")
    next_e8, next_given = read_given_e8(frame, "forward")
    return TermRows(
        frame.source,
        ts_ns,
        ts_ns // DAY_NS,
        _months(frame, "price_contract"),
        held_e8,
        held_given,
        _months(frame, "forward_contract"),
        next_e8,
        next_given,
    )


def read_given_e8(frame: Frame, name: str) -> tuple[Array, Array]:
    """Prices in 1e-8 with 0 where none is given, and where one is."""
    column = frame.data[frame.column(name)]
    if column.null_count() == len(column):  # a CSV column without a value has no type
        column = column.cast(pl.Float64)
    filled = Frame(frame.data.with_columns(column.fill_null(0)), frame.source)
    return read_e8(filled, column.name), column.is_not_null().to_numpy()


def _months(frame: Frame, name: str) -> Array:
    column = frame.data[frame.column(name)]
    whole = column.cast(pl.Int64, strict=False)
    with_day = (whole >= 10_000_000) & (whole % 100 == 0)  # pysystemtrade writes the month as YYYYMM00
    whole = pl.select(pl.when(with_day).then(whole // 100).otherwise(whole)).to_series()
    bad = whole.is_null() | ~(whole % 100).is_between(1, 12) | ~(whole // 100).is_between(1900, 2200)
    if bad.any():
        row = int(bad.arg_true()[0])
        frame.fail(f"{column.name} is no month YYYYMM", row=row, value=column[row], hint="Write YYYYMM or YYYYMM00.")
    return whole.to_numpy()


def read_calendar_rows(frame: Frame) -> list[tuple[int, int, int]]:
    """The rolls of a calendar as (instant, old month, new month), each leaving what the one before entered."""
    ts_ns, _, _ = read_stamps(frame, _OWN_CLOCK)
    old, new = _months(frame, "current_contract"), _months(frame, "next_contract")
    broken = np.flatnonzero(old[1:] != new[:-1])
    if len(broken):
        row = int(broken[0]) + 1
        frame.fail(f"leaves {old[row]}, but the row before rolls into {new[row - 1]}", row=row)
    return list(zip(ts_ns.tolist(), old.tolist(), new.tolist(), strict=True))


def _unpriced_days(rows: TermRows) -> Array:
    """Starts of the days that have rows, but no price of the held contract."""
    return np.setdiff1d(rows.day, rows.day[rows.held_given]) * DAY_NS


# ---------------------------------------------------------------- rolls and days


def _place(rows: TermRows, at_ns: int, old: int, new: int) -> ContractRoll | None:
    """Where a roll of the calendar can be made, or None."""
    both = rows.held_given & rows.next_given & (rows.held == old) & (rows.next == new)
    days = rows.day[both & (rows.day <= at_ns // DAY_NS)]
    if not len(days):
        return None
    ts_ns = int(rows.ts_ns[both & (rows.day == days[-1])][0])
    left_out = rows.held_given & (rows.held == old) & (rows.day == days[-1]) & (rows.ts_ns < ts_ns)
    last_old = rows.ts_ns[rows.held == old][-1]
    first_new = rows.ts_ns[rows.held == new][:1]
    agrees = last_old <= at_ns and (not len(first_new) or at_ns <= first_new[0])
    file_ns = 0 if agrees else int(first_new[0]) if len(first_new) else int(last_old)
    return ContractRoll(ts_ns, old, new, at_ns, file_ns=file_ns, left_out=int(left_out.sum()))


def _days(rows: TermRows, month: int, entry: ContractRoll | None, leave: ContractRoll | None) -> ContractHistory:
    """A contract's daily bars and settlements, from the roll into it to the day of the roll out of it."""
    as_held, as_next = rows.held_given & (rows.held == month), rows.next_given & (rows.next == month)
    use = as_held | as_next if entry else as_held
    if entry:
        use &= rows.ts_ns >= entry.ts_ns
    if leave:
        rolled = rows.day >= leave.ts_ns // DAY_NS
        use &= ~rolled | (
            (rows.day == leave.ts_ns // DAY_NS)
            & (rows.ts_ns >= leave.ts_ns)
            & (rows.ts_ns <= max(leave.calendar_ns, leave.ts_ns))
        )
    ts_ns, day = rows.ts_ns[use], rows.day[use]
    price = np.where(as_held, rows.held_e8, rows.next_e8)[use]
    first = np.flatnonzero(np.append(True, np.diff(day) != 0))
    last = np.append(first[1:], len(day)) - 1
    prices = np.array([price[first], np.maximum.reduceat(price, first), np.minimum.reduceat(price, first), price[last]])
    end_ns = (day[first] + 1) * DAY_NS
    return ContractHistory(Bars.of(ts_ns[first], end_ns, prices, prices), end_ns, price[last])
