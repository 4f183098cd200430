"""mul_div beside plain arithmetic, and what compiling the engine costs."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SRC = Path(__file__).resolve().parent.parent / "src" / "novation"


def mul_div_rounds(count: int = 2_000_000, rounds: int = 5) -> list[tuple[str, float]]:
    """Nanoseconds of one operation in a compiled loop, best of rounds, by size of the product."""
    import numba

    from novation.rules.integers import mul_div

    exact_kernel = mul_div.inner

    @numba.njit
    def exact(a: Any, b: Any, c: Any) -> int:
        total = 0
        for i in range(len(a)):
            total += exact_kernel(a[i], b[i], c[i])
        return total

    @numba.njit
    def plain(a: Any, b: Any, c: Any) -> int:
        total = 0
        for i in range(len(a)):
            total += a[i] * b[i] // c[i]
        return total

    @numba.njit
    def floats(a: Any, b: Any, c: Any) -> float:
        total = 0.0
        for i in range(len(a)):
            total += a[i] * b[i] / c[i]
        return total

    rng = np.random.default_rng(1)
    out = []
    for size, top in (("product in 63 bits", 1 << 30), ("product in 100 bits", 1 << 50)):
        a, b = rng.integers(1, top, count), rng.integers(1, top, count)
        c = np.maximum(1, np.minimum(rng.integers(1, 1 << 49, count), (1 << 50) - 1))
        c = np.maximum(c, (a.astype(float) * b / 2.0**61).astype(np.int64) + 1)
        for name, function, numbers in (
            ("mul_div", exact, (a, b, c)),
            ("int64 a*b//c" + ("" if top < 1 << 32 else " (wrong: wraps)"), plain, (a, b, c)),
            (
                "float64 a*b/c" + ("" if top < 1 << 32 else " (inexact)"),
                floats,
                tuple(x.astype(float) for x in (a, b, c)),
            ),
        ):
            function(*numbers)
            best = min(_seconds(function, numbers) for _ in range(rounds))
            out.append((f"{name}, {size}", best / count * 1e9))
    return out


def _seconds(function: Any, numbers: Any) -> float:
    begin = time.perf_counter()
    function(*numbers)
    return time.perf_counter() - begin


def kernel_lines() -> tuple[int, int]:
    """Kernels, and their lines of code: neither blank, comment nor docstring, decorators left out."""
    kernels = lines = 0
    for path in sorted(p for room in ("rules", "engine") for p in (SRC / room).glob("*.py")):
        source = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(source))):
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(d, ast.Name) and d.id == "kernel" for d in node.decorator_list
            ):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                kernels += 1
                lines += 1 + sum(
                    1
                    for line in source[body[0].lineno - 1 : node.end_lineno]
                    if line.strip() and not line.strip().startswith("#")
                )
    return kernels, lines


_COMPILE = """
import json, sys, time
import numba
from numba.core import event
@numba.njit
def first(x): return x
first(1)                      # Numba's own start
seen = []
class Listener(event.Listener):
    def on_start(self, e): seen.append(e.data["dispatcher"].py_func.__qualname__)
    def on_end(self, e): pass
event.register("numba:compile", Listener())
from novation._jit import record_table
from novation.engine import doors, state
if sys.argv[1] == "advance":
    head = record_table(state.HEAD, 1)
    for name in ("liquidating", "first_order"): head[0][name] = -1
    for name in ("event_rows", "sample_rows", "holding_rows"): head[0][name] = 100
    begin = time.perf_counter(); doors.advance(head, 0); seconds = time.perf_counter() - begin
else:
    from novation.cli.kernels import compile_all
    begin = time.perf_counter(); compile_all(); seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "compiled": len(seen), "different": len(set(seen))}))
"""


def compile_rounds(what: str, rounds: int) -> dict[str, Any]:
    """Cold compile in fresh cache folders (rounds), then once from the last cache."""
    cold = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_compile(what, folder))
            warm = _compile(what, folder)
    return {
        "cold": [run["seconds"] for run in cold],
        "warm": warm["seconds"],
        "compiled": cold[0]["compiled"],
        "different": cold[0]["different"],
    }


def _compile(what: str, folder: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _COMPILE, what],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NOVATION_CACHE": folder},
    )
    return json.loads(done.stdout.splitlines()[-1])
