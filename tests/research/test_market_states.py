"""A run obeys the exchange's hours, halts and limits, and a broker's margins by day."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import novation as nv
from novation.data.roll_rules import rolls_by_rule
from novation.domain.errors import ConfigError, NoRuleInForce

CHICAGO = ZoneInfo("America/Chicago")


def bars(*given: tuple[str, float], minutes: int = 1) -> pl.DataFrame:
    """Bars of one price each, at times of Chicago's clock."""
    ts = [dt.datetime.fromisoformat(when).replace(tzinfo=CHICAGO).astimezone(dt.UTC) for when, _ in given]
    prices = [price for _, price in given]
    return pl.DataFrame({"ts": ts, **dict.fromkeys(("open", "high", "low", "close"), prices)})


class At(nv.Strategy):
    """Sends one order at the close of a numbered bar."""

    def __init__(self, number: int, qty: int = 1, price: float | None = None) -> None:
        self.number, self.qty, self.price, self.seen = number, qty, price, 0

    def on_bar(self, bar: Any) -> None:
        self.seen += 1
        if self.seen == self.number:
            self.buy(bar.symbol, self.qty, price=self.price)


#: Friday's last minute, then the Sunday evening's first two.
WEEKEND = bars(
    ("2021-03-05T15:58", 3_830.0),
    ("2021-03-05T15:59", 3_832.0),
    ("2021-03-07T17:00", 3_850.0),
    ("2021-03-07T17:01", 3_851.0),
)


def run(strategy: nv.Strategy, frame: pl.DataFrame = WEEKEND, **options: object) -> nv.Result:
    """A run on ES of June 2021."""
    made = {"cash": 100_000, **options}
    return nv.Backtest(strategy, {"cme:ESM2021": nv.History(frame, bar="1m")}, **made).run()  # type: ignore[arg-type]


def test_an_order_sent_as_the_market_closes_is_held_until_it_opens() -> None:
    result = run(At(2))
    assert result.fills.select("ts", "price").rows() == [
        (dt.datetime(2021, 3, 7, 23, 0, tzinfo=dt.UTC), 3_850.0),
    ]
    assert result.market_states["phase"].drop_nulls().to_list() == ["closed", "pre_open", "no_cancel", "open"]


def test_the_exchange_itself_refuses_it() -> None:
    result = run(At(2), hold_orders=False)
    assert result.fills.is_empty()
    assert result.refusals.select("reason", "value", "limit").rows() == [("MARKET_CLOSED", None, None)]


def test_a_refusal_by_the_phase_has_neither_value_nor_limit() -> None:
    """Sunday's minutes before the opening: a market order at 16:01, a cancellation at 16:59:45."""

    class Early(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            if bar.close == 1.0:
                self.buy(bar.symbol, 1)
                self.waits = self.buy(bar.symbol, 1, price=3_800.0)
            elif bar.close == 2.0:
                self.cancel(self.waits)

    frame = bars(
        ("2021-03-05T14:59", 3_830.0),
        ("2021-03-07T16:00", 1.0),
        ("2021-03-07T16:58:45", 2.0),
        ("2021-03-07T17:00", 9.0),
    )
    refused = run(Early(), frame, hold_orders=False).refusals
    assert refused.select("reason", "value", "limit").rows() == [
        ("MARKET_ORDER_BEFORE_OPEN", None, None),
        ("CANCEL_NOT_ALLOWED", None, None),
    ]


def test_a_run_may_do_without() -> None:
    result = run(At(2), market_states=False)
    assert result.market_states.is_empty()
    assert len(result.fills) == 1


def test_a_price_beyond_the_overnight_limit_is_refused_with_the_limit() -> None:
    """Five minutes after the evening's opening: 7 % around the Friday's price of 15:00, 3,830.00."""
    frame = bars(("2021-03-05T14:59", 3_830.0), ("2021-03-07T17:00", 3_850.0), ("2021-03-07T17:01", 3_851.0))
    refused = run(At(2, price=4_100.0), frame).refusals.row(0, named=True)
    assert (refused["reason"], refused["value"], refused["limit"]) == ("PRICE_BEYOND_LIMIT", 4_100.0, 4_098.0)


def test_bars_longer_than_an_hour_carry_a_caution() -> None:
    frame = bars(("2021-03-04T00:00", 3_830.0), ("2021-03-05T00:00", 3_850.0))
    result = nv.Backtest(At(9), {"cme:ESM2021": nv.History(frame, bar="1d")}, cash=100_000).run()
    assert any("hours, halts and price limits are not obeyed" in caution for caution in result.cautions)


def test_margins_by_day_let_more_be_held_and_the_deadline_closes_what_is_too_much() -> None:
    """ES of March 2021: maintenance 11,000 and initial 12,100; a quarter by day."""
    day = bars(
        ("2021-03-08T10:00", 3_830.0),
        ("2021-03-08T10:01", 3_830.0),
        ("2021-03-08T15:44", 3_830.0),
        ("2021-03-08T15:45", 3_830.0),
    )
    overrides = {"cme:ES": {"intraday_ratio": "0.25"}}
    whole = run(At(1, 5), day, cash=20_000)
    assert whole.refusals["reason"].to_list() == ["INSUFFICIENT_MARGIN"]
    result = run(At(1, 5), day, cash=20_000, overrides=overrides)
    assert [(row["qty"], row["liquidation"]) for row in result.fills.to_dicts()] == [(5.0, False), (-5.0, True)]
    closed = result.liquidations.row(0, named=True)
    assert closed["ts"] == dt.datetime(2021, 3, 8, 21, 45, tzinfo=dt.UTC)
    assert "at the margin deadline" in result.explain(closed)
    assert any("margins by day are 25 % of the overnight ones" in caution for caution in result.cautions)
    earlier = run(
        At(1, 5), day, cash=20_000, overrides={"cme:ES": {"intraday_ratio": 0.25, "margin_deadline_minutes": 60}}
    )
    assert earlier.liquidations["ts"].to_list() == [dt.datetime(2021, 3, 8, 21, 0, tzinfo=dt.UTC)]


def test_margins_by_day_need_bars_that_show_the_deadline() -> None:
    frame = bars(("2021-03-04T00:00", 3_830.0), ("2021-03-05T00:00", 3_850.0))
    history = {"cme:ESM2021": nv.History(frame, bar="1d")}
    with pytest.raises(ConfigError, match="bars of at most an hour"):
        nv.Backtest(At(9), history, cash=100_000, overrides={"cme:ES": {"intraday_ratio": "0.5"}}).run()


def test_a_date_that_the_hours_do_not_reach_names_the_table_and_the_way_out() -> None:
    frame = bars(("2009-03-04T10:00", 700.0), ("2009-03-04T10:01", 700.0))
    with pytest.raises(NoRuleInForce, match=r"cme/sessions.*market_states=False"):
        history = {"cme:ESM2009": nv.History(frame, bar="1m")}
        nv.Backtest(At(9), history, cash=100_000, rules_as_of="2021-03-08").run()


def test_a_treasury_order_may_name_its_price_in_32nds() -> None:
    frame = bars(("2021-03-08T10:00", 132.5), ("2021-03-08T10:01", 132.25), ("2021-03-08T10:02", 132.0))
    history = {"cme:ZNM2021": nv.History(frame, bar="1m")}
    strategy = At(1, price="132-105")  # type: ignore[arg-type]
    result = nv.Backtest(strategy, history, cash=100_000).run()
    assert result.orders["price"].to_list() == [132.328125]


class Rolled(nv.Strategy):
    """Long one from the first bar on, with a bid far below that nobody meets before the roll."""

    def on_start(self) -> None:
        self.begun = False

    def on_bar(self, bar: Any) -> None:
        if not self.begun:
            self.begun = True
            self.buy("cme:ES", 1)
            self.buy("cme:ES", 1, price=3_000.0)


def around_the_roll(evening: float) -> dict[int, pl.DataFrame]:
    """Two months, minutes before the close of 2021-03-10 and after the opening of trade date 2021-03-11."""
    times = [f"2021-03-10T15:{minute:02}" for minute in range(50, 60)] + [
        f"2021-03-10T17:{minute:02}" for minute in range(10)
    ]
    return {
        month: bars(*((time, price if "T15" in time else price * evening) for time in times))
        for month, price in ((202103, 3_800.0), (202106, 3_800.0))
    }


@pytest.mark.parametrize("hold", [True, False])
def test_a_roll_at_the_opening_moves_the_position_and_takes_the_old_orders_out(hold: bool) -> None:
    given = around_the_roll(1.0)
    chain = nv.ContractChain(given, rolls_by_rule("ES", given), bar="1m")
    result = nv.Backtest(Rolled(), {"cme:ES": chain}, cash=100_000, hold_orders=hold).run()
    traded = [(row["contract"], row["qty"]) for row in result.fills.to_dicts()]
    assert traded == [("cme:ESH2021", 1.0), ("cme:ESH2021", -1.0), ("cme:ESM2021", 1.0)]
    assert result.orders.filter(pl.col("status") == "open").is_empty()
    assert not any("not completed" in caution for caution in result.cautions)


def test_the_stop_of_a_drawdown_sent_in_a_halt_closes_when_trading_resumes() -> None:
    """A fall of 5 % in a minute of the evening halts the market as it crosses the limit of 3 %."""
    evening = [f"2021-03-08T17:{minute:02}" for minute in range(20)]
    frame = bars(("2021-03-08T14:59", 3_800.0), *((t, 3_800.0 if t < "2021-03-08T17:10" else 3_610.0) for t in evening))
    result = run(At(1, 5), frame, cash=100_000, risk={"max_drawdown_pct": 3}, hold_orders=False)
    halted = result.market_states.filter(pl.col("halt") == "circuit_breaker")["ts"].to_list()
    assert halted == [dt.datetime(2021, 3, 8, 23, 10, tzinfo=dt.UTC)]
    assert result.fills.select("ts", "qty").rows()[-1] == (dt.datetime(2021, 3, 8, 23, 12, tzinfo=dt.UTC), -5.0)


def test_an_account_is_closed_out_though_the_data_of_another_contract_ended_with_a_session() -> None:
    ended = bars(("2021-03-05T15:58", 3_800.0), ("2021-03-05T15:59", 3_800.0))
    falls = bars(
        ("2021-03-05T15:58", 3_800.0),
        ("2021-03-05T15:59", 3_800.0),
        *((f"2021-03-07T17:{minute:02}", max(3_536.0, 3_800.0 - 20 * minute)) for minute in range(50)),
    )

    class Both(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            if bar.symbol not in self.bought:
                self.bought = (*self.bought, bar.symbol)
                self.buy(bar.symbol, 20 if bar.symbol == "cme:ESM2021" else 1)

        bought: tuple[str, ...] = ()

    data = {"cme:ESH2021": nv.History(ended, bar="1m"), "cme:ESM2021": nv.History(falls, bar="1m")}
    result = nv.Backtest(Both(), data, cash=255_000).run()
    assert set(result.liquidations["contract"].to_list()) == {"cme:ESH2021", "cme:ESM2021"}


def test_a_run_that_starts_later_knows_the_prices_before() -> None:
    frame = bars(("2021-03-05T14:59", 3_830.0), ("2021-03-07T17:00", 3_850.0), ("2021-03-07T17:01", 3_851.0))
    start = "2021-03-07T22:00:00Z"
    refused = run(At(1, price=4_100.0), frame, start=start).refusals
    assert refused["reason"].to_list() == ["PRICE_BEYOND_LIMIT"]
