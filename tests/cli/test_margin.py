"""`novation margin` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
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
        ([*COMMAND, "--qty", "1000000"], "error: qty: positions worth 23,058,430,092 and more cannot be computed"),
        ([*COMMAND, "--entry", "1e12"], "error: entry: a price lies between 0 and "),
        ([*COMMAND[:-1], "151"], "error: BTCUSDT leverage: the first bracket allows at most 150x"),
    ):
        answer = novation(*arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(message)
        assert answer.err.count("\n") == 1


def test_a_day_without_brackets_names_the_option_to_give(novation: Callable[..., Any]) -> None:
    answer = novation(*COMMAND, "--rules-as-of", "2019-01-01")
    assert answer.code == 2
    assert "Pass --rules-as-of 2026-05-01 to use" in answer.err
    assert "rules_as_of" not in answer.err


def test_an_account_is_read_compared_and_measured(novation: Callable[..., Any], tmp_path: Path) -> None:
    row = {
        "symbol": "BTCUSDT", "positionAmt": "0.1", "entryPrice": "60000", "markPrice": "60000", "leverage": "10",
        "liquidationPrice": "54216.86", "marginType": "isolated", "isolatedWallet": "600", "positionSide": "BOTH",
    }  # fmt: skip
    path = tmp_path / "positions.json"
    path.write_text(json.dumps([row]))
    answer = novation("margin", "--account", path)
    assert answer.code == 0
    assert "smallest adverse move to a liquidation: 9.64 % of BTCUSDT alone" in answer.out
    assert "+0.00746987" in answer.out
    found = json.loads(novation("margin", "--account", path, "--json").out)
    assert found["positions"][0]["liquidation_price"] == "54216.86746987"
    path.write_text(json.dumps([row | {"marginType": "cross"}]))
    assert novation("margin", "--account", path).code == 2
    assert novation("margin", "--account", path, "--wallet", "600").code == 0
    wrong = novation("margin", "BTCUSDT", "--account", path)
    assert (wrong.code, wrong.err) == (
        2, "error: --account: stands alone. Beside it: --wallet, --brackets, --rules-as-of, --json.\n",
    )  # fmt: skip
