"""What the `data` section of a configuration comes to: a history for each instrument."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.expiries import read_expiries
from novation.data.history import History
from novation.data.recording import Recording
from novation.data.roll_rules import rolls_by_rule
from novation.data.synthetic import load_synthetic
from novation.data.term_structure import read_term_structure
from novation.domain.errors import ConfigError, InvalidInput, UnknownInstrument
from novation.reference.lookup import Reference
from novation.reference.rolls import RULES, is_rule
from novation.research.config.keys import Data, Files

_LISTS = ("funding_paths", "mark_price_paths", "open_interest_paths", "liquidation_paths")


def files_of(data: Data | None) -> dict[str, Files]:
    """The instruments whose files the section names."""
    return dict(data.__pydantic_extra__) if data is not None else {}


def way_of(data: Data | None, source: str) -> str:
    """Which of "store", "root", "synthetic", "files", "paths" the section chooses; it may choose one."""
    if data is None:
        return "store"
    files = files_of(data)
    chosen = {
        "root": data.root is not None,
        "synthetic": bool(data.synthetic),
        "files": bool(files),
        "paths": bool(data.paths),
    }
    ways = [way for way, is_chosen in chosen.items() if is_chosen]
    if len(ways) > 1:
        names = [next(iter(files)) if way == "files" else way for way in ways]
        raise ConfigError(f"names {' and '.join(names)}: choose one", source=source, where="data")
    if "paths" not in ways:
        for name in _LISTS:
            if data.given(name):
                raise ConfigError("needs data.paths beside it", source=source, where=f"data.{name}")
    return ways[0] if ways else "store"


def histories(
    data: Data | None,
    traded: dict[str, str],
    *,
    folder: Path,
    seed: int,
    reference: Reference,
    source: str,
    days: int | None = None,
    queue: str | None = None,
) -> dict[str, History | ContractChain | Recording]:
    """A history for each traded symbol.

    traded: symbol as written -> public id. days: before expiry at which folders of contracts without a rule are rolled.
    queue: of recordings that name none.
    """
    way = way_of(data, source)
    if way == "synthetic":
        return {name: load_synthetic(id, seed=seed) for name, id in traded.items()}
    if way == "files":
        try:
            by_id = {reference.resolve(name): (name, files) for name, files in files_of(data).items()}
        except UnknownInstrument as error:
            raise error.at(source, "data") from None
        for id, (name, _) in by_id.items():
            if id not in traded.values():
                raise ConfigError(
                    "is not among the instruments", source=source, where=f"data.{name}", value=", ".join(traded)
                )
        for name, id in traded.items():
            if id not in by_id:
                raise ConfigError(f"no files of {name}", source=source, where="data")
        return {name: _of_files(*by_id[id], id, folder, source, reference, days, queue) for name, id in traded.items()}
    if way == "paths":
        assert data is not None
        return {name: _of_patterns(data, id.partition(":")[2], folder, source) for name, id in traded.items()}
    root = None if way == "store" or data is None or data.root is None else folder / data.root
    return {name: load(id, root=root) for name, id in traded.items()}


def _of_files(
    name: str,
    files: Files,
    id: str,
    folder: Path,
    source: str,
    reference: Reference,
    days: int | None,
    queue: str | None,
) -> History | ContractChain | Recording:
    where = f"data.{name}"
    if files.given("flow") or files.given("trades") or files.given("queue"):
        return _recording(files, folder, source, where, queue)
    if files.given("contracts") or files.given("roll"):
        if not reference.is_rolled(id):
            key = "contracts" if files.given("contracts") else "roll"
            raise ConfigError(
                "is for rolled symbols such as cme:ES alone",
                source=source,
                where=f"{where}.{key}",
                hint="Name the product in the place of the contract, or give the contract's own bars as `last`.",
            )
        others = sorted(files.model_fields_set - {"contracts", "roll", "stamp", "tz", "bar"})
        rule = files.roll or (f"days:{days}" if days is not None else None)
        if files.contracts is None or rule is None or others:
            raise ConfigError(
                "contracts needs a rule (roll, or settlement.auto_roll.days_before_expiry), and goes with stamp, tz "
                "and bar alone",
                source=source,
                where=where,
            )
        if not is_rule(rule):
            hint = f"Rules: {', '.join(RULES)}."
            raise ConfigError("is no roll rule", source=source, where=f"{where}.roll", value=rule, hint=hint)
        try:
            return _of_contracts(files, id.partition(":")[2], rule, folder, reference)
        except InvalidInput as error:
            if error.where != rule:
                raise
            raise ConfigError(
                error.problem, source=source, where=f"{where}.roll", value=rule, hint=error.hint
            ) from None
    if files.given("term_structure") or files.given("roll_calendar"):
        others = sorted(files.model_fields_set - {"term_structure", "roll_calendar"})
        if files.term_structure is None or files.roll_calendar is None or others:
            raise ConfigError(
                "term_structure and roll_calendar go together, without other keys", source=source, where=where
            )
        return read_term_structure(folder / files.term_structure, folder / files.roll_calendar)
    if files.last is None:
        raise ConfigError("is missing", source=source, where=f"{where}.last")
    options: dict[str, Any] = {}
    for key in files.model_fields_set - {"last"}:
        value = getattr(files, key)
        if value is None:
            continue
        is_path = key in ("mark", "settlement", "index", "quotes") or (key == "funding" and isinstance(value, str))
        options[key] = folder / value if is_path else value
    return History(folder / files.last, **options)


def _recording(files: Files, folder: Path, source: str, where: str, queue: str | None) -> Recording:
    """A record of an order book."""
    others = sorted(files.model_fields_set - {"flow", "trades", "queue", "bar", "funding", "mark"})
    if files.flow is None or others:
        raise ConfigError(
            "flow goes with trades, queue, bar, funding and mark alone",
            source=source,
            where=where,
            value=", ".join(others) or None,
        )
    funding = folder / files.funding if isinstance(files.funding, str) else files.funding
    return Recording(
        folder / files.flow,
        trades=None if files.trades is None else folder / files.trades,
        bar=files.bar or "1s",
        funding=funding,
        mark=None if files.mark is None else folder / files.mark,
        queue=files.queue or queue or "back",
    )


def _of_contracts(files: Files, root: str, rule: str, folder: Path, reference: Reference) -> ContractChain:
    """A chain of a folder's months, rolled by a rule."""
    assert files.contracts is not None
    found = read_expiries(folder / files.contracts, tz=files.tz).files
    rolls = rolls_by_rule(root, found, rule, tz=files.tz, reference=reference)
    return ContractChain(found, rolls, stamp=files.stamp or "open", tz=files.tz, bar=files.bar)


def _of_patterns(data: Data, symbol: str, folder: Path, source: str) -> History:
    """The plan's lists of patterns: of each list the one file whose name begins with the symbol."""
    found = {name: _matching(getattr(data, name) or [], folder) for name in ("paths", *_LISTS)}
    others = {path for name in _LISTS for path in found[name]}
    last = _one([path for path in found["paths"] if path not in others], symbol, "paths", source, required=True)
    mark = _one(found["mark_price_paths"], symbol, "mark_price_paths", source)
    funding = _one(found["funding_paths"], symbol, "funding_paths", source)
    return History(last, mark=mark, funding=funding, bar=data.timeframe)


def _matching(patterns: Sequence[str], folder: Path) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        if Path(pattern).is_absolute():
            base, pattern = Path(Path(pattern).anchor), str(Path(pattern).relative_to(Path(pattern).anchor))
        else:
            base = folder
        found |= dict.fromkeys(sorted(base.glob(pattern)))
    return list(found)


def _one(paths: list[Path], symbol: str, key: str, source: str, *, required: bool = False) -> Path | None:
    begins = re.compile(rf"{re.escape(symbol)}(?![A-Za-z0-9])", re.IGNORECASE)
    mine = [path for path in paths if begins.match(path.name)]
    if len(mine) > 1 or (required and not mine):
        shown = ", ".join(path.name for path in mine) or "none"
        raise ConfigError(
            f"expected one file whose name begins with {symbol}", source=source, where=f"data.{key}", value=shown
        )
    return mine[0] if mine else None
