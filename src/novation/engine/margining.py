"""Requirements, equity and liquidation prices of accounts, from positions and marks.

Marks are chosen by *scene*: NOW is the current mark; LOW and HIGH are the extremes of the bar that just closed, taken
for every instrument at once. With one instrument that is the bar's low and high; with several it says that they moved
together, so a hedged book is not charged for two opposite extremes that cannot have been one moment.
"""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginMethod, MarginScope
from novation.engine.state import account_, contract_, market_, position_row_, terms_of, tier_
from novation.rules.integers import exact_add, exact_towards_zero, mul_div
from novation.rules.margin import exhausted, surplus, tiered_maintenance
from novation.rules.value import signed_value, unrealised

NOW = 0
LOW = 1
HIGH = 2
TRIGGER = 3

_TIERED = int(MarginMethod.TIERED)
_CROSS = int(MarginScope.CROSS)
_ISOLATED = int(MarginScope.ISOLATED)
#: Upper bound of a liquidation price search: 1e14 of price. Sizes bound the value long before.
_TOP_E8 = 1 << 53


@kernel
def scene_mark(venue, p, scene):
    """The mark of a position's instrument in a scene."""
    if scene == TRIGGER:
        return p.trigger_e8
    m = market_(venue, p.instrument)
    if scene == LOW:
        return m.mark_low_e8
    if scene == HIGH:
        return m.mark_high_e8
    return m.mark_e8


@kernel
def notional(venue, p, price_e8):
    """Absolute value of a position, cut to minor units."""
    whole, _ = signed_value(price_e8, abs(p.lots), contract_(venue, p.instrument).lot_value)
    return whole


@kernel
def tier_of(venue, instrument, value):
    """Row of the bracket that a value falls in; the last one above its cap."""
    t = terms_of(venue, instrument)
    row = t.tier_first
    last = t.tier_first + t.tier_count - 1
    while row < last and value > tier_(venue, row).cap:
        row += 1
    return row


@kernel
def maintenance_at(venue, instrument, lots, price_e8):
    """Exact maintenance margin of signed lots at a price."""
    c = contract_(venue, instrument)
    if c.method != _TIERED:
        return abs(lots) * terms_of(venue, instrument).maintenance_per_lot, 0
    if lots == 0:
        return 0, 0
    whole, _ = signed_value(price_e8, abs(lots), c.lot_value)
    tier = tier_(venue, tier_of(venue, instrument, whole))
    return tiered_maintenance(price_e8, lots, c.lot_value, tier.rate_e8, tier.cum)


@kernel
def surplus_at(venue, p, price_e8):
    """Exact profit less maintenance of a position at a price."""
    whole, part = maintenance_at(venue, p.instrument, p.lots, price_e8)
    return surplus(price_e8, p.lots, contract_(venue, p.instrument).lot_value, p.cost, whole, part)


@kernel
def unrealised_at(venue, p, price_e8):
    """Exact profit of a position at a price."""
    return unrealised(price_e8, p.lots, contract_(venue, p.instrument).lot_value, p.cost)


@kernel
def cross_surplus(venue, account, scene, without):
    """Exact cross wallet plus surpluses of all cross positions, but for row `without` (-1: none left out)."""
    a = account_(venue, account)
    whole, part = a.wallet, 0
    row = a.first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS and row != without:
            more, more_part = surplus_at(venue, p, scene_mark(venue, p, scene))
            whole, part = exact_add(whole, part, more, more_part)
        row = p.next
    return whole, part


@kernel
def cross_equity(venue, account, scene, without):
    """Exact cross wallet plus unrealised profit of all cross positions, but for row `without` (-1: none left out)."""
    a = account_(venue, account)
    whole, part = a.wallet, 0
    row = a.first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS and row != without:
            more, more_part = unrealised_at(venue, p, scene_mark(venue, p, scene))
            whole, part = exact_add(whole, part, more, more_part)
        row = p.next
    return whole, part


@kernel
def cross_maintenance(venue, account, scene):
    """Sum of the cross positions' maintenance margins, each cut to minor units, as the exchange shows it."""
    total = 0
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _CROSS:
            whole, part = maintenance_at(venue, p.instrument, p.lots, scene_mark(venue, p, scene))
            total += exact_towards_zero(whole, part)
        row = p.next
    return total


@kernel
def initial_for(venue, p, lots, bid_lots, bid_value, ask_lots, ask_value, price_e8):
    """Initial margin of a position with its working orders: the larger of the sides they could lead to.

    Tiered: max(|position|, |position + bids|, |position - asks|) in value, over the leverage. Per contract: the
    same in lots, times the initial margin of a lot.
    """
    c = contract_(venue, p.instrument)
    if c.method != _TIERED:
        most = max(abs(lots), abs(lots + bid_lots), abs(lots - ask_lots))
        return most * terms_of(venue, p.instrument).initial_per_lot
    value, _ = signed_value(price_e8, lots, c.lot_value)
    most = max(abs(value), abs(value + bid_value), abs(value - ask_value))
    return most // p.leverage


@kernel
def initial_now(venue, p):
    """Initial margin a position and its orders take from the cross wallet.

    Of an isolated position only the orders count: its own margin has left the wallet already.
    """
    mark = market_(venue, p.instrument).mark_e8
    total = initial_for(venue, p, p.lots, p.bid_lots, p.bid_value, p.ask_lots, p.ask_value, mark)
    if p.scope == _ISOLATED:
        return total - initial_for(venue, p, p.lots, 0, 0, 0, 0, mark)
    return total


@kernel
def initial_total(venue, account):
    """Initial margin taken from the cross wallet by all positions and orders."""
    total = 0
    row = account_(venue, account).first_position
    while row >= 0:
        p = position_row_(venue, row)
        total += initial_now(venue, p)
        row = p.next
    return total


@kernel
def available(venue, account):
    """Cross equity less initial margins; negative when there is less than nothing."""
    whole, _ = cross_equity(venue, account, NOW, -1)
    return whole - initial_total(venue, account)


@kernel
def largest_value(venue, p):
    """The highest notional the brackets allow at a position's leverage; -1 when no bracket allows the leverage."""
    t = terms_of(venue, p.instrument)
    highest = -1
    for row in range(t.tier_first, t.tier_first + t.tier_count):
        tier = tier_(venue, row)
        if tier.max_leverage >= p.leverage:
            highest = tier.cap
    return highest


@kernel
def _liquidated_at(venue, p, price_e8, whole, part):
    more, more_part = surplus_at(venue, p, price_e8)
    total, total_part = exact_add(whole, part, more, more_part)
    return exhausted(total, total_part)


@kernel
def solve_liquidation(venue, p, whole, part):
    """Liquidation price of a position behind which stands an exact margin (whole, part).

    For a long the highest, for a short the lowest 1e-8 price at which margin + profit <= maintenance; 0 if none is
    positive. Profit less maintenance is strictly monotone in the price, because brackets are continuous and their
    rates below one, so bisection with the exact comparison finds it.
    """
    if p.lots == 0:
        return 0
    if p.lots > 0:
        if not _liquidated_at(venue, p, 1, whole, part):
            return 0
        low = 1
        high = 2 * max(1, market_(venue, p.instrument).mark_e8)
        while _liquidated_at(venue, p, high, whole, part):
            low = high
            if high >= _TOP_E8:
                return high
            high *= 2
        while high - low > 1:
            middle = low + (high - low) // 2
            if _liquidated_at(venue, p, middle, whole, part):
                low = middle
            else:
                high = middle
        return low
    if _liquidated_at(venue, p, 1, whole, part):
        return 1
    low = 1
    high = 2 * max(1, market_(venue, p.instrument).mark_e8)
    while not _liquidated_at(venue, p, high, whole, part):
        low = high
        if high >= _TOP_E8:
            return 0
        high *= 2
    while high - low > 1:
        middle = low + (high - low) // 2
        if _liquidated_at(venue, p, middle, whole, part):
            high = middle
        else:
            low = middle
    return high


@kernel
def liquidation_price(venue, row):
    """Liquidation price of a position, the other cross positions at their current marks."""
    p = position_row_(venue, row)
    a = account_(venue, p.account)
    version = a.version + venue.terms_changes
    alone = a.positions == 1 or p.scope == _ISOLATED
    if alone and p.liquidation_version == version:
        return p.liquidation_e8
    if p.scope == _ISOLATED:
        whole, part = p.margin, 0
    else:
        whole, part = cross_surplus(venue, p.account, NOW, row)
    p.liquidation_e8 = solve_liquidation(venue, p, whole, part)
    p.liquidation_version = version
    return p.liquidation_e8


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
def _gone(venue, account, against_maintenance):
    if against_maintenance:
        whole, part = cross_surplus(venue, account, TRIGGER, -1)
    else:
        whole, part = cross_equity(venue, account, TRIGGER, -1)
    return exhausted(whole, part)


@kernel
def find_triggers(venue, account, scene, against_maintenance):
    """The marks at which a cross account is exhausted, on the straight path from the current marks to a scene's.

    The surplus is concave along the path, positive at its start and exhausted at its end, so it is crossed once.
    Exact for one position; for several the path is cut in 2**30 steps.
    """
    a = account_(venue, account)
    set_triggers(venue, account, scene, 0)
    if scene == NOW or _gone(venue, account, against_maintenance):
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
        if _gone(venue, account, against_maintenance):
            high = middle
        else:
            low = middle
    set_triggers(venue, account, scene, high)
