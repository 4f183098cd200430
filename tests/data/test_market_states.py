"""Phases, limits and halts that bars bring: schedule, index futures by period, breakers, older fixed limits."""

from __future__ import annotations

import dataclasses
import datetime as dt
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from novation.data.market_states import States, TradedContract, can_show, market_states
from novation.data.series import Bars, Prepared
from novation.domain.enums import HaltReason, MarketPhase
from novation.domain.errors import NoRuleInForce
from novation.domain.instruments import Terms
from novation.domain.market import NO_LIMIT_E8
from novation.domain.units import E8, NS
from novation.reference.lookup import Reference

CHICAGO = ZoneInfo("America/Chicago")
MINUTE = 60 * NS


def at(day: str, time: str) -> int:
    """An instant of Chicago's clock."""
    moment = dt.datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=CHICAGO)
    return round(moment.timestamp()) * NS


def clock(ts_ns: int) -> str:
    """An instant as day and time in Chicago."""
    return f"{dt.datetime.fromtimestamp(ts_ns // NS, CHICAGO):%a %H:%M:%S}"


def bars(*rows: tuple[int, float, float, float, float], length: int = MINUTE) -> Bars:
    """Bars of (start, open, high, low, close)."""
    start = np.array([row[0] for row in rows])
    prices = np.array([[round(x * E8) for x in row[1:]] for row in rows]).T
    return Bars.of(start, start + length, prices, prices)


def flat(*moves: tuple[int, float]) -> Bars:
    """Bars of one price each."""
    return bars(*((start, price, price, price, price) for start, price in moves))


def contract(
    symbol: str,
    given: Bars,
    *,
    settled: tuple[tuple[int, float], ...] = (),
    index: tuple[tuple[int, float], ...] = (),
) -> TradedContract:
    """A contract with bars, settlement prices and a cash index."""

    def columns(pairs: tuple[tuple[int, float], ...]) -> tuple[np.ndarray, np.ndarray]:
        return np.array([p[0] for p in pairs], np.int64), np.array([round(p[1] * E8) for p in pairs], np.int64)

    none, gaps = np.zeros(0, np.int64), pl.DataFrame()
    prepared = Prepared(given, none, none, none, *columns(settled), (), gaps, "x", 0, *columns(index))
    instrument = Reference().instrument(symbol)
    tick = {"ES": 25_000_000, "CL": 1_000_000, "GC": 10_000_000}[instrument.root]
    return TradedContract(instrument, prepared, (Terms(effective_ns=0, tick_step=tick // instrument.tick_e8),))


def states(one: TradedContract, reference: Reference | None = None) -> States:
    """What its market does, alone."""
    found = market_states(reference or Reference(), one.instrument.root, {0: one})
    return found[0]


def prices(found: States) -> list[tuple[str, float | None, float | None]]:
    """Limits as prices."""
    return [
        (
            clock(row.ts_ns),
            None if row.low_e8 == -NO_LIMIT_E8 else row.low_e8 / E8,
            None if row.high_e8 == NO_LIMIT_E8 else row.high_e8 / E8,
        )
        for row in found.limits
    ]


def changes(found: States) -> list[tuple[str, str, str]]:
    """Phases by name."""
    return [(clock(ts), MarketPhase(p).name, HaltReason(h).name) for ts, p, h, _ in found.phases]


def test_a_week_with_thanksgiving_opens_pauses_and_closes_by_the_calendar() -> None:
    week = flat((at("2026-11-24", "15:00"), 6_000), (at("2026-11-29", "17:05"), 6_000))
    found = [row[:2] for row in changes(states(contract("cme:ESZ2026", week)))]
    assert found == [
        ("Tue 16:00:00", "CLOSED"),
        ("Tue 16:45:00", "PRE_OPEN"),
        ("Tue 16:59:30", "NO_CANCEL"),
        ("Tue 17:00:00", "OPEN"),
        ("Wed 16:00:00", "CLOSED"),
        ("Wed 16:45:00", "PRE_OPEN"),
        ("Wed 16:59:30", "NO_CANCEL"),
        ("Wed 17:00:00", "OPEN"),
        ("Thu 12:00:00", "CLOSED"),
        ("Thu 16:45:00", "PRE_OPEN"),
        ("Thu 16:59:30", "NO_CANCEL"),
        ("Thu 17:00:00", "OPEN"),
        ("Fri 12:15:00", "CLOSED"),
        ("Sun 16:00:00", "PRE_OPEN"),
        ("Sun 16:59:30", "NO_CANCEL"),
        ("Sun 17:00:00", "OPEN"),
    ]


def test_the_pause_of_equity_index_futures_until_june_2021() -> None:
    day = flat((at("2020-06-03", "15:00"), 3_100), (at("2020-06-03", "15:35"), 3_100))
    assert changes(states(contract("cme:ESM2020", day))) == [
        ("Wed 15:15:00", "PAUSED", "SCHEDULE"),
        ("Wed 15:30:00", "OPEN", "SCHEDULE"),
    ]


#: Tuesday 2026-03-03 after a fixing of 5000.00 and a cash index of 4990.00 (facts A5).
MONDAY, TUESDAY = "2026-03-02", "2026-03-03"
FIXING = ((at(MONDAY, "15:00"), 5_000.0),)
CASH = (at(MONDAY, "15:00"), 4_990.0)


def a_day(*cash: tuple[int, float], last: float = 4_100.0) -> States:
    """Limits and halts of that Tuesday; `last`: the price at three in the afternoon."""
    moves = flat((at(MONDAY, "16:00") - MINUTE, 5_000), (at(TUESDAY, "14:59"), last), (at(TUESDAY, "15:59"), last))
    return states(contract("cme:ESH2026", moves, settled=FIXING, index=(CASH, *cash)))


def test_limits_of_an_equity_index_future_by_period() -> None:
    assert prices(a_day()) == [
        ("Mon 16:45:00", 4_650.75, 5_349.25),
        ("Tue 08:30:00", 4_650.0, None),
        ("Tue 14:25:00", 4_000.0, None),
        ("Tue 15:00:00", 4_000.0, 4_387.0),
    ]


def test_without_a_cash_index_the_width_is_that_of_the_fixing_and_a_caution_says_so() -> None:
    moves = flat((at(MONDAY, "16:00") - MINUTE, 5_000), (at(TUESDAY, "08:00"), 5_000))
    found = states(contract("cme:ESH2026", moves, settled=FIXING))
    assert prices(found) == [("Mon 16:45:00", 4_650.0, 5_350.0)]
    assert any("no cash index given" in caution for caution in found.cautions)


def test_each_level_halts_once_and_its_limit_gives_way_to_the_next() -> None:
    ten, eleven = at(TUESDAY, "10:00"), at(TUESDAY, "11:00")
    cash = ((ten, 4_640.0), (ten + 20 * MINUTE, 4_630.0), (eleven, 4_341.0), (at(TUESDAY, "13:00"), 3_992.0))
    found = a_day(*cash, last=4_010.0)
    halted = [row for row in changes(found) if row[2] == "CASH_MARKET" or row[0].startswith("Tue 1")]
    assert halted[:5] == [
        ("Tue 10:00:00", "PRE_OPEN", "CASH_MARKET"),
        ("Tue 10:15:00", "OPEN", "SCHEDULE"),
        ("Tue 11:00:00", "PRE_OPEN", "CASH_MARKET"),
        ("Tue 11:15:00", "OPEN", "SCHEDULE"),
        ("Tue 13:00:00", "CLOSED", "CASH_MARKET"),
    ]
    assert [row for row in changes(found) if row[0] == "Tue 16:00:00"] == [("Tue 16:00:00", "CLOSED", "SCHEDULE")]
    assert [row for row in prices(found) if "08" <= row[0][4:6] < "14"] == [
        ("Tue 08:30:00", 4_650.0, None),
        ("Tue 10:15:00", 4_350.0, None),
        ("Tue 11:15:00", 4_000.0, None),
    ]


def test_after_1425_the_first_two_levels_halt_nobody() -> None:
    found = a_day((at(TUESDAY, "14:30"), 4_640.0))
    assert not any(row[2] == "CASH_MARKET" for row in changes(found))


@pytest.mark.parametrize(("year", "low", "high"), [("2020-10-08", 3_325.0, 3_675.0), ("2020-10-15", 3_255.0, 3_745.0)])
def test_overnight_five_per_cent_became_seven(year: str, low: float, high: float) -> None:
    """Trade date 2020-10-12 (facts §0 row 2)."""
    before = (dt.date.fromisoformat(year) - dt.timedelta(1)).isoformat()
    fixing = ((at(before, "15:00"), 3_500.0),)
    moves = flat((at(before, "15:59"), 3_500), (at(year, "08:00"), 3_500))
    found = states(contract("cme:ESZ2020", moves, settled=fixing, index=fixing))
    assert prices(found) == [(prices(found)[0][0], low, high)]


def test_crude_halts_two_minutes_where_it_would_leave_the_window_of_the_last_hour() -> None:
    """A settlement of 80.00 at 15 %: 12.00 of an hour's prices. The window then begins empty."""
    start = at("2023-03-07", "09:00")
    settled = ((at("2023-03-06", "13:30"), 80.0),)
    moves = [
        (at("2023-03-06", "13:30"), 80.0),
        (start, 79.2),
        (start + 10 * MINUTE, 67.2),
        (start + 11 * MINUTE, 67.19),
    ]
    moves += [(start + 12 * MINUTE, 60.0), (start + 14 * MINUTE, 60.0)]
    found = states(contract("cme:CLJ2023", flat(*moves), settled=settled))
    halted = [row for row in changes(found) if row[2] == "CIRCUIT_BREAKER"]
    assert halted == [("Tue 09:11:00", "PRE_OPEN", "CIRCUIT_BREAKER")]
    assert ("Tue 09:13:00", "OPEN", "SCHEDULE") in changes(found)


def test_in_the_last_five_minutes_a_breaker_halts_for_five_seconds() -> None:
    settled = ((at(MONDAY, "15:00"), 5_000.0),)
    moves = ((at(MONDAY, "17:00"), 5_000.0), (at(TUESDAY, "15:30"), 5_000.0), (at(TUESDAY, "15:57"), 5_176.0))
    found = states(contract("cme:ESH2026", flat(*moves), settled=settled))
    halted = [(ts, p, h) for ts, p, h, _ in found.phases if h == HaltReason.CIRCUIT_BREAKER]
    assert [clock(ts) for ts, _, _ in halted] == ["Tue 15:57:00"]
    assert ("Tue 15:57:05", "OPEN", "SCHEDULE") in changes(found)


def test_a_halt_of_the_lead_month_halts_every_month_and_another_months_itself() -> None:
    settled = ((at(MONDAY, "15:00"), 5_000.0),)
    calm = ((at(MONDAY, "17:00"), 5_000.0), (at(MONDAY, "17:10"), 5_000.0))
    wild = ((at(MONDAY, "17:00"), 5_000.0), (at(MONDAY, "17:04"), 5_000.0), (at(MONDAY, "17:05"), 5_180.0))
    for lead, other in ((wild, calm), (calm, wild)):
        both = {
            0: contract("cme:ESH2026", flat(*lead), settled=settled),
            1: contract("cme:ESM2026", flat(*other), settled=settled),
        }
        found = market_states(Reference(), "ES", both)
        halted = [any(h == HaltReason.CIRCUIT_BREAKER for _, _, h, _ in found[i].phases) for i in (0, 1)]
        assert halted == [lead is wild, True]


def test_gold_of_2015_widens_by_a_hundred_dollars_where_a_limit_is_reached() -> None:
    settled = ((at("2015-07-17", "12:30"), 1_132.0),)
    evening = at("2015-07-19", "20:29")
    moves = flat((at("2015-07-17", "13:00"), 1_132.0), (evening, 1_031.9), (evening + MINUTE, 1_000.0))
    found = states(contract("cme:GCQ2015", moves, settled=settled))
    assert prices(found) == [("Sun 16:00:00", 1_032.0, 1_232.0), ("Sun 20:30:00", 932.0, 1_332.0)]
    assert not found.limits[0].refuse
    assert any("1 bar of 3 open beyond the price limits" in caution for caution in found.cautions)


def test_velocity_logic_of_ones_own_needs_bars_as_short_as_its_window(tmp_path: Any) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    reference = Reference.default(tables=[file])
    instrument = reference.instrument("cme:OWNH2026")
    moves = [(at(TUESDAY, "10:00"), 100.0), (at(TUESDAY, "10:00") + NS, 100.0), (at(TUESDAY, "10:00") + 2 * NS, 110.0)]
    for length, halted in ((NS, True), (MINUTE, False)):
        start = [at(TUESDAY, "10:00") + k * length for k in range(3)]
        given = bars(*((s, p, p, p, p) for s, (_, p) in zip(start, moves, strict=True)), length=length)
        one = contract("cme:ESH2026", given)
        one = TradedContract(instrument, one.prepared, (Terms(effective_ns=0),))
        found = states(one, reference)
        assert any(h == HaltReason.VELOCITY for _, _, h, _ in found.phases) == halted
        assert any("velocity logic looks at" in caution for caution in found.cautions) != halted


OWN = """
OWN:
  name: one's own
  exchange: X
  currency: USD
  multiplier: 1
  tick: 1
  months: HMUZ
  listed: 3
  last_day: third_friday
  last_time: "13:00"
  settlement: cash
  lead: expiry:1
  zone: America/Chicago
  hours: { open: "08:00", close: "16:00", regular_open: "08:30", regular_close: "15:00" }
  settles: { start: "14:59", end: "15:00" }
  margin: { initial: 10, maintenance: 8 }
  fee: 1
  velocity: { ticks: 10, milliseconds: 2000, halt_seconds: 5 }
  effective_from: 2026-01-01
  known_through: 2026-12-31
  source: "a test"
"""


@pytest.mark.parametrize("seed", range(12))
def test_no_row_knows_what_comes_after_it(seed: int) -> None:
    """Whatever the bars after an instant are, the rows up to it are the same."""
    r, start = Random(seed), at(MONDAY, "14:00")
    moves, price = [], 5_000.0
    for k in range(60 * 40):
        price = max(3_000.0, price + r.choice([-1, 0, 1]) * r.choice([0.25, 1, 5, 40]))
        moves.append((start + k * MINUTE, price))
    cash = tuple((ts, p * 0.998) for ts, p in moves[::7])
    settled = tuple((at(day, "15:00"), 5_000.0) for day in (MONDAY, TUESDAY))
    whole = states(contract("cme:ESH2026", flat(*moves), settled=settled, index=cash))
    cut = r.randrange(200, len(moves))
    until = moves[cut - 1][0] + MINUTE
    part = states(
        contract(
            "cme:ESH2026",
            flat(*moves[:cut]),
            settled=tuple(row for row in settled if row[0] <= until),
            index=tuple(row for row in cash if row[0] <= until),
        )
    )
    assert part.phases == [row for row in whole.phases if row[0] <= until]
    assert part.limits == [row for row in whole.limits if row.ts_ns <= until]
    assert all(row.low_e8 <= row.high_e8 for row in whole.limits)


def test_limits_never_cross_even_where_prices_are_below_the_last_level() -> None:
    found = a_day(last=3_500.0)
    assert prices(found)[-1] == ("Tue 15:00:00", 4_000.0, 4_000.0)


def test_bars_longer_than_an_hour_show_no_phases() -> None:
    assert can_show(flat((0, 1.0)))
    assert not can_show(bars((0, 1.0, 1.0, 1.0, 1.0), length=61 * MINUTE))


def test_one_short_bar_a_day_is_a_price_of_the_day() -> None:
    assert not can_show(flat(*((at(f"2026-03-{day:02}", "17:00"), 1.0) for day in range(2, 7))))


def test_days_without_a_row_of_hours_are_an_error_that_names_the_table() -> None:
    with pytest.raises(NoRuleInForce, match="cme/sessions"):
        states(contract("cme:ESH2026", flat((at("2009-03-03", "10:00"), 700.0))))


def test_limits_are_on_the_tick_in_force() -> None:
    one = contract("cme:ESH2026", flat((at(MONDAY, "17:00"), 5_000.0)), settled=((at(MONDAY, "15:00"), 5_001.25),))
    assert [row.low_e8 % 25_000_000 for row in states(one).limits] == [0]


def test_a_breaker_of_equity_index_futures_rests_while_the_cash_market_is_open() -> None:
    """Facts §5: 17:00-08:30 and 15:00-16:00 have it; by day the cash market halts."""
    settled = ((at(MONDAY, "15:00"), 5_000.0),)
    for time, halted in (("05:00", True), ("10:00", False), ("15:30", True)):
        moves = flat((at(TUESDAY, time), 5_000.0), (at(TUESDAY, time) + MINUTE, 5_180.0))
        found = states(contract("cme:ESH2026", moves, settled=settled))
        assert any(row[2] == "CIRCUIT_BREAKER" for row in changes(found)) == halted


def test_a_bar_that_outlasts_the_session_keeps_the_market_open_to_its_end() -> None:
    """Trades until 12:15 on the day after Thanksgiving stand in the hour that begins at noon."""
    hours = bars(
        *((at("2026-11-27", time), 6_000.0, 6_000.0, 6_000.0, 6_000.0) for time in ("10:00", "11:00", "12:00")),
        (at("2026-11-29", "17:00"), 6_000.0, 6_000.0, 6_000.0, 6_000.0),
        length=60 * MINUTE,
    )
    found = [row[:2] for row in changes(states(contract("cme:ESZ2026", hours)))]
    assert found[0] == ("Fri 13:00:00", "CLOSED")


def test_a_halt_brought_by_a_bar_is_in_force_as_it_closes_and_one_by_an_open_afterwards() -> None:
    settled = ((at("2023-03-06", "13:30"), 80.0),)
    start = at("2023-03-07", "09:00")
    inside = bars((start, 80.0, 80.0, 80.0, 80.0), (start + MINUTE, 80.0, 80.0, 60.0, 60.0))
    gap = bars((start, 80.0, 80.0, 80.0, 80.0), (start + MINUTE, 60.0, 60.0, 60.0, 60.0))
    for given, when, in_bar in ((inside, "09:02:00", 1), (gap, "09:01:00", 0)):
        found = states(contract("cme:CLJ2023", given, settled=settled)).phases
        assert [(clock(ts)[4:], by) for ts, _, h, by in found if h] == [(when, in_bar)]


def test_the_cash_index_of_one_month_halts_all_and_an_old_value_is_of_no_day() -> None:
    ten = at(TUESDAY, "10:00")
    moves = flat((at(MONDAY, "16:00") - MINUTE, 5_000), (at(TUESDAY, "15:59"), 4_900))
    both = {
        0: contract("cme:ESH2026", moves, settled=FIXING, index=(CASH, (ten, 4_640.0))),
        1: contract("cme:ESM2026", moves, settled=FIXING),
    }
    found = market_states(Reference(), "ES", both)
    assert all(any(h == HaltReason.CASH_MARKET for _, _, h, _ in found[i].phases) for i in (0, 1))
    stale = contract("cme:ESH2026", moves, settled=FIXING, index=((at("2026-02-02", "15:00"), 6_000.0), (ten, 4_990.0)))
    assert not any(h for _, _, h, _ in states(stale).phases)


def test_prices_before_the_first_bar_give_the_first_limits() -> None:
    evening = flat((at(MONDAY, "17:00"), 5_000.0))
    one = contract("cme:ESH2026", evening)
    assert prices(states(one)) == []
    prior = known_before(one.prepared, (at(MONDAY, "15:00"), 5_000.0))
    assert prices(states(TradedContract(one.instrument, prior, one.terms))) == [("Mon 17:00:00", 4_650.0, 5_350.0)]


def known_before(prepared: Prepared, prior: tuple[int, float]) -> Prepared:
    """The same with one price known before."""
    return dataclasses.replace(prepared, prior_ns=np.array([prior[0]]), prior_e8=np.array([round(prior[1] * E8)]))


@pytest.mark.parametrize("time", ["13:50", "15:59"])
def test_a_halt_of_the_last_bar_before_a_close_is_in_force_as_it_closes(time: str) -> None:
    settled = ((at("2023-03-06", "13:30"), 80.0),)
    start = at("2023-03-07", time)
    fall = bars((start - MINUTE, 80.0, 80.0, 80.0, 80.0), (start, 80.0, 80.0, 60.0, 60.0))
    found = states(contract("cme:CLJ2023", fall, settled=settled)).phases
    assert (start + MINUTE, 1) in [(ts, by) for ts, _, _, by in found]


def test_a_halt_of_the_lead_empties_the_windows_of_all_months() -> None:
    settled = ((at(MONDAY, "15:00"), 5_000.0),)
    evening = at(MONDAY, "17:00")
    lead = flat((evening, 5_000.0), (evening + 10 * MINUTE, 4_820.0), (evening + 20 * MINUTE, 4_820.0))
    other = flat((evening, 5_000.0), (evening + 10 * MINUTE, 5_000.0), (evening + 20 * MINUTE, 4_820.0))
    both = {0: contract("cme:ESH2026", lead, settled=settled), 1: contract("cme:ESM2026", other, settled=settled)}
    found = market_states(Reference(), "ES", both)
    for i in (0, 1):
        assert [clock(ts) for ts, _, h, _ in found[i].phases if h] == ["Mon 17:10:00"]


def test_no_limit_outlasts_the_data_of_its_contract() -> None:
    evening = flat((at(MONDAY, "16:00") - MINUTE, 5_000.0), (at(MONDAY, "17:00"), 4_650.0))
    one = contract("cme:ESH2026", evening, settled=((at(MONDAY, "15:00"), 5_000.0),))
    found = market_states(Reference(), "ES", {0: one}, until_ns=at(TUESDAY, "12:00"))[0]
    assert prices(found)[-1] == ("Mon 17:01:00", None, None)
