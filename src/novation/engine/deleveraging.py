"""Auto-deleveraging: the insurance fund cannot pay, so accounts of the other side give up profit.

The bankrupt position is closed at its bankruptcy price against the opposite positions, without fees: the highest
leverage P&L first (facts/binance.md §6), or all of them in proportion to their profit, as the venue chooses. Nobody is
closed at a loss, and the two sides pay each other: outside sees nothing.

Who is closed is settled once, when it begins. That is the choice that would be made anew before each step: a step
touches the bankrupt account and one counterparty, which it closes whole unless it is the last; an account has at most
one position on the other side; and what one is ranked by, its own wallet, positions and the marks, no other account's
fill and no cancelled order changes. Whether it keeps a profit is asked of the whole position, so not of what is left.
"""

from __future__ import annotations

from novation._jit import integers_at, kernel
from novation.domain.enums import CancelReason, DeleveragingMethod, EventKind, MarginScope
from novation.domain.events import DELEVERAGED, ISOLATED, LIQUIDATED
from novation.engine.clearing import fill, side_flag
from novation.engine.collateral import counted, pooled_equity
from novation.engine.layout import (
    FOUND,
    FOUND_LIMITS,
    FOUND_SCORES,
    HOLDERS,
    IDS,
    IS_STALE,
    KEYS,
    LEGS,
    LIMITS,
    ORDER_OF,
    PLACES,
    QUEUE_COLUMNS,
    RANK_COLUMNS,
    ROWS,
    SCORES,
    SIZES,
    SORTED,
    STALE,
    SWAPPED,
    TAKEN,
    WINNERS,
)
from novation.engine.ledger import next_event, pool_of
from novation.engine.margining import NOW, cross_balance, worth
from novation.engine.orders import cancel_order
from novation.engine.reduction import backing, remaining_equity, remaining_maintenance
from novation.engine.state import (
    account_,
    check_row,
    contract_,
    market_,
    own_order,
    position_row_,
    queue_,
    row_of,
    terms_of,
)
from novation.engine.watch import put_stale
from novation.rules.adl import allocate_lots_pro_rata, leverage_pnl, margin_ratio, pnl_ratio, pnl_times_margin
from novation.rules.bankruptcy import bankruptcy_price, worst_ticks
from novation.rules.integers import exact_add, exact_towards_zero
from novation.rules.ordering import how_many_up_to, play_all, replay, sort_ascending, sort_rows, winner_before

_ISOLATED = int(MarginScope.ISOLATED)
_PRO_RATA = int(DeleveragingMethod.PRO_RATA)
_LIQUIDATION = int(EventKind.LIQUIDATION)
_DELEVERAGED = int(EventKind.DELEVERAGED)
_CANCEL_DELEVERAGED = int(CancelReason.DELEVERAGED)
#: Above this price nobody is asked: no feed and no order can name it, so no short was ever opened there.
_TOP_E8 = 1 << 53


@kernel
def bankruptcy_ticks(venue, row):
    """The price, on the tick in force and in favour of the account, at which closing a position leaves nothing; 0 where
    no price above zero does."""
    p = position_row_(venue, row)
    c = contract_(venue, p.instrument)
    behind, behind_part, _, _ = backing(venue, row)
    if account_(venue, p.account).multi:
        others, others_part = pooled_equity(venue, p.account, 0, 0)
        behind, behind_part = exact_add(behind, behind_part, others, others_part)
    price_e8 = bankruptcy_price(p.lots, c.lot_value, p.cost, behind, behind_part)
    if price_e8 == 0:
        return 0
    return worst_ticks(price_e8, p.lots, c.tick_e8, terms_of(venue, p.instrument).tick_step)


@kernel
def fund_can_pay(venue, instrument, amount):
    """Whether the pool of an instrument is unlimited or holds an amount."""
    pool = pool_of(venue, instrument)
    return pool.unlimited != 0 or pool.high * (1 << 60) + pool.low >= amount


@kernel
def liquidated(venue, p, lots, ticks, profit, cost, equity, maintenance, flags):
    """The LIQUIDATION of the trade just booked; cost, equity and maintenance as they stood before it."""
    e = next_event(venue, _LIQUIDATION, p.account, p.instrument)
    e.trade = venue.trade_sequence
    e.lots = lots
    e.price_ticks = ticks
    e.price_e8 = p.trigger_e8
    e.amount = profit
    e.cost = cost
    e.position_lots = p.lots
    e.equity = equity
    e.maintenance = maintenance
    e.flags = flags | (ISOLATED if p.scope == _ISOLATED else 0) | side_flag(venue, p)
    return e


@kernel
def score(venue, row):
    """Leverage P&L of a position at the current marks, in 1e-16 (`rules.adl`).

    Its own profit over the wallet behind it, times the margin ratio of all that stands on that wallet.
    """
    p = position_row_(venue, row)
    profit, profit_part, needed, needed_part = worth(venue, p, market_(venue, p.instrument).mark_e8)
    profit = exact_towards_zero(profit, profit_part)
    if p.scope == _ISOLATED:
        return leverage_pnl(profit, p.margin, exact_towards_zero(needed, needed_part), venue.asset_unit)
    wallet = counted(venue, p.account, account_(venue, p.account).wallet)
    equity, _, _, _, maintenance = cross_balance(venue, p.account, NOW, -1)
    ratio = margin_ratio(maintenance, wallet, equity - wallet)
    return pnl_times_margin(pnl_ratio(profit, wallet, venue.asset_unit), ratio)


@kernel
def held_on(venue, account, instrument, side):
    """Row of an account's position on a side of an instrument, -1 without one; there is at most one."""
    for leg in range(LEGS):
        row = row_of(venue, account, instrument, leg)
        if position_row_(venue, row).lots * side > 0:
            return row
    return -1


@kernel
def profit_of(venue, row, ticks):
    """Profit of closing a whole position at a price, -1 for a loss however small.

    Where there is one, closing part of it realises no loss either: cost shares are cut down.
    """
    p = position_row_(venue, row)
    unit = ticks * contract_(venue, p.instrument).tick_value
    if p.lots > 0:
        return p.lots * unit - p.cost if unit >= -(-p.cost // p.lots) else -1
    return p.lots * unit - p.cost if unit <= -p.cost // -p.lots else -1


@kernel
def begin_deleveraging(venue, row, ticks):
    """Close a position at its bankruptcy price against the other side, from the next unit of work on: settle who gives
    up profit."""
    p = position_row_(venue, row)
    side = -1 if p.lots > 0 else 1
    venue.liquidating_instrument = p.instrument
    venue.deleveraging = row
    venue.deleveraging_ticks = ticks
    venue.queue_next = 0
    venue.queue_count = 0
    if ticks * contract_(venue, p.instrument).tick_e8 > _TOP_E8:
        return
    if venue.deleveraging_method == _PRO_RATA:
        share_out(venue, p, side, ticks)
    else:
        rank_counterparties(venue, p.instrument, side)
        set_aside(venue, p.account, p.instrument, side)


@kernel
def share_out(venue, p, side, ticks):
    """Settle how many lots of a position each of the other side takes, in proportion to the profit it keeps."""
    queue, n = venue.queue_address, venue.band_base
    check_row(QUEUE_COLUMNS * n - 1, venue.queue_rows)
    rows, sizes = integers_at(queue, ROWS * n, n), integers_at(queue, SIZES * n, n)
    keys, ids = integers_at(queue, KEYS * n, n), integers_at(queue, IDS * n, n)
    count = 0
    for account in range(venue.accounts):
        other = held_on(venue, account, p.instrument, side)
        profit = profit_of(venue, other, ticks) if other >= 0 and account != p.account else -1
        if profit >= 0:
            rows[count] = other
            ids[count] = -account
            sizes[count] = abs(position_row_(venue, other).lots)
            keys[count] = profit
            count += 1
    venue.queue_count = count
    taken, order = integers_at(queue, TAKEN * n, n), integers_at(queue, ORDER_OF * n, n)
    allocate_lots_pro_rata(keys, sizes, rows, count, abs(p.lots), taken, ids, order)


@kernel
def limit_of(venue, row):
    """The least price in ticks, times the side of a position, at which closing all of it realises no loss."""
    p = position_row_(venue, row)
    return -(-p.cost // (abs(p.lots) * contract_(venue, p.instrument).tick_value))


@kernel
def ranks_of(instrument, side):
    """The first column of the ranks of a side of an instrument."""
    return QUEUE_COLUMNS + (2 * instrument + (1 if side > 0 else 0)) * RANK_COLUMNS


@kernel
def put_score(venue, first, place, number):
    """Give a place in ranks another score, -1: whoever had it leaves them."""
    queue, n = venue.queue_address, venue.band_base
    check_row((first + RANK_COLUMNS) * n - 1, venue.queue_rows)
    scores, holders = integers_at(queue, (first + SCORES) * n, n), integers_at(queue, (first + HOLDERS) * n, n)
    replay(scores, holders, integers_at(queue, (first + WINNERS) * n, n), place, number)


@kernel
def rank_anew(venue, instrument, side):
    """Rank everybody on a side of an instrument."""
    queue, n, first = venue.queue_address, venue.band_base, ranks_of(instrument, side)
    check_row((first + RANK_COLUMNS) * n - 1, venue.queue_rows)
    limits, holders = integers_at(queue, (first + LIMITS) * n, n), integers_at(queue, (first + HOLDERS) * n, n)
    scores, winners = integers_at(queue, (first + SCORES) * n, n), integers_at(queue, (first + WINNERS) * n, n)
    places, found = integers_at(queue, (first + PLACES) * n, n), integers_at(queue, FOUND * n, n)
    found_limits, found_scores = integers_at(queue, FOUND_LIMITS * n, n), integers_at(queue, FOUND_SCORES * n, n)
    order, swapped = integers_at(queue, SORTED * n, n), integers_at(queue, SWAPPED * n, n)
    count = 0
    for account in range(venue.accounts):
        places[account] = -1
        row = held_on(venue, account, instrument, side)
        if row >= 0:
            found[count] = account
            found_limits[count] = limit_of(venue, row)
            found_scores[count] = score(venue, row)
            count += 1
    sort_ascending(found_limits, order, swapped, winners, count)
    for place in range(n):
        scores[place] = -1
        if place < count:
            at = order[place]
            limits[place], holders[place], scores[place] = found_limits[at], found[at], found_scores[at]
            places[found[at]] = place
    play_all(scores, holders, winners)
    winners[0] = count


@kernel
def rank_again(venue, account, instrument, side):
    """Bring the place of an account in ranks up to date.

    With another limit it would stand elsewhere: then ranks are made anew when they are next asked for.
    """
    first, row = ranks_of(instrument, side), held_on(venue, account, instrument, side)
    place = queue_(venue, first + PLACES, account).number
    if row < 0:
        if place >= 0:
            put_score(venue, first, place, -1)
    elif place >= 0 and queue_(venue, first + LIMITS, place).number == limit_of(venue, row):
        put_score(venue, first, place, score(venue, row))
    else:
        queue_(venue, first + WINNERS, 0).number = -1


@kernel
def rank_counterparties(venue, instrument, side):
    """Rank a side of an instrument, or bring all ranks that there are up to date.

    The marks stay while accounts are tested, so between two positions that go bankrupt only those accounts have
    another score or limit that `changed` was told of.
    """
    if venue.queue_of == 0:
        venue.queue_of, venue.stale_count = 1, 0
        for account in range(venue.accounts):
            queue_(venue, IS_STALE, account).number = 0
        for each in range(venue.instruments):
            for way in (1, -1):
                queue_(venue, ranks_of(each, way) + WINNERS, 0).number = -1
    for at in range(venue.stale_count):
        account = queue_(venue, STALE, at).number
        queue_(venue, IS_STALE, account).number = 0
        for each in range(venue.instruments):
            for way in (1, -1):
                if queue_(venue, ranks_of(each, way) + WINNERS, 0).number >= 0:
                    rank_again(venue, account, each, way)
    venue.stale_count = 0
    if queue_(venue, ranks_of(instrument, side) + WINNERS, 0).number < 0:
        rank_anew(venue, instrument, side)


@kernel
def rank_side(venue, instrument, side, rows, scores, accounts, order):
    """Every position on a side of an instrument, by descending leverage P&L, a tie by ascending account.

    Writes rows of positions, their scores and their accounts, and into `order` the places of these from the head of
    the queue on: int64 arrays with room for all accounts. Returns how many there are.
    """
    count = 0
    for account in range(venue.accounts):
        row = held_on(venue, account, instrument, side)
        if row >= 0:
            rows[count] = row
            scores[count] = -score(venue, row)
            accounts[count] = account
            count += 1
    sort_rows(scores, accounts, order, count)
    for place in range(count):
        scores[place] = -scores[place]
    return count


@kernel
def next_sharer(venue):
    """Row of the position that is closed next pro rata, -1 when nobody is left."""
    while venue.queue_next < venue.queue_count and queue_(venue, TAKEN, venue.queue_next).number == 0:
        venue.queue_next += 1
    return queue_(venue, ROWS, venue.queue_next).number if venue.queue_next < venue.queue_count else -1


@kernel
def set_aside(venue, account, instrument, side):
    """Take an account out of ranks until the next position goes bankrupt."""
    first = ranks_of(instrument, side)
    place = queue_(venue, first + PLACES, account).number
    if place >= 0:
        put_score(venue, first, place, -1)
    put_stale(venue, account)


@kernel
def head_of_queue(venue, p):
    """Row of the first position in the queue that would realise no loss against a bankrupt one, -1 when nobody is left.

    Ranks stand by ascending limit, so whoever would realise none stands before all others: the highest score of these.
    """
    ticks, side = venue.deleveraging_ticks, -1 if p.lots > 0 else 1
    if ticks * contract_(venue, p.instrument).tick_e8 > _TOP_E8:
        return -1
    queue, n, first = venue.queue_address, venue.band_base, ranks_of(p.instrument, side)
    check_row((first + RANK_COLUMNS) * n - 1, venue.queue_rows)
    limits, holders = integers_at(queue, (first + LIMITS) * n, n), integers_at(queue, (first + HOLDERS) * n, n)
    scores, winners = integers_at(queue, (first + SCORES) * n, n), integers_at(queue, (first + WINNERS) * n, n)
    place = winner_before(scores, holders, winners, how_many_up_to(limits, winners[0], side * ticks))
    if place < 0 or scores[place] < 0:
        return -1
    return held_on(venue, holders[place], p.instrument, side)


@kernel
def deleverage_unit(venue):
    """One step: an order of the next counterparty cancelled, or lots exchanged with it. False when nobody is left.

    Emits two FILLs, LIQUIDATION and DELEVERAGED.
    """
    row, ticks = venue.deleveraging, venue.deleveraging_ticks
    p, pro_rata = position_row_(venue, row), venue.deleveraging_method == _PRO_RATA
    other = next_sharer(venue) if pro_rata else head_of_queue(venue, p)
    if other < 0:
        return False
    q = position_row_(venue, other)
    order = own_order(venue, q.account, q.instrument)
    if order >= 0:
        cancel_order(venue, order, _CANCEL_DELEVERAGED)
        return True
    side = 1 if p.lots > 0 else -1
    closed = min(abs(p.lots), abs(q.lots))
    if pro_rata:
        closed = queue_(venue, TAKEN, venue.queue_next).number
        venue.queue_next += 1
    else:
        set_aside(venue, q.account, q.instrument, -side)
    equity, maintenance = remaining_equity(venue, row), remaining_maintenance(venue, row)
    isolated = ISOLATED if p.scope == _ISOLATED else 0
    cost = p.cost
    profit = fill(venue, row, 0, -side * closed, ticks, p.trigger_e8, 0, LIQUIDATED | DELEVERAGED | isolated)
    liquidated(venue, p, -side * closed, ticks, profit, cost, equity, maintenance, DELEVERAGED)
    mark_e8 = market_(venue, q.instrument).mark_e8
    cost, flags = q.cost, DELEVERAGED | (ISOLATED if q.scope == _ISOLATED else 0)
    profit = fill(venue, other, 0, side * closed, ticks, mark_e8, 0, flags)
    e = next_event(venue, _DELEVERAGED, q.account, q.instrument)
    e.order = p.account
    e.trade = venue.trade_sequence
    e.lots = side * closed
    e.price_ticks = ticks
    e.price_e8 = mark_e8
    e.amount = profit
    e.cost = cost
    e.position_lots = q.lots
    e.flags = flags | side_flag(venue, q)
    return True
