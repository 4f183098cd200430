"""Products of a user's own, in one file."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import novation as nv
from novation.domain.errors import ConfigError, DataError, NoRuleInForce, UnknownInstrument
from novation.domain.units import NS, to_ns
from novation.reference.lookup import Reference
from novation.reference.sessions import sessions

FDAX = Path(__file__).parents[2] / "examples" / "fdax.yaml"
TEXT = FDAX.read_text()


def written(folder: Path, text: str) -> Reference:
    file = folder / "own.yaml"
    file.write_text(text)
    return Reference([file])


def test_a_product_of_another_exchange_is_looked_up_like_a_shipped_one() -> None:
    found = nv.contract("FDAXM6", on="2026-03-02", reference=Reference([FDAX])).to_dict()
    asked = "symbol exchange multiplier tick_size tick_value currency last_trading_day lead_month ib_symbol"
    assert [found[key] for key in asked.split()] == [
        "FDAXM2026", "EUREX", "25", "1", "25", "EUR", "2026-06-19", "FDAXH2026", "DAX",
    ]  # fmt: skip
    assert found["last_trading_time"] == "13:00 Europe/Berlin"  # 19 June is no holiday there


def test_its_sessions_follow_its_own_zone_and_its_own_holidays() -> None:
    reference = Reference([FDAX])
    winter, summer = (sessions(reference, "FDAX", day, day)[0] for day in (dt.date(2026, 3, 27), dt.date(2026, 3, 30)))
    assert (winter.to_dict()["open"], winter.to_dict()["close"]) == ("2026-03-27T00:10:00Z", "2026-03-27T21:00:00Z")
    assert (summer.to_dict()["open"], summer.to_dict()["close"]) == ("2026-03-29T23:10:00Z", "2026-03-30T20:00:00Z")
    assert sessions(reference, "FDAX", dt.date(2026, 5, 1), dt.date(2026, 5, 1)) == ()
    thanksgiving = sessions(reference, "FDAX", dt.date(2026, 11, 26), dt.date(2026, 11, 26))[0]
    assert (thanksgiving.trade_date, thanksgiving.holiday) == (dt.date(2026, 11, 26), "")


@pytest.mark.parametrize(
    ("hours", "tuesday", "monday"),
    [
        ('open: "01:10", pre_open: "01:00"', "03-03 01:00", "03-02 01:00"),
        ('open: "01:10", pre_open: "23:00"', "03-02 23:00", None),  # Monday's is a Sunday's, which is not given
        ('open: "01:10", pre_open: "23:00", pre_open_sunday: "21:00"', "03-02 23:00", "03-01 21:00"),
        ('open: "23:00", pre_open: "22:30", pre_open_sunday: "12:00"', "03-02 22:30", "03-01 12:00"),
        ('open: "01:10"', None, None),
    ],
)
def test_orders_are_taken_ahead_of_the_opening_from_that_day_or_the_evening_before(
    tmp_path: Path, hours: str, tuesday: str | None, monday: str | None
) -> None:
    reference = written(tmp_path, TEXT.replace('open: "01:10"', hours))
    found = sessions(reference, "FDAX", dt.date(2026, 3, 2), dt.date(2026, 3, 3))
    berlin = [
        None if ns is None else f"{dt.datetime.fromtimestamp(ns // NS, ZoneInfo('Europe/Berlin')):%m-%d %H:%M}"
        for ns in (session.pre_open_ns for session in found)
    ]
    assert berlin == [monday, tuesday]


def test_a_run_in_euros_is_settled_and_ends_with_the_contract() -> None:
    days = [dt.datetime(2026, 3, d, tzinfo=dt.UTC) for d in range(9, 21) if dt.date(2026, 3, d).weekday() < 5]
    prices = [24_000.0 + 10 * i for i in range(len(days))]
    bars = pl.DataFrame({"ts": days, **dict.fromkeys(("open", "high", "low", "close"), prices)})

    class Once(nv.Strategy):
        done = False

        def on_bar(self, bar: Any) -> None:
            if not self.done:
                self.done = True
                self.buy("cme:FDAXH2026", 2)

    data = {"cme:FDAXH2026": nv.History(bars, bar="1d", delivery=24_500)}
    result = nv.Backtest(Once(), data, cash=200_000, tables=[FDAX]).run()
    entry = Decimal(str(result.frame("fills")["price"][0]))
    expected = 200_000 + 25 * 2 * (Decimal(24_500) - entry) - 2 * Decimal("1.5")
    assert Decimal(str(result.frame("equity")["equity"][-1])) == expected
    assert result.frame("equity")["currency"].unique().to_list() == ["EUR"]
    assert any("not checked" in text or "for the sake of the example" in text for text in result.cautions)


def test_dollars_and_euros_are_not_mixed_in_one_run() -> None:
    with pytest.raises(ConfigError, match="settles in EUR, what was named before it in USD"):
        days = [dt.datetime(2026, 3, 9, tzinfo=dt.UTC), dt.datetime(2026, 3, 10, tzinfo=dt.UTC)]
        bars = pl.DataFrame({"ts": days, **{name: [1.0, 1.0] for name in ("open", "high", "low", "close")}})
        data = {symbol: nv.History(bars, bar="1d") for symbol in ("cme:ESH2026", "cme:FDAXH2026")}
        nv.Backtest(nv.Strategy(), data, cash=1_000, tables=[FDAX], rules_as_of={"cme/margins": "2022-02-01"}).run()


def test_a_shipped_product_can_be_given_a_margin_alone(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        "M2K:\n  margin: {initial: 900, maintenance: 820}\n"
        "  effective_from: 2024-01-01\n  known_through: 2024-12-31\n  source: my broker\n",
    )
    start, end = to_ns("2024-06-03"), to_ns("2024-06-04")
    (terms,) = own.terms("cme:M2KU2024", start, end)
    assert (terms.initial_per_lot, terms.maintenance_per_lot) == (900_000_000, 820_000_000)
    assert own.instrument("M2KU2024").multiplier_e8 == 5 * 10**8
    with pytest.raises(NoRuleInForce, match="it has no row of M2K"):
        Reference().terms("cme:M2KU2024", start, end)
    with pytest.raises(NoRuleInForce):
        own.terms("cme:M2KU2025", to_ns("2025-06-03"), to_ns("2025-06-04"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("multiplier: 25 ", "multiplier: -25 "), "FDAX.multiplier"),
        (("tick: 1", "tick: one"), "FDAX.tick"),
        (("  tick: 1\n", ""), "tick missing beside exchange"),
        (("months: HMUZ", "months: HAM"), "FDAX.months"),
        (("third_friday", "friday"), "is no rule of the last day; known: third_friday"),
        (("Europe/Berlin", "Europe/Bonn"), "is no IANA time zone"),
        (('open: "01:10"', "open: 1"), "FDAX.hours.open"),
        (("initial: 44000", "initial: 4400"), "initial lies below maintenance"),
        (("currency: EUR", "currency: XYZ"), "currency XYZ is not known; known: EUR"),
        (("known_through: 2026-12-31", "known_through: 2025-12-31"), "known_through lies before effective_from"),
        (("FDAX:", "fdax:"), "is no product symbol"),
        (("fee: 1.50", "fees: 1.50"), "FDAX.fees"),
        (("settlement: cash", "settlement: paper"), "FDAX.settlement"),
        (('regular_open: "09:00"', 'regular_open: "19:00"'), "regular_open lies at or after regular_close"),
        (('open: "01:10"', 'open: "09:30"'), "regular hours lie outside open and close"),
        (('start: "17:29"', 'start: "17:31"'), "start lies at or after end"),
        (("listed: 3", "listed: 0"), "FDAX.listed"),
        (("  fee: 1.50\n", '  early_closes: {"2026-12-24": "14:00"}\n'), "2026-12-24 is in closed and in early_closes"),
        (("lead: expiry:1", "lead: expiry:²"), "FDAX.lead"),
        (('open: "01:10"', 'open: "01:10", pre_open: "02:00"'), "FDAX.hours.pre_open: lies inside the session"),
        (('open: "01:10"', 'open: "01:10", pre_open: "01:10"'), "FDAX.hours.pre_open: lies inside the session"),
        (('open: "01:10"', 'open: "01:10", pre_open: "22:00"'), "FDAX.hours.pre_open: lies inside the session"),
        (
            ('open: "01:10"', 'open: "01:10", pre_open: "01:00", pre_open_sunday: "23:00"'),
            "hours.pre_open_sunday: has no",
        ),
        (('open: "01:10"', 'open: "01:10", pre_open_sunday: "23:00"'), "FDAX.hours.pre_open_sunday: has no"),
        (('open: "01:10"', 'open: "23:00", pre_open: "23:30"'), "FDAX.hours.pre_open: lies inside the session"),
        (('open: "01:10"', 'open: "23:00", pre_open: "21:00"'), "FDAX.hours.pre_open: lies inside the session"),
        (('open: "01:10"', 'open: "23:00", pre_open_sunday: "23:10"'), "FDAX.hours.pre_open_sunday: lies inside"),
        (("lead: expiry:1", "lead: soon"), "expected index, fx, expiry:N or notice:N"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_product_and_key(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    assert change[0] in TEXT
    with pytest.raises((DataError, ConfigError)) as error:
        written(tmp_path, TEXT.replace(*change))
    assert words in str(error.value)
    assert "own.yaml" in str(error.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match="cannot be read"):
        Reference([tmp_path / "binary.yaml"])
    with pytest.raises(ConfigError, match="no such file"):
        Reference([tmp_path / "none.yaml"])
    with pytest.raises(DataError, match="holds no product"):
        written(tmp_path, "")
    with pytest.raises(ConfigError, match="given twice"):
        written(tmp_path, TEXT + "FDAX:\n  fee: 1\n")


def test_a_day_or_a_month_that_the_file_does_not_cover_is_refused() -> None:
    own = Reference([FDAX])
    with pytest.raises(NoRuleInForce, match="cme/products"):
        nv.contract("FDAXH5", on="2025-02-03", reference=own)
    with pytest.raises(UnknownInstrument, match="has H M U Z"):
        nv.contract("FDAXF6", on="2026-01-05", reference=own)


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    from novation.cli import main

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().out

    return run


def test_the_commands_take_the_file(verb: Callable[..., Any]) -> None:
    code, out = verb("contract", "FDAXZ6", "--products", FDAX, "--on", "2026-07-01", "--json")
    assert (code, json.loads(out)["last_trading_day"]) == (0, "2026-12-18")
    code, out = verb("calendar", "FDAX", "--products", FDAX, "--from", "2026-04-01", "--to", "2026-05-01")
    assert "cme:FDAX  April 2026, Europe/Berlin" in out
    assert "01:10 to 22:00" in out
    code, out = verb("roll", "FDAX", "--products", FDAX, "--on", "2026-07-01", "--json")
    assert json.loads(out)["roll_day"] == "2026-09-17"


def test_a_configuration_names_the_file_and_its_accounts_are_in_its_currency(tmp_path: Path) -> None:
    from novation.research.config import load_config

    (tmp_path / "own.yaml").write_text(TEXT)
    (tmp_path / "run.yaml").write_text("products: own.yaml\ninstruments: [FDAXH6]\nperiod: {from: 2026-03-09}\n")
    (traded,) = load_config(tmp_path / "run.yaml").traded
    assert (traded.id, traded.quote) == ("cme:FDAXH2026", "EUR")


def test_a_product_settles_by_trades_alone_unless_it_names_other_tiers(tmp_path: Path) -> None:
    def method(text: str) -> str:
        rule = written(tmp_path, text).required("cme/settlements", "FDAX", to_ns("2026-03-02"))
        return str(rule.row["method"])

    window = '{ start: "17:29", end: "17:30" }'
    assert window in TEXT
    assert method(TEXT) == "vwap"
    assert method(TEXT.replace(window, '{ start: "17:29", end: "17:30", method: index }')) == "index"
    with pytest.raises(DataError, match=r"FDAX.settles.method: .*'vwap', 'index', 'treasury' or 'metal'.*median"):
        method(TEXT.replace(window, '{ start: "17:29", end: "17:30", method: median }'))
