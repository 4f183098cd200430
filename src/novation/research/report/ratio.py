"""The pictures of margin: equity over maintenance, of an account or of an isolated position."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from novation.research.report.drawing import INK, Panel, Picture, dots, line, ms_of
from novation.research.report.shapes import axis, flat, verticals
from novation.research.report.story import Story


def account_ratio(story: Story, venue: str, *, several: bool) -> Picture | None:
    table = story.by_venue[venue]
    title = f"Margin ratio, {venue} account" if several else "Margin ratio of the account"
    calls = story.calls.filter((pl.col("venue") == venue) & pl.col("symbol").is_null())
    gone = story.liquidations.filter((pl.col("venue") == venue) & ~pl.col("isolated"))
    return _ratio(
        story,
        title,
        ms_of(table["ts"]),
        table["margin_ratio"].cast(pl.Float64).to_numpy(),
        gone,
        calls,
        at_once=story.tiered(venue),
    )


def isolated_ratio(story: Story, symbol: str) -> Picture | None:
    x, held = story.held(symbol)
    behind = (held["isolated_margin"] + held["unrealised"]).to_numpy()
    needed = held["maintenance"].to_numpy()
    ratio = np.divide(behind, needed, out=np.full(len(x), np.nan), where=needed > 0)
    return _ratio(
        story,
        f"{symbol}: margin ratio",
        x,
        ratio,
        story.of(story.liquidations, symbol),
        story.of(story.calls, symbol),
        at_once=True,
    )


_TICKS = [tick * 10.0**power for power in range(-2, 10) for tick in (1, 2, 5)]


def _ratio(
    story: Story,
    title: str,
    x: np.ndarray,
    ratio: np.ndarray,
    gone: pl.DataFrame,
    calls: pl.DataFrame,
    *,
    at_once: bool,
) -> Picture | None:
    if not np.isfinite(ratio).any():
        return None
    floor = 0.6
    events = {
        name: np.maximum((rows["equity"] / rows["maintenance"]).cast(pl.Float64).fill_nan(floor).to_numpy(), floor)
        for name, rows in (("gone", gone), ("calls", calls))
    }
    seen = np.where(ratio > 0, ratio, np.nan)
    top = float(np.nanmax(seen)) * 1.25
    bottom = min([0.75, float(np.nanmin(seen)) * 0.9, *(float(v.min()) * 0.9 for v in events.values() if len(v))])
    bottom = min(max(bottom, floor * 0.9), 0.6)
    ticks = [tick for tick in _TICKS if bottom <= tick <= top]
    if len(ticks) > 8:
        ticks = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
    traces = [line("margin ratio", x, np.maximum(ratio, bottom), INK["ratio"], "equity / maintenance %{y:,.4~r}")]
    legend = [("equity / maintenance at the close", INK["ratio"], "line")]
    if calls.height:
        traces.append(
            dots(
                "margin call",
                ms_of(calls["ts"]),
                events["calls"],
                INK["call"],
                "square",
                [
                    f"margin call: equity {a:,.2f}, maintenance {b:,.2f}"
                    for a, b in zip(calls["equity"].to_list(), calls["maintenance"].to_list(), strict=True)
                ],
                size=9,
            )
        )
        legend.append(("margin call", INK["call"], "■"))
    if gone.height:
        traces.append(
            dots(
                "liquidation",
                ms_of(gone["ts"]),
                events["gone"],
                INK["liquidation"],
                "x",
                [
                    f"<b>liquidated</b>: equity {a:,.2f}, maintenance {b:,.2f}"
                    for a, b in zip(gone["equity"].to_list(), gone["maintenance"].to_list(), strict=True)
                ],
                size=12,
            )
        )
        legend.append(("liquidation", INK["liquidation"], "✕"))
    words = "liquidated at 1" if at_once else "margin call at 1"
    edge = {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "paper",
        "y0": 1,
        "y1": 1,
        "yref": "value",
        "line": {"color": INK["liquidation"], "width": 1.5, "dash": "dash"},
    }
    note = {
        "x": 1,
        "xref": "paper",
        "xanchor": "right",
        "y": 0.0,
        "yref": "value",
        "yanchor": "top",
        "yshift": -7,
        "text": f"<b>{words}</b>",
        "showarrow": False,
        "font": {"size": 12, "color": INK["liquidation"]},
    }
    scale = axis(
        "ratio, log",
        type="log",
        range=[math.log10(bottom), math.log10(top)],
        tickvals=ticks,
        ticktext=[f"{tick:,g}" for tick in ticks],
    )
    shapes = [edge, *flat(story, x, ratio), *verticals(gone, INK["liquidation"], 0.35)]
    caption = "" if at_once else "A call unmet at the next settlement closes the account out."
    return Picture("margin", title, [Panel(traces, scale, 1.0, shapes, [note])], legend, caption, wide=False)
