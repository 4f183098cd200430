"""The daily settlement price: examples A1 and A2 of facts/cme.md, its tiers, and every mean against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.units import E8, money, to_e8
from novation.rules.settlement_price import (
    Carry,
    Leg,
    Market,
    Settled,
    SettledBy,
    Trade,
    carried,
    clamped,
    midpoint,
    nearest_tick,
    settle_by_net_change,
    settle_by_spread,
    settle_by_spreads,
    settle_by_trades_alone,
    settle_index,
    settle_metal,
    settle_oil_on_its_last_day,
    settle_treasury,
    variation,
    vwap,
    weigh,
)

PRICES = st.integers(-(1 << 40), 1 << 40)
LOTS = st.integers(1, 1 << 30)
TRADES = st.lists(st.builds(Trade, PRICES, LOTS), min_size=1, max_size=30)


def es(price: str) -> int:
    """A price of ES in ticks of 0.25."""
    ticks, rest = divmod(to_e8(price), to_e8("0.25"))
    assert rest == 0
    return ticks


def oil(price: str) -> int:
    """A price of CL in cents."""
    return to_e8(price) // to_e8("0.01")


A1 = [Trade(es("5000.25"), 10), Trade(es("5000.50"), 30), Trade(es("5000.75"), 20)]


def by_fractions(value: Fraction, prior: int) -> int:
    """The nearest tick by brute force: of the two around, the nearer; of two as near, the one nearer the prior."""
    low = value.numerator // value.denominator
    return min((low, low + 1), key=lambda tick: (abs(tick - value), abs(tick - prior)))


# ---------------------------------------------------------------- means and roundings


def test_a1_the_vwap_of_es_is_rounded_to_the_tick() -> None:
    total, count = weigh(A1)
    assert float(Fraction(total, count)) / 4 == pytest.approx(5000.541667, abs=1e-6)
    assert vwap(A1, es("4990")) == es("5000.50")


@pytest.mark.parametrize(("prior", "settles"), [("4990.00", "5000.25"), ("5000.25", "5000.25"), ("5000.50", "5000.50")])
def test_a_vwap_between_two_ticks_goes_to_the_one_nearer_the_prior_settlement(prior: str, settles: str) -> None:
    between = [Trade(es("5000.25"), 7), Trade(es("5000.50"), 7)]
    assert vwap(between, es(prior)) == es(settles)


def test_crude_oil_settles_below_zero_and_ties_below_zero_as_above() -> None:
    """The May contract on 2020-04-20; the trades are made up around its settlement of -37.63."""
    trades = [Trade(oil("-37.50"), 100), Trade(oil("-37.70"), 150), Trade(oil("-37.65"), 80)]
    assert vwap(trades, oil("18.27")) == oil("-37.63")
    tie = [Trade(oil("-37.63"), 1), Trade(oil("-37.62"), 1)]
    assert vwap(tie, oil("18.27")) == oil("-37.62")
    assert vwap(tie, oil("-40.00")) == oil("-37.63")
    assert vwap([Trade(-1, 5), Trade(1, 5)], 3) == 0


def test_trades_without_lots_count_for_nothing_and_negative_ones_are_refused() -> None:
    assert vwap([], 5) is None
    assert vwap([Trade(9, 0)], 5) is None
    assert vwap([Trade(900, 0), Trade(9, 1)], 5) == 9
    with pytest.raises(ValueError, match="-1 lots"):
        vwap([Trade(9, -1)], 5)


@given(TRADES, PRICES)
def test_the_vwap_is_the_exact_fraction_rounded_once(trades: list[Trade], prior: int) -> None:
    exact = Fraction(sum(price * lots for price, lots in trades), sum(lots for _, lots in trades))
    found = vwap(trades, prior)
    assert found == by_fractions(exact, prior)
    assert min(price for price, _ in trades) <= found <= max(price for price, _ in trades)


@given(st.integers(-(1 << 70), 1 << 70), st.integers(1, 1 << 40), PRICES)
def test_a_mean_beyond_int64_is_rounded_exactly(numerator: int, denominator: int, prior: int) -> None:
    assert nearest_tick(numerator, denominator, prior) == by_fractions(Fraction(numerator, denominator), prior)


@given(PRICES, PRICES)
def test_a_tie_never_leaves_the_two_ticks_beside_it(below: int, prior: int) -> None:
    found = nearest_tick(2 * below + 1, 2, prior)
    assert found == (below + 1 if prior >= below + 1 else below)


def test_a_mean_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="over 0"):
        nearest_tick(1, 0, 0)


# ---------------------------------------------------------------- the lead month


def test_index_futures_take_trades_before_quotes_and_quotes_before_the_carry() -> None:
    carry = Carry(to_e8("4990"), to_e8("0.05"), 30, to_e8("0.25"))
    market = Market(A1, last=es("4999"), bid=es("5001"), ask=es("5001.50"))
    prior = es("4990")
    assert settle_index(market, prior, carry) == Settled(es("5000.50"), SettledBy.VWAP)
    quiet = market._replace(trades=[])
    assert settle_index(quiet, prior, carry) == Settled(es("5001.25"), SettledBy.MIDPOINT)
    assert settle_index(quiet._replace(ask=None), prior, carry) == Settled(es("5010.50"), SettledBy.CARRY)
    assert settle_index(quiet._replace(ask=None), prior) is None


def test_the_carry_is_the_index_and_its_interest_to_the_last_day() -> None:
    """4990 + 30 / 365 * 5 % * 4990 = 5010.506849."""
    assert carried(Carry(to_e8("4990"), to_e8("0.05"), 30, to_e8("0.25")), 0) == es("5010.50")


@given(st.integers(1, 10**13), st.integers(-(10**8), 10**8), st.integers(0, 4000), st.integers(1, 10**9), PRICES)
def test_the_carry_is_the_exact_fraction_rounded_once(index: int, rate: int, days: int, tick: int, prior: int) -> None:
    exact = Fraction(index, tick) * (1 + Fraction(days, 365) * Fraction(rate, E8))
    assert carried(Carry(index, rate, days, tick), prior) == by_fractions(exact, prior)


@given(PRICES, PRICES, PRICES)
def test_the_midpoint_is_the_exact_fraction_rounded_once(bid: int, ask: int, prior: int) -> None:
    assert midpoint(bid, ask, prior) == by_fractions(Fraction(bid + ask, 2), prior)


@pytest.mark.parametrize(("last", "settles"), [(7068, 7070), (7072, 7072), (7080, 7074)])
def test_treasuries_move_the_last_trade_inside_the_lowest_bid_and_highest_ask(last: int, settles: int) -> None:
    market = Market(last=last, bid=7071, ask=7072, low_bid=7070, high_ask=7074)
    assert settle_treasury(market, 7000) == Settled(settles, SettledBy.LAST_CLAMPED)


def test_treasuries_without_a_trade_or_without_a_quote_have_no_price() -> None:
    assert settle_treasury(Market(low_bid=7070, high_ask=7074), 7000) is None
    assert settle_treasury(Market(last=7072), 7000) is None
    assert settle_treasury(Market([Trade(7071, 3)], last=7080, low_bid=1, high_ask=2), 7000) == (7071, SettledBy.VWAP)


def test_metals_take_the_midpoint_and_with_a_one_sided_market_the_last_trade_moved_to_it() -> None:
    assert settle_metal(Market([Trade(13_196, 4)], bid=1, ask=2), 0) == (13_196, SettledBy.VWAP)
    assert settle_metal(Market(last=1, bid=13_050, ask=13_053), 13_196) == (13_052, SettledBy.MIDPOINT)
    assert settle_metal(Market(last=13_060, ask=13_053), 13_196) == (13_053, SettledBy.LAST_CLAMPED)
    assert settle_metal(Market(last=13_051, ask=13_053), 13_196) == (13_051, SettledBy.LAST_CLAMPED)
    assert settle_metal(Market(last=13_050, bid=13_057), 13_196) == (13_057, SettledBy.LAST_CLAMPED)
    assert settle_metal(Market(last=13_060), 13_196) is None


def test_currencies_and_energy_settle_by_trades_or_not_at_all() -> None:
    assert settle_by_trades_alone(Market([Trade(-3763, 10)], bid=1, ask=2), 1827) == (-3763, SettledBy.VWAP)
    assert settle_by_trades_alone(Market(last=5, bid=4, ask=6), 5) is None


def test_expiring_oil_without_trades_takes_the_quote_nearest_the_last_trade() -> None:
    market = Market(last=1012, bid=1005, ask=1015)
    assert settle_oil_on_its_last_day(market._replace(trades=[Trade(1000, 1)]), 0) == (1000, SettledBy.VWAP)
    assert settle_oil_on_its_last_day(market, 0) == (1015, SettledBy.NEAREST_QUOTE)
    assert settle_oil_on_its_last_day(market._replace(last=1010), 1100) == (1015, SettledBy.NEAREST_QUOTE)
    assert settle_oil_on_its_last_day(market._replace(last=1010), 900) == (1005, SettledBy.NEAREST_QUOTE)
    assert settle_oil_on_its_last_day(market._replace(ask=None), 0) == (1005, SettledBy.NEAREST_QUOTE)
    assert settle_oil_on_its_last_day(market._replace(last=None), 0) is None


def test_a_market_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="from 3 down to 2"):
        clamped(5, 3, 2)


# ---------------------------------------------------------------- further months


def test_the_second_month_is_the_lead_and_the_spreads_vwap() -> None:
    """5000.50 + (10 at 45.05 and 10 at 45.15) = 5045.60, nearest 5045.50; the spread counts in 0.05, five to a tick."""
    spread = Market([Trade(901, 10), Trade(903, 10)])
    found = settle_by_spread(es("5000.50"), spread, es("5040"), units_per_tick=5)
    assert found == Settled(es("5045.50"), SettledBy.SPREAD_VWAP)


def test_without_trades_the_second_month_takes_the_spreads_last_trade_inside_its_market() -> None:
    assert settle_by_spread(20_002, Market(last=170, bid=178, ask=182), 0) == (20_180, SettledBy.SPREAD_LAST_CLAMPED)
    assert settle_by_spread(20_002, Market(last=180, bid=178, ask=182), 0) == (20_182, SettledBy.SPREAD_LAST_CLAMPED)
    assert settle_by_spread(20_002, Market(last=180), 0) is None
    assert settle_by_spread(20_002, Market(last=180, bid=178, ask=182), 0, last_counts=False) is None


def test_a_spread_that_traded_less_than_the_minimum_makes_no_vwap() -> None:
    spread = Market([Trade(-40, 99)])
    assert settle_by_spread(7_040, spread, 0, minimum_lots=99, last_counts=False) == (7_000, SettledBy.SPREAD_VWAP)
    assert settle_by_spread(7_040, spread, 0, minimum_lots=100, last_counts=False) is None


@given(PRICES, TRADES, st.integers(1, 20), PRICES)
def test_the_second_month_is_the_exact_fraction_rounded_once(
    lead: int, trades: list[Trade], units: int, prior: int
) -> None:
    mean = Fraction(sum(price * lots for price, lots in trades), sum(lots for _, lots in trades))
    found = settle_by_spread(lead, Market(trades), prior, units_per_tick=units)
    assert found == (by_fractions(lead + mean / units, prior), SettledBy.SPREAD_VWAP)


def test_later_months_move_as_the_month_before_them() -> None:
    found = settle_by_net_change(es("5100"), nearer_ticks=es("5045.50"), nearer_prior_ticks=es("5035"))
    assert found == Settled(es("5110.50"), SettledBy.NET_CHANGE)


def test_energy_weighs_each_spread_by_its_volume_over_the_months_between() -> None:
    """(30 / 1 * 70.00 + 20 / 2 * 70.10) / 40 = 70.025, up to the prior's side."""
    legs = [Leg(oil("70.40"), oil("-0.40"), 30, 1), Leg(oil("70.95"), oil("-0.85"), 20, 2)]
    assert settle_by_spreads(legs, oil("71")) == Settled(oil("70.03"), SettledBy.SPREADS)
    assert settle_by_spreads(legs, oil("69")) == Settled(oil("70.02"), SettledBy.SPREADS)


def test_months_three_to_six_look_at_spreads_of_one_and_two_months_alone() -> None:
    legs = [Leg(7_040, -40, 30, 1), Leg(9_000, 0, 900, 3)]
    assert settle_by_spreads(legs, 0, furthest_apart=2) == (7_000, SettledBy.SPREADS)
    assert settle_by_spreads(legs[1:], 0, furthest_apart=2) is None
    with pytest.raises(ValueError, match="one month wide"):
        settle_by_spreads([Leg(1, 1, 1, 0)], 0)


@given(st.lists(st.builds(Leg, PRICES, PRICES, LOTS, st.integers(1, 140)), min_size=1, max_size=12), PRICES)
def test_the_mean_of_spreads_is_the_exact_fraction_rounded_once(legs: list[Leg], prior: int) -> None:
    weights = [Fraction(leg.lots, leg.months_apart) for leg in legs]
    implied = [leg.settled_ticks + leg.spread for leg in legs]
    exact = sum((price * weight for price, weight in zip(implied, weights, strict=True)), Fraction()) / sum(weights)
    assert settle_by_spreads(legs, prior) == (by_fractions(exact, prior), SettledBy.SPREADS)


# ---------------------------------------------------------------- what is paid


def test_a2_three_carried_two_bought_one_sold_receive_2000_dollars() -> None:
    tick_usd = money("12.50", "USD")
    trades = [Trade(es("4998"), 2), Trade(es("5004"), -1)]
    paid = variation(tick_usd, 3, es("4990"), es("5000.50"), trades)
    assert paid == money("2000", "USD")


@given(st.integers(-1000, 1000), PRICES, PRICES, st.lists(st.builds(Trade, PRICES, st.integers(-99, 99)), max_size=9))
def test_variation_is_the_value_at_the_settlement_less_what_was_paid_for_it(
    carried_lots: int, prior: int, settlement: int, trades: list[Trade]
) -> None:
    position = carried_lots + sum(lots for _, lots in trades)
    cost = carried_lots * prior + sum(price * lots for price, lots in trades)
    assert variation(7, carried_lots, prior, settlement, trades) == 7 * (position * settlement - cost)


@given(st.lists(st.builds(Trade, PRICES, st.integers(-99, 99)), max_size=9), PRICES, PRICES)
def test_what_one_side_is_paid_the_other_pays(trades: list[Trade], prior: int, settlement: int) -> None:
    other = [Trade(price, -lots) for price, lots in trades]
    assert variation(5, 3, prior, settlement, trades) == -variation(5, -3, prior, settlement, other)
