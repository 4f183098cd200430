"""Columns of files that settlement prices are made of: sizes, trade dates, prices on the grid, one contract a file."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from novation.data.frames import Frame
from novation.data.series import Array
from novation.domain.units import from_e8


def one_contract(frame: Frame) -> Any:
    """The one contract that a frame says it holds, None where it does not say; refuse several."""
    name = frame.find("expiry", "contract")
    if name is None:
        return None
    months = frame.data[name].unique(maintain_order=True)
    if len(months) > 1:
        row = int(np.flatnonzero((frame.data[name] != months[0]).fill_null(True).to_numpy())[0])
        frame.fail(
            f"holds several contracts in column {name!r}",
            row=row,
            value=months[1],
            hint=f"Keep one: filter {name} == {months[0]!r}.",
        )
    return months[0]


def read_lots(frame: Frame, name: str) -> Array:
    """A column of sizes: whole contracts, none negative."""
    column = frame.data[name]
    if not column.dtype.is_numeric():
        frame.fail(f"column {name!r} is of type {column.dtype}, not numbers", row=0, value=column[0])
    if column.null_count():
        frame.fail(f"{name} is missing", row=int(np.flatnonzero(column.is_null().to_numpy())[0]), hint="Drop the row.")
    values = column.cast(pl.Float64).to_numpy()
    wrong = ~((values >= 0) & (values == np.rint(values)) & (values < 1 << 53))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        frame.fail(f"{name} is no number of contracts", row=row, value=column[row], hint="Sizes are whole, from 0 up.")
    return values.astype(np.int64)


def read_dates(frame: Frame, name: str) -> list[dt.date]:
    """A column of trade dates, ascending, each once."""
    days: list[dt.date] = []
    for row, item in enumerate(frame.data[name].to_list()):
        try:
            day = item.date() if isinstance(item, dt.datetime) else item
            day = day if isinstance(day, dt.date) else dt.date.fromisoformat(str(day))
        except ValueError:
            frame.fail(f"{name} is no date", row=row, value=item, hint="Write 2024-03-05 or 20240305.")
        if days and day == days[-1]:
            frame.fail(f"{name} {day} repeats the row before", row=row, hint="Keep one settlement a trade date.")
        if days and day < days[-1]:
            frame.fail(f"{name} {day} comes after {days[-1]}", row=row, hint=f"Sort the rows by {name}.")
        days.append(day)
    return days


def check_grid(frame: Frame, name: str, row: int, price_e8: int, tick_e8: int, *, final: bool = False) -> None:
    """Refuse a price that is no whole number of ticks; final: on a contract's last trading day."""
    if price_e8 % tick_e8 == 0:
        return
    hint = "Correct it or drop the row."
    if final:
        hint = "It is the last trading day: leave a final settlement price that lies off the grid out."
    frame.fail(
        f"{name} is no multiple of the tick in force, {price_text(tick_e8)}",
        row=row,
        value=price_text(price_e8),
        hint=hint,
    )


def price_text(price_e8: int) -> str:
    """A price in 1e-8 as the shortest decimal."""
    return f"{from_e8(price_e8).normalize():f}"
