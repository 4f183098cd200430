"""Insurance pools that run dry, and auto-deleveraging: on both exchanges (docs/rules/deleveraging.md)."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novation.domain.account import InsurancePool
from novation.domain.commands import place_limit, place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import CancelReason, DeleveragingMethod, EventKind, MarginScope, Side
from novation.domain.errors import InvalidInput
from novation.domain.events import DELEVERAGED, Event
from novation.domain.instruments import Terms, Tier
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues.lockstep import Lockstep
from tests.venues.makers import BOOK_ALONE, FEED_ALONE, exchange, paid_by_fund
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin
from tests.venues.test_liquidation_steps import opening

pytestmark = pytest.mark.usefixtures("makers")

#: 1 % of maintenance, up to 50x, no fees: what is gained and lost is the price alone.
TERMS = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 50, 0),))
COIN = coin(tick_e8=1_000_000, lot_e8=E8)


def market(
    accounts: int,
    *pools: InsurancePool,
    instruments: int = 1,
    method: DeleveragingMethod = DeleveragingMethod.QUEUE,
    apart: int = 0,
) -> Lockstep:
    """Both exchanges, everything at 100, nobody with anything yet."""
    rules = msgspec.structs.replace(binance_usdm.RULES, deleveraging=method)
    names = [msgspec.structs.replace(COIN, id=f"x:C{i}", symbol=f"C{i}", root=f"C{i}") for i in range(instruments)]
    setup = Setup(rules, names, [[TERMS]] * instruments, accounts, 0, [0] * instruments, pools)
    both = exchange(setup, apart=apart)
    both.advance(0, opening(0, *[100] * instruments))
    return both


def fund(balance: int = 0, *names: str, name: str = "fund") -> InsurancePool:
    """A pool with whole USDT."""
    return InsurancePool(name=name, instruments=names or ("x:C0",), balance=balance * E8)


def trade(both: Lockstep, account: int, cash: int, lots: int, *, leverage: int = 10, isolated: bool = False) -> None:
    """A deposit of whole USDT and a market order at 100."""
    both.submit(transfer(account, cash * E8))
    both.submit(set_leverage(account, 0, leverage))
    if isolated:
        both.submit(set_margin_scope(account, 0, MarginScope.ISOLATED))
    both.submit(place_market(account, 0, Side.BUY if lots > 0 else Side.SELL, abs(lots)))


def move(both: Lockstep, price: int, ts_ns: int = 1) -> list[Event]:
    """The mark and the last price jump."""
    events = both.advance(ts_ns, opening(ts_ns, price))
    both.compare()
    return events


def of(events: list[Event], kind: EventKind) -> list[Event]:
    return [e for e in events if e.kind == kind]


def test_a_fund_that_holds_enough_pays_and_nobody_is_deleveraged() -> None:
    both = market(2, fund(100))
    trade(both, 0, 100, 10)  # 1,000 of value on 100: bankrupt at 90
    trade(both, 1, 1_000, -10)
    events = move(both, 80)
    assert paid_by_fund(events) == [100 * E8]
    assert of(events, EventKind.DELEVERAGED) == []
    assert both.venue.fund(0) == 0


def test_one_unit_too_little_and_the_other_side_pays_at_the_bankruptcy_price() -> None:
    both = market(2, fund(99))
    trade(both, 0, 100, 10)
    trade(both, 1, 1_000, -10)
    events = move(both, 80)
    (taken,) = of(events, EventKind.DELEVERAGED)
    assert (taken.account, taken.lots, taken.price_ticks, taken.order) == (1, 10, 9_000, 0)
    assert taken.amount == 100 * E8  # 10 a coin instead of the 20 that the mark shows
    assert paid_by_fund(events) == []
    assert both.venue.fund(0) == 99 * E8
    assert [both.venue.account(a).equity for a in (0, 1)] == [0, 1_100 * E8]
    assert both.venue.totals().outside == 0  # the two paid each other; nobody outside did


def test_the_highest_leverage_profit_goes_first_and_the_last_one_in_part() -> None:
    both = market(5, fund())
    trade(both, 0, 100, 10)
    trade(both, 1, 1_000, -4, leverage=2)
    trade(both, 2, 50, -4)  # the same profit on a twentieth of the money
    trade(both, 3, 200, -4)
    trade(both, 4, 1_000, 3)  # on the same side: never touched
    events = of(move(both, 80), EventKind.DELEVERAGED)
    assert [(e.account, e.lots) for e in events] == [(2, 4), (3, 4), (1, 2)]
    assert sum(e.lots for e in events) == 10
    held = {a: p.lots for a in range(5) for p in both.venue.account(a).positions}
    assert held == {1: -2, 4: 3}


def test_equals_go_in_the_order_of_their_accounts() -> None:
    both = market(4, fund())
    trade(both, 3, 100, 10)
    for account in (2, 0, 1):
        trade(both, account, 500, -5)
    events = of(move(both, 80), EventKind.DELEVERAGED)
    assert [(e.account, e.lots) for e in events] == [(0, 5), (1, 5)]


def test_nobody_gives_up_more_than_the_profit() -> None:
    """A short opened at 85 would lose at the bankruptcy price of 90: the fund pays although it has nothing."""
    both = market(3, fund())
    move(both, 85)
    trade(both, 1, 1_000, -6)
    move(both, 100, 2)
    trade(both, 0, 100, 10)
    trade(both, 2, 1_000, -6)
    events = move(both, 80, 3)
    assert [(e.account, e.lots) for e in of(events, EventKind.DELEVERAGED)] == [(2, 6)]
    # four lots find nobody: they are closed, or passed on, at 80, and the fund goes ten a lot below zero
    assert paid_by_fund(events) == [40 * E8]
    assert both.venue.fund(0) == -40 * E8
    assert both.venue.account(1).positions[0].lots == -6


def test_orders_of_the_deleveraged_in_that_instrument_are_cancelled() -> None:
    both = market(2, fund(0, "x:C0", "x:C1"), instruments=2)
    trade(both, 0, 100, 10)
    trade(both, 1, 1_000, -10)
    both.submit(place_limit(1, 0, Side.SELL, 1, 15_000))
    kept = both.submit(place_limit(1, 1, Side.SELL, 1, 15_000))[0].order
    events = both.advance(1, opening(1, 80, 100))
    both.compare()
    assert [(e.account, e.reason) for e in of(events, EventKind.ORDER_CANCELLED)] == [(1, CancelReason.DELEVERAGED)]
    assert both.venue.table("order")[both.venue.number("first_order")]["id"] == kept


@pytest.mark.parametrize("isolated", [False, True])
def test_a_bankrupt_account_ends_with_nothing_to_the_unit(isolated: bool) -> None:
    both = market(3, fund())
    trade(both, 0, 333, 33, isolated=isolated)
    trade(both, 1, 1_000, -20, isolated=isolated)
    trade(both, 2, 1_000, -13)
    before = both.venue.totals()
    events = move(both, 85)
    assert sum(e.lots for e in of(events, EventKind.DELEVERAGED)) == 33
    assert all(e.flags & DELEVERAGED for e in of(events, EventKind.LIQUIDATION))
    after, account = both.venue.totals(), both.venue.account(0)
    assert account.positions == ()
    assert 0 <= account.wallet <= 33 * 10**6 + 3 * E8  # less than a tick a lot, and what was never in the margin
    assert after.gap == before.gap == 0 and after.outside == before.outside == 0


def test_each_pool_stands_behind_its_own_instruments() -> None:
    both = market(2, fund(0, "x:C0"), fund(1_000, "x:C1", name="other"), instruments=2)
    both.submit(transfer(0, 100 * E8))
    both.submit(transfer(1, 10_000 * E8))
    for i in (0, 1):
        both.submit(set_leverage(0, i, 50))
        both.submit(set_leverage(1, i, 10))
        both.submit(place_market(1, i, Side.SELL, 10))
    both.submit(place_market(0, 1, Side.BUY, 10))
    events = both.advance(1, opening(1, 100, 80))
    both.compare()
    assert of(events, EventKind.DELEVERAGED) == []  # the second pool pays, the first is empty
    assert (both.venue.fund(0), both.venue.fund(1)) == (0, 900 * E8)


@FEED_ALONE  # without a market
@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ([fund(0, "x:OTHER")], "stands in one insurance pool, not in: none"),
        ([fund(0, "x:C"), fund(0, "x:C", name="b")], "stands in one insurance pool, not in: fund, b"),
        ([fund(-1, "x:C")], "a fund begins with"),
    ],
)
def test_pools_that_cannot_be_meant_are_refused(pools: list[InsurancePool], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Venue(binance_usdm.RULES, [COIN], [[TERMS]], pools=pools)


def many_that_go_bankrupt_at_one_instant_are_ranked_as_if_each_were_the_first(r: Random) -> None:
    """Ranks are kept from one bankruptcy to the next; the twin makes them anew. Two instruments take turns."""
    accounts = r.randint(6, 30)
    both = market(accounts, fund(r.randint(0, 40), "x:C0", "x:C1"), instruments=2)
    for account in range(accounts):
        both.submit(transfer(account, r.randint(20, 400) * E8))
        for i in range(2):
            both.submit(set_leverage(account, i, r.choice([5, 10, 20, 50])))
            if r.randint(0, 3) == 0:
                both.submit(set_margin_scope(account, i, MarginScope.ISOLATED))
            side = Side.BUY if (account + i) % 2 else Side.SELL
            both.submit(place_market(account, i, side, r.randint(1, 40)))
    events = [*both.advance(1, opening(1, r.randint(60, 95), r.randint(90, 130)))]
    both.compare()
    assert both.venue.number("queue_of") == 0
    events += both.advance(2, opening(2, r.randint(60, 130), r.randint(60, 130)))
    both.compare()
    event(f"bankrupt {len({e.order for e in of(events, EventKind.DELEVERAGED)})}")


@FEED_ALONE
@settings(max_examples=scaled(300, 20))
@given(st.randoms(use_true_random=False))
def test_many_that_go_bankrupt_at_one_instant_are_ranked_as_if_each_were_the_first(r: Random) -> None:
    many_that_go_bankrupt_at_one_instant_are_ranked_as_if_each_were_the_first(r)


@BOOK_ALONE
@settings(max_examples=scaled(40, 3))
@given(st.randoms(use_true_random=False))
def test_many_that_go_bankrupt_at_one_instant_are_ranked_as_if_each_were_the_first_on_a_book(r: Random) -> None:
    many_that_go_bankrupt_at_one_instant_are_ranked_as_if_each_were_the_first(r)


def test_who_would_lose_is_passed_over_and_asked_again_at_a_better_price() -> None:
    """First in the queue by leverage, and short from 85: a loss at 90, a profit at 84."""
    both = market(5, fund())
    move(both, 85)
    trade(both, 3, 30, -6, leverage=50)
    both.submit(transfer(3, 200 * E8))
    move(both, 100, 2)
    trade(both, 0, 100, 10)  # bankrupt at 90
    trade(both, 1, 160, 10)  # bankrupt at 84
    trade(both, 2, 100, 10)  # and at 90 again
    trade(both, 4, 100_000, -50, leverage=2)
    events = of(move(both, 80, 3), EventKind.DELEVERAGED)
    assert [(e.order, e.account, e.lots) for e in events] == [(0, 4, 10), (1, 3, 6), (1, 4, 4), (2, 4, 10)]


def ranks_by_limit_are_the_ranks_whatever_price_everybody_came_in_at(r: Random) -> None:
    """Positions are opened, added to and cut at several prices, so that many would lose at one bankruptcy price and not
    at another; some are cut down while others are ranked."""
    accounts = r.randint(4, 20)
    both = market(accounts, fund(r.randint(0, 20), "x:C0", "x:C1"), instruments=2)
    for ts_ns in range(1, r.randint(2, 5)):
        for _ in range(2 * accounts):
            account, i = r.randrange(accounts), r.randrange(2)
            both.submit(transfer(account, r.randint(10, 300) * E8))
            both.submit(set_leverage(account, i, r.choice([2, 10, 20, 50])))
            both.submit(place_market(account, i, r.choice(list(Side)), r.randint(1, 30)))
        both.advance(ts_ns, opening(ts_ns, r.randint(85, 115), r.randint(85, 115)))
    taken = []
    for ts_ns in range(10, 13):
        taken += of(both.advance(ts_ns, opening(ts_ns, r.randint(60, 140), r.randint(60, 140))), EventKind.DELEVERAGED)
        both.compare()
    event(f"bankrupt {min(5, len({e.order for e in taken}))}, instruments {len({e.instrument for e in taken})}")


@FEED_ALONE
@settings(max_examples=scaled(300, 20))
@given(st.randoms(use_true_random=False))
def test_ranks_by_limit_are_the_ranks_whatever_price_everybody_came_in_at(r: Random) -> None:
    ranks_by_limit_are_the_ranks_whatever_price_everybody_came_in_at(r)


@BOOK_ALONE
@settings(max_examples=scaled(40, 3))
@given(st.randoms(use_true_random=False))
def test_ranks_by_limit_are_the_ranks_whatever_price_everybody_came_in_at_on_a_book(r: Random) -> None:
    ranks_by_limit_are_the_ranks_whatever_price_everybody_came_in_at(r)
