"""Margin calls and their term, and which extreme comes first: told one by one, on both exchanges."""

from __future__ import annotations

import msgspec
import pytest

from novation.domain.commands import place_market, transfer
from novation.domain.enums import EventKind, InstrumentKind, MarginMethod, MarketEventKind, Side
from novation.domain.instruments import Instrument, Terms
from novation.domain.market import MarketEvent
from novation.domain.units import DAY_NS, E8, money
from novation.venues import cme_globex
from tests.venues.makers import FEED_ALONE, exchange
from tests.venues.scenarios import EITHER, Setup

pytestmark = pytest.mark.usefixtures("makers")

ES = Instrument(
    id="cme:ESZ2026",
    venue="cme",
    symbol="ESZ2026",
    root="ES",
    kind=InstrumentKind.FUTURE,
    method=MarginMethod.PER_CONTRACT,
    asset="USD",
    tick_e8=25_000_000,
    lot_e8=E8,
    multiplier_e8=50 * E8,
    daily_settled=True,
    contract_month=202612,
)
TERMS = Terms(effective_ns=0, initial_per_lot=money(12_000, "USD"), maintenance_per_lot=money(10_000, "USD"))
CALL, CLOSED = EventKind.MARGIN_CALL, EventKind.LIQUIDATION
TOLD = (CALL, CLOSED)


class Days:
    """One ES long on 13,000 USD from 5,000.00: called below 4,940 and gone below 4,740."""

    def __init__(self) -> None:
        self.both = exchange(Setup(cme_globex.RULES, [ES], [[TERMS]], 1, 0, [0]))
        self.both.submit(transfer(0, money(13_000, "USD")))
        self.now = 0
        self.day(5_000, settles=False)
        self.both.submit(place_market(0, 0, Side.BUY, 1))

    def day(self, price: int, *, settles: bool = True, again: bool = False) -> list[int]:
        """The mark opens at a price and, if it settles, so does the settlement: what was called or closed.

        again: the trade date of the day before, as where two products settle at different times of one day.
        """
        self.now += DAY_NS
        trade_date = self.now // DAY_NS - int(again)
        price_e8 = price * E8
        rows = [
            MarketEvent(ts_ns=self.now, kind=MarketEventKind.BAR_OPEN, instrument=0, last_e8=price_e8, mark_e8=price_e8)
        ]
        if settles:
            rows.append(
                MarketEvent(
                    ts_ns=self.now,
                    kind=MarketEventKind.SETTLEMENT,
                    instrument=0,
                    price_ticks=4 * price,
                    trade_date=trade_date,
                )
            )
        events = self.both.advance(self.now, rows)
        self.both.compare()
        return [e.kind for e in events if e.kind in TOLD]

    def called(self) -> int:
        """0: no call, 1: called since the last settlement, 2: the call stands from a settlement."""
        return min(2, int(self.both.venue.table("account")[0]["called"]))


def test_a_call_made_at_a_settlement_is_due_at_the_next_one() -> None:
    days = Days()
    assert (days.day(4_930), days.called()) == ([CALL], 2)
    assert (days.day(4_930, settles=False), days.called()) == ([], 2)
    assert (days.day(4_930), days.called()) == ([CLOSED], 0)


def test_a_call_made_inside_a_day_is_due_at_the_settlement_of_the_next() -> None:
    days = Days()
    assert (days.day(4_930, settles=False), days.called()) == ([CALL], 1)
    assert (days.day(4_930), days.called()) == ([], 2)
    assert (days.day(4_930), days.called()) == ([CLOSED], 0)


def test_a_second_settlement_of_the_same_trade_date_is_not_the_next_one() -> None:
    days = Days()
    assert days.day(4_930) == [CALL]
    assert days.day(4_930, again=True) == []
    assert days.day(4_930) == [CLOSED]


def test_a_call_ends_with_the_last_position() -> None:
    days = Days()
    assert days.day(4_930) == [CALL]
    days.both.submit(place_market(0, 0, Side.SELL, 1))
    days.day(4_930)
    assert days.called() == 0
    days.both.submit(transfer(0, money(3_000, "USD")))
    days.both.submit(place_market(0, 0, Side.BUY, 1))
    assert days.day(4_870) == [CALL]  # a call of its own, not a liquidation


def test_a_call_is_met_by_a_deposit_before_the_settlement() -> None:
    days = Days()
    assert days.day(4_930) == [CALL]
    days.both.submit(transfer(0, money(5_000, "USD")))
    assert (days.day(4_930), days.called()) == ([], 0)
    assert (days.day(4_835), days.called()) == ([CALL], 2)


def test_a_recovery_inside_a_day_does_not_lift_the_call() -> None:
    days = Days()
    assert days.day(4_930) == [CALL]
    assert (days.day(4_990, settles=False), days.called()) == ([], 2)
    assert days.day(4_930) == [CLOSED]


def test_an_account_without_equity_is_closed_out_without_a_call() -> None:
    days = Days()
    assert days.day(4_730, settles=False) == [CLOSED]
    assert days.both.venue.account(0).equity == money(13_000 - 270 * 50, "USD")  # a debt, no fund


@FEED_ALONE  # the extremes of a bar
@pytest.mark.parametrize(("highs", "first"), [((110, 120), "low"), ((110, 121), "high"), ((110, 119), "low")])
def test_the_adverse_extreme_comes_first_and_low_on_a_tie(highs: tuple[int, int], first: str) -> None:
    """Long X and short Y from 100, both per contract: lows of 80 and 90 cost 10, as highs of 110 and 120 do."""
    names = [msgspec.structs.replace(ES, symbol=s, root=s, id=f"x:{s}", tick_e8=E8, daily_settled=False) for s in "XY"]
    terms = Terms(effective_ns=0, initial_per_lot=money(100, "USD"), maintenance_per_lot=money(50, "USD"))
    both = exchange(Setup(EITHER, names, [[terms], [terms]], 1, 0, [0, 0]))
    both.submit(transfer(0, money(500, "USD")))
    hundred = 100 * E8
    both.advance(
        0,
        [
            MarketEvent(ts_ns=0, kind=MarketEventKind.BAR_OPEN, instrument=i, last_e8=hundred, mark_e8=hundred)
            for i in range(2)
        ],
    )
    both.submit(place_market(0, 0, Side.BUY, 1))
    both.submit(place_market(0, 1, Side.SELL, 1))
    rows = [
        MarketEvent(
            ts_ns=1,
            kind=MarketEventKind.BAR_CLOSE,
            instrument=i,
            last_e8=hundred,
            last_high_e8=hundred,
            last_low_e8=hundred,
            mark_e8=hundred,
            mark_high_e8=high * E8,
            mark_low_e8=low * E8,
        )
        for i, (low, high) in enumerate(zip((80, 90), highs, strict=True))
    ]
    events = [e for e in both.advance(1, rows) if e.kind == CLOSED]
    both.compare()
    assert events[0].instrument == (0 if first == "low" else 1)  # the one that loses there
    assert (events[0].price_e8 < hundred) == (first == "low")
