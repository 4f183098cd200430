"""What a venue refuses to be given, what it keeps, and what a snapshot puts back."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from novation import _jit
from novation.domain.book import BookRules
from novation.domain.commands import place_limit, place_market, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, HOUR_NS, NO_CAP
from novation.engine.strategy import compiled, equity, limit
from novation.reference import Reference
from novation.venues import binance_usdm, cme_globex
from novation.venues.venue import Venue
from tests.venues.scenarios import array
from tests.venues.test_edges import BTC, TERMS, coin


def venue(**options) -> Venue:
    """Two perpetuals with one row of terms each, one account."""
    return Venue(binance_usdm.RULES, [coin(), coin()], [[TERMS], [TERMS]], **options)


def bars(count: int, price_e8: int = BTC) -> np.ndarray:
    """Hourly bars of the first perpetual that go nowhere."""
    rows = []
    for i in range(count):
        rows.append(
            MarketEvent(
                ts_ns=i * HOUR_NS,
                kind=MarketEventKind.BAR_OPEN,
                instrument=0,
                bar=i,
                last_e8=price_e8,
                mark_e8=price_e8,
            )
        )
        flat = {f"{which}{name}_e8": price_e8 for which in ("last", "mark") for name in ("", "_high", "_low")}
        rows.append(
            MarketEvent(
                ts_ns=(i + 1) * HOUR_NS,
                kind=MarketEventKind.BAR_CLOSE,
                instrument=0,
                bar=i,
                start_ns=i * HOUR_NS,
                **flat,
            )
        )
    return array(rows)


def test_a_command_beyond_int64_is_refused_and_changes_nothing() -> None:
    made = Venue(binance_usdm.RULES, [coin()], [[Terms(effective_ns=0, tiers=(Tier(0, 1 << 60, 1_000_000, 20, 0),))]])
    before = made.state_hash()
    with pytest.raises(VenueError, match="int64"):
        made.submit(transfer(0, 1 << 63))
    assert made.state_hash() == before


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"kind": MarketEventKind.TERMS, "terms": 1}, "names terms that are not its instrument's"),
        ({"kind": MarketEventKind.TERMS, "terms": 2}, "names terms that are not its instrument's"),
        ({"kind": MarketEventKind.FUNDING, "rate_e8": E8 + 1}, "funding rate beyond 100 %"),
        ({"kind": MarketEventKind.FUNDING, "rate_e8": -E8 - 1}, "funding rate beyond 100 %"),
        ({"kind": MarketEventKind.SETTLEMENT, "trade_date": -1}, "negative trade date"),
        ({"kind": MarketEventKind.BAR_OPEN, "mark_e8": 1 << 61}, "price beyond"),
        ({"kind": 6}, "kind 6"),
        ({"kind": MarketEventKind.FUNDING, "instrument": 2}, "instrument 2"),
    ],
)
def test_a_feed_that_means_nothing_is_refused_whole(row: dict, problem: str) -> None:
    v = venue()
    before = v.state_hash()
    good = MarketEvent(ts_ns=0, kind=MarketEventKind.FUNDING, instrument=1, rate_e8=E8)
    bad = MarketEvent(**{"ts_ns": 1, "instrument": 0, **row})
    with pytest.raises(VenueError, match=f"row 1 of the feed.*{problem}|row 1 of the feed has {problem}"):
        v.attach(array([good, bad]))
    assert v.state_hash() == before and v.next_instant() is None


def test_a_bracket_above_one_hundred_per_cent_is_refused() -> None:
    terms = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, E8 + 1, 1, 0),))
    with pytest.raises(InvalidInput, match=r"between 0 and 1.*1\.00000001"):
        Venue(binance_usdm.RULES, [coin()], [[terms]])


def test_a_compiled_run_works_more_orders_than_the_table_had_rows() -> None:
    @compiled(sent="i8")
    def many(venue, bar, my):
        if my.sent == 0:
            for i in range(60):
                limit(venue, 0, 1, 1, 100_000 - i)
        my.sent += 1

    v = venue(orders=4)
    v.submit(transfer(0, 10**13))
    v.attach(bars(3))
    function, record, address = many.bind()
    v.run_compiled(function, address)
    assert record["sent"][0] == 3
    assert v.number("working") == 60
    assert len(v.table("order")) >= 60


def test_equity_of_a_compiled_strategy_is_that_of_the_whole_account() -> None:
    @compiled(seen="i8")
    def look(venue, bar, my):
        my.seen = equity(venue)

    v = venue()
    v.submit(transfer(0, 10**12))
    v.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    v.attach(bars(3))
    v.advance(0)
    v.submit(place_market(0, 0, Side.BUY, 100))
    function, record, address = look.bind()
    v.run_compiled(function, address)
    assert v.account(0).positions[0].isolated_margin > 0
    assert record["seen"][0] == v.account(0).equity == v.money(0)[1]


def test_a_restored_snapshot_forgets_the_samples_and_the_log_of_what_came_after() -> None:
    v = venue(sampling=True, buffer=8)
    v.log = []
    v.submit(transfer(0, 10**12))
    v.attach(bars(40))
    v.advance(5 * HOUR_NS)
    v.submit(place_market(0, 0, Side.BUY, 1))
    kept = v.snapshot()
    known = {name: v.sampled(name).tobytes() for name in ("sample", "holding")}, b"".join(v.log)

    def rest(of: Venue) -> tuple:
        of.advance(40 * HOUR_NS)
        return {name: of.sampled(name).tobytes() for name in ("sample", "holding")}, b"".join(of.log or ())

    after = rest(v)
    for other in (v, venue(sampling=True, buffer=8)):
        other.restore(kept)
        assert ({name: other.sampled(name).tobytes() for name in ("sample", "holding")}, b"".join(other.log)) == known
        assert rest(other) == after


def test_an_event_in_the_buffer_is_not_lost_by_a_snapshot() -> None:
    v = venue()
    v.submit(transfer(0, 10**12))
    v.attach(bars(2))
    v.step(0)
    v.submit(place_limit(0, 0, Side.BUY, 1, 100_000))
    v.snapshot()
    kinds = [e.kind for e in v.submit(place_market(0, 0, Side.BUY, 1))]
    assert kinds == [EventKind.ORDER_ACCEPTED, EventKind.FILL]


@pytest.mark.skipif(_jit.JIT, reason="with JIT on there is no list of tables")
def test_without_jit_the_tables_of_a_dead_venue_are_forgotten() -> None:
    gc.collect()
    before = len(_jit._TABLES)
    v = venue()
    assert len(_jit._TABLES) > before
    del v
    gc.collect()
    assert len(_jit._TABLES) == before


def test_a_mark_that_takes_a_position_out_of_the_integers_is_an_error_and_no_number() -> None:
    v = venue()
    v.submit(transfer(0, 10**16))
    v.attach(bars(1, 100 * E8))
    v.advance(0)
    v.submit(place_market(0, 0, Side.BUY, 1_000_000))
    wild = MarketEvent(ts_ns=2 * HOUR_NS, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=1 << 53, mark_e8=1 << 53)
    with pytest.raises(VenueError, match=r"beyond 2\*\*62 minor units.*marks before"):
        v.advance(2 * HOUR_NS, array([wild]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"books": 5}, "books: is by id of an instrument: a dict"),
        ({"ladders": [1]}, "ladders: is by id of an instrument: a dict"),
        ({"impacts": 5}, "impacts: is by id of an instrument: a dict"),
        ({"books": {"cme:ESZ2026": {}}}, "books cme:ESZ2026: is no BookRules"),
        ({"ladders": {"cme:ESZ2026": {}}}, "ladders cme:ESZ2026: is no Ladder"),
    ],
)
def test_what_is_given_by_instrument_is_a_dict_of_the_right_things(given: dict[str, Any], said: str) -> None:
    es = Reference().instrument("cme:ESZ2026")
    terms = Terms(effective_ns=0, initial_per_lot=2, maintenance_per_lot=1)
    with pytest.raises(InvalidInput, match=said):
        Venue(cme_globex.RULES, [es], [[terms]], **given)


def test_no_depth_of_a_book_is_none() -> None:
    es = Reference().instrument("cme:ESZ2026")
    terms = Terms(effective_ns=0, initial_per_lot=2, maintenance_per_lot=1)
    venue = Venue(cme_globex.RULES, [es], [[terms]], books={es.id: BookRules()})
    assert venue.book(0, depth=1).bids == ()
    for depth in (0, -1, True):
        with pytest.raises(VenueError, match="shows nothing"):
            venue.book(0, depth=depth)
