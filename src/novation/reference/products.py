"""A product's contracts: which months are listed, which leads, when each ends, and what others call them.

Everything is a row of `cme/products.csv` read by a rule of `reference.expiries`. `contract` answers what a person asks
of one contract on one day; the engine asks for instruments and terms instead (`reference.lookup`).

Not modelled: listing days (a month appears when an earlier one has ended), strips, calendar spreads as instruments.
"""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from novation.domain.errors import InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.treasury_price import to_32nds
from novation.domain.units import to_decimal, to_ns, utc_date
from novation.reference.expiries import first_notice_day, first_position_day, last_trading_day, month_before
from novation.reference.holidays import business_days_before, business_days_of, nth_weekday
from novation.reference.lookup import Reference
from novation.reference.market_limits import CircuitBreaker, PriceLimits, circuit_breaker, price_limits
from novation.reference.position_limits import PositionLimits, position_limits
from novation.reference.symbols import MONTHS, Name

_T = TypeVar("_T")
_ONE = dt.timedelta(days=1)
#: First expiry whose lead month changes on the Monday of its week; before it was the Thursday eight days ahead of
# expiry.
_MONDAY_SINCE = 202206


def month_symbol(root: str, month: int) -> str:
    """'ESZ2026' of ES and 202612."""
    return f"{root}{MONTHS[month % 100 - 1]}{month // 100}"


def raw_symbol(root: str, month: int) -> str:
    """The exchange's own symbol, which Databento calls raw and Interactive Brokers local: 'ESZ6'."""
    return f"{root}{MONTHS[month % 100 - 1]}{month // 100 % 10}"


def product_row(reference: Reference, root: str, day: dt.date) -> Mapping[str, Any]:
    """The row of a product on a day. Raises `NoRuleInForce` naming the table."""
    return reference.required("cme/products", root, to_ns(day)).row


def expiry(row: Mapping[str, Any], month: int) -> dt.date:
    """Last trading day of a contract month."""
    return last_trading_day(row["last_day"], month, business_days_of(row["calendar"]))


def notice(row: Mapping[str, Any], month: int) -> dt.date | None:
    """First notice day of a contract month, None without notices."""
    return first_notice_day(row["last_day"], row["notice"], month, business_days_of(row["calendar"]))


def months_from(row: Mapping[str, Any], letters: str, day: dt.date) -> Iterator[int]:
    """Contract months of some letters that have not ended before a day, ascending and without end."""
    month = month_before(day.year * 100 + day.month, 2)
    while True:
        if MONTHS[month % 100 - 1] in letters and expiry(row, month) >= day:
            yield month
        month = month_before(month, -1)


def listed(row: Mapping[str, Any], day: dt.date) -> list[int]:
    """Contract months listed on a day, ascending: the cycle's next, the nearest serial months, and the further ones."""
    cycle = list(itertools.islice(months_from(row, row["cycle"], day), int(row["count"])))
    serial = itertools.islice(months_from(row, MONTHS, day), int(row["serials"]))
    further: list[int] = []
    if text := row["further"]:
        letters, count = text.rstrip("0123456789"), int(text.lstrip(MONTHS))
        after = (month for month in months_from(row, letters, day) if month > cycle[-1])
        further = list(itertools.islice(after, count))
    return sorted({*cycle, *serial, *further})


def lead_until(row: Mapping[str, Any], month: int) -> dt.date:
    """The trade date on which a month stops to lead: the next of the active months leads from then on.

    Sources: facts/cme.md §9. `index`: Monday of the expiry week since June 2022, before that the Thursday eight
    calendar days earlier; `fx`: the Friday before the last trading day; `notice:N` and `expiry:N`: so many business
    days before first notice, or before the last trading day.
    """
    rule = row["lead"]
    if rule == "index":
        friday = nth_weekday(month // 100, month % 100, calendar.FRIDAY, 3)
        return friday - (4 if month >= _MONDAY_SINCE else 8) * _ONE
    if rule == "fx":
        day = expiry(row, month) - _ONE
        return day - _ONE * ((day.weekday() - calendar.FRIDAY) % 7)
    kind, _, days = rule.partition(":")
    ends = notice(row, month) if kind == "notice" else expiry(row, month)
    assert ends is not None, f"{rule} of a product without notices"
    return business_days_before(ends, int(days), business_days_of(row["calendar"]))


def lead_month(row: Mapping[str, Any], day: dt.date) -> int:
    """The contract month that leads on a trade date."""
    return next(month for month in months_from(row, row["active"], day) if lead_until(row, month) > day)


@dataclass(frozen=True)
class Contract:
    """One contract as it stands on a day; `to_dict()` is the `--json` of `novation contract`."""

    id: str
    root: str
    name: str
    month: int
    exchange: str
    multiplier: Decimal  #: money per 1.00 of price and contract
    tick_size: Decimal
    tick_value: Decimal
    currency: str
    last_trading_day: dt.date
    last_trading_time: str
    zone: str  #: of that time, an IANA name
    first_notice_day: dt.date | None
    first_position_day: dt.date | None
    settlement: str  #: "cash" or "physical"
    lead_month: str
    listed: bool
    ib_symbol: str
    ib_exchange: str
    ib_trading_class: str
    position_limits: PositionLimits | None
    price_limits: PriceLimits | None
    circuit_breaker: CircuitBreaker | None
    display: str  #: how prices are shown, "decimal" or "32nds"
    on: dt.date
    cautions: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """'ESZ2026'."""
        return self.id.partition(":")[2]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: numbers as decimal text, days as ISO text."""
        notice, position = self.first_notice_day, self.first_position_day
        return {
            "symbol": self.symbol,
            "id": self.id,
            "root": self.root,
            "name": self.name,
            "exchange": self.exchange,
            "multiplier": _text(self.multiplier),
            "tick_size": _text(self.tick_size),
            "tick_value": _text(self.tick_value),
            "currency": self.currency,
            "last_trading_day": str(self.last_trading_day),
            "last_trading_time": f"{self.last_trading_time} {self.zone}",
            "first_notice_day": None if notice is None else str(notice),
            "first_position_day": None if position is None else str(position),
            "settlement": self.settlement,
            "lead_month": self.lead_month,
            "listed": self.listed,
            "raw_symbol": raw_symbol(self.root, self.month),
            "ib_symbol": self.ib_symbol,
            "ib_exchange": self.ib_exchange,
            "ib_trading_class": self.ib_trading_class,
            "position_limits": None if self.position_limits is None else self.position_limits.to_dict(),
            "price_limits": None if self.price_limits is None else str(self.price_limits),
            "circuit_breaker": None if self.circuit_breaker is None else str(self.circuit_breaker),
            "display": self.display,
            "on": str(self.on),
            "cautions": list(self.cautions),
        }

    def __str__(self) -> str:
        notice = "none" if self.first_notice_day is None else f"{self.first_notice_day:%a %Y-%m-%d}"
        lead = "leads" if self.lead_month == self.symbol else f"{self.lead_month} leads"
        shown = f" ({to_32nds(self.tick_size)})" if self.display == "32nds" else ""
        tick = f"{_text(self.tick_size)}{shown} = {_text(self.tick_value)} {self.currency}"
        rows = [
            ("exchange", f"{self.exchange}, {self.settlement} settlement"),
            ("multiplier", f"{_text(self.multiplier)} {self.currency} per 1.00"),
            ("tick", tick),
            ("last trading day", f"{self.last_trading_day:%a %Y-%m-%d} {self.last_trading_time} {self.zone}"),
            ("first notice day", notice),
            ("lead month", f"{lead} on {self.on}"),
            ("position limits", "none known" if self.position_limits is None else str(self.position_limits)),
            ("price limits", "none known" if self.price_limits is None else str(self.price_limits)),
            ("circuit breaker", "none known" if self.circuit_breaker is None else str(self.circuit_breaker)),
            ("at IB", f"{self.ib_symbol}, {self.ib_exchange}, trading class {self.ib_trading_class}"),
        ]
        lines = [f"{self.id}: {self.name}", *(f"  {what:<17} {value}" for what, value in rows)]
        return "\n".join(lines + [f"  ! {text}" for text in self.cautions])


def contract(symbol: str, *, on: Any, reference: Reference | None = None) -> Contract:
    """What there is to know of one contract on a day.

    on: date, ISO text or ns; a year of one digit is the first that is not past on it. A day after what the table of
    ticks knows is answered from its newest row, with a caution. Raises `UnknownInstrument` for a month the product does
    not list on the day, `NoRuleInForce` for a day before the tables.

    >>> print(contract("ESZ6", on="2026-07-01").last_trading_day)
    2026-12-18
    """
    known = reference or Reference.default()
    at_ns = to_ns(on, source="on")
    day = utc_date(at_ns)
    id = known.resolve(symbol, on_ns=at_ns)
    venue, _, code = id.partition(":")
    if venue != "cme":
        raise InvalidInput("is no dated future of CME", source=id, hint="Ask `novation margin` about perpetuals.")
    if known.is_rolled(id):
        root, month = code, 0
    else:
        root, month = code[:-5], known.instrument(id).contract_month
    row = product_row(known, root, day)
    months = listed(row, day)
    month = month or lead_month(row, day)
    if month < months[0] or (month > months[-1]) or (month not in months and expiry(row, month) >= day):
        nearest = min(months, key=lambda other: abs(other - month))
        what = f"ended on {expiry(row, month)}" if expiry(row, month) < day else f"is not listed on {day}"
        near = month_symbol(root, nearest)
        raise UnknownInstrument(
            symbol,
            reason=f"{what} (table cme/products); the nearest listed month is {near}. Pass --on for another day.",
        )
    terms, cautions = _ticks(known, root, at_ns)
    multiplier, tick = terms["multiplier_usd"], terms["tick_points"]
    rule = known.rule("cme/products", root, to_ns(day))
    assumed = rule.assumption if rule else ""
    return Contract(
        id=f"cme:{month_symbol(root, month)}",
        root=root,
        name=row["name"],
        month=month,
        exchange=terms["exchange"],
        multiplier=multiplier,
        tick_size=tick,
        tick_value=multiplier * tick,
        currency=terms["currency"],
        last_trading_day=expiry(row, month),
        last_trading_time=row["last_time"],
        zone=row["zone"],
        first_notice_day=notice(row, month),
        first_position_day=first_position_day(row["notice"], month, business_days_of(row["calendar"])),
        settlement=row["settlement"],
        lead_month=month_symbol(root, lead_month(row, day)),
        listed=month in months,
        ib_symbol=row["ib_symbol"],
        ib_exchange=row["ib_exchange"],
        ib_trading_class=row["ib_class"],
        position_limits=position_limits(known, root, at_ns),
        price_limits=_if_known(price_limits, known, root, at_ns),
        circuit_breaker=_if_known(circuit_breaker, known, root, at_ns),
        display=row["display"],
        on=day,
        cautions=(*((f"assumed: {assumed}",) if assumed else ()), *cautions, *_later(known, row, root, month)),
    )


def from_ib(
    symbol: str,
    exchange: str,
    month: int,
    *,
    trading_class: str = "",
    multiplier: Any = None,
    on: Any,
    reference: Reference | None = None,
) -> str:
    """The id of what Interactive Brokers calls a contract: symbol, exchange, YYYYMM, and one of class or multiplier.

    IB's SI means the 5,000-ounce contract (class SI) and the 1,000-ounce one (class SIL): without class or multiplier
    it is refused (facts/cme.md §2).

    >>> from_ib("EUR", "CME", 202612, on="2026-07-01")
    'cme:6EZ2026'
    >>> from_ib("SI", "COMEX", 202612, trading_class="SIL", on="2026-07-01")
    'cme:SILZ2026'
    """
    known = reference or Reference.default()
    at_ns = to_ns(on, source="on")
    if not 190001 <= month <= 220012 or not 1 <= month % 100 <= 12:
        raise InvalidInput("is no contract month YYYYMM", source="month", value=month, hint="Write e.g. 202612.")
    size = None if multiplier is None else to_decimal(multiplier, source="multiplier")
    found = []
    for root in known.symbols("cme"):
        rule = known.rule("cme/products", root, at_ns)
        if rule is None or (rule.row["ib_symbol"], rule.row["ib_exchange"]) != (symbol, exchange):
            continue
        if trading_class and rule.row["ib_class"] != trading_class:
            continue
        if size is not None and _ticks(known, root, at_ns)[0]["multiplier_usd"] != size:
            continue
        found.append(root)
    ids = tuple(Name("cme", root, month).id for root in found)
    if len(ids) == 1:
        return known.resolve(ids[0])
    if ids:
        raise UnknownInstrument(symbol, ids, reason=f"could be {', '.join(ids)}. Send tradingClass or multiplier.")
    raise UnknownInstrument(symbol, reason=f"at {exchange} is no contract of table cme/products.")


def _ticks(reference: Reference, root: str, at_ns: int) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The contract row in force, or the newest with a caution where the day lies after what is known."""
    rule = reference.rule("cme/contracts", root, at_ns)
    if rule is not None:
        return rule.row, (f"assumed: {rule.assumption}",) if rule.assumption else ()
    latest = reference.latest_row("cme/contracts", root)
    if latest is None or at_ns <= latest[1]:
        known = reference.known("cme/contracts", root) or f"it has no row of {root}"
        day = utc_date(at_ns)
        raise NoRuleInForce("cme/contracts", root, str(day), known=known)
    until = utc_date(latest[1])
    return latest[0], (f"tick and multiplier as of {until}, the last day of table cme/contracts",)


def _later(reference: Reference, row: Mapping[str, Any], root: str, month: int) -> tuple[str, ...]:
    """What cannot be vouched for of a contract's days."""
    found = []
    latest = reference.latest_row("cme/products", root)
    last = expiry(row, month)
    if latest is not None and to_ns(last) > latest[1]:
        until = utc_date(latest[1])
        found.append(f"the last day lies beyond {until}, to which rules and holidays are known")
    if row["notice"] == "month_before" and row["group"] == "metals":
        found.append("the first position day of metals is unverified")
    return tuple(found)


def _if_known(
    ask: Callable[[Reference, str, int], _T | None], reference: Reference, root: str, at_ns: int
) -> _T | None:
    """What a table says at an instant, None where it does not reach it."""
    try:
        return ask(reference, root, at_ns)
    except NoRuleInForce:
        return None


def _text(value: Decimal) -> str:
    return f"{value.normalize():f}"
