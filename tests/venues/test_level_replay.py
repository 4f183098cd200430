"""Recorded levels with accounts in them, on both exchanges: random runs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.enums import QueueModel
from tests.conftest import scaled
from tests.venues import book_scenarios, level_scenarios
from tests.venues.book_pair import pair


@pytest.mark.parametrize("kind", book_scenarios.KINDS)
@settings(max_examples=scaled(1_000, 15))
@given(seed=st.integers(0, 2**32), model=st.sampled_from(level_scenarios.MODELS))
def test_a_run_between_recorded_levels_is_the_same_on_both(kind: str, seed: int, model: QueueModel) -> None:
    r = Random(seed)
    level_scenarios.random_run(r, pair(level_scenarios.setup(r, kind)), 80, model)
