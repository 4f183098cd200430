"""Matching requests with each other: adds, cancellations, amendments and takers, in one call and one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from book_replay import Peer, exchange
from order_flow import ADD, AMEND, CANCEL, FILL, ID, KIND, LOTS, PRICE, SHALLOW, SIDE, TRADE, flow_of

from novation._jit import entry_point, kernel
from novation.domain.commands import COMMAND_DTYPE, Command
from novation.domain.enums import CommandKind, EventKind, OrderKind
from novation.domain.events import EVENT_DTYPE
from novation.engine.book import GROW, best_of, drop, first_at, is_better, shrink, side_place
from novation.engine.parametric import NO_PRICE
from novation.engine.simulated import add_simulated
from novation.engine.state import contract_, market_, resting_
from novation.research.validate.book_model import book_of_nobody
from novation.venues import book_tables
from novation.venues.venue import Venue

_ADD, _CANCEL, _AMEND, _TAKE = ADD, CANCEL, AMEND, TRADE
ACCOUNTS = 256
ENGINES = ("limit_order_book", "orderly_chaos", "liquibook", "litebook", "lightmatchingengine")


def requests_of(count: int) -> np.ndarray:
    """Requests, int64 (count, 5): kind, number, side, price, lots. What rows of a flow were, their fills left out: the
    matching has to find these."""
    flow = flow_of(replace(SHALLOW, rows=int(1.25 * count) + 10_000, shrinks=0.0))
    made = flow.made[flow.made[:, KIND] != FILL][:count]
    assert len(made) == count
    FILLED.clear()
    FILLED.update(_filled(flow.made))
    requests = np.ascontiguousarray(made[:, [KIND, ID, SIDE, PRICE, LOTS]])
    takers = requests[:, 0] == TRADE
    requests[takers, 1] = (1 << 30) + np.arange(int(takers.sum()))
    return requests


#: By (number, lots, price) of an amendment what has been filled of the order until then, which a command counts in.
FILLED: dict[tuple[int, int, int], int] = {}


def _filled(made: np.ndarray) -> dict[tuple[int, int, int], int]:
    so_far: dict[int, int] = {}
    found = {}
    some = made[(made[:, KIND] == FILL) | (made[:, KIND] == AMEND)]
    for kind, number, price, lots in some[:, [KIND, ID, PRICE, LOTS]].tolist():
        if kind == FILL:
            so_far[number] = so_far.get(number, 0) + lots
        elif number in so_far:
            found[number, lots, price] = so_far[number]
    return found


@kernel
def taken(venue, side, limit, market, lots, state):
    """A taker meets the best orders of the other side within its limit; lots left."""
    place = side_place(venue, 0, -side)
    while lots > 0:
        ticks = best_of(venue, place)
        if ticks == NO_PRICE or (market == 0 and is_better(place, limit, ticks)):
            return lots
        row = first_at(venue, place, ticks)
        market_(venue, 0).last_e8 = ticks * contract_(venue, 0).tick_e8
        traded = min(lots, resting_(venue, row).shown)
        lots -= traded
        state[0] += 1
        if shrink(venue, row, traded):
            drop(venue, row)
    return lots


@kernel
def one(venue, kind, number, side, price, lots, rows, state):
    """Do one request; False where the tables have to grow. Then what is left of it is done again."""
    if kind in (_CANCEL, _AMEND) and rows[number] >= 0:
        drop(venue, rows[number])
        rows[number] = -1
        if kind == _CANCEL:
            return True
    if state[1] == 0:
        state[1] = 1 + taken(venue, side, price, kind == _TAKE, lots, state)
    if kind != _TAKE and state[1] > 1:
        row = add_simulated(venue, 0, side, price, state[1] - 1)
        if row == GROW:
            return False
        rows[number] = row
    state[1] = 0
    return True


@kernel
def batch(heads, requests, rows, first, state):
    """Do requests from one on; the next one to do. rows: by number the row where an order stands. state: trades, 1 +
    lots left of the request in hand."""
    venue = heads[0]
    for i in range(first, requests.shape[0]):
        r = requests[i]
        if not one(venue, r[0], r[1], r[2], r[3], r[4], rows, state):
            return i
    return requests.shape[0]


@kernel
def one_call(heads, kind, number, side, price, lots, rows, state):
    """Do one request that comes from Python."""
    return one(heads[0], kind, number, side, price, lots, rows, state)


@cache
def timed_batch() -> Any:
    """`batch` that notes the processor's time stamp after each request."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def stamp(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            function = builder.module.declare_intrinsic(
                "llvm.readcyclecounter", fnty=ir.FunctionType(ir.IntType(64), [])
            )
            return builder.call(function, [])

        return types.int64(), generate

    @kernel
    def timed(heads, requests, rows, first, state, stamps):  # type: ignore[no-untyped-def]
        venue = heads[0]
        for i in range(first, requests.shape[0]):
            r = requests[i]
            if not one(venue, r[0], r[1], r[2], r[3], r[4], rows, state):
                return i
            stamps[i] = stamp()
        return requests.shape[0]

    return timed


def numbers(requests: np.ndarray) -> np.ndarray:
    """Room for the rows of all orders, by number."""
    return np.full(int(requests[requests[:, 0] == ADD, 1].max()) + 1, -1, np.int64)


def _best(venue: Venue) -> list[int]:
    view = venue.book(0, depth=1)
    return [view.bids[0].price_ticks, view.asks[0].price_ticks]


@cache
def door() -> Any:
    """`batch` as it is called: the compiled code itself. A kernel's call from Python looks at its source each time."""
    heads, state = book_of_nobody().heads, np.zeros(2, np.int64)
    return entry_point(batch, heads, np.zeros((1, 5), np.int64), state, 0, state)


def bare(requests: np.ndarray, stamps: np.ndarray | None = None) -> dict[str, Any]:
    """All requests in one call on the bare book (and one more for each time that its tables grow)."""
    venue, rows, state = book_of_nobody(), numbers(requests), np.zeros(2, np.int64)
    done, call = 0, door()
    timed = timed_batch() if stamps is not None else None
    begin, cpu = time.perf_counter(), time.process_time()
    while done < len(requests):
        if timed is None:
            done = call(venue.heads, requests, rows, done, state)
        else:
            done = timed(venue.heads, requests, rows, done, state, stamps)
        if done < len(requests):
            book_tables.grow(venue)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    return {"seconds": seconds, "cpu": cpu, "trades": int(state[0]), "best": _best(venue)}


def bare_one_by_one(requests: np.ndarray, each: bool = False) -> dict[str, Any]:
    """A call from Python for each request."""
    venue, rows, state = book_of_nobody(), numbers(requests), np.zeros(2, np.int64)
    door = entry_point(one_call, venue.heads, 0, 0, 0, 0, 0, rows, state)
    heads, ns = venue.heads, []
    now = time.perf_counter_ns
    listed = requests.tolist()
    begin, cpu = time.perf_counter(), time.process_time()
    for kind, number, side, price, lots in listed:
        if each:
            start = now()
        while not door(heads, kind, number, side, price, lots, rows, state):
            book_tables.grow(venue)
        if each:
            ns.append(now() - start)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    return {"seconds": seconds, "cpu": cpu, "trades": int(state[0]), "best": _best(venue), "ns": ns}


def commands_of(requests: np.ndarray) -> np.ndarray:
    """The requests as commands of accounts. Every order gets the next id, an amended one keeps its own."""
    kind, number = requests[:, 0], requests[:, 1]
    commands = np.zeros(len(requests), COMMAND_DTYPE)
    placed = (kind == ADD) | (kind == TRADE)
    ids = np.cumsum(placed)
    order_of = numbers(requests)
    order_of[number[kind == ADD]] = ids[kind == ADD]
    others = (kind == CANCEL) | (kind == AMEND)
    commands["order"][others] = order_of[number[others]]
    commands["kind"] = np.select(
        [placed, kind == CANCEL], [int(CommandKind.PLACE), int(CommandKind.CANCEL)], int(CommandKind.AMEND)
    )
    commands["account"] = number % ACCOUNTS
    commands["side"] = np.where(placed, requests[:, 2], 0)
    commands["order_kind"] = np.where(kind == TRADE, int(OrderKind.MARKET), int(OrderKind.LIMIT))
    commands["lots"] = np.where(kind == CANCEL, 0, requests[:, 4])
    for i in np.flatnonzero(kind == AMEND).tolist():
        commands["lots"][i] += FILLED.get((int(number[i]), int(requests[i, 4]), int(requests[i, 3])), 0)
    commands["price_ticks"] = np.where((kind == ADD) | (kind == AMEND), requests[:, 3], 0)
    return commands


def _told(venue: Venue) -> dict[str, Any]:
    rows = np.frombuffer(b"".join(venue.drain()), EVENT_DTYPE)
    kinds = rows["kind"]
    refused = kinds == int(EventKind.ORDER_REJECTED)
    refused |= kinds == int(EventKind.COMMAND_REJECTED)
    return {
        "trades": int((kinds == int(EventKind.FILL)).sum()) // 2,
        "refused": int(refused.sum()),
        "events": len(rows),
    }


def with_accounts(requests: np.ndarray) -> dict[str, Any]:
    """All requests as commands of 256 accounts in one call: margin, fees, positions, events and their hash."""
    commands = commands_of(requests)
    venue = exchange(SHALLOW.middle, ACCOUNTS, orders=1 << 14, buffer=1 << 16)
    begin, cpu = time.perf_counter(), time.process_time()
    venue.submit_all(commands)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    return {"seconds": seconds, "cpu": cpu, "best": _best(venue), **_told(venue)}


def submitted(requests: np.ndarray) -> dict[str, Any]:
    """One `Venue.submit` for each request, events back as objects."""
    fields = commands_of(requests)
    names = COMMAND_DTYPE.names or ()
    commands = [Command(**dict(zip(names, row, strict=True))) for row in fields.tolist()]
    venue = exchange(SHALLOW.middle, ACCOUNTS, orders=1 << 14)
    now, ns = time.perf_counter_ns, []
    trades = 0
    begin, cpu = time.perf_counter(), time.process_time()
    for command in commands:
        start = now()
        events = venue.submit(command)
        ns.append(now() - start)
        trades += sum(1 for event in events if event.kind == EventKind.FILL)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    return {
        "seconds": seconds,
        "cpu": cpu,
        "trades": trades // 2,
        "best": _best(venue),
        "ns": ns,
        "kinds": requests[:, 0],
    }


def engines(python: Path | None, requests: np.ndarray, folder: Path) -> dict[str, Callable[..., dict[str, Any]]]:
    """The engines that run here, by name."""
    found: dict[str, Callable[..., dict[str, Any]]] = {}
    if python is None:
        return found
    path = folder / "requests.npy"
    np.save(path, requests)
    for engine in ENGINES:
        try:
            peer = Peer(python, "matching_engines.py", engine, str(path))
            peer.round("100")
        except RuntimeError:
            continue
        found[peer.about["name"]] = lambda n, each="", peer=peer: peer.round(f"{n} {each}".strip())
    return found
