"""One contract from its first price to its end, on real prices: cash is multiplier times price change less fees."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import novation as nv
from novation.data.multiple_prices import product_files, read_multiple_prices
from novation.domain.errors import ConfigError
from novation.domain.units import DAY_NS, from_e8, iso, to_ns
from novation.engine.strategy import place
from novation.reference.holidays import is_business_day
from novation.reference.lookup import Reference
from novation.research.result import Result

pytestmark = pytest.mark.slow

CASH = 200_000
LIVES = [
    ("ES", "SP500_micro", 201306, 1),
    ("ES", "SP500_micro", 201306, -2),
    ("GC", "GOLD_micro", 201212, 1),
    ("6E", "EUR", 201303, 3),
    ("6E", "EUR", 201303, -1),
    ("ZN", "US10", 201006, 2),
    ("CL", "CRUDE_W_mini", 201212, 1),
    ("CL", "CRUDE_W_mini", 201212, -1),
]


class Hold(nv.Strategy):
    """Takes a position at the first bar and never touches it again."""

    def __init__(self, symbol: str, lots: int) -> None:
        self.symbol, self.lots, self.done = symbol, lots, False

    def on_bar(self, bar: object) -> None:
        if not self.done:
            self.done = True
            (self.buy if self.lots > 0 else self.sell)(self.symbol, abs(self.lots))


def life(folder: Path, root: str, product: str, month: int) -> tuple[str, pl.DataFrame]:
    """Id and daily closes of a contract: real ones, and from the last of those to the last trading day that one again.

    The files hold a contract until they roll out of it, days or weeks before it ends.
    """
    found = read_multiple_prices(product_files(folder / "cme", product)["multiple_prices"]).prices[month]
    symbol = f"cme:{root}{'FGHJKMNQUVXZ'[month % 100 - 1]}{month // 100}"
    instrument = Reference().instrument(symbol)
    days: dict[int, int] = {}
    for ts, price in zip(found.ts_ns.tolist(), found.price_e8.tolist(), strict=True):
        days[ts // DAY_NS] = price
    first = min(days)
    closes, day = [], first
    last_day = instrument.deliver_ns // DAY_NS
    price = days[first]
    while day <= last_day:
        date = dt.date(1970, 1, 1) + dt.timedelta(day)
        if day in days or (day > max(days) and is_business_day(date)):
            price = days.get(day, price)
            on_tick = round(price / instrument.tick_e8) * instrument.tick_e8
            closes.append((dt.datetime.combine(date, dt.time(), dt.UTC), float(from_e8(on_tick))))
        day += 1
    ts, values = zip(*closes, strict=True)
    return symbol, pl.DataFrame({"ts": ts, **dict.fromkeys(("open", "high", "low", "close"), values)})


def run(folder: Path, root: str, product: str, month: int, lots: int) -> tuple[str, pl.DataFrame, Result]:
    symbol, bars = life(folder, root, product, month)
    history = nv.History(bars, bar="1d", delivery=bars["close"][-1])
    result = nv.Backtest(Hold(symbol, lots), {symbol: history}, cash=CASH).run()
    return symbol, bars, result


@pytest.mark.parametrize(("root", "product", "month", "lots"), LIVES)
def test_a_contract_held_to_its_end_leaves_cash_of_price_change_less_fees(
    novation_data: Path, root: str, product: str, month: int, lots: int
) -> None:
    symbol, bars, result = run(novation_data, root, product, month, lots)
    instrument = Reference().instrument(symbol)
    terms = Reference().terms(symbol, to_ns(bars["ts"][1]), to_ns(bars["ts"][-1]))
    fills = result.frame("fills")
    entry = Decimal(str(fills["price"][0]))
    if fills.height == 1:  # index: finally settled
        assert root == "ES"
        end, sides = Decimal(str(bars["close"][-1])), 1
    else:
        assert root != "ES" and fills.height == 2
        end, sides = Decimal(str(fills["price"][1])), 2
        assert any("closed by the broker at the deadline before delivery" in text for text in result.cautions)
    multiplier = from_e8(instrument.multiplier_e8)
    fee = Decimal(terms[0].fee_per_lot).scaleb(-6)
    expected = CASH + multiplier * lots * (end - entry) - sides * abs(lots) * fee
    equity = result.frame("equity")["equity"][-1]
    assert Decimal(str(equity)).quantize(Decimal("0.01")) == expected.quantize(Decimal("0.01"))
    assert not any("still open" in text for text in result.cautions)
    assert iso(instrument.deliver_ns)[:10] == f"{bars['ts'][-1]:%Y-%m-%d}"


def test_a_run_that_begins_after_the_contract_has_ended_is_refused() -> None:
    days = [dt.datetime(2013, 6, day, tzinfo=dt.UTC) for day in (24, 25)]
    bars = pl.DataFrame({"ts": days, **{name: [1600.0, 1601.0] for name in ("open", "high", "low", "close")}})
    with pytest.raises(ConfigError, match="stopped trading at 2013-06-21 13:30, before the first bar"):
        nv.Backtest(Hold("cme:ESM2013", 1), {"cme:ESM2013": nv.History(bars, bar="1d")}, cash=CASH).run()


def test_a_final_settlement_may_lie_below_zero() -> None:
    """CLK0 settled at -37.63 on 2020-04-20 and at 10.01 on its last day; a contract may end below zero."""
    days = [dt.datetime(2021, 7, day, tzinfo=dt.UTC) for day in (14, 15, 16, 19, 20)]
    bars = pl.DataFrame({"ts": days, **{name: [2.0, 1.0, 0.5, 0.2, -0.3] for name in ("open", "high", "low", "close")}})
    history = nv.History(bars, bar="1d", delivery="-0.30")
    data = {"cme:MCLQ2021": history}
    result = nv.Backtest(Hold("cme:MCLQ2021", 1), data, cash=CASH).run()
    entry = Decimal(str(result.frame("fills")["price"][0]))
    expected = CASH + 100 * (Decimal("-0.30") - entry) - Decimal("0.77")
    assert Decimal(str(result.frame("equity")["equity"][-1])).quantize(Decimal("0.01")) == expected


@nv.compiled(done="i8")
def compiled_hold(venue: object, bar: object, my: object) -> None:
    if my.done == 0:  # type: ignore[attr-defined]
        my.done = 1  # type: ignore[attr-defined]
        place(venue, bar.instrument, 1, 1, 2, 0)  # type: ignore[attr-defined]  # two at the market


def test_a_compiled_strategy_is_closed_out_before_delivery_as_a_python_one() -> None:
    """Gold of June 2021: first notice 2021-05-28, so a broker closes longs from 2021-05-26 on."""
    first = dt.datetime(2021, 5, 17, tzinfo=dt.UTC)
    days = [first + dt.timedelta(n) for n in range(14) if (first + dt.timedelta(n)).weekday() < 5]
    prices = [1_840.0 + n for n in range(len(days))]
    bars = pl.DataFrame({"ts": days, **dict.fromkeys(("open", "high", "low", "close"), prices)})
    results = [
        nv.Backtest(strategy, {"cme:GCM2021": nv.History(bars, bar="1d")}, cash=CASH).run()
        for strategy in (Hold("cme:GCM2021", 2), compiled_hold)
    ]
    python, compiled = (result.frame("fills").select("ts", "qty", "price").rows() for result in results)
    assert [qty for _, qty, _ in python] == [2.0, -2.0]
    assert compiled == python
    assert results[0].state_hash == results[1].state_hash
    assert any("closed by the broker at the deadline" in text for text in results[1].cautions)
