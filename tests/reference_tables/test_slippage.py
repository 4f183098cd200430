"""Which terms of slippage a product has, what a row must hold, and what the calendar knows of their drivers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from novation.domain.errors import DataError
from novation.domain.slippage import BASE, CURVES, RAMPS
from novation.domain.units import to_ns
from novation.reference import Reference
from novation.reference.rulebook import ASSUMED
from novation.reference.slippage import calendar_drivers, product_of, slippage_terms

HEADER = "effective_from,term,coefficient,low,high,begins,full,on,values,source\n"
KNOWN = "table,key,known_through,source\nslippage,*,2099-12-31,mine\n"


def own(folder: Path, *rows: str, venue: str = "cme") -> Reference:
    """The tables with rows of the user's own before them."""
    (folder / venue).mkdir()
    (folder / venue / "slippage.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (folder / venue / "known.csv").write_text(KNOWN)
    return Reference([folder])


@pytest.mark.parametrize("symbol", ["cme:ES", "cme:CL", "cme:6E", "cme:ZN", "binance_um:BTCUSDT", "binance_um:SOLUSDT"])
def test_every_term_says_where_it_is_from_and_none_is_unbounded(symbol: str) -> None:
    reference = Reference()
    found = slippage_terms(reference, product_of(reference, symbol))
    assert {"impact", "exponent"} <= set(found)
    for name, term in found.items():
        assert term.source and name in (*BASE, *RAMPS, *CURVES)
        assert bool(term.assumed) == term.source.startswith(ASSUMED)
        if name in BASE:
            assert 0 < term.low <= term.coefficient <= term.high
        elif name in RAMPS:
            assert 0 <= term.coefficient <= 1 and term.begins != term.full
        else:
            assert len(term.values) == CURVES[name] and all(0.5 < value < 2 for value in term.values)


def test_each_product_of_the_cme_tables_knows_the_spread_of_its_quotes() -> None:
    """Half a spread is from half a tick to three of them (SIL, MCL), since 2023-09."""
    reference = Reference()
    for root in reference.symbols("cme"):
        term = slippage_terms(reference, product_of(reference, f"cme:{root}"))["half_spread"]
        tick = float(reference.row("cme/contracts", root, to_ns("2023-09-01"))["tick_points"])
        assert 0.45 <= term.coefficient / tick <= 2.6, root
        assert not term.assumed


def test_a_products_own_term_comes_before_that_of_its_group_and_of_all(tmp_path: Path) -> None:
    reference = own(
        tmp_path,
        "2020-01-01,* impact,1,,,,,,,of all",
        "2020-01-01,metals impact,2,,,,,,,of the group",
        "2020-01-01,GC impact,3,,,,,,,its own",
    )
    values = {
        s: slippage_terms(reference, product_of(reference, s))["impact"].coefficient
        for s in ("cme:GC", "cme:SI", "cme:ES")
    }
    assert values == {"cme:GC": 3, "cme:SI": 2, "cme:ES": 1}


def test_rows_are_those_of_the_instant_and_measured_ones_know_no_future() -> None:
    """ES's quotes were measured in October 2013: before that no row says how wide they are."""
    reference, es = Reference(), product_of(Reference(), "cme:ES")

    def half(at: str) -> float | None:
        term = slippage_terms(reference, es, to_ns(at)).get("half_spread")
        return term.coefficient if term else None

    assert half("2012-01-02") is None
    assert half("2014-01-02") == 0.12615
    assert half("2024-01-02") == 0.13
    btc = product_of(reference, "binance_um:BTCUSDT")
    assert "hour" not in slippage_terms(reference, btc, to_ns("2023-06-01"))
    assert slippage_terms(reference, btc, to_ns("2024-06-01"))["hour"].source.startswith("measured")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2020-01-01,GC imapct,1,,,,,,,x", "term is a product"),
        ("2020-01-01,impact,1,,,,,,,x", "term is a product"),
        ("2020-01-01,GC impact,,,,,,,,x", "coefficient is missing"),
        ("2020-01-01,GC impact,-1,,,,,,,x", "below zero"),
        ("2020-01-01,GC exponent,0,,,,,,,x", "is zero, which is free"),
        ("2020-01-01,GC half_spread,0,,,,,,,x", "is zero, which is free"),
        ("2020-01-01,GC impact,1,2,3,,,,,x", "does not lie from low to high"),
        ("2020-01-01,GC impact,1,,,1,2,,,x", "begins has no meaning"),
        ("2020-01-01,GC impact,nan,,,,,,,x", "is no number"),
        ("2020-01-01,GC impact,1,,,,,all,,x", "on is one of"),
        ("2020-01-01,GC limit_distance,0.5,,,0.02,0,,,x", "on is one of"),
        ("2020-01-01,GC limit_distance,0.5,,,0.02,0.02,all,,x", "the same"),
        ("2020-01-01,GC limit_distance,-0.5,,,0.02,0,all,,x", "makes a cost larger"),
        ("2020-01-01,GC limit_distance,51,,,0.02,0,all,,x", "makes a cost larger"),
        ("2020-01-01,GC limit_distance,0.5,,,,0,all,,x", "begins is missing"),
        ("2020-01-01,GC month,,,,,,impact,1 1 1,x", "values has 3 numbers; month has 12"),
        ("2020-01-01,GC month,,,,,,impact,,x", "values is missing"),
        ("2020-01-01,GC month,,,,,,impact,1 1 1 1 1 1 1 1 1 1 1 0,x", "values lie from"),
        ("2020-01-01,GC month,,,,,,impact,1 1 1 1 1 1 1 1 1 1 1 x,x", "no number"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_what_is_wrong(row: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        own(tmp_path, row)
    assert "slippage.csv row 2" in str(caught.value)


def test_the_calendar_knows_the_hours_the_settlement_and_the_report() -> None:
    """ES settles at 15:00 Chicago; crude's report of 2026-07-22, a Wednesday, is at 14:30 UTC."""
    reference = Reference()
    es, cl = product_of(reference, "cme:ES"), product_of(reference, "cme:CL")
    inside = calendar_drivers(reference, es, to_ns("2026-07-22T19:45Z"))
    assert inside["outside_regular_hours"] == 0.0
    assert inside["minutes_to_settlement"] == 15.0
    at_night = calendar_drivers(reference, es, to_ns("2026-07-22T03:00Z"))
    assert at_night["outside_regular_hours"] == 1.0
    assert "minutes_to_report" not in at_night
    assert calendar_drivers(reference, cl, to_ns("2026-07-22T14:25Z"))["minutes_to_report"] == 5.0
    assert calendar_drivers(reference, cl, to_ns("2026-07-22T14:40Z"))["minutes_to_report"] == 10.0
    assert calendar_drivers(reference, cl, to_ns("2026-07-20T14:30Z"))["minutes_to_report"] == 2 * 24 * 60
    assert calendar_drivers(reference, es, to_ns("2026-09-10T14:30Z"))["days_to_roll"] == 4.0
    assert calendar_drivers(reference, product_of(reference, "binance_um:BTCUSDT"), to_ns("2026-07-22")) == {}


def test_on_a_saturday_nothing_settles_and_no_hours_are_regular() -> None:
    reference = Reference()
    found = calendar_drivers(reference, product_of(reference, "cme:ES"), to_ns("2026-07-25T12:00Z"))
    assert set(found) == {"days_to_roll", "outside_regular_hours"}
    assert found["outside_regular_hours"] == 1.0


def test_a_window_that_has_passed_and_hours_that_no_row_has() -> None:
    reference = Reference()
    es = product_of(reference, "cme:ES")
    assert calendar_drivers(reference, es, to_ns("2026-07-22T20:30Z"))["minutes_to_settlement"] == math.inf
    assert set(calendar_drivers(reference, es, to_ns("2005-03-16T14:00Z"))) == {"days_to_roll"}
