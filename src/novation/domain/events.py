"""What the exchange says happened: one fixed record, its fields read according to `kind`.

Beside sequence, ts_ns, kind, account and instrument:

    ORDER_ACCEPTED    order, lots (signed), price_ticks (0 for a market order), flags (reduce-only); price_e8: a trigger
                      that it waits for
    ORDER_REJECTED    order, lots, price_ticks, reason (`RejectReason`), amount (the value refused), cost (the limit)
    ORDER_CANCELLED   order, lots (signed, what was left), price_ticks, reason (`CancelReason`)
    FILL              order, trade, lots (signed), price_ticks, price_e8 (market price before spread and rounding),
                      fee, amount (realised), cost (entry cost after), position_lots (after), flags
    FUNDING           lots (position), price_e8 (mark), rate_e8, amount (received > 0), flags (isolated)
    SETTLEMENT        lots (position), price_ticks, cost (entry cost before), amount (variation margin)
    MARGIN_CALL       lots, price_e8 (mark), equity, maintenance, amount (short of the initial margin)
    LIQUIDATION       trade, lots (signed, closed), price_ticks (executed), price_e8 (mark that triggered), equity,
                      maintenance, amount (realised), rate_e8, fee (clearance fee), cost (entry cost before),
                      position_lots (after), flags
    INSURANCE         amount (paid by the fund to lift the account to zero)
    DELEVERAGED       trade, lots (signed, closed), price_ticks (the bankruptcy price), price_e8 (mark),
                      amount (realised), cost (entry cost before), position_lots (after), flags,
                      order (the account that was bankrupt)
    TAKEN_OVER        trade, lots (signed, closed), price_ticks (where the fund passed them on), amount (what the fund
                      made of it, a loss < 0), flags
    TERMS_CHANGED     amount (index of the row of terms)
    LEVERAGE_SET      amount (leverage)
    MARGIN_SCOPE_SET  amount (`MarginScope`)
    TRANSFER          amount, order (the asset, 0: the settlement asset)
    MARGIN_ADJUSTED   amount (into the margin > 0), cost (the margin after), flags
    HEDGE_MODE_SET    amount (1 hedge, 0 one-way)
    FUNDING_SETTLED   rate_e8 that the venue computed, price_e8 (mark), lots (samples), cost (their average, 1e-8),
                      amount (hours of the interval that begins); account -1
    STATUS_CHANGED    amount (`InstrumentStatus`), price_e8 (the delivery price, once DELIVERING), lots (samples
                      whose mean that is, 0: another price); account -1
    DELIVERY          lots (position), price_e8 (delivery price), cost (entry cost before), amount (realised), fee,
                      rate_e8 (its rate), flags (isolated)
    MULTI_ASSETS_SET  amount (1 Multi-Assets mode, 0 one asset)
    AUTO_EXCHANGE     order (the asset sold), cost (what was sold, in its units), amount (of the settlement asset got),
                      price_e8 (USD a coin was sold for)
    ORDER_TRIGGERED   order, lots (signed), price_ticks (its limit from now on), price_e8 (the price that triggered it)
    ORDER_AMENDED     order, lots (signed, what is left), price_ticks
    ALL_CANCELLED     lots (how many orders), order (the side, 0: both)
    COUNTDOWN_SET     amount (the instant at which the orders are cancelled, 0: the countdown is stopped)
    COMMAND_REJECTED  order, reason, amount (the value refused), cost (the limit)

Of an account in hedge mode, whatever is of one position says which in `flags` (LONG_SIDE, SHORT_SIDE).
Money is in minor units of the venue's settlement asset, or of the asset named. `sequence` ascends without a gap within
a venue.
"""

from __future__ import annotations

import msgspec

from novation.domain.records import record_dtype, record_format

#: Bits of `Event.flags`.
MAKER = 1
ISOLATED = 2
LIQUIDATED = 4
DELEVERAGED = 8
REDUCE_ONLY = 16
LONG_SIDE = 32  #: of an account in hedge mode: its long position
SHORT_SIDE = 64  #: ... its short position
TRANSFERRED = 128  #: no trade of this venue: the position came from outside
AUCTION = 256  #: traded as a market opened, at the one price of the auction


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=False):
    """One row of the event log, all fields int64."""

    sequence: int
    ts_ns: int
    kind: int
    account: int
    instrument: int
    order: int = 0
    trade: int = 0
    lots: int = 0
    price_ticks: int = 0
    price_e8: int = 0
    rate_e8: int = 0
    amount: int = 0
    fee: int = 0
    cost: int = 0
    position_lots: int = 0
    equity: int = 0
    maintenance: int = 0
    reason: int = 0
    flags: int = 0


EVENT_SCHEMA = 2
EVENT_DTYPE = record_dtype(Event)
EVENT_FORMAT = record_format(Event)
