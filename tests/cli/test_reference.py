"""`novation reference` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novation.data.sources import parameters

MARKET = {
    "base": "ZZZ", "quote": "USDT", "settle": "USDT", "swap": True, "linear": True, "active": True, "contractSize": 1,
    "maker": 0.0001, "taker": 0.0006, "precision": {"price": 0.01, "amount": 0.1}, "limits": {"amount": {"max": 1000}},
}  # fmt: skip
TIER = {"tier": 1, "minNotional": 0, "maxNotional": 100000, "maintenanceMarginRate": 0.01, "maxLeverage": 50}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own, and no key."""
    for name in ("NOVATION_REFERENCE", "NOVATION_BINANCE_KEY", "NOVATION_BINANCE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "markets.json"
    data = {"markets": {"ZZZ/USDT:USDT": MARKET}, "leverage_tiers": {"ZZZ/USDT:USDT": [TIER]}}
    path.write_text(json.dumps(data | {"timestamp": 1_790_000_000_000}))
    return path


def test_an_import_is_shown_first_and_written_when_asked(
    novation: Callable[..., Any], store: Path, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["reference", "import", "--ccxt", "bybit", "--markets", dump]
    answer = novation(*command)
    assert (answer.code, answer.err) == (0, "")
    assert "+ contracts ZZZUSDT row: base ZZZ, quote USDT, asset USDT, tick_usdt 0.01, lot_base 0.1" in answer.out
    assert "+ brackets ZZZUSDT tier 1: tier 1, floor_usdt 0, cap_usdt 100000" in answer.out
    assert "not written; --write puts it into" in answer.out
    assert not store.exists()
    found = json.loads(novation(*command, "--write", "--json").out)
    assert (found["written"], found["keys"], len(found["changes"])) == (True, 4, 4)
    monkeypatch.setenv("NOVATION_REFERENCE", found["folder"])
    asked = ["margin", "ZZZUSDT", "--side", "short", "--qty", "10", "--entry", "100", "--leverage", "5"]
    answer = novation(*asked)
    assert re.search(r"maintenance margin +10\.00 USDT", answer.out)
    assert "caution: brackets assumed: method assumed Binance-like, unverified" in answer.out
    novation(*command, "--write", "--folder", found["folder"])
    assert "4 as they were known" in novation(*command, "--folder", found["folder"]).out


def test_a_refresh_hands_on_what_was_asked_and_a_silent_host_is_a_failed_run(
    novation: Callable[..., Any], store: Path
) -> None:
    answer = novation("reference", "refresh", "--symbols", "BTCUSDT,ETHUSDT", "--base-url", "http://127.0.0.1:1")
    assert answer.code == 1
    assert answer.err == "error: http://127.0.0.1:1/fapi/v1/exchangeInfo: no answer (ConnectError).\n"
    wrong = novation("reference", "refresh", "--venue", "elsewhere")
    assert (wrong.code, wrong.err) == (
        2, "error: venue: no source for this venue (found 'elsewhere'). Known: binance_um.\n",
    )  # fmt: skip


def test_a_refresh_asks_for_the_symbols_that_the_tables_know(
    novation: Callable[..., Any], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: dict[str, Any] = {"/fapi/v1/exchangeInfo": {"symbols": []}, "/fapi/v1/fundingInfo": []}
    monkeypatch.setattr(parameters, "_get", lambda _client, _url, path, *_: answers[path])
    monkeypatch.setattr(parameters, "_key", lambda: ("", ""))
    answer = novation("reference", "refresh")
    assert answer.code == 2
    assert "symbols: is not listed by the exchange (found 'BTCUSDT')" in answer.err


def test_an_import_needs_an_exchange(novation: Callable[..., Any], store: Path) -> None:
    answer = novation("reference", "import")
    assert answer.code == 2
    assert "--ccxt" in answer.err
