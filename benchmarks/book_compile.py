"""What compiling costs with the book in it: cold, after an edit of one file, and from the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kernels

#: Modules of the engine that are there for books.
MODULES = {
    *("amending", "auction", "book", "book_orders", "conditional", "level_replay", "matching", "opening"),
    *("order_checks", "replay", "shares", "simulated"),
}

_WARM = """
import json, time, resource
begin = time.perf_counter()
from novation.cli.kernels import compile_all
compile_all()
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - begin, used.ru_utime + used.ru_stime]))
"""


def _warm(source: Path, cache: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", _WARM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NOVATION_CACHE": cache, "PYTHONPATH": str(source)},
    )
    return list(json.loads(done.stdout.splitlines()[-1]))


def report(say: Callable[..., None]) -> dict[str, Any]:
    """Compile a copy of the package in an empty cache, again, and after an edit of engine/book.py."""
    lines = kernels.kernel_lines()
    ours = {name: n for name, n in lines.items() if name.split(".")[-2] in MODULES}
    with tempfile.TemporaryDirectory() as folder:
        source, cache = Path(folder) / "src", f"{folder}/cache"
        shutil.copytree(kernels.SRC, source / "novation", ignore=shutil.ignore_patterns("__pycache__"))
        found = {"cold": _warm(source, cache), "from the cache": _warm(source, cache)}
        book = source / "novation" / "engine" / "book.py"
        book.write_text(book.read_text() + "\n# an edit\n")
        found["after an edit of engine/book.py"] = _warm(source, cache)
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "novation", "--help"],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(source), "NOVATION_CACHE": cache},
        )
        help_s = time.perf_counter() - begin
    total = sum(lines.values())
    say(
        f"\n## Compiling\n\nThe engine has {len(lines)} kernels of {total:,} lines; {len(ours)} of them, "
        f"{sum(ours.values()):,} lines, are in modules that books brought. Everything `novation warm` compiles, once "
        "each, whole processes.\n\n| what | wall s | CPU s | CPU ms a line |\n|---|---|---|---|"
    )
    for name, (wall, cpu) in found.items():
        say(f"| {name} | {wall:.1f} | {cpu:.1f} | {1e3 * cpu / total:.1f} |")
    say(f"\n`novation --help` beside it: {help_s:.2f} s.")
    return {**found, "kernels": len(lines), "lines": total, "book lines": sum(ours.values())}
