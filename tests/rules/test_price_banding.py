"""Reference prices, bands and protection points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from novation.rules.price_banding import NO_PRICE, is_beyond_band, protected_limit, reference_price
from novation.rules.rolling_extremes import NO_LOWER, NO_UPPER

BUY, SELL = 1, -1
TICKS = st.integers(-(10**9), 10**9)


def test_before_the_open_the_settlement_counts_until_there_is_an_indicative_price() -> None:
    assert reference_price(False, 100, NO_PRICE, 90, 95, 96) == 100
    assert reference_price(False, 100, 103, 90, 95, 96) == 103


def test_while_open_the_last_trade_counts_unless_the_book_is_tighter() -> None:
    assert reference_price(True, 100, 103, 105, 104, 106) == 105
    assert reference_price(True, 100, 103, 105, 107, 109) == 107
    assert reference_price(True, 100, 103, 105, 101, 102) == 102
    assert reference_price(True, 100, 103, 105, NO_LOWER, NO_UPPER) == 105
    assert reference_price(True, 100, 103, NO_PRICE, NO_LOWER, NO_UPPER) == 103
    assert reference_price(True, 100, NO_PRICE, NO_PRICE, 101, NO_UPPER) == 101


@given(TICKS, TICKS, st.integers(0, 10**6))
def test_a_buy_is_refused_above_the_band_and_a_sell_below_it(price: int, reference: int, band: int) -> None:
    assert is_beyond_band(BUY, price, reference, band) == (price > reference + band)
    assert is_beyond_band(SELL, price, reference, band) == (price < reference - band)


def test_a_market_order_stops_its_points_beyond_the_best_opposite_price() -> None:
    """facts/cme.md §7: best offer 900.25, points 6.00: 906.25 (ticks of 0.25)."""
    assert protected_limit(BUY, 3_601, 24) == 3_625
    assert protected_limit(SELL, 3_601, 24) == 3_577


def test_a_stop_stops_its_points_beyond_its_trigger() -> None:
    """facts/cme.md §7: buy stop 1330.00, points 3.00: 1333.00."""
    assert protected_limit(BUY, 5_320, 12) == 5_332
