"""Marks and funding rates that the venue computes itself: the exchange's own examples, on both exchanges."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novation.domain.commands import place_market, transfer
from novation.domain.enums import EventKind, InstrumentKind, MarketEventKind, MarkRule, Side
from novation.domain.errors import InvalidInput, VenueError
from novation.domain.events import Event
from novation.domain.instruments import Terms
from novation.domain.market import MarketEvent
from novation.domain.units import E8, HOUR_NS, NS, to_ns
from novation.venues import binance_usdm
from tests.conftest import scaled
from tests.venues import scenarios
from tests.venues.lockstep import Lockstep, venue_of
from tests.venues.makers import FEED_ALONE, exchange
from tests.venues.scenarios import Setup
from tests.venues.test_edges import TERMS, coin

pytestmark = pytest.mark.usefixtures("makers")

#: BTCUSDT as in facts/binance.md §2: eight hours, +-0.3 %, interest 0.01 %, clamp 0.05 %, the interval rules of 2026.
RATED = msgspec.structs.replace(
    TERMS,
    funding_interval_hours=8,
    funding_floor_e8=-300_000,
    funding_cap_e8=300_000,
    interest_e8=10_000,
    funding_clamp_e8=50_000,
    impact_base=200 * E8,
    hourly_at_limit=1,
    quiet_needed=16,
    quiet_e8=25_000,
    quiet_hours=4,
    basis_seconds=30,
)
DAY = to_ns("2026-03-02")
INDEX = 10_000 * E8


def pair(terms: Terms = RATED, *, kind: InstrumentKind = InstrumentKind.PERPETUAL, accounts: int = 2) -> Lockstep:
    """Both exchanges with one instrument that they mark themselves, at a day's start."""
    instrument = msgspec.structs.replace(coin(), kind=kind)
    both = exchange(
        Setup(binance_usdm.RULES, [instrument], [[terms]], accounts, 0, [0], marked={instrument.id: MarkRule.MEDIAN})
    )
    both.advance(DAY, [])
    return both


def index(ts_ns: int, premium_e8: int = 0, *, index_e8: int = INDEX, basis_e8: int = 0) -> MarketEvent:
    """A sample of the index, the impact prices a premium (1e-8) away, the best prices a basis away."""
    impact = index_e8 + index_e8 * premium_e8 // E8
    return MarketEvent(
        ts_ns=ts_ns,
        kind=MarketEventKind.INDEX,
        instrument=0,
        index_e8=index_e8,
        bid_e8=index_e8 + basis_e8,
        ask_e8=index_e8 + basis_e8,
        impact_bid_e8=impact,
        impact_ask_e8=impact,
    )


def last(ts_ns: int, last_e8: int = INDEX) -> MarketEvent:
    """A bar opens: the last trade."""
    return MarketEvent(ts_ns=ts_ns, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=last_e8)


def marks(both: Lockstep) -> int:
    """The present mark."""
    assert both.venue.table("market")[0]["mark_e8"] == both.twin.markets[0].mark_e8
    return both.twin.markets[0].mark_e8


def settled(events: list[Event]) -> list[Event]:
    """The rates among what happened."""
    return [e for e in events if e.kind == EventKind.FUNDING_SETTLED]


def rates(both: Lockstep, premiums: list[int], *, every: int = HOUR_NS, start: int = DAY) -> list[tuple[str, int]]:
    """Samples of a premium, one a step, each holding; the stamps (hour) and rates settled meanwhile."""
    found = []
    for n, premium in enumerate(premiums):
        events = both.advance(start + n * every, [index(start + n * every, premium)])
        found += [(f"{(e.ts_ns - DAY) // HOUR_NS:02d}:00", e.rate_e8) for e in settled(events)]
    return found


# -- mark -----------------------------------------------------------------------------------------------------------


def test_m1_price_one_carries_the_index_by_what_is_left_of_the_last_rate() -> None:
    # facts/binance.md §1: index 10,000, last funding 0.03 %, 4 h to go: 10,001.5
    both = pair()
    both.advance(DAY, [last(DAY, 20_000 * E8)])  # the highest of the three, so price 1 is the middle one
    # 0.08 % less the clamp: the rate of the first stamp is 0.03 %
    assert rates(both, [80_000] * 9) == [("08:00", 30_000)]
    both.advance(DAY + 12 * HOUR_NS, [index(DAY + 12 * HOUR_NS, 0, basis_e8=-100 * E8)])
    assert marks(both) == 1_000_150_000_000
    both.compare()


@pytest.mark.parametrize(
    ("contract", "expected"),
    [(9_000, 9_980), (9_990, 9_990), (12_000, 10_000)],
)
def test_the_mark_is_the_median_of_its_three_prices(contract: int, expected: int) -> None:
    # price 1 is the index (no rate yet), price 2 is 20 below it
    both = pair()
    both.advance(DAY, [last(DAY, contract * E8), index(DAY, basis_e8=-20 * E8)])
    assert marks(both) == expected * E8


def test_without_a_trade_price_two_stands_in_for_the_last_price() -> None:
    both = pair()
    both.advance(DAY, [index(DAY, basis_e8=7 * E8)])
    assert marks(both) == 10_007 * E8


def test_the_basis_is_the_mean_of_the_last_thirty_seconds_one_sample_each() -> None:
    both = pair(kind=InstrumentKind.FUTURE)
    # forty seconds of a basis of k dollars in second k, twice in each second: the first row of a second counts
    for k in range(40):
        at = DAY + k * NS
        both.advance(at, [index(at, basis_e8=k * E8)])
        both.advance(at + NS // 2, [index(at + NS // 2, basis_e8=5_000 * E8)])
    mean = sum(range(10, 40)) / 30
    assert marks(both) == INDEX + int(mean * E8)
    both.compare()


def test_samples_older_than_the_span_do_not_count_where_rows_are_sparse() -> None:
    both = pair(kind=InstrumentKind.FUTURE)
    for minute, basis in enumerate((100, -40)):
        at = DAY + minute * 60 * NS
        both.advance(at, [index(at, basis_e8=basis * E8)])
    assert marks(both) == INDEX - 40 * E8


def test_until_2025_09_the_span_was_a_minute() -> None:
    both = pair(msgspec.structs.replace(RATED, basis_seconds=60), kind=InstrumentKind.FUTURE)
    for second, basis in ((0, 100), (45, 0)):
        both.advance(DAY + second * NS, [index(DAY + second * NS, basis_e8=basis * E8)])
    assert marks(both) == INDEX + 50 * E8


def test_a_row_without_prices_takes_them_from_the_venues_own_liquidity() -> None:
    # last 10,100, no spread: bid and ask there, premium 1 %, held by nothing before the stamp
    both = pair()
    bare = MarketEvent(ts_ns=DAY, kind=MarketEventKind.INDEX, instrument=0, index_e8=INDEX)
    both.advance(DAY, [last(DAY, 10_100 * E8), bare])
    state = both.venue.funding(0)
    assert state.premium_e8 == 1_000_000
    assert marks(both) == 10_100 * E8  # price 1 10,000, price 2 and last 10,100


def test_a_mark_of_the_venue_liquidates() -> None:
    both = pair()
    both.submit(transfer(0, 1_000 * E8))
    both.advance(DAY, [last(DAY), index(DAY)])
    both.submit(place_market(0, 0, Side.BUY, 1_000))  # 1 coin at 10,000, behind it 1,000
    # the last price alone moves no mark: prices 1 and 2 stand at 10,000
    gone = both.advance(DAY + NS, [last(DAY + NS, 5_000 * E8), index(DAY + NS)])
    assert not [e for e in gone if e.kind == EventKind.LIQUIDATION]
    gone = both.advance(DAY + 2 * NS, [index(DAY + 2 * NS, index_e8=9_000 * E8)])
    assert [e.price_e8 for e in gone if e.kind == EventKind.LIQUIDATION] == [9_000 * E8]
    both.compare()


# -- rates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("premium", "rate"), [(-100_000, -50_000), (-40_000, 10_000), (30_000, 10_000), (60_000, 10_000), (100_000, 50_000)]
)
def test_between_minus_four_and_six_bps_of_premium_the_rate_is_the_interest(premium: int, rate: int) -> None:
    # facts/binance.md §2, the dead zone
    assert rates(pair(), [premium] * 9) == [("08:00", rate)]


def test_a_four_hour_contract_pays_half() -> None:
    # facts/binance.md §2 (PUMPUSDT, every 4 h): divided by 8 / 4
    four = msgspec.structs.replace(RATED, funding_interval_hours=4)
    assert rates(pair(four), [100_000] * 5) == [("04:00", 25_000)]
    assert rates(pair(four), [0] * 5) == [("04:00", 5_000)]


def test_f1_a_rate_settled_at_its_floor_makes_the_next_interval_an_hour() -> None:
    # facts/binance.md §2: BTCUSDT, -0.3 % at 08:00, hourly from 09:00
    both = pair()
    assert rates(both, [-900_000] * 10)[:2] == [("08:00", -300_000), ("09:00", -106_250)]
    assert both.venue.funding(0).interval_hours == 1
    both.compare()


def test_touching_the_cap_before_the_stamp_changes_nothing() -> None:
    both = pair()
    found = rates(both, [2_000_000] * 3 + [0] * 14)
    assert [at for at, _ in found] == ["08:00", "16:00"]
    assert both.venue.funding(0).interval_hours == 8


def test_sixteen_quiet_hourly_rates_lead_back_to_four_hours() -> None:
    # facts/binance.md §2: 05:00 to 20:00 at most 0.025 %, next payment at 00:00. Here the hourly rates begin at 05:00.
    both = pair(msgspec.structs.replace(RATED, funding_interval_hours=4))
    found = rates(both, [-900_000] * 5 + [0] * 24)
    assert found[0] == ("04:00", -300_000)
    assert [at for at, _ in found[1:]] == [f"{hour:02d}:00" for hour in range(5, 21)] + ["24:00", "28:00"]
    assert all(rate == 1_250 for _, rate in found[1:17])
    both.compare()


def test_before_the_rule_a_rate_at_its_cap_left_the_interval_alone() -> None:
    both = pair(msgspec.structs.replace(RATED, hourly_at_limit=0))
    assert [at for at, _ in rates(both, [900_000] * 18)] == ["08:00", "16:00"]


def test_the_premium_is_sampled_every_five_seconds_and_later_samples_weigh_more() -> None:
    # 5,760 samples in eight hours; the second half of them 0.2 % and the first nothing: about 3/4 of it
    both = pair(accounts=1)
    rows = [index(DAY + k * NS, 200_000 if k > 4 * 3_600 else 0) for k in range(5, 8 * 3_600 + 1)]
    (rate,) = settled(both.venue.advance(rows[-1].ts_ns, scenarios.array(rows)))
    assert rate.lots == 5_760
    weighted = sum(range(2_881, 5_761)) * 200_000 // sum(range(1, 5_761))
    assert (rate.cost, rate.rate_e8) == (weighted, weighted - 50_000)


def test_the_average_of_an_hour_is_plain() -> None:
    both = pair(msgspec.structs.replace(RATED, funding_interval_hours=1), accounts=1)
    rows = [index(DAY + k * NS, 200_000 if k > 1_800 else 0) for k in range(5, 3_601, 5)]
    (rate,) = settled(both.advance(rows[-1].ts_ns, rows))
    assert (rate.lots, rate.cost, rate.rate_e8) == (720, 100_000, 6_250)


def test_the_venue_pays_its_own_rate_at_its_own_mark_and_only_to_who_was_there() -> None:
    both = pair()
    for account in (0, 1):
        both.submit(transfer(account, 10**12))
    both.advance(DAY, [last(DAY), index(DAY, 100_000)])
    both.submit(place_market(0, 0, Side.BUY, 2_000))
    stamp = DAY + 8 * HOUR_NS
    events = both.advance(stamp, [last(stamp), index(stamp, 100_000, index_e8=10_010 * E8)])
    (rate,), paid = settled(events), [e for e in events if e.kind == EventKind.FUNDING]
    assert (rate.rate_e8, rate.amount, marks(both)) == (50_000, 8, 10_010 * E8)
    # 2 coins at 10,010, 0.05 %: 10.01 USDT; the second account comes at the stamp and pays nothing
    assert [(e.account, e.amount, e.price_e8) for e in paid] == [(0, -1_001_000_000, 10_010 * E8)]
    both.submit(place_market(1, 0, Side.SELL, 2_000))
    assert not both.advance(stamp + HOUR_NS, [])
    both.compare()


def test_a_venue_told_so_pays_the_share_of_the_interval_held() -> None:
    instrument = coin()
    setup = Setup(
        binance_usdm.RULES, [instrument], [[RATED]], 2, 0, [0], marked={instrument.id: MarkRule.MEDIAN}, pro_rata=True
    )
    both = exchange(setup)
    both.advance(DAY, [last(DAY), index(DAY, 100_000)])
    for account, side in ((0, Side.BUY), (1, Side.SELL)):
        both.submit(transfer(account, 10**12))
        if account:
            both.advance(DAY + 6 * HOUR_NS, [last(DAY + 6 * HOUR_NS), index(DAY + 6 * HOUR_NS, 100_000)])
        both.submit(place_market(account, 0, side, 1_000))
    paid = [e for e in both.advance(DAY + 8 * HOUR_NS, []) if e.kind == EventKind.FUNDING]
    # 0.05 % of 10,000: five for the whole interval, a quarter of it for the last two hours; the outside gets the rest
    assert [e.amount for e in paid] == [-5 * E8, 125_000_000]
    before = both.venue.totals().outside
    again = both.advance(DAY + 16 * HOUR_NS, [index(DAY + 9 * HOUR_NS, 100_000)])
    assert [e.amount for e in again if e.kind == EventKind.FUNDING] == [-5 * E8, 5 * E8]
    assert (before, both.venue.totals().outside) == (375_000_000, 375_000_000)
    both.compare()


def test_a_stamp_comes_at_its_own_instant_whether_there_is_a_row_or_not() -> None:
    both = pair()
    both.advance(DAY + HOUR_NS, [index(DAY + HOUR_NS, 100_000)])
    assert both.venue.next_instant() == DAY + 8 * HOUR_NS
    (rate,) = settled(both.advance(DAY + 20 * HOUR_NS, []))
    assert rate.ts_ns == DAY + 8 * HOUR_NS
    # an interval without a sample settles nothing: neither 08:00 to 16:00 nor any later one
    assert both.venue.funding(0).last_ns == DAY + 8 * HOUR_NS
    both.compare()


def test_new_terms_change_the_interval_from_the_next_stamp_on() -> None:
    instrument = coin()
    terms = [[RATED, msgspec.structs.replace(RATED, funding_interval_hours=4)]]
    both = exchange(Setup(binance_usdm.RULES, [instrument], terms, 1, 0, [0], marked={instrument.id: MarkRule.MEDIAN}))
    both.advance(DAY, [])
    change = MarketEvent(ts_ns=DAY + HOUR_NS, kind=MarketEventKind.TERMS, instrument=0, terms=1)
    both.advance(DAY + HOUR_NS, [change])
    assert [at for at, _ in rates(both, [0] * 11, start=DAY + HOUR_NS)] == ["04:00", "08:00"]
    both = exchange(Setup(binance_usdm.RULES, [instrument], terms, 1, 0, [0], marked={instrument.id: MarkRule.MEDIAN}))
    both.advance(DAY, [index(DAY)])
    both.advance(DAY + HOUR_NS, [change])
    assert [at for at, _ in rates(both, [0] * 12, start=DAY + 2 * HOUR_NS)] == ["08:00", "12:00"]


# -- what a trader asks ---------------------------------------------------------------------------------------------


def test_the_state_of_the_funding_says_stamp_average_estimate_and_forecast() -> None:
    both = pair()
    assert (both.venue.funding(0).next_ns, both.venue.funding(0).samples) == (0, 0)
    rates(both, [80_000] * 9)
    now = DAY + 12 * HOUR_NS
    both.advance(now, [index(now, 40_000)])
    both.advance(now + 5 * NS, [index(now + 5 * NS, 200_000)])
    state = both.venue.funding(0)
    assert (state.next_ns, state.interval_hours, state.left_ns) == (DAY + 16 * HOUR_NS, 8, 4 * HOUR_NS - 5 * NS)
    assert (state.last_rate_e8, state.last_ns) == (30_000, DAY + 8 * HOUR_NS)
    # samples weigh 1 and 2: (40 + 400) / 3
    assert (state.samples, state.premium_e8, state.average_e8) == (2, 200_000, 146_666)
    assert state.estimate_e8 == 96_666
    # 2,879 samples of 0.2 % to come, up to that of the stamp: the average is nearly that
    ahead = sum(range(3, 2_882)) * 200_000 + 440_000
    assert state.forecast_e8 == ahead // sum(range(1, 2_882)) - 50_000
    # one coin long at the estimate, on the mark of the venue
    assert state.payment(1_000) == -(state.mark_e8 * state.estimate_e8 // E8)
    assert state.per_day(-1_000) == -3 * state.payment(1_000)


@settings(max_examples=scaled(400, 30))
@given(st.lists(st.tuples(st.integers(1, 4_000), st.integers(-3_000_000, 3_000_000)), min_size=1, max_size=40))
def test_a_forecast_at_the_last_second_is_the_rate_and_rates_keep_their_bounds(steps: list[tuple[int, int]]) -> None:
    both = pair(accounts=1)
    now = DAY
    for seconds, premium in steps:
        now += seconds * NS
        for rate in settled(both.advance(now, [index(now, premium)])):
            assert -300_000 <= rate.rate_e8 <= 300_000
        state = both.venue.funding(0)
        assert state.now_ns < state.next_ns <= state.now_ns + state.interval_ns
    state = both.venue.funding(0)
    if state.samples:
        last_second = state.next_ns - NS
        both.advance(last_second, [])
        both.advance(last_second, [index(last_second, steps[-1][1])])
        ended = both.venue.funding(0)
        (rate,) = settled(both.advance(state.next_ns, []))
        assert rate.rate_e8 == ended.estimate_e8
    both.compare()


# -- refusals -------------------------------------------------------------------------------------------------------


@FEED_ALONE  # without a market
@pytest.mark.parametrize(
    ("row", "why"),
    [
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.FUNDING, instrument=0, rate_e8=1), "marks itself"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=1, mark_e8=1), "marks itself"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.INDEX, instrument=0), "has no index"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.INDEX, instrument=0, index_e8=1 << 50), "below 2\\*\\*50"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.INDEX, instrument=0, index_e8=1, bid_e8=-1), "negative"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.STATUS, instrument=0, status=5), "no status that can be set"),
        (MarketEvent(ts_ns=DAY, kind=MarketEventKind.STATUS, instrument=0, status=4), "without a delivery time"),
    ],
)
def test_rows_that_contradict_a_marked_instrument_are_refused(row: MarketEvent, why: str) -> None:
    with pytest.raises(VenueError, match=why):
        pair().venue.attach(scenarios.array([row]))


@FEED_ALONE  # without a market
def test_an_index_of_an_instrument_marked_by_the_data_is_refused() -> None:
    venue = venue_of(Setup(binance_usdm.RULES, [coin()], [[TERMS]], 1, 0, [0]))
    with pytest.raises(VenueError, match="neither marked nor delivered"):
        venue.attach(scenarios.array([index(DAY)]))
    with pytest.raises(VenueError, match="no perpetual whose rate"):
        venue.funding(0)


@FEED_ALONE  # without a market
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("funding_interval_hours", 0),
        ("funding_interval_hours", 5),
        ("funding_floor_e8", 300_000),
        ("funding_cap_e8", E8 + 1),
        ("basis_seconds", 0),
        ("basis_seconds", 61),
        ("funding_clamp_e8", -1),
        ("quiet_hours", 7),
        ("interest_e8", 2 * E8),
    ],
)
def test_terms_that_do_not_say_how_to_mark_are_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidInput, match=name):
        pair(msgspec.structs.replace(RATED, **{name: value}))


def test_the_widest_numbers_stay_inside_the_integers() -> None:
    # index just below 11 million, impact prices at the ends, one sample each five seconds of a day
    daily = msgspec.structs.replace(RATED, funding_interval_hours=24, funding_floor_e8=-E8, funding_cap_e8=E8)
    both = pair(daily, accounts=1)
    top = (1 << 50) - 1
    rows = [
        MarketEvent(
            ts_ns=DAY + k * 5 * NS,
            kind=MarketEventKind.INDEX,
            instrument=0,
            index_e8=top // 2 if k % 2 else 1,
            bid_e8=top,
            ask_e8=top,
            impact_bid_e8=top,
            impact_ask_e8=top,
        )
        for k in range(1, 17_281)
    ]
    (rate,) = settled(both.venue.advance(rows[-1].ts_ns, scenarios.array(rows)))
    assert (rate.lots, rate.rate_e8) == (17_280, E8)
