"""The market of a test, made by bars, by a ladder, or by accounts whose orders rest on a book.

A test of the clearing house says what market there is in the words of a feed: a bar opens at a price, or a ladder
stands around one. `exchange` makes that market for the makers that the fixture `makers` names: for "feed" as it is,
bars or the ladder of the setup, for "book" by one account for each instrument, with plenty of money, behind those of
the test. Its orders rest there whenever somebody may meet them: ahead of an order of the test on the other side, and
while time passes, on both sides. What the test is not told: the makers' events and how many accounts there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from novation.domain.book import BookRules
from novation.domain.commands import Command, cancel, place_limit, set_leverage, transfer
from novation.domain.enums import CommandKind, EventKind, MarginMethod, MarketEventKind, OrderKind, RejectReason, Side
from novation.domain.events import MAKER, TRANSFERRED, Event
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NS
from tests.venues.book_pair import BothExchanges
from tests.venues.lockstep import Lockstep
from tests.venues.scenarios import Setup

FEED, BOOK = "feed", "book"
#: What each maker brings, what each of its orders is worth unless more is looked for, and the most that one may be.
MONEY, WORTH, MOST_WORTH = 1 << 59, 1 << 53, 2 * 10**17
BUY, SELL = Side.BUY, Side.SELL
#: Rows that a book does not have.
BARS = frozenset({MarketEventKind.BAR_OPEN, MarketEventKind.BAR_CLOSE})

#: Of a test that is about a bar or a ladder, or about no market at all (docs/validation/clearing_on_the_book.md).
FEED_ALONE = pytest.mark.parametrize("makers", [FEED], indirect=True)
#: Of the fewer examples that a test drawn at random has on a book.
BOOK_ALONE = pytest.mark.parametrize("makers", [BOOK], indirect=True)

#: Why a maker is refused where nobody is let in.
NO_ORDERS = (RejectReason.NOT_TRADING, RejectReason.OPENING_NOT_ALLOWED, RejectReason.NUMBER_TOO_LARGE)

_made_by = [FEED]


@contextmanager
def made_by(makers: str) -> Iterator[str]:
    """Exchanges that are made meanwhile have these makers of liquidity."""
    _made_by.append(makers)
    try:
        yield makers
    finally:
        _made_by.pop()


def exchange(setup: Setup, **how: int) -> Lockstep:
    """Both exchanges with the market of a setup; how: see `OnABook`."""
    return OnABook(setup, **how) if _made_by[-1] == BOOK else Lockstep(setup)


def stand_aside(both: Lockstep, i: int) -> None:
    """On a book nobody stands in an instrument from now on, as where a bar has opened already."""
    if isinstance(both, OnABook):
        both.last[i] = both.closing[i] = 0


def paid_by_fund(events: list[Event]) -> list[int]:
    """What an insurance fund paid, one by one: for what was left of an account that was closed in the market, or
    passing on what it took over at the bankruptcy price, as it does on a ladder and on a book."""
    paid = [e.amount if e.kind == EventKind.INSURANCE else -e.amount for e in events if e.kind in OF_THE_FUND]
    return [amount for amount in paid if amount]


def marked(ts_ns: int, instrument: int, mark_e8: int) -> MarketEvent:
    """A mark."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.MARK, instrument=instrument, mark_e8=mark_e8)


OF_THE_FUND = (EventKind.INSURANCE, EventKind.TAKEN_OVER)


class OnABook(BothExchanges):
    """Both exchanges with a book for each instrument; the market of the setup's feed is made by orders at rest.

    *Bars*: at the price at which bars trade, as many lots as anybody looks for. That is the last price for an order,
    and the new mark for who is closed out. A bid and an ask at one price would trade with each other: where positions
    of both directions stand against them, the side that the price moves to has it and the other one is a tick off.
    *Ladders*: an order at each price of the ladder with what is there of its lots; lots come back as the ladder heals.

    Unlike bars, which are there at the instant at which they open, the makers stay until the next one.
    The last price is where bars open: the maker trades a lot with itself there. A working order of the test that the
    market has moved onto is met after the test of accounts, as openings are.

    apart: so many lots the maker of the asks is short from a tick and the maker of the bids long from ten times the
    price, so that neither would realise a profit: nobody is deleveraged but accounts of the test.
    lenient: of a feed drawn at random. An order of a maker may be refused, nobody is there then; and where a bar closes
    the mark goes to its low, its high and its close, one after another.
    """

    def __init__(self, setup: Setup, *, apart: int = 0, lenient: int = 0) -> None:
        count, self.own = len(setup.instruments), setup.accounts
        self.apart, self.each, self.lenient = apart, 3 if apart else 1, lenient
        books = {instrument.id: BookRules() for instrument in setup.instruments}
        self.ladders, self.spread_e8 = setup.ladders, setup.spread_e8
        made = setup._replace(accounts=self.own + self.each * count, ladders={}, books=books, spread_e8=0)
        self.outside = 0  #: what came from outside, or went there
        self.brought = self.shared = False  #: whether anything did, and whether outside has had payments since
        super().__init__(made, buffer=16, orders=4)
        self.setup = setup
        self.last, self.closing = [0] * count, [0] * count  #: where orders and close-outs find somebody, 1e-8
        self.rising = [False] * count
        self.missing = [{BUY: 0, SELL: 0} for _ in range(count)]  #: from bids and asks
        self.healed_ns = 0
        self.resting: list[tuple[int, int]] = []  #: (maker, order)
        for maker in range(self.own, made.accounts):
            super().submit(transfer(maker, MONEY))
            i = (maker - self.own) // self.each
            if setup.instruments[i].method == MarginMethod.TIERED:
                super().submit(set_leverage(maker, i, 1))

    # -- doors ------------------------------------------------------------------------------------------------------

    def submit(self, command: Command) -> list[Event]:
        """One command of the test; who places an order finds the makers."""
        i, side = command.instrument, command.side
        places = command.kind == CommandKind.PLACE and 0 <= i < len(self.last) and side in (1, -1)
        if places and self.last[i]:
            limit = command.price_ticks if command.order_kind == OrderKind.LIMIT else None
            self._rest(i, Side(-side), self.last[i], command.lots, limit)
        events = self._told(super().submit(command))
        self._leave()
        return events

    def advance(self, until_ns: int, rows: list[MarketEvent]) -> list[Event]:
        """Time, instant by instant."""
        told: list[Event] = []
        if not self._anybody() and not any(row.kind in BARS for row in rows):
            return self._instant(until_ns, rows)
        for ts_ns in sorted({row.ts_ns for row in rows}):
            assert ts_ns <= until_ns, "a feed that is attached and waits is not made by orders"
            told += self._instant(ts_ns, [row for row in rows if row.ts_ns == ts_ns])
        if not rows or until_ns > max(row.ts_ns for row in rows):
            told += self._instant(until_ns, [])
        return told

    # -- what happens -----------------------------------------------------------------------------------------------

    def _instant(self, ts_ns: int, rows: list[MarketEvent]) -> list[Event]:
        self._heal(ts_ns)
        told: list[Event] = []
        closes = [row for row in rows if row.kind == MarketEventKind.BAR_CLOSE]
        if self.lenient and closes:
            for part in ("mark_low_e8", "mark_high_e8", "mark_e8"):
                marks = {row.instrument: getattr(row, part) for row in closes}
                told += self._instant(ts_ns, [marked(ts_ns, i, price) for i, price in marks.items() if price])
            rows = [row for row in rows if row not in closes]
        kept, asked = [], set()
        for row in sorted(rows, key=lambda row: row.kind):
            if row.kind == MarketEventKind.BAR_OPEN:
                self._move(row.instrument, row.last_e8, row.mark_e8 or row.last_e8)
                if row.mark_e8:
                    kept.append(marked(ts_ns, row.instrument, row.mark_e8))
            else:
                assert row.kind not in BARS, "a book has no bars that close"
                if row.kind == MarketEventKind.MARK:
                    self._move(row.instrument, 0, row.mark_e8)
                if row.kind == MarketEventKind.INDEX and row.bid_e8:
                    self._move(row.instrument, 0, row.index_e8)
                elif row.kind == MarketEventKind.INDEX:
                    asked.add(row.instrument)  # for what the market pays
                kept.append(row)
        for i in range(len(self.last)):
            self._rest_on_both_sides(i, at_least=int(i in asked))
        told += self._told(super().advance(ts_ns, kept))
        self._leave()
        for i in range(len(self.last)):
            told += self._meet(i)
        return told

    def _move(self, i: int, last_e8: int, closing_e8: int) -> None:
        if last_e8:
            self.last[i] = last_e8
            self._print(i)
        if self.setup.instruments[i].id in self.ladders:
            closing_e8 = self.last[i] = last_e8 or closing_e8  # the centre
        if self.closing[i] != closing_e8:
            self.rising[i] = closing_e8 > self.closing[i] > 0
            self.closing[i] = closing_e8

    def _print(self, i: int) -> None:
        """Make the last price, by a trade of a maker with itself, unless an order of the test is in the way."""
        market = self.twin.markets[2 * i]
        tick = self.setup.instruments[i].tick_e8
        ticks = self.last[i] // tick
        if self.apart and not market.last_e8:
            low, between, high = range(self._between(i) - 1, self._between(i) + 2)
            self._trade(i, low, between, self.apart, 1)
            self._trade(i, between, high, self.apart, 10 * ticks)
        best = self._best_of_test(i)
        if market.last_e8 == self.last[i] or ticks * tick != self.last[i]:
            return
        if (best[BUY] is None or best[BUY] < ticks) and (best[SELL] is None or ticks < best[SELL]):
            self._trade(i, self._between(i), self._between(i), self.twin.terms_of(2 * i).min_lots, ticks)

    def _trade(self, i: int, seller: int, buyer: int, lots: int, ticks: int) -> None:
        for account, side in ((seller, SELL), (buyer, BUY)):
            answer = self._asked(place_limit(account, i, side, lots, ticks))[0]
            self.resting.append((account, answer.order))
        self._leave()
        assert self.lenient or self.twin.markets[2 * i].last_e8 == ticks * self.setup.instruments[i].tick_e8

    # -- orders of the makers ---------------------------------------------------------------------------------------

    def _maker(self, i: int, side: Side) -> int:
        """Who makes a side of an instrument."""
        return self._between(i) + (side if self.apart else 0)

    def _between(self, i: int) -> int:
        """The only maker of an instrument, or the one who holds nothing."""
        return self.own + self.each * i + self.each // 2

    def _levels(self, i: int, side: Side, price_e8: int, lots: int) -> Iterator[tuple[int, int]]:
        """(ticks, lots) of a side around a price, the best first."""
        instrument, taker = self.setup.instruments[i], -side
        ladder = self.ladders.get(instrument.id)
        if ladder is None:
            half = -(-abs(price_e8) * self.spread_e8 // (2 * E8))
            ticks = self.twin.traded_ticks(2 * i, price_e8 + taker * half, taker)
            worth = max(1, abs(ticks) * instrument.tick_e8 * instrument.lot_value // E8)
            most = min(MOST_WORTH // worth, self.twin.terms_of(2 * i).max_lots)
            yield ticks, min(max(lots, WORTH // worth), most)
            return
        missing = self.missing[i][side]
        for offset, there in zip(ladder.offsets, ladder.lots, strict=True):
            gone = min(there, missing)
            missing -= gone
            ticks = self.twin.to_tick(2 * i, price_e8 + taker * offset * instrument.tick_e8, taker)
            if ticks <= 0:
                return
            if there > gone:
                yield ticks, there - gone

    def _rest(self, i: int, side: Side, price_e8: int, lots: int, limit: int | None = None, step: int = 0) -> None:
        """Let a side stand, as far as so many lots get to a limit; not where it would trade with an order of the test.

        step: so many ticks further away.
        """
        met = self._best_of_test(i)[Side(-side)]
        for ticks, there in self._levels(i, side, price_e8, lots):
            ticks -= side * step
            if lots <= 0 or (limit is not None and side * (limit - ticks) > 0):
                return
            if met is None or side * (met - ticks) > 0:
                self._stand(i, side, there, lots, ticks)
            lots -= there

    def _stand(self, i: int, side: Side, there: int, lots: int, ticks: int) -> None:
        """One order, of fewer lots where so many are not taken; none where nobody is let in."""
        maker = self._maker(i, side)
        answer, *_ = self._asked(place_limit(maker, i, side, there, ticks))
        while answer.reason and there > lots:
            there = lots if answer.reason == RejectReason.OPENING_NOT_ALLOWED else max(lots, there // 2)
            answer, *_ = self._asked(place_limit(maker, i, side, there, ticks))
        if answer.kind == EventKind.ORDER_ACCEPTED:
            self.resting.append((maker, answer.order))
        else:
            assert self.lenient or answer.reason in NO_ORDERS, answer

    def _rest_on_both_sides(self, i: int, at_least: int = 0) -> None:
        held = [p.lots for a in self.twin.accounts[: self.own] for p in a.positions[2 * i : 2 * i + 2]]
        longs, shorts = (max(at_least, sum(max(0, way * lots) for lots in held)) for way in (1, -1))
        if not self.closing[i]:
            return
        bids = next(self._levels(i, BUY, self.closing[i], 1), (0, 0))[0]
        asks = next(self._levels(i, SELL, self.closing[i], 1), (0, 0))[0]
        both = longs and shorts and bids >= asks > 0
        tick = self.twin.terms_of(2 * i).tick_step
        self._rest(i, BUY, self.closing[i], longs, step=tick if both and self.rising[i] else 0)
        self._rest(i, SELL, self.closing[i], shorts, step=tick if both and not self.rising[i] else 0)

    def _meet(self, i: int) -> list[Event]:
        """Orders of the test that the market has moved onto: as many lots as stand at their price or better."""
        told: list[Event] = []
        for side in (BUY, SELL):
            for ticks, there in list(self._levels(i, side, self.last[i], 1)) if self.last[i] else []:
                met = self._best_of_test(i)[Side(-side)]
                if met is None or side * (met - ticks) > 0:
                    break
                at = sum(
                    order.lots
                    for order in self._of_test(i)
                    if order.side == -side and side * (ticks - order.price_ticks) >= 0
                )
                maker = self._maker(i, side)
                events = self._asked(place_limit(maker, i, side, min(there, at), ticks))
                self.resting.append((maker, events[0].order))
                told += self._told(events)
                self._leave()
        return told

    def _asked(self, command: Command) -> list[Event]:
        """A command of a maker, the same on both; its ledger is looked at where it trades."""
        kernel, twin = self.venue.submit(command), self.twin.submit(command)
        if kernel != twin or any(e.kind == EventKind.FILL for e in kernel):
            return self._same(kernel, twin)
        return kernel

    def _leave(self) -> None:
        """The makers take what is left of their orders out."""
        for maker, order in self.resting:
            if order in self.twin.orders:
                self._asked(cancel(maker, order))
        self.resting = []

    def _anybody(self) -> bool:
        """Whether an account of the test has a position or an order."""
        return any(a.orders or any(p.lots for p in a.positions) for a in self.twin.accounts[: self.own])

    def _of_test(self, i: int) -> list:
        orders = self.twin.orders.values()
        return [order for order in orders if order.account < self.own and order.instrument // 2 == i]

    def _best_of_test(self, i: int) -> dict[Side, int | None]:
        """Best bid and ask among the orders of the test."""
        prices = {
            side: [order.price_ticks for order in self._of_test(i) if order.side == side and not order.trigger]
            for side in (BUY, SELL)
        }
        return {BUY: max(prices[BUY], default=None), SELL: min(prices[SELL], default=None)}

    def _heal(self, now_ns: int) -> None:
        for i, instrument in enumerate(self.setup.instruments):
            heals = self.ladders[instrument.id].heals if instrument.id in self.ladders else 0
            back = now_ns * heals // NS - self.healed_ns * heals // NS
            for side in (BUY, SELL):
                self.missing[i][side] = max(0, self.missing[i][side] - back)
        self.healed_ns = now_ns

    # -- what is told -----------------------------------------------------------------------------------------------

    def _told(self, events: list[Event]) -> list[Event]:
        """Without the makers' events; what was taken from them is missing."""
        for e in events:
            if e.kind == EventKind.FILL and e.account >= self.own:
                self.missing[e.instrument][BUY if e.lots > 0 else SELL] += abs(e.lots)
        return [e for e in events if e.account < self.own]

    def _same(self, kernel: list[Event], twin: list[Event]) -> list[Event]:
        """Nobody unnamed trades: what comes from outside is a position transferred in, or passed on to nobody."""
        events = super()._same(kernel, twin)
        met = {e.trade for e in events if e.kind == EventKind.FILL and e.flags & MAKER}
        for e in events:
            brought = e.kind == EventKind.FILL and e.flags & TRANSFERRED
            if brought or (e.kind == EventKind.TAKEN_OVER and e.trade not in met):
                instrument = self.setup.instruments[e.instrument]
                self.outside += e.lots * e.price_ticks * (instrument.tick_e8 * instrument.lot_value // E8)
                self.brought = True
            # of what came from outside somebody there pays the funding, and has the other side of a delivery
            self.shared |= self.setup.pro_rata or (self.brought and e.kind in (EventKind.FUNDING, EventKind.DELIVERY))
        assert self.shared or self.venue.totals().outside == self.outside, self.story[-1]
        return events
