"""The real files that the shipped tables are checked against, and the mark of tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("NOVATION_DATA", ""))
BRACKETS = DATA / "binance_um" / "params" / "leverage_brackets_2026-05.parquet"
PROPERTIES = BRACKETS.with_name("contract_properties.parquet")
MARGINS = DATA / "cme" / "margins" / "margin_history.parquet"
#: A test of these files.
real = pytest.mark.skipif(
    not os.environ.get("NOVATION_DATA") or not all(file.exists() for file in (BRACKETS, PROPERTIES, MARGINS)),
    reason="NOVATION_DATA does not name a folder with the brackets, parameter and margins files",
)
