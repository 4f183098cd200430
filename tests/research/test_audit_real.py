"""Trades around the crash of 2020-03-12, on the exchange's own bars, marks and funding."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import novation as nv

pytestmark = pytest.mark.data

ROWS = {
    "symbol": ["BTCUSDT"] * 3,
    "side": ["long", "short", "long"],
    "qty": ["0.5", "0.5", "0.1"],
    "entry_time": ["2020-03-12T00:00Z"] * 3,
    "entry_price": ["7930", "7930", "7930"],
    "exit_time": ["2020-03-14T00:00Z"] * 3,
    "exit_price": ["5560"] * 3,
    "leverage": ["20", "20", "1"],
}


def test_a_long_through_the_crash_of_march_2020(novation_data: Path) -> None:
    found = nv.audit(pl.DataFrame(ROWS), data=novation_data, rules_as_of="2026-05-01")
    long, short, unlevered = found.trades
    # 0.5 BTC stakes 198.25: liquidated at (7,930 - 396.5) / 0.996, within the day; all of the stake and the entry's fee
    assert long.liquidation is not None and long.pnl is not None
    assert long.liquidation.at.startswith("2020-03-12")
    assert abs(long.liquidation.mark - Decimal("7563.755")) < Decimal("0.01")
    assert long.pnl == -Decimal("198.25") - Decimal("1.9825")
    assert short.liquidation is None and short.pnl is not None and short.pnl > 1_000
    assert unlevered.liquidation is None and unlevered.data == "full"
    # six stamps from 08:00 on the 12th to 00:00 on the 14th; the same rates, so in proportion and of the other sign
    assert short.funding is not None and unlevered.funding is not None
    assert abs(short.funding + 5 * unlevered.funding) <= Decimal("1e-7")
    assert all(one.pnl - one.source_pnl == one.difference for one in found.trades if one.pnl and one.source_pnl)


def test_a_future_is_settled_every_day_and_makes_what_its_prices_say(novation_data: Path) -> None:
    row = {
        "symbol": ["ESZ2016"],
        "side": ["long"],
        "qty": ["2"],
        "entry_time": ["2016-10-03T15:00Z"],
        "entry_price": ["2155.25"],
        "exit_time": ["2016-11-10T15:00Z"],
        "exit_price": ["2160.5"],
    }
    (one,) = nv.audit(pl.DataFrame(row), data=novation_data).trades
    assert one.fee == Decimal("8.2")  # 2.05 a contract and side
    assert (one.source_pnl, one.pnl) == (525, Decimal("516.8"))  # 2 contracts, 5.25 points of 50
    assert (one.funding, one.currency) == (0, "USD")
