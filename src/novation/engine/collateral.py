"""Multi-Assets mode: several assets behind one cross balance, and their automatic exchange.

An account in this mode has its equity and its available balance counted in the settlement asset, at that asset's ask:
the published sums in USD divided by one number, so that every test of margin is the one of a single asset.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import EventKind
from novation.engine.ledger import next_event, post_exchanged
from novation.engine.state import account_, asset_, balance_, buffer_of
from novation.engine.watch import changed
from novation.rules.integers import mul_div, mul_div_ceil
from novation.rules.multi_assets import ask_rate, asset_value, bid_rate, pooled, required_value
from novation.rules.wide import wide_mul_div_rem

_AUTO_EXCHANGE = int(EventKind.AUTO_EXCHANGE)
#: The most that one balance may be worth in 1e-8 USD: those of 16 assets together stay below 2**60.
_MOST_USD = 7e16


@kernel
def asset_rates(venue, asset):
    """Bid and ask of an asset in USD; zero and zero while its index is not known."""
    x, b = asset_(venue, asset), buffer_of(venue, asset)
    return bid_rate(x.index_e8, b.bid_buffer_e8), ask_rate(x.index_e8, b.ask_buffer_e8)


@kernel
def worth_usd(venue, asset, amount, price_e8):
    """USD of an amount that is owned, at a price; what it is worth above 700 million counts for nothing."""
    unit = asset_(venue, asset).unit
    if float(amount) * float(price_e8) > _MOST_USD * float(unit):
        return int(_MOST_USD)
    return mul_div(amount, price_e8, unit)


@kernel
def collateral_usd(venue, account):
    """USD that the assets beside the settlement asset count for."""
    total = 0
    for asset in range(1, venue.assets):
        bid, _ = asset_rates(venue, asset)
        total += worth_usd(venue, asset, balance_(venue, account, asset).amount, bid)
    return total


@kernel
def pooled_equity(venue, account, whole, part):
    """Exact equity of an account in Multi-Assets mode, its exact equity in the settlement asset being known."""
    bid, ask = asset_rates(venue, 0)
    return pooled(whole, part, venue.asset_unit, bid, ask, collateral_usd(venue, account))


@kernel
def counted(venue, account, amount):
    """An amount of the settlement asset as the account's equity counts it: itself, unless in Multi-Assets mode."""
    if not account_(venue, account).multi:
        return amount
    whole, _ = pooled_equity(venue, account, amount, 0)
    return whole


@kernel
def owed_usd(venue, account):
    """USD of what an account owes of the settlement asset, 0 where it owes nothing."""
    _, ask = asset_rates(venue, 0)
    return required_value(max(0, -account_(venue, account).wallet), venue.asset_unit, ask)


@kernel
def withdrawable_asset(venue, account, asset, equity, taken):
    """The most that an account in Multi-Assets mode may take out of one asset.

    equity: in the settlement asset, as far as it may be withdrawn; taken: initial margins. Its whole balance where what
    it counts for is free, else as much as counts for what is free.
    """
    bid, ask = asset_rates(venue, 0)
    unit = venue.asset_unit
    free = collateral_usd(venue, account) + asset_value(equity, unit, bid, ask) - required_value(taken, unit, ask)
    held = account_(venue, account).wallet
    if asset > 0:
        held = balance_(venue, account, asset).amount
        unit = asset_(venue, asset).unit
        bid, _ = asset_rates(venue, asset)
    if held <= 0 or free < 0:
        return 0
    if free >= mul_div(held, bid, unit):
        return held
    return mul_div(free, unit, bid)


@kernel
def exchange_due(venue, account):
    """Whether what an account owes is exchanged at a check: it is above the limit, or, with no position and no order,
    at or above what its other assets count for."""
    a = account_(venue, account)
    if not a.multi or a.wallet >= 0:
        return False
    owed, limit = owed_usd(venue, account), buffer_of(venue, 0).exchange_below
    if limit > 0 and owed > limit:
        return True
    if a.positions != 0 or owed < collateral_usd(venue, account):
        return False
    return a.first_order < 0


@kernel
def auto_rate(venue, asset):
    """USD a coin of an asset is sold for in an automatic exchange."""
    return bid_rate(asset_(venue, asset).index_e8, buffer_of(venue, asset).auto_bid_buffer_e8)


@kernel
def exchange(venue, account):
    """Sell the other assets, each in proportion to its worth, for what an account owes of the settlement asset.

    All of them where they are worth no more than is due. One AUTO_EXCHANGE event an asset. False when there was nothing
    to sell.
    """
    a = account_(venue, account)
    total, last = 0, 0
    for asset in range(1, venue.assets):
        worth = worth_usd(venue, asset, balance_(venue, account, asset).amount, auto_rate(venue, asset))
        if worth > 0:
            total, last = total + worth, asset
    if total == 0 or a.wallet >= 0:
        return False
    price = ask_rate(asset_(venue, 0).index_e8, buffer_of(venue, 0).auto_ask_buffer_e8)
    left = -a.wallet
    due = mul_div_ceil(left, price, venue.asset_unit)
    left_usd = due
    for asset in range(1, last + 1):
        b, bid = balance_(venue, account, asset), auto_rate(venue, asset)
        usd = worth_usd(venue, asset, b.amount, bid)
        if usd == 0:
            continue
        sold = b.amount
        if total > due:
            usd, _ = wide_mul_div_rem(due, usd, total)
            if asset == last:
                usd = left_usd
            sold = min(sold, mul_div_ceil(usd, asset_(venue, asset).unit, bid))
        bought = min(left, mul_div(usd, venue.asset_unit, price))
        if total > due and asset == last:
            bought = left
        b.amount -= sold
        a.wallet += bought
        left_usd -= usd
        left -= bought
        post_exchanged(venue, asset, sold)
        post_exchanged(venue, 0, -bought)
        e = next_event(venue, _AUTO_EXCHANGE, account, -1)
        e.order = asset
        e.cost = sold
        e.amount = bought
        e.price_e8 = bid
    changed(venue, account)
    return True


@kernel
def touch_multi(venue):
    """An asset's index moved: what was computed of accounts in Multi-Assets mode no longer holds."""
    if venue.multi_accounts:
        for account in range(venue.accounts):
            if account_(venue, account).multi:
                changed(venue, account)
