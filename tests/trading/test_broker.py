"""The broker on the trader's side: names, rounding, what waits, and own limits, against a scripted exchange."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from novation.domain.commands import Command
from novation.domain.enums import CommandKind, EventKind, InstrumentKind, MarginMethod, OrderKind
from novation.domain.errors import InvalidInput, OffGrid, UnknownInstrument
from novation.domain.events import Event
from novation.domain.instruments import Instrument, Terms
from novation.trading.broker import Broker, Line
from novation.trading.limits import DrawdownGuard

COIN = Instrument(
    id="x:C",
    venue="x",
    symbol="C",
    root="C",
    kind=InstrumentKind.PERPETUAL,
    method=MarginMethod.TIERED,
    asset="USDT",
    tick_e8=1_000_000,
    lot_e8=100_000,
)
ZEROS = dict.fromkeys(Event.__struct_fields__, 0)


def event(kind: EventKind, **fields: int) -> Event:
    """An event of account 0 and instrument 0."""
    return Event(**{**ZEROS, "kind": kind, **fields})


class Scripted:
    """Accepts every order; market orders are filled at once while `open`."""

    now_ns = 0

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.open, self.lots, self.ids = True, 0, count(1)

    def money(self, venue: str) -> tuple[int, ...]:
        return (0, 1_000 * 10**8, 0, 0, 0)

    def send(self, venue: str, command: Command) -> list[Event]:
        self.sent.append(command)
        if command.kind == CommandKind.CANCEL:
            return [event(EventKind.ORDER_CANCELLED, order=command.order)]
        order, lots = next(self.ids), command.side * command.lots
        out = [event(EventKind.ORDER_ACCEPTED, order=order, lots=lots, price_ticks=command.price_ticks)]
        if self.open and command.order_kind == OrderKind.MARKET:
            self.lots += lots
            out.append(event(EventKind.FILL, order=order, lots=lots, position_lots=self.lots))
        return out


@pytest.fixture
def broker() -> Broker:
    """One line, C, whose price is 100 and whose tick is five steps of a cent."""
    b = Broker(Scripted())
    b.add_venue("x", 8)
    line = Line("x:C", "x", COIN, 0, Terms(effective_ns=0, tick_step=5))
    line.last = 100.0
    b.add(line, ("C",))
    return b


def sent(b: Broker) -> list[tuple[int, int, int]]:
    """(side, lots, ticks) of what was sent."""
    return [(c.side, c.lots, c.price_ticks) for c in b._exchange.sent if c.kind == CommandKind.PLACE]  # type: ignore[attr-defined]


def test_a_helper_rounds_the_price_passively_and_the_size_down_and_counts(broker: Broker) -> None:
    broker.order("C", 1, 0.0129, 99.99)
    broker.order("C", -1, 0.0129, 99.99)
    assert sent(broker) == [(1, 12, 9_995), (-1, 12, 10_000)]
    assert broker.rounded == {"qty": 2, "price": 2}


def test_a_size_below_one_lot_is_not_sent_and_counted(broker: Broker) -> None:
    assert broker.order("C", 1, 0.0009, None) is None
    assert sent(broker) == [] and broker.rounded["qty to zero"] == 1


@pytest.mark.parametrize("qty", [0, -1, "-0.5"])
def test_a_size_that_is_not_positive_is_an_error(broker: Broker, qty: object) -> None:
    with pytest.raises(InvalidInput, match="positive"):
        broker.order("C", 1, qty, None)  # type: ignore[arg-type]


def test_place_sends_exactly_what_it_is_given_or_refuses(broker: Broker) -> None:
    broker.place("C", "buy", "0.012", "99.95")
    assert sent(broker) == [(1, 12, 9_995)]
    for qty, price in (("0.0125", "99.95"), ("0.012", "99.96")):
        with pytest.raises(OffGrid):
            broker.place("C", "buy", qty, price)
    assert len(sent(broker)) == 1


def test_a_target_counts_the_position_and_the_market_orders_that_wait(broker: Broker) -> None:
    broker.target("C", qty=0.010)
    broker._exchange.open = False  # type: ignore[attr-defined]
    broker.target("C", qty=-0.005)
    assert broker.target("C", qty=-0.005) is None
    assert broker.target("C", notional=1) is None  # 0.010 at 100, which is held: the 15 that wait are taken out
    assert broker.line("C").waiting == 0
    broker.target("C", weight=0.01)  # 10 of 1,000 is 0.100
    assert [side * lots for side, lots, _ in sent(broker)] == [10, -15, 90]


def test_an_order_that_waits_for_a_trigger_waits_for_no_price_until_then(broker: Broker) -> None:
    """Accepted with a trigger, triggered as a market order of ten lots, filled in two pieces."""
    number = event(EventKind.ORDER_ACCEPTED, order=7, lots=0, price_e8=90 * 10**8)
    broker.hear("x", number)
    assert broker.line("C").waiting == 0
    broker.hear("x", event(EventKind.ORDER_TRIGGERED, order=7, lots=-10, price_e8=90 * 10**8))
    assert broker.line("C").waiting == -10
    broker.hear("x", event(EventKind.FILL, order=7, lots=-4, position_lots=6))
    assert (broker.line("C").waiting, broker.line("C").lots) == (-6, 6)
    broker.hear("x", event(EventKind.FILL, order=7, lots=-6, position_lots=0))
    assert broker.line("C").waiting == 0 and not broker.cancel(broker.id_of("x", 7))


def test_triggers_go_to_the_tick_at_which_they_are_reached_later(broker: Broker) -> None:
    broker.order("C", 1, 0.01, None, stop=101.02)
    broker.order("C", -1, 0.01, None, stop=98.99)
    broker.order("C", 1, 0.01, 98, if_touched="98.99", by="mark")
    broker.order("C", -1, 0.01, None, if_touched=101.02)
    commands = broker._exchange.sent  # type: ignore[attr-defined]
    assert [c.trigger_e8 // 10**6 for c in commands] == [10_105, 9_895, 9_895, 10_105]
    assert [(c.trigger, c.trigger_by) for c in commands] == [(1, 0), (1, 0), (2, 1), (2, 0)]
    assert broker.rounded == {"trigger": 4}


def test_what_closes_a_position_is_on_its_other_side(broker: Broker) -> None:
    broker.target("C", qty="-0.01")
    broker.close_at("C", stop=110, take_profit=90)
    stop, profit = broker._exchange.sent[1:]  # type: ignore[attr-defined]
    assert [(c.side, c.lots, c.close_position, c.trigger) for c in (stop, profit)] == [(1, 0, 1, 1), (1, 0, 1, 2)]


def test_a_cancelled_order_waits_no_more(broker: Broker) -> None:
    broker._exchange.open = False  # type: ignore[attr-defined]
    order = broker.target("C", qty=0.010)
    assert broker.line("C").waiting == 10
    assert order is not None and broker.cancel(order)
    assert broker.line("C").waiting == 0 and not broker.cancel(order)


def test_a_paused_broker_only_takes_risk_off(broker: Broker) -> None:
    broker.target("C", qty=0.010)
    broker.paused = True
    assert broker.order("C", 1, 0.001, None) is None
    assert broker.order("C", -1, 0.021, None) is None  # through zero to more than before
    assert broker.order("C", -1, 0.004, None) is not None
    assert broker.position("C") == pytest.approx(0.006)
    assert broker.rounded["held back by own limits"] == 2


def test_close_all_cancels_and_goes_flat(broker: Broker) -> None:
    broker.target("C", qty=0.010)
    broker.place("C", "sell", "0.010", "120")
    broker.close_all()
    assert broker.position("C") == 0.0
    assert [c.kind for c in broker._exchange.sent][-2:] == [CommandKind.CANCEL, CommandKind.PLACE]  # type: ignore[attr-defined]


def test_a_symbol_that_is_not_traded_is_an_error_naming_those_that_are(broker: Broker) -> None:
    with pytest.raises(UnknownInstrument, match="x:C"):
        broker.order("D", 1, 1, None)


def test_equity_without_a_symbol_needs_one_account(broker: Broker) -> None:
    assert broker.equity() == 1_000.0
    broker.add_venue("y", 6)
    with pytest.raises(InvalidInput, match="several accounts"):
        broker.equity()


def test_a_drawdown_is_measured_from_the_peak_and_breaks_once() -> None:
    guard = DrawdownGuard(10.0)
    assert [guard.breach(ns, equity) for ns, equity in enumerate((100, 200, 181, 180, 10, 500))] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    assert guard.breached_ns == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "x"])
@pytest.mark.parametrize("name", ["qty", "notional", "weight"])
def test_a_target_that_is_no_number_names_symbol_and_argument(broker: Broker, name: str, bad: object) -> None:
    with pytest.raises(InvalidInput, match=rf"^x:C: {name}: .*\(found {bad!r}\)"):
        broker.target("C", **{name: bad})  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), "x"])
def test_what_is_rounded_or_placed_and_no_number_names_symbol_and_argument(broker: Broker, bad: Any) -> None:
    for call in (lambda: broker.round_qty("C", bad), lambda: broker.place("C", "buy", bad, None)):
        with pytest.raises(InvalidInput, match=r"^x:C: qty: "):
            call()
    for call in (lambda: broker.round_price("C", bad, "buy"), lambda: broker.place("C", "buy", 1, bad)):
        with pytest.raises(InvalidInput, match=r"^x:C: price: "):
            call()


def test_a_side_is_buy_or_sell_wherever_it_is_given(broker: Broker) -> None:
    assert (broker.round_price("C", 1.23, "buy"), broker.round_price("C", 1.23, "sell")) == (1.2, 1.25)
    for call in (lambda: broker.round_price("C", 1.23, "BUY"), lambda: broker.place("C", "BUY", 1, None)):  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match=r"""^x:C: side is "buy" or "sell" \(found 'BUY'\)"""):
            call()
