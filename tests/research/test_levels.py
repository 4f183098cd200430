"""One run on bars and on the order book that was recorded: liquidity differs, and nothing else (`execution.level`)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import novation as nv
from novation.data.flow import Flow
from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.flow import FLOW_DTYPE, LAST, FlowKind
from novation.domain.units import NS, to_ns
from novation.research.config import load_config
from novation.research.result import Result

BTC = "binance_um:BTCUSDT"
BEGIN = to_ns("2026-05-02T00:00Z")
ADD, CANCEL, FILL, TRADE = (int(kind) for kind in (FlowKind.ADD, FlowKind.CANCEL, FlowKind.FILL, FlowKind.TRADE))
BID, ASK = 1, -1


def record(*rows: tuple[float, int, float, float, int, int]) -> Flow:
    """(second, order, price, qty, kind, side) each, on ticks of 0.1 and lots of 0.001."""
    told = [
        (BEGIN + int(at * NS), BEGIN + int(at * NS), order, round(price * 10), round(qty * 1_000), kind, side, LAST)
        for at, order, price, qty, kind, side in rows
    ]
    array = np.array(told, dtype=FLOW_DTYPE)
    return Flow(array, Decimal("0.1"), Decimal("0.001"), "orders", "by hand", np.arange(1, len(told) + 1))


#: Two bids and two asks around 60,000; a sale of 1 in the second second, a purchase of 1 in the fourth; then nothing.
BOOK = [
    (0.1, 1, 59_999.9, 2.0, ADD, BID),
    (0.1, 2, 59_990.0, 5.0, ADD, BID),
    (0.1, 3, 60_000.1, 2.0, ADD, ASK),
    (0.1, 4, 60_010.0, 5.0, ADD, ASK),
]
TAPE = [
    (0.5, 0, 60_000.1, 0.5, TRADE, BID),
    (0.5, 3, 60_000.1, 0.5, FILL, ASK),
    (1.5, 0, 59_999.9, 1.0, TRADE, ASK),
    (1.5, 1, 59_999.9, 1.0, FILL, BID),
    (3.5, 0, 60_000.1, 1.0, TRADE, BID),
    (3.5, 3, 60_000.1, 1.0, FILL, ASK),
    (5.5, 0, 60_000.1, 0.1, TRADE, BID),
    (5.5, 3, 60_000.1, 0.1, FILL, ASK),
]


class Script(nv.Strategy):
    """Does what a dict says at the close of bar n; keeps what it saw."""

    def __init__(self, **actions: Any) -> None:
        super().__init__()
        self.actions = {int(name[1:]): action for name, action in actions.items()}
        self.seen: list[Any] = []
        self.told: list[Any] = []

    def on_bar(self, bar: Any) -> None:
        action = self.actions.get(len(self.seen))
        self.seen.append(bar)
        if action:
            action(self)

    def on_fill(self, fill: Any) -> None:
        self.told.append(fill)


def run(strategy: nv.Strategy, level: str, rows: Any = None, **options: Any) -> Result:
    flow = record(*(rows or [*BOOK, *TAPE]))
    data = {BTC: nv.Recording(flow, bar="1s", funding=options.pop("funding", 0))}
    settings: dict[str, Any] = {"cash": 1_000_000, "rules_as_of": "2026-05-01", **options}
    return nv.Backtest(strategy, data, level=level, **settings).run()  # type: ignore[arg-type]


def fills(result: Result) -> list[tuple[float, float]]:
    return result.frame("fills").select("qty", "price").rows()


def test_a_market_order_pays_the_open_on_bars_and_walks_the_book_on_the_book() -> None:
    """Sent as the first second closes. Bars: 59,999.9, where the next opens. Book: 1.5 at 60,000.1, then 0.5."""
    scripts = {level: Script(n0=lambda s: s.buy(BTC, 2)) for level in ("L2", "L3")}
    found = {level: run(script, level) for level, script in scripts.items()}
    assert fills(found["L2"]) == [(2.0, 59_999.9)]
    assert fills(found["L3"]) == [(1.5, 60_000.1), (0.5, 60_010.0)]
    bars = [
        [(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.extra["volume"]) for bar in s.seen]
        for s in scripts.values()
    ]
    assert bars[0] == bars[1]
    assert [row[1:] for row in bars[0]] == [
        (60_000.1, 60_000.1, 60_000.1, 60_000.1, 0.5),
        (59_999.9, 59_999.9, 59_999.9, 59_999.9, 1.0),
        (60_000.1, 60_000.1, 60_000.1, 60_000.1, 1.0),
        (60_000.1, 60_000.1, 60_000.1, 60_000.1, 0.1),
    ]
    for result in found.values():  # the same fee, of another value
        for fill in result.frame("fills").iter_rows(named=True):
            assert fill["fee"] == pytest.approx(fill["qty"] * fill["price"] * 0.0005, abs=1e-8)
    assert len(found["L2"].equity) == len(found["L3"].equity) == 4


def test_a_stop_waits_for_a_trade_of_the_recorded_book() -> None:
    """Long from the first close on; the sale of the second second trades at 59,999.9, and the stop meets that bid."""

    def enter(s: Script) -> None:
        s.buy(BTC, 0.1)
        s.close_at(BTC, stop=59_999.9, take_profit=60_100)

    result = run(Script(n0=enter), "L3")
    assert fills(result) == [(0.1, 60_000.1), (-0.1, 59_999.9)]
    assert result.frame("orders")["status"].to_list() == ["filled", "filled", "cancelled"]


def test_a_limit_order_waits_for_a_bar_to_trade_through_it_or_for_its_queue() -> None:
    """Bid at 59,999.9 behind 1: bars never trade below it; in the book a sale of 1.4 reaches it."""
    rows = [
        *BOOK,
        *TAPE,
        (6.5, 0, 59_999.9, 1.4, TRADE, ASK),
        (6.5, 1, 59_999.9, 1.0, FILL, BID),
        (7.5, 0, 60_000.1, 0.1, TRADE, BID),
    ]
    orders = {level: Script(n1=lambda s: s.buy(BTC, 1, 59_999.9)) for level in ("L2", "L3")}
    on_bars, on_book = (run(script, level, rows) for level, script in orders.items())
    assert fills(on_bars) == []
    assert fills(on_book) == [(0.4, 59_999.9)]
    assert on_book.frame("orders").select("filled", "status").rows() == [(0.4, "open")]
    assert [fill.maker for fill in orders["L3"].told] == [True]


def test_what_is_not_liquidity_is_the_same() -> None:
    """Equity, funding and margin of the same position at the same marks."""
    hold = {level: Script(n0=lambda s: s.buy(BTC, 1)) for level in ("L2", "L3")}
    rows = [
        *BOOK,
        (0.5, 0, 60_000.1, 0.5, TRADE, BID),
        (0.5, 3, 60_000.1, 0.5, FILL, ASK),
        *[(at + 0.5, 0, 60_000.1, 0.1, TRADE, BID) for at in range(1, 10)],
    ]
    funding = pl.DataFrame({"ts": [BEGIN + 5 * NS], "funding_rate": [0.001]})
    results = [run(script, level, rows, funding=funding) for level, script in hold.items()]
    assert fills(results[0]) == fills(results[1]) == [(1.0, 60_000.1)]
    for table in ("funding", "fees", "positions", "equity"):
        left, right = (result.frame(table).drop("sequence", strict=False) for result in results)
        assert left.equals(right), table
    assert results[0].frame("funding")["amount"].to_list() == [-60.0001]


def test_a_liquidation_meets_the_book() -> None:
    """3 bought with 50 times; the market falls: on bars it goes at the mark, on the book into the bids there are."""
    rows = [
        *BOOK,
        *TAPE[:2],
        (1.5, 0, 60_000.1, 0.1, TRADE, BID),
        (2.2, 1, 59_999.9, 2.0, CANCEL, BID),
        (2.2, 2, 59_990.0, 5.0, CANCEL, BID),
        (2.3, 5, 59_000.0, 9.0, ADD, BID),
        *[(at, 0, 59_000.0, 0.5, TRADE, ASK) for at in (2.5, 3.5, 4.5)],
    ]
    settings = {"cash": 3_500, "leverage": 100}
    results = [run(Script(n0=lambda s: s.buy(BTC, 3)), level, rows, **settings) for level in ("L2", "L3")]
    for result in results:
        assert result.frame("liquidations").height > 0
    assert {price for qty, price in fills(results[1]) if qty < 0} == {59_000.0}


def test_a_saved_run_and_a_configuration_say_the_level(tmp_path: Path) -> None:
    result = run(Script(n0=lambda s: s.buy(BTC, 1)), "L3")
    kept = Result.load(result.save(tmp_path / "run"))
    assert kept.manifest["execution"]["level"] == "L3"
    said = "\n".join(kept.cautions)
    assert "trades on its recorded book, order by order: nobody reacts to our orders, which arrive at once" in said
    assert "fills on the recorded order book" in said


def test_what_cannot_be_is_refused() -> None:
    flow = record(*BOOK, *TAPE)
    bars = nv.Recording(flow, funding=0)
    for options, message in (
        ({"level": "L4"}, 'level: is "L2" or "L3"'),
        ({"level": "L3", "spread_bps": 1}, "spread_bps: is of bars"),
        ({"level": "L3", "slippage": True}, "slippage: is of bars"),
        ({"level": "L3", "participation": 0.1}, "participation: is of bars"),
        ({"level": "L3", "bar_path": "low_first"}, "bar_path: is of bars"),
    ):
        with pytest.raises(ConfigError, match=message):
            nv.Backtest(nv.Strategy(), {BTC: bars}, **options)  # type: ignore[arg-type]
    frame = pl.DataFrame(
        {"ts": [0, NS], "open": [1.0, 1.0], "high": [1.0, 1.0], "low": [1.0, 1.0], "close": [1.0, 1.0]}
    )
    with pytest.raises(ConfigError, match="has no recording of its order book"):
        nv.Backtest(nv.Strategy(), {BTC: nv.History(frame, funding=0)}, level="L3").run()
    with pytest.raises(ConfigError, match="a recording is of one contract"):
        nv.Backtest(nv.Strategy(), {"cme:ES": bars}, level="L3").run()
    with pytest.raises(InvalidInput, match="nothing traded in it"):
        nv.Backtest(nv.Strategy(), {BTC: nv.Recording(record(*BOOK), funding=0)}, rules_as_of="2026-05-01").run()
    with pytest.raises(InvalidInput, match="is a Flow or the path of a file"):
        nv.Recording(5)  # type: ignore[arg-type]
    coarse = Flow(flow.rows, Decimal("0.015"), Decimal("0.001"), "orders", "by hand", flow.records)
    with pytest.raises(InvalidInput, match=r"counts in ticks of 0\.015"):
        nv.Backtest(nv.Strategy(), {BTC: nv.Recording(coarse, funding=0)}, rules_as_of="2026-05-01").run()


@pytest.mark.slow
@pytest.mark.data
def test_real_records_on_both_levels(novation_data: Path, tmp_path: Path) -> None:
    """A capture of levels from a configuration, and orders of Globex: a market order of the book pays at least the
    bar's price on average, fees and marks go by the same rules."""
    capture = novation_data / "binance_um/l2_stream/btcusdt_20240808.gz"
    (tmp_path / "mine.py").write_text(
        "import novation as nv\n\n\nclass Flip(nv.Strategy):\n    n = 0\n\n    def on_bar(self, bar):\n"
        "        self.n += 1\n        if self.n % 20 == 0:\n"
        "            self.target(bar.symbol, qty=5 if self.n % 40 else -5)\n"
    )
    values: dict[str, Any] = {
        "strategy": "mine.py:Flip",
        "instruments": [BTC],
        "rules_as_of": "2026-05-01",
        "account": {"cash": 1_000_000},
        "data": {"BTCUSDT": {"flow": str(capture), "bar": "1s", "funding": 0}},
        "execution": {"level": "L3", "lob": {"queue_position_method": "mbp"}},
    }
    book = load_config(values, folder=tmp_path).backtest().run()
    bars = load_config(values | {"execution": {"level": "L2"}}, folder=tmp_path).backtest().run()
    assert book.manifest["bars"] == bars.manifest["bars"] == 344
    assert book.frame("orders").height == bars.frame("orders").height == 17
    traded = [result.frame("fills").select(pl.col("qty").abs().sum()).item() for result in (bars, book)]
    assert traded[0] == pytest.approx(traded[1])
    paid = [float((result.frame("fills")["qty"] * result.frame("fills")["price"]).sum()) for result in (bars, book)]
    assert paid[1] > paid[0]  # 0.8 bp of 10 million

    class Once(nv.Strategy):
        def on_start(self) -> None:
            self.sent = False

        def on_bar(self, bar: Any) -> None:
            if not self.sent:
                self.sent = self.buy(bar.symbol, 3) is not None

    record_of_orders = next((novation_data / "cme/l3_mbo").glob("*.zst"))
    source = {"cme:ESH2024": nv.Recording(record_of_orders, bar="1m")}
    es = nv.Backtest(Once(), source, level="L3", cash=1_000_000, rules_as_of="2022-02-01").run()
    assert sum(es.frame("fills")["qty"]) == 3


def test_nothing_trades_after_the_end() -> None:
    """The record goes on; the run ends with its last bar, on either level."""
    later = [(at + 0.5, 0, 60_000.1, 0.01, TRADE, BID) for at in range(12)]
    rows = [*BOOK, *later, (12.2, 0, 59_999.9, 3.0, TRADE, ASK), (14.5, 0, 60_000.1, 0.1, TRADE, BID)]
    for level in ("L2", "L3"):
        result = run(Script(n3=lambda s: s.buy(BTC, 1, 59_000)), level, rows, end="2026-05-02T00:00:10Z")
        assert fills(result) == []
        assert result.summary()["to"] == "2026-05-02 00:00:10"
    result = run(Script(n3=lambda s: s.buy(BTC, 1, 59_999.9)), "L3", rows, end="2026-05-02T00:00:10Z")
    assert fills(result) == []


def test_a_record_that_cannot_be_is_refused() -> None:
    crossed = [(0.1, 2, 60_010.0, 5.0, ADD, BID), (0.1, 3, 60_000.0, 5.0, ADD, ASK)]
    crossed.append((0.5, 0, 60_000.0, 0.1, TRADE, BID))
    with pytest.raises(InvalidInput, match="crossed"):
        run(Script(), "L3", crossed)
    for wrong, message in (({"bar": None}, "bar: is a length"), ({"queue": "best"}, "queue: is one of front, back")):
        with pytest.raises(InvalidInput, match=message):
            nv.Recording(record(*BOOK), **wrong)  # type: ignore[arg-type]


def test_arrival_on_a_book_is_the_last_trade_of_the_record() -> None:
    """Bars of a minute: a trade at 60,010 after 70 seconds, an order as a sale fills a bid at 100 seconds."""

    class Again(nv.Strategy):
        def on_bar(self, bar: Any) -> None:
            if not self.position(BTC):
                self.buy(BTC, 1, 59_999.9)

        def on_fill(self, fill: Any) -> None:
            if fill.qty == 1:
                self.sell(BTC, 0.5)

    taken = [(0.5, 0, 60_000.1, 2.0, TRADE, BID), (0.5, 3, 60_000.1, 2.0, FILL, ASK)]
    taken += [(70.0, 0, 60_010.0, 0.1, TRADE, BID), (70.0, 4, 60_010.0, 0.1, FILL, ASK)]
    taken += [(100.0, 0, 59_999.9, 3.0, TRADE, ASK), (100.0, 1, 59_999.9, 2.0, FILL, BID)]
    rows = [*BOOK, *taken, (190.0, 0, 60_010.0, 0.1, TRADE, BID)]
    flow = record(*rows)
    data = {BTC: nv.Recording(flow, bar="1m", funding=0)}
    result = nv.Backtest(Again(), data, level="L3", cash=1_000_000, rules_as_of="2026-05-01").run()
    first, second = result.transaction_costs(mark_outs=()).orders.sort("ts").rows(named=True)[:2]
    assert (first["arrival"], second["arrival"]) == (60_000.1, 59_999.9)
