"""Bankruptcy prices by their definition, and the orders that go no further."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from novation.domain.units import E8, to_e8
from novation.rules.bankruptcy import MOST_PRICE_E8, bankruptcy_price, worst_ticks
from novation.rules.integers import exact_add
from novation.rules.value import unrealised

LOT_VALUE = 100_000  # 0.001 coin


@pytest.mark.parametrize(
    ("lots", "price"),
    [(1_000, "47500"), (-1_000, "52500")],
)
def test_isolated_price_is_the_entry_less_the_margin_of_a_coin(lots: int, price: str) -> None:
    """ep -+ WB / q (facts/binance.md §4): 1 BTC at 50,000 with 2,500 behind it."""
    cost = lots * 50_000 * LOT_VALUE
    assert bankruptcy_price(lots, LOT_VALUE, cost, 2_500 * E8, 0) == to_e8(price)


def test_price_off_the_grid_leaves_equity_of_zero_or_more() -> None:
    """3 coins at 100, 50 behind them: 83.333...; a long's is rounded up, a short's 116.666... down."""
    assert bankruptcy_price(3, E8, 3 * 100 * E8, 50 * E8, 0) == to_e8("83.33333334")
    assert bankruptcy_price(-3, E8, -3 * 100 * E8, 50 * E8, 0) == to_e8("116.66666666")


def test_no_price_bankrupts_an_unlevered_long_and_every_price_a_hopeless_short() -> None:
    assert bankruptcy_price(1_000, LOT_VALUE, 1_000 * 50_000 * LOT_VALUE, 60_000 * E8, 0) == 0
    assert bankruptcy_price(-1_000, LOT_VALUE, -1_000 * 50_000 * LOT_VALUE, -60_000 * E8, 0) == 0
    assert bankruptcy_price(0, LOT_VALUE, 5, 5, 5) == 0


def test_a_price_beyond_all_measure_is_the_highest_that_can_be_told() -> None:
    """One satoshi that would have to make up for a loss of 10,000: a trillion a coin."""
    assert bankruptcy_price(1, 1, 40_000, -10_000 * E8, 0) == MOST_PRICE_E8
    assert bankruptcy_price(-1, 1, -40_000, 10_000 * E8, 0) == MOST_PRICE_E8


def test_l1_l2_cross_prices_count_the_other_positions_profit() -> None:
    """Wallet and positions of L1/L2 (facts/binance.md §4): every maintenance term zero."""
    wallet = to_e8("1535443.01")
    eth = (3_683_979, 3_683_979 * to_e8("1456.84") // 1_000, to_e8("1335.18"))
    btc = (109_488, 109_488 * to_e8("32481.98") // 1_000, to_e8("31967.27"))
    for (lots, cost, _), (other, other_cost, other_mark) in ((eth, btc), (btc, eth)):
        behind = exact_add(wallet, 0, *unrealised(other_mark, other, LOT_VALUE, other_cost))
        price = bankruptcy_price(lots, LOT_VALUE, cost, *behind)
        others = Fraction(other_mark * other * LOT_VALUE, E8) - other_cost
        exact = (cost - wallet - others) / Fraction(lots * LOT_VALUE, E8)
        assert 0 <= price - exact < 1


parts = st.sampled_from([0, 1, E8, 10**16 - 1]) | st.integers(0, 10**16 - 1)


@given(
    st.integers(-(1 << 30), 1 << 30),
    st.sampled_from([1, 1_000, LOT_VALUE, 10_000_000, 50_000_000, E8]),
    st.integers(1, 1 << 45),
    st.integers(-(1 << 40), 1 << 57),
    parts,
)
@example(7, E8, 3, 20, 10**16 - 1)
@example(1, 1, 1, -11_529_215_047, 0)
@example(1, 1, 1, -11_529_215_046, 0)
def test_price_is_the_last_that_leaves_something(
    lots: int, lot_value: int, entry: int, behind: int, behind_part: int
) -> None:
    assume(lots != 0 and abs(lots) * lot_value * entry < (1 << 60) * E8)
    cost = lots * lot_value * entry // E8

    def equity(price: int) -> Fraction:
        return behind + Fraction(behind_part, 10**16) + Fraction(price * lots * lot_value, E8) - cost

    price = bankruptcy_price(lots, lot_value, cost, behind, behind_part)
    assert price >= 0
    if price == MOST_PRICE_E8:  # from there on, and less than one unit of price below, it is this one
        assert (equity(price - E8) < 0) == (lots > 0)
        return
    if lots > 0:
        assert equity(price) >= 0
        assert price == 0 or equity(price - 1) < 0
    else:
        assert equity(price + 1) < 0
        assert price == 0 or equity(price) >= 0


@given(
    st.integers(0, 1 << 50),
    st.sampled_from([1, -1]),
    st.sampled_from([1, 100, 10_000_000]),
    st.integers(1, 5),
)
def test_limit_of_a_reducing_order_is_the_next_tick_no_worse(price: int, lots: int, tick: int, step: int) -> None:
    ticks = worst_ticks(price, lots, tick, step)
    assert ticks % step == 0
    better = lots * (ticks * tick - price)
    assert better >= 0
    assert better < tick * step or (price == 0 and ticks == step)


def test_limit_of_the_forced_order_sample() -> None:
    """SELL 0.001 BTCUSDT at 10,871.09, filled at 10,913.21: the difference is the user's (facts/binance.md §5)."""
    limit = worst_ticks(to_e8("10871.09"), 1, to_e8("0.01"), 1)
    assert limit == 1_087_109
    assert (to_e8("10913.21") - limit * to_e8("0.01")) * LOT_VALUE // E8 == to_e8("0.04212")
