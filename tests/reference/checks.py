"""What is asked of an order's numbers, notional, size and margin (docs/rules/checks.md)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from novation.domain.commands import Command
from novation.domain.enums import (
    CommandKind,
    InstrumentKind,
    InstrumentStatus,
    MarginMethod,
    MarginScope,
    OrderKind,
    PositionSide,
    RejectReason,
)
from novation.domain.units import E8
from tests.reference import book, margin, phases

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: NUMBER_TOO_LARGE above this value of everything that could be held.
LARGEST_VALUE = 2 * 10**17
#: ... of an asset beside the settlement asset, above this worth in 1e-8 USD.
LARGEST_DEPOSIT_USD = 175_000_000 * E8
#: ... and above this limit price in 1e-8.
HIGHEST_PRICE_E8 = 2**53
#: ... and on a book above this distance from the last price.
MOST_TICKS_AWAY = 2**26


class Refusal(NamedTuple):
    """A reason, the value refused and the limit."""

    reason: RejectReason
    value: int
    limit: int = 0
    price_ticks: int = 0  #: of an order that had become a limit order


def slot_of(ex: Exchange, c: Command) -> int:
    """The slot a command names by its instrument and, in hedge mode, its position side."""
    short = ex.accounts[c.account].hedge and c.position_side == PositionSide.SHORT
    return 2 * c.instrument + int(bool(short))


def closes(ex: Exchange, c: Command) -> bool:
    """Whether an order of an account in hedge mode is against the position it names."""
    return bool(ex.accounts[c.account].hedge) and (c.side > 0) == (c.position_side == PositionSide.SHORT)


def wrong_side(ex: Exchange, c: Command) -> Refusal | None:
    hedge = ex.accounts[c.account].hedge
    named = (PositionSide.LONG, PositionSide.SHORT) if hedge else (PositionSide.BOTH,)
    return None if c.position_side in named else Refusal(RejectReason.WRONG_POSITION_SIDE, c.position_side, hedge)


def taken_now(ex: Exchange, c: Command) -> Refusal | None:
    """Whether an instrument takes such an order at all: its status, its phase."""
    i = slot_of(ex, c)
    refusal = wrong_status(ex, c.account, i, c.side, c.lots)
    if refusal:
        return refusal
    refused = None if c.kind == CommandKind.TRANSFER_POSITION else phases.refused_now(ex, i, c)
    return Refusal(*refused) if refused else None


def wrong_status(ex: Exchange, account: int, i: int, side: int, lots: int) -> Refusal | None:
    """Whether an instrument's status does not take an order."""
    status, held, q = ex.markets[i].status, ex.accounts[account].positions[i].lots, side * lots
    if not phases.is_listed(ex, i):
        return Refusal(RejectReason.NOT_TRADING, status, InstrumentStatus.TRADING)
    if status == InstrumentStatus.PRE_DELIVERING and lots != (min(abs(held), abs(q)) if held * q < 0 else 0):
        return Refusal(RejectReason.OPENING_NOT_ALLOWED, status, InstrumentStatus.TRADING)
    return None


def lots_refused(ex: Exchange, i: int, lots: int, side: int) -> Refusal | None:
    """Whether the terms allow so many lots."""
    terms = ex.terms_of(i)
    if lots <= 0 or side not in (1, -1):
        return Refusal(RejectReason.QTY_NOT_POSITIVE, lots)
    if lots < terms.min_lots:
        return Refusal(RejectReason.QTY_BELOW_MIN, lots, terms.min_lots)
    if lots > terms.max_lots:
        return Refusal(RejectReason.QTY_ABOVE_MAX, lots, terms.max_lots)
    return None


def price_refused(ex: Exchange, i: int, price_ticks: int) -> Refusal | None:
    """Whether the terms allow a limit price."""
    step, highest = ex.terms_of(i).tick_step, HIGHEST_PRICE_E8 // ex.instruments[i].tick_e8
    if price_ticks <= 0:
        return Refusal(RejectReason.PRICE_NOT_POSITIVE, price_ticks)
    if price_ticks % step:
        return Refusal(RejectReason.PRICE_OFF_TICK, price_ticks, step)
    if price_ticks > highest:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, price_ticks, highest)
    return None


def too_far(ex: Exchange, i: int, ticks: int) -> Refusal | None:
    """Whether a price on a book is so far away that a list of prices has no room for all between."""
    market = ex.markets[i]
    middle = (market.last_e8 or market.mark_e8) // ex.instruments[i].tick_e8
    if abs(ticks - middle) <= MOST_TICKS_AWAY:
        return None
    furthest = middle + MOST_TICKS_AWAY if ticks > middle else middle - MOST_TICKS_AWAY
    return Refusal(RejectReason.NUMBER_TOO_LARGE, ticks, furthest)


def is_spot(ex: Exchange, i: int) -> bool:
    """Whether a slot is of an instrument that is bought in full and sold only where it is held."""
    return ex.instruments[i].kind == InstrumentKind.SPOT


def would_not_reduce(ex: Exchange, account: int, i: int, side: int, lots: int) -> Refusal | None:
    """Whether lots are more than the position has against a side, less what waits to reduce it already."""
    held, orders = ex.accounts[account].positions[i].lots, ex.accounts[account].orders.values()
    busy = sum(o.lots for o in orders if o.reduce_only and o.instrument == i and o.side == side and not o.trigger)
    room = max(0, abs(held) - busy) if held * side < 0 else 0
    return Refusal(RejectReason.WOULD_NOT_REDUCE, lots, room) if lots > room else None


def waits_for_trigger(ex: Exchange, c: Command) -> bool:
    """Whether it is a conditional order."""
    return c.kind == CommandKind.PLACE and c.trigger != 0


def well_formed(ex: Exchange, c: Command) -> Refusal | None:
    """The checks of size, price, position side and reduce-only, limits and numbers."""
    i = slot_of(ex, c)
    limit = c.order_kind == OrderKind.LIMIT
    refusal = price_refused(ex, i, c.price_ticks) if limit else None
    if c.close_position and c.kind == CommandKind.PLACE:
        refusal = None if c.side in (1, -1) else Refusal(RejectReason.QTY_NOT_POSITIVE, c.lots)
    else:
        refusal = lots_refused(ex, i, c.lots, c.side) or refusal
    refusal = refusal or wrong_side(ex, c)
    if refusal:
        return refusal
    if ex.accounts[c.account].hedge and c.reduce_only:
        return Refusal(RejectReason.REDUCE_ONLY_NOT_OFFERED, c.position_side)
    if is_spot(ex, i) and c.side < 0 and not waits_for_trigger(ex, c):
        refusal = would_not_reduce(ex, c.account, i, c.side, c.lots)
        if refusal:
            return refusal._replace(reason=RejectReason.HOLDING_TOO_SMALL)
    elif (c.reduce_only or closes(ex, c)) and not waits_for_trigger(ex, c):
        refusal = would_not_reduce(ex, c.account, i, c.side, c.lots)
        if refusal:
            return refusal
    moved = c.kind == CommandKind.TRANSFER_POSITION
    refused = phases.refused_price(ex, i, c) if limit and not moved else None
    if refused:
        return Refusal(*refused)
    if not moved and ex.has_book(2 * c.instrument):
        refusal = filtered(ex, i, c)
        if refusal:
            return refusal
    return too_large(ex, c.account, i, c.side, c.lots, c.price_ticks if limit else 0)


def filtered(ex: Exchange, i: int, c: Command) -> Refusal | None:
    """Whether a book's filters refuse an order."""
    filters = ex.books[ex.instruments[i].id].rules.filters
    if c.order_kind == OrderKind.MARKET and c.lots > (filters.max_market_lots or c.lots):
        return Refusal(RejectReason.QTY_ABOVE_MAX, c.lots, filters.max_market_lots)
    if c.order_kind == OrderKind.MARKET and not c.trigger:
        best, bound = next(iter(book.prices(ex, i, -c.side)), None), share_bound(ex, i, c.side, ex.markets[i].mark_e8)
        if best and bound and c.side * (best - bound) > 0:
            return Refusal(RejectReason.OPPOSITE_OUT_OF_RANGE, best, bound)
    if c.order_kind == OrderKind.LIMIT:
        base = c.trigger_e8 if c.trigger else ex.markets[i].mark_e8
        refusal = filtered_price(ex, i, c.side, c.price_ticks, base)
        if refusal:
            return refusal
    mine = ex.accounts[c.account].orders.values()
    if c.trigger:
        count, most, reason = sum(bool(o.trigger) for o in mine), filters.max_conditional, "TOO_MANY_CONDITIONAL"
    else:
        same = [o for o in mine if not o.trigger and o.instrument // 2 == c.instrument]
        count, most, reason = len(same), filters.max_orders, "TOO_MANY_ORDERS"
        most = 0 if c.order_kind == OrderKind.MARKET else most
    return Refusal(RejectReason[reason], count + 1, most) if most and count >= most else None


def filtered_price(ex: Exchange, i: int, side: int, ticks: int, base_e8: int) -> Refusal | None:
    """Whether a limit price is outside the prices a book takes, or too far from another price."""
    filters = ex.books[ex.instruments[i].id].rules.filters
    if ticks < filters.min_ticks:
        return Refusal(RejectReason.PRICE_BELOW_MIN, ticks, filters.min_ticks)
    if filters.max_ticks and ticks > filters.max_ticks:
        return Refusal(RejectReason.PRICE_ABOVE_MAX, ticks, filters.max_ticks)
    bound = share_bound(ex, i, side, base_e8)
    if bound is not None and side * (ticks - bound) > 0:
        reason = RejectReason.PRICE_ABOVE_CAP if side > 0 else RejectReason.PRICE_BELOW_FLOOR
        return Refusal(reason, ticks, bound)
    return None


def share_bound(ex: Exchange, i: int, side: int, base_e8: int) -> int | None:
    """How high a buyer may bid, how low a seller may ask, by another price; None where that says nothing."""
    filters = ex.books[ex.instruments[i].id].rules.filters
    return rounded_share(ex, i, side, base_e8, filters.up_e8 if side > 0 else filters.down_e8)


def take_bound(ex: Exchange, i: int, side: int) -> int | None:
    """The worst price of a market order; None where there is none."""
    bound = ex.books[ex.instruments[i].id].rules.filters.take_bound_e8
    return rounded_share(ex, i, side, ex.markets[i].mark_e8, E8 + side * bound) if bound else None


def rounded_share(ex: Exchange, i: int, side: int, base_e8: int, share_e8: int) -> int | None:
    """A multiple of a price in ticks: that of a buyer rounded down, of a seller up."""
    ticks = Fraction(base_e8 * share_e8, E8 * ex.instruments[i].tick_e8)
    return (floor(ticks) if side > 0 else ceil(ticks)) if base_e8 and share_e8 else None


def too_large(ex: Exchange, account: int, i: int, side: int, lots: int, price_ticks: int) -> Refusal | None:
    """Whether an order, or all that could be held with `lots` more at the highest price known, leaves the integers."""
    instrument, held = ex.instruments[i], ex.accounts[account].positions[i].lots
    bids, asks = margin.resting(ex, account, i)
    own = abs(price_ticks) * instrument.tick_e8
    orders = margin.value(instrument, own, lots) + (bids if side > 0 else asks)[1]
    if own and orders > 10 * LARGEST_VALUE:
        return Refusal(RejectReason.NUMBER_TOO_LARGE, lots)
    if held * side < 0 and lots <= abs(held):
        return None  # a reduction is not too large at any other price
    highest = max(own, ex.markets[i].mark_e8, ex.markets[i].last_e8)
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
    if is_spot(ex, asked.i):
        dearest = max(0, terms.maker_fee_e8, terms.taker_fee_e8)
        paid = own if asked.kind == OrderKind.LIMIT else best
        return ceil(Fraction(own * (E8 + dearest), E8)) if asked.kind == OrderKind.LIMIT and asked.q > 0 else paid
    if asked.kind == OrderKind.MARKET:
        above = E8 + terms.market_buy_above_ask_e8
        return best * above // E8 if asked.q > 0 else max(best, market.mark_e8)
    if asked.q > 0 or not terms.limit_sell_above_last_e8:
        return own
    return max(market.last_e8 * (E8 + terms.limit_sell_above_last_e8) // E8, market.mark_e8, own)


def notional_and_risk(ex: Exchange, account: int, asked: Asked, *, taking: bool, begun: bool = False) -> Refusal | None:
    """The checks of an order that trades now (`taking`) or will rest, at its price; begun: it has traded in part."""
    terms, n, q = ex.terms_of(asked.i), ex.accounts[account].positions[asked.i].lots, asked.q
    if asked.kind == OrderKind.MARKET:
        worth = floor(margin.value(ex.instruments[asked.i], ex.markets[asked.i].mark_e8, abs(q)))
    else:
        worth = margin.traded_value(ex.instruments[asked.i], asked.price_ticks, abs(q))
    reduces = n * q < 0 and abs(q) <= abs(n) and not is_spot(ex, asked.i)
    unknown = asked.kind == OrderKind.MARKET and ex.markets[asked.i].mark_e8 == 0
    if terms.min_notional and not reduces and not unknown and not begun and worth < terms.min_notional:
        return Refusal(RejectReason.MIN_NOTIONAL, worth, terms.min_notional)
    return risk(ex, account, asked, assumed_price(ex, asked), taking)


def risk(ex: Exchange, account: int, asked: Asked, assumed_e8: int, taking: bool) -> Refusal | None:
    """Size and margin."""
    i, q = asked.i, asked.q
    if is_spot(ex, i):
        return cash(ex, account, asked, assumed_e8, taking)
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
    refusal = above_cap(ex, i, n + q + (bids[0] if q > 0 else -asks[0]), p.leverage)
    if refusal:
        return refusal
    needs = _per_contract if instrument.method == MarginMethod.PER_CONTRACT else _tiered
    needed = needs(ex, account, asked, assumed_e8, taking) - margin.taken(ex, account, i)
    available = margin.available(ex, account)
    if needed > 0 and needed > available:
        return Refusal(RejectReason.INSUFFICIENT_MARGIN, needed, available)
    return None


def cash(ex: Exchange, account: int, asked: Asked, assumed_e8: int, taking: bool) -> Refusal | None:
    """Whether the cash for a purchase is there, its fee included (docs/rules/spot.md)."""
    if asked.q < 0:
        return None
    needed = floor(margin.value(ex.instruments[asked.i], assumed_e8, asked.q))
    if taking:
        paid = margin.traded_value(ex.instruments[asked.i], asked.worst_ticks, asked.q)
        paid += ex.fee(asked.i, asked.q, asked.worst_ticks, ex.terms_of(asked.i).taker_fee_e8)
        needed = max(needed, paid)
    free = margin.available(ex, account)
    return Refusal(RejectReason.BALANCE_TOO_SMALL, needed, free) if needed > free else None


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
    loss = floor(max(Fraction(0), margin.value(instrument, side * (assumed_e8 - mark), opened)))
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
    if ex.has_depth(i):
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


def above_cap(ex: Exchange, i: int, lots: int, leverage: int) -> Refusal | None:
    """Whether a position is worth more than the brackets allow."""
    instrument = ex.instruments[i]
    if instrument.method != MarginMethod.TIERED:
        return None
    worth = floor(margin.value(instrument, ex.markets[i].mark_e8, abs(lots)))
    cap = margin.largest_value(ex.terms_of(i).tiers, leverage)
    return Refusal(RejectReason.POSITION_LIMIT, worth, cap) if worth > cap else None
