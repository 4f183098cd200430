"""What is under way: commands arrive later, what happened is heard later, for classes and for compiled strategies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novation as nv
from novation.data.flow import dense_orders
from novation.domain.commands import cancel as cancel_command
from novation.domain.commands import place, place_limit, place_market
from novation.domain.enums import EventKind, OrderKind, Side, TriggerKind
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import Event
from novation.domain.flow import FLOW_DTYPE
from novation.domain.latency import NO_LATENCY, Delay, Latency
from novation.engine.strategy import (
    NO_PRICE,
    best_ask,
    best_bid,
    buy,
    cancel,
    is_working,
    limit,
    position,
    queue_ahead,
    sell,
    waiting,
)
from novation.venues.connection import Connection, wait_all
from novation.venues.looks import Line
from novation.venues.participant import Participant
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import flow_scenarios
from tests.venues.book_cases import BUY, SELL, market, order
from tests.venues.book_pair import ALONE, BothExchanges
from tests.venues.flow_cases import add, filled, record, traded

pytestmark = pytest.mark.skipif(ALONE, reason="NOVATION_TWIN_ALONE is set: there is no compiled exchange to reach")

#: 10 to see, 20 to send, 30 to hear.
FIXED = Latency.of(10, 20, 30)


def exchange(*rows: tuple[int, ...]) -> Venue:
    """ES on a book of a record, six accounts with money, the clock at 0."""
    both = market()
    assert isinstance(both, BothExchanges)
    if rows:
        record(both, *rows)
    return both.venue


def bids(line: Connection) -> list[tuple[float, int]]:
    """Prices and lots that a participant sees bid."""
    return [(level.price_ticks / 4, level.lots) for level in line.venue.book(0).bids]


def told(heard: list[Any]) -> list[tuple[int, str]]:
    """When what was heard."""
    return [(h.heard_ns, EventKind(h.event.kind).name) for h in heard]


# -- a class's line -------------------------------------------------------------------------------------------------


def test_what_happens_at_a_hundred_is_seen_at_a_hundred_and_ten() -> None:
    line = Connection(exchange(add(100, 0, BUY, 3, 900)), FIXED)
    line.wait(109)
    assert bids(line) == []
    line.wait(110)
    assert bids(line) == [(900, 3)]


def test_an_order_arrives_after_its_way_and_joins_the_queue_as_it_is_then() -> None:
    """Sent at 100, there at 120: behind the five of 115, ahead of the seven of 125."""
    line = Connection(exchange(add(90, 0, BUY, 3, 900), add(115, 1, BUY, 5, 900), add(125, 2, BUY, 7, 900)), FIXED)
    line.wait(100)
    mine = line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    assert line.wait(129) == [] and line.venue.queue_position(mine) is None
    line.wait(130)
    assert line.venue.queue_position(mine) == (2, 8)
    line.wait(140)
    assert line.venue.queue_position(mine) == (2, 8) and bids(line) == [(900, 17)]


def test_a_fill_is_heard_after_its_way_and_never_ahead_of_the_market_s_own_news() -> None:
    rows = [add(90, 0, BUY, 3, 900), traded(150, 900, SELL, 5), filled(150, 0, BUY, 3, 900)]
    line = Connection(exchange(*rows), FIXED)
    line.wait(100)
    mine = line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    assert told(line.wait(149)) == []
    assert told(line.wait(150)) == [(150, "ORDER_ACCEPTED")]  # accepted at 120
    assert told(line.wait(179)) == []
    (fill,) = line.wait(180)
    assert (fill.heard_ns, fill.event.order, fill.event.lots, fill.event.ts_ns) == (180, mine, 2, 150)
    late = Connection(exchange(*rows), Latency.of(50, 20, 30))
    late.wait(100)
    late.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    assert told(late.wait(199)) == [(150, "ORDER_ACCEPTED")]
    assert told(late.wait(200)) == [(180, "FILL")]  # not before the trade itself is seen


def sent_and_cancelled(latency: Latency, sent_ns: int, cancelled_ns: int) -> Connection:
    """A line on which an order was sent, and then its cancellation."""
    line = Connection(exchange(), latency)
    line.wait(sent_ns)
    mine = line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    line.wait(cancelled_ns)
    line.submit(cancel_command(0, mine))
    return line


def test_no_command_overtakes_an_earlier_one() -> None:
    """The first is 500 under way from 50, the next 10 from 100: both are there at 550, in their order."""
    line = sent_and_cancelled(Latency.of(0, Delay.recorded([0, 100], [500, 10]), 0), 50, 100)
    assert told(line.wait(549)) == []
    assert told(line.wait(550)) == [(550, "ORDER_ACCEPTED"), (550, "ORDER_CANCELLED")]


def test_no_response_overtakes_an_earlier_one() -> None:
    """What happens at 50 takes 100, at 60 it takes 10: both are heard at 150."""
    line = sent_and_cancelled(Latency.of(0, 0, Delay.recorded([0, 60], [100, 10])), 50, 60)
    assert told(line.wait(149)) == []
    assert told(line.wait(150)) == [(150, "ORDER_ACCEPTED"), (150, "ORDER_CANCELLED")]


def test_without_a_latency_all_is_known_at_once_and_a_caution_says_so() -> None:
    line = Connection(exchange(add(90, 0, BUY, 3, 900)))
    line.wait(90)
    assert bids(line) == [(900, 3)] and line.cautions == (NO_LATENCY,)
    line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    assert told(line.wait(90)) == [(90, "ORDER_ACCEPTED")]
    assert Connection(exchange(), FIXED).cautions == ()


def test_ids_are_given_as_orders_are_sent_and_others_trade_meanwhile() -> None:
    line = Connection(exchange(), FIXED)
    line.wait(10)
    mine = line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    (other, *_) = line.venue.submit(order(1, BUY, 1, 900))
    line.wait(100)
    assert mine == 1 and other.order == 2
    assert line.venue.queue_position(1) == (1, 1) and line.venue.queue_position(2) == (0, 0)


def test_a_line_is_of_one_account_and_its_clock_goes_on() -> None:
    line = Connection(exchange(), FIXED, account=2)
    with pytest.raises(VenueError, match="line of account 2, and the command is of 0"):
        line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    line.wait(10)
    with pytest.raises(VenueError, match="cannot go back"):
        line.wait(9)
    with pytest.raises(VenueError, match="no account 7"):
        Connection(exchange(), FIXED, account=7)


def test_one_line_moves_a_venue_and_nothing_sent_is_lost_where_another_did() -> None:
    line = Connection(exchange(), FIXED)
    line.wait(50)
    line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    line.venue.advance(500)
    for _ in range(2):
        with pytest.raises(VenueError, match=r"moved on to .*0000005 by somebody else.*left it at .*00000004"):
            line.wait(100)


def test_what_another_account_does_is_heard_once_it_is_handed_on() -> None:
    line = Connection(exchange(), FIXED)
    line.wait(10)
    line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    line.wait(100)  # sees 90
    line.respond(line.venue.submit(order(1, SELL, 2, 900)))
    assert told(line.wait(119)) == []
    assert told(line.wait(120)) == [(120, "FILL")]


def test_an_id_is_used_once_and_only_if_it_was_given() -> None:
    venue = exchange()
    given = venue.new_order_id()
    bid = place_limit(0, 0, Side.BUY, 2, 3_600)
    assert venue.submit(bid, order=given)[0].order == given
    for wrong, command in ((given, bid), (99, bid), (venue.new_order_id(), cancel_command(0, given))):
        with pytest.raises(VenueError, match=f"{wrong} is no id that was given"):
            venue.submit(command, order=wrong)
    assert venue.submit(bid)[0].order == 3


@pytest.mark.parametrize("wrong", ["retail", 5, (1, 2, 3)])
def test_what_is_no_latency_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match="is a Latency, or None"):
        Connection(exchange(), wrong)
    with pytest.raises(InvalidInput, match=r"feed.*is a Delay"):
        Latency(wrong, Delay.fixed(1), Delay.fixed(1))


def test_two_venues_share_one_clock_and_each_has_its_own_delays() -> None:
    rows = [add(90, 0, SELL, 3, 900)]
    near = Connection(exchange(*rows), Latency.of(1, 2, 3))
    far = Connection(exchange(*rows), Latency.of(40, 50, 60))
    wait_all([far, near], 100)
    for line in (far, near):
        line.submit(place_market(0, 0, Side.BUY, 1))
    assert far.venue.clock_ns == 60 and near.venue.clock_ns == 99
    heard = [(line is far, h.heard_ns, EventKind(h.event.kind).name) for line, h in wait_all([far, near], 1_000)]
    assert heard == [
        (False, 105, "ORDER_ACCEPTED"),
        (False, 105, "FILL"),
        (True, 210, "ORDER_ACCEPTED"),
        (True, 210, "FILL"),
    ]


# -- a compiled strategy ---------------------------------------------------------------------------------------------


@nv.compiled("look", looks="i8", order="i8", seen=("i8", 64), held=("i8", 64), ahead=("i8", 64))
def note(venue, now_ns, my):  # type: ignore[no-untyped-def]
    """One bid at the second look; what is seen and known at each."""
    my.seen[my.looks] = best_bid(venue, 0)
    my.held[my.looks] = position(venue, 0)
    my.ahead[my.looks] = queue_ahead(venue, my.order) if my.order and is_working(venue, my.order) else -2
    if my.looks == 1:
        my.order = limit(venue, 0, 1, 2, 3_600)
    my.looks += 1


@nv.compiled("look", first="i8", last="i8")
def clocked(venue, now_ns, my):  # type: ignore[no-untyped-def]
    """Its first and its last look."""
    if my.first == 0:
        my.first = now_ns
    my.last = now_ns


@nv.compiled("look")
def flood(venue, now_ns, my):  # type: ignore[no-untyped-def]
    """More than a line of commands holds."""
    for _ in range(100):
        limit(venue, 0, 1, 1, 3_600)


def noted(latency: Latency | None, *rows: tuple[int, ...], until_ns: int, every_ns: int = 50) -> Any:
    """The record of `note` after a run."""
    venue = exchange(*rows)
    function, record_, address = note.bind()
    venue.run_looking(function, address, every_ns=every_ns, until_ns=until_ns, latency=latency)
    return venue, record_[0]


def test_a_compiled_strategy_sees_and_hears_later() -> None:
    """Looks at 50, 100 see 40, 90; its bid of 100 is there at 120, heard of at 150; filled at 190, heard of at 220."""
    rows = [add(40, 0, BUY, 3, 900), traded(190, 900, SELL, 5), filled(190, 0, BUY, 3, 900)]
    _, my = noted(FIXED, *rows, until_ns=300)
    assert my["looks"] == 6  # the one of 310 sees 300; the last one there is looks at 300
    assert my["seen"][:6].tolist() == [3_600, 3_600, 3_600, NO_PRICE, NO_PRICE, NO_PRICE]
    assert my["ahead"][:6].tolist() == [-2, -2, 3, -1, -2, -2]
    assert my["held"][:6].tolist() == [0, 0, 0, 0, 2, 2]


def test_what_is_under_way_at_the_end_arrives_in_the_next_run() -> None:
    venue = exchange()
    function, record_, address = note.bind()
    venue.run_looking(function, address, every_ns=50, until_ns=100, latency=FIXED)
    assert venue.number("flight_count") == 1 and record_[0]["looks"] == 2 and venue.book(0).bids == ()
    other, again, where = note.bind()
    again[0]["looks"], again[0]["order"] = 5, record_[0]["order"]
    venue.run_looking(other, where, every_ns=50, until_ns=200, latency=FIXED)
    assert venue.book(0).bids[0].lots == 2 and again[0]["ahead"][5:7].tolist() == [0, 0]


def test_a_strategys_clock_goes_on_from_run_to_run() -> None:
    """Looks every 50 up to 300 see 290 at most; the next run's first is at 350, though the exchange stands at 290."""
    venue = exchange()
    function, record_, address = note.bind()
    venue.run_looking(function, address, every_ns=50, until_ns=290, latency=FIXED)
    assert record_[0]["looks"] == 6
    clock, again, where = clocked.bind()
    venue.run_looking(clock, where, every_ns=50, until_ns=400, latency=FIXED)
    assert (again[0]["first"], again[0]["last"]) == (350, 400)


def test_what_is_under_way_needs_a_latency_to_arrive() -> None:
    venue = exchange()
    function, _record, address = note.bind()
    venue.run_looking(function, address, every_ns=50, until_ns=100, latency=FIXED)
    with pytest.raises(VenueError, match="1 commands of a run with a latency are under way"):
        venue.run_looking(function, address, every_ns=50, until_ns=200)


def test_too_many_commands_in_a_look_are_an_error_and_none_of_them_is_carried_out() -> None:
    venue = exchange()
    function, _record, address = flood.bind()
    with pytest.raises(ValueError, match="too many commands"):
        venue.run_looking(function, address, every_ns=50, until_ns=200, latency=FIXED)
    assert [e.order for e in venue.submit(place_limit(0, 0, Side.BUY, 2, 3_600))] == [venue.number("order_sequence")]
    assert len(venue.book(0).bids) == 1 and venue.book(0).bids[0].orders == 1


@pytest.mark.parametrize(
    "wrong", [{"every_ns": 1.5}, {"every_ns": True}, {"start_ns": 60.5}, {"until_ns": 1 << 63}, {"seed": 1.5}]
)
def test_times_and_seeds_are_whole_numbers(wrong: dict[str, Any]) -> None:
    function, _record, address = note.bind()
    with pytest.raises(InvalidInput, match="whole"):
        exchange().run_looking(function, address, **{"every_ns": 50, "latency": FIXED, **wrong})


def test_a_run_does_not_go_back() -> None:
    venue = exchange()
    venue.advance(200, None)
    function, _record, address = note.bind()
    with pytest.raises(VenueError, match="cannot go back"):
        venue.run_looking(function, address, every_ns=50, until_ns=100)


def test_a_command_that_cannot_be_is_refused_as_it_is_sent_and_the_line_goes_on() -> None:
    line = Connection(exchange(), FIXED)
    line.wait(10)
    with pytest.raises(VenueError, match="int64"):
        line.submit(place_limit(0, 0, Side.BUY, 1 << 70, 3_600))
    line.submit(place_limit(0, 0, Side.BUY, 2, 3_600))
    assert told(line.wait(100)) == [(60, "ORDER_ACCEPTED")]


# -- both, whatever they do ------------------------------------------------------------------------------------------

_SUM = 1_000_003


@nv.compiled("look", order="i8", other="i8", turn="i8", total="i8")
def act(venue, now_ns, my):  # type: ignore[no-untyped-def]
    """Something of everything, by turns, and a sum over all that is seen and known."""
    bid, ask = best_bid(venue, 0), best_ask(venue, 0)
    held, free = position(venue, 0), waiting(venue, 0)
    works = (1 if is_working(venue, my.order) else 0) + (2 if is_working(venue, my.other) else 0)
    my.total = (my.total * 31 + bid % 1_009 + 3 * (ask % 1_009) + 7 * held + 11 * free + 13 * works) % 1_000_003
    turn = my.turn % 7
    my.turn += 1
    if turn == 0 and bid != NO_PRICE:
        my.order = limit(venue, 0, 1, 2, bid)
    elif turn == 1 and ask != NO_PRICE:
        my.other = limit(venue, 0, -1, 1, ask)
    elif turn == 3:
        if held > 0:
            sell(venue, 0, 1)
        else:
            buy(venue, 0, 2)
    elif turn == 5:
        cancel(venue, my.order)
    elif turn == 6:
        cancel(venue, my.other)


class Act(Participant):
    """The same, as a class."""

    order = other = turn = total = 0

    def on_look(self, now_ns: int) -> None:
        """One turn."""
        bid, ask, held = self.best_bid(0), self.best_ask(0), self.position(0)
        works = self.is_working(self.order) + 2 * self.is_working(self.other)
        seen = bid % 1_009 + 3 * (ask % 1_009) + 7 * held + 11 * self.waiting(0) + 13 * works
        self.total = (self.total * 31 + seen) % _SUM
        turn = self.turn % 7
        self.turn += 1
        if turn == 0 and bid != NO_PRICE:
            self.order = self.limit(0, Side.BUY, 2, bid)
        elif turn == 1 and ask != NO_PRICE:
            self.other = self.limit(0, Side.SELL, 1, ask)
        elif turn == 3:
            if held > 0:
                self.sell(0, 1)
            else:
                self.buy(0, 2)
        elif turn == 5:
            self.cancel(self.order)
        elif turn == 6:
            self.cancel(self.other)


def way(r: Random, span: int) -> Delay:
    """Any kind of delay, from none to several looks."""
    kind, most = r.randint(0, 3), r.choice([0, 3, 40, 400])
    if kind == 0:
        return Delay.fixed(r.randint(0, most))
    if kind == 1:
        return Delay.drawn([r.randint(0, most) for _ in range(r.randint(1, 5))])
    times = sorted(r.randint(0, span) for _ in range(r.randint(1, 6)))
    return Delay.recorded(times, [r.randint(0, most) for _ in times])


def flow_of(r: Random, span: int) -> tuple[np.ndarray, int]:
    """Random rows of the record of ES, over a span, and how many slots they need."""
    recorder = flow_scenarios.Recorder(r, 3_600, 1)
    for ts_ns in sorted(r.randint(1, span) for _ in range(r.choice([20, 60, 200]))):
        recorder.event(ts_ns)
    return dense_orders(np.array(recorder.rows, dtype=FLOW_DTYPE))


def looks_until(span: int, every: int, line: Line) -> Iterator[int]:
    """The looks at `every` that see the exchange up to an instant."""
    for now_ns in itertools.count(every, every):
        if int(line.looks(np.array([now_ns]))[0][0]) > span:
            return
        yield now_ns


@settings(max_examples=scaled(500, 10))
@given(st.integers(0, 1 << 40))
def test_a_class_and_a_compiled_strategy_see_hear_and_do_the_same(seed: int) -> None:
    r = Random(seed)
    span = r.choice([500, 3_000])
    rows, slots = flow_of(r, span)
    feed = Delay.received(rows["ts_ns"], rows["ts_ns"] + r.randint(0, 50)) if r.randint(0, 4) == 0 else way(r, span)
    latency = None if r.randint(0, 5) == 0 else Latency.of(feed, way(r, span), way(r, span))
    every = r.choice([1 if span == 500 else 9, 7, 60])
    one, two = exchange(), exchange()
    for venue in (one, two):
        venue.attach_flow(0, rows, slots)
    function, my, address = act.bind()
    one.run_looking(function, address, every_ns=every, until_ns=span, latency=latency, seed=seed)
    line = Connection(two, latency, seed=seed)
    acting = Act(line)
    for now_ns in looks_until(span, every, Line(latency, seed, 0)):
        acting.look(now_ns)
    line._go_to(span)
    assert my[0]["turn"] == acting.turn
    assert my[0]["total"] == acting.total
    assert one.event_hash() == two.event_hash()
    assert one.state_hash() == two.state_hash()


# -- a class with callbacks ------------------------------------------------------------------------------------------


class Joins(Participant):
    """Joins the best bid with one lot, follows it, and notes what it is told."""

    def on_start(self) -> None:
        """Nothing is there yet."""
        self.heard: list[tuple[int, str]] = []
        self.order = self.at = 0

    def on_look(self, now_ns: int) -> None:
        """Where the best bid is another."""
        bid = self.best_bid(0)
        if bid != self.at and bid != NO_PRICE:
            if self.is_working(self.order):
                self.cancel(self.order)
            self.order, self.at = self.limit(0, Side.BUY, 1, bid), bid

    def on_event(self, event: Event, heard_ns: int) -> None:
        """When, and what."""
        self.heard.append((heard_ns, EventKind(event.kind).name))


def test_a_class_with_callbacks_follows_the_best_bid_and_hears_later() -> None:
    """The bid moves from 3,600 to 3,601 at 100; a look every 20 sees it at 120, and the order is there at 125."""
    venue = exchange(add(10, 0, BUY, 5, 900), add(100, 1, BUY, 2, 900.25))
    quotes = Joins(Connection(venue, Latency.of(10, 5, 7)))
    quotes.run(200, every_ns=20)
    assert quotes.heard == [
        (32, "ORDER_ACCEPTED"),
        (132, "ORDER_CANCELLED"),
        (132, "ORDER_ACCEPTED"),
    ]
    assert quotes.working == {quotes.order: 1} and quotes.queue_ahead(quotes.order) == 2
    assert quotes.lots_at(0, Side.BUY, 3_601) == 3


def test_what_it_knows_begins_with_what_is_so_and_goes_on_with_what_it_hears() -> None:
    venue = exchange()
    venue.submit(place_limit(0, 0, Side.BUY, 3, 3_600))
    mine = Participant(Connection(venue))
    assert mine.working == {1: 3} and mine.position(0) == 0
    venue_events = venue.submit(place_limit(1, 0, Side.SELL, 2, 3_600))
    mine.line.respond(venue_events)
    mine.hear(10)
    assert mine.working == {1: 1} and mine.position(0) == 2
    assert mine.target(0, 2) == 0
    mine.cancel(1)
    mine.hear(15)
    order = mine.target(0, 0)
    assert mine.waiting(0) == -2 and mine.target(0, 0) == 0
    mine.hear(20)
    assert not mine.is_working(order) and mine.waiting(0) == 0  # nobody was there: it was cancelled
    again = Participant(Connection(venue))
    assert not again.working and again.position(0) == 2


@pytest.mark.parametrize("wrong", [{"every_ns": 0}, {"every_ns": 1.5}, {"every_ns": True}])
def test_how_often_it_looks_is_whole_ns(wrong: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, VenueError)):
        Participant(Connection(exchange())).run(100, **wrong)


def test_a_stop_is_no_market_order_until_it_is_triggered_and_one_that_closes_works_on() -> None:
    """Two lots held, a stop of two and one of the whole position: a target of two is there."""
    venue = exchange()
    mine = Participant(Connection(venue))
    venue.submit(place_limit(1, 0, Side.SELL, 2, 3_600))
    mine.buy(0, 2)
    at = {"trigger": TriggerKind.STOP, "trigger_e8": 890 * 100_000_000}
    mine.hear(10)
    stop = mine.submit(place(0, 0, Side.SELL, OrderKind.MARKET, 2, reduce_only=1, **at))
    whole = mine.submit(place(0, 0, Side.SELL, OrderKind.MARKET, 0, close_position=1, **at))
    for until_ns in (20, 30):
        assert mine.waiting(0) == 0 and mine.target(0, 2) == 0
        assert mine.working == {stop: -2, whole: 0} and mine.is_working(whole)
        mine.hear(until_ns)
    assert Participant(Connection(venue)).waiting(0) == 0
    for command in (place_limit(1, 0, Side.BUY, 3, 3_560), place_limit(2, 0, Side.SELL, 1, 3_560)):
        mine.line.respond(venue.submit(command))
    mine.hear(40)
    assert not mine.working and mine.position(0) == 0 and mine.waiting(0) == 0


def test_a_participant_has_a_line_and_whole_instants() -> None:
    with pytest.raises(VenueError, match="needs a Connection"):
        Participant(exchange())  # type: ignore[arg-type]
    with pytest.raises(VenueError, match="no account True"):
        Connection(exchange(), account=True)
    with pytest.raises(InvalidInput, match="start_ns"):
        Participant(Connection(exchange())).run(100, every_ns=1, start_ns=1.5)  # type: ignore[arg-type]


def test_a_strategy_without_a_latency_is_a_caution_too() -> None:
    venue, _ = noted(None, add(10, 0, BUY, 3, 900), until_ns=100)
    assert venue.cautions == (NO_LATENCY,)
    venue, _ = noted(FIXED, add(10, 0, BUY, 3, 900), until_ns=100)
    assert venue.cautions == ()
