"""Each account has a list of its own working orders: nobody's liquidation looks at those of others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import cancel, place_limit, transfer
from novation.domain.enums import EventKind, Side
from novation.domain.instruments import Terms, Tier
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import order_lists
from tests.venues.test_edges import coin
from tests.venues.test_jit_off import without_jit
from tests.venues.test_liquidation_steps import opening

ACCOUNTS = 5
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
#: An account, and the price of a new order of it in ticks, or which of the working orders it wants to cancel.
STEPS = st.lists(st.tuples(st.integers(0, ACCOUNTS - 1), st.booleans(), st.integers(0, 30)), max_size=60)

#: Counts the rows of orders looked at, by stage, while 1 of `others` + 1 longs is liquidated; each has three orders.
COUNT_ROWS = """
import json
from novation.domain.commands import place_limit, place_market, transfer
from novation.domain.enums import Side
from novation.domain.units import E8
from novation.engine import state, step
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues import scenarios
from tests.venues.test_liquidation_steps import opening
from tests.venues.test_own_orders import TERMS, coin

found = []
for others in (10, 40):
    venue = Venue(binance_usdm.RULES, [coin(1_000_000, E8)], [[TERMS]], accounts=others + 1, orders=4)
    venue.advance(0, scenarios.array(opening(0, 100)))
    for account in range(others + 1):
        venue.submit(transfer(account, (101 if account == others // 2 else 900) * E8))
        venue.submit(place_market(account, 0, Side.BUY, 10))
        for price in (11_000, 12_000, 13_000):
            venue.submit(place_limit(account, 0, Side.SELL, 1, price))
    looked, order_at = {}, state._order_at
    def counting(address, row):
        account = int(venue.table("order")[row]["account"])
        looked.setdefault(int(venue.head["stage"]), []).append(account)
        return order_at(address, row)
    state._order_at = counting
    events = venue.advance(1, scenarios.array(opening(1, 90)))
    state._order_at = order_at
    openings = len(looked.get(step._OPENINGS, []))
    found.append((others // 2, [int(e.kind) for e in events], looked[step._CHECK], openings))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_liquidation_looks_at_the_orders_of_its_account_alone() -> None:
    few, many = json.loads(without_jit("-c", COUNT_ROWS).splitlines()[-1])
    for account, kinds, looked, _ in (few, many):
        assert kinds.count(int(EventKind.ORDER_CANCELLED)) == 3
        assert kinds.count(int(EventKind.LIQUIDATION)) == 1
        # those before and after it in the venue's list are joined where it is taken out
        assert set(looked) <= {account - 1, account, account + 1}
    assert len(few[2]) == len(many[2])  # as many rows, however many others there are
    assert (few[3], many[3]) == (10 * 3, 40 * 3)  # only the openings look at everybody's orders, once each


@settings(max_examples=scaled(500, 50))
@given(STEPS)
def test_both_lists_hold_the_same_orders_in_order_of_arrival(steps: list[tuple[int, bool, int]]) -> None:
    """Whatever is placed and cancelled, by whom it is not as well, while the table grows and after a snapshot."""
    venue = Venue(binance_usdm.RULES, [coin(1_000_000, E8)], [[TERMS]], accounts=ACCOUNTS, orders=2)
    venue.advance(0, scenarios.array(opening(0, 100)))
    for account in range(ACCOUNTS):
        venue.submit(transfer(account, 10_000 * E8))
    working: list[tuple[int, int]] = []
    for account, places, number in steps:
        if places:
            (accepted,) = venue.submit(place_limit(account, 0, Side.BUY, 1, 5_000 + number))
            working.append((account, accepted.order))
        elif working:
            asked = (account, working[number % len(working)][1])
            (event,) = venue.submit(cancel(*asked))
            assert (event.kind == EventKind.ORDER_CANCELLED) == (asked in working)
            if asked in working:
                working.remove(asked)
        together, own = order_lists(venue)
        ids = venue.table("order")["id"]
        assert together == own
        assert {a: [int(ids[row]) for row in rows] for a, rows in own.items()} == {
            a: [order for at, order in working if at == a] for a, _ in working
        }
        assert venue.number("working") == len(working)
    again = Venue(binance_usdm.RULES, [coin(1_000_000, E8)], [[TERMS]], accounts=ACCOUNTS, orders=2)
    again.restore(venue.snapshot())
    assert order_lists(again) == order_lists(venue)
