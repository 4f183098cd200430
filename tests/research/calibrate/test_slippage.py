"""Slippage out of recorded levels: the walk by hand, books of a known shape, the real capture, rows for the user."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from novation.data.flow import Flow, read_levels
from novation.domain.errors import InvalidInput
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.domain.slippage import MarketConditions, TakerOrder
from novation.domain.units import NS
from novation.reference import Reference
from novation.research.calibrate.slippage import calibrate_slippage
from novation.research.calibrate.slippage_table import write_rows
from novation.research.calibrate.walked import NO_BOOK, NO_MINUTE, NO_MOVE, NO_TRADE, SHARES, walk_levels
from novation.trading.cost import estimate_execution_cost

LEVEL, TRADE = int(FlowKind.LEVEL), int(FlowKind.TRADE)


def market(depth: list[int], *, seconds: int = 200, per_second: int = 1_000, moves: bool = True) -> Flow:
    """Levels `depth` lots deep on both sides of 10,000, the best one tick away; every other second the whole book
    stands a tick higher, and each second some lots trade."""
    rows: list[tuple[int, ...]] = []

    def level(second: int, side: int, price: int, lots: int) -> None:
        rows.append((second * NS + 1, second * NS + 1, 0, price, lots, LEVEL, side, 0))

    before = None
    for second in range(seconds):
        middle = 10_000 + (second % 2 if moves else 0)
        if middle != before:
            for side in (1, -1):
                for i in range(len(depth)):
                    if before is not None:
                        level(second, side, before - side * (i + 1), 0)
                for i, lots in enumerate(depth):
                    level(second, side, middle - side * (i + 1), lots)
            before = middle
        rows.append((second * NS + 2, second * NS + 2, 0, middle, per_second, TRADE, 1, LAST))
    array = np.array(rows, dtype=FLOW_DTYPE)
    return Flow(array, Decimal("0.5"), Decimal(1), "levels", "levels", np.arange(1, len(array) + 1))


def test_a_walk_by_hand() -> None:
    """60,000 lots a minute; 6, 18, 60, 180 of them on 10, 20, 70, 1000 lots at one to four ticks from 10,000."""
    found = walk_levels(market([10, 20, 70, 1_000]))
    assert found.lots[0].tolist() == pytest.approx([60_000 * share for share in SHARES])
    ticks = [1, (10 + 8 * 2) / 18, (10 + 40 + 30 * 3) / 60, (10 + 40 + 210 + 80 * 4) / 180]
    for mid, cost in zip(found.mid, found.cost, strict=True):
        assert (cost[:5] * mid).tolist() == pytest.approx([*ticks, (10 + 40 + 210 + 500 * 4) / 600])
        assert np.isnan(cost[5:]).all()  # 1,100 lots are shown
    assert (found.half_spread * found.mid).tolist() == pytest.approx([1.0] * len(found.mid))
    assert set(found.mid) == {10_000.0, 10_001.0}
    assert set(found.day_lots) == {60_000.0 * 1440}
    # a tick of 10,000 each second: 1e-4 a second, so sqrt(86,400) as much a day
    assert found.day_sigma == pytest.approx(1e-4 * np.sqrt(86_400), rel=1e-3)
    assert found.left_out == {NO_MINUTE: 60}


def test_instants_that_cannot_be_walked_are_counted() -> None:
    still = market([1_000], moves=False)
    with pytest.raises(InvalidInput, match=NO_MOVE):
        walk_levels(still)
    silent = market([1_000])
    rows = silent.rows.copy()
    rows["lots"][(rows["kind"] == TRADE) & (rows["ts_ns"] > 70 * NS)] = 0
    found = walk_levels(dataclasses.replace(silent, rows=rows))
    assert found.left_out[NO_TRADE] > 0
    cleared = silent.rows.copy()
    gone = (cleared["kind"] == LEVEL) & (cleared["ts_ns"] > 150 * NS) & (cleared["side"] > 0)
    cleared["lots"][gone] = 0
    assert walk_levels(dataclasses.replace(silent, rows=cleared)).left_out[NO_BOOK] == 49
    untold = silent.rows[silent.rows["kind"] == LEVEL]
    with pytest.raises(InvalidInput, match="tells of no trade"):
        walk_levels(dataclasses.replace(silent, rows=untold, records=silent.records[: len(untold)]))


def test_a_book_as_deep_at_each_tick_costs_in_proportion() -> None:
    """100 lots a tick: q lots are q / 100 ticks deep, half of it on average, less what a whole first tick hides."""
    found = calibrate_slippage(market([100] * 200))
    assert found.best == "free exponent"
    fit = found.fit(found.best)
    assert fit.exponent == pytest.approx(1.0, abs=0.06)
    assert fit.rmse_rest < 0.5 < found.fit("square root").rmse_rest  # of up to 30 bp
    largest = fit.off[-1]
    assert (largest.share, largest.samples) == (0.1, 70)
    assert largest.cost == pytest.approx(30.5, abs=0.1)  # 6,000 lots: 60 ticks, on average 30.5 away, 1 bp a tick
    assert found.half_spread == pytest.approx(0.5)  # a tick of 0.5
    assert found.samples == 139


def test_a_book_deeper_and_deeper_costs_as_the_root() -> None:
    """Level i holds i lots: q lots are sqrt(2 q) ticks deep, two thirds of it on average."""
    found = calibrate_slippage(market([3 * i for i in range(1, 200)]))
    fit = found.fit("free exponent")
    assert fit.exponent == pytest.approx(0.5, abs=0.08)
    assert found.fit("square root").rmse_rest < 0.7  # of up to 42 bp


def test_what_it_cannot_be_fitted_to_is_refused() -> None:
    flow = market([100] * 200, seconds=79)
    with pytest.raises(InvalidInput, match="has 18 samples; 10 are needed in either part"):
        calibrate_slippage(flow)
    with pytest.raises(InvalidInput, match="above 0 and below 1"):
        calibrate_slippage(flow, first=1.0)
    with pytest.raises(InvalidInput, match="every_ns"):
        calibrate_slippage(flow, every_ns=0)
    with pytest.raises(InvalidInput, match="single orders"):
        calibrate_slippage(dataclasses.replace(flow, kind="orders"))


def test_its_rows_are_taken_up_by_whoever_names_the_folder(tmp_path: Path) -> None:
    found = calibrate_slippage(market([100] * 200))
    table = write_rows(found, "BTCUSDT", tmp_path / "mine")
    assert table == tmp_path / "mine" / "binance_um" / "slippage.csv"
    market_now = MarketConditions(mid=10_000, volume=86_400_000, volatility=0.1767)
    order = TakerOrder(symbol="BTCUSDT", side="buy", qty=6_000)
    cost = estimate_execution_cost(order, market_now, reference=Reference([tmp_path / "mine"]))
    assert float(cost.spread_bps) == pytest.approx(0.5, abs=0.01)
    assert {term.name for term in cost.terms if term.source.startswith("calibrated on levels")} == {
        "half_spread",
        "impact",
        "exponent",
    }
    with pytest.raises(InvalidInput, match="is there already"):
        write_rows(found, "BTCUSDT", tmp_path / "mine")
    with pytest.raises(InvalidInput, match="would be free"):
        write_rows(found, "BTCUSDT", tmp_path / "free", fit="spread alone")
    assert not (tmp_path / "free").exists()


@pytest.mark.slow
@pytest.mark.data
def test_the_second_half_of_the_capture_is_foretold_within_three_bp(novation_data: Path) -> None:
    """BTCUSDT, 2024-08-08: up to 1 % of the minute's volume (the aim: 3 bp); docs/validation/slippage.md has all."""
    path = novation_data / "binance_um" / "l2_stream" / "btcusdt_20240808.gz"
    found = calibrate_slippage(read_levels(path, path, tick="0.1", lot="0.001"))
    assert found.samples == 285
    for name in ("free exponent", "square root"):
        within = [off for off in found.fit(name).off if off.share <= 0.01]
        assert [off.samples for off in within] == [143] * 5
        assert max(off.mean_error for off in within) < 0.5
        assert max(off.error_95 for off in within) < 1.1


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for name in ("a.gz", "b.csv"):
        (tmp_path / name).write_text("")
    with pytest.raises(InvalidInput, match="does not go with the depth"):
        read_levels(tmp_path / "a.gz", tmp_path / "b.csv", tick=1, lot=1)
