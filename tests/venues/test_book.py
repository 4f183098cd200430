"""Orders that meet each other: Globex's published examples and every rule of the page, on both exchanges.

docs/rules/book.md; facts/cme.md §7 and §8, facts/binance.md §7.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import amend, cancel, place, place_limit, transfer
from novation.domain.enums import (
    CancelReason,
    EventKind,
    MarketEventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    SelfTrade,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import AUCTION
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import cme_globex
from tests.venues.book_cases import (
    BUY,
    DOLLARS,
    K_20_80,
    PROTECTED,
    SELL,
    TERMS,
    TRAIL,
    at,
    fills,
    gone,
    made,
    market,
    order,
    queue,
    rest,
)
from tests.venues.book_pair import pair
from tests.venues.scenarios import Setup
from tests.venues.test_phases import answer, es, kinds, limits, phase

# -- kinds ------------------------------------------------------------------------------------------------------------


def test_a_protected_market_order_trades_to_its_points_and_rests_there() -> None:
    """facts/cme.md §7: best offer 900.25, 6.00 points: fills at 900.25, 903.00 and 905.50, the rest at 906.25."""
    both = market(PROTECTED)
    rest(both, SELL, (2, 900.25), (3, 903), (3, 905.5), (4, 906.75))
    events = both.submit(order(1, BUY, 10, OrderKind.MARKET_PROTECTED, price_ticks=77))
    assert fills(events) == [(2, 900.25), (3, 903), (3, 905.5)]
    assert events[0].price_ticks == 4 * 906.25
    assert queue(both, BUY) == [(5, 906.25, 2, 0)]
    assert [e.trade for e in events if e.kind == EventKind.FILL] == [1, 1, 2, 2, 3, 3]


def test_a_market_limit_order_rests_at_the_best_price_it_met() -> None:
    both = market(PROTECTED)
    rest(both, BUY, (2, 899), (3, 898))
    events = both.submit(order(1, SELL, 5, OrderKind.MARKET_LIMIT))
    assert fills(events) == [(2, 899)]
    assert queue(both, SELL) == [(3, 899, 3, 0)]


def test_a_market_order_goes_through_the_book_and_its_rest_is_cancelled() -> None:
    both = market()
    rest(both, SELL, (2, 900), (3, 950))
    events = both.submit(order(1, BUY, 9, OrderKind.MARKET))
    assert fills(events) == [(2, 900), (3, 950)]
    assert [(e.lots, e.reason) for e in events if e.kind == EventKind.ORDER_CANCELLED] == [
        (4, CancelReason.NO_LIQUIDITY)
    ]


def test_there_are_the_kinds_that_the_rules_have_and_they_need_somebody_there() -> None:
    both = market(BookRules(market_orders=False))
    for kind in (OrderKind.MARKET, OrderKind.MARKET_PROTECTED, 0, 5):
        assert answer(both.submit(place(0, 0, BUY, kind, 1))) == RejectReason.BAD_ORDER_KIND  # type: ignore[arg-type]
    (refused,) = both.submit(order(0, BUY, 1, OrderKind.MARKET_LIMIT))
    assert (answer([refused]), refused.amount, refused.price_ticks) == (RejectReason.NO_OPPOSITE, 3, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"time_in_force": TimeInForce.DAY},
        {"expire_ns": 5},
        {"display_lots": 1},
        {"min_lots": 1},
        {"trigger": TriggerKind.TRAILING},
        {"trigger_e8": 5},
        {"trigger_by": TriggerPrice.MARK},
        {"callback_e8": 5},
        {"self_trade": SelfTrade.TRADE},
    ],
)
def test_away_from_a_book_there_is_none_of_this(fields: dict[str, int]) -> None:
    both = pair(Setup(cme_globex.RULES, [es()], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 1_000 * DOLLARS))
    plain = place_limit(0, 0, BUY, 1, 3_600)
    (refused,) = both.submit(msgspec.structs.replace(plain, **fields))
    assert (answer([refused]), refused.amount) == (RejectReason.NO_BOOK, 0)
    for kind in (OrderKind.MARKET_LIMIT, OrderKind.MARKET_PROTECTED):
        (refused,) = both.submit(place(0, 0, BUY, kind, 1))
        assert (answer([refused]), refused.amount) == (RejectReason.BAD_ORDER_KIND, kind)
    both.submit(plain)
    assert answer(both.submit(amend(0, 4, 2, 3_600))) == RejectReason.NO_BOOK


# -- time in force, minimum -------------------------------------------------------------------------------------------


def test_fill_or_kill_trades_all_or_nothing() -> None:
    both = market()
    rest(both, SELL, (2, 900), (3, 901))
    killed = both.submit(order(1, BUY, 6, 901, time_in_force=TimeInForce.FOK))
    assert (kinds(killed), gone(killed)) == (
        [EventKind.ORDER_ACCEPTED, EventKind.ORDER_CANCELLED],
        [(3, CancelReason.MINIMUM_NOT_MET)],
    )
    filled = both.submit(order(1, BUY, 5, 901, time_in_force=TimeInForce.FOK))
    assert fills(filled) == [(2, 900), (3, 901)]


def test_where_the_rules_refuse_a_fill_or_kill_order_that_cannot_be_filled() -> None:
    both = market(BookRules(refuse_unfillable=True))
    rest(both, SELL, (2, 900), (3, 901))
    (refused,) = both.submit(order(1, BUY, 5, 900.75, time_in_force=TimeInForce.FOK))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.NOT_FILLABLE, 5, 2)


def test_fill_or_kill_counts_hidden_lots() -> None:
    both = market()
    rest(both, SELL, (9, 900), display_lots=2)
    assert fills(both.submit(order(1, BUY, 9, 900, time_in_force=TimeInForce.FOK))) == [(2, 900)] * 4 + [(1, 900)]


def test_fill_and_kill_cancels_what_does_not_trade_at_once() -> None:
    both = market()
    rest(both, SELL, (2, 900), (3, 901))
    events = both.submit(order(1, BUY, 4, 900, time_in_force=TimeInForce.IOC))
    assert (fills(events), gone(events)) == ([(2, 900)], [(3, CancelReason.UNFILLED)])


def test_a_minimum_is_met_at_once_and_the_rest_works() -> None:
    both = market()
    rest(both, SELL, (3, 900))
    events = both.submit(order(1, BUY, 9, 900, min_lots=4))
    assert (fills(events), gone(events)) == ([], [(2, CancelReason.MINIMUM_NOT_MET)])
    assert fills(both.submit(order(1, BUY, 9, 900, min_lots=3))) == [(3, 900)]
    assert queue(both, BUY) == [(3, 900, 6, 0)]


def test_post_only_never_takes() -> None:
    both = market()
    rest(both, SELL, (3, 900))
    (refused,) = both.submit(order(1, BUY, 1, 900.5, time_in_force=TimeInForce.POST_ONLY))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.WOULD_TAKE, 4 * 900.5, 4 * 900)
    rest(both, BUY, (1, 899.75), account=1, time_in_force=TimeInForce.POST_ONLY)
    assert gone(both.submit(amend(1, 3, 1, 4 * 900))) == [(3, CancelReason.WOULD_TAKE)]


def test_day_orders_end_with_the_day_and_others_with_their_instant() -> None:
    both = market()
    rest(both, BUY, (1, 899), (2, 899), time_in_force=TimeInForce.DAY)
    rest(both, BUY, (3, 899))
    rest(both, BUY, (4, 899), time_in_force=TimeInForce.GTD, expire_ns=50)
    both.submit(order(0, BUY, 1, 899, time_in_force=TimeInForce.DAY, trigger=TriggerKind.STOP, trigger_e8=E8))
    assert gone(at(both, 10, phase(10, MarketPhase.PAUSED))) == []
    day_over = [(number, CancelReason.DAY_OVER) for number in (1, 2, 5)]
    assert gone(at(both, 20, phase(20, MarketPhase.CLOSED))) == day_over
    assert gone(at(both, 49)) == []
    expired = both.advance(70, [])
    assert (gone(expired), expired[0].ts_ns) == ([(4, CancelReason.EXPIRED)], 50)
    assert [number for number, *_ in queue(both, BUY)] == [3]


def test_an_order_that_expires_is_gone_before_anything_of_its_instant() -> None:
    both = market(terms=msgspec.structs.replace(TERMS, tick_step=1))
    rest(both, BUY, (4, 900.25), time_in_force=TimeInForce.GTD, expire_ns=50)
    at(both, 10, phase(10, MarketPhase.PRE_OPEN))
    rest(both, SELL, (4, 900), account=1)
    events = at(both, 50, phase(50, MarketPhase.OPEN))
    assert kinds(events) == [EventKind.ORDER_CANCELLED, EventKind.PHASE_CHANGED]


IMMEDIATE = {"time_in_force": TimeInForce.IOC}
GOOD_TILL = {"time_in_force": TimeInForce.GTD, "expire_ns": 99}
STOP = {"trigger": TriggerKind.STOP, "trigger_e8": 910 * E8}


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        (OrderKind.LIMIT, {"time_in_force": 6}, RejectReason.BAD_TIME_IN_FORCE),
        (OrderKind.LIMIT, {"time_in_force": TimeInForce.GTD}, RejectReason.BAD_TIME_IN_FORCE),
        (OrderKind.LIMIT, {"expire_ns": 99}, RejectReason.BAD_TIME_IN_FORCE),
        (OrderKind.MARKET, {"time_in_force": TimeInForce.POST_ONLY}, RejectReason.BAD_TIME_IN_FORCE),
        (OrderKind.LIMIT, {"time_in_force": TimeInForce.POST_ONLY, **STOP}, RejectReason.BAD_TIME_IN_FORCE),
        (OrderKind.MARKET, GOOD_TILL, RejectReason.NONE),
        (OrderKind.MARKET, {"time_in_force": TimeInForce.DAY}, RejectReason.NONE),
        (OrderKind.LIMIT, {"display_lots": -1}, RejectReason.BAD_DISPLAY),
        (OrderKind.LIMIT, {"display_lots": 6}, RejectReason.BAD_DISPLAY),
        (OrderKind.LIMIT, {"display_lots": 5}, RejectReason.NONE),
        (OrderKind.MARKET, {"display_lots": 1}, RejectReason.BAD_DISPLAY),
        (OrderKind.LIMIT, {"display_lots": 1, **IMMEDIATE}, RejectReason.BAD_DISPLAY),
        (OrderKind.LIMIT, {"min_lots": -1}, RejectReason.BAD_MINIMUM),
        (OrderKind.LIMIT, {"min_lots": 6}, RejectReason.BAD_MINIMUM),
        (OrderKind.LIMIT, {"min_lots": 1, "time_in_force": TimeInForce.FOK}, RejectReason.BAD_MINIMUM),
        (OrderKind.LIMIT, {"min_lots": 1, "time_in_force": TimeInForce.POST_ONLY}, RejectReason.BAD_MINIMUM),
        (OrderKind.LIMIT, {"min_lots": 1, **STOP}, RejectReason.BAD_MINIMUM),
        (OrderKind.LIMIT, {"trigger": 4}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {"trigger_by": 2, **STOP}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**STOP, "trigger_e8": 0}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**STOP, "trigger_e8": (1 << 53) + 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**STOP, "callback_e8": 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**TRAIL, "callback_e8": 0}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**TRAIL, "callback_e8": E8 + 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {**TRAIL, "trigger_e8": -1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {"trigger_e8": 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {"trigger_by": 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {"callback_e8": 1}, RejectReason.BAD_TRIGGER),
        (OrderKind.LIMIT, {"self_trade": 5}, RejectReason.BAD_SELF_TRADE),
        (OrderKind.LIMIT, STOP, RejectReason.NONE),
        (OrderKind.MARKET, TRAIL, RejectReason.NONE),
    ],
)
def test_the_fields_of_an_order_go_together(kind: OrderKind, fields: dict[str, int], reason: RejectReason) -> None:
    both = market()
    asked = place(0, 0, BUY, kind, 5, **({"price_ticks": 3_600} if kind == OrderKind.LIMIT else {}), **fields)
    assert answer(both.submit(asked)) == reason


# -- queues -----------------------------------------------------------------------------------------------------------


def test_an_iceberg_shows_its_next_part_at_the_back_of_the_queue() -> None:
    both = market()
    first, second = rest(both, SELL, (10, 900), display_lots=3), rest(both, SELL, (5, 900), account=1)
    assert queue(both, SELL) == [(1, 900, 3, 7), (2, 900, 5, 0)]
    assert made(both.submit(order(2, BUY, 2, 900))) == [(1, 2)]
    assert queue(both, SELL) == [(1, 900, 1, 7), (2, 900, 5, 0)]
    assert made(both.submit(order(2, BUY, 3, 900))) == [(1, 1), (2, 2)]
    assert queue(both, SELL) == [(2, 900, 3, 0), (1, 900, 3, 4)]
    assert made(both.submit(order(2, BUY, 9, 900))) == [(2, 3), (1, 3), (1, 3)]
    assert queue(both, SELL) == [(1, 900, 1, 0)]
    assert (first, second) == ([1], [2])


@pytest.mark.parametrize(
    ("keeps", "lots", "price", "after"),
    [
        (True, 4, 900.0, [1, 2]),  # fewer lots
        (True, 6, 900.0, [2, 1]),  # more
        (True, 5, 900.25, [2, 1]),  # another price, then back
        (False, 4, 900.0, [2, 1]),
    ],
)
def test_what_costs_an_order_its_place(keeps: bool, lots: int, price: float, after: list[int]) -> None:
    """facts/cme.md §7: an increase and a change of price do, a reduction does not (on Binance it does, too)."""
    both = market(BookRules(amend_keeps_place=keeps))
    rest(both, SELL, (5, 900), (5, 900))
    (told,) = both.submit(amend(0, 1, lots, round(price * 4)))
    assert (told.kind, told.lots, told.price_ticks) == (EventKind.ORDER_AMENDED, -lots, price * 4)
    both.submit(amend(0, 1, lots, 4 * 900))
    assert [number for number, *_ in queue(both, SELL)] == after
    assert list(both.twin.orders) == after


def test_orders_beyond_the_price_limits_are_passed_over() -> None:
    both = market()
    rest(both, SELL, (1, 899), (2, 900))
    at(both, 10, limits(10, 899.5, 905, refuse=False))
    assert fills(both.submit(order(1, BUY, 3, OrderKind.MARKET))) == [(2, 900)]
    assert fills(both.submit(order(1, BUY, 3, 899.25))) == []
    events = at(both, 20, limits(20, 890, 905))  # now the two meet
    assert [(e.account, e.lots, e.price_ticks, e.flags) for e in events if e.kind == EventKind.FILL] == [
        (1, 1, 4 * 899.25, AUCTION),
        (0, -1, 4 * 899.25, AUCTION),
    ]


# -- giving out -------------------------------------------------------------------------------------------------------


def shares(rules: BookRules, orders: list[int], taken: int, accounts: list[int] | None = None) -> list[int]:
    """What orders at one price get, in queue order, of a taker who does not take them all."""
    both = market(rules)
    for n, lots in enumerate(orders):
        both.submit(order(accounts[n] if accounts else 0, BUY, lots, 900))
    got = dict(made(both.submit(order(5, SELL, taken, 900))))
    queue(both, BUY)
    return [got.get(n + 1, 0) for n in range(len(orders))]


def test_allocation_gives_the_top_order_its_lots_and_the_rest_in_proportion() -> None:
    """facts/cme.md §7, A12 (2005): 60 on 10 (top), 5, 20, 50, 75."""
    rules = BookRules(fifo_percent=0, pro_rata_min=2, top=True)
    assert shares(rules, [10, 5, 20, 50, 75], 60) == [10, 3, 6, 16, 25]


def test_a_split_gives_a_fifth_by_time_and_the_rest_in_proportion() -> None:
    """A13: 100 on 30, 10, 60, 100, with 20/80 and a minimum of two."""
    assert shares(K_20_80, [30, 10, 60, 100], 100) == [26, 4, 26, 44]


def test_who_takes_a_price_whole_takes_it_by_time() -> None:
    both = market(K_20_80)
    rest(both, BUY, (30, 900), (10, 900))
    rest(both, BUY, (5, 899))
    assert made(both.submit(order(5, SELL, 41, 899))) == [(1, 30), (2, 10), (3, 1)]


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"fifo_percent": 0}, [3, 2, 5]),  # 1, 2 and 5, and two by time
        ({"fifo_percent": 0, "pro_rata_min": 3}, [4, 1, 5]),
        ({"fifo_percent": 0, "pro_rata_min": 6}, [4, 6, 0]),
        ({"fifo_percent": 0, "pro_rata_min": 6, "levelling": True}, [4, 5, 1]),
        ({"fifo_percent": 50}, [4, 3, 3]),  # 4 and 1; 1 of 7 and 3 of 16; one
        ({"top": True, "top_max": 2}, [4, 6, 0]),
        ({"top": True, "top_min": 5, "fifo_percent": 0}, [3, 2, 5]),
        ({"lead_makers": ((2, 30), (1, 20))}, [4, 3, 3]),
        ({"lead_makers": ((2, 55),), "fifo_percent": 0, "levelling": True}, [2, 1, 7]),
    ],
)
def test_each_way_of_giving_out(fields: dict[str, Any], got: list[int]) -> None:
    """Ten lots on 4, 8 and 16 of three accounts."""
    assert sum(got) == 10
    assert shares(BookRules(**fields), [4, 8, 16], 10, [0, 1, 2]) == got


def test_hidden_lots_get_nothing_until_they_are_shown() -> None:
    both = market(BookRules(fifo_percent=0))
    rest(both, BUY, (40, 900), display_lots=4)
    rest(both, BUY, (20, 900), account=1)
    # 24 are shown: all of them, then 4 and nothing else: 2 of the next 4
    assert made(both.submit(order(5, SELL, 26, 900))) == [(1, 4), (2, 20), (1, 2)]
    assert queue(both, BUY) == [(1, 900, 2, 32)]


def test_the_top_order_is_the_one_that_bettered_the_market_until_it_loses_its_place() -> None:
    both = market(BookRules(top=True, fifo_percent=0))

    def tops() -> list[tuple[int, int]]:
        both.compare()
        return [(line[1][3], line[1][6]) for line in both.twin.state_lines() if line[0] == "book"]

    rest(both, BUY, (5, 899), (5, 899), (5, 900))
    assert tops() == [(3, 1), (1, 0), (2, 0)]
    both.submit(amend(0, 3, 6, 4 * 900))  # it is alone at the best price again
    assert tops() == [(3, 1), (1, 0), (2, 0)]
    both.submit(cancel(0, 3))  # and nobody is it
    assert tops() == [(1, 0), (2, 0)]
    both.submit(cancel(0, 1))
    both.submit(amend(0, 2, 6, 4 * 899))
    assert tops() == [(2, 1)]


# -- self-trades ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "cancelled", "left"),
    [
        (SelfTrade.TRADE, [], []),
        (SelfTrade.CANCEL_MAKER, [2], []),
        (SelfTrade.CANCEL_TAKER, [4], [2, 3]),
        (SelfTrade.CANCEL_BOTH, [2, 4], [3]),
    ],
)
@pytest.mark.parametrize("by_default", [True, False])
def test_the_taker_says_what_happens_where_it_would_trade_with_itself(
    mode: SelfTrade, cancelled: list[int], left: list[int], by_default: bool
) -> None:
    both = market(BookRules(self_trade=mode) if by_default else BookRules())
    rest(both, SELL, (2, 900))
    rest(both, SELL, (2, 900), account=1)
    rest(both, SELL, (2, 900))
    lots = 4 if mode == SelfTrade.CANCEL_MAKER else 6
    events = both.submit(order(1, BUY, lots, 900, self_trade=0 if by_default else mode))
    assert made(events)[0] == (1, 2)
    assert gone(events) == [(number, CancelReason.SELF_TRADE) for number in cancelled]
    assert [number for number, *_ in queue(both, SELL)] == left


def test_fill_or_kill_trades_with_itself() -> None:
    both = market(BookRules(self_trade=SelfTrade.CANCEL_BOTH))
    rest(both, SELL, (2, 900))
    assert made(both.submit(order(0, BUY, 2, 900, time_in_force=TimeInForce.FOK))) == [(1, 2)]


def test_where_lots_are_given_out_self_trades_that_could_be_are_prevented_first() -> None:
    for mode, first in ((SelfTrade.CANCEL_MAKER, (2, 900)), (SelfTrade.CANCEL_TAKER, None)):
        both = market(msgspec.structs.replace(K_20_80, self_trade=mode))
        rest(both, SELL, (30, 900))
        rest(both, SELL, (30, 900), account=1)
        events = both.submit(order(1, BUY, 2, 900))
        assert gone(events) == [(2 if first else 3, CancelReason.SELF_TRADE)]
        assert fills(events) == ([first] if first else [])


def test_a_maker_that_would_not_reduce_is_cancelled_and_the_taker_goes_on() -> None:
    both = market()
    rest(both, SELL, (5, 899))
    both.submit(order(1, BUY, 5, 899))
    rest(both, SELL, (4, 900), account=1, reduce_only=1)
    rest(both, SELL, (4, 900))
    both.submit(order(2, BUY, 2, 898))
    both.submit(order(1, SELL, 2, 898))  # three are left, four were to be sold
    events = both.submit(order(2, BUY, 3, 900))
    assert (gone(events), made(events)) == ([(3, CancelReason.WOULD_NOT_REDUCE)], [(4, 3)])


@pytest.mark.parametrize("account", [-1, 0])
def test_a_price_that_is_ignored_is_named_in_no_refusal(account: int) -> None:
    """Whoever sends it: an account that there is none of, too."""
    (refused,) = market().submit(order(account, BUY, 1, OrderKind.MARKET_PROTECTED, price_ticks=77))
    assert (refused.kind, refused.price_ticks) == (EventKind.ORDER_REJECTED, 0)


def test_a_bar_that_closes_is_a_time_to_look_and_changes_nothing() -> None:
    """Nothing is filled by its extremes, the last price stays that of the last trade, the mark that of its own row."""
    both = market(PROTECTED)
    rest(both, SELL, (2, 900))
    assert fills(both.submit(order(1, BUY, 1, 900))) == [(1, 900)]
    rest(both, BUY, (3, 890))
    wide = {"last_high_e8": 950 * E8, "last_low_e8": 850 * E8, "mark_high_e8": 999 * E8, "mark_low_e8": E8}
    bar = MarketEvent(ts_ns=1, kind=MarketEventKind.BAR_CLOSE, instrument=0, last_e8=880 * E8, mark_e8=870 * E8, **wide)
    assert at(both, 1, bar) == []
    both.compare()
    assert [int(both.venue.table("market")[0][name]) for name in ("last_e8", "mark_e8")] == [900 * E8, 900 * E8]
    assert queue(both, BUY) == [(3, 890, 3, 0)]
