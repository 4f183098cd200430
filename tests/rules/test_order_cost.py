"""Assumed prices, open losses and the cost of an order."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.enums import OrderKind, Side
from novation.domain.units import E8, to_e8
from novation.rules.order_cost import assumed_price, open_loss, order_cost, order_initial

LOT_VALUE = 100_000  # 0.001 BTC
BTC = 1_000  # lots
MARKET, LIMIT = OrderKind.MARKET, OrderKind.LIMIT
BUY, SELL = Side.BUY, Side.SELL
#: How far above the last price a limit sell is assumed, by the texts to 2024 and by the one of 2026.
OLDER, CURRENT = 0, 150_000
ABOVE_ASK = 50_000


def assumed(rule: int, kind: OrderKind, side: Side, **prices: str) -> int:
    """The assumed price, of prices written as decimals."""
    e8 = [to_e8(prices.get(name, "0")) for name in ("price", "last", "mark", "bid", "ask")]
    return assumed_price(rule, ABOVE_ASK, int(kind), int(side), *e8)


def test_c1_cost_of_an_order() -> None:
    """1 BTC at 9,253.30, mark 9,259.84, 20x: 462.66 to buy, 469.20 to sell, older rule (facts/binance.md §3.1)."""
    price, mark = to_e8("9253.30"), to_e8("9259.84")
    for side, cost, loss in ((BUY, "462.66", "0"), (SELL, "469.20", "6.54")):
        at = assumed(OLDER, LIMIT, side, price="9253.30", last="9260", mark="9259.84")
        assert at == price
        assert open_loss(BTC, LOT_VALUE, int(side), mark, at) == to_e8(loss)
        assert order_cost(BTC, LOT_VALUE, int(side), at, mark, 20) // 1_000_000 * 1_000_000 == to_e8(cost)
    assert order_initial(BTC, LOT_VALUE, price, 20) == to_e8("462.665")  # shown with two decimals


@pytest.mark.parametrize("rule", [OLDER, CURRENT])
@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [(LIMIT, BUY, "90"), (MARKET, BUY, "101.0505"), (MARKET, SELL, "100")],
)
def test_assumed_prices_that_both_rules_share(rule: int, kind: OrderKind, side: Side, expected: str) -> None:
    prices = {"price": "90", "last": "100.5", "mark": "100", "bid": "99", "ask": "101"}
    assert assumed(rule, kind, side, **prices) == to_e8(expected)


@pytest.mark.parametrize(
    ("price", "last", "mark", "older", "current"),
    [
        ("90", "100", "99", "90", "100.15"),
        ("90", "100", "101", "90", "101"),
        ("110", "100", "101", "110", "110"),
        ("0.00000001", "0.00000999", "0", "0.00000001", "0.00001000"),  # 0.0000100049... cut
    ],
)
def test_limit_sells_are_assumed_higher_by_the_current_rule(
    price: str, last: str, mark: str, older: str, current: str
) -> None:
    prices = {"price": price, "last": last, "mark": mark}
    assert assumed(OLDER, LIMIT, SELL, **prices) == to_e8(older)
    assert assumed(CURRENT, LIMIT, SELL, **prices) == to_e8(current)


def test_market_sells_at_a_bid_above_the_mark_are_assumed_at_the_bid() -> None:
    assert assumed(CURRENT, MARKET, SELL, bid="102", mark="100") == to_e8("102")


@given(
    st.integers(1, 1 << 24),
    st.sampled_from([1_000, LOT_VALUE, E8, 50_000_000]),
    st.sampled_from([1, -1]),
    st.integers(1, 1 << 40),
    st.integers(1, 1 << 40),
    st.integers(1, 150),
)
def test_cost_is_exact(lots: int, lot_value: int, side: int, price: int, mark: int, leverage: int) -> None:
    size = Fraction(lots * lot_value, E8)
    loss = size * abs(min(0, side * (mark - price)))
    assert open_loss(lots, lot_value, side, mark, price) == floor(loss)
    assert order_initial(lots, lot_value, price, leverage) == floor(size * price / leverage)
    assert order_cost(lots, lot_value, side, price, mark, leverage) == floor(size * price / leverage) + floor(loss)
