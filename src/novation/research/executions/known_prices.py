"""The prices that orders are measured from: what a market's last price was known to be when each was sent or taken out.

A run on bars knows two prices of a bar: its open from just after it opens, its close from its end on. At the instant at
which one bar closes and the next opens, the close is what whoever sends an order then has seen; the open is what it
meets. So a gap between the two is a cost of getting in, not a part of the price that was decided on. A market order
that the exchange takes out as it meets an open (for want of margin, say) has met that open.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novation.domain.enums import CancelReason, EventKind, MarketEventKind
from novation.domain.events import MAKER
from novation.domain.flow import FlowKind
from novation.trading.record import PRICE_DTYPE, Known
from novation.venues.venue import Venue

_ASKED = [int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_CANCELLED)]
#: Why an order is taken out at a time that has nothing to do with the price that it waits for.
_NOT_MET = [int(CancelReason.REQUESTED), int(CancelReason.LIQUIDATION), int(CancelReason.DELIVERY)]
_PRICED = [int(MarketEventKind.BAR_CLOSE), int(MarketEventKind.BAR_OPEN)]


def known_prices(feed: np.ndarray, events: np.ndarray, until_ns: int) -> np.ndarray:
    """The table `prices` of a record: a row for each order accepted and each cancelled, and where takers slip for each
    of their fills, in order of sequence; then one an instrument with its last price up to `until_ns`.

    feed: rows of `MARKET_DTYPE` that the venue was driven with. An instrument without bars has no rows.
    """
    priced = _priced(feed)
    asked = events[np.isin(events["kind"], _ASKED)]
    rows, ends = [], []
    for instrument in np.flatnonzero(np.bincount(priced["instrument"])):
        bars = priced[priced["instrument"] == instrument]
        own = asked[asked["instrument"] == instrument]
        place, known = _place_of(bars, own["ts_ns"], _has_met(own))
        rows.append(_table(bars, own["sequence"], place, known))
        last = np.searchsorted(bars["ts_ns"], [until_ns], side="right") - 1
        ends.append(_table(bars, np.array([-1]), np.maximum(last, 0), np.array([int(Known.BEFORE)])))
    if not rows:
        return np.zeros(0, PRICE_DTYPE)
    table = np.concatenate([*rows, *_met_quotes(feed, events)])
    return np.concatenate([table[np.argsort(table["sequence"], kind="stable")], *ends])


def with_trades(venue: Venue) -> np.ndarray:
    """A venue's feed, the trades of its recorded books in place of their bars: each a price from its instant on."""
    feed = venue.table("feed")
    for row, flow in venue.flows.items():
        instrument = int(np.flatnonzero(venue.table("contract")["book"] == row + 1)[0])
        trades = flow[flow["kind"] == int(FlowKind.TRADE)]
        told = np.zeros(len(trades), feed.dtype)
        told["ts_ns"], told["kind"], told["instrument"] = trades["ts_ns"], int(MarketEventKind.BAR_CLOSE), instrument
        told["last_e8"] = trades["price_ticks"] * venue.instruments[instrument].tick_e8
        others = feed[~((feed["instrument"] == instrument) & (feed["kind"] == int(MarketEventKind.BAR_CLOSE)))]
        feed = np.concatenate([others, told])
    return feed


def _met_quotes(feed: np.ndarray, events: np.ndarray) -> Iterator[np.ndarray]:
    """Rows for the fills of takers where LIQUIDITY rows say how wide the quotes are: by the last of them."""
    quoted = feed[feed["kind"] == int(MarketEventKind.LIQUIDITY)]
    taken = events[(events["kind"] == int(EventKind.FILL)) & ((events["flags"] & MAKER) == 0)]
    for instrument in np.unique(quoted["instrument"]):
        rows = quoted[quoted["instrument"] == instrument]
        own = taken[taken["instrument"] == instrument]
        place = np.searchsorted(rows["ts_ns"], own["ts_ns"], side="right") - 1
        own, place = own[place >= 0], place[place >= 0]
        table = np.zeros(len(own), PRICE_DTYPE)
        table["sequence"], table["instrument"], table["price_e8"] = own["sequence"], instrument, own["price_e8"]
        table["price_ns"], table["known"] = own["ts_ns"], int(Known.MET)
        table["half_e8"] = np.where(own["lots"] > 0, rows["ask_e8"][place], rows["bid_e8"][place])
        yield table


def _priced(feed: np.ndarray) -> np.ndarray:
    """What is read of a feed's opens and closes: rows of a feed are long, and a run has many."""
    rows = (feed["kind"] == _PRICED[0]) | (feed["kind"] == _PRICED[1])
    priced = np.zeros(int(rows.sum()), [(name, np.int64) for name in ("ts_ns", "kind", "instrument", "last_e8")])
    for name in priced.dtype.names or ():
        priced[name] = feed[name][rows]
    return priced


def _has_met(events: np.ndarray) -> np.ndarray:
    """Whether an event is the end of a market order at the open it waited for."""
    cancelled = events["kind"] == EventKind.ORDER_CANCELLED
    return cancelled & (events["price_ticks"] == 0) & ~np.isin(events["reason"], _NOT_MET)


def _place_of(bars: np.ndarray, at_ns: np.ndarray, met: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each instant the row of `bars` (opens and closes in order of time) that says the price, and how it is known.

    A close at the instant itself is known, an open at it is not yet, except to what has met it.
    """
    last = len(bars) - 1
    before = np.searchsorted(bars["ts_ns"], at_ns, side="left")
    here = np.minimum(before, last)
    at_it = (before <= last) & (bars["ts_ns"][here] == at_ns)
    closing = at_it & (bars["kind"][here] == MarketEventKind.BAR_CLOSE)
    count = np.where(met, np.searchsorted(bars["ts_ns"], at_ns, side="right"), before + closing)
    known = np.where(count > 0, Known.BEFORE, np.where(at_it, Known.OPENING, Known.LATER))
    return np.where(count > 0, count - 1, here), known


def _table(bars: np.ndarray, sequence: np.ndarray, place: np.ndarray, known: np.ndarray) -> np.ndarray:
    table = np.zeros(len(sequence), PRICE_DTYPE)
    table["sequence"], table["known"] = sequence, known
    for name, of in (("instrument", "instrument"), ("price_e8", "last_e8"), ("price_ns", "ts_ns")):
        table[name] = bars[of][place]
    return table
