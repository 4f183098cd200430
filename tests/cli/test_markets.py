"""`novation contract` and `novation calendar` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def test_calendar_as_json_is_a_list_of_sessions(novation: Callable[..., Any]) -> None:
    rows = json.loads(novation("calendar", "ES", "--from", "2021-06-25", "--to", "2021-06-26", "--json").out)
    assert rows == [
        {
            "trade_date": "2021-06-25",
            "day": "2021-06-25",
            "open": "2021-06-24T22:00:00Z",
            "close": "2021-06-25T21:00:00Z",
            "breaks": [{"start": "2021-06-25T20:15:00Z", "end": "2021-06-25T20:30:00Z"}],
            "rth_open": "2021-06-25T13:30:00Z",
            "rth_close": "2021-06-25T20:00:00Z",
            "early_close": False,
            "holiday": False,
            "holiday_name": None,
            "settlement": "2021-06-25T20:00:00Z",
        }
    ]


def test_calendar_shows_a_month_with_what_is_special_in_it(novation: Callable[..., Any]) -> None:
    shown = novation("calendar", "ES", "--from", "2026-12-01", "--to", "2027-01-01").out
    assert "cme:ES  December 2026, America/Chicago" in shown
    assert "21   22   23   24*  25-" in shown
    for line in (
        "14 Mon  ESH2027 leads",
        "18 Fri  ESZ2026 last trading day, 08:30",
        "24 Thu  Christmas eve, closes 12:15",
    ):
        assert line in shown
    assert "25 Fri  closed: Christmas day" in shown


def test_contract_prints_and_refuses_in_one_line(novation: Callable[..., Any]) -> None:
    shown = novation("contract", "GCZ6", "--on", "2026-07-01")
    assert shown.code == 0
    assert "first notice day  Mon 2026-11-30" in shown.out
    found = json.loads(novation("contract", "SIL", "--on", "2026-07-01", "--json").out)
    assert (found["ib_symbol"], found["ib_trading_class"], found["multiplier"]) == ("SI", "SIL", "1000")
    refused = novation("contract", "ESF7", "--on", "2026-07-01")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "cme/products" in refused.err


def test_roll_shows_what_to_hold_and_until_when(novation: Callable[..., Any]) -> None:
    shown = novation("roll", "ES", "--on", "2026-11-27")
    assert shown.code == 0
    assert "roll into         ESH2027 on Mon 2026-12-14, in 11 business days" in shown.out
    found = json.loads(novation("roll", "CL", "--rule", "days:8", "--on", "2026-11-10", "--json").out)
    assert (found["held"], found["roll_day"]) == ("CLZ2026", "2026-11-12")
    refused = novation("roll", "ES", "--rule", "soon")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert refused.err == (
        "error: --rule: is no roll rule (found 'soon'). "
        "Rules: lead, days:N, expiry:N, notice:N; volume and open_interest with --data.\n"
    )


def test_contract_shows_32nds_limits_and_breakers(novation: Callable[..., Any]) -> None:
    assert "0.015625 (0-005) = 15.625 USD" in novation("contract", "ZNZ6", "--on", "2026-07-01").out
    text = novation("contract", "ESZ6", "--on", "2026-07-01").out
    assert "7 % each way overnight, 7 %, 13 %, 20 % down by day" in text
    assert "3.5 % within 60 min halts 120 s" in text
    shown = json.loads(novation("contract", "CLQ6", "--on", "2026-07-01", "--json").out)
    assert shown["circuit_breaker"] == "15 % within 60 min halts 120 s (unverified)"
    assert shown["price_limits"] is None


def test_an_unknown_product_names_the_table_to_extend(novation: Callable[..., Any]) -> None:
    for refused in (
        novation("contract", "XXZ6"),
        *(novation(verb, "FOO") for verb in ("contract", "calendar", "roll")),
    ):
        assert "A product is a row of table cme/products" in refused.err
