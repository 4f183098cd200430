"""Liquidation prices, and the marks at which an account is exhausted: margin requirements solved for the price."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginMethod, MarginScope
from novation.engine.collateral import pooled_equity
from novation.engine.margining import NOW, TRIGGER, cross_balance, notional, scene_mark, tier_of, worth
from novation.engine.state import account_, contract_, market_, position_row_, terms_of, tier_
from novation.rules.integers import E8, exact_add, exact_negate, mul_div, mul_div_rem
from novation.rules.margin import reached

_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)
#: Upper bound of a liquidation price search: 1e14 of price. Sizes bound the value long before.
_TOP_E8 = 1 << 53
#: ... and of the search for a pair: the value of the larger position.
_SEARCHED = 1 << 60


@kernel
def _liquidated_at(venue, p, price_e8, whole, part):
    profit, profit_part, needed, needed_part = worth(venue, p, price_e8)
    equity, equity_part = exact_add(whole, part, profit, profit_part)
    return reached(equity, equity_part, needed, needed_part)


@kernel
def estimate_liquidation(venue, p, margin):
    """Liquidation price in floating point, good to about one unit; nonsense where there is none.

    value * (1 -+ rate) = +-(cost - margin) - cum, in the first bracket whose cap is above the solution.
    """
    c = contract_(venue, p.instrument)
    t = terms_of(venue, p.instrument)
    side = 1.0 if p.lots > 0 else -1.0
    needed = side * float(p.cost - margin)
    per_unit = float(abs(p.lots)) * float(c.lot_value) / float(E8)
    if c.method != _TIERED:
        return (needed + side * float(abs(p.lots) * t.maintenance_per_lot)) / per_unit
    value = 0.0
    for row in range(t.tier_first, t.tier_first + t.tier_count):
        tier = tier_(venue, row)
        slope = 1.0 - side * float(tier.rate_e8) / float(E8)
        if slope == 0.0:
            return 0.0
        value = (needed - side * float(tier.cum)) / slope
        if value <= float(tier.cap):
            break
    return value / per_unit


@kernel
def solve_liquidation(venue, p, whole, part):
    """Liquidation price of a position behind which stands an exact margin (whole, part).

    For a long the highest, for a short the lowest 1e-8 price at which margin + profit <= maintenance; 0 if none is
    positive. Profit less maintenance is strictly monotone in the price, because brackets are continuous and their
    rates below one, so bisection with the exact comparison finds it; a float estimate says where to begin, and is
    checked, never trusted.
    """
    if p.lots == 0:
        return 0
    long = p.lots > 0
    low, high = 1, 0
    estimate = estimate_liquidation(venue, p, whole)
    if 2.0 < estimate < float(_TOP_E8):
        low = int(estimate) - 1
        high = low + 3
    if (
        high == 0
        or _liquidated_at(venue, p, low, whole, part) != long
        or _liquidated_at(venue, p, high, whole, part) == long
    ):
        low = 1
        high = 2 * max(1, market_(venue, p.instrument).mark_e8)
        if _liquidated_at(venue, p, low, whole, part) != long:
            return 0 if long else 1
        while _liquidated_at(venue, p, high, whole, part) == long:
            low = high
            if high >= _TOP_E8:
                return high if long else 0
            high *= 2
    while high - low > 1:
        middle = low + (high - low) // 2
        if _liquidated_at(venue, p, middle, whole, part) == long:
            low = middle
        else:
            high = middle
    return low if long else high


@kernel
def liquidation_price(venue, row):
    """Liquidation price of a position, the other cross positions at their current marks."""
    p = position_row_(venue, row)
    a = account_(venue, p.account)
    version = a.version + venue.terms_changes
    alone = (a.positions == 1 and not a.multi) or p.scope == _ISOLATED
    if alone and p.liquidation_version == version:
        return p.liquidation_e8
    if p.scope == _ISOLATED:
        whole, part = p.margin, 0
    elif a.multi or is_hedged(venue, row):
        return shared_liquidation(venue, row)
    else:
        equity, equity_part, needed, needed_part, _ = cross_balance(venue, p.account, NOW, row)
        negative, negative_part = exact_negate(needed, needed_part)
        whole, part = exact_add(equity, equity_part, negative, negative_part)
    p.liquidation_e8 = solve_liquidation(venue, p, whole, part)
    p.liquidation_version = version
    return p.liquidation_e8


@kernel
def is_hedged(venue, row):
    """Whether the account holds the other position of the instrument as well."""
    return position_row_(venue, row).lots != 0 and position_row_(venue, row ^ 1).lots != 0


@kernel
def gone_at(venue, row, price_e8, equity, equity_part, needed, needed_part):
    """Whether an account is exhausted with its cross positions of an instrument at a price, the exact equity in the
    settlement asset and the exact maintenance of all others being known."""
    for at in (row, row ^ 1):
        profit, profit_part, own, own_part = worth(venue, position_row_(venue, at), price_e8)
        equity, equity_part = exact_add(equity, equity_part, profit, profit_part)
        needed, needed_part = exact_add(needed, needed_part, own, own_part)
    account = position_row_(venue, row).account
    if account_(venue, account).multi:
        equity, equity_part = pooled_equity(venue, account, equity, equity_part)
    return reached(equity, equity_part, needed, needed_part)


@kernel
def others_of(venue, row):
    """Exact equity in the settlement asset and exact maintenance of a cross account without the positions of an
    instrument, the others at their current marks: four numbers."""
    p = position_row_(venue, row)
    a = account_(venue, p.account)
    equity, equity_part, needed, needed_part = a.wallet, 0, 0, 0
    other = a.first_position
    while other >= 0:
        q = position_row_(venue, other)
        if q.scope == _CROSS and q.instrument != p.instrument:
            profit, profit_part, own, own_part = worth(venue, q, market_(venue, q.instrument).mark_e8)
            equity, equity_part = exact_add(equity, equity_part, profit, profit_part)
            needed, needed_part = exact_add(needed, needed_part, own, own_part)
        other = q.next
    return equity, equity_part, needed, needed_part


@kernel
def falls_with_price(venue, row):
    """Whether the surplus of a pair falls with the price at the mark: the longs, less both maintenance rates there, are
    the larger side."""
    p = position_row_(venue, row)
    mark = market_(venue, p.instrument).mark_e8
    net, cut = 0, 0  # lots less the maintenance rates, in lots: the products leave the integers
    for at in (row, row ^ 1):
        q = position_row_(venue, at)
        rate = 0
        if contract_(venue, q.instrument).method == _TIERED:
            rate = tier_(venue, tier_of(venue, q.instrument, notional(venue, q, mark))).rate_e8
        needed, rest = mul_div_rem(abs(q.lots), rate, E8)
        net, cut = net + q.lots - needed, cut + rest
    return net - cut // E8 > 0


@kernel
def shared_liquidation(venue, row):
    """The one liquidation price of an account's cross positions in an instrument, by exact search: of a long and a
    short one (facts/binance.md §4), and in Multi-Assets mode.

    The mark where the account is exhausted already. Surplus is concave in the price, so each search is of one crossing.
    A pair is searched where its surplus falls at the mark, and nowhere else; in Multi-Assets mode below the mark if
    1e-8 exhausts the account, else above. The highest such price below, or the lowest above; 0 for none.
    """
    p = position_row_(venue, row)
    multi = account_(venue, p.account).multi
    if multi and p.lots == 0:
        return 0
    mark = market_(venue, p.instrument).mark_e8
    rest = others_of(venue, row)
    if gone_at(venue, row, mark, *rest):
        return mark
    if multi or falls_with_price(venue, row):
        if gone_at(venue, row, 1, *rest):
            low, high = 1, mark
            while high - low > 1:
                middle = low + (high - low) // 2
                if gone_at(venue, row, middle, *rest):
                    low = middle
                else:
                    high = middle
            return low
        if not multi:
            return 0
    low = high = max(1, mark)  # twice a mark of zero is no step
    while not gone_at(venue, row, high, *rest):
        low = high
        larger = max(notional(venue, p, high), notional(venue, position_row_(venue, row ^ 1), high))
        if high >= _TOP_E8 or larger > _SEARCHED:
            return 0
        high *= 2
    while high - low > 1:
        middle = low + (high - low) // 2
        if gone_at(venue, row, middle, *rest):
            high = middle
        else:
            low = middle
    return high


@kernel
def path_mark(venue, p, scene, step):
    """A mark on the straight path from the current one (step 0) to a scene's (step 2**30)."""
    start = market_(venue, p.instrument).mark_e8
    return start + mul_div(scene_mark(venue, p, scene) - start, step, 1 << 30)


@kernel
def set_triggers(venue, account, scene, step):
    """Write into each cross position its mark at a step of the path to a scene."""
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS:
            p.trigger_e8 = path_mark(venue, p, scene, step)
        row = p.next


@kernel
def is_gone(venue, account, scene, against_maintenance):
    """Whether a cross account's equity is at or below its maintenance, or at or below zero."""
    equity, equity_part, needed, needed_part, _ = cross_balance(venue, account, scene, -1)
    if against_maintenance:
        return reached(equity, equity_part, needed, needed_part)
    return reached(equity, equity_part, 0, 0)


@kernel
def find_triggers(venue, account, scene, against_maintenance):
    """The marks at which a cross account is exhausted, on the straight path from the current marks to a scene's.

    The surplus is concave along the path, positive at its start and exhausted at its end, so it is crossed once.
    Exact for one position; for several the path is cut in 2**30 steps.
    """
    a = account_(venue, account)
    set_triggers(venue, account, scene, 0)
    if scene == NOW or is_gone(venue, account, TRIGGER, against_maintenance):
        return
    if a.positions == 1 and against_maintenance:
        p = position_row_(venue, a.first_position)
        price = liquidation_price(venue, a.first_position)
        if p.lots > 0:
            p.trigger_e8 = max(price, scene_mark(venue, p, scene))
        else:
            p.trigger_e8 = min(price, scene_mark(venue, p, scene))
        return
    low, high = 0, 1 << 30
    while high - low > 1:
        middle = (low + high) // 2
        set_triggers(venue, account, scene, middle)
        if is_gone(venue, account, TRIGGER, against_maintenance):
            high = middle
        else:
            low = middle
    set_triggers(venue, account, scene, high)
