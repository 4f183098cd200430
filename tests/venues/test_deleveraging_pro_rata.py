"""Who gives up profit, and how much: pro rata, the queue and its ranks; on both exchanges."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from novation.domain.commands import place_limit, place_market, set_hedge_mode, set_leverage, transfer
from novation.domain.enums import CancelReason, DeleveragingMethod, DeleveragingRisk, EventKind, PositionSide, Side
from novation.domain.units import E8
from tests.conftest import scaled
from tests.reference import deleveraging
from tests.venues.lockstep import Lockstep
from tests.venues.makers import BOOK
from tests.venues.test_deleveraging import fund, market, move, of, trade

pytestmark = pytest.mark.usefixtures("makers")

PRO_RATA, QUEUE = DeleveragingMethod.PRO_RATA, DeleveragingMethod.QUEUE


class Short(NamedTuple):
    """A position of the other side: whole USDT, lots, price at which it was opened, leverage."""

    cash: int
    lots: int
    entry: int
    leverage: int = 10


def bankrupt(shorts: list[Short], lots: int, method: DeleveragingMethod, margin: int = 10) -> tuple[Lockstep, list]:
    """Account 0 is long `lots` at 100 with `margin` a lot behind it, the others are short; the mark falls to 70."""
    both = market(1 + len(shorts), fund(), method=method, apart=1_000_000)
    for ts, price in enumerate(sorted({short.entry for short in shorts}), start=1):
        move(both, price, ts)
        for account, short in enumerate(shorts, start=1):
            if short.entry == price:
                both.submit(transfer(account, short.cash * E8))
                both.submit(set_leverage(account, 0, short.leverage))
                both.submit(place_market(account, 0, Side.SELL, short.lots))
    move(both, 100, 500)
    trade(both, 0, margin * lots, lots)
    return both, move(both, 70, 501)


def test_v10_a_tenth_of_every_profit() -> None:
    """Profits of 500/300/150/50 at the price of 90; 100 lots are 50/30/15/5 (facts/validation_tables.md V10)."""
    shorts = [Short(9_000, 100, 95), Short(9_000, 60, 95), Short(9_000, 30, 95), Short(9_000, 10, 95)]
    both, events = bankrupt(shorts, 100, PRO_RATA)
    taken = of(events, EventKind.DELEVERAGED)
    assert {e.price_ticks for e in taken} == {9_000}
    assert [(e.account, e.lots) for e in taken] == [(1, 50), (2, 30), (3, 15), (4, 5)]
    assert [e.amount for e in taken] == [5 * e.lots * E8 for e in taken]
    assert both.venue.fund(0) == 0


def test_equal_remainders_go_to_the_lower_account() -> None:
    _, events = bankrupt([Short(900, 5, 100)] * 3, 10, PRO_RATA)
    assert [(e.account, e.lots) for e in of(events, EventKind.DELEVERAGED)] == [(1, 4), (2, 3), (3, 3)]


def test_who_has_fewer_lots_than_the_share_gives_all_of_them() -> None:
    """Profits of 20 * 20, 40 * 5, 40 * 5 would give 30/15/15 of 60: the first has 20, the others share 40."""
    _, events = bankrupt([Short(9_000, 20, 110), Short(9_000, 40, 95), Short(9_000, 40, 95)], 60, PRO_RATA)
    assert [e.lots for e in of(events, EventKind.DELEVERAGED)] == [20, 20, 20]


def test_without_enough_profit_the_market_takes_the_rest() -> None:
    both, events = bankrupt([Short(9_000, 6, 95), Short(9_000, 50, 90)], 10, PRO_RATA)
    assert [(e.account, e.lots) for e in of(events, EventKind.DELEVERAGED)] == [(1, 6)]
    assert both.venue.fund(0) == -4 * 20 * E8  # closed at 70, bankrupt at 90
    assert both.venue.account(2).positions[0].lots == -50  # it would have kept nothing


def test_orders_of_everyone_who_gives_are_cancelled_before_they_do() -> None:
    both = market(3, fund(), method=PRO_RATA)
    trade(both, 0, 100, 10)
    for account in (1, 2):
        trade(both, account, 1_000, -10)
        both.submit(place_limit(account, 0, Side.SELL, 1, 15_000))
    events = move(both, 80)
    told = [e for e in events if e.kind in (EventKind.ORDER_CANCELLED, EventKind.DELEVERAGED)]
    assert [(e.account, e.reason) for e in told] == [
        (1, CancelReason.DELEVERAGED),
        (1, 0),
        (2, CancelReason.DELEVERAGED),
        (2, 0),
    ]


cash = st.integers(10_000, 60_000)
short = st.builds(Short, cash, st.integers(1, 40), st.integers(85, 115), st.sampled_from([1, 3, 10, 20]))


@pytest.mark.parametrize("method", [QUEUE, PRO_RATA])
@settings(max_examples=scaled(1_000, 12))
@given(shorts=st.lists(short, min_size=1, max_size=7), lots=st.integers(1, 120), random=st.randoms())
def test_what_holds_for_every_rule(method: DeleveragingMethod, shorts: list[Short], lots: int, random: Random) -> None:
    """facts/validation_tables.md V10: the sum, no one below zero, losers untouched, zero-sum, any order of accounts."""
    both, events = bankrupt(shorts, lots, method)
    taken = {e.account: e for e in of(events, EventKind.DELEVERAGED)}
    assert len(taken) == len(of(events, EventKind.DELEVERAGED))
    gains = {account: s.lots * (s.entry - 90) for account, s in enumerate(shorts, start=1)}
    there = sum(s.lots for account, s in enumerate(shorts, start=1) if gains[account] >= (method == PRO_RATA))
    assert sum(e.lots for e in taken.values()) == min(lots, there)
    assert all(e.amount >= 0 and gains[account] >= 0 for account, e in taken.items())
    held = {a: sum(p.lots for p in both.venue.account(a).positions) for a in gains}
    assert held == {a: -s.lots + (taken[a].lots if a in taken else 0) for a, s in enumerate(shorts, start=1)}
    given_up = sum(e.lots for e in of(events, EventKind.LIQUIDATION) if e.flags & 8)
    assert given_up == -sum(e.lots for e in taken.values())  # lot for lot, at one price
    assert len({e.price_ticks for e in taken.values()}) <= 1

    order = list(range(len(shorts)))
    random.shuffle(order)
    _, again = bankrupt([shorts[i] for i in order], lots, method)
    moved = {order[e.account - 1] + 1: e.lots for e in of(again, EventKind.DELEVERAGED)}
    apart = [abs(moved.get(a, 0) - (taken[a].lots if a in taken else 0)) for a in gains]
    if method == PRO_RATA:
        assert max(apart) <= 1  # equal remainders: the lower account
    else:
        assume(len(set(shorts)) == len(shorts))
        scores = {(s.cash, s.lots, s.entry) for s in shorts}
        assert not any(apart) or len(scores) < len(shorts)


# -- ranks ----------------------------------------------------------------------------------------------------------


def test_ranks_are_quintiles_of_each_side_from_the_highest_leverage_profit() -> None:
    both = market(11, fund())
    for account in range(10):
        trade(both, account, 200 + 100 * account, -10)
    trade(both, 10, 5_000, 100)
    move(both, 95)
    ranks = both.venue.deleveraging_ranks(0)
    assert [(r.account, r.lots, r.quantile, r.risk) for r in ranks[:1]] == [(10, 100, 0, DeleveragingRisk.LOW)]
    assert [r.account for r in ranks[1:]] == list(range(10))  # the least money first
    assert [r.quantile for r in ranks[1:]] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert [r.rank for r in ranks[1:]] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert [r.place for r in ranks[1:]] == list(range(10)) and {r.of for r in ranks[1:]} == {10}
    assert ranks[1].risk is DeleveragingRisk.CRITICAL
    assert [r.leverage_pnl_e16 for r in ranks[1:]] == [deleveraging.score(both.twin, a, 0) for a in range(10)]


def test_an_account_tells_its_ranks_when_asked(makers: str) -> None:
    longs = 2 if makers == BOOK else 1  # who bought from the second account is long, too
    both = market(2, fund())
    both.submit(set_hedge_mode(0, True))
    both.submit(transfer(0, 1_000 * E8))
    both.submit(place_market(0, 0, Side.BUY, 10, position_side=PositionSide.LONG))
    both.submit(place_market(0, 0, Side.SELL, 10, position_side=PositionSide.SHORT))
    trade(both, 1, 300, -10)
    move(both, 95)
    assert {p.deleveraging for p in both.venue.account(0).positions} == {None}
    long, short_ = (p.deleveraging for p in both.venue.account(0, ranks=True).positions)
    assert long is not None and short_ is not None
    assert (long.side, long.quantile, long.of) == (PositionSide.LONG, 0, longs)  # a loss is never taken
    assert (short_.side, short_.place, short_.of) == (PositionSide.SHORT, 1, 2)


@settings(max_examples=scaled(200, 20))
@given(st.lists(short, min_size=1, max_size=8), st.sampled_from([70, 88, 100, 112]))
def test_the_head_of_the_ranks_is_who_is_deleveraged_first(shorts: list[Short], mark: int) -> None:
    both = market(1 + len(shorts), fund())
    for ts, price in enumerate(sorted({s.entry for s in shorts}), start=1):
        move(both, price, ts)
        for account, s in enumerate(shorts, start=1):
            if s.entry == price:
                both.submit(transfer(account, s.cash * E8))
                both.submit(place_market(account, 0, Side.SELL, s.lots))
    move(both, mark, 500)
    ranks = both.venue.deleveraging_ranks(0)
    alive = [r.account for r in ranks if r.lots < 0]
    expected = sorted(alive, key=lambda a: (-deleveraging.score(both.twin, a, 0), a))
    assert alive == expected
