"""The commands in their groups, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from novation.cli import (
    audit,
    calibrate,
    cost,
    data,
    funding,
    margin,
    markets,
    reference,
    results,
    runs,
    show,
    start,
    validate,
)
from novation.domain.errors import NovationError, RemoteError, VenueError

START, ASK, RUN, PROVE, DATA, RESULTS = "Start", "Ask", "Run", "Prove", "Data", "Results"

# What typer raises for a wrong command line; typer does not export it under a name of its own.
UsageError: type[Any] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_ORDER = (
    "demo",
    "init",
    "warm",
    "doctor",
    "margin",
    "funding",
    "contract",
    "calendar",
    "roll",
    "cost",
    "backtest",
    "audit",
    "cascade",
    "validate",
    "calibrate",
    "data",
    "reference",
    "report",
    "compare",
    "tca",
    "rerun",
)


class _Verbs(TyperGroup):
    """The verbs in the order of a user's day, which is also that of the groups in the help text."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    cls=_Verbs,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One futures exchange, written once, with many doors.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from novation._version import __version__

        show.out(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def novation(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """One futures exchange, written once, with many doors."""
    if context.invoked_subcommand is None:
        show.out(context.get_help())


app.command("demo", rich_help_panel=START)(start.demo)
app.command("init", rich_help_panel=START)(start.init)
app.command("warm", rich_help_panel=START)(start.warm)
app.command("doctor", rich_help_panel=START)(start.doctor)
app.command("margin", rich_help_panel=ASK)(margin.margin)
app.command("funding", rich_help_panel=ASK)(funding.funding)
app.command("contract", rich_help_panel=ASK)(markets.contract)
app.command("calendar", rich_help_panel=ASK)(markets.calendar)
app.command("roll", rich_help_panel=ASK)(markets.roll)
app.command("cost", rich_help_panel=ASK)(cost.cost)
app.command("backtest", rich_help_panel=RUN)(runs.backtest)
app.command("audit", rich_help_panel=RUN)(audit.audit)
app.command("cascade", rich_help_panel=RUN)(runs.cascade)
app.add_typer(validate.app, name="validate", rich_help_panel=PROVE)
app.add_typer(calibrate.app, name="calibrate", rich_help_panel=PROVE)
app.add_typer(data.app, name="data", rich_help_panel=DATA)
app.add_typer(reference.app, name="reference", rich_help_panel=DATA)
app.command("report", rich_help_panel=RESULTS)(results.report)
app.command("compare", rich_help_panel=RESULTS)(results.compare)
app.command("tca", rich_help_panel=RESULTS)(results.tca)
app.command("rerun", rich_help_panel=RESULTS)(results.rerun)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command. What is not foreseen keeps its traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    in_json = "--json" in given
    try:
        code = app(given, prog_name="novation", standalone_mode=False)
    except NovationError as error:
        show.error(str(error), error.to_dict() if in_json else None)
        return 1 if isinstance(error, VenueError | RemoteError) else 2
    except UsageError as error:
        message = error.format_message()
        show.error(message, {"error": "UsageError", "message": message} if in_json else None)
        return 2
    except OSError as error:  # a folder that cannot be written, a disk that is full
        what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        show.error(what, {"error": type(error).__name__, "message": what} if in_json else None)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        show.error("interrupted", None)
        return 130
    return code if isinstance(code, int) else 0
