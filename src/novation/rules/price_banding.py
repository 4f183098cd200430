"""Price banding, which refuses orders far from the market, and protection points, which limit market orders.

Source: facts/cme.md §5 (CSW GCC Price Banding) and §7 (CSW order types). Prices in ticks, of any sign. Not modelled:
theoretical reference prices (spreads, options), bands that widen in fast markets.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.rolling_extremes import NO_LOWER

#: An indicative or last price that there is not.
NO_PRICE = NO_LOWER


@kernel
def reference_price(is_open, settlement_ticks, indicative_ticks, last_ticks, bid_ticks, ask_ticks):
    """What bands are measured from.

    Pre-open: the indicative opening price, before there is one the settlement. Open: the last trade, moved up to the
    best bid or down to the best ask where it lies outside them (the facts name both and not their order: our choice);
    before the first trade the price of pre-open is moved likewise. NO_PRICE for an indicative or last price, NO_LOWER
    for a bid and NO_UPPER for an ask that there is not.
    """
    before = settlement_ticks if indicative_ticks == NO_PRICE else indicative_ticks
    if not is_open:
        return before
    last = before if last_ticks == NO_PRICE else last_ticks
    return max(bid_ticks, min(ask_ticks, last))


@kernel
def is_beyond_band(side, price_ticks, reference_ticks, band_ticks):
    """Whether a limit price is refused: a buy (side 1) above reference + band, a sell (side -1) below reference - band.

    The other way round it is taken: a buy far below the market harms nobody.
    """
    return side * (price_ticks - reference_ticks) > band_ticks


@kernel
def protected_limit(side, from_ticks, points_ticks):
    """The limit of an order with protection: `points` beyond the best opposite price, or beyond a stop's trigger.

    The rest of the order stays there as a limit order.
    """
    return from_ticks + side * points_ticks
