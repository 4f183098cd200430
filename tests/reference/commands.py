"""What a participant asks, and what it is tested for (docs/rules/checks.md)."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING

import msgspec

from novation.domain.commands import Command
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    MarginMethod,
    MarginScope,
    OrderKind,
    RejectReason,
)
from novation.domain.events import REDUCE_ONLY, TRANSFERRED
from novation.domain.units import BALANCE_BOUND
from tests.reference import bar_liquidity, bar_stops, book_commands, checks, elections, ladder, margin, phases
from tests.reference.checks import LARGEST_DEPOSIT_USD, Asked, Refusal, closes, slot_of, wrong_side
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


#: Ten years.
LONGEST_COUNTDOWN_NS = 315_576_000_000_000_000


def carry_out(ex: Exchange, command: Command) -> None:
    """Carry out one command, or refuse it."""
    kind = command.kind
    if kind == CommandKind.PLACE and _ignores_price(ex, command):
        command = msgspec.structs.replace(command, price_ticks=0)
    if kind in (CommandKind.PLACE, CommandKind.TRANSFER_POSITION):
        placed = kind == CommandKind.PLACE
        ex.order_sequence += placed
        unknown = _unknown(ex, command)
        refusal = unknown or (_place(ex, command) if placed else _bring_in(ex, command))
        if refusal and (placed or not unknown):
            ex.write(
                EventKind.ORDER_REJECTED if placed else EventKind.COMMAND_REJECTED,
                command.account,
                command.instrument,
                order=ex.order_sequence if placed else command.order,
                lots=command.side * command.lots,
                price_ticks=refusal.price_ticks or command.price_ticks,
                reason=refusal.reason,
                amount=refusal.value,
                cost=refusal.limit,
            )
        elif refusal:
            _refuse(ex, command, refusal)
        return
    handlers: dict[int, Callable[[Exchange, Command], Refusal | None]] = {
        CommandKind.CANCEL: _cancel,
        CommandKind.TRANSFER: _transfer,
        CommandKind.SET_LEVERAGE: _set_leverage,
        CommandKind.SET_MARGIN_SCOPE: _set_scope,
        CommandKind.ADJUST_MARGIN: _adjust_margin,
        CommandKind.SET_HEDGE_MODE: _set_hedge_mode,
        CommandKind.SET_MULTI_ASSETS: _set_multi_assets,
        CommandKind.AMEND: book_commands.amend,
        CommandKind.CANCEL_ALL: book_commands.cancel_all,
        CommandKind.COUNTDOWN_CANCEL: _set_countdown,
    }
    handler = handlers.get(kind, _no_such_command)
    refusal = _unknown(ex, command) or handler(ex, command)
    if refusal:
        _refuse(ex, command, refusal)


def _refuse(ex: Exchange, command: Command, refusal: Refusal) -> None:
    ex.write(
        EventKind.COMMAND_REJECTED,
        command.account,
        command.instrument,
        order=command.order,
        reason=refusal.reason,
        amount=refusal.value,
        cost=refusal.limit,
    )


def _no_such_command(ex: Exchange, c: Command) -> Refusal:
    return Refusal(RejectReason.UNKNOWN_COMMAND, c.kind)


def _ignores_price(ex: Exchange, c: Command) -> bool:
    there = 0 <= c.instrument < len(ex.instruments) // 2 and ex.has_book(2 * c.instrument)
    return c.order_kind != OrderKind.LIMIT if there else c.order_kind == OrderKind.MARKET


def _names_no_instrument(c: Command) -> bool:
    return (c.kind == CommandKind.CANCEL_ALL and c.instrument == -1) or c.kind in (
        CommandKind.CANCEL,
        CommandKind.AMEND,
        CommandKind.TRANSFER,
        CommandKind.SET_HEDGE_MODE,
        CommandKind.SET_MULTI_ASSETS,
    )


def _unknown(ex: Exchange, c: Command) -> Refusal | None:
    if not 0 <= c.account < len(ex.accounts):
        return Refusal(RejectReason.UNKNOWN_ACCOUNT, c.account, len(ex.accounts))
    if not _names_no_instrument(c) and not 0 <= c.instrument < len(ex.instruments) // 2:
        return Refusal(RejectReason.UNKNOWN_INSTRUMENT, c.instrument, len(ex.instruments) // 2)
    return None


# -- PLACE ----------------------------------------------------------------------------------------------------------


def _place(ex: Exchange, c: Command) -> Refusal | None:
    refusal = checks.taken_now(ex, c)
    if refusal:
        return refusal
    if ex.has_book(slot_of(ex, c)):
        return book_commands.place(ex, c)
    waits = bar_stops.waits_for_price(ex, slot_of(ex, c), c)
    if book_commands.asks_for_a_book(c) and not waits:
        return Refusal(RejectReason.NO_BOOK, c.instrument)
    if c.order_kind not in (OrderKind.MARKET, OrderKind.LIMIT):
        return Refusal(RejectReason.BAD_ORDER_KIND, c.order_kind)
    refusal = bar_stops.refused(ex, slot_of(ex, c), c) if waits else None
    refusal = refusal or checks.well_formed(ex, c)
    if refusal:
        return refusal
    if waits:
        bar_stops.place(ex, slot_of(ex, c), c)
        return None
    if closes(ex, c) or (checks.is_spot(ex, slot_of(ex, c)) and c.side < 0):
        c = msgspec.structs.replace(c, reduce_only=1)
    i, q = slot_of(ex, c), c.side * c.lots
    limit = c.order_kind == OrderKind.LIMIT
    market = ex.markets[i]
    if ex.has_ladder(i):
        limit_price = c.price_ticks if limit else None
        reached = ladder.reach(ex, i, c.side, c.lots, limit_price) if phases.is_open(ex, i) else None
        trades_now, taker = reached is not None, reached or 0
        best = ladder.levels(ex, i, c.side)[0][0] if trades_now else 0
    else:
        there = bar_liquidity.left(ex, i, c.lots)
        asks = ex.opening_ticks(i, c.side, there)
        if limit and there:
            there, at = ex.most_within(i, c.side, there, c.price_ticks)
            asks = at if there else None
        taker = asks or 0
        trades_now = asks is not None and ex.opens_now(i) and not phases.is_locked(ex, i, c.side)
        best = taker
    after = 0 if limit or not c.hold or ex.has_ladder(i) else c.after
    if phases.waits(ex, c.account, after):
        trades_now = False
    if trades_now:
        asked = Asked(i, q, c.order_kind, c.price_ticks, best, taker)
        refusal = checks.notional_and_risk(ex, c.account, asked, taking=True)
    else:
        asked = Asked(i, q, c.order_kind, c.price_ticks, c.price_ticks, c.price_ticks)
        if limit and (checks.is_spot(ex, i) or not c.reduce_only):
            refusal = checks.notional_and_risk(ex, c.account, asked, taking=False)
    if refusal:
        return refusal
    order = Order(
        ex.order_sequence,
        c.account,
        i,
        c.side,
        c.order_kind,
        c.lots,
        c.price_ticks if limit else 0,
        ex.clock_ns,
        c.reduce_only,
        checks.assumed_price(ex, asked) if limit else 0,
        0 if limit else int(bool(ex.rules.hold_orders or c.hold)),
        after,
    )
    flags = REDUCE_ONLY if c.reduce_only else 0
    ex.emit(EventKind.ORDER_ACCEPTED, c.account, i, order=order.id, lots=q, price_ticks=order.price_ticks, flags=flags)
    if ex.has_ladder(i):
        ex.add(order)
        if trades_now or not limit:
            ladder.take_all(ex, order)
    elif trades_now:
        ex.add(order)
        ex.trade(order, there, taker, market.last_e8, maker=False)
        elections.end_with_positions(ex)
    else:
        ex.add(order)
    return None


def _bring_in(ex: Exchange, c: Command) -> Refusal | None:
    """A position transferred in: opened between last price and mark, checked as a limit order that trades whole."""
    refusal = checks.taken_now(ex, c)
    if not refusal and c.order_kind != OrderKind.LIMIT:
        refusal = Refusal(RejectReason.BAD_ORDER_KIND, c.order_kind)
    refusal = refusal or checks.well_formed(ex, c)
    if refusal:
        return refusal
    i, q = slot_of(ex, c), c.side * c.lots
    price_e8 = c.price_ticks * ex.instruments[i].tick_e8
    between = sorted((ex.markets[i].last_e8, ex.markets[i].mark_e8))
    grid = ex.instruments[i].tick_e8 * ex.terms_of(i).tick_step
    if between[0] <= 0 or not between[0] - grid < price_e8 < between[1] + grid:
        return Refusal(RejectReason.ENTRY_OFF_MARKET, c.price_ticks)
    held = ex.accounts[c.account].positions[i].lots
    if held * q < 0:
        return Refusal(RejectReason.OPEN_POSITION, held)
    asked = Asked(i, q, OrderKind.LIMIT, c.price_ticks, c.price_ticks, c.price_ticks)
    refusal = checks.risk(ex, c.account, asked, price_e8, taking=True)
    if refusal is None:
        ex.fill(0, c.account, i, q, c.price_ticks, price_e8, 0, TRANSFERRED)
    return refusal


# -- the others -----------------------------------------------------------------------------------------------------


def _cancel(ex: Exchange, c: Command) -> Refusal | None:
    order = ex.accounts[c.account].orders.get(c.order)
    if order is None:
        return Refusal(RejectReason.UNKNOWN_ORDER, c.order)
    if phases.keeps_orders(ex, order.instrument, c):
        return Refusal(RejectReason.CANCEL_NOT_ALLOWED, c.order, ex.markets[order.instrument].phase)
    ex.drop(order, CancelReason.REQUESTED)
    return None


def _transfer(ex: Exchange, c: Command) -> Refusal | None:
    a, asset = ex.accounts[c.account], c.asset
    if not 0 <= asset < len(ex.assets):
        return Refusal(RejectReason.UNKNOWN_ASSET, asset, len(ex.assets))
    if abs((a.balances[asset] if asset else a.wallet) + c.amount) > BALANCE_BOUND:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, c.amount, BALANCE_BOUND)
    if asset and c.amount > 0:
        if not ex.index_e8[asset]:
            return Refusal(RejectReason.NO_ASSET_INDEX, asset)
        if (a.balances[asset] + c.amount) * ex.index_e8[asset] // ex.assets[asset].unit > LARGEST_DEPOSIT_USD:
            return Refusal(RejectReason.NUMBER_TOO_LARGE, c.amount, LARGEST_DEPOSIT_USD)
    if c.amount < 0:
        free = margin.withdrawable(ex, c.account, asset)
        if -c.amount > free:
            return Refusal(RejectReason.BALANCE_TOO_SMALL, -c.amount, free)
    if asset:
        a.balances[asset] += c.amount
        ex.brought[asset] += c.amount
    else:
        a.wallet += c.amount
        ex.ledger.deposits += c.amount
    ex.emit(EventKind.TRANSFER, c.account, -1, amount=c.amount, order=asset)
    return None


def _set_leverage(ex: Exchange, c: Command) -> Refusal | None:
    slots = (2 * c.instrument, 2 * c.instrument + 1)
    both = [ex.accounts[c.account].positions[i] for i in slots]
    if ex.instruments[slots[0]].method == MarginMethod.PER_CONTRACT or checks.is_spot(ex, slots[0]):
        return Refusal(RejectReason.LEVERAGE_NOT_USED, c.leverage)
    most = ex.terms_of(slots[0]).tiers[0].max_leverage
    if not 1 <= c.leverage <= most:
        return Refusal(RejectReason.LEVERAGE_ABOVE_BRACKET, c.leverage, most)
    for p in both:
        if p.scope == MarginScope.ISOLATED and p.lots and c.leverage < p.leverage:
            return Refusal(RejectReason.OPEN_POSITION, p.lots)
    for i, p in zip(slots, both, strict=True):
        bids, asks = margin.resting(ex, c.account, i)
        most = max(abs(p.lots), abs(p.lots + bids[0]), abs(p.lots - asks[0]))
        refusal = checks.above_cap(ex, i, most, c.leverage)
        if refusal:
            return refusal
    needed = sum(margin.taken(ex, c.account, i, c.leverage) - margin.taken(ex, c.account, i) for i in slots)
    available = margin.available(ex, c.account)
    if needed > 0 and needed > available:
        return Refusal(RejectReason.INSUFFICIENT_MARGIN, needed, available)
    for p in both:
        p.leverage = c.leverage
    ex.emit(EventKind.LEVERAGE_SET, c.account, slots[0], amount=c.leverage)
    return None


def _set_scope(ex: Exchange, c: Command) -> Refusal | None:
    slots, a = (2 * c.instrument, 2 * c.instrument + 1), ex.accounts[c.account]
    per_contract = ex.instruments[slots[0]].method == MarginMethod.PER_CONTRACT
    offered = (MarginScope.CROSS,) if per_contract else (MarginScope.CROSS, MarginScope.ISOLATED)
    if c.scope not in offered or checks.is_spot(ex, slots[0]):
        return Refusal(RejectReason.SCOPE_NOT_OFFERED, c.scope)
    if c.scope == MarginScope.ISOLATED and a.multi:
        return Refusal(RejectReason.MULTI_ASSETS, c.scope)
    if a.positions[slots[0]].scope == c.scope:
        return Refusal(RejectReason.NO_CHANGE, c.scope)
    for i in slots:
        if a.positions[i].lots:
            return Refusal(RejectReason.OPEN_POSITION, a.positions[i].lots)
    for order in a.orders.values():
        if order.instrument in slots:
            return Refusal(RejectReason.OPEN_ORDERS, order.id)
    for i in slots:
        a.positions[i].scope = c.scope
    ex.emit(EventKind.MARGIN_SCOPE_SET, c.account, slots[0], amount=c.scope)
    return None


def _set_countdown(ex: Exchange, c: Command) -> Refusal | None:
    """The orders of an account in an instrument are cancelled at an instant, unless that is moved."""
    if not ex.rules.countdown:
        return Refusal(RejectReason.COUNTDOWN_NOT_OFFERED, c.amount)
    if not 0 <= c.amount <= LONGEST_COUNTDOWN_NS:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, c.amount, LONGEST_COUNTDOWN_NS)
    ends_ns = ex.countdowns[c.account, c.instrument] = ex.clock_ns + c.amount if c.amount else 0
    for order in ex.accounts[c.account].orders.values():
        if order.instrument // 2 == c.instrument:
            order.countdown_ns = ends_ns
    ex.emit(EventKind.COUNTDOWN_SET, c.account, 2 * c.instrument, amount=ends_ns)
    return None


def _set_hedge_mode(ex: Exchange, c: Command) -> Refusal | None:
    a = ex.accounts[c.account]
    if not ex.rules.hedge_mode or c.amount not in (0, 1):
        return Refusal(RejectReason.HEDGE_MODE_NOT_OFFERED, c.amount, int(ex.rules.hedge_mode))
    if c.amount == a.hedge:
        return Refusal(RejectReason.NO_CHANGE, c.amount)
    for order in a.orders.values():
        return Refusal(RejectReason.OPEN_ORDERS, order.id)
    for i, p in enumerate(a.positions):
        if margin.linked(ex, c.account, i):
            return Refusal(RejectReason.OPEN_POSITION, p.lots)
    a.hedge = c.amount
    ex.emit(EventKind.HEDGE_MODE_SET, c.account, -1, amount=c.amount)
    return None


def _set_multi_assets(ex: Exchange, c: Command) -> Refusal | None:
    a = ex.accounts[c.account]
    if len(ex.assets) < 2 or c.amount not in (0, 1):
        return Refusal(RejectReason.MULTI_ASSETS_NOT_OFFERED, c.amount, len(ex.assets))
    if c.amount == a.multi:
        return Refusal(RejectReason.NO_CHANGE, c.amount)
    for order in a.orders.values():
        return Refusal(RejectReason.OPEN_ORDERS, order.id)
    for i, p in enumerate(a.positions):
        if p.scope == MarginScope.ISOLATED:
            return Refusal(RejectReason.ISOLATED_SCOPE, i // 2)
    if 0 in ex.index_e8:
        return Refusal(RejectReason.NO_ASSET_INDEX, ex.index_e8.index(0))
    a.multi = c.amount
    free, taken = margin.available(ex, c.account), margin.taken_by_all(ex, c.account)
    if free < 0:
        a.multi = 1 - c.amount
        return Refusal(RejectReason.INSUFFICIENT_MARGIN, taken, taken + free)
    ex.emit(EventKind.MULTI_ASSETS_SET, c.account, -1, amount=c.amount)
    return None


def _adjust_margin(ex: Exchange, c: Command) -> Refusal | None:
    refusal = wrong_side(ex, c)
    if refusal:
        return refusal
    i, a = slot_of(ex, c), ex.accounts[c.account]
    p, mark = a.positions[i], ex.markets[i].mark_e8
    if abs(c.amount) > BALANCE_BOUND:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, c.amount, BALANCE_BOUND)
    if p.scope != MarginScope.ISOLATED or not p.lots or checks.is_spot(ex, i):
        return Refusal(RejectReason.NO_ISOLATED_POSITION, c.amount)
    if c.amount > 0:
        free = min(a.wallet, margin.available(ex, c.account))
    else:
        loss = min(0, floor(margin.profit(ex, c.account, i, mark)))
        free = max(0, p.margin + loss - margin.own_initial(ex, c.account, i, mark))
    if abs(c.amount) > free:
        return Refusal(RejectReason.BALANCE_TOO_SMALL, abs(c.amount), free)
    a.wallet -= c.amount
    p.margin += c.amount
    ex.emit(EventKind.MARGIN_ADJUSTED, c.account, i, amount=c.amount, cost=p.margin)
    return None
