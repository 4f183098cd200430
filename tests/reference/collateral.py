"""Several assets behind one balance (docs/rules/multi_assets.md)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, trunc
from typing import TYPE_CHECKING

from novation.domain.enums import EventKind
from novation.domain.units import E8

if TYPE_CHECKING:
    from tests.reference.exchange import Exchange


def rates(ex: Exchange, asset: int) -> tuple[int, int]:
    """Bid and ask of an asset in 1e-8 USD."""
    index, terms = ex.index_e8[asset], ex.asset_terms(asset)
    return index * (E8 - terms.bid_buffer_e8) // E8, index * (E8 + terms.ask_buffer_e8) // E8


def collateral_usd(ex: Exchange, account: int) -> int:
    """What the assets beside the settlement asset count for."""
    held = ex.accounts[account].balances
    return sum(worth_usd(ex, a, held[a], rates(ex, a)[0]) for a in range(1, len(ex.assets)))


def worth_usd(ex: Exchange, asset: int, amount: int, price: int) -> int:
    """USD of an amount at a price; no more than 700 million of it counts."""
    return min(700_000_000 * E8, amount * price // ex.assets[asset].unit)


def pooled(ex: Exchange, account: int, equity: Fraction | int) -> Fraction:
    """Equity of an account, its equity in the settlement asset being known."""
    if not ex.accounts[account].multi:
        return Fraction(equity)
    bid, ask = rates(ex, 0)
    own = Fraction(equity) * (Fraction(bid, ask) if equity > 0 else 1)
    exact = Fraction(collateral_usd(ex, account) * ex.asset_unit, ask) + own
    return Fraction(floor(exact * E8), E8)


def counted_usd(ex: Exchange, asset: int, amount: int) -> int:
    """USD that an amount of an asset counts for, owned or owed."""
    return min(trunc(Fraction(amount * rate, ex.assets[asset].unit)) for rate in rates(ex, asset))


def withdrawable(ex: Exchange, account: int, asset: int, equity: int, taken: int) -> int:
    """The most of an asset that an account in Multi-Assets mode may take out."""
    a, (bid, _) = ex.accounts[account], rates(ex, asset)
    unit = ex.assets[asset].unit
    free = collateral_usd(ex, account) + counted_usd(ex, 0, equity) - taken * rates(ex, 0)[1] // ex.asset_unit
    held = a.balances[asset] if asset else a.wallet
    if held <= 0 or free < 0:
        return 0
    worth = worth_usd(ex, asset, held, bid) if asset else held * bid // unit
    return held if free >= worth else free * unit // bid


def test_debt(ex: Exchange, account: int) -> bool:
    """At a check: exchange what an account owes, if that is due. Whether anything was exchanged."""
    a = ex.accounts[account]
    if not a.multi or a.wallet >= 0:
        return False
    owed, limit = -a.wallet * rates(ex, 0)[1] // ex.asset_unit, ex.asset_terms(0).exchange_below
    idle = not a.orders and not any(ex.is_linked(account, i) for i in range(len(ex.instruments)))
    if (limit and owed > limit) or (idle and owed >= collateral_usd(ex, account)):
        return exchange(ex, account)
    return False


def exchange(ex: Exchange, account: int) -> bool:
    """Sell the other assets in proportion to their worth for what is owed, all of them where that is not enough."""
    a = ex.accounts[account]
    price = ex.index_e8[0] * (E8 + ex.asset_terms(0).auto_ask_buffer_e8) // E8
    bids = [i * (E8 - ex.asset_terms(k).auto_bid_buffer_e8) // E8 for k, i in enumerate(ex.index_e8)]
    worth = {k: usd for k in range(1, len(ex.assets)) if (usd := worth_usd(ex, k, a.balances[k], bids[k])) > 0}
    if not worth or a.wallet >= 0:
        return False
    total, left = sum(worth.values()), -a.wallet
    due = ceil(Fraction(left * price, ex.asset_unit))
    enough, left_usd = total > due, due
    for k, own in worth.items():
        sold, usd = a.balances[k], own
        if enough:
            usd = left_usd if k == max(worth) else due * own // total
            sold = min(sold, ceil(Fraction(usd * ex.assets[k].unit, bids[k])))
        bought = left if enough and k == max(worth) else min(left, usd * ex.asset_unit // price)
        a.balances[k] -= sold
        a.wallet += bought
        left, left_usd = left - bought, left_usd - usd
        ex.exchanged[k] += sold
        ex.exchanged[0] -= bought
        ex.write(EventKind.AUTO_EXCHANGE, account, -1, order=k, cost=sold, amount=bought, price_e8=bids[k])
    return True
