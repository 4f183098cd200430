"""The tables of a venue but those of its books: how many rows they begin with, what stands in them, how they grow."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from novation._jit import record_table
from novation.domain.enums import DeleveragingMethod, InstrumentKind, InstrumentStatus, MarginScope, MarketPhase
from novation.domain.liquidity import Ladder
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import E8, NO_CAP
from novation.engine.layout import BASIS_ROWS, DTYPES, LEGS, NEVER, NO_SECOND, QUEUE_COLUMNS, RANK_COLUMNS, UNKNOWN
from novation.engine.ledger import LIMB
from novation.venues.assets import fill_assets
from novation.venues.checks import Made


class HasTables(Protocol):
    """A venue whose tables can take the place of one another."""

    head: Any

    def table(self, name: str) -> Any: ...
    def own(self, name: str, table: np.ndarray) -> None: ...


class Filled(Made, HasTables, Protocol):
    """What a venue is made of, and where it is written."""


def leaves(accounts: int) -> int:
    """Leaves of a binary tree over accounts: the next power of two."""
    return 1 << (accounts - 1).bit_length()


def first_rows(venue: Made, accounts: int, *, orders: int, buffer: int) -> dict[str, int]:
    """How many rows each table begins with; orders, buffer: as `Venue` takes them."""
    count = len(venue.instruments)
    priced = count if venue.marked or any(i.deliver_ns for i in venue.instruments) else 0
    ranks = 2 * count * RANK_COLUMNS if venue.rules.deleveraging == DeleveragingMethod.QUEUE else 0
    # where every fund is unlimited nobody is ever deleveraged, but for on a book
    deleverages = bool(venue.books) or not all(pool.unlimited for pool in venue.pools)
    return {
        "contract": count,
        "terms": sum(map(len, venue.terms)),
        "tier": max(1, sum(len(t.tiers) for rows in venue.terms for t in rows)),
        "market": count,
        "account": accounts,
        "position": LEGS * accounts * count,
        "order": orders,
        "feed": 0,
        "event": max(buffer, 2 * (8 + LEGS * count + len(venue.assets))),
        "command": max(64, orders),
        "sample": buffer,
        "holding": max(buffer, 2 * LEGS * count),
        "pool": len(venue.pools),
        "level": 1 + sum(len(ladder.lots) for ladder in venue.ladders.values()),
        "asset": len(venue.assets),
        "buffer": sum(len(asset.terms) for asset in venue.assets),
        "balance": max(1, accounts * (len(venue.assets) - 1)),
        "queue": (QUEUE_COLUMNS + ranks) * leaves(accounts) if deleverages else 0,
        "pricing": priced,
        "basis": BASIS_ROWS * priced if venue.marked else 0,
        "band": (count + 1) * 2 * leaves(accounts),
        "spare": accounts,
        "slope": accounts * count,
        "look": 0,
        "flight": 0,
        "news": 0,
        "sent": 0,
        "delay": 0,
    }


def fill(venue: Filled) -> list[int]:
    """Write what a venue is made of; the first row of TERMS of each instrument."""
    _fill_terms(venue)
    first_terms = _fill_instruments(venue)
    for field in ("index_second", "basis_second", "premium_slot", "delivery_second"):
        venue.table("pricing")[field] = NO_SECOND
    venue.table("basis")["second"] = NO_SECOND
    fill_assets(venue.assets, venue.table("asset"), venue.table("buffer"))
    for k, pool in enumerate(venue.pools):
        venue.table("pool")[k] = (*divmod(pool.balance, LIMB), int(pool.unlimited))
    brought = sum(pool.balance for pool in venue.pools)
    venue.head["deposits_high"], venue.head["deposits_low"] = divmod(brought, LIMB)
    for name in ("band", "slope"):
        venue.table(name)["below_e8"], venue.table(name)["above_e8"] = -NEVER, NEVER
    venue.table("spare")["constant"] = UNKNOWN
    account = venue.table("account")
    account["first_position"] = account["last_position"] = account["first_order"] = account["last_order"] = -1
    position = venue.table("position")
    count, index = len(venue.instruments), np.arange(len(position))
    position["account"], position["instrument"] = index // LEGS // count, index // LEGS % count
    position["leg"] = index % LEGS
    spot = np.array([i.kind == InstrumentKind.SPOT for i in venue.instruments])[position["instrument"]]
    position["scope"] = np.where(spot, int(MarginScope.ISOLATED), int(MarginScope.CROSS))
    position["leverage"] = np.where(spot, 1, venue.rules.default_leverage)
    position["next"] = position["previous"] = position["liquidation_version"] = -1
    chain(venue.table("order"), "next", 0)
    venue.table("order")["previous"] = -1
    return first_terms


def _fill_terms(venue: Filled) -> None:
    tier_row = 0
    for row, t in enumerate(t for rows in venue.terms for t in rows):
        r = venue.table("terms")[row]
        for name in t.__struct_fields__:
            if name in (DTYPES["terms"].names or ()):
                r[name] = getattr(t, name)
        r["tier_first"], r["tier_count"] = tier_row, len(t.tiers)
        for tier in t.tiers:
            venue.table("tier")[tier_row] = (min(tier.cap, NO_CAP), tier.rate_e8, tier.max_leverage, tier.cum)
            tier_row += 1


def _fill_instruments(venue: Filled) -> list[int]:
    first_terms, levels = [0], 0
    for i, (instrument, rows) in enumerate(zip(venue.instruments, venue.terms, strict=True)):
        ladder = venue.ladders.get(instrument.id)
        venue.table("contract")[i] = (
            instrument.tick_e8,
            instrument.lot_value,
            instrument.tick_e8 * instrument.lot_value // E8,
            int(instrument.method),
            int(instrument.daily_settled),
            next(k for k, pool in enumerate(venue.pools) if instrument.id in pool.instruments),
            levels,
            len(ladder.lots) if ladder else 0,
            ladder.heals if ladder else 0,
            int(venue.marked.get(instrument.id, 0)),
            int(instrument.kind == InstrumentKind.FUTURE),
            instrument.deliver_ns,
            0,
            int(instrument.kind == InstrumentKind.SPOT),
        )
        if ladder:
            levels = _fill_ladder(venue, ladder, levels)
        m = venue.table("market")[i]
        m["status"], m["phase"] = int(InstrumentStatus.TRADING), int(MarketPhase.OPEN)
        m["limit_low_e8"], m["limit_high_e8"] = -NO_LIMIT_E8, NO_LIMIT_E8
        m["deadline_ns"] = m["open_ns"] = m["closed_ns"] = -1
        m["terms"] = first_terms[i]
        first_terms.append(first_terms[i] + len(rows))
    return first_terms[:-1]


def _fill_ladder(venue: Filled, ladder: Ladder, first: int) -> int:
    end = first + len(ladder.lots)
    rows = venue.table("level")[first:end]
    rows["offset"], rows["upto"] = ladder.offsets, np.cumsum(ladder.lots)
    return end


def grow_orders(venue: HasTables) -> None:
    """Twice as many rows of ORDER."""
    old = len(venue.table("order"))
    lengthen(venue, "order", 2 * old)
    chain(venue.table("order"), "next", old)
    venue.table("order")["previous"][old:] = -1
    venue.head["free_order"] = old


def lengthen(venue: HasTables, name: str, rows: int) -> None:
    """Let a table have more rows, the new ones of zeros."""
    old = venue.table(name)
    table = record_table(DTYPES[name], rows)
    for field in DTYPES[name].names or ():
        table[field][: len(old)] = old[field]
    venue.own(name, table)


def chain(table: np.ndarray, field: str, first: int) -> None:
    """Link rows from one on as free ones, each by a field to the next."""
    table[field][first:] = np.arange(first + 1, len(table) + 1)
    if len(table) > first:
        table[field][-1] = -1
