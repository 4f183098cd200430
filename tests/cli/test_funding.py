"""`novation funding` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A day of funding in the user's store."""
    monkeypatch.delenv("NOVATION_DATA", raising=False)
    monkeypatch.setenv("NOVATION_STORE", str(tmp_path))
    folder = tmp_path / "binance_um" / "1h" / "BTCUSDT"
    folder.mkdir(parents=True)
    hours = [1704067200 + 3600 * i for i in range(25)]
    bars = pl.DataFrame({"ts": hours}).with_columns(
        *(pl.lit(40_000.0).alias(name) for name in ("open", "high", "low", "close"))
    )
    bars.write_parquet(folder / "last_1h.parquet")
    bars.write_parquet(folder / "mark_1h.parquet")
    pl.DataFrame({"ts": hours[::8], "funding_rate": [0.0001, 0.0002, 0.0003, 0.0002]}).write_parquet(
        folder / "funding.parquet"
    )
    return tmp_path


def test_funding_prints_sums_months_and_a_position(novation: Callable[..., Any], store: Path) -> None:
    answer = novation("funding", "BTCUSDT", "--from", "2024-01-01", "--to", "2024-02", "--qty", "-1")
    assert (answer.code, answer.err) == (0, "")
    assert "4 stamps" in answer.out
    assert "next 2024-01-02 08:00, every 8 h" in answer.out
    assert "a short of 1 received 32.00 USDT at 4 stamps, +24.00 a day" in answer.out
    assert "2024-01      4 stamps" in answer.out


def test_funding_as_json_and_as_a_page(novation: Callable[..., Any], store: Path) -> None:
    page = store / "funding.html"
    found = json.loads(novation("funding", "BTCUSDT", "--out", page, "--json").out)
    assert (found["stamps"], found["sum"], found["plot"]) == (4, "0.00080000", str(page))
    assert page.stat().st_size > 1_000_000
    assert novation("funding", "BTCUSDT", "--out", page).out.endswith(f"plot: {page}\n")


def test_a_period_that_is_none_names_the_option(novation: Callable[..., Any], store: Path) -> None:
    for period, message in (
        (("--from", "2024-07", "--to", "2024-01"), "error: --to: lies before --from 2024-07 (found '2024-01').\n"),
        (("--from", "2024-01", "--to", "2024-01-01"), "error: --to: lies at --from 2024-01 (found '2024-01-01').\n"),
        (("--from", "foo"), "error: --from: expected a date or an ISO 8601 instant (found 'foo').\n"),
    ):
        answer = novation("funding", "BTCUSDT", *period)
        assert (answer.code, answer.out, answer.err) == (2, "", message)


def test_what_is_not_there_is_one_line(novation: Callable[..., Any], store: Path) -> None:
    answer = novation("funding", "ETHUSDT")
    assert answer.code == 2
    assert "novation data download binance_um ETHUSDT" in answer.err
