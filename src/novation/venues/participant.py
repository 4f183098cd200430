"""A trading idea on an order book as a class of Python, with the words of compiled strategies (`engine.strategy`).

    class Quotes(Participant):
        def on_look(self, now_ns):
            bid = self.best_bid(0)
            if not self.working and bid != NO_PRICE:
                self.limit(0, Side.BUY, 1, bid)

    Quotes(Connection(venue, Latency.profile("retail"))).run(until_ns, every_ns=10_000_000)

It sees the exchange as its line lets it see it, and knows of itself what it has heard (docs/rules/latency.md).
"""

from __future__ import annotations

from novation.domain.book import BookLevel
from novation.domain.commands import Command, place_limit, place_market
from novation.domain.commands import cancel as cancel_order
from novation.domain.enums import CommandKind, EventKind, OrderKind, Side
from novation.domain.errors import VenueError
from novation.domain.events import SHORT_SIDE, Event
from novation.engine.layout import LEGS, NO_PRICE
from novation.venues.connection import Connection
from novation.venues.looks import whole_ns

#: Events that end an order, but for its last fill.
_GONE = (EventKind.ORDER_CANCELLED, EventKind.ORDER_REJECTED)
#: Events that say how many lots a position has.
_MOVED = (EventKind.FILL, EventKind.LIQUIDATION, EventKind.DELEVERAGED, EventKind.DELIVERY)


class Participant:
    """Base class: define `on_start`, `on_look` and `on_event`, those that you need.

    line: its `Connection`. working: orders sent and not heard to be gone -> their signed lots left, in the order in
    which they were sent; 0 of one that closes a position, until it is triggered.
    """

    def __init__(self, line: Connection) -> None:
        if not isinstance(line, Connection):
            raise VenueError(f"a participant needs a Connection to a venue, not {line!r:.60}")
        self.line = line
        self.working: dict[int, int] = {}
        self._markets: dict[int, int] = {}  # market orders among them -> instrument
        self._held: dict[int, int] = {}
        venue, count = line.venue, line.venue.number("instruments")
        for order in venue.table("order")[_rows(line)]:
            lots = int(order["side"] * order["lots"])
            kind = int(order["kind"]) if not order["trigger"] else 0
            self._note(int(order["id"]), kind, int(order["instrument"]), lots)
        first = LEGS * count * line.account
        for p in venue.table("position")[first : first + LEGS * count : LEGS]:
            self._held[int(p["instrument"])] = int(p["lots"])

    # -- callbacks ----------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Before the first look of a run."""

    def on_look(self, now_ns: int) -> None:
        """At each look, after all that has been heard by then; now_ns: the participant's clock."""

    def on_event(self, event: Event, heard_ns: int) -> None:
        """For each event about the account, once it is heard and counted in."""

    # -- a run --------------------------------------------------------------------------------------------------------

    def run(self, until_ns: int, *, every_ns: int, start_ns: int | None = None) -> None:
        """Look every so often, first at `start_ns`, else that long from now, up to an instant of the participant's
        clock."""
        whole_ns("every_ns", every_ns)
        whole_ns("until_ns", until_ns)
        if every_ns < 1:
            raise VenueError(f"a participant looks every nanosecond at most, not every {every_ns}")
        now_ns = self.line.now_ns + every_ns if start_ns is None else start_ns
        whole_ns("start_ns", now_ns)
        self.on_start()
        while now_ns <= until_ns:
            self.look(now_ns)
            now_ns += every_ns
        self.hear(until_ns)

    def look(self, now_ns: int) -> None:
        """One look at an instant."""
        self.hear(now_ns)
        self.on_look(now_ns)

    def hear(self, until_ns: int) -> None:
        """Let time pass, and take in what is heard."""
        for heard_ns, event in self.line.wait(until_ns):
            self._take_in(event)
            self.on_event(event, heard_ns)

    def _take_in(self, event: Event) -> None:
        if event.kind in _MOVED and not event.flags & SHORT_SIDE:
            self._held[event.instrument] = event.position_lots
        if event.order not in self.working:
            return
        if event.kind == EventKind.FILL:
            self.working[event.order] -= event.lots
        elif event.kind in (EventKind.ORDER_AMENDED, EventKind.ORDER_TRIGGERED):
            self.working[event.order] = event.lots
        if event.kind == EventKind.ORDER_TRIGGERED and not event.price_ticks:
            self._markets[event.order] = event.instrument
        done = event.kind == EventKind.FILL and not self.working[event.order]
        if event.kind in _GONE or done:
            del self.working[event.order]
            self._markets.pop(event.order, None)

    def _note(self, order: int, kind: int, instrument: int, lots: int) -> None:
        self.working[order] = lots
        if kind == OrderKind.MARKET:
            self._markets[order] = instrument

    # -- what it sees and knows ---------------------------------------------------------------------------------------

    def best_bid(self, instrument: int) -> int:
        """Ticks of the best bid of a book, NO_PRICE without one."""
        bids = self.line.venue.book(instrument, depth=1).bids
        return bids[0].price_ticks if bids else NO_PRICE

    def best_ask(self, instrument: int) -> int:
        """Ticks of the best ask of a book, NO_PRICE without one."""
        asks = self.line.venue.book(instrument, depth=1).asks
        return asks[0].price_ticks if asks else NO_PRICE

    def lots_at(self, instrument: int, side: Side, price_ticks: int) -> int:
        """Lots that a side of a book shows at a price."""
        view = self.line.venue.book(instrument)
        levels: tuple[BookLevel, ...] = view.bids if side > 0 else view.asks
        return next((level.lots for level in levels if level.price_ticks == price_ticks), 0)

    def position(self, instrument: int) -> int:
        """Signed lots held, as far as is heard; in hedge mode the long ones."""
        return self._held.get(instrument, 0)

    def waiting(self, instrument: int) -> int:
        """Signed lots of market orders not heard to be done; of one with a trigger once that is heard."""
        return sum(self.working[order] for order, at in self._markets.items() if at == instrument)

    def is_working(self, order: int) -> bool:
        """Whether an order was sent and is not heard to be gone."""
        return order in self.working

    def queue_ahead(self, order: int) -> int:
        """Lots ahead of a working order at its price, hidden ones too; -1 where it is seen in none."""
        found = self.line.venue.queue_position(order) if order in self.working else None
        return found[1] if found else -1

    # -- what it sends ------------------------------------------------------------------------------------------------

    def submit(self, command: Command) -> int:
        """Send any command; the id of its order, 0 if it places none."""
        order = self.line.submit(command)
        if command.kind == CommandKind.PLACE:
            kind = command.order_kind if not command.trigger else 0
            self._note(order, kind, command.instrument, command.side * command.lots)
        return order

    def limit(self, instrument: int, side: Side, lots: int, price_ticks: int) -> int:
        """Place a limit order; its id."""
        return self.submit(place_limit(self.line.account, instrument, side, lots, price_ticks))

    def buy(self, instrument: int, lots: int) -> int:
        """Buy at the market; the order's id."""
        return self.submit(place_market(self.line.account, instrument, Side.BUY, lots))

    def sell(self, instrument: int, lots: int) -> int:
        """Sell at the market; the order's id."""
        return self.submit(place_market(self.line.account, instrument, Side.SELL, lots))

    def target(self, instrument: int, lots: int) -> int:
        """Trade the difference to a position; the order's id, 0 if there is none. Market orders that wait count as
        done."""
        difference = lots - self.position(instrument) - self.waiting(instrument)
        if difference == 0:
            return 0
        return self.buy(instrument, difference) if difference > 0 else self.sell(instrument, -difference)

    def cancel(self, order: int) -> None:
        """Cancel an order."""
        self.submit(cancel_order(self.line.account, order))


def _rows(line: Connection) -> list[int]:
    """Rows of the account's working orders, in order of arrival."""
    found, row = [], int(line.venue.table("account")[line.account]["first_order"])
    while row >= 0:
        found.append(row)
        row = int(line.venue.table("order")[row]["own_next"])
    return found
