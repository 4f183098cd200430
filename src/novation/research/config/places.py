"""Errors about arguments, told with the file and the key in which a configuration says them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from novation.domain.errors import ConfigError, InvalidInput, NovationError, UnknownInstrument
from novation.research.config.keys import Keys

#: Argument of `Backtest` -> its key; margin, leverage and spread_bps have two names, see `_key`.
_KEYS = {
    "start": "period.from",
    "end": "period.to",
    "start, end": "period",
    "symbols": "instruments",
    "cash": "account.cash",
    "report_currency": "account.report_currency",
    "rates": "account.rates",
    "margin": "margin.scope",
    "leverage": "margin.leverage",
    "hedge": "margin.hedge",
    "market_states": "session.market_states",
    "hold_orders": "session.hold_orders",
    "spread_bps": "execution.spread_bps",
    "bar_path": "execution.bar_path",
    "limit_fill": "execution.limit_fill",
    "slippage": "execution.slippage",
    "level": "execution.level",
    "participation": "execution.participation",
    "vip": "fees.crypto.vip_level",
    "bnb": "fees.crypto.use_bnb_discount",
}
#: Setting of slippage -> its key, where that is another.
_SLIPPAGE = {"min_bps": "min_slippage_bps", "max_bps": "max_slippage_bps"}
#: Override -> the key of the plan's template that stands for it, where no `overrides` section has it.
_FACTS = {
    "tick": "contract.tick_size",
    "multiplier": "contract.multiplier",
    "min_qty": "contract.min_qty",
    "max_qty": "contract.max_qty",
    "brackets": "margin.brackets",
    "maker_fee": "fees.crypto.maker_bps",
    "taker_fee": "fees.crypto.taker_bps",
    "fee_per_contract": "fees.cme",
}


def placed(error: NovationError, keys: Keys, source: str) -> NovationError:
    """An error of `Backtest` about one of its arguments as one about the configuration; any other as it is."""
    where = _where(error, keys) if isinstance(error, InvalidInput) else None
    if not isinstance(error, InvalidInput) or where is None:
        return error
    return ConfigError(error.problem, source=source, where=where, value=error.value, hint=error.hint)


def of_setting(error: NovationError, settings: Sequence[str]) -> NovationError:
    """An error about a key that a setting put over the file as one about that setting; any other as it is."""
    if not isinstance(error, InvalidInput | UnknownInstrument):
        return error
    where = error.where
    if not any(where == name or where.startswith((f"{name}.", f"{name}[", f"{name} ")) for name in settings):
        return error
    if isinstance(error, UnknownInstrument):
        return error.at("--set", where)
    return type(error)(error.problem, source="--set", where=where, value=error.value, hint=error.hint)


def _where(error: InvalidInput, keys: Keys) -> str | None:
    """The key that says what an error is about, None for an error about something else."""
    if error.source == "Backtest":
        argument = error.where if error.where in _KEYS else error.where.partition(" ")[0]
        return _key(argument, keys) + error.where.removeprefix(argument)
    if error.source == "slippage":
        name, _, rest = error.where.partition(" ")
        return f"execution.slippage.{_SLIPPAGE.get(name, name)}" + (f".{rest}" if rest else "")
    if error.source == "terms":
        return "execution.slippage.terms"
    if error.source in ("risk", "rules_as_of"):
        return f"{error.source}.{error.where}" if error.where else error.source
    return _override(error.where, keys) if error.source == "overrides" else None


def _key(argument: str, keys: Keys) -> str:
    margin, execution = keys.margin, keys.execution
    if argument == "margin" and margin is not None and not margin.given("scope"):
        return "margin.mode"
    if argument == "leverage" and margin is not None and not margin.given("leverage"):
        return "margin.initial_leverage"
    if argument == "spread_bps" and execution is not None and not execution.given("spread_bps"):
        return "execution.slippage.default_spread_bps"
    return _KEYS.get(argument, argument)


def _override(where: str, keys: Keys) -> str:
    """`binance_um:BTCUSDT.brackets[2]` as the key that says it."""
    fact = re.match(r"[^.]*\.(\w+)", where)
    said = {name for values in (keys.overrides or {}).values() for name in values}
    if fact is not None and fact[1] in _FACTS and fact[1] not in said:
        return _FACTS[fact[1]] + where[fact.end() :]
    return f"overrides.{where}"
