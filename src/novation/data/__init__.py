"""History: reading, checking and cutting what a run is fed with. `sources` alone touches the network."""

from __future__ import annotations

from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.feed import build_feed
from novation.data.history import History
from novation.data.series import Bars, ContractRoll, Prepared, PreparedChain

__all__ = [
    "Bars",
    "ContractChain",
    "ContractRoll",
    "History",
    "Prepared",
    "PreparedChain",
    "build_feed",
    "load",
]
