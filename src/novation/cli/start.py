"""Verbs to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novation.cli import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from novation.research.result import Result

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the report and the runs.")] = Path("novation-demo"),
    open_page: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    json: Json = False,
) -> None:
    """Run real perpetuals and CME futures through the exchange and write one report."""
    from novation.research.demo import NAMES, run_demo

    named = os.environ.get("NOVATION_DATA", "")
    root = Path(named) if named else None
    with show.steps_bar("demo") as bar:

        def progress(name: str, done: int, total: int) -> None:
            if bar is not None:
                bar(done, total, name)

        results = run_demo(out, data_root=root, progress=progress, echo=_quiet if json else show.out)
    page = out / "report.html"
    if json:
        show.as_json(
            {"report": str(page), "runs": [{"name": n} | r.to_dict() for n, r in zip(NAMES, results, strict=True)]}
        )
    else:
        _table(NAMES, results)
    if open_page:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def _quiet(_: str) -> None:
    """Say nothing."""


def _table(names: Sequence[str], results: Sequence[Result]) -> None:
    """A line for each account of each run."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)
    for title in ("price", "funding", "liq.", "net", "drawdown"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, result in zip(names, results, strict=True):
        for account in result.summary()["accounts"]:
            table.add_row(
                name,
                f"{account['price']:+,.0f}",
                f"{account['funding']:+,.0f}",
                f"{account['liquidated']}",
                f"{account['net']:+,.0f} {account['currency']:<4}",
                f"{account['max_drawdown'] or 0.0:.1%}",
            )
            name = ""
    Console().print(table)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    json: Json = False,
) -> None:
    """Write a strategy, its configuration and its test, which run at once and offline."""
    from novation.cli.scaffold import write_project

    files = write_project(folder)
    if json:
        show.as_json({"files": [str(file) for file in files]})
        return
    for file in files:
        show.out(str(file))
    show.out(f"next: novation backtest {folder / 'config.yaml'}")


def warm(json: Json = False) -> None:
    """Compile the engine once, so that nothing waits for it later."""
    from novation.cli.kernels import compile_all

    with show.steps_bar("compiling") as progress:
        done = compile_all(progress)
    show.show(done, json=json)


def doctor(json: Json = False) -> None:
    """Say what is installed, where data and compiled kernels are, and what is missing."""
    from novation.cli.health import examine

    show.show(examine(), json=json)
