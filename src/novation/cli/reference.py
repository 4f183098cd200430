"""Verbs about the tables of exchange rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show

app = typer.Typer(help="Rules of exchanges: fetch or import rows of your own.", no_args_is_help=False)

Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", metavar="SYMBOL[,SYMBOL...]", help="Only these; may be repeated.")
]
Folder = Annotated[Path | None, typer.Option("--folder", metavar="DIR", help="Tables to compare with and to fill.")]
Write = Annotated[bool, typer.Option("--write", help="Take the rows in; else only show them.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.callback()
def reference() -> None:
    """Fetch or import rows of exchange rules; the difference is shown before anything is written."""


@app.command("refresh")
def refresh(
    venue: Annotated[str, typer.Option("--venue", help="binance_um.")] = "binance_um",
    symbols: Symbols = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Another host of the exchange.")] = None,
    folder: Folder = None,
    write: Write = False,
    json: Json = False,
) -> None:
    """Ask the exchange for contracts, funding limits and, with a key, brackets (`--symbols all`: every perpetual).

    The key is read from NOVATION_BINANCE_KEY and NOVATION_BINANCE_SECRET, or from the keyring.
    """
    from novation.data.reference_update import BINANCE_REST
    from novation.data.reference_update import refresh as ask

    answer = ask(venue, _names(symbols), base_url=base_url or BINANCE_REST, folder=folder, write=write)
    show.show(answer, json=json)


@app.command("import")
def import_(
    exchange: Annotated[str, typer.Option("--ccxt", metavar="EXCHANGE", help="An exchange by ccxt's name of it.")],
    markets: Annotated[
        Path | None, typer.Option("--markets", metavar="FILE", help="A JSON dump in place of the network.")
    ] = None,
    symbols: Symbols = None,
    folder: Folder = None,
    write: Write = False,
    json: Json = False,
) -> None:
    """Turn ticks, fees and leverage tiers of any ccxt exchange into rows marked as unverified."""
    from novation.data.reference_update import import_ccxt

    answer = import_ccxt(exchange, markets=markets, symbols=_names(symbols), folder=folder, write=write)
    show.show(answer, json=json)


def _names(given: list[str] | None) -> list[str] | None:
    return [name.strip() for text in given for name in text.split(",") if name.strip()] if given else None
