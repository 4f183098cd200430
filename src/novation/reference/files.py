"""Brackets and margins out of Parquet files, checked as strictly as the shipped tables.

polars is imported inside the functions: looking a rule up needs none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from novation.domain.errors import DataError, InvalidInput
from novation.domain.instruments import Tier
from novation.domain.units import money, to_decimal, to_ns
from novation.reference.brackets import check_tiers, tiers_of

if TYPE_CHECKING:
    import polars as pl


class Margin(msgspec.Struct, frozen=True):
    """Margin of one outright contract from `effective_ns` on, in minor units of USD."""

    effective_ns: int
    initial: int
    maintenance: int


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError("cannot be read as Parquet", source=str(path), value=str(error).splitlines()[0]) from None
    for name in columns:
        if name not in frame.columns:
            raise DataError(f"column {name!r} is missing", source=str(path), hint=f"Columns: {', '.join(columns)}.")
    return frame.select(columns)


def _number(value: Any, path: Path, where: str) -> Decimal:
    try:
        return to_decimal(value)
    except InvalidInput as error:
        raise DataError(error.problem, source=str(path), where=where, value=value) from None


def exchange_symbol(symbol: str) -> str:
    """'BTC/USDT:USDT' as the exchange writes it, BTCUSDT; with an expiry, BTCUSDT_260626. Others stay as they are."""
    pair, _, settle = symbol.partition(":")
    expiry = settle.partition("-")[2]
    return pair.replace("/", "") + (f"_{expiry}" if expiry else "")


def brackets_from_file(path: str | Path, *, asset: str = "USDT") -> dict[str, tuple[Tier, ...]]:
    """Read leverage brackets from Parquet: tiers by the exchange's symbol, of all symbols settled in `asset`.

    Columns: symbol (ccxt style, 'BTC/USDT:USDT'), tier (1, 2, ...), currency, notional_floor, notional_cap,
    maint_margin_rate, max_leverage, cum; money in `asset`, the rate a fraction. A cap too large for an
    account's notional (2^62 minor units) is no cap. Raises `DataError` naming file, symbol and tier where
    tiers leave a gap or `cum` breaks the recurrence.
    """
    path = Path(path)
    frame = _read(
        path,
        (
            "symbol",
            "tier",
            "currency",
            "notional_floor",
            "notional_cap",
            "maint_margin_rate",
            "max_leverage",
            "cum",
        ),
    )
    found: dict[str, list[dict[str, Decimal]]] = {}
    for symbol, tier, currency, *numbers in frame.sort("symbol", "tier").iter_rows():
        if currency != asset:
            continue
        if not symbol:
            raise DataError("a tier without a symbol", source=str(path), where=f"tier {tier}")
        values = [_number(value, path, f"{symbol}, tier {tier}") for value in (tier, *numbers)]
        names = ("tier", "floor_usdt", "cap_usdt", "maintenance_fraction", "max_leverage", "cum_usdt")
        found.setdefault(symbol, []).append(dict(zip(names, values, strict=True)))
    if not found:
        raise DataError(f"holds no brackets settled in {asset}", source=str(path))
    brackets = {}
    for symbol, rows in found.items():
        check_tiers(rows, source=str(path), where=symbol)
        brackets[exchange_symbol(symbol)] = tiers_of(rows, asset)
    return brackets


def margins_from_file(path: str | Path, root: str) -> tuple[Margin, ...]:
    """Read the dated margins of one product from Parquet, ascending.

    Columns: symbol (the root), date (effective from midnight UTC of that day), initial, maintenance (USD a
    contract). Raises `DataError` where the root is absent, a date repeats, or initial lies below maintenance.
    """
    path = Path(path)
    frame = _read(path, ("symbol", "date", "initial", "maintenance"))
    margins: list[Margin] = []
    for symbol, date, initial, maintenance in frame.sort("symbol", "date").iter_rows():
        if symbol != root:
            continue
        day: dt.date = date.date() if isinstance(date, dt.datetime) else date
        where = f"{root} {day}"
        margin = Margin(
            to_ns(day, source=str(path), where=where),
            money(_number(initial, path, where), "USD"),
            money(_number(maintenance, path, where), "USD"),
        )
        if margins and margins[-1].effective_ns == margin.effective_ns:
            raise DataError("a second row for one day", source=str(path), where=where)
        if not 0 < margin.maintenance <= margin.initial:
            raise DataError(
                "initial margin lies below maintenance",
                source=str(path),
                where=where,
                value=f"{initial} and {maintenance}",
            )
        margins.append(margin)
    if not margins:
        known = ", ".join(sorted(frame["symbol"].unique()))
        raise DataError(f"holds no margins of {root}", source=str(path), hint=f"It has {known}.")
    return tuple(margins)
