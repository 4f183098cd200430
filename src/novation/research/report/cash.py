"""The pictures of money: equity with its drawdown, funding, daily settlement."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import polars as pl

from novation.research.report.drawing import INK, Panel, Picture, dots, line, ms_of, plain
from novation.research.report.shapes import axis, verticals
from novation.research.report.story import Story


def equity_picture(story: Story, currency: str, table: pl.DataFrame, title: str, venue: str | None) -> Picture | None:
    if table.is_empty():
        return None
    x = ms_of(table["ts"])
    equity, wallet = table["equity"].to_numpy(), table["wallet"].to_numpy()
    word = escape(currency)
    traces = [
        line("wallet", x, wallet, INK["wallet"], f"wallet %{{y:,.2f}} {word}", width=1.2, line={"dash": "dot"}),
        line("equity", x, equity, INK["equity"], f"equity %{{y:,.2f}} {word}", width=1.8),
    ]
    legend = [("equity", INK["equity"], "line"), ("wallet (without open profit)", INK["wallet"], "line")]
    gone = story.liquidations if venue is None else story.liquidations.filter(pl.col("venue") == venue)
    if gone.height:
        traces.append(_marked(gone, x, equity, "liquidation", INK["liquidation"], "x", 10, "liquidated"))
        legend.append(("liquidation", INK["liquidation"], "✕"))
    calls = story.calls if venue is None else story.calls.filter(pl.col("venue") == venue)
    if calls.height:
        traces.append(_marked(calls, x, equity, "margin call", INK["call"], "square", 8, "margin call"))
        legend.append(("margin call", INK["call"], "■"))
    fall = table["drawdown"].fill_null(0.0).to_numpy() * -100.0
    below = line(
        "drawdown",
        x,
        fall,
        INK["drawdown"],
        "drawdown %{y:.1f} %",
        width=1,
        fill="tozeroy",
        fillcolor="rgba(140,109,98,0.18)",
    )
    legend.append(("drawdown from the peak", INK["drawdown"], "area"))
    return Picture(
        "equity",
        title,
        [
            Panel(traces, axis(currency), 2.4),
            Panel([below], axis("drawdown", ticksuffix=" %", nticks=4, rangemode="tozero"), 1.0),
        ],
        legend,
    )


def _marked(
    rows: pl.DataFrame, x: np.ndarray, y: np.ndarray, name: str, color: str, symbol: str, size: float, word: str
) -> dict[str, Any]:
    """Markers of happenings on a line, at its value then."""
    at = ms_of(rows["ts"])
    where = np.clip(np.searchsorted(x, at), 0, len(x) - 1)
    texts = [f"{word} {escape(row or '')}" for row in rows["symbol"].to_list()]
    return dots(name, at, y[where], color, symbol, texts, size=size)


def funding_picture(story: Story, symbol: str) -> Picture | None:
    rows = story.of(story.result.frame("funding"), symbol)
    if rows.is_empty():
        return None
    word = escape(story.currency(symbol))
    start, end = story.span
    total = np.cumsum(rows["amount"].to_numpy())
    x = np.concatenate([[start], ms_of(rows["ts"]), [end]])
    y = np.concatenate([[0.0], total, total[-1:]])
    rate = rows["rate"].to_numpy() * 1e4
    cumulative = line(
        "cumulative funding",
        x,
        y,
        INK["funding"],
        f"funding so far %{{y:,.2f}} {word}",
        width=1.8,
        line={"shape": "hv"},
        fill="tozeroy",
        fillcolor="rgba(207,133,0,0.12)",
    )
    rates = line("rate", ms_of(rows["ts"]), rate, INK["muted"], "rate %{y:.3f} bp", width=1, line={"shape": "hv"})
    caption = (
        f"{rows.height:,} stamps paid or received while held: {total[-1]:+,.2f} {story.currency(symbol)} in all; "
        "below zero is paid."
    )
    return Picture(
        "funding",
        f"{symbol}: cumulative funding",
        [Panel([cumulative], axis(story.currency(symbol)), 2.0), Panel([rates], axis("rate, bp", nticks=4), 1.0)],
        [("funding so far", INK["funding"], "line"), ("rate of each stamp", INK["muted"], "line")],
        caption,
        wide=False,
    )


def settlement_picture(story: Story, symbol: str) -> Picture | None:
    rows = story.of(story.result.frame("settlements"), symbol)
    if rows.is_empty():
        return None
    daily = (
        rows.group_by("ts", maintain_order=True)
        .agg(pl.col("amount").sum())
        .with_columns(day=pl.col("ts").dt.offset_by("-1ns"))
    )  # a settlement at midnight belongs to the day that ends there
    currency = story.currency(symbol)
    word = escape(currency)
    days = (daily["ts"][-1] - daily["ts"][0]).days
    every, each = ("1d", "day") if days <= 260 else ("1w", "week") if days <= 1_500 else ("1mo", "month")
    bars = (
        daily.with_columns(pl.col("day").dt.truncate(every).alias("ts"))
        .group_by("ts", maintain_order=True)
        .agg(pl.col("amount").sum())
    )
    traces = []
    for name, part, color in (
        ("received", bars.filter(pl.col("amount") >= 0), INK["received"]),
        ("paid", bars.filter(pl.col("amount") < 0), INK["paid"]),
    ):
        if part.height:
            traces.append(
                {
                    "type": "bar",
                    "name": name,
                    "x": ms_of(part["ts"]).tolist(),
                    "y": plain(part["amount"].to_numpy()),
                    "marker": {"color": color, "line": {"width": 0}},
                    "hovertemplate": f"{each} %{{y:+,.2f}} {word}<extra></extra>",
                }
            )
    start, end = story.span
    total = np.cumsum(daily["amount"].to_numpy())
    x = np.concatenate([[start], ms_of(daily["ts"]), [end]])
    sums = line(
        "cumulative variation",
        x,
        np.concatenate([[0.0], total, total[-1:]]),
        INK["variation"],
        f"variation so far %{{y:,.2f}} {word}",
        width=1.8,
        line={"shape": "hv"},
    )
    rolls = story.of(story.rolls, symbol).filter(pl.col("qty") != 0)
    legend = [
        ("received", INK["received"], "area"),
        ("paid", INK["paid"], "area"),
        ("cumulative variation margin", INK["variation"], "line"),
    ]
    shapes = verticals(rolls, INK["roll"], 0.5, "dot")
    if rolls.height:
        legend.append((f"roll ({rolls.height})", INK["roll"], "┊"))
    worst, best = daily.sort("amount").row(0, named=True), daily.sort("amount").row(-1, named=True)
    caption = (
        f"Cash of daily settlements, summed per {each}. Largest single days {worst['amount']:+,.0f} "
        f"({worst['day']:%Y-%m-%d}) and {best['amount']:+,.0f} {currency} ({best['day']:%Y-%m-%d})."
    )
    return Picture(
        "settlements",
        f"{symbol}: settlement cash flow",
        [
            Panel(traces, axis(f"per {each}, {currency}"), 1.0, shapes),
            Panel([sums], axis(f"sum, {currency}"), 1.0, shapes),
        ],
        legend,
        caption,
        wide=False,
    )
