"""Which limits hold for a product at a date, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novation.domain.errors import ConfigError, DataError, NoRuleInForce
from novation.domain.units import E8, NS, iso, to_e8, to_ns
from novation.reference import Reference
from novation.reference.day_margin import intraday_ratio_e8
from novation.reference.market_limits import (
    WITHOUT_END,
    circuit_breaker,
    price_limits,
    velocity,
)
from novation.rules.circuit_breaker import variant
from novation.rules.price_limits import Rounding, fixed_limits, fixed_limits_by_amount

EQUITY = ["ES", "NQ", "YM", "RTY", "MES", "MNQ", "MYM", "M2K"]
OWN = """GC:
  effective_from: 2024-01-01
  known_through: 2026-12-31
  source: {source}
  {limits}
"""
PERCENT = "{method: percent, first_fraction: 0.05, step_fraction: 0.025, expansions: 2, outside: rest}"
INDEX = (
    "{method: index, band_fraction: 0.07, first_fraction: 0.07, second_fraction: 0.13, third_fraction: 0.2, "
    "after_fraction: 0.07, rounding: outward, outside: reject}"
)
BREAKER = "{fraction: 0.12, window_minutes: 30, halt_seconds: 60, late_minutes: 0, late_halt_seconds: 0}"
VELOCITY = "{ticks: 30, milliseconds: 500, halt_seconds: 5}"


def own(folder: Path, limits: str, source: str = "my broker") -> Reference:
    """Shipped tables behind a file of products that gives GC limits."""
    file = folder / "own.yaml"
    file.write_text(OWN.format(limits=limits, source=source))
    return Reference([file])


def found(what: Any) -> Any:
    assert what is not None
    return what


# ------------------------------------------------------------ equity index


@pytest.mark.parametrize("root", EQUITY)
def test_the_overnight_band_of_equity_futures_widens_from_5_to_7_percent(root: str) -> None:
    """Trade date 2020-10-12, which opens on Sunday evening at 17:00 in Chicago."""
    opens = to_ns("2020-10-11T22:00:00Z")
    before, after = (found(price_limits(Reference(), root, at)) for at in (opens - 1, opens))
    assert (before.band_e8, before.after_e8) == (to_e8("0.05"),) * 2
    assert (after.band_e8, after.after_e8) == (to_e8("0.07"),) * 2
    for limits in (before, after):
        steps = [limits.first_e8, limits.second_e8, limits.third_e8]
        assert (limits.method, steps) == ("index", [to_e8("0.07"), to_e8("0.13"), to_e8("0.2")])
        assert (limits.rejects, limits.rounding, limits.verified) == (True, Rounding.INWARD, True)


@pytest.mark.parametrize("root", EQUITY)
def test_equity_futures_have_a_circuit_breaker_of_three_and_a_half_percent_since_that_day(root: str) -> None:
    opens = to_ns("2020-10-11T22:00:00Z")
    assert circuit_breaker(Reference(), root, opens - 1) is None
    breaker = found(circuit_breaker(Reference(), root, opens))
    assert (breaker.fraction_e8, breaker.verified) == (to_e8("0.035"), True)
    assert (breaker.window_ns, breaker.halt_ns) == (3_600 * NS, 120 * NS)
    assert (breaker.late_ns, breaker.late_halt_ns) == (300 * NS, 5 * NS)


def test_the_steps_of_the_day_were_10_20_and_30_percent_before_april_2013() -> None:
    """CME S-6547; the amounts were set once a quarter, which is why the row is unverified."""
    reference = Reference()
    limits = found(price_limits(reference, "ES", to_ns("2013-04-05")))
    assert (limits.first_e8, limits.second_e8, limits.third_e8) == (to_e8("0.1"), to_e8("0.2"), to_e8("0.3"))
    assert not limits.verified
    assert any(text.startswith("assumed in cme/price_limits ES: read daily") for text in reference.cautions())


def test_a_verified_limit_is_no_caution() -> None:
    reference = Reference()
    price_limits(reference, "ES", to_ns("2021-03-01"))
    circuit_breaker(reference, "ES", to_ns("2021-03-01"))
    assert reference.cautions() == ()
    assert any("cme/price_limits, 2020-10-11 22:00" in text for text in reference.used())


# ------------------------------------------------------------ energy and metals


@pytest.mark.parametrize("root", ["CL", "NG", "GC", "MGC", "SI", "SIL", "MCL"])
def test_a_product_with_a_dynamic_circuit_breaker_has_no_fixed_limit(root: str) -> None:
    at = to_ns("2024-01-02")
    assert price_limits(Reference(), root, at) is None
    assert circuit_breaker(Reference(), root, at) is not None


def test_the_breaker_of_crude_oil_goes_from_7_to_15_percent_on_the_day_of_the_notice() -> None:
    """SER-8566: 2020-03-19, until further notice; no end of it was found."""
    days = ("2020-03-18", "2020-03-19", "2020-04-22", "2024-01-02")
    breakers = [found(circuit_breaker(Reference(), "CL", to_ns(day))) for day in days]
    assert [breaker.fraction_e8 for breaker in breakers] == [to_e8("0.07"), *[to_e8("0.15")] * 3]
    assert [breaker.verified for breaker in breakers] == [True, True, True, False]


@pytest.mark.parametrize("root", ["GC", "MGC", "SI", "SIL", "NG"])
def test_ten_percent_is_what_the_facts_have_for_metals_and_gas_unverified(root: str) -> None:
    """Example A6 (facts/cme.md §5): 10 % of 80.00 are 8.00."""
    reference = Reference()
    breaker = found(circuit_breaker(reference, root, to_ns("2024-01-02")))
    assert variant(8_000, breaker.fraction_e8, breaker.rounding) == 800
    assert not breaker.verified
    assert f"assumed in cme/circuit_breakers {root}: 10 %, unverified (facts/cme.md §5), at all dates" in (
        reference.cautions()
    )


def test_crude_oil_had_the_plans_limits_that_expand_twice_before() -> None:
    limits = found(price_limits(Reference(), "CL", to_ns("2016-01-20")))
    assert (limits.method, limits.verified, limits.rejects) == ("percent", False, False)
    widths = [
        fixed_limits(10_000, limits.first_e8, limits.step_e8, n, limits.most_e8, limits.rounding) for n in range(4)
    ]
    assert widths == [(9_300, 10_700), (8_950, 11_050), (8_600, 11_400), (8_600, 11_400)]
    assert limits.expansions == 2


def test_gold_had_limits_of_a_hundred_dollars_that_expand_three_times() -> None:
    """S-7258, from trade date 2014-12-22; none before."""
    opens = to_ns("2014-12-21T23:00:00Z")
    assert price_limits(Reference(), "GC", opens - 1) is None
    limits = found(price_limits(Reference(), "GC", opens))
    tick_e8 = Reference().instrument("GCG2015").tick_e8
    first, step, most = (amount // tick_e8 for amount in (limits.first_e8, limits.step_e8, limits.most_e8))
    assert limits.method == "amount"
    assert [fixed_limits_by_amount(12_000, first, step, n, most)[1] for n in (0, 3, 4)] == [13_000, 16_000, 16_000]


def test_natural_gas_had_limits_that_expand_without_end() -> None:
    limits = found(price_limits(Reference(), "NG", to_ns("2012-06-01")))
    assert (limits.expansions, limits.most_e8) == (WITHOUT_END, WITHOUT_END)
    assert found(price_limits(Reference(), "NG", to_ns("2016-06-01"))).most_e8 == to_e8("0.2")


# ------------------------------------------------------------ none, and not known


@pytest.mark.parametrize("root", ["6E", "ZN", "HG"])
def test_a_product_of_which_no_limits_are_known_has_none(root: str) -> None:
    for look_up in (price_limits, circuit_breaker, velocity):
        assert look_up(Reference(), root, to_ns("2021-03-01")) is None


@pytest.mark.parametrize("day", ["2009-12-31", "2029-01-01"])
def test_a_day_that_no_row_covers_is_refused_by_the_name_of_the_table(day: str) -> None:
    with pytest.raises(NoRuleInForce, match="cme/price_limits"):
        price_limits(Reference(), "ES", to_ns(day))
    with pytest.raises(NoRuleInForce, match="cme/circuit_breakers"):
        circuit_breaker(Reference(), "CL", to_ns(day))


def test_the_rounding_is_that_of_the_rules(tmp_path: Path) -> None:
    for word, rounding in (("inward", Rounding.INWARD), ("outward", Rounding.OUTWARD)):
        reference = own(tmp_path, f"price_limits: {INDEX.replace('outward', word)}")
        assert found(price_limits(reference, "GC", to_ns("2025-01-02"))).rounding == rounding


# ------------------------------------------------------------ a file of products


def test_a_file_of_products_states_limits_of_its_own(tmp_path: Path) -> None:
    limits = (
        f"price_limits: {PERCENT}\n  circuit_breakers: {BREAKER}\n  velocity: {VELOCITY}\n  banding: {{points: 2.5}}"
    )
    reference, at = own(tmp_path, limits), to_ns("2025-01-02")
    given = found(price_limits(reference, "GC", at))
    assert (given.first_e8, given.step_e8, given.most_e8) == (to_e8("0.05"), to_e8("0.025"), to_e8("0.1"))
    assert (given.rounding, given.verified, given.source) == (Rounding.INWARD, True, "my broker")
    breaker = found(circuit_breaker(reference, "GC", at))
    assert (breaker.fraction_e8, breaker.window_ns, breaker.halt_ns) == (to_e8("0.12"), 1_800 * NS, 60 * NS)
    speed = found(velocity(reference, "GC", at))
    assert (speed.ticks, speed.window_ns, speed.halt_ns) == (30, NS // 2, 5 * NS)
    assert found(circuit_breaker(reference, "GC", to_ns("2023-06-01"))).fraction_e8 == to_e8("0.1")
    with pytest.raises(NoRuleInForce, match="cme/velocity"):
        velocity(reference, "GC", to_ns("2023-06-01"))


def test_what_a_file_assumes_is_unverified_and_a_caution(tmp_path: Path) -> None:
    reference = own(tmp_path, f"velocity: {VELOCITY}", source='"assumed: thresholds of a forum"')
    assert not found(velocity(reference, "GC", to_ns("2025-01-02"))).verified
    assert reference.cautions() == ("assumed in cme/velocity GC: thresholds of a forum",)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (f"price_limits: {PERCENT.replace('0.05', '1.05')}", "first_fraction is no number between 0 and 1"),
        (f"price_limits: {PERCENT.replace('0.05', '0')}", "first_fraction is no number between 0 and 1"),
        (f"price_limits: {PERCENT.replace('0.05', '0.95')}", "first and all steps reach 1"),
        (
            f"price_limits: {PERCENT.replace(': 2,', ': 1.5,')}",
            "expansions is no whole number of zero or more, nor any",
        ),
        (f"price_limits: {PERCENT.replace('0.025', '0')}", "step_fraction is no number between 0 and 1"),
        (
            f"price_limits: {PERCENT.replace('0.025', '2').replace(': 2, out', ': 0, out')}",
            "step_fraction is no number",
        ),
        (f"price_limits: {PERCENT.replace('expansions: 2, ', '')}", "expansions is missing: method percent has"),
        (f"price_limits: {PERCENT.replace('rest', 'refuse')}", "outside is none of reject, rest"),
        (f"price_limits: {PERCENT.replace('percent', 'none')}", "has no meaning in method none"),
        (f"price_limits: {PERCENT.replace('percent', 'magic')}", "GC.price_limits.method"),
        (f"price_limits: {INDEX.replace('0.13', '0.07')}", "first, second and third do not ascend"),
        (f"price_limits: {INDEX.replace('outward', 'up')}", "rounding is none of inward, outward"),
        (
            "price_limits: {method: amount, first_points: 0, step_points: 1, expansions: any, outside: rest}",
            "first_points is no number above zero",
        ),
        (f"circuit_breakers: {BREAKER.replace('0.12', '12')}", "fraction is no number between 0 and 1"),
        (f"circuit_breakers: {BREAKER.replace('30', '0')}", "window_minutes or halt_seconds is zero"),
        (f"circuit_breakers: {BREAKER.replace('60', '-60')}", "GC.circuit_breakers.halt_seconds"),
        (f"velocity: {VELOCITY.replace('30', '0')}", "GC.velocity.ticks"),
        (f"velocity: {VELOCITY.replace('30', '1.5')}", "GC.velocity.ticks"),
        ("banding: {points: 0}", "GC.banding.points"),
        ("banding: {ticks: 10}", "GC.banding"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named_with_its_product(tmp_path: Path, limits: str, words: str) -> None:
    with pytest.raises(DataError) as error:
        own(tmp_path, limits)
    assert words in str(error.value)
    assert "own.yaml" in str(error.value)


@pytest.mark.parametrize("step", ["", "step_{unit}: 0, ", "step_{unit}: 0.5, "])
@pytest.mark.parametrize(("method", "unit", "first"), [("percent", "fraction", "0.05"), ("amount", "points", "60")])
def test_a_limit_that_never_expands_needs_no_step(
    tmp_path: Path, method: str, unit: str, first: str, step: str
) -> None:
    cells = f"first_{unit}: {first}, {step.format(unit=unit)}expansions: 0"
    reference = own(tmp_path, f"price_limits: {{method: {method}, {cells}, outside: rest}}")
    limits = found(price_limits(reference, "GC", to_ns("2025-01-02")))
    assert (limits.first_e8, limits.most_e8, limits.expansions) == (to_e8(first), to_e8(first), 0)


def test_a_row_of_a_limit_that_never_expands_needs_no_step(tmp_path: Path) -> None:
    fractions = ",".join(f"{name}_fraction" for name in ("band", "first", "second", "third", "after", "step"))
    header = (
        f"effective_from,root,method,{fractions},first_points,step_points,expansions,rounding,outside,verified,source"
    )
    (tmp_path / "cme").mkdir()
    (tmp_path / "cme" / "known.csv").write_text("table,key,known_through,source\nprice_limits,*,2026-12-31,me\n")
    (tmp_path / "cme" / "price_limits.csv").write_text(
        f"{header}\n2024-01-01,HG,percent,,0.05,,,,,,,0,inward,rest,yes,me\n"
    )
    limits = found(price_limits(Reference([tmp_path]), "HG", to_ns("2025-01-02")))
    assert (limits.most_e8, str(limits)) == (to_e8("0.05"), "5 % each way")


def test_a_table_of_ones_own_is_checked_row_by_row(tmp_path: Path) -> None:
    folder = tmp_path / "cme"
    folder.mkdir()
    cells = "fraction,window_minutes,halt_seconds,late_minutes,late_halt_seconds,rounding,hours,verified"
    header = f"effective_from,root,{cells},source"
    (folder / "known.csv").write_text("table,key,known_through,source\ncircuit_breakers,*,2026-12-31,me\n")
    for row, words in {
        "2024-01-01,HG,0.1,60,120,5,5,inward,all,perhaps,me": "row 2, HG: verified is none of yes, no",
        "2024-01-01,HG,,60,,,,,,yes,me": "row 2, HG: window_minutes has no meaning in a row without a fraction",
        "2024-01-01,HG,0.1,60,120,5,,inward,all,yes,me": "row 2, HG: late_halt_seconds is missing",
    }.items():
        (folder / "circuit_breakers.csv").write_text(f"{header}\n{row}\n")
        with pytest.raises(DataError, match=words):
            Reference([tmp_path])
    (folder / "circuit_breakers.csv").write_text(f"{header}\n2024-01-01,HG,0.1,60,120,5,5,outward,all,yes,me\n")
    assert found(circuit_breaker(Reference([tmp_path]), "HG", to_ns("2025-01-02"))).fraction_e8 == to_e8("0.1")


# ------------------------------------------------------------ price bands


def es(**overrides: Any) -> Any:
    start = to_ns("2021-03-01")
    return Reference(overrides={"cme:ES": overrides} if overrides else None).terms("ESH2021", start, start + 1)[0]


def test_terms_have_no_price_band_where_no_table_has_one() -> None:
    assert es().band_ticks == 0


def test_a_price_band_in_points_is_ticks_of_the_grid() -> None:
    """12.00 points of ES are 48 ticks (the value of 2009-09-24, facts/cme.md §5)."""
    terms = es(price_band=12)
    assert terms.band_ticks == 48
    assert terms.sources["banding"] == "override, not the exchange's: price_band 12"


def test_a_band_between_two_ticks_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        es(price_band=0.1)
    assert str(error.value) == (
        "overrides cme:ES.price_band: the price band is no multiple of the tick 0.25 (found '0.1'). Write 0.25."
    )
    with pytest.raises(ConfigError, match=r"\(found '12\.1'\)\. Write 12 or 12\.25\.$"):
        es(price_band="12.1")
    with pytest.raises(ConfigError, match=r"cme:ES\.price_band"):
        es(price_band=0)


def test_a_band_of_a_file_between_two_ticks_is_named_with_product_and_key(tmp_path: Path) -> None:
    reference = own(tmp_path, "banding: {points: 2.55}\n  margin: {initial: 9000, maintenance: 8000}\n  fee: 1")
    with pytest.raises(DataError) as error:
        reference.terms("GCG2025", to_ns("2025-01-02"), to_ns("2025-01-03"))
    assert str(error.value) == (
        f"{tmp_path / 'own.yaml'} GC.banding.points: the price band is no multiple of the tick 0.1 (found '2.55'). "
        "Write 2.5 or 2.6."
    )


def test_a_band_of_a_table_between_two_ticks_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "cme").mkdir()
    (tmp_path / "cme" / "known.csv").write_text("table,key,known_through,source\nbanding,*,2026-12-31,me\n")
    (tmp_path / "cme" / "banding.csv").write_text(
        "effective_from,root,points,verified,source\n2020-01-01,ES,1.1,no,me\n"
    )
    with pytest.raises(DataError, match=r"banding\.csv ES, points: the price band .*\. Write 1 or 1\.25\.$"):
        Reference([tmp_path]).terms("ESH2021", to_ns("2021-03-01"), to_ns("2021-03-02"))


def test_a_band_of_a_file_is_dated_as_other_terms_are(tmp_path: Path) -> None:
    reference = own(tmp_path, "banding: {points: 2.5}\n  margin: {initial: 9000, maintenance: 8000}\n  fee: 1")
    (terms,) = reference.terms("GCG2025", to_ns("2025-01-02"), to_ns("2025-01-03"))
    assert terms.band_ticks == 25
    file = tmp_path / "own.yaml"
    file.write_text(OWN.format(limits="banding: {points: 2.5}", source="me").replace("2024-01-01", "2021-03-01"))
    dated = Reference([file]).terms("GCJ2021", to_ns("2021-02-26"), to_ns("2021-03-02"))
    assert [(iso(terms.effective_ns)[:10], terms.band_ticks) for terms in dated][-2:] == [
        (iso(dated[-2].effective_ns)[:10], 0),
        ("2021-03-01", 25),
    ]


# ------------------------------------------------------------ day-trading margin


def test_a_brokers_day_margin_is_a_share_of_the_overnight_one() -> None:
    reference = Reference(overrides={"cme:ES": {"intraday_ratio": "0.25"}})
    assert intraday_ratio_e8(reference, "ESH2021") == to_e8("0.25")
    assert intraday_ratio_e8(reference, "cme:ES") == to_e8("0.25")
    assert intraday_ratio_e8(reference, "NQH2021") == E8
    start = to_ns("2021-03-01")
    stated, plain = reference.terms("ESH2021", start, start + 1)[0], es()
    assert (stated.initial_per_lot, stated.maintenance_per_lot) == (plain.initial_per_lot, plain.maintenance_per_lot)
    assert "intraday_ratio 0.25 of cme:ES is an override, not the exchange's" in reference.cautions()


@pytest.mark.parametrize("ratio", [0, -1, "1.01", "half"])
def test_a_share_outside_zero_to_one_is_refused(ratio: Any) -> None:
    with pytest.raises(ConfigError, match=r"cme:ES\.intraday_ratio"):
        Reference(overrides={"cme:ES": {"intraday_ratio": ratio}})
