"""Insurance pools that run dry, and who pays then (docs/rules/deleveraging.md)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, EventKind, MarginScope
from novation.domain.events import DELEVERAGED, ISOLATED, LIQUIDATED
from novation.domain.units import E8
from tests.reference import margin

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

CAP_E8 = 40_000_000_000 * E8


def too_little(ex: Exchange, i: int, missing: int) -> bool:
    """Whether the pool of an instrument cannot pay an amount."""
    pool = ex.pool_of(i)
    return not ex.pools[pool].unlimited and ex.funds[pool] < missing


def bankruptcy_ticks(ex: Exchange, i: int, lots: int, cost: int, behind: int) -> int:
    """Where closing everything leaves nothing behind, on the tick and in the account's favour; 0 for none."""
    step = ex.terms_of(i).tick_step
    exact = Fraction(cost - behind, lots * margin.tick_value(ex.instruments[i]) * step)
    return max(0, ceil(exact) if lots > 0 else floor(exact)) * step


def _ratio_e8(a: int, b: int) -> int:
    return min(CAP_E8, a * E8 // b) if a // b < CAP_E8 // E8 else CAP_E8


def score(ex: Exchange, account: int, i: int) -> int:
    """Leverage P&L of a position in 1e-16."""
    p, wallet = ex.accounts[account].positions[i], ex.accounts[account].wallet
    profit = trunc(margin.profit(ex, account, i, ex.markets[i].mark_e8))
    if p.scope == MarginScope.ISOLATED:
        wallet, equity = p.margin, p.margin + profit
        needed = trunc(margin.required(ex, account, i, ex.markets[i].mark_e8))
    else:
        equity = floor(margin.cross_equity(ex, account, ex.marks()))
        needed = margin.cross_maintenance(ex, account, ex.marks())
    gain = _ratio_e8(max(0, profit), max(ex.asset_unit, wallet))
    ratio = _ratio_e8(needed, equity) if equity > 0 else 0
    return min(gain * ratio, 4_000_000_000_000_000_000)


def counterparty(ex: Exchange, account: int, i: int, ticks: int) -> tuple[int, int] | None:
    """The next account of the other side and its slot, None when none would keep a profit."""
    mine = ex.accounts[account].positions[i].lots
    ranked = []
    for other, a in enumerate(ex.accounts):
        for slot in (i - i % 2, i - i % 2 + 1):
            p = a.positions[slot]
            if other == account or p.lots * mine >= 0:
                continue
            k = min(abs(mine), abs(p.lots))
            sign = 1 if p.lots > 0 else -1
            gain = sign * margin.traded_value(ex.instruments[i], ticks, k) - p.cost * k // abs(p.lots)
            if gain >= 0:
                ranked.append((-score(ex, other, slot), other, slot))
    return min(ranked)[1:] if ranked else None


def deleverage(
    ex: Exchange, account: int, i: int, trigger: int, ticks: int, stands: Callable[[], tuple[int, int, int]]
) -> None:
    """Close a bankrupt position against the other side at its bankruptcy price, as long as there is somebody."""
    p = ex.accounts[account].positions[i]
    while p.lots:
        found = counterparty(ex, account, i, ticks)
        if found is None:
            return
        other, slot = found
        for order in list(ex.accounts[other].orders.values()):
            if order.instrument // 2 == i // 2:
                ex.drop(order, CancelReason.DELEVERAGED)
        q = ex.accounts[other].positions[slot]
        k, side = min(abs(p.lots), abs(q.lots)), 1 if p.lots > 0 else -1
        equity, required, _ = stands()
        isolated, cost = ISOLATED if p.scope == MarginScope.ISOLATED else 0, p.cost
        keep = bool(isolated) and k < abs(p.lots)
        flags = LIQUIDATED | DELEVERAGED | isolated
        gain = ex.fill(0, account, i, -side * k, ticks, trigger, 0, flags, keep_margin=keep)
        ex.emit(
            EventKind.LIQUIDATION,
            account,
            i,
            trade=ex.trade_sequence,
            lots=-side * k,
            price_ticks=ticks,
            price_e8=trigger,
            amount=gain,
            cost=cost,
            position_lots=p.lots,
            equity=equity,
            maintenance=required,
            flags=DELEVERAGED | isolated,
        )
        mark, cost = ex.markets[i].mark_e8, q.cost
        flags = DELEVERAGED | (ISOLATED if q.scope == MarginScope.ISOLATED else 0)
        gain = ex.fill(0, other, slot, side * k, ticks, mark, 0, flags)
        ex.emit(
            EventKind.DELEVERAGED,
            other,
            slot,
            order=account,
            trade=ex.trade_sequence,
            lots=side * k,
            price_ticks=ticks,
            price_e8=mark,
            amount=gain,
            cost=cost,
            position_lots=q.lots,
            flags=flags,
        )
