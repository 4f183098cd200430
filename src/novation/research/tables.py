"""Tables of a run, made of its exact events.

Every table of happenings has `ts` (UTC), `symbol` (as traded), `contract`, and `venue` with `sequence`, which name the
event behind the row. Sizes are signed, prices and money are floats with a `currency` column; the exact integers are in
`ledger` and `events`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from novation.domain.enums import CancelReason, EventKind, RejectReason
from novation.domain.events import ISOLATED, LIQUIDATED, MAKER
from novation.domain.units import E8
from novation.trading.record import RunRecord, frame

_UTC = pl.Datetime("ns", "UTC")


def base(record: RunRecord, *kinds: EventKind) -> pl.DataFrame:
    """The events of some kinds over all venues, with their instruments' numbers joined."""
    parts = []
    for name, venue in record.venues.items():
        about = record.manifest["venues"][name]
        instruments = pl.DataFrame(
            {
                "instrument": list(range(len(about["instruments"]))),
                "symbol": [i["symbol"] for i in about["instruments"]],
                "contract": [i["id"] for i in about["instruments"]],
                "_lot": [i["lot_e8"] for i in about["instruments"]],
                "_tick": [i["tick_e8"] for i in about["instruments"]],
                "_value": [i["lot_value"] for i in about["instruments"]],
            },
            schema={
                "instrument": pl.Int64,
                "symbol": pl.String,
                "contract": pl.String,
                "_lot": pl.Int64,
                "_tick": pl.Int64,
                "_value": pl.Int64,
            },
        )
        events = frame(venue.events).filter(pl.col("kind").is_in([int(kind) for kind in kinds]))
        parts.append(
            events.join(instruments, on="instrument", how="left", maintain_order="left").with_columns(
                venue=pl.lit(name),
                currency=pl.lit(about["asset"]),
                _scale=_column(events.height, 10.0 ** about["decimals"]),
                _e8=_column(events.height, float(E8)),
                ts=pl.col("ts_ns").cast(_UTC),
            )
        )
    return pl.concat(parts).sort("ts_ns", maintain_order=True)


_QTY = (pl.col("lots") * pl.col("_lot") / pl.col("_e8")).alias("qty")
_PRICE = (pl.col("price_ticks") * pl.col("_tick") / pl.col("_e8")).alias("price")
_MARK = pl.when(pl.col("instrument") >= 0).then(pl.col("price_e8") / pl.col("_e8")).alias("mark")
_KEY = ("venue", "sequence")


def _column(rows: int, value: float) -> pl.Series:
    """A full column of one number: division by a column is exact, by a literal it is multiplied by the inverse."""
    return pl.Series(np.full(rows, value))


def _money(column: str, name: str | None = None) -> pl.Expr:
    return (pl.col(column) / pl.col("_scale")).alias(name or column)


def fills(record: RunRecord) -> pl.DataFrame:
    """Trades: signed qty, price, fee, realised profit, position after."""
    return base(record, EventKind.FILL).select(
        "ts",
        "symbol",
        "contract",
        "order",
        _QTY,
        _PRICE,
        _money("fee"),
        _money("amount", "realised"),
        (pl.col("position_lots") * pl.col("_lot") / pl.col("_e8")).alias("position"),
        "currency",
        ((pl.col("flags") & MAKER) > 0).alias("maker"),
        ((pl.col("flags") & LIQUIDATED) > 0).alias("liquidation"),
        *_KEY,
    )


def funding(record: RunRecord) -> pl.DataFrame:
    """Funding payments: received > 0."""
    return base(record, EventKind.FUNDING).select(
        "ts",
        "symbol",
        (pl.col("rate_e8") / pl.col("_e8")).alias("rate"),
        _MARK,
        _QTY.alias("position"),
        _money("amount"),
        "currency",
        *_KEY,
    )


def settlements(record: RunRecord) -> pl.DataFrame:
    """Variation margin by contract and day."""
    return base(record, EventKind.SETTLEMENT).select(
        "ts", "symbol", "contract", _QTY.alias("position"), _PRICE, _money("amount"), "currency", *_KEY
    )


def fees(record: RunRecord) -> pl.DataFrame:
    """Fees charged, by trade; clearance fees of liquidations apart."""
    return (
        base(record, EventKind.FILL, EventKind.LIQUIDATION)
        .filter(pl.col("fee") != 0)
        .select(
            "ts",
            "symbol",
            "contract",
            pl.when(pl.col("kind") == int(EventKind.LIQUIDATION))
            .then(pl.lit("clearance"))
            .when((pl.col("flags") & MAKER) > 0)
            .then(pl.lit("maker"))
            .otherwise(pl.lit("taker"))
            .alias("kind"),
            _money("fee"),
            "currency",
            *_KEY,
        )
    )


def margin_calls(record: RunRecord) -> pl.DataFrame:
    """Margin calls; without a symbol the whole cross balance was called."""
    return base(record, EventKind.MARGIN_CALL).select(
        "ts",
        "symbol",
        _QTY.alias("position"),
        _MARK,
        _money("equity"),
        _money("maintenance"),
        _money("amount", "missing"),
        "currency",
        *_KEY,
    )


def liquidations(record: RunRecord) -> pl.DataFrame:
    """Positions the exchange closed."""
    return base(record, EventKind.LIQUIDATION).select(
        "ts",
        "symbol",
        "contract",
        _QTY,
        _MARK,
        _PRICE,
        _money("equity"),
        _money("maintenance"),
        _money("amount", "realised"),
        _money("fee"),
        "currency",
        ((pl.col("flags") & ISOLATED) > 0).alias("isolated"),
        *_KEY,
    )


def refusals(record: RunRecord) -> pl.DataFrame:
    """What the exchange refused, and accepted orders it later could not carry out, with the reason."""
    names = {int(reason): reason.name for reason in RejectReason}
    cancels = {
        int(reason): reason.name
        for reason in CancelReason
        if reason not in (CancelReason.REQUESTED, CancelReason.LIQUIDATION)
    }
    events = base(record, EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED, EventKind.ORDER_CANCELLED)
    cancelled = pl.col("kind") == int(EventKind.ORDER_CANCELLED)
    events = events.filter(~cancelled | pl.col("reason").is_in(list(cancels)))
    return events.select(
        "ts",
        "symbol",
        "order",
        _QTY,
        _PRICE,
        pl.when(cancelled)
        .then(pl.col("reason").replace_strict(cancels, default="", return_dtype=pl.String))
        .otherwise(pl.col("reason").replace_strict(names, default="", return_dtype=pl.String))
        .alias("reason"),
        pl.col("amount").alias("value"),
        pl.col("cost").alias("limit"),
        *_KEY,
    )


def orders(record: RunRecord) -> pl.DataFrame:
    """Every order sent: when, what, and what became of it."""
    placed = base(record, EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED).select(
        "venue",
        "order",
        "ts",
        "symbol",
        "contract",
        _QTY,
        pl.when(pl.col("price_ticks") == 0).then(None).otherwise(_PRICE).alias("price"),
        (pl.col("kind") == int(EventKind.ORDER_REJECTED)).alias("_rejected"),
        "sequence",
    )
    ended = (
        base(record, EventKind.FILL, EventKind.ORDER_CANCELLED)
        .filter(pl.col("order") > 0)
        .select(
            "venue",
            "order",
            pl.col("ts").alias("done"),
            (pl.col("kind") == int(EventKind.FILL)).alias("_filled"),
        )
    )
    return placed.join(ended, on=["venue", "order"], how="left", maintain_order="left").select(
        "ts",
        "symbol",
        "contract",
        "order",
        _side(),
        pl.col("qty").abs(),
        "price",
        pl.when("_rejected")
        .then(pl.lit("rejected"))
        .when("_filled")
        .then(pl.lit("filled"))
        .when(pl.col("_filled").is_not_null())
        .then(pl.lit("cancelled"))
        .otherwise(pl.lit("open"))
        .alias("status"),
        "done",
        "venue",
        "sequence",
    )


def _side() -> pl.Expr:
    return pl.when(pl.col("qty") > 0).then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side")


def ledger(record: RunRecord) -> pl.DataFrame:
    """Every booking as exact integers of minor units: what it did to the account, and where the other side is."""
    kinds = {
        int(kind): kind.name.lower()
        for kind in (
            EventKind.FILL,
            EventKind.FUNDING,
            EventKind.SETTLEMENT,
            EventKind.LIQUIDATION,
            EventKind.INSURANCE,
            EventKind.TRANSFER,
        )
    }
    events = base(record, *(EventKind(kind) for kind in kinds))
    fee = (
        pl.when(pl.col("kind").is_in([int(EventKind.FILL), int(EventKind.LIQUIDATION)]))
        .then(pl.col("fee"))
        .otherwise(0)
    )
    # a LIQUIDATION repeats the realised profit of its FILL; only the clearance fee is its own booking
    amount = pl.when(pl.col("kind") == int(EventKind.LIQUIDATION)).then(0).otherwise(pl.col("amount"))
    return events.select(
        "ts",
        "symbol",
        pl.col("kind").replace_strict(kinds, return_dtype=pl.String).alias("booking"),
        amount.alias("amount"),
        (-fee).alias("fee"),
        (amount - fee).alias("change"),
        "currency",
        *_KEY,
    )


def equity(record: RunRecord) -> pl.DataFrame:
    """Money at every bar's close, by currency."""
    parts = []
    for name, venue in record.venues.items():
        about = record.manifest["venues"][name]
        scale = 10.0 ** about["decimals"]
        parts.append(
            frame(venue.samples).select(
                pl.col("ts_ns").cast(_UTC).alias("ts"),
                ((pl.col("wallet") + pl.col("isolated") + pl.col("unrealised")) / scale).alias("equity"),
                ((pl.col("wallet") + pl.col("isolated")) / scale).alias("wallet"),
                (pl.col("unrealised") / scale).alias("unrealised"),
                (pl.col("initial") / scale).alias("margin_used"),
                (pl.col("maintenance") / scale).alias("maintenance"),
                deposits=pl.lit(int(about["totals"]["deposits"]) / scale),
                currency=pl.lit(about["asset"]),
            )
        )
    return with_ratios(pl.concat(parts))


def with_ratios(table: pl.DataFrame) -> pl.DataFrame:
    """Adds margin_ratio (equity over maintenance, null without maintenance) and drawdown (0 .. 1, from the peak, which
    begins at the deposits)."""
    peak = pl.max_horizontal(pl.col("equity").cum_max(), "deposits")
    return table.with_columns(
        margin_ratio=pl.when(pl.col("maintenance") > 0).then(pl.col("equity") / pl.col("maintenance")),
        drawdown=(1.0 - pl.col("equity") / peak).over("currency"),
    ).select(
        "ts",
        "equity",
        "wallet",
        "unrealised",
        "margin_used",
        "maintenance",
        "margin_ratio",
        "drawdown",
        "currency",
    )


def positions(record: RunRecord) -> pl.DataFrame:
    """Open positions at every bar's close: mark and its extremes in the bar, liquidation price, distance to it."""
    parts = []
    for name, venue in record.venues.items():
        about = record.manifest["venues"][name]
        scale = 10.0 ** about["decimals"]
        held = frame(venue.holdings)
        held = held.with_columns(_e8=_column(held.height, float(E8)))
        instruments = pl.DataFrame(
            {
                "instrument": list(range(len(about["instruments"]))),
                "symbol": [i["symbol"] for i in about["instruments"]],
                "contract": [i["id"] for i in about["instruments"]],
                "_lot": [i["lot_e8"] for i in about["instruments"]],
                "_value": [float(i["lot_value"]) for i in about["instruments"]],
            }
        )
        adverse = pl.when(pl.col("lots") > 0).then(pl.col("mark_low_e8")).otherwise(pl.col("mark_high_e8"))
        parts.append(
            held.join(instruments, on="instrument", how="left", maintain_order="left").select(
                pl.col("ts_ns").cast(_UTC).alias("ts"),
                "symbol",
                "contract",
                _QTY,
                (pl.col("cost") / (pl.col("lots") * pl.col("_value"))).alias("entry"),
                (pl.col("mark_e8") / pl.col("_e8")).alias("mark"),
                (pl.col("mark_low_e8") / pl.col("_e8")).alias("mark_low"),
                (pl.col("mark_high_e8") / pl.col("_e8")).alias("mark_high"),
                pl.when(pl.col("liquidation_e8") > 0)
                .then(pl.col("liquidation_e8") / pl.col("_e8"))
                .alias("liquidation"),
                pl.when(pl.col("liquidation_e8") > 0)
                .then((adverse - pl.col("liquidation_e8")) / adverse * pl.col("lots").sign())
                .alias("distance"),
                (pl.col("unrealised") / scale).alias("unrealised"),
                (pl.col("margin") / scale).alias("isolated_margin"),
                (pl.col("maintenance") / scale).alias("maintenance"),
                currency=pl.lit(about["asset"]),
            )
        )
    return pl.concat(parts)


def trades(record: RunRecord) -> pl.DataFrame:
    """Round trips by contract: from flat to flat (or through zero), with what the trip earned before fees."""
    out: list[dict[str, Any]] = []
    open_trips: dict[tuple[str, str], dict[str, Any]] = {}
    values = {
        i["id"]: i["multiplier_e8"] / E8 for venue in record.manifest["venues"].values() for i in venue["instruments"]
    }
    for row in fills(record).iter_rows(named=True):
        key = (row["venue"], row["contract"])
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
        "opened": _UTC,
        "closed": _UTC,
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
    }
    return pl.DataFrame(out, schema=schema)


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
    }


def rolls(record: RunRecord) -> pl.DataFrame:
    """Rolls of held positions and of empty ones: both contracts and the same-time prices both legs traded at."""
    traded = {(row["contract"], row["ts"]): row["price"] for row in fills(record).iter_rows(named=True)}
    lots = {i["id"]: i["lot_e8"] / E8 for venue in record.manifest["venues"].values() for i in venue["instruments"]}
    rows = []
    for roll in record.manifest["rolls"]:
        ts = pl.Series([roll["ts_ns"]]).cast(_UTC)[0]
        old, new = traded.get((roll["old"], ts)), traded.get((roll["new"], ts))
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
            }
        )
    return pl.DataFrame(
        rows,
        schema={
            "ts": _UTC,
            "symbol": pl.String,
            "old": pl.String,
            "new": pl.String,
            "qty": pl.Float64,
            "price_old": pl.Float64,
            "price_new": pl.Float64,
            "spread": pl.Float64,
        },
    )


def events(record: RunRecord) -> pl.DataFrame:
    """Every event of every venue as exact integers (`domain.events` says what the fields mean)."""
    return pl.concat([frame(venue.events).with_columns(venue=pl.lit(name)) for name, venue in record.venues.items()])
