"""Multi-Assets mode: one cross balance over several assets, counted in USD.

Source: facts/binance.md §3. An asset's equity counts at the worse of two rates, bid = index * (1 - bid buffer) and
ask = index * (1 + ask buffer): what is owned at the bid, what is owed at the ask. Requirements count at the ask:

    equity       = sum of min(asset equity * bid, asset equity * ask)
    available    = equity - sum of asset initial margin * ask;  in an asset: that / ask
    margin ratio = sum of asset maintenance * ask / equity, liquidated at 100 %

The published collateral ratio (BNB 0.95, ADA 0.90, USDT 0.9999) is 1 - bid buffer: our reading, in which both texts
agree. Amounts are minor units of their asset, `unit` of which make one coin; rates USD per coin in 1e-8, below
2**50 (11 million); USD in 1e-8. Each product is cut towards zero.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.rules.integers import E8, exact_add, mul_div, mul_div_rem, mul_div_towards_zero
from novation.rules.wide import MOST_RATIO_E8, ratio_e8


@kernel
def bid_rate(index_e8, buffer_e8):
    """What a coin that is owned counts for."""
    return mul_div(index_e8, E8 - buffer_e8, E8)


@kernel
def ask_rate(index_e8, buffer_e8):
    """What a coin that is owed or required counts for."""
    return mul_div(index_e8, E8 + buffer_e8, E8)


@kernel
def asset_value(amount, unit, bid_e8, ask_e8):
    """USD of an asset's equity, negative when it is owed."""
    return min(mul_div_towards_zero(amount, bid_e8, unit), mul_div_towards_zero(amount, ask_e8, unit))


@kernel
def required_value(amount, unit, ask_e8):
    """USD of a margin required in an asset."""
    return mul_div_towards_zero(amount, ask_e8, unit)


@kernel
def multi_assets_equity(amounts, units, bids_e8, asks_e8, count):
    """USD equity of `count` assets, given as arrays: each asset's wallet plus its positions' profits."""
    total = 0
    for i in range(count):
        total += asset_value(amounts[i], units[i], bids_e8[i], asks_e8[i])
    return total


@kernel
def multi_assets_required(amounts, units, asks_e8, count):
    """USD of what `count` assets require: initial margins, or maintenance margins."""
    total = 0
    for i in range(count):
        total += required_value(amounts[i], units[i], asks_e8[i])
    return total


@kernel
def available_in_asset(available_usd, unit, ask_e8):
    """Minor units of an asset that a USD amount stands for; negative when less than nothing is available."""
    return mul_div_towards_zero(available_usd, unit, ask_e8)


@kernel
def maintenance_ratio(maintenance_usd, equity_usd):
    """Maintenance over equity in 1e-8, rounded down; the highest there is (4e10) when no equity is left.

    It shows; what decides is maintenance >= equity.
    """
    if equity_usd <= 0:
        return MOST_RATIO_E8
    return ratio_e8(maintenance_usd, equity_usd)


@kernel
def pooled(whole, part, unit, bid_e8, ask_e8, others_usd):
    """Exact equity of all assets in one of them at its ask: (others + min(e * bid, e * ask)) / ask, cut down at 1e-8 of
    a minor unit, to the account's disfavour.

    whole, part: its own exact equity, the part a whole number of 1e-8; others_usd: what all others count for. So
    `pooled <= maintenance` is the published `equity <= maintenance * ask`.
    """
    total, rest = mul_div_rem(others_usd, unit, ask_e8)
    if whole < 0:
        return exact_add(total, mul_div(rest, E8, ask_e8) * E8, whole, part)
    own, own_rest = mul_div_rem(whole, bid_e8, ask_e8)
    total, rest = total + own, rest + own_rest
    if rest >= ask_e8:
        total, rest = total + 1, rest - ask_e8
    first, left = mul_div_rem(rest, E8, ask_e8)
    second, left_too = mul_div_rem(part // E8, bid_e8, ask_e8)
    return exact_add(total, first * E8, 0, (second + (left + left_too) // ask_e8) * E8)
