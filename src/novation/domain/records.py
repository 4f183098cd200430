"""One table of fields, three faces: a frozen struct, a NumPy record, a byte format.

A record here is a msgspec struct whose fields are all int64. Its class body is the table of fields; the dtype and the
`struct` format are derived from it, so the three cannot drift. Fields are appended, never reused.
"""

from __future__ import annotations

import struct

import msgspec
import numpy as np


def record_dtype(record: type[msgspec.Struct]) -> np.dtype:
    """The NumPy dtype of a record: every field int64, in the order of the class body."""
    return np.dtype([(name, np.int64) for name in record.__struct_fields__])


def record_format(record: type[msgspec.Struct]) -> struct.Struct:
    """The byte format of one row, for reading a ring's memory without NumPy objects."""
    return struct.Struct(f"={len(record.__struct_fields__)}q")
