"""What a decrease of a level does to our place in it, by each model: bounds, worked numbers, the same bits anywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.enums import QueueModel
from novation.rules.queue_position import MICRO, chance_ahead, lost_ahead

AMOUNTS = st.integers(0, 1 << 59)


def lost(model: QueueModel, front: float, back: float, decrease: float, *, n: float = 1.0, unit: int = MICRO) -> int:
    """Of lots, in micro-lots."""
    sizes = (round(x * MICRO) for x in (front, back, decrease))
    return int(lost_ahead(int(model), n, unit, *sizes))


def test_the_bounds_take_all_they_can_from_one_end() -> None:
    assert lost(QueueModel.FRONT, 10, 5, 4) == 4 * MICRO
    assert lost(QueueModel.FRONT, 3, 5, 4) == 3 * MICRO
    assert lost(QueueModel.BACK, 10, 5, 4) == 0
    assert lost(QueueModel.BACK, 10, 5, 7) == 2 * MICRO


@pytest.mark.parametrize(
    ("model", "n", "expected"),
    [
        (QueueModel.PROPORTIONAL, 1.0, 1.0),
        (QueueModel.POWER, 1.0, 1.0),
        (QueueModel.POWER, 2.0, 4 * 1 / 10),
        (QueueModel.POWER, 0.0, 2.0),
        (QueueModel.LOG, 1.0, 4 * math.log(2) / (math.log(2) + math.log(4))),
    ],
)
def test_one_lot_ahead_and_three_behind_lose_four_times_a_share(model: QueueModel, n: float, expected: float) -> None:
    """Of 1 and 3 lots each a hundredfold; 4 lots leave. LOG is told to count in hundreds."""
    assert lost(model, 100, 300, 4, n=n, unit=100 * MICRO) == pytest.approx(expected * MICRO, abs=1)


def test_what_is_behind_cannot_lose_more_than_it_has() -> None:
    """Half of 1000 leave, by probability 250 of them behind us; there are only 5, so 495 ahead of us go."""
    assert lost(QueueModel.POWER, 1000, 5, 500, n=0.0) == 495 * MICRO


def test_a_share_is_rounded_down_against_us() -> None:
    assert int(lost_ahead(int(QueueModel.PROPORTIONAL), 1.0, MICRO, 2, 1, 1)) == 0
    assert int(lost_ahead(int(QueueModel.PROPORTIONAL), 1.0, MICRO, 1 << 58, 1 << 58, 7)) == 3


@given(st.sampled_from(QueueModel), st.sampled_from([0.5, 1.0, 2.0, 3.0, 50.0]), AMOUNTS, AMOUNTS, st.data())
def test_every_answer_leaves_both_ends_what_they_have(
    model: QueueModel, n: float, front: int, back: int, data: st.DataObject
) -> None:
    decrease = data.draw(st.integers(0, front + back))
    ahead = int(lost_ahead(int(model), n, MICRO, front, back, decrease))
    assert 0 <= ahead <= front
    assert 0 <= decrease - ahead <= back


@given(st.integers(1, 1 << 58), st.integers(1, 1 << 58), st.data())
def test_proportional_is_exact(front: int, back: int, data: st.DataObject) -> None:
    decrease = data.draw(st.integers(0, front + back))
    exact = front * decrease // (front + back)
    least, most = max(0, decrease - back), min(front, decrease)
    ahead = int(lost_ahead(int(QueueModel.PROPORTIONAL), 1.0, MICRO, front, back, decrease))
    assert ahead == min(most, max(least, exact))


def test_an_extreme_power_does_not_overflow() -> None:
    assert chance_ahead(int(QueueModel.POWER), 1000.0, 1.0, 1e6) == 0.0
    assert chance_ahead(int(QueueModel.POWER), 1000.0, 1e6, 1.0) == 1.0
