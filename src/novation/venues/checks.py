"""What a venue refuses to be made of, and what it refuses in a feed: the first fault found, named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from novation.domain.account import InsurancePool
from novation.domain.assets import Asset
from novation.domain.book import MOST_LOTS, BookRules
from novation.domain.enums import (
    BarPath,
    HaltReason,
    InstrumentKind,
    InstrumentStatus,
    MarginMethod,
    MarketEventKind,
    MarketPhase,
    MarkRule,
    QueueModel,
)
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.flow import FLOW_DTYPE, FlowKind
from novation.domain.instruments import IN_FULL, Instrument, Terms
from novation.domain.liquidity import BarLiquidity, Ladder
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import BALANCE_BOUND, DIVISOR_BOUND, E8, NOTIONAL_BOUND, from_e8, iso
from novation.engine.book_orders import FURTHEST
from novation.engine.layout import BASIS_ROWS, NEVER_NS
from novation.venues.assets import check_assets, strange_rows
from novation.venues.bar_liquidity import wrong_rows
from novation.venues.venue_rules import VenueRules

#: Prices of a feed, and their bound.
_PRICES = [name for name in MARKET_DTYPE.names or () if name.startswith(("last_", "mark_"))]
_TOP_E8 = 1 << 53
_MARKS = [name for name in _PRICES if name.startswith("mark_")]
#: Statuses that a row can set; DELIVERED follows DELIVERING by itself.
_STATUSES = [status for status in InstrumentStatus if status != InstrumentStatus.DELIVERED]
#: ... and of what an INDEX row says: 11 million of price (`rules.premium`).
_INDEX_PRICES = ("index_e8", "bid_e8", "ask_e8", "impact_bid_e8", "impact_ask_e8")
_INDEX_TOP_E8 = (1 << 50) - 1
#: Intervals of funding: their stamps stand at the same hours of every day.
_INTERVALS = (1, 2, 3, 4, 6, 8, 12, 24)


class Made(Protocol):
    """What a venue is made of."""

    rules: VenueRules
    instruments: tuple[Instrument, ...]
    terms: tuple[tuple[Terms, ...], ...]
    pools: tuple[InsurancePool, ...]
    ladders: dict[str, Ladder]
    books: dict[str, BookRules]
    marked: dict[str, MarkRule]
    bar_liquidity: dict[str, BarLiquidity]
    assets: tuple[Asset, ...]
    first_terms: list[int]

    @property
    def clock_ns(self) -> int: ...


def by_id(given: Any, source: str, kind: type | None = None) -> dict[str, Any]:
    """What is given by id of an instrument; refuse what is not, or another kind of thing."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInput("is by id of an instrument: a dict", source=source, value=given)
    for id, value in given.items():
        if kind is not None and not isinstance(value, kind):
            raise InvalidInput(f"is no {kind.__name__}", source=source, where=str(id), value=value)
    return dict(given)


def check_venue(venue: Made, accounts: int) -> None:
    """Refuse what a venue cannot be made of."""
    if accounts < 1:
        raise InvalidInput("a venue needs at least one account", source="accounts", value=accounts)
    if len(venue.terms) != len(venue.instruments) or not venue.instruments:
        raise InvalidInput("each instrument needs its rows of terms", source=venue.rules.name)
    for instrument, rows in zip(venue.instruments, venue.terms, strict=True):
        if instrument.asset != venue.rules.asset:
            raise InvalidInput(f"settles in {instrument.asset}, the venue in {venue.rules.asset}", source=instrument.id)
        if not rows:
            raise InvalidInput("no terms given", source=instrument.id)
        tick_value = instrument.tick_e8 * instrument.lot_value // E8
        if instrument.lot_value >= NOTIONAL_BOUND or tick_value >= DIVISOR_BOUND:
            raise InvalidInput("one tick of one lot is worth too much to count", source=instrument.id, value=tick_value)
        for row in rows:
            if instrument.method == MarginMethod.TIERED and not row.tiers:
                raise InvalidInput("tiered margin without brackets", source=instrument.id)
            for tier in row.tiers:
                if not 0 <= tier.rate_e8 <= E8:  # above 1, a long's profit less maintenance would fall as it rises
                    raise InvalidInput(
                        "a bracket's maintenance rate is between 0 and 1",
                        source=instrument.id,
                        value=str(from_e8(tier.rate_e8)),
                    )

    _check_spot(venue)
    _check_marked(venue)
    for instrument in venue.instruments:
        pools = [pool.name for pool in venue.pools if instrument.id in pool.instruments]
        if len(pools) != 1:
            named = ", ".join(pools) or "none"
            raise InvalidInput(f"stands in one insurance pool, not in: {named}", source=instrument.id)
    for source, names in (("ladder", venue.ladders), ("book", venue.books)):
        for name in names:
            if name not in [instrument.id for instrument in venue.instruments]:
                raise InvalidInput("no such instrument trades here", source=source, value=name)
    for name, rules in venue.books.items():
        if name in venue.ladders:
            raise InvalidInput(
                "has a ladder as well; an instrument trades on one of the two", source="book", value=name
            )
        for account, _ in rules.lead_makers:
            if not 0 <= account < accounts:
                raise InvalidInput("a lead maker is no account of the venue", source=f"book {name}", value=account)
    check_assets(venue.rules.asset, venue.assets)
    for pool in venue.pools:
        if not 0 <= pool.balance <= BALANCE_BOUND:
            raise InvalidInput("a fund begins with 0 to 2**60", source=f"pool {pool.name}", value=pool.balance)


def _check_spot(venue: Made) -> None:
    """Refuse what does not go with instruments that are bought in full (docs/rules/spot.md)."""
    spot = [instrument for instrument in venue.instruments if instrument.kind == InstrumentKind.SPOT]
    if not spot:
        return
    first = spot[0].id
    if len(spot) < len(venue.instruments):
        other = next(i.id for i in venue.instruments if i.kind != InstrumentKind.SPOT)
        hint = "Make two venues."
        raise InvalidInput("is spot, whose wallet is apart from that of futures", source=first, value=other, hint=hint)
    if len(venue.assets) > 1:
        raise InvalidInput("spot is paid in one asset", source="assets", value=venue.assets[1].name)
    if venue.rules.hedge_mode:
        raise InvalidInput("is spot, of which one position is held: no hedge mode", source=first, where="rules")
    for instrument, rows in zip(venue.instruments, venue.terms, strict=True):
        for name, given in (("book", venue.books), ("marked", venue.marked)):
            if instrument.id in given:
                raise InvalidInput(
                    "spot trades on bars or a ladder, at the last price", source=name, value=instrument.id
                )
        if instrument.daily_settled or instrument.method != MarginMethod.TIERED:
            raise InvalidInput("is spot, which is neither settled daily nor margined", source=instrument.id)
        for row in rows:
            if row.tiers != IN_FULL:
                raise InvalidInput("is bought in full: its terms have the bracket IN_FULL alone", source=instrument.id)
            if row.fee_per_lot or row.liquidation_fee_e8:
                raise InvalidInput("pays a share of what is traded, and no other fee", source=instrument.id)


def _check_marked(venue: Made) -> None:
    """Refuse rules that do not say how the venue is to mark, fund or deliver what it has to."""
    ids = {instrument.id for instrument in venue.instruments}
    for name in venue.marked:
        if name not in ids:
            raise InvalidInput("no instrument of the venue", source="marked", value=name)
    for instrument, rows in zip(venue.instruments, venue.terms, strict=True):
        if not 0 <= instrument.deliver_ns < NEVER_NS or (
            instrument.deliver_ns and instrument.kind != InstrumentKind.FUTURE
        ):
            raise InvalidInput("a future is delivered, at an instant", source=instrument.id, where="deliver_ns")
        # A daily-settled future ends at a price that is given, so no samples need be taken.
        sampled = instrument.deliver_ns and not instrument.daily_settled
        for t in rows:
            checks = [
                ("delivery_seconds", 1 <= t.delivery_seconds <= 3_600 or not sampled),
                ("delivery_fee_e8", 0 <= t.delivery_fee_e8 <= E8),
            ]
            if instrument.id in venue.marked:
                checks.append(("basis_seconds", 1 <= t.basis_seconds <= BASIS_ROWS))
                if instrument.kind == InstrumentKind.PERPETUAL:
                    checks += [
                        ("margin method", instrument.method == MarginMethod.TIERED),
                        ("funding_interval_hours", t.funding_interval_hours in _INTERVALS),
                        ("funding_floor_e8", -E8 <= t.funding_floor_e8 < t.funding_cap_e8),
                        ("funding_cap_e8", t.funding_cap_e8 <= E8),
                        ("interest_e8", abs(t.interest_e8) <= E8),
                        ("funding_clamp_e8", 0 <= t.funding_clamp_e8 <= E8),
                        ("impact_base", 0 <= t.impact_base < BALANCE_BOUND // 1_000),
                        ("quiet_needed", 0 <= t.quiet_needed < 1 << 30),
                        ("quiet_hours", t.quiet_hours in _INTERVALS or not t.quiet_needed),
                    ]
            for name, holds in checks:
                if not holds:
                    value = getattr(t, name, None)
                    problem = "the venue marks, funds or delivers this instrument, and its terms do not say how"
                    raise InvalidInput(problem, source=instrument.id, where=name, value=value)


def check_feed(venue: Made, feed: np.ndarray) -> None:
    """Refuse rows that are none, or that this venue cannot meet. feed: array of `MARKET_DTYPE`."""
    known = {"kind": list(MarketEventKind), "instrument": range(len(venue.instruments))}
    for name, values in known.items():
        strange = np.flatnonzero(~np.isin(feed[name], values))
        if len(strange):
            row = int(strange[0])
            raise VenueError(f"{venue.rules.name}: row {row} of the feed has {name} {int(feed[name][row])}")
    first = np.array(venue.first_terms, np.int64)[feed["instrument"]]
    count = np.array([len(rows) for rows in venue.terms], np.int64)[feed["instrument"]]
    laddered = np.array([i.id in venue.ladders for i in venue.instruments])[feed["instrument"]]
    booked = np.array([i.id in venue.books for i in venue.instruments])[feed["instrument"]]
    tiered = np.array([i.method == MarginMethod.TIERED for i in venue.instruments])[feed["instrument"]]
    foreign = (feed["terms"] < first) | (feed["terms"] >= first + count)
    for wrong, what in (
        ((feed["kind"] == MarketEventKind.BAR_CLOSE) & laddered, "closes a bar of an instrument on a ladder"),
        ((feed["kind"] == MarketEventKind.BAR_OPEN) & booked, "opens a bar of an instrument on a book"),
        ((feed["kind"] == MarketEventKind.MARK) & ~booked, "brings a mark by itself of an instrument without a book"),
        ((feed["kind"] == MarketEventKind.MARK) & (feed["mark_e8"] == 0), "has no mark"),
        ((feed["kind"] == MarketEventKind.TERMS) & foreign, "names terms that are not its instrument's"),
        (np.abs(feed["rate_e8"]) > E8, "has a funding rate beyond 100 %"),
        (feed["trade_date"] < 0, "has a negative trade date"),
        (
            strange_rows(venue.assets, feed),
            "names no asset, no row of its rules, or an index out of bounds",
        ),
        (
            tiered & (feed["kind"] != MarketEventKind.LIMITS) & np.any([feed[name] < 0 for name in _PRICES], axis=0),
            "has a price below zero of an instrument with brackets",
        ),
        (np.any([np.abs(feed[name]) > _TOP_E8 for name in _PRICES], axis=0), "has a price beyond 2**53 in 1e-8"),
        *_wrong_spot(venue, feed),
        *_wrong_phase(venue, feed),
        *_wrong_index(venue, feed),
        *wrong_rows(feed, venue.bar_liquidity, venue.instruments),
    ):
        if wrong.any():
            raise VenueError(f"{venue.rules.name}: row {int(np.argmax(wrong))} of the feed {what}")


def check_flow(venue: Made, instrument: int, rows: np.ndarray, slots: int, by_fills: bool) -> None:
    """Refuse rows of a flow that are none, or that a book of orders cannot replay; `data.flow.check` tells whether the
    record is possible."""
    name = venue.instruments[instrument].id
    if venue.books[name].velocity or venue.books[name].stop_logic:
        raise VenueError(f"{name}: a record has its own halts: its book has no velocity and no stop logic")
    if rows.dtype != FLOW_DTYPE:
        raise VenueError("a flow is an array of domain.flow.FLOW_DTYPE")
    standing = np.isin(rows["kind"], (FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL))
    set_anew = np.isin(rows["kind"], (FlowKind.ADD, FlowKind.AMEND))
    ts_ns = rows["ts_ns"]
    top = _TOP_E8 // venue.instruments[instrument].tick_e8
    level, neither = rows["kind"] == FlowKind.LEVEL, np.isin(rows["kind"], (FlowKind.CLEAR, FlowKind.TRADE))
    set_anew |= level
    first = rows["price_ticks"][set_anew][0] if set_anew.any() else 0
    stated = level | (rows["kind"] == FlowKind.TOP)
    for wrong, what in (
        (~(standing | stated | neither), "is of no kind of a flow"),
        (stated & standing.any(), "tells a level among rows of orders"),
        (stated & by_fills, "tells a level, and levels have no fills of orders to go by"),
        (rows["lots"] < 0, "has lots below zero"),
        (standing & ((rows["order"] < 0) | (rows["order"] >= slots)), f"names an order that is none of {slots} slots"),
        ((standing | (rows["kind"] == FlowKind.TRADE)) & (rows["lots"] <= 0), "has no lots"),
        (rows["lots"] > MOST_LOTS, "has more than 2**50 lots"),
        (set_anew & ~np.isin(rows["side"], (1, -1)), "names no side"),
        (np.abs(rows["price_ticks"]) > top, "has a price beyond 2**53 in 1e-8"),
        (np.diff(ts_ns, prepend=ts_ns[:1]) < 0, "lies before the row ahead of it"),
        (set_anew & (np.abs(rows["price_ticks"] - first) > FURTHEST), "has a price far from the first"),
        (ts_ns < venue.clock_ns, f"lies before the clock, {iso(venue.clock_ns)}"),
    ):
        if wrong.any():
            raise VenueError(f"{name}: row {int(np.argmax(wrong))} of the flow {what}")


def _wrong_spot(venue: Made, feed: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """What is wrong with rows of instruments that are bought in full: they are worth their last price, above zero."""
    spot = np.array([i.kind == InstrumentKind.SPOT for i in venue.instruments])[feed["instrument"]]
    if not spot.any():
        return
    bars = {
        MarketEventKind.BAR_OPEN: ("last_e8", "mark_e8"),
        MarketEventKind.BAR_CLOSE: ("last_e8", "mark_e8", "last_low_e8", "mark_low_e8", "last_high_e8", "mark_high_e8"),
    }
    for kind, fields in bars.items():
        rows = spot & (feed["kind"] == kind)
        for last, mark in zip(fields[::2], fields[1::2], strict=True):
            yield rows & (feed[last] <= 0), "has no price of what is bought in full"
            yield rows & (feed[last] != feed[mark]), "has a mark of spot that is not its last price"
    others = ~np.isin(feed["kind"], (*bars, MarketEventKind.TERMS, MarketEventKind.LIQUIDITY, MarketEventKind.STATUS))
    yield spot & others & (feed["kind"] != MarketEventKind.ASSET_INDEX), "is of futures, and its instrument is spot"


def _wrong_phase(venue: Made, feed: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """What is wrong with rows of phases and price limits."""
    phase = np.isin(feed["kind"], (MarketEventKind.HALT, MarketEventKind.PHASE))
    limits = feed["kind"] == MarketEventKind.LIMITS
    if not phase.any() and not limits.any():
        return
    daily = np.array([i.daily_settled for i in venue.instruments])[feed["instrument"]]
    booked = np.array([i.id in venue.books for i in venue.instruments])[feed["instrument"]]
    yield (phase | limits) & ~daily & ~booked, "has a phase or price limits of an instrument that trades at all hours"
    laddered = np.array([i.id in venue.ladders for i in venue.instruments])[feed["instrument"]]
    yield limits & laddered, "has price limits of an instrument on a ladder, which knows none"
    yield phase & ~np.isin(feed["status"], list(MarketPhase)), "names no phase"
    yield phase & ~np.isin(feed["terms"], list(HaltReason)), "names no reason of a halt"
    yield phase & (feed["status"] == MarketPhase.OPEN) & (feed["terms"] != 0), "opens a market that it halts"
    yield limits & ~np.isin(feed["status"], (0, 1)), "says neither 0 nor 1 to orders beyond its limits"
    yield limits & (feed["last_low_e8"] > feed["last_high_e8"]), "has a lowest price above its highest"


def _wrong_index(venue: Made, feed: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """What is wrong with rows of index and status, and with marks of instruments that the venue marks itvenue."""
    index, status = feed["kind"] == MarketEventKind.INDEX, feed["kind"] == MarketEventKind.STATUS
    if not venue.marked and not index.any() and not status.any():
        return
    marked = np.array([i.id in venue.marked for i in venue.instruments])[feed["instrument"]]
    delivered = np.array([i.deliver_ns != 0 for i in venue.instruments])[feed["instrument"]]
    brought = (feed["kind"] == MarketEventKind.FUNDING) | np.any([feed[name] != 0 for name in _MARKS], axis=0)
    yield marked & brought, "brings a mark or a rate of an instrument that the venue marks itself"
    yield index & ~(marked | delivered), "has an index of an instrument that is neither marked nor delivered"
    yield index & (feed["index_e8"] <= 0), "has no index"
    # What a daily-settled future ends at may lie below zero, as its marks may.
    daily = np.array([i.daily_settled for i in venue.instruments])[feed["instrument"]]
    least = {"index_e8": np.where(status & daily, -_INDEX_TOP_E8, 0)}
    strange = np.any(
        [(feed[name] < least.get(name, 0)) | (feed[name] > _INDEX_TOP_E8) for name in _INDEX_PRICES], axis=0
    )
    yield strange, "has an index, or a price beside it, that is negative or not below 2**50 in 1e-8"
    yield status & ~np.isin(feed["status"], _STATUSES), "names no status that can be set"
    ends = status & (feed["status"] == InstrumentStatus.DELIVERING)
    yield ends & ~delivered, "delivers an instrument without a delivery time"
    due = np.array([i.deliver_ns for i in venue.instruments])[feed["instrument"]]
    yield ends & (feed["ts_ns"] < due), "delivers an instrument before its delivery time"


def bar_path_of(given: BarPath | str) -> BarPath:
    """A path inside a bar by itself or by its name in small letters."""
    names = {path.name.lower(): path for path in BarPath}
    if isinstance(given, str) and given in names:
        return names[given]
    if given not in list(BarPath):
        raise InvalidInput(f"is one of {', '.join(names)}", source="bar_path", value=given)
    return BarPath(given)


def queue_model(given: QueueModel | str, rows: np.ndarray) -> QueueModel:
    """A queue model by itself or by name; "mbo" and "mbp" are the plan's words for exact and estimated queues."""
    if isinstance(given, QueueModel):
        return given
    names = {model.name.lower(): model for model in QueueModel} | {"mbp": QueueModel.BACK, "mbo": QueueModel.BACK}
    if given not in names:
        raise InvalidInput(f"is one of {', '.join(names)}", source="queue", value=given)
    if given == "mbo" and np.isin(rows["kind"], (int(FlowKind.LEVEL), int(FlowKind.TOP))).any():
        raise InvalidInput(
            "the flow is of levels, whose queues are estimated", source="queue", value=given, hint='"mbp", or a model.'
        )
    return names[given]
