"""Histories by public instrument id, out of a folder of files.

Layout of a folder, that of the user's store and of the folder that NOVATION_DATA names:

    binance_um/1h/SYMBOL/{last_1h,mark_1h,funding}.parquet
    binance_spot/1h/SYMBOL_1h.parquet
    cme/{term_structure,roll_calendar}/NAME.parquet
"""

from __future__ import annotations

import os
from pathlib import Path

from novation.data.chain import ContractChain
from novation.data.history import History
from novation.data.store import store_path
from novation.data.term_structure import read_term_structure
from novation.domain.errors import DataError, UnknownInstrument
from novation.reference.quarterlies import is_quarterly

#: Name of the term-structure files of each product. Those of ES and GC are named after the micro contract,
#: whose price is quoted alike.
TERM_STRUCTURE_FILES = {"ES": "SP500_micro", "GC": "GOLD_micro", "6E": "EUR", "ZN": "US10"}


def data_folders() -> tuple[Path, ...]:
    """Where histories are looked for: the folder that NOVATION_DATA names, then the user's store."""
    named = os.environ.get("NOVATION_DATA", "")
    given = (Path(named),) if named and Path(named).is_dir() else ()
    return (*given, store_path())


def load(id: str, *, root: Path | str | None = None) -> History | ContractChain:
    """The history of a public instrument id such as "binance_um:BTCUSDT" or "cme:ES".

    root: the folder to look in, else `data_folders()` in turn. Nothing of a perpetual is read before it is
    prepared. Raises DataError naming the missing file and the remedy, UnknownInstrument for an id of another
    form.
    """
    venue, _, name = id.partition(":")
    folders = data_folders() if root is None else (Path(root),)
    if venue == "binance_um" and name:
        kinds = ("last_1h", "mark_1h") if is_quarterly(id) else ("last_1h", "mark_1h", "funding")
        last, mark, *funding = _files(
            id,
            folders,
            [f"binance_um/1h/{name}/{kind}.parquet" for kind in kinds],
            hint=f"Run `novation data download binance_um {name} --from .. --to ..`, set NOVATION_DATA "
            "to a folder that has it, or hand in a History.",
        )
        return History(last, mark=mark, funding=funding[0] if funding else None, bar="1h")  # a quarterly has none
    if venue == "binance_spot" and name:
        (last,) = _files(
            id,
            folders,
            [f"binance_spot/1h/{name}_1h.parquet"],
            hint="Set NOVATION_DATA to a folder that has it, or hand in a History.",
        )
        return History(last, bar="1h")
    if venue == "cme" and name:
        if name not in TERM_STRUCTURE_FILES:
            known = tuple(f"cme:{root}" for root in TERM_STRUCTURE_FILES)
            raise UnknownInstrument(id, reason=f"has no term-structure file here; known: {', '.join(known)}.")
        file = f"{TERM_STRUCTURE_FILES[name]}.parquet"
        prices, calendar = _files(
            id,
            folders,
            [f"cme/term_structure/{file}", f"cme/roll_calendar/{file}"],
            hint="Set NOVATION_DATA to a folder that has it, or hand in a ContractChain.",
        )
        return read_term_structure(prices, calendar)
    raise UnknownInstrument(id, reason='is no instrument id; write e.g. "binance_um:BTCUSDT" or "cme:ES".')


def _files(id: str, folders: tuple[Path, ...], names: list[str], *, hint: str) -> list[Path]:
    """The files in the first folder that has any of them; all must be there."""
    for folder in folders:
        if any((folder / name).is_file() for name in names):
            missing = next((name for name in names if not (folder / name).is_file()), None)
            if missing:
                raise DataError(f"no file {missing}", source=id, where=f"in {folder}", hint=hint)
            return [folder / name for name in names]
    looked = ", ".join(str(folder) for folder in folders)
    raise DataError(f"no file {names[0]} in {looked}", source=id, hint=hint)
