"""What the column `method` of `cme/settlements.csv` may say: which tiers make a product's daily settlement price.

Source: facts/cme.md §4. The arithmetic is `rules.settlement_price`, the path from files to it `data.settlements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Method = Literal["vwap", "index", "treasury", "metal"]

#: The tiers in their order, first that there is.
METHOD_TIERS: dict[str, str] = {
    "vwap": "VWAP",
    "index": "VWAP, midpoint of bid and ask, the index carried to the last trading day",
    "treasury": "VWAP, last trade moved inside the lowest bid and highest ask of the window",
    "metal": "VWAP, midpoint at the window's end, last trade moved to a one-sided market",
}


def settlements_problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of settlement windows.

    >>> settlements_problem({"method": "median"})
    'method is none of vwap, index, treasury, metal'
    """
    return "" if row["method"] in METHOD_TIERS else f"method is none of {', '.join(METHOD_TIERS)}"
