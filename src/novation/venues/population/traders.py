"""Traders with a purpose: what they are told (`MarketMaker`, `Momentum`, `Leveraged`), and what they do when it is
their turn. They look at the market every so often, see it as it is, and are asked for margin like anybody."""

from __future__ import annotations

import msgspec

from novation._jit import model_kernel
from novation.domain.enums import CommandKind, Side
from novation.domain.errors import InvalidInput
from novation.domain.units import E8
from novation.engine.commands import enter, next_command
from novation.engine.layout import NO_PRICE
from novation.engine.orders import find_order
from novation.engine.state import account_, contract_, market_, order_, own_order, position_, terms_of, tier_
from novation.rules.chance import uniform
from novation.rules.elementary import exp_less_one
from novation.rules.integers import mul_div
from novation.venues.population.asking import cancel, place_limit, place_market
from novation.venues.population.chance import below, exponential
from novation.venues.population.memory import (
    ENTERED,
    PUT_OFF,
    QUOTED,
    TRENDED,
    WITHDRAWN,
    count_,
    is_open,
    step_of,
)

MAKER, FOLLOWER, LEVERAGED = 1, 2, 3
_TRANSFER, _SET_LEVERAGE = int(CommandKind.TRANSFER), int(CommandKind.SET_LEVERAGE)
#: Waits and looks are this long at most: ten years.
MOST_NS = 10 * 366 * 86_400 * 10**9
_MOST_LOTS = 1 << 40


def _check(kind: str, name: str, value: object, least: float, most: float, *, whole: bool = True) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        what = "a whole number" if whole else "a number"
        raise InvalidInput(f"is {what}, {least:,} to {most:,}", source=kind, where=name, value=value)


class MarketMaker(msgspec.Struct, frozen=True, kw_only=True):
    """Quotes both sides around the mid, every so often.

    half_spread: ticks from the mid. skew: ticks that both quotes move down for each lot held. most_lots: held on either
    side at most. count: so many of them, each alone.
    """

    half_spread: float
    lots: int
    most_lots: int
    every_ns: int
    skew: float = 0.0
    count: int = 1

    def __post_init__(self) -> None:
        _check("market maker", "half_spread", self.half_spread, 0, 1e6, whole=False)
        _check("market maker", "skew", self.skew, 0, 1e6, whole=False)
        _check("market maker", "lots", self.lots, 1, _MOST_LOTS)
        _check("market maker", "most_lots", self.most_lots, 1, _MOST_LOTS)
        _check("market maker", "every_ns", self.every_ns, 1, MOST_NS)
        _check("market maker", "count", self.count, 0, 1 << 20)


class Momentum(msgspec.Struct, frozen=True, kw_only=True):
    """Buys what rises and sells what falls: a market order where the mid stands more than `threshold` ticks beyond its
    exponentially weighted mean of `horizon_ns`. most_lots: held on either side at most. count: so many of them."""

    lots: int
    most_lots: int
    threshold: float
    horizon_ns: int
    every_ns: int
    count: int = 1

    def __post_init__(self) -> None:
        _check("momentum", "lots", self.lots, 1, _MOST_LOTS)
        _check("momentum", "most_lots", self.most_lots, self.lots, _MOST_LOTS)
        _check("momentum", "threshold", self.threshold, 0, 1e9, whole=False)
        _check("momentum", "horizon_ns", self.horizon_ns, 1, MOST_NS)
        _check("momentum", "every_ns", self.every_ns, 1, MOST_NS)
        _check("momentum", "count", self.count, 0, 1 << 20)


class Leveraged(msgspec.Struct, frozen=True, kw_only=True):
    """Enters at the market with little money and stays until it is liquidated; then another comes in its place.

    lots, margin_e8: drawn from .. to, both possible; money brought, a share of the position's value: 2e6 is 2 %. side:
    None draws it. wait_ns: the mean of an exponential wait, ahead of the first one too. every_ns: how often it is seen
    that one is gone. count: places.
    """

    lots: tuple[int, int]
    margin_e8: tuple[int, int]
    wait_ns: int
    side: Side | None = None
    every_ns: int = 10**9
    count: int = 1

    def __post_init__(self) -> None:
        for name, most in (("lots", _MOST_LOTS), ("margin_e8", E8)):
            pair = getattr(self, name)
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise InvalidInput("is a pair, from .. to", source="leveraged", where=name, value=pair)
            for value, least in zip(pair, (1, pair[0]), strict=True):
                _check("leveraged", name, value, least, most)
        if self.side is not None and not isinstance(self.side, Side):
            raise InvalidInput("is a Side, or None", source="leveraged", where="side", value=self.side)
        _check("leveraged", "wait_ns", self.wait_ns, 1, MOST_NS)
        _check("leveraged", "every_ns", self.every_ns, 1, MOST_NS)
        _check("leveraged", "count", self.count, 0, 1 << 20)


@model_kernel
def floor(x):
    """The whole number at or below."""
    k = int(x)
    return k - 1 if float(k) > x else k


@model_kernel
def mid_in_steps(venue, crowd):
    """The mid of the best prices, the last ones of an empty side."""
    return 0.5 * float(crowd.bid_ticks + crowd.ask_ticks) / float(step_of(venue, crowd))


@model_kernel
def stands(venue, account, order, lots, ticks):
    """Whether a quote stands as it should; if not, what is left of it is cancelled. Returns 1, 0, or -1: cancelled."""
    row = find_order(venue, account, order) if order > 0 else -1
    if row < 0:
        return 0
    o = order_(venue, row)
    if o.lots == lots and o.price_ticks == ticks:
        return 1
    cancel(venue, account, order)
    return -1


@model_kernel
def quote(venue, crowd, t):
    """A market maker: quotes that are not where, or as large as, they should be are taken back and placed anew."""
    step = step_of(venue, crowd)
    held = position_(venue, t.account, crowd.instrument, 0).lots
    centre = mid_in_steps(venue, crowd) - t.skew * float(held)
    # never at or beyond the other side's best price
    bid = min(floor(centre - t.half_spread), crowd.ask_ticks // step - 1) * step
    ask = max(-floor(-(centre + t.half_spread)), -(-crowd.bid_ticks // step) + 1, bid // step + 1) * step
    bid_lots = min(t.lots, t.most_lots - held)
    ask_lots = min(t.lots, t.most_lots + held)
    bid_stands = stands(venue, t.account, t.bid_order, bid_lots, bid)
    ask_stands = stands(venue, t.account, t.ask_order, ask_lots, ask)
    count_(crowd, WITHDRAWN).number += (1 if bid_stands < 0 else 0) + (1 if ask_stands < 0 else 0)
    if bid_stands != 1:
        t.bid_order = 0
        if bid_lots > 0:
            t.bid_order = place_limit(venue, t.account, crowd.instrument, 1, bid_lots, bid)
            count_(crowd, QUOTED).number += 1
    if ask_stands != 1:
        t.ask_order = 0
        if ask_lots > 0:
            t.ask_order = place_limit(venue, t.account, crowd.instrument, -1, ask_lots, ask)
            count_(crowd, QUOTED).number += 1


@model_kernel
def follow(venue, crowd, t, now_ns):
    """Who follows the trend: the mean moves by `1 - exp(-dt / horizon)` of the way to the mid."""
    mid = mid_in_steps(venue, crowd)
    if not t.begun:
        t.begun = 1
        t.average = mid
    else:
        t.average -= exp_less_one(-float(now_ns - t.mean_ns) / float(t.horizon_ns)) * (mid - t.average)
    t.mean_ns = now_ns
    held = position_(venue, t.account, crowd.instrument, 0).lots
    side = 0
    if mid - t.average > t.threshold and held + t.lots <= t.most_lots:
        side = 1
    elif t.average - mid > t.threshold and held - t.lots >= -t.most_lots:
        side = -1
    if side != 0 and is_open(venue, crowd):
        place_market(venue, t.account, crowd.instrument, side, t.lots)
        count_(crowd, TRENDED).number += 1


@model_kernel
def speculate(venue, crowd, t, c, now_ns):
    """A place of leveraged traders: one comes when it is time, and another some time after it is gone."""
    if t.inside:
        gone = position_(venue, t.account, crowd.instrument, 0).lots == 0
        if gone and own_order(venue, t.account, crowd.instrument) < 0:
            t.inside = 0
            t.next_ns = now_ns + wait(t, c)
        return
    if not t.begun:
        t.begun = 1
        t.next_ns = now_ns + wait(t, c)
        return
    if market_(venue, crowd.instrument).mark_e8 <= 0 or not is_open(venue, crowd):
        count_(crowd, PUT_OFF).number += 1
        return
    side = t.side
    if side == 0:
        side = 1 if uniform(c) < 0.5 else -1
    lots = t.least_lots + below(c, t.most_lots - t.least_lots + 1)
    share_e8 = t.least_e8 + below(c, t.most_e8 - t.least_e8 + 1)
    ticks = max(1, crowd.ask_ticks if side > 0 else crowd.bid_ticks)
    money = mul_div(lots * ticks * contract_(venue, crowd.instrument).tick_value, share_e8, 100_000_000)
    terms = terms_of(venue, crowd.instrument)
    # an eighth is kept back for a price that is worse than the best, and a mark beyond it
    usable_e8 = share_e8 * 7 // 8 - terms.taker_fee_e8
    most = tier_(venue, terms.tier_first).max_leverage
    leverage = min(most, -(-100_000_000 // usable_e8)) if usable_e8 > 0 else most
    asked = next_command(venue, _TRANSFER, t.account, 0)
    asked.amount = money - account_(venue, t.account).wallet
    enter(venue)
    asked = next_command(venue, _SET_LEVERAGE, t.account, crowd.instrument)
    asked.leverage = leverage
    enter(venue)
    place_market(venue, t.account, crowd.instrument, side, lots)
    t.inside = 1
    count_(crowd, ENTERED).number += 1


@model_kernel
def wait(t, c):
    """A drawn wait, ns."""
    return 1 + int(min(float(t.wait_ns) * exponential(c), 3e17))


@model_kernel
def take_turn(venue, crowd, t, c, now_ns):
    """One trader's turn; it says when the next one is."""
    t.next_ns = now_ns + t.every_ns
    if t.kind == LEVERAGED:
        speculate(venue, crowd, t, c, now_ns)
    elif crowd.bid_ticks != NO_PRICE and crowd.ask_ticks != NO_PRICE:
        if t.kind == FOLLOWER:
            follow(venue, crowd, t, now_ns)
        elif is_open(venue, crowd):
            quote(venue, crowd, t)
