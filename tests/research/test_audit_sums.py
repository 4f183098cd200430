"""Random trades on the synthetic market: parts sum to differences, and trades to what the exchange's ledger says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novation as nv
from novation.data.series import Bars
from novation.data.synthetic import load_synthetic
from novation.domain.units import NS, from_scaled, to_ns
from novation.research.audit import Audit
from novation.research.audit.played import shares
from novation.research.audit.replay import Replay
from tests.conftest import scaled

SPAN = to_ns("2025-10-01"), to_ns("2025-10-20")  # with the crash of the 10th
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@cache
def market(symbol: str) -> nv.History:
    found = load_synthetic(f"binance_um:{symbol}", start_ns=SPAN[0], end_ns=SPAN[1])
    assert isinstance(found, nv.History)
    return found


@cache
def bars(symbol: str) -> Bars:
    return market(symbol).prepare(symbol, perpetual=True, daily_settled=False).bars


@st.composite
def trades(draw: st.DrawFn) -> dict[str, Any]:
    """A trade at prices near the market's, some of them wrong, some sizes off the step, some with claims."""
    symbol = draw(st.sampled_from(SYMBOLS))
    own = bars(symbol)
    first = draw(st.integers(0, len(own) - 3))
    last = min(len(own) - 1, first + draw(st.integers(0, 120)))
    times = [int(own.start_ns[row]) // NS + draw(st.sampled_from((0, 0, 600, 3_599))) for row in sorted((first, last))]
    prices = [
        Decimal(int(own.close_e8[row])).scaleb(-8) * draw(st.sampled_from((1, 1, 1, Decimal("1.01"), Decimal("0.99"))))
        for row in (first, last)
    ]
    claims = st.none() | st.decimals(-1_000, 1_000, places=3, allow_nan=False)
    is_open = draw(st.integers(0, 9)) == 0
    stamps = [dt.datetime.fromtimestamp(second, dt.UTC).isoformat() for second in sorted(times)]
    return {
        "symbol": symbol,
        "side": draw(st.sampled_from(("long", "short"))),
        "qty": str(draw(st.decimals("0.0005", "60", places=4, allow_nan=False))),
        "entry_time": stamps[0],
        "entry_price": f"{prices[0]:f}",
        "exit_time": None if is_open else stamps[1],
        "exit_price": None if is_open else f"{prices[1]:f}",
        "leverage": str(draw(st.sampled_from((1, 5, 20, 50, 125, Decimal("7.5"))))),
        "maker": draw(st.sampled_from(("true", "false"))),
        **{name: None if (claim := draw(claims)) is None else str(claim) for name in ("fee", "funding", "pnl")},
    }


def check_sums(found: Audit) -> None:
    for one in found.trades:
        assert one.pnl is not None and one.source_pnl is not None and one.fee is not None
        assert one.pnl - one.source_pnl == one.difference
        if one.liquidation is not None:
            assert one.difference == one.liquidation_difference + one.refused_difference
    for total in found.totals:
        parts = total.price + total.fee + total.funding + total.liquidation + total.refused
        assert total.pnl - total.source_pnl == parts
        assert total.pnl == sum(one.pnl or 0 for one in found.trades if one.currency == total.currency)


@settings(max_examples=scaled(2_000, 25))
@given(
    rows=st.lists(trades(), min_size=1, max_size=6),
    shared=st.sampled_from((None, ("cross", 50_000), ("cross", 2_000_000), ("isolated", 500_000))),
)
def test_parts_sum_to_the_difference_and_trades_to_the_ledger(
    rows: list[dict[str, Any]], shared: tuple[str, int] | None
) -> None:
    gains: list[Decimal] = []
    units = [0]

    class Watched(Replay):
        def run(self) -> None:
            super().run()
            money = self.venue.account(0)
            gains.append(from_scaled(money.equity - self.account.deposit, 8))
            units[0] += len(self.played)
            assert self.venue.totals().gap == 0

    options: dict[str, Any] = {} if shared is None else {"margin": shared[0], "cash": shared[1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("novation.research.audit.run.Replay", Watched)
        found = nv.audit(
            pl.DataFrame(rows, infer_schema_length=None),
            data={symbol: market(symbol) for symbol in SYMBOLS},
            rules_as_of="2026-05-01",
            **options,
        )
    check_sums(found)
    # what is still held is valued position by position, and cut to a unit trade by trade
    audited = sum(one.pnl or 0 for one in found.trades)
    assert abs(audited - sum(gains)) <= Decimal("1e-8") * units[0]


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_shares_sum_to_the_amount(amount: int, weights: list[int]) -> None:
    parts = shares(amount, weights)
    assert sum(parts) == amount
    assert all(part * amount >= 0 for part in parts)
