"""What a row of the table of matching algorithms must hold, the answer in words; empty: it is sound."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from novation.reference.limit_rows import verified_problem

#: Letters of tag 1142 (`book_rules.ALGORITHMS`); K has shares in its cells.
LETTERS = "FCAKOQST"


def matching_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row."""
    letter = row["algorithm"]
    if letter not in tuple(LETTERS):
        return f"algorithm is none of {', '.join(LETTERS)}"
    cells = {name: row[name] for name in ("fifo_percent", "pro_rata_min") if row[name]}
    if letter == "K" and "fifo_percent" not in cells:
        return "fifo_percent is missing: algorithm K has it"
    if letter != "K" and cells:
        return f"{next(iter(cells))} has no meaning in algorithm {letter}"
    for name, cell in cells.items():
        most = 100 if name == "fifo_percent" else 1 << 50
        if not str(cell).isdecimal() or int(cell) > most:
            return f"{name} is no whole number from 0 to {most:,}"
    points = row["protection_points"]
    if points:
        try:
            fine = Decimal(points).is_finite() and Decimal(points) > 0
        except InvalidOperation:
            fine = False
        if not fine:
            return "protection_points is no number above zero"
    return verified_problem(row)
