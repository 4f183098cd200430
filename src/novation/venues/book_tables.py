"""The tables of order books: how they begin and grow, and how a book is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from novation._jit import JIT, address_of, record_table
from novation.domain.book import BookLevel, BookRules, BookView
from novation.domain.digest import Line
from novation.domain.flow import FLOW_DTYPE, FlowKind
from novation.domain.instruments import Instrument
from novation.engine.layout import ASKS, BIDS, CHUNK_BITS, DTYPES, LISTS, PAGE, PAGE_BITS
from novation.rules.rolling_extremes import rolling_words
from novation.venues.tables import HasTables, chain, lengthen

__all__ = ["attach_flow", "book_lines", "fill", "find_flows", "first_rows", "grow", "queue_position", "view"]

#: Pages that a venue with books begins with.
_PAGES = 64
#: Chunks that a list is given beyond what it needs, at most.
_MORE_CHUNKS = 256
#: Columns of the scratch in which auctions find their price: prices and lots of both sides.
_COLUMNS = 4


class ShowsBooks(Protocol):
    """What is read of a venue."""

    books: dict[str, BookRules]
    instruments: tuple[Instrument, ...]

    def number(self, field: str) -> int: ...
    def table(self, name: str) -> Any: ...


class HasBooks(ShowsBooks, HasTables, Protocol):
    """... and what is grown of it."""

    flows: dict[int, np.ndarray]


def first_rows(books: Mapping[str, BookRules], orders: int) -> dict[str, int]:
    """How many rows the tables of books begin with."""
    pages = _PAGES if books else 0
    return {
        "book": len(books),
        "maker": sum(len(rules.lead_makers) for rules in books.values()),
        "side": LISTS * len(books),
        "chunk": 0,
        "slot": 0,
        "page": pages,
        "price": PAGE * pages,
        "resting": orders if books else 0,
        "crossing": _COLUMNS * PAGE * pages,
        "window": sum(rolling_words(rules.velocity.move_ticks) for rules in books.values() if rules.velocity),
    }


def fill(venue: HasBooks, instruments: Sequence[Instrument], books: Mapping[str, BookRules]) -> None:
    """Write the rules of books, and empty lists."""
    makers = words = 0
    row = 0
    for i, instrument in enumerate(instruments):
        rules = books.get(instrument.id)
        if rules is None:
            continue
        b = venue.table("book")[row]
        for name in rules.__struct_fields__:
            if name in (DTYPES["book"].names or ()):
                b[name] = int(getattr(rules, name))
        for name in rules.filters.__struct_fields__:
            b[name] = getattr(rules.filters, name)
        if rules.velocity:
            b["velocity_ticks"], b["velocity_ns"] = rules.velocity.move_ticks, rules.velocity.within_ns
            b["velocity_pause_ns"] = rules.velocity.pause_ns
            b["window_first"], b["window_words"] = words, rolling_words(rules.velocity.move_ticks)
            words += int(b["window_words"])
        if rules.stop_logic:
            b["stop_ticks"], b["stop_thresholds"] = rules.stop_logic.move_ticks, rules.stop_logic.thresholds
            b["stop_pause_ns"], b["stop_most_ns"] = rules.stop_logic.pause_ns, rules.stop_logic.most_ns
        b["by_time"] = int(rules.by_time)
        b["maker_first"], b["maker_count"] = makers, len(rules.lead_makers)
        for share in rules.lead_makers:
            venue.table("maker")[makers] = share
            makers += 1
        row += 1
        venue.table("contract")[i]["book"] = row
    venue.table("side")["top"] = -1
    _empty(venue.table("price"))
    chain(venue.table("resting"), "next", 0)
    venue.head["free_resting"] = 0 if books else -1
    chain(venue.table("page"), "next_free", 0)
    venue.head["free_page"] = 0 if books else -1


def _empty(prices: np.ndarray) -> None:
    prices["first"] = prices["last"] = -1


def attach_flow(venue: HasBooks, row: int, rows: np.ndarray, slots: int, queue: tuple[int, int], by_fills: int) -> None:
    """Give a book a flow, and its orders a row of RESTING each, behind all there are."""
    b = venue.table("book")[row]
    old = len(venue.table("resting"))
    lengthen(venue, "resting", old + slots)
    table = np.ascontiguousarray(rows)
    if not JIT:
        table = table.view(np.dtype((np.record, FLOW_DTYPE)))
    venue.flows[row] = table
    b["flow_rows"], b["flow_next"], b["slots_first"], b["slots"] = len(table), 0, old, slots
    b["of_levels"] = int(np.isin(table["kind"], (FlowKind.LEVEL, FlowKind.TOP)).any())
    b["queue_model"], b["queue_exponent_e8"] = queue
    b["by_fills"] = by_fills
    venue.head["flows"] += 1
    find_flows(venue)


def find_flows(venue: HasBooks) -> None:
    """Tell books where their flows are: of a venue that was restored, somewhere else."""
    for row, table in venue.flows.items():
        venue.table("book")[row]["flow_address"] = address_of(table)


def grow(venue: HasBooks) -> None:
    """Make room for an order at the price of a list that the venue asks for."""
    place, ticks = venue.number("grow_side"), venue.number("grow_ticks")
    venue.head["grow_side"] = -1
    if venue.number("free_resting") < 0:
        old = len(venue.table("resting"))
        lengthen(venue, "resting", 2 * old)
        chain(venue.table("resting"), "next", old)
        venue.head["free_resting"] = old
    s = venue.table("side")[place]
    chunk = ticks >> CHUNK_BITS
    base, chunks = int(s["chunk_base"]), int(s["chunks"])
    if not base <= chunk < base + chunks:
        _reach(venue, place, chunk)
    if venue.number("free_page") < 0:
        venue.head["free_page"] = len(venue.table("page"))
        pages = 2 * len(venue.table("page"))
        lengthen(venue, "page", pages)
        chain(venue.table("page"), "next_free", pages // 2)
        old = len(venue.table("price"))
        lengthen(venue, "price", PAGE * pages)
        _empty(venue.table("price")[old:])
        venue.own("crossing", record_table(DTYPES["crossing"], _COLUMNS * PAGE * pages))


def _reach(venue: HasBooks, place: int, chunk: int) -> None:
    """Let a list reach a chunk, with some room more on that side; its chunks move to the tables' end."""
    s = venue.table("side")[place]
    first, chunks, base = int(s["chunk_first"]), int(s["chunks"]), int(s["chunk_base"])
    low, high = (min(base, chunk), max(base + chunks, chunk + 1)) if chunks else (chunk, chunk + 1)
    more = max(4, min(chunks, _MORE_CHUNKS))
    low, high = (low - more, high) if chunks and chunk < base else (low, high + more)
    end = len(venue.table("chunk"))
    lengthen(venue, "chunk", end + high - low)
    lengthen(venue, "slot", (end + high - low) << PAGE_BITS)
    for name, bits in (("chunk", 0), ("slot", PAGE_BITS)):
        table = venue.table(name)
        to = (end + base - low) << bits
        table[to : to + (chunks << bits)] = table[first << bits : (first + chunks) << bits]
    s["chunk_first"], s["chunks"], s["chunk_base"] = end, high - low, low


def _queues(venue: ShowsBooks, place: int) -> Iterator[tuple[int, Any]]:
    """Prices of a list that have orders, the best first, with their rows."""
    s = venue.table("side")[place]
    if not s["orders"]:
        return
    chunks, slots, pages = venue.table("chunk"), venue.table("slot"), venue.table("page")
    descending = place % LISTS % 2 == 0

    def best_first(rising: list[int]) -> list[int]:
        return rising[::-1] if descending else rising

    def places(bits: int) -> list[int]:
        return best_first([k for k in range(PAGE) if bits >> k & 1])

    first = int(s["chunk_first"])
    for c in best_first(np.flatnonzero(chunks["used"][first : first + int(s["chunks"])]).tolist()):
        row = first + c
        for k in places(int(chunks[row]["used"])):
            page = int(slots[(row << PAGE_BITS) + k]["page"]) - 1
            for at in places(int(pages[page]["used"])):
                ticks = ((((int(s["chunk_base"]) + c) << PAGE_BITS) + k) << PAGE_BITS) + at
                yield ticks, venue.table("price")[(page << PAGE_BITS) + at]


def _row_of(venue: ShowsBooks, instrument: int, which: int) -> int:
    return (int(venue.table("contract")[instrument]["book"]) - 1) * LISTS + which


def view(venue: ShowsBooks, instrument: int, depth: int | None) -> BookView:
    """Both sides of a book."""

    def levels(which: int) -> tuple[BookLevel, ...]:
        found: list[BookLevel] = []
        for ticks, q in _queues(venue, _row_of(venue, instrument, which)):
            if depth is not None and len(found) >= depth:
                break
            found.append(BookLevel(ticks, int(q["lots"]), int(q["hidden"]), int(q["orders"])))
        return tuple(found)

    return BookView(levels(BIDS), levels(ASKS))


def queue_position(venue: ShowsBooks, order: int) -> tuple[int, int] | None:
    """Orders and lots ahead of a working order at its price."""
    orders, resting = venue.table("order"), venue.table("resting")
    row = venue.number("first_order")
    while row >= 0 and orders[row]["id"] != order:
        row = int(orders[row]["next"])
    if row < 0 or orders[row]["resting"] < 0 or orders[row]["trigger"]:
        return None
    ahead = lots = 0
    at = int(resting[int(orders[row]["resting"])]["previous"])
    while at >= 0:
        ahead, lots = ahead + 1, lots + int(resting[at]["shown"] + resting[at]["hidden"])
        at = int(resting[at]["previous"])
    return ahead, lots


def _window(venue: ShowsBooks, b: Any) -> Iterator[tuple[int, int, int]]:
    """Trades of a window that are, since they were, the lowest (1) or the highest (-1): instant and price."""
    first, words = int(b["window_first"]), int(b["window_words"])
    state = venue.table("window")["number"][first : first + words]
    capacity = (words - 4) // 4
    for queue, which in ((0, 1), (1, -1)) if words else ():
        times = 4 + 2 * queue * capacity
        for k in range(int(state[2 * queue + 1])):
            at = times + (int(state[2 * queue]) + k) % capacity
            if venue.number("clock_ns") - state[at] < b["velocity_ns"]:
                yield which, int(state[at]), which * int(state[at + capacity])


def book_lines(venue: ShowsBooks) -> Iterator[Line]:
    """The lines of the canonical form that say how orders stand in books."""
    if not venue.books:
        return
    orders, resting = venue.table("order"), venue.table("resting")
    for i, instrument in enumerate(venue.instruments):
        if instrument.id not in venue.books:
            continue
        b = venue.table("book")[int(venue.table("contract")[i]["book"]) - 1]
        for side, which in ((1, BIDS), (-1, ASKS)):
            place = _row_of(venue, i, which)
            top = int(venue.table("side")[place]["top"])
            for ticks, q in _queues(venue, place):
                row = int(q["first"])
                while row >= 0:
                    r = resting[row]
                    nobody = -1 if b["of_levels"] else int(b["slots_first"]) - row - 1
                    order = orders[int(r["owner"])]["id"] if r["owner"] >= 0 else nobody
                    yield "book", (i, side, ticks, order, r["shown"], r["hidden"], int(row == top))
                    row = int(r["next"])
        if b["resume_ns"]:
            yield "halt", (i, b["resume_ns"], b["halted_ns"], b["halted_ticks"])
        for which, since_ns, price in _window(venue, b):
            yield "window", (i, which, since_ns, price)
        if b["flow_rows"]:
            yield "flow", (i, b["flow_next"])
        for slot in range(int(b["slots"])):
            r = resting[int(b["slots_first"]) + slot]
            if r["recorded"]:
                side = 1 if int(r["place"]) % LISTS == BIDS else -1
                yield "recorded", (i, slot, side, r["ticks"], r["recorded"], r["taken"])
