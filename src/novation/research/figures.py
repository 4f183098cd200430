"""Pictures of a run, as plain plotly dictionaries.

Everything is drawn from the record's own tables (samples, holdings, events), so a loaded run has the same pictures as a
fresh one. A picture is a stack of panels over one axis of time (UTC). One colour has one meaning throughout: see `INK`.

Long series are thinned to the least and the greatest of each stretch, so every extreme survives; liquidations, margin
calls and rolls are never thinned.

Not drawn: prices while nothing is held (the record has none), and what happened to the margin inside a bar, beyond the
events that it caused.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from novation.domain.errors import InvalidInput
from novation.research import tables
from novation.research.drawing import INK, MARKERS, MS, Panel, Picture, band, compose, dots, line, ms_of, plain
from novation.trading.record import frame

if TYPE_CHECKING:
    from novation.research.result import Result

KINDS = ("equity", "price", "margin", "funding", "settlements", "all")

# ---------------------------------------------------------------- what a run holds


class Story:
    """The series of one run that its pictures share, each made once."""

    def __init__(self, result: Result) -> None:
        self.result = result
        manifest = result.manifest
        self.symbols = [str(symbol) for symbol in manifest["symbols"]]
        self.venues = manifest["venues"]
        self.isolated = manifest["account"]["margin"] == "isolated"
        self.positions = result.frame("positions")
        self.fills = result.frame("fills")
        self.liquidations = result.frame("liquidations")
        self.calls = result.frame("margin_calls")
        self.rolls = result.frame("rolls")
        self.by_currency = tables.equity(result.record)
        self.span = (manifest["period"]["from_ns"] // MS, manifest["period"]["to_ns"] // MS)
        #: what a picture shows: a little more, so that markers at both ends are whole
        self.view = (
            self.span[0] - (self.span[1] - self.span[0]) // 100,
            self.span[1] + (self.span[1] - self.span[0]) // 100,
        )
        self._held: dict[str, tuple[np.ndarray, pl.DataFrame]] = {}

    def venue(self, symbol: str) -> str:
        """The venue that trades a symbol."""
        return next(
            name for name, about in self.venues.items() if any(i["symbol"] == symbol for i in about["instruments"])
        )

    def about(self, symbol: str) -> dict[str, Any]:
        """The manifest's words on the first instrument of a symbol."""
        venue = self.venues[self.venue(symbol)]
        return dict(next(i for i in venue["instruments"] if i["symbol"] == symbol))

    def currency(self, symbol: str) -> str:
        """What a symbol settles in."""
        return str(self.venues[self.venue(symbol)]["asset"])

    def tiered(self, venue: str) -> bool:
        """Whether a venue liquidates at once (notional brackets), or calls margin first (margin per contract)."""
        return any(i["method"] == "tiered" for i in self.venues[venue]["instruments"])

    def held(self, symbol: str) -> tuple[np.ndarray, pl.DataFrame]:
        """Instants in ms, and the position at each: nulls where nothing is held."""
        if symbol not in self._held:
            samples = frame(self.result.record.venues[self.venue(symbol)].samples)
            instants = samples.select(pl.col("ts_ns").cast(pl.Datetime("ns", "UTC")).alias("ts")).unique().sort("ts")
            rows = self.positions.filter(pl.col("symbol") == symbol).unique("ts", keep="last", maintain_order=True)
            joined = instants.join(rows, on="ts", how="left", maintain_order="left").with_columns(
                # a contract rolled into at the close of another's bar has no bar of its own yet
                mark_low=pl.when(pl.col("mark_low") > 0).then("mark_low").otherwise("mark"),
                mark_high=pl.when(pl.col("mark_high") > 0).then("mark_high").otherwise("mark"),
            )
            self._held[symbol] = ms_of(joined["ts"]), joined
        return self._held[symbol]

    def of(self, table: pl.DataFrame, symbol: str) -> pl.DataFrame:
        """A table's rows of a symbol."""
        return table.filter(pl.col("symbol") == symbol)

    def own_fills(self, symbol: str) -> pl.DataFrame:
        """Fills of the strategy: neither liquidations nor legs of rolls."""
        fills = self.of(self.fills, symbol).filter(~pl.col("liquidation"))
        if self.rolls.is_empty():
            return fills
        moved = self.rolls.filter(pl.col("qty") != 0)
        legs = pl.concat([moved.select("ts", pl.col(side).alias("contract")) for side in ("old", "new")])
        return fills.join(legs, on=["ts", "contract"], how="anti")


# ---------------------------------------------------------------- pictures


def _chosen(result: Result, symbol: str | None) -> list[str]:
    known = [str(name) for name in result.manifest["symbols"]]
    if symbol is None:
        return known
    found = [name for name in known if symbol in (name, name.split(":", 1)[-1])]
    if not found:
        raise InvalidInput(
            "is not traded in this run",
            source="plot",
            where="symbol",
            value=symbol,
            hint=f"Traded: {', '.join(known)}.",
        )
    return found[:1]


def account_pictures(story: Story, kind: str = "all", only: str | None = None) -> list[Picture]:
    """Equity and drawdown of each account (and of all in the report currency), margin ratio of cross accounts.

    only: the one venue whose margin ratio is wanted.
    """
    out = []
    if kind in ("equity", "all"):
        total = story.result.frame("equity")
        accounts = [
            (name, about["asset"], story.by_currency.filter(pl.col("currency") == about["asset"]))
            for name, about in story.venues.items()
        ]
        if len(accounts) > 1 and story.result.manifest["account"]["report_currency"] is not None:
            out.append(
                _equity(story, total["currency"][0], total, f"Equity of all accounts in {total['currency'][0]}", None)
                if total.height
                else None
            )
        for name, asset, table in accounts:
            title = "Equity and drawdown" if len(accounts) == 1 else f"Equity and drawdown, {name} account"
            out.append(_equity(story, asset, table, title, name))
    if kind in ("margin", "all"):
        for name in story.venues:
            if only in (None, name) and not (story.isolated and story.tiered(name)):
                out.append(_account_ratio(story, name, several=len(story.venues) > 1))
    return [picture for picture in out if picture is not None]


def instrument_pictures(story: Story, symbol: str, kind: str = "all") -> list[Picture]:
    """Price against liquidation price, margin ratio where isolated, funding, settlement."""
    out: list[Picture | None] = []
    if kind in ("price", "all"):
        out.append(_price(story, symbol))
    if kind in ("margin", "all") and story.isolated and story.tiered(story.venue(symbol)):
        out.append(_isolated_ratio(story, symbol))
    if kind in ("funding", "all"):
        out.append(_funding(story, symbol))
    if kind in ("settlements", "all"):
        out.append(_settlements(story, symbol))
    return [picture for picture in out if picture is not None]


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": escape(title), "standoff": 8}, "tickformat": ",.7~r", **more}


def _equity(story: Story, currency: str, table: pl.DataFrame, title: str, venue: str | None) -> Picture | None:
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
            Panel(traces, _axis(currency), 2.4),
            Panel([below], _axis("drawdown", ticksuffix=" %", nticks=4, rangemode="tozero"), 1.0),
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


def _price(story: Story, symbol: str) -> Picture | None:
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
        _axis(f"price, {story.currency(symbol)}", range=list(bounds)),
        1.0,
        [*_flat(story, x, mark), *_verticals(gone, INK["liquidation"], 0.35)],
        _flat_words(story, x, mark),
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


def _verticals(rows: pl.DataFrame, color: str, opacity: float, dash: str = "solid") -> list[dict[str, Any]]:
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


def _flat(story: Story, x: np.ndarray, mark: np.ndarray) -> list[dict[str, Any]]:
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


def _flat_words(story: Story, x: np.ndarray, mark: np.ndarray) -> list[dict[str, Any]]:
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


def _account_ratio(story: Story, venue: str, *, several: bool) -> Picture | None:
    table = story.by_currency.filter(pl.col("currency") == story.venues[venue]["asset"])
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


def _isolated_ratio(story: Story, symbol: str) -> Picture | None:
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
    axis = _axis(
        "ratio, log",
        type="log",
        range=[math.log10(bottom), math.log10(top)],
        tickvals=ticks,
        ticktext=[f"{tick:,g}" for tick in ticks],
    )
    shapes = [edge, *_flat(story, x, ratio), *_verticals(gone, INK["liquidation"], 0.35)]
    caption = "" if at_once else "A call unmet at the next settlement closes the account out."
    return Picture("margin", title, [Panel(traces, axis, 1.0, shapes, [note])], legend, caption, wide=False)


def _funding(story: Story, symbol: str) -> Picture | None:
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
        [Panel([cumulative], _axis(story.currency(symbol)), 2.0), Panel([rates], _axis("rate, bp", nticks=4), 1.0)],
        [("funding so far", INK["funding"], "line"), ("rate of each stamp", INK["muted"], "line")],
        caption,
        wide=False,
    )


def _settlements(story: Story, symbol: str) -> Picture | None:
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
    shapes = _verticals(rolls, INK["roll"], 0.5, "dot")
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
            Panel(traces, _axis(f"per {each}, {currency}"), 1.0, shapes),
            Panel([sums], _axis(f"sum, {currency}"), 1.0, shapes),
        ],
        legend,
        caption,
        wide=False,
    )


# ---------------------------------------------------------------- a figure


def figure(result: Result, kind: str = "equity", symbol: str | None = None) -> Any:
    """A plotly figure of a run; kind: "equity", "price", "margin", "funding", "settlements" or "all".

    symbol: one of those traded, under its full or short name; without one every account and instrument.
    """
    if kind not in KINDS:
        raise InvalidInput(
            "no such picture", source="plot", where="kind", value=kind, hint=f"Known: {', '.join(KINDS)}."
        )
    import plotly.graph_objects as go

    story, chosen = Story(result), _chosen(result, symbol)
    found = [] if symbol is not None and kind != "equity" else account_pictures(story, kind)
    for name in chosen:
        if symbol is not None and kind == "margin":  # the ratio that decides on this instrument
            found += account_pictures(story, kind, only=story.venue(name))
        found += instrument_pictures(story, name, kind)
    panels = [panel for picture in found for panel in picture.panels]
    title = found[0].title if len(found) == 1 else ", ".join(chosen)
    if not panels:
        panels = [
            Panel(
                [],
                _axis(""),
                notes=[
                    {
                        "x": 0.5,
                        "xref": "paper",
                        "y": 0.5,
                        "text": f"nothing to draw: {_EMPTY[kind]}",
                        "showarrow": False,
                    }
                ],
            )
        ]
    made = compose(panels, story.view, legend=True)
    made["layout"]["title"] = {"text": escape(title), "x": 0.01, "font": {"size": 15}}
    made["layout"]["margin"]["t"] = 90
    made["layout"]["height"] = 140 + sum(round(210 * panel.weight**0.5) for panel in panels)
    made["layout"]["template"] = None
    return go.Figure(made)


_EMPTY = {
    "equity": "the run has no bar",
    "price": "no position was held at a bar's close",
    "margin": "no position was held at a bar's close",
    "funding": "no funding was paid or received",
    "settlements": "nothing was settled daily",
    "all": "the run has no bar",
}
