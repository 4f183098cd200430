"""Trades replayed under the exchange's rules: fees, funding, refusals, prices outside their bar, liquidations.

The rules are those of 2026-05-01: BTCUSDT with lots of 0.001, a tick of 0.1, at least 100 USDT, 0.05 % for takers,
0.4 % maintenance in the first bracket (up to 300,000, 150x), 1.25 % clearance fee.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import novation as nv
from novation.research.audit import Audit, AuditedTrade
from novation.research.audit.findings import KINDS
from tests.research.runs import START, frame, history

CALM = [60_000.0] * 30


def at(hours: float) -> str:
    return (START + dt.timedelta(hours=hours)).isoformat()


def trade(entry: float = 1, exit: float | None = 5, **fields: Any) -> dict[str, Any]:
    """0.1 BTC long at 60,000, out at the same price; times in hours from the start of the data."""
    given = {"symbol": "BTCUSDT", "side": "long", "qty": "0.1", "entry_time": at(entry), "entry_price": "60000"}
    given |= {"exit_time": None if exit is None else at(exit), "exit_price": None if exit is None else "60000"}
    return given | {"leverage": "5"} | fields


def audit(*trades: dict[str, Any], data: Any = None, **options: Any) -> Audit:
    given = {"rules_as_of": "2026-05-01"} | options
    names = dict.fromkeys(name for one in trades for name in one)
    rows = pl.DataFrame([{name: one.get(name) for name in names} for one in trades], infer_schema_length=None)
    return nv.audit(rows, data={"BTCUSDT": history(CALM, 50)} if data is None else data, **given)


def kinds(one: AuditedTrade) -> list[str]:
    return [finding.kind for finding in one.findings]


def sums_up(found: Audit) -> None:
    """The parts of every difference sum to it, of each trade and of all."""
    for one in found.trades:
        if one.audited:
            assert one.pnl is not None and one.source_pnl is not None
            assert one.pnl - one.source_pnl == one.difference
    for total in found.totals:
        parts = total.price + total.fee + total.funding + total.liquidation + total.refused
        assert total.pnl - total.source_pnl == parts


# -- fees and funding -----------------------------------------------------------------------------------------------


def test_fees_are_those_of_the_table() -> None:
    found = audit(trade(exit_price="60600", fee="4.8"))
    (one,) = found.trades
    assert one.fee == Decimal("6.03")  # 0.05 % of 6,000 and of 6,060
    assert (one.source_fee, one.fee_difference, one.price_difference) == (Decimal("4.8"), Decimal("-1.23"), 0)
    assert (one.source_pnl, one.pnl) == (Decimal("55.2"), Decimal("53.97"))
    sums_up(found)


def test_an_order_that_rested_pays_the_makers_fee_at_its_own_price() -> None:
    (one,) = audit(trade(exit_price="60600", maker="true")).trades
    assert one.fee == Decimal("2.412")  # 0.02 % of 6,000 and of 6,060
    assert one.pnl == Decimal("57.588")


def funded() -> nv.History:
    """A flat market with a stamp of 0.01 % at 08:00 and one of 0.03 % at 16:00."""
    stamps = [START + dt.timedelta(hours=hour) for hour in (0, 8, 16)]
    rates = pd.DataFrame({"ts": stamps, "funding_rate": [0.0, 0.0001, 0.0003]})
    return nv.History(frame(CALM), mark=frame(CALM), funding=rates)


def test_funding_over_two_stamps() -> None:
    found = audit(trade(4, 20, funding="-0.6"), trade(4, 20, side="short"), data={"BTCUSDT": funded()})
    long, short = found.trades
    assert long.funding == Decimal("-2.4")  # 6,000 * (0.0001 + 0.0003)
    assert (long.source_funding, long.funding_difference) == (Decimal("-0.6"), Decimal("-1.8"))
    assert short.funding == Decimal("2.4")
    sums_up(found)


def test_a_position_opened_at_a_stamp_does_not_pay_it_and_one_closed_then_does() -> None:
    opened, closed = audit(trade(8, 10), trade(4, 8), data={"BTCUSDT": funded()}).trades
    by_exit = {one.exit_at: one.funding for one in (opened, closed)}
    assert by_exit == {"2026-05-02 10:00": Decimal(0), "2026-05-02 08:00": Decimal("-0.6")}


# -- liquidations ---------------------------------------------------------------------------------------------------


def crash(mark_low: float = 57_000.0) -> dict[str, nv.History]:
    """The fourth hour falls to 56,000 (the mark as far as asked) and closes where it opened."""
    last, mark = frame(CALM), frame(CALM)
    last.iloc[3, last.columns.get_loc("low")] = 56_000.0
    mark.iloc[3, mark.columns.get_loc("low")] = mark_low
    return {"BTCUSDT": nv.History(last, mark=mark, funding=0)}


def test_a_liquidation_that_the_source_never_noticed() -> None:
    """1 BTC at 60,000 and 20x stakes 3,000: liquidated at (60,000 - 3,000) / (1 - 0.004) = 57,228.9156. 228.92 is left
    of the stake then, less than fee and clearance fee, so all of it is lost, and the entry's fee of 30."""
    found = audit(trade(1, 9, qty="1", leverage="20", exit_price="60600"), data=crash())
    (one,) = found.trades
    assert one.liquidation is not None
    assert (one.liquidation.bar, one.liquidation.at) == ("2026-05-02 03:00", "2026-05-02 04:00")
    assert abs(one.liquidation.mark - Decimal("57228.9156")) < Decimal("0.001")
    assert (one.liquidation.in_source, one.liquidation.qty) == (False, 1)
    assert one.pnl == Decimal(-3030)
    assert one.source_pnl == 600
    assert (one.liquidation_difference, one.price_difference, one.fee_difference) == (Decimal(-3630), 0, 0)
    assert kinds(one) == ["outside_bar", "liquidated"]  # nobody bought at 60,600 either
    assert "which the source did not notice" in one.findings[1].text
    sums_up(found)


def test_a_liquidation_ends_a_trade_whatever_its_source_did_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    rows = [(1, "BUY", 60_000, "1"), (5, "BUY", 59_000, "1"), (9, "SELL", 60_000, "2")]
    lines = [
        f"{(START + dt.timedelta(hours=h)):%Y-%m-%d %H:%M:%S},BTCUSDT,{side},{price},{qty},0,0,0"
        for h, side, price, qty in rows
    ]
    path.write_text("\n".join(["Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit", *lines]))
    found = nv.audit(path, data=crash(), rules_as_of="2026-05-01", leverage=20)
    (one,) = found.trades
    assert (one.pnl, one.liquidation_difference, one.refused_difference) == (Decimal(-3030), Decimal(-3030), 0)
    sums_up(found)


def test_the_mark_decides_not_the_last_price() -> None:
    (one,) = audit(trade(1, 9, qty="1", leverage="20"), data=crash(mark_low=57_300.0)).trades
    assert (one.liquidation, kinds(one)) == (None, [])


def test_who_entered_after_the_crash_is_not_liquidated_and_inside_its_bar_perhaps() -> None:
    after, inside = (trade(hour, 9, qty="1", leverage="20") for hour in (4, 3.5))
    found = audit(after, inside, data=crash())
    by_entry = {one.entry_at: one for one in found.trades}
    assert kinds(by_entry["2026-05-02 04:00"]) == []
    assert kinds(by_entry["2026-05-02 03:30"]) == ["possible_liquidation"]
    assert all(one.liquidation is None for one in found.trades)


def test_a_liquidation_that_the_source_has_too_and_one_that_it_has_alone() -> None:
    both = trade(1, 4, qty="1", leverage="20", exit_price="57000", liquidated="true")
    alone = trade(5, 9, qty="1", leverage="20", exit_price="57000", liquidated="true")
    first, second = audit(both, alone, data=crash()).trades
    assert first.liquidation is not None and first.liquidation.in_source
    assert second.liquidation is None and "liquidated_in_source_only" in kinds(second)


def test_a_large_position_is_liquidated_in_part_and_the_rest_goes_on() -> None:
    """1,000 BTC at 25x stand in a bracket of 2 %: what brings them back into a lower one is sold at the liquidation
    price of 58,640.82, and the rest meets the source's exit at 60,000."""
    found = audit(trade(1, 9, qty="1000", leverage="25"), data=crash(mark_low=58_500.0))
    (one,) = found.trades
    assert one.liquidation is not None and one.pnl is not None and one.fee is not None
    sold, price = one.liquidation.qty, one.liquidation.price
    assert 0 < sold < 1000
    fees = (60_000_000 + sold * price + (1000 - sold) * 60_000) * Decimal("0.0005")
    assert one.fee == fees
    assert one.pnl == sold * (price - 60_000) - fees - one.liquidation.clearance_fee
    sums_up(found)


# -- refusals -------------------------------------------------------------------------------------------------------


def test_a_size_off_the_step_is_refused_and_the_whole_lots_are_replayed() -> None:
    found = audit(trade(qty="0.1005", exit_price="61000"))
    (one,) = found.trades
    refused = next(finding for finding in one.findings if finding.reason == "QTY_OFF_STEP")
    assert (refused.kind, refused.value, refused.limit) == ("refused", Decimal("0.1005"), Decimal("0.001"))
    assert one.source_pnl == Decimal("100.5")
    assert one.refused_difference == Decimal("-0.5")
    assert (one.fee, one.pnl) == (Decimal("6.05"), Decimal("93.95"))
    sums_up(found)


@pytest.mark.parametrize(
    ("fields", "reason", "value", "limit"),
    [
        ({"qty": "0.001"}, "MIN_NOTIONAL", "60", "100"),
        ({"qty": "5000", "leverage": "1"}, "QTY_ABOVE_MAX", "5000", "1000"),
        ({"leverage": "151"}, "LEVERAGE_ABOVE_BRACKET", "151", "150"),
    ],
)
def test_what_is_refused_makes_nothing(fields: dict[str, str], reason: str, value: str, limit: str) -> None:
    found = audit(trade(exit_price="61000", **fields))
    (one,) = found.trades
    refused = next(finding for finding in one.findings if finding.reason == reason)
    assert (refused.value, refused.limit) == (Decimal(value), Decimal(limit))
    assert one.pnl == 0 and one.source_pnl is not None
    assert one.refused_difference == -one.source_pnl
    sums_up(found)


def test_leverage_beyond_the_bracket_of_a_notional_is_refused() -> None:
    (one,) = audit(trade(qty="10", leverage="150")).trades  # 600,000; 150x ends at 300,000
    refused = next(finding for finding in one.findings if finding.kind == "refused")
    assert (refused.reason, refused.value, refused.limit) == ("POSITION_LIMIT", 600_000, 300_000)


def test_a_price_off_the_tick_is_refused_and_moved_against_the_trade() -> None:
    found = audit(trade(entry_price="60000.05", exit_price="60000.05"))
    (one,) = found.trades
    assert [f.reason for f in one.findings] == ["PRICE_OFF_TICK", "PRICE_OFF_TICK"]
    assert one.price_difference == Decimal("-0.01")  # bought at 60,000.1, sold at 60,000.0
    sums_up(found)


def test_a_leverage_between_two_whole_numbers_has_its_margin_added() -> None:
    """At 20.5x of 60,000 the stake is 2,926.83, as if it could be set: liquidated at (60,000 - 2,926.83) / 0.996."""
    (one,) = audit(trade(1, 9, qty="1", leverage="20.5"), data=crash()).trades
    assert one.liquidation is not None
    assert abs(one.liquidation.mark - Decimal("57302.3799")) < Decimal("0.001")


# -- prices outside their bar ---------------------------------------------------------------------------------------


def test_a_price_that_nobody_traded_at() -> None:
    (one,) = audit(trade(1.5, 5, entry_price="61000")).trades
    outside = next(finding for finding in one.findings if finding.kind == "outside_bar")
    assert (outside.value, outside.limit, outside.bps) == (61_000, 60_050, Decimal("158.20"))
    assert "entry price 61000 lies above the high of its bar, 60050, by 158.20 bp" in outside.text


def test_the_close_of_the_bar_before_can_be_had_as_the_next_one_opens() -> None:
    rising = nv.History(frame([60_000.0, 61_000.0, 62_000.0, 63_000.0]), funding=0)
    gapped = frame([60_000.0, 61_000.0, 62_000.0, 63_000.0])
    gapped.iloc[1, :] = 61_500.0  # opens above the close before it, 61,000
    data = {"BTCUSDT": nv.History(gapped, funding=0)}
    (one,) = audit(trade(1, 2, entry_price="61000", exit_price="61500"), data=data).trades
    assert "outside_bar" not in kinds(one)
    (other,) = audit(trade(1.5, 2, entry_price="60900", exit_price="62000"), data={"BTCUSDT": rising}).trades
    assert "outside_bar" in kinds(other)


# -- what is not known ----------------------------------------------------------------------------------------------


def test_without_history_fees_and_filters_are_audited_and_it_is_said() -> None:
    found = audit(trade(exit_price="60600", funding="-1"), trade(qty="0.0005"), data={})
    first, second = found.trades
    assert (first.fee, first.funding, first.data) == (Decimal("6.03"), None, "none")
    assert kinds(first) == ["no_data"]
    assert first.funding_difference == 0
    assert "QTY_OFF_STEP" in [finding.reason for finding in second.findings]
    sums_up(found)


def test_a_trade_that_outlives_its_history_says_so() -> None:
    (one,) = audit(trade(1, 100)).trades
    assert (one.data, one.findings[-1].text) == ("part", "no history after 2026-05-03 06:00")
    (before,) = audit(trade(-100, -90)).trades
    assert before.data == "none" and before.findings[-1].text.startswith("no history then: history is of 2026-05-02")


def test_bars_that_are_missing_are_said() -> None:
    gapped = frame(CALM, 50).drop(frame(CALM).index[3:6])
    (one,) = audit(trade(1, 8), data={"BTCUSDT": nv.History(gapped, funding=0, bar="1h")}).trades
    assert (one.data, one.findings[-1].text) == ("part", "bars are missing in between")


def test_an_open_trade_runs_to_the_end_of_the_data() -> None:
    rising = [60_000.0 + 100 * i for i in range(30)]
    (one,) = audit(trade(1, None, entry_price="60100"), data={"BTCUSDT": history(rising)}).trades
    assert (one.open, one.exit_at, one.fee) == (True, None, Decimal("3.005"))
    assert one.source_pnl == Decimal(280)  # 0.1 from 60,100 to the last mark, 62,900
    assert one.pnl == Decimal("276.995")


def test_an_unknown_symbol_or_a_date_without_rules_leaves_the_others_audited() -> None:
    found = audit(trade(), trade(symbol="NOPEUSDT"), trade(symbol="BTC/USDT"), trade(symbol="ES"))
    assert [one.audited for one in found.trades] == [True, False, False, False]
    assert "is spot" in found.trades[2].why and "name the month" in found.trades[3].why
    assert found.totals[0].trades == 1
    assert "3 trades not audited, and in no total" in found.cautions


def test_where_nothing_can_be_audited_that_is_the_error() -> None:
    with pytest.raises(nv.UnknownInstrument, match=r"trades row 1: unknown instrument 'NOPEUSDT'"):
        audit(trade(symbol="NOPEUSDT"))
    with pytest.raises(nv.NoRuleInForce, match="--rules-as-of DATE"):
        audit(trade(entry_time="2021-01-01T00:00Z"), rules_as_of=None)


def test_the_rules_that_were_pinned_and_a_mark_that_stands_in_are_cautions() -> None:
    found = audit(trade(), trade(entry_time="2021-01-01T00:00Z"))
    assert any("of 2026-05 used for all dates" in text for text in found.cautions)
    assert any("the last price stands in for the mark" in text for text in found.cautions)


def test_a_trade_without_leverage_is_replayed_at_one_and_counted() -> None:
    found = audit(trade(1, 9, leverage=None), data=crash())
    assert (found.trades[0].leverage, found.trades[0].liquidation) == (1, None)
    assert "1 trade without a leverage: 1 taken (leverage, --leverage)" in found.cautions
    assert audit(trade(1, 9, leverage=None), data=crash(), leverage=25).trades[0].liquidation is not None


# -- several entries and exits, one account -------------------------------------------------------------------------


def test_entries_and_exits_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    rows = [
        (0, "BUY", 60_000, "0.1"),
        (1, "BUY", 60_010, "0.2"),
        (2, "SELL", 60_020, "0.1"),
        (3, "SELL", 60_000, "0.2"),
    ]
    lines = [
        f"{(START + dt.timedelta(hours=h)):%Y-%m-%d %H:%M:%S},BTCUSDT,{side},{price},{qty},0,0,0"
        for h, side, price, qty in rows
    ]
    path.write_text("\n".join(["Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit", *lines]))
    found = nv.audit(path, data={"BTCUSDT": history(CALM, 50)}, rules_as_of="2026-05-01")
    (one,) = found.trades
    assert one.pnl is not None and one.fee is not None
    assert one.fee == Decimal("18.002")  # 0.05 % of 6,000, 12,002, 6,002 and 12,000
    assert one.pnl + one.fee == 0  # -6,000 - 12,002 + 6,002 + 12,000


def test_trades_on_one_account_stand_on_one_balance() -> None:
    """Two longs of 1 BTC on a cross account of 6,100: alone each could lose the account, together half of it each."""
    trades = [trade(1, 9, qty="1", leverage="20") for _ in range(2)]
    alone = audit(trades[0], data=crash(), margin="cross", cash=6_100)
    assert alone.trades[0].liquidation is None
    found = audit(*trades, data=crash(), margin="cross", cash=6_100)
    assert all(one.liquidation is not None for one in found.trades)
    assert sum(one.pnl or 0 for one in found.trades) >= -6_100
    sums_up(found)


def test_an_account_without_the_margin_refuses() -> None:
    (one,) = audit(trade(qty="1", leverage="20"), margin="cross", cash=1_000).trades
    refused = next(finding for finding in one.findings if finding.kind == "refused")
    assert (refused.reason, refused.limit) == ("INSUFFICIENT_MARGIN", 1_000)


def test_long_and_short_at_once_take_two_positions() -> None:
    found = audit(
        trade(1, 9, exit_price="60100"), trade(2, 8, side="short", exit_price="60100"), margin="cross", cash=10_000
    )
    assert [one.pnl for one in found.trades] == [Decimal("3.995"), Decimal("-16.005")]
    sums_up(found)


def test_each_strategy_has_an_account_of_its_own(tmp_path: Path) -> None:
    orders = {"pair": "BTC/USDT:USDT", "amount": 0.1, "open_rate": 60_000.0, "close_rate": 60_000.0, "leverage": 1.0}
    orders |= {"open_date": at(1), "close_date": at(5), "fee_open": 0.0, "fee_close": 0.0, "profit_abs": 0.0}
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"strategy": {name: {"trades": [orders]} for name in ("First", "Second")}}))
    data = {"BTCUSDT": history(CALM, 50)}
    found = nv.audit(path, data=data, rules_as_of="2026-05-01", margin="cross", cash=7_000)
    assert [(one.group, one.pnl, kinds(one)) for one in found.trades] == [
        ("First", Decimal(-6), []),
        ("Second", Decimal(-6), []),
    ]


@pytest.mark.parametrize(
    ("trades", "text"),
    [
        ([trade(), trade(symbol="ESZ2026")], "one account holds the trades of one venue"),
        ([trade(symbol="ESZ2026", qty="1"), trade(symbol="ESZ2026", side="short", qty="1")], "one position"),
    ],
)
def test_what_one_account_cannot_hold_is_named(trades: list[dict[str, Any]], text: str) -> None:
    with pytest.raises(nv.InvalidInput, match=text):
        audit(*trades, cash=1_000_000, data={}, rules_as_of={"cme": "2021-06-01", "binance_um": "2026-05-01"})


def test_a_statement_of_futures_is_replayed_with_the_multiplier(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    path.write_text(
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Comm/Fee,"
        "Realized P/L,Code\n"
        'Trades,Data,Order,Futures,USD,ESU1,"2021-06-01, 10:00:00",2,4200.25,-4.5,0,O\n'
        'Trades,Data,Order,Futures,USD,ESU1,"2021-06-01, 11:00:00",-2,4210.25,-4.5,991,C\n'
    )
    found = nv.audit(path, data={})
    (one,) = found.trades
    assert (one.symbol, one.source_pnl, one.source_fee, one.fee) == ("cme:ESU2021", 991, 9, Decimal("8.2"))
    assert (one.pnl, one.fee_difference, one.price_difference) == (Decimal("991.8"), Decimal("0.8"), 0)
    assert "1 trade at CME without a stake: no margin call is looked for (cash, --cash)" in found.cautions


# -- wrong settings, and what is handed back ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"margin": "cross"}, "cash: is needed"),
        ({"margin": "both"}, 'margin: is "isolated" or "cross"'),
        ({"leverage": 0}, "leverage: is a number of at least 1"),
        ({"cash": -1}, "cash: must be above zero"),
        ({"data": "/nowhere/at/all"}, "data: is no folder"),
        ({"rules_as_of": "soon"}, "rules_as_of: expected a date"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(nv.InvalidInput, match=text):
        audit(trade(), **options)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("-5", r"row 1: is no price above zero \(found '-5'\)"),
        ("0.000000001", "is no price above zero"),
        ("90000000", "is no price that is counted here"),
    ],
)
def test_a_price_that_can_be_none_is_named(price: str, text: str) -> None:
    with pytest.raises(nv.InvalidInput, match=text):
        audit(trade(entry_price=price))


def test_it_prints_converts_and_saves(tmp_path: Path) -> None:
    found = audit(trade(1, 9, qty="1", leverage="20", exit_price="60600"), trade(), data=crash())
    shown = str(found)
    assert "source +600.00   audited -3,036.00   difference -3,636.00 USDT" in shown
    assert "liquidated in the bar of 2026-05-02 03:00 at mark" in shown
    told = found.to_dict()
    assert told["found"]["liquidated"] == 1 and set(told["found"]) == set(KINDS)
    assert told["trades"][0]["liquidation"]["loss"] == "3030.00000000"
    found.save(tmp_path / "audit.csv")
    found.save(tmp_path / "audit.parquet")
    assert pl.read_parquet(tmp_path / "audit.parquet")["pnl"].to_list() == [-3030.0, -6.0]
    assert pl.read_csv(tmp_path / "audit.csv")["liquidated"].to_list() == [True, False]
    with pytest.raises(nv.InvalidInput, match=r"out: is no .csv or .parquet file"):
        found.save(tmp_path / "audit.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.csv", "audit.parquet"]
