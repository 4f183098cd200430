"""The price at which an auction opens a market: Globex's indicative opening price.

Source: facts/cme.md §8 (CSW IOP rules, examples A14 and A15). Of all ticks the one at which most lots match; of those
the one that leaves the fewest lots unmatched; where these lie on the bid side the highest, on the ask side the lowest;
where nothing is left, or as much on either side, the one nearest the prior settlement (as near ones: the lower, ours).

Not here: stops that the price elects, which are added and the price found again until nothing changes; implied orders.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.rolling_extremes import NO_LOWER

#: No price at which anything matches.
NO_PRICE = NO_LOWER


@kernel
def nearest_tick(first, last, price, step):
    """The tick of a stretch, both ends on the grid, that is nearest a price; of two as near the lower."""
    if price <= first:
        return first
    if price >= last:
        return last
    below = price - price % step
    return below if 2 * (price - below) <= step else below + step


@kernel
def opening_price(bid_ticks, bid_lots, ask_ticks, ask_lots, settlement_ticks, step):
    """(ticks, lots matched, lots left: bids > 0, asks < 0); (NO_PRICE, 0, 0) where the sides do not meet.

    bid_ticks descending and ask_ticks ascending, each price once, all multiples of `step`, the tick in force.
    Lots at a price are those that would trade there: bids at it or above, asks at it or below. Between two prices of
    the book neither changes, so a stretch of ticks is looked at as one.
    """
    if len(bid_ticks) == 0 or len(ask_ticks) == 0 or bid_ticks[0] < ask_ticks[0]:
        return NO_PRICE, 0, 0
    most, least, low, high, nearest = -1, 0, 0, 0, 0
    bids_left, asks_left = 0, 0
    demand, supply = 0, 0
    b, a = 0, 0
    while b < len(bid_ticks) and bid_ticks[b] >= ask_ticks[0]:  # all bids that meet any ask
        demand += bid_lots[b]
        b += 1
    at = ask_ticks[0]
    while at <= bid_ticks[0]:
        # `at` is a price of the book: asks at it join, and bids below it are gone already
        while a < len(ask_ticks) and ask_ticks[a] <= at:
            supply += ask_lots[a]
            a += 1
        first, last = at, at
        for _ in range(2):  # the price itself, then the stretch up to the next price of the book
            matched, left = min(demand, supply), demand - supply
            if first <= last and (matched > most or (matched == most and abs(left) < least)):
                most, least, low, high = matched, abs(left), first, last
                bids_left, asks_left = left > 0, left < 0
                nearest = nearest_tick(first, last, settlement_ticks, step)
            elif first <= last and matched == most and abs(left) == least:
                low, high = min(low, first), max(high, last)
                bids_left, asks_left = bids_left or left > 0, asks_left or left < 0
                other = nearest_tick(first, last, settlement_ticks, step)
                if abs(other - settlement_ticks) < abs(nearest - settlement_ticks):
                    nearest = other
            # beyond the price itself its bids are gone
            while first == at and b > 0 and bid_ticks[b - 1] <= at:
                demand -= bid_lots[b - 1]
                b -= 1
            following = bid_ticks[b - 1] if b > 0 else at
            if a < len(ask_ticks):
                following = min(following, ask_ticks[a])
            first, last = at + step, following - step
        if following <= at:
            break
        at = following
    if bids_left and not asks_left:
        return high, most, least
    if asks_left and not bids_left:
        return low, most, -least
    return nearest, most, 0
