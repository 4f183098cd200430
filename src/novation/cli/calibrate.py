"""The verb `calibrate`: the numbers of a model out of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.cli.recorded import ASKED, AsJson, Lot, OpenFrom, Repair, Tick, asked
from novation.domain.errors import InvalidInput
from novation.domain.units import NS

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
    from novation.data.model_files import writable
    from novation.research.calibrate import calibrate_flow, write_model
    from novation.research.calibrate.flow import check_asked

    with asked(ASKED | {"model": "--model", "reach": "--reach"}):
        check_asked(model, reach)
        if out is not None:
            writable(out, "--out")
        recorded = read_orders(file, tick=tick, lot=lot, open_from=open_from, repair=repair)
        report = calibrate_flow(recorded, model, reach=reach, open_from=open_from)
    if out is not None:
        write_model(report.model, out, "--out")
    show.show(report, json=json)


@app.command("slippage")
def slippage(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Whose market it is: BTCUSDT.")],
    depth: Annotated[
        Path,
        typer.Option(
            "--depth", metavar="FILE", help="Levels: Tardis CSV, a capture of Binance streams, .npz of hftbacktest."
        ),
    ],
    trades: Annotated[Path, typer.Option("--trades", metavar="FILE", help="Trades: Tardis CSV; else the same file.")],
    tick: Annotated[str | None, typer.Option("--tick", help="Price of one tick; else the product's.")] = None,
    lot: Annotated[str | None, typer.Option("--lot", help="Size of one lot; else the product's.")] = None,
    every: Annotated[str, typer.Option("--every", help="Seconds between samples.")] = "1",
    fit: Annotated[
        str, typer.Option("--fit", metavar="best|free|square-root", help="Which fit --out writes.")
    ] = "best",
    repair: Repair = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="New folder of reference tables for its rows.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Find the coefficients of slippage in recorded depth and trades, and how well they foretell the rest of it."""
    from novation.data.flow import read_levels
    from novation.data.model_files import new_place
    from novation.domain.units import from_e8, to_decimal
    from novation.reference import Reference
    from novation.research.calibrate import calibrate_slippage, write_rows

    chosen = {"best": "", "free": "free exponent", "square-root": "square root"}.get(fit)
    if chosen is None:
        raise InvalidInput("is best, free or square-root", source="--fit", value=fit)
    if out is not None:
        new_place(out, "--out")
    every_ns = int(to_decimal(every, source="--every") * NS)
    if every_ns <= 0:
        raise InvalidInput("expected a number above zero", source="--every", value=every)
    instrument = Reference.default().instrument(symbol)
    names = {"tick": "--tick", "price": "--tick", "lot": "--lot", "size": "--lot"}
    with asked(names):
        flow = read_levels(
            depth,
            trades,
            tick=tick or from_e8(instrument.tick_e8).normalize(),
            lot=lot or from_e8(instrument.lot_e8).normalize(),
            symbol=instrument.symbol,
            repair=repair,
        )
        report = calibrate_slippage(flow, every_ns=every_ns)
    if out is not None:
        written = write_rows(report, symbol, out, fit=chosen)
        show.note(f"rows are in {written}: used where NOVATION_REFERENCE is {out}")
    show.show(report, json=json)
