"""Orders that meet each other: Globex's published examples and every rule of the page, on both exchanges.

docs/rules/book.md; facts/cme.md §7 and §8, facts/binance.md §7.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import (
    Command,
    amend,
    cancel,
    cancel_all,
    place,
    place_limit,
    transfer,
)
from novation.domain.enums import (
    CancelReason,
    EventKind,
    InstrumentStatus,
    MarketEventKind,
    MarketPhase,
    OrderKind,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerPrice,
)
from novation.domain.events import AUCTION, MAKER, Event
from novation.domain.instruments import Terms
from novation.domain.market import MarketEvent
from novation.domain.units import E8
from novation.venues import binance_usdm, cme_globex
from tests.venues.book_pair import BothExchanges, TwinAlone, pair
from tests.venues.scenarios import Setup
from tests.venues.test_deleveraging import TERMS as COIN_TERMS
from tests.venues.test_edges import coin
from tests.venues.test_phases import answer, es, kinds, limits, phase

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
        {"trigger": TriggerKind.STOP},
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


# -- amending and cancelling ------------------------------------------------------------------------------------------


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


def test_many_orders_are_cancelled_for_a_side_there_is_or_for_both() -> None:
    both = market()
    rest(both, BUY, (1, 899))
    for side in (2, -2, 1 << 40):
        (refused,) = both.submit(msgspec.structs.replace(cancel_all(0), side=side))
        assert (answer([refused]), refused.amount, refused.cost) == (RejectReason.BAD_SIDE, side, 0)
    unknown = msgspec.structs.replace(cancel_all(0, instrument=7), side=2)
    assert answer(both.submit(unknown)) == RejectReason.UNKNOWN_INSTRUMENT
    at(both, 5, phase(5, MarketPhase.NO_CANCEL))
    wrong = msgspec.structs.replace(cancel_all(0, instrument=0), side=2)
    assert answer(both.submit(wrong)) == RejectReason.BAD_SIDE


def test_what_a_broker_holds_can_be_cancelled_when_the_market_lets_nothing_go() -> None:
    for instrument in (0, -1):
        both = market()
        rest(both, BUY, (1, 899), (1, 898))
        at(both, 5, phase(5, MarketPhase.NO_CANCEL))
        held = msgspec.structs.replace(cancel_all(0, instrument=instrument), hold=1)
        assert gone(both.submit(held)) == [(1, CancelReason.REQUESTED), (2, CancelReason.REQUESTED)]


# -- far prices, statuses ---------------------------------------------------------------------------------------------

MOST_AWAY = 1 << 26


def test_a_stop_ten_trillion_ticks_away_is_refused_and_the_venue_goes_on() -> None:
    fine = coin(tick_e8=100, lot_e8=E8)
    both = pair(Setup(binance_usdm.RULES, [fine], [[COIN_TERMS]], 2, 0, [0], books={fine.id: BY_TIME}))
    both.advance(0, [marks(0, 100)])
    for account in range(2):
        both.submit(transfer(account, 1_000_000 * E8))
    ticks, here = 10**13, 10**8
    stop = {"trigger": TriggerKind.STOP, "trigger_e8": ticks * 100 + 99}
    (refused,) = both.submit(place(0, 0, BUY, OrderKind.MARKET, 1, **stop))
    assert (answer([refused]), refused.amount, refused.cost) == (
        RejectReason.NUMBER_TOO_LARGE,
        ticks,
        here + MOST_AWAY,
    )
    both.submit(place_limit(0, 0, BUY, 1, here))
    assert [e.price_ticks for e in both.submit(place_limit(1, 0, SELL, 1, here)) if e.kind == EventKind.FILL]
    both.compare()


def test_a_price_is_near_enough_to_the_last_one_to_keep_a_list_of_all_between() -> None:
    fine = coin(tick_e8=100, lot_e8=E8)
    both = pair(Setup(binance_usdm.RULES, [fine], [[COIN_TERMS]], 3, 0, [0], books={fine.id: BY_TIME}))
    for account in range(3):
        both.submit(transfer(account, 1_000_000 * E8))

    def told(kind: OrderKind, side: Side = BUY, **fields: int) -> tuple[RejectReason, int, int]:
        events = both.submit(place(0, 0, side, kind, 1, **fields))
        return answer(events), events[0].amount, events[0].cost

    far = RejectReason.NUMBER_TOO_LARGE
    assert told(OrderKind.LIMIT, price_ticks=MOST_AWAY + 1) == (far, MOST_AWAY + 1, MOST_AWAY)  # no price as yet
    both.advance(0, [marks(0, 200)])
    here = 2 * 10**8
    low, high = here - MOST_AWAY, here + MOST_AWAY
    assert told(OrderKind.LIMIT, price_ticks=low - 1) == (far, low - 1, low)
    assert told(OrderKind.LIMIT, SELL, price_ticks=high + 1) == (far, high + 1, high)
    assert told(OrderKind.LIMIT, price_ticks=low)[0] == told(OrderKind.LIMIT, SELL, price_ticks=high)[0] == 0
    assert told(OrderKind.LIMIT, price_ticks=-(1 << 60)) == (far, -(1 << 60), low)  # ahead of PRICE_NOT_POSITIVE
    both.submit(place_limit(1, 0, BUY, 1, here + 50))
    both.submit(place_limit(2, 0, SELL, 1, here + 50))  # the last price counts, not the mark
    assert told(OrderKind.LIMIT, SELL, price_ticks=high + 50)[0] == RejectReason.NONE
    stop = {"trigger": TriggerKind.STOP}
    just = (high + 50) * 100
    assert told(OrderKind.MARKET, **stop, trigger_e8=just + 99)[0] == RejectReason.NONE  # rounded down
    assert told(OrderKind.MARKET, **stop, trigger_e8=just + 100) == (far, high + 51, high + 50)
    wrong = {"price_ticks": low - 7, "trigger": TriggerKind.TAKE_PROFIT, "trigger_e8": 1}
    assert told(OrderKind.LIMIT, **wrong) == (far, low - 7, low + 50)
    assert told(OrderKind.LIMIT, price_ticks=low - 7, self_trade=9)[0] == far
    assert told(OrderKind.LIMIT, price_ticks=low - 7, **stop)[0] == RejectReason.BAD_TRIGGER
    assert told(OrderKind.MARKET, **TRAIL)[0] == RejectReason.NONE  # it has no price that would be near or far
    assert told(OrderKind.MARKET, **TRAIL, trigger_e8=1)[0] == far


def test_an_order_is_not_amended_to_a_price_too_far_away() -> None:
    both = market(terms=msgspec.structs.replace(TERMS, tick_step=2))
    rest(both, BUY, (5, 899))
    (refused,) = both.submit(amend(0, 1, 5, 3_600 + MOST_AWAY + 2))
    told = (answer([refused]), refused.amount, refused.cost)
    assert told == (RejectReason.NUMBER_TOO_LARGE, 3_600 + MOST_AWAY + 2, 3_600 + MOST_AWAY)
    assert answer(both.submit(amend(0, 1, 5, 3_600 + MOST_AWAY + 1))) == RejectReason.PRICE_OFF_TICK


def ending(deliver_ns: int = 100) -> Pair:
    """ES on a book, to be delivered; the first account is long five."""
    ends = msgspec.structs.replace(es(), deliver_ns=deliver_ns)
    both = pair(Setup(cme_globex.RULES, [ends], [[TERMS]], 6, 0, [0], books={ends.id: BY_TIME}))
    both.advance(0, [marks(0, 900)])
    for account in range(6):
        both.submit(transfer(account, 1_000_000 * DOLLARS))
    rest(both, SELL, (5, 900), account=1)
    both.submit(order(0, BUY, 5, 900))
    return both


def status(ts_ns: int, now: InstrumentStatus) -> MarketEvent:
    """A status."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.STATUS, instrument=0, status=now)


def test_an_amendment_asks_for_the_status_of_the_instrument() -> None:
    both = ending()
    rest(both, SELL, (5, 905), (2, 906))
    rest(both, BUY, (5, 890))
    (waits,) = rest(both, BUY, (5, 890), trigger=TriggerKind.STOP, trigger_e8=950 * E8)
    at(both, 1, status(1, InstrumentStatus.PRE_DELIVERING))

    def told(number: int, lots: int, ticks: int) -> tuple[RejectReason, int, int]:
        events = both.submit(amend(0, number, lots, ticks))
        return answer(events), events[0].amount, events[0].cost

    closes_only = (RejectReason.OPENING_NOT_ALLOWED, InstrumentStatus.PRE_DELIVERING, InstrumentStatus.TRADING)
    assert told(3, 6, 4 * 905) == closes_only
    assert told(3, 5, 4 * 904)[0] == told(3, 4, 4 * 904)[0] == RejectReason.NONE
    assert told(5, 5, 4 * 889) == told(waits, 5, 4 * 889) == closes_only
    assert gone(both.submit(amend(0, 5, 0, 4 * 890))) == [(5, CancelReason.NOTHING_LEFT)]
    at(both, 100)
    over = (RejectReason.NOT_TRADING, InstrumentStatus.PRE_DELIVERING, InstrumentStatus.TRADING)
    assert told(3, 3, 4 * 904) == told(3, 0, 4 * 904) == told(waits, 5, 1) == over
    assert told(99, 3, 4 * 904)[0] == RejectReason.UNKNOWN_ORDER


def test_before_delivery_only_what_closes_a_position_is_triggered_and_after_it_nothing() -> None:
    both = ending()
    by_mark = {"trigger": TriggerKind.STOP, "trigger_by": TriggerPrice.MARK}
    sales = [both.submit(order(0, SELL, lots, OrderKind.MARKET, **by_mark, trigger_e8=890 * E8))[0] for lots in (6, 5)]
    flat = both.submit(order(2, SELL, 1, OrderKind.MARKET, **by_mark, trigger_e8=890 * E8))[0]
    later = both.submit(order(0, BUY, 1, OrderKind.MARKET, **by_mark, trigger_e8=910 * E8))[0]
    rest(both, BUY, (9, 889), account=3)
    at(both, 1, status(1, InstrumentStatus.PRE_DELIVERING))
    events = at(both, 2, marks(2, 889))
    triggered = [e.order for e in events if e.kind == EventKind.ORDER_TRIGGERED]
    assert triggered == [sales[0].order, sales[1].order, flat.order]
    not_these = [(sales[0].order, CancelReason.WOULD_NOT_REDUCE), (flat.order, CancelReason.WOULD_NOT_REDUCE)]
    assert (gone(events), fills(events)) == (not_these, [(5, 889)])
    assert EventKind.ORDER_TRIGGERED not in kinds(at(both, 100, marks(100, 920)))
    assert later.order in both.twin.orders


def test_what_is_not_traded_any_more_triggers_nothing() -> None:
    both = ending(deliver_ns=0)
    waits = {"trigger": TriggerKind.STOP, "trigger_by": TriggerPrice.MARK, "trigger_e8": 910 * E8}
    both.submit(order(0, BUY, 1, OrderKind.MARKET, **waits))
    at(both, 1, status(1, InstrumentStatus.PENDING_TRADING))
    assert EventKind.ORDER_TRIGGERED not in kinds(at(both, 2, marks(2, 920)))
    assert EventKind.ORDER_TRIGGERED in kinds(at(both, 3, status(3, InstrumentStatus.TRADING)))
