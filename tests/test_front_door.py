"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import novation


def test_every_public_name_exists_and_is_listed() -> None:
    for name in novation.__all__:
        assert getattr(novation, name) is not None
    assert sorted(novation.__all__) == novation.__all__


def test_importing_novation_loads_nothing_heavy() -> None:
    code = (
        "import sys, novation; heavy = {'numba', 'numpy', 'polars', 'pandas', 'plotly', 'pydantic', 'torch', 'httpx'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
