"""The Markov order book and a market maker on it, against what is known of them: V4, V5, V6.

Each bound is four standard errors, crossed by chance once in 16,000 draws; the seeds are fixed. The two further
questions of V4, and other spreads, are held against the chain itself, solved here as a linear system.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin, sqrt

import numpy as np
import pytest

from novation.domain.errors import InvalidInput
from novation.research.validate.book_model import (
    CANCEL_RATES,
    LIMIT_RATES,
    MARKET_RATE,
    LongRun,
    Odds,
    book_odds,
    book_stationary,
)
from novation.research.validate.market_making import market_making
from tests.conftest import scaled

#: P(the mid moves up) by orders at the best bid (rows) and ask, as printed in V4.
V4 = (
    (0.5000, 0.3352, 0.2590, 0.2158, 0.1878),
    (0.6648, 0.5000, 0.4069, 0.3479, 0.3072),
    (0.7410, 0.5931, 0.5000, 0.4366, 0.3906),
    (0.7842, 0.6521, 0.5634, 0.5000, 0.4523),
    (0.8122, 0.6928, 0.6094, 0.5477, 0.5000),
)
#: The table is rounded to four digits.
ROUNDED = 0.00005


def agrees(odds: Odds, expected: float, rounded: float = 0.0) -> bool:
    return abs(odds.probability - expected) <= 4 * odds.standard_error + rounded


@pytest.mark.slow
@pytest.mark.parametrize(("bid", "ask"), [(b, a) for b in range(1, 6) for a in range(1, 6)])
def test_the_mid_moves_up_as_often_as_the_table_says(bid: int, ask: int) -> None:
    odds = book_odds(bid, ask, "up", runs=scaled(200_000, floor=5_000), seed=100 * bid + ask)
    assert agrees(odds, V4[bid - 1][ask - 1], ROUNDED), odds


def solved(bid: int, ask: int, spread: int, question: str, most: int) -> float:
    """The same probability from the chain itself: states (orders up to mine, orders behind) of each side.

    most: orders of a side at which the chain is cut off, as their chance no longer counts.
    """
    limit, cancel, market = LIMIT_RATES[spread - 1], CANCEL_RATES[spread - 1], MARKET_RATE
    inside = sum(LIMIT_RATES[: spread - 1])
    states: dict[tuple[int, int, int, int], int] = {}
    todo = [(bid, 0, ask, 0)]

    def moves(s: tuple[int, int, int, int]) -> list[tuple[float, tuple[int, int, int, int] | float]]:
        """(rate, state or value). A side is (a, b): a orders up to mine, b behind; a = 0: mine has traded.
        Without an own order on a side all its orders are counted in b."""
        found: list[tuple[float, tuple[int, int, int, int] | float]] = []
        for side in (0, 1):
            a, b = s[2 * side], s[2 * side + 1]
            mine = a > 0
            sides = list(s)

            def at(a: int, b: int, sides: list[int] = sides, side: int = side) -> tuple[int, int, int, int]:
                changed = list(sides)
                changed[2 * side], changed[2 * side + 1] = a, b
                return (changed[0], changed[1], changed[2], changed[3])

            if a + b < most:
                found.append((limit, at(a, b + 1)))
            taken = at(a - 1, b) if mine else at(0, b - 1)
            found.append((market, ended(taken, side)))
            if mine and a > 1:
                found.append((cancel * (a - 1), at(a - 1, b)))
            if b > 0:
                found.append((cancel * b, ended(at(a, b - 1), side)))
            if inside:
                found.append((inside, 0.0))
        return found

    def ended(s: tuple[int, int, int, int], side: int) -> tuple[int, int, int, int] | float:
        mine = (s[0], s[2]) if question == "both" else (s[0],)
        if not any(mine):
            return 1.0
        return 0.0 if s[2 * side] + s[2 * side + 1] == 0 else s

    start = (bid, 0, ask, 0) if question == "both" else (bid, 0, 0, ask)
    todo = [start]
    while todo:
        s = todo.pop()
        if s in states:
            continue
        states[s] = len(states)
        todo += [to for _, to in moves(s) if isinstance(to, tuple)]
    matrix, right = np.zeros((len(states), len(states))), np.zeros(len(states))
    for s, row in states.items():
        for rate, to in moves(s):
            matrix[row, row] += rate
            if isinstance(to, tuple):
                matrix[row, states[to]] -= rate
            else:
                right[row] += rate * to
    return float(np.linalg.solve(matrix, right)[states[start]])


def test_the_solved_chain_gives_the_printed_cells() -> None:
    assert solved(1, 1, 1, "fill", 24) == pytest.approx(0.5025, abs=ROUNDED)


@pytest.mark.slow
@pytest.mark.parametrize("question", ["fill", "both"])
@pytest.mark.parametrize(("bid", "ask", "spread"), [(1, 1, 1), (3, 2, 1), (2, 4, 1), (1, 2, 2), (2, 2, 3)])
def test_my_orders_fill_as_often_as_the_chain_says(bid: int, ask: int, spread: int, question: str) -> None:
    expected = solved(bid, ask, spread, question, 24 if question == "fill" else 11)
    odds = book_odds(bid, ask, question, spread=spread, runs=scaled(400_000, floor=5_000), seed=11 * bid + ask)
    assert agrees(odds, expected, 1e-4), (odds, expected)


def test_both_orders_of_one_fill_as_often_as_the_orientation_cell_says() -> None:
    odds = book_odds(1, 1, "both", runs=scaled(400_000, floor=20_000), seed=5)
    assert agrees(odds, 0.2658, ROUNDED)


def balanced(n: int, p: int) -> float:
    """Cont and de Larrard's P(up): the integral of V5 by the trapezoid rule."""
    points = 200_001
    total = 0.0
    for k in range(1, points):
        t = pi * k / points
        inner = 2 - cos(t) - sqrt((2 - cos(t)) ** 2 - 1)
        total += inner**p * sin(n * t) * cos(t / 2) / sin(t / 2)
    return (total + 0.5 * 2 * n) / points


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p", "printed"), [(1, 2, 0.3023), (2, 1, 0.6977), (2, 3, 0.3767), (3, 1, 0.7906)])
def test_balanced_queues_without_cancellations_go_up_as_the_integral_says(n: int, p: int, printed: float) -> None:
    assert balanced(n, p) == pytest.approx(printed, abs=ROUNDED)
    rates = {"limit_rates": (1.0,), "cancel_rates": (0.0,), "market_rate": 1.0}
    odds = book_odds(n, p, "up", runs=scaled(200_000, floor=5_000), seed=n + 7 * p, **rates)
    assert agrees(odds, balanced(n, p))


@pytest.mark.slow
def test_a_market_maker_earns_what_the_paper_s_strategy_does() -> None:
    made = market_making(runs=scaled(200_000, floor=4_000), seed=1)
    error = 6.55 / made.runs**0.5
    assert made.mean_spread == pytest.approx(1.492, abs=0.0005)
    assert made.mean_profit == pytest.approx(64.87, abs=max(0.1, 4 * error))
    assert made.sd_profit == pytest.approx(6.55, abs=max(0.15, 4 * error))
    assert made.mean_inventory == pytest.approx(0.0, abs=4 * 2.93 / made.runs**0.5)
    assert made.sd_inventory == pytest.approx(2.93, abs=max(0.02, 4 * 2.93 / (2 * made.runs) ** 0.5))


# -- the whole book -------------------------------------------------------------------------------------------------


class Naive:
    """The same book as counts by price, a second time: no orders, no queues."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.sides: dict[int, dict[int, int]] = {1: {-k: 5 for k in range(5)}, -1: {1 + k: 5 for k in range(5)}}
        self.time = 0.0
        self.spread_time: dict[int, float] = {}
        self.changes = 0

    def best(self, side: int) -> int:
        return max(self.sides[1]) if side > 0 else min(self.sides[-1])

    def step(self) -> None:
        bid, ask = self.best(1), self.best(-1)
        choices: list[tuple[float, Callable[[], None]]] = []

        def change(side: int, price: int, by: int) -> Callable[[], None]:
            def act() -> None:
                level = self.sides[side]
                if by < 0 and sum(level.values()) == 1:
                    return
                level[price] = level.get(price, 0) + by
                if not level[price]:
                    del level[price]

            return act

        for side, own, other in ((1, bid, ask), (-1, ask, bid)):
            for i, rate in enumerate(LIMIT_RATES, 1):
                choices.append((rate, change(side, other - side * i, 1)))
            choices.append((MARKET_RATE, change(side, own, -1)))
            for price, orders in self.sides[side].items():
                theta = CANCEL_RATES[min(abs(other - price), 5) - 1]
                choices.append((theta * orders, change(side, price, -1)))
        weights = np.array([rate for rate, _ in choices])
        wait = self.random.exponential(1 / weights.sum())
        self.spread_time[ask - bid] = self.spread_time.get(ask - bid, 0.0) + wait
        self.time += wait
        x = self.random.random() * weights.sum()
        choices[min(int(np.searchsorted(weights.cumsum(), x, side="right")), len(choices) - 1)][1]()
        self.changes += self.best(1) + self.best(-1) != bid + ask


def test_the_long_run_is_that_of_a_naive_book() -> None:
    """Means of ten batches each; their difference within four standard errors, estimated from the batches."""
    batch = 100
    ours = [book_stationary(batch, seed=seed) for seed in range(10)]
    theirs: list[tuple[float, float, float]] = []
    naive = Naive(3)
    while naive.time < 20:
        naive.step()
    for _ in range(10):
        naive.time, naive.spread_time, naive.changes = 0.0, {}, 0
        while naive.time < batch / 4:
            naive.step()
        mean = sum(k * t for k, t in naive.spread_time.items()) / naive.time
        theirs.append((mean, naive.spread_time.get(1, 0.0) / naive.time, naive.changes / naive.time))

    def three(run: LongRun) -> tuple[float, float, float]:
        return run.mean_spread, run.spread_probabilities[1], run.mid_changes_per_time

    for mine, other in zip(np.array([three(run) for run in ours]).T, np.array(theirs).T, strict=True):
        error = sqrt(mine.var(ddof=1) / len(mine) + other.var(ddof=1) / len(other))
        assert abs(mine.mean() - other.mean()) <= 4 * error, (mine.mean(), other.mean(), error)


def test_the_long_run_adds_up() -> None:
    run = book_stationary(2_000, seed=1)
    assert sum(run.spread_probabilities.values()) == pytest.approx(1.0)
    assert min(run.spread_probabilities) == 1
    assert run.mean_spread == pytest.approx(sum(k * p for k, p in run.spread_probabilities.items()))
    assert run.skipped < run.events // 100
    assert run == book_stationary(2_000, seed=1) != book_stationary(2_000, seed=2)


@pytest.mark.parametrize(
    "wrong",
    [{"question": "down"}, {"bid": 0}, {"ask": -1}, {"spread": 6}, {"spread": 0}, {"runs": 0}],
)
def test_what_cannot_be_asked_is_refused_by_name(wrong: dict[str, object]) -> None:
    asked: dict[str, object] = {"bid": 1, "ask": 1, "question": "up", "runs": 10}
    (name,) = wrong
    with pytest.raises(InvalidInput, match=f"--{name}"):
        book_odds(**(asked | wrong))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="--time"):
        book_stationary(1)
