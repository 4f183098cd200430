"""The verbs `contract`, `calendar` and `roll`: what a contract is, when it trades, when to leave it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from novation.cli import show
from novation.domain.errors import InvalidInput

if TYPE_CHECKING:
    from novation.reference.lookup import Reference

Products = Annotated[
    Path | None, typer.Option("--products", metavar="FILE", help="Products of your own: a YAML file, asked first.")
]


def own_reference(products: Path | None) -> Reference | None:
    """The tables with a file of products of the user's own before them; None: those there are anyway."""
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

    show.show(ask(symbol, on=on or str(dt.date.today()), reference=own_reference(products)), json=json)


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
    from novation.domain.units import to_ns, utc_date
    from novation.reference.trading_calendar import calendar as ask

    first = start or str(dt.date.today())
    until = end or str(utc_date(to_ns(first, source="--from")) + dt.timedelta(31))
    show.show(ask(symbol, first, until, reference=own_reference(products)), json=json)


def roll(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The product: ES, CL, ...")],
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="lead (the exchange's), days:N, expiry:N, notice:N; volume or open_interest with --data.",
        ),
    ] = "lead",
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="As of that day; else today.")] = None,
    months: Annotated[str, typer.Option("--months", help="Letters of the months held, e.g. Z; else the active.")] = "",
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Volumes: a daily chain, or a folder of CSVs, one a contract."),
    ] = None,
    confirm: Annotated[int, typer.Option("--confirm", help="Days in a row that volume has to say so.")] = 1,
    products: Products = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show which contract to hold on a day, when to roll it, and by when a broker would close it."""
    if rule in ("volume", "open_interest"):
        from novation.research.roll_by_activity import roll_by_activity

        if data is None:
            raise InvalidInput("needs a file of daily volumes", source="--rule", value=rule, hint="Pass --data PATH.")
        day, own = on or str(dt.date.today()), own_reference(products)
        by: Literal["volume", "open_interest"] = "volume" if rule == "volume" else "open_interest"
        found = roll_by_activity(symbol, data, on=day, by=by, confirm=confirm, cycle=months, reference=own)
        show.show(found, json=json)
        return
    from novation.reference.rolls import RULES, is_rule
    from novation.trading.roll_schedule import roll as ask

    if not is_rule(rule):
        hint = f"Rules: {', '.join(RULES)}; volume and open_interest with --data."
        raise InvalidInput("is no roll rule", source="--rule", value=rule, hint=hint)
    show.show(
        ask(symbol, on=on or str(dt.date.today()), rule=rule, cycle=months, reference=own_reference(products)),
        json=json,
    )
