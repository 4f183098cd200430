"""Tables with a row for each event of a kind."""

from __future__ import annotations

import numpy as np
import polars as pl

from novation.domain.enums import CancelReason, EventKind, HaltReason, MarketPhase, RejectReason
from novation.domain.events import ISOLATED, LIQUIDATED, LONG_SIDE, MAKER, SHORT_SIDE
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import E8
from novation.trading.record import RunRecord, frame

UTC = pl.Datetime("ns", "UTC")


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
                _scale=column_of(events.height, 10.0 ** about["decimals"]),
                _e8=column_of(events.height, float(E8)),
                ts=pl.col("ts_ns").cast(UTC),
            )
        )
    return pl.concat(parts).sort("ts_ns", maintain_order=True)


QTY = (pl.col("lots") * pl.col("_lot") / pl.col("_e8")).alias("qty")


_PRICE = (pl.col("price_ticks") * pl.col("_tick") / pl.col("_e8")).alias("price")


_MARK = pl.when(pl.col("instrument") >= 0).then(pl.col("price_e8") / pl.col("_e8")).alias("mark")


_KEY = ("venue", "sequence")


#: Which position of hedge mode, null where an account holds one an instrument.
_POSITION_SIDE = (
    pl.when((pl.col("flags") & LONG_SIDE) > 0)
    .then(pl.lit("long"))
    .when((pl.col("flags") & SHORT_SIDE) > 0)
    .then(pl.lit("short"))
    .alias("position_side")
)


def column_of(rows: int, value: float) -> pl.Series:
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
        QTY,
        _PRICE,
        _money("fee"),
        _money("amount", "realised"),
        (pl.col("position_lots") * pl.col("_lot") / pl.col("_e8")).alias("position"),
        "currency",
        ((pl.col("flags") & MAKER) > 0).alias("maker"),
        ((pl.col("flags") & LIQUIDATED) > 0).alias("liquidation"),
        _POSITION_SIDE,
        *_KEY,
    )


def funding(record: RunRecord) -> pl.DataFrame:
    """Funding payments: received > 0."""
    return base(record, EventKind.FUNDING).select(
        "ts",
        "symbol",
        (pl.col("rate_e8") / pl.col("_e8")).alias("rate"),
        _MARK,
        QTY.alias("position"),
        _money("amount"),
        "currency",
        _POSITION_SIDE,
        *_KEY,
    )


def settlements(record: RunRecord) -> pl.DataFrame:
    """Variation margin by contract and day."""
    return base(record, EventKind.SETTLEMENT).select(
        "ts", "symbol", "contract", QTY.alias("position"), _PRICE, _money("amount"), "currency", *_KEY
    )


def deliveries(record: RunRecord) -> pl.DataFrame:
    """Positions that ended with their contract: what was held, the delivery price, what it realised and cost."""
    return base(record, EventKind.DELIVERY).select(
        "ts",
        "symbol",
        "contract",
        QTY.alias("position"),
        (pl.col("price_e8") / pl.col("_e8")).alias("price"),
        _money("amount", "realised"),
        _money("fee"),
        "currency",
        _POSITION_SIDE,
        *_KEY,
    )


def fees(record: RunRecord) -> pl.DataFrame:
    """Fees charged, by trade; clearance fees of liquidations and fees of deliveries apart."""
    return (
        base(record, EventKind.FILL, EventKind.LIQUIDATION, EventKind.DELIVERY)
        .filter(pl.col("fee") != 0)
        .select(
            "ts",
            "symbol",
            "contract",
            pl.when(pl.col("kind") == int(EventKind.LIQUIDATION))
            .then(pl.lit("clearance"))
            .when(pl.col("kind") == int(EventKind.DELIVERY))
            .then(pl.lit("delivery"))
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
        QTY.alias("position"),
        _MARK,
        _money("equity"),
        _money("maintenance"),
        _money("amount", "missing"),
        "currency",
        _POSITION_SIDE,
        *_KEY,
    )


def liquidations(record: RunRecord) -> pl.DataFrame:
    """Positions the exchange closed."""
    return base(record, EventKind.LIQUIDATION).select(
        "ts",
        "symbol",
        "contract",
        QTY,
        _MARK,
        _PRICE,
        _money("equity"),
        _money("maintenance"),
        _money("amount", "realised"),
        _money("fee"),
        "currency",
        ((pl.col("flags") & ISOLATED) > 0).alias("isolated"),
        _POSITION_SIDE,
        *_KEY,
    )


def market_states(record: RunRecord) -> pl.DataFrame:
    """Phases of the day, halts and price limits as they took effect; null what a row does not change or limit."""
    phases = {int(phase): phase.name.lower() for phase in MarketPhase}
    halts = {int(reason): reason.name.lower() for reason in HaltReason if reason != HaltReason.SCHEDULE}
    of_phase = pl.col("kind") == int(EventKind.PHASE_CHANGED)

    def limit(column: str, none_e8: int) -> pl.Expr:
        price = pl.when(~of_phase & (pl.col(column) != none_e8)).then(pl.col(column))
        return price / pl.col("_e8")

    return base(record, EventKind.PHASE_CHANGED, EventKind.LIMITS_CHANGED).select(
        "ts",
        "symbol",
        "contract",
        pl.when(of_phase)
        .then(pl.col("amount").replace_strict(phases, default=None, return_dtype=pl.String))
        .alias("phase"),
        pl.when(of_phase)
        .then(pl.col("reason").replace_strict(halts, default=None, return_dtype=pl.String))
        .alias("halt"),
        limit("price_e8", -NO_LIMIT_E8).alias("low"),
        limit("amount", NO_LIMIT_E8).alias("high"),
        *_KEY,
    )


#: Reasons whose value and limit are money, lots, ticks, or nothing; of the others they are numbers of another kind.
_OF_MONEY = (
    RejectReason.MIN_NOTIONAL,
    RejectReason.INSUFFICIENT_MARGIN,
    RejectReason.POSITION_LIMIT,
    RejectReason.BALANCE_TOO_SMALL,
    RejectReason.NO_ISOLATED_POSITION,
)
_OF_LOTS = (
    RejectReason.QTY_NOT_POSITIVE,
    RejectReason.QTY_BELOW_MIN,
    RejectReason.QTY_ABOVE_MAX,
    RejectReason.OPEN_POSITION,
    RejectReason.WOULD_NOT_REDUCE,
    RejectReason.HOLDING_TOO_SMALL,
)
_OF_TICKS = (
    RejectReason.PRICE_NOT_POSITIVE,
    RejectReason.PRICE_OFF_TICK,
    RejectReason.PRICE_BEYOND_LIMIT,
    RejectReason.PRICE_OUTSIDE_BAND,
)
#: Prices in 1e-8.
_OF_PRICES = (RejectReason.WOULD_TRIGGER,)
#: Reasons whose value and limit are numbers of a phase, a halt or an order, which say nothing to a person.
_OF_PHASES = (
    RejectReason.MARKET_CLOSED,
    RejectReason.MARKET_ORDER_BEFORE_OPEN,
    RejectReason.CANCEL_NOT_ALLOWED,
)


def _refused(column: str, name: str) -> pl.Expr:
    def among(reasons: tuple[RejectReason, ...]) -> pl.Expr:
        return pl.col("reason").is_in([int(reason) for reason in reasons])

    number = pl.col(column)
    return (
        pl.when(pl.col("kind") == int(EventKind.ORDER_CANCELLED))
        .then(number.cast(pl.Float64))
        .when(among(_OF_PHASES))
        .then(None)
        .when(among(_OF_MONEY))
        .then(number / pl.col("_scale"))
        .when(among(_OF_LOTS))
        .then(number * pl.col("_lot") / pl.col("_e8"))
        .when(among(_OF_TICKS))
        .then(number * pl.col("_tick") / pl.col("_e8"))
        .when(among(_OF_PRICES))
        .then(number / E8)
        .otherwise(number.cast(pl.Float64))
        .alias(name)
    )


def refusals(record: RunRecord) -> pl.DataFrame:
    """What the exchange refused, and accepted orders it later could not carry out, with the reason.

    value, limit: what was refused and what it was held against: money, sizes and prices as elsewhere, else as they are;
    null where the market's phase refused.
    """
    names = {int(reason): reason.name for reason in RejectReason}
    cancels = {
        int(reason): reason.name
        for reason in CancelReason
        if reason not in (CancelReason.REQUESTED, CancelReason.LIQUIDATION, CancelReason.POSITION_GONE)
    }
    events = base(record, EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED, EventKind.ORDER_CANCELLED)
    cancelled = pl.col("kind") == int(EventKind.ORDER_CANCELLED)
    events = events.filter(~cancelled | pl.col("reason").is_in(list(cancels)))
    return events.select(
        "ts",
        "symbol",
        "order",
        QTY,
        _PRICE,
        pl.when(cancelled)
        .then(pl.col("reason").replace_strict(cancels, default="", return_dtype=pl.String))
        .otherwise(pl.col("reason").replace_strict(names, default="", return_dtype=pl.String))
        .alias("reason"),
        _refused("amount", "value"),
        _refused("cost", "limit"),
        *_KEY,
    )


def orders(record: RunRecord) -> pl.DataFrame:
    """Every order sent: when, what, how much of it traded, and what became of it.

    status: "rejected", "filled", "cancelled" and "partly filled" (a part traded, the rest was cancelled) of what has
    ended at `done`; "open" of what has not. trigger, triggered: the price that it waited for, and when that came. qty
    and side of an order that closes a position are null until then.
    """
    rejected = pl.col("kind") == int(EventKind.ORDER_REJECTED)
    placed = base(record, EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED).select(
        "venue",
        "order",
        "ts",
        "symbol",
        "contract",
        QTY,
        "lots",
        pl.when(pl.col("price_ticks") == 0).then(None).otherwise(_PRICE).alias("price"),
        pl.when(~rejected & (pl.col("price_e8") != 0)).then(pl.col("price_e8") / E8).alias("trigger"),
        rejected.alias("_rejected"),
        _POSITION_SIDE,
        "sequence",
    )
    filled = pl.col("kind") == int(EventKind.FILL)
    became = (
        base(record, EventKind.FILL, EventKind.ORDER_CANCELLED)
        .filter(pl.col("order") > 0)
        .group_by("venue", "order", maintain_order=True)
        .agg(
            pl.col("ts").last().alias("_last"),
            pl.col("lots").filter(filled).abs().sum().alias("_filled"),
            (~filled).any().alias("_cancelled"),
            QTY.filter(filled).abs().sum().alias("filled"),
        )
    )
    triggered = base(record, EventKind.ORDER_TRIGGERED).select(
        "venue", "order", pl.col("ts").alias("triggered"), QTY.alias("_then"), pl.col("lots").alias("_then_lots")
    )
    found = placed.join(became, on=["venue", "order"], how="left", maintain_order="left")
    found = found.join(triggered, on=["venue", "order"], how="left", maintain_order="left")
    found = found.with_columns(
        pl.when(pl.col("lots") != 0).then("qty").otherwise("_then").alias("qty"),
        pl.when(pl.col("lots") != 0).then("lots").otherwise("_then_lots").alias("lots"),
    )
    whole = pl.col("_filled") == pl.col("lots").abs()
    ended = whole | pl.col("_cancelled")
    return found.select(
        "ts",
        "symbol",
        "contract",
        "order",
        _side(),
        pl.col("qty").abs(),
        pl.col("filled").fill_null(0.0),
        "price",
        "trigger",
        "triggered",
        pl.when("_rejected")
        .then(pl.lit("rejected"))
        .when(whole)
        .then(pl.lit("filled"))
        .when(pl.col("_cancelled") & (pl.col("_filled") > 0))
        .then(pl.lit("partly filled"))
        .when(pl.col("_cancelled"))
        .then(pl.lit("cancelled"))
        .otherwise(pl.lit("open"))
        .alias("status"),
        pl.when(ended).then(pl.col("_last")).alias("done"),
        "position_side",
        "venue",
        "sequence",
    )


def _side() -> pl.Expr:
    return pl.when(pl.col("qty") > 0).then(pl.lit("buy")).when(pl.col("qty") <= 0).then(pl.lit("sell")).alias("side")


def ledger(record: RunRecord) -> pl.DataFrame:
    """Every booking as exact integers of minor units: what it did to the account.

    margin_adjusted moves `amount` from the wallet into the position's own margin (back, if negative): its change is 0.
    """
    kinds = {
        int(kind): kind.name.lower()
        for kind in (
            EventKind.FILL,
            EventKind.FUNDING,
            EventKind.SETTLEMENT,
            EventKind.LIQUIDATION,
            EventKind.INSURANCE,
            EventKind.TRANSFER,
            EventKind.MARGIN_ADJUSTED,
            EventKind.DELIVERY,
        )
    }
    events = base(record, *(EventKind(kind) for kind in kinds))
    fee = (
        pl.when(pl.col("kind").is_in([int(EventKind.FILL), int(EventKind.LIQUIDATION), int(EventKind.DELIVERY)]))
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
        pl.when(pl.col("kind") == int(EventKind.MARGIN_ADJUSTED)).then(0).otherwise(amount - fee).alias("change"),
        "currency",
        *_KEY,
    )


def events(record: RunRecord) -> pl.DataFrame:
    """Every event of every venue as exact integers (`domain.events` says what the fields mean)."""
    return pl.concat([frame(venue.events).with_columns(venue=pl.lit(name)) for name, venue in record.venues.items()])
