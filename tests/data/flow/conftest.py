"""Rows of recorded flow that a test reads at a glance."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from novation.data.flow import Flow
from novation.domain.flow import FLOW_DTYPE, LAST, SNAPSHOT, FlowKind


def told(flow: Flow) -> list[str]:
    """Each row as text: kind, side, order or nothing, lots @ ticks, time, and ' |' where an event ends."""
    lines = []
    for ts, _, order, price, lots, kind, side, flags in flow.rows.tolist():
        words = [FlowKind(kind).name, {1: "+", -1: "-", 0: "0"}[side], f"#{order}" if order else "", f"{lots}@{price}"]
        end = " |" if flags & LAST else ""
        snapshot = " snapshot" if flags & SNAPSHOT else ""
        lines.append(" ".join(word for word in words if word) + f" t{ts}{snapshot}{end}")
    return lines


def written(*rows: tuple[int, ...], kind: Any = "orders") -> Flow:
    """A flow of rows (ts, order, price, lots, kind, side, flags); record numbers begin at 101."""
    array = np.array([(ts, ts, *rest) for ts, *rest in rows], dtype=FLOW_DTYPE)
    return Flow(array, Decimal(1), Decimal(1), kind, "file", np.arange(101, 101 + len(array)))


@pytest.fixture(name="told")
def _told() -> Callable[[Flow], list[str]]:
    return told


@pytest.fixture(name="written")
def _written() -> Callable[..., Flow]:
    return written
