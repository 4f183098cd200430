"""Random recorded order flow beside random orders of accounts: the same on both exchanges."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.enums import CancelReason, EventKind
from novation.domain.events import AUCTION, LIQUIDATED, MAKER
from novation.domain.flow import FlowKind
from tests.conftest import scaled
from tests.reference import replay
from tests.reference.exchange import Exchange
from tests.venues import book_scenarios, flow_scenarios
from tests.venues.book_pair import pair


@pytest.mark.heavy
@pytest.mark.parametrize("kind", book_scenarios.KINDS)
@settings(max_examples=scaled(2_000, 25))
@given(st.integers(0, 1 << 40))
def test_a_run_between_rows_of_records_is_the_same_on_both(kind: str, seed: int) -> None:
    r = Random(seed)
    flow_scenarios.random_run(r, pair(book_scenarios.setup(r, kind)), 100)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", book_scenarios.KINDS)
def test_thousands_of_rows_beside_many_accounts_are_the_same_on_both(kind: str) -> None:
    r = Random(f"replay-{kind}")
    both = pair(book_scenarios.setup(r, kind, accounts=scaled(60, 12)), buffer=64)
    flow_scenarios.random_run(r, both, scaled(10_000, 400))


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="says which cases are met, with the compiler; minutes without")
def test_the_runs_meet_everything_that_a_row_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    met: Counter[tuple[str, str]] = Counter()
    happen = replay._happen

    def noted(ex: Exchange, flow: replay.Flow, row: replay.Row) -> None:
        before, resting = len(ex.events), flow.orders.get(row.order)
        name = FlowKind(row.kind).name
        if resting and name != "ADD":
            met[name, f"taken {(resting.taken > 0) + (resting.shown == 0)}"] += 1
        happen(ex, flow, row)
        for e in ex.events[before:]:
            what = CancelReason(e.reason).name if e.kind == EventKind.ORDER_CANCELLED else EventKind(e.kind).name
            met[name, what] += 1
        met[name, ""] += 1

    monkeypatch.setattr(replay, "_happen", noted)
    alone: Counter[int] = Counter()  # flags of fills whose other side is nobody's
    for seed in range(80):
        r = Random(f"replay-{seed}")
        both = pair(book_scenarios.setup(r, book_scenarios.KINDS[seed % 2]))
        flow_scenarios.random_run(r, both, 200)
        sides = Counter(e.trade for e in both.twin.events if e.kind == EventKind.FILL)
        for e in both.twin.events:
            if e.kind == EventKind.FILL and sides[e.trade] == 1:
                alone[e.flags & (MAKER | AUCTION | LIQUIDATED)] += 1
    assert {name for name, what in met if not what} == {"CLEAR", "ADD", "CANCEL", "AMEND", "FILL", "TRADE"}
    for name in ("ADD", "AMEND", "TRADE"):
        assert met[name, "FILL"], name
    for name in ("CANCEL", "AMEND", "FILL"):
        for taken in range(3):
            assert met[name, f"taken {taken}"], (name, taken)
    assert sum(met[name, "WOULD_NOT_REDUCE"] for name in ("ADD", "AMEND", "TRADE"))
    assert met["TRADE", "ORDER_TRIGGERED"] and met["ADD", "ORDER_TRIGGERED"]
    assert {0, MAKER, LIQUIDATED} <= set(alone)
