"""Testing accounts, margin calls, closing out (docs/rules/liquidation.md)."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, EventKind, MarginCallPolicy, MarginScope
from novation.domain.events import ISOLATED, LIQUIDATED
from novation.domain.units import E8
from tests.reference import margin

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

PATH = 2**30


def run_test(ex: Exchange, account: int, at_check: bool) -> None:
    """Test an account until nothing is liquidated any more. at_check: at the current marks, else at the extremes."""
    while _begins(ex, account, at_check):
        pass


def _begins(ex: Exchange, account: int, at_check: bool) -> bool:
    positions = ex.accounts[account].positions
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    for i, p in enumerate(positions):
        if p.scope == MarginScope.ISOLATED and p.lots:
            market = ex.markets[i]
            mark = market.mark_e8 if at_check else market.low_e8 if p.lots > 0 else market.high_e8
            if at_once and _isolated_gone(ex, account, i, mark):
                return True
            _isolated_call(ex, account, i, mark, at_check)
    if any(p.scope == MarginScope.CROSS and p.lots for p in positions):
        return _test_cross(ex, account, at_check)
    return False


# -- isolated -------------------------------------------------------------------------------------------------------


def _reached(lots: int, mark: int, price: int) -> bool:
    return price > 0 and (mark <= price if lots > 0 else mark >= price)


def _isolated_gone(ex: Exchange, account: int, i: int, mark: int) -> bool:
    lots = ex.accounts[account].positions[i].lots
    price = margin.position_liquidation_price(ex, account, i)
    if not _reached(lots, mark, price):
        return False
    now = ex.markets[i].mark_e8
    trigger = now if _reached(lots, now, price) else price
    for order in list(ex.accounts[account].orders.values()):
        if order.instrument == i:
            ex.drop(order, CancelReason.LIQUIDATION)
    _close_isolated(ex, account, i, trigger)
    return True


def _close_isolated(ex: Exchange, account: int, i: int, trigger: int) -> None:
    p = ex.accounts[account].positions[i]
    instrument = ex.instruments[i]
    ticks = ex.taker_ticks(i, trigger, -p.lots)
    equity = floor(p.margin + margin.profit(ex, account, i, trigger))
    required = trunc(margin.required(ex, account, i, trigger))
    left = p.margin + margin.traded_value(instrument, ticks, p.lots) - p.cost
    _close(ex, account, i, ticks, trigger, equity, required, left, ISOLATED)
    if ex.rules.deficit_to_fund and left < 0:
        _lift(ex, account, -left, i)


def _isolated_call(ex: Exchange, account: int, i: int, mark: int, at_check: bool) -> None:
    p = ex.accounts[account].positions[i]
    equity = p.margin + trunc(margin.profit(ex, account, i, mark))
    required = trunc(margin.required(ex, account, i, mark))
    if near(ex, equity, required):
        if not p.called:
            short = margin.own_initial(ex, account, i, mark) - equity
            ex.emit(
                EventKind.MARGIN_CALL,
                account,
                i,
                lots=p.lots,
                price_e8=mark,
                equity=equity,
                maintenance=required,
                amount=short,
            )
            p.called = 1
    elif at_check:
        p.called = 0


def near(ex: Exchange, equity: int, required: int) -> bool:
    """Whether a margin call is due."""
    return required > 0 and required >= equity * ex.rules.call_ratio_e8 // E8


# -- cross ----------------------------------------------------------------------------------------------------------


def _test_cross(ex: Exchange, account: int, at_check: bool) -> bool:
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    now = ex.marks()
    scene = now
    if not at_check:
        lows, highs = [m.low_e8 for m in ex.markets], [m.high_e8 for m in ex.markets]
        fall, rise = margin.cross_surplus(ex, account, lows), margin.cross_surplus(ex, account, highs)
        scene = lows if fall <= rise else highs
    measure = margin.cross_surplus if at_once else margin.cross_equity
    if measure(ex, account, scene) <= 0:
        _close_cross(ex, account, _triggers(ex, account, scene, at_check))
        return True
    return _cross_call(ex, account, scene, at_check)


def _triggers(ex: Exchange, account: int, scene: list[int], at_check: bool) -> list[int]:
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    measure = margin.cross_surplus if at_once else margin.cross_equity
    now = ex.marks()
    if at_check or measure(ex, account, now) <= 0:
        return now
    held = [i for i in range(len(ex.instruments)) if margin.linked(ex, account, i)]
    if at_once and len(held) == 1:
        i = held[0]
        price = margin.position_liquidation_price(ex, account, i)
        beyond = max if ex.accounts[account].positions[i].lots > 0 else min
        return [beyond(price, scene[i]) if j == i else mark for j, mark in enumerate(now)]

    def on_path(step: int) -> list[int]:
        return [mark + (end - mark) * step // PATH for mark, end in zip(now, scene, strict=True)]

    low, high = 0, PATH
    while high - low > 1:
        middle = (low + high) // 2
        if measure(ex, account, on_path(middle)) <= 0:
            high = middle
        else:
            low = middle
    return on_path(high)


def _close_cross(ex: Exchange, account: int, triggers: list[int]) -> None:
    a = ex.accounts[account]
    for order in list(a.orders.values()):
        ex.drop(order, CancelReason.LIQUIDATION)
    for i, p in enumerate(a.positions):
        if p.scope == MarginScope.CROSS and p.lots:
            instrument = ex.instruments[i]
            ticks = ex.taker_ticks(i, triggers[i], -p.lots)
            equity = floor(margin.cross_equity(ex, account, triggers))
            required = margin.cross_maintenance(ex, account, triggers)
            others = sum(
                (margin.profit(ex, account, j, triggers[j]) for j in margin.cross(ex, account) if j != i), Fraction(0)
            )
            left = floor(a.wallet + others + margin.traded_value(instrument, ticks, p.lots) - p.cost)
            _close(ex, account, i, ticks, triggers[i], equity, required, left, 0)
    if ex.rules.deficit_to_fund and a.wallet < 0:
        _lift(ex, account, -a.wallet, -1)
    a.called = 0


def _cross_call(ex: Exchange, account: int, scene: list[int], at_check: bool) -> bool:
    a = ex.accounts[account]
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    equity = trunc(margin.cross_equity(ex, account, scene))
    required = margin.cross_maintenance(ex, account, scene)
    if near(ex, equity, required):
        if not a.called:
            ex.emit(
                EventKind.MARGIN_CALL,
                account,
                -1,
                equity=equity,
                maintenance=required,
                amount=margin.taken_by_all(ex, account) - equity,
            )
            a.called = 1 if ex.settled is None else ex.settled + 2
        elif not at_once and at_check and ex.settled is not None:
            if a.called > 1 and ex.settled > a.called - 2:
                _close_cross(ex, account, ex.marks())
                return True
            a.called = ex.settled + 2
    elif at_check and (at_once or ex.settled is not None):
        a.called = 0
    return False


# -- both -----------------------------------------------------------------------------------------------------------


def _close(
    ex: Exchange, account: int, i: int, ticks: int, trigger: int, equity: int, required: int, left: int, isolated: int
) -> None:
    """The fill that closes a whole position, its fees, and the LIQUIDATION event."""
    a, p, terms = ex.accounts[account], ex.accounts[account].positions[i], ex.terms_of(i)
    lots, cost = -p.lots, p.cost
    worth = margin.traded_value(ex.instruments[i], ticks, abs(lots))
    fee = ex.fee(i, abs(lots), ticks, terms.taker_fee_e8)
    clearance = abs(worth) * terms.liquidation_fee_e8 // E8
    if ex.rules.deficit_to_fund:
        fee = min(fee, max(0, left))
        clearance = min(clearance, max(0, left - fee))
    realised = ex.fill(0, account, i, lots, ticks, trigger, fee, LIQUIDATED | isolated)
    a.wallet -= clearance
    ex.ledger.insurance += clearance
    ex.emit(
        EventKind.LIQUIDATION,
        account,
        i,
        trade=ex.trade_sequence,
        lots=lots,
        price_ticks=ticks,
        price_e8=trigger,
        equity=equity,
        maintenance=required,
        amount=realised,
        rate_e8=terms.liquidation_fee_e8,
        fee=clearance,
        cost=cost,
        flags=isolated,
    )


def _lift(ex: Exchange, account: int, amount: int, i: int) -> None:
    ex.accounts[account].wallet += amount
    ex.ledger.insurance -= amount
    ex.emit(EventKind.INSURANCE, account, i, amount=amount)
