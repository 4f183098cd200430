"""Recorded levels with accounts in them, on both exchanges; and a real capture of a perpetual's book."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.data.flow import read_binance_stream
from novation.domain.book import BookRules
from novation.domain.enums import QueueModel
from novation.domain.flow import LAST, FlowKind
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import book_scenarios, level_scenarios
from tests.venues.book_pair import pair
from tests.venues.test_deleveraging import TERMS
from tests.venues.test_edges import coin

CAPTURE = "binance_um/l2_stream/btcusdt_20240808.gz"


@pytest.mark.parametrize("kind", book_scenarios.KINDS)
@settings(max_examples=scaled(1_000, 15))
@given(seed=st.integers(0, 2**32), model=st.sampled_from(level_scenarios.MODELS))
def test_a_run_between_recorded_levels_is_the_same_on_both(kind: str, seed: int, model: QueueModel) -> None:
    r = Random(seed)
    level_scenarios.random_run(r, pair(level_scenarios.setup(r, kind)), 80, model)


@pytest.mark.skipif(not os.environ.get("NOVATION_DATA"), reason="NOVATION_DATA names no folder of real data")
def test_a_capture_of_a_book_replays_uncrossed_to_the_book_that_it_tells() -> None:
    flow = read_binance_stream(Path(os.environ["NOVATION_DATA"]) / CAPTURE, tick="0.1", lot="0.001")
    btc = msgspec.structs.replace(coin(tick_e8=10_000_000, lot_e8=100_000), id="x:C0")
    venue = Venue(binance_usdm.RULES, [btc], [[TERMS]], books={btc.id: BookRules()})
    venue.attach_flow(0, flow.rows)
    told: dict[int, dict[int, int]] = {1: {}, -1: {}}
    stops = [int(ts_ns) for ts_ns in flow.rows["ts_ns"][:: len(flow.rows) // 60]]
    rows, at, crossed = flow.rows.tolist(), 0, 0
    for stop in stops:
        while at < len(rows) and rows[at][0] <= stop:
            _, _, _, ticks, lots, kind, side, flags = rows[at]
            if kind == FlowKind.CLEAR:
                told = {1: {}, -1: {}}
            elif kind == FlowKind.LEVEL:
                told[side][ticks] = lots
                if not lots:
                    del told[side][ticks]
            elif kind == FlowKind.TRADE:  # the levels that it took come later
                other, left = told[-side], lots
                for price in sorted((p for p in other if side * (p - ticks) <= 0), key=lambda p: side * p):
                    gone = min(left, other[price])
                    left -= gone
                    other[price] -= gone
                    if not other[price]:
                        del other[price]
            last_is_event = bool(flags & LAST)
            at += 1
        venue.advance(stop)
        shown = venue.book(0)
        if told[1] and last_is_event:
            crossed += shown.bids[0].price_ticks >= shown.asks[0].price_ticks
            for side, levels in ((1, shown.bids), (-1, shown.asks)):
                best = max(told[side]) if side > 0 else min(told[side])
                assert levels[0].price_ticks == best
                assert {x.price_ticks: x.lots for x in levels[10:]}.items() <= told[side].items()
    assert crossed == 0 and at > len(rows) // 2
