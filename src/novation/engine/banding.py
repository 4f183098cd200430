"""Why a limit price is refused: price limits and price banding (docs/rules/phases.md)."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarketPhase, RejectReason
from novation.engine.book import best_of, side_place
from novation.engine.layout import NO_PRICE as NO_TICKS
from novation.engine.opening import indicative
from novation.engine.state import contract_, has_book, market_, terms_of
from novation.rules.price_banding import NO_PRICE, is_beyond_band, reference_price
from novation.rules.rolling_extremes import NO_LOWER, NO_UPPER

_OPEN = int(MarketPhase.OPEN)
_BEYOND_LIMIT = int(RejectReason.PRICE_BEYOND_LIMIT)
_OUTSIDE_BAND = int(RejectReason.PRICE_OUTSIDE_BAND)


@kernel
def price_reason(venue, instrument, side, price_ticks):
    """Why a limit price is refused: beyond a price limit, or too far from the market; reason, price and bound.

    Bands are measured from the last price, or from the settlement before the first and while the market is not open
    (facts/cme.md §5); with neither there are none. On a book its best bid and ask count as well, and while it is not
    open the price at which it would open.
    """
    m, c = market_(venue, instrument), contract_(venue, instrument)
    price_e8 = price_ticks * c.tick_e8
    if m.refuse_beyond:
        if price_e8 > m.limit_high_e8:
            return _BEYOND_LIMIT, price_ticks, m.limit_high_e8 // c.tick_e8
        if price_e8 < m.limit_low_e8:
            return _BEYOND_LIMIT, price_ticks, -(-m.limit_low_e8 // c.tick_e8)
    band = terms_of(venue, instrument).band_ticks
    if band == 0:
        return 0, 0, 0
    last = m.last_e8 // c.tick_e8 if m.last_e8 != 0 else NO_PRICE
    settled = m.settlement_ticks if m.settlement_ticks != 0 else last
    bid, ask, before = NO_LOWER, NO_UPPER, NO_PRICE
    if has_book(venue, instrument):
        found = best_of(venue, side_place(venue, instrument, 1))
        bid = found if found != NO_TICKS else bid
        found = best_of(venue, side_place(venue, instrument, -1))
        ask = found if found != NO_TICKS else ask
        if m.phase != _OPEN:
            found, _ = indicative(venue, instrument)
            before = found if found != NO_TICKS else before
    if settled == NO_PRICE and before == NO_PRICE:
        return 0, 0, 0
    start = reference_price(m.phase == _OPEN, settled, before, last, bid, ask)
    if is_beyond_band(side, price_ticks, start, band):
        return _OUTSIDE_BAND, price_ticks, start + side * band
    return 0, 0, 0
