"""novation: one futures exchange, written once, with many doors.

Names load on first use, so `import novation` costs nothing that the caller does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from novation._version import __version__

if TYPE_CHECKING:
    from novation.data.chain import ContractChain
    from novation.data.funding import funding
    from novation.data.history import History
    from novation.data.recording import Recording
    from novation.domain.errors import (
        ConfigError,
        DataError,
        InvalidInput,
        NoRuleInForce,
        NovationError,
        OffGrid,
        RemoteError,
        UnknownInstrument,
        VenueError,
    )
    from novation.domain.latency import Delay, Latency
    from novation.domain.slippage import MarketConditions, TakerOrder
    from novation.engine.strategy import compiled
    from novation.reference.products import contract
    from novation.reference.trading_calendar import calendar
    from novation.research.audit.run import audit
    from novation.research.backtest import Backtest
    from novation.research.cascade.run import cascade
    from novation.research.cost import cost
    from novation.research.result import Result
    from novation.research.tca import tca
    from novation.trading.cost import estimate_execution_cost
    from novation.trading.margin import margin
    from novation.trading.roll_schedule import RolloverScheduler, roll
    from novation.trading.strategy import Strategy
    from novation.trading.targets import Targets
    from novation.venues.connection import Connection
    from novation.venues.participant import Participant
    from novation.venues.venue import Venue

_PLACES = {
    "Backtest": "novation.research.backtest",
    "ConfigError": "novation.domain.errors",
    "Connection": "novation.venues.connection",
    "ContractChain": "novation.data.chain",
    "DataError": "novation.domain.errors",
    "Delay": "novation.domain.latency",
    "History": "novation.data.history",
    "Recording": "novation.data.recording",
    "InvalidInput": "novation.domain.errors",
    "Latency": "novation.domain.latency",
    "MarketConditions": "novation.domain.slippage",
    "NoRuleInForce": "novation.domain.errors",
    "NovationError": "novation.domain.errors",
    "OffGrid": "novation.domain.errors",
    "RemoteError": "novation.domain.errors",
    "Participant": "novation.venues.participant",
    "Result": "novation.research.result",
    "RolloverScheduler": "novation.trading.roll_schedule",
    "Strategy": "novation.trading.strategy",
    "TakerOrder": "novation.domain.slippage",
    "Targets": "novation.trading.targets",
    "UnknownInstrument": "novation.domain.errors",
    "Venue": "novation.venues.venue",
    "VenueError": "novation.domain.errors",
    "audit": "novation.research.audit.run",
    "calendar": "novation.reference.trading_calendar",
    "cascade": "novation.research.cascade.run",
    "compiled": "novation.engine.strategy",
    "contract": "novation.reference.products",
    "cost": "novation.research.cost",
    "estimate_execution_cost": "novation.trading.cost",
    "funding": "novation.data.funding",
    "margin": "novation.trading.margin",
    "roll": "novation.trading.roll_schedule",
    "tca": "novation.research.tca",
}

__all__ = [
    "Backtest",
    "ConfigError",
    "Connection",
    "ContractChain",
    "DataError",
    "Delay",
    "History",
    "InvalidInput",
    "Latency",
    "MarketConditions",
    "NoRuleInForce",
    "NovationError",
    "OffGrid",
    "Participant",
    "Recording",
    "RemoteError",
    "Result",
    "RolloverScheduler",
    "Strategy",
    "TakerOrder",
    "Targets",
    "UnknownInstrument",
    "Venue",
    "VenueError",
    "__version__",
    "audit",
    "calendar",
    "cascade",
    "compiled",
    "contract",
    "cost",
    "estimate_execution_cost",
    "funding",
    "margin",
    "roll",
    "tca",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'novation' has no attribute {name!r}")
    value = getattr(importlib.import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
