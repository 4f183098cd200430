"""Which source files a kernel is made of: the digest that cached machine code is kept under."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IMPORT = re.compile(rb"^\s*(?:from\s+(novation[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(novation[\w.]*))", re.M)


def is_ours(path: Path) -> bool:
    return _PACKAGE in path.parents


def _module_file(name: str) -> Path | None:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    path = _PACKAGE.parent.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if os.path.isfile(candidate):  # False, not an error, for a name that is none
            return candidate
    return None


def _read_imports(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """A file's bytes and the novation files it imports; nothing of a file that cannot be read."""
    try:
        text = path.read_bytes() if os.path.isfile(path) else b""
    except OSError:
        text = b""
    found = []
    for base, names, plain in _IMPORT.findall(text):
        for name in [
            plain or base,
            *(base + b"." + part.split(b" as ")[0].strip() for part in names.strip(b"()").split(b",")),
        ]:
            file = _module_file(name.decode("ascii", "replace"))
            if file is not None and file != path:
                found.append(file)
    return text, tuple(dict.fromkeys(found))


_read_imports_once = functools.cache(_read_imports)


def _imports(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """The package does not change while it runs; a user's file may."""
    return _read_imports_once(path) if is_ours(path) else _read_imports(path)


def source_digest(path: Path) -> str:
    """BLAKE2b over a file and every novation file it imports, directly or not.

    Of a user's strategy also the other Python files of its folder: a constant or helper may stand there.
    """
    return _package_digest(path) if is_ours(path) else _source_digest(path)


def _source_digest(path: Path) -> str:
    seen: dict[Path, None] = {path: None, _PACKAGE / "_jit.py": None}
    if not is_ours(path):
        seen |= dict.fromkeys(sorted(path.parent.glob("*.py")))
    waiting = list(seen)
    texts: dict[Path, bytes] = {}
    while waiting:
        file = waiting.pop()
        texts[file], others = _imports(file)
        for other in others:
            if other not in seen:
                seen[other] = None
                waiting.append(other)
    digest = hashlib.blake2b(digest_size=12)
    for file in sorted(seen):
        digest.update(os.fsencode(file.name) + b"\0" + texts[file])
    return digest.hexdigest()


_package_digest = functools.cache(_source_digest)
