"""What an order on a book is asked beside what every order is: its kind, its time in force, its trigger
(docs/rules/book.md, "An order arrives"); and what one on bars that waits for a price is (docs/rules/fills.md)."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import OrderKind, RejectReason, SelfTrade, TimeInForce, TriggerKind, TriggerPrice
from novation.engine.executable import best_executable, nth_executable
from novation.engine.layout import NO_PRICE
from novation.engine.liquidity import has_ladder, within
from novation.engine.phases import is_open, within_limits
from novation.engine.state import book_of, contract_, has_book, market_, terms_of
from novation.rules.integers import E8
from novation.rules.price_banding import protected_limit

_MARKET, _LIMIT = int(OrderKind.MARKET), int(OrderKind.LIMIT)
_PROTECTED = int(OrderKind.MARKET_PROTECTED)
_OPPONENT_5, _OPPONENT_10 = int(OrderKind.OPPONENT_5), int(OrderKind.OPPONENT_10)
_OPPONENT_20, _QUEUE = int(OrderKind.OPPONENT_20), int(OrderKind.QUEUE)
_QUEUE_5, _QUEUE_10, _QUEUE_20 = int(OrderKind.QUEUE_5), int(OrderKind.QUEUE_10), int(OrderKind.QUEUE_20)
_GTD, _IOC = int(TimeInForce.GTD), int(TimeInForce.IOC)
_FOK, _POST_ONLY = int(TimeInForce.FOK), int(TimeInForce.POST_ONLY)
_STOP, _TAKE_PROFIT, _TRAILING = int(TriggerKind.STOP), int(TriggerKind.TAKE_PROFIT), int(TriggerKind.TRAILING)
_LAST, _MARK = int(TriggerPrice.LAST), int(TriggerPrice.MARK)
_CANCEL_BOTH = int(SelfTrade.CANCEL_BOTH)
_NO_BOOK = int(RejectReason.NO_BOOK)
_BAD_ORDER_KIND = int(RejectReason.BAD_ORDER_KIND)
_BAD_TIME_IN_FORCE = int(RejectReason.BAD_TIME_IN_FORCE)
_IMMEDIATE_BEFORE_OPEN = int(RejectReason.IMMEDIATE_BEFORE_OPEN)
_BAD_DISPLAY = int(RejectReason.BAD_DISPLAY)
_BAD_MINIMUM = int(RejectReason.BAD_MINIMUM)
_BAD_TRIGGER = int(RejectReason.BAD_TRIGGER)
_BAD_SELF_TRADE = int(RejectReason.BAD_SELF_TRADE)
_WOULD_TRIGGER = int(RejectReason.WOULD_TRIGGER)
_NO_OPPOSITE = int(RejectReason.NO_OPPOSITE)
_WOULD_TAKE = int(RejectReason.WOULD_TAKE)
_NOT_FILLABLE = int(RejectReason.NOT_FILLABLE)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
#: Highest trigger in 1e-8.
_TOP_E8 = 1 << 53
#: Ticks from the market that a price may be away.
FURTHEST = 1 << 26


@kernel
def is_plain(c):
    """Whether a command asks for nothing that only a book has."""
    waits = c.time_in_force | c.expire_ns | c.display_lots | c.min_lots
    waits |= c.trigger | c.trigger_e8 | c.trigger_by | c.callback_e8
    return (waits | c.self_trade | c.close_position | c.price_protect) == 0


@kernel
def waits_on_bars(c):
    """Whether a command asks for a trigger that orders on bars have, and for nothing else that only a book has."""
    more = c.time_in_force | c.expire_ns | c.display_lots | c.min_lots
    more |= c.callback_e8 | c.self_trade | c.price_protect
    return more == 0 and (c.trigger == _STOP or c.trigger == _TAKE_PROFIT)


@kernel
def bar_trigger_reason(venue, c):
    """Why the trigger of an order on bars is refused."""
    if c.trigger_e8 <= 0 or c.trigger_e8 > _TOP_E8 or (c.trigger_by != _LAST and c.trigger_by != _MARK):
        return _BAD_TRIGGER, c.trigger, c.trigger_e8
    return reached_reason(venue, c)


@kernel
def reached_reason(venue, c):
    """Whether the price that an order waits for is there already."""
    x = looked_at(venue, c.instrument, c.trigger_by)
    if x != 0 and would_trigger(c, x):
        return _WOULD_TRIGGER, c.trigger_e8, x
    return 0, 0, 0


@kernel
def kind_reason(venue, c):
    """Why the kind of an order is refused, what it waits for, what it has to do with a book, or why its other side is
    missing."""
    known = _MARKET <= c.order_kind <= _QUEUE_20
    if not has_book(venue, c.instrument):
        waits = waits_on_bars(c) and not has_ladder(venue, c.instrument)
        if not is_plain(c) and not waits:
            return _NO_BOOK, c.instrument, 0
        if c.order_kind != _MARKET and c.order_kind != _LIMIT:
            return _BAD_ORDER_KIND, c.order_kind, 0
        if waits:
            return bar_trigger_reason(venue, c)
        return 0, 0, 0
    b = book_of(venue, c.instrument)
    if (
        not known
        or (c.order_kind == _MARKET and not b.market_orders)
        or (c.order_kind == _PROTECTED and b.protection_ticks == 0)
        or (c.order_kind > _PROTECTED and not b.price_match)
        or (_PROTECTED < c.order_kind < _QUEUE and which_price(c.order_kind) > b.opponent_most)
    ):
        return _BAD_ORDER_KIND, c.order_kind, 0
    reason, value, limit = terms_reason(venue, c)
    if reason == 0:
        reason, value, limit = trigger_reason(venue, c)
    if reason == 0 and c.order_kind > _LIMIT and c.trigger == 0:
        if met_price(venue, c.instrument, 1 if c.side > 0 else -1, c.order_kind) == NO_PRICE:
            return _NO_OPPOSITE, c.order_kind, 0
    return reason, value, limit


@kernel
def terms_reason(venue, c):
    """Why the time in force, the display or the minimum of an order is refused."""
    tif, open_now = c.time_in_force, is_open(venue, c.instrument)
    m, b = market_(venue, c.instrument), book_of(venue, c.instrument)
    if (
        tif < 0
        or tif > _POST_ONLY
        or (c.expire_ns <= venue.clock_ns + b.least_gtd_ns if tif == _GTD else c.expire_ns != 0)
        or (tif == _POST_ONLY and ((c.order_kind != _LIMIT and c.order_kind <= _PROTECTED) or c.trigger != 0))
    ):
        return _BAD_TIME_IN_FORCE, tif, c.expire_ns
    at_once = tif == _IOC or tif == _FOK
    if at_once and c.trigger == 0 and not open_now:
        return _IMMEDIATE_BEFORE_OPEN, m.phase, m.halt
    hides = c.display_lots > 0
    if c.display_lots < 0 or (hides and (c.display_lots > c.lots or c.order_kind == _MARKET or at_once)):
        return _BAD_DISPLAY, c.display_lots, c.lots
    if c.min_lots < 0 or (c.min_lots > 0 and c.min_lots > c.lots):
        return _BAD_MINIMUM, c.min_lots, c.lots
    if c.min_lots > 0 and (tif == _FOK or tif == _POST_ONLY or c.trigger != 0 or not open_now):
        return _BAD_MINIMUM, c.min_lots, c.lots
    return 0, 0, 0


@kernel
def trigger_reason(venue, c):
    """Why the trigger of an order, or its word on self-trades, is refused."""
    wrong = c.trigger < 0 or c.trigger > _TRAILING or c.trigger_by < 0 or c.trigger_by > _MARK
    wrong = wrong or c.trigger_e8 < 0 or c.trigger_e8 > _TOP_E8
    if c.trigger == 0:
        wrong = wrong or c.trigger_e8 != 0 or c.trigger_by != 0 or c.callback_e8 != 0
    elif c.trigger == _TRAILING:
        b = book_of(venue, c.instrument)
        most = b.most_callback_e8 if b.most_callback_e8 > 0 else E8
        wrong = wrong or c.callback_e8 < max(1, b.least_callback_e8) or c.callback_e8 > min(most, E8)
    else:
        wrong = wrong or c.trigger_e8 == 0 or c.callback_e8 != 0
    if c.price_protect != 0:
        may_be = c.price_protect == 1 and book_of(venue, c.instrument).trigger_protect_e8 > 0
        wrong = wrong or not may_be or c.trigger == 0 or c.trigger == _TRAILING
    if wrong:
        return _BAD_TRIGGER, c.trigger, c.trigger_e8
    if c.order_kind == _LIMIT:
        reason, value, limit = far_reason(venue, c.instrument, c.price_ticks)
        if reason != 0:
            return reason, value, limit
    if c.trigger_e8 != 0:
        ticks = c.trigger_e8 // contract_(venue, c.instrument).tick_e8
        reason, value, limit = far_reason(venue, c.instrument, ticks)
        if reason != 0:
            return reason, value, limit
    if c.self_trade < 0 or c.self_trade > _CANCEL_BOTH:
        return _BAD_SELF_TRADE, c.self_trade, 0
    if c.trigger != 0:
        return reached_reason(venue, c)
    return 0, 0, 0


@kernel
def far_reason(venue, instrument, ticks):
    """Whether a price is so far from the market that the lists of a book have no room for all that lies between."""
    m = market_(venue, instrument)
    centre = (m.last_e8 if m.last_e8 != 0 else m.mark_e8) // contract_(venue, instrument).tick_e8
    if abs(ticks - centre) <= FURTHEST:
        return 0, 0, 0
    return _NUMBER_TOO_LARGE, ticks, centre + FURTHEST if ticks > centre else centre - FURTHEST


@kernel
def looked_at(venue, instrument, by):
    """The price that conditional orders of a kind look at, 0 while there is none."""
    m = market_(venue, instrument)
    return m.mark_e8 if by == _MARK else m.last_e8


@kernel
def rises(kind, side):
    """Whether a conditional order waits for a price to rise: a stop to buy, a take-profit to sell."""
    return (side > 0) == (kind == _STOP)


@kernel
def is_there(kind, side, trigger_e8, x):
    """Whether a price has reached, or passed, the trigger of a stop or a take-profit order."""
    return x >= trigger_e8 if rises(kind, side) else x <= trigger_e8


@kernel
def would_trigger(c, x):
    """Whether a trigger is reached before it is set, or an activation price lies on the wrong side."""
    if c.trigger == _TRAILING:
        if c.trigger_e8 == 0:
            return False
        return c.trigger_e8 >= x if c.side > 0 else c.trigger_e8 <= x
    return is_there(c.trigger, c.side, c.trigger_e8, x)


@kernel
def met_price(venue, instrument, side, kind):
    """The price of a side that an order of a kind without a price of its own finds it by, NO_PRICE where there is
    none."""
    if kind >= _QUEUE:
        side = -side
    return nth_executable(venue, instrument, side, which_price(kind))


@kernel
def which_price(kind):
    """The how-manieth price an order of a kind asks for."""
    if kind == _OPPONENT_5 or kind == _QUEUE_5:
        return 5
    if kind == _OPPONENT_10 or kind == _QUEUE_10:
        return 10
    return 20 if kind == _OPPONENT_20 or kind == _QUEUE_20 else 1


@kernel
def price_found(venue, instrument, side, kind, from_ticks):
    """The limit of an order that finds its own: the price that it meets, or `from_ticks`, and, protected, so many ticks
    beyond it; on the tick in force and within the price limits."""
    side = 1 if side > 0 else -1
    ticks, step = from_ticks, terms_of(venue, instrument).tick_step
    if ticks == NO_PRICE:
        ticks = met_price(venue, instrument, side, kind)
    ticks -= side * (side * ticks % step)
    if kind == _PROTECTED:
        ticks = protected_limit(side, ticks, book_of(venue, instrument).protection_ticks)
        ticks -= side * (side * ticks % step)
    return max(step, within_limits(venue, instrument, side, ticks))


@kernel
def whole_reason(venue, c, price_ticks, found):
    """Why an order is refused that must not take, or must be filled whole at once, of which `found` lots can be had;
    and whether, though it is taken, it is cancelled at once as that is too little."""
    if c.time_in_force == _POST_ONLY and is_open(venue, c.instrument):
        best = best_executable(venue, c.instrument, c.side)
        if within(c.side, best, price_ticks):
            return _WOULD_TAKE, price_ticks, best, 0
    needed = c.lots if c.time_in_force == _FOK else c.min_lots
    if found >= needed:
        return 0, 0, 0, 0
    if c.time_in_force == _FOK and book_of(venue, c.instrument).refuse_unfillable:
        return _NOT_FILLABLE, c.lots, found, 0
    return 0, 0, 0, 1
