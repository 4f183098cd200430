"""Without databento-dbn the rest of the package works, and its reader says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from novation.data.flow import read_databento
from novation.domain.errors import InvalidInput


def test_the_missing_library_is_one_error_that_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    path = tmp_path / "day.mbo.dbn.zst"
    path.touch()
    with pytest.raises(InvalidInput, match=r"needs databento-dbn\. Install it: pip install novation\[data\]\."):
        read_databento(path, tick="0.25")
