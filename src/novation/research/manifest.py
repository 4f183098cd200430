"""What a run leaves behind: the exchange's events and samples, and the manifest that says what they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from novation._version import __version__
from novation.domain.commands import COMMAND_SCHEMA
from novation.domain.enums import EventKind, MarginMethod, MarketEventKind
from novation.domain.events import EVENT_SCHEMA
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import MARKET_SCHEMA
from novation.domain.units import asset_decimals, from_e8, iso
from novation.research.cautions import cautions
from novation.research.executions.known_prices import known_prices
from novation.research.finished import FinishedRun
from novation.trading.record import (
    MANIFEST_SCHEMA,
    TABLES,
    RunRecord,
    VenueRecord,
    events_of,
    manifest_digest,
    table_digest,
)
from novation.venues.venue import Venue

#: Market events that bring a mark.
_MARKING = [int(kind) for kind in (MarketEventKind.BAR_CLOSE, MarketEventKind.BAR_OPEN, MarketEventKind.FUNDING)]


def record_of(run: FinishedRun, settings: Mapping[str, Any]) -> RunRecord:
    """The record of a run. settings: what the user said, as plain values; they stand in the manifest as they are.

    Raises AssertionError where a ledger does not add up, which no run may do.
    """
    for name, venue in run.venues.items():
        gap = venue.totals().gap
        if gap:
            raise AssertionError(f"{name}: the ledger is off by {gap}; please report this")
    records = {name: _record(venue) for name, venue in run.venues.items()}
    last_ns = max(venue.clock_ns for venue in run.venues.values())
    manifest: dict[str, Any] = {
        "schema": MANIFEST_SCHEMA,
        "layouts": {"commands": COMMAND_SCHEMA, "events": EVENT_SCHEMA, "market": MARKET_SCHEMA},
        "version": __version__,
        "symbols": run.plan.symbols,
        "period": {"from_ns": run.first_ns, "to_ns": last_ns, "from": iso(run.first_ns), "to": iso(last_ns)},
        "bars": run.bars,
        "frames": run.plan.kind,
        **settings,
        "cautions": cautions(run),
        **({"slippage": [msgspec.to_builtins(used) for used in run.slippage]} if run.slippage else {}),
        "rounded": dict(run.broker.rounded),
        "rolls": [
            {
                "ts_ns": roll.ts_ns,
                "symbol": roll.symbol,
                "old": run.plan.plans[roll.symbol.split(":")[0]].instruments[roll.old].id,
                "new": roll.instrument.id,
                "lots": lots,
            }
            for roll, lots in run.rollover.done
        ],
        "reference": {"digest": run.reference.digest(), "used": list(run.reference.used())},
        "data": run.plan.digests,
        "venues": {
            name: _venue(venue, run.plan.plans[name].symbols, records[name]) for name, venue in run.venues.items()
        },
        "state_hash": _hash_of([venue.state_hash() for venue in run.venues.values()]),
    }
    return RunRecord({**manifest, "digest": manifest_digest(manifest)}, records)


def _record(venue: Venue) -> VenueRecord:
    events = events_of(venue.log or [])
    return VenueRecord(
        events=events,
        samples=venue.sampled("sample"),
        holdings=venue.sampled("holding"),
        prices=known_prices(venue.table("feed"), events, venue.clock_ns),
    )


def _venue(venue: Venue, symbols: Sequence[str], record: VenueRecord) -> dict[str, Any]:
    totals = venue.totals()
    return {
        "asset": venue.rules.asset,
        "decimals": asset_decimals(venue.rules.asset),
        "rules": {
            "call_policy": venue.rules.call_policy.name.lower(),
            "liquidation_target_e8": venue.rules.liquidation_target_e8,
            "deficit_to_fund": venue.rules.deficit_to_fund,
        },
        "state_hash": venue.state_hash(),
        "event_hash": venue.event_hash(),
        # profit not yet realised of account 0 in minor units, cut down
        "unrealised": str(venue.money(0)[1] - totals.wallets - totals.isolated),
        "totals": {field: str(getattr(totals, field)) for field in totals.__struct_fields__},
        "call_marks": _call_marks(venue, record.events),
        "tables": {table: table_digest(getattr(record, table)) for table in TABLES},
        "instruments": [
            _instrument(symbol, instrument, terms)
            for symbol, instrument, terms in zip(symbols, venue.instruments, venue.terms, strict=True)
        ],
    }


def _call_marks(venue: Venue, events: np.ndarray) -> dict[str, dict[str, list[int]]]:
    """The marks at which a margin call of a cross balance may have been made: sequence -> instrument -> the mark in
    force at the instant, and the least and greatest that the check of a closing bar's extremes took, all in 1e-8.

    A sample is taken where bars close, and of what is held after it; so it knows neither the marks of a call between
    two closes nor those of what was closed out since. Only instruments with tiered margin need a mark.
    """
    tiered = [i for i, instrument in enumerate(venue.instruments) if instrument.method == MarginMethod.TIERED]
    calls = events[(events["kind"] == EventKind.MARGIN_CALL) & (events["instrument"] < 0)]
    if not tiered or not len(calls):
        return {}
    feed = venue.table("feed")
    feed = feed[np.isin(feed["kind"], _MARKING) & (feed["mark_e8"] != 0)]
    marks: dict[str, dict[str, list[int]]] = {str(call): {} for call in calls["sequence"]}
    for index in tiered:
        rows = feed[feed["instrument"] == index]
        until = np.searchsorted(rows["ts_ns"], calls["ts_ns"], side="right")
        before = np.searchsorted(rows["ts_ns"], calls["ts_ns"], side="left")
        for call, first, last in zip(calls["sequence"], before, until, strict=True):
            if last:
                marks[str(call)][str(index)] = _marks_at(rows[:last], first)
    return marks


def _marks_at(rows: np.ndarray, first: int) -> list[int]:
    """[now, least, greatest] after `rows`, of which those from `first` on are of the instant itself."""
    now = int(rows["mark_e8"][-1])
    if first < len(rows) and rows["kind"][first] == MarketEventKind.BAR_CLOSE:
        return [now, int(rows["mark_low_e8"][first]), int(rows["mark_high_e8"][first])]
    before = int(rows["mark_e8"][first - 1]) if first else now
    return [now, before, before]


def _instrument(symbol: str, instrument: Instrument, terms: Sequence[Terms]) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "id": instrument.id,
        "tick_e8": instrument.tick_e8,
        "lot_e8": instrument.lot_e8,
        "multiplier_e8": instrument.multiplier_e8,
        "lot_value": instrument.lot_value,
        "tick": str(from_e8(instrument.tick_e8).normalize()),
        "kind": instrument.kind.name.lower(),
        "method": instrument.method.name.lower(),
        "daily_settled": instrument.daily_settled,
        "terms": [msgspec.to_builtins(row) for row in terms],
    }


def _hash_of(hashes: Sequence[str]) -> str:
    """One hash for a run: the venue's own, or BLAKE2b over several in order."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()
