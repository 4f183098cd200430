"""What is compiled, how often, and that an edit is never overlooked."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
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


def digests(source: Path, *files: str) -> list[str]:
    """The cache keys of the kernels of files, in a fresh process."""
    code = f"""
from pathlib import Path
from novation import _jit
for file in {files!r}:
    print(_jit.source_digest(Path(_jit.__file__).parent / file))
"""
    return run("-c", code, source=source, NUMBA_DISABLE_JIT="1").split()


def test_an_edit_of_a_called_file_changes_the_key_of_its_callers(package: Path) -> None:
    doors, margin = digests(package, "engine/doors.py", "rules/margin.py")
    for called in ("rules/integers.py", "engine/state.py", "domain/events.py", "_jit.py"):
        path = package / "novation" / called
        path.write_text(path.read_text() + "\n# edited\n")
        after, margin_after = digests(package, "engine/doors.py", "rules/margin.py")
        assert after != doors, called
        doors = after
    assert margin_after != margin


def test_an_edit_of_an_unrelated_file_keeps_the_key(package: Path) -> None:
    before = digests(package, "engine/doors.py")
    path = package / "novation" / "reference" / "lookup.py"
    path.write_text(path.read_text() + "\n# edited\n")
    assert digests(package, "engine/doors.py") == before


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


TRADED = """
import datetime as dt
import pandas as pd
import novation as nv

def traded(strategy):
    index = pd.DatetimeIndex([dt.datetime(2026, 5, 2, hour, tzinfo=dt.UTC) for hour in range(2)], name="ts")
    frame = pd.DataFrame({name: 50_000.0 for name in ("open", "high", "low", "close")}, index=index)
    data = {"BTCUSDT": nv.History(frame, funding=0)}
    result = nv.Backtest(strategy, data=data, cash=1_000_000, rules_as_of="2026-05-01").run()
    return round(result.frame("fills")["qty"].sum() * 1000)
"""


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    """A folder for a user's strategies, importable, away from this project's."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def printed(folder: Path, code: str, **environment: str) -> list[str]:
    """What a fresh interpreter prints that trades a strategy from a folder, compiled."""
    start = f"import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, {str(folder)!r})\n"
    return run("-c", start + TRADED + code, NUMBA_DISABLE_JIT="0", **environment).split()


ONE_LINE = """import novation as nv
from novation.engine.strategy import buy
{}

@nv.compiled
def on_bar(venue, bar, my):
    if my.unused == 0:
        buy(venue, bar.instrument, {})
    my.unused = 1
"""


@pytest.mark.slow
def test_two_strategies_that_differ_in_a_global_do_not_share_code(strategies: Path) -> None:
    source = ONE_LINE.format("N = 10", "N").replace("@nv.compiled\n", "")
    (strategies / "swept.py").write_text(source + "\n\ndef make():\n    return nv.compiled(on_bar)\n")
    sweep = "import swept\nfor swept.N in (10, 20, 30, 10):\n    print(traded(swept.make()))"
    assert printed(strategies, sweep) == ["10", "20", "30", "10"]
    again = "import swept\nfor swept.N in (30, 40, 20):\n    print(traded(swept.make()))"
    assert printed(strategies, again) == ["30", "40", "20"]


@pytest.mark.slow
def test_code_kept_from_other_processes_is_not_mixed_up(strategies: Path) -> None:
    """Numba numbers functions in each process anew, so code of the same number and name is loaded side by side."""
    body = "\n".join(f"        my.unused += (my.unused * {n} + bar.last_e8) % {n + 7}" for n in range(60))
    (strategies / "long.py").write_text(
        f"""import novation as nv
from novation._jit import user_kernel
from novation.engine.strategy import buy
N = 10

def lots(bar, my):
    if my.unused == 0:
{body}
        return N + my.unused * 0
    return 0

def make():
    helper = user_kernel(lots)
    @nv.compiled
    def on_bar(venue, bar, my):
        found = helper(bar, my)
        if found:
            buy(venue, bar.instrument, found)
    return on_bar
"""
    )
    for n in (10, 20):
        assert printed(strategies, f"import long\nlong.N = {n}\nprint(traded(long.make()))") == [str(n)]
    both = "import long\nfor long.N in (10, 20, 10, 30):\n    print(traded(long.make()))"
    assert printed(strategies, both) == ["10", "20", "10", "30"]


@pytest.mark.slow
def test_the_same_strategy_reads_its_globals_anew_in_each_run(strategies: Path) -> None:
    (strategies / "kept.py").write_text(ONE_LINE.format("N = 10", "N"))
    code = "import kept\nfor kept.N in (10, 20, 10):\n    print(traded(kept.on_bar))"
    assert printed(strategies, code) == ["10", "20", "10"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first_lines", "lots"),
    [
        ("from lib.params import LOTS", "LOTS"),
        ("import lib.params", "lib.params.LOTS"),
        ("from lib import params as p", "p.LOTS"),
        ("from lib.params import TABLE", "TABLE[1]"),
        ("from lib.params import ARRAY", "ARRAY[1]"),
        ("from lib.params import Size", "Size.LOTS"),
        ("from lib.params import named", "named.lots"),
        ("from lib.params import helper", "helper(bar.instrument)"),
        ("from lib.params import jitted", "jitted(bar.instrument)"),
    ],
)
def test_a_constant_edited_in_a_subfolder_is_not_answered_from_the_cache(
    strategies: Path, first_lines: str, lots: str
) -> None:
    (strategies / "lib").mkdir()
    (strategies / "with_lib.py").write_text(ONE_LINE.format(first_lines, lots))
    for n in (10, 20):
        (strategies / "lib" / "params.py").write_text(
            f"""import collections, enum
import numba
import numpy as np
from novation._jit import user_kernel
LOTS = {n}
TABLE = (0.5, {n})
ARRAY = np.array([0, {n}])
named = collections.namedtuple("Named", "lots")({n})
Size = enum.IntEnum("Size", {{"LOTS": {n}}})
helper = user_kernel(lambda instrument: LOTS)
jitted = numba.njit(lambda instrument: LOTS)
"""
        )
        assert printed(strategies, "import with_lib\nprint(traded(with_lib.on_bar))") == [str(n)]


@pytest.mark.slow
def test_an_enumeration_of_a_strategy_does_not_spoil_the_cache_of_others(strategies: Path, tmp_path: Path) -> None:
    """Numba keeps a kernel's argument types, classes by name, in one file for all callers."""
    lines = "import enum\nSize = enum.IntEnum('Size', {'LOTS': 10})"
    (strategies / "with_enum.py").write_text(ONE_LINE.format(lines, "Size.LOTS"))
    (strategies / "without.py").write_text(ONE_LINE.format("", "20"))
    code = "import {0}\nprint(traded({0}.on_bar))"
    assert printed(strategies, code.format("with_enum")) == ["10"]
    (strategies / "with_enum.py").unlink()
    assert printed(strategies, code.format("without")) == ["20"]


@pytest.mark.slow
def test_an_edit_and_a_reload_are_not_answered_from_the_cache(strategies: Path) -> None:
    code = f"""
import importlib, pathlib
file = pathlib.Path({str(strategies / "edited.py")!r})
for n in (10, 20):
    file.write_text({ONE_LINE.format("", "10 + 0 * my.unused")!r}.replace("10 +", f"{{n}} +"))
    import edited
    print(traded(importlib.reload(edited).on_bar))
"""
    assert printed(strategies, code) == ["10", "20"]


COMPILED = """
from numba.core import event

class Listener(event.Listener):
    def on_start(self, e):
        print(e.data["dispatcher"].py_func.__name__)
    def on_end(self, e):
        pass

event.register("numba:compile", Listener())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first_lines", "compiled_again"),
    [("N = 10", []), ("import numba\nN = numba.njit(lambda: 10)()\nM = numba.njit(lambda: 0)", ["shim", "on_bar"])],
)
def test_a_strategy_is_compiled_once_unless_it_reads_what_cannot_be_told(
    strategies: Path, first_lines: str, compiled_again: list[str]
) -> None:
    lots = "N + 0 * NEVER_SEEN" + (" + M()" if compiled_again else "")
    never_seen = f"NEVER_SEEN = {time.time_ns()}\n"  # else the code may be in the cache, from an earlier run
    (strategies / "once.py").write_text(ONE_LINE.format(never_seen + first_lines, lots))
    code = f"import once\n{COMPILED}\nonce.on_bar.bind()\nprint(traded(once.on_bar))"
    assert printed(strategies, code)[:2] == ["shim", "on_bar"]
    second = printed(strategies, code)
    assert second[-1] == "10"
    assert [name for name in second if name in ("shim", "on_bar")] == compiled_again * 2


@pytest.mark.slow
def test_a_file_beside_a_strategy_that_cannot_be_read_stops_nothing(strategies: Path) -> None:
    (strategies / "plain.py").write_text(ONE_LINE.format("", "10"))
    (strategies / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n".encode("latin-1"))
    (strategies / "noise.py").write_bytes(b"\x00\xff\nfrom novation import /, " + b"a" * 400 + b", \xfe\n")
    (strategies / "folder.py").mkdir()
    (strategies / "gone.py").symlink_to(strategies / "nowhere.py")
    os.mkfifo(strategies / "pipe.py")
    (strategies / "secret.py").write_text("")
    (strategies / "secret.py").chmod(0)
    assert printed(strategies, "import plain\nprint(traded(plain.on_bar))") == ["10"]
