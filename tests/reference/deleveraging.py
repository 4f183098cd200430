"""Insurance pools that run dry, and who pays then (docs/rules/deleveraging.md)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, DeleveragingMethod, EventKind, MarginScope
from novation.domain.events import DELEVERAGED, ISOLATED, LIQUIDATED
from novation.domain.units import E8
from tests.reference import collateral, margin

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange
    from tests.reference.liquidation import Standing

CAP_E8 = 40_000_000_000 * E8
#: No bankruptcy price is told above this one.
HIGHEST_E8 = 2**60
#: Gains that add up to more are halved until they do not.
SUM_BOUND = 2**60


def too_little(ex: Exchange, i: int, missing: int) -> bool:
    """Whether the pool of an instrument cannot pay an amount."""
    pool = ex.pool_of(i)
    return not ex.pools[pool].unlimited and ex.funds[pool] < missing


def bankruptcy_ticks(ex: Exchange, i: int, lots: int, cost: int, behind: Fraction) -> int:
    """Where closing everything leaves nothing behind, on the tick and in the account's favour; 0 for none."""
    step, instrument = ex.terms_of(i).tick_step, ex.instruments[i]
    if (cost - behind) // (lots * instrument.lot_value) >= HIGHEST_E8 // E8:
        grid = instrument.tick_e8 * step
        return (-(-HIGHEST_E8 // grid) if lots > 0 else HIGHEST_E8 // grid) * step
    exact = Fraction(cost - behind, lots * margin.tick_value(ex.instruments[i]) * step)
    return max(0, ceil(exact) if lots > 0 else floor(exact)) * step


def _ratio_e8(a: int, b: int) -> int:
    return min(CAP_E8, a * E8 // b) if a // b < CAP_E8 // E8 else CAP_E8


def score(ex: Exchange, account: int, i: int) -> int:
    """Leverage P&L of a position in 1e-16."""
    p, wallet = ex.accounts[account].positions[i], floor(collateral.pooled(ex, account, ex.accounts[account].wallet))
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


def winners(ex: Exchange, account: int, i: int, ticks: int) -> dict[tuple[int, int], int]:
    """(account, slot) of the other side's positions that lose nothing at a price, and what each gains."""
    found = {}
    for other, a in enumerate(ex.accounts):
        for slot in (i - i % 2, i - i % 2 + 1):
            p = a.positions[slot]
            if other == account or p.lots * ex.accounts[account].positions[i].lots >= 0:
                continue
            gain = margin.traded_value(ex.instruments[slot], ticks, p.lots) - p.cost
            if gain >= 0:
                found[other, slot] = gain
    return found


def who_gives(ex: Exchange, account: int, i: int, ticks: int) -> list[tuple[int, int, int]]:
    """(account, slot, lots) of everyone who is closed against a bankrupt position, in their order."""
    found, left = winners(ex, account, i, ticks), abs(ex.accounts[account].positions[i].lots)
    sizes = {who: abs(ex.accounts[who[0]].positions[who[1]].lots) for who in found}
    if ex.rules.deleveraging == DeleveragingMethod.PRO_RATA:
        return [(*who, lots) for who, lots in pro_rata(found, sizes, left).items() if lots]
    given = []
    for who in sorted(found, key=lambda who: (-score(ex, *who), who)):
        if left:
            given.append((*who, min(left, sizes[who])))
            left -= given[-1][2]
    return given


def pro_rata(
    gains: dict[tuple[int, int], int], sizes: dict[tuple[int, int], int], lots: int
) -> dict[tuple[int, int], int]:
    """Lots in proportion to the gains: whoever would give all does, the rest is shared anew; largest remainders."""
    shares = dict.fromkeys(sorted(gains), 0)
    open_to = {who: gain for who, gain in gains.items() if gain > 0}
    while sum(open_to.values()) > SUM_BOUND:
        open_to = {who: gain // 2 for who, gain in open_to.items()}
    left = min(lots, sum(sizes[who] for who in open_to))
    while left and open_to:
        exact = {who: Fraction(left * gain, sum(open_to.values())) for who, gain in open_to.items()}
        full = [who for who in open_to if exact[who] >= sizes[who]]
        if not full:
            for who in open_to:
                shares[who] = floor(exact[who])
            over = left - sum(floor(part) for part in exact.values())
            for who in sorted(open_to, key=lambda who: (floor(exact[who]) - exact[who], who))[:over]:
                shares[who] += 1
            break
        for who in full:
            shares[who] = sizes[who]
            left -= sizes[who]
            del open_to[who]
    return shares


def liquidated(ex: Exchange, account: int, i: int, standing: Standing, trigger: int, **fields: int) -> None:
    """LIQUIDATION of the trade just booked; `standing` and `cost` as they were before it."""
    ex.emit(
        EventKind.LIQUIDATION,
        account,
        i,
        trade=ex.trade_sequence,
        price_e8=trigger,
        equity=floor(standing.equity),
        maintenance=standing.required,
        position_lots=ex.accounts[account].positions[i].lots,
        **fields,
    )


def deleverage(ex: Exchange, account: int, i: int, trigger: int, ticks: int, stands: Callable[[], Standing]) -> None:
    """Close a bankrupt position against the other side at its bankruptcy price, as far as that goes."""
    p = ex.accounts[account].positions[i]
    for other, slot, k in who_gives(ex, account, i, ticks):
        for order in list(ex.accounts[other].orders.values()):
            if order.instrument // 2 == i // 2:
                ex.drop(order, CancelReason.DELEVERAGED)
        q = ex.accounts[other].positions[slot]
        side, standing = 1 if p.lots > 0 else -1, stands()
        isolated, cost = ISOLATED if p.scope == MarginScope.ISOLATED else 0, p.cost
        keep = bool(isolated) and k < abs(p.lots)
        flags = DELEVERAGED | isolated
        gain = ex.fill(0, account, i, -side * k, ticks, trigger, 0, LIQUIDATED | flags, keep_margin=keep)
        liquidated(
            ex, account, i, standing, trigger, lots=-side * k, price_ticks=ticks, amount=gain, cost=cost, flags=flags
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
