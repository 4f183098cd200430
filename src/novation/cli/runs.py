"""Verbs that run something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show


def cascade(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, e.g. configs/cascade.yaml.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Put a value over the file's, e.g. shock.sell=900."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for cascade.html, seconds.parquet and cascade.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Run a market of many leveraged accounts through a shock, and draw the liquidations that follow."""
    from novation.research.cascade.run import cascade as run

    with show.bars_bar("cascade", "seconds") as progress:
        result = run(config, settings=settings or (), progress=progress)
    show.show(result, json=json)
    if out is not None:
        result.save(out)
    if not json:
        if out is None:
            show.out("--out DIR draws it")
        else:
            show.out(f"saved to {out}: cascade.html, seconds.parquet, cascade.json")


def backtest(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; `novation init` writes one.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Put a value over the file's, e.g. margin.leverage=10."),
    ] = None,
    products: Annotated[
        Path | None, typer.Option("--products", metavar="FILE", help="Products of your own: a YAML file, asked first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for Parquet tables, report.html and manifest.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a strategy on history through the simulated exchange."""
    from novation.research.config import load_config
    from novation.research.config.run import run_config

    own = [f"products={products.resolve()}"] if products is not None else []
    checked = load_config(config, [*(settings or ()), *own])
    with show.bars_bar("backtest") as progress:
        result = run_config(checked, out=out, progress=progress)
    show.show(result, json=json)
    if json:
        return
    if idle := checked.without_effect():
        show.note(f"without effect in this run: {', '.join(idle)}")
    if out is not None:
        show.out(f"saved to {out}: report.html, manifest.json, {len(list(out.glob('*.parquet')))} tables")
