"""Marks, premium, funding rates and delivery (docs/rules/mark.md, funding.md, delivery.md), in rational numbers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import CancelReason, EventKind, InstrumentKind, InstrumentStatus, MarginScope, MarkRule
from novation.domain.events import ISOLATED
from novation.domain.market import MarketEvent
from novation.domain.units import E8, HOUR_NS, NS
from tests.reference import book, collateral, ladder, margin, phases
from tests.reference.state import Pricing

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange

HIGHEST_MARK_E8 = 2**53


def take_index(ex: Exchange, row: MarketEvent) -> None:
    """One sample of the index: the mark of a marked instrument, the samples of its premium and of its delivery."""
    i = row.instrument
    market, instrument, terms = ex.markets[i], ex.instruments[i], ex.terms_of(i)
    if market.status == InstrumentStatus.DELIVERED:
        return
    x, second = ex.pricing[i // 2], row.ts_ns // NS
    before_delivery = instrument.deliver_ns - row.ts_ns
    if 0 < before_delivery <= terms.delivery_seconds * NS:
        x.delivery.setdefault(second, row.index_e8)
    x.index_e8 = market.centre_e8 = row.index_e8
    if instrument.id not in ex.marked:
        return
    bid, ask = row.bid_e8 or _offered(ex, i, -1), row.ask_e8 or _offered(ex, i, 1)
    if bid and ask:
        x.basis.setdefault(second, bid + ask - 2 * row.index_e8)
    span = [twice for at, twice in x.basis.items() if second - at < terms.basis_seconds]
    x.basis = {at: twice for at, twice in x.basis.items() if max(x.basis) - at < 60}
    two = floor(row.index_e8 + Fraction(sum(span), 2 * len(span))) if span else row.index_e8
    mark = two
    if instrument.kind == InstrumentKind.PERPETUAL:
        if not x.next_ns:
            x.hours = x.stated_hours = terms.funding_interval_hours
            x.next_ns = _stamp_after(row.ts_ns, x.hours)
        _sample_premium(ex, x, row)
        left = Fraction(x.next_ns - row.ts_ns, x.hours * HOUR_NS)
        one = floor(row.index_e8 * (1 + Fraction(x.last_rate_e8, E8) * left))
        mark = sorted((one, two, market.last_e8 or two))[1]
    if ex.marked[instrument.id] == MarkRule.LAST and market.last_e8:
        mark = market.last_e8
    ex.set_mark(i, max(1, min(mark, HIGHEST_MARK_E8)))


def _offered(ex: Exchange, i: int, side: int, notional: int = 0) -> int:
    if ex.has_depth(i):
        return _average(ex, i, side, notional)
    last = ex.markets[i].last_e8
    lots = max(1, notional // max(1, floor(margin.value(ex.instruments[i], last, 1))))
    return ex.forced_ticks(i, side * lots, last) * ex.instruments[i].tick_e8 if last else 0


def _average(ex: Exchange, i: int, side: int, notional: int) -> int:
    instrument, found, value = ex.instruments[i], 0, 0
    there_is = ladder.levels(ex, i, side) if ex.has_ladder(i) else _in_book(ex, i, side)
    for ticks, there in there_is:
        unit = margin.traded_value(instrument, ticks, 1)
        lots = min(there, max(1, ceil((notional - value) / Fraction(unit))), (ladder.MOST_VALUE - value) // unit)
        found, value = found + lots, value + lots * unit
        if value >= notional or not lots:
            break
    return value * instrument.tick_e8 // (found * margin.traded_value(instrument, 1, 1)) if found else 0


def _in_book(ex: Exchange, i: int, side: int) -> list[tuple[int, int]]:
    return book.levels(ex, i, side) if phases.is_open(ex, i) else []


def _stamp_after(ts_ns: int, hours: int) -> int:
    return (ts_ns // (hours * HOUR_NS) + 1) * hours * HOUR_NS


def _sample_premium(ex: Exchange, x: Pricing, row: MarketEvent) -> None:
    i, slot = row.instrument, row.ts_ns // (5 * NS)
    if slot <= x.slot:
        return
    notional = ex.terms_of(i).impact_base * ex.terms_of(i).tiers[0].max_leverage
    bid = row.impact_bid_e8 or _offered(ex, i, -1, notional)
    ask = row.impact_ask_e8 or _offered(ex, i, 1, notional)
    if bid and ask:
        gap = min(row.index_e8, max(0, bid - row.index_e8)) - max(0, row.index_e8 - ask)
        x.premium_e8 = trunc(Fraction(gap * E8, row.index_e8))
        x.samples.append(x.premium_e8)
        x.slot = slot


def average(x: Pricing) -> int:
    """The average premium that enters the rate, in 1e-8."""
    weights = [1] * len(x.samples) if x.hours == 1 else range(1, len(x.samples) + 1)
    return trunc(Fraction(sum(w * p for w, p in zip(weights, x.samples, strict=True)), sum(weights)))


def settle_due(ex: Exchange) -> None:
    """Settle and pay the rates whose interval ends now."""
    for n, x in enumerate(ex.pricing):
        if x.next_ns == ex.clock_ns and x.next_ns:
            _settle_rate(ex, 2 * n, x)


def _settle_rate(ex: Exchange, i: int, x: Pricing) -> None:
    terms, samples, rate, span_ns = ex.terms_of(i), len(x.samples), None, x.hours * HOUR_NS
    if samples:
        mean = average(x)
        pulled = mean + max(-terms.funding_clamp_e8, min(terms.funding_clamp_e8, terms.interest_e8 - mean))
        rate = trunc(Fraction(pulled * x.hours, 8))
        rate = max(terms.funding_floor_e8, min(terms.funding_cap_e8, rate))
        x.last_rate_e8, x.last_ns = rate, ex.clock_ns
        if terms.hourly_at_limit:
            _change_interval(x, rate, terms)
    if terms.funding_interval_hours != x.stated_hours:
        x.hours = x.stated_hours = terms.funding_interval_hours
        x.quiet = 0
    x.samples = []
    x.next_ns = _stamp_after(ex.clock_ns, x.hours)
    if rate is not None:
        mark = ex.markets[i].mark_e8
        ex.emit(EventKind.FUNDING_SETTLED, -1, i, rate_e8=rate, price_e8=mark, lots=samples, cost=mean, amount=x.hours)
        ex.pay_funding(i, rate, span_ns if ex.pro_rata else 0)


def _change_interval(x: Pricing, rate: int, terms) -> None:
    if rate in (terms.funding_cap_e8, terms.funding_floor_e8):
        x.hours, x.quiet = 1, 0
    elif x.hours == 1 and abs(rate) <= terms.quiet_e8:
        x.quiet += 1
        if terms.quiet_needed and x.stated_hours != 1 and x.quiet >= terms.quiet_needed:
            x.hours, x.quiet = terms.quiet_hours, 0
    else:
        x.quiet = 0


# -- delivery -------------------------------------------------------------------------------------------------------


def change_status(ex: Exchange, row: MarketEvent) -> None:
    """Put an instrument into a status; DELIVERING delivers it."""
    i, market = row.instrument, ex.markets[row.instrument]
    if market.status == InstrumentStatus.DELIVERED:
        return
    market.status = row.status
    if row.status != InstrumentStatus.DELIVERING:
        ex.emit(EventKind.STATUS_CHANGED, -1, i, amount=row.status)
        return
    samples = list(ex.pricing[i // 2].delivery.values())
    price = row.index_e8
    if price:
        samples = []
    elif samples:
        price = floor(Fraction(sum(samples), len(samples)))
    else:
        price = market.mark_e8 or market.last_e8
    said = {"price_e8": price, "lots": len(samples)}
    ex.emit(EventKind.STATUS_CHANGED, -1, i, amount=row.status, **said)
    for order in list(ex.orders.values()):
        if order.instrument // 2 == i // 2:
            ex.drop(order, CancelReason.DELIVERY)
    booked, held = 0, 0
    for account in range(len(ex.accounts)):
        held += sum(ex.accounts[account].positions[slot].lots for slot in (i, i + 1))
        booked += _deliver_account(ex, account, i, price)
    outside = trunc(margin.value(ex.instruments[i], price, -held))
    ex.ledger.outside += outside
    ex.ledger.rounding -= booked + outside
    if price:
        ex.set_mark(i, price)
    market.status = InstrumentStatus.DELIVERED
    ex.emit(EventKind.STATUS_CHANGED, -1, i, amount=market.status, **said)


def _deliver_account(ex: Exchange, account: int, i: int, price: int) -> int:
    a, fund, booked, held = ex.accounts[account], ex.rules.deficit_to_fund, 0, False

    def profit(slot: int) -> int:
        return trunc(margin.profit(ex, account, slot, price))

    def backed() -> bool:
        return any(slot // 2 != i // 2 for slot in margin.cross(ex, account))

    for slot in (i, i + 1):
        p = a.positions[slot]
        if not p.lots and not p.cost:
            continue
        held, rate = True, ex.terms_of(slot).delivery_fee_e8
        gain, lots, cost, isolated = profit(slot), p.lots, p.cost, p.scope == MarginScope.ISOLATED
        fee = floor(abs(margin.value(ex.instruments[slot], price, lots)) * rate / E8)
        left = p.margin + gain
        if fund and isolated:
            fee = min(fee, max(0, left))
        elif fund and not backed():
            other = sum(profit(j) for j in margin.cross(ex, account) if j != slot)
            fee = min(fee, max(0, floor(collateral.pooled(ex, account, a.wallet + gain + other))))
        a.wallet += left - fee
        ex.ledger.fees += fee
        booked += gain + cost
        p.lots = p.cost = p.margin = p.opened_ns = 0
        ex.emit(
            EventKind.DELIVERY,
            account,
            slot,
            lots=lots,
            price_e8=price,
            cost=cost,
            amount=gain,
            fee=fee,
            rate_e8=rate,
            flags=ISOLATED if isolated else 0,
        )
        if fund and isolated and left < 0:
            _lift(ex, account, -left, slot, slot)
        ex.forget(account, slot)
    if fund and held and a.wallet < 0 and not backed():
        if a.multi:
            owed = -a.wallet * collateral.rates(ex, 0)[1] // ex.asset_unit
            if owed < collateral.collateral_usd(ex, account):
                return booked
            collateral.exchange(ex, account)
        if a.wallet < 0:
            _lift(ex, account, -a.wallet, -1, i)
    return booked


def _lift(ex: Exchange, account: int, amount: int, slot: int, pays: int) -> None:
    ex.accounts[account].wallet += amount
    ex.funds[ex.pool_of(pays)] -= amount
    ex.emit(EventKind.INSURANCE, account, slot, amount=amount)
