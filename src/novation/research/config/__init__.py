"""Backtests written down: the keys, how YAML is read, what each key turns into, runs kept in folders."""

from __future__ import annotations

from novation.research.config.loader import BacktestConfig, json_schema, load_config

__all__ = ["BacktestConfig", "json_schema", "load_config"]
