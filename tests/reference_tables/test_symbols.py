"""What a user may type for an instrument, and what he is told when it is not clear."""

from __future__ import annotations

import pytest

from novation.domain.errors import UnknownInstrument
from novation.domain.units import to_ns
from novation.reference import Reference


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("BTCUSDT", "binance_um:BTCUSDT"),
        ("btcusdt", "binance_um:BTCUSDT"),
        ("binance_um:BTCUSDT", "binance_um:BTCUSDT"),
        ("BTC/USDT:USDT", "binance_um:BTCUSDT"),
        ("ENA/USDT:USDT", "binance_um:ENAUSDT"),
        ("ES", "cme:ES"),
        ("cme:ES", "cme:ES"),
        ("cme:ESZ2026", "cme:ESZ2026"),
        ("ESZ2026", "cme:ESZ2026"),
        ("ESZ26", "cme:ESZ2026"),
        ("6EH14", "cme:6EH2014"),
        ("ZNZ99", "cme:ZNZ1999"),
        ("GCG2012", "cme:GCG2012"),
    ],
)
def test_every_form_names_the_same_instrument(written: str, id: str) -> None:
    assert Reference().resolve(written) == id
    assert Reference().resolve(id) == id


def test_pair_without_settlement_is_spot_or_perpetual() -> None:
    with pytest.raises(UnknownInstrument) as caught:
        Reference().resolve("BTC/USDT")
    assert str(caught.value) == (
        "'BTC/USDT' is spot (binance_spot:BTCUSDT) or a perpetual "
        "(binance_um:BTCUSDT, ccxt 'BTC/USDT:USDT'). Say which."
    )
    assert caught.value.candidates == ("binance_spot:BTCUSDT", "binance_um:BTCUSDT")


def test_one_digit_year_needs_a_date() -> None:
    reference = Reference()
    with pytest.raises(UnknownInstrument) as caught:
        reference.resolve("ESZ6")
    assert caught.value.candidates == ("cme:ESZ2006", "cme:ESZ2016", "cme:ESZ2026")
    assert "Say which" in str(caught.value)
    assert reference.resolve("ESZ6", on_ns=to_ns("2016-12-15")) == "cme:ESZ2016"
    assert reference.resolve("ESH6", on_ns=to_ns("2016-04-01")) == "cme:ESH2026"


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("BTCUSD", "binance_um:BTCUSDT"),
        ("binance_um:ETHUSD", "binance_um:ETHUSDT"),
        ("ENA", "binance_um:ENAUSDT"),
    ],
)
def test_typo_is_told_the_nearest_name(written: str, nearest: str) -> None:
    with pytest.raises(UnknownInstrument, match=f"the nearest known name is {nearest}"):
        Reference().resolve(written)


@pytest.mark.parametrize("written", ["", "foo", "NK", "NKZ26", "cme:BTCUSDT", "binance_um:ESZ26", "BTC/USDT:BTC"])
def test_unknown_names_are_refused(written: str) -> None:
    with pytest.raises(UnknownInstrument):
        Reference().resolve(written)


def test_where_no_name_is_near_every_known_one_is_told_the_nearest_first() -> None:
    with pytest.raises(UnknownInstrument, match=r"'QQ'; known, the nearest first: cme:NQ, .* and \d+ more") as told:
        Reference().resolve("QQ")
    assert told.value.candidates == ()
    placed = told.value.at("run.yaml", "instruments")
    assert str(placed) == f"run.yaml instruments: {told.value}"
    assert placed.to_dict()["where"] == "instruments"


@pytest.mark.parametrize("written", ["FOO", "cme:FOO", "XXZ6"])
def test_where_no_name_is_near_the_error_says_where_products_come_from(written: str) -> None:
    with pytest.raises(UnknownInstrument, match=r"A product is a row of table cme/products, or a file of your own"):
        Reference().resolve(written)


@pytest.mark.parametrize("written", ["BTCUSD", "cme:EES", "MESZ", "QQQQUSDT", "QQQ/USDT:USDT", "binance_um:FOO"])
def test_a_near_name_or_a_perpetuals_is_told_nothing_of_products(written: str) -> None:
    with pytest.raises(UnknownInstrument, match="unknown instrument") as told:
        Reference().resolve(written)
    assert "cme/products" not in str(told.value)


def test_spot_and_delivery_are_named_as_what_they_are() -> None:
    assert Reference().resolve("binance_spot:BTCUSDT") == Reference().resolve("binance_spot:BTC/USDT")
    assert Reference().resolve("binance_spot:BTCUSDT") == "binance_spot:BTCUSDT"
    assert Reference().resolve("BTCUSDT") == "binance_um:BTCUSDT"
    with pytest.raises(UnknownInstrument, match=r"is spot \(binance_spot:BTCUSDT\) or a perpetual .* Say which"):
        Reference().resolve("BTC/USDT")
    with pytest.raises(UnknownInstrument, match="nearest"):
        Reference().resolve("binance_spot:BTCUSD")
    with pytest.raises(UnknownInstrument, match="delivery contract"):
        Reference().resolve("XRP/USDT:USDT-260626")


def test_rolled_symbol_is_a_series_of_contracts() -> None:
    reference = Reference()
    assert reference.is_rolled("ES")
    assert not reference.is_rolled("cme:ESZ2026")
    assert not reference.is_rolled("BTCUSDT")
    with pytest.raises(UnknownInstrument, match=r"series of contracts; ask for one, e\.g\. cme:ESZ2026"):
        reference.instrument("cme:ES")
