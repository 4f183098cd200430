"""The waiting line of commands, and what each of them does."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    MarginMethod,
    MarginScope,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.engine.amending import amend, begin_cancel_all, set_countdown
from novation.engine.clearing import side_flag
from novation.engine.layout import LEGS
from novation.engine.ledger import next_event, post_asset_deposit, post_deposit
from novation.engine.margining import (
    available,
    initial_for,
    initial_now,
    initial_total,
    largest_value,
    withdrawable,
    worth,
)
from novation.engine.orders import cancel_order, find_order, reject
from novation.engine.phases import can_cancel
from novation.engine.placing import place
from novation.engine.state import (
    account_,
    asset_,
    balance_,
    command_,
    contract_,
    has_book,
    market_,
    order_,
    own_order,
    position_,
    position_row_,
    terms_of,
    tier_,
)
from novation.engine.watch import changed
from novation.rules.integers import mul_div
from novation.rules.value import signed_value

_PLACE = int(CommandKind.PLACE)
_CANCEL = int(CommandKind.CANCEL)
_SET_LEVERAGE = int(CommandKind.SET_LEVERAGE)
_SET_SCOPE = int(CommandKind.SET_MARGIN_SCOPE)
_ADJUST_MARGIN = int(CommandKind.ADJUST_MARGIN)
_SET_HEDGE_MODE = int(CommandKind.SET_HEDGE_MODE)
_SET_MULTI_ASSETS = int(CommandKind.SET_MULTI_ASSETS)
_TRANSFER = int(CommandKind.TRANSFER)
_TRANSFER_POSITION = int(CommandKind.TRANSFER_POSITION)
_AMEND = int(CommandKind.AMEND)
_CANCEL_ALL = int(CommandKind.CANCEL_ALL)
_COUNTDOWN_CANCEL = int(CommandKind.COUNTDOWN_CANCEL)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)
_TIERED = int(MarginMethod.TIERED)
_LIMIT = int(OrderKind.LIMIT)
_MARKET = int(OrderKind.MARKET)
_REQUESTED = int(CancelReason.REQUESTED)
_LEVERAGE_SET = int(EventKind.LEVERAGE_SET)
_SCOPE_SET = int(EventKind.MARGIN_SCOPE_SET)
_TRANSFERRED = int(EventKind.TRANSFER)
_MARGIN_ADJUSTED = int(EventKind.MARGIN_ADJUSTED)
_HEDGE_MODE_SET = int(EventKind.HEDGE_MODE_SET)
_MULTI_ASSETS_SET = int(EventKind.MULTI_ASSETS_SET)
_COMMAND_REJECTED = int(EventKind.COMMAND_REJECTED)
_UNKNOWN_ACCOUNT = int(RejectReason.UNKNOWN_ACCOUNT)
_UNKNOWN_INSTRUMENT = int(RejectReason.UNKNOWN_INSTRUMENT)
_UNKNOWN_ORDER = int(RejectReason.UNKNOWN_ORDER)
_CANCEL_NOT_ALLOWED = int(RejectReason.CANCEL_NOT_ALLOWED)
_UNKNOWN_COMMAND = int(RejectReason.UNKNOWN_COMMAND)
_NO_TERMS = int(RejectReason.NO_TERMS)
_LEVERAGE_ABOVE_BRACKET = int(RejectReason.LEVERAGE_ABOVE_BRACKET)
_LEVERAGE_NOT_USED = int(RejectReason.LEVERAGE_NOT_USED)
_OPEN_POSITION = int(RejectReason.OPEN_POSITION)
_OPEN_ORDERS = int(RejectReason.OPEN_ORDERS)
_SCOPE_NOT_OFFERED = int(RejectReason.SCOPE_NOT_OFFERED)
_BALANCE_TOO_SMALL = int(RejectReason.BALANCE_TOO_SMALL)
_POSITION_LIMIT = int(RejectReason.POSITION_LIMIT)
_INSUFFICIENT_MARGIN = int(RejectReason.INSUFFICIENT_MARGIN)
_NUMBER_TOO_LARGE = int(RejectReason.NUMBER_TOO_LARGE)
_NO_ISOLATED_POSITION = int(RejectReason.NO_ISOLATED_POSITION)
_WRONG_POSITION_SIDE = int(RejectReason.WRONG_POSITION_SIDE)
_HEDGE_MODE_NOT_OFFERED = int(RejectReason.HEDGE_MODE_NOT_OFFERED)
_NO_CHANGE = int(RejectReason.NO_CHANGE)
_MULTI_ASSETS_NOT_OFFERED = int(RejectReason.MULTI_ASSETS_NOT_OFFERED)
_MULTI_ASSETS = int(RejectReason.MULTI_ASSETS)
_ISOLATED_SCOPE = int(RejectReason.ISOLATED_SCOPE)
_UNKNOWN_ASSET = int(RejectReason.UNKNOWN_ASSET)
_NO_ASSET_INDEX = int(RejectReason.NO_ASSET_INDEX)
_LONG, _SHORT = int(PositionSide.LONG), int(PositionSide.SHORT)
_BALANCE_BOUND = 1 << 60
#: 1e-8 USD that an asset beside the settlement asset may be worth when it comes in: a price four times higher fits.
_DEPOSIT_USD = 17_500_000_000_000_000


@kernel
def next_command(venue, kind, account, instrument):
    """Open the next row of the waiting line, zeroed; the caller fills in the rest, then calls `enter`."""
    if venue.command_count >= venue.command_rows:
        raise ValueError("too many commands sent in one bar")
    c = command_(venue, venue.command_count)
    c.kind = kind
    c.account = account
    c.instrument = instrument
    c.order = 0
    c.side = 0
    c.order_kind = 0
    c.lots = 0
    c.price_ticks = 0
    c.leverage = 0
    c.scope = 0
    c.amount = 0
    c.reduce_only = 0
    c.position_side = 0
    c.asset = 0
    c.hold = 0
    c.after = 0
    c.time_in_force = 0
    c.expire_ns = 0
    c.display_lots = 0
    c.min_lots = 0
    c.trigger = 0
    c.trigger_e8 = 0
    c.trigger_by = 0
    c.callback_e8 = 0
    c.self_trade = 0
    c.close_position = 0
    c.price_protect = 0
    return c


@kernel
def enter(venue):
    """Take the row that was filled in into the line; returns the id that a new order gets, 0 for other commands."""
    c = command_(venue, venue.command_count)
    venue.command_count += 1
    if c.kind == _PLACE:
        venue.order_sequence += 1
        c.order = venue.order_sequence
        if c.order_kind == _MARKET:
            c.price_ticks = 0
        return c.order
    return 0


@kernel
def refuse(venue, c, reason, value, limit):
    """Refuse a command."""
    if c.kind == _PLACE:
        price_ticks = c.price_ticks
        if c.order_kind != _LIMIT and 0 <= c.instrument < venue.instruments and has_book(venue, c.instrument):
            price_ticks = 0
        reject(venue, c.account, c.instrument, c.order, c.side * c.lots, price_ticks, reason, value, limit)
        return
    e = next_event(venue, _COMMAND_REJECTED, c.account, c.instrument)
    e.order = c.order
    e.reason = reason
    e.amount = value
    e.cost = limit


@kernel
def execute_command(venue, c):
    """Check whom and what a command names, then carry it out."""
    if c.account < 0 or c.account >= venue.accounts:
        refuse(venue, c, _UNKNOWN_ACCOUNT, c.account, venue.accounts)
    elif c.kind == _CANCEL:
        cancel(venue, c)
    elif c.kind == _TRANSFER:
        transfer(venue, c)
    elif c.kind == _SET_HEDGE_MODE:
        set_hedge_mode(venue, c)
    elif c.kind == _SET_MULTI_ASSETS:
        set_multi_assets(venue, c)
    elif c.kind == _AMEND:
        reason, value, limit = amend(venue, c)
        if reason != 0:
            refuse(venue, c, reason, value, limit)
    elif c.kind == _CANCEL_ALL and c.instrument == -1:
        reason, value, limit = begin_cancel_all(venue, c)
        if reason != 0:
            refuse(venue, c, reason, value, limit)
    elif c.instrument < 0 or c.instrument >= venue.instruments:
        refuse(venue, c, _UNKNOWN_INSTRUMENT, c.instrument, venue.instruments)
    elif c.kind == _PLACE or c.kind == _TRANSFER_POSITION:
        place(venue, c)
    elif c.kind == _CANCEL_ALL:
        reason, value, limit = begin_cancel_all(venue, c)
        if reason != 0:
            refuse(venue, c, reason, value, limit)
    elif c.kind == _COUNTDOWN_CANCEL:
        reason, value, limit = set_countdown(venue, c)
        if reason != 0:
            refuse(venue, c, reason, value, limit)
    elif c.kind == _ADJUST_MARGIN:
        adjust_margin(venue, c)
    elif c.kind == _SET_LEVERAGE:
        set_leverage(venue, c)
    elif c.kind == _SET_SCOPE:
        set_scope(venue, c)
    else:
        refuse(venue, c, _UNKNOWN_COMMAND, c.kind, 0)


@kernel
def cancel(venue, c):
    """Cancel a working order of the account."""
    row = find_order(venue, c.account, c.order)
    if row < 0:
        refuse(venue, c, _UNKNOWN_ORDER, c.order, 0)
        return
    instrument = order_(venue, row).instrument
    if not can_cancel(venue, instrument, c.hold):
        refuse(venue, c, _CANCEL_NOT_ALLOWED, c.order, market_(venue, instrument).phase)
        return
    cancel_order(venue, row, _REQUESTED)


@kernel
def transfer(venue, c):
    """Deposit or withdraw; a withdrawal takes no more than what is available, and no profit that is not realised."""
    if c.asset < 0 or c.asset >= venue.assets:
        refuse(venue, c, _UNKNOWN_ASSET, c.asset, venue.assets)
        return
    a = account_(venue, c.account)
    held = a.wallet
    if c.asset > 0:
        held = balance_(venue, c.account, c.asset).amount
    beyond = c.amount > 2 * _BALANCE_BOUND or c.amount < -2 * _BALANCE_BOUND
    if beyond or abs(held + c.amount) > _BALANCE_BOUND:
        refuse(venue, c, _NUMBER_TOO_LARGE, c.amount, _BALANCE_BOUND)
        return
    if c.asset > 0 and c.amount > 0:
        x = asset_(venue, c.asset)
        if x.index_e8 == 0:
            refuse(venue, c, _NO_ASSET_INDEX, c.asset, 0)
            return
        # the estimate keeps the exact product inside int64
        far = float(held + c.amount) * float(x.index_e8) > 2.0 * float(_DEPOSIT_USD) * float(x.unit)
        if far or mul_div(held + c.amount, x.index_e8, x.unit) > _DEPOSIT_USD:
            refuse(venue, c, _NUMBER_TOO_LARGE, c.amount, _DEPOSIT_USD)
            return
    if c.amount < 0:
        free = withdrawable(venue, c.account, c.asset)
        if -c.amount > free:
            refuse(venue, c, _BALANCE_TOO_SMALL, -c.amount, free)
            return
    if c.asset > 0:
        balance_(venue, c.account, c.asset).amount += c.amount
        post_asset_deposit(venue, c.asset, c.amount)
    else:
        a.wallet += c.amount
        post_deposit(venue, c.amount)
    changed(venue, c.account)
    e = next_event(venue, _TRANSFERRED, c.account, -1)
    e.order = c.asset
    e.amount = c.amount


@kernel
def adjust_margin(venue, c):
    """Move money between the wallet and the margin of an isolated position.

    In: no more than what is available. Out: no more than leaves the margin at the initial margin of the position, its
    loss counted and its profit not.
    """
    hedge = account_(venue, c.account).hedge
    if (c.position_side != _LONG and c.position_side != _SHORT) if hedge else c.position_side != 0:
        refuse(venue, c, _WRONG_POSITION_SIDE, c.position_side, hedge)
        return
    p = position_(venue, c.account, c.instrument, 1 if c.position_side == _SHORT else 0)
    if c.amount > _BALANCE_BOUND or c.amount < -_BALANCE_BOUND:
        refuse(venue, c, _NUMBER_TOO_LARGE, c.amount, _BALANCE_BOUND)
        return
    if p.scope != _ISOLATED or p.lots == 0 or contract_(venue, c.instrument).spot:
        refuse(venue, c, _NO_ISOLATED_POSITION, c.amount, 0)
        return
    if c.amount > 0:
        free = min(account_(venue, c.account).wallet, available(venue, c.account))
        if c.amount > free:
            refuse(venue, c, _BALANCE_TOO_SMALL, c.amount, free)
            return
    else:
        mark = market_(venue, c.instrument).mark_e8
        profit, _, _, _ = worth(venue, p, mark)
        free = p.margin + min(0, profit) - initial_for(venue, p, p.lots, 0, 0, 0, 0, mark)
        if -c.amount > max(0, free):
            refuse(venue, c, _BALANCE_TOO_SMALL, -c.amount, max(0, free))
            return
    a = account_(venue, c.account)
    a.wallet -= c.amount
    p.margin += c.amount
    changed(venue, c.account)
    e = next_event(venue, _MARGIN_ADJUSTED, c.account, c.instrument)
    e.amount = c.amount
    e.cost = p.margin
    e.flags = side_flag(venue, p)


@kernel
def set_leverage(venue, c):
    """Change leverage: within the first bracket's, not lowered under an isolated position, the margin being there."""
    if contract_(venue, c.instrument).method != _TIERED or contract_(venue, c.instrument).spot:
        refuse(venue, c, _LEVERAGE_NOT_USED, c.leverage, 0)
        return
    m = market_(venue, c.instrument)
    if m.terms < 0:
        refuse(venue, c, _NO_TERMS, 0, 0)
        return
    most = tier_(venue, terms_of(venue, c.instrument).tier_first).max_leverage
    if c.leverage < 1 or c.leverage > most:
        refuse(venue, c, _LEVERAGE_ABOVE_BRACKET, c.leverage, most)
        return
    old = position_(venue, c.account, c.instrument, 0).leverage
    for leg in range(LEGS):
        p = position_(venue, c.account, c.instrument, leg)
        if p.scope == _ISOLATED and p.lots != 0 and c.leverage < old:
            refuse(venue, c, _OPEN_POSITION, p.lots, 0)
            return
    before = initial_now(venue, position_(venue, c.account, c.instrument, 0))
    before += initial_now(venue, position_(venue, c.account, c.instrument, 1))
    free = available(venue, c.account)
    needed = -before
    for leg in range(LEGS):
        p = position_(venue, c.account, c.instrument, leg)
        p.leverage = c.leverage
        needed += initial_now(venue, p)
    for leg in range(LEGS):
        p = position_(venue, c.account, c.instrument, leg)
        lots = max(abs(p.lots), abs(p.lots + p.bid_lots), abs(p.lots - p.ask_lots))
        reached, _ = signed_value(m.mark_e8, lots, contract_(venue, c.instrument).lot_value)
        highest = largest_value(venue, p)
        if reached > highest:
            put_leverage(venue, c, old)
            refuse(venue, c, _POSITION_LIMIT, reached, highest)
            return
    if needed > 0 and needed > free:
        put_leverage(venue, c, old)
        refuse(venue, c, _INSUFFICIENT_MARGIN, needed, free)
        return
    e = next_event(venue, _LEVERAGE_SET, c.account, c.instrument)
    e.amount = c.leverage


@kernel
def put_leverage(venue, c, leverage):
    """Set the leverage of both positions of an instrument."""
    for leg in range(LEGS):
        position_(venue, c.account, c.instrument, leg).leverage = leverage


@kernel
def set_hedge_mode(venue, c):
    """One position an instrument, or a long and a short one; refused with orders or positions anywhere."""
    a = account_(venue, c.account)
    if not venue.hedge_mode or c.amount < 0 or c.amount > 1:
        refuse(venue, c, _HEDGE_MODE_NOT_OFFERED, c.amount, venue.hedge_mode)
        return
    if c.amount == a.hedge:
        refuse(venue, c, _NO_CHANGE, c.amount, 0)
        return
    order = own_order(venue, c.account, -1)
    if order >= 0:
        refuse(venue, c, _OPEN_ORDERS, order_(venue, order).id, 0)
        return
    if a.first_position >= 0:
        p = position_row_(venue, a.first_position)
        refuse(venue, c, _OPEN_POSITION, p.lots, 0)
        return
    a.hedge = c.amount
    e = next_event(venue, _HEDGE_MODE_SET, c.account, -1)
    e.amount = c.amount


@kernel
def set_multi_assets(venue, c):
    """Let all assets stand behind an account's positions, or the settlement asset alone; refused with orders or
    isolated symbols, and where the margin would not be there afterwards."""
    a = account_(venue, c.account)
    if venue.assets < 2 or c.amount < 0 or c.amount > 1:
        refuse(venue, c, _MULTI_ASSETS_NOT_OFFERED, c.amount, venue.assets)
        return
    if c.amount == a.multi:
        refuse(venue, c, _NO_CHANGE, c.amount, 0)
        return
    order = own_order(venue, c.account, -1)
    if order >= 0:
        refuse(venue, c, _OPEN_ORDERS, order_(venue, order).id, 0)
        return
    for instrument in range(venue.instruments):
        if position_(venue, c.account, instrument, 0).scope == _ISOLATED:
            refuse(venue, c, _ISOLATED_SCOPE, instrument, 0)
            return
    for asset in range(venue.assets):
        if asset_(venue, asset).index_e8 == 0:
            refuse(venue, c, _NO_ASSET_INDEX, asset, 0)
            return
    a.multi = c.amount
    free = available(venue, c.account)
    if free < 0:
        a.multi = 1 - c.amount
        taken = initial_total(venue, c.account)
        refuse(venue, c, _INSUFFICIENT_MARGIN, taken, taken + free)
        return
    venue.multi_accounts += 2 * c.amount - 1
    changed(venue, c.account)
    e = next_event(venue, _MULTI_ASSETS_SET, c.account, -1)
    e.amount = c.amount


@kernel
def set_scope(venue, c):
    """Choose cross or isolated; refused where it is so already, or with a position or working orders there."""
    if contract_(venue, c.instrument).method != _TIERED and c.scope != _CROSS:
        refuse(venue, c, _SCOPE_NOT_OFFERED, c.scope, 0)
        return
    if contract_(venue, c.instrument).spot or (c.scope != _CROSS and c.scope != _ISOLATED):
        refuse(venue, c, _SCOPE_NOT_OFFERED, c.scope, 0)
        return
    if c.scope == _ISOLATED and account_(venue, c.account).multi:
        refuse(venue, c, _MULTI_ASSETS, c.scope, 0)
        return
    if position_(venue, c.account, c.instrument, 0).scope == c.scope:
        refuse(venue, c, _NO_CHANGE, c.scope, 0)
        return
    for leg in range(LEGS):
        p = position_(venue, c.account, c.instrument, leg)
        if p.lots != 0:
            refuse(venue, c, _OPEN_POSITION, p.lots, 0)
            return
    order = own_order(venue, c.account, c.instrument)
    if order >= 0:
        refuse(venue, c, _OPEN_ORDERS, order_(venue, order).id, 0)
        return
    for leg in range(LEGS):
        position_(venue, c.account, c.instrument, leg).scope = c.scope
    e = next_event(venue, _SCOPE_SET, c.account, c.instrument)
    e.amount = c.scope
