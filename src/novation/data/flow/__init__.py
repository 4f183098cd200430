"""Recorded order flow: readers of what exchanges, vendors and recorders keep, all into one form (`domain.flow`)."""

from __future__ import annotations

from novation.data.flow.check import check
from novation.data.flow.databento import read_databento
from novation.data.flow.recorded import Flow
from novation.data.flow.slots import dense_orders

__all__ = [
    "Flow",
    "check",
    "dense_orders",
    "read_databento",
]
