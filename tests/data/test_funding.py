"""Funding of a period: sums, time, months, a position's money, the page; wrong input."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novation.data.funding import funding, sparkline, years
from novation.domain.errors import DataError, InvalidInput, UnknownInstrument


def stored(root: Path, rates: list[float], *, symbol: str = "BTCUSDT", hours: int = 8, mark_from: int = 0) -> Path:
    """A store of hourly bars at 50,000 and funding from 2024-01-30 08:00 on."""
    folder = root / "binance_um" / "1h" / symbol
    folder.mkdir(parents=True)
    first = datetime(2024, 1, 30, tzinfo=UTC)
    stamps = [first + timedelta(hours=8 + hours * i) for i in range(len(rates))]
    bars = [first + timedelta(hours=i) for i in range(hours * len(rates) + 9)]
    frame = pl.DataFrame({"ts": bars}).with_columns(
        *(pl.lit(50_000.0).alias(name) for name in ("open", "high", "low", "close"))
    )
    frame.write_parquet(folder / "last_1h.parquet")
    frame[mark_from:].write_parquet(folder / "mark_1h.parquet")
    pl.DataFrame({"ts": stamps, "funding_rate": rates}).write_parquet(folder / "funding.parquet")
    return root


RATES = [0.0001, 0.0003, -0.0002, 0.0001, 0.0001, 0.0001, 0.0002, 0.0001]


def test_sums_are_exact_and_time_is_that_of_the_intervals(tmp_path: Path) -> None:
    answer = funding("BTCUSDT", root=stored(tmp_path, RATES))
    assert answer.total.stamps == 8
    assert answer.total.sum == Decimal("0.0008")
    assert answer.total.mean == Decimal("0.0001")
    assert answer.total.days == Decimal(64) / 24
    assert answer.daily == Decimal("0.0003")
    assert answer.total.annualised == Decimal("0.1095")
    assert (answer.largest.ts, answer.largest.rate) == ("2024-01-30 16:00", Decimal("0.0003"))
    assert (answer.smallest.ts, answer.smallest.rate) == ("2024-01-31 00:00", Decimal("-0.0002"))
    assert (answer.interval_hours, answer.next_funding) == (8, "2024-02-02 00:00")


def test_a_period_is_half_open_and_knows_what_lies_before_it(tmp_path: Path) -> None:
    answer = funding("BTC/USDT:USDT", "2024-01-31", "2024-02-01", root=stored(tmp_path, RATES))
    assert (answer.first, answer.last, answer.total.stamps) == ("2024-01-31 00:00", "2024-01-31 16:00", 3)
    assert answer.total.days == 1
    assert answer.next_funding == "2024-02-01 00:00"


def test_months_add_up_to_the_whole(tmp_path: Path) -> None:
    answer = funding("BTCUSDT", root=stored(tmp_path, RATES))
    assert [(one.name, one.stamps, one.sum) for one in answer.months] == [
        ("2024-01", 5, Decimal("0.0004")),
        ("2024-02", 3, Decimal("0.0004")),
    ]
    (year,) = years(answer.months)
    assert (year.name, year.sum, year.annualised) == ("2024", answer.total.sum, answer.total.annualised)


def test_a_long_pays_when_the_rate_is_positive(tmp_path: Path) -> None:
    root = stored(tmp_path, RATES)
    for qty, received in (("0.5", Decimal("-20")), (-0.5, Decimal("20"))):
        p = funding("BTCUSDT", root=root, qty=qty).position
        assert p is not None
        assert (p.received, p.per_day, p.stamps) == (received, received * 24 / 64, 8)


def test_each_payment_is_cut_at_the_minor_unit(tmp_path: Path) -> None:
    """50,000 * 1e-8 * 0.00012345 = 6.1725e-8 USDT: 6 units each time."""
    p = funding("BTCUSDT", root=stored(tmp_path, [0.00012345] * 3), qty="0.00000001").position
    assert p is not None
    assert p.received == Decimal("-18e-8")


def test_stamps_without_a_mark_are_counted_and_left_out_of_the_money(tmp_path: Path) -> None:
    answer = funding("BTCUSDT", root=stored(tmp_path, RATES, mark_from=20), qty=1)
    assert answer.position is not None
    assert answer.position.stamps == 6
    assert answer.cautions == (
        "2 stamps not in the position's money: no mark bar opens there (first 2024-01-30 08:00)",
    )


def test_stamps_that_contradict_the_tables_hold_and_the_answer_says_so(tmp_path: Path) -> None:
    answer = funding("BTCUSDT", root=stored(tmp_path, RATES, hours=4))
    assert answer.interval_hours == 4
    assert "the tables say 8 h" in answer.cautions[0]


def test_a_symbol_that_no_table_knows_has_the_interval_of_its_stamps(tmp_path: Path) -> None:
    answer = funding("QQQQUSDT", root=stored(tmp_path, RATES, symbol="QQQQUSDT", hours=1))
    assert (answer.instrument, answer.interval_hours) == ("binance_um:QQQQUSDT", 1)
    with pytest.raises(DataError, match="one stamp alone does not say its interval"):
        funding("QUSDT", root=stored(tmp_path / "one", [0.0001], symbol="QUSDT"))


def test_missing_stamps_are_not_filled_in(tmp_path: Path) -> None:
    root = stored(tmp_path, RATES)
    file = root / "binance_um" / "1h" / "BTCUSDT" / "funding.parquet"
    frame = pl.read_parquet(file)
    pl.concat([frame[:3], frame[4:]]).write_parquet(file)
    answer = funding("BTCUSDT", root=root)
    assert answer.total.stamps == 7
    assert "1 steps are longer" in answer.cautions[0]


def test_the_page_needs_no_network_and_holds_the_rates(tmp_path: Path) -> None:
    page = funding("BTCUSDT", root=stored(tmp_path, RATES)).plot(tmp_path / "new" / "funding.html")
    text = page.read_text(encoding="utf-8")
    assert "binance_um:BTCUSDT: funding" in text
    assert "<script src=" not in text
    assert [file.name for file in page.parent.iterdir()] == ["funding.html"]


def test_the_answer_is_plain_values(tmp_path: Path) -> None:
    found = json.loads(json.dumps(funding("BTCUSDT", root=stored(tmp_path, RATES), qty=1).to_dict()))
    assert found["sum"] == "0.00080000"
    assert found["position"]["received"] == "-40.00000000"
    assert found["months"][0]["name"] == "2024-01"


def test_the_outlook_is_the_last_rate_again_without_premium(tmp_path: Path) -> None:
    ahead = funding("BTCUSDT", root=stored(tmp_path, RATES), qty=2).outlook
    assert ahead.last_rate == Decimal("0.0001")
    # the last day is 2024-02-01 00:00 (exclusive) to 16:00's stamp: three stamps
    assert [(one.name, one.stamps) for one in ahead.averages] == [("day", 3), ("week", 8), ("month", 8)]
    assert ahead.averages[0].mean == Decimal("0.000133333333")
    assert (ahead.estimate, ahead.forecast) == (None, Decimal("0.0001"))
    # 2 coins at 50,000 and 0.01 %, three times a day
    assert (ahead.daily_cost, ahead.mark) == (-30, 50_000)


def test_premium_gives_an_estimate_and_a_forecast(tmp_path: Path) -> None:
    # BTCUSDT in 2026: the last stamp is at 2026-05-12 08:00; two hours of premium follow, a row an hour
    root = stored(tmp_path, RATES)
    folder = root / "binance_um" / "1h" / "BTCUSDT"
    late = pl.duration(days=833)
    for name in ("last_1h", "mark_1h", "funding"):
        pl.read_parquet(folder / f"{name}.parquet").with_columns(pl.col("ts") + late).write_parquet(
            folder / f"{name}.parquet"
        )
    last = pl.read_parquet(folder / "funding.parquet")["ts"][-1]
    rows = pl.DataFrame({"ts": [last + timedelta(hours=h) for h in (0, 1, 2)], "close": [0.5, 0.0004, 0.0025]})
    answer = funding("BTCUSDT", root=root, premium=rows)
    ahead = answer.outlook
    # (1 * 4 + 2 * 25) / 3 bps = 18 bps, less the clamp of 5
    assert (ahead.samples, ahead.average_premium, ahead.estimate) == (2, Decimal("0.0018"), Decimal("0.0013"))
    # six more rows like the last: (4 + 25 * 35) / 36 = 24.4166 bps
    assert ahead.forecast == Decimal("0.00194166")
    assert any("2 rows of premium" in text for text in answer.cautions)
    assert "estimate +0.1300 %" in str(answer)
    assert answer.to_dict()["outlook"]["forecast_method"] == "the premium stays what it was last"
    with pytest.raises(DataError, match="no premium in the interval that runs"):
        funding("BTCUSDT", root=root, premium=rows[:1])


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"start": "2025-01-01"}, DataError, r"no funding stamp from 2025-01-01 00:00.*known for 2024-01-30 08:00"),
        ({"start": "soon"}, InvalidInput, "start: expected a date"),
        ({"qty": 0}, InvalidInput, "qty: a position is not zero"),
        ({"qty": "many"}, InvalidInput, "qty: expected a number"),
        ({"qty": 10**9}, InvalidInput, "qty: is larger than any position"),
    ],
)
def test_wrong_input_is_named(tmp_path: Path, given: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        funding("BTCUSDT", root=stored(tmp_path, RATES), **given)


def test_what_has_no_funding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="dated future"):
        funding("BTCUSDT_261225", root=tmp_path)
    with pytest.raises(UnknownInstrument, match="spot"):
        funding("BTC/USDT", root=tmp_path)
    with pytest.raises(DataError, match=r"no file binance_um/1h/BTCUSDT/last_1h\.parquet"):
        funding("BTCUSDT", root=tmp_path)


@pytest.mark.data
def test_a_dated_future_has_none(novation_data: Path) -> None:
    with pytest.raises(InvalidInput, match="is a dated future and has no funding"):
        funding("ES", root=novation_data)


@pytest.mark.data
def test_funding_of_bitcoin_stays_within_its_cap(novation_data: Path) -> None:
    """facts §2: the cap of BTCUSDT is 0.3 %; data README: mean 0.0108 %, range -0.30 % to +0.30 %."""
    answer = funding("BTCUSDT", root=novation_data)
    assert (answer.total.stamps, f"{answer.total.mean * 100:.4f}") == (7_323, "0.0108")
    assert answer.largest.rate == -answer.smallest.rate == Decimal("0.003")


def test_a_sparkline_of_equal_values_is_flat() -> None:
    assert sparkline([1, 1, 1]) == "▁▁▁"
