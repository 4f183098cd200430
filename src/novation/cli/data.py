"""Verbs about history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.domain.errors import InvalidInput

#: Argument of `sources.download` -> what the command calls it.
_ASKED = {"venue": "VENUE", "symbols": "SYMBOL", "start": "--from", "end": "--to", "start, end": "--from, --to"}

app = typer.Typer(help="History: fetch it into the store.")


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """Fetch history into the store."""
    if context.invoked_subcommand is None:
        show.out(context.get_help())


@app.command("download")
def download(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="binance_um.")],
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="E.g. BTCUSDT ENAUSDT.")],
    start: Annotated[str, typer.Option("--from", help="First day, e.g. 2020-01-01.")],
    end: Annotated[str, typer.Option("--to", help="Day after the last.")],
    store: Annotated[Path | None, typer.Option("--store", help="Folder to fill; else the user's store.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Another copy of the archive.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Fetch hourly last, mark and funding from the exchange's public archive."""
    from novation.data import sources
    from novation.data.store import store_path

    folder = store if store is not None else store_path()
    url = base_url or sources.BINANCE_ARCHIVE
    try:
        with show.steps_bar(f"download {venue}") as progress:
            done = sources.download(venue, symbols, start, end, store=folder, base_url=url, progress=progress)
    except InvalidInput as error:
        if error.source not in _ASKED:
            raise
        raise InvalidInput(error.problem, source=_ASKED[error.source], value=error.value, hint=error.hint) from None
    if json:
        show.as_json([one.to_dict() for one in done])
        return
    for one in done:
        gone = f"   {len(one.missing)} not in the archive" if one.missing else ""
        show.out(f"{one.symbol:<12} {one.rows:>9,} rows   {one.first} .. {one.last}{gone}   {one.path}")
