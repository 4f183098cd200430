"""Orders taken out of a record and sent again: hand-made records whose fates are known, then the real ones."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novation.data.flow import Flow, check
from novation.domain.errors import InvalidInput
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.domain.units import to_ns
from novation.research.validate import Ghost, GhostReport, ghost, read_orders
from novation.research.validate.ghost import AHEAD, IN_THE_WAY, MODELS, OWN, at_least
from novation.research.validate.lives import (
    AGGRESSOR,
    BELOW,
    CROSSED,
    EARLY,
    UNKNOWN,
    batches_of,
    drawn,
    last_rows,
    lives_of,
)

ADD, CANCEL, AMEND = FlowKind.ADD, FlowKind.CANCEL, FlowKind.AMEND
FILL, TRADE, CLEAR = FlowKind.FILL, FlowKind.TRADE, FlowKind.CLEAR
BID, ASK = 1, -1


def recorded(*events: list[tuple[FlowKind, int, int, int, int]], ts_ns: list[int] | None = None) -> Flow:
    """Events of rows (kind, order, side, lots, price); one a second unless their times are given."""
    rows = []
    for number, event in enumerate(events):
        ts = ts_ns[number] if ts_ns else (number + 1) * 1_000_000_000
        rows += [(ts, ts, order, price, lots, int(kind), side, 0) for kind, order, side, lots, price in event]
        rows[-1] = (*rows[-1][:7], LAST)
    array = np.array(rows, dtype=FLOW_DTYPE)
    return check(Flow(array, Decimal(1), Decimal(1), "orders", "record", np.arange(1, len(array) + 1)))


def sent(flow: Flow, **named: Any) -> tuple[GhostReport, dict[int, Ghost]]:
    """All candidates sent again: the report, and the ghosts by their order."""
    report = ghost(flow, orders=None, **named)
    return report, {one.order: one for one in report.ghosts}


def as_recorded(one: Ghost) -> bool:
    """Whether the exchange filled as many lots, in the same events: the trade stands ahead of its fills."""
    told = [(row, lots) for row, lots, _ in one.models["exact"]]
    return sum(lots for _, lots in told) == one.filled() and not one.cause


# -- fates ----------------------------------------------------------------------------------------------------------

QUEUE = recorded(
    [(ADD, 1, BID, 5, 10)],
    [(ADD, 2, BID, 3, 10)],
    [(ADD, 3, BID, 4, 10)],
    [(TRADE, 9, ASK, 6, 10), (FILL, 1, BID, 5, 10), (FILL, 2, BID, 1, 10)],
    [(CANCEL, 2, BID, 2, 10)],
    [(CANCEL, 3, BID, 4, 10)],
)


def test_first_middle_and_last_of_a_queue_are_filled_partly_filled_and_not() -> None:
    report, ghosts = sent(QUEUE)
    assert [one.models["exact"] for one in report.ghosts] == [((3, 5, 10),), ((3, 1, 10),), ()]
    assert [one.filled() for one in report.ghosts] == [5, 1, 0]
    assert all(as_recorded(one) for one in report.ghosts)
    assert report.batches == 3  # no two at one price
    # nothing was cancelled while they waited, so level data knows the queue too; a touch fills everyone
    assert [ghosts[2].filled(model) for model in MODELS] == [1, 1, 1, 1, 1, 1, 3, 0]
    exact, touch = report.scores[0], report.scores[-2]
    assert (exact.both, exact.only_model, exact.only_record, exact.neither) == (2, 0, 0, 1)
    assert (exact.matthews, exact.same_lots, exact.lots_share, exact.same_price) == (1.0, 1.0, 1.0, 1.0)
    assert (exact.late_median_s, exact.late_p90_s) == (0.0, 0.0)
    assert (touch.agreement, touch.matthews, touch.lots_share) == (2 / 3, None, 2.0)


def test_a_cancel_ahead_is_known_by_orders_and_guessed_by_levels() -> None:
    """5 ahead, 4 behind, the 5 go: FRONT knows, BACK believes in 4 left, PROPORTIONAL in 2.22, and 3 trade."""
    _, ghosts = sent(
        recorded(
            [(ADD, 1, ASK, 5, 10)],
            [(ADD, 2, ASK, 3, 10)],
            [(ADD, 3, ASK, 4, 10)],
            [(CANCEL, 1, ASK, 5, 10)],
            [(TRADE, 9, BID, 3, 10), (FILL, 2, ASK, 3, 10)],
            [(CANCEL, 3, ASK, 4, 10)],
        )
    )
    two = ghosts[2]
    filled = {model: two.filled(model) for model in MODELS}
    assert (filled["exact"], filled["front"], filled["back"], filled["proportional"]) == (3, 3, 0, 0)
    assert filled["touch"] == 3
    assert two.reached and as_recorded(two)


def test_a_sweep_fills_each_price_in_its_turn() -> None:
    report, ghosts = sent(
        recorded(
            [(ADD, 1, ASK, 2, 20)],
            [(ADD, 2, ASK, 2, 21)],
            [(ADD, 3, ASK, 2, 22)],
            [(TRADE, 9, BID, 2, 20), (FILL, 1, ASK, 2, 20), (TRADE, 9, BID, 1, 21), (FILL, 2, ASK, 1, 21)],
            [(CANCEL, 2, ASK, 1, 21)],
            [(CANCEL, 3, ASK, 2, 22)],
        )
    )
    assert report.batches == 1
    assert [one.models["exact"] for one in report.ghosts] == [((3, 2, 20),), ((5, 1, 21),), ()]
    assert [one.filled("through") for one in report.ghosts] == [2, 0, 0]
    assert [one.reached for one in report.ghosts] == [True, True, False]
    assert ghosts[1].models["through"] == ((5, 2, 20),)
    assert report.reached[0].ghosts == 2


def test_a_ghost_stands_where_its_order_stood_among_rows_of_the_same_nanosecond() -> None:
    report, ghosts = sent(
        recorded(
            [(ADD, 1, BID, 1, 10)],
            [(ADD, 2, BID, 1, 10)],
            [(ADD, 3, BID, 1, 10)],
            [(TRADE, 9, ASK, 2, 10), (FILL, 1, BID, 1, 10), (FILL, 2, BID, 1, 10)],
            [(CANCEL, 3, BID, 1, 10)],
            ts_ns=[7, 7, 7, 7, 7],
        )
    )
    assert [one.filled("exact") for one in report.ghosts] == [1, 1, 0]
    assert all(as_recorded(one) for one in ghosts.values())


def test_fewer_lots_keep_the_place_and_another_price_ends_the_ghost() -> None:
    report, ghosts = sent(
        recorded(
            [(ADD, 1, BID, 5, 10)],
            [(ADD, 2, BID, 2, 10)],
            [(CANCEL, 1, BID, 1, 10)],
            [(AMEND, 1, BID, 3, 10)],
            [(TRADE, 9, ASK, 4, 10), (FILL, 1, BID, 3, 10), (FILL, 2, BID, 1, 10)],
            [(AMEND, 2, BID, 1, 9)],
            [(TRADE, 9, ASK, 1, 9), (FILL, 2, BID, 1, 9)],
        )
    )
    assert [one.filled("exact") for one in report.ghosts] == [3, 1]
    assert [one.filled() for one in report.ghosts] == [3, 1]
    assert ghosts[2].gone == 7
    assert all(as_recorded(one) for one in report.ghosts)


def test_a_cancel_in_the_event_of_the_trade_is_named_as_the_cause() -> None:
    """As where an owner's two orders would meet: the one that rests is cancelled and the trade goes on behind it."""
    report, ghosts = sent(
        recorded(
            [(ADD, 1, BID, 1, 10)],
            [(ADD, 2, BID, 1, 10)],
            [(TRADE, 9, ASK, 1, 10), (FILL, 2, BID, 1, 10), (CANCEL, 1, BID, 1, 10)],
        )
    )
    assert (ghosts[1].filled(), ghosts[1].filled("exact"), ghosts[1].cause) == (0, 1, OWN)
    assert (ghosts[2].filled(), ghosts[2].filled("exact"), ghosts[2].cause) == (1, 0, AHEAD)
    assert report.causes == {OWN: 1, AHEAD: 1}
    assert [one["order"] for one in report.to_dict()["ghosts"]] == [1, 2]


def test_a_ghost_that_another_one_keeps_from_its_fill_is_told_apart() -> None:
    """1 is passed over in the record, not in the replay, so the ghost of 2 still stands and takes what 3 was to get."""
    flow = recorded(
        [(ADD, 1, BID, 1, 11)],
        [(ADD, 2, BID, 1, 11)],
        [(ADD, 3, BID, 1, 10)],
        [(TRADE, 9, ASK, 1, 11), (FILL, 2, BID, 1, 11), (CANCEL, 1, BID, 1, 11)],
        [(TRADE, 9, ASK, 1, 10), (FILL, 3, BID, 1, 10)],
    )
    report, ghosts = sent(flow, open_from="1970-01-01T00:00:02Z")
    assert report.batches == 1
    assert [(one.order, one.filled("exact"), one.cause) for one in report.ghosts] == [(2, 1, AHEAD), (3, 0, IN_THE_WAY)]
    alone, ghosts = sent(flow, open_from="1970-01-01T00:00:02Z", together=1)
    assert alone.batches == 2 and as_recorded(ghosts[3])


# -- who is a candidate ---------------------------------------------------------------------------------------------


def test_orders_of_no_known_fate_are_left_out_by_reason() -> None:
    flow = recorded(
        [(ADD, 1, BID, 1, 10)],  # before the opening
        [(ADD, 2, BID, 1, 9)],  # stands at the end
        [(ADD, 3, ASK, 1, 12)],
        [(TRADE, 3, ASK, 1, 10), (FILL, 1, BID, 1, 10), (CANCEL, 3, ASK, 1, 12)],  # the order that stood came to trade
        [(ADD, 4, ASK, 1, 9), (CANCEL, 2, BID, 1, 9)],  # across the best
        [(CANCEL, 4, ASK, 1, 9)],
        [(ADD, 2, BID, 1, 9)],
        [(ADD, 5, BID, 1, 8)],
        [(CANCEL, 5, BID, 1, 8)],
        [(ADD, 6, BID, 1, 8)],
        [(CLEAR, 0, 0, 0, 0)],
    )
    refused = [life.refused for life in lives_of(flow, open_from_ns=2_000_000_000)]
    assert refused == [EARLY, "", AGGRESSOR, CROSSED, UNKNOWN, "", UNKNOWN]
    report = ghost(flow, open_from="1970-01-01T00:00:02Z")
    assert (report.orders, report.candidates) == (7, 2)
    assert report.left_out == {UNKNOWN: 2, EARLY: 1, AGGRESSOR: 1, CROSSED: 1}


def test_orders_at_or_below_zero_are_left_out_and_the_rest_is_sent() -> None:
    report, ghosts = sent(
        recorded(
            [(CLEAR, 0, 0, 0, 0)],
            [(ADD, 1, BID, 4, -10)],
            [(ADD, 2, ASK, 4, 1)],
            [(TRADE, 9, BID, 3, 1), (FILL, 2, ASK, 3, 1)],
            [(CANCEL, 2, ASK, 1, 1)],
            [(CANCEL, 1, BID, 4, -10)],
        )
    )
    assert report.left_out == {BELOW: 1}
    assert as_recorded(ghosts[2]) and ghosts[2].models["exact"] == ((3, 3, 1),)


def test_no_two_of_a_batch_stand_at_one_price_at_a_time_nor_more_than_allowed() -> None:
    events = []
    for order in range(1, 41):
        events.append([(ADD, order, BID, 1, 100 + order % 7)])
        if order > 12:
            events.append([(CANCEL, order - 12, BID, 1, 100 + (order - 12) % 7)])
    flow = recorded(*events)
    lives = [life for life in lives_of(flow) if not life.refused]
    ends = last_rows(flow, lives, 0)
    for together in (1, 3, 20):
        batches = batches_of(lives, ends, together)
        assert sorted(life.added for batch in batches for life in batch) == [life.added for life in lives]
        for batch in batches:
            for row in range(len(flow)):
                prices = [life.price_ticks for life in batch if life.added <= row <= ends[life.added]]
                assert len(prices) == len(set(prices)) <= together


def test_a_sample_is_of_its_seed() -> None:
    lives = [life for life in lives_of(QUEUE) if not life.refused]
    assert drawn(lives, 3, 0) == drawn(lives, None, 1) == lives
    assert len({drawn(lives, 1, seed)[0].order for seed in range(30)}) == 3
    one, same = (ghost(QUEUE, orders=2, seed=5) for _ in range(2))
    assert one == same and one.scores[0].ghosts == 2


def test_level_data_and_nonsense_are_refused() -> None:
    flow = Flow(QUEUE.rows, QUEUE.tick, QUEUE.lot, "levels", "record", QUEUE.records)
    with pytest.raises(InvalidInput, match="is level data, which tells of no single order"):
        ghost(flow)
    with pytest.raises(InvalidInput, match=r"orders: must be 1 or more \(found 0\)"):
        ghost(QUEUE, orders=0)
    with pytest.raises(InvalidInput, match="has no order that came, stood and went while the market was open"):
        ghost(QUEUE, open_from="1980-01-01")
    with pytest.raises(InvalidInput, match="is no order-by-order record"):
        read_orders("trades.parquet")


# -- the report -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("compared", "needed"), [(59, 59), (100, 99), (200, 196), (300, 292), (500, 484), (1000, 962)])
def test_the_lower_bound_is_the_table_of_v14(compared: int, needed: int) -> None:
    assert at_least(needed, compared) >= 0.95 > at_least(needed - 1, compared)


def test_the_report_prints_a_table_and_is_plain_data() -> None:
    report = ghost(QUEUE)
    shown = str(report)
    assert "3 ghosts of 3 candidates among 3 orders" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("  ")][1:9] == [
        "exact", "front", "back", "proportional", "power(2)", "log", "touch", "through",
    ]  # fmt: skip
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["scores"][0]["model"] == "exact" and plain["ghosts"] == []


# -- real records ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.data
def test_a_thousand_orders_of_es_are_filled_as_they_were(novation_data: Path) -> None:
    """Where the exchange says otherwise there is a cancel in the event (docs/validation/ghost_orders.md)."""
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    flow = read_orders(path, tick="0.25", open_from="2023-12-25T23:00Z")
    report = ghost(flow, open_from="2023-12-25T23:00Z")
    assert (report.orders, report.candidates) == (29_299, 17_100)
    exact = report.scores[0]
    assert (exact.both, exact.only_model, exact.only_record, exact.neither) == (279, 4, 0, 717)
    assert exact.agreement_low > 0.99
    assert all(score.agreement < exact.agreement for score in report.scores[1:])
    assert set(report.causes) <= {OWN, AHEAD, IN_THE_WAY}


@pytest.mark.slow
@pytest.mark.data
def test_orders_of_bitstamp_are_filled_as_they_were_if_arrivals_are_held_back(novation_data: Path) -> None:
    path = novation_data / "crypto_l3/bitstamp_btcusd_2015-05-01_orders.csv.xz"
    agreement = {}
    for hold in (False, True):
        report = ghost(read_orders(path, tick="0.01", repair=True, hold=hold), orders=3000)
        agreement[hold] = report.scores[0].agreement
    assert agreement[True] > 0.999 > 0.98 > agreement[False] - 0.01


@pytest.mark.slow
@pytest.mark.data
def test_with_the_cancels_of_an_event_told_first_every_order_of_es_is_as_it_was(novation_data: Path) -> None:
    """What is left between the exchange and the record is who is cancelled by the event that reaches it."""
    opens = "2023-12-25T23:00Z"
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    flow = read_orders(path, tick="0.25", open_from=opens)
    rows = flow.rows
    event = np.cumsum(np.append(0, rows["flags"][:-1] & LAST))
    of_order = rows["kind"] != TRADE
    in_event = Counter(zip(event[of_order].tolist(), rows["order"][of_order].tolist(), strict=True))
    aggressors = set(zip(event[~of_order].tolist(), rows["order"][~of_order].tolist(), strict=True))
    keys = list(zip(event.tolist(), rows["order"].tolist(), strict=True))
    alone = np.array([key not in aggressors and in_event[key] == 1 for key in keys])
    first = (rows["kind"] == CANCEL) & alone & (rows["ts_ns"] >= to_ns(opens))
    order = np.lexsort((np.arange(len(rows)), ~first, event))
    told = rows[order]
    told["flags"] = rows["flags"]
    told_first = check(replace(flow, rows=told, records=flow.records[order]), open_spans=[(to_ns(opens), 1 << 62)])
    report = ghost(told_first, orders=2000, open_from=opens)
    assert (report.scores[0].agreement, report.scores[0].same_lots, report.causes) == (1.0, 1.0, {})
