"""The crashes of 2020-03-12/13 and 2025-10-10 on the recorded marks: the venue liquidates exactly what the list says.

The list (`tests/golden/crash_replays.csv`) is computed by `crash_replays.py` from the files and the published formula,
without novation. Conditions and counts: docs/validation/crash_replays.md.
"""

from __future__ import annotations

import ast
import csv
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

import novation as nv
from novation.data.feed import build_feed
from novation.domain.commands import place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginScope, Side
from novation.domain.events import Event
from novation.domain.units import HOUR_NS, money, to_ns
from novation.reference.lookup import Reference
from novation.research.assembly import VenuePlan, assemble
from novation.venues.venue import Venue
from tests.validation import crash_replays
from tests.validation.crash_replays import CRASHES, GOLDEN, Files, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation" / "crash_replays.md"
#: Brackets are not recorded of the time; fees, ticks and lots are those of the date.
RULES_AS_OF = {"binance_um/brackets": "2026-05-01"}


@cache
def listed() -> tuple[Row, ...]:
    """The committed list."""
    with GOLDEN.open(newline="", encoding="utf-8") as stream:
        return tuple(Row(**{**cells, "leverage": int(cells["leverage"])}) for cells in csv.DictReader(stream))


def instant(text: str) -> int:
    return to_ns(f"{text}:00:00Z")


# -- the list -------------------------------------------------------------------------------------------------------


def test_the_list_is_computed_without_novation() -> None:
    tree = ast.parse(Path(crash_replays.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {"__future__", "collections", "csv", "decimal", "fractions", "functools", "pathlib", "sys", "typing"}
    assert imported - own == {"pandas"}


@pytest.mark.data
def test_the_files_give_the_committed_list_again(novation_data: Path) -> None:
    assert crash_replays.rows(novation_data) == list(listed())


def without_funding(files: Files) -> Files:
    return files._replace(funding={})


def without_maintenance(files: Files) -> Files:
    return files._replace(brackets=[(Decimal(0), Decimal(10**12), Decimal(0), Decimal(0))])


def in_the_first_bracket(files: Files) -> Files:
    return files._replace(brackets=[(Decimal(0), Decimal(10**12), files.brackets[0][2], Decimal(0))])


@pytest.mark.data
@pytest.mark.parametrize(
    ("change", "bars", "levels"),
    [(without_funding, 0, 114), (in_the_first_bracket, 4, 12), (without_maintenance, 35, 203)],
)
def test_the_list_would_be_another_without_each_of_its_parts(
    change: Callable[[Files], Files], bars: int, levels: int, novation_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many positions would end in another bar, and how many there or at another price."""
    read = crash_replays.read
    monkeypatch.setattr(crash_replays, "read", lambda *given: change(read(*given)))
    pairs = list(zip(listed(), crash_replays.rows(novation_data), strict=True))
    assert sum(a.liquidated != b.liquidated for a, b in pairs) == bars
    assert sum(a != b for a, b in pairs) == levels


def test_the_page_counts_what_the_list_holds() -> None:
    """Its rows are `crash | symbol | side | scope | how many | 2x .. 50x`."""
    small = [row for row in listed() if row.size == "small"]
    gone = Counter(row[:2] + (row.side, row.scope, row.leverage) for row in small if row.liquidated)
    entered = Counter(row[:2] + (row.side, row.scope) for row in small)
    page = PAGE.read_text(encoding="utf-8")
    for key, count in entered.items():
        each = [gone[(*key, leverage)] for leverage in crash_replays.LEVERAGES]
        line = f"| {' | '.join(key)} | {count // len(each)} | {' | '.join(map(str, each))} |"
        assert line in page, line
    assert f"{len(small)} positions, {sum(gone.values())} liquidated" in page


# -- the venue ------------------------------------------------------------------------------------------------------


def plan_of(crash: str, root: Path) -> VenuePlan:
    """The instruments of a crash with their histories, as a backtest would assemble them."""
    symbols = list(dict.fromkeys(row.symbol for row in listed() if row.crash == crash))
    first = min(instant(row.entry) for row in listed() if row.crash == crash)
    made = assemble(
        None,
        symbols,
        reference=Reference(rules_as_of=RULES_AS_OF),
        start_ns=first,
        end_ns=to_ns(CRASHES[crash][0]),
        root=root,
    )
    (plan,) = made.plans.values()
    return plan


def replay(crash: str, root: Path) -> tuple[Venue, list[Event], list[Row]]:
    """Every position of a crash in an account of its own, all on one venue; what happened after the entries."""
    plan, positions = plan_of(crash, root), [row for row in listed() if row.crash == crash]
    assert {len(dated) for dated in plan.terms} == {1}
    venue = Venue(plan.rules, plan.instruments, plan.terms, accounts=len(positions))
    venue.attach(build_feed(dict(enumerate(plan.prepared)), settlement_tick_e8={}, terms={}))
    events: list[Event] = []
    for at in sorted({instant(row.entry) for row in positions}):
        events += venue.advance(at)
        for account, row in enumerate(positions):
            if instant(row.entry) != at:
                continue
            i = plan.symbols.index(f"binance_um:{row.symbol}")
            side = Side.BUY if row.side == "long" else Side.SELL
            venue.submit(transfer(account, money(row.deposit, "USDT")))
            venue.submit(set_leverage(account, i, row.leverage))
            venue.submit(set_margin_scope(account, i, MarginScope[row.scope.upper()]))
            *_, fill = venue.submit(place_market(account, i, side, plan.instruments[i].lots(row.qty)))
            assert fill.kind == EventKind.FILL, (row, fill)
            assert plan.instruments[i].price(fill.price_ticks) == float(row.price)
    events += venue.advance(venue.end_ns)
    assert venue.totals().gap == 0
    return venue, events, positions


@pytest.mark.data
@pytest.mark.parametrize("crash", list(CRASHES))
def test_the_venue_liquidates_what_the_list_says_in_the_bar_it_says(crash: str, novation_data: Path) -> None:
    venue, events, positions = replay(crash, novation_data)
    found: dict[int, Event] = {}
    for event in events:
        if event.kind == EventKind.LIQUIDATION:
            found.setdefault(event.account, event)
    # Found when its bar closes, at the formula's price to the last digit: none of these marks opens past its level.
    bars = {account: (event.ts_ns - HOUR_NS, event.price_e8) for account, event in found.items()}
    expected = {
        account: (instant(row.liquidated), money(row.level, "USDT"))
        for account, row in enumerate(positions)
        if row.liquidated
    }
    assert bars == expected, [positions[a] for a in bars.keys() | expected.keys() if bars.get(a) != expected.get(a)]
    assert all(event.position_lots == 0 for a, event in found.items() if positions[a].size == "small")
    held = {account for account in range(len(positions)) if venue.account(account).positions}
    whole = {account for account, row in enumerate(positions) if row.liquidated and row.size == "small"}
    assert not held & whole
    assert {account for account, row in enumerate(positions) if not row.liquidated} <= held


@pytest.mark.data
@pytest.mark.parametrize(("symbol", "leverage", "scope"), [("BTCUSDT", 20, "isolated"), ("ENAUSDT", 2, "cross")])
def test_a_backtest_liquidates_the_same_long_in_the_same_bar(
    symbol: str, leverage: int, scope: str, novation_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVATION_DATA", str(novation_data))
    (row,) = (
        row
        for row in listed()
        if (row.symbol, row.side, row.leverage, row.scope) == (symbol, "long", leverage, scope)
        and (row.entry, row.size) == ("2025-10-10T00", "small")
    )

    class Long(nv.Strategy):
        def on_start(self) -> None:
            self.buy(symbol, float(row.qty))

    gone = nv.Backtest(
        Long(),
        symbols=[symbol],
        start=f"{row.entry}:00:00Z",
        end=CRASHES[row.crash][0],
        cash=float(row.deposit),
        leverage=leverage,
        margin=scope,
        rules_as_of="2026-05-01",
    ).run()
    assert [to_ns(ts) for ts in gone.frame("liquidations")["ts"]] == [instant(row.liquidated) + HOUR_NS]
