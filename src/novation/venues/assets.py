"""A venue's assets beside each other: what it checks of them, how it keeps them, and an account's balances of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from novation.domain.account import Balance, Totals
from novation.domain.assets import Asset
from novation.domain.enums import MarketEventKind
from novation.domain.errors import InvalidInput
from novation.domain.units import E8, asset_decimals
from novation.engine import doors
from novation.engine.layout import DTYPES
from novation.engine.ledger import LIMB

#: Assets beside each other, and the index that each may have: products of it and a balance stay in the integers.
_MOST = 16
_TOP_INDEX_E8 = 1 << 49
_SETTLEMENT_INDEX_E8 = (E8 // 2, 2 * E8)


def check_assets(settlement: str, assets: Sequence[Asset]) -> None:
    """The settlement asset first, each once, its minor unit that of the contracts."""
    names = [asset.name for asset in assets]
    if names[0] != settlement or len(set(names)) != len(names) or len(names) > _MOST:
        raise InvalidInput(
            f"the settlement asset {settlement} first, then up to {_MOST - 1} others, each once",
            source="assets",
            value=", ".join(names),
        )
    decimals = asset_decimals(settlement)
    if assets[0].decimals != decimals or (len(names) > 1 and decimals != 8):
        hint = "Beside other assets a settlement asset counts 8 decimals, so that any balance of it fits in 1e-8 USD."
        raise InvalidInput("has other decimals than its contracts", source=settlement, value=decimals, hint=hint)


def fill_assets(assets: Sequence[Asset], table: np.ndarray, buffer: np.ndarray) -> None:
    """Write the assets and their dated rows into their tables."""
    row = 0
    for k, asset in enumerate(assets):
        table[k]["unit"] = asset.unit
        table[k]["buffer"] = table[k]["buffer_first"] = row
        for terms in asset.terms:
            for name in DTYPES["buffer"].names or ():
                buffer[row][name] = getattr(terms, name)
            row += 1


def strange_rows(assets: Sequence[Asset], feed: np.ndarray) -> np.ndarray:
    """Rows of an asset's index that say something impossible."""
    lowest = np.array([_SETTLEMENT_INDEX_E8[0]] + [1] * (len(assets) - 1))
    highest = np.array([_SETTLEMENT_INDEX_E8[1]] + [_TOP_INDEX_E8] * (len(assets) - 1))
    known = (feed["asset"] >= 0) & (feed["asset"] < len(assets))
    asset, index = np.where(known, feed["asset"], 0), feed["index_e8"]
    rows = np.array([len(one.terms) for one in assets])[asset]
    good = known & (index >= lowest[asset]) & (index <= highest[asset])
    good &= (feed["terms"] >= 0) & (feed["terms"] < rows)
    return (feed["kind"] == MarketEventKind.ASSET_INDEX) & ~good  # type: ignore[no-any-return]


def balances_of(heads: Any, assets: Sequence[Asset], account: int) -> tuple[Balance, ...]:
    """What an account holds of each asset; nothing where there is one only."""
    found, out = [], np.zeros(6, np.int64)
    for k, asset in enumerate(assets if len(assets) > 1 else ()):
        doors.asset_numbers(heads, account, k, out)
        amount, index, bid, ask, usd, withdrawable = (int(n) for n in out)
        found.append(
            Balance(
                asset=asset.name,
                amount=amount,
                index_e8=index,
                bid_e8=bid,
                ask_e8=ask,
                equity_usd=usd,
                max_withdrawal=withdrawable,
            )
        )
    return tuple(found)


def in_limbs(table: np.ndarray, asset: int, name: str) -> int:
    """A total of an asset that is kept in two limbs."""
    return int(table[asset][f"{name}_high"]) * LIMB + int(table[asset][f"{name}_low"])


def totals_of(asset: int, count: int, table: np.ndarray, balance: np.ndarray) -> Totals:
    """The ledger of an asset beside the settlement asset, of `count` assets in all."""
    held = balance["amount"][asset - 1 :: count - 1]
    nothing = dict.fromkeys(("isolated", "costs", "fees", "insurance", "outside", "rounding"), 0)
    deposits, exchanged = in_limbs(table, asset, "deposits"), in_limbs(table, asset, "exchanged")
    return Totals(wallets=sum(int(amount) for amount in held), deposits=deposits, exchanged=exchanged, **nothing)
