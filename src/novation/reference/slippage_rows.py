"""What a row of the slippage tables must hold beyond the right cells, the answer in words; empty: it is sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novation.domain.errors import InvalidInput
from novation.domain.slippage import ACTS_ON, BASE, CURVES, RAMPS, TERMS
from novation.domain.units import to_decimal

#: Cells by what a term is.
_BASE_CELLS = ("coefficient", "low", "high")
_RAMP_CELLS = ("coefficient", "begins", "full")
_NUMBERS = ("coefficient", "low", "high", "begins", "full")
#: No factor is further from 1 than this, and no base number larger.
_MOST_FACTOR, _MOST_Y, _MOST_EXPONENT = 10.0, 1e6, 2.0


def slippage_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row."""
    product, _, term = str(row["term"]).partition(" ")
    if term not in TERMS or not product:
        return f"term is a product (or a group, or *), a blank and one of {', '.join(TERMS)}"
    numbers: dict[str, float] = {}
    for name in _NUMBERS:
        if row[name] == "":
            continue
        try:
            numbers[name] = float(to_decimal(row[name]))
        except InvalidInput:
            return f"{name} is no number"
    wanted = _BASE_CELLS if term in BASE else _RAMP_CELLS if term in RAMPS else ()
    if stray := next((name for name in numbers if name not in wanted), ""):
        return f"{stray} has no meaning for {term}"
    if missing := next((name for name in wanted if name not in ("low", "high") and name not in numbers), ""):
        return f"{missing} is missing: {term} has it"
    if (row["values"] != "") != (term in CURVES):
        return f"values is {'missing' if term in CURVES else 'of curves alone'}"
    if (row["on"] != "") != (term not in BASE) or (row["on"] and row["on"] not in ACTS_ON):
        return f"on is one of {', '.join(ACTS_ON)} for a factor, else empty"
    if term in BASE:
        return _base_problem(term, numbers)
    if term in RAMPS:
        if not 0 <= numbers["coefficient"] <= _MOST_FACTOR:
            return f"coefficient is 0 to {_MOST_FACTOR:g}: a ramp makes a cost larger"
        return "begins and full are the same" if numbers["begins"] == numbers["full"] else ""
    return _curve_problem(term, str(row["values"]))


def _base_problem(term: str, numbers: Mapping[str, float]) -> str:
    value = numbers["coefficient"]
    low, high = numbers.get("low", value), numbers.get("high", value)
    if not low <= value <= high:
        return "coefficient does not lie from low to high"
    if low < 0 or (term != "impact" and low == 0):
        return "is below zero" if low < 0 else "is zero, which is free"
    most = {"impact": _MOST_Y, "exponent": _MOST_EXPONENT}.get(term)
    return f"is above {most:g}" if most is not None and high > most else ""


def _curve_problem(term: str, text: str) -> str:
    try:
        values = [float(to_decimal(value)) for value in text.split()]
    except InvalidInput:
        return "values holds something that is no number"
    if len(values) != CURVES[term]:
        return f"values has {len(values)} numbers; {term} has {CURVES[term]}"
    if not all(1 / _MOST_FACTOR <= value <= _MOST_FACTOR for value in values):
        return f"values lie from {1 / _MOST_FACTOR:g} to {_MOST_FACTOR:g}"
    return ""
