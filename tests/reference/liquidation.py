"""Testing accounts, margin calls, closing out (docs/rules/liquidation.md)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import floor, trunc
from typing import TYPE_CHECKING, NamedTuple

from novation.domain.enums import (
    CancelReason,
    EventKind,
    LiquidationPriority,
    MarginCallPolicy,
    MarginMethod,
    MarginScope,
)
from novation.domain.events import ISOLATED, LIQUIDATED
from novation.domain.units import E8
from tests.reference import collateral, deleveraging, elections, halting, ladder, margin, phases, trading

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

PATH = 2**30
#: Of an account to be closed out as soon as its markets trade.
OVERDUE = -1
#: Ratios in 1e-8 stop here.
RATIO_CAP_E8 = 40_000_000_000 * E8


class Standing(NamedTuple):
    """A position that is to be closed, at the trigger marks."""

    equity: Fraction  #: of the account, or of the isolated position
    required: int  #: maintenance as shown
    others: Fraction  #: maintenance of the cross positions beside it
    behind: Fraction  #: equity without the position's own profit


def run_test(ex: Exchange, account: int, at_check: bool) -> None:
    """Test an account until nothing is liquidated any more. at_check: at the current marks, else at the extremes."""
    while _begins(ex, account, at_check):
        pass


def _begins(ex: Exchange, account: int, at_check: bool) -> bool:
    held = [(i, p) for i, p in enumerate(ex.accounts[account].positions) if p.lots]
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    for i, p in held:
        if p.scope == MarginScope.ISOLATED:
            market = ex.markets[i]
            mark = market.mark_e8 if at_check else market.low_e8 if p.lots > 0 else market.high_e8
            if at_once and _isolated_gone(ex, account, i, mark):
                return True
            _isolated_call(ex, account, i, mark, at_check)
    if any(p.scope == MarginScope.CROSS for _, p in held):
        if _test_cross(ex, account, at_check):
            return True
    elif at_check and (at_once or ex.settled is not None):
        ex.accounts[account].called = 0
    return at_check and collateral.test_debt(ex, account)


# -- isolated -------------------------------------------------------------------------------------------------------


def _reached(lots: int, mark: int, price: int) -> bool:
    return price > 0 and (mark <= price if lots > 0 else mark >= price)


def _isolated_gone(ex: Exchange, account: int, i: int, mark: int) -> bool:
    lots = ex.accounts[account].positions[i].lots
    price = margin.position_liquidation_price(ex, account, i)
    if not _reached(lots, mark, price):
        return False
    if not phases.is_awaited(ex, i, lots):
        return False
    now = ex.markets[i].mark_e8
    trigger = now if _reached(lots, now, price) else price
    for order in list(ex.accounts[account].orders.values()):
        if order.instrument // 2 == i // 2:
            ex.drop(order, CancelReason.LIQUIDATION)
    if _nobody_takes(ex, i, lots):
        return False
    p = ex.accounts[account].positions[i]

    def stands() -> Standing:
        equity = p.margin + margin.profit(ex, account, i, trigger)
        return Standing(equity, trunc(margin.required(ex, account, i, trigger)), Fraction(0), Fraction(p.margin))

    left = _close(ex, account, i, trigger, stands)
    if ex.rules.deficit_to_fund and left < 0:
        _lift(ex, account, -left, i, i)
    elections.elect(ex)
    return True


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
    if measure(ex, account, scene) <= 0 and phases.can_close_all(ex, account):
        return _close_cross(ex, account, _triggers(ex, account, scene, at_check))
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


def _close_cross(ex: Exchange, account: int, triggers: list[int]) -> bool:
    """Close an account out, as far as somebody takes its positions; it is tested again then."""
    a = ex.accounts[account]
    for order in list(a.orders.values()):
        ex.drop(order, CancelReason.LIQUIDATION)
    at_once, last = ex.rules.call_policy == MarginCallPolicy.AT_ONCE, 0
    while True:
        open_now = [i for i, p in enumerate(a.positions) if p.scope == MarginScope.CROSS and p.lots]
        if not open_now:
            break
        i = min(open_now, key=lambda i: (_urgency(ex, account, i, triggers[i]), i))
        if _nobody_takes(ex, i, a.positions[i].lots):
            a.called = OVERDUE
            return True
        rest = [j for j in margin.cross(ex, account) if j != i]
        others = sum((margin.required(ex, account, j, triggers[j]) for j in rest), Fraction(0))

        def stands(i: int = i, others: Fraction = others) -> Standing:
            equity = margin.cross_equity(ex, account, triggers)
            required = margin.cross_maintenance(ex, account, triggers)
            own = margin.own_equity(ex, account, triggers) - margin.profit(ex, account, i, triggers[i])
            pledged = collateral.pooled(ex, account, 0)  # where nothing is left of all assets, this much is owed
            return Standing(equity, required, others, own + pledged)

        _close(ex, account, i, triggers[i], stands)
        last = i
        still_open = any(p.scope == MarginScope.CROSS and p.lots for p in a.positions)
        if at_once and still_open and margin.cross_surplus(ex, account, triggers) > 0:
            _exchange(ex, account)
            a.called = 0
            elections.elect(ex)
            return True
        if still_open:
            elections.elect(ex)
    _exchange(ex, account)
    if ex.rules.deficit_to_fund and a.wallet < 0:
        _lift(ex, account, -a.wallet, -1, last)
    a.called = 0
    elections.elect(ex)
    return True


def _exchange(ex: Exchange, account: int) -> None:
    if ex.accounts[account].multi:
        collateral.exchange(ex, account)


def _urgency(ex: Exchange, account: int, i: int, trigger: int) -> Fraction | int:
    """The position with the least of this is closed first; amounts as shown, cut to whole units."""
    p, priority = ex.accounts[account].positions[i], ex.rules.liquidation_priority
    profit, required = trunc(margin.profit(ex, account, i, trigger)), trunc(margin.required(ex, account, i, trigger))
    if priority == LiquidationPriority.LOWEST_MARGIN_RATIO:
        own = margin.initial(ex.instruments[i], ex.terms_of(i), p.leverage, trigger, p.lots)
        capped = max(-RATIO_CAP_E8, min(RATIO_CAP_E8, (own + profit) * E8 // required)) if required else 0
        return capped if required > 0 else RATIO_CAP_E8 + 1
    return {
        LiquidationPriority.HIGHEST_LOSS_FIRST: profit,
        LiquidationPriority.OLDEST_POSITION: p.opened_ns,
        LiquidationPriority.LARGEST_POSITION: -floor(abs(margin.value(ex.instruments[i], trigger, p.lots))),
        LiquidationPriority.HIGHEST_LEVERAGE: -p.leverage,
    }[LiquidationPriority(priority)]


def _cross_call(ex: Exchange, account: int, scene: list[int], at_check: bool) -> bool:
    a = ex.accounts[account]
    at_once = ex.rules.call_policy == MarginCallPolicy.AT_ONCE
    equity = trunc(margin.cross_equity(ex, account, scene))
    required = margin.cross_maintenance(ex, account, scene)
    if near(ex, equity, required):
        deadline = at_check and phases.at_deadline(ex, account)
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
            if not deadline:
                return False
        if at_once or not at_check:
            return False
        due = ex.settled is not None and a.called > 1 and ex.settled > a.called - 2
        if due or deadline or a.called == OVERDUE:
            a.called = OVERDUE
            if phases.can_close_all(ex, account):
                return _close_cross(ex, account, ex.marks())
        elif ex.settled is not None:
            a.called = ex.settled + 2
    elif at_check and (at_once or ex.settled is not None or a.called == OVERDUE):
        a.called = 0
    return False


# -- both -----------------------------------------------------------------------------------------------------------


def _close(
    ex: Exchange, account: int, i: int, trigger: int, stands: Callable[[], Standing], at_any_cost: bool = False
) -> int:
    """Close a position as far as it must be: fill, fees, LIQUIDATION event. Returns what is left before fees."""
    a, p, terms = ex.accounts[account], ex.accounts[account].positions[i], ex.terms_of(i)
    side, standing = 1 if p.lots > 0 else -1, stands()
    if ex.has_depth(i):
        best = _best(ex, i, -side)
        if ex.rules.deficit_to_fund:
            at = deleveraging.bankruptcy_ticks(ex, i, p.lots, p.cost, standing.behind)
            if not best or (at and side * (at - best[0]) > 0):
                if ex.has_book(i) and not at_any_cost and not _is_passed_on(ex, i, side, best):
                    at = at or ex.traded_ticks(i, ex.markets[i].last_e8, -1)
                    deleveraging.deleverage(ex, account, i, trigger, at, stands)
                    return _close(ex, account, i, trigger, stands, at_any_cost=True) if p.lots else 0
                return _take_over(ex, account, i, trigger, stands, at_any_cost)
        ticks, there = best or (ex.traded_ticks(i, ex.markets[i].last_e8, -1), abs(p.lots))
    else:
        ticks, there = phases.within_limits(ex, i, ex.forced_ticks(i, -p.lots, trigger)), abs(p.lots)

    def left_and_fees(k: int) -> tuple[Fraction, int, int]:
        worth = margin.traded_value(ex.instruments[i], ticks, k)
        gain = side * (worth - margin.value(ex.instruments[i], trigger, k))
        return standing.equity + gain, ex.fee(i, k, ticks, terms.taker_fee_e8), worth * terms.liquidation_fee_e8 // E8

    def complies(k: int) -> bool:
        left, fee, clearance = left_and_fees(k)
        needed = standing.others + margin.maintenance(ex.instruments[i], terms, trigger, abs(p.lots) - k)
        left -= fee + clearance
        return left >= 0 and needed <= left * Fraction(ex.rules.liquidation_target_e8, E8)

    closed, cost, isolated = abs(p.lots), p.cost, p.scope == MarginScope.ISOLATED
    if ex.rules.call_policy == MarginCallPolicy.AT_ONCE and not at_any_cost:
        closed = _fewest(_stretches(ex, i, trigger, abs(p.lots)), complies) or abs(p.lots)
    closed = min(closed, there)
    exact_left, fee, clearance = left_and_fees(closed)
    left = floor(exact_left)
    if ex.rules.deficit_to_fund and left < 0 and not at_any_cost and deleveraging.too_little(ex, i, -left):
        at = deleveraging.bankruptcy_ticks(ex, i, p.lots, p.cost, standing.behind)
        if at:
            deleveraging.deleverage(ex, account, i, trigger, at, stands)
            # nobody is left: what remains is closed as if the fund could pay
            return _close(ex, account, i, trigger, stands, at_any_cost=True) if p.lots else 0
    if ex.rules.deficit_to_fund:
        fee = min(fee, max(0, left))
        clearance = min(clearance, max(0, left - fee))
    joins = _take(ex, i, -side, closed, ticks)
    flags = ISOLATED if isolated else 0
    partly = isolated and closed < abs(p.lots)
    realised = ex.fill(
        0, account, i, -side * closed, ticks, trigger, fee, LIQUIDATED | flags, keep_margin=partly, joins=joins
    )
    if partly:
        p.margin -= clearance
    else:
        a.wallet -= clearance
    ex.funds[ex.pool_of(i)] += clearance
    deleveraging.liquidated(
        ex,
        account,
        i,
        standing,
        trigger,
        lots=-side * closed,
        price_ticks=ticks,
        amount=realised,
        rate_e8=terms.liquidation_fee_e8,
        fee=clearance,
        cost=cost,
        flags=flags,
    )
    return left


def _best(ex: Exchange, i: int, side: int) -> tuple[int, int] | None:
    """Price and lots of what a liquidation that buys or sells meets first."""
    if ex.has_ladder(i):
        return next(iter(ladder.levels(ex, i, side)), None)
    maker = trading.first(ex, i, side)
    return (maker.price_ticks, maker.shown) if maker else None


def _is_passed_on(ex: Exchange, i: int, side: int, best: tuple[int, int] | None) -> bool:
    """Whether somebody on a book is near enough to the mark for the fund to pass lots of a long or a short on."""
    if not best:
        return False
    mark, price = ex.markets[i].mark_e8, best[0] * ex.instruments[i].tick_e8
    return price >= phases.ceil_div(mark * 95, 100) if side > 0 else price <= mark * 105 // 100


def _nobody_takes(ex: Exchange, i: int, lots: int) -> bool:
    """Whether a position on a book, without a fund, cannot be closed, as nobody is there."""
    if not ex.has_book(i):
        return False
    if ex.rules.deficit_to_fund:
        return not phases.is_open(ex, i)
    maker = trading.first(ex, i, -1 if lots > 0 else 1)
    reason = halting.too_far(ex, i, maker.price_ticks) if maker else None
    if reason:
        halting.halt(ex, i, reason)
    return maker is None or reason is not None


def _take(ex: Exchange, i: int, side: int, lots: int, ticks: int) -> bool:
    """Take from what is met first; whether somebody else's side of the trade has been told."""
    if ex.has_ladder(i):
        ladder.take(ex, i, side, lots, ticks)
    elif ex.has_book(i) and _best(ex, i, side):
        return trading.close_against(ex, i, side, lots)
    return False


def _take_over(
    ex: Exchange, account: int, i: int, trigger: int, stands: Callable[[], Standing], at_any_cost: bool
) -> int:
    """The fund takes lots over at the bankruptcy price and passes them on, to the best level or at the last price."""
    p = ex.accounts[account].positions[i]
    side, isolated = 1 if p.lots > 0 else -1, p.scope == MarginScope.ISOLATED
    best = _best(ex, i, -side)
    passed_on, lots = best or (ex.traded_ticks(i, ex.markets[i].last_e8, -1), abs(p.lots))
    standing = stands()
    lots, cost = min(lots, abs(p.lots)), p.cost
    price = deleveraging.bankruptcy_ticks(ex, i, p.lots, p.cost, standing.behind) or passed_on
    result = side * margin.traded_value(ex.instruments[i], passed_on - price, lots)
    if result < 0 and not at_any_cost and deleveraging.too_little(ex, i, -result):
        deleveraging.deleverage(ex, account, i, trigger, price, stands)
        return _close(ex, account, i, trigger, stands, at_any_cost=True) if p.lots else 0
    joins = _take(ex, i, -side, lots, passed_on) if best else False
    flags, partly = ISOLATED if isolated else 0, isolated and lots < abs(p.lots)
    realised = ex.fill(
        0, account, i, -side * lots, price, trigger, 0, LIQUIDATED | flags, keep_margin=partly, joins=joins
    )
    ex.ledger.outside -= result
    ex.funds[ex.pool_of(i)] += result
    about = {"lots": -side * lots, "flags": flags}
    deleveraging.liquidated(ex, account, i, standing, trigger, price_ticks=price, amount=realised, cost=cost, **about)
    ex.emit(EventKind.TAKEN_OVER, account, i, trade=ex.trade_sequence, price_ticks=passed_on, amount=result, **about)
    return 0


def _stretches(ex: Exchange, i: int, trigger: int, lots: int) -> list[tuple[int, int]]:
    """Of each bracket from the present one down: the fewest and the most lots that leave the rest in it; not none."""
    instrument, tiers = ex.instruments[i], ex.terms_of(i).tiers
    if instrument.method == MarginMethod.PER_CONTRACT:
        return [(1, lots)]
    present = tiers.index(margin.bracket(tiers, margin.value(instrument, trigger, lots)))
    most = [((tier.cap + 1) * E8 - 1) // (trigger * instrument.lot_value) for tier in tiers[:present]]
    firsts = [1] + [max(1, lots - keep) for keep in reversed(most)]
    return [(first, after - 1) for first, after in pairwise([*firsts, lots + 1]) if first < after]


def _fewest(stretches: list[tuple[int, int]], complies: Callable[[int], bool]) -> int:
    """The fewest lots that comply: of the first stretch that has such, by bisection; 0 if none has."""
    for first, last in stretches:
        if complies(first):
            return first
        if complies(last):
            low, high = first, last
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if complies(middle) else (middle, high)
            return high
    return 0


def _lift(ex: Exchange, account: int, amount: int, i: int, pays: int) -> None:
    ex.accounts[account].wallet += amount
    ex.funds[ex.pool_of(pays)] -= amount
    ex.emit(EventKind.INSURANCE, account, i, amount=amount)
