"""Bars per second: a 10/50 cross of closes over every hourly BTCUSDT bar, beside NautilusTrader.

Always 0.010 BTC long or short; one market order a cross. Timed: the loop alone, everything else done before.
Ours pays funding, tests margin at the mark's extremes, samples the account at every bar; the peer does not.
"""

from __future__ import annotations

import gc
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

import novation as nv
from novation.data.catalog import load
from novation.data.synthetic import load_synthetic
from novation.domain import commands
from novation.engine.strategy import buy, sell
from novation.reference.lookup import Reference
from novation.research.assembly import Assembly, VenuePlan, assemble
from novation.research.driver import Driver, SimulatedExchange
from novation.trading.broker import Broker
from novation.trading.rollover import Rollover
from novation.venues.markets import Markets

SYMBOL = "binance_um:BTCUSDT"
FAST, SLOW, LOTS = 10, 50, 10
CASH = 100_000 * 10**8
#: The brackets of one day, because those of the time were not recorded; the smallest notional of before 2023, because
#: 0.01 BTC was worth less than today's in 2020 and the peer refuses nothing.
RULES: dict[str, Any] = {
    "rules_as_of": {"binance_um/brackets": "2026-05-01"},
    "overrides": {"BTCUSDT": {"min_notional": 5}},
}


class Cross(nv.Strategy):
    """10/50 cross of closes, sums kept up from bar to bar."""

    def on_start(self) -> None:
        self.n, self.fast, self.slow, self.side = 0, 0.0, 0.0, 0
        self.ring = [0.0] * SLOW

    def on_bar(self, bar: Any) -> None:
        close, ring, n = bar.close, self.ring, self.n
        self.slow += close - ring[n % SLOW]
        self.fast += close - ring[(n - FAST) % SLOW] if n >= FAST else close
        ring[n % SLOW] = close
        self.n = n + 1
        if n + 1 >= SLOW:
            side = 1 if self.fast * SLOW > self.slow * FAST else -1
            if side != self.side:
                qty = 0.010 * abs(side - self.side)
                self.side = side
                self.buy("BTCUSDT", qty) if side > 0 else self.sell("BTCUSDT", qty)


@nv.compiled(n="i8", side="i8", fast="f8", slow="f8", ring=("f8", SLOW))
def compiled_cross(venue: Any, bar: Any, my: Any) -> None:
    close, n = bar.last_e8 / 1e8, my.n
    my.slow += close - my.ring[n % SLOW]
    if n >= FAST:
        my.fast += close - my.ring[(n - FAST) % SLOW]
    else:
        my.fast += close
    my.ring[n % SLOW] = close
    my.n = n + 1
    if n + 1 >= SLOW:
        side = 1 if my.fast * SLOW > my.slow * FAST else -1
        if side != my.side:
            lots = LOTS * abs(side - my.side)
            my.side = side
            if side > 0:
                buy(venue, bar.instrument, lots)
            else:
                sell(venue, bar.instrument, lots)


def plan_of(real: bool) -> tuple[Assembly, VenuePlan]:
    """The bars, real or synthetic, with their rules."""
    reference = Reference.default(**RULES)
    plan = assemble({SYMBOL: history(real)}, None, reference=reference, start_ns=None, end_ns=None)
    return plan, plan.plans["binance_um"]


def history(real: bool) -> Any:
    """The source of the bars."""
    return load(SYMBOL) if real else load_synthetic(SYMBOL, seed=0)


def whole_round(source: Any, compiled: bool) -> dict[str, Any]:
    """One `Backtest.run`, from reading the files to the result: seconds of it all."""
    backtest = nv.Backtest(compiled_cross if compiled else Cross(), data={SYMBOL: source}, cash=100_000, **RULES)
    gc.collect()
    begin = time.perf_counter()
    result = backtest.run()
    return {"seconds": time.perf_counter() - begin, "bars": result.manifest["bars"]}


def python_round(plan: Assembly, venue_plan: VenuePlan, strategy: nv.Strategy | None = None) -> dict[str, Any]:
    """One run of a Python strategy, the cross unless another is given: seconds of the driver's loop."""
    venue = venue_plan.build(0)
    venue.log = []
    venue.submit(commands.transfer(0, CASH))
    markets = Markets([venue])
    broker = Broker(SimulatedExchange(markets))
    broker.add_venue("binance_um", 8)
    for line, aliases in plan.lines:
        line.use(line.instrument, line.index, line.terms)  # as if it had never held anything
        broker.add(line, (*aliases, "BTCUSDT"))
    sides = [(venue, venue_plan.symbols, [p.bars for p in venue_plan.prepared])]
    driver = Driver(strategy or Cross(), broker, markets, sides, Rollover(broker, []))
    gc.collect()
    begin, cpu = time.perf_counter(), time.process_time()
    driver.run()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    venue.drain()
    return _outcome(seconds, venue) | {"cpu": cpu, "venue": venue}


def compiled_round(venue_plan: VenuePlan) -> dict[str, Any]:
    """One run of the compiled strategy: seconds of the compiled loop."""
    venue = venue_plan.build(0)
    venue.log = []
    venue.submit(commands.transfer(0, CASH))
    function, record, address = compiled_cross.bind()
    gc.collect()
    begin = time.perf_counter()
    venue.run_compiled(function, address)
    seconds = time.perf_counter() - begin
    del record
    return _outcome(seconds, venue)


def _outcome(seconds: float, venue: nv.Venue) -> dict[str, Any]:
    hashes = (venue.state_hash(), venue.event_hash())
    return {"seconds": seconds, "fills": venue.number("trade_sequence"), "hashes": hashes}


class Peer:
    """NautilusTrader in its own environment and process; a round for each line we send."""

    def __init__(self, python: Path, bars: Any, scratch: Path) -> None:
        prices = (bars.open_e8, bars.high_e8, bars.low_e8, bars.close_e8)
        table = np.column_stack([bars.start_ns, bars.end_ns, *prices])
        np.save(scratch / "bars.npy", table)
        script = Path(__file__).parent / "peers" / "nautilus_cross.py"
        self._process = subprocess.Popen(
            [str(python), str(script), str(scratch / "bars.npy")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.about = self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the peer ended without an answer")
        return json.loads(line)

    def round(self) -> dict[str, Any]:
        """One run of the peer."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
