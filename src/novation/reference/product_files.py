"""Products of a user's own, one YAML file: what CME's tables have no row of, or other rows for what they have.

    FDAX:
      name: DAX future
      exchange: EUREX
      currency: EUR
      multiplier: 25          # money per 1.00 of price
      tick: 1
      months: HMUZ
      last_day: third_friday  # a rule of reference.expiries
      last_time: "13:00"
      settlement: cash
      zone: Europe/Berlin
      hours: {open: "01:10", close: "22:00", regular_open: "09:00", regular_close: "17:30"}
      settles: {start: "17:29", end: "17:30"}  # method: vwap (default), index, treasury, metal
      closed: [2026-04-03, 2026-12-25]
      early_closes: {"2026-12-30": "14:00"}  # dates in quotes
      margin: {initial: 40000, maintenance: 36000}
      fee: 1.50
      price_limits: {method: percent, first_fraction: 0.07, step_fraction: 0.035, expansions: 2, outside: rest}
      circuit_breakers:
        {fraction: 0.1, window_minutes: 60, halt_seconds: 120, late_minutes: 5, late_halt_seconds: 5}
      velocity: {ticks: 40, milliseconds: 1000, halt_seconds: 5}
      banding: {points: 100}
      effective_from: 2024-01-01
      known_through: 2026-12-31
      source: Eurex, product specification of 2026

Such a file is one more folder of tables, asked before the shipped ones (`Reference(tables=[FILE])`, `--products FILE`,
`products:` in a configuration). It is validated whole when it is read. Of a product that is shipped it may give
`margin`, `fee` and the last four alone, whose cells are those of the tables of that name (`reference.market_limits`,
`limit_rows`; `expansions: 0` needs no step); they are unverified where `source` begins with `assumed:`. Whatever it
gives holds from `effective_from` through `known_through`; every weekday that `closed` does not list is a business day.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from novation.domain.errors import ConfigError, DataError, InvalidInput
from novation.domain.units import ASSET_DECIMALS, DAY_NS, to_decimal, to_ns
from novation.reference.expiries import LAST_DAYS
from novation.reference.limit_rows import circuit_breakers_problem, price_limits_problem
from novation.reference.rulebook import ASSUMED, Folder, Rule
from novation.reference.settlement_rows import Method
from novation.reference.symbols import MONTHS
from novation.reference.yaml_text import parse_yaml

_ROOT = "A-Z, 0-9"
_COUNT = re.compile("[0-9]{1,3}")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("expected a number")
    try:
        number = to_decimal(value)
    except InvalidInput as error:
        raise ValueError(error.problem) from None
    if number < 0:
        raise ValueError("expected a number of zero or more")
    return number


def _above_zero(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("expected a number above zero")
    return value


def _time(value: Any) -> str:
    try:
        text = str(value)
        dt.time.fromisoformat(text)
    except ValueError:
        text = ""
    if len(text) not in (5, 8):
        raise ValueError('expected a time of day, "HH:MM"')
    return text


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("is no IANA time zone, e.g. Europe/Berlin") from None
    return value


def _months(value: str) -> str:
    if not value or any(letter not in MONTHS for letter in value):
        raise ValueError(f"expected letters of {MONTHS}")
    return value


def _last_day(value: str) -> str:
    if value not in LAST_DAYS:
        raise ValueError(f"is no rule of the last day; known: {', '.join(LAST_DAYS)}")
    return value


def _notice(value: str) -> str:
    kind, _, digits = value.partition(":")
    if value not in ("none", "month_before") and not (kind == "after" and _COUNT.fullmatch(digits)):
        raise ValueError("expected none, month_before or after:N")
    return value


def _lead(value: str) -> str:
    kind, _, digits = value.partition(":")
    if value not in ("index", "fx") and not (kind in ("expiry", "notice") and _COUNT.fullmatch(digits)):
        raise ValueError("expected index, fx, expiry:N or notice:N")
    return value


def _cell(value: Any) -> str:
    """A cell of a table, as its file would have it."""
    return value if isinstance(value, str) else f"{_decimal(value):f}"


Amount = Annotated[Decimal, BeforeValidator(_decimal)]
Positive = Annotated[Amount, AfterValidator(_above_zero)]
Time = Annotated[str, BeforeValidator(_time)]
Cell = Annotated[str, BeforeValidator(_cell)]
Whole = Annotated[int, Field(ge=1, strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hours(_Model):
    """Regular hours in the product's zone; an opening later in the day than the close is of the evening before.

    pre_open: from when on orders are taken ahead of the opening, after the close before; a time after the close is of
    the evening before. pre_open_sunday: the same on Sundays; without it, Sunday evenings have none.
    """

    open: Time
    close: Time
    pause_start: Time | Literal[""] = ""
    pause_end: Time | Literal[""] = ""
    regular_open: Time
    regular_close: Time
    pre_open: Time | Literal[""] = ""
    pre_open_sunday: Time | Literal[""] = ""

    @field_validator("pre_open", "pre_open_sunday")
    @classmethod
    def _ahead(cls, text: str, info: ValidationInfo) -> str:
        """Refuse a pre-open that no opening follows, or that lies inside a session."""
        if not text or "open" not in info.data or "close" not in info.data:
            return text
        opens, closes = info.data["open"], info.data["close"]
        between = closes < text < opens if closes < opens else text < opens or closes < text
        if info.field_name == "pre_open" and not between:
            raise ValueError(f"lies inside the session from {opens} to {closes}: expected a time before the opening")
        if info.field_name == "pre_open_sunday" and closes < opens <= text:
            raise ValueError(f"lies inside the session from {opens} on: expected a time before the opening")
        if info.field_name == "pre_open_sunday" and opens < closes and not info.data.get("pre_open", "") > closes:
            raise ValueError("has no effect without a pre_open on the evening before: no session opens on a Sunday")
        return text

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.regular_open >= self.regular_close:
            raise ValueError("regular_open lies at or after regular_close")
        if self.open == self.close:
            raise ValueError("open and close are the same time")
        if self.open < self.close and not self.open <= self.regular_open < self.regular_close <= self.close:
            raise ValueError("regular hours lie outside open and close")
        if bool(self.pause_start) != bool(self.pause_end):
            raise ValueError("a pause needs pause_start and pause_end")
        return self


class Window(_Model):
    """The settlement window in the product's zone, and the tiers that settle (`reference.settlement_rows`)."""

    start: Time
    end: Time
    method: Method = "vwap"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError("start lies at or after end")
        return self


class OwnMargin(_Model):
    """Margin of one contract."""

    initial: Positive
    maintenance: Positive


class Names(_Model):
    """What Interactive Brokers calls it; else the root."""

    symbol: str = ""
    exchange: str = ""
    trading_class: str = ""


class OwnPriceLimits(_Model):
    """Price limits: the cells that the method needs, and no others."""

    method: Literal["index", "percent", "amount", "none"]
    band_fraction: Cell = ""
    first_fraction: Cell = ""
    second_fraction: Cell = ""
    third_fraction: Cell = ""
    after_fraction: Cell = ""
    step_fraction: Cell = ""
    first_points: Cell = ""
    step_points: Cell = ""
    expansions: Cell = ""
    rounding: Cell = ""
    outside: Cell = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if problem := price_limits_problem(self.row()):
            raise ValueError(problem)
        return self

    def row(self) -> dict[str, Any]:
        """The cells of the table; limits go inward to a tick where nothing else is said."""
        rounds = self.method in ("index", "percent")
        return self.model_dump() | {"rounding": self.rounding or ("inward" if rounds else "")}


class OwnCircuitBreaker(_Model):
    """A dynamic circuit breaker."""

    fraction: Cell
    window_minutes: Cell
    halt_seconds: Cell
    late_minutes: Cell
    late_halt_seconds: Cell
    rounding: Cell = "inward"
    hours: Cell = "all"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if problem := circuit_breakers_problem(self.model_dump()):
            raise ValueError(problem)
        return self


class OwnVelocity(_Model):
    """Velocity logic."""

    ticks: Whole
    milliseconds: Whole
    halt_seconds: Whole


class OwnBanding(_Model):
    """A price band."""

    points: Positive


class OwnProduct(_Model):
    """One product of a file."""

    effective_from: dt.date
    known_through: dt.date
    source: str
    exchange: str | None = None
    currency: str | None = None
    multiplier: Positive | None = None
    tick: Positive | None = None
    name: str | None = None
    months: Annotated[str, AfterValidator(_months)] | None = None
    listed: Annotated[int, Field(ge=1, le=200)] = 4
    last_day: Annotated[str, AfterValidator(_last_day)] | None = None
    last_time: Time | None = None
    notice: Annotated[str, AfterValidator(_notice)] = "none"
    settlement: Literal["cash", "physical"] | None = None
    lead: Annotated[str, AfterValidator(_lead)] = "expiry:1"
    zone: Annotated[str, AfterValidator(_zone)] | None = None
    hours: Hours | None = None
    settles: Window | None = None
    closed: tuple[dt.date, ...] = ()
    early_closes: dict[dt.date, Time] = {}
    ib: Names = Names()
    margin: OwnMargin | None = None
    fee: Amount | None = None
    price_limits: OwnPriceLimits | None = None
    circuit_breakers: OwnCircuitBreaker | None = None
    velocity: OwnVelocity | None = None
    banding: OwnBanding | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.known_through < self.effective_from:
            raise ValueError("known_through lies before effective_from")
        for names in (("exchange", "currency", "multiplier", "tick"), _CALENDAR):
            given = [name for name in names if getattr(self, name) is not None]
            missing = [name for name in names if name not in given]
            if given and missing:
                raise ValueError(
                    f"{', '.join(missing)} missing beside {given[0]}: give all of {', '.join(names)}, or none"
                )
        if self.currency is not None and self.currency not in ASSET_DECIMALS:
            raise ValueError(f"currency {self.currency} is not known; known: {', '.join(sorted(ASSET_DECIMALS))}")
        if self.margin and self.margin.initial < self.margin.maintenance:
            raise ValueError("margin: initial lies below maintenance")
        twice = sorted(set(self.closed) & set(self.early_closes))
        if twice:
            raise ValueError(f"{twice[0]} is in closed and in early_closes")
        if not self.source:
            raise ValueError("source is empty: say where the values come from")
        if self.lead.startswith("notice") and self.notice == "none":
            raise ValueError("lead by notice needs notices")
        return self


_CALENDAR = ("name", "months", "last_day", "last_time", "settlement", "zone", "hours", "settles")


def load_products(path: Path) -> Folder:
    """A product file as a folder of tables. Raises `ConfigError` or `DataError` naming file, product and key."""
    try:
        stamp = path.stat()
    except OSError:
        raise ConfigError("no such file", source=str(path)) from None
    return _load(path, (stamp.st_mtime_ns, stamp.st_size))


@functools.lru_cache(maxsize=16)
def _load(path: Path, stamp: tuple[int, int]) -> Folder:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", source=str(path)) from None
    given = parse_yaml(text, str(path))
    if not isinstance(given, Mapping) or not given:
        raise DataError(
            "holds no product", source=str(path), hint="See `novation.reference.product_files` for the layout."
        )
    rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
    known: dict[tuple[str, str], int] = {}
    for root, values in given.items():
        if not root.isascii() or not root.isalnum() or root != root.upper():
            raise DataError("is no product symbol", source=str(path), where=root, hint=f"Letters: {_ROOT}.")
        try:
            product = OwnProduct.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([root, *map(str, first["loc"])])
            problem = str(first["msg"]).removeprefix("Value error, ")
            shown = first["input"] if first["loc"] and not isinstance(first["input"], Mapping) else None
            raise DataError(problem, source=str(path), where=where, value=shown) from None
        for table, key, row, at in _rows(root, product):
            place = f"cme/{table}", key
            rules[place] = (Rule(*place, at, (row,), product.source, f"{path}"),)
            known[place] = to_ns(product.known_through) + DAY_NS
    return Folder(rules, known)


def _rows(root: str, product: OwnProduct) -> list[tuple[str, str, dict[str, Any], int]]:
    """Rows of tables: (table, key, columns, from when)."""
    since = to_ns(product.effective_from)
    rows: list[tuple[str, str, dict[str, Any], int]] = []
    if product.multiplier is not None:
        contract = {
            "exchange": product.exchange,
            "multiplier_usd": product.multiplier,
            "tick_points": product.tick,
            "currency": product.currency,
        }
        rows.append(("contracts", root, contract, since))
    if product.margin is not None:
        margin = {"initial_usd": product.margin.initial, "maintenance_usd": product.margin.maintenance}
        rows.append(("margins", root, margin, since))
    if product.fee is not None:
        fee = {"commission_usd": product.fee, "exchange_usd": Decimal(0), "regulatory_usd": Decimal(0)}
        rows.append(("fees", root, fee, since))
    rows += [(table, root, row, since) for table, row in _limits(product)]
    if product.hours is None or product.settles is None:
        return rows
    rows.append(
        (
            "products",
            root,
            {
                "name": product.name,
                "group": root,
                "cycle": product.months,
                "count": Decimal(product.listed),
                "serials": Decimal(0),
                "further": "",
                "active": product.months,
                "last_day": product.last_day,
                "last_time": product.last_time,
                "zone": product.zone,
                "calendar": " ".join(map(str, product.closed)) or "1970-01-01",
                "notice": product.notice,
                "settlement": product.settlement,
                "lead": product.lead,
                "display": "decimal",
                "ib_symbol": product.ib.symbol or root,
                "ib_exchange": product.ib.exchange or product.exchange or "",
                "ib_class": product.ib.trading_class or root,
            },
            since,
        )
    )
    hours = product.hours
    regular = {"rth_open": hours.regular_open, "rth_close": hours.regular_close}
    before = {"pre_open": hours.pre_open, "pre_open_sunday": hours.pre_open_sunday}
    pauses = {"pause_start": hours.pause_start, "pause_end": hours.pause_end}
    rows.append(("sessions", root, {"open": hours.open, "close": hours.close} | pauses | regular | before, since))
    rows.append(("settlements", root, product.settles.model_dump() | {"early_end": ""}, since))
    for day in product.closed:
        rows.append(("holidays", f"{root} {day}", {"open": "", "close": "closed"}, to_ns(day)))
    for day, close in product.early_closes.items():
        rows.append(("holidays", f"{root} {day}", {"open": "", "close": close}, to_ns(day)))
    return rows


def _limits(product: OwnProduct) -> list[tuple[str, dict[str, Any]]]:
    """Rows of the tables of limits: (table, columns)."""
    rows: list[tuple[str, dict[str, Any]]] = []
    if product.price_limits is not None:
        rows.append(("price_limits", product.price_limits.row()))
    if product.circuit_breakers is not None:
        rows.append(("circuit_breakers", product.circuit_breakers.model_dump()))
    if product.velocity is not None:
        rows.append(("velocity", {name: Decimal(n) for name, n in product.velocity.model_dump().items()}))
    if product.banding is not None:
        rows.append(("banding", product.banding.model_dump()))
    verified = "no" if product.source.startswith(ASSUMED) else "yes"
    return [(table, row | {"verified": verified}) for table, row in rows]
