"""A cascade drawn: price and mark, what was liquidated second by second, the insurance fund, who was deleveraged."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novation.research.report.drawing import INK
from novation.research.report.page import write_whole

if TYPE_CHECKING:
    from novation.research.cascade.result import Cascade

#: Title, where it lies, and how its numbers are written.
_PANELS = (
    ("price, USDT", (0.58, 1.0), ",.6~r"),
    ("liquidated each second, USDT", (0.36, 0.51), "~s"),
    ("insurance fund, USDT", (0.18, 0.29), "~s"),
    ("deleveraged each second, coins", (0.0, 0.11), "~s"),
)


def figure(cascade: Cascade) -> dict[str, Any]:
    """The picture as a plain plotly dictionary: four panels over the same seconds."""
    rows = cascade.seconds
    seconds = rows["second"].to_list()

    def line(name: str, column: str, color: str, panel: int, **more: Any) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": seconds,
            "y": rows[column].to_list(),
            "yaxis": f"y{panel}" if panel > 1 else "y",
            "line": {"color": color, "width": 1.6, **more},
        }

    def bars(name: str, column: str, color: str, panel: int) -> dict[str, Any]:
        marker = {"color": color, "line": {"width": 0}}
        return {"type": "bar", "name": name, "x": seconds, "y": rows[column].to_list(), "yaxis": f"y{panel}"} | {
            "marker": marker
        }

    layout: dict[str, Any] = {
        "title": {"text": escape(_title(cascade)), "x": 0.01, "font": {"size": 17}},
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK["text"]},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "hovermode": "x unified",
        "bargap": 0,
        "barmode": "overlay",
        "height": 860,
        "margin": {"l": 64, "r": 24, "t": 84, "b": 90},
        "legend": {"orientation": "h", "y": -0.1, "x": 0},
        "xaxis": {
            "title": {"text": "seconds"},
            "anchor": "y4",
            "gridcolor": INK["grid"],
            "range": [-0.5, seconds[-1] + 0.5],
            "tickformat": ",d",
        },
    }
    for number, (_, domain, written) in enumerate(_PANELS, 1):
        layout[f"yaxis{number if number > 1 else ''}"] = {
            "domain": list(domain),
            "gridcolor": INK["grid"],
            "zerolinecolor": INK["grid"],
            "tickformat": written,
        }
    layout["annotations"] = [
        {"text": title, "x": 0, "y": domain[1], "xref": "paper", "yref": "paper", "xanchor": "left"}
        | {"yanchor": "bottom", "showarrow": False, "font": {"color": INK["muted"]}}
        for title, domain, _ in _PANELS
    ]
    return {
        "data": [
            line("index", "index", INK["wallet"], 1, dash="dot"),
            line("last price", "price", INK["equity"], 1),
            line("mark", "mark", INK["liquidation"], 1),
            bars("liquidated", "liquidated_notional", INK["liquidation"], 2),
            bars("of it taken over by the fund", "taken_over_notional", INK["call"], 2),
            line("insurance fund", "fund", INK["received"], 3),
            bars("deleveraged", "deleveraged_qty", INK["sell"], 4),
        ],
        "layout": layout,
    }


def _title(cascade: Cascade) -> str:
    move = cascade.extreme_price / cascade.first_price - 1
    return (
        f"{cascade.instrument}: {move:+.2%}, {cascade.liquidated_accounts:,} of {cascade.accounts:,} accounts "
        f"liquidated in {cascade.waves:,} waves"
    )


def write_page(cascade: Cascade, path: Path) -> Path:
    """One self-contained HTML file; it appears whole or not at all."""
    import plotly.io

    write_whole(path, str(plotly.io.to_html(figure(cascade), include_plotlyjs=True, full_html=True, validate=False)))
    return path
