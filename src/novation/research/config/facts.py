"""Where a configuration speaks of the exchange: facts it replaces, facts it repeats, and what it asks in vain.

The plan's template states ticks, brackets, fees, calendars. What `Backtest` can replace becomes an override. What only
repeats how the exchange is must agree with it, and is refused where it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.units import to_decimal, to_ns, to_scaled
from novation.reference.lookup import Reference
from novation.research.assembly import RULES
from novation.research.config.data import files_of, way_of
from novation.research.config.keys import Contract, Keys, Margin

_VENUES = {
    "binance": "binance_um",
    "binance_um": "binance_um",
    "binance_spot": "binance_spot",
    "interactive_brokers": "cme",
    "cme": "cme",
}
#: contract.<key> -> name of the override, by whether the product is of Binance.
_CONTRACT = {
    True: {"tick_size": "tick", "min_qty": "min_qty", "max_qty": "max_qty"},
    False: {"tick_size": "tick", "multiplier": "multiplier"},
}
_CRYPTO_FEES = {"maker_bps": "maker_fee", "taker_bps": "taker_fee"}
_CME_FEES = (
    "commission_per_contract",
    "exchange_fee_per_contract",
    "nfa_fee_per_contract",
    "clearing_fee_per_contract",
)
_TYPES = {"crypto_perp": True, "index": False, "commodity": False, "currency": False}
_EXCHANGES = {
    "binance": ("binance_um", "binance_spot"),
    "binance_um": ("binance_um",),
    "binance_spot": ("binance_spot",),
    "cme": ("cme",),
    "cbot": ("cme",),
    "comex": ("cme",),
}


@dataclass(frozen=True)
class Traded:
    """One instrument of a configuration.

    product: what overrides and tables speak of, `cme:ES` for each of its months. of_contract: whether the `contract`
    section names it.
    """

    name: str
    id: str
    product: str
    venue: str
    perpetual: bool
    rolled: bool
    of_contract: bool
    quote: str  #: the currency it settles in

    @property
    def spot(self) -> bool:
        """Whether it is bought in full, for cash."""
        return self.venue == "binance_spot"

    @property
    def crypto(self) -> bool:
        """Whether fees are rates of makers and takers, and sizes those of coins."""
        return self.perpetual or self.spot

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return "spot" if self.spot else "a perpetual" if self.perpetual else "dated"

    @classmethod
    def of(cls, name: str, reference: Reference, start: Any, vendor: str | None, contract: str | None = None) -> Traded:
        """The instrument a name stands for; vendor: the venue of names without one; contract: an id."""
        if vendor is not None and ":" not in name:
            name = f"{vendor}:{name}"
        on_ns = None if start is None else to_ns(start)
        id = reference.resolve(name, on_ns)
        rolled = reference.is_rolled(id)
        instrument = None if rolled else reference.instrument(id, on_ns)
        venue = id.partition(":")[0]
        product = id if instrument is None else f"{venue}:{instrument.root}"
        quote = reference.currency(id, on_ns)
        return cls(name, id, product, venue, venue == "binance_um", rolled, id == contract, quote)


def venue_of(vendor: str | None) -> str | None:
    """The venue of a vendor; None where it has none here."""
    return _VENUES.get(vendor or "")


def _of_contract(keys: Keys, traded: Sequence[Traded], source: str) -> list[Traded]:
    """The instruments that the `contract` section speaks of."""
    symbol = keys.contract.symbol if keys.contract is not None else None
    if symbol is None and len({one.product for one in traded}) > 1:
        raise ConfigError("several instruments: say which", source=source, where="contract.symbol")
    return [one for one in traded if symbol is None or one.of_contract]


# ---------------------------------------------------------------- overrides


def derived_overrides(keys: Keys, traded: Sequence[Traded], source: str) -> dict[str, dict[str, Any]]:
    """The overrides that keys of the plan's template come to, by product."""
    found: dict[str, dict[str, Any]] = {}
    contract, margin, fees = keys.contract, keys.margin, keys.fees
    if contract is not None and any(contract.given(key) for key in ("tick_size", "multiplier", "min_qty", "max_qty")):
        for one in _of_contract(keys, traded, source):
            for key, name in _CONTRACT[one.crypto].items():
                if contract.given(key):
                    found.setdefault(one.product, {})[name] = getattr(contract, key)
    tiers = _tiers(margin, source) if margin is not None else None
    for one in traded:
        if one.perpetual and tiers:
            found.setdefault(one.product, {})["brackets"] = tiers
        if one.crypto and fees is not None and fees.crypto is not None:
            for key, name in _CRYPTO_FEES.items():
                if fees.crypto.given(key):
                    found.setdefault(one.product, {})[name] = _rate(
                        getattr(fees.crypto, key), f"fees.crypto.{key}", source
                    )
        if not one.crypto and fees is not None and fees.cme is not None:
            given = [key for key in _CME_FEES if fees.cme.given(key)]
            lacking = [key for key in _CME_FEES if key not in given]
            if given and lacking:
                raise ConfigError(
                    f"{', '.join(lacking)} missing: the sum replaces the whole fee",
                    source=source,
                    where="fees.cme",
                    hint="Write 0 for what is not charged.",
                )
            if given:
                fee = sum(to_decimal(getattr(fees.cme, key)) for key in given)
                found.setdefault(one.product, {})["fee_per_contract"] = str(fee)
    return found


def _rate(bps: Any, where: str, source: str) -> str:
    """Basis points as a fraction."""
    try:
        to_scaled(bps, 4)
    except InvalidInput as error:
        hint = "Round it to at most 4 decimals."
        raise ConfigError(error.problem, source=source, where=where, value=bps, hint=hint) from None
    return f"{to_decimal(bps).scaleb(-4).normalize():f}"


def _tiers(margin: Margin, source: str) -> list[dict[str, Any]]:
    """Brackets as `Reference` takes them; each begins where the one before ends, `cum` follows from that."""
    rate = margin.maintenance_margin_rate
    if not margin.brackets:
        if rate is None:
            return []
        return [{"floor": 0, "cap": None, "rate": rate, "max_leverage": margin.max_leverage or 125}]
    first = margin.brackets[0].maint_margin_rate
    if rate is not None and rate != first:
        raise ConfigError(
            f"is not the rate of the first bracket, {first}",
            source=source,
            where="margin.maintenance_margin_rate",
            value=rate,
        )
    rows, floor = [], 0
    for number, tier in enumerate(margin.brackets, 1):
        if tier.notional_cap is None and number < len(margin.brackets):
            raise ConfigError(
                "only the last bracket has no cap", source=source, where=f"margin.brackets[{number}].notional_cap"
            )
        rows.append(
            {
                "floor": floor,
                "cap": tier.notional_cap,
                "rate": tier.maint_margin_rate,
                "max_leverage": tier.max_leverage,
            }
        )
        floor = tier.notional_cap
    return rows


# ---------------------------------------------------------------- facts repeated


def contradictions(keys: Keys, traded: Sequence[Traded], source: str) -> None:
    """Refuse what contradicts the instruments or itself."""

    def refuse(where: str, value: Any, problem: str) -> None:
        raise ConfigError(problem, source=source, where=where, value=value)

    if keys.futures_type in _TYPES:
        for one in traded:
            if not one.spot and one.perpetual is not _TYPES[keys.futures_type]:
                refuse("futures_type", keys.futures_type, f"{one.id} is {one.kind}")
    if keys.contract is not None:
        _check_contract(keys.contract, _of_contract(keys, traded, source), refuse)
    session = keys.session
    if session is not None and session.calendar == "crypto_24x7":
        for one in traded:
            if not one.crypto:
                refuse("session.calendar", session.calendar, f"{one.id} is not traded around the clock")
    funding = keys.funding
    if funding is not None and _look_up_at(keys) is None:
        for key in ("interval_hours", "times_utc"):
            if funding.given(key) and any(one.perpetual for one in traded):
                refuse(f"funding.{key}", getattr(funding, key), "needs period.from or rules_as_of to be compared at")
    structure = keys.fees.structure if keys.fees is not None else None
    if structure is not None and all(one.crypto is not (structure == "maker_taker") for one in traded):
        refuse("fees.structure", structure, f"the fees of {traded[0].id} are of another structure")
    if keys.margin is not None and keys.margin.max_leverage is not None:
        leverage = keys.margin.leverage or keys.margin.initial_leverage
        for one in traded:
            used = leverage or RULES[one.venue].default_leverage
            if one.perpetual and used > keys.margin.max_leverage:
                refuse("margin.max_leverage", keys.margin.max_leverage, f"leverage {used} of {one.id} is above it")


def _check_contract(contract: Contract, about: Sequence[Traded], refuse: Any) -> None:
    for one in about:
        if contract.exchange is not None and one.venue not in _EXCHANGES.get(contract.exchange.lower(), ()):
            refuse("contract.exchange", contract.exchange, f"{one.id} is traded at {one.venue}")
        if contract.quote_currency is not None and contract.quote_currency != one.quote:
            refuse("contract.quote_currency", contract.quote_currency, f"{one.id} is quoted in {one.quote}")


# ---------------------------------------------------------------- asked in vain


def not_built_here(keys: Keys, traded: Sequence[Traded], reference: Reference, source: str) -> dict[str, str]:
    """Keys that ask, of these instruments, for what is not built yet, with the name of the capability."""
    return dict(_asked(keys, traded, reference, source))


def _asked(keys: Keys, traded: Sequence[Traded], reference: Reference, source: str) -> Iterator[tuple[str, str]]:
    perpetual, dated = any(one.perpetual for one in traded), any(not one.crypto for one in traded)
    if keys.vendor is not None and keys.vendor.primary is not None and venue_of(keys.vendor.primary) is None:
        yield "vendor.primary", f"data of {keys.vendor.primary}"
    contract, funding, settlement, data = keys.contract, keys.funding, keys.settlement, keys.data
    if contract is not None and (
        contract.given("multiplier") or contract.given("min_qty") or contract.given("max_qty")
    ):
        for one in _of_contract(keys, traded, source):
            if one.crypto and contract.multiplier not in (None, 1):
                yield "contract.multiplier", f"multipliers of {'spot' if one.spot else 'perpetuals'}"
            if not one.crypto and contract.min_qty not in (None, 1):
                yield "contract.min_qty", "order sizes of dated futures"
            if not one.crypto and contract.max_qty is not None:
                yield "contract.max_qty", "order sizes of dated futures"
    if funding is not None and funding.enabled is not False and perpetual:
        yield from _asked_funding(keys, traded, reference, source)
    if settlement is not None:
        if settlement.enabled is False and dated:
            yield "settlement.enabled", "dated futures without daily settlement"
        if settlement.enabled and not dated:
            what = "perpetuals" if perpetual else "spot"
            yield "settlement.enabled", f"daily settlement of {what}"
        roll = settlement.auto_roll
        if roll is not None and roll.enabled is False and any(one.rolled for one in traded):
            yield "settlement.auto_roll.enabled", "rolled symbols without rolls"
        folders = any(files.given("contracts") for files in files_of(data).values())
        asked = roll is not None and settlement.enabled is not False and roll.enabled is not False
        if asked and roll is not None and roll.days_before_expiry is not None and not folders:
            yield (
                "settlement.auto_roll.days_before_expiry",
                "a roll rule where a roll calendar is given; `data.<symbol>.contracts` takes one",
            )
    if data is not None and data.timeframe is not None and way_of(data, source) in ("store", "root", "synthetic"):
        for one in traded:
            if data.timeframe != ("1h" if one.crypto else "1d"):
                yield "data.timeframe", "bars of another length than the data's"


def _asked_funding(
    keys: Keys, traded: Sequence[Traded], reference: Reference, source: str
) -> Iterator[tuple[str, str]]:
    """Funding comes at the stamps of the history; hours that are stated must be those of the exchange."""
    funding = keys.funding
    if funding is None or (funding.interval_hours is None and funding.times_utc is None):
        return
    at = _look_up_at(keys)
    for one in traded:
        if not one.perpetual or at is None:
            continue
        hours = reference.funding_interval_hours(one.id, to_ns(at))
        if funding.interval_hours not in (None, hours):
            yield "funding.interval_hours", f"funding hours of one's own, {one.id} has {hours}"
        times = [f"{hour:02d}:00" for hour in range(0, 24, hours)]
        if funding.times_utc is not None and funding.times_utc != times:
            yield "funding.times_utc", f"funding hours of one's own, {one.id} has {', '.join(times)}"


def _look_up_at(keys: Keys) -> Any:
    """The instant of a look-up: rules_as_of, else the start of the period; None where neither is said."""
    pinned = None if isinstance(keys.rules_as_of, dict) else keys.rules_as_of
    return pinned or (keys.period.from_ if keys.period is not None else None)


def unused(keys: Keys, traded: Sequence[Traded]) -> list[str]:
    """Keys about a kind of instrument that is not traded."""
    perpetual, dated = any(one.perpetual for one in traded), any(not one.crypto for one in traded)
    absent: list[tuple[Any, Sequence[str], str]] = []
    if not perpetual:
        margin = (
            "scope",
            "mode",
            "leverage",
            "initial_leverage",
            "max_leverage",
            "maintenance_margin_rate",
            "brackets",
        )
        absent += [
            (keys.margin, margin, "margin"),
            (keys.funding, ("enabled", "interval_hours", "times_utc"), "funding"),
        ]
    if not any(one.crypto for one in traded):
        absent.append((keys.fees and keys.fees.crypto, tuple(_CRYPTO_FEES), "fees.crypto"))
    if not dated:
        absent.append((keys.fees and keys.fees.cme, _CME_FEES, "fees.cme"))
        absent.append((keys.settlement and keys.settlement.auto_roll, ("enabled",), "settlement.auto_roll"))
    return [
        f"{section}.{name}"
        for keys_of, names, section in absent
        if keys_of is not None
        for name in names
        if keys_of.given(name)
    ]
