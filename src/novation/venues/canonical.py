"""The canonical form of a venue's logical state, field by field: what `state_hash` is the hash of.

    clock     clock_ns, event sequence, order sequence, trade sequence
    ledger    fees, insurance, outside, rounding, deposits
    pool      pool, balance
    market    instrument, row of terms (counted within the instrument), last_e8, mark_e8, open_ns, settlement_ticks,
              status
    phase     of a market that is not open, or has limits: instrument, phase, halt, lowest and highest price in 1e-8,
              whether orders beyond are refused
    ladder    instrument on a ladder, centre_e8, lots missing from its bids, from its asks
    impact    instrument, what stays of its takers' impact in 1e-8, what fades, from which instant; where any is
    slippage  instrument with BarLiquidity: lots of a day, what sellers and buyers pay whatever the size and more for
              all of these, in 1e-8; lots that can be had of the last bar, used, sold to it and bought of it by takers
    chance    instrument whose touched orders may be reached: the six numbers of the generator that says whether
    book      every order in a book: instrument, side, price, order, lots shown and hidden, whether it is the top order;
              bids from the best on, then asks, by time at a price
    halt      of a book that opens by itself: instrument, when, when it halted, from which price stops went too far
    window    instrument, 1 or -1, instant, price: trades of a velocity's window that no later one undercut, or exceeds
    pricing   of a marked or delivered instrument: instrument, index_e8, stamp that ends the interval, its hours, the
              hours the terms state, quiet rates, last rate and its instant, last premium, its five seconds (-1: none),
              samples, their sum, their weighted sum, delivery samples, their sum, the second of the last one (-1: none)
    basis     of a marked instrument: instrument, second, twice the basis; seconds of the last minute, ascending
    account   account, wallet, margin call state, hedge mode
    asset     asset, index_e8, row of its rules, deposits, exchanged; of a venue with several
    balance   account, asset, amount; of assets other than the settlement asset, where there is any
    multi     account in Multi-Assets mode
    countdown account, instrument, its end, where it is still to come
    position  account, instrument, leg, lots, cost, isolated margin, scope, leverage, margin call state, opened_ns;
              only those that differ from a new one
    order     id, account, instrument, leg, side, kind, lots, price_ticks, reduce-only, arrival_ns; in order of arrival
    held      order, the one it waits for (0: none); behind its order, where a broker keeps it
    assumed   order, price in 1e-8; behind its order, where it reserves margin at another price than its own
    details   order, time in force, expire_ns, display_lots, filled, self-trade; behind its order on a book, if any is
              not 0
    ahead     order, micro-lots ahead of it that are gone, short of a lot; behind it, in a flow of levels, if any are
    trigger   order, kind of trigger, trigger_e8, price looked at, callback_e8, extreme_e8; behind its order, while it
              waits for one
    closes    order, whether it closes a position, whether its price is protected; behind it, if either is so

Markets by instrument, accounts and positions ascending. Simulated traders keep their own random state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from novation.domain.account import InsurancePool, Totals
from novation.domain.book import BookRules
from novation.domain.digest import Line
from novation.domain.enums import HaltReason, InstrumentKind, MarginScope, MarketPhase, MarkRule
from novation.domain.instruments import Instrument
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import NS
from novation.engine.layout import BASIS_ROWS, LEGS, NO_SECOND
from novation.venues.bar_liquidity import STATE
from novation.venues.book_tables import book_lines
from novation.venues.venue_rules import VenueRules

#: Phase, halt and limits of a market that no row has said anything about.
_UNTOUCHED = (MarketPhase.OPEN, HaltReason.SCHEDULE, -NO_LIMIT_E8, NO_LIMIT_E8, 0)


class HasState(Protocol):
    """What the canonical form reads of a venue."""

    rules: VenueRules
    pools: tuple[InsurancePool, ...]
    first_terms: list[int]
    instruments: tuple[Instrument, ...]
    marked: dict[str, MarkRule]
    books: dict[str, BookRules]

    def number(self, field: str) -> int: ...
    def table(self, name: str) -> Any: ...
    def fund(self, pool: int) -> int: ...
    def totals(self, asset: int = 0) -> Totals: ...


def _pricing_lines(venue: HasState) -> Iterator[Line]:
    """How instruments stand that the venue marks, funds or delivers itself."""
    for i, instrument in enumerate(venue.instruments):
        if instrument.id not in venue.marked and not instrument.deliver_ns:
            continue
        x = venue.table("pricing")[i]
        own = (x["index_e8"], x["next_ns"], x["interval_hours"], x["stated_hours"], x["quiet"], x["last_rate_e8"])
        premium = (x["last_ns"], x["premium_e8"], max(-1, int(x["premium_slot"])), x["premium_count"])
        sums = (x["premium_sum"], x["weighted_sum"], x["delivery_count"], x["delivery_sum"])
        yield "pricing", (i, *own, *premium, *sums, max(-1, int(x["delivery_second"])))
        if instrument.id in venue.marked:
            samples = venue.table("basis")[BASIS_ROWS * i : BASIS_ROWS * (i + 1)]
            since = max(NO_SECOND, int(x["basis_second"]) - BASIS_ROWS)
            for second, twice in sorted((int(b["second"]), int(b["twice"])) for b in samples):
                if second > since:
                    yield "basis", (i, second, twice)


def state_lines(venue: HasState) -> Iterator[Line]:
    """The lines of the table above."""
    number = venue.number
    yield (
        "clock",
        (number("clock_ns"), number("sequence"), number("order_sequence"), number("trade_sequence")),
    )
    totals = venue.totals()
    yield "ledger", (totals.fees, totals.insurance, totals.outside, totals.rounding, totals.deposits)
    for i in range(len(venue.pools)):
        yield "pool", (i, venue.fund(i))
    for i, m in enumerate(venue.table("market")):
        # terms are counted within the instrument, so that adding an instrument changes nothing here
        yield (
            "market",
            (
                i,
                int(m["terms"]) - venue.first_terms[i],
                m["last_e8"],
                m["mark_e8"],
                m["open_ns"],
                m["settlement_ticks"],
                m["status"],
            ),
        )
    for i, m in enumerate(venue.table("market")):
        state = (m["phase"], m["halt"], m["limit_low_e8"], m["limit_high_e8"], m["refuse_beyond"])
        if state != _UNTOUCHED:
            yield "phase", (i, *state)
    for i, c in enumerate(venue.table("contract")):
        if c["level_count"]:
            m, healed = venue.table("market")[i], int(c["heals"]) * number("clock_ns") // NS
            healed -= int(c["heals"]) * int(venue.table("market")[i]["healed_ns"]) // NS
            taken = (max(0, int(m["bid_taken"]) - healed), max(0, int(m["ask_taken"]) - healed))
            yield "ladder", (i, m["centre_e8"], *taken)
    for i, x in enumerate(venue.table("impact")):
        if x["stays_e8"] or x["fading_e8"]:
            yield "impact", (i, x["stays_e8"], x["fading_e8"], x["since_ns"])
    for i, x in enumerate(venue.table("bar_liquidity")):
        if x["on"]:
            paid = (x["sold_e8"], x["bought_e8"], x["sold_whole_e8"], x["bought_whole_e8"])
            yield "slippage", (i, x["volume"], *paid, x["bar_lots"], x["used"], x["sold"], x["bought"])
        if x["touch_e8"]:
            yield "chance", (i, *(x[name] for name in STATE))
    yield from book_lines(venue)
    yield from _pricing_lines(venue)
    for i, a in enumerate(venue.table("account")):
        yield "account", (i, a["wallet"], a["called"], a["hedge"])
    assets = number("assets")
    for i, x in enumerate(venue.table("asset") if assets > 1 else ()):
        asset = venue.totals(i)
        yield "asset", (i, x["index_e8"], x["buffer"] - x["buffer_first"], asset.deposits, asset.exchanged)
    for row, amount in enumerate(venue.table("balance")["amount"] if assets > 1 else ()):
        if amount:
            yield "balance", (row // (assets - 1), row % (assets - 1) + 1, amount)
    for i, multi in enumerate(venue.table("account")["multi"] if number("multi_accounts") else ()):
        if multi:
            yield "multi", (i,)
    ends_ns = venue.table("position")["countdown_ns"][::LEGS]
    for at in np.flatnonzero(ends_ns > number("clock_ns")).tolist():
        yield "countdown", (at // len(venue.instruments), at % len(venue.instruments), ends_ns[at])
    position = venue.table("position")
    spot = np.array([i.kind == InstrumentKind.SPOT for i in venue.instruments])[position["instrument"]]
    scope = np.where(spot, int(MarginScope.ISOLATED), int(MarginScope.CROSS))
    changed = (
        (position["lots"] != 0)
        | (position["cost"] != 0)
        | (position["margin"] != 0)
        | (position["scope"] != scope)
        | (position["leverage"] != np.where(spot, 1, venue.rules.default_leverage))
    )
    for p in position[changed]:
        yield (
            "position",
            (
                p["account"],
                p["instrument"],
                p["leg"],
                p["lots"],
                p["cost"],
                p["margin"],
                p["scope"],
                p["leverage"],
                p["called"],
                p["opened_ns"],
            ),
        )
    row = number("first_order")
    orders, contracts = venue.table("order"), venue.table("contract")
    while row >= 0:
        o = orders[row]
        yield (
            "order",
            (
                o["id"],
                o["account"],
                o["instrument"],
                o["leg"],
                o["side"],
                o["kind"],
                o["lots"],
                o["price_ticks"],
                o["reduce_only"],
                o["arrival_ns"],
            ),
        )
        if o["held"]:
            yield "held", (o["id"], o["after"])
        if o["assumed_e8"] not in (0, o["price_ticks"] * contracts[o["instrument"]]["tick_e8"]):
            yield "assumed", (o["id"], o["assumed_e8"])
        if contracts[o["instrument"]]["book"]:
            details = [o[name] for name in ("time_in_force", "expire_ns", "display_lots", "filled", "self_trade")]
            if any(details):
                yield "details", (o["id"], *details)
            if o["amended"]:
                yield "amended", (o["id"], o["amended"])
            if o["ahead_rest"]:
                yield "ahead", (o["id"], o["ahead_rest"])
        if o["trigger"]:
            price = (o["trigger_e8"], o["trigger_by"], o["callback_e8"], o["extreme_e8"])
            yield "trigger", (o["id"], o["trigger"], *price)
            if o["close_position"] or o["price_protect"]:
                yield "closes", (o["id"], o["close_position"], o["price_protect"])
        row = int(o["next"])
