"""The picture of a price: mark and its range, liquidation price, fills, rolls, liquidations."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np
import polars as pl

from novation.research.report.drawing import INK, MARKERS, Panel, Picture, band, dots, line, ms_of
from novation.research.report.shapes import axis, flat, flat_words, verticals
from novation.research.report.story import Story


def price_picture(story: Story, symbol: str) -> Picture | None:
    x, held = story.held(symbol)
    mark = held["mark"].to_numpy()
    if not np.isfinite(mark).any():
        return None
    low, high = held["mark_low"].to_numpy(), held["mark_high"].to_numpy()
    liquidation = held["liquidation"].to_numpy()
    word = escape(story.currency(symbol))
    traces = [*band(x, low, high), line("mark", x, mark, INK["mark"], "mark %{y:,.7~r}")]
    legend = [("mark at the close", INK["mark"], "line"), ("its range in the bar", INK["range"], "area")]
    close_out = "liquidation price" if story.tiered(story.venue(symbol)) else "margin-call price"
    caption = ""
    gone, fills = story.of(story.liquidations, symbol), story.own_fills(symbol)
    # a position opened and liquidated within one bar has no sample, only its events
    traded = np.concatenate([fills["price"].to_numpy(), gone["mark"].to_numpy()])
    bounds = _bounds(np.concatenate([low, traded]), np.concatenate([high, traded]), liquidation)
    outside = np.isfinite(liquidation) & ((liquidation < bounds[0]) | (liquidation > bounds[1]))
    if np.isfinite(liquidation).any():
        drawn = np.where(outside, np.nan, liquidation)
        if np.isfinite(drawn).any():
            traces.append(
                line(
                    close_out,
                    x,
                    drawn,
                    INK["liquidation"],
                    f"{close_out} %{{y:,.7~r}}",
                    width=1.6,
                    line={"shape": "hv"},
                )
            )
            legend.append((close_out, INK["liquidation"], "line"))
        if outside.any():
            share = outside.sum() / np.isfinite(liquidation).sum()
            nearest = float(np.nanmin(np.abs(liquidation[outside] / mark[outside] - 1.0)))
            caption = (
                f"The {close_out} lies outside the frame in {share:.0%} of the bars "
                f"(there at least {nearest:.0%} away)."
            )
    else:
        caption = f"There is no {close_out}: the money behind the position covers any fall."
    shown = fills
    if fills.height > MARKERS:
        shown = fills.gather_every(math.ceil(fills.height / MARKERS))
        caption += f" {shown.height:,} of {fills.height:,} fills are drawn."
    for side, rows, color, glyph, shape in (
        ("buy", shown.filter(pl.col("qty") > 0), INK["buy"], "▲", "triangle-up"),
        ("sell", shown.filter(pl.col("qty") < 0), INK["sell"], "▼", "triangle-down"),
    ):
        if rows.height:
            texts = [
                f"{'bought' if side == 'buy' else 'sold'} {abs(q):,.8g} at {p:,.8g}"
                for q, p in zip(rows["qty"].to_list(), rows["price"].to_list(), strict=True)
            ]
            traces.append(dots(side, ms_of(rows["ts"]), rows["price"].to_numpy(), color, shape, texts, size=10))
            legend.append((side, color, glyph))
    rolls = story.of(story.rolls, symbol).filter(pl.col("qty") != 0)
    if rolls.height:
        texts = [
            f"rolled {escape(row['old'].split(':')[-1])} to {escape(row['new'].split(':')[-1])}"
            + (f", spread {row['spread']:+,.6g}" if row["spread"] is not None else "")
            for row in rolls.iter_rows(named=True)
        ]
        prices = rolls["price_new"].cast(pl.Float64).to_numpy()
        traces.append(dots("roll", ms_of(rolls["ts"]), prices, INK["roll"], "diamond", texts, size=6))
        legend.append(("roll", INK["roll"], "◆"))
    if gone.height:
        traces += _crosses(gone, word)
        legend.append(("liquidation, at the mark that set it off", INK["liquidation"], "✕"))
    panel = Panel(
        traces,
        axis(f"price, {story.currency(symbol)}", range=list(bounds)),
        1.0,
        [*flat(story, x, mark), *verticals(gone, INK["liquidation"], 0.35)],
        flat_words(story, x, mark),
    )
    return Picture("price", f"{symbol}: price against {close_out}", [panel], legend, caption.strip())


def _crosses(gone: pl.DataFrame, currency: str) -> list[dict[str, Any]]:
    """Every liquidation, clearly."""
    texts = [
        f"<b>liquidated</b> {row['qty']:+,.8g} at {row['price']:,.8g}<br>equity {row['equity']:,.2f} against "
        f"maintenance {row['maintenance']:,.2f} {currency}"
        for row in gone.iter_rows(named=True)
    ]
    return [dots("liquidation", ms_of(gone["ts"]), gone["mark"].to_numpy(), INK["liquidation"], "x", texts, size=13)]


def _bounds(low: np.ndarray, high: np.ndarray, liquidation: np.ndarray) -> tuple[float, float]:
    """A frame for the price, stretched to the liquidation price as far as the price stays readable."""
    bottom, top = float(np.nanmin(low)), float(np.nanmax(high))
    reach = max(top - bottom, abs(top) * 0.01)
    known = liquidation[np.isfinite(liquidation)]
    near = known[(known > bottom - 1.2 * reach) & (known < top + 1.2 * reach)]
    if len(near):
        bottom, top = min(bottom, float(near.min())), max(top, float(near.max()))
    pad = 0.05 * (top - bottom) or abs(top) * 0.01 or 1.0
    return bottom - pad, top + pad
