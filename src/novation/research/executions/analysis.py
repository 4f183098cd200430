"""The transaction costs of a run as people read them: orders, symbols, totals, and what could not be known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from novation.domain.errors import InvalidInput
from novation.domain.units import E8
from novation.domain.words import counted
from novation.research.executions.market_bars import Market, MarketBars
from novation.research.executions.shortfall import PARTS, OrderCost, order_costs
from novation.research.tables.happenings import UTC
from novation.trading.record import Known, RunRecord

_KNOWN = {Known.BEFORE: "last", Known.OPENING: "open", Known.LATER: "first"}
_MONEY = (*PARTS, "shortfall")
_WRITERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    ".parquet": lambda table, path: table.write_parquet(path),
    ".csv": lambda table, path: table.write_csv(path),
}


class TransactionCosts:
    """What the orders of a run cost; positive numbers are paid, mark-outs are positive where the price went our way.

    orders: a row for each order that the exchange accepted and each trade that it forced. by_symbol: a row for each
    symbol, forced trades apart. totals: {currency: sums}. notes: what is not known, and why.
    """

    def __init__(
        self,
        orders: pl.DataFrame,
        symbols: pl.DataFrame,
        totals: dict[str, dict[str, Any]],
        horizons: Sequence[str],
        notes: tuple[str, ...],
        given: Callable[[pl.DataFrame], Any],
    ) -> None:
        self._orders, self._symbols, self._given = orders, symbols, given
        self.totals, self.mark_outs, self.notes = totals, tuple(horizons), notes

    @property
    def orders(self) -> Any:
        """One row an order, a frame of the kind that the run's data came in."""
        return self._given(self._orders)

    @property
    def by_symbol(self) -> Any:
        """One row a symbol, a frame of the kind that the run's data came in."""
        return self._given(self._symbols)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: totals, symbols and notes; the orders are counted (`save` writes them)."""
        return {
            "totals": self.totals,
            "by_symbol": self._symbols.to_dicts(),
            "orders": self._orders.height,
            "mark_outs": list(self.mark_outs),
            "notes": list(self.notes),
        }

    def save(self, path: str | Path) -> Path:
        """Write `orders` to a .parquet or .csv file."""
        path = Path(path)
        writer = _WRITERS.get(path.suffix.lower())
        if writer is None:
            raise InvalidInput("is neither .parquet nor .csv", source="out", value=str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(self._orders, path)
        return path

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__


def costs_by_symbol(record: RunRecord) -> list[dict[str, Any]]:
    """The split summed by symbol, forced trades apart, as plain values: what needs no bars."""
    rows: list[dict[str, Any]] = []
    for cost in order_costs(record):
        about = record.manifest["venues"][cost.venue]
        parts = cost.parts()
        rows.append(
            {
                "symbol": cost.instrument.symbol,
                "forced": cost.forced,
                "currency": about["asset"],
                "fills": len(cost.fills),
                "arrival_value": cost.arrival_value,
                "filled_value": cost.filled_value,
                **parts,
                "shortfall": sum(parts.values()),
                "vs_vwap": None,
                "_scale": 10 ** about["decimals"],
            }
        )
    scale = {row["currency"]: row["_scale"] for row in rows}
    return [_readable(row, scale[row["currency"]]) for row in _summed(rows, {}, ("symbol", "forced", "currency"))]


def transaction_costs(
    record: RunRecord,
    market: Market,
    horizons: dict[str, int],
    given: Callable[[pl.DataFrame], Any] = lambda frame: frame,
) -> TransactionCosts:
    """The costs of a run's orders, beside what the bars at hand say. horizons: of mark-outs, in ns by name."""
    costs = order_costs(record)
    rows = [_row(record, cost, market.bars.get(cost.instrument.contract), horizons) for cost in costs]
    symbols = _summed(rows, horizons, ("symbol", "forced", "currency"))
    totals = {row.pop("currency"): row for row in _summed(rows, horizons, ("currency",))}
    scale = {row["currency"]: row["_scale"] for row in rows}
    orders = _orders(rows, horizons)
    for currency, row in totals.items():
        totals[currency] = _readable(row, scale[currency])
    by_symbol = pl.DataFrame(
        [_readable(row, scale[row["currency"]]) for row in symbols], schema=_symbol_schema(horizons)
    )
    notes = (*market.notes, *_gaps(costs, rows, market, horizons))
    return TransactionCosts(orders, by_symbol, totals, tuple(horizons), notes, given)


# ---------------------------------------------------------------- rows, money in minor units


def _row(record: RunRecord, cost: OrderCost, bars: MarketBars | None, horizons: dict[str, int]) -> dict[str, Any]:
    about = record.manifest["venues"][cost.venue]
    instrument, filled, paid, parts = cost.instrument, cost.filled, cost.paid, cost.parts()
    vwap = None
    if bars is not None and filled:
        vwap = bars.vwap_e8(cost.ts_ns, cost.fills[-1].ts_ns)
    row: dict[str, Any] = {
        "ts": cost.ts_ns,
        "done": cost.done_ns,
        "symbol": instrument.symbol,
        "contract": instrument.contract,
        "order": cost.order or None,
        "side": "buy" if cost.side > 0 else "sell",
        "qty": (filled + cost.unfilled) * instrument.lot_e8 / E8,
        "filled": filled * instrument.lot_e8 / E8,
        "fills": len(cost.fills),
        "limit": cost.limit_ticks * instrument.tick_e8 / E8 if cost.limit_ticks else None,
        "status": cost.status,
        "forced": cost.forced,
        "arrival": cost.arrival_e8 / E8,
        "arrival_from": "mark" if cost.forced else "trigger" if cost.waited else _KNOWN[cost.known],
        "price": paid / (filled * instrument.lot_value) if filled else None,
        "end": cost.end_e8 / E8 if cost.end_e8 is not None else None,
        "vwap": vwap / E8 if vwap is not None else None,
        "arrival_value": cost.arrival_value,
        "filled_value": cost.filled_value,
        **parts,
        "shortfall": sum(parts.values()),
        "vs_vwap": None if vwap is None else cost.side * (paid - cost.value(filled, vwap)),
        "currency": about["asset"],
        "position_side": cost.position_side,
        "venue": cost.venue,
        "sequence": cost.sequence,
        "_scale": 10 ** about["decimals"],
        "_vwap_value": cost.filled_value if vwap is not None else 0,
    }
    for name, horizon_ns in horizons.items():
        later = _later(cost, bars, horizon_ns)
        row[f"mark_out_{name}"] = None if later is None else cost.side * (cost.filled_at(later) - paid)
        row[f"_mark_out_{name}_value"] = 0 if later is None else cost.filled_value
    return row


def _later(cost: OrderCost, bars: MarketBars | None, horizon_ns: int) -> list[int] | None:
    """The price so long after each fill; None where there is none, or one of them is not known."""
    if bars is None or not cost.fills or horizon_ns < bars.step_ns:
        return None
    found = [bars.price_at(fill.ts_ns + horizon_ns) for fill in cost.fills]
    return [price for price in found if price is not None] if None not in found else None


def _summed(rows: list[dict[str, Any]], horizons: dict[str, int], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Sums of rows that agree in some columns, in the order in which each first appears."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    out = []
    for group, own in groups.items():
        summed: dict[str, Any] = dict(zip(keys, group, strict=True))
        summed["orders"] = len(own)
        summed["filled_orders"] = sum(1 for row in own if row["fills"])
        for name in ("arrival_value", "filled_value", *_MONEY):
            summed[name] = sum(row[name] for row in own)
        of = {"vs_vwap": "_vwap_value", **{f"mark_out_{name}": f"_mark_out_{name}_value" for name in horizons}}
        for name, value in of.items():
            told = [row for row in own if row[name] is not None]
            summed[name] = sum(row[name] for row in told) if told else None
            summed[f"{name}_bps"] = _bps(summed[name], sum(row[value] for row in told))
        out.append(summed)
    return out


def _bps(amount: int | None, value: int) -> float | None:
    return amount / value * 1e4 if amount is not None and value else None


def _readable(row: dict[str, Any], scale: int) -> dict[str, Any]:
    """Money as floats of its currency, with what it is in basis points."""
    missed = row["opportunity"]
    out = {name: value for name, value in row.items() if not name.startswith("_")}
    # what was paid for the fills is held against what they were worth on arrival, the whole against the whole order
    out["executed_bps"] = _bps(row["shortfall"] - missed, row["filled_value"])
    out["shortfall_bps"] = _bps(row["shortfall"], row["arrival_value"])
    for name, value in row.items():
        is_money = name in _MONEY or name in ("arrival_value", "filled_value", "vs_vwap")
        if is_money or (name.startswith("mark_out_") and not name.endswith("_bps")):
            out[name] = None if value is None else value / scale
    return out


def _orders(rows: list[dict[str, Any]], horizons: dict[str, int]) -> pl.DataFrame:
    """Rows as a frame, money in floats of its currency."""
    schema = _schema(horizons)
    money = ("arrival_value", "filled_value", *_MONEY, "vs_vwap", *(f"mark_out_{name}" for name in horizons))
    counted = {**schema, **dict.fromkeys(money, pl.Int64), "_scale": pl.Float64}
    made = pl.DataFrame([{name: row.get(name) for name in counted} for row in rows], schema=counted)

    def bps(amount: pl.Expr, value: str) -> pl.Expr:
        return pl.when(pl.col(value) != 0).then(amount / pl.col(value) * 1e4)

    return made.with_columns(
        bps(pl.col("shortfall") - pl.col("opportunity"), "filled_value").alias("executed_bps"),
        bps(pl.col("shortfall"), "arrival_value").alias("shortfall_bps"),
        *(pl.col(name) / pl.col("_scale") for name in money),
    ).select(list(schema))


def _schema(horizons: dict[str, int]) -> dict[str, Any]:
    text, number = pl.String, pl.Float64
    return {
        "ts": UTC,
        "done": UTC,
        "symbol": text,
        "contract": text,
        "order": pl.Int64,
        "side": text,
        "qty": number,
        "filled": number,
        "fills": pl.Int64,
        "limit": number,
        "status": text,
        "forced": text,
        "arrival": number,
        "arrival_from": text,
        "price": number,
        "end": number,
        "vwap": number,
        "arrival_value": number,
        "filled_value": number,
        **dict.fromkeys(_MONEY, number),
        "executed_bps": number,
        "shortfall_bps": number,
        "vs_vwap": number,
        **{f"mark_out_{name}": number for name in horizons},
        "currency": text,
        "position_side": text,
        "venue": text,
        "sequence": pl.Int64,
    }


def _symbol_schema(horizons: dict[str, int]) -> dict[str, Any]:
    number = pl.Float64
    beside = [part for name in ("vs_vwap", *(f"mark_out_{h}" for h in horizons)) for part in (name, f"{name}_bps")]
    return {
        "symbol": pl.String,
        "forced": pl.String,
        "orders": pl.Int64,
        "filled_orders": pl.Int64,
        "arrival_value": number,
        "filled_value": number,
        **dict.fromkeys(_MONEY, number),
        "executed_bps": number,
        "shortfall_bps": number,
        **dict.fromkeys(beside, number),
        "currency": pl.String,
    }


# ---------------------------------------------------------------- words


def _gaps(
    costs: list[OrderCost], rows: list[dict[str, Any]], market: Market, horizons: dict[str, int]
) -> Iterable[str]:
    """What is not known, each once, with the reason."""
    later = sum(1 for cost in costs if cost.known == Known.LATER)
    if later:
        yield f"{counted(later, 'order')} sent before the market had a price: measured from its first"
    why: dict[str, dict[str, int]] = {}  # reason -> symbol -> orders
    for row in rows:
        if row["fills"]:
            for reason in _reasons(row, market.bars.get(row["contract"]), horizons):
                orders = why.setdefault(reason, {})
                orders[row["symbol"]] = orders.get(row["symbol"], 0) + 1
    for reason, orders in why.items():
        what, _, because = reason.partition(": ")
        symbols = ", ".join(list(orders)[:3]) + (f" and {len(orders) - 3:,} more" if len(orders) > 3 else "")
        yield f"{what} of {counted(sum(orders.values()), 'order')} of {symbols}: {because}"


def _reasons(row: dict[str, Any], bars: MarketBars | None, horizons: dict[str, int]) -> Iterable[str]:
    """What is not known of an order that was filled."""
    if bars is None:
        yield "no VWAP and no mark-out: no bars at hand (pass data=)"
        return
    if row["vwap"] is None:
        yield f"no VWAP: {'the bars tell no volume' if bars.volume is None else 'no bars then, or none that traded'}"
    shorter = [name for name, horizon_ns in horizons.items() if horizon_ns < bars.step_ns]
    if shorter:
        yield f"no mark-out at {', '.join(shorter)}: shorter than the bars ({bars.name})"
    for name in horizons:
        if name not in shorter and row[f"mark_out_{name}"] is None:
            yield f"no mark-out at {name}: no price so long after"


_HEADS = ("orders", "filled", "value", "spread", "impact", "rounding", "timing", "fees", "opportunity", "shortfall")


def _text(costs: TransactionCosts) -> str:
    rows = costs._symbols.to_dicts()
    if not rows:
        return "no orders were accepted: there is nothing to measure"
    lines: list[tuple[str, ...]] = [("", *_HEADS)]
    for row in rows:
        forced = f" {row['forced']}" if row["forced"] else ""
        lines.append((f"{row['symbol']}{forced}, {row['currency']}", *_amounts(row)))
        lines.append(("  bp", "", "", "", *_points(row)))
    for currency, total in costs.totals.items():
        if sum(row["currency"] == currency for row in rows) > 1:
            lines.append((f"all, {currency}", *_amounts(total)))
            lines.append(("  bp", "", "", "", *_points(total)))
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    out = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    for row in rows:
        told = [
            f"{label} {row[f'{name}_bps']:+.2f} bp"
            for label, name in (
                ("against VWAP", "vs_vwap"),
                *((f"mark-out {h}", f"mark_out_{h}") for h in costs.mark_outs),
            )
            if row[f"{name}_bps"] is not None
        ]
        if told:
            out.append(f"{row['symbol']}{' ' + row['forced'] if row['forced'] else ''}: {'   '.join(told)}")
    return "\n".join([*out, *(f"note: {note}" for note in costs.notes)])


def _amounts(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['orders']:,}",
        f"{row['filled_orders']:,}",
        f"{row['filled_value']:,.2f}",
        *(f"{row[name]:,.2f}" for name in _MONEY),
    )


def _points(row: dict[str, Any]) -> tuple[str, ...]:
    """In basis points of what the fills were worth on arrival; of what was missed and of all, of the whole orders."""
    out = []
    for name in _MONEY:
        whole = name in ("opportunity", "shortfall")
        value = row["arrival_value"] if whole else row["filled_value"]
        out.append(f"{row[name] / value * 1e4:,.2f}" if value else "–")
    return tuple(out)
