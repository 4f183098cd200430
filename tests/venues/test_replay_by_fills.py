"""A record replayed by hftbacktest's rule: accounts trade by its fills, not by its trades; on both exchanges."""

from __future__ import annotations

import pytest

from novation.domain.enums import EventKind
from novation.domain.errors import VenueError
from novation.domain.flow import FlowKind
from tests.venues.book_cases import BUY, SELL, Pair, market, rest
from tests.venues.flow_cases import add, filled, makers, record, row, traded


def replayed(*rows: tuple[int, ...]) -> Pair:
    """The record by its fills."""
    return record(market(), *rows, by_fills=True)


def test_an_order_ahead_of_one_that_is_filled_trades_whole_and_takes_nothing_from_the_record() -> None:
    """Five stand at 900, ours of seven joins, four of the record behind it; one lot of the last is filled."""
    both = replayed(add(1, 0, BUY, 5, 900), add(3, 1, BUY, 4, 900), traded(5, 900, SELL), filled(5, 1, BUY, 1, 900))
    both.advance(2, [])
    (mine,) = rest(both, BUY, (7, 900))
    assert makers(both.advance(4, [])) == []
    assert makers(both.advance(5, [])) == [(mine, 7, 900)]
    both.compare()
    assert [(level.lots, level.orders) for level in both.venue.book(0).bids] == [(8, 2)]  # type: ignore[union-attr]


def test_a_fill_ahead_of_ours_and_a_trade_through_our_price_do_nothing() -> None:
    """By its trades ours would be filled at 5, where the trade passes it."""
    both = replayed(add(1, 0, BUY, 5, 900), traded(5, 899, SELL, 9), filled(5, 0, BUY, 5, 900))
    both.advance(2, [])
    rest(both, BUY, (7, 900))
    assert makers(both.advance(9, [])) == []
    both.compare()


def test_an_offer_that_comes_to_our_bid_fills_it_whole_at_its_price_and_stays() -> None:
    both = replayed(add(5, 0, SELL, 2, 899))
    (mine,) = rest(both, BUY, (7, 900))
    assert makers(both.advance(5, [])) == [(mine, 7, 900)]
    both.compare()
    assert [level.lots for level in both.venue.book(0).asks] == [2]  # type: ignore[union-attr]


def test_a_taker_of_ours_still_takes_from_the_record() -> None:
    both = replayed(add(1, 0, SELL, 5, 901))
    both.advance(2, [])
    rest(both, BUY, (3, 901))
    events = both.twin.events
    assert sum(abs(e.lots) for e in events if e.kind == EventKind.FILL) == 3
    assert [level.lots for level in both.venue.book(0).asks] == [2]  # type: ignore[union-attr]
    both.compare()


def test_levels_have_no_fills_to_go_by() -> None:
    both = market()
    with pytest.raises(VenueError, match="no fills of orders"):
        record(both, row(FlowKind.LEVEL, 1, side=BUY, lots=3, price=900), slots=0, by_fills=True)
