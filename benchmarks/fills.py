"""What a fill costs: a market order on every hourly BTCUSDT bar, here, in NautilusTrader and in vectorbt, one run.

0.010 BTC bought and sold in turn, so that each fill opens or closes a position. Every contender runs all bars twice a
round: with an order on each and with none. A fill, all counted: the first run over its fills; one more: the difference
of the two over the fills. CPU time of the loop alone, everything else done before, and of `Portfolio.from_orders`.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import first_light
import numpy as np
from book_replay import Peer

import novation as nv
from novation.domain import commands
from novation.domain.enums import EventKind
from novation.domain.events import EVENT_DTYPE
from novation.domain.units import E8
from novation.engine.strategy import buy, sell
from novation.reference.lookup import Reference
from novation.research.assembly import Assembly
from novation.research.liquidity import RunSlippage, plan_liquidity
from novation.research.venue_plan import VenuePlan
from novation.venues.venue import Venue

LOTS, QTY = 10, 0.010
#: The bar of the first order: by then the bars before it say what takers pay.
FIRST = 24
PARTICIPATION = 0.1
#: Runs that a round is the median of; the slow ones have fewer rounds, of one run.
RUNS, SLOW_ROUNDS = 5, 3
#: The rows of one day for what takers pay: the quotes of 2020 were not measured.
SLIPPAGE_AS_OF = {"binance_um/slippage": "2026-05-01"}
OURS, OURS_SLIPPING = "novation, compiled strategy", "novation, compiled strategy, slippage and participation"

#: A run with orders on every bar, or with none: CPU seconds and the outcome.
Run = Callable[[bool], dict[str, Any]]


class Alternate(nv.Strategy):
    """A market order a bar, buy and sell in turn, from bar FIRST until bar `last`."""

    def __init__(self, last: int) -> None:
        self.last = last

    def on_start(self) -> None:
        self.n, self.long = 0, False

    def on_bar(self, bar: Any) -> None:
        n = self.n
        self.n = n + 1
        if FIRST <= n < self.last:
            self.long = not self.long
            self.buy("BTCUSDT", QTY) if self.long else self.sell("BTCUSDT", QTY)


@nv.compiled(n="i8", long="i8", last="i8")
def compiled_alternate(venue: Any, bar: Any, my: Any) -> None:
    n = my.n
    my.n = n + 1
    if n >= FIRST and n < my.last:
        my.long = 1 - my.long
        if my.long:
            buy(venue, bar.instrument, LOTS)
        else:
            sell(venue, bar.instrument, LOTS)


# -- ours -----------------------------------------------------------------------------------------------------------


def plans(real: bool) -> tuple[tuple[Assembly, VenuePlan], tuple[Assembly, VenuePlan]]:
    """The bars with their rules, without and with slippage and participation."""
    plain, slipping = first_light.plan_of(real), first_light.plan_of(real)
    rules_as_of = first_light.RULES["rules_as_of"] | SLIPPAGE_AS_OF
    plan_liquidity(
        slipping[1],
        Reference.default(**(first_light.RULES | {"rules_as_of": rules_as_of})),
        slippage=RunSlippage(),
        participation_e8=int(PARTICIPATION * E8),
        spread_bps=None,
    )
    return plain, slipping


def compiled_run(venue_plan: VenuePlan, last: int) -> dict[str, Any]:
    """The compiled strategy: CPU seconds of the compiled loop."""
    venue = venue_plan.build(0)
    venue.log = []
    venue.submit(commands.transfer(0, first_light.CASH))
    function, record, address = compiled_alternate.bind()
    record[0]["last"] = last
    gc.collect()
    begin = time.process_time()
    venue.run_compiled(function, address)
    cpu = time.process_time() - begin
    del record
    return {"cpu": cpu} | outcome(venue)


def python_run(plan: Assembly, venue_plan: VenuePlan, last: int) -> dict[str, Any]:
    """The Python strategy: CPU seconds of the driver's loop."""
    found = first_light.python_round(plan, venue_plan, Alternate(last))
    return {"cpu": found["cpu"]} | outcome(found["venue"])


def outcome(venue: Venue) -> dict[str, Any]:
    """Fills, what they were worth and cost, by the events."""
    venue.drain()
    events = np.frombuffer(b"".join(venue.log or []), EVENT_DTYPE)
    fills = events[events["kind"] == int(EventKind.FILL)]
    instrument = venue.instruments[0]
    price = fills["price_ticks"] * (instrument.tick_e8 / E8)
    signed = fills["lots"] * price * (instrument.lot_e8 / E8)
    return {
        "fills": len(fills),
        "traded": float(np.abs(signed).sum()),
        "fees": float(fills["fee"].sum() / E8),
        "bought_less_sold": float(signed.sum()),
    }


# -- what the peers are given ---------------------------------------------------------------------------------------


def write_bars(bars: Any, folder: Path) -> None:
    """The bars for NautilusTrader."""
    prices = (bars.open_e8, bars.high_e8, bars.low_e8, bars.close_e8)
    np.save(folder / "bars.npy", np.column_stack([bars.start_ns, bars.end_ns, *prices]))


def write_orders(venue_plan: VenuePlan, folder: Path) -> None:
    """The orders for vectorbt: the same fees by date, and as slippage what our formula makes of the same rows."""
    bars, planned = venue_plan.prepared[0].bars, venue_plan.liquidity[0]
    n = len(bars)
    size = np.full(n, np.nan)
    size[FIRST + 1 :] = np.where(np.arange(n - FIRST - 1) % 2 == 0, QTY, -QTY)
    since = np.array([terms.effective_ns for terms in venue_plan.terms[0]])
    fee = np.array([terms.taker_fee_e8 / E8 for terms in venue_plan.terms[0]])
    at_ns, rows = planned.rows or (np.zeros(0, np.int64), {})
    row = np.maximum(0, np.searchsorted(at_ns, bars.start_ns, side="right") - 1)
    paid = {name: values[row] / E8 for name, values in rows.items()}
    buying = np.nan_to_num(size) >= 0
    share = LOTS / np.maximum(1, rows["traded_lots"][row])
    beyond = np.where(buying, paid["ask_e8"], paid["bid_e8"])
    beyond += np.where(buying, paid["impact_ask_e8"], paid["impact_bid_e8"]) * share**planned.of.exponent
    open_price = bars.open_e8 / E8
    assert planned.traded_lots is not None
    np.savez(
        folder / "orders.npz",
        start_ns=bars.start_ns,
        open=open_price,
        close=bars.close_e8 / E8,
        size=size,
        fees=fee[np.maximum(0, np.searchsorted(since, bars.start_ns, side="right") - 1)],
        slippage=beyond / open_price,
        max_size=np.floor(planned.traded_lots * PARTICIPATION) * QTY / LOTS,
    )


def nautilus_runs(python: Path, folder: Path, last: int) -> tuple[Peer, dict[str, Run]]:
    """NautilusTrader's contenders by name."""
    peer = Peer(python, "nautilus_fills.py", str(folder), str(FIRST), str(last))

    def one(model: str) -> Run:
        return lambda orders: peer.round(f"{model} {'all' if orders else 'none'}")

    return peer, {
        peer.about["name"]: one("plain"),
        f"{peer.about['name']}, slips one tick": one("tick"),
    }


def vectorbt_runs(python: Path, folder: Path) -> tuple[Peer, dict[str, Run]]:
    """vectorbt's contenders by name."""
    peer = Peer(python, "vectorbt_fills.py", str(folder))

    def one(what: str, engine: str, model: str) -> Run:
        return lambda orders: peer.round(f"{what} {engine} {model} {'all' if orders else 'none'}")

    found = {}
    for what, said in (("loop", "its simulation alone"), ("call", "`Portfolio.from_orders`")):
        for engine, written in (("numba", "Numba"), ("rust", "Rust")):
            for model, more in (("plain", ""), ("slipping", ", slippage and cap as arrays")):
                found[f"{peer.about['name']} {written}, {said}{more}"] = one(what, engine, model)
    return peer, found


# -- rounds and the page --------------------------------------------------------------------------------------------


def measure(real: bool, rounds: int, nautilus: Path | None, vectorbt: Path | None) -> dict[str, Any]:
    """Nanoseconds by contender and round, and the outcome of its last run."""
    (plan, plain), (_, slipping) = plans(real)
    bars = plain.prepared[0].bars
    n = len(bars)
    end = n - 1  # what is sent as the last bar closes has no open to trade at
    quick: dict[str, Run] = {
        OURS: lambda orders: compiled_run(plain, end if orders else 0),
        OURS_SLIPPING: lambda orders: compiled_run(slipping, end if orders else 0),
    }
    slow: dict[str, Run] = {"novation, Python strategy": lambda orders: python_run(plan, plain, end if orders else 0)}
    peers = []
    found: dict[str, dict[str, list[float]]] = {}
    last: dict[str, dict[str, Any]] = {}
    holding: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_bars(bars, folder)
        write_orders(slipping, folder)
        if vectorbt is not None:
            peer, runs = vectorbt_runs(vectorbt, folder)
            peers.append(peer)
            quick |= runs
        if nautilus is not None:
            peer, runs = nautilus_runs(nautilus, folder, end)
            peers.append(peer)
            slow |= runs
        for name, run in (quick | slow).items():  # not counted
            run(False)
            if name in quick:
                run(True)
        for number in range(rounds):
            holding.append(nanoseconds(lambda _: compiled_run(plain, FIRST + 1), True)[0] / n)
            for name, run in (quick | slow if number < SLOW_ROUNDS else quick).items():
                count = RUNS if name in quick else 1
                none, nothing = nanoseconds(run, False, count)
                every, last[name] = nanoseconds(run, True, count)
                fills = last[name]["fills"]
                if nothing["fills"]:
                    raise RuntimeError(f"{name} filled an order that nobody sent")
                figures = found.setdefault(name, {"whole": [], "more": [], "bar": []})
                figures["whole"].append(every / fills)
                figures["more"].append((every - none) / fills)
                figures["bar"].append(none / n)
        for peer in peers:
            peer.close()
    holding = [held - bar for held, bar in zip(holding, found[OURS]["bar"], strict=True)]
    least = int(slipping.liquidity[0].traded_lots[FIRST:].min()) * QTY / LOTS  # type: ignore[index]
    return {"bars": n, "ns": found, "outcome": last, "holding": holding, "least volume": least}


def nanoseconds(run: Run, orders: bool, count: int = RUNS) -> tuple[float, dict[str, Any]]:
    """CPU nanoseconds of a run, the median of some, and the outcome of the last."""
    found = [run(orders) for _ in range(count)]
    return statistics.median(one["cpu"] for one in found) * 1e9, found[-1]


def report(
    say: Callable[..., None],
    spread: Callable[..., str],
    quick: bool,
    real: bool,
    nautilus: Path | None,
    vectorbt: Path | None,
) -> dict[str, Any]:
    """Measure and print; returns the figures."""
    rounds = SLOW_ROUNDS if quick else 9
    found = measure(real, rounds, nautilus, vectorbt)
    taken, ends = found["ns"], found["outcome"]
    say(
        f"\n{found['bars']:,} hourly BTCUSDT bars ({'real' if real else 'synthetic'}), a market order of 0.010 BTC on "
        f"each from the {FIRST + 1}th on, bought and sold in turn. CPU time; {rounds} rounds in turn, each the median "
        f"of {RUNS} runs, but of NautilusTrader and the Python strategy {SLOW_ROUNDS} rounds of one run; median (least "
        ".. most). *All counted*: the run with orders over its fills, bars and strategy and all. *One more*: that run "
        "less one without orders, over the fills. *A bar*: the run without orders over its bars.\n\n"
        "## Nanoseconds a fill\n"
    )
    say("| contender | all counted | one more | a bar without orders |\n|---|---|---|---|")
    for name, ns in taken.items():
        say(f"| {name} | {spread(ns['whole'])} | {spread(ns['more'])} | {spread(ns['bar'])} |")
    a, b = taken[OURS]["more"], taken[OURS_SLIPPING]["more"]
    say(
        f"\nSlippage and the cap add {spread([y - x for x, y in zip(a, b, strict=True)])} ns to one fill more of ours. "
        "Without orders nobody holds a position; holding one all the time (funding, margin tests, samples) costs us "
        f"{spread(found['holding'])} ns a bar, about half of which is in one more."
    )
    others = [name for name in taken if name not in (OURS, OURS_SLIPPING)]
    say(
        "\n## Its time over ours\n\nOver that of our compiled loop in the same round, without slippage against without "
        "and with against with; below 1 it is faster than we are.\n\n"
        "| contender | all counted | one more |\n|---|---|---|"
    )
    for name in others:
        ours = taken[OURS_SLIPPING if "slip" in name else OURS]
        row = [
            spread([x / y for x, y in zip(taken[name][key], ours[key], strict=False)], "{:,.2f}")
            for key in ("whole", "more")
        ]
        say(f"| {name} | {' | '.join(row)} |")
    say(
        "\n## The same trades\n\nUSDT. What slippage took is what *bought less sold* has more than the row without.\n\n"
        "| contender | fills | traded | fees | bought less sold |\n|---|---|---|---|---|"
    )
    for name, end in ends.items():
        money = " | ".join(f"{end[key]:,.2f}" for key in ("traded", "fees", "bought_less_sold"))
        say(f"| {name} | {end['fills']:,} | {money} |")
    say(NOTES.format(volume=found["least volume"], share=PARTICIPATION))
    if (load := os.getloadavg()[0]) > 2:
        say(
            f"\nNot a quiet machine: load {load:.1f} at the end. CPU time leaves out the turns that others had, not "
            "what they did to caches and memory: trust the ratios and the order of size, not the last digit."
        )
    return found


NOTES = """
## What is not the same

* *novation*: a strategy is called at each bar and its order waits for the next open, where it is checked (bounds,
  smallest notional, margin) and filled on the tick in force, in whole numbers, its fee by the rules of the date.
  Funding is paid, margin tested at the mark's extremes in each bar, and every event kept, in a ledger and a chained
  hash, with samples of account and position at each bar. Slippage is worked out at the fill, from rows of each hour.
* *vectorbt*: no strategy runs: all orders are arrays made before the run. Cash, position and a record an order, in
  floating point; no margin, funding, liquidation, tick, smallest notional, events or samples. Slippage is a fraction by
  bar, worked out before by our formula from the same rows, and not timed; the cap is an array `max_size`. It takes many
  columns in one call; here it has one. Some of what `Portfolio.from_orders` adds is done once a call.
* *NautilusTrader*: a strategy in Python is called at each bar; orders, their events, positions and account states are
  objects, and kept. It fills at the close of the bar that sent the order, its fee fixed, its margin reckoned at each
  fill; no funding, no liquidation, no samples. Its slippage is one tick of 0.01 whatever the size. Of a bar it fills no
  more than its volume, which is out of reach here. No logging, risk checks or analysis. A position that has been closed
  and opens again it stores by pickling: that is in its figure.

The cap is looked at and never binds: a bar trades {volume:,.0f} BTC or more, of which {share:.0%} can be had. Our
slippage is moved to the tick against the taker, so it takes more than vectorbt's."""
