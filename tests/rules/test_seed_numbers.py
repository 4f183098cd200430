"""Numbers that the first plan got wrong, and the bracket tables they stand in (facts/binance.md §0, §3.2)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import InstrumentKind, MarginMethod, MarginScope, MarketEventKind, Side
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP, money, to_e8
from novation.rules.bankruptcy import bankruptcy_price
from novation.rules.margin import tiered_maintenance
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues.scenarios import array

#: BTCUSDT of 2026-09, facts/binance.md §3.2: floor, cap, rate, most leverage, cum in USDT.
BTCUSDT_2026_09 = (
    (0, 300_000, "0.004", 150, 0),
    (300_000, 800_000, "0.005", 100, 300),
    (800_000, 3_000_000, "0.0065", 75, 1_500),
    (3_000_000, 12_000_000, "0.01", 50, 12_000),
    (12_000_000, 70_000_000, "0.02", 25, 132_000),
    (70_000_000, 100_000_000, "0.025", 20, 482_000),
    (100_000_000, 230_000_000, "0.05", 10, 2_982_000),
    (230_000_000, 480_000_000, "0.10", 5, 14_482_000),
    (480_000_000, 600_000_000, "0.125", 4, 26_482_000),
    (600_000_000, 800_000_000, "0.15", 3, 41_482_000),
    (800_000_000, 1_200_000_000, "0.25", 2, 121_482_000),
    (1_200_000_000, 1_800_000_000, "0.50", 1, 421_482_000),
)
#: The plan's own table up to the bracket of 15 million: cap, rate.
SEED = ((50_000, "0.004"), (250_000, "0.005"), (1_000_000, "0.01"), (10_000_000, "0.025"), (20_000_000, "0.05"))


def usdt(amount: str | int) -> int:
    """USDT in minor units."""
    return money(amount, "USDT")


def isolated_long(tier: Tier, qty: str, entry: str, leverage: int) -> int:
    """Liquidation price of an isolated long, through a venue."""
    instrument = Instrument(
        id="binance_um:BTCUSDT",
        venue="binance_um",
        symbol="BTCUSDT",
        root="BTCUSDT",
        asset="USDT",
        kind=InstrumentKind.PERPETUAL,
        method=MarginMethod.TIERED,
        tick_e8=to_e8("0.1"),
        lot_e8=to_e8("0.001"),
    )
    venue = Venue(binance_usdm.RULES, [instrument], [[Terms(effective_ns=0, tiers=(tier,))]])
    price = to_e8(entry)
    for command in (
        transfer(0, usdt(1_000_000)),
        set_margin_scope(0, 0, MarginScope.ISOLATED),
        set_leverage(0, 0, leverage),
    ):
        venue.submit(command)
    row = MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=price, mark_e8=price)
    venue.advance(0, array([row]))
    venue.submit(place_market(0, 0, Side.BUY, instrument.lots(qty)))
    return venue.account(0).positions[0].liquidation_e8


def test_row_6_liquidation_price_of_a_tenth_of_a_bitcoin() -> None:
    """Entry 60,000, 10x, MMR 0.4 %: 54,216.87, where the plan had 54,240; bankrupt at 54,000."""
    price = isolated_long(Tier(0, NO_CAP, to_e8("0.004"), 125, 0), "0.1", "60000", 10)
    assert (Decimal(price) / E8).quantize(Decimal("0.01")) == Decimal("54216.87")
    assert bankruptcy_price(100, 100_000, usdt(6_000), usdt(600), 0) == to_e8(54_000)


@pytest.mark.parametrize(("leverage", "level"), [(20, "0.953815"), (50, "0.983936")])
def test_v9_liquidation_level_of_the_timing_table(leverage: int, level: str) -> None:
    """L / entry = (1 - 1 / leverage) / (1 - 0.004) (facts/validation_tables.md V9)."""
    price = isolated_long(Tier(0, NO_CAP, to_e8("0.004"), 125, 0), "0.001", "50000", leverage)
    assert (Decimal(price) / to_e8(50_000)).quantize(Decimal("0.000001")) == Decimal(level)


def test_row_13_maintenance_of_fifteen_million() -> None:
    """Bracket 5 with cum 266,300: 483,700, where the plan had bracket 6 and 1,500,000."""
    cum = 0
    for (cap, rate), (_, above) in pairwise(SEED):
        cum += usdt(cap) * (to_e8(above) - to_e8(rate)) // E8
    assert cum == usdt(266_300)
    assert SEED[3][0] < 15_000_000 <= SEED[4][0]
    assert tuple(tiered_maintenance(usdt(15_000_000), 0, to_e8(SEED[4][1]), cum)) == (usdt(483_700), 0)


def test_cum_recurrence_of_twelve_brackets() -> None:
    """cum_n = cum_n-1 + floor_n * (rate_n - rate_n-1), and maintenance is continuous at every edge (§3, §3.2)."""
    assert BTCUSDT_2026_09[0][4] == 0
    for (_, cap, rate, _, cum), (floor, _, above, _, next_cum) in pairwise(BTCUSDT_2026_09):
        assert floor == cap
        assert next_cum == cum + floor * (Decimal(above) - Decimal(rate))
        edge = usdt(floor)
        below = tiered_maintenance(edge, 0, to_e8(rate), usdt(cum))
        assert tuple(below) == tuple(tiered_maintenance(edge, 0, to_e8(above), usdt(next_cum)))
