"""Recorded order flow: readers of what exchanges, vendors and recorders keep, all into one form (`domain.flow`)."""

from __future__ import annotations

from novation.data.flow.arrivals import hold_arrivals
from novation.data.flow.binance_stream import read_binance_stream
from novation.data.flow.check import check
from novation.data.flow.databento import read_databento
from novation.data.flow.hftbacktest import OrderLatency, read_hftbacktest, read_order_latency
from novation.data.flow.level_files import read_levels
from novation.data.flow.order_events import read_order_events
from novation.data.flow.order_files import read_orders
from novation.data.flow.recorded import Flow
from novation.data.flow.slots import dense_orders
from novation.data.flow.tardis import read_tardis

__all__ = [
    "Flow",
    "OrderLatency",
    "check",
    "dense_orders",
    "hold_arrivals",
    "read_binance_stream",
    "read_databento",
    "read_hftbacktest",
    "read_levels",
    "read_order_events",
    "read_order_latency",
    "read_orders",
    "read_tardis",
]
