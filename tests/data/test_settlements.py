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
