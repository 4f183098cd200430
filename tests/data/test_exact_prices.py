"""Prices and rates become integers of 1e-8 by their shortest decimal, exactly, however fast."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novation.data.frames import Frame, e8_of_floats, read_e8
from novation.domain.errors import DataError
from novation.domain.units import rounded_e8
from tests.conftest import python_calls

FITS = 9.0e10  # beyond this 1e-8 does not fit int64


@given(st.lists(st.floats(-FITS, FITS), min_size=1, max_size=50))
@example([0.000000005, 0.000000015, 0.123456785, 1e-300, 5e-324, -0.0])
@settings(max_examples=300)
def test_every_float_is_read_by_its_shortest_decimal(values: list[float]) -> None:
    assert e8_of_floats(np.array(values)).tolist() == [rounded_e8(value) for value in values]


@given(st.integers(-9 * 10**18, 9 * 10**18))
def test_every_decimal_of_eight_places_that_a_float_can_hold_returns_to_its_integer(count: int) -> None:
    value = float(Decimal(count).scaleb(-8))
    assert e8_of_floats(np.array([value]))[0] == rounded_e8(value)


def test_the_rounded_product_alone_is_right_below_twenty_million_for_prices_of_eight_places() -> None:
    counts = np.random.default_rng(7).integers(0, 2 * 10**15, 200_000)
    assert (np.rint(counts / 1e8 * 1e8).astype(np.int64) == counts).all()


def test_the_rounded_product_alone_is_wrong_at_a_tie_which_is_why_decimal_decides_there() -> None:
    ties = (2 * np.random.default_rng(7).integers(0, 10**14, 20_000) + 1) / 2e8
    exact = np.array([rounded_e8(value) for value in ties])
    assert (np.rint(ties * 1e8).astype(np.int64) != exact).any()
    assert (e8_of_floats(ties) == exact).all()


def test_fifty_thousand_prices_are_not_looked_at_one_by_one() -> None:
    prices = np.random.default_rng(3).uniform(1_000, 100_000, 58_000).round(6)
    assert python_calls(lambda: e8_of_floats(prices)) < 100


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series([1, 2], dtype=pl.Int64), [100_000_000, 200_000_000]),
        (pl.Series([1, 2], dtype=pl.UInt8), [100_000_000, 200_000_000]),
        (pl.Series([0.1, 2.5], dtype=pl.Float32), [10_000_000, 250_000_000]),
        (pl.Series([Decimal("0.1"), Decimal("2.5")]), [10_000_000, 250_000_000]),
    ],
)
def test_integers_single_floats_and_decimals_are_read_as_what_they_say(column: pl.Series, expected: list[int]) -> None:
    assert read_e8(Frame(pl.DataFrame({"close": column}), "frame"), "close").tolist() == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([1.0, float("nan")]), "frame row 2: close is not a finite number (found nan)"),
        (pl.Series([1.0, float("inf")]), "frame row 2: close is not a finite number (found inf)"),
        (pl.Series([1.0, None]), "frame row 2: close is missing"),
        (pl.Series([1.0, 1e12]), "frame row 2: close is too large to count in 1e-8"),
        (pl.Series([1, 10**12]), "frame row 2: close is too large to count in 1e-8"),
        (
            pl.Series(["1.0", "2.0"]),
            "frame row 1: column 'close' is of type String, not numbers (found '1.0')",
        ),
    ],
)
def test_what_is_no_price_is_refused_with_its_row(column: pl.Series, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_e8(Frame(pl.DataFrame({"close": column}), "frame"), "close")
    assert str(caught.value).startswith(message)
