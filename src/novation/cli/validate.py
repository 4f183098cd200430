"""The verb `validate`: what the exchange answers where the truth is known."""

from __future__ import annotations

from typing import Annotated

import typer

from novation.cli import show

app = typer.Typer(no_args_is_help=True, help="Ask the exchange what is known otherwise: models, recorded orders.")

_AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
_Seed = Annotated[int, typer.Option("--seed", help="Of the random numbers.")]


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
    json: _AsJson = False,
) -> None:
    """Odds in the Markov order book of Cont, Stoikov and Talreja, matched by the exchange."""
    from novation.research.validate.book_model import book_odds as ask_for

    show.show(ask_for(bid, ask, question, spread=spread, runs=runs, seed=seed), json=json)


@app.command("book-stationary")
def book_stationary(
    time: Annotated[float, typer.Option("--time", help="Units of the model's time to run for.")] = 10_000,
    seed: _Seed = 0,
    json: _AsJson = False,
) -> None:
    """The same book in the long run: spread, moves and variance of the mid."""
    from novation.research.validate.book_model import book_stationary as ask_for

    show.show(ask_for(time, seed=seed), json=json)
