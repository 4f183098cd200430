"""Leverage brackets out of a user's own file, in whichever of four layouts it is.

| file      | layout                                                                                        |
|-----------|-----------------------------------------------------------------------------------------------|
| `.csv`    | that of the shipped `brackets.csv`: effective_from, symbol, tier, ..., cum_usdt, source       |
| `.parquet`| see `files.brackets_from_file`                                                                |
| `.json`   | ccxt's `fetch_leverage_tiers`, which is also freqtrade's `binance_leverage_tiers.json`        |
| `.json`   | the exchange's own answer of GET /fapi/v1/leverageBracket                                     |

Every table is checked as strictly as the shipped ones. Where a JSON file gives no `cum`, it follows from the
recurrence, which is what makes maintenance continuous at each floor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from novation.domain.errors import DataError, InvalidInput, UnknownInstrument
from novation.domain.instruments import Tier
from novation.domain.units import ASSET_DECIMALS, iso, to_decimal
from novation.reference.brackets import check_tiers, cum_of, tiers_of
from novation.reference.files import brackets_from_file, exchange_symbol
from novation.reference.layouts import VENUES
from novation.reference.rulebook import read_table

#: Column of the bracket table -> name in ccxt's tiers -> name in the exchange's own.
_NAMES = {
    "floor_usdt": ("minNotional", "notionalFloor"),
    "cap_usdt": ("maxNotional", "notionalCap"),
    "maintenance_fraction": ("maintenanceMarginRate", "maintMarginRatio"),
    "max_leverage": ("maxLeverage", "initialLeverage"),
}


class Brackets(msgspec.Struct, frozen=True, kw_only=True):
    """The tiers of one symbol, and where they are from.

    effective_ns, known_ns: since when they are in force and the last instant of which that is known; 0 where a
    file does not say.
    """

    symbol: str
    asset: str
    tiers: tuple[Tier, ...]
    source: str
    effective_ns: int = 0
    known_ns: int = 0
    assumption: str = ""

    def tier_number(self, notional: int) -> int:
        """Which tier a notional in minor units falls in, from 1; the last one above its cap."""
        return next((n for n, tier in enumerate(self.tiers, 1) if notional <= tier.cap), len(self.tiers))

    def largest(self, leverage: int) -> int:
        """The highest notional allowed at a leverage; 0 where no tier allows it."""
        return max((tier.cap for tier in self.tiers if tier.max_leverage >= leverage), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Where the tiers are from, as plain values."""
        return {
            "date": iso(self.effective_ns)[:10] if self.effective_ns else None,
            "known_through": iso(self.known_ns)[:10] if self.known_ns else None,
            "source": self.source,
        }

    def __str__(self) -> str:
        if not self.effective_ns:
            return f"of {self.source}, which states no date"
        known = f" (known through {iso(self.known_ns)[:10]})" if self.known_ns else ""
        return f"of {iso(self.effective_ns)[:10]}{known}: {self.source}"


def settlement_of(symbol: str) -> str:
    """The settlement asset by the end of an exchange symbol; empty where it is none that is known.

    >>> settlement_of("BTCUSDT_261225")
    'USDT'
    """
    pair = symbol.partition("_")[0]
    return next((asset for asset in ("USDT", "USDC") if pair.endswith(asset)), "")


def read_brackets(path: str | Path, as_of_ns: int | None = None) -> dict[str, Brackets]:
    """Every symbol of a brackets file, by the exchange's name of it.

    as_of_ns: of several dates of one symbol (CSV only) the one in force then, else the newest. Symbols that are
    settled in an asset novation does not count (coin-margined ones) are left out. Raises `DataError`.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", source=str(path))
    kind = path.suffix.lower()
    if kind == ".csv":
        return _of_csv(path, as_of_ns)
    if kind == ".parquet":
        return _of_parquet(path)
    if kind == ".json":
        return {
            symbol: Brackets(symbol=symbol, asset=settlement_of(symbol), tiers=tiers, source=path.name)
            for symbol, tiers in tiers_of_rows(rows_of_json(load_json(path), str(path)), str(path)).items()
        }
    raise DataError("is no brackets file", source=str(path), hint="Give a .csv, a .parquet or a .json.")


def pick(found: Mapping[str, Brackets], symbol: str, path: str | Path) -> Brackets:
    """The brackets of one symbol; `UnknownInstrument` where a file has none."""
    if symbol in found:
        return found[symbol]
    raise UnknownInstrument(symbol, reason=f"has no brackets in {path}, which knows {len(found)} symbols.")


def _of_csv(path: Path, as_of_ns: int | None) -> dict[str, Brackets]:
    table = "binance_um/brackets"
    found = {}
    for (_, symbol), rules in read_table(path, table, VENUES["binance_um"].layouts["brackets"], shipped=False).items():
        wanted = [rule for rule in rules if as_of_ns is None or rule.effective_ns <= as_of_ns]
        asset = settlement_of(symbol)
        if wanted and asset:
            rule = wanted[-1]
            found[symbol] = Brackets(
                symbol=symbol,
                asset=asset,
                tiers=tiers_of(rule.rows, asset),
                source=f"{path.name}, {rule.source}",
                effective_ns=rule.effective_ns,
                assumption=rule.assumption,
            )
    if not found:
        raise DataError("holds no brackets in force", source=str(path), where=iso(as_of_ns) if as_of_ns else "")
    return found


def _of_parquet(path: Path) -> dict[str, Brackets]:
    found: dict[str, Brackets] = {}
    for asset in ("USDT", "USDC"):
        try:
            tables = brackets_from_file(path, asset=asset)
        except DataError as error:
            if "holds no brackets" in error.problem:
                continue
            raise
        for symbol, tiers in tables.items():
            found[symbol] = Brackets(symbol=symbol, asset=asset, tiers=tiers, source=path.name)
    if not found:
        raise DataError("holds no brackets settled in USDT or USDC", source=str(path))
    return found


# ---------------------------------------------------------------- JSON


def load_json(path: str | Path) -> Any:
    """A JSON file; `DataError` naming it and the line where it is none. Numbers keep their decimals."""
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", source=str(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text", source=str(path)) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}"
        raise DataError(f"is no JSON: {error.msg}", source=str(path), where=where) from None


def rows_of_json(data: Any, source: str) -> dict[str, list[dict[str, Decimal]]]:
    """Rows of the bracket table by exchange symbol, out of ccxt's mapping or the exchange's own list."""
    given: dict[str, Any]
    if isinstance(data, Mapping) and "brackets" in data:  # one symbol, as the exchange documents it
        data = [data]
    if isinstance(data, Mapping):
        given = dict(data)
    elif isinstance(data, Sequence) and all(isinstance(one, Mapping) and "brackets" in one for one in data):
        given = {}
        for number, one in enumerate(data):
            if "symbol" not in one:
                raise DataError("'symbol' is missing", source=source, where=f"[{number}]")
            given[str(one["symbol"])] = one["brackets"]
    else:
        raise DataError(
            "is no table of brackets",
            source=source,
            hint="Expected ccxt's {symbol: [tiers]} or the exchange's [{symbol, brackets}].",
        )
    found: dict[str, list[dict[str, Decimal]]] = {}
    for symbol, tiers in given.items():
        if not isinstance(tiers, Sequence) or isinstance(tiers, str) or not tiers:
            raise DataError("expected a list of tiers", source=source, where=symbol)
        found[exchange_symbol(symbol)] = _rows(tiers, source, symbol)
    return found


def _rows(tiers: Sequence[Any], source: str, symbol: str) -> list[dict[str, Decimal]]:
    """The tiers of one symbol as rows of the table, lowest first."""
    rows: list[dict[str, Decimal]] = []
    for number, tier in enumerate(tiers, 1):
        where = f"{symbol}, tier {number}"
        if not isinstance(tier, Mapping):
            raise DataError("expected a mapping", source=source, where=where, value=tier)
        row = {"tier": Decimal(number)}
        for column, names in _NAMES.items():
            name = next((name for name in names if tier.get(name) is not None), None)
            if name is None:
                raise DataError(f"{names[0]!r} is missing", source=source, where=where)
            row[column] = _number(tier[name], source, f"{where}, {name}")
        rows.append(row)
    # Neither ccxt nor the exchange promises an order (the exchange lists the highest tier first).
    order = sorted(range(len(rows)), key=lambda i: rows[i]["floor_usdt"])
    ordered = [rows[i] for i in order]
    for number, (i, row) in enumerate(zip(order, ordered, strict=True), 1):
        tier = tiers[i]
        raw = tier.get("info")
        cum = tier.get("cum", raw.get("cum") if isinstance(raw, Mapping) else None)
        row["tier"] = Decimal(number)
        where = f"{symbol}, tier {number}, cum"
        row["cum_usdt"] = (
            cum_of(row, ordered[number - 2] if number > 1 else None) if cum is None else _number(cum, source, where)
        )
    return ordered


def _number(value: Any, source: str, where: str) -> Decimal:
    try:
        return to_decimal(value)
    except InvalidInput as error:
        raise DataError(error.problem, source=source, where=where, value=value) from None


def tiers_of_rows(rows: Mapping[str, Sequence[Mapping[str, Any]]], source: str) -> dict[str, tuple[Tier, ...]]:
    """Checked integers of every symbol that settles in an asset novation counts."""
    found = {}
    for symbol, tiers in rows.items():
        asset = settlement_of(symbol)
        if asset not in ASSET_DECIMALS:
            continue
        check_tiers(tiers, source=source, where=symbol)
        found[symbol] = tiers_of(tiers, asset)
    if not found:
        raise DataError("holds no brackets settled in USDT or USDC", source=source)
    return found
