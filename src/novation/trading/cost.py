"""`novation cost`: what a taker's order would cost before it is sent, where no book is at hand.

    slippage = both * (half_spread * wider + y * sigma * (qty / volume)**exponent * deeper), from min to max

(`rules.slippage`), with the terms of the product in force (`reference.slippage`), of which those that nobody measured
or published are off until asked for; plus the fee of a taker. Measured from the mid, or from the mark.

Conservative where the market is not known to the last: quotes narrower than a tick count as a tick, as none are. What
cannot be known is an error that says what to give: the volume, the volatility, a spread that no row has.

Not modelled: orders that rest (`Venue.fill_probability`), how long an order takes, what it does to the next one
(`rules.impact`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import suppress
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import msgspec
import numpy as np

from novation.domain.errors import InvalidInput, NoRuleInForce, OffGrid
from novation.domain.slippage import BASE, RAMPS, MarketConditions, TakerOrder
from novation.domain.units import Number, iso, plain, to_decimal, to_ns
from novation.reference import Reference
from novation.reference.slippage import Contract, calendar_drivers, contract_row, session_at
from novation.rules.slippage import slippages
from novation.trading.slippage import Slippage
from novation.trading.taker_fee import taker_fee

BENCHMARKS = ("mid", "mark")
_SIDES = {"buy": 1, "sell": -1}
_BPS = Decimal(10_000)
#: Decimals of a cost in bp, of a price, of a share.
_SHOWN, _E8, _SHARE = Decimal("1e-6"), Decimal("1e-8"), Decimal("1e-12")
#: Numbers of markets and orders lie between these.
_LEAST, _MOST = Decimal("1e-15"), Decimal(10**15)
#: What each number of the market is, for whoever has to give it.
_MEANT = {
    "mid": "the middle of bid and ask",
    "volume": "coins or contracts that trade in a day",
    "volatility": "annual, a fraction: 0.15",
    "mark": "the mark price",
}


class TermInForce(msgspec.Struct, frozen=True, kw_only=True):
    """A term that the cost rests on. value: of a base term; factor: of a ramp or a curve, and what it acts on."""

    name: str
    value: float | None
    factor: float | None
    on: str
    source: str

    def __str__(self) -> str:
        shown = f"{self.value:g}" if self.factor is None else f"x {self.factor:.3f} on {self.on}"
        return f"{self.name} {shown}: {self.source}"


class ExecutionCost(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would cost; `to_dict()` is the `--json` of `novation cost`.

    Costs in 1e-4 of the order's value at the benchmark, money in `currency`. low, high: with the coefficients at the
    ends of the ranges that their rows give, whichever way is cheapest and dearest: not an interval of statistics, and
    not of the price's own moves. spread_bps, impact_bps: the two parts in 1e-4 of the mid, before any limit; basis_bps:
    what the mid lies beyond the mark against the order, where the mark is the benchmark, a part of the slippage.
    impact_cost: the slippage in money.
    """

    instrument: str
    side: str
    qty: Decimal
    mid: Decimal
    notional: Decimal
    currency: str
    slippage_bps: Decimal
    slippage_bps_low: Decimal
    slippage_bps_high: Decimal
    spread_bps: Decimal
    impact_bps: Decimal
    basis_bps: Decimal
    fee_bps: Decimal
    total_cost_bps: Decimal
    total_cost_bps_low: Decimal
    total_cost_bps_high: Decimal
    impact_cost: Decimal
    fee: Decimal
    estimated_fill_price: Decimal
    participation: Decimal
    benchmark: str
    at: str | None  #: UTC; None: the rows are the newest
    price_at: str | None  #: of what a price out of the history is
    terms: tuple[TermInForce, ...]
    off: tuple[str, ...]
    unknown: tuple[str, ...]
    fee_source: str
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: amounts, prices and costs as decimal text."""
        given = plain(self)
        lists = {name: list(given[name]) for name in ("off", "unknown", "cautions")}
        return given | {"terms": [msgspec.structs.asdict(term) for term in self.terms]} | lists

    def __str__(self) -> str:
        rows = [
            ("slippage", self.slippage_bps, f"{self.slippage_bps_low:.3f} to {self.slippage_bps_high:.3f}"),
            ("  spread", self.spread_bps, ""),
            ("  impact", self.impact_bps, f"{self.participation:.4%} of a day's volume"),
            ("fee", self.fee_bps, self.fee_source),
            ("total", self.total_cost_bps, f"{self.total_cost_bps_low:.3f} to {self.total_cost_bps_high:.3f}"),
        ]
        if self.benchmark == "mark":
            rows.insert(3, ("  basis", self.basis_bps, "mid beyond the mark"))
        lines = [
            f"{self.instrument}  {self.side} {self.qty.normalize():f} at mid {self.mid.normalize():f}"
            f"   {self.notional:,.2f} {self.currency}   from the {self.benchmark}",
            *(f"  {name:<12}{value:>14.3f} bp   {note}".rstrip() for name, value, note in rows),
            f"  {'in money':<12}{self.impact_cost + self.fee:>14,.2f} {self.currency}   of it fee {self.fee:,.2f}",
            f"  {'fill price':<12}{self.estimated_fill_price.normalize():>14f}   on average",
            *(f"term {term}" for term in self.terms),
        ]
        if self.off:
            lines.append(f"off, as assumed (--terms): {', '.join(self.off)}")
        if self.unknown:
            lines.append(f"on, but its driver is not known: {', '.join(self.unknown)}")
        return "\n".join([*lines, *(f"caution: {text}" for text in self.cautions)])


def estimate_execution_cost(
    order: TakerOrder,
    market: MarketConditions,
    *,
    terms: str | Iterable[str] = (),
    vip: int = 0,
    bnb: bool = False,
    benchmark: str = "mid",
    min_slippage_bps: Number | None = None,
    max_slippage_bps: Number | None = None,
    reference: Reference | None = None,
) -> ExecutionCost:
    """Ask what an order that takes would cost.

    terms: names of assumed terms to count beside those that are measured or published; "all"; or "base", the formula
    without any factor. vip, bnb: the fee level on Binance, and whether fees are paid in BNB. benchmark: "mid" or
    "mark". min_slippage_bps, max_slippage_bps: what the slippage from the mid is held between. Raises `InvalidInput`
    for what is missing or no market (crossed quotes, no volume), `UnknownInstrument`, `NoRuleInForce`.

    >>> found = estimate_execution_cost(
    ...     TakerOrder(symbol="ES", side="buy", qty=50),
    ...     MarketConditions(mid=5000, spread_bps=0.5, volume=100_000, volatility=0.15),
    ... )
    >>> f"{found.spread_bps:.2f} {found.impact_bps:.4f} {found.fee_bps:.4f} {found.estimated_fill_price:.4f}"
    '0.25 2.1129 0.0820 5001.1814'
    """
    reference = reference or Reference.default()
    at_ns = None if market.at is None else to_ns(market.at, source="at")
    for name, given, known in (("side", order.side, tuple(_SIDES)), ("benchmark", benchmark, BENCHMARKS)):
        if given not in known:
            raise InvalidInput(f"expected {' or '.join(known)}", source=name, value=given)
    side, qty = _SIDES[order.side], _above_zero(order.qty, "qty")
    costs = Slippage.of(order.symbol, at_ns=at_ns, terms=terms, reference=reference)
    mid, spread_bps = _quotes(market)
    level = _needed(market, "mark") if benchmark == "mark" else mid
    daily = costs.daily(float(_needed(market, "volatility")))
    participation = qty / _needed(market, "volume")
    factors = costs.factors(side, *_drivers(market, costs, reference, at_ns))
    contract = contract_row(reference, costs.product, at_ns)
    _check_order(costs, contract, qty, reference, at_ns)
    limits = _limits(min_slippage_bps, max_slippage_bps)
    y, exponent = costs.base("impact"), costs.base("exponent")
    given_bps = None if spread_bps is None else float(spread_bps)
    half, *halves = (float(costs.half_spread(float(mid), given_bps, end=end)) for end in ("coefficient", "low", "high"))
    middle = (half, y.coefficient, exponent.coefficient)
    ends = itertools.product(halves, (y.low, y.high), (exponent.low, exponent.high))
    spreads, ys, exponents = np.array([middle, *ends]).T
    acting = (factors.wider, factors.deeper, factors.both)
    found = slippages(spreads, ys, daily, float(participation), exponents, *acting, *limits)
    spread = float(factors.both * factors.wider * half)
    impact = float(slippages(0.0, middle[1], daily, float(participation), middle[2], *acting))
    if found[0] >= 1.0:
        hint = "Less, or max_slippage_bps."
        raise InvalidInput(
            f"is {float(participation):.4g} of a day's volume, and would move the price by all of itself",
            source="qty",
            value=str(order.qty),
            hint=hint,
        )
    paid = _bps(float(found[0]))
    rounding = ROUND_CEILING if side > 0 else ROUND_FLOOR
    price = (mid * (1 + side * paid / _BPS)).quantize(_E8, rounding)
    basis = (side * (mid - level) / level * _BPS).quantize(_SHOWN)

    def from_benchmark(bps: Decimal) -> Decimal:
        return (bps * mid / level + basis).quantize(_SHOWN)

    slippage, low, high = (from_benchmark(bps) for bps in (paid, _bps(float(found.min())), _bps(float(found.max()))))
    value = qty * contract.multiplier
    fee = taker_fee(
        reference, costs.product, at_ns, qty=qty, value=value * price, currency=contract.currency, vip=vip, bnb=bnb
    )
    fee_bps = (fee.amount / (value * level) * _BPS).quantize(_SHOWN)
    used = _in_force(costs, {name: float(factor) for name, factor in factors.each.items()}, spread_bps is None)
    return ExecutionCost(
        instrument=costs.id,
        side=order.side,
        qty=qty,
        mid=mid,
        notional=value * level,
        currency=contract.currency,
        slippage_bps=slippage,
        slippage_bps_low=low,
        slippage_bps_high=high,
        spread_bps=_bps(spread),
        impact_bps=_bps(impact),
        basis_bps=basis,
        fee_bps=fee_bps,
        total_cost_bps=slippage + fee_bps,
        total_cost_bps_low=low + fee_bps,
        total_cost_bps_high=high + fee_bps,
        impact_cost=(value * level * slippage / _BPS).quantize(_E8),
        fee=fee.amount,
        estimated_fill_price=price,
        participation=participation.quantize(_SHARE),
        benchmark=benchmark,
        terms=used,
        off=costs.off,
        unknown=factors.unknown,
        fee_source=fee.words,
        at=None if at_ns is None else iso(at_ns),
        price_at=None if market.price_ns is None else iso(market.price_ns),
        cautions=(*_cautions(costs, used, spread_bps, mid, market, reference, at_ns), *fee.cautions),
    )


# -- what is given --------------------------------------------------------------------------------------------------


def _number(value: Number, name: str) -> Decimal:
    number = to_decimal(value, source=name)
    if abs(number) > _MOST:
        raise InvalidInput(f"is beyond {_MOST:f}", source=name, value=str(value))
    return number


def _above_zero(value: Number, name: str) -> Decimal:
    number = _number(value, name)
    if number <= 0:
        raise InvalidInput("expected a number above zero", source=name, value=str(value))
    if not _LEAST <= number <= _MOST:
        raise InvalidInput(f"expected a number from {_LEAST:f} to {_MOST:f}", source=name, value=str(value))
    return number


def _check_order(costs: Slippage, contract: Contract, qty: Decimal, reference: Reference, at_ns: int | None) -> None:
    """Refuse an order that the venue would not take: part of a lot, or of a contract that has ended."""
    if qty % contract.lot:
        raise OffGrid(f"qty {qty:f} is not a multiple of the lot {contract.lot.normalize():f}", source=costs.id)
    if at_ns is None or reference.is_rolled(costs.id):
        return
    ends_ns = reference.instrument(costs.id).deliver_ns
    if 0 < ends_ns <= at_ns:
        raise InvalidInput(f"has ended, at {iso(ends_ns)}", source=costs.id, where="at", value=iso(at_ns))


def _needed(market: MarketConditions, name: str) -> Decimal:
    value = getattr(market, name)
    if value is None:
        raise InvalidInput("is needed", source=name, hint=f"Give {name}: {_MEANT[name]}.")
    return _above_zero(value, name)


def _quotes(market: MarketConditions) -> tuple[Decimal, Decimal | None]:
    """The mid, and the spread in bp where the market says it."""
    if (market.bid is None) != (market.ask is None):
        raise InvalidInput("come together", source="bid, ask")
    spread = None if market.spread_bps is None else _number(market.spread_bps, "spread_bps")
    if spread is not None and spread < 0:
        raise InvalidInput("is below zero: crossed quotes are no market", source="spread_bps", value=str(spread))
    if market.bid is None or market.ask is None:
        return _needed(market, "mid"), spread
    bid, ask = _above_zero(market.bid, "bid"), _above_zero(market.ask, "ask")
    if bid > ask:
        raise InvalidInput("crossed quotes are no market", source="bid", value=f"{bid:f} above {ask:f}")
    middle = (bid + ask) / 2
    if market.mid is not None and _number(market.mid, "mid") != middle:
        raise InvalidInput(f"is not the middle of bid and ask, {middle:f}", source="mid", value=str(market.mid))
    return middle, (ask - bid) / middle * _BPS if spread is None else spread


def _drivers(
    market: MarketConditions, costs: Slippage, reference: Reference, at_ns: int | None
) -> tuple[dict[str, float], int | None, int | None]:
    """Drivers by name, hour and month: as given, else what the calendar knows of the instant."""
    found: dict[str, float] = {}
    hour = month = None
    if at_ns is not None:
        contract = 0 if reference.is_rolled(costs.id) else reference.instrument(costs.id).contract_month
        found = calendar_drivers(reference, costs.product, at_ns, contract)
        date = np.datetime64(at_ns, "ns").astype("datetime64[h]").item()
        hour, month = date.hour, date.month
    for name in RAMPS:
        given = getattr(market, name)
        if given is not None:
            found[name] = float(_number(given, name))
    return found, hour, month


def _limits(least: Number | None, most: Number | None) -> tuple[float, float]:
    """The limits as fractions."""
    low = Decimal(0) if least is None else _number(least, "min_slippage_bps")
    high = Decimal("Infinity") if most is None else _number(most, "max_slippage_bps")
    if low < 0:
        raise InvalidInput("is below zero: nobody is paid for taking", source="min_slippage_bps", value=str(low))
    if high < low:
        raise InvalidInput("lies below min_slippage_bps", source="max_slippage_bps", value=str(high))
    return float(low / _BPS), float(high / _BPS)


# -- what is said ---------------------------------------------------------------------------------------------------


def _bps(fraction: float) -> Decimal:
    return (Decimal(repr(fraction)) * _BPS).quantize(_SHOWN)


def _in_force(costs: Slippage, factors: dict[str, float], by_row: bool) -> tuple[TermInForce, ...]:
    spread = "half_spread" if "half_spread" in costs.on else "half_spread_bps"
    used = {"impact", "exponent"} | ({spread} if by_row else set()) | set(factors)
    return tuple(
        TermInForce(
            name=name,
            value=term.coefficient if name in BASE else None,
            factor=factors.get(name),
            on=term.on,
            source=term.source,
        )
        for name, term in costs.on.items()
        if name in used
    )


def _cautions(
    costs: Slippage,
    used: tuple[TermInForce, ...],
    spread_bps: Decimal | None,
    mid: Decimal,
    market: MarketConditions,
    reference: Reference,
    at_ns: int | None,
) -> tuple[str, ...]:
    texts = []
    tick_bps = Decimal(repr(costs.tick)) / mid * _BPS
    if spread_bps is not None and spread_bps < tick_bps:
        texts.append(f"a spread of {spread_bps:.4g} bp is narrower than a tick and counts as one, {tick_bps:.4g} bp")
    assumed = [costs.on[term.name].key for term in used if costs.on[term.name].assumed]
    if assumed:
        texts.append(f"assumed terms count: {', '.join(assumed)}")
    if market.price_ns is not None:
        texts.append(f"price of {iso(market.price_ns)}, and volume and volatility before it, are out of the history")
    if at_ns is None:
        return (*texts, "rows are the newest known; give an instant (at) for those in force then")
    with suppress(NoRuleInForce):
        known = costs.product.venue == "cme" and reference.known("cme/products", costs.product.root)
        if known and session_at(reference, costs.product, at_ns) is None:
            texts.append("the market is closed then: an order would wait, and this is as outside regular hours")
    return (*texts, f"rows in force at {iso(at_ns)}")
