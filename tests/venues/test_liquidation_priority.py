"""Which position of a cross account goes first, and one size for venue and rules; on both exchanges."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, LiquidationPriority, MarginScope, Side
from novation.domain.instruments import Terms, Tier
from novation.domain.units import E8, NO_CAP
from novation.rules.bankruptcy import bankruptcy_price
from novation.rules.liquidation import partial_lots
from novation.venues import binance_usdm
from tests.conftest import scaled
from tests.venues.lockstep import Lockstep
from tests.venues.makers import exchange
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import fund, move, trade
from tests.venues.test_deleveraging import market as both_with
from tests.venues.test_liquidation_steps import COIN, TERMS, TIERS, opening, pair

pytestmark = pytest.mark.usefixtures("makers")

P = LiquidationPriority
FLAT = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
#: (lots, leverage, price after): all long at 100, the first opened before the others.
HELD = ((10, 10, 100), (200, 20, 100), (10, 50, 100), (50, 3, 60), (20, 10, 50))


def market(priority: LiquidationPriority, instruments: int = 5, cash: int = 3_200) -> Lockstep:
    """One account on both exchanges, 1 % of maintenance, no fees, everything at 100."""
    names = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(instruments)]
    rules = msgspec.structs.replace(binance_usdm.RULES, liquidation_priority=priority)
    both = exchange(Setup(rules, names, [[FLAT]] * instruments, 1, 0, [0] * instruments))
    both.submit(transfer(0, cash * E8))
    both.advance(0, opening(0, *[100] * instruments))
    return both


def test_the_venue_takes_the_largest_loss_first_unless_told_otherwise() -> None:
    assert binance_usdm.RULES.liquidation_priority is P.HIGHEST_LOSS_FIRST


@pytest.mark.parametrize(
    ("priority", "first"),
    [
        (P.HIGHEST_LOSS_FIRST, 3),  # 2,000, against 1,000 of the last
        (P.LOWEST_MARGIN_RATIO, 4),  # (100 - 1,000) / 10, against (1,000 - 2,000) / 30
        (P.OLDEST_POSITION, 0),
        (P.LARGEST_POSITION, 1),
        (P.HIGHEST_LEVERAGE, 2),
    ],
)
def test_each_priority_takes_its_own_position_first(priority: LiquidationPriority, first: int) -> None:
    both = market(priority)
    for i, (lots, leverage, _) in enumerate(HELD):
        both.submit(set_leverage(0, i, leverage))
        if i == 1:
            both.advance(5, [])
            both.advance(6, opening(6, *[100] * 5))
        both.submit(place_market(0, i, Side.BUY, lots))
    assert len(both.venue.account(0).positions) == 5
    events = both.advance(7, opening(7, *(price for _, _, price in HELD)))
    both.compare()
    closed = [e.instrument for e in events if e.kind == EventKind.LIQUIDATION]
    assert closed[0] == first


@pytest.mark.parametrize("priority", list(P))
def test_equals_go_in_the_order_of_their_instruments(priority: LiquidationPriority) -> None:
    both = market(priority, 3, 300)
    for i in (2, 0, 1):
        both.submit(place_market(0, i, Side.BUY, 10))
    events = both.advance(1, opening(1, *[90] * 3))
    both.compare()
    assert [e.instrument for e in events if e.kind == EventKind.LIQUIDATION] == [0, 1, 2]


def test_a_position_is_as_old_as_its_last_opening_or_turn() -> None:
    both = market(P.OLDEST_POSITION, 1, 10_000)

    def after(ts: int, side: Side, lots: int) -> int:
        both.advance(ts, opening(ts, 100))
        both.submit(place_market(0, 0, side, lots))
        both.compare()
        positions = both.venue.account(0).positions
        return positions[0].opened_ns if positions else -1

    assert after(10, Side.BUY, 5) == 10
    assert after(20, Side.BUY, 5) == 10  # added to
    assert after(30, Side.SELL, 4) == 10  # reduced
    assert after(40, Side.SELL, 16) == 40  # turned round
    assert after(50, Side.BUY, 10) == -1  # closed
    assert after(60, Side.BUY, 1) == 60


@settings(max_examples=scaled(300, 30))
@given(st.integers(1, 260), st.integers(1, 3), st.integers(30, 99), st.sampled_from([1, -1]))
def test_the_venue_closes_exactly_what_the_rule_says(lots: int, leverage: int, price: int, side: int) -> None:
    price = price if side > 0 else 200 - price
    both = pair(100_000)
    both.submit(set_leverage(0, 0, leverage))
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side(side), lots))
    positions = both.venue.account(0).positions
    if not positions:
        return  # above the bracket that the leverage allows
    margin = positions[0].isolated_margin
    first = next((e for e in both.advance(1, opening(1, price)) if e.kind == EventKind.LIQUIDATION), None)
    both.compare()
    equity = margin + side * lots * (price - 100) * E8
    if first is None:
        return
    mark = price * E8
    caps, rates, cums = (
        np.array(column, np.int64) for column in zip(*((t.cap, t.rate_e8, t.cum) for t in TIERS), strict=True)
    )
    expected = partial_lots(
        (side * lots, E8, mark, mark),
        (equity, 0, 0, 0),
        (0, 0, TERMS.liquidation_fee_e8),
        (caps, rates, cums),
        binance_usdm.RULES.liquidation_target_e8,
    )
    assert (first.equity, -side * first.lots) == (equity, expected)


@settings(max_examples=scaled(200, 20))
@given(st.integers(1, 200), st.integers(100, 2_000), st.sampled_from([1, -1]))
def test_the_venue_deleverages_at_the_price_of_the_rule(lots: int, margin: int, side: int) -> None:
    both = both_with(2, fund())
    trade(both, 0, margin, side * lots, leverage=50)
    trade(both, 1, 1_000_000, -side * lots, leverage=50)
    if not both.venue.account(0).positions:
        return
    price = bankruptcy_price(side * lots, E8, side * lots * 100 * E8, margin * E8, 0)
    taken = [e for e in move(both, 20 if side > 0 else 180) if e.kind == EventKind.DELEVERAGED]
    for e in taken:
        assert 0 <= side * (e.price_ticks * COIN.tick_e8 - price) < COIN.tick_e8
