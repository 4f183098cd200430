"""The thirty perpetuals whose rows are shipped: chosen by a stated rule, whole, sourced, and small."""

from __future__ import annotations

from itertools import pairwise

import pytest

from novation.domain.enums import MarginMethod
from novation.domain.errors import InvalidInput, NoRuleInForce
from novation.domain.units import DAY_NS, E8, from_e8, to_e8, to_ns
from novation.reference import Reference, brackets_from_file
from novation.reference.rulebook import SHIPPED, load_folder
from tests.reference_tables.real_files import BRACKETS, PROPERTIES, real

AT = to_ns("2026-05-01")
FOLDER = load_folder(SHIPPED)
SYMBOLS = sorted(key for table, key in FOLDER.rules if table == "binance_um/contracts")


def test_there_are_thirty_and_each_has_contract_and_brackets() -> None:
    assert len(SYMBOLS) == 30
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "1000PEPEUSDT"} <= set(SYMBOLS)
    assert sorted(key for table, key in FOLDER.rules if table == "binance_um/brackets") == SYMBOLS


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_rows_of_a_symbol_are_whole(symbol: str) -> None:
    """Ticks and lots positive, tiers without a gap and continuous, every rule known on the day they all share."""
    reference = Reference(rules_as_of=AT)
    instrument = reference.instrument(symbol)
    (terms,) = reference.terms(symbol, AT, AT + DAY_NS)
    assert instrument.method is MarginMethod.TIERED
    assert instrument.tick_e8 > 0 and instrument.lot_e8 > 0 and terms.tick_step > 0
    assert 1 <= terms.min_lots < terms.max_lots
    assert terms.min_notional > 0
    assert 0 < terms.maker_fee_e8 < terms.taker_fee_e8 < terms.liquidation_fee_e8 < E8
    assert reference.funding_interval_hours(symbol, AT) in (1, 4, 8)
    assert set(terms.sources) == {"contract", "fees", "brackets", "order_cost"}
    assert all("2026" in terms.sources[group] for group in ("contract", "brackets"))
    tiers = terms.tiers
    assert (tiers[0].floor, tiers[0].cum) == (0, 0)
    assert tiers[-1].max_leverage == 1
    for below, tier in pairwise(tiers):
        assert tier.floor == below.cap < tier.cap
        assert tier.rate_e8 > below.rate_e8
        assert tier.max_leverage < below.max_leverage
        assert (tier.cum - below.cum) * E8 == tier.floor * (tier.rate_e8 - below.rate_e8)
        # what a tier requires to open is more than what it requires to stay open
        assert tier.rate_e8 * tier.max_leverage <= E8


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_what_is_assumed_of_a_symbol_is_said(symbol: str) -> None:
    """No symbol's contract row of 2026-05 is the exchange's own answer, and each says so."""
    reference = Reference()
    reference.terms(symbol, AT, AT + DAY_NS)
    assert any(f"binance_um/contracts {symbol}" in text for text in reference.cautions())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_nothing_is_known_for_ever(symbol: str) -> None:
    with pytest.raises(NoRuleInForce):
        Reference().terms(symbol, to_ns("2027-01-01"), to_ns("2027-01-02"))


def test_the_shipped_tables_stay_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.glob("*/*.csv")) < 250_000


def test_funding_limits_are_those_that_were_captured() -> None:
    """facts §0 row 3: BTCUSDT is held at 0.3 %; of others nothing is said, and nothing made up."""
    reference = Reference()
    assert reference.funding_limits("BTCUSDT", to_ns("2026-09-15")) == (to_e8("-0.003"), to_e8("0.003"))
    assert any("fundingInfo" in text for text in reference.used())
    with pytest.raises(NoRuleInForce, match="known 2026-09-15"):
        reference.funding_limits("BTCUSDT", AT)
    with pytest.raises(NoRuleInForce, match=r"it has no row of ETHUSDT.*reference refresh"):
        reference.funding_limits("ETHUSDT", AT)
    with pytest.raises(InvalidInput, match="dated future"):
        reference.funding_limits("ES", AT)


@real
@pytest.mark.data
def test_the_thirty_are_those_with_the_largest_positions_allowed() -> None:
    """Of the perpetuals in both files, by the cap of their last tier, ties by name; without a cap that says none."""
    pl = pytest.importorskip("polars")
    known = set(pl.read_parquet(PROPERTIES)["symbol"])
    tables = brackets_from_file(BRACKETS)
    caps = {symbol: tiers[-1].cap for symbol, tiers in tables.items() if "_" not in symbol and symbol in known}
    ranked = sorted((-cap, symbol) for symbol, cap in caps.items() if cap < 1 << 62)
    assert sorted(symbol for _, symbol in ranked[:30]) == SYMBOLS
    for symbol in SYMBOLS:
        assert Reference().brackets(symbol, AT).tiers == tables[symbol]


@real
@pytest.mark.data
def test_ticks_and_lots_of_the_newest_rows_are_those_of_the_file() -> None:
    pl = pytest.importorskip("polars")
    table = {row["symbol"]: row for row in pl.read_parquet(PROPERTIES).iter_rows(named=True)}
    for symbol in SYMBOLS:
        row = FOLDER.rules["binance_um/contracts", symbol][-1].row
        assert from_e8(to_e8(row["tick_usdt"])) == from_e8(to_e8(table[symbol]["minimum_price_variation"]))
        assert from_e8(to_e8(row["lot_base"])) == from_e8(to_e8(table[symbol]["lot_size"]))
