"""Helpers of the whole session: how many examples, and where real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: Multiplies the counts that an issue or a page states; `make soak` sets 20.
SCALE = float(os.environ.get("NOVATION_TEST_SCALE", "0.01"))

# Few examples are not worth a new draw each run: the same tests on the same tree fail alike everywhere.
settings.register_profile(
    "novation",
    deadline=None,
    derandomize=SCALE < 1,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.load_profile("novation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Heavy tests first, every other one at the head of each half: two workers begin with a half each, and neither is
    left alone with a long test at the end."""
    items.sort(key=lambda item: item.get_closest_marker("heavy") is None)
    items[:] = items[::2] + items[1::2]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failure when it happens, for a run that is ended by a limit before its summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid}\n{report.longreprtext[-2000:]}", flush=True)


def scaled(stated: int, floor: int = 1) -> int:
    """A stated count times NOVATION_TEST_SCALE, not below a floor."""
    return max(floor, round(stated * SCALE))


@pytest.fixture(scope="session")
def novation_data() -> Path:
    """The folder of real files."""
    named = os.environ.get("NOVATION_DATA", "")
    if not named:
        pytest.skip("NOVATION_DATA is not set: no real files to check against")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"NOVATION_DATA names no folder: {folder}")
    return folder
