"""`novation cost` and `novation calibrate slippage` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ASKED = ("cost", "ES", "--side", "buy", "--qty", "50", "--mid", "5000", "--spread-bps", "0.5")
STATE = ("--volume", "100000", "--volatility", "0.15")


def test_it_prints_the_cost_and_what_it_rests_on(novation: Callable[..., Any]) -> None:
    shown = novation(*ASKED, *STATE)
    assert shown.code == 0, shown.err
    assert "cme:ES  buy 50 at mid 5000" in shown.out
    assert "0.0500% of a day's volume" in shown.out
    assert "off, as assumed (--terms)" in shown.out


def test_its_json_has_the_keys_of_the_plan(novation: Callable[..., Any]) -> None:
    told = json.loads(novation(*ASKED, *STATE, "--json").out)
    keys = ("slippage_bps", "fee_bps", "total_cost_bps", "impact_cost", "estimated_fill_price")
    assert [told[key] for key in keys] == ["2.362886", "0.082000", "2.444886", "2953.60750000", "5001.18144300"]
    assert (told["slippage_bps_low"], told["slippage_bps_high"]) == ("1.306443", "3.419328")
    assert {term["name"] for term in told["terms"]} == {"impact", "exponent"}


def test_drivers_and_terms(novation: Callable[..., Any]) -> None:
    shown = novation(*ASKED, *STATE, "--terms", "limit_distance", "--driver", "limit_distance=0.01")
    assert "term limit_distance x 1.500 on all: assumed" in shown.out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "--volatility: is needed"),
        (STATE[2:], "--volume: is needed"),
        ((*STATE, "--driver", "limits=1"), "--driver: is no driver"),
        ((*STATE, "--driver", "limit_distance"), "--driver: is no driver"),
        ((*STATE, "--terms", "al"), "--terms: is no term of slippage"),
        ((*STATE, "--at", "yesterday"), "--at:"),
    ],
)
def test_wrong_input_is_one_line(options: tuple[str, ...], text: str, novation: Callable[..., Any]) -> None:
    refused = novation(*ASKED, *options)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert text in refused.err


@pytest.mark.data
def test_at_an_instant_the_history_says_the_rest(
    novation: Callable[..., Any], novation_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVATION_DATA", str(novation_data))
    told = json.loads(
        novation("cost", "BTCUSDT", "--side", "sell", "--qty", "5", "--at", "2024-08-10T14:00Z", "--json").out
    )
    assert told["mid"] == "60399.90000000"
    assert {term["name"] for term in told["terms"]} == {"half_spread", "impact", "exponent", "hour"}
    refused = novation("cost", "ES", "--side", "buy", "--qty", "5", "--at", "2020-03-12T14:00Z")
    assert "volume: is needed" in refused.err
    given = novation("cost", "ES", "--side", "buy", "--qty", "5", "--at", "2020-03-12T14:00Z", "--volume", "2000000")
    assert given.code == 0 and "outside_regular_hours x 1.000" in given.out


@pytest.mark.slow
@pytest.mark.data
def test_slippage_is_calibrated_and_its_rows_used(
    novation: Callable[..., Any], novation_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = str(novation_data / "binance_um" / "l2_stream" / "btcusdt_20240808.gz")
    asked = ("calibrate", "slippage", "BTCUSDT", "--depth", capture, "--trades", capture)
    out = tmp_path / "mine"
    told = json.loads(novation(*asked, "--out", out, "--json").out)
    assert (told["samples"], told["best"]) == (285, "free exponent")
    monkeypatch.setenv("NOVATION_REFERENCE", str(out))
    shown = novation("cost", "BTCUSDT", "--side", "buy", "--qty", "5", "--mid", "60000", *STATE)
    assert "term exponent 1.05: calibrated on btcusdt_20240808.gz" in shown.out
    assert "--out: is there already" in novation(*asked, "--out", out).err
    assert "--fit: is best, free or square-root" in novation(*asked, "--fit", "worst").err
    assert "needed in either part" in novation(*asked, "--every", "30").err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("cost", "--side", "buy", "--qty", "1"), "is spot, of which no table of slippage has rows"),
        (("funding",), "is spot, and a perpetual is asked for"),
        (
            ("margin", "--side", "long", "--qty", "1", "--entry", "5", "--leverage", "2"),
            "bought in full, with no brackets",
        ),
    ],
)
def test_spot_is_told_where_a_question_is_of_futures(
    novation: Callable[..., Any], arguments: tuple[str, ...], text: str
) -> None:
    shown = novation(arguments[0], "binance_spot:BTCUSDT", *arguments[1:])
    assert shown.code == 2
    assert text in shown.err
