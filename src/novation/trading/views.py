"""What a strategy is shown: happenings in human units.

Prices, sizes and money are floats here, for research; the exact integers are in the result's tables. `ts` is an aware
UTC datetime, `ts_ns` the same instant as an integer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def to_datetime(ns: int) -> dt.datetime:
    """An instant as an aware UTC datetime, to the microsecond."""
    return _EPOCH + dt.timedelta(microseconds=ns // 1_000)


class _Happening(msgspec.Struct, frozen=True, gc=False):
    symbol: str  #: public id, for example "binance_um:BTCUSDT" or "cme:ES"
    ts_ns: int

    @property
    def ts(self) -> dt.datetime:
        """The instant as an aware datetime."""
        return to_datetime(self.ts_ns)


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A bar that has just closed: [`start_ns`, `ts_ns`).

    `contract` is the dated contract behind a rolled symbol, else the symbol itself. The `mark_*` equal the last price's
    where no mark was given. `extra`: the further columns of the inputs, as known at this close.
    """

    symbol: str
    contract: str
    start_ns: int
    ts_ns: int
    open: float
    high: float
    low: float
    close: float
    mark_open: float
    mark_high: float
    mark_low: float
    mark: float
    extra: Mapping[str, Any]

    @property
    def ts(self) -> dt.datetime:
        """The close as an aware datetime."""
        return to_datetime(self.ts_ns)


class Fill(_Happening, frozen=True, gc=False):
    """A trade of ours."""

    contract: str
    order: int
    side: str  #: "buy" or "sell"
    qty: float
    price: float
    fee: float
    realised: float
    currency: str
    maker: bool
    liquidation: bool
    position_side: str = ""  #: "long" or "short" in hedge mode


class FundingPayment(_Happening, frozen=True, gc=False):
    """One funding stamp: `amount` is received when positive, paid when negative; in hedge mode of both positions."""

    rate: float
    mark: float
    position: float
    amount: float
    currency: str


class SettlementPayment(_Happening, frozen=True, gc=False):
    """One day's variation margin."""

    contract: str
    price: float
    position: float
    amount: float
    currency: str


class MarginCall(_Happening, frozen=True, gc=False):
    """Equity has come near maintenance. `symbol` is empty for a call on the whole cross balance."""

    equity: float
    maintenance: float
    missing: float  #: to the initial margin
    currency: str
    position_side: str = ""  #: "long" or "short" in hedge mode


class Liquidation(_Happening, frozen=True, gc=False):
    """The exchange closed a position of ours."""

    contract: str
    qty: float  #: signed: what was traded to close
    mark: float
    price: float
    realised: float
    fee: float  #: clearance fee
    currency: str
    position_side: str = ""  #: "long" or "short" in hedge mode
