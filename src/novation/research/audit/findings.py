"""What an audit finds about one trade, and the checks that need no venue: steps, ticks, and prices inside their bar."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import msgspec

from novation.data.trade_files import Execution
from novation.domain.enums import RejectReason
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import E8, from_e8, iso
from novation.research.audit.market import Market

#: Kinds of findings.
REFUSED = "refused"
OUTSIDE_BAR = "outside_bar"
LIQUIDATED = "liquidated"
ONLY_IN_SOURCE = "liquidated_in_source_only"
POSSIBLE = "possible_liquidation"
MARGIN_CALL = "margin_call"
NO_DATA = "no_data"
KINDS = (REFUSED, OUTSIDE_BAR, LIQUIDATED, ONLY_IN_SOURCE, POSSIBLE, MARGIN_CALL, NO_DATA)

_BPS = Decimal("0.01")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the exchange would have seen otherwise. reason: a `RejectReason`, or empty.

    value, limit: what was asked and what the rule allows; bps: how far a price lies outside its bar, in 1e-4 of the
    bar's nearest price.
    """

    kind: str
    text: str
    at: str | None = None
    reason: str = ""
    value: Decimal | None = None
    limit: Decimal | None = None
    bps: Decimal | None = None


def spoken(reason: RejectReason) -> str:
    """A reason in small words.

    >>> spoken(RejectReason.MIN_NOTIONAL)
    'min notional'
    """
    return reason.name.lower().replace("_", " ")


def whole_lots(instrument: Instrument, qty: Decimal) -> int:
    """Lots in a quantity, what lies between two of them left out."""
    return int((qty * E8 / instrument.lot_e8).to_integral_value(ROUND_FLOOR))


def off_step(instrument: Instrument, order: Execution) -> Finding | None:
    """The finding about a size that is no multiple of the lot."""
    step = from_e8(instrument.lot_e8)
    if order.qty % step == 0:
        return None
    return Finding(
        kind=REFUSED,
        text=f"size {order.qty.normalize():f} is off the step {step.normalize():f}",
        at=iso(order.ts_ns),
        reason="QTY_OFF_STEP",
        value=order.qty,
        limit=step,
    )


def off_tick(instrument: Instrument, terms: tuple[Terms, ...], order: Execution) -> Finding | None:
    """The finding about a price that is no multiple of the tick in force; a mean price need not be one."""
    if order.averaged:
        return None
    in_force = next((row for row in reversed(terms) if row.effective_ns <= order.ts_ns), terms[0])
    tick = from_e8(instrument.tick_e8 * in_force.tick_step)
    if order.price % tick == 0:
        return None
    return Finding(
        kind=REFUSED,
        text=f"price {order.price.normalize():f} is off the tick {tick.normalize():f}",
        at=iso(order.ts_ns),
        reason=RejectReason.PRICE_OFF_TICK.name,
        value=order.price,
        limit=tick,
    )


def outside_bar(market: Market, order: Execution, what: str) -> Finding | None:
    """The finding about a price that nobody traded at in the bar of its instant."""
    found = market.range_at(order.ts_ns)
    if found is None:
        return None
    low, high = (from_e8(edge) for edge in found)
    if low <= order.price <= high:
        return None
    nearest, side = (high, "above the high") if order.price > high else (low, "below the low")
    bps = (abs(order.price - nearest) / abs(nearest) * 10_000).quantize(_BPS) if nearest else None
    by = "" if bps is None else f" by {bps:f} bp"
    return Finding(
        kind=OUTSIDE_BAR,
        text=f"{what} {order.price.normalize():f} lies {side} of its bar, {nearest.normalize():f},{by}",
        at=iso(order.ts_ns),
        value=order.price,
        limit=nearest,
        bps=bps,
    )
