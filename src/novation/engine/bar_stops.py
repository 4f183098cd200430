"""Orders on bars that wait for a price: what happens to them as bars open and close (docs/rules/fills.md, "Stops")."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import OrderKind
from novation.engine.bar_path import inside
from novation.engine.book_orders import is_there, looked_at
from novation.engine.conditional import begin_trigger, end_trigger, is_alive, money_cause, trigger, whole_cause
from novation.engine.layout import ANY_PRICE, NO_PRICE
from novation.engine.liquidity import within
from novation.engine.orders import cancel_order, trade
from novation.engine.parametric import inside_ticks, left_in_bar, traded
from novation.engine.state import market_, order_

_MARKET = int(OrderKind.MARKET)


@kernel
def opens_at_trigger(venue, o):
    """Whether a bar opens now and an order's price is there, or has been passed."""
    if market_(venue, o.instrument).open_ns != venue.clock_ns or not is_alive(venue, o.instrument):
        return False
    x = looked_at(venue, o.instrument, o.trigger_by)
    return x != 0 and is_there(o.trigger, o.side, o.trigger_e8, x)


@kernel
def trigger_opening(venue):
    """Trigger the next order that the bars opening now do; whether there was one. It takes what it can at once."""
    row = venue.next_order
    while row >= 0:
        o = order_(venue, row)
        venue.next_order = o.next
        if o.trigger != 0 and opens_at_trigger(venue, o):
            trigger(venue, row, looked_at(venue, o.instrument, o.trigger_by))
            return True
        row = o.next
    return False


@kernel
def trigger_inside(venue, row):
    """The bar closing now triggers an order at its price, and fills it there as one that takes; whether it filled
    anything."""
    o = order_(venue, row)
    instrument, side, price_e8 = o.instrument, o.side, inside(venue, o)
    begin_trigger(venue, row, o.trigger_e8)
    lots = left_in_bar(venue, instrument, o.lots)
    ticks = inside_ticks(venue, instrument, side, lots, price_e8)
    if not within(side, ticks, ANY_PRICE if o.kind == _MARKET else o.price_ticks):
        ticks = NO_PRICE
    cause = whole_cause(venue, row)
    if cause == 0:
        cause = money_cause(venue, row, ticks, ticks)
    if cause != 0:
        cancel_order(venue, row, cause)
        return False
    end_trigger(venue, row)
    if ticks == NO_PRICE:
        return False
    traded(venue, instrument, side, lots, 0)
    trade(venue, row, lots, ticks, price_e8, 0)
    return True
