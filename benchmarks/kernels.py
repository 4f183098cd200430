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


#: Size of the product, bits of a and b, and c; c = 1e8 is how values and rates are taken.
SIZES = (
    ("product of 52 bits, c = 1e8", 30, 22, 10**8),
    ("product of 62 bits, c = 1e8", 40, 22, 10**8),
    ("product of 80 bits, c = 1e8", 46, 34, 10**8),
    ("product of 107 bits, c of 50", 60, 47, (1 << 49) + 12_345),
)


def mul_div_rounds(rounds: int = 7, passes: int = 200) -> list[tuple[str, list[float]]]:
    """Nanoseconds of one operation, each round of every operation, by size of the product."""
    import numba

    from novation.rules.integers import mul_div

    exact_kernel = mul_div.inner

    @numba.njit(error_model="numpy")
    def exact(a: Any, b: Any, c: Any, passes: int) -> int:
        total = 0
        for _ in range(passes):
            for i in range(len(a)):
                total += exact_kernel(a[i], b[i], c[i])
        return total

    @numba.njit(error_model="numpy")
    def plain(a: Any, b: Any, c: Any, passes: int) -> int:
        total = 0
        for _ in range(passes):
            for i in range(len(a)):
                total += a[i] * b[i] // c[i]
        return total

    @numba.njit(error_model="numpy")
    def floats(a: Any, b: Any, c: Any, passes: int) -> float:
        total = 0.0
        for _ in range(passes):
            for i in range(len(a)):
                total += a[i] * b[i] / c[i]
        return total

    def python(a: Any, b: Any, c: Any, passes: int) -> int:
        total = 0
        for x, y, z in zip(a, b, c, strict=True):
            total += x * y // z
        return total

    rng = np.random.default_rng(1)
    rows = 4_096  # stays in the cache
    out = []
    for size, bits_a, bits_b, divisor in SIZES:
        a = rng.integers(1 << (bits_a - 1), 1 << bits_a, rows)
        b = rng.integers(1 << (bits_b - 1), 1 << bits_b, rows)
        c = np.full(rows, divisor)
        lists = (a.tolist(), b.tolist(), c.tolist())
        assert exact(a, b, c, 1) & ((1 << 64) - 1) == python(*lists, 1) & ((1 << 64) - 1)
        wraps = bits_a + bits_b > 63
        for name, function, numbers, times in (
            ("mul_div", exact, (a, b, c), passes),
            ("int64 a*b//c" + (" (wrong: wraps)" if wraps else ""), plain, (a, b, c), passes),
            (
                "float64 a*b/c" + (" (inexact)" if wraps else ""),
                floats,
                tuple(x.astype(float) for x in (a, b, c)),
                passes,
            ),
            ("Python int, uncompiled", python, lists, 1),
        ):
            function(*numbers, times)
            taken = [_seconds(function, (*numbers, times)) / (rows * times) * 1e9 for _ in range(rounds)]
            out.append((f"{name}, {size}", taken))
    return out


def _seconds(function: Any, numbers: Any) -> float:
    begin = time.perf_counter()
    function(*numbers)
    return time.perf_counter() - begin


def kernel_lines() -> dict[str, int]:
    """By kernel its lines of code: neither blank, comment nor docstring, decorators left out."""
    lines: dict[str, int] = {}
    for path in sorted(p for room in ("rules", "engine") for p in (SRC / room).glob("*.py")):
        source = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(source))):
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(d, ast.Name) and d.id == "kernel" for d in node.decorator_list
            ):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                head = source[node.lineno - 1 : node.body[0].lineno - 1]
                rows = [*head, *source[body[0].lineno - 1 : node.end_lineno]]
                lines[f"novation.{path.parent.name}.{path.stem}.{node.name}"] = sum(
                    1 for row in rows if row.strip() and not row.strip().startswith("#")
                )
    return lines


_COMPILE = """
import json, sys, time
import numba
from numba.core import event
@numba.njit
def first(x): return x
first(1)                      # Numba's own start
seen = []
class Listener(event.Listener):
    def on_start(self, e):
        function = e.data["dispatcher"].py_func
        seen.append(f"{function.__module__}.{function.__qualname__}")
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
ours = [name for name in seen if name.startswith("novation.")]
print(json.dumps({"seconds": seconds, "overloads": len(ours), "kernels": len(set(ours)), "other": len(seen) - len(ours),
                  "names": sorted(set(ours))}))
"""


def compile_rounds(what: str, rounds: int) -> dict[str, Any]:
    """Cold compile in fresh cache folders, and after each the same from the cache, in a new process."""
    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_compile(what, folder))
            warm.append(_compile(what, folder))
    return {
        "cold": [run["seconds"] for run in cold],
        "warm": [run["seconds"] for run in warm],
        **{name: cold[0][name] for name in ("overloads", "kernels", "other", "names")},
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
