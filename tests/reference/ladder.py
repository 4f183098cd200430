"""Levels that heal, and orders that take them (docs/rules/liquidity.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, MarketPhase, OrderKind
from novation.domain.liquidity import Ladder
from novation.domain.units import NS
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: Values are kept below this.
MOST_VALUE = 2**61


def heal(ex: Exchange, before_ns: int, now_ns: int) -> None:
    """Lots come back as time passes."""
    for i, market in enumerate(ex.markets):
        ladder = ex.ladders.get(ex.instruments[i].id)
        if ladder and i % 2 == 0:
            back = now_ns * ladder.heals // NS - before_ns * ladder.heals // NS
            for side in market.missing:
                market.missing[side] = max(0, market.missing[side] - back)


def levels(ex: Exchange, i: int, side: int) -> list[tuple[int, int]]:
    """(ticks, lots) that a taker of a side meets now, the best first."""
    ladder: Ladder = ex.ladders[ex.instruments[i].id]
    market, missing, found = ex.markets[i], ex.markets[i].missing[side], []
    for offset, lots in zip(ladder.offsets, ladder.lots, strict=True):
        gone = min(lots, missing)
        missing -= gone
        ticks = ex.to_tick(i, market.centre_e8 + side * offset * ex.instruments[i].tick_e8, side)
        if market.centre_e8 <= 0 or ticks <= 0:
            return found
        if lots > gone:
            found.append((ticks, lots - gone))
    return found


def reach(ex: Exchange, i: int, side: int, lots: int, worst: int | None) -> int | None:
    """The worst price at which so many lots trade, as far as they do."""
    last, value = None, 0
    instrument = ex.instruments[i]
    for ticks, there in levels(ex, i, side):
        if lots <= 0 or (worst is not None and side * (ticks - worst) > 0):
            break
        unit = ticks * instrument.tick_e8 * instrument.lot_value // 10**8
        last, room = ticks, (MOST_VALUE - value) // unit
        value += min(there, lots, room) * unit
        lots -= there
        if room == 0:
            break
    return last


def take(ex: Exchange, i: int, side: int, lots: int, ticks: int) -> None:
    """Lots are gone from the best level."""
    ex.markets[i].missing[side] += lots
    ex.markets[i].last_e8 = ticks * ex.instruments[i].tick_e8


def take_all(ex: Exchange, order: Order) -> None:
    """Trade an order level by level; what is left of a limit order works, of a market order is cancelled."""
    limit = order.price_ticks if order.kind == OrderKind.LIMIT else None
    while order.id in ex.orders:
        best = levels(ex, order.instrument, order.side)
        if not best or (limit is not None and order.side * (best[0][0] - limit) > 0):
            if limit is None:
                ex.drop(order, CancelReason.NO_LIQUIDITY)
            return
        ticks, lots = best[0][0], min(best[0][1], order.lots)
        take(ex, order.instrument, order.side, lots, ticks)
        ex.trade(order, lots, ticks, ex.markets[order.instrument].last_e8, maker=False)


def meet(ex: Exchange, order: Order) -> None:
    """A working limit order that the ladder has moved onto trades at its own price."""
    while order.id in ex.orders and ex.markets[order.instrument].phase == MarketPhase.OPEN:
        best = levels(ex, order.instrument, order.side)
        if not best or order.side * (best[0][0] - order.price_ticks) > 0:
            return
        lots = min(best[0][1], order.lots)
        take(ex, order.instrument, order.side, lots, order.price_ticks)
        ex.execute(order, order.price_ticks, ex.markets[order.instrument].last_e8, maker=True, lots=lots)
