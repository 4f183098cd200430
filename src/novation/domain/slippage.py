"""What a taker without a book pays beyond the mid: the terms of the cost, and the market that they ask about.

A *base* term is a number of the formula (`rules.slippage`): half_spread in price, half_spread_bps of the mid, impact
(y), exponent. A *ramp* is a factor that grows with one number of the market, its driver, from 1 to 1 + weight. A
*curve* is a factor for each hour (UTC) or month. Numbers come from dated rows (`reference.slippage`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from novation.domain.units import Number


class Driver(NamedTuple):
    """What a ramp depends on: a field of `MarketConditions`."""

    unit: str
    signed: bool = False  #: a buyer's has the sign of the driver, a seller's the other one


BASE = ("half_spread", "half_spread_bps", "impact", "exponent")
RAMPS: dict[str, Driver] = {
    "volatility_ratio": Driver("volatility over its mean in the long run"),
    "funding_rate": Driver("fraction an interval, above 0: longs pay", signed=True),
    "open_interest_imbalance": Driver("-1 to 1, above 0: more hold longs", signed=True),
    "liquidated": Driver("liquidated lately, a share of the daily volume"),
    "outside_regular_hours": Driver("1 outside regular trading hours, else 0"),
    "minutes_to_settlement": Driver("minutes until the daily settlement window ends"),
    "limit_distance": Driver("to the nearer price limit, a fraction of the price"),
    "days_to_roll": Driver("calendar days until the lead month is left"),
    "minutes_to_report": Driver("minutes to or since the nearest inventory report"),
    "auction_day": Driver("1 on a day of a Treasury auction, else 0"),
}
#: Curves, and how many values each has: hours from 0, months from January.
CURVES = {"hour": 24, "month": 12}
#: What a factor multiplies.
ACTS_ON = ("spread", "impact", "all")

TERMS = (*BASE, *RAMPS, *CURVES)


class SlippageTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One term of a product in force: a row of its table.

    coefficient: the base term's number, or the ramp's weight; low, high: the range it is thought to lie in. begins,
    full: the driver at which a ramp begins and is whole. values: of a curve. on: one of `ACTS_ON`, of a factor.
    assumed: what nobody measured; such a term is off until asked for.
    """

    name: str
    key: str  #: the row: "ES impact", "* impact"
    coefficient: float
    low: float
    high: float
    begins: float
    full: float
    on: str
    values: tuple[float, ...]
    assumed: str
    source: str


class TakerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that takes: a market order, or a limit order that is certain to trade at once.

    symbol: e.g. "BTCUSDT", "ES", "cme:ESZ2026"; qty: coins or contracts, above zero.
    """

    symbol: str
    side: str  #: "buy" or "sell"
    qty: Number


class MarketConditions(msgspec.Struct, frozen=True, kw_only=True):
    """The market as a taker finds it; None: not known.

    mid, or bid and ask: price. spread_bps: the whole spread in 1e-4 of the mid, else that of bid and ask, else the
    table's. volume: coins or contracts that trade in a day (24 h, or a trade date). volatility: annual, a fraction
    (0.15). mark: the mark price, from which a fill is measured where the benchmark is the mark. at: the instant, which
    says which rows are in force, the hour and the month, and what the calendar knows. price_ns: of which instant the
    price is, where it is out of a history. The others: `RAMPS`, in its units.
    """

    mid: Number | None = None
    bid: Number | None = None
    ask: Number | None = None
    spread_bps: Number | None = None
    volume: Number | None = None
    volatility: Number | None = None
    mark: Number | None = None
    at: Any = None
    price_ns: int | None = None
    volatility_ratio: Number | None = None
    funding_rate: Number | None = None
    open_interest_imbalance: Number | None = None
    liquidated: Number | None = None
    outside_regular_hours: Number | None = None
    minutes_to_settlement: Number | None = None
    limit_distance: Number | None = None
    days_to_roll: Number | None = None
    minutes_to_report: Number | None = None
    auction_day: Number | None = None
