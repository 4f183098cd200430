"""The verbs `contract`, `calendar` and `roll`: what a contract is, when it trades, when to leave it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novation.cli import show

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

Products = Annotated[
    Path | None, typer.Option("--products", metavar="FILE", help="Products of your own: a YAML file, asked first.")
]


def _reference(products: Path | None) -> Reference | None:
    from novation.reference.lookup import Reference

    return None if products is None else Reference.default(tables=[products])


def contract(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="ESZ6, ESZ2026; ES: the month that leads.")],
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="As of that day; else today.")] = None,
    products: Products = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show a CME contract: tick, multiplier, last trading and first notice day, lead month, names at a broker."""
    from novation.reference.products import contract as ask

    show.show(ask(symbol, on=on or str(dt.date.today()), reference=_reference(products)), json=json)


def calendar(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="E.g. ES, or one contract.")],
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day; else today.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Day after the last; else a month after the first.")
    ] = None,
    products: Products = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of sessions as JSON, instants in UTC.")] = False,
) -> None:
    """Show when a CME product trades: sessions, early closes, holidays, expiries; a month at a glance."""
    from novation.domain.units import NS, to_ns
    from novation.reference.trading_calendar import calendar as ask

    first = start or str(dt.date.today())
    until = end or str(dt.datetime.fromtimestamp(to_ns(first, source="--from") // NS, dt.UTC).date() + dt.timedelta(31))
    show.show(ask(symbol, first, until, reference=_reference(products)), json=json)


def roll(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The product: ES, CL, ...")],
    rule: Annotated[
        str, typer.Option("--rule", help="lead (the exchange's), days:N, expiry:N or notice:N before the end.")
    ] = "lead",
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="As of that day; else today.")] = None,
    months: Annotated[str, typer.Option("--months", help="Letters of the months held, e.g. Z; else the active.")] = "",
    products: Products = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show which contract to hold on a day, when to roll it, and by when a broker would close it."""
    from novation.trading.roll_schedule import roll as ask

    show.show(
        ask(symbol, on=on or str(dt.date.today()), rule=rule, cycle=months, reference=_reference(products)), json=json
    )
