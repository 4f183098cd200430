"""The command line. Nothing but this file is loaded before a command is known."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the run failed, 2 bad input."""
    from novation.cli.app import run

    return run(arguments)
