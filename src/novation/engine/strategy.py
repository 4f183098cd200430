"""Compiled strategies: the user's `on_bar` inside the exchange's own loop.

    @novation.compiled(fast=("f8", 10), slow=("f8", 50), seen="i8")
    def on_bar(venue, bar, my): ...

`venue` is handed on to the functions below; `bar` is the closed bar, a row of `domain.market` (BAR_CLOSE:
`last_e8` is the close, `last_high_e8`, `last_low_e8`, the mark's likewise, `instrument`, `start_ns`, `ts_ns`); `my` is
the strategy's own record, zeroed at the start, with the fields named in the decorator ("i8", "f8", or (kind, length)).

The compiled form has one fixed signature, int64 (head address, feed row, state address), so every strategy runs in the
same compiled loop; the decorator writes the shim that turns addresses into records. Exceptions propagate.
Commands wait in line and are carried out when all bars of the instant have been seen, as after a Python `on_bar`.
"""

from __future__ import annotations

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
from novation.domain.enums import CommandKind, OrderKind
from novation.domain.errors import InvalidInput
from novation.engine.commands import enter, next_command
from novation.engine.margining import account_equity
from novation.engine.state import account_, command_, contract_, feed_, head_at, order_, position_

_PLACE = int(CommandKind.PLACE)
_CANCEL = int(CommandKind.CANCEL)
_MARKET = int(OrderKind.MARKET)
_LIMIT = int(OrderKind.LIMIT)


@kernel
def position(venue, instrument):
    """Signed lots held in an instrument."""
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
        if c.kind == _PLACE and c.instrument == instrument and c.order_kind == _MARKET:
            lots += c.side * c.lots
    row = account_(venue, 0).first_order
    while row >= 0:
        o = order_(venue, row)
        if o.instrument == instrument and o.kind == _MARKET:
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
def cancel(venue, order):
    """Cancel an order by its id."""
    next_command(venue, _CANCEL, 0, 0).order = order
    return enter(venue)


@kernel
def ticks(venue, instrument, price_e8):
    """A price in ticks, rounded down."""
    return price_e8 // contract_(venue, instrument).tick_e8


class CompiledStrategy:
    """A compiled `on_bar` with the layout of its own record."""

    def __init__(self, function: Callable[..., Any], fields: dict[str, Any]) -> None:
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

        record = record_table(self.dtype, 1)
        try:
            compiled_shim = kernel_with(STRATEGY_SIGNATURE, shim)
        except CompileError as error:
            raise InvalidInput(f"cannot be compiled: {error}", source=f"compiled strategy {self.name}") from error
        return compiled_shim, record, address_of(record)


def compiled(function: Callable[..., Any] | None = None, /, **fields: Any) -> Any:
    """Decorate `on_bar(venue, bar, my)`; keywords name the fields of `my`: "i8", "f8", or (kind, length)."""
    if function is not None:
        return CompiledStrategy(function, {})

    def decorate(function: Callable[..., Any]) -> CompiledStrategy:
        return CompiledStrategy(function, fields)

    return decorate
