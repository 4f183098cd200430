"""The few entry points from Python. Each takes the head array and does as much as it can in one call."""

from __future__ import annotations

from novation._jit import kernel
from novation.domain.enums import MarginScope
from novation.engine.amending import find_expiry
from novation.engine.collateral import asset_rates
from novation.engine.commands import enter
from novation.engine.deleveraging import rank_side
from novation.engine.flight import arrive, depart, first_arrival, has_room, learn, respond
from novation.engine.margining import (
    NOW,
    account_equity,
    available,
    cross_balance,
    cross_sums,
    initial_now,
    initial_total,
    withdrawable,
    worth,
)
from novation.engine.opening import indicative
from novation.engine.state import account_, asset_, balance_, event_, look_, market_, position_row_
from novation.engine.step import IDLE, INSTANT, MORE, work
from novation.engine.triggers import liquidation_price
from novation.rules.adl import adl_quantile
from novation.rules.integers import exact_towards_zero
from novation.rules.multi_assets import asset_value

__all__ = [
    "IDLE",
    "INSTANT",
    "MORE",
    "account_numbers",
    "advance",
    "advance_among",
    "asset_numbers",
    "deleveraging_places",
    "indicative_price",
    "next_expiry",
    "position_numbers",
    "run_compiled",
    "run_looking",
    "submit",
]

_ISOLATED = int(MarginScope.ISOLATED)


@kernel
def advance(heads, until_ns):
    """Work up to an instant; returns the status of `step.work`, the rows of the feed (first, last + 1) whose bars
    closed, and how many events wait in the buffer: all that a caller asks after each of many calls."""
    venue = heads[0]
    status = work(venue, until_ns)
    return status, venue.closed_from, venue.closed_to, venue.event_count


@kernel
def listen(venue, first):
    """Note whether events from one on are of anybody but simulated traders."""
    for row in range(first, venue.event_count):
        account = event_(venue, row).account
        if account < venue.others_first or account >= venue.others_end:
            venue.others_told = 1
            return


@kernel
def work_among(venue, until_ns, address, act, others):
    """`step.work` among simulated traders: they act at their instants, after all that is due then and all that waits in
    line, and what they ask is carried out next.

    act: first-class function (head address, now, state address) -> int64, called whenever the venue comes to rest. It
    sees what has changed, puts in line what is due now, no more than there is room for, and says in `others_ns` when it
    is to be called again: now, where it has put something in line. INSTANT also where something was said of others.
    """
    if venue.others_end == 0:
        return work(venue, until_ns)
    heard = venue.event_count
    while True:
        bound_ns = min(until_ns, venue.others_ns)
        # this instant first: they see what it brings before time passes
        if venue.stage != 0 or venue.command_count > 0:
            bound_ns = min(bound_ns, venue.clock_ns)
        status = work(venue, bound_ns)
        listen(venue, heard)
        heard = venue.event_count
        if status == MORE:
            return MORE
        if status == INSTANT:
            if venue.others_ns > venue.clock_ns:  # those who act now do so after whoever looks at this instant
                act(address, venue.clock_ns, others)
            venue.others_told = 0
            return INSTANT
        act(address, venue.clock_ns, others)
        if venue.command_count > venue.command_next or venue.others_ns <= venue.clock_ns:
            continue
        if venue.others_told:
            venue.others_told = 0
            venue.closed_from = venue.closed_to
            return INSTANT
        if venue.clock_ns >= until_ns:
            return IDLE


@kernel
def advance_among(heads, until_ns, address, act, others):
    """`advance` of a venue with simulated traders; what a caller asks after it is in the head."""
    return work_among(heads[0], until_ns, address, act, others)


@kernel
def submit(heads, count):
    """Take commands that were written behind the waiting line into it; `advance` carries them out. The id of the last
    new order is `order_sequence`. Doors that work compile the whole engine each, so this one does not."""
    venue = heads[0]
    for _ in range(count):
        enter(venue)


@kernel
def run_compiled(heads, until_ns, address, on_bar, state, act, others):
    """Work up to an instant with a compiled strategy looking at every bar that closes.

    address: of the head; on_bar: first-class function (head address, feed row, state address) -> int64, whose
    commands wait in line and are carried out after all bars of the instant have been seen. act, others: as
    `work_among`. Returns MORE or IDLE.
    """
    venue = heads[0]
    while True:
        status = work_among(venue, until_ns, address, act, others)
        if status != INSTANT:
            return status
        for row in range(venue.closed_from, venue.closed_to):
            on_bar(address, row, state)


@kernel
def run_looking(heads, until_ns, address, on_look, state, act, others):
    """Work up to an instant with a compiled strategy that looks at the instants of LOOK.

    on_look: first-class function (head address, its time, state address) -> int64. It looks once all that has happened
    by what it sees is done, and once commands that have arrived by then are carried out; its own are carried out next,
    or are on their way. act, others: as `work_among`; simulated traders have acted before it looks at the same instant.
    Returns MORE, also where LOOK is at its end, or IDLE.
    """
    venue = heads[0]
    while has_room(venue):
        look = look_(venue, venue.look_next)
        arrival_ns = first_arrival(venue)
        stop_ns = min(look.seen_ns, arrival_ns)
        status = work_among(venue, min(until_ns, stop_ns), address, act, others)
        respond(venue)
        if status == MORE:
            return MORE
        if status == IDLE:
            if stop_ns > until_ns:
                return IDLE
            if arrival_ns <= stop_ns:
                arrive(venue)
                continue
            venue.look_next += 1
            learn(venue, look.now_ns)
            on_look(address, look.now_ns, state)
            if venue.delayed:
                depart(venue, look.arrive_ns)
    return MORE


@kernel
def account_numbers(heads, account, out):
    """Wallet, equity, initial (orders included, isolated margins included), maintenance, available and withdrawable of
    an account, in minor units, into an int64 array of 6. Equity is cut down, requirements are summed as shown."""
    venue = heads[0]
    a = account_(venue, account)
    _, _, _, _, maintenance = cross_balance(venue, account, NOW, -1)
    taken = initial_total(venue, account)
    margin = 0
    row = a.first_position
    while row >= 0:
        p = position_row_(venue, row)
        if p.scope == _ISOLATED and p.lots != 0:
            mark = market_(venue, p.instrument).mark_e8
            margin += p.margin
            _, _, needed, needed_part = worth(venue, p, mark)
            maintenance += exact_towards_zero(needed, needed_part)
        row = p.next
    out[0] = a.wallet
    out[1] = account_equity(venue, account)
    out[2] = taken + margin
    out[3] = maintenance
    out[4] = available(venue, account)
    out[5] = withdrawable(venue, account, 0)


@kernel
def next_expiry(heads):
    """The first instant at which an order expires, NEVER_NS if none does."""
    return find_expiry(heads[0])


@kernel
def indicative_price(heads, instrument):
    """Ticks and lots at which the book of an instrument would open now; no lots where its sides do not cross."""
    return indicative(heads[0], instrument)


@kernel
def asset_numbers(heads, account, asset, out):
    """Amount, index, bid, ask, USD it counts for (of the settlement asset with the profits of positions) and
    withdrawable of an account's asset, into an int64 array of 6."""
    venue = heads[0]
    bid, ask = asset_rates(venue, asset)
    amount, equity = account_(venue, account).wallet, 0
    if asset > 0:
        amount = balance_(venue, account, asset).amount
        equity = amount
    else:
        equity, _, _, _, _ = cross_sums(venue, account, NOW, -1)
    out[0] = amount
    out[1] = asset_(venue, asset).index_e8
    out[2] = bid
    out[3] = ask
    out[4] = asset_value(equity, asset_(venue, asset).unit, bid, ask)
    out[5] = withdrawable(venue, account, asset)


@kernel
def position_numbers(heads, row, out):
    """Mark, unrealised, maintenance, initial margin taken from the wallet, and liquidation price of one position,
    into an int64 array of 5."""
    venue = heads[0]
    p = position_row_(venue, row)
    mark = market_(venue, p.instrument).mark_e8
    profit, profit_part, needed, needed_part = worth(venue, p, mark)
    out[0] = mark
    out[1] = exact_towards_zero(profit, profit_part)
    out[2] = exact_towards_zero(needed, needed_part)
    out[3] = initial_now(venue, p)
    out[4] = liquidation_price(venue, row)


@kernel
def deleveraging_places(heads, instrument, side, out):
    """Rank a side of an instrument (`deleveraging.rank_side`) into five int64 arrays, the rows of `out`: rows of
    positions, scores, accounts, order and quantiles, each with room for all accounts. Returns how many there are."""
    count = rank_side(heads[0], instrument, side, out[0], out[1], out[2], out[3])
    for place in range(count):
        at = out[3, place]
        out[4, at] = adl_quantile(place, count, out[1, at])
    return count
