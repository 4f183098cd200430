"""The verb `audit`: what somebody's trades would have met at the exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.cli.markets import Products
from novation.cli.recorded import asked

_ARGUMENTS = ("format", "data", "margin", "leverage", "cash", "rules_as_of", "tables", "products", "tz", "out")


def audit(
    trades: Annotated[
        Path, typer.Argument(metavar="TRADES", help="A table of trades, a freqtrade export, a statement.")
    ],
    format: Annotated[
        str | None, typer.Option("--format", help="trades, freqtrade, binance or ib; else told from the file.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Histories; else NOVATION_DATA and the store.")
    ] = None,
    margin: Annotated[str, typer.Option("--margin", help="isolated, or cross with --cash.")] = "isolated",
    leverage: Annotated[
        str | None, typer.Option("--leverage", help="Of trades whose source states none; else 1.")
    ] = None,
    cash: Annotated[
        str | None, typer.Option("--cash", metavar="AMOUNT", help="One account of so much trades them all.")
    ] = None,
    rules_as_of: Annotated[
        str | None, typer.Option("--rules-as-of", metavar="DATE", help="Read every dated table on that day.")
    ] = None,
    tables: Annotated[
        list[Path] | None, typer.Option("--tables", metavar="DIR", help="Your own tables, asked first; again for each.")
    ] = None,
    products: Products = None,
    tz: Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Zone of times without one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Every trade, as .csv or .parquet.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Replay somebody's trades under the exchange's rules: fees, funding, refusals, liquidations that they missed."""
    from novation.research.audit import audit as run
    from novation.research.audit.result import check_place

    with asked({name: f"--{name.replace('_', '-')}" for name in _ARGUMENTS}):
        if out is not None:
            check_place(out)
        with show.bars_bar("audit", "trades") as progress:
            found = run(
                trades,
                format=format,
                data=data,
                margin=margin,
                leverage=leverage,
                cash=cash,
                rules_as_of=rules_as_of,
                tables=tables or (),
                products=products,
                tz=tz,
                progress=progress,
            )
        if out is not None:
            found.save(out)
    show.show(found, json=json)
    if out is not None and not json:
        show.out(f"saved to {out}")
