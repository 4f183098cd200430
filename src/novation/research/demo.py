"""The demonstration: two exchanges seen at work on real history, or on the synthetic market where there is none.

Twelve runs in four parts. Every run is an ordinary `Backtest` of one of the small strategies below, so each can be
copied out and changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novation.data.catalog import load
from novation.data.chain import ContractChain
from novation.data.history import History
from novation.data.synthetic import load_synthetic
from novation.research.backtest import Backtest
from novation.research.report import Section, write_report
from novation.research.result import Result
from novation.trading.strategy import Strategy
from novation.trading.views import Bar, MarginCall

#: The exchange's brackets of one day in place of those of the time, which nobody has recorded.
BRACKETS = {"binance_um/brackets": "2026-05-01"}
#: Seed of the synthetic market: one in which the things to be shown happen.
SEED = 4


class Hold(Strategy):
    """Buys at midnight UTC and holds; what was liquidated is bought again at the next midnight, if `again`."""

    symbol = ""
    notional = 0.0
    again = False

    def on_start(self) -> None:
        """Nothing bought yet."""
        self._bought = False

    def on_bar(self, bar: Bar) -> None:
        """Buy when flat at midnight."""
        if bar.ts.hour == 0 and not self.position(self.symbol) and (self.again or not self._bought):
            self.target(self.symbol, notional=self.notional)
            self._bought = True


class Book(Strategy):
    """Holds two ES, two GC and minus two 6E, rolled by the calendar; halves everything when margin is called."""

    es = 2
    gc = 2
    euro = -2

    def on_start(self) -> None:
        """Buy the book."""
        for symbol, qty in (("cme:ES", self.es), ("cme:GC", self.gc), ("cme:6E", self.euro)):
            self.target(symbol, qty=qty)

    def on_margin_call(self, call: MarginCall) -> None:
        """Half of what is left, towards nothing."""
        for symbol in self.symbols:
            self.target(symbol, qty=int(self.position(symbol) / 2))


class TwoVenues(Strategy):
    """Half of the USDT account in bitcoin, evened out monthly, beside one ES."""

    weight = 0.5

    def on_start(self) -> None:
        """One ES for the whole time."""
        self._month = 0
        self.target("cme:ES", qty=1)

    def on_bar(self, bar: Bar) -> None:
        """On the first bar of a month, back to the weight."""
        if bar.symbol == "binance_um:BTCUSDT" and bar.ts.month != self._month:
            self._month = bar.ts.month
            self.target(bar.symbol, weight=self.weight)


@dataclass(frozen=True)
class DemoRun:
    """One run of the demonstration."""

    name: str
    folder: str
    strategy: Callable[[], Strategy]
    symbols: tuple[str, ...]
    start: str
    end: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoPart:
    """A part of the page with its runs."""

    title: str
    text: str
    runs: tuple[DemoRun, ...]


def _bitcoin(day: str, start: str, end: str) -> tuple[DemoRun, ...]:
    """The same position twice: with a fourteenth of the account behind it, and with all of it."""

    def run(margin: str, leverage: int) -> DemoRun:
        return DemoRun(
            f"BTCUSDT {margin} {leverage}x, {day}",
            f"btc-{margin}-{leverage}x-{day[:4]}",
            lambda: Hold(symbol="binance_um:BTCUSDT", notional=280_000.0, again=margin == "isolated"),
            ("binance_um:BTCUSDT",),
            start,
            end,
            {"cash": 100_000, "leverage": leverage, "margin": margin, "rules_as_of": BRACKETS},
        )

    return run("isolated", 20), run("cross", 3)


def _ena(name: str, folder: str, start: str, end: str, leverage: int) -> DemoRun:
    return DemoRun(
        name,
        folder,
        lambda: Hold(symbol="binance_um:ENAUSDT", notional=30_000.0),
        ("binance_um:ENAUSDT",),
        start,
        end,
        {"cash": 40_000, "leverage": leverage, "margin": "isolated", "rules_as_of": BRACKETS},
    )


DEMO: tuple[DemoPart, ...] = (
    DemoPart(
        "Bitcoin through three crashes: BTCUSDT, isolated 20x and cross 3x",
        "A long of 280,000 USDT, opened about five days before the crash. Isolated at 20x, 14,000 USDT stand behind "
        "it and nothing else can be lost at a time: it goes at a fall of about 4.6 %, and is bought again at the next "
        "midnight. Cross at 3x, the whole account of 100,000 USDT stands behind it: it rides through smaller falls "
        "and takes everything along when it goes.\n"
        "The exchange's brackets of the time are not recorded; those of 2026-05 are used.",
        (
            *_bitcoin("2020-03-12", "2020-03-06T23:00:00Z", "2020-03-20"),
            *_bitcoin("2021-05-19", "2021-05-13T23:00:00Z", "2021-05-27"),
            *_bitcoin("2025-10-10", "2025-10-04T23:00:00Z", "2025-10-18"),
        ),
    ),
    DemoPart(
        "Funding every four hours: ENAUSDT",
        "A long of 30,000 USDT. At 1x hardly any fall can liquidate it, and it collects or pays every stamp for a "
        "year; the same position at 2x has half the margin behind it; at 3x it is opened five days before 2025-10-10, "
        "when the mark collapsed within one hour.\n"
        "The exchange's brackets of the time are not recorded; those of 2026-05 are used.",
        (
            _ena("ENAUSDT isolated 1x, a year", "ena-isolated-1x", "2025-05-01T00:00:00Z", "2026-05-01", 1),
            _ena("ENAUSDT isolated 2x, a year", "ena-isolated-2x", "2025-05-01T00:00:00Z", "2026-05-01", 2),
            _ena("ENAUSDT isolated 3x, 2025-10-10", "ena-isolated-3x", "2025-10-04T23:00:00Z", "2025-10-18", 3),
        ),
    ),
    DemoPart(
        "A rolled book at CME: ES, GC and 6E, 2012-04 to 2020-11",
        "Two ES and two GC long, two 6E short, on daily marks: variation margin every day, initial and maintenance "
        "margins of the date, every contract rolled at the calendar's date with both legs at prices of one time. When "
        "margin is called, the strategy halves the book.",
        (
            DemoRun(
                "ES + GC + 6E, rolled",
                "cme-book",
                Book,
                ("cme:ES", "cme:GC", "cme:6E"),
                "2012-04-01",
                "2020-11-01",
                {"cash": 80_000},
            ),
        ),
    ),
    DemoPart(
        "Two exchanges on one clock: BTCUSDT and ES in 2020",
        "One strategy, two accounts, no margin across them. The total in USD counts one USDT as one USD, and says so.",
        (
            DemoRun(
                "BTCUSDT + ES, 2020",
                "two-venues",
                TwoVenues,
                ("binance_um:BTCUSDT", "cme:ES"),
                "2020-01-02",
                "2020-11-01",
                {
                    "cash": {"USDT": 50_000, "USD": 50_000},
                    "leverage": 3,
                    "rules_as_of": BRACKETS,
                    "report_currency": "USD",
                },
            ),
        ),
    ),
)

#: Names of the runs, in the order of what `run_demo` returns.
NAMES: tuple[str, ...] = tuple(run.name for part in DEMO for run in part.runs)


def run_demo(
    out: Path,
    *,
    data_root: Path | None,
    progress: Callable[[str, int, int], None] | None = None,
    echo: Callable[[str], None] = print,
    parts: tuple[DemoPart, ...] = DEMO,
) -> list[Result]:
    """Run everything, keep each run's record in a folder under `out`, write out/report.html.

    data_root: the folder of real files, laid out as `data.catalog` reads it. Without one, or where it is no folder,
    the same code runs on the synthetic market. progress: called with the name of what begins, how many steps are
    done, and how many there are. echo: takes each line of text for the user. parts: what to run, `DEMO` as a rule.
    """
    out = Path(out)
    root = Path(data_root) if data_root is not None and Path(data_root).is_dir() else None
    if root is not None:
        market = f"real history from {data_root}"
    else:
        named = "no data folder is named" if data_root is None else f"{data_root} is no folder"
        market = f"the synthetic market (seed {SEED}), because {named}: prices of our own making, not of an exchange"
    echo(f"Running on {market}.")
    steps = sum(len(part.runs) for part in parts) + 1
    results: list[Result] = []
    for run in (run for part in parts for run in part.runs):
        if progress is not None:
            progress(run.name, len(results), steps)
        data = {symbol: _history(symbol, root) for symbol in run.symbols}
        result = Backtest(run.strategy(), data, start=run.start, end=run.end, **run.settings).run()
        result.record.save(out / run.folder)
        results.append(result)
    if progress is not None:
        progress("report", steps - 1, steps)
    page = write_report(
        results,
        out / "report.html",
        title="novation: a futures exchange at work",
        lead="Perpetuals of Binance and dated futures of CME, traded, funded, settled, rolled, margined and liquidated "
        f"by one simulated exchange, on {market}.",
        sections=[Section(part.title, part.text, tuple(run.name for run in part.runs)) for part in parts],
    )
    if progress is not None:
        progress("done", steps, steps)
    echo(f"The page: {page}")
    return results


def _history(symbol: str, root: Path | None) -> History | ContractChain:
    return load(symbol, root=root) if root is not None else load_synthetic(symbol, seed=SEED)
