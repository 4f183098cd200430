"""The feed: several histories as one array of market events in the order of the exchange's clock."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.data import History, build_feed
from novation.data.feed import settlement_ticks
from novation.domain.enums import MarketEventKind as Kind
from novation.domain.errors import InvalidInput
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8, HOUR_NS, to_ns
from tests.conftest import python_calls

START_NS = to_ns("2024-03-01")


def rows(feed: np.ndarray, kind: Kind) -> np.ndarray:
    return feed[feed["kind"] == kind]


def test_each_bar_opens_and_closes_with_its_prices_and_its_row(hourly, perpetual) -> None:
    feed = build_feed({3: perpetual(hourly(2), hourly(2, price=200.0))}, settlement_tick_e8={}, terms={})
    assert feed.dtype == MARKET_DTYPE
    assert feed["kind"].tolist() == [Kind.BAR_OPEN, Kind.BAR_CLOSE, Kind.BAR_OPEN, Kind.BAR_CLOSE]
    assert ((feed["ts_ns"] - START_NS) // HOUR_NS).tolist() == [0, 1, 1, 2]
    opened, closed = feed[2], feed[3]
    assert (opened["bar"], opened["last_e8"], opened["mark_e8"]) == (1, 101 * E8, 201 * E8)
    assert (opened["last_high_e8"], opened["start_ns"]) == (0, 0)
    assert closed["start_ns"] == START_NS + HOUR_NS
    assert (closed["last_e8"], closed["last_high_e8"], closed["last_low_e8"]) == (
        10_150_000_000,
        10_250_000_000,
        100 * E8,
    )
    assert (closed["mark_e8"], closed["mark_high_e8"], closed["mark_low_e8"]) == (
        20_150_000_000,
        20_250_000_000,
        200 * E8,
    )
    assert set(feed["instrument"].tolist()) == {3}


def test_funding_carries_its_rate_and_the_mark_that_opens_at_the_stamp(hourly, perpetual) -> None:
    prepared = perpetual(hourly(10), hourly(10, price=200.0), 0.0003)
    funding = rows(build_feed({0: prepared}, settlement_tick_e8={}, terms={}), Kind.FUNDING)
    assert funding["rate_e8"].tolist() == [30_000, 30_000]
    assert funding["mark_e8"].tolist() == [200 * E8, 208 * E8]


def test_the_feed_is_sorted_by_time_then_kind_then_instrument(hourly, perpetual, dated) -> None:
    prepared = {2: perpetual(hourly(30), funding=0.0001), 0: dated(hourly(40)), 1: dated(hourly(24))}
    feed = build_feed(
        prepared,
        settlement_tick_e8={0: E8, 1: E8},
        terms={1: [(0, 0), (START_NS + 24 * HOUR_NS, 1)], 2: [(0, 0), (START_NS + HOUR_NS, 1)]},
    )
    keys = list(zip(feed["ts_ns"].tolist(), feed["kind"].tolist(), feed["instrument"].tolist(), strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert rows(feed, Kind.SETTLEMENT)["instrument"].tolist() == [0, 1, 0]


def test_only_terms_after_the_first_and_before_the_end_become_rows(hourly, perpetual) -> None:
    changes = [(0, 4), (START_NS + HOUR_NS, 5), (START_NS + 10 * HOUR_NS, 6)]
    terms = rows(build_feed({0: perpetual(hourly(5))}, settlement_tick_e8={}, terms={0: changes}), Kind.TERMS)
    assert terms["terms"].tolist() == [5]
    assert terms["ts_ns"].tolist() == [START_NS + HOUR_NS]


def test_a_settlement_off_the_tick_goes_to_the_nearest_and_a_tie_towards_the_one_before() -> None:
    assert settlement_ticks(np.array([101, 124, 126, 149]), 25, before_e8=0).tolist() == [4, 5, 5, 6]
    tied = np.array([200, 125, 225, 125, 75])  # tick 50: ties at 125, 225, 125, 75
    assert settlement_ticks(tied, 50, before_e8=0).tolist() == [4, 3, 4, 3, 2]
    assert settlement_ticks(np.array([-125]), 50, before_e8=0).tolist() == [-2]


@given(st.lists(st.integers(-400, 400), min_size=1, max_size=30), st.sampled_from([1, 2, 4, 10, 25]))
def test_a_settlement_never_moves_more_than_half_a_tick(prices: list[int], tick: int) -> None:
    ticks = settlement_ticks(np.array(prices), tick, before_e8=0)
    assert (2 * np.abs(ticks * tick - prices) <= tick).all()


def test_settlements_without_a_tick_are_refused(hourly, dated) -> None:
    with pytest.raises(InvalidInput, match="settlement_tick_e8 instrument 0: no settlement tick"):
        build_feed({0: dated(hourly(24))}, settlement_tick_e8={}, terms={})


def test_no_history_gives_an_empty_feed() -> None:
    assert len(build_feed({}, settlement_tick_e8={}, terms={})) == 0


def test_fifty_eight_thousand_bars_become_a_feed_without_a_look_at_each() -> None:
    count = 58_000
    stamps = START_NS + np.arange(count) * HOUR_NS
    price = np.full(count, 100.0)
    frame = pl.DataFrame({"ts": stamps, "open": price, "high": price, "low": price, "close": price})
    prepared = History(frame, funding=0.0001).prepare("BTCUSDT", perpetual=True, daily_settled=False)
    made = []
    assert python_calls(lambda: made.append(build_feed({0: prepared}, settlement_tick_e8={}, terms={}))) < 1_000
    assert len(made[0]) == 2 * count + count // 8


def test_a_settlement_is_on_the_tick_in_force_and_of_the_exchanges_date(hourly, dated) -> None:
    prepared = dated(hourly(72, price=100.3))  # settles at the end of each UTC day
    feed = build_feed(
        {0: prepared},
        settlement_tick_e8={0: 10_000_000},
        terms={},
        tick_steps={0: [(0, 1), (START_NS + 30 * HOUR_NS, 5)]},
        zone="America/Chicago",
    )
    settled = rows(feed, Kind.SETTLEMENT)
    assert ((settled["ts_ns"] - START_NS) // HOUR_NS).tolist() == [24, 48, 72]
    closes = (prepared.settlement_e8 / E8).tolist()
    assert closes == pytest.approx([123.8, 147.8, 171.8])
    assert settled["price_ticks"].tolist() == [1_238, 1_480, 1_720]  # on 0.1, then on 0.5
    assert settled["trade_date"].tolist() == [START_NS // (24 * HOUR_NS) + n for n in range(3)]
