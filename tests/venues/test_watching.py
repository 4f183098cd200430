"""Only accounts that a mark can endanger are tested, and nobody could tell: the same as testing everybody always."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novation
from novation._jit import kernel
from novation.domain.commands import Command, place_market, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginScope, MarketEventKind, Side
from novation.domain.events import Event
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP
from novation.engine.watch import NEVER, first_outside, next_endangered, put_band
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run, venue_of
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin

KINDS = ("coins", "futures", "mixed")
ENGINE = Path(novation.__file__).parent / "engine"


@kernel
def put(heads, tree, account, below_e8, above_e8):
    put_band(heads[0], tree, account, below_e8, above_e8)


@kernel
def outside(heads, tree, at, end, low_e8, high_e8):
    return first_outside(heads[0], tree, at, end, low_e8, high_e8)


@kernel
def endangered(heads, at, extremes):
    return next_endangered(heads[0], at, extremes)


def bands(venue: Venue, account: int) -> list[tuple[int, int]]:
    """Of each instrument the marks at or below and at or above which an account is tested; then whether it is due."""
    base = venue.number("band_base")
    rows = [tree * 2 * base + base + account for tree in range(len(venue.instruments) + 1)]
    return [(int(row["below_e8"]), int(row["above_e8"])) for row in venue.table("band")[rows]]


def due(venue: Venue, account: int) -> bool:
    """Whether it is tested at the next check whatever the marks are."""
    return bands(venue, account)[-1][0] == NEVER


def called(venue: Venue, account: int) -> list[int]:
    """State of the margin calls of an account and of its positions."""
    own = venue.table("position")["account"] == account
    return [int(venue.table("account")["called"][account]), *venue.table("position")["called"][own].tolist()]


def everybody(venue: Venue) -> Venue:
    """Have every account tested at every check."""
    venue.head["watching"] = 0
    return venue


def ticks(r: Random, venue: Venue, at: int) -> list[MarketEvent]:
    """Small moves of some marks; a bar's open that follows another one is a mark and a last price."""
    rows = []
    for i, m in enumerate(venue.table("market")):
        if m["mark_e8"] > 0 and r.randint(0, 1) and venue.instruments[i].id not in venue.marked:
            mark = max(1, int(m["mark_e8"]) * (100_000 + r.randint(-120, 120)) // 100_000)
            rows.append(MarketEvent(ts_ns=at, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=mark, mark_e8=mark))
    return rows


class Threefold(Lockstep):
    """The venue, its twin, and a venue that tests everybody; between bars some marks move a little."""

    def __init__(self, r: Random, setup: Setup) -> None:
        super().__init__(setup)
        self.r, self.plain = r, everybody(venue_of(setup))

    def submit(self, command: Command) -> list[Event]:
        """One command to all."""
        return self._plainly(super().submit(command), self.plain.submit(command))

    def advance(self, until_ns: int, rows: list[MarketEvent]) -> list[Event]:
        """Time for all."""
        rows = rows or ticks(self.r, self.venue, until_ns)
        return self._plainly(super().advance(until_ns, rows), self.plain.advance(until_ns, scenarios.array(rows)))

    @staticmethod
    def _plainly(told: list[Event], plain: list[Event]) -> list[Event]:
        assert told == plain
        return told


def compared(r: Random, setup: Setup, commands: int) -> tuple[Venue, list[Event]]:
    """A run of so many commands on a venue that watches and one that tests everybody, compared step by step."""
    three = Threefold(r, setup)
    random_run(r, three, commands)
    assert three.venue.event_hash() == three.plain.event_hash()
    assert three.venue.state_hash() == three.plain.state_hash()
    for account in range(setup.accounts):
        assert called(three.venue, account) == called(three.plain, account)
    return three.venue, three.twin.events


@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 10))
@given(st.randoms(use_true_random=False), st.sampled_from(KINDS), st.integers(1, 20))
def test_a_short_run_that_shrinks_is_that_of_testing_everybody(r: Random, kind: str, commands: int) -> None:
    compared(r, scenarios.setup(r, kind=kind), commands)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(scaled(3, 1)))
def test_hundreds_of_accounts_are_told_what_testing_everybody_tells_them(kind: str, seed: int) -> None:
    r = Random(f"{kind}-{seed}")
    accounts = scaled(120, 20)
    told = compared(r, scenarios.setup(r, accounts=accounts, kind=kind), 20 * accounts)[1]
    assert {e.kind for e in told} >= {EventKind.MARGIN_CALL, EventKind.LIQUIDATION, EventKind.FILL}


@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 10))
@given(st.integers(0, 1 << 40), st.sampled_from(KINDS))
def test_inside_its_bands_nothing_happens_to_an_account(seed: int, kind: str) -> None:
    r = Random(seed)
    setup = scenarios.setup(r, kind=kind)
    venue, _ = compared(r, setup, 40)
    kept = venue.snapshot()
    for account in range(setup.accounts):
        for _ in range(3):
            venue.restore(kept)
            everybody(venue)
            venue.advance(venue.clock_ns + 1)
            if due(venue, account):
                continue
            rows = []
            for i, (below, above) in enumerate(bands(venue, account)[:-1]):
                mark = int(venue.table("market")["mark_e8"][i])
                low, high = max(1, below + 1), min(above - 1, 3 * mark)  # higher, others leave the integers
                if below == -NEVER or not low <= mark <= high:
                    low = high = mark
                if venue.instruments[i].id in venue.marked:
                    continue
                mark = r.choice([low, high, low, high, r.randint(low, high)])
                rows.append(MarketEvent(ts_ns=venue.clock_ns, kind=MarketEventKind.FUNDING, instrument=i, mark_e8=mark))
            before = called(venue, account)
            told = [e for e in venue.advance(venue.clock_ns, scenarios.array(rows)) if e.account == account]
            if any(e.kind == EventKind.DELEVERAGED for e in told):
                continue  # somebody else's liquidation changed it before its turn came
            assert all(e.kind == EventKind.FUNDING and e.amount == 0 for e in told), (account, rows, told)
            assert called(venue, account) == before


@settings(max_examples=scaled(500, 30))
@given(st.integers(1, 40), st.data())
def test_the_first_account_outside_its_band_is_found_as_by_looking_at_all(accounts: int, data: st.DataObject) -> None:
    venue = Venue(binance_usdm.RULES, [coin()], [[ONE_BRACKET]], accounts=accounts)
    price = st.integers(0, 20)
    known = [(-NEVER, NEVER)] * accounts
    for _ in range(data.draw(st.integers(0, 60))):
        account, band = data.draw(st.integers(0, accounts - 1)), (data.draw(price), data.draw(price))
        put(venue.heads, 0, account, *band)
        known[account] = band
    for _ in range(5):
        at, end = sorted((data.draw(st.integers(0, accounts)), data.draw(st.integers(0, accounts))))
        low, high = sorted((data.draw(price), data.draw(price)))
        found = [a for a in range(at, end) if known[a][0] >= low or known[a][1] <= high]
        assert outside(venue.heads, 0, at, end, low, high) == min(found, default=end)


ONE_BRACKET = Terms(effective_ns=0, tiers=(Tier(0, NO_CAP, 1_000_000, 100, 0),))
TWO_BRACKETS = Terms(
    effective_ns=0,
    tiers=(Tier(0, 1_000 * E8, 1_000_000, 100, 0), Tier(1_000 * E8, NO_CAP, 2_000_000, 50, 10 * E8)),
)


def opening(ts_ns: int, price_e8: int) -> Any:
    """Last price and mark jump."""
    row = MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=price_e8, mark_e8=price_e8)
    return scenarios.array([row])


def market(accounts: int, terms: Terms = ONE_BRACKET) -> Venue:
    """Everything at 100, everybody with 100 USDT."""
    venue = Venue(binance_usdm.RULES, [coin(tick_e8=1_000_000, lot_e8=E8)], [[terms]], accounts=accounts)
    for account in range(accounts):
        venue.submit(transfer(account, 100 * E8))
    venue.advance(1, opening(1, 100 * E8))
    return venue


def test_a_mark_that_endangers_nobody_has_nobody_tested() -> None:
    venue = market(1_000)
    for account in range(1_000):
        venue.submit(place_market(account, 0, Side.BUY if account % 2 else Side.SELL, 1 + account % 5))
    venue.advance(2, opening(2, 100 * E8))
    assert endangered(venue.heads, 0, 0) == 1_000
    assert venue.advance(3, opening(3, 101 * E8)) == []
    assert endangered(venue.heads, 0, 0) == 1_000


def test_an_account_is_due_once_it_has_changed() -> None:
    venue = market(100)
    venue.submit(place_market(41, 0, Side.BUY, 1))
    venue.advance(2, opening(2, 100 * E8))
    venue.submit(transfer(70, E8))
    venue.submit(transfer(41, E8))
    assert endangered(venue.heads, 0, 0) == 41
    assert endangered(venue.heads, 42, 0) == 70
    venue.advance(3, opening(3, 100 * E8))
    assert endangered(venue.heads, 0, 0) == 100


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_band_ends_where_the_margin_call_is_made(side: Side, isolated: bool) -> None:
    venue = market(3)
    if isolated:
        venue.submit(set_leverage(1, 0, 10))
        venue.submit(set_margin_scope(1, 0, MarginScope.ISOLATED))
    venue.submit(place_market(1, 0, side, 9))
    venue.advance(2, opening(2, 100 * E8))
    below, above = bands(venue, 1)[0]
    edge = below if side > 0 else above
    if side > 0 and not isolated:
        assert edge == pytest.approx(90.014 * E8, rel=1e-5)  # docs/rules/watching.md, worked
    # equity * 0.8 = maintenance of 1 %; a call may be due a little before or after the band's end, never inside
    inside = venue.advance(3, opening(3, edge + side * 1))
    outside_ = venue.advance(4, opening(4, edge - side * edge // 100_000))
    assert [e.kind for e in inside] == []
    assert [e.kind for e in outside_] == [EventKind.MARGIN_CALL]


def test_a_called_account_is_left_alone_until_it_is_safe_or_gone() -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 9))
    venue.advance(2, opening(2, 100 * E8))
    call = bands(venue, 1)[0][0]
    assert [e.kind for e in venue.advance(3, opening(3, call * 9_990 // 10_000))] == [EventKind.MARGIN_CALL]
    below, above = bands(venue, 1)[0]
    assert not due(venue, 1)
    assert below < call * 9_990 // 10_000 < above < call * 10_010 // 10_000
    assert EventKind.LIQUIDATION in [e.kind for e in venue.advance(4, opening(4, below * 9_999 // 10_000))]


def test_a_band_ends_with_the_bracket() -> None:
    venue = market(3, TWO_BRACKETS)
    venue.submit(place_market(1, 0, Side.BUY, 5))
    venue.advance(2, opening(2, 100 * E8))
    below, above = bands(venue, 1)[0]
    assert 199 * E8 < above <= 200 * E8
    assert below > 0


def test_a_position_that_is_gone_is_watched_no_longer() -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 5))
    venue.advance(2, opening(2, 100 * E8))
    assert bands(venue, 1)[0] != (-NEVER, NEVER)
    venue.submit(place_market(1, 0, Side.SELL, 5))
    assert bands(venue, 1)[0] == (-NEVER, NEVER)


def test_a_snapshot_carries_the_bands() -> None:
    venue = market(50)
    venue.submit(place_market(7, 0, Side.BUY, 5))
    kept = venue.snapshot()
    venue.advance(2, opening(2, 100 * E8))
    fresh = market(50)
    fresh.restore(kept)
    assert endangered(fresh.heads, 0, 0) == 7
    fresh.advance(2, opening(2, 100 * E8))
    assert [bands(fresh, a) for a in range(50)] == [bands(venue, a) for a in range(50)]
    assert fresh.state_hash() == venue.state_hash()


#: Kernels that write such a field of an account whose liquidation they are part of: it is due until that is done.
IN_LIQUIDATION = {"close_out", "lift"}


def test_whoever_changes_an_account_says_so() -> None:
    silent, bumped = [], []
    for file in ENGINE.glob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = {n.func.id for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
            for node in ast.walk(function):
                if not isinstance(node, ast.Assign | ast.AugAssign):
                    continue
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if not isinstance(target, ast.Attribute):
                        continue
                    name = ast.unparse(target.value)
                    of_account = name in ("a", "p", "q") or name.startswith(("account_(", "position_"))
                    if of_account and target.attr in ("wallet", "margin", "lots", "cost") and "changed" not in calls:
                        silent.append(function.name)
                    if target.attr == "version":
                        bumped.append(function.name)
    assert set(silent) <= IN_LIQUIDATION
    assert bumped == ["changed"]
