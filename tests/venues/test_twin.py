"""The compiled exchange and the plain-Python twin reach one state and one log of events, whatever is asked of them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation._jit import JIT
from novation.domain.commands import transfer
from novation.domain.enums import EventKind
from novation.domain.errors import VenueError
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, more, random_run, venue_of
from tests.venues.scenarios import World

KINDS = ("coins", "futures", "mixed")


def counted_down(r: Random, pair: Lockstep, commands: int) -> None:
    """A random run, then a third as much of it in which countdowns run; recorded runs have none."""
    world = random_run(r, pair, commands)
    for _ in range(3):
        for account in range(pair.setup.accounts):
            pair.submit(scenarios.countdown(r, account, r.randrange(len(pair.setup.instruments))))
        more(r, pair, world, commands // 9)


@pytest.mark.heavy
@settings(max_examples=scaled(2_000, 20))
@given(st.randoms(use_true_random=False), st.sampled_from(KINDS), st.integers(1, 12))
def test_a_short_run_that_shrinks_is_the_same_on_both(r: Random, kind: str, commands: int) -> None:
    pair = Lockstep(scenarios.setup(r, kind=kind))
    random_run(r, pair, commands, every=1)
    assert pair.venue.event_hash() == pair.twin.event_hash()


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=scaled(3_334, 33))
@given(st.integers(0, 1 << 40))
def test_a_long_run_is_the_same_on_both(kind: str, seed: int) -> None:
    r = Random(seed)
    pair = Lockstep(scenarios.setup(r, kind=kind))
    counted_down(r, pair, 60)
    assert pair.venue.state_hash() == pair.twin.state_hash()


@pytest.mark.parametrize(("seed", "kind", "why"), [(3226, "coins", "a call with equity of 882 units: cuts count")])
def test_runs_that_differed_once(seed: int, kind: str, why: str) -> None:
    r = Random(seed)
    pair = Lockstep(scenarios.setup(r, kind=kind))
    random_run(r, pair, 60)
    assert pair.venue.event_hash() == pair.twin.event_hash(), why


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_commands_of_hundreds_of_accounts_are_the_same_on_both(kind: str) -> None:
    r = Random(f"heavy-{kind}")
    accounts = scaled(300, 20)
    pair = Lockstep(scenarios.setup(r, accounts=accounts, kind=kind), buffer=64)
    random_run(r, pair, scaled(10_000, 400), every=25, burst=max(6, accounts // 2))
    assert pair.venue.event_hash() == pair.twin.event_hash()


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="says which cases are met, with the compiler; minutes without")
def test_the_runs_meet_everything_that_can_happen() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for kind in KINDS:
        for seed in range(90):
            r = Random(seed)
            pair = Lockstep(scenarios.setup(r, kind=kind, accounts=6 if seed % 2 else None))
            counted_down(r, pair, 80)
            seen.update((EventKind(e.kind).name, e.reason) for e in pair.twin.events)
            seen.update(("flags", e.flags) for e in pair.twin.events if e.kind in (EventKind.FILL, EventKind.FUNDING))
    names = {name for name, _ in seen}
    assert names >= set(EventKind.__members__) - {"ORDER_TRIGGERED", "ORDER_AMENDED", "ALL_CANCELLED"}  # on books alone
    assert {reason for name, reason in seen if name == "ORDER_CANCELLED"} >= {1, 2, 3, 4, 5, 6, 9, 14, 23}
    refused = {reason for name, reason in seen if name in ("ORDER_REJECTED", "COMMAND_REJECTED")}
    assert refused >= {
        101,
        201,
        205,
        206,
        207,
        301,
        302,
        303,
        304,
        305,
        306,
        307,
        308,
        310,
        311,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        408,
        409,
        410,
        411,
        416,
    }
    assert {flags for name, flags in seen if name == "flags"} >= {0, 1, 2, 4, 6, 8, 12}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_small_buffer_changes_nothing(kind: str, seed: int) -> None:
    hashes = []
    for buffer, orders in ((8, 2), (16, 4), (4096, 1024)):
        r = Random(seed)
        pair = Lockstep(scenarios.setup(r, kind=kind), buffer=buffer, orders=orders)
        random_run(r, pair, 60)
        hashes.append((pair.venue.state_hash(), pair.venue.event_hash()))
    assert hashes[0] == hashes[1] == hashes[2]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(scaled(100, 4)))
def test_a_restored_snapshot_goes_on_as_if_nothing_had_been(kind: str, seed: int) -> None:
    r = Random(seed)
    pair = Lockstep(scenarios.setup(r, kind=kind))
    world = random_run(r, pair, 30)
    kept, before = pair.venue.snapshot(), pair.venue.state_hash()
    known = len(pair.twin.events)

    script = recorded(r, pair, world, 30)
    after = (pair.venue.state_hash(), pair.venue.event_hash())
    events = pair.twin.events[known:]

    fresh = venue_of(pair.setup)
    for venue in (pair.venue, fresh):
        venue.restore(kept)
        assert venue.state_hash() == before
        again = [event for step in script for event in step(venue)]
        assert again == events
        assert (venue.state_hash(), venue.event_hash()) == after
        assert venue.totals().gap == 0


def recorded(r: Random, pair: Lockstep, world: World, commands: int) -> list:
    """Go on with a run and keep what was sent, as functions of a venue."""
    script = []
    submit, advance = pair.submit, pair.advance

    def submitting(command):
        script.append(lambda venue: venue.submit(command))
        return submit(command)

    def advancing(until, rows):
        script.append(lambda venue: venue.advance(until, scenarios.array(rows)))
        return advance(until, rows)

    pair.submit, pair.advance = submitting, advancing
    try:
        more(r, pair, world, commands)
    finally:
        pair.submit, pair.advance = submit, advance
    return script


def test_a_snapshot_of_another_venue_is_refused() -> None:
    small, large = (venue_of(scenarios.setup(Random(1), accounts=n, kind="coins")) for n in (1, 3))
    with pytest.raises(VenueError):
        small.restore(large.snapshot())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_input_gives_the_same_hashes(kind: str) -> None:
    hashes = set()
    for _ in range(2):
        r = Random(7)
        pair = Lockstep(scenarios.setup(r, kind=kind))
        random_run(r, pair, 80)
        hashes.add((pair.venue.state_hash(), pair.venue.event_hash()))
    assert len(hashes) == 1


def test_one_unit_more_is_another_state() -> None:
    setup = scenarios.setup(Random(3), accounts=1, kind="coins")
    hashes = set()
    for amount in (10**9, 10**9 + 1):
        pair = Lockstep(setup)
        pair.submit(transfer(0, amount))
        hashes.add(pair.venue.state_hash())
    assert len(hashes) == 2


def test_rows_given_ahead_or_one_by_one_are_the_same() -> None:
    setup = scenarios.setup(Random(5), accounts=2, kind="coins")
    rows = World(Random(6), setup).bars(40)
    at_once, piecewise = Lockstep(setup), Lockstep(setup)
    at_once.advance(rows[-1].ts_ns, rows)
    for ts in sorted({row.ts_ns for row in rows}):
        piecewise.advance(ts, [row for row in rows if row.ts_ns == ts])
    at_once.compare()
    piecewise.compare()
    assert at_once.venue.state_hash() == piecewise.venue.state_hash()
    assert at_once.venue.event_hash() == piecewise.venue.event_hash()


def test_time_does_not_run_back() -> None:
    venue = venue_of(scenarios.setup(Random(5), kind="coins"))
    venue.advance(100)
    with pytest.raises(VenueError):
        venue.advance(99)
