"""What a participant can ask of the exchange."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from novation.domain.enums import CommandKind, MarginScope, OrderKind, Side
from novation.domain.errors import VenueError
from novation.domain.records import record_dtype, record_format


class Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request, all fields int64; the functions below say which fields each kind uses."""

    kind: int
    account: int = 0
    instrument: int = 0
    order: int = 0
    side: int = 0
    order_kind: int = 0
    lots: int = 0
    price_ticks: int = 0
    leverage: int = 0
    scope: int = 0
    amount: int = 0
    reduce_only: int = 0
    position_side: int = 0
    asset: int = 0
    hold: int = 0  #: 1: a broker keeps it until the market takes it, where the exchange would refuse it
    after: int = 0  #: a market order that is held until this order of the account works no more
    time_in_force: int = 0  #: `TimeInForce`
    expire_ns: int = 0  #: of GTD
    display_lots: int = 0  #: lots shown at a time, the others hidden; 0: all are shown
    min_lots: int = 0  #: lots that trade at once, or the order is cancelled
    trigger: int = 0  #: `TriggerKind`
    trigger_e8: int = 0  #: the price it waits for; of TRAILING the one from which it follows, 0: at once
    trigger_by: int = 0  #: `TriggerPrice`
    callback_e8: int = 0  #: of TRAILING: how far back the price has to come, a share in 1e-8
    self_trade: int = 0  #: `SelfTrade`
    close_position: int = 0  #: 1: a conditional order of as many lots as the position then has, which ends with it
    price_protect: int = 0  #: 1: it is not triggered while last price and mark lie too far apart


COMMAND_SCHEMA = 6
COMMAND_DTYPE = record_dtype(Command)
COMMAND_FORMAT = record_format(Command)


def pack_command(command: Command, buffer: Any, at: int, source: str) -> None:
    """Write a command's bytes; source: who refuses one whose fields are not int64."""
    try:
        COMMAND_FORMAT.pack_into(buffer, at, *msgspec.structs.astuple(command))
    except struct.error as error:
        raise VenueError(f"{source}: a command's numbers are int64: {error}") from None


def place_market(
    account: int,
    instrument: int,
    side: Side,
    lots: int,
    *,
    reduce_only: bool = False,
    position_side: int = 0,
    hold: bool = False,
    after: int = 0,
) -> Command:
    """Buy or sell `lots` at the next price.

    reduce_only: refused or cancelled where it would open a position. position_side: `PositionSide`. hold: a broker
    keeps it while the market is not open; after: and while another order of the account still works.
    """
    return Command(
        kind=CommandKind.PLACE,
        account=account,
        instrument=instrument,
        side=side,
        lots=lots,
        order_kind=OrderKind.MARKET,
        reduce_only=int(reduce_only),
        position_side=position_side,
        hold=int(hold),
        after=after,
    )


def place_limit(
    account: int,
    instrument: int,
    side: Side,
    lots: int,
    price_ticks: int,
    *,
    reduce_only: bool = False,
    position_side: int = 0,
) -> Command:
    """Buy or sell `lots` at `price_ticks` or better, until cancelled; the rest as `place_market`."""
    return Command(
        kind=CommandKind.PLACE,
        account=account,
        instrument=instrument,
        side=side,
        lots=lots,
        order_kind=OrderKind.LIMIT,
        price_ticks=price_ticks,
        reduce_only=int(reduce_only),
        position_side=position_side,
    )


def place(account: int, instrument: int, side: Side, kind: OrderKind, lots: int, **fields: int) -> Command:
    """An order of any kind; fields: those of `Command` (docs/rules/book.md; on bars docs/rules/fills.md)."""
    return Command(
        kind=CommandKind.PLACE, account=account, instrument=instrument, side=side, order_kind=kind, lots=lots, **fields
    )


def amend(account: int, order: int, lots: int, price_ticks: int) -> Command:
    """Give a working limit order another size, what has been filled of it included, and another price."""
    return Command(kind=CommandKind.AMEND, account=account, order=order, lots=lots, price_ticks=price_ticks)


def cancel_all(account: int, *, instrument: int = -1, side: int = 0) -> Command:
    """Take out all open orders of an account; of one instrument or one side, if named."""
    return Command(kind=CommandKind.CANCEL_ALL, account=account, instrument=instrument, side=side)


def countdown_cancel(account: int, instrument: int, after_ns: int) -> Command:
    """Take out all orders of an account in an instrument once so much time has passed without another such command; 0
    stops the countdown."""
    return Command(kind=CommandKind.COUNTDOWN_CANCEL, account=account, instrument=instrument, amount=after_ns)


def cancel(account: int, order: int, *, hold: bool = False) -> Command:
    """Take an open order out. hold: a broker has it still, so no phase of the market forbids it."""
    return Command(kind=CommandKind.CANCEL, account=account, order=order, hold=int(hold))


def set_leverage(account: int, instrument: int, leverage: int) -> Command:
    """Change the leverage of one instrument."""
    return Command(kind=CommandKind.SET_LEVERAGE, account=account, instrument=instrument, leverage=leverage)


def set_margin_scope(account: int, instrument: int, scope: MarginScope) -> Command:
    """Choose cross or isolated margin for one instrument; refused while it has orders or a position."""
    return Command(kind=CommandKind.SET_MARGIN_SCOPE, account=account, instrument=instrument, scope=scope)


def transfer(account: int, amount: int, *, asset: int = 0) -> Command:
    """Deposit (positive) or withdraw (negative) minor units of an asset of the venue; 0 is the settlement asset."""
    return Command(kind=CommandKind.TRANSFER, account=account, amount=amount, asset=asset)


def adjust_margin(account: int, instrument: int, amount: int, *, position_side: int = 0) -> Command:
    """Move minor units from the wallet into the margin of an isolated position (positive), or back (negative)."""
    return Command(
        kind=CommandKind.ADJUST_MARGIN,
        account=account,
        instrument=instrument,
        amount=amount,
        position_side=position_side,
    )


def set_hedge_mode(account: int, hedge: bool) -> Command:
    """Hold one position an instrument (one-way), or a long and a short one (hedge); refused with anything open."""
    return Command(kind=CommandKind.SET_HEDGE_MODE, account=account, amount=int(hedge))


def set_multi_assets(account: int, multi_assets: bool) -> Command:
    """Let all assets of an account stand behind its positions (Multi-Assets mode), or the settlement asset alone."""
    return Command(kind=CommandKind.SET_MULTI_ASSETS, account=account, amount=int(multi_assets))


def transfer_position(
    account: int, instrument: int, side: Side, lots: int, price_ticks: int, *, position_side: int = 0
) -> Command:
    """Bring `lots` in from outside, entered at `price_ticks`: no trade and no fee, but the margin has to be there."""
    return Command(
        kind=CommandKind.TRANSFER_POSITION,
        account=account,
        instrument=instrument,
        side=side,
        order_kind=OrderKind.LIMIT,
        lots=lots,
        price_ticks=price_ticks,
        position_side=position_side,
    )
