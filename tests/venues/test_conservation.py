"""Thousands of commands of hundreds of accounts, the compiled venue by itself: no unit is made or lost on the way."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from novation.domain.account import InsurancePool
from novation.domain.enums import EventKind, InstrumentKind
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.alone import Alone
from tests.venues.lockstep import random_run
from tests.venues.makers import OnABook
from tests.venues.scenarios import Setup

#: What the runs meet.
MIX = {
    "coins": {"FILL", "FUNDING", "LIQUIDATION", "DELEVERAGED", "TRANSFER"},
    "futures": {"FILL", "SETTLEMENT", "LIQUIDATION", "TRANSFER"},
    "mixed": {"FILL", "SETTLEMENT", "LIQUIDATION", "TRANSFER"},
}


def lasting(setup: Setup) -> Setup:
    """The same with an empty insurance fund and, of coins, with none that is delivered and gone after some hours."""
    perpetual = {"kind": InstrumentKind.PERPETUAL, "deliver_ns": 0}
    instruments = [i if i.daily_settled else msgspec.structs.replace(i, **perpetual) for i in setup.instruments]
    fund = InsurancePool(name="empty", instruments=tuple(i.id for i in instruments))
    return setup._replace(instruments=instruments, pools=(fund,))


@pytest.mark.heavy
@pytest.mark.parametrize("kind", MIX)
def test_thousands_of_commands_of_hundreds_of_accounts_conserve_money(kind: str) -> None:
    met: Counter[EventKind] = Counter()
    accounts, commands = min(300, scaled(300, 30)), min(10_000, scaled(10_000, 1_000))

    # a seed does not shrink
    @settings(max_examples=scaled(10, 2), phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(st.integers(0, 1 << 40))
    def one(seed: int) -> None:
        r = Random(seed)
        setup = scenarios.setup(r, accounts=accounts, kind=kind)
        alone = Alone(lasting(setup) if kind == "coins" else setup, buffer=64)
        random_run(r, alone, commands, burst=accounts // 2)
        met.update(alone.met)

    one()
    assert {event.name for event in met} >= MIX[kind]


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("kind", MIX)
def test_the_same_on_books_beside_the_twin(kind: str) -> None:
    """Fewer of both: the twin goes along. Nobody is unnamed: every account is in the sum."""
    met: Counter[EventKind] = Counter()

    @settings(max_examples=scaled(40, 4), phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(st.integers(0, 1 << 40))
    def one(seed: int) -> None:
        r = Random(seed)
        setup = scenarios.setup(r, accounts=12, kind=kind)
        both = OnABook(lasting(setup) if kind == "coins" else setup, lenient=1)
        random_run(r, both, 120)
        met.update(EventKind(e.kind) for e in both.twin.events)

    one()
    assert {event.name for event in met} >= MIX[kind] - {"DELEVERAGED", "SETTLEMENT"}
