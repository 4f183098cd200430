#!/usr/bin/env python3
"""The benchmarks of `make bench`: print figures with machine, workload and spread. Nothing here is asserted.

run.py [--quick] [--no-peer] [--write]     --write stores the page benchmarks/results/first_light.md
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import first_light  # noqa: E402
import kernels  # noqa: E402

PEER = ROOT / ".venv-peers"
LINES: list[str] = []


def say(text: str = "") -> None:
    """Print a line and keep it for the page."""
    print(text, flush=True)
    LINES.append(text)


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """Median, with least and most."""
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} .. {form.format(max(values))})"


def machine() -> None:
    """What this was measured on."""
    import numba
    import numpy

    model = next(
        (line.split(":", 1)[1].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    say(f"Machine: {model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; {platform.system()}.")
    say(
        f"Python {platform.python_version()}, numba {numba.__version__}, numpy {numpy.__version__}; "
        f"commit {commit.stdout.strip() or '?'}, {time.strftime('%Y-%m-%d')}."
    )


def _read(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def peer_python() -> Path | None:
    """The peer's interpreter, installed on first use; None where it cannot be had."""
    python = PEER / "bin" / "python"
    if not python.exists():
        print("installing the peer into .venv-peers (once)", file=sys.stderr)
        done = subprocess.run(["sh", str(ROOT / "benchmarks" / "peers" / "setup"), str(PEER), sys.executable])
        if done.returncode:
            return None
    return python


def bars_per_second(rounds: int, with_peer: bool) -> None:
    """The first table: the same orders on the same bars, three ways, taking turns."""
    real = Path(os.environ.get("NOVATION_DATA", "") or "?").is_dir()
    plan, venue_plan = first_light.plan_of(real)
    bars = venue_plan.prepared[0].bars
    n = len(bars)
    first_light.compiled_round(venue_plan)
    ours: dict[str, list[float]] = {"python": [], "compiled": [], "peer": []}
    with tempfile.TemporaryDirectory() as scratch:
        python = peer_python() if with_peer else None
        peer = first_light.Peer(python, bars, Path(scratch)) if python else None
        if peer:
            peer.round()
        for _ in range(rounds):
            a, b = first_light.python_round(plan, venue_plan), first_light.compiled_round(venue_plan)
            ours["python"].append(n / a["seconds"])
            ours["compiled"].append(n / b["seconds"])
            if peer:
                p = peer.round()
                ours["peer"].append(p["bars"] / p["seconds"])
        if peer:
            peer.close()
    say(
        f"\n## Bars per second\n\n{n:,} hourly BTCUSDT bars ({'real' if real else 'synthetic'}), 10/50 cross, "
        f"{rounds} rounds in turn; median (least .. most).\n"
    )
    say("| contender | bars/s | ratio to the peer | aim |\n|---|---|---|---|")
    for name, key, aim in (("Python strategy", "python", ">= 8"), ("compiled strategy", "compiled", ">= 100")):
        ratio = "not run"
        if ours["peer"]:
            ratio = spread([x / y for x, y in zip(ours[key], ours["peer"], strict=True)], "{:,.1f}")
        say(f"| {name} | {spread(ours[key])} | {ratio} | {aim} |")
    if ours["peer"]:
        say(f"| NautilusTrader {peer.about['version']} | {spread(ours['peer'])} | 1 | |")
    same = "equal" if a["state"] == b["state"] else "DIFFERENT"
    say(
        f"\nFills: {a['fills']:,} Python, {b['fills']:,} compiled"
        + (
            f", {p['fills']:,} peer ({p['orders']:,} orders). The peer fills at the close of the signal's bar, "
            "ours at the next open"
            if ours["peer"]
            else ""
        )
        + f". State hashes of our two: {same}."
    )
    say(
        "Ours also pays funding, tests margin at the mark's extremes and samples the account at every bar; the peer "
        "does none of these."
    )


def start_up(quick: bool) -> None:
    """Whole processes: import, help, demo."""
    say("\n## Start\n\nWhole processes, seconds; median (least .. most).\n\n| what | measured | aim |\n|---|---|---|")
    rounds = 3 if quick else 7
    novation = [sys.executable, "-m", "novation"]
    for name, command, aim in (
        ("import novation", [sys.executable, "-c", "import novation"], "< 0.3"),
        ("novation --help", [*novation, "--help"], ""),
    ):
        _process(command)
        say(f"| {name} | {spread([_process(command) for _ in range(rounds)], '{:.2f}')} | {aim} |")
    with tempfile.TemporaryDirectory() as folder:
        demo = [*novation, "demo", "--out", f"{folder}/demo"]
        _process(demo)
        say(f"| novation demo, warm | {spread([_process(demo) for _ in range(3)], '{:.1f}')} | < 10 |")
        cold = _process(demo, NOVATION_CACHE=f"{folder}/cache")
        say(f"| novation demo, nothing compiled yet | {cold:.1f} (once) | |")
        cold = _process([*novation, "--help"], PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX=f"{folder}/none")
        say(f"| novation --help, no bytecode of anything | {cold:.2f} (once) | |")


def _process(command: Sequence[str], **environment: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - begin


def compiling(quick: bool) -> None:
    """Cold compile of the engine."""
    count, lines = kernels.kernel_lines()
    say(
        f"\n## Compiling\n\n{count} kernels, {lines:,} lines of kernel code (no blanks, comments, docstrings). Fresh "
        "cache folder each round.\n\n| what | cold s | ms a line | from the cache s | compilations (different) | aim |"
        "\n|---|---|---|---|---|---|"
    )
    for name, what, aim in (
        ("`advance`: the engine", "advance", "< 10 s"),
        ("everything `novation warm` does", "warm", ""),
    ):
        run = kernels.compile_rounds(what, 1 if quick else 3)
        middle = statistics.median(run["cold"])
        say(
            f"| {name} | {spread(run['cold'], '{:.1f}')} | {middle / lines * 1000:.1f} | {run['warm']:.2f} | "
            f"{run['compiled']} ({run['different']}) | {aim} |"
        )


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--no-peer", action="store_true", help="leave NautilusTrader out")
    parser.add_argument("--write", action="store_true", help="store the page in benchmarks/results")
    given = parser.parse_args()
    say("# First light: speed\n")
    machine()
    bars_per_second(3 if given.quick else 7, not given.no_peer)
    say("\n## mul_div\n\nNanoseconds an operation in a compiled loop, best of 5.\n\n| operation | ns |\n|---|---|")
    for name, ns in kernels.mul_div_rounds():
        say(f"| {name} | {ns:.1f} |")
    compiling(given.quick)
    start_up(given.quick)
    if given.write:
        page = ROOT / "benchmarks" / "results" / "first_light.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(LINES) + "\n")


if __name__ == "__main__":
    main()
