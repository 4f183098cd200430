"""What several pictures have in common: axes, lines at happenings, grey stretches without a position."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import polars as pl

from novation.research.report.drawing import INK, ms_of
from novation.research.report.story import Story


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": escape(title), "standoff": 8}, "tickformat": ",.7~r", **more}


def verticals(rows: pl.DataFrame, color: str, opacity: float, dash: str = "solid") -> list[dict[str, Any]]:
    return [
        {
            "type": "line",
            "x0": at,
            "x1": at,
            "y0": 0,
            "y1": 1,
            "line": {"color": color, "width": 1, "dash": dash},
            "opacity": opacity,
            "layer": "below",
        }
        for at in ms_of(rows["ts"]).tolist()
    ]


def _flat_spans(story: Story, x: np.ndarray, mark: np.ndarray) -> list[tuple[int, int]]:
    """Stretches without a position, from the sample that found it flat to the one that found it held."""
    flat = ~np.isfinite(mark)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(np.int8), [0]])))
    spans = [(int(x[max(0, a - 1)]), int(x[min(b, len(x) - 1)])) for a, b in edges.reshape(-1, 2)]
    least = (story.span[1] - story.span[0]) / 200
    return [span for span in spans if span[1] - span[0] > least][:60]


def flat(story: Story, x: np.ndarray, mark: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "x0": a,
            "x1": b,
            "y0": 0,
            "y1": 1,
            "fillcolor": "#66747f",
            "opacity": 0.07,
            "line": {"width": 0},
            "layer": "below",
        }
        for a, b in _flat_spans(story, x, mark)
    ]


def flat_words(story: Story, x: np.ndarray, mark: np.ndarray) -> list[dict[str, Any]]:
    whole = story.span[1] - story.span[0]
    return [
        {
            "x": (a + b) // 2,
            "y": 0.97,
            "yanchor": "top",
            "text": "no position",
            "showarrow": False,
            "font": {"size": 11, "color": INK["muted"]},
        }
        for a, b in _flat_spans(story, x, mark)
        if b - a > whole / 7
    ]
