"""What a run leaves behind, whichever door it came through: a manifest, the events, the samples.

On disk it is a folder: `manifest.json`, and per venue `events.parquet`, `samples.parquet`, `holdings.parquet` (exact
integers, one column per field). `research.result` makes tables and pictures of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from novation.domain.errors import DataError
from novation.domain.events import EVENT_DTYPE

TABLES = ("events", "samples", "holdings")


@dataclass(frozen=True)
class VenueRecord:
    """One venue's share of a run: structured arrays of int64 fields."""

    events: np.ndarray
    samples: np.ndarray
    holdings: np.ndarray


@dataclass(frozen=True)
class RunRecord:
    """A run: `manifest` is plain JSON (version, config, seed, hashes, instruments, terms, cautions)."""

    manifest: dict[str, Any]
    venues: dict[str, VenueRecord] = field(default_factory=dict)

    def save(self, folder: Path, also: Callable[[Path], None] | None = None) -> Path:
        """Write the folder whole or not at all; an existing run folder is replaced, any other folder refused.

        also: writes further files into the folder while it is not yet in its place.
        """
        folder = Path(folder)
        check_folder(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, record in self.venues.items():
                for table in TABLES:
                    frame(getattr(record, table)).write_parquet(staging / f"{name}.{table}.parquet")
            (staging / "manifest.json").write_text(json.dumps(self.manifest, indent=2, sort_keys=False) + "\n")
            if also is not None:
                also(staging)
            os.chmod(staging, 0o755)
            if folder.exists():
                aside = staging.with_name(staging.name + "-old")
                folder.rename(aside)
                staging.rename(folder)
                shutil.rmtree(aside)
            else:
                staging.rename(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        return folder

    @classmethod
    def load(cls, folder: Path, *, verify: bool = True) -> RunRecord:
        """Read a folder that `save` wrote; verify: refuse a table that is not the one its manifest describes."""
        folder = Path(folder)
        path = folder / "manifest.json"
        if not path.is_file():
            raise DataError("no manifest.json: not the folder of a run", source=str(folder))
        try:
            manifest = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise DataError(f"is no JSON: {error}", source=str(path)) from None
        if not isinstance(manifest, dict) or not isinstance(manifest.get("venues"), dict):
            raise DataError("is not the manifest of a run", source=str(path))
        venues = {}
        for name in manifest["venues"]:
            arrays = {}
            for table in TABLES:
                file = folder / f"{name}.{table}.parquet"
                if not file.is_file():
                    raise DataError("is missing", source=str(file), hint="Run the backtest again.")
                try:
                    arrays[table] = structured(pl.read_parquet(file))
                except (pl.exceptions.PolarsError, OSError) as error:
                    raise DataError(f"cannot be read: {str(error).splitlines()[0]}", source=str(file)) from None
                if verify and table_digest(arrays[table]) != manifest["venues"][name]["tables"][table]:
                    raise DataError(
                        "is not the table that the manifest describes: it was changed after the run",
                        source=str(file),
                        hint="Run the backtest again.",
                    )
            venues[name] = VenueRecord(**arrays)
        return cls(manifest, venues)


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run and nothing else."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, json.JSONDecodeError):
        return False
    ours = {".parquet", ".json", ".html"}
    return (
        isinstance(manifest, dict)
        and {"schema", "version", "venues"} <= set(manifest)
        and all(path.is_file() and path.suffix in ours for path in folder.iterdir())
    )


def check_folder(folder: Path) -> None:
    """Refuse a place that holds something else than a run."""
    if folder.exists() and not folder.is_dir():
        raise DataError("is a file", source=str(folder), hint="Name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not _is_run(folder):
        raise DataError("is not the folder of a run and is not empty", source=str(folder), hint="Name another folder.")


def frame(array: np.ndarray) -> pl.DataFrame:
    """A structured int64 array as a frame."""
    return pl.DataFrame({name: np.ascontiguousarray(array[name]) for name in array.dtype.names or ()})


def structured(table: pl.DataFrame) -> np.ndarray:
    """A frame of int64 columns as a structured array."""
    array = np.zeros(table.height, np.dtype([(name, np.int64) for name in table.columns]))
    for name in table.columns:
        array[name] = table[name].to_numpy()
    return array


def table_digest(array: np.ndarray) -> str:
    """BLAKE2b of a table's integers, column by column."""
    digest = hashlib.blake2b(digest_size=16)
    for name in array.dtype.names or ():
        digest.update(name.encode() + np.ascontiguousarray(array[name], dtype="<i8").tobytes())
    return digest.hexdigest()


def events_of(chunks: list[bytes]) -> np.ndarray:
    """The events of a log as one structured array."""
    return np.frombuffer(b"".join(chunks), EVENT_DTYPE)
