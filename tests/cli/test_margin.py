"""`novation margin` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

COMMAND = ["margin", "BTCUSDT", "--side", "long", "--qty", "0.1", "--entry", "60000", "--leverage", "10"]
KEYS = {
    "initial_margin": "600.00000000",
    "maintenance_margin": "24.00000000",
    "bracket": 1,
    "cum": "0.00000000",
    "liquidation_price": "54216.86746987",
    "bankruptcy_price": "54000.00000000",
    "order_cost": "600.00000000",
}


def test_margin_prints_the_numbers_and_whose_brackets(novation: Callable[..., Any]) -> None:
    answer = novation(*COMMAND, "--scope", "isolated")
    assert (answer.code, answer.err) == (0, "")
    assert "liquidation price   54,216.86746987" in answer.out
    assert "bankruptcy price          54,000.00" in answer.out
    assert "brackets of 2026-05-01 (known through 2026-09-01): the exchange's leverage brackets" in answer.out


def test_margin_as_json_has_amounts_as_text(novation: Callable[..., Any]) -> None:
    found = json.loads(novation(*COMMAND, "--json").out)
    assert {name: found[name] for name in KEYS} == KEYS
    assert found["brackets"]["date"] == "2026-05-01"
    cross = json.loads(novation(*COMMAND, "--scope", "cross", "--wallet", "1000", "--mark", "59000", "--json").out)
    assert cross["unrealised"] == "-100.00000000"
    assert cross["initial_margin"] == "590.00000000"


def test_what_is_missing_or_wrong_is_one_line(novation: Callable[..., Any]) -> None:
    for arguments, message in (
        (["margin"], "error: margin: needs a SYMBOL."),
        (["margin", "BTCUSDT", "--qty", "1"], "error: margin BTCUSDT: needs also --side, --entry, --leverage."),
        ([*COMMAND, "--scope", "cross"], "error: wallet: a cross position needs the wallet balance behind it."),
        ([*COMMAND[:-1], "151"], "error: BTCUSDT leverage: the first bracket allows at most 150x"),
    ):
        answer = novation(*arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(message)
        assert answer.err.count("\n") == 1
