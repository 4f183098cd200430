"""A backtest written down: YAML or a mapping in, a `Backtest` out.

    strategy: carry.py:Carry
    params: {threshold: 0.0001}
    instruments: [binance_um:BTCUSDT]
    period: {from: 2020-01-01, to: 2020-11-01}
    rules_as_of: 2026-05-01
    account: {cash: 25_000}
    margin: {scope: isolated, leverage: 5}

`keys` holds every key. What is left out is left to `Backtest`, so a configuration and the Python call that says
the same give the same run.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novation.data.catalog import load
from novation.domain.errors import ConfigError, NovationError, UnknownInstrument
from novation.reference.lookup import Reference
from novation.research.backtest import Backtest
from novation.research.config.data import files_of, histories, way_of
from novation.research.config.facts import Traded, contradictions, derived_overrides, not_built_here, unused, venue_of
from novation.research.config.keys import Keys, Slippage
from novation.research.config.places import of_setting, placed
from novation.research.config.strategy import load_strategy, strategy_digest
from novation.research.config.types import Label, NotBuilt
from novation.research.config.yaml import plain, read_yaml, validated, with_settings

_NO_FUNDING = "funding switched off by the configuration, not the exchange's"


@dataclass(frozen=True)
class BacktestConfig:
    """A checked configuration. keys: its values; folder: what its paths are relative to; source: its name in errors."""

    keys: Keys
    folder: Path
    source: str
    values: Mapping[str, Any] = field(repr=False)
    settings: tuple[str, ...] = ()  #: keys that settings put over the file

    # -- what it says ---------------------------------------------------------------------------------------------

    @functools.cached_property
    def _reference(self) -> Reference:
        return Reference.default(tables=self._tables)

    @property
    def _tables(self) -> list[Path]:
        """The user's own tables: his file of products, then his folders."""
        own = [self.keys.products] if self.keys.products is not None else []
        return [self.folder / table for table in (*own, *(self.keys.tables or ()))]

    @functools.cached_property
    def traded(self) -> tuple[Traded, ...]:
        """The instruments it names; raises UnknownInstrument."""
        keys = self.keys
        contract = keys.contract.symbol if keys.contract is not None else None
        names = list(keys.instruments or ([contract] if contract else files_of(keys.data)))
        if not names:
            raise ConfigError(
                "nothing to trade", source=self.source, where="instruments", hint="For example [binance_um:BTCUSDT]."
            )
        about = self._traded(contract, "contract.symbol").id if contract else None
        where = "instruments" if keys.instruments else "contract.symbol" if contract else "data"
        found = tuple(self._traded(name, where, about) for name in names)
        if about is not None and all(one.id != about for one in found):
            raise ConfigError(
                "is not among the instruments", source=self.source, where="contract.symbol", value=contract
            )
        return found

    def _traded(self, name: str, where: str, contract: str | None = None) -> Traded:
        """The instrument that a key names; contract: the id of the `contract` section's."""
        start = self.keys.period.from_ if self.keys.period is not None else None
        vendor = venue_of(self.keys.vendor.primary) if self.keys.vendor is not None else None
        try:
            return Traded.of(name, self._reference, start, vendor, contract)
        except UnknownInstrument as error:
            raise error.at(self.source, where) from None

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Facts of the exchange that it replaces, by product, as `Backtest(overrides=)` takes them."""
        found = derived_overrides(self.keys, self.traded, self.source)
        for name, values in (self.keys.overrides or {}).items():
            try:
                product = Traded.of(name, self._reference, None, None).product
            except UnknownInstrument as error:
                raise error.at(self.source, "overrides") from None
            own = found.setdefault(product, {})
            for fact, value in values.items():
                if fact in own and own[fact] != value:
                    raise ConfigError(
                        "is said twice, and differently", source=self.source, where=f"overrides.{name}.{fact}"
                    )
                own[fact] = value
        return found

    def not_built(self) -> dict[str, str]:
        """Keys whose value asks for what is not built yet, each with the name of the capability."""
        marked = {
            ".".join(path): mark.what
            for path, mark, value in self.keys.marks()
            if isinstance(mark, NotBuilt) and mark.asked(value)
        }
        return marked | not_built_here(self.keys, self.traded, self._reference, self.source)

    def without_effect(self) -> list[str]:
        """Keys that are accepted and change nothing in this run."""
        labels = [
            ".".join(path) for path, mark, value in self.keys.marks() if isinstance(mark, Label) and value is not None
        ]
        return labels + unused(self.keys, self.traded)

    # -- what it makes --------------------------------------------------------------------------------------------

    def backtest(self) -> Backtest:
        """The run it describes. Raises one ConfigError naming every key of what is not built yet."""
        try:
            return self._backtest()
        except NovationError as error:
            raise of_setting(error, self.settings) from None

    def _backtest(self) -> Backtest:
        keys = self.keys
        asked = self.not_built()
        if asked:
            raise ConfigError(
                f"not built yet: {_grouped(asked)}",
                source=self.source,
                hint="Leave them out, or set them to null or false.",
            )
        contradictions(keys, self.traded, self.source)
        if keys.strategy is None:
            raise ConfigError("is missing", source=self.source, where="strategy", hint='For example "my.py:Carry".')
        overrides = self.overrides()
        tables = self._tables
        try:
            Reference.default(tables=tables, overrides=overrides)  # refuses a wrong override before any data is read
            strategy = load_strategy(keys.strategy, keys.params or {}, self.folder, self.source)
            options = self._options()
            backtest = Backtest(strategy, **self._history(), tables=tables, overrides=overrides, **options)
        except NovationError as error:
            raise self.placed(error) from None
        backtest.config, backtest.placed = self.to_dict(), self.placed
        return backtest

    def placed(self, error: NovationError) -> NovationError:
        """An error about an argument of `Backtest` as one about this configuration."""
        return of_setting(placed(error, self.keys, self.source), self.settings)

    def _options(self) -> dict[str, Any]:
        """Arguments of `Backtest` that are given; the others keep its defaults."""
        keys = self.keys
        period, account, margin, execution = keys.period, keys.account, keys.margin, keys.execution
        slippage = execution.slippage if execution is not None else None
        session, crypto = keys.session, keys.fees.crypto if keys.fees is not None else None
        breakers = session.circuit_breakers if session is not None else None
        options: dict[str, Any] = {
            "start": period and period.from_,
            "end": period and period.to,
            "rules_as_of": keys.rules_as_of,
            "cash": account and account.cash,
            "report_currency": account and account.report_currency,
            "rates": account and account.rates,
            "margin": self._either("margin.scope", margin, "scope", "margin.mode", margin, "mode"),
            "leverage": self._either(
                "margin.leverage", margin, "leverage", "margin.initial_leverage", margin, "initial_leverage"
            ),
            "hedge": margin and margin.hedge,
            "spread_bps": self._either(
                "execution.spread_bps",
                execution,
                "spread_bps",
                "execution.slippage.default_spread_bps",
                slippage,
                "default_spread_bps",
            ),
            "slippage": _slippage(slippage),
            "level": execution and execution.level,
            "participation": execution and execution.participation,
            "vip": crypto and crypto.vip_level,
            "bnb": crypto and crypto.use_bnb_discount,
            "market_states": self._either(
                "session.circuit_breakers.enabled",
                breakers,
                "enabled",
                "session.market_states",
                session,
                "market_states",
            ),
            "limit_fill": execution and self._limit_fill(execution.limit_fill),
            "bar_path": execution and execution.bar_path,
            "hold_orders": session and session.hold_orders,
            "risk": {"max_drawdown_pct": keys.risk.max_drawdown_pct} if keys.risk is not None else None,
            "seed": keys.seed,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _limit_fill(self, given: Any) -> Any:
        """The setting, a model's path in it relative to this configuration."""
        if isinstance(given, dict) and isinstance(given.get("model"), str):
            return given | {"model": self.folder / given["model"]}
        return given

    def _either(self, first: str, left: Any, name: str, second: str, right: Any, other: str) -> Any:
        """A value that has two names."""
        a = getattr(left, name) if left is not None else None
        b = getattr(right, other) if right is not None else None
        if a is not None and b is not None and a != b:
            raise ConfigError(f"says {a}, and {second} says {b}: keep one", source=self.source, where=first)
        return a if a is not None else b

    def histories(self) -> dict[str, Any]:
        """What is read of each instrument, by its public id; the strategy is not loaded."""
        try:
            found = self._history()
            if "data" in found:
                return dict(found["data"])
            return {symbol: load(symbol, root=found["data_root"]) for symbol in found["symbols"]}
        except NovationError as error:
            raise self.placed(error) from None

    def _history(self) -> dict[str, Any]:
        keys = self.keys
        way = way_of(keys.data, self.source)
        funded = keys.funding is None or keys.funding.enabled is not False
        if funded and way in ("store", "root"):
            root = keys.data.root if keys.data is not None else None
            return {
                "symbols": [one.id for one in self.traded],
                "data_root": None if root is None else self.folder / root,
            }
        found = histories(
            keys.data,
            {one.id: one.id for one in self.traded},
            folder=self.folder,
            seed=keys.seed or 0,
            reference=self._reference,
            source=self.source,
            days=_days_before_expiry(keys),
            queue=keys.execution.lob.queue_position_method if keys.execution and keys.execution.lob else None,
        )
        for one in self.traded:
            history: Any = found[one.id]
            if not funded and one.perpetual:
                history.funding = 0
                history.notes = (*history.notes, _NO_FUNDING)
        return {"data": found}

    def to_dict(self) -> dict[str, Any]:
        """What a manifest keeps, from which `rerun` makes the configuration again."""
        digest = strategy_digest(self.keys.strategy, self.folder) if self.keys.strategy else None
        return {
            "file": self.source,
            "folder": str(self.folder.resolve()),
            "values": plain(self.values),
            "strategy_digest": digest,
        }


def load_config(
    config: str | Path | Mapping[str, Any],
    settings: Sequence[str] = (),
    *,
    folder: str | Path | None = None,
    source: str = "",
) -> BacktestConfig:
    """Read and check a configuration.

    config: a YAML file or a mapping. settings: "a.b=c" each, put over it, c read as YAML. folder: what paths in it are
    relative to, else the file's folder, or the working directory of a mapping. source: its name in errors.
    """
    if isinstance(config, Mapping):
        values, place = dict(config), Path(folder) if folder is not None else Path()
        source = source or "config"
    else:
        path = Path(config)
        values, place = read_yaml(path), Path(folder) if folder is not None else path.parent
        source = source or path.name
    values = with_settings(values, settings)
    names = tuple(setting.partition("=")[0].strip() for setting in settings)
    try:
        return BacktestConfig(validated(values, source, Keys), place, source, values, names)
    except ConfigError as error:
        raise of_setting(error, names) from None


def _days_before_expiry(keys: Keys) -> int | None:
    """The rule of folders of contracts that name none."""
    roll = keys.settlement.auto_roll if keys.settlement is not None else None
    return None if roll is None or roll.enabled is False else roll.days_before_expiry


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Keys.model_json_schema(), "title": "novation"}


def _grouped(keys: Mapping[str, str]) -> str:
    """Dotted keys, those of one section in braces, with what they ask for: "margin.span.{a, b} (SPAN margin)"."""
    sections: dict[tuple[str, str], list[str]] = {}
    for key, what in keys.items():
        section, _, name = key.rpartition(".")
        sections.setdefault((section, what), []).append(name)
    texts = []
    for (section, what), names in sections.items():
        joined = names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"
        texts.append(f"{section}.{joined} ({what})" if section else f"{joined} ({what})")
    return ", ".join(texts)


def _slippage(section: Slippage | None) -> Any:
    """The argument of `Backtest`: None where nothing asks for slippage."""
    if section is None or section.enabled is False:
        return None
    given = {
        "terms": section.terms,
        "impact": section.impact,
        "volume": section.volume,
        "min_bps": section.min_slippage_bps,
        "max_bps": section.max_slippage_bps,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return asked or section.enabled or section.profile is not None or None
