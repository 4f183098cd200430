"""Commands: the checks in the venue's order, and the life of an order from acceptance to fill or cancellation.

Bar fills, in one place (docs/rules/fills.md):
* `on_bar` sees a bar at its close; what it sends arrives after that, at the same instant;
* a market order trades at the open of the bar that opens at its instant, or else of the next one, plus half the
  spread, on the tick against it;
* a limit order that the open already crosses on arrival takes, as a market order does; otherwise it rests and trades
  when a later bar trades *through* it, at its price, or at the open if that is better.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    InstrumentStatus,
    MarginMethod,
    MarginScope,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.domain.events import MAKER, REDUCE_ONLY, TRANSFERRED
from novation.engine.clearing import fee_of, fill, link, side_flag, unlink_if_flat
from novation.engine.ledger import next_event
from novation.engine.liquidity import has_ladder, offer, reach, take
from novation.engine.order_margin import assumed_for, risk_reason
from novation.engine.parametric import ANY_PRICE, NO_PRICE
from novation.engine.phases import phase_reason, price_reason
from novation.engine.state import account_, contract_, market_, order_, position_row_, row_of, terms_of
from novation.rules.clearing import closed_lots
from novation.rules.integers import E8, sign
from novation.rules.value import signed_value, value_rem

_ISOLATED = int(MarginScope.ISOLATED)
_TIERED = int(MarginMethod.TIERED)
_MARKET = int(OrderKind.MARKET)
_LIMIT = int(OrderKind.LIMIT)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_COMMAND_REJECTED = int(EventKind.COMMAND_REJECTED)
_TRANSFER_POSITION = int(CommandKind.TRANSFER_POSITION)
_REJECTED = int(EventKind.ORDER_REJECTED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)
_NO_TERMS = int(RejectReason.NO_TERMS)
_NOT_TRADING = int(RejectReason.NOT_TRADING)
_OPENING_NOT_ALLOWED = int(RejectReason.OPENING_NOT_ALLOWED)
_TRADING = int(InstrumentStatus.TRADING)
_PRE_DELIVERING = int(InstrumentStatus.PRE_DELIVERING)
_QTY_NOT_POSITIVE = int(RejectReason.QTY_NOT_POSITIVE)
_QTY_BELOW_MIN = int(RejectReason.QTY_BELOW_MIN)
_QTY_ABOVE_MAX = int(RejectReason.QTY_ABOVE_MAX)
_PRICE_NOT_POSITIVE = int(RejectReason.PRICE_NOT_POSITIVE)
_PRICE_OFF_TICK = int(RejectReason.PRICE_OFF_TICK)
_MIN_NOTIONAL = int(RejectReason.MIN_NOTIONAL)
_BAD_ORDER_KIND = int(RejectReason.BAD_ORDER_KIND)
_INSUFFICIENT_MARGIN = int(RejectReason.INSUFFICIENT_MARGIN)
_POSITION_LIMIT = int(RejectReason.POSITION_LIMIT)
_WRONG_POSITION_SIDE = int(RejectReason.WRONG_POSITION_SIDE)
_REDUCE_ONLY_NOT_OFFERED = int(RejectReason.REDUCE_ONLY_NOT_OFFERED)
_BOTH, _LONG, _SHORT = int(PositionSide.BOTH), int(PositionSide.LONG), int(PositionSide.SHORT)
_WOULD_NOT_REDUCE = int(RejectReason.WOULD_NOT_REDUCE)
_ENTRY_OFF_MARKET = int(RejectReason.ENTRY_OFF_MARKET)
_OPEN_POSITION = int(RejectReason.OPEN_POSITION)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
_CANCEL_MARGIN = int(CancelReason.INSUFFICIENT_MARGIN)
_CANCEL_LIMIT = int(CancelReason.POSITION_LIMIT)
_CANCEL_NOTIONAL = int(CancelReason.MIN_NOTIONAL)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)
_CANCEL_NO_LIQUIDITY = int(CancelReason.NO_LIQUIDITY)
_CANCEL_LARGE = int(CancelReason.NUMBER_TOO_LARGE)
#: Lots times their value per 1.00 of price, where the two are multiplied.
_PRODUCT = (1 << 62) - 1
#: Values are kept below 2**62. Up to this value a position may be opened: a price twenty times higher then still fits.
_LARGE = 200_000_000_000_000_000
#: Highest limit price in 1e-8: beyond it products with sizes leave int64.
_TOP_E8 = 1 << 53


@kernel
def reject(venue, account, instrument, order, lots, price_ticks, reason, value, limit):
    """Refuse an order."""
    e = next_event(venue, _REJECTED, account, instrument)
    e.order = order
    e.lots = lots
    e.price_ticks = price_ticks
    e.reason = reason
    e.amount = value
    e.cost = limit
    return e


@kernel
def rest(venue, identity, row_of_position, side, kind, lots, price_ticks, reduce_only, hold, after):
    """Put an order at the end of the working lists; the price it is assumed to fill at is that of its arrival."""
    p = position_row_(venue, row_of_position)
    row = venue.free_order
    o = order_(venue, row)
    venue.free_order = o.next
    venue.working += 1
    o.id = identity
    o.account = p.account
    o.instrument = p.instrument
    o.leg = p.leg
    o.side = side
    o.kind = kind
    o.lots = lots
    o.price_ticks = price_ticks
    o.reduce_only = reduce_only
    o.arrival_ns = venue.clock_ns
    o.held = 1 if kind == _MARKET and (hold or venue.hold_orders) else 0
    o.after = after
    o.assumed_e8 = 0 if kind == _MARKET else assumed_for(venue, p.instrument, kind, side, price_ticks)
    o.next = -1
    o.previous = venue.last_order
    if venue.last_order >= 0:
        order_(venue, venue.last_order).next = row
    else:
        venue.first_order = row
    venue.last_order = row
    a = account_(venue, p.account)
    o.own_next = -1
    o.own_previous = a.last_order
    if a.last_order >= 0:
        order_(venue, a.last_order).own_next = row
    else:
        a.first_order = row
    a.last_order = row
    reserve(venue, row, 1)


@kernel
def reserve(venue, row, direction):
    """Count a limit order (direction 1) or stop counting it (-1) in the margin of its position.

    A waiting market order reserves nothing: it is checked when it meets its price. Nor does one that only reduces.
    """
    o = order_(venue, row)
    if o.kind == _MARKET or o.reduce_only:
        return
    position_row = row_of(venue, o.account, o.instrument, o.leg)
    p = position_row_(venue, position_row)
    value, _ = value_rem(o.assumed_e8, o.lots, contract_(venue, o.instrument).lot_value)
    if o.side > 0:
        p.bid_lots += direction * o.lots
        p.bid_value += direction * value
    else:
        p.ask_lots += direction * o.lots
        p.ask_value += direction * value
    if direction > 0:
        link(venue, position_row)
    else:
        unlink_if_flat(venue, position_row)


@kernel
def remove(venue, row):
    """Take an order off the working lists and give its row back."""
    reserve(venue, row, -1)
    o = order_(venue, row)
    if o.previous >= 0:
        order_(venue, o.previous).next = o.next
    else:
        venue.first_order = o.next
    if o.next >= 0:
        order_(venue, o.next).previous = o.previous
    else:
        venue.last_order = o.previous
    a = account_(venue, o.account)
    if o.own_previous >= 0:
        order_(venue, o.own_previous).own_next = o.own_next
    else:
        a.first_order = o.own_next
    if o.own_next >= 0:
        order_(venue, o.own_next).own_previous = o.own_previous
    else:
        a.last_order = o.own_previous
    if venue.next_order == row:
        venue.next_order = o.next
    o.next = venue.free_order
    venue.free_order = row
    venue.working -= 1


@kernel
def cancel_order(venue, row, reason):
    """Cancel a working order."""
    o = order_(venue, row)
    e = next_event(venue, _CANCELLED, o.account, o.instrument)
    e.order = o.id
    e.lots = o.side * o.lots
    e.price_ticks = o.price_ticks
    e.reason = reason
    e.flags = side_flag(venue, position_row_(venue, row_of(venue, o.account, o.instrument, o.leg)))
    remove(venue, row)


@kernel
def find_order(venue, account, identity):
    """Row of a working order of an account by its id, -1 if it has none of that id."""
    row = account_(venue, account).last_order
    while row >= 0 and order_(venue, row).id != identity:
        row = order_(venue, row).own_previous
    return row


@kernel
def waits(venue, account, after):
    """Whether an order has to wait for another one of its account, which still works."""
    return after != 0 and find_order(venue, account, after) >= 0


@kernel
def notional_reason(venue, row, lots, price_ticks):
    """Below the smallest notional, unless the trade only reduces the position."""
    p = position_row_(venue, row)
    smallest = terms_of(venue, p.instrument).min_notional
    if smallest == 0 or closed_lots(p.lots, lots) == abs(lots):
        return 0, 0, 0
    value = abs(lots) * price_ticks * contract_(venue, p.instrument).tick_value
    if value < smallest:
        return _MIN_NOTIONAL, value, smallest
    return 0, 0, 0


@kernel
def too_large(venue, row, side, lots, price_ticks):
    """Whether all that could be held with `lots` more leaves the integers, at the highest price known now."""
    p = position_row_(venue, row)
    c = contract_(venue, p.instrument)
    m = market_(venue, p.instrument)
    price_e8 = max(price_ticks * c.tick_e8, m.mark_e8, m.last_e8)
    if closed_lots(p.lots, side * lots) == lots:
        return False  # a pure reduction is never too large
    most = abs(p.lots) + p.bid_lots + p.ask_lots + lots
    a_lot = terms_of(venue, p.instrument).initial_per_lot
    if c.method != _TIERED and a_lot > 0 and most > _LARGE // a_lot:
        return True
    if c.lot_value % E8 != 0 and most > _PRODUCT // c.lot_value:
        return True
    # the estimate keeps the exact product inside int64
    if float(price_e8) * float(most) * float(c.lot_value) / float(E8) > 2.0 * _LARGE:
        return True
    worth, _ = signed_value(price_e8, most, c.lot_value)
    return worth > _LARGE


@kernel
def closes(hedge, side, position_side):
    """Whether an order of an account in hedge mode closes: a sale of the long position, a purchase of the short one."""
    return 1 if hedge and (side > 0) == (position_side == _SHORT) else 0


@kernel
def reducible(venue, row, side):
    """Lots of a position that an order of a side can close, less those that reduce-only orders work on already."""
    p = position_row_(venue, row)
    if p.lots * side >= 0:
        return 0
    lots = abs(p.lots)
    at = account_(venue, p.account).first_order
    while at >= 0:
        o = order_(venue, at)
        if o.reduce_only and o.instrument == p.instrument and o.leg == p.leg and o.side == side:
            lots -= o.lots
        at = o.own_next
    return max(0, lots)


@kernel
def place(venue, c):
    """Check the order a command places, accept it, and trade it at once if the market can be had now.

    A position that is transferred in is checked as a limit order that trades whole at its entry price, and then booked;
    it opens or adds, between the last price and the mark, so that it brings no profit with it.
    """
    moved = c.kind == _TRANSFER_POSITION
    identity, account, instrument, side, kind = c.order, c.account, c.instrument, c.side, c.order_kind
    lots, price_ticks, reduce_only, position_side = c.lots, c.price_ticks, c.reduce_only, c.position_side
    hold, after = c.hold, c.after
    m = market_(venue, instrument)
    signed = side * lots
    if m.terms < 0:
        reject(venue, account, instrument, identity, signed, price_ticks, _NO_TERMS, 0, 0)
        return
    t = terms_of(venue, instrument)
    c = contract_(venue, instrument)
    hedge = account_(venue, account).hedge
    row = row_of(venue, account, instrument, 1 if hedge and position_side == _SHORT else 0)
    reason, value, limit = 0, 0, 0
    closed, phase, halt = phase_reason(venue, instrument, kind, hold)
    over = 0 < c.deliver_ns <= venue.clock_ns  # whether or not a row has said so yet
    if over or (m.status != _TRADING and m.status != _PRE_DELIVERING):
        reason, value, limit = _NOT_TRADING, m.status, _TRADING
    elif m.status != _TRADING and closed_lots(position_row_(venue, row).lots, signed) != lots:
        reason, value, limit = _OPENING_NOT_ALLOWED, m.status, _TRADING
    elif closed != 0 and not moved:
        reason, value, limit = closed, phase, halt
    elif kind != _LIMIT and (moved or kind != _MARKET):
        reason, value = _BAD_ORDER_KIND, kind
    elif lots <= 0 or (side != 1 and side != -1):
        reason, value = _QTY_NOT_POSITIVE, lots
    elif lots < t.min_lots:
        reason, value, limit = _QTY_BELOW_MIN, lots, t.min_lots
    elif lots > t.max_lots:
        reason, value, limit = _QTY_ABOVE_MAX, lots, t.max_lots
    elif kind == _LIMIT and price_ticks <= 0:
        reason, value = _PRICE_NOT_POSITIVE, price_ticks
    elif kind == _LIMIT and price_ticks % t.tick_step != 0:
        reason, value, limit = _PRICE_OFF_TICK, price_ticks, t.tick_step
    elif price_ticks > _TOP_E8 // c.tick_e8:
        reason, value, limit = _NUMBER_TOO_LARGE, price_ticks, _TOP_E8 // c.tick_e8
    elif (position_side != _LONG and position_side != _SHORT) if hedge else position_side != _BOTH:
        reason, value, limit = _WRONG_POSITION_SIDE, position_side, hedge
    elif hedge and reduce_only:
        reason, value = _REDUCE_ONLY_NOT_OFFERED, position_side
    elif (reduce_only or closes(hedge, side, position_side)) and lots > reducible(venue, row, side):
        reason, value, limit = _WOULD_NOT_REDUCE, lots, reducible(venue, row, side)
    else:
        if kind == _LIMIT and not moved:
            reason, value, limit = price_reason(venue, instrument, side, price_ticks)
        if reason == 0 and too_large(venue, row, side, lots, price_ticks):
            reason, value, limit = _NUMBER_TOO_LARGE, lots, 0
    if reason == 0 and moved:
        price_e8, grid = price_ticks * c.tick_e8, t.tick_step * c.tick_e8
        low, high = min(m.last_e8, m.mark_e8), max(m.last_e8, m.mark_e8)
        if low <= 0 or price_e8 <= low - grid or price_e8 >= high + grid:
            reason, value = _ENTRY_OFF_MARKET, price_ticks
        elif position_row_(venue, row).lots * side < 0:
            reason, value = _OPEN_POSITION, position_row_(venue, row).lots
        else:
            reason, value, limit = risk_reason(venue, row, signed, price_e8, price_ticks, price_ticks, 1)
        if reason == 0:
            fill(venue, row, 0, signed, price_ticks, price_ticks * c.tick_e8, 0, TRANSFERRED)
            return
    elif reason == 0:
        reduce_only = reduce_only or closes(hedge, side, position_side)
        ticks = reach(venue, instrument, side, lots, price_ticks if kind == _LIMIT else ANY_PRICE)
        after = after if kind == _MARKET and hold and not has_ladder(venue, instrument) else 0
        if waits(venue, account, after):
            ticks = NO_PRICE
        if ticks != NO_PRICE:
            reason, value, limit = notional_reason(venue, row, signed, ticks)
            if reason == 0:
                best, _ = offer(venue, instrument, side, lots, ANY_PRICE)
                assumed = assumed_for(venue, instrument, kind, side, price_ticks if kind == _LIMIT else best)
                reason, value, limit = risk_reason(venue, row, signed, assumed, best, ticks, 1)
        elif kind == _LIMIT and not reduce_only:
            reason, value, limit = notional_reason(venue, row, signed, price_ticks)
            if reason == 0:
                assumed = assumed_for(venue, instrument, kind, side, price_ticks)
                reason, value, limit = risk_reason(venue, row, signed, assumed, price_ticks, price_ticks, 0)
        if reason == 0:
            e = next_event(venue, _ACCEPTED, account, instrument)
            e.order = identity
            e.lots = signed
            e.price_ticks = price_ticks
            e.flags = (REDUCE_ONLY if reduce_only else 0) | side_flag(venue, position_row_(venue, row))
            rest(venue, identity, row, side, kind, lots, price_ticks, reduce_only, hold, after)
            if ticks != NO_PRICE or (kind == _MARKET and has_ladder(venue, instrument)):
                venue.taking = venue.last_order
            return
    e = reject(venue, account, instrument, identity, signed, price_ticks, reason, value, limit)
    if moved:
        e.kind = _COMMAND_REJECTED


@kernel
def trade(venue, order_row, lots, ticks, price_e8, maker):
    """Fill lots of a working order and charge the maker's or the taker's fee; with its last lot it leaves the list."""
    o = order_(venue, order_row)
    row = row_of(venue, o.account, o.instrument, o.leg)
    identity, signed = o.id, o.side * lots
    if lots == o.lots:
        remove(venue, order_row)
    else:
        reserve(venue, order_row, -1)
        o.lots -= lots
        reserve(venue, order_row, 1)
    fee = fee_of(venue, position_row_(venue, row).instrument, signed, ticks, maker)
    fill(venue, row, identity, signed, ticks, price_e8, fee, MAKER if maker else 0)


@kernel
def taking_unit(venue):
    """One level for the order that takes liquidity; at its end the rest of a limit order works, that of a market order
    is cancelled."""
    row = venue.taking
    o = order_(venue, row)
    instrument, side = o.instrument, o.side
    ticks, lots = offer(venue, instrument, side, o.lots, ANY_PRICE if o.kind == _MARKET else o.price_ticks)
    if lots == 0:
        venue.taking = -1
        if o.kind == _MARKET:
            cancel_order(venue, row, _CANCEL_NO_LIQUIDITY)
        return
    if lots == o.lots:
        venue.taking = -1
    take(venue, instrument, side, lots, ticks)
    trade(venue, row, lots, ticks, market_(venue, instrument).last_e8, 0)


@kernel
def meet_ladder(venue, row):
    """One level for a limit order that a ladder has moved onto: filled at its own price. Whether more may follow."""
    o = order_(venue, row)
    instrument, side, ticks = o.instrument, o.side, o.price_ticks
    _, lots = offer(venue, instrument, side, o.lots, ticks)
    if lots == 0:
        return False
    more = lots < o.lots
    take(venue, instrument, side, lots, ticks)
    fill_working(venue, row, lots, ticks, market_(venue, instrument).last_e8, 1)
    return more


@kernel
def fill_working(venue, order_row, filled, ticks, price_e8, maker):
    """Fill lots of a working order; a waiting market order is checked for margin and size now that it has a price."""
    o = order_(venue, order_row)
    row = row_of(venue, o.account, o.instrument, o.leg)
    lots, kind = o.side * o.lots, o.kind
    if o.reduce_only and closed_lots(position_row_(venue, row).lots, lots) != o.lots:
        cancel_order(venue, order_row, _CANCEL_NOT_REDUCING)
        return
    if kind == _MARKET:
        cause = 0
        reason, _, _ = notional_reason(venue, row, lots, ticks)
        if too_large(venue, row, sign(lots), abs(lots), 0):
            cause = _CANCEL_LARGE
        elif reason != 0:
            cause = _CANCEL_NOTIONAL
        else:
            assumed = assumed_for(venue, o.instrument, kind, o.side, ticks)
            reason, _, _ = risk_reason(venue, row, lots, assumed, ticks, ticks, 1)
            if reason == _POSITION_LIMIT:
                cause = _CANCEL_LIMIT
            elif reason != 0:
                cause = _CANCEL_MARGIN
        if cause != 0:
            cancel_order(venue, order_row, cause)
            return
    trade(venue, order_row, filled, ticks, price_e8, maker)
