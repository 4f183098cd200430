"""Rows of rules as the terms of an instrument: amounts in minor units, rates in 1e-8, sizes in lots, prices in ticks.

`reference.lookup` finds the rows; here they become `domain.Terms`, an override in the place of each value it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from novation.domain.enums import InstrumentKind, MarginMethod
from novation.domain.errors import ConfigError, DataError, InvalidInput
from novation.domain.instruments import IN_FULL, Instrument, Terms, Tier
from novation.domain.units import asset_decimals, floor_steps, from_e8, money, on_grid, to_e8
from novation.reference.brackets import tiers_of
from novation.reference.layouts import QUARTERLIES, VENUES
from novation.reference.overrides import Override
from novation.reference.rulebook import Rule
from novation.reference.symbols import Name

#: The group of rows that say what is taken off a fee that is paid in another asset, and that asset.
DISCOUNT, PAID_IN = "fee_discounts", "BNB"
#: The value of a column of a group: the override's, else the row's.
_Value = Callable[[str, str], Decimal]


def build_terms(
    name: Name,
    instrument: Instrument,
    rules: Mapping[str, Rule],
    override: Override,
    effective_ns: int,
    *,
    say: Callable[[str], None],
) -> Terms:
    """The terms that rows by group, and a user's override, make of an instrument. say: hears what is assumed.

    Raises `DataError` or `InvalidInput` for values that fit no grid, or initial margin below maintenance.
    """
    sources = {group: rule.citation for group, rule in rules.items()}
    for group, said in override.said.items():
        own = f"override, not the exchange's: {', '.join(said)}"
        sources[group] = f"{own}; else {sources[group]}" if group in sources else own

    def value(group: str, column: str) -> Decimal:
        own = override.values.get(group, {})
        found: Decimal = own[column] if column in own else rules[group].row[column]
        return found

    tick = (QUARTERLIES if name.delivery else VENUES[name.venue]).tick
    common: dict[str, Any] = {
        "effective_ns": effective_ns,
        "sources": sources,
        "tick_step": to_e8(value("contract", tick)) // instrument.tick_e8,
    }
    if instrument.kind is InstrumentKind.SPOT:
        return Terms(tiers=IN_FULL, **_sizes(instrument, value), **_rates(rules, value), **common)
    if instrument.method is MarginMethod.TIERED:
        return _tiered(name, instrument, rules, override, value, common, say)
    asset = instrument.asset
    fee = sum(value("fees", column) for column in VENUES[name.venue].layouts["fees"].columns)
    initial, maintenance = _margins(override.values.get("margins", {}), value)
    if initial < maintenance:
        raise InvalidInput(
            "initial margin lies below maintenance",
            source=f"{name.venue}:{name.key}",
            where=sources["margins"],
            value=f"{initial} and {maintenance}",
        )
    return Terms(
        band_ticks=_band(name, instrument, rules.get("banding"), override),
        fee_per_lot=money(fee, asset),
        initial_per_lot=_raised(initial, asset),
        maintenance_per_lot=_raised(maintenance, asset),
        **common,
    )


def _tiered(
    name: Name,
    instrument: Instrument,
    rules: Mapping[str, Rule],
    override: Override,
    value: _Value,
    common: dict[str, Any],
    say: Callable[[str], None],
) -> Terms:
    """Terms of an instrument with brackets."""
    asset = instrument.asset
    tiers: tuple[Tier, ...] = override.tiers or tiers_of(rules["brackets"].rows, asset)
    if name.delivery:
        common["delivery_seconds"] = int(value("contract", "delivery_seconds"))
        common["delivery_fee_e8"] = to_e8(value("contract", "delivery_fee_fraction"))
    if "marks" in rules:
        common |= _marking(name, asset, rules, tiers, value, say)
    return Terms(
        **_sizes(instrument, value),
        **_rates(rules, value),
        liquidation_fee_e8=to_e8(value("contract", "liquidation_fee_fraction")),
        tiers=tiers,
        limit_sell_above_last_e8=to_e8(value("order_cost", "limit_sell_above_last_fraction")),
        market_buy_above_ask_e8=to_e8(value("order_cost", "market_buy_above_ask_fraction")),
        **common,
    )


def _sizes(instrument: Instrument, value: _Value) -> dict[str, Any]:
    """What the size and the value of an order are held between."""
    return {
        "min_lots": _lots(instrument, value("contract", "min_qty_base"), "minimum quantity"),
        "max_lots": _lots(instrument, value("contract", "max_qty_base"), "maximum quantity"),
        "min_notional": money(value("contract", "min_notional_usdt"), instrument.asset),
    }


def _rates(rules: Mapping[str, Rule], value: _Value) -> dict[str, Any]:
    """Fees of makers and takers, one's own too, less what is taken off where they are paid in another asset."""
    off = rules[DISCOUNT].row["discount_fraction"] if DISCOUNT in rules else Decimal(0)
    return {f"{side}_fee_e8": to_e8(value("fees", f"{side}_fraction") * (1 - off)) for side in ("maker", "taker")}


def _marking(
    name: Name,
    asset: str,
    rules: Mapping[str, Rule],
    tiers: tuple[Tier, ...],
    value: _Value,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The fields of terms by which a venue marks and funds an instrument itself."""
    seconds = {"basis_seconds": int(value("marks", "basis_seconds"))}
    if name.delivery:
        return seconds
    if "funding" in rules:
        limits = [to_e8(value("funding", f"{end}_fraction")) for end in ("floor", "cap")]
    else:
        cap, why = default_cap(tiers[0])
        limits = [-cap, cap]
        say(f"funding floor and cap are assumed: {why} ({name.id})")
    return seconds | {
        "funding_interval_hours": int(value("contract", "funding_interval_hours")),
        "funding_floor_e8": limits[0],
        "funding_cap_e8": limits[1],
        "interest_e8": to_e8(value("marks", "interest_fraction")),
        "funding_clamp_e8": to_e8(value("marks", "clamp_fraction")),
        "impact_base": money(value("marks", "impact_usdt"), asset),
        "hourly_at_limit": int(value("marks", "hourly_at_limit") > 0),
        "quiet_needed": int(value("marks", "quiet_rates")),
        "quiet_e8": to_e8(value("marks", "quiet_fraction")),
        "quiet_hours": int(value("marks", "quiet_hours")),
    }


def check_fee_level(vip: int, bnb: bool) -> None:
    """Refuse what is no level of fees of Binance."""
    if isinstance(vip, bool) or not isinstance(vip, int) or not 0 <= vip <= 9:
        raise InvalidInput("expected a level from 0 to 9", source="vip", value=vip)
    if not isinstance(bnb, bool):
        raise InvalidInput("is True or False", source="bnb", value=bnb)


def _lots(instrument: Instrument, qty: Decimal, what: str) -> int:
    lots = on_grid(qty, instrument.lot_e8)
    if lots is None:
        raise DataError(f"{what} is no multiple of the lot", source=instrument.id, value=str(qty))
    return lots


def _margins(own: Mapping[str, Decimal], value: Callable[[str, str], Decimal]) -> tuple[Decimal, Decimal]:
    """Initial and maintenance of a contract: the rows', or what an account's ratio and a broker's add-on make of it."""
    maintenance = value("margins", "maintenance_usd")
    initial = maintenance * own["initial_ratio"] if "initial_ratio" in own else value("margins", "initial_usd")
    raised = 1 + own.get("house_add_on_fraction", Decimal(0))
    return initial * raised, maintenance * raised


def _band(name: Name, instrument: Instrument, rule: Rule | None, override: Override) -> int:
    """A price band in ticks of the grid: the override's, else the row's; 0 without one."""
    own = override.values.get("banding", {}).get("points")
    wrong: type[InvalidInput]
    if own is not None:
        points, wrong, source, where = own, ConfigError, "overrides", f"{name.venue}:{name.key}.price_band"
    elif rule is not None:
        of_products = rule.shown.endswith((".yaml", ".yml"))
        where = f"{name.key}.banding.points" if of_products else f"{name.key}, points"
        points, wrong, source = rule.row["points"], DataError, rule.shown
    else:
        return 0
    ticks = on_grid(points, instrument.tick_e8)
    if ticks is None:
        below = floor_steps(points, instrument.tick_e8)
        near = " or ".join(_plain(from_e8(n * instrument.tick_e8)) for n in (below, below + 1) if n)
        problem = f"the price band is no multiple of the tick {_plain(from_e8(instrument.tick_e8))}"
        raise wrong(problem, source=source, where=where, value=_plain(points), hint=f"Write {near}.")
    return ticks


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _raised(amount: Decimal, asset: str) -> int:
    """An amount in minor units, rounded up: in the broker's favour."""
    return int((amount.scaleb(asset_decimals(asset))).to_integral_value(ROUND_CEILING))


def default_cap(first: Tier) -> tuple[int, str]:
    """What the exchange holds a rate within where it states nothing for a symbol, in 1e-8, and whose word that is.

    Sources: facts/binance.md §2: 3 % for contracts of at most 25x (announcement for 2023-10-09), else the historic
    default, three quarters of the first bracket's maintenance rate, rounded down. Some have 2 % by announcements.

    >>> default_cap(Tier(0, 1, 400_000, 150, 0))[0]  # BTCUSDT: 0.3 %, which is still its cap
    300000
    """
    if first.max_leverage <= 25:
        return 3_000_000, "3 % as announced for contracts of at most 25x on 2023-10-09"
    return first.rate_e8 * 3 // 4, "three quarters of the first bracket's maintenance rate, the default of 2023"
