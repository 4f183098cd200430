"""Values, requirements and the liquidation price, in rational numbers (docs/rules/margin.md)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import MarginMethod, MarginScope, OrderKind
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.units import E8
from tests.reference import collateral
from tests.reference.state import Order

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

#: Lots and value of the resting orders of one side.
Resting = tuple[int, int]


def value(instrument: Instrument, price_e8: int, lots: int) -> Fraction:
    """Minor units that signed lots are worth at a price, exactly."""
    return Fraction(price_e8 * lots * instrument.lot_value, E8)


def tick_value(instrument: Instrument) -> int:
    """Minor units of one lot and one tick."""
    amount = value(instrument, instrument.tick_e8, 1)
    assert amount.denominator == 1
    return int(amount)


def traded_value(instrument: Instrument, ticks: int, lots: int) -> int:
    """Minor units of signed lots at a price in ticks."""
    return lots * ticks * tick_value(instrument)


def bracket(tiers: tuple[Tier, ...], worth: Fraction) -> Tier:
    """The first bracket whose cap is not below the worth, else the last."""
    for tier in tiers:
        if floor(worth) <= tier.cap:
            return tier
    return tiers[-1]


def maintenance(instrument: Instrument, terms: Terms, mark_e8: int, lots: int) -> Fraction:
    """The maintenance margin of lots at a mark, exactly."""
    if instrument.method == MarginMethod.PER_CONTRACT:
        return Fraction(abs(lots) * terms.maintenance_per_lot)
    if lots == 0:
        return Fraction(0)
    worth = abs(value(instrument, mark_e8, lots))
    tier = bracket(terms.tiers, worth)
    return worth * Fraction(tier.rate_e8, E8) - tier.cum


def initial(
    instrument: Instrument,
    terms: Terms,
    leverage: int,
    mark_e8: int,
    lots: int,
    bids: Resting = (0, 0),
    asks: Resting = (0, 0),
) -> int:
    """The initial margin of lots at a mark with resting orders."""
    if instrument.method == MarginMethod.PER_CONTRACT:
        return max(abs(lots), abs(lots + bids[0]), abs(lots - asks[0])) * terms.initial_per_lot
    worth = floor(value(instrument, mark_e8, lots))
    return max(abs(worth), abs(worth + bids[1]), abs(worth - asks[1])) // leverage


def largest_value(tiers: tuple[Tier, ...], leverage: int) -> int:
    """The largest value of a position the brackets allow at a leverage, -1 if none."""
    cap = -1
    for tier in tiers:
        if tier.max_leverage >= leverage:
            cap = tier.cap
    return cap


def liquidation_price(instrument: Instrument, terms: Terms, lots: int, cost: int, behind: Fraction) -> int:
    """The 1e-8 price at which `behind + profit <= maintenance` begins: closed form, bracket by bracket."""
    if lots == 0:
        return 0
    per_price = abs(value(instrument, 1, lots))
    best = 0
    for low, high, rate, cum in _pieces(instrument, terms, lots, per_price):
        if lots > 0:  # behind + u p - cost <= u p rate - cum
            if rate == 1:  # so at every price or at none
                top = 2**53 if behind + cum <= cost else -1
            else:
                top = floor((cost - behind - cum) / (per_price * (1 - rate)))
            candidate = top if high is None else min(top, high)
            if candidate >= low:
                best = max(best, candidate)
        else:  # behind - u p - cost <= u p rate - cum
            bottom = ceil((behind - cost + cum) / (per_price * (1 + rate)))
            candidate = max(bottom, low)
            if high is None or candidate <= high:
                best = candidate if best == 0 else min(best, candidate)
    return best


def _pieces(
    instrument: Instrument, terms: Terms, lots: int, per_price: Fraction
) -> list[tuple[int, int | None, Fraction, Fraction]]:
    """(lowest price, highest price, rate, amount taken off) of each stretch of prices with one formula."""
    if instrument.method == MarginMethod.PER_CONTRACT:
        return [(1, None, Fraction(0), Fraction(-abs(lots) * terms.maintenance_per_lot))]
    pieces: list[tuple[int, int | None, Fraction, Fraction]] = []
    low = 1
    for i, tier in enumerate(terms.tiers):
        # floor(u p) <= cap is u p < cap + 1
        high = None if i == len(terms.tiers) - 1 else ceil((tier.cap + 1) / per_price) - 1
        if high is None or high >= low:
            pieces.append((low, high, Fraction(tier.rate_e8, E8), Fraction(tier.cum)))
        if high is not None:
            low = max(low, high + 1)
    return pieces


# -- of an account --------------------------------------------------------------------------------------------------


def reserves(order: Order) -> bool:
    """Whether an order takes margin as it works."""
    return order.kind == OrderKind.LIMIT and not order.reduce_only and order.trigger is None


def resting(ex: Exchange, account: int, i: int) -> tuple[Resting, Resting]:
    """Bids and asks of the account's resting limit orders: lots and value of each."""
    sides = {1: [0, 0], -1: [0, 0]}
    for order in ex.accounts[account].orders.values():
        if order.instrument == i and reserves(order):
            sides[order.side][0] += order.lots
            sides[order.side][1] += floor(value(ex.instruments[i], order.assumed_e8, order.lots))
    return (sides[1][0], sides[1][1]), (sides[-1][0], sides[-1][1])


def linked(ex: Exchange, account: int, i: int) -> bool:
    """Whether there is anything at all in an instrument: lots, cost, margin or resting limit orders."""
    p = ex.accounts[account].positions[i]
    if p.lots or p.cost or p.margin:
        return True
    return any(order.instrument == i and reserves(order) for order in ex.accounts[account].orders.values())


def profit(ex: Exchange, account: int, i: int, mark_e8: int) -> Fraction:
    """Unrealised profit of a position at a mark, exactly."""
    p = ex.accounts[account].positions[i]
    return value(ex.instruments[i], mark_e8, p.lots) - p.cost


def required(ex: Exchange, account: int, i: int, mark_e8: int) -> Fraction:
    """Maintenance of a position at a mark, exactly."""
    return maintenance(ex.instruments[i], ex.terms_of(i), mark_e8, ex.accounts[account].positions[i].lots)


def own_initial(ex: Exchange, account: int, i: int, mark_e8: int) -> int:
    """Initial margin of a position at a mark without its orders."""
    p = ex.accounts[account].positions[i]
    return initial(ex.instruments[i], ex.terms_of(i), p.leverage, mark_e8, p.lots)


def taken(ex: Exchange, account: int, i: int, leverage: int | None = None) -> int:
    """What a position takes from the cross wallet at the current mark."""
    p, mark = ex.accounts[account].positions[i], ex.markets[i].mark_e8
    leverage = p.leverage if leverage is None else leverage
    bids, asks = resting(ex, account, i)
    with_orders = initial(ex.instruments[i], ex.terms_of(i), leverage, mark, p.lots, bids, asks)
    if p.scope == MarginScope.CROSS:
        return with_orders
    return with_orders - initial(ex.instruments[i], ex.terms_of(i), leverage, mark, p.lots)


def taken_by_all(ex: Exchange, account: int) -> int:
    """What all positions take from the cross wallet at the current marks."""
    return sum(taken(ex, account, i) for i in range(len(ex.instruments)))


def cross(ex: Exchange, account: int) -> list[int]:
    """Instruments of the account's cross positions, with lots or with cost alone."""
    positions = ex.accounts[account].positions
    return [i for i, p in enumerate(positions) if p.scope == MarginScope.CROSS and (p.lots or p.cost)]


def cross_equity(ex: Exchange, account: int, marks: list[int]) -> Fraction:
    """What stands behind the cross positions at the marks, their profits included; of all assets, where they pool."""
    return collateral.pooled(ex, account, own_equity(ex, account, marks))


def own_equity(ex: Exchange, account: int, marks: list[int]) -> Fraction:
    """Cross wallet plus the profits of the cross positions at the marks, exactly."""
    return ex.accounts[account].wallet + sum(
        (profit(ex, account, i, marks[i]) for i in cross(ex, account)), Fraction(0)
    )


def cross_surplus(ex: Exchange, account: int, marks: list[int]) -> Fraction:
    """Cross equity less the maintenance of the cross positions at the marks, exactly."""
    return cross_equity(ex, account, marks) - sum(
        (required(ex, account, i, marks[i]) for i in cross(ex, account)), Fraction(0)
    )


def cross_maintenance(ex: Exchange, account: int, marks: list[int]) -> int:
    """Maintenance as reported: each cross position's truncated, added up."""
    return sum(trunc(required(ex, account, i, marks[i])) for i in cross(ex, account))


def available(ex: Exchange, account: int) -> int:
    """What may be taken for new margin, or withdrawn if the wallet holds it."""
    return floor(cross_equity(ex, account, ex.marks())) - taken_by_all(ex, account)


def withdrawable(ex: Exchange, account: int, asset: int = 0) -> int:
    """What may be taken out: what is available, without profit that is not realised unless the venue lets it go."""
    wallet = ex.accounts[account].wallet
    if asset and not ex.accounts[account].multi:
        return ex.accounts[account].balances[asset]
    equity = floor(own_equity(ex, account, ex.marks()))
    if not ex.rules.profit_withdrawable:
        equity = min(equity, wallet)
    if ex.accounts[account].multi:
        return collateral.withdrawable(ex, account, asset, equity, taken_by_all(ex, account))
    return max(0, min(wallet, equity - taken_by_all(ex, account)))


def position_liquidation_price(ex: Exchange, account: int, i: int) -> int:
    """The liquidation price of a position as it stands."""
    p = ex.accounts[account].positions[i]
    behind = Fraction(p.margin)
    if ex.accounts[account].multi:
        return pooled_liquidation_price(ex, account, i) if p.lots else 0
    if p.scope == MarginScope.CROSS:
        behind = Fraction(ex.accounts[account].wallet)
        if p.lots and ex.accounts[account].positions[i ^ 1].lots:
            return pair_liquidation_price(ex, account, i)
        for other in cross(ex, account):
            if other != i:
                mark = ex.markets[other].mark_e8
                behind += profit(ex, account, other, mark) - required(ex, account, other, mark)
    return liquidation_price(ex.instruments[i], ex.terms_of(i), p.lots, p.cost, behind)


def pooled_liquidation_price(ex: Exchange, account: int, i: int) -> int:
    """The price in Multi-Assets mode, by bisection of a concave surplus: below the mark if it is gone at 1e-8."""
    mark, pair = ex.markets[i].mark_e8, (i, i ^ 1)
    behind, needed = Fraction(ex.accounts[account].wallet), Fraction(0)
    for other in cross(ex, account):
        if other not in pair:
            at = ex.markets[other].mark_e8
            behind += profit(ex, account, other, at)
            needed += required(ex, account, other, at)

    def gone(price: int) -> bool:
        own = behind + sum(profit(ex, account, j, price) for j in pair)
        return collateral.pooled(ex, account, own) <= needed + sum(required(ex, account, j, price) for j in pair)

    if gone(mark):
        return mark
    if gone(1):
        low, high = 1, mark
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if gone(middle) else (low, middle)
        return low
    return _first_above(ex, account, pair, mark, gone)


def _first_above(ex: Exchange, account: int, pair: tuple[int, int], mark: int, gone: Callable[[int], bool]) -> int:
    """The lowest price above the mark at which it is gone; 0 for none in bounds."""
    low = high = max(1, mark)
    while not gone(high):
        worth = max(abs(value(ex.instruments[j], high, ex.accounts[account].positions[j].lots)) for j in pair)
        if high >= 2**53 or floor(worth) > 2**60:
            return 0
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if gone(middle) else (middle, high)
    return high


def pair_liquidation_price(ex: Exchange, account: int, i: int) -> int:
    """The price that a long and a short cross position of one instrument share, by bisection of a concave surplus."""
    mark, pair = ex.markets[i].mark_e8, (i, i ^ 1)
    behind = Fraction(ex.accounts[account].wallet)
    for other in cross(ex, account):
        if other not in pair:
            at = ex.markets[other].mark_e8
            behind += profit(ex, account, other, at) - required(ex, account, other, at)

    def gone(price: int) -> bool:
        return behind + sum(profit(ex, account, j, price) - required(ex, account, j, price) for j in pair) <= 0

    if gone(mark):
        return mark
    slope = Fraction(0)
    for j in pair:
        lots = ex.accounts[account].positions[j].lots
        rate = Fraction(0)
        if ex.instruments[j].method == MarginMethod.TIERED:
            rate = Fraction(bracket(ex.terms_of(j).tiers, abs(value(ex.instruments[j], mark, lots))).rate_e8, E8)
        slope += lots - abs(lots) * rate
    if slope > 0:
        return _last(gone, mark - 1) if gone(1) else 0
    return _first_above(ex, account, pair, mark, gone)


def _last(gone: Callable[[int], bool], high: int) -> int:
    """The highest price from 1 to `high` at which it is gone, being gone at 1 and below it."""
    low, high = 1, high + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if gone(middle) else (low, middle)
    return low
