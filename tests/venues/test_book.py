"""Orders that meet each other: Globex's published examples and every rule of the page, on both exchanges.

docs/rules/book.md; facts/cme.md §7 and §8, facts/binance.md §7.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from novation.domain.account import InsurancePool
from novation.domain.book import BookRules
from novation.domain.commands import (
    Command,
    amend,
    cancel,
    cancel_all,
    place,
    place_limit,
    place_market,
    set_hedge_mode,
    set_leverage,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    MarketEventKind,
    MarketPhase,
    OrderKind,
    PositionSide,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import AUCTION, MAKER, REDUCE_ONLY, SHORT_SIDE, Event
from novation.domain.instruments import Terms
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import binance_usdm, cme_globex
from tests.venues.book_pair import BothExchanges, TwinAlone, pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import COIN, fund
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_phases import answer, es, kinds, limits, phase, settles

Pair = TwinAlone | BothExchanges
BUY, SELL = Side.BUY, Side.SELL
#: Margins of 100 USD a contract, so that nothing here is about margin.
TERMS = Terms(effective_ns=0, initial_per_lot=100_000_000, maintenance_per_lot=80_000_000)
DOLLARS = 1_000_000
#: 20 % by time, the rest pro rata, shares below two are none.
K_20_80 = BookRules(fifo_percent=20, pro_rata_min=2)
PROTECTED = BookRules(protection_ticks=24)
BY_TIME = BookRules()


def market(rules: BookRules = BY_TIME, *, accounts: int = 6, terms: Terms = TERMS, mark: float = 900) -> Pair:
    """ES on a book, everybody with money."""
    both = pair(Setup(cme_globex.RULES, [es()], [[terms]], accounts, 0, [0], books={es().id: rules}))
    both.advance(0, [marks(0, mark)])
    for account in range(accounts):
        both.submit(transfer(account, 10_000_000 * DOLLARS))
    return both


def marks(ts_ns: int, price: float) -> MarketEvent:
    """A mark."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.MARK, instrument=0, mark_e8=round(price * E8))


def order(account: int, side: Side, lots: int, price: float | OrderKind, **fields: int) -> Command:
    """A limit order at a price, or an order of another kind."""
    if isinstance(price, OrderKind):
        return place(account, 0, side, price, lots, **fields)
    return place(account, 0, side, OrderKind.LIMIT, lots, price_ticks=round(price * 4), **fields)


def rest(both: Pair, side: Side, *offers: tuple[int, float], account: int = 0, **fields: int) -> list[int]:
    """Orders that are to stand, (lots, price) each; their ids."""
    return [both.submit(order(account, side, lots, price, **fields))[0].order for lots, price in offers]


def fills(events: list[Event], *, makers: bool = False) -> list[tuple[int, float]]:
    """Lots without sign and price of the takers' fills, or of the makers'."""
    told = [e for e in events if e.kind == EventKind.FILL and bool(e.flags & MAKER) == makers]
    return [(abs(e.lots), e.price_ticks / 4) for e in told]


def made(events: list[Event]) -> list[tuple[int, int]]:
    """(order, lots) of the makers' fills."""
    return [(e.order, abs(e.lots)) for e in events if e.kind == EventKind.FILL and e.flags & MAKER]


def gone(events: list[Event]) -> list[tuple[int, CancelReason]]:
    """(order, reason) of what was cancelled."""
    return [(e.order, CancelReason(e.reason)) for e in events if e.kind == EventKind.ORDER_CANCELLED]


def queue(both: Pair, side: Side) -> list[tuple[int, float, int, int]]:
    """(order, price, shown, hidden) of a side, the first to trade first."""
    both.compare()
    lines = [line[1] for line in both.twin.state_lines() if line[0] == "book" and line[1][1] == side]
    return [(number, ticks / 4, shown, hidden) for _, _, ticks, number, shown, hidden, _ in lines]


def at(both: Pair, ts_ns: int, *rows: MarketEvent) -> list[Event]:
    """Rows at an instant."""
    return both.advance(ts_ns, list(rows))


def trade_at(both: Pair, price: float, lots: int = 1) -> list[Event]:
    """Two accounts make a price."""
    return [e for side in (BUY, SELL) for e in both.submit(order(4 if side == BUY else 5, side, lots, price))]


# -- kinds ----------------------------------------------------------------------------------------------------------


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
        {"trigger": TriggerKind.STOP},
        {"trigger_e8": 5},
        {"trigger_by": TriggerPrice.MARK},
        {"callback_e8": 5},
        {"self_trade": SelfTrade.TRADE},
        {"order_kind": OrderKind.MARKET_LIMIT},
        {"order_kind": OrderKind.MARKET_PROTECTED},
    ],
)
def test_away_from_a_book_there_is_none_of_this(fields: dict[str, int]) -> None:
    both = pair(Setup(cme_globex.RULES, [es()], [[TERMS]], 1, 0, [0]))
    both.submit(transfer(0, 1_000 * DOLLARS))
    plain = place_limit(0, 0, BUY, 1, 3_600)
    (refused,) = both.submit(msgspec.structs.replace(plain, **fields))
    assert (answer([refused]), refused.amount) == (RejectReason.NO_BOOK, 0)
    both.submit(plain)
    assert answer(both.submit(amend(0, 2, 2, 3_600))) == RejectReason.NO_BOOK


# -- time in force, minimum -----------------------------------------------------------------------------------------


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
TRAIL = {"trigger": TriggerKind.TRAILING, "callback_e8": 1_000_000}


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


# -- queues ---------------------------------------------------------------------------------------------------------


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


# -- giving out -----------------------------------------------------------------------------------------------------


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
    assert tops() == [(3, 1), (1, 1), (2, 0)]
    both.submit(amend(0, 3, 6, 4 * 900))  # it is alone at the best price again
    assert tops() == [(3, 1), (1, 1), (2, 0)]
    both.submit(amend(0, 1, 6, 4 * 899))
    assert tops() == [(3, 1), (2, 0), (1, 0)]


# -- self-trades ----------------------------------------------------------------------------------------------------


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


# -- conditional orders ---------------------------------------------------------------------------------------------


def test_a_protected_stop_is_limited_from_its_trigger() -> None:
    """facts/cme.md §7: a buy stop at 1330.00 with 3.00 points has the limit 1333.00."""
    both = market(BookRules(protection_ticks=12), mark=1_320)
    trade_at(both, 1_320)
    (told,) = both.submit(order(0, BUY, 9, OrderKind.MARKET_PROTECTED, trigger=TriggerKind.STOP, trigger_e8=1_330 * E8))
    assert (told.price_ticks, told.price_e8) == (0, 1_330 * E8)
    rest(both, SELL, (1, 1_330.5), (2, 1_332.75), (5, 1_333.25), account=1)
    events = both.submit(order(2, BUY, 1, 1_330.5))
    triggered = next(e for e in events if e.kind == EventKind.ORDER_TRIGGERED)
    assert (triggered.lots, triggered.price_ticks, triggered.price_e8) == (9, 4 * 1_333, round(1_330.5 * E8))
    assert fills(events) == [(1, 1_330.5), (2, 1_332.75)]
    assert queue(both, BUY) == [(3, 1_333, 7, 0)]


@pytest.mark.parametrize("by", list(TriggerPrice))
@pytest.mark.parametrize(
    ("kind", "side", "trigger", "not_yet", "then"),
    [
        (TriggerKind.STOP, BUY, 905, 904.75, 905),
        (TriggerKind.STOP, SELL, 895, 895.25, 894),
        (TriggerKind.TAKE_PROFIT, BUY, 895, 895.25, 895),
        (TriggerKind.TAKE_PROFIT, SELL, 905, 904.75, 906),
    ],
)
def test_each_condition_waits_for_its_price(
    by: TriggerPrice, kind: TriggerKind, side: Side, trigger: float, not_yet: float, then: float
) -> None:
    both = market()
    trade_at(both, 900)
    waits = {"trigger": kind, "trigger_e8": round(trigger * E8), "trigger_by": by}
    already = {**waits, "trigger_e8": 900 * E8}
    (refused,) = both.submit(order(0, side, 1, OrderKind.MARKET, **already))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.WOULD_TRIGGER, 900 * E8, 900 * E8)
    number = both.submit(order(0, side, 3, 900, **waits))[0].order

    def moves(price: float, ts_ns: int) -> list[Event]:
        return at(both, ts_ns, marks(ts_ns, price)) if by == TriggerPrice.MARK else trade_at(both, price)

    assert EventKind.ORDER_TRIGGERED not in kinds(moves(not_yet, 5))
    assert queue(both, side) == [] and number in both.twin.orders
    events = [e for e in moves(then, 6) if e.kind == EventKind.ORDER_TRIGGERED]
    assert [(e.order, e.price_ticks, e.price_e8) for e in events] == [(number, 4 * 900, round(then * E8))]
    assert queue(both, side) == [(number, 900, 3, 0)]
    assert both.twin.orders[number].arrival_ns == both.twin.clock_ns
    assert EventKind.ORDER_TRIGGERED not in kinds(moves(then, 7))


def test_a_trailing_stop_follows_the_best_price_and_turns_with_it() -> None:
    """Binance: a sale is triggered where the highest is at or above its activation and the last price at or below
    highest * (1 - callback)."""
    both = market()
    trade_at(both, 900)
    wrong = order(0, SELL, 1, OrderKind.MARKET, **TRAIL, trigger_e8=900 * E8)
    assert answer(both.submit(wrong)) == RejectReason.WOULD_TRIGGER
    both.submit(order(0, SELL, 1, OrderKind.MARKET, **TRAIL, trigger_e8=910 * E8))
    rest(both, BUY, (5, 800), account=3)
    for price in (905, 895, 909.75):  # not begun: the highest is below 910
        assert EventKind.ORDER_TRIGGERED not in kinds(trade_at(both, price))
    for price in (1_000, 990.25):  # a hundredth below 1,000 is 990
        assert EventKind.ORDER_TRIGGERED not in kinds(trade_at(both, price))
    events = trade_at(both, 990)
    assert EventKind.ORDER_TRIGGERED in kinds(events) and (1, 800) in fills(events)


def test_a_trailing_buy_rounds_its_price_up_and_follows_the_mark_if_asked() -> None:
    both = market(mark=900)
    both.submit(order(0, BUY, 2, 899, **TRAIL, trigger_by=TriggerPrice.MARK))
    at(both, 1, marks(1, 800.01))  # 808.0101
    assert kinds(at(both, 2, marks(2, 808.01))) == []
    assert kinds(at(both, 3, marks(3, 808.010101))) == [EventKind.ORDER_TRIGGERED]


def test_stops_set_each_other_off_one_after_another() -> None:
    both = market()
    trade_at(both, 900)
    rest(both, BUY, (1, 898), (1, 896), (1, 894), (5, 890), account=3)
    for trigger in (896, 898, 900):
        stop = {"trigger": TriggerKind.STOP, "trigger_e8": (trigger - 1) * E8}
        both.submit(order(0, SELL, 1, OrderKind.MARKET, **stop))
    events = both.submit(order(1, SELL, 1, OrderKind.MARKET))
    assert fills(events) == [(1, 898), (1, 896), (1, 894), (1, 890)]
    assert [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [9, 8, 7]
    assert [e.price_e8 for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [898 * E8, 896 * E8, 894 * E8]


def test_falling_conditions_go_first_then_rising_ones_then_trailing_ones() -> None:
    both = market()
    trade_at(both, 900)
    profit = {"trigger": TriggerKind.TAKE_PROFIT}
    rising = [rest(both, SELL, (1, 990), trigger_e8=x * E8, **profit)[0] for x in (906, 905, 905)]
    falling = [rest(both, BUY, (1, 800), trigger_e8=x * E8, **profit)[0] for x in (880, 890)]
    (trailing,) = rest(both, BUY, (1, 800), **TRAIL)
    low = trade_at(both, 870)
    assert [e.order for e in low if e.kind == EventKind.ORDER_TRIGGERED] == [falling[1], falling[0]]
    high = trade_at(both, 950)
    order_of = [e.order for e in high if e.kind == EventKind.ORDER_TRIGGERED]
    assert order_of == [rising[1], rising[2], rising[0], trailing]


def test_a_triggered_order_is_asked_as_if_it_came_now() -> None:
    both = market()
    trade_at(both, 900)
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 905 * E8}
    poor = both.submit(order(0, BUY, 3, 906, **stop))[0]
    assert both.twin.available(0) == 10_000_000 * DOLLARS  # it reserves nothing as it waits
    both.submit(transfer(0, -9_999_900 * DOLLARS))
    reduces = both.submit(order(1, BUY, 3, 906, reduce_only=1, **stop))[0]
    assert reduces.flags == REDUCE_ONLY
    killed = both.submit(order(2, BUY, 3, 906, time_in_force=TimeInForce.FOK, **stop))[0]
    limited = both.submit(order(2, BUY, 3, OrderKind.MARKET_LIMIT, **stop))[0]
    events = trade_at(both, 905)
    assert gone(events) == [
        (poor.order, CancelReason.INSUFFICIENT_MARGIN),
        (reduces.order, CancelReason.WOULD_NOT_REDUCE),
        (killed.order, CancelReason.MINIMUM_NOT_MET),
        (limited.order, CancelReason.NO_OPPOSITE),
    ]
    assert [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [
        poor.order,
        reduces.order,
        killed.order,
    ]


def test_a_conditional_order_is_taken_and_waits_while_the_market_is_not_open() -> None:
    both = market()
    trade_at(both, 900)
    at(both, 5, phase(5, MarketPhase.PRE_OPEN))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 905 * E8, "trigger_by": TriggerPrice.MARK}
    number = both.submit(order(0, BUY, 3, OrderKind.MARKET, **stop))[0].order
    assert kinds(at(both, 6, marks(6, 910))) == []
    assert answer(both.submit(amend(0, number, 2, 0))) == RejectReason.NOT_AMENDABLE
    events = at(both, 7, phase(7, MarketPhase.OPEN))
    assert kinds(events) == [EventKind.PHASE_CHANGED, EventKind.ORDER_TRIGGERED, EventKind.ORDER_CANCELLED]
    assert gone(events) == [(number, CancelReason.NO_LIQUIDITY)]


# -- amending and cancelling ----------------------------------------------------------------------------------------


def test_every_refusal_of_an_amendment() -> None:
    terms = msgspec.structs.replace(TERMS, min_lots=2, max_lots=50, tick_step=2, band_ticks=40)
    both = market(terms=terms)
    rest(both, BUY, (5, 899), (5, 899))
    trade_at(both, 900, 2)

    def refused(lots: int, ticks: int, number: int = 1, account: int = 0) -> tuple[RejectReason, int, int]:
        (event,) = both.submit(amend(account, number, lots, ticks))
        assert event.kind == EventKind.COMMAND_REJECTED and event.order == number
        return RejectReason(event.reason), event.amount, event.cost

    same = 4 * 899
    assert refused(5, same, account=1) == (RejectReason.UNKNOWN_ORDER, 1, 0)
    assert refused(5, same) == (RejectReason.NO_CHANGE, 5, 0)
    assert refused(1, same) == (RejectReason.QTY_BELOW_MIN, 1, 2)
    assert refused(51, same) == (RejectReason.QTY_ABOVE_MAX, 51, 50)
    assert refused(5, 0) == (RejectReason.PRICE_NOT_POSITIVE, 0, 0)
    assert refused(5, same + 1) == (RejectReason.PRICE_OFF_TICK, same + 1, 2)
    high = (1 << 53) // 25_000_000
    assert refused(5, 2 * high) == (RejectReason.NUMBER_TOO_LARGE, 2 * high, high)
    assert refused(5, 4 * 910 + 2) == (RejectReason.PRICE_OUTSIDE_BAND, 4 * 910 + 2, 4 * 910)
    at(both, 5, limits(5, 890, 905))
    assert refused(5, 4 * 905 + 2) == (RejectReason.PRICE_BEYOND_LIMIT, 4 * 905 + 2, 4 * 905)
    both.submit(transfer(0, -9_999_000 * DOLLARS))
    assert refused(11, same)[0] == RejectReason.INSUFFICIENT_MARGIN
    assert kinds(both.submit(amend(0, 1, 5, same + 2))) == [EventKind.ORDER_AMENDED]
    for now in (MarketPhase.CLOSED, MarketPhase.PAUSED):
        at(both, 10 + now, phase(10 + now, now))
        assert refused(5, same) == (RejectReason.MARKET_CLOSED, now, 0)
    at(both, 20, phase(20, MarketPhase.NO_CANCEL))
    assert refused(5, same) == (RejectReason.CANCEL_NOT_ALLOWED, 1, MarketPhase.NO_CANCEL)


def test_an_amendment_counts_what_has_been_filled_and_cancels_what_has_nothing_left() -> None:
    both = market()
    rest(both, BUY, (5, 899))
    both.submit(order(1, SELL, 2, 899))
    assert both.submit(amend(0, 1, 4, 4 * 899))[0].lots == 2
    assert [line[1] for line in both.twin.state_lines() if line[0] == "details"] == [(1, 0, 0, 0, 2, 0)]
    events = both.submit(amend(0, 1, 2, 4 * 899))
    assert gone(events) == [(1, CancelReason.NOTHING_LEFT)]


def test_an_amended_order_takes_what_it_now_reaches() -> None:
    both = market()
    rest(both, SELL, (3, 900))
    rest(both, BUY, (5, 899), account=1)
    events = both.submit(amend(1, 2, 5, 4 * 900))
    assert kinds(events) == [EventKind.ORDER_AMENDED, EventKind.FILL, EventKind.FILL]
    assert queue(both, BUY) == [(2, 900, 2, 0)]


def test_an_iceberg_made_smaller_gives_hidden_lots_first() -> None:
    both = market()
    rest(both, BUY, (10, 899), display_lots=4)
    for lots, shown, hidden in ((6, 4, 2), (4, 4, 0), (3, 3, 0)):
        both.submit(amend(0, 1, lots, 4 * 899))
        assert queue(both, BUY) == [(1, 899, shown, hidden)]
    both.submit(amend(0, 1, 9, 4 * 899))
    assert queue(both, BUY) == [(1, 899, 4, 5)]


def test_an_order_that_may_only_reduce_is_asked_again_without_itself() -> None:
    both = market()
    rest(both, SELL, (5, 900))
    both.submit(order(1, BUY, 5, 900))
    rest(both, SELL, (5, 905), account=1, reduce_only=1)
    (refused,) = both.submit(amend(1, 3, 6, 4 * 905))
    assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.WOULD_NOT_REDUCE, 6, 5)
    assert kinds(both.submit(amend(1, 3, 4, 4 * 906))) == [EventKind.ORDER_AMENDED]


def test_many_orders_are_cancelled_at_once() -> None:
    both = market()
    rest(both, BUY, (1, 899), (1, 898))
    rest(both, SELL, (1, 910))
    rest(both, SELL, (1, 911), trigger=TriggerKind.STOP, trigger_e8=E8)
    rest(both, BUY, (1, 899), account=1)
    events = both.submit(cancel_all(0, side=SELL))
    assert gone(events) == [(3, CancelReason.REQUESTED), (4, CancelReason.REQUESTED)]
    told = events[-1]
    assert (told.kind, told.instrument, told.lots, told.order) == (EventKind.ALL_CANCELLED, -1, 2, SELL)
    assert answer(both.submit(cancel_all(0, instrument=7))) == RejectReason.UNKNOWN_INSTRUMENT
    at(both, 5, phase(5, MarketPhase.NO_CANCEL))
    (refused,) = both.submit(cancel_all(0, instrument=0))
    assert (answer([refused]), refused.amount, refused.cost) == (
        RejectReason.CANCEL_NOT_ALLOWED,
        0,
        MarketPhase.NO_CANCEL,
    )
    (told,) = both.submit(cancel_all(0))
    assert (told.lots, len(queue(both, BUY))) == (0, 3)
    at(both, 6, phase(6, MarketPhase.PAUSED))
    assert both.submit(cancel_all(0, instrument=0))[-1].lots == 2


# -- phases and auctions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "limit", "at_market", "immediate"),
    [
        (MarketPhase.CLOSED, "MARKET_CLOSED", "MARKET_CLOSED", "MARKET_CLOSED"),
        (MarketPhase.PAUSED, "MARKET_CLOSED", "MARKET_CLOSED", "MARKET_CLOSED"),
        (MarketPhase.PRE_OPEN, "NONE", "MARKET_ORDER_BEFORE_OPEN", "IMMEDIATE_BEFORE_OPEN"),
        (MarketPhase.NO_CANCEL, "NONE", "MARKET_ORDER_BEFORE_OPEN", "IMMEDIATE_BEFORE_OPEN"),
        (MarketPhase.OPEN, "NONE", "NONE", "NONE"),
    ],
)
def test_each_phase_takes_what_the_exchange_takes(to: MarketPhase, limit: str, at_market: str, immediate: str) -> None:
    both = market()
    rest(both, SELL, (9, 900))
    at(both, 5, phase(5, to))
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 950 * E8}
    assert answer(both.submit(order(1, BUY, 1, 900))).name == limit
    assert answer(both.submit(order(1, BUY, 1, OrderKind.MARKET, **stop))).name == limit
    for kind in (OrderKind.MARKET, OrderKind.MARKET_LIMIT):
        assert answer(both.submit(order(1, BUY, 1, kind))).name == at_market
    held = both.submit(place_market(1, 0, BUY, 1, hold=True))
    assert answer(held).name == at_market  # a broker cannot hold it on a book
    assert answer(both.submit(order(1, BUY, 1, 900, time_in_force=TimeInForce.IOC))).name == immediate
    minimum = answer(both.submit(order(1, BUY, 1, 900, min_lots=1))).name
    assert minimum == ("NONE" if to == MarketPhase.OPEN else "BAD_MINIMUM" if limit == "NONE" else limit)


def opened(
    bids: dict[float, int], asks: dict[float, int], settlement: float = 0, step: int = 1
) -> tuple[Pair, list[Event]]:
    """An auction of orders that came before the market opened."""
    both = market(terms=msgspec.structs.replace(TERMS, tick_step=step))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN), *([settles(1, settlement, 1)] if settlement else []))
    for account, (side, offers) in enumerate(((BUY, bids), (SELL, asks))):
        for price, lots in offers.items():
            both.submit(order(account, side, lots, price))
    return both, at(both, 2, phase(2, MarketPhase.OPEN))


def auction(events: list[Event]) -> tuple[set[float], int]:
    """Prices and lots of an auction; each trade is told of the bid, then of the ask."""
    told = [e for e in events if e.kind == EventKind.FILL]
    assert [(e.account, e.flags) for e in told] == [(0, AUCTION), (1, AUCTION)] * (len(told) // 2)
    assert [e.trade for e in told[::2]] == [e.trade for e in told[1::2]]
    return {e.price_ticks / 4 for e in told}, sum(e.lots for e in told[::2])


def test_an_opening_auction_is_at_the_price_at_which_most_trades() -> None:
    """facts/cme.md §8, A14."""
    bids: dict[float, int] = {51: 10, 50: 20, 49: 30, 48: 40, 47: 50, 46: 70, 45: 100, 44: 1}
    asks: dict[float, int] = {51: 30, 50: 100, 49: 1, 48: 25, 47: 1, 46: 100, 45: 90, 44: 4, 43: 6}
    both, events = opened(bids, asks, step=4)
    assert auction(events) == ({46}, 200)
    assert both.twin.markets[0].last_e8 == 46 * E8
    more = {price: lots for price, lots in asks.items() if price != 47} | {46: 50}
    assert auction(opened(bids | {47: 50, 46: 30}, more, step=4)[1]) == ({47}, 150)


def test_what_is_left_on_the_ask_side_takes_the_lowest_price() -> None:
    """A15: 10 match anywhere from 4998 to 5000, five asks are left."""
    both, events = opened({5_000: 10, 4_995: 20}, {4_998: 15, 5_002: 25})
    assert auction(events) == ({4_998}, 10)
    assert queue(both, SELL)[0][1:] == (4_998, 5, 0)


@pytest.mark.parametrize(("settlement", "price"), [(0, 900), (904, 904), (890, 900), (990, 910)])
def test_with_nothing_left_it_is_the_price_nearest_the_settlement(settlement: float, price: float) -> None:
    assert auction(opened({910: 5}, {900: 5}, settlement)[1]) == ({price}, 5)


def test_an_auction_counts_hidden_lots_at_the_place_of_their_order() -> None:
    both = market()
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (9, 900), display_lots=2)
    rest(both, BUY, (9, 900), account=2)
    rest(both, SELL, (6, 900), account=1)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert [(e.order, e.lots) for e in events if e.kind == EventKind.FILL] == [(1, 6), (3, -6)]
    assert queue(both, BUY) == [(1, 900, 2, 1), (2, 900, 9, 0)]


def test_stops_that_the_opening_price_sets_off_take_part_in_the_auction() -> None:
    both = market(BookRules(protection_ticks=8))
    trade_at(both, 900)
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 904 * E8}
    both.submit(order(2, BUY, 5, OrderKind.MARKET_PROTECTED, **stop))
    both.submit(order(2, BUY, 1, OrderKind.MARKET, **stop))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (5, 910))
    rest(both, SELL, (5, 905), (5, 906), account=1)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    # without the stop 5 trade at 905 to 910, nothing left to 905.75, then 5 asks: 905 is nearest 0; with it ten at 906
    assert kinds(events)[:2] == [EventKind.PHASE_CHANGED, EventKind.ORDER_TRIGGERED]
    assert (events[1].price_ticks, events[1].price_e8) == (4 * 906, 905 * E8)
    assert [(e.order, e.lots, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL and e.lots > 0] == [
        (5, 5, 906),
        (3, 5, 906),
    ]
    last = [e for e in events if e.kind in (EventKind.ORDER_TRIGGERED, EventKind.ORDER_CANCELLED)][-2:]
    assert [(e.order, e.kind) for e in last] == [(4, EventKind.ORDER_TRIGGERED), (4, EventKind.ORDER_CANCELLED)]


def test_an_order_of_an_auction_that_would_not_reduce_is_cancelled_at_its_turn() -> None:
    both = market()
    rest(both, SELL, (5, 900))
    both.submit(order(1, BUY, 5, 900))
    rest(both, SELL, (5, 910), account=1, reduce_only=1)
    both.submit(order(2, BUY, 2, 899))
    both.submit(order(1, SELL, 2, 899))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (4, 910), account=2)
    rest(both, SELL, (1, 910), account=0)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    assert [(e.order, e.lots) for e in events if e.kind == EventKind.FILL] == [(6, 1), (7, -1)]


def test_where_those_who_made_the_price_are_gone_the_sides_meet_again() -> None:
    """Ours: the market does not open crossed."""
    both = market()
    rest(both, SELL, (9, 900))
    both.submit(order(1, BUY, 9, 900))
    rest(both, SELL, (9, 901), account=1, reduce_only=1)
    both.submit(order(2, BUY, 2, 899))
    both.submit(order(1, SELL, 2, 899))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    rest(both, BUY, (5, 905), account=2)
    rest(both, SELL, (5, 904), account=0)
    events = at(both, 2, phase(2, MarketPhase.OPEN))
    assert gone(events) == [(3, CancelReason.WOULD_NOT_REDUCE)]
    # at 901 nobody is left to sell: the two at 905 and 904 meet at a price of their own
    assert [(e.order, e.price_ticks / 4) for e in events if e.kind == EventKind.FILL] == [(6, 904), (7, 904)]


def test_bands_are_measured_from_the_market_and_before_it_opens_from_where_it_would() -> None:
    both = market(terms=msgspec.structs.replace(TERMS, band_ticks=48))
    assert answer(both.submit(order(0, BUY, 1, 5_000))) == RejectReason.NONE  # there is no price yet
    both.submit(cancel(0, 1))
    trade_at(both, 900)
    rest(both, SELL, (1, 895))
    (refused,) = both.submit(order(0, BUY, 1, 907.25))
    assert (answer([refused]), refused.cost) == (RejectReason.PRICE_OUTSIDE_BAND, 4 * 907)
    both.submit(cancel_all(0))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN), settles(1, 910, 1))
    assert both.submit(order(1, SELL, 1, 897))[0].cost == 4 * 898  # from the settlement
    rest(both, BUY, (5, 920))
    rest(both, SELL, (5, 918), account=1)
    assert both.submit(order(1, SELL, 1, 905))[0].cost == 4 * (918 - 12)  # from the price at which it would open


# -- liquidations, deliveries, new terms ----------------------------------------------------------------------------


def coins(*pools: InsurancePool, rules: BookRules = BY_TIME, fund: bool = True) -> Pair:
    """A coin at 100 on a book, six accounts; the first is short of money and holds ten with 25x, bought at 100."""
    venue = msgspec.structs.replace(binance_usdm.RULES, deficit_to_fund=fund)
    both = pair(Setup(venue, [COIN], [[COIN_TERMS]], 6, 0, [0], pools, books={COIN.id: rules}))
    both.advance(0, [marks(0, 100)])
    for account in range(6):
        both.submit(transfer(account, (50 if account == 0 else 1_000_000) * E8))
    both.submit(set_leverage(0, 0, 25))
    both.submit(place_limit(5, 0, SELL, 10, 10_000))
    both.submit(place_limit(0, 0, BUY, 10, 10_000))
    return both


def closed(events: list[Event]) -> list[tuple[int, int, int, int, int]]:
    """(account, order, lots, ticks, trade) of every fill."""
    return [(e.account, e.order, e.lots, e.price_ticks, e.trade) for e in events if e.kind == EventKind.FILL]


def test_a_liquidation_meets_the_first_order_at_the_best_price_step_by_step() -> None:
    both = coins(rules=K_20_80)
    rest_at = [(1, 4, 9_700, 2), (2, 3, 9_700, 0), (3, 9, 9_690, 0)]
    for account, lots, ticks, display in rest_at:
        both.submit(place(account, 0, BUY, OrderKind.LIMIT, lots, price_ticks=ticks, display_lots=display))
    events = at(both, 1, marks(1, 95.2))  # 2 of 50 are left, 9.52 needed; four sold at 97 make it 9.2 and 5.7
    step = [EventKind.FILL, EventKind.FILL, EventKind.LIQUIDATION]
    assert kinds(events) == step * 2
    assert closed(events) == [(1, 3, 2, 9_700, 2), (0, 0, -2, 9_700, 2), (2, 4, 2, 9_700, 3), (0, 0, -2, 9_700, 3)]
    assert both.twin.markets[0].last_e8 == 97 * E8


def test_what_a_liquidation_sets_off_comes_before_its_next_step() -> None:
    both = coins()
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": 97 * E8}
    for account, lots, ticks in ((1, 1, 9_700), (2, 1, 9_690), (3, 9, 9_680)):
        both.submit(place_limit(account, 0, BUY, lots, ticks))
    both.submit(place(4, 0, SELL, OrderKind.MARKET, 1, **stop))
    events = at(both, 1, marks(1, 95.2))
    assert [e.account for e in events if e.kind == EventKind.FILL] == [1, 0, 4, 2, 3, 0]
    assert EventKind.ORDER_TRIGGERED in kinds(events)


def test_the_fund_takes_over_where_the_best_order_is_beyond_the_bankruptcy_price() -> None:
    both = coins(fund(1_000, COIN.id))
    both.submit(place_limit(1, 0, BUY, 4, 9_000))
    events = at(both, 1, marks(1, 95.5))
    assert kinds(events) == [EventKind.FILL, EventKind.FILL, EventKind.LIQUIDATION, EventKind.TAKEN_OVER] + [
        EventKind.FILL,
        EventKind.LIQUIDATION,
        EventKind.TAKEN_OVER,
    ]
    assert closed(events) == [(1, 3, 4, 9_000, 2), (0, 0, -4, 9_500, 2), (0, 0, -6, 9_500, 3)]
    passed = [(e.lots, e.price_ticks, e.amount, e.trade) for e in events if e.kind == EventKind.TAKEN_OVER]
    assert passed == [(-4, 9_000, -20 * E8, 2), (-6, 9_000, -30 * E8, 3)]
    both.compare()


def test_without_a_fund_and_without_orders_a_position_is_closed_at_the_last_price() -> None:
    both = coins(fund=False)
    events = at(both, 1, marks(1, 95.5))
    assert closed(events) == [(0, 0, -2, 10_000, 2)]


def test_a_liquidation_passes_over_who_would_not_reduce_and_takes_the_accounts_own_orders_out() -> None:
    both = coins()
    both.submit(place(5, 0, BUY, OrderKind.LIMIT, 8, price_ticks=9_700, reduce_only=1))
    both.submit(place_limit(1, 0, SELL, 3, 9_900))
    both.submit(place_limit(5, 0, BUY, 3, 9_900))  # seven are left of what the eight were to close
    both.submit(place_limit(2, 0, BUY, 9, 9_690))
    both.submit(place(0, 0, SELL, OrderKind.LIMIT, 1, price_ticks=11_000))
    both.submit(place(0, 0, SELL, OrderKind.MARKET, 1, trigger=TriggerKind.TAKE_PROFIT, trigger_e8=120 * E8))
    events = at(both, 1, marks(1, 95.9))
    own = [(7, CancelReason.LIQUIDATION), (8, CancelReason.LIQUIDATION)]
    assert gone(events) == [*own, (3, CancelReason.WOULD_NOT_REDUCE)]
    assert {e.account for e in events if e.kind == EventKind.FILL} == {0, 2}


def test_delivery_and_new_terms_cancel_conditional_orders_too() -> None:
    coarse = msgspec.structs.replace(TERMS, tick_step=4)
    both = pair(Setup(cme_globex.RULES, [es()], [[TERMS, coarse]], 1, 0, [0], books={es().id: BY_TIME}))
    both.advance(0, [marks(0, 900)])
    both.submit(transfer(0, 10_000 * DOLLARS))
    for price in (905.25, 906):
        rest(both, BUY, (1, price), trigger=TriggerKind.STOP, trigger_e8=905 * E8)
    both.submit(order(0, BUY, 1, OrderKind.MARKET, trigger=TriggerKind.STOP, trigger_e8=905 * E8))
    new = MarketEvent(ts_ns=1, kind=MarketEventKind.TERMS, instrument=0, terms=1)
    assert gone(at(both, 1, new)) == [(1, CancelReason.OFF_TICK_BY_NEW_TERMS)]
    over = MarketEvent(ts_ns=2, kind=MarketEventKind.STATUS, instrument=0, status=InstrumentStatus.DELIVERING)
    assert gone(at(both, 2, over)) == [(2, CancelReason.DELIVERY), (3, CancelReason.DELIVERY)]


def test_an_account_in_hedge_mode_says_which_position_an_order_is_of() -> None:
    both = coins()
    both.submit(set_hedge_mode(1, True))
    sold = both.submit(place(1, 0, SELL, OrderKind.LIMIT, 3, price_ticks=10_100, position_side=PositionSide.SHORT))
    assert sold[0].flags == SHORT_SIDE
    told = both.submit(amend(1, sold[0].order, 2, 10_200))
    assert told[0].flags == SHORT_SIDE
    refused = both.submit(place(1, 0, BUY, OrderKind.MARKET, 2, position_side=PositionSide.SHORT))
    assert answer(refused) == RejectReason.WOULD_NOT_REDUCE
    both.submit(place_limit(2, 0, BUY, 2, 10_200))
    waits = {"trigger": TriggerKind.STOP, "trigger_e8": 103 * E8, "position_side": PositionSide.SHORT}
    both.submit(place(1, 0, BUY, OrderKind.MARKET, 2, **waits))
    both.submit(place_limit(3, 0, SELL, 9, 10_300))
    events = both.submit(place_limit(2, 0, BUY, 1, 10_300))
    assert [(e.lots, e.flags) for e in events if e.kind == EventKind.ORDER_TRIGGERED] == [(2, SHORT_SIDE)]
    assert both.twin.accounts[1].positions[1].lots == 0
