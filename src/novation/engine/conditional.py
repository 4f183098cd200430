"""Conditional orders: where they wait, when a price triggers them, and what becomes of them (docs/rules/book.md).

They stand in lists of the book's kind, by their trigger: those that wait for a price to fall, and to rise, by the last
price and by the mark. So the next to be triggered is the first of a list, and a cascade of stops looks at no other.
Trailing orders have no price to stand at: all are looked at when a price moves.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    OrderKind,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.engine.book import GROW, best_of, enter, first_at, price_after
from novation.engine.book_orders import looked_at, met_price, price_found, rises
from novation.engine.clearing import side_flag
from novation.engine.filters import take_bound
from novation.engine.layout import FALLING_LAST, FALLING_MARK, NO_PRICE, RISING_LAST, RISING_MARK, TRAILING
from novation.engine.ledger import next_event
from novation.engine.order_checks import as_cancelled, is_over, money_reason, reducible, status_reason, too_large
from novation.engine.orders import arrive_anew, cancel_order, count_closer, count_in
from novation.engine.phases import is_open
from novation.engine.reach import reach, reach_short_of_a_halt, word_on_self_trades
from novation.engine.state import (
    book_of,
    contract_,
    has_book,
    market_,
    order_,
    place_of,
    position_row_,
    resting_,
    row_of,
    side_,
    terms_of,
)
from novation.rules.integers import E8, mul_div, mul_div_ceil
from novation.rules.value import price_to_ticks

_LAST, _MARK = int(TriggerPrice.LAST), int(TriggerPrice.MARK)
_LIMIT, _PROTECTED = int(OrderKind.LIMIT), int(OrderKind.MARKET_PROTECTED)
_TRAILING_ORDER = int(TriggerKind.TRAILING)
_IOC, _FOK = int(TimeInForce.IOC), int(TimeInForce.FOK)
_TRADING, _PRE_DELIVERING = int(InstrumentStatus.TRADING), int(InstrumentStatus.PRE_DELIVERING)
_TRIGGERED = int(EventKind.ORDER_TRIGGERED)
_CANCEL_NO_OPPOSITE = int(CancelReason.NO_OPPOSITE)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)
_CANCEL_LARGE = int(CancelReason.NUMBER_TOO_LARGE)
_CANCEL_MINIMUM = int(CancelReason.MINIMUM_NOT_MET)


@kernel
def list_of(falls, by):
    """Which list of a book an order by its trigger stands in."""
    if falls:
        return FALLING_MARK if by == _MARK else FALLING_LAST
    return RISING_MARK if by == _MARK else RISING_LAST


@kernel
def wait_for_trigger(venue, row):
    """Let a conditional order wait in its list; False where the tables have to grow first."""
    o = order_(venue, row)
    which, ticks, key = TRAILING, 0, 0
    if o.trigger != _TRAILING_ORDER:
        which = list_of(not rises(o.trigger, o.side), o.trigger_by)
        ticks, key = o.trigger_e8 // contract_(venue, o.instrument).tick_e8, o.trigger_e8
    place = place_of(venue, o.instrument, which)
    resting = enter(venue, row, place, ticks, o.lots, 0, key)
    if resting == GROW:
        return False
    o.resting = resting
    if which == TRAILING:
        o.extreme_e8 = looked_at(venue, o.instrument, o.trigger_by)
    return True


@kernel
def follow(venue, instrument, by, x):
    """Trailing orders that look at a price remember it where it is better than all they have seen."""
    place = place_of(venue, instrument, TRAILING)
    if side_(venue, place).orders == 0:
        return
    row = first_at(venue, place, 0)
    while row >= 0:
        o = order_(venue, resting_(venue, row).owner)
        if o.trigger_by == by and (o.extreme_e8 == 0 or o.side * (o.extreme_e8 - x) > 0):
            o.extreme_e8 = x
        row = resting_(venue, row).next


@kernel
def mark_moved(venue, instrument):
    """A mark came: trailing orders follow it, and orders by the mark will be looked at."""
    if not has_book(venue, instrument):
        return
    follow(venue, instrument, _MARK, market_(venue, instrument).mark_e8)
    look_at_marks(venue, instrument)


@kernel
def look_at_marks(venue, instrument):
    """Have the orders of a book that wait for a mark looked at."""
    b = book_of(venue, instrument)
    if not b.elect_mark:
        b.elect_mark = 1
        venue.mark_elections += 1


@kernel
def look_again(venue, instrument):
    """Have the orders of a book that wait for a last price looked at."""
    b = book_of(venue, instrument)
    if not b.elect_last:
        b.elect_last = 1
        venue.elections += 1


@kernel
def has_come_back(o, x):
    """Whether a price has come so far back from the extreme of a trailing order that it triggers it."""
    if o.extreme_e8 == 0 or (o.trigger_e8 != 0 and o.side * (o.extreme_e8 - o.trigger_e8) > 0):
        return False
    if o.side > 0:
        return x >= mul_div_ceil(o.extreme_e8, E8 + o.callback_e8, E8)
    return x <= mul_div(o.extreme_e8, E8 - o.callback_e8, E8)


@kernel
def may_join(o, auction):
    """Whether an order may be triggered ahead of an auction: limit and protected ones that can stand in the book."""
    kind = o.kind == _LIMIT or o.kind == _PROTECTED
    return not auction or (kind and o.time_in_force != _IOC and o.time_in_force != _FOK)


@kernel
def is_protected(venue, o, by, x):
    """Whether an order waits on though its price is there, as last price and mark lie too far apart; x: that price."""
    if not o.price_protect:
        return False
    m = market_(venue, o.instrument)
    last_e8, mark_e8 = (m.last_e8, x) if by == _MARK else (x, m.mark_e8)
    most = mul_div(last_e8, book_of(venue, o.instrument).trigger_protect_e8, E8)
    return last_e8 == 0 or mark_e8 == 0 or abs(last_e8 - mark_e8) > most


@kernel
def may_be_triggered(venue, o, by, x, auction):
    """Whether an order whose price is there may be triggered now."""
    return may_join(o, auction) and not is_protected(venue, o, by, x)


@kernel
def is_alive(venue, instrument):
    """Whether orders of an instrument can be triggered at this point of its life."""
    status = market_(venue, instrument).status
    return (status == _TRADING or status == _PRE_DELIVERING) and not is_over(venue, instrument)


@kernel
def next_triggered(venue, instrument, by, x, auction):
    """Row, in its list, of the next order that a price triggers; -1 without one."""
    if x == 0 or not is_open(venue, instrument) or not is_alive(venue, instrument):
        return -1
    for falls in (1, 0):
        place = place_of(venue, instrument, list_of(falls, by))
        ticks, reached = best_of(venue, place), True
        while reached and ticks != NO_PRICE:
            row = first_at(venue, place, ticks)
            while reached and row >= 0:
                r = resting_(venue, row)
                reached = x <= r.key if falls else x >= r.key
                if reached and may_be_triggered(venue, order_(venue, r.owner), by, x, auction):
                    return row
                row = r.next
            ticks = price_after(venue, place, ticks)
    place = place_of(venue, instrument, TRAILING)
    if side_(venue, place).orders == 0:
        return -1
    row = first_at(venue, place, 0)
    while row >= 0:
        o = order_(venue, resting_(venue, row).owner)
        if o.trigger_by == by and has_come_back(o, x) and may_join(o, auction):
            return row
        row = resting_(venue, row).next
    return -1


@kernel
def election_unit(venue, by):
    """Trigger one conditional order of the first market whose price has moved, or find that none is."""
    for instrument in range(venue.instruments):
        if has_book(venue, instrument):
            b = book_of(venue, instrument)
            if b.elect_mark if by == _MARK else b.elect_last:
                x = looked_at(venue, instrument, by)
                row = next_triggered(venue, instrument, by, x, 0)
                if by == _LAST and (row < 0 or b.cascade_ticks == 0):
                    b.cascade_ticks = x // contract_(venue, instrument).tick_e8 if row >= 0 else 0
                if row >= 0:
                    trigger(venue, resting_(venue, row).owner, x)
                elif by == _MARK:
                    b.elect_mark = 0
                    venue.mark_elections -= 1
                    if b.trigger_protect_e8 > 0:
                        look_again(venue, instrument)
                else:
                    b.elect_last = 0
                    venue.elections -= 1
                return


@kernel
def begin_trigger(venue, row, x):
    """A price triggers an order, which arrives now: what it is by now, and the event that says so."""
    o = order_(venue, row)
    at = row_of(venue, o.account, o.instrument, o.leg)
    if o.close_position:
        o.lots = abs(position_row_(venue, at).lots)
    arrive_anew(venue, row)
    e = next_event(venue, _TRIGGERED, o.account, o.instrument)
    e.order = o.id
    e.lots = o.side * o.lots
    e.price_ticks = o.price_ticks
    e.price_e8 = x
    e.flags = side_flag(venue, position_row_(venue, at))


@kernel
def whole_cause(venue, row):
    """Why a triggered order is cancelled for what it is of its position, or for its size; 0 if it is not."""
    o = order_(venue, row)
    at = row_of(venue, o.account, o.instrument, o.leg)
    opening, _, _ = status_reason(venue, at, o.side * o.lots, o.lots)
    if opening != 0 or (o.reduce_only and not o.close_position and o.lots > reducible(venue, at, o.side, -1)):
        return _CANCEL_NOT_REDUCING
    if too_large(venue, at, o.side, o.lots, o.price_ticks):
        return _CANCEL_LARGE
    return 0


@kernel
def money_cause(venue, row, best, worst):
    """Why a triggered order is cancelled that trades now from a best to a worst price (NO_PRICE: not at all), for its
    notional, margin or size; 0 if it is not."""
    o = order_(venue, row)
    at = row_of(venue, o.account, o.instrument, o.leg)
    reason, _, _ = money_reason(venue, at, o.side, o.kind, o.lots, o.price_ticks, o.reduce_only, best, worst)
    return 0 if reason == 0 else as_cancelled(reason)


@kernel
def end_trigger(venue, row):
    """A triggered order is an order like any other from now on."""
    o = order_(venue, row)
    count_closer(venue, o)
    o.trigger = 0
    count_in(venue, row)


@kernel
def trigger(venue, row, x):
    """A price triggers an order, which arrives now, or is cancelled for what an order that arrives is refused for."""
    o = order_(venue, row)
    instrument, side = o.instrument, o.side
    if o.kind > _LIMIT:
        from_ticks = NO_PRICE
        if o.kind == _PROTECTED:
            from_e8 = x if o.trigger == _TRAILING_ORDER else o.trigger_e8
            tick_e8, step = contract_(venue, instrument).tick_e8, terms_of(venue, instrument).tick_step
            from_ticks = price_to_ticks(from_e8, tick_e8, step, -side)
        elif met_price(venue, instrument, side, o.kind) == NO_PRICE:
            cancel_order(venue, row, _CANCEL_NO_OPPOSITE)
            return
        o.price_ticks = price_found(venue, instrument, side, o.kind, from_ticks)
        o.kind = _LIMIT
    begin_trigger(venue, row, x)
    limit_ticks = o.price_ticks if o.kind == _LIMIT else take_bound(venue, instrument, side)
    cause = whole_cause(venue, row)
    if cause == 0:
        found, best, worst, lots = 0, NO_PRICE, NO_PRICE, o.lots
        if not venue.auctioning:
            booked = has_book(venue, instrument)
            word = word_on_self_trades(venue, instrument, o.self_trade, o.time_in_force) if booked else 0
            if o.gives_way:
                found, best, worst = reach_short_of_a_halt(venue, instrument, side, lots, limit_ticks, o.account, word)
            else:
                found, best, worst = reach(venue, instrument, side, lots, limit_ticks, o.account, word)
        cause = money_cause(venue, row, best, worst)
        if cause == 0 and o.time_in_force == _FOK and found < o.lots:
            cause = _CANCEL_MINIMUM
    if cause != 0:
        cancel_order(venue, row, cause)
        return
    end_trigger(venue, row)
    venue.taking = row
