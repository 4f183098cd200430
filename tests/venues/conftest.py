"""What tests of venues share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.venues.makers import BOOK, FEED, made_by


@pytest.fixture(scope="module", params=[FEED, BOOK])
def makers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Who makes the market of a test's exchanges: its feed (bars, a ladder), then orders of others on a book."""
    with made_by(request.param) as kind:
        yield kind
