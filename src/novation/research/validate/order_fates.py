"""What becomes of the ghosts on the exchange itself: the record without the orders taken out, replayed in a `Venue`
where each ghost is an account's order (docs/rules/replay.md).

The venue's clock counts rows, not nanoseconds, so that a ghost stands exactly where its ADD stood, though other rows
have the same time: row i of the record happens at instant 2 i + 2, and what a ghost does at row i is sent at 2 i + 1.
Nothing that a replay does depends on how much time passes. Money is no limit: no fee, no margin, no mark, a deposit
beyond any loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from novation.data.flow import Flow, dense_orders
from novation.domain.book import BookRules
from novation.domain.commands import amend, cancel, place_limit, transfer
from novation.domain.enums import EventKind, InstrumentKind, MarginMethod, Side
from novation.domain.errors import DataError
from novation.domain.events import Event
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import E8
from novation.research.validate.level_fates import Fill
from novation.research.validate.lives import Life, without
from novation.venues import binance_usdm
from novation.venues.venue import Venue

_DEPOSIT = 1 << 58
#: A price of so many ticks is so many 1e-8, and one tick of one lot is one minor unit of money.
_INSTRUMENT = Instrument(
    id="ghost:RECORD",
    venue="ghost",
    symbol="RECORD",
    root="RECORD",
    kind=InstrumentKind.PERPETUAL,
    method=MarginMethod.PER_CONTRACT,
    asset=binance_usdm.RULES.asset,
    tick_e8=1,
    lot_e8=E8,
)
_TERMS = Terms(effective_ns=0, max_lots=1 << 50)


def replayed(flow: Flow, batch: Sequence[Life], ends: dict[int, int]) -> list[list[Fill]]:
    """For each ghost of a batch its fills on the exchange."""
    rest, numbers = without(flow.rows, batch)
    rest["ts_ns"] = rest["local_ns"] = 2 * numbers + 2
    dense, slots = dense_orders(rest)
    venue = Venue(
        binance_usdm.RULES, [_INSTRUMENT], [[_TERMS]], accounts=len(batch), books={_INSTRUMENT.id: BookRules()}
    )
    for account in range(len(batch)):
        venue.submit(transfer(account, _DEPOSIT))
    venue.attach_flow(0, dense, slots)
    exchange = _Exchange(venue, batch)
    steps = [(life.added, 2, k, 0) for k, life in enumerate(batch)]
    steps += [(ends[life.added], 0, k, 0) for k, life in enumerate(batch)]
    for k, life in enumerate(batch):
        steps += [(row, 1, k, lots) for row, lots in life.cuts if row < ends[life.added]]
    for row, what, k, lots in sorted(steps):
        exchange.hear(venue.advance(2 * row + 1))
        exchange.command(what, k, lots)
    exchange.hear(venue.advance(max(venue.clock_ns, venue.end_ns)))
    return exchange.fills


class _Exchange:
    """The orders of the ghosts, and what has been heard of them."""

    def __init__(self, venue: Venue, batch: Sequence[Life]) -> None:
        self.venue, self.batch = venue, batch
        self.fills: list[list[Fill]] = [[] for _ in batch]
        self.numbers = [0] * len(batch)  # of their orders
        self.size = [life.lots for life in batch]  # what is asked for, what has been filled of it included

    def hear(self, events: Iterable[Event]) -> None:
        """Take the fills out of what happened."""
        for event in events:
            if event.kind == EventKind.FILL:
                row = (event.ts_ns - 1) // 2
                self.fills[event.account].append((row, abs(event.lots), event.price_ticks))
            elif event.kind in (EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED):
                raise DataError(
                    f"the exchange refused a ghost (reason {event.reason})",
                    where=f"order {self.batch[event.account].order}",
                )

    def command(self, what: int, k: int, lots: int) -> None:
        """A ghost comes (2), is made smaller (1), or is called back (0)."""
        life = self.batch[k]
        if what == 2:
            events = self.venue.submit(place_limit(k, 0, Side(life.side), life.lots, life.price_ticks))
            self.numbers[k] = next(
                e.order for e in events if e.kind in (EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED)
            )
            self.hear(events)
            return
        done = sum(lots for _, lots, _ in self.fills[k])
        if done >= self.size[k]:
            return
        self.size[k] = max(done, self.size[k] - lots) if what == 1 else done
        wanted = self.size[k]
        order = self.numbers[k]
        self.hear(self.venue.submit(amend(k, order, wanted, life.price_ticks) if wanted > done else cancel(k, order)))
