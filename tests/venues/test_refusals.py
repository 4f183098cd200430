"""What the exchange refuses: its reason, the value refused, the limit, and nothing changed but the number of events.

Codes are those of the exchange's error list (facts/binance.md §3, §7.3).
"""

from __future__ import annotations

import pytest

from novation.domain.commands import (
    Command,
    place_limit,
    place_market,
    set_leverage,
    set_margin_scope,
    transfer,
)
from novation.domain.digest import canonical_bytes
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, RejectReason, Side
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, to_e8
from novation.venues import binance_usdm
from novation.venues.canonical import state_lines
from tests.venues.lockstep import Lockstep
from tests.venues.makers import BOOK, exchange, stand_aside
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin, opening

pytestmark = pytest.mark.usefixtures("makers")

USDT = E8
#: 0.4 % up to 50,000 at 125x, 1 % up to 250,000 at 50x, 2 % up to 1,000,000 at 20x.
TIERS = (
    Tier(0, 50_000 * E8, 400_000, 125, 0),
    Tier(50_000 * E8, 250_000 * E8, 1_000_000, 50, 300 * E8),
    Tier(250_000 * E8, 1_000_000 * E8, 2_000_000, 20, 2_800 * E8),
)
TERMS = Terms(effective_ns=0, taker_fee_e8=50_000, tiers=TIERS)
PRICE = 50_000 * E8  #: one lot of 0.001 is worth 50


def account(cash: int, terms: Terms = TERMS, *, price_e8: int = PRICE) -> Lockstep:
    """One account with so much money, at 20x, a bar opening now."""
    both = exchange(Setup(binance_usdm.RULES, [coin()], [[terms]], 1, 0, [0]))
    both.advance(0, opening(0, price_e8))
    both.submit(transfer(0, cash))
    return both


def refused(both: Lockstep, command: Command) -> tuple[RejectReason, int, int]:
    """Reason, value and limit; the state but for the clock's counters is as it was."""

    def state() -> list[bytes]:
        return canonical_bytes(state_lines(both.venue)).split(b"\n")[1:]

    before = state()
    (event,) = both.submit(command)
    assert event.kind in (EventKind.ORDER_REJECTED, EventKind.COMMAND_REJECTED)
    assert state() == before
    both.compare()
    return RejectReason(event.reason), event.amount, event.cost


def test_leverage_above_the_first_bracket_4028() -> None:
    both = account(1_000 * USDT)
    assert refused(both, set_leverage(0, 0, 126)) == (RejectReason.LEVERAGE_ABOVE_BRACKET, 126, 125)
    assert refused(both, set_leverage(0, 0, 0)) == (RejectReason.LEVERAGE_ABOVE_BRACKET, 0, 125)


def test_leverage_above_the_bracket_of_the_position_2027() -> None:
    both = account(100_000 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 2_000))  # 100,000 USDT: up to 50x
    answer = refused(both, set_leverage(0, 0, 51))
    assert answer == (RejectReason.POSITION_LIMIT, 100_000 * USDT, 50_000 * USDT)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_resting_orders_count_where_another_one_takes_2027(side: Side) -> None:
    """19,000 lots rest, 2,000 more would be 1,050,000 USDT where 20x allows 1,000,000."""
    both = account(100_000 * USDT)
    both.submit(place_limit(0, 0, side, 19_000, 499_000 if side > 0 else 501_000))
    allowed = both.submit(place_market(0, 0, side, 1_000))
    assert [e.kind for e in allowed] == [EventKind.ORDER_ACCEPTED, EventKind.FILL]
    answer = refused(both, place_market(0, 0, side, 1_000))
    assert answer == (RejectReason.POSITION_LIMIT, 1_050_000 * USDT, 1_000_000 * USDT)
    assert both.submit(place_market(0, 0, -side, 500))[-1].kind == EventKind.FILL  # what lowers it is not refused


def test_resting_orders_count_where_leverage_is_raised_2027() -> None:
    both = account(100_000 * USDT)
    both.submit(place_limit(0, 0, Side.BUY, 2_000, 499_000))
    answer = refused(both, set_leverage(0, 0, 51))
    assert answer == (RejectReason.POSITION_LIMIT, 100_000 * USDT, 50_000 * USDT)
    assert both.submit(set_leverage(0, 0, 50))[-1].kind == EventKind.LEVERAGE_SET


def test_a_position_above_what_the_leverage_allows_2027() -> None:
    both = account(10_000_000 * USDT)
    both.submit(set_leverage(0, 0, 125))
    answer = refused(both, place_market(0, 0, Side.BUY, 1_001))
    assert answer == (RejectReason.POSITION_LIMIT, 50_050 * USDT, 50_000 * USDT)
    both.submit(place_limit(0, 0, Side.BUY, 600, 490_000))
    answer = refused(both, place_limit(0, 0, Side.BUY, 401, 490_000))  # the working order counts
    assert answer == (RejectReason.POSITION_LIMIT, 50_050 * USDT, 50_000 * USDT)


def test_leverage_too_low_for_the_balance_2028() -> None:
    both = account(300 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 100))  # 5,000 USDT at 20x: 250, and 2.5 of fee
    answer = refused(both, set_leverage(0, 0, 10))
    assert answer == (RejectReason.INSUFFICIENT_MARGIN, 250 * USDT, to_e8("47.5"))
    both.submit(set_leverage(0, 0, 50))  # raising it frees margin
    assert both.venue.account(0).available == to_e8("197.5")


def test_leverage_is_not_lowered_under_an_isolated_position_4161() -> None:
    both = account(10_000 * USDT)
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    both.submit(place_market(0, 0, Side.SELL, 10))
    assert refused(both, set_leverage(0, 0, 19)) == (RejectReason.OPEN_POSITION, -10, 0)
    (event,) = both.submit(set_leverage(0, 0, 21))
    assert event.kind == EventKind.LEVERAGE_SET


def test_the_scope_it_has_already_4046() -> None:
    both = account(1_000 * USDT)
    assert refused(both, set_margin_scope(0, 0, MarginScope.CROSS)) == (RejectReason.NO_CHANGE, MarginScope.CROSS, 0)
    both.submit(set_margin_scope(0, 0, MarginScope.ISOLATED))
    answer = refused(both, set_margin_scope(0, 0, MarginScope.ISOLATED))
    assert answer == (RejectReason.NO_CHANGE, MarginScope.ISOLATED, 0)


def test_the_scope_with_working_orders_4047_and_with_a_position_4048() -> None:
    both = account(1_000 * USDT)
    (event,) = both.submit(place_limit(0, 0, Side.BUY, 1, 490_000))
    answer = refused(both, set_margin_scope(0, 0, MarginScope.ISOLATED))
    assert answer == (RejectReason.OPEN_ORDERS, event.order, 0)
    both.submit(place_market(0, 0, Side.BUY, 3))
    answer = refused(both, set_margin_scope(0, 0, MarginScope.ISOLATED))
    assert answer == (RejectReason.OPEN_POSITION, 3, 0)


def test_a_reducing_order_that_would_open_2022() -> None:
    both = account(1_000 * USDT)
    order = place_market(0, 0, Side.SELL, 1, reduce_only=True)
    assert refused(both, order) == (RejectReason.WOULD_NOT_REDUCE, 1, 0)
    both.submit(place_market(0, 0, Side.BUY, 5))
    order = place_market(0, 0, Side.SELL, 6, reduce_only=True)
    assert refused(both, order) == (RejectReason.WOULD_NOT_REDUCE, 6, 5)


# -- the cost of an order (-2019) -----------------------------------------------------------------------------------


def c1(cash: str, *, sell_above_e8: int = 0) -> Lockstep:
    """Example C1 (facts/binance.md §3.1): mark 9,259.84, last 9,253.30, 20x."""
    terms = Terms(effective_ns=0, tiers=TIERS, limit_sell_above_last_e8=sell_above_e8, market_buy_above_ask_e8=50_000)
    both = account(to_e8(cash), terms)
    row = MarketEvent(
        ts_ns=1, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=to_e8("9253.3"), mark_e8=to_e8("9259.84")
    )
    both.advance(1, [row])
    return both


@pytest.mark.parametrize(("side", "cost"), [(Side.BUY, "462.665"), (Side.SELL, "469.205")])
def test_c1_the_venue_asks_for_the_published_cost(side: Side, cost: str) -> None:
    """1 BTC at 9,253.30: 462.66 to buy, 469.20 to sell by the older rule, cut to two decimals there."""
    short = to_e8(cost) - 1
    order = place_limit(0, 0, side, 1_000, 92_533)
    assert refused(c1(f"{short / E8:.8f}"), order) == (RejectReason.INSUFFICIENT_MARGIN, to_e8(cost), short)
    assert c1(cost).submit(order)[0].kind == EventKind.ORDER_ACCEPTED


#: What trades on a book is asked for the way from the mark to the worst price, too: a coin from 9,259.84 to 9,253.30.
WAY = to_e8("6.54")


def test_a_limit_sell_of_the_current_rule_is_assumed_above_the_last_price(makers: str) -> None:
    """max(9,253.30 * 1.0015, mark, price) = 9,267.17995 at 20x, and no open loss above the mark."""
    both = c1("463", sell_above_e8=150_000)
    answer = refused(both, place_limit(0, 0, Side.SELL, 1_000, 92_533))
    cost = to_e8("463.3589975") + (WAY if makers == BOOK else 0)
    assert answer == (RejectReason.INSUFFICIENT_MARGIN, cost, 463 * USDT)


def test_a_market_buy_is_assumed_half_a_per_mille_above_the_ask() -> None:
    """9,253.3 * 1.0005 = 9,257.92665, below the mark: no open loss."""
    both = c1("462")
    answer = refused(both, place_market(0, 0, Side.BUY, 1_000))
    assert answer == (RejectReason.INSUFFICIENT_MARGIN, to_e8("462.8963325"), 462 * USDT)


def test_a_market_sell_is_assumed_at_the_mark_above_the_bid(makers: str) -> None:
    both = c1("462")
    answer = refused(both, place_market(0, 0, Side.SELL, 1_000))
    cost = to_e8("462.992") + (WAY if makers == BOOK else 0)
    assert answer == (RejectReason.INSUFFICIENT_MARGIN, cost, 462 * USDT)


def test_a_working_sell_reserves_at_its_assumed_price_and_gives_it_back() -> None:
    both = c1("1000", sell_above_e8=150_000)
    both.advance(2, [])  # the bar has opened: the order will rest
    stand_aside(both, 0)
    (placed,) = both.submit(place_limit(0, 0, Side.SELL, 1_000, 92_533))
    both.compare()
    assert both.venue.account(0).available == to_e8("536.6410025")
    both.submit(Command(kind=2, account=0, order=placed.order))
    assert both.venue.account(0).available == 1_000 * USDT


def test_turning_round_into_a_smaller_position_is_never_refused() -> None:
    both = account(253 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 100))  # 250, and the fee of 2.5
    both.advance(1, opening(1, PRICE - 3 * E8))
    assert both.venue.account(0).available < USDT
    events = both.submit(place_market(0, 0, Side.SELL, 199))
    assert [e.kind for e in events] == [EventKind.ORDER_ACCEPTED, EventKind.FILL]
    both.compare()


# -- what may be taken out ------------------------------------------------------------------------------------------


def test_profit_that_is_not_realised_cannot_be_withdrawn() -> None:
    both = account(1_000 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 100))  # 997.5 are left of the wallet, 250 taken
    both.advance(1, opening(1, 51_000 * E8))  # a profit of 100; 255 taken
    found = both.venue.account(0)
    assert (found.available, found.max_withdrawal) == (to_e8("842.5"), to_e8("742.5"))
    answer = refused(both, transfer(0, -to_e8("742.50000001")))
    assert answer == (RejectReason.BALANCE_TOO_SMALL, to_e8("742.50000001"), to_e8("742.5"))
    both.submit(transfer(0, -to_e8("742.5")))
    assert both.venue.account(0).max_withdrawal == 0
    assert both.venue.account(0).available == 100 * USDT  # for new margin the profit counts


def test_a_loss_counts_against_what_may_be_withdrawn() -> None:
    both = account(1_000 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, 49_000 * E8))
    found = both.venue.account(0)
    assert found.available == found.max_withdrawal == to_e8("652.5")


def test_less_than_nothing_is_shown_as_nothing_available() -> None:
    both = account(260 * USDT)
    both.submit(place_market(0, 0, Side.BUY, 100))
    both.advance(1, opening(1, 49_000 * E8))
    found = both.venue.account(0)
    assert (found.available, found.max_withdrawal) == (0, 0)
    assert both.venue.money(0)[4] == to_e8("-87.5")
    assert refused(both, transfer(0, -1)) == (RejectReason.BALANCE_TOO_SMALL, 1, 0)
