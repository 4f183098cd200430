"""An account as the exchange reports it, in exact integers."""

from __future__ import annotations

import msgspec

from novation.domain.enums import DeleveragingRisk, MarginScope, PositionSide


class DeleveragingRank(msgspec.Struct, frozen=True, kw_only=True):
    """Where a position stands in the queue of its side, should the other side's insurance fund run dry.

    `quantile` is the exchange's 0 (last) to 4 (first), `rank` the same as 1 to 5.
    """

    account: int
    side: PositionSide
    lots: int
    leverage_pnl_e16: int  #: PnL % times margin ratio (`rules.adl`)
    place: int  #: 0 is the head of the queue
    of: int  #: positions on that side
    quantile: int
    rank: int
    risk: DeleveragingRisk


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Signed lots of one instrument and the entry cost they carry, money in minor units."""

    instrument: int
    side: PositionSide
    lots: int
    cost: int  #: exact entry cost, signed like `lots`; the average price is derived from it
    isolated_margin: int
    scope: MarginScope
    leverage: int
    mark_e8: int
    unrealised: int  #: truncated towards zero
    notional: int  #: absolute, truncated
    initial: int
    maintenance: int
    liquidation_e8: int  #: 0 when no positive price liquidates
    opened_ns: int = 0  #: when the lots last left zero or changed sides; 0 without lots
    deleveraging: DeleveragingRank | None = None  #: where it was asked for


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds of one asset; amounts in its minor units, prices and USD in 1e-8."""

    asset: str
    amount: int  #: of the settlement asset the cross wallet; it alone can be negative
    index_e8: int  #: USD a coin, 0: not known
    bid_e8: int  #: at which it counts where it is owned
    ask_e8: int  #: at which it counts where it is owed or required
    equity_usd: int  #: what it counts for, with the profits of positions that settle in it
    max_withdrawal: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account's balance in the venue's settlement asset and its open positions."""

    id: int
    asset: str
    wallet: int  #: cross wallet: balance without the margins of isolated positions
    equity: int  #: wallet + isolated margins + unrealised
    initial: int
    maintenance: int
    available: int  #: for new margin, never below zero
    positions: tuple[Position, ...]
    max_withdrawal: int = 0  #: what a withdrawal of the settlement asset may take
    multi_assets: bool = False  #: equity and available then count all assets, in the settlement asset at its ask
    balances: tuple[Balance, ...] = ()  #: of a venue with several assets, the settlement asset first


class InsurancePool(msgspec.Struct, frozen=True, kw_only=True):
    """One insurance fund of a venue and the instruments it stands behind (facts/binance.md §6: several pools)."""

    name: str
    instruments: tuple[str, ...]  #: ids
    balance: int = 0  #: at the start, in minor units
    unlimited: bool = False  #: pays whatever is missing, below zero too: no position is ever deleveraged


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's own side of the ledger, in minor units; Python integers, so no bound.

    Of the settlement asset, after every event:
    wallets + isolated margins - entry costs + fees + insurance + outside + rounding + exchanged = deposits.
    Of any other: wallets + exchanged = deposits.
    """

    wallets: int
    isolated: int
    costs: int
    fees: int
    insurance: int
    outside: int
    rounding: int
    deposits: int
    exchanged: int = 0  #: what the venue's automatic exchanges took (positive) or gave of the asset

    @property
    def gap(self) -> int:
        """What is missing from the ledger: zero, always."""
        held = self.wallets + self.isolated - self.costs
        return held + self.fees + self.insurance + self.outside + self.rounding + self.exchanged - self.deposits
