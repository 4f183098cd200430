"""What simulated traders ask of the exchange, and what they see of it."""

from __future__ import annotations

from novation._jit import model_kernel
from novation.domain.enums import CommandKind, OrderKind, TimeInForce
from novation.engine.book import best_of, side_place
from novation.engine.commands import enter, next_command
from novation.engine.layout import NO_PRICE
from novation.engine.state import book_of, order_, resting_
from novation.venues.population.chance import below
from novation.venues.population.memory import SKIPPED, chance_, count_, step_of

_PLACE, _CANCEL = int(CommandKind.PLACE), int(CommandKind.CANCEL)
_LIMIT, _MARKET = int(OrderKind.LIMIT), int(OrderKind.MARKET)
_PROTECTED, _MARKET_LIMIT = int(OrderKind.MARKET_PROTECTED), int(OrderKind.MARKET_LIMIT)
_IOC = int(TimeInForce.IOC)


@model_kernel
def room(venue):
    """How many commands fit in the line."""
    return venue.command_rows - venue.command_count


@model_kernel
def place_limit(venue, account, instrument, side, lots, ticks):
    """A limit order until cancelled; its id."""
    c = next_command(venue, _PLACE, account, instrument)
    c.side = side
    c.order_kind = _LIMIT
    c.lots = lots
    c.price_ticks = ticks
    return enter(venue)


@model_kernel
def place_market(venue, account, instrument, side, lots):
    """A market order, or what comes closest where the exchange takes none: what is left of it never rests."""
    c = next_command(venue, _PLACE, account, instrument)
    c.side = side
    b = book_of(venue, instrument)
    c.order_kind = _MARKET if b.market_orders else (_PROTECTED if b.protection_ticks > 0 else _MARKET_LIMIT)
    if not b.market_orders:
        c.time_in_force = _IOC
    c.lots = lots
    enter(venue)


@model_kernel
def cancel(venue, account, order):
    """Cancel an order."""
    next_command(venue, _CANCEL, account, 0).order = order
    enter(venue)


@model_kernel
def look(venue, crowd, now_ns):
    """See the best prices; of an empty side the last one it had as an earlier instant ended."""
    later = now_ns > crowd.seen_ns
    bid = best_of(venue, side_place(venue, crowd.instrument, 1))
    ask = best_of(venue, side_place(venue, crowd.instrument, -1))
    if bid == NO_PRICE:
        bid = crowd.bid_ticks if later else crowd.bid_before
    if ask == NO_PRICE:
        ask = crowd.ask_ticks if later else crowd.ask_before
    if bid == crowd.bid_ticks and ask == crowd.ask_ticks:
        return
    if later:
        crowd.bid_before = crowd.bid_ticks
        crowd.ask_before = crowd.ask_ticks
        crowd.seen_ns = now_ns
    crowd.bid_ticks = bid
    crowd.ask_ticks = ask


@model_kernel
def some_account(crowd):
    """An account of the flow."""
    return crowd.first + below(chance_(crowd, 0), crowd.accounts)


@model_kernel
def from_other_side(venue, crowd, side, distance):
    """Ticks of a price so many steps, from 1 on, from the best of the other side, which may be of another grid."""
    step = step_of(venue, crowd)
    if side > 0:
        return -(-crowd.ask_ticks // step) * step - distance * step
    return crowd.bid_ticks // step * step + distance * step


@model_kernel
def cancel_own(venue, crowd, row):
    """Cancel an order in a queue if it is of the flow; else nothing, which is counted."""
    owner = resting_(venue, row).owner
    if owner >= 0:
        o = order_(venue, owner)
        if crowd.first <= o.account < crowd.first + crowd.accounts:
            cancel(venue, o.account, o.id)
            return
    count_(crowd, SKIPPED).number += 1
