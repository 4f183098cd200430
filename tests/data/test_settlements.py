"""Settlement prices out of trades, out of bars, and given: which window and rows, what is refused and what is said."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novation.data import History
from novation.data.feed import trade_dates
from novation.data.settlements import Settlements, check_settlements, settle_by_bars, settle_by_trades
from novation.domain.errors import DataError, InvalidInput, NoRuleInForce
from novation.domain.units import NS, from_e8, iso, to_e8, to_ns
from novation.reference.lookup import Reference

REFERENCE = Reference()
STAND_IN = "the close of the bar before the settlement window's end stands in for the window's VWAP"
MINUTE = 60 * NS


def trades(*rows: tuple[str, float, float]) -> pl.DataFrame:
    """Rows of UTC stamp, price, lots."""
    stamps, prices, lots = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "ts": pl.Series([to_ns(f"{stamp}Z") for stamp in stamps]).cast(pl.Datetime("ns", "UTC")),
            "price": [float(price) for price in prices],
            "qty": lots,
        }
    )


def bars(*rows: tuple[str, float, float, float, float]) -> pl.DataFrame:
    """Rows of UTC stamp, high, low, close, volume; each opens at its close."""
    stamps, high, low, close, volume = zip(*rows, strict=True)
    stamped = pl.Series([to_ns(f"{stamp}Z") for stamp in stamps]).cast(pl.Datetime("ns", "UTC"))
    prices = {"open": close, "high": high, "low": low, "close": close}
    return pl.DataFrame({"ts": stamped} | {k: list(map(float, v)) for k, v in prices.items()} | {"volume": volume})


def settled(found: Settlements) -> dict[str, str]:
    """Trade date to price, as text."""
    days = (str(dt.date(1970, 1, 1) + dt.timedelta(days=int(day))) for day in found.trade_date)
    return {day: f"{from_e8(int(price)).normalize():f}" for day, price in zip(days, found.settlement_e8, strict=True)}


def by_trades(frame: Any, symbol: str, **options: Any) -> Settlements:
    return settle_by_trades(frame, symbol, reference=REFERENCE, **options)


def by_bars(frame: Any, symbol: str, **options: Any) -> Settlements:
    return settle_by_bars(frame, symbol, reference=REFERENCE, **options)


def checked(frame: Any, symbol: str) -> Settlements:
    return check_settlements(frame, symbol, reference=REFERENCE)


def said(found: Settlements, text: str) -> str:
    """The one caution that holds a text."""
    (caution,) = (one for one in found.cautions if text in one)
    return caution


# ---------------------------------------------------------------- out of trades


def test_a1_es_settles_at_the_vwap_of_its_last_half_minute() -> None:
    found = by_trades(
        trades(
            ("2024-03-05T20:59:29.999", 4000, 999),
            ("2024-03-05T20:59:30", 5000.25, 10),
            ("2024-03-05T20:59:45", 5000.50, 30),
            ("2024-03-05T20:59:59.999", 5000.75, 20),
            ("2024-03-05T21:00:00", 6000, 999),
        ),
        "cme:ESH2024",
    )
    assert settled(found) == {"2024-03-05": "5000.5"}
    assert iso(int(found.settlement_ns[0])) == "2024-03-05 21:00"
    assert (found.settled_by, found.tick_e8.tolist()) == (("vwap",), [to_e8("0.25")])
    assert found.trade_date.tolist() == trade_dates(found.settlement_ns, "America/Chicago").tolist()
    assert found.cautions[0] == "settlement prices are formed from the prices given, not published by the exchange"


def test_trades_may_share_a_stamp_and_those_without_lots_count_for_nothing() -> None:
    found = by_trades(
        trades(
            ("2013-10-08T17:29:10", 1324.5, 2), ("2013-10-08T17:29:10", 1324.7, 2), ("2013-10-08T17:30", 1, 0)
        ).with_columns(pl.col("qty").cast(pl.Int64)),
        "GCZ2013",
    )
    assert settled(found) == {"2013-10-08": "1324.6"}
    empty = trades(("2013-10-08T17:29:10", 9, 0), ("2013-10-09T17:29:30", 1324.7, 2), ("2013-10-09T18:00", 1, 1))
    assert settled(by_trades(empty, "GCZ2013")) == {"2013-10-09": "1324.7"}


@pytest.mark.parametrize(
    ("winter", "summer"),
    [("2024-03-08T20:59:45", "2024-03-11T19:59:45"), ("2024-11-04T20:59:45", "2024-11-01T19:59:45")],
)
def test_the_window_follows_chicago_through_the_weeks_in_which_the_clocks_change(winter: str, summer: str) -> None:
    rows = sorted(
        [
            (winter, 5000.0, 1),
            (summer, 5000.0, 1),
            (winter[:11] + "19:59:45", 1.0, 1),
            (summer[:11] + "20:59:45", 1.0, 1),
        ]
    )
    found = by_trades(trades(*rows), "ES")
    assert settled(found) == dict.fromkeys(sorted((winter[:10], summer[:10])), "5000")


def test_es_settles_at_noon_on_the_day_after_thanksgiving_and_thursdays_trades_are_no_part_of_it() -> None:
    found = by_trades(
        trades(
            ("2024-11-28T17:59:45", 1, 5),
            ("2024-11-29T17:59:45", 6050.25, 5),
            ("2024-11-29T18:10", 1, 5),
            ("2024-11-29T20:59:45", 1, 5),
        ),
        "ESZ2024",
    )
    assert settled(found) == {"2024-11-29": "6050.25"}
    assert iso(int(found.settlement_ns[0])) == "2024-11-29 18:00"


def test_before_2020_es_settled_a_quarter_past_three_and_on_a_short_day_at_its_close() -> None:
    found = by_trades(
        trades(("2019-11-27T21:14:45", 3150.5, 1), ("2019-11-29T18:14:45", 3140.25, 1), ("2019-11-29T18:15", 1, 1)),
        "ES",
    )
    assert settled(found) == {"2019-11-27": "3150.5", "2019-11-29": "3140.25"}
    assert [iso(int(at)) for at in found.settlement_ns] == ["2019-11-27 21:15", "2019-11-29 18:15"]


def test_crude_oil_settled_below_zero_on_2020_04_20() -> None:
    rows = trades(
        ("2020-04-20T18:28:00", -37.5, 100), ("2020-04-20T18:29:00", -37.7, 150), ("2020-04-20T18:29:59", -37.65, 80)
    )
    assert settled(by_trades(rows, "CLK2020")) == {"2020-04-20": "-37.63"}


def test_a_tie_goes_to_the_given_prior_then_to_the_settlement_before() -> None:
    days = ("2024-03-05", "2024-03-06")
    rows = [(f"{day}T20:59:{second}", price, 1) for day in days for second, price in ((40, 5000.25), (50, 5000.5))]
    assert set(settled(by_trades(trades(*rows), "ES", prior="4990")).values()) == {"5000.25"}
    assert set(settled(by_trades(trades(*rows), "ES", prior=5010)).values()) == {"5000.5"}
    assert not any("decides a tie" in one for one in by_trades(trades(*rows), "ES", prior=5010).cautions)


def test_without_a_prior_the_first_price_decides_a_tie_and_a_caution_says_so() -> None:
    rows = [("2024-03-05T15:00", 5010.0, 1), ("2024-03-05T20:59:40", 5000.25, 1), ("2024-03-05T20:59:50", 5000.5, 1)]
    found = by_trades(trades(*rows), "ES")
    assert settled(found) == {"2024-03-05": "5000.5"}
    assert said(found, "decides a tie") == (
        "the settlement before 2024-03-05 is not given: the first price, 5010, decides a tie"
    )


def test_a_trade_date_without_a_trade_in_its_window_is_named_and_not_filled() -> None:
    found = by_trades(
        trades(("2024-03-05T20:59:45", 5000, 1), ("2024-03-06T20:59:29", 5001, 1), ("2024-03-07T20:59:45", 5002, 1)),
        "ES",
    )
    assert settled(found) == {"2024-03-05": "5000", "2024-03-07": "5002"}
    assert said(found, "nothing is filled") == (
        "no price in the settlement window of 1 trade date (2024-03-06): not settled, nothing is filled"
    )


def test_a_file_that_begins_or_ends_inside_a_window_says_so_and_one_that_ends_before_it_settles_nothing_there() -> None:
    found = by_trades(trades(("2024-03-05T20:59:45", 5000, 1), ("2024-03-06T01:00", 5001, 1)), "ES")
    assert settled(found) == {"2024-03-05": "5000"}
    assert said(found, "inside") == (
        "ES trades: begins or ends inside the settlement window of 1 trade date (2024-03-05)"
    )
    assert said(found, "ends before") == "ES trades: ends before the settlement window of 2024-03-06, not settled"


def test_the_last_trading_day_is_left_out() -> None:
    rows = trades(("2024-03-14T19:59:45", 5150, 1), ("2024-03-14T20:00", 5150, 1), ("2024-03-15T13:29:59", 5140, 1))
    found = by_trades(rows, "ESH2024")
    assert settled(found) == {"2024-03-14": "5150"}
    assert "the last trading day of cme:ESH2024 is 2024-03-15" in said(found, "formed otherwise")


def test_assumed_windows_are_cautions() -> None:
    found = by_trades(trades(("2013-10-08T17:29:10", 1324.5, 2), ("2013-10-08T17:30", 1, 0)), "GC")
    assert said(found, "assumed").startswith("assumed in cme/settlements GC: ")


def test_a_file_that_settles_nothing_is_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match=r"no trade date of cme:ES can be settled.*ends before the settlement window"):
        by_trades(trades(("2024-03-05T15:00", 5000, 1)), "ES")
    with pytest.raises(DataError, match="no price in the settlement window of 1 trade date"):
        by_trades(trades(("2024-03-05T15:00", 5000, 1), ("2024-03-05T21:00", 5000, 1)), "ES")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [("2024-03-05T20:59:45", 5000.1, 1)],
            r"row 1: price is no multiple of the tick in force, 0.25 \(found '5000.1'\)",
        ),
        ([("2024-03-05T20:59:45", 5000, -1)], r"row 1: qty is no number of contracts \(found -1\)"),
        ([("2024-03-05T20:59:45", 5000, 0.5)], r"row 1: qty is no number of contracts \(found 0.5\)"),
        ([("2024-03-05T20:59:45", float("nan"), 1)], "row 1: price is not a finite number"),
        ([("2024-03-05T20:59:45", 5000, 1), ("2024-03-05T20:59:44", 5000, 1)], "row 2: ts .* comes after"),
    ],
)
def test_a_wrong_row_is_named_with_its_value(rows: list[tuple[str, float, float]], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        by_trades(trades(*rows), "ES")


def test_several_contracts_in_one_frame_are_refused_with_the_remedy() -> None:
    rows = trades(("2024-03-05T20:59:45", 5000, 1), ("2024-03-05T20:59:46", 5050, 1))
    with pytest.raises(DataError, match=r"row 2: holds several contracts .*202406.*filter expiry == 202403"):
        by_trades(rows.with_columns(expiry=pl.Series([202403, 202406])), "ES")
    assert settled(by_trades(rows.with_columns(expiry=202403), "ES"))


def test_other_venues_and_days_before_the_tables_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not settled daily by CME"):
        by_trades(trades(("2024-03-05T20:59:45", 5000, 1)), "BTCUSDT")
    with pytest.raises(NoRuleInForce):
        by_trades(trades(("2008-03-05T20:59:45", 1300, 1)), "ES")
    assert settled(by_trades(trades(("2010-01-04T21:14:45", 1128.75, 1)), "ES")) == {"2010-01-04": "1128.75"}


@given(
    st.lists(st.tuples(st.integers(0, 59), st.integers(-4000, 4000), st.integers(0, 500)), min_size=1, max_size=20),
    st.integers(-5000, 5000),
)
def test_oil_is_the_exact_mean_of_its_window_rounded_once(rows: list[tuple[int, int, int]], prior: int) -> None:
    rows = [*sorted(rows), (60, 9_999, 0)]
    frame = trades(*[(f"2020-04-20T18:{28 + s // 60}:{s % 60:02d}", cents / 100, lots) for s, cents, lots in rows])
    count = sum(lots for _, _, lots in rows)
    if not count:
        with pytest.raises(DataError, match="can be settled"):
            by_trades(frame, "CLK2020")
        return
    mean = Fraction(sum(cents * lots for _, cents, lots in rows), count)
    low = mean.numerator // mean.denominator
    nearest = min((low, low + 1), key=lambda tick: (abs(tick - mean), abs(tick - prior)))
    found = by_trades(frame, "CLK2020", prior=prior / 100)
    assert found.settlement_e8.tolist() == [nearest * to_e8("0.01")]


# ---------------------------------------------------------------- out of bars


def test_bars_wholly_inside_the_window_count_their_volume_at_a_third_of_high_low_and_close() -> None:
    """(3 * (1324.9 + 1324.3 + 1324.4) / 3 + 1 * 1324.9) / 4 = 1324.625, to 1324.6."""
    half = 30 * NS
    start = to_ns("2013-10-08T17:28:30Z")
    frame = bars(
        *[
            (iso(start + i * half).replace(" ", "T"), high, low, close, volume)
            for i, (high, low, close, volume) in enumerate(
                [(9, 1, 1, 99), (1324.9, 1324.3, 1324.4, 3), (1324.9, 1324.9, 1324.9, 1), (9, 1, 1, 99)]
            )
        ]
    )
    found = by_bars(frame, "GCZ2013")
    assert (settled(found), found.settled_by) == ({"2013-10-08": "1324.6"}, ("vwap",))
    assert "a third of high + low + close" in said(found, "bars inside the window")


def test_a_minute_bar_stands_in_where_the_window_is_half_a_minute() -> None:
    frame = bars(
        ("2024-03-05T20:58", 5000, 5000, 5000, 5),
        ("2024-03-05T20:59", 5001, 5000, 5000.75, 5),
        ("2024-03-05T21:00", 6000, 6000, 6000, 5),
    )
    found = by_bars(frame, "ESH2024")
    assert (settled(found), found.settled_by) == ({"2024-03-05": "5000.75"}, ("close",))
    assert said(found, STAND_IN) == f"{STAND_IN} (1 trade date)"


def test_a_bar_that_stands_in_from_afar_is_said_and_one_without_volume_does_not_stand_in() -> None:
    frame = bars(
        ("2024-03-05T20:55", 5000, 5000, 5000, 5), ("2024-03-05T20:59", 1, 1, 1, 0), ("2024-03-05T21:00", 1, 1, 1, 9)
    )
    found = by_bars(frame, "ES", bar="1m")
    assert settled(found) == {"2024-03-05": "5000"}
    assert said(found, STAND_IN) == f"{STAND_IN} (1 trade date, the earliest 240 s before it (2024-03-05))"


def test_a_bar_of_the_day_before_never_stands_in() -> None:
    frame = bars(("2024-03-05T20:59", 5000, 5000, 5000, 5), ("2024-03-06T21:00", 5001, 5001, 5001, 5))
    found = by_bars(frame, "ES", bar="1m")
    assert settled(found) == {"2024-03-05": "5000"}
    assert "1 trade date (2024-03-06)" in said(found, "nothing is filled")


def test_bars_stamped_at_their_close_are_the_same_bars() -> None:
    frame = bars(*[(f"2020-04-20T18:{minute}", -37, -38, -37.63, minute) for minute in range(26, 32)])
    shifted = frame.with_columns(pl.col("ts") + pl.duration(minutes=1))
    opened, closed = by_bars(frame, "CLK2020"), by_bars(shifted, "CLK2020", stamp="close")
    assert settled(opened) == settled(closed) == {"2020-04-20": "-37.54"}
    assert opened.settled_by == ("vwap",)


def test_daily_bars_and_bars_without_volume_are_refused() -> None:
    with pytest.raises(DataError, match="bars of 1d do not show the settlement window"):
        by_bars(bars(("2024-03-05T00:00", 2, 1, 1, 5), ("2024-03-06T00:00", 2, 1, 1, 5)), "ES")
    frame = bars(("2024-03-05T20:58", 2, 1, 1, 5), ("2024-03-05T20:59", 2, 1, 1, 5))
    with pytest.raises(DataError, match="no column 'volume'"):
        by_bars(frame.drop("volume"), "ES")
    with pytest.raises(DataError, match=r"row 2: close is no multiple of the tick in force, 0.25 \(found '1.1'\)"):
        by_bars(bars(("2024-03-05T20:58", 2, 1, 1, 5), ("2024-03-05T20:59", 2, 1, 1.1, 5)), "ES")


# ---------------------------------------------------------------- where nothing traded in the window

LAST_BEFORE = ("2024-03-05T20:58:00", 5003.0, 1)  # ES, before its window
AFTER = ("2024-03-05T21:00:00", 6000.0, 9)
ES_WINDOW = trades(LAST_BEFORE, AFTER)


def quoted(*rows: tuple[str, float | None, float | None]) -> pl.DataFrame:
    """Rows of UTC stamp, bid, ask."""
    stamps, bids, asks = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "ts": pl.Series([to_ns(f"{stamp}Z") for stamp in stamps]).cast(pl.Datetime("ns", "UTC")),
            "bid": pl.Series(bids, dtype=pl.Float64),
            "ask": pl.Series(asks, dtype=pl.Float64),
        }
    )


def levels(*rows: tuple[str, float]) -> pl.DataFrame:
    """Rows of UTC stamp and cash index."""
    stamps, values = zip(*rows, strict=True)
    return pl.DataFrame({"ts": [f"{stamp}Z" for stamp in stamps], "index": list(map(float, values))})


def test_an_index_future_settles_at_the_midpoint_of_its_window_s_end_where_nothing_traded() -> None:
    quotes = quoted(("2024-03-05T20:59:40", 4000, 4001), ("2024-03-05T20:59:59", 5001, 5001.5))
    found = by_trades(ES_WINDOW, "ESH2024", prior=4990, quotes=quotes)
    assert (settled(found), found.settled_by) == ({"2024-03-05": "5001.25"}, ("midpoint",))
    assert said(found, "midpoint") == (
        "no trade is known in the settlement window of 1 trade date (2024-03-05): "
        "settled at the midpoint of bid and ask at its end"
    )
    assert "1 s before the window's end (2024-03-05)" in said(found, "oldest quote")


def test_trades_of_the_window_come_before_any_quote_which_is_then_not_looked_at() -> None:
    traded = trades(("2024-03-05T20:59:45", 5000.5, 1), AFTER)
    crossed = quoted(("2024-03-05T20:59:45", 9, 8), ("2024-03-05T21:05", 9, 8))
    assert by_trades(traded, "ES", quotes=crossed).cautions == by_trades(traded, "ES").cautions
    assert by_trades(traded, "ES", quotes=crossed).settled_by == ("vwap",)


@pytest.mark.parametrize(("prior", "settles"), [(4990, "5000"), (5010, "5000.25")])
def test_a_midpoint_between_two_ticks_goes_to_the_one_nearer_the_prior_settlement(prior: int, settles: str) -> None:
    quotes = quoted(("2024-03-05T20:59:59", 5000, 5000.25))
    assert settled(by_trades(ES_WINDOW, "ES", prior=prior, quotes=quotes)) == {"2024-03-05": settles}
    assert "5003, decides a tie" in said(by_trades(ES_WINDOW, "ES", quotes=quotes), "decides a tie")


def test_quotes_are_looked_at_until_the_window_s_end_and_no_further() -> None:
    quotes = quoted(
        ("2024-03-05T20:59:40", 4000, 4000),
        ("2024-03-05T21:00:00", 5001, 5001.5),
        ("2024-03-05T21:00:00.000001", 7000, 7001),
    )
    assert settled(by_trades(ES_WINDOW, "ES", quotes=quotes)) == {"2024-03-05": "5001.25"}
    assert settled(by_trades(ES_WINDOW, "ES", quotes=quotes[:2])) == {"2024-03-05": "5001.25"}


def test_quotes_of_the_evening_before_the_sessions_and_a_file_that_ends_before_the_window_settle_nothing() -> None:
    days = trades(("2024-03-05T20:59:45", 5000, 1), ("2024-03-06T20:00", 5001, 1), ("2024-03-06T21:00", 1, 1))
    stale = quoted(("2024-03-05T22:50", 5000, 5001), ("2024-03-07T00:00", 5000, 5001))  # trading ends at 22:00
    ended = quoted(("2024-03-06T20:59:29.999", 5000, 5001))
    for quotes in (stale, ended):
        found = by_trades(days, "ES", quotes=quotes)
        assert settled(found) == {"2024-03-05": "5000"}
        assert said(found, "no quote by") == (
            "ES quotes: no quote by the end of the settlement window of 1 trade date (2024-03-06)"
        )
        assert "(2024-03-06)" in said(found, "nothing is filled")
    assert settled(by_trades(days, "ES", quotes=quoted(("2024-03-06T20:59:30", 5000, 5001))))["2024-03-06"] == "5000.5"


def test_with_one_side_an_index_future_settles_at_its_index_carried_to_the_last_day() -> None:
    """4990 + 30 / 365 * 5 % * 4990 = 5010.506849; 2024-03-15 is 30 days from 2024-02-14."""
    rows = trades(("2024-02-14T20:58", 5003, 1), ("2024-02-14T21:00", 5003, 1))
    index = levels(("2024-02-13T21:00", 1), ("2024-02-14T20:59:59", 4990), ("2024-02-14T21:00:01", 9999))
    one_sided = quoted(("2024-02-14T20:59:59", 5000, None))
    for options in ({}, {"quotes": one_sided}):
        found = by_trades(rows, "ESH2024", index=index, rate="0.05", **options)
        assert (settled(found), found.settled_by) == ({"2024-02-14": "5010.5"}, ("carry",))
        assert "the index, carried to the last trading day" in said(found, "(2024-02-14)")
    both = by_trades(rows, "ESH2024", index=index, rate=0.05, quotes=quoted(("2024-02-14T20:59:59", 5000, 5001)))
    assert both.settled_by == ("midpoint",)
    with pytest.raises(DataError, match="no trade date of cme:ESH2024 can be settled"):
        by_trades(rows, "ESH2024", index=levels(("2024-02-13T21:00", 4990)), rate=0.05)  # of the day before


def test_a_carry_needs_an_index_a_rate_and_a_contract() -> None:
    index = levels(("2024-03-05T20:59:59", 4990))
    with pytest.raises(InvalidInput, match=r"rate.*missing beside index"):
        by_trades(ES_WINDOW, "ESH2024", index=index)
    with pytest.raises(InvalidInput, match=r"index.*missing beside rate"):
        by_trades(ES_WINDOW, "ESH2024", rate=0.05)
    with pytest.raises(InvalidInput, match=r"no fraction a year.*5 % is 0.05"):
        by_trades(ES_WINDOW, "ESH2024", index=index, rate=5)
    with pytest.raises(InvalidInput, match="no last trading day to carry an index to"):
        by_trades(ES_WINDOW, "ES", index=index, rate=0.05)
    with pytest.raises(DataError, match="row 1: is no value of an index"):
        by_trades(ES_WINDOW, "ESH2024", index=levels(("2024-03-05T20:59:59", 0)), rate=0.05)


@pytest.mark.parametrize(("last", "settles"), [(110.375, "110.46875"), (110.5, "110.5"), (110.625, "110.53125")])
def test_treasuries_move_the_last_trade_inside_the_lowest_bid_and_highest_ask_of_the_window(
    last: float, settles: str
) -> None:
    """ZN in 1/64: the bid that stands as the window begins is its lowest; what is quoted before it and after is not."""
    rows = trades(("2024-03-05T19:30", last, 1), ("2024-03-05T20:00", 100, 1))
    quotes = quoted(
        ("2024-03-05T19:58", 100, 120),
        ("2024-03-05T19:59:10", 110.46875, 110.5),
        ("2024-03-05T19:59:40", 110.5, 110.53125),
        ("2024-03-05T19:59:50", 110.484375, None),
        ("2024-03-05T20:00", 100, 120),
    )
    found = by_trades(rows, "ZNM2024", quotes=quotes)
    assert (settled(found), found.settled_by) == ({"2024-03-05": settles}, ("last_clamped",))
    assert "moved inside the lowest bid and highest ask" in said(found, "no trade is known")


def test_a_treasury_without_a_trade_that_day_is_not_settled_by_quotes_alone() -> None:
    rows = trades(("2024-03-04T19:59:45", 110.5, 1), ("2024-03-05T20:00", 110, 1))
    found = by_trades(rows, "ZN", quotes=quoted(("2024-03-05T19:59:45", 110, 111)))
    assert settled(found) == {"2024-03-04": "110.5"}


@pytest.mark.parametrize(
    ("bid", "ask", "last", "settles", "by"),
    [
        (1305.0, 1305.3, 1200, "1305.2", "midpoint"),
        (None, 1305.3, 1306.0, "1305.3", "last_clamped"),
        (None, 1305.3, 1305.1, "1305.1", "last_clamped"),
        (1305.7, None, 1305.0, "1305.7", "last_clamped"),
        (float("nan"), 1305.3, 1306.0, "1305.3", "last_clamped"),
    ],
)
def test_metals_take_the_midpoint_and_with_a_one_sided_market_the_last_trade_moved_to_it(
    bid: float | None, ask: float | None, last: float, settles: str, by: str
) -> None:
    rows = trades(("2013-10-08T16:00", last, 1), ("2013-10-08T17:30", 1, 1))
    quotes = quoted(("2013-10-08T17:29:10", 1, 2), ("2013-10-08T17:29:50", bid, ask))
    found = by_trades(rows, "GCZ2013", prior=1319.6, quotes=quotes)
    assert (settled(found), found.settled_by) == ({"2013-10-08": settles}, (by,))


def test_a_side_of_size_zero_is_no_quote() -> None:
    rows = trades(("2013-10-08T16:00", 1306, 1), ("2013-10-08T17:30", 1, 1))
    quotes = quoted(("2013-10-08T17:29:50", 1305, 1305.3)).with_columns(bid_size=0, ask_size=4)
    found = by_trades(rows, "GC", quotes=quotes)
    assert (settled(found), found.settled_by) == ({"2013-10-08": "1305.3"}, ("last_clamped",))
    no_side = quotes.with_columns(ask_size=None)
    with pytest.raises(DataError, match="no trade date of cme:GC can be settled"):
        by_trades(rows, "GC", quotes=no_side)


def test_currencies_and_energy_settle_by_trades_alone_and_say_that_quotes_are_not_used() -> None:
    rows = trades(("2020-04-17T18:29", 18.27, 1), ("2020-04-20T18:00", 1, 1), ("2020-04-20T18:30", 1, 1))
    found = by_trades(rows, "CLK2020", quotes=quoted(("2020-04-20T18:29", 1, 2)))
    assert settled(found) == {"2020-04-17": "18.27"}
    assert said(found, "not used") == "CL has no tier of quotes: not used"


def own_windows(folder: Path, *rows: str) -> Reference:
    """Rows of settlement windows in a folder of one's own: effective_from,root,start,end,early_end,method."""
    (folder / "cme").mkdir()
    lines = ["effective_from,root,start,end,early_end,method,source", *(f"{row},a test" for row in rows)]
    (folder / "cme" / "settlements.csv").write_text("\n".join(lines))
    (folder / "cme" / "known.csv").write_text("table,key,known_through,source\nsettlements,*,2024-12-31,a test\n")
    return Reference(tables=[folder])


def test_the_tiers_are_those_of_the_row_in_force_on_the_day(tmp_path: Path) -> None:
    window = "ES,14:59:30,15:00:00,"
    reference = own_windows(tmp_path, f"2024-01-01,{window},vwap", f"2024-03-06,{window},index")
    rows = trades(("2024-03-05T20:00", 5000, 1), ("2024-03-06T20:00", 5000, 1), ("2024-03-06T21:00", 5000, 1))
    quotes = quoted(("2024-03-05T20:59:59", 5000, 5001), ("2024-03-06T20:59:59", 5000, 5001))
    found = settle_by_trades(rows, "ES", quotes=quotes, reference=reference)
    assert settled(found) == {"2024-03-06": "5000.5"}
    assert said(found, "not used") == "ES has no tier of quotes: not used"


def test_a_market_with_the_bid_above_the_ask_is_refused_where_it_would_settle_and_only_there(tmp_path: Path) -> None:
    file = tmp_path / "quotes.parquet"
    quoted(
        ("2024-03-05T13:00", 5001, 5000),
        ("2024-03-05T20:59:58", 5000, 5001),
        ("2024-03-05T20:59:59", 5001, 5000.75),
        ("2024-03-05T22:00", 5001, 5000),
    ).write_parquet(file)
    with pytest.raises(DataError, match=r"quotes.parquet row 3: bid 5001 is above ask 5000.75"):
        by_trades(ES_WINDOW, "ES", quotes=file)
    sound = pl.read_parquet(file)[[0, 1, 3]]
    assert by_trades(ES_WINDOW, "ES", quotes=sound).settled_by == ("midpoint",)
    rows = trades(("2024-03-05T19:30", 110, 1), ("2024-03-05T20:00", 100, 1))
    for quotes, problem in (
        ([("2024-03-05T19:59:40", 111, 110.5), ("2024-03-05T19:59:50", 110, 112)], "row 1: bid 111 is above ask 110.5"),
        (
            [("2024-03-05T19:59:30", 111, None), ("2024-03-05T19:59:50", None, 110)],
            "row 2: the lowest bid of the window, 111, is above its highest ask, 110",
        ),
    ):
        with pytest.raises(DataError, match=problem):
            by_trades(rows, "ZN", quotes=quoted(*quotes))


def test_quotes_of_several_contracts_or_of_another_one_are_refused() -> None:
    quotes = quoted(("2024-03-05T20:59:58", 5000, 5001), ("2024-03-05T20:59:59", 5000, 5001))
    with pytest.raises(DataError, match=r"ES quotes row 2: holds several contracts .*filter expiry == 202403"):
        by_trades(ES_WINDOW, "ES", quotes=quotes.with_columns(expiry=pl.Series([202403, 202406])))
    other = quotes.with_columns(expiry=202406)
    with pytest.raises(DataError, match=r"another contract than the prices, which are of 202403 \(found 202406\)"):
        by_trades(ES_WINDOW.with_columns(expiry=202403), "ES", quotes=other)
    assert settled(by_trades(ES_WINDOW.with_columns(expiry=202406), "ES", quotes=other))


@pytest.mark.parametrize(
    ("quote", "problem"),
    [
        ((5000.1, 5001), r"row 1: bid is no multiple of the tick in force, 0.25 \(found '5000.1'\)"),
        ((float("inf"), 5001), "row 1: bid is not a finite number"),
    ],
)
def test_a_quote_that_cannot_be_right_is_named(quote: tuple[float, float], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        by_trades(ES_WINDOW, "ES", quotes=quoted(("2024-03-05T20:59:58", *quote)))


def quote_bars(first: str, *rows: tuple[float | None, float | None, float | None, float | None]) -> pl.DataFrame:
    """Minutes from a UTC stamp on: lowest bid, last bid, last ask, highest ask."""
    low_bid, bid, ask, high_ask = zip(*rows, strict=True)
    stamps = [to_ns(f"{first}Z") + i * MINUTE for i in range(len(rows))]
    prices = {"bid_low": low_bid, "bid_close": bid, "ask_close": ask, "ask_high": high_ask}
    return pl.DataFrame(
        {"ts": pl.Series(stamps).cast(pl.Datetime("ns", "UTC"))}
        | {name: pl.Series(column, dtype=pl.Float64) for name, column in prices.items()}
    )


def test_of_minutes_the_quotes_come_before_the_close_that_stands_in_which_stays_where_they_give_nothing() -> None:
    frame = bars(
        ("2024-03-05T20:58", 5000, 5000, 5000, 5), ("2024-03-05T20:59", 5001, 5000, 5000.75, 5),
        ("2024-03-05T21:00", 5000, 5000, 5000, 5), ("2024-03-06T20:59", 5001, 5000, 5000.25, 5),
    )  # fmt: skip
    minutes = quote_bars("2024-03-05T20:58", (1, 1, 2, 2), (5000, 5001, 5001.5, 5002), (7000, 7000, 7001, 7001))
    found = by_bars(frame, "ESH2024", bar="1m", quotes=minutes)
    assert settled(found) == {"2024-03-05": "5001.25", "2024-03-06": "5000.25"}
    assert found.settled_by == ("midpoint", "close")
    assert said(found, STAND_IN) == f"{STAND_IN} (1 trade date)"
    closing = minutes.with_columns(pl.col("ts") + pl.duration(minutes=1))
    shifted = frame.with_columns(pl.col("ts") + pl.duration(minutes=1))
    assert settled(by_bars(shifted, "ESH2024", bar="1m", stamp="close", quotes=closing)) == settled(found)


def test_a_bar_of_quotes_is_known_at_its_end_and_not_before() -> None:
    """The bar from 20:59:15 to 21:00:15 begins before the window's end and is no part of it."""
    minutes = quote_bars("2024-03-05T20:58:15", (5000, 5000, 5000.5, 5001), (1, 1, 2, 2), (1, 1, 2, 2))
    assert settled(by_trades(ES_WINDOW, "ES", prior=4990, quotes=minutes)) == {"2024-03-05": "5000.25"}
    with pytest.raises(DataError, match="one row does not show how long a bar is"):
        by_trades(ES_WINDOW, "ES", quotes=minutes[:1])
    with pytest.raises(DataError, match="row 1: bid_low 3 is above bid_close 2"):
        by_trades(ES_WINDOW, "ES", quotes=quote_bars("2024-03-05T20:58", (3, 2, 4, 4), (3, 3, 4, 4)))


@pytest.mark.parametrize(
    ("seconds", "last", "settles"),
    [(60, 109, "110.5"), (60, 112, "110.75"), (15, 109, "110"), (15, 112, "111")],
)
def test_a_bar_of_quotes_that_begins_before_the_window_counts_with_its_close_alone(
    seconds: int, last: float, settles: str
) -> None:
    """Minutes: only the close of the last is known to lie in the half minute; quarters of a minute lie in it wholly."""
    rows = trades(("2024-03-05T19:30", last, 1), ("2024-03-05T20:00", 100, 1))
    bars_ = quote_bars("2024-03-05T19:59", (1, 1, 200, 200), (110, 110.25, 110.75, 111), (110.5, 110.5, 110.75, 111))
    end = to_ns("2024-03-05T20:00Z")
    stamps = [end - (3 - i) * seconds * NS for i in range(3)]
    frame = bars_.with_columns(ts=pl.Series(stamps).cast(pl.Datetime("ns", "UTC")))
    if seconds == 15:  # the market that stands as the window begins is the first bar's close
        frame = frame.with_columns(bid_close=pl.Series([110.25, 110.25, 110.5]), ask_close=110.75)
    assert settled(by_trades(rows, "ZN", quotes=frame)) == {"2024-03-05": settles}


# ---------------------------------------------------------------- given


@pytest.mark.parametrize(
    "days",
    [
        [20240305, 20240306],
        ["2024-03-05", "2024-03-06"],
        [dt.date(2024, 3, 5), dt.date(2024, 3, 6)],
        [dt.datetime(2024, 3, 5), dt.datetime(2024, 3, 6)],
    ],
)
def test_given_prices_are_taken_as_they_are_whatever_the_kind_of_date(days: list[Any]) -> None:
    found = checked(pl.DataFrame({"trade_date": days, "settlement": [5079.25, 5110.0]}), "ESH2024")
    assert settled(found) == {"2024-03-05": "5079.25", "2024-03-06": "5110"}
    assert [iso(int(at)) for at in found.settlement_ns] == ["2024-03-05 21:00", "2024-03-06 21:00"]
    assert (found.settled_by, found.cautions) == (("given", "given"), ())
    again = checked(pd.DataFrame({"date": pd.to_datetime(["2024-03-05"]), "settle": [5079.25]}), "ES")
    assert settled(again) == {"2024-03-05": "5079.25"}


@pytest.mark.parametrize(
    ("days", "prices", "problem"),
    [
        ([20240305, 20240305], [1, 2], "row 2: trade_date 2024-03-05 repeats the row before"),
        ([20240306, 20240305], [1, 2], "row 2: trade_date 2024-03-05 comes after 2024-03-06"),
        ([20240308, 20240309], [1, 2], r"row 2: 2024-03-09 \(Saturday\) is no trade date of ES. Correct the date"),
        ([20241127, 20241128], [1, 2], r"row 2: 2024-11-28 \(Thursday\) is no trade date of ES"),
        ([20240305], [5079.3], r"row 1: settlement is no multiple of the tick in force, 0.25 \(found '5079.3'\)"),
        ([20240305], [None], "row 1: settlement is missing|of type Null"),
        ([20241305], [1], r"row 1: trade_date is no date \(found 20241305\). Write 2024-03-05 or 20240305"),
        ([None], [1], "row 1: trade_date is no date"),
    ],
)
def test_given_prices_that_cannot_be_right_are_refused(days: list[Any], prices: list[Any], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        checked(pl.DataFrame({"trade_date": days, "settlement": prices}), "ES")


def test_given_prices_lie_on_the_tick_that_was_in_force_on_their_day() -> None:
    """6E: 0.0001 until 2016-01-08, 0.00005 from 2016-01-11."""
    found = checked(pl.DataFrame({"trade_date": [20160108, 20160111], "settlement": [1.0927, 1.08685]}), "6E")
    assert found.tick_e8.tolist() == [to_e8("0.0001"), to_e8("0.00005")]
    with pytest.raises(DataError, match=r"row 1: settlement is no multiple of the tick in force, 0.0001"):
        checked(pl.DataFrame({"trade_date": [20160108], "settlement": [1.09275]}), "6E")


def test_trade_dates_missing_between_given_ones_are_said() -> None:
    found = checked(pl.DataFrame({"trade_date": [20240305, 20240308], "settlement": [5000.0, 5001.0]}), "ES")
    assert found.cautions == ("no settlement price given for 2 trade dates (2024-03-06, 2024-03-07)",)


def test_given_prices_end_with_the_contract() -> None:
    with pytest.raises(DataError, match="2024-03-18 comes after the last trading day of ESH2024, 2024-03-15"):
        checked(pl.DataFrame({"trade_date": [20240314, 20240318], "settlement": [5150.0, 5150.0]}), "ESH2024")
    with pytest.raises(DataError, match="It is the last trading day: leave a final settlement price"):
        checked(pl.DataFrame({"trade_date": [20240315], "settlement": [5126.61]}), "ESH2024")


def test_what_is_found_is_what_a_history_takes() -> None:
    stamps = [to_ns("2024-03-05T20:57:00Z") + i * MINUTE for i in range(4)]
    frame = bars(*[(iso(at).replace(" ", "T"), 5000.75, 5000, 5000.25, 5) for at in stamps])
    found = by_bars(frame, "ES")
    prepared = History(frame, settlement=found.frame()).prepare("ESH2024", perpetual=False, daily_settled=True)
    assert prepared.settlement_ns.tolist() == found.settlement_ns.tolist()
    assert prepared.settlement_e8.tolist() == found.settlement_e8.tolist()
    with pytest.raises(ValueError):
        found.settlement_e8[0] = 1


# ---------------------------------------------------------------- real files


def contract(path: Path, expiry: int) -> pl.DataFrame:
    return pl.read_parquet(path).filter(pl.col("expiry") == expiry)


def closes(novation_data: Path, root: str, expiry: int) -> dict[dt.date, int]:
    """Daily closes of the chain in 1e-8, by the trade date after `file_date`, whose bars have the same highs."""
    chain = contract(novation_data / "cme" / "daily_chain" / f"{root}_chain.parquet", expiry)
    after = {day.date(): to_e8(close) for day, close in zip(chain["file_date"], chain["close"].to_list(), strict=True)}
    return {np.busday_offset(day, 1).astype(dt.date): close for day, close in after.items()}


def against(found: Settlements, close_of: dict[dt.date, int]) -> list[int]:
    """Settlement less daily close in ticks, printed by trade date."""
    apart = []
    for day, price, tick, by in zip(
        found.frame()["trade_date"], found.settlement_e8.tolist(), found.tick_e8.tolist(), found.settled_by, strict=True
    ):
        close = close_of.get(day)
        off = None if close is None else (price - close) // tick
        print(f"{day} settles at {from_e8(price).normalize():f} ({by}); less the daily close: {off} ticks")
        apart += [] if off is None else [off]
    return apart


@pytest.mark.data
def test_es_of_october_2013_settles_by_the_minute_before_a_quarter_past_three(novation_data: Path) -> None:
    frame = contract(novation_data / "cme" / "bars_1m" / "ES_2013-10_trade.parquet", 201312)
    found = by_bars(frame, "ESZ2013", tz="UTC")
    assert settled(found) == {
        "2013-10-07": "1668",
        "2013-10-08": "1649.5",
        "2013-10-09": "1648.75",
        "2013-10-10": "1685.25",
        "2013-10-11": "1699.25",
        "2013-10-14": "1704.75",
    }
    assert set(found.settled_by) == {"close"}
    assert said(found, STAND_IN) == f"{STAND_IN} (6 trade dates)"
    apart = against(found, closes(novation_data, "ES", 201312))
    assert len(apart) == 6
    assert max(map(abs, apart)) <= 12  # measured; trading goes on after the window


@pytest.mark.data
def test_es_of_october_2013_settles_alike_with_quotes_wherever_a_trade_lies_in_the_window(
    novation_data: Path, tmp_path: Path
) -> None:
    """A window of a minute, as a table of one's own, so that the files' minutes lie in it. March trades on few days."""
    reference = own_windows(tmp_path, "2010-01-01,ES,15:14:00,15:15:00,,index")
    unlike = 0
    for expiry, symbol in ((201312, "ESZ2013"), (201403, "ESH2014")):
        frame = contract(novation_data / "cme" / "bars_1m" / "ES_2013-10_trade.parquet", expiry)
        quotes = contract(novation_data / "cme" / "bars_1m" / "ES_2013-10_quote.parquet", expiry)
        without = settle_by_bars(frame, symbol, tz="UTC", reference=reference)
        found = settle_by_bars(frame, symbol, tz="UTC", quotes=quotes, reference=reference)
        assert found.trade_date.tolist() == without.trade_date.tolist()
        for i, by in enumerate(without.settled_by):
            apart = int(found.settlement_e8[i] - without.settlement_e8[i]) // int(found.tick_e8[i])
            print(f"{symbol} {found.frame()['trade_date'][i]}: {by}, with quotes {found.settled_by[i]}: {apart} ticks")
            assert found.settled_by[i] == {"vwap": "vwap", "close": "midpoint"}[by]
            assert apart == 0 or by == "close"
            unlike += by == "close"
    assert unlike


@pytest.mark.data
def test_the_midpoints_of_es_in_october_2013_lie_within_a_tick_of_the_last_trades(novation_data: Path) -> None:
    frame = contract(novation_data / "cme" / "bars_1m" / "ES_2013-10_trade.parquet", 201312)
    quotes = contract(novation_data / "cme" / "bars_1m" / "ES_2013-10_quote.parquet", 201312)
    found = by_bars(frame, "ESZ2013", tz="UTC", quotes=quotes)
    assert settled(found) == {
        "2013-10-07": "1667.75",
        "2013-10-08": "1649.5",
        "2013-10-09": "1648.75",
        "2013-10-10": "1685",
        "2013-10-11": "1699.25",
        "2013-10-14": "1704.75",
    }
    assert set(found.settled_by) == {"midpoint"}
    apart = found.settlement_e8 - by_bars(frame, "ESZ2013", tz="UTC").settlement_e8
    assert int(np.abs(apart).max()) <= to_e8("0.25")


@pytest.mark.data
def test_gold_of_2013_10_08_settles_alike_by_trades_and_by_minute_bars(novation_data: Path) -> None:
    ticks = contract(novation_data / "cme" / "ticks" / "GC_20131008_trades.parquet", 201312)
    minutes = contract(novation_data / "cme" / "bars_1m" / "GC_2013-10_trade.parquet", 201312)
    found = by_trades(ticks, "GCZ2013", tz="UTC")
    barred = by_bars(minutes, "GCZ2013", tz="UTC")
    assert settled(found) == {"2013-10-08": "1324.6"}
    assert settled(barred) == {"2013-10-07": "1325.1", "2013-10-08": "1324.6"}
    print(against(found, closes(novation_data, "GC", 201312)), against(barred, closes(novation_data, "GC", 201312)))


@pytest.mark.data
def test_a_third_of_high_low_and_close_is_nearer_the_vwap_of_gold_minutes_than_the_close(novation_data: Path) -> None:
    ticks = contract(novation_data / "cme" / "ticks" / "GC_20131008_trades.parquet", 201312).filter(pl.col("qty") > 0)
    price, qty = pl.col("price"), pl.col("qty")
    typical = (price.max() + price.min() + price.last()) / 3
    mean = (price * qty).sum() / qty.sum()
    minutes = ticks.group_by_dynamic("ts", every="1m").agg(
        by_third=(typical - mean).abs() / 0.1, by_close=(price.last() - mean).abs() / 0.1
    )
    third, close = minutes["by_third"].mean(), minutes["by_close"].mean()
    print(
        f"{minutes.height} minutes: mean distance from the VWAP {third:.2f} ticks by thirds, {close:.2f} by the close"
    )
    assert third < 0.51
    assert close > 1.26
