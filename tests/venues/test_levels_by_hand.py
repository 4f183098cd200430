"""Recorded levels beside orders of accounts (docs/rules/replay.md, "Levels"): every rule of the section, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from novation.domain.book import BookRules
from novation.domain.commands import amend, cancel
from novation.domain.enums import MarketPhase, QueueModel, TimeInForce
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.flow import FLOW_DTYPE, FlowKind
from novation.venues.checks import queue_model
from tests.venues.book_cases import BUY, SELL, Pair, at, fills, market, order, queue, rest
from tests.venues.flow_cases import Row, add, done, last, makers, recorded, row, traded
from tests.venues.test_phases import phase

FRONT, BACK, PROPORTIONAL = QueueModel.FRONT, QueueModel.BACK, QueueModel.PROPORTIONAL


def level(ts_ns: int, side: int, lots: int, price: float) -> Row:
    """A price shows so many lots."""
    return row(FlowKind.LEVEL, ts_ns, 0, side, lots, price)


def levels(both: Pair, *rows: Row, model: QueueModel = BACK, exponent_e8: int = 200_000_000) -> Pair:
    """Give an exchange a record of levels."""
    both.attach_flow(0, np.array(list(rows), dtype=FLOW_DTYPE), queue=model, exponent_e8=exponent_e8)
    return both


def shown(both: Pair, side: int = BUY) -> list[tuple[int, int]]:
    """(order, shown lots) of a side, -1 of the record."""
    return [(number, lots) for number, _, lots, _ in queue(both, side)]


def kept(both: Pair) -> list[tuple[int, int]]:
    """(order, fraction in micro-lots) of what stands behind part of a lot."""
    both.compare()
    return [tuple(line[1]) for line in both.twin.state_lines() if line[0] == "ahead"]


# -- LEVEL ------------------------------------------------------------------------------------------------------------


def test_an_order_joins_behind_a_level_and_what_comes_later_stands_behind_it() -> None:
    both = levels(market(), level(1, BUY, 5, 900), level(2, BUY, 8, 900), level(3, BUY, 9, 900))
    at(both, 1)
    rest(both, BUY, (2, 900))
    assert shown(both) == [(-1, 5), (1, 2)]
    at(both, 2)
    assert shown(both) == [(-1, 5), (1, 2), (-1, 3)]
    rest(both, BUY, (4, 900), account=1)
    at(both, 3)
    assert shown(both) == [(-1, 5), (1, 2), (-1, 3), (2, 4), (-1, 1)]
    assert done(both) == [(0, 3)]


def test_without_accounts_a_price_is_one_order_of_nobody() -> None:
    both = levels(
        market(), level(1, SELL, 5, 900), level(2, SELL, 8, 900), level(3, SELL, 2, 900), level(4, SELL, 0, 900)
    )
    for ts_ns, lots in ((1, 5), (2, 8), (3, 2)):
        at(both, ts_ns)
        assert queue(both, SELL) == [(-1, 900, lots, 0)]
    at(both, 4)
    assert queue(both, SELL) == []


@pytest.mark.parametrize(
    ("model", "less", "stands", "fraction"),
    [
        (FRONT, 1, [(-1, 3), (1, 1), (-1, 2)], 0),
        (FRONT, 5, [(1, 1), (-1, 1)], 0),
        (BACK, 1, [(-1, 4), (1, 1), (-1, 1)], 0),
        (BACK, 3, [(-1, 3), (1, 1)], 0),
        # 4 ahead of 6: two thirds of a lot leave ahead, which leaves 3.333334, so 4 whole ones; the lot leaves behind.
        (PROPORTIONAL, 1, [(-1, 4), (1, 1), (-1, 1)], 666_666),
        (PROPORTIONAL, 3, [(-1, 2), (1, 1), (-1, 1)], 0),
        (PROPORTIONAL, 6, [(1, 1)], 0),
        # 4**2 against 2**2: four fifths.
        (QueueModel.POWER, 1, [(-1, 4), (1, 1), (-1, 1)], 800_000),
        # ln 5 against ln 3: 0.594316...
        (QueueModel.LOG, 1, [(-1, 4), (1, 1), (-1, 1)], 594_316),
    ],
)
def test_a_decrease_is_given_to_those_ahead_and_behind_by_the_model(
    model: QueueModel, less: int, stands: list[tuple[int, int]], fraction: int
) -> None:
    rows = level(1, BUY, 4, 900), level(2, BUY, 6, 900), level(3, BUY, 6 - less, 900)
    both = levels(market(), *rows, model=model)
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 3)
    assert shown(both) == stands
    assert kept(both) == ([(1, fraction)] if fraction else [])


def test_the_fraction_counts_in_the_next_decrease() -> None:
    """4 ahead of 6, twice one less: 4 * 1/6 = 0.666666, then 3.333334 of 5 lose 0.666666: 2.666668 are 3 lots."""
    rows = [level(ts_ns, BUY, lots, 900) for ts_ns, lots in ((1, 4), (2, 6), (3, 5), (4, 4))]
    both = levels(market(), *rows, model=PROPORTIONAL)
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 3)
    assert (shown(both), kept(both)) == ([(-1, 4), (1, 1), (-1, 1)], [(1, 666_666)])
    at(both, 4)
    assert (shown(both), kept(both)) == ([(-1, 3), (1, 1), (-1, 1)], [(1, 333_332)])


@pytest.mark.parametrize("how", ["amended", "shown again"])
def test_the_fraction_goes_with_the_place(how: str) -> None:
    """Moved to the end, or shown again behind, an order has nothing kept."""
    rows = [level(ts_ns, BUY, lots, 900) for ts_ns, lots in ((1, 4), (2, 6), (3, 5))]
    both = levels(market(), *rows, traded(4, 900, SELL, 5), model=PROPORTIONAL)
    at(both, 1)
    rest(both, BUY, (3, 900), display_lots=1)
    at(both, 3)
    assert kept(both) == [(1, 666_666)]
    if how == "amended":
        both.submit(amend(0, 1, 4, 3_600))
        assert shown(both) == [(-1, 5), (1, 1)]
    else:
        assert makers(at(both, 4)) == [(1, 1, 900)]
    assert kept(both) == []


def test_of_two_accounts_the_first_order_decides_what_stood_ahead() -> None:
    """2 ahead, 3 between, 4 behind; 5 leave: BACK takes 4 from the end, then one of those between."""
    rows = [level(ts_ns, SELL, lots, 900) for ts_ns, lots in ((1, 2), (2, 5), (3, 9), (4, 4))]
    for model, stands in (
        (BACK, [(-1, 2), (1, 1), (-1, 2), (2, 1)]),
        (FRONT, [(1, 1), (-1, 3), (2, 1), (-1, 1)]),
    ):
        both = levels(market(), *rows, model=model)
        at(both, 1)
        rest(both, SELL, (1, 900))
        at(both, 2)
        rest(both, SELL, (1, 900), account=1)
        at(both, 4)
        assert shown(both, SELL) == stands, model


def test_with_nothing_ahead_a_decrease_leaves_from_the_last_backwards() -> None:
    rows = [level(ts_ns, BUY, lots, 900) for ts_ns, lots in ((1, 3), (2, 5), (3, 2))]
    both = levels(market(), *rows, model=FRONT)
    rest(both, BUY, (1, 900))
    at(both, 1)
    rest(both, BUY, (1, 900), account=1)
    at(both, 2)
    assert shown(both) == [(1, 1), (-1, 3), (2, 1), (-1, 2)]
    at(both, 3)
    assert shown(both) == [(1, 1), (-1, 2), (2, 1)]


def test_a_level_that_goes_leaves_the_orders_of_accounts() -> None:
    rows = [level(ts_ns, BUY, lots, 900) for ts_ns, lots in ((1, 3), (2, 5), (3, 0), (4, 2))]
    both = levels(market(), *rows)
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 2)
    at(both, 3)
    assert shown(both) == [(1, 1)]
    at(both, 4)
    assert shown(both) == [(1, 1), (-1, 2)]


def test_stretches_with_no_order_between_them_any_more_are_one() -> None:
    both = levels(market(), level(1, BUY, 3, 900), level(2, BUY, 5, 900))
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 2)
    both.submit(cancel(0, 1))
    assert shown(both) == [(-1, 5)]


def test_a_level_that_comes_across_meets_accounts_at_their_prices() -> None:
    both = levels(market(), level(1, SELL, 9, 902), level(2, BUY, 6, 901))
    at(both, 1)
    rest(both, SELL, (2, 901), (3, 900.5), (1, 901.5))
    assert makers(at(both, 2)) == [(2, 3, 900.5), (1, 2, 901)]
    assert (shown(both), shown(both, SELL), last(both)) == ([(-1, 1)], [(3, 1), (-1, 9)], 901)


def test_a_level_that_is_met_whole_comes_again_with_the_next_row() -> None:
    both = levels(market(), level(1, BUY, 2, 901), level(2, BUY, 2, 901))
    rest(both, SELL, (3, 900))
    assert makers(at(both, 1)) == [(1, 2, 900)]
    assert (shown(both), shown(both, SELL)) == ([], [(1, 1)])
    assert makers(at(both, 2)) == [(1, 1, 900)]
    assert (shown(both), shown(both, SELL)) == ([(-1, 1)], [])


# -- takers, healing --------------------------------------------------------------------------------------------------


def test_what_is_taken_is_missing_until_the_next_level_of_that_price() -> None:
    both = levels(market(), level(1, SELL, 9, 900), level(2, SELL, 4, 901), level(3, SELL, 9, 900))
    at(both, 1)
    assert fills(both.submit(order(1, BUY, 6, 900))) == [(6, 900)]
    at(both, 2)
    assert queue(both, SELL) == [(-1, 900, 3, 0), (-1, 901, 4, 0)]
    at(both, 3)
    assert queue(both, SELL) == [(-1, 900, 9, 0), (-1, 901, 4, 0)]


def test_a_taker_goes_through_stretches_and_accounts_in_their_order() -> None:
    both = levels(market(), level(1, SELL, 2, 900), level(2, SELL, 5, 900))
    at(both, 1)
    rest(both, SELL, (1, 900))
    at(both, 2)
    events = both.submit(order(1, BUY, 5, 900, time_in_force=TimeInForce.IOC))
    assert (fills(events), makers(events)) == ([(2, 900), (1, 900), (2, 900)], [(1, 1, 900)])
    assert shown(both, SELL) == [(-1, 1)]


def test_lots_are_shared_with_every_stretch_in_proportion() -> None:
    both = levels(market(BookRules(fifo_percent=0)), level(1, SELL, 20, 900), level(2, SELL, 30, 900))
    at(both, 1)
    rest(both, SELL, (10, 900))
    at(both, 2)
    events = both.submit(order(1, BUY, 20, 900))
    assert (fills(events), makers(events)) == ([(10, 900), (5, 900), (5, 900)], [(1, 5, 900)])
    assert shown(both, SELL) == [(-1, 10), (1, 5), (-1, 5)]


# -- TRADE, CLEAR, TOP ------------------------------------------------------------------------------------------------


def test_a_trade_fills_an_order_beyond_what_stood_ahead_of_it_and_takes_the_record_from_the_front() -> None:
    """7 lots: 5 ahead, 2 of the account's; the record loses seven, of which two stood behind."""
    both = levels(
        market(), level(1, BUY, 5, 900), level(2, BUY, 9, 900), traded(3, 900, SELL, 7), level(4, BUY, 2, 900)
    )
    at(both, 1)
    rest(both, BUY, (3, 900))
    at(both, 2)
    assert makers(at(both, 3)) == [(1, 2, 900)]
    assert (shown(both), last(both)) == ([(1, 1), (-1, 2)], 900)
    at(both, 4)
    assert shown(both) == [(1, 1), (-1, 2)]


def test_a_trade_ahead_brings_an_order_forward() -> None:
    both = levels(market(), level(1, BUY, 5, 900), traded(2, 900, SELL, 3), traded(3, 900, SELL, 3))
    at(both, 1)
    rest(both, BUY, (3, 900))
    assert at(both, 2) == []
    assert shown(both) == [(-1, 2), (1, 3)]
    assert makers(at(both, 3)) == [(1, 1, 900)]
    assert shown(both) == [(1, 2)]


def test_a_trade_takes_what_is_at_its_price_and_better_alone() -> None:
    both = levels(
        market(), level(1, SELL, 2, 900), level(1, SELL, 3, 901), level(1, SELL, 4, 902), traded(2, 901, BUY, 9)
    )
    at(both, 2)
    assert queue(both, SELL) == [(-1, 902, 4, 0)]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_trade_better_than_all_that_stands_takes_nothing(side: int) -> None:
    both = levels(market(), level(1, -side, 2, 900), traded(2, 900 - side, side, 9))
    at(both, 2)
    assert shown(both, -side) == [(-1, 2)]


def test_an_auction_of_the_record_takes_nothing_of_it() -> None:
    both = levels(market(), level(1, BUY, 2, 900), level(1, SELL, 2, 901), traded(2, 901, 0, 5))
    at(both, 2)
    assert (shown(both), shown(both, SELL), last(both)) == ([(-1, 2)], [(-1, 2)], 901)


def test_clear_takes_away_the_record_alone() -> None:
    both = levels(
        market(), level(1, BUY, 2, 900), level(2, BUY, 4, 900), level(2, SELL, 4, 901), row(FlowKind.CLEAR, 3)
    )
    at(both, 1)
    rest(both, BUY, (1, 900))
    at(both, 3)
    assert (shown(both), shown(both, SELL), done(both)) == ([(1, 1)], [], [(0, 4)])


def test_top_changes_nothing() -> None:
    both = levels(
        market(), level(1, BUY, 2, 900), row(FlowKind.TOP, 2, 0, BUY, 7, 903), row(FlowKind.TOP, 2, 0, SELL, 7, 899)
    )
    at(both, 2)
    assert (queue(both, BUY), queue(both, SELL)) == ([(-1, 900, 2, 0)], [])


def test_while_the_market_is_not_open_levels_come_and_nobody_trades() -> None:
    both = levels(market(), level(2, BUY, 6, 901), traded(3, 900, BUY, 1))
    rest(both, SELL, (2, 900))
    at(both, 1, phase(1, MarketPhase.PRE_OPEN))
    assert at(both, 3) == []
    assert (shown(both), shown(both, SELL)) == ([(-1, 6)], [(1, 2)])
    assert [(abs(e.lots), e.price_ticks / 4) for e in at(both, 4, phase(4, MarketPhase.OPEN)) if e.lots] == [(2, 901)]
    assert (shown(both), shown(both, SELL)) == ([(-1, 4)], [])


# -- the door ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [level(1, BUY, 2, 900), row(FlowKind.TOP, 1, 0, BUY, 2, 900)])
@pytest.mark.parametrize("kind", [FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND, FlowKind.FILL])
def test_levels_beside_orders_are_refused(first: Row, kind: FlowKind) -> None:
    both = market()
    with pytest.raises(VenueError):
        both.attach_flow(0, np.array([first, row(kind, 1, 0, BUY, 1, 900)], dtype=FLOW_DTYPE), 1)
    assert (done(both), queue(both, BUY)) == ([], [])


def test_a_record_of_orders_has_no_lines_of_levels() -> None:
    both = levels(market(), level(1, BUY, 2, 900))
    at(both, 1)
    assert recorded(both) == []
    other = market()
    other.attach_flow(0, np.array([add(1, 0, BUY, 2, 900)], dtype=FLOW_DTYPE), 1)
    at(other, 1)
    assert recorded(other) == [(0, 900, 2, 0)]


def test_a_share_of_what_becomes_part_of_the_level_ahead_is_taken_from_it() -> None:
    """Ten of 4, 1 and 15 are 2, 1 (by levelling) and 7: the order between them is filled, and the two are one."""
    both = levels(market(BookRules(fifo_percent=0, levelling=True)), level(1, SELL, 4, 900), level(2, SELL, 19, 900))
    at(both, 1)
    rest(both, SELL, (1, 900))
    at(both, 2)
    assert shown(both, SELL) == [(-1, 4), (1, 1), (-1, 15)]
    assert fills(both.submit(order(1, BUY, 10, 900))) == [(2, 900), (1, 900), (7, 900)]
    assert shown(both, SELL) == [(-1, 10)]
    both.compare()


def test_a_queue_model_may_be_named_as_the_plan_does() -> None:
    """mbp: estimated, with nobody ahead who cancels; mbo: exact, which levels cannot be."""
    rows = np.zeros(1, dtype=FLOW_DTYPE)
    rows["kind"] = FlowKind.LEVEL
    assert queue_model("mbp", rows) is queue_model("back", rows) is QueueModel.BACK
    assert queue_model("power", rows) is queue_model(QueueModel.POWER, rows) is QueueModel.POWER
    with pytest.raises(InvalidInput, match="the flow is of levels, whose queues are estimated"):
        queue_model("mbo", rows)
    rows["kind"] = FlowKind.ADD
    assert queue_model("mbo", rows) is QueueModel.BACK
    with pytest.raises(InvalidInput, match="queue: is one of front, back, proportional, power, log, mbp, mbo"):
        queue_model("lifo", rows)
