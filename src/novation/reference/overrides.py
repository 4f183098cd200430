"""Values a user puts in the place of the exchange's, per product; a result lists each as not the exchange's.

{"binance_um:BTCUSDT": {"taker_fee": "0.0004", "tick": "0.5"}, "cme:ES": {"initial_margin": 12_000}}

Amounts are in the settlement asset, fees and rates fractions, `fee_per_contract` per side, `price_band` points of
price, `intraday_ratio` a share of the margins until `margin_deadline_minutes` before the close, which mean nothing
without it. A number of more decimals than are counted is refused; margins are rounded up. An override holds at all
dates. Brackets are a tuple of `Tier` (as `brackets_from_file` gives them) or a list of {"floor", "cap", "rate",
"max_leverage"}, where `cum` follows from the recurrence unless it is given too, and a cap of None is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.instruments import Tier
from novation.domain.units import asset_decimals, to_decimal, to_scaled
from novation.reference.brackets import check_tiers, cum_of, tiers_of
from novation.reference.layouts import VENUES, Kind

_TIER_NAMES = {
    "floor": "floor_usdt",
    "cap": "cap_usdt",
    "rate": "maintenance_fraction",
    "max_leverage": "max_leverage",
    "cum": "cum_usdt",
}
_NO_CAP = Decimal(1 << 62)
#: Columns of amounts, which count in minor units of the asset; the others in 1e-8.
_MONEY = ("commission_usd", "min_notional_usdt", "floor_usdt", "cap_usdt", "cum_usdt")
#: Columns that go into a margin, which is rounded up (`reference.terms`): any number of decimals will do.
_ROUNDED_UP = ("initial_usd", "maintenance_usd", "initial_ratio", "house_add_on_fraction")


@dataclass(frozen=True)
class Override:
    """What one user says of one product."""

    values: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)  #: group -> column -> value
    tiers: tuple[Tier, ...] = ()
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: group -> "taker_fee 0.0004", ...

    def covers(self, venue: str, group: str) -> bool:
        """Whether nothing of the exchange's own row is needed."""
        if group == "brackets":
            return bool(self.tiers)
        layout = VENUES[venue].layouts[VENUES[venue].groups[group]]
        return set(layout.columns) <= set(self.values.get(group, ()))


def read_override(id: str, venue: str, asset: str, given: Mapping[str, Any]) -> Override:
    """Check one product's overrides and put them under the columns they replace.

    Raises `ConfigError` naming id and key.
    """
    if not isinstance(given, Mapping):
        hint = f"For example {{{id!r}: {{'tick': '0.5'}}}}."
        raise ConfigError("expected facts by name", source="overrides", where=id, value=given, hint=hint)
    known = VENUES[venue].overrides
    values: dict[str, dict[str, Decimal]] = {}
    said: dict[str, tuple[str, ...]] = {}
    tiers: tuple[Tier, ...] = ()
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                "unknown override",
                source="overrides",
                where=f"{id}.{name}",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.",
            )
        group, columns = known[name]
        if name == "brackets":
            tiers = _tiers(id, value, asset)
            said[group] = (*said.get(group, ()), f"brackets of {len(tiers)} tiers")
            continue
        kinds = VENUES[venue].layouts[VENUES[venue].groups.get(group, group)].columns | VENUES[venue].said
        number = _number(value, kinds[columns[0]], f"{id}.{name}", _decimals(columns[0], asset))
        values.setdefault(group, {}).update({column: Decimal(0) for column in columns} | {columns[0]: number})
        said[group] = (*said.get(group, ()), f"{name} {number.normalize():f}")
    margins = values.get("margins", {})
    if "margin_deadline_minutes" in margins and margins.get("intraday_ratio", 1) >= 1:
        raise ConfigError(
            "has no effect without an intraday_ratio below 1",
            source="overrides",
            where=f"{id}.margin_deadline_minutes",
            hint="Give the broker's intraday_ratio beside it, or leave it out.",
        )
    return Override(values, tiers, said)


def _decimals(column: str, asset: str) -> int | None:
    """How many decimals a column counts; None where any number of them will do."""
    if column in _ROUNDED_UP:
        return None
    return asset_decimals(asset) if column in _MONEY else 8


def _number(value: Any, kind: Kind, where: str, decimals: int | None) -> Decimal:
    try:
        number = to_decimal(value)
    except InvalidInput as error:
        raise ConfigError(error.problem, source="overrides", where=where, value=value) from None
    whole = number == number.to_integral_value()
    if (
        (kind is Kind.AMOUNT and number < 0)
        or (kind in (Kind.POSITIVE, Kind.WHOLE, Kind.SHARE) and number <= 0)
        or (kind is Kind.SHARE and number > 1)
        or (kind is Kind.WHOLE and not whole)
    ):
        raise ConfigError(f"expected {kind.value}", source="overrides", where=where, value=value)
    try:
        if decimals is not None:
            to_scaled(number, decimals)
    except InvalidInput as error:
        hint = f"Round it to at most {decimals} decimals."
        raise ConfigError(error.problem, source="overrides", where=where, value=value, hint=hint) from None
    return number


def _tiers(id: str, given: Any, asset: str) -> tuple[Tier, ...]:
    where = f"{id}.brackets"
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError("expected a list of tiers", source="overrides", where=where, value=given)
    if all(isinstance(tier, Tier) for tier in given):
        return tuple(given)
    rows: list[dict[str, Decimal]] = []
    for number, tier in enumerate(given, 1):
        if not isinstance(tier, Mapping):
            raise ConfigError("expected a mapping", source="overrides", where=f"{where}[{number}]", value=tier)
        for name in tier:
            if name not in _TIER_NAMES:
                raise ConfigError(
                    f"unknown key {name!r}",
                    source="overrides",
                    where=f"{where}[{number}]",
                    hint=f"Known: {', '.join(_TIER_NAMES)}.",
                )
        row = {"tier": Decimal(number)}
        for name, column in _TIER_NAMES.items():
            if name == "cap" and tier.get(name, 0) is None:
                row[column] = _NO_CAP
            elif name in tier:
                place = f"{where}[{number}].{name}"
                row[column] = _number(tier[name], Kind.AMOUNT, place, _decimals(column, asset))
            elif name == "cum":
                row[column] = cum_of(row, rows[-1] if rows else None)
            else:
                raise ConfigError(f"{name!r} is missing", source="overrides", where=f"{where}[{number}]")
        rows.append(row)
    try:
        check_tiers(rows, source="overrides", where=where)
    except InvalidInput as error:
        raise ConfigError(error.problem, source="overrides", where=error.where, value=error.value) from None
    try:
        return tiers_of(rows, asset)
    except InvalidInput as error:
        problem = f"cum, by the recurrence, {error.problem}"
        hint = f"Round caps and rates to what makes it at most {asset_decimals(asset)} decimals."
        raise ConfigError(problem, source="overrides", where=where, value=error.value, hint=hint) from None
