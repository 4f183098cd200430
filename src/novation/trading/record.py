"""What a run leaves behind, whichever door it came through: a manifest, the events, the samples.

On disk it is a folder: `manifest.json`, and per venue `events.parquet`, `samples.parquet`, `holdings.parquet`,
`prices.parquet` (exact integers, one column per field). `research.result` makes tables and pictures of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from novation.domain.errors import DataError
from novation.domain.events import EVENT_DTYPE, EVENT_SCHEMA
from novation.domain.records import record_dtype

#: Layout of the manifest. 2: `digest` covers it, `frames` and `layouts` are in it. 3: each venue's `rules`. 4: the
#: table `prices`.
MANIFEST_SCHEMA = 4
TABLES = ("events", "samples", "holdings", "prices")


class KnownPrice(msgspec.Struct, frozen=True, gc=False):
    """What the market's last price was known to be when an order was sent or taken out, or as the run ended; or, where
    takers slip, how wide the quotes were that one met.

    sequence: of the event ORDER_ACCEPTED or ORDER_CANCELLED, or FILL of a taker; -1: the last price of the instrument
    in the run. price_ns: when it was the price. known: how it stands to the event, a `Known`. half_e8: of a FILL, what
    takers paid beyond the price whatever their size.
    """

    sequence: int
    instrument: int
    price_e8: int
    price_ns: int
    known: int
    half_e8: int = 0


class Known(IntEnum):
    """Whether a price was known before an event."""

    BEFORE = 0  #: a bar that had closed by then, or had opened earlier
    OPENING = 1  #: no bar before; one opens at that instant
    LATER = 2  #: no price yet: the first there was
    MET = 3  #: the price that a taker's fill met


PRICE_DTYPE = record_dtype(KnownPrice)


@dataclass(frozen=True)
class VenueRecord:
    """One venue's share of a run: structured arrays of int64 fields."""

    events: np.ndarray
    samples: np.ndarray
    holdings: np.ndarray
    prices: np.ndarray = field(default_factory=lambda: np.zeros(0, PRICE_DTYPE))


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
        """Read a folder that `save` wrote; verify: refuse a manifest, or a table of it, that was changed since."""
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
        layouts = manifest.get("layouts", {})
        if manifest.get("schema") != MANIFEST_SCHEMA or layouts.get("events") != EVENT_SCHEMA:
            raise DataError(
                f"was written by novation {manifest.get('version')} in a layout that this one does not read",
                source=str(path),
                hint="Run the backtest again.",
            )
        if verify and not is_genuine(manifest):
            raise DataError(
                "is not as the run wrote it: it was changed after the run",
                source=str(path),
                hint="Run the backtest again.",
            )
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


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """BLAKE2b of everything a manifest says beside its own digest: settings, cautions, terms, hashes."""
    said = {name: value for name, value in manifest.items() if name != "digest"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_genuine(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is as the run wrote it."""
    return bool(manifest.get("digest") == manifest_digest(manifest))


def table_digest(array: np.ndarray) -> str:
    """BLAKE2b of a table's integers, column by column."""
    digest = hashlib.blake2b(digest_size=16)
    for name in array.dtype.names or ():
        digest.update(name.encode() + np.ascontiguousarray(array[name], dtype="<i8").tobytes())
    return digest.hexdigest()


def events_of(chunks: list[bytes]) -> np.ndarray:
    """The events of a log as one structured array."""
    return np.frombuffer(b"".join(chunks), EVENT_DTYPE)
