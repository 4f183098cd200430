"""Looking an instant up among sessions: from Python, in a kernel, and by going through them one by one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.domain.errors import NoRuleInForce
from novation.domain.units import NS, to_ns
from novation.reference.lookup import Reference
from novation.reference.session_table import SessionTable
from novation.rules.session_edges import edges_passed, is_open, session_of

FIRST, LAST = dt.date(2012, 1, 2), dt.date(2027, 12, 31)
TABLES = {root: SessionTable.of(Reference(), root, FIRST, LAST) for root in ("ES", "CL", "6E")}
instants = st.integers(to_ns("2012-01-04"), to_ns("2027-12-29")).map(lambda ns: ns // NS * NS)


@pytest.mark.parametrize("root", TABLES)
def test_edges_ascend_and_come_in_pairs(root: str) -> None:
    table = TABLES[root]
    assert len(table.edges) % 2 == 0
    assert (table.edges[1:] > table.edges[:-1]).all()
    assert (table.trade_dates[1:] >= table.trade_dates[:-1]).all()
    assert (table.closes[:-1] < table.opens[1:]).all()


@given(st.sampled_from(sorted(TABLES)), instants)
def test_a_look_up_agrees_with_going_through_the_sessions(root: str, at_ns: int) -> None:
    table = TABLES[root]
    running = [s for s in table.sessions if s.open_ns <= at_ns < s.close_ns]
    trades = bool(running) and not any(start <= at_ns < end for start, end in running[0].pauses)
    following = next(s for s in table.sessions if s.close_ns > at_ns)
    assert table.is_open(at_ns) == is_open(table.edges, at_ns) == trades
    assert table.session(at_ns) == table.sessions[session_of(table.closes, at_ns)] == following
    assert table.trade_date(at_ns) == following.trade_date
    assert not table.in_regular_hours(at_ns) or trades


def test_at_an_opening_a_market_trades_and_at_a_closing_it_no_longer_does() -> None:
    table = TABLES["ES"]
    for at_ns, trades in zip(table.edges[:200].tolist(), [True, False] * 100, strict=True):
        assert table.is_open(at_ns) is trades
        assert is_open(table.edges, at_ns - 1) is not trades
        assert edges_passed(table.edges, at_ns) == edges_passed(table.edges, at_ns - 1) + 1


@pytest.mark.parametrize("at", ["2011-12-30", "2028-01-03"])
def test_an_instant_outside_the_table_is_refused(at: str) -> None:
    with pytest.raises(NoRuleInForce, match=r"cme/sessions.*sessions of 2012-01-03 to 2027-12-31"):
        TABLES["ES"].trade_date(to_ns(at))


@pytest.mark.parametrize(
    ("file", "root", "stamped_by_close"),
    [
        ("bars_1m/ES_2013-10_trade", "ES", False),
        ("bars_1m/ES_2020-01_trade", "ES", False),
        ("bars_1m/GC_2013-10_trade", "GC", False),
        ("ticks/GC_20131008_trades", "GC", False),
        ("bars_1m/6EH4_2024-01_1m", "6E", True),
    ],
)
def test_every_real_trade_lies_inside_a_session(
    novation_data: Path, file: str, root: str, stamped_by_close: bool
) -> None:
    """Among them gold and the E-mini until 16:15 Chicago in 2013, and New Year's and King holidays of 2024."""
    stamps = pl.read_parquet(novation_data / f"cme/{file}.parquet")["ts"].dt.replace_time_zone(None)
    ts_ns = stamps.cast(pl.Datetime("ns")).to_physical().to_numpy() - (60 * NS if stamped_by_close else 0)
    first, last = stamps.min().date(), stamps.max().date()
    table = SessionTable.of(Reference(), root, first - dt.timedelta(4), last + dt.timedelta(5))
    inside = np.searchsorted(table.edges, ts_ns, side="right") % 2 == 1
    assert len(ts_ns) > 1_000
    assert inside.all()
