"""Accounts that arrive in numbers: through the venue's own checks (docs/rules/cascades.md)."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from novation.domain.commands import COMMAND_FORMAT, transfer
from novation.domain.enums import MarginScope, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.instruments import Terms, Tier
from novation.domain.units import E8, NO_CAP
from novation.venues import binance_usdm
from novation.venues.population import Traders, enter
from novation.venues.venue import Venue
from tests.venues import scenarios
from tests.venues.test_edges import coin
from tests.venues.test_liquidation_steps import opening

COIN = msgspec.structs.replace(coin(tick_e8=1_000_000, lot_e8=E8 // 1_000), id="x:C0")
TERMS = Terms(effective_ns=0, taker_fee_e8=50_000, tiers=(Tier(0, NO_CAP, 400_000, 125, 0),))
LONGS = Traders(accounts=700, side=Side.BUY, lots=(1, 5_000), margin_e8=(1_000_000, 20_000_000))
SHORTS = Traders(
    accounts=300, side=Side.SELL, lots=(1, 5_000), margin_e8=(2_000_000, 30_000_000), scope=MarginScope.ISOLATED
)


def venue(accounts: int = 1_000) -> Venue:
    made = Venue(binance_usdm.RULES, [COIN], [[TERMS]], accounts=accounts)
    made.advance(0, scenarios.array(opening(0, 100)))
    return made


def test_everybody_who_can_pay_comes_in_and_the_ledger_is_whole() -> None:
    made = venue()
    came = enter(made, 0, [LONGS, SHORTS], seed=7)
    assert came.accounts == 1_000
    assert came.refused == {}
    lots = made.table("position")["lots"].reshape(-1, 2)[:, 0]
    assert np.all(lots[:700] > 0)
    assert np.all(lots[700:] < 0)
    assert (came.lots_long, came.lots_short) == (lots[:700].sum(), -lots[700:].sum())
    assert made.totals().gap == 0
    assert made.totals().fees == 0


def test_a_seed_is_a_population_and_another_seed_another() -> None:
    hashes = []
    for seed in (7, 7, 8):
        made = venue()
        enter(made, 0, [LONGS, SHORTS], seed=seed)
        hashes.append((made.state_hash(), made.event_hash()))
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_liquidation_price_of_a_cross_long_is_where_its_money_ends() -> None:
    made = venue()
    enter(made, 0, [LONGS], seed=3)
    for account in range(0, 700, 97):
        (p,) = made.account(account).positions
        wallet = made.account(account).wallet
        share = wallet / (p.lots * 0.001 * 100 * E8)
        assert 0.01 - 1e-9 <= share <= 0.2
        assert p.liquidation_e8 / E8 == pytest.approx(100 * (1 - share) / (1 - 0.004), rel=1e-6)


def test_all_that_an_isolated_trader_brings_stands_behind_its_position() -> None:
    made = venue(300)
    enter(made, 0, [SHORTS], seed=3)
    for account in (0, 150, 299):
        (p,) = made.account(account).positions
        assert (p.scope, made.account(account).wallet) == (MarginScope.ISOLATED, 0)
        assert p.isolated_margin > 0


def test_whoever_is_refused_is_counted() -> None:
    capped = msgspec.structs.replace(TERMS, tiers=(Tier(0, 1_000 * E8, 400_000, 125, 0),), max_lots=4_000)
    made = Venue(binance_usdm.RULES, [COIN], [[capped]], accounts=700)
    made.advance(0, scenarios.array(opening(0, 100)))
    came = enter(made, 0, [msgspec.structs.replace(LONGS, lots=(4_001, 12_000))], seed=1)
    assert came.refused == {"QTY_ABOVE_MAX": 700}
    assert came.otherwise == {}
    assert came.lots_long == 0
    assert made.totals().gap == 0


def test_an_account_of_which_all_is_refused_is_counted_once_by_its_position() -> None:
    capped = msgspec.structs.replace(TERMS, tiers=(Tier(0, 1_000 * E8, 400_000, 125, 0),), max_lots=4_000)
    made = Venue(binance_usdm.RULES, [COIN], [[capped]], accounts=300)
    made.advance(0, scenarios.array(opening(0, 100)))
    came = enter(made, 0, [msgspec.structs.replace(SHORTS, lots=(4_001, 12_000))], seed=1)  # then no margin to adjust
    assert came.refused == {"QTY_ABOVE_MAX": 300}
    assert came.otherwise == {}


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"margin_e8": (800_000, 900_000)}, "below what 125x asks for"),
        ({"accounts": 1_001}, "do not fit"),
        ({"lots": (1, 10**12)}, r"traders\[2\].qty: the largest position is worth 1e\+19"),
        ({"lots": (1, 10**40)}, r"traders\[2\].qty"),
        ({"lots": (1, 2 * 10**11), "margin_e8": (E8, 2 * E8)}, r"traders\[2\].qty"),
    ],
)
def test_a_population_that_cannot_be_is_refused_before_anybody_comes(group: dict[str, object], said: str) -> None:
    made = venue(1_500)
    before = made.state_hash()
    with pytest.raises(InvalidInput, match=said):
        enter(made, 0, [LONGS, msgspec.structs.replace(LONGS, **group)], seed=1)
    assert made.state_hash() == before


@pytest.mark.parametrize(
    "fields", [{"accounts": -1}, {"lots": (0, 5)}, {"lots": (5, 4)}, {"margin_e8": (0, 5)}, {"margin_e8": (6, 5)}]
)
def test_traders_that_are_none_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        msgspec.structs.replace(LONGS, **fields)


def test_commands_in_one_go_are_commands_one_by_one() -> None:
    one, many = venue(8), Venue(binance_usdm.RULES, [COIN], [[TERMS]], accounts=8, orders=4)
    many.advance(0, scenarios.array(opening(0, 100)))
    asked = [transfer(k % 8, (k + 1) * E8) for k in range(300)]
    rows = np.frombuffer(
        b"".join(COMMAND_FORMAT.pack(*msgspec.structs.astuple(c)) for c in asked), many.table("command").dtype
    )
    for command in asked:
        one.submit(command)
    many.submit_all(rows)
    many.submit_all(rows[:0])
    assert one.state_hash() == many.state_hash()
    assert one.event_hash() == many.event_hash()
    with pytest.raises(VenueError, match="COMMAND_DTYPE"):
        many.submit_all(np.zeros(3, np.int64))


@pytest.mark.parametrize("ask", [lambda v: v.totals(5), lambda v: v.fund(3), lambda v: v.deleveraging_ranks(-1)])
def test_what_a_venue_does_not_have_is_said_so(ask) -> None:
    with pytest.raises(VenueError, match=r"no (asset|insurance fund|instrument) -?\d; there are \d"):
        ask(venue(8))
