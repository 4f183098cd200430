"""Which rule is in force when, and what a run is told about the rules it rests on."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from novation.domain.enums import InstrumentKind, MarginMethod
from novation.domain.errors import ConfigError, DataError, InvalidInput, NoRuleInForce, OffGrid
from novation.domain.instruments import Tier
from novation.domain.units import NO_CAP, iso, money, to_e8, to_ns
from novation.reference import Reference
from novation.reference.close_out import close_outs

HINT = 'Pass rules_as_of="2026-05-01" to use the rules of that day for all dates, and the report will say so.'
BRACKETS_ONLY = {"binance_um/brackets": "2026-05-01"}


def on(reference: Reference, symbol: str, day: str):
    """The terms in force at midnight of a day."""
    return reference.terms(symbol, to_ns(day), to_ns(day) + 1)[0]


# ------------------------------------------------------------ cited values


def test_btc_brackets_are_the_published_ones() -> None:
    """Rows of facts/binance.md §3.2 (freqtrade 2026.9)."""
    tiers = on(Reference(), "BTCUSDT", "2026-05-01").tiers
    assert len(tiers) == 12
    usdt = lambda amount: money(amount, "USDT")  # noqa: E731
    assert tiers[0] == Tier(0, usdt(300_000), to_e8("0.004"), 150, 0)
    assert tiers[4] == Tier(usdt(12_000_000), usdt(70_000_000), to_e8("0.02"), 25, usdt(132_000))
    assert tiers[11] == Tier(usdt(1_200_000_000), usdt(1_800_000_000), to_e8("0.5"), 1, usdt(421_482_000))


def test_btc_contract_is_the_captured_one() -> None:
    """GET /fapi/v1/exchangeInfo of 2026-09-15, facts/binance.md §7.3."""
    reference = Reference(rules_as_of={"binance_um/brackets": "2026-09-01"})
    instrument, terms = reference.instrument("BTCUSDT"), on(reference, "BTCUSDT", "2026-09-15")
    assert (instrument.kind, instrument.method) == (InstrumentKind.PERPETUAL, MarginMethod.TIERED)
    assert terms.tick_step * instrument.tick_e8 == to_e8("0.1")
    assert instrument.lot_e8 == to_e8("0.001")
    assert (terms.min_lots, terms.max_lots) == (1, 1_000_000)
    assert terms.min_notional == money(50, "USDT")
    assert terms.liquidation_fee_e8 == to_e8("0.0125")
    assert (terms.maker_fee_e8, terms.taker_fee_e8) == (to_e8("0.0002"), to_e8("0.0005"))
    assert not any("binance_um/contracts" in caution for caution in reference.cautions())


def test_es_margin_begins_at_4375_and_3500() -> None:
    """QuantConnect Lean, cme/margins/ES.csv: 2012-03-26."""
    terms = on(Reference(), "cme:ESM2012", "2012-03-26")
    assert (terms.initial_per_lot, terms.maintenance_per_lot) == (money(4375, "USD"), money(3500, "USD"))
    assert terms.fee_per_lot == money("2.05", "USD")
    assert terms.sources["margins"].startswith("cme/margins, 2012-03-26, QuantConnect Lean")


@pytest.mark.parametrize(
    ("contract", "multiplier", "day", "tick", "tick_value"),
    [
        ("ESZ2012", 50, "2012-11-01", "0.25", "12.5"),
        ("GCZ2012", 100, "2012-11-01", "0.1", "10"),
        ("6EZ2012", 125_000, "2012-11-01", "0.0001", "12.5"),
        ("6EZ2016", 125_000, "2016-11-01", "0.00005", "6.25"),
        ("ZNZ2012", 1000, "2012-11-01", "0.015625", "15.625"),
    ],
)
def test_cme_tick_is_worth_what_the_contract_says(
    contract: str, multiplier: int, day: str, tick: str, tick_value: str
) -> None:
    """facts/cme.md §1; 6E ticked 0.0001 until the session of 2016-01-11."""
    reference = Reference()
    instrument, terms = reference.instrument(contract), on(reference, contract, day)
    assert instrument.multiplier_e8 == to_e8(multiplier)
    assert instrument.daily_settled and instrument.method is MarginMethod.PER_CONTRACT
    step = terms.tick_step * instrument.tick_e8
    assert step == to_e8(tick)
    assert Decimal(step * instrument.lot_value).scaleb(-8 - 6) == Decimal(tick_value)


def test_dated_contract_carries_its_month() -> None:
    instrument = Reference().instrument("6EZ12")
    assert (instrument.id, instrument.symbol, instrument.root) == ("cme:6EZ2012", "6EZ2012", "6E")
    assert instrument.contract_month == 201212


def test_ena_pays_funding_every_four_hours() -> None:
    reference = Reference()
    assert reference.funding_interval_hours("ENAUSDT", to_ns("2025-10-10")) == 4
    assert reference.funding_interval_hours("BTCUSDT", to_ns("2020-03-12")) == 8
    with pytest.raises(InvalidInput, match="no funding"):
        reference.funding_interval_hours("ESZ12", to_ns("2012-06-01"))


# ------------------------------------------------------------ dates


def test_terms_hold_every_change_inside_the_range() -> None:
    reference = Reference(rules_as_of=BRACKETS_ONLY)
    terms = reference.terms("BTCUSDT", to_ns("2019-12-23"), to_ns("2023-01-01"))
    assert [iso(row.effective_ns) for row in terms] == [
        "2019-12-23 00:00", "2021-01-25 07:00", "2021-02-24 03:00", "2022-02-15 04:00",
    ]  # fmt: skip
    assert [row.tick_step for row in terms] == [1, 1, 1, 10]
    assert [row.min_notional for row in terms] == [money(amount, "USDT") for amount in (0, 1, 5, 5)]
    assert terms[3].sources["contract"].startswith("binance_um/contracts, 2022-02-15 04:00, ")


def test_price_between_two_ticks_is_refused_once_the_tick_is_coarser() -> None:
    reference = Reference(rules_as_of=BRACKETS_ONLY)
    instrument = reference.instrument("BTCUSDT")
    assert instrument.ticks("50000.13", on(reference, "BTCUSDT", "2022-02-15")) == 5_000_013
    with pytest.raises(OffGrid, match=r"not a multiple of the tick 0\.1 "):
        instrument.ticks("50000.13", on(reference, "BTCUSDT", "2022-02-16"))


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (None, "binance_um/contracts, 2022-02-15 04:00"),
        ({"min_qty": 1}, "binance_um/contracts, 2022-02-15 04:00"),
        ({"tick": 0.5}, "override, not the exchange's: tick 0.5"),
    ],
)
def test_price_off_the_tick_names_table_and_date_and_no_more(overrides: dict[str, float] | None, rule: str) -> None:
    own = {"BTCUSDT": overrides} if overrides else None
    reference = Reference(rules_as_of=BRACKETS_ONLY, overrides=own)
    with pytest.raises(OffGrid) as error:
        reference.instrument("BTCUSDT").ticks("50000.13", on(reference, "BTCUSDT", "2022-02-16"))
    assert f"(rule of {rule})." in str(error.value)


def test_range_is_half_open() -> None:
    start, change = to_ns("2012-03-26"), to_ns("2012-09-24")
    assert len(Reference().terms("ESZ2012", start, change)) == 1
    assert len(Reference().terms("ESZ2012", start, change + 1)) == 2
    with pytest.raises(InvalidInput, match="range is empty"):
        Reference().terms("ESZ2012", change, change)


def test_each_margin_row_makes_its_own_terms() -> None:
    terms = Reference().terms("cme:ES", to_ns("2012-03-26"), to_ns("2022-02-12"))
    assert len(terms) == 38  # the rows of ES in the margin history
    assert terms[-1].maintenance_per_lot == money(10_800, "USD")  # facts/cme.md §11
    assert all(a.effective_ns < b.effective_ns for a, b in pairwise(terms))


# ------------------------------------------------------------ no rule


def test_instant_before_the_table_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(NoRuleInForce) as caught:
        on(Reference(), "BTCUSDT", "2020-03-12")
    assert str(caught.value) == (
        "binance_um:BTCUSDT: no row of table 'binance_um/brackets' in force at 2020-03-12 00:00 "
        f"(known 2026-05-01 to 2026-09-01). {HINT}"
    )
    assert caught.value.to_dict()["table"] == "binance_um/brackets"


def test_last_row_is_not_in_force_for_ever() -> None:
    on(Reference(), "ESH2022", "2022-02-11")
    with pytest.raises(NoRuleInForce, match=r"in force at 2022-02-12 00:00 \(known 2012-03-26 to 2022-02-11\)"):
        Reference().terms("ESH2022", to_ns("2022-01-01"), to_ns("2022-03-01"))


def test_hint_of_the_error_works() -> None:
    for symbol, day in [("BTCUSDT", "2020-03-12"), ("ESM2024", "2024-01-05"), ("ESH2012", "2012-01-05")]:
        with pytest.raises(NoRuleInForce) as caught:
            on(Reference(), symbol, day)
        pin = caught.value.hint.split('"')[1]
        on(Reference(rules_as_of=pin), symbol, day)


def test_product_without_rows_in_a_table_is_not_given_anothers(tmp_path: Path) -> None:
    folder = contracts_of(tmp_path, "NKD", "CME,5,5")
    with pytest.raises(NoRuleInForce, match="it has no row of NKD") as caught:
        on(Reference([folder]), "NKDZ2020", "2020-06-01")
    assert "NOVATION_REFERENCE" in caught.value.hint


# ------------------------------------------------------------ rules_as_of


def test_rules_as_of_pins_the_look_up_and_is_a_caution() -> None:
    reference = Reference(rules_as_of="2026-05-01")
    start, end = to_ns("2019-12-23"), to_ns("2026-05-17")
    (terms,) = reference.terms("BTCUSDT", start, end)
    assert terms.effective_ns == start
    assert terms.tick_step == 10
    assert terms.sources["brackets"].startswith("binance_um/brackets, 2026-05-01, ")
    assert (
        "contract rules, fees, brackets, order_cost of 2026-05 used for all dates (binance_um:BTCUSDT)"
        in reference.cautions()
    )


def test_one_table_can_be_pinned_alone() -> None:
    reference = Reference(rules_as_of=BRACKETS_ONLY)
    assert on(reference, "BTCUSDT", "2020-03-12").tick_step == 1
    assert "brackets of 2026-05 used for all dates (binance_um:BTCUSDT)" in reference.cautions()
    with pytest.raises(ConfigError, match="unknown venue or table"):
        Reference(rules_as_of={"bracket": "2026-05-01"})


def test_pin_that_changes_nothing_is_no_caution() -> None:
    reference = Reference(rules_as_of="2012-04-01")
    on(reference, "ESM2012", "2012-04-02")
    assert not any("used for all dates" in caution for caution in reference.cautions())
    reference.terms("ESZ2012", to_ns("2012-04-02"), to_ns("2012-12-01"))  # the margins change on 2012-09-24
    assert "margins of 2012-04 used for all dates (cme:ESZ2012)" in reference.cautions()


def test_table_that_does_not_know_the_pinned_day_keeps_its_dates_and_says_so() -> None:
    """The configuration of front_door.md runs BTCUSDT and ES of 2020 with the rules of 2026-05-01."""
    reference = Reference(rules_as_of=to_ns("2026-05-01"))
    terms = reference.terms("cme:ES", to_ns("2020-01-01"), to_ns("2020-11-01"))
    assert len(terms) > 1
    assert "margins not known in 2026-05, so the rows in force at each date used (cme:ES)" in reference.cautions()
    with pytest.raises(NoRuleInForce, match=r"2026-05-01 00:00 \(rules_as_of\)"):
        on(Reference(rules_as_of={"cme": "2026-05-01"}), "cme:ES", "2020-01-01")


# ------------------------------------------------------------ tables of one's own


def contracts_of(folder: Path, root: str, values: str, *, since: str = "2010-01-01") -> Path:
    """A folder with one CME contract and what it is known through."""
    (folder / "cme").mkdir(exist_ok=True)
    (folder / "cme" / "contracts.csv").write_text(
        f"effective_from,root,exchange,multiplier_usd,tick_points,currency,source\n{since},{root},{values},USD,my own\n"
    )
    (folder / "cme" / "known.csv").write_text(
        "table,key,known_through,source\ncontracts,*,2020-12-31,mine\nmargins,*,2020-12-31,mine\n"
    )
    return folder


def margins_of(folder: Path, *rows: str) -> Path:
    """A folder with margins of CME products."""
    (folder / "cme").mkdir(exist_ok=True)
    (folder / "cme" / "margins.csv").write_text(
        "effective_from,root,initial_usd,maintenance_usd,source\n" + "".join(f"{row}\n" for row in rows)
    )
    (folder / "cme" / "known.csv").write_text("table,key,known_through,source\nmargins,*,2020-12-31,my broker\n")
    return folder


def test_own_table_shadows_the_shipped_one_where_it_is_in_force(tmp_path: Path) -> None:
    folder = margins_of(tmp_path, "2020-06-01,ES,20000,18000,my broker")
    reference = Reference([folder])
    terms = {iso(row.effective_ns)[:10]: row for row in reference.terms("ES", to_ns("2020-05-31"), to_ns("2021-01-02"))}
    assert terms.pop("2020-06-01").initial_per_lot == money(20_000, "USD")
    # Shipped rows hold before it and after what it knows, and none of them inside.
    assert all(not "2020-06-01" < day < "2021-01-01" for day in terms)
    assert terms["2021-01-01"].initial_per_lot == money(12_100, "USD")
    assert any(str(folder / "cme" / "margins.csv") in row for row in reference.used())


def test_first_own_table_wins(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    margins_of(one, "2020-06-01,ES,20000,18000,one")
    margins_of(two, "2020-01-01,ES,30000,28000,two")
    reference = Reference([one, two])
    assert on(reference, "ES", "2020-07-01").initial_per_lot == money(20_000, "USD")
    assert on(reference, "ES", "2020-03-01").initial_per_lot == money(30_000, "USD")


def test_own_table_is_read_again_when_it_changes(tmp_path: Path) -> None:
    margins_of(tmp_path, "2020-06-01,ES,20000,18000,mine")
    assert on(Reference([tmp_path]), "ES", "2020-07-01").initial_per_lot == money(20_000, "USD")
    margins_of(tmp_path, "2020-06-01,ES,200000,18000,mine")
    assert on(Reference([tmp_path]), "ES", "2020-07-01").initial_per_lot == money(200_000, "USD")


def test_environment_names_a_folder_only_for_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVATION_REFERENCE", str(margins_of(tmp_path, "2020-06-01,ES,20000,18000,mine")))
    assert on(Reference.default(), "ES", "2020-07-01").initial_per_lot == money(20_000, "USD")
    assert on(Reference(), "ES", "2020-07-01").initial_per_lot != money(20_000, "USD")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["2020-06-01,ES,20000,18000,"], r"margins\.csv row 2, source: is empty"),
        (
            ["2020-06-01,ES,much,18000,mine"],
            r"row 2, initial_usd: expected a number above zero \(found 'much'\)",
        ),
        (["2020-06-01,ES,-1,18000,mine"], r"row 2, initial_usd: expected a number above zero"),
        (["2020-06-01,ES,NaN,18000,mine"], r"row 2, initial_usd: expected a number above zero"),
        (["June,ES,20000,18000,mine"], r"row 2, effective_from: expected a date"),
        (["2020-06-01,ES,2,1,a", "2020-01-01,ES,2,1,a"], r"row 3, effective_from: dates of ES do not ascend"),
        (["2020-06-01,ES,2,1,a", "2020-06-01,ES,3,1,a"], r"row 3, effective_from: a second row of ES"),
        (["2020-06-01,ES,20000"], r"row 2: expected 5 cells"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Reference([margins_of(tmp_path, *rows)])


def test_wrong_columns_and_files_are_named(tmp_path: Path) -> None:
    file = margins_of(tmp_path, "2020-06-01,ES,2,1,a") / "cme" / "margins.csv"
    text = file.read_text()
    file.write_text(text.replace("maintenance_usd", "maintenance"))
    with pytest.raises(DataError, match="column 'maintenance_usd' is missing"):
        Reference([tmp_path])
    file.write_text(text.replace("source\n", "source,sources\n", 1).replace(",a\n", ",a,b\n"))
    with pytest.raises(DataError, match=r"unknown column 'sources'\. Did you mean 'source'\?"):
        Reference([tmp_path])
    file.write_text(text)
    (tmp_path / "cme" / "known.csv").unlink()
    with pytest.raises(DataError, match="does not say through which day it is known"):
        Reference([tmp_path])
    file.rename(file.with_name("margin.csv"))
    with pytest.raises(DataError, match=r"margin\.csv: unknown table"):
        Reference([tmp_path])
    with pytest.raises(InvalidInput, match="no such folder"):
        Reference([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds no reference tables"):
        Reference([tmp_path / "empty"])


# ------------------------------------------------------------ overrides


def test_overrides_replace_values_and_are_listed() -> None:
    reference = Reference(
        rules_as_of=BRACKETS_ONLY,
        overrides={"BTC/USDT:USDT": {"taker_fee": "0.0004", "tick": 0.5, "min_notional": 10}},
    )
    instrument, terms = reference.instrument("BTCUSDT"), on(reference, "BTCUSDT", "2024-06-01")
    assert terms.taker_fee_e8 == to_e8("0.0004")
    assert terms.maker_fee_e8 == to_e8("0.0002")
    assert terms.min_notional == money(10, "USDT")
    assert terms.tick_step * instrument.tick_e8 == to_e8("0.5")
    assert terms.sources["fees"].startswith("override, not the exchange's: taker_fee 0.0004; else binance_um/fees")
    assert "taker_fee 0.0004 of binance_um:BTCUSDT is an override, not the exchange's" in reference.cautions()


def test_override_of_the_brackets_needs_no_row() -> None:
    tiers = [
        {"floor": 0, "cap": 50_000, "rate": 0.004, "max_leverage": 125},
        {"floor": 50_000, "cap": None, "rate": 0.005, "max_leverage": 100},
    ]
    reference = Reference(overrides={"BTCUSDT": {"brackets": tiers}})
    terms = on(reference, "BTCUSDT", "2020-03-12")
    assert terms.tiers[1] == Tier(money(50_000, "USDT"), NO_CAP, to_e8("0.005"), 100, money(50, "USDT"))
    assert "brackets of 2 tiers of binance_um:BTCUSDT is an override, not the exchange's" in reference.cautions()
    assert on(Reference(overrides={"BTCUSDT": {"brackets": terms.tiers}}), "BTCUSDT", "2020-03-12").tiers == terms.tiers


def test_override_of_both_margins_needs_no_row() -> None:
    reference = Reference(overrides={"cme:ES": {"initial_margin": 20_000, "maintenance_margin": 18_000}})
    terms = on(reference, "ESZ2026", "2026-07-01")
    assert terms.initial_per_lot == money(20_000, "USD")
    assert terms.sources["margins"] == ("override, not the exchange's: initial_margin 20000, maintenance_margin 18000")
    fee = on(Reference(overrides={"ES": {"fee_per_contract": "2.25"}}), "ESZ2020", "2020-07-01")
    assert fee.fee_per_lot == money("2.25", "USD")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"taker": 1}, r"binance_um:BTCUSDT\.taker: unknown override\. Did you mean 'taker_fee'\?"),
        ({"initial_margin": 1}, "unknown override"),
        ({"tick": 0}, r"BTCUSDT.tick: expected a number above zero"),
        ({"tick": "fine"}, r"BTCUSDT.tick: expected a number"),
        ({"brackets": []}, "expected a list of tiers"),
        ({"brackets": [{"floor": 0, "cap": 1}]}, r"brackets\[1\]: 'rate' is missing"),
        (
            {"brackets": [{"floor": 5, "cap": 9, "rate": 0.1, "max_leverage": 2}]},
            "brackets, tier 1: floor is not the cap before it",
        ),
    ],
)
def test_bad_overrides_are_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reference(overrides={"BTCUSDT": given})


@pytest.mark.parametrize(
    ("symbol", "given", "message"),
    [
        ("cme:ES", {"intraday_ratio": 1e-9}, r"cme:ES\.intraday_ratio: has more than 8 decimals \(found 1e-09\)"),
        ("cme:ES", {"tick": "0.000000001"}, r"cme:ES\.tick: has more than 8 decimals"),
        ("cme:ES", {"fee_per_contract": "2.2500001"}, r"cme:ES\.fee_per_contract: has more than 6 decimals"),
        ("BTCUSDT", {"taker_fee": "0.000400001"}, r"binance_um:BTCUSDT\.taker_fee: has more than 8 decimals"),
        ("BTCUSDT", {"min_qty": "0.000000001"}, r"binance_um:BTCUSDT\.min_qty: has more than 8 decimals"),
        (
            "BTCUSDT",
            {"brackets": [{"floor": 0, "cap": None, "rate": 1e-9, "max_leverage": 2}]},
            r"BTCUSDT\.brackets\[1\]\.rate: has more than 8 decimals",
        ),
        (
            "BTCUSDT",
            {
                "brackets": [
                    {"floor": 0, "cap": "0.1", "rate": "0.00000001", "max_leverage": 2},
                    {"floor": "0.1", "cap": None, "rate": "0.00000002", "max_leverage": 2},
                ]
            },
            r"BTCUSDT\.brackets: cum, by the recurrence, has more than 8 decimals \(found '1E-9'\)",
        ),
    ],
)
def test_an_override_with_more_decimals_than_are_counted_is_named(
    symbol: str, given: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^overrides .*{message}") as error:
        Reference(overrides={symbol: given})
    assert "at most" in error.value.hint


def test_a_margin_that_is_rounded_up_may_have_any_number_of_decimals() -> None:
    assert es_margins(maintenance_margin="9000.0000001", initial_ratio="1.0") == (9_000_000_001,) * 2


@pytest.mark.parametrize("ratio", [{}, {"intraday_ratio": 1}])
def test_a_margin_deadline_without_a_margin_by_day_is_refused(ratio: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"^overrides cme:ES\.margin_deadline_minutes: .*intraday_ratio below 1"):
        Reference(overrides={"cme:ES": {"margin_deadline_minutes": 30, **ratio}})
    Reference(overrides={"cme:ES": ratio} if ratio else None)


def test_one_override_of_a_margin_must_fit_the_other() -> None:
    with pytest.raises(InvalidInput, match="initial margin lies below maintenance"):
        on(Reference(overrides={"ES": {"initial_margin": 1}}), "ESZ2020", "2020-07-01")


# ------------------------------------------------------------ what was used


def test_assumed_rows_are_cautions_once_they_are_used() -> None:
    reference = Reference()
    assert reference.cautions() == ()
    reference.terms("ES", to_ns("2012-04-01"), to_ns("2020-11-01"))
    assert reference.cautions() == ("assumed in cme/fees ES: a broker and exchange fee of 2.05 per side at all dates",)


def test_digest_follows_the_values_used() -> None:
    def digest(reference: Reference, end: str) -> str:
        reference.terms("ES", to_ns("2012-04-01"), to_ns(end))
        return reference.digest()

    one = digest(Reference(), "2012-09-24")
    assert one == digest(Reference(), "2012-09-01")
    assert len(one) == 32
    others = {
        digest(Reference(), "2013-01-01"),
        digest(Reference(overrides={"ES": {"tick": "0.5"}}), "2012-09-24"),
        digest(Reference(rules_as_of="2020-01-01"), "2012-09-24"),
        Reference().digest(),
    }
    assert len(others | {one}) == 5


def test_look_ups_load_no_polars() -> None:
    code = (
        "import sys; from novation.reference import Reference; Reference().instrument('BTCUSDT'); "
        "sys.exit(any(name in sys.modules for name in ('polars', 'pandas', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_an_asset_counts_for_is_a_dated_row() -> None:
    """BNB 0.95, ADA 0.90, USDT 0.9999 (facts/binance.md §3, haircuts); -10,000 USD."""
    reference, at = Reference(), to_ns("2026-05-01")
    found = {name: reference.asset("binance_um", name, at, at).terms[0] for name in ("USDT", "BNB", "ADA")}
    assert {name: 100_000_000 - terms.bid_buffer_e8 for name, terms in found.items()} == {
        "USDT": 99_990_000,
        "BNB": 95_000_000,
        "ADA": 90_000_000,
    }
    assert found["USDT"].exchange_below == 10_000 * 100_000_000
    assert found["ADA"].auto_bid_buffer_e8 == 5_000_000
    assert any("binance_um/assets ADA" in text for text in reference.cautions())
    with pytest.raises(NoRuleInForce, match="no row of DOGE"):
        reference.asset("binance_um", "DOGE", at, at)
    with pytest.raises(NoRuleInForce):
        reference.asset("binance_um", "BNB", to_ns("2020-01-01"), at)


# ------------------------------------------------------------ margins of an account


def es_margins(**said: object) -> tuple[int, int]:
    reference = Reference(overrides={"cme:ES": said} if said else None)
    (terms,) = reference.terms("cme:ESH2022", to_ns("2022-02-01"), to_ns("2022-02-02"))
    return terms.initial_per_lot, terms.maintenance_per_lot


def test_the_rows_are_of_a_heightened_risk_account_and_a_ratio_makes_them_anothers() -> None:
    """ES 11,880 / 10,800 in February 2022, 110 % (facts/cme.md §0 row 11, §11)."""
    assert es_margins() == (11_880_000_000, 10_800_000_000)
    assert es_margins(initial_ratio=1) == (10_800_000_000, 10_800_000_000)
    assert es_margins(initial_ratio="1.1") == es_margins()


def test_a_house_add_on_raises_both_margins_and_is_said_in_the_cautions() -> None:
    assert es_margins(house_add_on="0.25") == (14_850_000_000, 13_500_000_000)
    assert es_margins(house_add_on="0.25", maintenance_margin=12_000, initial_ratio=1) == (15_000_000_000,) * 2
    assert es_margins(house_add_on="0.0000000001") == (11_880_000_002, 10_800_000_002)  # rounded up
    reference = Reference(overrides={"cme:ES": {"house_add_on": "0.25"}})
    reference.terms("cme:ESH2022", to_ns("2022-02-01"), to_ns("2022-02-02"))
    assert "house_add_on 0.25 of cme:ES is an override, not the exchange's" in reference.cautions()


def test_a_ratio_below_one_and_a_negative_add_on_are_refused() -> None:
    with pytest.raises(InvalidInput, match="initial margin lies below maintenance"):
        es_margins(initial_ratio="0.9")
    with pytest.raises(ConfigError, match=r"cme:ES\.house_add_on"):
        es_margins(house_add_on=-1)


def test_what_a_row_assumes_of_other_values_is_no_caution_of_a_run() -> None:
    """Hours and last days rest on rows that assume a lead month or a settlement window; those touch nothing there."""
    reference = Reference()
    close_outs(reference, reference.instrument("GCZ2012"), to_ns("2013-01-01"))
    assert reference.cautions() == ()
    assert any(line.startswith("GC: cme/products") for line in reference.used())  # but a record names them
    reference.rule("cme/products", "GC", to_ns("2012-12-27"))
    assert any("lead month" in text for text in reference.cautions())
