"""Verbs that look at runs already made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novation.cli import show
from novation.cli.recorded import asked

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="The page to write; else report.html in the folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the HTML report of a run again."""
    from novation.research.result import Result

    path = Result.load(folder).report(out or folder / "report.html")
    if json:
        show.as_json({"report": str(path)})
    else:
        show.out(f"report: {path}")


def compare(
    left: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    right: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of another run.")],
    json: Json = False,
) -> None:
    """Show what was set differently in two runs, what came out differently, and where they part."""
    from novation.research.compare import compare as compare_results
    from novation.research.result import Result

    show.show(compare_results(Result.load(left), Result.load(right)), json=json)


def tca(
    folder: Folder,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of histories for VWAP and mark-outs; else the run's own.")
    ] = None,
    mark_outs: Annotated[
        str, typer.Option("--mark-outs", metavar="1s,10s,..", help="How long after a fill to look: 1s, 5m, 1h, 1d.")
    ] = "1s,10s,60s",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the orders, one a row, go: a .parquet or .csv file.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a run's orders cost against the prices they were decided on: spread, impact, timing, fees."""
    from novation.research.tca import tca as analyse

    with asked({"data": "--data", "mark_outs": "--mark-outs", "out": "--out"}):
        answer = analyse(folder, data=data, mark_outs=mark_outs)
        if out is not None:
            answer.save(out)
    show.show(answer, json=json)
    if out is not None and not json:
        show.out(f"orders: {out}")


def rerun(folder: Folder, json: Json = False) -> None:
    """Run the configuration of a run again and compare the hashes; exit 1 if they differ."""
    from novation.research.config.run import rerun as rerun_folder

    with show.bars_bar("rerun") as progress:
        answer = rerun_folder(folder, progress)
    show.show(answer, json=json)
    if not answer.same:
        raise typer.Exit(1)
