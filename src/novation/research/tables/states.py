"""Tables of how things stood when bars closed: money, positions, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from novation.domain.errors import InvalidInput
from novation.domain.units import E8
from novation.research.tables.happenings import QTY, UTC, column_of
from novation.trading.record import RunRecord, frame


def equity(record: RunRecord) -> pl.DataFrame:
    """Money at every bar's close, account by account."""
    return pl.concat(equity_of(record, name) for name in record.venues)


def equity_of(record: RunRecord, venue: str) -> pl.DataFrame:
    """Money at every bar's close of the account at one venue. What is bought in full uses no margin."""
    about = record.manifest["venues"][venue]
    scale = 10.0 ** about["decimals"]
    used = pl.lit(0.0) if is_spot(about) else pl.col("initial") / scale
    return with_ratios(
        frame(record.venues[venue].samples).select(
            pl.col("ts_ns").cast(UTC).alias("ts"),
            ((pl.col("wallet") + pl.col("isolated") + pl.col("unrealised")) / scale).alias("equity"),
            ((pl.col("wallet") + pl.col("isolated")) / scale).alias("wallet"),
            (pl.col("unrealised") / scale).alias("unrealised"),
            used.alias("margin_used"),
            (pl.col("maintenance") / scale).alias("maintenance"),
            deposits=pl.lit(int(about["totals"]["deposits"]) / scale),
            currency=pl.lit(about["asset"]),
        )
    )


def is_spot(about: Mapping[str, Any]) -> bool:
    """Whether a venue, as the manifest tells of it, trades coins for cash."""
    return all(instrument["kind"] == "spot" for instrument in about["instruments"])


def with_ratios(table: pl.DataFrame) -> pl.DataFrame:
    """Adds margin_ratio (equity over maintenance, null without maintenance) and drawdown (0 .. 1, from the peak, which
    begins at the deposits)."""
    peak = pl.max_horizontal(pl.col("equity").cum_max(), "deposits")
    return table.with_columns(
        margin_ratio=pl.when(pl.col("maintenance") > 0).then(pl.col("equity") / pl.col("maintenance")),
        drawdown=1.0 - pl.col("equity") / peak,
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
    hedge = record.manifest["account"].get("hedge", False)
    for name, venue in record.venues.items():
        about = record.manifest["venues"][name]
        scale = 10.0 ** about["decimals"]
        held = frame(venue.holdings)
        held = held.with_columns(_e8=column_of(held.height, float(E8)))
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
                pl.col("ts_ns").cast(UTC).alias("ts"),
                "symbol",
                "contract",
                QTY,
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
                # in hedge mode the long position is never below zero, the short one never above
                position_side=pl.when(not hedge)
                .then(pl.lit(None, pl.String))
                .when(pl.col("lots") > 0)
                .then(pl.lit("long"))
                .otherwise(pl.lit("short")),
            )
        )
    return pl.concat(parts)


def in_one_currency(record: RunRecord, currency: str, rates: Mapping[str, str], deposits: float) -> pl.DataFrame:
    """Sum of the accounts at every instant any of them has a sample, each at its latest value times its rate."""
    columns = ("equity", "wallet", "unrealised", "margin_used", "maintenance")
    accounts = {name: equity_of(record, name) for name in record.venues}
    total = pl.concat(table.select("ts") for table in accounts.values()).unique().sort("ts")
    for name, table in accounts.items():
        rate = float(rates.get(record.manifest["venues"][name]["asset"], 1))
        part = table.select("ts", *((pl.col(column) * rate).alias(f"{column}_{name}") for column in columns))
        if part.is_empty():
            continue
        total = total.join_asof(part, on="ts")
        first = part.row(0, named=True)
        total = total.with_columns(
            pl.col(f"{column}_{name}").fill_null(first[f"{column}_{name}"] if column in ("equity", "wallet") else 0.0)
            for column in columns
        )
    summed = total.select(
        "ts",
        *(pl.sum_horizontal(pl.col(f"^{column}_.*$")).alias(column) for column in columns),
        deposits=pl.lit(deposits),
        currency=pl.lit(currency),
    )
    return with_ratios(summed)


def daily_returns(equity: pl.DataFrame, deposits: float) -> pl.DataFrame:
    """Returns of the equity from day to day (UTC), the first day against the deposits."""
    if equity["currency"].n_unique() > 1:
        raise InvalidInput(
            "accounts in several currencies have no returns together", source="returns", hint="Pass report_currency=."
        )
    if equity.is_empty():
        return pl.DataFrame(schema={"ts": pl.Datetime("ns", "UTC"), "returns": pl.Float64})
    # a sample at midnight ends the day before
    day = (pl.col("ts") - pl.duration(nanoseconds=1)).dt.truncate("1d").alias("ts")
    daily = equity.group_by(day, maintain_order=True).agg(pl.col("equity").last())
    before = pl.col("equity").shift(1).fill_null(deposits)
    return daily.select("ts", (pl.col("equity") / before - 1.0).alias("returns"))
