#!/usr/bin/env python3
"""The benchmarks of `make bench`: print figures with machine, workload and spread. Nothing here is asserted.

run.py [--only PAGE] [--accounts N] [--quick] [--no-peer] [--json FILE] [--write]

--write stores each page as benchmarks/results/PAGE.md (first_light, sweep, crowd, calendar, costs, fills, order_book);
--json the figures of every round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import calendar_lookups  # noqa: E402
import costs  # noqa: E402
import crowd  # noqa: E402
import fills  # noqa: E402
import first_light  # noqa: E402
import kernels  # noqa: E402
import order_book  # noqa: E402
import sweep  # noqa: E402

PEER = ROOT / ".venv-peers"
PEER_VECTORBT = ROOT / ".venv-peers-vectorbt"
LINES: list[str] = []
FIGURES: dict[str, Any] = {}


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
    changes = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "src"], capture_output=True, text=True)
    say(f"Machine: {model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; {platform.system()}.")
    say(
        f"Python {platform.python_version()}, numba {numba.__version__}, numpy {numpy.__version__}; "
        f"commit {commit.stdout.strip() or '?'}{' and changes' if changes.stdout.strip() else ''}, "
        f"{time.strftime('%Y-%m-%d')}."
    )


def _read(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def real_data() -> bool:
    """Whether the recorded bars are at hand."""
    return Path(os.environ.get("NOVATION_DATA", "") or "?").is_dir()


def peer_python(folder: Path = PEER, listed: str = "requirements.txt") -> Path | None:
    """The peers' interpreter, with what a list names installed on first use; None where it cannot be had."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing the peers into {folder.name} (once)", file=sys.stderr)
        done = subprocess.run([str(ROOT / "benchmarks" / "peers" / "setup"), str(folder), sys.executable, listed])
        if done.returncode:
            print(f"the peers of {listed} do not install here: left out", file=sys.stderr)
            return None
    return python


def bars_per_second(rounds: int, with_peer: bool) -> None:
    """The first table: the same orders on the same bars, three ways, taking turns."""
    real = real_data()
    source = first_light.history(real)
    plan, venue_plan = first_light.plan_of(real)
    bars = venue_plan.prepared[0].bars
    n = len(bars)
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        python = peer_python() if with_peer else None
        peer = first_light.Peer(python, bars, Path(scratch)) if python else None
        contenders = {
            "Python strategy": lambda: first_light.python_round(plan, venue_plan),
            "compiled strategy": lambda: first_light.compiled_round(venue_plan),
            "whole `Backtest.run`, Python strategy": lambda: first_light.whole_round(source, False),
            "whole `Backtest.run`, compiled strategy": lambda: first_light.whole_round(source, True),
        }
        name_of_peer = ""
        if peer:
            name_of_peer = f"NautilusTrader {peer.about['version']}"
            contenders[name_of_peer] = peer.round
        last = {name: one_round() for name, one_round in contenders.items()}  # not counted
        for _ in range(rounds):
            for name, one_round in contenders.items():
                last[name] = one_round()
                speeds.setdefault(name, []).append(n / last[name]["seconds"])
        if peer:
            peer.close()
    FIGURES["bars per second"] = speeds
    say(
        f"\n## Bars per second\n\n{n:,} hourly BTCUSDT bars ({'real' if real else 'synthetic'}), 10/50 cross, "
        f"{rounds} rounds in turn after one that does not count; median (least .. most). The first two and the peer "
        "are the loop alone, their data made ready before; a whole run reads the files and writes the result too.\n"
    )
    say("| contender | bars/s | ratio to the peer | aim |\n|---|---|---|---|")
    aims = {"Python strategy": ">= 8", "compiled strategy": ">= 100"}
    for name, found in speeds.items():
        ratio = "not run"
        if name_of_peer:
            ratio = spread([x / y for x, y in zip(found, speeds[name_of_peer], strict=True)], "{:,.1f}")
        say(f"| {name} | {spread(found)} | {'1' if name == name_of_peer else ratio} | {aims.get(name, '')} |")
    a, b = last["Python strategy"], last["compiled strategy"]
    text = f"\nFills: {a['fills']:,} Python, {b['fills']:,} compiled"
    if name_of_peer:
        p = last[name_of_peer]
        text += f", {p['fills']:,} peer ({p['orders']:,} orders over {p['bars']:,} bars)"
    same = "the same" if a["hashes"] == b["hashes"] else "DIFFERENT"
    say(f"{text}. State and events of our two: {same}.")
    say(
        "The peer fills a market order at the close of the bar that sent it, ours at the open of the next; it runs "
        "without logging, risk checks and analysis. Ours also pays funding, tests margin at the mark's extremes, "
        "keeps a hash of all events and samples account and position at every bar."
    )


def start_up(quick: bool) -> None:
    """Whole processes: import, help, demo."""
    say("\n## Start\n\nWhole processes, seconds; median (least .. most).\n\n| what | measured | aim |\n|---|---|---|")
    rounds = 3 if quick else 5
    novation = [sys.executable, "-m", "novation"]
    help_ = [*novation, "--help"]
    for name, command, aim in (
        ("import novation", [sys.executable, "-c", "import novation"], "< 0.3"),
        ("novation --help", help_, ""),
    ):
        _process(command)
        FIGURES[name] = [_process(command) for _ in range(rounds)]
        say(f"| {name} | {spread(FIGURES[name], '{:.2f}')} | {aim} |")
    with tempfile.TemporaryDirectory() as folder:
        demo = [*novation, "demo", "--out", f"{folder}/demo"]
        if importlib.util.find_spec("novation.research.demo") is None:
            say("| novation demo | not there yet | < 10 |")
            return
        _process(demo)
        FIGURES["demo"] = [_process(demo) for _ in range(rounds)]
        say(f"| novation demo, warm | {spread(FIGURES['demo'], '{:.1f}')} | < 10 |")
        cold = _process(demo, NOVATION_CACHE=f"{folder}/cache")
        say(f"| novation demo, nothing compiled yet | {cold:.1f} (once) | |")
        for name, command in (
            ("import novation", [sys.executable, "-c", "import novation"]),
            ("novation --help", help_),
        ):
            cold = _process(command, PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX=f"{folder}/none")
            say(f"| {name}, no bytecode of anything | {cold:.2f} (once) | |")


def _process(command: Sequence[str], **environment: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - begin


def compiling(quick: bool) -> None:
    """Cold compile of the engine."""
    lines = kernels.kernel_lines()
    say(
        f"\n## Compiling\n\nThe engine has {len(lines)} kernels, {sum(lines.values()):,} lines (no blanks, comments, "
        "docstrings). Each round a fresh cache folder and process, then another process with the folder as it is.\n\n"
        "| what | cold s | ms a line | from the cache s | kernels, lines, compilations | aim |\n"
        "|---|---|---|---|---|---|"
    )
    for name, what, aim in (
        ("`advance`: the engine", "advance", "< 10 s"),
        ("everything `novation warm` does", "warm", ""),
    ):
        run = kernels.compile_rounds(what, 1 if quick else 3)
        FIGURES[name] = {"cold": run["cold"], "warm": run["warm"]}
        count = sum(lines.get(kernel, 0) for kernel in run["names"])
        per_line = statistics.median(run["cold"]) / max(1, count) * 1000
        say(
            f"| {name} | {spread(run['cold'], '{:.1f}')} | {per_line:.1f} | {spread(run['warm'], '{:.2f}')} | "
            f"{run['kernels']}, {count:,}, {run['overloads']} (and {run['other']} of Numba's own) | {aim} |"
        )


def store(name: str, write: bool) -> None:
    """Keep what was said as a page, if asked to, and begin the next one."""
    if write:
        page = ROOT / "benchmarks" / "results" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(LINES) + "\n")
    LINES.clear()


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="others beside it")
    parser.add_argument(
        "--only",
        choices=("first_light", "sweep", "crowd", "calendar", "costs", "fills", "order_book"),
        help="one of the pages",
    )
    parser.add_argument("--accounts", type=int, default=1_000_000, help="of the sweep")
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the figures of every round")
    parser.add_argument("--write", action="store_true", help="store the page in benchmarks/results")
    given = parser.parse_args()
    if given.only in (None, "first_light"):
        say("# First light: speed\n")
        machine()
        bars_per_second(3 if given.quick else 7, given.peer)
        say(
            "\n## mul_div\n\nNanoseconds an operation in a loop over 4,096 numbers, compiled where not said otherwise; "
            "median (least .. most) of 7.\n\n| operation | ns |\n|---|---|"
        )
        for name, found in kernels.mul_div_rounds():
            FIGURES[name] = found
            say(f"| {name} | {spread(found, '{:.2f}')} |")
        compiling(given.quick)
        start_up(given.quick)
        store("first_light", given.write)
    if given.only in (None, "sweep"):
        say("# A mark move over a million accounts\n")
        machine()
        FIGURES["sweep"] = sweep.report(say, spread, given.quick, given.accounts)
        store("sweep", given.write)
    if given.only in (None, "crowd"):
        say("# Many at one instant\n")
        machine()
        FIGURES["crowd"] = crowd.report(say, given.quick)
        store("crowd", given.write)
    if given.only in (None, "calendar"):
        say("# Looking an instant up among sessions\n")
        machine()
        FIGURES["calendar"] = calendar_lookups.report(say, spread, given.quick)
        store("calendar", given.write)
    if given.only in (None, "costs"):
        say("# Estimating what an order costs\n")
        machine()
        FIGURES["costs"] = costs.report(say, spread, given.quick)
        store("costs", given.write)
    if given.only in (None, "fills"):
        say("# What a fill costs\n")
        machine()
        nautilus = peer_python() if given.peer else None
        vectorbt = peer_python(PEER_VECTORBT, "requirements-vectorbt.txt") if given.peer else None
        FIGURES["fills"] = fills.report(say, spread, given.quick, real_data(), nautilus, vectorbt)
        store("fills", given.write)
    if given.only in (None, "order_book"):
        say("# The order book\n")
        machine()
        FIGURES["order book"] = order_book.report(say, spread, given.quick, peer_python() if given.peer else None)
        store("order_book", given.write)
    if given.json:
        given.json.write_text(json.dumps(FIGURES, indent=1) + "\n")


if __name__ == "__main__":
    main()
