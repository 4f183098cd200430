"""Quarterlies: their names, their calendar and their dated rows; and the terms of venues that mark for themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.enums import InstrumentKind, MarginMethod, MarkRule
from novation.domain.errors import ConfigError, InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.units import DAY_NS, E8, iso, money, to_ns
from novation.reference import Reference
from novation.reference.quarterlies import deliveries, delivery_ns, listed, listing_ns
from novation.venues import binance_usdm
from novation.venues.venue import Venue

DAY = to_ns("2026-05-15")


@pytest.mark.parametrize(
    "written",
    ["BTCUSDT_261225", "binance_um:BTCUSDT_261225", "BTC/USDT:USDT-261225", "btcusdt_261225"],
)
def test_a_quarterly_is_known_by_each_of_its_names(written: str) -> None:
    assert Reference().resolve(written) == "binance_um:BTCUSDT_261225"


def test_a_day_without_deliveries_is_refused_with_the_quarters_own() -> None:
    with pytest.raises(UnknownInstrument, match=r"did you mean binance_um:BTCUSDT_261225\?"):
        Reference().resolve("BTCUSDT_261224")
    with pytest.raises(UnknownInstrument, match="BTCUSDT_260327"):
        Reference().resolve("BTC/USDT:USDT-260101")
    with pytest.raises(UnknownInstrument):
        Reference().resolve("XRPUSDT_261225")  # no quarterlies of it are known


def test_a_quarterly_is_a_future_that_is_delivered_at_eight() -> None:
    # facts/binance.md §13: e.g. 250328 has deliveryDate 1743148800000, 250627 1751011200000 (exchangeInfo, 2025-03)
    reference = Reference()
    assert reference.instrument("BTCUSDT_250328").deliver_ns == 1_743_148_800_000 * 10**6
    contract = reference.instrument("ETHUSDT_250627")
    assert contract.deliver_ns == 1_751_011_200_000 * 10**6
    assert (contract.kind, contract.method) == (InstrumentKind.FUTURE, MarginMethod.TIERED)
    assert (contract.root, contract.contract_month, contract.daily_settled) == ("ETHUSDT", 202506, False)
    assert reference.instrument("ETHUSDT").kind == InstrumentKind.PERPETUAL


def test_the_brackets_of_a_quarterly_are_its_own() -> None:
    # facts/binance.md §3.2: 8 tiers, 50x, first 1 %, last cap 120 million
    (terms,) = Reference().terms("BTCUSDT_260626", DAY, DAY + DAY_NS)
    assert len(terms.tiers) == 8
    assert (terms.tiers[0].max_leverage, terms.tiers[0].rate_e8) == (50, 1_000_000)
    assert terms.tiers[-1].cap == money(120_000_000, "USDT")
    assert (terms.delivery_seconds, terms.delivery_fee_e8, terms.taker_fee_e8) == (1_800, 50_000, 50_000)
    (perpetual,) = Reference().terms("BTCUSDT", DAY, DAY + DAY_NS)
    assert len(perpetual.tiers) == 12


def test_what_is_assumed_of_quarterlies_is_said() -> None:
    reference = Reference()
    reference.terms("BTCUSDT_260626", DAY, DAY + DAY_NS)
    assert any("COIN-M" in text for text in reference.cautions())


def test_the_hour_became_half_an_hour_on_2024_11_11() -> None:
    reference = Reference(rules_as_of={"binance_um/quarterly_brackets": "2026-05-15"})
    before, after = reference.terms("BTCUSDT_241227", to_ns("2024-11-01"), to_ns("2024-12-01"))
    assert (before.delivery_seconds, after.delivery_seconds) == (3_600, 1_800)
    assert iso(after.effective_ns)[:10] == "2024-11-11"
    with pytest.raises(NoRuleInForce, match="quarterly_brackets"):
        Reference().terms("BTCUSDT_241227", to_ns("2024-11-01"), to_ns("2024-12-01"))


def test_a_quarterly_has_no_funding_and_no_overrides() -> None:
    with pytest.raises(InvalidInput, match="no funding"):
        Reference().funding_interval_hours("BTCUSDT_261225", DAY)
    with pytest.raises(ConfigError, match="cannot be overridden"):
        Reference(overrides={"BTCUSDT_261225": {"taker_fee": 0}})


def test_two_quarterlies_are_listed_and_the_next_one_with_each_delivery() -> None:
    end = delivery_ns("261225")
    assert listed("BTCUSDT", end - 1) == ("BTCUSDT_261225", "BTCUSDT_270326")
    assert listed("BTCUSDT", end) == ("BTCUSDT_270326", "BTCUSDT_270625")
    assert listing_ns("270625") == end


@given(st.integers(to_ns("2020-01-01"), to_ns("2060-01-01")))
def test_deliveries_are_fridays_three_months_apart(at_ns: int) -> None:
    ahead = deliveries(at_ns)
    first, second, third = (next(ahead) for _ in range(3))
    assert at_ns < delivery_ns(first) < delivery_ns(second) < delivery_ns(third)
    for digits in (first, second, third):
        # 1970-01-01 was a Thursday
        assert (delivery_ns(digits) // DAY_NS) % 7 == 1
        assert 84 <= (delivery_ns(second) - delivery_ns(first)) // DAY_NS <= 98
    assert listing_ns(third) == delivery_ns(first)


# -- what a venue that marks for itself needs -----------------------------------------------------------------------


def test_terms_of_a_marked_perpetual_say_how_its_rate_is_made() -> None:
    at = to_ns("2026-05-15")
    reference = Reference()
    (terms,) = reference.terms("BTCUSDT", at, at + DAY_NS, marked=True)
    assert (terms.funding_interval_hours, terms.interest_e8, terms.funding_clamp_e8) == (8, 10_000, 50_000)
    assert (terms.impact_base, terms.basis_seconds) == (200 * E8, 30)
    assert (terms.hourly_at_limit, terms.quiet_needed, terms.quiet_e8, terms.quiet_hours) == (1, 16, 25_000, 4)
    # the captured row is of 2026-09: before it, three quarters of 0.4 %
    assert (terms.funding_floor_e8, terms.funding_cap_e8) == (-300_000, 300_000)
    assert any("three quarters" in text for text in reference.cautions())
    (plain,) = Reference().terms("BTCUSDT", at, at + DAY_NS)
    assert plain.funding_interval_hours == 0


def test_contracts_of_little_leverage_have_the_wider_limit() -> None:
    tiers = [{"floor": 0, "cap": None, "rate": "0.02", "max_leverage": 25}]
    reference = Reference(overrides={"SOLUSDT": {"brackets": tiers}})
    (terms,) = reference.terms("SOLUSDT", DAY, DAY + DAY_NS, marked=True)
    assert (terms.funding_floor_e8, terms.funding_cap_e8) == (-3_000_000, 3_000_000)
    assert any("at most 25x" in text for text in reference.cautions())


def test_bnb_pays_no_interest_and_the_sixteen_quiet_rates_came_in_2026() -> None:
    (bnb,) = Reference().terms("BNBUSDT", DAY, DAY + DAY_NS, marked=True)
    assert bnb.interest_e8 == 0
    pinned = Reference(rules_as_of={"binance_um/brackets": "2026-05-15", "binance_um/contracts": "2026-05-15"})
    before, after = pinned.terms("SOLUSDT", to_ns("2025-12-01"), to_ns("2026-02-01"), marked=True)
    assert (before.quiet_needed, after.quiet_needed) == (0, 16)
    with pytest.raises(NoRuleInForce, match="marks"):
        pinned.terms("SOLUSDT", to_ns("2025-09-01"), to_ns("2025-09-02"), marked=True)


def test_a_venue_takes_the_terms_as_they_come() -> None:
    reference = Reference()
    instruments = [reference.instrument(symbol) for symbol in ("BTCUSDT", "ENAUSDT", "BTCUSDT_260626")]
    terms = [reference.terms(i.id, DAY, DAY + DAY_NS, marked=True) for i in instruments]
    venue = Venue(binance_usdm.RULES, instruments, terms, marked={i.id: MarkRule.MEDIAN for i in instruments})
    assert venue.funding(1).interval_hours == 4
