"""What a reader may rely on in every file of this repository, and import-linter cannot express.

The rules are those of docs and CONTRIBUTING.md: where kernels live, that nothing low in the house reads
a clock or rolls dice, that locks and tracked files name no machine, that a table says since when and on
whose word. Each test lists every offender at once.
"""

from __future__ import annotations

import ast
import csv
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "novation"
LOCKS = ("requirements.lock", "requirements-core.lock")

KERNEL_ROOMS = ("rules/", "engine/", "venues/", "research/envs/", "_jit")
#: Float64 in and out; every other kernel of ours refuses a float.
MODEL_MODULES = {
    f"rules/{name}.py"
    for name in (
        *("chance", "elementary", "fill_probability", "impact", "manipulation", "option"),
        *("queue_position", "slippage"),
    )
} | {f"venues/{name}.py" for name in ("markov_book", "quoting")}
MODEL_MODULES |= {
    f"venues/population/{name}.py"
    for name in ("acting", "asking", "chance", "hawkes", "queue_reactive", "timing", "traders", "zero_intelligence")
}
LOWER_ROOMS = ("domain/", "reference/", "rules/", "engine/", "wire/", "venues/", "trading/", "data/")
DOWNLOADER = "data/sources"

# A name here stands for everything below it: `time` bans time.time and time.monotonic_ns alike.
AMBIENT = (
    "time",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "pandas.Timestamp.now",
    "pandas.Timestamp.today",
    "random",
    "secrets",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
    "os.getrandom",
    "http.client",
    "http.server",
    "urllib.request",
)
# NumPy's generators are welcome once they are given a seed; its module-level functions share hidden state.
SEEDED = {"Generator", "BitGenerator", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "SFC64", "default_rng"}


def inside(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def modules(*rooms: str) -> list[Path]:
    """Python files of the package, or of the given rooms (prefixes of the path inside the package)."""
    return [path for path in sorted(SRC.rglob("*.py")) if not rooms or inside(path).startswith(rooms)]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> full dotted name, for every import in the file (`np` -> `numpy`)."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                local = item.asname or item.name.partition(".")[0]
                names[local] = item.name if item.asname else local
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for item in node.names:
                names[item.asname or item.name] = f"{node.module}.{item.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """The full name that `a.b.c` refers to, if `a` was imported."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def imports_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [f"{node.module}.{item.name}" for item in node.names]
    return []


def ambient(name: str) -> bool:
    if name.startswith("numpy.random."):
        return name.split(".")[2] not in SEEDED
    return any(name == banned or name.startswith(banned + ".") for banned in AMBIENT)


def ambient_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each clock, socket or unseeded generator that the file reaches."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        reached = imports_of(node)
        if isinstance(node, ast.Attribute | ast.Name):
            reached = [dotted(node, names) or ""]
        yield from ((node.lineno, name) for name in reached if ambient(name))
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            called = dotted(node.func, names) or ""
            if called.startswith("numpy.random.") and called.split(".")[2] in SEEDED:
                yield node.lineno, f"{called}() without a seed"


def mentions_kernel(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").endswith("_jit") and any(
            item.name in ("kernel", "model_kernel") for item in node.names
        )
    return isinstance(node, ast.Attribute) and node.attr in ("kernel", "model_kernel")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files git tracks or would track: a mistake is found before it is committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked_files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture


def machine_paths() -> list[str]:
    """Folders that would betray this machine; general ones (a checkout in the temporary folder) would not."""
    general = {"/", "/app", "/data", "/home", "/mnt", "/opt", "/srv", "/tmp", "/usr", "/Users", "/var"}
    general.add(tempfile.gettempdir())
    candidates = {str(ROOT), str(ROOT.parent), str(Path.home())}
    return sorted(f"{folder}/" for folder in candidates - general)


def projects_in(lock: str) -> dict[str, set[str]]:
    """Normalised project name -> versions pinned in a lock (one for each marker)."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, flags=re.MULTILINE):
        pins.setdefault(normal(name), set()).add(version)
    return pins


def rows_of(path: Path) -> list[list[str]]:
    """Cells of a table, header first, without comment lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#"))) or [[]]


def normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()


def required(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in requirements}


# ---------------------------------------------------------------- the code


def test_kernels_live_only_where_compiled_code_is_allowed() -> None:
    astray = [
        f"{inside(path)}:{node.lineno}"
        for path in modules()
        if not inside(path).startswith(KERNEL_ROOMS)
        for node in ast.walk(tree_of(path))
        if mentions_kernel(node)
    ]
    assert astray == []


def test_kernels_of_floats_live_only_in_the_model_modules() -> None:
    taking = {inside(path) for path in modules() if "model_kernel" in path.read_text(encoding="utf-8")}
    assert taking - MODEL_MODULES == {"_jit.py"}


def test_nothing_low_in_the_house_reads_a_clock_a_socket_or_chance() -> None:
    found = [
        f"{inside(path)}:{line}: {name}"
        for path in modules(*LOWER_ROOMS)
        if not inside(path).startswith(DOWNLOADER)
        for line, name in ambient_uses(tree_of(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        ("import time as t\nt.time_ns()", True),
        ("from time import monotonic", True),
        ("from datetime import datetime as dt\ndt.now()", True),
        ("import datetime\ndatetime.datetime.now(datetime.UTC)", True),
        ("import numpy as np\nnp.random.normal()", True),
        ("from numpy.random import default_rng\ndefault_rng()", True),
        ("import random", True),
        ("import urllib.request", True),
        ("from datetime import UTC, datetime, time\ndatetime(2020, 3, 12, tzinfo=UTC), time(17)", False),
        ("import numpy as np\nnp.random.Generator(np.random.PCG64(7))", False),
        ("from urllib.parse import urlsplit", False),
        ("def advance(time: int, random: int) -> int:\n    return time + random", False),
    ],
)
def test_ambient_names_are_told_from_given_ones(code: str, reached: bool) -> None:
    assert bool(list(ambient_uses(ast.parse(code)))) is reached


def test_no_module_has_outgrown_one_idea() -> None:
    lengths = {inside(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: lines for name, lines in lengths.items() if lines >= 800} == {}


def test_import_contracts_name_each_room_that_exists() -> None:
    """`novation.live.**` does not cover `live/__init__.py`, so the bare name joins it with the room."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {one["id"]: one for one in settings["tool"]["importlinter"]["contracts"]}
    for contract, room in (("trader-side", "trading"), ("trader-side", "live"), ("wire", "wire")):
        if (SRC / room).exists():
            assert f"novation.{room}" in contracts[contract]["source_modules"]
    if (SRC / "wire").exists():
        rooms = {child.name for child in SRC.iterdir() if (child / "__init__.py").exists()} | {"_jit"}
        named = {module.removeprefix("novation.") for module in contracts["wire"]["forbidden_modules"]}
        assert rooms - named == {"domain", "wire"}


# ---------------------------------------------------------------- the tables


def test_every_shipped_table_says_since_when_on_whose_word_and_until_when() -> None:
    """`known.csv` beside the tables of a venue states how far each of them reaches."""
    lacking = []
    for path in sorted((SRC / "reference" / "tables").rglob("*.csv")):
        rows = rows_of(path)
        columns = {"table", "known_through", "source"} if path.name == "known.csv" else {"effective_from", "source"}
        if missing := columns - set(rows[0]):
            lacking.append(f"{inside(path)}: no column {', '.join(sorted(missing))}")
        if path.name != "known.csv":
            stated = path.with_name("known.csv")
            if not stated.exists() or path.stem not in {row[0] for row in rows_of(stated)}:
                lacking.append(f"{inside(path)}: known.csv does not say how far it reaches")
    assert lacking == []


# ---------------------------------------------------------------- the files around it


def test_no_file_names_a_package_index_or_this_machine() -> None:
    # Written in halves, so that this file does not find itself.
    index = re.compile("|".join(["index" + r"[-_]url", r"pypi\." + "org/simple", "python" + r"hosted\.org"]))
    machine = machine_paths()
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if index.search(line) or any(path in line for path in machine)
    ]
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pin = re.compile(r"[A-Za-z0-9._-]+==[^\s;]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in text.splitlines() if not pin.fullmatch(line)] == []


def test_the_locks_agree_with_each_other_and_with_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    full, core = (projects_in((ROOT / name).read_text(encoding="utf-8")) for name in LOCKS)
    extras = project["optional-dependencies"]
    assert required(project["dependencies"]) <= set(core)
    assert required(project["dependencies"] + extras["data"] + extras["dev"]) <= set(full)
    assert {name: pins for name, pins in core.items() if full.get(name) != pins} == {}
