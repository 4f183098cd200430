"""Delays: fixed, drawn, recorded, received; the numbers drawn are those of the published generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from novation.domain.errors import InvalidInput
from novation.domain.latency import MODULUS, PROFILES, Delay, Draws, Latency

EVERY = np.arange(0, 50, 10)


def delays(way: Delay, instants: np.ndarray = EVERY) -> list[int]:
    """What messages at these instants take."""
    return [int(delay) for delay in way.at(instants, Draws(0, 0))]


def test_the_ten_thousandth_number_after_one_is_the_published_one() -> None:
    """399268537: C++ names it as the 10,000th of `minstd_rand`, begun at 1 (ISO/IEC 14882, [rand.predef])."""
    draws = Draws(0, 0)
    draws.state = 1
    assert draws.many(10_000)[-1] == 399_268_537


def test_numbers_are_the_same_however_many_are_drawn_at_once() -> None:
    whole, parts = Draws(7, 2), Draws(7, 2)
    assert list(whole.many(5_000)) == [int(parts.many(1)[0]) for _ in range(5_000)]
    assert whole.state == parts.state


@pytest.mark.parametrize("seed", [0, -1, MODULUS - 2, 1 << 40])
def test_any_seed_will_do_and_ways_differ(seed: int) -> None:
    first, second = (Draws(seed, way).many(100) for way in (0, 1))
    assert first.min() > 0 and first.max() < MODULUS and not np.array_equal(first, second)


def test_ways_and_seeds_beside_each_other_draw_apart() -> None:
    """Over 4,000 seeds the first numbers of two ways, or of two seeds, are alike odd or even in half: 2,000, give or
    take five standard errors, 158; one false alarm in 1.7 million, seeds fixed."""
    odd = np.array([[Draws(seed, way).many(1)[0] % 2 for way in (0, 1)] for seed in range(4_000)])
    assert abs(int((odd[:, 0] == odd[:, 1]).sum()) - 2_000) < 159
    assert abs(int((odd[1:, 0] == odd[:-1, 0]).sum()) - 2_000) < 159


def test_a_fixed_delay_is_always_the_same() -> None:
    assert delays(Delay.fixed(7)) == [7] * 5


def test_drawn_delays_come_as_often_as_they_were_measured() -> None:
    """Of 20,000 draws a quarter, give or take five standard errors, 306: one false alarm in 1.7 million."""
    found = Delay.drawn([5, 5, 5, 90]).at(np.zeros(20_000, np.int64), Draws(3, 1))
    assert abs(int((found == 90).sum()) - 5_000) < 307 and set(found.tolist()) == {5, 90}


def test_a_recorded_delay_is_that_of_the_latest_message_by_then() -> None:
    assert delays(Delay.recorded([10, 11, 30], [4, 6, 1])) == [4, 4, 6, 1, 1]


def test_of_a_received_feed_nothing_newer_is_seen_than_had_come() -> None:
    """Happened at 3, 5, 8, 35, received at 12, 20, 17, 40: no message overtakes an earlier one."""
    way = Delay.received([3, 5, 8, 35], [12, 20, 17, 40])
    assert [int(at) - delay for at, delay in zip(EVERY, delays(way), strict=True)] == [0, 2, 8, 8, 35]
    assert delays(way, np.array([50, 1_000])) == [5, 5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Delay.fixed(-1), "between 0 and a day"),
        (lambda: Delay.drawn([]), "whole ns, one at least"),
        (lambda: Delay.drawn([1.5]), "whole ns"),
        (lambda: Delay.recorded([2, 1], [1, 1]), "ascend"),
        (lambda: Delay.recorded([1], [1, 1]), "one of each"),
        (lambda: Delay.received([5], [4]), "received before it happened"),
        (lambda: Latency.of(0, Delay.received([1], [2]), 0), "those of a feed"),
        (lambda: Draws(1.5, 0), "seed.*whole number"),
        (lambda: Delay.drawn(np.array([1 << 63], np.uint64)), "beyond int64"),
        (lambda: Latency.profile("moon"), "no such profile.*colocated, institutional, retail"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){message}"):
        make()


def test_profiles_are_slower_the_farther_away() -> None:
    ways = [[int(way.ns[0]) for way in (p.feed, p.entry, p.response)] for p in PROFILES.values()]
    assert list(PROFILES) == ["colocated", "institutional", "retail"] and ways == sorted(ways)
