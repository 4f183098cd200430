"""What a row of the limit tables must hold beyond cells of the right kind, each answer in words; empty: it is sound.

The same checks stand behind a CSV file of a folder and a file of products.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from novation.domain.errors import InvalidInput
from novation.domain.units import to_decimal

#: How often a limit expands that expands without end.
ANY = "any"

#: The cells that a method of price limits needs; the others stay empty.
METHOD_CELLS: dict[str, tuple[str, ...]] = {
    "index": (
        "band_fraction",
        "first_fraction",
        "second_fraction",
        "third_fraction",
        "after_fraction",
        "rounding",
        "outside",
    ),
    "percent": ("first_fraction", "step_fraction", "expansions", "rounding", "outside"),
    "amount": ("first_points", "step_points", "expansions", "outside"),
    "none": (),
}
_WORDS = {
    "rounding": ("inward", "outward"),
    "outside": ("reject", "rest"),
    "hours": ("all", "outside_regular"),
    "verified": ("yes", "no"),
}
_BREAKER_COUNTS = ("window_minutes", "halt_seconds", "late_minutes", "late_halt_seconds")
_BREAKER_CELLS = ("fraction", *_BREAKER_COUNTS, "rounding", "hours")


def price_limits_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of price limits."""
    method = row["method"]
    if method not in METHOD_CELLS:
        return f"method is none of {', '.join(METHOD_CELLS)}"
    known = METHOD_CELLS[method]
    cells = {cell for cells in METHOD_CELLS.values() for cell in cells}
    # A limit that never expands needs no step.
    idle = [name for name in known if name.startswith("step_") and _number(row, "expansions") == 0]
    needed = tuple(name for name in known if name not in idle or (row[name] and _number(row, name) != 0))
    return (
        _filled(row, needed, cells - set(idle), f"method {method}")
        or _fractions(row, [name for name in needed if name.endswith("_fraction")])
        or _above_zero(row, [name for name in needed if name.endswith("_points")])
        or _words(row)
        or (_steps(row) if method == "index" else "")
        or (_expansions(row, method) if method in ("percent", "amount") else "")
    )


def circuit_breakers_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of circuit breakers: one without a fraction says that there is none."""
    if not row["fraction"]:
        return _filled(row, (), _BREAKER_CELLS, "a row without a fraction") or _words(row)
    problem = _filled(row, _BREAKER_CELLS, _BREAKER_CELLS, "a circuit breaker") or _fractions(row, ["fraction"])
    problem = problem or next((p for p in (_whole(row, name) for name in _BREAKER_COUNTS) if p), "")
    if problem or _words(row):
        return problem or _words(row)
    if not to_decimal(row["window_minutes"]) or not to_decimal(row["halt_seconds"]):
        return "window_minutes or halt_seconds is zero"
    return ""


def verified_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row whose only word is whether it is verified."""
    return _words(row)


def _filled(row: Mapping[str, Any], needed: tuple[str, ...], cells: Any, what: str) -> str:
    missing = [name for name in needed if not row[name]]
    if missing:
        return f"{missing[0]} is missing: {what} has {', '.join(needed)}"
    beside = sorted(name for name in cells if name not in needed and row[name])
    return f"{beside[0]} has no meaning in {what}" if beside else ""


def _number(row: Mapping[str, Any], name: str) -> Decimal | None:
    try:
        return to_decimal(row[name])
    except InvalidInput:
        return None


def _fractions(row: Mapping[str, Any], names: list[str]) -> str:
    for name in names:
        number = _number(row, name)
        if number is None or not 0 < number < 1 or number != round(number, 8):
            return f"{name} is no number between 0 and 1 with at most 8 decimals"
    return ""


def _above_zero(row: Mapping[str, Any], names: list[str]) -> str:
    for name in names:
        number = _number(row, name)
        if number is None or number <= 0 or number != round(number, 8):
            return f"{name} is no number above zero with at most 8 decimals"
    return ""


def _whole(row: Mapping[str, Any], name: str) -> str:
    number = _number(row, name)
    if number is None or number < 0 or number != number.to_integral_value():
        return f"{name} is no whole number of zero or more"
    return ""


def _words(row: Mapping[str, Any]) -> str:
    for name, known in _WORDS.items():
        if row.get(name) and row[name] not in known:
            return f"{name} is none of {', '.join(known)}"
    return ""


def _steps(row: Mapping[str, Any]) -> str:
    first, second, third = (to_decimal(row[f"{name}_fraction"]) for name in ("first", "second", "third"))
    return "" if first < second < third else "first, second and third do not ascend"


def _expansions(row: Mapping[str, Any], method: str) -> str:
    if row["expansions"] == ANY:
        return ""
    problem = _whole(row, "expansions")
    if problem or method == "amount":
        return problem and f"{problem}, nor {ANY}"
    times = to_decimal(row["expansions"])
    widest = to_decimal(row["first_fraction"]) + (to_decimal(row["step_fraction"]) * times if times else 0)
    return "" if widest < 1 else "first and all steps reach 1"
