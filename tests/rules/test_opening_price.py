"""Indicative opening prices: published examples, and every tick looked at in turn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.rules.opening_price import NO_PRICE, opening_price
from tests.conftest import scaled


def found(bids: dict[int, int], asks: dict[int, int], settlement: int = 0, step: int = 1) -> tuple[int, int, int]:
    """Price, lots matched and lots left of a book by price."""
    sides = [sorted(bids.items(), reverse=True), sorted(asks.items())]
    columns = [np.array([row[k] for row in side], np.int64) for side in sides for k in (0, 1)]
    return tuple(int(number) for number in opening_price(*columns, settlement, step))  # type: ignore[return-value]


def looked_at(bids: dict[int, int], asks: dict[int, int], settlement: int, step: int) -> tuple[int, int, int]:
    """The same by looking at every tick."""
    if not bids or not asks or max(bids) < min(asks):
        return NO_PRICE, 0, 0
    rows = []
    for ticks in range(min(asks), max(bids) + 1, step):
        demand = sum(lots for price, lots in bids.items() if price >= ticks)
        supply = sum(lots for price, lots in asks.items() if price <= ticks)
        rows.append((ticks, min(demand, supply), demand - supply))
    most = max(matched for _, matched, _ in rows)
    least = min(abs(left) for _, matched, left in rows if matched == most)
    tied = [(ticks, left) for ticks, matched, left in rows if matched == most and abs(left) == least]
    if all(left > 0 for _, left in tied):
        price = max(tied)[0]
    elif all(left < 0 for _, left in tied):
        price = min(tied)[0]
    else:
        price = min(tied, key=lambda row: (abs(row[0] - settlement), row[0]))[0]
    signs = {left > 0 for _, left in tied if left}
    return price, most, (least if signs == {True} else -least if signs == {False} else 0)


def test_the_published_example_opens_at_46_with_200_lots() -> None:
    """facts/cme.md §8, A14."""
    bids = {51: 10, 50: 20, 49: 30, 48: 40, 47: 50, 46: 70, 45: 100, 44: 1}
    asks = {51: 30, 50: 100, 49: 1, 48: 25, 47: 1, 46: 100, 45: 90, 44: 4, 43: 6}
    assert found(bids, asks)[:2] == (46, 200)
    assert found(bids | {47: 50, 46: 30}, {p: q for p, q in asks.items() if p != 47} | {46: 50})[:2] == (47, 150)


def test_with_lots_left_on_the_ask_side_the_lowest_of_equal_prices_opens() -> None:
    """facts/cme.md §8, A15, in ticks of 0.25: 4998.00 x 10, not a midpoint."""
    bids, asks = {4 * 5_000: 10, 4 * 4_995: 20}, {4 * 4_998: 15, 4 * 5_002: 25}
    assert found(bids, asks) == (4 * 4_998, 10, -5)


def test_with_lots_left_on_the_bid_side_the_highest_opens_and_with_none_the_nearest_to_the_settlement() -> None:
    assert found({110: 15}, {100: 10}) == (110, 10, 5)
    assert [found({110: 10}, {100: 10}, settlement)[0] for settlement in (90, 104, 120)] == [100, 104, 110]


def test_sides_that_do_not_meet_open_at_no_price() -> None:
    assert found({99: 5}, {100: 5}) == (NO_PRICE, 0, 0)
    assert found({}, {100: 5}) == (NO_PRICE, 0, 0)


SIDE = st.dictionaries(st.integers(-12, 12), st.integers(1, 4), max_size=8)


@settings(max_examples=scaled(5_000, 200))
@given(SIDE, SIDE, st.integers(-40, 40), st.sampled_from([1, 2, 5]))
def test_it_is_the_price_that_looking_at_every_tick_finds(
    bids: dict[int, int], asks: dict[int, int], settlement: int, step: int
) -> None:
    bids, asks = ({price * step: lots for price, lots in side.items()} for side in (bids, asks))
    assert found(bids, asks, settlement, step) == looked_at(bids, asks, settlement, step)
