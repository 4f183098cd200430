"""Which terms of slippage a product has at an instant, and what the calendar knows of their drivers.

Sources: `tables/<venue>/slippage.csv`, a term of the product itself before one of its group before one of all (`*`);
`tables/cme/reports.csv`. Of CME the group is that of `products.csv`, of Binance `perpetual` or `quarterly`.

Not known to any calendar here: price limits of the day (`market_limits` needs its settlement), Treasury auctions,
reports moved by a holiday.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from novation.domain.errors import InvalidInput, NoRuleInForce
from novation.domain.slippage import TERMS, SlippageTerm
from novation.domain.units import NS, utc_date
from novation.reference.layouts import VENUES
from novation.reference.local_time import instant_ns
from novation.reference.rolls import held_month, leave_day
from novation.reference.rulebook import assumption
from novation.reference.sessions import Session, sessions

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

#: Group of the dated contracts of Binance.
QUARTERLY = "quarterly"
_MINUTE_NS = 60 * NS
_DAY = dt.timedelta(days=1)


class Product(NamedTuple):
    """Whose slippage is asked. symbol: as its terms are keyed; root: as the other tables of its venue call it."""

    venue: str
    symbol: str
    group: str
    root: str


class Contract(NamedTuple):
    """What a price of a product is worth: money of one unit of price, the tick, the lot, the currency."""

    multiplier: Decimal
    tick: Decimal
    lot: Decimal
    currency: str


def product_of(reference: Reference, id: str) -> Product:
    """The product of a public id ("binance_um:BTCUSDT", "cme:ES", "cme:ESZ2026").

    A quarterly of Binance is one of its own: what was measured on the perpetual says nothing of it.
    """
    venue, _, name = id.partition(":")
    root = name if reference.is_rolled(id) else reference.instrument(id).root
    if VENUES[venue].spot:
        raise InvalidInput("is spot, of which no table of slippage has rows", source=id)
    if venue != "cme":
        return Product(venue, name, "perpetual" if name == root else QUARTERLY, root)
    found = reference.latest_row("cme/products", root)
    return Product(venue, root, str(found[0]["group"]) if found else "", root)


def row_in_force(reference: Reference, table: str, key: str, at_ns: int | None) -> tuple[Mapping[str, Any], str]:
    """The row of a key at an instant, or its newest one, and where it is from. Raises `NoRuleInForce`.

    For questions about one order; a run asks for `terms`, which never picks a date by itself.
    """
    if at_ns is not None:
        rule = reference.required(table, key, at_ns)
        return rule.row, rule.source
    latest = reference.latest_row(table, key)
    if latest is None:
        raise NoRuleInForce(table, key, "any time", known=f"it has no row of {key}")
    return latest[0], latest[2]


def contract_row(reference: Reference, product: Product, at_ns: int | None) -> Contract:
    """The contract of a product at an instant, else the newest. Raises `NoRuleInForce`."""
    table = "quarterlies" if product.group == QUARTERLY else "contracts"
    row, _ = row_in_force(reference, f"{product.venue}/{table}", product.root, at_ns)
    if product.venue == "cme":
        return Contract(row["multiplier_usd"], row["tick_points"], Decimal(1), row["currency"])
    return Contract(Decimal(1), row["tick_usdt"], row["lot_base"], row["asset"])


def slippage_terms(reference: Reference, product: Product, at_ns: int | None = None) -> dict[str, SlippageTerm]:
    """The terms in force at an instant, by name; None: the newest of the first folder that has any. An assumed one is
    among them, and says so."""
    table, found = f"{product.venue}/slippage", {}
    for term in TERMS:
        if term == "funding_rate" and product.group == QUARTERLY:
            continue
        for owner in (product.symbol, product.group, "*"):
            key = f"{owner} {term}"
            rule = (
                reference.newest_rule(table, key) if at_ns is None else reference.rule(table, key, at_ns, in_part=True)
            )
            if rule:
                found[term] = _term(term, key, rule.row, rule.source)
                break
    return found


def _term(name: str, key: str, cells: Mapping[str, Any], source: str) -> SlippageTerm:
    def number(cell: str, otherwise: float = 0.0) -> float:
        return float(cells[cell]) if cells[cell] else otherwise

    coefficient = number("coefficient")
    return SlippageTerm(
        name=name,
        key=key,
        coefficient=coefficient,
        low=number("low", coefficient),
        high=number("high", coefficient),
        begins=number("begins"),
        full=number("full"),
        on=cells["on"],
        values=tuple(float(value) for value in cells["values"].split()),
        assumed=assumption(source),
        source=source,
    )


def calendar_drivers(reference: Reference, product: Product, at_ns: int, month: int = 0) -> dict[str, float]:
    """The drivers that the calendar of a CME product tells of an instant; those it does not know are left out.

    month: the contract (YYYYMM), 0: the lead month. A market that is closed is outside its regular hours.
    """
    if product.venue != "cme" or not reference.known("cme/products", product.root):
        return {}
    found: dict[str, float] = {}
    day = utc_date(at_ns)
    with suppress(NoRuleInForce):
        held = session_at(reference, product, at_ns)
        inside = held is not None and held.rth is not None and held.rth[0] <= at_ns < held.rth[1]
        found["outside_regular_hours"] = 0.0 if inside else 1.0
        if held is not None and held.settlement_ns is not None:
            left = held.settlement_ns - at_ns
            found["minutes_to_settlement"] = left / _MINUTE_NS if left >= 0 else math.inf
    with suppress(NoRuleInForce):
        row = reference.row("cme/products", product.root, at_ns)
        found["days_to_roll"] = float((leave_day(row, month or held_month(row, day)) - day).days)
    report = reference.rule("cme/reports", product.root, at_ns, in_part=True)
    if report is not None:
        found["minutes_to_report"] = _nearest_week_ns(report.row, at_ns) / _MINUTE_NS
    return found


def session_at(reference: Reference, product: Product, at_ns: int) -> Session | None:
    """The session of a CME product in which an instant lies; None: its market is closed. Raises `NoRuleInForce`."""
    day = utc_date(at_ns)
    near = sessions(reference, product.root, day, day + _DAY)
    paused = any(begin <= at_ns < end for session in near for begin, end in session.pauses)
    held = (session for session in near if session.open_ns <= at_ns < session.close_ns)
    return None if paused else next(held, None)


def _nearest_week_ns(cells: Mapping[str, Any], at_ns: int) -> int:
    """How far the nearest weekly instant is, before or after."""
    zone = ZoneInfo(cells["zone"])
    today = dt.datetime.fromtimestamp(at_ns // NS, tz=zone).date()
    ahead = (int(cells["weekday"]) - today.weekday()) % 7
    days = (today + dt.timedelta(days=ahead + week) for week in (-7, 0, 7))
    return min(abs(instant_ns(day, cells["time"], cells["zone"]) - at_ns) for day in days)
