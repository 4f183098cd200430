"""What `novation doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novation._jit import JIT, cache_folder
from novation._version import __version__
from novation.data.catalog import TERM_STRUCTURE_FILES, data_folders
from novation.data.store import store_path

_PACKAGES = ("numpy", "numba", "polars", "msgspec", "pydantic", "pyyaml", "typer", "rich", "httpx", "plotly")
_OPTIONAL = ("pandas", "pyarrow")


@dataclass(frozen=True)
class Health:
    """Versions, places and problems. problems: each a sentence with its remedy."""

    versions: dict[str, str]
    jit: bool
    cache: dict[str, Any]
    data: dict[str, list[str]]
    store: str
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "versions": self.versions,
            "jit": self.jit,
            "cache": self.cache,
            "data": self.data,
            "store": self.store,
            "problems": list(self.problems),
        }

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        kernels = f"{self.cache['files']} files, {self.cache['bytes'] / 1e6:.1f} MB"
        lines = [
            f"versions  {shown}",
            f"compiler  {'on' if self.jit else 'off: kernels run as plain Python (NUMBA_DISABLE_JIT)'}",
            f"kernels   {self.cache['folder']} ({kernels})",
            f"store     {self.store}",
        ]
        for folder, ids in self.data.items():
            names = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
            lines.append(f"data      {folder}: {names or 'no history'}")
        lines += [f"problem   {problem}" for problem in self.problems] or ["no problem found"]
        return "\n".join(lines)


def examine() -> Health:
    """Look around; nothing is written except the cache folder's own test."""
    versions = {"novation": __version__, "python": platform.python_version()}
    problems = []
    for name in (*_PACKAGES, *_OPTIONAL):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in _PACKAGES:
                problems.append(f"{name} is not installed. Run `pip install novation` again.")
    named = os.environ.get("NOVATION_DATA", "")
    if named and not Path(named).is_dir():
        problems.append(f"NOVATION_DATA names no folder: {named}.")
    data = {str(folder): _histories(folder) for folder in data_folders() if folder.is_dir()}
    if not any(data.values()):
        problems.append("no history found. Set NOVATION_DATA or run `novation data download`.")
    folder = cache_folder()
    files = [file for file in folder.rglob("*.nb?") if file.is_file()] if folder.is_dir() else []
    if JIT and not files:
        problems.append("kernels are not compiled yet. Run `novation warm`.")
    if JIT and not os.access(next(place for place in (folder, *folder.parents) if place.exists()), os.W_OK):
        problems.append(f"{folder} cannot be written: kernels compile in every process. Set NOVATION_CACHE.")
    if not (3, 11) <= sys.version_info[:2] <= (3, 15):
        problems.append("novation needs Python 3.11 to 3.15.")
    cache = {"folder": str(folder), "files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    return Health(versions, JIT, cache, data, str(store_path()), tuple(problems))


def _histories(folder: Path) -> list[str]:
    """Public ids of which the folder has history."""
    perpetuals = sorted(f"binance_um:{file.parent.name}" for file in folder.glob("binance_um/1h/*/last_1h.parquet"))
    spot = sorted(
        f"binance_spot:{file.stem.removesuffix('_1h')}" for file in folder.glob("binance_spot/1h/*_1h.parquet")
    )
    chains = [
        f"cme:{root}"
        for root, name in TERM_STRUCTURE_FILES.items()
        if (folder / "cme" / "term_structure" / f"{name}.parquet").is_file()
    ]
    return perpetuals + spot + chains
