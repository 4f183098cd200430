"""What is compiled, how often, and that an edit is never overlooked."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import scaled

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "novation"
KERNELS = sorted([*SRC.glob("rules/*.py"), *SRC.glob("engine/*.py")])


def run(*arguments: str, source: Path = ROOT / "src", **environment: str) -> str:
    """What a fresh interpreter prints."""
    paths = os.pathsep.join([str(source), str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3_000:])
    return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be edited."""
    shutil.copytree(SRC, tmp_path / "src" / "novation", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "src"


@pytest.mark.parametrize("file", KERNELS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_no_comparison_stands_inside_a_bit_test(file: Path) -> None:
    """`flags & (X == 0)` is alike in both modes and always wrong: only reading finds it."""
    bad = [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor))
        and any(isinstance(side, (ast.Compare, ast.BoolOp)) for side in (node.left, node.right))
    ]
    assert bad == []


def digest(source: Path, file: str) -> str:
    """The cache key of a file's kernels, in a fresh process."""
    code = f"""
from pathlib import Path
from novation import _jit
print(_jit.source_digest(Path(_jit.__file__).parent / {file!r}))
"""
    return run("-c", code, source=source, NUMBA_DISABLE_JIT="1")


def test_an_edit_of_a_called_file_changes_the_key_of_its_callers(package: Path) -> None:
    before = {file: digest(package, file) for file in ("engine/doors.py", "rules/fees.py", "rules/margin.py")}
    for called in ("rules/integers.py", "engine/state.py", "domain/events.py", "_jit.py"):
        path = package / "novation" / called
        path.write_text(path.read_text() + "\n# edited\n")
        after = digest(package, "engine/doors.py")
        assert after != before["engine/doors.py"], called
        before["engine/doors.py"] = after
    assert digest(package, "rules/margin.py") != before["rules/margin.py"]


def test_an_edit_of_an_unrelated_file_keeps_the_key(package: Path) -> None:
    before = digest(package, "engine/doors.py")
    path = package / "novation" / "reference" / "lookup.py"
    path.write_text(path.read_text() + "\n# edited\n")
    assert digest(package, "engine/doors.py") == before


@pytest.mark.slow
def test_an_edited_kernel_is_not_answered_from_the_cache(package: Path, tmp_path: Path) -> None:
    code = "from novation.rules.fees import trade_fee; print(trade_fee(10**10, 50_000, 1, 0))"
    cache = str(tmp_path / "cache")
    assert run("-c", code, source=package, NOVATION_CACHE=cache, NUMBA_DISABLE_JIT="0").split()[-1] == "5000000"
    path = package / "novation" / "rules" / "integers.py"
    text = path.read_text()
    right = '"""floor(a * b / c)."""\n    quotient, _ = mul_div_rem(a, b, c)\n    return quotient'
    edited = text.replace(f"{right}\n", f"{right} + 1\n")
    assert edited != text
    path.write_text(edited)
    assert run("-c", code, source=package, NOVATION_CACHE=cache, NUMBA_DISABLE_JIT="0").split()[-1] == "5000001"


@pytest.mark.slow
def test_a_cached_kernel_of_the_engine_can_be_called_from_python(tmp_path: Path) -> None:
    """Compiled for other kernels first, without the wrappers of a call from Python, then called from Python."""
    cache = str(tmp_path / "cache")
    first = "from novation.rules.integers import mul_div; print(mul_div(7, 3, 2))"
    then = "from novation.rules.integers import mul_div_rem; print(*mul_div_rem(7, 3, 2))"
    assert run("-c", first, NOVATION_CACHE=cache, NUMBA_DISABLE_JIT="0").split() == ["10"]
    assert run("-c", then, NOVATION_CACHE=cache, NUMBA_DISABLE_JIT="0").split() == ["10", "1"]


COUNT = """
import collections, json, sys
from numba.core import event
counts = collections.Counter()

class Listener(event.Listener):
    def on_start(self, e):
        f = e.data["dispatcher"].py_func
        counts[f.__module__ + "." + f.__qualname__] += 1
    def on_end(self, e):
        pass

event.register("numba:compile", Listener())
from tests.venues.replay import replay
for kind in ("coins", "futures"):
    replay(kind, %d, 4)
print(json.dumps({name: n for name, n in counts.items() if name.startswith("novation.")}))
"""


@pytest.mark.slow
def test_each_kernel_is_compiled_at_most_twice(tmp_path: Path) -> None:
    """Once for other kernels, once more if Python calls it; literals and widths must not multiply that."""
    printed = run("-c", COUNT % scaled(4_000, 40), NOVATION_CACHE=str(tmp_path), NUMBA_DISABLE_JIT="0")
    counts = json.loads(printed.splitlines()[-1])
    assert len(counts) > 60
    assert {name: n for name, n in counts.items() if n > 2} == {}
    assert sum(counts.values()) <= len(counts) + 12
