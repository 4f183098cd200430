"""Models found again in flow that was drawn from them, counts worked out by hand, refusals, and the real records.

Drawn numbers are held to four standard errors: crossed by chance once in 16,000 draws each, so once in a thousand for
the 12 of zero intelligence, in 400 for the some forty of each of the others. The seeds are fixed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from novation.data.flow import Flow, read_orders
from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.order_flow import HAWKES_KINDS, Hawkes, OrderFlow, QueueReactive, Sizes, ZeroIntelligence
from novation.research.calibrate import MODELS, Estimate, FlowCalibration, calibrate_flow, read_model, write_model
from novation.research.calibrate import hawkes as likelihoods
from novation.research.calibrate.estimates import sizes
from novation.research.calibrate.walk import AGGRESSOR, AUCTION, CROSSED, SMALLER, UNUSABLE
from novation.research.calibrate.zero_intelligence import FAR
from tests.conftest import scaled
from tests.research.calibrate.flows import (
    ADD,
    AMEND,
    ASK,
    BID,
    CANCEL,
    FILL,
    TRADE,
    hawkes_flow,
    hawkes_times,
    queue_reactive,
    recorded,
    zero_intelligence,
)


def found(report: FlowCalibration, what: str, **at: int) -> Estimate:
    """The one estimate of that name and place."""
    (one,) = [e for e in report.estimates if e.what == what and all(getattr(e, k) == v for k, v in at.items())]
    return one


def agrees(one: Estimate, truth: float) -> bool:
    """Within four standard errors; those are of the truth's own count where it is known."""
    error = math.sqrt(truth * one.exposure) / one.exposure if one.exposure else 0.0
    return abs(one.rate - truth) <= 4 * error


# ------------------------------------------------------------ by hand

TEN = (
    (0.0, ADD, 1, BID, 4, 99),  # the book is one-sided for a second
    (1.0, ADD, 2, ASK, 2, 101),  # best ask 101: two ticks from the bid
    (3.0, ADD, 3, BID, 6, 100),  # 1 from the ask
    (4.0, ADD, 4, ASK, 2, 103),  # 3 from the bid
    (5.0, CANCEL, 1, BID, 1, 99),  # made smaller: left out
    (6.0, TRADE, 9, BID, 2, 101),  # a market buy of 2 takes the ask at 101
    (6.0, FILL, 2, ASK, 2, 101),  # best ask 103
    (8.0, ADD, 5, BID, 1, 101),  # 2 from the ask
    (9.0, CANCEL, 3, BID, 6, 100),  # 3 from the ask, one of one order there
    (10.0, AMEND, 4, ASK, 2, 102),  # leaves 103, 2 from the bid 101, and joins 102, 1 from it
)


def test_ten_rows_are_counted_as_by_hand() -> None:
    report = calibrate_flow(recorded(*TEN), "zero-intelligence", reach=2)
    # from 1 to 10 both sides stand: nine seconds, eighteen of both
    assert report.seconds == 9.0
    assert report.left_out == {UNUSABLE: 2, SMALLER: 1, FAR: 1, "seconds with a side empty": 1.0}
    assert report.events == {"limit": 3, "cancel": 2, "market": 1}
    assert [found(report, "limit", distance=i).events for i in (1, 2)] == [2, 1]
    assert found(report, "limit", distance=1).rate == 2 / 18
    assert found(report, "limit", distance=1).standard_error == pytest.approx(2**0.5 / 18)
    # orders by distance (bids from the best ask, asks from the best bid), each second:
    #   1-3   bid 99: 2                    ask 101: 2
    #   3-6   bid 99: 2, 100: 1            ask 101: 1   (from 4 on also 103: 3)
    #   6-8   bid 99: 4, 100: 3            ask 103: 3
    #   8-9   bid 99: 4, 100: 3, 101: 2    ask 103: 2
    #   9-10  bid 99: 4, 101: 2            ask 103: 2
    standing = [found(report, "cancel", distance=i).exposure for i in (1, 2, 3)]
    assert standing == [3 + 3, 2 + 2 + 3 + 1 + 1 + 1 + 1, 2 + 2 * 3 + 2 + 1]
    assert [found(report, "cancel", distance=i).events for i in (1, 2, 3)] == [0, 1, 1]
    assert found(report, "market").rate == 1 / 18
    assert isinstance(report.model, ZeroIntelligence)
    assert report.model.cancel == (0.0, 1 / 11, 1 / 11)
    assert report.model.limit_lots == Sizes((1, 2, 6), (1.0, 1.0, 1.0))
    assert report.model.market_lots == Sizes((2,), (1.0,))


def test_ten_rows_by_queue_as_by_hand() -> None:
    report = calibrate_flow(recorded(*TEN), "queue-reactive", reach=2)
    assert report.seconds == 9.0
    # the reference price: 100.5 from the first second on (beside the mid 100, where none was before), 101.5 from 6 on,
    # and still where the mid is 102, from 8 on
    assert report.events == {"limit": 3, "cancel": 2, "market": 1}
    assert isinstance(report.model, QueueReactive)
    assert report.model.unit == (3, 4)  # 6, 1 and 2 lots come to distance 1; 6 and 2 leave distance 2
    # the best queues at distance 1: the ask at 101 of 2 lots until 6, the bid at 100 of 6 lots (two units) from 3 to 6,
    # the bid at 101 of a lot from 8 on
    assert [found(report, "market", distance=1, units=n).exposure for n in (1, 2)] == [5 + 2, 3]
    assert found(report, "market", distance=1, units=1).rate == 1 / 7
    empty = found(report, "limit", distance=1, units=0)
    assert (empty.events, empty.exposure) == (3, 18 - 10)


def test_orders_that_are_no_arrivals_are_left_out_and_counted() -> None:
    rows = (
        *TEN,
        (11.0, ADD, 6, ASK, 5, 101),  # across the bid at 101, and it stays there
        (12.0, CANCEL, 6, ASK, 5, 101),
        (13.0, TRADE, 0, 0, 1, 101),  # of an auction
        (14.0, TRADE, 8, ASK, 1, 101),
    )
    report = calibrate_flow(recorded(*rows), "zero-intelligence", reach=5)
    assert (report.left_out[CROSSED], report.left_out[AUCTION], report.left_out[UNUSABLE]) == (1, 1, 3)
    assert (report.seconds, report.left_out["seconds in which the book crossed"]) == (12.0, 1.0)


def test_what_an_aggressor_loses_is_no_cancellation() -> None:
    rows = [(10.5, ADD, 7, ASK, 1, 104), (11.0, TRADE, 4, ASK, 1, 101), (11.0, CANCEL, 4, ASK, 2, 102)]
    flow = recorded(*TEN, *rows, (12.0, ADD, 8, ASK, 1, 105), (13.0, ADD, 9, ASK, 1, 105))
    flow.rows["flags"][11] = 0  # trade and loss are one event
    report = calibrate_flow(flow, "zero-intelligence", reach=5)
    assert report.left_out[AGGRESSOR] == 1
    assert report.events["cancel"] == 2


def test_a_market_order_of_several_trades_is_one() -> None:
    rows = [(11.0, ADD, 6, ASK, 5, 104), (12.0, TRADE, 7, BID, 2, 102), (12.0, TRADE, 7, BID, 3, 104)]
    flow = recorded(
        *TEN, *rows, (12.0, FILL, 4, ASK, 2, 102), (12.0, FILL, 6, ASK, 3, 104), (13.0, CANCEL, 5, BID, 1, 101)
    )
    flow.rows["flags"][11:14] = 0
    report = calibrate_flow(flow, "zero-intelligence", reach=5)
    assert report.events["market"] == 2
    assert isinstance(report.model, ZeroIntelligence)
    assert report.model.market_lots == Sizes((2, 5), (1.0, 1.0))


def test_more_sizes_than_32_become_groups_of_the_same_mean() -> None:
    counts = {lots: 1 + lots % 3 for lots in range(1, 1001)}
    merged = sizes(counts)
    assert len(merged.lots) <= 32
    assert sum(merged.weights) == sum(counts.values())
    mean = sum(lots * n for lots, n in counts.items()) / sum(counts.values())
    assert sum(a * b for a, b in zip(merged.lots, merged.weights, strict=True)) / sum(merged.weights) == pytest.approx(
        mean, rel=0.001
    )


# ------------------------------------------------------------ drawn

#: Cancellations at half of the published rates of V4, so that no side ever empties.
FEWER = ZeroIntelligence(limit=(1.85, 1.51, 1.09, 0.88, 0.77), cancel=(0.35, 0.40, 0.34, 0.28, 0.23, 0.1), market=0.94)
QUEUES = QueueReactive(
    limit=((2.0, 2.0, 1.6, 1.3, 1.0, 0.8), (1.0, 0.9, 0.6, 0.5)),
    cancel=((0.0, 0.0, 0.5, 0.8, 1.2, 1.7), (0.0, 0.3, 0.8, 1.4)),
    market=((0.0, 0.0, 0.7, 0.6, 0.5, 0.4), (0.0, 0.0, 0.0, 0.0)),
    unit=(3, 5),
)
EXCITED = Hawkes(
    base=(0.5, 0.6, 0.3, 0.4, 0.1, 0.12),
    jump=(
        (1.0, 0.0, 0.5, 0.0, 0.8, 0.0),
        (0.0, 1.2, 0.0, 0.5, 0.0, 0.8),
        (0.9, 0.0, 0.3, 0.0, 0.0, 0.5),
        (0.0, 0.8, 0.0, 0.4, 0.5, 0.0),
        (0.2, 0.0, 0.0, 0.3, 1.0, 0.0),
        (0.0, 0.2, 0.3, 0.0, 0.0, 1.1),
    ),
    decay=4.0,
    limit_at=(1.0, 1.0, 1.0),
)


def test_zero_intelligence_is_found_again() -> None:
    flow = zero_intelligence(FEWER, scaled(60_000, floor=12_000), 1)
    report = calibrate_flow(flow, "zero-intelligence", reach=5, open_from=0)
    for i, rate in enumerate(FEWER.limit, 1):
        assert agrees(found(report, "limit", distance=i), rate), i
    for i, rate in enumerate(FEWER.cancel, 1):
        assert agrees(found(report, "cancel", distance=i), rate), i
    assert agrees(found(report, "market"), FEWER.market)
    assert report.out_of_sample.gain > 0.05  # cancellations do ask how many orders stand


def test_queues_are_found_again() -> None:
    flow = queue_reactive(QUEUES, scaled(100_000, floor=20_000), 2)
    report = calibrate_flow(flow, "queue-reactive", reach=2, open_from=0)
    assert isinstance(report.model, QueueReactive)
    assert report.model.unit == QUEUES.unit
    seen = 0
    for one in report.estimates:
        assert one.distance and one.units is not None
        row = getattr(QUEUES, one.what)[one.distance - 1]
        last = len(report.model.limit[one.distance - 1]) - 1
        if one.units < last or last >= len(row):  # the last one stands for several
            assert agrees(one, row[min(one.units, len(row) - 1)]), one
            seen += 1
    assert seen >= 25
    for row in report.model.queues:
        assert sum(row) == pytest.approx(1.0)
    assert report.out_of_sample.gain > 0.02
    # in the long run as many units come to a queue of n as leave one of n + 1
    stands = report.model.queues[0]
    for n in range(2, 5):
        up = QUEUES.limit[0][n] * stands[n]
        down = (QUEUES.cancel[0][n + 1] + QUEUES.market[0][n + 1]) * stands[n + 1]
        assert up == pytest.approx(down, rel=0.15)


@pytest.fixture(scope="module")
def excited() -> tuple[np.ndarray, np.ndarray, float]:
    end = float(scaled(20_000, floor=3_000))
    return (*hawkes_times(EXCITED, end, 3), end)


def test_a_hawkes_process_is_found_again(excited: tuple[np.ndarray, np.ndarray, float]) -> None:
    at, kind, _ = excited
    # from the last event on nothing is recorded, so the flow ends there; the book stands from 0 on
    report = calibrate_flow(hawkes_flow(at, kind, 3, 4), "hawkes", reach=3, open_from=0)
    assert report.seconds == pytest.approx(float(at[-1]), abs=1e-8)
    assert sum(report.events.values()) == len(at)
    assert isinstance(report.model, Hawkes)
    for k, name in enumerate(HAWKES_KINDS):
        base = found(report, f"{name}: base")
        assert base.standard_error is not None
        assert abs(base.rate - EXCITED.base[k]) <= 4 * base.standard_error
        for j, other in enumerate(HAWKES_KINDS):
            one = found(report, f"{name}: jump after {other}")
            error = one.standard_error
            assert abs(one.rate - EXCITED.jump[k][j]) <= (4 * error if error else 0.25), (name, other, one)
    decay = found(report, "decay")
    assert decay.standard_error is not None
    assert abs(decay.rate - EXCITED.decay) <= 4 * decay.standard_error
    assert report.branching == pytest.approx(EXCITED.branching(), abs=0.05)
    assert report.in_sample is not None
    assert report.in_sample.gain > report.out_of_sample.gain * 0.5 > 0.05


def plainly(at: np.ndarray, kind: np.ndarray, end: float, model: Hawkes) -> float:
    """The log likelihood by the recursion, one event after another."""
    excited, total, before = [0.0] * 6, 0.0, 0.0
    for now, k in zip(at.tolist(), kind.tolist(), strict=True):
        excited = [r * math.exp(-model.decay * (now - before)) for r in excited]
        total += math.log(model.base[k] + sum(a * r for a, r in zip(model.jump[k], excited, strict=True)))
        excited[k] += 1.0
        before = now
        for row in model.jump:
            total -= row[k] * (1.0 - math.exp(-model.decay * (end - now))) / model.decay
    return total - sum(model.base) * end


def test_the_likelihood_is_that_of_the_recursion(excited: tuple[np.ndarray, np.ndarray, float]) -> None:
    at, kind, _ = excited
    at, kind = at[:2_000], kind[:2_000]
    end = float(at[-1]) + 0.5
    fitted = likelihoods.fit_at(at, kind, end, 4.0)
    theta = fitted.theta.tolist()
    model = msgspec.structs.replace(
        EXCITED, base=tuple(row[0] for row in theta), jump=tuple(tuple(row[1:]) for row in theta)
    )
    assert fitted.log_likelihood == pytest.approx(plainly(at, kind, end, model), rel=1e-9)
    assert fitted.log_likelihood > plainly(at, kind, end, EXCITED)
    # nowhere beside it is it better: the fit is the top of a concave function
    random = np.random.default_rng(5)
    for _ in range(20):
        beside = np.maximum(0.0, fitted.theta * random.uniform(0.9, 1.1, fitted.theta.shape))
        near = msgspec.structs.replace(
            EXCITED, base=tuple(beside[:, 0].tolist()), jump=tuple(map(tuple, beside[:, 1:].tolist()))
        )
        assert plainly(at, kind, end, near) <= fitted.log_likelihood


def test_events_of_one_instant_do_not_excite_each_other() -> None:
    at, kind = np.array([1.0, 1.0, 2.0, 2.0, 2.5]), np.array([0, 1, 0, 0, 5])
    rows = likelihoods.Excited(at, kind, 2.0).rows
    near, far = math.exp(-2.0), math.exp(-1.0)
    assert rows[0].tolist() == rows[1].tolist() == [0.0] * 6
    assert rows[2] == pytest.approx([near, near, 0, 0, 0, 0])
    assert rows[4] == pytest.approx([(near + 2) * far, near * far, 0, 0, 0, 0])


# ------------------------------------------------------------ refused


def without(flow: Flow, *kinds: Any) -> Flow:
    kept = ~np.isin(flow.rows["kind"], [int(kind) for kind in kinds])
    return replace(flow, rows=flow.rows[kept], records=flow.records[kept])


@pytest.mark.parametrize("model", MODELS)
def test_what_has_no_answer_is_refused(model: str) -> None:
    flow = recorded(*TEN)
    for wrong, named, said in (
        (without(flow, TRADE), {}, "has no market order"),
        (without(flow, CANCEL, AMEND), {}, "has no cancellation"),
        (recorded(*(row for row in TEN if row[3] == BID)), {}, "never shows a bid and an ask"),
        (flow, {"open_from": 11 * 10**9}, "never shows a bid and an ask"),
        (replace(flow, rows=flow.rows[:0], records=flow.records[:0]), {}, "has no row"),
        (replace(flow, kind="levels"), {}, "is level data"),
        (flow, {"reach": 0}, "is 1 to 10,000 ticks"),
    ):
        with pytest.raises(InvalidInput, match=said):
            calibrate_flow(wrong, model, **{"reach": 5, **named})


def test_too_few_events_for_feedback_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one event or more on average"):
        calibrate_flow(recorded(*TEN), "hawkes", reach=5)


def test_a_wrong_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is one of zero-intelligence, queue-reactive, hawkes"):
        calibrate_flow(recorded(*TEN), "zero")


# ------------------------------------------------------------ files


@pytest.mark.parametrize("model", [FEWER, QUEUES, EXCITED])
@pytest.mark.parametrize("name", ["model.json", "model.yaml"])
def test_a_written_model_is_read_back(model: OrderFlow, name: str, tmp_path: Path) -> None:
    write_model(model, tmp_path / name)
    assert read_model(tmp_path / name) == model
    with pytest.raises(InvalidInput, match="is there already"):
        write_model(model, tmp_path / name)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for text, said in (
        ("{}", "is no model"),
        ('{"type": "zero-intelligence", "limit": [-1], "cancel": [1], "market": 1}', "is a rate"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_model(path)
    with pytest.raises(ConfigError, match="no such file"):
        read_model(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput, match="ends in"):
        read_model(tmp_path / "model.toml")


# ------------------------------------------------------------ real records


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_an_hour_of_the_e_mini(model: str, novation_data: Path) -> None:
    path = novation_data / "cme/l3_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    opens = "2023-12-25T23:00Z"
    report = calibrate_flow(read_orders(path, tick="0.25", open_from=opens), model, open_from=opens)
    assert report.seconds == pytest.approx(3599.447, abs=0.001)
    assert report.events["market"] == 2933
    if model != "zero-intelligence":  # docs/validation/flow_models.md says why not
        assert report.out_of_sample.gain > 0.05


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_five_hours_of_a_spot_book(model: str, novation_data: Path) -> None:
    path = novation_data / "crypto_l3/bitstamp_btcusd_2015-05-01_orders.csv.xz"
    report = calibrate_flow(read_orders(path, tick="0.01", repair=True), model, reach=100)
    assert report.events["market"] == 384
    assert report.out_of_sample.gain > 0.0
    assert "what an aggressor lost of an order that stood" in report.left_out
