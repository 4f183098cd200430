"""The venue's own side of the ledger, and the event buffer.

Totals over accounts do not fit in int64, so they are kept as high * 2**60 + low with 0 <= low < 2**60.
After every event: wallets + isolated margins - entry costs + fees + insurance + outside + rounding + exchanged =
deposits, of the settlement asset; balances + exchanged = deposits, of any other.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.engine.state import asset_, contract_, event_, pool_

LIMB = 1 << 60


@kernel
def _carry(high, low):
    shift = low // LIMB
    return high + shift, low - shift * LIMB


@kernel
def post_fees(venue, amount):
    """Fees taken from an account."""
    venue.fees_high, venue.fees_low = _carry(venue.fees_high, venue.fees_low + amount)


@kernel
def pool_of(venue, instrument):
    """The insurance fund that stands behind an instrument."""
    return pool_(venue, contract_(venue, instrument).pool)


@kernel
def post_insurance(venue, instrument, amount):
    """Into the insurance fund of an instrument (positive) or out of it."""
    pool = pool_of(venue, instrument)
    pool.high, pool.low = _carry(pool.high, pool.low + amount)


@kernel
def post_outside(venue, amount):
    """To the unnamed counterparty of bars and replay."""
    venue.outside_high, venue.outside_low = _carry(venue.outside_high, venue.outside_low + amount)


@kernel
def post_deposit(venue, amount):
    """Money brought in (positive) or taken away."""
    venue.deposits_high, venue.deposits_low = _carry(venue.deposits_high, venue.deposits_low + amount)


@kernel
def post_asset_deposit(venue, asset, amount):
    """An asset other than the settlement asset brought in (positive) or taken away."""
    x = asset_(venue, asset)
    x.deposits_high, x.deposits_low = _carry(x.deposits_high, x.deposits_low + amount)


@kernel
def post_exchanged(venue, asset, amount):
    """Taken by the venue in an automatic exchange (positive), or given."""
    x = asset_(venue, asset)
    x.exchanged_high, x.exchanged_low = _carry(x.exchanged_high, x.exchanged_low + amount)


@kernel
def next_event(venue, kind, account, instrument):
    """Open the next row of the event buffer, zeroed and numbered; the caller fills in the rest.

    Callers never emit more than a unit's worth: the door makes sure of the room before each unit.
    """
    e = event_(venue, venue.event_count)
    venue.event_count += 1
    venue.sequence += 1
    e.sequence = venue.sequence
    e.ts_ns = venue.clock_ns
    e.kind = kind
    e.account = account
    e.instrument = instrument
    e.order = 0
    e.trade = 0
    e.lots = 0
    e.price_ticks = 0
    e.price_e8 = 0
    e.rate_e8 = 0
    e.amount = 0
    e.fee = 0
    e.cost = 0
    e.position_lots = 0
    e.equity = 0
    e.maintenance = 0
    e.reason = 0
    e.flags = 0
    return e
