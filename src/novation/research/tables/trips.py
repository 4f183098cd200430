"""Tables whose rows are put together from several events: round trips and rolls."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from novation.domain.units import E8
from novation.research.tables.happenings import UTC, deliveries, fills
from novation.trading.record import RunRecord
from novation.trading.rollover import ROLL_WAIT_NS

_ROLL_WAIT = dt.timedelta(microseconds=ROLL_WAIT_NS // 1_000)


def trades(record: RunRecord) -> pl.DataFrame:
    """Round trips by contract, in hedge mode by position: from flat to flat (or through zero), with what the trip
    earned before fees.

    `sequence` is of the fill, or of the delivery, that ended the trip.
    """
    out: list[dict[str, Any]] = []
    open_trips: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    values = {
        i["id"]: i["multiplier_e8"] / E8 for venue in record.manifest["venues"].values() for i in venue["instruments"]
    }
    for row in _changes(record):
        key = (row["venue"], row["contract"], row["position_side"])
        before, change = row["position"] - row["qty"], row["qty"]
        left = change
        trip = open_trips.get(key)
        if trip is not None and before * change < 0:
            closing = min(abs(before), abs(change)) * (1 if change > 0 else -1)
            trip["cash"] -= closing * row["price"] * values[row["contract"]]
            trip["fee"] += row["fee"] * abs(closing / change)
            left = change - closing
            if abs(before) <= abs(change):
                out.append(_trip(trip, row))
                del open_trips[key]
                trip = None
        if left:
            trip = open_trips.setdefault(
                key,
                {
                    "ts": row["ts"],
                    "symbol": row["symbol"],
                    "contract": row["contract"],
                    "side": "long" if left > 0 else "short",
                    "qty": 0.0,
                    "cash": 0.0,
                    "fee": 0.0,
                    "currency": row["currency"],
                    "_entry": 0.0,
                },
            )
            trip["qty"] += abs(left)
            trip["_entry"] += abs(left) * row["price"]
            trip["cash"] -= left * row["price"] * values[row["contract"]]
            trip["fee"] += row["fee"] * abs(left / change)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "opened": UTC,
        "closed": UTC,
        "symbol": pl.String,
        "contract": pl.String,
        "side": pl.String,
        "qty": pl.Float64,
        "entry": pl.Float64,
        "exit": pl.Float64,
        "profit": pl.Float64,
        "fee": pl.Float64,
        "currency": pl.String,
        "liquidation": pl.Boolean,
        "venue": pl.String,
        "sequence": pl.Int64,
    }
    return pl.DataFrame(out, schema=schema)


def _changes(record: RunRecord) -> list[dict[str, Any]]:
    """Fills, and deliveries as the fills that they amount to, in their order at each venue."""
    changes = list(fills(record).iter_rows(named=True))
    for row in deliveries(record).iter_rows(named=True):
        changes.append({**row, "qty": -row["position"], "position": 0.0, "liquidation": False})
    venues = list(record.venues)
    return sorted(changes, key=lambda row: (venues.index(row["venue"]), row["sequence"]))


def _trip(trip: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    return {
        "opened": trip["ts"],
        "closed": last["ts"],
        "symbol": trip["symbol"],
        "contract": trip["contract"],
        "side": trip["side"],
        "qty": trip["qty"],
        "entry": trip["_entry"] / trip["qty"],
        "exit": last["price"],
        "profit": trip["cash"],
        "fee": trip["fee"],
        "currency": trip["currency"],
        "liquidation": last["liquidation"],
        "venue": last["venue"],
        "sequence": last["sequence"],
    }


def rolls(record: RunRecord) -> pl.DataFrame:
    """Rolls of held positions and of empty ones: both contracts and the prices both legs traded at, of one time unless
    a market was closed or halted then.

    `sequence` is of the fill of the new contract, else of the old one's; null where nothing was traded.
    """
    traded: dict[str, list[dict[str, Any]]] = {}
    for row in fills(record).iter_rows(named=True):
        traded.setdefault(row["contract"], []).append(row)

    def leg_of(contract: str, since: dt.datetime) -> dict[str, Any] | None:
        """The first trade of a contract from a roll on, a long weekend later at most."""
        later = (row for row in traded.get(contract, ()) if since <= row["ts"] <= since + _ROLL_WAIT)
        return next(later, None)

    lots = {i["id"]: i["lot_e8"] / E8 for venue in record.manifest["venues"].values() for i in venue["instruments"]}
    rows = []
    for roll in record.manifest["rolls"]:
        ts = pl.Series([roll["ts_ns"]]).cast(UTC)[0]
        legs = [leg_of(roll[leg], ts) for leg in ("old", "new")]
        old, new = (leg["price"] if leg is not None else None for leg in legs)
        behind = legs[1] or legs[0]
        rows.append(
            {
                "ts": ts,
                "symbol": roll["symbol"],
                "old": roll["old"],
                "new": roll["new"],
                "qty": roll["lots"] * lots[roll["new"]],
                "price_old": old,
                "price_new": new,
                "spread": new - old if old is not None and new is not None else None,
                "venue": roll["symbol"].partition(":")[0],
                "sequence": behind["sequence"] if behind is not None else None,
            }
        )
    return pl.DataFrame(
        rows,
        schema={
            "ts": UTC,
            "symbol": pl.String,
            "old": pl.String,
            "new": pl.String,
            "qty": pl.Float64,
            "price_old": pl.Float64,
            "price_new": pl.Float64,
            "spread": pl.Float64,
            "venue": pl.String,
            "sequence": pl.Int64,
        },
    )
