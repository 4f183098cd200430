"""Matching on a book, one maker at a time (docs/rules/book.md, "Taking").

The taker is a working order of its own, in the head's field `taking`: each unit trades with one order, cancels one, or
lets what is left of the taker stand or go. A liquidation is a taker without an order (`meet_first`).
Where shares are given out (`shares`), they stand in the makers' rows until all have traded.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, OrderKind, SelfTrade, TimeInForce, TriggerPrice
from novation.domain.events import MAKER
from novation.engine.book import (
    GROW,
    enter,
    free,
    leave,
    page_ready,
    part,
    queue_at,
    shrink,
    side_place,
    stand,
)
from novation.engine.conditional import follow, look_again, look_at_marks, wait_for_trigger
from novation.engine.executable import best_executable, first_executable
from novation.engine.filters import take_bound
from novation.engine.halting import halt, too_far, traded
from novation.engine.layout import NO_PRICE
from novation.engine.liquidity import within
from novation.engine.orders import cancel_order, trade
from novation.engine.phases import is_open
from novation.engine.reach import is_of, may_trade, own_at, word_on_self_trades
from novation.engine.shares import give_out
from novation.engine.state import book_of, contract_, market_, order_, position_row_, price_, resting_, row_of

_MARKET = int(OrderKind.MARKET)
_LAST = int(TriggerPrice.LAST)
#: Before lots are given out: the taker's own orders at the price are cancelled, one by one (`giving`).
_PREVENTING = -2
_IOC, _FOK = int(TimeInForce.IOC), int(TimeInForce.FOK)
_TRADE, _CANCEL_TAKER = int(SelfTrade.TRADE), int(SelfTrade.CANCEL_TAKER)
_CANCEL_MAKER = int(SelfTrade.CANCEL_MAKER)
_CANCEL_SELF_TRADE = int(CancelReason.SELF_TRADE)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)
_CANCEL_NO_LIQUIDITY = int(CancelReason.NO_LIQUIDITY)
_CANCEL_BEYOND = int(CancelReason.BEYOND_TAKE_BOUND)
_CANCEL_WOULD_HALT = int(CancelReason.WOULD_HALT)
_CANCEL_UNFILLED = int(CancelReason.UNFILLED)


@kernel
def book_unit(venue):
    """One step of the order in hand: a trade with one maker, an order cancelled, or the end of its taking."""
    row = venue.taking
    o = order_(venue, row)
    if o.trigger != 0:
        if wait_for_trigger(venue, row):
            venue.taking = -1
        return
    ticks = NO_PRICE
    if is_open(venue, o.instrument) and not venue.auctioning:
        ticks = best_executable(venue, o.instrument, o.side)
    worst_ticks = o.price_ticks if o.kind != _MARKET else take_bound(venue, o.instrument, o.side)
    if not within(o.side, ticks, worst_ticks):
        settle_rest(venue, row, ticks)
        return
    why = too_far(venue, o.instrument, ticks) if venue.giving < 0 else 0
    if why != 0:
        venue.giving = -1
        if o.gives_way:
            venue.taking = -1
            cancel_order(venue, row, _CANCEL_WOULD_HALT)
        else:
            halt(venue, o.instrument, why)
        return
    queue = price_(venue, queue_at(venue, side_place(venue, o.instrument, -o.side), ticks))
    by_time = book_of(venue, o.instrument).by_time or o.lots >= queue.lots + queue.hidden
    if venue.giving == _PREVENTING and ticks != venue.prevented_ticks:
        venue.giving = -1
    if venue.giving == _PREVENTING or (venue.giving < 0 and not by_time):
        own = own_maker(venue, o, queue.first, True)
        if own >= 0 or venue.giving == _PREVENTING:
            venue.giving = _PREVENTING if own >= 0 else -1
            venue.prevented_ticks = ticks
            if own >= 0:
                prevent(venue, row, own)
            return
        venue.giving = give_out(venue, o.instrument, queue, o.lots)
    maker = queue.first
    lots = min(o.lots, resting_(venue, maker).shown)
    if venue.giving >= 0:
        maker = venue.giving
        r = resting_(venue, maker)
        lots = r.given
        r.given = 0
        venue.giving = next_given(venue, r.next)
    elif own_maker(venue, o, maker, False) >= 0:
        prevent(venue, row, maker)
        return
    if opens(venue, maker):
        cancel_order(venue, resting_(venue, maker).owner, _CANCEL_NOT_REDUCING)
        return
    if lots == o.lots:
        venue.taking = -1
    happened(venue, o.instrument, ticks)
    price_e8 = market_(venue, o.instrument).last_e8
    trade(venue, row, lots, ticks, price_e8, 0)
    if resting_(venue, maker).owner < 0:
        lose_to_taker(venue, maker, lots)
    else:
        venue.paired = 1
        meet(venue, maker, lots, price_e8)


@kernel
def next_given(venue, row):
    """The next order from a row on that a share was given to, -1 after the last."""
    while row >= 0 and resting_(venue, row).given == 0:
        row = resting_(venue, row).next
    return row


@kernel
def happened(venue, instrument, ticks):
    """A trade at a price: it is the last one, and conditional orders have to be looked at."""
    price_e8 = ticks * contract_(venue, instrument).tick_e8
    market_(venue, instrument).last_e8 = price_e8
    traded(venue, instrument, ticks)
    if venue.working > 0:
        follow(venue, instrument, _LAST, price_e8)
        look_again(venue, instrument)
        if book_of(venue, instrument).trigger_protect_e8 > 0:  # orders by the mark may have waited for this price
            look_at_marks(venue, instrument)


@kernel
def meet(venue, maker, lots, price_e8):
    """The maker's part of a trade. Its last lot takes it out of its queue; when it shows nothing and hides lots, it
    shows more, last at its price."""
    r = resting_(venue, maker)
    if r.hidden == 0 or r.shown > lots:
        shrink(venue, maker, lots)
    else:
        o = order_(venue, r.owner)
        part(venue, maker)
        r.shown = min(o.display_lots, r.hidden)
        r.hidden -= r.shown
        page_ready(venue, r.place, r.ticks)  # always: its page was there
        o.ahead_rest = 0
        stand(venue, maker)
    trade(venue, r.owner, lots, r.ticks, price_e8, MAKER)


@kernel
def lose_to_taker(venue, maker, lots):
    """An account takes lots of what an order of a record shows."""
    r = resting_(venue, maker)
    r.taken += lots
    if lots == r.shown:
        leave(venue, maker)
        r.shown = 0
        if r.recorded == 0:  # a level, which will be told anew: its row is not a slot's
            free(venue, maker)
    else:
        shrink(venue, maker, lots)


@kernel
def opens(venue, maker):
    """Whether an order may only reduce, and with all of its lots would not."""
    if resting_(venue, maker).owner < 0:
        return False
    o = order_(venue, resting_(venue, maker).owner)
    return not may_trade(o, position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)).lots)


@kernel
def own_maker(venue, o, maker, all_of_them):
    """An order of the taker's account that it must not trade with: the one in hand, or the first of all from it on; -1
    without one."""
    if word_on_self_trades(venue, o.instrument, o.self_trade, o.time_in_force) == _TRADE:
        return -1
    if all_of_them:
        return own_at(venue, maker, o.account)
    return maker if is_of(venue, maker, o.account) else -1


@kernel
def prevent(venue, taker, maker):
    """Cancel what the taker's word on self-trades says: the maker ahead of the taker."""
    o = order_(venue, taker)
    word = word_on_self_trades(venue, o.instrument, o.self_trade, o.time_in_force)
    if word != _CANCEL_TAKER:
        cancel_order(venue, resting_(venue, maker).owner, _CANCEL_SELF_TRADE)
    if word != _CANCEL_MAKER:
        venue.taking = -1
        venue.giving = -1
        cancel_order(venue, taker, _CANCEL_SELF_TRADE)


@kernel
def settle_rest(venue, row, ticks):
    """Nothing more can be had: what is left of an order stands last at its price, or is cancelled.

    ticks: the best price of the other side, NO_PRICE where nobody is.
    """
    o = order_(venue, row)
    venue.giving = -1
    at_once = (o.time_in_force == _IOC or o.time_in_force == _FOK) and not venue.auctioning
    if o.kind == _MARKET or at_once:
        venue.taking = -1
        cause = _CANCEL_UNFILLED
        if o.kind == _MARKET:
            cause = _CANCEL_NO_LIQUIDITY if ticks == NO_PRICE else _CANCEL_BEYOND
        cancel_order(venue, row, cause)
        return
    place = side_place(venue, o.instrument, o.side)
    shown = min(o.display_lots, o.lots) if o.display_lots > 0 else o.lots
    resting = enter(venue, row, place, o.price_ticks, shown, o.lots - shown, 0)
    if resting != GROW:
        o.resting = resting
        o.gives_way = 0
        if o.reduce_only:
            book_of(venue, o.instrument).reducing += 1
        venue.taking = -1


@kernel
def clear_first(venue, instrument, side):
    """Cancel the first order that a liquidation would meet, if it may only reduce and would not; whether it was."""
    maker = first_executable(venue, instrument, side)
    if maker < 0 or not is_open(venue, instrument) or not opens(venue, maker):
        return False
    cancel_order(venue, resting_(venue, maker).owner, _CANCEL_NOT_REDUCING)
    return True


@kernel
def meet_first(venue, instrument, side, lots, ticks):
    """A liquidation trades with the first order of a book, no more than it shows; the fill of who is closed out is the
    other side of the trade."""
    maker = first_executable(venue, instrument, side)
    happened(venue, instrument, ticks)
    if resting_(venue, maker).owner < 0:
        lose_to_taker(venue, maker, lots)
    else:
        meet(venue, maker, lots, market_(venue, instrument).last_e8)
        venue.paired = 1
