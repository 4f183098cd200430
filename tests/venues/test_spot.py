"""Coins bought in full: what an account has of cash and coins, to the unit, and what the exchange refuses it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.enums import EventKind, RejectReason
from tests.conftest import scaled
from tests.venues import spot_scenarios
from tests.venues.lockstep import Lockstep


@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 20))
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_short_run_that_shrinks_is_the_same_on_both(r: Random, commands: int) -> None:
    pair = Lockstep(spot_scenarios.setup(r))
    spot_scenarios.run(r, pair, commands, every=1)
    assert pair.venue.event_hash() == pair.twin.event_hash()


@pytest.mark.heavy
@settings(max_examples=scaled(1_500, 15))
@given(st.integers(0, 1 << 40))
def test_a_long_run_is_the_same_on_both(seed: int) -> None:
    r = Random(seed)
    pair = Lockstep(spot_scenarios.setup(r))
    spot_scenarios.run(r, pair, 60)
    assert pair.venue.state_hash() == pair.twin.state_hash()
