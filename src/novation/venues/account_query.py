"""An account, and the deleveraging queue, as the exchange reports them, read out of a venue's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from novation.domain.account import Account, DeleveragingRank, Position
from novation.domain.assets import Asset
from novation.domain.enums import MarginScope, PositionSide
from novation.domain.units import E8
from novation.engine import doors
from novation.rules.adl import adl_rank, risk_of
from novation.venues.assets import balances_of
from novation.venues.venue_rules import VenueRules


class HasAccounts(Protocol):
    """What is read of a venue."""

    rules: VenueRules
    assets: tuple[Asset, ...]
    heads: Any

    def number(self, field: str) -> int: ...
    def table(self, name: str) -> Any: ...


def account_of(venue: HasAccounts, account: int, *, ranks: bool) -> Account:
    """How an account stands now; ranks: with each position's place in the deleveraging queue."""
    out = np.zeros(6, np.int64)
    doors.account_numbers(venue.heads, account, out)
    wallet, equity, initial, maintenance, available, withdrawable = (int(n) for n in out)
    positions = []
    row = int(venue.table("account")[account]["first_position"])
    while row >= 0:
        positions.append(_position(venue, account, row, out, ranks=ranks))
        row = int(venue.table("position")[row]["next"])
    return Account(
        id=account,
        asset=venue.rules.asset,
        wallet=wallet,
        equity=equity,
        initial=initial,
        maintenance=maintenance,
        available=max(0, available),
        positions=tuple(positions),
        max_withdrawal=withdrawable,
        multi_assets=bool(venue.table("account")[account]["multi"]),
        balances=balances_of(venue.heads, venue.assets, account),
    )


def _position(venue: HasAccounts, account: int, row: int, out: np.ndarray, *, ranks: bool) -> Position:
    p = venue.table("position")[row]
    instrument, lots = int(p["instrument"]), int(p["lots"])
    doors.position_numbers(venue.heads, row, out)
    mark, profit, required, taken, price = (int(n) for n in out[:5])
    return Position(
        instrument=instrument,
        side=_side(venue, account, int(p["leg"])),
        lots=lots,
        cost=int(p["cost"]),
        isolated_margin=int(p["margin"]),
        scope=MarginScope(int(p["scope"])),
        leverage=int(p["leverage"]),
        mark_e8=mark,
        unrealised=profit,
        notional=abs(lots * mark) * int(venue.table("contract")[instrument]["lot_value"]) // E8,
        initial=taken,
        maintenance=required,
        liquidation_e8=price,
        opened_ns=int(p["opened_ns"]),
        deleveraging=_rank_of(venue, account, instrument, lots) if ranks and lots else None,
    )


def ranks_of(venue: HasAccounts, instrument: int, side: int) -> Iterator[DeleveragingRank]:
    """The deleveraging queue of a side, 1 the longs and -1 the shorts, from its head on."""
    out = np.zeros((5, venue.number("accounts")), np.int64)
    count = int(doors.deleveraging_places(venue.heads, instrument, side, out))
    rows, scores, accounts, order, quantiles = out
    for place, at in enumerate(order[:count].tolist()):
        row = venue.table("position")[int(rows[at])]
        account, score = int(accounts[at]), int(scores[at])
        rank = adl_rank(int(quantiles[at]))
        yield DeleveragingRank(
            account=account,
            side=_side(venue, account, int(row["leg"])),
            lots=int(row["lots"]),
            leverage_pnl_e16=score,
            place=place,
            of=count,
            quantile=int(quantiles[at]),
            rank=rank,
            risk=risk_of(rank),
        )


def _rank_of(venue: HasAccounts, account: int, instrument: int, lots: int) -> DeleveragingRank:
    return next(rank for rank in ranks_of(venue, instrument, 1 if lots > 0 else -1) if rank.account == account)


def _side(venue: HasAccounts, account: int, leg: int) -> PositionSide:
    if not venue.table("account")[account]["hedge"]:
        return PositionSide.BOTH
    return PositionSide.SHORT if leg else PositionSide.LONG
