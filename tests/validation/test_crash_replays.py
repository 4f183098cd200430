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

import numpy as np
import pandas as pd
import pytest

import novation as nv
from novation.data.feed import build_feed
from novation.domain.book import BookRules
from novation.domain.commands import cancel_all, place_limit, place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, Side
from novation.domain.events import Event
from novation.domain.instruments import Terms
from novation.domain.market import MARKET_DTYPE
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


class OnABook:
    """The same positions, each instrument with a book. In every hour the mark goes from the bar's open to its low, then
    to its high; one more account bids what the low will be, then asks the high, and is who sells and buys the entries.
    """

    def __init__(self, crash: str, root: Path) -> None:
        plan, self.positions = plan_of(crash, root), [row for row in listed() if row.crash == crash]
        self.plan, self.maker = plan, len(self.positions)
        self.venue = Venue(
            plan.rules,
            plan.instruments,
            plan.terms,
            accounts=self.maker + 1,
            books={instrument.id: BookRules() for instrument in plan.instruments},
        )
        self.feed = build_feed(dict(enumerate(plan.prepared)), settlement_tick_e8={}, terms={})
        self.venue.submit(transfer(self.maker, 1 << 59))
        self.found: dict[int, Event] = {}

    def advance(self, ts_ns: int, rows: np.ndarray) -> None:
        """Some of the feed's rows; every first liquidation is kept."""
        for event in self.venue.advance(ts_ns, rows):
            if event.kind == EventKind.LIQUIDATION:
                self.found.setdefault(event.account, event)
        assert self.venue.totals().gap == self.venue.totals().outside == 0

    def rest(self, i: int, side: Side, price_e8: int, lots: int) -> None:
        """Orders of the maker at a price, a buy's cut to the tick, a sale's raised."""
        tick_e8, most = self.plan.instruments[i].tick_e8 * self.terms(i).tick_step, self.terms(i).max_lots
        steps = price_e8 // tick_e8 if side == Side.BUY else -(-price_e8 // tick_e8)
        while lots > 0:
            order = place_limit(self.maker, i, side, min(lots, most), steps * self.terms(i).tick_step)
            assert self.venue.submit(order)[0].kind == EventKind.ORDER_ACCEPTED
            lots -= most

    def terms(self, i: int) -> Terms:
        return self.plan.terms[i][0]

    def visit(self, closes: np.ndarray, name: str, ts_ns: int) -> None:
        """The mark jumps to one extreme of the bars that close."""
        rows = np.zeros(len(closes), MARKET_DTYPE)
        rows["ts_ns"], rows["kind"] = ts_ns, MarketEventKind.MARK
        rows["instrument"], rows["mark_e8"] = closes["instrument"], closes[name]
        held = [0] * len(self.plan.instruments)
        side = Side.BUY if name == "mark_low_e8" else Side.SELL
        for account in range(self.maker):
            for p in self.venue.account(account).positions:
                held[p.instrument] += max(0, side * p.lots)
        for i, price_e8 in zip(closes["instrument"].tolist(), closes[name].tolist(), strict=True):
            self.rest(i, side, price_e8, held[i])
        self.advance(ts_ns, rows)
        self.venue.submit(cancel_all(self.maker))

    def enter(self, account: int, row: Row) -> None:
        """One position, against the maker at the last price."""
        i = self.plan.symbols.index(f"binance_um:{row.symbol}")
        side, lots = Side.BUY if row.side == "long" else Side.SELL, self.plan.instruments[i].lots(row.qty)
        self.venue.submit(transfer(account, money(row.deposit, "USDT")))
        self.venue.submit(set_leverage(account, i, row.leverage))
        self.venue.submit(set_margin_scope(account, i, MarginScope[row.scope.upper()]))
        if not self.venue.account(self.maker).positions:
            self.venue.submit(set_leverage(self.maker, i, 1))
        self.rest(i, Side(-side), money(row.price, "USDT"), lots)
        self.venue.submit(place_market(account, i, side, lots))
        assert [p.lots for p in self.venue.account(account).positions] == [side * lots], row

    def run(self) -> None:
        """From the first entry to the end."""
        for ts_ns in np.unique(self.feed["ts_ns"]).tolist():
            rows = self.feed[self.feed["ts_ns"] == ts_ns]
            closes = rows[rows["kind"] == MarketEventKind.BAR_CLOSE]
            opens = rows[rows["kind"] == MarketEventKind.BAR_OPEN].copy()
            opens["kind"], opens["last_e8"] = MarketEventKind.MARK, 0
            if len(closes):
                self.levels(ts_ns - HOUR_NS)
                self.visit(closes, "mark_low_e8", ts_ns - 2)
                self.visit(closes, "mark_high_e8", ts_ns - 1)
            others = rows[~np.isin(rows["kind"], [MarketEventKind.BAR_CLOSE, MarketEventKind.BAR_OPEN])]
            self.advance(ts_ns, np.concatenate([opens, others]))
            for account, row in enumerate(self.positions):
                if instant(row.entry) == ts_ns:
                    self.enter(account, row)

    def levels(self, ts_ns: int) -> None:
        """Who is to be gone in this hour has the listed liquidation price in it."""
        for account, row in enumerate(self.positions):
            if row.liquidated and instant(row.liquidated) == ts_ns:
                (position,) = self.venue.account(account).positions
                assert position.liquidation_e8 == money(row.level, "USDT"), row


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("crash", list(CRASHES))
def test_on_a_book_the_same_are_liquidated_in_the_same_hours(crash: str, novation_data: Path) -> None:
    """At the low or the high itself, not at their level: there is no mark between."""
    ran = OnABook(crash, novation_data)
    ran.run()
    files = {row.symbol: crash_replays.read(novation_data, crash, row.symbol) for row in ran.positions}

    def extreme(row: Row) -> int:
        _, low, high = files[row.symbol].mark[pd.Timestamp(row.liquidated, tz="UTC")]
        return money(str(low if row.side == "long" else high), "USDT")

    hours = {account: (event.ts_ns // HOUR_NS * HOUR_NS, event.price_e8) for account, event in ran.found.items()}
    expected = {
        account: (instant(row.liquidated), extreme(row)) for account, row in enumerate(ran.positions) if row.liquidated
    }
    assert hours == expected
    assert all(event.position_lots == 0 for a, event in ran.found.items() if ran.positions[a].size == "small")


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
