"""The auction in which a market opens: one price for all that cross (docs/rules/book.md, "Auctions").

The price is `rules.opening_price`'s, over the prices at which the two sides cross. Stops that it would trigger join
first, and it is found anew. Then orders trade at it two by two, each a unit of work.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import CancelReason, TriggerPrice
from novation.domain.events import AUCTION
from novation.engine.book import show
from novation.engine.conditional import look_again, next_triggered, trigger
from novation.engine.executable import best_executable, first_executable, is_within_limits
from novation.engine.layout import NO_PRICE
from novation.engine.liquidity import within
from novation.engine.matching import happened, opens
from novation.engine.opening import indicative
from novation.engine.orders import cancel_order, out_of_queue, trade
from novation.engine.state import book_of, contract_, order_, resting_

_LAST = int(TriggerPrice.LAST)
#: Steps of an auction (`auctioning`, 0: there is none): its price is found; those whom it triggers join, and some did,
#: so that it has to be found again; it trades.
_PRICING, _JOINING, _JOINED, _TRADING = range(1, 5)
_CANCEL_NOT_REDUCING = int(CancelReason.WOULD_NOT_REDUCE)


@kernel
def auction_unit(venue, instrument):
    """One step of an auction; whether it is over."""
    if book_of(venue, instrument).flow_rows > 0:
        return uncross_unit(venue, instrument)
    if venue.auctioning == _PRICING:
        ticks, _ = indicative(venue, instrument)
        if ticks == NO_PRICE:
            venue.auctioning = 0
            look_again(venue, instrument)
            return True
        venue.auction_ticks = ticks
        venue.auctioning = _JOINING
    ticks = venue.auction_ticks
    if venue.auctioning != _TRADING:
        x = ticks * contract_(venue, instrument).tick_e8
        row = next_triggered(venue, instrument, _LAST, x, 1)
        if row >= 0:
            venue.auctioning = _JOINED
            trigger(venue, resting_(venue, row).owner, x)
        else:
            venue.auctioning = _PRICING if venue.auctioning == _JOINED else _TRADING
        return False
    bid, ask = first_executable(venue, instrument, -1), first_executable(venue, instrument, 1)
    if bid < 0 or ask < 0 or resting_(venue, bid).ticks < ticks or resting_(venue, ask).ticks > ticks:
        venue.auctioning = _PRICING  # what is left may meet: an order that had to go may have made the price
        return False
    for row in (bid, ask):
        if opens(venue, row):
            cancel_order(venue, resting_(venue, row).owner, _CANCEL_NOT_REDUCING)
            return False
    lots = min(size(venue, bid), size(venue, ask))
    happened(venue, instrument, ticks)
    trade_in_auction(venue, bid, lots, ticks)
    venue.paired = 1
    trade_in_auction(venue, ask, lots, ticks)
    return False


@kernel
def uncross_unit(venue, instrument):
    """Where a record is replayed the auction is in the record. The first account's order that crosses arrives anew;
    whether there is none."""
    venue.auctioning = 0
    row = venue.first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == instrument and o.resting >= 0 and o.trigger == 0:
            best = best_executable(venue, instrument, o.side)
            if is_within_limits(venue, instrument, o.price_ticks) and within(o.side, best, o.price_ticks):
                out_of_queue(venue, row)
                venue.taking = row
                look_again(venue, instrument)
                return False
        row = o.next
    look_again(venue, instrument)
    return True


@kernel
def size(venue, row):
    """All lots of an order in a book."""
    return resting_(venue, row).shown + resting_(venue, row).hidden


@kernel
def trade_in_auction(venue, row, lots, ticks):
    """An order trades at its place, hidden lots like those it shows; what is left shows anew."""
    owner = resting_(venue, row).owner
    left = size(venue, row) - lots
    if left > 0:
        display = order_(venue, owner).display_lots
        shown = min(display, left) if display > 0 else left
        show(venue, row, shown, left - shown)
    trade(venue, owner, lots, ticks, ticks * contract_(venue, order_(venue, owner).instrument).tick_e8, AUCTION)
