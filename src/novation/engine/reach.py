"""How far an order gets: what it would trade with now, its best and its worst price (docs/rules/book.md, "reach").

On bars that is one price, on a ladder its levels. On a book it is the orders that it would trade with: not those that
would be cancelled instead, which its margin must not be measured by.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import SelfTrade, TimeInForce
from novation.engine.book import first_at, price_after, queue_at, side_place
from novation.engine.executable import best_executable, is_within_limits
from novation.engine.halting import short_of_a_halt, short_of_the_first
from novation.engine.ladder import best_level, depth
from novation.engine.layout import NO_PRICE
from novation.engine.liquidity import MOST_VALUE, book_depth, has_ladder, offer, within
from novation.engine.phases import is_open
from novation.engine.state import (
    account_,
    book_of,
    contract_,
    has_book,
    order_,
    position_row_,
    price_,
    resting_,
    row_of,
)
from novation.rules.clearing import closed_lots

_TRADE, _CANCEL_MAKER = int(SelfTrade.TRADE), int(SelfTrade.CANCEL_MAKER)
_FOK, _POST_ONLY = int(TimeInForce.FOK), int(TimeInForce.POST_ONLY)


@kernel
def reach_short_of_a_halt(venue, instrument, side, lots, worst_ticks, account, word):
    """`reach` of an order that is cancelled where it would halt its market, its own first trade counted."""
    worst_ticks = short_of_a_halt(venue, instrument, side, worst_ticks)
    found, best, worst = reach(venue, instrument, side, lots, worst_ticks, account, word)
    if found > 0:
        worst_ticks = short_of_the_first(venue, instrument, side, worst_ticks, best)
        found, best, worst = reach(venue, instrument, side, lots, worst_ticks, account, word)
    return found, best, worst


@kernel
def word_on_self_trades(venue, instrument, self_trade, time_in_force):
    """What an order of a book does where it would meet another of its account."""
    if time_in_force == _FOK or time_in_force == _POST_ONLY:
        return _TRADE
    return self_trade if self_trade != 0 else book_of(venue, instrument).self_trade


@kernel
def has_own_opposite(venue, account, instrument, side):
    """Whether an account has an order in a book that a taker of a side would meet."""
    row = account_(venue, account).first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == instrument and o.side == -side and o.resting >= 0 and o.trigger == 0:
            return True
        row = o.own_next
    return False


@kernel
def may_trade(o, held):
    """Whether an order may trade with all of its lots while so many are held: any but one that would not reduce."""
    return not o.reduce_only or closed_lots(held, o.side * o.lots) == o.lots


@kernel
def would_reduce(venue, row):
    """Whether an order that may only reduce still would once all those of its position that come before it on its side
    have traded: found from the front on, as each of these may be such a one."""
    last = resting_(venue, row)
    o = order_(venue, last.owner)
    held = position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)).lots
    ticks = best_executable(venue, o.instrument, -o.side)
    while True:
        at = first_at(venue, last.place, ticks)
        while at >= 0:
            r = resting_(venue, at)
            if r.owner >= 0:
                x = order_(venue, r.owner)
                if x.account == o.account and x.leg == o.leg:
                    trades = may_trade(x, held)
                    if at == row:
                        return trades
                    if trades:
                        held += x.side * x.lots
            at = r.next
        ticks = price_after(venue, last.place, ticks)


@kernel
def is_of(venue, row, account):
    """Whether an order in a queue is an account's."""
    owner = resting_(venue, row).owner
    return owner >= 0 and order_(venue, owner).account == account


@kernel
def own_at(venue, first, account):
    """The first order of an account from a row of a queue on, -1 without one."""
    row = first
    while row >= 0 and not is_of(venue, row, account):
        row = resting_(venue, row).next
    return row


@kernel
def trades(venue, row, account, word):
    """Whether an order of a book would trade with a taker, as far as it goes by itself."""
    r = resting_(venue, row)
    if r.owner < 0:
        return True
    o = order_(venue, r.owner)
    if word == _CANCEL_MAKER and o.account == account:
        return False
    return not o.reduce_only or would_reduce(venue, row)


@kernel
def walked(venue, instrument, side, lots, worst_ticks, account, word):
    """What an order reaches, order by order: lots found, best and worst price."""
    b, place = book_of(venue, instrument), side_place(venue, instrument, -side)
    tick_value = contract_(venue, instrument).tick_value
    found, value, best, worst = 0, 0, NO_PRICE, NO_PRICE
    ticks = best_executable(venue, instrument, side)
    while ticks != NO_PRICE and found < lots and within(side, ticks, worst_ticks):
        if not is_within_limits(venue, instrument, ticks):
            break
        queue = price_(venue, queue_at(venue, place, ticks))
        end = -1
        if word != _TRADE and word != _CANCEL_MAKER:
            end = own_at(venue, queue.first, account)
            if end >= 0 and not b.by_time and lots - found < queue.lots + queue.hidden:
                break
        row = queue.first
        while row != end and row >= 0 and found < lots:
            if trades(venue, row, account, word):
                r = resting_(venue, row)
                there = r.shown if end >= 0 else r.shown + r.hidden
                there = min(lots - found, there, (MOST_VALUE - value) // (ticks * tick_value))
                best = ticks if best == NO_PRICE else best
                worst = ticks
                found += there
                value += there * ticks * tick_value
                if there == 0:
                    return found, best, worst
            row = resting_(venue, row).next
        if end >= 0:
            break
        ticks = price_after(venue, place, ticks)
    return found, best, worst


@kernel
def reach(venue, instrument, side, lots, worst_ticks, account, word):
    """Lots that an order of an account would trade now, up to a worst price, its best and its worst price; no lots and
    NO_PRICE where nothing does. word: on self-trades, of an order on a book."""
    if not is_open(venue, instrument):
        return 0, NO_PRICE, NO_PRICE
    if has_book(venue, instrument):
        if book_of(venue, instrument).reducing > 0 or (
            word != _TRADE and has_own_opposite(venue, account, instrument, side)
        ):
            return walked(venue, instrument, side, lots, worst_ticks, account, word)
        found, _, worst = book_depth(venue, instrument, side, lots, worst_ticks, 0)
        best = best_executable(venue, instrument, side) if worst != NO_PRICE else NO_PRICE
        return found, best, worst
    if has_ladder(venue, instrument):
        found, _, worst = depth(venue, instrument, side, lots, worst_ticks, 0)
        best, _ = best_level(venue, instrument, side)
        return found, best if worst != NO_PRICE else NO_PRICE, worst
    ticks, found = offer(venue, instrument, side, lots, worst_ticks)
    return found, ticks, ticks
