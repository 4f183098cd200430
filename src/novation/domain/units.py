"""Scales, and the only doors between them and human numbers.

| quantity                                   | integer                     | suffix    |
|--------------------------------------------|-----------------------------|-----------|
| order, trade, settlement price             | ticks of the instrument     | `_ticks`  |
| mark, index, liquidation, average price    | 1e-8 of the quote currency  | `_e8`     |
| rate (funding, fee, margin)                | 1e-8 of one                 | `_e8`     |
| size                                       | lots, signed for positions  | `_lots`   |
| money                                      | minor units of its asset    | (none)    |
| time                                       | nanoseconds UTC since 1970  | `_ns`     |

A float is read by its shortest decimal: 0.1 is one tenth, not 0.1000000000000000055.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from novation.domain.errors import InvalidInput

E8 = 100_000_000
NS = 1_000_000_000
HOUR_NS = 3_600 * NS
DAY_NS = 24 * HOUR_NS

#: Bounds of the integers (DESIGN §3), each tested at its edge.
BALANCE_BOUND = 1 << 60
NOTIONAL_BOUND = 1 << 62
#: Largest divisor `mul_div` accepts.
DIVISOR_BOUND = 1 << 50
#: A bracket cap that stands for "no cap".
NO_CAP = 1 << 62

#: Decimals of each settlement asset's minor unit: USDT counts 1e-8, USD 1e-6.
ASSET_DECIMALS: dict[str, int] = {"USDT": 8, "USDC": 8, "USD": 6, "EUR": 6}

Number = int | float | str | Decimal


def to_decimal(value: Number, *, source: str = "", where: str = "") -> Decimal:
    """Read a number by its shortest decimal; refuse NaN and infinity. source, where: whose number it is, for errors.

    >>> to_decimal(0.1)
    Decimal('0.1')
    """
    if isinstance(value, bool) or value is None:
        raise InvalidInput("expected a number", source=source, where=where, value=value)
    try:
        number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(str(value))
    except InvalidOperation:
        raise InvalidInput("expected a number", source=source, where=where, value=value) from None
    if not number.is_finite():
        raise InvalidInput("expected a finite number", source=source, where=where, value=value)
    return number


def to_scaled(value: Number, decimals: int, *, source: str = "", where: str = "") -> int:
    """A number as an integer of 10**-decimals; refuse what does not fit exactly.

    >>> to_scaled("0.0001", 8)
    10000
    """
    scaled = to_decimal(value, source=source, where=where).scaleb(decimals)
    whole = scaled.to_integral_value()
    if whole != scaled:
        raise InvalidInput(f"has more than {decimals} decimals", source=source, where=where, value=str(value))
    return int(whole)


def to_e8(value: Number) -> int:
    """A price or rate in 1e-8, exactly."""
    return to_scaled(value, 8)


def rounded_e8(value: float) -> int:
    """A float of recorded history in 1e-8: its shortest decimal, cut to eight places (half even).

    >>> rounded_e8(7559.444182)
    755944418200
    """
    return int(Decimal(repr(float(value))).scaleb(8).to_integral_value())


def from_scaled(value: int, decimals: int) -> Decimal:
    """The exact decimal of an integer of 10**-decimals."""
    return Decimal(int(value)).scaleb(-decimals)


def from_e8(value: int) -> Decimal:
    """The exact decimal of a price or rate in 1e-8."""
    return from_scaled(value, 8)


def asset_decimals(asset: str) -> int:
    """Decimals of an asset's minor unit."""
    try:
        return ASSET_DECIMALS[asset]
    except KeyError:
        known = ", ".join(sorted(ASSET_DECIMALS))
        raise InvalidInput("unknown settlement asset", value=asset, hint=f"Known: {known}.") from None


def money(value: Number, asset: str, *, source: str = "", where: str = "") -> int:
    """An amount in minor units of its asset, exactly.

    >>> money("12.5", "USD")
    12500000
    """
    return to_scaled(value, asset_decimals(asset), source=source, where=where)


def on_grid(value: Number, step_e8: int) -> int | None:
    """How many steps of 1e-8 a number is, or None when it lies between two."""
    scaled = to_decimal(value) * E8
    steps = scaled / step_e8
    whole = steps.to_integral_value()
    return int(whole) if whole * step_e8 == scaled else None


def floor_steps(value: Number, step_e8: int) -> int:
    """Steps at or below a number."""
    return int((to_decimal(value) * E8 / step_e8).to_integral_value(ROUND_FLOOR))


def ceil_steps(value: Number, step_e8: int) -> int:
    """Steps at or above a number."""
    return int((to_decimal(value) * E8 / step_e8).to_integral_value(ROUND_CEILING))


def plain(struct: Any) -> dict[str, Any]:
    """The fields of a msgspec struct by name, decimals as their text."""
    given = ((name, getattr(struct, name)) for name in struct.__struct_fields__)
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in given}


def to_ns(value: Any, *, source: str = "", where: str = "") -> int:
    """An instant in ns: an aware datetime, an ISO date or datetime, a date (UTC midnight), or epoch ns as int.

    A naive datetime is refused, unless it is a bare date, which means midnight UTC.

    >>> to_ns("2020-01-01")
    1577836800000000000
    """
    if isinstance(value, bool):
        raise InvalidInput("expected an instant", source=source, where=where, value=value)
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        text = value.strip()
        try:
            if len(text) == 7:
                text += "-01"
            parsed: Any = dt.date.fromisoformat(text) if len(text) == 10 else dt.datetime.fromisoformat(text)
        except ValueError:
            raise InvalidInput(
                "expected a date or an ISO 8601 instant", source=source, where=where, value=value
            ) from None
        return to_ns(parsed, source=source, where=where)
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise InvalidInput(
                "the instant has no zone",
                source=source,
                where=where,
                value=str(value),
                hint="Write it with an offset, e.g. 2020-01-01T00:00:00Z.",
            )
        delta = value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return (delta.days * 86_400 + delta.seconds) * NS + delta.microseconds * 1_000
    if isinstance(value, dt.date):
        return day_number(value) * DAY_NS
    raise InvalidInput("expected a date or an instant", source=source, where=where, value=value)


def utc_date(ns: int) -> dt.date:
    """The day of an instant, UTC.

    >>> utc_date(1577836800000000000)
    datetime.date(2020, 1, 1)
    """
    return dt.date(1970, 1, 1) + dt.timedelta(int(ns) // DAY_NS)


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01, as numpy counts them.

    >>> day_number(dt.date(2020, 1, 1))
    18262
    """
    return (day - dt.date(1970, 1, 1)).days


def iso(ns: int) -> str:
    """An instant as text, UTC, as short as it is exact.

    >>> iso(1577836800000000000)
    '2020-01-01 00:00'
    """
    seconds, rest = divmod(int(ns), NS)
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    text = moment.strftime("%Y-%m-%d %H:%M")
    if moment.second or rest:
        text += moment.strftime(":%S")
    return text + (f".{rest:09d}".rstrip("0") if rest else "")
