"""The canonical form of a state and its hash.

A state is written as named lines of integers in a fixed order, so that two exchanges with different memory (the
compiled one and a plain-Python twin) hash alike when, and only when, they hold the same facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

Line = tuple[str, tuple[int, ...]]


def canonical_bytes(lines: Iterable[Line]) -> bytes:
    """The lines as ASCII: `name:1,-2,3` and a newline each."""
    return b"".join(f"{name}:{','.join(str(int(n)) for n in numbers)}\n".encode() for name, numbers in lines)


def state_digest(lines: Iterable[Line]) -> str:
    """BLAKE2b of the canonical form, 32 hex digits."""
    return hashlib.blake2b(canonical_bytes(lines), digest_size=16).hexdigest()
