"""From a configuration to a folder, and from a folder back to the same run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novation._version import __version__
from novation.domain.errors import ConfigError, DataError
from novation.research.compare import compare
from novation.research.config import BacktestConfig, load_config
from novation.research.config.strategy import strategy_digest
from novation.research.result import Result
from novation.trading.record import TABLES, RunRecord, check_folder, is_genuine, table_digest

Progress = Callable[[int, int], None]


def run_config(
    config: str | Path | BacktestConfig,
    settings: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a configuration, and keep the run in the folder `out`.

    settings: "a.b=c" each, put over the file. progress: called with the bars done and the bars there are.
    The folder is written whole or not at all; one that holds something else than a run is refused before the run.
    """
    if out is not None:
        check_folder(Path(out))
        _check_writable(Path(out))
    if not isinstance(config, BacktestConfig):
        config = load_config(config, settings)
    result = config.backtest().run(progress)
    if out is not None:
        result.save(out)
    return result


def _check_writable(folder: Path) -> None:
    """Refuse a place where no folder can be made; nothing is left there."""
    there = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".novation-", dir=there):
            pass
    except OSError as error:
        raise DataError(
            f"cannot be written: {error.strerror}", source=str(folder), hint="Name another folder."
        ) from None


@dataclass(frozen=True)
class Rerun:
    """A stored run and the same configuration run again.

    differences: what is not the same, first things first; empty when the runs agree. notes: what may explain it.
    """

    folder: str
    stored_hash: str
    state_hash: str
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every hash agrees."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "same": self.same,
            "folder": self.folder,
            "stored_hash": self.stored_hash,
            "state_hash": self.state_hash,
            "differences": list(self.differences),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        if self.same:
            lines = [f"the same run: state {self.state_hash}"]
        else:
            lines = [f"not the same run: {self.differences[0]}"]
            lines += [f"  {difference}" for difference in self.differences[1:]]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def rerun(folder: str | Path, progress: Progress | None = None) -> Rerun:
    """Run the configuration that a run's folder keeps, and compare with what the folder holds."""
    folder = Path(folder)
    stored = Result(RunRecord.load(folder, verify=False))
    kept = stored.manifest.get("config")
    if not isinstance(kept, dict) or "values" not in kept:
        raise ConfigError(
            "keeps no configuration: it was run from Python",
            source=str(folder / "manifest.json"),
            hint="Run the script again and use result.compare(Result.load(folder)).",
        )
    place = Path(kept["folder"])
    if not place.is_dir():
        raise ConfigError(
            "the folder of the configuration is gone",
            source=str(folder / "manifest.json"),
            where="config.folder",
            value=str(place),
        )
    config = load_config(kept["values"], folder=place, source=kept["file"])
    fresh = config.backtest().run(progress)
    # through JSON, as the stored one went
    fresh = Result(RunRecord(json.loads(json.dumps(fresh.manifest)), fresh.record.venues))
    notes = []
    if stored.manifest["version"] != __version__:
        notes.append(f"it was made by novation {stored.manifest['version']}, this is {__version__}")
    strategy = kept["values"].get("strategy")
    if strategy and strategy_digest(strategy, place) != kept.get("strategy_digest"):
        notes.append(f"{strategy.rpartition(':')[0]} has changed since")
    return Rerun(str(folder), stored.state_hash, fresh.state_hash, tuple(_differences(stored, fresh)), tuple(notes))


def _differences(stored: Result, fresh: Result) -> list[str]:
    """What differs, causes before effects."""
    old, new = stored.manifest, fresh.manifest
    found = []
    for name, venue in stored.record.venues.items():
        for table in TABLES:
            if table_digest(getattr(venue, table)) != old["venues"][name]["tables"][table]:
                found.append(f"{name}.{table}.parquet is not the table that the manifest describes")
    compared = compare(stored, fresh)
    for setting, (left, right) in compared.settings.items():
        if setting == "data":
            names = sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
            found.append(f"data of {', '.join(names)} has changed")
        elif setting != "version":
            found.append(f"{setting}: stored {_short(left)}, now {_short(right)}")
    if old["reference"] != new["reference"]:
        found.append("the exchange's rules that were looked up have changed")
    if compared.first_difference:
        found.append(f"first difference: {compared.first_difference}")
    for name in old["venues"]:
        for hash_name in ("state_hash", "event_hash"):
            left, right = old["venues"][name][hash_name], new["venues"].get(name, {}).get(hash_name)
            if left != right:
                found.append(f"{name} {hash_name}: stored {left}, now {right}")
    if old["state_hash"] != new["state_hash"]:
        found.append(f"state_hash: stored {old['state_hash']}, now {new['state_hash']}")
    if not is_genuine(old):
        found.append("manifest.json is not as the run wrote it: it was changed after the run")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
