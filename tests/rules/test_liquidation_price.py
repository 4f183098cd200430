"""Maintenance margins and liquidation prices by their definition, at every bracket edge, through `Venue.account`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from novation.domain.account import Position
from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import InstrumentKind, MarginMethod, MarginScope, MarketEventKind, Side
from novation.domain.instruments import Instrument, Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import BALANCE_BOUND, E8, NO_CAP, money, to_e8
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.venues import scenarios

LOT_E8 = 10_000_000  # 0.1 coin
#: Of a bracket table: (cap, rate, most leverage, cum), money in USDT.
Row = tuple[Decimal, Decimal, int, Decimal]


def symbol_of(rows: Sequence[Row]) -> tuple[Instrument, Terms]:
    """An instrument with the brackets, on a grid fine enough to stand at each edge."""
    low, tiers = Decimal(0), []
    for cap, rate, leverage, cum in rows:
        tiers.append(
            Tier(money(low, "USDT"), min(NO_CAP, money(cap, "USDT")), to_e8(rate), leverage, money(cum, "USDT"))
        )
        low = cap
    instrument = Instrument(
        id="x:C",
        venue="x",
        symbol="C",
        root="C",
        kind=InstrumentKind.PERPETUAL,
        asset="USDT",
        method=MarginMethod.TIERED,
        tick_e8=100,
        lot_e8=LOT_E8,
    )
    return instrument, Terms(effective_ns=0, tiers=tuple(tiers))


def exact_maintenance(rows: Sequence[Row], notional: Fraction) -> Fraction:
    """notional * rate - cum of the bracket, in USDT; written without the package."""
    for cap, rate, _, cum in rows:
        if notional <= Fraction(cap):
            return notional * Fraction(rate) - Fraction(cum)
    return notional * Fraction(rows[-1][1]) - Fraction(rows[-1][3])


def maintenance_in_decimal(rows: Sequence[Row], notional: Decimal) -> int:
    """The same in `decimal`, truncated once, at the end."""
    with localcontext() as context:
        context.prec = 60
        _, rate, _, cum = next((row for row in rows if notional <= row[0]), rows[-1])
        return int(((notional * rate - cum) * E8).to_integral_value(ROUND_DOWN))


def surplus(rows: Sequence[Row], p: Position, behind: Fraction, price_e8: int) -> Fraction:
    """What is left of a position at a price after its maintenance, in USDT."""
    value = Fraction(price_e8 * p.lots * LOT_E8, E8 * E8)
    return behind + value - Fraction(p.cost, E8) - exact_maintenance(rows, abs(value))


def assert_by_definition(rows: Sequence[Row], p: Position, behind: Fraction) -> None:
    """For a long the highest, for a short the lowest 1e-8 price with equity <= maintenance."""
    price, next_price = p.liquidation_e8, p.liquidation_e8 + (1 if p.lots > 0 else -1)
    if price == 0:
        assert surplus(rows, p, behind, 1) > 0
        return
    assert surplus(rows, p, behind, price) <= 0
    if next_price > 0:
        assert surplus(rows, p, behind, next_price) > 0


def wanted_lots(r: Random, rows: Sequence[Row], mark_e8: int, count: int) -> list[int]:
    """Sizes at and next to every edge, and random ones up to the last cap."""
    one = Fraction(mark_e8 * LOT_E8, E8 * E8)
    sizes = []
    for cap, *_ in rows:
        edge = int(Fraction(cap) / one)
        sizes += [edge - 1, edge, edge + 1]
    top = max(2, min(sizes[-2], 1 << 39))
    sizes = [n for n in sizes if 1 <= n <= top]
    while len(sizes) < count:
        sizes.append(r.randint(1, max(1, int(top ** r.random()))))
    return sizes


def check(r: Random, rows: Sequence[Row], count: int) -> int:
    """Positions of both sides and scopes in one symbol; how many stood and were checked."""
    instrument, terms = symbol_of(rows)
    mark = r.choice([E8, E8, r.randint(10**6, 10**10) * 100])
    plans = [
        (lots, side, scope)
        for lots in wanted_lots(r, rows, mark, count)
        for side in (Side.BUY, Side.SELL)
        for scope in MarginScope
    ]
    venue = Venue(binance_usdm.RULES, [instrument], [[terms]], accounts=len(plans))
    entry = mark // 100 * r.choice([9_999, 10_000, 10_001]) // 10_000 * 100
    opens(venue, 0, entry)
    for account, (lots, side, scope) in enumerate(plans):
        notional = entry * lots * LOT_E8 // E8
        _, _, most, _ = next((row for row in rows if notional * 102 // 100 <= money(row[0], "USDT")), rows[-1])
        leverage = r.randint(1, most)
        cash = min(BALANCE_BOUND, notional // leverage * r.choice([101, 150, 400]) // 100 + 1_000)
        venue.submit(transfer(account, cash))
        venue.submit(set_margin_scope(account, 0, scope))
        venue.submit(set_leverage(account, 0, leverage))
        venue.submit(place_market(account, 0, side, lots))
    opens(venue, 1, mark)
    checked = 0
    for account, (lots, side, scope) in enumerate(plans):
        for p in venue.account(account).positions:
            if not p.lots:
                continue
            assert (p.lots, p.scope, p.mark_e8) == (side * lots, scope, mark)
            notional = Decimal(mark) * lots * LOT_E8 / E8 / E8
            assert p.maintenance == maintenance_in_decimal(rows, notional)
            wallet = venue.account(account).wallet
            assert_by_definition(rows, p, Fraction(p.isolated_margin if scope == MarginScope.ISOLATED else wallet, E8))
            checked += 1
    return checked


def opens(venue: Venue, ts_ns: int, price_e8: int) -> None:
    """A bar opens, last and mark alike."""
    venue.advance(
        ts_ns,
        scenarios.array(
            [MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=price_e8, mark_e8=price_e8)]
        ),
    )


@pytest.mark.data
def test_a_thousand_positions_over_fifty_symbols_of_the_brackets_file(novation_data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = novation_data / "binance_um" / "params" / "leverage_brackets_2026-05.parquet"
    table = parquet.read_table(file).to_pylist()
    by_symbol: dict[str, list[Row]] = {}
    for row in sorted(table, key=lambda row: (row["symbol"], row["tier"])):
        if row["currency"] == "USDT":
            cap, rate, cum = (Decimal(repr(row[name])) for name in ("notional_cap", "maint_margin_rate", "cum"))
            by_symbol.setdefault(row["symbol"], []).append((cap, rate, row["max_leverage"], cum))
    r = Random("brackets")
    symbols = ["BTC/USDT:USDT", "ETH/USDT:USDT", *r.sample(sorted(by_symbol), 48)]
    checked = [check(r, by_symbol[symbol], 10) for symbol in symbols]
    assert min(checked) > 0
    assert sum(checked) >= 1_000


@pytest.mark.parametrize("seed", range(12))
def test_positions_at_every_edge_of_random_brackets(seed: int) -> None:
    r = Random(seed)
    rows = [
        (Decimal(t.cap) / E8, Decimal(t.rate_e8) / E8, t.max_leverage, Decimal(t.cum) / E8)
        for t in scenarios.brackets(r)
    ]
    assert check(r, rows, 10) >= 10
