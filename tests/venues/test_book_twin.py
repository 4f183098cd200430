"""Order books of the compiled exchange and of the plain-Python twin are one, whatever is asked of them."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from novation._jit import JIT
from novation.domain.commands import Command
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    HaltReason,
    MarketPhase,
    OrderKind,
    RejectReason,
    SelfTrade,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import AUCTION, DELEVERAGED, LIQUIDATED, TRANSFERRED, Event
from novation.domain.market import NO_LIMIT_E8
from novation.rules.opening_price import NO_PRICE, opening_price
from tests.conftest import scaled
from tests.reference import book
from tests.venues import book_scenarios
from tests.venues.book_pair import BothExchanges, TwinAlone, check_books, pair, random_run
from tests.venues.book_scenarios import ALL_KINDS as KINDS

#: Why an order or a command may be refused at a book.
REFUSED = {
    "NO_BOOK",
    "BAD_ORDER_KIND",
    "BAD_TIME_IN_FORCE",
    "IMMEDIATE_BEFORE_OPEN",
    "BAD_DISPLAY",
    "BAD_MINIMUM",
    "BAD_TRIGGER",
    "BAD_SELF_TRADE",
    "BAD_SIDE",
    "NUMBER_TOO_LARGE",
    "NOT_TRADING",
    "OPENING_NOT_ALLOWED",
    "WOULD_TRIGGER",
    "NO_OPPOSITE",
    "WOULD_TAKE",
    "NOT_FILLABLE",
    "NOT_AMENDABLE",
    "NO_CHANGE",
    "UNKNOWN_ORDER",
    "UNKNOWN_INSTRUMENT",
    "MARKET_CLOSED",
    "MARKET_ORDER_BEFORE_OPEN",
    "CANCEL_NOT_ALLOWED",
    "QTY_BELOW_MIN",
    "QTY_ABOVE_MAX",
    "PRICE_NOT_POSITIVE",
    "PRICE_OFF_TICK",
    "PRICE_BEYOND_LIMIT",
    "PRICE_OUTSIDE_BAND",
    "WOULD_NOT_REDUCE",
    "MIN_NOTIONAL",
    "INSUFFICIENT_MARGIN",
    "POSITION_LIMIT",
    "PRICE_BELOW_MIN",
    "PRICE_ABOVE_MAX",
    "PRICE_ABOVE_CAP",
    "PRICE_BELOW_FLOOR",
    "TOO_MANY_ORDERS",
    "TOO_MANY_CONDITIONAL",
    "OPPOSITE_OUT_OF_RANGE",
    "BAD_CLOSE_POSITION",
    "ALREADY_CLOSING",
    "NO_POSITION",
    "AMENDED_TOO_OFTEN",
}
#: Why an order on a book may be gone.
CANCELLED = {
    "REQUESTED",
    "LIQUIDATION",
    "INSUFFICIENT_MARGIN",
    "POSITION_LIMIT",
    "MIN_NOTIONAL",
    "OFF_TICK_BY_NEW_TERMS",
    "WOULD_NOT_REDUCE",
    "DELIVERY",
    "NO_LIQUIDITY",
    "UNFILLED",
    "MINIMUM_NOT_MET",
    "SELF_TRADE",
    "DAY_OVER",
    "EXPIRED",
    "WOULD_TAKE",
    "NOTHING_LEFT",
    "NO_OPPOSITE",
    "BEYOND_TAKE_BOUND",
    "POSITION_GONE",
    "WOULD_HALT",
    "COUNTDOWN",
}


class BookMachine(RuleBasedStateMachine):
    """Any rows and any commands in any order, on one or two books."""

    both: TwinAlone | BothExchanges
    rows: book_scenarios.Rows
    sent = 0

    @initialize(r=st.randoms(use_true_random=False), kind=st.sampled_from(KINDS))
    def begin(self, r: Random, kind: str) -> None:
        """An exchange, and money."""
        self.both = pair(book_scenarios.setup(r, kind))
        self.rows = book_scenarios.Rows(r, self.both.setup)
        for account in range(self.both.setup.accounts):
            self.both.submit(book_scenarios.deposit(r, self.both.setup, account))
        self.happens(r)

    @rule(r=st.randoms(use_true_random=False))
    def happens(self, r: Random) -> None:
        """What the world does next."""
        self.rows.r = r
        rows = self.rows.instant()
        self.both.advance(rows[-1].ts_ns if rows else self.both.twin.clock_ns, rows)

    @rule(share=st.sampled_from([1, 2, 1_000]))
    def passes(self, share: int) -> None:
        """Time, and nothing else."""
        now = self.both.twin.clock_ns
        self.both.advance(now + max(0, self.rows.now - 1 - now) // share, [])

    @rule(r=st.randoms(use_true_random=False), burst=st.integers(1, 4))
    def asks(self, r: Random, burst: int) -> None:
        """Commands of all kinds."""
        for _ in range(burst):
            self.send(book_scenarios.command(r, self.both.setup, self.both.twin))

    @rule(r=st.randoms(use_true_random=False), account=st.integers(0, 2), burst=st.integers(1, 3))
    def trades(self, r: Random, account: int, burst: int) -> None:
        """Orders for the first book."""
        for _ in range(burst):
            self.send(book_scenarios.order(r, self.both.setup, self.both.twin, account, 0))

    @precondition(lambda self: self.both.twin.orders)
    @rule(r=st.randoms(use_true_random=False))
    def amends(self, r: Random) -> None:
        """One of the orders that work."""
        self.send(book_scenarios.amended(r, self.both.setup, r.choice(list(self.both.twin.orders.values()))))

    def send(self, command: Command) -> None:
        """One command; the states are compared every hundred."""
        self.both.submit(command)
        self.sent += 1
        if self.sent % 100 == 0:
            self.both.compare()

    @invariant()
    def is_whole(self) -> None:
        """The ledger, and the books."""
        check_books(self.both.twin)

    def teardown(self) -> None:
        """At the end the states are the same."""
        if hasattr(self, "both"):
            self.both.compare()


TestBooks = pytest.mark.heavy(BookMachine.TestCase)
TestBooks.settings = settings(max_examples=scaled(2_000, 20), stateful_step_count=40)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=scaled(1_000, 20))
@given(st.integers(0, 1 << 40))
def test_a_run_on_books_is_the_same_on_both(kind: str, seed: int) -> None:
    r = Random(seed)
    random_run(r, pair(book_scenarios.setup(r, kind)), 100)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_commands_of_many_accounts_are_the_same_on_both(kind: str) -> None:
    r = Random(f"heavy-{kind}")
    both = pair(book_scenarios.setup(r, kind, accounts=scaled(60, 12)), buffer=64)
    random_run(r, both, scaled(5_000, 400))


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="says which cases are met, with the compiler; minutes without")
def test_the_runs_meet_every_kind_of_order_and_every_answer_of_a_book() -> None:
    asked: Counter[tuple[str, int]] = Counter()
    answers: Counter[str] = Counter()
    for seed in range(80):
        r = Random(f"book-{seed}")
        both = pair(book_scenarios.setup(r, KINDS[seed % 4]))
        submit = both.submit

        def noted(command: Command, submit: Any = submit) -> list[Event]:
            events: list[Event] = submit(command)
            if command.kind == CommandKind.PLACE and any(e.kind == EventKind.ORDER_ACCEPTED for e in events[:1]):
                for name in ("order_kind", "time_in_force", "trigger", "trigger_by", "self_trade"):
                    asked[name, getattr(command, name)] += 1
                for name in ("display_lots", "min_lots", "reduce_only", "close_position", "price_protect"):
                    asked[name, int(bool(getattr(command, name)))] += 1
            return events

        both.submit = noted  # type: ignore[method-assign]
        random_run(r, both, 200)
        for e in both.twin.events:
            name = EventKind(e.kind).name
            if e.kind == EventKind.ORDER_CANCELLED:
                name = f"cancelled {CancelReason(e.reason).name}"
            elif e.kind in (EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED):
                name = f"refused {RejectReason(e.reason).name}"
            elif e.kind == EventKind.PHASE_CHANGED:
                name = f"halted by {HaltReason(e.reason).name}"
            answers[name] += 1
    enums: dict[str, Any] = {
        "order_kind": OrderKind,
        "time_in_force": TimeInForce,
        "trigger": TriggerKind,
        "trigger_by": TriggerPrice,
        "self_trade": SelfTrade,
    }
    wanted = {(name, int(code)) for name, codes in enums.items() for code in codes}
    wanted |= {(name, 1) for name in ("display_lots", "min_lots", "reduce_only", "close_position", "price_protect")}
    assert wanted - set(asked) == set()
    told = {f"refused {name}" for name in REFUSED} | {f"cancelled {name}" for name in CANCELLED}
    told |= {"ORDER_TRIGGERED", "ORDER_AMENDED", "ALL_CANCELLED", "LIQUIDATION", "TAKEN_OVER", "FILL", "COUNTDOWN_SET"}
    told |= {"halted by VELOCITY", "halted by STOP_LOGIC"}
    assert told - set(answers) == set()


@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 20))
@given(st.integers(0, 1 << 40))
def test_every_trade_has_two_sides_an_open_market_and_a_price_within_the_limits(seed: int) -> None:
    r = Random(seed)
    both = pair(book_scenarios.setup(r))
    random_run(r, both, 100)
    setup, twin = both.setup, both.twin
    on_books = {i for i, instrument in enumerate(setup.instruments) if instrument.id in setup.books}
    phase: dict[int, int] = {}
    bounds: dict[int, tuple[int, int]] = {}
    sides: dict[int, list[Event]] = {}
    for e in twin.events:
        if e.kind == EventKind.PHASE_CHANGED:
            phase[e.instrument] = e.amount
        elif e.kind == EventKind.LIMITS_CHANGED:
            bounds[e.instrument] = (e.price_e8, e.amount)
        elif e.kind == EventKind.FILL and e.instrument in on_books and not e.flags & (TRANSFERRED | DELEVERAGED):
            sides.setdefault(e.trade, []).append(e)
            if e.order:
                low, high = bounds.get(e.instrument, (-NO_LIMIT_E8, NO_LIMIT_E8))
                assert low <= e.price_e8 <= high
                assert phase.get(e.instrument, MarketPhase.OPEN) == MarketPhase.OPEN
    for first, *others in sides.values():
        assert len(others) <= 1
        if others:
            assert first.lots == -others[0].lots and first.flags & AUCTION == others[0].flags & AUCTION
        else:  # the fund took it over, and passed it on at the last price: nobody was there
            assert first.flags & LIQUIDATED and setup.rules.deficit_to_fund


SIDE = st.dictionaries(st.integers(-12, 12), st.integers(1, 4), max_size=8)


@settings(max_examples=scaled(5_000, 200))
@given(SIDE, SIDE, st.integers(-40, 40), st.sampled_from([1, 2, 5]), st.booleans())
def test_the_price_of_an_auction_is_the_one_of_the_rules(
    bids: dict[int, int], asks: dict[int, int], settlement: int, step: int, all_ticks: bool
) -> None:
    """And looking only beside the prices of the book finds the same as looking at every tick."""
    bids, asks = ({price * step: lots for price, lots in side.items()} for side in (bids, asks))
    sides = [sorted(bids.items(), reverse=True), sorted(asks.items())]
    columns = [np.array([row[k] for row in side], np.int64) for side in sides for k in (0, 1)]
    price = int(opening_price(*columns, settlement, step)[0])
    with pytest.MonkeyPatch.context() as patch:
        if not all_ticks:
            patch.setattr(book, "MANY", 0)
        assert book.opening_price(bids, asks, settlement, step) == (None if price == NO_PRICE else price)
