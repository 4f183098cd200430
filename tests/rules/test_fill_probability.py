"""Whether an order fills before the mid moves: chains solved by hand, known figures, what has to hold of any rates."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.errors import InvalidInput
from novation.domain.order_flow import QueueReactive, ZeroIntelligence
from novation.research.validate.book_model import CANCEL_RATES, LIMIT_RATES, MARKET_RATE, book_odds
from novation.rules.fill_probability import (
    Queue,
    even_queue,
    fill_probability,
    queue_reactive_queue,
    up_probability,
    zero_intelligence_queue,
)
from tests.conftest import scaled
from tests.validation.test_book_model import ROUNDED, V4, balanced, solved

pytestmark = pytest.mark.skipif(
    not JIT, reason="chains of thousands of states, with the compiler; many minutes without"
)

PUBLISHED = ZeroIntelligence(limit=LIMIT_RATES, cancel=CANCEL_RATES, market=MARKET_RATE)
#: Rates of queues, and how many orders stand.
RATES = st.floats(0.0, 5.0).map(lambda rate: round(rate, 2))
FEW = st.integers(1, 5)


def published(own: int, other: int, spread: int = 1, seconds: float | None = None) -> float:
    """My order last of `own` orders, as V4 asks."""
    queues = (
        zero_intelligence_queue(PUBLISHED, spread, own, own=True),
        zero_intelligence_queue(PUBLISHED, spread, other),
    )
    inside = 2.0 * sum(LIMIT_RATES[: spread - 1])
    return fill_probability(*queues, own - 1, 0, other, inside=inside, seconds=seconds)


# ------------------------------------------------------------ by hand


@pytest.mark.parametrize(("ahead", "opposite"), [(0, 1), (0, 3), (2, 1), (3, 4)])
def test_market_orders_alone_are_a_race(ahead: int, opposite: int) -> None:
    """Each next market order takes of either queue with its share: mine needs ahead + 1 before theirs has had
    `opposite`."""
    buys, sells = Fraction(1), Fraction(3)
    share = sells / (buys + sells)  # sellers take from my bid
    needed = ahead + 1
    expected = sum(
        Fraction(math.comb(needed - 1 + lost, lost)) * share**needed * (1 - share) ** lost for lost in range(opposite)
    )
    found = fill_probability(even_queue(0, 0, 3, ahead + 1), even_queue(0, 0, 1, opposite), ahead, 0, opposite)
    assert found == pytest.approx(float(expected), rel=1e-14)


def test_a_queue_that_only_dies_fills_by_the_product_of_its_shares() -> None:
    """Against one order that leaves at rate 1 and never has company: each of my steps comes first with its share."""
    own, other = even_queue(0, 0.5, 2.0, 6), even_queue(0, 1.0, 0, 1)
    expected = 1.0
    for ahead in range(5, -1, -1):
        rate = 2.0 + 0.5 * ahead
        expected *= rate / (rate + 1.0)
    assert fill_probability(own, other, 5, 0, 1) == pytest.approx(expected, rel=1e-14)


def test_a_lone_order_fills_in_time_by_the_exponential() -> None:
    own, other = even_queue(0, 0, 2.0, 1), even_queue(0, 0, 1.0, 1)
    for seconds in (0.0, 0.1, 1.0, 30.0):
        expected = 2 / 3 * (1 - math.exp(-3 * seconds))
        assert fill_probability(own, other, 0, 0, 1, seconds=seconds) == pytest.approx(expected, abs=1e-14)
    # an order between the best prices ends it as well
    assert fill_probability(own, other, 0, 0, 1, inside=3.0) == pytest.approx(2 / 6)


def test_an_erlang_time_where_only_mine_can_move() -> None:
    """Three market orders at rate 2 within 1.5: one less the Poisson chance of two or fewer."""
    own, other = even_queue(0, 0, 2.0, 3), even_queue(1.0, 0, 0, 4)
    expected = 1 - math.exp(-3) * (1 + 3 + 9 / 2)
    assert fill_probability(own, other, 2, 0, 2, seconds=1.5) == pytest.approx(expected, abs=1e-14)
    assert fill_probability(own, other, 2, 0, 2) == pytest.approx(1.0)


def test_what_can_never_happen_has_no_probability() -> None:
    still = even_queue(0, 0, 0, 3)
    assert fill_probability(still, still, 1, 0, 2) == 0.0
    assert fill_probability(still, still, 1, 0, 2, seconds=5.0) == 0.0
    assert fill_probability(still, even_queue(0, 0, 1, 3), 1, 0, 2) == 0.0


# ------------------------------------------------------------ known figures


@pytest.mark.parametrize(("own", "other", "spread"), [(1, 1, 1), (3, 2, 1), (2, 4, 1), (1, 2, 2), (2, 2, 3)])
def test_it_is_what_the_chain_says(own: int, other: int, spread: int) -> None:
    assert published(own, other, spread) == pytest.approx(solved(own, other, spread, "fill", 24), abs=1e-10)


def test_the_orientation_cell_of_the_table() -> None:
    assert published(1, 1) == pytest.approx(0.5025, abs=ROUNDED)


@pytest.mark.parametrize(("own", "other", "spread"), [(1, 1, 1), (4, 3, 1), (2, 2, 2)])
def test_the_exchange_fills_as_often(own: int, other: int, spread: int) -> None:
    """Four standard errors of a seeded run: crossed by chance once in 16,000 draws."""
    odds = book_odds(own, other, "fill", spread=spread, runs=scaled(400_000, floor=20_000), seed=31 * own + other)
    assert abs(odds.probability - published(own, other, spread)) <= 4 * odds.standard_error


def test_the_mid_goes_up_as_the_table_says() -> None:
    queue = zero_intelligence_queue(PUBLISHED, 1, 5)
    for bids, row in enumerate(V4, 1):
        for asks, printed in enumerate(row, 1):
            assert up_probability(queue, queue, bids, asks) == pytest.approx(printed, abs=ROUNDED)


@pytest.mark.parametrize(("n", "p"), [(1, 2), (2, 1), (2, 3), (3, 1)])
def test_balanced_queues_empty_as_the_integral_says(n: int, p: int) -> None:
    """V5, Cont and de Larrard's closed form; cut off at 40 orders."""
    queue = even_queue(1.0, 0.0, 1.0, 40)
    assert up_probability(queue, queue, n, p) == pytest.approx(balanced(n, p), abs=5e-5)


# ------------------------------------------------------------ of any rates


@settings(max_examples=scaled(2_000, floor=30))
@given(RATES, RATES, RATES, RATES, RATES, RATES, RATES, st.integers(0, 5), FEW)
def test_it_falls_with_who_is_ahead_and_rises_with_time_and_who_is_opposite(
    join: float, leave: float, take: float, leaves: float, takes: float, inside: float, t: float, ahead: int, other: int
) -> None:
    own, theirs = even_queue(0, leave, take, 8), even_queue(join, leaves, takes, 24)

    def asked(ahead: int, other: int, seconds: float | None = None) -> float:
        return fill_probability(own, theirs, ahead, 0, other, inside=inside, seconds=seconds)

    here = asked(ahead, other)
    assert 0.0 <= here <= 1.0
    assert asked(ahead + 1, other) <= here + 1e-12
    assert asked(ahead, other + 1) >= here - 1e-12
    assert asked(ahead, other, t) <= asked(ahead, other, 2 * t) + 1e-12 <= here + 2e-12


@settings(max_examples=scaled(500, floor=15))
@given(RATES, RATES.map(lambda rate: rate + 0.1), RATES.map(lambda rate: rate + 0.1), st.integers(0, 3), FEW)
def test_in_the_end_time_is_no_limit(join: float, leave: float, take: float, ahead: int, other: int) -> None:
    own, theirs = even_queue(0, leave, take, 8), even_queue(join, leave, take, 24)
    whole = fill_probability(own, theirs, ahead, 0, other)
    assert fill_probability(own, theirs, ahead, 0, other, seconds=1e5) == pytest.approx(whole, abs=1e-9)


@settings(max_examples=scaled(300, floor=10))
@given(st.lists(RATES, min_size=3, max_size=6), st.lists(RATES, min_size=3, max_size=6), FEW, FEW)
@example([0.0, 1.0, 0.0], [0.0, 0.0, 0.0], 1, 1)
@example([0.0, 1.0, 0.0], [0.0, 0.0, 1.0], 1, 3)
def test_the_move_up_of_one_is_the_move_down_of_the_other(
    joins: list[float], takes: list[float], bids: int, asks: int
) -> None:
    """Queues whose rates depend on what stands there, mirrored."""

    def queue(some: list[float], others: list[float]) -> Queue:
        rows = [np.array([row[min(n, len(row) - 1)] for n in range(13)]) for row in (some, [1.5], others)]
        return Queue(rows[0], rows[1], rows[2] + 0.1)

    one, two = queue(joins, takes), queue(takes, joins)
    up = up_probability(one, two, bids, asks)
    assert up + up_probability(two, one, asks, bids) == pytest.approx(1.0, abs=4e-9)
    assert up_probability(one, one, bids, bids) == pytest.approx(0.5, abs=2e-9)


ROWS = st.lists(RATES, min_size=6, max_size=6).map(np.array)


@settings(max_examples=scaled(1_000, floor=15))
@given(ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, st.floats(0.01, 2.0))
def test_a_chain_of_any_rates_is_its_linear_system(
    joins: np.ndarray,
    leaves: np.ndarray,
    takes: np.ndarray,
    joined: np.ndarray,
    left: np.ndarray,
    taken: np.ndarray,
    inside: float,
) -> None:
    """Up to five orders a side, all states at once by Gauss; the layers are good to 1e-9 by their own word."""
    bid, ask = Queue(joins, leaves, takes), Queue(joined, left, taken)
    states = {(b, a): 5 * (b - 1) + a - 1 for b in range(1, 6) for a in range(1, 6)}
    matrix, ends = np.zeros((25, 25)), np.zeros(25)
    for (b, a), row in states.items():
        steps = {
            (b + 1, a): joins[b] if b < 5 else 0.0,
            (b - 1, a): takes[b] + b * leaves[b],
            (b, a + 1): joined[a] if a < 5 else 0.0,
            (b, a - 1): taken[a] + a * left[a],
        }
        matrix[row, row] = inside + sum(steps.values())
        ends[row] = 0.5 * inside + steps[b, a - 1] * (a == 1)
        for to, rate in steps.items():
            if to in states:
                matrix[row, states[to]] -= rate
    solved = np.linalg.solve(matrix, ends)
    for (b, a), row in states.items():
        assert up_probability(bid, ask, b, a, inside=inside) == pytest.approx(solved[row], abs=1.1e-9)


QUEUES = QueueReactive(
    limit=((2.0, 2.0, 1.6, 1.3), (1.0, 0.9, 0.6)),
    cancel=((0.0, 0.3, 0.5, 0.8), (0.0, 0.3, 0.8)),
    market=((0.0, 0.9, 0.7, 0.6), (0.0, 0.4, 0.3)),
    unit=(1, 1),
)


def drawn(model: QueueReactive, ahead: int, behind: int, other: int, seconds: float, runs: int, seed: int) -> float:
    """How often mine fills in so many runs of the model, event by event."""
    random, filled = np.random.default_rng(seed), 0

    def rate(kind: str, n: int) -> float:
        row = getattr(model, kind)[0]
        return row[min(n, len(row) - 1)]

    for _ in range(runs):
        n, b, a, now = ahead, behind, other, 0.0
        while a > 0:
            stand = n + 1 + b
            rates = np.cumsum(
                [
                    rate("limit", stand),
                    rate("cancel", stand) * n / stand,
                    rate("cancel", stand) * b / stand,
                    rate("market", stand),
                    rate("limit", a),
                    rate("cancel", a) + rate("market", a),
                ]
            )
            now += random.exponential(1.0 / rates[-1])
            if now > seconds:
                break
            what = int(np.searchsorted(rates, random.random() * rates[-1], side="right"))
            if what == 3 and n == 0:
                filled += 1
                break
            n -= what in (1, 3)
            b += (what == 0) - (what == 2)
            a += (what == 4) - (what == 5)
    return filled / runs


@pytest.mark.parametrize(("ahead", "behind", "other", "seconds"), [(0, 0, 1, 1e8), (2, 1, 3, 1e8), (1, 2, 4, 3.0)])
def test_queues_fill_as_often_as_the_model_drawn(ahead: int, behind: int, other: int, seconds: float) -> None:
    """Four standard errors: crossed by chance once in 16,000 draws."""
    runs = scaled(100_000, floor=2_000)
    own, theirs = (queue_reactive_queue(QUEUES, 1, n) for n in (ahead + behind + 1, other))
    within = None if seconds > 1e6 else seconds
    known = fill_probability(own, theirs, ahead, behind, other, seconds=within)
    seen = drawn(QUEUES, ahead, behind, other, seconds, runs, seed=ahead + 7 * other)
    assert abs(seen - known) <= 4 * math.sqrt(known * (1 - known) / runs)


def test_queues_of_one_rate_are_the_even_ones() -> None:
    """Who is behind has no say where no rate asks for it, whether it is left out or not."""
    top = 40
    own = Queue(np.full(top + 1, 1.3), np.full(top + 1, 0.4), np.full(top + 1, 0.9))
    nearly = own._replace(takes=own.takes + np.where(np.arange(top + 1) == top, 1e-15, 0.0))
    other = even_queue(1.1, 0.5, 0.9, 40)
    for seconds in (None, 2.0):
        even = fill_probability(own, other, 3, 2, 2, seconds=seconds)
        assert fill_probability(nearly, other, 3, 2, 2, seconds=seconds) == pytest.approx(even, abs=1e-11)


def test_queues_that_hardly_ever_empty_are_refused_and_not_guessed() -> None:
    orders = np.arange(13)
    queue = Queue(np.where(orders > 1, 4.0, 0.0), np.full(13, 0.3), np.full(13, 0.1))
    with pytest.raises(InvalidInput, match="the chain does not settle"):
        up_probability(queue, queue, 1, 1)


def test_where_queues_are_cut_off_does_not_matter() -> None:
    """Units beyond the last of a table: as many again change nothing."""
    own, other = queue_reactive_queue(QUEUES, 1, 6), queue_reactive_queue(QUEUES, 1, 4)

    def longer(queue: Queue) -> Queue:
        """The last rates go on; of cancellations those of the whole queue."""
        more = np.arange(len(queue.joins), 2 * len(queue.joins))
        share = queue.leaves[-1] * (len(queue.leaves) - 1) / more
        ends = np.full(len(more), queue.joins[-1]), share, np.full(len(more), queue.takes[-1])
        return Queue(*(np.append(row, end) for row, end in zip(queue, ends, strict=True)))

    for seconds in (None, 5.0):
        short = fill_probability(own, other, 3, 2, 4, seconds=seconds)
        assert fill_probability(longer(own), longer(other), 3, 2, 4, seconds=seconds) == pytest.approx(short, abs=1e-8)


def test_wrong_questions_are_refused() -> None:
    queue = even_queue(1.0, 0.5, 1.0, 5)
    for arguments, named, said in (
        ((-1, 0, 1), {}, "whole number of 0 or more"),
        ((0, 0, 0), {}, "whole number of 1 or more"),
        ((5, 0, 1), {}, "more orders stand than the queue has rates for"),
        ((0, 0, 6), {}, "more orders stand than the queue has rates for"),
        ((0, 0, 1), {"seconds": -1.0}, "is 0 to 1e9 seconds"),
        ((0, 0, 1), {"seconds": math.nan}, "is 0 to 1e9 seconds"),
    ):
        with pytest.raises(InvalidInput, match=said):
            fill_probability(queue, queue, *arguments, **named)
    with pytest.raises(InvalidInput, match="needs more than 20,000,000 states"):
        long = even_queue(1.0, 0.5, 1.0, 10_000)
        fill_probability(long, long, 9_000, 0, 1)
    with pytest.raises(InvalidInput, match="more orders stand"):
        up_probability(queue, queue, 6, 1)
