"""Margin calls and liquidations, driven by the mark, never by the last price.

Binance (`MarginCallPolicy.AT_ONCE`): liquidated when equity <= maintenance. Open orders go first, then as much of a
position as restores compliance (`reduction`) is closed at the mark that triggered it (less half the spread), and the
taker's fee and the clearance fee are taken out of what is left. The account is tested again, until it complies or holds
nothing; then the insurance fund lifts a negative balance to zero: the same as a takeover at the bankruptcy price
(facts/binance.md §5). Where its pool has too little for that, the other side is deleveraged (`deleveraging`).

CME (`NEXT_SETTLEMENT`): equity <= maintenance makes a margin call, of the trade date that settles then or next. Unmet
at a settlement of a later trade date, the account is closed out at the mark; so it is at once when its equity is gone.
There is no fund: a deficit is a debt. As overnight margins take effect (a margin deadline) who is below maintenance is
closed out then. While a market of its positions is not open, or locked against it, the close-out waits for it.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, EventKind, MarginCallPolicy, MarginScope
from novation.domain.events import ISOLATED, LIQUIDATED
from novation.engine.clearing import fill, side_flag
from novation.engine.collateral import exchange, exchange_due
from novation.engine.deleveraging import (
    bankruptcy_ticks,
    begin_deleveraging,
    deleverage_unit,
    fund_can_pay,
    liquidated,
)
from novation.engine.halting import halt, too_far
from novation.engine.layout import OVERDUE
from novation.engine.ledger import next_event, post_insurance, post_outside
from novation.engine.liquidity import closing_offer, has_depth, take
from novation.engine.margining import (
    HIGH,
    LOW,
    NOW,
    TRIGGER,
    cross_balance,
    initial_for,
    initial_total,
    worth,
)
from novation.engine.matching import clear_first, meet_first
from novation.engine.orders import cancel_order
from novation.engine.parametric import traded_ticks
from novation.engine.phases import at_deadline, can_close_all, is_alone, is_open
from novation.engine.reduction import (
    forced_fees,
    left_after,
    next_to_close,
    reduced_lots,
    remaining_equity,
    remaining_maintenance,
)
from novation.engine.state import account_, contract_, has_book, market_, own_order, position_row_, terms_of
from novation.engine.triggers import find_triggers, is_gone, liquidation_price
from novation.engine.watch import changed
from novation.rules.integers import E8, exact_add, exact_towards_zero, mul_div, mul_div_ceil
from novation.rules.margin import reached

_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)
_AT_ONCE = int(MarginCallPolicy.AT_ONCE)
_MARGIN_CALL = int(EventKind.MARGIN_CALL)
_INSURANCE = int(EventKind.INSURANCE)
_TAKEN_OVER = int(EventKind.TAKEN_OVER)
_CANCEL_LIQUIDATION = int(CancelReason.LIQUIDATION)


@kernel
def begin(venue, account, position, instrument):
    """Start closing out: one isolated position, or (position = -1) the whole cross account."""
    venue.liquidating = account
    venue.liquidating_position = position
    venue.liquidating_instrument = instrument


@kernel
def call(venue, account, instrument, lots, mark_e8, equity, maintenance, initial, flags):
    """Make a margin call: what is missing to the initial margin."""
    e = next_event(venue, _MARGIN_CALL, account, instrument)
    e.lots = lots
    e.price_e8 = mark_e8
    e.equity = equity
    e.maintenance = maintenance
    e.amount = initial - equity
    e.flags = flags


@kernel
def near(venue, equity, maintenance):
    """Whether maintenance has reached the share of equity at which the venue calls."""
    return maintenance > 0 and maintenance >= mul_div(equity, venue.call_ratio_e8, E8)


@kernel
def check_isolated(venue, row, extremes):
    """Test one isolated position; True when its liquidation has begun."""
    p = position_row_(venue, row)
    m = market_(venue, p.instrument)
    price = liquidation_price(venue, row)
    if p.lots > 0:
        mark = m.mark_low_e8 if extremes else m.mark_e8
        gone = price > 0 and mark <= price
    else:
        mark = m.mark_high_e8 if extremes else m.mark_e8
        gone = price > 0 and mark >= price
    if gone and not is_alone(venue, p):
        # the mark met the liquidation price on its way, unless it stood beyond it already
        p.trigger_e8 = min(price, m.mark_e8) if p.lots > 0 else max(price, m.mark_e8)
        begin(venue, p.account, row, p.instrument)
        return True
    profit, profit_part, needed, needed_part = worth(venue, p, mark)
    equity = p.margin + exact_towards_zero(profit, profit_part)
    maintenance = exact_towards_zero(needed, needed_part)
    if near(venue, equity, maintenance):
        if not p.called:
            p.called = 1
            initial = initial_for(venue, p, p.lots, 0, 0, 0, 0, mark)
            call(venue, p.account, p.instrument, p.lots, mark, equity, maintenance, initial, side_flag(venue, p))
    elif not extremes:
        p.called = 0
    return False


@kernel
def adverse_scene(venue, account):
    """Of the bar's two extremes the one at which the account stands worse: that one is taken first."""
    a = account_(venue, account)
    if a.positions == 1:
        return LOW if position_row_(venue, a.first_position).lots > 0 else HIGH
    low, low_part, low_needed, low_needed_part, _ = cross_balance(venue, account, LOW, -1)
    high, high_part, high_needed, high_needed_part, _ = cross_balance(venue, account, HIGH, -1)
    low, low_part = exact_add(low, low_part, high_needed, high_needed_part)
    high, high_part = exact_add(high, high_part, low_needed, low_needed_part)
    return LOW if reached(low, low_part, high, high_part) else HIGH


@kernel
def check_cross(venue, account, extremes):
    """Test a cross account; True when its liquidation has begun."""
    a = account_(venue, account)
    scene = adverse_scene(venue, account) if extremes else NOW
    at_once = venue.call_policy == _AT_ONCE
    whole, part, needed, needed_part, maintenance = cross_balance(venue, account, scene, -1)
    if not at_once:
        needed, needed_part = 0, 0
    if reached(whole, part, needed, needed_part) and can_close_all(venue, account):
        find_triggers(venue, account, scene, at_once)
        begin(venue, account, -1, -1)
        return True
    equity = exact_towards_zero(whole, part)
    if near(venue, equity, maintenance):
        deadline = not at_once and not extremes and at_deadline(venue, account)
        if not a.called:
            a.called = 1 + venue.settled
            call(venue, account, -1, 0, 0, equity, maintenance, initial_total(venue, account), 0)
            if not deadline:
                return False
        if not at_once and not extremes:
            # a call stands from the settlement of its own trade date, and is due at that of a later one
            if deadline or a.called == OVERDUE or (venue.settled and 1 < a.called <= venue.settled):
                a.called = OVERDUE
                if can_close_all(venue, account):
                    find_triggers(venue, account, NOW, False)
                    begin(venue, account, -1, -1)
                    return True
            elif venue.settled:
                a.called = 1 + venue.settled
    elif not extremes and (at_once or venue.settled or a.called == OVERDUE):
        a.called = 0
    return False


@kernel
def check_account(venue, account, extremes):
    """Test an account: its isolated positions in order of instrument, then the cross balance, then what it owes.

    Returns True when a liquidation has begun or assets were exchanged; it is tested again when that is done, until
    nothing begins.
    """
    exposed = False
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.lots != 0:
            if p.scope == _CROSS:
                exposed = True
            elif check_isolated(venue, row, extremes):
                return True
        row = p.next
    if exposed:
        if check_cross(venue, account, extremes):
            return True
    elif not extremes and (venue.call_policy == _AT_ONCE or venue.settled):
        account_(venue, account).called = 0
    if not extremes and exchange_due(venue, account):
        return exchange(venue, account)
    return False


@kernel
def close_out(venue, row, at_any_cost):
    """Close what has to be of one position at its trigger mark, and charge what can be charged.

    Emits FILL and LIQUIDATION, and INSURANCE where the fund lifts an isolated position. Where the fund has too little
    for what would be missing, nothing is closed and deleveraging begins instead; `at_any_cost` closes everything.
    """
    p = position_row_(venue, row)
    a = account_(venue, p.account)
    equity = remaining_equity(venue, row)
    maintenance = remaining_maintenance(venue, row)
    lots, cost, isolated = p.lots, p.cost, p.scope == _ISOLATED
    side = -1 if lots > 0 else 1
    ticks, there = closing_offer(venue, p)
    if has_depth(venue, p.instrument) and venue.deficit_to_fund:
        bankrupt = bankruptcy_ticks(venue, row)
        if there == 0 or (bankrupt > 0 and side * (ticks - bankrupt) > 0):
            booked = has_book(venue, p.instrument) and not at_any_cost
            if booked and (there == 0 or is_far_from_mark(venue, p.instrument, side, ticks)):
                begin_deleveraging(venue, row, bankrupt if bankrupt > 0 else last_ticks(venue, p.instrument))
                return
            take_over(venue, row, bankrupt, ticks, there, at_any_cost)
            return
    alone = there == 0
    if alone:  # nobody is left to trade with, and no fund: the last price stands for all of it
        ticks, there = last_ticks(venue, p.instrument), abs(lots)
    closed = min(there, abs(lots) if at_any_cost else reduced_lots(venue, row, ticks))
    left = left_after(venue, row, closed, ticks)
    if venue.deficit_to_fund and left < 0 and not at_any_cost and not fund_can_pay(venue, p.instrument, -left):
        bankrupt = bankruptcy_ticks(venue, row)
        if bankrupt > 0:
            begin_deleveraging(venue, row, bankrupt)
            return
    meet_market(venue, p.instrument, side, closed, ticks, alone)
    fee, clearance = forced_fees(venue, row, closed, ticks)
    if venue.deficit_to_fund:
        fee = min(fee, max(0, left))
        clearance = min(clearance, max(0, left - fee))
    flags = LIQUIDATED | (ISOLATED if isolated else 0)
    profit = fill(venue, row, 0, side * closed, ticks, p.trigger_e8, fee, flags)
    if isolated and p.lots != 0:
        p.margin -= clearance
    else:
        a.wallet -= clearance
    post_insurance(venue, p.instrument, clearance)
    e = liquidated(venue, p, side * closed, ticks, profit, cost, equity, maintenance, 0)
    e.rate_e8 = terms_of(venue, p.instrument).liquidation_fee_e8
    e.fee = clearance
    venue.liquidating_instrument = p.instrument  # its fund answers for what a cross account is short of at the end
    if isolated and venue.deficit_to_fund and left < 0:
        lift(venue, p.account, p.instrument, p.instrument, -left, side_flag(venue, p))


@kernel
def meet_market(venue, instrument, side, lots, ticks, alone):
    """A forced trade meets the first order of a book unless it is alone, or a level of a ladder; on bars nobody is
    named."""
    if has_book(venue, instrument):
        if not alone:
            meet_first(venue, instrument, side, lots, ticks)
    else:
        take(venue, instrument, side, lots, ticks)


@kernel
def is_far_from_mark(venue, instrument, side, ticks):
    """Whether a fund would not pass lots on at a price of a book: further than a twentieth from the mark, for on a book
    anybody can name a price."""
    mark, price_e8 = market_(venue, instrument).mark_e8, ticks * contract_(venue, instrument).tick_e8
    if side > 0:
        return price_e8 > mul_div(mark, 105, 100)
    return price_e8 < mul_div_ceil(mark, 95, 100)


@kernel
def last_ticks(venue, instrument):
    """The last price on the tick in force, rounded down."""
    return traded_ticks(venue, instrument, -1, market_(venue, instrument).last_e8)


@kernel
def take_over(venue, row, bankrupt, ticks, there, at_any_cost):
    """The ladder pays no better than the bankruptcy price: the fund takes a position over at that price, and passes it
    on at the ladder's, as many lots as the level has, or all at the last price where the ladder has nothing left.

    Without a bankruptcy price above zero it is taken over at the price at which it is passed on. Where the fund has too
    little for its loss, deleveraging begins instead, unless `at_any_cost`. Emits FILL, LIQUIDATION and TAKEN_OVER.
    """
    p = position_row_(venue, row)
    side = -1 if p.lots > 0 else 1
    passed_on = ticks if there > 0 else last_ticks(venue, p.instrument)
    price = bankrupt if bankrupt > 0 else passed_on
    lots = there if there > 0 else abs(p.lots)
    result = side * lots * (price - passed_on) * contract_(venue, p.instrument).tick_value
    if result < 0 and not at_any_cost and not fund_can_pay(venue, p.instrument, -result):
        begin_deleveraging(venue, row, price)
        return
    equity, maintenance, cost = remaining_equity(venue, row), remaining_maintenance(venue, row), p.cost
    if there > 0:
        meet_market(venue, p.instrument, side, lots, ticks, False)
    isolated = ISOLATED if p.scope == _ISOLATED else 0
    profit = fill(venue, row, 0, side * lots, price, p.trigger_e8, 0, LIQUIDATED | isolated)
    post_outside(venue, -result)
    post_insurance(venue, p.instrument, result)
    liquidated(venue, p, side * lots, price, profit, cost, equity, maintenance, 0)
    e = next_event(venue, _TAKEN_OVER, p.account, p.instrument)
    e.trade = venue.trade_sequence
    e.lots = side * lots
    e.price_ticks = passed_on
    e.amount = result
    e.flags = isolated | side_flag(venue, p)
    venue.liquidating_instrument = p.instrument


@kernel
def lift(venue, account, instrument, closed, amount, flags):
    """The insurance fund behind the instrument closed last pays a deficit."""
    account_(venue, account).wallet += amount
    post_insurance(venue, closed, -amount)
    e = next_event(venue, _INSURANCE, account, instrument)
    e.amount = amount
    e.flags = flags


@kernel
def liquidation_unit(venue):
    """One step of the liquidation in hand: an order cancelled, a position closed or reduced or exchanged with those
    who are deleveraged, or the end.

    Where the venue liquidates at once, a cross account is done as soon as it complies at the trigger marks.
    """
    if venue.deleveraging >= 0:
        row = venue.deleveraging
        if position_row_(venue, row).lots != 0:
            if deleverage_unit(venue):
                return
            p = position_row_(venue, row)
            if has_book(venue, p.instrument) and clear_first(venue, p.instrument, -1 if p.lots > 0 else 1):
                return
            close_out(venue, row, 1)
        venue.deleveraging = -1
        after_closing(venue)
        return
    account = venue.liquidating
    row = own_order(venue, account, -1 if venue.liquidating_position < 0 else venue.liquidating_instrument)
    if row >= 0:
        cancel_order(venue, row, _CANCEL_LIQUIDATION)
        return
    row = venue.liquidating_position
    if row < 0:
        row = next_to_close(venue, account)
    if row >= 0:
        p = position_row_(venue, row)
        if has_book(venue, p.instrument) and clear_first(venue, p.instrument, -1 if p.lots > 0 else 1):
            return
        ticks, there = closing_offer(venue, p)
        alone = has_book(venue, p.instrument) and not venue.deficit_to_fund
        if alone and there > 0:
            why = too_far(venue, p.instrument, ticks)
            if why != 0:
                halt(venue, p.instrument, why)
                there = 0
        closed = has_book(venue, p.instrument) and not is_open(venue, p.instrument)
        if closed or (alone and there == 0):
            if venue.liquidating_position < 0:
                account_(venue, account).called = OVERDUE
            venue.liquidating = -1
            return
        close_out(venue, row, 0)
    if venue.deleveraging < 0:
        after_closing(venue)


@kernel
def after_closing(venue):
    """Go on with the next position of a cross account, or end the liquidation."""
    account = venue.liquidating
    if venue.liquidating_position < 0:
        row = next_to_close(venue, account)
        if row >= 0 and (venue.call_policy != _AT_ONCE or is_gone(venue, account, TRIGGER, True)):
            return
        a = account_(venue, account)
        if a.multi:
            exchange(venue, account)  # what is owed is not left owed
        if row < 0 and a.wallet < 0 and venue.deficit_to_fund:
            lift(venue, account, -1, max(0, venue.liquidating_instrument), -a.wallet, 0)
        a.called = 0
        changed(venue, account)
    venue.liquidating = -1
