"""The verb `calibrate`: the numbers of a model out of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.cli.recorded import ASKED, AsJson, Lot, OpenFrom, Repair, Tick, asked

app = typer.Typer(help="Find the numbers of a model in a record.")


@app.callback(invoke_without_command=True)
def calibrate(context: typer.Context) -> None:
    """Find the numbers of a model in a record."""
    if context.invoked_subcommand is None:
        show.out(context.get_help())


@app.command("flow")
def flow(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Order by order: .dbn.zst (schema mbo), CSV of events, .npz of hftbacktest."
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", metavar="zero-intelligence|queue-reactive|hawkes", help="Which model of order flow."),
    ],
    tick: Tick = None,
    lot: Lot = None,
    open_from: OpenFrom = None,
    repair: Repair = False,
    reach: Annotated[
        int, typer.Option("--reach", help="Ticks told apart, from the other side's best or the reference price.")
    ] = 10,
    out: Annotated[Path | None, typer.Option("--out", help="File for the model: .json, .yaml or .yml.")] = None,
    json: AsJson = False,
) -> None:
    """Find the rates of a model of order flow in recorded orders, and what they rest on."""
    from novation.data.flow import read_orders
    from novation.research.calibrate import calibrate_flow, write_model
    from novation.research.calibrate.flow import check_asked
    from novation.research.calibrate.model_files import writable

    with asked(ASKED | {"model": "--model", "reach": "--reach"}):
        check_asked(model, reach)
        if out is not None:
            writable(out, "--out")
        recorded = read_orders(file, tick=tick, lot=lot, open_from=open_from, repair=repair)
        report = calibrate_flow(recorded, model, reach=reach, open_from=open_from)
    if out is not None:
        write_model(report.model, out, "--out")
    show.show(report, json=json)
