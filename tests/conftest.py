"""Helpers of the whole session: how many examples, and where real data lies."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

#: Multiplies the counts that an issue or a page states; `make soak` sets 20.
SCALE = float(os.environ.get("NOVATION_TEST_SCALE", "0.01"))

# The same tests on the same tree fail alike everywhere, at the stated counts too: a change is judged by one draw. The
# runs of `make soak` draw anew each time.
settings.register_profile(
    "novation",
    deadline=None,
    derandomize=SCALE <= 1,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.load_profile("novation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers begin with a half of the list each. Both halves begin with every other heavy test, so that neither
    worker is left alone with a long one at the end; the files come after, whole, with what their tests share."""
    heavy = [item for item in items if item.get_closest_marker("heavy")]
    rest = [item for item in items if not item.get_closest_marker("heavy")]
    cut = (len(items) + 1) // 2 - len(heavy[::2])
    items[:] = heavy[::2] + rest[:cut] + heavy[1::2] + rest[cut:]


class Watch:
    """A run that is ended by a limit, before its summary, has named what failed and names the tests it was at."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.began: dict[str, float] = {}
        signal.signal(signal.SIGTERM, self.ended)

    def say(self, text: str) -> None:
        """Past the capture of what tests print."""
        plugin: Any = self.config.pluginmanager.get_plugin
        with plugin("capturemanager").global_and_fixture_disabled():
            plugin("terminalreporter").write(f"\n{text}\n", flush=True)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test has begun."""
        self.began[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test is over."""
        if report.failed:
            self.say(f"FAILED {report.nodeid}\n{report.longreprtext[-2000:]}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        self.began.pop(nodeid, None)

    def ended(self, number: int, _: object) -> None:
        """Name the tests, then end as if nobody had listened."""
        for nodeid, began in self.began.items():
            self.say(f"STILL RUNNING {nodeid} ({time.monotonic() - began:.0f} s)")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def pytest_configure(config: pytest.Config) -> None:
    """The process that is told of all tests watches them; those of xdist do not."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Watch(config))


def scaled(stated: int, floor: int = 1) -> int:
    """A stated count times NOVATION_TEST_SCALE, not below a floor."""
    return max(floor, round(stated * SCALE))


def python_calls(function: Callable[[], object]) -> int:
    """How many Python functions a call runs: what tells a loop over rows from one over columns on any machine."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is marked `data` is skipped where there is none, however it finds its files."""
    if item.get_closest_marker("data") is not None:
        _real_files()


@pytest.fixture(scope="session")
def novation_data() -> Path:
    """The folder of real files."""
    return _real_files()


def _real_files() -> Path:
    named = os.environ.get("NOVATION_DATA", "")
    if not named:
        pytest.skip("NOVATION_DATA is not set: no real files to check against")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"NOVATION_DATA names no folder: {folder}")
    return folder
