"""What an order that rests costs in memory, what adding and cancelling one costs at any depth, and single fills."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from book_matching import door, numbers
from book_replay import LOOK_NS, NAME, exchange, ours
from order_c import CBook
from order_flow import ADD, BEGIN_NS, CANCEL, DAY, SHALLOW, flow_of

from novation.domain.commands import place_market, transfer
from novation.domain.enums import EventKind, MarketEventKind, Side
from novation.domain.market import MARKET_DTYPE
from novation.domain.units import E8
from novation.reference.lookup import Reference
from novation.research.validate.book_model import book_of_nobody
from novation.venues import binance_usdm, book_tables
from novation.venues.venue import Venue

TABLES = ("book", "maker", "side", "chunk", "slot", "page", "price", "resting", "crossing")
PAIRS = 200_000


def filled_book(orders: int, levels: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Requests that fill a book evenly over so many prices, and then pairs: one more at a random price, one that rests,
    chosen at random, cancelled."""
    random = np.random.default_rng(seed)
    middle = 1 << 20
    side = np.where(np.arange(orders + PAIRS) % 2 == 0, 1, -1)
    away = random.integers(0, max(1, levels // 2), orders + PAIRS)
    away[: min(orders, levels)] = np.arange(min(orders, levels)) // 2
    requests = np.ones((orders + PAIRS, 5), np.int64)
    requests[:, 0], requests[:, 1], requests[:, 2] = ADD, np.arange(orders + PAIRS), side
    requests[:, 3] = np.where(side > 0, middle - away, middle + 1 + away)
    pairs = np.repeat(requests[orders:], 2, axis=0)
    rests = np.arange(orders)
    chosen = random.integers(0, orders, PAIRS)
    for i, at in enumerate(chosen.tolist()):
        pairs[2 * i + 1, :2] = CANCEL, rests[at]
        rests[at] = orders + i
    return requests[:orders], pairs


def one_depth(c: CBook | None, orders: int, levels: int, rounds: int) -> dict[str, Any]:
    """Nanoseconds of an add and a cancellation, ours and in C, and our bytes an order."""
    fill, pairs = filled_book(orders, levels)
    both = np.concatenate([fill, pairs])
    venue, rows, state = book_of_nobody(), numbers(both), np.zeros(2, np.int64)
    call = door()
    found: dict[str, Any] = {"ours": [], "C": []}

    def run(requests: np.ndarray) -> float:
        done, seconds = 0, 0.0
        while done < len(requests):
            begin = time.process_time()
            done = call(venue.heads, requests, rows, done, state)
            seconds += time.process_time() - begin
            if done < len(requests):
                book_tables.grow(venue)
        return seconds

    for _ in range(rounds):
        venue = book_of_nobody()
        rows[:] = -1
        run(fill)
        found["bytes"] = sum(venue.table(name).nbytes for name in TABLES) / orders
        used = int((venue.table("page")["used"] != 0).sum())
        found["used"] = (96 * orders + used * (16 + 32 * 40)) / orders
        found["ours"].append(1e9 * run(pairs) / PAIRS)
        if c:
            whole = c.match(both, orders + 2)["cpu"] - c.match(fill, orders + 2)["cpu"]
            found["C"].append(1e9 * whole / PAIRS)
    return found


def full_day(rounds: int) -> dict[str, Any]:
    """Seconds of a day of ten million messages with a strategy that looks every 100 ms, and every 10 ms."""
    flow = flow_of(DAY)
    ours(flow_of(SHALLOW))  # compiled by now
    found: dict[str, Any] = {"rows": len(flow.rows), "orders": flow.slots}
    found["hours"] = (int(flow.rows["ts_ns"][-1]) - BEGIN_NS) / 3.6e12
    for every in (10 * LOOK_NS, LOOK_NS):
        runs = [ours(flow, every) for _ in range(rounds)]
        found[f"{every // 1_000_000} ms"] = {
            "seconds": [run["seconds"] for run in runs],
            "placed": runs[0]["placed"],
            "fills": runs[0]["fills"],
        }
    return found


def bar_venue() -> Venue:
    """An exchange that fills at the prices of bars."""
    reference = Reference.default()
    terms = reference.terms(NAME, BEGIN_NS, BEGIN_NS + 1)[:1]
    venue = Venue(binance_usdm.RULES, [reference.instrument(NAME)], [terms])
    rows = np.zeros(1, MARKET_DTYPE)
    rows["ts_ns"], rows["kind"] = BEGIN_NS, int(MarketEventKind.BAR_OPEN)
    rows["mark_e8"] = rows["last_e8"] = 110_000 * E8
    venue.advance(BEGIN_NS, rows)
    return venue


def single_fills(count: int = 20_000) -> dict[str, list[float]]:
    """Percentiles (50, 90, 99, 99.9, 100) in microseconds of `Venue.submit` of a market order that fills at once: at
    the price of a bar, and among the orders of a recorded book, one and about a hundred makers."""
    flow = flow_of(SHALLOW)
    bar = bar_venue()
    bar.submit(transfer(0, 10_000_000 * E8))
    books = [exchange(SHALLOW.middle) for _ in range(2)]
    for book in books:
        book.attach_flow(0, flow.rows, flow.slots)
        book.advance(BEGIN_NS + 10**9)
    found = {}
    # the record goes on between orders: what was taken comes again
    for name, venue, lots, runs, step_ns in (
        ("at the price of a bar", bar, 1, count, 0),
        ("from a book, one maker", books[0], 1, count, 2_000_000),
        ("from a book, many makers", books[1], 200, 140, 400_000_000),
    ):
        us, fills = [], 0
        for i in range(runs):
            if step_ns:
                venue.advance(venue.clock_ns + step_ns)
            command = place_market(0, 0, Side.BUY if i % 2 else Side.SELL, lots)
            begin = time.perf_counter_ns()
            events = venue.submit(command)
            us.append((time.perf_counter_ns() - begin) / 1e3)
            fills += sum(1 for event in events if event.kind == EventKind.FILL)
        found[f"{name} ({fills / runs:.1f} fills)"] = [float(x) for x in np.percentile(us, [50, 90, 99, 99.9, 100])]
    return found


def bytes_of_rows() -> dict[str, int]:
    """Bytes of a row of the tables that grow with orders and prices."""
    from novation.engine.layout import DTYPES

    return {name: DTYPES[name].itemsize for name in ("resting", "page", "price", "slot", "chunk", "crossing", "order")}


__all__ = ["bytes_of_rows", "filled_book", "full_day", "one_depth", "single_fills"]
