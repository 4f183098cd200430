"""One command in this process, and a configuration that runs in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from novation.cli import main

STRATEGY = """
import novation as nv

class Long(nv.Strategy):
    qty = 1.0

    def on_bar(self, bar):
        if self.position(bar.symbol) == 0:
            self.buy(bar.symbol, self.qty)
"""
CONFIG = """\
strategy: long.py:Long
instruments: [binance_um:BTCUSDT]
period: {from: 2024-01-01, to: 2024-01-08}
rules_as_of: 2026-05-01
account: {cash: 25_000}
margin: {scope: isolated, leverage: 5}
data: {synthetic: true}
"""


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def novation(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`novation` with arguments."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Answer(code, *capsys.readouterr())

    return run


def write_config(folder: Path) -> Path:
    """Put a configuration and its strategy into a folder; the path of the former."""
    (folder / "long.py").write_text(STRATEGY)
    path = folder / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder with a configuration and its strategy; the path of the former."""
    return write_config(tmp_path)
