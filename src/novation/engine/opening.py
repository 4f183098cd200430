"""The price at which a book would open now: `rules.opening_price` over the prices at which its sides cross."""

from __future__ import annotations

from novation._jit import integers_at, kernel
from novation.engine.book import price_after, queue_at, side_place
from novation.engine.executable import best_executable, is_within_limits
from novation.engine.layout import NO_PRICE
from novation.engine.state import market_, price_, terms_of
from novation.rules.opening_price import opening_price


@kernel
def crossing(venue, instrument, side, worst_ticks, column):
    """Write prices and lots, hidden ones too, of the orders of a side that are executable and no worse than a price of
    the other side into two columns; how many prices."""
    rows = venue.crossing_rows // 4
    prices = integers_at(venue.crossing_address, column * rows, rows)
    lots = integers_at(venue.crossing_address, (column + 1) * rows, rows)
    place, count = side_place(venue, instrument, side), 0
    ticks = best_executable(venue, instrument, -side)
    while ticks != NO_PRICE and side * (ticks - worst_ticks) >= 0 and is_within_limits(venue, instrument, ticks):
        queue = price_(venue, queue_at(venue, place, ticks))
        prices[count] = ticks
        lots[count] = queue.lots + queue.hidden
        count += 1
        ticks = price_after(venue, place, ticks)
    return count


@kernel
def indicative(venue, instrument):
    """The price at which a market would open now, NO_PRICE where the sides do not cross; and the lots that match."""
    bid, ask = best_executable(venue, instrument, -1), best_executable(venue, instrument, 1)
    if bid == NO_PRICE or ask == NO_PRICE or bid < ask:
        return NO_PRICE, 0
    bids = crossing(venue, instrument, 1, ask, 0)
    asks = crossing(venue, instrument, -1, bid, 2)
    rows, address = venue.crossing_rows // 4, venue.crossing_address
    ticks, lots, _ = opening_price(
        integers_at(address, 0, bids),
        integers_at(address, rows, bids),
        integers_at(address, 2 * rows, asks),
        integers_at(address, 3 * rows, asks),
        market_(venue, instrument).settlement_ticks,
        terms_of(venue, instrument).tick_step,
    )
    return ticks, lots
