"""The few entry points from Python. Each takes the head array and does as much as it can in one call."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarketEventKind
from novation.engine.commands import enqueue
from novation.engine.margining import available, initial_now, liquidation_price, maintenance_at, unrealised_at
from novation.engine.state import HEAD, feed_, market_, position_row_
from novation.engine.step import IDLE, INSTANT, MORE, work
from novation.rules.integers import exact_towards_zero

__all__ = ["HEAD", "IDLE", "INSTANT", "MORE", "advance", "position_numbers", "run_compiled", "submit"]

_BAR_CLOSE = int(MarketEventKind.BAR_CLOSE)


@kernel
def advance(heads, until_ns):
    """Work up to an instant; see `step.work` for what is returned."""
    return work(heads[0], until_ns)


@kernel
def submit(heads, kind, account, instrument, order, side, order_kind, lots, price_ticks, leverage, scope, amount):
    """One command, carried out now; returns the status of `step.work`. A new order's id is `order_sequence`."""
    venue = heads[0]
    enqueue(venue, kind, account, instrument, order, side, order_kind, lots, price_ticks, leverage, scope, amount)
    return work(venue, venue.clock_ns)


@kernel
def run_compiled(heads, until_ns, address, on_bar, state):
    """Work up to an instant with a compiled strategy looking at every bar that closes.

    address: of the head; on_bar: first-class function (head address, feed row, state address) -> int64, whose
    commands wait in line and are carried out after all bars of the instant have been seen. Returns MORE or IDLE.
    """
    venue = heads[0]
    while True:
        status = work(venue, until_ns)
        if status != INSTANT:
            return status
        for row in range(venue.closed_from, venue.closed_to):
            if feed_(venue, row).kind == _BAR_CLOSE:
                on_bar(address, row, state)


@kernel
def position_numbers(heads, row, out):
    """Exact-to-the-unit view of one position: mark, unrealised, notional free of sign, maintenance, initial,
    liquidation price and the account's available balance, written into an int64 array of 6."""
    venue = heads[0]
    p = position_row_(venue, row)
    mark = market_(venue, p.instrument).mark_e8
    whole, part = unrealised_at(venue, p, mark)
    out[0] = mark
    out[1] = exact_towards_zero(whole, part)
    whole, part = maintenance_at(venue, p.instrument, p.lots, mark)
    out[2] = exact_towards_zero(whole, part)
    out[3] = initial_now(venue, p)
    out[4] = liquidation_price(venue, row)
    out[5] = available(venue, p.account)
