"""One contract as a user asks of it, its names elsewhere, and prices in 32nds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation import contract
from novation.domain.errors import InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.treasury_price import from_32nds, to_32nds
from novation.reference.lookup import Reference
from novation.reference.products import from_ib, raw_symbol

REFERENCE = Reference()


def test_facts_of_the_december_e_mini() -> None:
    found = contract("ESZ6", on="2026-07-01", reference=REFERENCE).to_dict()
    asked = "symbol root exchange multiplier tick_size tick_value currency last_trading_day first_notice_day settlement"
    assert {key: found[key] for key in asked.split()} == {
        "symbol": "ESZ2026",
        "root": "ES",
        "exchange": "CME",
        "multiplier": "50",
        "tick_size": "0.25",
        "tick_value": "12.5",
        "currency": "USD",
        "last_trading_day": "2026-12-18",
        "first_notice_day": None,
        "settlement": "cash",
    }
    assert (found["lead_month"], found["raw_symbol"], found["id"]) == ("ESU2026", "ESZ6", "cme:ESZ2026")
    assert (found["ib_symbol"], found["ib_exchange"], found["ib_trading_class"]) == ("ES", "CME", "ES")


@pytest.mark.parametrize(
    ("symbol", "tick", "value"),
    [
        ("NQZ6", "0.25", "5"), ("YMZ6", "1", "5"), ("RTYZ6", "0.1", "5"), ("MESZ6", "0.25", "1.25"),
        ("MNQZ6", "0.25", "0.5"), ("MYMZ6", "1", "0.5"), ("M2KZ6", "0.1", "0.5"), ("GCZ6", "0.1", "10"),
        ("MGCZ6", "0.1", "1"), ("SIZ6", "0.005", "25"), ("SILZ6", "0.005", "5"), ("HGZ6", "0.0005", "12.5"),
        ("CLZ6", "0.01", "10"), ("MCLZ6", "0.01", "1"), ("NGZ6", "0.001", "10"), ("6EZ6", "0.00005", "6.25"),
        ("6JZ6", "0.0000005", "6.25"), ("6BZ6", "0.0001", "6.25"), ("6AZ6", "0.00005", "5"), ("6CZ6", "0.00005", "5"),
        ("ZBZ6", "0.03125", "31.25"), ("ZNZ6", "0.015625", "15.625"), ("ZFZ6", "0.0078125", "7.8125"),
        ("ZTZ6", "0.00390625", "7.8125"),
    ],
)  # fmt: skip
def test_ticks_and_their_values(symbol: str, tick: str, value: str) -> None:
    """facts/cme.md §1."""
    found = contract(symbol, on="2026-07-01", reference=REFERENCE).to_dict()
    assert (found["tick_size"], found["tick_value"]) == (tick, value)


def test_the_tick_of_the_australian_dollar_is_that_of_its_day() -> None:
    assert contract("6AZ0", on="2020-11-20", reference=REFERENCE).tick_size == Decimal("0.0001")
    assert contract("6AZ0", on="2020-11-24", reference=REFERENCE).tick_size == Decimal("0.00005")


def test_a_root_alone_is_its_lead_month() -> None:
    assert contract("CL", on="2026-11-17", reference=REFERENCE).symbol == "CLZ2026"
    assert contract("CL", on="2026-11-18", reference=REFERENCE).symbol == "CLF2027"


@pytest.mark.parametrize(
    ("symbol", "on", "words"),
    [
        ("ESF7", "2026-07-01", "no month of cme:ES, which has H M U Z (table cme/products)"),
        ("ESZ2020", "2026-07-01", "ended on 2020-12-18"),
        (
            "ESZ2035",
            "2026-07-01",
            "is not listed on 2026-07-01 (table cme/products); the nearest listed month is ESZ2030",
        ),
        ("GCV2031", "2026-07-01", "is not listed on"),
        ("XYZ6", "2026-07-01", "unknown instrument"),
    ],
)
def test_an_unlisted_month_is_refused_by_the_name_of_the_table(symbol: str, on: str, words: str) -> None:
    with pytest.raises(UnknownInstrument) as error:
        contract(symbol, on=on, reference=REFERENCE)
    assert words in str(error.value)


def test_a_day_before_the_table_is_refused() -> None:
    with pytest.raises(NoRuleInForce, match="cme/products"):
        contract("ESZ1998", on="1998-01-02", reference=REFERENCE)


def test_a_perpetual_is_no_contract() -> None:
    with pytest.raises(InvalidInput, match="no dated future"):
        contract("BTCUSDT", on="2026-07-01", reference=REFERENCE)


def test_a_day_after_the_ticks_known_is_answered_with_a_caution() -> None:
    found = contract("ESZ6", on="2026-11-27", reference=REFERENCE)
    assert any("as of 2026-08-01" in caution for caution in found.cautions)


def test_silver_at_a_broker_needs_its_class_or_multiplier() -> None:
    """IB's SI is the 5,000-ounce contract and the 1,000-ounce one (facts/cme.md §2)."""
    with pytest.raises(UnknownInstrument, match="Send tradingClass or multiplier"):
        from_ib("SI", "COMEX", 202612, on="2026-07-01", reference=REFERENCE)
    by_class = from_ib("SI", "COMEX", 202612, trading_class="SI", on="2026-07-01", reference=REFERENCE)
    by_size = from_ib("SI", "COMEX", 202612, multiplier=1000, on="2026-07-01", reference=REFERENCE)
    assert (by_class, by_size) == ("cme:SIZ2026", "cme:SILZ2026")


def test_every_product_is_found_again_by_what_a_broker_calls_it() -> None:
    for root in REFERENCE.symbols("cme"):
        found = contract(root, on="2026-07-01", reference=REFERENCE)
        back = from_ib(
            found.ib_symbol, found.ib_exchange, found.month,
            trading_class=found.ib_trading_class, on="2026-07-01", reference=REFERENCE,
        )  # fmt: skip
        assert back == found.id
        assert REFERENCE.resolve(raw_symbol(root, found.month), on_ns=1_782_864_000_000_000_000) == found.id


@pytest.mark.parametrize(("month", "size"), [(202613, None), (20261218, None), (202612, "many")])
def test_months_and_sizes_that_are_none_are_refused(month: int, size: str | None) -> None:
    with pytest.raises(InvalidInput):
        from_ib("ES", "CME", month, multiplier=size, on="2026-07-01", reference=REFERENCE)


def test_what_lies_beyond_the_tables_is_a_caution() -> None:
    far = contract("CLZ2030", on="2026-07-01", reference=REFERENCE)
    assert any("beyond 2028-12-31" in text for text in far.cautions)
    assert any("first position day of metals" in text for text in contract("GC", on="2026-07-01").cautions)


def test_what_no_broker_calls_a_contract_is_refused() -> None:
    with pytest.raises(UnknownInstrument, match="cme/products"):
        from_ib("FDAX", "EUREX", 202612, on="2026-07-01", reference=REFERENCE)


# -- Treasury prices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "price"),
    [("110-165", "110.515625"), ("110-170", "110.53125"), ("103-126", "103.39453125")]
    + [("91-162", "91.5078125"), ("91-165", "91.515625"), ("91-167", "91.5234375")],
)
def test_prices_in_32nds_of_example_a4(shown: str, price: str) -> None:
    """facts/cme.md §4; 91-162, 91-165, 91-167 from the CBOT text in §1."""
    assert from_32nds(shown) == Decimal(price)
    assert to_32nds(price) == shown


@given(st.integers(-(1 << 17), 1 << 17))
def test_prices_in_32nds_there_and_back(eighths: int) -> None:
    price = Decimal(eighths) / 256
    assert from_32nds(to_32nds(price)) == price


@pytest.mark.parametrize("text", ["110-32", "110-164", "110-169", "110.5", "", "110-1", "x-165"])
def test_no_price_in_32nds(text: str) -> None:
    with pytest.raises(InvalidInput, match="no price in 32nds"):
        from_32nds(text)


def test_a_price_finer_than_an_eighth_of_a_32nd_has_no_such_form() -> None:
    with pytest.raises(InvalidInput, match="eighth"):
        to_32nds("110.001")


# -- position limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "on", "shown"),
    [
        ("GC", "2019-06-03", "3,000 from the close before first notice; accountability 6,000 any month"),
        ("GC", "2020-05-28", "6,000 from the close before first notice; accountability 8,000 any month"),
        ("CL", "2015-06-01", "3,000 in the last three days; accountability 10,000 any month, 20,000 all months"),
        (
            "NG",
            "2026-06-01",
            "2,000 in the last three days; accountability 6,000 any month, 12,000 all months (unverified)",
        ),
        ("6E", "2026-06-01", "accountability 10,000 any month"),
        ("ZB", "2008-06-02", "25,000 in the last ten trading days; accountability 10,000 any month"),
        ("ZN", "2013-01-02", "95,000 in the last ten trading days; accountability 7,500 any month"),
        ("ES", "2026-06-01", "140,000 in all months (unverified)"),
    ],
)
def test_position_limits_are_dated_and_say_where_they_are_unverified(root: str, on: str, shown: str) -> None:
    """facts/cme.md §10, and the notices named in the rows."""
    limits = contract(root, on=on, reference=REFERENCE).position_limits
    assert str(limits) == shown


def test_a_product_without_known_limits_says_none() -> None:
    found = contract("MCL", on="2026-07-01", reference=REFERENCE)
    assert found.position_limits is None
    assert "position limits   none known" in str(found)
