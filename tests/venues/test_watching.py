"""Only accounts that a mark can endanger are tested, and nobody could tell: the same as testing everybody always."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novation
from novation._jit import kernel
from novation.domain.commands import Command, place_market, set_hedge_mode, set_leverage, set_margin_scope, transfer
from novation.domain.enums import EventKind, MarginMethod, MarginScope, MarketEventKind, PositionSide, Side
from novation.domain.events import Event
from novation.domain.instruments import Terms, Tier
from novation.domain.market import MarketEvent
from novation.domain.units import E8, NO_CAP
from novation.engine.bands import still_clear, watch
from novation.engine.layout import NEVER, UNKNOWN
from novation.engine.liquidation import check_account
from novation.engine.watch import all_changed, first_outside, next_endangered, put_band
from novation.venues import binance_usdm
from novation.venues.venue import Venue
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, random_run, venue_of
from tests.venues.scenarios import Setup
from tests.venues.test_edges import coin

WHOLE = 1 << 40
KINDS = ("coins", "futures", "mixed")
ENGINE = Path(novation.__file__).parent / "engine"


@kernel
def put(heads, tree, account, below_e8, above_e8):
    put_band(heads[0], tree, account, below_e8, above_e8)


@kernel
def outside(heads, tree, at, end, low_e8, high_e8):
    return first_outside(heads[0], tree, at, end, low_e8, high_e8)


@kernel
def found(heads, account):
    return watch(heads[0], account)


@kernel
def clear(heads, account, extremes):
    return still_clear(heads[0], account, extremes)


@kernel
def exactly_tested(heads, account, extremes):
    """Whether the exact test of one account said or began anything."""
    venue = heads[0]
    events = venue.event_count
    began = check_account(venue, account, extremes)
    return began or venue.event_count != events


@kernel
def forget(heads):
    all_changed(heads[0])


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


def known(venue: Venue, account: int) -> bool:
    """Whether what an account can spare is known as a function of the marks."""
    return bool(venue.table("spare")["constant"][account] > UNKNOWN)


def slopes(venue: Venue, account: int) -> np.ndarray:
    """How it changes with the marks, one row an instrument."""
    return venue.table("slope").reshape(venue.number("accounts"), -1)[account]


def put_marks(venue: Venue, low: list[int], high: list[int]) -> None:
    """The marks, and a bar's extremes."""
    market_ = venue.table("market")
    market_["mark_e8"] = market_["mark_low_e8"] = low
    market_["mark_high_e8"] = high


def exact_spare(venue: Venue, account: int) -> tuple[Fraction, Fraction]:
    """What an account's cross positions can spare at the marks, in plain fractions, and the sum of all that went in."""
    share = min(Fraction(venue.number("call_ratio_e8"), E8), Fraction(1))
    wallet = Fraction(int(venue.table("account")["wallet"][account]))
    spare, around = share * wallet, abs(wallet)
    for p in venue.table("position")[venue.table("position")["account"] == account]:
        i, lots, cost = int(p["instrument"]), int(p["lots"]), int(p["cost"])
        if int(p["scope"]) != MarginScope.CROSS:
            continue
        m = venue.table("market")[i]
        terms = venue.terms[i][int(m["terms"]) - venue.first_terms[i]]
        value = Fraction(int(m["mark_e8"]) * lots * venue.instruments[i].lot_value, E8)
        needed = Fraction(abs(lots) * terms.maintenance_per_lot)
        if venue.instruments[i].method == MarginMethod.TIERED:
            tier = next((t for t in terms.tiers if int(abs(value)) <= t.cap), terms.tiers[-1])
            needed = abs(value) * Fraction(tier.rate_e8, E8) - tier.cum if lots else Fraction(0)
        spare += share * (value - cost) - needed
        around += abs(value) + abs(cost) + needed
    return spare, around


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
def test_hundreds_of_accounts_are_told_what_testing_everybody_tells_them(kind: str) -> None:
    told: list[Event] = []
    for seed in range(scaled(3, 2)):
        r = Random(f"{kind}-{seed}")
        accounts = scaled(120, 20)
        told += compared(r, scenarios.setup(r, accounts=accounts, kind=kind), 20 * accounts)[1]
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


def corner(r: Random, venue: Venue, account: int) -> list[int]:
    """A mark of each instrument: as it is, at the ends of the brackets, a step past them, or between."""
    marks = []
    for row, m in zip(slopes(venue, account), venue.table("market"), strict=True):
        mark = int(m["mark_e8"])
        low, high = max(1, int(row["below_e8"])), min(int(row["above_e8"]), 3 * mark + 1)
        ends = [low, low + 1, high - 1, high, mark]
        marks.append(max(1, r.choice([*ends, r.randint(*sorted((low, high))), mark * r.randint(900, 1_100) // 1_000])))
    return marks


@pytest.mark.slow
@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 30))
@given(st.integers(0, 1 << 40), st.sampled_from(KINDS))
def test_nothing_happens_to_whoever_is_still_clear(seed: int, kind: str) -> None:
    """At corners of the marks, and on the way there as far as it is clear; at the marks and at a bar's extremes."""
    r = Random(seed)
    setup = scenarios.setup(r, kind=kind)
    venue, _ = compared(r, setup, 40)
    for account in range(setup.accounts):
        found(venue.heads, account)
    kept = venue.snapshot()
    begun = venue.table("market")["mark_e8"].tolist()

    def put_share(share: int, low: list[int], high: list[int]) -> None:
        """Marks so far on the way from where they stood, in 2**-40."""
        ways = [[a + (b - a) * share // WHOLE for a, b in zip(begun, ends, strict=True)] for ends in (low, high)]
        put_marks(venue, *ways)

    for account in range(setup.accounts):
        for extremes in (0, 1):
            venue.restore(kept)
            if not known(venue, account):
                assert not clear(venue.heads, account, extremes)
                continue
            one = corner(r, venue, account)
            other = corner(r, venue, account) if extremes else one
            low, high = list(map(min, one, other)), list(map(max, one, other))
            shares = [0, WHOLE]
            put_share(WHOLE, low, high)
            if not clear(venue.heads, account, extremes):
                while shares[1] - shares[0] > 1:  # as near to the end of being clear as integers are
                    middle = sum(shares) // 2
                    put_share(middle, low, high)
                    shares[0 if clear(venue.heads, account, extremes) else 1] = middle
            for share in shares:
                put_share(share, low, high)
                if clear(venue.heads, account, extremes):
                    before = called(venue, account)
                    assert not exactly_tested(venue.heads, account, extremes), (account, share, low, high)
                    assert called(venue, account) == before


@pytest.mark.heavy
@settings(max_examples=scaled(1_000, 30))
@given(st.integers(0, 1 << 40), st.sampled_from(KINDS))
def test_what_an_account_can_spare_is_never_overstated_and_hardly_understated(seed: int, kind: str) -> None:
    r = Random(seed)
    setup = scenarios.setup(r, kind=kind)
    venue, _ = compared(r, setup, 40)
    for account in range(setup.accounts):
        found(venue.heads, account)
    begun = venue.table("market")["mark_e8"].tolist()
    for account in range(setup.accounts):
        put_marks(venue, begun, begun)
        around = exact_spare(venue, account)[1]
        rows = slopes(venue, account)
        if not known(venue, account) or not rows["slope"].any():
            continue
        for _ in range(5):
            marks = corner(r, venue, account)
            put_marks(venue, marks, marks)
            inside = all(a < m < b for a, m, b in zip(rows["below_e8"], marks, rows["above_e8"], strict=True))
            if not inside:
                assert not clear(venue.heads, account, 0)
                continue
            said = float(venue.table("spare")["constant"][account]) + sum(rows["slope"] * np.array(marks, float))
            spare, _ = exact_spare(venue, account)
            given_away = around / 10**9 + 4 + 2 * len(rows)
            assert spare - given_away * Fraction(1_001, 1_000) - 2 * len(rows) <= Fraction(said) <= spare - 4
            assert clear(venue.heads, account, 0) == (said > 0.0)


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


@pytest.mark.parametrize(("mark", "spared"), [(90_020_000_00, True), (90_010_000_00, False)])
def test_what_an_account_can_spare_is_a_function_of_the_mark(mark: int, spared: bool) -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 9))
    venue.advance(2, opening(2, 100 * E8))
    row, constant = slopes(venue, 1)[0], venue.table("spare")["constant"][1]
    assert constant == pytest.approx(-640 * E8, rel=1e-6)  # docs/rules/watching.md, worked
    assert row["slope"] == pytest.approx(7.11, rel=1e-12)
    assert (row["below_e8"], row["above_e8"]) == (1, pytest.approx(200 * E8, abs=100))
    put_marks(venue, [mark], [mark])
    assert clear(venue.heads, 1, 0) == spared


def test_the_harsher_extreme_counts() -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 9))
    venue.submit(place_market(2, 0, Side.SELL, 9))
    venue.advance(2, opening(2, 100 * E8))
    put_marks(venue, [91 * E8], [109 * E8])
    assert clear(venue.heads, 1, 1) and clear(venue.heads, 2, 1)
    put_marks(venue, [90 * E8], [109 * E8])
    assert not clear(venue.heads, 1, 1) and clear(venue.heads, 2, 1)
    put_marks(venue, [91 * E8], [111 * E8])
    assert clear(venue.heads, 1, 1) and not clear(venue.heads, 2, 1)


def test_nothing_is_known_past_the_end_of_a_bracket() -> None:
    venue = market(3, TWO_BRACKETS)
    venue.submit(place_market(1, 0, Side.BUY, 8))
    venue.advance(2, opening(2, 100 * E8))
    for mark, inside in ((124_99999000, True), (125 * E8, False), (126 * E8, False)):
        put_marks(venue, [mark], [mark])
        assert clear(venue.heads, 1, 0) == inside
        assert not exactly_tested(venue.heads, 1, 0)


def test_two_legs_of_an_instrument_share_a_slope() -> None:
    venue = market(3)
    venue.submit(set_hedge_mode(1, True))
    venue.submit(place_market(1, 0, Side.BUY, 9, position_side=PositionSide.LONG))
    venue.submit(place_market(1, 0, Side.SELL, 8, position_side=PositionSide.SHORT))
    venue.advance(2, opening(2, 100 * E8))
    # one lot that may lose, and 1 % maintenance of 17
    assert slopes(venue, 1)["slope"][0] == pytest.approx(0.8 * 1 - 0.01 * 17, rel=1e-12)


def test_a_new_band_is_found_without_a_look_at_positions() -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 5))
    venue.advance(2, opening(2, 100 * E8))
    below, _ = bands(venue, 1)[0]
    # the account has left its band where it stands: as two positions do, of which one falls and one rises
    put(venue.heads, 0, 1, 101 * E8, NEVER)
    assert endangered(venue.heads, 0, 0) == 1
    position = venue.table("position")
    held = position["cost"][2]
    position["cost"][2] = 10**15  # nobody looks
    assert venue.advance(3, opening(3, 100 * E8)) == []
    position["cost"][2] = held
    assert bands(venue, 1)[0][0] == pytest.approx(below, rel=1e-6)
    assert endangered(venue.heads, 0, 0) == 3


@pytest.mark.parametrize(
    "command",
    [
        transfer(1, E8),
        transfer(1, -E8),
        place_market(1, 0, Side.BUY, 1),
        place_market(1, 0, Side.SELL, 5),
    ],
)
def test_what_an_account_could_spare_is_forgotten_once_it_changes(command: Command) -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 5))
    venue.advance(2, opening(2, 100 * E8))
    assert known(venue, 1) and known(venue, 2)
    kept = venue.snapshot()
    venue.submit(command)
    assert not known(venue, 1) and not clear(venue.heads, 1, 0)
    assert known(venue, 2)
    venue.restore(kept)
    assert known(venue, 1) and clear(venue.heads, 1, 0)


def test_what_anybody_could_spare_is_forgotten_with_the_rules() -> None:
    venue = market(3)
    venue.submit(place_market(1, 0, Side.BUY, 5))
    venue.advance(2, opening(2, 100 * E8))
    forget(venue.heads)
    assert not any(known(venue, account) or clear(venue.heads, account, 0) for account in range(3))
    assert all(due(venue, account) for account in range(3))


def test_nothing_is_known_of_calls_and_isolated_positions() -> None:
    venue = market(3)
    venue.submit(set_leverage(1, 0, 2))
    venue.submit(set_margin_scope(1, 0, MarginScope.ISOLATED))
    venue.submit(place_market(1, 0, Side.BUY, 1))
    venue.submit(place_market(2, 0, Side.BUY, 9))
    venue.advance(2, opening(2, 100 * E8))
    assert not known(venue, 1) and known(venue, 2)
    assert [e.kind for e in venue.advance(3, opening(3, 9_000_000_000))] == [EventKind.MARGIN_CALL]
    assert not known(venue, 2) and not due(venue, 2)


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
