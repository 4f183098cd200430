"""What commands write: results on stdout, one-line errors and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def out(text: str) -> None:
    """A line on stdout."""
    print(text, flush=True)


def note(text: str) -> None:
    """A remark beside the result, on stderr."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def as_json(value: Any) -> None:
    """A value as JSON on stdout, numbers that JSON does not know as text."""
    print(json.dumps(value, indent=2, default=str), flush=True)


def error(message: str, details: dict[str, Any] | None) -> None:
    """One line on stderr; with details, them as JSON on stdout instead."""
    if details is not None:
        as_json(details)
    else:
        print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)


def show(value: Any, *, json: bool) -> None:
    """A public function's answer: as it prints, or its `to_dict()`."""
    if json:
        as_json(value.to_dict())
    else:
        out(str(value))


def _bar(*columns: Any) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def bars_bar(title: str, what: str = "bars") -> Iterator[Callable[[int, int], None] | None]:
    """Progress of a run in bars (or what else it counts), called as (done, total); None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import TextColumn

    with _bar(TextColumn(f"{{task.completed:,.0f}} {what}")) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def steps_bar(title: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Progress of named steps, called as (done, total, name) before each; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import MofNCompleteColumn

    with _bar(MofNCompleteColumn()) as bar:
        task = bar.add_task(title, total=None)

        def step(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name or title)

        yield step
