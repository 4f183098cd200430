"""The verb `validate`: what the exchange answers where the truth is known otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.cli.recorded import ASKED, AsJson, Lot, OpenFrom, Repair, Tick, asked
from novation.domain.errors import InvalidInput

_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random numbers.")]

app = typer.Typer(help="Ask the exchange what is known otherwise: models, recorded orders.")


@app.callback(invoke_without_command=True)
def validate(context: typer.Context) -> None:
    """Ask the exchange what is known otherwise: models, recorded orders."""
    if context.invoked_subcommand is None:
        show.out(context.get_help())


@app.command("ghost")
def ghost(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Order by order: .dbn.zst (schema mbo), CSV of events, .npz of hftbacktest."
        ),
    ],
    tick: Tick = None,
    lot: Lot = None,
    orders: Annotated[int, typer.Option("--orders", help="How many orders to send again; 0: all that can be.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which of them.")] = 0,
    open_from: OpenFrom = None,
    repair: Repair = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Hold orders that come across the best back until their trades are told.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Send recorded orders again as ours, and compare what becomes of them with the record."""
    from novation.research.validate import ghost as send
    from novation.research.validate import read_orders

    if orders < 0:
        raise InvalidInput("is a whole number of 0 or more", source="--orders", value=orders)
    with asked(ASKED):
        flow = read_orders(file, tick=tick, lot=lot, open_from=open_from, repair=repair, hold=hold)
        with show.steps_bar("ghosts") as progress:
            report = send(flow, orders=orders or None, seed=seed, open_from=open_from, progress=progress)
    show.show(report, json=json)


@app.command("book-odds")
def book_odds(
    bid: Annotated[int, typer.Option("--bid", help="Orders at the best bid.")],
    ask: Annotated[int, typer.Option("--ask", help="Orders at the best ask.")],
    question: Annotated[
        str,
        typer.Option(
            "--question",
            metavar="up|fill|both",
            help="up: the mid moves up first. fill: my bid, last in its queue, fills before. both: my ask, too.",
        ),
    ] = "up",
    spread: Annotated[int, typer.Option("--spread", help="Ticks between the best prices.")] = 1,
    runs: Annotated[int, typer.Option("--runs", help="How often.")] = 100_000,
    seed: _Seed = 0,
    json: AsJson = False,
) -> None:
    """Odds in the Markov order book of Cont, Stoikov and Talreja, matched by the exchange."""
    from novation.research.validate.book_model import book_odds as ask_for

    show.show(ask_for(bid, ask, question, spread=spread, runs=runs, seed=seed), json=json)


@app.command("book-stationary")
def book_stationary(
    time: Annotated[float, typer.Option("--time", help="Units of the model's time to run for.")] = 10_000,
    seed: _Seed = 0,
    json: AsJson = False,
) -> None:
    """The same book in the long run: spread, moves and variance of the mid."""
    from novation.research.validate.book_model import book_stationary as ask_for

    show.show(ask_for(time, seed=seed), json=json)
