"""The compiled kernels, the same kernels as plain Python, and the twin give one hash; and it is the recorded one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import scaled
from tests.venues.replay import GOLDEN, replay

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((ROOT / "tests" / "golden" / "first_light.json").read_text())


def without_jit(*arguments: str) -> str:
    """What a fresh interpreter prints with JIT off, any warning being an error."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=3_600,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return done.stdout


def replayed_without_jit(kind: str, commands: int, accounts: int) -> dict[str, Any]:
    """The run of `tests.venues.replay` with JIT off; the twin is compared in it, command by command."""
    return json.loads(without_jit("-m", "tests.venues.replay", kind, str(commands), str(accounts)))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["kind"])
def test_compiled_run_gives_the_recorded_hashes(recorded: dict[str, Any]) -> None:
    run = replay(recorded["kind"], recorded["commands"], recorded["accounts"])
    assert {name: run[name] for name in recorded} == recorded


@pytest.mark.slow
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["kind"])
def test_run_with_jit_off_gives_the_recorded_hashes(recorded: dict[str, Any]) -> None:
    run = replayed_without_jit(recorded["kind"], recorded["commands"], recorded["accounts"])
    assert run["jit"] is False
    assert {name: run[name] for name in recorded} == recorded


def test_every_golden_run_is_recorded() -> None:
    assert [(r["kind"], r["commands"], r["accounts"]) for r in RECORDED] == list(GOLDEN)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("kind", [kind for kind, *_ in GOLDEN])
def test_a_thousand_commands_of_thirty_accounts_are_the_same_with_jit_off(kind: str) -> None:
    commands, accounts = min(1_000, scaled(1_000, 60)), min(30, scaled(30, 10))
    run, compiled = replayed_without_jit(kind, commands, accounts), replay(kind, commands, accounts)
    assert run["jit"] is False
    assert (run["state_hash"], run["event_hash"]) == (compiled["state_hash"], compiled["event_hash"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        "mul_div(1, 1, 0)",
        "mul_div(1, 1, -3)",
        "mul_div(1, 1, 1 << 50)",
        "mul_div(1 << 62, 1, 1)",
        "mul_div(-(1 << 62), 1, 1)",
        "mul_div(1 << 40, 1 << 40, 3)",
    ],
)
def test_with_jit_off_a_bound_overstepped_stops_the_run(call: str) -> None:
    source = f"""
from novation.rules.integers import mul_div
try:
    {call}
except AssertionError as error:
    print("stopped:", error)
"""
    assert without_jit("-c", source).startswith("stopped:")


@pytest.mark.slow
def test_the_doors_of_a_venue_are_the_same_with_jit_off() -> None:
    assert "passed" in without_jit("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/venues/test_venue_doors.py")
