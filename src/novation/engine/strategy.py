"""Compiled strategies: the user's `on_bar` inside the exchange's own loop.

    @novation.compiled(fast=("f8", 10), slow=("f8", 50), seen="i8")
    def on_bar(venue, bar, my): ...

`venue` is handed on to the functions below; `bar` is the closed bar, a row of `domain.market` (BAR_CLOSE:
`last_e8` is the close, `last_high_e8`, `last_low_e8`, the mark's likewise, `instrument`, `start_ns`, `ts_ns`); `my` is
the strategy's own record, zeroed at the start, with the fields named in the decorator ("i8", "f8", or (kind, length)).

On an order book a strategy looks every so often instead, and sees the book as it stands then:

    @novation.compiled("look", mine="i8")
    def on_look(venue, now_ns, my): ...

The compiled form has one fixed signature, int64 (head address, feed row, state address), so every strategy runs in the
same compiled loop; the decorator writes the shim that turns addresses into records. Exceptions propagate.
Commands wait in line and are carried out when all bars of the instant have been seen, as after a Python `on_bar`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from novation._jit import (
    STRATEGY_SIGNATURE,
    CompileError,
    address_of,
    kernel,
    kernel_with,
    record_pointer,
    record_table,
    user_kernel,
)
from novation.domain.enums import CommandKind, OrderKind, TriggerKind
from novation.domain.errors import InvalidInput
from novation.domain.market import MARKET_DTYPE
from novation.engine.book import best_of, lots_ahead, lots_shown, side_place
from novation.engine.commands import enter, next_command
from novation.engine.flight import sent_row
from novation.engine.layout import NO_PRICE
from novation.engine.margining import account_equity
from novation.engine.orders import find_order
from novation.engine.state import account_, command_, contract_, feed_, head_at, market_, order_, position_, sent_
from novation.engine.strategy_errors import check_function, explained, placed

_PLACE = int(CommandKind.PLACE)
_CANCEL = int(CommandKind.CANCEL)
_MARKET = int(OrderKind.MARKET)
_LIMIT = int(OrderKind.LIMIT)
_STOP, _TAKE_PROFIT = int(TriggerKind.STOP), int(TriggerKind.TAKE_PROFIT)


@kernel
def position(venue, instrument):
    """Signed lots held in an instrument, as far as is heard."""
    if venue.delayed:
        return market_(venue, instrument).heard_lots
    return position_(venue, 0, instrument, 0).lots


@kernel
def equity(venue):
    """Equity of the account in minor units, isolated margins and their profits included."""
    return account_equity(venue, 0)


@kernel
def place(venue, instrument, side, kind, lots, price_ticks):
    """Place an order of a kind; returns its id."""
    c = next_command(venue, _PLACE, 0, instrument)
    c.side = side
    c.order_kind = kind
    c.lots = lots
    c.price_ticks = price_ticks
    return enter(venue)


@kernel
def buy(venue, instrument, lots):
    """Buy lots at the market; returns the order's id."""
    return place(venue, instrument, 1, _MARKET, lots, 0)


@kernel
def sell(venue, instrument, lots):
    """Sell lots at the market; returns the order's id."""
    return place(venue, instrument, -1, _MARKET, lots, 0)


@kernel
def waiting(venue, instrument):
    """Signed lots of market orders not traded yet: those sent in this bar, and those without a price."""
    lots = 0
    for row in range(venue.command_next, venue.command_count):
        c = command_(venue, row)
        if c.kind == _PLACE and c.instrument == instrument and c.order_kind == _MARKET and c.trigger == 0:
            lots += c.side * c.lots
    if venue.delayed:
        for row in range(venue.sent_count):
            s = sent_(venue, row)
            if s.instrument == instrument and s.kind == _MARKET:
                lots += s.lots
        return lots
    row = account_(venue, 0).first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == instrument and o.kind == _MARKET and o.trigger == 0:
            lots += o.side * o.lots
        row = o.own_next
    return lots


@kernel
def target(venue, instrument, lots):
    """Trade the difference to a position of signed lots; returns the order's id, 0 if there is none.

    Market orders that wait, in line or for a price, count as done.
    """
    difference = lots - position(venue, instrument) - waiting(venue, instrument)
    if difference > 0:
        return buy(venue, instrument, difference)
    if difference < 0:
        return sell(venue, instrument, -difference)
    return 0


@kernel
def limit(venue, instrument, side, lots, price_ticks):
    """Place a limit order (side 1 or -1); returns its id."""
    return place(venue, instrument, side, _LIMIT, lots, price_ticks)


@kernel
def place_waiting(venue, instrument, side, lots, trigger, price_e8, closes):
    """Place a market order that waits for the last price to come to a trigger; returns its id."""
    c = next_command(venue, _PLACE, 0, instrument)
    c.side = side
    c.order_kind = _MARKET
    c.lots = lots
    c.trigger = trigger
    c.trigger_e8 = price_e8
    c.close_position = closes
    return enter(venue)


@kernel
def stop(venue, instrument, side, lots, price_e8):
    """Trade lots (side 1 or -1) at the market once the last price has risen to a price (a purchase) or fallen to it (a
    sale); returns the order's id."""
    return place_waiting(venue, instrument, side, lots, _STOP, price_e8, 0)


@kernel
def if_touched(venue, instrument, side, lots, price_e8):
    """As `stop`, once it has fallen (a purchase) or risen (a sale)."""
    return place_waiting(venue, instrument, side, lots, _TAKE_PROFIT, price_e8, 0)


@kernel
def stop_loss(venue, instrument, price_e8):
    """Close the whole position at the market once the last price has come to a price against it; returns the order's
    id. The order ends with the position."""
    side = -1 if position(venue, instrument) > 0 else 1
    return place_waiting(venue, instrument, side, 0, _STOP, price_e8, 1)


@kernel
def take_profit(venue, instrument, price_e8):
    """As `stop_loss`, once it has come to a price in favour of it."""
    side = -1 if position(venue, instrument) > 0 else 1
    return place_waiting(venue, instrument, side, 0, _TAKE_PROFIT, price_e8, 1)


@kernel
def cancel(venue, order):
    """Cancel an order by its id."""
    next_command(venue, _CANCEL, 0, 0).order = order
    return enter(venue)


@kernel
def best_bid(venue, instrument):
    """Ticks of the best bid of a book, NO_PRICE without one."""
    return best_of(venue, side_place(venue, instrument, 1))


@kernel
def best_ask(venue, instrument):
    """Ticks of the best ask of a book, NO_PRICE without one."""
    return best_of(venue, side_place(venue, instrument, -1))


@kernel
def lots_at(venue, instrument, side, price_ticks):
    """Lots that a side (1 bids, -1 asks) of a book shows at a price."""
    return lots_shown(venue, side_place(venue, instrument, side), price_ticks)


@kernel
def is_working(venue, order):
    """Whether an order of the account still works; with a latency, whether it is not heard to be gone."""
    if venue.delayed:
        return sent_row(venue, order) >= 0
    return find_order(venue, 0, order) >= 0


@kernel
def queue_ahead(venue, order):
    """Lots ahead of a working order at its price, hidden ones too; -1 where it stands in none, or is not heard to."""
    if venue.delayed:
        known = sent_row(venue, order)
        if known < 0 or not sent_(venue, known).accepted:
            return -1
    row = find_order(venue, 0, order)
    if row < 0 or order_(venue, row).resting < 0 or order_(venue, row).trigger != 0:
        return -1
    return lots_ahead(venue, order_(venue, row).resting)


@kernel
def ticks(venue, instrument, price_e8):
    """A price in ticks, rounded down."""
    return price_e8 // contract_(venue, instrument).tick_e8


__all__ = [
    "NO_PRICE",
    "CompiledStrategy",
    "best_ask",
    "best_bid",
    "buy",
    "cancel",
    "compiled",
    "equity",
    "if_touched",
    "is_working",
    "limit",
    "lots_at",
    "place",
    "place_waiting",
    "position",
    "queue_ahead",
    "sell",
    "stop",
    "stop_loss",
    "take_profit",
    "target",
    "ticks",
    "waiting",
]


class CompiledStrategy:
    """A compiled `on_bar` or `on_look` with the layout of its own record."""

    def __init__(self, function: Callable[..., Any], fields: dict[str, Any], *, looks: bool = False) -> None:
        self.looks = looks
        check_function(function, ("venue", "now_ns", "my") if looks else ("venue", "bar", "my"))
        self.name = function.__name__ if function.__name__ != "on_bar" else function.__module__
        layout: list[Any] = []
        for name, kind in fields.items():
            if name in dir(np.record):
                raise InvalidInput(
                    "is a name that NumPy records use themselves",
                    source="compiled",
                    where=name,
                    hint="Choose another.",
                )
            kinds = kind if isinstance(kind, tuple) else (kind,)
            if kinds[0] not in ("i8", "f8") or any(not isinstance(n, int) or n < 1 for n in kinds[1:]):
                raise InvalidInput(
                    'a field is "i8", "f8" or ("i8" or "f8", length)',
                    source="compiled",
                    where=name,
                    value=kind,
                )
            layout.append((name, *kinds))
        self.dtype = np.dtype(layout or [("unused", "i8")])
        self._function = function

    def bind(self) -> tuple[Any, np.ndarray, int]:
        """A fresh record and the first-class function: (function, record to keep alive, its address)."""
        body, state_at = user_kernel(self._function), record_pointer(self.dtype)  # it may read other values by now

        def shim(address, row, state):
            venue = head_at(address, 0)
            body(venue, feed_(venue, row), state_at(state, 0))
            return 0

        if self.looks:

            def shim(address, now_ns, state):
                body(head_at(address, 0), now_ns, state_at(state, 0))
                return 0

        record = record_table(self.dtype, 1)
        try:
            compiled_shim = kernel_with(STRATEGY_SIGNATURE, shim)
        except CompileError as error:
            raise self._wrong(error) from error
        compiled_shim.novation_strategy = placed(self._function)
        return compiled_shim, record, address_of(record)

    def _wrong(self, error: CompileError) -> InvalidInput:
        """The error with the user's line in it, and what is allowed there."""
        venue, second, my = inspect.signature(self._function).parameters
        fields = {venue: (), my: self.dtype.names or ()}
        if not self.looks:
            fields[second] = MARKET_DTYPE.names or ()
        offered = [name for name in __all__ if name.islower() and name != "compiled"]
        return explained(self._function, error, self.name, fields, offered)


def compiled(function: Callable[..., Any] | str | None = None, /, **fields: Any) -> Any:
    """Decorate `on_bar(venue, bar, my)`, or with "look" `on_look(venue, now_ns, my)`; keywords name the fields of `my`:
    "i8", "f8", or (kind, length)."""
    if isinstance(function, str) and function not in ("bar", "look"):
        raise InvalidInput('is "bar" or "look"', source="compiled", value=function)
    if function is not None and not isinstance(function, str):
        return CompiledStrategy(function, {})
    looks = function == "look"

    def decorate(function: Callable[..., Any]) -> CompiledStrategy:
        return CompiledStrategy(function, fields, looks=looks)

    return decorate
