"""Pictures of a run, as plain plotly dictionaries.

Everything is drawn from the record's own tables (samples, holdings, events), so a loaded run has the same pictures as a
fresh one. A picture is a stack of panels over one axis of time (UTC). One colour has one meaning throughout: see
`drawing.INK`.

Long series are thinned to the least and the greatest of each stretch, so every extreme survives; liquidations, margin
calls and rolls are never thinned.

Not drawn: prices while nothing is held (the record has none), and what happened to the margin inside a bar, beyond the
events that it caused.
"""

from __future__ import annotations

from html import escape
from typing import Any

from novation.domain.errors import InvalidInput
from novation.research.frames import RunFrames
from novation.research.report.cash import equity_picture, funding_picture, settlement_picture
from novation.research.report.drawing import Panel, Picture, compose
from novation.research.report.price import price_picture
from novation.research.report.ratio import account_ratio, isolated_ratio
from novation.research.report.shapes import axis
from novation.research.report.story import Story

KINDS = ("equity", "price", "margin", "funding", "settlements", "all")


def account_pictures(story: Story, kind: str = "all", only: str | None = None) -> list[Picture]:
    """Equity and drawdown of each account (and of all in the report currency), margin ratio of cross accounts.

    only: the one venue whose margin ratio is wanted.
    """
    out = []
    if kind in ("equity", "all"):
        total = story.result.frame("equity")
        accounts = [(name, about["asset"], story.by_venue[name]) for name, about in story.venues.items()]
        if len(accounts) > 1 and total["currency"].n_unique() == 1:
            if total.height:
                currency = total["currency"][0]
                out.append(equity_picture(story, currency, total, f"Equity of all accounts in {currency}", None))
        for name, asset, table in accounts:
            title = "Equity and drawdown" if len(accounts) == 1 else f"Equity and drawdown, {name} account"
            out.append(equity_picture(story, asset, table, title, name))
    if kind in ("margin", "all"):
        for name in story.venues:
            if only in (None, name) and not (story.isolated and story.tiered(name)):
                out.append(account_ratio(story, name, several=len(story.venues) > 1))
    return [picture for picture in out if picture is not None]


def instrument_pictures(story: Story, symbol: str, kind: str = "all") -> list[Picture]:
    """Price against liquidation price, margin ratio where isolated, funding, settlement."""
    out: list[Picture | None] = []
    if kind in ("price", "all"):
        out.append(price_picture(story, symbol))
    if kind in ("margin", "all") and story.isolated and story.tiered(story.venue(symbol)):
        out.append(isolated_ratio(story, symbol))
    if kind in ("funding", "all"):
        out.append(funding_picture(story, symbol))
    if kind in ("settlements", "all"):
        out.append(settlement_picture(story, symbol))
    return [picture for picture in out if picture is not None]


def figure(result: RunFrames, kind: str = "equity", symbol: str | None = None) -> Any:
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
                axis(""),
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


def _chosen(result: RunFrames, symbol: str | None) -> list[str]:
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
