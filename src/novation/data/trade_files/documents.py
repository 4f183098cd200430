"""A file or frame of trades as it lies there: lines of cells, rows of a frame, or a tree of JSON."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from novation.data.frames import kind_of, read_frame
from novation.domain.errors import DataError

_SEPARATORS = ",;\t"
#: More than this of one file is no export of trades.
_LARGEST = 1 << 30


@dataclass(frozen=True)
class Document:
    """What was read. lines: of a CSV file, each with its number and its cells; frame: rows of a frame; tree: JSON."""

    source: str
    lines: list[tuple[int, list[str]]] = field(default_factory=list)
    frame: list[dict[str, Any]] | None = None
    tree: Any = None


def read_document(given: Any) -> Document:
    """Read a path (.csv, .txt, .parquet, .json, .zip) or a frame. Raises `DataError`."""
    if kind_of(given, "trades") != "path":
        return Document("trades", frame=read_frame(given, "trades").data.to_dicts())
    path = Path(given)
    source = str(path)
    if not path.is_file():
        raise DataError("no such file", source=source)
    kind = path.suffix.lower()
    if kind == ".parquet":
        return Document(source, frame=read_frame(path, source).data.to_dicts())
    if kind == ".json":
        return Document(source, tree=_json(path.read_bytes(), source))
    if kind == ".zip":
        return _zipped(path)
    if kind in (".csv", ".txt", ".tsv"):
        return Document(source, lines=_lines(path.read_bytes(), source))
    raise DataError(
        "unknown kind of file", source=source, hint="Give a .csv, .parquet, .json or .zip file, or a frame."
    )


def _text(data: bytes, source: str) -> str:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            break
    raise DataError("is no text in UTF-8", source=source, hint="Save it as UTF-8; a spreadsheet is to be saved as CSV.")


def _json(data: bytes, source: str) -> Any:
    try:
        return json.loads(_text(data, source), parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise DataError(f"is no JSON: {error.msg}", source=source, where=f"line {error.lineno}") from None


def _zipped(path: Path) -> Document:
    """The one result in a zip of freqtrade, which holds it beside its configuration and its strategies."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if info.file_size <= _LARGEST]
            own = [name for name in names if Path(name).name == f"{path.stem}.json"]
            others = [
                n for n in names if n.endswith((".json", ".csv")) and not n.endswith(("_config.json", ".meta.json"))
            ]
            chosen = own or others
            if len(chosen) != 1:
                found = ", ".join(chosen) or "none"
                hint = "Unpack it and give the file itself."
                raise DataError("does not hold one file of trades", source=str(path), value=found, hint=hint)
            source, data = f"{path}/{chosen[0]}", archive.read(chosen[0])
    except zipfile.BadZipFile:
        raise DataError("is no zip file", source=str(path)) from None
    if chosen[0].endswith(".csv"):
        return Document(source, lines=_lines(data, source))
    return Document(source, tree=_json(data, source))


def _lines(data: bytes, source: str) -> list[tuple[int, list[str]]]:
    text = _text(data, source)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", source=source, where=f"line {reader.line_num:,}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        raise DataError("no rows", source=source)
    return lines
