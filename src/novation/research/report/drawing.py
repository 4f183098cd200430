"""Lines, bands, markers and panels of time as plain plotly dictionaries; what the pictures of runs are made of.

Long lines are thinned to the least and the greatest of each stretch, so every extreme survives. One colour has one
meaning throughout: see `INK`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

#: One colour per meaning.
INK = {
    "text": "#1f2933",
    "muted": "#66747f",
    "grid": "#e6eaed",
    "equity": "#2f6690",
    "wallet": "#9fb3c8",
    "mark": "#334e68",
    "range": "rgba(51,78,104,0.28)",
    "liquidation": "#c81e3a",
    "call": "#e8590c",
    "buy": "#12876f",
    "sell": "#7a4fa3",
    "funding": "#cf8500",
    "received": "#12876f",
    "paid": "#b45309",
    "variation": "#2f6690",
    "roll": "#8795a1",
    "ratio": "#334e68",
    "drawdown": "#8c6d62",
}
POINTS = 3_600  #: most points of a drawn line
MARKERS = 1_500  #: most markers of fills
MS = 1_000_000  #: ns in a ms, plotly's unit of time


@dataclass
class Panel:
    """One pair of axes: traces and shapes over the picture's time, with a y axis."""

    traces: list[dict[str, Any]]
    axis: dict[str, Any]
    weight: float = 1.0
    shapes: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Picture:
    """Panels that belong together, with the words and the legend a page puts above them."""

    kind: str
    title: str
    panels: list[Panel]
    legend: list[tuple[str, str, str]] = field(default_factory=list)  #: (word, colour, "line" | "area" | a glyph)
    caption: str = ""
    wide: bool = True


# ---------------------------------------------------------------- numbers


def thin(values: np.ndarray, limit: int = POINTS) -> np.ndarray:
    """Indices that keep a line's shape: per stretch its least, its greatest and one gap (NaN); first and last stay.

    >>> len(thin(np.arange(100_000.0))) <= POINTS
    True
    """
    n = len(values)
    if n <= limit:
        return np.arange(n)
    width = math.ceil(n / ((limit - 2) // 3))
    padded = np.full(math.ceil(n / width) * width, np.nan)
    padded[:n] = values
    rows = padded.reshape(-1, width)
    base = np.arange(len(rows)) * width
    gap = np.isnan(rows)
    gap[-1, n - (len(rows) - 1) * width :] = False  # the padding is no gap
    least = base + np.where(np.isnan(rows), np.inf, rows).argmin(axis=1)
    most = base + np.where(np.isnan(rows), -np.inf, rows).argmax(axis=1)
    holes = (base + gap.argmax(axis=1))[gap.any(axis=1)]
    kept = np.unique(np.concatenate([[0], least, most, holes, [n - 1]]))
    return kept[kept < n]


def ms_of(stamps: pl.Series) -> np.ndarray:
    """Instants as ms since 1970."""
    return stamps.cast(pl.Int64).to_numpy() // MS if stamps.dtype != pl.Int64 else stamps.to_numpy() // MS


def plain(values: np.ndarray) -> list[float | None]:
    """Seven figures are more than a screen shows; a gap is None."""
    return [float(f"{v:.7g}") if math.isfinite(v) else None for v in np.asarray(values, float).tolist()]


def line(
    name: str, x: np.ndarray, y: np.ndarray, color: str, hover: str, *, width: float = 1.5, **more: Any
) -> dict[str, Any]:
    """A thinned line; `hover` is plotly's template of what it says under the pointer."""
    kept = thin(y)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x[kept].tolist(),
        "y": plain(y[kept]),
        "line": {"color": color, "width": width, **more.pop("line", {})},
        "connectgaps": False,
        "hovertemplate": f"{hover}<extra></extra>",
        **more,
    }


def dots(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    color: str,
    symbol: str,
    texts: Sequence[str] | None,
    *,
    size: float = 9,
    hover: str = "%{text}",
    **more: Any,
) -> dict[str, Any]:
    """Markers, all of them; `texts` are HTML."""
    marker = {"color": color, "symbol": symbol, "size": size, "line": {"color": "#ffffff", "width": 1}, **more}
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": x.tolist(),
        "y": plain(y),
        "marker": marker,
        "hovertemplate": f"{hover}<extra></extra>",
        "cliponaxis": False,
    }
    if texts is not None:
        trace["text"] = list(texts)
    return trace


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[dict[str, Any]]:
    """The mark's range inside each bar as a filled band."""
    n = len(x)
    if n > POINTS // 2:
        width = math.ceil(n / (POINTS // 2))
        rows = math.ceil(n / width)

        def stretched(values: np.ndarray, of: Any, empty: float) -> np.ndarray:
            padded = np.full(rows * width, np.nan)
            padded[:n] = values
            block = padded.reshape(rows, width)
            out = of(np.where(np.isnan(block), empty, block), axis=1)
            return np.where(np.isfinite(out), out, np.nan)

        low, high = stretched(low, np.min, np.inf), stretched(high, np.max, -np.inf)
        x = x[np.minimum(np.arange(rows) * width + width - 1, n - 1)]
    # one closed polygon per unbroken stretch: a band over a gap would claim a price where nothing was held
    held = np.flatnonzero(~np.isnan(low) & ~np.isnan(high))
    xs: list[float | None] = []
    ys: list[float | None] = []
    for part in np.split(held, np.flatnonzero(np.diff(held) > 1) + 1):
        if len(part):
            xs += [*x[part].tolist(), *x[part[::-1]].tolist(), None]
            ys += [*plain(low[part]), *plain(high[part[::-1]]), None]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "range of the mark in a bar",
            "x": xs,
            "y": ys,
            "fill": "toself",
            "fillcolor": INK["range"],
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
    ]


# ---------------------------------------------------------------- plotly


def compose(
    panels: Sequence[Panel], view: tuple[int, int], *, legend: bool = False, gap: float = 0.07
) -> dict[str, Any]:
    """Panels one under another over one axis of time: {"data", "layout"} for plotly."""
    weights = sum(panel.weight for panel in panels)
    gap = gap if len(panels) < 5 else 0.35 / len(panels)
    free = 1.0 - gap * (len(panels) - 1)
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "font": {
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
            "size": 12,
            "color": INK["text"],
        },
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "hovermode": "x unified",
        "bargap": 0.15,
        "barmode": "relative",
        "hoverlabel": {"bgcolor": "rgba(255,255,255,0.96)", "bordercolor": INK["grid"], "font": {"size": 12}},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "showlegend": legend,
        "xaxis": {
            "type": "date",
            "range": list(view),
            "hoverformat": "%Y-%m-%d %H:%M UTC",
            "showgrid": True,
            "gridcolor": INK["grid"],
            "linecolor": INK["muted"],
            "zeroline": False,
            "automargin": True,
            "ticks": "outside",
            "ticklen": 4,
            "tickcolor": INK["muted"],
            "nticks": 9,
            "anchor": "y" if len(panels) == 1 else f"y{len(panels)}",
        },
    }
    if legend:
        layout["legend"] = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
        layout["margin"]["t"] = 60
    top = 1.0
    for number, panel in enumerate(panels, 1):
        name = "" if number == 1 else str(number)
        height = free * panel.weight / weights
        domain = [max(0.0, top - height), top]
        top -= height + gap
        layout[f"yaxis{name}"] = {
            "domain": domain,
            "anchor": "x",
            "gridcolor": INK["grid"],
            "zeroline": True,
            "zerolinecolor": "#c3ccd3",
            "zerolinewidth": 1,
            "automargin": True,
            "fixedrange": False,
            **panel.axis,
        }
        data += [{**trace, "yaxis": f"y{name}"} for trace in panel.traces]
        for items, target in ((panel.shapes, shapes), (panel.notes, notes)):
            for item in items:
                on = f"y{name}" if item.get("yref") == "value" else f"y{name} domain"
                target.append({"xref": "x", **item, "yref": on})
    layout["shapes"], layout["annotations"] = shapes, notes
    seen: set[str] = set()
    for trace in data:
        trace["showlegend"] = legend and trace["name"] not in seen
        seen.add(trace["name"])
    return {"data": data, "layout": layout}


def sparkline(values: np.ndarray, width: int = 640, height: int = 120) -> str:
    """A line as static SVG, in the colour of equity."""
    kept = thin(values, 400)
    y = values[kept]
    good = np.isfinite(y)
    if good.sum() < 2:
        return ""
    kept, y = kept[good], y[good]
    low, high = float(y.min()), float(y.max())
    scale = (height - 8) / ((high - low) or 1.0)
    points = " ".join(
        f"{4 + (width - 8) * k / max(1, len(values) - 1):.1f},{height - 4 - (v - low) * scale:.1f}"
        for k, v in zip(kept.tolist(), y.tolist(), strict=True)
    )
    first = height - 4 - (float(y[0]) - low) * scale
    dash, ink = INK["wallet"], INK["equity"]
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%" role="img" aria-label="equity">'
        f'<line x1="4" x2="{width - 4}" y1="{first:.1f}" y2="{first:.1f}" stroke="{dash}" stroke-dasharray="3 3"/>'
        f'<polyline points="{points}" fill="none" stroke="{ink}" stroke-width="1.6"/></svg>'
    )
