"""One balance over several assets, by the published formulas."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.units import E8, to_e8
from novation.rules.multi_assets import (
    ask_rate,
    asset_value,
    available_in_asset,
    bid_rate,
    maintenance_ratio,
    multi_assets_equity,
    multi_assets_required,
    pooled,
    required_value,
)
from novation.rules.wide import MOST_RATIO_E8


def array(values: list[int]) -> np.ndarray:
    """int64, as kernels take them."""
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("index", "amount", "buffer", "usd"),
    [("250", "4", "0.05", "950"), ("0.5", "2000", "0.10", "900"), ("1", "1000", "0.0001", "999.9")],
)
def test_a_thousand_dollars_of_bnb_ada_and_usdt(index: str, amount: str, buffer: str, usd: str) -> None:
    """Collateral ratios 0.95, 0.90, 0.9999: 1,000 USD count 950, 900 (facts/binance.md §3, haircuts)."""
    bid, ask = bid_rate(to_e8(index), to_e8(buffer)), ask_rate(to_e8(index), to_e8(buffer))
    assert asset_value(to_e8(amount), E8, bid, ask) == to_e8(usd)
    assert asset_value(-to_e8(amount), E8, bid, ask) == -(1_000 * E8 + 1_000 * to_e8(buffer))  # owed: at the ask


def test_equity_available_and_ratio_of_an_account_by_hand() -> None:
    """1,000 USDT and -0.1 BNB at 500, buffers 0 and 5 %; 100 USDT initial, 40 USDT and 0.02 BNB maintenance."""
    bids = array([E8, bid_rate(500 * E8, 5_000_000)])
    asks = array([E8, ask_rate(500 * E8, 5_000_000)])
    units = array([E8, E8])
    equity = multi_assets_equity(array([1_000 * E8, -E8 // 10]), units, bids, asks, 2)
    assert equity == to_e8("947.5")
    available = equity - multi_assets_required(array([100 * E8, 0]), units, asks, 2)
    assert available == to_e8("847.5")
    assert available_in_asset(available, E8, asks[1]) == to_e8("1.61428571")
    maintenance = multi_assets_required(array([40 * E8, E8 // 50]), units, asks, 2)
    assert maintenance == to_e8("50.5")
    assert maintenance_ratio(maintenance, equity) == E8 * 505 // 9_475


def test_no_equity_is_the_highest_ratio() -> None:
    assert maintenance_ratio(5, 0) == maintenance_ratio(5, -3) == MOST_RATIO_E8
    assert maintenance_ratio(0, 1) == 0
    assert maintenance_ratio(7, 7) == E8


@given(
    st.lists(
        st.tuples(
            st.integers(-(1 << 52), 1 << 52),
            st.sampled_from([E8, 10**6]),
            st.integers(1, 10**13),
            st.integers(0, E8),
            st.integers(0, E8),
        ),
        max_size=6,
    )
)
def test_sums_are_those_of_the_formulas(rows: list[tuple[int, int, int, int, int]]) -> None:
    rows = [row for row in rows if abs(row[0]) * row[2] * 2 // row[1] < 1 << 58]
    bids = [bid_rate(index, below) for _, _, index, below, _ in rows]
    asks = [ask_rate(index, above) for _, _, index, _, above in rows]
    for (_, _, index, below, above), bid, ask in zip(rows, bids, asks, strict=True):
        assert bid == trunc(index * (1 - Fraction(below, E8)))
        assert ask == trunc(index * (1 + Fraction(above, E8)))
    amounts, units = [row[0] for row in rows], [row[1] for row in rows]
    columns = array(amounts), array(units), array(bids), array(asks)
    worth = [
        min(trunc(Fraction(a * bid, u)), trunc(Fraction(a * ask, u)))
        for a, u, bid, ask in zip(amounts, units, bids, asks, strict=True)
    ]
    assert multi_assets_equity(*columns, len(rows)) == sum(worth)
    needed = [trunc(Fraction(abs(a) * ask, u)) for a, u, ask in zip(amounts, units, asks, strict=True)]
    assert multi_assets_required(abs(columns[0]), columns[1], columns[3], len(rows)) == sum(needed)
    for a, u, ask, n in zip(amounts, units, asks, needed, strict=True):
        assert required_value(abs(a), u, ask) == n
        assert available_in_asset(n, u, ask) <= abs(a)


@given(
    st.integers(-(1 << 58), 1 << 58),
    st.integers(0, E8 - 1),
    st.integers(E8 // 2, 2 * E8),
    st.integers(0, E8),
    st.integers(0, E8),
    st.integers(0, 10**18),
)
def test_pooled_equity_is_the_published_sum_over_the_ask(
    whole: int, part: int, index: int, below: int, above: int, others: int
) -> None:
    """(others + min(e * bid, e * ask)) / ask, cut down at 1e-8 of a unit."""
    bid, ask = bid_rate(index, below), ask_rate(index, above)
    got, got_part = pooled(whole, part * E8, E8, bid, ask, others)
    equity = whole + Fraction(part, E8)
    exact = (Fraction(others) + min(equity * bid, equity * ask) / E8 * 1) * E8 / ask
    assert 0 <= got_part < E8 * E8 and got_part % E8 == 0
    assert got * E8 + got_part // E8 == floor(exact * E8)
