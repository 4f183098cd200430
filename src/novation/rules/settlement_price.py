"""The daily settlement price of a dated future, tier by tier, and the variation margin it leads to.

Source: facts/cme.md §4 (CME client systems wiki; examples A1, A2). Prices are whole ticks of the outright, of any sign,
and sizes positive lots. Every mean is an exact fraction until its one rounding: to the nearest tick, a tie to the tick
nearer the month's prior settlement, in nobody's favour. The prior is itself a whole number of ticks, so it lies on one
side of any point between two ticks and always decides. The facts give the rule for a VWAP; that midpoints, carries and
spreads are rounded by it too is our choice.

An answer is None where the tiers that the facts name are used up: nothing further is made up. These are plain functions
of Python integers, evaluated once a day; none is a kernel.

Not modelled: who leads (`reference.products`), further months of currencies (interpolated, the facts do not say how)
and of metals ("spreads", no more is said), final settlement prices (an index's special opening quotation, currencies at
09:16, Treasury invoices).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from math import lcm
from typing import NamedTuple

from novation.rules.integers import E8

DAYS_OF_YEAR = 365


class SettledBy(IntEnum):
    """The tier that gave a settlement price."""

    VWAP = 1  #: trades of the window
    MIDPOINT = 2  #: bid and ask
    LAST_CLAMPED = 3  #: the last trade, moved inside the market
    CARRY = 4  #: the index, carried to the last day
    SPREAD_VWAP = 5  #: a nearer month and the spread's trades in the window
    SPREAD_LAST_CLAMPED = 6  #: a nearer month and the spread's last trade, moved inside the spread's market
    NET_CHANGE = 7  #: its prior settlement, moved as the month before
    SPREADS = 8  #: several nearer months and the spreads to them
    NEAREST_QUOTE = 9  #: the bid or ask nearest the last trade


class Trade(NamedTuple):
    """So many lots at a price: of an outright in ticks, of a spread in its own units."""

    price: int
    lots: int


class Settled(NamedTuple):
    """A settlement price and where it is from."""

    ticks: int
    by: SettledBy


class Market(NamedTuple):
    """What one month, or one spread, shows around its window; None for what there is not.

    trades: those of the window. last: the last trade until the window's end, of whatever time that day. bid, ask: best
    at the window's end. low_bid, high_ask: the lowest bid and the highest ask of the window.
    """

    trades: Sequence[Trade] = ()
    last: int | None = None
    bid: int | None = None
    ask: int | None = None
    low_bid: int | None = None
    high_ask: int | None = None


class Carry(NamedTuple):
    """What carries an index to a future's last day: level, rate a year as a fraction, calendar days."""

    index_e8: int
    rate_e8: int
    days: int
    tick_e8: int


class Leg(NamedTuple):
    """One spread between the month to be settled and a month already settled; `spread` is far less near, in ticks."""

    settled_ticks: int
    spread: int
    lots: int
    months_apart: int


# ---------------------------------------------------------------- means and roundings


def nearest_tick(numerator: int, denominator: int, prior_ticks: int) -> int:
    """numerator / denominator ticks on the nearest tick, a tie to the tick nearer the prior settlement.

    >>> nearest_tick(5, 2, 7), nearest_tick(5, 2, 0), nearest_tick(-5, 2, 0)
    (3, 2, -2)
    """
    if denominator <= 0:
        raise ValueError(f"a mean over {denominator}")
    below, over = divmod(int(numerator), int(denominator))
    if 2 * over == denominator:
        return below + (prior_ticks > below)
    return below + (2 * over > denominator)


def weigh(trades: Iterable[Trade]) -> tuple[int, int]:
    """Sum of price * lots, and of lots. Trades without lots count for nothing; negative ones are refused.

    >>> weigh([Trade(20001, 10), Trade(20002, 30), Trade(20003, 20)])
    (1200130, 60)
    """
    total = count = 0
    for price, lots in trades:
        if lots < 0:
            raise ValueError(f"a trade of {lots} lots")
        total += int(price) * int(lots)
        count += int(lots)
    return total, count


def vwap(trades: Iterable[Trade], prior_ticks: int) -> int | None:
    """Volume-weighted average price on the nearest tick; None without a lot traded.

    VWAP = sum(price * lots) / sum(lots). Example A1 in ticks of 0.25: 10 at 5000.25, 30 at 5000.50, 20 at 5000.75 are
    5000.541667 and settle at 5000.50.

    >>> vwap([Trade(20001, 10), Trade(20002, 30), Trade(20003, 20)], 19960)
    20002
    """
    total, count = weigh(trades)
    return nearest_tick(total, count, prior_ticks) if count else None


def midpoint(bid: int | None, ask: int | None, prior_ticks: int) -> int | None:
    """Half way between bid and ask on the nearest tick; None unless there are both.

    >>> midpoint(10, 13, 5), midpoint(10, None, 5)
    (11, None)
    """
    return None if bid is None or ask is None else nearest_tick(bid + ask, 2, prior_ticks)


def clamped(price: int | None, low: int | None, high: int | None) -> int | None:
    """A price moved up to `low` or down to `high` where it lies outside; None without it, or without either bound.

    >>> clamped(9, 10, 12), clamped(9, None, 8), clamped(9, None, None)
    (10, 8, None)
    """
    if price is None or (low is None and high is None):
        return None
    if low is not None and high is not None and low > high:
        raise ValueError(f"a market from {low} down to {high}")
    if low is not None and price < low:
        return low
    return high if high is not None and price > high else price


def carried(carry: Carry, prior_ticks: int) -> int:
    """index + days / 365 * rate * index on the nearest tick.

    Index 5,000.00, 73 days at 5 %: 5,050.00, which is tick 20,200 of 0.25.

    >>> carried(Carry(5000 * E8, 5_000_000, 73, 25_000_000), 0)
    20200
    """
    year = DAYS_OF_YEAR * E8
    return nearest_tick(carry.index_e8 * (year + carry.days * carry.rate_e8), year * carry.tick_e8, prior_ticks)


def _first(*tiers: tuple[int | None, SettledBy]) -> Settled | None:
    return next((Settled(ticks, by) for ticks, by in tiers if ticks is not None), None)


# ---------------------------------------------------------------- the lead month


def settle_index(market: Market, prior_ticks: int, carry: Carry | None = None) -> Settled | None:
    """Lead month of an equity index future: VWAP, else midpoint, else carry. A micro copies its mini's price.

    The facts say "midpoint of bid/ask in the window", not of which instant: those at its end are taken.
    """
    return _first(
        (vwap(market.trades, prior_ticks), SettledBy.VWAP),
        (midpoint(market.bid, market.ask, prior_ticks), SettledBy.MIDPOINT),
        (None if carry is None else carried(carry, prior_ticks), SettledBy.CARRY),
    )


def settle_treasury(market: Market, prior_ticks: int) -> Settled | None:
    """Lead month of a Treasury future: VWAP, else the last trade moved inside [low bid, high ask] of the window."""
    return _first(
        (vwap(market.trades, prior_ticks), SettledBy.VWAP),
        (clamped(market.last, market.low_bid, market.high_ask), SettledBy.LAST_CLAMPED),
    )


def settle_metal(market: Market, prior_ticks: int) -> Settled | None:
    """Active month of gold, silver or copper: VWAP, else midpoint at the window's end, else the last trade moved up to
    a lone bid or down to a lone ask.

    >>> settle_metal(Market(last=13_050, bid=13_057), 13_196)
    Settled(ticks=13057, by=<SettledBy.LAST_CLAMPED: 3>)
    """
    return _first(
        (vwap(market.trades, prior_ticks), SettledBy.VWAP),
        (midpoint(market.bid, market.ask, prior_ticks), SettledBy.MIDPOINT),
        (clamped(market.last, market.bid, market.ask), SettledBy.LAST_CLAMPED),
    )


def settle_by_trades_alone(market: Market, prior_ticks: int) -> Settled | None:
    """Lead month of a currency, front month of crude oil or gas: VWAP; the facts name nothing else."""
    return _first((vwap(market.trades, prior_ticks), SettledBy.VWAP))


def settle_oil_on_its_last_day(market: Market, prior_ticks: int) -> Settled | None:
    """Expiring crude oil: VWAP of its longer window, else whichever of bid and ask is nearest the last trade.

    As near to both: the one nearer the prior settlement, then the bid (our choice).
    """
    quotes = [quote for quote in (market.bid, market.ask) if quote is not None]
    last = market.last
    nearest = None
    if last is not None and quotes:
        nearest = min(quotes, key=lambda quote: (abs(quote - last), abs(quote - prior_ticks)))
    return _first((vwap(market.trades, prior_ticks), SettledBy.VWAP), (nearest, SettledBy.NEAREST_QUOTE))


# ---------------------------------------------------------------- further months


def settle_by_spread(
    nearer_ticks: int,
    spread: Market,
    prior_ticks: int,
    *,
    units_per_tick: int = 1,
    minimum_lots: int = 1,
    last_counts: bool = True,
) -> Settled | None:
    """A month from a settled nearer one: nearer + spread VWAP, else nearer + last spread trade inside the spread's
    bid and ask; the second month of an index.

    spread: prices of this month less the nearer one, in units of which `units_per_tick` make a tick of the outright (2
    for ZN, as its spreads move in quarters of 1/32 and its outright in halves). A spread quoted near less far changes
    its sign first, and bid and ask their places. prior_ticks: of this month.
    minimum_lots: fewer do not make a VWAP (crude oil and gas; the facts do not give the number). last_counts: False for
    Treasuries and energy, of which the facts name the VWAP alone.

    >>> settle_by_spread(20_002, Market([Trade(180, 5), Trade(181, 5)]), 20_300)  # 180.5 ticks, up to the prior
    Settled(ticks=20183, by=<SettledBy.SPREAD_VWAP: 5>)
    """
    total, count = weigh(spread.trades)
    if count and count >= minimum_lots:
        mean = nearest_tick(nearer_ticks * units_per_tick * count + total, units_per_tick * count, prior_ticks)
        return Settled(mean, SettledBy.SPREAD_VWAP)
    last = clamped(spread.last, spread.bid, spread.ask) if last_counts else None
    if last is None:
        return None
    ticks = nearest_tick(nearer_ticks * units_per_tick + last, units_per_tick, prior_ticks)
    return Settled(ticks, SettledBy.SPREAD_LAST_CLAMPED)


def settle_by_net_change(prior_ticks: int, nearer_ticks: int, nearer_prior_ticks: int) -> Settled:
    """A later month of an index: its prior settlement, moved by what the month before it has moved.

    >>> settle_by_net_change(20_400, nearer_ticks=20_002, nearer_prior_ticks=19_960).ticks
    20442
    """
    return Settled(prior_ticks + nearer_ticks - nearer_prior_ticks, SettledBy.NET_CHANGE)


def settle_by_spreads(legs: Iterable[Leg], prior_ticks: int, *, furthest_apart: int | None = None) -> Settled | None:
    """A further month of crude oil or gas: the mean of (settled month + spread), weighted by lots / months apart.

    S = sum((settled + spread) * lots / apart) / sum(lots / apart). furthest_apart: 2 for months 3 to 6, which settle
    from one- and two-month spreads; that those are weighted alike is our reading, the facts name only the spreads.

    Legs 30 lots at 7,000 one month apart and 20 lots at 7,010 two apart weigh 30 and 10:

    >>> settle_by_spreads([Leg(7_040, -40, 30, 1), Leg(7_095, -85, 20, 2)], 0)
    Settled(ticks=7002, by=<SettledBy.SPREADS: 8>)
    """
    used = [leg for leg in legs if furthest_apart is None or leg.months_apart <= furthest_apart]
    if any(leg.months_apart < 1 for leg in used):
        raise ValueError("a spread is at least one month wide")
    common = lcm(*(leg.months_apart for leg in used))
    implied = (Trade(leg.settled_ticks + leg.spread, leg.lots * (common // leg.months_apart)) for leg in used)
    return _first((vwap(implied, prior_ticks), SettledBy.SPREADS))


# ---------------------------------------------------------------- what is paid


def variation(
    multiplier_minor_per_tick: int,
    carried_lots: int,
    prior_ticks: int,
    settlement_ticks: int,
    trades: Iterable[Trade],
) -> int:
    """Variation margin of a day in minor units, paid to the holder where positive.

    VM = multiplier * [Q (S - S_prior) + sum q (S - p)], with signed lots carried and traded (a sale is negative). For
    reading and for tests: the engine pays value less cost, which is the same.

    Example A2, ES with 12.50 USD a tick in units of 1e-6 USD: +3 from 4990.00, 2 bought at 4998.00, 1 sold at 5004.00,
    settled at 5000.50, is 2,000.00 USD.

    >>> variation(12_500_000, 3, 19_960, 20_002, [Trade(19_992, 2), Trade(20_016, -1)])
    2000000000
    """
    moved = carried_lots * (settlement_ticks - prior_ticks)
    moved += sum(lots * (settlement_ticks - price) for price, lots in trades)
    return multiplier_minor_per_tick * moved
