"""What a participant asks, and what it is tested for (docs/rules/checks.md)."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from novation.domain.commands import Command
from novation.domain.enums import (
    CancelReason,
    CommandKind,
    EventKind,
    InstrumentStatus,
    MarginMethod,
    MarginScope,
    MarketPhase,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.domain.events import REDUCE_ONLY, TRANSFERRED
from novation.domain.units import BALANCE_BOUND, E8
from tests.reference import ladder, margin, phases
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: NUMBER_TOO_LARGE above this value of everything that could be held.
LARGEST_VALUE = 2 * 10**17
#: ... of an asset beside the settlement asset, above this worth in 1e-8 USD.
LARGEST_DEPOSIT_USD = 175_000_000 * E8
#: ... and above this limit price in 1e-8.
HIGHEST_PRICE_E8 = 2**53


class Refusal(NamedTuple):
    """A reason, the value refused and the limit."""

    reason: RejectReason
    value: int
    limit: int = 0


def carry_out(ex: Exchange, command: Command) -> None:
    """Carry out one command, or refuse it."""
    kind = command.kind
    if kind == CommandKind.PLACE and command.order_kind == OrderKind.MARKET:
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
                price_ticks=command.price_ticks,
                reason=refusal.reason,
                amount=refusal.value,
                cost=refusal.limit,
            )
        elif refusal:
            _refuse(ex, command, refusal)
        return
    handler = {
        CommandKind.CANCEL: _cancel,
        CommandKind.TRANSFER: _transfer,
        CommandKind.SET_LEVERAGE: _set_leverage,
        CommandKind.SET_MARGIN_SCOPE: _set_scope,
        CommandKind.ADJUST_MARGIN: _adjust_margin,
        CommandKind.SET_HEDGE_MODE: _set_hedge_mode,
        CommandKind.SET_MULTI_ASSETS: _set_multi_assets,
    }.get(kind, _no_such_command)
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


def _names_no_instrument(kind: int) -> bool:
    return kind in (
        CommandKind.CANCEL,
        CommandKind.TRANSFER,
        CommandKind.SET_HEDGE_MODE,
        CommandKind.SET_MULTI_ASSETS,
    )


def _unknown(ex: Exchange, c: Command) -> Refusal | None:
    if not 0 <= c.account < len(ex.accounts):
        return Refusal(RejectReason.UNKNOWN_ACCOUNT, c.account, len(ex.accounts))
    if not _names_no_instrument(c.kind) and not 0 <= c.instrument < len(ex.instruments) // 2:
        return Refusal(RejectReason.UNKNOWN_INSTRUMENT, c.instrument, len(ex.instruments) // 2)
    return None


# -- PLACE ----------------------------------------------------------------------------------------------------------


def _place(ex: Exchange, c: Command) -> Refusal | None:
    refusal = _well_formed(ex, c)
    if refusal:
        return refusal
    if _closes(ex, c):
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
        taker = ex.opening_ticks(i, c.side)
        found = ex.opens_now(i) and not phases.is_locked(ex, i, c.side)
        trades_now = found and (not limit or c.side * (c.price_ticks - taker) >= 0)
        best = taker
    after = 0 if limit or not c.hold or ex.has_ladder(i) else c.after
    if phases.waits(ex, c.account, after):
        trades_now = False
    if trades_now:
        asked = Asked(i, q, c.order_kind, c.price_ticks, best, taker)
        refusal = notional_and_risk(ex, c.account, asked, taking=True)
    else:
        asked = Asked(i, q, c.order_kind, c.price_ticks, c.price_ticks, c.price_ticks)
        if limit and not c.reduce_only:
            refusal = notional_and_risk(ex, c.account, asked, taking=False)
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
        assumed_price(ex, asked) if limit else 0,
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
        fee = ex.fee(i, c.lots, taker, ex.terms_of(i).taker_fee_e8)
        ex.fill(order.id, c.account, i, q, taker, market.last_e8, fee, 0)
    else:
        ex.add(order)
    return None


def _bring_in(ex: Exchange, c: Command) -> Refusal | None:
    """A position transferred in: opened between last price and mark, checked as a limit order that trades whole."""
    refusal = _well_formed(ex, c)
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
    refusal = _risk(ex, c.account, asked, price_e8, taking=True)
    if refusal is None:
        ex.fill(0, c.account, i, q, c.price_ticks, price_e8, 0, TRANSFERRED)
    return refusal


def slot_of(ex: Exchange, c: Command) -> int:
    """The slot a command names by its instrument and, in hedge mode, its position side."""
    short = ex.accounts[c.account].hedge and c.position_side == PositionSide.SHORT
    return 2 * c.instrument + int(bool(short))


def _closes(ex: Exchange, c: Command) -> bool:
    """Whether an order of an account in hedge mode is against the position it names."""
    return bool(ex.accounts[c.account].hedge) and (c.side > 0) == (c.position_side == PositionSide.SHORT)


def _wrong_side(ex: Exchange, c: Command) -> Refusal | None:
    hedge = ex.accounts[c.account].hedge
    named = (PositionSide.LONG, PositionSide.SHORT) if hedge else (PositionSide.BOTH,)
    return None if c.position_side in named else Refusal(RejectReason.WRONG_POSITION_SIDE, c.position_side, hedge)


def _well_formed(ex: Exchange, c: Command) -> Refusal | None:
    i = slot_of(ex, c)
    status, held, q = ex.markets[i].status, ex.accounts[c.account].positions[i].lots, c.side * c.lots
    over = 0 < ex.instruments[i].deliver_ns <= ex.clock_ns
    if over or status not in (InstrumentStatus.TRADING, InstrumentStatus.PRE_DELIVERING):
        return Refusal(RejectReason.NOT_TRADING, status, InstrumentStatus.TRADING)
    if status == InstrumentStatus.PRE_DELIVERING and c.lots != (min(abs(held), abs(q)) if held * q < 0 else 0):
        return Refusal(RejectReason.OPENING_NOT_ALLOWED, status, InstrumentStatus.TRADING)
    terms, instrument = ex.terms_of(i), ex.instruments[i]
    limit, moved = c.order_kind == OrderKind.LIMIT, c.kind == CommandKind.TRANSFER_POSITION
    refused = None if moved else phases.refused_now(ex, i, c)
    if refused:
        return Refusal(*refused)
    if not limit and (c.order_kind != OrderKind.MARKET or c.kind == CommandKind.TRANSFER_POSITION):
        return Refusal(RejectReason.BAD_ORDER_KIND, c.order_kind)
    if c.lots <= 0 or c.side not in (1, -1):
        return Refusal(RejectReason.QTY_NOT_POSITIVE, c.lots)
    if c.lots < terms.min_lots:
        return Refusal(RejectReason.QTY_BELOW_MIN, c.lots, terms.min_lots)
    if c.lots > terms.max_lots:
        return Refusal(RejectReason.QTY_ABOVE_MAX, c.lots, terms.max_lots)
    if limit and c.price_ticks <= 0:
        return Refusal(RejectReason.PRICE_NOT_POSITIVE, c.price_ticks)
    if limit and c.price_ticks % terms.tick_step:
        return Refusal(RejectReason.PRICE_OFF_TICK, c.price_ticks, terms.tick_step)
    if c.price_ticks > HIGHEST_PRICE_E8 // instrument.tick_e8:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, c.price_ticks, HIGHEST_PRICE_E8 // instrument.tick_e8)
    refusal = _wrong_side(ex, c)
    if refusal:
        return refusal
    if ex.accounts[c.account].hedge and c.reduce_only:
        return Refusal(RejectReason.REDUCE_ONLY_NOT_OFFERED, c.position_side)
    if c.reduce_only or _closes(ex, c):
        held, orders = ex.accounts[c.account].positions[i].lots, ex.accounts[c.account].orders.values()
        busy = sum(o.lots for o in orders if o.reduce_only and o.instrument == i and o.side == c.side)
        room = max(0, abs(held) - busy) if held * c.side < 0 else 0
        if c.lots > room:
            return Refusal(RejectReason.WOULD_NOT_REDUCE, c.lots, room)
    refused = phases.refused_price(ex, i, c) if limit and not moved else None
    if refused:
        return Refusal(*refused)
    return too_large(ex, c.account, i, c.side, c.lots, c.price_ticks if limit else 0)


def too_large(ex: Exchange, account: int, i: int, side: int, lots: int, price_ticks: int) -> Refusal | None:
    """Whether all that could be held with `lots` more leaves the integers, at the highest price known now."""
    instrument, held = ex.instruments[i], ex.accounts[account].positions[i].lots
    if held * side < 0 and lots <= abs(held):
        return None  # a pure reduction is never too large
    highest = max(price_ticks * instrument.tick_e8, ex.markets[i].mark_e8, ex.markets[i].last_e8)
    bids, asks = margin.resting(ex, account, i)
    together = abs(ex.accounts[account].positions[i].lots) + bids[0] + asks[0] + lots
    if instrument.method == MarginMethod.PER_CONTRACT and together * ex.terms_of(i).initial_per_lot > LARGEST_VALUE:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, lots)
    wraps = instrument.lot_value % 10**8 != 0 and together * instrument.lot_value >= 2**62
    if wraps or margin.value(instrument, highest, together) > LARGEST_VALUE:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, lots)
    return None


class Asked(NamedTuple):
    """An order as it is checked: signed lots in a slot, its own price, the best and the worst one it would meet."""

    i: int
    q: int
    kind: int
    price_ticks: int
    best_ticks: int
    worst_ticks: int


def assumed_price(ex: Exchange, asked: Asked) -> int:
    """The 1e-8 price an order is assumed to fill at."""
    terms, market = ex.terms_of(asked.i), ex.markets[asked.i]
    tick = ex.instruments[asked.i].tick_e8
    own, best = asked.price_ticks * tick, asked.best_ticks * tick
    if asked.kind == OrderKind.MARKET:
        above = E8 + terms.market_buy_above_ask_e8
        return best * above // E8 if asked.q > 0 else max(best, market.mark_e8)
    if asked.q > 0 or not terms.limit_sell_above_last_e8:
        return own
    return max(market.last_e8 * (E8 + terms.limit_sell_above_last_e8) // E8, market.mark_e8, own)


def notional_and_risk(ex: Exchange, account: int, asked: Asked, *, taking: bool) -> Refusal | None:
    """The checks of an order that trades now (`taking`) or will rest, at its price."""
    terms, n, q = ex.terms_of(asked.i), ex.accounts[account].positions[asked.i].lots, asked.q
    worth = margin.traded_value(ex.instruments[asked.i], asked.worst_ticks, abs(q))
    reduces = n * q < 0 and abs(q) <= abs(n)
    if terms.min_notional and not reduces and worth < terms.min_notional:
        return Refusal(RejectReason.MIN_NOTIONAL, worth, terms.min_notional)
    return _risk(ex, account, asked, assumed_price(ex, asked), taking)


def _risk(ex: Exchange, account: int, asked: Asked, assumed_e8: int, taking: bool) -> Refusal | None:
    i, q = asked.i, asked.q
    p, instrument = ex.accounts[account].positions[i], ex.instruments[i]
    bids, asks = margin.resting(ex, account, i)
    n = p.lots
    if taking:
        after_lots = n + q
    elif q > 0:
        after_lots = max(n, n + bids[0] + q)
    else:
        after_lots = min(n, n - asks[0] + q)
    if abs(after_lots) <= abs(n) and after_lots * n >= 0:
        return None
    refusal = _too_large(ex, i, n + q + (bids[0] if q > 0 else -asks[0]), p.leverage)
    if refusal:
        return refusal
    needs = _per_contract if instrument.method == MarginMethod.PER_CONTRACT else _tiered
    needed = needs(ex, account, asked, assumed_e8, taking) - margin.taken(ex, account, i)
    available = margin.available(ex, account)
    if needed > 0 and needed > available:
        return Refusal(RejectReason.INSUFFICIENT_MARGIN, needed, available)
    return None


def _per_contract(ex: Exchange, account: int, asked: Asked, assumed_e8: int, taking: bool) -> int:
    i, q, instrument, terms = asked.i, asked.q, ex.instruments[asked.i], ex.terms_of(asked.i)
    n, mark = ex.accounts[account].positions[i].lots, ex.markets[i].mark_e8
    (bids, _), (asks, _) = margin.resting(ex, account, i)
    if not taking:
        return margin.initial(instrument, terms, 1, mark, n, (bids + max(q, 0), 0), (asks - min(q, 0), 0))
    slip = floor(margin.value(instrument, mark, q)) - margin.traded_value(instrument, asked.worst_ticks, q)
    fee = ex.fee(i, abs(q), asked.worst_ticks, terms.taker_fee_e8)
    return margin.initial(instrument, terms, 1, mark, n + q, (bids, 0), (asks, 0)) + fee - slip


def _tiered(ex: Exchange, account: int, asked: Asked, assumed_e8: int, taking: bool) -> int:
    i, q, instrument, terms = asked.i, asked.q, ex.instruments[asked.i], ex.terms_of(asked.i)
    p, mark = ex.accounts[account].positions[i], ex.markets[i].mark_e8
    side, isolated = 1 if q > 0 else -1, p.scope == MarginScope.ISOLATED
    opened = abs(q) - (min(abs(p.lots), abs(q)) if p.lots * q < 0 else 0)
    loss = floor(max(0, margin.value(instrument, side * (assumed_e8 - mark), opened)))
    bids, asks = (worth for _, worth in margin.resting(ex, account, i))
    if not taking:
        worth, new = floor(margin.value(instrument, mark, p.lots)), floor(margin.value(instrument, assumed_e8, abs(q)))
        if q > 0:
            bids += new
        else:
            asks += new
        after = _larger_side(worth, bids, asks) // p.leverage
        return after + loss - (abs(worth) // p.leverage if isolated else 0)
    away = max(0, side * (asked.worst_ticks * instrument.tick_e8 - mark))
    if ex.has_ladder(i):
        loss = max(loss, floor(margin.value(instrument, away, opened)))
    loss += floor(margin.value(instrument, away, abs(q) - opened))
    own = floor(margin.value(instrument, assumed_e8, opened))
    worth = floor(margin.value(instrument, mark, p.lots + side * (abs(q) - opened))) + side * own
    after = _larger_side(worth, bids, asks) // p.leverage
    if not isolated:
        return after + loss
    moved = margin.traded_value(instrument, asked.worst_ticks, opened) // p.leverage
    moved += ex.fee(i, abs(q), asked.worst_ticks, terms.taker_fee_e8)
    return after - abs(worth) // p.leverage + max(own // p.leverage + loss, moved)


def _larger_side(worth: int, bids: int, asks: int) -> int:
    return max(abs(worth), abs(worth + bids), abs(worth - asks))


def _too_large(ex: Exchange, i: int, lots: int, leverage: int) -> Refusal | None:
    instrument = ex.instruments[i]
    if instrument.method != MarginMethod.TIERED:
        return None
    worth = floor(margin.value(instrument, ex.markets[i].mark_e8, abs(lots)))
    cap = margin.largest_value(ex.terms_of(i).tiers, leverage)
    return Refusal(RejectReason.POSITION_LIMIT, worth, cap) if worth > cap else None


# -- the others -----------------------------------------------------------------------------------------------------


def _cancel(ex: Exchange, c: Command) -> Refusal | None:
    order = ex.accounts[c.account].orders.get(c.order)
    if order is None:
        return Refusal(RejectReason.UNKNOWN_ORDER, c.order)
    phase = ex.markets[order.instrument].phase
    if phase == MarketPhase.NO_CANCEL and not ex.rules.hold_orders and not c.hold:
        return Refusal(RejectReason.CANCEL_NOT_ALLOWED, c.order, phase)
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
    if ex.instruments[slots[0]].method == MarginMethod.PER_CONTRACT:
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
        refusal = _too_large(ex, i, most, c.leverage)
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
    if c.scope not in offered:
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
    refusal = _wrong_side(ex, c)
    if refusal:
        return refusal
    i, a = slot_of(ex, c), ex.accounts[c.account]
    p, mark = a.positions[i], ex.markets[i].mark_e8
    if abs(c.amount) > BALANCE_BOUND:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, c.amount, BALANCE_BOUND)
    if p.scope != MarginScope.ISOLATED or not p.lots:
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
