"""Marks and funding rates that the venue computes itself, out of samples of the price index (docs/rules/mark.md).

One INDEX row moves one instrument: its mark, and every five seconds a sample of its premium. It touches no account: the
check of the instant does, and the stamp when the rate is settled.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind, InstrumentStatus, MarkRule
from novation.engine.ladder import best_level
from novation.engine.layout import ANY_PRICE, BASIS_ROWS, NEVER_NS, NO_PRICE
from novation.engine.ledger import next_event
from novation.engine.liquidity import average_price, has_ladder, offer
from novation.engine.state import basis_, contract_, has_book, market_, pricing_, terms_of, tier_
from novation.rules.premium import (
    average_premium,
    funding_rate,
    impact_notional,
    next_interval,
    next_stamp,
    premium_index,
)
from novation.rules.price_index import mark_price, price_one, price_two, settlement_mean, twice_basis

_SECOND_NS = 1_000_000_000
_HOUR_NS = 3_600 * _SECOND_NS
#: Samples of the premium are this far apart (facts/binance.md §1).
PREMIUM_NS = 5 * _SECOND_NS
_TOP_E8 = 1 << 53
_LAST = int(MarkRule.LAST)
_DELIVERED = int(InstrumentStatus.DELIVERED)
_FUNDING_SETTLED = int(EventKind.FUNDING_SETTLED)


@kernel
def offered_e8(venue, instrument, side, notional, given_e8):
    """A price of the row, or where it gives none what the venue's own liquidity offers: of a notional (minor units) the
    average, of 0 the best price; 0: there is none."""
    if given_e8 != 0:
        return given_e8
    if notional == 0 and has_book(venue, instrument):
        ticks, _ = offer(venue, instrument, side, 1, ANY_PRICE)
        return ticks * contract_(venue, instrument).tick_e8 if ticks != NO_PRICE else 0
    if notional == 0 and has_ladder(venue, instrument):
        ticks, lots = best_level(venue, instrument, side)
        return ticks * contract_(venue, instrument).tick_e8 if lots > 0 else 0
    return average_price(venue, instrument, side, notional)


@kernel
def sample_basis(venue, instrument, bid_e8, ask_e8, index_e8, second):
    """Keep the basis of this second, unless there is one or a side has no price; returns sum and count of the span."""
    x = pricing_(venue, instrument)
    if second > x.basis_second and bid_e8 > 0 and ask_e8 > 0:
        b = basis_(venue, instrument * BASIS_ROWS + second % BASIS_ROWS)
        b.second = second
        b.twice = twice_basis(bid_e8, ask_e8, index_e8)
        x.basis_second = second
    since = second - terms_of(venue, instrument).basis_seconds
    total, samples = 0, 0
    for k in range(instrument * BASIS_ROWS, (instrument + 1) * BASIS_ROWS):
        b = basis_(venue, k)
        if b.second > since:
            total += b.twice
            samples += 1
    return total, samples


@kernel
def sample_premium(venue, instrument, row):
    """Take the premium at the first row of each five seconds; beyond +-1 it counts as that."""
    x = pricing_(venue, instrument)
    slot = row.ts_ns // PREMIUM_NS
    if slot <= x.premium_slot:
        return
    t = terms_of(venue, instrument)
    notional = impact_notional(t.impact_base, tier_(venue, t.tier_first).max_leverage)
    bid_e8 = offered_e8(venue, instrument, -1, notional, row.impact_bid_e8)
    ask_e8 = offered_e8(venue, instrument, 1, notional, row.impact_ask_e8)
    if bid_e8 <= 0 or ask_e8 <= 0:
        return
    # a gap wider than the index would leave the integers
    x.premium_e8 = premium_index(min(bid_e8, 2 * x.index_e8), ask_e8, x.index_e8)
    x.premium_slot = slot
    x.premium_count += 1
    x.premium_sum += x.premium_e8
    x.weighted_sum += x.premium_count * x.premium_e8


@kernel
def index_mark(venue, row):
    """Take one sample of the index; returns the mark that follows from it, 0 where the venue does not mark."""
    i = row.instrument
    m = market_(venue, i)
    if m.status == _DELIVERED:
        return 0
    m.centre_e8 = row.index_e8
    c = contract_(venue, i)
    t = terms_of(venue, i)
    x = pricing_(venue, i)
    second = row.ts_ns // _SECOND_NS
    left_ns = c.deliver_ns - row.ts_ns
    if 0 < left_ns <= t.delivery_seconds * _SECOND_NS and second > x.delivery_second:
        x.delivery_sum += row.index_e8
        x.delivery_count += 1
        x.delivery_second = second
    x.index_e8 = row.index_e8
    x.index_second = second
    if not c.marked:
        return 0
    bid_e8 = offered_e8(venue, i, -1, 0, row.bid_e8)
    ask_e8 = offered_e8(venue, i, 1, 0, row.ask_e8)
    total, samples = sample_basis(venue, i, bid_e8, ask_e8, row.index_e8, second)
    mark_e8 = price_two(row.index_e8, total, samples)
    if not c.dated:
        if x.next_ns == 0:
            x.interval_hours = t.funding_interval_hours
            x.stated_hours = t.funding_interval_hours
            x.next_ns = next_stamp(row.ts_ns, x.interval_hours)
            venue.due_ns = min(venue.due_ns, x.next_ns)
        sample_premium(venue, i, row)
        one = price_one(row.index_e8, x.last_rate_e8, x.next_ns - row.ts_ns, x.interval_hours * _HOUR_NS)
        mark_e8 = mark_price(one, mark_e8, m.last_e8 if m.last_e8 != 0 else mark_e8)
    if c.marked == _LAST and m.last_e8 != 0:
        mark_e8 = m.last_e8
    return max(1, min(mark_e8, _TOP_E8))


@kernel
def settle_rate(venue, instrument):
    """End the interval of an instrument; returns whether there is a rate to be paid: there was a sample in it."""
    x = pricing_(venue, instrument)
    t = terms_of(venue, instrument)
    paid = x.premium_count > 0
    average = average_premium(x.weighted_sum, x.premium_sum, x.premium_count, x.interval_hours)
    if paid:
        x.last_rate_e8 = funding_rate(
            average, t.interest_e8, t.funding_clamp_e8, x.interval_hours, t.funding_floor_e8, t.funding_cap_e8
        )
        x.last_ns = venue.clock_ns
        venue.funding_instrument = instrument
        venue.funding_rate_e8 = x.last_rate_e8
        venue.funding_span_ns = x.interval_hours * _HOUR_NS
        if t.hourly_at_limit:
            # an interval that the terms state as an hour has no longer one to go back to
            needed = t.quiet_needed if x.stated_hours != 1 else 0
            x.interval_hours, x.quiet = next_interval(
                x.interval_hours,
                x.last_rate_e8,
                t.funding_floor_e8,
                t.funding_cap_e8,
                x.quiet,
                t.quiet_e8,
                needed,
                t.quiet_hours,
            )
    if t.funding_interval_hours != x.stated_hours:
        x.interval_hours = t.funding_interval_hours
        x.stated_hours = t.funding_interval_hours
        x.quiet = 0
    if paid:
        e = next_event(venue, _FUNDING_SETTLED, -1, instrument)
        e.rate_e8 = x.last_rate_e8
        e.price_e8 = market_(venue, instrument).mark_e8
        e.lots = x.premium_count
        e.cost = average
        e.amount = x.interval_hours
    x.next_ns = next_stamp(venue.clock_ns, x.interval_hours)
    x.premium_count = 0
    x.premium_sum = 0
    x.weighted_sum = 0
    return paid


@kernel
def settle_due(venue):
    """Settle the rate of the first instrument whose stamp is now; True when it is to be paid. Else nothing is due."""
    venue.due_ns = NEVER_NS
    for i in range(venue.instruments):
        x = pricing_(venue, i)
        if 0 < x.next_ns <= venue.clock_ns and settle_rate(venue, i):
            venue.due_ns = venue.clock_ns  # others may be due as well
            return True
        if x.next_ns > 0:
            venue.due_ns = min(venue.due_ns, x.next_ns)
    return False


@kernel
def delivery_price(venue, row):
    """What a contract is delivered at: the price of the row, or the mean of its samples, or the mark, or the last; and
    of how many samples that is the mean."""
    x = pricing_(venue, row.instrument)
    m = market_(venue, row.instrument)
    if row.index_e8 != 0:
        return row.index_e8, 0
    if x.delivery_count > 0:
        return settlement_mean(x.delivery_sum, x.delivery_count), x.delivery_count
    return m.mark_e8 if m.mark_e8 != 0 else m.last_e8, 0
