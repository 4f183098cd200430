"""Order by order replay of a recorded flow with one order of ours queued in it, beside C and the peers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import order_flow
from order_c import CBook
from order_flow import BEGIN_NS, Flow

import novation as nv
from novation.domain.book import BookRules
from novation.domain.commands import transfer
from novation.domain.enums import MarketEventKind
from novation.domain.latency import Latency
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8
from novation.engine.book import price_after, side_place
from novation.engine.strategy import best_bid, cancel, is_working, limit, lots_at
from novation.reference.lookup import Reference
from novation.venues import binance_usdm
from novation.venues.venue import Venue

HERE = Path(__file__).resolve().parent
LOOK_NS = 10_000_000
NAME = "binance_um:BTCUSDT"
NO_PRICE = -(1 << 63)
#: Less than a look apart, so that a strategy that keeps one bid keeps one.
DELAYED = Latency.of(2_000_000, 3_000_000, 3_000_000)


@nv.compiled("look", order="i8", ticks="i8", placed="i8")
def keep_a_bid(venue, now_ns, my):  # type: ignore[no-untyped-def]
    """Keep one bid of one lot at the best price that somebody else bids."""
    bid = best_bid(venue, 0)
    working = my.order != 0 and is_working(venue, my.order)
    if working and bid == my.ticks and lots_at(venue, 0, 1, bid) == 1:
        bid = price_after(venue, side_place(venue, 0, 1), bid)
    if bid == NO_PRICE or (working and bid == my.ticks):
        return
    if working:
        cancel(venue, my.order)
    my.order = limit(venue, 0, 1, 1, bid)
    my.ticks = bid
    my.placed += 1


def exchange(middle: int, accounts: int = 1, own_tick: bool = False, **more: Any) -> Venue:
    """An exchange with the book of BTCUSDT and accounts that can pay for everything, marked at a price.

    Its tick is the one in force, 0.10; own_tick: 0.01, of which ten make one, as the venue really has it.
    """
    reference = Reference.default()
    terms = reference.terms(NAME, BEGIN_NS, BEGIN_NS + 1)[0]
    instrument = reference.instrument(NAME)
    if not own_tick:
        instrument = msgspec.structs.replace(instrument, tick_e8=instrument.tick_e8 * terms.tick_step)
        terms = msgspec.structs.replace(terms, tick_step=1)
    venue = Venue(binance_usdm.RULES, [instrument], [[terms]], accounts=accounts, books={NAME: BookRules()}, **more)
    rows = np.zeros(1, MARKET_DTYPE)
    rows["ts_ns"], rows["kind"] = BEGIN_NS - 1, int(MarketEventKind.MARK)
    rows["mark_e8"] = middle * instrument.tick_e8
    venue.advance(BEGIN_NS - 1, rows)
    for account in range(accounts):
        venue.submit(transfer(account, 10_000_000 * E8))
    return venue


def ours(
    flow: Flow, every_ns: int = LOOK_NS, latency: Latency | None = None, *, by_fills: bool = False
) -> dict[str, Any]:
    """One replay on the venue: seconds from the first row to the last, and the outcome."""
    venue = exchange(flow.form.middle, own_tick=flow.form.step > 1)
    venue.attach_flow(0, flow.rows, flow.slots, by_fills=by_fills)
    function, record, address = keep_a_bid.bind()
    begin, cpu = time.perf_counter(), time.process_time()
    venue.run_looking(function, address, every_ns=every_ns, start_ns=BEGIN_NS + every_ns, latency=latency)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    view = venue.book(0, depth=2)
    position = venue.account(0).positions
    return {
        "seconds": seconds,
        "cpu": cpu,
        "placed": int(record[0]["placed"]),
        "fills": position[0].lots if position else 0,
        "best": [view.bids[0].price_ticks, view.asks[0].price_ticks],
        "venue": venue,
    }


def in_c(book: CBook, flow: Flow, peer: bool = False, every_ns: int = LOOK_NS) -> dict[str, Any]:
    """One replay in C."""
    return book.replay(flow.rows, flow.slots, BEGIN_NS + every_ns, every_ns, peer)


class Peer:
    """A peer in an interpreter of its own: a round for each line that it is sent."""

    def __init__(self, python: Path, script: str, *arguments: str) -> None:
        path = HERE / "peers" / script
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [str(python), str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.about = self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the peer ended")
        return dict(json.loads(line))

    def round(self, what: str) -> dict[str, Any]:
        """One round of one of its models."""
        assert self.process.stdin
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def peers_of(python: Path | None, flow: Flow, folder: Path, slow: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """The peers that run here, by name; slow: with those that take many seconds a round."""
    if python is None:
        return {}
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for name, rows in order_flow.converted(flow).items():
        np.save(folder / f"{name}.npy", rows)
    np.save(folder / "rows.npy", order_flow.raw_rows(flow.made))
    wanted = [("hftbacktest_replay.py", ("L3 hash", "L3 vector", "L2 risk-averse", "L2 power"))]
    if slow:
        wanted += [("nautilus_replay.py", ("L3",)), ("lrvx_replay.py", ("L2",))]
    for script, models in wanted:
        try:
            peer = Peer(python, script, str(folder), str(flow.form.middle))
        except RuntimeError:
            continue
        for model in models:
            found[f"{peer.about['name']} {model}"] = lambda peer=peer, model=model: peer.round(model)
    return found
