"""Takers that move the price on bars (docs/rules/impact.md, "On a venue"): floating point, then whole 1e-8."""

from __future__ import annotations

from math import ceil, exp
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def against(price: float) -> int:
    """Whole 1e-8, away from zero."""
    return ceil(price * 1e8) if price >= 0 else -ceil(-price * 1e8)


def fading(ex: Exchange, i: int, of: Any) -> int:
    """What is left of what fades, cut towards zero."""
    market, rate = ex.markets[i], of.model.decay_rate if of.model.decay == 1 else 0.0
    if not rate:
        return market.fading_e8
    return int(market.fading_e8 * exp(-rate * ((ex.clock_ns - market.fades_since_ns) / of.unit_ns)))


#: An impact in 1e-8 that no price bears.
BEYOND = 2**53


def moved(ex: Exchange, i: int, side: int, lots: int) -> int:
    """How far from the market's price a taker trades, 0 where nobody moves it."""
    of = ex.impacts.get(ex.instruments[i].id)
    if of is None:
        return 0
    model, own = of.model, 0.0
    own = model.half_spread + 0.5 * (model.permanent + model.transient) * lots
    if model.temporary:
        own += model.temporary * (lots / (of.takes_ns / of.unit_ns)) ** model.temporary_exponent
    if model.order:
        own += model.order * lots**model.order_exponent
    return ex.markets[i].stays_e8 + fading(ex, i, of) + side * (against(own) if own * 1e8 < BEYOND else BEYOND)


def move(ex: Exchange, i: int, side: int, lots: int) -> None:
    """A taker has traded."""
    of = ex.impacts.get(ex.instruments[i].id)
    if of is None:
        return
    market, left = ex.markets[i], fading(ex, i, of)
    market.stays_e8 += side * against(of.model.permanent * lots)
    market.fading_e8, market.fades_since_ns = left + side * against(of.model.transient * lots), ex.clock_ns
