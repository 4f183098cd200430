"""Which rules an order book has at a date, and where they come from (facts/cme.md §7, facts/binance.md §7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from novation.domain.book import BookRules, StopLogic, Velocity
from novation.domain.enums import SelfTrade
from novation.domain.errors import DataError, InvalidInput, NoRuleInForce
from novation.domain.units import DAY_NS, E8, NS, to_ns
from novation.reference import Reference
from novation.reference.book_rules import ALGORITHMS, book_rules

OUTRIGHTS = "ES NQ YM RTY MES MNQ MYM M2K 6E 6J 6B 6A 6C ZT ZF ZN ZB GC MGC SI SIL HG CL MCL NG".split()  # noqa: SIM905
AT = to_ns("2026-01-05")
CAPTURED = to_ns("2026-09-15T12:00:00Z")
HEAD = "effective_from,root,algorithm,fifo_percent,pro_rata_min,protection_points,verified,source\n"
KNOWN = "table,key,known_through,source\nmatching,*,2030-12-31,mine\n"


def own(folder: Path, row: str) -> Reference:
    """Shipped tables behind a folder that says how GC matches."""
    tables = folder / "cme"
    tables.mkdir(parents=True)
    (tables / "matching.csv").write_text(HEAD + f"2010-01-01,GC,{row},yes,mine\n")
    (tables / "known.csv").write_text(KNOWN)
    return Reference([folder])


@pytest.mark.parametrize("root", OUTRIGHTS)
def test_every_outright_matches_by_time(root: str) -> None:
    symbol = next(f"cme:{root}{month}2026" for month in "ZM")
    rules = book_rules(Reference(), symbol, AT)
    assert rules.by_time and not rules.market_orders and rules.amend_keeps_place


def test_two_year_notes_are_known_since_they_match_by_time() -> None:
    with pytest.raises(NoRuleInForce, match="matching"):
        book_rules(Reference(), "cme:ZTH2018", to_ns("2018-01-05"))


def test_protection_points_are_ticks_of_the_contract_and_said_to_be_old() -> None:
    """3.00 points of 0.25 are 12 ticks; GC's are not known: it has no protected orders."""
    reference = Reference()
    assert book_rules(reference, "cme:ESZ2026", AT).protection_ticks == 12
    assert book_rules(reference, "cme:YMZ2026", AT).protection_ticks == 30
    assert book_rules(reference, "cme:GCZ2026", AT).protection_ticks == 0
    assert any("protection points of 2009" in caution for caution in reference.cautions())


def test_k_has_the_shares_of_its_row(tmp_path: Path) -> None:
    """Calendar spreads of ZT: 20 % by time and 80 % pro rata, two lots at least (A13)."""
    rules = book_rules(own(tmp_path, "K,20,2,"), "cme:GCZ2026", AT, lead_makers=[(3, 10)])
    assert (rules.fifo_percent, rules.pro_rata_min, rules.lead_makers) == (20, 2, ((3, 10),))


def test_allocation_is_the_top_order_then_pro_rata_of_two_lots_or_more(tmp_path: Path) -> None:
    """The algorithm of A12."""
    rules = book_rules(own(tmp_path, "A,,,"), "cme:GCZ2026", AT)
    assert (rules.top, rules.fifo_percent, rules.pro_rata_min) == (True, 0, 2)


@pytest.mark.parametrize("letter", list(ALGORITHMS))
def test_every_letter_is_a_way_to_match(letter: str, tmp_path: Path) -> None:
    share = "50" if letter == "K" else ""
    assert isinstance(book_rules(own(tmp_path, f"{letter},{share},,"), "cme:GCZ2026", AT), BookRules)


def test_what_is_no_way_to_match_is_refused(tmp_path: Path) -> None:
    for number, (row, message) in enumerate(
        {
            "X,,,": "algorithm is none of F, C, A",
            "K,,,": "fifo_percent is missing",
            "F,40,2,": "fifo_percent has no meaning in algorithm F",
            "K,2.5,,": "fifo_percent is no whole number from 0 to 100",
            "K,140,,": "fifo_percent is no whole number",
            "K,20,-1,": "pro_rata_min is no whole number",
            "F,,,-1": "protection_points is no number above zero",
        }.items()
    ):
        with pytest.raises(DataError, match=message):
            book_rules(own(tmp_path / f"wrong-{number}", row), "cme:GCZ2026", AT)
    with pytest.raises(InvalidInput, match="algorithm F has none"):
        book_rules(Reference(), "cme:GCZ2026", AT, lead_makers=[(0, 10)])
    with pytest.raises(DataError, match="whole number of ticks"):
        book_rules(own(tmp_path / "b", "F,,,0.15"), "cme:GCZ2026", AT)


def test_a_velocity_of_the_users_table_acts_in_the_book(tmp_path: Path) -> None:
    """40 ticks of 0.10 within a second halt gold for five."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "GC:\n  effective_from: 2024-01-01\n  known_through: 2026-12-31\n  source: my broker\n"
        "  velocity: {ticks: 40, milliseconds: 1000, halt_seconds: 5}\n"
    )
    rules = book_rules(Reference([file]), "cme:GCZ2026", AT)
    assert rules.velocity == Velocity(move_ticks=40, within_ns=NS, pause_ns=5 * NS)


def test_binance_is_as_it_was_captured() -> None:
    rules = book_rules(Reference(), "BTCUSDT", CAPTURED)
    asked = rules.filters
    assert (asked.max_market_lots, asked.up_e8, asked.down_e8) == (120_000, 105_000_000, 95_000_000)
    assert (asked.min_ticks * 10**6, asked.max_ticks * 10**6) == (55_680_000_000, 4_529_764 * E8)  # a tick is a cent
    assert (asked.take_bound_e8, asked.trigger_protect_e8) == (E8 // 20, E8 // 20)
    assert (asked.max_orders, asked.max_conditional, asked.least_gtd_ns) == (200, 200, 600 * NS)
    assert (asked.least_callback_e8, asked.most_callback_e8, asked.gtc_ns) == (E8 // 1_000, E8 // 10, 365 * DAY_NS)
    assert asked.max_amends == 10_000 and rules.amend_drops_self_trade
    assert rules.price_match and rules.opponent_most == 5 and not rules.amend_keeps_place and rules.refuse_unfillable
    assert rules.self_trade == SelfTrade.CANCEL_MAKER


def test_filters_and_brackets_are_in_force_together_and_what_is_assumed_is_said() -> None:
    reference, at = Reference(), to_ns("2026-08-01")
    assert book_rules(reference, "BTCUSDT", at) == book_rules(Reference(), "BTCUSDT", CAPTURED)
    assert reference.terms("BTCUSDT", at, at + 1)[0].tiers
    assert any("the filters of 2026-09-15 since 2026-05-01" in text for text in reference.cautions())


def test_binance_is_known_for_the_symbol_and_the_day_that_were_captured() -> None:
    with pytest.raises(NoRuleInForce, match="filters"):
        book_rules(Reference(), "ETHUSDT", CAPTURED)
    with pytest.raises(NoRuleInForce, match="filters"):
        book_rules(Reference(), "BTCUSDT", CAPTURED + 2 * DAY_NS)
    with pytest.raises(NoRuleInForce, match="filters"):
        book_rules(Reference(), "binance_um:BTCUSDT_261225", CAPTURED)
    with pytest.raises(InvalidInput, match="lead_makers"):
        book_rules(Reference(), "BTCUSDT", CAPTURED, lead_makers=[(0, 10)])
    with pytest.raises(InvalidInput, match="at_ns"):
        book_rules(Reference(), "BTCUSDT", "2026-09-15")  # type: ignore[arg-type]


def test_what_no_table_has_is_handed_in() -> None:
    rules = book_rules(Reference(), "cme:ESZ2026", AT, group=1, stop_logic=StopLogic(move_ticks=24))
    assert (rules.group, rules.stop_logic) == (1, StopLogic(move_ticks=24))
